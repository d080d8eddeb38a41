//! `moof` and `mdat` of one fragment, written with mp4-atom; and the few changes in place by which finished fragments are
//! put into another file: sequence numbers, decode times, and the splice of an open group.
//!
//! It changes nothing else of a fragment, and reads none that it did not write: whatever is not as expected is refused.

use std::ops::Range;

use bytes::Bytes;
use mp4_atom::{Decode, Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::still::first_frame_range;
use super::{Mp4Error, VIDEO_TRACK};

/// `sample_depends_on` = no other (ISO/IEC 14496-12 section 8.8.3.1).
const SYNC: u32 = 0x0200_0000;

/// `sample_depends_on` = others, `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0101_0000;

/// One sample as it goes into a fragment; times in its track's ticks.
pub(super) struct Sample {
    pub duration: u32,
    /// When it is shown, after it is decoded.
    pub offset: i64,
    pub sync: bool,
    pub data: Bytes,
}

/// Samples of one track without a gap between them.
pub(super) struct Run {
    pub track: u32,
    /// When the first is decoded.
    pub base: u64,
    pub samples: Vec<Sample>,
}

/// Appends `moof` and `mdat`.
pub(super) fn write(out: &mut Vec<u8>, sequence: u32, runs: &[Run]) -> Result<(), Mp4Error> {
    let start = out.len();
    let mut moof = Moof { mfhd: Mfhd { sequence_number: sequence }, traf: runs.iter().map(traf).collect() };
    let refused = |_| Mp4Error::Malformed("a box grew too long");
    // Offsets count from the moof's first byte and so depend on its length, which they do not change.
    moof.encode(out).map_err(refused)?;
    let mut offset = out.len() - start + 8;
    for (run, traf) in runs.iter().zip(&mut moof.traf) {
        for trun in &mut traf.trun {
            trun.data_offset = i32::try_from(offset).ok();
        }
        offset += bytes_of(run);
    }
    out.truncate(start);
    moof.encode(out).map_err(refused)?;
    let data: usize = runs.iter().map(bytes_of).sum();
    let size = u32::try_from(data + 8).map_err(|_| Mp4Error::Malformed("a fragment grew too long"))?;
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(b"mdat");
    for sample in runs.iter().flat_map(|run| &run.samples) {
        out.extend_from_slice(&sample.data);
    }
    Ok(())
}

fn bytes_of(run: &Run) -> usize {
    run.samples.iter().map(|sample| sample.data.len()).sum()
}

fn traf(run: &Run) -> Traf {
    // What all samples share is said once: on a thin substream the table is a part of the whole worth saving.
    let first = run.samples.first();
    let duration = first
        .map(|first| first.duration)
        .filter(|duration| run.samples.iter().all(|sample| sample.duration == *duration));
    let straight = run.samples.iter().all(|sample| sample.offset == 0);
    let sync_first = first.is_some_and(|first| first.sync);
    let rest_sync = run.samples.iter().skip(1).any(|sample| sample.sync);
    let all_sync = run.samples.iter().all(|sample| sample.sync);
    let entries = run.samples.iter().enumerate().map(|(at, sample)| TrunEntry {
        duration: if duration.is_some() { None } else { Some(sample.duration) },
        size: u32::try_from(sample.data.len()).ok(),
        flags: match () {
            () if all_sync => None,
            () if rest_sync => Some(if sample.sync { SYNC } else { NON_SYNC }),
            () if at == 0 && sync_first => Some(SYNC),
            () => None,
        },
        cts: if straight { None } else { Some(sample.offset) },
    });
    Traf {
        tfhd: Tfhd {
            track_id: run.track,
            default_sample_duration: duration,
            default_sample_flags: Some(if all_sync { SYNC } else { NON_SYNC }),
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt { base_media_decode_time: run.base }),
        trun: vec![Trun { data_offset: Some(0), samples: entries.collect::<Vec<_>>().into() }],
        ..Traf::default()
    }
}

/// By how much the decode times of each track are moved, in its own ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shift {
    pub video: i64,
    pub audio: i64,
}

/// Renumbers and moves the fragments in `bytes`, whole `moof` and `mdat` pairs, in place. `sequence` is the last number
/// given out.
pub fn rebase(bytes: &mut [u8], sequence: &mut u32, shift: Shift) -> Result<(), Mp4Error> {
    let mut at = 0;
    while at < bytes.len() {
        let (kind, size) = header(bytes, at)?;
        if &kind == b"moof" {
            rebase_moof(bytes, at, at + size, sequence, shift)?;
        } else if &kind != b"mdat" {
            return Err(Mp4Error::Malformed("a box that is neither moof nor mdat"));
        }
        at += size;
    }
    Ok(())
}

fn rebase_moof(bytes: &mut [u8], at: usize, end: usize, sequence: &mut u32, shift: Shift) -> Result<(), Mp4Error> {
    let mut child = at + 8;
    while child < end {
        let (kind, size) = header(bytes.get(..end).unwrap_or_default(), child)?;
        match &kind {
            b"mfhd" => {
                *sequence = sequence.wrapping_add(1).max(1);
                put(bytes, child + 12, &sequence.to_be_bytes())?;
            }
            b"traf" => rebase_traf(bytes, child, child + size, shift)?,
            _ => return Err(Mp4Error::Malformed("a box in moof that is neither mfhd nor traf")),
        }
        child += size;
    }
    Ok(())
}

fn rebase_traf(bytes: &mut [u8], at: usize, end: usize, shift: Shift) -> Result<(), Mp4Error> {
    let mut child = at + 8;
    let mut by = None;
    while child < end {
        let (kind, size) = header(bytes.get(..end).unwrap_or_default(), child)?;
        match &kind {
            b"tfhd" => {
                let track = u32::from_be_bytes(take(bytes, child + 12)?);
                by = Some(if track == VIDEO_TRACK { shift.video } else { shift.audio });
            }
            b"tfdt" => {
                let by = by.ok_or(Mp4Error::Malformed("a tfdt before its tfhd"))?;
                if take::<1>(bytes, child + 8)? != [1] {
                    return Err(Mp4Error::Malformed("a tfdt of 32 bits"));
                }
                // What began before the file's own beginning is laid at it: a few milliseconds of sound.
                let time = u64::from_be_bytes(take(bytes, child + 12)?).saturating_add_signed(by);
                put(bytes, child + 12, &time.to_be_bytes())?;
            }
            _ => {}
        }
        child += size;
    }
    Ok(())
}

/// H.265 only. Makes the fragment's first frame one after which nothing earlier is missed: a CRA of H.265 (type 21) becomes a BLA
/// (type 16), whose skipped leading pictures a decoder expects (ITU-T H.265 section 8.1.3), so that it does not decode
/// them against the pictures of another hour. Other frames are left as they are.
pub fn begin_anew(bytes: &mut [u8]) -> Result<(), Mp4Error> {
    let range = first_frame_range(bytes)?;
    let mut rest = bytes.get_mut(range).unwrap_or_default();
    while let Some((length, tail)) = rest.split_first_chunk_mut::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        // A camera's torn frame is its own matter: what cannot be read of it is left as it came.
        let Some((nal, tail)) = tail.split_at_mut_checked(length) else { break };
        if let Some(first) = nal.first_mut()
            && *first >> 1 & 0x3f == 21
        {
            *first = *first & 0x81 | 16 << 1;
        }
        rest = tail;
    }
    Ok(())
}

/// When the tracks of a fragment begin and end, in their own ticks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent(Vec<(u32, Range<u64>)>);

impl Extent {
    /// `None` if the fragment has nothing of the track.
    pub fn track(&self, track: u32) -> Option<Range<u64>> {
        let of = self.0.iter().filter(|(found, _)| *found == track);
        of.map(|(_, range)| range.clone()).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
    }
}

/// Reads when the tracks of a fragment begin and end.
pub fn extent(bytes: &[u8]) -> Result<Extent, Mp4Error> {
    let mut found = Extent::default();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, size) = header(bytes, at)?;
        if &kind == b"moof" {
            let moof = Moof::decode(&mut bytes.get(at..at + size).unwrap_or_default())
                .map_err(|_| Mp4Error::Malformed("a moof that does not parse"))?;
            for traf in &moof.traf {
                let start = traf.tfdt.as_ref().map_or(0, |tfdt| tfdt.base_media_decode_time);
                let every = traf.tfhd.default_sample_duration;
                let samples = traf.trun.iter().flat_map(|trun| trun.samples.iter());
                let length: u64 = samples.map(|sample| u64::from(sample.duration.or(every).unwrap_or(0))).sum();
                found.0.push((traf.tfhd.track_id, start..start.saturating_add(length)));
            }
        }
        at += size;
    }
    Ok(found)
}

/// A box's kind and size, whole within `bytes`.
pub(super) fn header(bytes: &[u8], at: usize) -> Result<([u8; 4], usize), Mp4Error> {
    let size = u32::from_be_bytes(take(bytes, at)?) as usize;
    let kind = take(bytes, at + 4)?;
    if size < 8 || at.checked_add(size).is_none_or(|end| end > bytes.len()) {
        return Err(Mp4Error::Malformed("a box that is longer than what holds it"));
    }
    Ok((kind, size))
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Mp4Error> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Mp4Error::Malformed("a box that is cut short"))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<(), Mp4Error> {
    let place = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len()));
    place.ok_or(Mp4Error::Malformed("a box that is cut short"))?.copy_from_slice(value);
    Ok(())
}
