//! One group commit as SQL: the rows of one transaction, sent to the database in one go. What the rows mean is the
//! committer's affair.
//!
//! The usual commit is one message to SQLite's thread: each further one would cost two changes of threads, which is
//! about what an fsync takes on a good disk.

use sqlx::SqliteConnection;

use crate::db::Db;
use crate::error::StoreError;

/// A row of the journal.
#[derive(Debug)]
pub(crate) struct JournalRow {
    pub id: i64,
    pub last_seq: i64,
    pub newest_at: Option<i64>,
    pub sealed: Vec<u8>,
}

/// What one transaction writes.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub journal: Option<JournalRow>,
    /// A row of the broker's log: its id, sealed.
    pub log: Option<(i64, Vec<u8>)>,
    /// New series: number, keyed hash of the name, sealed name.
    pub series: Vec<(i64, [u8; 32], Vec<u8>)>,
    /// What is left of the write budget: the id of its row in `history_mark`, sealed.
    pub budget: Option<(i64, Vec<u8>)>,
}

impl Group {
    pub fn is_empty(&self) -> bool {
        self.journal.is_none() && self.log.is_none() && self.series.is_empty() && self.budget.is_none()
    }

    /// The sizes of its rows.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        let journal = self.journal.as_ref().map(|row| row.sealed.len());
        let log = self.log.as_ref().map(|(_, sealed)| sealed.len());
        let budget = self.budget.as_ref().map(|(_, sealed)| sealed.len());
        journal.into_iter().chain(log).chain(budget).chain(self.series.iter().map(|(_, _, sealed)| sealed.len()))
    }
}

const JOURNAL_ONLY: &str = "BEGIN IMMEDIATE;
    INSERT INTO journal (id, last_seq, newest_at, sealed) VALUES (?, ?, ?, ?);
    COMMIT";
const LOG_ONLY: &str = "BEGIN IMMEDIATE;
    INSERT INTO broker_log (id, sealed) VALUES (?, ?);
    COMMIT";
const BOTH: &str = "BEGIN IMMEDIATE;
    INSERT INTO journal (id, last_seq, newest_at, sealed) VALUES (?, ?, ?, ?);
    INSERT INTO broker_log (id, sealed) VALUES (?, ?);
    COMMIT";

impl Db {
    /// Durable when this returns. An error may also mean that it is durable and the answer was lost.
    pub async fn commit_group(&self, group: &Group) -> Result<(), StoreError> {
        if group.is_empty() {
            return Ok(());
        }
        let usual = group.series.is_empty() && group.budget.is_none();
        let text = match (&group.journal, &group.log) {
            (Some(_), None) => JOURNAL_ONLY,
            (None, Some(_)) => LOG_ONLY,
            _ => BOTH,
        };
        if !usual || !self.commit_at_once(text, group).await? {
            let mut tx = self.begin().await?;
            write(tx.conn(), group).await?;
            tx.commit().await?;
        }
        self.wrote(group.sizes().map(|size| 2 + size as u64 / 4096).sum());
        Ok(())
    }

    /// `false`: nothing was done, because more has to be written along with it.
    async fn commit_at_once(&self, text: &'static str, group: &Group) -> Result<bool, StoreError> {
        let mut writer = self.writer().await?;
        if self.must_count_seals(&writer) {
            return Ok(false);
        }
        let mut query = sqlx::query(text);
        if let Some(row) = &group.journal {
            query = query.bind(row.id).bind(row.last_seq).bind(row.newest_at).bind(row.sealed.as_slice());
        }
        if let Some((id, sealed)) = &group.log {
            query = query.bind(*id).bind(sealed.as_slice());
        }
        writer.begins();
        let done = query.execute(writer.conn()).await.map_err(StoreError::from);
        writer.ended(done)?;
        Ok(true)
    }
}

async fn write(conn: &mut SqliteConnection, group: &Group) -> Result<(), StoreError> {
    write_series(conn, &group.series).await?;
    if let Some(row) = &group.journal {
        sqlx::query("INSERT INTO journal (id, last_seq, newest_at, sealed) VALUES (?1, ?2, ?3, ?4)")
            .bind(row.id)
            .bind(row.last_seq)
            .bind(row.newest_at)
            .bind(row.sealed.as_slice())
            .execute(&mut *conn)
            .await?;
    }
    if let Some((id, sealed)) = &group.log {
        sqlx::query("INSERT INTO broker_log (id, sealed) VALUES (?1, ?2)")
            .bind(*id)
            .bind(sealed.as_slice())
            .execute(&mut *conn)
            .await?;
    }
    if let Some((id, sealed)) = &group.budget {
        sqlx::query(
            "INSERT INTO history_mark (id, sealed) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(*id)
        .bind(sealed.as_slice())
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Writes new series. A row that was there and did not open keeps its number, because samples name it.
pub(crate) async fn write_series(
    conn: &mut SqliteConnection,
    series: &[(i64, [u8; 32], Vec<u8>)],
) -> Result<(), StoreError> {
    for (number, once, sealed) in series {
        sqlx::query(
            "INSERT INTO series (id, once, sealed) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(*number)
        .bind(once.as_slice())
        .bind(sealed.as_slice())
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
