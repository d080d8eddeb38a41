//! What recording costs: one camera of 1080p15 and 4.5 Mbit/s and sixteen of them, sealed to disk by the daemon, and the
//! same streams copied to disk by ffmpeg. The cameras are gst-rtsp-server, whose work is not counted.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domovoi_model::{Id, Moment};
use domovoi_store::{CameraCard, RecordingPlan, StreamTrust};

use crate::daemon::House;
use crate::figures::{Figures, Target};
use crate::process::{Process, find, folder, free_port, listens};
use crate::seconds;

const MANY: usize = 16;
const FPS: u32 = 15;

pub fn cameras(figures: &mut Figures) {
    let (Some(ffmpeg), Some(python)) = (find("ffmpeg"), python()) else {
        return figures.note("ffmpeg, or a python3 that knows GStreamer, is not installed: not measured");
    };
    let films = folder();
    let film = films.path().join("film.h264");
    if !encoded(&ffmpeg, &film) {
        return figures.note("ffmpeg cannot encode H.264: not measured");
    }
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/camera.py");
    let fps = FPS.to_string();
    let started = Command::new(&python)
        .args([script, "--port", &port.to_string(), "--fps", &fps, "--encoded"])
        .arg(&film)
        .stdout(Stdio::null())
        .spawn();
    let _camera = Process(started.unwrap());
    listens(port);
    let time = seconds(figures, 60);
    let none = recorded(port, 0, time).memory_mib;
    for streams in [1, MANY] {
        let ours = recorded(port, streams, time);
        let theirs = copied(&ffmpeg, films.path(), port, streams, time);
        let each = |cpu: f64| cpu / streams as f64 * 100.0;
        let of = if streams == 1 { "one camera".to_owned() } else { format!("{streams} cameras") };
        figures.add(format!("{of}: processor for each, of a core"), each(ours.cpu), "%", Target::None);
        figures.add(format!("{of}: the same by ffmpeg -c copy"), each(theirs), "%", Target::None);
        figures.add(format!("{of}: times ffmpeg's"), ours.cpu / theirs, "", Target::AtMost(1.5));
        if streams == MANY {
            figures.add(format!("{of}: of two cores"), ours.cpu / 2.0 * 100.0, "%", Target::AtMost(50.0));
        }
        let memory = (ours.memory_mib - none) / streams as f64;
        figures.add(format!("{of}: memory for each"), memory, "MiB", Target::AtMost(12.0));
    }
}

/// The system's python3 has the packages of the system; another one may come first in the path.
fn python() -> Option<PathBuf> {
    let knows = |python: &PathBuf| {
        let asked = Command::new(python).args(["-c", "import gi"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    [Some(PathBuf::from("/usr/bin/python3")), find("python3")].into_iter().flatten().find(knows)
}

/// Ten seconds with a key frame every two, as noisy as 4.5 Mbit/s are, each picture with its delimiter.
fn encoded(ffmpeg: &Path, film: &Path) -> bool {
    let source = format!("testsrc2=s=1920x1080:r={FPS}:d=10,noise=alls=20:allf=t");
    Command::new(ffmpeg)
        .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &source])
        .args("-c:v libx264 -preset ultrafast -tune zerolatency -b:v 4500k -maxrate 4500k -bufsize 4500k".split(' '))
        .args(["-g", "30", "-x264-params", "aud=1:scenecut=0:nal-hrd=cbr", "-f", "h264"])
        .arg(film)
        .status()
        .is_ok_and(|status| status.success())
}

struct Cost {
    /// Cores.
    cpu: f64,
    memory_mib: f64,
}

/// A daemon that records so many cameras.
fn recorded(port: u16, streams: usize, time: Duration) -> Cost {
    let house = House::found("", async |store| {
        for number in 0..streams {
            store.cameras().put(&card(number, port)).await.unwrap();
        }
    });
    let settings = house.folder.path().join("domovoi.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let cameras = "[cameras]\nallow = [\"127.0.0.0/8\"]\ndiscovery = false\nfree_space_floor = \"100 MB\"\n";
    std::fs::write(&settings, format!("{text}{cameras}")).unwrap();
    let process = house.start();
    let archive = house.folder.path().join("hub/cameras");
    let begun = Instant::now();
    while large_files(&archive) < streams {
        assert!(begun.elapsed() < Duration::from_secs(60), "not all cameras are recorded");
        std::thread::sleep(Duration::from_millis(50));
    }
    // The first group from memory is written, and what opening costs is over.
    std::thread::sleep(Duration::from_secs(5));
    let (before, begun) = (process.usage(), Instant::now());
    std::thread::sleep(time);
    let cpu = (process.usage().cpu_s - before.cpu_s) / begun.elapsed().as_secs_f64();
    Cost { cpu, memory_mib: process.memory_mib("VmRSS") }
}

fn large_files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        count += if path.is_dir() { large_files(&path) } else { usize::from(size(&path) > 1_000_000) };
    }
    count
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// The cores that as many processes of ffmpeg take.
fn copied(ffmpeg: &Path, folder: &Path, port: u16, streams: usize, time: Duration) -> f64 {
    let all: Vec<Process> = (0..streams)
        .map(|number| {
            let child = Command::new(ffmpeg)
                .args(["-nostdin", "-v", "error", "-y", "-rtsp_transport", "tcp", "-i"])
                .arg(format!("rtsp://127.0.0.1:{port}/live"))
                .args(["-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"])
                .arg(folder.join(format!("{number}.mp4")))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            Process(child.unwrap())
        })
        .collect();
    let begun = Instant::now();
    while large_films(folder, streams) < streams {
        assert!(begun.elapsed() < Duration::from_secs(60), "ffmpeg does not copy");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(5));
    let spent = || all.iter().map(|one| one.usage().cpu_s).sum::<f64>();
    let (before, begun) = (spent(), Instant::now());
    std::thread::sleep(time);
    (spent() - before) / begun.elapsed().as_secs_f64()
}

fn large_films(folder: &Path, streams: usize) -> usize {
    (0..streams).filter(|number| size(&folder.join(format!("{number}.mp4"))) > 1_000_000).count()
}

fn card(number: usize, port: u16) -> CameraCard {
    let at = Moment::Wall(e2e::NOON);
    CameraCard {
        id: Id([u8::try_from(number).unwrap_or(0) + 1; 16]),
        name: format!("camera {number}"),
        room: None,
        kind: "rtsp".to_owned(),
        tls: false,
        host: "127.0.0.1".to_owned(),
        port,
        main_path: "/live".to_owned(),
        sub_path: None,
        login: None,
        password: None,
        transport: "tcp".to_owned(),
        trust: StreamTrust::Unknown,
        quirks: Vec::new(),
        sound: true,
        recorded: "main".to_owned(),
        place: None,
        plan: RecordingPlan { mode: "always".to_owned(), spans: Vec::new() },
        starts: Vec::new(),
        pre_roll_secs: 5,
        post_roll_secs: 30,
        quota_bytes: None,
        keep_days: None,
        enabled: true,
        mac: None,
        host_name: None,
        onvif: None,
        onvif_id: None,
        made: None,
        found_at: None,
        added_at: at,
    }
}
