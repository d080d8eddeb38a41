//! What a device says: its state as one object or as one topic for each attribute, and whether it can be reached.
//! Deliberately knows nothing of lists and bridges.

use domovoi_model::{Hazard, Observation, Quality, Timestamp, Unit, Value};

use super::dangers::hazard;
use super::exposes::is_secret;
use super::facts::{self, Facts};
use super::{Announcement, Claim, DecodeError, Decoded, Directory, Envelope, Fault, PropertyInfo, Shape, What};
use crate::colour::Colour;
use crate::json::{self, Json, MAX_PAYLOAD, MAX_TEXT, Members};
use crate::{Reached, number, stamp};

/// Members of a state that are no property: firmware updates in progress (`update` is read where the device has one), a
/// copy of the device list's entry, and the time, which becomes the observations' own.
const SKIPPED: &[&str] = &["update", "device", "last_seen"];

/// Units where the bridge's list is not known yet. A voltage is in mV on batteries and in V on plugs: no guess.
const WELL_KNOWN: &[(&str, Unit)] = &[
    ("temperature", Unit::Celsius),
    ("humidity", Unit::Percent),
    ("battery", Unit::Percent),
    ("power", Unit::Watt),
    ("energy", Unit::KilowattHour),
    ("linkquality", Unit::None),
    ("voltage", Unit::None),
    ("illuminance", Unit::Lux),
    ("pressure", Unit::Hectopascal),
];

/// Objects in objects of a state.
const MAX_NESTED: usize = 3;

/// The source of a device's own word, beside its bridge's.
pub(super) const OWN: u8 = 1;

/// `{"state":"online"}`, or the bare word of versions before 2.0.
pub(super) fn availability(claim: &Claim, envelope: &Envelope<'_>) -> Result<Decoded, DecodeError> {
    let available = word(envelope)?;
    let reached = Reached { device: claim.device.clone(), group: 0, source: OWN, available };
    Ok(Decoded { observations: vec![link(claim, available)], reached: vec![reached], ..Decoded::default() })
}

/// The observation of a link, of a device's or a bridge's.
pub(super) fn link(claim: &Claim, available: bool) -> Observation {
    plain(claim, "available", Value::Bool(available), Unit::None)
}

/// An observation without anything special about it.
pub(super) fn plain(claim: &Claim, property: &str, value: Value, unit: Unit) -> Observation {
    Observation {
        device: claim.device.clone(),
        property: property.to_owned(),
        value,
        unit,
        quality: Quality::Good,
        device_time: None,
        hazard: None,
    }
}

/// Online or offline.
pub(super) fn word(envelope: &Envelope<'_>) -> Result<bool, DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    let word = if text.starts_with('{') {
        let document = json::document(envelope.payload, MAX_PAYLOAD)?;
        let members = json::members(&document).map_err(|what| DecodeError::new(what, "state", text))?;
        members.text("state").unwrap_or_default()
    } else {
        text.to_owned()
    };
    match word.as_str() {
        "online" => Ok(true),
        "offline" => Ok(false),
        _ => Err(DecodeError::new(What::WrongType, "state (online or offline is wanted)", text)),
    }
}

/// One state, as it is read.
struct State<'a> {
    claim: &'a Claim,
    directory: &'a Directory,
    known: Option<&'a Announcement>,
    facts: Option<&'a Facts>,
    device_time: Option<Timestamp>,
    retained: bool,
    out: Decoded,
}

/// A state as one object.
pub(super) fn object(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "the state", &document))?;
    let mut state = State::new(claim, envelope, directory);
    state.device_time = members.get("last_seen").and_then(last_seen);
    state.out.observations.reserve(members.list.len());
    for (key, raw) in &members.list {
        match key.as_str() {
            "update" => state.update(raw),
            key if SKIPPED.contains(&key) => {}
            key => state.member(key, raw),
        }
    }
    state.said_twice(&members);
    Ok(state.out)
}

/// One attribute on a topic of its own. A nested one has its path with dashes: `color-x`. An empty payload is null.
pub(super) fn attribute(
    claim: &Claim,
    name: &str,
    envelope: &Envelope<'_>,
    directory: &Directory,
) -> Result<Decoded, DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?;
    let mut state = State::new(claim, envelope, directory);
    let is_aside = SKIPPED.contains(&name) || name.starts_with("device-") || name.starts_with("update-");
    if is_aside || name.split('-').any(is_secret) {
        return Ok(state.out);
    }
    let known = |name: &str| state.known.and_then(|known| known.property(name));
    let flat = name.replace('-', "_");
    let name = if known(name).is_none() && known(&flat).is_some() { flat.as_str() } else { name };
    let is_words = known(name).is_some_and(|info| matches!(info.shape, Shape::Text | Shape::Choice(_)));
    let is_scalar = json::document(envelope.payload, MAX_PAYLOAD)
        .is_ok_and(|document| matches!(Json::of(&document), Json::Bool(_) | Json::Number(_)));
    let raw = if is_scalar && !is_words { text.trim().to_owned() } else { json::quoted(text) };
    state.scalar(name, &raw);
    Ok(state.out)
}

impl<'a> State<'a> {
    fn new(claim: &'a Claim, envelope: &Envelope<'_>, directory: &'a Directory) -> Self {
        let known = directory.known(&claim.device);
        let facts = facts::of(known);
        State {
            claim,
            directory,
            known,
            facts,
            device_time: None,
            retained: envelope.retained,
            out: Decoded::default(),
        }
    }

    fn member(&mut self, key: &str, raw: &str) {
        match Json::of(raw) {
            Json::Object(_) => self.nested(key, raw, 1),
            _ if is_secret(key) => {}
            Json::Array(raw) if self.facts.is_some_and(|facts| facts.is_list(key)) => self.whole(key, raw),
            Json::Array(_) => {}
            _ => self.scalar(key, raw),
        }
    }

    /// A composite: its parts, and the whole where the whole can be set. Below the first level only what the device has
    /// announced is taken.
    fn nested(&mut self, key: &str, raw: &str, level: usize) {
        let members = match json::members(raw) {
            Ok(members) => members,
            Err(what) => return self.out.faults.push(Fault::new(what, key, raw)),
        };
        for (sub, raw) in &members.twice {
            self.out.faults.push(Fault::new(What::SaidTwice, &format!("{key}_{sub}"), raw));
        }
        for (sub, raw) in members.list.iter().filter(|(sub, _)| !is_secret(sub)) {
            let name = format!("{key}_{sub}");
            match Json::of(raw) {
                Json::Object(_) if level < MAX_NESTED && self.known.is_some() => self.nested(&name, raw, level + 1),
                Json::Object(_) | Json::Array(_) => {}
                _ if level > 1 && self.known.is_none_or(|known| known.property(&name).is_none()) => {}
                _ => self.scalar(&name, raw),
            }
        }
        let Some(composite) = self.facts.filter(|_| level == 1).and_then(|facts| facts.composite(key)) else { return };
        if composite.is_colour() {
            if let Some(colour) = colour(&members) {
                self.push(key, Value::Text(colour.to_string()), Unit::None);
            }
        } else if self.known.and_then(|known| known.property(key)).is_some_and(|info| info.reported) {
            self.whole(key, raw);
        }
    }

    fn whole(&mut self, key: &str, raw: &str) {
        if raw.len() > MAX_TEXT {
            return self.out.faults.push(Fault::new(What::TooLong, key, raw));
        }
        self.push(key, Value::Text(raw.trim().to_owned()), Unit::None);
    }

    /// The firmware of a device that can be given another one.
    fn update(&mut self, raw: &str) {
        let has = |name| self.known.is_some_and(|known| known.property(name).is_some());
        let (Ok(members), true) = (json::members(raw), has("update_state")) else { return };
        for part in ["state", "progress"] {
            if let Some(raw) = members.get(part) {
                self.scalar(&format!("update_{part}"), raw);
            }
        }
    }

    fn scalar(&mut self, property: &str, raw: &str) {
        if self.out.observations.len() >= json::MAX_MEMBERS {
            if self.out.faults.last().is_none_or(|fault| fault.what != What::TooMany) {
                self.out.faults.push(Fault::new(What::TooMany, property, ""));
            }
            return;
        }
        match self.observe(property, raw) {
            Ok(observation) => self.out.observations.extend(observation),
            Err(what) => self.out.faults.push(Fault::new(what, property, raw)),
        }
    }

    fn push(&mut self, property: &str, value: Value, unit: Unit) {
        let observation = Observation { device_time: self.device_time, ..plain(self.claim, property, value, unit) };
        self.out.observations.push(observation);
    }

    /// A value given twice is not believed. But a danger given once is: better a false alarm than a silent leak.
    fn said_twice(&mut self, members: &Members<'_>) {
        for (key, raw) in &members.twice {
            self.out.faults.push(Fault::new(What::SaidTwice, key, raw));
            if let Ok(Some(observation)) = self.observe(key, raw)
                && observation.hazard.is_some()
                && !self.out.observations.contains(&observation)
            {
                self.out.observations.push(observation);
            }
        }
    }

    fn observe(&self, property: &str, raw: &str) -> Result<Option<Observation>, What> {
        if !json::is_name(property) {
            return Err(What::BadName);
        }
        let info = self.directory.property(&self.claim.device, property);
        let usual = WELL_KNOWN.iter().find(|(name, _)| *name == property).map(|(_, unit)| *unit);
        let Some(value) = json::scalar(raw)? else { return Ok(None) };
        // A button was pressed, or nothing was: the empty text follows each press (legacy) and says nothing. What the
        // broker retained was pressed long ago.
        let is_event = property == "action" || info.is_some_and(|info| info.class.as_deref() == Some("event"));
        if is_event && (self.retained || matches!(&value, Value::Text(text) if text.is_empty())) {
            return Ok(None);
        }
        let value = understand(property, value, info);
        let must_be_number = match info {
            Some(info) => {
                matches!(info.shape, Shape::Number { .. }) && !info.presets.iter().any(|preset| preset.value == value)
            }
            None => usual.is_some(),
        };
        if must_be_number && value.number().is_none() {
            return Err(What::WrongType);
        }
        let unit = if value.number().is_some() { info.map(|info| info.unit).or(usual) } else { None };
        let is_danger = match &value {
            Value::Bool(danger) => *danger,
            told => info.is_some_and(|info| info.warns(told)),
        };
        let hazard = info.and_then(|info| info.hazard).or_else(|| hazard_at_endpoint(property)).filter(|_| is_danger);
        let device_time = self.device_time;
        let plain = plain(self.claim, property, value, unit.unwrap_or(Unit::None));
        Ok(Some(Observation { hazard, device_time, ..plain }))
    }
}

/// The danger of a name, also behind the name of an endpoint: `water_leak_l1`. What devices are is not known yet.
fn hazard_at_endpoint(property: &str) -> Option<Hazard> {
    let is_endpoint = |word: &str| {
        let digits = word.strip_prefix('l').unwrap_or(word);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number || matches!(word, "left" | "right" | "center" | "top" | "bottom" | "in" | "out")
    };
    hazard(property).or_else(|| {
        let (name, endpoint) = property.rsplit_once('_')?;
        hazard(name).filter(|_| is_endpoint(endpoint))
    })
}

/// A switch's words become yes and no. A JSON truth value stays what it is: `contact` has value_on = false, and its
/// `true` still means that the contact is closed. A choice among numbers is a choice among words.
pub(super) fn understand(property: &str, value: Value, info: Option<&PropertyInfo>) -> Value {
    match (&value, info.map(|info| &info.shape)) {
        (Value::Bool(_), _) => value,
        (_, Some(Shape::Switch { on, .. })) if value == *on => Value::Bool(true),
        (_, Some(Shape::Switch { off, .. })) if value == *off => Value::Bool(false),
        (Value::Number(number), Some(Shape::Choice(_))) => Value::Text(number.to_string()),
        (Value::Text(word), None) if is_state(property) && word == "ON" => Value::Bool(true),
        (Value::Text(word), None) if is_state(property) && word == "OFF" => Value::Bool(false),
        _ => value,
    }
}

/// `state`, and `state_l1` of an endpoint.
pub(super) fn is_state(property: &str) -> bool {
    property == "state" || property.starts_with("state_")
}

/// The colour of `{"x":…,"y":…}` or `{"hue":…,"saturation":…}`. With cache_state a message carries both; x and y have
/// more digits.
fn colour(members: &Members<'_>) -> Option<Colour> {
    let number = |name: &str| -> Option<f64> {
        let Json::Number(text) = Json::of(members.get(name)?) else { return None };
        text.parse().ok()
    };
    let xy = || Colour::from_xy(number("x")?, number("y")?);
    let hs = || Colour::from_hs(number("hue").or_else(|| number("h"))?, number("saturation").or_else(|| number("s"))?);
    xy().or_else(hs).or_else(|| Colour::of(number("r")?, number("g")?, number("b")?))
}

/// ISO 8601 with a zone, or milliseconds since 1970, as the bridge is configured. Its clock is the bridge's.
fn last_seen(raw: &str) -> Option<Timestamp> {
    match Json::of(raw) {
        Json::Number(text) => stamp::plausible(i64::try_from(number::decimal(text)?).ok()?),
        _ => stamp::timestamp(&json::string(raw).ok()?),
    }
}
