//! ESPHome's own topics, for devices that do not announce themselves in the way of Home Assistant (`discovery: false`):
//! `<node>/<component>/<object>/state`, `…/command`, `<node>/status`, and `esphome/discover/<node>`.
//!
//! The identity is the MAC that a node tells when it is asked (`esphome/ping/<node>`); until then it is `topic:<node>`, and
//! whoever was announced as the speaker of a topic is believed instead. Native topics name no units: a number stands
//! without one. Deliberately left alone: the node's log, and what its own services may offer.

mod entity;
mod order;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{DeviceRef, Value};

use crate::bases::is_base;
use crate::fault::printable;
use crate::json::{self, MAX_PAYLOAD};
use crate::report::{self, Report};
use crate::{
    Announcement, Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Errand, Outgoing,
    PropertyInfo, Reach, Reached, What, plain,
};

const NAME: &str = "esphome";

/// The dialect. A base is the `topic_prefix` of the nodes, with `%device%` for the level that differs.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["%device%"],
    topics,
    claim,
    decode,
    encode: order::encode,
    is_command,
    confirms: order::confirms,
    underway: order::underway,
    greetings,
    errand,
    retained,
    confirms_within: Duration::from_secs(10),
};

/// What nodes answer below, when they are asked who they are.
const DISCOVER: &str = "esphome/discover/";
/// Nodes that are asked at once.
const MAX_GREETED: usize = 256;

fn topics(directory: &Directory) -> Vec<String> {
    let below = |base: &String| {
        let levels: Vec<&str> = base.split('/').map(|level| if level.contains('%') { "+" } else { level }).collect();
        let prefix = levels.join("/");
        ["status", "+/+/state", "+/+/+/state"].map(|part| format!("{prefix}/{part}"))
    };
    directory.bases(NAME).iter().flat_map(below).chain([format!("{DISCOVER}+")]).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let topic = envelope.topic;
    let claim = |device, part: &str| Some(Claim { dialect: NAME, device, part: part.to_owned() });
    if let Some(node) = topic.strip_prefix(DISCOVER).filter(|node| !node.is_empty() && !node.contains('/')) {
        let document = json::document(envelope.payload, MAX_PAYLOAD).ok();
        let mac = document.and_then(|document| mac_of(&json::members(&document).ok()?.text("mac")?));
        let known = directory.called(NAME, node).filter(|device| !device.id.starts_with("topic:"));
        let device = mac.map(|mac| DeviceRef::new(NAME, mac)).or_else(|| known.cloned())?;
        return claim(device, "discover");
    }
    if let Some((device, part)) = directory.speaker(NAME, topic) {
        return if part == "status" || entity::split(part).is_some() { claim(device.clone(), part) } else { None };
    }
    let (prefix, part) = by_base(topic, directory)?;
    let is_ours = entity::split(part).is_some() && !directory.is_below_another(NAME, topic);
    if is_ours { claim(DeviceRef::new(NAME, format!("topic:{prefix}")), part) } else { None }
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    if claim.part == "discover" {
        return discover(claim, envelope, directory);
    }
    let mut report = Report::of(&claim.device, directory);
    let is_new = report.about.speaks.is_empty();
    if is_new {
        introduce(&mut report.about, envelope.topic, &claim.part);
    }
    if claim.part == "status" {
        status(&mut report, envelope)?;
    } else if let Some((component, object, field)) = entity::split(&claim.part) {
        entity::state(&mut report, component, object, field, envelope)?;
    }
    if is_new {
        report.out.asks.extend(question(&report.about));
    }
    Ok(report.finish())
}

/// Where it speaks and listens. Its name is the last level of its prefix.
fn introduce(about: &mut Announcement, topic: &str, part: &str) {
    let prefix = topic.strip_suffix(part).map_or(topic, |prefix| prefix.trim_end_matches('/'));
    let node = prefix.rsplit('/').next().unwrap_or(prefix);
    about.alias = Some(node.to_owned());
    about.name = Some(printable(node));
    about.speaks = vec![prefix.to_owned()];
    about.listens = vec![prefix.to_owned(), format!("esphome/ping/{node}")];
    about.reaches = vec![Reach::Latest];
    about.holds_topics = true;
}

/// `{"name":…,"friendly_name":…,"mac":…,"platform":…,"board":…,"version":…}`. Of a node whose states are somebody else's to
/// read nothing is made.
fn discover(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "discover", &document))?;
    let Some(node) = members.text("name").filter(|node| is_base(node)) else {
        return Err(DecodeError::new(What::BadName, "name", members.get("name").unwrap_or_default()));
    };
    let makeshift = directory
        .devices_of(NAME)
        .find(|known| known.device.id.starts_with("topic:") && known.alias.as_deref() == Some(&node));
    let known = directory.known(&claim.device);
    let Some(before) = known.or(makeshift) else { return Ok(Decoded::default()) };
    let mut about = Announcement { device: claim.device.clone(), ..before.clone() };
    about.name = members.text("friendly_name").map(|name| printable(&name)).or(about.name);
    let words = [members.text("platform"), members.text("board")];
    let model: Vec<String> = words.into_iter().flatten().map(|word| printable(&word)).collect();
    about.model = if model.is_empty() { about.model } else { Some(model.join(" ")) };
    let mut out = Decoded::default();
    if let Some(makeshift) = makeshift {
        // Its topics are the real one's now.
        out.announcements.push(Announcement { gone: true, ..Announcement::of(makeshift.device.clone()) });
    }
    if makeshift.is_some() || known != Some(&about) {
        out.announcements.push(about);
    }
    Ok(out)
}

fn status(report: &mut Report<'_>, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    let available = match text {
        "online" => true,
        "offline" => false,
        _ => return Err(DecodeError::new(What::WrongType, "status", text)),
    };
    let info = PropertyInfo::new("available", report::switch("online", "offline"));
    report.say(info.with(|one| one.category = Category::Diagnostic), Value::Bool(available));
    let device = report.about.device.clone();
    report.out.reached.push(Reached { device, group: 0, source: 0, available });
    Ok(())
}

/// Who it is.
fn question(about: &Announcement) -> Option<Outgoing> {
    let node = about.alias.as_deref()?;
    Some(Outgoing::command(format!("esphome/ping/{node}"), ""))
}

/// `<node>/<component>/<object>/command`, also with a field before it.
fn is_command(topic: &str, directory: &Directory) -> bool {
    if topic.starts_with("esphome/ping/") {
        return true;
    }
    let part = match directory.speaker(NAME, topic) {
        Some((_, part)) => Some(part),
        None => by_base(topic, directory).map(|(_, part)| part),
    };
    let state = part.and_then(|part| part.strip_suffix("/command"));
    state.is_some_and(|above| entity::split(&format!("{above}/state")).is_some())
}

/// States are retained; who a node is it tells when it is asked.
fn greetings(directory: &Directory) -> Vec<Outgoing> {
    let makeshift = directory.devices_of(NAME).filter(|known| known.device.id.starts_with("topic:"));
    makeshift.take(MAX_GREETED).filter_map(question).collect()
}

fn errand(errand: &Errand, transaction: &str, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let Errand::Interview(device) = errand else { return plain::no_errands(errand, transaction, directory) };
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    Ok(question(known).into_iter().collect())
}

fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let Some(known) = directory.known(device) else { return Vec::new() };
    let Some(prefix) = known.speaks.first() else { return Vec::new() };
    let states = known.properties.iter().filter_map(|info| Some(format!("{prefix}/{}", entity::topic(&info.name)?)));
    let discover = known.alias.iter().map(|node| format!("{DISCOVER}{node}"));
    let mut out: Vec<String> = [format!("{prefix}/status")].into_iter().chain(discover).chain(states).collect();
    out.dedup();
    out
}

/// The prefix of a topic and what is below it, if the prefix is of one of the patterns.
fn by_base<'t>(topic: &'t str, directory: &Directory) -> Option<(&'t str, &'t str)> {
    directory.bases(NAME).iter().find_map(|base| {
        let mut at = 0;
        let mut levels = topic.split('/');
        for wanted in base.split('/') {
            let level = levels.next()?;
            let is_wild = wanted.contains('%') && !level.is_empty();
            if !is_wild && wanted != level {
                return None;
            }
            at += level.len() + 1;
        }
        Some((topic.get(..at.saturating_sub(1))?, topic.get(at..)?))
    })
}

fn mac_of(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let ok = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| digits.to_ascii_uppercase())
}
