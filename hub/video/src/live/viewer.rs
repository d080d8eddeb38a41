//! One who watches: frames as they come, made into pieces of MP4 for a browser's Media Source, in the viewer's own task.
//! Deliberately one fragmenter each and none shared: who comes later begins a timeline of their own at zero, and a copy of a
//! frame costs less than keeping every piece for whoever may come.

use std::sync::Arc;

use bytes::Bytes;

use super::Live;
use super::queue::{Sent, Slot};
use crate::frame::{Frame, Kind, Tracks, VideoCodec};
use crate::mp4::{Cut, Fragmenter, HEADROOM, Init, Mp4Error, begin_anew, duration};

/// What is to be sent to a viewer, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A new timeline begins at zero; with other parameters, perhaps.
    Begins { init: Bytes, mime: String },
    /// The camera sends single pictures: they are fetched one by one ([`Live::still_after`]).
    Pictures,
    /// No browser can show what the camera sends, and why.
    Unplayable(String),
    /// `moof` and `mdat`.
    Piece {
        bytes: Bytes,
        /// When its first picture was taken, in milliseconds since 1970.
        wall_ms: i64,
        duration_ms: u32,
        starts_group: bool,
    },
    /// So many pictures are not shown; what follows begins a group.
    Dropped(u32),
}

/// A viewer. Gone when it is dropped.
pub struct Viewer {
    live: Live,
    slot: Arc<Slot>,
    piece_ms: u32,
    playing: Option<Playing>,
    /// What came out with something else.
    next: Option<Watched>,
}

struct Playing {
    fragmenter: Fragmenter,
    is_h265: bool,
    /// What follows must not look back at pictures that were never shown.
    anew: bool,
    /// When the first picture of the piece in the making was taken.
    wall_ms: Option<i64>,
    /// A frame could not be written: nothing is, before the next group.
    until_group: bool,
}

impl Viewer {
    pub(super) fn new(live: Live, slot: Arc<Slot>, piece_ms: u32) -> Self {
        Viewer { live, slot, piece_ms, playing: None, next: None }
    }

    /// What is to be sent next; `None`: the camera is shown to nobody any more. Can be given up and called again.
    pub async fn next(&mut self) -> Option<Watched> {
        loop {
            if let Some(next) = self.next.take() {
                return Some(next);
            }
            // Taking an item and making something of it happen without a wait between them.
            let watched = match self.slot.next().await? {
                Sent::Begins(tracks) => Some(self.begins(&tracks)),
                Sent::Dropped(pictures) => {
                    self.next = Some(Watched::Dropped(pictures));
                    self.playing.as_mut().and_then(Playing::finish)
                }
                Sent::Frame { frame, wall_ms } => {
                    self.playing.as_mut().and_then(|playing| playing.frame(&frame, wall_ms))
                }
            };
            if let Some(watched) = watched {
                return Some(watched);
            }
        }
    }

    fn begins(&mut self, tracks: &Arc<Tracks>) -> Watched {
        self.playing = None;
        self.next = None;
        if tracks.video.codec == VideoCodec::Jpeg {
            return Watched::Pictures;
        }
        let (tracks, init) = match playable(tracks) {
            Ok(found) => found,
            Err(error) => return Watched::Unplayable(error.to_string()),
        };
        let is_h265 = tracks.video.codec == VideoCodec::H265;
        let fragmenter = Fragmenter::new(tracks, Cut::Live { shortest_ms: self.piece_ms });
        self.playing = Some(Playing { fragmenter, is_h265, anew: true, wall_ms: None, until_group: false });
        Watched::Begins { init: init.bytes, mime: init.mime }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.live.leave(&self.slot);
    }
}

impl std::fmt::Debug for Viewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer").field("live", &self.live).finish_non_exhaustive()
    }
}

/// With the sound, or without it where it cannot be written down.
fn playable(tracks: &Arc<Tracks>) -> Result<(Arc<Tracks>, Init), Mp4Error> {
    match Init::new(tracks) {
        Ok(init) => Ok((Arc::clone(tracks), init)),
        Err(error) if tracks.audio.is_none() => Err(error),
        Err(_) => {
            let silent = Arc::new(Tracks { audio: None, ..Tracks::clone(tracks) });
            let init = Init::new(&silent)?;
            Ok((silent, init))
        }
    }
}

impl Playing {
    fn frame(&mut self, frame: &Frame, wall_ms: i64) -> Option<Watched> {
        let picture = frame.kind == Kind::Video;
        if self.until_group && !(picture && frame.starts_group) {
            return None;
        }
        self.until_group = false;
        let done = match self.fragmenter.push(frame) {
            Ok(done) => done,
            Err(error) => {
                tracing::debug!("a frame is not shown: {error}");
                // Sound that is missing disturbs no picture.
                self.until_group = picture;
                self.anew |= picture;
                None
            }
        };
        let began = self.wall_ms;
        if picture && (done.is_some() || began.is_none()) {
            self.wall_ms = Some(wall_ms);
        }
        self.piece(done?, began.unwrap_or(wall_ms))
    }

    /// What is there before pictures that are missing: the last one does not stand until they would be over.
    fn finish(&mut self) -> Option<Watched> {
        let began = self.wall_ms.take();
        let done = self.fragmenter.finish(None).ok().flatten();
        let piece = done.and_then(|done| self.piece(done, began.unwrap_or_default()));
        self.anew = true;
        piece
    }

    fn piece(&mut self, fragment: crate::mp4::Fragment, wall_ms: i64) -> Option<Watched> {
        let starts_group = fragment.starts_group;
        let ms = duration(u64::from(fragment.duration)).as_millis();
        let bytes = if self.is_h265 && self.anew && starts_group {
            self.anew = false;
            let mut buffer = fragment.into_buffer();
            let changed = buffer.get_mut(HEADROOM..).map(begin_anew);
            if let Some(Err(error)) = changed {
                tracing::debug!("the beginning of a group stays as it came: {error}");
            }
            let mut bytes = Bytes::from(buffer);
            bytes.split_off(HEADROOM.min(bytes.len()))
        } else {
            fragment.into_payload()
        };
        Some(Watched::Piece { bytes, wall_ms, duration_ms: u32::try_from(ms).unwrap_or(u32::MAX), starts_group })
    }
}
