//! What is remembered of the feeds of the settings: how far each was read, which survives a restart, and how it stands. Trust is
//! https and the senders that the settings name; a signature is not checked, and that is shown. It reads nothing (`polling`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domovoi_adapters::cap::{CapMessage, FeedEntry};
use domovoi_config::{AlertFeed, AlertsSection};
use domovoi_model::Moment;
use domovoi_store::Store;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Entries that are remembered, the newest.
const MAX_SEEN: usize = 2000;

/// Senders that are not believed, shown with a feed.
const MAX_STRANGERS: usize = 20;

/// A message of a sender that the settings do not name: it is told to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Who says to be its sender.
    pub sender: String,
    /// What it is about, as it says.
    pub event: String,
    /// When it was heard first.
    pub at: Moment,
    /// How many of that sender.
    pub count: u32,
}

/// How a feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedStanding {
    /// Its name.
    pub name: String,
    /// Host and path, without a query.
    pub address: String,
    /// It is about this place only.
    pub local: bool,
    /// Who is believed; empty: everybody.
    pub senders: Vec<String>,
    /// How often it is read.
    pub every: Duration,
    /// When it was read last, whether or not anything was new.
    pub read_at: Option<Moment>,
    /// Why it cannot be read: the code of a sentence, and the particulars.
    pub trouble: Option<(&'static str, String)>,
    /// How often in a row.
    pub failures: u32,
    /// Entries, the last time.
    pub entries: usize,
    /// What could not be read well: a code and the words that gave rise to it.
    pub notes: Vec<(String, String)>,
    /// Messages of senders that are not believed.
    pub strangers: Vec<Stranger>,
}

/// What is remembered of a feed.
#[derive(Default)]
pub(super) struct State {
    pub etag: Option<String>,
    pub modified: Option<String>,
    pub seen: VecDeque<u64>,
    pub tries: HashMap<u64, u8>,
    pub read_at: Option<Moment>,
    pub trouble: Option<(&'static str, String)>,
    pub failures: u32,
    pub failing_since: Option<Instant>,
    pub entries: usize,
    pub notes: VecDeque<(String, String)>,
    pub strangers: Vec<Stranger>,
}

impl State {
    /// An entry was had.
    pub fn see(&mut self, entry: u64) {
        self.tries.remove(&entry);
        if !self.seen.contains(&entry) {
            self.seen.push_back(entry);
        }
        while self.seen.len() > MAX_SEEN {
            self.seen.pop_front();
        }
    }

    /// Something about it is not as it should be.
    pub fn note(&mut self, code: &str, at: &str) {
        let note = (code.to_owned(), at.to_owned());
        if !self.notes.contains(&note) {
            self.notes.push_back(note);
        }
        while self.notes.len() > MAX_STRANGERS {
            self.notes.pop_front();
        }
    }
}

/// How far a feed was read, as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    /// Of what the settings say of the feed and the home: where they are others, everything is read anew.
    pub settings: String,
    pub etag: Option<String>,
    pub modified: Option<String>,
    pub seen: Vec<u64>,
}

/// All of them.
pub(super) struct Feeds {
    pub feeds: Vec<AlertFeed>,
    states: Mutex<BTreeMap<String, State>>,
    pub pokes: BTreeMap<String, Notify>,
}

impl Feeds {
    /// Reads how far each was read.
    pub async fn open(store: &Store, section: &AlertsSection, home: &domovoi_config::Home) -> Self {
        let mut states: BTreeMap<String, State> = BTreeMap::new();
        let rows = match store.alerts().feeds().await {
            Ok((rows, _)) => rows,
            Err(error) => {
                tracing::warn!("how far feeds were read is not known, they are read anew: {error}");
                Vec::new()
            }
        };
        for feed in &section.feeds {
            let row = rows.iter().find(|row| row.name == feed.name);
            let read = row.and_then(|row| serde_json::from_slice::<Row>(&row.body).ok());
            let state = match read.filter(|row| row.settings == fingerprint(feed, home)) {
                Some(row) => State {
                    etag: row.etag,
                    modified: row.modified,
                    seen: row.seen.into_iter().take(MAX_SEEN).collect(),
                    ..State::default()
                },
                None => State::default(),
            };
            states.insert(feed.name.clone(), state);
        }
        let pokes = section.feeds.iter().map(|feed| (feed.name.clone(), Notify::new())).collect();
        Feeds { feeds: section.feeds.clone(), states: Mutex::new(states), pokes }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn with<T>(&self, feed: &str, change: impl FnOnce(&mut State) -> T) -> T {
        change(self.states().entry(feed.to_owned()).or_default())
    }

    /// A message whose sender is not believed.
    pub fn stranger(&self, feed: &str, sender: &str, message: &CapMessage, at: Moment) {
        let event = message.infos.first().map(|info| info.event.clone()).unwrap_or_default();
        self.with(feed, |state| {
            if let Some(known) = state.strangers.iter_mut().find(|one| one.sender == sender) {
                known.count = known.count.saturating_add(1);
            } else if state.strangers.len() < MAX_STRANGERS {
                tracing::warn!(feed, sender, "a warning of a sender that the settings do not name is not told");
                state.strangers.push(Stranger { sender: sender.to_owned(), event, at, count: 1 });
            }
        });
    }

    /// How they stand, in the order of the settings, then those that others hand over.
    pub fn standing(&self) -> Vec<FeedStanding> {
        let states = self.states();
        let empty = State::default();
        let show = |feed: &AlertFeed| {
            let state = states.get(&feed.name).unwrap_or(&empty);
            let port = feed.address.port().map(|port| format!(":{port}")).unwrap_or_default();
            FeedStanding {
                name: feed.name.clone(),
                address: format!(
                    "{}://{}{port}{}",
                    feed.address.scheme(),
                    feed.address.host_str().unwrap_or_default(),
                    feed.address.path()
                ),
                local: feed.local,
                senders: feed.senders.clone(),
                every: feed.every,
                read_at: state.read_at,
                trouble: state.trouble.clone(),
                failures: state.failures,
                entries: state.entries,
                notes: state.notes.iter().cloned().collect(),
                strangers: state.strangers.clone(),
            }
        };
        self.feeds.iter().map(show).collect()
    }

    /// As if a feed had failed for so long.
    #[cfg(test)]
    pub fn age(&self, feed: &str, by: Duration) {
        self.with(feed, |state| state.failing_since = Instant::now().checked_sub(by));
    }

    /// Reads one now; whether there is one of this name.
    pub fn poll(&self, feed: &str) -> bool {
        self.pokes.get(feed).map(Notify::notify_one).is_some()
    }
}

/// What the settings say of a feed and of where the home is.
fn fingerprint(feed: &AlertFeed, home: &domovoi_config::Home) -> String {
    let said = format!("{feed:?} {:?} {:?} {:?}", home.position, home.regions, home.codes);
    Sha256::digest(said.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// That of each feed, by its name.
pub(super) fn fingerprints(section: &AlertsSection, home: &domovoi_config::Home) -> BTreeMap<String, String> {
    section.feeds.iter().map(|feed| (feed.name.clone(), fingerprint(feed, home))).collect()
}

/// By which an entry is known again: also one that was edited, which it should not be.
pub(super) fn entry_hash(entry: &FeedEntry) -> u64 {
    let mut hash = Sha256::new();
    let link = entry.links.first().map(|link| link.address.as_str()).unwrap_or_default();
    let updated = entry.updated.map(|at| at.to_string()).unwrap_or_default();
    for part in [entry.id.as_str(), link, &updated] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
