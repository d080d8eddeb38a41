//! The last publish of each topic that announced something. Discovery that nobody retains, a broker that forgot, a hub that
//! was restarted alone: the devices are known again before anybody speaks. Written seldom and in bounds; a payload says what
//! its dialect reads in it, and nothing else is kept of it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domovoi_adapters::{Announcement, Road};
use domovoi_model::DeviceRef;
use domovoi_store::{CredentialInfo, DeviceWord, Store, WORD_LIMIT};
use tokio::time::Instant;

use crate::ingest::{Ingest, Recalled, Telling, TopicRights};

/// How many topics, and how much they may say in all.
const MAX_TOPICS: usize = 4096;
const MAX_BYTES: usize = 32 << 20;

/// A topic's word is written so often at most: a bridge that lists its devices twice a second wears the card out.
const WRITTEN_EVERY: Duration = Duration::from_secs(10);

/// Dialect and topic.
type Key = (String, String);

/// What is known of the words that are written, or about to be.
pub struct Words {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<Key, Known>,
    bytes: usize,
    pending: BTreeMap<Key, DeviceWord>,
    /// The last of them was too much, and that was said.
    is_full: bool,
    /// The place of the next topic that was never heard before.
    next: u64,
}

struct Known {
    /// Of the payload, the road and the sender.
    hash: u64,
    bytes: usize,
    /// Its place among the topics, in the order in which they were first heard.
    first: u64,
    /// The devices that it speaks of.
    devices: Vec<DeviceRef>,
    written: Option<Instant>,
}

impl Words {
    /// Reads them through the dialects again, each as the word of the credential that said it: in the order in which their
    /// topics were first heard, so that who was first to have a name has it again, then in the order of writing, because the
    /// last word counts.
    pub fn recalled(ingest: &Ingest, words: Vec<DeviceWord>, credentials: &[CredentialInfo]) -> Self {
        let rights: HashMap<&str, TopicRights> =
            credentials.iter().map(|info| (info.username.as_str(), TopicRights::of(info))).collect();
        let recall = |word: &DeviceWord| {
            let road = match domovoi_adapters::clouds::speaking(&word.dialect) {
                Some(_) => Road::Cloud,
                None if word.external => Road::External,
                None => Road::Embedded,
            };
            let (sender, topic, payload) = (word.sender.as_str(), word.topic.as_str(), word.payload.as_slice());
            ingest.recall(&Recalled { road, sender, topic, payload, rights: rights.get(sender) })
        };
        let this = Words { hasher: RandomState::new(), state: Mutex::default() };
        if !words.is_sorted_by_key(|word| word.first) {
            let mut first: Vec<&DeviceWord> = words.iter().collect();
            first.sort_by_key(|word| word.first);
            for word in first {
                recall(word);
            }
        }
        {
            let mut state = this.state.lock().unwrap_or_else(PoisonError::into_inner);
            for word in words {
                let devices = recall(&word);
                let (hash, bytes) = (this.hash(&word), word.payload.len());
                state.bytes += bytes;
                state.next = state.next.max(word.first + 1);
                let known = Known { hash, bytes, first: word.first, devices, written: None };
                state.known.insert((word.dialect, word.topic), known);
            }
        }
        this
    }

    /// Takes note of a publish that announced something. Costs a look when it says what it said before.
    pub fn offer(&self, announcements: &[Announcement], telling: &Telling<'_>) {
        let external = telling.road == Road::External;
        // On the external road the sender is the link, whose name is a setting.
        let sender = if external { "" } else { telling.sender };
        let hash = self.hasher.hash_one((telling.payload, external, sender));
        let key: Key = (telling.dialect.to_owned(), telling.topic.to_owned());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = telling.payload.len();
        let before = state.known.get(&key).map(|known| (known.hash, known.bytes, known.written, known.first));
        if before.is_some_and(|(before, ..)| before == hash) || (before.is_none() && bytes == 0) {
            return;
        }
        let others = state.bytes.saturating_sub(before.map_or(0, |(_, bytes, ..)| bytes));
        let room = (before.is_some() || state.known.len() < MAX_TOPICS) && others + bytes <= MAX_BYTES;
        if !room || bytes > WORD_LIMIT {
            let is_said = std::mem::replace(&mut state.is_full, true);
            drop(state);
            if !is_said {
                tracing::warn!(
                    bytes,
                    "what devices say about themselves is kept over a restart only in part: it is too much"
                );
            }
            return;
        }
        if before.is_none() {
            state.is_full = false;
        }
        state.bytes = others + bytes;
        let first = before.map_or(state.next, |(.., first)| first);
        state.next = state.next.max(first + 1);
        let (dialect, topic) = key.clone();
        let (payload, sender) = (telling.payload.to_vec(), sender.to_owned());
        let word = DeviceWord { dialect, topic, payload, external, first, sender };
        let devices = announcements.iter().map(|announcement| announcement.device.clone()).collect();
        let written = before.and_then(|(_, _, written, _)| written);
        state.known.insert(key.clone(), Known { hash, bytes, first, devices, written });
        state.pending.insert(key, word);
    }

    /// Writes what is due; `all`: what is not, too.
    pub async fn write(&self, store: &Store, all: bool) {
        let due = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let is_due = |state: &State, key: &Key| {
                let written = state.known.get(key).and_then(|known| known.written);
                all || written.is_none_or(|written| now.saturating_duration_since(written) >= WRITTEN_EVERY)
            };
            let keys: Vec<Key> = state.pending.keys().filter(|key| is_due(&state, key)).cloned().collect();
            keys.iter().filter_map(|key| state.pending.remove(key)).collect::<Vec<_>>()
        };
        if due.is_empty() {
            return;
        }
        let kept = store.devices().put_words(&due).await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for word in due {
            let key = (word.dialect.clone(), word.topic.clone());
            if let Some(known) = state.known.get_mut(&key) {
                known.written = Some(Instant::now());
            }
            match &kept {
                // What was taken back is forgotten, unless something was said meanwhile.
                Ok(()) if word.payload.is_empty() && !state.pending.contains_key(&key) => {
                    state.known.remove(&key);
                }
                Ok(()) => {}
                // Tried again, unless something newer waits by now.
                Err(_) => {
                    state.pending.entry(key).or_insert(word);
                }
            }
        }
        if let Err(error) = kept {
            tracing::warn!("what devices say about themselves cannot be kept: {error}");
        }
    }

    /// The topics of a dialect that spoke of this device and of no other, and those that spoke of others too.
    pub fn topics_of(&self, device: &DeviceRef) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = |known: &Known| !known.devices.is_empty() && known.devices.iter().all(|one| one == device);
        let own = state.known.iter().filter(|(key, known)| key.0 == device.dialect && alone(known));
        own.map(|(key, _)| key.1.clone()).collect()
    }

    /// Forgets what was said on these topics.
    pub fn forget(&self, dialect: &str, topics: &[String]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in topics {
            let key = (dialect.to_owned(), topic.clone());
            state.pending.remove(&key);
            if let Some(known) = state.known.remove(&key) {
                state.bytes = state.bytes.saturating_sub(known.bytes);
            }
        }
    }

    fn hash(&self, word: &DeviceWord) -> u64 {
        self.hasher.hash_one((word.payload.as_slice(), word.external, word.sender.as_str()))
    }
}
