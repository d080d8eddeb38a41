//! How a command becomes a publish: the words, numbers and templates of a config, and whether a report fulfils it.
//!
//! Never retained, whatever a config's `retain` says: a retained command switches the device again at each reconnect.

use std::sync::Arc;

use domovoi_model::{Command, Observation, Value};
use rust_decimal::Decimal;

use super::components::Component;
use super::entity::{Entity, Extra, Property, Reading, Say};
use super::facts::Facts;
use crate::colour::Colour;
use crate::template::{Given, Template};
use crate::{Announcement, EncodeError, Outgoing, Shape};

/// What a command's value becomes.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// Yes and no; what is none cannot be said.
    Flag { on: Option<Box<str>>, off: Option<Box<str>> },
    /// A number within the bounds of its property.
    Number,
    /// A share of a hundred, on the device's own scale.
    Percent(Scale),
    /// A text.
    Text,
    /// One of the words of its property.
    Choice,
    /// These words, and what is sent for each.
    Words(Vec<(&'static str, Box<str>)>),
    /// Whatever it is, this is sent.
    Press(Box<str>),
    /// The main value as a word of a position: yes is open.
    Own(Own),
}

/// The scale of a share, in whole steps, and what its template may know of it.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub(super) zero: Decimal,
    pub(super) full: Decimal,
    /// What the share itself is called there; `value` is the number on the device's scale.
    pub(super) share: &'static str,
    pub(super) constants: Vec<(&'static str, Decimal)>,
}

impl Scale {
    /// One of which templates know no more than the number on the device's scale.
    pub(super) fn of(zero: Decimal, full: Decimal) -> Self {
        Scale { zero, full, share: "percentage", constants: Vec::new() }
    }

    /// A share on the device's scale.
    fn raw(&self, share: Decimal) -> Option<Decimal> {
        let span = self.full.checked_sub(self.zero)?;
        let raw = share.checked_mul(span)?.checked_div(Decimal::ONE_HUNDRED)?.checked_add(self.zero)?;
        Some(raw.round())
    }
}

/// The publish of a share.
pub(super) fn share(say: &Say, scale: &Scale, shape: &Shape, value: &Value) -> Result<Outgoing, String> {
    let share = bounded(value, shape)?;
    let raw = scale.raw(share).ok_or("a number from 0 to 100")?;
    let mut given = vec![("value", Given::Number(raw)), (scale.share, Given::Number(share))];
    given.extend(scale.constants.iter().map(|(name, number)| (*name, Given::Number(*number))));
    with(&say.topic, say.template.as_ref(), &raw.normalize().to_string(), &given)
}

/// What a component makes of a command by itself: the publishes, or what it takes instead.
#[derive(Clone, Copy)]
pub(super) struct Own(pub(super) Words);

type Words = fn(&Entity, &Property, &Say, &Value) -> Result<Vec<Outgoing>, String>;

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

/// A command to a device of this dialect.
pub(super) fn encode(command: &Command, known: &Announcement, facts: &Facts) -> Result<Vec<Outgoing>, EncodeError> {
    let target = &command.target;
    let (device, property) = (target.device.clone(), target.property.clone());
    let Some((entity, found)) = facts.property(&target.property) else {
        return Err(EncodeError::UnknownProperty { device, property });
    };
    let Some(say) = &found.say else {
        return Err(EncodeError::ReadOnly { device, property });
    };
    debug_assert!(known.property(&property).is_some());
    let sends = match &say.form {
        Form::Own(own) => own.0(entity, found, say, &command.value),
        Form::Percent(scale) => share(say, scale, &found.info.shape, &command.value).map(|out| vec![out]),
        form => payload(form, found, &command.value)
            .and_then(|(text, given)| publish(say, &text, given))
            .map(|out| vec![out]),
    };
    sends.map_err(|wanted| EncodeError::BadValue { device, property, wanted })
}

/// The text that is sent without a template, and the number in it, if it is one. The error says what is wanted.
fn payload(form: &Form, property: &Property, value: &Value) -> Result<(String, Option<Decimal>), String> {
    let shape = &property.info.shape;
    match form {
        Form::Flag { on, off } => {
            let wanted = || match (on, off) {
                (Some(_), Some(_)) => "yes or no".to_owned(),
                (Some(_), None) => "yes".to_owned(),
                _ => "no".to_owned(),
            };
            let word = match (value, flag(value, shape)) {
                (_, Some(true)) => on.as_deref(),
                (_, Some(false)) => off.as_deref(),
                (_, None) => None,
            };
            word.map(|word| (word.to_owned(), None)).ok_or_else(wanted)
        }
        Form::Number => bounded(value, shape).map(|number| (number.normalize().to_string(), Some(number))),
        Form::Text => match value {
            Value::Text(text) => Ok((text.clone(), None)),
            Value::Number(number) => Ok((number.to_string(), None)),
            Value::Bool(_) => Err("a text".to_owned()),
        },
        Form::Choice => match (value, shape) {
            (Value::Text(text), Shape::Choice(words)) if words.contains(text) => Ok((text.clone(), None)),
            (_, Shape::Choice(words)) => Err(one_of(words)),
            _ => Err("a text".to_owned()),
        },
        Form::Words(words) => {
            let found = match value {
                Value::Text(text) => words.iter().find(|(word, _)| word == text),
                _ => None,
            };
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            found.map(|(_, payload)| (payload.to_string(), None)).ok_or_else(|| one_of(&names))
        }
        Form::Press(payload) => Ok((payload.to_string(), None)),
        Form::Own(_) | Form::Percent(_) => Err("nothing".to_owned()),
    }
}

/// «one of a, b and c», cut short where there are many.
pub(super) fn one_of<S: AsRef<str>>(words: &[S]) -> String {
    let names: Vec<&str> = words.iter().take(12).map(AsRef::as_ref).collect();
    format!("one of: {}{}", names.join(", "), if words.len() > 12 { ", …" } else { "" })
}

/// Yes and no, also in the device's own words.
fn flag(value: &Value, shape: &Shape) -> Option<bool> {
    match (value, shape) {
        (Value::Bool(flag), _) => Some(*flag),
        (value, Shape::Switch { on, .. }) if value == on => Some(true),
        (value, Shape::Switch { off, .. }) if value == off => Some(false),
        _ => None,
    }
}

/// A number within the bounds of a shape.
pub(super) fn bounded(value: &Value, shape: &Shape) -> Result<Decimal, String> {
    let (min, max) = match shape {
        Shape::Number { min, max } => (*min, *max),
        _ => (None, None),
    };
    let wanted = || match (min, max) {
        (Some(min), Some(max)) => format!("a number from {min} to {max}"),
        (Some(min), None) => format!("a number from {min}"),
        (None, Some(max)) => format!("a number up to {max}"),
        (None, None) => "a number".to_owned(),
    };
    let number = value.number().ok_or_else(wanted)?;
    let ok = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
    if ok { Ok(number) } else { Err(wanted()) }
}

/// One publish: the text itself, or what the template makes of it.
pub(super) fn publish(say: &Say, text: &str, number: Option<Decimal>) -> Result<Outgoing, String> {
    let value = number.map_or(Given::Text(text), Given::Number);
    // Components call what they are asked for by different names; nobody minds those that are not theirs.
    let given = [("value", value), ("action", value), ("code", Given::None)];
    with(&say.topic, say.template.as_ref(), text, &given)
}

/// One publish with variables of the component's own.
pub(super) fn with(
    topic: &Arc<str>,
    template: Option<&Template>,
    text: &str,
    given: &[(&str, Given<'_>)],
) -> Result<Outgoing, String> {
    let payload = match template {
        Some(template) => template.say(given).map_err(|why| format!("something that its template can say ({why})"))?,
        None => text.to_owned(),
    };
    Ok(Outgoing::command(topic.to_string(), payload))
}

/// Whether a report fulfils a command to the same property.
pub(super) fn confirms(command: &Command, report: &Observation, facts: &Facts) -> bool {
    let Some((entity, property)) = facts.property(&command.target.property) else {
        return report.value == command.value;
    };
    let shape = &property.info.shape;
    match (&command.value, &report.value) {
        (Value::Number(wanted), Value::Number(said)) => {
            let least = match (entity.key.component, &property.reading) {
                (Component::Fan, Reading::Percent { zero, full }) if !wanted.is_zero() => {
                    super::components::slowest(*zero, *full)
                }
                _ => *wanted,
            };
            let wanted = (*wanted).max(least);
            wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= property.tolerance)
        }
        (Value::Text(wanted), Value::Text(said)) if matches!(property.reading, Reading::Colour(_)) => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        (Value::Text(wanted), Value::Text(said)) => {
            let becomes = match &entity.extra {
                Extra::Words(words) => words.iter().find(|(word, _)| **word == **wanted).map(|(_, state)| &**state),
                Extra::Orders(_) => super::components::leads_to(wanted),
                _ => None,
            };
            // What a code stands behind: «disarmed 1234».
            let first = wanted.split(' ').next().unwrap_or_default();
            said == wanted || becomes == Some(said.as_str()) || (matches!(shape, Shape::Choice(_)) && said == first)
        }
        (wanted, Value::Bool(said)) => match wanted {
            Value::Text(word) if matches!(word.as_str(), "open" | "lock") => *said,
            Value::Text(word) if matches!(word.as_str(), "close" | "unlock") => !*said,
            Value::Text(word) if word == "stop" => true,
            wanted => flag(wanted, shape) == Some(*said),
        },
        (wanted, said) => wanted == said,
    }
}

/// Whether a report says that a command is being carried out: what opens is opening, what locks is locking.
pub(super) fn underway(command: &Command, report: &Observation, facts: &Facts) -> bool {
    let (Some((entity, property)), Some((other, state))) =
        (facts.property(&command.target.property), facts.property(&report.property))
    else {
        return false;
    };
    let Value::Text(word) = &report.value else { return false };
    if !std::ptr::eq(entity, other) || state.suffix != "state" {
        return false;
    }
    let locks = entity.key.component == Component::Lock;
    let wanted = match &command.value {
        Value::Bool(flag) => Some(*flag),
        Value::Text(word) if matches!(word.as_str(), "open" | "lock") => Some(true),
        Value::Text(word) if matches!(word.as_str(), "close" | "unlock") => Some(false),
        value => flag(value, &property.info.shape),
    };
    let latch = matches!(&command.value, Value::Text(word) if word == "open");
    match (word.as_str(), wanted) {
        ("opening", wanted) if locks => latch || wanted == Some(false),
        ("locking", wanted) => wanted == Some(true) && !latch,
        ("unlocking", wanted) => latch || wanted == Some(false),
        ("opening", wanted) => wanted != Some(false),
        ("closing", wanted) => wanted != Some(true),
        _ => false,
    }
}
