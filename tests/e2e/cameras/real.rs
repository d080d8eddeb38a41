//! A real camera (gst-rtsp-server, `tests/peers/camera.py`) and judges of what is recorded of it (ffprobe, ffmpeg): of none
//! of them is a line ours.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use domovoi::cameras::{Cameras, Draft, Piece};
use domovoi_model::{Id, Timestamp};
use domovoi_vault::Secret;
use domovoi_video::archive::{Gaps, Source, plan};
use domovoi_video::session::State;
use e2e::{settings_text, until};

/// The settings of a house with cameras on this machine.
pub fn settings() -> String {
    // The portal's port is nobody's here; the broker's neither.
    let text = settings_text(None).replace("127.0.0.1:1\"", "127.0.0.1:0\"");
    format!(
        "{text}\n[cameras]\nallow = [\"127.0.0.0/8\"]\ndiscovery = false\nsegment = \"1 min\"\nsync_every = \"3 s\"\n\
         free_space_floor = \"100 MB\"\n"
    )
}

pub struct Camera {
    program: Child,
    pub url: String,
}

impl Camera {
    pub fn start(settings: &[&str]) -> Camera {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/camera.py");
        let mut python = Command::new("/usr/bin/python3");
        let mut program = python
            .arg(script)
            .args(settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 with gst-rtsp-server");
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("the camera starts").unwrap();
        Camera { program, url: ready.strip_prefix("READY ").unwrap().to_owned() }
    }

    /// Drops all its viewers.
    pub fn drops(&self) {
        let sent = Command::new("kill").args(["-USR1", &self.program.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

pub fn draft(name: &str, url: &str) -> Draft {
    Draft { name: name.to_owned(), address: Secret::new(url.to_owned()), ..Draft::default() }
}

/// All that is known of a camera's recordings, the oldest first.
pub async fn pieces(cameras: &Cameras, id: Id) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = cameras.timeline(id, Timestamp(0), Timestamp(i64::MAX), after).await.unwrap();
        all.extend(page.pieces);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

pub async fn is_online(cameras: &Cameras, id: Id) -> bool {
    matches!(cameras.view(id).await.unwrap().status.state, State::Online { .. })
}

/// Waits until a camera's recording is durable for so long.
pub async fn recorded_for(cameras: &Cameras, id: Id, seconds: i64) {
    until(&format!("{seconds} s are recorded"), || async {
        let all: i64 = pieces(cameras, id).await.iter().map(|piece| piece.until.0 - piece.from.0).sum();
        (all >= seconds * 1000).then_some(())
    })
    .await;
}

/// Switches a camera off, and waits until its last segment is closed.
pub async fn ends(cameras: &Cameras, id: Id) {
    let card = cameras.view(id).await.unwrap().card;
    cameras.change(id, &Draft { enabled: false, ..Draft::of(&card) }).await.unwrap();
    until("its segments are closed", || async {
        pieces(cameras, id).await.iter().all(|piece| !piece.is_open).then_some(())
    })
    .await;
}

/// What a player sees of a camera's closed recordings.
#[derive(Debug, Default)]
pub struct Judged {
    pub pictures: u64,
    pub parts: usize,
}

/// Exports everything that is closed, and has each film judged: not a word may be said.
pub async fn judged(cameras: &Cameras, id: Id, folder: &Path) -> Judged {
    let mut sources = Vec::new();
    for piece in pieces(cameras, id).await.iter().filter(|piece| !piece.is_open) {
        let file = cameras.segment(id, piece.id).await.unwrap();
        sources.push(match file.elsewhere {
            Some(there) => Source::elsewhere(file.path, file.day, there),
            None => Source::closed(file.path, file.day),
        });
    }
    let folder = folder.to_owned();
    let judging = move || {
        let mut judged = Judged::default();
        for part in plan(&sources, i64::MIN..i64::MAX, Gaps::Closed).unwrap() {
            let path = folder.join(format!("{id}-{}.mp4", judged.parts));
            let film: Vec<u8> = part.chunks().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
            assert_eq!(film.len() as u64, part.bytes);
            std::fs::write(&path, film).unwrap();
            judged.pictures += frames(&path);
            judged.parts += 1;
        }
        judged
    };
    // A store elsewhere is read on a thread that may wait.
    tokio::task::spawn_blocking(judging).await.unwrap()
}

fn frames(film: &Path) -> u64 {
    let quiet = |program: &str, before: &[&str], after: &[&str]| {
        let done = Command::new(program).args(before).arg(film).args(after).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{program} says of {}: {said}", film.display());
        String::from_utf8(done.stdout).unwrap()
    };
    quiet("ffmpeg", &["-nostdin", "-v", "warning", "-i"], &["-f", "null", "-"]);
    let asked = "-v warning -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0";
    let counted = quiet("ffprobe", &asked.split(' ').collect::<Vec<_>>(), &[]);
    counted.trim().trim_end_matches(',').parse().unwrap()
}

/// Every segment file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "segment") {
            found.push(path);
        }
    }
    found
}
