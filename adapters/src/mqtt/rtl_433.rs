//! rtl_433: whatever a radio hears on 433 and 868 MHz, one JSON for each message in `<base>/<host>/events`: thermometers,
//! meters, buttons, and raw telegrams of wireless M-Bus, which are opened with the owner's key.
//!
//! The identity is model, channel and id, and of a wireless M-Bus meter its number. Nobody vouches for any of it: whoever has
//! a transmitter can be anybody's meter, so that every value is marked as overheard. Deliberately left alone: the same said
//! key by key in `devices/…`, which knows less, and `states`.

#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Unit, Value};
use rust_decimal::Decimal;

use crate::dangers;
use crate::fault::printable;
use crate::json::{self, Json, MAX_PAYLOAD, Members};
use crate::report::{self, Report};
use crate::slug::slug;
use crate::{
    Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Hearsay, Outgoing, PropertyInfo,
    Shape, Warning, What, number, plain, stamp, suffix, wmbus,
};

const NAME: &str = "rtl_433";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["rtl_433"],
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

/// The model that raw telegrams of wireless M-Bus have.
const WIRELESS_MBUS: &str = "Wireless-MBus";
/// Fields that say who, when and how it was received.
const ABOUT: &[&str] = &[
    "time",
    "model",
    "id",
    "channel",
    "subtype",
    "mic",
    "mod",
    "freq",
    "freq1",
    "freq2",
    "protocol",
    "type",
    "len",
    "M",
    "version",
    "type_string",
    "data",
    "CI",
    "AC",
    "ST",
    "CW",
    "C",
    "device",
    "code",
    "raw",
    "msg",
    "seq",
    "sequence_num",
    "EndpointID",
];
/// Fields with units that do not stand in their names, or with classes.
const KNOWN: &[(&str, Unit, &str)] = &[
    ("humidity", Unit::Percent, "humidity"),
    ("moisture", Unit::Percent, "moisture"),
    ("lux", Unit::Lux, "illuminance"),
    ("light_lux", Unit::Lux, "illuminance"),
    ("rssi", Unit::DecibelMilliwatt, "signal_strength"),
    ("snr", Unit::Decibel, ""),
    ("noise", Unit::DecibelMilliwatt, ""),
    ("uvi", Unit::None, ""),
    ("wind_dir_deg", Unit::Degree, ""),
];

fn topics(directory: &Directory) -> Vec<String> {
    let of = |base: &String| [format!("{base}/events"), format!("{base}/+/events")];
    directory.bases(NAME).iter().flat_map(of).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let below = |base: &String| envelope.topic.strip_prefix(base.as_str())?.strip_prefix('/');
    let rest = directory.bases(NAME).iter().find_map(below)?;
    let is_events = rest == "events" || rest.split_once('/').is_some_and(|(_, last)| last == "events");
    if !is_events {
        return None;
    }
    let id = identity(envelope.payload).unwrap_or_else(|| format!("topic:{rest}"));
    Some(Claim { dialect: NAME, device: DeviceRef::new(NAME, id), part: String::new() })
}

/// `acurite_tower-a-1234`, `wmbus-12345678`.
fn identity(payload: &[u8]) -> Option<String> {
    let document = json::document(payload, MAX_PAYLOAD).ok()?;
    let members = json::members(&document).ok()?;
    let model = members.text("model").filter(|model| model.len() <= 64)?;
    if model == WIRELESS_MBUS {
        return Some(format!("wmbus-{}", wmbus::identity(&wmbus::bytes(&members.text("data")?)?)?));
    }
    let word = |key: &str| match members.get(key).map(Json::of)? {
        Json::Number(digits) => Some(printable(digits)),
        Json::Text(_) => members.text(key),
        _ => None,
    };
    let words = [Some(model), word("subtype"), word("channel"), word("id").or_else(|| word("EndpointID"))];
    let words: Vec<String> =
        words.into_iter().flatten().map(|word| slug(&word)).filter(|word| !word.is_empty()).collect();
    let id = words.join("-");
    (!id.is_empty() && id.len() <= 128).then_some(id)
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    // An event that a broker kept is as old as it is.
    if envelope.payload.is_empty() || envelope.retained {
        return Ok(Decoded::default());
    }
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "the event", &document))?;
    if claim.device.id.starts_with("topic:") {
        let said = members.get("model").unwrap_or_default();
        return Err(DecodeError::new(What::BadName, "model and id", said));
    }
    let mut report = Report::of(&claim.device, directory);
    report.about.model = members.text("model").map(|model| printable(&model)).or(report.about.model.take());
    report.about.sleeps = true;
    report.device_time = members.text("time").and_then(|text| stamp::timestamp(&text));
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, key, raw);
    }
    if members.text("model").as_deref() == Some(WIRELESS_MBUS) {
        let data = members.text("data").unwrap_or_default();
        wmbus::read(&mut report, &data, directory);
        radio(&mut report, &members);
        return Ok(report.finish());
    }
    for (key, raw) in members.list.iter().filter(|(key, _)| !ABOUT.contains(&key.as_str())) {
        field(&mut report, key, raw);
    }
    Ok(report.finish())
}

/// How well it was heard.
fn radio(report: &mut Report<'_>, members: &Members<'_>) {
    for key in ["rssi", "snr", "noise"] {
        if let Some(raw) = members.get(key) {
            field(report, key, raw);
        }
    }
}

fn field(report: &mut Report<'_>, key: &str, raw: &str) {
    let lower = key.to_ascii_lowercase();
    match lower.as_str() {
        // 1 is full, 0 is low; some say how much in between.
        "battery_ok" => {
            let ok = number::decimal(raw.trim());
            let info = warning("battery_low", Warning::Battery);
            match ok {
                Some(ok) => report.say(info, Value::Bool(ok < Decimal::new(5, 1))),
                None => report.fault(What::WrongType, key, raw),
            }
            return;
        }
        // ERT: a counter of what was done to the case; other makes say yes or no.
        "tamper" | "physical_tamper" | "encoder_tamper" => {
            let said = match json::scalar(raw) {
                Ok(Some(Value::Bool(flag))) => Some(flag),
                Ok(Some(Value::Number(number))) => Some(!number.is_zero()),
                _ => None,
            };
            match said {
                Some(said) => report.say(warning(&lower, Warning::Tamper), Value::Bool(said)),
                None => report.fault(What::WrongType, key, raw),
            }
            return;
        }
        // The register of an ERT meter, in its own units, which the owner has to read off the face.
        "consumption_data" | "consumption" => {
            let info = PropertyInfo::new("consumption", report::number());
            report.raw(overheard(info), raw);
            return;
        }
        _ => {}
    }
    let value = match json::scalar(raw) {
        Ok(Some(value)) => value,
        Ok(None) => return,
        // Lists of pulses and what else a decoder writes when it is asked to.
        Err(What::WrongType) => return,
        Err(what) => return report.fault(what, key, raw),
    };
    let known = KNOWN.iter().find(|(name, ..)| *name == lower).map(|(_, unit, class)| (*unit, *class));
    let of_name = suffix::unit(key).map(|unit| (unit, suffix::class(unit).unwrap_or_default()));
    let (unit, class) = known.or(of_name).unwrap_or((Unit::None, ""));
    let danger = dangers::of_name(&lower);
    let said = match (&value, danger) {
        (Value::Number(number), Some(_)) if number.is_zero() || *number == Decimal::ONE => {
            Value::Bool(!number.is_zero())
        }
        _ => value,
    };
    let shape = match &said {
        Value::Number(_) => report::number(),
        Value::Bool(_) => report::flag(),
        Value::Text(_) => Shape::Text,
    };
    let info = PropertyInfo::new(lower, shape).with(|one| {
        let is_number = matches!(one.shape, Shape::Number { .. });
        one.unit = if is_number { unit } else { Unit::None };
        one.class = Some(class).filter(|class| !class.is_empty() && is_number).map(Into::into);
        if matches!(unit, Unit::DecibelMilliwatt | Unit::Decibel) {
            one.category = Category::Diagnostic;
        }
        if let (Some((hazard, class)), Shape::Switch { .. }) = (danger, &one.shape) {
            one.hazard = Some(hazard);
            one.class = Some(class.into());
        }
    });
    report.say(overheard(info), said);
}

fn warning(name: &str, warning: Warning) -> PropertyInfo {
    let info = PropertyInfo::new(name, report::flag()).with(|one| {
        one.warning = Some(warning);
        one.category = Category::Diagnostic;
        one.class = Some(if warning == Warning::Battery { "battery" } else { "problem" }.into());
    });
    overheard(info)
}

/// Nobody vouches that it is this device.
fn overheard(info: PropertyInfo) -> PropertyInfo {
    info.with(|one| one.hearsay = Some(Hearsay::Overheard))
}

/// A radio that only listens.
fn encode(command: &Command, _: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let target = command.target.clone();
    Err(EncodeError::ReadOnly { device: target.device, property: target.property })
}

fn is_command(_: &str, _: &Directory) -> bool {
    false
}
