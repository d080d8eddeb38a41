//! What the reflex did is written down here when the disk is there: deeds in the journal, notices for people, and what is to
//! be remembered over a restart. The reflex leaves its news and goes on; a disk that is stalled or full makes this task
//! wait and nobody else.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domovoi_model::Moment;
use domovoi_store::{Notice, Store, StoreError};
use tokio::sync::watch;

use super::danger::{Key, News, Pursuit, Remembered};
use super::kept;
use super::rule::Place;
use crate::audit::{Actor, Change, Entry, Journal, Origin, Outcome};
use crate::bus::{Bus, Event};

/// So much news waits for the disk; of what is repeated the oldest goes first.
const WAITING: usize = 2048;

/// What could not be written is tried again so often.
const AGAIN: Duration = Duration::from_secs(5);

/// When the house stops, the disk is waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A device that does not answer is told the same for days: so many tries are written down, then every 120th (an hour).
const WRITTEN_TRIES: u32 = 5;
const THEN_EVERY: u32 = 120;

/// The news that waits.
#[derive(Debug, Default)]
pub struct Record {
    queue: Mutex<VecDeque<Noted>>,
    arrived: tokio::sync::Notify,
}

/// One piece of news, and what its device was called then.
#[derive(Debug, Clone)]
struct Noted {
    news: News,
    name: String,
    at: Moment,
    in_log: bool,
    in_journal: bool,
}

/// With what it is written.
pub struct Desk {
    /// Where notices and dangers are kept.
    pub store: Store,
    /// Where deeds are.
    pub journal: Journal,
    /// Who is told of notices.
    pub bus: Bus,
}

impl Record {
    /// Takes a piece of news. Never waits.
    pub fn note(&self, news: News, name: String, at: Moment) {
        if matches!(&news, News::Said(_, pursuit) if !is_written(pursuit.tries)) {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= WAITING {
            let least = queue.iter().position(|noted| matches!(noted.news, News::Said(..))).unwrap_or(0);
            queue.remove(least);
        }
        queue.push_back(Noted { news, name, at, in_log: false, in_journal: false });
        drop(queue);
        self.arrived.notify_one();
    }

    /// Writes until the house stops, and then what is left.
    pub async fn run(&self, desk: Desk, mut keep: watch::Receiver<Vec<Remembered>>, mut stop: watch::Receiver<bool>) {
        loop {
            let outcome = {
                let writing = self.write_all(&desk, &mut keep);
                tokio::pin!(writing);
                loop {
                    tokio::select! {
                        outcome = &mut writing => break outcome,
                        () = self.arrived.notified() => self.log_new(),
                    }
                }
            };
            let wait = async {
                match outcome {
                    Ok(()) => {
                        tokio::select! {
                            () = self.arrived.notified() => {}
                            changed = keep.changed() => if changed.is_err() { std::future::pending::<()>().await },
                        }
                    }
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = stopped(&mut stop) => {
                    if tokio::time::timeout(LAST_WORDS, self.write_all(&desk, &mut keep)).await.is_err() {
                        tracing::warn!("the disk was not there for the last of what the reflex did");
                    }
                    return;
                }
            }
        }
    }

    /// The log first: it is there when the disk is not.
    fn log_new(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for noted in queue.iter_mut().filter(|noted| !noted.in_log) {
            noted.in_log = true;
            new.push(noted.clone());
        }
        drop(queue);
        new.iter().for_each(|noted| log(&noted.news, &noted.name));
    }

    async fn write_all(&self, desk: &Desk, keep: &mut watch::Receiver<Vec<Remembered>>) -> Result<(), StoreError> {
        loop {
            // What is to be remembered goes first: after a power cut it counts for more than the story.
            if keep.has_changed().unwrap_or(false) {
                let dangers: Vec<_> = keep.borrow_and_update().iter().map(kept::danger_row).collect();
                if let Err(error) = desk.store.safety().keep_dangers(&dangers).await {
                    keep.mark_changed();
                    tracing::warn!("open dangers wait for the disk: {error}");
                    return Err(error);
                }
            }
            self.log_new();
            let first = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(mut noted) = first else { return Ok(()) };
            if let Err(error) = write(desk, &mut noted).await {
                self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_front(noted);
                tracing::warn!("what the reflex did waits for the disk: {error}");
                return Err(error);
            }
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the house is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn is_written(tries: u32) -> bool {
    tries <= WRITTEN_TRIES || tries.is_multiple_of(THEN_EVERY)
}

async fn write(desk: &Desk, noted: &mut Noted) -> Result<(), StoreError> {
    if !noted.in_journal {
        if let Some(entry) = entry(noted) {
            desk.journal.write(entry).await?;
        }
        noted.in_journal = true;
    }
    for (key, notice) in notices(noted) {
        let changed = match &notice {
            Some(notice) => desk.store.notices().raise(&key, notice).await?,
            None => desk.store.notices().clear(&key).await?,
        };
        if changed {
            desk.bus.tell(Event::Notice(key.into()));
        }
    }
    Ok(())
}

/// The line in the journal of deeds.
fn entry(noted: &Noted) -> Option<Entry> {
    let (deed, outcome, place, changes) = match &noted.news {
        News::Began(key, open) => {
            let deed = if open.remembered { "danger.remembered" } else { "danger.began" };
            let accepted = ("accepted", open.accepted.to_string());
            (deed, Outcome::Done, &key.place, vec![("danger", key.danger.code().to_owned()), accepted])
        }
        News::Over(key, _) => {
            ("danger.over", Outcome::Done, &key.place, vec![("danger", key.danger.code().to_owned())])
        }
        News::Said(place, pursuit) => ("reflex.said", Outcome::Done, place, of_pursuit(pursuit)),
        News::NotSaid(place, pursuit) => {
            let mut changes = of_pursuit(pursuit);
            changes.push(("why", pursuit.error.clone().unwrap_or_default()));
            ("reflex.said", Outcome::Failed("not-said".into()), place, changes)
        }
        News::Confirmed(place, pursuit) => ("reflex.confirmed", Outcome::Done, place, of_pursuit(pursuit)),
        News::Unanswered(place, pursuit) => {
            ("reflex.confirmed", Outcome::Failed("unanswered".into()), place, of_pursuit(pursuit))
        }
        News::Undone(place, pursuit) => ("reflex.undone", Outcome::Done, place, of_pursuit(pursuit)),
        // Written by the door through which it was asked for.
        News::Hushed(_) | News::Tested(_) => return None,
    };
    let mut changes: Vec<Change> = changes.into_iter().map(|(field, after)| change(field, after)).collect();
    changes.insert(0, change("property", place.property.clone()));
    changes.insert(0, change("device", place.device.to_string()));
    Some(Entry {
        actor: Actor::House,
        origin: Origin::default(),
        deed: deed.to_owned(),
        object: Some(("device".to_owned(), Some(noted.name.clone()))),
        outcome,
        changes,
    })
}

fn of_pursuit(pursuit: &Pursuit) -> Vec<(&'static str, String)> {
    let mut said = vec![
        ("danger", pursuit.danger.code().to_owned()),
        ("value", pursuit.value.to_string()),
        ("tries", pursuit.tries.to_string()),
    ];
    if pursuit.is_test() {
        said.push(("test", "true".to_owned()));
    }
    said
}

fn change(field: &str, after: String) -> Change {
    Change { field: field.to_owned(), before: None, after: Some(after), of: None }
}

/// Notices that are raised, or taken back where there is none.
fn notices(noted: &Noted) -> Vec<(String, Option<Notice>)> {
    let notice = |kind: &str, params: Vec<(&str, String)>| {
        let params = params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Some(Notice { kind: kind.to_owned(), params, at: noted.at })
    };
    let named = || vec![("sensor", noted.name.clone())];
    match &noted.news {
        News::Began(key, open) => {
            let kind = match (open.accepted, key.danger) {
                (false, _) => "danger_unaccepted",
                (true, super::rule::Danger::Gas) => "danger_gas",
                (true, super::rule::Danger::CarbonMonoxide) => "danger_carbon_monoxide",
                (true, super::rule::Danger::Smoke) => "danger_smoke",
                (true, super::rule::Danger::WaterLeak) => "danger_water_leak",
                (true, super::rule::Danger::Freezing) => "danger_freezing",
                (true, super::rule::Danger::Silence) => "danger_silence",
            };
            let mut params = named();
            params.push(("danger", key.danger.code().to_owned()));
            params.push(("value", open.value.to_string()));
            vec![(danger_key("was", key), None), (danger_key("is", key), notice(kind, params))]
        }
        News::Over(key, open) => {
            let is_told = key.danger.is_reported() && open.accepted;
            let mut params = named();
            params.push(("danger", key.danger.code().to_owned()));
            let was = is_told.then(|| (danger_key("was", key), notice("danger_over", params)));
            std::iter::once((danger_key("is", key), None)).chain(was).collect()
        }
        News::Unanswered(place, _) => {
            vec![(device_key(place), notice("device_unanswered", vec![("device", noted.name.clone())]))]
        }
        News::Confirmed(place, _) => vec![(device_key(place), None)],
        _ => Vec::new(),
    }
}

fn danger_key(tense: &str, key: &Key) -> String {
    format!("danger-{tense}:{}:{}:{}", key.danger.code(), key.place.device, key.place.property)
}

fn device_key(place: &Place) -> String {
    format!("unanswered:{}:{}", place.device, place.property)
}

/// A line for the log.
fn log(news: &News, name: &str) {
    match news {
        News::Began(key, open) if open.remembered => {
            tracing::warn!(
                danger = key.danger.code(),
                sensor = name,
                "a danger from before the restart: its sensor is asked"
            );
        }
        News::Began(key, open) => {
            tracing::warn!(danger = key.danger.code(), sensor = name, accepted = open.accepted, "DANGER");
        }
        News::Over(key, _) => tracing::warn!(danger = key.danger.code(), sensor = name, "the danger is over"),
        News::Said(place, pursuit) if is_written(pursuit.tries) => {
            tracing::warn!(device = name, property = place.property, value = %pursuit.value, tries = pursuit.tries, "told by the reflex");
        }
        News::Confirmed(place, pursuit) => {
            tracing::warn!(device = name, property = place.property, value = %pursuit.value, "confirmed");
        }
        News::Unanswered(place, _) => {
            tracing::error!(device = name, property = place.property, "does not answer the reflex")
        }
        News::NotSaid(place, pursuit) => {
            let why = pursuit.error.as_deref().unwrap_or_default();
            tracing::error!(device = name, property = place.property, "cannot be told: {why}");
        }
        News::Undone(place, _) => tracing::warn!(device = name, property = place.property, "says otherwise again"),
        News::Said(..) | News::Hushed(_) | News::Tested(_) => {}
    }
}
