//! What a config changes: the entities of the devices that it speaks of, taken away, marked, moved or put in, and what
//! those devices then announce. What the config says is worked out before ([`super::config`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use domovoi_model::DeviceRef;

use super::NAME;
use super::config::{Draft, owner};
use super::entity::{Entity, Hears, Property, Reading};
use super::facts::{Facts, MAX_ENTITIES};
use super::options::Bad;
use crate::fault::printable;
use crate::{Announcement, Directory, Fault, PropertyInfo, Shape, What};

/// The devices that a config changes.
pub(super) struct Changes<'d> {
    directory: &'d Directory,
    /// Of the config.
    digest: u64,
    facts: BTreeMap<DeviceRef, Facts>,
}

impl<'d> Changes<'d> {
    pub(super) fn new(directory: &'d Directory, digest: u64) -> Self {
        Changes { directory, digest, facts: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, device: &DeviceRef) -> &mut Facts {
        let directory = self.directory;
        self.facts.entry(device.clone()).or_insert_with(|| Facts::of(directory.known(device)))
    }

    /// Takes away what stands under a topic, of the device whose it is now only those entities for which it is so: what
    /// another device has from there is of before.
    pub(super) fn clear(&mut self, topic: &str, whose: Option<&DeviceRef>, which: impl Fn(&Entity) -> bool) {
        let owner = owner(topic, self.directory).cloned();
        for device in owner.into_iter().chain(self.facts.keys().cloned().collect::<Vec<_>>()) {
            let is_old = whose.is_some_and(|whose| *whose != device);
            let facts = self.of(&device);
            facts.entities.retain(|_, entity| !(&*entity.at == topic && (is_old || which(entity))));
        }
    }

    /// These devices are the same as this one.
    pub(super) fn join(&mut self, device: &DeviceRef, others: &[DeviceRef]) {
        for other in others {
            self.of(other);
            if let Some(mut facts) = self.facts.remove(other) {
                self.of(device).join(&mut facts);
                self.facts.insert(other.clone(), facts);
            }
        }
    }

    /// Those that speak through this device by an id that it has now know whom they mean.
    pub(super) fn bridge(&mut self, device: &DeviceRef) {
        let directory = self.directory;
        let Some(facts) = self.facts.get(device) else { return };
        if facts.card.ids().len() <= directory.known(device).map_or(0, |known| known.identities.len()) {
            return;
        }
        let mut found = Vec::new();
        for known in directory.devices().filter(|known| known.device.dialect == NAME && known.device != *device) {
            let via = Facts::borrowed(known).and_then(|facts| facts.card.via());
            if via.is_some_and(|(id, via)| via != device && facts.card.ids().iter().any(|own| own == id)) {
                found.push(known.device.clone());
            }
        }
        for other in found {
            self.of(&other).card.is_via(device);
        }
    }

    /// Marks those that a device's config leaves out; those marked before go.
    pub(super) fn leave_out(&mut self, topic: &str, there: &[&str]) {
        for facts in self.facts.values_mut() {
            let missing = |entity: &Entity| {
                &*entity.at == topic && entity.part.as_deref().is_some_and(|part| !there.contains(&part))
            };
            facts.entities.retain(|_, entity| !(missing(entity) && entity.left_out));
            for entity in facts.entities.values_mut().filter(|entity| missing(entity)) {
                let entity = Arc::make_mut(entity);
                entity.left_out = true;
                for property in &mut entity.properties {
                    property.info.broken = Some("its device's last config leaves it out".into());
                }
            }
        }
    }

    /// Puts an entity where it belongs, from wherever it was before.
    pub(super) fn put(&mut self, device: &DeviceRef, draft: Draft, faults: &mut Vec<Fault>) {
        let Draft { key, result, empty } = draft;
        let had = self.of(device).entities.contains_key(&key);
        let entity = match result {
            Ok(mut entity) => {
                deafen(&mut entity, self.directory);
                entity
            }
            Err(bad) => {
                let path = match &empty.part {
                    Some(part) => format!("components.{part}.{}", bad.key),
                    None => bad.key.clone(),
                };
                faults.push(Fault::new(bad.what, &path, &bad.why));
                // What worked before goes on working.
                if had {
                    return;
                }
                broken(empty, &bad)
            }
        };
        let digest = self.digest;
        let facts = self.of(device);
        if facts.entities.len() >= MAX_ENTITIES && !facts.entities.contains_key(&key) {
            faults.push(Fault::new(What::TooMany, "components", "a device has at most 1024 entities"));
            return;
        }
        let availability = entity.availability.as_ref().map(|own| facts.same_reach(own));
        facts.entities.insert(key, Arc::new(Entity { digest, availability, ..entity }));
    }

    /// Those that lose something first, so that its topic is free for the one that has it now.
    pub(super) fn announcements(self, to: Option<&DeviceRef>) -> Vec<Announcement> {
        let directory = self.directory;
        let facts = self.facts.into_iter().map(|(device, facts)| facts.announce(device));
        let mut out: Vec<Announcement> =
            facts.filter(|announced| !announced.gone || directory.known(&announced.device).is_some()).collect();
        out.sort_by_key(|announced| Some(&announced.device) == to);
        out
    }
}

/// Says of properties that are told where another dialect reads why nothing is heard of them: producers that have a dialect
/// of their own here announce themselves in this way too.
fn deafen(entity: &mut Entity, directory: &Directory) {
    let Entity { channels, properties, .. } = entity;
    for channel in channels.iter().filter(|channel| !channel.topic.contains(['+', '#'])) {
        let Some(other) = super::read_by_another(&channel.topic, directory) else { continue };
        let why = format!("its topic is read as {other}'s: the device is there under that name");
        for (place, property) in properties.iter_mut().enumerate() {
            let is_its = match channel.hears {
                Hears::Property(its) => usize::from(its) == place,
                Hears::Own(_) | Hears::Event(_) => property.info.reported,
                Hears::Attributes => false,
            };
            if is_its {
                property.info.broken = Some(why.as_str().into());
            }
        }
    }
}

fn broken(mut entity: Entity, bad: &Bad) -> Entity {
    let mut info = PropertyInfo::new(String::new(), Shape::Unknown);
    info.reported = false;
    info.class = Some(entity.key.component.word().into());
    info.broken = Some(printable(&bad.to_string()).into());
    let tolerance = rust_decimal::Decimal::ZERO;
    entity.properties.push(Property { suffix: "", info, reading: Reading::Text, say: None, tolerance });
    entity
}
