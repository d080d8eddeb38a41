//! The group commit: one task makes everything that waits durable in one transaction and answers. It retries nothing
//! that may have been half done: what could not be kept is told so, and its sender still has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::encoding::Encoder;
use super::health::Space;
use super::pace::{Pace, cost};
use super::queue::{Batch, Offer, Queue};
use super::recent::Recent;
use super::series::{Catalogue, Minting};
use super::tail::Tail;
use super::{NotKept, Recorded, Seq};
use crate::broker_log::LogRows;
use crate::db::Db;
use crate::error::StoreError;
use crate::group::{Group, JournalRow};
use crate::tables::{HISTORY_MARK, JOURNAL};

/// What is left of the budget is written down whenever it has changed by this share of a day's.
const BUDGET_STEPS: u64 = 32;

/// What was written, for those who ask.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub commits: AtomicU64,
    pub written_bytes: AtomicU64,
    pub budget_left: AtomicU64,
    /// Written by others than the committer, and not charged to the budget yet.
    pub elsewhere: AtomicU64,
}

/// The task that commits.
pub(super) struct Committer {
    pub db: Arc<Db>,
    pub queue: Arc<Queue>,
    pub tail: Arc<Tail>,
    pub catalogue: Arc<Catalogue>,
    pub recent: Arc<Recent>,
    pub log_rows: Arc<LogRows>,
    pub counters: Arc<Counters>,
    pub space: Arc<Space>,
    pub last: watch::Sender<Seq>,
    pub pace: Pace,
    /// What of the budget stands in the database.
    pub budget_kept: u64,
    /// `None` after a failure: the failed commit may be durable all the same, so the journal is asked.
    pub next: Option<u64>,
}

/// What became of the offers of one commit.
struct Durable {
    first: u64,
    /// For each offer, in their order: the number of its samples, or why it is not among them.
    verdicts: Vec<Result<usize, NotKept>>,
}

/// The samples of one commit, packed.
struct Packed<'a> {
    plaintext: Vec<u8>,
    newest_at: Option<i64>,
    /// The series of each sample.
    numbers: Vec<u32>,
    verdicts: Vec<Result<usize, NotKept>>,
    minting: Option<Minting<'a>>,
}

impl Committer {
    /// Until the queue is closed and empty.
    pub async fn run(mut self) {
        loop {
            let pace = &self.pace;
            if !self.queue.ready(|waiting, now| pace.when(waiting, now)).await {
                break;
            }
            self.run_once().await;
        }
        let group = self.sealed_budget().map(|budget| Group { budget: Some(budget), ..Group::default() });
        let kept = match group {
            Ok(group) => self.db.commit_group(&group).await,
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "what is left of the write budget was not kept");
        }
    }

    async fn run_once(&mut self) {
        self.space.look(&self.queue);
        let elsewhere = self.counters.elsewhere.swap(0, Ordering::Relaxed);
        let began = self.queue.now();
        self.pace.spend(elsewhere, began);
        let mut batch = self.queue.take();
        let mut offers = std::mem::take(&mut batch.offers);
        let cut_off = NotKept::Failed("what belongs with it could not be kept".into());
        refuse(std::mem::take(&mut batch.severed), &cut_off);
        let mut outcome = self.commit(&batch, &offers).await;
        if matches!(outcome, Err(StoreError::Full)) && self.space.give_up_ballast() {
            // The last reserve is for what is urgent. Trying again is sound: SQLite refuses a write for lack of room
            // before any of it counts.
            let (urgent, others) = offers.into_iter().partition(|offer| offer.urgent);
            offers = urgent;
            refuse(others, &NotKept::Full);
            // A frame that told of what is refused here must not outlive it.
            self.settle(&batch, Err(NotKept::Full));
            batch.frames.clear();
            outcome = self.commit(&batch, &offers).await;
        }
        let now = self.queue.now();
        match outcome {
            Ok(durable) => {
                self.space.is_well(&self.queue);
                self.pace.answered(batch.arrivals, self.queue.arrivals(), batch.first_at, now - began, now);
                self.answer(&batch, offers, durable);
            }
            Err(error) => {
                self.next = None;
                tracing::warn!(%error, offers = offers.len(), frames = batch.frames.len(), "samples were not kept");
                let refusal = match &error {
                    StoreError::Full => NotKept::Full,
                    other => NotKept::Failed(other.to_string()),
                };
                self.space.is_ill(&error);
                self.pace.failed(now);
                self.settle(&batch, Err(refusal.clone()));
                refuse(offers, &refusal);
            }
        }
    }

    /// Makes all of it durable, or nothing. Offers whose series is not taken are left out.
    async fn commit(&mut self, batch: &Batch, offers: &[Offer]) -> Result<Durable, StoreError> {
        let first = match self.next {
            Some(next) => next,
            None => {
                let mut tx = self.db.begin().await?;
                let next = next_seq(tx.conn()).await?;
                tx.give_up().await;
                next
            }
        };
        let db = Arc::clone(&self.db);
        let catalogue = Arc::clone(&self.catalogue);
        let packed = pack(&db, &catalogue, offers).await?;
        let beyond = first + packed.numbers.len() as u64;
        let mut group = Group::default();
        if beyond > first {
            let id = i64::try_from(first).map_err(|_| StoreError::damaged("journal: the sequence has run out"))?;
            group.journal = Some(JournalRow {
                id,
                last_seq: i64::try_from(beyond - 1).unwrap_or(i64::MAX),
                newest_at: packed.newest_at,
                sealed: JOURNAL.seal(&db.vault, &id.to_be_bytes(), &packed.plaintext)?,
            });
        }
        if !batch.frames.is_empty() {
            group.log = Some(self.log_rows.seal(&db, batch.lost, batch.first_frame, &batch.frames)?);
        }
        if let Some(minting) = &packed.minting {
            group.series = minting.rows();
        }
        let left = self.pace.budget.left();
        if batch.probe || left.abs_diff(self.budget_kept) > self.pace.budget.a_day() / BUDGET_STEPS {
            group.budget = Some(self.sealed_budget()?);
            self.budget_kept = left;
        }
        if !group.is_empty() {
            db.commit_group(&group).await?;
            self.count(cost(group.sizes()));
        }
        if let Some(minting) = packed.minting {
            minting.learn();
        }
        self.next = Some(beyond);
        if beyond > first {
            let kept = offers.iter().zip(&packed.verdicts).filter(|(_, verdict)| verdict.is_ok());
            let samples = packed.numbers.iter().copied().zip(kept.flat_map(|(offer, _)| &offer.samples));
            let names = catalogue.names();
            for (number, sample) in samples.clone() {
                if let (Some(at), Some(series)) = (sample.at.wall(), names.by_number(number)) {
                    series.heard(at);
                }
            }
            self.recent.push(first, samples);
        }
        Ok(Durable { first, verdicts: packed.verdicts })
    }

    fn count(&mut self, bytes: u64) {
        self.pace.spend(bytes, self.queue.now());
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.counters.budget_left.store(self.pace.budget.left(), Ordering::Relaxed);
    }

    fn answer(&self, batch: &Batch, offers: Vec<Offer>, durable: Durable) {
        let mut seq = durable.first;
        let mut answers = Vec::with_capacity(offers.len());
        let mut kept = Vec::new();
        for (offer, verdict) in offers.into_iter().zip(durable.verdicts) {
            if let Ok(count) = verdict {
                answers.push((offer.answer, Ok(Seq(seq))));
                seq += count as u64;
                kept.extend(offer.samples);
            } else {
                answers.push((offer.answer, verdict.map(|_| Seq(0))));
            }
        }
        if seq > durable.first {
            self.tail.push((durable.first..).zip(kept).map(|(seq, item)| Recorded { seq: Seq(seq), item }));
            self.last.send_replace(Seq(seq - 1));
        }
        self.settle(batch, Ok(Seq(seq - 1)));
        for (answer, outcome) in answers {
            let _ = answer.send(outcome);
        }
    }

    /// Answers those who wait for the frames.
    fn settle(&self, batch: &Batch, outcome: Result<Seq, NotKept>) {
        let (settlers, outcome) = self.queue.landed(batch, outcome);
        for settler in settlers {
            let _ = settler.send(outcome.clone());
        }
    }

    fn sealed_budget(&self) -> Result<(i64, Vec<u8>), StoreError> {
        let left = self.pace.budget.left().to_be_bytes();
        Ok((BUDGET_MARK, HISTORY_MARK.seal(&self.db.vault, &BUDGET_MARK.to_be_bytes(), &left)?))
    }
}

fn refuse(offers: Vec<Offer>, why: &NotKept) {
    for offer in offers {
        let _ = offer.answer.send(Err(why.clone()));
    }
}

/// The row of `history_mark` where it stands what was left of the write budget.
const BUDGET_MARK: i64 = 2;

/// What was left of the write budget when the last run ended, or shortly before it was ended.
pub(super) async fn budget_left(db: &Db) -> Result<Option<u64>, StoreError> {
    let mut reader = db.read().await?;
    let row = sqlx::query("SELECT sealed FROM history_mark WHERE id = ?1")
        .bind(BUDGET_MARK)
        .fetch_optional(reader.conn())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let sealed: &[u8] = sqlx::Row::try_get(&row, 0)?;
    // A budget that cannot be read is a full one.
    let left = HISTORY_MARK.open(&db.vault, &BUDGET_MARK.to_be_bytes(), sealed).ok();
    Ok(left.and_then(|left| left.as_slice().try_into().ok()).map(u64::from_be_bytes))
}

async fn pack<'a>(db: &Db, catalogue: &'a Catalogue, offers: &[Offer]) -> Result<Packed<'a>, StoreError> {
    let mut row = Encoder::new();
    let mut packed = Packed {
        plaintext: Vec::new(),
        newest_at: None,
        numbers: Vec::new(),
        verdicts: Vec::with_capacity(offers.len()),
        minting: None,
    };
    for offer in offers {
        let begin = packed.numbers.len();
        {
            let names = catalogue.names();
            let known = offer.samples.iter().map_while(|sample| {
                names.find(&sample.device, &sample.property, sample.unit).map(|series| series.number)
            });
            packed.numbers.extend(known);
        }
        let mut verdict = Ok(offer.samples.len());
        if packed.numbers.len() - begin < offer.samples.len() {
            let mut minting = match packed.minting.take() {
                Some(minting) => minting,
                None => catalogue.mint(db).await?,
            };
            packed.numbers.truncate(begin);
            for sample in &offer.samples {
                match minting.number(db, sample) {
                    Ok(number) => packed.numbers.push(number),
                    Err(why) => {
                        packed.numbers.truncate(begin);
                        verdict = Err(why);
                        break;
                    }
                }
            }
            packed.minting = Some(minting);
        }
        if let Err(why) = &verdict {
            tracing::warn!(%why, "samples of a new series were not kept");
        } else {
            let numbers = packed.numbers.get(begin..).unwrap_or_default();
            for (number, sample) in numbers.iter().zip(&offer.samples) {
                row.push(*number, sample);
                packed.newest_at = packed.newest_at.max(sample.at.wall().map(|at| at.0));
            }
        }
        packed.verdicts.push(verdict);
    }
    packed.plaintext = row.finish();
    Ok(packed)
}

/// The first seq that was never given out. Seqs begin at 1, so that 0 can mean "from the beginning".
pub(super) async fn next_seq(conn: &mut sqlx::SqliteConnection) -> Result<u64, StoreError> {
    let newest = sqlx::query("SELECT last_seq FROM journal ORDER BY id DESC LIMIT 1").fetch_optional(conn).await?;
    let last: i64 = newest.map_or(Ok(0), |row| sqlx::Row::try_get(&row, 0))?;
    u64::try_from(last).map(|last| last + 1).map_err(|_| StoreError::damaged("journal: a seq below zero"))
}
