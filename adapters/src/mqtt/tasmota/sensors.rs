//! The tree of SENSOR, of STATUS10 and of `tasmota/discovery/<MAC>/sensors`, which are the same tree: walked into leaves,
//! each with its name, its unit and its class. What a leaf is worth is for whoever asked.

use domovoi_model::{Unit, Value};

use super::facts::Config;
use super::said::shutter;
use super::{Fault, PropertyInfo, Shape, What};
use crate::Category;
use crate::json::{self, Json, Members};
use crate::secret::is_secret;

/// A quantity: its key in messages, unit and class.
type Quantity = (&'static str, Unit, Option<&'static str>);

/// What ENERGY has.
const ENERGY: &[Quantity] = &[
    ("Total", Unit::KilowattHour, Some("energy")),
    ("Yesterday", Unit::KilowattHour, Some("energy")),
    ("Today", Unit::KilowattHour, Some("energy")),
    ("TotalTariff", Unit::KilowattHour, Some("energy")),
    ("TodaySumImport", Unit::KilowattHour, Some("energy")),
    ("TodaySumExport", Unit::KilowattHour, Some("energy")),
    ("ImportActive", Unit::KilowattHour, Some("energy")),
    ("ExportActive", Unit::KilowattHour, Some("energy")),
    ("ExportTariff", Unit::KilowattHour, Some("energy")),
    ("ImportReactive", Unit::KilovarHour, None),
    ("ExportReactive", Unit::KilovarHour, None),
    ("Period", Unit::WattHour, Some("energy")),
    ("Power", Unit::Watt, Some("power")),
    ("ActivePower", Unit::Watt, Some("power")),
    ("ApparentPower", Unit::VoltAmpere, Some("apparent_power")),
    ("ReactivePower", Unit::Var, Some("reactive_power")),
    ("Voltage", Unit::Volt, Some("voltage")),
    ("Current", Unit::Ampere, Some("current")),
    ("CurrentNeutral", Unit::Ampere, Some("current")),
    ("Frequency", Unit::Hertz, Some("frequency")),
    ("Factor", Unit::None, Some("power_factor")),
    ("PhaseAngle", Unit::Degree, None),
    // Of a current transformer at an ESP32's ADC: {"ANALOG":{"CTEnergy1":{"Energy":0.5,"Power":2300}}}. Of lightning (AS3935)
    // and of presence (LD2410) it is no electricity.
    ("Energy", Unit::KilowattHour, Some("energy")),
];

/// What sensors have, in the units of the firmware's own documentation; temperatures, pressures and speeds as the message
/// says. A distance is in cm, mm or (lightning, AS3935) km: no guess.
const SENSORS: &[Quantity] = &[
    ("Temperature", Unit::Celsius, Some("temperature")),
    ("DewPoint", Unit::Celsius, Some("temperature")),
    ("Humidity", Unit::Percent, Some("humidity")),
    ("Pressure", Unit::Hectopascal, Some("pressure")),
    ("SeaPressure", Unit::Hectopascal, Some("pressure")),
    ("Moisture", Unit::Percent, Some("moisture")),
    ("Battery", Unit::Percent, Some("battery")),
    ("Illuminance", Unit::Lux, Some("illuminance")),
    ("Ambient", Unit::Lux, Some("illuminance")),
    ("Voltage", Unit::Volt, Some("voltage")),
    ("Current", Unit::Ampere, Some("current")),
    ("Power", Unit::Watt, Some("power")),
    ("Frequency", Unit::Hertz, Some("frequency")),
    ("CarbonDioxide", Unit::PartsPerMillion, Some("carbon_dioxide")),
    ("eCO2", Unit::PartsPerMillion, Some("carbon_dioxide")),
    ("TVOC", Unit::PartsPerBillion, Some("volatile_organic_compounds_parts")),
    ("PM1", Unit::MicrogramPerCubicMetre, Some("pm1")),
    ("PM2.5", Unit::MicrogramPerCubicMetre, Some("pm25")),
    ("PM10", Unit::MicrogramPerCubicMetre, Some("pm10")),
    ("Distance", Unit::None, Some("distance")),
    ("Speed", Unit::None, Some("speed")),
    ("Weight", Unit::Kilogram, Some("weight")),
];

/// What is heard of others by radio or Matter: in their words `Power` is whether they are on.
const OTHERS: &[&str] = &["ZbReceived", "MtrReceived", "LwReceived"];

/// In whose words a branch speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Energy,
    Sensor,
    Others,
}

impl Words {
    fn of(key: &str) -> Self {
        match key {
            "ENERGY" => Words::Energy,
            key if OTHERS.contains(&key) => Words::Others,
            _ => Words::Sensor,
        }
    }

    /// Those of a branch within.
    fn within(self, key: &str) -> Self {
        if key.starts_with("CTEnergy") { Words::Energy } else { self }
    }
}

/// Readers of cards and key fobs: what they read opens doors, and nobody needs it on a page.
const SECRETS: &[&str] = &["PN532", "RDM6300", "RC522", "Wiegand"];

/// Channels or phases of one quantity.
const MAX_CHANNELS: usize = 32;
/// Levels below a sensor's name: a quantity, what is known of it, a channel.
const MAX_LEVELS: usize = 3;

/// A piece of the tree.
pub(super) enum Piece<'a> {
    /// A value.
    Leaf(Leaf<'a>),
    /// A switch, by the name of its property, and its word.
    Switch(String, &'a str),
    /// A shutter, by its number.
    Shutter(usize, Members<'a>),
    /// What cannot be read.
    Fault(Fault),
}

/// A value in the tree.
pub(super) struct Leaf<'a> {
    pub(super) property: String,
    pub(super) raw: &'a str,
    pub(super) unit: Unit,
    pub(super) class: Option<&'static str>,
    /// The contract says that it is a number.
    pub(super) is_number: bool,
}

/// Walks the tree. Names are `sensor_quantity`, `sensor_quantity_1` for the first of several channels or phases.
pub(super) fn pieces<'a>(members: &Members<'a>, config: Option<&Config>) -> Vec<Piece<'a>> {
    // Fahrenheit and mmHg are not passed off as something else, nor is a unit that the house does not know.
    let named = |key: &str, usual| match members.text(key) {
        Some(unit) => Unit::parse(&unit).unwrap_or(Unit::None),
        None => usual,
    };
    let mut walk = Walk {
        temperature: named("TempUnit", Unit::Celsius),
        pressure: named("PressureUnit", Unit::Hectopascal),
        speed: named("SpeedUnit", Unit::None),
        out: members.twice.iter().map(|(key, raw)| Piece::Fault(Fault::new(What::SaidTwice, key, raw))).collect(),
    };
    for (key, raw) in &members.list {
        let key = key.as_str();
        let switch = config.and_then(|config| config.switch(key)).map(|switch| format!("switch{}", switch.number));
        match (key, Json::of(raw)) {
            ("Time" | "TempUnit" | "PressureUnit" | "SpeedUnit", _) => {}
            _ if SECRETS.contains(&key) || is_secret(key) => {}
            (_, Json::Object(raw)) => match (json::members(raw), shutter(key)) {
                (Ok(members), Some(number)) => walk.out.push(Piece::Shutter(number, members)),
                (Ok(members), None) => walk.branch(&key.to_lowercase(), Words::of(key), None, &members, 1),
                (Err(what), _) => walk.fault(what, key, raw),
            },
            (_, Json::Text(raw)) if switch.is_some() || key.starts_with("Switch") => {
                walk.out.push(Piece::Switch(switch.unwrap_or_else(|| key.to_lowercase()), raw));
            }
            _ => walk.leaf(key.to_lowercase(), raw, None),
        }
    }
    walk.out
}

struct Walk<'a> {
    temperature: Unit,
    pressure: Unit,
    speed: Unit,
    out: Vec<Piece<'a>>,
}

impl<'a> Walk<'a> {
    fn fault(&mut self, what: What, at: &str, raw: &str) {
        self.out.push(Piece::Fault(Fault::new(what, at, raw)));
    }

    fn branch(&mut self, path: &str, words: Words, above: Option<Quantity>, members: &Members<'a>, level: usize) {
        for (key, raw) in &members.twice {
            // The sensor in its own spelling, as it stands in the message.
            let at =
                if level == 1 && words == Words::Energy { format!("ENERGY_{key}") } else { format!("{path}_{key}") };
            self.fault(What::SaidTwice, &at, raw);
        }
        for (key, raw) in members.list.iter().filter(|(key, _)| !is_secret(key)) {
            let property = format!("{path}_{}", key.to_lowercase());
            // {"TX23":{"Speed":{"Act":14.8}}}: what is not known by its own name is of the quantity above it.
            let quantity = quantity(key, words).or(above);
            match Json::of(raw) {
                // One element for each channel or phase.
                Json::Array(_) => match json::elements(raw, MAX_CHANNELS) {
                    Ok(channels) => {
                        for (i, raw) in channels.iter().enumerate() {
                            self.leaf(format!("{property}_{}", i + 1), raw, quantity);
                        }
                    }
                    Err(what) => self.fault(what, &property, raw),
                },
                Json::Object(_) if level >= MAX_LEVELS => {}
                Json::Object(raw) => match json::members(raw) {
                    Ok(members) => self.branch(&property, words.within(key), quantity, &members, level + 1),
                    Err(what) => self.fault(what, &property, raw),
                },
                _ => self.leaf(property, raw, quantity),
            }
        }
    }

    fn leaf(&mut self, property: String, raw: &'a str, quantity: Option<Quantity>) {
        // Elements of an array are no branches of their own.
        if matches!(Json::of(raw), Json::Array(_) | Json::Object(_)) {
            return;
        }
        let unit = match quantity {
            Some((_, Unit::Celsius, _)) => self.temperature,
            Some((_, Unit::Hectopascal, _)) => self.pressure,
            Some(("Speed", ..)) => self.speed,
            Some((_, unit, _)) => unit,
            None => Unit::None,
        };
        let class = quantity.and_then(|(_, _, class)| class);
        // A wind's direction beside its speed may be a word.
        let is_number = quantity.is_some_and(|(key, ..)| property.contains(&key.to_lowercase()));
        self.out.push(Piece::Leaf(Leaf { property, raw, unit, class, is_number }));
    }
}

/// By its key; ESP32's ANALOG counts its inputs: Temperature1.
fn quantity(key: &str, words: Words) -> Option<Quantity> {
    if words == Words::Others && key == "Power" {
        return None;
    }
    let table = if words == Words::Energy { ENERGY } else { SENSORS };
    let find = |key: &str| table.iter().find(|(name, ..)| *name == key).copied();
    find(key).or_else(|| find(key.trim_end_matches(|c: char| c.is_ascii_digit())))
}

/// The properties that the tree announces. What it says at that moment is not looked at: it is as old as the message.
pub(super) fn properties(tree: &str, config: Option<&Config>) -> Vec<PropertyInfo> {
    let Ok(members) = json::members(tree) else { return Vec::new() };
    let Some(Ok(members)) = members.get("sn").map(json::members) else { return Vec::new() };
    let mut out: Vec<PropertyInfo> = Vec::new();
    let word = |i: usize, usual: &str| {
        let word = config.and_then(|config| config.words.get(i)).filter(|word| !word.is_empty());
        Value::Text(word.cloned().unwrap_or_else(|| usual.to_owned()))
    };
    for piece in pieces(&members, config) {
        let info = match piece {
            Piece::Leaf(leaf) => announced(leaf),
            Piece::Switch(property, _) => {
                Some(PropertyInfo::new(property, Shape::Switch { on: word(1, "ON"), off: word(0, "OFF") }))
            }
            // The configuration says what there is of them.
            Piece::Shutter(..) | Piece::Fault(_) => None,
        };
        let is_new =
            |info: &PropertyInfo| json::is_name(&info.name) && !out.iter().any(|other| other.name == info.name);
        out.extend(info.filter(|info| is_new(info)).filter(|_| out.len() < json::MAX_MEMBERS));
    }
    out
}

fn announced(leaf: Leaf<'_>) -> Option<PropertyInfo> {
    let shape = match Json::of(leaf.raw) {
        Json::Number(_) => Shape::Number { min: None, max: None },
        _ if leaf.is_number => Shape::Number { min: None, max: None },
        Json::Text(_) => Shape::Text,
        Json::Bool(_) => Shape::Switch { on: Value::Bool(true), off: Value::Bool(false) },
        Json::Null => Shape::Unknown,
        Json::Array(_) | Json::Object(_) => return None,
    };
    let name = &leaf.property;
    let is_aside = name.ends_with("_id") || name.ends_with("_totalstarttime") || leaf.class == Some("battery");
    Some(PropertyInfo::new(leaf.property, shape).with(|one| {
        one.unit = leaf.unit;
        one.class = leaf.class.map(Into::into);
        one.category = if is_aside { Category::Diagnostic } else { Category::Main };
    }))
}
