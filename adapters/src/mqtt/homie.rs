//! The Homie convention: version 5 (`homie/5/<device>/$description`, one JSON) and its forerunners 3 and 4
//! (`homie/<device>/<node>/<property>/$datatype`, one topic for each word). What a device has, it says; nothing is guessed.
//!
//! The identity is the device's id, which the convention makes unique below a domain. A property is called as its topic has
//! it: `node/property`. Deliberately left alone: logs, broadcasts, statistics, and extensions but the one for firmware.

mod datatype;
mod description;
mod older;
mod order;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{DeviceRef, Value};

use crate::fault::printable;
use crate::json::{self, MAX_PAYLOAD};
use crate::report::{self, Report};
use crate::{
    Announcement, Category, Claim, DecodeError, Decoded, Dialect, Directory, Envelope, PropertyInfo, Reach, Reached,
    Warning, What, plain,
};

const NAME: &str = "homie";

/// The dialect. A base is what version 5 calls a domain.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["homie"],
    topics,
    claim,
    decode,
    encode: order::encode,
    is_command,
    confirms: order::confirms,
    underway: order::underway,
    greetings: plain::no_greetings,
    errand: plain::no_errands,
    retained,
    confirms_within: Duration::from_secs(10),
};

/// The level that says which version it is.
const FIVE: &str = "5";

fn topics(directory: &Directory) -> Vec<String> {
    let of = |base: &String| {
        [
            format!("{base}/5/+/$state"),
            format!("{base}/5/+/$description"),
            format!("{base}/5/+/$alert/+"),
            format!("{base}/5/+/+/+"),
            format!("{base}/5/+/+/+/$target"),
            format!("{base}/+/+"),
            format!("{base}/+/+/+"),
            format!("{base}/+/+/+/+"),
        ]
    };
    directory.bases(NAME).iter().flat_map(of).collect()
}

/// A topic, taken apart.
struct Place<'t> {
    base: &'t str,
    is_five: bool,
    device: &'t str,
    part: &'t str,
}

impl Place<'_> {
    /// Of a second domain the identity names it.
    fn device(&self, id: &str, directory: &Directory) -> DeviceRef {
        let is_first = directory.bases(NAME).first().is_some_and(|first| first == self.base);
        DeviceRef::new(NAME, if is_first { id.to_owned() } else { format!("{}/{id}", self.base) })
    }

    fn prefix(&self) -> String {
        let version = if self.is_five { "5/" } else { "" };
        format!("{}/{version}{}", self.base, self.device)
    }
}

fn place<'t>(topic: &'t str, directory: &Directory) -> Option<Place<'t>> {
    let base = directory
        .bases(NAME)
        .iter()
        .find(|base| topic.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/')))?;
    let (base, rest) = topic.split_at_checked(base.len())?;
    let rest = rest.strip_prefix('/')?;
    let (is_five, rest) = match rest.split_once('/') {
        Some((FIVE, rest)) => (true, rest),
        _ => (false, rest),
    };
    let (device, part) = rest.split_once('/')?;
    is_id(device).then_some(Place { base, is_five, device, part })
}

/// Version 5: `a-z0-9-`; the older ones allowed capitals in the field, whatever they said.
fn is_id(text: &str) -> bool {
    !text.starts_with('$') && json::is_name(text) && !text.contains(['/', '+', '#'])
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let place = place(envelope.topic, directory)?;
    let levels: Vec<&str> = place.part.split('/').collect();
    let ours = match levels.as_slice() {
        ["$state"] => true,
        ["$description"] | ["$alert", _] => place.is_five,
        ["$name" | "$homie" | "$nodes" | "$mac" | "$fw"] => !place.is_five,
        [node, property] if property.starts_with('$') => !place.is_five && is_id(node),
        [node, property] => is_id(node) && is_id(property),
        [node, property, "$target"] => place.is_five && is_id(node) && is_id(property),
        [node, property, attribute] => !place.is_five && is_id(node) && is_id(property) && attribute.starts_with('$'),
        _ => false,
    };
    let device = place.device(place.device, directory);
    ours.then(|| Claim { dialect: NAME, device, part: place.part.to_owned() })
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let Some(place) = place(envelope.topic, directory) else { return Ok(Decoded::default()) };
    let mut report = Report::of(&claim.device, directory);
    let prefix = place.prefix();
    if report.about.speaks.first() != Some(&prefix) {
        report.about.speaks = vec![prefix];
        report.about.reaches = vec![Reach::Latest];
    }
    let levels: Vec<&str> = claim.part.split('/').collect();
    match levels.as_slice() {
        ["$state"] => state(&mut report, envelope, directory)?,
        ["$description"] if envelope.payload.is_empty() => {
            let gone = Announcement { gone: true, ..Announcement::of(claim.device.clone()) };
            return Ok(Decoded { announcements: vec![gone], ..Decoded::default() });
        }
        ["$description"] => description::read(&mut report, envelope.payload, &place, directory)?,
        ["$alert", id] => alert(&mut report, id, envelope)?,
        [_, _, "$target"] => target(&mut report, &claim.part, envelope)?,
        [..] if levels.iter().any(|level| level.starts_with('$')) => older::attribute(&mut report, &levels, envelope)?,
        _ => value(&mut report, &claim.part, &place, envelope)?,
    }
    Ok(report.finish())
}

/// A value. One of a property that nobody has described waits (older versions) or is not looked at (version 5).
fn value(report: &mut Report<'_>, name: &str, place: &Place<'_>, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let text = datatype::text(envelope.payload)?;
    match report.about.property(name).cloned() {
        Some(info) => {
            // What is not retained happens; what the broker replays of it is over.
            if info.class.as_deref() == Some("event") && envelope.retained {
                return Ok(());
            }
            datatype::say(report, info, text);
        }
        None if !place.is_five => older::wait(report, name, text),
        None => {}
    }
    Ok(())
}

/// `$target`: the device has accepted a command and is on its way.
fn target(report: &mut Report<'_>, part: &str, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let name = part.trim_end_matches("/$target");
    let text = datatype::text(envelope.payload)?;
    let Some(info) = report.about.property(name).cloned() else { return Ok(()) };
    let wanted = info.named(part).with(|one| {
        one.writable = false;
        one.hazard = None;
        one.category = Category::Diagnostic;
    });
    datatype::say(report, wanted, text);
    Ok(())
}

/// init, ready, disconnected, sleeping, lost; `alert` of version 3 and 4 is ready with a complaint. A child is in reach as
/// long as its root is.
fn state(report: &mut Report<'_>, envelope: &Envelope<'_>, directory: &Directory) -> Result<(), DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    let device = report.about.device.clone();
    let available = match text {
        "" => {
            // Older versions have nothing else whose end says that a device was removed.
            report.about.gone = report.about.lore.as_ref().is_some_and(|lore| lore.get::<older::Facts>().is_some());
            return Ok(());
        }
        "ready" | "alert" => true,
        "sleeping" => {
            report.about.sleeps = true;
            true
        }
        "disconnected" | "lost" => false,
        "init" => return Ok(()),
        _ => return Err(DecodeError::new(What::WrongType, "$state", text)),
    };
    if text == "alert" || report.about.property("$state").is_some() {
        let info = PropertyInfo::new("$state", report::switch("alert", "ready")).with(|one| {
            one.class = Some("problem".into());
            one.category = Category::Diagnostic;
            one.warning = Some(Warning::Fault);
        });
        report.say(info, Value::Bool(text == "alert"));
    }
    let reach = |device: DeviceRef, source| Reached { device, group: 0, source, available };
    let children = directory.devices_of(NAME).filter(|known| known.via.as_ref() == Some(&device));
    let said: Vec<Reached> = children.map(|child| reach(child.device.clone(), 1)).collect();
    report.out.reached.push(reach(device, 0));
    report.out.reached.extend(said);
    Ok(())
}

/// `$alert/<id>`: a sentence for people; an empty one and it is over.
fn alert(report: &mut Report<'_>, id: &str, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    if !is_id(id) {
        return Err(DecodeError::new(What::BadName, "$alert", id));
    }
    let words = json::text(envelope.payload, json::MAX_TEXT)?.trim_matches(['\0', ' ']);
    let name = format!("$alert/{id}");
    if words.is_empty() && report.about.property(&name).is_none() {
        return Ok(());
    }
    let before = report.about.property(&name).and_then(|info| info.label.clone());
    let info = PropertyInfo::new(&name, report::flag()).with(|one| {
        one.class = Some("problem".into());
        one.warning = Some(if id.contains("battery") { Warning::Battery } else { Warning::Fault });
        one.label = if words.is_empty() { before } else { Some(printable(words).into()) };
    });
    report.is_now(info.clone());
    report.say(info, Value::Bool(!words.is_empty()));
    Ok(())
}

/// `…/<node>/<property>/set`.
fn is_command(topic: &str, directory: &Directory) -> bool {
    let Some(place) = place(topic, directory) else { return false };
    let levels: Vec<&str> = place.part.split('/').collect();
    matches!(levels.as_slice(), [_, _, "set"])
}

/// All of a device is retained.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let Some(known) = directory.known(device) else { return Vec::new() };
    let Some(prefix) = known.speaks.first() else { return Vec::new() };
    let is_older = older::facts(known).is_some();
    let own: &[&str] = if is_older { &["$homie", "$name", "$state", "$nodes"] } else { &["$state", "$description"] };
    let of_property = |info: &PropertyInfo| -> Vec<String> {
        let mut topics = vec![format!("{prefix}/{}", info.name)];
        if is_older {
            let words = ["$name", "$datatype", "$format", "$settable", "$unit"];
            topics.extend(words.iter().map(|word| format!("{prefix}/{}/{word}", info.name)));
        }
        topics
    };
    let own = own.iter().map(|word| format!("{prefix}/{word}"));
    let properties = known.properties.iter().filter(|info| info.name != "$state").flat_map(of_property);
    own.chain(properties).collect()
}
