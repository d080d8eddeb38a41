//! Alerts, the marks of the messages that they were made of, and how far feeds were read: documents of the room, sealed
//! whole. What is found by time stands outside of the seal and inside too, and the two are compared. A row that does not
//! open is told and passed over: it must not keep the others from being heard.

use std::sync::Arc;

use domovoi_model::{Id, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::{ALERT, ALERT_FEED, ALERT_MARK, Table};

/// An alert as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Its own.
    pub id: Id,
    /// When it was raised, as the hub's clock stood: pages of history are in this order.
    pub raised_at: Timestamp,
    /// When it ended; `None` while it stands.
    pub ended_at: Option<Timestamp>,
    /// The room's own words: UTF-8.
    pub body: Vec<u8>,
}

/// A message that was heard, or that another one named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMark {
    /// The message's name; its keyed hash stands in clear.
    pub key: String,
    /// It may be forgotten after this.
    pub keep_until: Timestamp,
    /// The room's own words: UTF-8.
    pub body: Vec<u8>,
}

/// How far a feed was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFeedRow {
    /// The feed's name in the settings.
    pub name: String,
    /// The room's own words: UTF-8.
    pub body: Vec<u8>,
}

/// What becomes durable in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertBatch {
    /// Each in the place of the one of its id.
    pub alerts: Vec<AlertRow>,
    /// Each in the place of the one of its name.
    pub marks: Vec<AlertMark>,
    /// Likewise.
    pub feeds: Vec<AlertFeedRow>,
}

impl AlertBatch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.marks.is_empty() && self.feeds.is_empty()
    }
}

/// Where a page of history begins, and in which span it lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlertSpan {
    /// Raised then or later.
    pub from: Option<Timestamp>,
    /// Raised before then.
    pub until: Option<Timestamp>,
    /// Older than this one.
    pub before: Option<(Timestamp, Id)>,
}

/// The alerts.
#[derive(Clone)]
pub struct AlertShelf {
    db: Arc<Db>,
}

impl AlertShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        AlertShelf { db }
    }

    /// Keeps all of it or nothing. Durable when this returns.
    pub async fn put(&self, batch: &AlertBatch) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for alert in &batch.alerts {
            self.put_alert(&mut tx, alert).await?;
        }
        for mark in &batch.marks {
            let id = self.hashed(&ALERT_MARK, &mark.key);
            let body = String::from_utf8_lossy(&mark.body);
            let sealed = ALERT_MARK.seal_json(&self.db.vault, &id, &(&mark.key, mark.keep_until.0, body))?;
            sqlx::query("INSERT OR REPLACE INTO alert_mark (id, keep_until, sealed) VALUES (?1, ?2, ?3)")
                .bind(id.to_vec())
                .bind(mark.keep_until.0)
                .bind(sealed)
                .execute(tx.conn())
                .await?;
        }
        for feed in &batch.feeds {
            let id = self.hashed(&ALERT_FEED, &feed.name);
            let body = String::from_utf8_lossy(&feed.body);
            let sealed = ALERT_FEED.seal_json(&self.db.vault, &id, &(&feed.name, body))?;
            sqlx::query("INSERT OR REPLACE INTO alert_feed (id, sealed) VALUES (?1, ?2)")
                .bind(id.to_vec())
                .bind(sealed)
                .execute(tx.conn())
                .await?;
        }
        tx.commit().await
    }

    async fn put_alert(&self, tx: &mut Tx<'_>, alert: &AlertRow) -> Result<(), StoreError> {
        let (raised, ended) = (alert.raised_at.0, alert.ended_at.map(|at| at.0));
        let body = String::from_utf8_lossy(&alert.body);
        let sealed = ALERT.seal_json(&self.db.vault, &alert.id.0, &(raised, ended, body))?;
        sqlx::query("INSERT OR REPLACE INTO alert (id, raised_at, ended_at, sealed) VALUES (?1, ?2, ?3, ?4)")
            .bind(alert.id.0.to_vec())
            .bind(raised)
            .bind(ended)
            .bind(sealed)
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// The newest of those that stand, and how many rows did not open.
    pub async fn standing(&self, limit: usize) -> Result<(Vec<AlertRow>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT id, raised_at, ended_at, sealed FROM alert WHERE ended_at IS NULL ORDER BY raised_at DESC LIMIT ?1",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(reader.conn())
        .await?;
        Ok(self.opened(&rows))
    }

    /// One of them.
    pub async fn get(&self, id: Id) -> Result<Option<AlertRow>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query("SELECT id, raised_at, ended_at, sealed FROM alert WHERE id = ?1")
            .bind(id.0.to_vec())
            .fetch_optional(reader.conn())
            .await?;
        row.map(|row| self.alert(&row)).transpose()
    }

    /// A page, the newest first, and how many of its rows did not open.
    pub async fn page(&self, span: &AlertSpan, limit: usize) -> Result<(Vec<AlertRow>, usize), StoreError> {
        let (at, id) = match span.before {
            Some((at, id)) => (at.0, id.0.to_vec()),
            None => (i64::MAX, vec![0xFF; 17]),
        };
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT id, raised_at, ended_at, sealed FROM alert
             WHERE raised_at >= ?1 AND raised_at < ?2 AND (raised_at, id) < (?3, ?4)
             ORDER BY raised_at DESC, id DESC LIMIT ?5",
        )
        .bind(span.from.map_or(i64::MIN, |at| at.0))
        .bind(span.until.map_or(i64::MAX, |at| at.0))
        .bind(at)
        .bind(id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(reader.conn())
        .await?;
        Ok(self.opened(&rows))
    }

    /// The marks that are to be kept longest, and how many rows did not open.
    pub async fn marks(&self, limit: usize) -> Result<(Vec<AlertMark>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, keep_until, sealed FROM alert_mark ORDER BY keep_until DESC LIMIT ?1")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(reader.conn())
            .await?;
        let read = |row: &SqliteRow| -> Result<AlertMark, StoreError> {
            let id: &[u8] = row.try_get(0)?;
            let (key, until, body): (String, i64, String) =
                ALERT_MARK.open_json(&self.db.vault, id, row.try_get(2)?)?;
            if until != row.try_get::<i64, _>(1)? {
                return Err(ALERT_MARK.damaged(id, "its columns were changed"));
            }
            Ok(AlertMark { key, keep_until: Timestamp(until), body: body.into_bytes() })
        };
        Ok(sound(rows.iter().map(read), "a mark of an alert's message"))
    }

    /// How far feeds were read, and how many rows did not open.
    pub async fn feeds(&self) -> Result<(Vec<AlertFeedRow>, usize), StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id, sealed FROM alert_feed ORDER BY id").fetch_all(reader.conn()).await?;
        let read = |row: &SqliteRow| -> Result<AlertFeedRow, StoreError> {
            let (name, body): (String, String) =
                ALERT_FEED.open_json(&self.db.vault, row.try_get(0)?, row.try_get(1)?)?;
            Ok(AlertFeedRow { name, body: body.into_bytes() })
        };
        Ok(sound(rows.iter().map(read), "a feed's place"))
    }

    /// Forgets alerts that ended before, and marks that need not be kept after `now`; of marks no more than `most` are left,
    /// those to be kept longest. Returns how many rows went.
    pub async fn thin(&self, ended_before: Timestamp, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut gone = sqlx::query("DELETE FROM alert WHERE ended_at < ?1")
            .bind(ended_before.0)
            .execute(tx.conn())
            .await?
            .rows_affected();
        gone += sqlx::query("DELETE FROM alert_mark WHERE keep_until < ?1")
            .bind(now.0)
            .execute(tx.conn())
            .await?
            .rows_affected();
        gone += sqlx::query(
            "DELETE FROM alert_mark WHERE id IN
             (SELECT id FROM alert_mark ORDER BY keep_until DESC LIMIT -1 OFFSET ?1)",
        )
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .execute(tx.conn())
        .await?
        .rows_affected();
        if gone == 0 {
            tx.give_up().await;
        } else {
            tx.commit().await?;
        }
        Ok(gone)
    }

    fn opened(&self, rows: &[SqliteRow]) -> (Vec<AlertRow>, usize) {
        sound(rows.iter().map(|row| self.alert(row)), "an alert")
    }

    fn alert(&self, row: &SqliteRow) -> Result<AlertRow, StoreError> {
        let id: &[u8] = row.try_get(0)?;
        let columns: (i64, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        let (raised, ended, body): (i64, Option<i64>, String) = ALERT.open_json(&self.db.vault, id, row.try_get(3)?)?;
        if columns != (raised, ended) {
            return Err(ALERT.damaged(id, "its columns were changed"));
        }
        Ok(AlertRow {
            id: id_of(id)?,
            raised_at: Timestamp(raised),
            ended_at: ended.map(Timestamp),
            body: body.into_bytes(),
        })
    }

    fn hashed(&self, table: &Table, name: &str) -> [u8; 32] {
        self.db.vault.keyed_hash(table.name, &[name.as_bytes()])
    }
}

fn sound<T>(rows: impl Iterator<Item = Result<T, StoreError>>, what: &str) -> (Vec<T>, usize) {
    let (mut found, mut damaged) = (Vec::new(), 0);
    for row in rows {
        match row {
            Ok(row) => found.push(row),
            Err(error) => {
                tracing::error!("{what} does not open: {error}");
                damaged += 1;
            }
        }
    }
    (found, damaged)
}
