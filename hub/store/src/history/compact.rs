//! From the journal into blocks: rows in which every sample has its time are taken in batches, their samples go into blocks
//! by series, and the rows go. One transaction a batch: a power cut leaves the one or the other.
//!
//! Never the newest row: it carries the sequence. Never what a reader's durable cursor has not passed. A row that waits
//! for its run to be dated stays; the rows behind it do not wait for it. A row that does not open is set aside.
//!
//! Small blocks of a series are merged when that makes one of a good size, or when there are many of them: a sample is
//! written into blocks two or three times in all, not with every batch anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domovoi_model::{Moment, Sample, Unit};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::NotKept;
use super::archive::{
    Archive, BlockHead, NewBlock, OpenRow, Place, blocks_of, head_of, is_number, open_row, point_of, spelled,
};
use super::calendar::DAY;
use super::read::Point;
use crate::error::StoreError;
use crate::ledger;

/// So many samples are in memory at a time.
const BATCH_SAMPLES: u64 = 65_536;

/// How many rows are read at once.
const ROWS_AT_ONCE: i64 = 64;

/// A block with fewer samples is small. The index `block_small` says the same number.
const SMALL: u64 = 1024;

/// So many small blocks of a series become one, even if that is small again.
const MANY: usize = 8;

/// Blocks that ended longer before are not merged with what comes now: a block that spans years is thinned late.
const MERGE_WITHIN: i64 = 45 * DAY;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Rows of the journal that are gone.
    pub rows: u64,
    /// Their samples.
    pub samples: u64,
    /// Blocks that were written.
    pub blocks: u64,
    /// Their bytes, before sealing.
    pub bytes: u64,
    /// Samples of small blocks that were written again.
    pub rewritten: u64,
    /// Rows that were set aside.
    pub set_aside: u64,
}

/// Rows of the journal, ready to become blocks.
#[derive(Default)]
struct Batch {
    /// The first and last seq of each row.
    rows: Vec<(u64, u64)>,
    by_series: BTreeMap<u32, Vec<Point>>,
    /// Samples whose series has no number yet: of rows from before series had numbers.
    unnamed: Vec<Sample>,
    samples: u64,
    aside: Vec<(Place, i64, String)>,
    /// Where to look for more.
    after: i64,
    end: bool,
}

impl Archive {
    /// Everything that may go into blocks now.
    pub async fn compact_once(&self) -> Result<Compacted, StoreError> {
        let _alone = self.work.lock().await;
        let mut done = Compacted::default();
        let mut after = 0;
        loop {
            let batch = self.batch(after).await?;
            after = batch.after;
            let end = batch.end;
            if !batch.rows.is_empty() || !batch.aside.is_empty() {
                self.settle_batch(batch, &mut done).await?;
            }
            if end {
                return Ok(done);
            }
            // Commits come first.
            tokio::task::yield_now().await;
        }
    }

    /// Whether the journal holds enough, or something old enough, to be worth a pass.
    pub async fn is_compaction_due(&self) -> Result<bool, StoreError> {
        let compacted = self.tally().compacted_to;
        let limit = self.readers_are_at().await?;
        let end = self.last.borrow().0.min(limit);
        if end.saturating_sub(compacted) > self.settings.compact_over {
            return Ok(true);
        }
        let Some(now) = self.settings.home_time.now() else { return Ok(false) };
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT newest_at FROM journal WHERE id > ?1 AND last_seq <= ?2 ORDER BY id LIMIT 1")
            .bind(seq_of(compacted))
            .bind(seq_of(limit))
            .fetch_optional(reader.conn())
            .await?;
        let newest: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0))?;
        let old = i64::try_from(self.settings.compact_after.as_millis()).unwrap_or(i64::MAX);
        Ok(newest.is_some_and(|newest| newest < now.saturating_sub(old)))
    }

    /// How far the slowest durable reader has come.
    async fn readers_are_at(&self) -> Result<u64, StoreError> {
        ledger::slowest_cursor(&self.db, &self.settings.followers).await
    }

    async fn batch(&self, after: i64) -> Result<Batch, StoreError> {
        let limit = self.readers_are_at().await?;
        let mut batch = Batch { after, ..Batch::default() };
        let mut reader = self.db.read().await?;
        while batch.samples < BATCH_SAMPLES {
            let rows = sqlx::query(
                "SELECT id, last_seq, sealed FROM journal
                 WHERE id > ?1 AND last_seq <= ?2 AND id < (SELECT max(id) FROM journal)
                     AND NOT EXISTS (SELECT 1 FROM set_aside WHERE place = 0 AND row = journal.id)
                 ORDER BY id LIMIT ?3",
            )
            .bind(batch.after)
            .bind(seq_of(limit))
            .bind(ROWS_AT_ONCE)
            .fetch_all(reader.conn())
            .await?;
            batch.end = (rows.len() as i64) < ROWS_AT_ONCE;
            for row in &rows {
                if batch.samples >= BATCH_SAMPLES {
                    batch.end = false;
                    break;
                }
                batch.after = row.try_get(0)?;
                match open_row(&self.db, &self.catalogue, row) {
                    Ok(opened) => self.take_row(&mut batch, opened),
                    Err(StoreError::Damaged { what }) => batch.aside.push((Place::Journal, batch.after, what)),
                    Err(other) => return Err(other),
                }
            }
            if batch.end {
                break;
            }
        }
        Ok(batch)
    }

    /// A row goes whole or not at all.
    fn take_row(&self, batch: &mut Batch, row: OpenRow) {
        let dated = |at: Moment| self.db.resolve(at).wall().is_some();
        if !row.samples.iter().all(|sample| dated(sample.at)) {
            return;
        }
        batch.rows.push((row.first, row.last));
        batch.samples += row.samples.len() as u64;
        for mut sample in row.samples.into_iter().filter(|sample| sample.series != 0) {
            sample.at = self.db.resolve(sample.at);
            // A block does not say its unit: the series does.
            batch.by_series.entry(sample.series).or_default().extend(point_of(sample, Unit::None));
        }
        for mut sample in row.unnamed {
            sample.at = self.db.resolve(sample.at);
            batch.unnamed.push(sample);
        }
    }

    async fn settle_batch(&self, mut batch: Batch, done: &mut Compacted) -> Result<(), StoreError> {
        let mut minting = None;
        if !batch.unnamed.is_empty() {
            let mut names = self.catalogue.mint(&self.db).await?;
            for sample in std::mem::take(&mut batch.unnamed) {
                match names.number(&self.db, &sample) {
                    Ok(number) => batch.by_series.entry(number).or_default().extend(Point::of(sample)),
                    Err(NotKept::Series(why)) => {
                        return Err(StoreError::conflict(format!("{} {}: {why}", sample.device, sample.property)));
                    }
                    Err(other) => return Err(StoreError::Io(other.to_string())),
                }
            }
            minting = Some(names);
        }
        let mut tally = self.tally();
        let newest = batch.rows.last().map_or(0, |(_, last)| *last);
        tally.compacted_to = tally.compacted_to.max(newest).max(batch.after.unsigned_abs());
        let due = self.days_of(&batch.by_series).await?;
        let merged = self.gather(&mut batch).await?;
        done.rewritten += merged.iter().map(|head| head.samples).sum::<u64>();
        let by_series = std::mem::take(&mut batch.by_series);
        // Compressing takes a tenth of a second: not on a thread that others wait for.
        let blocks = tokio::task::spawn_blocking(move || {
            by_series.into_iter().flat_map(|(series, points)| blocks_of(series, points)).collect::<Vec<NewBlock>>()
        });
        let blocks = blocks.await.map_err(|error| StoreError::Io(error.to_string()))?;

        let mut tx = self.db.begin_careless().await?;
        if let Some(minting) = &minting {
            minting.write(tx.conn()).await?;
        }
        let merged: Vec<i64> = merged.iter().map(|head| head.id).collect();
        self.delete_blocks(&mut tx, &merged, &mut tally).await?;
        self.insert_blocks(&mut tx, &blocks, &mut tally).await?;
        for some in batch.rows.chunks(500) {
            let list = spelled(some.iter().map(|(first, _)| seq_of(*first)));
            let delete = format!("DELETE FROM journal WHERE id IN ({list})");
            sqlx::query(AssertSqlSafe(delete)).execute(tx.conn()).await?;
        }
        self.mark_due(&mut tx, due).await?;
        self.set_aside(&mut tx, &batch.aside).await?;
        {
            let _nobody_reads = self.layout.write().await;
            self.commit(tx, tally).await?;
            self.recent.forget(&batch.rows);
        }
        if let Some(minting) = minting {
            minting.learn();
        }
        done.rows += batch.rows.len() as u64;
        done.samples += batch.samples;
        done.blocks += blocks.len() as u64;
        done.bytes += blocks.iter().map(|block| block.plain.len() as u64).sum::<u64>();
        done.set_aside += batch.aside.len() as u64;
        Ok(())
    }

    /// The days that new samples fall on, and the day behind each that something was already stored after: its first
    /// increase counts from the last sample before it.
    pub(super) async fn days_of(
        &self,
        by_series: &BTreeMap<u32, Vec<Point>>,
    ) -> Result<BTreeSet<(u32, i64)>, StoreError> {
        let home = &self.settings.home_time;
        let mut due = BTreeSet::new();
        let mut ends: Vec<(u32, i64)> = Vec::new();
        for (series, points) in by_series {
            let mut day = (0, 0);
            for point in points.iter().filter(|point| is_number(point)) {
                if !(day.0..day.1).contains(&point.at.0) {
                    day = home.day_of(point.at.0);
                    if due.insert((*series, day.0)) {
                        ends.push((*series, day.1));
                    }
                }
            }
        }
        let mut reader = self.db.read().await?;
        for (series, end) in ends {
            let behind = sqlx::query("SELECT min(max(from_at, ?2)) FROM block WHERE series = ?1 AND to_at >= ?2")
                .bind(i64::from(series))
                .bind(end)
                .fetch_one(reader.conn())
                .await?;
            if let Some(at) = behind.try_get::<Option<i64>, _>(0)? {
                due.insert((series, home.day_of(at).0));
            }
        }
        Ok(due)
    }

    /// Opens the small blocks that are worth merging, adds their points in front of the new ones, and says which.
    async fn gather(&self, batch: &mut Batch) -> Result<Vec<BlockHead>, StoreError> {
        let mut reader = self.db.read().await?;
        let small = self.small_blocks(reader.conn()).await?;
        let mut chosen: Vec<BlockHead> = Vec::new();
        for (series, points) in &batch.by_series {
            let oldest = points.iter().map(|point| point.at.0).min().unwrap_or(0);
            let near: Vec<BlockHead> = small.get(series).into_iter().flatten().copied().collect();
            let near: Vec<BlockHead> =
                near.into_iter().filter(|head| head.to >= oldest.saturating_sub(MERGE_WITHIN)).collect();
            let together = near.iter().map(|head| head.samples).sum::<u64>() + points.len() as u64;
            if !near.is_empty() && (together >= SMALL || near.len() >= MANY) {
                chosen.extend(near);
            }
        }
        let mut merged = Vec::with_capacity(chosen.len());
        for some in chosen.chunks(200) {
            let ids: Vec<i64> = some.iter().map(|head| head.id).collect();
            let sealed = self.fetch_blocks(reader.conn(), &ids).await?;
            for head in some {
                let Some(sealed) = sealed.get(&head.id) else { continue };
                let unit = self.catalogue.by_number(head.series).map_or(Unit::None, |series| series.unit);
                match self.open_block(head, unit, sealed) {
                    Ok(mut points) => {
                        let new = batch.by_series.entry(head.series).or_default();
                        points.append(new);
                        *new = points;
                        merged.push(*head);
                    }
                    Err(StoreError::Damaged { what }) => batch.aside.push((Place::Block, head.id, what)),
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(merged)
    }

    /// The small blocks of every series, oldest last, those that were set aside left out.
    async fn small_blocks(&self, conn: &mut SqliteConnection) -> Result<HashMap<u32, Vec<BlockHead>>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, series, from_at, to_at, samples FROM block
             WHERE samples < 1024 AND NOT EXISTS (SELECT 1 FROM set_aside WHERE place = 1 AND row = block.id)
             ORDER BY id DESC",
        )
        .fetch_all(conn)
        .await?;
        let mut small: HashMap<u32, Vec<BlockHead>> = HashMap::new();
        for row in &rows {
            let head = head_of(row)?;
            if head.samples < SMALL {
                small.entry(head.series).or_default().push(head);
            }
        }
        Ok(small)
    }
}

/// As SQLite counts.
fn seq_of(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
