//! What is deleted, and in which order: first the row says so, then the file goes, then the row. A camera that is forgotten
//! with its recordings loses the keys of its days first, which makes every copy of them unreadable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::{LOOK_LIMIT, SegmentBrief, SegmentPlace, StreamTrust};

use super::{Cameras, CamerasError, FORMER, Inner, naming};
use crate::bus::CameraChange;

/// What becomes of a forgotten camera's recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recordings {
    /// They stay until they are too old; nothing is recorded any more.
    Keep,
    /// They are erased now: the keys are destroyed, the files deleted.
    Erase,
}

impl Cameras {
    /// Forgets a camera: its password, its address, its session. A former one, of which recordings were kept, is forgotten
    /// with [`Recordings::Erase`].
    pub async fn forget(&self, id: Id, recordings: Recordings) -> Result<(), CamerasError> {
        let _turn = self.0.turn.lock().await;
        let seat = self.0.seat(id)?;
        let keeps = recordings == Recordings::Keep && self.0.store.segments().bytes_of(id).await?.bytes() > 0;
        if keeps {
            let mut card = seat.card();
            card.kind = FORMER.to_owned();
            card.enabled = false;
            (card.login, card.password) = (None, None);
            (card.host, card.main_path, card.sub_path) = ("0.0.0.0".to_owned(), "/".to_owned(), None);
            (card.trust, card.mac, card.host_name) = (StreamTrust::Unknown, None, None);
            (card.onvif, card.onvif_id) = (None, None);
            seat.leave().await;
            seat.live.close();
            self.0.put(&seat, card).await?;
        } else {
            seat.leave().await;
            seat.live.close();
            // From here on nothing of it can be seen again, wherever copies of its files lie.
            self.0.store.cameras().forget(id).await?;
            self.0.seats.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&id);
            while self.0.store.segments().discard(id, LOOK_LIMIT).await? > 0 {}
            self.0.empty_bin().await;
            self.0.empty_far_bin().await;
            self.0.pictures.forget(&self.0, id).await;
        }
        self.0.take_back_all(id).await;
        self.0.tell(id, CameraChange::Card);
        Ok(())
    }

    /// Erases what was recorded of a camera between two moments: whole segments, also those that reach out of the span.
    /// How many. The newest, which is being written, stays.
    pub async fn erase(&self, camera: Id, from: Timestamp, to: Timestamp) -> Result<usize, CamerasError> {
        self.0.seat(camera)?;
        let mut erased = 0;
        loop {
            let looked = self.0.store.segments().list(camera, from, to, None, LOOK_LIMIT).await?;
            let all = looked.segments.iter().map(domovoi_store::Segment::brief).chain(looked.damaged);
            let ids: Vec<Id> =
                all.filter(|one| one.state != domovoi_store::SegmentState::Open).map(|one| one.id).collect();
            if ids.is_empty() {
                break;
            }
            let now = self.0.store.segments().to_garbage(&ids).await?;
            ids.iter().for_each(|id| self.0.do_not_send(*id));
            erased += now;
            self.0.empty_bin().await;
            if now == 0 {
                break;
            }
        }
        self.0.tell(camera, CameraChange::Archive);
        Ok(erased)
    }
}

impl Inner {
    /// Deletes the files of what is garbage, and then its rows. What does not go stays garbage and is tried again.
    pub(super) async fn empty_bin(self: &Arc<Self>) {
        loop {
            let looked = match self.store.segments().garbage(LOOK_LIMIT).await {
                Ok(looked) => looked,
                Err(error) => {
                    tracing::warn!("what is to be deleted cannot be looked up: {error}");
                    return;
                }
            };
            let all: Vec<SegmentBrief> = looked.segments.iter().map(domovoi_store::Segment::brief).collect();
            // What lies elsewhere is deleted there first.
            let local: Vec<SegmentBrief> =
                all.into_iter().filter(|segment| segment.place != SegmentPlace::Remote).collect();
            if local.is_empty() || !self.archive.is_there() && !self.is_ours_now().await {
                return;
            }
            let folder = self.archive.folder.clone();
            let today = self.day_of(self.clock.at_least());
            let Ok(gone) = tokio::task::spawn_blocking(move || unlink(&folder, &local, today)).await else { return };
            self.room.bin_is_stuck.store(gone.is_empty(), Ordering::Relaxed);
            if gone.is_empty() {
                return;
            }
            match self.store.segments().gone(&gone).await {
                Ok(0) | Err(_) => return,
                Ok(_) if gone.len() < LOOK_LIMIT as usize => return,
                Ok(_) => {}
            }
        }
    }

    /// Whether the disk is the archive's, although nobody has said so yet.
    async fn is_ours_now(&self) -> bool {
        self.archive.look().await == super::ArchiveState::There
    }

    /// Destroys the keys of days of which nothing is left, and forgets former cameras of which nothing is left.
    pub(super) async fn clear_days(self: &Arc<Self>) {
        let Some(now) = self.clock.trusted() else { return };
        let Some(before) = self.day_of(now).plus_days(-1) else { return };
        for seat in self.seats().values() {
            let days = match self.store.segments().idle_days(seat.id, before).await {
                Ok(days) => days,
                Err(error) => {
                    tracing::warn!("idle days cannot be looked up: {error}");
                    continue;
                }
            };
            for day in days {
                // A picture of an event may be all that is left of a day.
                if self.pictures.has(self, seat.id, day) {
                    continue;
                }
                if let Err(error) = self.store.cameras().destroy_day(seat.id, day).await {
                    tracing::warn!("the key of a day was not destroyed: {error}");
                }
            }
            let kept = self.store.segments().bytes_of(seat.id).await;
            if seat.is_former() && kept.is_ok_and(|kept| kept.bytes() == 0) {
                let _turn = self.turn.lock().await;
                if self.store.cameras().forget(seat.id).await.is_ok() {
                    while self.store.segments().discard(seat.id, LOOK_LIMIT).await.is_ok_and(|more| more > 0) {}
                    self.seats.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&seat.id);
                    self.pictures.forget(self, seat.id).await;
                    self.tell(seat.id, CameraChange::Card);
                }
            }
        }
    }
}

/// Deletes files, and makes that durable: those whose rows may go.
fn unlink(folder: &Path, segments: &[SegmentBrief], today: Date) -> Vec<Id> {
    let mut touched: BTreeMap<PathBuf, Date> = BTreeMap::new();
    let mut gone = Vec::new();
    for segment in segments {
        let path = folder.join(naming::segment_file(segment.camera, segment.day, segment.id));
        match std::fs::remove_file(&path) {
            Ok(()) => {
                touched.extend(path.parent().map(|parent| (parent.to_owned(), segment.day)));
                gone.push((segment.id, path));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => gone.push((segment.id, path)),
            Err(error) => tracing::warn!("{} is not deleted: {error}", path.display()),
        }
    }
    let durable = |folder: &Path| std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    let failed: BTreeSet<PathBuf> = touched
        .into_iter()
        .filter_map(|(parent, day)| {
            let synced = durable(&parent);
            // An empty day goes with its last segment; one that is not empty stays, whatever is tried. In today's the next
            // segment may be about to begin.
            if day < today {
                let _ = std::fs::remove_dir(&parent);
            }
            synced.is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound).then_some(parent)
        })
        .collect();
    gone.into_iter()
        .filter(|(_, path)| path.parent().is_none_or(|day| !failed.contains(day)))
        .map(|(id, _)| id)
        .collect()
}
