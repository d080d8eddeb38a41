//! What stands in a segment's trailer: the index of its records, why it ended, and the tag of the segment before it.
//! It knows how to write and read itself; where it stands in a file and how it is sealed is not its matter.

use super::format::{ChainTag, Fields, HEADING, Kind, MOST_RECORDS, Media, OVERHEAD};

const VERSION: u8 = 1;
const FIXED: usize = 2 + 16 + 4 + 8;
const ENTRY: usize = 1 + 8 + 4 + 4;

/// Why a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was long enough; the next one goes on where it ends.
    Turn,
    /// The schedule or the event was over, or the recording was switched off.
    Stopped,
    /// The camera went away, or began a new run, or changed its parameters.
    RunEnded,
    /// The disk was full.
    DiskFull,
    /// The disk could not keep up, or refused.
    Abandoned,
    /// The program ended without closing it; what was whole was kept at the next start.
    Recovered,
}

const REASONS: [Reason; 6] =
    [Reason::Turn, Reason::Stopped, Reason::RunEnded, Reason::DiskFull, Reason::Abandoned, Reason::Recovered];

/// One record of a segment; times in ticks of 1/90,000 s since the segment's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The initialisation, which takes no time.
    pub is_init: bool,
    pub starts_group: bool,
    pub start: u64,
    pub duration: u32,
    /// Bytes of payload.
    pub bytes: u32,
}

impl Entry {
    pub fn end(&self) -> u64 {
        self.start.saturating_add(u64::from(self.duration))
    }

    pub(super) fn kind(&self) -> Kind {
        if self.is_init { Kind::Init } else { Kind::Media }
    }

    /// Bytes of the record in the file.
    pub(super) fn stored(&self) -> u64 {
        u64::from(self.bytes) + OVERHEAD
    }
}

/// The trailer of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    pub reason: Reason,
    /// The tag of the trailer of the camera's segment before this one; `None` for the first one.
    pub previous: Option<ChainTag>,
    pub entries: Vec<Entry>,
}

impl Trailer {
    /// The end of the last record, in ticks since the segment's beginning.
    pub fn end(&self) -> u64 {
        self.entries.iter().map(Entry::end).max().unwrap_or(0)
    }

    /// Records of pictures, the initialisation not counted.
    pub fn fragments(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_init).count()
    }

    /// Where the trailer's record begins in the file.
    pub(super) fn offset(&self) -> u64 {
        self.entries.iter().fold(HEADING as u64, |at, entry| at.saturating_add(entry.stored()))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED + ENTRY * self.entries.len());
        let reason = REASONS.iter().position(|reason| *reason == self.reason).unwrap_or_default();
        bytes.extend_from_slice(&[VERSION, reason as u8]);
        bytes.extend_from_slice(&self.previous.unwrap_or_default());
        bytes.extend_from_slice(&(self.entries.len() as u32).to_be_bytes());
        let payload: u64 = self.entries.iter().map(|entry| u64::from(entry.bytes)).sum();
        bytes.extend_from_slice(&payload.to_be_bytes());
        for entry in &self.entries {
            bytes.push(entry.kind().byte() << 1 | u8::from(entry.starts_group));
            bytes.extend_from_slice(&entry.start.to_be_bytes());
            bytes.extend_from_slice(&entry.duration.to_be_bytes());
            bytes.extend_from_slice(&entry.bytes.to_be_bytes());
        }
        bytes
    }

    /// `None` if it is not one that a segment of this kind can have.
    pub(super) fn parse(bytes: &[u8], media: Media) -> Option<Self> {
        if bytes.len() < FIXED {
            return None;
        }
        let mut fields = Fields(bytes);
        let [version, reason] = fields.take();
        let previous: ChainTag = fields.take();
        let count = u32::from_be_bytes(fields.take()) as usize;
        let payload = u64::from_be_bytes(fields.take());
        if version != VERSION || count > MOST_RECORDS || fields.0.len() != count * ENTRY {
            return None;
        }
        let mut entries = Vec::with_capacity(count);
        for at in 0..count {
            let [flags] = fields.take();
            let kind = Kind::of(flags >> 1).filter(|kind| !kind.is_trailer())?;
            if (kind == Kind::Init) != (at == 0 && media == Media::Mp4) {
                return None;
            }
            entries.push(Entry {
                is_init: kind == Kind::Init,
                starts_group: flags & 1 == 1,
                start: u64::from_be_bytes(fields.take()),
                duration: u32::from_be_bytes(fields.take()),
                bytes: u32::from_be_bytes(fields.take()),
            });
        }
        let sum: u64 = entries.iter().map(|entry| u64::from(entry.bytes)).sum();
        (sum == payload).then_some(())?;
        Some(Trailer {
            reason: REASONS.get(usize::from(reason)).copied()?,
            previous: (previous != ChainTag::default()).then_some(previous),
            entries,
        })
    }
}
