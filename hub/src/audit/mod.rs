//! The journal of deeds: who did what, from where, and how it ended. Append-only, hash-chained, sealed. It judges nothing
//! and hides nothing; what a person's name or contact was stands under that person's own key, so that erasing a person
//! takes it out of the journal without touching the chain.

mod crowd;
mod entry;
mod form;
mod search;
mod sentence;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domovoi_model::PersonId;
use domovoi_store::{AuditEnd, Deed, Store, StoreError};
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crowd::Crowd;
use form::{Counted, to_deed};

pub use entry::{Actor, Change, Entry, Note, Origin, Outcome, Page, Query, Record, Road};

/// How often it is looked whether something that was counted is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Finds the name of a person, for words: erased persons have none.
pub type NameOf = Arc<dyn Fn(PersonId) -> Option<String> + Send + Sync>;

/// The journal. Clones are the same journal.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    crowd: Mutex<Crowd>,
    queue: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

/// Deeds that wait for their turn. Whoever has the turn writes everything that waits, in one transaction.
struct Waiting {
    deeds: Vec<Deed>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Journal {
    /// The journal of a store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Journal(Arc::new(Inner {
            store,
            clock,
            crowd: Mutex::default(),
            queue: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Writes an entry; it is durable when this returns, and is written also if nobody waits for it any more. Refusals
    /// and failures that repeat, and what strangers do again and again, are counted together instead of one by one
    /// (`crowd` says what is guaranteed of those): nobody may wear the card out from outside.
    pub async fn write(&self, entry: Entry) -> Result<(), StoreError> {
        let (at, now) = (self.0.clock.trusted(), self.0.clock.since_boot_millis());
        let mut due = {
            let mut crowd = self.crowd();
            if !crowd.offer(&entry, at, now) {
                return Ok(());
            }
            crowd.due(now, Some(&entry), false)
        };
        due.push(Counted { entry, times: 1, since: at, at });
        self.keep(due, 1).await
    }

    /// Writes an entry where nobody can wait for an error: a failure is logged.
    pub async fn note(&self, entry: Entry) {
        if let Err(error) = self.write(entry).await {
            tracing::error!("the journal could not be written: {error}");
        }
    }

    /// Writes what was counted and not written yet. For the end of the house, and before the journal is read.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.tell_crowd(true).await
    }

    /// Writes what was counted when it is due, until `stop` turns true, and then the rest.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => false,
                // An error means that the house is gone, which is a stop too.
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if let Err(error) = self.tell_crowd(stopped).await {
                tracing::error!("the journal could not be written: {error}");
            }
            if stopped {
                return;
            }
        }
    }

    /// Every row that was edited, removed or put elsewhere, in words; empty when the chain holds.
    pub async fn verify(&self) -> Result<Vec<String>, StoreError> {
        let flaws = self.0.store.audit().verify(|_, _| {}).await?;
        Ok(flaws.iter().map(ToString::to_string).collect())
    }

    /// How many rows there are, and the hash of the last: whoever keeps it elsewhere can tell later that no row up to
    /// this one was exchanged.
    pub async fn end(&self) -> Result<AuditEnd, StoreError> {
        self.0.store.audit().end().await
    }

    async fn tell_crowd(&self, all: bool) -> Result<(), StoreError> {
        let due = self.crowd().due(self.0.clock.since_boot_millis(), None, all);
        if due.is_empty() { Ok(()) } else { self.keep(due, 0).await }
    }

    /// Writes in a task of its own: a browser that hangs up must not take the entry of its own deed with it. What had
    /// been counted is counted on if it cannot be written; the last `single` are answered for by the error.
    async fn keep(&self, counted: Vec<Counted>, single: usize) -> Result<(), StoreError> {
        let journal = self.clone();
        let task = tokio::spawn(async move {
            let kept = journal.append(counted.iter().map(to_deed).collect()).await;
            if kept.is_err() {
                let mut crowd = counted;
                crowd.truncate(crowd.len().saturating_sub(single));
                journal.crowd().take_back(crowd, journal.0.clock.since_boot_millis());
            }
            kept
        });
        task.await.unwrap_or_else(|error| Err(StoreError::Io(error.to_string())))
    }

    async fn append(&self, deeds: Vec<Deed>) -> Result<(), StoreError> {
        let (answer, mut answered) = oneshot::channel();
        self.queue().push(Waiting { deeds, answer });
        let turn = self.0.turn.lock().await;
        if let Ok(answer) = answered.try_recv() {
            return answer;
        }
        let waiting = std::mem::take(&mut *self.queue());
        let (deeds, answers): (Vec<Vec<Deed>>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.deeds, waiting.answer)).unzip();
        let kept = self.0.store.audit().append(&deeds.concat()).await.map(|_| ());
        for answer in answers {
            // Nobody waits for it any more.
            let _ = answer.send(kept.clone());
        }
        drop(turn);
        kept
    }

    fn crowd(&self) -> std::sync::MutexGuard<'_, Crowd> {
        self.0.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
