//! Messages of the portal and to it, sealed, with their time in clear so that the newest are found; and how far the
//! portal's were read. What a message says is known to the room. A row that does not open is told and passed over.

use std::sync::Arc;

use domovoi_model::{Id, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::{MESSAGE, MESSAGE_MARK, MESSAGE_OUT, Table};

/// The largest message, in bytes.
pub const MESSAGE_LIMIT: usize = 64 << 10;

/// Which way messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageBox {
    /// From the portal.
    In,
    /// To the portal.
    Out,
}

impl MessageBox {
    fn table(self) -> &'static Table {
        match self {
            MessageBox::In => &MESSAGE,
            MessageBox::Out => &MESSAGE_OUT,
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// A keyed hash of the portal's id, or random.
    pub id: Id,
    /// When it was written.
    pub at: Timestamp,
    /// The room's own words.
    pub body: Vec<u8>,
}

/// The messages.
#[derive(Clone)]
pub struct MessageShelf {
    db: Arc<Db>,
}

impl MessageShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        MessageShelf { db }
    }

    /// The id of a message by what the portal calls it.
    pub fn id_of(&self, portal_id: &str) -> Id {
        let hash = self.db.vault.keyed_hash("message", &[portal_id.as_bytes()]);
        Id(std::array::from_fn(|i| hash[i]))
    }

    /// One message.
    pub async fn get(&self, which: MessageBox, id: Id) -> Result<Option<MessageRow>, StoreError> {
        let query = AssertSqlSafe(format!("SELECT id, at, sealed FROM {} WHERE id = ?1", which.table().name));
        let mut reader = self.db.read().await?;
        let row = sqlx::query(query).bind(id.0.to_vec()).fetch_optional(reader.conn()).await?;
        row.map(|row| self.open(which.table(), &row)).transpose()
    }

    /// The newest before a place in that order, newest first; rows that do not open are left out.
    pub async fn before(
        &self,
        which: MessageBox,
        before: Option<(Timestamp, Id)>,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let query = AssertSqlSafe(format!(
            "SELECT id, at, sealed FROM {} WHERE (at, id) < (?1, ?2) ORDER BY at DESC, id DESC LIMIT ?3",
            which.table().name
        ));
        let (at, id) = before.unwrap_or((Timestamp(i64::MAX), Id([0xff; 16])));
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(query).bind(at.0).bind(id.0.to_vec()).bind(limit).fetch_all(reader.conn()).await?;
        let opened = rows.iter().filter_map(|row| {
            self.open(which.table(), row).inspect_err(|error| tracing::error!("a message does not open: {error}")).ok()
        });
        Ok(opened.collect())
    }

    /// Keeps messages, each in the place of the one with the same id, and perhaps a mark, in one step: what was read and
    /// how far it was read agree after a power cut. Durable when this returns.
    pub async fn put(
        &self,
        which: MessageBox,
        rows: &[MessageRow],
        mark: Option<(&str, &str)>,
    ) -> Result<(), StoreError> {
        let table = which.table();
        let mut tx = self.db.begin().await?;
        for row in rows {
            if row.body.len() > MESSAGE_LIMIT {
                return Err(StoreError::TooLarge { what: "a message", limit: MESSAGE_LIMIT });
            }
            let mut plaintext = row.at.0.to_be_bytes().to_vec();
            plaintext.extend_from_slice(&row.body);
            let query = AssertSqlSafe(format!(
                "INSERT INTO {} (id, at, sealed) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET at = excluded.at, sealed = excluded.sealed",
                table.name
            ));
            sqlx::query(query)
                .bind(row.id.0.to_vec())
                .bind(row.at.0)
                .bind(table.seal(&self.db.vault, &row.id.0, &plaintext)?)
                .execute(tx.conn())
                .await?;
        }
        if let Some((name, value)) = mark {
            self.write_mark(&mut tx, name, value).await?;
        }
        tx.commit().await
    }

    /// Forgets a message.
    pub async fn remove(&self, which: MessageBox, id: Id) -> Result<(), StoreError> {
        let query = AssertSqlSafe(format!("DELETE FROM {} WHERE id = ?1", which.table().name));
        let mut tx = self.db.begin().await?;
        sqlx::query(query).bind(id.0.to_vec()).execute(tx.conn()).await?;
        tx.commit().await
    }

    /// Forgets all but the newest of the portal's messages; how many went.
    pub async fn thin(&self, keep: u32) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let gone = sqlx::query(
            "DELETE FROM message WHERE id IN (SELECT id FROM message ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?1)",
        )
        .bind(keep)
        .execute(tx.conn())
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(gone)
    }

    /// A mark by its name.
    pub async fn mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, sealed FROM message_mark WHERE id = ?1")
            .bind(self.mark_id(name).to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| MESSAGE_MARK.open_json(&self.db.vault, row.try_get(0)?, row.try_get(1)?)).transpose()
    }

    /// Keeps a mark.
    pub async fn set_mark(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.write_mark(&mut tx, name, value).await?;
        tx.commit().await
    }

    async fn write_mark(&self, tx: &mut Tx<'_>, name: &str, value: &str) -> Result<(), StoreError> {
        let id = self.mark_id(name);
        sqlx::query(
            "INSERT INTO message_mark (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(id.to_vec())
        .bind(MESSAGE_MARK.seal_json(&self.db.vault, &id, &value)?)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    fn open(&self, table: &Table, row: &SqliteRow) -> Result<MessageRow, StoreError> {
        let (id, at): (&[u8], i64) = (row.try_get(0)?, row.try_get(1)?);
        let plaintext = table.open(&self.db.vault, id, row.try_get(2)?)?;
        match plaintext.split_first_chunk::<8>() {
            Some((inside, body)) if i64::from_be_bytes(*inside) == at => {
                Ok(MessageRow { id: id_of(id)?, at: Timestamp(at), body: body.to_vec() })
            }
            _ => Err(table.damaged(id, "its columns were changed")),
        }
    }

    fn mark_id(&self, name: &str) -> [u8; 32] {
        self.db.vault.keyed_hash("message_mark", &[name.as_bytes()])
    }
}
