//! One segment file with its key: the reading of single records and of the trailer, which reader, recovery and
//! verification share. It trusts no length that the file gives beyond the file itself and the largest record.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use domovoi_vault::{DayKey, RECORD_SALT, RECORD_TAG, RecordKey};

use super::format::{
    ChainTag, FACTS, FOOTER, FRAMING, Facts, HEADING, Heading, HeadingError, Kind, LARGEST_RECORD, framing,
    parse_footer, parse_framing,
};
use super::trailer::Trailer;

/// Where all trailers are sealed: their place must be known before the number of records is.
pub(super) const TRAILER_POSITION: u32 = u32::MAX;

/// What separates a recovered trailer's key from the file's.
const RECOVERED: &[u8] = b"recovered";

/// The bytes of a segment file, here or elsewhere. Reading may wait.
pub trait ReadAt: fmt::Debug + Send + Sync {
    fn bytes(&self) -> u64;
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;
}

impl ReadAt for File {
    /// As many as there are now; none where that cannot be told.
    fn bytes(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, at)
    }
}

impl ReadAt for Arc<dyn ReadAt> {
    fn bytes(&self) -> u64 {
        (**self).bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, at)
    }
}

pub(super) struct Opened<F: ReadAt = File> {
    pub file: F,
    pub heading: Heading,
    pub key: RecordKey,
    pub len: u64,
}

/// A record as it stands in the file, its framing read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framed {
    pub at: u64,
    pub sealed: usize,
    pub kind: Kind,
}

impl Framed {
    pub fn end(&self) -> u64 {
        self.at + (FRAMING + self.sealed) as u64
    }
}

pub(super) enum OpenFailure {
    Io(io::Error),
    Heading(HeadingError),
}

impl From<io::Error> for OpenFailure {
    fn from(error: io::Error) -> Self {
        OpenFailure::Io(error)
    }
}

impl Opened {
    pub fn open(path: &Path, day: &DayKey, write: bool) -> Result<Self, OpenFailure> {
        Opened::of(File::options().read(true).write(write).open(path)?, day)
    }
}

impl<F: ReadAt> Opened<F> {
    pub fn of(file: F, day: &DayKey) -> Result<Self, OpenFailure> {
        let len = file.bytes();
        let mut bytes = [0; HEADING];
        if len < HEADING as u64 {
            return Err(OpenFailure::Heading(HeadingError::Short));
        }
        file.read_exact_at(&mut bytes, 0)?;
        let heading = Heading::parse(&bytes).map_err(OpenFailure::Heading)?;
        let key = RecordKey::derive(day, &heading.salt, &bytes);
        Ok(Opened { file, heading, key, len })
    }

    /// The framing at an offset; `None` if no whole record of ours can stand there.
    pub fn framed(&self, at: u64) -> io::Result<Option<Framed>> {
        if at.checked_add(FRAMING as u64).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let mut bytes = [0; FRAMING];
        self.file.read_exact_at(&mut bytes, at)?;
        let framed = parse_framing(bytes).map(|(sealed, kind)| Framed { at, sealed, kind });
        Ok(framed.filter(|framed| framed.end() <= self.len))
    }

    /// All records from the front as far as they are framed, the trailer, if it was reached, as the last of them.
    pub fn walk(&self, most: usize) -> io::Result<Vec<Framed>> {
        let mut at = HEADING as u64;
        let mut walked = Vec::new();
        while walked.len() < most {
            let Some(framed) = self.framed(at)? else { break };
            walked.push(framed);
            if framed.kind.is_trailer() {
                break;
            }
            at = framed.end();
        }
        Ok(walked)
    }

    pub fn sealed(&self, framed: &Framed) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; framed.sealed.min(LARGEST_RECORD)];
        self.file.read_exact_at(&mut buffer, framed.at + FRAMING as u64)?;
        Ok(buffer)
    }

    /// Opens a record of media at a position: what it says of itself, and the buffer in which its payload begins after
    /// [`FACTS`] bytes. `None` if it does not open there.
    pub fn record(&self, framed: &Framed, position: u32) -> io::Result<Option<(Facts, Vec<u8>)>> {
        Ok(open_media(&self.key, framed, position, self.sealed(framed)?))
    }

    /// Opens a trailer: what it says, and its tag.
    pub fn trailer(&self, framed: &Framed, day: &DayKey) -> io::Result<Option<(Trailer, ChainTag)>> {
        let mut buffer = self.sealed(framed)?;
        let Some(tag) = buffer.last_chunk::<RECORD_TAG>().copied() else { return Ok(None) };
        let said = framing(framed.sealed, framed.kind);
        let opened = match framed.kind {
            Kind::Trailer => self.key.open(TRAILER_POSITION, true, &said, &mut buffer, 0).is_ok(),
            Kind::Recovered => match buffer.first_chunk::<RECORD_SALT>().copied() {
                Some(salt) => {
                    let key = recovered_key(day, &salt, &self.heading);
                    key.open(TRAILER_POSITION, true, &said, &mut buffer, RECORD_SALT).is_ok()
                }
                None => false,
            },
            Kind::Init | Kind::Media => false,
        };
        if !opened {
            return Ok(None);
        }
        let clear = if framed.kind == Kind::Recovered { RECORD_SALT } else { 0 };
        let trailer = Trailer::parse(buffer.get(clear..).unwrap_or_default(), self.heading.media);
        Ok(trailer.map(|trailer| (trailer, tag)))
    }

    /// Where the footer says that the trailer begins.
    pub fn footer(&self) -> io::Result<Option<u64>> {
        let Some(at) = self.len.checked_sub(FOOTER as u64) else { return Ok(None) };
        let mut bytes = [0; FOOTER];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(parse_footer(bytes).and_then(|length| at.checked_sub(length)).filter(|start| *start >= HEADING as u64))
    }

    /// The trailer where the footer says it is.
    pub fn at_footer(&self) -> io::Result<Option<Framed>> {
        let Some(start) = self.footer()? else { return Ok(None) };
        let ends = |framed: &Framed| framed.kind.is_trailer() && framed.end() + FOOTER as u64 == self.len;
        Ok(self.framed(start)?.filter(ends))
    }

    /// Whether the footer after a trailer is whole, and nothing follows it.
    pub fn is_footed(&self, trailer: &Framed) -> io::Result<bool> {
        Ok(self.len == trailer.end() + FOOTER as u64 && self.at_footer()?.is_some_and(|framed| framed.at == trailer.at))
    }
}

pub(super) fn open_media(
    key: &RecordKey,
    framed: &Framed,
    position: u32,
    mut buffer: Vec<u8>,
) -> Option<(Facts, Vec<u8>)> {
    if framed.kind.is_trailer() {
        return None;
    }
    key.open(position, false, &framing(framed.sealed, framed.kind), &mut buffer, 0).ok()?;
    Facts::parse(&buffer).filter(|_| buffer.len() >= FACTS).map(|facts| (facts, buffer))
}

/// A recovered trailer's key is of its own salt.
pub(super) fn recovered_key(day: &DayKey, salt: &[u8; RECORD_SALT], heading: &Heading) -> RecordKey {
    let mut bound = heading.to_bytes().to_vec();
    bound.extend_from_slice(RECOVERED);
    RecordKey::derive(day, salt, &bound)
}
