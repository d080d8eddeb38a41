//! What a finished file says of itself beyond a live stream: its whole length in `mehd`, and in a `sidx` where its
//! fragments lie, so that a player seeks without reading everything before. It needs no fragment for it, only what the
//! archive's index knows.

use mp4_atom::{Encode, SegmentReference, Sidx};

use super::moof::header;
use super::{Mp4Error, TICKS_HZ, VIDEO_TRACK};

/// A `sidx` counts its references in 16 bits.
const MOST_REFERENCES: usize = 65_535;

/// `sidx` of version 1 before its references, and each of them, in bytes.
const SIDX: u64 = 40;
const REFERENCE: u64 = 12;

/// One fragment of a finished file, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    pub bytes: u32,
    /// In ticks of [`TICKS_HZ`], to the beginning of the next one.
    pub duration: u32,
    pub starts_group: bool,
}

/// How long [`indexed`] is.
pub fn indexed_len(init: &[u8], references: usize) -> u64 {
    init.len() as u64 + SIDX + REFERENCE * references.div_ceil(together(references)) as u64
}

/// The initialisation of a finished file: with its length and its index. `start` is the time of its first fragment.
pub fn indexed(init: &[u8], start: u64, references: &[Reference]) -> Result<Vec<u8>, Mp4Error> {
    let mut out = init.to_vec();
    let total: u64 = references.iter().map(|reference| u64::from(reference.duration)).sum();
    let at = mehd(&out)?;
    let place = out.get_mut(at..at + 8).ok_or(Mp4Error::Malformed("a mehd that is cut short"))?;
    place.copy_from_slice(&start.saturating_add(total).to_be_bytes());
    let refused = |_| Mp4Error::Malformed("fragments too long for an index");
    let sidx = Sidx {
        reference_id: VIDEO_TRACK,
        timescale: TICKS_HZ,
        // Version 1, whatever the time: the length is promised before the content is made.
        earliest_presentation_time: u64::MAX,
        first_offset: 0,
        references: references.chunks(together(references.len())).map(reference).collect(),
    };
    let begin = out.len();
    sidx.encode(&mut out).map_err(refused)?;
    let place = out.get_mut(begin + 20..begin + 28).ok_or(Mp4Error::Malformed("a sidx that is cut short"))?;
    place.copy_from_slice(&start.to_be_bytes());
    Ok(out)
}

/// How many fragments one reference stands for.
fn together(references: usize) -> usize {
    references.div_ceil(MOST_REFERENCES).max(1)
}

fn reference(fragments: &[Reference]) -> SegmentReference {
    let sap = fragments.first().is_some_and(|first| first.starts_group);
    let sum = |value: fn(&Reference) -> u32| fragments.iter().map(value).fold(0, u32::saturating_add);
    SegmentReference {
        reference_type: false,
        referenced_size: sum(|fragment| fragment.bytes),
        subsegment_duration: sum(|fragment| fragment.duration),
        starts_with_sap: sap,
        sap_type: u8::from(sap),
        sap_delta_time: 0,
    }
}

/// Where the duration stands in `mehd`.
fn mehd(init: &[u8]) -> Result<usize, Mp4Error> {
    let mut at = 0;
    let mut within = init.len();
    for kind in [b"moov", b"mvex", b"mehd"] {
        loop {
            let (found, size) = header(init.get(..within).unwrap_or_default(), at)?;
            if &found == kind {
                within = at + size;
                at += 8;
                break;
            }
            at += size;
        }
    }
    // Version 1, as it is written: four bytes of version and flags, then 64 bits.
    Ok(at + 4)
}
