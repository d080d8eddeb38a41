//! What is asked of the user API, how a command is said to it, and which report says that it was obeyed.

use domovoi_model::{Command, Observation, Value};
use rust_decimal::Decimal;

use crate::clouds::{self, Request};
use crate::colour::{self, Colour};
use crate::json;
use crate::{Directory, EncodeError, Outgoing, PropertyInfo, Shape};

use super::table::Capability;
use super::{CLOUD_NAME, GROUP};

pub(super) fn list() -> Request {
    Request::look("/v1.0/user/info")
}

pub(super) fn show(id: &str) -> Option<Request> {
    let path = match id.strip_prefix(GROUP) {
        Some(group) => format!("/v1.0/groups/{group}"),
        None => format!("/v1.0/devices/{id}"),
    };
    clouds::is_id(id).then(|| Request::look(path))
}

pub(super) fn act(id: &str, actions: &[&str]) -> Option<Request> {
    let actions = actions.join(",");
    let request = match id.strip_prefix(GROUP) {
        Some(group) => Request::change(format!("/v1.0/groups/{group}/actions"), format!("{{\"actions\":[{actions}]}}")),
        None => Request::change(
            "/v1.0/devices/actions",
            format!("{{\"devices\":[{{\"id\":{},\"actions\":[{actions}]}}]}}", json::quoted(id)),
        ),
    };
    clouds::is_id(id).then_some(request)
}

pub(super) fn start(id: &str) -> Option<Request> {
    clouds::is_id(id).then(|| Request::change(format!("/v1.0/scenarios/{id}/actions"), "{}".to_owned()))
}

/// How a command is said: one action of the device.
pub(super) fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let Some(info) = known.property(property) else {
        return Err(EncodeError::UnknownProperty { device: device.clone(), property: property.clone() });
    };
    let behind = Capability::behind(property).filter(|_| info.writable);
    let Some((capability, instance)) = behind else {
        return Err(EncodeError::ReadOnly { device: device.clone(), property: property.clone() });
    };
    let value = spelled(capability, instance, info, &command.value).map_err(|wanted| EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted,
    })?;
    let action = format!(
        "{{\"type\":{},\"state\":{{\"instance\":{},\"value\":{value}}}}}",
        json::quoted(capability.spelled()),
        json::quoted(instance)
    );
    Ok(vec![Outgoing::command(clouds::topic(CLOUD_NAME, &device.id), action)])
}

/// A value as Yandex spells it, or what it takes instead.
fn spelled(capability: Capability, instance: &str, info: &PropertyInfo, value: &Value) -> Result<String, String> {
    match (capability, value) {
        (Capability::OnOff | Capability::Toggle, Value::Bool(flag)) => Ok(flag.to_string()),
        (Capability::OnOff | Capability::Toggle, _) => Err("yes or no".to_owned()),
        (Capability::Colour, Value::Text(text)) if matches!(instance, "rgb" | "hsv") => {
            let colour = Colour::parse(text).ok_or_else(|| colour::WANTED.to_owned())?;
            if instance == "rgb" {
                return Ok(u32::from_be_bytes([0, colour.r, colour.g, colour.b]).to_string());
            }
            let (hue, saturation) = colour.hs();
            Ok(format!("{{\"h\":{hue},\"s\":{saturation},\"v\":100}}"))
        }
        (Capability::Colour, _) if matches!(instance, "rgb" | "hsv") => Err(colour::WANTED.to_owned()),
        _ => match (&info.shape, value) {
            (Shape::Choice(words), Value::Text(word)) if words.contains(word) => Ok(json::quoted(word)),
            (Shape::Choice(words), _) => Err(format!("one of {}", words.join(", "))),
            (Shape::Text, Value::Text(word)) => Ok(json::quoted(word)),
            (Shape::Number { min, max }, Value::Number(number)) => {
                let low = min.is_none_or(|min| *number >= min);
                let high = max.is_none_or(|max| *number <= max);
                if low && high { Ok(number.normalize().to_string()) } else { Err(bounds(*min, *max)) }
            }
            (Shape::Number { min, max }, _) => Err(bounds(*min, *max)),
            _ => Err("another value".to_owned()),
        },
    }
}

fn bounds(min: Option<Decimal>, max: Option<Decimal>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("a number from {min} to {max}"),
        _ => "a number".to_owned(),
    }
}

/// Whether a report says that a command was carried out: to the device's own step, and to what no eye can tell apart.
pub(super) fn confirms(command: &Command, report: &Observation, directory: &Directory) -> bool {
    match (&command.value, &report.value) {
        (Value::Number(wanted), Value::Number(said)) => {
            let step = directory.property(&report.device, &report.property).and_then(|info| info.step);
            let half = step.unwrap_or(Decimal::ZERO).checked_div(Decimal::TWO).unwrap_or(Decimal::ZERO);
            wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= half)
        }
        (Value::Text(wanted), Value::Text(said)) if matches!(report.property.as_str(), "rgb" | "hsv") => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        (wanted, said) => wanted == said,
    }
}
