//! How long a link is good, on a machine that may not know the time. Within one run its monotonic time counts, whatever
//! the wall clock does meanwhile; across a restart both ends must have been read from a trusted clock. In doubt it is over.

use domovoi_model::Id;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// A length of time that began at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Term {
    boot: [u8; 16],
    run: i64,
    at: Option<i64>,
    life_millis: i64,
}

impl Term {
    pub fn begin(clock: &Clock, life_millis: i64) -> Self {
        let Id(boot) = clock.boot().0;
        Term { boot, run: clock.since_boot_millis(), at: clock.trusted().map(|at| at.0), life_millis }
    }

    pub fn holds(&self, clock: &Clock) -> bool {
        let passed = if clock.boot().0 == Id(self.boot) {
            Some(clock.since_boot_millis().saturating_sub(self.run))
        } else {
            self.at.zip(clock.trusted()).map(|(began, now)| now.0.saturating_sub(began))
        };
        passed.is_some_and(|passed| (0..self.life_millis).contains(&passed))
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn ten_minutes_are_ten_minutes_with_and_without_a_clock() {
        let clock = Clock::by_hand(Id([1; 16]), Timestamp(0));
        let term = Term::begin(&clock, 600_000);
        clock.set(Timestamp(599_999));
        assert!(term.holds(&clock));
        clock.set(Timestamp(600_000));
        assert!(!term.holds(&clock));
        let clock = Clock::by_hand(Id([1; 16]), Timestamp(0));
        let term = Term::begin(&clock, 600_000);
        clock.set(NOW);
        assert!(term.holds(&clock), "the clock was set; no time has passed");
    }

    #[test]
    fn another_run_has_to_know_the_time() {
        let first = Clock::by_hand(Id([1; 16]), NOW);
        let term = Term::begin(&first, 600_000);
        assert!(term.holds(&Clock::by_hand(Id([2; 16]), NOW.plus_millis(1_000))));
        assert!(!term.holds(&Clock::by_hand(Id([2; 16]), NOW.plus_millis(600_000))));
        assert!(!term.holds(&Clock::by_hand(Id([2; 16]), NOW.plus_millis(-1_000))));
        assert!(!term.holds(&Clock::by_hand(Id([2; 16]), Timestamp(1_000))), "1970");
        let nowhen = Term::begin(&Clock::by_hand(Id([1; 16]), Timestamp(0)), 600_000);
        assert!(!nowhen.holds(&Clock::by_hand(Id([2; 16]), NOW)));
    }
}
