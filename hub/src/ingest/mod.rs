//! Ingest: what comes in from brokers is stamped, claimed, decoded and recorded, in that order, by one road.
//!
//! It believes nothing about readings (that is metering) and performs nothing. A packet that no dialect claims is
//! counted and forgotten; one that a dialect claims but cannot read is kept as a fault that `doctor` shows.

mod access;
mod agreed;
mod callers;
mod commit;
mod dated;
mod ear;
mod external;
mod gate;
mod guesses;
mod heard;
mod hooks;
mod known;
mod limits;
mod locks;
mod mapping_paper;
mod mappings;
mod misread;
mod mouth;
mod once;
mod overheard;
mod reading;
mod refusals;
mod repeats;
mod shelf;
mod sift;
#[cfg(test)]
mod tests;
mod twice;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use domovoi_adapters::{Directory, Envelope, Road};
use domovoi_config::SiftRule;
use domovoi_model::{DeviceRef, Moment, Observation, Sample, Value};
use domovoi_store::{Store, Urgency};
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use commit::Offered;
use heard::HeardDevices;
use refusals::Refusals;
use repeats::Repeats;
use sift::Sieve;

use crate::audit::Journal;
use crate::clock::Clock;

pub use access::{Access, TopicRights};
pub use agreed::not_agreed;
pub use callers::Seen;
pub use commit::Commit;
pub use ear::{EarStanding, run as run_ear};
pub use external::{ExternalBroker, Standing, run as run_external};
pub use gate::HubGate;
pub use heard::Heard;
pub use hooks::{Back, Hooks, News, Telling};
pub use known::Recalled;
pub use locks::{KeyCheck, KeyRefused, LockedMeter, meter_key, meter_number};
pub use mapping_paper::{MappingFile, MappingPaper, MappingWrong, PresencePaper, RowPaper, ToldPaper, ValueIs};
pub use mappings::{MappingRefused, Tried, TriedValue};
pub use misread::Misread;
pub use mouth::{Mouth, NotSaid};
pub use overheard::{Overheard, Place, places};
pub use shelf::{BrokerShelf, report as report_resumed};

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

impl Arrival<'_> {
    /// Replayed at our subscription it is perhaps weeks old, and the broker does not say.
    fn news(&self) -> News {
        if self.road == Road::External && self.retained { News::Replayed } else { News::Fresh }
    }
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
    /// Observations that were as good as the one before, by a rule of the settings.
    pub sifted: AtomicU64,
    /// Publishes that were recorded when they came first.
    pub repeated: AtomicU64,
    /// Hazards heard in publishes that there was no room to keep: a sender that waits for an answer says them again.
    pub hazards_unkept: AtomicU64,
}

/// How the broker stands.
#[derive(Debug, Clone, Copy)]
pub struct BrokerStanding {
    /// What it counted.
    pub counters: domovoi_broker::Counters,
    /// Its log has a hole: nothing of sessions and retained messages is durable before it was written anew.
    pub torn: bool,
}

/// Says how the broker stands.
pub type BrokerStands = Arc<dyn Fn() -> BrokerStanding + Send + Sync>;

/// Whether a property of a device is a register of a meter.
type IsBound = Box<dyn Fn(&DeviceRef, &str) -> bool + Send + Sync>;

/// The room.
pub struct Ingest {
    store: Store,
    clock: Clock,
    /// Read without a lock: who reads a message has it as it was, and who learns waits for nobody who reads.
    directory: RwLock<Arc<Directory>>,
    /// One announcement after another: each is read with what the one before told.
    learning: Mutex<()>,
    /// There is no broker of others any more: what was learnt through it is nobody's.
    link_is_gone: AtomicBool,
    misread: misread::Faults,
    /// The owner's own mappings, as they are kept.
    mapped: Mutex<Vec<MappingPaper>>,
    /// One change of them at a time.
    mapping_turn: tokio::sync::Mutex<()>,
    overheard: overheard::OverheardTopics,
    locks: locks::Locks,
    heard: Mutex<HeardDevices>,
    sieve: Sieve,
    repeats: Mutex<Repeats>,
    /// Whether a property is a register of a meter, whatever its unit says.
    is_bound: OnceLock<IsBound>,
    counters: Counters,
    turned_away: Mutex<VecDeque<TurnedAway>>,
    refusals: Refusals,
    callers: callers::Callers,
    external: Mutex<Standing>,
    mouth: Mouth,
    hooks: Hooks,
    /// By which road devices were announced that have said nothing yet.
    roads: Mutex<HashMap<DeviceRef, Road>>,
    /// Counts what the directory learnt: the filters for a broker of others may be others since.
    learnt: watch::Sender<u64>,
    /// The filters with which devices are found.
    base_topics: Vec<String>,
    /// The filters under which the reflex is spoken to, at a broker of others.
    close: watch::Sender<BTreeSet<String>>,
    /// What both links to a broker of others bring.
    twice: twice::Twice,
    /// How the reflex's own link hears.
    ear: Mutex<EarStanding>,
    /// There is no store to record in.
    keeps_nothing: AtomicBool,
}

impl Ingest {
    /// With the dialects' base topics and the rules of what is left out from the settings.
    pub fn new(store: Store, clock: Clock, directory: Directory, sift: &[SiftRule]) -> Arc<Self> {
        let base_topics = known::topics(&directory);
        Arc::new(Ingest {
            base_topics,
            store,
            clock,
            directory: RwLock::new(Arc::new(directory)),
            learning: Mutex::default(),
            link_is_gone: AtomicBool::new(false),
            misread: misread::Faults::default(),
            mapped: Mutex::default(),
            mapping_turn: tokio::sync::Mutex::default(),
            overheard: overheard::OverheardTopics::default(),
            locks: locks::Locks::default(),
            heard: Mutex::default(),
            sieve: Sieve::new(sift),
            repeats: Mutex::default(),
            is_bound: OnceLock::new(),
            counters: Counters::default(),
            turned_away: Mutex::default(),
            refusals: Refusals::default(),
            callers: callers::Callers::default(),
            external: Mutex::default(),
            mouth: Mouth::default(),
            hooks: Hooks::default(),
            roads: Mutex::default(),
            learnt: watch::Sender::default(),
            close: watch::Sender::default(),
            twice: twice::Twice::default(),
            ear: Mutex::default(),
            keeps_nothing: AtomicBool::new(false),
        })
    }

    /// Stamps and takes in one publish. The answer says when it is durable; `None` when nothing has to be.
    /// Never waits: it runs on the task that reads the socket.
    pub fn take(&self, arrival: Arrival<'_>) -> Option<Commit> {
        self.take_from(arrival, None)
    }

    /// The same of somebody whose rights are known: he announces nothing beyond them.
    pub fn take_from(&self, arrival: Arrival<'_>, rights: Option<&TopicRights>) -> Option<Commit> {
        let at = self.clock.moment();
        let observations = self.read(&arrival, rights, at)?;
        // It tells what a device is, not what its register shows now.
        if observations.is_empty() || arrival.news() == News::Replayed {
            return None;
        }
        if self.keeps_nothing.load(Ordering::Relaxed) {
            return Some(Commit::never());
        }
        self.record(&arrival, observations, at)
    }

    /// From now on nothing is recorded, and nothing acknowledged that would have to be: there is no store that would outlive
    /// this process. What is read is felt and known all the same.
    pub fn keeps_nothing(&self) {
        self.keeps_nothing.store(true, Ordering::Relaxed);
    }

    /// Feels what a publish says, and does nothing else with it: it comes again by another way.
    pub(super) fn feel(&self, arrival: &Arrival<'_>) {
        let Some(felt) = self.hooks.felt.get() else { return };
        let &Arrival { road, sender, topic, payload, .. } = arrival;
        let received_at = self.clock.moment();
        let retained = arrival.news() == News::Replayed;
        let envelope = Envelope { road, sender, topic, payload, retained, received_at };
        let directory = self.directory();
        for reading in domovoi_adapters::readings(&envelope, &directory) {
            let Ok(decoded) = (reading.dialect.decode)(&reading.claim, &envelope, &directory) else { continue };
            let counts = |one: &&Observation| !reading.only_hazards || one.hazard.is_some();
            for one in decoded.observations.iter().filter(counts) {
                self.twice.near_said(one);
                felt(one, received_at, arrival.news());
            }
        }
    }

    /// Looks at a publish for which there is no room: a hazard in it is heard, and nothing of it is recorded.
    pub fn glance(&self, arrival: &Arrival<'_>, rights: Option<&TopicRights>) {
        let at = self.clock.moment();
        let mut observations = self.read(arrival, rights, at).unwrap_or_default();
        observations.retain(|observation| observation.hazard.is_some());
        self.counters.hazards_unkept.fetch_add(observations.len() as u64, Ordering::Relaxed);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for observation in &observations {
            heard.note(&observation.device, std::slice::from_ref(observation), at, arrival.road, &self.sieve);
        }
    }

    /// Who hears what is read, before it is recorded.
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Whether a property is a register of a meter; told once, by whoever knows the meters.
    pub fn registers_are(&self, is_bound: impl Fn(&DeviceRef, &str) -> bool + Send + Sync + 'static) {
        // Told twice, the first counts.
        let _ = self.is_bound.set(Box::new(is_bound));
    }

    fn record(&self, arrival: &Arrival<'_>, observations: Vec<Observation>, at: Moment) -> Option<Commit> {
        let urgent = observations.iter().any(|observation| self.is_urgent(observation));
        let hazard = observations.iter().any(|o| o.hazard.is_some());
        let timed = observations.iter().any(|o| o.device_time.is_some());
        let words = observations.iter().any(|o| matches!(o.value, Value::Text(_)));
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for said in observations.chunk_by(|a, b| a.device == b.device) {
            if let Some(first) = said.first() {
                heard.note(&first.device, said, at, arrival.road, &self.sieve);
            }
        }
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = repeats.mark(arrival);
        if arrival.again
            && !hazard
            && let Some(offered) = repeats.before(mark, timed, words)
        {
            self.counters.repeated.fetch_add(1, Ordering::Relaxed);
            return Some(Commit::of(offered));
        }
        let now = Instant::now();
        let (observations, stood_on) = if self.sieve.is_empty() {
            drop(heard);
            (observations, Vec::new())
        } else {
            let (kept, stood_on) = self.sift(&mut heard, observations, now);
            let offered = self.offer(kept.clone(), at, urgent);
            if let Some(offered) = &offered {
                repeats.remember(mark, timed, offered.clone());
                for (place, observation) in kept.iter().enumerate() {
                    if let Some(sifted) = heard.sifted(observation, place) {
                        sifted.recorded(observation, now, offered);
                    }
                }
            }
            return Commit::of_all(offered, stood_on);
        };
        let offered = self.offer(observations, at, urgent)?;
        repeats.remember(mark, timed, offered.clone());
        Commit::of_all(Some(offered), stood_on)
    }

    /// Hazards and registers never wait for a batch to fill.
    fn is_urgent(&self, observation: &Observation) -> bool {
        observation.hazard.is_some() || self.counts(observation)
    }

    /// Whether an observation is what a register of a meter shows: by its unit or, where somebody bound the property to a
    /// metering point, whatever its unit says.
    fn counts(&self, observation: &Observation) -> bool {
        let bound = |is_bound: &IsBound| is_bound(&observation.device, &observation.property);
        observation.unit.is_register() || self.is_bound.get().is_some_and(bound)
    }

    /// What is to be recorded, and what the rest stands on.
    fn sift(
        &self,
        heard: &mut HeardDevices,
        observations: Vec<Observation>,
        now: Instant,
    ) -> (Vec<Observation>, Vec<Offered>) {
        let mut stood_on = Vec::new();
        let mut place = 0;
        let mut kept = observations;
        kept.retain(|observation| {
            place += 1;
            let base = heard.sifted(observation, place - 1).and_then(|sifted| sifted.stands_on(observation, now));
            match base.filter(|_| !self.counts(observation)) {
                Some(base) => {
                    self.counters.sifted.fetch_add(1, Ordering::Relaxed);
                    stood_on.push(base);
                    false
                }
                None => true,
            }
        });
        (kept, stood_on)
    }

    /// Hands samples to the journal. Never waits.
    fn offer(&self, observations: Vec<Observation>, at: Moment, urgent: bool) -> Option<Offered> {
        if observations.is_empty() {
            return None;
        }
        let urgency = if urgent { Urgency::Now } else { Urgency::Normal };
        self.counters.samples.fetch_add(observations.len() as u64, Ordering::Relaxed);
        let samples: Vec<Sample> = observations.into_iter().map(|observation| believe(observation, at)).collect();
        Some(self.store.history().record(samples, urgency).shared())
    }

    /// Who was turned away lately, newest first.
    pub fn turned_away_lately(&self) -> Vec<TurnedAway> {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// How the link to the broker that the home already has stands.
    pub fn external(&self) -> Standing {
        self.external.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The link cannot even be tried.
    pub fn external_cannot(&self, why: &str) {
        self.external_stands(Standing::Down(why.to_owned()));
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
        if list.len() == misread::KEPT {
            list.pop_front();
        }
        list.push_back(TurnedAway { who, why, times });
    }

    /// Writes what the gate refuses into the journal, until the house stops.
    pub async fn tell_refusals(&self, journal: Journal, stop: watch::Receiver<bool>) {
        self.refusals.tell(&journal, stop).await;
    }

    /// From now on it is seen what becomes of this credential: somebody connects its device.
    pub fn watch_caller(&self, username: &str) {
        self.callers.watch(username);
    }

    /// Nobody waits for it any more.
    pub fn leave_caller(&self, username: &str) {
        self.callers.leave(username);
    }

    /// What was seen of a credential that is watched.
    pub fn caller(&self, username: &str) -> Option<Seen> {
        self.callers.of(username)
    }

    /// Moves whenever there is news of one that is watched.
    pub fn news_of_callers(&self) -> watch::Receiver<u64> {
        self.callers.news()
    }

    /// The devices heard since the start.
    pub fn heard(&self) -> Vec<(DeviceRef, Heard)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).told()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether devices take commands on this topic.
    fn is_command(&self, topic: &str) -> bool {
        domovoi_adapters::is_command(topic, &self.directory())
    }

    fn store(&self) -> &Store {
        &self.store
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
