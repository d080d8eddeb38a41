//! Zigbee2MQTT's own MQTT contract: the lists of devices and groups with what they expose, states, availability, events,
//! answers, `…/set`, `…/get` and `bridge/request/…`.
//!
//! The identity is the IEEE address (of a group its number); a friendly name leads to it once the bridge has published
//! its list, and until then a device is `name:<friendly name>`. Deliberately left alone: the log (`bridge/logging`), the
//! Home Assistant configs that the bridge may publish besides, and its configuration.

mod bridge;
mod command;
mod dangers;
mod errands;
mod exposes;
mod facts;
mod network;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::DeviceRef;

use crate::bases::is_base;
use crate::{
    Announcement, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Fault, Outgoing,
    PropertyInfo, Shape, What,
};
use facts::Output;

const NAME: &str = "zigbee2mqtt";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["zigbee2mqtt"],
    topics,
    claim,
    decode,
    encode: command::encode,
    is_command,
    confirms: command::confirms,
    underway: crate::plain::never_underway,
    greetings: errands::greetings,
    errand: errands::errand,
    retained: errands::retained,
    confirms_within: Duration::from_secs(10),
};

/// Everything below the base: names may contain slashes, so no narrower filter finds them all.
fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/#")).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let topic = envelope.topic;
    let (base, rest) = split(directory, topic)?;
    let claim = |device, part: &str| Some(Claim { dialect: NAME, device, part: part.to_owned() });
    match rest {
        "" | "bridge" => return None,
        "bridge/devices" | "bridge/groups" | "bridge/state" | "bridge/info" | "bridge/event" | "bridge/health" => {
            return claim(bridge_of(base), rest);
        }
        _ if bridge::is_reply(rest) => return claim(bridge_of(base), rest),
        _ if rest.starts_with("bridge/") => return None,
        _ => {}
    }
    let is_object = envelope.payload.starts_with(b"{");
    let output = || facts::of_bridge(&bridge_of(base), directory).output;
    match directory.speaker(NAME, topic) {
        Some((device, part @ ("" | "availability"))) => return claim(device.clone(), part),
        // What `output: attribute` writes below a device is never an object; what is may be a device not listed yet.
        Some((device, part)) if !is_object => {
            let is_attribute = !part.contains('/') && !matches!(part, "set" | "get");
            let is_hazard = || dangers::hazard(part).is_some();
            let is_heard = is_attribute
                && match output() {
                    Output::Attribute => true,
                    Output::Unknown => is_hazard(),
                    Output::Json => false,
                };
            return if is_heard { claim(device.clone(), &format!("{ATTRIBUTE}{part}")) } else { None };
        }
        _ => {}
    }
    // Not known, so a name like «Кухня/set» cannot be told from a command and is taken for one.
    if rest.split('/').skip(1).any(|level| matches!(level, "set" | "get")) {
        return None;
    }
    match rest.strip_suffix("/availability") {
        Some(name) if !name.is_empty() => return claim(provisional(directory, base, name), "availability"),
        _ => {}
    }
    match rest.rsplit_once('/') {
        Some((name, attribute)) if !is_object && output() == Output::Attribute => {
            claim(provisional(directory, base, name), &format!("{ATTRIBUTE}{attribute}"))
        }
        _ => claim(provisional(directory, base, rest), ""),
    }
}

/// What a claim's part begins with for one attribute. No level of a topic does.
const ATTRIBUTE: &str = "attribute/";

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    // An empty payload clears a retained message, as a rename does, and says nothing about the device.
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    match claim.part.as_str() {
        "bridge/devices" => network::devices(claim, envelope, directory),
        "bridge/groups" => network::groups(claim, envelope, directory),
        "bridge/state" => bridge::state(claim, envelope, directory),
        "bridge/info" => bridge::info(claim, envelope, directory),
        "bridge/health" => bridge::health(claim, envelope, directory),
        "bridge/event" => bridge::event(claim, envelope, directory),
        part if part.starts_with("bridge/response/") => bridge::response(envelope),
        "availability" => state::availability(claim, envelope),
        part => match part.strip_prefix(ATTRIBUTE) {
            Some(name) => state::attribute(claim, name, envelope, directory),
            None => state::object(claim, envelope, directory),
        },
    }
}

/// `…/set`, `…/get`, either with a property behind it, and what the bridge is asked to do.
fn is_command(topic: &str, directory: &Directory) -> bool {
    let Some((_, rest)) = split(directory, topic) else { return false };
    if let Some(asked) = rest.strip_prefix("bridge/") {
        return asked.starts_with("request/");
    }
    // A device may be called «Кухня/set».
    if let Some((_, "" | "availability")) = directory.speaker(NAME, topic) {
        return false;
    }
    rest.split('/').skip(1).any(|level| matches!(level, "set" | "get"))
}

/// The longest base that the topic is below, and what is below it.
fn split<'d, 't>(directory: &'d Directory, topic: &'t str) -> Option<(&'d str, &'t str)> {
    let below = |base: &'d String| Some((base.as_str(), topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    directory.bases(NAME).iter().filter_map(below).max_by_key(|(base, _)| base.len())
}

fn bridge_of(base: &str) -> DeviceRef {
    DeviceRef::new(NAME, format!("bridge:{base}"))
}

/// `0x` and 16 hexadecimal digits, lower case.
fn ieee(text: &str) -> Option<String> {
    let digits = text.strip_prefix("0x")?;
    let ok = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| text.to_ascii_lowercase())
}

/// A device without a name of its own goes by its address; the name of a bridge other than the first carries its base,
/// since two bridges may each have a «lamp».
fn provisional(directory: &Directory, base: &str, name: &str) -> DeviceRef {
    let is_first = directory.bases(NAME).first().is_some_and(|first| first == base);
    DeviceRef::new(
        NAME,
        match ieee(name) {
            Some(address) => address,
            None if is_first => format!("name:{name}"),
            None => format!("name:{base}/{name}"),
        },
    )
}

fn provisional_topic(device: &DeviceRef, directory: &Directory) -> Option<String> {
    let base = directory.bases(NAME).first()?;
    let topic = match device.id.strip_prefix("name:") {
        Some(name) => split(directory, name).map_or_else(|| format!("{base}/{name}"), |_| name.to_owned()),
        // The bridge takes an address for a name. With several bridges nobody knows yet which one has it.
        None if directory.bases(NAME).len() == 1 => format!("{base}/{}", ieee(&device.id)?),
        None => return None,
    };
    is_base(&topic).then_some(topic)
}
