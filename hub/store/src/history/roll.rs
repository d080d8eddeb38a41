//! The rollups of days that have ended: made once from the samples, and made again when something came late. Queries roll
//! what is not rolled yet by the same functions, so that no answer depends on whether this pass has run.
//!
//! Where samples of a day are gone (thinned out already, or in a row that does not open) what is stored stands; how late
//! samples are laid among it is `lay`'s to say. A day whose series has lost its name stays due until that is heard of again.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domovoi_model::Unit;
use rust_decimal::Decimal;
use sqlx::Row;

use super::archive::{Archive, Held, Place, bytes_of_row, head_of, is_number, open_block};
use super::calendar::DAY;
use super::lay::Fresh;
use super::raw::elsewhere;
use super::read::{Bucket, Level, Trouble};
use super::rollup::{self, Chunk, Roller};
use super::series::Series;
use super::tally::Tally;
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
    chunk: Chunk,
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
        let home = &self.settings.home_time;
        let mut chunks: BTreeMap<(u32, i64, i64), NewChunk> = BTreeMap::new();
        let mut aside: Vec<(Place, i64, String)> = Vec::new();
        let mut again: Vec<(u32, i64)> = Vec::new();
        let mut rolled: Vec<(i64, i64)> = Vec::with_capacity(due.len());
        for (number, day) in due {
            let Some(series) = u32::try_from(*number).ok().and_then(|number| self.catalogue.by_number(number)) else {
                continue;
            };
            let (from, to) = home.day_of(*day);
            let (fresh, troubles) = {
                let held = self.layout.read().await;
                self.roll_day(&held, &series, *day).await?
            };
            if !troubles.is_empty() {
                aside.extend(self.unreadable(series.number, from, to).await?);
            }
            for trouble in troubles {
                tracing::error!(what = trouble.what, "a day is rolled without what could not be read");
            }
            for fresh in fresh {
                let level = fresh.level;
                // Also where there is nothing any more: what is stored of this day may have to go.
                let mut places = BTreeSet::from([level.chunk_of(from), level.chunk_of(to.saturating_sub(1))]);
                places.extend(fresh.pieces.iter().map(|piece| level.chunk_of(piece.bucket.from.0)));
                let mut stored = Vec::new();
                for at in &places {
                    let chunk = match chunks.entry((series.number, level.code(), *at)) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(place) => {
                            let mut reader = self.db.read().await?;
                            let chunk = match self.chunk(reader.conn(), series.number, level, *at).await? {
                                Some((_, Ok(chunk))) => chunk,
                                Some((id, Err(StoreError::Damaged { what }))) => {
                                    aside.push((Place::Rollup, id, what));
                                    again.extend(self.days_left(series.number, *at, level));
                                    Chunk::empty(series.number, level, *at)
                                }
                                Some((_, Err(other))) => return Err(other),
                                None => Chunk::empty(series.number, level, *at),
                            };
                            place.insert(NewChunk { series: Arc::clone(&series), chunk })
                        }
                    };
                    let chunk = &mut chunk.chunk;
                    stored.append(&mut chunk.buckets);
                    // Whether an interval began its series is known anew where it is made anew.
                    chunk.begun.retain(|at| !(from..to).contains(at) || fresh.stands(*at));
                }
                let stood: BTreeSet<i64> = stored.iter().map(|bucket| bucket.from.0).collect();
                let first = fresh
                    .pieces
                    .first()
                    .map(|piece| piece.bucket.from.0)
                    .filter(|at| fresh.before.is_none() && !(stood.contains(at) && fresh.stands(*at)));
                for bucket in fresh.lay(stored, from, to) {
                    let at = bucket.from.0;
                    let Some(NewChunk { chunk, .. }) =
                        chunks.get_mut(&(series.number, level.code(), level.chunk_of(at)))
                    else {
                        continue;
                    };
                    chunk.begun.extend(first.filter(|first| *first == at));
                    chunk.buckets.push(bucket);
                }
            }
            rolled.push((*number, *day));
            done.days += 1;
            // Commits come first.
            tokio::task::yield_now().await;
        }
        let pack = |new: NewChunk| {
            let plain = rollup::encode(&new.chunk);
            (new, plain)
        };
        let packed = elsewhere(move || Ok(chunks.into_values().map(pack).collect::<Vec<_>>())).await?;
        let mut tally = self.tally();
        // Before the writer: who reads for long holds up nobody who commits.
        let nobody_reads = self.layout.write().await;
        let mut tx = self.db.begin_careless().await?;
        for (_, row, _) in aside.iter().filter(|(place, ..)| *place == Place::Rollup) {
            // Out of the way of the chunk that is made anew, and still where questions about the span meet it.
            sqlx::query("UPDATE rollup SET from_at = from_at + 1 + id % 1000000 WHERE id = ?1")
                .bind(*row)
                .execute(tx.conn())
                .await?;
        }
        self.set_aside(&mut tx, &aside).await?;
        for (new, plain) in &packed {
            done.bytes += self.write_chunk(&mut tx, new, plain, &mut tally).await?;
            done.chunks += u64::from(!new.chunk.buckets.is_empty());
        }
        for some in rolled.chunks(100) {
            let list: Vec<String> = some.iter().map(|(series, day)| format!("({series},{day})")).collect();
            let delete = format!("DELETE FROM roll_due WHERE (series, day_at) IN (VALUES {})", list.join(","));
            sqlx::query(sqlx::AssertSqlSafe(delete)).execute(tx.conn()).await?;
        }
        self.mark_due(&mut tx, again).await?;
        self.commit(tx, tally).await?;
        drop(nobody_reads);
        Ok(())
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

    /// A day from its samples, at every level, and what could not be read. Page by page: a day may hold more than the
    /// memory.
    pub(super) async fn roll_day(
        &self,
        held: &Held<'_>,
        series: &Arc<Series>,
        day: i64,
    ) -> Result<([Fresh; 3], Vec<Trouble>), StoreError> {
        let home = &self.settings.home_time;
        let (from, to) = home.day_of(day);
        let mut rollers = Level::ALL.map(|level| Roller::new(home, level));
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
            tokio::task::yield_now().await;
        }
        let thinned = self.tally().thinned_to.filter(|thinned| from <= *thinned);
        let stands_to = if self.is_damaged(series.number, &troubles, from, to).await? { Some(to) } else { thinned };
        let (mut begun, mut counted_behind) = (false, false);
        if stands_to.is_some() {
            begun = self.rolled_from(series.number, from).await?.is_some_and(|(at, begun)| at < to && begun);
            let behind = self.rolled_from(series.number, to).await?;
            counted_behind = behind.is_some_and(|(at, begun)| !begun && Some(at) <= thinned);
        }
        let before = self.values_before(held, series, from).await?;
        let [five, hour, day] = rollers.map(Roller::close);
        let fresh =
            |level, pieces, before| Fresh { stands_to, begun, counted_behind, ..Fresh::new(level, pieces, before) };
        let days = [
            fresh(Level::FiveMinutes, five, before[0]),
            fresh(Level::Hour, hour, before[1]),
            fresh(Level::Day, day, before[2]),
        ];
        Ok((days, troubles))
    }

    /// The last number before a moment, for each level: of the samples, or of the rollups where those are later because
    /// samples are gone. Each level goes on from what it has itself: a late sample that stands in none of its intervals
    /// is counted by none.
    async fn values_before(
        &self,
        held: &Held<'_>,
        series: &Arc<Series>,
        at: i64,
    ) -> Result<[Option<Decimal>; 3], StoreError> {
        let home = &self.settings.home_time;
        let last = self.last_of(held, std::slice::from_ref(series), at.saturating_sub(1), is_number).await?;
        let sample = last.point.and_then(|point| Some((point.at.0, point.value.number()?)));
        let is_left = |sample: i64| self.tally().thinned_to.is_none_or(|thinned| thinned < sample);
        // As a day is damaged: a row of the journal counts where it ends.
        let is_damaged = last.troubles.iter().any(|trouble| trouble.to.0 < at);
        let whole = !is_damaged && sample.is_some_and(|(sample, _)| is_left(sample));
        let day = self.rolled_before(series.number, Level::Day, at).await?;
        let is_newest = |bucket: &Bucket, end: i64| match sample {
            Some((sample, _)) => bucket.from.0 > sample || (!whole && end > sample),
            None => true,
        };
        let mut values = [None; 3];
        for (value, level) in values.iter_mut().zip(Level::ALL) {
            let mut rolled = day.clone().map(|day| (home.end_of(Level::Day, day.from.0), day));
            if level != Level::Day && rolled.as_ref().is_some_and(|(end, day)| is_newest(day, *end)) {
                // The finer ones may have been thinned out.
                let finer = self.rolled_before(series.number, level, at).await?;
                let finer = finer.filter(|finer| day.as_ref().is_none_or(|day| finer.from >= day.from));
                rolled = finer.map(|finer| (home.end_of(level, finer.from.0), finer)).or(rolled);
            }
            let rolled = rolled.filter(|(end, bucket)| is_newest(bucket, *end)).map(|(_, bucket)| bucket.last);
            *value = rolled.or(sample.map(|(_, number)| number));
        }
        Ok(values)
    }

    /// The last stored interval that begins before a moment.
    pub(super) async fn rolled_before(&self, series: u32, level: Level, at: i64) -> Result<Option<Bucket>, StoreError> {
        let mut reader = self.db.read().await?;
        let mut chunk = at;
        loop {
            let row = sqlx::query("SELECT max(from_at) FROM rollup WHERE series = ?1 AND level = ?2 AND from_at < ?3")
                .bind(i64::from(series))
                .bind(level.code())
                .bind(chunk)
                .fetch_one(reader.conn())
                .await?;
            let Some(before) = row.try_get::<Option<i64>, _>(0)? else { return Ok(None) };
            chunk = before;
            if let Some((_, Ok(chunk))) = self.chunk(reader.conn(), series, level, before).await?
                && let Some(bucket) = chunk.buckets.into_iter().rfind(|bucket| bucket.from.0 < at)
            {
                return Ok(Some(bucket));
            }
        }
    }

    /// The first stored day that begins at or behind a moment, and whether it began its series.
    pub(super) async fn rolled_from(&self, series: u32, at: i64) -> Result<Option<(i64, bool)>, StoreError> {
        let level = Level::Day;
        let mut reader = self.db.read().await?;
        let mut chunk = level.chunk_of(at);
        loop {
            let row = sqlx::query("SELECT min(from_at) FROM rollup WHERE series = ?1 AND level = ?2 AND from_at >= ?3")
                .bind(i64::from(series))
                .bind(level.code())
                .bind(chunk)
                .fetch_one(reader.conn())
                .await?;
            let Some(found) = row.try_get::<Option<i64>, _>(0)? else { return Ok(None) };
            chunk = found.saturating_add(1);
            if let Some((_, Ok(chunk))) = self.chunk(reader.conn(), series, level, found).await?
                && let Some(bucket) = chunk.buckets.iter().find(|bucket| bucket.from.0 >= at)
            {
                return Ok(Some((bucket.from.0, chunk.begun.contains(&bucket.from.0))));
            }
        }
    }

    /// Puts a day among the buckets that are stored.
    pub(super) fn put(&self, stored: Vec<Bucket>, fresh: Fresh, from: i64, to: i64) -> Vec<Bucket> {
        fresh.lay(stored, from, to)
    }

    /// Whether something of a day does not open: it is gone as well, and may have been anywhere in the day. Of a row of
    /// the journal it is known until when it goes, and seldom from when: it counts for its last day.
    async fn is_damaged(&self, series: u32, troubles: &[Trouble], from: i64, to: i64) -> Result<bool, StoreError> {
        let ends = |trouble: &Trouble| (from..to).contains(&trouble.to.0);
        Ok(!troubles.is_empty() && (troubles.iter().any(ends) || !self.unreadable(series, from, to).await?.is_empty()))
    }

    /// The blocks of a span that do not open.
    async fn unreadable(&self, series: u32, from: i64, to: i64) -> Result<Vec<(Place, i64, String)>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT id, series, from_at, to_at, samples FROM block
             WHERE series = ?1 AND from_at < ?3 AND to_at >= ?2",
        )
        .bind(i64::from(series))
        .bind(from)
        .bind(to)
        .fetch_all(reader.conn())
        .await?;
        let mut aside = Vec::new();
        for row in &rows {
            let head = head_of(row)?;
            let sealed = self.fetch_blocks(reader.conn(), &[head.id]).await?;
            for (id, sealed) in sealed {
                match open_block(&self.db, &head, Unit::None, &sealed) {
                    Err(StoreError::Damaged { what }) => aside.push((Place::Block, id, what)),
                    opened => drop(opened?),
                }
            }
        }
        Ok(aside)
    }

    async fn write_chunk(
        &self,
        tx: &mut Tx<'_>,
        new: &NewChunk,
        plain: &[u8],
        tally: &mut Tally,
    ) -> Result<u64, StoreError> {
        let NewChunk { series, chunk } = new;
        let number = series.number;
        let known =
            sqlx::query("SELECT id, length(sealed) FROM rollup WHERE series = ?1 AND level = ?2 AND from_at = ?3")
                .bind(i64::from(number))
                .bind(chunk.level.code())
                .bind(chunk.from)
                .fetch_optional(tx.conn())
                .await?;
        let level = chunk.level.code() as usize;
        let sums = if series.unit.is_register() { &mut tally.register_bytes } else { &mut tally.rollup_bytes };
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
        let id: i64 = match &known {
            Some(row) => row.try_get(0)?,
            None => {
                sqlx::query("SELECT coalesce(max(id), 0) + 1 FROM rollup").fetch_one(tx.conn()).await?.try_get(0)?
            }
        };
        let sealed = ROLLUP.seal(&self.db.vault, &id.to_be_bytes(), plain)?;
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
