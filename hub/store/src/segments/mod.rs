//! What was recorded: a row for each file. Keeps the books of the crash recipe (a file is there before its row says open,
//! and gone before its row goes) and the chain by which a segment that somebody removed is missed. It touches no file,
//! reads no clock, and decides neither what is deleted nor when.

mod mark;
mod read;
mod row;
mod write;

use std::sync::Arc;

use domovoi_model::{Date, Id, Timestamp};

pub use mark::{Amount, ArchiveTotals, Watermark};
pub use read::{BrokenLink, Cursor, Looked};

use crate::db::Db;
use crate::error::StoreError;

/// No answer has more rows than this, and no call takes more ids.
pub const LOOK_LIMIT: u32 = 2000;

/// The tag of a segment file's sealed trailer, by which the camera's next segment names it.
pub type ChainTag = [u8; 16];

/// How it stands with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentState {
    /// It is being written, or a crash left it so.
    Open,
    /// Closed and whole.
    Done,
    /// Its file is to be deleted, or just has been.
    Garbage,
    /// Its file is not where it was.
    Missing,
    /// Its file is not as it was written, or its end is unknown. It takes up room all the same.
    Damaged,
}

/// Where a segment's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentPlace {
    /// In the archive's folder, to stay.
    Local,
    /// There until it is sent.
    Spool,
    /// In a store elsewhere: `Segment::store` says in which.
    Remote,
}

/// A segment's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chained {
    /// Its own trailer's tag; `None`: it has no trailer.
    pub tag: Option<ChainTag>,
    /// The tag of the segment that it follows; `None`: it is the first.
    pub previous: Option<ChainTag>,
    /// The segment that it follows was deleted by the house itself.
    pub excused: bool,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// See [`new_segment_id`].
    pub id: Id,
    /// Whose.
    pub camera: Id,
    /// Under which key of a day it is sealed.
    pub key: u64,
    /// The day in which it began, of the home's calendar.
    pub day: Date,
    /// When it begins.
    pub started: Timestamp,
    /// Where it ends; `None` while it is open.
    pub ended: Option<Timestamp>,
    /// The file's length; what was told last while it is open.
    pub bytes: u64,
    /// How it stands with it.
    pub state: SegmentState,
    /// Where the file is.
    pub place: SegmentPlace,
    /// Its links.
    pub chained: Chained,
    /// Records of media in the file.
    pub records: u32,
    /// Frames of video.
    pub frames: u32,
    /// The store it is in, or is to be sent to; empty: none.
    pub store: String,
    /// Why it ended: a code.
    pub reason: String,
    /// What was found wrong with it: a code, perhaps with what belongs to it.
    pub trouble: String,
    /// What the run's stream was like: codec, size, sound.
    pub run: String,
}

/// What the columns say of a segment, whether its row opens or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentBrief {
    /// Which.
    pub id: Id,
    /// Whose.
    pub camera: Id,
    /// The day in which it began.
    pub day: Date,
    /// When it begins.
    pub started: Timestamp,
    /// Where it ends.
    pub ended: Option<Timestamp>,
    /// The file's length.
    pub bytes: u64,
    /// How it stands with it.
    pub state: SegmentState,
    /// Where the file is.
    pub place: SegmentPlace,
}

/// A segment that begins: its file is there, with its header on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentStart {
    /// See [`new_segment_id`].
    pub id: Id,
    /// Whose.
    pub camera: Id,
    /// Under which key of a day it is sealed.
    pub key: u64,
    /// The day in which it begins, of the home's calendar.
    pub day: Date,
    /// When it begins.
    pub started: Timestamp,
    /// [`SegmentPlace::Local`], or [`SegmentPlace::Spool`] if it is to be sent.
    pub place: SegmentPlace,
    /// The store it is to be sent to; empty: none.
    pub store: String,
    /// What the run's stream is like, at most 512 bytes.
    pub run: String,
}

/// How a segment ended: its file is closed and on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Where it ends.
    pub ended: Timestamp,
    /// The file's length.
    pub bytes: u64,
    /// [`SegmentState::Done`] or [`SegmentState::Damaged`].
    pub state: SegmentState,
    /// The tag of its trailer; `None`: it has none.
    pub tag: Option<ChainTag>,
    /// The tag that its trailer gives for the segment before it.
    pub previous: Option<ChainTag>,
    /// Records of media.
    pub records: u32,
    /// Frames of video.
    pub frames: u32,
    /// Why it ended: a code.
    pub reason: String,
    /// What is wrong with it: a code; empty: nothing.
    pub trouble: String,
}

/// The segments.
#[derive(Clone)]
pub struct Segments {
    db: Arc<Db>,
}

impl Segments {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Segments { db }
    }
}

/// An id for a segment that begins now: 48 bits of its time, so that rows go to the end of their table, and 80 random ones.
pub fn new_segment_id(started: Timestamp) -> Result<Id, StoreError> {
    let random: [u8; 16] = domovoi_vault::random().map_err(|error| StoreError::Io(error.to_string()))?;
    let time = started.0.max(0).to_be_bytes();
    Ok(Id(std::array::from_fn(|n| match time.get(n + 2) {
        Some(byte) => *byte,
        None => random[n],
    })))
}

fn bounded(ids: &[Id]) -> Result<(), StoreError> {
    match ids.len() <= LOOK_LIMIT as usize {
        true => Ok(()),
        false => Err(StoreError::TooLarge { what: "the list of segments", limit: LOOK_LIMIT as usize }),
    }
}

impl SegmentState {
    fn code(self) -> u8 {
        self as u8
    }

    /// Whether it takes up room that a quota counts.
    pub fn counts(self) -> bool {
        matches!(self, SegmentState::Open | SegmentState::Done | SegmentState::Damaged)
    }
}

impl SegmentPlace {
    fn code(self) -> u8 {
        self as u8
    }
}

impl Segment {
    /// What its columns say.
    pub fn brief(&self) -> SegmentBrief {
        SegmentBrief {
            id: self.id,
            camera: self.camera,
            day: self.day,
            started: self.started,
            ended: self.ended,
            bytes: self.bytes,
            state: self.state,
            place: self.place,
        }
    }
}

impl SegmentStart {
    fn segment(&self) -> Segment {
        Segment {
            id: self.id,
            camera: self.camera,
            key: self.key,
            day: self.day,
            started: self.started,
            ended: None,
            bytes: 0,
            state: SegmentState::Open,
            place: self.place,
            chained: Chained::default(),
            records: 0,
            frames: 0,
            store: self.store.clone(),
            reason: String::new(),
            trouble: String::new(),
            run: self.run.clone(),
        }
    }
}
