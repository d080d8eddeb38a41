//! The group commit: whoever records leaves samples in a queue and goes; one task makes everything that waits durable
//! in one row and answers. It retries nothing: what could not be kept is told so, and its sender still has it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domovoi_model::Sample;
use sqlx::Row;
use tokio::sync::{Notify, oneshot, watch};

use super::encoding::encode;
use super::recent::Recent;
use super::series::Catalogue;
use super::tail::Tail;
use super::{Kept, NotKept, Recorded, Seq, Urgency};
use crate::db::Db;
use crate::error::StoreError;
use crate::tables::JOURNAL;

pub(super) type Answer = Result<Seq, NotKept>;

struct Offer {
    samples: Vec<Sample>,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Waiting {
    offers: Vec<Offer>,
    samples: usize,
    bytes: usize,
    /// Somebody does not want to wait for company.
    urgent: bool,
    closed: bool,
}

/// What waits for the next commit.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Notify,
    max_samples: usize,
    max_bytes: usize,
}

impl Queue {
    pub fn new(max_samples: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Queue { waiting: Mutex::default(), bell: Notify::new(), max_samples, max_bytes })
    }

    pub fn offer(&self, samples: Vec<Sample>, urgency: Urgency) -> Kept {
        let (answer, receiver) = oneshot::channel();
        let bytes: usize = samples.iter().map(weight).sum();
        let mut waiting = self.lock();
        let refusal = if waiting.closed {
            Some(NotKept::Closed)
        } else if waiting.samples + samples.len() > self.max_samples || waiting.bytes + bytes > self.max_bytes {
            Some(NotKept::Overloaded)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            let _ = answer.send(Err(refusal));
            return Kept(receiver);
        }
        waiting.samples += samples.len();
        waiting.bytes += bytes;
        waiting.urgent |= urgency == Urgency::Now || waiting.bytes > self.max_bytes / 2;
        waiting.offers.push(Offer { samples, answer });
        drop(waiting);
        self.bell.notify_one();
        Kept(receiver)
    }

    /// What waits is still committed; nothing more is taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    async fn until(&self, ready: impl Fn(&Waiting) -> bool) {
        loop {
            if ready(&self.lock()) {
                return;
            }
            // Does not miss a ring between the look and the wait: `notify_one` leaves a permit.
            self.bell.notified().await;
        }
    }

    fn take(&self) -> Vec<Offer> {
        let mut waiting = self.lock();
        waiting.samples = 0;
        waiting.bytes = 0;
        waiting.urgent = false;
        std::mem::take(&mut waiting.offers)
    }

    fn is_empty(&self) -> bool {
        self.lock().offers.is_empty()
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About what a sample takes in memory.
fn weight(sample: &Sample) -> usize {
    let value = match &sample.value {
        domovoi_model::Value::Text(text) => text.len(),
        _ => 0,
    };
    let complaint = match &sample.quality {
        domovoi_model::Quality::Suspect(text) => text.len(),
        domovoi_model::Quality::Good => 0,
    };
    size_of::<Sample>()
        + sample.device.dialect.len()
        + sample.device.id.len()
        + sample.property.len()
        + value
        + complaint
}

/// The task that commits.
pub(super) struct Committer {
    pub db: Arc<Db>,
    pub queue: Arc<Queue>,
    pub tail: Arc<Tail>,
    pub catalogue: Arc<Catalogue>,
    pub recent: Arc<Recent>,
    pub last: watch::Sender<Seq>,
    pub commit_every: Duration,
    /// `None` after a failure: the failed commit may be durable all the same, so the journal is asked.
    pub next: Option<u64>,
}

impl Committer {
    /// Until the queue is closed and empty.
    pub async fn run(mut self) {
        let mut under_load = false;
        loop {
            self.queue.until(|waiting| waiting.closed || !waiting.offers.is_empty()).await;
            if self.queue.is_empty() && self.queue.is_closed() {
                return;
            }
            if !under_load {
                // Company is waited for only by those who came to an idle disk: under load the commit before was the
                // wait.
                let company = self.queue.until(|waiting| waiting.closed || waiting.urgent);
                let _ = tokio::time::timeout(self.commit_every, company).await;
            }
            self.run_once().await;
            under_load = !self.queue.is_empty();
        }
    }

    async fn run_once(&mut self) {
        let offers = self.queue.take();
        let mut answers = Vec::with_capacity(offers.len());
        let mut samples = Vec::new();
        for offer in offers {
            answers.push((offer.samples.len(), offer.answer));
            samples.extend(offer.samples);
        }
        match self.commit(samples).await {
            Ok(first) => {
                let mut seq = first;
                for (count, answer) in answers {
                    let _ = answer.send(Ok(Seq(seq)));
                    seq += count as u64;
                }
            }
            Err(error) => {
                self.next = None;
                tracing::warn!(%error, offers = answers.len(), "samples were not kept");
                let refusal = match error {
                    StoreError::Full => NotKept::Full,
                    other => NotKept::Failed(other.to_string()),
                };
                for (_, answer) in answers {
                    let _ = answer.send(Err(refusal.clone()));
                }
            }
        }
    }

    /// The seq of the first sample, once all of them are durable and in the tail.
    async fn commit(&mut self, samples: Vec<Sample>) -> Result<u64, StoreError> {
        let catalogue = Arc::clone(&self.catalogue);
        let mut minting = catalogue.mint(&self.db).await?;
        let mut numbers = Vec::with_capacity(samples.len());
        for sample in &samples {
            let number = minting.number(&self.db, sample);
            numbers.push(number.map_err(|refused| StoreError::conflict(refused.to_string()))?);
        }
        let mut tx = self.db.begin().await?;
        minting.write(tx.conn()).await?;
        let first = match self.next {
            Some(next) => next,
            None => next_seq(tx.conn()).await?,
        };
        if samples.is_empty() {
            self.next = Some(first);
            return Ok(first);
        }
        let beyond = first + samples.len() as u64;
        let newest_at = samples.iter().filter_map(|sample| sample.at.wall()).map(|at| at.0).max();
        let id = i64::try_from(first).map_err(|_| StoreError::damaged("journal: the sequence has run out"))?;
        let sealed = JOURNAL.seal(&self.db.vault, &id.to_be_bytes(), &encode(samples.iter()))?;
        sqlx::query("INSERT INTO journal (id, last_seq, newest_at, sealed) VALUES (?1, ?2, ?3, ?4)")
            .bind(id)
            .bind(i64::try_from(beyond - 1).unwrap_or(i64::MAX))
            .bind(newest_at)
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        tx.commit().await?;
        minting.learn();
        self.next = Some(beyond);
        self.recent.push(first, numbers.into_iter().zip(&samples));
        self.tail.push((first..).zip(samples).map(|(seq, item)| Recorded { seq: Seq(seq), item }));
        self.last.send_replace(Seq(beyond - 1));
        Ok(first)
    }
}

/// The first seq that was never given out. Seqs begin at 1, so that 0 can mean "from the beginning".
pub(super) async fn next_seq(conn: &mut sqlx::SqliteConnection) -> Result<u64, StoreError> {
    let newest = sqlx::query("SELECT last_seq FROM journal ORDER BY id DESC LIMIT 1").fetch_optional(conn).await?;
    let last: i64 = newest.map_or(Ok(0), |row| row.try_get(0))?;
    u64::try_from(last).map(|last| last + 1).map_err(|_| StoreError::damaged("journal: a seq below zero"))
}
