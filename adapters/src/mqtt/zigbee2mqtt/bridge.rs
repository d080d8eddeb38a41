//! What a bridge says of itself: its link, whether devices may join, how it fares, what happened in its network, and its
//! answers. `bridge/info` carries the bridge's whole configuration: two words of it are read, nothing is kept or quoted.

use domovoi_model::{DeviceRef, Unit, Value};
use rust_decimal::Decimal;

use super::facts::{self, BridgeFacts, Output};
use super::state::{OWN, link, plain, word};
use super::{
    Announcement, Claim, DecodeError, Decoded, Directory, Envelope, NAME, PropertyInfo, Shape, errands, is_base,
    network,
};
use crate::fault::printable;
use crate::json::{self, Json, MAX_PAYLOAD};
use crate::{Category, Reach, Reached, Reply};

/// `config` and its schema have some 100 KB, and a line for each device besides.
const MAX_INFO: usize = 4 << 20;

/// The source of the bridge's word on a device, beside the device's own.
pub(super) const BRIDGE: u8 = 0;

/// Answers that carry a backup or a map of the network: nothing in them is ours, and they are large.
const UNREAD: &[&str] = &["backup", "networkmap", "converter/save", "extension/save"];

/// Whether this is an answer to something that the house may have asked.
pub(super) fn is_reply(part: &str) -> bool {
    part.strip_prefix("bridge/response/").is_some_and(|what| !what.is_empty() && !UNREAD.contains(&what))
}

/// The bridge as a device: as it is known, with these facts.
pub(super) fn announce(device: &DeviceRef, directory: &Directory, facts: BridgeFacts) -> Announcement {
    let known = directory.known(device);
    let mut announcement = known.cloned().unwrap_or_else(|| {
        let base = device.id.strip_prefix("bridge:").unwrap_or_default();
        Announcement {
            name: Some(format!("Zigbee2MQTT ({base})")),
            model: Some("Zigbee2MQTT".to_owned()),
            properties: vec![switch("available")],
            reaches: vec![Reach::Latest],
            ..Announcement::of(device.clone())
        }
    });
    announcement.lore = Some(facts::lore(known, facts));
    announcement
}

fn switch(name: &str) -> PropertyInfo {
    let shape = Shape::Switch { on: Value::Bool(true), off: Value::Bool(false) };
    PropertyInfo::new(name, shape).with(|one| one.category = Category::Diagnostic)
}

/// `bridge/state`: whoever is behind it goes with it.
pub(super) fn state(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let available = word(envelope)?;
    let facts = BridgeFacts { online: Some(available), ..facts::of_bridge(&claim.device, directory) };
    let behind = directory.devices_of(NAME).filter(|known| known.via.as_ref() == Some(&claim.device));
    let of = |device: &DeviceRef| Reached { device: device.clone(), group: 0, source: BRIDGE, available };
    Ok(Decoded {
        observations: vec![link(claim, available)],
        announcements: vec![announce(&claim.device, directory, facts)],
        reached: std::iter::once(&claim.device).chain(behind.map(|known| &known.device)).map(of).collect(),
        ..Decoded::default()
    })
}

/// `bridge/info`: whether devices may join, and how states are written.
pub(super) fn info(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_INFO).map_err(hushed)?;
    let info = json::members(&document).map_err(|what| DecodeError::new(what, "info", ""))?;
    let mut out = Decoded::default();
    let inside =
        |raw: Option<&'_ str>, name: &str| raw.and_then(|raw| json::members(raw).ok()?.get(name).map(str::to_owned));
    let output = inside(inside(info.get("config"), "advanced").as_deref(), "output");
    let mut facts = facts::of_bridge(&claim.device, directory);
    match output.as_deref().and_then(|raw| json::string(raw).ok()).as_deref() {
        Some("attribute") => facts.output = Output::Attribute,
        Some("json" | "attribute_and_json") => facts.output = Output::Json,
        _ => {}
    }
    let mut announcement = announce(&claim.device, directory, facts);
    if let Some(Json::Bool(open)) = info.get("permit_join").map(Json::of) {
        if announcement.property("permit_join").is_none() {
            announcement.properties.push(switch("permit_join"));
        }
        out.observations.push(plain(claim, "permit_join", Value::Bool(open), Unit::None));
    }
    if directory.known(&claim.device) != Some(&announcement) {
        out.announcements.push(announcement);
    }
    Ok(out)
}

/// `bridge/health`: how long the bridge has been up, how much of the memory is taken; of each device how often it left
/// and how often its address changed, since that is what a failing one does. Deliberately not the counts of messages:
/// they would write a sample for each device every ten minutes that nobody reads.
pub(super) fn health(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let health = json::members(&document).map_err(|what| DecodeError::new(what, "health", &document))?;
    let mut out = Decoded::default();
    let number = |raw: &str| -> Option<Decimal> { json::scalar(raw).ok()??.number() };
    let mut take = |part: &str, name: &str, property: &str, unit| {
        let part = health.get(part).and_then(|raw| json::members(raw).ok());
        if let Some(number) = part.and_then(|part| part.get(name)).and_then(number) {
            out.observations.push(plain(claim, property, Value::Number(number), unit));
        }
    };
    take("process", "uptime_sec", "uptime", Unit::Second);
    take("os", "memory_percent", "memory", Unit::Percent);
    let devices = health.get("devices").and_then(|raw| json::members(raw).ok()).unwrap_or_default();
    for (address, raw) in &devices.list {
        let device = super::ieee(address).map(|address| DeviceRef::new(NAME, address));
        let (Some(device), Ok(counts)) =
            (device.filter(|device| directory.known(device).is_some()), json::members(raw))
        else {
            continue;
        };
        let claim = Claim { device, ..claim.clone() };
        for property in ["leave_count", "network_address_changes"] {
            if let Some(number) = counts.get(property).and_then(number) {
                out.observations.push(plain(&claim, property, Value::Number(number), Unit::None));
            }
        }
    }
    Ok(out)
}

/// `bridge/event`: who came, who left, how far the questions to a new device have got.
pub(super) fn event(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD)?;
    let event = json::members(&document).map_err(|what| DecodeError::new(what, "event", &document))?;
    let data = event.get("data").and_then(|raw| json::members(raw).ok()).unwrap_or_default();
    let mut out = Decoded::default();
    let address = data.text("ieee_address").and_then(|text| super::ieee(&text));
    // What the broker retained happened long ago, and the list says what came of it.
    let (Some(address), false) = (address, envelope.retained) else { return Ok(out) };
    let device = DeviceRef::new(NAME, address);
    let known = directory.known(&device);
    let of = Claim { device: device.clone(), ..claim.clone() };
    let word = match event.text("type").as_deref() {
        Some("device_leave") => {
            out.announcements.extend(known.map(|_| Announcement { gone: true, ..Announcement::of(device) }));
            return Ok(out);
        }
        Some("device_joined") => "joined".to_owned(),
        Some("device_announce") => {
            out.reached.push(Reached { device, group: 0, source: OWN, available: true });
            out.asks.extend(known.and_then(|known| errands::question(known, true)));
            return Ok(out);
        }
        Some("device_interview") => data.text("status").unwrap_or_default(),
        _ => return Ok(out),
    };
    // The list with it may come later.
    let name = data.text("friendly_name").filter(|name| is_base(name));
    if let (None, Some(name), Some(base)) = (known, name, claim.device.id.strip_prefix("bridge:")) {
        out.announcements.push(network::named(base, device, &name));
    }
    if matches!(word.as_str(), "joined" | "started" | "successful" | "failed") {
        out.observations.push(plain(&of, "interview", Value::Text(word), Unit::None));
    }
    Ok(out)
}

/// `bridge/response/…`. An answer without a transaction is not to one of ours. Nothing of it but the bridge's own words
/// on what went wrong is quoted: an answer to `options` carries the configuration.
pub(super) fn response(envelope: &Envelope<'_>) -> Result<Decoded, DecodeError> {
    let document = json::document(envelope.payload, MAX_PAYLOAD).map_err(hushed)?;
    let answer = json::members(&document).map_err(|what| DecodeError::new(what, "response", ""))?;
    let mut out = Decoded::default();
    let transaction = answer.get("transaction").and_then(|raw| json::scalar(raw).ok().flatten());
    if let Some(transaction) = transaction {
        let words = || answer.text("error").unwrap_or_else(|| "the bridge gave no reason".to_owned());
        let error = (answer.text("status").as_deref() != Some("ok")).then(|| printable(&words()));
        out.replies.push(Reply { transaction: printable(&transaction.to_string()), error });
    }
    Ok(out)
}

fn hushed(mut error: DecodeError) -> DecodeError {
    error.0.excerpt.clear();
    error
}
