//! What a publish says: from the topic to the entities that hear it, through their templates, to observations.
//!
//! One bad template, or one value that is no number, is a fault of its own and never loses its neighbours.

use domovoi_model::{DeviceRef, Observation, Quality, Unit, Value};
use rust_decimal::Decimal;

use super::availability::same;
use super::entity::{Channel, Entity, Hears, Property, Reading};
use super::facts::{Ear, Facts};
use super::options::scalar;
use crate::json::{self, Json, MAX_MEMBERS};
use crate::secret::is_secret;
use crate::template::{Message, Out};
use crate::{Decoded, Envelope, Fault, Reached, Shape, What, number};

/// Attributes of one entity that are reported.
const MAX_ATTRIBUTES: usize = 48;
/// Observations and faults of one device in a message, and of all who hear it.
const MAX_OF_DEVICE: usize = 8 * MAX_MEMBERS;
const MAX_OF_ALL: usize = 16 * MAX_OF_DEVICE;

/// Those that tell of a danger hear a message before all others, so that no crowd can stand in their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Hazards,
    Rest,
}

/// Where the observations of one entity go.
pub(super) struct Sink<'s, 'd> {
    device: &'d DeviceRef,
    facts: &'d Facts,
    stem: &'d str,
    pub(super) decoded: &'s mut Decoded,
}

/// Everything that all who hear a message hear in it.
pub(super) fn hear(hearers: &[(&DeviceRef, &Facts)], envelope: &Envelope<'_>, message: &Message<'_>) -> Decoded {
    let mut decoded = Decoded::default();
    for round in [Round::Hazards, Round::Rest] {
        for (at, (device, facts)) in hearers.iter().enumerate() {
            message.share(if at == 0 { 50 } else { 0 }, hearers.len() - at);
            device_hears(device, facts, envelope, message, round, &mut decoded);
        }
    }
    decoded
}

fn device_hears(
    device: &DeviceRef,
    facts: &Facts,
    envelope: &Envelope<'_>,
    message: &Message<'_>,
    round: Round,
    decoded: &mut Decoded,
) {
    let (observations, faults) = (decoded.observations.len(), decoded.faults.len());
    // What is too much is said once, and of what was left out nothing else.
    let mut stopped: Option<Fault> = None;
    facts.ears(envelope.topic, |ear| match ear {
        Ear::Reach { group, source } if round == Round::Rest => {
            let Some(source_of) = facts.reach(group).and_then(|reach| reach.sources.get(usize::from(source))) else {
                return;
            };
            match source_of.available(message) {
                Ok(Some(available)) => {
                    decoded.reached.push(Reached { device: device.clone(), group, source, available });
                }
                Ok(None) => {}
                Err(fault) => decoded.faults.push(fault),
            }
        }
        Ear::Reach { .. } => {}
        Ear::Entity { at, channel } => {
            let Some((entity, stem)) = facts.entity(at) else { return };
            let Some(channel) = entity.channels.get(usize::from(channel)) else { return };
            if entity.is_hazard() != (round == Round::Hazards)
                || (matches!(channel.hears, Hears::Event(_)) && envelope.retained)
            {
                return;
            }
            let full = decoded.observations.len() - observations >= MAX_OF_DEVICE
                || decoded.faults.len() - faults >= MAX_MEMBERS
                || decoded.observations.len() + decoded.faults.len() >= MAX_OF_ALL;
            if full {
                stopped.get_or_insert_with(|| {
                    Fault::new(What::TooMany, &device.id, "one message is heard by too many entities")
                });
            } else if channel.template.is_paid() && message.is_spent() {
                let why = "the templates that hear one message take too much time or memory";
                stopped.get_or_insert_with(|| Fault::new(What::Template, &device.id, why));
            } else {
                entity_hears(entity, channel, message, &mut Sink { device, facts, stem, decoded });
            }
        }
    });
    decoded.faults.extend(stopped);
}

fn entity_hears(entity: &Entity, channel: &Channel, message: &Message<'_>, sink: &mut Sink<'_, '_>) {
    match channel.template.read(message) {
        Ok(out) => out_is(&out, entity, channel, sink),
        Err(mut fault) => {
            fault.at = Fault::new(fault.what, &format!("{}: {}", sink.stem, fault.at), "").at;
            sink.decoded.faults.push(fault);
            if entity.is_hazard() {
                danger_twice(entity, channel, message, sink);
            }
        }
    }
}

/// A payload that says yes and no to one danger: the yes counts.
fn danger_twice(entity: &Entity, channel: &Channel, message: &Message<'_>, sink: &mut Sink<'_, '_>) {
    for out in channel.template.read_each(message) {
        let (before, faults) = (sink.decoded.observations.len(), sink.decoded.faults.len());
        out_is(&out, entity, channel, sink);
        sink.decoded.faults.truncate(faults);
        let said = sink.decoded.observations.split_off(before);
        if said.iter().any(|observation| observation.hazard.is_some()) {
            return sink.decoded.observations.extend(said);
        }
    }
}

fn out_is(out: &Out<'_>, entity: &Entity, channel: &Channel, sink: &mut Sink<'_, '_>) {
    match channel.hears {
        Hears::Property(place) => {
            if let Some(property) = entity.properties.get(usize::from(place)) {
                sink.read(property, out);
            }
        }
        Hears::Own(own) | Hears::Event(own) => own(entity, out, sink),
        Hears::Attributes => sink.attributes(out),
    }
}

impl Sink<'_, '_> {
    /// The value of a property, from what its template gave.
    pub(super) fn read(&mut self, property: &Property, out: &Out<'_>) {
        // An empty text is a value of a text and of nothing else.
        let text = match (out, &property.reading) {
            (Out::Text(text), Reading::Text) if property.say.is_some() && text.is_empty() => "",
            _ => match out.said() {
                Some(text) => text,
                None => return,
            },
        };
        if matches!(&property.reading, Reading::NumberOr(word) if same(text, word)) {
            return;
        }
        match value(property, text) {
            Some(value) => self.push(property, value),
            // Nothing of the list, in the spelling that Home Assistant has for selections and mowers.
            None if matches!(property.reading, Reading::Choice) && text.eq_ignore_ascii_case("none") => {}
            None => {
                let name = naming_of(self.stem, property.suffix);
                self.decoded.faults.push(Fault::new(What::WrongType, &name, text));
            }
        }
    }

    /// The value of the property with this suffix, from a text.
    pub(super) fn say(&mut self, entity: &Entity, suffix: &str, text: &str) {
        if let Some(property) = entity.place(suffix).and_then(|place| entity.properties.get(place)) {
            self.read(property, &Out::Text(text.into()));
        }
    }

    /// The value of the property with this suffix, from a member of a JSON object; null says nothing.
    pub(super) fn member(&mut self, entity: &Entity, suffix: &str, raw: Option<&str>) {
        if let Some(text) = raw.and_then(scalar) {
            self.say(entity, suffix, &text);
        }
    }

    /// A value that needs no reading.
    pub(super) fn value(&mut self, entity: &Entity, suffix: &str, value: Value) {
        if let Some(property) = entity.place(suffix).and_then(|place| entity.properties.get(place)) {
            self.push(property, value);
        }
    }

    /// Something that could not be read.
    pub(super) fn fault(&mut self, suffix: &str, text: &str) {
        let name = naming_of(self.stem, suffix);
        self.decoded.faults.push(Fault::new(What::WrongType, &name, text));
    }

    fn push(&mut self, property: &Property, value: Value) {
        let unit = if value.number().is_some() { property.info.unit } else { Unit::None };
        let hazard = property.info.hazard.filter(|_| value == Value::Bool(true));
        self.observe(naming_of(self.stem, property.suffix), value, unit, hazard);
    }

    fn observe(&mut self, property: String, value: Value, unit: Unit, hazard: Option<domovoi_model::Hazard>) {
        self.decoded.observations.push(Observation {
            device: self.device.clone(),
            property,
            value,
            unit,
            quality: Quality::Good,
            device_time: None,
            hazard,
        });
    }

    /// Attributes, under the entity's name. One that a property of the device has for a name is that property's alone, and
    /// what is secret is nobody's.
    fn attributes(&mut self, out: &Out<'_>) {
        let raw = match out {
            Out::Json(raw) => *raw,
            Out::Text(text) => text.as_ref(),
            Out::Unknown | Out::Nothing => return,
        };
        let document = match json::document(raw.as_bytes(), json::MAX_PAYLOAD) {
            Ok(document) => document,
            Err(error) => return self.decoded.faults.push(error.0),
        };
        let Ok(members) = json::members(&document) else {
            return self.fault("attributes", &document);
        };
        for (key, raw) in members.list.iter().take(MAX_ATTRIBUTES) {
            let suffix = crate::slug::slug(key);
            let name = naming_of(self.stem, &suffix);
            if suffix.is_empty()
                || suffix.len() > 64
                || is_secret(key)
                || self.facts.property(&name).is_some()
                || matches!(Json::of(raw), Json::Array(_) | Json::Object(_))
            {
                continue;
            }
            match json::scalar(raw) {
                Ok(Some(value)) => self.observe(name, value, Unit::None, None),
                Ok(None) => {}
                Err(what) => self.decoded.faults.push(Fault::new(what, &name, raw)),
            }
        }
    }
}

/// `stem` or `stem_suffix`.
pub(super) fn naming_of(stem: &str, suffix: &str) -> String {
    if suffix.is_empty() { stem.to_owned() } else { format!("{stem}_{suffix}") }
}

/// A text as a value of a property.
pub(super) fn value(property: &Property, text: &str) -> Option<Value> {
    match &property.reading {
        Reading::Number | Reading::NumberOr(_) => decimal(text).map(Value::Number),
        Reading::Percent { zero, full } => {
            let span = full.checked_sub(*zero).filter(|span| !span.is_zero())?;
            let share = decimal(text)?.checked_sub(*zero)?.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(span)?;
            Some(Value::Number(share.clamp(Decimal::ZERO, Decimal::ONE_HUNDRED).round_dp(1).normalize()))
        }
        // 007 is a name, not a number.
        Reading::Any => Some(match decimal(text).filter(|_| !is_padded(text)) {
            Some(number) => Value::Number(number),
            None => Value::Text(cut(text)),
        }),
        Reading::Text => Some(Value::Text(cut(text))),
        Reading::Choice => match &property.info.shape {
            Shape::Choice(words) if words.iter().any(|word| word == text) => Some(Value::Text(text.to_owned())),
            Shape::Choice(words) => words.iter().find(|word| same(text, word)).map(|word| Value::Text(word.clone())),
            _ => Some(Value::Text(cut(text))),
        },
        Reading::Flag { on, off } => {
            if same(text, on) {
                Some(Value::Bool(true))
            } else if same(text, off) {
                Some(Value::Bool(false))
            } else {
                None
            }
        }
        Reading::Colour(mode) => super::components::light::spell(mode, text).map(Value::Text),
        Reading::Words(words) => words.iter().find(|(word, _)| same(text, word)).map(|(_, value)| value.clone()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(json::MAX_TEXT / 4).collect()
}

fn is_padded(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.") && !digits.starts_with("0e")
}

/// A number as templates and devices print it: JSON's spelling, and what Python's `float` takes besides.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    number::decimal(text).or_else(|| {
        let text = text.strip_prefix('+').unwrap_or(text);
        let (sign, digits) = text.split_at_checked(usize::from(text.starts_with('-')))?;
        if digits.starts_with('.') {
            return number::decimal(&format!("{sign}0{digits}"));
        }
        number::decimal(text)
    })
}
