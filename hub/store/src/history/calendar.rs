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
        if level == Level::Day {
            return self.day_of(at).0;
        }
        let offset = self.offset(at);
        floor(at.saturating_add(offset), level.millis()).saturating_sub(offset)
    }

    /// The day that holds a moment: from, and the beginning of the next.
    pub(super) fn day_of(&self, at: i64) -> (i64, i64) {
        let date = at.saturating_add(self.offset(at)).div_euclid(DAY);
        // Where the clocks are put back over midnight, a piece of the day before is lived through once more.
        let date = if self.midnight(date + 1) <= at {
            date + 1
        } else if self.midnight(date) <= at {
            date
        } else {
            date - 1
        };
        (self.midnight(date), self.midnight(date + 1).max(at.saturating_add(1)))
    }

    /// Where a date begins (days since 1970, as the home counts them): at its first midnight where the clocks are put back
    /// to midnight (Azores, Havana in autumn), where they are put forward if that is from midnight (Beirut, Havana in
    /// spring).
    fn midnight(&self, date: i64) -> i64 {
        let utc = date.saturating_mul(DAY);
        let about = utc.saturating_sub(self.offset(utc));
        // Clocks are changed hours away from the next change: there is one before it and one after it.
        let before = self.offset(about.saturating_sub(4 * 60 * MINUTE));
        let after = self.offset(about.saturating_add(4 * 60 * MINUTE));
        let (old, new) = (utc.saturating_sub(before), utc.saturating_sub(after));
        let is_reached = self.offset(old.saturating_sub(1)) == before && (self.offset(old) == before || before < after);
        if is_reached { old } else { new }
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

    /// The clocks show `before` until `change` and `after` from then on.
    fn changing(change: i64, before: i64, after: i64) -> HomeTime {
        HomeTime::new(|| None, move |at: Timestamp| (if at.0 < change { before } else { after } * 60) as i32)
    }

    #[test]
    fn a_date_is_one_day_however_often_its_midnight_comes() {
        const HOUR: i64 = 60 * MINUTE;
        /// 2026-10-25T00:00:00Z.
        const SUNDAY: i64 = 1_792_886_400_000;
        // Offsets in minutes; how long the days before, of and after the change are, in hours.
        let clocks = [
            ("Azores, autumn: 01:00 becomes 00:00", SUNDAY + HOUR, 0, -60, [24, 25, 24]),
            ("Azores, spring: 00:00 becomes 01:00", SUNDAY + HOUR, -60, 0, [24, 23, 24]),
            ("Havana, autumn: 01:00 becomes 00:00", SUNDAY + 5 * HOUR, -240, -300, [24, 25, 24]),
            ("Havana, spring: 00:00 becomes 01:00", SUNDAY + 5 * HOUR, -300, -240, [24, 23, 24]),
            ("Nuuk, autumn: 00:00 becomes 23:00", SUNDAY + HOUR, -60, -120, [25, 24, 24]),
            ("Nuuk, spring: 23:00 becomes 00:00", SUNDAY + HOUR, -120, -60, [23, 24, 24]),
            ("Lord Howe, autumn: 02:00 becomes 01:30", SUNDAY - 9 * HOUR, 660, 630, [24, 24, 24]),
            ("Apia, 2011: a day is left out", SUNDAY + 10 * HOUR, -600, 840, [24, 24, 24]),
        ];
        for (name, change, before, after, hours) in clocks {
            let home = changing(change, before, after);
            let (mut from, mut to) = home.day_of(change - 30 * HOUR);
            let mut lengths = Vec::new();
            while from < change + 48 * HOUR {
                let mut at = from;
                while at < to {
                    assert_eq!(home.day_of(at), (from, to), "{name}");
                    assert_eq!(home.interval_of(Level::Day, at), from, "{name}");
                    at += 10 * MINUTE;
                }
                assert_eq!(home.day_of(to - 1), (from, to), "{name}");
                lengths.push((to - from) / HOUR);
                (from, to) = home.day_of(to);
            }
            assert!(lengths.windows(3).any(|some| some == hours), "{name}: {lengths:?}");
        }
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
