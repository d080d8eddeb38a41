//! Pictures: of what a camera shows now, made when somebody asks and not oftener than once a second, and of what it showed
//! when something happened, kept sealed under the key of the day beside its recordings, with an id by which others name
//! them. It decodes nothing itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::new_segment_id;
use domovoi_video::archive::{Heading, Media, Reason, SegmentReader, SegmentWriter};
use domovoi_video::mp4::Fragment;
use domovoi_video::picture::Picture;
use tokio::time::Instant;

use super::archive::make_folder;
use super::seat::{Seat, lock};
use super::{Cameras, CamerasError, Inner, naming};
use crate::bus::CameraChange;

/// A picture that is not older is given again.
const FRESH: Duration = Duration::from_secs(1);

/// Pictures of events are made this wide: enough to see who it is, and small enough to be sent.
const WIDE: u16 = 1280;

/// So many pictures of events are kept of a camera.
const KEPT: usize = 200;

/// The folder beside the cameras' in the archive.
const FOLDER: &str = "pictures";

/// The pictures that were made last.
#[derive(Default)]
pub(super) struct Pictures {
    latest: Mutex<std::collections::HashMap<Id, (Instant, u64, Picture)>>,
}

/// A picture of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// By which it is named.
    pub id: Id,
    /// When it was taken.
    pub at: Timestamp,
}

impl Cameras {
    /// What a camera shows now: its newest key frame as a JPEG. Asked again within a second, the same.
    pub async fn snapshot(&self, id: Id) -> Result<Picture, CamerasError> {
        let seat = self.0.seat(id)?;
        self.0.picture(&seat, None).await.map(|(picture, _)| picture)
    }

    /// The pictures of events that are kept of a camera, the newest first.
    pub async fn pictures(&self, camera: Id) -> Result<Vec<Kept>, CamerasError> {
        self.0.seat(camera)?;
        let folder = self.0.archive.folder.clone();
        let mut all = tokio::task::spawn_blocking(move || all_of(&folder, camera))
            .await
            .map_err(|error| CamerasError::Disk(error.to_string()))?;
        all.reverse();
        Ok(all.into_iter().map(|(id, _)| Kept { id, at: naming::began(id) }).collect())
    }

    /// A picture of an event, as it was kept.
    pub async fn kept_picture(&self, camera: Id, id: Id) -> Result<Bytes, CamerasError> {
        self.0.seat(camera)?;
        let folder = self.0.archive.folder.clone();
        let found = tokio::task::spawn_blocking(move || all_of(&folder, camera).into_iter().find(|(of, _)| *of == id))
            .await
            .map_err(|error| CamerasError::Disk(error.to_string()))?;
        let (_, path) = found.ok_or(CamerasError::NoSegment)?;
        let key = {
            let path = path.clone();
            let heading = tokio::task::spawn_blocking(move || key_of(&path)).await;
            heading.ok().flatten().ok_or(CamerasError::Unreadable("it is not a picture of ours"))?
        };
        let day = self.0.store.cameras().key(key).await?;
        let day = day.ok_or(CamerasError::Unreadable("the key of its day was destroyed"))?.key;
        let read = tokio::task::spawn_blocking(move || {
            let reader = SegmentReader::open(&path, &day)?;
            let record = reader.pictures().first().map_or(0, |picture| picture.record);
            reader.read(record)
        });
        let read = read.await.map_err(|error| CamerasError::Disk(error.to_string()))?;
        read.map_err(|error| CamerasError::Disk(error.to_string()))
    }
}

impl Inner {
    /// The newest picture, and when it was taken.
    async fn picture(&self, seat: &Seat, widest: Option<u16>) -> Result<(Picture, Timestamp), CamerasError> {
        if !seat.is_online() {
            return Err(CamerasError::Dark);
        }
        let still = seat.live.still().ok_or(CamerasError::Dark)?;
        let at = Timestamp(still.taken_ms);
        if widest.is_none() {
            let latest = lock(&self.pictures.latest);
            if let Some((made, number, picture)) = latest.get(&seat.id)
                && (*number == still.number || made.elapsed() < FRESH)
            {
                return Ok((picture.clone(), at));
            }
        }
        let picture = self.darkroom.develop(&still.tracks.video, still.data, widest).await?;
        if widest.is_none() {
            lock(&self.pictures.latest).insert(seat.id, (Instant::now(), still.number, picture.clone()));
        }
        Ok((picture, at))
    }

    /// Keeps a picture of what happens now, and tells of it.
    pub(super) async fn keep_picture(self: &Arc<Self>, seat: &Seat) {
        let (picture, at) = match self.picture(seat, Some(WIDE)).await {
            Ok(picture) => picture,
            Err(error) => {
                tracing::info!(camera = %seat.id, "no picture of what happened: {error}");
                return;
            }
        };
        match self.seal(seat, at, picture.jpeg).await {
            Ok(id) => self.tell(seat.id, CameraChange::Picture(id)),
            Err(error) => tracing::warn!(camera = %seat.id, "a picture of what happened was not kept: {error}"),
        }
    }

    async fn seal(&self, seat: &Seat, at: Timestamp, jpeg: Bytes) -> Result<Id, CamerasError> {
        if !self.archive.is_there() {
            return Err(CamerasError::NoArchive);
        }
        let day = self.store.cameras().day_key(seat.id, self.day_of(at)).await?;
        let id = new_segment_id(at)?;
        let failed = |error: &dyn std::fmt::Display| CamerasError::Disk(error.to_string());
        let heading = Heading::new(Media::Jpeg, day.id, seat.id.0, id.0, at.0).map_err(|error| failed(&error))?;
        let root = self.archive.folder.clone();
        let (camera, date) = (seat.id, day.day);
        let written = tokio::task::spawn_blocking(move || {
            let folder = root.join(FOLDER).join(naming::day_folder(camera, date));
            make_folder(&folder).map_err(|error| error.to_string())?;
            let mut writer =
                SegmentWriter::create(&folder, heading, &day.key, None, None).map_err(|e| e.to_string())?;
            writer.append(Fragment::of(&jpeg, 0, 0, true)).map_err(|error| error.to_string())?;
            writer.close(Reason::Stopped).map_err(|error| error.to_string())?;
            // The oldest go.
            let all = all_of(&root, camera);
            for (_, path) in all.iter().take(all.len().saturating_sub(KEPT)) {
                let _ = std::fs::remove_file(path);
            }
            Ok::<(), String>(())
        });
        written.await.map_err(|error| failed(&error))?.map_err(CamerasError::Disk)?;
        Ok(id)
    }

    /// Deletes the pictures of events that are older than a camera's recordings are to be kept.
    pub(super) async fn clear_pictures(&self) {
        let Some(now) = self.clock.trusted() else { return };
        if !self.archive.is_there() {
            return;
        }
        for seat in self.seats().values() {
            let days = seat.card().keep_days.unwrap_or(self.settings.keep_days);
            let before = now.plus_millis(-i64::from(days) * 86_400_000);
            let (folder, camera) = (self.archive.folder.clone(), seat.id);
            let cleared = tokio::task::spawn_blocking(move || {
                for (id, path) in all_of(&folder, camera) {
                    if naming::began(id) < before
                        && std::fs::remove_file(&path).is_ok()
                        && let Some(day) = path.parent()
                    {
                        // Empty with its last picture; else it stays.
                        let _ = std::fs::remove_dir(day);
                    }
                }
            });
            if let Err(error) = cleared.await {
                tracing::warn!("old pictures: {error}");
            }
        }
    }
}

impl Pictures {
    /// Whether a picture of that day is kept.
    pub fn has(&self, inner: &Inner, camera: Id, day: Date) -> bool {
        let folder = inner.archive.folder.join(FOLDER).join(naming::day_folder(camera, day));
        std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Deletes what is left of a camera: its pictures, and its empty folder.
    pub async fn forget(&self, inner: &Inner, camera: Id) {
        lock(&self.latest).remove(&camera);
        if !inner.archive.is_there() {
            return;
        }
        let root = inner.archive.folder.clone();
        let gone = tokio::task::spawn_blocking(move || {
            let _ = std::fs::remove_dir_all(root.join(FOLDER).join(naming::camera_folder(camera)));
            let own = root.join(naming::camera_folder(camera));
            for day in std::fs::read_dir(&own).into_iter().flatten().flatten() {
                // Only empty ones go so.
                let _ = std::fs::remove_dir(day.path());
            }
            let _ = std::fs::remove_dir(own);
        });
        let _ = gone.await;
    }
}

/// A camera's pictures, the oldest first.
fn all_of(root: &Path, camera: Id) -> Vec<(Id, PathBuf)> {
    let folder = root.join(FOLDER).join(naming::camera_folder(camera));
    let days = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = days.flat_map(|day| std::fs::read_dir(day.path()).into_iter().flatten().flatten());
    let mut all: Vec<(Id, PathBuf)> =
        files.filter_map(|file| Some((naming::segment_of(&file.path())?, file.path()))).take(100 * KEPT).collect();
    all.sort_by_key(|(id, _)| *id);
    all
}

/// Under which key a picture is sealed.
fn key_of(path: &Path) -> Option<u64> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(domovoi_video::archive::HEADING as u64).read_to_end(&mut bytes).ok()?;
    Heading::parse(&bytes).ok().map(|heading| heading.key_id)
}
