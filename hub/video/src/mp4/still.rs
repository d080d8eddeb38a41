//! The first picture of a fragment and the parameter sets of an initialisation, so that a still can be made of a
//! recording without a player. It decodes nothing: that is `picture`'s.

use std::ops::Range;

use bytes::Bytes;
use mp4_atom::{Codec, Decode, Ftyp, Moof, Moov};

use crate::frame::VideoCodec;

use super::moof::header;
use super::{Mp4Error, VIDEO_TRACK};

/// The first frame of a fragment: NAL units with four-byte lengths.
pub fn first_frame(bytes: &[u8]) -> Result<&[u8], Mp4Error> {
    let range = first_frame_range(bytes)?;
    bytes.get(range).ok_or(Mp4Error::Malformed("a fragment without its first frame"))
}

pub(super) fn first_frame_range(bytes: &[u8]) -> Result<Range<usize>, Mp4Error> {
    let (kind, size) = header(bytes, 0)?;
    if &kind != b"moof" {
        return Err(Mp4Error::Malformed("a fragment that does not begin with moof"));
    }
    let moof = Moof::decode(&mut bytes.get(..size).unwrap_or_default())
        .map_err(|_| Mp4Error::Malformed("a moof that does not parse"))?;
    let trun = moof.traf.iter().find(|traf| traf.tfhd.track_id == VIDEO_TRACK).and_then(|traf| traf.trun.first());
    let range = trun.and_then(|trun| {
        let start = usize::try_from(trun.data_offset?).ok()?;
        let size = usize::try_from(trun.samples.get(0)?.size?).ok()?;
        start.checked_add(size).filter(|end| *end <= bytes.len()).map(|end| start..end)
    });
    range.ok_or(Mp4Error::Malformed("a fragment without its first frame"))
}

/// What a decoder needs before the first frame: the codec and its parameter sets, Annex B (VPS, SPS, PPS).
pub fn parameter_sets(init: &[u8]) -> Result<(VideoCodec, Bytes), Mp4Error> {
    let mut rest = init;
    let moov = Ftyp::decode(&mut rest).and_then(|_| Moov::decode(&mut rest));
    let moov = moov.map_err(|_| Mp4Error::Malformed("an initialisation that does not parse"))?;
    let mut out = Vec::new();
    let mut put = |nal: &[u8]| {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(nal);
    };
    let trak = moov.trak.iter().find(|trak| trak.tkhd.track_id == VIDEO_TRACK);
    let codec = match trak.and_then(|trak| trak.mdia.minf.stbl.stsd.codecs.first()) {
        Some(Codec::Avc1(entry)) => {
            entry
                .avcc
                .sequence_parameter_sets
                .iter()
                .chain(&entry.avcc.picture_parameter_sets)
                .for_each(|nal| put(nal));
            VideoCodec::H264
        }
        Some(Codec::Hvc1(entry)) => {
            entry.hvcc.arrays.iter().flat_map(|array| &array.nalus).for_each(|nal| put(nal));
            VideoCodec::H265
        }
        _ => return Err(Mp4Error::Malformed("an initialisation without pictures")),
    };
    Ok((codec, out.into()))
}
