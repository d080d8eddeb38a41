//! What is asked of a bridge rather than of a device: to let devices in, to rename, to remove; what is asked of devices
//! themselves: their states; and where messages of a device stay on the broker.

use domovoi_model::DeviceRef;

use super::facts::{self, Get, Output};
use super::network::is_group;
use super::{Announcement, Directory, EncodeError, NAME, Outgoing, ieee, is_base, provisional_topic, split};
use crate::Errand;
use crate::json;

/// The longest that devices may join (Zigbee R22: 0xff would be for ever).
const MAX_SECONDS: u16 = 254;

/// Properties asked for in one greeting, and devices greeted: what hangs on the mains, by its main properties. A battery
/// device sleeps through the question, and a network takes some ten a second.
const MAX_GREETED: usize = 128;
const MAX_ASKED: usize = 4;
/// The same where a person asked for it.
const MAX_REFRESHED: usize = 32;

/// Topics that a bridge retains about itself.
const BRIDGE_TOPICS: &[&str] = &["state", "info", "devices", "groups", "definitions", "extensions", "converters"];

/// The question for what a device last knew: `…/get` with its readable properties. `None` if there is none.
pub(super) fn question(known: &Announcement, is_main_only: bool) -> Option<Outgoing> {
    let limit = if is_main_only { MAX_ASKED } else { MAX_REFRESHED };
    let gets = facts::of(Some(known)).map(|facts| facts.gets.as_slice()).unwrap_or_default();
    let wanted = |get: &&Get| !is_main_only || get.is_main;
    let questions: Vec<String> = gets
        .iter()
        .filter(wanted)
        .take(limit)
        .map(|get| format!("{}:{}", json::quoted(&get.property), get.question))
        .collect();
    let topic = known.listens.first().filter(|_| !questions.is_empty())?;
    Some(Outgoing::command(format!("{topic}/get"), format!("{{{}}}", questions.join(","))))
}

/// After a restart the states of those that are awake are asked for: nobody retains them.
pub(super) fn greetings(directory: &Directory) -> Vec<Outgoing> {
    let awake = directory.devices_of(NAME).filter(|known| !known.sleeps);
    let enabled = awake.filter(|known| !facts::of(Some(known)).is_some_and(|facts| facts.is_disabled));
    enabled.filter_map(|known| question(known, true)).take(MAX_GREETED).collect()
}

/// How an errand is said.
pub(super) fn errand(errand: &Errand, transaction: &str, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let device = errand.device();
    let base = base(device, directory).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let is_bridge = device.id.starts_with("bridge:");
    let kind = if is_group(device) { "group" } else { "device" };
    let id = id(device, directory);
    let (what, members) = match errand {
        Errand::PermitJoin { seconds, .. } => {
            let time = (*seconds).min(MAX_SECONDS);
            let through = if is_bridge { String::new() } else { format!(",\"device\":{id}") };
            ("permit_join".to_owned(), format!("\"time\":{time}{through}"))
        }
        Errand::Refresh(_) if is_bridge => ("health_check".to_owned(), String::new()),
        Errand::Refresh(_) => {
            let asked = directory.known(device).and_then(|known| question(known, false));
            return asked.map(|out| vec![out]).ok_or_else(|| EncodeError::Unasked(device.clone()));
        }
        _ if is_bridge => return Err(EncodeError::NoBridge(device.clone())),
        Errand::Rename { to, .. } => {
            let to = name(device, to)?;
            (format!("{kind}/rename"), format!("\"from\":{id},\"to\":{}", json::quoted(to)))
        }
        Errand::Remove { force, .. } => (format!("{kind}/remove"), format!("\"id\":{id},\"force\":{force}")),
        // A group has nothing inside that could be asked.
        Errand::Interview(_) | Errand::Configure(_) if is_group(device) => {
            return Err(EncodeError::Unasked(device.clone()));
        }
        Errand::Interview(_) => ("device/interview".to_owned(), format!("\"id\":{id}")),
        Errand::Configure(_) => ("device/configure".to_owned(), format!("\"id\":{id}")),
    };
    let comma = if members.is_empty() { "" } else { "," };
    let payload = format!("{{{members}{comma}\"transaction\":{}}}", json::quoted(transaction));
    Ok(vec![Outgoing::command(format!("{base}/bridge/request/{what}"), payload)])
}

/// Where messages of a device may be retained.
pub(super) fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    if let Some(base) = device.id.strip_prefix("bridge:").filter(|base| directory.bases(NAME).iter().any(|b| b == base))
    {
        return BRIDGE_TOPICS.iter().map(|topic| format!("{base}/bridge/{topic}")).collect();
    }
    let known = directory.known(device);
    let topic = match known {
        Some(known) => known.listens.first().cloned(),
        None => provisional_topic(device, directory),
    };
    let Some(topic) = topic.filter(|_| device.dialect == NAME) else { return Vec::new() };
    let mut out = vec![topic.clone(), format!("{topic}/availability")];
    let via = known.and_then(|known| known.via.as_ref());
    if via.is_some_and(|bridge| facts::of_bridge(bridge, directory).output == Output::Attribute) {
        let composites = facts::of(known).map(|facts| facts.composites.as_slice()).unwrap_or_default();
        for info in known.map(|known| known.properties.as_slice()).unwrap_or_default() {
            // A composite has no topic, its parts have: `color-x`.
            let part = composites.iter().find_map(|composite| {
                let part = info.name.strip_prefix(composite.property.as_str())?.strip_prefix('_')?;
                Some(format!("{}-{part}", composite.property))
            });
            if info.reported && !composites.iter().any(|composite| composite.property == info.name) {
                out.push(format!("{topic}/{}", part.as_deref().unwrap_or(&info.name)));
            }
        }
    }
    out
}

/// The base of the bridge behind which a device is, or of the bridge itself.
fn base<'d>(device: &'d DeviceRef, directory: &'d Directory) -> Option<&'d str> {
    let known = directory.known(device).and_then(|known| known.via.as_ref()).unwrap_or(device);
    match known.id.strip_prefix("bridge:") {
        Some(base) => directory.bases(NAME).iter().map(String::as_str).find(|other| *other == base),
        None => {
            let topic = provisional_topic(device, directory)?;
            let (base, _) = split(directory, &topic)?;
            directory.bases(NAME).iter().map(String::as_str).find(|other| *other == base)
        }
    }
}

/// What the bridge is told of whom: the address, the number of a group, the name of what has neither yet. As JSON.
fn id(device: &DeviceRef, directory: &Directory) -> String {
    if let Some(number) = device.id.strip_prefix("group:").and_then(|id| id.rsplit('/').next()) {
        return number.parse::<u32>().map_or_else(|_| json::quoted(number), |number| number.to_string());
    }
    match ieee(&device.id) {
        Some(address) => json::quoted(&address),
        // The name of what is behind another bridge than the first carries its base, of which that bridge knows nothing.
        None => {
            let name = device.id.strip_prefix("name:").unwrap_or(&device.id);
            json::quoted(split(directory, name).map_or(name, |(_, name)| name))
        }
    }
}

/// A name that the bridge will take (its validateFriendlyName), so that a person is told at once and in our words.
fn name<'n>(device: &DeviceRef, to: &'n str) -> Result<&'n str, EncodeError> {
    let to = to.trim();
    let last = to.rsplit_once('/').map(|(_, last)| last);
    let ends_in_number = last.is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let is_bad = !is_base(to) || to.len() > 128 || to.starts_with('/') || ends_in_number;
    // Below `bridge` it would be taken for the bridge itself.
    if is_bad || to == "bridge" || to.starts_with("bridge/") || to.eq_ignore_ascii_case("coordinator") {
        return Err(EncodeError::BadValue {
            device: device.clone(),
            property: "name".to_owned(),
            wanted: "a name of 1 to 128 characters without + and #, that does not begin or end with a slash, nor \
                     end with a slash and a number, and is not «bridge» or below it"
                .to_owned(),
        });
    }
    Ok(to)
}
