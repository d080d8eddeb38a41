//! A process that records four real cameras and is killed while it writes, again and again: after each time what it left
//! agrees with the list it kept, at most five seconds of each camera are missing, and what was recovered plays.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

use domovoi_vault::DayKey;
use zeroize::Zeroizing;

use super::peers::Camera;
use super::*;
use crate::archive::{
    Closed, Desk, Disk, DiskLimits, Expected, Gaps, Heading, Opening, Recorder, RecorderRule, Recovery, Report, Source,
    Step, Verdict, plan, recover, verify,
};
use crate::film;

const CAMERAS: u64 = 4;
const LOST_MS: i64 = 5_000;

fn key() -> DayKey {
    DayKey::from_raw(Zeroizing::new([7; 32]))
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

/// The process that is killed: this very test program, started again with the addresses.
#[test]
#[ignore = "needs its parent, a_process_that_is_killed_loses_seconds"]
fn records_until_it_is_killed() {
    let (Ok(urls), Ok(folder)) = (std::env::var("DOMOVOI_CAMERAS"), std::env::var("DOMOVOI_FOLDER")) else { return };
    let folder = PathBuf::from(folder);
    let list = std::fs::File::options().create(true).append(true).open(folder.join("list")).unwrap();
    let list = Mutex::new(list);
    let report = move |report| {
        // One write for each line: a kill leaves no half of one.
        let line = match report {
            Report::Opened { lane, path, .. } => format!("open {lane} {}\n", path.display()),
            Report::Closed { lane, closed } => format!("done {lane} {}\n", closed.path.display()),
            Report::Failed { lane, error, .. } => panic!("{lane}: {error}"),
            Report::Synced { .. } => return,
        };
        list.lock().unwrap().write_all(line.as_bytes()).unwrap();
    };
    let desk = Desk { report: Box::new(report), make_room: Box::new(|_| false) };
    let disk = Arc::new(Disk::start(DiskLimits::default(), desk).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (lane, url) in (1..).zip(urls.split(' ')) {
            let mut options = options(url);
            options.wall = Arc::new(now_ms);
            let (disk, folder) = (Arc::clone(&disk), folder.clone());
            tasks.spawn(async move { record(options, lane, &disk, &folder).await });
        }
        let mut ticks = tokio::time::interval(Duration::from_secs(3));
        loop {
            ticks.tick().await;
            disk.sync_all();
        }
    });
}

async fn record(options: Options, lane: u64, disk: &Disk, folder: &Path) {
    let mut recorder = Recorder::new(RecorderRule { segment_ms: 4_000, ..RecorderRule::default() });
    let mut steps = Vec::new();
    recorder.start(&mut steps);
    let mut session = Session::open(options).await.unwrap();
    loop {
        let item = session.next().await.unwrap();
        recorder.item(&item, &mut steps);
        for step in steps.drain(..) {
            match step {
                Step::Open { media, started_ms, init, .. } => {
                    let segment = domovoi_vault::random().unwrap();
                    let heading = Heading::new(media, 1, [lane as u8; 16], segment, started_ms).unwrap();
                    let opening = Opening { folder: folder.to_owned(), heading, day: key(), previous: None, init };
                    disk.open(lane, opening).unwrap();
                }
                Step::Append(fragment) => disk.append(lane, fragment).unwrap(),
                Step::Close(reason) => disk.close(lane, reason),
                Step::LeftOut(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
#[ignore = "needs gst-rtsp-server and ffmpeg"]
fn a_process_that_is_killed_loses_seconds() {
    let kills = if std::env::var_os("DOMOVOI_FULL").is_some() { 30 } else { 3 };
    let cameras: Vec<Camera> = (0..CAMERAS)
        .map(|n| {
            Camera::start(if n % 2 == 0 { &["--audio", "aac"][..] } else { &["--video", "h265", "--group", "30"] })
        })
        .collect();
    let urls: Vec<&str> = cameras.iter().map(|camera| camera.url.as_str()).collect();
    let seed = u64::from(std::process::id());
    for kill in 0..kills {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "session::tests::killed::records_until_it_is_killed", "--include-ignored", "--nocapture"])
            .env("DOMOVOI_CAMERAS", urls.join(" "))
            .env("DOMOVOI_FOLDER", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // At any moment of a segment's life: before its first, within one, at a turn.
        while listed(folder.path()).iter().map(|(lane, ..)| *lane).collect::<std::collections::BTreeSet<_>>().len() < 4
        {
            assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(2_500 + (seed * 7 + kill * 811) % 4_500));
        process.kill().unwrap();
        let killed = now_ms();
        process.wait().unwrap();
        let lost = judge(folder.path(), killed);
        println!("kill {kill}: lost {lost:?} ms");
    }
}

/// Lines of the list: camera, file, whether it is closed.
fn listed(folder: &Path) -> Vec<(u64, PathBuf, bool)> {
    let text = std::fs::read_to_string(folder.join("list")).unwrap_or_default();
    let mut rows: Vec<(u64, PathBuf, bool)> = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (what, lane, path) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        match what {
            "open" => rows.push((lane.parse().unwrap(), path.into(), false)),
            _ => rows.iter_mut().find(|(_, at, _)| at == Path::new(path)).unwrap().2 = true,
        }
    }
    rows
}

/// How much of each camera is missing before the kill.
fn judge(folder: &Path, killed_ms: i64) -> Vec<i64> {
    let rows = listed(folder);
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .collect();
    // A file that is on no list was made a moment before the kill and is adopted; a row without a file is a loss.
    for (_, path, _) in &rows {
        assert!(files.contains(path), "{} is gone", path.display());
    }
    let unlisted = files.iter().filter(|path| rows.iter().all(|(_, listed, _)| listed != *path));
    assert!(unlisted.count() <= CAMERAS as usize);
    let mut all: Vec<Closed> = Vec::new();
    for path in &files {
        let done = rows.iter().any(|(_, listed, done)| listed == path && *done);
        match recover(path, &key(), None).unwrap() {
            Recovery::AlreadyClosed(closed) | Recovery::Recovered { closed, .. } => {
                let expected = Expected { bytes: Some(closed.bytes), tag: Some(closed.tag), ..Expected::default() };
                let verdict = verify(path, &key(), &expected).unwrap();
                assert_eq!(verdict, Verdict::Sound(closed.trailer.clone()));
                all.push(closed);
            }
            Recovery::Nothing { .. } => assert!(!done, "{} was closed", path.display()),
        }
    }
    let mut lost = Vec::new();
    for lane in 1..=CAMERAS {
        let mut own: Vec<&Closed> = all.iter().filter(|one| one.heading.camera == [lane as u8; 16]).collect();
        own.sort_by_key(|one| one.heading.started_ms);
        let sources: Vec<Source> = own
            .iter()
            .map(|one| Source { path: one.path.clone(), day: key(), growing: None, elsewhere: None })
            .collect();
        let mut pictures = 0;
        for (number, part) in plan(&sources, i64::MIN..i64::MAX, Gaps::Kept).unwrap().iter().enumerate() {
            let path = folder.join(format!("film-{lane}-{number}.mp4"));
            let film: Vec<u8> = part.chunks().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
            std::fs::write(&path, film).unwrap();
            pictures += film::probe(&path).frames;
        }
        assert!(pictures > 15, "{pictures}");
        for pair in own.windows(2) {
            let gap = pair[1].heading.started_ms - pair[0].ended_ms();
            // A run's place in time becomes better known while it goes on.
            assert!(gap.abs() < 2_000, "{gap} ms between two segments");
        }
        let end = own.last().unwrap().ended_ms();
        assert!(killed_ms - end < LOST_MS, "camera {lane}: {} ms", killed_ms - end);
        lost.push(killed_ms - end);
    }
    lost
}
