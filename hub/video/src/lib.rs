//! Video of IP cameras: RTSP sessions to frames (`session`), frames to fragmented MP4 (`mp4`), fragments to sealed segment
//! files and back (`archive`), one frame to a picture (`picture`).
//!
//! A crate of its own for the same reasons as the broker: it knows streams and files, never people, rights, rooms or
//! schedules, so it can be tried and measured alone, and whoever changes a page does not build it again. It has no
//! database: what a segment is, its file says; who may see it, and when it is deleted, `hub::cameras` decides.

pub mod address;
pub mod again;
pub mod archive;
pub mod check;
#[cfg(test)]
mod film;
pub mod frame;
pub mod live;
pub mod mp4;
mod network;
pub mod onvif;
pub mod picture;
pub mod places;
mod relay;
pub mod session;
pub mod trust;

pub use frame::{AudioCodec, AudioTrack, Frame, Item, Kind, Tracks, VideoCodec, VideoTrack};
