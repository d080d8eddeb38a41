//! How a command is said as a request, and which report says that it was obeyed.

use domovoi_model::{Command, Observation, Value};
use rust_decimal::Decimal;

use super::{NAME, request};
use crate::colour::{self, Colour};
use crate::{Directory, EncodeError, Outgoing, Shape};

/// A position that a motor reaches is near the one that was wanted.
const NEAR_PERCENT: Decimal = Decimal::TWO;

/// How a command is said.
pub(super) fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).filter(|_| device.dialect == NAME);
    let known = known.ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let Some(info) = known.property(property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    let read_only = || EncodeError::ReadOnly { device: device.clone(), property: property.clone() };
    if !info.writable {
        return Err(read_only());
    }
    let bad = |wanted: String| EncodeError::BadValue { device: device.clone(), property: property.clone(), wanted };
    let (component, field) = property.split_once('.').ok_or_else(read_only)?;
    let (kind, id) = component.split_once(':').ok_or_else(read_only)?;
    let id: u16 = id.parse().map_err(|_| read_only())?;
    let (method, params) = match (kind, field, &command.value) {
        ("switch", "output", Value::Bool(on)) => ("Switch.Set", format!("\"id\":{id},\"on\":{on}")),
        ("light" | "rgb" | "rgbw" | "cct", "output", Value::Bool(on)) => {
            (lamp(kind), format!("\"id\":{id},\"on\":{on}"))
        }
        ("thermostat", "enable", Value::Bool(on)) => {
            ("Thermostat.SetConfig", format!("\"id\":{id},\"config\":{{\"enable\":{on}}}"))
        }
        ("light" | "rgb" | "rgbw" | "cct", "brightness" | "ct" | "white", value) => {
            (lamp(kind), format!("\"id\":{id},\"{field}\":{}", whole(value, &info.shape).map_err(bad)?))
        }
        ("cover", "current_pos", value) => {
            ("Cover.GoToPosition", format!("\"id\":{id},\"pos\":{}", whole(value, &info.shape).map_err(bad)?))
        }
        ("cover", "slat_pos", value) => {
            ("Cover.GoToPosition", format!("\"id\":{id},\"slat_pos\":{}", whole(value, &info.shape).map_err(bad)?))
        }
        ("cover", "state", Value::Text(word)) => {
            let method = match word.to_ascii_lowercase().as_str() {
                "open" => "Cover.Open",
                "close" | "closed" => "Cover.Close",
                "stop" | "stopped" => "Cover.Stop",
                _ => return Err(bad("one of open, close, stop".to_owned())),
            };
            (method, format!("\"id\":{id}"))
        }
        ("cover", "state", _) => return Err(bad("one of open, close, stop".to_owned())),
        ("thermostat", "target_C", value) => {
            let degrees = within(value, &info.shape).map_err(bad)?;
            ("Thermostat.SetConfig", format!("\"id\":{id},\"config\":{{\"target_C\":{degrees}}}"))
        }
        ("rgb" | "rgbw", "rgb", Value::Text(text)) => {
            let Colour { r, g, b } = Colour::parse(text).ok_or_else(|| bad(colour::WANTED.to_owned()))?;
            (lamp(kind), format!("\"id\":{id},\"rgb\":[{r},{g},{b}]"))
        }
        (_, "rgb", _) => return Err(bad(colour::WANTED.to_owned())),
        (_, "output" | "enable", _) => return Err(bad("yes or no".to_owned())),
        _ => return Err(read_only()),
    };
    Ok(request(known, "command", method, &params).into_iter().collect())
}

fn lamp(kind: &str) -> &'static str {
    match kind {
        "rgb" => "RGB.Set",
        "rgbw" => "RGBW.Set",
        "cct" => "CCT.Set",
        _ => "Light.Set",
    }
}

fn within(value: &Value, shape: &Shape) -> Result<Decimal, String> {
    let Shape::Number { min: Some(min), max: Some(max) } = shape else { return Err("a number".to_owned()) };
    let number = value.number().filter(|number| number >= min && number <= max);
    number.map(|number| number.normalize()).ok_or_else(|| format!("a number from {min} to {max}"))
}

fn whole(value: &Value, shape: &Shape) -> Result<Decimal, String> {
    within(value, shape).map(|number| number.round().normalize())
}

/// Whether a report says that a command was carried out.
pub(super) fn confirms(command: &Command, report: &Observation, _: &Directory) -> bool {
    match (&command.value, &report.value) {
        (Value::Text(wanted), Value::Text(said)) if command.target.property.ends_with(".state") => {
            match wanted.to_ascii_lowercase().as_str() {
                "open" => said == "open",
                "close" | "closed" => said == "closed",
                _ => matches!(said.as_str(), "stopped" | "open" | "closed"),
            }
        }
        (Value::Text(wanted), Value::Text(said)) => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        (Value::Number(wanted), Value::Number(said)) if command.target.property.ends_with("_pos") => {
            wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= NEAR_PERCENT)
        }
        (wanted, said) => wanted == said,
    }
}

/// A cover that moves is on its way.
pub(super) fn underway(command: &Command, report: &Observation, _: &Directory) -> bool {
    let component = |property: &str| property.split('.').next().map(str::to_owned);
    let is_moving = matches!(&report.value, Value::Text(word) if matches!(word.as_str(), "opening" | "closing"));
    let property = &command.target.property;
    is_moving && property.starts_with("cover:") && component(property) == component(&report.property)
}
