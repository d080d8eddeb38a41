//! How the properties of devices stand, in memory: what was recorded last, since when, whether it still counts. Values come
//! from what is recorded and from nothing else; that a device has spoken is known at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use domovoi_adapters::{Announcement, Directory, PropertyInfo, Reach, Reached};
use domovoi_model::{DeviceRef, Moment, Observation, Quality, Sample, Timestamp, Unit, Value};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::MAX_DEVICES;
use super::reach::Sources;
use crate::bus::PropertyState;
use crate::ingest::{News, Telling};

/// How many properties of a device are known.
const MAX_PROPERTIES: usize = 1024;

/// How a property stands.
#[derive(Debug, Clone)]
pub struct LiveProperty {
    pub value: Option<Value>,
    pub unit: Unit,
    pub suspect: Option<String>,
    /// When the value came.
    pub at: Option<Moment>,
    /// When the device last said anything of it in this run, be it the same again.
    pub heard: Option<Instant>,
    /// It was told that the value had expired, and nothing came since.
    pub expired_told: bool,
    /// When its state was last told to those who watch.
    pub told: Option<Instant>,
}

/// How a device stands.
#[derive(Debug)]
pub struct LiveDevice {
    /// Since when it is known here.
    pub since: Instant,
    pub properties: BTreeMap<String, LiveProperty>,
    pub sources: BTreeMap<u8, Sources>,
    /// When anything came from it.
    pub heard_at: Option<Moment>,
    /// The same, in this run.
    pub heard: Option<Instant>,
}

impl Default for LiveDevice {
    fn default() -> Self {
        LiveDevice {
            since: Instant::now(),
            properties: BTreeMap::new(),
            sources: BTreeMap::new(),
            heard_at: None,
            heard: None,
        }
    }
}

type Shared = Arc<Mutex<LiveDevice>>;

/// All devices.
#[derive(Default)]
pub struct Live {
    devices: RwLock<HashMap<DeviceRef, Shared>>,
    /// What stands otherwise than it was told; a property of `None` is all of a device.
    dirty: Mutex<HashSet<(DeviceRef, Option<String>)>>,
    pub bell: Notify,
    is_ours: OnceLock<IsOurs>,
}

type IsOurs = Box<dyn Fn(&DeviceRef) -> bool + Send + Sync>;

impl Live {
    pub fn of(&self, device: &DeviceRef) -> Option<Shared> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).get(device).cloned()
    }

    fn known(&self, device: &DeviceRef) -> Option<Shared> {
        if let Some(known) = self.of(device) {
            return Some(known);
        }
        let ours = self.is_ours.get().is_some_and(|is_ours| is_ours(device));
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        // Of ours there are so many at most anyway: strangers cannot take their place.
        if !ours && devices.len() >= MAX_DEVICES && !devices.contains_key(device) {
            return None;
        }
        Some(Arc::clone(devices.entry(device.clone()).or_default()))
    }

    /// Whether a device is in the registry; told once.
    pub fn ours_are(&self, is_ours: impl Fn(&DeviceRef) -> bool + Send + Sync + 'static) {
        // Told twice, the first counts.
        let _ = self.is_ours.set(Box::new(is_ours));
    }

    /// Drops what is not in the registry and was here before `since`: for those who came later it was not asked yet
    /// whether they get into the inbox.
    pub fn keep(&self, since: Instant, is_ours: impl Fn(&DeviceRef) -> bool) {
        let known: Vec<DeviceRef> =
            self.devices.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let strangers: Vec<DeviceRef> = known.into_iter().filter(|device| !is_ours(device)).collect();
        if !strangers.is_empty() {
            let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
            for device in strangers {
                if devices.get(&device).is_some_and(|known| lock(known).since < since) {
                    devices.remove(&device);
                }
            }
        }
    }

    pub fn forget(&self, device: &DeviceRef) {
        self.devices.write().unwrap_or_else(PoisonError::into_inner).remove(device);
    }

    pub fn dirty(&self, device: &DeviceRef, property: Option<&str>) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        if dirty.insert((device.clone(), property.map(str::to_owned))) {
            self.bell.notify_one();
        }
    }

    pub fn take_dirty(&self) -> HashSet<(DeviceRef, Option<String>)> {
        std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A device has spoken. Its values wait for the disk; that it lives does not.
    pub fn touch(&self, observations: &[Observation], telling: &Telling<'_>) {
        if telling.news == News::Replayed {
            return;
        }
        for said in observations.chunk_by(|a, b| a.device == b.device) {
            let Some(first) = said.first() else { continue };
            let Some(device) = self.known(&first.device) else { continue };
            let mut device = lock(&device);
            device.heard_at = Some(telling.at);
            device.heard = Some(Instant::now());
            for observation in said {
                let Some(property) = device.properties.get_mut(&observation.property) else { continue };
                property.heard = Some(Instant::now());
                if std::mem::take(&mut property.expired_told) {
                    self.dirty(&observation.device, Some(&observation.property));
                }
            }
        }
    }

    /// What was recorded is so.
    pub fn apply(&self, sample: &Sample) {
        let Some(device) = self.known(&sample.device) else { return };
        let mut device = lock(&device);
        device.heard_at = Some(sample.at);
        let full = device.properties.len() >= MAX_PROPERTIES;
        if full && !device.properties.contains_key(&sample.property) {
            return;
        }
        let told = device.properties.get(&sample.property).and_then(|property| property.told);
        let live = LiveProperty {
            value: Some(sample.value.clone()),
            unit: sample.unit,
            suspect: complaint(&sample.quality),
            at: Some(sample.at),
            heard: Some(Instant::now()),
            expired_told: false,
            told,
        };
        device.properties.insert(sample.property.clone(), live);
        drop(device);
        self.dirty(&sample.device, Some(&sample.property));
    }

    /// What history knows from before the start, unless the device was faster.
    pub fn restore(
        &self,
        device: &DeviceRef,
        property: &str,
        value: Value,
        unit: Unit,
        quality: &Quality,
        at: Timestamp,
    ) {
        let Some(known) = self.known(device) else { return };
        let mut known = lock(&known);
        if known.properties.contains_key(property) || known.properties.len() >= MAX_PROPERTIES {
            return;
        }
        let live = LiveProperty {
            value: Some(value),
            unit,
            suspect: complaint(quality),
            at: Some(Moment::Wall(at)),
            heard: None,
            expired_told: false,
            told: None,
        };
        known.properties.insert(property.to_owned(), live);
        drop(known);
        self.dirty(device, Some(property));
    }

    /// What was said of whether it can be reached while nobody knew yet who it is.
    pub fn take_over(&self, before: &DeviceRef, device: &DeviceRef) {
        let Some(makeshift) = self.of(before) else { return };
        let sources = std::mem::take(&mut lock(&makeshift).sources);
        if sources.is_empty() {
            return;
        }
        let Some(known) = self.known(device) else { return };
        let mut known = lock(&known);
        for (group, said) in sources {
            for (source, available) in said.each() {
                known.sources.entry(group).or_default().heard(source, available);
            }
        }
        drop(known);
        self.dirty(device, None);
    }

    /// Groups in which nobody has anything to say (any more), and sources that there are no more: what they said last must
    /// not count for whoever is given their number next.
    pub fn regroup(&self, announcement: &Announcement) {
        let Some(known) = self.of(&announcement.device) else { return };
        let mut known = lock(&known);
        known.sources.retain(|group, _| {
            let reach = announcement.reaches.get(usize::from(*group));
            !matches!(reach, Some(Reach::All(0)))
        });
        for (group, sources) in &mut known.sources {
            if let Some(Reach::All(many)) = announcement.reaches.get(usize::from(*group)) {
                sources.keep(*many);
            }
        }
    }

    pub fn reached(&self, reached: &[Reached]) {
        for word in reached {
            let Some(device) = self.known(&word.device) else { continue };
            if lock(&device).sources.entry(word.group).or_default().heard(word.source, word.available) {
                self.dirty(&word.device, None);
            }
        }
    }
}

pub fn lock(device: &Mutex<LiveDevice>) -> std::sync::MutexGuard<'_, LiveDevice> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

fn complaint(quality: &Quality) -> Option<String> {
    match quality {
        Quality::Good => None,
        Quality::Suspect(words) => Some(words.clone()),
    }
}

impl LiveDevice {
    /// Whether a group of properties can be reached; the first is the device's own.
    pub fn reachable(&self, announcement: Option<&Announcement>, group: u8) -> Option<bool> {
        let announcement = announcement?;
        let Some(reach) = announcement.reaches.get(usize::from(group)).copied() else {
            // It names nothing that would say no: it always can.
            let silent = announcement.reaches.is_empty() && self.sources.is_empty();
            return if silent { Some(true) } else { self.sources.get(&group)?.together(Reach::Latest) };
        };
        self.sources.get(&group).map_or_else(|| Sources::default().together(reach), |sources| sources.together(reach))
    }

    /// How a property stands for who looks.
    pub fn state(&self, device: &DeviceRef, name: &str, directory: &Directory, now: Now) -> PropertyState {
        let announcement = directory.known(device);
        let info = announcement.and_then(|announcement| announcement.property(name));
        let live = self.properties.get(name);
        PropertyState {
            device: device.clone(),
            property: name.to_owned(),
            value: live.and_then(|live| live.value.clone()),
            unit: live.map_or_else(|| info.map_or(Unit::None, |info| info.unit), |live| live.unit),
            suspect: live.and_then(|live| live.suspect.clone()),
            at: live.and_then(|live| live.at),
            restored: live.is_some_and(|live| live.heard.is_none() && live.value.is_some()),
            expired: live.zip(info).is_some_and(|(live, info)| live.is_expired(info, now)),
            reachable: self.reachable(announcement, info.map_or(0, |info| info.reach)),
        }
    }
}

/// The two times that count: how long something has lasted in this run, and what the day is, if it is known.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub instant: Instant,
    pub wall: Option<Timestamp>,
}

impl LiveProperty {
    /// Whether the device has been silent for longer than it says that its word counts.
    pub fn is_expired(&self, info: &PropertyInfo, now: Now) -> bool {
        let Some(seconds) = info.expires_after_s else { return false };
        match (self.heard, self.at, now.wall) {
            (Some(heard), _, _) => now.instant.saturating_duration_since(heard).as_secs() >= u64::from(seconds),
            (None, Some(Moment::Wall(at)), Some(wall)) => wall.0.saturating_sub(at.0) >= i64::from(seconds) * 1000,
            // Nobody knows how old it is; that it is from before the restart is said anyway.
            _ => false,
        }
    }
}
