//! Folds the write-ahead log into the database, beside the commits rather than within one of them. A commit would
//! otherwise now and then pay for thousands of pages.
//!
//! Most of it is done on a connection of its own, while commits go on. They add to the log meanwhile, and a log is begun
//! anew only when all of it is folded in: so the little that is left is done on the writer's connection, between two
//! commits. The file keeps its size; the next commits overwrite it from the start.

use std::sync::Weak;
use std::sync::atomic::Ordering;

use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::db::Db;
use crate::error::StoreError;

/// So many pages, about 8 MB: a page that is written in many commits is folded in once.
const FRAMES: u64 = 2_000;

impl Db {
    /// So many pages were written.
    pub(crate) fn wrote(&self, frames: u64) {
        let before = self.frames.fetch_add(frames, Ordering::Relaxed);
        if before < FRAMES && before + frames >= FRAMES {
            self.due.notify_one();
        }
    }

    pub(crate) async fn fold(&self) -> Result<(), StoreError> {
        let _folding = self.folding.lock().await;
        let mut beside = self.writing.connect().await?;
        let folded = passive(&mut beside).await;
        let mut writer = self.writer().await?;
        let _ = beside.close().await;
        folded?;
        let whole = passive(writer.conn()).await?;
        // Where a reader was in the way the rest is tried again with the next pages.
        self.frames.store(if whole { 0 } else { FRAMES / 2 }, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether nothing is left to fold in.
async fn passive(conn: &mut SqliteConnection) -> Result<bool, StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(conn).await?;
    let in_log: i64 = row.try_get(1)?;
    let folded: i64 = row.try_get(2)?;
    Ok(in_log == folded)
}

/// Until the store is dropped.
pub(crate) async fn run(db: Weak<Db>, due: std::sync::Arc<tokio::sync::Notify>) {
    loop {
        due.notified().await;
        let Some(db) = db.upgrade() else { return };
        if let Err(error) = db.fold().await {
            db.frames.store(FRAMES / 2, Ordering::Relaxed);
            tracing::warn!(%error, "the log was not folded into the database; it grows until that works");
        }
    }
}
