//! When readings of a period are taken: calendar days in the supplier's time zone, which may reach into the next month.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::portal::settings::{WindowDay, WindowSpec};

/// `Err` is the time at which it opens (again), RFC 3339.
pub(crate) fn open(window: WindowSpec, time_zone: &str, period: (i16, i8), now_ms: i64) -> Result<(), String> {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let today = Timestamp::from_millisecond(now_ms).unwrap_or_default().to_zoned(zone.clone()).date();
    let (Some(start), Some(end)) = (day(period, window.start), day(period, window.end)) else {
        return Err(Timestamp::MAX.to_string());
    };
    if (start..=end).contains(&today) {
        return Ok(());
    }
    let opens = if today < start { Some(start) } else { day(following(period), window.start) };
    Err(opens
        .and_then(|date| date.to_zoned(zone).ok())
        .map_or_else(|| Timestamp::MAX.to_string(), |zoned| zoned.timestamp().to_string()))
}

/// Whether the window has opened at all: for a supplier that takes readings late.
pub(crate) fn has_begun(window: WindowSpec, time_zone: &str, period: (i16, i8), now_ms: i64) -> bool {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let today = Timestamp::from_millisecond(now_ms).unwrap_or_default().to_zoned(zone).date();
    day(period, window.start).is_some_and(|start| start <= today)
}

fn following((year, month): (i16, i8)) -> (i16, i8) {
    if month >= 12 { (year.saturating_add(1), 1) } else { (year, month + 1) }
}

fn day(period: (i16, i8), edge: WindowDay) -> Option<Date> {
    let (date, next_month) = match edge {
        WindowDay::Date { date, next_month } => (date, next_month),
        WindowDay::LastDay { next_month } => (31, next_month),
    };
    let (year, month) = if next_month { following(period) } else { period };
    let last = Date::new(year, month, 1).ok()?.last_of_month();
    Date::new(year, month, date.clamp(1, last.day())).ok()
}
