//! How a command is said, and which report says that it was obeyed. `$target`, where a device has it, says that a command
//! was accepted; the value itself says that it is done.

use domovoi_model::{Command, Observation, Value};
use rust_decimal::Decimal;

use super::older;
use crate::colour::{self, Colour};
use crate::{Directory, EncodeError, Outgoing, PropertyInfo, Shape};

/// How a command is said.
pub(super) fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).filter(|known| !known.speaks.is_empty());
    let known = known.ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let Some(info) = known.property(property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    if !info.writable {
        return Err(EncodeError::ReadOnly { device: device.clone(), property: property.clone() });
    }
    let payload = payload(&command.value, info).map_err(|wanted| EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted,
    })?;
    let prefix = known.speaks.first().map_or("", String::as_str);
    // Versions 3 and 4 say which spelling of a colour it is in the format, and not in the value.
    let is_colour = info.class.as_deref() == Some("color");
    let payload = match payload.split_once(',') {
        Some((_, numbers)) if is_colour && older::facts(known).is_some() => numbers.to_owned(),
        _ => payload,
    };
    Ok(vec![Outgoing::command(format!("{prefix}/{property}/set"), payload)])
}

fn payload(value: &Value, info: &PropertyInfo) -> Result<String, String> {
    match (&info.shape, value) {
        (Shape::Switch { on, off }, Value::Bool(flag)) => Ok(if *flag { on } else { off }.to_string()),
        (Shape::Switch { .. }, _) => Err("yes or no".to_owned()),
        (Shape::Number { min, max }, Value::Number(number)) => {
            let is_within = min.is_none_or(|min| *number >= min) && max.is_none_or(|max| *number <= max);
            // A float is spelled without an exponent, an integer without a fraction.
            if is_within { Ok(number.normalize().to_string()) } else { Err("a number within its bounds".to_owned()) }
        }
        (Shape::Number { .. }, _) => Err("a number".to_owned()),
        (Shape::Choice(words), Value::Text(word)) if words.contains(word) => Ok(word.clone()),
        (Shape::Choice(words), _) => Err(format!("one of {}", words.join(", "))),
        (_, Value::Text(text)) if info.class.as_deref() == Some("color") => {
            let colour = Colour::parse(text).ok_or_else(|| colour::WANTED.to_owned())?;
            let (hue, saturation) = colour.hs();
            let Colour { r, g, b } = colour;
            Ok(match info.kind.as_deref() {
                Some("color.hsv") => format!("hsv,{hue},{saturation},100"),
                Some("color.xyz") => {
                    let (x, y) = colour.xy();
                    format!("xyz,{x:.4},{y:.4}")
                }
                _ => format!("rgb,{r},{g},{b}"),
            })
        }
        // An empty payload would take the topic back.
        (_, Value::Text(text)) if text.is_empty() => Ok("\0".to_owned()),
        (_, Value::Text(text)) if text.len() <= crate::json::MAX_TEXT => Ok(text.clone()),
        _ => Err("a text".to_owned()),
    }
}

/// Whether a report says that a command was carried out.
pub(super) fn confirms(command: &Command, report: &Observation, directory: &Directory) -> bool {
    let info = directory.property(&command.target.device, &command.target.property);
    let is_colour = info.is_some_and(|info| info.class.as_deref() == Some("color"));
    match (&command.value, &report.value) {
        (Value::Text(wanted), Value::Text(said)) if is_colour => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        (Value::Number(wanted), Value::Number(said)) => {
            let step = info.and_then(|info| info.step).unwrap_or(Decimal::ZERO);
            wanted.checked_sub(*said).is_some_and(|apart| apart.is_zero() || apart.abs() < step)
        }
        (wanted, said) => wanted == said,
    }
}

/// It was accepted; what takes long is waited for.
pub(super) fn underway(command: &Command, report: &Observation, directory: &Directory) -> bool {
    let name = report.property.strip_suffix("/$target");
    name == Some(command.target.property.as_str()) && confirms(command, report, directory)
}
