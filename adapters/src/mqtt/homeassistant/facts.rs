//! What the dialect keeps of a device: its entities by what recognises them, what they are called, who hears which topic,
//! when each can be reached. Made anew with every config, as a whole; entities themselves are shared with the one before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domovoi_model::DeviceRef;

use super::availability::Availability;
use super::device::Card;
use super::entity::{Entity, Extra, Hears, Key, Property};
use super::naming;
use super::reading::naming_of;
use crate::template::Template;
use crate::{Announcement, Lore, Reach};

/// Entities of one device.
pub(super) const MAX_ENTITIES: usize = 1024;
/// Different availabilities of one device's entities.
const MAX_REACHES: usize = 200;

/// Who hears a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ear {
    /// One channel of one entity.
    Entity { at: u16, channel: u8 },
    /// One source of a group's availability.
    Reach { group: u8, source: u8 },
}

/// What is kept of a device.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) card: Card,
    pub(super) entities: BTreeMap<Key, Arc<Entity>>,
    /// Availabilities by the number of their group; `None` is «always». Numbers stay with those who have them.
    reaches: Vec<Option<Arc<Availability>>>,
    /// The entities in the order in which they were named, with their stems.
    named: Vec<(Arc<Entity>, Box<str>)>,
    /// The same before the last config.
    before: Vec<(Key, Box<str>)>,
    exact: HashMap<Arc<str>, Vec<Ear>>,
    wild: Vec<(Arc<str>, Ear)>,
}

impl Facts {
    /// What is kept of a device, empty if nothing.
    pub(super) fn of(known: Option<&Announcement>) -> Self {
        let Some(facts) = known.and_then(Facts::borrowed) else { return Facts::default() };
        // The rest is worked out anew.
        Facts {
            card: facts.card.clone(),
            entities: facts.entities.clone(),
            reaches: facts.reaches.clone(),
            before: facts.named.iter().map(|(entity, stem)| (entity.key.clone(), stem.clone())).collect(),
            ..Facts::default()
        }
    }

    /// The same, without a copy.
    pub(super) fn borrowed(known: &Announcement) -> Option<&Self> {
        known.lore.as_ref()?.get()
    }

    /// Takes over the entities of a device that has become one with this, and what they are called.
    pub(super) fn join(&mut self, other: &mut Facts) {
        self.card.join(&other.card);
        for (key, entity) in std::mem::take(&mut other.entities) {
            if self.entities.len() < MAX_ENTITIES {
                self.entities.entry(key).or_insert(entity);
            }
        }
        self.before.append(&mut other.before);
    }

    /// The entities whose config stands under this topic.
    pub(super) fn at<'f>(&'f self, topic: &'f str) -> impl Iterator<Item = &'f Arc<Entity>> {
        self.entities.values().filter(move |entity| &*entity.at == topic)
    }

    /// Whether all that stands under a topic was built from this very config, and none of it is about to go.
    pub(super) fn has_exactly(&self, topic: &str, digest: u64) -> bool {
        let mut there = self.at(topic).peekable();
        there.peek().is_some() && there.all(|entity| entity.digest == digest && !entity.left_out)
    }

    pub(super) fn entity(&self, at: u16) -> Option<(&Entity, &str)> {
        self.named.get(usize::from(at)).map(|(entity, stem)| (entity.as_ref(), stem.as_ref()))
    }

    pub(super) fn reach(&self, group: u8) -> Option<&Arc<Availability>> {
        self.reaches.get(usize::from(group))?.as_ref()
    }

    /// The availability itself, or the same one of an entity that is known already.
    pub(super) fn same_reach(&self, own: &Arc<Availability>) -> Arc<Availability> {
        Arc::clone(self.reaches.iter().flatten().find(|known| *known == own).unwrap_or(own))
    }

    /// The entity and the property of this name.
    pub(super) fn property(&self, name: &str) -> Option<(&Entity, &Property)> {
        self.named.iter().find_map(|(entity, stem)| {
            let rest = name.strip_prefix(stem.as_ref())?;
            let suffix = if rest.is_empty() { rest } else { rest.strip_prefix('_')? };
            if suffix.is_empty() && !rest.is_empty() {
                return None;
            }
            Some((entity.as_ref(), entity.properties.iter().find(|property| property.suffix == suffix)?))
        })
    }

    /// Everybody who hears this topic.
    pub(super) fn ears(&self, topic: &str, mut hear: impl FnMut(Ear)) {
        for ear in self.exact.get(topic).into_iter().flatten() {
            hear(*ear);
        }
        for (_, ear) in self.wild.iter().filter(|(filter, _)| crate::filters::fits(filter, topic)) {
            hear(*ear);
        }
    }

    /// Works out names, groups and who hears what, and announces it all. Gone when there is no entity left.
    pub(super) fn announce(mut self, device: DeviceRef) -> Announcement {
        let mut out = Announcement::of(device);
        if self.entities.is_empty() {
            out.gone = true;
            return out;
        }
        self.card.describe(&mut out);
        self.name();
        let groups = self.group();
        self.exact.clear();
        self.wild.clear();
        // Producers give every entity the same attributes: the first of them reports them, for all.
        let mut attributes: Vec<(&Arc<str>, &Template)> = Vec::new();
        for (at, ((entity, stem), group)) in self.named.iter().zip(&groups).enumerate() {
            for property in &entity.properties {
                let name = naming_of(stem, property.suffix);
                let mut info = property.info.named(name);
                info.reach = *group;
                out.properties.push(info);
                if let Some(say) = &property.say {
                    out.listens.push(say.topic.to_string());
                }
            }
            for (channel, heard) in entity.channels.iter().enumerate() {
                let (Ok(at), Ok(channel)) = (u16::try_from(at), u8::try_from(channel)) else { continue };
                if matches!(heard.hears, Hears::Attributes) {
                    let same = (&heard.topic, &heard.template);
                    if attributes.contains(&same) {
                        continue;
                    }
                    attributes.push(same);
                }
                put(&mut self.exact, &mut self.wild, &heard.topic, Ear::Entity { at, channel });
            }
            match &entity.extra {
                Extra::Light(lamp) => out.listens.extend(lamp.listens().map(str::to_owned)),
                Extra::Orders(orders) => out.listens.extend(orders.iter().map(|(_, topic, _)| topic.to_string())),
                _ => {}
            }
            out.speaks.push(entity.at.to_string());
        }
        for (group, reach) in self.reaches.iter().enumerate() {
            let Ok(group) = u8::try_from(group) else { continue };
            let Some(reach) = reach.as_ref().filter(|_| groups.contains(&group)) else { continue };
            for (source, of) in reach.sources.iter().enumerate() {
                let Ok(source) = u8::try_from(source) else { continue };
                put(&mut self.exact, &mut self.wild, &of.topic, Ear::Reach { group, source });
            }
        }
        out.shares = self.exact.keys().map(ToString::to_string).collect();
        out.shares.extend(self.wild.iter().map(|(filter, _)| filter.to_string()));
        for list in [&mut out.speaks, &mut out.shares, &mut out.listens] {
            list.sort_unstable();
            list.dedup();
        }
        if self.reaches.iter().any(Option::is_some) {
            let of = |reach: &Option<Arc<Availability>>| reach.as_ref().map_or(Reach::All(0), |reach| reach.reach());
            out.reaches = self.reaches.iter().map(of).collect();
        }
        out.lore = Some(Lore::new(self));
        out
    }

    /// Who has a name keeps it: what is bound to `valve` must not mean a sensor of that name which came later. Of those that
    /// come together, the ones that tell of a danger are first, then it goes by the alphabet. Over a restart the hub reads
    /// configs again in the order in which it first heard them.
    fn name(&mut self) {
        let known = self.before.iter().filter_map(|(key, stem)| Some((self.entities.get(key)?, Some(stem))));
        let mut order: Vec<(&Arc<Entity>, Option<&Box<str>>)> = known.collect();
        let mut is_known: HashSet<&Key> = HashSet::new();
        order.retain(|(entity, _)| is_known.insert(&entity.key));
        let mut new: Vec<&Arc<Entity>> =
            self.entities.values().filter(|entity| !is_known.contains(&entity.key)).collect();
        new.sort_by_key(|entity| (!entity.is_hazard(), &entity.key));
        order.extend(new.into_iter().map(|entity| (entity, None)));
        let mut taken: HashSet<String> = HashSet::new();
        let mut named = Vec::with_capacity(order.len());
        for (entity, had) in order {
            let component = entity.key.component.word();
            let sum = naming::checksum(&format!("{component}/{}", entity.key.id));
            let plain = [
                entity.stem.to_string(),
                format!("{}_{component}", entity.stem),
                format!("{}_{component}_{sum:08x}", entity.stem),
            ];
            let stems: Vec<String> = had.map(ToString::to_string).into_iter().chain(plain).collect();
            let names = |stem: &str| -> Vec<String> {
                entity.properties.iter().map(|property| naming_of(stem, property.suffix)).collect()
            };
            let free = stems.iter().find(|stem| names(stem).iter().all(|name| !taken.contains(name)));
            // Two checksums that agree: the second of them is left out.
            let Some(stem) = free else { continue };
            taken.extend(names(stem));
            named.push((Arc::clone(entity), stem.clone().into_boxed_str()));
        }
        named.sort_by(|(one, _), (other, _)| (!one.is_hazard(), &one.key).cmp(&(!other.is_hazard(), &other.key)));
        named.shrink_to_fit();
        self.named = named;
        self.before = Vec::new();
    }

    /// The group of each named entity. The first availability of a device is the device's own.
    fn group(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.named.len());
        let any = self.named.iter().any(|(entity, _)| entity.availability.is_some());
        if !any {
            self.reaches.clear();
            return vec![0; self.named.len()];
        }
        // A number whose entities are gone is free; those in use stay, since what was heard is kept by number.
        let named = &self.named;
        for reach in &mut self.reaches {
            let used = named.iter().any(|(entity, _)| reach.is_some() && entity.availability == *reach);
            if !used {
                *reach = None;
            }
        }
        // With the availabilities first, so that the group of those who have none is not the device's own.
        for (entity, _) in named {
            let known = self.reaches.iter().any(|reach| *reach == entity.availability);
            if entity.availability.is_none() || known {
                continue;
            }
            match self.reaches.iter().position(Option::is_none) {
                Some(free) => self.reaches[free].clone_from(&entity.availability),
                None if self.reaches.len() < MAX_REACHES => self.reaches.push(entity.availability.clone()),
                None => {}
            }
        }
        if named.iter().any(|(entity, _)| entity.availability.is_none()) && !self.reaches.contains(&None) {
            self.reaches.push(None);
        }
        for (entity, _) in &self.named {
            let at = self.reaches.iter().position(|reach| *reach == entity.availability);
            out.push(at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0));
        }
        out
    }
}

fn put(exact: &mut HashMap<Arc<str>, Vec<Ear>>, wild: &mut Vec<(Arc<str>, Ear)>, topic: &Arc<str>, ear: Ear) {
    if topic.contains(['+', '#']) {
        wild.push((Arc::clone(topic), ear));
    } else {
        exact.entry(Arc::clone(topic)).or_default().push(ear);
    }
}
