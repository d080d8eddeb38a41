//! What a camera really sends, within ten seconds: for whoever is adding it, with a picture of what it sees.
//! Deliberately measured rather than believed: frames a second, bits a second and the length of groups come from the
//! stream, not from its parameters. When time runs out, what is known is told, and what is missing.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::frame::{AudioTrack, Frame, Item, Kind, Tracks, VideoCodec, VideoTrack};
use crate::picture::{Darkroom, Picture, PictureError};
use crate::session::{Options, Session, Trouble};

const WHOLE: Duration = Duration::from_secs(10);
/// Until when a session has to play.
const OPENING: Duration = Duration::from_secs(8);
/// Until when frames are measured; the rest is for the picture's end and TEARDOWN.
const MEASURING: Duration = Duration::from_millis(8_500);
/// With this much seen, a whole group among it, nothing is waited for any more.
const ENOUGH_MS: i64 = 4_000;
/// A longer group makes live view begin late and cuts of the archive coarse ("smart codec", H.264+).
const LONG_GROUP_MS: i64 = 4_000;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub video: VideoTrack,
    /// `Main`, `High`, `Main 10`; empty for MJPEG, the code's own text where it is none of the usual.
    pub profile: String,
    /// Frames a second in thousandths, by their times.
    pub millihz: Option<u32>,
    /// Of the video.
    pub bits_per_second: Option<u64>,
    pub group: Group,
    pub audio: Option<AudioTrack>,
    /// Streams that are not kept, in the camera's words (`audio/opus`).
    pub left_out: Vec<String>,
    pub playable: Playable,
    /// How far the camera's clock is ahead of ours, by its own report.
    pub clock_offset_ms: Option<i64>,
    pub picture: Result<Picture, PictureError>,
    /// What the time was too short for.
    pub missing: Vec<Missing>,
    /// What ended the stream before the check was done.
    pub trouble: Option<Trouble>,
}

/// How long the groups of pictures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The longest that was seen whole, in milliseconds.
    Seen(i64),
    /// None ended within this time.
    LongerThan(i64),
}

impl Group {
    /// Reason to advise another setting of the camera.
    pub fn is_long(self) -> bool {
        match self {
            Group::Seen(ms) | Group::LongerThan(ms) => ms > LONG_GROUP_MS,
        }
    }
}

/// Where the video plays without being made into something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Playable {
    Everywhere,
    /// H.265: where the device has a decoder; the page asks `MediaSource.isTypeSupported`.
    WithDecoder,
    /// MJPEG: shown as single pictures.
    AsPictures,
    /// A profile that no browser knows: 10 bits or 4:2:2 in H.264.
    Nowhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    FrameRate,
    BitRate,
    GroupLength,
    /// No RTCP sender report came; some cameras send none.
    ClockOffset,
}

/// Checks a camera. An error: not one frame that decoding can begin with came, and why.
pub async fn check(mut options: Options, darkroom: &Darkroom) -> Result<Report, Trouble> {
    let begun = Instant::now();
    options.limits.playing_by = Some(begun + OPENING);
    options.limits.key_frame = options.limits.key_frame.min(MEASURING);
    let mut session = Box::pin(Session::open(options)).await?;
    let mut gathered = Gathered::default();
    let mut picture = None;
    let trouble = loop {
        let item = match timeout_at(begun + MEASURING, session.next()).await {
            Err(_) => break None,
            Ok(Err(trouble)) => break Some(trouble),
            Ok(Ok(item)) => item,
        };
        if let Some((track, frame)) = gathered.take(item)
            && picture.is_none()
        {
            let darkroom = darkroom.clone();
            // Decoding goes on beside the measuring.
            picture = Some(tokio::spawn(async move { darkroom.develop(&track, frame, None).await }));
        }
        if gathered.is_enough(session.clock_offset_ms().is_some()) {
            break None;
        }
    };
    let late = session.late();
    let (clock_offset_ms, left_out) = (session.clock_offset_ms(), session.left_out().to_vec());
    let picture = async {
        match picture {
            Some(picture) => match timeout_at(begun + WHOLE, picture).await {
                Ok(joined) => joined.unwrap_or(Err(PictureError::Panicked)),
                Err(_) => Err(PictureError::Late),
            },
            None => Err(PictureError::Damaged("no key frame".to_owned())),
        }
    };
    // The camera's place is given back while the picture is finished; what is left of TEARDOWN then goes on by itself.
    let (picture, _) = tokio::join!(picture, timeout_at(begun + WHOLE, session.close()));
    let Some(tracks) = gathered.tracks.clone() else {
        return Err(trouble.unwrap_or(late));
    };
    Ok(gathered.report(&tracks, clock_offset_ms, left_out, picture, trouble))
}

/// What came, of the run that came last.
#[derive(Default)]
struct Gathered {
    tracks: Option<std::sync::Arc<Tracks>>,
    frames: u32,
    bytes: u64,
    first_shown: i64,
    last_shown: i64,
    group_begins: Option<i64>,
    longest_group: Option<i64>,
}

impl Gathered {
    /// Hands back a frame of which a picture can be made.
    fn take(&mut self, item: Item) -> Option<(VideoTrack, Bytes)> {
        match item {
            Item::Begins { tracks, .. } => {
                *self = Gathered { tracks: Some(tracks), longest_group: self.longest_group, ..Gathered::default() };
                None
            }
            Item::Frame(Frame { kind: Kind::Video, starts_group, shown, data, .. }) => {
                let tracks = self.tracks.clone()?;
                if self.frames == 0 {
                    self.first_shown = shown;
                    self.last_shown = shown;
                }
                self.last_shown = self.last_shown.max(shown);
                self.frames = self.frames.saturating_add(1);
                self.bytes = self.bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                if !starts_group {
                    return None;
                }
                if let Some(begins) = self.group_begins.replace(shown) {
                    let length = self.ms(shown.saturating_sub(begins));
                    self.longest_group = Some(self.longest_group.map_or(length, |longest| longest.max(length)));
                }
                Some((tracks.video.clone(), data))
            }
            Item::Frame(_) | Item::Placed { .. } | Item::Gap { .. } => None,
        }
    }

    fn ms(&self, ticks: i64) -> i64 {
        let hz = self.tracks.as_ref().map_or(90_000, |tracks| i64::from(tracks.video.clock_hz.max(1)));
        ticks.saturating_mul(1000) / hz
    }

    fn span_ms(&self) -> i64 {
        self.ms(self.last_shown.saturating_sub(self.first_shown))
    }

    /// The camera's report of its clock is waited for a little longer, since some never send one.
    fn is_enough(&self, clock_known: bool) -> bool {
        self.longest_group.is_some() && self.span_ms() >= if clock_known { ENOUGH_MS } else { ENOUGH_MS * 3 / 2 }
    }

    fn report(
        &self,
        tracks: &Tracks,
        clock_offset_ms: Option<i64>,
        left_out: Vec<String>,
        picture: Result<Picture, PictureError>,
        trouble: Option<Trouble>,
    ) -> Report {
        let span_ms = self.span_ms();
        // The last frame has a length of its own: n frames span n - 1 lengths.
        let between = i64::from(self.frames.saturating_sub(1));
        let measured = span_ms >= 500 && between > 0;
        let millihz = measured.then(|| u32::try_from(between.saturating_mul(1_000_000) / span_ms).ok()).flatten();
        let whole_ms = u64::try_from(span_ms + span_ms / between.max(1)).unwrap_or(0).max(1);
        let bits_per_second = measured.then(|| self.bytes.saturating_mul(8_000) / whole_ms);
        let group = self.longest_group.map_or(Group::LongerThan(span_ms), Group::Seen);
        let (profile, playable) = profile(&tracks.video);
        let missing = [
            (millihz.is_none(), Missing::FrameRate),
            (bits_per_second.is_none(), Missing::BitRate),
            (matches!(group, Group::LongerThan(_)), Missing::GroupLength),
            (clock_offset_ms.is_none(), Missing::ClockOffset),
        ];
        Report {
            video: tracks.video.clone(),
            profile,
            millihz,
            bits_per_second,
            group,
            audio: tracks.audio.clone(),
            left_out,
            playable,
            clock_offset_ms,
            picture,
            missing: missing.into_iter().filter_map(|(is, what)| is.then_some(what)).collect(),
            trouble,
        }
    }
}

/// The profile by its code (`avc1.PPCCLL`, ITU-T H.264 annex A; `hvc1.P…`, ITU-T H.265 annex A), and who plays it.
fn profile(track: &VideoTrack) -> (String, Playable) {
    let code = track.rfc6381.split('.').nth(1).unwrap_or_default();
    match track.codec {
        VideoCodec::Jpeg => (String::new(), Playable::AsPictures),
        VideoCodec::H264 => match code.get(..2).map(str::to_ascii_uppercase).as_deref() {
            // Constraint set 1 (0x40): the stream keeps to what Main decodes as well.
            Some("42") => {
                let flags = code.get(2..4).and_then(|flags| u8::from_str_radix(flags, 16).ok()).unwrap_or(0);
                let name = if flags & 0x40 != 0 { "Constrained Baseline" } else { "Baseline" };
                (name.to_owned(), Playable::Everywhere)
            }
            Some("4D") => ("Main".to_owned(), Playable::Everywhere),
            Some("64") => ("High".to_owned(), Playable::Everywhere),
            Some("58") => ("Extended".to_owned(), Playable::Nowhere),
            Some("6E") => ("High 10".to_owned(), Playable::Nowhere),
            Some("7A") => ("High 4:2:2".to_owned(), Playable::Nowhere),
            Some("F4") => ("High 4:4:4".to_owned(), Playable::Nowhere),
            _ => (code.to_owned(), Playable::Nowhere),
        },
        VideoCodec::H265 => match code {
            "1" => ("Main".to_owned(), Playable::WithDecoder),
            "2" => ("Main 10".to_owned(), Playable::WithDecoder),
            "3" => ("Main Still Picture".to_owned(), Playable::WithDecoder),
            _ => (code.to_owned(), Playable::Nowhere),
        },
    }
}
