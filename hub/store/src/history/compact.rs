//! From the journal into blocks: rows in which every sample has its time are taken in batches, their samples go into blocks
//! by series, and the rows go. One transaction a batch: a power cut leaves the one or the other.
//!
//! Never the newest row: it carries the sequence. Never what a reader's durable cursor has not passed. A row that waits
//! for its run to be dated stays; the rows behind it do not wait for it. A row that does not open is set aside.
//!
//! Which blocks of before are merged with the new ones is `merge`'s to say.

use std::collections::{BTreeMap, BTreeSet};

use domovoi_model::{Moment, Sample, Unit};
use sqlx::{AssertSqlSafe, Row};

use super::NotKept;
use super::archive::{Archive, OpenRow, Place, is_number, open_row, point_of, spelled};
use super::read::Point;
use crate::error::StoreError;
use crate::ledger;

/// So many samples are in memory at a time.
const BATCH_SAMPLES: u64 = 65_536;

/// How many rows are read at once.
const ROWS_AT_ONCE: i64 = 64;

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
        let merged = self.merge(std::mem::take(&mut batch.by_series)).await?;
        batch.aside.extend(merged.aside);
        done.rewritten += merged.rewritten;
        let blocks = merged.blocks;

        let mut tx = self.db.begin_careless().await?;
        if let Some(minting) = &minting {
            minting.write(tx.conn()).await?;
        }
        self.delete_blocks(&mut tx, &merged.gone, &mut tally).await?;
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
}

/// As SQLite counts.
fn seq_of(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
