//! What a camera's archive comes to, kept with every change in the same transaction: counting half a million rows before
//! each segment would take longer than writing one. Also the newest tag, and how far deleting has come.

use domovoi_model::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection};

use super::row::{place_of, read, select, state_of};
use super::{ChainTag, Segment, SegmentPlace, Segments};
use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::rows::{Hex, id_of};
use crate::tables::CAMERA_MARK;

/// So many segments, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amount {
    /// Open, done and damaged ones.
    pub segments: u64,
    /// Of their files; an open one's as it was told last.
    pub bytes: u64,
}

/// What a camera's archive comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveTotals {
    /// In the archive's folder, to stay.
    pub local: Amount,
    /// There until it is sent.
    pub spool: Amount,
    /// Elsewhere.
    pub remote: Amount,
    /// How far deleting has come.
    pub removed: Option<Watermark>,
    /// The row with all this was damaged once, or missing, and was made anew by counting: whether the newest segments were
    /// removed before that cannot be told.
    pub mended: bool,
}

impl ArchiveTotals {
    /// On this machine.
    pub fn here(&self) -> u64 {
        self.local.bytes.saturating_add(self.spool.bytes)
    }

    /// Everywhere.
    pub fn bytes(&self) -> u64 {
        self.here().saturating_add(self.remote.bytes)
    }
}

/// The newest segment that the house deleted. Older ones that are missing were deleted by it too, or the chain says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Its tag.
    pub tag: ChainTag,
    /// When it began.
    pub started: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    places: [Amount; 3],
    /// The tag of the segment that was finished last.
    head: Option<Hex>,
    /// The house itself deleted that one.
    head_gone: bool,
    removed: Option<(Hex, i64)>,
    mended: bool,
}

impl Mark {
    pub fn add(&mut self, segment: &Segment) {
        if segment.state.counts()
            && let Some(amount) = self.places.get_mut(usize::from(segment.place.code()))
        {
            amount.segments = amount.segments.saturating_add(1);
            amount.bytes = amount.bytes.saturating_add(segment.bytes);
        }
    }

    pub fn take(&mut self, segment: &Segment) {
        if segment.state.counts()
            && let Some(amount) = self.places.get_mut(usize::from(segment.place.code()))
        {
            amount.segments = amount.segments.saturating_sub(1);
            amount.bytes = amount.bytes.saturating_sub(segment.bytes);
        }
    }

    pub fn head(&self) -> Option<ChainTag> {
        self.head.as_ref().and_then(|head| head.array().ok())
    }

    pub fn head_gone(&self) -> bool {
        self.head_gone
    }

    pub fn finished(&mut self, tag: ChainTag) {
        self.head = Some(Hex(tag.to_vec()));
        self.head_gone = false;
    }

    pub fn deleted(&mut self, segment: &Segment) {
        let Some(tag) = segment.chained.tag else { return };
        self.head_gone |= self.head() == Some(tag);
        if self.removed.as_ref().is_none_or(|(_, started)| *started <= segment.started.0) {
            self.removed = Some((Hex(tag.to_vec()), segment.started.0));
        }
    }

    pub fn totals(&self) -> ArchiveTotals {
        let amount = |place: SegmentPlace| self.places.get(usize::from(place.code())).copied().unwrap_or_default();
        let removed = self
            .removed
            .as_ref()
            .and_then(|(tag, started)| Some(Watermark { tag: tag.array().ok()?, started: Timestamp(*started) }));
        ArchiveTotals {
            local: amount(SegmentPlace::Local),
            spool: amount(SegmentPlace::Spool),
            remote: amount(SegmentPlace::Remote),
            removed,
            mended: self.mended,
        }
    }
}

/// The mark of a camera. One that does not open is told and counted anew: a camera goes on recording.
pub(super) async fn load(db: &Db, conn: &mut SqliteConnection, camera: Id) -> Result<Mark, StoreError> {
    let row = sqlx::query("SELECT sealed FROM camera_mark WHERE id = ?1")
        .bind(camera.0.to_vec())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else {
        let mark = count(db, conn, camera).await?;
        // Nothing was recorded yet, or the row is gone although something was.
        return Ok(Mark { mended: mark.places != Mark::default().places || mark.head.is_some(), ..mark });
    };
    match CAMERA_MARK.open_json(&db.vault, &camera.0, row.try_get(0)?) {
        Ok(mark) => Ok(mark),
        Err(error @ StoreError::Damaged { .. }) => {
            tracing::error!("what a camera's archive comes to is counted anew: {error}");
            Ok(Mark { mended: true, ..count(db, conn, camera).await? })
        }
        Err(other) => Err(other),
    }
}

pub(super) async fn store(db: &Db, tx: &mut Tx<'_>, camera: Id, mark: &Mark) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO camera_mark (id, sealed) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
    )
    .bind(camera.0.to_vec())
    .bind(CAMERA_MARK.seal_json(&db.vault, &camera.0, mark)?)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What the rows say.
async fn count(db: &Db, conn: &mut SqliteConnection, camera: Id) -> Result<Mark, StoreError> {
    let mut mark = Mark::default();
    let rows =
        sqlx::query("SELECT state, place, count(*), sum(bytes) FROM segment WHERE camera = ?1 GROUP BY state, place")
            .bind(camera.0.to_vec())
            .fetch_all(&mut *conn)
            .await?;
    for row in &rows {
        let (Some(state), Some(place)) = (state_of(row.try_get(0)?), place_of(row.try_get(1)?)) else { continue };
        let (segments, bytes): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        if state.counts()
            && let Some(amount) = mark.places.get_mut(usize::from(place.code()))
        {
            amount.segments = amount.segments.saturating_add(segments.unsigned_abs());
            amount.bytes = amount.bytes.saturating_add(bytes.unsigned_abs());
        }
    }
    let newest = sqlx::query(select!("WHERE camera = ?1 AND state <> 2 ORDER BY started DESC, id DESC LIMIT 64"))
        .bind(camera.0.to_vec())
        .fetch_all(conn)
        .await?;
    let tag = newest.iter().filter_map(|row| read(&db.vault, row).ok()).find_map(|segment| segment.chained.tag);
    if let Some(tag) = tag {
        mark.finished(tag);
    }
    Ok(mark)
}

impl Segments {
    /// What one camera's archive comes to.
    pub async fn bytes_of(&self, camera: Id) -> Result<ArchiveTotals, StoreError> {
        let mut reader = self.db.read().await?;
        Ok(load(&self.db, reader.conn(), camera).await?.totals())
    }

    /// The same of every camera that ever recorded something.
    pub async fn totals(&self) -> Result<Vec<(Id, ArchiveTotals)>, StoreError> {
        let mut reader = self.db.read().await?;
        let rows = sqlx::query("SELECT id FROM camera_mark").fetch_all(reader.conn()).await?;
        let mut totals = Vec::with_capacity(rows.len());
        for row in &rows {
            let camera = id_of(row.try_get(0)?)?;
            totals.push((camera, load(&self.db, reader.conn(), camera).await?.totals()));
        }
        Ok(totals)
    }

    /// The tag that a camera's next segment names as the one before it.
    pub async fn last_of(&self, camera: Id) -> Result<Option<ChainTag>, StoreError> {
        let mut reader = self.db.read().await?;
        Ok(load(&self.db, reader.conn(), camera).await?.head())
    }

    /// Counts a camera's rows, and mends what was kept of them if it is something else: whether it was.
    pub async fn recount(&self, camera: Id) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let kept = load(&self.db, tx.conn(), camera).await?;
        let counted = count(&self.db, tx.conn(), camera).await?;
        if kept.places == counted.places {
            tx.give_up().await;
            return Ok(false);
        }
        store(&self.db, &mut tx, camera, &Mark { places: counted.places, ..kept }).await?;
        tx.commit().await?;
        Ok(true)
    }
}
