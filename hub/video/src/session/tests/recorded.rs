//! What is recorded of a real server's streams, in the words of ffprobe and ffmpeg: sealed segments with turns between
//! them, verified, exported, counted. A frame that came and is not in the film is an error, and so is one warning.
//! Deliberately the archive's own thread and no short cut: it is what the house records with.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use domovoi_vault::DayKey;
use tokio::sync::watch;

use super::peers::Camera;
use super::road::Road;
use super::*;
use crate::archive::{
    Closed, Desk, Disk, DiskLimits, Expected, Gaps, Heading, Media, Opening, Recorder, RecorderRule, Report, Source,
    Step, Verdict, plan, plan_pictures, verify,
};
use crate::film;
use crate::frame::Kind;

/// One camera's recording.
pub(super) struct Recording {
    folder: tempfile::TempDir,
    day: DayKey,
    disk: Disk,
    closed: Arc<Mutex<Vec<Closed>>>,
    recorder: Recorder,
    steps: Vec<Step>,
    /// Pictures that came from the camera; of each run, how many and how long from its first to its last, in ms.
    pub(super) pictures: u64,
    pub(super) runs: Vec<(i64, i64)>,
    hz: i64,
}

/// What a player sees of it.
#[derive(Debug)]
pub(super) struct Films {
    pub(super) pictures: u64,
    pub(super) packets: u64,
    pub(super) seconds: f64,
    pub(super) parts: usize,
    pub(super) segments: usize,
    pub(super) paths: Vec<PathBuf>,
    /// Where the films lie until this is dropped.
    _folder: tempfile::TempDir,
}

impl Recording {
    pub(super) fn begin(segment_ms: u32) -> Recording {
        let closed = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&closed);
        let report = move |report| match report {
            Report::Closed { closed, .. } => told.lock().unwrap_or_else(PoisonError::into_inner).push(closed),
            Report::Failed { error, .. } => panic!("{error}"),
            Report::Opened { .. } | Report::Synced { .. } => {}
        };
        let desk = Desk { report: Box::new(report), make_room: Box::new(|_| false) };
        let mut recorder = Recorder::new(RecorderRule { segment_ms, ..RecorderRule::default() });
        recorder.start(&mut Vec::new());
        Recording {
            folder: tempfile::tempdir().unwrap(),
            day: DayKey::generate().unwrap(),
            disk: Disk::start(DiskLimits::default(), desk).unwrap(),
            closed,
            recorder,
            steps: Vec::new(),
            pictures: 0,
            runs: Vec::new(),
            hz: 90_000,
        }
    }

    pub(super) fn item(&mut self, item: &Item) {
        match item {
            Item::Begins { tracks, .. } => {
                self.hz = i64::from(tracks.video.clock_hz);
                self.runs.push((0, 0));
            }
            Item::Frame(frame) if frame.kind == Kind::Video => {
                self.pictures += 1;
                let last = self.runs.last_mut().expect("a run before its frames");
                *last = (last.0 + 1, frame.decoded * 1000 / self.hz);
            }
            _ => {}
        }
        self.recorder.item(item, &mut self.steps);
        self.take();
    }

    /// The camera is gone.
    pub(super) fn lost(&mut self) {
        self.recorder.lost(&mut self.steps);
        self.take();
    }

    fn take(&mut self) {
        for step in self.steps.drain(..) {
            match step {
                Step::Open { media, started_ms, init, .. } => {
                    let segment = domovoi_vault::random().unwrap();
                    let heading = Heading::new(media, 1, [1; 16], segment, started_ms).unwrap();
                    let folder = self.folder.path().to_owned();
                    let opening = Opening { folder, heading, day: self.day.clone(), previous: None, init };
                    self.disk.open(1, opening).unwrap();
                }
                Step::Append(fragment) => self.disk.append(1, fragment).unwrap(),
                Step::Close(reason) => self.disk.close(1, reason),
                Step::LeftOut(error) => panic!("left out: {error}"),
            }
        }
    }

    /// Stops, verifies each segment, and has the whole judged.
    pub(super) fn judged(mut self) -> Films {
        self.recorder.stop(&mut self.steps);
        self.take();
        drop(self.disk);
        let closed = std::mem::take(&mut *self.closed.lock().unwrap());
        assert!(!closed.is_empty());
        let mut previous = None;
        for one in &closed {
            let expected = Expected {
                bytes: Some(one.bytes),
                tag: Some(one.tag),
                previous: Some(previous),
                ..Expected::default()
            };
            let verdict = verify(&one.path, &self.day, &expected).unwrap();
            assert_eq!(verdict, Verdict::Sound(one.trailer.clone()));
            previous = Some(one.tag);
        }
        let mut films = Films {
            pictures: 0,
            packets: 0,
            seconds: 0.0,
            parts: 0,
            segments: closed.len(),
            paths: Vec::new(),
            _folder: self.folder,
        };
        let sources: Vec<Source> = closed
            .iter()
            .map(|one| Source { path: one.path.clone(), day: self.day.clone(), growing: None, elsewhere: None })
            .collect();
        let planned = if closed.iter().all(|one| one.heading.media == Media::Jpeg) { plan_pictures } else { plan };
        for part in planned(&sources, i64::MIN..i64::MAX, Gaps::Closed).unwrap() {
            let path = films._folder.path().join(format!("film-{}.mp4", films.parts));
            let film: Vec<u8> = part.chunks().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
            assert_eq!(film.len() as u64, part.bytes);
            std::fs::write(&path, film).unwrap();
            let probe = film::probe(&path);
            films.pictures += probe.frames;
            films.packets += probe.packets;
            films.seconds += probe.seconds;
            films.parts += 1;
            films.paths.push(path);
        }
        films
    }
}

/// Records until so many pictures came.
async fn recorded(options: Options, pictures: u64, segment_ms: u32) -> Recording {
    let mut recording = Recording::begin(segment_ms);
    let mut session = Session::open(options).await.unwrap();
    while recording.pictures < pictures {
        recording.item(&session.next().await.unwrap());
    }
    session.close().await;
    recording
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server and ffmpeg"]
async fn recordings_of_all_codecs_are_faultless_and_whole() {
    for settings in [
        &["--audio", "aac"][..],
        &["--audio", "pcma"],
        &["--audio", "pcmu", "--b-frames", "2"],
        &["--login", "admin:s3cret", "--audio", "aac", "--group", "45"],
        &["--video", "h265", "--audio", "aac"],
        &["--video", "h265", "--open-groups", "--b-frames", "3"],
        &["--video", "jpeg", "--audio", "pcma"],
    ] {
        let camera = Camera::start(settings);
        let mut options = options(&camera.url);
        if settings.contains(&"--login") {
            options.login = login("admin", "s3cret");
        }
        let recording = recorded(options, 120, 2_500).await;
        let (came, runs) = (recording.pictures, recording.runs.clone());
        let films = recording.judged();
        println!("{settings:?}: {runs:?}, {films:?}");
        assert_eq!(films.pictures, came, "{settings:?}");
        // 120 frames of 15 a second: not one is missing on the way.
        assert!(matches!(runs[..], [(120, ms)] if (ms - 119_000 / 15).abs() < 300), "{settings:?}: {runs:?}");
        assert!(films.segments >= 2, "{settings:?}");
        assert_eq!(films.packets > 0, settings.contains(&"--audio") && !settings.contains(&"jpeg"), "{settings:?}");
    }
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server and ffmpeg"]
async fn recordings_over_datagrams_are_faultless_and_whole() {
    for video in ["h264", "h265", "jpeg"] {
        let camera = Camera::start(&["--video", video, "--audio", "pcmu", "--kbps", "2000", "--size", "1280x720"]);
        let options = Options { transport: Transport::Udp, ..options(&camera.url) };
        let recording = recorded(options, 90, 2_500).await;
        let (came, runs) = (recording.pictures, recording.runs.clone());
        let films = recording.judged();
        assert_eq!(films.pictures, came, "{video}");
        assert!(matches!(runs[..], [(90, ms)] if (ms - 89_000 / 15).abs() < 300), "{video}: {runs:?}");
    }
}

/// A road on which datagrams overtake one another loses nothing; one that loses them costs what they carried.
#[tokio::test]
#[ignore = "needs gst-rtsp-server and ffmpeg"]
async fn datagrams_that_overtake_one_another_are_recorded_whole() {
    let camera = Camera::start(&["--kbps", "2000", "--size", "1280x720", "--group", "30"]);
    let road = Road::start(camera.at(), 5, 0).await;
    let through = |road: &Road| Options { transport: Transport::Udp, ..options(&road.url()) };
    let recording = recorded(through(&road), 90, 60_000).await;
    let (came, runs) = (recording.pictures, recording.runs.clone());
    assert_eq!(recording.judged().pictures, came);
    assert!(matches!(runs[..], [(90, ms)] if (ms - 89_000 / 15).abs() < 300), "{runs:?}");
    assert!(road.overtaken() > 20, "{}", road.overtaken());
    let road = Road::start(camera.at(), 5, 50).await;
    let mut session = Session::open(through(&road)).await.unwrap();
    let items = items(&mut session, 90).await;
    assert!(road.lost() > 0 && items.iter().any(|item| matches!(item, Item::Gap { .. })));
    session.close().await;
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server and ffmpeg"]
async fn times_that_jump_are_other_films_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, extra) in [("h264", "libx264 -bf 2 -g 30"), ("h265", "libx265 -x265-params log-level=none:keyint=30")] {
        let path = folder.path().join(format!("{codec}.ts"));
        let made = std::process::Command::new("ffmpeg")
            .args("-nostdin -v error -f lavfi -i testsrc2=s=320x240:r=15:d=6 -c:v".split(' '))
            .args(extra.split(' '))
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        let camera = Camera::start(&["--video", codec, "--film", path.to_str().unwrap()]);
        // Each turn of the film is 90 frames; the server sends one in a burst and is silent for the next one's length.
        let recording = recorded(options(&camera.url), 300, 60_000).await;
        let (came, runs) = (recording.pictures, recording.runs.clone());
        println!("{codec}: {runs:?}");
        let films = recording.judged();
        assert!(runs.len() >= 3, "{runs:?}");
        assert_eq!(films.pictures, came);
    }
}

#[tokio::test]
#[ignore = "needs gst-rtsp-server and ffmpeg"]
async fn a_camera_that_drops_its_viewers_costs_no_group_but_the_cut_one() {
    let camera = Camera::start(&["--audio", "aac", "--viewers", "1", "--session-seconds", "2"]);
    let (feed, mut reader) = feed(16 << 20);
    let (status, mut told) = watch::channel(Status::starting());
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(supervise(options(&camera.url), feed, status, stopped));
    let mut recording = Recording::begin(60_000);
    for round in 1..=4 {
        while recording.runs.len() < round || recording.runs.last().is_none_or(|(frames, _)| *frames < 40) {
            recording.item(&reader.next().await.unwrap());
        }
        if round < 4 {
            camera.signal("-USR1");
            told.wait_for(|status| matches!(status.state, State::Offline { .. })).await.unwrap();
        }
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    recording.lost();
    let (came, runs) = (recording.pictures, recording.runs.clone());
    let films = recording.judged();
    println!("{runs:?} {films:?}");
    assert_eq!((films.pictures, films.segments), (came, 4));
    for (frames, ms) in runs {
        let lengths = frames - 1;
        assert!((ms - lengths * 1000 / 15).abs() < 300, "{frames} frames in {ms} ms");
    }
}
