//! Civil days, months and years in the home's zone. A day begins at its midnight there, so that it has 23 or 25 hours
//! where clocks are turned. Pure.

use domovoi_model::{Date, Period, Timestamp};
use jiff::tz::TimeZone;

/// An hour.
pub const HOUR: i64 = 3_600_000;

/// How finely use is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Civil days.
    Day,
    /// Calendar months.
    Month,
    /// Calendar years.
    Year,
}

impl Unit {
    /// All of them.
    pub const ALL: [Unit; 3] = [Unit::Day, Unit::Month, Unit::Year];

    /// `day`, `month`, `year`.
    pub fn code(self) -> &'static str {
        match self {
            Unit::Day => "day",
            Unit::Month => "month",
            Unit::Year => "year",
        }
    }

    /// Reads what `code` spells.
    pub fn from_code(code: &str) -> Option<Self> {
        Unit::ALL.into_iter().find(|unit| unit.code() == code)
    }

    /// The first day of the period that a day is in.
    pub fn begin(self, day: Date) -> Date {
        match self {
            Unit::Day => day,
            Unit::Month => day.period().day(1),
            Unit::Year => Date::new(day.year(), 1, 1).unwrap_or(day),
        }
    }

    /// The first day behind the period that a day is in.
    pub fn end(self, day: Date) -> Date {
        match self {
            Unit::Day => day.plus_days(1).unwrap_or(day),
            Unit::Month => day.period().next().day(1),
            Unit::Year => Date::new(day.year().saturating_add(1), 1, 1).unwrap_or(day),
        }
    }
}

/// The instant at which a day begins; the last day of the calendar where there is none.
pub fn start_of(zone: &TimeZone, day: Date) -> Timestamp {
    at_hour(zone, day, 0)
}

/// The instant at which an hour of a day is reached. An hour that the clocks leave out is reached when they are turned.
pub fn at_hour(zone: &TimeZone, day: Date, hour: i8) -> Timestamp {
    let utc = Timestamp(day.days_since_epoch() * 24 * HOUR + i64::from(hour) * HOUR);
    let Ok(civil) = jiff::civil::Date::new(day.year(), day.month() as i8, day.day() as i8) else { return utc };
    let local = civil.at(hour.clamp(0, 23), 0, 0, 0);
    zone.to_ambiguous_zoned(local).compatible().map_or(utc, |zoned| Timestamp(zoned.timestamp().as_millisecond()))
}

/// The day that it is in the zone at an instant.
pub fn day_at(zone: &TimeZone, at: Timestamp) -> Date {
    let fallback = Period { year: 1970, month: 1 }.day(1);
    let Ok(instant) = jiff::Timestamp::from_millisecond(at.0) else { return fallback };
    let date = instant.to_zoned(zone.clone()).date();
    Date::new(date.year(), date.month().unsigned_abs(), date.day().unsigned_abs()).unwrap_or(fallback)
}

/// Monday is 0.
pub fn weekday(day: Date) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((day.days_since_epoch() + 3).rem_euclid(7)).unwrap_or(0)
}

/// The days from `from` (included) to `to` (not).
pub fn each(from: Date, to: Date) -> impl Iterator<Item = Date> {
    let first = from.days_since_epoch();
    (0..(to.days_since_epoch() - first).max(0)).filter_map(move |n| from.plus_days(n))
}
