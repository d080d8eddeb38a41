//! The buckets of a series in a span, piece by piece: what is stored, and what is not rolled yet rolled from the samples on
//! the way. Asks nothing of the span; what becomes of the pieces is whoever walks'.
//!
//! `layout` is held for one piece at a time: some rows of rollups, or one day that is not rolled yet. Nobody who wants to
//! move something waits for a long answer, and a long answer takes the memory of a piece. Which days are not rolled is
//! asked once, at the beginning: a day that is rolled or thinned meanwhile comes out the same, and what is recorded
//! meanwhile may be in the answer or not.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use domovoi_model::Timestamp;
use sqlx::Row;

use super::archive::{Archive, Held, head_of, open_block, open_chunk};
use super::raw::elsewhere;
use super::read::{Bucket, Level, Rolled, Trouble};
use super::series::Series;
use crate::error::StoreError;

/// So many chunks of rollups are opened at once.
const CHUNKS_AT_ONCE: i64 = 16;

/// So many blocks that were set aside are told.
const ASIDE_TOLD: i64 = 100;

/// The buckets of a series in a span, piece by piece.
pub(super) struct Walk<'a> {
    archive: &'a Archive,
    series: &'a Arc<Series>,
    level: Level,
    /// Where the next piece begins.
    at: i64,
    to: i64,
    /// Days that hold samples which are not in the rollups.
    unrolled: VecDeque<i64>,
    /// What no piece has told yet: damage of before, which rollups were made without.
    known: Vec<Trouble>,
    /// The rows that were told: two pieces may meet the same.
    told: HashSet<String>,
}

impl Walk<'_> {
    /// The next piece, in the order of time; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Rolled>, StoreError> {
        if self.at >= self.to {
            return Ok(None);
        }
        let home = &self.archive.settings.home_time;
        let held = self.archive.layout.read().await;
        let mut piece = Rolled { troubles: std::mem::take(&mut self.known), ..Rolled::default() };
        let begins = self.at;
        match self.unrolled.front().copied() {
            // The borders may lie within a day that is not rolled yet: it is rolled whole and then cut.
            Some(day) if day <= self.at => {
                self.unrolled.pop_front();
                let (begin, end) = home.day_of(day);
                let (_, stored) = self.stored(begin, end, &mut piece.troubles).await?;
                let ([five, hours, days], troubles) = self.archive.roll_day(&held, self.series, day).await?;
                let fresh = match self.level {
                    Level::FiveMinutes => five,
                    Level::Hour => hours,
                    Level::Day => days,
                };
                piece.buckets = self.archive.put(stored, fresh, begin, end);
                piece.troubles.extend(troubles);
                self.at = end.max(begins);
            }
            next => {
                let end = next.map_or(self.to, |day| day.min(self.to));
                (self.at, piece.buckets) = self.stored(self.at, end, &mut piece.troubles).await?;
            }
        }
        piece.buckets.retain(|bucket| (begins..self.to).contains(&bucket.from.0));
        piece.troubles.retain(|trouble| self.told.insert(trouble.what.clone()));
        Ok(Some(piece))
    }

    /// Stored buckets from the first there is in a span on, and up to where that is all of them.
    async fn stored(
        &self,
        begin: i64,
        end: i64,
        troubles: &mut Vec<Trouble>,
    ) -> Result<(i64, Vec<Bucket>), StoreError> {
        let (number, level) = (self.series.number, self.level);
        let mut reader = self.archive.db.read().await?;
        let first = sqlx::query(
            "SELECT min(from_at) FROM rollup WHERE series = ?1 AND level = ?2 AND from_at >= ?3 AND from_at < ?4",
        )
        .bind(i64::from(number))
        .bind(level.code())
        .bind(level.chunk_of(begin))
        .bind(end)
        .fetch_one(reader.conn())
        .await?;
        let Some(first) = first.try_get::<Option<i64>, _>(0)? else { return Ok((end, Vec::new())) };
        let first = level.chunk_of(first);
        // A day that is put together is shorter than a piece.
        let end = end.min(first.saturating_add(CHUNKS_AT_ONCE.saturating_mul(level.chunk_millis())));
        let rows = sqlx::query(
            "SELECT id, from_at, sealed FROM rollup
             WHERE series = ?1 AND level = ?2 AND from_at >= ?3 AND from_at < ?4 ORDER BY from_at",
        )
        .bind(i64::from(number))
        .bind(level.code())
        .bind(first)
        .bind(end)
        .fetch_all(reader.conn())
        .await?;
        let db = Arc::clone(&self.archive.db);
        let opened = elsewhere(move || {
            let (mut buckets, mut troubles) = (Vec::new(), Vec::new());
            for row in &rows {
                let (id, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                match open_chunk(&db, id, number, level, at, row.try_get(2)?) {
                    Ok(chunk) => buckets.extend(chunk.buckets),
                    Err(StoreError::Damaged { what }) => {
                        let begin = level.chunk_of(at);
                        let end = begin.saturating_add(level.chunk_millis());
                        troubles.push(Trouble { from: Timestamp(begin), to: Timestamp(end), what });
                    }
                    Err(other) => return Err(other),
                }
            }
            buckets.retain(|bucket: &Bucket| (begin..end).contains(&bucket.from.0));
            buckets.sort_by_key(|bucket| bucket.from);
            Ok((buckets, troubles))
        });
        let (buckets, told) = opened.await?;
        troubles.extend(told);
        Ok((end, buckets))
    }
}

impl Archive {
    /// Begins a walk through the buckets whose beginnings lie in `from <= begin < to`.
    pub async fn walk<'a>(
        &'a self,
        series: &'a Arc<Series>,
        level: Level,
        from: i64,
        to: i64,
    ) -> Result<Walk<'a>, StoreError> {
        let (unrolled, known) = (VecDeque::new(), Vec::new());
        let mut walk = Walk { archive: self, series, level, at: from, to, unrolled, known, told: HashSet::new() };
        if from < to {
            let held = self.layout.read().await;
            let day = self.settings.home_time.day_of(from).0;
            walk.unrolled = self.unrolled(&held, series, day, to, &mut walk.known).await?.into();
            walk.known.retain(|trouble| trouble.from.0 < to && trouble.to.0 >= from);
            for trouble in &mut walk.known {
                (trouble.from, trouble.to) = (trouble.from.max(Timestamp(from)), trouble.to.min(Timestamp(to)));
            }
            self.blocks_aside(series, from, to, &mut walk.known).await?;
        }
        Ok(walk)
    }

    /// The days in a span that hold samples which are not in the rollups.
    async fn unrolled(
        &self,
        held: &Held<'_>,
        series: &Arc<Series>,
        from: i64,
        to: i64,
        troubles: &mut Vec<Trouble>,
    ) -> Result<Vec<i64>, StoreError> {
        let journal = self.journal(held, std::slice::from_ref(series), i64::MIN, i64::MAX, troubles).await?;
        let mut of_journal = BTreeMap::new();
        of_journal.insert(series.number, journal);
        let mut days: BTreeSet<i64> = self.days_of(&of_journal).await?.into_iter().map(|(_, day)| day).collect();
        days.retain(|day| (from..to).contains(day));
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT day_at FROM roll_due WHERE series = ?1 AND day_at >= ?2 AND day_at < ?3")
            .bind(i64::from(series.number))
            .bind(from)
            .bind(to)
            .fetch_all(reader.conn())
            .await?;
        for row in &rows {
            days.insert(row.try_get(0)?);
        }
        Ok(days.into_iter().collect())
    }

    /// Blocks of a span that were set aside: its rollups may have been made without them.
    async fn blocks_aside(
        &self,
        series: &Arc<Series>,
        from: i64,
        to: i64,
        troubles: &mut Vec<Trouble>,
    ) -> Result<(), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT block.id, series, from_at, to_at, samples, sealed FROM set_aside JOIN block ON block.id = row
             WHERE place = 1 AND series = ?1 AND from_at < ?2 AND to_at >= ?3 ORDER BY block.id LIMIT ?4",
        )
        .bind(i64::from(series.number))
        .bind(to)
        .bind(from)
        .bind(ASIDE_TOLD)
        .fetch_all(reader.conn())
        .await?;
        for row in &rows {
            let head = head_of(row)?;
            // It is opened once more so that all tell the same of it.
            if let Err(StoreError::Damaged { what }) = open_block(&self.db, &head, series.unit, row.try_get(5)?) {
                troubles.push(Trouble { from: Timestamp(head.from), to: Timestamp(head.to), what });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domovoi_model::{DeviceRef, Moment, Quality, Sample, Unit, Value};
    use domovoi_vault::MasterKey;
    use rust_decimal::Decimal;

    use super::*;
    use crate::history::Urgency;
    use crate::history::calendar::DAY;
    use crate::{Settings, Store};

    #[tokio::test]
    async fn whoever_moves_something_waits_for_a_piece_of_a_long_answer_and_not_for_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { ballast: 0, ..Settings::new(folder.path().join("data")) };
        let store = Store::open(&settings, &MasterKey::generate().unwrap()).await.unwrap();
        let device = DeviceRef::new("a", "b");
        let sample = |at: i64| Sample {
            device: device.clone(),
            property: "c".into(),
            value: Value::Number(Decimal::from(at % 97)),
            unit: Unit::Watt,
            quality: Quality::Good,
            at: Moment::Wall(Timestamp(at)),
            device_time: None,
        };
        let history = store.history();
        for month in 0..24 {
            let samples = (0..300).map(|n| sample(month * 30 * DAY + n * DAY / 10)).collect();
            history.record(samples, Urgency::Now).await.unwrap();
        }
        history.compact_once().await.unwrap();
        history.roll_at(Timestamp(2000 * DAY)).await.unwrap();
        // Some days are not rolled.
        history.record((0..20).map(|n| sample(n * 30 * DAY + 1)).collect(), Urgency::Now).await.unwrap();
        let archive = &history.archive;
        let series = archive.catalogue.of_property(&device, "c").remove(0);
        let mut walk = archive.walk(&series, Level::FiveMinutes, 0, i64::MAX).await.unwrap();
        let (mut pieces, mut buckets) = (0, 0);
        while let Some(piece) = walk.next().await.unwrap() {
            let moved = tokio::time::timeout(Duration::from_secs(60), archive.layout.write()).await;
            assert!(moved.is_ok());
            assert!(piece.buckets.len() <= 16 * 288);
            pieces += 1;
            buckets += piece.buckets.len();
        }
        assert!(pieces > 40, "{pieces}");
        assert_eq!(buckets, 7200);
    }
}
