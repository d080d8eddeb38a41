//! Fragments to sealed segment files, and back: the format of docs/reference/archive.md.
//!
//! A segment is one file of one to five minutes of one camera: a clear heading, sealed records of one fragment (or one
//! JPEG picture) each, and a sealed trailer with the index. What is in a file is known only to who has the key of its
//! day; what has been changed, cut, moved or exchanged in it is told by name.
//!
//! No database and no clock: which segments there are, whose they are and when they go, the caller keeps in rows; this
//! module gives the narrow functions with which rows and files are brought to agree.

mod album;
mod disk;
mod export;
mod file;
mod folder;
mod format;
mod reader;
mod recorder;
mod recover;
#[cfg(test)]
pub(crate) mod tests;
mod trailer;
mod verify;
mod writer;

pub use album::plan_pictures;
pub use disk::{Behind, Desk, Disk, DiskLimits, Opening, Report};
pub use export::{Chunks, ExportError, Gaps, Jump, Part, Source, plan};
pub use file::ReadAt;
pub use folder::{Found, Space, file_name, identify, identity, scan, set_aside, space};
pub use format::{ChainTag, HEADING, Heading, HeadingError, Id, LARGEST_RECORD, Media};
pub use reader::{Content, Picture, ReadError, SegmentReader};
pub use recorder::{Recorder, RecorderRule, Step};
pub use recover::{RecoverError, Recovery, recover};
pub use trailer::{Entry, Reason, Trailer};
pub use verify::{Expected, Verdict, verify};
pub use writer::{Closed, SegmentWriter, WriteError};
