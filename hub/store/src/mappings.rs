//! What the owner of the home says of devices that speak no dialect of the house, and the keys of meters that are heard by
//! radio. Sealed whole; what they say is known where they are read. A row that does not open is told and passed over.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row};
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;
use crate::tables::{MAPPING, METER_KEY, Table};

/// The largest mapping or key, in bytes.
pub const MAPPING_LIMIT: usize = 256 << 10;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MappingDrawer {
    /// Mappings.
    Mapping,
    /// Keys of meters.
    MeterKey,
}

impl MappingDrawer {
    /// Both.
    pub const ALL: [MappingDrawer; 2] = [MappingDrawer::Mapping, MappingDrawer::MeterKey];

    fn table(self) -> &'static Table {
        match self {
            MappingDrawer::Mapping => &MAPPING,
            MappingDrawer::MeterKey => &METER_KEY,
        }
    }
}

/// The shelf.
#[derive(Clone)]
pub struct Mappings {
    db: Arc<Db>,
}

impl Mappings {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Mappings { db }
    }

    /// All of a drawer that open, and how many do not.
    pub async fn all(&self, drawer: MappingDrawer) -> Result<(Vec<Zeroizing<Vec<u8>>>, usize), StoreError> {
        let table = drawer.table();
        let mut reader = self.db.read().await?;
        let query = AssertSqlSafe(format!("SELECT id, sealed FROM {}", table.name));
        let rows = sqlx::query(query).fetch_all(reader.conn()).await?;
        let mut bodies = Vec::with_capacity(rows.len());
        for row in &rows {
            match table.open(&self.db.vault, row.try_get(0)?, row.try_get(1)?) {
                Ok(body) => bodies.push(body),
                Err(error) => tracing::error!("a row of {} does not open: {error}", table.name),
            }
        }
        let damaged = rows.len() - bodies.len();
        Ok((bodies, damaged))
    }

    /// Keeps some, each in the place of the one of the same name, in one step. Durable when this returns.
    pub async fn put(&self, drawer: MappingDrawer, some: &[(&str, Zeroizing<Vec<u8>>)]) -> Result<(), StoreError> {
        if some.iter().any(|(_, body)| body.len() > MAPPING_LIMIT) {
            return Err(StoreError::TooLarge { what: "the mapping", limit: MAPPING_LIMIT });
        }
        let table = drawer.table();
        let mut tx = self.db.begin().await?;
        for (name, body) in some {
            let id = self.id(drawer, name);
            let query = AssertSqlSafe(format!(
                "INSERT INTO {} (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
                table.name
            ));
            sqlx::query(query)
                .bind(id.to_vec())
                .bind(table.seal(&self.db.vault, &id, body)?)
                .execute(tx.conn())
                .await?;
        }
        tx.commit().await
    }

    /// Forgets one, and says whether it was there. Its bytes are overwritten in the database.
    pub async fn remove(&self, drawer: MappingDrawer, name: &str) -> Result<bool, StoreError> {
        let query = AssertSqlSafe(format!("DELETE FROM {} WHERE id = ?1", drawer.table().name));
        let mut tx = self.db.begin().await?;
        let deleted = sqlx::query(query).bind(self.id(drawer, name).to_vec()).execute(tx.conn()).await?;
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    fn id(&self, drawer: MappingDrawer, name: &str) -> [u8; 32] {
        self.db.vault.keyed_hash(drawer.table().name, &[name.as_bytes()])
    }
}
