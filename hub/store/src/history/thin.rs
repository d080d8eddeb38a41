//! Thinning: what is beyond its budget of bytes or days goes, the oldest first. Samples go only after their days were
//! rolled; rollups of registers and rollups of days never go. The file does not shrink: freed pages are used again.
//!
//! A register is what counts in a unit of meters, and what a meter was bound to whatever its unit. A series that has lost
//! its name may be one; its rollups stay until it is heard of again.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row};

use super::archive::{Archive, bytes_of_row, spelled};
use super::calendar::DAY;
use super::read::Level;
use super::settings::Budget;
use crate::error::StoreError;
use crate::register::Register;

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
        // What has lost its name cannot be rolled until it is heard of again. It waits; the others do not wait for it.
        let nameless = spelled(self.catalogue.nameless().into_iter().map(i64::from));
        let mut gone = 0;
        loop {
            let mut tally = self.tally();
            let over = tally.block_bytes.saturating_sub(budget.bytes);
            let query = format!(
                "SELECT id, to_at, length(sealed), due FROM (
                     SELECT id, series, to_at, sealed,
                         EXISTS (SELECT 1 FROM roll_due WHERE roll_due.series = block.series
                                 AND day_at <= to_at AND day_at > from_at - 90000000) AS due
                     FROM block WHERE to_at < ?1)
                 WHERE NOT (due AND series IN ({nameless})) ORDER BY to_at LIMIT ?2"
            );
            let rows = {
                let mut reader = self.db.read().await?;
                sqlx::query(AssertSqlSafe(query))
                    .bind(if over > 0 { i64::MAX } else { old })
                    .bind(ROWS_AT_ONCE)
                    .fetch_all(reader.conn())
                    .await?
            };
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
                return Ok(gone);
            }
            // Before the writer: who reads for long holds up nobody who commits.
            let nobody_reads = self.layout.write().await;
            let mut tx = self.db.begin_careless().await?;
            self.delete_blocks(&mut tx, &ids, &mut tally).await?;
            self.commit(tx, tally).await?;
            drop(nobody_reads);
            gone += ids.len() as u64;
        }
    }

    async fn thin_rollups(&self, level: Level, budget: Budget) -> Result<u64, StoreError> {
        let index = level.code() as usize;
        let old = self.too_old(budget).saturating_sub(level.chunk_millis());
        if self.tally().rollup_bytes[index] <= budget.bytes && !self.has_rollups_before(level, old).await? {
            return Ok(0);
        }
        let kept = match self.kept_for_ever().await {
            Ok(kept) => kept,
            Err(StoreError::Damaged { what }) => {
                tracing::warn!(what, "no rollups are thinned out: nobody knows which of them are registers'");
                return Ok(0);
            }
            Err(other) => return Err(other),
        };
        // The tally counts by unit; what stays whatever its unit is in nobody's way.
        let standing = self.rollup_bytes_of(level, &kept.whatever_unit).await?;
        let kept = spelled(kept.all.into_iter());
        let mut gone = 0;
        loop {
            let mut tally = self.tally();
            let over = tally.rollup_bytes[index].saturating_sub(standing).saturating_sub(budget.bytes);
            let query = format!(
                "SELECT id, from_at, length(sealed) FROM rollup
                 WHERE level = ?1 AND from_at < ?2 AND series NOT IN ({kept})
                 ORDER BY from_at LIMIT ?3"
            );
            let rows = {
                let mut reader = self.db.read().await?;
                sqlx::query(AssertSqlSafe(query))
                    .bind(level.code())
                    .bind(if over > 0 { i64::MAX } else { old })
                    .bind(ROWS_AT_ONCE)
                    .fetch_all(reader.conn())
                    .await?
            };
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
                return Ok(gone);
            }
            tally.rollup_bytes[index] = tally.rollup_bytes[index].saturating_sub(freed);
            let nobody_reads = self.layout.write().await;
            let mut tx = self.db.begin_careless().await?;
            let delete = format!("DELETE FROM rollup WHERE id IN ({})", spelled(ids.iter().copied()));
            sqlx::query(AssertSqlSafe(delete)).execute(tx.conn()).await?;
            let unmark = format!("DELETE FROM set_aside WHERE place = 2 AND row IN ({})", spelled(ids.iter().copied()));
            sqlx::query(AssertSqlSafe(unmark)).execute(tx.conn()).await?;
            self.commit(tx, tally).await?;
            drop(nobody_reads);
            gone += ids.len() as u64;
        }
    }

    async fn has_rollups_before(&self, level: Level, old: i64) -> Result<bool, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT EXISTS (SELECT 1 FROM rollup WHERE level = ?1 AND from_at < ?2)")
            .bind(level.code())
            .bind(old)
            .fetch_one(reader.conn())
            .await?;
        Ok(row.try_get(0)?)
    }

    /// The series whose rollups are never thinned out.
    async fn kept_for_ever(&self) -> Result<Kept, StoreError> {
        let mut bound = HashSet::new();
        for point in Register::new(Arc::clone(&self.db)).points().await? {
            let Some(binding) = point.binding else { continue };
            bound.extend(binding.registers.into_iter().map(|(_, property)| (binding.device.clone(), property)));
        }
        let mut whatever_unit: Vec<i64> = self.catalogue.nameless().into_iter().map(i64::from).collect();
        let mut all = Vec::new();
        for series in self.catalogue.all() {
            if series.unit.is_register() {
                all.push(i64::from(series.number));
            } else if bound.contains(&(series.device.clone(), series.property.clone())) {
                whatever_unit.push(i64::from(series.number));
            }
        }
        all.extend(&whatever_unit);
        Ok(Kept { all, whatever_unit })
    }

    async fn rollup_bytes_of(&self, level: Level, series: &[i64]) -> Result<u64, StoreError> {
        let list = spelled(series.iter().copied());
        let query = format!("SELECT count(*), sum(length(sealed)) FROM rollup WHERE level = ?1 AND series IN ({list})");
        let mut reader = self.db.read().await?;
        let row = sqlx::query(AssertSqlSafe(query)).bind(level.code()).fetch_one(reader.conn()).await?;
        let (rows, bytes): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(bytes.unwrap_or(0).unsigned_abs() + rows.unsigned_abs() * bytes_of_row(0))
    }
}

/// Series whose rollups are never thinned out, by their numbers.
struct Kept {
    all: Vec<i64>,
    /// Those that have no unit of registers: bound to a meter, or without a name.
    whatever_unit: Vec<i64>,
}
