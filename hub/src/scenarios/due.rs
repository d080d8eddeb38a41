//! Until when something waits. As long as the hub runs, by the time since its start: a wall clock that is put forward makes
//! no minute shorter, and in 1970 ten minutes are ten minutes. After a restart by the wall clock, if that was known; if
//! not, the whole time passes again.

use domovoi_model::{BootId, Moment, Timestamp};
use serde::{Deserialize, Serialize};

use super::spelled;

/// A moment as the clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall time, if the clock is trusted.
    pub wall: Option<Timestamp>,
    /// Which run of the hub.
    pub boot: BootId,
    /// Since it began.
    pub millis: i64,
}

impl Now {
    /// As samples keep it.
    pub fn moment(&self) -> Moment {
        match self.wall {
            Some(at) => Moment::Wall(at),
            None => Moment::SinceBoot { boot: self.boot, millis: self.millis },
        }
    }
}

/// The end of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    #[serde(with = "spelled")]
    boot: BootId,
    at_millis: i64,
    /// How long the whole of it is.
    length: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wall: Option<i64>,
}

impl Due {
    /// After so many milliseconds.
    pub fn after(now: &Now, length: i64) -> Self {
        let length = length.max(0);
        Due {
            boot: now.boot,
            at_millis: now.millis.saturating_add(length),
            length,
            wall: now.wall.map(|at| at.0.saturating_add(length)),
        }
    }

    /// How many milliseconds are left; none or less: it is over.
    pub fn left(&self, now: &Now) -> i64 {
        if self.boot == now.boot {
            return self.at_millis.saturating_sub(now.millis);
        }
        // Of another run of the hub. A clock that was wrong when the wait began does not make it longer than it is.
        let whole = self.length.saturating_sub(now.millis);
        match (self.wall, now.wall) {
            (Some(wall), Some(at)) => wall.saturating_sub(at.0).min(whole),
            _ => whole,
        }
    }

    /// Whether it is over.
    pub fn is_over(&self, now: &Now) -> bool {
        self.left(now) <= 0
    }

    /// Since how long it is over, in milliseconds, as far as the wall clock can say.
    pub fn late(&self, now: &Now) -> i64 {
        match (self.wall, now.wall) {
            (Some(wall), Some(at)) if self.boot != now.boot => at.0.saturating_sub(wall).max(0),
            _ => self.left(now).saturating_neg().max(0),
        }
    }

    /// The clock is trusted now and was not when it began: from now on it would survive a restart. Whether that was new.
    pub fn settle(&mut self, now: &Now) -> bool {
        let news = self.wall.is_none() && self.boot == now.boot;
        match now.wall.filter(|_| news) {
            Some(at) => {
                self.wall = Some(at.0.saturating_add(self.left(now)));
                true
            }
            None => false,
        }
    }

    /// When it is over, on the wall clock.
    pub fn wall(&self, now: &Now) -> Option<Timestamp> {
        now.wall.map(|at| at.plus_millis(self.left(now)))
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::Id;

    use super::*;

    const YEAR_2026: i64 = 1_795_300_000_000;

    fn now(boot: u8, millis: i64, wall: Option<i64>) -> Now {
        Now { wall: wall.map(Timestamp), boot: BootId(Id([boot; 16])), millis }
    }

    #[test]
    fn a_jump_of_the_wall_clock_changes_no_wait() {
        let due = Due::after(&now(1, 1000, Some(YEAR_2026)), 600_000);
        assert!(!due.is_over(&now(1, 600_999, Some(YEAR_2026 + 86_400_000))));
        assert!(due.is_over(&now(1, 601_000, Some(YEAR_2026 - 86_400_000))));
    }

    #[test]
    fn after_a_restart_the_wall_clock_counts_and_in_1970_the_whole_time_passes_again() {
        let mut due = Due::after(&now(1, 1000, Some(YEAR_2026)), 600_000);
        assert!(due.is_over(&now(2, 0, Some(YEAR_2026 + 600_000))));
        assert_eq!(due.left(&now(2, 0, Some(YEAR_2026 + 599_000))), 1000);
        assert_eq!(due.left(&now(2, 5_000, None)), 595_000);
        assert_eq!(due.left(&now(2, 0, Some(YEAR_2026 - 86_400_000))), 600_000, "never longer than it is");
        assert!(!due.settle(&now(2, 0, Some(YEAR_2026))));
        // Begun in 1970; trusted five minutes later; restarted.
        due = Due::after(&now(1, 0, None), 600_000);
        assert_eq!(due.left(&now(2, 0, Some(YEAR_2026))), 600_000);
        assert!(due.settle(&now(1, 300_000, Some(YEAR_2026))));
        assert_eq!(due.left(&now(2, 0, Some(YEAR_2026 + 100_000))), 200_000);
        assert_eq!(due.late(&now(2, 0, Some(YEAR_2026 + 310_000))), 10_000);
    }
}
