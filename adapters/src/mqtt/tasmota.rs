//! Tasmota's own MQTT contract: telemetry, command results, statuses, the will, and the retained `tasmota/discovery`.
//!
//! The identity is the MAC address from discovery; until that is heard a device is `topic:<t>`. Deliberately left alone:
//! what its results say of passwords and networks, its log, its group topic, and the Home Assistant configs that builds
//! of one's own may publish.

mod command;
mod discovery;
mod facts;
mod functions;
mod said;
mod sensors;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{DeviceRef, Unit, Value};

use crate::json::{self, MAX_PAYLOAD};
use crate::{
    Announcement, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Fault, Outgoing,
    PropertyInfo, Reached, Shape, What,
};
use said::Said;

const NAME: &str = "tasmota";

/// The dialect. A base is a full-topic pattern (`FullTopic`); what it lacks of `%prefix%` and `%topic%` is appended.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["%prefix%/%topic%"],
    topics,
    claim,
    decode,
    encode: command::encode,
    is_command,
    confirms: command::confirms,
    underway: crate::plain::never_underway,
    greetings: command::greetings,
    errand: command::errand,
    retained: command::retained,
    confirms_within: Duration::from_secs(10),
};

/// The commands of relays are POWER, or POWER1 to POWER32.
const MAX_RELAYS: u32 = 32;

/// Discovery, the patterns with a wildcard for what is not known, and the topics of those that fit no pattern.
fn topics(directory: &Directory) -> Vec<String> {
    let mut out = vec!["tasmota/discovery/+/config".to_owned(), "tasmota/discovery/+/sensors".to_owned()];
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
    for topic in directory.devices_of(NAME).flat_map(|known| &known.speaks) {
        if by_pattern(directory, &format!("{topic}/STATE"), SAYING).is_none() {
            out.push(format!("{topic}/+"));
        }
    }
    out
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let topic = envelope.topic;
    if let Some(rest) = topic.strip_prefix("tasmota/discovery/") {
        let (mac, part) = rest.split_once('/').filter(|(_, part)| matches!(*part, "config" | "sensors"))?;
        let device = DeviceRef::new(NAME, discovery::mac(mac)?);
        return Some(Claim { dialect: NAME, device, part: part.to_owned() });
    }
    let (device, part) = match directory.speaker(NAME, topic) {
        Some((device, part)) => (device.clone(), part),
        None => {
            let (t, part) = by_pattern(directory, topic, SAYING)?;
            (DeviceRef::new(NAME, format!("topic:{t}")), part)
        }
    };
    let ours = matches!(part, "SENSOR" | "STATE" | "LWT" | "RESULT" | "STATUS0" | "STATUS8" | "STATUS10" | "STATUS11")
        || relay(part).is_some()
        || (is_answer(part) && envelope.payload.starts_with(b"{"));
    ours.then(|| Claim { dialect: NAME, device, part: part.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let device = &claim.device;
    match claim.part.as_str() {
        "config" => return discovery::config(device, envelope.payload, directory),
        "sensors" => return discovery::tree(device, envelope.payload, directory),
        // An empty payload clears a retained message and says nothing about the device.
        _ if envelope.payload.is_empty() => return Ok(Decoded::default()),
        _ => {}
    }
    let known = directory.known(device);
    let mut said = Said::new(device, directory, envelope.retained, envelope.topic);
    said.out.announcements.extend(discovery::settled(envelope.topic, known));
    if claim.part == "LWT" {
        return will(said, envelope, known);
    }
    // With SetOption4 the JSON answer stands where the plain one does.
    if let Some(number) = relay(&claim.part).filter(|_| !envelope.payload.starts_with(b"{")) {
        let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
        let Some(property) = said.relay(number).filter(|_| !text.is_empty()) else { return Ok(said.out) };
        let value = said.flag(&property, text);
        let value = value.ok_or_else(|| DecodeError::new(What::WrongType, &claim.part, text))?;
        said.push(&property, Value::Bool(value), Unit::None);
        return Ok(said.out);
    }
    // A RESULT may answer `Password1`, a STATUS0 names the owner's network: nothing of them is ever quoted.
    let hush = |mut error: DecodeError| {
        if !matches!(claim.part.as_str(), "SENSOR" | "STATE") {
            error.0.excerpt.clear();
        }
        error
    };
    let document = json::document(envelope.payload, MAX_PAYLOAD).map_err(hush)?;
    let members = json::members(&document).map_err(|what| hush(DecodeError::new(what, &claim.part, &document)))?;
    match claim.part.as_str() {
        "SENSOR" => said.sensors(&members),
        part if part.starts_with("STATUS") => said.status(&members),
        _ => said.state(&members),
    }
    Ok(said.out)
}

/// The will and its opposite. Who has just come back is asked what it missed to say.
fn will(mut said: Said<'_>, envelope: &Envelope<'_>, known: Option<&Announcement>) -> Result<Decoded, DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    if text.is_empty() {
        return Ok(said.out);
    }
    let available = said.flag("available", text);
    let available = available.ok_or_else(|| DecodeError::new(What::WrongType, "LWT", text))?;
    said.push("available", Value::Bool(available), Unit::None);
    let mut out = said.out;
    let device = out.observations.first().map(|observation| observation.device.clone());
    // Who sleeps deeply says «Offline» each time it goes to bed.
    if let Some(device) = device.filter(|_| known.is_none_or(|known| !known.sleeps)) {
        out.reached.push(Reached { device, group: 0, source: 0, available });
    }
    if available && !envelope.retained {
        let at = out.announcements.first().or(known);
        out.asks.extend(at.map(command::questions).unwrap_or_default());
    }
    Ok(out)
}

/// Answers that stand under the name of their command with SetOption4, and say what RESULT would.
const ANSWERS: &[&str] = &[
    "DIMMER",
    "CT",
    "COLOR",
    "HSBCOLOR",
    "WHITE",
    "CHANNEL",
    "SCHEME",
    "FADE",
    "SPEED",
    "FANSPEED",
    "SHUTTER",
    "SHUTTERPOSITION",
    "SHUTTEROPEN",
    "SHUTTERCLOSE",
    "SHUTTERSTOP",
    "SHUTTERTILT",
    "SWITCH",
    "BUTTON",
    "POWER",
];

fn is_answer(part: &str) -> bool {
    ANSWERS.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Below `cmnd` where a pattern has its prefix, and wherever a device said that it listens.
fn is_command(topic: &str, directory: &Directory) -> bool {
    if by_pattern(directory, topic, &["cmnd"]).is_some() {
        return true;
    }
    topic.rsplit_once('/').is_some_and(|(above, _)| directory.takes(NAME, above))
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
    directory.bases(NAME).iter().find_map(|pattern| {
        let pattern = discovery::pattern(pattern);
        let t = prefixes.iter().find_map(|prefix| named(&pattern, prefix, base))?;
        Some((t, part))
    })
}

/// What stands in a topic for `%topic%`, if the topic is of this pattern with this prefix. Asked for each publish of the
/// house, so nothing is written down for it.
fn named<'t>(pattern: &str, prefix: &str, base: &'t str) -> Option<&'t str> {
    let (mut t, mut levels) = (None, base.split('/'));
    for wanted in pattern.split('/') {
        let level = levels.next()?;
        let (wanted, level) = match wanted.split_once("%prefix%") {
            Some((before, after)) => (after, level.strip_prefix(before)?.strip_prefix(prefix)?),
            None => (wanted, level),
        };
        match wanted.split_once("%topic%") {
            Some((before, after)) => t = Some(level.strip_prefix(before)?.strip_suffix(after)?),
            None if wanted.contains('%') => {}
            None if wanted == level => {}
            None => return None,
        }
    }
    t.filter(|t| !t.is_empty() && levels.next().is_none())
}
