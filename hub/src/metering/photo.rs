//! A photo of a meter's face: decoded within bounds, and written anew, so that nothing but its pixels is kept.
//!
//! What a person or a phone uploads is hostile until it has been through here: no metadata (places, names of devices)
//! and no trailing bytes survive.

use std::io::Cursor;

use image::{ImageDecoder as _, ImageFormat, ImageReader, Limits};

/// The most bytes that are taken in, and that come out.
pub const MOST_BYTES: usize = 5 * 1024 * 1024;

/// The longest side that is taken in, in pixels.
const LONGEST_SIDE: u32 = 12_000;

/// The most memory a decoder may ask for: 12 Mpx in RGBA with room to work.
const DECODER_MEMORY: u64 = 128 * 1024 * 1024;

/// The longest side that is kept: a meter's digits are readable, and the card lives.
const KEPT_SIDE: u32 = 2400;

/// A photo as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// The re-encoded bytes.
    pub bytes: Vec<u8>,
    /// `image/jpeg` or `image/png`.
    pub media_type: &'static str,
}

/// Why a photo was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// Over `MOST_BYTES`.
    #[error("the photo has {0} bytes; at most 5 MB are taken: make it smaller and try again")]
    TooLarge(usize),
    /// Neither JPEG nor PNG.
    #[error("the file is neither a JPEG nor a PNG picture")]
    NotAPhoto,
    /// Broken, or made to exhaust the decoder.
    #[error("the picture cannot be read: {0}")]
    Unreadable(String),
}

/// Decodes and re-encodes a photo. CPU-bound: call it in a blocking task.
pub fn clean(bytes: &[u8]) -> Result<Photo, PhotoError> {
    if bytes.len() > MOST_BYTES {
        return Err(PhotoError::TooLarge(bytes.len()));
    }
    let format = image::guess_format(bytes).map_err(|_| PhotoError::NotAPhoto)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
        return Err(PhotoError::NotAPhoto);
    }
    let unreadable = |error: image::ImageError| PhotoError::Unreadable(error.to_string());
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(DECODER_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let turned = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = image::DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(turned);
    if picture.width().max(picture.height()) > KEPT_SIDE {
        picture = picture.thumbnail(KEPT_SIDE, KEPT_SIDE);
    }
    let mut out = Cursor::new(Vec::new());
    let media_type = if format == ImageFormat::Png {
        picture.write_to(&mut out, ImageFormat::Png).map_err(unreadable)?;
        "image/png"
    } else {
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 85);
        picture.into_rgb8().write_with_encoder(encoder).map_err(unreadable)?;
        "image/jpeg"
    };
    let bytes = out.into_inner();
    if bytes.len() > MOST_BYTES {
        return Err(PhotoError::TooLarge(bytes.len()));
    }
    Ok(Photo { bytes, media_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]))
            .write_to(&mut out, ImageFormat::Png)
            .unwrap();
        out.into_inner()
    }

    #[test]
    fn what_is_kept_is_pixels_only() {
        let mut bytes = png(64, 48);
        bytes.extend_from_slice(b"<script>secret place</script>");
        let photo = clean(&bytes).unwrap();
        assert_eq!(photo.media_type, "image/png");
        assert!(!photo.bytes.windows(6).any(|w| w == b"secret"));
        let back = image::load_from_memory(&photo.bytes).unwrap();
        assert_eq!((back.width(), back.height()), (64, 48));
    }

    #[test]
    fn a_large_picture_is_made_smaller() {
        let photo = clean(&png(3000, 100)).unwrap();
        assert_eq!(image::load_from_memory(&photo.bytes).unwrap().width(), KEPT_SIDE);
    }

    #[test]
    fn what_is_no_picture_is_refused_in_words() {
        assert_eq!(clean(b"GIF89a\x01\x00\x01\x00"), Err(PhotoError::NotAPhoto));
        assert_eq!(clean(b""), Err(PhotoError::NotAPhoto));
        assert!(matches!(clean(&vec![0; MOST_BYTES + 1]), Err(PhotoError::TooLarge(_))));
        let cut = &png(64, 64)[..60];
        assert!(matches!(clean(cut), Err(PhotoError::Unreadable(_))));
    }

    proptest::proptest! {
        #[test]
        fn bytes_that_begin_like_a_picture_never_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..400), png in proptest::bool::ANY) {
            let mut bytes = if png { b"\x89PNG\r\n\x1a\n".to_vec() } else { vec![0xFF, 0xD8, 0xFF, 0xE0] };
            bytes.extend(tail);
            let _ = clean(&bytes);
        }
    }
}
