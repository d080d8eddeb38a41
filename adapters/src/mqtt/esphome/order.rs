//! How a command is said, and which report says that it was obeyed.

use domovoi_model::{Command, Observation, Value};
use rust_decimal::Decimal;

use super::entity;
use crate::colour::{self, Colour};
use crate::{Directory, EncodeError, Outgoing, Shape, json};

/// How a command is said: beside the state, under `command`.
pub(super) fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).filter(|known| !known.speaks.is_empty());
    let known = known.ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let Some(info) = known.property(property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    let read_only = || EncodeError::ReadOnly { device: device.clone(), property: property.clone() };
    let topic = entity::topic(property).filter(|_| info.writable).ok_or_else(read_only)?;
    let bad = |wanted: &str| EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted: wanted.to_owned(),
    };
    let component = property.split('.').next().unwrap_or_default();
    let field = property.rsplit('.').next().unwrap_or_default();
    let payload = match (component, &info.shape, &command.value) {
        ("light", Shape::Switch { .. }, Value::Bool(flag)) => {
            format!("{{\"state\":\"{}\"}}", if *flag { "ON" } else { "OFF" })
        }
        ("light", Shape::Number { .. }, value) => {
            let number = within(value, &info.shape).ok_or_else(|| bad("a whole number within its bounds"))?;
            format!("{{\"state\":\"ON\",\"{field}\":{}}}", number.round())
        }
        ("light", Shape::Text, Value::Text(text)) => {
            let Colour { r, g, b } = Colour::parse(text).ok_or_else(|| bad(colour::WANTED))?;
            format!("{{\"state\":\"ON\",\"color\":{{\"r\":{r},\"g\":{g},\"b\":{b}}}}}")
        }
        ("light", Shape::Text, _) => return Err(bad(colour::WANTED)),
        ("lock", _, Value::Bool(flag)) => if *flag { "LOCK" } else { "UNLOCK" }.to_owned(),
        ("valve", Shape::Switch { .. }, Value::Bool(flag)) => if *flag { "OPEN" } else { "CLOSE" }.to_owned(),
        ("cover", Shape::Choice(_), Value::Text(word)) if matches!(word.as_str(), "OPEN" | "CLOSE" | "STOP") => {
            word.clone()
        }
        ("cover", Shape::Choice(_), _) => return Err(bad("one of OPEN, CLOSE, STOP")),
        (_, Shape::Switch { on, off }, Value::Bool(flag)) => if *flag { on } else { off }.to_string(),
        (_, Shape::Switch { .. }, _) => return Err(bad("yes or no")),
        (_, Shape::Number { .. }, value) => {
            within(value, &info.shape).ok_or_else(|| bad("a number within its bounds"))?.to_string()
        }
        (_, Shape::Text, Value::Text(text)) if text.len() <= json::MAX_TEXT => text.clone(),
        _ => return Err(bad("a text")),
    };
    let prefix = known.speaks.first().map_or("", String::as_str);
    let above = topic.strip_suffix("state").unwrap_or(&topic);
    Ok(vec![Outgoing::command(format!("{prefix}/{above}command"), payload)])
}

fn within(value: &Value, shape: &Shape) -> Option<Decimal> {
    let (min, max) = match shape {
        Shape::Number { min, max } => (*min, *max),
        _ => (None, None),
    };
    let number = value.number()?.normalize();
    (min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)).then_some(number)
}

/// Whether a report says that a command was carried out.
pub(super) fn confirms(command: &Command, report: &Observation, _: &Directory) -> bool {
    let property = &command.target.property;
    match (&command.value, &report.value) {
        (Value::Text(wanted), Value::Text(said)) if property.starts_with("cover.") => match wanted.as_str() {
            "OPEN" | "CLOSE" => said == wanted,
            _ => matches!(said.as_str(), "OPEN" | "CLOSE"),
        },
        (Value::Text(wanted), Value::Text(said)) if property.ends_with(".color") => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        (Value::Number(wanted), Value::Number(said))
            if property.ends_with(".position") || property.ends_with(".tilt") =>
        {
            wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= Decimal::TWO)
        }
        (wanted, said) => wanted == said,
    }
}

/// A cover that moves is on its way.
pub(super) fn underway(command: &Command, report: &Observation, _: &Directory) -> bool {
    let is_moving = matches!(&report.value, Value::Text(word) if matches!(word.as_str(), "OPENING" | "CLOSING"));
    is_moving && command.target.property.starts_with(&report.property)
}
