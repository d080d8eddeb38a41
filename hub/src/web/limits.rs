//! How many requests are taken from one caller and one address: token buckets in bounded memory. It knows no door; the
//! tries at passwords and codes are counted apart, by the sign-in room.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue};
use domovoi_model::PersonId;
use tokio::time::Instant;

use super::Caller;
use super::caller::Shown;

/// So many addresses and callers are remembered; a home has a hundredth of it.
const MOST: usize = 4096;

/// A bucket: so many at once, so many per second in the long run.
#[derive(Debug, Clone, Copy)]
struct Size {
    burst: u32,
    per_second: u32,
}

/// A whole family behind one address, and a page that loads its styles.
const ADDRESS: Size = Size { burst: 600, per_second: 30 };

/// One person or token.
const CALLER: Size = Size { burst: 300, per_second: 20 };

/// How full a bucket is after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Nobody counts.
    Free,
    /// Taken; so many more at once, the bucket is full again after so many seconds.
    Left {
        /// Of how many at once.
        burst: u32,
        /// Requests left.
        left: u32,
        /// Seconds.
        full_in: u32,
    },
    /// Not taken; so many seconds to wait.
    Full {
        /// Of how many at once.
        burst: u32,
        /// Seconds.
        wait: u32,
    },
}

impl Room {
    /// Says it in headers (draft-ietf-httpapi-ratelimit-headers).
    pub fn write(self, headers: &mut HeaderMap) {
        let (burst, left, until) = match self {
            Room::Free => return,
            Room::Left { burst, left, full_in } => (burst, left, full_in),
            Room::Full { burst, wait } => (burst, 0, wait),
        };
        let mut put = |name: &'static str, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        };
        put("ratelimit-policy", format!("\"default\";q={burst}"));
        put("ratelimit", format!("\"default\";r={left};t={until}"));
        if let Room::Full { wait, .. } = self {
            put("retry-after", wait.to_string());
        }
    }
}

/// The counters. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Mutex<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    addresses: HashMap<IpAddr, Bucket>,
    callers: HashMap<Key, Bucket>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Person(PersonId),
    /// A token of a person is counted with the person but for the certificate of a program.
    Certificate([u8; 32]),
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In thousandths of a request.
    left: u64,
    at: Instant,
}

impl Limits {
    /// Counts a request from an address. Without one (a test, the console) nobody counts.
    pub fn by_address(&self, address: Option<IpAddr>) -> Room {
        let Some(address) = address else { return Room::Free };
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut counters.addresses, network(address), ADDRESS, Instant::now())
    }

    /// Counts a request of somebody who is known.
    pub fn by_caller(&self, caller: &Caller) -> Option<Room> {
        let key = match (&caller.shown, caller.who.person()) {
            (Shown::Nothing | Shown::Console, _) => return None,
            (Shown::Certificate(fingerprint), _) => Key::Certificate(*fingerprint),
            (_, Some(person)) => Key::Person(person),
            (_, None) => return None,
        };
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(take(&mut counters.callers, key, CALLER, Instant::now()))
    }
}

/// A household has a /64 of IPv6; whoever counts single addresses counts nothing.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}

fn take<K: Eq + Hash + Copy>(buckets: &mut HashMap<K, Bucket>, key: K, size: Size, now: Instant) -> Room {
    let full = u64::from(size.burst) * 1000;
    let filled = |bucket: &Bucket| {
        let millis = u64::try_from(now.saturating_duration_since(bucket.at).as_millis()).unwrap_or(u64::MAX);
        bucket.left.saturating_add(millis.saturating_mul(u64::from(size.per_second))).min(full)
    };
    if buckets.len() >= MOST && !buckets.contains_key(&key) {
        // Who is full again has nothing to remember. If everybody is at it, the one who waits least is forgotten: an
        // attacker with thousands of addresses buys a burst with it, and memory stays what it is.
        buckets.retain(|_, bucket| filled(bucket) < full);
        if buckets.len() >= MOST
            && let Some(fullest) = buckets.iter().max_by_key(|(_, bucket)| filled(bucket)).map(|(key, _)| *key)
        {
            buckets.remove(&fullest);
        }
    }
    let left = buckets.get(&key).map_or(full, filled);
    let rate = u64::from(size.per_second.max(1));
    let seconds = |thousandths: u64| u32::try_from(thousandths.div_ceil(rate * 1000)).unwrap_or(u32::MAX);
    let Some(rest) = left.checked_sub(1000) else {
        buckets.insert(key, Bucket { left, at: now });
        return Room::Full { burst: size.burst, wait: seconds(1000 - left).max(1) };
    };
    buckets.insert(key, Bucket { left: rest, at: now });
    Room::Left {
        burst: size.burst,
        left: u32::try_from(rest / 1000).unwrap_or(u32::MAX),
        full_in: seconds(full - rest),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SMALL: Size = Size { burst: 3, per_second: 2 };

    #[test]
    fn a_bucket_empties_says_how_long_and_fills_again() {
        let mut buckets = HashMap::new();
        let start = Instant::now();
        assert_eq!(take(&mut buckets, 1, SMALL, start), Room::Left { burst: 3, left: 2, full_in: 1 });
        take(&mut buckets, 1, SMALL, start);
        take(&mut buckets, 1, SMALL, start);
        assert_eq!(take(&mut buckets, 1, SMALL, start), Room::Full { burst: 3, wait: 1 });
        assert!(matches!(take(&mut buckets, 2, SMALL, start), Room::Left { .. }), "another's bucket is another");
        let later = start + Duration::from_millis(500);
        assert!(matches!(take(&mut buckets, 1, SMALL, later), Room::Left { left: 0, .. }));
        assert!(matches!(take(&mut buckets, 1, SMALL, later), Room::Full { .. }));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let mut buckets = HashMap::new();
        let now = Instant::now();
        for key in 0..(MOST * 2) {
            take(&mut buckets, key, SMALL, now);
        }
        assert!(buckets.len() <= MOST, "{}", buckets.len());
    }

    #[test]
    fn a_household_is_one_network_of_ipv6() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::3"), at("2001:db8:1:2:ffff::4"));
        assert_ne!(at("2001:db8:1:2::3"), at("2001:db8:1:3::3"));
        assert_eq!(at("::ffff:192.168.1.7"), at("192.168.1.7"));
    }

    #[test]
    fn headers_say_how_much_is_left() {
        let mut headers = HeaderMap::new();
        Room::Full { burst: 5, wait: 7 }.write(&mut headers);
        assert_eq!(headers["retry-after"], "7");
        assert_eq!(headers["ratelimit"], "\"default\";r=0;t=7");
    }
}
