//! Small sealed documents, by drawer: people, factors, sessions, tokens, consents. What a document says is known to the
//! room that wrote it; here it has an id, perhaps a person whose it is, and goes when that person goes.

use std::sync::Arc;

use domovoi_model::{Id, PersonId};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};
use zeroize::Zeroizing;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::person_keys;
use crate::rows::id_of;
use crate::tables::{ACCESS_TOKEN, CONSENT, FACTOR, PERSON, PERSON_KEY, SESSION, Table};

/// The largest document taken, in bytes.
pub const PAPER_LIMIT: usize = 64 << 10;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drawer {
    /// People.
    Person,
    /// What a person signs in with.
    Factor,
    /// Where a person is signed in.
    Session,
    /// API tokens and client certificates.
    Token,
    /// What a person agreed to.
    Consent,
}

impl Drawer {
    /// All of them.
    pub const ALL: [Drawer; 5] = [Drawer::Person, Drawer::Factor, Drawer::Session, Drawer::Token, Drawer::Consent];

    fn table(self) -> &'static Table {
        match self {
            Drawer::Person => &PERSON,
            Drawer::Factor => &FACTOR,
            Drawer::Session => &SESSION,
            Drawer::Token => &ACCESS_TOKEN,
            Drawer::Consent => &CONSENT,
        }
    }
}

/// A document.
#[derive(Debug, Clone)]
pub struct Paper {
    /// Opaque: random, or a keyed hash.
    pub id: Id,
    /// Whose it is.
    pub person: Option<PersonId>,
    /// At most 64 KiB.
    pub body: Zeroizing<Vec<u8>>,
}

/// The documents.
#[derive(Clone)]
pub struct Papers {
    db: Arc<Db>,
}

impl Papers {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Papers { db }
    }

    /// An id that only this store can compute from these parts: finds a session by its cookie.
    pub fn id_of(&self, what: &str, parts: &[&[u8]]) -> Id {
        let hash = self.db.vault.keyed_hash(what, parts);
        Id(std::array::from_fn(|i| hash[i]))
    }

    /// Keeps a document, in the place of the one with the same id. Durable when this returns.
    pub async fn put(&self, drawer: Drawer, paper: &Paper) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write(&mut tx, drawer, paper).await?;
        tx.commit().await
    }

    /// One document.
    pub async fn get(&self, drawer: Drawer, id: Id) -> Result<Option<Paper>, StoreError> {
        let query = format!("SELECT id, person, sealed FROM {} WHERE id = ?1", drawer.table().name);
        let mut reader = self.db.read().await?;
        let row = sqlx::query(AssertSqlSafe(query)).bind(id.0.to_vec()).fetch_optional(reader.conn()).await?;
        row.map(|row| self.read(drawer, &row)).transpose()
    }

    /// All of a drawer, in no order that means anything.
    pub async fn all(&self, drawer: Drawer) -> Result<Vec<Paper>, StoreError> {
        let query = format!("SELECT id, person, sealed FROM {}", drawer.table().name);
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(reader.conn()).await?;
        rows.iter().map(|row| self.read(drawer, row)).collect()
    }

    /// Those of a drawer that open, and how many do not: they are told and passed over.
    pub async fn readable(&self, drawer: Drawer) -> Result<(Vec<Paper>, usize), StoreError> {
        let query = format!("SELECT id, person, sealed FROM {}", drawer.table().name);
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(reader.conn()).await?;
        let mut papers = Vec::with_capacity(rows.len());
        for row in &rows {
            match self.read(drawer, row) {
                Ok(paper) => papers.push(paper),
                Err(error) => tracing::error!("a document does not open: {error}"),
            }
        }
        let damaged = rows.len() - papers.len();
        Ok((papers, damaged))
    }

    /// A person's, in no order that means anything.
    pub async fn of(&self, drawer: Drawer, person: PersonId) -> Result<Vec<Paper>, StoreError> {
        let query = format!("SELECT id, person, sealed FROM {} WHERE person = ?1", drawer.table().name);
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(AssertSqlSafe(query)).bind(person.0.0.to_vec()).fetch_all(reader.conn()).await?;
        rows.iter().map(|row| self.read(drawer, row)).collect()
    }

    /// Forgets a document, and says whether there was one.
    pub async fn delete(&self, drawer: Drawer, id: Id) -> Result<bool, StoreError> {
        let query = format!("DELETE FROM {} WHERE id = ?1", drawer.table().name);
        let mut tx = self.db.begin().await?;
        let deleted = sqlx::query(AssertSqlSafe(query)).bind(id.0.to_vec()).execute(tx.conn()).await?;
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Forgets everything of a person in one step: all drawers, and the key under which the journal of deeds keeps the
    /// person's data. The bytes are overwritten in the database file and its log. Returns how many documents there were.
    ///
    /// An error after the step was made durable means that the bytes may still be in the log, where the next
    /// checkpoint overwrites them; calling again is harmless.
    pub async fn erase(&self, person: PersonId) -> Result<usize, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut erased = 0;
        for drawer in Drawer::ALL {
            let table = drawer.table().name;
            // The person's own record is theirs whatever its `person` says.
            let theirs = if drawer == Drawer::Person { "person = ?1 OR id = ?1" } else { "person = ?1" };
            let query = format!("DELETE FROM {table} WHERE {theirs}");
            let deleted =
                sqlx::query(AssertSqlSafe(query)).bind(person.0.0.to_vec()).execute(tx.conn()).await?.rows_affected();
            erased += usize::try_from(deleted).unwrap_or(usize::MAX);
            write_anew(&mut tx, drawer.table(), true).await?;
        }
        person_keys::erase(&self.db, &mut tx, person).await?;
        write_anew(&mut tx, &PERSON_KEY, false).await?;
        tx.commit().await?;
        self.db.empty_log().await?;
        Ok(erased)
    }

    /// The plaintext is `0 | body`, or `1 | person 16 | body`.
    async fn write(&self, tx: &mut Tx<'_>, drawer: Drawer, paper: &Paper) -> Result<(), StoreError> {
        if paper.body.len() > PAPER_LIMIT {
            return Err(StoreError::TooLarge { what: "the document", limit: PAPER_LIMIT });
        }
        // Somebody may have been hashing a password while the person was erased.
        if let Some(person) = paper.person
            && matches!(person_keys::find(&self.db, tx.conn(), person).await?, person_keys::Found::Erased)
        {
            return Err(StoreError::conflict("this person has been erased: nothing of theirs is kept any more"));
        }
        let table = drawer.table();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(17 + paper.body.len()));
        plaintext.push(u8::from(paper.person.is_some()));
        plaintext.extend_from_slice(paper.person.as_ref().map_or(&[][..], |person| &person.0.0));
        plaintext.extend_from_slice(&paper.body);
        let query = format!(
            "INSERT INTO {} (id, person, sealed) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET person = excluded.person, sealed = excluded.sealed",
            table.name
        );
        sqlx::query(AssertSqlSafe(query))
            .bind(paper.id.0.to_vec())
            .bind(paper.person.map(|person| person.0.0.to_vec()))
            .bind(table.seal(&self.db.vault, &paper.id.0, &plaintext)?)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    fn read(&self, drawer: Drawer, row: &SqliteRow) -> Result<Paper, StoreError> {
        let table = drawer.table();
        let id: &[u8] = row.try_get(0)?;
        let column: Option<&[u8]> = row.try_get(1)?;
        let plaintext = table.open(&self.db.vault, id, row.try_get(2)?)?;
        let (person, body) = match plaintext.split_first() {
            Some((0, body)) => (None, body),
            Some((1, rest)) if rest.len() >= 16 => {
                let (person, body) = rest.split_at(16);
                (Some(person), body)
            }
            _ => return Err(table.damaged(id, "its content is not what this program writes")),
        };
        if person != column {
            return Err(table.damaged(id, "its columns were changed"));
        }
        Ok(Paper {
            id: id_of(id)?,
            person: person.map(id_of).transpose()?.map(PersonId),
            body: Zeroizing::new(body.to_vec()),
        })
    }
}

/// Clears a table's pages and writes its rows again. `secure_delete` overwrites the row that is deleted, and not the
/// copy of it that SQLite left in a neighbouring page when it once moved rows between the two; a table that is emptied
/// as a whole has all its pages overwritten. The tables are small: a household's.
pub(crate) async fn write_anew(tx: &mut Tx<'_>, table: &Table, with_person: bool) -> Result<(), StoreError> {
    let name = table.name;
    let columns = if with_person { "id, sealed, person" } else { "id, sealed, NULL" };
    let query = format!("SELECT {columns} FROM {name} ORDER BY id");
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(tx.conn()).await?;
    sqlx::query(AssertSqlSafe(format!("DELETE FROM {name}"))).execute(tx.conn()).await?;
    let insert = match with_person {
        true => format!("INSERT INTO {name} (id, sealed, person) VALUES (?1, ?2, ?3)"),
        false => format!("INSERT INTO {name} (id, sealed) VALUES (?1, ?2)"),
    };
    for row in &rows {
        let insert = sqlx::query(AssertSqlSafe(insert.as_str()))
            .bind(row.try_get::<Vec<u8>, _>(0)?)
            .bind(row.try_get::<Vec<u8>, _>(1)?);
        let insert = if with_person { insert.bind(row.try_get::<Option<Vec<u8>>, _>(2)?) } else { insert };
        insert.execute(tx.conn()).await?;
    }
    Ok(())
}
