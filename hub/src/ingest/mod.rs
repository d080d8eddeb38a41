//! Ingest: what comes in from brokers is stamped, claimed, decoded and recorded, in that order, by one road.
//!
//! It believes nothing about readings (that is metering) and performs nothing. A packet that no dialect claims is
//! counted and forgotten; one that a dialect claims but cannot read is kept as a fault that `doctor` shows.

mod access;
mod external;
mod gate;
mod guesses;
mod limits;
mod refusals;
mod shelf;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domovoi_adapters::{Directory, Envelope, Road};
use domovoi_model::{DeviceRef, Moment, Observation, Resource, Sample, Timestamp, Unit};
use domovoi_store::{Store, Urgency};
use tokio::sync::watch;

use refusals::Refusals;

use crate::audit::Journal;
use crate::clock::Clock;

pub use access::Access;
pub use external::{ExternalBroker, Standing, run as run_external};
pub use gate::HubGate;
pub use shelf::{BrokerShelf, report as report_resumed};

/// The journal's answer: durable, or not kept.
pub type Commit = domovoi_store::Kept;

/// How many faults are remembered for `doctor`.
const FAULTS_KEPT: usize = 100;

/// How many devices are remembered as heard; a hostile publisher cannot fill the memory with names.
const DEVICES_KEPT: usize = 4096;

/// How many properties of a device are remembered.
const PROPERTIES_KEPT: usize = 256;

/// A packet, or a part of it, that could not be read.
#[derive(Debug, Clone)]
pub struct Misread {
    /// When.
    pub at: Timestamp,
    /// Who sent it.
    pub sender: String,
    /// On which topic.
    pub topic: String,
    /// What was wrong, in a sentence.
    pub what: String,
}

/// Who was not let in, or was sent away, and why.
#[derive(Debug, Clone)]
pub struct TurnedAway {
    /// Client id or user name.
    pub who: String,
    /// Why, in a sentence.
    pub why: String,
    /// How often in a row.
    pub times: u64,
}

/// A device that was heard, for `doctor` and for binding meters.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When last.
    pub at: Moment,
    /// How many packets.
    pub packets: u64,
    /// What it calls its properties, with the last value as text.
    pub properties: BTreeMap<String, String>,
}

/// One publish as it comes in, borrowed from whoever read it.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// By which road.
    pub road: Road,
    /// Who published: a credential's user name on the embedded road, the link's name on the external one.
    pub sender: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// It is a retained message replayed at a subscription, or is to be retained.
    pub retained: bool,
    /// The sender says that it may have sent this before (DUP, MQTT 3.3.1.1).
    pub again: bool,
}

/// What ingest has counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Packets of a known dialect.
    pub claimed: AtomicU64,
    /// Packets that no dialect knows.
    pub unclaimed: AtomicU64,
    /// Samples handed to the journal.
    pub samples: AtomicU64,
    /// Packets or parts that could not be read.
    pub misread: AtomicU64,
    /// Publishes and subscriptions refused by a credential's topics or role.
    pub refused: AtomicU64,
    /// Messages beyond a credential's rate.
    pub over_limit: AtomicU64,
    /// Messages larger than a device's may be.
    pub too_large: AtomicU64,
    /// Commands that were to be retained, or were.
    pub retained_commands: AtomicU64,
    /// Wrong passwords and certificates.
    pub wrong_passwords: AtomicU64,
}

/// The room.
pub struct Ingest {
    store: Store,
    clock: Clock,
    directory: RwLock<Directory>,
    misread: Mutex<VecDeque<Misread>>,
    heard: Mutex<BTreeMap<DeviceRef, Heard>>,
    counters: Counters,
    /// Who is connected under which client id, and how often (a takeover connects before the old one is gone). The
    /// broker resumes no session under another user name; here nobody is thrown out by another either.
    client_ids: Mutex<HashMap<String, (String, u32)>>,
    turned_away: Mutex<VecDeque<TurnedAway>>,
    refusals: Refusals,
    external: Mutex<Standing>,
}

impl Ingest {
    /// With the dialects' base topics from the settings.
    pub fn new(store: Store, clock: Clock, directory: Directory) -> Arc<Self> {
        Arc::new(Ingest {
            store,
            clock,
            directory: RwLock::new(directory),
            misread: Mutex::default(),
            heard: Mutex::default(),
            counters: Counters::default(),
            client_ids: Mutex::default(),
            turned_away: Mutex::default(),
            refusals: Refusals::default(),
            external: Mutex::default(),
        })
    }

    /// Stamps and takes in one publish. The answer says when it is durable; `None` when nothing has to be.
    /// Never waits: it runs on the task that reads the socket.
    pub fn take(&self, arrival: Arrival<'_>) -> Option<Commit> {
        let Arrival { road, sender, topic, payload, retained, again: _ } = arrival;
        let envelope = Envelope { road, sender, topic, payload, retained, received_at: self.clock.moment() };
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        let Some((dialect, claim)) = domovoi_adapters::claim(&envelope, &directory) else {
            self.counters.unclaimed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.counters.claimed.fetch_add(1, Ordering::Relaxed);
        let decoded = (dialect.decode)(&claim, &envelope, &directory);
        drop(directory);
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(error) => {
                self.misread(&envelope, error.to_string());
                return None;
            }
        };
        for fault in &decoded.faults {
            self.misread(&envelope, fault.to_string());
        }
        if !decoded.announcements.is_empty() {
            self.learn(&decoded.announcements);
        }
        // Replayed at our subscription: perhaps weeks old, and the broker does not say. It tells what a device is, not
        // what its register shows now.
        let old_news = road == Road::External && retained;
        if decoded.observations.is_empty() || old_news {
            return None;
        }
        self.note_heard(&decoded.observations, envelope.received_at);
        // Hazards and registers never wait for a batch to fill.
        let registers = |unit: Unit| Resource::ALL.into_iter().any(|resource| unit.measures(resource));
        let urgent = decoded.observations.iter().any(|o| o.hazard.is_some() || registers(o.unit));
        let samples: Vec<Sample> = decoded.observations.into_iter().map(|o| believe(o, envelope.received_at)).collect();
        self.counters.samples.fetch_add(samples.len() as u64, Ordering::Relaxed);
        Some(self.store.history().record(samples, if urgent { Urgency::Now } else { Urgency::Normal }))
    }

    /// The filters that an external broker must be asked for.
    pub fn topics(&self) -> Vec<String> {
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        let mut topics: Vec<String> =
            domovoi_adapters::mqtt::DIALECTS.iter().flat_map(|dialect| (dialect.topics)(&directory)).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    /// What could not be read lately, newest first.
    pub fn misread_lately(&self) -> Vec<Misread> {
        self.misread.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// Who was turned away lately, newest first.
    pub fn turned_away_lately(&self) -> Vec<TurnedAway> {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// How the link to the broker that the home already has stands.
    pub fn external(&self) -> Standing {
        self.external.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn external_stands(&self, standing: Standing) {
        *self.external.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// The same again is counted, so that one loud stranger does not push out what others did.
    fn turned_away(&self, who: &str, why: &str) {
        let (who, why) = (printable(who), printable(why));
        let mut list = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        let before = list.iter().position(|away| away.who == who && away.why == why);
        let times = before.and_then(|at| list.remove(at)).map_or(0, |away| away.times).saturating_add(1);
        if list.len() == FAULTS_KEPT {
            list.pop_front();
        }
        list.push_back(TurnedAway { who, why, times });
    }

    /// Writes what the gate refuses into the journal, until the house stops.
    pub async fn tell_refusals(&self, journal: Journal, stop: watch::Receiver<bool>) {
        self.refusals.tell(&journal, stop).await;
    }

    /// The devices heard since the start.
    pub fn heard(&self) -> Vec<(DeviceRef, Heard)> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|(device, heard)| (device.clone(), heard.clone())).collect()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The client ids that are connected with a credential.
    pub fn clients_of(&self, username: &str) -> Vec<String> {
        let ids = self.client_ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter(|(_, (owner, _))| owner == username).map(|(id, _)| id.clone()).collect()
    }

    /// Whether this credential may come in under this client id: not while another one is connected with it.
    fn came_in(&self, client_id: &str, username: &str) -> bool {
        let mut ids = self.client_ids.lock().unwrap_or_else(PoisonError::into_inner);
        let (owner, connections) = ids.entry(client_id.to_owned()).or_insert_with(|| (username.to_owned(), 0));
        let welcome = owner == username;
        if welcome {
            *connections = connections.saturating_add(1);
        }
        welcome
    }

    fn went_out(&self, client_id: &str) {
        let mut ids = self.client_ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connections)) = ids.get_mut(client_id) {
            *connections -= 1;
            if *connections == 0 {
                ids.remove(client_id);
            }
        }
    }

    /// Whether devices take commands on this topic.
    fn is_command(&self, topic: &str) -> bool {
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        domovoi_adapters::is_command(topic, &directory)
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn misread(&self, envelope: &Envelope<'_>, what: String) {
        self.counters.misread.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(sender = %printable(envelope.sender), topic = %printable(envelope.topic), "{}", printable(&what));
        let mut misread = self.misread.lock().unwrap_or_else(PoisonError::into_inner);
        if misread.len() == FAULTS_KEPT {
            misread.pop_front();
        }
        misread.push_back(Misread {
            at: self.clock.wall(),
            sender: printable(envelope.sender),
            topic: printable(envelope.topic),
            what: printable(&what),
        });
    }

    fn learn(&self, announcements: &[domovoi_adapters::Announcement]) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        for announcement in announcements {
            let learned = directory.learn(announcement);
            if learned.full {
                tracing::warn!("the directory of devices is full: {} is not learnt", announcement.device);
            }
            for displaced in learned.displaced {
                tracing::warn!("the topic of {displaced} now belongs to {}", announcement.device);
            }
        }
    }

    fn note_heard(&self, observations: &[Observation], at: Moment) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counted = None;
        for observation in observations {
            if !heard.contains_key(&observation.device) && heard.len() >= DEVICES_KEPT {
                continue;
            }
            let entry = heard.entry(observation.device.clone()).or_insert_with(|| Heard {
                at,
                packets: 0,
                properties: BTreeMap::new(),
            });
            entry.at = at;
            if counted.as_ref() != Some(&observation.device) {
                entry.packets += 1;
                counted = Some(observation.device.clone());
            }
            let mut value = observation.value.to_string();
            if value.len() > 64 {
                value.truncate(value.floor_char_boundary(64));
            }
            if entry.properties.len() >= PROPERTIES_KEPT && !entry.properties.contains_key(&observation.property) {
                continue;
            }
            let unit = observation.unit.symbol();
            entry.properties.insert(observation.property.clone(), format!("{value} {unit}").trim_end().to_owned());
        }
    }
}

fn believe(observation: Observation, at: Moment) -> Sample {
    Sample {
        device: observation.device,
        property: observation.property,
        value: observation.value,
        unit: observation.unit,
        quality: observation.quality,
        at,
        device_time: observation.device_time,
    }
}

/// A stranger's text as it may stand in a log line or a terminal: no control characters, not too long.
fn printable(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
