//! How a command is said, which report says that it was obeyed, and what devices are asked. Each device is spoken to under
//! its own topic: the group topic (`tasmotas`) reaches whoever listens, and nobody could say who obeyed.

use domovoi_model::{Command, DeviceRef, Observation, Value};
use rust_decimal::Decimal;

use super::facts::{self, Order};
use super::{Announcement, Directory, EncodeError, NAME, Outgoing, Shape, discovery, relay};
use crate::Errand;
use crate::colour::{self, Colour};

/// Devices that are asked for their states at once.
const MAX_GREETED: usize = 256;

/// How a command is said.
pub(super) fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let (device, property) = (&command.target.device, &command.target.property);
    if device.dialect != NAME {
        return Err(EncodeError::UnknownDevice(device.clone()));
    }
    let known = directory.known(device);
    let upper = property.to_uppercase();
    let is_relay = relay(&upper).is_some() && *property == upper.to_lowercase();
    let info = known.and_then(|known| known.property(property));
    // Before discovery nobody says how many relays there are; the device itself will.
    let facts = facts::of(known).filter(|facts| facts.config.is_some());
    let order = match facts {
        Some(facts) => facts.order(property).cloned(),
        None => is_relay.then_some(Order::Flag(upper)),
    };
    let Some(order) = order else {
        let (device, property) = (device.clone(), property.clone());
        return Err(match info {
            Some(_) => EncodeError::ReadOnly { device, property },
            None => EncodeError::UnknownProperty { device, property },
        });
    };
    let said = say(&order, &command.value, info.map(|info| &info.shape)).map_err(|wanted| EncodeError::BadValue {
        device: device.clone(),
        property: property.clone(),
        wanted,
    })?;
    let listens = match (known, device.id.strip_prefix("topic:")) {
        (Some(known), _) => known.listens.clone(),
        (None, Some(t)) => discovery::provisional(directory.bases(NAME), "cmnd", t),
        (None, None) => Vec::new(),
    };
    if listens.is_empty() {
        return Err(EncodeError::UnknownDevice(device.clone()));
    }
    let (what, payload) = said;
    Ok(listens.iter().map(|base| Outgoing::command(format!("{base}/{what}"), payload.clone())).collect())
}

/// The command and its payload; the error says what is wanted.
fn say(order: &Order, value: &Value, shape: Option<&Shape>) -> Result<(String, String), String> {
    match (order, value) {
        // ON and OFF are understood whatever texts the device itself was told to write (StateText).
        (Order::Flag(command), Value::Bool(flag)) => Ok((command.clone(), if *flag { "ON" } else { "OFF" }.to_owned())),
        (Order::Flag(_), _) => Err("yes or no".to_owned()),
        (Order::Number(command), _) => Ok((command.clone(), whole(value, shape)?.to_string())),
        (Order::Inverted(command), _) => {
            let position = whole(value, shape)?;
            let other_end = Decimal::ONE_HUNDRED.checked_sub(position).ok_or("a whole number from 0 to 100")?;
            Ok((command.clone(), other_end.to_string()))
        }
        // Color2 leaves the dimmer where it is; Color would set it to the colour's own brightness.
        (Order::Colour(suffix), Value::Text(text)) => {
            let Colour { r, g, b } = Colour::parse(text).ok_or_else(|| colour::WANTED.to_owned())?;
            Ok(("Color2".to_owned(), format!("{r},{g},{b}{suffix}")))
        }
        (Order::Colour(_), _) => Err(colour::WANTED.to_owned()),
        (Order::Shutter(n), Value::Text(word)) if word == "OPEN" => Ok((format!("ShutterOpen{n}"), String::new())),
        (Order::Shutter(n), Value::Text(word)) if word == "CLOSE" => Ok((format!("ShutterClose{n}"), String::new())),
        (Order::Shutter(n), Value::Text(word)) if word == "STOP" => Ok((format!("ShutterStop{n}"), String::new())),
        (Order::Shutter(_), _) => Err("one of OPEN, CLOSE, STOP".to_owned()),
    }
}

/// A whole number within the bounds: the firmware would cut a fraction off.
fn whole(value: &Value, shape: Option<&Shape>) -> Result<Decimal, String> {
    let (min, max) = match shape {
        Some(Shape::Number { min: Some(min), max: Some(max) }) => (*min, *max),
        _ => (Decimal::ZERO, Decimal::ONE_HUNDRED),
    };
    let number = value.number().map(|number| number.round()).filter(|number| *number >= min && *number <= max);
    number.map(|number| number.normalize()).ok_or_else(|| format!("a whole number from {min} to {max}"))
}

/// Whether a report says that a command was carried out.
pub(super) fn confirms(command: &Command, report: &Observation, directory: &Directory) -> bool {
    let known = directory.known(&command.target.device);
    let order = facts::of(known).and_then(|facts| facts.order(&command.target.property));
    match (order, &command.value, &report.value) {
        // It obeys as soon as it moves that way; it has stopped once it moves no way.
        (Some(Order::Shutter(_)), Value::Text(wanted), Value::Text(said)) => match wanted.as_str() {
            "OPEN" => matches!(said.as_str(), "OPEN" | "OPENING"),
            "CLOSE" => matches!(said.as_str(), "CLOSE" | "CLOSING"),
            _ => matches!(said.as_str(), "OPEN" | "CLOSE"),
        },
        (Some(Order::Colour(_)), Value::Text(wanted), Value::Text(said)) => {
            Colour::parse(wanted).zip(Colour::parse(said)).is_some_and(|(wanted, said)| wanted.is_near(said))
        }
        (Some(Order::Number(name) | Order::Inverted(name)), Value::Number(wanted), Value::Number(said))
            if rounds(name) && !wanted.is_zero() =>
        {
            wanted.checked_sub(*said).is_some_and(|apart| apart.abs() <= Decimal::ONE)
        }
        // A speed, a scheme, an angle is what it was told to be; and a lamp at 1 is not dark.
        (_, wanted, said) => wanted == said,
    }
}

/// What the firmware keeps on a scale of its own (10 bits of a dimmer, the time that a shutter runs) and says in per cent.
fn rounds(command: &str) -> bool {
    let name = command.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(name, "Dimmer" | "White" | "Channel" | "HsbColor" | "ShutterPosition")
}

/// What a device that was just found is asked: its state, and its sensors, which would else be silent for five minutes
/// (TelePeriod). One that sleeps deeply reports when it wakes and hears nothing else.
pub(super) fn questions(known: &Announcement) -> Vec<Outgoing> {
    let Some(base) = known.listens.first().filter(|_| !known.sleeps) else { return Vec::new() };
    vec![Outgoing::command(format!("{base}/STATE"), ""), Outgoing::command(format!("{base}/STATUS"), "10")]
}

/// After a restart the states are asked for: nobody retains them.
pub(super) fn greetings(directory: &Directory) -> Vec<Outgoing> {
    let known = directory.devices_of(NAME).filter(|known| !known.sleeps);
    known.take(MAX_GREETED).flat_map(questions).collect()
}

/// There is no bridge; what can be asked of a device is its state.
pub(super) fn errand(errand: &Errand, _: &str, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let device = errand.device();
    let Errand::Refresh(_) = errand else { return Err(EncodeError::NoBridge(device.clone())) };
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let asked = questions(known);
    if asked.is_empty() { Err(EncodeError::Unasked(device.clone())) } else { Ok(asked) }
}

/// Relays that Tasmota numbers on the boards that it knows by name.
const MOST_RELAYS: usize = 8;

/// What a device retains by itself: its discovery, its will, and what its settings may have it retain.
pub(super) fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    if device.dialect != NAME {
        return Vec::new();
    }
    if let Some(t) = device.id.strip_prefix("topic:") {
        let tele = discovery::provisional(directory.bases(NAME), "tele", t);
        return tele.into_iter().map(|base| format!("{base}/LWT")).collect();
    }
    let Some(mac) = discovery::mac(&device.id) else { return Vec::new() };
    let routes =
        facts::of(directory.known(device)).and_then(|facts| facts.config.as_ref()).map(|config| &config.routes);
    // PowerRetain, SensorRetain, StateRetain and InfoRetain are settings of the device that nobody is told of.
    let wills = routes.into_iter().flatten().flat_map(|route| {
        let tele = ["LWT", "STATE", "SENSOR", "INFO1", "INFO2", "INFO3"].map(|part| format!("{}/{part}", route.tele));
        let powers = (1..=MOST_RELAYS).map(|relay| format!("{}/POWER{relay}", route.stat));
        tele.into_iter().chain([format!("{}/POWER", route.stat)]).chain(powers).collect::<Vec<_>>()
    });
    ["config", "sensors"].iter().map(|part| format!("tasmota/discovery/{mac}/{part}")).chain(wills).collect()
}
