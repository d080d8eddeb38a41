//! Wrong passwords: whoever guesses waits for each answer, and longer with every guess. Whoever knows the password is
//! answered at once, also at an address that others guess from, so that no stranger can lock a device out. What bounds
//! the guesses is then how many connections an address may have; that the passwords are 160 random bits does the rest.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many without any wait: a person who types it in.
const FREE: u32 = 3;
/// The wait after that; it doubles.
const FIRST: Duration = Duration::from_millis(500);
/// The longest. The broker itself gives up on a CONNECT after ten seconds.
const LONGEST: Duration = Duration::from_secs(8);
/// One guess is forgotten in this time.
const FORGET: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const ADDRESSES_KEPT: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Guessed {
    times: u32,
    at: Instant,
}

impl Guessed {
    fn times(self, now: Instant) -> u32 {
        let forgotten = now.saturating_duration_since(self.at).as_secs() / FORGET.as_secs();
        self.times.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

/// Who has guessed.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, Guessed>>);

impl Guesses {
    /// Counts a wrong password, and says how long the answer has to wait.
    pub(super) fn wrong(&self, address: IpAddr, now: Instant) -> Duration {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut address = household(address);
        if held.len() >= ADDRESSES_KEPT && !held.contains_key(&address) {
            held.retain(|_, guessed| guessed.times(now) > 0);
            if held.len() >= ADDRESSES_KEPT {
                // A crowd: those beyond are counted together.
                address = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        let guessed = held.entry(address).or_insert(Guessed { times: 0, at: now });
        *guessed = Guessed { times: guessed.times(now).saturating_add(1), at: now };
        match guessed.times.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(over) => FIRST.saturating_mul(1u32.checked_shl(over).unwrap_or(u32::MAX)).min(LONGEST),
        }
    }
}

/// IPv4 as it is; of IPv6 the 64 bits that one household has.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 1))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_wait_longer_and_longer_and_are_forgotten() {
        let guesses = Guesses::default();
        let here: IpAddr = "192.168.1.5".parse().unwrap();
        let start = Instant::now();
        let waits: Vec<u64> = (0..10).map(|_| guesses.wrong(here, start).as_millis().try_into().unwrap()).collect();
        assert_eq!(waits, [0, 0, 0, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(guesses.wrong("192.168.1.6".parse().unwrap(), start), Duration::ZERO, "others are not to blame");
        assert_eq!(guesses.wrong(here, start + FORGET * 20), Duration::ZERO);
    }

    #[test]
    fn a_crowd_takes_no_more_room_than_its_cap() {
        let guesses = Guesses::default();
        let start = Instant::now();
        let mut longest = Duration::ZERO;
        for n in 0..4 * ADDRESSES_KEPT as u32 {
            longest = longest.max(guesses.wrong(IpAddr::from(n.to_be_bytes()), start));
        }
        assert!(guesses.0.lock().unwrap().len() <= ADDRESSES_KEPT + 1);
        assert_eq!(longest, LONGEST, "those beyond the cap are counted as one");
    }
}
