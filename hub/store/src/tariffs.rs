//! What consumption insight keeps: tariffs, and the rooms whose warmth is watched. Documents of the room, sealed whole; what
//! they say is known there. A row that does not open is told and passed over.

use std::sync::Arc;

use domovoi_model::Id;
use sqlx::{AssertSqlSafe, Row};
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::{TARIFF, Table, WARMTH_PLACE};

/// The largest document, in bytes.
pub const TARIFF_LIMIT: usize = 64 << 10;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InsightDrawer {
    /// Tariffs.
    Tariff,
    /// Rooms whose warmth is watched.
    Warmth,
}

impl InsightDrawer {
    /// All of them.
    pub const ALL: [InsightDrawer; 2] = [InsightDrawer::Tariff, InsightDrawer::Warmth];

    fn table(self) -> &'static Table {
        match self {
            InsightDrawer::Tariff => &TARIFF,
            InsightDrawer::Warmth => &WARMTH_PLACE,
        }
    }
}

/// A document of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsightPaper {
    /// Random.
    pub id: Id,
    /// The room's own words.
    pub body: Zeroizing<Vec<u8>>,
}

/// The shelf.
#[derive(Clone)]
pub struct InsightShelf {
    db: Arc<Db>,
}

impl InsightShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        InsightShelf { db }
    }

    /// All of a drawer that open, and how many do not.
    pub async fn all(&self, drawer: InsightDrawer) -> Result<(Vec<InsightPaper>, usize), StoreError> {
        let table = drawer.table();
        let mut reader = self.db.read().await?;
        let query = AssertSqlSafe(format!("SELECT id, sealed FROM {} ORDER BY id", table.name));
        let rows = sqlx::query(query).fetch_all(reader.conn()).await?;
        let mut papers = Vec::with_capacity(rows.len());
        for row in &rows {
            let open = || -> Result<InsightPaper, StoreError> {
                let id: &[u8] = row.try_get(0)?;
                Ok(InsightPaper { id: id_of(id)?, body: table.open(&self.db.vault, id, row.try_get(1)?)? })
            };
            match open() {
                Ok(paper) => papers.push(paper),
                Err(error) => tracing::error!("a tariff or a watched room does not open: {error}"),
            }
        }
        let damaged = rows.len() - papers.len();
        Ok((papers, damaged))
    }

    /// Keeps a document in the place of the one with the same id. Durable when this returns.
    pub async fn put(&self, drawer: InsightDrawer, paper: &InsightPaper) -> Result<(), StoreError> {
        let table = drawer.table();
        if paper.body.len() > TARIFF_LIMIT {
            return Err(StoreError::TooLarge { what: "a tariff", limit: TARIFF_LIMIT });
        }
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

    /// Forgets a document.
    pub async fn remove(&self, drawer: InsightDrawer, id: Id) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let query = AssertSqlSafe(format!("DELETE FROM {} WHERE id = ?1", drawer.table().name));
        sqlx::query(query).bind(id.0.to_vec()).execute(tx.conn()).await?;
        tx.commit().await
    }
}
