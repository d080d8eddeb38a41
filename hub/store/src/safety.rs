//! Rules of the reflex and dangers that are not over: documents of the room, sealed whole. A row that does not open is left
//! out and told: the others, and the rules that are built in, count all the same.

use std::sync::Arc;

use sqlx::Row;

use crate::db::Db;
use crate::error::StoreError;
use crate::tables::{DANGER, SAFETY_RULE, Table};

/// A document under its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyRow {
    /// The room's own; its keyed hash stands in clear.
    pub id: String,
    /// The room's own words.
    pub body: Vec<u8>,
}

/// Rules and open dangers.
#[derive(Clone)]
pub struct Safety {
    db: Arc<Db>,
}

impl Safety {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Safety { db }
    }

    /// The rules that were kept, and how many rows did not open.
    pub async fn rules(&self) -> Result<(Vec<SafetyRow>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM safety_rule ORDER BY id").fetch_all(reader.conn()).await?;
        Ok(self.opened(&SAFETY_RULE, &rows))
    }

    /// The dangers that were not over, and how many rows did not open.
    pub async fn dangers(&self) -> Result<(Vec<SafetyRow>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM danger ORDER BY id").fetch_all(reader.conn()).await?;
        Ok(self.opened(&DANGER, &rows))
    }

    /// Keeps a rule in place of the one of the same id.
    pub async fn put_rule(&self, rule: &SafetyRow) -> Result<(), StoreError> {
        let (id, sealed) = self.sealed(&SAFETY_RULE, rule)?;
        let mut tx = self.db.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO safety_rule (id, sealed) VALUES (?1, ?2)")
            .bind(id.to_vec())
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        tx.commit().await
    }

    /// Forgets a rule; whether there was one.
    pub async fn remove_rule(&self, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let id = self.id(&SAFETY_RULE, id);
        let gone = sqlx::query("DELETE FROM safety_rule WHERE id = ?1").bind(id.to_vec()).execute(tx.conn()).await?;
        tx.commit().await?;
        Ok(gone.rows_affected() > 0)
    }

    /// These dangers are open, and no others.
    pub async fn keep_dangers(&self, dangers: &[SafetyRow]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        sqlx::query("DELETE FROM danger").execute(tx.conn()).await?;
        for danger in dangers {
            let (id, sealed) = self.sealed(&DANGER, danger)?;
            sqlx::query("INSERT OR REPLACE INTO danger (id, sealed) VALUES (?1, ?2)")
                .bind(id.to_vec())
                .bind(sealed)
                .execute(tx.conn())
                .await?;
        }
        tx.commit().await
    }

    fn opened(&self, table: &Table, rows: &[sqlx::sqlite::SqliteRow]) -> (Vec<SafetyRow>, usize) {
        let mut damaged = 0;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let open = || -> Result<SafetyRow, StoreError> {
                let (id, body): (String, String) = table.open_json(&self.db.vault, row.try_get(0)?, row.try_get(1)?)?;
                Ok(SafetyRow { id, body: body.into_bytes() })
            };
            match open() {
                Ok(row) => found.push(row),
                Err(error) => {
                    tracing::error!("a rule or a danger of the reflex does not open: {error}");
                    damaged += 1;
                }
            }
        }
        (found, damaged)
    }

    fn sealed(&self, table: &Table, row: &SafetyRow) -> Result<([u8; 32], Vec<u8>), StoreError> {
        let id = self.id(table, &row.id);
        let body = String::from_utf8_lossy(&row.body);
        Ok((id, table.seal_json(&self.db.vault, &id, &(row.id.as_str(), body))?))
    }

    fn id(&self, table: &Table, id: &str) -> [u8; 32] {
        self.db.vault.keyed_hash(table.name, &[id.as_bytes()])
    }
}
