//! What is remembered of how a person comes in: wrong tries in a row, and devices that were let in before. One small
//! document per person, gone with the person.
//!
//! The tries are the count that NIST SP 800-63B-4 section 3.2.2 wants below a hundred: it survives a restart and is not
//! forgotten by time, only by coming in. It is written down every fifth try, so that a storm wears no card; a restart
//! can so forgive four.

use std::collections::HashMap;

use domovoi_model::PersonId;
use serde::{Deserialize, Serialize};

use super::throttle::Key;

/// Wrong tries in a row by strangers, after which their guesses are compared with nothing.
pub(super) const STRANGERS_MAX: u16 = 60;
/// The same for devices that were let in before.
pub(super) const KNOWN_MAX: u16 = 35;
const _: () = assert!(STRANGERS_MAX + KNOWN_MAX < 100, "NIST's hundred in a row");
/// Wrong PINs in a row on one tablet.
pub(super) const PIN_MAX: u16 = 5;
/// Wrong PINs on all tablets since the PIN was set, whatever came in between but the right one.
pub(super) const PIN_ALL_MAX: u16 = 50;
/// Tries between two writes.
const WRITE_EVERY: u16 = 5;
/// Devices that are remembered; the one that was not seen for longest goes.
const DEVICES_MAX: usize = 40;
const TABLETS_MAX: usize = 50;

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A password.
    Password,
    /// TOTP and recovery codes.
    Second,
    /// A code that was sent.
    Code,
}

impl Lane {
    pub fn code(self) -> &'static str {
        match self {
            Lane::Password => "password",
            Lane::Second => "second",
            Lane::Code => "code",
        }
    }
}

/// Wrong tries in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    strangers: u16,
    known: u16,
}

/// Whom the person is known to come as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Keyed hash of the person, the device's own words and its address.
    exact: Key,
    /// Keyed hash of the person, the device's own words and its network: a phone changes its address every day.
    near: Key,
}

/// The document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Acquaintance {
    password: Count,
    second: Count,
    code: Count,
    /// By tablet.
    pins: HashMap<String, u16>,
    pins_in_all: u16,
    /// The latest first.
    devices: Vec<Seen>,
}

/// What became of a try that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// Too many before it: whatever it says, it is wrong.
    pub closed: bool,
    /// It was the last one that is compared.
    pub last: bool,
    /// To be written down.
    pub write: bool,
}

impl Acquaintance {
    /// Counts a try before it is judged, so that many at a time are no more than one after the other.
    pub fn count(&mut self, lane: Lane, known: bool) -> Counted {
        let most = if known { KNOWN_MAX } else { STRANGERS_MAX };
        let count = self.lane(lane);
        let tries = if known { &mut count.known } else { &mut count.strangers };
        if *tries >= most {
            return Counted { closed: true, last: false, write: false };
        }
        *tries += 1;
        Counted { closed: false, last: *tries == most, write: *tries % WRITE_EVERY == 1 || *tries == most }
    }

    /// A known device was right in one of several steps. Says whether anything was forgotten.
    pub fn known_was_right(&mut self, lane: Lane) -> bool {
        std::mem::take(&mut self.lane(lane).known) > 0
    }

    /// The person came in: tries in a row begin anew. Says whether anything was forgotten. PINs are not among them.
    pub fn came_in(&mut self) -> bool {
        let before = (self.password, self.second, self.code);
        (self.password, self.second, self.code) = Default::default();
        before != Default::default()
    }

    /// Counts a PIN before it is judged. Each is written down: there are only five.
    pub fn count_pin(&mut self, tablet: &str) -> Counted {
        let tries = self.pins.get(tablet).copied().unwrap_or(0);
        if tries >= PIN_MAX || self.pins_in_all >= PIN_ALL_MAX || self.pins.len() > TABLETS_MAX {
            return Counted { closed: true, last: false, write: false };
        }
        self.pins.insert(tablet.to_owned(), tries + 1);
        self.pins_in_all += 1;
        Counted { closed: false, last: tries + 1 == PIN_MAX, write: true }
    }

    /// The PIN was right.
    pub fn pin_was_right(&mut self) {
        self.pins.clear();
        self.pins_in_all = 0;
    }

    /// The person signed in otherwise: tablets take the PIN again, but the count of all of them stays, so that somebody
    /// in the home who tries five a day does not get through the ten thousand.
    pub fn unlock_tablets(&mut self) -> bool {
        let locked = !self.pins.is_empty();
        self.pins.clear();
        locked
    }

    pub fn knows(&self, exact: Key) -> bool {
        self.devices.iter().any(|seen| seen.exact == exact)
    }

    /// Remembers a device. `None`: it was known as it is. Otherwise whether its like was never seen.
    pub fn meet(&mut self, exact: Key, near: Key) -> Option<bool> {
        if self.devices.first().is_some_and(|seen| seen.exact == exact) {
            return None;
        }
        let is_new = !self.devices.iter().any(|seen| seen.near == near);
        self.devices.retain(|seen| seen.exact != exact);
        self.devices.insert(0, Seen { exact, near });
        self.devices.truncate(DEVICES_MAX);
        Some(is_new)
    }

    /// Whether anybody came in as this person before.
    pub fn is_new(&self) -> bool {
        self.devices.is_empty()
    }

    fn lane(&mut self, lane: Lane) -> &mut Count {
        match lane {
            Lane::Password => &mut self.password,
            Lane::Second => &mut self.second,
            Lane::Code => &mut self.code,
        }
    }
}

/// Everybody's.
pub(super) type Acquaintances = HashMap<PersonId, Acquaintance>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_a_hundred_in_a_row_are_compared_and_strangers_do_not_use_up_the_owners() {
        let mut person = Acquaintance::default();
        let mut compared = 0;
        for _ in 0..10_000 {
            compared += usize::from(!person.count(Lane::Password, false).closed);
        }
        assert_eq!(compared, usize::from(STRANGERS_MAX));
        assert!(!person.count(Lane::Password, true).closed, "a known device is not concerned");
        assert!(!person.count(Lane::Second, false).closed, "another proof neither");
        assert!(person.came_in());
        assert!(!person.count(Lane::Password, false).closed);
    }

    #[test]
    fn a_tablet_takes_five_pins_and_all_tablets_fifty() {
        let mut person = Acquaintance::default();
        for _ in 0..PIN_MAX {
            assert!(!person.count_pin("hall").closed);
        }
        assert!(person.count_pin("hall").closed);
        assert!(!person.count_pin("kitchen").closed);
        let mut in_all = PIN_MAX + 1;
        while in_all < 1_000 && {
            person.unlock_tablets();
            !person.count_pin("hall").closed
        } {
            in_all += 1;
        }
        assert_eq!(in_all, PIN_ALL_MAX);
        person.pin_was_right();
        assert!(!person.count_pin("hall").closed);
    }

    #[test]
    fn devices_are_remembered_up_to_a_number() {
        let mut person = Acquaintance::default();
        assert!(person.is_new());
        assert_eq!(person.meet([1; 16], [101; 16]), Some(true));
        assert_eq!(person.meet([1; 16], [101; 16]), None);
        assert_eq!(person.meet([2; 16], [101; 16]), Some(false), "the same phone under another address");
        for device in 3..60 {
            person.meet([device; 16], [100 + device; 16]);
        }
        assert!(!person.knows([1; 16]) && person.knows([59; 16]));
        assert_eq!(person.devices.len(), DEVICES_MAX);
    }
}
