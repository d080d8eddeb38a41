//! What the calendar keeps: events, how far they were told, calendars elsewhere and what was read there, secret addresses.
//! Documents of the room, sealed whole; what they say is known there. A row that does not open is told and passed over.

use std::sync::Arc;

use domovoi_model::Id;
use sqlx::{AssertSqlSafe, Row};
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;
use crate::rows::id_of;
use crate::tables::{CALENDAR_DOCUMENT, CALENDAR_EVENT, CALENDAR_FEED, CALENDAR_MARK, CALENDAR_SOURCE, Table};

/// The largest event, mark, source or feed, in bytes.
pub const EVENT_LIMIT: usize = 128 << 10;

/// The largest document of a calendar elsewhere, in bytes.
pub const DOCUMENT_LIMIT: usize = 4 << 20;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarDrawer {
    /// Events of the household.
    Event,
    /// How far an event was told, and what of it is done.
    Mark,
    /// Calendars elsewhere.
    Source,
    /// What was read there last.
    Document,
    /// Secret addresses.
    Feed,
}

impl CalendarDrawer {
    /// All of them.
    pub const ALL: [CalendarDrawer; 5] = [
        CalendarDrawer::Event,
        CalendarDrawer::Mark,
        CalendarDrawer::Source,
        CalendarDrawer::Document,
        CalendarDrawer::Feed,
    ];

    fn table(self) -> &'static Table {
        match self {
            CalendarDrawer::Event => &CALENDAR_EVENT,
            CalendarDrawer::Mark => &CALENDAR_MARK,
            CalendarDrawer::Source => &CALENDAR_SOURCE,
            CalendarDrawer::Document => &CALENDAR_DOCUMENT,
            CalendarDrawer::Feed => &CALENDAR_FEED,
        }
    }

    fn limit(self) -> usize {
        match self {
            CalendarDrawer::Document => DOCUMENT_LIMIT,
            _ => EVENT_LIMIT,
        }
    }
}

/// A document of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarPaper {
    /// Random, or a keyed hash.
    pub id: Id,
    /// The room's own words.
    pub body: Zeroizing<Vec<u8>>,
}

/// The shelf.
#[derive(Clone)]
pub struct CalendarShelf {
    db: Arc<Db>,
}

impl CalendarShelf {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        CalendarShelf { db }
    }

    /// An id that only this store can compute: of a secret address, of what another room or calendar calls an event.
    pub fn id_of(&self, what: &str, parts: &[&[u8]]) -> Id {
        let hash = self.db.vault.keyed_hash(what, parts);
        Id(std::array::from_fn(|i| hash[i]))
    }

    /// All of a drawer that open, and how many do not.
    pub async fn all(&self, drawer: CalendarDrawer) -> Result<(Vec<CalendarPaper>, usize), StoreError> {
        let table = drawer.table();
        let mut reader = self.db.read().await?;
        let query = AssertSqlSafe(format!("SELECT id, sealed FROM {} ORDER BY id", table.name));
        let rows = sqlx::query(query).fetch_all(reader.conn()).await?;
        let mut papers = Vec::with_capacity(rows.len());
        for row in &rows {
            let open = || -> Result<CalendarPaper, StoreError> {
                let id: &[u8] = row.try_get(0)?;
                Ok(CalendarPaper { id: id_of(id)?, body: table.open(&self.db.vault, id, row.try_get(1)?)? })
            };
            match open() {
                Ok(paper) => papers.push(paper),
                Err(error) => tracing::error!("something of the calendar does not open: {error}"),
            }
        }
        let damaged = rows.len() - papers.len();
        Ok((papers, damaged))
    }

    /// Keeps documents, each in the place of the one with the same id, in one step. Durable when this returns.
    pub async fn put(&self, drawer: CalendarDrawer, papers: &[CalendarPaper]) -> Result<(), StoreError> {
        let table = drawer.table();
        let mut tx = self.db.begin().await?;
        for paper in papers {
            if paper.body.len() > drawer.limit() {
                return Err(StoreError::TooLarge { what: "a part of the calendar", limit: drawer.limit() });
            }
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

    /// Forgets documents of several drawers in one step.
    pub async fn remove(&self, gone: &[(CalendarDrawer, Id)]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for (drawer, id) in gone {
            let query = AssertSqlSafe(format!("DELETE FROM {} WHERE id = ?1", drawer.table().name));
            sqlx::query(query).bind(id.0.to_vec()).execute(tx.conn()).await?;
        }
        tx.commit().await
    }
}
