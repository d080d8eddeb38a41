//! What is recorded of one camera: the plan and what happened say when, the recorder makes segments of frames, and each is
//! opened only where the disk is the right one and there is room. It waits for keys, rows and room; its frames wait in a
//! queue meanwhile, and nobody else waits at all.

use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::{CameraDay, SegmentPlace, SegmentStart, new_segment_id};
use domovoi_video::archive::{Heading, Media, Recorder, RecorderRule, Step};
use domovoi_video::mp4::Fragment;
use domovoi_video::session::{Reader, State, Status};
use domovoi_video::{Item, Tracks};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::archive::{Growing, lane, make_folder};
use super::event::Roll;
use super::schedule::{self, Mode, Plan};
use super::seat::{Seat, lock};
use super::view::{Off, Recording, run_of};
use super::{ArchiveState, Inner, happenings, naming, plan_of};
use crate::bus::CameraChange;

/// After the session is gone, so long its last frames may take to come here.
const LAST_FRAMES: Duration = Duration::from_secs(1);

/// What failed at the opening of a segment is tried again after this.
const AGAIN: Duration = Duration::from_secs(10);
const NO_ROOM: Duration = Duration::from_secs(30);

/// Nothing changes of itself that is not looked at by then, whatever becomes of the wall clock.
const LOOK: Duration = Duration::from_secs(300);

/// What is left out is told so often.
const TOLD: Duration = Duration::from_secs(600);

/// Records until the session's frames end.
pub(super) async fn record(
    inner: &Arc<Inner>,
    seat: &Arc<Seat>,
    mut frames: Reader,
    mut status: watch::Receiver<Status>,
    mut stop: watch::Receiver<bool>,
) {
    let mut archive = inner.archive.changes();
    let mut desk = Recordist::new(inner, seat);
    desk.reconsider().await;
    loop {
        let at = desk.look_at;
        let woken = tokio::select! {
            biased;
            item = frames.next() => item.map_or(Woken::End, Woken::Item),
            () = seat.wake.notified() => Woken::Look,
            changed = archive.changed() => changed.map_or(Woken::End, |()| Woken::Look),
            changed = status.changed() => changed.map_or(Woken::End, |()| Woken::Status),
            () = sleep_until(at) => Woken::Look,
            _ = stop.wait_for(|stop| *stop) => Woken::End,
        };
        match woken {
            Woken::Item(item) => desk.item(&item).await,
            Woken::Look => desk.reconsider().await,
            Woken::Status => {
                let state = status.borrow_and_update().state.clone();
                desk.stands(&state).await;
            }
            Woken::End => break,
        }
    }
    desk.end().await;
}

/// What ended the waiting.
enum Woken {
    Item(Item),
    Look,
    Status,
    End,
}

struct Recordist<'a> {
    inner: &'a Arc<Inner>,
    seat: &'a Arc<Seat>,
    recorder: Recorder,
    plan: Plan,
    roll: Roll,
    lane: u64,
    day: Option<CameraDay>,
    /// The segment that steps are for; `None`: what comes until the next opening is let go.
    open: Option<Id>,
    /// The first segment is shorter, by chance, so that those of all cameras do not turn at once.
    has_turned: bool,
    steps: Vec<Step>,
    /// What is to be recorded may be otherwise at this moment of the wall clock …
    change_at: Option<Timestamp>,
    /// … or if it was set back behind this.
    considered_at: Timestamp,
    look_at: Instant,
    /// The session is gone.
    lost_at: Option<Instant>,
    told_left_out: Option<Instant>,
}

impl<'a> Recordist<'a> {
    fn new(inner: &'a Arc<Inner>, seat: &'a Arc<Seat>) -> Self {
        let card = seat.card();
        let plan = plan_of(&card);
        let segment_ms = u32::try_from(inner.settings.segment.as_millis()).unwrap_or(u32::MAX);
        let on_event = plan.mode() == Mode::OnEvent;
        let waiting = inner.seats().values().filter(|seat| plan_of(&seat.card()).mode() == Mode::OnEvent).count();
        let share = inner.settings.pre_roll_memory / u64::try_from(waiting.max(1)).unwrap_or(1);
        let rule = RecorderRule {
            preroll_ms: if on_event { card.pre_roll_secs.saturating_mul(1000) } else { 0 },
            preroll_bytes: if on_event { usize::try_from(share).unwrap_or(usize::MAX) } else { 0 },
            segment_ms,
            cut: inner.archive.cut,
        };
        let mut recorder = Recorder::new(rule);
        // Between two fifths of a segment and a whole one.
        let [chance, ..] = seat.id.0;
        recorder.turn_after(segment_ms / 5 * 2 + segment_ms / 5 * 3 / 256 * u32::from(chance));
        Recordist {
            inner,
            seat,
            recorder,
            plan,
            roll: happenings::roll_of(&card),
            lane: lane(seat.id),
            day: None,
            open: None,
            has_turned: false,
            steps: Vec::new(),
            change_at: None,
            considered_at: inner.now(),
            look_at: Instant::now(),
            lost_at: None,
            told_left_out: None,
        }
    }

    async fn item(&mut self, item: &Item) {
        if let Item::Begins { .. } = item {
            self.lost_at = None;
        }
        let wall = self.inner.now();
        if self.change_at.is_some_and(|at| at <= wall) || wall.0 < self.considered_at.0.saturating_sub(2_000) {
            self.reconsider().await;
        }
        self.recorder.item(item, &mut self.steps);
        self.perform().await;
    }

    /// The session came or went.
    async fn stands(&mut self, state: &State) {
        self.lost_at = match state {
            State::Offline { .. } | State::Stopped => Some(self.lost_at.unwrap_or(Instant::now() + LAST_FRAMES)),
            State::Starting | State::Online { .. } => None,
        };
        self.reconsider().await;
    }

    /// What is to be recorded now, and when to look again.
    async fn reconsider(&mut self) {
        if self.lost_at.is_some_and(|at| at <= Instant::now()) {
            self.lost_at = None;
            self.recorder.lost(&mut self.steps);
            self.perform().await;
        }
        let wall = self.inner.now();
        self.considered_at = wall;
        let (recording, change_at, mut look_at) = self.decide(wall);
        self.change_at = change_at;
        if let Some(at) = change_at {
            let millis = u64::try_from(at.0.saturating_sub(wall.0)).unwrap_or(0);
            look_at = look_at.min(Instant::now() + Duration::from_millis(millis.saturating_add(1)));
        }
        self.look_at = self.lost_at.map_or(look_at, |lost| look_at.min(lost));
        match (&recording, self.recorder.is_recording()) {
            (Recording::On { .. }, false) => self.recorder.start(&mut self.steps),
            (Recording::Off(_), true) => self.recorder.stop(&mut self.steps),
            _ => {}
        }
        self.perform().await;
        self.show(recording);
    }

    fn show(&self, wanted: Recording) {
        let online = self.seat.is_online();
        let shown = match wanted {
            Recording::On { .. } if !online => Recording::Off(Off::Offline),
            other => other,
        };
        if self.seat.set_recording(shown) {
            self.inner.tell(self.seat.id, CameraChange::Standing);
        }
    }

    /// Whether it is to be recorded, when the wall clock changes that, and when to look anyway.
    fn decide(&self, wall: Timestamp) -> (Recording, Option<Timestamp>, Instant) {
        let look_at = Instant::now() + LOOK;
        let off = |why| (Recording::Off(why), None, look_at);
        match self.inner.archive.state() {
            ArchiveState::There => {}
            other => return off(Off::Archive(other)),
        }
        if let Some((until, why)) = self.seat.paused() {
            return (Recording::Off(why), None, until.min(look_at));
        }
        // Nobody knows what time it is: better too much than nothing.
        let trusted = self.inner.clock.trusted().is_some();
        let zone = &self.inner.zone;
        let on = !trusted && self.plan.mode() != Mode::Never || schedule::is_on(&self.plan, zone, wall);
        let next = schedule::next_change(&self.plan, zone, wall);
        match self.plan.mode() {
            Mode::Never => off(Off::Never),
            Mode::Always | Mode::Week if on => (Recording::On { event_until: None }, next, look_at),
            Mode::Always | Mode::Week => (Recording::Off(Off::Plan { until: next }), next, look_at),
            Mode::OnEvent => {
                let mut events = lock(&self.seat.events);
                happenings::forget_past(&mut events, self.roll, wall);
                match happenings::recorded_until(&events, self.roll, wall) {
                    Some(until) => {
                        let change = next.map_or(until, |next| next.min(until));
                        (Recording::On { event_until: Some(until) }, Some(change), look_at)
                    }
                    None if on => (Recording::Off(Off::NoEvent), next, look_at),
                    None => (Recording::Off(Off::Plan { until: next }), next, look_at),
                }
            }
        }
    }

    /// Takes the recorder's steps to the disk.
    async fn perform(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let mut given_up = false;
        for step in std::mem::take(&mut self.steps) {
            match step {
                Step::Open { media, started_ms, init, tracks } => {
                    self.open = self.begin(media, started_ms, init, &tracks).await;
                    given_up |= self.open.is_none();
                }
                Step::Append(fragment) => given_up |= !self.append(fragment).await,
                Step::Close(reason) => {
                    if let Some(segment) = self.open.take() {
                        lock(&self.inner.archive.frames).insert(segment, self.recorder.frames_of_last());
                        self.inner.archive.close(self.lane, reason);
                    }
                    if !self.has_turned {
                        self.has_turned = true;
                        let segment = self.inner.settings.segment.as_millis();
                        self.recorder.turn_after(u32::try_from(segment).unwrap_or(u32::MAX));
                    }
                }
                Step::LeftOut(error) => {
                    let now = Instant::now();
                    if self.told_left_out.is_none_or(|told| now.duration_since(told) >= TOLD) {
                        self.told_left_out = Some(now);
                        tracing::warn!(camera = %self.seat.id, "not all of a camera is recorded: {error}");
                    }
                }
            }
        }
        if given_up {
            self.recorder.abandoned();
        }
    }

    /// False: the segment was given up.
    async fn append(&mut self, fragment: Fragment) -> bool {
        if self.open.is_none() {
            return false;
        }
        let Err(behind) = self.inner.archive.append(self.lane, fragment) else { return true };
        let segment = self.open.take();
        // The disk's thread has told why, if it was the disk.
        if behind.behind_ms > 0 {
            tracing::error!(camera = %self.seat.id, segment = segment.map(|id| id.to_string()), "recording: {behind}");
            self.seat.pause(Off::Failing, AGAIN);
            self.inner.tell_behind(self.seat, behind.behind_ms).await;
        }
        false
    }

    /// Makes room, and begins a segment; `None`: it cannot be now.
    async fn begin(
        &mut self,
        media: Media,
        started_ms: i64,
        init: Option<bytes::Bytes>,
        tracks: &Tracks,
    ) -> Option<Id> {
        if !self.inner.archive.is_there() {
            return None;
        }
        match self.inner.make_room(self.seat).await {
            Ok(None) => self.inner.tell_not_paused(self.seat).await,
            Ok(Some(why)) => {
                self.seat.pause(Off::Paused(why), NO_ROOM);
                self.inner.tell_paused(self.seat, Some(why)).await;
                return None;
            }
            Err(error) => return self.fail(&format!("the store: {error}")),
        }
        match self.prepare(media, started_ms, init, tracks).await {
            Ok(id) => Some(id),
            Err(why) => self.fail(&why),
        }
    }

    fn fail(&self, why: &str) -> Option<Id> {
        tracing::error!(camera = %self.seat.id, "a segment does not begin: {why}");
        self.seat.pause(Off::Failing, AGAIN);
        None
    }

    async fn prepare(
        &mut self,
        media: Media,
        started_ms: i64,
        init: Option<bytes::Bytes>,
        tracks: &Tracks,
    ) -> Result<Id, String> {
        let (camera, started) = (self.seat.id, Timestamp(started_ms));
        let date = self.inner.day_of(started);
        let day = self.day_key(date).await?;
        let previous = self.inner.store.segments().last_of(camera).await.map_err(|error| error.to_string())?;
        let id = new_segment_id(started).map_err(|error| error.to_string())?;
        let heading = Heading::new(media, day.id, camera.0, id.0, started_ms).map_err(|error| error.to_string())?;
        let path = self.inner.archive.folder.join(naming::segment_file(camera, date, id));
        let folder = path.parent().map(std::path::Path::to_owned).unwrap_or_default();
        // The last look before anything is made: the folder of a disk that has just gone must not fill.
        if self.inner.archive.look().await != ArchiveState::There {
            return Err("the archive's disk is not there any more".to_owned());
        }
        let made = tokio::task::spawn_blocking(move || make_folder(&folder)).await;
        made.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let place = self.seat.card().place;
        let start = SegmentStart {
            id,
            camera,
            key: day.id,
            day: date,
            started,
            place: if place.is_some() { SegmentPlace::Spool } else { SegmentPlace::Local },
            store: place.unwrap_or_default(),
            run: run_of(tracks),
        };
        if self.inner.clock.trusted().is_none() {
            let ahead = self.inner.now().0.saturating_sub(self.inner.clock.since_boot_millis());
            lock(&self.inner.archive.undated).push((id, ahead));
        }
        let growing = Growing { start, path, day: day.key, durable: None, created: false };
        self.inner.archive.open(growing, heading, previous, init).map_err(|behind| behind.to_string())?;
        Ok(id)
    }

    async fn day_key(&mut self, date: Date) -> Result<CameraDay, String> {
        if let Some(day) = self.day.as_ref().filter(|day| day.day == date) {
            return Ok(day.clone());
        }
        let day = self.inner.store.cameras().day_key(self.seat.id, date).await.map_err(|error| error.to_string())?;
        self.day = Some(day.clone());
        Ok(day)
    }

    /// The tasks of the camera end: what is open is closed.
    async fn end(&mut self) {
        self.recorder.stop(&mut self.steps);
        self.perform().await;
    }
}

impl Inner {
    /// The day of the home's calendar. What lies outside of the calendar is its end.
    pub(super) fn day_of(&self, at: Timestamp) -> Date {
        let shown = self.zone.to_datetime(schedule::instant(at)).date();
        let month = u8::try_from(shown.month()).unwrap_or(1);
        let day = u8::try_from(shown.day()).unwrap_or(1);
        Date::new(shown.year(), month, day).unwrap_or_else(epoch)
    }
}

fn epoch() -> Date {
    // The first of a month is in every calendar.
    domovoi_model::Period { year: 1970, month: 1 }.day(1)
}
