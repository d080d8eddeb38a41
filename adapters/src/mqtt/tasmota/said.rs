//! One message of one device, as far as it is decoded: telemetry, results, statuses. The `Time` in it is local and names
//! no zone: it is left alone.

use domovoi_model::{DeviceRef, Observation, Quality, Unit, Value};
use rust_decimal::Decimal;

use super::facts::{self, Config, Mode};
use super::sensors::{Piece, pieces};
use super::{Announcement, Decoded, Directory, Fault, NAME, Shape, What, relay};
use crate::colour::Colour;
use crate::json::{self, Json, Members};

/// Numbers that are taken of STATE and RESULT besides relays; `Dimmer` and `Channel` also with a number behind them.
/// Deliberately not the rest: the name of the Wi-Fi network and its access point are nobody's business, and heap and
/// load would be written to the card every five minutes.
const STATE: &[(&str, Unit)] = &[
    ("Dimmer", Unit::Percent),
    ("CT", Unit::Mired),
    ("White", Unit::Percent),
    ("Channel", Unit::Percent),
    ("FanSpeed", Unit::None),
    ("Scheme", Unit::None),
    ("Speed", Unit::None),
    ("UptimeSec", Unit::Second),
    ("Vcc", Unit::Volt),
];

/// `Wifi` of STATE: RSSI is a quality in per cent there, Signal the field strength.
const WIFI: &[(&str, Unit)] = &[("RSSI", Unit::Percent), ("Signal", Unit::DecibelMilliwatt)];

/// One message, as it is read.
pub(super) struct Said<'a> {
    device: &'a DeviceRef,
    known: Option<&'a Announcement>,
    config: Option<&'a Config>,
    /// Replayed by the broker: what happened then is over.
    retained: bool,
    /// Another device was given the same topics.
    rivalled: bool,
    pub(super) out: Decoded,
}

impl<'a> Said<'a> {
    pub(super) fn new(device: &'a DeviceRef, directory: &'a Directory, retained: bool, topic: &str) -> Self {
        let known = directory.known(device);
        let config = facts::of(known).and_then(|facts| facts.config.as_ref());
        let rivalled = directory.is_rivalled(NAME, topic);
        Said { device, known, config, retained, rivalled, out: Decoded::default() }
    }

    pub(super) fn push(&mut self, property: &str, value: Value, unit: Unit) {
        let unit = if value.number().is_some() { unit } else { Unit::None };
        self.out.observations.push(Observation {
            device: self.device.clone(),
            property: property.to_owned(),
            value,
            unit,
            quality: if self.rivalled {
                Quality::Suspect("two devices report under this topic".to_owned())
            } else {
                Quality::Good
            },
            device_time: None,
            hazard: None,
        });
    }

    fn fault(&mut self, what: What, at: &str, raw: &str) {
        self.out.faults.push(Fault::new(what, at, raw));
    }

    /// A relay's or the link's word, in the device's own texts where discovery told them.
    pub(super) fn flag(&self, property: &str, word: &str) -> Option<bool> {
        let shape = self.known.and_then(|known| known.property(property)).map(|info| &info.shape);
        if let Some(Shape::Switch { on: Value::Text(on), off: Value::Text(off) }) = shape {
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

    /// The property of a relay. A device with one relay says POWER, and with SetOption26 POWER1; one with several that
    /// says POWER means the first. `None` for a relay that works a shutter or a fan.
    pub(super) fn relay(&self, number: u32) -> Option<String> {
        let plain = |number: u32| if number == 0 { "power".to_owned() } else { format!("power{number}") };
        let Some(known) = self.known.filter(|_| self.config.is_some()) else { return Some(plain(number)) };
        let names = match number {
            0 => [0, 1],
            1 => [1, 0],
            number => [number, number],
        };
        names.into_iter().map(plain).find(|name| known.property(name).is_some())
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
        // Some drivers (TX23) write their numbers in quotes. No register does, on which a bill hangs.
        let in_quotes = |text: &str| crate::number::decimal(text.trim()).map(Value::Number);
        let value = json::scalar(raw).map(|value| match value {
            Some(Value::Text(text)) if number && !unit.is_register() => {
                Some(in_quotes(&text).unwrap_or(Value::Text(text)))
            }
            value => value,
        });
        match value {
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

    /// tele/…/STATE, stat/…/RESULT, an answer under its own name, StatusSTS.
    pub(super) fn state(&mut self, members: &Members<'_>) {
        for (key, raw) in &members.twice {
            if relay(key).is_some() || number(key).is_some() {
                self.fault(What::SaidTwice, key, raw);
            }
        }
        for (key, raw) in &members.list {
            if let Some(number) = relay(key) {
                if let Some(property) = self.relay(number) {
                    self.switch(&property, raw, true);
                }
                continue;
            }
            match (key.as_str(), Json::of(raw)) {
                ("Channel", Json::Array(raw)) => self.channels(raw),
                (_, Json::Array(_)) => {}
                ("Color", _) => self.colour(raw),
                ("HSBColor", _) => self.hsb(raw),
                ("Fade", Json::Text(raw)) => self.switch("fade", raw, true),
                ("Wifi", _) => self.wifi(key, raw),
                (_, Json::Object(raw)) => self.part(key, raw),
                _ => {
                    if let Some(unit) = number(key) {
                        self.scalar(&key.to_lowercase(), raw, unit, true);
                    }
                }
            }
        }
    }

    fn wifi(&mut self, key: &str, raw: &str) {
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

    /// What stands as an object in a result: a shutter, a button, a switch. Nothing else of it is ours.
    fn part(&mut self, key: &str, raw: &str) {
        let Ok(members) = json::members(raw) else { return };
        if let Some(shutter) = shutter(key) {
            return self.shutter(shutter, &members);
        }
        let Some(action) = members.get("Action") else { return };
        if let Some(button) = numbered(key, "Button") {
            return self.event(&format!("button{button}"), action);
        }
        let named = self.config.and_then(|config| config.switch(key)).map(|switch| switch.number);
        if let Some(switch) = named.or_else(|| numbered(key, "Switch")) {
            let property = format!("switch{switch}");
            let word = json::string(action).unwrap_or_default();
            match self.flag(&property, &word) {
                Some(flag) => self.push(&property, Value::Bool(flag), Unit::None),
                None => self.event(&format!("{property}_action"), action),
            }
        }
    }

    /// A press. What the broker retained was pressed long ago.
    fn event(&mut self, property: &str, raw: &str) {
        match json::string(raw) {
            Ok(word) if word.is_empty() || self.retained => {}
            Ok(word) => self.push(property, Value::Text(word), Unit::None),
            Err(what) => self.fault(what, property, raw),
        }
    }

    /// `Channel` of a lamp that is one: what each of its colours is driven with. Announced by nobody, since SetOption68
    /// alone makes properties of them.
    fn channels(&mut self, raw: &str) {
        let channels = json::elements(raw, 8).unwrap_or_default();
        for (i, raw) in channels.iter().enumerate() {
            self.scalar(&format!("channel_{}", i + 1), raw, Unit::Percent, true);
        }
    }

    /// `Color`: hexadecimal digits or, with SetOption17, decimal numbers; two digits or one number for each channel, the
    /// dimmer worked in. Fewer than three are no colour, and a lamp that is dark has none.
    fn colour(&mut self, raw: &str) {
        let Ok(text) = json::string(raw) else { return self.fault(What::WrongType, "color", raw) };
        if self.config.is_some_and(|config| !config.has_colour) {
            return;
        }
        let colour = if text.contains(',') {
            let mut channels = text.split(',').map(|channel| channel.trim().parse::<u8>().ok().map(f64::from));
            let mut next = || channels.next().flatten();
            next().zip(next()).zip(next()).and_then(|((r, g), b)| Colour::of(r, g, b))
        } else {
            text.trim_start_matches('#').get(..6).and_then(Colour::from_hex)
        };
        if let Some(colour) = colour {
            self.push("color", Value::Text(colour.to_string()), Unit::None);
        }
    }

    /// `HSBColor`: hue, saturation, brightness; the last is the dimmer's.
    fn hsb(&mut self, raw: &str) {
        let Ok(text) = json::string(raw) else { return self.fault(What::WrongType, "hsbcolor", raw) };
        for ((property, unit), part) in [("hue", Unit::None), ("saturation", Unit::Percent)].iter().zip(text.split(','))
        {
            if let Ok(number) = part.trim().parse::<u16>() {
                self.push(property, Value::Number(number.into()), *unit);
            }
        }
    }

    /// Where a shutter stands and which way it goes, 100 and upwards being open whatever its motor thinks.
    pub(super) fn shutter(&mut self, n: usize, members: &Members<'_>) {
        let shutter =
            self.config.and_then(|config| config.shutters.get(n.checked_sub(1)?)).copied().unwrap_or_default();
        let take =
            |said: &mut Self, key: &str, unit: Unit, turn: &dyn Fn(Decimal) -> Option<Decimal>| -> Option<Decimal> {
                let raw = members.get(key)?;
                let property = format!("shutter{n}_{}", key.to_lowercase());
                match json::scalar(raw).map(|value| value.and_then(|value| value.number())) {
                    Ok(Some(number)) => match if shutter.is_inverted { turn(number) } else { Some(number) } {
                        Some(number) => {
                            said.push(&property, Value::Number(number), unit);
                            Some(number)
                        }
                        None => {
                            said.fault(What::OutOfRange, &property, raw);
                            None
                        }
                    },
                    Ok(None) => {
                        said.fault(What::WrongType, &property, raw);
                        None
                    }
                    Err(what) => {
                        said.fault(what, &property, raw);
                        None
                    }
                }
            };
        // A number of 28 digits is a number, and nothing can be taken from it.
        let other_end = |position: Decimal| Decimal::ONE_HUNDRED.checked_sub(position);
        let position = take(self, "Position", Unit::Percent, &other_end);
        let direction = take(self, "Direction", Unit::None, &|direction| Decimal::ZERO.checked_sub(direction));
        take(self, "Target", Unit::Percent, &other_end);
        take(self, "Tilt", Unit::None, &Some);
        let word = match (direction, position) {
            (Some(direction), _) if direction > Decimal::ZERO => "OPENING",
            (Some(direction), _) if direction < Decimal::ZERO => "CLOSING",
            (Some(_), Some(position)) if position <= Decimal::ZERO => "CLOSE",
            (Some(_), Some(_)) => "OPEN",
            _ => return,
        };
        self.push(&format!("shutter{n}"), Value::Text(word.to_owned()), Unit::None);
    }

    /// tele/…/SENSOR, StatusSNS.
    pub(super) fn sensors(&mut self, members: &Members<'_>) {
        for piece in pieces(members, self.config) {
            match piece {
                Piece::Leaf(leaf) => self.scalar(&leaf.property, leaf.raw, leaf.unit, leaf.is_number),
                Piece::Switch(property, raw) => {
                    // A motion sensor's pin says OFF in between: only its results count.
                    let mode = self.config.and_then(|config| {
                        config.switches.iter().find(|switch| property == format!("switch{}", switch.number))
                    });
                    if mode.is_none_or(|switch| switch.mode != Mode::Begin) {
                        self.switch(&property, raw, false);
                    }
                }
                Piece::Shutter(n, members) => self.shutter(n, &members),
                Piece::Fault(fault) => self.out.faults.push(fault),
            }
        }
    }

    /// stat/…/STATUS<n>: of all its parts the sensors and the state. The others name the owner's network and logins.
    pub(super) fn status(&mut self, members: &Members<'_>) {
        for (part, is_sensors) in [("StatusSTS", false), ("StatusSNS", true)] {
            match members.get(part).map(json::members) {
                Some(Ok(members)) if is_sensors => self.sensors(&members),
                Some(Ok(members)) => self.state(&members),
                Some(Err(what)) => self.fault(what, part, ""),
                None => {}
            }
        }
    }
}

/// The unit of a number of STATE. `Dimmer` and `Channel` may be numbered.
fn number(key: &str) -> Option<Unit> {
    let plain = STATE.iter().find(|(name, _)| *name == key);
    let counted =
        || STATE.iter().find(|(name, _)| matches!(*name, "Dimmer" | "Channel") && numbered(key, name).is_some());
    plain.or_else(counted).map(|(_, unit)| *unit)
}

/// `Shutter2` → 2.
pub(super) fn shutter(key: &str) -> Option<usize> {
    numbered(key, "Shutter")
}

/// The number behind a word: 1 to 99, without a zero before it.
fn numbered(key: &str, word: &str) -> Option<usize> {
    let number = key.strip_prefix(word)?;
    let is_plain = (1..=2).contains(&number.len()) && !number.starts_with('0');
    number.parse().ok().filter(|_| is_plain && number.bytes().all(|b| b.is_ascii_digit()))
}
