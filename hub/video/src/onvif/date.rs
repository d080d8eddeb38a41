//! The few dates of ONVIF and WS-Security: UTC in the letters of ISO 8601 and the fields of `GetSystemDateAndTime`, to and
//! from milliseconds since 1970.
//! Deliberately no zones and no calendar beyond Gregory's.

const DAY_MS: i64 = 86_400_000;

/// Days since 1970-01-01 of a date; `None` if there is none such. Years from 1900 to 2200: a camera that says another has
/// no clock.
pub(super) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = |year: i64| i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1900..=2200).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let index = usize::try_from(month - 1).ok()?;
    if day > *lengths.get(index)? {
        return None;
    }
    let years = year - 1;
    // Days before the year since 0001-01-01, less those before 1970.
    let before = years * 365 + years / 4 - years / 100 + years / 400 - 719_162;
    Some(before + lengths.iter().take(index).sum::<i64>() + day - 1)
}

pub(super) fn millis(date: (i64, i64, i64), time: (i64, i64, i64)) -> Option<i64> {
    let (hour, minute, second) = time;
    // 60: a leap second.
    if !(0..=23).contains(&hour) || !(0..=59).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    Some(days(date.0, date.1, date.2)? * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000)
}

/// `2026-11-22T17:27:14.250Z`; what is out of range is brought into it.
pub(super) fn iso(millis: i64) -> String {
    let most = days(2200, 12, 31).unwrap_or(0) * DAY_MS + DAY_MS - 1;
    let least = days(1900, 1, 1).unwrap_or(0) * DAY_MS;
    let millis = millis.clamp(least, most);
    let (day, rest) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    // The year by the shortest length, which is too late by some leap days, or before 1970 too early by some.
    let mut year = (1971 + day.div_euclid(365)).min(2200);
    while days(year, 1, 1).is_none_or(|first| first > day) && year > 1900 {
        year -= 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1).is_some_and(|first| first <= day)).unwrap_or(1);
    let date = day - days(year, month, 1).unwrap_or(day) + 1;
    let (seconds, ms) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_counted() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(1969, 12, 31), Some(-1));
        for bad in [(2001, 2, 29), (2100, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31), (1, 1, 1), (9999, 1, 1)] {
            assert_eq!(days(bad.0, bad.1, bad.2), None, "{bad:?}");
        }
        assert_eq!(millis((2026, 11, 22), (17, 27, 14)), Some(1_795_368_434_000));
        assert_eq!(millis((2026, 11, 22), (24, 0, 0)), None);
        assert_eq!(iso(1_795_368_434_250), "2026-11-22T17:27:14.250Z");
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(i64::MIN), "1900-01-01T00:00:00.000Z");
        assert_eq!(iso(i64::MAX), "2200-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn there_and_back(ms in -2_000_000_000_000i64..7_000_000_000_000) {
            let text = iso(ms);
            let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
            let date = (number(0..4), number(5..7), number(8..10));
            let time = (number(11..13), number(14..16), number(17..19));
            prop_assert_eq!(millis(date, time).unwrap() + number(20..23), ms);
        }
    }
}
