//! Points in time, calendar dates and billing periods as plain values. Nobody here reads a clock or knows a time zone.

use std::fmt;
use std::str::FromStr;

use crate::id::BootId;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This many milliseconds later (earlier when negative); stops at the ends of the range.
    pub fn plus_millis(self, millis: i64) -> Self {
        Timestamp(self.0.saturating_add(millis))
    }
}

/// `2026-11-21T22:25:00.000Z`: UTC, always with milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000);
        let millis = self.0.rem_euclid(86_400_000);
        let (year, month, day) = civil_from_days(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            millis / 3_600_000,
            millis / 60_000 % 60,
            millis / 1000 % 60,
            millis % 1000
        )
    }
}

/// When something happened, as far as the hub knew then. A Raspberry Pi boots in 1970: until its clock is trusted a
/// moment counts from the start of the daemon, and the store learns later how far that start was from the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Wall time from a trusted clock.
    Wall(Timestamp),
    /// Milliseconds since this run of the daemon began; no wall time known yet.
    SinceBoot {
        /// Which run.
        boot: BootId,
        /// Monotonic milliseconds since its start.
        millis: i64,
    },
}

impl Moment {
    /// The wall time, if it is known.
    pub fn wall(self) -> Option<Timestamp> {
        match self {
            Moment::Wall(at) => Some(at),
            Moment::SinceBoot { .. } => None,
        }
    }
}

/// A day of the proleptic Gregorian calendar, without a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    year: i16,
    month: u8,
    day: u8,
}

impl Date {
    /// `None` when there is no such day. Years 1..=9999.
    pub fn new(year: i16, month: u8, day: u8) -> Option<Self> {
        let ok =
            (1..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        ok.then_some(Date { year, month, day })
    }

    /// The year, 1..=9999.
    pub fn year(self) -> i16 {
        self.year
    }

    /// The month, 1..=12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1..=31.
    pub fn day(self) -> u8 {
        self.day
    }

    /// The month this day is in.
    pub fn period(self) -> Period {
        Period { year: self.year, month: self.month }
    }

    /// Days since 1970-01-01 (negative before it).
    pub fn days_since_epoch(self) -> i64 {
        let y = i64::from(self.year) - i64::from(self.month <= 2);
        let era = y.div_euclid(400);
        let yoe = y.rem_euclid(400);
        let mp = (i64::from(self.month) + 9) % 12;
        let doy = (153 * mp + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
    }

    /// The day this many days later (earlier when negative); `None` outside the years 1..=9999.
    pub fn plus_days(self, days: i64) -> Option<Self> {
        let (year, month, day) = civil_from_days(self.days_since_epoch().checked_add(days)?);
        Date::new(i16::try_from(year).ok()?, month, day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANT: &str = "not a date: expected YYYY-MM-DD";
        let mut parts = text.split('-');
        let (Some(y), Some(m), Some(d), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(WANT);
        };
        if y.len() != 4 || m.len() != 2 || d.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return Err(WANT);
        }
        let (Ok(y), Ok(m), Ok(d)) = (y.parse(), m.parse(), d.parse()) else { return Err(WANT) };
        Date::new(y, m, d).ok_or("there is no such day in the calendar")
    }
}

/// A billing month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period {
    /// 1..=9999
    pub year: i16,
    /// 1..=12
    pub month: u8,
}

impl Period {
    /// `None` when the month is not 1..=12 or the year not 1..=9999.
    pub fn new(year: i16, month: u8) -> Option<Self> {
        Date::new(year, month, 1).map(Date::period)
    }

    /// The month after this one.
    pub fn next(self) -> Self {
        if self.month == 12 {
            Period { year: self.year + 1, month: 1 }
        } else {
            Period { month: self.month + 1, ..self }
        }
    }

    /// The month before this one.
    pub fn previous(self) -> Self {
        if self.month == 1 {
            Period { year: self.year - 1, month: 12 }
        } else {
            Period { month: self.month - 1, ..self }
        }
    }

    /// How many days it has.
    pub fn days(self) -> u8 {
        days_in_month(self.year, self.month)
    }

    /// A day of it, the last one when the month is shorter.
    pub fn day(self, day: u8) -> Date {
        Date { year: self.year, month: self.month, day: day.clamp(1, self.days()) }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}-01").parse::<Date>().map(Date::period).map_err(|_| "not a month: expected YYYY-MM")
    }
}

fn days_in_month(year: i16, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's algorithm, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u8;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u8;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_know_the_calendar() {
        assert_eq!(Date::new(2024, 2, 29).map(|d| d.to_string()).as_deref(), Some("2024-02-29"));
        assert_eq!(Date::new(2023, 2, 29), None);
        assert_eq!("2026-11-31".parse::<Date>(), Err("there is no such day in the calendar"));
        assert_eq!(Date::new(1970, 1, 1).unwrap().days_since_epoch(), 0);
        assert_eq!(Date::new(2026, 12, 31).unwrap().plus_days(1), Date::new(2027, 1, 1));
        let mut day = Date::new(1899, 12, 25).unwrap();
        for n in 1..100_000 {
            let next = day.plus_days(1).unwrap();
            assert!(next > day && next.days_since_epoch() == day.days_since_epoch() + 1, "{n} {day} {next}");
            day = next;
        }
    }

    #[test]
    fn periods_roll_over_the_year() {
        let december = Period::new(2026, 12).unwrap();
        assert_eq!(december.next().to_string(), "2027-01");
        assert_eq!(december.next().previous(), december);
        assert_eq!(Period::new(2026, 2).unwrap().day(31).to_string(), "2026-02-28");
        assert_eq!("2026-13".parse::<Period>(), Err("not a month: expected YYYY-MM"));
    }

    #[test]
    fn timestamps_are_spelled_in_utc() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_795_300_000_123).to_string(), "2026-11-21T22:26:40.123Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
