//! Makes runs of what a camera sends: finds where decoding can begin, gives every frame its two times, begins a new run
//! where times jump, the wall clock is set or the parameters change, and keeps audio beside video.
//! Deliberately without a socket or a codec library: units go in, items come out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::clock::{Arrival, Placement, Verdict, millis};
use super::nal::{self, Role};
use super::order::Order;
use crate::frame::{AudioCodec, AudioTrack, Frame, Item, Kind, Tracks, VideoCodec};

/// A step back by more than this is no reordering of B-frames.
const BACK_MS: i64 = 2_000;
const FORWARD_MS: i64 = 10_000;
/// A step forward by so much more than has passed since the frame before: a looped transport stream has one at its end.
const AHEAD_MS: i64 = 2_000;
/// How far the camera's own relation of audio and video may be from that of their arrival.
const APART_MS: i64 = 500;

/// One access unit as it came.
pub(super) struct Unit {
    /// RTP time, unwrapped, in the track's ticks.
    pub(super) ticks: i64,
    /// The same since the camera's own beginning (NPT), in milliseconds.
    pub(super) since_play_ms: i64,
    pub(super) arrival: Arrival,
    pub(super) data: Bytes,
}

#[derive(Default)]
pub(super) struct Flow {
    tracks: Option<Arc<Tracks>>,
    run: Option<Run>,
    /// Reason to begin another run at the next group.
    restart: bool,
    /// The run began with an open group: its leading pictures cannot be decoded.
    skip_leading: bool,
    /// Learned where the stream does not say it.
    depth: Option<usize>,
    frame_ticks: Option<i64>,
    ready: VecDeque<Item>,
}

struct Run {
    tracks: Arc<Tracks>,
    /// RTP time of tick 0 of the video.
    origin: i64,
    last: i64,
    last_arrival: Arrival,
    highest: i64,
    order: Order,
    began: Arrival,
    began_since_play_ms: i64,
    placement: Placement,
    audio: Option<AudioLine>,
}

struct AudioLine {
    origin: i64,
    last: i64,
    /// Where the last frame's samples end.
    end: i64,
}

impl Flow {
    pub(super) fn next(&mut self) -> Option<Item> {
        self.ready.pop_front()
    }

    /// The parameters under which the next group is to be read.
    pub(super) fn set_tracks(&mut self, tracks: Tracks) {
        if self.tracks.as_deref() != Some(&tracks) {
            self.depth = None;
            self.tracks = Some(Arc::new(tracks));
        }
    }

    /// Frames were lost on the way here.
    pub(super) fn gap(&mut self, frames: u32) {
        if self.run.is_some() {
            self.ready.push_back(Item::Gap { frames });
        }
    }

    /// Takes a video frame. True: it was handed on, or there was reason to leave it out; false: decoding cannot begin yet.
    pub(super) fn video(&mut self, unit: Unit) -> bool {
        let Some(tracks) = self.tracks.clone() else { return false };
        let video = &tracks.video;
        let hz = i64::from(video.clock_hz.max(1));
        let role = nal::role(video.codec, &unit.data);
        let starts = matches!(role, Role::Start { .. });
        let frame_ticks = self.frame_ticks.unwrap_or_else(|| nominal(hz, video.declared_millihz));
        if let Some(run) = &mut self.run {
            // A group is shown after all that came before it; one that is not begins another time line.
            self.restart |= starts && unit.ticks <= run.highest;
            let delta = unit.ticks.saturating_sub(run.last);
            // What a pause explains is no jump: it came as late as it says.
            let passed = since(run.last_arrival, unit.arrival).saturating_mul(hz) / 1000;
            let ahead = delta.saturating_sub(passed.max(0));
            if delta < -(BACK_MS * hz / 1000) || delta > FORWARD_MS * hz / 1000 || ahead > AHEAD_MS * hz / 1000 {
                // Times jump. Until the next group its pictures are put behind all that came, with room for those that
                // are shown before this one: nothing is lost, and nothing joins what does not belong together.
                let room = frame_ticks.saturating_mul(run.order.reach());
                run.origin = run.origin.saturating_add(unit.ticks.saturating_sub(run.highest)).saturating_sub(room);
                run.highest = unit.ticks;
                self.restart = true;
            } else if (1..=hz).contains(&delta) {
                // With B-frames only the shortest step is a frame's length; where the rate changes, it is forgotten slowly.
                let known = self.frame_ticks.unwrap_or(delta);
                self.frame_ticks = Some(if delta < known { delta.max(1) } else { (known * 15 + delta) / 16 });
            }
            run.last = unit.ticks;
            run.last_arrival = unit.arrival;
            run.highest = run.highest.max(unit.ticks);
            if !Arc::ptr_eq(&run.tracks, &tracks) {
                self.restart = true;
            }
        }
        if starts && (self.restart || self.run.is_none()) {
            self.begin(tracks, &unit, frame_ticks);
        }
        match role {
            Role::Start { .. } if self.run.as_ref().is_some_and(|run| run.order.last().is_some()) => {
                self.skip_leading = false;
            }
            Role::Start { open } => self.skip_leading = open,
            Role::Skipped if self.skip_leading => return self.run.is_some(),
            _ => {}
        }
        let Some(run) = &mut self.run else { return false };
        let place = run.order.place(unit.ticks.saturating_sub(run.origin));
        if place.moved {
            let deeper = self.depth.unwrap_or(0).saturating_add(1).min(4);
            if self.depth != Some(deeper) {
                self.depth = Some(deeper);
                self.restart = true;
            }
        }
        let elapsed_ms = place.shown.saturating_mul(1000) / hz;
        match run.placement.observe(unit.arrival, elapsed_ms) {
            Verdict::Placed(started) => self.ready.push_back(Item::Placed { started }),
            Verdict::ClockSet => self.restart = true,
            Verdict::Nothing => {}
        }
        self.ready.push_back(Item::Frame(Frame {
            kind: Kind::Video,
            starts_group: starts,
            decoded: place.decoded,
            shown: place.shown,
            data: unit.data,
        }));
        true
    }

    fn begin(&mut self, tracks: Arc<Tracks>, unit: &Unit, frame_ticks: i64) {
        self.restart = false;
        let said = nal::depth(tracks.video.codec, &tracks.video.parameter_sets);
        let depth = self.depth.unwrap_or(0).max(said.unwrap_or(0));
        let order = Order::new(depth, frame_ticks);
        let hz = i64::from(tracks.video.clock_hz.max(1));
        let placement = Placement::begin(unit.arrival, order.delay().saturating_mul(1000) / hz);
        self.ready.push_back(Item::Begins { tracks: Arc::clone(&tracks), started: placement.started() });
        self.run = Some(Run {
            tracks,
            origin: unit.ticks,
            last: unit.ticks,
            last_arrival: unit.arrival,
            highest: unit.ticks,
            order,
            began: unit.arrival,
            began_since_play_ms: unit.since_play_ms,
            placement,
            audio: None,
        });
    }

    /// Takes an audio frame; before a run, and before its tick 0, there is no place for it.
    pub(super) fn audio(&mut self, unit: Unit) {
        let Some(run) = &mut self.run else { return };
        let Some(track) = &run.tracks.audio else { return };
        let hz = i64::from(track.clock_hz.max(1));
        let length = samples(track, unit.data.len());
        let arrived_ms = since(run.began, unit.arrival);
        let line = match &mut run.audio {
            Some(line) => line,
            none => {
                let said_ms = unit.since_play_ms.saturating_sub(run.began_since_play_ms);
                let ms = if said_ms.abs_diff(arrived_ms) <= APART_MS.unsigned_abs() { said_ms } else { arrived_ms };
                let delay_ms = run.order.delay().saturating_mul(1000) / i64::from(run.tracks.video.clock_hz.max(1));
                let origin = unit.ticks.saturating_sub(ms.saturating_add(delay_ms).saturating_mul(hz) / 1000);
                none.insert(AudioLine { origin, last: unit.ticks, end: 0 })
            }
        };
        let delta = unit.ticks.saturating_sub(line.last);
        line.last = unit.ticks;
        if delta < -hz || delta > FORWARD_MS.saturating_mul(hz) / 1000 {
            // A jump of the audio's own: it goes on where it arrives, and never before what was.
            let here = (arrived_ms.saturating_mul(hz) / 1000).max(line.end);
            line.origin = unit.ticks.saturating_sub(here);
        }
        let at = unit.ticks.saturating_sub(line.origin);
        if at < 0 {
            return;
        }
        let at = at.max(line.end);
        line.end = at.saturating_add(length.max(1));
        self.ready.push_back(Item::Frame(Frame {
            kind: Kind::Audio,
            starts_group: true,
            decoded: at,
            shown: at,
            data: unit.data,
        }));
    }

    pub(super) fn codec(&self) -> Option<VideoCodec> {
        self.tracks.as_ref().map(|tracks| tracks.video.codec)
    }
}

/// The length of a frame before two were seen: as the stream says, or 25 a second.
fn nominal(hz: i64, declared_millihz: Option<u32>) -> i64 {
    let millihz = i64::from(declared_millihz.filter(|millihz| *millihz > 0).unwrap_or(25_000));
    (hz.saturating_mul(1000) / millihz).max(1)
}

fn samples(track: &AudioTrack, bytes: usize) -> i64 {
    match track.codec {
        AudioCodec::Aac => 1024,
        AudioCodec::Pcma | AudioCodec::Pcmu => {
            i64::try_from(bytes / usize::from(track.channels.max(1))).unwrap_or(i64::MAX)
        }
    }
}

fn since(began: Arrival, arrival: Arrival) -> i64 {
    match arrival.received.checked_duration_since(began.received) {
        Some(later) => millis(later),
        None => -millis(began.received.saturating_duration_since(arrival.received)),
    }
}
