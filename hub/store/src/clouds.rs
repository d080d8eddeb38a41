//! Makers' clouds: the link with each, and what each has. Documents of the room, sealed whole; what they say is known there. A
//! row that does not open is told and passed over.

use std::sync::Arc;

use domovoi_model::Id;
use sqlx::{AssertSqlSafe, Row};
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::{CLOUD_LINK, CLOUD_THING, Table};

/// The largest document, in bytes.
pub const CLOUD_LIMIT: usize = 64 << 10;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloudDrawer {
    /// Links, with their tokens.
    Link,
    /// What is in a cloud.
    Thing,
}

impl CloudDrawer {
    /// All of them.
    pub const ALL: [CloudDrawer; 2] = [CloudDrawer::Link, CloudDrawer::Thing];

    fn table(self) -> &'static Table {
        match self {
            CloudDrawer::Link => &CLOUD_LINK,
            CloudDrawer::Thing => &CLOUD_THING,
        }
    }
}

/// A document of the room.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudPaper {
    /// A keyed hash.
    pub id: Id,
    /// The room's own words.
    pub body: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for CloudPaper {
    /// There are tokens in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CloudPaper({}, {} bytes)", self.id, self.body.len())
    }
}

/// The shelf.
#[derive(Clone)]
pub struct CloudShelf {
    db: Arc<Db>,
}

impl CloudShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        CloudShelf { db }
    }

    /// An id that only this store can compute.
    pub fn id_of(&self, what: &str, parts: &[&[u8]]) -> Id {
        let hash = self.db.vault.keyed_hash(what, parts);
        Id(std::array::from_fn(|i| hash[i]))
    }

    /// All of a drawer that open, and how many do not.
    pub async fn all(&self, drawer: CloudDrawer) -> Result<(Vec<CloudPaper>, usize), StoreError> {
        let table = drawer.table();
        let mut reader = self.db.read().await?;
        let query = AssertSqlSafe(format!("SELECT id, sealed FROM {} ORDER BY id", table.name));
        let rows = sqlx::query(query).fetch_all(reader.conn()).await?;
        let mut papers = Vec::with_capacity(rows.len());
        for row in &rows {
            let open = || -> Result<CloudPaper, StoreError> {
                let id: &[u8] = row.try_get(0)?;
                Ok(CloudPaper { id: id_of(id)?, body: table.open(&self.db.vault, id, row.try_get(1)?)? })
            };
            match open() {
                Ok(paper) => papers.push(paper),
                Err(error) => tracing::error!("something of a maker's cloud does not open: {error}"),
            }
        }
        let damaged = rows.len() - papers.len();
        Ok((papers, damaged))
    }

    /// Keeps documents, each in the place of the one with the same id, in one step. Durable when this returns: only then may
    /// a refresh token that replaces another one be used.
    pub async fn put(&self, drawer: CloudDrawer, papers: &[CloudPaper]) -> Result<(), StoreError> {
        let table = drawer.table();
        if papers.iter().any(|paper| paper.body.len() > CLOUD_LIMIT) {
            return Err(StoreError::TooLarge { what: "a part of a maker's cloud", limit: CLOUD_LIMIT });
        }
        let mut tx = self.db.begin().await?;
        for paper in papers {
            let query = AssertSqlSafe(format!(
                "INSERT INTO {} (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
                table.name
            ));
            sqlx::query(query)
                .bind(paper.id.0.to_vec())
                .bind(table.seal(&self.db.vault, &paper.id.0, &paper.body)?)
                .execute(tx.conn())
                .await?;
        }
        tx.commit().await
    }

    /// Forgets documents of both drawers in one step.
    pub async fn remove(&self, gone: &[(CloudDrawer, Id)]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for (drawer, id) in gone {
            let query = AssertSqlSafe(format!("DELETE FROM {} WHERE id = ?1", drawer.table().name));
            sqlx::query(query).bind(id.0.to_vec()).execute(tx.conn()).await?;
        }
        tx.commit().await
    }
}
