//! Which devices were heard, and what each of their properties said last. It is asked for by people, a few times a day, and
//! told by devices, many thousand times a second: values are kept as they came and become text when somebody asks.
//!
//! What a property said last is also what a rule compares with (`sift`); where none speaks of it, nothing is remembered
//! for that.

use std::collections::{BTreeMap, HashMap};

use domovoi_adapters::Road;
use domovoi_model::{DeviceRef, Moment, Observation, Unit, Value};

use super::sift::{Sieve, Sifted};

/// How many devices are remembered as heard; a hostile publisher cannot fill the memory with names.
const DEVICES_KEPT: usize = 4096;

/// Among how many one is looked for that may be forgotten.
const LOOKED_AT: usize = 16;

/// How many properties of a device are remembered.
const PROPERTIES_KEPT: usize = 256;

/// The longest text that is shown of a value.
const SHOWN: usize = 64;

/// A device that was heard, for `doctor` and for binding meters.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When last.
    pub at: Moment,
    /// How many packets.
    pub packets: u64,
    /// What it calls its properties, with the last value as text.
    pub properties: BTreeMap<String, String>,
}

/// The devices that were heard since the start.
#[derive(Debug, Default)]
pub struct HeardDevices(HashMap<DeviceRef, HeardDevice>, usize);

#[derive(Debug)]
struct HeardDevice {
    at: Moment,
    road: Road,
    packets: u64,
    /// In the order in which the device names them, which is nearly always the same.
    properties: Vec<Property>,
}

#[derive(Debug)]
struct Property {
    name: String,
    value: Value,
    unit: Unit,
    /// What a rule says of it, if one does.
    sifted: Option<Box<Sifted>>,
}

impl HeardDevices {
    /// Takes note of what a device said, and where it is to be found again.
    pub fn note(&mut self, device: &DeviceRef, observations: &[Observation], at: Moment, road: Road, sieve: &Sieve) {
        if !self.0.contains_key(device) {
            if self.0.len() >= DEVICES_KEPT {
                self.make_room();
            }
            self.0.insert(device.clone(), HeardDevice { at, road, packets: 0, properties: Vec::new() });
        }
        let Some(heard) = self.0.get_mut(device) else { return };
        (heard.at, heard.road) = (at, road);
        heard.packets += 1;
        for (place, observation) in observations.iter().enumerate() {
            heard.note(place, observation, sieve);
        }
    }

    /// Forgets one of those that said least, of a few: who has said little is sooner a stranger's invention than ours.
    fn make_room(&mut self) {
        self.1 = (self.1 + LOOKED_AT) % DEVICES_KEPT;
        let some = self.0.iter().skip(self.1).chain(&self.0).take(LOOKED_AT);
        let least = some.min_by_key(|(_, heard)| heard.packets).map(|(device, _)| device.clone());
        if let Some(device) = least {
            self.0.remove(&device);
        }
    }

    /// By which road a device was heard last.
    pub fn road_of(&self, device: &DeviceRef) -> Option<Road> {
        self.0.get(device).map(|heard| heard.road)
    }

    /// Forgets what a rule compares a property with.
    pub fn unsift(&mut self, device: &DeviceRef, property: &str) {
        let Some(heard) = self.0.get_mut(device) else { return };
        if let Some(sifted) =
            heard.properties.iter_mut().find(|one| one.name == property).and_then(|one| one.sifted.as_mut())
        {
            sifted.forget();
        }
    }

    /// Forgets a device.
    pub fn forget(&mut self, device: &DeviceRef) {
        self.0.remove(device);
    }

    /// What a rule remembers of a property, if one speaks of it.
    pub fn sifted(&mut self, observation: &Observation, place: usize) -> Option<&mut Sifted> {
        let heard = self.0.get_mut(&observation.device)?;
        let at = heard.place(place, &observation.property)?;
        heard.properties.get_mut(at)?.sifted.as_deref_mut()
    }

    /// The devices and their last words, by name.
    pub fn told(&self) -> Vec<(DeviceRef, Heard)> {
        let mut told: Vec<(DeviceRef, Heard)> =
            self.0.iter().map(|(device, heard)| (device.clone(), heard.told())).collect();
        told.sort_by(|(a, _), (b, _)| a.cmp(b));
        told
    }
}

impl HeardDevice {
    /// Where a property stands; it is looked for first where it stood in the last packet.
    fn place(&self, likely: usize, name: &str) -> Option<usize> {
        if self.properties.get(likely).is_some_and(|property| property.name == name) {
            return Some(likely);
        }
        self.properties.iter().position(|property| property.name == name)
    }

    fn note(&mut self, likely: usize, observation: &Observation, sieve: &Sieve) {
        let full = self.properties.len() >= PROPERTIES_KEPT;
        match self.place(likely, &observation.property).and_then(|at| self.properties.get_mut(at)) {
            Some(property) => {
                shorten_into(&mut property.value, &observation.value);
                property.unit = observation.unit;
            }
            None if full => {}
            None => {
                let mut value = Value::Bool(false);
                shorten_into(&mut value, &observation.value);
                let sifted = sieve.rule_for(&observation.device, &observation.property).map(Sifted::new).map(Box::new);
                let (name, unit) = (observation.property.clone(), observation.unit);
                self.properties.push(Property { name, value, unit, sifted });
            }
        }
    }

    fn told(&self) -> Heard {
        let said = |property: &Property| format!("{} {}", property.value, property.unit.symbol()).trim_end().to_owned();
        let properties = self.properties.iter().map(|property| (property.name.clone(), said(property))).collect();
        Heard { at: self.at, packets: self.packets, properties }
    }
}

/// Numbers are copied; of a long text the beginning is kept, in the room of the one before.
fn shorten_into(kept: &mut Value, said: &Value) {
    match (kept, said) {
        (Value::Text(kept), Value::Text(said)) => {
            kept.clear();
            kept.push_str(said.get(..said.floor_char_boundary(SHOWN)).unwrap_or_default());
        }
        (kept, Value::Text(said)) => {
            *kept = Value::Text(said.get(..said.floor_char_boundary(SHOWN)).unwrap_or_default().to_owned());
        }
        (kept, said) => *kept = said.clone(),
    }
}
