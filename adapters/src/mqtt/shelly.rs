//! Shelly's second generation and what came after it (Plus, Pro, Gen3, Gen4): JSON-RPC over MQTT. Its devices announce
//! themselves to nobody: they are found by what they notify (`…/events/rpc`), and asked who they are and how they stand.
//!
//! The identity is the MAC in the device's id (`src` of each message); the topics begin with whatever the owner chose.
//! Questions name an address below the device's own topics for the answer, since a device may publish nowhere else.
//! Deliberately left alone: scripts, the cloud, Bluetooth, updates.

mod component;
mod order;
mod status;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{DeviceRef, Value};

use crate::fault::printable;
use crate::json::{self, MAX_PAYLOAD, Members};
use crate::report::{self, Report};
use crate::{
    Announcement, Category, Claim, DecodeError, Decoded, Dialect, Directory, EncodeError, Envelope, Errand, Outgoing,
    PropertyInfo, Reach, Reached, What, plain,
};

const NAME: &str = "shelly";

/// The dialect. A base is the topic prefix of the devices, with `%device%` for the level that differs.
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

/// What is heard of a device below its prefix; the answers to our own questions among it.
const PARTS: &[&str] = &["online", "events/rpc", ANSWERS];
/// Where a device is told to answer, below its prefix.
const ANSWERS: &str = "domovoi/rpc";
/// The same as the `src` of a question has it: the device appends `/rpc`.
const ANSWERED_AT: &str = "domovoi";
/// Devices that are asked for their states at once.
const MAX_GREETED: usize = 256;

fn topics(directory: &Directory) -> Vec<String> {
    let wild = directory.bases(NAME).iter().map(|base| {
        let levels: Vec<&str> = base.split('/').map(|level| if level.contains('%') { "+" } else { level }).collect();
        levels.join("/")
    });
    let filters = |prefix: String| {
        PARTS.iter().map(|part| format!("{prefix}/{part}")).chain([format!("{prefix}/status/+")]).collect::<Vec<_>>()
    };
    wild.flat_map(filters).collect()
}

/// A prefix that is known, a device by its id, or whoever says in the message that it is a Shelly.
fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let topic = envelope.topic;
    let claim = |device, part: &str| Some(Claim { dialect: NAME, device, part: part.to_owned() });
    let ours = |part: &str| PARTS.contains(&part) || component_of(part).is_some();
    if let Some((device, part)) = directory.speaker(NAME, topic) {
        return if ours(part) { claim(device.clone(), part) } else { None };
    }
    let (prefix, part) = split(topic)?;
    // What ends in a device's own id is its, wherever it is; only `online` of the first generation looks the same.
    if let Some(id) = prefix.rsplit('/').next().and_then(identity).filter(|_| part != "online" || !prefix.contains('/'))
    {
        return claim(DeviceRef::new(NAME, id), part);
    }
    if !is_below_bases(prefix, directory) {
        return None;
    }
    // Under a prefix of the owner's own only a message that names its device says whose it is.
    if component_of(part).is_some() || part == "online" {
        return None;
    }
    claim(DeviceRef::new(NAME, source(envelope.payload)?), part)
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    let mut report = Report::of(&claim.device, directory);
    let is_new = introduce(&mut report, envelope.topic, &claim.part);
    if claim.part == "online" {
        online(&mut report, envelope)?;
        return Ok(report.finish());
    }
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, &claim.part, &document))?;
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, key, raw);
    }
    match component_of(&claim.part) {
        Some(component) => status::component(&mut report, component, &members, envelope.retained),
        None => message(&mut report, claim, &members, envelope.retained)?,
    }
    if is_new && !report.about.sleeps {
        report.out.asks.extend(questions(&report.about));
    }
    Ok(report.finish())
}

/// A notification, or the answer to a question.
fn message(report: &mut Report<'_>, claim: &Claim, members: &Members<'_>, retained: bool) -> Result<(), DecodeError> {
    // A device speaks for itself alone.
    let source = members.text("src").and_then(|source| identity(&source));
    if source.as_deref() != Some(&claim.device.id) {
        return Err(DecodeError::new(What::BadName, "src", members.get("src").unwrap_or_default()));
    }
    let object = |raw: Option<&str>, at: &str| match raw.map(|raw| (raw.to_owned(), json::members(raw).is_ok())) {
        Some((raw, true)) => Ok(raw),
        Some((raw, false)) => Err(DecodeError::new(What::WrongType, at, &raw)),
        None => Ok("{}".to_owned()),
    };
    let wrong = |at: &'static str| move |what: What| DecodeError::new(what, at, "");
    match members.text("method").as_deref() {
        Some(method @ ("NotifyStatus" | "NotifyFullStatus")) => {
            let params = object(members.get("params"), "params")?;
            let params = json::members(&params).map_err(wrong("params"))?;
            // Who tells everything when it wakes sleeps in between.
            if method == "NotifyFullStatus" && is_battery_powered(&params) {
                report.about.sleeps = true;
                report.about.reaches.clear();
            }
            status::all(report, &params, retained);
        }
        Some("NotifyEvent") => {
            let params = object(members.get("params"), "params")?;
            status::events(report, &json::members(&params).map_err(wrong("params"))?, retained);
        }
        Some(_) => {}
        None => match members.get("result") {
            Some(result) => answer(report, result)?,
            None => {
                if let Some(raw) = members.get("error") {
                    let error = json::members(raw).ok();
                    let words = error.and_then(|error| error.text("message")).unwrap_or_default();
                    report.fault(What::Foreign, "the device refused", &words);
                }
            }
        },
    }
    Ok(())
}

/// Of all answers only three are of use, and each is told by what is in it.
fn answer(report: &mut Report<'_>, raw: &str) -> Result<(), DecodeError> {
    // The answer to a command is null, or how it was before.
    let Ok(result) = json::members(raw) else { return Ok(()) };
    if result.get("mac").is_some() && result.get("model").is_some() {
        let about = &mut report.about;
        about.name = result.text("name").map(|name| printable(&name)).or(about.name.take());
        let words = [result.text("app"), result.text("model")];
        let model: Vec<String> = words.into_iter().flatten().map(|word| printable(&word)).collect();
        about.model = Some(format!("Shelly {}", model.join(" ")));
        return Ok(());
    }
    if result.list.iter().any(|(key, raw)| key.contains(':') && is_config(raw)) {
        status::config(report, &result);
    } else if result.get("sys").is_some() || result.list.iter().any(|(key, _)| key.contains(':')) {
        status::all(report, &result, false);
    }
    Ok(())
}

/// What is set of a component has its id, and a name, be it null.
fn is_config(raw: &str) -> bool {
    json::members(raw).is_ok_and(|members| members.get("id").is_some() && members.get("name").is_some())
}

fn is_battery_powered(params: &Members<'_>) -> bool {
    let power = params.list.iter().find(|(key, _)| key.starts_with("devicepower:"));
    let Some(Ok(power)) = power.map(|(_, raw)| json::members(raw)) else { return false };
    let external = power.get("external").and_then(|raw| json::members(raw).ok());
    external.and_then(|external| external.get("present").map(|raw| raw.trim() == "true")) != Some(true)
}

/// The will and its opposite, retained. Who is back is asked what it missed to say.
fn online(report: &mut Report<'_>, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
    let text = json::text(envelope.payload, MAX_PAYLOAD)?.trim();
    let available = match text {
        "true" => true,
        "false" => false,
        _ => return Err(DecodeError::new(What::WrongType, "online", text)),
    };
    let info = PropertyInfo::new("available", report::switch("true", "false"));
    report.say(info.with(|one| one.category = Category::Diagnostic), Value::Bool(available));
    if report.about.sleeps {
        return Ok(());
    }
    let device = report.about.device.clone();
    report.out.reached.push(Reached { device, group: 0, source: 0, available });
    if available && !envelope.retained {
        report.out.asks.extend(questions(&report.about));
    }
    Ok(())
}

/// Where it speaks and listens; whether that is news.
fn introduce(report: &mut Report<'_>, topic: &str, part: &str) -> bool {
    let prefix = topic.strip_suffix(part).map_or(topic, |prefix| prefix.trim_end_matches('/'));
    let about = &mut report.about;
    if about.speaks.iter().any(|speaks| speaks == prefix) {
        return false;
    }
    about.alias = Some(prefix.to_owned());
    about.holds_topics = true;
    about.speaks = vec![prefix.to_owned()];
    about.listens = vec![format!("{prefix}/rpc"), format!("{prefix}/command")];
    about.reaches = if about.sleeps { Vec::new() } else { vec![Reach::Latest] };
    true
}

/// Who it is, what was set of its components, how they stand.
fn questions(about: &Announcement) -> Vec<Outgoing> {
    let ask = |(at, method): (usize, &&str)| request(about, &at.to_string(), method, "");
    ["Shelly.GetDeviceInfo", "Shelly.GetConfig", "Shelly.GetStatus"].iter().enumerate().filter_map(ask).collect()
}

/// A request in the device's words; `params` without its braces.
fn request(about: &Announcement, id: &str, method: &str, params: &str) -> Option<Outgoing> {
    let prefix = about.speaks.first()?;
    let params = if params.is_empty() { String::new() } else { format!(",\"params\":{{{params}}}") };
    let source = json::quoted(&format!("{prefix}/{ANSWERED_AT}"));
    let payload = format!("{{\"id\":{},\"src\":{source},\"method\":\"{method}\"{params}}}", json::quoted(id));
    Some(Outgoing::command(format!("{prefix}/rpc"), payload))
}

/// `<prefix>/rpc`, `<prefix>/command` and what is below it.
fn is_command(topic: &str, directory: &Directory) -> bool {
    match directory.speaker(NAME, topic) {
        Some((_, part)) => part == "rpc" || part == "command" || part.starts_with("command/"),
        None => {
            let prefix = topic.strip_suffix("/rpc").or_else(|| topic.split_once("/command").map(|(prefix, _)| prefix));
            prefix.is_some_and(|prefix| prefix.rsplit('/').next().and_then(identity).is_some())
        }
    }
}

/// Nobody retains how a device stands.
fn greetings(directory: &Directory) -> Vec<Outgoing> {
    let awake = directory.devices_of(NAME).filter(|known| !known.sleeps);
    awake.take(MAX_GREETED).filter_map(|known| request(known, "2", "Shelly.GetStatus", "")).collect()
}

fn errand(errand: &Errand, transaction: &str, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let Errand::Refresh(device) = errand else { return plain::no_errands(errand, transaction, directory) };
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let asked = questions(known);
    if known.sleeps || asked.is_empty() { Err(EncodeError::Unasked(device.clone())) } else { Ok(asked) }
}

fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let known = directory.known(device);
    known.into_iter().flat_map(|known| &known.speaks).map(|prefix| format!("{prefix}/online")).collect()
}

/// `shellyplus1pm-a8032ab12345` → the MAC, upper case.
fn identity(id: &str) -> Option<String> {
    let (model, mac) = id.rsplit_once('-')?;
    let is_mac = mac.len() == 12 && mac.bytes().all(|b| b.is_ascii_hexdigit());
    (is_mac && model.to_ascii_lowercase().starts_with("shelly")).then(|| mac.to_ascii_uppercase())
}

/// `src` of a message; no more of the payload is looked at than that takes.
fn source(payload: &[u8]) -> Option<String> {
    let document = json::document(payload, MAX_PAYLOAD).ok()?;
    let members = json::members(&document).ok()?;
    identity(&members.text("src")?)
}

/// `status/switch:0` → `switch:0`.
fn component_of(part: &str) -> Option<&str> {
    part.strip_prefix("status/").filter(|component| !component.is_empty() && !component.contains('/'))
}

/// The prefix of a topic that ends as a Shelly's do.
fn split(topic: &str) -> Option<(&str, &str)> {
    let whole = PARTS.iter().find_map(|part| Some((topic.strip_suffix(part)?.strip_suffix('/')?, *part)));
    whole.or_else(|| {
        let (above, component) = topic.rsplit_once('/')?;
        let prefix = above.strip_suffix("/status")?;
        Some((prefix, topic.get(topic.len().saturating_sub("status/".len() + component.len())..)?))
    })
}

/// Whether a prefix is of one of the patterns.
fn is_below_bases(prefix: &str, directory: &Directory) -> bool {
    directory.bases(NAME).iter().any(|base| {
        let (mut wanted, mut levels) = (base.split('/'), prefix.split('/'));
        loop {
            match (wanted.next(), levels.next()) {
                (None, None) => return true,
                (Some(wanted), Some(level)) if wanted.contains('%') && !level.is_empty() || wanted == level => {}
                _ => return false,
            }
        }
    })
}
