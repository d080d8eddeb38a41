//! What a pretend device can be told to do wrong.

use std::time::Duration;

use serde_json::Value;

use super::link::{Change, Message};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Publishes nothing until cleared; the connection stays. (A flat battery looks like this.)
    Silence,
    /// The next publishes are no JSON, cut and not UTF-8.
    Garbage { times: u32 },
    /// The next publishes carry `NaN` where a number belongs.
    NotANumber { times: u32 },
    /// The next publishes carry a register of zero; the truth does not change.
    GlitchToZero { times: u32 },
    /// Times in telegrams are off by so much until cleared.
    WrongClock { offset_s: i64 },
    /// At once so many publishes of the present state.
    Flood { messages: u32 },
    /// Drops the TCP connection without a goodbye and comes back, so many times.
    ReconnectStorm { times: u32 },
    /// A retained command on its own command topic, as careless automations leave it: the broker says it again to the
    /// device at every connection, and the device obeys. (Tasmota: "ghost switching".)
    GhostCommand,
    /// The retained discovery of a device that is no more, left behind on the broker.
    GhostDiscovery,
    /// Orders are obeyed so much later, until cleared.
    SlowAnswer { by: Duration },
    /// Orders are reported as done and nothing is done, until cleared.
    LyingAnswer,
    /// Orders change nothing; it reports truthfully that nothing changed, until cleared.
    Stuck,
    /// Orders change nothing and are not answered, until cleared.
    Deaf,
    /// Its next connections have no will, until cleared: when it is gone, nobody is told.
    MissingWill,
    /// One publish where it has no business.
    Outside { topic: String, payload: Vec<u8>, retain: bool },
    /// Subscribes to what is not for it; what it is told shows in `LinkTruth`.
    Eavesdrop { filter: String },
    /// Comes back under another's client id, until cleared.
    StolenId { client_id: String },
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    #[default]
    Honest,
    Lying,
    Stuck,
    Deaf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ghost {
    Command,
    Discovery,
}

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) silent: bool,
    pub(crate) answer: Answer,
    pub(crate) slow_by: Duration,
    pub(crate) clock_offset_s: i64,
    spoil: Vec<(Spoil, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    Garbage,
    NotANumber,
    Zero,
}

/// What the device's task still has to do itself.
pub(crate) enum Now {
    Nothing,
    Publish(u32),
    Reconnect(u32),
    Change(Change),
    Say(Message),
    Haunt(Ghost),
}

/// More than any broker should be sent by one meter at once.
const FLOOD_CAP: u32 = 100_000;

impl Faults {
    pub(crate) fn begin(&mut self, fault: Fault) -> Now {
        match fault {
            Fault::Silence => self.silent = true,
            Fault::WrongClock { offset_s } => self.clock_offset_s = offset_s,
            Fault::Garbage { times } => self.spoil.push((Spoil::Garbage, times)),
            Fault::NotANumber { times } => self.spoil.push((Spoil::NotANumber, times)),
            Fault::GlitchToZero { times } => self.spoil.push((Spoil::Zero, times)),
            Fault::Flood { messages } => return Now::Publish(messages.min(FLOOD_CAP)),
            Fault::ReconnectStorm { times } => return Now::Reconnect(times),
            Fault::GhostCommand => return Now::Haunt(Ghost::Command),
            Fault::GhostDiscovery => return Now::Haunt(Ghost::Discovery),
            Fault::SlowAnswer { by } => self.slow_by = by,
            Fault::LyingAnswer => self.answer = Answer::Lying,
            Fault::Stuck => self.answer = Answer::Stuck,
            Fault::Deaf => self.answer = Answer::Deaf,
            Fault::MissingWill => return Now::Change(Change::NoWill),
            Fault::Outside { topic, payload, retain } => {
                return Now::Say(Message { retain, ..Message::once(topic, payload) });
            }
            Fault::Eavesdrop { filter } => return Now::Change(Change::Subscribe(filter)),
            Fault::StolenId { client_id } => return Now::Change(Change::ClientId(client_id)),
        }
        Now::Nothing
    }

    /// What to do to the next publish.
    pub(crate) fn next_spoil(&mut self) -> Option<Spoil> {
        self.spoil.retain(|(_, times)| *times > 0);
        let (spoil, times) = self.spoil.first_mut()?;
        *times -= 1;
        Some(*spoil)
    }
}

/// The payload as it goes out. `register` is the JSON text of the register's value in it.
pub(crate) fn spoilt(spoil: Option<Spoil>, payload: &str, register: &str) -> Vec<u8> {
    let with = |value: &str| payload.replacen(&format!(":{register}"), &format!(":{value}"), 1).into_bytes();
    match spoil {
        None => payload.as_bytes().to_vec(),
        Some(Spoil::NotANumber) => with("NaN"),
        Some(Spoil::Zero) => with("0"),
        Some(Spoil::Garbage) => {
            let mut bytes = payload.as_bytes().get(..payload.len() / 2).unwrap_or_default().to_vec();
            bytes.extend([0xFF, 0xFE, 0x00, b'{']);
            bytes
        }
    }
}

/// RFC 3339 with seconds, as the field's firmware spells it.
pub(crate) fn utc(clock: &crate::Clock, offset_s: i64) -> String {
    let now = clock().div_euclid(1000).saturating_add(offset_s);
    jiff::Timestamp::from_second(now).unwrap_or_default().to_string()
}

/// JSON number from an exact decimal, without a float in between.
pub(crate) fn number(value: rust_decimal::Decimal) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(value.to_string())
        .unwrap_or_else(|_| serde_json::value::to_raw_value(&Value::Null).unwrap_or_default())
}
