//! Alerts: what somebody in the home should know and perhaps do something about. Warnings of weather and emergency services
//! (CAP), dangers that the reflex feels, notices of the other rooms become one kind of thing with a life: raised, updated,
//! cancelled or expired, acknowledged. Who hears of it, and by which road, is not decided here.
//!
//! Everything that stands is in memory, and every change is told on the bus before it is written down: a stalled disk delays
//! nobody. What is written is written by a task of its own that tries again.

mod advice;
mod board;
mod chain;
mod feeds;
mod fetch;
pub mod geography;
mod history;
mod keeping;
mod listening;
mod marks;
mod message;
mod names;
mod own;
mod peril;
mod polling;
mod row;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use domovoi_adapters::cap::{self, CapDocument, CapMessage};
use domovoi_config::{AlertsSection, Language};
use domovoi_model::{Acknowledged, Alert, AlertOrigin, AlertState, DeviceRef, Id, PersonId, Timestamp};
use domovoi_store::{Store, StoreError};
use tokio::sync::{Notify, oneshot, watch};

use crate::bus::{AlertNews, Bus, Event, SafetyNews};
use crate::clock::Clock;
use board::{Board, Now};
use feeds::Feeds;
use geography::Place;
use keeping::Keeping;

pub use advice::{Step, link, steps};
pub use board::{FeedRef, Heard};
pub use feeds::{FeedStanding, Stranger};
pub use history::{Filter, Found};
pub use own::OwnAlert;

/// An acknowledgement that is not on the disk after this is said to wait for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those that stand after a start; more of them are looked for when there is room.
const RECALLED: usize = 5000;

/// Why something about an alert is not done.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// There is none.
    #[error("there is no such alert")]
    NoAlert,
    /// It has no such step.
    #[error("there is no such step among what is recommended")]
    NoStep,
    /// There is no such feed.
    #[error("there is no such feed in the settings")]
    NoFeed,
    /// It is so, and not yet written down.
    #[error("it is so, and the disk has not taken it yet: it is tried again")]
    NotKept,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says which dangers stand.
type Hazards = Box<dyn Fn() -> Vec<SafetyNews> + Send + Sync>;
/// Says in which room a device is.
type Rooms = Box<dyn Fn(&DeviceRef) -> Option<String> + Send + Sync>;

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Alerts(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    place: Place,
    language: Language,
    section: AlertsSection,
    board: Mutex<Board>,
    keeping: Keeping,
    feeds: Feeds,
    fingerprints: BTreeMap<String, String>,
    hazards: OnceLock<Hazards>,
    rooms: OnceLock<Rooms>,
    /// Notices are others: they are looked at anew.
    notices: Notify,
    /// Something that expires is another.
    expiry: Notify,
    ears: Mutex<Option<tokio::sync::broadcast::Receiver<Event>>>,
}

/// A deed that is done, and being written down.
#[derive(Debug)]
pub struct Kept {
    /// The alert as it is now.
    pub alert: Arc<Alert>,
    written: Option<oneshot::Receiver<()>>,
}

impl Kept {
    /// Returns when it survives a power cut.
    pub async fn written(self) -> Result<Arc<Alert>, AlertsError> {
        if let Some(written) = self.written {
            match tokio::time::timeout(PATIENCE, written).await {
                Ok(Ok(())) => {}
                _ => return Err(AlertsError::NotKept),
            }
        }
        Ok(self.alert)
    }
}

impl Alerts {
    /// Reads what stood. A store that does not answer keeps nothing from being told: what was known before is then missing.
    pub async fn open(
        store: Store,
        clock: Clock,
        bus: Bus,
        home: &domovoi_config::Home,
        section: &AlertsSection,
    ) -> Self {
        let mut board = Board::default();
        match store.alerts().marks(marks::MAX_MARKS).await {
            Ok((rows, _)) => {
                for row in &rows {
                    if let Some(mark) = row::mark_of(row) {
                        board.marks.put(row.key.clone(), mark);
                    }
                }
            }
            Err(error) => tracing::error!("which warnings were heard cannot be read: {error}"),
        }
        match store.alerts().standing(RECALLED).await {
            Ok((rows, _)) => {
                for row in &rows {
                    match row::alert_of(row) {
                        Some(alert) => board.adopt(Arc::new(alert)),
                        None => tracing::error!(id = %row.id, "an alert is not what this program writes"),
                    }
                }
            }
            Err(error) => tracing::error!("the alerts that stand cannot be read: {error}"),
        }
        let feeds = Feeds::open(&store, section, home).await;
        // From now on: what is felt before `run` is not missed.
        let ears = Mutex::new(Some(bus.listen()));
        Alerts(Arc::new(Inner {
            store,
            clock,
            bus,
            place: Place::of(home),
            language: home.language,
            section: section.clone(),
            board: Mutex::new(board),
            keeping: Keeping::default(),
            feeds,
            fingerprints: feeds::fingerprints(section, home),
            hazards: OnceLock::new(),
            rooms: OnceLock::new(),
            notices: Notify::new(),
            expiry: Notify::new(),
            ears,
        }))
    }

    /// Who says which dangers stand, as news of what began; told once. Asked at the start, and when news was missed.
    pub fn hazards_are(&self, list: impl Fn() -> Vec<SafetyNews> + Send + Sync + 'static) {
        // Told twice, the first counts.
        let _ = self.0.hazards.set(Box::new(list));
    }

    /// Who says in which room a device is; told once.
    pub fn rooms_are(&self, room_of: impl Fn(&DeviceRef) -> Option<String> + Send + Sync + 'static) {
        let _ = self.0.rooms.set(Box::new(room_of));
    }

    /// Listens, reads feeds, expires, writes down, until `stop`.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let shelf = self.0.store.alerts();
        tokio::join!(
            part(self.0.listen(stop.clone())),
            part(self.0.watch_notices(stop.clone())),
            part(self.0.watch_time(stop.clone())),
            part(self.read_feeds(stop.clone())),
            part(self.0.keeping.run(&shelf, &self.0.clock, stop)),
        );
    }

    /// A CAP message of a feed of the settings, or of the portal's under its name.
    pub fn hear_cap(&self, feed: &FeedRef, document: &[u8]) -> Heard {
        match cap::read_message(document) {
            Ok(message) => self.hear(feed, &message),
            Err(error) => Heard::Refused(error.to_string()),
        }
    }

    /// A feed's document whose messages stand in it, or one message: what the portal hands over. Returns what became of each.
    pub fn hear_feed(&self, feed: &FeedRef, document: &[u8]) -> Vec<Heard> {
        match cap::read_document(document) {
            Ok(CapDocument::Messages(messages)) => messages.iter().map(|message| self.hear(feed, message)).collect(),
            Ok(CapDocument::Feed(read)) => {
                let mut messages: Vec<&CapMessage> = Vec::new();
                for entry in &read.entries {
                    messages.extend(&entry.messages);
                    if entry.messages.is_empty() {
                        messages.extend(&entry.inline);
                    }
                }
                // The oldest first: a chain is told as it grew.
                messages.sort_by_key(|message| message.sent);
                messages.into_iter().map(|message| self.hear(feed, message)).collect()
            }
            Err(error) => vec![Heard::Refused(error.to_string())],
        }
    }

    /// A message that was read.
    pub fn hear(&self, feed: &FeedRef, message: &CapMessage) -> Heard {
        let inner = &self.0;
        let now = inner.now();
        let mut board = inner.board();
        let (heard, news) = board.hear(message, feed, &inner.place, inner.language, new_id, now);
        inner.tell(&mut board, news);
        drop(board);
        if let Heard::NotTrusted(sender) = &heard {
            inner.feeds.stranger(&feed.name, sender, message, now.moment);
        }
        heard
    }

    /// Something of the home itself. The same key is the same alert, while it stands.
    pub fn raise(&self, own: OwnAlert) -> Id {
        self.0.raise(own)
    }

    /// It is over; whether it stood.
    pub fn over(&self, origin: AlertOrigin, key: &str) -> bool {
        self.0.over(origin, key)
    }

    /// What stands, the gravest first.
    pub fn standing(&self) -> Vec<Arc<Alert>> {
        let mut standing = self.0.board().standing();
        standing.sort_by_key(|alert| {
            std::cmp::Reverse((alert.life, alert.severity, alert.urgency, alert.raised_at.wall(), alert.id))
        });
        standing
    }

    /// One that stands or has stood.
    pub async fn get(&self, id: Id) -> Result<Arc<Alert>, AlertsError> {
        let inner = &self.0;
        if let Some(alert) = inner.at_hand(id) {
            return Ok(alert);
        }
        let row = inner.store.alerts().get(id).await?.ok_or(AlertsError::NoAlert)?;
        row::alert_of(&row).map(Arc::new).ok_or(AlertsError::NoAlert)
    }

    /// One that stands or ended lately, from memory.
    pub fn at_hand(&self, id: Id) -> Option<Arc<Alert>> {
        self.0.at_hand(id)
    }

    /// The messages that an alert was made of, as far as they are remembered: sender, identifier, when it was sent, and
    /// whether it was replaced or taken back.
    pub fn messages(&self, id: Id) -> Vec<(String, String, Option<Timestamp>, bool)> {
        let board = self.0.board();
        let mut found: Vec<_> = board
            .marks
            .of(id)
            .filter_map(|(name, mark)| {
                let (sender, identifier, sent) = marks::parts(name)?;
                Some((sender.to_owned(), identifier.to_owned(), sent, mark.is_over))
            })
            .collect();
        found.sort_by_key(|(_, _, sent, _)| *sent);
        found
    }

    /// Somebody says "I know" of one that stands or ended lately. Everybody hears of it at once; what is given back tells when
    /// it is written down.
    pub fn acknowledge(&self, id: Id, by: PersonId) -> Result<Kept, AlertsError> {
        self.0.answer(id, |alert, at| board::acknowledge(alert, by, at))
    }

    /// A recommended step was done, or was not after all.
    pub fn step_done(&self, id: Id, step: &str, by: PersonId, done: bool) -> Result<Kept, AlertsError> {
        let alert = self.0.at_hand(id).ok_or(AlertsError::NoAlert)?;
        if !advice::keys(alert.peril).any(|key| key == step) {
            return Err(AlertsError::NoStep);
        }
        self.0.answer(id, |alert, at| board::step(alert, step, by, at, done))
    }

    /// Nothing of what a person said is kept: it was somebody. Returns how many alerts are otherwise.
    pub async fn forget_person(&self, person: PersonId) -> Result<usize, AlertsError> {
        self.0.forget_person(person).await
    }

    /// How the feeds stand.
    pub fn feeds(&self) -> Vec<FeedStanding> {
        self.0.feeds.standing()
    }

    /// Reads a feed now.
    pub fn poll(&self, feed: &str) -> Result<(), AlertsError> {
        if self.0.feeds.poll(feed) { Ok(()) } else { Err(AlertsError::NoFeed) }
    }

    /// How many alerts found no place to wait for the disk.
    pub fn unwritten(&self) -> u64 {
        self.0.keeping.lost()
    }

    /// Returns when everything is written down.
    pub async fn settled(&self) {
        self.0.keeping.settled().await;
    }
}

impl Inner {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now { moment: self.clock.moment(), trusted: self.clock.trusted(), at_least: self.clock.at_least() }
    }

    /// Tells everybody, then gives it to be written. The board is held, so that news is told in its order.
    fn tell(&self, board: &mut Board, news: Vec<AlertNews>) {
        for news in news {
            let alert = Arc::clone(&news.alert);
            self.bus.tell(Event::Alert(Arc::new(news)));
            if alert.expires.is_some() && alert.stands() {
                self.expiry.notify_one();
            }
            self.keeping.keep(alert);
        }
        if !board.dirty_marks.is_empty() {
            let names = std::mem::take(&mut board.dirty_marks);
            let rows = names.iter().filter_map(|name| board.marks.get(name).map(|mark| row::mark_row(name, mark)));
            self.keeping.keep_marks(rows.collect::<Vec<_>>());
        }
    }

    fn raise(&self, own: OwnAlert) -> Id {
        let now = self.now();
        let mut board = self.board();
        let (id, news) = board.raise(own, new_id(), now);
        self.tell(&mut board, news.into_iter().collect());
        id
    }

    fn over(&self, origin: AlertOrigin, key: &str) -> bool {
        let now = self.now();
        let mut board = self.board();
        let Some(alert) = board.find(origin, key) else { return false };
        let news = board.end(alert.id, AlertState::Cancelled, now);
        self.tell(&mut board, news.into_iter().collect());
        true
    }

    fn at_hand(&self, id: Id) -> Option<Arc<Alert>> {
        self.board().get(id).or_else(|| self.keeping.find(id))
    }

    fn answer(
        &self,
        id: Id,
        change: impl FnOnce(&mut Alert, domovoi_model::Moment) -> bool,
    ) -> Result<Kept, AlertsError> {
        let now = self.now();
        let mut board = self.board();
        let alert = board.get(id).or_else(|| self.keeping.find(id)).ok_or(AlertsError::NoAlert)?;
        let Some(news) = board.answer(&alert, |alert| change(alert, now.moment), now) else {
            // Said before: perhaps it is still being written.
            let written = self.keeping.find(id).map(|alert| self.keeping.keep_and_tell(alert));
            return Ok(Kept { alert, written });
        };
        let alert = Arc::clone(&news.alert);
        self.bus.tell(Event::Alert(Arc::new(news)));
        let written = Some(self.keeping.keep_and_tell(Arc::clone(&alert)));
        Ok(Kept { alert, written })
    }

    async fn forget_person(&self, person: PersonId) -> Result<usize, AlertsError> {
        let forget = |alert: &mut Alert| {
            let is_theirs = |one: &Acknowledged| one.by == person;
            let before = alert.acknowledged.len() + alert.steps_done.len();
            alert.acknowledged.retain(|one| !is_theirs(one));
            alert.steps_done.retain(|(_, one)| !is_theirs(one));
            alert.acknowledged.len() + alert.steps_done.len() != before
        };
        let now = self.now();
        let mut count = 0;
        {
            let mut board = self.board();
            for alert in board.standing() {
                if let Some(news) = board.answer(&alert, forget, now) {
                    count += 1;
                    self.tell(&mut board, vec![news]);
                }
            }
        }
        let mut span = domovoi_store::AlertSpan::default();
        loop {
            let (rows, _) = self.store.alerts().page(&span, 500).await?;
            let Some(last) = rows.last() else { break };
            span.before = Some((last.raised_at, last.id));
            for row in &rows {
                let held = self.at_hand(row.id);
                let alert = held.as_deref().cloned().or_else(|| row::alert_of(row));
                let Some(mut alert) = alert.filter(|alert| !alert.stands() || held.is_none()) else { continue };
                if forget(&mut alert) {
                    count += 1;
                    let alert = Arc::new(alert);
                    if held.is_some() {
                        self.board().remember_ended(Arc::clone(&alert));
                    }
                    self.keeping.keep(alert);
                }
            }
        }
        Ok(count)
    }
}

/// A future of its own: one of all of them would be too large for the stack of a task.
fn part<'a, T>(future: impl Future<Output = T> + Send + 'a) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(future)
}

/// A random id. Without randomness the house does not get as far as this; then the time since the process began serves.
fn new_id() -> Id {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        return Id(uuid::Uuid::now_v7().into_bytes());
    }
    Id(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
}
