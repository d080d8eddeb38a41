//! What the dialects know of devices, and by which road each of them speaks. It keeps nothing over a restart: whoever does
//! has it read again here (`recall`).

use std::sync::{PoisonError, RwLockReadGuard};

use domovoi_adapters::{Announcement, Directory, Envelope, Road};
use domovoi_model::DeviceRef;

use super::Ingest;

impl Ingest {
    /// By which road a device speaks; one of which nothing was heard is looked for behind our own broker.
    pub fn road_of(&self, device: &DeviceRef) -> Road {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).road_of(device);
        let announced = || self.roads.lock().unwrap_or_else(PoisonError::into_inner).get(device).copied();
        heard.or_else(announced).unwrap_or(Road::Embedded)
    }

    /// What the dialects know.
    pub fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads again what announced devices before a restart, and says which. Nothing of it is recorded, told or asked.
    pub fn recall(&self, road: Road, topic: &str, payload: &[u8]) -> Vec<DeviceRef> {
        let envelope = Envelope { road, sender: "", topic, payload, retained: true, received_at: self.clock.moment() };
        let directory = self.directory();
        let Some((dialect, claim)) = domovoi_adapters::claim(&envelope, &directory) else { return Vec::new() };
        let decoded = (dialect.decode)(&claim, &envelope, &directory);
        drop(directory);
        let Ok(decoded) = decoded else { return Vec::new() };
        self.learn(&decoded.announcements, road);
        decoded.announcements.into_iter().map(|announcement| announcement.device).collect()
    }

    /// What a rule of the settings compares with is no more what the house believes: the next word is recorded.
    pub fn believed_otherwise(&self, device: &DeviceRef, property: &str) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).unsift(device, property);
    }

    /// Forgets what the dialects know of a device, as if it had said that it is gone.
    pub fn forget(&self, device: &DeviceRef) {
        let mut announcement = Announcement::of(device.clone());
        announcement.gone = true;
        self.learn(&[announcement], Road::Embedded);
        self.roads.lock().unwrap_or_else(PoisonError::into_inner).remove(device);
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).forget(device);
    }

    /// The filters that an external broker must be asked for.
    pub fn topics(&self) -> Vec<String> {
        topics(&self.directory())
    }

    pub(super) fn learn(&self, announcements: &[Announcement], road: Road) {
        let mut roads = self.roads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for announcement in announcements {
            let learned = directory.learn(announcement);
            changed |= learned.changed;
            if directory.known(&announcement.device).is_some() {
                roads.insert(announcement.device.clone(), road);
            } else {
                roads.remove(&announcement.device);
            }
            if learned.full {
                tracing::warn!("the directory of devices is full: {} is not learnt", announcement.device);
            }
            for displaced in learned.displaced {
                tracing::warn!("the topic of {displaced} now belongs to {}", announcement.device);
            }
        }
        if changed {
            self.learnt.send_modify(|times| *times += 1);
        }
    }
}

/// What a broker of others is asked for, in order.
pub(super) fn topics(directory: &Directory) -> Vec<String> {
    let dialects = domovoi_adapters::mqtt::DIALECTS;
    let mut topics: Vec<String> = dialects.iter().flat_map(|dialect| (dialect.topics)(directory)).collect();
    topics.sort();
    topics.dedup();
    topics
}
