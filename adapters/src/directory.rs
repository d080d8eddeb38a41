//! What the dialects know of devices beyond the message in hand: base topics, identities behind names, units and
//! ranges of properties. A plain value that the hub owns and feeds; it forgets nothing by itself and asks nobody.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use domovoi_model::DeviceRef;

use crate::mqtt;
use crate::property::PropertyInfo;

/// More devices than any home has; beyond it nothing new is learnt, so that a neighbour's telegrams or a hostile
/// publisher cannot fill the memory.
const MAX_DEVICES: usize = 4096;

/// What a device, or a bridge on its behalf, says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Which device, by its stable identity.
    pub device: DeviceRef,
    /// What its topics call it: the friendly name, Tasmota's topic. Somebody may change it.
    pub alias: Option<String>,
    /// What people call it, as far as it says.
    pub name: Option<String>,
    /// Maker and model, as far as it says.
    pub model: Option<String>,
    /// The maker's number on the device itself, as far as it says.
    pub serial: Option<String>,
    /// The room in which it says it is.
    pub area: Option<String>,
    /// The bridge through which it speaks.
    pub via: Option<DeviceRef>,
    /// It sleeps to spare its battery: silence is its habit, and a command may wait long.
    pub sleeps: bool,
    /// Its properties, as far as it says.
    pub properties: Vec<PropertyInfo>,
    /// Other stable identities of the same device: a MAC, a second identifier.
    pub identities: Vec<String>,
    /// The topics under which it reports, without a slash at the end. Each belongs to one device.
    pub speaks: Vec<String>,
    /// Whole topics that it hears together with others: a state or an availability that several devices share. They may
    /// be filters, with `+` and `#`.
    pub shares: Vec<String>,
    /// The topics under which it takes commands, without a slash at the end.
    pub listens: Vec<String>,
    /// When it can be reached, by the number of the group; without any it always can.
    pub reaches: Vec<Reach>,
    /// What its dialect alone understands.
    pub lore: Option<Lore>,
    /// It was removed; everything else here is then of no account.
    pub gone: bool,
}

impl Announcement {
    /// Of a device of which nothing more is known yet.
    pub fn of(device: DeviceRef) -> Self {
        Announcement {
            device,
            alias: None,
            name: None,
            model: None,
            serial: None,
            area: None,
            via: None,
            sleeps: false,
            properties: Vec::new(),
            identities: Vec::new(),
            speaks: Vec::new(),
            shares: Vec::new(),
            listens: Vec::new(),
            reaches: Vec::new(),
            lore: None,
            gone: false,
        }
    }

    /// Its property of this name.
    pub fn property(&self, name: &str) -> Option<&PropertyInfo> {
        self.properties.iter().find(|property| property.name == name)
    }
}

/// What several sources of [`crate::Reached`] mean together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// The last word of any of them counts.
    #[default]
    Latest,
    /// All of so many must say yes; of none at all, which is always.
    All(u8),
    /// One that says yes is enough.
    Any,
}

/// Facts about a device that only its own dialect can read: compiled templates, for example. Two are the same if they
/// are the same piece of memory.
#[derive(Clone)]
pub struct Lore(Arc<dyn Any + Send + Sync>);

impl Lore {
    /// Of whatever the dialect keeps.
    pub fn new<T: Any + Send + Sync>(facts: T) -> Self {
        Lore(Arc::new(facts))
    }

    /// As the type it was made of.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl PartialEq for Lore {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lore {}

impl fmt::Debug for Lore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lore(…)")
    }
}

/// What [`Directory::learn`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// The directory is another than before.
    pub changed: bool,
    /// Devices whose topic now belongs to the announced one: a replaced device, a swap of names, or a forgery.
    pub displaced: Vec<DeviceRef>,
    /// There was no room for one more device.
    pub full: bool,
}

/// Why base topics are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BasesError {
    /// There is no such dialect.
    UnknownDialect(String),
    /// This cannot be a base topic.
    BadTopic(String),
    /// A dialect without a base topic hears nothing; leave the setting out to have the default.
    Empty,
}

impl fmt::Display for BasesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BasesError::UnknownDialect(name) => {
                let names: Vec<&str> = mqtt::DIALECTS.iter().map(|dialect| dialect.name).collect();
                write!(f, "there is no dialect «{name}»; there are {}", names.join(", "))
            }
            BasesError::BadTopic(topic) => write!(
                f,
                "«{topic}» cannot be a base topic: it is empty, too long, has + # or control characters, or begins with $ or domovoi/"
            ),
            BasesError::Empty => f.write_str("no base topic is given; leave the setting out to have the default"),
        }
    }
}

impl std::error::Error for BasesError {}

/// Settings and learnt facts, for all dialects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    bases: BTreeMap<String, Vec<String>>,
    known: BTreeMap<DeviceRef, Announcement>,
    /// dialect → topic → who speaks there.
    speakers: BTreeMap<String, BTreeMap<String, DeviceRef>>,
    /// dialect → topic → who hears it together with others.
    sharers: BTreeMap<String, BTreeMap<String, Vec<DeviceRef>>>,
    /// dialect → one more stable identity → whose it is.
    identities: BTreeMap<String, BTreeMap<String, DeviceRef>>,
    /// dialect → the last level of a filter that devices share, empty if it is no word → the filter → who hears it.
    filters: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<DeviceRef>>>>,
    /// dialect → topic where commands are taken → by how many devices.
    listeners: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Default for Directory {
    /// Every dialect with its default base topics; no device known.
    fn default() -> Self {
        let bases = mqtt::DIALECTS
            .iter()
            .map(|dialect| (dialect.name.to_owned(), dialect.bases.iter().map(|base| (*base).to_owned()).collect()));
        Directory {
            bases: bases.collect(),
            known: BTreeMap::new(),
            speakers: BTreeMap::new(),
            sharers: BTreeMap::new(),
            identities: BTreeMap::new(),
            filters: BTreeMap::new(),
            listeners: BTreeMap::new(),
        }
    }
}

impl Directory {
    /// Sets the base topics of a dialect; a slash at the end makes no difference.
    pub fn set_bases(&mut self, dialect: &str, bases: &[String]) -> Result<(), BasesError> {
        let Some(own) = self.bases.get_mut(dialect) else {
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
        if let Some(bases) = self.bases.get_mut(dialect) {
            bases.clear();
        }
    }

    /// The base topics of a dialect; none if nobody speaks it here.
    pub fn bases(&self, dialect: &str) -> &[String] {
        self.bases.get(dialect).map_or(&[], Vec::as_slice)
    }

    /// Takes in what a device said about itself; the last word counts.
    pub fn learn(&mut self, announcement: &Announcement) -> Learned {
        let device = &announcement.device;
        let before = self.known.get(device);
        if announcement.gone {
            let changed = before.is_some();
            self.forget_topics(device);
            self.known.remove(device);
            return Learned { changed, ..Learned::default() };
        }
        if before == Some(announcement) && self.owns_its_topics(announcement) {
            return Learned::default();
        }
        if before.is_none() && self.known.len() >= MAX_DEVICES {
            return Learned { full: true, ..Learned::default() };
        }
        self.forget_topics(device);
        let mut displaced = Vec::new();
        let speakers = self.speakers.entry(device.dialect.clone()).or_default();
        for topic in &announcement.speaks {
            if let Some(other) = speakers.insert(topic.clone(), device.clone())
                && other != *device
                && !displaced.contains(&other)
            {
                displaced.push(other);
            }
        }
        let sharers = self.sharers.entry(device.dialect.clone()).or_default();
        let filters = self.filters.entry(device.dialect.clone()).or_default();
        for topic in &announcement.shares {
            let heard_by = if topic.contains(['+', '#']) {
                filters.entry(last_word(topic).to_owned()).or_default().entry(topic.clone()).or_default()
            } else {
                sharers.entry(topic.clone()).or_default()
            };
            // One topic that all devices of a home share is that of their bridge.
            if heard_by.len() < MAX_DEVICES && !heard_by.contains(device) {
                heard_by.push(device.clone());
            }
        }
        let listeners = self.listeners.entry(device.dialect.clone()).or_default();
        for topic in &announcement.listens {
            *listeners.entry(topic.clone()).or_default() += 1;
        }
        let identities = self.identities.entry(device.dialect.clone()).or_default();
        for identity in &announcement.identities {
            identities.entry(identity.clone()).or_insert_with(|| device.clone());
        }
        self.known.insert(device.clone(), announcement.clone());
        Learned { changed: true, displaced, full: false }
    }

    /// What a device last said about itself.
    pub fn known(&self, device: &DeviceRef) -> Option<&Announcement> {
        self.known.get(device)
    }

    /// Everything known, by device.
    pub fn devices(&self) -> impl Iterator<Item = &Announcement> {
        self.known.values()
    }

    /// The device that a dialect's topics call by this name.
    pub fn called(&self, dialect: &str, alias: &str) -> Option<&DeviceRef> {
        self.devices()
            .find(|known| known.device.dialect == dialect && known.alias.as_deref() == Some(alias))
            .map(|known| &known.device)
    }

    /// What is known of one property.
    pub fn property(&self, device: &DeviceRef, name: &str) -> Option<&PropertyInfo> {
        self.known(device)?.property(name)
    }

    /// Who speaks under this topic or, the longest first, above it; and what of the topic is left.
    pub(crate) fn speaker<'t>(&self, dialect: &str, topic: &'t str) -> Option<(&DeviceRef, &'t str)> {
        let speakers = self.speakers.get(dialect)?;
        let mut end = topic.len();
        loop {
            let head = topic.get(..end)?;
            if let Some(device) = speakers.get(head) {
                return Some((device, topic.get(end..)?.trim_start_matches('/')));
            }
            end = head.rfind('/')?;
        }
    }

    /// Who hears this topic together with others, each once.
    pub(crate) fn hearers(&self, dialect: &str, topic: &str) -> Vec<&DeviceRef> {
        let exact = self.sharers.get(dialect).and_then(|topics| topics.get(topic));
        let mut out: Vec<&DeviceRef> = exact.into_iter().flatten().collect();
        if let Some(filters) = self.filters.get(dialect) {
            let words = [topic.rsplit('/').next().unwrap_or_default(), ""];
            let some = words.iter().filter_map(|word| filters.get(*word)).flatten();
            for (_, devices) in some.filter(|(filter, _)| fits(filter, topic)) {
                for device in devices {
                    if !out.contains(&device) {
                        out.push(device);
                    }
                }
            }
        }
        out
    }

    /// Whether some device takes commands on exactly this topic.
    pub(crate) fn listens(&self, dialect: &str, topic: &str) -> bool {
        self.listeners.get(dialect).is_some_and(|topics| topics.contains_key(topic))
    }

    /// The device that has this among its identities.
    pub(crate) fn identified(&self, dialect: &str, identity: &str) -> Option<&DeviceRef> {
        self.identities.get(dialect)?.get(identity)
    }

    fn owns_its_topics(&self, announcement: &Announcement) -> bool {
        let speakers = self.speakers.get(&announcement.device.dialect);
        announcement.speaks.iter().all(|topic| speakers.and_then(|s| s.get(topic)) == Some(&announcement.device))
    }

    fn forget_topics(&mut self, device: &DeviceRef) {
        let Some(known) = self.known.get(device) else { return };
        if let Some(speakers) = self.speakers.get_mut(&device.dialect) {
            for topic in known.speaks.iter().filter(|topic| speakers.get(*topic) == Some(device)).collect::<Vec<_>>() {
                speakers.remove(topic);
            }
        }
        if let Some(sharers) = self.sharers.get_mut(&device.dialect) {
            for topic in &known.shares {
                if let Some(heard_by) = sharers.get_mut(topic) {
                    heard_by.retain(|other| other != device);
                    if heard_by.is_empty() {
                        sharers.remove(topic);
                    }
                }
            }
        }
        if let Some(filters) = self.filters.get_mut(&device.dialect) {
            for topic in &known.shares {
                let Some(same) = filters.get_mut(last_word(topic)) else { continue };
                if let Some(heard_by) = same.get_mut(topic) {
                    heard_by.retain(|other| other != device);
                    if heard_by.is_empty() {
                        same.remove(topic);
                    }
                }
            }
        }
        if let Some(listeners) = self.listeners.get_mut(&device.dialect) {
            for topic in &known.listens {
                if let Some(count) = listeners.get_mut(topic) {
                    *count -= 1;
                    if *count == 0 {
                        listeners.remove(topic);
                    }
                }
            }
        }
        if let Some(identities) = self.identities.get_mut(&device.dialect) {
            for identity in &known.identities {
                if identities.get(identity) == Some(device) {
                    identities.remove(identity);
                }
            }
        }
    }
}

/// The last level of a filter; empty if it is a wildcard.
fn last_word(filter: &str) -> &str {
    let last = filter.rsplit('/').next().unwrap_or_default();
    if matches!(last, "+" | "#") { "" } else { last }
}

/// Whether a topic is one of those that a filter means (MQTT 3.1.1 §4.7).
pub(crate) fn fits(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    let mut wanted = filter.split('/');
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether a topic from the settings or from a peer may stand for a device. Our own topics may not: a peer that
/// announced `domovoi/…` as the place where it listens would have the hub talk to itself.
pub(crate) fn is_base(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= 256
        && !topic.starts_with('$')
        && topic != "domovoi"
        && !topic.starts_with("domovoi/")
        && !topic.chars().any(|c| matches!(c, '+' | '#') || c.is_control())
}
