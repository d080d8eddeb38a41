//! Frames to fragmented MP4 (ISO/IEC 14496-12, 14496-15): the initialisation of a run, and fragments of a group of frames
//! for the archive or of a tenth of a second for whoever watches live.
//!
//! Nothing is transcoded: H.264, H.265 and AAC go in as they came; G.711, which no browser plays in MP4, is repacked
//! without loss as FLAC. MJPEG is archived picture by picture, because no browser plays it in MP4; who takes it away gets
//! it in MP4 all the same (`pictures`). This module knows no files, no seals and no wall time.

mod flac;
mod fragment;
mod g711;
mod index;
mod init;
mod moof;
mod pictures;
mod still;
#[cfg(test)]
mod tests;

pub use fragment::{Cut, Fragment, Fragmenter, HEADROOM};
pub use index::{Reference, indexed, indexed_len};
pub use init::{Init, mime};
pub use moof::{Extent, Shift, begin_anew, extent, rebase};
pub use pictures::{picture, picture_len, pictures_init};
pub use still::{first_frame, parameter_sets};

use std::time::Duration;

/// The unit of all times of fragments: 1/90,000 s, the clock of video in RTP.
pub const TICKS_HZ: u32 = 90_000;

/// The video track's number in every file; the audio track's is the next.
pub const VIDEO_TRACK: u32 = 1;
pub const AUDIO_TRACK: u32 = 2;

/// A fragment is cut before it grows longer than this, in bytes, unless one frame alone is longer.
pub const LARGEST_FRAGMENT: usize = 1 << 20;

/// No frame longer than this is taken, in bytes: an 8-megapixel key frame of the best quality has a quarter of it.
pub const LARGEST_FRAME: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mp4Error {
    /// MJPEG.
    #[error("pictures of JPEG do not go into MP4: no browser plays them there")]
    Jpeg,
    /// The track's parameters cannot be written down.
    #[error("the parameters of the {track} track do not go into MP4: {why}")]
    Parameters { track: &'static str, why: String },
    /// The frame is dropped and nothing else.
    #[error("a frame of {bytes} bytes is longer than any camera's and was left out")]
    FrameTooLong { bytes: usize },
    /// What was to be read or changed is no fragment of ours.
    #[error("it is no fragment that this program wrote: {0}")]
    Malformed(&'static str),
}

/// Ticks of a track's clock in ticks of [`TICKS_HZ`], rounded down.
pub(crate) fn to_ticks(value: i64, clock_hz: u32) -> i64 {
    scale(value, clock_hz, TICKS_HZ)
}

/// A time of one clock in ticks of another, rounded down; what would not fit stays at the end of the range.
pub(crate) fn scale(value: i64, from_hz: u32, to_hz: u32) -> i64 {
    let scaled = (i128::from(value) * i128::from(to_hz)).div_euclid(i128::from(from_hz.max(1)));
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}

/// Ticks as a duration.
pub fn duration(ticks: u64) -> Duration {
    Duration::from_micros(ticks.saturating_mul(100) / 9)
}
