//! What the room of presence keeps: how each person stands and is seen, and secret addresses. Documents of the room, sealed
//! whole; what they say is known there. A row that does not open is told and passed over.

use std::sync::Arc;

use domovoi_model::Id;
use sqlx::{AssertSqlSafe, Row};
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::{PRESENCE, PRESENCE_LINK, Table};

/// The largest document, in bytes.
pub const PRESENCE_LIMIT: usize = 32 << 10;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresenceDrawer {
    /// People, by their ids.
    Person,
    /// Secret addresses, by the hash of each.
    Link,
}

impl PresenceDrawer {
    /// All of them.
    pub const ALL: [PresenceDrawer; 2] = [PresenceDrawer::Person, PresenceDrawer::Link];

    fn table(self) -> &'static Table {
        match self {
            PresenceDrawer::Person => &PRESENCE,
            PresenceDrawer::Link => &PRESENCE_LINK,
        }
    }
}

/// A document of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresencePaper {
    /// A person's id, or a keyed hash.
    pub id: Id,
    /// The room's own words.
    pub body: Zeroizing<Vec<u8>>,
}

/// The shelf.
#[derive(Clone)]
pub struct PresenceShelf {
    db: Arc<Db>,
}

impl PresenceShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        PresenceShelf { db }
    }

    /// The id of a secret address, which only this store can compute.
    pub fn id_of(&self, secret: &[u8]) -> Id {
        let hash = self.db.vault.keyed_hash("presence_link", &[secret]);
        Id(std::array::from_fn(|i| hash[i]))
    }

    /// All of a drawer that open, and how many do not.
    pub async fn all(&self, drawer: PresenceDrawer) -> Result<(Vec<PresencePaper>, usize), StoreError> {
        let table = drawer.table();
        let mut reader = self.db.read().await?;
        let query = AssertSqlSafe(format!("SELECT id, sealed FROM {} ORDER BY id", table.name));
        let rows = sqlx::query(query).fetch_all(reader.conn()).await?;
        let mut papers = Vec::with_capacity(rows.len());
        for row in &rows {
            let open = || -> Result<PresencePaper, StoreError> {
                let id: &[u8] = row.try_get(0)?;
                Ok(PresencePaper { id: id_of(id)?, body: table.open(&self.db.vault, id, row.try_get(1)?)? })
            };
            match open() {
                Ok(paper) => papers.push(paper),
                Err(error) => tracing::error!("who is at home does not open: {error}"),
            }
        }
        let damaged = rows.len() - papers.len();
        Ok((papers, damaged))
    }

    /// Keeps a document in the place of the one with the same id. Durable when this returns.
    pub async fn put(&self, drawer: PresenceDrawer, paper: &PresencePaper) -> Result<(), StoreError> {
        if paper.body.len() > PRESENCE_LIMIT {
            return Err(StoreError::TooLarge { what: "who is at home", limit: PRESENCE_LIMIT });
        }
        let table = drawer.table();
        let mut tx = self.db.begin().await?;
        let query = AssertSqlSafe(format!(
            "INSERT INTO {} (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
            table.name
        ));
        sqlx::query(query)
            .bind(paper.id.0.to_vec())
            .bind(table.seal(&self.db.vault, &paper.id.0, &paper.body)?)
            .execute(tx.conn())
            .await?;
        tx.commit().await
    }

    /// Forgets documents of both drawers in one step.
    pub async fn remove(&self, gone: &[(PresenceDrawer, Id)]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for (drawer, id) in gone {
            let query = AssertSqlSafe(format!("DELETE FROM {} WHERE id = ?1", drawer.table().name));
            sqlx::query(query).bind(id.0.to_vec()).execute(tx.conn()).await?;
        }
        tx.commit().await
    }
}
