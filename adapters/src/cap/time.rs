//! Times as they are written: CAP's own, those of feeds, and what people make of them. Compared as instants.

use domovoi_model::{Date, Timestamp};

/// A time, and whether it said how far from UTC it is. Without that it is taken for UTC, as feeds of many countries mean it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub at: Timestamp,
    pub has_offset: bool,
}

/// `2026-11-21T22:25:00-00:00`, with `Z`, fractions, spaces, a date alone; `Sat, 21 Nov 2026 22:25:00 GMT`.
pub(super) fn read(text: &str) -> Option<Read> {
    let text = text.trim();
    if text.is_empty() || text.len() > 64 {
        return None;
    }
    iso(text).or_else(|| rfc2822(text))
}

fn iso(text: &str) -> Option<Read> {
    let (date, rest) = text.split_at_checked(10)?;
    let day: Date = date.replace('/', "-").parse().ok()?;
    let midnight = day.days_since_epoch().checked_mul(86_400_000)?;
    let rest = rest.trim();
    if rest.is_empty() {
        return stamp(midnight, 0, None);
    }
    let rest = rest.strip_prefix(['T', 't']).unwrap_or(rest).trim();
    let clock_ends = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ',')).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at_checked(clock_ends)?;
    stamp(midnight, millis_of_day(clock)?, offset_minutes(offset)?)
}

fn stamp(midnight: i64, millis: i64, offset: Option<i64>) -> Option<Read> {
    let utc = midnight.checked_add(millis)?.checked_sub(offset.unwrap_or(0).checked_mul(60_000)?)?;
    Some(Read { at: Timestamp(utc), has_offset: offset.is_some() })
}

/// `22:25`, `22:25:00`, `22:25:00.5`, `22:25:00,5`; the last second may be a leap second, and 24:00 is the day's end.
fn millis_of_day(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let mut part = |most: i64| match parts.next() {
        None => Some(0),
        Some(digits) if (1..=2).contains(&digits.len()) => digits.parse().ok().filter(|n| *n <= most),
        Some(_) => None,
    };
    let (hours, minutes, seconds) = (part(24)?, part(59)?, part(60)?);
    if parts.next().is_some() || !whole.contains(':') {
        return None;
    }
    let digits = fraction.get(..fraction.len().min(3))?;
    let millis = if digits.is_empty() { 0 } else { format!("{digits:0<3}").parse().ok()? };
    let total = ((hours * 60 + minutes) * 60 + seconds.min(59)) * 1000 + millis;
    (total <= 86_400_000).then_some(total)
}

/// `Z`, `+03:00`, `+0300`, `+03`, `UTC`, nothing: minutes east, `None` where nothing was said.
#[allow(clippy::option_option)] // nothing said, and nothing that can be read, are two things
fn offset_minutes(text: &str) -> Option<Option<i64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    if ["z", "utc", "gmt"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(Some(0));
    }
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix(['-', '−', '–'])?),
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 15 && minutes < 60).then_some(Some(sign * (hours * 60 + minutes)))
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// As RSS writes it.
fn rfc2822(text: &str) -> Option<Read> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_whitespace();
    let day: u8 = words.next()?.parse().ok()?;
    let month = words.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| month.starts_with(name))?;
    let year: i16 = words.next()?.parse().ok()?;
    let year = if year < 100 { year.checked_add(2000)? } else { year };
    let clock = words.next()?;
    let zone = words.next().unwrap_or_default();
    let offset = match zone.to_ascii_uppercase().as_str() {
        "EST" => Some(-300),
        "EDT" | "CST" => Some(if zone.eq_ignore_ascii_case("EDT") { -240 } else { -360 }),
        "CDT" | "MST" => Some(if zone.eq_ignore_ascii_case("CDT") { -300 } else { -420 }),
        "MDT" | "PST" => Some(if zone.eq_ignore_ascii_case("MDT") { -360 } else { -480 }),
        "PDT" => Some(-420),
        "MSK" => Some(180),
        "CET" => Some(60),
        "CEST" | "EET" => Some(120),
        "EEST" => Some(180),
        _ => offset_minutes(zone)?,
    };
    let date = Date::new(year, u8::try_from(month.checked_add(1)?).ok()?, day)?;
    stamp(date.days_since_epoch().checked_mul(86_400_000)?, millis_of_day(clock)?, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<(String, bool)> {
        read(text).map(|read| (read.at.to_string(), read.has_offset))
    }

    #[test]
    fn the_same_instant_in_many_spellings() {
        for text in [
            "2026-11-21T22:25:00-00:00",
            "2026-11-21T22:25:00Z",
            "2026-11-21t22:25:00z",
            "2026-11-22T01:25:00+03:00",
            "2026-11-22T01:25+0300",
            " 2026-11-22 01:25:00.000 +03 ",
            "2026-11-21T22:25:00,000Z",
            "2026-11-21T17:25:00−05:00",
            "Sat, 21 Nov 2026 22:25:00 GMT",
            "21 Nov 26 17:25:00 EST",
            "Sat, 21 November 2026 22:25 +0000",
        ] {
            assert_eq!(utc(text), Some(("2026-11-21T22:25:00.000Z".to_owned(), true)), "{text}");
        }
        assert_eq!(utc("2026-11-21T22:25:00.1234Z").unwrap().0, "2026-11-21T22:25:00.123Z");
        assert_eq!(utc("2026-11-21T24:00:00Z").unwrap().0, "2026-11-22T00:00:00.000Z");
        assert_eq!(utc("2026-12-31T23:59:60Z").unwrap().0, "2026-12-31T23:59:59.000Z");
    }

    #[test]
    fn an_offset_that_is_missing_is_told_and_what_is_no_time_is_none() {
        assert_eq!(utc("2026-11-21T22:25:00"), Some(("2026-11-21T22:25:00.000Z".to_owned(), false)));
        assert_eq!(utc("2026-11-21"), Some(("2026-11-21T00:00:00.000Z".to_owned(), false)));
        for text in
            ["", "soon", "2026-13-01T00:00:00Z", "2026-11-21T25:00:00Z", "2026-11-21T22:25:00+99:00", "21.11.26"]
        {
            assert_eq!(utc(text), None, "{text}");
        }
    }
}
