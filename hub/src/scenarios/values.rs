//! How the properties stand that scenarios watch: the last that was recorded of each, and whether it still counts. Others
//! are asked of the devices when somebody looks. It decides nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domovoi_model::{DeviceRef, Id, Value};

use super::plan::Place;

/// A trigger that watches a property: of which scenario, and which of its triggers.
pub type Watcher = (Id, u16);

/// What has become of a watched property.
#[derive(Debug)]
pub struct Change {
    /// The last that was known of it before.
    pub from: Option<Value>,
    /// Whether that still counted.
    pub was_known: bool,
    /// Who watches it.
    pub watchers: Arc<[Watcher]>,
}

#[derive(Debug, Default)]
struct Watched {
    last: Option<Value>,
    is_known: bool,
    watchers: Arc<[Watcher]>,
    /// How many conditions, waits and triggers are about it.
    used: u32,
}

/// See above.
#[derive(Debug, Default)]
pub struct Values(RwLock<HashMap<DeviceRef, HashMap<String, Watched>>>);

impl Values {
    /// Keeps a property from now on; `watcher`: a trigger that is told of its changes. Whether it was kept before.
    pub fn watch(&self, at: &Place, watcher: Option<Watcher>) -> bool {
        let mut all = self.write();
        let watched = all.entry(at.device.clone()).or_default().entry(at.property.clone()).or_default();
        watched.used += 1;
        if let Some(watcher) = watcher {
            watched.watchers = watched.watchers.iter().copied().chain([watcher]).collect();
        }
        watched.used > 1
    }

    /// The same taken back.
    pub fn leave(&self, at: &Place, watcher: Option<Watcher>) {
        let mut all = self.write();
        let Some(of) = all.get_mut(&at.device) else { return };
        if let Some(watched) = of.get_mut(&at.property) {
            watched.used = watched.used.saturating_sub(1);
            // One of them: whoever changes a scenario watches for the new one before the old one leaves.
            if let Some(at) = watcher.and_then(|watcher| watched.watchers.iter().position(|one| *one == watcher)) {
                let others = watched.watchers.iter().enumerate().filter(|(n, _)| *n != at);
                watched.watchers = others.map(|(_, one)| *one).collect();
            }
            if watched.used == 0 {
                of.remove(&at.property);
            }
        }
        if of.is_empty() {
            all.remove(&at.device);
        }
    }

    /// It stands so now; `None`: nobody knows. What comes of it, if it is watched and stands otherwise than before.
    pub fn set(&self, device: &DeviceRef, property: &str, to: Option<&Value>) -> Option<Change> {
        {
            let all = self.read();
            let watched = all.get(device)?.get(property)?;
            let same = match to {
                Some(to) => watched.is_known && watched.last.as_ref() == Some(to),
                None => !watched.is_known,
            };
            if same {
                return None;
            }
        }
        let mut all = self.write();
        let watched = all.get_mut(device)?.get_mut(property)?;
        let change =
            Change { from: watched.last.clone(), was_known: watched.is_known, watchers: Arc::clone(&watched.watchers) };
        watched.is_known = to.is_some();
        if let Some(to) = to {
            watched.last = Some(to.clone());
        }
        Some(change)
    }

    /// How a property stands; outer `None`: it is not kept here.
    pub fn get(&self, at: &Place) -> Option<Option<Value>> {
        let all = self.read();
        let watched = all.get(&at.device)?.get(&at.property)?;
        Some(watched.last.clone().filter(|_| watched.is_known))
    }

    /// Whether a property is kept and nobody knows how it stands.
    pub fn is_unknown(&self, device: &DeviceRef, property: &str) -> bool {
        let all = self.read();
        all.get(device).and_then(|of| of.get(property)).is_some_and(|watched| !watched.is_known)
    }

    /// All that are kept.
    pub fn places(&self) -> Vec<Place> {
        let all = self.read();
        let of = |(device, of): (&DeviceRef, &HashMap<String, Watched>)| {
            let place = |property: &String| Place { device: device.clone(), property: property.clone() };
            of.keys().map(place).collect::<Vec<_>>()
        };
        all.iter().flat_map(of).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<DeviceRef, HashMap<String, Watched>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<DeviceRef, HashMap<String, Watched>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
