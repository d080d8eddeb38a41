//! How much history there is: one sealed row, written in the transactions that change it, and counted from the tables where
//! it does not open. Budgets are compared with it; nothing is thinned here.

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::archive::ROW_OVERHEAD;
use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::tables::HISTORY_MARK;

/// The row of `history_mark` that holds the tally.
pub(super) const TALLY: i64 = 1;

/// What is stored. Written in the transactions that change it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub block_samples: u64,
    pub block_bytes: u64,
    /// By level; those of registers apart, which are kept for ever.
    pub rollup_bytes: [u64; 3],
    pub register_bytes: [u64; 3],
    /// Samples up to this moment may have been thinned out.
    pub thinned_to: Option<i64>,
    /// Everything up to this seq is in blocks, or was set aside, or waits for its clock.
    pub compacted_to: u64,
}

impl Tally {
    /// What was written last; counted anew where that does not open.
    pub async fn load(db: &Db) -> Result<Tally, StoreError> {
        let mut reader = db.read().await?;
        let row = sqlx::query("SELECT sealed FROM history_mark WHERE id = ?1")
            .bind(TALLY)
            .fetch_optional(reader.conn())
            .await?;
        let Some(row) = row else { return Ok(Tally::default()) };
        match HISTORY_MARK.open_json(&db.vault, &TALLY.to_be_bytes(), row.try_get(0)?) {
            Ok(tally) => Ok(tally),
            Err(error) => {
                tracing::error!(%error, "what history takes is counted anew");
                count_tally(reader.conn()).await
            }
        }
    }

    /// Writes it into a transaction; [`super::archive::Archive::commit`] makes it known.
    pub async fn write(&self, db: &Db, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let sealed = HISTORY_MARK.seal_json(&db.vault, &TALLY.to_be_bytes(), self)?;
        sqlx::query(
            "INSERT INTO history_mark (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(TALLY)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        Ok(())
    }
}

/// From the tables themselves. What was thinned out is not to be seen there: everything before the oldest block counts as
/// thinned. Which rollups are registers' is not known here either: they all count as such, which thins too little.
async fn count_tally(conn: &mut SqliteConnection) -> Result<Tally, StoreError> {
    let sums = format!("SELECT sum(samples), sum(length(sealed) + {ROW_OVERHEAD}), min(to_at) FROM block");
    let row = sqlx::query(AssertSqlSafe(sums)).fetch_one(&mut *conn).await?;
    let (samples, bytes): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let oldest: Option<i64> = row.try_get(2)?;
    let mut tally = Tally {
        block_samples: samples.unwrap_or(0).unsigned_abs(),
        block_bytes: bytes.unwrap_or(0).unsigned_abs(),
        thinned_to: oldest.map(|oldest| oldest.saturating_sub(1)),
        ..Tally::default()
    };
    let sums = format!("SELECT level, sum(length(sealed) + {ROW_OVERHEAD}) FROM rollup GROUP BY level");
    for row in sqlx::query(AssertSqlSafe(sums)).fetch_all(conn).await? {
        let (level, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if let Some(sum) = usize::try_from(level).ok().and_then(|level| tally.register_bytes.get_mut(level)) {
            *sum = bytes.unsigned_abs();
        }
    }
    Ok(tally)
}
