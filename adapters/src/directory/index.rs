//! What is known of one dialect's devices, and where each of them is found: by topic, by filter, by identity. Deliberately
//! decides nothing about whose anything is.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use domovoi_model::DeviceRef;

use crate::announcement::Announcement;
use crate::announcer::{Owner, Usage};
use crate::filters::Filters;
use crate::property::PropertyInfo;

/// A device that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) announcement: Arc<Announcement>,
    pub(super) owner: Owner,
    /// The places of its properties in the announcement, by their names.
    places: Box<[u16]>,
    /// Bytes of what was published about it, by topic.
    pub(super) bytes: Sizes,
}

/// Bytes by topic, of which only the hash is kept.
pub(super) type Sizes = BTreeMap<u64, u32>;

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What stands for a topic in [`Sizes`].
pub(super) fn hash_of(topic: &str) -> u64 {
    HASHER.hash_one(topic)
}

impl Known {
    pub(super) fn new(announcement: Arc<Announcement>, owner: Owner, bytes: Sizes) -> Self {
        let mut places: Box<[u16]> = (0..=u16::MAX).take(announcement.properties.len()).collect();
        places.sort_by_key(|at| announcement.properties.get(usize::from(*at)).map(|info| info.name.as_str()));
        Known { announcement, owner, places, bytes }
    }

    pub(super) fn property(&self, name: &str) -> Option<&PropertyInfo> {
        let at = |place: &u16| self.announcement.properties.get(usize::from(*place));
        let found = self.places.binary_search_by_key(&Some(name), |place| at(place).map(|info| info.name.as_str()));
        at(self.places.get(found.ok()?)?)
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            devices: 1,
            properties: self.announcement.properties.len(),
            bytes: self.bytes.values().map(|bytes| *bytes as usize).sum(),
        }
    }
}

/// A device, held once however often it is named: whoever reads the directory while it learns keeps the one before it, and
/// what is copied then should be small.
pub(super) type Whose = Arc<DeviceRef>;

/// What is known of one dialect's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) known: BTreeMap<Whose, Arc<Known>>,
    /// topic → who speaks there.
    pub(super) speakers: BTreeMap<Arc<str>, Whose>,
    /// topic → who says that he speaks there, too, and is not believed.
    pub(super) rivals: BTreeMap<Arc<str>, BTreeSet<Whose>>,
    /// topic → who hears it together with others.
    pub(super) sharers: BTreeMap<Arc<str>, Vec<Whose>>,
    /// one more stable identity → whose it is.
    pub(super) identities: BTreeMap<Arc<str>, Whose>,
    /// The same for filters.
    pub(super) filters: Filters,
    /// topic where commands are taken → by whom.
    pub(super) listeners: BTreeMap<Arc<str>, Vec<Whose>>,
}

/// What an announcement has that another one has not; only the lists of topics and identities count.
pub(super) struct Changes {
    pub(super) gone: Announcement,
    pub(super) new: Announcement,
}

impl Changes {
    pub(super) fn between(old: &Announcement, new: &Announcement) -> Self {
        let without = |list: &[String], other: &[String]| {
            let other: BTreeSet<&String> = other.iter().collect();
            list.iter().filter(|one| !other.contains(one)).cloned().collect::<Vec<_>>()
        };
        let lists = |one: &Announcement, other: &Announcement| Announcement {
            speaks: without(&one.speaks, &other.speaks),
            shares: without(&one.shares, &other.shares),
            listens: without(&one.listens, &other.listens),
            identities: without(&one.identities, &other.identities),
            ..Announcement::of(one.device.clone())
        };
        Changes { gone: lists(old, new), new: lists(new, old) }
    }
}

impl Index {
    /// Takes a device's topics and identities away; says which topics nobody speaks under any more.
    pub(super) fn remove(&mut self, device: &DeviceRef, gone: &Announcement) -> Vec<String> {
        let mut freed = Vec::new();
        for topic in &gone.speaks {
            if self.speakers.get(topic.as_str()).is_some_and(|own| **own == *device) {
                self.speakers.remove(topic.as_str());
                freed.push(topic.clone());
            }
            self.rivals_leave(topic, device);
        }
        for topic in &gone.shares {
            self.filters.remove(topic, device);
            leave(&mut self.sharers, topic, device);
        }
        for topic in &gone.listens {
            leave(&mut self.listeners, topic, device);
        }
        for identity in &gone.identities {
            if self.identities.get(identity.as_str()).is_some_and(|own| **own == *device) {
                self.identities.remove(identity.as_str());
            }
        }
        freed
    }

    pub(super) fn insert(&mut self, device: &Whose, new: &Announcement) {
        for topic in &new.shares {
            if topic.contains(['+', '#']) {
                self.filters.insert(topic, device);
                continue;
            }
            // One topic that all devices of a home share is that of their bridge.
            let heard_by = self.sharers.entry(topic.as_str().into()).or_default();
            if !heard_by.contains(device) {
                heard_by.push(Arc::clone(device));
            }
        }
        for topic in &new.listens {
            let taken_by = self.listeners.entry(topic.as_str().into()).or_default();
            if !taken_by.contains(device) {
                taken_by.push(Arc::clone(device));
            }
        }
        for identity in &new.identities {
            self.identities.entry(identity.as_str().into()).or_insert_with(|| Arc::clone(device));
        }
    }

    /// Topics that somebody else was waiting for are his.
    pub(super) fn hand_over(&mut self, freed: &[String]) {
        for topic in freed {
            let next = self.rivals.get(topic.as_str()).and_then(|rivals| rivals.first()).cloned();
            if let Some(next) = next {
                self.rivals_leave(topic, &next);
                self.speakers.insert(topic.as_str().into(), next);
            }
        }
    }

    pub(super) fn rivals_leave(&mut self, topic: &str, device: &DeviceRef) {
        if let Some(rivals) = self.rivals.get_mut(topic) {
            rivals.remove(device);
            if rivals.is_empty() {
                self.rivals.remove(topic);
            }
        }
    }
}

fn leave(lists: &mut BTreeMap<Arc<str>, Vec<Whose>>, topic: &str, device: &DeviceRef) {
    if let Some(devices) = lists.get_mut(topic) {
        devices.retain(|other| **other != *device);
        if devices.is_empty() {
            lists.remove(topic);
        }
    }
}

/// A topic and what is above it, the longest first, each with what is left of the topic.
pub(super) fn heads(topic: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = std::iter::successors(Some(topic.len()), move |end| topic.get(..*end)?.rfind('/'));
    ends.filter_map(move |end| Some((topic.get(..end)?, topic.get(end..)?.trim_start_matches('/'))))
}
