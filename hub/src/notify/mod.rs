//! Notify: who is told what, by which channel, when, and why so. The policy is pure; the desk holds in memory what is to be
//! told and performs what the policy decides; channels carry letters; a task of its own writes everything down.
//!
//! What life hangs on is handed to its channels from memory, before the disk. Everything else is written first and then
//! carried, unless the disk keeps it waiting for half a minute. It knows nothing of where news comes from: other rooms hand
//! it over, and hear of answers by hooks.

mod ask;
pub mod channels;
pub mod desk;
mod engine;
mod letters;
mod members;
mod news;
mod paper;
pub mod policy;
pub mod record;
#[cfg(test)]
mod tests;
mod trial;
mod ways;
mod wish;
mod wish_paper;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use domovoi_config::{Language, NotifySection};
use domovoi_model::{PersonId, Timestamp};
use domovoi_store::{Store, StoreError, new_segment_id};
use jiff::tz::TimeZone;
use tokio::sync::{Notify as Bell, Semaphore};

use crate::bus::Bus;
use crate::clock::Clock;
use crate::people::People;
use crate::policy::Now;
use channels::Channel;
use desk::{Desk, Fittings, Out};
use members::{Household, Presence};
use policy::WishRefusal;
use record::At;
use writer::Writer;

pub use ask::{LedgerFilter, LedgerLetter};
pub use letters::TITLE_CHARS;
pub use members::kind_of;
pub use news::{Audience, Bilingual, News, NoSubject, Subject, Topic};
pub use paper::call_code;
pub use ways::NewWay;

/// Letters under way by one channel at a time.
const AT_A_TIME: usize = 4;
/// Letters under way about what life hangs on, by all channels.
const LIFE_AT_A_TIME: usize = 32;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// There is no such person, way, letter or channel.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// What is wished cannot be taken.
    #[error(transparent)]
    Wish(#[from] WishRefusal),
    /// An address cannot be one; the sentence says what to do.
    #[error("{0}")]
    Address(String),
    /// A letter was not carried.
    #[error("{0}")]
    NotCarried(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type OnAnswer = Box<dyn Fn(Subject, PersonId) + Send + Sync>;

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Notify(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    people: People,
    zone: TimeZone,
    section: NotifySection,
    channels: Vec<Arc<dyn Channel>>,
    desk: Mutex<Desk>,
    writer: Writer,
    lanes: HashMap<&'static str, Arc<Semaphore>>,
    life_lane: Arc<Semaphore>,
    /// Where letters are carried: news may come from a thread that is not the runtime's.
    runtime: tokio::runtime::Handle,
    bell: Bell,
    on_answer: OnceLock<OnAnswer>,
    /// Codes by which somebody shows a channel who they are.
    links: channels::Links,
    presence: OnceLock<Presence>,
    /// One change of wishes at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Notify {
    /// Reads what people wish, and takes up what was left undone. Nothing that can wait is carried before [`Notify::run`].
    #[allow(clippy::too_many_arguments, reason = "the rooms and settings that it is made of, once")]
    pub async fn open(
        store: Store,
        clock: Clock,
        bus: Bus,
        people: People,
        zone: TimeZone,
        language: Language,
        section: NotifySection,
        channels: Vec<Arc<dyn Channel>>,
    ) -> Self {
        let (tokens, ids) = (store.tellings(), clock.clone());
        let desk = Desk::new(Fittings {
            section: section.clone(),
            zone: zone.clone(),
            language,
            channels: channels.clone(),
            token: Box::new(move |case, person, telling| tokens.token(&[&case.0, &person.0.0, &telling.to_be_bytes()])),
            new_id: Box::new(move |at| {
                // Without random bytes an id is still of its moment, and of nothing else of this run.
                new_segment_id(at).unwrap_or_else(|_| fallback_id(at, ids.ticking_millis()))
            }),
        });
        let room = Notify(Arc::new(Inner {
            writer: Writer::new(store.clone()),
            lanes: channels.iter().map(|one| (one.name(), Arc::new(Semaphore::new(AT_A_TIME)))).collect(),
            life_lane: Arc::new(Semaphore::new(LIFE_AT_A_TIME)),
            runtime: tokio::runtime::Handle::current(),
            desk: Mutex::new(desk),
            bell: Bell::new(),
            on_answer: OnceLock::new(),
            links: channels::Links::default(),
            presence: OnceLock::new(),
            turn: tokio::sync::Mutex::default(),
            store,
            clock,
            bus,
            people,
            zone,
            section,
            channels,
        }));
        room.load().await;
        room.find_ways();
        room
    }

    /// Where the page is: `https://domovoi.local:8443`. Without it letters have no links and nobody answers from outside.
    pub fn page_is_at(&self, origin: Option<String>) {
        self.desk().page_is_at(origin);
    }

    /// How an answer from a letter or an inbox gets to whoever raised the matter. Told twice, the first counts.
    pub fn on_answer(&self, tell: impl Fn(Subject, PersonId) + Send + Sync + 'static) {
        let _ = self.0.on_answer.set(Box::new(tell));
    }

    /// Who says whether somebody is at home. Told twice, the first counts.
    pub fn presence(&self, ask: impl Fn(PersonId) -> Option<bool> + Send + Sync + 'static) {
        let _ = self.0.presence.set(Arc::new(ask));
    }

    /// A piece of news. Never waits; the same telling of the same subject is known, and nothing comes of it.
    pub fn tell(&self, news: News) {
        let home = self.home();
        let now = self.at();
        let out = {
            let mut desk = self.desk();
            self.sync_contacts(&mut desk, &home);
            desk.tell(news, &home, now)
        };
        self.perform(out);
    }

    /// It does not stand any more. `news`: what whoever was told is told then, in the place of «it is over».
    pub fn over(&self, subject: &Subject, news: Option<News>) {
        let home = self.home();
        let out = self.desk().over(subject, news, &home, self.at());
        self.perform(out);
    }

    /// Somebody knows, and whoever raised the matter knows that: nobody is told again.
    pub fn answered(&self, subject: &Subject, by: PersonId) {
        let home = self.home();
        let (_, out) = self.desk().answered(subject, by, &home, self.at());
        self.perform(out);
    }

    /// Somebody says "I know" here; whoever raised the matter hears of it. Saying it again is harmless.
    pub fn know(&self, subject: &Subject, by: PersonId) {
        self.answered(subject, by);
        if let Some(tell) = self.0.on_answer.get() {
            tell(subject.clone(), by);
        }
    }

    /// Somebody says it by a letter's token. Good for one telling of one subject and one person, until it is over.
    pub fn answer_by_token(&self, token: &str) -> Result<(Subject, PersonId), NotifyError> {
        use base64::Engine as _;
        let bytes =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.as_bytes().get(..22).unwrap_or_default());
        let token: Option<[u8; 16]> = bytes.ok().filter(|_| token.len() == 22).and_then(|bytes| bytes.try_into().ok());
        let whose = token.and_then(|token| self.desk().whose(&token));
        let (subject, person) = whose.ok_or(NotifyError::NoSuch("question"))?;
        self.know(&subject, person);
        Ok((subject, person))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who lives here now.
    fn home(&self) -> Household {
        let clock = &self.0.clock;
        let trusted = clock.trusted();
        let at = trusted.unwrap_or_else(|| clock.wall());
        let minute = jiff::Timestamp::from_millisecond(at.0).map_or(0, |at| {
            let local = self.0.zone.to_datetime(at);
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
        });
        let now = Now { at, minute, trusted: trusted.is_some() };
        Household::of(&self.0.people, now, self.0.presence.get().cloned())
    }

    fn at(&self) -> At {
        let clock = &self.0.clock;
        At { tick: clock.ticking_millis(), wall: clock.at_least(), trusted: clock.trusted().is_some() }
    }

    /// Does what the desk says: what life hangs on at once, the rest when it is written.
    fn perform(&self, out: Out) {
        let (at_once, after): (Vec<_>, Vec<_>) = out.jobs.into_iter().partition(desk::Job::is_life);
        for job in at_once {
            self.start(job);
        }
        let ways = out.ways.iter().map(wish_paper::of_route).collect();
        self.0.writer.add(out.rows, ways, after, self.0.clock.ticking_millis());
        for (route, does) in out.standing {
            self.tell_standing(route, does);
        }
        self.0.bell.notify_one();
    }
}

/// See where it is used.
fn fallback_id(at: Timestamp, tick: i64) -> domovoi_model::Id {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (time, tick) = (at.0.max(0).to_be_bytes(), tick.to_be_bytes());
    let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    domovoi_model::Id(std::array::from_fn(|n| match n {
        0..6 => time.get(n + 2).copied().unwrap_or(0),
        6..10 => tick.get(n - 2).copied().unwrap_or(0),
        _ => count.get(n - 8).copied().unwrap_or(0),
    }))
}
