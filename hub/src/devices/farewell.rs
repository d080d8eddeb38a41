//! Forgetting a device: its card, its words, its credential and, where that is wished, its history go in the store; then what
//! the broker retains of it is cleared, and cleared again after a restart if that was not sure. A device that speaks again
//! is found again: forgetting is no ban.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domovoi_adapters::{Errand, Outgoing, Road};
use domovoi_model::DeviceRef;
use domovoi_store::{DeviceCard, Farewell, Forgotten};
use tokio::time::Instant;

use super::{Devices, DevicesError, Inner};
use crate::ingest::News;

/// So long after the clearing was said it is taken for done: the broker has written it down by then.
const SURE_AFTER: Duration = Duration::from_secs(60);

/// A broker that is away is tried so often.
const TRIED_EVERY: Duration = Duration::from_secs(10);

/// More topics than any device has.
const MAX_TOPICS: usize = 2048;

/// How a device is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forget {
    /// What it said is forgotten, too.
    pub history: bool,
    /// Its bridge is asked to let it go first.
    pub leave: bool,
}

/// What went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// What was known of it.
    pub card: DeviceCard,
    /// How many topics were cleared at the broker, or will be once it is there.
    pub topics: usize,
    /// The credential that was issued for it alone, and is none any more.
    pub credential: Option<String>,
    /// How many samples of it went; `None`: its history could not be erased.
    pub samples: Option<u64>,
    /// Why not.
    pub why: Option<String>,
}

/// What is still to be cleared.
pub(super) struct Farewells {
    waiting: Mutex<BTreeMap<DeviceRef, Waiting>>,
    /// How many those are: asked for each publish.
    count: AtomicUsize,
}

struct Waiting {
    farewell: Farewell,
    /// It has spoken since, and not by what its broker had retained.
    is_back: bool,
    tried: Option<Instant>,
    said: Option<Instant>,
}

impl Farewells {
    pub fn of(farewells: Vec<Farewell>) -> Self {
        let waiting = farewells.into_iter().map(|farewell| (farewell.device.clone(), Waiting::of(farewell)));
        let waiting: BTreeMap<DeviceRef, Waiting> = waiting.collect();
        Farewells { count: AtomicUsize::new(waiting.len()), waiting: Mutex::new(waiting) }
    }

    /// A device spoke. What a broker of others replays of it is what is to be cleared, and no word of its own.
    pub fn spoke(&self, device: &DeviceRef, news: News) {
        if news == News::Fresh
            && self.count.load(Ordering::Relaxed) > 0
            && let Some(waiting) = self.waiting().get_mut(device)
        {
            waiting.is_back = true;
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeviceRef, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self) {
        self.count.store(self.waiting().len(), Ordering::Relaxed);
    }
}

impl Waiting {
    fn of(farewell: Farewell) -> Self {
        Waiting { farewell, is_back: false, tried: None, said: None }
    }
}

impl Devices {
    /// Forgets a device. Whoever asks has seen to the right to do so. That its history could not be erased is told, and
    /// makes it no less forgotten.
    pub async fn forget(&self, device: &DeviceRef, how: Forget) -> Result<Gone, DevicesError> {
        let _turn = self.0.turn.lock().await;
        let card = self.0.cards().get(device).cloned();
        let card = card.ok_or_else(|| DevicesError::NoDevice(device.to_string()))?;
        if how.leave {
            let errand = Errand::Remove { device: device.clone(), force: false };
            self.0.errand(&errand).map_err(|error| DevicesError::Conflict(error.to_string()))?;
        }
        let words = self.0.words.topics_of(device);
        let mut topics: BTreeSet<String> = words.iter().cloned().collect();
        if let Some(dialect) = domovoi_adapters::dialect(&device.dialect) {
            topics.extend((dialect.retained)(device, &self.0.ingest.directory()));
        }
        if topics.len() > MAX_TOPICS {
            tracing::warn!(%device, topics = topics.len(), "it has too many topics to clear all of them at the broker");
        }
        let road = self.0.ingest.road_of(device);
        // Nothing of a cloud is retained at a broker.
        let topics: Vec<String> = topics.into_iter().take(if road == Road::Cloud { 0 } else { MAX_TOPICS }).collect();
        let external = road == Road::External;
        let farewell = Farewell { device: device.clone(), topics, external };
        let forgotten =
            Forgotten { farewell: farewell.clone(), words: words.clone(), credential: card.credential.clone() };
        self.0.store.devices().forget(&forgotten).await?;
        // From here on it is forgotten, whatever happens to this process.
        self.0.cards_mut().remove(device);
        if let Some(username) = &card.credential {
            self.0.ingest.send_away(username);
        }
        self.0.words.forget(&device.dialect, &words);
        self.0.ingest.forget(device);
        if let Some(username) = &card.credential {
            self.0.ingest.released(username);
        }
        self.0.live.forget(device);
        let topics = farewell.topics.len();
        self.0.farewells.waiting().insert(device.clone(), Waiting::of(farewell));
        self.0.farewells.counted();
        self.0.say_farewell(device);
        self.0.tell(device);
        let erased = if how.history { self.0.store.history().erase(device).await } else { Ok(0) };
        let (samples, why) = match erased {
            Ok(samples) => (Some(samples), None),
            Err(error) => {
                tracing::error!(%device, "its history is not erased: {error}");
                (None, Some(error.to_string()))
            }
        };
        Ok(Gone { credential: card.credential.clone(), card, topics, samples, why })
    }
}

impl Inner {
    fn say_farewell(&self, device: &DeviceRef) {
        let mut waiting = self.farewells.waiting();
        let Some(one) = waiting.get_mut(device) else { return };
        let clear = |topic: &String| Outgoing { topic: topic.clone(), payload: Vec::new(), retain: true, qos: 1 };
        let outgoing: Vec<Outgoing> = one.farewell.topics.iter().map(clear).collect();
        let road = if one.farewell.external { Road::External } else { Road::Embedded };
        one.tried = Some(Instant::now());
        match self.ingest.say(road, outgoing) {
            Ok(()) => one.said = Some(Instant::now()),
            Err(error) => tracing::debug!(%device, "what the broker retains of it is not cleared yet: {error}"),
        }
    }

    /// Says what was not said yet, and forgets what surely was.
    pub(super) async fn say_farewells(&self) {
        let now = Instant::now();
        let (mut due, mut over) = (Vec::new(), Vec::new());
        for (device, waiting) in self.farewells.waiting().iter() {
            match (waiting.said, waiting.tried) {
                // It is there again, and what it has retained since is its own.
                _ if waiting.is_back => over.push(device.clone()),
                (Some(said), _) if now.saturating_duration_since(said) >= SURE_AFTER => over.push(device.clone()),
                (Some(_), _) => {}
                (None, Some(tried)) if now.saturating_duration_since(tried) < TRIED_EVERY => {}
                (None, _) => due.push(device.clone()),
            }
        }
        due.iter().for_each(|device| self.say_farewell(device));
        for device in over {
            match self.store.devices().said_farewell(&device).await {
                Ok(()) => {
                    self.farewells.waiting().remove(&device);
                    self.farewells.counted();
                }
                Err(error) => tracing::warn!(%device, "a farewell is said again after the restart: {error}"),
            }
        }
    }
}
