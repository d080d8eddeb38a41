//! The rows of what is written: each report of the disk becomes a row, in order. A row follows its file when that begins and
//! when it ends; what the store cannot take now is tried again, and the disk does not wait for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Id, Timestamp};
use domovoi_store::{Finished, SegmentPlace, SegmentStart, SegmentState, StoreError};
use domovoi_video::archive::{Closed, Heading, Reason, Recovery, Report, WriteError, recover};
use tokio::sync::{mpsc, watch};

use super::archive::Growing;
use super::seat::lock;
use super::view::Off;
use super::{Inner, naming, retention};
use crate::bus::CameraChange;

/// Between two tries to write a row.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(30);

/// After the disk was full, and after it failed otherwise, nothing is recorded for so long.
const FULL: Duration = Duration::from_secs(60);
const FAILED: Duration = Duration::from_secs(10);

/// How a reason is kept.
pub(super) fn reason_code(reason: Reason) -> &'static str {
    match reason {
        Reason::Turn => "turn",
        Reason::Stopped => "stopped",
        Reason::RunEnded => "run-ended",
        Reason::DiskFull => "disk-full",
        Reason::Abandoned => "abandoned",
        Reason::Recovered => "recovered",
    }
}

/// What stands in the row of a segment that ended.
pub(super) fn finished(closed: &Closed, frames: u32, state: SegmentState, trouble: &str) -> Finished {
    Finished {
        ended: Timestamp(closed.ended_ms()),
        bytes: closed.bytes,
        state,
        tag: Some(closed.tag),
        previous: closed.trailer.previous,
        records: u32::try_from(closed.trailer.fragments()).unwrap_or(u32::MAX),
        frames,
        reason: reason_code(closed.trailer.reason).to_owned(),
        trouble: trouble.to_owned(),
    }
}

impl Inner {
    /// Writes rows until the disk's thread has ended and all that it said is written.
    pub(super) async fn keep_books(
        self: &Arc<Self>,
        mut reports: mpsc::UnboundedReceiver<Report>,
        stop: watch::Receiver<bool>,
    ) {
        while let Some(report) = reports.recv().await {
            match report {
                Report::Opened { heading, .. } => self.opened(&heading, &stop).await,
                Report::Closed { closed, .. } => self.closed(&closed, &stop).await,
                Report::Failed { error, left, .. } => self.failed(&error, left, &stop).await,
                Report::Synced { .. } => {}
            }
        }
    }

    async fn opened(&self, heading: &Heading, stop: &watch::Receiver<bool>) {
        let Some(growing) = self.archive.growing(Id(heading.segment)) else { return };
        self.persist(stop, Row::Began(growing.start)).await;
    }

    async fn closed(&self, closed: &Closed, stop: &watch::Receiver<bool>) {
        let (segment, camera) = (Id(closed.heading.segment), Id(closed.heading.camera));
        let frames = lock(&self.archive.frames).remove(&segment).unwrap_or(0);
        let mut finished = finished(closed, frames, SegmentState::Done, "");
        // It may have been put elsewhere in time since it began: the clock was set.
        finished.ended = Timestamp(finished.ended.0 + self.put_off_by(segment, closed.heading.started_ms).await);
        self.persist(stop, Row::Ended(segment, finished)).await;
        self.archive.ended(segment);
        if let Ok(Some(row)) = self.store.segments().get(segment).await
            && row.place == SegmentPlace::Spool
        {
            self.queue(&row);
        }
        if let Ok(seat) = self.seat(camera) {
            seat.measured(closed.bytes, Timestamp(closed.heading.started_ms), Timestamp(closed.ended_ms()));
        }
        self.tell(camera, CameraChange::Archive);
    }

    /// How much later a segment's row says it began than its file does.
    pub(super) async fn put_off_by(&self, segment: Id, heading_ms: i64) -> i64 {
        match self.store.segments().get(segment).await {
            Ok(Some(row)) => row.started.0.saturating_sub(heading_ms),
            _ => 0,
        }
    }

    async fn failed(self: &Arc<Self>, error: &WriteError, left: Option<PathBuf>, stop: &watch::Receiver<bool>) {
        let growing = naming::segment_of(path_of(error)).and_then(|segment| self.archive.growing(segment));
        let camera = naming::camera_of(path_of(error));
        tracing::error!(camera = camera.map(|camera| camera.to_string()), "recording: {error}");
        let seat = camera.and_then(|camera| self.seat(camera).ok());
        if let WriteError::Full(_) = error {
            if let Some(seat) = &seat {
                seat.pause(Off::Paused(retention::Pause::Disk), FULL);
                self.tell_paused(seat, Some(retention::Pause::Disk)).await;
            }
        } else {
            if let Some(seat) = &seat {
                seat.pause(Off::Failing, FAILED);
            }
            self.tell_failing(&error.to_string()).await;
        }
        let Some(growing) = growing else { return };
        match left {
            // Of one that was not created perhaps an empty file is left, which the next look at the folder finds.
            None => self.archive.ended(growing.start.id),
            Some(path) => self.close_anyhow(&growing, &path, error, stop).await,
        }
    }

    /// Tries until it is written; once more, and no longer, when the house stops. What contradicts the books is told and let
    /// go: the next start looks at files and rows anew.
    async fn persist(&self, stop: &watch::Receiver<bool>, row: Row) {
        let mut pause = AGAIN;
        let mut stopped = stop.clone();
        loop {
            let stopping = *stopped.borrow();
            let written = match &row {
                Row::Began(start) => self.store.segments().begin(start).await,
                Row::Ended(segment, finished) => self.store.segments().finish(*segment, finished).await.map(drop),
            };
            match written {
                Ok(()) => return,
                Err(error @ (StoreError::Full | StoreError::Io(_))) if !stopping => {
                    tracing::warn!("the row of a segment waits for the store: {error}");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = stopped.wait_for(|stop| *stop) => {}
                    }
                    pause = (pause * 2).min(AGAIN_AT_MOST);
                }
                Err(error) => {
                    tracing::error!("a segment has no row: {error}");
                    return;
                }
            }
        }
    }

    /// A segment could not be closed: what is whole of it is kept, and its row says that its end is unknown.
    async fn close_anyhow(
        self: &Arc<Self>,
        growing: &Growing,
        path: &Path,
        error: &WriteError,
        stop: &watch::Receiver<bool>,
    ) {
        let segment = growing.start.id;
        let previous = self.store.segments().last_of(growing.start.camera).await.ok().flatten();
        let (file, day) = (path.to_owned(), growing.day.clone());
        let recovered = tokio::task::spawn_blocking(move || recover(&file, &day, previous)).await;
        let trouble = if matches!(error, WriteError::NotDurable { .. }) { "not-durable" } else { "not-closed" };
        match recovered {
            Ok(Ok(Recovery::AlreadyClosed(closed) | Recovery::Recovered { closed, .. })) => {
                let frames = lock(&self.archive.frames).remove(&segment).unwrap_or(0);
                // After a failed fsync nobody knows what the disk really has.
                let state = match error {
                    WriteError::NotDurable { .. } => SegmentState::Damaged,
                    _ => SegmentState::Done,
                };
                let trouble = if state == SegmentState::Done { "" } else { trouble };
                let finished = finished(&closed, frames, state, trouble);
                self.persist(stop, Row::Ended(segment, finished)).await;
            }
            Ok(Ok(Recovery::Nothing { .. })) => {
                if self.store.segments().to_garbage(&[segment]).await.is_ok() {
                    self.empty_bin().await;
                }
            }
            // The disk is gone: it stays open until it is back, or until the next start.
            Ok(Err(error)) => tracing::warn!("a segment stays open: {error}"),
            Err(error) => tracing::error!("a segment stays open: {error}"),
        }
        self.archive.ended(segment);
        self.tell(growing.start.camera, CameraChange::Archive);
    }
}

/// What is to be written.
enum Row {
    Began(SegmentStart),
    Ended(Id, Finished),
}

fn path_of(error: &WriteError) -> &Path {
    match error {
        WriteError::Full(path) | WriteError::Stopped(path) | WriteError::Init(path) => path,
        WriteError::NotDurable { path, .. } | WriteError::Io { path, .. } | WriteError::TooLong { path, .. } => path,
    }
}
