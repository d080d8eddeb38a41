//! From the journal into blocks: rows in which every sample has its time are taken in batches, their samples go into blocks
//! by series, and the rows go. One transaction a batch: a power cut leaves the one or the other.
//!
//! Never the newest row: it carries the sequence. Never what a reader's durable cursor has not passed. A row that waits
//! for its run to be dated stays; the rows behind it do not wait for it. A row that does not open is set aside.
//!
//! Which blocks of before are merged with the new ones is `merge`'s to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domovoi_model::{Moment, Sample, Unit};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::archive::{Archive, OpenRow, Place, is_number, open_row, point_of, spelled};
use super::block::text_bytes;
use super::raw::elsewhere;
use super::read::Point;
use crate::error::StoreError;
use crate::ledger;

/// So many samples are in memory at a time.
const BATCH_SAMPLES: u64 = 16_384;

/// And so many bytes of texts.
const BATCH_TEXT: usize = 8 << 20;

/// How many rows are read at once.
const ROWS_AT_ONCE: i64 = 64;

/// And so many bytes of them, if that is more than one row.
const BYTES_AT_ONCE: i64 = 256 << 10;

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
    /// Bytes of their texts.
    text: usize,
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
        let whole = self.movable_to().await?;
        loop {
            let batch = self.batch(after).await?;
            after = batch.after;
            let end = batch.end;
            if !batch.rows.is_empty() || !batch.aside.is_empty() {
                self.settle_batch(batch, &mut done).await?;
            }
            if end {
                break;
            }
            // Commits come first.
            tokio::task::yield_now().await;
        }
        // What could not go has been looked at, and is no reason for the next pass.
        let mut tally = self.tally();
        if tally.compacted_to < whole {
            tally.compacted_to = whole;
            self.commit(self.db.begin_careless().await?, tally).await?;
        }
        Ok(done)
    }

    /// Whether the journal holds enough that may go and was not looked at, or something old enough, to be worth a pass.
    pub async fn is_compaction_due(&self) -> Result<bool, StoreError> {
        let compacted = self.tally().compacted_to;
        let end = self.movable_to().await?;
        if end.saturating_sub(compacted) > self.settings.compact_over {
            return Ok(true);
        }
        let Some(now) = self.settings.home_time.now() else { return Ok(false) };
        let mut reader = self.db.read().await?;
        let row = sqlx::query(
            "SELECT newest_at FROM journal WHERE id > ?1 AND id <= ?2 AND newest_at IS NOT NULL ORDER BY id LIMIT 1",
        )
        .bind(seq_of(compacted))
        .bind(seq_of(end))
        .fetch_optional(reader.conn())
        .await?;
        let newest: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0))?;
        let old = i64::try_from(self.settings.compact_after.as_millis()).unwrap_or(i64::MAX);
        Ok(newest.is_some_and(|newest| newest < now.saturating_sub(old)))
    }

    /// The last seq of the last row that may go: the readers have passed it, and it is not the newest.
    async fn movable_to(&self) -> Result<u64, StoreError> {
        let limit = seq_of(self.readers_are_at().await?);
        let mut reader = self.db.read().await?;
        let row = sqlx::query(
            "SELECT last_seq FROM journal WHERE id <= ?1 AND last_seq <= ?1 AND id < (SELECT max(id) FROM journal)
             ORDER BY id DESC LIMIT 1",
        )
        .bind(limit)
        .fetch_optional(reader.conn())
        .await?;
        let last: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
        Ok(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0))
    }

    /// How far the slowest durable reader has come.
    async fn readers_are_at(&self) -> Result<u64, StoreError> {
        ledger::slowest_cursor(&self.db, &self.settings.followers).await
    }

    async fn batch(&self, after: i64) -> Result<Batch, StoreError> {
        let limit = self.readers_are_at().await?;
        let mut batch = Batch { after, ..Batch::default() };
        let mut reader = self.db.read().await?;
        while batch.samples < BATCH_SAMPLES && batch.text < BATCH_TEXT {
            let rows = sqlx::query(
                "SELECT id, last_seq, sealed FROM journal WHERE id IN (
                     SELECT id FROM (
                         SELECT id, sum(length) OVER (ORDER BY id) - length AS before FROM (
                             SELECT id, length(sealed) AS length FROM journal
                             WHERE id > ?1 AND last_seq <= ?2 AND id < (SELECT max(id) FROM journal)
                                 AND NOT EXISTS (SELECT 1 FROM set_aside WHERE place = 0 AND row = journal.id)
                             ORDER BY id LIMIT ?3))
                     WHERE before < ?4)
                 ORDER BY id",
            )
            .bind(batch.after)
            .bind(seq_of(limit))
            .bind(ROWS_AT_ONCE)
            .bind(BYTES_AT_ONCE)
            .fetch_all(reader.conn())
            .await?;
            let Some(last) = rows.last() else {
                batch.end = true;
                break;
            };
            batch.after = last.try_get(0)?;
            let (db, catalogue) = (Arc::clone(&self.db), Arc::clone(&self.catalogue));
            let opening = elsewhere(move || {
                let open = |row: &SqliteRow| Ok((row.try_get(0)?, open_row(&db, &catalogue, row)));
                rows.iter().map(open).collect::<Result<Vec<(i64, _)>, StoreError>>()
            });
            for (id, opened) in opening.await? {
                match opened {
                    Ok(opened) => self.take_row(&mut batch, opened),
                    Err(StoreError::Damaged { what }) => batch.aside.push((Place::Journal, id, what)),
                    Err(other) => return Err(other),
                }
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
            let Some((series, point)) = Some(sample.series).zip(point_of(sample, Unit::None)) else { continue };
            batch.text += text_bytes(&point);
            batch.by_series.entry(series).or_default().push(point);
        }
        for mut sample in row.unnamed {
            sample.at = self.db.resolve(sample.at);
            batch.unnamed.push(sample);
        }
    }

    async fn settle_batch(&self, mut batch: Batch, done: &mut Compacted) -> Result<(), StoreError> {
        let unnamed = std::mem::take(&mut batch.unnamed);
        let names: Vec<_> =
            unnamed.iter().map(|sample| (sample.device.clone(), sample.property.clone(), sample.unit)).collect();
        for (number, sample) in self.number_series(&names).await?.into_iter().zip(unnamed) {
            batch.by_series.entry(number).or_default().extend(Point::of(sample));
        }
        let newest = batch.rows.last().map_or(0, |(_, last)| *last);
        let due = self.days_of(&batch.by_series).await?;
        let merged = self.merge(std::mem::take(&mut batch.by_series)).await?;
        batch.aside.extend(merged.aside);
        done.rewritten += merged.rewritten;
        let mut ready = self.seal_blocks(merged.blocks).await?;
        let mut tally = self.tally();
        tally.compacted_to = tally.compacted_to.max(newest).max(batch.after.unsigned_abs());

        // Before the writer: who reads for long holds up nobody who commits.
        let nobody_reads = self.layout.write().await;
        let mut tx = self.db.begin_careless().await?;
        self.delete_blocks(&mut tx, &merged.gone, &mut tally).await?;
        self.insert_blocks(&mut tx, &mut ready, &mut tally).await?;
        for some in batch.rows.chunks(500) {
            let list = spelled(some.iter().map(|(first, _)| seq_of(*first)));
            let delete = format!("DELETE FROM journal WHERE id IN ({list})");
            sqlx::query(AssertSqlSafe(delete)).execute(tx.conn()).await?;
        }
        self.mark_due(&mut tx, due).await?;
        self.set_aside(&mut tx, &batch.aside).await?;
        self.commit(tx, tally).await?;
        self.recent.forget(&batch.rows);
        drop(nobody_reads);
        let blocks = ready.blocks;
        done.rows += batch.rows.len() as u64;
        done.samples += batch.samples;
        done.blocks += blocks.len() as u64;
        done.bytes += blocks.iter().map(|block| block.plain.len() as u64).sum::<u64>();
        done.set_aside += batch.aside.len() as u64;
        Ok(())
    }

    /// The days that new samples fall on, and behind each the next day that is rolled: its first increase counts from the
    /// last sample before it.
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
        for (series, end) in ends {
            // Where no samples are left behind the day, what is rolled there stands.
            let late = {
                let mut reader = self.db.read().await?;
                let later = sqlx::query("SELECT EXISTS (SELECT 1 FROM block WHERE series = ?1 AND to_at >= ?2)");
                later.bind(i64::from(series)).bind(end).fetch_one(reader.conn()).await?
            };
            if late.try_get::<bool, _>(0)?
                && let Some((next, _)) = self.rolled_from(series, end).await?
            {
                due.insert((series, home.day_of(next).0));
            }
        }
        Ok(due)
    }
}

/// As SQLite counts.
fn seq_of(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
