//! A camera's place in the house: what is known of it and how it stands, in memory, and the tasks that serve it. It decides
//! nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use domovoi_model::{Id, Timestamp};
use domovoi_store::CameraCard;
use domovoi_video::Item;
use domovoi_video::live::{Live, LiveLimits};
use domovoi_video::session::{Feed, Reader, State, Status, Visits, feed, supervise};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::happenings::Lasting;
use super::recording::record;
use super::view::{Off, Recording};
use super::{FORMER, Inner};
use crate::bus::CameraChange;

/// From the session to the task that hands frames on, which waits for nobody.
const HANDING_ON: usize = 8 << 20;

/// From there to the recorder, which waits for keys and for room: half a minute of four megabits.
const TO_RECORDER: usize = 16 << 20;

/// A camera's tasks have this long to take their leave.
const LEAVE: Duration = Duration::from_secs(7);

/// After a panic in a camera's tasks they are begun anew.
const AGAIN: Duration = Duration::from_secs(5);

/// A restless sensor is no reason for more pictures of the same.
const PICTURES_EVERY: Duration = Duration::from_secs(20);

pub(super) struct Seat {
    pub id: Id,
    card: RwLock<CameraCard>,
    status: Mutex<Option<watch::Receiver<Status>>>,
    pub live: Live,
    recording: Mutex<Recording>,
    recording_since: Mutex<Option<Instant>>,
    /// What started recordings and is of use yet.
    pub events: Mutex<Vec<Lasting>>,
    /// Something is otherwise: what is to be recorded is looked at anew.
    pub wake: Notify,
    /// Bytes a second, as the last segments had; 0: not known yet.
    pub rate: AtomicU64,
    /// Nothing is recorded before this, because something failed.
    pause: Mutex<Option<(Instant, Off)>>,
    pub visits: Visits,
    /// When the last picture of an event was taken.
    picture_at: Mutex<Option<Instant>>,
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    stop: watch::Sender<bool>,
    all: JoinHandle<()>,
}

impl Seat {
    pub fn new(card: CameraCard) -> Self {
        Seat {
            id: card.id,
            card: RwLock::new(card),
            status: Mutex::default(),
            live: Live::new(LiveLimits::default()),
            recording: Mutex::new(Recording::Off(Off::Starting)),
            recording_since: Mutex::default(),
            events: Mutex::default(),
            wake: Notify::new(),
            rate: AtomicU64::new(0),
            pause: Mutex::default(),
            visits: Visits::default(),
            picture_at: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    pub fn card(&self) -> CameraCard {
        self.card.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn name(&self) -> String {
        self.card.read().unwrap_or_else(PoisonError::into_inner).name.clone()
    }

    pub fn become_(&self, card: CameraCard) {
        *self.card.write().unwrap_or_else(PoisonError::into_inner) = card;
    }

    /// It was forgotten, and its recordings stay until they are too old.
    pub fn is_former(&self) -> bool {
        self.card.read().unwrap_or_else(PoisonError::into_inner).kind == FORMER
    }

    pub fn status(&self) -> Status {
        match &*lock(&self.status) {
            Some(status) => status.borrow().clone(),
            None => Status { state: State::Stopped, ..Status::starting() },
        }
    }

    pub fn recording(&self) -> Recording {
        lock(&self.recording).clone()
    }

    /// True if that is news.
    pub fn set_recording(&self, recording: Recording) -> bool {
        let mut now = lock(&self.recording);
        let is_news = *now != recording;
        *now = recording;
        let mut since = lock(&self.recording_since);
        match (&*now, &mut *since) {
            (Recording::On { .. }, None) => *since = Some(Instant::now()),
            (Recording::Off(_), _) => *since = None,
            _ => {}
        }
        is_news
    }

    /// Whether it has been recorded for so long without a pause.
    pub fn is_recording_for(&self, time: Duration) -> bool {
        lock(&self.recording_since).is_some_and(|since| since.elapsed() >= time)
    }

    pub fn is_online(&self) -> bool {
        matches!(self.status().state, State::Online { .. })
    }

    /// Nothing is recorded for so long.
    pub fn pause(&self, why: Off, lasts: Duration) {
        *lock(&self.pause) = Some((Instant::now() + lasts, why));
        self.wake.notify_one();
    }

    /// Tries again now.
    pub fn go_on(&self) {
        if lock(&self.pause).take().is_some() {
            self.wake.notify_one();
        }
    }

    pub fn paused(&self) -> Option<(Instant, Off)> {
        let mut pause = lock(&self.pause);
        if pause.as_ref().is_some_and(|(until, _)| *until <= Instant::now()) {
            *pause = None;
        }
        pause.clone()
    }

    pub fn bytes_per_second(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// What is told of a segment that ended: how lively the picture is by now.
    pub fn measured(&self, bytes: u64, started: Timestamp, ended: Timestamp) {
        let millis = ended.0.saturating_sub(started.0);
        // A segment of a few seconds says little.
        if let Ok(millis @ 10_000..) = u64::try_from(millis) {
            self.rate.store(bytes.saturating_mul(1000) / millis, Ordering::Relaxed);
        }
    }

    /// Whether the last picture of an event is old enough for another one.
    pub fn may_take_picture(&self) -> bool {
        let mut last = lock(&self.picture_at);
        let may = last.is_none_or(|at| at.elapsed() >= PICTURES_EVERY);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    fn take_tasks(&self) -> Option<Tasks> {
        lock(&self.tasks).take()
    }

    /// Ends what serves it, and waits until it has left the camera.
    pub async fn leave(&self) {
        let Some(tasks) = self.take_tasks() else { return };
        tasks.stop.send_replace(true);
        let abort = tasks.all.abort_handle();
        if tokio::time::timeout(LEAVE, tasks.all).await.is_err() {
            tracing::warn!(camera = %self.id, "a camera's tasks did not end in time");
            abort.abort();
        }
    }
}

impl Inner {
    /// Begins what serves a camera, in the place of what does, if the room runs.
    pub(super) fn begin(self: &Arc<Self>, seat: &Arc<Seat>) {
        let before = seat.take_tasks();
        if let Some(before) = &before {
            before.stop.send_replace(true);
        }
        let card = seat.card();
        let wanted = card.enabled && !seat.is_former() && *self.running.borrow();
        if !wanted {
            seat.set_recording(Recording::Off(Off::Disabled));
            *lock(&seat.status) = None;
            seat.live.close();
            self.tell(seat.id, CameraChange::Standing);
            return;
        }
        let (stop, stopped) = watch::channel(false);
        let (inner, ours) = (Arc::clone(self), Arc::clone(seat));
        let all = tokio::spawn(async move {
            if let Some(before) = before {
                // The camera may serve one viewer: the one before takes its leave first.
                let _ = tokio::time::timeout(LEAVE, before.all).await;
            }
            inner.serve_for_ever(&ours, stopped).await;
        });
        *lock(&seat.tasks) = Some(Tasks { stop, all });
    }

    /// A panic in one camera's tasks ends these, and they are begun anew.
    async fn serve_for_ever(self: Arc<Self>, seat: &Arc<Seat>, mut stop: watch::Receiver<bool>) {
        loop {
            let (inner, ours, stopped) = (Arc::clone(&self), Arc::clone(seat), stop.clone());
            let served = tokio::spawn(async move { inner.serve(&ours, stopped).await }).await;
            if *stop.borrow() {
                return;
            }
            if let Err(error) = served {
                tracing::error!(camera = %seat.id, "the tasks of a camera gave way: {error}");
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn serve(self: Arc<Self>, seat: &Arc<Seat>, stop: watch::Receiver<bool>) {
        let mut options = match self.options(&seat.card()) {
            Ok(options) => options,
            Err(wrong) => {
                tracing::error!(camera = %seat.id, "what is known of a camera cannot be used: {wrong}");
                return;
            }
        };
        options.visits = seat.visits.clone();
        let (status, changes) = watch::channel(Status::starting());
        *lock(&seat.status) = Some(changes.clone());
        let (from_session, frames) = feed(HANDING_ON);
        let (to_recorder, recorded) = feed(TO_RECORDER);
        let session = supervise(options, from_session, status, stop.clone());
        let handing_on = hand_on(seat, frames, to_recorder);
        let recording = record(&self, seat, recorded, changes.clone(), stop.clone());
        let watching = self.watch_status(seat, changes, stop);
        tokio::join!(session, handing_on, recording, watching);
    }
}

/// Shows each item to whoever watches, and passes it on to be recorded; waits for neither.
async fn hand_on(seat: &Seat, mut frames: Reader, to_recorder: Feed) {
    while let Some(item) = frames.next().await {
        seat.live.push(&item);
        to_recorder.push(item);
    }
    // Nothing must be shown that is not true any more.
    seat.live.push(&Item::Gap { frames: 0 });
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole after each step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
