//! Tests of the archive: segments there and back, what a crash leaves, what a thief or a vandal does.

mod damage;
mod exports;
mod recording;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domovoi_vault::DayKey;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::file::Opened;
use super::*;
use crate::film::{self, picture, sound};
use crate::frame::{AudioCodec, Frame, Item, Tracks};
use crate::mp4::Fragment;

pub(crate) fn day(byte: u8) -> DayKey {
    DayKey::from_raw(Zeroizing::new([byte; 32]))
}

fn heading(segment: u8, media: Media, started_ms: i64) -> Heading {
    Heading::new(media, 7, [1; 16], [segment; 16], started_ms).unwrap()
}

/// Takes a recorder's steps: segments 1, 2, 3 … of a folder, chained.
struct Shelf<'a> {
    folder: &'a Path,
    day: DayKey,
    writer: Option<SegmentWriter>,
    closed: Vec<Closed>,
}

impl<'a> Shelf<'a> {
    fn new(folder: &'a Path, day: DayKey) -> Self {
        Shelf { folder, day, writer: None, closed: Vec::new() }
    }

    fn take(&mut self, steps: &mut Vec<Step>) {
        for step in steps.drain(..) {
            match step {
                Step::Open { media, started_ms, init, .. } => {
                    assert!(self.writer.is_none(), "one is open");
                    let heading = heading(self.closed.len() as u8 + 1, media, started_ms);
                    let previous = self.closed.last().map(|closed| closed.tag);
                    let writer = SegmentWriter::create(self.folder, heading, &self.day, previous, init.as_deref());
                    self.writer = Some(writer.unwrap());
                }
                Step::Append(fragment) => self.writer.as_mut().unwrap().append(fragment).unwrap(),
                Step::Close(reason) => self.closed.push(self.writer.take().unwrap().close(reason).unwrap()),
                Step::LeftOut(error) => panic!("{error}"),
            }
        }
    }
}

/// Records a run from its beginning to its end.
fn record(folder: &Path, day: &DayKey, tracks: &Arc<Tracks>, frames: &[Frame], rule: RecorderRule) -> Vec<Closed> {
    let mut shelf = Shelf::new(folder, day.clone());
    let mut recorder = Recorder::new(rule);
    let mut steps = Vec::new();
    recorder.start(&mut steps);
    recorder.item(&Item::Begins { tracks: Arc::clone(tracks), started: 1_700_000_000_000 }, &mut steps);
    for frame in frames {
        recorder.item(&Item::Frame(frame.clone()), &mut steps);
        shelf.take(&mut steps);
    }
    recorder.stop(&mut steps);
    shelf.take(&mut steps);
    assert!(shelf.writer.is_none());
    shelf.closed
}

/// A small film with sound: groups of ten pictures, two seconds each.
fn frames(pictures: u32) -> Vec<Frame> {
    let mut frames: Vec<(i64, Frame)> =
        (0..pictures).map(|n| (i64::from(n) * 18_000, picture(n, 10, 18_000, 40 + n as usize % 7))).collect();
    frames.extend((0..i64::from(pictures)).map(|n| (n * 18_000 + 1, sound(n * 1_600, 50))));
    frames.sort_by_key(|(at, _)| *at);
    frames.into_iter().map(|(_, frame)| frame).collect()
}

fn turning(segment_ms: u32) -> RecorderRule {
    RecorderRule { segment_ms, ..RecorderRule::default() }
}

/// One closed segment of six fragments.
pub(crate) fn segment(folder: &Path, key: &DayKey) -> Closed {
    let closed = record(folder, key, &film::tracks(Some(AudioCodec::Pcma)), &frames(60), turning(60_000));
    assert_eq!(closed.len(), 1);
    closed.into_iter().next().unwrap()
}

pub(crate) fn whole(reader: &SegmentReader) -> Vec<u8> {
    let content = reader.content().unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < content.bytes {
        let more = reader.bytes_at(&content, bytes.len() as u64..u64::MAX).unwrap();
        assert!(!more.is_empty());
        bytes.extend_from_slice(&more);
    }
    bytes
}

fn sound_verdict(closed: &Closed, key: &DayKey) -> Verdict {
    verify(&closed.path, key, &Expected { tag: Some(closed.tag), bytes: Some(closed.bytes), ..Expected::default() })
        .unwrap()
}

#[test]
fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    assert_eq!(std::fs::metadata(&closed.path).unwrap().len(), closed.bytes);
    assert_eq!(sound_verdict(&closed, &day(1)), Verdict::Sound(closed.trailer.clone()));
    let reader = SegmentReader::open(&closed.path, &day(1)).unwrap();
    assert_eq!(reader.trailer(), &closed.trailer);
    assert_eq!(reader.tag(), Some(closed.tag));
    assert_eq!(closed.trailer.fragments(), 6);
    assert_eq!(closed.trailer.end(), 60 * 18_000);
    assert_eq!(closed.ended_ms(), 1_700_000_000_000 + 12_000);
    let film = film::read(&whole(&reader));
    let pictures: Vec<_> = film.samples.iter().filter(|sample| sample.track == 1).collect();
    assert_eq!(pictures.len(), 60);
    for (found, sent) in pictures.iter().zip(frames(60).iter().filter(|frame| frame.kind == crate::Kind::Video)) {
        assert_eq!((&found.data[..], found.decoded), (&sent.data[..], sent.decoded));
    }
    let sounds: u32 = film.samples.iter().filter(|sample| sample.track == 2).map(|sample| sample.duration).sum();
    assert!(sounds > 0);
}

#[test]
fn a_range_is_the_same_bytes_as_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let reader = SegmentReader::open(&closed.path, &day(1)).unwrap();
    let all = whole(&reader);
    let content = reader.content().unwrap();
    assert_eq!(content.bytes, all.len() as u64);
    for start in (0..all.len() + 3).step_by(7) {
        for length in [1, 2, 100, 1000, usize::MAX / 2] {
            let end = start.saturating_add(length).min(all.len());
            let mut at = start;
            while at < end {
                let part = reader.bytes_at(&content, at as u64..end as u64).unwrap();
                assert_eq!(part, all[at..at + part.len()]);
                assert!(!part.is_empty());
                at += part.len();
            }
        }
    }
    assert!(reader.bytes_at(&content, u64::MAX - 1..u64::MAX).unwrap().is_empty());
}

#[test]
fn a_moment_is_found_from_the_key_frame_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut rule = turning(60_000);
    rule.cut = crate::mp4::Cut::Group { longest_ms: 1_000 };
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(60), rule);
    let reader = SegmentReader::open(&closed[0].path, &day(1)).unwrap();
    // Two fragments a group; the initialisation is record 0.
    let ms = |from: u64, to: u64| reader.records_of(from * 90..to * 90);
    assert_eq!(ms(0, 1), 1..2);
    assert_eq!(ms(1_500, 2_500), 1..4);
    assert_eq!(ms(3_500, 3_600), 3..5);
    assert_eq!(ms(11_900, 90_000), 11..13);
    assert_eq!(ms(0, 90_000), 1..13);
}

#[test]
fn a_segment_that_grows_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let init = crate::mp4::Init::new(&film::tracks(None)).unwrap().bytes;
    let mut writer =
        SegmentWriter::create(folder.path(), heading(1, Media::Mp4, 0), &day(1), None, Some(&init)).unwrap();
    writer.append(Fragment::of(b"one", 0, 90, true)).unwrap();
    let reader = SegmentReader::growing(writer.path(), &day(1), writer.trailer().clone()).unwrap();
    assert_eq!(&reader.read(1).unwrap()[..], b"one");
    assert_eq!(reader.tag(), None);
    assert!(matches!(SegmentReader::open(writer.path(), &day(1)), Err(ReadError::NoTrailer(_))));
    let path = writer.path().to_owned();
    drop(writer);
    assert_eq!(verify(&path, &day(1), &Expected::default()).unwrap(), Verdict::NoTrailer { whole: 2 });
}

#[test]
fn a_file_is_never_another_s() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let before = std::fs::read(&closed.path).unwrap();
    let again = SegmentWriter::create(folder.path(), closed.heading.clone(), &day(1), None, Some(b"init"));
    assert!(matches!(again, Err(WriteError::Io { .. })), "{again:?}");
    assert_eq!(std::fs::read(&closed.path).unwrap(), before);
    let nowhere = SegmentWriter::create(&folder.path().join("none"), heading(2, Media::Jpeg, 0), &day(1), None, None);
    assert!(matches!(nowhere, Err(WriteError::Io { .. })));
    let wrong = SegmentWriter::create(folder.path(), heading(2, Media::Jpeg, 0), &day(1), None, Some(b"init"));
    assert!(matches!(wrong, Err(WriteError::Init(_))));
    assert_eq!(scan(folder.path(), 1).unwrap().len(), 1);
}

#[test]
fn nothing_of_the_film_is_in_the_raw_file() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let raw = std::fs::read(&closed.path).unwrap();
    let reader = SegmentReader::open(&closed.path, &day(1)).unwrap();
    let clear = whole(&reader);
    let texts: [&[u8]; 9] =
        [b"ftyp", b"moov", b"moof", b"mdat", b"avcC", b"fLaC", &film::SPS, &film::PPS, &film::SPS[1..5]];
    for text in texts {
        assert!(clear.windows(text.len()).any(|window| window == text), "the control: {text:?} is in the clear film");
        assert!(!raw.windows(text.len()).any(|window| window == text), "{text:?}");
    }
}

#[test]
fn a_day_s_key_opens_that_day_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let days: Vec<Closed> = (1..=3)
        .map(|number| {
            let place = folder.path().join(number.to_string());
            std::fs::create_dir(&place).unwrap();
            segment(&place, &day(number))
        })
        .collect();
    for (number, closed) in (1..).zip(&days) {
        for key in 1..=3 {
            let verdict = sound_verdict(closed, &day(key));
            if key == number {
                assert_eq!(verdict, Verdict::Sound(closed.trailer.clone()));
            } else {
                assert_eq!(verdict, Verdict::WrongKey);
                assert!(matches!(SegmentReader::open(&closed.path, &day(key)), Err(ReadError::NoTrailer(_))));
            }
        }
    }
}

#[test]
fn a_full_disk_is_a_clean_error_and_the_record_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut writer = SegmentWriter::create(folder.path(), heading(1, Media::Jpeg, 0), &day(1), None, None).unwrap();
    writer.append(Fragment::of(b"first", 0, 90, true)).unwrap();
    let real = writer.exchange(full());
    let refused = writer.append(Fragment::of(b"second", 90, 90, true));
    assert_eq!(refused, Err(WriteError::Full(writer.path().to_owned())));
    assert!(matches!(writer.append(Fragment::of(b"third", 180, 90, true)), Err(WriteError::Stopped(_))));
    writer.exchange(real);
    writer.retry().unwrap();
    writer.append(Fragment::of(b"third", 180, 90, true)).unwrap();
    let real = writer.exchange(full());
    assert!(writer.append(Fragment::of(b"fourth", 270, 90, true)).is_err());
    writer.exchange(real);
    let closed = writer.close(Reason::DiskFull).unwrap();
    let reader = SegmentReader::open(&closed.path, &day(1)).unwrap();
    let read: Vec<_> = reader.pictures().iter().map(|picture| reader.read(picture.record).unwrap()).collect();
    assert_eq!(read, ["first", "second", "third"]);
    assert_eq!(reader.trailer().reason, Reason::DiskFull);
    assert_eq!(sound_verdict(&closed, &day(1)), Verdict::Sound(closed.trailer));

    // Nor can it be closed: what is whole is found at the next start.
    let mut writer = SegmentWriter::create(folder.path(), heading(2, Media::Jpeg, 0), &day(1), None, None).unwrap();
    writer.append(Fragment::of(b"first", 0, 90, true)).unwrap();
    let path = writer.path().to_owned();
    writer.exchange(full());
    assert!(writer.append(Fragment::of(b"second", 90, 90, true)).is_err());
    assert_eq!(writer.close(Reason::DiskFull), Err(WriteError::Full(path.clone())));
    assert!(matches!(recover(&path, &day(1), None).unwrap(), Recovery::Recovered { cut: 0, .. }));
}

#[test]
fn what_was_not_made_durable_is_told_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(folder.path(), heading(1, Media::Jpeg, 0), &day(1), None, None).unwrap();
    writer.append(Fragment::of(b"first", 0, 90, true)).unwrap();
    // A pipe cannot be synced.
    let (_reader, pipe) = std::io::pipe().unwrap();
    let real = writer.exchange(std::fs::File::from(std::os::fd::OwnedFd::from(pipe)));
    assert!(matches!(writer.sync(), Err(WriteError::NotDurable { .. })));
    writer.exchange(real);
    assert!(matches!(writer.sync(), Err(WriteError::Stopped(_))), "a second try would lie");
    assert!(matches!(writer.append(Fragment::of(b"second", 90, 90, true)), Err(WriteError::Stopped(_))));
    assert!(matches!(writer.close(Reason::Turn), Err(WriteError::Stopped(_))));
}

#[test]
fn a_folder_says_what_is_in_it_and_which_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("cam");
    std::fs::create_dir(&place).unwrap();
    let closed = segment(&place, &day(1));
    std::fs::write(place.join("torn.segment"), b"domov").unwrap();
    std::fs::write(place.join("notes.txt"), b"not ours").unwrap();
    std::os::unix::fs::symlink(&closed.path, place.join("link.segment")).unwrap();
    let mut found = scan(folder.path(), 1).unwrap();
    found.sort_by_key(|found| found.bytes);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].heading, Err(HeadingError::Short));
    assert_eq!((found[1].heading.as_ref().unwrap(), found[1].bytes), (&closed.heading, closed.bytes));
    assert!(scan(folder.path(), 0).unwrap().is_empty());

    let aside = set_aside(folder.path(), &found[0].path).unwrap();
    assert!(aside.exists() && !found[0].path.exists());
    std::fs::write(place.join("torn.segment"), b"again").unwrap();
    assert_ne!(set_aside(folder.path(), &place.join("torn.segment")).unwrap(), aside);
    assert_eq!(scan(folder.path(), 1).unwrap().len(), 1);

    assert_eq!(identity(folder.path()).unwrap(), None);
    let id = identify(folder.path()).unwrap();
    assert_eq!(identify(folder.path()).unwrap(), id);
    assert_eq!(identity(folder.path()).unwrap(), Some(id));
    std::fs::write(folder.path().join("domovoi-archive"), b"+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1").unwrap();
    assert_eq!(identity(folder.path()).unwrap(), None);
    assert!(identify(folder.path()).is_err());
    let room = space(folder.path()).unwrap();
    assert!(room.total >= room.free && room.total > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_heading_is_what_it_was_or_refused(
        key_id in any::<u64>(), camera in any::<Id>(), segment in any::<Id>(), salt in any::<[u8; 32]>(),
        started_ms in any::<i64>(), jpeg in any::<bool>(), bit in 0..HEADING * 8,
    ) {
        let media = if jpeg { Media::Jpeg } else { Media::Mp4 };
        let heading = Heading { media, key_id, camera, segment, salt, started_ms };
        let mut bytes = heading.to_bytes();
        prop_assert_eq!(Heading::parse(&bytes), Ok(heading));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Heading::parse(&bytes).is_err());
        prop_assert_eq!(Heading::parse(&bytes[..bit / 8]), Err(HeadingError::Short));
    }

    #[test]
    fn a_trailer_is_what_it_was(
        parts in prop::collection::vec((any::<bool>(), any::<u64>(), any::<u32>(), any::<u32>()), 0..40),
        previous in any::<Option<[u8; 16]>>(), jpeg in any::<bool>(), noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let media = if jpeg { Media::Jpeg } else { Media::Mp4 };
        let entry = |(at, (starts_group, start, duration, bytes)): (usize, (bool, u64, u32, u32))| Entry {
            is_init: at == 0 && !jpeg, starts_group, start, duration, bytes,
        };
        let entries = parts.into_iter().enumerate().map(entry).collect();
        let trailer = Trailer { reason: Reason::RunEnded, previous: previous.filter(|tag| *tag != [0; 16]), entries };
        let bytes = trailer.to_bytes();
        prop_assert_eq!(Trailer::parse(&bytes, media), Some(trailer));
        prop_assert_eq!(Trailer::parse(&bytes[..bytes.len() - 1], media), None);
        let _ = Trailer::parse(&noise, media);
    }
}

/// Where each record of a file begins, the trailer's, and the file's end.
fn borders(path: &Path, key: &DayKey) -> Vec<u64> {
    let Ok(opened) = Opened::open(path, key, false) else { panic!("it opens") };
    let walked = opened.walk(1000).unwrap();
    walked.iter().map(|framed| framed.at).chain([walked.last().unwrap().end(), opened.len]).collect()
}

fn copy(path: &Path, name: &str) -> PathBuf {
    let to = path.with_file_name(name);
    std::fs::copy(path, &to).unwrap();
    to
}
