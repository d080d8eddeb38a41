//! Shelly's first generation: `shellies/<id>/relay/0` and its kin, one plain value in each topic, commands in `…/command`
//! and `…/set`, `shellies/announce`.
//!
//! The identity is the device's id, which has the end of its MAC in it; of a device to which its owner gave another id the
//! MAC that it announces, and until then it is `topic:<id>`. Deliberately left alone: `info`, which names the owner's
//! network, and the firmware's updates.

mod order;
mod part;
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

const NAME: &str = "shelly_gen1";

/// The dialect.
pub const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &["shellies"],
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

/// Devices that are asked for their states at once.
const MAX_GREETED: usize = 256;

fn topics(directory: &Directory) -> Vec<String> {
    directory.bases(NAME).iter().map(|base| format!("{base}/#")).collect()
}

fn claim(envelope: &Envelope<'_>, directory: &Directory) -> Option<Claim> {
    let (_, rest) = split(envelope.topic, directory)?;
    let claim = |device, part: &str| Some(Claim { dialect: NAME, device, part: part.to_owned() });
    if rest == "announce" {
        let id = id_of(envelope.payload)?;
        return claim(named(&id.0, Some(&id.1)), "announce");
    }
    let (id, part) = rest.split_once('/')?;
    // Gen2 devices whose owner chose the same beginning.
    let is_newer = part.starts_with("status/") || part.ends_with("rpc");
    if id.is_empty() || is_ordered(part) || part == "info" || is_newer {
        return None;
    }
    if part == "announce" {
        let said = id_of(envelope.payload)?;
        return claim(named(id, Some(&said.1)), part);
    }
    match directory.speaker(NAME, envelope.topic) {
        Some((device, _)) => claim(device.clone(), part),
        None => claim(named(id, None), part),
    }
}

fn decode(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    if envelope.payload.is_empty() {
        return Ok(Decoded::default());
    }
    let mut report = Report::of(&claim.device, directory);
    let is_new = introduce(&mut report, envelope, directory);
    match claim.part.as_str() {
        "announce" => announce(&mut report, envelope.payload)?,
        "online" => online(&mut report, envelope)?,
        part => part::value(&mut report, part, envelope)?,
    }
    if is_new && !report.about.sleeps && !report.about.speaks.is_empty() {
        report.out.asks.extend(question(&report.about));
    }
    Ok(report.finish())
}

/// Where it speaks and listens, by the topic or by what it announces.
fn introduce(report: &mut Report<'_>, envelope: &Envelope<'_>, directory: &Directory) -> bool {
    if !report.about.speaks.is_empty() {
        return false;
    }
    let Some((base, rest)) = split(envelope.topic, directory) else { return false };
    let id = match rest {
        "announce" => id_of(envelope.payload).map(|(id, _)| id),
        rest => rest.split('/').next().map(str::to_owned),
    };
    let Some(topic) = id.map(|id| format!("{base}/{id}")).filter(|topic| is_base(topic)) else { return false };
    let about = &mut report.about;
    about.alias = topic.rsplit('/').next().map(str::to_owned);
    about.listens = vec![topic.clone()];
    about.speaks = vec![topic];
    about.holds_topics = true;
    about.reaches = vec![Reach::Latest];
    true
}

/// `{"id":…,"mac":…,"model":…,"fw_ver":…}`.
fn announce(report: &mut Report<'_>, payload: &[u8]) -> Result<(), DecodeError> {
    let document = json::document(payload, MAX_PAYLOAD)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "announce", &document))?;
    let about = &mut report.about;
    about.model = members.text("model").map(|model| format!("Shelly {}", printable(&model))).or(about.model.take());
    if let Some(mac) = members.text("mac").and_then(|mac| mac_of(&mac)) {
        about.serial = Some(mac.clone());
        if !about.identities.contains(&mac) {
            about.identities.push(mac);
        }
    }
    about.sleeps = members.text("model").is_some_and(|model| part::SLEEPERS.contains(&model.as_str()));
    if about.sleeps {
        about.reaches.clear();
    }
    Ok(())
}

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
        report.out.asks.extend(question(&report.about));
    }
    Ok(())
}

/// All states once more, and who it is.
fn question(about: &Announcement) -> Vec<Outgoing> {
    let Some(base) = about.speaks.first() else { return Vec::new() };
    ["announce", "update"].map(|word| Outgoing::command(format!("{base}/command"), word)).into()
}

fn is_command(topic: &str, directory: &Directory) -> bool {
    let Some((_, rest)) = split(topic, directory) else { return false };
    rest == "command" || rest.split_once('/').is_some_and(|(_, part)| is_ordered(part))
}

/// `command`, `relay/0/command`, `roller/0/command/pos`, `light/0/set`.
fn is_ordered(part: &str) -> bool {
    part.split('/').any(|level| matches!(level, "command" | "set"))
}

fn greetings(directory: &Directory) -> Vec<Outgoing> {
    let awake = directory.devices_of(NAME).filter(|known| !known.sleeps);
    let bases = awake.filter_map(|known| known.speaks.first());
    bases.take(MAX_GREETED).map(|base| Outgoing::command(format!("{base}/command"), "update")).collect()
}

fn errand(errand: &Errand, transaction: &str, directory: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    let Errand::Refresh(device) = errand else { return plain::no_errands(errand, transaction, directory) };
    let known = directory.known(device).ok_or_else(|| EncodeError::UnknownDevice(device.clone()))?;
    let asked = question(known);
    if known.sleeps || asked.is_empty() { Err(EncodeError::Unasked(device.clone())) } else { Ok(asked) }
}

/// The will, and what «retain» of the device's settings keeps of each of its values.
fn retained(device: &DeviceRef, directory: &Directory) -> Vec<String> {
    let Some(known) = directory.known(device) else { return Vec::new() };
    let Some(base) = known.speaks.first() else { return Vec::new() };
    let values = known.properties.iter().filter(|info| info.name != "available");
    let topics = values.map(|info| format!("{base}/{}", info.name.replace('.', "/")));
    [format!("{base}/online"), format!("{base}/announce")].into_iter().chain(topics).collect()
}

/// The base and what is below it.
fn split<'d, 't>(topic: &'t str, directory: &'d Directory) -> Option<(&'d str, &'t str)> {
    let below = |base: &'d String| Some((base.as_str(), topic.strip_prefix(base.as_str())?.strip_prefix('/')?));
    directory.bases(NAME).iter().find_map(below)
}

/// By its own id where that is the maker's, by its MAC where the owner gave it another.
fn named(id: &str, mac: Option<&str>) -> DeviceRef {
    let is_makers = id.rsplit_once('-').is_some_and(|(model, end)| {
        model.starts_with("shelly") && matches!(end.len(), 6 | 12) && end.bytes().all(|b| b.is_ascii_hexdigit())
    });
    DeviceRef::new(
        NAME,
        match (is_makers, mac) {
            (true, _) => id.to_ascii_lowercase(),
            (false, Some(mac)) => mac.to_owned(),
            (false, None) => format!("topic:{id}"),
        },
    )
}

/// The id and the MAC in an announcement.
fn id_of(payload: &[u8]) -> Option<(String, String)> {
    let document = json::document(payload, MAX_PAYLOAD).ok()?;
    let members = json::members(&document).ok()?;
    let id = members.text("id").filter(|id| id.len() <= 64 && !id.contains('/') && is_base(id))?;
    Some((id, mac_of(&members.text("mac")?)?))
}

fn mac_of(text: &str) -> Option<String> {
    let ok = text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| text.to_ascii_uppercase())
}
