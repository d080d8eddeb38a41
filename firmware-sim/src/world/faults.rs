//! What a pretend device can be told to do wrong.

use serde_json::Value;

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
}

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) silent: bool,
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
