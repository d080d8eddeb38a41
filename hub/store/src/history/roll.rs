//! The rollups of days that have ended: made once from the samples, and made again when something came late. Queries roll
//! what is not rolled yet by the same functions, so that no answer depends on whether this pass has run.
//!
//! Where samples of a day have been thinned out already, an interval that is stored stands: late samples widen its least
//! and its greatest, and nothing is counted twice. An interval that is missing is made from what there is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use rust_decimal::Decimal;
use sqlx::Row;

use super::archive::{Archive, Held, Place, Tally, bytes_of_row, is_register};
use super::calendar::DAY;
use super::read::{Bucket, Level, Trouble};
use super::rollup::{self, Roller};
use super::series::Series;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::ROLLUP;

/// How long after its end a day is rolled: most of what came in it is in blocks then, and it is rolled once.
const LAG: i64 = 7 * 3_600_000;

/// So many days of series are rolled in one transaction.
const DAYS_AT_ONCE: i64 = 40;

/// How many samples of a day are in memory at a time.
const POINTS_AT_ONCE: usize = 20_000;

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Days of series.
    pub days: u64,
    /// Chunks that were written.
    pub chunks: u64,
    /// Their bytes, before sealing.
    pub bytes: u64,
}

/// One row of rollups to be written.
struct NewChunk {
    series: Arc<Series>,
    level: Level,
    from: i64,
    buckets: Vec<Bucket>,
}

impl Archive {
    /// Rolls every day that has ended and waits for it.
    pub async fn roll_at(&self, now: i64) -> Result<RolledUp, StoreError> {
        let mut done = RolledUp::default();
        let _alone = self.work.lock().await;
        let mut behind = (0i64, i64::MIN);
        loop {
            let mut reader = self.db.read().await?;
            let rows = sqlx::query(
                "SELECT series, day_at FROM roll_due WHERE (series, day_at) > (?1, ?2) AND day_at <= ?3
                 ORDER BY series, day_at LIMIT ?4",
            )
            .bind(behind.0)
            .bind(behind.1)
            .bind(now.saturating_sub(LAG + DAY - 3_600_000))
            .bind(DAYS_AT_ONCE)
            .fetch_all(reader.conn())
            .await?;
            drop(reader);
            let mut due: Vec<(i64, i64)> = Vec::with_capacity(rows.len());
            for row in &rows {
                due.push((row.try_get(0)?, row.try_get(1)?));
            }
            let Some(last) = due.last().copied() else { return Ok(done) };
            behind = last;
            due.retain(|(_, day)| self.settings.home_time.day_of(*day).1 <= now.saturating_sub(LAG));
            if !due.is_empty() {
                self.roll_days(&due, &mut done).await?;
            }
        }
    }

    async fn roll_days(&self, due: &[(i64, i64)], done: &mut RolledUp) -> Result<(), StoreError> {
        let mut chunks: BTreeMap<(u32, i64, i64), NewChunk> = BTreeMap::new();
        let mut aside: Vec<(Place, i64, String)> = Vec::new();
        let mut again: Vec<(u32, i64)> = Vec::new();
        for (number, day) in due {
            // A series whose name was lost waits until it is heard of again; its days stay due.
            let Some(series) = u32::try_from(*number).ok().and_then(|number| self.catalogue.by_number(number)) else {
                continue;
            };
            let (fresh, troubles) = {
                let held = self.layout.read().await;
                self.roll_day(&held, &series, *day).await?
            };
            for trouble in troubles {
                tracing::error!(what = trouble.what, "a day is rolled without what could not be read");
            }
            let (from, to) = self.settings.home_time.day_of(*day);
            for (level, buckets) in Level::ALL.into_iter().zip(fresh) {
                let mut of_chunks: BTreeMap<i64, Vec<Bucket>> = BTreeMap::new();
                // Also those that have nothing any more: what is stored of this day may have to go.
                of_chunks.entry(level.chunk_of(from)).or_default();
                for bucket in buckets {
                    of_chunks.entry(level.chunk_of(bucket.from.0)).or_default().push(bucket);
                }
                for (at, buckets) in of_chunks {
                    let key = (series.number, level.code(), at);
                    let chunk = match chunks.entry(key) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(place) => {
                            let mut reader = self.db.read().await?;
                            let stored = match self.chunk(reader.conn(), series.number, level, at).await? {
                                Some((_, Ok(chunk))) => chunk.buckets,
                                Some((id, Err(StoreError::Damaged { what }))) => {
                                    aside.push((Place::Rollup, id, what));
                                    again.extend(self.days_left(series.number, at, level));
                                    Vec::new()
                                }
                                Some((_, Err(other))) => return Err(other),
                                None => Vec::new(),
                            };
                            place.insert(NewChunk { series: Arc::clone(&series), level, from: at, buckets: stored })
                        }
                    };
                    chunk.buckets = self.put(std::mem::take(&mut chunk.buckets), buckets, from, to);
                }
            }
            done.days += 1;
        }
        let mut tally = self.tally();
        let mut tx = self.db.begin_careless().await?;
        for (_, row, _) in &aside {
            // Out of the way of the chunk that is made anew, and still where questions about the span meet it.
            sqlx::query("UPDATE rollup SET from_at = from_at + 1 + id % 1000000 WHERE id = ?1")
                .bind(*row)
                .execute(tx.conn())
                .await?;
        }
        self.set_aside(&mut tx, &aside).await?;
        for chunk in chunks.into_values() {
            done.bytes += self.write_chunk(&mut tx, &chunk, &mut tally).await?;
            done.chunks += 1;
        }
        for some in due.chunks(100) {
            let list: Vec<String> = some.iter().map(|(series, day)| format!("({series},{day})")).collect();
            let delete = format!("DELETE FROM roll_due WHERE (series, day_at) IN (VALUES {})", list.join(","));
            sqlx::query(sqlx::AssertSqlSafe(delete)).execute(tx.conn()).await?;
        }
        self.mark_due(&mut tx, again).await?;
        let _nobody_reads = self.layout.write().await;
        self.commit(tx, tally).await
    }

    /// The days of a chunk of which there are samples still.
    fn days_left(&self, series: u32, chunk: i64, level: Level) -> Vec<(u32, i64)> {
        let end = chunk.saturating_add(level.chunk_millis());
        let mut at = self.tally().thinned_to.map_or(chunk, |thinned| chunk.max(thinned.saturating_add(1)));
        let mut days = Vec::new();
        while at < end {
            let (from, to) = self.settings.home_time.day_of(at);
            days.push((series, from));
            at = to;
        }
        days
    }

    /// The buckets of a day from its samples, at every level, and what could not be read. Page by page: a day may hold
    /// more than the memory.
    pub(super) async fn roll_day(
        &self,
        held: &Held<'_>,
        series: &Arc<Series>,
        day: i64,
    ) -> Result<([Vec<Bucket>; 3], Vec<Trouble>), StoreError> {
        let home = &self.settings.home_time;
        let (from, to) = home.day_of(day);
        let before = self.value_before(held, series, from).await?;
        let mut rollers = Level::ALL.map(|level| Roller::new(home, level, before));
        let mut troubles = Vec::new();
        let mut at = Some(from);
        while let Some(begin) = at {
            let raw = self.raw_held(held, std::slice::from_ref(series), begin, to, POINTS_AT_ONCE).await?;
            for point in &raw.points {
                if let Some(number) = point.value.number() {
                    rollers.iter_mut().for_each(|roller| roller.add(point.at.0, number));
                }
            }
            troubles.extend(raw.troubles);
            at = raw.next;
        }
        Ok((rollers.map(Roller::close), troubles))
    }

    /// The last number before a moment: of the samples, or of the rollups where those are gone.
    pub(super) async fn value_before(
        &self,
        held: &Held<'_>,
        series: &Arc<Series>,
        at: i64,
    ) -> Result<Option<Decimal>, StoreError> {
        let point = self.last_number(held, std::slice::from_ref(series), at.saturating_sub(1)).await?;
        if let Some(point) = point {
            return Ok(point.value.number());
        }
        let mut reader = self.db.read().await?;
        let row = sqlx::query(
            "SELECT from_at FROM rollup WHERE series = ?1 AND level = ?2 AND from_at < ?3 ORDER BY from_at DESC LIMIT 1",
        )
        .bind(i64::from(series.number))
        .bind(Level::Day.code())
        .bind(at)
        .fetch_optional(reader.conn())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let chunk = self.chunk(reader.conn(), series.number, Level::Day, row.try_get(0)?).await?;
        let Some((_, Ok(chunk))) = chunk else { return Ok(None) };
        Ok(chunk.buckets.iter().rev().find(|bucket| bucket.from.0 < at).map(|bucket| bucket.last))
    }

    /// Puts the buckets of a day among those that are stored.
    pub(super) fn put(&self, stored: Vec<Bucket>, fresh: Vec<Bucket>, from: i64, to: i64) -> Vec<Bucket> {
        let thinned = self.tally().thinned_to.is_some_and(|thinned| from <= thinned);
        let mut all: BTreeMap<i64, Bucket> = BTreeMap::new();
        for bucket in stored {
            if thinned || !(from..to).contains(&bucket.from.0) {
                all.insert(bucket.from.0, bucket);
            }
        }
        for bucket in fresh {
            match all.get_mut(&bucket.from.0) {
                Some(stands) if thinned && stands.count > bucket.count => {
                    stands.min = stands.min.min(bucket.min);
                    stands.max = stands.max.max(bucket.max);
                }
                _ => {
                    all.insert(bucket.from.0, bucket);
                }
            }
        }
        all.into_values().collect()
    }

    async fn write_chunk(&self, tx: &mut Tx<'_>, chunk: &NewChunk, tally: &mut Tally) -> Result<u64, StoreError> {
        let number = chunk.series.number;
        let known =
            sqlx::query("SELECT id, length(sealed) FROM rollup WHERE series = ?1 AND level = ?2 AND from_at = ?3")
                .bind(i64::from(number))
                .bind(chunk.level.code())
                .bind(chunk.from)
                .fetch_optional(tx.conn())
                .await?;
        let level = chunk.level.code() as usize;
        let sums = if is_register(chunk.series.unit) { &mut tally.register_bytes } else { &mut tally.rollup_bytes };
        if let Some(row) = &known {
            let length: i64 = row.try_get(1)?;
            sums[level] = sums[level].saturating_sub(bytes_of_row(length.unsigned_abs() as usize));
        }
        if chunk.buckets.is_empty() {
            if let Some(row) = &known {
                let id: i64 = row.try_get(0)?;
                sqlx::query("DELETE FROM rollup WHERE id = ?1").bind(id).execute(tx.conn()).await?;
            }
            return Ok(0);
        }
        let plain = rollup::encode(u64::from(number), chunk.level, chunk.from, &chunk.buckets);
        let id: i64 = match &known {
            Some(row) => row.try_get(0)?,
            None => {
                sqlx::query("SELECT coalesce(max(id), 0) + 1 FROM rollup").fetch_one(tx.conn()).await?.try_get(0)?
            }
        };
        let sealed = ROLLUP.seal(&self.db.vault, &id.to_be_bytes(), &plain)?;
        sums[level] += bytes_of_row(sealed.len());
        self.wrote(bytes_of_row(sealed.len()));
        sqlx::query(
            "INSERT INTO rollup (id, series, level, from_at, sealed) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(id)
        .bind(i64::from(number))
        .bind(chunk.level.code())
        .bind(chunk.from)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        Ok(plain.len() as u64)
    }
}
