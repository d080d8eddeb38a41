//! Tests of fragments: random frames there and back, FLAC against its standard, and ffmpeg as the judge.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::film::{self, Found, picture, read, sound};
use crate::frame::{AudioCodec, Frame, Kind, Tracks};

fn fragments(tracks: &Arc<Tracks>, cut: Cut, frames: &[Frame]) -> (Vec<Fragment>, Fragmenter) {
    let mut fragmenter = Fragmenter::new(Arc::clone(tracks), cut);
    let mut out = Vec::new();
    for frame in frames {
        out.extend(fragmenter.push(frame).unwrap());
    }
    out.extend(fragmenter.finish(None).unwrap());
    (out, fragmenter)
}

fn file(tracks: &Tracks, fragments: &[Fragment]) -> Vec<u8> {
    let references: Vec<Reference> = fragments
        .iter()
        .map(|f| Reference { bytes: f.payload().len() as u32, duration: f.duration, starts_group: f.starts_group })
        .collect();
    let init = Init::new(tracks).unwrap();
    let start = fragments.first().map_or(0, |first| first.start);
    let mut file = indexed(&init.bytes, start, &references).unwrap();
    assert_eq!(file.len() as u64, indexed_len(&init.bytes, references.len()));
    for fragment in fragments {
        file.extend_from_slice(fragment.payload());
    }
    file
}

fn of(found: &[Found], track: u32) -> Vec<&Found> {
    found.iter().filter(|sample| sample.track == track).collect()
}

prop_compose! {
    fn frames()(
        steps in prop::collection::vec((1i64..20_000, -9_000i64..9_000, any::<bool>(), 1usize..400), 1..80),
        beats in prop::collection::vec((0i64..3, 1i64..40_000), 0..60), lead in -4_000i64..20_000,
    ) -> Vec<Frame> {
        let mut at = 7_000;
        let mut frames = Vec::new();
        for (number, (step, offset, starts, bytes)) in steps.into_iter().enumerate() {
            frames.push((at, Frame {
                kind: Kind::Video, starts_group: starts || number == 0, decoded: at, shown: at + offset,
                data: vec![number as u8; bytes].into(),
            }));
            at += step;
        }
        let mut beat = lead * 8 / 90;
        for (gap, extra) in beats {
            beat += 1024 + if gap == 0 { extra } else { 0 };
            let data = beat.to_be_bytes().to_vec();
            frames.push((beat * 90 / 8, Frame { kind: Kind::Audio, starts_group: true, decoded: beat, shown: beat, data: data.into() }));
        }
        frames.sort_by_key(|(at, _)| *at);
        frames.into_iter().map(|(_, frame)| frame).collect()
    }
}

fn aac() -> Arc<Tracks> {
    let mut tracks = (*film::tracks(Some(AudioCodec::Pcma))).clone();
    if let Some(audio) = &mut tracks.audio {
        audio.codec = AudioCodec::Aac;
    }
    Arc::new(tracks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_went_in_is_what_is_read(frames in frames(), live in any::<bool>(), ms in 0u32..3_000) {
        let cut = if live { Cut::Live { shortest_ms: ms } } else { Cut::Group { longest_ms: ms } };
        let tracks = aac();
        let (fragments, fragmenter) = fragments(&tracks, cut, &frames);
        // The sound's sample entry is none of AAC's; the fragments do not depend on it.
        let init = Init::new(&film::tracks(None)).unwrap();
        let mut bytes = init.bytes.to_vec();
        fragments.iter().for_each(|fragment| bytes.extend_from_slice(fragment.payload()));
        let film = read(&bytes);
        let base = fragmenter.base().unwrap();

        let video = of(&film.samples, VIDEO_TRACK);
        let sent: Vec<&Frame> = frames.iter().filter(|frame| frame.kind == Kind::Video).collect();
        prop_assert_eq!(video.len(), sent.len());
        for (found, sent) in video.iter().zip(&sent) {
            prop_assert_eq!(&found.data[..], &sent.data[..]);
            prop_assert_eq!((found.decoded, found.shown, found.sync), (sent.decoded - base, sent.shown - base, sent.starts_group));
        }
        let audio_base = scale(base, 90_000, 8_000);
        let first_sound = if live { 7_000 } else { 7_000 - 45_000 };
        let audio = of(&film.samples, AUDIO_TRACK);
        let sent: Vec<&Frame> = frames.iter().filter(|f| f.kind == Kind::Audio && f.decoded >= scale(first_sound, 90_000, 8_000)).collect();
        prop_assert_eq!(audio.len(), sent.len());
        for (found, sent) in audio.iter().zip(&sent) {
            prop_assert_eq!(&found.data[..], &sent.data[..]);
            prop_assert_eq!(found.decoded, sent.decoded - audio_base);
        }
        for track in [&video, &audio] {
            prop_assert!(track.windows(2).all(|pair| pair[0].decoded < pair[1].decoded));
        }
        prop_assert_eq!(&film.sequences, &(1..=film.sequences.len() as u32).collect::<Vec<_>>());
        // The index follows the pictures without a hole.
        let mut at = fragments[0].start;
        for fragment in &fragments {
            prop_assert_eq!(fragment.start, at);
            at += u64::from(fragment.duration);
        }
        for fragment in &fragments {
            let first = read(&[&init.bytes[..], fragment.payload()].concat()).samples;
            prop_assert_eq!(fragment.starts_group, of(&first, VIDEO_TRACK).first().is_some_and(|first| first.sync));
        }
    }

    #[test]
    fn a_fragment_moved_is_the_same_one_elsewhere(frames in frames(), video in 0i64..1 << 40, audio in 0i64..1 << 40, from in any::<u32>()) {
        let (fragments, _) = fragments(&aac(), Cut::default(), &frames);
        let init = Init::new(&film::tracks(None)).unwrap();
        let mut sequence = from;
        for fragment in &fragments {
            let mut moved = fragment.payload().to_vec();
            rebase(&mut moved, &mut sequence, Shift { video, audio }).unwrap();
            let before = read(&[&init.bytes[..], fragment.payload()].concat());
            let after = read(&[&init.bytes[..], &moved[..]].concat());
            prop_assert_eq!(before.samples.len(), after.samples.len());
            for (before, mut after) in before.samples.into_iter().zip(after.samples) {
                let by = if after.track == VIDEO_TRACK { video } else { audio };
                after.decoded -= by;
                after.shown -= by;
                prop_assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn noise_is_no_fragment_and_no_panic(mut noise in prop::collection::vec(any::<u8>(), 0..200), frames in frames(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut sequence = 0;
        let _ = rebase(&mut noise, &mut sequence, Shift::default());
        let _ = begin_anew(&mut noise);
        let _ = indexed(&noise, 0, &[]);
        let (fragments, _) = fragments(&aac(), Cut::default(), &frames);
        let mut bent = fragments[0].payload().to_vec();
        let at = at.index(bent.len());
        bent[at] = byte;
        let _ = rebase(&mut bent, &mut sequence, Shift { video: i64::MIN, audio: i64::MAX });
        let _ = begin_anew(&mut bent);
    }
}

#[test]
fn a_fragment_ends_where_the_rule_says() {
    let tracks = film::tracks(None);
    let spans = |cut, group| {
        let frames: Vec<Frame> = (0..60).map(|n| picture(n, group, 6_000, 100)).collect();
        fragments(&tracks, cut, &frames).0.iter().map(|f| (f.duration / 6_000, f.starts_group)).collect::<Vec<_>>()
    };
    assert_eq!(spans(Cut::default(), 20), [(20, true), (20, true), (20, true)]);
    assert_eq!(spans(Cut::default(), 60), [(30, true), (30, false)]);
    assert_eq!(spans(Cut::Live { shortest_ms: 0 }, 60).len(), 60);
    assert!(spans(Cut::Live { shortest_ms: 100 }, 60).iter().all(|(frames, _)| *frames == 2));
}

#[test]
fn a_large_group_is_several_fragments_and_a_larger_frame_is_none() {
    let tracks = film::tracks(None);
    let frames: Vec<Frame> = (0..20).map(|n| picture(n, 20, 3_000, 300_000)).collect();
    let (done, _) = fragments(&tracks, Cut::default(), &frames);
    assert_eq!(done.len(), 7);
    assert!(done.iter().all(|fragment| fragment.payload().len() <= LARGEST_FRAGMENT));
    assert_eq!(done.iter().filter(|fragment| fragment.starts_group).count(), 1);

    let mut fragmenter = Fragmenter::new(tracks, Cut::default());
    let refused = fragmenter.push(&picture(0, 1, 1, LARGEST_FRAME + 1)).unwrap_err();
    assert_eq!(refused, Mp4Error::FrameTooLong { bytes: LARGEST_FRAME + 1 });
    assert!(fragmenter.push(&picture(1, 1, 3_000, LARGEST_FRAME)).unwrap().is_none());
    let alone = fragmenter.push(&picture(2, 1, 3_000, 10)).unwrap().unwrap();
    assert!(alone.payload().len() > LARGEST_FRAME);
}

#[test]
fn sound_without_pictures_is_written_all_the_same() {
    let tracks = film::tracks(Some(AudioCodec::Pcmu));
    let mut frames = vec![picture(0, 1, 6_000, 100)];
    frames.extend((0..1000).map(|n| sound(n * 160, 160)));
    frames.push(Frame { decoded: 90_000 * 20, shown: 90_000 * 20, ..picture(0, 1, 0, 100) });
    let (done, _) = fragments(&tracks, Cut::default(), &frames);
    assert!(done.len() > 3, "{}", done.len());
    let film = read(&file(&tracks, &done));
    let samples: u32 = of(&film.samples, AUDIO_TRACK).iter().map(|sample| sample.duration).sum();
    assert_eq!(samples, 160_000);
    assert_eq!(
        of(&film.samples, VIDEO_TRACK).iter().map(|sample| sample.decoded).collect::<Vec<_>>(),
        [0, 90_000 * 20]
    );
}

#[test]
fn a_gap_in_the_sound_is_a_gap() {
    let tracks = film::tracks(Some(AudioCodec::Pcma));
    let mut frames: Vec<Frame> = (0..30).map(|n| picture(n, 30, 6_000, 50)).collect();
    frames.extend((0..20).map(|n| sound(n * 160, 160)));
    frames.extend((0..20).map(|n| sound(8_000 + n * 160, 160)));
    let (done, _) = fragments(&tracks, Cut::default(), &frames);
    assert_eq!(done.len(), 1);
    let film = read(&file(&tracks, &done));
    let sounds: Vec<(i64, u32)> = of(&film.samples, AUDIO_TRACK).iter().map(|s| (s.decoded, s.duration)).collect();
    assert_eq!(sounds, [(0, 3_200), (8_000, 3_200)]);
    assert_eq!(film.sequences, [1, 2]);
}

#[test]
fn an_open_group_is_made_a_beginning() {
    let tracks = film::tracks(None);
    let nal = |kind: u8, length: u32| {
        [&length.to_be_bytes()[..], &[kind << 1 | 1, 1], &vec![7; length as usize - 2]].concat()
    };
    let first = Frame { data: [nal(39, 5), nal(21, 9), nal(21, 4)].concat().into(), ..picture(0, 2, 3_000, 1) };
    let second = Frame { data: nal(21, 6).into(), ..picture(1, 2, 3_000, 1) };
    let (done, _) = fragments(&tracks, Cut::default(), &[first, second]);
    let mut bytes = done[0].payload().to_vec();
    begin_anew(&mut bytes).unwrap();
    assert_eq!(first_frame(&bytes).unwrap(), [nal(39, 5), nal(16, 9), nal(16, 4)].concat());
    let film = read(&[&Init::new(&tracks).unwrap().bytes[..], &bytes].concat());
    assert_eq!(film.samples[0].data, [nal(39, 5), nal(16, 9), nal(16, 4)].concat());
    assert_eq!(film.samples[1].data, nal(21, 6));
}

#[test]
fn parameters_that_make_no_file_are_refused() {
    assert_eq!(Init::new(&film::jpeg_tracks()).unwrap_err(), Mp4Error::Jpeg);
    let mut tracks = (*film::tracks(Some(AudioCodec::Pcma))).clone();
    tracks.video.sample_entry = tracks.video.sample_entry.slice(..40);
    assert!(matches!(Init::new(&tracks).unwrap_err(), Mp4Error::Parameters { track: "video", .. }));
    tracks = (*film::tracks(Some(AudioCodec::Pcma))).clone();
    tracks.audio.as_mut().unwrap().channels = 6;
    assert!(matches!(Init::new(&tracks).unwrap_err(), Mp4Error::Parameters { track: "audio", .. }));
    tracks.audio.as_mut().unwrap().codec = AudioCodec::Aac;
    assert!(matches!(Init::new(&tracks).unwrap_err(), Mp4Error::Parameters { track: "audio", .. }));
    tracks.video.clock_hz = 0;
    tracks.audio = None;
    assert!(Init::new(&tracks).is_err());
}

#[test]
fn a_browser_is_told_what_is_in_it() {
    assert_eq!(Init::new(&film::tracks(None)).unwrap().mime, "video/mp4; codecs=\"avc1.42C01E\"");
    assert_eq!(mime(&film::tracks(Some(AudioCodec::Pcmu))), "video/mp4; codecs=\"avc1.42C01E,flac\"");
}

#[test]
fn a_decoder_finds_its_parameters_in_the_initialisation() {
    let init = Init::new(&film::tracks(Some(AudioCodec::Pcma))).unwrap();
    let (codec, sets) = parameter_sets(&init.bytes).unwrap();
    assert_eq!(codec, crate::VideoCodec::H264);
    assert_eq!(sets, [&[0, 0, 0, 1][..], &film::SPS, &[0, 0, 0, 1], &film::PPS].concat());
    assert!(parameter_sets(&init.bytes[..100]).is_err());
}

#[test]
fn a_frame_without_a_byte_is_no_sample() {
    let mut fragmenter = Fragmenter::new(film::tracks(None), Cut::default());
    let empty = Frame { data: bytes::Bytes::new(), ..picture(1, 10, 6_000, 1) };
    for frame in [picture(0, 10, 6_000, 50), empty, picture(2, 10, 6_000, 50)] {
        assert!(fragmenter.push(&frame).unwrap().is_none());
    }
    let last = fragmenter.finish(None).unwrap().unwrap();
    assert_eq!(read(&file(&film::tracks(None), &[last])).samples.len(), 2);
}

// ---- ffmpeg as the judge

fn judged(tracks: &Tracks, fragments: &[Fragment]) -> film::Probe {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    std::fs::write(&path, file(tracks, fragments)).unwrap();
    // Without the index too, as a live stream is.
    let live = folder.path().join("live.mp4");
    let mut bytes = Init::new(tracks).unwrap().bytes.to_vec();
    fragments.iter().for_each(|fragment| bytes.extend_from_slice(fragment.payload()));
    std::fs::write(&live, bytes).unwrap();
    film::probe(&live);
    film::probe(&path)
}

const SOURCE: &str = "-f lavfi -i testsrc2=size=320x240:rate=15:duration=10";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=16000:duration=10";

fn all_cuts(source: &str, frames_expected: u64, packets: u64) {
    let (tracks, frames) = film::encode(source);
    for cut in
        [Cut::default(), Cut::Live { shortest_ms: 0 }, Cut::Live { shortest_ms: 100 }, Cut::Group { longest_ms: 700 }]
    {
        let (done, _) = fragments(&tracks, cut, &frames);
        let probe = judged(&tracks, &done);
        assert_eq!(probe.frames, frames_expected, "{cut:?}");
        assert!(probe.packets >= packets.saturating_sub(2) && probe.packets <= packets + 3, "{cut:?}: {probe:?}");
        assert!((probe.seconds - 10.0).abs() < 0.3, "{cut:?}: {probe:?}");
    }
}

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn h264_with_aac_plays_without_a_warning() {
    all_cuts(&format!("{SOURCE} {TONE} -c:v libx264 -preset veryfast -bf 0 -g 30 -c:a aac -b:a 32k"), 150, 157);
}

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn h264_with_b_frames_plays_without_a_warning() {
    all_cuts(&format!("{SOURCE} -c:v libx264 -preset veryfast -bf 3 -b_strategy 2 -g 30"), 150, 0);
}

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn h265_plays_without_a_warning() {
    all_cuts(
        &format!(
            "{SOURCE} {TONE} -c:v libx265 -tag:v hvc1 -preset ultrafast -x265-params log-level=none:open-gop=0:keyint=30 -c:a aac"
        ),
        150,
        157,
    );
}

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn h265_with_open_groups_plays_without_a_warning() {
    let source = format!(
        "{SOURCE} -c:v libx265 -tag:v hvc1 -preset medium -x265-params log-level=none:open-gop=1:keyint=30:min-keyint=30:scenecut=0:bframes=3"
    );
    let (_, frames) = film::encode(&source);
    assert!(frames.iter().filter(|frame| frame.starts_group).count() >= 4, "each CRA starts a group");
    all_cuts(&source, 150, 0);
}

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn g711_is_repacked_without_loss() {
    let (tracks, pictures) = film::encode(&format!("{SOURCE} -c:v libx264 -preset veryfast -bf 0 -g 30"));
    for (codec, name) in [(AudioCodec::Pcma, "alaw"), (AudioCodec::Pcmu, "mulaw")] {
        let tracks = Arc::new(Tracks { audio: Some(film::g711(codec)), ..(*tracks).clone() });
        let folder = tempfile::tempdir().unwrap();
        let ffmpeg = |arguments: &str, out: &str| {
            let path = folder.path().join(out);
            let done = std::process::Command::new("ffmpeg")
                .args(["-nostdin", "-v", "error", "-y"])
                .args(arguments.split_whitespace())
                .arg(&path)
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            std::fs::read(path).unwrap()
        };
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        // Noise, a tone and silence: verbatim, predicted, constant.
        let source = "-f lavfi -i anoisesrc=duration=3:sample_rate=8000 -f lavfi -i sine=duration=4:sample_rate=8000 -f lavfi -i anullsrc=r=8000:cl=mono:d=3 -filter_complex concat=n=3:v=0:a=1";
        let bytes = ffmpeg(&format!("{source} -ac 1 -f {name}"), "raw");
        let linear = ffmpeg(&format!("-f {name} -ar 8000 -i {} -f s16le", at("raw")), "linear");
        for packet in [160, 1024, 5000] {
            let mut frames = pictures.clone();
            let mut decoded = 0;
            for data in bytes.chunks(packet) {
                frames.push(Frame {
                    kind: Kind::Audio,
                    starts_group: true,
                    decoded,
                    shown: decoded,
                    data: data.to_vec().into(),
                });
                decoded += data.len() as i64;
            }
            frames.sort_by_key(|f| if f.kind == Kind::Video { f.decoded * 8 / 90 } else { f.decoded });
            let (done, _) = fragments(&tracks, Cut::default(), &frames);
            let probe = judged(&tracks, &done);
            assert_eq!(probe.frames, 150);
            assert!((probe.seconds - 10.0).abs() < 0.3, "{probe:?}");
            std::fs::write(folder.path().join("out.mp4"), file(&tracks, &done)).unwrap();
            let played = ffmpeg(&format!("-i {} -map 0:a -f s16le", at("out.mp4")), "played");
            assert!(played == linear, "{name} in packets of {packet}: {} bytes for {}", played.len(), linear.len());
        }
    }
}

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn sound_that_begins_late_stops_or_pauses_is_no_warning() {
    let (tracks, frames) = film::encode(&format!("{SOURCE} {TONE} -c:v libx264 -preset veryfast -bf 0 -g 30 -c:a aac"));
    let hole = |from: i64, to: i64| {
        let kept = frames
            .iter()
            .filter(|f| f.kind == Kind::Video || !(from * 16_000..to * 16_000).contains(&f.decoded))
            .cloned();
        kept.collect::<Vec<_>>()
    };
    for (from, to) in [(0, 3), (3, 5), (8, 10), (-1, 100)] {
        let (done, _) = fragments(&tracks, Cut::default(), &hole(from, to));
        let probe = judged(&tracks, &done);
        assert_eq!(probe.frames, 150);
        // ffprobe 5.1 counts the late beginning of a track twice: once as its start, once in its length.
        let late = if from == 0 { to as f64 } else { 0.0 };
        assert!((probe.seconds - 10.0 - late).abs() < 0.3, "{probe:?}");
    }
    // Pictures that begin four tenths of a second after the sound.
    let late: Vec<Frame> = frames
        .iter()
        .cloned()
        .map(|frame| {
            if frame.kind == Kind::Video {
                Frame { decoded: frame.decoded + 36_000, shown: frame.shown + 36_000, ..frame }
            } else {
                frame
            }
        })
        .collect();
    let (done, fragmenter) = fragments(&tracks, Cut::default(), &late);
    assert!(fragmenter.base().unwrap() < 36_000);
    assert_eq!(judged(&tracks, &done).frames, 150);
}
