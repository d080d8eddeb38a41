//! Looking segments up: by time, by what is to be done with them, and whether one was removed by somebody else. Every answer
//! is bounded; a row that does not open is told apart from the others and never passed off as one of them.

use std::collections::{HashSet, VecDeque};

use domovoi_model::{Date, Id, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::row::{brief, read, select};
use super::{ChainTag, LOOK_LIMIT, Segment, SegmentBrief, SegmentPlace, Segments, bounded, mark};
use crate::cameras::date_of;
use crate::error::StoreError;
use crate::rows::id_of;

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    started: i64,
    id: Id,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// Those that opened.
    pub segments: Vec<Segment>,
    /// The columns of those that did not: somebody changed them, or the disk did.
    pub damaged: Vec<SegmentBrief>,
    /// There may be more behind this.
    pub next: Option<Cursor>,
}

/// A place where segments are missing that the house did not delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenLink {
    /// What this one follows is not there.
    Before {
        /// Which.
        segment: Id,
        /// When it began.
        started: Timestamp,
    },
    /// The newest one is not there.
    Newest,
}

/// How far apart in time two segments may lie that follow one another, in rows: a clock that was set back puts others
/// between them.
pub(super) const NEIGHBOURS: i64 = 64;

const PAGE: i64 = 500;

/// No list of broken links is longer.
const LINKS: usize = 1000;

impl Cursor {
    /// Behind a segment: whoever was shown a part of a page goes on from what was shown last.
    pub fn behind(started: Timestamp, id: Id) -> Self {
        Cursor { started: started.0, id }
    }
}

impl Segments {
    /// One segment.
    pub async fn get(&self, id: Id) -> Result<Option<Segment>, StoreError> {
        let mut reader = self.db.read().await?;
        let row = sqlx::query(select!("WHERE id = ?1")).bind(id.0.to_vec()).fetch_optional(reader.conn()).await?;
        row.map(|row| read(&self.db.vault, &row)).transpose()
    }

    /// A camera's segments that are, at least in part, in a span (`from` included, `to` not), oldest first, garbage left
    /// out. At most `limit` rows, and never more than [`LOOK_LIMIT`], are looked at; behind them `next` goes on.
    pub async fn list(
        &self,
        camera: Id,
        from: Timestamp,
        to: Timestamp,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Looked, StoreError> {
        let mut reader = self.db.read().await?;
        // One that began before the span may reach into it. They hardly overlap, unless the clock was set back.
        let row = sqlx::query(
            "SELECT min(started) FROM
                 (SELECT started FROM segment WHERE camera = ?1 AND started <= ?2 ORDER BY started DESC LIMIT 4)",
        )
        .bind(camera.0.to_vec())
        .bind(from.0)
        .fetch_one(reader.conn())
        .await?;
        let lower = row.try_get::<Option<i64>, _>(0)?.unwrap_or(from.0);
        let after = after.unwrap_or(Cursor { started: i64::MIN, id: Id([0; 16]) });
        let limit = limit.clamp(1, LOOK_LIMIT);
        let rows = sqlx::query(select!(
            "WHERE camera = ?1 AND started >= ?2 AND started < ?3 AND (started > ?4 OR id > ?5) AND state <> 2
             ORDER BY started, id LIMIT ?6"
        ))
        .bind(camera.0.to_vec())
        .bind(lower.max(after.started))
        .bind(to.0)
        .bind(after.started)
        .bind(after.id.0.to_vec())
        .bind(i64::from(limit))
        .fetch_all(reader.conn())
        .await?;
        let mut looked = self.open(&rows)?;
        if rows.len() == limit as usize
            && let Some(last) = rows.last()
        {
            looked.next = Some(Cursor { started: last.try_get(3)?, id: id_of(last.try_get(0)?)? });
        }
        let reaches =
            |segment: &SegmentBrief| segment.ended.is_none_or(|ended| ended > from) || segment.started >= from;
        looked.segments.retain(|segment| reaches(&segment.brief()));
        looked.damaged.retain(reaches);
        Ok(looked)
    }

    /// A camera's oldest segments that could be deleted: everything but what is open or is garbage already, in one place or
    /// in all. Whether they open does not matter: what is damaged takes up room too.
    pub async fn oldest(
        &self,
        camera: Id,
        place: Option<SegmentPlace>,
        limit: u32,
    ) -> Result<Vec<SegmentBrief>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(select!(
            "WHERE camera = ?1 AND state NOT IN (0, 2) AND (?2 IS NULL OR place = ?2) ORDER BY started, id LIMIT ?3"
        ))
        .bind(camera.0.to_vec())
        .bind(place.map(|place| i64::from(place.code())))
        .bind(i64::from(limit.clamp(1, LOOK_LIMIT)))
        .fetch_all(reader.conn())
        .await?;
        Ok(rows.iter().filter_map(|row| brief(row).ok()).collect())
    }

    // The two below repeat the condition of their index word for word: SQLite does not see that it follows, and would read
    // the whole table.

    /// Those that are open: after a start, what a crash left so. Oldest first.
    pub async fn open_ones(&self) -> Result<Looked, StoreError> {
        self.unsettled(select!("WHERE state IN (0, 2) AND state = 0 ORDER BY started, id LIMIT ?1"), LOOK_LIMIT).await
    }

    /// Those whose files are to be deleted. A row that only says so, and was not written by the house, is among the
    /// damaged: nothing is deleted because of it.
    pub async fn garbage(&self, limit: u32) -> Result<Looked, StoreError> {
        self.unsettled(select!("WHERE state IN (0, 2) AND state = 2 LIMIT ?1"), limit).await
    }

    /// Those that are closed and wait to be sent elsewhere, oldest first.
    pub async fn to_send(&self, limit: u32) -> Result<Looked, StoreError> {
        self.unsettled(select!("WHERE place = 1 AND state IN (1, 4) ORDER BY started, id LIMIT ?1"), limit).await
    }

    /// Which of these are known, by what their rows say: the others are files without a row.
    pub async fn known(&self, ids: &[Id]) -> Result<Vec<SegmentBrief>, StoreError> {
        bounded(ids)?;
        let mut reader = self.db.read().await?;
        let mut known = Vec::with_capacity(ids.len());
        for id in ids {
            let row = sqlx::query(select!("WHERE id = ?1")).bind(id.0.to_vec()).fetch_optional(reader.conn()).await?;
            known.extend(row.as_ref().map(brief).transpose()?);
        }
        Ok(known)
    }

    /// A camera's newest segments, garbage left out, the newest first.
    pub async fn newest(&self, camera: Id, limit: u32) -> Result<Looked, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(select!("WHERE camera = ?1 AND state <> 2 ORDER BY started DESC, id DESC LIMIT ?2"))
            .bind(camera.0.to_vec())
            .bind(i64::from(limit.clamp(1, LOOK_LIMIT)))
            .fetch_all(reader.conn())
            .await?;
        self.open(&rows)
    }

    /// The days of a camera before one whose keys can go: nothing of them is left, garbage apart. Keep `before` at
    /// yesterday: the key of a day is there before its first segment is.
    pub async fn idle_days(&self, camera: Id, before: Date) -> Result<Vec<Date>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query(
            "SELECT day FROM camera_day WHERE camera = ?1 AND day < ?2
             EXCEPT SELECT day FROM segment WHERE camera = ?1 AND state <> 2 ORDER BY day",
        )
        .bind(camera.0.to_vec())
        .bind(before.days_since_epoch())
        .fetch_all(reader.conn())
        .await?;
        let days: Result<Vec<i64>, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(days?.into_iter().filter_map(date_of).collect())
    }

    /// Walks along a camera's chain and names the places where segments are missing that the house did not delete, at most
    /// 1000 of them. What a row that does not open was followed by is among them.
    pub async fn broken_links(&self, camera: Id) -> Result<Vec<BrokenLink>, StoreError> {
        // A look at its beginning: what is finished or deleted meanwhile must not seem to be missing.
        let mark = mark::load(&self.db, self.db.read().await?.conn(), camera).await?;
        let head = mark.head().filter(|_| !mark.head_gone());
        let mut has_head = head.is_none();
        let mut seen: VecDeque<ChainTag> = VecDeque::new();
        let mut suspects: Vec<(Segment, ChainTag)> = Vec::new();
        self.walk(camera, |segment| {
            if let Some(previous) = segment.chained.previous
                && !segment.chained.excused
                && !seen.contains(&previous)
                && suspects.len() < LINKS
            {
                suspects.push((segment.clone(), previous));
            }
            has_head |= segment.chained.tag == head;
            seen.extend(segment.chained.tag);
            if seen.len() > NEIGHBOURS as usize {
                seen.pop_front();
            }
        })
        .await?;
        let mut wanted: HashSet<ChainTag> = suspects.iter().map(|(_, previous)| *previous).collect();
        if !wanted.is_empty() {
            // Perhaps only out of order: the clock was set back.
            self.walk(camera, |segment| {
                if let Some(tag) = segment.chained.tag {
                    wanted.remove(&tag);
                }
            })
            .await?;
        }
        let mut broken = Vec::new();
        for (segment, previous) in suspects.iter().filter(|(_, previous)| wanted.contains(previous)) {
            // The house may have deleted it since the walk began.
            let now = self.get(segment.id).await;
            if matches!(&now, Ok(Some(now)) if now.chained.previous == Some(*previous) && !now.chained.excused) {
                broken.push(BrokenLink::Before { segment: segment.id, started: segment.started });
            }
        }
        if !has_head && mark::load(&self.db, self.db.read().await?.conn(), camera).await? == mark {
            broken.push(BrokenLink::Newest);
        }
        Ok(broken)
    }

    /// Every row of a camera that opens, oldest first.
    async fn walk(&self, camera: Id, mut see: impl FnMut(&Segment)) -> Result<(), StoreError> {
        let mut after = (i64::MIN, Vec::new());
        loop {
            // A reader for each page: whoever rotates a key, or destroys one, waits for readers.
            let mut reader = self.db.read().await?;
            let rows = sqlx::query(select!(
                "WHERE camera = ?1 AND started >= ?2 AND (started > ?2 OR id > ?3) ORDER BY started, id LIMIT ?4"
            ))
            .bind(camera.0.to_vec())
            .bind(after.0)
            .bind(after.1)
            .bind(PAGE)
            .fetch_all(reader.conn())
            .await?;
            for row in &rows {
                match read(&self.db.vault, row) {
                    Ok(segment) => see(&segment),
                    Err(StoreError::Damaged { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.try_get(3)?, last.try_get(0)?);
        }
    }

    async fn unsettled(&self, query: &'static str, limit: u32) -> Result<Looked, StoreError> {
        let mut reader = self.db.read().await?;
        let limit = i64::from(limit.clamp(1, LOOK_LIMIT));
        let rows = sqlx::query(query).bind(limit).fetch_all(reader.conn()).await?;
        self.open(&rows)
    }

    fn open(&self, rows: &[SqliteRow]) -> Result<Looked, StoreError> {
        let mut looked = Looked { segments: Vec::with_capacity(rows.len()), ..Looked::default() };
        for row in rows {
            match read(&self.db.vault, row) {
                Ok(segment) => looked.segments.push(segment),
                Err(error @ StoreError::Damaged { .. }) => {
                    tracing::error!("a segment does not open: {error}");
                    looked.damaged.extend(brief(row).ok());
                }
                Err(other) => return Err(other),
            }
        }
        Ok(looked)
    }
}

/// The rows of a camera that lie next to a moment, before and after it, garbage left out.
pub(super) async fn neighbours(
    conn: &mut SqliteConnection,
    camera: Id,
    at: Timestamp,
    limit: i64,
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut rows =
        sqlx::query(select!("WHERE camera = ?1 AND started >= ?2 AND state <> 2 ORDER BY started, id LIMIT ?3"))
            .bind(camera.0.to_vec())
            .bind(at.0)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
    if limit >= NEIGHBOURS {
        rows.extend(
            sqlx::query(select!("WHERE camera = ?1 AND started < ?2 AND state <> 2 ORDER BY started DESC LIMIT ?3"))
                .bind(camera.0.to_vec())
                .bind(at.0)
                .bind(limit)
                .fetch_all(conn)
                .await?,
        );
    }
    Ok(rows)
}
