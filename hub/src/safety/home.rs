//! What the reflex knows of the home: which devices were accepted, what they are and where. A picture that the devices' room
//! gives and the reflex keeps, so that in danger it asks nobody and waits for no lock but its own. It decides nothing.

use domovoi_adapters::{Category, Directory, Outgoing, PropertyInfo, Shape};
use domovoi_model::{Command, CommandTarget, DeviceRef, Value};
use rust_decimal::Decimal;

use super::rule::Place;

/// Words by which devices that know several are told to close, in the order in which they are looked for.
const CLOSING: [&str; 4] = ["close", "closed", "off", "shut"];

/// What belongs to a valve is of one of these kinds or classes.
const VALVES: [&str; 3] = ["valve", "water_valve", "gas_valve"];

/// The same for sounding and for falling silent. «emergency», «burglar» and «fire» are the modes of Zigbee's IAS warning
/// devices (ZCL 8.4.2.2); `stop` ends them.
const SOUNDING: [&str; 5] = ["emergency", "fire", "burglar", "alarm", "on"];
const QUIET: [&str; 4] = ["stop", "off", "none", "silent"];

/// A device as the reflex sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeDevice {
    /// Which.
    pub device: DeviceRef,
    /// What people call it.
    pub name: String,
    /// The id of its room.
    pub room: Option<String>,
    /// Somebody has said that it belongs here. Whoever was not accepted is heard and moves nothing.
    pub accepted: bool,
    /// Whether it can be reached, as far as anybody says.
    pub reached: Option<bool>,
    /// How long ago it was heard last, in milliseconds, as far as anybody knows.
    pub heard_ms_ago: Option<i64>,
    /// Where it took commands when it was accepted; `None`: it had not said so.
    pub agreed: Option<Vec<String>>,
    /// The credential that was issued for it alone.
    pub credential: Option<String>,
    /// It was there for danger when it was described last, whether anybody describes it now or not.
    pub guards: bool,
    /// What it reports and takes.
    pub properties: Vec<PropertyInfo>,
}

impl HomeDevice {
    /// The first of these topics to which nobody has agreed.
    pub fn not_agreed<'o>(&self, outgoing: &'o [Outgoing], directory: &Directory) -> Option<&'o str> {
        let (agreed, credential) = (self.agreed.as_deref(), self.credential.as_deref());
        crate::ingest::not_agreed(&self.device, agreed, credential, outgoing, directory)
    }

    /// Whether it is there to warn of something.
    pub fn is_sensor(&self) -> bool {
        self.properties.iter().any(|property| property.hazard.is_some())
    }
}

/// What a device that can be set is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Organ {
    /// It lets something flow.
    Valve,
    /// It makes itself heard.
    Siren,
}

/// A valve or a siren, and what makes it safe.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    place: Place,
    value: Value,
    room: Option<String>,
}

/// The picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    devices: Vec<HomeDevice>,
    valves: Vec<Found>,
    sirens: Vec<Found>,
}

impl Home {
    /// Of these devices.
    pub fn new(mut devices: Vec<HomeDevice>) -> Self {
        devices.sort_by(|a, b| a.device.cmp(&b.device));
        let of = |organ| {
            devices.iter().filter(|device| device.accepted).flat_map(|device| organs_of(device, organ)).collect()
        };
        let (valves, sirens) = (of(Organ::Valve), of(Organ::Siren));
        Home { devices, valves, sirens }
    }

    /// All of them.
    pub fn devices(&self) -> &[HomeDevice] {
        &self.devices
    }

    /// Whether nothing but time has passed between two pictures.
    pub fn is_as(&self, other: &Home) -> bool {
        let plain = |device: &HomeDevice| device.heard_ms_ago.is_some();
        self.devices.len() == other.devices.len()
            && self.devices.iter().zip(&other.devices).all(|(a, b)| {
                a.device == b.device
                    && a.name == b.name
                    && a.room == b.room
                    && a.accepted == b.accepted
                    && a.reached == b.reached
                    && a.agreed == b.agreed
                    && a.credential == b.credential
                    && a.guards == b.guards
                    && plain(a) == plain(b)
                    && a.properties == b.properties
            })
    }

    /// One of them.
    pub fn find(&self, device: &DeviceRef) -> Option<&HomeDevice> {
        let at = self.devices.binary_search_by(|other| other.device.cmp(device)).ok()?;
        self.devices.get(at)
    }

    /// What is known of a property.
    pub fn property(&self, place: &Place) -> Option<&PropertyInfo> {
        self.find(&place.device)?.properties.iter().find(|property| property.name == place.property)
    }

    /// Whether somebody has accepted the device.
    pub fn accepts(&self, device: &DeviceRef) -> bool {
        self.find(device).is_some_and(|device| device.accepted)
    }

    /// Every valve or siren that was accepted, in one room or in all, and the value that closes or sounds it.
    pub fn organs(&self, organ: Organ, room: Option<&str>) -> impl Iterator<Item = (&Place, &Value)> {
        let all = match organ {
            Organ::Valve => &self.valves,
            Organ::Siren => &self.sirens,
        };
        let there = move |found: &&Found| room.is_none_or(|room| found.room.as_deref() == Some(room));
        all.iter().filter(there).map(|found| (&found.place, &found.value))
    }

    /// Whether setting this would open a valve: anything of it that moves it, and is not told to close.
    pub fn opens(&self, place: &Place, value: &Value) -> bool {
        if let Some(valve) = self.valves.iter().find(|valve| valve.place == *place) {
            return valve.value != *value;
        }
        let Some(info) = self.property(place).filter(|info| info.is_of(&VALVES)) else { return false };
        // What is closed by no value that is known here is opened by any.
        safe_value(info, Organ::Valve).is_none_or(|closed| closed != *value)
    }

    /// The value that makes a siren fall silent.
    pub fn quiet(&self, place: &Place) -> Option<Value> {
        match &self.property(place)?.shape {
            Shape::Choice(words) => word_of(words, &QUIET),
            Shape::Number { min, .. } => Some(Value::Number(min.unwrap_or(Decimal::ZERO))),
            Shape::Switch { .. } | Shape::Unknown => Some(Value::Bool(false)),
            Shape::Text => None,
        }
    }

    /// What makes an accepted siren sound, or fall silent; empty if it is none.
    pub fn siren(&self, device: &DeviceRef, sounds: bool) -> Vec<Command> {
        let of_it = self.sirens.iter().filter(|siren| siren.place.device == *device);
        let said = |siren: &Found| {
            let value = if sounds { siren.value.clone() } else { self.quiet(&siren.place)? };
            let target = CommandTarget { device: device.clone(), property: siren.place.property.clone() };
            Some(Command { target, value })
        };
        of_it.filter_map(said).collect()
    }

    /// The accepted devices whose words count in danger: sensors of it, and what is closed, cut and sounded.
    pub fn guarded(&self) -> Vec<DeviceRef> {
        let organs = self.valves.iter().chain(&self.sirens).map(|found| &found.place.device);
        let sensors = self.devices.iter().filter(|device| device.accepted && device.is_sensor()).map(|one| &one.device);
        sensors.chain(organs).cloned().collect()
    }

    /// What people call a device.
    pub fn name(&self, device: &DeviceRef) -> String {
        self.find(device).map_or_else(|| device.to_string(), |device| device.name.clone())
    }
}

/// A valve that has a switch and a position is closed by its switch: one command, one answer.
fn organs_of(device: &HomeDevice, organ: Organ) -> Vec<Found> {
    let is_switch = |property: &PropertyInfo| matches!(property.shape, Shape::Switch { .. });
    let all: Vec<&PropertyInfo> = device.properties.iter().filter(|property| is_organ(property, organ)).collect();
    let has_switch = all.iter().any(|property| is_switch(property));
    let chosen = all.into_iter().filter(|property| !has_switch || is_switch(property));
    let found = |property: &PropertyInfo| {
        let place = Place::new(device.device.clone(), property.name.clone());
        Some(Found { place, value: safe_value(property, organ)?, room: device.room.clone() })
    };
    chosen.filter_map(found).collect()
}

fn is_organ(property: &PropertyInfo, organ: Organ) -> bool {
    let class = match organ {
        Organ::Valve => "valve",
        Organ::Siren => "siren",
    };
    property.writable && property.broken.is_none() && property.category == Category::Main && property.is_main_of(class)
}

/// The value that closes a valve or sounds a siren.
fn safe_value(property: &PropertyInfo, organ: Organ) -> Option<Value> {
    match (&property.shape, organ) {
        (Shape::Switch { .. } | Shape::Unknown, Organ::Valve) => Some(Value::Bool(false)),
        (Shape::Switch { .. } | Shape::Unknown, Organ::Siren) => Some(Value::Bool(true)),
        // A position: the least is closed. Dialects turn inverted ones round.
        (Shape::Number { min, .. }, Organ::Valve) => Some(Value::Number(min.unwrap_or(Decimal::ZERO))),
        // A volume or a duration is not what makes it sound.
        (Shape::Number { .. }, Organ::Siren) | (Shape::Text, _) => None,
        (Shape::Choice(words), Organ::Valve) => word_of(words, &CLOSING),
        (Shape::Choice(words), Organ::Siren) => word_of(words, &SOUNDING),
    }
}

/// The first of the wanted words that the device knows, as the device spells it.
fn word_of(words: &[String], wanted: &[&str]) -> Option<Value> {
    let known = |wanted: &&str| words.iter().find(|word| word.eq_ignore_ascii_case(wanted));
    wanted.iter().find_map(known).map(|word| Value::Text(word.clone()))
}
