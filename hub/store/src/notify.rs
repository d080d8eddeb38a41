//! What people want to be told, and what was told: documents of the room, sealed whole. Here they have a kind, a subject,
//! perhaps a person whose they are, and go when that person goes; what they say is known there.

use std::sync::Arc;

use domovoi_model::{Id, PersonId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::papers::write_anew;
use crate::rows::{Spelled, id_of};
use crate::tables::{TELLING, TELLING_WISH};

/// The largest document taken, in bytes: a letter of 4,000 characters in two languages fits.
pub const TELLING_LIMIT: usize = 64 << 10;

/// So many rows are read at once.
const MOST_ROWS: i64 = 5000;

/// Wishes, a way, or the household's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WishRow {
    /// Random, or a keyed hash.
    pub id: Id,
    /// Whose; `None`: the home's.
    pub person: Option<PersonId>,
    /// The room's own words.
    pub body: String,
}

/// What a row of the ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TellingKind {
    /// A piece of news, and how far it has come.
    News,
    /// Why somebody was or was not told.
    Why,
    /// A letter by one way, with its fate.
    Letter,
    /// A line of an inbox; open until it is seen.
    Inbox,
    /// What is kept back for somebody.
    KeptBack,
    /// What was too much to be written one by one, counted.
    Summary,
}

impl TellingKind {
    /// All of them.
    pub const ALL: [TellingKind; 6] = [
        TellingKind::News,
        TellingKind::Why,
        TellingKind::Letter,
        TellingKind::Inbox,
        TellingKind::KeptBack,
        TellingKind::Summary,
    ];

    fn code(self) -> i64 {
        match self {
            TellingKind::News => 0,
            TellingKind::Why => 1,
            TellingKind::Letter => 2,
            TellingKind::Inbox => 3,
            TellingKind::KeptBack => 4,
            TellingKind::Summary => 5,
        }
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TellingRow {
    /// Of [`crate::new_segment_id`]'s shape: the time, then random.
    pub id: Id,
    /// What it is.
    pub kind: TellingKind,
    /// What it is about, as the room spells it.
    pub subject: String,
    /// Whose; `None`: the home's.
    pub person: Option<PersonId>,
    /// When it was made.
    pub at: Timestamp,
    /// Something is still to be done about it.
    pub open: bool,
    /// The room's own words.
    pub body: String,
}

/// Which rows of the ledger. Newest first, at most `limit` of them, and never more than 5,000.
#[derive(Debug, Clone, Default)]
pub struct TellingFilter {
    /// Of this kind only.
    pub kind: Option<TellingKind>,
    /// About this only.
    pub subject: Option<String>,
    /// Of this person only.
    pub person: Option<PersonId>,
    /// Only what is open.
    pub open: bool,
    /// Older than this row.
    pub before: Option<Id>,
    /// At most so many.
    pub limit: u32,
}

#[derive(Serialize, Deserialize)]
struct Wish {
    person: Option<Spelled<PersonId>>,
    body: String,
}

#[derive(Serialize, Deserialize)]
struct Telling {
    kind: i64,
    subject: String,
    person: Option<Spelled<PersonId>>,
    at: i64,
    open: bool,
    body: String,
}

/// Wishes, and the ledger of what was told.
#[derive(Clone)]
pub struct Tellings {
    db: Arc<Db>,
}

impl Tellings {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Tellings { db }
    }

    /// Every wish and way, and how many rows did not open. Those are told and passed over: the others are told all the same.
    pub async fn wishes(&self) -> Result<(Vec<WishRow>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, person, sealed FROM telling_wish ORDER BY id LIMIT ?1")
            .bind(MOST_ROWS)
            .fetch_all(reader.conn())
            .await?;
        Ok(all(rows.iter().map(|row| self.wish(row))))
    }

    /// Keeps wishes in the place of those with the same ids, and takes others away, in one step. Durable when this returns.
    pub async fn put_wishes(&self, wishes: &[WishRow], gone: &[Id]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for id in gone {
            sqlx::query("DELETE FROM telling_wish WHERE id = ?1").bind(id.0.to_vec()).execute(tx.conn()).await?;
        }
        for wish in wishes {
            let row = Wish { person: wish.person.map(Spelled), body: wish.body.clone() };
            let sealed = TELLING_WISH.seal_json(&self.db.vault, &wish.id.0, &row)?;
            fits(&sealed)?;
            sqlx::query(
                "INSERT INTO telling_wish (id, person, sealed) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET person = excluded.person, sealed = excluded.sealed",
            )
            .bind(wish.id.0.to_vec())
            .bind(wish.person.map(|person| self.hash_of(person)))
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        }
        tx.commit().await
    }

    /// Keeps rows in the place of those with the same ids, all in one step. Durable when this returns.
    pub async fn put(&self, rows: &[TellingRow]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for row in rows {
            self.put_row(&mut tx, row).await?;
        }
        tx.commit().await
    }

    async fn put_row(&self, tx: &mut Tx<'_>, row: &TellingRow) -> Result<(), StoreError> {
        let telling = Telling {
            kind: row.kind.code(),
            subject: row.subject.clone(),
            person: row.person.map(Spelled),
            at: row.at.0,
            open: row.open,
            body: row.body.clone(),
        };
        let sealed = TELLING.seal_json(&self.db.vault, &row.id.0, &telling)?;
        fits(&sealed)?;
        sqlx::query(
            "INSERT INTO telling (id, kind, subject, person, at, open, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, subject = excluded.subject, person = excluded.person,
                 at = excluded.at, open = excluded.open, sealed = excluded.sealed",
        )
        .bind(row.id.0.to_vec())
        .bind(telling.kind)
        .bind(self.subject_hash(&row.subject))
        .bind(row.person.map(|person| self.hash_of(person)))
        .bind(row.at.0)
        .bind(row.open)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// Rows of the ledger, newest first, and how many did not open.
    pub async fn find(&self, filter: &TellingFilter) -> Result<(Vec<TellingRow>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        // A condition that is always true in its place keeps SQLite from using the index, so there is one text for each case.
        let mut text = "SELECT id, kind, subject, person, at, open, sealed FROM telling WHERE 1".to_owned();
        if filter.kind.is_some() {
            text.push_str(" AND kind = ?1");
        }
        if filter.subject.is_some() {
            text.push_str(" AND subject = ?2");
        }
        if filter.person.is_some() {
            text.push_str(" AND person = ?3");
        }
        if filter.open {
            text.push_str(" AND open = 1");
        }
        if filter.before.is_some() {
            text.push_str(" AND id < ?4");
        }
        text.push_str(" ORDER BY id DESC LIMIT ?5");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(filter.kind.map(TellingKind::code))
            .bind(filter.subject.as_deref().map(|subject| self.subject_hash(subject)))
            .bind(filter.person.map(|person| self.hash_of(person)))
            .bind(filter.before.map(|id| id.0.to_vec()))
            .bind(i64::from(filter.limit).min(MOST_ROWS))
            .fetch_all(reader.conn())
            .await?;
        Ok(all(rows.iter().map(|row| self.telling(row))))
    }

    /// Takes away what is older and needs nothing more, at most `most` rows; how many went.
    pub async fn prune(&self, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let gone = sqlx::query(
            "DELETE FROM telling WHERE id IN (SELECT id FROM telling WHERE open = 0 AND at < ?1 ORDER BY at LIMIT ?2)",
        )
        .bind(before.0)
        .bind(i64::from(most))
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(gone.rows_affected())
    }

    /// Takes away single rows.
    pub async fn remove(&self, ids: &[Id]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for id in ids {
            sqlx::query("DELETE FROM telling WHERE id = ?1").bind(id.0.to_vec()).execute(tx.conn()).await?;
        }
        tx.commit().await
    }

    /// Takes away everything that is a person's, and writes the household's rows without them, in one step. How many rows
    /// went. An error after the step was made durable means that the bytes may still be in the log; calling again is harmless.
    pub async fn forget(&self, person: PersonId, instead: &[WishRow]) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let hash = self.hash_of(person);
        let wishes = sqlx::query("DELETE FROM telling_wish WHERE person = ?1").bind(&hash).execute(tx.conn()).await?;
        let told = sqlx::query("DELETE FROM telling WHERE person = ?1").bind(&hash).execute(tx.conn()).await?;
        for wish in instead {
            let row = Wish { person: wish.person.map(Spelled), body: wish.body.clone() };
            sqlx::query("UPDATE telling_wish SET sealed = ?2 WHERE id = ?1")
                .bind(wish.id.0.to_vec())
                .bind(TELLING_WISH.seal_json(&self.db.vault, &wish.id.0, &row)?)
                .execute(tx.conn())
                .await?;
        }
        write_anew(&mut tx, &TELLING_WISH, true).await?;
        tx.commit().await?;
        self.db.empty_log().await?;
        Ok(wishes.rows_affected() + told.rows_affected())
    }

    /// 128 bits that only this store can compute from these parts: an answer's token, which is kept nowhere.
    pub fn token(&self, parts: &[&[u8]]) -> [u8; 16] {
        let hash = self.db.vault.keyed_hash("telling.answer", parts);
        std::array::from_fn(|i| hash[i])
    }

    fn hash_of(&self, person: PersonId) -> Vec<u8> {
        self.db.vault.keyed_hash("telling.person", &[&person.0.0]).to_vec()
    }

    fn subject_hash(&self, subject: &str) -> Vec<u8> {
        self.db.vault.keyed_hash("telling.subject", &[subject.as_bytes()]).to_vec()
    }

    fn wish(&self, row: &SqliteRow) -> Result<WishRow, StoreError> {
        let id: &[u8] = row.try_get(0)?;
        let column: Option<Vec<u8>> = row.try_get(1)?;
        let wish: Wish = TELLING_WISH.open_json(&self.db.vault, id, row.try_get(2)?)?;
        let person = wish.person.map(|person| person.0);
        if column != person.map(|person| self.hash_of(person)) {
            return Err(TELLING_WISH.damaged(id, "its columns were changed"));
        }
        Ok(WishRow { id: id_of(id)?, person, body: wish.body })
    }

    fn telling(&self, row: &SqliteRow) -> Result<TellingRow, StoreError> {
        let id: &[u8] = row.try_get(0)?;
        let telling: Telling = TELLING.open_json(&self.db.vault, id, row.try_get(6)?)?;
        let person = telling.person.map(|person| person.0);
        let columns = (
            row.try_get::<i64, _>(1)?,
            row.try_get::<Vec<u8>, _>(2)?,
            row.try_get::<Option<Vec<u8>>, _>(3)?,
            row.try_get::<i64, _>(4)?,
            row.try_get::<bool, _>(5)?,
        );
        let said = (
            telling.kind,
            self.subject_hash(&telling.subject),
            person.map(|person| self.hash_of(person)),
            telling.at,
            telling.open,
        );
        if columns != said {
            return Err(TELLING.damaged(id, "its columns were changed"));
        }
        let kind = TellingKind::ALL.into_iter().find(|kind| kind.code() == telling.kind);
        Ok(TellingRow {
            id: id_of(id)?,
            kind: kind.ok_or_else(|| TELLING.damaged(id, "its kind is not one this program knows"))?,
            subject: telling.subject,
            person,
            at: Timestamp(telling.at),
            open: telling.open,
            body: telling.body,
        })
    }
}

fn fits(sealed: &[u8]) -> Result<(), StoreError> {
    if sealed.len() > TELLING_LIMIT {
        return Err(StoreError::TooLarge { what: "what was told", limit: TELLING_LIMIT });
    }
    Ok(())
}

/// What opens, and how many did not.
fn all<T>(rows: impl Iterator<Item = Result<T, StoreError>>) -> (Vec<T>, usize) {
    let (mut found, mut damaged) = (Vec::new(), 0);
    for row in rows {
        match row {
            Ok(row) => found.push(row),
            Err(error) => {
                tracing::error!("a row of what people want to be told, or were told, does not open: {error}");
                damaged += 1;
            }
        }
    }
    (found, damaged)
}
