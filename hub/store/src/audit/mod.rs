//! The journal of deeds, as rows: numbered without gaps, sealed, each with the SHA-256 of the one before it, and a record
//! of where it ends that is written with every row. What is personal stands in a row under the person's own key, and the
//! chain is over that form: it holds when the person is erased, and when the rows are sealed anew. What a deed is, is
//! known to the room that writes them.
//!
//! It does not notice a whole database put back from an earlier day, nor somebody who has all the keys and writes every
//! row anew from a forged one to the end: for that the last hash has to be known outside of this machine.

mod row;
mod verify;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use domovoi_model::{PersonId, Timestamp};
use domovoi_vault::Vault;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use zeroize::Zeroizing;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::person_keys::{self, Found};
use crate::tables::{AUDIT, AUDIT_HEAD};
#[cfg(test)]
pub(crate) use row::hash as hash_of;
use row::{AuditRow, HASH, Part};

pub use verify::Flaw;

/// The largest deed taken, in bytes: its body and all that is personal in it.
pub const DEED_LIMIT: usize = 16 << 10;

/// At most so many persons are spoken of in one deed.
pub const DEED_PERSONS: usize = 64;

/// The one row of `audit_head`.
const HEAD: i64 = 1;

/// Numbers so far behind the end may be taken by rows that were slipped in; the next row goes behind them, so that they
/// stay to be seen. A number further off stops nothing.
const SLIPPED_IN: i64 = 1000;

/// A deed to be written.
#[derive(Debug, Clone)]
pub struct Deed {
    /// When; `None` while the clock is not trusted.
    pub at: Option<Timestamp>,
    /// What is nobody's personal data.
    pub body: Vec<u8>,
    /// What is a person's: kept under that person's key. Nothing is kept for a person who was erased.
    pub personal: Vec<(PersonId, Zeroizing<Vec<u8>>)>,
}

/// A deed as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDeed {
    /// Its number, from 1.
    pub row: u64,
    /// When.
    pub at: Option<Timestamp>,
    /// What is nobody's personal data.
    pub body: Vec<u8>,
    /// What is a person's; `None` for a person who was erased.
    pub personal: Vec<(PersonId, Option<Zeroizing<Vec<u8>>>)>,
}

/// Where the journal of deeds ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEnd {
    /// How many rows there are.
    pub rows: u64,
    /// SHA-256 of the last one, zeros when there is none: who writes it down elsewhere can tell later that no row up to
    /// this one was exchanged, whoever had the keys.
    pub hash: [u8; 32],
}

/// The journal of deeds.
#[derive(Clone)]
pub struct Audit {
    db: Arc<Db>,
}

impl Audit {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Audit { db }
    }

    /// Writes deeds behind the last one, in one transaction, and returns their numbers. Durable when this returns.
    pub async fn append(&self, deeds: &[Deed]) -> Result<Vec<u64>, StoreError> {
        if deeds.is_empty() {
            return Ok(Vec::new());
        }
        for deed in deeds {
            let size = deed.body.len() + deed.personal.iter().map(|(_, text)| text.len()).sum::<usize>();
            if size > DEED_LIMIT || deed.personal.len() > DEED_PERSONS {
                return Err(StoreError::TooLarge { what: "an entry of the journal", limit: DEED_LIMIT });
            }
        }
        let vault = &self.db.vault;
        let mut tx = self.db.begin().await?;
        let (mut next, mut prev, mut after_loss) = self.go_on(&mut tx).await?;
        let mut numbers = Vec::with_capacity(deeds.len());
        for deed in deeds {
            let parts = self.personal_parts(&mut tx, next, deed).await?;
            let row = AuditRow { prev, row: next, after_loss, at: deed.at, body: deed.body.clone(), parts };
            let plaintext = Zeroizing::new(row.to_bytes());
            sqlx::query("INSERT INTO audit (id, at, sealed) VALUES (?1, ?2, ?3)")
                .bind(next)
                .bind(deed.at.map(|at| at.0))
                .bind(AUDIT.seal(vault, &next.to_be_bytes(), &plaintext)?)
                .execute(tx.conn())
                .await?;
            numbers.push(next.unsigned_abs());
            prev = row::hash(&plaintext);
            after_loss = false;
            next += 1;
        }
        write_head(vault, tx.conn(), AuditEnd { rows: (next - 1).unsigned_abs(), hash: prev }).await?;
        tx.commit().await?;
        Ok(numbers)
    }

    /// At most `limit` rows before row `before` (or the newest), newest first, of a span of time if one is given: rows
    /// without a time are in no span. Each row is there, or what is wrong with it.
    pub async fn before(
        &self,
        before: Option<u64>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<(u64, Result<KeptDeed, StoreError>)>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT id, at, sealed FROM audit
             WHERE id > 0 AND id < ?1 AND (?2 IS NULL OR at >= ?2) AND (?3 IS NULL OR at < ?3)
             ORDER BY id DESC LIMIT ?4",
        )
        .bind(before.and_then(|row| i64::try_from(row).ok()).unwrap_or(i64::MAX))
        .bind(since.map(|at| at.0))
        .bind(until.map(|at| at.0))
        .bind(i64::from(limit))
        .fetch_all(reader.conn())
        .await?;
        let mut keys = HashMap::new();
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: i64 = row.try_get(0)?;
            let deed = match read(&self.db.vault, row) {
                Ok(row) => self.open_parts(reader.conn(), row, &mut keys).await,
                Err(error) => Err(error),
            };
            found.push((id.unsigned_abs(), deed));
        }
        Ok(found)
    }

    /// Where it ends.
    pub async fn end(&self) -> Result<AuditEnd, StoreError> {
        let mut reader = self.db.read().await?;
        let end = read_head(&self.db.vault, reader.conn()).await?;
        end.ok_or_else(|| StoreError::damaged("the record of where the journal of deeds ends is missing"))
    }

    /// The number of the next row, the hash of the one before it, and whether the record of the end was lost: it may be
    /// damaged, or fall short of rows that were slipped in, and the next deed is written all the same.
    async fn go_on(&self, tx: &mut Tx<'_>) -> Result<(i64, [u8; HASH], bool), StoreError> {
        let head = match read_head(&self.db.vault, tx.conn()).await {
            Err(StoreError::Damaged { .. }) => None,
            other => other?,
        };
        let known = head.and_then(|end| Some((i64::try_from(end.rows).ok()?, end.hash)));
        let reach = known.map_or(i64::MAX - 1, |(rows, _)| rows.saturating_add(SLIPPED_IN));
        let newest: Option<i64> = sqlx::query("SELECT max(id) FROM audit WHERE id <= ?1")
            .bind(reach)
            .fetch_one(tx.conn())
            .await?
            .try_get(0)?;
        let newest = newest.unwrap_or(0).max(0);
        if let Some((rows, hash)) = known {
            return Ok((newest.max(rows) + 1, hash, false));
        }
        let row = sqlx::query("SELECT id, at, sealed FROM audit WHERE id = ?1").bind(newest);
        let row = row.fetch_optional(tx.conn()).await?;
        let hash = row.and_then(|row| AUDIT.open(&self.db.vault, &newest.to_be_bytes(), row.try_get(2).ok()?).ok());
        Ok((newest + 1, hash.map_or([0; HASH], |plaintext| row::hash(&plaintext)), true))
    }

    async fn personal_parts(&self, tx: &mut Tx<'_>, row: i64, deed: &Deed) -> Result<Vec<Part>, StoreError> {
        let mut parts = Vec::with_capacity(deed.personal.len());
        for (place, (person, text)) in deed.personal.iter().enumerate() {
            let sealed = match person_keys::find_or_make(&self.db, tx, *person).await? {
                Some(key) => key.seal(&row::place(row, place), text)?,
                None => Vec::new(),
            };
            parts.push(Part { person: *person, sealed });
        }
        Ok(parts)
    }

    async fn open_parts(
        &self,
        conn: &mut SqliteConnection,
        row: AuditRow,
        keys: &mut HashMap<PersonId, Found>,
    ) -> Result<KeptDeed, StoreError> {
        let mut personal = Vec::with_capacity(row.parts.len());
        for (place, part) in row.parts.iter().enumerate() {
            let key = match keys.entry(part.person) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(person_keys::find(&self.db, &mut *conn, part.person).await?),
            };
            let text = match key {
                Found::Key(key) if !part.sealed.is_empty() => {
                    let opened = key.open(&row::place(row.row, place), &part.sealed);
                    Some(opened.map_err(|error| {
                        AUDIT.damaged(&row.row.to_be_bytes(), format!("a personal part of it does not open: {error}"))
                    })?)
                }
                _ => None,
            };
            personal.push((part.person, text));
        }
        Ok(KeptDeed { row: row.row.unsigned_abs(), at: row.at, body: row.body, personal })
    }
}

/// The record of a journal that has no row yet: from the birth of the table on there is always one, so that a missing
/// one means that somebody took it.
pub(crate) async fn begin(vault: &Vault, conn: &mut SqliteConnection) -> Result<(), StoreError> {
    write_head(vault, conn, AuditEnd { rows: 0, hash: [0; HASH] }).await
}

/// The plaintext is `rows u64 BE | hash 32`.
async fn write_head(vault: &Vault, conn: &mut SqliteConnection, end: AuditEnd) -> Result<(), StoreError> {
    let plaintext = [&end.rows.to_be_bytes()[..], &end.hash].concat();
    sqlx::query(
        "INSERT INTO audit_head (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
    )
    .bind(HEAD)
    .bind(AUDIT_HEAD.seal(vault, &HEAD.to_be_bytes(), &plaintext)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn read_head(vault: &Vault, conn: &mut SqliteConnection) -> Result<Option<AuditEnd>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM audit_head WHERE id = ?1").bind(HEAD).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    let plaintext = AUDIT_HEAD.open(vault, &HEAD.to_be_bytes(), row.try_get(0)?)?;
    let (rows, hash) = plaintext
        .split_first_chunk::<8>()
        .and_then(|(rows, hash)| Some((*rows, <[u8; HASH]>::try_from(hash).ok()?)))
        .ok_or_else(|| AUDIT_HEAD.damaged(&HEAD.to_be_bytes(), "its content is not what this program writes"))?;
    Ok(Some(AuditEnd { rows: u64::from_be_bytes(rows), hash }))
}

/// A row of `id, at, sealed`, its columns compared.
fn read(vault: &Vault, row: &SqliteRow) -> Result<AuditRow, StoreError> {
    let id: i64 = row.try_get(0)?;
    let at: Option<i64> = row.try_get(1)?;
    let plaintext = AUDIT.open(vault, &id.to_be_bytes(), row.try_get(2)?)?;
    let damaged = |why: &str| AUDIT.damaged(&id.to_be_bytes(), why);
    let read =
        AuditRow::from_bytes(&plaintext).ok_or_else(|| damaged("its content is not what this program writes"))?;
    if read.row != id || read.at.map(|at| at.0) != at {
        return Err(damaged("its columns were changed"));
    }
    Ok(read)
}
