//! A key frame to its planes, by the decoders in Rust: size first, by the parameter sets alone.
//! Deliberately only slices of the frame and the parameter sets that were checked: a frame may bring others of its own.

use super::colour::{Colour, Matrix};
use super::{LARGEST, PictureError};
use crate::frame::VideoCodec;
use crate::session::{clean, hevc, nal};

/// Slices of a picture. Levels allow 600; each costs memory of its own.
const SLICES: usize = 1024;

/// A decoded picture, cropped, with 8-bit samples.
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
    pub(super) chroma_width: usize,
    pub(super) chroma_height: usize,
    pub(super) colour: Colour,
}

pub(super) fn decode(codec: VideoCodec, sets: &[u8], frame: &[u8]) -> Result<Planes, PictureError> {
    let planes = match codec {
        VideoCodec::H264 => h264(sets, frame)?,
        VideoCodec::H265 => h265(sets, frame)?,
        VideoCodec::Jpeg => return Err(PictureError::Unsupported("MJPEG is not decoded".to_owned())),
    };
    let luma = planes.width.checked_mul(planes.height);
    let chroma = planes.chroma_width.checked_mul(planes.chroma_height);
    let whole = planes.width > 0
        && planes.height > 0
        && luma == Some(planes.y.len())
        && chroma == Some(planes.u.len())
        && chroma == Some(planes.v.len());
    if whole { Ok(planes) } else { Err(PictureError::Damaged("its planes do not have its size".to_owned())) }
}

fn check_size(width: u32, height: u32) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::Damaged("it has no size".to_owned()));
    }
    if width > LARGEST || height > LARGEST { Err(PictureError::TooLarge { width, height }) } else { Ok(()) }
}

fn none() -> PictureError {
    PictureError::Damaged("no picture came out".to_owned())
}

fn h264(sets: &[u8], frame: &[u8]) -> Result<Planes, PictureError> {
    use rust_h264::nal::{NalUnitType, parse_annex_b, parse_avcc, parse_sps_info};
    let refused = |error: rust_h264::error::DecodeError| match error {
        rust_h264::error::DecodeError::Unsupported(what) => PictureError::Unsupported(clean(what, &[])),
        other => PictureError::Damaged(clean(&other.to_string(), &[])),
    };
    let sets = parse_annex_b(sets);
    let mut colour = None;
    let mut decoder = rust_h264::decoder::Decoder::new();
    for set in sets.iter().filter(|set| matches!(set.nal_unit_type, NalUnitType::Sps | NalUnitType::Pps)).take(8) {
        if set.nal_unit_type == NalUnitType::Sps {
            let info = parse_sps_info(set).map_err(refused)?;
            check_size(info.coded_width, info.coded_height)?;
            colour = Some(Colour { matrix: Matrix::of(info.matrix, info.height), full_range: info.full_range });
        }
        decoder.decode_nal(set).map_err(refused)?;
    }
    let colour = colour.ok_or_else(|| PictureError::Damaged("it has no sequence parameter set".to_owned()))?;
    let mut first = None;
    let mut problem = None;
    for unit in nal::units(frame).filter(|unit| matches!(nal::h264_type(unit), 1..=5)).take(SLICES) {
        let Ok(length) = u32::try_from(unit.len()) else { continue };
        let with_length = [&length.to_be_bytes(), unit].concat();
        for slice in parse_avcc(&with_length, 4) {
            match decoder.decode_nal(&slice) {
                Ok(picture) => first = first.or(picture),
                Err(error) => problem = problem.or(Some(refused(error))),
            }
        }
    }
    let picture = first.or_else(|| decoder.flush()).ok_or_else(|| problem.unwrap_or_else(none))?;
    check_size(picture.width, picture.height)?;
    let (chroma_width, chroma_height) = (size(picture.chroma_width()), size(picture.chroma_height()));
    let depth = u32::from(picture.bit_depth);
    let plane = |samples: Vec<u8>| if depth == 8 { samples } else { narrowed(pairs(&samples), depth) };
    Ok(Planes {
        width: size(picture.width),
        height: size(picture.height),
        chroma_width,
        chroma_height,
        y: plane(picture.y),
        u: plane(picture.u),
        v: plane(picture.v),
        colour,
    })
}

fn h265(sets: &[u8], frame: &[u8]) -> Result<Planes, PictureError> {
    use rust_h265::{DecodeError, DecodeLimits, Decoder, PixelData, parse_nal};
    let refused = |error: DecodeError| match error {
        DecodeError::Unsupported(what) => PictureError::Unsupported(clean(what, &[])),
        other => PictureError::Damaged(clean(&other.to_string(), &[])),
    };
    let pixels = u64::from(LARGEST) * u64::from(LARGEST);
    let mut decoder =
        Decoder::with_limits(DecodeLimits { max_picture_pixels: pixels, max_picture_memory_bytes: 256 << 20 });
    let mut sps = None;
    for unit in nal::annex_b_units(sets).into_iter().filter(|unit| matches!(nal::h265_type(unit), 32..=34)).take(8) {
        if nal::h265_type(unit) == 33 {
            let read = hevc::read(unit);
            let read = read.ok_or_else(|| PictureError::Damaged("its sequence parameter set".to_owned()))?;
            check_size(read.coded_width, read.coded_height)?;
            sps = Some(read);
        }
        if let Some(set) = parse_nal(unit) {
            decoder.decode_nal(&set).map_err(refused)?;
        }
    }
    let sps = sps.ok_or_else(|| PictureError::Damaged("it has no sequence parameter set".to_owned()))?;
    let mut first = None;
    let mut problem = None;
    for unit in nal::units(frame).filter(|unit| nal::h265_type(unit) < 32).take(SLICES) {
        let Some(slice) = parse_nal(unit).filter(|slice| slice.nuh_layer_id == 0) else { continue };
        match decoder.decode_nal(&slice) {
            Ok(picture) => first = first.or(picture),
            Err(error) => problem = problem.or(Some(refused(error))),
        }
    }
    let picture = first.or_else(|| decoder.flush()).ok_or_else(|| problem.unwrap_or_else(none))?;
    check_size(picture.width, picture.height)?;
    let (width, height) = (size(picture.width), size(picture.height));
    let (chroma_width, chroma_height) = match picture.chroma_format_idc {
        3 => (width, height),
        _ => (width / 2, height / 2),
    };
    let depth = u32::from(picture.bit_depth);
    let plane = |samples: PixelData| match samples {
        PixelData::U8(samples) => samples,
        PixelData::U16(samples) => narrowed(samples.into_iter(), depth),
    };
    let said = sps.colour.unwrap_or(hevc::Colour { full_range: false, matrix: 2 });
    Ok(Planes {
        width,
        height,
        chroma_width,
        chroma_height,
        y: plane(picture.y),
        u: plane(picture.u),
        v: plane(picture.v),
        colour: Colour { matrix: Matrix::of(said.matrix, picture.height), full_range: said.full_range },
    })
}

fn size(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(0)
}

fn pairs(samples: &[u8]) -> impl Iterator<Item = u16> {
    samples.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    })
}

/// Samples of more bits, as eight.
fn narrowed(samples: impl Iterator<Item = u16>, depth: u32) -> Vec<u8> {
    let shift = depth.saturating_sub(8).min(8);
    let half = if shift == 0 { 0 } else { 1u16 << (shift - 1) };
    samples.map(|sample| u8::try_from(sample.saturating_add(half) >> shift).unwrap_or(u8::MAX)).collect()
}
