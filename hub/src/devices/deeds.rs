//! What was dangerous and is to stand in the journal of deeds. Nobody with a hand on a valve waits for the disk, and nothing
//! is lost while the disk is away: it is kept in order, tried again, and written at the end of the house if it can be.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::audit::{Entry, Journal};

/// How many wait for the disk; dangerous commands are few, and each was asked for by somebody who may.
const WAITING: usize = 4096;

/// So long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// So long the house waits for the disk at its end.
const LAST_WORDS: Duration = Duration::from_secs(3);

#[derive(Default)]
pub struct Deeds {
    queue: Mutex<VecDeque<Entry>>,
    bell: Notify,
}

impl Deeds {
    /// Takes an entry. Never waits.
    pub fn note(&self, entry: Entry) {
        let full = {
            let mut queue = self.queue();
            let full = queue.len() >= WAITING;
            if full {
                queue.pop_front();
            }
            queue.push_back(entry);
            full
        };
        if full {
            tracing::error!(
                "the disk is away for too long: the oldest dangerous command will not stand in the journal"
            );
        }
        self.bell.notify_one();
    }

    /// Writes until the house stops, and then what is left.
    pub async fn run(&self, journal: &Journal, mut stop: watch::Receiver<bool>) {
        loop {
            let writing = async {
                match self.write_all(journal).await {
                    true => self.bell.notified().await,
                    false => tokio::time::sleep(AGAIN).await,
                }
            };
            tokio::select! {
                () = writing => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        if !tokio::time::timeout(LAST_WORDS, self.write_all(journal)).await.unwrap_or(false) {
            tracing::error!("the disk was not there for the last dangerous commands");
        }
    }

    /// Whether all is written. An entry leaves the queue once it is durable: whoever stops waiting loses none.
    async fn write_all(&self, journal: &Journal) -> bool {
        loop {
            let Some(first) = self.queue().front().cloned() else { return true };
            if let Err(error) = journal.write(first).await {
                tracing::warn!("a dangerous command waits for the journal: {error}");
                return false;
            }
            self.queue().pop_front();
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Entry>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
