//! What the dialects know of devices, and by which road each of them speaks. It keeps nothing over a restart: whoever does
//! has it read again here (`recall`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use domovoi_adapters::{Announcement, Announcer, Directory, Envelope, Rights, Road, Scale};
use domovoi_model::DeviceRef;

use super::{Ingest, TopicRights};

/// How many lines of the log one message may make.
const COMPLAINTS: usize = 20;

impl Ingest {
    /// By which road a device speaks; one of which nothing was heard is looked for behind our own broker.
    pub fn road_of(&self, device: &DeviceRef) -> Road {
        if domovoi_adapters::clouds::speaking(&device.dialect).is_some() {
            return Road::Cloud;
        }
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).road_of(device);
        let announced = || self.roads.lock().unwrap_or_else(PoisonError::into_inner).get(device).copied();
        heard.or_else(announced).unwrap_or(Road::Embedded)
    }

    /// By which road a device of the registry spoke before a restart, until it is heard again.
    pub fn spoke_by(&self, device: &DeviceRef, road: Road) {
        self.roads.lock().unwrap_or_else(PoisonError::into_inner).entry(device.clone()).or_insert(road);
    }

    /// What the dialects know, as it is now.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The home has no broker of others (any more): what was announced through one belongs to who announces it next.
    pub fn link_is_gone(&self) {
        self.link_is_gone.store(true, Ordering::Relaxed);
    }

    /// A credential was withdrawn: what it announced belongs to who announces it next.
    pub fn released(&self, username: &str) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut directory).release(username);
    }

    /// Reads again what announced devices before a restart, and says which. Nothing of it is recorded, told or asked. Who is
    /// known by no name any more owns nothing.
    pub fn recall(&self, word: &Recalled<'_>) -> Vec<DeviceRef> {
        let &Recalled { road, sender, topic, payload, rights } = word;
        let received_at = self.clock.moment();
        let envelope = Envelope { road, sender, topic, payload, retained: true, received_at };
        let directory = self.directory();
        let Some((dialect, claim)) = domovoi_adapters::claim(&envelope, &directory) else { return Vec::new() };
        let decoded = (dialect.decode)(&claim, &envelope, &directory);
        drop(directory);
        let Ok(decoded) = decoded else { return Vec::new() };
        let is_nobodys = road == Road::External && self.link_is_gone.load(Ordering::Relaxed);
        let by = Announcer {
            road: if is_nobodys { Road::Embedded } else { road },
            sender: if rights.is_some() { sender } else { "" },
            scale: rights.map_or(Scale::Home, TopicRights::scale),
            rights: rights.map(|rights| rights as &dyn Rights),
            topic,
            bytes: payload.len().checked_div(decoded.announcements.len()).unwrap_or_default(),
        };
        let devices = decoded.announcements.iter().map(|announcement| announcement.device.clone()).collect();
        self.learn(decoded.announcements, &by, None);
        devices
    }

    /// What a rule of the settings compares with is no more what the house believes: the next word is recorded.
    pub fn believed_otherwise(&self, device: &DeviceRef, property: &str) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).unsift(device, property);
    }

    /// Forgets what the dialects know of a device, as if it had said that it is gone.
    pub fn forget(&self, device: &DeviceRef) {
        let mut announcement = Announcement::of(device.clone());
        announcement.gone = true;
        {
            let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
            if Arc::make_mut(&mut directory).learn(&announcement).changed {
                self.learnt.send_modify(|times| *times += 1);
            }
        }
        self.roads.lock().unwrap_or_else(PoisonError::into_inner).remove(device);
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).forget(device);
    }

    /// The filters that an external broker must be asked for.
    pub fn topics(&self) -> Vec<String> {
        topics(&self.directory())
    }

    /// Takes in what was announced, and returns what of it is believed, and the devices of which that is something new.
    /// Nothing is logged while the directory is held for writing: the reflex reads it before it speaks.
    pub(super) fn learn(
        &self,
        announcements: Vec<Announcement>,
        by: &Announcer<'_>,
        said: Option<&Envelope<'_>>,
    ) -> (Vec<Announcement>, Vec<DeviceRef>) {
        let mut roads = self.roads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shared = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let directory = Arc::make_mut(&mut shared);
        let (mut changed, mut contested, mut complaints) = (Vec::new(), Vec::new(), Vec::new());
        let mut believed = announcements;
        believed.retain(|announcement| {
            let learned = directory.learn_from(announcement, by);
            if learned.changed {
                changed.push(announcement.device.clone());
            }
            if !learned.refused {
                if directory.known(&announcement.device).is_some() {
                    roads.insert(announcement.device.clone(), by.road);
                } else {
                    roads.remove(&announcement.device);
                }
            }
            contested.extend(learned.contested.into_iter().map(|contest| (announcement.device.clone(), contest)));
            for displaced in learned.displaced {
                complaints.push(format!("the topic of {displaced} now belongs to {}", announcement.device));
            }
            !learned.refused
        });
        drop((shared, roads));
        complaints.iter().take(COMPLAINTS).for_each(|complaint| tracing::warn!("{complaint}"));
        if !changed.is_empty() {
            self.learnt.send_modify(|times| *times += 1);
        }
        for (device, contest) in contested {
            match said {
                Some(envelope) => {
                    let which = (contest.what.code(), device.id.as_str());
                    self.complain(envelope, which, &format!("{device}: {contest}"));
                }
                None => tracing::warn!("{device}: {contest}"),
            }
        }
        (believed, changed)
    }
}

/// What announced devices before a restart.
#[derive(Debug, Clone, Copy)]
pub struct Recalled<'a> {
    /// By which road.
    pub road: Road,
    /// By whom: a credential's user name.
    pub sender: &'a str,
    /// On which topic.
    pub topic: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// What the credential may do; `None` if there is none of that name any more.
    pub rights: Option<&'a TopicRights>,
}

/// What a broker of others is asked for, in order.
pub(super) fn topics(directory: &Directory) -> Vec<String> {
    let dialects = domovoi_adapters::mqtt::DIALECTS;
    let mut topics: Vec<String> = dialects.iter().flat_map(|dialect| (dialect.topics)(directory)).collect();
    topics.sort();
    topics.dedup();
    topics
}
