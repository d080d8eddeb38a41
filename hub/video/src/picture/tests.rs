//! Pictures of frames that this test makes itself, of damaged ones, and of decoders that do not come back.

use std::sync::mpsc;

use proptest::prelude::*;

use super::*;
use crate::picture::colour::{Colour, Matrix};
use crate::picture::decode::Planes;

fn track(codec: VideoCodec, parameter_sets: &[u8]) -> VideoTrack {
    VideoTrack {
        codec,
        width: 16,
        height: 16,
        clock_hz: 90_000,
        sample_entry: Bytes::new(),
        rfc6381: String::new(),
        declared_millihz: None,
        parameter_sets: Bytes::copy_from_slice(parameter_sets),
    }
}

/// Bits of a NAL unit, for writing the smallest possible streams by hand.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(mut self, value: u32, count: u32) -> Bits {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn ue(self, value: u32) -> Bits {
        let bits = 32 - (value + 1).leading_zeros();
        self.put(0, bits - 1).put(value + 1, bits)
    }

    fn end(self) -> Vec<u8> {
        let mut bits = self.put(1, 1).0;
        bits.resize(bits.len().next_multiple_of(8), false);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
    }

    /// Bytes to the next border, as PCM samples are.
    fn aligned(mut self) -> Bits {
        let whole = self.0.len().next_multiple_of(8);
        self.0.resize(whole, false);
        self
    }
}

/// A baseline H.264 stream (ITU-T H.264, 7.3) of one macroblock in PCM: what is put in must come out.
pub(crate) fn h264_pcm(width_mbs: u32, luma: u8, blue: u8, red: u8) -> (Vec<u8>, Vec<u8>) {
    let sps = Bits::default().put(66, 8).put(0xc0, 8).put(10, 8).ue(0).ue(0).ue(2).ue(1).put(0, 1);
    let sps = sps.ue(width_mbs - 1).ue(0).put(1, 1).put(1, 1).put(0, 1).put(0, 1).end();
    let pps = Bits::default().ue(0).ue(0).put(0, 1).put(0, 1).ue(0).ue(0).ue(0).put(0, 1).put(0, 2);
    // pic_init_qp, pic_init_qs and chroma_qp_index_offset are zero; then deblocking control, as the slice says it.
    let pps = pps.ue(0).ue(0).ue(0).put(1, 1).put(0, 1).put(0, 1).end();
    let mut sets = vec![0, 0, 0, 1, 0x67];
    sets.extend(sps);
    sets.extend([0, 0, 0, 1, 0x68]);
    sets.extend(pps);
    // I slice: first_mb 0, type 7, pps 0, frame_num (4 bits), idr_pic_id, two flags of reference marking, qp delta,
    // deblocking off.
    let mut slice = Bits::default().ue(0).ue(7).ue(0).put(0, 4).ue(0).put(0, 2).ue(0).ue(1);
    for _ in 0..width_mbs {
        slice = slice.ue(25).aligned();
        for (sample, count) in [(luma, 256), (blue, 64), (red, 64)] {
            for _ in 0..count {
                slice = slice.put(sample.into(), 8);
            }
        }
    }
    let mut unit = vec![0x65];
    // None of the samples is below four, so that no emulation prevention is needed.
    unit.extend(slice.end());
    let mut frame = u32::try_from(unit.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(unit);
    (sets, frame)
}

#[tokio::test]
async fn a_frame_becomes_a_picture() {
    let (sets, frame) = h264_pcm(2, 120, 128, 128);
    let picture = Darkroom::default().develop(&track(VideoCodec::H264, &sets), frame.into(), None).await.unwrap();
    assert_eq!((picture.width, picture.height), (32, 16));
    // It passes the check of JPEGs that cameras make.
    assert_eq!(jpeg::check(picture.jpeg.clone()).unwrap(), picture);
    let (sets, frame) = h264_pcm(4, 120, 90, 200);
    let small = Darkroom::default().develop(&track(VideoCodec::H264, &sets), frame.into(), Some(20)).await.unwrap();
    assert_eq!((small.width, small.height), (20, 5));
}

#[tokio::test]
async fn a_size_that_is_too_large_is_refused_by_the_parameters_alone() {
    let (sets, frame) = h264_pcm(4, 120, 128, 128);
    let (large, _) = h264_pcm(300, 120, 128, 128);
    let dark = Darkroom::default();
    let refused = dark.develop(&track(VideoCodec::H264, &large), frame.clone().into(), None).await;
    assert_eq!(refused, Err(PictureError::TooLarge { width: 4800, height: 16 }));
    // Parameters inside the frame do not count.
    let sps = nal_units(&large);
    let smuggled = [sps, frame].concat();
    let made = dark.develop(&track(VideoCodec::H264, &sets), smuggled.into(), None).await.unwrap();
    assert_eq!(made.width, 64);
    let many = dark.develop(&track(VideoCodec::H264, &sets), vec![0; FRAME_BYTES + 1].into(), None).await;
    assert_eq!(many, Err(PictureError::TooManyBytes(FRAME_BYTES + 1)));
}

fn nal_units(annex_b: &[u8]) -> Vec<u8> {
    let units = crate::session::nal::annex_b_units(annex_b);
    units.iter().flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes(), *unit].concat()).collect()
}

#[tokio::test]
async fn decoders_that_do_not_come_back_take_their_threads_and_nothing_else() {
    let dark = Darkroom::default();
    let soon = Duration::from_millis(50);
    let mut locks = Vec::new();
    for round in 0..AT_ONCE + STUCK {
        let (release, stop) = mpsc::channel::<()>();
        let late = dark.guarded(soon, move || stop.recv().map_err(|_| PictureError::Panicked)).await;
        assert_eq!(late, Err(PictureError::Late), "{round}");
        locks.push(release);
    }
    assert_eq!(dark.guarded(soon, || Ok(())).await, Err(PictureError::NoPlace));
    // They come back after all: everything is as before.
    drop(locks);
    for _ in 0..20 {
        assert_eq!(dark.guarded(DEADLINE, || Ok(7)).await, Ok(7));
    }
    assert_eq!(dark.guarded(DEADLINE, || panic!("a decoder's bug")).await, Err::<(), _>(PictureError::Panicked));
    assert_eq!(dark.guarded(DEADLINE, || Ok(8)).await, Ok(8));
}

#[test]
fn a_smaller_picture_has_the_means_of_the_larger() {
    let planes = Planes {
        width: 64,
        height: 32,
        y: (0..64 * 32).map(|i| if i % 2 == 0 { 60 } else { 100 }).collect(),
        u: vec![128; 32 * 16],
        v: vec![128; 32 * 16],
        chroma_width: 32,
        chroma_height: 16,
        colour: Colour { matrix: Matrix::Bt601, full_range: true },
    };
    let small = jpeg::encode(&planes, Some(8)).unwrap();
    assert_eq!((small.width, small.height), (8, 4));
    assert_eq!(jpeg::encode(&planes, Some(640)).unwrap().width, 64, "never larger");
}

#[test]
fn a_cameras_own_jpeg_is_passed_on_when_it_is_one() {
    let planes = Planes {
        width: 16,
        height: 16,
        y: vec![90; 256],
        u: vec![128; 64],
        v: vec![128; 64],
        chroma_width: 8,
        chroma_height: 8,
        colour: Colour { matrix: Matrix::Bt601, full_range: true },
    };
    let good = jpeg::encode(&planes, None).unwrap().jpeg;
    assert_eq!(jpeg::check(good.clone()).unwrap().jpeg, good);
    let filled = Bytes::from([&good[..], &[0, 0, 0]].concat());
    assert_eq!(jpeg::check(filled).unwrap().jpeg, good);
    for cut in 0..good.len() {
        assert!(jpeg::check(good.slice(..cut)).is_err(), "{cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn damaged_frames_are_pictures_or_errors(
        flips in proptest::collection::vec((0usize..2000, any::<u8>()), 1..20),
        hevc in any::<bool>(),
    ) {
        let (mut sets, mut frame) = h264_pcm(3, 90, 100, 150);
        for (at, byte) in flips {
            let all = sets.len() + frame.len();
            let at = at % all;
            if at < sets.len() { sets[at] ^= byte } else { let at = at - sets.len(); frame[at] ^= byte }
        }
        let codec = if hevc { VideoCodec::H265 } else { VideoCodec::H264 };
        if let Ok(planes) = decode::decode(codec, &sets, &frame) {
            prop_assert!(jpeg::encode(&planes, Some(32)).is_ok());
        }
        let _ = jpeg::check(Bytes::from(frame));
    }
}

/// One frame of ffmpeg's test picture, encoded by ffmpeg, and what ffmpeg itself makes of it in RGB.
fn encoded(
    folder: &std::path::Path,
    codec: VideoCodec,
    size: &str,
    filter: &str,
    settings: &[&str],
) -> (Vec<u8>, Vec<u8>) {
    let name = if codec == VideoCodec::H264 { "one.h264" } else { "one.h265" };
    let file = folder.join(name);
    let source = format!("testsrc2=size={size}:rate=1");
    let status = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-frames:v", "1", "-vf", filter])
        .args(settings)
        .arg(&file)
        .status()
        .unwrap();
    assert!(status.success());
    let rgb = rgb_of(&file, "scale=in_color_matrix=auto");
    (std::fs::read(&file).unwrap(), rgb)
}

fn rgb_of(file: &std::path::Path, filter: &str) -> Vec<u8> {
    let output = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-frames:v", "1", "-vf", filter, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
#[ignore = "needs ffmpeg"]
fn pictures_look_as_ffmpeg_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let hd = "-colorspace bt709 -color_range tv -pix_fmt yuv420p";
    let full = "-colorspace smpte170m -color_range pc -pix_fmt yuvj420p";
    for (codec, size, encoder, colours, filter) in [
        (VideoCodec::H264, "1920x1080", "libx264 -preset ultrafast", hd, "scale=out_color_matrix=bt709"),
        (VideoCodec::H264, "638x358", "libx264 -preset slow", hd, "scale=out_color_matrix=bt709"),
        (VideoCodec::H264, "640x360", "libx264", full, "scale=out_color_matrix=bt601:out_range=pc"),
        (
            VideoCodec::H264,
            "640x360",
            "libx264",
            "-colorspace bt709 -pix_fmt yuv422p10le",
            "scale=out_color_matrix=bt709",
        ),
        (VideoCodec::H265, "1280x720", "libx265 -x265-params log-level=error", hd, "scale=out_color_matrix=bt709"),
        (
            VideoCodec::H265,
            "638x358",
            "libx265 -x265-params log-level=error",
            full,
            "scale=out_color_matrix=bt601:out_range=pc",
        ),
        (
            VideoCodec::H265,
            "640x360",
            "libx265 -x265-params log-level=error",
            "-colorspace bt709 -pix_fmt yuv420p10le",
            "scale=out_color_matrix=bt709",
        ),
    ] {
        let settings: Vec<&str> = ["-c:v"].into_iter().chain(encoder.split(' ')).chain(colours.split(' ')).collect();
        let (stream, should) = encoded(folder.path(), codec, size, filter, &settings);
        let is_set = |unit: &&[u8]| match codec {
            VideoCodec::H264 => matches!(crate::session::nal::h264_type(unit), 7 | 8),
            _ => matches!(crate::session::nal::h265_type(unit), 32..=34),
        };
        let units = crate::session::nal::annex_b_units(&stream);
        let (sets, rest): (Vec<&[u8]>, Vec<&[u8]>) = units.iter().partition(|unit| is_set(unit));
        let sets: Vec<u8> = sets.iter().flat_map(|set| [&[0, 0, 0, 1], *set].concat()).collect();
        let frame: Vec<u8> =
            rest.iter().flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes(), *unit].concat()).collect();
        let begun = std::time::Instant::now();
        // Without the deadline: a build for tests is several times slower.
        let picture = jpeg::encode(&decode::decode(codec, &sets, &frame).unwrap(), None).unwrap();
        let took = begun.elapsed();
        assert_eq!(format!("{}x{}", picture.width, picture.height), size);
        let file = folder.path().join("ours.jpg");
        std::fs::write(&file, &picture.jpeg).unwrap();
        let ours = rgb_of(&file, "null");
        assert_eq!(ours.len(), should.len());
        let sum: u64 = ours.iter().zip(&should).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / ours.len() as f64;
        println!("{codec:?} {size} {colours}: {mean:.2} apart, {} bytes, {took:?}", picture.jpeg.len());
        assert!(mean < 4.0, "{codec:?} {size} {colours}: {mean}");
    }
}
