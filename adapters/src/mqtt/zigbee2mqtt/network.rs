//! `bridge/devices` and `bridge/groups`: the whole network, each time. Who was on a list before and is not on it now has
//! left. A group is a device: it takes commands and says its state like one.

use domovoi_model::{DeviceRef, Unit};

use super::facts::{self, Composite, Facts};
use super::state::OWN;
use super::{
    Announcement, Claim, DecodeError, Decoded, Directory, Envelope, Fault, NAME, PropertyInfo, Shape, What, bridge,
    bridge_of, errands, exposes, ieee, is_base,
};
use crate::fault::printable;
use crate::json::{self, Members};
use crate::{Category, Reach, Reached};

/// The list of devices has some 3.5 KB for each; the largest networks known have 300.
const MAX_DEVICES_PAYLOAD: usize = 4 << 20;
const MAX_DEVICES: usize = 2048;

/// New devices that are asked for their state at once: a Zigbee network answers some ten questions a second, and the
/// rest will speak by themselves.
const MAX_ASKED: usize = 128;

/// The group that the bridge keeps for remote controls that were bound to nothing; nobody commands it.
const DEFAULT_GROUP: &str = "default_bind_group";

/// A device of which only the name is known.
pub(super) fn named(base: &str, device: DeviceRef, name: &str) -> Announcement {
    let topic = format!("{base}/{name}");
    Announcement {
        alias: Some(name.to_owned()),
        name: Some(name.to_owned()),
        via: Some(bridge_of(base)),
        speaks: vec![topic.clone()],
        listens: vec![topic],
        // The bridge's word and its own, both.
        reaches: vec![Reach::All(2)],
        ..Announcement::of(device)
    }
}

/// `bridge/devices`.
pub(super) fn devices(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let base = claim.device.id.strip_prefix("bridge:").unwrap_or_default();
    let document = json::document(envelope.payload, MAX_DEVICES_PAYLOAD)?;
    let entries = json::elements(&document, MAX_DEVICES)
        .map_err(|what| DecodeError::new(what, "the list of devices", &document))?;
    let facts = facts::of_bridge(&claim.device, directory);
    let online = facts.online;
    let mut out =
        Decoded { announcements: vec![bridge::announce(&claim.device, directory, facts)], ..Decoded::default() };
    let mut all_named = true;
    for (i, raw) in entries.iter().enumerate() {
        match entry(base, raw, directory) {
            Ok(Some(announcement)) => {
                meet(&announcement, online, directory, &mut out);
                out.announcements.push(announcement);
            }
            Ok(None) => {}
            Err((what, at)) => {
                all_named = false;
                out.faults.push(Fault::new(what, &format!("device {i}, {at}"), raw));
            }
        }
    }
    // An entry that could not be read may be anybody's: nobody is declared gone then.
    if all_named {
        let left = left(&claim.device, &out.announcements, directory, |device| !is_group(device));
        out.announcements.extend(left);
    }
    // What a group can do is what its members can.
    let groups =
        directory.devices_of(NAME).filter(|known| is_group(&known.device) && known.via.as_ref() == Some(&claim.device));
    let changed = groups.filter_map(|group| {
        let members = &facts::of(Some(group))?.members;
        let new = with_members(group.clone(), members.clone(), &out.announcements, directory);
        (new != *group).then_some(new)
    });
    let changed: Vec<Announcement> = changed.collect();
    out.announcements.extend(changed);
    Ok(out)
}

/// What follows from a device's being on the list: whether it can be reached, as far as that is known, and what a new
/// one is asked.
fn meet(announcement: &Announcement, online: Option<bool>, directory: &Directory, out: &mut Decoded) {
    let before = directory.known(&announcement.device);
    let reached = |source, available| Reached { device: announcement.device.clone(), group: 0, source, available };
    let is_disabled = |known| facts::of(known).is_some_and(|facts| facts.is_disabled);
    match (is_disabled(Some(announcement)), is_disabled(before), before) {
        (true, ..) => out.reached.push(reached(OWN, false)),
        // Whether devices are watched is a setting of the bridge, off by default: until one is said to be out of reach,
        // it is in reach.
        (false, true, _) | (false, _, None) => out.reached.push(reached(OWN, true)),
        (false, false, Some(_)) => {}
    }
    if before.is_none() {
        out.reached.extend(online.map(|online| reached(bridge::BRIDGE, online)));
        if out.asks.len() < MAX_ASKED && !announcement.sleeps && !is_disabled(Some(announcement)) {
            out.asks.extend(errands::question(announcement, true));
        }
    }
}

/// Those behind this bridge that the list does not have any more.
fn left(
    bridge: &DeviceRef,
    listed: &[Announcement],
    directory: &Directory,
    of_kind: impl Fn(&DeviceRef) -> bool,
) -> Vec<Announcement> {
    let behind =
        directory.devices_of(NAME).filter(|known| known.via.as_ref() == Some(bridge) && of_kind(&known.device));
    let gone = behind.filter(|known| !listed.iter().any(|new| new.device == known.device));
    gone.map(|known| Announcement { gone: true, ..Announcement::of(known.device.clone()) }).collect()
}

fn entry(base: &str, raw: &str, directory: &Directory) -> Result<Option<Announcement>, (What, &'static str)> {
    let entry = json::members(raw).map_err(|what| (what, "entry"))?;
    if entry.text("type").as_deref() == Some("Coordinator") {
        return Ok(None);
    }
    let address = entry.text("ieee_address").and_then(|text| ieee(&text)).ok_or((What::BadName, "ieee_address"))?;
    let name = entry.text("friendly_name").ok_or((What::BadName, "friendly_name"))?;
    if !is_base(&format!("{base}/{name}")) {
        return Err((What::BadName, "friendly_name"));
    }
    let definition = entry.get("definition").and_then(|raw| json::members(raw).ok()).unwrap_or_default();
    let words = [definition.text("description"), definition.text("model")].map(Option::unwrap_or_default).join(" ");
    let mut exposed = definition.get("exposes").map(|raw| exposes::read(raw, &words)).unwrap_or_default();
    if definition.get("supports_ota") == Some("true") {
        exposed.properties.extend(firmware(&exposed.properties));
    }
    exposed.facts.is_disabled = entry.get("disabled") == Some("true");
    let device = DeviceRef::new(NAME, address);
    let lore = facts::lore(directory.known(&device), exposed.facts);
    Ok(Some(Announcement {
        model: model(&entry, &definition),
        sleeps: sleeps(&entry),
        properties: exposed.properties,
        lore: Some(lore),
        ..named(base, device, &name)
    }))
}

/// Maker and model as the converters have them, or as the device itself says while nobody has written one for it.
fn model(entry: &Members<'_>, definition: &Members<'_>) -> Option<String> {
    let pair = |maker: Option<String>, model: Option<String>| match (maker, model) {
        (Some(maker), Some(model)) => Some(printable(&format!("{maker} {model}"))),
        (maker, model) => model.or(maker).map(|text| printable(&text)),
    };
    pair(definition.text("vendor"), definition.text("model"))
        .or_else(|| pair(entry.text("manufacturer"), entry.text("model_id")))
}

/// Whether it sleeps: what the bridge itself calls a passive device. One that says neither what feeds it nor what it is
/// is taken for awake.
fn sleeps(entry: &Members<'_>) -> bool {
    match (entry.text("power_source").as_deref(), entry.text("type").as_deref()) {
        (Some("Battery"), _) => true,
        (Some("Unknown") | None, Some(kind)) => kind != "Router",
        _ => false,
    }
}

/// `update` of a device whose firmware the bridge can replace.
fn firmware(others: &[PropertyInfo]) -> Vec<PropertyInfo> {
    let words = ["idle", "available", "scheduled", "updating"];
    let state = Shape::Choice(words.iter().map(|word| (*word).to_owned()).collect());
    let progress = Shape::Number { min: Some(0.into()), max: Some(100.into()) };
    let all = [("update_state", state, Some("update")), ("update_progress", progress, None)];
    let new = all.into_iter().filter(|(name, ..)| !others.iter().any(|other| other.name == *name));
    new.map(|(name, shape, class)| {
        PropertyInfo::new(name, shape).with(|one| {
            one.category = Category::Diagnostic;
            one.class = class.map(Into::into);
            one.unit = if class.is_none() { Unit::Percent } else { Unit::None };
        })
    })
    .collect()
}

/// Whether it is a group: `group:7`, or `group:<base>/7` of a bridge other than the first.
pub(super) fn is_group(device: &DeviceRef) -> bool {
    device.id.starts_with("group:")
}

/// `bridge/groups`.
pub(super) fn groups(claim: &Claim, envelope: &Envelope<'_>, directory: &Directory) -> Result<Decoded, DecodeError> {
    let base = claim.device.id.strip_prefix("bridge:").unwrap_or_default();
    let document = json::document(envelope.payload, MAX_DEVICES_PAYLOAD)?;
    let entries = json::elements(&document, MAX_DEVICES)
        .map_err(|what| DecodeError::new(what, "the list of groups", &document))?;
    let online = facts::of_bridge(&claim.device, directory).online;
    let mut out = Decoded::default();
    let mut all_named = true;
    for (i, raw) in entries.iter().enumerate() {
        match group(base, raw, directory) {
            Ok(Some(announcement)) => {
                meet(&announcement, online, directory, &mut out);
                out.announcements.push(announcement);
            }
            Ok(None) => {}
            Err((what, at)) => {
                all_named = false;
                out.faults.push(Fault::new(what, &format!("group {i}, {at}"), raw));
            }
        }
    }
    if all_named {
        let left = left(&claim.device, &out.announcements, directory, is_group);
        out.announcements.extend(left);
    }
    Ok(out)
}

fn group(base: &str, raw: &str, directory: &Directory) -> Result<Option<Announcement>, (What, &'static str)> {
    let entry = json::members(raw).map_err(|what| (what, "entry"))?;
    let number: u32 = entry.get("id").and_then(|raw| raw.trim().parse().ok()).ok_or((What::BadName, "id"))?;
    let name = entry.text("friendly_name").ok_or((What::BadName, "friendly_name"))?;
    if name == DEFAULT_GROUP {
        return Ok(None);
    }
    if !is_base(&format!("{base}/{name}")) {
        return Err((What::BadName, "friendly_name"));
    }
    let members = entry.get("members").and_then(|raw| json::elements(raw, MAX_DEVICES).ok()).unwrap_or_default();
    let address = |raw: &&str| json::members(raw).ok()?.text("ieee_address").and_then(|text| ieee(&text));
    let mut addresses: Vec<String> = Vec::new();
    for address in members.iter().filter_map(address) {
        // Each endpoint of a device is a member of its own.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let is_first = directory.bases(NAME).first().is_some_and(|first| first == base);
    let id = if is_first { format!("group:{number}") } else { format!("group:{base}/{number}") };
    let announcement = named(base, DeviceRef::new(NAME, id), &name);
    Ok(Some(with_members(announcement, addresses, &[], directory)))
}

/// A group with what its members can be commanded together. Members that are not listed yet add nothing until they are.
fn with_members(
    mut group: Announcement,
    addresses: Vec<String>,
    listed: &[Announcement],
    directory: &Directory,
) -> Announcement {
    let mut new = Facts { members: addresses, ..Facts::default() };
    let mut properties: Vec<PropertyInfo> = Vec::new();
    for address in &new.members {
        let device = DeviceRef::new(NAME, address.clone());
        let member = listed.iter().find(|new| new.device == device).or_else(|| directory.known(&device));
        let Some(facts) = facts::of(member.filter(|member| !member.gone)) else { continue };
        for feature in &facts.features {
            let name = &feature.name;
            match properties.iter_mut().find(|other| other.name == *name) {
                Some(other) => narrow(&mut other.shape, &feature.shape),
                None => properties.push(feature.clone().with(|one| one.category = Category::Main)),
            }
            let is_new =
                |composite: &Composite| !new.composites.iter().any(|known| known.property == composite.property);
            let composite = facts.composite(name).filter(|composite| is_new(composite)).cloned();
            let toggle = facts.toggles.iter().find(|(toggled, _)| toggled == name).cloned();
            let toggle = toggle.filter(|toggle| !new.toggles.contains(toggle));
            new.composites.extend(composite);
            new.toggles.extend(toggle);
        }
    }
    group.lore = Some(facts::lore(directory.known(&group.device), new));
    group.properties = properties;
    group
}

/// What both take.
fn narrow(shape: &mut Shape, other: &Shape) {
    match (shape, other) {
        (Shape::Number { min, max }, Shape::Number { min: other_min, max: other_max }) => {
            *min = (*min).max(*other_min);
            *max = match (*max, *other_max) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        (Shape::Choice(words), Shape::Choice(others)) => words.retain(|word| others.contains(word)),
        _ => {}
    }
}
