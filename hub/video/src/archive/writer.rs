//! One segment file being written: created so that it cannot be another's, appended record by record with one write
//! each, made durable when told to, closed with its trailer.
//!
//! It never retries what the kernel has refused to make durable: after a failed `fsync` the pages that could not be
//! written may be dropped and marked clean, and a second call would say that all is well. It decides neither when to sync
//! nor when to turn.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use domovoi_vault::{DayKey, RECORD_TAG, RecordError, RecordKey};

use crate::mp4::Fragment;

use super::file::TRAILER_POSITION;
use super::folder::{file_name, sync_folder};
use super::format::{
    ChainTag, FRAMING, Facts, HEADING, Heading, Kind, LARGEST_RECORD, MOST_RECORDS, Media, footer, framing,
};
use super::trailer::{Entry, Reason, Trailer};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Make room, then [`SegmentWriter::retry`] once; else close.
    #[error("no room on the disk for {0}")]
    Full(PathBuf),
    /// The file's tail is unknown from here on: begin another.
    #[error("{path} was not made durable, and whether its end survives a power cut is unknown: {why}")]
    NotDurable { path: PathBuf, why: String },
    #[error("{path} was not written: {why}")]
    Io { path: PathBuf, why: String },
    /// It failed before, or has as many records as a segment holds.
    #[error("{0} takes no more records")]
    Stopped(PathBuf),
    #[error("a record of {bytes} bytes for {path} is longer than records are")]
    TooLong { path: PathBuf, bytes: usize },
    /// An MP4 segment begins with an initialisation, a JPEG segment without.
    #[error("{0} must begin otherwise")]
    Init(PathBuf),
}

/// A segment that was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub path: PathBuf,
    pub heading: Heading,
    /// The file's whole length.
    pub bytes: u64,
    pub trailer: Trailer,
    pub tag: ChainTag,
}

impl Closed {
    /// Wall time of the end, in milliseconds since 1970.
    pub fn ended_ms(&self) -> i64 {
        self.heading.started_ms.saturating_add(i64::try_from(self.trailer.end() / 90).unwrap_or(i64::MAX))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A record was refused and cut off again; it can be tried once more as it is, or the file closed.
    Refused,
    Broken,
}

/// A segment file that grows.
#[derive(Debug)]
pub struct SegmentWriter {
    file: File,
    path: PathBuf,
    heading: Heading,
    key: RecordKey,
    trailer: Trailer,
    len: u64,
    state: State,
    refused: Option<(Vec<u8>, Entry)>,
    dirty: bool,
}

impl SegmentWriter {
    /// Creates the file in `folder` and makes it durable, its name included. `init` is the initialisation of an MP4
    /// segment. Nothing is left behind if it fails.
    pub fn create(
        folder: &Path,
        heading: Heading,
        day: &DayKey,
        previous: Option<ChainTag>,
        init: Option<&[u8]>,
    ) -> Result<Self, WriteError> {
        let path = folder.join(file_name(&heading.segment));
        if init.is_some() != (heading.media == Media::Mp4) {
            return Err(WriteError::Init(path));
        }
        let bytes = heading.to_bytes();
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&path, &error))?;
        let mut writer = SegmentWriter {
            file,
            key: RecordKey::derive(day, &heading.salt, &bytes),
            heading,
            trailer: Trailer { reason: Reason::Turn, previous, entries: Vec::new() },
            len: HEADING as u64,
            state: State::Open,
            refused: None,
            dirty: true,
            path,
        };
        let begun = writer.begin(folder, &bytes, init);
        if let Err(error) = begun {
            let _ = std::fs::remove_file(&writer.path);
            return Err(error);
        }
        Ok(writer)
    }

    fn begin(&mut self, folder: &Path, heading: &[u8], init: Option<&[u8]>) -> Result<(), WriteError> {
        self.file.write_all_at(heading, 0).map_err(|error| failed(&self.path, &error))?;
        if let Some(init) = init {
            self.put(Kind::Init, Fragment::of(init, 0, 0, false))?;
        }
        self.file.sync_all().and_then(|()| sync_folder(folder)).map_err(|error| self.not_durable(&error))?;
        self.dirty = false;
        Ok(())
    }

    /// Seals a fragment, or a picture, where it lies and writes it behind the last one.
    pub fn append(&mut self, fragment: Fragment) -> Result<(), WriteError> {
        self.put(Kind::Media, fragment)
    }

    fn put(&mut self, kind: Kind, fragment: Fragment) -> Result<(), WriteError> {
        if self.state != State::Open || self.trailer.entries.len() >= MOST_RECORDS {
            return Err(WriteError::Stopped(self.path.clone()));
        }
        let bytes = fragment.payload().len();
        let entry = Entry {
            is_init: kind == Kind::Init,
            starts_group: fragment.starts_group,
            start: fragment.start,
            duration: fragment.duration,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        let facts = Facts { start: entry.start, duration: entry.duration, starts_group: entry.starts_group };
        let mut buffer = fragment.into_buffer();
        let sealed = buffer.len() - FRAMING + RECORD_TAG;
        if sealed > LARGEST_RECORD {
            return Err(WriteError::TooLong { path: self.path.clone(), bytes });
        }
        let said = framing(sealed, kind);
        let (clear, rest) = buffer.split_at_mut(FRAMING);
        clear.copy_from_slice(&said);
        if let Some(place) = rest.get_mut(..super::format::FACTS) {
            place.copy_from_slice(&facts.to_bytes());
        }
        let position = self.trailer.entries.len() as u32;
        self.key.seal(position, false, &said, &mut buffer, FRAMING).map_err(|error| self.unsealed(error, bytes))?;
        self.write(buffer, entry)
    }

    fn write(&mut self, buffer: Vec<u8>, entry: Entry) -> Result<(), WriteError> {
        match self.file.write_all_at(&buffer, self.len) {
            Ok(()) => {
                self.len += buffer.len() as u64;
                self.trailer.entries.push(entry);
                self.dirty = true;
                self.state = State::Open;
                Ok(())
            }
            Err(error) => {
                // What was written of it goes, so that the file ends with a whole record; a crash before that is cut at
                // the next start. The sealed bytes are kept: another record must never be sealed at this position.
                let _ = self.file.set_len(self.len);
                self.refused = Some((buffer, entry));
                self.state = State::Refused;
                Err(failed(&self.path, &error))
            }
        }
    }

    /// Writes the record that was refused once more.
    pub fn retry(&mut self) -> Result<(), WriteError> {
        match self.refused.take() {
            Some((buffer, entry)) if self.state == State::Refused => self.write(buffer, entry),
            _ => Ok(()),
        }
    }

    /// Makes durable what was appended.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        if self.state == State::Broken {
            return Err(WriteError::Stopped(self.path.clone()));
        }
        if self.dirty {
            self.file.sync_data().map_err(|error| self.not_durable(&error))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Writes the trailer and makes all of it durable. If that fails, the file is one that [`super::recover`] closes.
    pub fn close(mut self, reason: Reason) -> Result<Closed, WriteError> {
        if self.state == State::Broken {
            return Err(WriteError::Stopped(self.path));
        }
        self.trailer.reason = reason;
        let mut buffer = vec![0; FRAMING];
        buffer.extend_from_slice(&self.trailer.to_bytes());
        let said = framing(buffer.len() - FRAMING + RECORD_TAG, Kind::Trailer);
        buffer.splice(..FRAMING, said);
        let bytes = buffer.len();
        self.key
            .seal(TRAILER_POSITION, true, &said, &mut buffer, FRAMING)
            .map_err(|error| self.unsealed(error, bytes))?;
        let tag = buffer.last_chunk().copied().unwrap_or_default();
        let end = footer(buffer.len());
        buffer.extend_from_slice(&end);
        self.file.write_all_at(&buffer, self.len).map_err(|error| failed(&self.path, &error))?;
        self.file.sync_all().map_err(|error| self.not_durable(&error))?;
        let bytes = self.len + buffer.len() as u64;
        Ok(Closed { path: self.path, heading: self.heading, bytes, trailer: self.trailer, tag })
    }

    /// Lets a test put a device that is full, or one that fails, in the file's place.
    #[cfg(test)]
    pub(super) fn exchange(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn heading(&self) -> &Heading {
        &self.heading
    }

    /// Bytes of the file so far.
    pub fn bytes(&self) -> u64 {
        self.len
    }

    /// What the trailer would say now: with it [`super::SegmentReader::growing`] reads a file that is still being written.
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    fn unsealed(&mut self, error: RecordError, bytes: usize) -> WriteError {
        self.state = State::Broken;
        match error {
            RecordError::TooLong => WriteError::TooLong { path: self.path.clone(), bytes },
            RecordError::Truncated | RecordError::Forged => {
                WriteError::Io { path: self.path.clone(), why: error.to_string() }
            }
        }
    }

    fn not_durable(&mut self, error: &io::Error) -> WriteError {
        self.state = State::Broken;
        WriteError::NotDurable { path: self.path.clone(), why: error.to_string() }
    }
}

fn failed(path: &Path, error: &io::Error) -> WriteError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteError::Full(path.to_owned()),
        _ => WriteError::Io { path: path.to_owned(), why: error.to_string() },
    }
}
