//! Tasmota's own MQTT contract: telemetry, command results, and the retained `tasmota/discovery`.
//!
//! The identity is the MAC address from discovery; until that is heard a device is `topic:<t>`. First forms only:
//! relays, energy, sensors, the link. Lights beyond dimmer and colour temperature, shutters and fans come later.

mod discovery;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Observation, Quality, Unit, Value};

use crate::json::{self, Json, MAX_PAYLOAD, Members};
use crate::plain;
use crate::{
    Announcement, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Fault, Outgoing, Shape, What,
};

const NAME: &str = "tasmota";

/// The dialect. A base is a full-topic pattern (`FullTopic`); what it lacks of `%prefix%` and `%topic%` is appended.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["%prefix%/%topic%"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms: plain::confirms,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained: plain::nothing_retained,
    confirms_within: Duration::from_secs(10),
};

/// The commands of relays are POWER, or POWER1 to POWER32.
const MAX_RELAYS: u32 = 32;

const ENERGY: &[(&str, Unit)] = &[
    ("Total", Unit::KilowattHour),
    ("Yesterday", Unit::KilowattHour),
    ("Today", Unit::KilowattHour),
    ("TotalTariff", Unit::KilowattHour),
    ("TodaySumImport", Unit::KilowattHour),
    ("TodaySumExport", Unit::KilowattHour),
    ("ImportActive", Unit::KilowattHour),
    ("ExportActive", Unit::KilowattHour),
    ("ExportTariff", Unit::KilowattHour),
    ("ImportReactive", Unit::KilovarHour),
    ("ExportReactive", Unit::KilovarHour),
    ("Period", Unit::WattHour),
    ("Power", Unit::Watt),
    ("ActivePower", Unit::Watt),
    ("ApparentPower", Unit::VoltAmpere),
    ("ReactivePower", Unit::Var),
    ("Voltage", Unit::Volt),
    ("Current", Unit::Ampere),
    ("Frequency", Unit::Hertz),
    ("Factor", Unit::None),
];

const SENSORS: &[(&str, Unit)] = &[
    ("Humidity", Unit::Percent),
    ("Illuminance", Unit::Lux),
    ("Voltage", Unit::Volt),
    ("Current", Unit::Ampere),
    ("Power", Unit::Watt),
];

/// What is taken of STATE and RESULT besides relays. Deliberately not the rest: the name of the Wi-Fi network and its
/// access point are nobody's business, and heap and load would be written to the card every five minutes.
const STATE: &[(&str, Unit)] =
    &[("Dimmer", Unit::Percent), ("CT", Unit::None), ("UptimeSec", Unit::Second), ("Vcc", Unit::Volt)];

/// `Wifi` of STATE: RSSI is a quality in per cent there, Signal the field strength.
const WIFI: &[(&str, Unit)] = &[("RSSI", Unit::Percent), ("Signal", Unit::DecibelMilliwatt)];

/// Discovery, the patterns with a wildcard for what is not known, and the topics of those that fit no pattern.
fn topics(directory: &Directory) -> Vec<String> {
    let mut out = vec!["tasmota/discovery/+/config".to_owned()];
    for pattern in directory.bases(NAME).iter().map(|base| discovery::pattern(base)) {
        for prefix in SAYING {
            let filter: Vec<String> = pattern
                .replace("%prefix%", prefix)
                .split('/')
                .map(|level| if level.contains('%') { "+".to_owned() } else { level.to_owned() })
                .collect();
            out.push(format!("{}/+", filter.join("/")));
        }
    }
    for topic in directory.devices().filter(|known| known.device.dialect == NAME).flat_map(|known| &known.speaks) {
        if by_pattern(directory, &format!("{topic}/STATE"), SAYING).is_none() {
            out.push(format!("{topic}/+"));
        }
    }
    out
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let topic = envelope.topic;
    if let Some(rest) = topic.strip_prefix("tasmota/discovery/") {
        let mac = discovery::mac(rest.strip_suffix("/config")?)?;
        return Some(Claim { dialect: NAME, device: DeviceRef::new(NAME, mac), part: "config".to_owned() });
    }
    let (device, part) = match directory.speaker(NAME, topic) {
        Some((device, part)) => (device.clone(), part),
        None => {
            let (t, part) = by_pattern(directory, topic, SAYING)?;
            (DeviceRef::new(NAME, format!("topic:{t}")), part)
        }
    };
    let ours = matches!(part, "SENSOR" | "STATE" | "LWT" | "RESULT") || relay(part).is_some();
    ours.then(|| Claim { dialect: NAME, device, part: part.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let mut said = Said { device: &claim.device, directory, out: Decoded::default() };
    if claim.part == "config" {
        return discovery::decode(&claim.device, envelope.payload);
    }
    if claim.part == "LWT" || relay(&claim.part).is_some() {
        // An empty payload clears a retained message and says nothing about the device.
        let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
        if !text.is_empty() {
            let property = if claim.part == "LWT" { "available".to_owned() } else { claim.part.to_lowercase() };
            let value = said.flag(&property, text);
            let value = value.ok_or_else(|| DecodeError::new(What::WrongType, &claim.part, text))?;
            said.push(&property, Value::Bool(value), Unit::None);
        }
        return Ok(said.out);
    }
    if envelope.payload.is_empty() {
        return Ok(said.out);
    }
    // A RESULT may answer `Password1`: nothing of it is ever quoted.
    let hush = |mut error: DecodeError| {
        if claim.part == "RESULT" {
            error.0.excerpt.clear();
        }
        error
    };
    let document = json::document(envelope.payload, MAX_PAYLOAD).map_err(hush)?;
    let members = json::members(&document).map_err(|what| hush(DecodeError::new(what, &claim.part, &document)))?;
    if claim.part == "SENSOR" {
        said.sensors(&members)
    } else {
        said.state(&members)
    }
    Ok(said.out)
}

fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    if device.dialect != NAME {
        return Err(EncodeError::UnknownDevice(device.clone()));
    }
    let upper = property.to_uppercase();
    if relay(&upper).is_none() || *property != upper.to_lowercase() {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    }
    // ON and OFF are understood whatever texts the device itself was told to write (StateText).
    let word = match &command.value {
        Value::Bool(true) => "ON",
        Value::Bool(false) => "OFF",
        _ => {
            let wanted = "yes or no".to_owned();
            return Err(EncodeError::BadValue { device: device.clone(), property: property.clone(), wanted });
        }
    };
    let listens = match (directory.known(device), device.id.strip_prefix("topic:")) {
        (Some(known), _) => known.listens.clone(),
        (None, Some(t)) => discovery::provisional_listens(directory.bases(NAME), t),
        (None, None) => Vec::new(),
    };
    if listens.is_empty() {
        return Err(EncodeError::UnknownDevice(device.clone()));
    }
    Ok(listens.iter().map(|base| Outgoing::command(format!("{base}/{upper}"), word)).collect())
}

/// Below `cmnd` where a pattern has its prefix, and wherever a device said that it listens.
fn is_command(topic: &str, directory: &Directory) -> bool {
    if by_pattern(directory, topic, &["cmnd"]).is_some() {
        return true;
    }
    let known = directory.devices().filter(|known| known.device.dialect == NAME);
    let below = |base: &String| topic.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/'));
    known.flat_map(|known| &known.listens).any(below)
}

/// `POWER` → 0, `POWER3` → 3.
fn relay(part: &str) -> Option<u32> {
    let number = part.strip_prefix("POWER")?;
    if number.is_empty() {
        return Some(0);
    }
    let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    number.parse().ok().filter(|n| plain && *n <= MAX_RELAYS)
}

/// What telemetry and results have for a prefix.
const SAYING: &[&str] = &["tele", "stat"];

/// Tasmota's topic and the last level, for a topic that fits one of the patterns with one of these prefixes.
fn by_pattern<'t>(directory: &Directory, topic: &'t str, prefixes: &[&str]) -> Option<(&'t str, &'t str)> {
    let (base, part) = topic.rsplit_once('/')?;
    let fits = |pattern: &str, prefix: &str| {
        let pattern = pattern.replace("%prefix%", prefix);
        let (mut t, mut levels) = (None, base.split('/'));
        for wanted in pattern.split('/') {
            let level = levels.next()?;
            match wanted.split_once("%topic%") {
                Some((before, after)) => t = Some(level.strip_prefix(before)?.strip_suffix(after)?),
                None if wanted.contains('%') => {}
                None if wanted == level => {}
                None => return None,
            }
        }
        t.filter(|t| !t.is_empty() && levels.next().is_none())
    };
    directory.bases(NAME).iter().find_map(|pattern| {
        let pattern = discovery::pattern(pattern);
        let t = prefixes.iter().find_map(|prefix| fits(&pattern, prefix))?;
        Some((t, part))
    })
}

/// One message of one device, as far as it is decoded. The `Time` in it is local and names no zone: it is left alone.
struct Said<'a> {
    device: &'a DeviceRef,
    directory: &'a Directory,
    out: Decoded,
}

impl Said<'_> {
    fn push(&mut self, property: &str, value: Value, unit: Unit) {
        let unit = if value.number().is_some() { unit } else { Unit::None };
        self.out.observations.push(Observation {
            device: self.device.clone(),
            property: property.to_owned(),
            value,
            unit,
            quality: Quality::Good,
            device_time: None,
            hazard: None,
        });
    }

    fn fault(&mut self, what: What, at: &str, raw: &str) {
        self.out.faults.push(Fault::new(what, at, raw));
    }

    /// A relay's or the link's word, in the device's own texts where discovery told them.
    fn flag(&self, property: &str, word: &str) -> Option<bool> {
        if let Some(Shape::Switch { on: Value::Text(on), off: Value::Text(off) }) =
            self.directory.property(self.device, property).map(|info| &info.shape)
        {
            if word == on {
                return Some(true);
            }
            if word == off {
                return Some(false);
            }
        }
        match (property, word) {
            ("available", "Online") => Some(true),
            ("available", "Offline") => Some(false),
            ("available", _) => None,
            (_, "ON") => Some(true),
            (_, "OFF") => Some(false),
            _ => None,
        }
    }

    /// A number, a truth value or a text; `number` where the contract says that it is a number.
    fn scalar(&mut self, property: &str, raw: &str, unit: Unit, number: bool) {
        if self.out.observations.len() >= json::MAX_MEMBERS {
            if self.out.faults.last().is_none_or(|fault| fault.what != What::TooMany) {
                self.fault(What::TooMany, property, "");
            }
            return;
        }
        if !json::is_name(property) {
            return self.fault(What::BadName, property, raw);
        }
        match json::scalar(raw) {
            Ok(Some(value)) if number && value.number().is_none() => self.fault(What::WrongType, property, raw),
            Ok(Some(value)) => self.push(property, value, unit),
            Ok(None) => {}
            Err(what) => self.fault(what, property, raw),
        }
    }

    /// A relay, which has two states, or a switch, which may also be held or toggled.
    fn switch(&mut self, property: &str, raw: &str, is_relay: bool) {
        match json::scalar(raw) {
            Ok(Some(Value::Text(word))) => match self.flag(property, &word) {
                Some(flag) => self.push(property, Value::Bool(flag), Unit::None),
                None if is_relay => self.fault(What::WrongType, property, raw),
                None => self.push(property, Value::Text(word), Unit::None),
            },
            Ok(Some(_)) => self.fault(What::WrongType, property, raw),
            Ok(None) => {}
            Err(what) => self.fault(what, property, raw),
        }
    }

    /// tele/…/STATE and stat/…/RESULT.
    fn state(&mut self, members: &Members<'_>) {
        for (key, raw) in &members.twice {
            if relay(key).is_some() || STATE.iter().any(|(name, _)| name == key) {
                self.fault(What::SaidTwice, key, raw);
            }
        }
        for (key, raw) in &members.list {
            if relay(key).is_some() {
                self.switch(&key.to_lowercase(), raw, true);
            } else if let Some((_, unit)) = STATE.iter().find(|(name, _)| name == key) {
                self.scalar(&key.to_lowercase(), raw, *unit, true);
            } else if key == "Wifi" {
                match json::members(raw) {
                    Ok(wifi) => {
                        for (name, unit) in WIFI {
                            if let Some(raw) = wifi.get(name) {
                                self.scalar(&format!("wifi_{}", name.to_lowercase()), raw, *unit, true);
                            }
                        }
                    }
                    Err(what) => self.fault(what, key, raw),
                }
            }
        }
    }

    /// tele/…/SENSOR.
    fn sensors(&mut self, members: &Members<'_>) {
        for (key, raw) in &members.twice {
            self.fault(What::SaidTwice, key, raw);
        }
        let celsius = members.text("TempUnit").is_none_or(|unit| unit == "C");
        let hectopascal = members.text("PressureUnit").is_none_or(|unit| unit == "hPa");
        for (key, raw) in &members.list {
            match (key.as_str(), Json::of(raw)) {
                ("Time" | "TempUnit" | "PressureUnit" | "SpeedUnit", _) => {}
                (_, Json::Object(raw)) => match json::members(raw) {
                    Ok(sensor) => self.sensor(key, &sensor, celsius, hectopascal),
                    Err(what) => self.fault(what, key, raw),
                },
                (_, Json::Text(_)) if key.starts_with("Switch") => self.switch(&key.to_lowercase(), raw, false),
                _ => self.scalar(&key.to_lowercase(), raw, Unit::None, false),
            }
        }
    }

    fn sensor(&mut self, sensor: &str, members: &Members<'_>, celsius: bool, hectopascal: bool) {
        for (key, raw) in &members.twice {
            self.fault(What::SaidTwice, &format!("{sensor}_{key}"), raw);
        }
        for (key, raw) in &members.list {
            let property = format!("{sensor}_{key}").to_lowercase();
            let table = if sensor == "ENERGY" { ENERGY } else { SENSORS };
            let unit = match key.as_str() {
                "Temperature" | "DewPoint" => Some(if celsius { Unit::Celsius } else { Unit::None }),
                "Pressure" | "SeaPressure" => Some(if hectopascal { Unit::Hectopascal } else { Unit::None }),
                _ => table.iter().find(|(name, _)| name == key).map(|(_, unit)| *unit),
            };
            match Json::of(raw) {
                // One element for each channel or phase.
                Json::Array(_) => match json::elements(raw, 32) {
                    Ok(channels) => {
                        for (i, raw) in channels.iter().enumerate() {
                            let property = format!("{property}_{}", i + 1);
                            self.scalar(&property, raw, unit.unwrap_or(Unit::None), unit.is_some());
                        }
                    }
                    Err(what) => self.fault(what, &property, raw),
                },
                Json::Object(_) => {}
                _ => self.scalar(&property, raw, unit.unwrap_or(Unit::None), unit.is_some()),
            }
        }
    }
}
