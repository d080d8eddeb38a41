//! How often somebody may try. Pure: it is told the time and opaque keys, and says yes, or how many seconds to wait.
//!
//! Counters lie in a table of fixed size, at two places each that only this hub can compute. So memory is bounded, there
//! is nothing to evict, and nobody can flush another's counter by filling the table; two keys that share a place make a
//! try a little dearer, never cheaper. Logins that exist and that do not are counted alike. Deliberately without a count
//! that must survive a restart: that is kept per person, in `tries`.

use std::net::IpAddr;

use crate::policy::Network;

/// 8 bytes each: 128 KiB. To fill it up a storm needs weeks at the pace of [`Gate`], and gains nothing but that
/// strangers are slowed down.
const PLACES: usize = 16_384;

/// An opaque key: a keyed hash, so that a stranger cannot choose where it falls.
pub(super) type Key = [u8; 16];

/// How tries of one kind are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// So many without any wait.
    pub free: u16,
    /// The wait before the next one; it doubles with each further try.
    pub first_seconds: u32,
    /// The longest wait.
    pub longest_seconds: u32,
    /// One try is forgotten in this time.
    pub forget_seconds: u32,
}

const DAY: u32 = 86_400;

impl Pace {
    /// One login from one address that it never signed in from.
    pub const STRANGER: Pace = Pace { free: 5, first_seconds: 60, longest_seconds: DAY, forget_seconds: DAY };
    /// One login from all such addresses together: 31 tries on the first day, then one a day.
    pub const LOGIN: Pace = Pace { free: 20, first_seconds: 60, longest_seconds: DAY, forget_seconds: DAY };
    /// One login from a device and address that it signed in from before: nobody else uses this up.
    pub const KNOWN: Pace = Pace { free: 10, first_seconds: 30, longest_seconds: 3_600, forget_seconds: DAY };
    /// One address (IPv6: one /64, which is what a household gets), whatever the login.
    pub const ADDRESS: Pace = Pace { free: 30, first_seconds: 60, longest_seconds: 3_600, forget_seconds: 600 };
    /// Codes sent to one login.
    pub const SENT: Pace = Pace { free: 3, first_seconds: 60, longest_seconds: 21_600, forget_seconds: 21_600 };
    /// Codes sent to one login, asked for where it is known.
    pub const SENT_KNOWN: Pace = Pace { free: 3, first_seconds: 60, longest_seconds: 3_600, forget_seconds: 7_200 };
    /// Pairings begun at one address, and pairing codes that nobody showed.
    pub const PAIRING: Pace = Pace { free: 10, first_seconds: 30, longest_seconds: 600, forget_seconds: 60 };

    fn wait_seconds(self, tries: u16) -> u32 {
        match tries.checked_sub(self.free) {
            None => 0,
            Some(over) => {
                let factor = 1u32.checked_shl(u32::from(over)).unwrap_or(u32::MAX);
                self.first_seconds.saturating_mul(factor).min(self.longest_seconds)
            }
        }
    }
}

/// One counter that a try passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Whose.
    pub key: Key,
    /// How it is spaced.
    pub pace: Pace,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    tries: u16,
    at_seconds: u32,
}

/// All strangers together, so that a storm cannot take the processor: a bucket that refills.
#[derive(Debug, Clone, Copy)]
struct Gate {
    left: f64,
    at_millis: i64,
}

impl Gate {
    const FULL: f64 = 10.0;
    const PER_MILLI: f64 = 0.0005;
}

/// The counters.
pub(super) struct Throttle {
    places: Box<[Place]>,
    /// From the home's network, from outside: a storm from outside leaves those at home alone.
    gates: [Gate; 2],
}

impl Throttle {
    pub fn new() -> Self {
        let full = Gate { left: Gate::FULL, at_millis: 0 };
        Throttle { places: vec![Place::default(); PLACES].into_boxed_slice(), gates: [full; 2] }
    }

    /// Takes a try if every line lets it pass; counts it in all of them then, and in none otherwise, so that asking
    /// while one has to wait makes the wait no longer. `gate`: a stranger's try, from home or not. `now_millis` never
    /// goes back. The error is the seconds to wait.
    pub fn take(&mut self, now_millis: i64, lines: &[Line], gate: Option<bool>) -> Result<(), u64> {
        let now = seconds(now_millis);
        let wait = lines.iter().map(|line| self.wait(now, line)).max().unwrap_or(0);
        if wait > 0 {
            return Err(u64::from(wait));
        }
        if let Some(home) = gate {
            self.pass(now_millis, home)?;
        }
        for line in lines {
            self.count(now, line);
        }
        Ok(())
    }

    /// A try came out right: what was counted in these lines was somebody who may.
    pub fn forget(&mut self, lines: &[Line]) {
        for index in lines.iter().flat_map(places_of) {
            if let Some(place) = self.places.get_mut(index) {
                *place = Place::default();
            }
        }
    }

    fn wait(&self, now: u32, line: &Line) -> u32 {
        // Of the two places the one that lets pass sooner counts: the other is shared with somebody.
        let waits = places_of(line).map(|index| {
            let place = self.places.get(index).copied().unwrap_or_default();
            let ready = place.at_seconds.saturating_add(line.pace.wait_seconds(left_of(place, now, line.pace)));
            ready.saturating_sub(now)
        });
        waits.into_iter().min().unwrap_or(0)
    }

    fn count(&mut self, now: u32, line: &Line) {
        let indices = places_of(line);
        let left = indices.map(|index| left_of(self.places.get(index).copied().unwrap_or_default(), now, line.pace));
        let next = left.into_iter().min().unwrap_or(0).saturating_add(1);
        for (index, left) in indices.into_iter().zip(left) {
            if let Some(place) = self.places.get_mut(index) {
                // A place that counts more already counts for somebody else: it is not made dearer by this one.
                if next >= left {
                    *place = Place { tries: next, at_seconds: now };
                }
            }
        }
    }

    fn pass(&mut self, now_millis: i64, home: bool) -> Result<(), u64> {
        let gate = &mut self.gates[usize::from(home)];
        let passed = now_millis.saturating_sub(gate.at_millis).max(0);
        gate.left = (gate.left + passed as f64 * Gate::PER_MILLI).min(Gate::FULL);
        gate.at_millis = now_millis;
        if gate.left < 1.0 {
            return Err(2);
        }
        gate.left -= 1.0;
        Ok(())
    }
}

fn left_of(place: Place, now: u32, pace: Pace) -> u16 {
    let forgotten = now.saturating_sub(place.at_seconds) / pace.forget_seconds.max(1);
    place.tries.saturating_sub(u16::try_from(forgotten).unwrap_or(u16::MAX))
}

/// A key and a pace fall together: one login has a count of its own in each kind of line.
fn places_of(line: &Line) -> [usize; 2] {
    let (a, b) = line.key.split_at(8);
    let index = |half: &[u8]| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(half);
        // The remainder is below PLACES, which fits.
        (u64::from_le_bytes(bytes) % PLACES as u64) as usize
    };
    [index(a), index(b)]
}

/// From the start of the hub; 136 years fit.
fn seconds(millis: i64) -> u32 {
    u32::try_from(millis / 1000).unwrap_or(if millis < 0 { 0 } else { u32::MAX })
}

/// Where a peer is, as coarse as an attacker has it for free: an IPv4 address, an IPv6 /64. Without an address (the
/// control socket) all are one.
pub(super) fn neighbourhood(address: Option<IpAddr>) -> [u8; 9] {
    let mut out = [0; 9];
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(v4)) => {
            out[0] = 4;
            out[1..5].copy_from_slice(&v4.octets());
        }
        Some(IpAddr::V6(v6)) => {
            out[0] = 6;
            out[1..].copy_from_slice(&v6.octets()[..8]);
        }
        None => {}
    }
    out
}

/// Whether the peer is in the home's network.
pub(super) fn at_home(address: Option<IpAddr>) -> bool {
    address.is_none_or(|address| Network::of(address) == Network::Home)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u64) -> Key {
        // Spreads like a keyed hash.
        let mut out = [0; 16];
        for (i, chunk) in out.chunks_mut(8).enumerate() {
            let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ (i as u64) << 17).rotate_left(29 + i as u32);
            chunk.copy_from_slice(&mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes());
        }
        out
    }

    fn login(number: u64) -> Line {
        Line { key: key(number), pace: Pace::LOGIN }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_asking_early_costs_nothing() {
        let mut throttle = Throttle::new();
        let line = Line { key: key(1), pace: Pace::KNOWN };
        for _ in 0..10 {
            assert_eq!(throttle.take(0, &[line], None), Ok(()));
        }
        assert_eq!(throttle.take(0, &[line], None), Err(30));
        assert_eq!(throttle.take(29_000, &[line], None), Err(1), "asking did not make it longer");
        assert_eq!(throttle.take(30_000, &[line], None), Ok(()));
        assert_eq!(throttle.take(30_000, &[line], None), Err(60));
        throttle.forget(&[line]);
        assert_eq!(throttle.take(30_000, &[line], None), Ok(()));
    }

    #[test]
    fn ten_thousand_guesses_from_everywhere_are_few_that_count() {
        for step_millis in [0, 1_000, 60_000, 300_000] {
            let mut throttle = Throttle::new();
            let mut passed = 0;
            for guess in 0..10_000u64 {
                let lines = [
                    login(7),
                    Line { key: key(1_000 + guess), pace: Pace::STRANGER },
                    Line { key: key(50_000 + guess), pace: Pace::ADDRESS },
                ];
                passed += usize::from(throttle.take(guess as i64 * step_millis, &lines, Some(false)).is_ok());
            }
            assert!(passed <= 100, "{passed} of 10,000 at {step_millis} ms");
            // Meanwhile the owner's own device is not concerned.
            let own = Line { key: key(999), pace: Pace::KNOWN };
            assert_eq!(throttle.take(10_000 * step_millis, &[own], None), Ok(()));
        }
    }

    #[test]
    fn other_logins_do_not_flush_a_counter() {
        let mut throttle = Throttle::new();
        while throttle.take(0, &[login(7)], None).is_ok() {}
        for other in 100..50_000 {
            let _ = throttle.take(0, &[login(other)], None);
        }
        assert!(throttle.take(0, &[login(7)], None).is_err());
    }

    #[test]
    fn a_storm_from_outside_leaves_the_home_alone() {
        let mut throttle = Throttle::new();
        let passed = (0..1_000u64).filter(|n| throttle.take(0, &[login(*n)], Some(false)).is_ok()).count();
        assert_eq!(passed, 10);
        assert_eq!(throttle.take(0, &[login(5_000)], Some(true)), Ok(()));
        assert_eq!(throttle.take(2_000, &[login(5_001)], Some(false)), Ok(()));
    }

    #[test]
    fn a_household_of_ipv6_is_one_neighbour() {
        let of = |text: &str| neighbourhood(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert!(at_home(Some("fd00::1".parse().unwrap())) && at_home(Some("::ffff:10.0.0.1".parse().unwrap())));
        assert!(!at_home(Some("2001:db8::1".parse().unwrap())) && !at_home(Some("192.0.2.1".parse().unwrap())));
    }

    proptest! {
        /// Whatever comes in between, and however time passes: no more than the pace allows.
        #[test]
        fn no_order_of_tries_beats_the_pace(steps in proptest::collection::vec((0i64..3_600_000, 0u64..40), 1..400)) {
            let mut throttle = Throttle::new();
            let (mut now, mut passed) = (0i64, 0i64);
            for (pause, who) in steps {
                now += pause;
                if throttle.take(now, &[login(who)], None).is_ok() && who == 0 {
                    passed += 1;
                }
            }
            // 20 at once, eleven while the wait doubles to a day, then one a day, and those forgotten.
            prop_assert!(passed <= 31 + 2 * (now / 86_400_000 + 1), "{} in {} ms", passed, now);
        }

        /// A line that never tried never waits long behind others' tries.
        #[test]
        fn a_newcomer_is_let_in(others in proptest::collection::vec(1u64..100_000, 0..600)) {
            let mut throttle = Throttle::new();
            for other in others {
                let _ = throttle.take(0, &[login(other)], None);
            }
            prop_assert_eq!(throttle.take(0, &[login(0)], None), Ok(()));
        }
    }
}
