//! Thinning: what is beyond its budget of bytes or days goes, the oldest first. Samples go only after their days were
//! rolled; rollups of registers and rollups of days never go. The file does not shrink: freed pages are used again.

use sqlx::{AssertSqlSafe, Row};

use super::archive::{Archive, bytes_of_row, spelled};
use super::calendar::DAY;
use super::read::Level;
use super::settings::Budget;
use crate::error::StoreError;

/// So many rows go in one transaction.
const ROWS_AT_ONCE: i64 = 500;

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinned {
    /// Blocks of samples.
    pub blocks: u64,
    /// Rows of rollups.
    pub rollups: u64,
}

impl Archive {
    /// Brings everything back into its budget.
    pub async fn thin_once(&self) -> Result<Thinned, StoreError> {
        let _alone = self.work.lock().await;
        let mut done = Thinned { blocks: self.thin_blocks(self.settings.raw).await?, rollups: 0 };
        for (level, budget) in [(Level::FiveMinutes, self.settings.five_minutes), (Level::Hour, self.settings.hours)] {
            done.rollups += self.thin_rollups(level, budget).await?;
        }
        Ok(done)
    }

    /// Before which moment things are too old; nothing is while the clock is not trusted.
    fn too_old(&self, budget: Budget) -> i64 {
        let now = self.settings.home_time.now();
        now.map_or(i64::MIN, |now| now.saturating_sub(i64::from(budget.days).saturating_mul(DAY)))
    }

    async fn thin_blocks(&self, budget: Budget) -> Result<u64, StoreError> {
        let old = self.too_old(budget);
        let mut gone = 0;
        loop {
            let mut tally = self.tally();
            let over = tally.block_bytes.saturating_sub(budget.bytes);
            let mut tx = self.db.begin_careless().await?;
            let rows = sqlx::query(
                "SELECT id, to_at, length(sealed),
                     EXISTS (SELECT 1 FROM roll_due WHERE roll_due.series = block.series
                             AND day_at <= to_at AND day_at > from_at - 90000000)
                 FROM block WHERE to_at < ?1 ORDER BY to_at LIMIT ?2",
            )
            .bind(if over > 0 { i64::MAX } else { old })
            .bind(ROWS_AT_ONCE)
            .fetch_all(tx.conn())
            .await?;
            let (mut ids, mut freed) = (Vec::new(), 0);
            for row in &rows {
                let (id, to): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                let (length, due): (i64, bool) = (row.try_get(2)?, row.try_get(3)?);
                if freed >= over && to >= old {
                    break;
                }
                // It waits for its rollups, and so does what is younger: the oldest go first.
                if due {
                    break;
                }
                ids.push(id);
                freed += bytes_of_row(length.unsigned_abs() as usize);
                tally.thinned_to = tally.thinned_to.max(Some(to));
            }
            if ids.is_empty() {
                tx.give_up().await;
                return Ok(gone);
            }
            self.delete_blocks(&mut tx, &ids, &mut tally).await?;
            let _nobody_reads = self.layout.write().await;
            self.commit(tx, tally).await?;
            gone += ids.len() as u64;
        }
    }

    async fn thin_rollups(&self, level: Level, budget: Budget) -> Result<u64, StoreError> {
        let registers = self.catalogue.all().into_iter().filter(|series| super::archive::is_register(series.unit));
        let registers = spelled(registers.map(|series| i64::from(series.number)));
        let index = level.code() as usize;
        let old = self.too_old(budget).saturating_sub(level.chunk_millis());
        let mut gone = 0;
        loop {
            let mut tally = self.tally();
            let over = tally.rollup_bytes[index].saturating_sub(budget.bytes);
            let mut tx = self.db.begin_careless().await?;
            let query = format!(
                "SELECT id, from_at, length(sealed) FROM rollup
                 WHERE level = ?1 AND from_at < ?2 AND series NOT IN ({registers})
                 ORDER BY from_at LIMIT ?3"
            );
            let rows = sqlx::query(AssertSqlSafe(query))
                .bind(level.code())
                .bind(if over > 0 { i64::MAX } else { old })
                .bind(ROWS_AT_ONCE)
                .fetch_all(tx.conn())
                .await?;
            let (mut ids, mut freed) = (Vec::new(), 0);
            for row in &rows {
                let (id, from, length): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                if freed >= over && from >= old {
                    break;
                }
                ids.push(id);
                freed += bytes_of_row(length.unsigned_abs() as usize);
            }
            if ids.is_empty() {
                tx.give_up().await;
                return Ok(gone);
            }
            tally.rollup_bytes[index] = tally.rollup_bytes[index].saturating_sub(freed);
            let delete = format!("DELETE FROM rollup WHERE id IN ({})", spelled(ids.iter().copied()));
            sqlx::query(AssertSqlSafe(delete)).execute(tx.conn()).await?;
            let unmark = format!("DELETE FROM set_aside WHERE place = 2 AND row IN ({})", spelled(ids.iter().copied()));
            sqlx::query(AssertSqlSafe(unmark)).execute(tx.conn()).await?;
            let _nobody_reads = self.layout.write().await;
            self.commit(tx, tally).await?;
            gone += ids.len() as u64;
        }
    }
}
