//! What is heard by both links to a broker of others, and which of the two the reflex believes.
//!
//! The reflex's own link hears at once; the first one acknowledges after the commit, and while the disk is stalled or full
//! it brings what was said long before, or again and again. A danger counts whoever brings it. But a word that is none, or
//! the state of a valve, is for the reflex only what the nearer link has not spoken of: yesterday's «dry» ended the leak of
//! today, and yesterday's «closed» confirmed a valve that stood open. What is displayed and recorded is decided elsewhere.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domovoi_model::Observation;

use super::Arrival;

/// Devices that the reflex hears closely have a few thousand properties at the most.
const PROPERTIES: usize = 8192;

/// As many as there are packet ids.
const UNACKNOWLEDGED: usize = 65_535;

/// What is known of both.
#[derive(Default)]
pub(super) struct Twice {
    keys: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The nearer link is there; without it the first one is believed in everything.
    near: bool,
    /// What it has spoken of, by the hash of device and property.
    words: HashMap<u64, Warning>,
    /// How often the first link was brought a message that it has not acknowledged.
    waiting: HashMap<u64, u32>,
}

/// Who warns by a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Warning {
    None,
    Near,
    /// The nearer link has missed it, or it is late: what the first link brings after it ends it.
    First,
}

impl Twice {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, observation: &Observation) -> u64 {
        self.keys.hash_one((&observation.device, &observation.property))
    }

    fn mark(&self, topic: &str, payload: &[u8]) -> u64 {
        self.keys.hash_one((topic, payload))
    }

    /// The nearer link has joined, or is gone.
    pub fn near_is(&self, there: bool) {
        let mut known = self.known();
        known.near = there;
        known.words.clear();
    }

    /// The nearer link has brought this.
    pub fn near_said(&self, observation: &Observation) {
        let key = self.key(observation);
        let mut known = self.known();
        if known.near && (known.words.len() < PROPERTIES || known.words.contains_key(&key)) {
            let warning = if observation.hazard.is_some() { Warning::Near } else { Warning::None };
            known.words.insert(key, warning);
        }
    }

    /// Whether the reflex is told what the first link brings.
    pub fn counts(&self, arrival: &Arrival<'_>, observation: &Observation) -> bool {
        let warns = observation.hazard.is_some();
        // Brought before and not acknowledged: it was felt then.
        if arrival.again && !warns && self.known().waiting.contains_key(&self.mark(arrival.topic, arrival.payload)) {
            return false;
        }
        let key = self.key(observation);
        let mut known = self.known();
        let Some(warning) = known.words.get_mut(&key) else { return true };
        match (*warning, warns) {
            (Warning::None, true) => *warning = Warning::First,
            (Warning::First, false) => *warning = Warning::None,
            (_, true) => {}
            (Warning::None | Warning::Near, false) => return false,
        }
        true
    }

    /// The first link was brought something that it will acknowledge when it is kept; gives what to acknowledge it by here.
    pub fn waits(&self, topic: &str, payload: &[u8]) -> u64 {
        let mark = self.mark(topic, payload);
        let mut known = self.known();
        if known.waiting.len() < UNACKNOWLEDGED || known.waiting.contains_key(&mark) {
            let times = known.waiting.entry(mark).or_default();
            *times = times.saturating_add(1);
        }
        mark
    }

    /// It is acknowledged.
    pub fn acknowledged(&self, mark: u64) {
        let mut known = self.known();
        match known.waiting.get_mut(&mark) {
            Some(times) if *times > 1 => *times -= 1,
            _ => drop(known.waiting.remove(&mark)),
        }
    }

    /// The broker has kept no session for us: it brings nothing again.
    pub fn begins_anew(&self) {
        self.known().waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use domovoi_adapters::Road;
    use domovoi_model::{DeviceRef, Hazard, Quality, Unit, Value};

    use super::*;

    fn says(wet: bool) -> Observation {
        Observation {
            device: DeviceRef::new("zigbee2mqtt", "0x1"),
            property: "water_leak".into(),
            value: Value::Bool(wet),
            unit: Unit::None,
            quality: Quality::Good,
            device_time: None,
            hazard: wet.then_some(Hazard::WaterLeak),
        }
    }

    fn brought(payload: &'static [u8], again: bool) -> Arrival<'static> {
        Arrival { road: Road::External, sender: "hub", topic: "leak", payload, retained: false, again }
    }

    #[test]
    fn an_old_dry_that_the_first_link_brings_does_not_end_what_the_nearer_one_has_heard() {
        let twice = Twice::default();
        twice.near_is(true);
        assert!(twice.counts(&brought(b"dry", false), &says(false)), "the nearer one has said nothing of it");
        twice.near_said(&says(true));
        for _ in 0..3 {
            assert!(!twice.counts(&brought(b"dry", false), &says(false)));
            assert!(twice.counts(&brought(b"wet", false), &says(true)));
        }
        twice.near_said(&says(false));
        assert!(!twice.counts(&brought(b"dry", false), &says(false)), "nor does it confirm anything");
        // The nearer one has missed one: the first both begins and ends it.
        assert!(twice.counts(&brought(b"wet", false), &says(true)));
        assert!(twice.counts(&brought(b"dry", false), &says(false)));
        twice.near_said(&says(true));
        twice.near_is(false);
        assert!(twice.counts(&brought(b"dry", false), &says(false)), "without it the first one is all there is");
    }

    #[test]
    fn what_is_brought_again_because_it_was_not_kept_was_felt_before() {
        let twice = Twice::default();
        assert!(twice.counts(&brought(b"dry", true), &says(false)), "it was lost on its way the first time");
        let mark = twice.waits("leak", b"dry");
        assert_eq!(twice.waits("leak", b"dry"), mark);
        assert!(twice.counts(&brought(b"wet", false), &says(true)));
        assert!(!twice.counts(&brought(b"dry", true), &says(false)));
        assert!(twice.counts(&brought(b"dry", false), &says(false)), "said anew");
        twice.acknowledged(mark);
        assert!(!twice.counts(&brought(b"dry", true), &says(false)), "one is not acknowledged yet");
        twice.acknowledged(mark);
        assert!(twice.counts(&brought(b"dry", true), &says(false)));
        twice.waits("leak", b"dry");
        twice.begins_anew();
        assert!(twice.counts(&brought(b"dry", true), &says(false)));
    }
}
