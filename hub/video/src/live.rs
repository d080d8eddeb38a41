//! A camera seen now: whoever comes gets the newest group of pictures at once, and then each piece as it is made.
//!
//! The camera's task hands in what its session yields and never waits. Only the frames of the newest group are kept, in
//! bounds; pieces of MP4 are made by each viewer's own task (`viewer`), so a camera that nobody watches costs nothing
//! beyond that. A viewer who is behind loses whole groups and is told (`queue`). MJPEG is not sent but fetched, picture by
//! picture. Deliberately no word of WebSocket, of people, or of who may see.
//!
//! Frames are shared, not copied: sixteen slow viewers of one camera hold the same two seconds once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::frame::{Frame, Item, Kind, Tracks, VideoCodec};
use crate::mp4::{TICKS_HZ, to_ticks};

mod queue;
#[cfg(test)]
mod tests;
mod viewer;

pub use viewer::{Viewer, Watched};

use queue::Slot;

/// Frames of one group that are kept, however small they are: a minute at sixty a second, and its sound.
const MOST_FRAMES: usize = 8_192;

/// What a frame costs beside its bytes.
const FRAME_COST: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// How long the newest group may be in memory. Of a longer one nothing but its first frame is kept, and who comes then
    /// waits for the next.
    pub group_bytes: usize,
    /// How much may wait for one viewer.
    pub queue_bytes: usize,
    /// How long something may wait for a viewer before all of it is dropped.
    pub behind: Duration,
    /// How many may watch at once.
    pub viewers: usize,
    /// How long a piece of live video is at least.
    pub piece_ms: u32,
}

impl Default for LiveLimits {
    fn default() -> Self {
        LiveLimits {
            group_bytes: 6 << 20,
            queue_bytes: 10 << 20,
            behind: Duration::from_secs(2),
            viewers: 16,
            // Every frame at 15 a second, every second one at 30.
            piece_ms: 60,
        }
    }
}

/// So many watch already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{viewers} watch this camera already")]
pub struct TooMany {
    pub viewers: usize,
}

/// The newest frame that a picture can be made of.
#[derive(Debug, Clone)]
pub struct Still {
    pub tracks: Arc<Tracks>,
    /// As in [`Frame::data`]: a JPEG file, or NAL units with four-byte lengths.
    pub data: Bytes,
    /// Milliseconds since 1970.
    pub taken_ms: i64,
    /// Grows with each one, for who wants to know whether there is another.
    pub number: u64,
}

/// One camera, live. Clones are the same camera.
#[derive(Clone)]
pub struct Live {
    state: Arc<Mutex<State>>,
    limits: LiveLimits,
    /// The number of the newest still.
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    /// The newest group so far, its first frame first; empty before the first one, and after frames were lost.
    group: VecDeque<Frame>,
    group_bytes: usize,
    still: Option<Still>,
    viewers: Vec<Arc<Slot>>,
}

#[derive(Clone)]
struct Run {
    tracks: Arc<Tracks>,
    started_ms: i64,
}

impl Live {
    pub fn new(limits: LiveLimits) -> Self {
        Live { state: Arc::default(), limits, newest: watch::Sender::new(0) }
    }

    /// Takes in what the camera's session yields, in its order.
    pub fn push(&self, item: &Item) {
        self.push_at(item, Instant::now());
    }

    fn push_at(&self, item: &Item, now: Instant) {
        let mut state = self.state();
        match item {
            Item::Begins { tracks, started } => {
                let run = Run { tracks: Arc::clone(tracks), started_ms: *started };
                state.forget_group();
                for viewer in &state.viewers {
                    viewer.begins(&run, now);
                }
                state.run = Some(run);
            }
            Item::Placed { started } => {
                if let Some(run) = &mut state.run {
                    run.started_ms = *started;
                }
            }
            Item::Gap { .. } => {
                // What follows may show what is not there: it is left out until the next group, for who watches as well.
                state.forget_group();
                for viewer in &state.viewers {
                    viewer.lost();
                }
            }
            Item::Frame(frame) => self.frame(&mut state, frame, now),
        }
    }

    fn frame(&self, state: &mut State, frame: &Frame, now: Instant) {
        let Some(run) = state.run.clone() else { return };
        let starts = frame.kind == Kind::Video && frame.starts_group;
        let wall_ms = run.wall_ms(frame);
        if starts {
            state.forget_group();
            let number = self.newest.borrow().saturating_add(1);
            let data = frame.data.clone();
            state.still = Some(Still { tracks: Arc::clone(&run.tracks), data, taken_ms: wall_ms, number });
            self.newest.send_replace(number);
        }
        if run.is_pictures() {
            return;
        }
        let cost = cost(frame);
        if starts || !state.group.is_empty() {
            let fits = state.group_bytes.saturating_add(cost) <= self.limits.group_bytes;
            if fits && state.group.len() < MOST_FRAMES {
                state.group_bytes = state.group_bytes.saturating_add(cost);
                state.group.push_back(frame.clone());
            } else {
                state.forget_group();
            }
        }
        for viewer in &state.viewers {
            viewer.frame(frame, wall_ms, now);
        }
    }

    /// Begins to watch: what there is of the newest group comes first.
    pub fn watch(&self) -> Result<Viewer, TooMany> {
        self.watch_at(Instant::now())
    }

    fn watch_at(&self, now: Instant) -> Result<Viewer, TooMany> {
        let mut state = self.state();
        if state.viewers.len() >= self.limits.viewers {
            return Err(TooMany { viewers: state.viewers.len() });
        }
        let slot = Arc::new(Slot::new(&self.limits));
        if let Some(run) = &state.run {
            slot.begins(run, now);
            for frame in &state.group {
                slot.frame(frame, run.wall_ms(frame), now);
            }
        }
        state.viewers.push(Arc::clone(&slot));
        Ok(Viewer::new(self.clone(), slot, self.limits.piece_ms))
    }

    fn leave(&self, slot: &Arc<Slot>) {
        self.state().viewers.retain(|other| !Arc::ptr_eq(other, slot));
    }

    /// Nobody is shown anything any more: the camera was forgotten or switched off. Who watches is told by the end.
    pub fn close(&self) {
        let mut state = self.state();
        for viewer in state.viewers.drain(..) {
            viewer.close();
        }
        *state = State::default();
    }

    /// How many watch now.
    pub fn viewers(&self) -> usize {
        self.state().viewers.len()
    }

    /// Bytes of the newest group in memory.
    pub fn kept_bytes(&self) -> usize {
        self.state().group_bytes
    }

    /// What is sent now, if the camera has sent anything.
    pub fn tracks(&self) -> Option<Arc<Tracks>> {
        self.state().run.as_ref().map(|run| Arc::clone(&run.tracks))
    }

    /// The newest frame that a picture can be made of: of MJPEG the newest of all, else the one that began the newest
    /// group.
    pub fn still(&self) -> Option<Still> {
        self.state().still.clone()
    }

    /// The first still after the one of this number: MJPEG is watched so. Waits for as long as it takes.
    pub async fn still_after(&self, number: u64) -> Option<Still> {
        let mut newest = self.newest.subscribe();
        newest.wait_for(|newest| *newest > number).await.ok()?;
        self.still()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is kept is whole after each step; a panic elsewhere does not make it less true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("Live")
            .field("viewers", &state.viewers.len())
            .field("frames", &state.group.len())
            .finish_non_exhaustive()
    }
}

impl State {
    fn forget_group(&mut self) {
        self.group.clear();
        self.group_bytes = 0;
    }
}

impl Run {
    fn is_pictures(&self) -> bool {
        self.tracks.video.codec == VideoCodec::Jpeg
    }

    /// When a frame was taken, in milliseconds since 1970.
    fn wall_ms(&self, frame: &Frame) -> i64 {
        let hz = match frame.kind {
            Kind::Video => self.tracks.video.clock_hz,
            Kind::Audio => self.tracks.audio.as_ref().map_or(1, |audio| audio.clock_hz),
        };
        self.started_ms.saturating_add(to_ticks(frame.shown, hz).div_euclid(i64::from(TICKS_HZ / 1000)))
    }
}

fn cost(frame: &Frame) -> usize {
    frame.data.len().saturating_add(FRAME_COST)
}
