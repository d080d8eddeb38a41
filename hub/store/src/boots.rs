//! Runs of the daemon. A run begins on a clock that may stand in 1970; once the clock is trusted the run is settled, and
//! every moment that was counted from its start has a wall time. Judges no clock itself.

use std::sync::Arc;

use domovoi_model::{BootId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::db::Db;
use crate::error::StoreError;
use crate::ledger;
use crate::rows::id_of;
use crate::tables::BOOT;

#[derive(Serialize, Deserialize)]
struct BootRow {
    /// Milliseconds since 1970 at which the run began; `None` until that is known.
    wall_at_start: Option<i64>,
}

/// The runs of the daemon.
#[derive(Clone)]
pub struct Boots {
    db: Arc<Db>,
}

impl Boots {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Boots { db }
    }

    /// A run has begun. Twice is once.
    pub async fn begin(&self, boot: BootId) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sealed = BOOT.seal_json(&self.db.vault, &boot.0.0, &BootRow { wall_at_start: None })?;
        sqlx::query("INSERT INTO boot (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING")
            .bind(boot.0.0.to_vec())
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        tx.commit().await
    }

    /// The run began at this wall time. In one transaction the run is settled and every ledger row that waited for it
    /// gets its time; samples get theirs as they are read. Returns how many ledger rows there were. The first answer
    /// stands: settling again does nothing.
    pub async fn settle(&self, boot: BootId, wall_at_start: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        if self.db.settled(boot).is_some() {
            return Ok(0);
        }
        let row = BootRow { wall_at_start: Some(wall_at_start.0) };
        let sealed = BOOT.seal_json(&self.db.vault, &boot.0.0, &row)?;
        sqlx::query(
            "INSERT INTO boot (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(boot.0.0.to_vec())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        let settled = ledger::settle(&self.db, &mut tx, boot, wall_at_start).await?;
        // Known before the writer is let go: a reading that is entered next must not wait for a run that is settled.
        self.db.set_settled(boot, Some(wall_at_start.0));
        let committed = tx.commit().await;
        if committed.is_err() {
            self.db.set_settled(boot, None);
        }
        committed.map(|()| settled)
    }

    /// The wall time at which a run began, if it is settled.
    pub fn started_at(&self, boot: BootId) -> Option<Timestamp> {
        self.db.settled(boot).map(Timestamp)
    }
}

/// Brings the settled runs into memory: there is one for every start of the daemon, and every read wants them.
pub(crate) async fn load(db: &Db) -> Result<(), StoreError> {
    let mut reader = db.read().await?;
    let rows = sqlx::query("SELECT id, sealed FROM boot").fetch_all(reader.conn()).await?;
    for row in rows {
        let id: &[u8] = row.try_get(0)?;
        match BOOT.open_json::<BootRow>(&db.vault, id, row.try_get(1)?) {
            Ok(BootRow { wall_at_start: Some(wall) }) => db.set_settled(BootId(id_of(id)?), Some(wall)),
            Ok(_) => {}
            // One run whose moments stay relative is no reason not to start a home.
            Err(error) => tracing::warn!(%error, "a run of the daemon cannot be dated"),
        }
    }
    Ok(())
}
