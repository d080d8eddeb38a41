//! ChirpStack v4's MQTT integration (JSON): `application/<id>/device/<devEui>/event/<event>`, and the queue of downlinks.
//!
//! The identity is the DevEUI. What a device measured is what its codec made of the bytes (`object`); without a codec the
//! bytes stand as they are, for a mapping of the owner's own. Deliberately left alone: join keys, transmit parameters, where
//! gateways are. Two gateways that hear one uplink are one event here; one that is delivered twice has the same
//! `deduplicationId` and is known again by the hub as any repeated message is.

mod object;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Unit, Value};
use rust_decimal::Decimal;

use crate::fault::printable;
use crate::json::{self, Json, MAX_PAYLOAD, Members};
use crate::report::{Report, measured};
use crate::{
    Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Outgoing, PropertyInfo, Shape,
    What, number, plain, stamp,
};

const NAME: &str = "chirpstack";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["application"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms: plain::confirms,
    underway: plain::never_underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained,
    // Class A: a downlink waits for the next uplink.
    confirms_within: Duration::from_secs(3600),
};

/// What is told to a device, as `port:base64` or `port:{…}` for its codec. Nobody knows what it does there.
const DOWNLINK: &str = "downlink";
/// Gateways of one uplink.
const MAX_GATEWAYS: usize = 64;
/// Bytes of a downlink in base64; the longest payload of LoRaWAN has 242.
const MAX_DOWNLINK: usize = 512;

fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/+/device/+/event/+")).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let (eui, part) = split(envelope.topic, directory)?;
    let event = part.strip_prefix("event/")?;
    let ours = matches!(event, "up" | "status" | "join" | "ack" | "log");
    ours.then(|| Claim { dialect: NAME, device: DeviceRef::new(NAME, eui), part: event.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, &claim.part, &document))?;
    let mut report = Report::of(&claim.device, directory);
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, key, raw);
    }
    let info = members.get("deviceInfo").map(json::members).and_then(Result::ok);
    // A device speaks under its own address only.
    let said = info.as_ref().and_then(|info| info.text("devEui"));
    if said.as_deref().and_then(eui).as_ref() != Some(&claim.device.id) {
        return Err(DecodeError::new(What::BadName, "deviceInfo.devEui", &said.unwrap_or_default()));
    }
    if let Some(info) = &info {
        introduce(&mut report, info, envelope.topic);
    }
    report.device_time = members.text("time").and_then(|text| stamp::timestamp(&text));
    match claim.part.as_str() {
        "up" => uplink(&mut report, &members),
        "status" => status(&mut report, &members),
        "log" => {
            if let Some(code) = members.text("code") {
                let info = PropertyInfo::new("log", Shape::Text).with(|one| one.category = Category::Diagnostic);
                report.say(info, Value::Text(printable(&code)));
            }
        }
        "ack" => {
            if let Some(raw) = members.get("acknowledged") {
                let info = PropertyInfo::new("downlink.acknowledged", crate::report::flag());
                report.raw(info.with(|one| one.category = Category::Diagnostic), raw);
            }
        }
        _ => {}
    }
    Ok(report.finish())
}

fn introduce(report: &mut Report<'_>, info: &Members<'_>, topic: &str) {
    let about = &mut report.about;
    about.name = info.text("deviceName").map(|name| printable(&name)).or(about.name.take());
    about.model = info.text("deviceProfileName").map(|name| printable(&name)).or(about.model.take());
    about.alias = about.name.clone();
    // Who is of class C listens all the time.
    about.sleeps = info.text("deviceClassEnabled").is_none_or(|class| class != "CLASS_C");
    // The integration speaks for all; where a device is told something is its own.
    if let Some((device, _)) = topic.split_once("/event/") {
        about.listens = vec![format!("{device}/command/down")];
    }
    report.has(PropertyInfo::new(DOWNLINK, Shape::Text).with(|one| {
        one.writable = true;
        one.reported = false;
        one.category = Category::Setting;
        // It may be a valve that hears it.
        one.kind_class = Some("gate".into());
    }));
}

fn uplink(report: &mut Report<'_>, members: &Members<'_>) {
    match members.get("object").map(|raw| (raw, Json::of(raw))) {
        Some((raw, Json::Object(_))) => object::read(report, raw),
        Some((_, Json::Null)) | None => {
            let data = members.text("data").filter(|data| data.len() <= MAX_DOWNLINK);
            if let Some(data) = data {
                report.say(aside(PropertyInfo::new("data", Shape::Text)), Value::Text(data));
            }
        }
        Some((raw, _)) => report.fault(What::WrongType, "object", raw),
    }
    for (key, name) in [("fPort", "f_port"), ("fCnt", "f_cnt")] {
        if let Some(raw) = members.get(key) {
            report.raw(aside(measured(name, Unit::None, None)), raw);
        }
    }
    // The gateway that hears it best.
    let gateways = members.get("rxInfo").and_then(|raw| json::elements(raw, MAX_GATEWAYS).ok()).unwrap_or_default();
    let best = |key: &str| {
        let of = |raw: &&str| number::decimal(json::members(raw).ok()?.get(key)?.trim());
        gateways.iter().filter_map(of).max()
    };
    if let Some(rssi) = best("rssi") {
        let info = measured("rssi", Unit::DecibelMilliwatt, Some("signal_strength"));
        report.say(aside(info), Value::Number(rssi));
    }
    if let Some(snr) = best("snr") {
        report.say(aside(measured("snr", Unit::Decibel, None)), Value::Number(snr));
    }
}

/// `margin`, `batteryLevel` in per cent unless it could not be measured or the device has a cord.
fn status(report: &mut Report<'_>, members: &Members<'_>) {
    let is = |key: &str| members.get(key).map(str::trim) == Some("true");
    if let Some(raw) = members.get("margin") {
        report.raw(aside(measured("margin", Unit::Decibel, None)), raw);
    }
    if let Some(raw) = members.get("batteryLevel")
        && !is("batteryLevelUnavailable")
        && !is("externalPowerSource")
    {
        report.raw(aside(measured("battery", Unit::Percent, Some("battery"))), raw);
    }
}

fn aside(info: PropertyInfo) -> PropertyInfo {
    info.with(|one| one.category = Category::Diagnostic)
}

/// A downlink: `10:AQID`, or `10:{"valve":"close"}` where the codec can encode.
fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    if property != DOWNLINK {
        let (device, property) = (device.clone(), property.clone());
        return Err(match known.property(&property) {
            Some(_) => EncodeError::ReadOnly { device, property },
            None => EncodeError::UnknownProperty { device, property },
        });
    }
    let bad = || EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted: "a port from 1 to 223, a colon, and base64 or a JSON object: 10:AQID".to_owned(),
    };
    let Value::Text(text) = &command.value else { return Err(bad()) };
    let (port, rest) = text.split_once(':').ok_or_else(bad)?;
    let port: u8 = port.trim().parse().map_err(|_| bad())?;
    let rest = rest.trim();
    let is_base64 = !rest.is_empty()
        && rest.len() <= MAX_DOWNLINK
        && rest.len().is_multiple_of(4)
        && rest.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    let is_object = rest.starts_with('{')
        && rest.len() <= json::MAX_TEXT
        && json::document(rest.as_bytes(), json::MAX_TEXT).is_ok();
    let content = match (is_object, is_base64) {
        (true, _) => format!("\"object\":{rest}"),
        (false, true) => format!("\"data\":\"{rest}\""),
        (false, false) => return Err(bad()),
    };
    if !(1..=223).contains(&port) {
        return Err(bad());
    }
    let topic = known.listens.first().ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let payload = format!("{{\"devEui\":\"{}\",\"confirmed\":true,\"fPort\":{port},{content}}}", device.id);
    Ok(vec![Outgoing::command(topic.clone(), payload)])
}

fn is_command(topic: &str, directory: &Directory) -> bool {
    split(topic, directory).is_some_and(|(_, part)| part.starts_with("command/"))
}

/// Events may be retained, if the server was told to.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let down = directory.known(device).and_then(|known| known.listens.first());
    let above = down.and_then(|down| down.strip_suffix("/command/down"));
    let events = |above: &str| ["up", "status", "join"].map(|event| format!("{above}/event/{event}"));
    above.into_iter().flat_map(events).collect()
}

/// The DevEUI of a topic and what is below it.
fn split<'t>(topic: &'t str, directory: &Directory) -> Option<(String, &'t str)> {
    let rest = directory.bases(NAME).iter().find_map(|base| topic.strip_prefix(base.as_str())?.strip_prefix('/'))?;
    let (application, rest) = rest.split_once("/device/")?;
    let (device, part) = rest.split_once('/')?;
    if application.is_empty() || application.contains('/') {
        return None;
    }
    Some((eui(device)?, part))
}

/// Sixteen hexadecimal digits, lower case.
fn eui(text: &str) -> Option<String> {
    let ok = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| text.to_ascii_lowercase())
}

/// Whether a number says yes or no.
fn as_flag(number: Decimal) -> Option<bool> {
    if number.is_zero() {
        return Some(false);
    }
    (number == Decimal::ONE).then_some(true)
}
