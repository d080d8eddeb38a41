//! What a camera's session yields and everything after it reads: tracks and frames, without a word of RTSP or of MP4 files.
//! Deliberately no wall time: a run's place in time is found beside it (`session::clock`).

use std::sync::Arc;

use bytes::Bytes;

/// Which of the two tracks of a run a frame belongs to. A camera has at most one of each that the house keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Video,
    Audio,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    H264,
    H265,
    /// MJPEG: each frame is a whole JPEG file. No browser plays it in MP4.
    Jpeg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    Aac,
    /// G.711 A-law, 8-bit samples as they came; no browser plays it in MP4, so `mp4` repacks it as FLAC.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTrack {
    pub codec: VideoCodec,
    pub width: u16,
    pub height: u16,
    /// Ticks of `Frame::shown` and `Frame::decoded` in a second: 90,000 in RTP.
    pub clock_hz: u32,
    /// The sample entry box of ISO/IEC 14496-12 with its configuration (`avc1` + `avcC`, `hvc1` + `hvcC`), whole; empty for
    /// JPEG.
    pub sample_entry: Bytes,
    /// The codec in the words of RFC 6381, for browsers (`avc1.42C028`, `hvc1.1.6.L93.90`); empty for JPEG.
    pub rfc6381: String,
    /// Frames a second as the stream's own parameters say it, in thousandths; `None` where they do not.
    pub declared_millihz: Option<u32>,
    /// Parameter sets for a decoder, Annex B (VPS, SPS, PPS); empty for JPEG.
    pub parameter_sets: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioTrack {
    pub codec: AudioCodec,
    /// Ticks in a second, which is the sampling rate for all three codecs.
    pub clock_hz: u32,
    pub channels: u8,
    /// The sample entry box (`mp4a` + `esds`) for AAC; empty for G.711.
    pub sample_entry: Bytes,
    /// `mp4a.40.2` and the like; empty for G.711.
    pub rfc6381: String,
}

/// The parameters under which frames are to be read. They hold until a run ends or others come in mid-stream; then a new
/// initialisation (and a new segment) begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracks {
    pub video: VideoTrack,
    pub audio: Option<AudioTrack>,
}

/// One access unit. Frames of a track come in decode order.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: Kind,
    /// A decoder can begin here: H.264 IDR; H.265 IRAP (types 16 to 21); each frame of JPEG and audio.
    pub starts_group: bool,
    /// When it is decoded, in ticks since the run's first frame; never falls within a run.
    pub decoded: i64,
    /// When it is shown, in the same ticks; before or after its neighbours where the stream has B-frames.
    pub shown: i64,
    /// Video: NAL units with four-byte lengths, without parameter sets; JPEG: the file; AAC: the raw access unit; G.711:
    /// the samples.
    pub data: Bytes,
}

/// What follows what in the stream of a session.
#[derive(Clone, Debug)]
pub enum Item {
    /// A run begins, or its parameters have changed: nothing before it may be joined with what follows. `started` is the
    /// wall time of tick 0 in milliseconds since 1970, as well as it is known by now.
    Begins {
        tracks: Arc<Tracks>,
        started: i64,
    },
    Frame(Frame),
    /// Tick 0 of the run is better known by now: the least delayed frame wins, then at most 30 ms a minute towards the
    /// hub's clock. Joins what is before and after it.
    Placed {
        started: i64,
    },
    /// Frames are missing here: the reader was too slow, or packets were lost. The next video frame may need one that is
    /// not there, unless it starts a group. Ticks go on.
    Gap {
        frames: u32,
    },
}
