//! As much of H.264 and H.265 as a session has to know: where the NAL units of a frame are, whether a decoder can begin
//! with it, and how deep the stream reorders.
//! Deliberately no decoding, and no repair of what a camera sends.

use crate::frame::VideoCodec;

/// H.265 types (ITU-T H.265, table 7-1).
const RASL: std::ops::RangeInclusive<u8> = 8..=9;
const IRAP: std::ops::RangeInclusive<u8> = 16..=23;
const IDR_H265: std::ops::RangeInclusive<u8> = 19..=20;
/// H.264 type 5 (ITU-T H.264, table 7-1).
const IDR_H264: u8 = 5;

/// The NAL units of a frame with four-byte lengths. A length that points past the end ends it.
pub(crate) fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let unit = after.get(..length)?;
        rest = after.get(length..)?;
        Some(unit)
    })
}

/// The NAL units of Annex B (parameter sets), with three- or four-byte start codes.
pub(crate) fn annex_b_units(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]).map(|(at, _)| at).collect();
    let mut units = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(bytes.len());
        let unit = bytes.get(start + 3..end).unwrap_or_default();
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        let unit = unit.get(..unit.len() - zeros).unwrap_or_default();
        if !unit.is_empty() {
            units.push(unit);
        }
    }
    units
}

pub(crate) fn h264_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte & 0x1f)
}

pub(crate) fn h265_type(unit: &[u8]) -> u8 {
    unit.first().map_or(63, |byte| (byte >> 1) & 0x3f)
}

/// What a frame is to a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Begins a group; with `open`, pictures that follow it and are shown before it may need what was before.
    Start {
        open: bool,
    },
    /// Random access skipped leading: not decodable when decoding began at the group's start.
    Skipped,
    Other,
}

pub(super) fn role(codec: VideoCodec, frame: &[u8]) -> Role {
    match codec {
        VideoCodec::Jpeg => Role::Start { open: false },
        VideoCodec::H264 if units(frame).any(|unit| h264_type(unit) == IDR_H264) => Role::Start { open: false },
        VideoCodec::H264 => Role::Other,
        // retina knows IDR only; an open-GOP encoder sends one IDR in a session's life and CRA after that.
        VideoCodec::H265 => match units(frame).map(h265_type).find(|kind| *kind < 32) {
            Some(kind) if IRAP.contains(&kind) => Role::Start { open: !IDR_H265.contains(&kind) },
            Some(kind) if RASL.contains(&kind) => Role::Skipped,
            _ => Role::Other,
        },
    }
}

/// How many pictures the stream reorders by, as its SPS says; `None` where it does not.
pub(super) fn depth(codec: VideoCodec, parameter_sets: &[u8]) -> Option<usize> {
    match codec {
        VideoCodec::Jpeg => Some(0),
        VideoCodec::H264 => {
            let sets = rust_h264::nal::parse_annex_b(parameter_sets);
            let sps = sets.iter().find(|set| set.nal_unit_type == rust_h264::nal::NalUnitType::Sps)?;
            let info = rust_h264::nal::parse_sps_info(sps).ok()?;
            // Baseline (66) has no B slices.
            if info.profile == 66 { Some(0) } else { info.max_reorder_frames.and_then(|d| usize::try_from(d).ok()) }
        }
        VideoCodec::H265 => {
            let sps = annex_b_units(parameter_sets).into_iter().find(|unit| h265_type(unit) == 33)?;
            Some(usize::from(super::hevc::read(sps)?.reorders))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes(), *unit].concat()).collect()
    }

    #[test]
    fn roles_of_frames() {
        let h265 = |kind: u8| frame(&[&[35 << 1, 1], &[39 << 1, 1, 9], &[kind << 1, 1, 0x80]]);
        for (kind, role_wanted) in [
            (19, Role::Start { open: false }),
            (20, Role::Start { open: false }),
            (21, Role::Start { open: true }),
            (16, Role::Start { open: true }),
            (8, Role::Skipped),
            (9, Role::Skipped),
            (1, Role::Other),
            (7, Role::Other),
        ] {
            assert_eq!(role(VideoCodec::H265, &h265(kind)), role_wanted, "{kind}");
        }
        assert_eq!(role(VideoCodec::H264, &frame(&[&[9, 0x10], &[0x65, 1]])), Role::Start { open: false });
        assert_eq!(role(VideoCodec::H264, &frame(&[&[0x41, 1]])), Role::Other);
        assert_eq!(role(VideoCodec::H265, &[]), Role::Other);
    }

    #[test]
    fn start_codes_of_both_lengths_are_read() {
        let bytes = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x06];
        assert_eq!(annex_b_units(&bytes), [&[0x67, 1, 2][..], &[0x68, 3], &[0x06]]);
        assert!(annex_b_units(&[1, 2, 3]).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Jpeg] {
                role(codec, &bytes);
                depth(codec, &bytes);
            }
            let sets = [&[0, 0, 0, 1, 0x42, 1][..], &bytes].concat();
            depth(VideoCodec::H265, &sets);
            let sets = [&[0, 0, 0, 1, 0x67][..], &bytes].concat();
            depth(VideoCodec::H264, &sets);
        }
    }
}
