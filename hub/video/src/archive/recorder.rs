//! What is recorded of a camera's frames: the seconds before an event from memory, segments of a few minutes that begin
//! with a key frame, a new one with each run. A pure function of what it is given: it returns steps, and whoever has a
//! disk takes them.
//!
//! It decides neither when to record (schedule, event) nor where to.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{Frame, Item, Kind, Tracks, VideoCodec};
use crate::mp4::{Cut, Fragment, Fragmenter, Init, LARGEST_FRAME, Mp4Error, TICKS_HZ, to_ticks};

use super::format::{Media, OVERHEAD};
use super::trailer::Reason;

/// A stream without key frames does not make an endless file.
const LONGEST_IN_TURNS: i64 = 4;
const LARGEST_SEGMENT: u64 = 1 << 30;
const MOST_FRAGMENTS: u32 = 60_000;

/// Frames kept in memory are counted with what each costs beside its bytes.
const FRAME_COST: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderRule {
    /// So much from before the event, from the key frame before it on; as far as `preroll_bytes` reach.
    pub preroll_ms: u32,
    pub preroll_bytes: usize,
    /// A segment turns at the first key frame after so much.
    pub segment_ms: u32,
    pub cut: Cut,
}

impl Default for RecorderRule {
    fn default() -> Self {
        RecorderRule { preroll_ms: 5_000, preroll_bytes: 6 << 20, segment_ms: 120_000, cut: Cut::default() }
    }
}

/// What is to be done on the disk.
#[derive(Debug)]
pub enum Step {
    /// Create a segment.
    Open { media: Media, started_ms: i64, init: Option<Bytes>, tracks: Arc<Tracks> },
    /// Append to it.
    Append(Fragment),
    /// Close it.
    Close(Reason),
    /// Nothing: a frame was left out, or the run's sound, or, if its pictures cannot be written down, the whole run.
    LeftOut(Mp4Error),
}

/// One camera's.
pub struct Recorder {
    rule: RecorderRule,
    run: Option<Run>,
    recording: bool,
    kept: VecDeque<Frame>,
    kept_bytes: usize,
    segment: Option<Segment>,
    /// Of the segment that was closed last.
    last_frames: u32,
}

struct Run {
    tracks: Arc<Tracks>,
    /// Of MP4.
    init: Option<Bytes>,
    /// Wall time of tick 0, in milliseconds since 1970.
    started_ms: i64,
}

struct Segment {
    content: Content,
    /// When its first picture is decoded, in ticks of 1/90,000 s since the run's beginning.
    first: Option<i64>,
    is_open: bool,
    bytes: u64,
    fragments: u32,
    frames: u32,
}

enum Content {
    Mp4(Box<Fragmenter>),
    /// The last picture, whose end is not known yet, and how long the one before it was shown.
    Jpeg {
        last: Option<(i64, Bytes)>,
        step: i64,
    },
}

impl Recorder {
    pub fn new(rule: RecorderRule) -> Self {
        Recorder {
            rule,
            run: None,
            recording: false,
            kept: VecDeque::new(),
            kept_bytes: 0,
            segment: None,
            last_frames: 0,
        }
    }

    pub fn is_recording(&self) -> bool {
        self.recording
    }

    /// Segments turn after so much from now on, the one that is open too: the first ones of cameras that began together are
    /// made of different lengths, so that they do not turn together for ever.
    pub fn turn_after(&mut self, segment_ms: u32) {
        self.rule.segment_ms = segment_ms;
    }

    /// Frames of video in the segment that was closed last.
    pub fn frames_of_last(&self) -> u32 {
        self.last_frames
    }

    /// Bytes of frames in memory for what may come.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Takes what the session yields.
    pub fn item(&mut self, item: &Item, steps: &mut Vec<Step>) {
        match item {
            Item::Begins { tracks, started } => {
                self.close(Reason::RunEnded, None, steps);
                self.forget();
                self.run = Run::new(tracks, *started, steps);
            }
            Item::Frame(frame) if self.recording => self.feed(frame, steps),
            Item::Frame(frame) => self.keep(frame),
            // For the next segment; the one that is open keeps the time that its heading says.
            Item::Placed { started: better } => {
                if let Some(run) = &mut self.run {
                    run.started_ms = *better;
                }
            }
            // What follows is recorded as it comes: a picture with a smear in it shows more than none.
            Item::Gap { .. } => {}
        }
    }

    /// Recording begins, with what is in memory.
    pub fn start(&mut self, steps: &mut Vec<Step>) {
        if !self.recording {
            self.recording = true;
            self.kept_bytes = 0;
            for frame in std::mem::take(&mut self.kept) {
                self.feed(&frame, steps);
            }
        }
    }

    /// Recording ends; what is open is closed.
    pub fn stop(&mut self, steps: &mut Vec<Step>) {
        self.recording = false;
        self.close(Reason::Stopped, None, steps);
    }

    /// The session is gone: what is open is closed, what is in memory belongs to nothing that follows.
    pub fn lost(&mut self, steps: &mut Vec<Step>) {
        self.close(Reason::RunEnded, None, steps);
        self.forget();
        self.run = None;
    }

    /// The disk has given the segment up: nothing more goes into it, and the next begins with the next key frame.
    pub fn abandoned(&mut self) {
        self.segment = None;
    }

    fn forget(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }

    fn keep(&mut self, frame: &Frame) {
        if self.run.is_none() || frame.data.len() > LARGEST_FRAME {
            return;
        }
        self.kept_bytes += frame.data.len() + FRAME_COST;
        self.kept.push_back(frame.clone());
        let now = self.ticks(frame);
        let enough = now.saturating_sub(i64::from(self.rule.preroll_ms) * i64::from(TICKS_HZ / 1000));
        // As long as the group after the first one reaches far enough back, the first one is not needed.
        while let Some(next) = self.kept.iter().skip(1).position(starts) {
            let next = next + 1;
            let reaches = self.kept.get(next).is_some_and(|frame| self.ticks(frame) <= enough);
            if !reaches && self.kept_bytes <= self.rule.preroll_bytes {
                break;
            }
            self.drop_first(next);
        }
        if self.kept_bytes > self.rule.preroll_bytes || !self.kept.iter().any(starts) && self.kept.len() > 256 {
            // One group alone is too much: without its beginning the rest of it is of no use.
            self.forget();
        }
    }

    fn drop_first(&mut self, count: usize) {
        for frame in self.kept.drain(..count.min(self.kept.len())) {
            self.kept_bytes = self.kept_bytes.saturating_sub(frame.data.len() + FRAME_COST);
        }
    }

    fn ticks(&self, frame: &Frame) -> i64 {
        let Some(run) = &self.run else { return 0 };
        let hz = match frame.kind {
            Kind::Video => run.tracks.video.clock_hz,
            Kind::Audio => run.tracks.audio.as_ref().map_or(1, |audio| audio.clock_hz),
        };
        to_ticks(frame.decoded, hz)
    }

    fn feed(&mut self, frame: &Frame, steps: &mut Vec<Step>) {
        let Some(run) = &self.run else { return };
        let tracks = Arc::clone(&run.tracks);
        let at = self.ticks(frame);
        let turn = i64::from(self.rule.segment_ms) * i64::from(TICKS_HZ / 1000);
        if let Some(segment) = &self.segment
            && let Some(first) = segment.first
        {
            let age = at.saturating_sub(first);
            let endless = age >= turn.saturating_mul(LONGEST_IN_TURNS)
                || segment.bytes >= LARGEST_SEGMENT
                || segment.fragments >= MOST_FRAGMENTS;
            if frame.kind == Kind::Video && (frame.starts_group && age >= turn || endless) {
                self.close(Reason::Turn, Some(frame.decoded), steps);
            }
        }
        let segment = self.segment.get_or_insert_with(|| Segment::new(&tracks, self.rule.cut));
        let first = segment.first;
        let done = match &mut segment.content {
            Content::Mp4(fragmenter) => match fragmenter.push(frame) {
                Ok(done) => done,
                Err(error) => {
                    steps.push(Step::LeftOut(error));
                    return;
                }
            },
            Content::Jpeg { .. } if frame.kind == Kind::Audio => None,
            Content::Jpeg { .. } if frame.data.len() > LARGEST_FRAME => {
                steps.push(Step::LeftOut(Mp4Error::FrameTooLong { bytes: frame.data.len() }));
                return;
            }
            Content::Jpeg { last, step } => {
                let at = last.as_ref().map_or(at, |(before, _)| at.max(before.saturating_add(1)));
                let done = last.replace((at, frame.data.clone()));
                done.map(|(shown, data)| {
                    *step = at.saturating_sub(shown);
                    picture(&data, shown.saturating_sub(first.unwrap_or(shown)), at.saturating_sub(shown))
                })
            }
        };
        if starts(frame) {
            segment.first.get_or_insert(at);
        }
        if frame.kind == Kind::Video && segment.first.is_some() {
            segment.frames = segment.frames.saturating_add(1);
        }
        if let Some(fragment) = done {
            self.append(fragment, steps);
        }
    }

    fn append(&mut self, fragment: Fragment, steps: &mut Vec<Step>) {
        let (Some(segment), Some(run)) = (&mut self.segment, &self.run) else { return };
        if !segment.is_open {
            let (base, media) = match &segment.content {
                Content::Mp4(fragmenter) => (fragmenter.base(), Media::Mp4),
                Content::Jpeg { .. } => (segment.first, Media::Jpeg),
            };
            let started_ms = run.started_ms.saturating_add(base.unwrap_or(0).div_euclid(90));
            steps.push(Step::Open { media, started_ms, init: run.init.clone(), tracks: Arc::clone(&run.tracks) });
            segment.is_open = true;
        }
        segment.bytes += fragment.payload().len() as u64 + OVERHEAD;
        segment.fragments += 1;
        steps.push(Step::Append(fragment));
    }

    /// Closes the segment; `next` is when the first picture after it is decoded, in video's own ticks.
    fn close(&mut self, reason: Reason, next: Option<i64>, steps: &mut Vec<Step>) {
        let rest = match self.segment.as_mut().map(|segment| (segment.first, &mut segment.content)) {
            None => return,
            Some((_, Content::Mp4(fragmenter))) => match fragmenter.finish(next) {
                Ok(rest) => rest,
                Err(error) => {
                    steps.push(Step::LeftOut(error));
                    None
                }
            },
            Some((first, Content::Jpeg { last, step })) => last.take().map(|(shown, data)| {
                let hz = self.run.as_ref().map_or(TICKS_HZ, |run| run.tracks.video.clock_hz);
                let until = next.map_or(*step, |next| to_ticks(next, hz).saturating_sub(shown).max(1));
                picture(&data, shown.saturating_sub(first.unwrap_or(shown)), until)
            }),
        };
        if let Some(fragment) = rest {
            self.append(fragment, steps);
        }
        if let Some(segment) = self.segment.take().filter(|segment| segment.is_open) {
            self.last_frames = segment.frames;
            steps.push(Step::Close(reason));
        }
    }
}

impl Run {
    /// Sound that cannot be written down is left out, and told once; pictures that cannot be are no recording.
    fn new(tracks: &Arc<Tracks>, started_ms: i64, steps: &mut Vec<Step>) -> Option<Self> {
        let run = |tracks: Arc<Tracks>, init| Some(Run { tracks, init, started_ms });
        if tracks.video.codec == VideoCodec::Jpeg {
            return run(Arc::clone(tracks), None);
        }
        match Init::new(tracks) {
            Ok(init) => run(Arc::clone(tracks), Some(init.bytes)),
            Err(error) => {
                steps.push(Step::LeftOut(error));
                let silent = Arc::new(Tracks { audio: None, ..Tracks::clone(tracks) });
                let init = Init::new(&silent).ok().filter(|_| tracks.audio.is_some())?;
                run(silent, Some(init.bytes))
            }
        }
    }
}

impl Segment {
    fn new(tracks: &Arc<Tracks>, cut: Cut) -> Self {
        let content = if tracks.video.codec == VideoCodec::Jpeg {
            Content::Jpeg { last: None, step: i64::from(TICKS_HZ) }
        } else {
            Content::Mp4(Box::new(Fragmenter::new(Arc::clone(tracks), cut)))
        };
        Segment { content, first: None, is_open: false, bytes: 0, fragments: 0, frames: 0 }
    }
}

fn picture(data: &Bytes, start: i64, duration: i64) -> Fragment {
    Fragment::of(data, start.max(0).unsigned_abs(), u32::try_from(duration.max(0)).unwrap_or(u32::MAX), true)
}

fn starts(frame: &Frame) -> bool {
    frame.kind == Kind::Video && frame.starts_group
}
