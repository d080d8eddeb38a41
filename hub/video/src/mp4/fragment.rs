//! Frames in, fragments out: each a run of video with the sound of the same time, whole in itself.
//!
//! A fragment is cut where the rule says (at each key frame or after two seconds for the archive, every tenth of a second
//! for live), and earlier before it would grow longer than a record. The last frame's duration is known when the next one
//! comes, so one frame is always held back. A gap in the sound is no long sample but a `moof` of its own in the same
//! fragment: a browser would else stretch the last sound over it.
//!
//! It writes no file and seals nothing; it leaves room before each fragment for whoever does.

use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{AudioCodec, Frame, Kind, Tracks};

use super::moof::{Run, Sample, write};
use super::{
    AUDIO_TRACK, LARGEST_FRAGMENT, LARGEST_FRAME, Mp4Error, TICKS_HZ, VIDEO_TRACK, flac, g711, scale, to_ticks,
};

/// Bytes free before a fragment's first, for the framing of a record: the frames are copied once and sealed where they
/// lie.
pub const HEADROOM: usize = 18;

/// Room after it, for the seal's tag.
const TAILROOM: usize = 16;

/// A stream of empty frames must not make an endless table.
const MOST_SAMPLES: usize = 4096;

/// Sound from before the first picture is kept so far.
const EARLY_SOUND_MS: i64 = 500;

/// Sound is not held longer than this for a picture that does not come.
const LONGEST_SOUND_S: i64 = 4;

/// A last picture is not held longer for one that is shown late.
const LONGEST_LAST_S: i64 = 15;

/// When a fragment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before each frame that starts a group, and after so much.
    Group { longest_ms: u32 },
    /// As soon as there is so much of it (0: with each frame), and before each frame that starts a group.
    Live { shortest_ms: u32 },
}

impl Default for Cut {
    fn default() -> Self {
        Cut::Group { longest_ms: 2_000 }
    }
}

/// A piece of a run: `moof` and `mdat`, possibly several pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    buffer: Vec<u8>,
    /// Since the fragmenter's beginning, in ticks of [`TICKS_HZ`].
    pub start: u64,
    /// To the beginning of the next one, in the same ticks.
    pub duration: u32,
    /// A decoder can begin with it.
    pub starts_group: bool,
}

impl Fragment {
    /// A piece that is no MP4: an initialisation, a picture.
    pub fn of(payload: &[u8], start: u64, duration: u32, starts_group: bool) -> Self {
        let mut buffer = room(payload.len());
        buffer.extend_from_slice(payload);
        Fragment { buffer, start, duration, starts_group }
    }

    pub fn payload(&self) -> &[u8] {
        self.buffer.get(HEADROOM..).unwrap_or_default()
    }

    /// The payload, without a copy of it.
    pub fn into_payload(self) -> Bytes {
        let mut bytes = Bytes::from(self.buffer);
        bytes.split_off(HEADROOM.min(bytes.len()))
    }

    /// [`HEADROOM`] bytes and the payload.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

fn room(payload: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(HEADROOM + payload + TAILROOM);
    buffer.resize(HEADROOM, 0);
    buffer
}

/// A frame that waits, on its track's own clock since the run's beginning.
struct Waiting {
    decoded: i64,
    shown: i64,
    sync: bool,
    data: Bytes,
}

/// One run's frames to fragments.
pub struct Fragmenter {
    tracks: Arc<Tracks>,
    cut: Cut,
    video: Vec<Waiting>,
    audio: Vec<Waiting>,
    bytes: usize,
    /// The beginning of the first fragment in the run's time: tick 0 of all that is written. Video's clock, audio's clock.
    base: Option<(i64, i64)>,
    sequence: u32,
    video_step: i64,
    /// When the last of all that came is shown.
    latest: i64,
    audio_step: i64,
}

impl Fragmenter {
    pub fn new(tracks: Arc<Tracks>, cut: Cut) -> Self {
        let millihz =
            i64::from(tracks.video.declared_millihz.filter(|rate| (100..=1_000_000).contains(rate)).unwrap_or(15_000));
        let video_step = (i64::from(tracks.video.clock_hz) * 1000 / millihz).max(1);
        Fragmenter {
            tracks,
            cut,
            video: Vec::new(),
            audio: Vec::new(),
            bytes: 0,
            base: None,
            sequence: 0,
            video_step,
            latest: i64::MIN,
            // ISO/IEC 14496-3: an access unit of AAC has 1,024 samples, unless the stream shows otherwise.
            audio_step: 1024,
        }
    }

    /// Where tick 0 of the fragments lies in the run, in ticks of [`TICKS_HZ`]; known with the first fragment.
    pub fn base(&self) -> Option<i64> {
        self.base.map(|(video, _)| to_ticks(video, self.tracks.video.clock_hz))
    }

    /// Takes a frame, and gives the fragment that is complete with it. Nothing is written before the first frame that
    /// starts a group.
    pub fn push(&mut self, frame: &Frame) -> Result<Option<Fragment>, Mp4Error> {
        if frame.data.len() > LARGEST_FRAME {
            return Err(Mp4Error::FrameTooLong { bytes: frame.data.len() });
        }
        match frame.kind {
            // A sample without a byte is an error to every decoder.
            _ if frame.data.is_empty() => Ok(None),
            Kind::Video => self.push_video(frame),
            Kind::Audio => self.push_audio(frame),
        }
    }

    /// What is left, when no more frames come into this file; `next` is when the picture that follows it elsewhere is
    /// decoded, in the run's own ticks.
    pub fn finish(&mut self, next: Option<i64>) -> Result<Option<Fragment>, Mp4Error> {
        self.emit(next)
    }

    fn push_video(&mut self, frame: &Frame) -> Result<Option<Fragment>, Mp4Error> {
        let mut done = None;
        let mut decoded = frame.decoded;
        if let Some(last) = self.video.last() {
            // Two frames of one decode time, which a broken camera sends, would be out of order to a player.
            decoded = decoded.max(last.decoded.saturating_add(1));
            if self.is_due(decoded, frame) {
                done = self.emit(Some(decoded))?;
            }
        } else if self.base.is_none() && !frame.starts_group {
            return Ok(None);
        }
        self.bytes += frame.data.len();
        self.latest = self.latest.max(frame.shown);
        self.video.push(Waiting { decoded, shown: frame.shown, sync: frame.starts_group, data: frame.data.clone() });
        Ok(done)
    }

    fn is_due(&self, decoded: i64, frame: &Frame) -> bool {
        let hz = self.tracks.video.clock_hz;
        let span = self.video.first().map_or(0, |first| to_ticks(decoded.saturating_sub(first.decoded), hz));
        let (Cut::Group { longest_ms: ms } | Cut::Live { shortest_ms: ms }) = self.cut;
        frame.starts_group
            || span >= i64::from(ms) * i64::from(TICKS_HZ / 1000)
            || self.bytes + frame.data.len() > LARGEST_FRAGMENT
            || self.video.len() >= MOST_SAMPLES
    }

    fn push_audio(&mut self, frame: &Frame) -> Result<Option<Fragment>, Mp4Error> {
        let Some(audio) = &self.tracks.audio else { return Ok(None) };
        let (hz, channels) = (audio.clock_hz, usize::from(audio.channels.max(1)));
        // A packet of G.711 longer than a block of FLAC; an access unit of AAC is one sample whatever its length.
        let longest =
            if audio.codec == AudioCodec::Aac { LARGEST_FRAME } else { usize::from(flac::LONGEST_BLOCK) * channels };
        // A second of it in one packet is no packet; and one push completes no more than one fragment.
        if audio.codec != AudioCodec::Aac && frame.data.len() > hz as usize * channels {
            return Err(Mp4Error::FrameTooLong { bytes: frame.data.len() });
        }
        let mut done = None;
        let mut at = frame.decoded;
        let mut data = frame.data.clone();
        while !data.is_empty() {
            let part = data.split_to(longest.min(data.len()));
            let samples = (part.len() / channels) as i64;
            done = self.push_sound(at, part, hz)?.or(done);
            at = at.saturating_add(samples);
        }
        Ok(done)
    }

    fn push_sound(&mut self, mut decoded: i64, data: Bytes, hz: u32) -> Result<Option<Fragment>, Mp4Error> {
        if let Some(last) = self.audio.last() {
            decoded = decoded.max(last.decoded.saturating_add(1));
        }
        let mut done = None;
        let waited = self
            .audio
            .first()
            .is_some_and(|first| decoded.saturating_sub(first.decoded) > LONGEST_SOUND_S * i64::from(hz));
        if waited || self.audio.len() >= MOST_SAMPLES || self.bytes + data.len() > LARGEST_FRAGMENT {
            done = self.emit_sound()?;
        }
        self.bytes += data.len();
        self.audio.push(Waiting { decoded, shown: decoded, sync: true, data });
        Ok(done)
    }

    /// All the sound that waits, with the pictures whose end is known.
    fn emit_sound(&mut self) -> Result<Option<Fragment>, Mp4Error> {
        let held = self.video.pop();
        if let Some(held) = &held
            && self.video.is_empty()
        {
            self.settle(held.decoded);
        }
        let done = self.emit(held.as_ref().map(|held| held.decoded));
        if let Some(held) = held {
            self.bytes += held.data.len();
            self.video.push(held);
        }
        done
    }

    /// Tick 0: the first picture, or the sound from shortly before it. Live, nobody waits for sound of before.
    fn settle(&mut self, first: i64) -> (i64, i64) {
        let (video_hz, audio_hz) = self.clocks();
        *self.base.get_or_insert_with(|| {
            let earliest = scale(first, video_hz, audio_hz).saturating_sub(EARLY_SOUND_MS * i64::from(audio_hz) / 1000);
            let mut sound =
                self.audio.iter().filter(|sound| sound.decoded >= earliest && matches!(self.cut, Cut::Group { .. }));
            let base = sound.next().map_or(first, |sound| first.min(scale(sound.decoded, audio_hz, video_hz)));
            (base, scale(base, video_hz, audio_hz))
        })
    }

    fn clocks(&self) -> (u32, u32) {
        (self.tracks.video.clock_hz, self.tracks.audio.as_ref().map_or(1, |audio| audio.clock_hz))
    }

    /// Everything that waits as one fragment; `next` is when the following picture is decoded.
    fn emit(&mut self, next: Option<i64>) -> Result<Option<Fragment>, Mp4Error> {
        let base = match (self.base, self.video.first().map(|first| first.decoded)) {
            (Some(base), _) => base,
            (None, Some(first)) => self.settle(first),
            (None, None) => {
                self.audio.clear();
                self.bytes = 0;
                return Ok(None);
            }
        };
        let (video_base, audio_base) = base;
        let video = std::mem::take(&mut self.video);
        let mut audio = std::mem::take(&mut self.audio);
        self.bytes = 0;
        let (video_hz, audio_hz) = self.clocks();
        audio.retain(|sound| sound.decoded >= audio_base);
        if video.is_empty() && audio.is_empty() {
            return Ok(None);
        }
        let starts_group = video.first().is_some_and(|first| first.sync);
        // The times of the index are those of the pictures: sound alone takes none of it.
        let first = video.first().map(|first| first.decoded).or(next).unwrap_or(video_base);
        let start = first.saturating_sub(video_base).max(0);
        let mut end = start;
        let mut moofs = Vec::new();
        if !video.is_empty() {
            let samples = self.video_samples(video, next);
            end = start.saturating_add(samples.iter().map(|sample| i64::from(sample.duration)).sum());
            moofs.push(vec![Run { track: VIDEO_TRACK, base: start.unsigned_abs(), samples }]);
        }
        for run in self.audio_runs(audio, audio_base, audio_hz) {
            match moofs.first_mut() {
                Some(first) if first.len() == 1 && first.iter().all(|run| run.track == VIDEO_TRACK) => first.push(run),
                _ => moofs.push(vec![run]),
            }
        }
        let samples = moofs.iter().flatten().flat_map(|run| &run.samples);
        let mut buffer = room(256 * moofs.len() + samples.map(|sample| sample.data.len() + 16).sum::<usize>());
        for runs in &moofs {
            self.sequence = self.sequence.wrapping_add(1);
            write(&mut buffer, self.sequence, runs)?;
        }
        let start = to_ticks(start, video_hz);
        let duration = u32::try_from(to_ticks(end, video_hz).saturating_sub(start)).unwrap_or(u32::MAX);
        Ok(Some(Fragment { buffer, start: start.unsigned_abs(), duration, starts_group }))
    }

    fn video_samples(&mut self, video: Vec<Waiting>, next: Option<i64>) -> Vec<Sample> {
        let ends: Vec<Option<i64>> = video.iter().skip(1).map(|frame| Some(frame.decoded)).chain([next]).collect();
        let mut samples = Vec::with_capacity(video.len());
        for (frame, end) in video.into_iter().zip(ends) {
            let duration = match end {
                Some(end) => {
                    self.video_step = end.saturating_sub(frame.decoded).max(1);
                    self.video_step
                }
                // Nothing follows: it lasts until all have been shown, so that what is joined to it begins after them.
                None => {
                    let longest = LONGEST_LAST_S.saturating_mul(i64::from(self.tracks.video.clock_hz));
                    let shown = self.latest.saturating_add(self.video_step).saturating_sub(frame.decoded);
                    shown.min(longest).max(self.video_step)
                }
            };
            samples.push(Sample {
                duration: u32::try_from(duration).unwrap_or(u32::MAX),
                // Signed 32 bits in `trun`: a frame shown further away than six hours is nobody's.
                offset: frame.shown.saturating_sub(frame.decoded).clamp(i64::from(i32::MIN), i64::from(i32::MAX)),
                sync: frame.sync,
                data: frame.data,
            });
        }
        samples
    }

    /// The sound in runs without gaps.
    fn audio_runs(&mut self, audio: Vec<Waiting>, base: i64, hz: u32) -> Vec<Run> {
        let Some(track) = self.tracks.audio.clone() else { return Vec::new() };
        let packed = track.codec != AudioCodec::Aac;
        let channels = usize::from(track.channels.clamp(1, flac::MOST_CHANNELS));
        let steps = audio.windows(2).filter_map(|pair| match pair {
            [one, two] => Some(two.decoded.saturating_sub(one.decoded)),
            _ => None,
        });
        self.audio_step = steps.min().unwrap_or(self.audio_step).max(1);
        let mut runs: Vec<Run> = Vec::new();
        let mut waiting = audio.into_iter().peekable();
        let mut end_of_run = None;
        while let Some(first) = waiting.next() {
            let mut data = first.data;
            let mut nominal = self.audio_step;
            if packed {
                // Several packets to one frame of FLAC, while they follow one another to the sample.
                nominal = (data.len() / channels) as i64;
                let mut joined = Vec::new();
                while let Some(more) = waiting.next_if(|more| {
                    more.decoded == first.decoded.saturating_add(nominal)
                        && nominal + (more.data.len() / channels) as i64 <= i64::from(flac::LONGEST_BLOCK)
                }) {
                    if joined.is_empty() {
                        joined.extend_from_slice(&data);
                    }
                    joined.extend_from_slice(&more.data);
                    nominal += (more.data.len() / channels) as i64;
                }
                if !joined.is_empty() {
                    data = joined.into();
                }
                let number = first.decoded.saturating_sub(base).max(0).unsigned_abs();
                data = repack(track.codec, &data, channels, hz, number);
            }
            let step = waiting.peek().map_or(nominal, |next| next.decoded.saturating_sub(first.decoded));
            let late = i64::from(hz) / 10;
            let gap = step > if packed { nominal.saturating_add(late) } else { nominal.saturating_mul(4).max(late) };
            let duration = if gap { nominal } else { step };
            let sample = Sample { duration: u32::try_from(duration).unwrap_or(u32::MAX), offset: 0, sync: true, data };
            match runs.last_mut() {
                Some(run) if end_of_run == Some(first.decoded) => run.samples.push(sample),
                _ => {
                    let base = first.decoded.saturating_sub(base).max(0).unsigned_abs();
                    runs.push(Run { track: AUDIO_TRACK, base, samples: vec![sample] });
                }
            }
            end_of_run = first.decoded.checked_add(duration);
        }
        runs
    }
}

fn repack(codec: AudioCodec, data: &[u8], channels: usize, hz: u32, number: u64) -> Bytes {
    let decode = if codec == AudioCodec::Pcma { g711::alaw } else { g711::ulaw };
    let mut split = vec![Vec::with_capacity(data.len() / channels); channels];
    for samples in data.chunks_exact(channels) {
        for (channel, sample) in split.iter_mut().zip(samples) {
            channel.push(i32::from(decode(*sample)));
        }
    }
    let mut out = Vec::with_capacity(data.len());
    flac::encode(&split, hz, number, &mut out);
    out.into()
}
