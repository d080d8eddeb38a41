//! When a supplier takes the readings of a month, as `PeriodMetering` of ГИС ЖКХ says it: two days, the second of which
//! may lie in the next month. Calendar only; the hours of a day are the business of whoever knows the time zone.

use domovoi_model::{Date, Period, Resource};

#[cfg(test)]
mod tests;

/// A day of a month of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MonthDay {
    /// 1..=31; in a month without such a day, its last.
    Day(u8),
    /// 28th to 31st, as the month has it.
    Last,
}

impl MonthDay {
    /// The day in a month of this many days.
    fn in_length(self, days: u8) -> u8 {
        match self {
            MonthDay::Day(day) => day.min(days),
            MonthDay::Last => days,
        }
    }

    fn of(self, period: Period) -> Date {
        period.day(self.in_length(period.days()))
    }
}

/// When the readings of a period are taken, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Of which resources of the supplier.
    pub resources: Vec<Resource>,
    /// Its first day, in the month that the readings are of.
    pub start: MonthDay,
    /// Its last day, itself included.
    pub end: MonthDay,
    /// Whether the last day lies in the month after (Moscow water: from the 15th to the 3rd).
    pub end_next_month: bool,
}

/// Month lengths that exist.
const LENGTHS: [u8; 4] = [28, 29, 30, 31];
/// A leap cycle: every pair of neighbouring month lengths occurs in it.
const CYCLE: std::ops::Range<i16> = 2024..2028;

impl Window {
    /// The first and the last day on which the readings of this period are taken.
    pub fn dates(&self, period: Period) -> (Date, Date) {
        let end = if self.end_next_month { period.next() } else { period };
        (self.start.of(period), self.end.of(end))
    }

    /// Whose readings are taken on this day, if the window is open then.
    pub fn period_of(&self, day: Date) -> Option<Period> {
        let open = |period: &Period| {
            let (first, last) = self.dates(*period);
            first <= day && day <= last
        };
        [day.period(), day.period().previous()].into_iter().find(open)
    }

    /// The month length in which it would end before it begins, if there is one.
    pub(crate) fn backwards(&self) -> Option<u8> {
        let backwards = |days: &u8| self.end.in_length(*days) < self.start.in_length(*days);
        if self.end_next_month { None } else { LENGTHS.into_iter().find(backwards) }
    }

    /// Whether it is still open when its own next month begins, so that a day would belong to two periods.
    pub(crate) fn meets_itself(&self) -> bool {
        let meets = |days: u8| self.end.in_length(days) >= self.start.in_length(days);
        self.end_next_month && LENGTHS.into_iter().any(meets)
    }

    /// The first day (of a leap cycle) on which both are open; resources are not looked at.
    pub(crate) fn overlap(&self, other: &Window) -> Option<Date> {
        periods().find_map(|period| {
            let (first, last) = self.dates(period);
            [period.previous(), period, period.next()].into_iter().find_map(|near| {
                let (other_first, other_last) = other.dates(near);
                let day = first.max(other_first);
                (day <= last.min(other_last)).then_some(day)
            })
        })
    }

    /// How many days it is open in the month in which it is shortest.
    pub(crate) fn shortest_days(&self) -> i64 {
        let days = periods().map(|period| {
            let (first, last) = self.dates(period);
            last.days_since_epoch() - first.days_since_epoch() + 1
        });
        days.min().unwrap_or(1)
    }
}

fn periods() -> impl Iterator<Item = Period> {
    CYCLE.flat_map(|year| (1..=12).filter_map(move |month| Period::new(year, month)))
}
