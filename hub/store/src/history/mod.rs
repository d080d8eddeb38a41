//! History: every sample, durable, in order. Records and hands on; behind the journal lie compressed blocks and rollups,
//! and nobody outside knows which of them an answer came from.
//!
//! Consumers follow by a cursor: they ask for what comes after the last seq they have dealt with. Nothing is pushed, so
//! nothing can be lost between here and there, and a slow consumer slows nobody.

mod archive;
mod block;
mod calendar;
mod columns;
mod committer;
mod compact;
mod encoding;
mod erase;
mod export;
mod health;
mod import;
mod keeper;
mod lay;
mod merge;
mod pace;
mod queue;
mod raw;
mod read;
mod recent;
mod roll;
mod rolled;
mod rollup;
mod series;
mod settings;
mod tail;
mod tally;
mod thin;
mod varint;
mod verify;
mod walk;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use domovoi_model::{DeviceRef, Sample};
use sqlx::Row;
use tokio::sync::{oneshot, watch};

use self::archive::Archive;
pub use self::archive::SetAside;
use self::committer::{Committer, Counters};
pub use self::compact::Compacted;
use self::encoding::Row as Packed;
#[cfg(test)]
pub(crate) use self::encoding::tests::encode_named;
pub(crate) use self::encoding::{unit_code, unit_from_code};
pub use self::export::{Export, Page};
pub use self::health::Health;
use self::health::Space;
pub use self::import::IMPORT_LIMIT;
use self::pace::{Pace, WriteBudget};
use self::queue::Queue;
pub use self::read::{Bucket, Change, Imported, Latest, Level, Point, Rolled, SeriesInfo, Stretch, Trouble, Usage};
use self::recent::Recent;
pub use self::roll::RolledUp;
pub use self::series::NAME_LIMIT;
use self::series::{Catalogue, SERIES_LIMIT};
pub use self::settings::{Budget, HistorySettings, HomeTime};
use self::tail::Tail;
pub use self::thin::Thinned;
pub(crate) use self::varint::{Malformed, Reader, put_number};
pub(crate) use self::verify::verify_row;
use crate::broker_log::LogRows;
use crate::db::Db;
use crate::error::StoreError;
use crate::tables::JOURNAL;
use crate::{Settings, checkpoint};

/// How many journal rows a read takes from the disk at once.
const ROWS_AT_ONCE: i64 = 32;

/// A sample's place in history: strictly rising, never given out twice. 0 stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

/// Something that survives a power cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<T> {
    /// Its place in history.
    pub seq: Seq,
    /// The thing.
    pub item: T,
}

/// Whether a sample may wait for company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Hazards and meter registers: committed at once.
    Now,
    /// Up to `commit_every`.
    Normal,
}

/// Why samples were not kept. Whoever waits for an acknowledgement does not get one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// More waits already than the queue holds.
    #[error("more samples wait for the disk than the queue holds")]
    Overloaded,
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// The series is a new one, and no new ones of its kind are taken.
    #[error("the series is not taken: {0}")]
    Series(&'static str),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
    /// The disk or the database failed otherwise.
    #[error("{0}")]
    Failed(String),
}

/// What becomes of something that was offered: resolves once it is durable, with its seq, or once it is known that it
/// will not be kept.
#[derive(Debug)]
pub struct Kept(Result<oneshot::Receiver<Result<Seq, NotKept>>, NotKept>);

impl Kept {
    fn refused(why: NotKept) -> Self {
        Kept(Err(why))
    }

    fn waiting() -> (oneshot::Sender<Result<Seq, NotKept>>, Self) {
        let (answer, receiver) = oneshot::channel();
        (answer, Kept(Ok(receiver)))
    }
}

impl Future for Kept {
    type Output = Result<Seq, NotKept>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // A sender that is gone without an answer went with the daemon.
            Ok(receiver) => Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(Err(NotKept::Closed))),
            Err(why) => Poll::Ready(Err(why.clone())),
        }
    }
}

/// The journal of samples.
#[derive(Clone)]
pub struct History {
    db: Arc<Db>,
    tail: Arc<Tail>,
    last: watch::Receiver<Seq>,
    catalogue: Arc<Catalogue>,
    archive: Arc<Archive>,
    counters: Arc<Counters>,
    space: Arc<Space>,
    log_rows: Arc<LogRows>,
    door: Arc<Door>,
}

/// Closes the queue when the last handle to it goes.
struct Door {
    queue: Arc<Queue>,
    committer: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
    keeper: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
    stop_keeping: watch::Sender<bool>,
    /// Who works beside the committer, and ends with the last handle.
    beside: Vec<tokio::task::AbortHandle>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.queue.close();
        self.beside.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl History {
    pub(crate) async fn open(db: Arc<Db>, settings: &Settings) -> Result<Self, StoreError> {
        let next = committer::next_seq(db.read().await?.conn()).await?;
        let catalogue = Arc::new(Catalogue::load(&db, SERIES_LIMIT).await?);
        let log_rows = LogRows::open(&db).await?;
        let budget = WriteBudget::new(settings.write_budget_per_day, committer::budget_left(&db).await?);
        let queue = Queue::new(settings.queue_samples, settings.queue_bytes);
        let tail = Arc::new(Tail::default());
        let counters = Arc::new(Counters::default());
        counters.budget_left.store(budget.left(), Ordering::Relaxed);
        let space = Space::new(&settings.data_dir, settings.reserve, settings.ballast);
        let (sender, last) = watch::channel(Seq(next - 1));
        let recent = Arc::new(Recent::new(next));
        let committer = Committer {
            db: Arc::clone(&db),
            queue: Arc::clone(&queue),
            tail: Arc::clone(&tail),
            catalogue: Arc::clone(&catalogue),
            recent: Arc::clone(&recent),
            log_rows: Arc::clone(&log_rows),
            counters: Arc::clone(&counters),
            space: Arc::clone(&space),
            last: sender,
            budget_kept: budget.left(),
            pace: Pace::new(settings.commit_every, budget),
            next: Some(next),
        };
        let archive =
            Archive::open(&db, &catalogue, recent, last.clone(), Arc::clone(&counters), settings.history.clone())
                .await
                .map(Arc::new)?;
        let committer = tokio::spawn(committer.run());
        let room = tokio::spawn(health::watch(Arc::clone(&space), Arc::downgrade(&queue)));
        let folding = tokio::spawn(checkpoint::run(Arc::downgrade(&db), Arc::clone(&db.due)));
        let (stop_keeping, stop) = watch::channel(false);
        let keeper = tokio::spawn(keeper::run(Arc::clone(&archive), stop));
        let door = Arc::new(Door {
            queue,
            committer: tokio::sync::Mutex::new(Some(committer)),
            keeper: tokio::sync::Mutex::new(Some(keeper)),
            stop_keeping,
            beside: vec![room.abort_handle(), folding.abort_handle()],
        });
        Ok(History { db, tail, last, catalogue, archive, counters, space, log_rows, door })
    }

    /// Commits what waits, and takes nothing more.
    pub(crate) async fn close(&self) {
        self.door.stop_keeping.send_replace(true);
        if let Some(keeper) = self.door.keeper.lock().await.take() {
            let _ = keeper.await;
        }
        self.door.queue.close();
        if let Some(committer) = self.door.committer.lock().await.take() {
            let _ = committer.await;
        }
    }

    /// Offers samples and returns at once. The answer comes when they are durable, with the seq of the first (the others
    /// follow it without a gap), or when they are not kept: then none of them is.
    pub fn record(&self, samples: Vec<Sample>, urgency: Urgency) -> Kept {
        self.door.queue.offer(samples, urgency)
    }

    /// Whether what is recorded is kept; changes when that does.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.space.watch()
    }

    /// So many bytes were written by others than the committer: they count against the day's budget.
    pub(crate) fn spend(&self, bytes: u64) {
        self.counters.elsewhere.fetch_add(bytes, Ordering::Relaxed);
        self.counters.written_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn pretend_free(&self, bytes: u64) {
        self.space.pretend(bytes);
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.door.queue
    }

    pub(crate) fn log_rows(&self) -> &LogRows {
        &self.log_rows
    }

    /// The newest durable seq.
    pub fn last_seq(&self) -> Seq {
        *self.last.borrow()
    }

    /// Changes with every commit; ends when the store is closed.
    pub fn subscribe(&self) -> watch::Receiver<Seq> {
        self.last.clone()
    }

    /// Follows history from behind `seq`.
    pub fn follow(&self, seq: Seq) -> Follower {
        Follower { history: self.clone(), last: self.last.clone(), at: seq }
    }

    /// What comes after `seq`, oldest first, at most `limit`. Moments of settled runs are wall times. A damaged row is
    /// an error once it is the next in line; [`History::behind_damage`] finds the way around it.
    pub async fn after(&self, seq: Seq, limit: usize) -> Result<Vec<Recorded<Sample>>, StoreError> {
        if limit == 0 || seq >= self.last_seq() {
            return Ok(Vec::new());
        }
        if let Some(mut found) = self.tail.after(seq, limit) {
            found.iter_mut().for_each(|recorded| recorded.item.at = self.db.resolve(recorded.item.at));
            return Ok(found);
        }
        let mut found = Vec::new();
        let mut from = seq;
        loop {
            let before = found.len();
            if let Err(error) = self.read_rows(from, limit, &mut found).await {
                return if found.is_empty() { Err(error) } else { Ok(found) };
            }
            match found.last() {
                Some(last) if found.len() < limit && found.len() > before => from = last.seq,
                _ => return Ok(found),
            }
        }
    }

    /// After `Damaged`: the last seq of the row that holds the one after `seq`, to go on from. `None` at the end.
    pub async fn behind_damage(&self, seq: Seq) -> Result<Option<Seq>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query(
            "SELECT last_seq FROM journal
             WHERE id >= coalesce((SELECT max(id) FROM journal WHERE id <= ?1), 0) AND last_seq >= ?1
             ORDER BY id LIMIT 1",
        )
        .bind(i64::try_from(seq.0.saturating_add(1)).unwrap_or(i64::MAX))
        .fetch_optional(reader.conn())
        .await?;
        let last: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
        Ok(last.and_then(|last| u64::try_from(last).ok()).map(Seq))
    }

    /// The newest sample of a property, if it is among the newest `rows` commits: a bounded scan, for a start.
    pub async fn newest_of(
        &self,
        device: &DeviceRef,
        property: &str,
        rows: u32,
    ) -> Result<Option<Recorded<Sample>>, StoreError> {
        let wanted = |sample: &Sample| sample.device == *device && sample.property == property;
        let mut found = self.tail.newest(wanted);
        if found.is_none() {
            let mut reader = self.db.read().await?;
            let mut before = i64::MAX;
            let mut left = i64::from(rows);
            while found.is_none() && left > 0 {
                let batch =
                    sqlx::query("SELECT id, last_seq, sealed FROM journal WHERE id < ?1 ORDER BY id DESC LIMIT ?2")
                        .bind(before)
                        .bind(left.min(ROWS_AT_ONCE))
                        .fetch_all(reader.conn())
                        .await?;
                let Some(oldest) = batch.last() else { break };
                before = oldest.try_get(0)?;
                left -= batch.len() as i64;
                for row in &batch {
                    // A damaged row tells nothing about this property; the one before it may.
                    let samples = unpack(&self.db, &self.catalogue, row).unwrap_or_default();
                    found = samples.into_iter().rev().find(|recorded| wanted(&recorded.item));
                    if found.is_some() {
                        break;
                    }
                }
            }
        }
        if let Some(recorded) = &mut found {
            recorded.item.at = self.db.resolve(recorded.item.at);
        }
        Ok(found)
    }

    async fn read_rows(&self, seq: Seq, limit: usize, found: &mut Vec<Recorded<Sample>>) -> Result<(), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT id, last_seq, sealed FROM journal
             WHERE id >= coalesce((SELECT max(id) FROM journal WHERE id <= ?1), 0) AND last_seq >= ?1
             ORDER BY id LIMIT ?2",
        )
        .bind(i64::try_from(seq.0.saturating_add(1)).unwrap_or(i64::MAX))
        .bind(ROWS_AT_ONCE)
        .fetch_all(reader.conn())
        .await?;
        for row in &rows {
            for mut recorded in unpack(&self.db, &self.catalogue, row)? {
                if recorded.seq > seq && found.len() < limit {
                    recorded.item.at = self.db.resolve(recorded.item.at);
                    found.push(recorded);
                }
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(())
    }
}

/// Opens a row of `id, last_seq, sealed`.
fn unpack(db: &Db, catalogue: &Catalogue, row: &sqlx::sqlite::SqliteRow) -> Result<Vec<Recorded<Sample>>, StoreError> {
    let id: i64 = row.try_get(0)?;
    let last: i64 = row.try_get(1)?;
    let sealed: &[u8] = row.try_get(2)?;
    let id_bytes = id.to_be_bytes();
    let plaintext = JOURNAL.open(&db.vault, &id_bytes, sealed)?;
    let samples = match encoding::decode(&plaintext) {
        Ok(Packed::Named(samples)) => samples,
        Ok(Packed::Numbered(numbered)) => {
            let names = catalogue.names();
            let named = numbered.into_iter().map(|sample| names.named(sample)).collect::<Option<Vec<_>>>();
            named.ok_or_else(|| JOURNAL.damaged(&id_bytes, "it names a series that is not known"))?
        }
        Err(Malformed) => return Err(JOURNAL.damaged(&id_bytes, "its content is not what this program writes")),
    };
    if i64::try_from(samples.len()).ok() != last.checked_sub(id).and_then(|n| n.checked_add(1)) {
        return Err(JOURNAL.damaged(&id_bytes, "it holds another number of samples than its last_seq says"));
    }
    let first = u64::try_from(id).map_err(|_| JOURNAL.damaged(&id_bytes, "a seq below zero"))?;
    Ok((first..).zip(samples).map(|(seq, item)| Recorded { seq: Seq(seq), item }).collect())
}

/// Reads history as it grows.
pub struct Follower {
    history: History,
    last: watch::Receiver<Seq>,
    at: Seq,
}

impl Follower {
    /// Waits until there is something, and takes at most `limit` of it. `None` when the store is closed and everything
    /// was read. Cancel-safe: what is not returned is returned the next time.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Vec<Recorded<Sample>>>, StoreError> {
        loop {
            self.last.borrow_and_update();
            let found = self.history.after(self.at, limit).await?;
            if let Some(last) = found.last() {
                self.at = last.seq;
                return Ok(Some(found));
            }
            if self.last.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// The seq that was returned last.
    pub fn at(&self) -> Seq {
        self.at
    }

    /// Goes on from behind `seq`.
    pub fn skip_to(&mut self, seq: Seq) {
        self.at = seq;
    }
}
