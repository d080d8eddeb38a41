//! What happens in the home, for those who watch: bus events as text that is written once, numbered, the latest of it kept
//! for who comes back. Each piece of news knows what the policy has to be asked before it is shown; nobody is asked here.
//!
//! A busy home says a hundred thousand things a second. They go from hand to hand in batches, as they were recorded: one
//! piece of text for all watchers and the place of each piece of news in it, bounded in bytes and not in number.

mod batch;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domovoi_model::Sample;
use domovoi_store::{History, Recorded, Seq};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::bus::{Bus, Ears, Event};
use crate::clock::Clock;
use crate::policy::{Subject, Who};
use batch::Writer;
pub use batch::{About, Batch};

/// So much text is kept for who comes back or is slow: hours of a home, a sixth of a second of the worst hail.
const KEPT_BYTES: usize = 4 << 20;

/// So many streams a person, a token's person or the console has at once: pages that are open.
const STREAMS: usize = 12;

/// And so many all of them have.
const ALL_STREAMS: usize = 128;

/// As many samples as are read at once from history when the bus was faster than we.
const CATCH_UP: usize = 1024;

/// The feed. Clones are the same.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    bus: Bus,
    /// What the bus has said and we have missed stands here.
    history: Option<History>,
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
    bytes: usize,
    kept: VecDeque<Arc<Batch>>,
}

/// A place among the watchers; given back when it goes.
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
    /// The feed of a bus. Without a history, what the bus forgets before it is heard is lost for watchers, and they are told.
    pub fn new(bus: Bus, history: Option<History>, clock: &Clock) -> Self {
        Feed(Arc::new(Inner {
            bus,
            history,
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
            tokio::spawn(pump(Arc::clone(&self.0), self.0.bus.listen_to_all()));
        }
        Some(Seat { feed: self.clone(), whose })
    }

    /// The name of a happening for who comes back.
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.0.boot)
    }

    /// Where a watcher begins who has seen this last.
    pub fn start(&self, last: Option<&str>) -> Start {
        let ring = self.0.ring();
        let Some(last) = last else { return Start::After(ring.latest) };
        let number = last
            .rsplit_once('-')
            .filter(|(boot, _)| *boot == self.0.boot)
            .and_then(|(_, number)| number.parse::<u64>().ok());
        match number {
            Some(number) if number <= ring.latest && number.saturating_add(1) >= ring.oldest() => Start::After(number),
            _ => Start::Reset(ring.latest),
        }
    }

    /// What happened after a number, the batch that holds the next one first; `None` if a part of it is not kept any more.
    pub fn after(&self, number: u64) -> Option<Vec<Arc<Batch>>> {
        let ring = self.0.ring();
        if number >= ring.latest {
            return Some(Vec::new());
        }
        if number.saturating_add(1) < ring.oldest() {
            return None;
        }
        let from = ring.kept.partition_point(|batch| batch.last() <= number);
        Some(ring.kept.iter().skip(from).cloned().collect())
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

impl Inner {
    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes news down and wakes who waits.
    fn tell(&self, writer: &mut Writer, event: &Event) {
        let first = self.ring().latest + 1;
        // Written outside the lock: a watcher that looks does not wait for it. There is one pump.
        let Some(batch) = writer.write(first, event) else { return };
        let latest = batch.last();
        self.ring().keep(batch);
        // After the end nobody is woken again.
        self.latest.send_if_modified(|told| {
            let moved = told.is_some_and(|told| told != latest);
            if moved {
                *told = Some(latest);
            }
            moved
        });
    }

    /// What was missed is not in the ring: its numbers are skipped, and whoever needs them is told to begin anew.
    fn missed(&self, many: u64) {
        let mut ring = self.ring();
        ring.latest = ring.latest.saturating_add(many);
        ring.kept.clear();
        ring.bytes = 0;
    }
}

async fn pump(inner: Arc<Inner>, mut bus: Ears) {
    let mut ended = inner.latest.subscribe();
    let mut writer = Writer::new(&inner.boot);
    // The newest sample that was told. Before the first nobody watched, and nothing was missed.
    let mut told: Option<Seq> = None;
    loop {
        let heard = tokio::select! {
            heard = bus.recv() => heard,
            _ = ended.wait_for(Option::is_none) => return,
        };
        match heard {
            Ok(Event::Recorded(samples)) => {
                let Some((first, last)) = samples.first().zip(samples.last()).map(|(a, b)| (a.seq, b.seq)) else {
                    continue;
                };
                if let Some(seen) = told.filter(|seen| seen.0.saturating_add(1) < first.0) {
                    catch_up(&inner, &mut writer, seen, first).await;
                }
                inner.tell(&mut writer, &Event::Recorded(samples));
                told = told.max(Some(last));
            }
            Ok(event) => inner.tell(&mut writer, &event),
            // The samples that were missed are read from history when the next ones come: their numbers say so.
            Err((_, true)) if inner.history.is_some() && told.is_some() => {}
            Err((RecvError::Lagged(many), _)) => inner.missed(many),
            Err((RecvError::Closed, _)) => return,
        }
    }
}

/// Samples between two that the bus has said. What history does not give one after the other, because a row does not open or
/// has gone into blocks meanwhile, was missed.
async fn catch_up(inner: &Inner, writer: &mut Writer, mut seen: Seq, before: Seq) {
    let Some(history) = &inner.history else { return inner.missed(1) };
    while seen.0.saturating_add(1) < before.0 {
        let Ok(mut found) = history.after(seen, CATCH_UP).await else { return inner.missed(1) };
        found.retain(|recorded: &Recorded<Sample>| recorded.seq < before);
        let joins = found.first().is_some_and(|first| first.seq.0 == seen.0.saturating_add(1));
        let Some(last) = found.last().filter(|_| joins) else { return inner.missed(1) };
        seen = last.seq;
        inner.tell(writer, &Event::Recorded(Arc::new(found)));
    }
}

impl Ring {
    fn oldest(&self) -> u64 {
        self.kept.front().map_or(self.latest.saturating_add(1), |batch| batch.first())
    }

    fn keep(&mut self, batch: Batch) {
        self.latest = batch.last();
        self.bytes += batch.bytes();
        self.kept.push_back(Arc::new(batch));
        // The newest is kept however large it is: somebody is about to read it.
        while self.bytes > KEPT_BYTES && self.kept.len() > 1 {
            let Some(gone) = self.kept.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(gone.bytes());
        }
    }
}

#[cfg(test)]
mod tests;
