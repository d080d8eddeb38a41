//! What the dialects know of devices beyond the message in hand: base topics, identities behind names, units and
//! ranges of properties. A plain value that the hub owns and feeds; it forgets nothing by itself and asks nobody.
//!
//! What was announced belongs to who announced it first: another's word on it changes nothing and is kept as contested. A
//! copy is cheap as long as nothing of it is changed, so that messages are read without a lock.

mod claims;
mod index;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use domovoi_model::DeviceRef;
use index::{Changes, Index, Known, hash_of, heads};

use crate::announcement::Announcement;
use crate::announcer::{Announcer, Contest, Contested, Owner, Usage};
use crate::bases::{BasesError, is_base};
use crate::keys::Keys;
use crate::mapping::{Mapped, Mapping, MappingError};
use crate::mqtt;
use crate::property::PropertyInfo;

/// What [`Directory::learn`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// The directory is another than before.
    pub changed: bool,
    /// Devices whose topic now belongs to the announced one: a replaced device, a swap of names.
    pub displaced: Vec<DeviceRef>,
    /// There was no room for it.
    pub full: bool,
    /// It is another's word on what is not his, or there was no room: it changed nothing.
    pub refused: bool,
    /// What of it is not believed, as far as it is news.
    pub contested: Vec<Contest>,
}

/// Settings and learnt facts, for all dialects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    bases: Arc<BTreeMap<String, Vec<String>>>,
    mappings: Arc<Vec<Mapped>>,
    keys: Arc<Keys>,
    dialects: BTreeMap<String, Arc<Index>>,
    usage: BTreeMap<Owner, Usage>,
    contests: Arc<BTreeMap<DeviceRef, Vec<Contest>>>,
}

impl Default for Directory {
    /// Every dialect with its default base topics; no device known.
    fn default() -> Self {
        let bases = mqtt::DIALECTS
            .iter()
            .map(|dialect| (dialect.name.to_owned(), dialect.bases.iter().map(|base| (*base).to_owned()).collect()));
        Directory {
            bases: Arc::new(bases.collect()),
            mappings: Arc::default(),
            keys: Arc::default(),
            dialects: BTreeMap::new(),
            usage: BTreeMap::new(),
            contests: Arc::default(),
        }
    }
}

impl Directory {
    /// Sets the base topics of a dialect; a slash at the end makes no difference.
    pub fn set_bases(&mut self, dialect: &str, bases: &[String]) -> Result<(), BasesError> {
        let Some(own) = Arc::make_mut(&mut self.bases).get_mut(dialect) else {
            return Err(BasesError::UnknownDialect(dialect.to_owned()));
        };
        let mut checked: Vec<String> = Vec::new();
        for base in bases {
            let topic = base.strip_suffix('/').unwrap_or(base);
            if !is_base(topic) {
                return Err(BasesError::BadTopic(base.clone()));
            }
            if !checked.iter().any(|other| other == topic) {
                checked.push(topic.to_owned());
            }
        }
        if checked.is_empty() {
            return Err(BasesError::Empty);
        }
        *own = checked;
        Ok(())
    }

    /// Nobody speaks this dialect here: it claims nothing.
    pub fn silence(&mut self, dialect: &str) {
        if let Some(bases) = Arc::make_mut(&mut self.bases).get_mut(dialect) {
            bases.clear();
        }
    }

    /// The base topics of a dialect; none if nobody speaks it here.
    pub fn bases(&self, dialect: &str) -> &[String] {
        self.bases.get(dialect).map_or(&[], Vec::as_slice)
    }

    /// What the owner mapped himself, instead of what he mapped before. A device that no mapping means any more is gone;
    /// nothing changes if one of them is wrong.
    pub fn set_mappings(&mut self, mappings: Vec<Mapping>) -> Result<(), MappingError> {
        self.mappings = Arc::new(Mapped::all(mappings)?);
        let before: Vec<DeviceRef> = self.devices_of("mapping").map(|known| known.device.clone()).collect();
        for device in before {
            self.take_out(&device);
        }
        for announcement in mqtt::mapped(self) {
            self.learn(&announcement);
        }
        Ok(())
    }

    /// What the owner mapped himself.
    pub fn mappings(&self) -> &[Mapped] {
        &self.mappings
    }

    /// The key of a meter whose radio telegrams are encrypted, by its id as the dialects write it; `None` takes it back.
    pub fn set_key(&mut self, id: &str, key: Option<[u8; 16]>) {
        Arc::make_mut(&mut self.keys).set(id, key);
    }

    /// The key of a meter.
    pub(crate) fn key(&self, id: &str) -> Option<&[u8; 16]> {
        self.keys.get(id)
    }

    /// Takes in what the house itself knows of a device.
    pub fn learn(&mut self, announcement: &Announcement) -> Learned {
        self.learn_from(announcement, &Announcer::house())
    }

    /// Takes in what somebody says about a device. The last word of whom it belongs to counts; another's changes nothing.
    pub fn learn_from(&mut self, announcement: &Announcement, by: &Announcer<'_>) -> Learned {
        let device = &announcement.device;
        let owner = by.owner();
        let before = self.index(&device.dialect).and_then(|index| index.known.get(device)).cloned();
        let mut contested = Vec::new();
        if let Some(before) = &before
            && before.owner != owner
            && before.owner != Owner::Nobody
            && owner != Owner::Nobody
        {
            // Several gateways that hear one sensor say the same of it.
            if *before.announcement != *announcement {
                contested.push(Contest { what: Contested::Device, by: owner, at: String::new() });
            }
            return Learned { refused: true, contested: self.contest(device, contested), ..Learned::default() };
        }
        if announcement.gone {
            let taken = self.take_out(device);
            return Learned { changed: taken, ..Learned::default() };
        }
        let owner =
            if owner == Owner::Nobody { before.as_ref().map(|b| b.owner.clone()).unwrap_or_default() } else { owner };
        let narrowed = self.narrowed(announcement, by, &owner, &mut contested);
        let announcement = narrowed.as_ref().unwrap_or(announcement);
        let mut bytes = before.as_ref().map(|before| before.bytes.clone()).unwrap_or_default();
        match by.bytes {
            0 => drop(bytes.remove(&hash_of(by.topic))),
            some => drop(bytes.insert(hash_of(by.topic), u32::try_from(some).unwrap_or(u32::MAX))),
        }
        if let Some(before) = &before
            && *before.announcement == *announcement
            && before.owner == owner
            && before.bytes == bytes
            && self.has_its_topics(announcement)
        {
            let rivalled = announcement.speaks.iter().filter(|topic| self.is_rival(device, topic));
            contested.extend(rivalled.map(|topic| Contest {
                what: Contested::Topic,
                by: owner.clone(),
                at: topic.clone(),
            }));
            return Learned { contested: self.settle(device, &owner, contested), ..Learned::default() };
        }
        let new = Known::new(Arc::new(announcement.clone()), owner.clone(), bytes);
        if !self.has_room(before.as_deref(), &new, by) {
            contested.push(Contest { what: Contested::Quota, by: owner, at: String::new() });
            let contested = self.contest(device, contested);
            return Learned { full: true, refused: true, contested, ..Learned::default() };
        }
        let displaced = self.put_in(before, new, &mut contested);
        Learned { changed: true, displaced, contested: self.settle(device, &owner, contested), ..Learned::default() }
    }

    /// A credential is none any more: what it announced is nobody's, and what it contested is forgotten. Who announces the
    /// same devices next has them.
    pub fn release(&mut self, username: &str) {
        let owner = Owner::Credential(username.to_owned());
        let freed = self.usage.remove(&owner).unwrap_or_default();
        let nobodys = self.usage.entry(Owner::Nobody).or_default();
        *nobodys = nobodys.plus(freed);
        for index in self.dialects.values_mut() {
            if index.known.values().any(|known| known.owner == owner) {
                for known in Arc::make_mut(index).known.values_mut().filter(|known| known.owner == owner) {
                    Arc::make_mut(known).owner = Owner::Nobody;
                }
            }
        }
        let contests = Arc::make_mut(&mut self.contests);
        contests.values_mut().for_each(|some| some.retain(|contest| contest.by != owner));
        contests.retain(|_, some| !some.is_empty());
    }

    /// What a device last said about itself.
    pub fn known(&self, device: &DeviceRef) -> Option<&Announcement> {
        Some(self.shared(device)?.as_ref())
    }

    /// The same, for whoever keeps it.
    pub fn shared(&self, device: &DeviceRef) -> Option<&Arc<Announcement>> {
        Some(&self.index(&device.dialect)?.known.get(device)?.announcement)
    }

    /// Whose a device is.
    pub fn owner(&self, device: &DeviceRef) -> Option<&Owner> {
        Some(&self.index(&device.dialect)?.known.get(device)?.owner)
    }

    /// What was claimed of a device and not believed.
    pub fn contests(&self, device: &DeviceRef) -> &[Contest] {
        self.contests.get(device).map_or(&[], Vec::as_slice)
    }

    /// Everything known, by device.
    pub fn devices(&self) -> impl Iterator<Item = &Announcement> {
        self.dialects.values().flat_map(|index| index.known.values()).map(|known| known.announcement.as_ref())
    }

    /// The same of one dialect.
    pub(crate) fn devices_of(&self, dialect: &str) -> impl Iterator<Item = &Announcement> {
        self.index(dialect).into_iter().flat_map(|index| index.known.values()).map(|known| known.announcement.as_ref())
    }

    /// The device that a dialect's topics call by this name.
    pub fn called(&self, dialect: &str, alias: &str) -> Option<&DeviceRef> {
        self.devices_of(dialect).find(|known| known.alias.as_deref() == Some(alias)).map(|known| &known.device)
    }

    /// What is known of one property.
    pub fn property(&self, device: &DeviceRef, name: &str) -> Option<&PropertyInfo> {
        self.index(&device.dialect)?.known.get(device)?.property(name)
    }

    /// Who speaks under this topic or, the longest first, above it; and what of the topic is left.
    pub(crate) fn speaker<'t>(&self, dialect: &str, topic: &'t str) -> Option<(&DeviceRef, &'t str)> {
        let speakers = &self.index(dialect)?.speakers;
        heads(topic).find_map(|(head, rest)| Some((speakers.get(head)?.as_ref(), rest)))
    }

    /// Whether another device was given the topic under which this one is heard: nobody can say which of them speaks.
    pub(crate) fn is_rivalled(&self, dialect: &str, topic: &str) -> bool {
        let Some(index) = self.index(dialect).filter(|index| !index.rivals.is_empty()) else { return false };
        heads(topic).any(|(head, _)| index.rivals.contains_key(head))
    }

    /// Who hears this topic together with others, each once.
    pub(crate) fn hearers(&self, dialect: &str, topic: &str) -> Vec<&DeviceRef> {
        let Some(index) = self.index(dialect) else { return Vec::new() };
        let mut out: Vec<&DeviceRef> = index.sharers.get(topic).into_iter().flatten().map(Arc::as_ref).collect();
        index.filters.hearers(topic, |device| {
            if !out.contains(&device) {
                out.push(device);
            }
        });
        out
    }

    /// Whether some device hears exactly this topic, and not only by a filter with wildcards.
    pub(crate) fn is_heard_by_name(&self, dialect: &str, topic: &str) -> bool {
        self.index(dialect).is_some_and(|index| index.sharers.contains_key(topic))
    }

    /// Whether some device takes commands on exactly this topic.
    pub(crate) fn listens(&self, dialect: &str, topic: &str) -> bool {
        self.index(dialect).is_some_and(|index| index.listeners.contains_key(topic))
    }

    /// Whether some device takes commands on this topic or above it.
    pub fn takes(&self, dialect: &str, topic: &str) -> bool {
        self.index(dialect).is_some_and(|index| heads(topic).any(|(head, _)| index.listeners.contains_key(head)))
    }

    /// The device that has this among its identities.
    pub(crate) fn identified(&self, dialect: &str, identity: &str) -> Option<&DeviceRef> {
        self.index(dialect)?.identities.get(identity).map(Arc::as_ref)
    }

    /// Whether the house may say something to a device there: below one of the topics where it takes commands, and where
    /// nothing that is dangerous takes them, too, that is not behind the same credential or bridge.
    pub(crate) fn may_be_told(&self, device: &DeviceRef, topic: &str) -> bool {
        let Some(known) = self.index(&device.dialect).and_then(|index| index.known.get(device)) else { return true };
        let own = &known.announcement;
        if !heads(topic).any(|(head, _)| own.listens.iter().any(|listens| listens == head)) {
            return false;
        }
        let can_endanger = |one: &Announcement| one.properties.iter().any(|p| p.writable && p.can_endanger());
        can_endanger(own)
            || !self.others_at(topic, device).any(|other| {
                let is_same = other.owner == known.owner && matches!(known.owner, Owner::Credential(_));
                let is_behind = own.via.is_some() && own.via == other.announcement.via;
                !is_same && !is_behind && can_endanger(&other.announcement)
            })
    }

    /// Other devices that take commands on this topic or above it.
    fn others_at<'d>(&'d self, topic: &'d str, device: &'d DeviceRef) -> impl Iterator<Item = &'d Known> {
        let at = move |index: &'d Arc<Index>| {
            let devices = heads(topic).filter_map(|(head, _)| index.listeners.get(head)).flatten();
            devices.filter(move |other| ***other != *device).filter_map(|other| index.known.get(other))
        };
        self.dialects.values().flat_map(at).map(Arc::as_ref)
    }

    fn index(&self, dialect: &str) -> Option<&Arc<Index>> {
        self.dialects.get(dialect)
    }

    /// Whether a topic is below one of the bases that the settings name for a dialect.
    pub fn is_below_base(&self, dialect: &str, topic: &str) -> bool {
        let below = |base: &String| topic.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/'));
        self.bases(dialect).iter().any(below)
    }

    /// Whether a topic is below a base of another dialect, where only devices of that dialect are. Those behind the last that
    /// is announced to give way ([`mqtt::GIVES_WAY`]): who announced himself below one of their bases was here before them.
    pub(crate) fn is_below_another(&self, dialect: &str, topic: &str) -> bool {
        let rank = |name: &str| mqtt::DIALECTS.iter().position(|one| one.name == name).unwrap_or(usize::MAX);
        let own = rank(dialect);
        let mut others = mqtt::DIALECTS
            .iter()
            .enumerate()
            .filter(|(at, other)| other.name != dialect && (*at < own || *at < mqtt::GIVES_WAY));
        others.any(|(_, other)| self.is_below_base(other.name, topic) || self.takes(other.name, topic))
    }

    /// Puts a device in the place of what was known of it. Only what is another than before is touched: a config of a device
    /// with a thousand entities changes one.
    fn put_in(&mut self, before: Option<Arc<Known>>, new: Known, contested: &mut Vec<Contest>) -> Vec<DeviceRef> {
        let Known { announcement, owner, .. } = &new;
        if let Some(before) = &before {
            let usage = self.usage.entry(before.owner.clone()).or_default();
            *usage = usage.minus(before.usage());
        }
        let usage = self.usage.entry(owner.clone()).or_default();
        *usage = usage.plus(new.usage());
        let index = Arc::make_mut(self.dialects.entry(announcement.device.dialect.clone()).or_default());
        let known = index.known.get_key_value(&announcement.device).map(|(device, _)| Arc::clone(device));
        let device = &known.unwrap_or_else(|| Arc::new(announcement.device.clone()));
        let empty = Announcement::of(DeviceRef::clone(device));
        let old = before.as_ref().map_or(&empty, |before| &before.announcement);
        let changes = Changes::between(old, announcement);
        let mut freed = index.remove(device, &changes.gone);
        freed.retain(|topic| !announcement.speaks.contains(topic));
        let mut displaced = Vec::new();
        for topic in &announcement.speaks {
            let other = index.speakers.get(topic.as_str()).filter(|other| *other != device).cloned();
            let Some(other) = other else {
                index.speakers.insert(topic.as_str().into(), Arc::clone(device));
                index.rivals_leave(topic, device);
                continue;
            };
            let has = index.known.get(&other).map(|known| (known.owner.clone(), known.announcement.via.clone()));
            let is_anothers =
                has.is_some_and(|(has, _)| has != *owner && has != Owner::Nobody && *owner != Owner::Nobody);
            if is_anothers || announcement.holds_topics {
                contested.push(Contest { what: Contested::Topic, by: owner.clone(), at: topic.clone() });
                index.rivals.entry(topic.as_str().into()).or_default().insert(Arc::clone(device));
                continue;
            }
            index.speakers.insert(topic.as_str().into(), Arc::clone(device));
            if !displaced.contains(&*other) {
                displaced.push(DeviceRef::clone(&other));
            }
        }
        index.insert(device, &changes.new);
        index.known.insert(Arc::clone(device), Arc::new(new));
        index.hand_over(&freed);
        displaced
    }

    fn take_out(&mut self, device: &DeviceRef) -> bool {
        Arc::make_mut(&mut self.contests).remove(device);
        let Some(index) = self.dialects.get_mut(&device.dialect) else { return false };
        let Some(known) = index.known.get(device).cloned() else { return false };
        let index = Arc::make_mut(index);
        let freed = index.remove(device, &known.announcement);
        index.known.remove(device);
        index.hand_over(&freed);
        let usage = self.usage.entry(known.owner.clone()).or_default();
        *usage = usage.minus(known.usage());
        true
    }
}
