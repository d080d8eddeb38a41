//! Dates, times and durations as iCalendar spells them (RFC 5545 3.3.4 to 3.3.6).

use jiff::civil::{Date, DateTime, Time};

/// The years that are believed.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;

/// A time as it is spelled: what clocks it is on is said beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelled {
    /// `20261124`
    Day(Date),
    /// `20261124T080000`
    Local(DateTime),
    /// `20261124T050000Z`
    Utc(DateTime),
}

/// Reads a date or a time.
pub fn time(text: &str) -> Option<Spelled> {
    let text = text.trim();
    let (day, rest) = text.split_at_checked(8)?;
    let day = date(day)?;
    if rest.is_empty() {
        return Some(Spelled::Day(day));
    }
    let rest = rest.strip_prefix(['T', 't'])?;
    let (rest, utc) = rest.strip_suffix(['Z', 'z']).map_or((rest, false), |rest| (rest, true));
    if !matches!(rest.len(), 4 | 6) || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| rest.get(at..at + 2).and_then(|part| part.parse::<i8>().ok());
    // A leap second is the second before it.
    let second = part(4).unwrap_or(0).min(59);
    let at = day.to_datetime(Time::new(part(0)?, part(2)?, second, 0).ok()?);
    Some(if utc { Spelled::Utc(at) } else { Spelled::Local(at) })
}

fn date(text: &str) -> Option<Date> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<i16>().ok());
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let day = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    YEARS.contains(&year).then_some(day)
}

/// Reads a duration, in seconds: `-P1DT2H`, `PT15M`, `P2W`.
pub fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let (text, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    let text = text.strip_prefix(['P', 'p'])?;
    let (mut seconds, mut digits, mut some) = (0i64, String::new(), false);
    for c in text.chars() {
        let unit = match c.to_ascii_uppercase() {
            '0'..='9' if digits.len() < 9 => {
                digits.push(c);
                continue;
            }
            'T' if digits.is_empty() => continue,
            'W' => 7 * 86_400,
            'D' => 86_400,
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(digits.parse::<i64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
        some = true;
    }
    (some && digits.is_empty()).then_some(sign * seconds)
}

/// `20261124`
pub fn spell_day(at: DateTime) -> String {
    at.strftime("%Y%m%d").to_string()
}

/// `20261124T080000`
pub fn spell_local(at: DateTime) -> String {
    at.strftime("%Y%m%dT%H%M%S").to_string()
}

/// Minutes as a duration.
pub fn spell_minutes(minutes: i64) -> String {
    let sign = if minutes < 0 { "-" } else { "" };
    let minutes = minutes.unsigned_abs();
    if minutes > 0 && minutes.is_multiple_of(1440) {
        return format!("{sign}P{}D", minutes / 1440);
    }
    format!("{sign}PT{minutes}M")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations() {
        let at = |text: &str| text.parse::<DateTime>().unwrap();
        assert_eq!(time("20261124"), Some(Spelled::Day(at("2026-11-24T00:00").date())));
        assert_eq!(time("20261124T080000"), Some(Spelled::Local(at("2026-11-24T08:00"))));
        assert_eq!(time("20161231T235960Z"), Some(Spelled::Utc(at("2016-12-31T23:59:59"))));
        for bad in [
            "",
            "2026-11-24",
            "20260230",
            "20261124T",
            "20261124T25",
            "20261124T250000",
            "99991124",
            "２０２６１１２４",
        ] {
            assert_eq!(time(bad), None, "{bad}");
        }
        assert_eq!(duration("-PT15M"), Some(-900));
        assert_eq!(duration("P1DT2H30M"), Some(95_400));
        assert_eq!(duration("+P2W"), Some(1_209_600));
        for bad in ["", "P", "PT", "15M", "P1X", "P99999999999D", "PT5", "P-5D"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(
            (spell_minutes(-1440), spell_minutes(0), spell_minutes(90)),
            ("-P1D".into(), "PT0M".into(), "PT90M".into())
        );
    }
}
