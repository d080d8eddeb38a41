//! The ledger: what every register showed, and what was decided about it. Rows are entered and re-judged, never deleted.
//! It does not judge: the rules are metering's, and a verdict comes in with the reading.

use std::sync::Arc;

use domovoi_model::{BootId, MeterId, Moment, PointId, RegisterReading, Source, Tariff, Timestamp, Verdict};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::history::Seq;
use crate::register::require;
use crate::rows::{BadRow, Hex, MomentRow, SourceRow, Spelled, VerdictRow, tariff};
use crate::tables::{CURSOR, LEDGER};

/// A reading to be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The reading, with its verdict.
    pub reading: RegisterReading,
    /// The sample it came from, if a device said it.
    pub seq: Option<Seq>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The order of entry.
    pub id: i64,
    /// The sample it came from, if a device said it.
    pub seq: Option<Seq>,
    /// The reading, with the verdict that counts now.
    pub reading: RegisterReading,
    /// The verdicts that a person has overruled, oldest first.
    pub earlier: Vec<Verdict>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is this row now.
    Row(i64),
    /// It was there already and is passed over.
    Duplicate,
}

#[derive(Serialize, Deserialize)]
struct ReadingRow {
    seq: Option<u64>,
    point: Spelled<PointId>,
    meter: Spelled<MeterId>,
    tariff: String,
    value: Spelled<Decimal>,
    at: MomentRow,
    source: SourceRow,
    raw_sha256: Hex,
    verdict: VerdictRow,
    earlier: Vec<VerdictRow>,
}

#[derive(Serialize, Deserialize)]
struct CursorRow {
    name: String,
    seq: u64,
}

impl From<&LedgerRow> for ReadingRow {
    fn from(row: &LedgerRow) -> Self {
        let reading = &row.reading;
        ReadingRow {
            seq: row.seq.map(|seq| seq.0),
            point: Spelled(reading.point),
            meter: Spelled(reading.meter),
            tariff: reading.tariff.code().to_owned(),
            value: Spelled(reading.value),
            at: reading.at.into(),
            source: (&reading.source).into(),
            raw_sha256: Hex(reading.raw_sha256.to_vec()),
            verdict: (&reading.verdict).into(),
            earlier: row.earlier.iter().map(VerdictRow::from).collect(),
        }
    }
}

impl ReadingRow {
    fn row(self, id: i64) -> Result<LedgerRow, BadRow> {
        Ok(LedgerRow {
            id,
            seq: self.seq.map(Seq),
            reading: RegisterReading {
                point: self.point.0,
                meter: self.meter.0,
                tariff: tariff(&self.tariff)?,
                value: self.value.0,
                at: self.at.into(),
                source: self.source.into(),
                raw_sha256: self.raw_sha256.array()?,
                verdict: self.verdict.into(),
            },
            earlier: self.earlier.into_iter().map(Verdict::from).collect(),
        })
    }
}

/// The columns that `read` wants, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, point, at, boot, standing, sealed FROM ledger ", $rest)
    };
}

/// Register readings and their verdicts.
#[derive(Clone)]
pub struct Ledger {
    db: Arc<Db>,
}

impl Ledger {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Ledger { db }
    }

    /// Enters readings, and moves a cursor along, in one transaction: after a restart nothing is missing and nothing is
    /// entered twice. A device's reading is known again by point, tariff and seq; any other by point, tariff, moment
    /// and source. One answer for each entry.
    pub async fn append(
        &self,
        entries: &[LedgerEntry],
        cursor: Option<(&str, Seq)>,
    ) -> Result<Vec<Appended>, StoreError> {
        let mut tx = self.db.begin().await?;
        let appended = append(&self.db, &mut tx, entries).await?;
        if let Some((name, seq)) = cursor {
            let id = cursor_id(&self.db, name);
            let row = CursorRow { name: name.to_owned(), seq: seq.0 };
            let sealed = CURSOR.seal_json(&self.db.vault, &id, &row)?;
            sqlx::query(
                "INSERT INTO cursor (id, sealed) VALUES (?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
            )
            .bind(id.to_vec())
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        }
        tx.commit().await?;
        Ok(appended)
    }

    /// How far a reader of history has come; 0 if it never began.
    pub async fn cursor(&self, name: &str) -> Result<Seq, StoreError> {
        let id = cursor_id(&self.db, name);
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT sealed FROM cursor WHERE id = ?1")
            .bind(id.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        let Some(row) = row else { return Ok(Seq(0)) };
        let row: CursorRow = CURSOR.open_json(&self.db.vault, &id, row.try_get(0)?)?;
        Ok(Seq(row.seq))
    }

    /// A point's readings of a span of wall time (`from` included, `to` not), oldest first. Rows that still wait for
    /// their run to be settled have no wall time and are not among them.
    pub async fn readings(
        &self,
        point: PointId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
        include_non_accepted: bool,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let [t1, t2, t3, t4] = Tariff::ALL.map(|tariff| standing(&self.db, point, tariff, "accepted").to_vec());
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(select!(
            "WHERE point = ?1 AND at >= ?2 AND at < ?3 AND (?4 OR standing IN (?5, ?6, ?7, ?8))
             ORDER BY at, id LIMIT ?9"
        ))
        .bind(point.0.0.to_vec())
        .bind(from.0)
        .bind(to.0)
        .bind(include_non_accepted)
        .bind(t1)
        .bind(t2)
        .bind(t3)
        .bind(t4)
        .bind(i64::from(limit))
        .fetch_all(reader.conn())
        .await?;
        rows.iter().map(|row| read(&self.db, row)).collect()
    }

    /// The accepted reading of a register that was entered last.
    pub async fn last_accepted(&self, point: PointId, tariff: Tariff) -> Result<Option<LedgerRow>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query(select!("WHERE standing = ?1 ORDER BY id DESC LIMIT 1"))
            .bind(standing(&self.db, point, tariff, "accepted").to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| read(&self.db, &row)).transpose()
    }

    /// The newest accepted reading of a register before a wall time.
    pub async fn last_accepted_before(
        &self,
        point: PointId,
        tariff: Tariff,
        before: Timestamp,
    ) -> Result<Option<LedgerRow>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query(select!("WHERE standing = ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT 1"))
            .bind(standing(&self.db, point, tariff, "accepted").to_vec())
            .bind(before.0)
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| read(&self.db, &row)).transpose()
    }

    /// The oldest accepted reading of a register at or after a wall time.
    pub async fn first_accepted_from(
        &self,
        point: PointId,
        tariff: Tariff,
        from: Timestamp,
    ) -> Result<Option<LedgerRow>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query(select!("WHERE standing = ?1 AND at >= ?2 ORDER BY at, id LIMIT 1"))
            .bind(standing(&self.db, point, tariff, "accepted").to_vec())
            .bind(from.0)
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| read(&self.db, &row)).transpose()
    }

    /// A point's readings that wait for a person, in the order of entry.
    pub async fn held(&self, point: PointId) -> Result<Vec<LedgerRow>, StoreError> {
        let [t1, t2, t3, t4] = Tariff::ALL.map(|tariff| standing(&self.db, point, tariff, "held").to_vec());
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(select!("WHERE standing IN (?1, ?2, ?3, ?4) ORDER BY id"))
            .bind(t1)
            .bind(t2)
            .bind(t3)
            .bind(t4)
            .fetch_all(reader.conn())
            .await?;
        rows.iter().map(|row| read(&self.db, row)).collect()
    }

    /// A point's rows of every standing, the one entered last first.
    pub async fn newest(&self, point: PointId, limit: u32) -> Result<Vec<LedgerRow>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(select!("WHERE point = ?1 ORDER BY id DESC LIMIT ?2"))
            .bind(point.0.0.to_vec())
            .bind(i64::from(limit))
            .fetch_all(reader.conn())
            .await?;
        rows.iter().map(|row| read(&self.db, row)).collect()
    }

    /// The newest rows of a register that were entered after row `id` and are not believed, in the order of entry.
    pub async fn doubts_after(
        &self,
        point: PointId,
        tariff: Tariff,
        id: i64,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let [held, ignored] = ["held", "ignored"].map(|verdict| standing(&self.db, point, tariff, verdict).to_vec());
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(select!("WHERE standing IN (?1, ?2) AND id > ?3 ORDER BY id DESC LIMIT ?4"))
            .bind(held)
            .bind(ignored)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(reader.conn())
            .await?;
        rows.iter().rev().map(|row| read(&self.db, row)).collect()
    }

    /// One row.
    pub async fn row(&self, id: i64) -> Result<Option<LedgerRow>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query(select!("WHERE id = ?1")).bind(id).fetch_optional(reader.conn()).await?;
        row.map(|row| read(&self.db, &row)).transpose()
    }

    /// A person confirms or dismisses a held row; what it was held for is kept. `Conflict` when it is not held (any
    /// more), or when the new verdict holds it again.
    pub async fn decide(&self, id: i64, verdict: Verdict) -> Result<LedgerRow, StoreError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query(select!("WHERE id = ?1")).bind(id).fetch_optional(tx.conn()).await?;
        let row = row.ok_or_else(|| StoreError::not_found(format!("ledger row {id}")))?;
        let mut row = read(&self.db, &row)?;
        if !matches!(row.reading.verdict, Verdict::Held(_)) || matches!(verdict, Verdict::Held(_)) {
            return Err(StoreError::conflict("only a held reading is decided, and once"));
        }
        row.earlier.push(std::mem::replace(&mut row.reading.verdict, verdict));
        rewrite(&self.db, &mut tx, &row).await?;
        tx.commit().await?;
        Ok(row)
    }
}

/// Enters readings inside a transaction.
pub(crate) async fn append(db: &Db, tx: &mut Tx<'_>, entries: &[LedgerEntry]) -> Result<Vec<Appended>, StoreError> {
    let newest: Option<i64> = sqlx::query("SELECT max(id) FROM ledger").fetch_one(tx.conn()).await?.try_get(0)?;
    let mut next = newest.unwrap_or(0) + 1;
    let mut appended = Vec::with_capacity(entries.len());
    for entry in entries {
        let reading = &entry.reading;
        let once = once(db, entry);
        let known =
            sqlx::query("SELECT 1 FROM ledger WHERE once = ?1").bind(once.to_vec()).fetch_optional(tx.conn()).await?;
        if known.is_some() {
            appended.push(Appended::Duplicate);
            continue;
        }
        require(tx, "SELECT 1 FROM point WHERE id = ?1", reading.point.0, "metering point").await?;
        let mut row = LedgerRow { id: next, seq: entry.seq, reading: reading.clone(), earlier: Vec::new() };
        row.reading.at = db.resolve(reading.at);
        let (at, boot) = time_columns(row.reading.at);
        let sealed = LEDGER.seal_json(&db.vault, &next.to_be_bytes(), &ReadingRow::from(&row))?;
        sqlx::query(
            "INSERT INTO ledger (id, point, at, boot, once, standing, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(next)
        .bind(reading.point.0.0.to_vec())
        .bind(at)
        .bind(boot)
        .bind(once.to_vec())
        .bind(standing(db, reading.point, reading.tariff, reading.verdict.code()).to_vec())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        appended.push(Appended::Row(next));
        next += 1;
    }
    Ok(appended)
}

/// Gives their wall times to the rows that waited for a run.
pub(crate) async fn settle(
    db: &Db,
    tx: &mut Tx<'_>,
    boot: BootId,
    wall_at_start: Timestamp,
) -> Result<u64, StoreError> {
    let rows = sqlx::query(select!("WHERE boot = ?1 ORDER BY id")).bind(boot.0.0.to_vec()).fetch_all(tx.conn()).await?;
    let mut settled = 0;
    for row in &rows {
        match read(db, row) {
            Ok(mut row) => {
                if let Moment::SinceBoot { millis, .. } = row.reading.at {
                    row.reading.at = Moment::Wall(wall_at_start.plus_millis(millis));
                }
                rewrite(db, tx, &row).await?;
                settled += 1;
            }
            // One damaged row must not keep all others undated.
            Err(error) => tracing::warn!(%error, "a ledger row cannot be dated"),
        }
    }
    Ok(settled)
}

async fn rewrite(db: &Db, tx: &mut Tx<'_>, row: &LedgerRow) -> Result<(), StoreError> {
    let reading = &row.reading;
    let (at, boot) = time_columns(reading.at);
    let sealed = LEDGER.seal_json(&db.vault, &row.id.to_be_bytes(), &ReadingRow::from(row))?;
    sqlx::query("UPDATE ledger SET at = ?2, boot = ?3, standing = ?4, sealed = ?5 WHERE id = ?1")
        .bind(row.id)
        .bind(at)
        .bind(boot)
        .bind(standing(db, reading.point, reading.tariff, reading.verdict.code()).to_vec())
        .bind(sealed)
        .execute(tx.conn())
        .await?;
    Ok(())
}

fn read(db: &Db, row: &SqliteRow) -> Result<LedgerRow, StoreError> {
    let id: i64 = row.try_get(0)?;
    let id_bytes = id.to_be_bytes();
    let content: ReadingRow = LEDGER.open_json(&db.vault, &id_bytes, row.try_get(5)?)?;
    let read = content.row(id).map_err(|bad| LEDGER.damaged(&id_bytes, bad))?;
    let reading = &read.reading;
    let point: &[u8] = row.try_get(1)?;
    let at: Option<i64> = row.try_get(2)?;
    let boot: Option<Vec<u8>> = row.try_get(3)?;
    let stands: &[u8] = row.try_get(4)?;
    let same = point == reading.point.0.0
        && (at, boot) == time_columns(reading.at)
        && stands == standing(db, reading.point, reading.tariff, reading.verdict.code());
    if same { Ok(read) } else { Err(LEDGER.damaged(&id_bytes, "its columns were changed")) }
}

fn time_columns(at: Moment) -> (Option<i64>, Option<Vec<u8>>) {
    match at {
        Moment::Wall(at) => (Some(at.0), None),
        Moment::SinceBoot { boot, .. } => (None, Some(boot.0.0.to_vec())),
    }
}

fn standing(db: &Db, point: PointId, tariff: Tariff, verdict: &str) -> [u8; 32] {
    db.vault.keyed_hash("ledger.standing", &[&point.0.0, tariff.code().as_bytes(), verdict.as_bytes()])
}

fn once(db: &Db, entry: &LedgerEntry) -> [u8; 32] {
    let reading = &entry.reading;
    let point = &reading.point.0.0;
    let tariff = reading.tariff.code().as_bytes();
    if let Some(seq) = entry.seq {
        return db.vault.keyed_hash("ledger.sample", &[point, tariff, &seq.0.to_be_bytes()]);
    }
    let (boot, millis) = match reading.at {
        Moment::Wall(at) => (&[][..], at.0),
        Moment::SinceBoot { ref boot, millis } => (&boot.0.0[..], millis),
    };
    let (kind, who, more): (&[u8], &str, &[u8]) = match &reading.source {
        Source::Device(device) => (b"device", &device.dialect, device.id.as_bytes()),
        Source::Person(person) => (b"person", person, b""),
        Source::Photo { person, photo } => (b"photo", person, &photo.0.0),
        // The old meter's end and the new one's start are told at the same moment.
        Source::Installation => (b"installation", "", &reading.meter.0.0),
    };
    let parts = [point, tariff, boot, &millis.to_be_bytes(), kind, who.as_bytes(), more];
    db.vault.keyed_hash("ledger.told", &parts)
}

fn cursor_id(db: &Db, name: &str) -> [u8; 32] {
    db.vault.keyed_hash("cursor", &[name.as_bytes()])
}

/// How far the slowest durable reader of history has come: of all cursors there are, and of `names` also those that never
/// began. A cursor that does not open has read nothing.
pub(crate) async fn slowest_cursor(db: &Db, names: &[String]) -> Result<u64, StoreError> {
    let mut reader = db.read().await?;
    let rows = sqlx::query("SELECT id, sealed FROM cursor").fetch_all(reader.conn()).await?;
    let mut slowest = u64::MAX;
    let mut missing: Vec<[u8; 32]> = names.iter().map(|name| cursor_id(db, name)).collect();
    for row in &rows {
        let id: &[u8] = row.try_get(0)?;
        missing.retain(|name| name.as_slice() != id);
        let cursor = CURSOR.open_json::<CursorRow>(&db.vault, id, row.try_get(1)?);
        slowest = slowest.min(cursor.map_or(0, |cursor| cursor.seq));
    }
    Ok(if missing.is_empty() { slowest } else { 0 })
}
