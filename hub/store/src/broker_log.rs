//! The broker's log: frames whose meaning only the broker knows, sealed, in order. They join the group commit of the
//! samples, so that a retained message and the sample that came with it cost one write to the card.

mod row;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;

use self::row::Reading;
use crate::db::Db;
use crate::error::StoreError;
use crate::history::{History, Kept};
use crate::tables::BROKER_LOG;

/// About so many bytes of frames go into one row of a rewrite, and each row into a transaction of its own: whoever
/// records meanwhile waits for no more than that.
const PART_BYTES: usize = 128 << 10;

/// How many rows a start reads at once.
const ROWS_AT_ONCE: i64 = 64;

/// What a start finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLeft {
    /// Oldest first: the latest whole rewrite, then what was appended behind it.
    pub frames: Vec<Vec<u8>>,
    /// Rows that do not open; they were set aside.
    pub damaged: Vec<String>,
}

/// Which rows there are.
#[derive(Debug)]
pub(crate) struct LogRows {
    /// Ids rise and are not given out twice, whether their row was kept or not.
    next: AtomicI64,
    held: Mutex<Held>,
    rewriting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    /// Rows of appended frames, with the number of the last frame of each.
    appended: VecDeque<(i64, u64)>,
    /// Rows of rewrites: of the one that counts, and of those that were not finished.
    rewrites: Vec<i64>,
}

impl LogRows {
    pub async fn open(db: &Db) -> Result<Arc<Self>, StoreError> {
        let mut reader = db.read().await?;
        let row = sqlx::query("SELECT max(id) FROM broker_log").fetch_one(reader.conn()).await?;
        let newest: Option<i64> = row.try_get(0)?;
        Ok(Arc::new(LogRows {
            next: AtomicI64::new(newest.unwrap_or(0).max(0) + 1),
            held: Mutex::default(),
            rewriting: tokio::sync::Mutex::new(()),
        }))
    }

    /// A row of appended frames, with its id. It is known from here on, whether it is kept or not: a rewrite that ends
    /// while it is on its way must not delete it.
    pub fn seal(&self, db: &Db, lost: u64, first: u64, frames: &[Vec<u8>]) -> Result<(i64, Vec<u8>), StoreError> {
        let id = {
            let mut held = self.held();
            let id = self.take_id();
            held.appended.push_back((id, (first + frames.len() as u64).saturating_sub(1)));
            id
        };
        Ok((id, BROKER_LOG.seal(&db.vault, &id.to_be_bytes(), &row::appended(lost, first, frames))?))
    }

    fn take_id(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room.
#[derive(Clone)]
pub struct BrokerLog {
    db: Arc<Db>,
    history: History,
}

impl BrokerLog {
    pub(crate) fn new(db: Arc<Db>, history: History) -> Self {
        BrokerLog { db, history }
    }

    /// Reads everything; before the first append.
    pub async fn load(&self) -> Result<LogLeft, StoreError> {
        let mut reading = Reading::default();
        let mut damaged = Vec::new();
        let mut aside = Vec::new();
        let mut behind = 0;
        loop {
            let mut reader = self.db.read().await?;
            let rows = sqlx::query("SELECT id, sealed FROM broker_log WHERE id > ?1 ORDER BY id LIMIT ?2")
                .bind(behind)
                .bind(ROWS_AT_ONCE)
                .fetch_all(reader.conn())
                .await?;
            let Some(last) = rows.last() else { break };
            behind = last.try_get(0)?;
            for row in &rows {
                let id: i64 = row.try_get(0)?;
                let opened = BROKER_LOG.open(&self.db.vault, &id.to_be_bytes(), row.try_get(1)?);
                let read = opened.and_then(|plaintext| {
                    let damaged =
                        |_| BROKER_LOG.damaged(&id.to_be_bytes(), "its content is not what this program writes");
                    row::read(&plaintext).map_err(damaged)
                });
                match read {
                    Ok(read) => reading.row(id, read),
                    Err(error) => {
                        tracing::error!(%error, "a row of the broker's log was set aside");
                        reading.damaged();
                        aside.push(id);
                        damaged.push(error.to_string());
                    }
                }
            }
        }
        let read = reading.finish();
        let queue = self.history.queue();
        queue.begin_log(read.newest);
        *self.history.log_rows().held() = Held { appended: read.appended.into(), rewrites: read.rewrite };
        if let Err(error) = self.tidy(&read.garbage, &aside).await {
            // What counts for nothing today would count for something once more is behind it.
            tracing::warn!(%error, "the broker's log could not be tidied; it has to be written anew");
            queue.tear(&error);
        }
        Ok(LogLeft { frames: read.frames, damaged })
    }

    /// Deletes what counts for nothing, and puts what does not open where no start looks for it, but verification does.
    async fn tidy(&self, garbage: &[i64], aside: &[i64]) -> Result<(), StoreError> {
        if garbage.is_empty() && aside.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin_careless().await?;
        for id in garbage {
            sqlx::query("DELETE FROM broker_log WHERE id = ?1").bind(*id).execute(tx.conn()).await?;
        }
        for id in aside {
            sqlx::query("UPDATE broker_log SET id = -id WHERE id = ?1").bind(*id).execute(tx.conn()).await?;
        }
        tx.commit().await
    }

    /// Puts a frame into the next commit and returns its number, counted from 1 in this run of the daemon. A frame that
    /// cannot wait (too much does already) tears the log.
    pub fn append(&self, frame: Vec<u8>) -> u64 {
        self.history.queue().append(frame)
    }

    /// Resolves once everything appended so far is durable; `None` if it is already. Urgency as for samples.
    pub fn settled(&self) -> Option<Kept> {
        self.history.queue().settled()
    }

    /// Puts `frames` in the place of everything up to and with number `up_to`. Until it has succeeded the old ones
    /// count, also after a power cut in the middle. They tell as kept what stands in the old ones up to `whole_to`: if
    /// one of those was lost, it fails.
    pub async fn rewrite(&self, up_to: u64, whole_to: u64, frames: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let rows = self.history.log_rows();
        let queue = self.history.queue();
        let _alone = rows.rewriting.lock().await;
        let up_to = queue.log_number(up_to);
        // What the rewrite tells as kept is still on its way, and what it leaves out because of a hole must have been told
        // to its sender before the hole is closed.
        queue.until_landed(up_to).await;
        if queue.first_lost().is_some_and(|lost| (1..=whole_to).contains(&lost)) {
            return Err(StoreError::Io("a frame that the rewrite counts on was lost meanwhile".into()));
        }
        let mut parts = split(frames);
        let end = parts.pop().unwrap_or_default();
        let mut written = 0;
        let mut of = None;
        for part in parts {
            let id = rows.take_id();
            let of = *of.get_or_insert(id);
            let sealed = BROKER_LOG.seal(&self.db.vault, &id.to_be_bytes(), &row::part(of, &part))?;
            drop(part);
            written += sealed.len() as u64;
            rows.held().rewrites.push(id);
            let mut tx = self.db.begin_careless().await?;
            insert(&mut tx, id, &sealed).await?;
            tx.commit().await?;
        }
        let id = rows.take_id();
        let of = of.unwrap_or(id);
        let sealed = BROKER_LOG.seal(&self.db.vault, &id.to_be_bytes(), &row::last(of, up_to, &end))?;
        written += sealed.len() as u64;
        let (cut, others) = {
            let held = rows.held();
            let behind = held.appended.iter().find(|(_, last)| *last > up_to).map_or(of, |(row, _)| *row);
            (behind.min(of), held.rewrites.iter().copied().filter(|row| *row < of).collect::<Vec<_>>())
        };
        let mut tx = self.db.begin_careless().await?;
        insert(&mut tx, id, &sealed).await?;
        sqlx::query("DELETE FROM broker_log WHERE id > 0 AND id < ?1").bind(cut).execute(tx.conn()).await?;
        for row in others.iter().filter(|row| **row >= cut) {
            sqlx::query("DELETE FROM broker_log WHERE id = ?1").bind(*row).execute(tx.conn()).await?;
        }
        tx.commit().await?;
        {
            let mut held = rows.held();
            while held.appended.front().is_some_and(|(row, last)| *last <= up_to || *row < cut) {
                held.appended.pop_front();
            }
            held.rewrites.retain(|row| *row >= of);
            held.rewrites.push(id);
        }
        queue.replaced(up_to);
        self.history.spend(written * 2);
        Ok(())
    }

    /// Does `work`; samples recorded and frames appended in it are in one commit.
    pub fn together(&self, work: &mut dyn FnMut()) {
        self.history.queue().together(work);
    }

    /// Whether a frame was lost (full or failing disk): nothing is durable any more before a rewrite.
    pub fn is_torn(&self) -> bool {
        self.history.queue().is_torn()
    }

    /// The first frame that was lost; 0 if that was before the first one of this run. What was appended before it is
    /// kept, what stands behind it is not.
    pub fn first_lost(&self) -> Option<u64> {
        self.history.queue().first_lost()
    }
}

async fn insert(tx: &mut crate::db::Tx<'_>, id: i64, sealed: &[u8]) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO broker_log (id, sealed) VALUES (?1, ?2)").bind(id).bind(sealed).execute(tx.conn()).await?;
    Ok(())
}

/// In their order, into pieces of about `PART_BYTES`.
fn split(frames: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut parts: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut size = usize::MAX;
    for frame in frames {
        if size.saturating_add(frame.len()) > PART_BYTES {
            parts.push(Vec::new());
            size = 0;
        }
        size += frame.len() + 5;
        if let Some(part) = parts.last_mut() {
            part.push(frame);
        }
    }
    parts
}
