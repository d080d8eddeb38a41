//! Home Assistant's MQTT discovery, as a consumer: devices that announce themselves under `homeassistant/…/config`.
//!
//! The identity of a device is any identifier or connection that it shares with one known, that of an entity its
//! `unique_id`; a topic or a name is neither. A property is called after the entity, `<entity>` for its main value and
//! `<entity>_<feature>` for the rest. What a config says is worked out once, when it comes ([`config`]); a state then
//! only finds who hears its topic.
//!
//! Deliberately not Home Assistant itself: no states of other entities in templates, no areas or automations.

mod abbreviations;
mod availability;
mod changes;
mod components;
mod config;
mod device;
mod entity;
mod facts;
mod filter;
mod naming;
mod options;
mod reading;
mod saying;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Observation};

use self::facts::Facts;
use crate::template::Message;
use crate::{Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Outgoing, plain};

const NAME: &str = "homeassistant";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["homeassistant"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms,
    underway,
    greetings,
    errand: plain::no_errands,
    retained,
    confirms_within: Duration::from_secs(10),
};

/// The configs, and every topic that one of them names.
fn topics(directory: &Directory) -> Vec<String> {
    let configs = |base: &String| [format!("{base}/+/+/config"), format!("{base}/+/+/+/config")];
    let mut out: Vec<String> = directory.bases(NAME).iter().flat_map(configs).collect();
    let known = directory.devices_of(NAME);
    out.extend(known.flat_map(|known| known.shares.iter().cloned()));
    out
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let claim = |device, part: &str| Some(Claim { dialect: NAME, device, part: part.to_owned() });
    if let Some(topic) = config::place(envelope.topic, directory) {
        return claim(config::device(envelope, &topic, directory), "config");
    }
    let first = directory.hearers(NAME, envelope.topic).into_iter().next()?;
    claim(first.clone(), "")
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if claim.part == "config"
        && let Some(topic) = config::place(envelope.topic, directory)
    {
        return config::decode(envelope, &topic, directory);
    }
    let document = OnceCell::new();
    let message = Message::new(envelope.payload, envelope.received_at.wall(), &document)?;
    let hearers = directory.hearers(NAME, envelope.topic);
    let hearers = hearers.into_iter().filter_map(|device| Some((device, Facts::borrowed(directory.known(device)?)?)));
    Ok(reading::hear(&hearers.collect::<Vec<_>>(), envelope, &message))
}

fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let device = &command.target.device;
    let known = directory.known(device).filter(|_| device.dialect == NAME);
    let facts = known.and_then(Facts::borrowed);
    let (Some(known), Some(facts)) = (known, facts) else {
        return Err(EncodeError::UnknownDevice(device.clone()));
    };
    saying::encode(command, known, facts)
}

/// The dialect that knows whose a topic is and reads it by itself: what is said there is not heard here.
fn read_by_another(topic: &str, directory: &Directory) -> Option<&'static str> {
    // What was said there does not matter yet; some dialects want an id in it.
    let payload = br#"{"id":"00000000","meter":"auto","name":"x"}"#;
    let received_at = domovoi_model::Moment::Wall(domovoi_model::Timestamp(0));
    let road = crate::Road::External;
    let envelope = Envelope { road, sender: "", topic, payload, retained: false, received_at };
    let others = crate::mqtt::DIALECTS.iter().filter(|other| other.name != NAME);
    let mut claims = others.filter(|other| !directory.bases(other.name).is_empty());
    claims
        .find(|other| (other.claim)(&envelope, directory).is_some_and(|claim| !crate::is_provisional(&claim.device)))
        .map(|other| other.name)
}

/// Where some config says that commands go, unless the place is one that is heard, or another dialect's: a stranger's
/// config cannot make a command of what a bridge says.
fn is_command(topic: &str, directory: &Directory) -> bool {
    // A filter with wildcards makes nobody's command a state.
    directory.listens(NAME, topic)
        && !directory.is_heard_by_name(NAME, topic)
        && !crate::mqtt::DIALECTS.iter().filter(|other| other.name != NAME).any(|other| {
            let below = |base: &String| topic.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/'));
            directory.bases(other.name).iter().any(below) || directory.speaker(other.name, topic).is_some()
        })
}

fn confirms(command: &Command, report: &Observation, directory: &Directory) -> bool {
    match directory.known(&command.target.device).and_then(Facts::borrowed) {
        Some(facts) => saying::confirms(command, report, facts),
        None => plain::confirms(command, report, directory),
    }
}

fn underway(command: &Command, report: &Observation, directory: &Directory) -> bool {
    let facts = directory.known(&command.target.device).and_then(Facts::borrowed);
    facts.is_some_and(|facts| saying::underway(command, report, facts))
}

/// The birth message: producers send their configs and states again.
fn greetings(directory: &Directory) -> Vec<Outgoing> {
    let birth = |base: &String| Outgoing {
        topic: format!("{base}/status"),
        payload: b"online".to_vec(),
        retain: false,
        qos: 0,
    };
    directory.bases(NAME).iter().map(birth).collect()
}

/// The topics of its configs, and of states and availability that are its own alone: ESPHome retains both. What a bridge
/// says of itself is not its devices', though perhaps only one of them hears it.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let Some(known) = directory.known(device) else { return Vec::new() };
    let is_own = |topic: &&String| {
        !topic.contains(['+', '#'])
            && !topic.split('/').any(|level| level == "bridge")
            && directory.hearers(NAME, topic).iter().all(|hearer| *hearer == device)
    };
    known.speaks.iter().chain(known.shares.iter().filter(is_own)).cloned().collect()
}
