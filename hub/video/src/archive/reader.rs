//! One closed segment to read: its records, the MP4 file they make together, and the parts of it that a request asks for.
//!
//! A record is verified whole before its first byte is handed out; only the records that a range touches are read. It
//! keeps nothing decrypted, and never more than one record in memory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use domovoi_vault::DayKey;

use crate::mp4::{self, Reference};

use super::file::{Framed, OpenFailure, Opened, ReadAt, open_media};
use super::format::{ChainTag, FACTS, HEADING, Heading, HeadingError, Kind, Media};
use super::trailer::{Entry, Trailer};

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{path} was not read: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Heading { path: PathBuf, source: HeadingError },
    /// It was never closed, was cut, or its key is another one: [`super::verify`] says which.
    #[error("{0} has no trailer that opens: it is not closed, was cut, or was sealed with another key")]
    NoTrailer(PathBuf),
    #[error("records were taken out of {0} or put into it since it was closed")]
    Spliced(PathBuf),
    #[error("record {record} of {path} is damaged: it was changed, moved or cut since it was written")]
    Damaged { path: PathBuf, record: u32 },
    /// A record or a byte that is not there, or pictures of what has none.
    #[error("{0} has nothing there")]
    NothingThere(PathBuf),
}

/// A JPEG picture of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    pub record: u32,
    /// Milliseconds since 1970.
    pub taken_ms: i64,
    pub bytes: u32,
    /// How long it stands, in ticks of [`TICKS_HZ`](crate::mp4::TICKS_HZ).
    pub duration: u32,
}

/// The file that a segment is to a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub bytes: u64,
    /// `ftyp`, `moov` and `sidx`.
    head: Bytes,
    /// Where each record's payload ends in it; the initialisation ends with the head.
    ends: Vec<u64>,
}

/// A segment with its key.
pub struct SegmentReader {
    opened: Opened<Arc<dyn ReadAt>>,
    path: PathBuf,
    trailer: Trailer,
    tag: Option<ChainTag>,
    offsets: Vec<u64>,
}

impl std::fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentReader")
            .field("path", &self.path)
            .field("heading", &self.opened.heading)
            .finish_non_exhaustive()
    }
}

impl SegmentReader {
    /// Opens a closed segment by its trailer. The records are verified as they are read.
    pub fn open(path: &Path, day: &DayKey) -> Result<Self, ReadError> {
        Self::closed(open(path, day)?, path, day)
    }

    /// The same of one whose file is elsewhere. `path` is what errors call it.
    pub fn elsewhere(file: Arc<dyn ReadAt>, path: &Path, day: &DayKey) -> Result<Self, ReadError> {
        Self::closed(Opened::of(file, day).map_err(|failure| failed(path, failure))?, path, day)
    }

    fn closed(opened: Opened<Arc<dyn ReadAt>>, path: &Path, day: &DayKey) -> Result<Self, ReadError> {
        let none = || ReadError::NoTrailer(path.to_owned());
        let framed = opened.at_footer().map_err(|source| io_error(path, source))?.ok_or_else(none)?;
        let (trailer, tag) = opened.trailer(&framed, day).map_err(|source| io_error(path, source))?.ok_or_else(none)?;
        if trailer.offset() != framed.at {
            return Err(ReadError::Spliced(path.to_owned()));
        }
        Ok(Self::with(opened, path, trailer, Some(tag)))
    }

    /// Opens a segment that is still being written, as far as its writer says it is.
    pub fn growing(path: &Path, day: &DayKey, trailer: Trailer) -> Result<Self, ReadError> {
        Ok(Self::with(open(path, day)?, path, trailer, None))
    }

    fn with(opened: Opened<Arc<dyn ReadAt>>, path: &Path, trailer: Trailer, tag: Option<ChainTag>) -> Self {
        let offsets = trailer
            .entries
            .iter()
            .scan(HEADING as u64, |at, entry| {
                let offset = *at;
                *at = at.saturating_add(entry.stored());
                Some(offset)
            })
            .collect();
        SegmentReader { opened, path: path.to_owned(), trailer, tag, offsets }
    }

    pub fn heading(&self) -> &Heading {
        &self.opened.heading
    }

    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// The tag by which the next segment names this one; `None` while it grows.
    pub fn tag(&self) -> Option<ChainTag> {
        self.tag
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A record's payload, verified: an initialisation, a fragment, a picture.
    pub fn read(&self, record: u32) -> Result<Bytes, ReadError> {
        let nothing = || ReadError::NothingThere(self.path.clone());
        let damaged = || ReadError::Damaged { path: self.path.clone(), record };
        let entry = self.trailer.entries.get(record as usize).ok_or_else(nothing)?;
        let at = self.offsets.get(record as usize).copied().ok_or_else(nothing)?;
        let framed = self.opened.framed(at).map_err(|source| io_error(&self.path, source))?;
        let expected =
            |framed: &Framed| framed.end() == at.saturating_add(entry.stored()) && framed.kind == entry.kind();
        let framed = framed.filter(expected).ok_or_else(damaged)?;
        let sealed = self.opened.sealed(&framed).map_err(|source| io_error(&self.path, source))?;
        let (facts, buffer) = open_media(&self.opened.key, &framed, record, sealed).ok_or_else(damaged)?;
        if (facts.start, facts.duration, facts.starts_group) != (entry.start, entry.duration, entry.starts_group) {
            return Err(damaged());
        }
        Ok(Bytes::from(buffer).split_off(FACTS))
    }

    /// The initialisation.
    pub fn init(&self) -> Result<Bytes, ReadError> {
        match self.trailer.entries.first() {
            Some(entry) if entry.kind() == Kind::Init => self.read(0),
            _ => Err(ReadError::NothingThere(self.path.clone())),
        }
    }

    /// The fragments as a player's index names them.
    pub(super) fn references(entries: &[Entry]) -> Vec<Reference> {
        entries
            .iter()
            .filter(|entry| !entry.is_init)
            .map(|entry| Reference { bytes: entry.bytes, duration: entry.duration, starts_group: entry.starts_group })
            .collect()
    }

    /// The MP4 file that this segment is: made once for a request, or kept beside the reader.
    pub fn content(&self) -> Result<Content, ReadError> {
        let init = self.init()?;
        let references = Self::references(&self.trailer.entries);
        let start = self.trailer.entries.get(1).map_or(0, |first| first.start);
        let head = mp4::indexed(&init, start, &references)
            .map_err(|_| ReadError::Damaged { path: self.path.clone(), record: 0 })?;
        let mut at = head.len() as u64;
        let ends: Vec<u64> = self
            .trailer
            .entries
            .iter()
            .map(|entry| {
                if !entry.is_init {
                    at = at.saturating_add(u64::from(entry.bytes));
                }
                at
            })
            .collect();
        Ok(Content { bytes: at, head: head.into(), ends })
    }

    /// Bytes of the MP4 file from `range.start` on: to the end of the range or of the record they lie in, whichever comes
    /// first. Empty at the end of the file.
    pub fn bytes_at(&self, content: &Content, range: Range<u64>) -> Result<Bytes, ReadError> {
        let end = range.end.min(content.bytes);
        if range.start >= end {
            return Ok(Bytes::new());
        }
        let head = content.head.len() as u64;
        if range.start < head {
            return Ok(cut(&content.head, range.start, end));
        }
        let record = content.ends.partition_point(|record_end| *record_end <= range.start);
        let begin = record.checked_sub(1).and_then(|before| content.ends.get(before)).copied().unwrap_or(head);
        let payload = self.read(u32::try_from(record).unwrap_or(u32::MAX))?;
        Ok(cut(&payload, range.start - begin, end - begin))
    }

    /// The records from the last beginning of a group at or before `from` to the last one that begins before `to`, in
    /// ticks since the segment's beginning; without the initialisation.
    pub fn records_of(&self, ticks: Range<u64>) -> Range<u32> {
        records_of(&self.trailer.entries, ticks)
    }

    /// The pictures of a JPEG segment.
    pub fn pictures(&self) -> Vec<Picture> {
        if self.opened.heading.media != Media::Jpeg {
            return Vec::new();
        }
        let started = self.opened.heading.started_ms;
        (0..)
            .zip(&self.trailer.entries)
            .map(|(record, entry)| Picture {
                record,
                taken_ms: started.saturating_add(i64::try_from(entry.start / 90).unwrap_or(i64::MAX)),
                bytes: entry.bytes,
                duration: entry.duration,
            })
            .collect()
    }
}

pub(super) fn records_of(entries: &[Entry], ticks: Range<u64>) -> Range<u32> {
    let to = entries.partition_point(|entry| entry.is_init || entry.start < ticks.end);
    let begun = entries.get(..to).unwrap_or_default();
    let first = begun.iter().rposition(|entry| !entry.is_init && entry.starts_group && entry.start <= ticks.start);
    let first = first.or_else(|| begun.iter().position(|entry| !entry.is_init && entry.starts_group)).unwrap_or(to);
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    number(first)..number(to)
}

fn cut(bytes: &Bytes, start: u64, end: u64) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(start)..at(end).max(at(start)))
}

fn open(path: &Path, day: &DayKey) -> Result<Opened<Arc<dyn ReadAt>>, ReadError> {
    let file: Arc<dyn ReadAt> = Arc::new(File::open(path).map_err(|source| io_error(path, source))?);
    Opened::of(file, day).map_err(|failure| failed(path, failure))
}

fn failed(path: &Path, failure: OpenFailure) -> ReadError {
    match failure {
        OpenFailure::Io(source) => io_error(path, source),
        OpenFailure::Heading(source) => ReadError::Heading { path: path.to_owned(), source },
    }
}

fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io { path: path.to_owned(), source }
}
