//! How a command is said, and which report says that it was obeyed. The bridge acknowledges nothing: the next state is
//! the confirmation, and it may be one that a device was made to guess (`optimistic`).

use domovoi_model::{Command, Observation, Value};
use rust_decimal::Decimal;

use super::facts::{self, Composite, Facts};
use super::state::{is_state, understand};
use super::{Directory, EncodeError, NAME, Outgoing, PropertyInfo, Shape, provisional_topic};
use crate::colour::{self, Colour};
use crate::json::{self, Json, MAX_MEMBERS, MAX_TEXT};

/// How a command is said.
pub(super) fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let unknown = || EncodeError::UnknownProperty { device: device.clone(), property: property.clone() };
    let known = directory.known(device);
    let topic = match known {
        Some(known) => known.listens.first().cloned(),
        None => provisional_topic(device, directory),
    };
    let Some(topic) = topic.filter(|_| device.dialect == NAME) else {
        return Err(EncodeError::UnknownDevice(device.clone()));
    };
    if !json::is_name(property) {
        return Err(unknown());
    }
    // A device that was not interviewed yet lists nothing; what it takes is then for the bridge to say.
    let info = known.and_then(|known| known.property(property));
    if info.is_none() && known.is_some_and(|known| !known.properties.is_empty()) {
        return Err(unknown());
    }
    if info.is_some_and(|info| !info.writable) {
        return Err(EncodeError::ReadOnly { device: device.clone(), property: property.clone() });
    }
    let said = raw(property, &command.value, info, facts::of(known)).map_err(|wanted| EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted,
    })?;
    Ok(vec![Outgoing::command(format!("{topic}/set"), format!("{{{}:{said}}}", json::quoted(property)))])
}

/// The value as JSON; the error says what is wanted.
fn raw(property: &str, value: &Value, info: Option<&PropertyInfo>, facts: Option<&Facts>) -> Result<String, String> {
    if let Some(composite) = facts.and_then(|facts| facts.composite(property)) {
        return if composite.is_colour() { hue(value, composite) } else { object(value, composite) };
    }
    if facts.is_some_and(|facts| facts.is_list(property)) {
        return array(value);
    }
    if facts.is_some_and(|facts| facts.is_toggle(property, value)) {
        return Ok(json::write(value));
    }
    let said = say(property, value, info)?;
    let is_numbered = facts.is_some_and(|facts| facts.numbered.iter().any(|name| name == property));
    match &said {
        Value::Text(word) if is_numbered && crate::number::decimal(word).is_some() => Ok(word.clone()),
        _ => Ok(json::write(&said)),
    }
}

/// The opposite of `understand`; the error says what is wanted.
fn say(property: &str, value: &Value, info: Option<&PropertyInfo>) -> Result<Value, String> {
    if let Some(value) = info.and_then(|info| preset(info, value)) {
        return Ok(value.clone());
    }
    match (info.map(|info| &info.shape), value) {
        (Some(Shape::Switch { on: Value::Bool(_), .. }), Value::Bool(_)) => Ok(value.clone()),
        (Some(Shape::Switch { on, off }), Value::Bool(flag)) => Ok(if *flag { on.clone() } else { off.clone() }),
        (Some(Shape::Switch { on, off }), _) if value == on || value == off => Ok(value.clone()),
        (Some(Shape::Switch { .. }), _) => Err("yes or no".to_owned()),
        (Some(Shape::Number { min, max }), Value::Number(number))
            if min.is_none_or(|min| *number >= min) && max.is_none_or(|max| *number <= max) =>
        {
            Ok(value.clone())
        }
        (Some(Shape::Number { min, max }), _) => {
            let bound = |bound: &Option<_>| bound.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
            Err(format!("a number from {} to {}", bound(min), bound(max)))
        }
        (Some(Shape::Choice(words)), Value::Text(word)) if words.contains(word) => Ok(value.clone()),
        (Some(Shape::Choice(words)), Value::Number(number)) if words.contains(&number.to_string()) => {
            Ok(Value::Text(number.to_string()))
        }
        (Some(Shape::Choice(words)), _) => Err(format!("one of {}", words.join(", "))),
        (Some(Shape::Text), Value::Text(text)) if text.len() <= MAX_TEXT => Ok(value.clone()),
        (Some(Shape::Text), _) => Err("a text of at most 4 KiB".to_owned()),
        (_, Value::Bool(flag)) if is_state(property) => Ok(Value::Text(if *flag { "ON" } else { "OFF" }.to_owned())),
        (_, Value::Text(text)) if text.len() > MAX_TEXT => Err("a text of at most 4 KiB".to_owned()),
        (Some(Shape::Unknown) | None, _) => Ok(value.clone()),
    }
}

/// The value behind a preset's name.
fn preset<'i>(info: &'i PropertyInfo, value: &Value) -> Option<&'i Value> {
    let Value::Text(name) = value else { return None };
    info.presets.iter().find(|preset| preset.name == *name).map(|preset| &preset.value)
}

/// A colour in the words of the lamp. Numbers and not `hex`, although the bridge takes it: it would go by the gamut of
/// Philips, and the report could not be compared.
fn hue(value: &Value, composite: &Composite) -> Result<String, String> {
    let colour = match value {
        Value::Text(text) => Colour::parse(text),
        _ => None,
    };
    let colour = colour.ok_or_else(|| colour::WANTED.to_owned())?;
    Ok(if composite.is_xy() {
        let (x, y) = colour.xy();
        format!("{{\"x\":{x},\"y\":{y}}}")
    } else {
        let (hue, saturation) = colour.hs();
        format!("{{\"hue\":{hue},\"saturation\":{saturation}}}")
    })
}

/// A composite as one JSON object, each member checked.
fn object(value: &Value, composite: &Composite) -> Result<String, String> {
    let names: Vec<&str> = composite.members.iter().map(|member| member.name.as_str()).collect();
    let wanted = || format!("a JSON object of at most 4 KiB with some of {}", names.join(", "));
    let text = json_text(value).ok_or_else(wanted)?;
    let members = json::members(text).map_err(|_| wanted())?;
    if members.list.is_empty() || !members.twice.is_empty() {
        return Err(wanted());
    }
    let mut out = Vec::with_capacity(members.list.len());
    for (name, raw) in &members.list {
        let info = composite.members.iter().find(|member| member.name == *name).ok_or_else(wanted)?;
        let said = match (&info.shape, Json::of(raw)) {
            (_, Json::Null) => return Err(wanted()),
            // A composite or a list inside: the bridge alone knows what it takes.
            (Shape::Unknown, _) | (_, Json::Object(_) | Json::Array(_)) if info.shape == Shape::Unknown => {
                (*raw).to_owned()
            }
            _ => {
                let value = json::scalar(raw).ok().flatten().ok_or_else(wanted)?;
                json::write(&say(name, &value, Some(info)).map_err(|wanted| format!("«{name}» as {wanted}"))?)
            }
        };
        out.push(format!("{}:{said}", json::quoted(name)));
    }
    Ok(format!("{{{}}}", out.join(",")))
}

fn array(value: &Value) -> Result<String, String> {
    let wanted = || "a JSON array of at most 4 KiB".to_owned();
    let text = json_text(value).ok_or_else(wanted)?;
    json::elements(text, MAX_MEMBERS).map_err(|_| wanted())?;
    Ok(text.to_owned())
}

/// A text that is one well-formed document of bounded depth.
fn json_text(value: &Value) -> Option<&str> {
    let Value::Text(text) = value else { return None };
    // What the check mends (a bare NaN) is nothing to send.
    let document = json::document(text.as_bytes(), MAX_TEXT).ok()?;
    (document == text.as_str()).then(|| text.trim())
}

/// Whether a report says that a command was carried out.
pub(super) fn confirms(command: &Command, report: &Observation, directory: &Directory) -> bool {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device);
    let (info, facts) = (known.and_then(|known| known.property(property)), facts::of(known));
    if report.value == command.value {
        return true;
    }
    // Which way it was turned over, only the device knows.
    if facts.is_some_and(|facts| facts.is_toggle(property, &command.value)) {
        return matches!(report.value, Value::Bool(_));
    }
    match facts.and_then(|facts| facts.composite(property)) {
        Some(composite) if composite.is_colour() => return same_colour(&command.value, &report.value),
        Some(_) => return has_all(&command.value, &report.value),
        None => {}
    }
    // A cover that was stopped says open or closed, by where it stands; few say STOP.
    let is_cover = info.is_some_and(|info| info.class.as_deref() == Some("cover"));
    if is_cover && command.value == Value::Text("STOP".to_owned()) {
        return true;
    }
    let wanted = info.and_then(|info| preset(info, &command.value)).unwrap_or(&command.value);
    let wanted = understand(property, wanted.clone(), info);
    match (&wanted, &report.value) {
        (Value::Number(wanted), Value::Number(said)) => {
            // Two numbers of 28 digits may be too far apart to be told how far.
            wanted == said
                || (!wanted.is_zero() && wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= tolerance(info)))
        }
        (wanted, said) => wanted == said,
    }
}

/// Lamps and covers round what they are told (brightness 0 to 254, position 0 to 100) to some hundredth of their range.
const ROUNDS: &[&str] = &["light", "cover"];

/// How far from what was wanted a device may end up: half of its step, so that the step before it confirms nothing; of
/// what has no step and rounds, a hundredth of its range. Anything else is what it was told to be. None at all where
/// nothing was wanted: a lamp at 1 is not dark.
fn tolerance(info: Option<&PropertyInfo>) -> Decimal {
    let Some(info) = info else { return Decimal::ZERO };
    let rounds = info.kind.as_deref().is_some_and(|kind| ROUNDS.contains(&kind));
    let part = match (info.step, &info.shape) {
        (Some(step), _) => step.abs().checked_div(Decimal::TWO),
        (None, Shape::Number { min: Some(min), max: Some(max) }) if rounds => {
            max.checked_sub(*min).and_then(|range| range.abs().checked_div(Decimal::ONE_HUNDRED))
        }
        _ => None,
    };
    part.unwrap_or_default()
}

fn same_colour(wanted: &Value, said: &Value) -> bool {
    match (wanted, said) {
        (Value::Text(wanted), Value::Text(said)) => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        _ => false,
    }
}

/// Whether every member that was wanted is in the report.
fn has_all(wanted: &Value, said: &Value) -> bool {
    let (Some(wanted), Some(said)) = (json_text(wanted), json_text(said)) else { return false };
    let (Ok(wanted), Ok(said)) = (json::members(wanted), json::members(said)) else { return false };
    let same = |one: &str, other: &str| match (json::scalar(one), json::scalar(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.trim() == other.trim(),
    };
    wanted.list.iter().all(|(name, raw)| said.get(name).is_some_and(|said| same(raw, said)))
}
