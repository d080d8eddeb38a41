//! Warnings and reminders that are open. A notice is a kind and its parameters; the words are made where they are shown,
//! in the reader's language.

use std::sync::Arc;

use domovoi_model::Moment;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::MomentRow;
use crate::tables::NOTICE;

/// Something the owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which sentence.
    pub kind: String,
    /// What to fill into it, by name.
    pub params: Vec<(String, String)>,
    /// Since when.
    pub at: Moment,
}

/// A notice that was raised and not cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenNotice {
    /// What it was raised under.
    pub key: String,
    /// The notice.
    pub notice: Notice,
}

#[derive(Serialize, Deserialize)]
struct NoticeRow {
    key: String,
    kind: String,
    params: Vec<(String, String)>,
    at: MomentRow,
}

/// The notices.
#[derive(Clone)]
pub struct Notices {
    db: Arc<Db>,
}

impl Notices {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Notices { db }
    }

    /// Raises a notice, unless one of this key is open already; says whether it is new. An open one stays as it is, so
    /// that a rule may say the same thing every minute and the owner hears it once.
    pub async fn raise(&self, key: &str, notice: &Notice) -> Result<bool, StoreError> {
        let id = self.id(key);
        let row = NoticeRow {
            key: key.to_owned(),
            kind: notice.kind.clone(),
            params: notice.params.clone(),
            at: notice.at.into(),
        };
        let mut tx = self.db.begin().await?;
        let inserted = sqlx::query("INSERT INTO notice (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING")
            .bind(id.to_vec())
            .bind(NOTICE.seal_json(&self.db.vault, &id, &row)?)
            .execute(tx.conn())
            .await?;
        let new = inserted.rows_affected() > 0;
        if new {
            tx.commit().await?;
        }
        Ok(new)
    }

    /// The open notices, in the order in which they were raised. One that does not open is told and passed over: the
    /// others must be heard.
    pub async fn open(&self) -> Result<Vec<OpenNotice>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM notice ORDER BY rowid").fetch_all(reader.conn()).await?;
        let mut open = Vec::with_capacity(rows.len());
        for row in &rows {
            let opened: Result<NoticeRow, StoreError> =
                NOTICE.open_json(&self.db.vault, row.try_get(0)?, row.try_get(1)?);
            let content = match opened {
                Ok(content) => content,
                Err(error) => {
                    tracing::error!("a notice does not open: {error}");
                    continue;
                }
            };
            let at = self.db.resolve(content.at.into());
            open.push(OpenNotice {
                key: content.key,
                notice: Notice { kind: content.kind, params: content.params, at },
            });
        }
        Ok(open)
    }

    /// Closes a notice, and says whether it was open.
    pub async fn clear(&self, key: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let deleted =
            sqlx::query("DELETE FROM notice WHERE id = ?1").bind(self.id(key).to_vec()).execute(tx.conn()).await?;
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    fn id(&self, key: &str) -> [u8; 32] {
        self.db.vault.keyed_hash("notice", &[key.as_bytes()])
    }
}
