//! How much one client may send: a bucket of messages and one of bytes for each credential, shared by its connections,
//! so that neither a device gone mad nor one that was broken into takes the recorder from the others. It knows no time of
//! day and waits for nobody; what becomes of what is too much is the gate's business.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domovoi_config::Rate;
use tokio::time::Instant;

/// What may come at once, in seconds of the rate.
const BURST_SECONDS: u64 = 2;
const NANOS: u64 = 1_000_000_000;

/// Beyond its rate, or when its certificate has just ended, so much of what a credential says is looked at for dangers: in a
/// second on topics that the reflex waits for, and on all others. A flood on the others takes nothing from the former.
const GLANCES_CLOSE: u64 = 20;
const GLANCES: u64 = 5;

/// Credentials whose buckets are remembered while nobody is connected with them, so that coming again empties none.
const AWAY_KEPT: usize = 1024;

/// One bucket, as the generic cell rate algorithm has it: a single number says when it will be full again.
#[derive(Debug)]
struct Bucket {
    /// Nanoseconds for one unit, times 1024 so that a fast rate loses nothing; 0 is no limit.
    unit_nanos_1024: u64,
    burst_nanos: u64,
    /// When it is full again, in nanoseconds since the start.
    full_at: AtomicU64,
}

impl Bucket {
    /// `least`: so much may always come at once.
    fn new(per_second: u64, least: u64) -> Self {
        let unit_nanos_1024 = (NANOS * 1024).checked_div(per_second).unwrap_or(0);
        let least_nanos = cost(unit_nanos_1024, least);
        Self { unit_nanos_1024, burst_nanos: (BURST_SECONDS * NANOS).max(least_nanos), full_at: AtomicU64::new(0) }
    }

    fn take(&self, now: u64, units: u64) -> bool {
        if self.unit_nanos_1024 == 0 {
            return true;
        }
        let price = cost(self.unit_nanos_1024, units);
        let after = |full_at: u64| {
            let after = full_at.max(now).saturating_add(price);
            (after - now <= self.burst_nanos).then_some(after)
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).is_ok()
    }
}

fn cost(unit_nanos_1024: u64, units: u64) -> u64 {
    u64::try_from(u128::from(unit_nanos_1024) * u128::from(units) / 1024).unwrap_or(u64::MAX)
}

/// What one credential may send.
#[derive(Debug)]
pub(super) struct Allowance {
    rate: Rate,
    messages: Bucket,
    bytes: Bucket,
    close: Bucket,
    others: Bucket,
}

impl Allowance {
    /// `largest`: a message of so many bytes must fit.
    fn new(rate: Rate, largest: u64) -> Self {
        Self {
            rate,
            messages: Bucket::new(rate.messages.into(), 1),
            bytes: Bucket::new(rate.bytes, largest),
            close: Bucket::new(GLANCES_CLOSE, 1),
            others: Bucket::new(GLANCES, 1),
        }
    }

    /// Whether a message that is refused is looked at all the same; `close`: the reflex waits for what is said there.
    pub(super) fn glance(&self, now: u64, close: bool) -> bool {
        if close { self.close.take(now, 1) } else { self.others.take(now, 1) }
    }

    /// Takes one message of so many bytes; whether it was within the rate. `now` is nanoseconds since the start.
    pub(super) fn take(&self, now: u64, bytes: usize) -> bool {
        self.messages.take(now, 1) && self.bytes.take(now, bytes as u64)
    }
}

/// The allowances of all credentials.
#[derive(Debug)]
pub(super) struct Limits {
    start: Instant,
    held: Mutex<HashMap<String, Arc<Allowance>>>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), held: Mutex::default() }
    }

    /// Nanoseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The allowance of a credential; all of its connections have the same.
    pub(super) fn of(&self, username: &str, rate: Rate, largest: u64) -> Arc<Allowance> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // A user name may have been withdrawn and issued anew for something else.
        if let Some(allowance) = held.get(username).filter(|allowance| allowance.rate == rate) {
            return allowance.clone();
        }
        if held.len() >= AWAY_KEPT {
            held.retain(|_, allowance| Arc::strong_count(allowance) > 1);
        }
        let allowance = Arc::new(Allowance::new(rate, largest));
        held.insert(username.to_owned(), allowance.clone());
        allowance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOS;

    #[test]
    fn two_seconds_may_come_at_once_and_then_the_rate() {
        let allowance = Allowance::new(Rate { messages: 10, bytes: 0 }, 1);
        let taken = (0..100).filter(|_| allowance.take(SECOND, 1_000_000)).count();
        assert_eq!(taken, 20, "bytes are not bounded here");
        let later: usize = (0..10).map(|n| (0..100).filter(|_| allowance.take(SECOND * (2 + n), 1)).count()).sum();
        assert_eq!(later, 100);
        assert_eq!((0..100).filter(|_| allowance.take(SECOND * 1000, 1)).count(), 20, "it fills up no further");
    }

    #[test]
    fn a_flood_elsewhere_takes_nothing_from_where_the_reflex_listens() {
        let allowance = Allowance::new(Rate { messages: 1, bytes: 1 }, 1);
        assert_eq!((0..1000).filter(|_| allowance.glance(0, false)).count(), 10);
        assert_eq!((0..1000).filter(|_| allowance.glance(0, true)).count(), 40);
        assert!(allowance.glance(SECOND, true) && allowance.glance(SECOND, false));
    }

    #[test]
    fn bytes_are_counted_too_and_the_largest_message_always_fits() {
        let allowance = Allowance::new(Rate { messages: 0, bytes: 100 }, 5000);
        assert!(allowance.take(0, 5000), "it is more than two seconds of the rate");
        assert!(!allowance.take(0, 100));
        assert!(!allowance.take(SECOND, 101));
        assert!(allowance.take(SECOND, 100));
    }

    #[test]
    fn a_fast_rate_is_kept_exactly_and_none_is_no_limit() {
        let fast = Allowance::new(Rate { messages: 1_000_000, bytes: 0 }, 1);
        assert_eq!((0..3_000_000).filter(|_| fast.take(0, 1)).count(), 2_000_000);
        let none = Allowance::new(Rate { messages: 0, bytes: 0 }, 1);
        assert!((0..1000).all(|_| none.take(0, usize::MAX)));
    }

    #[test]
    fn connections_of_a_credential_share_and_coming_again_empties_nothing() {
        let limits = Limits::new();
        let rate = Rate { messages: 1, bytes: 0 };
        let first = limits.of("plug", rate, 1);
        assert!(first.take(0, 1) && first.take(0, 1) && !first.take(0, 1));
        drop(first);
        assert!(!limits.of("plug", rate, 1).take(0, 1));
        for n in 0..AWAY_KEPT * 2 {
            limits.of(&format!("u{n}"), rate, 1);
        }
        assert!(limits.held.lock().unwrap().len() <= AWAY_KEPT);
    }
}
