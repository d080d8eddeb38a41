//! The task that keeps history in order: it reads the journal's index back after a start, compacts when there is enough,
//! rolls the days that have ended, and thins what is beyond its budget. Decides nothing itself: what is due is asked of
//! each part. What fails is tried again a minute later.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::Row;
use tokio::sync::watch;

use super::archive::{Archive, open_row};
use crate::error::StoreError;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How many rows of the journal are read back at once.
const ROWS_AT_ONCE: i64 = 32;

/// Until the store is closed, or `stop` is dropped.
pub(super) async fn run(archive: Arc<Archive>, mut stop: watch::Receiver<bool>) {
    let work = async {
        if let Err(error) = archive.remember().await {
            tracing::warn!(%error, "the journal is read row by row until the next compaction");
        }
        let mut last = archive.last.clone();
        loop {
            if let Err(error) = archive.look_once().await {
                tracing::warn!(%error, "history is not kept in order; tried again in a minute");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let enough = archive.tally().compacted_to.saturating_add(archive.settings.compact_over);
            let filled = async {
                if last.wait_for(|seq| seq.0 > enough).await.is_err() {
                    return false;
                }
                // What a reader has not passed cannot go, and neither can the newest row: a second later it may.
                while !archive.is_compaction_due().await.unwrap_or(false) {
                    tokio::time::sleep(LOOK_EVERY / 60).await;
                }
                true
            };
            // The journal is closed.
            if let Ok(false) = tokio::time::timeout(LOOK_EVERY, filled).await {
                return;
            }
        }
    };
    tokio::select! {
        () = work => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

impl Archive {
    /// Everything that is due.
    async fn look_once(&self) -> Result<(), StoreError> {
        if self.is_compaction_due().await? {
            let done = self.compact_once().await?;
            tracing::debug!(?done, "the journal was compacted");
        }
        self.sweep_erased().await?;
        // While the clock is not trusted nobody knows which day it is. But it is later than what is stored: what waited
        // for its rollups would wait in the way of everything that is beyond its budget.
        let now = match self.settings.home_time.now() {
            Some(now) => Some(now),
            None => self.newest().await?,
        };
        if let Some(now) = now {
            self.roll_at(now).await?;
        }
        self.thin_once().await?;
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT coalesce(sum(length(sealed)), 0) FROM journal").fetch_one(reader.conn()).await?;
        let bytes: i64 = row.try_get(0)?;
        self.journal_bytes.store(bytes.unsigned_abs(), Ordering::Relaxed);
        Ok(())
    }

    /// Brings the journal of before the start into the index, newest rows first, as far as there is room.
    async fn remember(&self) -> Result<(), StoreError> {
        let _alone = self.work.lock().await;
        let mut before = i64::MAX;
        loop {
            let mut reader = self.db.read().await?;
            let rows = sqlx::query("SELECT id, last_seq, sealed FROM journal WHERE id < ?1 ORDER BY id DESC LIMIT ?2")
                .bind(before)
                .bind(ROWS_AT_ONCE)
                .fetch_all(reader.conn())
                .await?;
            for row in &rows {
                before = row.try_get(0)?;
                let opened = match open_row(&self.db, &self.catalogue, row) {
                    Ok(opened) => opened,
                    // From here on rows are read one by one, so that the damage is told with every answer.
                    Err(StoreError::Damaged { .. }) => return Ok(()),
                    Err(other) => return Err(other),
                };
                if !opened.unnamed.is_empty() {
                    return Ok(());
                }
                if opened.first >= self.recent.whole_from() {
                    continue;
                }
                if !self.recent.push_older(opened.first, opened.last, opened.samples) {
                    return Ok(());
                }
            }
            if (rows.len() as i64) < ROWS_AT_ONCE {
                self.recent.whole();
                return Ok(());
            }
            drop(reader);
            tokio::task::yield_now().await;
        }
    }
}

/// What tests of the rooms together look at.
#[cfg(test)]
impl super::History {
    pub(crate) async fn look_once(&self) -> Result<(), StoreError> {
        self.archive.look_once().await
    }

    pub(crate) async fn is_compaction_due(&self) -> Result<bool, StoreError> {
        self.archive.is_compaction_due().await
    }

    /// As a reader that takes its time.
    pub(crate) async fn read_on(&self) -> super::archive::Held<'_> {
        self.archive.layout.read().await
    }

    pub(crate) fn readers_are_waited_for(&self) -> bool {
        self.archive.layout.try_read().is_err()
    }
}
