//! What the reflex did is written down here when the disk is there: deeds in the journal, notices for people, and what is to
//! be remembered over a restart. The reflex leaves its news and goes on; a disk that is stalled or full makes this task
//! wait and nobody else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domovoi_model::Moment;
use domovoi_store::{Notice, Store, StoreError};
use tokio::sync::watch;

use super::danger::{Doing, Keep, Key, News, Pursuit};
use super::kept;
use super::rule::Place;
use super::turns::{Turns, is_of_same};
use crate::audit::{Actor, Change, Entry, Journal, Origin, Outcome};
use crate::bus::{Bus, Event};

/// So much news waits for the disk; of what is repeated the oldest goes first.
const WAITING: usize = 2048;

/// What is to be remembered over a restart is written at once where something is new in it, and again after so long; what
/// is gone from it, or has changed in it, after so long: a card does not live through a sensor that flaps.
const KEPT_ANEW_AFTER: Duration = Duration::from_millis(100);
const KEPT_AGAIN_AFTER: Duration = Duration::from_secs(1);

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
    queue: Mutex<Queue>,
    arrived: tokio::sync::Notify,
    /// What was written last of what is to be remembered, and when.
    kept: Mutex<Option<(Keep, Instant)>>,
    /// The house stops: nothing waits for its time.
    hurries: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Noted>,
    last: u64,
    turns: Turns,
}

/// One piece of news, and what its device was called then.
#[derive(Debug, Clone)]
struct Noted {
    number: u64,
    news: News,
    name: String,
    at: Moment,
    /// It is not written before this moment.
    due: Instant,
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
        let now = Instant::now();
        let Some(due) = queue.turns.due(&news, now) else { return };
        if !matches!(news, News::Hushed(_) | News::Tested(_)) {
            // What waited for its time is not so any more.
            queue.waiting.retain(|noted| noted.due <= now || !is_of_same(&noted.news, &news));
        }
        if queue.waiting.len() >= WAITING {
            let repeated = |noted: &Noted| matches!(noted.news, News::Said(..));
            let stranger =
                |noted: &Noted| matches!(&noted.news, News::Began(_, open) | News::Over(_, open, _) if !open.accepted);
            let of_device = |noted: &Noted| !matches!(noted.news, News::Began(..) | News::Over(..));
            let over = |noted: &Noted| matches!(noted.news, News::Over(..));
            // That a danger began goes last.
            let at = |least: &dyn Fn(&Noted) -> bool| queue.waiting.iter().position(least);
            let least = at(&stranger).or_else(|| at(&repeated)).or_else(|| at(&of_device)).or_else(|| at(&over));
            queue.waiting.remove(least.unwrap_or(0));
        }
        queue.last += 1;
        let number = queue.last;
        queue.waiting.push_back(Noted { number, news, name, at, due, in_log: false, in_journal: false });
        drop(queue);
        self.arrived.notify_one();
    }

    /// Writes until the house stops, and then what is left.
    pub async fn run(&self, desk: Desk, mut keep: watch::Receiver<Option<Keep>>, mut stop: watch::Receiver<bool>) {
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
                            () = until(self.next_due().into_iter().chain(self.keep_due(&keep)).min()) => {}
                            changed = keep.changed() => if changed.is_err() { std::future::pending::<()>().await },
                        }
                    }
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = stopped(&mut stop) => {
                    self.hurry();
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
        for noted in queue.waiting.iter_mut().filter(|noted| !noted.in_log) {
            noted.in_log = true;
            new.push(noted.clone());
        }
        drop(queue);
        new.iter().for_each(|noted| log(&noted.news, &noted.name));
    }

    async fn write_all(&self, desk: &Desk, keep: &mut watch::Receiver<Option<Keep>>) -> Result<(), StoreError> {
        loop {
            // What is to be remembered goes first: after a power cut it counts for more than the story.
            let is_due = |due: Instant| due <= Instant::now() || self.hurries.load(Ordering::Relaxed);
            let is_due = self.keep_due(keep).is_some_and(is_due);
            let wanted = if is_due { keep.borrow_and_update().clone() } else { None };
            if let Some(wanted) = wanted {
                if let Err(error) = desk.store.safety().keep_dangers(&kept::rows_of(&wanted)).await {
                    tracing::warn!("open dangers wait for the disk: {error}");
                    return Err(error);
                }
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((wanted, Instant::now()));
            }
            self.log_new();
            // It stays in the queue until it is written: who stops in the middle has not lost it.
            let Some(mut noted) = self.first_due() else { return Ok(()) };
            let outcome = write(desk, &mut noted).await;
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let at = queue.waiting.iter().position(|other| other.number == noted.number);
            match (outcome, at) {
                (Ok(()), Some(at)) => drop(queue.waiting.remove(at)),
                (Ok(()), None) => {}
                (Err(error), at) => {
                    if let Some(other) = at.and_then(|at| queue.waiting.get_mut(at)) {
                        other.in_journal = noted.in_journal;
                    }
                    drop(queue);
                    tracing::warn!("what the reflex did waits for the disk: {error}");
                    return Err(error);
                }
            }
        }
    }

    /// When what is to be remembered is to be written, if it differs from what was.
    fn keep_due(&self, keep: &watch::Receiver<Option<Keep>>) -> Option<Instant> {
        let wanted = keep.borrow();
        let wanted = wanted.as_ref()?;
        match &*self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            None => (*wanted != Keep::default()).then(Instant::now),
            Some((kept, _)) if kept == wanted => None,
            Some((kept, at)) => at.checked_add(if wanted.adds_to(kept) { KEPT_ANEW_AFTER } else { KEPT_AGAIN_AFTER }),
        }
    }

    fn first_due(&self) -> Option<Noted> {
        let now = Instant::now();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.iter().find(|noted| noted.due <= now).cloned()
    }

    fn next_due(&self) -> Option<Instant> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.iter().map(|noted| noted.due).min()
    }

    /// Everything is due: the house stops.
    fn hurry(&self) {
        self.hurries.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.iter_mut().for_each(|noted| noted.due = noted.due.min(now));
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
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
        News::Over(key, _, why) => {
            let changes = vec![("danger", key.danger.code().to_owned()), ("why", why.code().to_owned())];
            ("danger.over", Outcome::Done, &key.place, changes)
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
        News::Hushed(_) | News::Tested(_) | News::Ended(..) => return None,
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
    let of_device = || vec![("device", noted.name.clone())];
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
            let (closing, count) = closing(open.doing);
            params.extend([("closing", closing.to_owned()), ("count", count.to_string())]);
            // One that was told otherwise before (not accepted, hushed) is told anew.
            vec![
                (danger_key("was", key), None),
                (danger_key("is", key), None),
                (danger_key("is", key), notice(kind, params)),
            ]
        }
        News::Over(key, open, why) => {
            let is_told = key.danger.is_reported() && open.accepted;
            let mut params = named();
            params.push(("danger", key.danger.code().to_owned()));
            params.push(("why", why.code().to_owned()));
            let was = is_told.then(|| (danger_key("was", key), notice("danger_over", params)));
            std::iter::once((danger_key("is", key), None)).chain(was).collect()
        }
        News::Confirmed(_, pursuit) if pursuit.is_unsteady() => Vec::new(),
        News::Confirmed(place, _) => vec![(device_key("unanswered", place), None), (device_key("left", place), None)],
        News::Ended(place, pursuit) => {
            // The one who was told to go and look has to know that nobody else goes on.
            let is_left = pursuit.outlives_until_ms.is_some() && !pursuit.confirmed;
            let left = is_left.then(|| (device_key("left", place), notice("device_left", of_device())));
            std::iter::once((device_key("unanswered", place), None)).chain(left).collect()
        }
        // A test tells whoever asked for it, and nobody else.
        News::Unanswered(_, pursuit) | News::NotSaid(_, pursuit) | News::Undone(_, pursuit) if pursuit.is_test() => {
            Vec::new()
        }
        News::Unanswered(place, _) => instead(place, notice("device_unanswered", of_device())),
        News::Undone(place, pursuit) if !pursuit.is_siren && !pursuit.is_unsteady() => {
            instead(place, notice("device_undone", of_device()))
        }
        News::NotSaid(place, pursuit) => {
            let mut params = of_device();
            params.push(("why", pursuit.error.clone().unwrap_or_default()));
            let kind = if pursuit.accept_again { "device_accept_again" } else { "device_not_told" };
            instead(place, notice(kind, params))
        }
        News::Undone(..) | News::Said(..) | News::Hushed(_) | News::Tested(_) => Vec::new(),
    }
}

/// A notice in the place of whatever was told of a device before.
fn instead(place: &Place, notice: Option<Notice>) -> Vec<(String, Option<Notice>)> {
    let key = device_key("unanswered", place);
    vec![(key.clone(), None), (key, notice)]
}

/// What is done about a danger, as the words choose by it.
fn closing(doing: Doing) -> (&'static str, usize) {
    match doing {
        Doing::Unaccepted | Doing::Nothing => ("nobody", 0),
        Doing::Setting(many) => ("closing", many),
        Doing::Asking(many) => ("asked", many),
        Doing::DoneBefore => ("before", 0),
        Doing::Replayed => ("replayed", 0),
    }
}

fn danger_key(tense: &str, key: &Key) -> String {
    format!("danger-{tense}:{}:{}:{}", key.danger.code(), key.place.device, key.place.property)
}

/// Under which the notices of a device are raised.
pub fn device_key(what: &str, place: &Place) -> String {
    format!("{what}:{}:{}", place.device, place.property)
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
        News::Over(key, _, why) => {
            tracing::warn!(danger = key.danger.code(), sensor = name, why = why.code(), "the danger is over");
        }
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
        News::Ended(place, _) => {
            tracing::error!(device = name, property = place.property, "is told nothing more, and has not confirmed");
        }
        News::Said(..) | News::Hushed(_) | News::Tested(_) => {}
    }
}

#[cfg(test)]
mod tests;
