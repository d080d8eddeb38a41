//! Verification of the journal of deeds: the rows against their seals, their numbers, their hashes and the record of the
//! end. It names what is wrong and mends nothing.

use std::fmt;

use domovoi_vault::Vault;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::{self, AuditRow, HASH};
use super::{Audit, AuditEnd, read_head};
use crate::error::StoreError;
use crate::tables::AUDIT;

/// Rows read at once.
const BATCH: i64 = 200;

/// More than so many faults are not told one by one.
const FLAWS: usize = 1000;

/// Among so many rows that do not open it is tried out which of them stands in the place of which.
const MOVED: usize = 64;

/// Something that is wrong with the journal of deeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// The row does not open: edited without the key, or put here from elsewhere.
    Unreadable(i64),
    /// What stands in this row was written as another one.
    Moved {
        /// Where it stands.
        row: i64,
        /// Where it belongs.
        from: i64,
    },
    /// The row opens and is not the one of which the next row has the hash.
    Edited(i64),
    /// As much can be true of this row: the row behind it, which would tell, was edited too.
    PerhapsEdited(i64),
    /// This row or the next one was edited: the row behind the two, which would tell, is not there or does not open.
    ThisOrNextEdited(i64),
    /// The row's time was changed in the table; inside of it stands another one.
    TimeChanged(i64),
    /// The first row does not begin the journal.
    Beginning,
    /// Rows that are not there, from one to another.
    Missing(i64, i64),
    /// Rows at the end that are not there, from one to another.
    CutOff(i64, i64),
    /// A row that the journal never wrote.
    Inserted(i64),
    /// The record of the end is not there.
    EndMissing,
    /// The record of the end does not open.
    EndUnreadable,
    /// The record of the end had been lost when this row was written: rows before it may have been cut off.
    EndWasLost(i64),
    /// There are more faults than are told.
    AndMore,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |first: &i64, last: &i64| match first == last {
            true => format!("row {first}"),
            false => format!("rows {first} to {last}"),
        };
        match self {
            Flaw::Unreadable(row) => write!(f, "row {row} does not open: it was edited, or put here from elsewhere"),
            Flaw::Moved { row, from } => write!(f, "row {row} was put elsewhere: what stands there was row {from}"),
            Flaw::Edited(row) => write!(f, "row {row} was edited: the row behind it knows it otherwise"),
            Flaw::PerhapsEdited(row) => {
                write!(f, "row {row} may have been edited: the row behind it, which would tell, was edited itself")
            }
            Flaw::ThisOrNextEdited(row) => {
                let next = row.saturating_add(1);
                write!(f, "row {row} or row {next} was edited: the row behind them, which would tell, cannot be read")
            }
            Flaw::TimeChanged(row) => {
                write!(f, "row {row}: its time was changed; the time inside of it is the true one")
            }
            Flaw::Beginning => f.write_str("row 1 does not begin the journal: rows before it were removed"),
            Flaw::Missing(first, last) => write!(f, "removed: {}", span(first, last)),
            Flaw::CutOff(first, last) => write!(f, "cut off at the end: {}", span(first, last)),
            Flaw::Inserted(row) => write!(
                f,
                "row {row} was inserted: it stands outside of what the journal wrote (or the record of where it ends was \
                 put back from an earlier day)"
            ),
            Flaw::EndMissing => {
                f.write_str("the record of where the journal ends was removed: rows at the end may have been cut off")
            }
            Flaw::EndUnreadable => {
                f.write_str("the record of where the journal ends was edited: rows at the end may have been cut off")
            }
            Flaw::EndWasLost(row) => write!(
                f,
                "before row {row} was written, the record of where the journal ends was removed or edited: rows before \
                 it may have been cut off"
            ),
            Flaw::AndMore => write!(f, "and more than {FLAWS} others"),
        }
    }
}

/// Whether a row is the one of which the next has the hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Holds,
    Broken,
    /// One of the two cannot be read, or is not there.
    Unknown,
}

impl Audit {
    /// Every row that was edited, removed, put elsewhere, inserted or cut off. `progress` is told how many rows are done,
    /// of how many. What is written meanwhile is not looked at.
    pub async fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<Vec<Flaw>, StoreError> {
        let mut walk = Walk::new(&self.db.vault);
        let end = self.see_the_end(&mut walk).await?;
        let mut last = 0i64;
        loop {
            let mut reader = self.db.read().await?;
            let rows = sqlx::query("SELECT id, at, sealed FROM audit WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3")
                .bind(last)
                .bind(end.last)
                .bind(BATCH)
                .fetch_all(reader.conn())
                .await?;
            let Some(newest) = rows.last() else { break };
            last = newest.try_get(0)?;
            rows.iter().try_for_each(|row| walk.row(row))?;
            progress(last.unsigned_abs(), end.last.unsigned_abs());
        }
        Ok(walk.finish(end))
    }

    /// The end, and what stands behind it, in one moment: nobody writes in between.
    async fn see_the_end(&self, walk: &mut Walk<'_>) -> Result<End, StoreError> {
        let mut tx = self.db.begin().await?;
        let head = match read_head(&self.db.vault, tx.conn()).await {
            Ok(Some(head)) => Some(head),
            Ok(None) => {
                walk.tell(Flaw::EndMissing);
                None
            }
            Err(StoreError::Damaged { .. }) => {
                walk.tell(Flaw::EndUnreadable);
                None
            }
            Err(other) => return Err(other),
        };
        let newest: Option<i64> = sqlx::query("SELECT max(id) FROM audit").fetch_one(tx.conn()).await?.try_get(0)?;
        let last = head.and_then(|end| i64::try_from(end.rows).ok()).or(newest).unwrap_or(0);
        let strangers = sqlx::query("SELECT id FROM audit WHERE id < 1 OR id > ?1 ORDER BY id LIMIT ?2")
            .bind(last)
            .bind(FLAWS as i64)
            .fetch_all(tx.conn())
            .await?;
        for row in &strangers {
            walk.tell(Flaw::Inserted(row.try_get(0)?));
        }
        tx.give_up().await;
        Ok(End { last, head })
    }
}

struct End {
    last: i64,
    head: Option<AuditEnd>,
}

/// The walk over the rows, in the order of their numbers.
struct Walk<'a> {
    vault: &'a Vault,
    flaws: Vec<Flaw>,
    /// The number of the row that comes next.
    expected: i64,
    /// The hash of the row before it, if that could be read.
    hash: Option<[u8; HASH]>,
    /// Rows one behind the other of which the next has another hash, until it is known whose fault it is.
    doubted: Vec<i64>,
    /// Rows that do not open, for finding out where they belong.
    closed: Vec<(i64, Vec<u8>)>,
}

impl<'a> Walk<'a> {
    fn new(vault: &'a Vault) -> Self {
        // Nothing is before the first row: it has a hash of zeros.
        Walk { vault, flaws: Vec::new(), expected: 1, hash: Some([0; HASH]), doubted: Vec::new(), closed: Vec::new() }
    }

    fn tell(&mut self, flaw: Flaw) {
        if self.flaws.len() < FLAWS {
            self.flaws.push(flaw);
        } else if self.flaws.len() == FLAWS {
            self.flaws.push(Flaw::AndMore);
        }
    }

    fn row(&mut self, row: &SqliteRow) -> Result<(), StoreError> {
        let id: i64 = row.try_get(0)?;
        if id > self.expected {
            self.link(Link::Unknown);
            self.tell(Flaw::Missing(self.expected, id - 1));
            self.hash = None;
            self.expected = id;
        }
        // A text where a blob belongs is an edit like any other.
        let sealed: Vec<u8> = row.try_get(2).unwrap_or_default();
        match AUDIT.open(self.vault, &id.to_be_bytes(), &sealed) {
            Ok(plaintext) => self.opened(id, row.try_get(1).ok(), &plaintext),
            Err(_) => {
                self.link(Link::Unknown);
                self.hash = None;
                if self.closed.len() < MOVED {
                    self.closed.push((id, sealed));
                } else {
                    self.tell(Flaw::Unreadable(id));
                }
            }
        }
        self.expected = id.saturating_add(1);
        Ok(())
    }

    /// A row that opens: whoever wrote it had the key, which proves nothing.
    fn opened(&mut self, id: i64, column: Option<Option<i64>>, plaintext: &[u8]) {
        let content = AuditRow::from_bytes(plaintext);
        self.link(match (&content, self.hash) {
            (_, None) => Link::Unknown,
            (Some(content), Some(hash)) if content.prev == hash => Link::Holds,
            _ => Link::Broken,
        });
        self.hash = Some(row::hash(plaintext));
        let Some(content) = content else {
            self.tell(Flaw::Unreadable(id));
            return;
        };
        if content.row != id {
            self.tell(Flaw::Moved { row: id, from: content.row });
        }
        if column != Some(content.at.map(|at| at.0)) {
            self.tell(Flaw::TimeChanged(id));
        }
        if content.after_loss {
            self.tell(Flaw::EndWasLost(id));
        }
    }

    /// Whether the expected row, or the record of the end in its place, has the hash of the row before it.
    fn link(&mut self, link: Link) {
        let before = self.expected - 1;
        if link == Link::Broken {
            self.doubted.push(before);
            return;
        }
        // The last of the doubted is the one before the row that this link vouches for, if it does.
        let mut behind = link == Link::Holds;
        let mut edited = false;
        for row in std::mem::take(&mut self.doubted).into_iter().rev() {
            match (row, behind, edited) {
                (0, true, _) => self.tell(Flaw::Beginning),
                (0, false, true) => {}
                (0, false, false) => self.tell(Flaw::Edited(1)),
                (_, true, _) => self.tell(Flaw::Edited(row)),
                (_, false, true) => self.tell(Flaw::PerhapsEdited(row)),
                (_, false, false) => self.tell(Flaw::ThisOrNextEdited(row)),
            }
            edited = behind;
            behind = false;
        }
    }

    fn finish(mut self, end: End) -> Vec<Flaw> {
        let seen = self.expected - 1;
        match end.head {
            Some(_) if seen < end.last => {
                self.link(Link::Unknown);
                self.tell(Flaw::CutOff(self.expected, end.last));
            }
            Some(head) => {
                let last = self.hash.map(|hash| hash == head.hash);
                self.link(last.map_or(Link::Unknown, |same| if same { Link::Holds } else { Link::Broken }));
                // Nobody has a hash of the record itself: it is sealed, and believed.
                self.link(Link::Holds);
            }
            None => self.link(Link::Unknown),
        }
        self.where_they_belong();
        self.flaws
    }

    fn where_they_belong(&mut self) {
        let closed = std::mem::take(&mut self.closed);
        for (id, sealed) in &closed {
            let from = closed
                .iter()
                .map(|(other, _)| *other)
                .find(|other| other != id && AUDIT.open(self.vault, &other.to_be_bytes(), sealed).is_ok());
            self.tell(match from {
                Some(from) => Flaw::Moved { row: *id, from },
                None => Flaw::Unreadable(*id),
            });
        }
    }
}
