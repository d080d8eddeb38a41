//! What the reflex did is written down here when the disk is there: deeds in the journal, notices for people, and what is to
//! be remembered over a restart. The reflex leaves its news and goes on; a disk that is stalled or full makes this task
//! wait and nobody else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// A danger that comes and goes is written down so many times in a minute; then only how it stands at the end of it.
const TURNS: u32 = 4;
const TURNS_IN: Duration = Duration::from_secs(60);

/// Of so many dangers it is known how often they came and went.
const TURNING: usize = 1024;

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
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Noted>,
    last: u64,
    /// When each danger came or went first within the minute, and how often since.
    turns: HashMap<Key, (Instant, u32)>,
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
        let due = queue.turn(&news);
        if queue.waiting.len() >= WAITING {
            let repeated = |noted: &Noted| matches!(noted.news, News::Said(..));
            let stranger =
                |noted: &Noted| matches!(&noted.news, News::Began(_, open) | News::Over(_, open) if !open.accepted);
            let least = queue.waiting.iter().position(stranger).or_else(|| queue.waiting.iter().position(repeated));
            queue.waiting.remove(least.unwrap_or(0));
        }
        queue.last += 1;
        let number = queue.last;
        queue.waiting.push_back(Noted { number, news, name, at, due, in_log: false, in_journal: false });
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
                            () = until(self.next_due()) => {}
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
        let now = Instant::now();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.iter_mut().for_each(|noted| noted.due = noted.due.min(now));
    }
}

impl Queue {
    /// When news is to be written: at once, unless its danger comes and goes all the time. Then the news that waited for it
    /// is forgotten, and this one is written at the end of the minute.
    fn turn(&mut self, news: &News) -> Instant {
        let now = Instant::now();
        let (News::Began(key, _) | News::Over(key, _)) = news else { return now };
        if self.turns.len() >= TURNING {
            self.turns.retain(|_, (since, _)| now.duration_since(*since) < TURNS_IN);
        }
        if self.turns.len() >= TURNING && !self.turns.contains_key(key) {
            return now;
        }
        let (since, turns) = self.turns.entry(key.clone()).or_insert((now, 0));
        if now.duration_since(*since) >= TURNS_IN {
            (*since, *turns) = (now, 0);
        }
        *turns += 1;
        if *turns <= TURNS {
            return now;
        }
        let due = since.checked_add(TURNS_IN).unwrap_or(now);
        let same = |noted: &Noted| matches!(&noted.news, News::Began(other, _) | News::Over(other, _) if other == key);
        self.waiting.retain(|noted| noted.due <= now || !same(noted));
        due
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
            // One that was told otherwise before (not accepted, hushed) is told anew.
            vec![
                (danger_key("was", key), None),
                (danger_key("is", key), None),
                (danger_key("is", key), notice(kind, params)),
            ]
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
        News::NotSaid(place, pursuit) => {
            let why = pursuit.error.clone().unwrap_or_default();
            let params = vec![("device", noted.name.clone()), ("why", why)];
            vec![(device_key(place), notice("device_not_told", params))]
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

#[cfg(test)]
mod tests {
    use domovoi_model::{DeviceRef, Hazard, Value};

    use super::super::danger::{Now, Open};
    use super::super::rule::Danger;
    use super::*;

    fn key(name: &str) -> Key {
        let place = Place::new(DeviceRef::new("zigbee2mqtt", name), "alarm");
        Key { danger: Danger::of(Hazard::Gas), place, test: None }
    }

    fn turn(record: &Record, name: &str, accepted: bool, began: bool) {
        let at = Moment::Wall(domovoi_model::Timestamp(0));
        let open = Open::begun(Value::Bool(true), accepted, Now { millis: 0, moment: at });
        let news = if began { News::Began(key(name), open) } else { News::Over(key(name), open) };
        record.note(news, name.to_owned(), at);
    }

    #[test]
    fn what_comes_and_goes_is_written_a_few_times_and_then_as_it_stands() {
        let record = Record::default();
        for n in 0..1001 {
            turn(&record, "flapping", false, n % 2 == 0);
        }
        turn(&record, "real", true, true);
        let queue = record.queue.lock().unwrap();
        let waiting: Vec<(&str, bool)> =
            queue.waiting.iter().map(|one| (one.name.as_str(), matches!(one.news, News::Began(..)))).collect();
        assert_eq!(waiting.len(), 6, "four turns, how it stands, and the real one: {waiting:?}");
        assert_eq!(waiting[4], ("flapping", true), "the last of them");
        assert!(queue.waiting[4].due > Instant::now() && queue.waiting[5].due <= Instant::now());
    }

    #[test]
    fn strangers_make_room_for_what_is_accepted() {
        let record = Record::default();
        turn(&record, "real", true, true);
        for n in 0..WAITING * 2 {
            turn(&record, &format!("stranger{n}"), false, true);
        }
        let queue = record.queue.lock().unwrap();
        assert_eq!(queue.waiting.len(), WAITING);
        assert_eq!(queue.waiting[0].name, "real");
    }
}
