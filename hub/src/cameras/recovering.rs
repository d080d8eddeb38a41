//! After a start, and when the archive's disk is back: files and rows are brought to agree. What a crash left open is closed
//! as far as it is whole; files without rows are taken in or put aside; rows without files say so. Nothing is deleted that
//! somebody might miss.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::{Finished, LOOK_LIMIT, Segment, SegmentPlace, SegmentStart, SegmentState, StoreError};
use domovoi_vault::DayKey;
use domovoi_video::archive::{
    Closed, Expected, Heading, RecoverError, Recovery, SegmentReader, Verdict, recover, set_aside, verify,
};

use super::books::finished;
use super::seat::Seat;
use super::{Inner, naming};
use crate::bus::CameraChange;

/// What is in order at once after a crash: it wrote into the newest folders of days only.
const NEWEST_DAYS: usize = 2;

/// A file of a segment, by its name alone.
#[derive(Debug, Clone)]
struct Named {
    id: Id,
    day: Date,
    path: PathBuf,
}

/// What was found and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tidied {
    pub recovered: usize,
    pub adopted: usize,
    pub aside: usize,
    pub missing: usize,
}

impl Inner {
    /// Everything that has to be in order before the first segment is opened.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<Tidied, StoreError> {
        let mut tidied = Tidied::default();
        let open = self.store.segments().open_ones().await?;
        for segment in open.segments {
            if self.archive.is_growing(segment.id) {
                continue;
            }
            if self.recover_open(&segment).await? {
                tidied.recovered += 1;
            }
        }
        for brief in &open.damaged {
            tracing::error!(camera = %brief.camera, segment = %brief.id, "the row of an open segment does not open");
        }
        self.empty_bin().await;
        for seat in self.seats().values() {
            let folder = self.archive.folder.clone();
            let camera = seat.id;
            let named = tokio::task::spawn_blocking(move || named(&folder, camera, Some(NEWEST_DAYS)));
            let named = named.await.unwrap_or_default();
            self.take_in(seat, &named, &mut tidied).await?;
            self.measure(seat).await;
        }
        if tidied != Tidied::default() {
            tracing::info!(?tidied, "the archive was brought into order");
        }
        if tidied.aside > 0 {
            self.tell_set_aside(tidied.aside).await;
        }
        Ok(tidied)
    }

    /// How lively a camera is, by its last segments.
    async fn measure(&self, seat: &Seat) {
        if let Ok(newest) = self.store.segments().newest(seat.id, 4).await {
            for segment in newest.segments.iter().rev() {
                if let Some(ended) = segment.ended {
                    seat.measured(segment.bytes, segment.started, ended);
                }
            }
        }
    }

    fn path_of(&self, segment: &Segment) -> PathBuf {
        self.archive.folder.join(naming::segment_file(segment.camera, segment.day, segment.id))
    }

    /// False: nothing was left of it.
    async fn recover_open(self: &Arc<Self>, segment: &Segment) -> Result<bool, StoreError> {
        let segments = self.store.segments();
        let path = self.path_of(segment);
        let Some(day) = self.store.cameras().key(segment.key).await? else {
            segments.to_garbage(&[segment.id]).await?;
            return Ok(false);
        };
        let previous = segments.last_of(segment.camera).await?;
        let (file, key) = (path.clone(), day.key);
        let outcome =
            tokio::task::spawn_blocking(
                move || {
                    if file.exists() { Some(recover(&file, &key, previous)) } else { None }
                },
            );
        let outcome = outcome.await.map_err(|error| StoreError::Io(error.to_string()))?;
        match outcome {
            Some(Ok(Recovery::AlreadyClosed(closed) | Recovery::Recovered { closed, .. })) => {
                let mut done = finished(&closed, 0, SegmentState::Done, "");
                let later = segment.started.0.saturating_sub(closed.heading.started_ms);
                done.ended = done.ended.plus_millis(later);
                segments.finish(segment.id, &done).await?;
                Ok(true)
            }
            Some(Ok(Recovery::Nothing { .. })) => {
                segments.to_garbage(&[segment.id]).await?;
                Ok(false)
            }
            Some(Err(RecoverError::Io { path, source })) => {
                Err(StoreError::Io(format!("{}: {source}", path.display())))
            }
            Some(Err(error)) => {
                tracing::error!(camera = %segment.camera, "{error}");
                self.give_up(segment, "not-recovered", SegmentState::Damaged).await?;
                Ok(false)
            }
            None => {
                self.give_up(segment, "missing", SegmentState::Missing).await?;
                Ok(false)
            }
        }
    }

    /// An open row of which nothing can be made.
    async fn give_up(&self, segment: &Segment, trouble: &str, state: SegmentState) -> Result<(), StoreError> {
        let ended = Finished {
            ended: segment.started,
            bytes: segment.bytes,
            state: SegmentState::Damaged,
            tag: None,
            previous: None,
            records: 0,
            frames: 0,
            reason: "recovered".to_owned(),
            trouble: trouble.to_owned(),
        };
        self.store.segments().finish(segment.id, &ended).await?;
        self.found_damaged(segment, state, trouble).await
    }

    /// What is wrong with a segment is written down and told.
    pub(super) async fn found_damaged(
        &self,
        segment: &Segment,
        state: SegmentState,
        trouble: &str,
    ) -> Result<(), StoreError> {
        self.store.segments().mark(segment.id, state, trouble).await?;
        tracing::error!(camera = %segment.camera, segment = %segment.id, trouble, "a recording is not as it was written");
        if let Ok(seat) = self.seat(segment.camera) {
            let at = self.zone.to_datetime(super::schedule::instant(segment.started));
            self.tell_damaged(&seat, trouble, at.strftime("%d.%m.%Y %H:%M").to_string()).await;
        }
        self.tell(segment.camera, CameraChange::Archive);
        Ok(())
    }

    /// The rest, slowly: every file has a row, and every row a file.
    pub(super) async fn reconcile(self: &Arc<Self>) -> Result<Tidied, StoreError> {
        let mut tidied = Tidied::default();
        for seat in self.seats().values() {
            let folder = self.archive.folder.clone();
            let camera = seat.id;
            let files = tokio::task::spawn_blocking(move || named(&folder, camera, None)).await.unwrap_or_default();
            self.take_in(seat, &files, &mut tidied).await?;
            let there: HashSet<Id> = files.iter().map(|file| file.id).collect();
            self.miss(seat, &there, &mut tidied).await?;
            if self.store.segments().recount(seat.id).await? {
                tracing::warn!(camera = %seat.id, "what a camera's archive comes to was counted anew");
            }
        }
        if tidied.aside > 0 {
            self.tell_set_aside(tidied.aside).await;
        }
        Ok(tidied)
    }

    /// Rows of which the file is not there.
    async fn miss(self: &Arc<Self>, seat: &Seat, there: &HashSet<Id>, tidied: &mut Tidied) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
            let looked = self.store.segments().list(seat.id, from, to, after, LOOK_LIMIT).await?;
            for segment in &looked.segments {
                let local = matches!(segment.place, SegmentPlace::Local | SegmentPlace::Spool);
                let closed = matches!(segment.state, SegmentState::Done | SegmentState::Damaged);
                // It may have come since the folder was read.
                if !local || !closed || there.contains(&segment.id) || self.path_of(segment).exists() {
                    continue;
                }
                // A disk that goes just now has no files either.
                if self.archive.look().await != super::ArchiveState::There {
                    return Ok(());
                }
                self.found_damaged(segment, SegmentState::Missing, "missing").await?;
                tidied.missing += 1;
            }
            match looked.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Files without a row.
    async fn take_in(self: &Arc<Self>, seat: &Seat, files: &[Named], tidied: &mut Tidied) -> Result<(), StoreError> {
        for some in files.chunks(LOOK_LIMIT as usize) {
            let ids: Vec<Id> = some.iter().map(|file| file.id).collect();
            let known: HashSet<Id> = self.store.segments().known(&ids).await?.iter().map(|one| one.id).collect();
            for file in some.iter().filter(|file| !known.contains(&file.id)) {
                // What is just being made has its row in a moment.
                if self.archive.is_growing(file.id) || !self.store.segments().known(&[file.id]).await?.is_empty() {
                    continue;
                }
                match self.adopt(seat, file).await? {
                    true => tidied.adopted += 1,
                    false => tidied.aside += 1,
                }
            }
        }
        Ok(())
    }

    /// Takes a file in, if it is ours and whole, or can be made so; else it is put aside.
    async fn adopt(self: &Arc<Self>, seat: &Seat, file: &Named) -> Result<bool, StoreError> {
        let path = file.path.clone();
        let read = tokio::task::spawn_blocking(move || (heading_of(&path), is_empty(&path))).await;
        let (heading, is_empty) = read.map_err(|error| StoreError::Io(error.to_string()))?;
        if is_empty {
            // Its name was on the disk when the power went, and nothing else.
            let path = file.path.clone();
            let _ = tokio::task::spawn_blocking(move || std::fs::remove_file(path)).await;
            return Ok(true);
        }
        let ours = heading.filter(|heading| heading.camera == seat.id.0 && heading.segment == file.id.0);
        let key = match &ours {
            Some(heading) => self.store.cameras().key(heading.key_id).await?,
            None => None,
        };
        let Some((heading, day)) = ours.zip(key).filter(|(_, day)| day.camera == seat.id && day.day == file.day) else {
            return self.put_aside(file).await;
        };
        let previous = self.store.segments().last_of(seat.id).await?;
        let (path, key) = (file.path.clone(), day.key.clone());
        let closed = tokio::task::spawn_blocking(move || whole(&path, &key, previous)).await;
        let closed = match closed.map_err(|error| StoreError::Io(error.to_string()))? {
            Ok(Some(closed)) => closed,
            // Not one picture is in it: it was created, and then the power went.
            Ok(None) => {
                let path = file.path.clone();
                let _ = tokio::task::spawn_blocking(move || std::fs::remove_file(path)).await;
                return Ok(true);
            }
            Err(why) => {
                tracing::warn!("{}: {why}", file.path.display());
                return self.put_aside(file).await;
            }
        };
        let start = SegmentStart {
            id: file.id,
            camera: seat.id,
            key: heading.key_id,
            day: file.day,
            started: Timestamp(heading.started_ms),
            place: SegmentPlace::Local,
            store: String::new(),
            run: String::new(),
        };
        self.store.segments().adopt(&start, &finished(&closed, 0, SegmentState::Done, "")).await?;
        self.tell(seat.id, CameraChange::Archive);
        Ok(true)
    }

    async fn put_aside(&self, file: &Named) -> Result<bool, StoreError> {
        let (folder, path) = (self.archive.folder.clone(), file.path.clone());
        let moved = tokio::task::spawn_blocking(move || set_aside(&folder, &path)).await;
        match moved {
            Ok(Ok(to)) => tracing::warn!("{} cannot be explained and lies at {}", file.path.display(), to.display()),
            Ok(Err(error)) => tracing::warn!("{} cannot be put aside: {error}", file.path.display()),
            Err(error) => tracing::warn!("{} cannot be put aside: {error}", file.path.display()),
        }
        Ok(false)
    }
}

/// The files of a camera that are called like segments; of its newest days only, if so many are said.
fn named(root: &Path, camera: Id, newest: Option<usize>) -> Vec<Named> {
    let folder = root.join(naming::camera_folder(camera));
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut days: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    days.sort();
    let skipped = newest.map_or(0, |newest| days.len().saturating_sub(newest));
    let files = days.iter().skip(skipped).flat_map(|day| std::fs::read_dir(day).into_iter().flatten().flatten());
    files
        .filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|file| {
            let path = file.path();
            let (of, day, id) = naming::parse(path.strip_prefix(root).ok()?.to_str()?)?;
            (of == camera).then_some(Named { id, day, path })
        })
        .collect()
}

fn heading_of(path: &Path) -> Option<Heading> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(domovoi_video::archive::HEADING as u64).read_to_end(&mut bytes).ok()?;
    Heading::parse(&bytes).ok()
}

/// Nothing, or a length with nothing but zeros where the heading should be.
fn is_empty(path: &Path) -> bool {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(domovoi_video::archive::HEADING as u64).read_to_end(&mut bytes));
    read.is_ok() && bytes.iter().all(|byte| *byte == 0)
}

/// A file that is closed and sound, or that a crash left open and that is closed now. `None`: there is nothing in it.
fn whole(path: &Path, day: &DayKey, previous: Option<[u8; 16]>) -> Result<Option<Closed>, String> {
    match verify(path, day, &Expected::default()).map_err(|error| error.to_string())? {
        Verdict::Sound(trailer) => {
            let reader = SegmentReader::open(path, day).map_err(|error| error.to_string())?;
            let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
            let tag = reader.tag().ok_or("it has no trailer")?;
            Ok(Some(Closed { path: path.to_owned(), heading: reader.heading().clone(), bytes, trailer, tag }))
        }
        Verdict::NoTrailer { .. } | Verdict::Truncated { .. } => match recover(path, day, previous) {
            Ok(Recovery::AlreadyClosed(closed) | Recovery::Recovered { closed, .. }) => Ok(Some(closed)),
            Ok(Recovery::Nothing { .. }) => Ok(None),
            Err(error) => Err(error.to_string()),
        },
        other => Err(format!("{other:?}")),
    }
}
