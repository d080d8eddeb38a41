//! wmbusmeters: one JSON object per wM-Bus telegram, on a topic that the operator's shell line chose.
//!
//! The identity is the meter's `id`, never the topic. Units are the last word of a field's name. It judges nothing:
//! a negative register passes here, and the ledger says what it thinks of it. Meters take no commands.

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Observation, Quality, Timestamp, Unit, Value};

use crate::fault::printable;
use crate::json::{self, Json, MAX_PAYLOAD, Members};
use crate::plain;
use crate::{
    Announcement, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Fault, Outgoing,
    PropertyInfo, Shape, What, stamp,
};

const NAME: &str = "wmbusmeters";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["wmbusmeters"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms: plain::confirms,
    underway: plain::never_underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained: plain::nothing_retained,
    confirms_within: Duration::from_secs(10),
};

/// The last word of a field's name → its unit; wmbusmeters 1.17, src/units.h. What is not here (bar, h, hca…) passes
/// as a number without a unit.
const SUFFIXES: &[(&str, Unit)] = &[
    ("m3", Unit::CubicMetre),
    ("l", Unit::Litre),
    ("m3h", Unit::CubicMetrePerHour),
    ("lh", Unit::LitrePerHour),
    ("kwh", Unit::KilowattHour),
    ("mj", Unit::Megajoule),
    ("gj", Unit::Gigajoule),
    ("gcal", Unit::Gigacalorie),
    ("kvarh", Unit::KilovarHour),
    ("kw", Unit::Kilowatt),
    ("c", Unit::Celsius),
    ("v", Unit::Volt),
    ("a", Unit::Ampere),
    ("hz", Unit::Hertz),
    ("pct", Unit::Percent),
    ("rh", Unit::Percent),
    ("s", Unit::Second),
    ("dbm", Unit::DecibelMilliwatt),
];

/// Fields that say who or when and are no property of the meter.
const ABOUT: &[&str] = &["_", "media", "meter", "name", "id", "timestamp", "device"];

/// How many telegram fields a meter may be known by. Fields come and go from telegram to telegram and are kept.
const MAX_PROPERTIES: usize = 512;

/// Any topic below the base: the operator's shell line decides.
fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/#")).collect()
}

/// Everything below the base, so that a telegram that cannot be read is reported and not overlooked.
fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let rest = directory.bases(NAME).iter().find_map(|base| envelope.topic.strip_prefix(base)?.strip_prefix('/'))?;
    if rest.is_empty() {
        return None;
    }
    let id = identity(envelope.payload).unwrap_or_else(|| format!("topic:{rest}"));
    Some(Claim { dialect: NAME, device: DeviceRef::new(NAME, id), part: String::new() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let telegram = json::members(&document).map_err(|what| DecodeError::new(what, "the telegram", &document))?;
    // Versions before 1.17 do not write `_`.
    if telegram.get("_").is_some_and(|raw| raw != r#""telegram""#) {
        return Err(DecodeError::new(What::Foreign, "_", telegram.get("_").unwrap_or_default()));
    }
    if claim.device.id.starts_with("topic:") {
        let said = telegram.get("id").unwrap_or_default();
        return Err(DecodeError::new(What::BadName, "id (8 hex digits are wanted)", said));
    }
    let quality = quality(&telegram);
    let device_time = telegram.text("timestamp").and_then(|text| stamp::timestamp(&text));
    let mut out = Decoded::default();
    for (field, raw) in &telegram.list {
        if ABOUT.contains(&field.as_str()) {
            continue;
        }
        match observe(&claim.device, field, raw, &quality, device_time) {
            Ok(observation) => out.observations.extend(observation),
            Err(what) => out.faults.push(Fault::new(what, field, raw)),
        }
    }
    out.faults.extend(telegram.twice.iter().map(|(field, raw)| Fault::new(What::SaidTwice, field, raw)));
    out.announcements.extend(announce(&claim.device, &telegram, &out.observations, directory));
    Ok(out)
}

/// wM-Bus meters are listened to; nothing can be said to them.
fn encode(command: &Command, _directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let target = command.target.clone();
    Err(EncodeError::ReadOnly { device: target.device, property: target.property })
}

/// Meters are only listened to.
fn is_command(_topic: &str, _directory: &Directory) -> bool {
    false
}

fn identity(payload: &[u8]) -> Option<String> {
    let document = json::document(payload, MAX_PAYLOAD).ok()?;
    let id = json::members(&document).ok()?.text("id")?;
    let is_id = id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| id.to_ascii_lowercase())
}

/// `status`, and `current_status` of older drivers: "OK", empty, or words such as "LEAKAGE DRY".
fn quality(telegram: &Members<'_>) -> Quality {
    let status = telegram.text("status").or_else(|| telegram.text("current_status")).unwrap_or_default();
    if matches!(status.trim(), "" | "OK") { Quality::Good } else { Quality::Suspect(printable(status.trim())) }
}

fn unit(field: &str) -> Option<Unit> {
    let (_, suffix) = field.rsplit_once('_')?;
    SUFFIXES.iter().find(|(word, _)| *word == suffix).map(|(_, unit)| *unit)
}

fn observe(
    device: &DeviceRef,
    field: &str,
    raw: &str,
    quality: &Quality,
    device_time: Option<Timestamp>,
) -> Result<Option<Observation>, What> {
    if !json::is_name(field) {
        return Err(What::BadName);
    }
    if matches!(Json::of(raw), Json::Array(_) | Json::Object(_)) {
        return Err(What::WrongType);
    }
    let unit = unit(field);
    let Some(value) = json::scalar(raw)? else { return Ok(None) };
    if unit.is_some() && value.number().is_none() {
        return Err(What::WrongType);
    }
    // The radio's own field strength is true whatever the meter complains of.
    let complains = value.number().is_some() && field != "rssi_dbm";
    Ok(Some(Observation {
        device: device.clone(),
        property: field.to_owned(),
        value,
        unit: unit.unwrap_or(Unit::None),
        quality: if complains { quality.clone() } else { Quality::Good },
        device_time,
        hazard: None,
    }))
}

/// Only what is news: a meter speaks every few seconds for years.
fn announce(
    device: &DeviceRef,
    telegram: &Members<'_>,
    observations: &[Observation],
    directory: &Directory,
) -> Option<Announcement> {
    let before = directory.known(device);
    let mut now = before.cloned().unwrap_or_else(|| Announcement::of(device.clone()));
    if let Some(name) = telegram.text("name") {
        now.alias = Some(printable(&name));
        now.name = now.alias.clone();
    }
    let model = match (telegram.text("meter"), telegram.text("media")) {
        (Some(meter), Some(media)) => Some(format!("{meter} ({media})")),
        (Some(only), None) | (None, Some(only)) => Some(only),
        (None, None) => None,
    };
    now.model = model.map(|model| printable(&model)).or(now.model);
    for observation in observations {
        if now.properties.len() < MAX_PROPERTIES && now.property(&observation.property).is_none() {
            let shape = match observation.value {
                Value::Number(_) => Shape::Number { min: None, max: None },
                Value::Bool(_) => Shape::Switch { on: Value::Bool(true), off: Value::Bool(false) },
                Value::Text(_) => Shape::Text,
            };
            now.properties
                .push(PropertyInfo::new(&observation.property, shape).with(|one| one.unit = observation.unit));
        }
    }
    (before != Some(&now)).then_some(now)
}
