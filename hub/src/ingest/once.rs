//! What was said already is not said again: the same fault in every message of a device fills the journal and tells nothing.
//! Bounded, and forgotten after an hour, so that what is new among much is said all the same.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// How many are told apart.
const MAX: usize = 4096;
/// After so long all of it is news again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// What was said.
#[derive(Default)]
pub(super) struct Once {
    hasher: RandomState,
    said: HashSet<u64>,
    since: Option<Instant>,
}

impl Once {
    /// Whether this is said for the first time. When too much was said, nothing is until the hour is over.
    pub(super) fn is_news(&mut self, what: impl Hash, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= FORGOTTEN_AFTER) {
            self.said.clear();
            self.since = Some(now);
        }
        self.said.len() < MAX && self.said.insert(self.hasher.hash_one(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_said_once_an_hour_and_not_all_of_too_many() {
        let (mut once, now) = (Once::default(), Instant::now());
        assert!(once.is_news("a", now) && !once.is_news("a", now) && once.is_news("b", now));
        assert!(once.is_news("a", now + FORGOTTEN_AFTER) && !once.is_news("a", now + FORGOTTEN_AFTER));
        assert_eq!((0..2 * MAX).filter(|n| once.is_news(n, now + FORGOTTEN_AFTER)).count(), MAX - 1);
    }
}
