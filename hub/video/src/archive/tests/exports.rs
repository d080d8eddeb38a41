//! Ranges over several segments as one film, with ffmpeg as the judge.

use std::ops::Range;

use super::*;
use crate::film::Probe;
use crate::{Kind, VideoCodec};

const START: i64 = 1_700_000_000_000;

fn sources(closed: &[Closed], key: &DayKey) -> Vec<Source> {
    closed.iter().map(|closed| Source::closed(closed.path.clone(), key.clone())).collect()
}

fn file(part: &Part) -> Vec<u8> {
    let bytes: Vec<u8> = part.chunks().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
    assert_eq!(bytes.len() as u64, part.bytes, "the length that was promised");
    bytes
}

fn pictures(bytes: &[u8]) -> Vec<(u32, i64)> {
    let film = film::read(bytes);
    assert_eq!(film.sequences, (1..=film.sequences.len() as u32).collect::<Vec<_>>());
    let pictures = film.samples.iter().filter(|sample| sample.track == 1);
    pictures.map(|sample| (u32::from_be_bytes(sample.data[..4].try_into().unwrap()), sample.decoded)).collect()
}

fn seconds(range: Range<i64>) -> Range<i64> {
    START + range.start * 1000..START + range.end * 1000
}

#[test]
fn a_range_over_segments_is_one_film() {
    let folder = tempfile::tempdir().unwrap();
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(100), turning(4_000));
    assert_eq!(closed.len(), 5);
    let parts = plan(&sources(&closed, &day(1)), seconds(0..100), Gaps::Closed).unwrap();
    assert_eq!(parts.len(), 1);
    let expected: Vec<(u32, i64)> = (0..100).map(|n| (n, i64::from(n) * 18_000)).collect();
    assert_eq!(pictures(&file(&parts[0])), expected);
    assert_eq!(parts[0].wall_ms, START..START + 20_000);
    assert_eq!(parts[0].jumps, [Jump { ticks: 0, wall_ms: START }]);
    assert_eq!(parts[0].duration().as_millis(), 20_000);

    // From the key frame before 5.5 s to the end of the group of 9 s.
    let parts = plan(&sources(&closed, &day(1)), seconds(0..9).start + 5_500..START + 9_000, Gaps::Closed).unwrap();
    let found = pictures(&file(&parts[0]));
    assert_eq!((found[0], found.len()), ((20, 0), 30));
    assert_eq!(parts[0].wall_ms, START + 4_000..START + 10_000);
    assert!(plan(&sources(&closed, &day(1)), seconds(-9..0), Gaps::Closed).unwrap().is_empty());
    assert!(plan(&sources(&closed, &day(1)), seconds(50..60), Gaps::Closed).unwrap().is_empty());
}

#[test]
fn a_gap_is_closed_or_kept() {
    let folder = tempfile::tempdir().unwrap();
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(60), turning(4_000));
    let mut some = sources(&closed, &day(1));
    some.remove(1);
    let parts = plan(&some, seconds(0..100), Gaps::Closed).unwrap();
    assert_eq!(parts.len(), 1);
    let found = pictures(&file(&parts[0]));
    assert_eq!(found.iter().map(|(_, at)| *at).collect::<Vec<_>>(), (0..40).map(|n| n * 18_000).collect::<Vec<_>>());
    assert_eq!(parts[0].jumps, [Jump { ticks: 0, wall_ms: START }, Jump { ticks: 360_000, wall_ms: START + 8_000 }]);
    assert_eq!(parts[0].duration().as_millis(), 8_000);
    let parts = plan(&some, seconds(0..100), Gaps::Kept).unwrap();
    let found = pictures(&file(&parts[0]));
    assert_eq!(found.iter().map(|(n, at)| at - i64::from(*n) * 18_000).max(), Some(0));
    assert_eq!(found.len(), 40);
    assert_eq!(parts[0].duration().as_millis(), 12_000);
}

#[test]
fn pictures_are_a_film_with_their_own_times() {
    let folder = tempfile::tempdir().unwrap();
    let album = |segment: u8, from_ms: i64| {
        let heading = heading(segment, Media::Jpeg, from_ms);
        let mut writer = SegmentWriter::create(folder.path(), heading, &day(1), None, None).unwrap();
        for (number, at) in [0u64, 90_000, 135_000].into_iter().enumerate() {
            let picture = [0, 0, segment, number as u8, 9];
            writer.append(Fragment::of(&picture, at, if number == 0 { 90_000 } else { 45_000 }, true)).unwrap();
        }
        writer.close(Reason::Stopped).unwrap()
    };
    let some = sources(&[album(1, START), album(2, START + 2_000), album(3, START + 12_000)], &day(1));
    let id = |segment: u32, number: u32| segment << 8 | number;
    for (gaps, third) in [(Gaps::Closed, 360_000), (Gaps::Kept, 1_080_000)] {
        let parts = plan_pictures(&some, seconds(0..100), gaps).unwrap();
        assert_eq!(parts.len(), 1);
        let expected: Vec<(u32, i64)> = [(1, 0), (2, 180_000), (3, third)]
            .into_iter()
            .flat_map(|(segment, from)| [(0, 0), (1, 90_000), (2, 135_000)].map(|(n, at)| (id(segment, n), from + at)))
            .collect();
        assert_eq!(pictures(&file(&parts[0])), expected);
        let jump = Jump { ticks: third as u64, wall_ms: START + 12_000 };
        assert_eq!(parts[0].jumps, [Jump { ticks: 0, wall_ms: START }, jump]);
        assert_eq!(parts[0].duration().as_millis(), third as u128 / 90 + 2_000);
    }
    assert!(matches!(plan(&some, seconds(0..100), Gaps::Closed), Err(ExportError::Pictures(_))));
    assert!(plan_pictures(&some, seconds(50..60), Gaps::Closed).unwrap().is_empty());
}

#[test]
fn days_have_their_own_keys_and_parameters_their_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let places: Vec<_> = (0..3).map(|n| folder.path().join(n.to_string())).collect();
    places.iter().for_each(|place| std::fs::create_dir(place).unwrap());
    let one = record(&places[0], &day(1), &film::tracks(None), &frames(20), turning(60_000));
    let two = record(&places[1], &day(2), &film::tracks(None), &frames(20), turning(60_000));
    let mut wide = (*film::tracks(None)).clone();
    wide.video.width = 128;
    let three = record(&places[2], &day(3), &Arc::new(wide), &frames(20), turning(60_000));
    let all = [sources(&one, &day(1)), sources(&two, &day(2)), sources(&three, &day(3))].concat();
    let parts = plan(&all, seconds(0..100), Gaps::Closed).unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(pictures(&file(&parts[0])).len(), 40);
    assert_eq!(pictures(&file(&parts[1])).len(), 20);
    assert!(matches!(
        plan(&sources(&one, &day(2)), seconds(0..9), Gaps::Closed),
        Err(ExportError::Read(ReadError::NoTrailer(_)))
    ));
}

#[test]
fn a_damaged_record_ends_the_film_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(60), turning(60_000));
    let parts = plan(&sources(&closed, &day(1)), seconds(0..100), Gaps::Closed).unwrap();
    let borders = borders(&closed[0].path, &day(1));
    let mut bytes = std::fs::read(&closed[0].path).unwrap();
    bytes[borders[3] as usize + 50] ^= 1;
    std::fs::write(&closed[0].path, bytes).unwrap();
    let chunks: Vec<_> = parts[0].chunks().collect();
    assert_eq!(chunks.len(), 4, "the head and two fragments, the error, and nothing more");
    assert!(matches!(chunks[3], Err(ExportError::Read(ReadError::Damaged { record: 3, .. }))));
}

// ---- ffmpeg as the judge

fn judged(bytes: &[u8]) -> Probe {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    std::fs::write(&path, bytes).unwrap();
    film::probe(&path)
}

fn export(sources: &[Source], range: Range<i64>, gaps: Gaps) -> Probe {
    let parts = plan(sources, range, gaps).unwrap();
    assert_eq!(parts.len(), 1);
    let probe = judged(&file(&parts[0]));
    let promised = parts[0].duration().as_secs_f64();
    assert!((probe.seconds - promised).abs() < 0.3, "{probe:?}, promised {promised}");
    probe
}

fn every_way(source: &str) {
    let (tracks, frames) = film::encode(source);
    let all = frames.iter().filter(|frame| frame.kind == Kind::Video).count() as u64;
    let folder = tempfile::tempdir().unwrap();
    let closed = record(folder.path(), &day(1), &tracks, &frames, turning(4_000));
    assert!(closed.len() >= 4, "{}", closed.len());
    let mut single = 0;
    for closed in &closed {
        let reader = SegmentReader::open(&closed.path, &day(1)).unwrap();
        let probe = judged(&whole(&reader));
        let length = closed.trailer.end() as f64 / 90_000.0;
        assert!((probe.seconds - length).abs() < 0.3, "{probe:?}, {length}");
        single += probe.frames;
    }
    // Leading pictures of an open group that begins a file are skipped by the decoder, as they must be.
    let open = tracks.video.codec == VideoCodec::H265;
    assert!(single == all || open && single + 4 * closed.len() as u64 >= all, "{single} of {all}");
    let some = sources(&closed, &day(1));
    assert_eq!(export(&some, seconds(0..100), Gaps::Closed).frames, all);
    export(&some, START + 5_100..START + 13_300, Gaps::Closed);
    let mut holes = some.clone();
    holes.remove(2);
    holes.remove(0);
    export(&holes, seconds(0..100), Gaps::Closed);
    export(&holes, seconds(0..100), Gaps::Kept);
    // Recovered in mid-file, it still plays.
    let path = &closed[1].path;
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let Recovery::Recovered { .. } = recover(path, &day(1), None).unwrap() else { panic!() };
    judged(&whole(&SegmentReader::open(path, &day(1)).unwrap()));
    export(&some, seconds(0..100), Gaps::Closed);
}

const SOURCE: &str = "-f lavfi -i testsrc2=size=320x240:rate=15:duration=20";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=16000:duration=20";

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn recordings_of_h264_with_aac_play_and_export_without_a_warning() {
    every_way(&format!("{SOURCE} {TONE} -c:v libx264 -preset veryfast -bf 2 -g 15 -c:a aac -b:a 32k"));
}

#[test]
#[ignore = "needs ffmpeg and ffprobe"]
fn recordings_of_h265_with_open_groups_play_and_export_without_a_warning() {
    every_way(&format!(
        "{SOURCE} {TONE} -c:v libx265 -tag:v hvc1 -preset fast -x265-params log-level=none:open-gop=1:keyint=15:min-keyint=15:scenecut=0:bframes=3 -c:a aac"
    ));
}
