//! The MQTT conventions of Wiren Board controllers: `/devices/<device>/controls/<control>` with its value, `…/meta` beside
//! it, `…/on` for commands. What wb-mqtt-serial reads of a house's meters comes so, in the units of Russian bills.
//!
//! The identity is the name of the device in its topics, which the drivers make of the module's model and address. A value
//! waits for its type: `1` of a switch is no number. Deliberately left alone: the RPC of the controller's own services.

mod control;
mod error;
mod meta;
#[cfg(test)]
mod tests;
mod types;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Observation, Value};

use crate::json::{self, MAX_TEXT};
use crate::report::Report;
use crate::{
    Announcement, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Outgoing, Shape, plain,
};
use control::{Controls, colour_of};

const NAME: &str = "wirenboard";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["/devices"],
    topics,
    claim,
    decode,
    encode,
    is_command,
    confirms,
    underway: plain::never_underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained,
    // wb-mqtt-serial asks a slow bus in turn.
    confirms_within: Duration::from_secs(20),
};

/// What is said of devices and controls, and by them. Not what they are told.
fn topics(directory: &Directory) -> Vec<String> {
    let of = |base: &String| {
        ["+/meta", "+/meta/+", "+/controls/+", "+/controls/+/meta", "+/controls/+/meta/+"]
            .map(|below| format!("{base}/{below}"))
    };
    directory.bases(NAME).iter().flat_map(of).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let (device, part) = split(envelope.topic, directory)?;
    let levels: Vec<&str> = part.split('/').collect();
    let ours = match levels.as_slice() {
        ["meta"] => true,
        ["meta", field] => !field.is_empty(),
        ["controls", control] | ["controls", control, "meta"] => json::is_name(control),
        ["controls", control, "meta", field] => json::is_name(control) && !field.is_empty(),
        _ => false,
    };
    ours.then(|| Claim { dialect: NAME, device, part: part.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let mut report = Report::of(&claim.device, directory);
    if report.about.speaks.is_empty() {
        let end = envelope.topic.len().saturating_sub(claim.part.len() + 1);
        report.about.speaks.push(envelope.topic.get(..end).unwrap_or_default().to_owned());
    }
    let mut controls = Controls::of(&report.about);
    let text = match json::text(envelope.payload, json::MAX_PAYLOAD) {
        // A bell in a text is still no value.
        Ok(text) => text.trim_end_matches(['\0', '\r', '\n']),
        Err(error) => return Err(error),
    };
    let levels: Vec<&str> = claim.part.split('/').collect();
    match levels.as_slice() {
        ["meta"] if text.is_empty() => {
            let gone = Announcement { gone: true, ..Announcement::of(claim.device.clone()) };
            return Ok(Decoded { announcements: vec![gone], ..Decoded::default() });
        }
        ["meta"] => meta::device(&mut report, text)?,
        ["meta", field] => meta::field_of_device(&mut report, field, text),
        ["controls", control] => controls.value(&mut report, control, text, envelope.retained),
        ["controls", control, "meta"] if text.is_empty() => controls.forget(&mut report, control),
        ["controls", control, "meta"] => {
            meta::control(&mut report, &mut controls, control, text)?;
            controls.settle(&mut report, control);
        }
        ["controls", control, "meta", "error"] => controls.error(&mut report, control, text),
        ["controls", control, "meta", field] => {
            meta::field(&mut report, &mut controls, control, field, text);
            controls.settle(&mut report, control);
        }
        _ => {}
    }
    controls.keep(&mut report.about);
    Ok(report.finish())
}

/// `…/on` takes what the value says.
fn encode(command: &Command, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
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
    let preset = |word: &str| info.presets.iter().find(|preset| preset.name == word).map(|preset| preset.value.clone());
    let value = match &command.value {
        Value::Text(word) => preset(word).unwrap_or_else(|| command.value.clone()),
        value => value.clone(),
    };
    let payload = match (&info.shape, &value) {
        (Shape::Switch { on, off }, Value::Bool(flag)) => if *flag { on } else { off }.to_string(),
        (Shape::Switch { .. }, _) => return Err(bad("yes or no".to_owned())),
        (Shape::Number { min, max }, Value::Number(number)) => {
            let is_within = min.is_none_or(|min| *number >= min) && max.is_none_or(|max| *number <= max);
            if !is_within {
                let bound =
                    |bound: &Option<_>| bound.map_or_else(|| "…".to_owned(), |n: rust_decimal::Decimal| n.to_string());
                return Err(bad(format!("a number from {} to {}", bound(min), bound(max))));
            }
            number.normalize().to_string()
        }
        (Shape::Number { .. }, _) => return Err(bad("a number".to_owned())),
        (_, Value::Text(text)) if info.class.as_deref() == Some("color") => {
            colour_of(text).ok_or_else(|| bad(crate::colour::WANTED.to_owned()))?
        }
        (Shape::Choice(words), Value::Text(word)) if !words.contains(word) => {
            return Err(bad(format!("one of {}", words.join(", "))));
        }
        // A button is pressed by whatever it is told.
        (Shape::Choice(_), Value::Text(_)) => "1".to_owned(),
        (_, Value::Text(text)) if text.len() <= MAX_TEXT => text.clone(),
        _ => return Err(bad("a text".to_owned())),
    };
    let base = known.speaks.first().map_or("", String::as_str);
    Ok(vec![Outgoing::command(format!("{base}/controls/{property}/on"), payload)])
}

/// `…/on` below a control.
fn is_command(topic: &str, directory: &Directory) -> bool {
    let Some((_, part)) = split(topic, directory) else { return false };
    let levels: Vec<&str> = part.split('/').collect();
    matches!(levels.as_slice(), ["controls", _, "on"])
}

/// A module rounds to what its register holds.
fn confirms(command: &Command, report: &Observation, directory: &Directory) -> bool {
    match (&command.value, &report.value) {
        (Value::Number(wanted), Value::Number(said)) => {
            let info = directory.property(&command.target.device, &command.target.property);
            let step = info.and_then(|info| info.step);
            let apart = wanted.checked_sub(*said).map(|apart| apart.abs());
            apart.is_some_and(|apart| apart.is_zero() || step.is_some_and(|step| apart < step))
        }
        (Value::Text(wanted), Value::Number(said)) => {
            let info = directory.property(&command.target.device, &command.target.property);
            let presets = info.map(|info| info.presets.as_slice()).unwrap_or_default();
            presets.iter().any(|preset| preset.name == *wanted && preset.value == Value::Number(*said))
        }
        (wanted, said) => wanted == said,
    }
}

/// All of a device is retained.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let Some(known) = directory.known(device) else { return Vec::new() };
    let Some(base) = known.speaks.first() else { return Vec::new() };
    let controls = Controls::of(known);
    let of_control = |control: &str| {
        ["", "/meta", "/meta/type", "/meta/error"].map(|below| format!("{base}/controls/{control}{below}"))
    };
    [format!("{base}/meta"), format!("{base}/meta/name"), format!("{base}/meta/error")]
        .into_iter()
        .chain(controls.names().flat_map(of_control))
        .collect()
}

/// The device of a topic, and what is below its name. Of a second controller the identity names the base.
fn split<'t>(topic: &'t str, directory: &Directory) -> Option<(DeviceRef, &'t str)> {
    let bases = directory.bases(NAME);
    let below = |base: &String| topic.strip_prefix(base.as_str())?.strip_prefix('/');
    let (at, base, rest) = bases.iter().enumerate().find_map(|(at, base)| Some((at, base, below(base)?)))?;
    let (name, part) = rest.split_once('/')?;
    let id = if at == 0 { name.to_owned() } else { format!("{base}/{name}") };
    (!name.is_empty()).then(|| (DeviceRef::new(NAME, id), part))
}
