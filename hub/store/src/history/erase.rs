//! Erasing what one device said: its blocks and rollups go, and its series lose their names for good, in one transaction.
//! Samples of it that still lie in the journal among those of others are nobody's from then on; they go as soon as the
//! journal has become blocks. A number is never given to another series.

use std::sync::Arc;

use domovoi_model::DeviceRef;
use sqlx::{AssertSqlSafe, Row};

use super::archive::{Archive, bytes_of_row, spelled};
use super::series::Series;
use super::tally::Tally;
use crate::db::Tx;
use crate::error::StoreError;

impl Archive {
    /// Erases a device's history. How many samples went at once.
    pub async fn erase(&self, device: &DeviceRef) -> Result<u64, StoreError> {
        // What lies among the samples of others in the journal becomes blocks first, as far as it can.
        self.compact_once().await?;
        let _alone = self.work.lock().await;
        // Nobody numbers series meanwhile: one that is heard of in this moment begins anew.
        let minting = self.catalogue.mint(&self.db).await?;
        let series = self.catalogue.of_device(device);
        if series.is_empty() {
            return Ok(0);
        }
        let nobody_reads = self.layout.write().await;
        let mut tally = self.tally();
        let mut tx = self.db.begin().await?;
        let samples = self.delete_series(&mut tx, &series, &mut tally).await?;
        let nameless = self.catalogue.take_names(&self.db, &mut tx, &series).await?;
        self.commit(tx, tally).await?;
        self.catalogue.forget_names(nameless);
        drop((minting, nobody_reads));
        Ok(samples)
    }

    /// What came out of the journal since belongs to nobody.
    pub async fn sweep_erased(&self) -> Result<u64, StoreError> {
        let erased = self.catalogue.erased();
        if erased.is_empty() || !self.has_any(&erased).await? {
            return Ok(0);
        }
        let _alone = self.work.lock().await;
        let nobody_reads = self.layout.write().await;
        let mut tally = self.tally();
        let mut tx = self.db.begin().await?;
        let samples = self.delete_series(&mut tx, &erased, &mut tally).await?;
        self.commit(tx, tally).await?;
        drop(nobody_reads);
        Ok(samples)
    }

    async fn has_any(&self, series: &[Arc<Series>]) -> Result<bool, StoreError> {
        let list = spelled(series.iter().map(|series| i64::from(series.number)));
        let query = format!(
            "SELECT EXISTS (SELECT 1 FROM block WHERE series IN ({list}))
                 OR EXISTS (SELECT 1 FROM rollup WHERE series IN ({list}))
                 OR EXISTS (SELECT 1 FROM roll_due WHERE series IN ({list}))"
        );
        let mut reader = self.db.read().await?;
        Ok(sqlx::query(AssertSqlSafe(query)).fetch_one(reader.conn()).await?.try_get(0)?)
    }

    async fn delete_series(
        &self,
        tx: &mut Tx<'_>,
        series: &[Arc<Series>],
        tally: &mut Tally,
    ) -> Result<u64, StoreError> {
        let before = tally.block_samples;
        for one in series {
            let number = i64::from(one.number);
            let rows = sqlx::query("SELECT id FROM block WHERE series = ?1").bind(number).fetch_all(tx.conn()).await?;
            let ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            self.delete_blocks(tx, &ids, tally).await?;
            let sums =
                sqlx::query("SELECT level, count(*), sum(length(sealed)) FROM rollup WHERE series = ?1 GROUP BY level")
                    .bind(number)
                    .fetch_all(tx.conn())
                    .await?;
            for row in &sums {
                let (level, rows, bytes): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let bytes = bytes.unsigned_abs() + rows.unsigned_abs() * bytes_of_row(0);
                let counted = if one.unit.is_register() { &mut tally.register_bytes } else { &mut tally.rollup_bytes };
                if let Some(counted) = usize::try_from(level).ok().and_then(|level| counted.get_mut(level)) {
                    *counted = counted.saturating_sub(bytes);
                }
            }
            for statement in [
                "DELETE FROM set_aside WHERE place = 2 AND row IN (SELECT id FROM rollup WHERE series = ?1)",
                "DELETE FROM rollup WHERE series = ?1",
                "DELETE FROM roll_due WHERE series = ?1",
            ] {
                sqlx::query(statement).bind(number).execute(tx.conn()).await?;
            }
        }
        Ok(before.saturating_sub(tally.block_samples))
    }
}
