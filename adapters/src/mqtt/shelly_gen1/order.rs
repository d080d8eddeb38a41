//! How a command is said, and which report says that it was obeyed.

use domovoi_model::{Command, Observation, Value};
use rust_decimal::Decimal;

use crate::colour::{self, Colour};
use crate::{Directory, EncodeError, Outgoing, Shape};

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
    let bad = |wanted: String| EncodeError::BadValue { device: device.clone(), property: property.clone(), wanted };
    let path: Vec<&str> = property.split('.').collect();
    let (part, payload) = match (path.as_slice(), &command.value) {
        (["relay" | "light" | "white" | "color" | "valve", _], Value::Bool(flag)) => {
            let word = match &info.shape {
                Shape::Switch { on, off } => if *flag { on } else { off }.to_string(),
                _ => flag.to_string(),
            };
            (format!("{}/command", path.join("/")), word)
        }
        (["relay" | "light" | "white" | "color" | "valve", _], _) => return Err(bad("yes or no".to_owned())),
        (["roller", _], Value::Text(word)) if matches!(word.as_str(), "open" | "close" | "stop") => {
            (format!("{}/command", path.join("/")), word.clone())
        }
        (["roller", _], _) => return Err(bad("one of open, close, stop".to_owned())),
        (["roller", n, "pos"], value) => {
            (format!("roller/{n}/command/pos"), whole(value, &info.shape).map_err(bad)?.to_string())
        }
        ([lamp, n, "rgb"], Value::Text(text)) => {
            let Colour { r, g, b } = Colour::parse(text).ok_or_else(|| bad(colour::WANTED.to_owned()))?;
            (format!("{lamp}/{n}/set"), format!("{{\"mode\":\"color\",\"red\":{r},\"green\":{g},\"blue\":{b}}}"))
        }
        ([_, _, "rgb"], _) => return Err(bad(colour::WANTED.to_owned())),
        ([lamp, n, key], value) => {
            (format!("{lamp}/{n}/set"), format!("{{\"{key}\":{}}}", whole(value, &info.shape).map_err(bad)?))
        }
        _ => return Err(EncodeError::ReadOnly { device: device.clone(), property: property.clone() }),
    };
    let base = known.speaks.first().map_or("", String::as_str);
    Ok(vec![Outgoing::command(format!("{base}/{part}"), payload)])
}

fn whole(value: &Value, shape: &Shape) -> Result<Decimal, String> {
    let Shape::Number { min: Some(min), max: Some(max) } = shape else { return Err("a number".to_owned()) };
    let number = value.number().map(|number| number.round()).filter(|number| number >= min && number <= max);
    number.map(|number| number.normalize()).ok_or_else(|| format!("a whole number from {min} to {max}"))
}

/// Whether a report says that a command was carried out.
pub(super) fn confirms(command: &Command, report: &Observation, _: &Directory) -> bool {
    match (&command.value, &report.value) {
        (Value::Number(wanted), Value::Number(said)) if command.target.property.ends_with(".pos") => {
            wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= Decimal::TWO)
        }
        (Value::Text(wanted), Value::Text(said)) if command.target.property.ends_with(".rgb") => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        // A roller says which way it goes as soon as it goes.
        (wanted, said) => wanted == said,
    }
}

/// A roller that moves is on its way to a position.
pub(super) fn underway(command: &Command, report: &Observation, _: &Directory) -> bool {
    let roller = command.target.property.strip_suffix(".pos");
    let is_moving = matches!(&report.value, Value::Text(word) if matches!(word.as_str(), "open" | "close"));
    is_moving && roller == Some(report.property.as_str())
}
