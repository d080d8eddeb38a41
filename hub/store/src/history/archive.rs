//! What the parts of old history share: the database, the names, the index of the journal, the tally of what is stored,
//! and the order in which they work. Compaction, rollups, thinning and reading are in files of their own.
//!
//! Two locks: `work` is held by whoever changes blocks or rollups, so that there is one at a time. `layout` is held shared
//! by whoever reads, from the look into the index until the last row is read, and alone for the moment in which something
//! moves: samples from the journal into blocks, days from what is due into rollups. Nobody sees them twice or not at all.
//! It is asked for before the writer, never while that is held: who reads for long holds up nobody who commits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domovoi_model::{DeviceRef, Sample, Unit};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, SqliteConnection};
use tokio::sync::watch;

use super::block::{self, Kind};
use super::committer::Counters;
use super::encoding::{self, Numbered};
use super::raw::elsewhere;
use super::read::{Level, Point};
use super::recent::Recent;
use super::series::Catalogue;
use super::settings::HistorySettings;
use super::tally::Tally;
use super::{NotKept, Seq, rollup};
use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::tables::{BLOCK, JOURNAL, ROLLUP};

/// About what a row takes beside its blob: header, columns, index entries.
pub(super) const ROW_OVERHEAD: u64 = 60;

/// What a transaction of history writes beside its rows: the parents of the pages that change, the tally, marks.
const COMMIT_BYTES: u64 = 32 << 10;

/// How many rows one statement inserts.
const ROWS_A_STATEMENT: usize = 100;

/// Whose row was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Journal = 0,
    Block = 1,
    Rollup = 2,
}

/// A row that does not open and that no pass tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// `journal`, `block` or `rollup`.
    pub table: &'static str,
    /// Its id.
    pub row: i64,
}

/// A block to be written.
pub(super) struct NewBlock {
    pub series: u32,
    pub from: i64,
    pub to: i64,
    pub samples: u64,
    pub plain: Vec<u8>,
}

/// Blocks that are sealed and wait for the writer: sealing takes its time.
pub(super) struct SealedBlocks {
    pub blocks: Vec<NewBlock>,
    sealed: Vec<Vec<u8>>,
    /// The id of the first; the others follow it.
    first: i64,
    /// Which data key they were sealed under.
    key: u32,
}

/// A block as its row says, without its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockHead {
    pub id: i64,
    pub series: u32,
    pub from: i64,
    pub to: i64,
    pub samples: u64,
}

/// `layout`, held shared: nothing moves meanwhile. Whoever has it asks nobody for it again.
pub(super) type Held<'a> = tokio::sync::RwLockReadGuard<'a, ()>;

pub(super) struct Archive {
    pub db: Arc<Db>,
    pub catalogue: Arc<Catalogue>,
    pub recent: Arc<Recent>,
    pub settings: HistorySettings,
    pub last: watch::Receiver<Seq>,
    pub layout: tokio::sync::RwLock<()>,
    pub work: tokio::sync::Mutex<()>,
    /// Sealed bytes of the journal when the keeper last looked.
    pub journal_bytes: AtomicU64,
    counters: Arc<Counters>,
    tally: Mutex<Tally>,
}

impl Archive {
    pub async fn open(
        db: &Arc<Db>,
        catalogue: &Arc<Catalogue>,
        recent: Arc<Recent>,
        last: watch::Receiver<Seq>,
        counters: Arc<Counters>,
        settings: HistorySettings,
    ) -> Result<Self, StoreError> {
        let tally = Tally::load(db).await?;
        Ok(Archive {
            db: Arc::clone(db),
            catalogue: Arc::clone(catalogue),
            recent,
            settings,
            last,
            layout: tokio::sync::RwLock::new(()),
            work: tokio::sync::Mutex::new(()),
            journal_bytes: AtomicU64::new(0),
            counters,
            tally: Mutex::new(tally),
        })
    }

    pub fn tally(&self) -> Tally {
        *self.lock_tally()
    }

    fn lock_tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a transaction of somebody who holds `work`, with the tally of afterwards.
    pub async fn commit(&self, mut tx: Tx<'_>, tally: Tally) -> Result<(), StoreError> {
        tally.write(&self.db, &mut tx).await?;
        self.wrote(COMMIT_BYTES);
        tx.commit().await?;
        *self.lock_tally() = tally;
        Ok(())
    }

    /// Counts what is written against the day's budget: about, and twice, because what goes into the log goes from there
    /// into the file.
    pub fn wrote(&self, bytes: u64) {
        self.counters.elsewhere.fetch_add(2 * bytes, Ordering::Relaxed);
        self.counters.written_bytes.fetch_add(2 * bytes, Ordering::Relaxed);
    }

    /// Numbers the series of these names, new ones in a transaction of their own: who waits for readers meanwhile must not
    /// keep numbers from those who commit.
    pub async fn number_series(&self, names: &[(DeviceRef, String, Unit)]) -> Result<Vec<u32>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut minting = self.catalogue.mint(&self.db).await?;
        let mut numbers = Vec::with_capacity(names.len());
        for (device, property, unit) in names {
            let series = minting.series(&self.db, device, property, *unit).map_err(|refused| match refused {
                NotKept::Series(why) => StoreError::conflict(format!("{device} {property}: {why}")),
                other => StoreError::Io(other.to_string()),
            })?;
            numbers.push(series.number);
        }
        let mut tx = self.db.begin().await?;
        minting.write(tx.conn()).await?;
        self.wrote(COMMIT_BYTES);
        tx.commit().await?;
        minting.learn();
        Ok(numbers)
    }

    /// Seals blocks before the writer is asked for. Only who holds `work` inserts any, so that their ids are known.
    pub async fn seal_blocks(&self, blocks: Vec<NewBlock>) -> Result<SealedBlocks, StoreError> {
        let next = {
            let mut reader = self.db.read().await?;
            sqlx::query("SELECT coalesce(max(id), 0) + 1 FROM block").fetch_one(reader.conn()).await?
        };
        let (first, db): (i64, _) = (next.try_get(0)?, Arc::clone(&self.db));
        elsewhere(move || {
            let key = db.vault.current_key();
            let sealed = seal_all(&db, first, &blocks)?;
            Ok(SealedBlocks { blocks, sealed, first, key })
        })
        .await
    }

    /// Inserts blocks. Where the data key has changed since they were sealed, they are sealed anew: the key that counts
    /// while the writer is held is the one that stays.
    pub async fn insert_blocks(
        &self,
        tx: &mut Tx<'_>,
        ready: &mut SealedBlocks,
        tally: &mut Tally,
    ) -> Result<(), StoreError> {
        if ready.key != self.db.vault.current_key() {
            ready.sealed = seal_all(&self.db, ready.first, &ready.blocks)?;
        }
        let mut rows = (ready.first..).zip(ready.blocks.iter().zip(&ready.sealed)).peekable();
        while rows.peek().is_some() {
            let mut insert = QueryBuilder::new("INSERT INTO block (id, series, from_at, to_at, samples, sealed) ");
            insert.push_values(rows.by_ref().take(ROWS_A_STATEMENT), |mut row, (id, (block, sealed))| {
                self.wrote(bytes_of_row(sealed.len()));
                tally.block_samples += block.samples;
                tally.block_bytes += bytes_of_row(sealed.len());
                row.push_bind(id)
                    .push_bind(i64::from(block.series))
                    .push_bind(block.from)
                    .push_bind(block.to)
                    .push_bind(block.samples as i64)
                    .push_bind(sealed.as_slice());
            });
            insert.build().execute(tx.conn()).await?;
        }
        Ok(())
    }

    /// Deletes blocks and takes them out of the tally.
    pub async fn delete_blocks(&self, tx: &mut Tx<'_>, ids: &[i64], tally: &mut Tally) -> Result<(), StoreError> {
        for some in ids.chunks(500) {
            let list = spelled(some.iter().copied());
            let sums =
                format!("SELECT sum(samples), sum(length(sealed) + {ROW_OVERHEAD}) FROM block WHERE id IN ({list})");
            let row = sqlx::query(AssertSqlSafe(sums)).fetch_one(tx.conn()).await?;
            let (samples, bytes): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
            tally.block_samples = tally.block_samples.saturating_sub(samples.unwrap_or(0).unsigned_abs());
            tally.block_bytes = tally.block_bytes.saturating_sub(bytes.unwrap_or(0).unsigned_abs());
            let delete = format!("DELETE FROM block WHERE id IN ({list})");
            sqlx::query(AssertSqlSafe(delete)).execute(tx.conn()).await?;
            let unmark = format!("DELETE FROM set_aside WHERE place = 1 AND row IN ({list})");
            sqlx::query(AssertSqlSafe(unmark)).execute(tx.conn()).await?;
        }
        Ok(())
    }

    /// Marks days whose rollups are to be made.
    pub async fn mark_due(
        &self,
        tx: &mut Tx<'_>,
        days: impl IntoIterator<Item = (u32, i64)>,
    ) -> Result<(), StoreError> {
        let days: Vec<(u32, i64)> = days.into_iter().collect();
        for some in days.chunks(400) {
            let mut insert = QueryBuilder::new("INSERT OR IGNORE INTO roll_due (series, day_at) ");
            insert.push_values(some, |mut row, (series, day)| {
                row.push_bind(i64::from(*series)).push_bind(*day);
            });
            insert.build().execute(tx.conn()).await?;
        }
        Ok(())
    }

    /// Notes that a row does not open, so that no pass tries it again.
    pub async fn set_aside(&self, tx: &mut Tx<'_>, rows: &[(Place, i64, String)]) -> Result<(), StoreError> {
        for (place, row, why) in rows {
            tracing::error!(why, "a row of history does not open and is set aside");
            sqlx::query("INSERT OR IGNORE INTO set_aside (place, row) VALUES (?1, ?2)")
                .bind(*place as i64)
                .bind(*row)
                .execute(tx.conn())
                .await?;
        }
        Ok(())
    }

    /// The rows that were set aside, at most `limit`.
    pub async fn list_set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT place, row FROM set_aside ORDER BY place, row LIMIT ?1")
            .bind(limit)
            .fetch_all(reader.conn())
            .await?;
        let mut list = Vec::with_capacity(rows.len());
        for row in &rows {
            let place: i64 = row.try_get(0)?;
            let table = ["journal", "block", "rollup"].get(usize::try_from(place).unwrap_or(usize::MAX));
            list.push(SetAside { table: table.copied().unwrap_or("?"), row: row.try_get(1)? });
        }
        Ok(list)
    }

    /// The sealed content of some blocks, in the order of their ids.
    pub async fn fetch_blocks(
        &self,
        conn: &mut SqliteConnection,
        ids: &[i64],
    ) -> Result<HashMap<i64, Vec<u8>>, StoreError> {
        let mut found = HashMap::with_capacity(ids.len());
        for some in ids.chunks(200) {
            let list = spelled(some.iter().copied());
            let query = format!("SELECT id, sealed FROM block WHERE id IN ({list})");
            for row in sqlx::query(AssertSqlSafe(query)).fetch_all(&mut *conn).await? {
                found.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
        Ok(found)
    }

    /// The chunk of a series that is kept at `level` from `from`, with the id of its row.
    pub async fn chunk(
        &self,
        conn: &mut SqliteConnection,
        series: u32,
        level: Level,
        from: i64,
    ) -> Result<Option<(i64, Result<rollup::Chunk, StoreError>)>, StoreError> {
        let row = sqlx::query("SELECT id, sealed FROM rollup WHERE series = ?1 AND level = ?2 AND from_at = ?3")
            .bind(i64::from(series))
            .bind(level.code())
            .bind(from)
            .fetch_optional(conn)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let id: i64 = row.try_get(0)?;
        Ok(Some((id, open_chunk(&self.db, id, series, level, from, row.try_get(1)?))))
    }

    /// The newest time that blocks hold.
    pub async fn newest(&self) -> Result<Option<i64>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT max(to_at) FROM block").fetch_one(reader.conn()).await?;
        Ok(row.try_get(0)?)
    }

    /// The newest time that blocks hold of each series.
    pub async fn newest_stored(&self) -> Result<HashMap<u32, i64>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT series, max(to_at) FROM block GROUP BY series").fetch_all(reader.conn()).await?;
        let mut newest = HashMap::with_capacity(rows.len());
        for row in &rows {
            let (series, at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            newest.extend(u32::try_from(series).ok().map(|series| (series, at)));
        }
        Ok(newest)
    }
}

fn seal_all(db: &Db, first: i64, blocks: &[NewBlock]) -> Result<Vec<Vec<u8>>, StoreError> {
    let seal = |(id, block): (i64, &NewBlock)| BLOCK.seal(&db.vault, &id.to_be_bytes(), &block.plain);
    (first..).zip(blocks).map(seal).collect()
}

/// Opens a block and compares it with what its row says.
pub(super) fn open_block(db: &Db, head: &BlockHead, unit: Unit, sealed: &[u8]) -> Result<Vec<Point>, StoreError> {
    let id = head.id.to_be_bytes();
    let plain = BLOCK.open(&db.vault, &id, sealed)?;
    let block =
        block::decode(&plain, unit).map_err(|_| BLOCK.damaged(&id, "its content is not what this program writes"))?;
    let span = (block.points.first().map(|point| point.at.0), block.points.last().map(|point| point.at.0));
    let says = block.series == u64::from(head.series)
        && span == (Some(head.from), Some(head.to))
        && block.points.len() as u64 == head.samples;
    if says { Ok(block.points) } else { Err(BLOCK.damaged(&id, "its columns are not what its content says")) }
}

pub(super) fn open_chunk(
    db: &Db,
    id: i64,
    series: u32,
    level: Level,
    from: i64,
    sealed: &[u8],
) -> Result<rollup::Chunk, StoreError> {
    let id = id.to_be_bytes();
    let plain = ROLLUP.open(&db.vault, &id, sealed)?;
    let chunk =
        rollup::decode(&plain).map_err(|_| ROLLUP.damaged(&id, "its content is not what this program writes"))?;
    let says = (chunk.series, chunk.level, chunk.from) == (u64::from(series), level, from);
    if says { Ok(chunk) } else { Err(ROLLUP.damaged(&id, "its columns are not what its content says")) }
}

/// A head from `id, series, from_at, to_at, samples`.
pub(super) fn head_of(row: &SqliteRow) -> Result<BlockHead, StoreError> {
    let id: i64 = row.try_get(0)?;
    let (series, samples): (i64, i64) = (row.try_get(1)?, row.try_get(4)?);
    let strange = |what: &str| BLOCK.damaged(&id.to_be_bytes(), what);
    Ok(BlockHead {
        id,
        series: u32::try_from(series).map_err(|_| strange("its series is none"))?,
        from: row.try_get(2)?,
        to: row.try_get(3)?,
        samples: u64::try_from(samples).map_err(|_| strange("its number of samples is none"))?,
    })
}

/// Points of one series as new blocks.
pub(super) fn blocks_of(series: u32, points: Vec<Point>) -> Vec<NewBlock> {
    let pieces = block::cut(points).into_iter();
    pieces
        .filter_map(|piece| {
            Some(NewBlock {
                series,
                from: piece.first()?.at.0,
                to: piece.last()?.at.0,
                samples: piece.len() as u64,
                plain: block::encode(u64::from(series), &piece)?,
            })
        })
        .collect()
}

/// A sample without its series, if its time is known.
pub(super) fn point_of(sample: Numbered, unit: Unit) -> Option<Point> {
    let at = sample.at.wall()?;
    Some(Point { at, value: sample.value, unit, quality: sample.quality, device_time: sample.device_time })
}

/// Whether a point is rolled.
pub(super) fn is_number(point: &Point) -> bool {
    Kind::of(&point.value) == Kind::Number
}

/// Numbers as SQL spells them: there is nothing in them to inject.
pub(super) fn spelled(numbers: impl Iterator<Item = i64>) -> String {
    let mut list = String::new();
    for number in numbers {
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&number.to_string());
    }
    list
}

pub(super) fn bytes_of_row(sealed: usize) -> u64 {
    sealed as u64 + ROW_OVERHEAD
}

/// A row of the journal, opened.
pub(super) struct OpenRow {
    pub first: u64,
    pub last: u64,
    /// In order; 0 is the series of those that have no number yet.
    pub samples: Vec<Numbered>,
    /// These: of rows from before series had numbers.
    pub unnamed: Vec<Sample>,
}

/// Opens a row of `id, last_seq, sealed`. Whether the names of its series are known does not matter here.
pub(super) fn open_row(db: &Db, catalogue: &Catalogue, row: &SqliteRow) -> Result<OpenRow, StoreError> {
    let (id, last): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let bytes = id.to_be_bytes();
    let plain = JOURNAL.open(&db.vault, &bytes, row.try_get(2)?)?;
    let unreadable = |_| JOURNAL.damaged(&bytes, "its content is not what this program writes");
    let mut unnamed = Vec::new();
    let samples = match encoding::decode(&plain).map_err(unreadable)? {
        encoding::Row::Numbered(samples) => samples,
        encoding::Row::Named(samples) => {
            let names = catalogue.names();
            let mut numbered = Vec::with_capacity(samples.len());
            for sample in samples {
                let series = names.find(&sample.device, &sample.property, sample.unit).map_or(0, |known| known.number);
                if series == 0 {
                    unnamed.push(sample.clone());
                }
                numbered.push(Numbered {
                    series,
                    value: sample.value,
                    quality: sample.quality,
                    at: sample.at,
                    device_time: sample.device_time,
                });
            }
            numbered
        }
    };
    if i64::try_from(samples.len()).ok() != last.checked_sub(id).and_then(|n| n.checked_add(1)) {
        return Err(JOURNAL.damaged(&bytes, "it holds another number of samples than its last_seq says"));
    }
    let seq = |id: i64| u64::try_from(id).map_err(|_| JOURNAL.damaged(&bytes, "a seq below zero"));
    Ok(OpenRow { first: seq(id)?, last: seq(last)?, samples, unnamed })
}
