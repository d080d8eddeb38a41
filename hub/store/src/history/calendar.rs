//! Where intervals and chunks of rollups begin: arithmetic on milliseconds, the home's days by its offset from UTC.
//!
//! An hour or a day begins where the home's clocks say so; on the day of a change of the clocks a day has 23 or 25 hours.

use super::read::Level;
use super::settings::HomeTime;

pub(super) const MINUTE: i64 = 60_000;
pub(super) const DAY: i64 = 86_400_000;

impl Level {
    pub(super) const ALL: [Level; 3] = [Level::FiveMinutes, Level::Hour, Level::Day];

    /// As the column `level` has it.
    pub(super) fn code(self) -> i64 {
        match self {
            Level::FiveMinutes => 0,
            Level::Hour => 1,
            Level::Day => 2,
        }
    }

    /// What one row of rollups spans: 288 intervals of five minutes, a month of hours, a year of days. Chunks lie on a
    /// grid of UTC, so that a change of the home's zone moves none.
    pub(super) fn chunk_millis(self) -> i64 {
        match self {
            Level::FiveMinutes => DAY,
            Level::Hour => 30 * DAY,
            Level::Day => 360 * DAY,
        }
    }

    /// The beginning of the chunk in which an interval that begins at `at` is kept.
    pub(super) fn chunk_of(self, at: i64) -> i64 {
        floor(at, self.chunk_millis())
    }

    fn millis(self) -> i64 {
        match self {
            Level::FiveMinutes => 5 * MINUTE,
            Level::Hour => 60 * MINUTE,
            Level::Day => DAY,
        }
    }
}

fn floor(at: i64, step: i64) -> i64 {
    at.div_euclid(step).saturating_mul(step)
}

impl HomeTime {
    /// The beginning of the interval that holds a moment.
    pub(super) fn interval_of(&self, level: Level, at: i64) -> i64 {
        let offset = self.offset(at);
        let local = floor(at.saturating_add(offset), level.millis());
        let begin = local.saturating_sub(offset);
        if level != Level::Day {
            return begin;
        }
        // The clocks may have been changed since midnight.
        let midnight = local.saturating_sub(self.offset(begin));
        if midnight <= at { midnight } else { begin }
    }

    /// The day that holds a moment: from, and the beginning of the next.
    pub(super) fn day_of(&self, at: i64) -> (i64, i64) {
        let from = self.interval_of(Level::Day, at);
        // A day and a half later is the next day, whether this one has 23 hours or 25.
        let to = self.interval_of(Level::Day, from.saturating_add(DAY + DAY / 2));
        (from, to.max(at.saturating_add(1)))
    }

    /// The end of an interval that begins at `from`.
    pub(super) fn end_of(&self, level: Level, from: i64) -> i64 {
        match level {
            Level::Day => self.day_of(from).1,
            other => from.saturating_add(other.millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::Timestamp;

    use super::*;

    /// Berlin in 2026: +1 h, and +2 h from 29 March to 25 October, both at 01:00 UTC.
    fn berlin() -> HomeTime {
        let summer = 1_774_746_000_000..1_792_890_000_000i64;
        HomeTime::new(|| None, move |at: Timestamp| if summer.contains(&at.0) { 7200 } else { 3600 })
    }

    #[test]
    fn days_follow_the_clocks_of_the_home() {
        let home = berlin();
        let (mut from, end) = home.day_of(1_774_000_000_000);
        let mut lengths = Vec::new();
        let mut to = end;
        for _ in 0..240 {
            for at in [from, from + 1, (from + to) / 2, to - 1] {
                assert_eq!(home.day_of(at), (from, to));
            }
            lengths.push((to - from) / 3_600_000);
            assert_eq!((from + home.offset(from)).rem_euclid(DAY), 0, "midnight");
            (from, to) = (to, home.day_of(to).1);
        }
        assert_eq!(lengths.iter().filter(|hours| **hours == 23).count(), 1);
        assert_eq!(lengths.iter().filter(|hours| **hours == 25).count(), 1);
        assert!(lengths.iter().all(|hours| (23..=25).contains(hours)));
    }

    #[test]
    fn the_ends_of_time_are_no_panic() {
        let home = berlin();
        for at in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            for level in Level::ALL {
                let from = home.interval_of(level, at);
                home.end_of(level, from);
                level.chunk_of(from);
            }
            home.day_of(at);
        }
    }

    #[test]
    fn hours_of_a_zone_with_half_hours_begin_with_its_clocks() {
        let india = HomeTime::new(|| None, |_| 19_800);
        let from = india.interval_of(Level::Hour, 1_795_300_000_000);
        assert_eq!((from + 19_800_000) % 3_600_000, 0);
        assert_eq!(india.day_of(from).0 % DAY, DAY - 19_800_000);
    }
}
