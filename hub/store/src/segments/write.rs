//! The steps of a segment's life, each in one transaction with the totals. The order in which files and rows come and go is
//! the caller's: begin after the file is on the disk, finish after its trailer is, garbage before it is deleted, gone after.

use std::collections::{BTreeMap, HashSet};

use domovoi_model::Id;
use sqlx::Row;

use super::mark::{self, Mark};
use super::read::{NEIGHBOURS, neighbours};
use super::row::{brief, read, select, write};
use super::{ChainTag, Finished, LOOK_LIMIT, Segment, SegmentPlace, SegmentStart, SegmentState, Segments, bounded};
use crate::db::Tx;
use crate::error::StoreError;

/// The one that follows is nearly always the next row.
const NEAR: i64 = 4;

impl Segments {
    /// A segment began: its file is there, with its header on the disk. Durable when this returns.
    pub async fn begin(&self, start: &SegmentStart) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.insert(&mut tx, start).await?;
        tx.commit().await
    }

    /// How large an open one's file is by now. Not worth a commit by itself more often than once in a while.
    pub async fn grew(&self, id: Id, bytes: u64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(old) = self.find(&mut tx, id).await?.filter(|segment| segment.state == SegmentState::Open) else {
            tx.give_up().await;
            return Ok(());
        };
        let mut mark = mark::load(&self.db, tx.conn(), old.camera).await?;
        self.replace(&mut tx, &old, Segment { bytes, ..old.clone() }, &mut mark).await?;
        mark::store(&self.db, &mut tx, old.camera, &mark).await?;
        tx.commit().await
    }

    /// A segment ended: its file is closed and on the disk, also after a crash. False if it is to be deleted anyway, or is
    /// gone already.
    pub async fn finish(&self, id: Id, finished: &Finished) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let done = self.close(&mut tx, id, finished, Closing::Own).await?;
        if done {
            tx.commit().await?
        } else {
            tx.give_up().await
        }
        Ok(done)
    }

    /// Takes in a file that has no row: it was closed, its header is ours and it was verified.
    pub async fn adopt(&self, start: &SegmentStart, finished: &Finished) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.insert(&mut tx, start).await?;
        self.close(&mut tx, start.id, finished, Closing::Found).await?;
        tx.commit().await
    }

    /// What was found out about a closed segment's file: damaged, missing, or whole after all. `trouble` is a code. False
    /// if there is no such segment, or it is open or garbage.
    pub async fn mark(&self, id: Id, state: SegmentState, trouble: &str) -> Result<bool, StoreError> {
        let closed = |state| !matches!(state, SegmentState::Open | SegmentState::Garbage);
        if !closed(state) {
            return Err(StoreError::conflict(
                "a segment is opened by beginning it and becomes garbage by its own call",
            ));
        }
        let trouble = trouble.to_owned();
        self.change(id, |old| closed(old.state).then(|| Segment { state, trouble, ..old.clone() })).await
    }

    /// A segment's file is elsewhere by now, or is to be. False if there is no such segment, or it is garbage.
    pub async fn moved(&self, id: Id, place: SegmentPlace, store: &str) -> Result<bool, StoreError> {
        let store = store.to_owned();
        self.change(id, |old| (old.state != SegmentState::Garbage).then(|| Segment { place, store, ..old.clone() }))
            .await
    }

    /// Puts segments so many milliseconds later (earlier when negative): they were begun before the clock was trusted. The
    /// day stays, which names their key and their folder. How many there were.
    pub async fn redate(&self, ids: &[Id], by_millis: i64) -> Result<usize, StoreError> {
        bounded(ids)?;
        let mut tx = self.db.begin().await?;
        let mut dated = 0;
        for id in ids {
            let Some(old) = self.find_sound(&mut tx, *id).await? else { continue };
            let ended = old.ended.map(|at| at.plus_millis(by_millis));
            let new = Segment { started: old.started.plus_millis(by_millis), ended, ..old };
            write(&self.db, &mut tx, &new, false).await?;
            dated += 1;
        }
        tx.commit().await?;
        Ok(dated)
    }

    /// Segments whose files are to be deleted, whatever their state. When this has returned the files may go. How many of
    /// them there were. The ones that follow them know from then on that the house did it.
    pub async fn to_garbage(&self, ids: &[Id]) -> Result<usize, StoreError> {
        bounded(ids)?;
        let mut tx = self.db.begin().await?;
        let mut marks: BTreeMap<Id, Mark> = BTreeMap::new();
        let mut thrown = Vec::new();
        for id in ids {
            let Some(old) = self.find_or_guess(&mut tx, *id).await? else { continue };
            if old.state == SegmentState::Garbage {
                continue;
            }
            let mut mark = match marks.remove(&old.camera) {
                Some(mark) => mark,
                None => mark::load(&self.db, tx.conn(), old.camera).await?,
            };
            mark.deleted(&old);
            mark.take(&old);
            let new = Segment { state: SegmentState::Garbage, ..old };
            write(&self.db, &mut tx, &new, false).await?;
            marks.insert(new.camera, mark);
            thrown.push(new);
        }
        self.excuse(&mut tx, &thrown).await?;
        for (camera, mark) in &marks {
            mark::store(&self.db, &mut tx, *camera, mark).await?;
        }
        if thrown.is_empty() {
            tx.give_up().await
        } else {
            tx.commit().await?
        }
        Ok(thrown.len())
    }

    /// The files of these are deleted, and their folder is on the disk: the rows go. One that is not garbage, or does not open, stays. How many
    /// went.
    pub async fn gone(&self, ids: &[Id]) -> Result<usize, StoreError> {
        bounded(ids)?;
        let mut tx = self.db.begin().await?;
        let mut gone = 0;
        for id in ids {
            let Some(segment) = self.find_sound(&mut tx, *id).await? else { continue };
            if segment.state == SegmentState::Garbage {
                sqlx::query("DELETE FROM segment WHERE id = ?1").bind(id.0.to_vec()).execute(tx.conn()).await?;
                gone += 1;
            }
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// Throws away the next `limit` segments of a camera that is forgotten, open ones too; when there are none left, what
    /// was kept of its archive as a whole. How many there were: call it until there are none.
    pub async fn discard(&self, camera: Id, limit: u32) -> Result<usize, StoreError> {
        let ids = {
            let mut reader = self.db.read().await?;
            let rows = sqlx::query("SELECT id FROM segment WHERE camera = ?1 AND state <> 2 ORDER BY started LIMIT ?2")
                .bind(camera.0.to_vec())
                .bind(i64::from(limit.clamp(1, LOOK_LIMIT)))
                .fetch_all(reader.conn())
                .await?;
            rows.iter().map(|row| crate::rows::id_of(row.try_get(0)?)).collect::<Result<Vec<_>, _>>()?
        };
        if !ids.is_empty() {
            return self.to_garbage(&ids).await;
        }
        let mut tx = self.db.begin().await?;
        sqlx::query("DELETE FROM camera_mark WHERE id = ?1").bind(camera.0.to_vec()).execute(tx.conn()).await?;
        tx.commit().await?;
        Ok(0)
    }

    async fn insert(&self, tx: &mut Tx<'_>, start: &SegmentStart) -> Result<(), StoreError> {
        let mut mark = mark::load(&self.db, tx.conn(), start.camera).await?;
        let segment = start.segment();
        write(&self.db, tx, &segment, true).await?;
        mark.add(&segment);
        mark::store(&self.db, tx, start.camera, &mark).await
    }

    async fn close(&self, tx: &mut Tx<'_>, id: Id, finished: &Finished, closing: Closing) -> Result<bool, StoreError> {
        if !matches!(finished.state, SegmentState::Done | SegmentState::Damaged) {
            return Err(StoreError::conflict("a segment that ends is done or damaged"));
        }
        let Some(old) = self.find(tx, id).await? else { return Ok(false) };
        match old.state {
            SegmentState::Open => {}
            SegmentState::Garbage => return Ok(false),
            // The commit before this one was made durable, and its answer was lost.
            _ if old.chained.tag == finished.tag && old.bytes == finished.bytes => return Ok(true),
            _ => return Err(StoreError::conflict("this segment has ended already, in another way")),
        }
        let mut mark = mark::load(&self.db, tx.conn(), old.camera).await?;
        let mut new = Segment {
            ended: Some(finished.ended.max(old.started)),
            bytes: finished.bytes,
            state: finished.state,
            records: finished.records,
            frames: finished.frames,
            reason: finished.reason.clone(),
            trouble: finished.trouble.clone(),
            ..old.clone()
        };
        new.chained.tag = finished.tag;
        new.chained.previous = finished.previous;
        new.chained.excused = finished.previous.is_some() && finished.previous == mark.head() && mark.head_gone();
        // A file that is found may be from the middle: then the newest one is still the newest one.
        if let Some(tag) = finished.tag
            && (closing == Closing::Own || finished.previous == mark.head())
        {
            mark.finished(tag);
        }
        self.replace(tx, &old, new, &mut mark).await?;
        mark::store(&self.db, tx, old.camera, &mark).await?;
        Ok(true)
    }

    /// Changes a row, if `to` makes something of it, and the totals.
    async fn change(&self, id: Id, to: impl FnOnce(&Segment) -> Option<Segment>) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let old = self.find(&mut tx, id).await?;
        let Some((old, new)) = old.and_then(|old| to(&old).map(|new| (old, new))) else {
            tx.give_up().await;
            return Ok(false);
        };
        let mut mark = mark::load(&self.db, tx.conn(), old.camera).await?;
        self.replace(&mut tx, &old, new, &mut mark).await?;
        mark::store(&self.db, &mut tx, old.camera, &mark).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn replace(&self, tx: &mut Tx<'_>, old: &Segment, new: Segment, mark: &mut Mark) -> Result<(), StoreError> {
        mark.take(old);
        mark.add(&new);
        write(&self.db, tx, &new, false).await
    }

    async fn find(&self, tx: &mut Tx<'_>, id: Id) -> Result<Option<Segment>, StoreError> {
        let row = sqlx::query(select!("WHERE id = ?1")).bind(id.0.to_vec()).fetch_optional(tx.conn()).await?;
        row.map(|row| read(&self.db.vault, &row)).transpose()
    }

    /// The same; a row that does not open is told and passed over, because others are waiting behind it.
    async fn find_sound(&self, tx: &mut Tx<'_>, id: Id) -> Result<Option<Segment>, StoreError> {
        match self.find(tx, id).await {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!("a segment does not open: {error}");
                Ok(None)
            }
            other => other,
        }
    }

    /// The same; of a row that does not open, what its columns say: it is to be deleted, and that must be possible.
    async fn find_or_guess(&self, tx: &mut Tx<'_>, id: Id) -> Result<Option<Segment>, StoreError> {
        let row = sqlx::query(select!("WHERE id = ?1")).bind(id.0.to_vec()).fetch_optional(tx.conn()).await?;
        let Some(row) = row else { return Ok(None) };
        match read(&self.db.vault, &row) {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!("a segment that does not open is deleted by what its columns say: {error}");
                let head = brief(&row)?;
                // What is said to be garbage already, and does not open, was not made so by the house.
                let state = if head.state == SegmentState::Garbage { SegmentState::Missing } else { head.state };
                let start = SegmentStart {
                    id,
                    camera: head.camera,
                    key: 0,
                    day: head.day,
                    started: head.started,
                    place: head.place,
                    store: String::new(),
                    run: String::new(),
                };
                Ok(Some(Segment { ended: head.ended, bytes: head.bytes, state, ..start.segment() }))
            }
            other => other.map(Some),
        }
    }

    /// Notes in those that follow what was thrown away that the house did it. Several may follow one: a segment that ended
    /// without a tag, damaged, is followed by nobody, and the next one names the same predecessor. The one with a tag is the
    /// last.
    async fn excuse(&self, tx: &mut Tx<'_>, thrown: &[Segment]) -> Result<(), StoreError> {
        let tagged = thrown.iter().filter(|segment| segment.chained.tag.is_some());
        let followed: HashSet<ChainTag> = tagged.filter_map(|segment| segment.chained.previous).collect();
        for segment in thrown {
            let Some(tag) = segment.chained.tag else { continue };
            for limit in [NEAR, NEIGHBOURS] {
                let rows = neighbours(tx.conn(), segment.camera, segment.started, limit).await?;
                let mut has_last = followed.contains(&tag);
                let mut all_follow = true;
                for row in &rows {
                    let Ok(mut other) = read(&self.db.vault, row) else { continue };
                    if other.chained.previous != Some(tag) {
                        all_follow = false;
                        continue;
                    }
                    has_last |= other.chained.tag.is_some();
                    if !other.chained.excused {
                        other.chained.excused = true;
                        write(&self.db, tx, &other, false).await?;
                    }
                }
                if has_last && !all_follow {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// By the recorder, or after a crash.
    Own,
    /// Its file was there without a row.
    Found,
}
