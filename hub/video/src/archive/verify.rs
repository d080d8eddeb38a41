//! Whether a closed segment is what was written, and if not, what was done to it, by name.
//!
//! Each record is opened once; only where one does not open is it tried at other places and with the neighbours' keys,
//! to tell a changed record from a moved or a foreign one. It mends nothing.

use std::io;
use std::path::Path;

use domovoi_vault::{DayKey, RecordKey};

use super::file::{Framed, OpenFailure, Opened, open_media};
use super::format::{ChainTag, FOOTER, HEADING, Heading, HeadingError, Id, MOST_RECORDS};
use super::trailer::Trailer;

/// In how many places a record that does not open is looked for.
const MOST_PLACES: u32 = 1024;

/// What the row says of the file; whatever is `None` is not compared.
#[derive(Debug, Default)]
pub struct Expected<'a> {
    pub segment: Option<Id>,
    pub camera: Option<Id>,
    pub key_id: Option<u64>,
    pub started_ms: Option<i64>,
    /// The file's length.
    pub bytes: Option<u64>,
    /// The tag of its trailer.
    pub tag: Option<ChainTag>,
    /// The tag of the segment before it; `Some(None)` if it must be the first one.
    pub previous: Option<Option<ChainTag>>,
    /// Segments from which a foreign record may come.
    pub neighbours: &'a [(Heading, DayKey)],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte is as it was written.
    Sound(Trailer),
    /// The file is no segment.
    NotOurs,
    /// The clear heading was changed, or is not what the row says.
    HeaderAltered,
    /// It is another segment, under this one's name.
    Swapped { found: Id },
    /// Nothing in it opens with this key.
    WrongKey,
    /// It ends after a whole record without having been closed: still open, or cut exactly there.
    NoTrailer { whole: u32 },
    /// It ends within a record.
    Truncated { whole: u32 },
    /// The record does not open: it was changed. The trailer counts as the record after the last one.
    Altered { record: u32 },
    /// At `record` stands what was written as `from`.
    Moved { record: u32, from: u32 },
    /// At `record` stands one of another segment.
    Foreign { record: u32, of: Id },
    /// The last bytes, which say where the trailer is, were changed.
    FooterAltered,
    /// Something follows the end.
    Overlong { from: u64 },
    /// Sound in itself, but not the file that was closed under this row.
    Replaced,
    /// The segment before it is missing, or is another one than was there.
    ChainBroken { names: Option<ChainTag> },
}

/// Reads the whole file and says what it finds. Errors are those of the disk alone.
pub fn verify(path: &Path, day: &DayKey, expected: &Expected<'_>) -> io::Result<Verdict> {
    let opened = match Opened::open(path, day, false) {
        Ok(opened) => opened,
        Err(OpenFailure::Io(error)) => return Err(error),
        Err(OpenFailure::Heading(HeadingError::Short)) => return Ok(Verdict::Truncated { whole: 0 }),
        Err(OpenFailure::Heading(HeadingError::Altered)) => return Ok(Verdict::HeaderAltered),
        Err(OpenFailure::Heading(HeadingError::NotOurs)) => {
            return Ok(if expected.segment.is_some() { Verdict::HeaderAltered } else { Verdict::NotOurs });
        }
    };
    if let Some(verdict) = compare(&opened.heading, expected) {
        return Ok(verdict);
    }
    let check = Check { opened: &opened, day, expected };
    check.run()
}

fn compare(heading: &Heading, expected: &Expected<'_>) -> Option<Verdict> {
    let differs = |expected: Option<Id>, found: Id| expected.is_some_and(|expected| expected != found);
    if differs(expected.segment, heading.segment) {
        return Some(Verdict::Swapped { found: heading.segment });
    }
    let altered = differs(expected.camera, heading.camera)
        || expected.key_id.is_some_and(|key| key != heading.key_id)
        || expected.started_ms.is_some_and(|started| started != heading.started_ms);
    altered.then_some(Verdict::HeaderAltered)
}

struct Check<'a> {
    opened: &'a Opened,
    day: &'a DayKey,
    expected: &'a Expected<'a>,
}

impl Check<'_> {
    fn run(&self) -> io::Result<Verdict> {
        let mut walked = self.opened.walk(MOST_RECORDS + 1)?;
        let reached = walked.pop_if(|last| last.kind.is_trailer());
        let end = walked.last().map_or(HEADING as u64, Framed::end);
        let mut trailer = match &reached {
            Some(framed) => self.opened.trailer(framed, self.day)?.map(|found| (found, *framed)),
            None => None,
        };
        // Whether the framing can be followed from the front to a trailer that opens.
        let straight = trailer.as_ref().is_some_and(|((trailer, _), _)| trailer.entries.len() == walked.len());
        if !straight && let Some(framed) = self.opened.at_footer()? {
            trailer = self.opened.trailer(&framed, self.day)?.map(|found| (found, framed)).or(trailer);
        }
        match trailer {
            Some(((trailer, tag), framed)) if straight => self.closed(&walked, trailer, tag, &framed),
            Some(((trailer, _), _)) => self.by_index(&trailer),
            None => self.open_ended(&walked, reached.as_ref(), end),
        }
    }

    /// The framing leads to the trailer: each record stands somewhere whole.
    fn closed(&self, walked: &[Framed], trailer: Trailer, tag: ChainTag, at: &Framed) -> io::Result<Verdict> {
        for (position, framed) in (0..).zip(walked) {
            if let Some(verdict) = self.record(framed, position, walked.len() as u32)? {
                return Ok(verdict);
            }
        }
        // All of them open where they stand, so the trailer, which opens too, is theirs; were it not, it would be a fault
        // of the writer, and the first record it does not describe is named.
        let described = |(framed, entry): (&Framed, &super::trailer::Entry)| {
            framed.kind == entry.kind() && framed.end() - framed.at == entry.stored()
        };
        if let Some(record) = walked.iter().zip(&trailer.entries).position(|pair| !described(pair)) {
            return Ok(Verdict::Altered { record: record as u32 });
        }
        let end = at.end() + FOOTER as u64;
        if self.opened.len < end {
            return Ok(Verdict::Truncated { whole: walked.len() as u32 });
        }
        if self.opened.len > end {
            return Ok(Verdict::Overlong { from: end });
        }
        if !self.opened.is_footed(at)? {
            return Ok(Verdict::FooterAltered);
        }
        if self.expected.tag.is_some_and(|expected| expected != tag)
            || self.expected.bytes.is_some_and(|bytes| bytes != end)
        {
            return Ok(Verdict::Replaced);
        }
        if self.expected.previous.is_some_and(|expected| expected != trailer.previous) {
            return Ok(Verdict::ChainBroken { names: trailer.previous });
        }
        Ok(Verdict::Sound(trailer))
    }

    /// The framing was broken somewhere, but the trailer opens: the first record that is not where it says is the one.
    fn by_index(&self, trailer: &Trailer) -> io::Result<Verdict> {
        let mut at = HEADING as u64;
        for (position, entry) in (0..).zip(&trailer.entries) {
            let expected =
                |framed: &Framed| framed.end() == at.saturating_add(entry.stored()) && framed.kind == entry.kind();
            let verdict = match self.opened.framed(at)?.filter(expected) {
                Some(framed) => self.record(&framed, position, trailer.entries.len() as u32)?,
                None => Some(Verdict::Altered { record: position }),
            };
            if let Some(verdict) = verdict {
                return Ok(verdict);
            }
            at = at.saturating_add(entry.stored());
        }
        Ok(Verdict::Altered { record: trailer.entries.len() as u32 })
    }

    /// No trailer opens.
    fn open_ended(&self, walked: &[Framed], reached: Option<&Framed>, end: u64) -> io::Result<Verdict> {
        let count = walked.len() as u32;
        let mut first_bad = None;
        let mut opens = 0;
        for (position, framed) in (0..).zip(walked) {
            match self.opened.record(framed, position)? {
                Some(_) => opens += 1,
                None => first_bad = first_bad.or(Some((position, framed))),
            }
        }
        match first_bad {
            Some(_) if opens == 0 => Ok(Verdict::WrongKey),
            Some((position, framed)) => {
                Ok(self.record(framed, position, count)?.unwrap_or(Verdict::Altered { record: position }))
            }
            // The trailer is there, framed or not: the footer still says where it begins.
            None if reached.is_some() || self.opened.footer()? == Some(end) => {
                Ok(if count == 0 { Verdict::WrongKey } else { Verdict::Altered { record: count } })
            }
            None if end == self.opened.len => Ok(Verdict::NoTrailer { whole: count }),
            None => Ok(Verdict::Truncated { whole: count }),
        }
    }

    /// `None` if the record opens where it stands.
    fn record(&self, framed: &Framed, position: u32, count: u32) -> io::Result<Option<Verdict>> {
        let sealed = self.opened.sealed(framed)?;
        let opens = |key: &RecordKey, position| open_media(key, framed, position, sealed.clone()).is_some();
        if opens(&self.opened.key, position) {
            return Ok(None);
        }
        let places = || (0..count.saturating_add(1).clamp(16, MOST_PLACES)).filter(|from| *from != position);
        if let Some(from) = places().find(|from| opens(&self.opened.key, *from)) {
            return Ok(Some(Verdict::Moved { record: position, from }));
        }
        for (heading, day) in self.expected.neighbours {
            let key = RecordKey::derive(day, &heading.salt, &heading.to_bytes());
            if heading.segment != self.opened.heading.segment
                && std::iter::once(position).chain(places()).any(|from| opens(&key, from))
            {
                return Ok(Some(Verdict::Foreign { record: position, of: heading.segment }));
            }
        }
        Ok(Some(Verdict::Altered { record: position }))
    }
}
