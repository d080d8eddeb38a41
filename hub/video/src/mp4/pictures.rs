//! MJPEG in MP4, for whoever takes a film away: a sample entry `jpeg` (QuickTime's, which players of all kinds know), each
//! picture a fragment of its own. No browser plays it.

use bytes::Bytes;
use mp4_atom::{Codec, Jpeg, Visual};

use super::moof::{Run, Sample, write};
use super::{Mp4Error, TICKS_HZ, VIDEO_TRACK, init};

/// The initialisation of a film of pictures of this width and height.
pub fn pictures_init((width, height): (u16, u16)) -> Result<Bytes, Mp4Error> {
    let visual = Visual { data_reference_index: 1, width, height, ..Visual::default() };
    let codec = Codec::Jpeg(Jpeg { visual, ..Jpeg::default() });
    init::written(vec![init::pictures_track(codec, (width, height), TICKS_HZ)])
}

/// A picture as a fragment that begins at `base` and stands for `duration`, in ticks of [`TICKS_HZ`].
pub fn picture(sequence: u32, base: u64, duration: u32, jpeg: Bytes) -> Result<Vec<u8>, Mp4Error> {
    let mut out = Vec::with_capacity(jpeg.len() + 128);
    let samples = vec![Sample { duration, offset: 0, sync: true, data: jpeg }];
    write(&mut out, sequence, &[Run { track: VIDEO_TRACK, base, samples }])?;
    Ok(out)
}

/// How long that is, for a picture of so many bytes.
pub fn picture_len(base: u64, duration: u32, bytes: u32) -> u64 {
    // Nothing in front of a sample depends on how long it is.
    let frame = picture(0, base, duration, Bytes::new()).map_or(0, |empty| empty.len() as u64);
    frame + u64::from(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn its_length_is_known_before(sequence: u32, base: u64, duration: u32, bytes in 0usize..5000) {
            let made = picture(sequence, base, duration, vec![7; bytes].into()).unwrap();
            prop_assert_eq!(made.len() as u64, picture_len(base, duration, bytes as u32));
            prop_assert!(made.ends_with(&vec![7; bytes]));
        }
    }
}
