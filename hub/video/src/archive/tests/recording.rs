//! The recorder's steps and the thread that takes them.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::Kind;
use crate::mp4::Init;

fn begins(tracks: &Arc<Tracks>, started: i64) -> Item {
    Item::Begins { tracks: Arc::clone(tracks), started }
}

/// Steps in words: `open@ms`, `n` pictures, `close`.
fn told(steps: &[Step]) -> Vec<String> {
    let init = Init::new(&film::tracks(None)).unwrap();
    steps
        .iter()
        .map(|step| match step {
            Step::Open { started_ms, .. } => format!("open@{started_ms}"),
            Step::Append(fragment) => {
                let film = film::read(&[&init.bytes[..], fragment.payload()].concat());
                let numbers: Vec<u32> = film
                    .samples
                    .iter()
                    .filter(|sample| sample.track == 1)
                    .map(|sample| u32::from_be_bytes(sample.data[..4].try_into().unwrap()))
                    .collect();
                format!("{}-{}", numbers.first().unwrap(), numbers.last().unwrap())
            }
            Step::Close(reason) => format!("{reason:?}"),
            Step::LeftOut(error) => error.to_string(),
        })
        .collect()
}

#[test]
fn an_event_begins_with_the_seconds_before_it() {
    let tracks = film::tracks(None);
    let mut recorder = Recorder::new(RecorderRule { preroll_ms: 5_000, ..turning(60_000) });
    let mut steps = Vec::new();
    recorder.item(&begins(&tracks, 1_000_000), &mut steps);
    let mut kept = 0;
    for n in 0..100 {
        recorder.item(&Item::Frame(picture(n, 10, 18_000, 100)), &mut steps);
        kept = kept.max(recorder.kept_bytes());
    }
    assert!(steps.is_empty() && !recorder.is_recording());
    // Frame 99 is at 19.8 s: the group of 14 s is the last that begins before 14.8 s.
    recorder.start(&mut steps);
    assert_eq!(recorder.kept_bytes(), 0);
    for n in 100..120 {
        recorder.item(&Item::Frame(picture(n, 10, 18_000, 100)), &mut steps);
    }
    recorder.stop(&mut steps);
    assert_eq!(told(&steps), ["open@1014000", "70-79", "80-89", "90-99", "100-109", "110-119", "Stopped"]);
    assert!(kept <= 40 * 300, "{kept}");
    // And again, from memory, though with nothing of what is recorded already.
    steps.clear();
    recorder.item(&Item::Frame(picture(120, 10, 18_000, 100)), &mut steps);
    recorder.start(&mut steps);
    recorder.stop(&mut steps);
    assert_eq!(told(&steps), ["open@1024000", "120-120", "Stopped"]);
}

#[test]
fn memory_before_an_event_is_bounded() {
    let tracks = film::tracks(None);
    let rule = RecorderRule { preroll_ms: 60_000, preroll_bytes: 100_000, ..turning(60_000) };
    let mut recorder = Recorder::new(rule);
    let mut steps = Vec::new();
    recorder.item(&begins(&tracks, 0), &mut steps);
    for n in 0..1000 {
        recorder.item(&Item::Frame(picture(n, 10, 18_000, 3_000)), &mut steps);
        assert!(recorder.kept_bytes() <= 100_000);
    }
    recorder.start(&mut steps);
    recorder.stop(&mut steps);
    assert_eq!(told(&steps)[1], "970-979");
    // A group that never ends takes no more either, nor does sound without pictures.
    let mut recorder = Recorder::new(rule);
    recorder.item(&begins(&film::tracks(Some(AudioCodec::Pcma)), 0), &mut steps);
    for n in 0..10_000 {
        recorder.item(&Item::Frame(picture(n, 100_000, 18_000, 3_000)), &mut steps);
        recorder.item(&Item::Frame(sound(i64::from(n) * 1_600, 1_600)), &mut steps);
        assert!(recorder.kept_bytes() <= 100_000);
    }
}

#[test]
fn segments_turn_at_key_frames_and_end_with_their_run() {
    let tracks = film::tracks(None);
    let mut recorder = Recorder::new(turning(3_000));
    let mut steps = Vec::new();
    recorder.start(&mut steps);
    recorder.item(&begins(&tracks, 500_000), &mut steps);
    recorder.item(&Item::Placed { started: 400_000 }, &mut steps);
    // The first two frames are of a group whose beginning nobody has.
    for n in 8..42 {
        recorder.item(&Item::Frame(picture(n, 10, 18_000, 100)), &mut steps);
    }
    recorder.item(&begins(&tracks, 900_000), &mut steps);
    recorder.item(&Item::Frame(picture(0, 10, 18_000, 100)), &mut steps);
    recorder.lost(&mut steps);
    recorder.item(&Item::Frame(picture(1, 10, 18_000, 100)), &mut steps);
    assert_eq!(
        told(&steps),
        [
            "open@402000",
            "10-19",
            "20-29",
            "Turn",
            "open@406000",
            "30-39",
            "40-41",
            "RunEnded",
            "open@900000",
            "0-0",
            "RunEnded"
        ]
    );
    let ends: Vec<u64> = steps
        .iter()
        .filter_map(|step| if let Step::Append(f) = step { Some(f.start + u64::from(f.duration)) } else { None })
        .collect();
    assert_eq!(ends[..2], [180_000, 360_000], "the last picture of a segment lasts until the next one's first");
}

#[test]
fn a_stream_without_key_frames_makes_no_endless_file() {
    let mut recorder = Recorder::new(turning(1_000));
    let mut steps = Vec::new();
    recorder.start(&mut steps);
    recorder.item(&begins(&film::tracks(None), 0), &mut steps);
    for n in 0..200 {
        recorder.item(&Item::Frame(picture(n, 150, 18_000, 100)), &mut steps);
    }
    recorder.stop(&mut steps);
    assert_eq!(told(&steps), ["open@0", "0-9", "10-19", "Turn", "open@30000", "150-159", "160-169", "Turn"]);
}

#[test]
fn pictures_of_jpeg_are_kept_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let tracks = film::jpeg_tracks();
    let pictures: Vec<Frame> = (0..25).map(|n| picture(n, 1, 18_000, 500 + n as usize)).collect();
    let closed = record(folder.path(), &day(1), &tracks, &pictures, turning(2_000));
    assert_eq!(closed.len(), 3);
    let mut found = Vec::new();
    for closed in &closed {
        assert_eq!(sound_verdict(closed, &day(1)), Verdict::Sound(closed.trailer.clone()));
        assert_eq!(closed.heading.media, Media::Jpeg);
        let reader = SegmentReader::open(&closed.path, &day(1)).unwrap();
        assert!(matches!(reader.content(), Err(ReadError::NothingThere(_))));
        for picture in reader.pictures() {
            found.push((picture.taken_ms - 1_700_000_000_000, reader.read(picture.record).unwrap()));
        }
    }
    assert_eq!(found.len(), 25);
    for ((at, data), sent) in found.iter().zip(&pictures) {
        assert_eq!((*at * 90, data), (sent.decoded, &sent.data));
    }
    assert_eq!(closed[0].trailer.end(), 10 * 18_000);
    let source = Source::closed(closed[0].path.clone(), day(1));
    assert!(matches!(plan(&[source], 0..i64::MAX, Gaps::Closed), Err(ExportError::Pictures(_))));
    let cut = std::fs::read(&closed[2].path).unwrap();
    std::fs::write(&closed[2].path, &cut[..HEADING + 700]).unwrap();
    let Recovery::Recovered { closed, .. } = recover(&closed[2].path, &day(1), None).unwrap() else { panic!() };
    assert_eq!(closed.trailer.entries.len(), 1);
}

#[test]
fn frames_that_are_too_long_are_left_out_and_told() {
    let mut recorder = Recorder::new(turning(60_000));
    let mut steps = Vec::new();
    recorder.start(&mut steps);
    recorder.item(&begins(&film::tracks(None), 0), &mut steps);
    recorder.item(&Item::Frame(picture(0, 1, 18_000, crate::mp4::LARGEST_FRAME + 1)), &mut steps);
    assert!(matches!(steps[..], [Step::LeftOut(_)]));
}

#[test]
fn sound_that_cannot_be_kept_costs_no_pictures() {
    let mut tracks = (*film::tracks(Some(AudioCodec::Pcma))).clone();
    tracks.audio.as_mut().unwrap().channels = 7;
    let mut recorder = Recorder::new(turning(60_000));
    let mut steps = Vec::new();
    recorder.start(&mut steps);
    recorder.item(&begins(&Arc::new(tracks.clone()), 0), &mut steps);
    assert!(matches!(steps[..], [Step::LeftOut(crate::mp4::Mp4Error::Parameters { track: "audio", .. })]));
    steps.clear();
    recorder.item(&Item::Frame(sound(0, 700)), &mut steps);
    recorder.item(&Item::Frame(picture(0, 10, 18_000, 100)), &mut steps);
    recorder.stop(&mut steps);
    assert_eq!(told(&steps), ["open@0", "0-0", "Stopped"]);
    // Pictures that cannot be are told, once.
    tracks.video.sample_entry = bytes::Bytes::new();
    steps.clear();
    recorder.start(&mut steps);
    recorder.item(&begins(&Arc::new(tracks), 0), &mut steps);
    (0..30).for_each(|n| recorder.item(&Item::Frame(picture(n, 10, 18_000, 100)), &mut steps));
    assert!(matches!(steps[..], [Step::LeftOut(_)]));
}

// ---- the disk

struct Place {
    disk: Disk,
    reports: Receiver<Report>,
    folder: tempfile::TempDir,
}

/// `gate` holds the thread at each report until something is sent, if there is one.
fn disk(limits: DiskLimits, gate: Option<Receiver<()>>) -> Place {
    let (tell, reports): (Sender<Report>, _) = channel();
    let report = move |report| {
        if let Some(gate) = &gate {
            let _ = gate.recv();
        }
        let _ = tell.send(report);
    };
    let desk = Desk { report: Box::new(report), make_room: Box::new(|_| false) };
    Place { disk: Disk::start(limits, desk).unwrap(), reports, folder: tempfile::tempdir().unwrap() }
}

impl Place {
    fn opening(&self, segment: u8) -> Opening {
        Opening {
            folder: self.folder.path().to_owned(),
            heading: heading(segment, Media::Jpeg, 0),
            day: day(1),
            previous: None,
            init: None,
        }
    }
}

fn still(at: u64) -> Fragment {
    Fragment::of(&[7; 1000], at * 90_000, 90_000, true)
}

#[test]
fn segments_of_many_cameras_are_written_and_chained() {
    let place = disk(DiskLimits::default(), None);
    for lane in 1..=3 {
        place.disk.open(lane, place.opening(lane as u8)).unwrap();
    }
    for at in 0..4 {
        for lane in 1..=3 {
            place.disk.append(lane, still(at)).unwrap();
        }
    }
    place.disk.sync_all();
    place.disk.close(1, Reason::Turn);
    place.disk.open(1, place.opening(11)).unwrap();
    place.disk.append(1, still(0)).unwrap();
    let Place { disk, reports, folder } = place;
    drop(disk);
    let mut closed = Vec::new();
    let mut synced = 0;
    for report in reports {
        match report {
            Report::Closed { lane, closed: one } => closed.push((lane, one)),
            Report::Synced { trailer, .. } => {
                assert_eq!(trailer.entries.len(), 4);
                synced += 1;
            }
            Report::Opened { path, .. } => assert!(path.exists()),
            Report::Failed { error, .. } => panic!("{error}"),
        }
    }
    assert_eq!(synced, 3);
    assert_eq!(
        closed.iter().map(|(lane, closed)| (*lane, closed.trailer.reason)).collect::<Vec<_>>(),
        [(1, Reason::Turn), (1, Reason::Stopped), (2, Reason::Stopped), (3, Reason::Stopped)]
    );
    assert_eq!(closed[1].1.trailer.previous, Some(closed[0].1.tag), "the chain needs no answer to be waited for");
    for (_, closed) in &closed {
        assert_eq!(sound_verdict(closed, &day(1)), Verdict::Sound(closed.trailer.clone()));
    }
    drop(folder);
}

#[test]
fn a_camera_that_falls_behind_loses_its_segment_and_no_other_s() {
    let (go, gate) = channel();
    let place = disk(DiskLimits { behind_ms: 30_000, behind_bytes: 1 << 30 }, Some(gate));
    for lane in [1, 2] {
        place.disk.open(lane, place.opening(lane as u8)).unwrap();
    }
    place.disk.append(2, still(0)).unwrap();
    // The disk stands still at the first report.
    let mut taken = 0;
    let behind = loop {
        match place.disk.append(1, still(taken)) {
            Ok(()) => taken += 1,
            Err(behind) => break behind,
        }
    };
    assert_eq!((taken, behind.behind_ms), (30, 30_000));
    assert!(place.disk.append(1, still(31)).is_err(), "nothing more goes into it");
    assert!(place.disk.open(1, place.opening(3)).is_err(), "nor into another, before it has caught up");
    place.disk.append(2, still(1)).unwrap();
    drop(go);
    // The disk goes on: what was queued is written and closed.
    let closed = loop {
        if let Report::Closed { lane: 1, closed } = place.reports.recv().unwrap() {
            break closed;
        }
    };
    assert_eq!((closed.trailer.reason, closed.trailer.fragments()), (Reason::Abandoned, 30));
    place.disk.open(1, place.opening(3)).unwrap();
    place.disk.append(1, still(0)).unwrap();
    let Place { disk, reports, .. } = place;
    drop(disk);
    let rest: Vec<_> = reports
        .into_iter()
        .filter_map(|r| {
            if let Report::Closed { lane, closed } = r { Some((lane, closed.trailer.fragments())) } else { None }
        })
        .collect();
    assert_eq!(rest, [(1, 1), (2, 2)]);
}

#[test]
fn bytes_that_wait_are_bounded_too() {
    let (go, gate) = channel();
    let place = disk(DiskLimits { behind_ms: u64::MAX, behind_bytes: 10_500 }, Some(gate));
    place.disk.open(1, place.opening(1)).unwrap();
    let taken = (0..100).take_while(|at| place.disk.append(1, still(*at)).is_ok()).count();
    assert_eq!(taken, 10);
    drop(go);
}

#[test]
fn a_segment_that_cannot_be_created_is_told() {
    let place = disk(DiskLimits::default(), None);
    let mut opening = place.opening(1);
    opening.folder = place.folder.path().join("not mounted");
    place.disk.open(1, opening).unwrap();
    let Report::Failed { lane: 1, error: WriteError::Io { .. }, left: None } = place.reports.recv().unwrap() else {
        panic!()
    };
    assert!(place.disk.append(1, still(0)).is_err());
    place.disk.open(1, place.opening(1)).unwrap();
    place.disk.append(1, still(0)).unwrap();
    assert!(matches!(place.reports.recv().unwrap(), Report::Opened { lane: 1, .. }));
}

#[test]
fn what_befalls_a_segment_is_no_matter_of_the_next_one_s() {
    let (go, gate) = channel();
    let place = disk(DiskLimits::default(), Some(gate));
    place.disk.open(2, place.opening(2)).unwrap();
    // While the thread is held at its first report, a segment that cannot be created is followed by one that can.
    let mut opening = place.opening(1);
    opening.folder = place.folder.path().join("not mounted");
    place.disk.open(1, opening).unwrap();
    place.disk.append(1, still(0)).unwrap();
    place.disk.open(1, place.opening(1)).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert!(matches!(place.reports.recv().unwrap(), Report::Opened { lane: 2, .. }));
    assert!(matches!(place.reports.recv().unwrap(), Report::Failed { lane: 1, .. }));
    place.disk.append(1, still(1)).unwrap();
    drop(go);
    let Place { disk, reports, .. } = place;
    drop(disk);
    let closed: Vec<_> = reports
        .into_iter()
        .filter_map(
            |r| if let Report::Closed { lane: 1, closed } = r { Some(closed.trailer.fragments()) } else { None },
        )
        .collect();
    assert_eq!(closed, [1]);
}

#[test]
fn what_a_recorder_says_the_disk_does() {
    let place = disk(DiskLimits::default(), None);
    let mut recorder = Recorder::new(turning(4_000));
    let mut steps = Vec::new();
    let mut segment = 0;
    recorder.start(&mut steps);
    recorder.item(&begins(&film::tracks(None), 0), &mut steps);
    for frame in frames(60).iter().filter(|frame| frame.kind == Kind::Video) {
        recorder.item(&Item::Frame(frame.clone()), &mut steps);
    }
    recorder.stop(&mut steps);
    for step in steps {
        match step {
            Step::Open { media, started_ms, init, .. } => {
                segment += 1;
                let heading = heading(segment, media, started_ms);
                place.disk.open(1, Opening { heading, init, ..place.opening(segment) }).unwrap();
            }
            Step::Append(fragment) => place.disk.append(1, fragment).unwrap(),
            Step::Close(reason) => place.disk.close(1, reason),
            Step::LeftOut(error) => panic!("{error}"),
        }
    }
    let Place { disk, reports, .. } = place;
    drop(disk);
    let starts: Vec<i64> = reports
        .into_iter()
        .filter_map(|r| if let Report::Closed { closed, .. } = r { Some(closed.heading.started_ms) } else { None })
        .collect();
    assert_eq!(starts, [0, 4_000, 8_000]);
}
