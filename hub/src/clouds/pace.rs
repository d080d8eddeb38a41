//! How often a cloud is asked: a budget of calls an hour of which commands may use all and looking only a part, a pause that
//! grows with failures, a little chance in each so that all hubs of a town do not ask at once. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);
/// Failures make the pause so long at most.
const LONGEST: Duration = Duration::from_secs(1800);

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// To see how things stand.
    Looking,
    /// Because somebody wants something done.
    Doing,
}

/// Calls of the last hour.
#[derive(Debug)]
pub(super) struct Budget {
    per_hour: usize,
    spent: VecDeque<Instant>,
}

impl Budget {
    pub fn new(per_hour: u32) -> Self {
        Budget { per_hour: usize::try_from(per_hour).unwrap_or(usize::MAX), spent: VecDeque::new() }
    }

    /// Spends a call, or says how long until there is one. A fifth is kept for what people want done.
    pub fn take(&mut self, what: For, now: Instant) -> Result<(), Duration> {
        while self.spent.front().is_some_and(|at| now.saturating_duration_since(*at) >= HOUR) {
            self.spent.pop_front();
        }
        let most = match what {
            For::Doing => self.per_hour,
            For::Looking => self.per_hour - self.per_hour / 5,
        };
        if self.spent.len() < most {
            self.spent.push_back(now);
            return Ok(());
        }
        let freed = self.spent.get(self.spent.len() - most);
        Err(freed.map_or(HOUR, |at| HOUR.saturating_sub(now.saturating_duration_since(*at))))
    }

    /// Calls of the last hour.
    pub fn spent(&self) -> usize {
        self.spent.len()
    }
}

/// How long until the next look. `chance` is from 0 to 1.
pub(super) fn pause(every: Duration, failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = every.saturating_mul(1 << failures.min(10)).min(LONGEST.max(every));
    let pause = if failures == 0 { every } else { doubled };
    let jitter = pause.mul_f64(0.1 * chance.clamp(0.0, 1.0));
    // What the cloud asked for is the least; chance comes on top, or all would come back together.
    asked.map_or(pause, |asked| asked.max(pause)) + jitter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_leaves_something_for_doing_and_both_come_back_after_an_hour() {
        let (mut budget, now) = (Budget::new(10), Instant::now());
        assert!((0..8).all(|_| budget.take(For::Looking, now).is_ok()));
        assert_eq!(budget.take(For::Looking, now + HOUR / 2), Err(HOUR / 2));
        assert!((0..2).all(|_| budget.take(For::Doing, now + HOUR / 2).is_ok()));
        assert_eq!(budget.take(For::Doing, now + HOUR / 2), Err(HOUR / 2));
        assert!(budget.take(For::Looking, now + HOUR).is_ok());
        assert_eq!(budget.spent(), 3);
    }

    #[test]
    fn a_pause_grows_with_failures_has_an_end_and_is_never_shorter_than_what_was_asked_for() {
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        assert_eq!(pause(minute, 0, None, 0.0), minute);
        assert_eq!(pause(minute, 0, None, 1.0), 66 * second);
        assert_eq!(pause(minute, 2, None, 0.0), 4 * minute);
        assert_eq!(pause(minute, u32::MAX, None, 0.0), LONGEST);
        assert_eq!(pause(2 * HOUR, 3, None, 0.0), 2 * HOUR);
        assert_eq!(pause(minute, 0, Some(2 * HOUR), 0.0), 2 * HOUR);
        assert!(pause(minute, 0, Some(second), 0.0) == minute);
    }
}
