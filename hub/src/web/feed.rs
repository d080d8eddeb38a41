//! What happens in the home, for those who watch: bus events as JSON, numbered, the latest of them kept for who comes
//! back. Each knows what the policy has to be asked before it is shown; it asks nobody itself.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domovoi_model::Sample;
use domovoi_store::Recorded;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::policy::{Kind, Object, Subject, Who};

/// So many events are kept for who comes back: some minutes of a busy home.
const KEPT: usize = 512;

/// So many streams a person, a token's person or the console has at once: pages that are open.
const STREAMS: usize = 12;

/// And so many all of them have.
const ALL_STREAMS: usize = 128;

/// Something that happened, as it is told.
#[derive(Debug)]
pub struct Happening {
    /// Its number in this run of the daemon.
    pub number: u64,
    /// What kind of news: `sample`, `reading`, `act`, `register`, `notice`.
    pub kind: &'static str,
    /// What the watcher has to be allowed to see.
    pub object: Object,
    /// The news.
    pub body: Value,
}

/// The feed. Clones are the same.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bus: Bus,
    /// Numbers begin anew with each run: with its name before them they are never taken for another's.
    boot: String,
    ring: Mutex<Ring>,
    /// The latest number; `None` is the end of all streams.
    latest: watch::Sender<Option<u64>>,
    pumping: AtomicBool,
    seats: Mutex<HashMap<String, usize>>,
}

#[derive(Debug, Default)]
struct Ring {
    latest: u64,
    kept: VecDeque<Arc<Happening>>,
}

/// A place among the watchers; given back when it goes.
#[derive(Debug)]
pub struct Seat {
    feed: Feed,
    whose: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.feed.0.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seats.get_mut(&self.whose) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                seats.remove(&self.whose);
            }
        }
    }
}

/// Where a watcher begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After this number; nothing was missed.
    After(u64),
    /// Something was missed, or nobody knows: the watcher reads everything anew, and goes on after this number.
    Reset(u64),
}

impl Feed {
    /// The feed of a bus.
    pub fn new(bus: Bus, clock: &Clock) -> Self {
        Feed(Arc::new(Inner {
            bus,
            boot: clock.boot().0.to_string(),
            ring: Mutex::default(),
            latest: watch::channel(Some(0)).0,
            pumping: AtomicBool::new(false),
            seats: Mutex::default(),
        }))
    }

    /// Takes a place among the watchers, if one is left. The first watcher sets the feed going; before that nobody needs it.
    pub fn seat(&self, who: &Who) -> Option<Seat> {
        let whose = match &who.subject {
            Subject::Person(id) => id.to_string(),
            Subject::Console => "console".to_owned(),
            _ => "others".to_owned(),
        };
        let mut seats = self.0.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = seats.values().sum();
        let own = seats.entry(whose.clone()).or_default();
        if *own >= STREAMS || all >= ALL_STREAMS {
            return None;
        }
        *own += 1;
        drop(seats);
        if !self.0.pumping.swap(true, Ordering::SeqCst) {
            tokio::spawn(pump(Arc::clone(&self.0), self.0.bus.listen()));
        }
        Some(Seat { feed: self.clone(), whose })
    }

    /// The name of a happening for who comes back.
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.0.boot)
    }

    /// Where a watcher begins who has seen this last.
    pub fn start(&self, last: Option<&str>) -> Start {
        let ring = self.0.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = last else { return Start::After(ring.latest) };
        let number = last
            .rsplit_once('-')
            .filter(|(boot, _)| *boot == self.0.boot)
            .and_then(|(_, number)| number.parse::<u64>().ok());
        let oldest = ring.kept.front().map_or(ring.latest + 1, |first| first.number);
        match number {
            Some(number) if number <= ring.latest && number + 1 >= oldest => Start::After(number),
            _ => Start::Reset(ring.latest),
        }
    }

    /// What happened after a number; `None` if a part of it is not kept any more.
    pub fn after(&self, number: u64) -> Option<Vec<Arc<Happening>>> {
        let ring = self.0.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if number >= ring.latest {
            return Some(Vec::new());
        }
        if ring.kept.front().is_none_or(|first| first.number > number + 1) {
            return None;
        }
        Some(ring.kept.iter().filter(|one| one.number > number).cloned().collect())
    }

    /// The latest number as it moves; `None` is the end.
    pub fn watch(&self) -> watch::Receiver<Option<u64>> {
        self.0.latest.subscribe()
    }

    /// Ends all streams: the house stops.
    pub fn end(&self) {
        self.0.latest.send_replace(None);
    }
}

async fn pump(inner: Arc<Inner>, mut bus: broadcast::Receiver<Event>) {
    let mut ended = inner.latest.subscribe();
    loop {
        let heard = tokio::select! {
            heard = bus.recv() => heard,
            _ = ended.wait_for(Option::is_none) => return,
        };
        let news = match heard {
            Ok(event) => told(&event),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                // What was missed is not in the ring: its numbers are skipped, and whoever needs them is told to begin anew.
                let mut ring = inner.ring.lock().unwrap_or_else(PoisonError::into_inner);
                ring.latest = ring.latest.saturating_add(missed);
                ring.kept.clear();
                Vec::new()
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let latest = inner.ring.lock().unwrap_or_else(PoisonError::into_inner).keep(news);
        // After the end nobody is woken again.
        inner.latest.send_if_modified(|told| {
            let moved = told.is_some_and(|told| told != latest);
            if moved {
                *told = Some(latest);
            }
            moved
        });
    }
}

impl Ring {
    fn keep(&mut self, news: Vec<(&'static str, Object, Value)>) -> u64 {
        for (kind, object, body) in news {
            self.latest += 1;
            self.kept.push_back(Arc::new(Happening { number: self.latest, kind, object, body }));
            if self.kept.len() > KEPT {
                self.kept.pop_front();
            }
        }
        self.latest
    }
}

/// An event of the bus as news.
fn told(event: &Event) -> Vec<(&'static str, Object, Value)> {
    match event {
        Event::Recorded(samples) => samples_told(samples),
        Event::Reading(reading) => {
            let body = json!({
                "point": reading.point.to_string(),
                "tariff": reading.tariff.code(),
                "value": reading.value.to_string(),
                "at": reading.at.wall().map(|at| at.to_string()),
                "verdict": reading.verdict.code(),
            });
            vec![("reading", Object::one(Kind::Meter, reading.point.to_string()), body)]
        }
        Event::Act(act) => {
            let body = json!({
                "act": act.id.to_string(),
                "period": act.period.to_string(),
                "state": act.state.code(),
            });
            vec![("act", Object::one(Kind::Act, act.id.to_string()), body)]
        }
        Event::RegisterChanged(point) => {
            let object = match point {
                Some(point) => Object::one(Kind::Meter, point.to_string()),
                None => Object::all(Kind::Meter),
            };
            vec![("register", object, json!({ "point": point.map(|point| point.to_string()) }))]
        }
        Event::Notice(key) => {
            vec![("notice", Object::one(Kind::Notice, key.to_string()), json!({ "key": key.to_string() }))]
        }
    }
}

/// Each sample is a question of its own to the policy: a right may name one capability of a device.
fn samples_told(samples: &[Recorded<Sample>]) -> Vec<(&'static str, Object, Value)> {
    samples
        .iter()
        .map(|recorded| {
            let sample = &recorded.item;
            let device = sample.device.to_string();
            let body = json!({
                "device": device,
                "property": sample.property,
                "value": sample.value.to_string(),
                "unit": sample.unit.symbol(),
                "at": sample.at.wall().map(|at| at.to_string()),
            });
            let object = Object { capability: Some(sample.property.clone()), ..Object::one(Kind::Device, device) };
            ("sample", object, body)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use domovoi_model::{Id, PersonId, Timestamp};

    use super::*;
    use crate::policy::Network;

    fn feed() -> Feed {
        Feed::new(Bus::default(), &Clock::by_hand(Id([1; 16]), Timestamp(0)))
    }

    fn happen(feed: &Feed, times: usize) {
        let mut ring = feed.0.ring.lock().unwrap();
        for _ in 0..times {
            ring.keep(told(&Event::Notice("a".into())));
        }
    }

    #[test]
    fn who_comes_back_goes_on_where_they_were_or_is_told_to_begin_anew() {
        let feed = feed();
        assert_eq!(feed.start(None), Start::After(0));
        happen(&feed, 10);
        assert_eq!(feed.start(None), Start::After(10));
        assert_eq!(feed.start(Some(&feed.id(7))), Start::After(7));
        assert_eq!(feed.after(7).unwrap().iter().map(|one| one.number).collect::<Vec<_>>(), [8, 9, 10]);
        assert_eq!(feed.start(Some(&feed.id(11))), Start::Reset(10), "a number from the future");
        for strange in ["", "7", "-7", "00000000-0000-0000-0000-000000000000-7", "x-7", "7-"] {
            assert_eq!(feed.start(Some(strange)), Start::Reset(10), "{strange:?}");
        }
        happen(&feed, KEPT);
        assert_eq!(feed.start(Some(&feed.id(7))), Start::Reset(KEPT as u64 + 10), "too long ago");
        assert!(feed.after(7).is_none());
        assert_eq!(feed.start(Some(&feed.id(10))), Start::After(10), "the last that is kept joins up");
        assert_eq!(feed.after(10).unwrap().len(), KEPT);
    }

    #[tokio::test]
    async fn seats_are_few_and_are_given_back() {
        let feed = feed();
        let person = |byte| Who { subject: Subject::Person(PersonId(Id([byte; 16]))), ..Who::nobody(Network::Home) };
        let mut taken: Vec<Seat> = (0..STREAMS).map(|_| feed.seat(&person(1)).unwrap()).collect();
        assert!(feed.seat(&person(1)).is_none());
        assert!(feed.seat(&person(2)).is_some(), "another person has their own");
        taken.pop();
        assert!(feed.seat(&person(1)).is_some());
        drop(taken);
        assert!(feed.0.seats.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_bus_is_heard_and_the_end_is_the_end() {
        let feed = feed();
        let _seat = feed.seat(&Who::console()).unwrap();
        let mut latest = feed.watch();
        feed.0.bus.tell(Event::Notice("a".into()));
        assert!(latest.wait_for(|latest| *latest == Some(1)).await.is_ok());
        assert_eq!(feed.after(0).unwrap()[0].kind, "notice");
        feed.end();
        assert!(latest.wait_for(Option::is_none).await.is_ok());
    }
}
