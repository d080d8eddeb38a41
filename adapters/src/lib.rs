//! Device dialects: what a peer's bytes mean in the vocabulary of the house, and what a command is in the peer's bytes.
//!
//! Everything here is a pure function of an envelope and a [`Directory`]. Deliberately no socket, no clock, no
//! database, no async, and no knowledge that a hub exists. A dialect knows its own file and the vocabulary; no dialect
//! knows another. Bytes are hostile until shown otherwise: size, depth, count and length are capped (`json`), and one
//! bad property never loses its neighbours, because the neighbour may be the leak sensor.

// A number of 28 digits minus another one is too large for a `Decimal`, and its operators panic: a device that says such
// a number would stop the house. Whole numbers and floats of our own are left out (clippy.toml).
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod announcement;
mod announcer;
mod bases;
pub mod cap;
pub mod clouds;
mod colour;
mod complaints;
mod dangers;
mod directory;
mod errand;
pub mod expression;
mod fault;
mod filters;
mod json;
mod keys;
mod mapping;
pub mod mqtt;
mod number;
mod plain;
mod property;
mod report;
mod secret;
mod slug;
mod stamp;
mod suffix;
mod template;
#[cfg(test)]
mod tests;
mod wmbus;

pub use announcement::{Announcement, Lore, Reach};
pub use announcer::{Announcer, Contest, Contested, Owner, Right, Rights, Scale};
pub use bases::BasesError;
pub use directory::{Directory, Learned};
pub use errand::{Errand, Reply};
pub use filters::common;
pub use mapping::{MAX_MAPPINGS, MAX_ROWS, Mapped, Mapping, MappingError, MappingFault, Row, Told};
pub use property::{About, Category, ENDANGER_ALWAYS, ENDANGER_OPEN, Hearsay, Preset, PropertyInfo, Shape, Warning};
pub use secret::is_secret;
use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Moment, Observation};
pub use fault::{DecodeError, EncodeError, Fault, What};

/// By which road a publish reached the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Road {
    /// The hub's own broker; the sender was authenticated there.
    Embedded,
    /// A broker that the home already had; the sender is whoever that broker let in.
    External,
    /// A maker's cloud; the sender is the cloud, by its name.
    Cloud,
}

/// One publish, stamped by the hub. Only the hub reads a clock, so the time comes with it. It borrows from whoever read
/// the packet: what becomes of a message is decided many thousand times a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// By which road.
    pub road: Road,
    /// Who published: the client's name on the embedded road, the link's name on the external one.
    pub sender: &'a str,
    /// The topic, as published.
    pub topic: &'a str,
    /// The payload, as published.
    pub payload: &'a [u8],
    /// Whether it is a retained message replayed at subscription, so possibly old news.
    pub retained: bool,
    /// When the hub received it.
    pub received_at: Moment,
}

/// "This publish is mine, and it speaks for this device."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The dialect that recognised the topic.
    pub dialect: &'static str,
    /// The device, by its stable identity where that is known, by a provisional one (`name:…`, `topic:…`) until then.
    pub device: DeviceRef,
    /// What is left of the topic after the device's name, in the dialect's own words.
    pub(crate) part: String,
}

/// What one publish said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// What devices said.
    pub observations: Vec<Observation>,
    /// What devices, or a bridge on their behalf, said about themselves; to be given to [`Directory::learn`] in order.
    pub announcements: Vec<Announcement>,
    /// Parts that could not be read, while the rest could.
    pub faults: Vec<Fault>,
    /// Whether devices can be reached, as one source has it; [`Reach`] says what follows from several.
    pub reached: Vec<Reached>,
    /// What is to be asked in return: a device that was just found is asked for its state.
    pub asks: Vec<Outgoing>,
    /// Answers of bridges to errands.
    pub replies: Vec<Reply>,
    /// Telegrams that only a key would open.
    pub locked: Vec<Locked>,
}

/// A telegram that came in cipher, and what is wanted to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// Whose.
    pub device: DeviceRef,
    /// What is wrong.
    pub why: Lock,
}

/// Why a telegram could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lock {
    /// Nobody has given the key of this meter.
    NoKey,
    /// The key that was given does not open it.
    WrongKey,
    /// It is in a cipher that the house does not know; wmbusmeters may.
    UnknownCipher,
}

/// One source's word on whether a device can be reached. It is advice: a command may be tried all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Which device.
    pub device: DeviceRef,
    /// Of its properties those whose [`PropertyInfo::reach`] has this number; 0 is the device's own.
    pub group: u8,
    /// Which of the group's sources speaks.
    pub source: u8,
    /// What it says.
    pub available: bool,
}

/// A publish that carries a command out. Never retained: a retained command switches the device again at every
/// reconnect ("ghost switching").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Always false for commands.
    pub retain: bool,
    /// 0, 1 or 2.
    pub qos: u8,
}

impl Outgoing {
    /// A command: at least once, never retained.
    pub(crate) fn command(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Outgoing { topic, payload: payload.into(), retain: false, qos: 1 }
    }
}

/// A dialect: a name and its functions, in the order in which every dialect's file has them.
#[derive(Debug)]
pub struct Dialect {
    /// The name, as it stands in `DeviceRef::dialect`, in the settings and as the folder of its captures.
    pub name: &'static str,
    /// The base topics it has unless the settings name others.
    pub bases: &'static [&'static str],
    /// The filters that a broker must be asked for. They may grow when the directory learns.
    pub topics: fn(&Directory) -> Vec<String>,
    /// Whether a publish is this dialect's, and whose; looks at no more of the payload than identity needs.
    pub claim: fn(&Envelope<'_>, &Directory) -> Option<Claim>,
    /// What a claimed publish says.
    pub decode: fn(&Claim, &Envelope<'_>, &Directory) -> Result<Decoded, DecodeError>,
    /// How a command is said; asked through [`Dialect::say`], which sees to it that it is said to the device.
    pub(crate) encode: fn(&Command, &Directory) -> Result<Vec<Outgoing>, EncodeError>,
    /// Whether devices take commands on this topic, whoever sends them.
    pub is_command: fn(&str, &Directory) -> bool,
    /// Whether a device's report says that a command was carried out. Asked for reports of the command's property only.
    pub confirms: fn(&Command, &Observation, &Directory) -> bool,
    /// Whether a device's report says that a command is on its way to being carried out: a motor turns. Asked for reports
    /// of any property of the device; the wait begins anew.
    pub underway: fn(&Command, &Observation, &Directory) -> bool,
    /// What the house says when its broker is there again: births, requests for states that nobody retains.
    pub greetings: fn(&Directory) -> Vec<Outgoing>,
    /// How something is asked of a bridge; the text is the id of the transaction, which the reply repeats.
    pub errand: fn(&Errand, &str, &Directory) -> Result<Vec<Outgoing>, EncodeError>,
    /// The topics under which messages of a device may be retained: when it is forgotten, they are cleared.
    pub retained: fn(&DeviceRef, &Directory) -> Vec<String>,
    /// How long a device that is awake takes to report what a command did.
    pub confirms_within: Duration,
}

impl Dialect {
    /// How a command is said. Whatever a device announced as the place where it takes commands, the house says nothing where
    /// it was not granted to it: with the house's voice a lamp could open another's valve.
    pub fn say(&self, command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
        let outgoing = (self.encode)(command, directory)?;
        let device = &command.target.device;
        match outgoing.iter().find(|out| !directory.may_be_told(device, &out.topic)) {
            Some(out) => Err(EncodeError::NotItsTopic { device: device.clone(), topic: fault::printable(&out.topic) }),
            None => Ok(outgoing),
        }
    }

    /// What of the questions that a message raised may be asked: what is below topics where its devices take commands.
    pub fn askable(&self, mut asks: Vec<Outgoing>, directory: &Directory) -> Vec<Outgoing> {
        asks.retain(|ask| directory.takes(self.name, &ask.topic));
        asks
    }
}

/// One dialect's reading of a publish.
#[derive(Debug)]
pub struct Reading {
    /// The dialect.
    pub dialect: &'static Dialect,
    /// What it claims.
    pub claim: Claim,
    /// It only guesses, and another one knows: of what it reads nothing but a danger counts.
    pub only_hazards: bool,
}

/// The longest topic that any dialect looks at, in bytes. The longest honest one seen is a third of it.
const MAX_TOPIC: usize = 512;

/// Finds the dialects that read a publish, whoever has most to say first. The first that knows whose it is reads it, and
/// nobody beside it. One that guesses from the shape of the topic gives way to who was named (`tele/heater/SENSOR` looks like
/// Tasmota's, and is what some other firmware announced as its own), but not to a filter with wildcards, which means whatever
/// comes: then both read it. A danger that it reads is heard in any case.
pub fn readings(envelope: &Envelope<'_>, directory: &Directory) -> Vec<Reading> {
    let topic = envelope.topic;
    // Nobody can publish to a filter (MQTT 3.1.1 §3.3.2.1); what is made of a topic may be one again.
    if topic.len() > MAX_TOPIC || topic.chars().any(|c| c.is_control() || matches!(c, '+' | '#')) {
        return Vec::new();
    }
    // Neither road ever carries what belongs to the other.
    if envelope.road == Road::Cloud {
        let claimed = clouds::CLOUDS.iter().find_map(|cloud| {
            let claim = (cloud.dialect.claim)(envelope, directory)?;
            Some(Reading { dialect: &cloud.dialect, claim, only_hazards: false })
        });
        return claimed.into_iter().collect();
    }
    let mut readings: Vec<Reading> = Vec::new();
    let mut guess: Option<Reading> = None;
    for dialect in mqtt::DIALECTS.iter().filter(|dialect| !directory.bases(dialect.name).is_empty()) {
        let Some(claim) = (dialect.claim)(envelope, directory) else { continue };
        if is_provisional(&claim.device) {
            guess = guess.or(Some(Reading { dialect, claim, only_hazards: false }));
            continue;
        }
        readings.push(Reading { dialect, claim, only_hazards: false });
        break;
    }
    if let Some(mut guess) = guess {
        let is_named = |reading: &Reading| {
            let name = reading.dialect.name;
            directory.is_heard_by_name(name, topic) || directory.hearers(name, topic).is_empty()
        };
        guess.only_hazards = readings.iter().any(is_named);
        let at = if guess.only_hazards { readings.len() } else { 0 };
        readings.insert(at, guess);
    }
    readings
}

/// The dialect that has most to say of a publish.
pub fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<(&'static Dialect, Claim)> {
    readings(envelope, directory).into_iter().next().map(|reading| (reading.dialect, reading.claim))
}

/// Whether a device is only called after its topic, until it says who it is.
fn is_provisional(device: &DeviceRef) -> bool {
    device.id.starts_with("topic:") || device.id.starts_with("name:")
}

/// Whether devices take commands on this topic: as one of the dialects has it, or by the custom of those that the house
/// does not speak (`…/set`; ESPHome and Shelly: `…/command`; Shelly's second generation: `…/rpc`). A command that a broker
/// retains switches its device again at each reconnect.
pub fn is_command(topic: &str, directory: &Directory) -> bool {
    if clouds::is_topic(topic) {
        return true;
    }
    let dialects = mqtt::DIALECTS;
    if dialects.iter().any(|dialect| (dialect.is_command)(topic, directory)) {
        return true;
    }
    let last = topic.rsplit('/').next().unwrap_or_default();
    // What a device named as the topic of its state is one, whatever it is called.
    let says = |dialect: &Dialect| {
        directory.is_heard_by_name(dialect.name, topic)
            || matches!(directory.speaker(dialect.name, topic), Some((_, "")))
    };
    matches!(last, "set" | "command" | "cmd" | "rpc") && !dialects.iter().any(says)
}

/// The dialect of this name.
pub fn dialect(name: &str) -> Option<&'static Dialect> {
    let of_clouds = clouds::CLOUDS.iter().map(|cloud| &cloud.dialect);
    mqtt::DIALECTS.iter().chain(of_clouds).find(|dialect| dialect.name == name)
}
