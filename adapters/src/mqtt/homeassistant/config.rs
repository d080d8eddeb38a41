//! Configs: `<prefix>/<component>/[<node>/]<object>/config`, one entity each or a whole device, and what they change.
//!
//! A config replaces what stood under its topic. A bad one changes nothing where a good one was before; otherwise its
//! entity is there with the reason why it does not work. An empty one takes away what has no newer topic.

use std::sync::Arc;

use domovoi_model::DeviceRef;

use super::NAME;
use super::abbreviations::Place;
use super::availability::{self, Availability};
use super::changes::Changes;
use super::components::{self, Component};
use super::device::Block;
use super::entity::{Channel, Entity, Extra, Hears, Key, Plan};
use super::facts::{Facts, MAX_ENTITIES};
use super::naming;
use super::options::{Bad, Options};
use crate::json::{self, MAX_PAYLOAD};
use crate::template::Template;
use crate::{DecodeError, Decoded, Directory, Envelope, Fault, What};

/// The keys of a device's root that its components inherit, beside those of availability.
const SHARED: &[&str] = &["state_topic", "command_topic", "qos", "encoding"];

/// A topic of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic<'t> {
    pub(super) component: &'t str,
    pub(super) node: Option<&'t str>,
    pub(super) object: &'t str,
}

/// Takes a topic apart; `None` if it is no config's.
pub(super) fn place<'t>(topic: &'t str, directory: &Directory) -> Option<Topic<'t>> {
    // One prefix may stand within another: `ha` and `ha/attic`.
    directory.bases(NAME).iter().find_map(|base| {
        let rest = topic.strip_prefix(base.as_str())?.strip_prefix('/')?.strip_suffix("/config")?;
        let levels: Vec<&str> = rest.split('/').collect();
        let (component, node, object) = match levels.as_slice() {
            [component, object] => (*component, None, *object),
            [component, node, object] => (*component, Some(*node), *object),
            _ => return None,
        };
        // Home Assistant takes only A-Za-z0-9_- here; producers that write more are understood all the same.
        let known = component == "device" || Component::read(component).is_some();
        (known && node != Some("") && !object.is_empty()).then_some(Topic { component, node, object })
    })
}

/// The device that a config is about, as far as can be told without reading more than that.
pub(super) fn device(envelope: &Envelope<'_>, place: &Topic<'_>, directory: &Directory) -> DeviceRef {
    let known = owner(envelope.topic, directory);
    if let Some(known) = known
        && is_said_again(envelope, known, directory)
    {
        return known.clone();
    }
    let told = || {
        let document = json::document(envelope.payload, MAX_PAYLOAD).ok()?;
        let options = Options::read(&document, Place::General).ok()?;
        Some(whose(&options, envelope.topic, place, directory).device)
    };
    let unknown = || DeviceRef::new(NAME, lonely(None, envelope.topic, place));
    told().or_else(|| known.cloned()).unwrap_or_else(unknown)
}

/// Whose config stands under this topic.
pub(super) fn owner<'d>(topic: &str, directory: &'d Directory) -> Option<&'d DeviceRef> {
    directory.speaker(NAME, topic).filter(|(_, rest)| rest.is_empty()).map(|(device, _)| device)
}

/// Whether all that stands under its topic was built from this very config. Then it need not even be read.
fn is_said_again(envelope: &Envelope<'_>, owner: &DeviceRef, directory: &Directory) -> bool {
    let facts = directory.known(owner).and_then(Facts::borrowed);
    facts.is_some_and(|facts| facts.has_exactly(envelope.topic, naming::digest(envelope.payload)))
}

/// The id of an entity that has no device.
fn lonely(unique_id: Option<&str>, topic: &str, place: &Topic<'_>) -> String {
    let id = match unique_id {
        Some(unique_id) => format!("entity:{}.{unique_id}", place.component),
        None => format!("entity:{topic}"),
    };
    if json::is_name(&id) { id } else { format!("entity:{}.{:08x}", place.component, naming::checksum(&id)) }
}

/// Whose a config is.
struct Whose {
    device: DeviceRef,
    /// Devices that are the same, as this config says.
    joined: Vec<DeviceRef>,
    block: Option<Result<Block, Bad>>,
}

fn whose(options: &Options<'_>, topic: &str, place: &Topic<'_>, directory: &Directory) -> Whose {
    let block = options.raw("device").map(|raw| Block::read(raw, directory));
    let alone = || {
        let id = lonely(options.text("unique_id").as_deref(), topic, place);
        directory.identified(NAME, &id).cloned().unwrap_or_else(|| DeviceRef::new(NAME, id))
    };
    let (device, joined) = match &block {
        Some(Ok(block)) => block.device(directory),
        // A block that cannot be read says nothing of whose it is: it stays whose it was.
        Some(Err(_)) => (owner(topic, directory).cloned().unwrap_or_else(alone), Vec::new()),
        None => (alone(), Vec::new()),
    };
    Whose { device, joined, block }
}

/// Whether a config is to be left alone because its producer is heard in its own language.
///
/// Zigbee2MQTT publishes both; its own list says more (ranges, access, addresses), and its templates for events are the
/// heaviest there are. But only where its topics are indeed heard: a bridge under a base that the settings do not name is
/// known by its configs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Natives {
    /// Left to the dialect that speaks it.
    #[default]
    OwnLanguage,
}

impl Natives {
    fn leave(self, document: &str, options: &Options<'_>, directory: &Directory) -> bool {
        let Natives::OwnLanguage = self;
        let origin = options.raw("origin").and_then(|raw| Options::read(raw, Place::Origin).ok());
        let name = origin.and_then(|origin| origin.text("name"));
        let Some("Zigbee2MQTT") = name.as_deref() else { return false };
        let bases = directory.bases("zigbee2mqtt");
        // Every config of its has `<base>/bridge/state` among its availabilities, and a topic below the base besides.
        bases.iter().any(|base| document.contains(&format!("\"{base}/")))
    }
}

/// What a config says, as the announcements of all whom it changes.
pub(super) fn decode(
    envelope: &Envelope<'_>,
    place: &Topic<'_>,
    directory: &Directory,
) -> Result<Decoded, DecodeError> {
    let mut changes = Changes::new(directory, naming::digest(envelope.payload));
    if envelope.payload.is_empty() {
        changes.clear(envelope.topic, None, |_| true);
        return Ok(Decoded { announcements: changes.announcements(None), ..Decoded::default() });
    }
    let before = owner(envelope.topic, directory);
    if let Some(known) = before.filter(|owner| is_said_again(envelope, owner, directory)) {
        // Nothing is new.
        let announcements = directory.known(known).cloned().into_iter().collect();
        return Ok(Decoded { announcements, ..Decoded::default() });
    }
    // A config may have the code of an alarm in it: nothing of it is quoted.
    let unquoted = |mut error: DecodeError| {
        error.0.excerpt.clear();
        error
    };
    let document = json::document(envelope.payload, MAX_PAYLOAD).map_err(unquoted)?;
    let bad = |what| DecodeError::new(what, "config", "");
    let options = Options::read(&document, Place::General).map_err(bad)?;
    if options.keys().eq(["migrate_discovery"]) {
        // Another form follows and takes the entities over; what it does not take goes when this topic is emptied.
        return Ok(Decoded::default());
    }
    if Natives::default().leave(&document, &options, directory) {
        return Ok(Decoded::default());
    }
    let Whose { mut device, joined, block } = whose(&options, envelope.topic, place, directory);
    let (block, bad_block) = match block.transpose() {
        Ok(block) => (block, None),
        Err(bad) => (None, Some(bad)),
    };
    let mut faults = Vec::new();
    if place.component == "device" {
        let bad = |bad: Bad| DecodeError::new(bad.what, &bad.key, &bad.why);
        if let Some(bad_block) = bad_block {
            return Err(bad(bad_block));
        }
        let Some(block) = block else { return Err(bad(Bad::missing("device"))) };
        changes.join(&device, &joined);
        whole(envelope, place, &options, &device, &block, &mut changes, &mut faults).map_err(bad)?;
    } else {
        let Some(component) = Component::read(place.component) else {
            return Err(DecodeError::new(What::Foreign, "component", place.component));
        };
        let spot = Spot { topic: envelope.topic, part: None, called: place.object };
        let mut drafted = draft(component, &options, &spot, block.as_ref());
        if let Some(bad) = bad_block {
            drafted.result = Err(bad);
        }
        let has = |owner: &&DeviceRef| {
            let facts = directory.known(owner).and_then(Facts::borrowed);
            facts.is_some_and(|facts| facts.at(envelope.topic).any(|entity| entity.key == drafted.key))
        };
        match before.filter(has).filter(|_| drafted.result.is_err()) {
            // What worked before goes on working where it was.
            Some(before) => device.clone_from(before),
            None => {
                changes.join(&device, &joined);
                changes.clear(envelope.topic, Some(&device), |entity| entity.key != drafted.key);
                match &block {
                    Some(block) => changes.of(&device).card.learn(block),
                    None => changes.of(&device).card.alone(&device.id, options.text("name")),
                }
            }
        }
        changes.put(&device, drafted, &mut faults);
    }
    changes.bridge(&device);
    Ok(Decoded { announcements: changes.announcements(Some(&device)), faults, ..Decoded::default() })
}

/// A device's config: its root and its components.
fn whole(
    envelope: &Envelope<'_>,
    place: &Topic<'_>,
    root: &Options<'_>,
    device: &DeviceRef,
    block: &Block,
    changes: &mut Changes<'_>,
    faults: &mut Vec<Fault>,
) -> Result<(), Bad> {
    let origin = root.raw("origin").and_then(|raw| Options::read(raw, Place::Origin).ok());
    if origin.and_then(|origin| origin.text("name")).is_none() {
        return Err(Bad::missing("origin.name"));
    }
    let raw = root.raw("components").ok_or_else(|| Bad::missing("components"))?;
    let parts = json::members_up_to(raw, MAX_ENTITIES);
    let parts = parts.map_err(|what| Bad::new(what, "components", "is no object of at most 1024"))?;
    // What stood under this topic for another device is this one's now.
    changes.clear(envelope.topic, Some(device), |_| false);
    changes.of(device).card.learn(block);
    // A part that cannot be read is there all the same: what it was before goes on.
    let mut there: Vec<&str> = Vec::new();
    for (part, _) in &parts.twice {
        if !there.contains(&part.as_str()) {
            there.push(part);
            faults.push(Fault::new(What::SaidTwice, &format!("components.{part}"), ""));
        }
    }
    for (part, raw) in &parts.list {
        let mut options = match Options::read(raw, Place::General) {
            Ok(options) => options,
            Err(what) => {
                faults.push(Fault::new(what, &format!("components.{part}"), ""));
                there.push(part);
                continue;
            }
        };
        let Some(component) = options.text("platform").as_deref().and_then(Component::read) else {
            let platform = options.text("platform").unwrap_or_default();
            faults.push(Fault::new(What::Foreign, &format!("components.{part}.platform"), &platform));
            there.push(part);
            continue;
        };
        if options.keys().eq(["platform"]) {
            // Nothing but its platform: it is taken away.
            changes.clear(envelope.topic, Some(device), |entity| entity.part.as_deref() == Some(part.as_str()));
            continue;
        }
        there.push(part);
        // A list of topics and a single one exclude each other; payloads and mode are inherited one by one.
        let own = availability::PLACES.iter().any(|key| options.has(key));
        if !own {
            options.inherit(root, availability::PLACES);
        }
        options.inherit(root, availability::WORDS);
        options.inherit(root, SHARED);
        let called = match place.node {
            Some(node) => format!("{node} {part}"),
            None => part.clone(),
        };
        let spot = Spot { topic: envelope.topic, part: Some(part), called: &called };
        let mut drafted = draft(component, &options, &spot, Some(block));
        if drafted.result.is_ok() && component.is_entity() && !options.has("unique_id") {
            drafted.result = Err(Bad::missing("unique_id"));
        }
        let key = drafted.key.clone();
        changes.clear(envelope.topic, Some(device), |entity| {
            entity.part.as_deref() == Some(part.as_str()) && entity.key != key
        });
        changes.put(device, drafted, faults);
    }
    changes.leave_out(envelope.topic, &there);
    Ok(())
}

/// Where a component of a config stands.
struct Spot<'a> {
    topic: &'a str,
    part: Option<&'a str>,
    called: &'a str,
}

/// An entity, or why there is none.
pub(super) struct Draft {
    pub(super) key: Key,
    pub(super) result: Result<Entity, Bad>,
    /// What stands in its place while there is none.
    pub(super) empty: Entity,
}

fn draft(component: Component, options: &Options<'_>, spot: &Spot<'_>, block: Option<&Block>) -> Draft {
    let unique_id = options.text("unique_id").filter(|id| !id.trim().is_empty());
    let identity = match (&unique_id, component) {
        (Some(unique_id), _) => unique_id.clone(),
        (None, Component::DeviceAutomation) => {
            let word = |key| options.text(key).unwrap_or_default();
            format!("{}/{}", word("type"), word("subtype"))
        }
        (None, _) => format!("{}#{}", spot.topic, spot.part.unwrap_or_default()),
    };
    let key = Key { component, id: identity.into() };
    let ids = block.map_or(&[][..], |block| &block.ids);
    let called = match component {
        Component::DeviceAutomation => format!("trigger {}", key.id),
        _ => spot.called.to_owned(),
    };
    let empty = Entity {
        key: key.clone(),
        at: spot.topic.into(),
        part: spot.part.map(Into::into),
        stem: naming::stem(unique_id.as_deref(), &called, ids).into(),
        properties: Vec::new(),
        channels: Vec::new(),
        availability: None,
        extra: Extra::Nothing,
        left_out: false,
        digest: 0,
    };
    let result = if json::is_name(&key.id) || key.id.len() <= 512 {
        build(options, empty.clone())
    } else {
        Err(Bad::new(What::TooLong, "unique_id", "is longer than 512 bytes"))
    };
    Draft { key, result, empty }
}

fn build(options: &Options<'_>, entity: Entity) -> Result<Entity, Bad> {
    let component = entity.key.component;
    let mut plan = Plan::new(options, entity)?;
    plan.entity.availability = Availability::read(options)?.map(Arc::new);
    components::build(component, &mut plan)?;
    if plan.is_empty() {
        return Err(Bad::new(What::WrongType, component.word(), "says neither where it is heard nor where it listens"));
    }
    if let Some(topic) = options.hears("json_attributes_topic")? {
        let template = options.template("json_attributes_template")?.unwrap_or(Template::Value);
        plan.entity.channels.push(Channel { topic, template, hears: Hears::Attributes });
    }
    let expires = options.seconds("expire_after")?.filter(|seconds| *seconds > 0);
    let mut entity = plan.entity;
    // Most have one of each, and there may be ten thousand.
    entity.properties.shrink_to_fit();
    entity.channels.shrink_to_fit();
    // A motor valve takes half a minute, a shutter a whole one.
    let settles = match component {
        Component::Cover => Some(90),
        Component::Valve => Some(60),
        Component::Lock => Some(20),
        _ => None,
    };
    for property in &mut entity.properties {
        if property.info.reported {
            property.info.expires_after_s = expires;
        }
        if property.info.writable {
            property.info.settles_within_s = settles;
        }
        property.info.share();
    }
    Ok(entity)
}
