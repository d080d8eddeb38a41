//! The clear bytes of a segment file: its heading, the framing of its records, and its footer. The whole format is drawn
//! in docs/reference/archive.md. Nothing here reads a file or knows a key.

use domovoi_vault::{RECORD_SALT, RECORD_TAG};

use crate::mp4::{HEADROOM, LARGEST_FRAGMENT, LARGEST_FRAME};

const MAGIC: [u8; 8] = *b"domovoiv";
const VERSION: u8 = 1;

/// The heading's length in bytes.
pub const HEADING: usize = 96;

/// `u32 length | u8 type`.
pub(super) const FRAMING: usize = 5;

/// `u64 start | u32 duration | u8 flags`, sealed before the payload of each record.
pub(super) const FACTS: usize = 13;

const _: () = assert!(FRAMING + FACTS == HEADROOM, "the fragmenter leaves room for exactly this");

/// What a record is longer than its payload.
pub(super) const OVERHEAD: u64 = (FRAMING + FACTS + RECORD_TAG) as u64;

/// No longer record is written or read, its framing apart, in bytes.
pub const LARGEST_RECORD: usize = LARGEST_FRAME + 2 * LARGEST_FRAGMENT;

/// `u32 trailer length | "vend"`.
pub(super) const FOOTER: usize = 8;
const FOOTER_MAGIC: [u8; 4] = *b"vend";

/// More records than five minutes of MJPEG at sixty pictures a second have.
pub(super) const MOST_RECORDS: usize = 65_536;

/// What names a camera or a segment: a UUID's bytes.
pub type Id = [u8; 16];

/// The tag of a segment's sealed trailer, by which the next segment names it.
pub type ChainTag = [u8; RECORD_TAG];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Fragmented MP4: an initialisation and fragments.
    Mp4,
    /// One JPEG file a record.
    Jpeg,
}

/// What a segment file says in clear, and what all its records are bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    pub media: Media,
    /// Which day key opens it, in the caller's numbering.
    pub key_id: u64,
    pub camera: Id,
    pub segment: Id,
    /// Random; with the day key it makes the file's own key.
    pub salt: [u8; RECORD_SALT],
    /// Wall time of tick 0, in milliseconds since 1970.
    pub started_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadingError {
    #[error("the file ends within its heading")]
    Short,
    #[error("it is no segment of ours, or of a version that this program does not know")]
    NotOurs,
    #[error("the heading was altered")]
    Altered,
}

impl Heading {
    /// A heading with a fresh salt.
    pub fn new(
        media: Media,
        key_id: u64,
        camera: Id,
        segment: Id,
        started_ms: i64,
    ) -> Result<Self, domovoi_vault::RandomError> {
        Ok(Heading { media, key_id, camera, segment, salt: domovoi_vault::random()?, started_ms })
    }

    pub fn to_bytes(&self) -> [u8; HEADING] {
        let media = match self.media {
            Media::Mp4 => 0,
            Media::Jpeg => 1,
        };
        let mut bytes = Vec::with_capacity(HEADING);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, media, 0, 0]);
        bytes.extend_from_slice(&self.key_id.to_be_bytes());
        bytes.extend_from_slice(&self.camera);
        bytes.extend_from_slice(&self.segment);
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.started_ms.to_be_bytes());
        let sum = crc32(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        let mut heading = [0; HEADING];
        heading.copy_from_slice(&bytes);
        heading
    }

    /// Reads the heading with which `bytes` begin. The check sum tells damage from another key; who means ill can make
    /// a new one, and then no record opens.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadingError> {
        let bytes: &[u8; HEADING] = bytes.first_chunk().ok_or(HeadingError::Short)?;
        let mut rest = Fields(bytes);
        if rest.take() != MAGIC {
            return Err(HeadingError::NotOurs);
        }
        let [version, media, zeros @ ..]: [u8; 4] = rest.take();
        let heading = Heading {
            media: if media == 1 { Media::Jpeg } else { Media::Mp4 },
            key_id: u64::from_be_bytes(rest.take()),
            camera: rest.take(),
            segment: rest.take(),
            salt: rest.take(),
            started_ms: i64::from_be_bytes(rest.take()),
        };
        let (said, _) = bytes.split_at(HEADING - 4);
        if crc32(said).to_be_bytes() != rest.take::<4>() {
            return Err(HeadingError::Altered);
        }
        if version != VERSION || media > 1 || zeros != [0, 0] {
            return Err(HeadingError::NotOurs);
        }
        Ok(heading)
    }
}

/// Fixed fields one after another; past the end there are zeros, which no check accepts.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => {
                self.0 = &[];
                [0; N]
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Init,
    Media,
    Trailer,
    /// A trailer written after a crash, under a key of its own: a trailer that was torn may stand in old copies of the
    /// same blocks, and two texts must never be sealed under one key at one position.
    Recovered,
}

impl Kind {
    pub fn byte(self) -> u8 {
        match self {
            Kind::Init => 0,
            Kind::Media => 1,
            Kind::Trailer => 2,
            Kind::Recovered => 3,
        }
    }

    pub fn of(byte: u8) -> Option<Self> {
        [Kind::Init, Kind::Media, Kind::Trailer, Kind::Recovered].into_iter().find(|kind| kind.byte() == byte)
    }

    pub fn is_trailer(self) -> bool {
        matches!(self, Kind::Trailer | Kind::Recovered)
    }
}

/// The framing of a record whose sealed bytes, tag included, are so many. It is the record's additional data.
pub(super) fn framing(sealed: usize, kind: Kind) -> [u8; FRAMING] {
    let [a, b, c, d] = u32::try_from(sealed).unwrap_or(u32::MAX).to_be_bytes();
    [a, b, c, d, kind.byte()]
}

/// How many sealed bytes follow, and of what kind; `None` if no record of ours is framed so.
pub(super) fn parse_framing(bytes: [u8; FRAMING]) -> Option<(usize, Kind)> {
    let [a, b, c, d, kind] = bytes;
    let sealed = u32::from_be_bytes([a, b, c, d]) as usize;
    let kind = Kind::of(kind)?;
    let least = if kind.is_trailer() { RECORD_TAG } else { FACTS + RECORD_TAG };
    (least..=LARGEST_RECORD).contains(&sealed).then_some((sealed, kind))
}

pub(super) fn footer(trailer: usize) -> [u8; FOOTER] {
    let [a, b, c, d] = u32::try_from(trailer).unwrap_or(u32::MAX).to_be_bytes();
    let [e, f, g, h] = FOOTER_MAGIC;
    [a, b, c, d, e, f, g, h]
}

/// The length of the trailer's record, framing included.
pub(super) fn parse_footer(bytes: [u8; FOOTER]) -> Option<u64> {
    let mut fields = Fields(&bytes);
    let length = u32::from_be_bytes(fields.take());
    (fields.take() == FOOTER_MAGIC).then_some(u64::from(length))
}

/// What a record says of itself before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub start: u64,
    pub duration: u32,
    pub starts_group: bool,
}

impl Facts {
    pub fn to_bytes(self) -> [u8; FACTS] {
        let mut bytes = [0; FACTS];
        let (start, rest) = bytes.split_at_mut(8);
        start.copy_from_slice(&self.start.to_be_bytes());
        let (duration, flags) = rest.split_at_mut(4);
        duration.copy_from_slice(&self.duration.to_be_bytes());
        flags.fill(u8::from(self.starts_group));
        bytes
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes.get(..FACTS)?);
        Some(Facts {
            start: u64::from_be_bytes(fields.take()),
            duration: u32::from_be_bytes(fields.take()),
            starts_group: fields.take() == [1],
        })
    }
}

/// CRC-32 of ISO-HDLC, bit by bit: 92 bytes a file.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 })
    })
}
