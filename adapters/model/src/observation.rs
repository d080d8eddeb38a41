//! What a device said (an observation) and what the hub believes (a sample).

use std::fmt;

use rust_decimal::Decimal;

use crate::quantity::Unit;
use crate::time::{Moment, Timestamp};

/// A device by the stable identity that its dialect gives it, never by a name or a topic that somebody may change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceRef {
    /// The dialect that recognised it: `zigbee2mqtt`, `tasmota`, `wmbusmeters`.
    pub dialect: String,
    /// The stable id inside the dialect: an IEEE address, a MAC, a meter id.
    pub id: String,
}

impl DeviceRef {
    /// From its two parts.
    pub fn new(dialect: impl Into<String>, id: impl Into<String>) -> Self {
        DeviceRef { dialect: dialect.into(), id: id.into() }
    }

    /// Reads `dialect:id`, the spelling that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (dialect, id) = text.split_once(':')?;
        (!dialect.is_empty() && !id.is_empty()).then(|| DeviceRef::new(dialect, id))
    }
}

impl fmt::Display for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.dialect, self.id)
    }
}

/// A value as a device said it. Numbers are exact decimals: a meter register never passes through a float.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number.
    Number(Decimal),
    /// Yes or no: leaking, occupied, on.
    Bool(bool),
    /// A word or a sentence.
    Text(String),
}

impl Value {
    /// The number, if it is one.
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Bool(flag) => flag.fmt(f),
            Value::Text(text) => f.write_str(text),
        }
    }
}

/// A danger that an observation reports; the reflex acts on it from memory, before any disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hazard {
    /// Water where none should be.
    WaterLeak,
    /// Combustible gas.
    Gas,
    /// Smoke.
    Smoke,
    /// Carbon monoxide.
    CarbonMonoxide,
}

/// What a device SAID: one property, one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Which device.
    pub device: DeviceRef,
    /// The name of the property in its dialect: `total_m3`, `energy_total`, `water_leak`.
    pub property: String,
    /// The value said.
    pub value: Value,
    /// Its unit.
    pub unit: Unit,
    /// Whether the device itself vouches for the value.
    pub quality: Quality,
    /// The device's own time for it, when it gives one that can be true. The hub's time of receipt is kept besides.
    pub device_time: Option<Timestamp>,
    /// The danger this value reports, if it does.
    pub hazard: Option<Hazard>,
}

/// How far a value can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quality {
    /// Nothing speaks against it.
    Good,
    /// The device reported it together with a complaint («status»: "LEAKAGE", error words…), which is kept.
    Suspect(String),
}

/// What the hub BELIEVES: an observation of a known device, stamped with the hub's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which device.
    pub device: DeviceRef,
    /// Which of its properties.
    pub property: String,
    /// The value.
    pub value: Value,
    /// Its unit.
    pub unit: Unit,
    /// How far it can be believed.
    pub quality: Quality,
    /// When the hub received it.
    pub at: Moment,
    /// The device's own time for it, when it gives one.
    pub device_time: Option<Timestamp>,
}
