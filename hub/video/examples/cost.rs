//! What it costs to record cameras: each given address, so many times over, recorded sealed to a folder for some seconds
//! as the house does it, then the same addresses by `ffmpeg -c copy` for as long; the processor's time and the memory of
//! both. Figures stand in docs/reference/archive.md.
//! Deliberately without the cameras: whoever measures starts them, and their work is not counted.
//!
//! `cargo run --release -p domovoi-video --example cost -- FOLDER SECONDS STREAMS rtsp://camera/stream [none]`
//! (`none`: without ffmpeg)

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use domovoi_vault::DayKey;
use domovoi_video::address::{Address, Allow, Policy};
use domovoi_video::archive::{Desk, Disk, DiskLimits, Heading, Opening, Recorder, RecorderRule, Report, Step};
use domovoi_video::session::{Options, Status, feed, supervise};
use domovoi_video::{Item, Kind};
use tokio::sync::watch;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Frames in memory for a disk that stalls.
const WAITING_BYTES: usize = 8 << 20;
const SYNC_EVERY: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Seen {
    pictures: AtomicU64,
    bytes: AtomicU64,
    gaps: AtomicU64,
    runs: AtomicU64,
    closed: AtomicU64,
}

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().ok_or("which folder?")?);
    let seconds: u64 = words.next().ok_or("how many seconds?")?.parse()?;
    let streams: u64 = words.next().ok_or("how many streams?")?.parse()?;
    let url = words.next().ok_or("an address is missing")?;
    let compared = words.next().is_none();
    std::fs::create_dir_all(&folder)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let idle = resident_kib("VmRSS:")?;
    let (begun, before) = (Instant::now(), spent(Whose::Own)?);
    let seen = runtime.block_on(record(&folder, &url, streams, Duration::from_secs(seconds)))?;
    let (wall, own) = (begun.elapsed().as_secs_f64(), spent(Whose::Own)? - before);
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    println!(
        "domovoi: {streams} streams for {wall:.1} s: {} pictures, {:.2} Mbit/s each, {} runs, {} gaps, {} segments",
        count(&seen.pictures),
        count(&seen.bytes) as f64 * 8.0 / 1e6 / wall / streams as f64,
        count(&seen.runs),
        count(&seen.gaps),
        count(&seen.closed),
    );
    println!(
        "domovoi: {own:.2} s of processor, {:.3} % of a core a stream; {} KiB idle, {} KiB at most, {:.2} MiB a stream",
        own / wall / streams as f64 * 100.0,
        idle,
        resident_kib("VmHWM:")?,
        (resident_kib("VmHWM:")? - idle) as f64 / 1024.0 / streams as f64,
    );
    if compared {
        let (begun, before) = (Instant::now(), spent(Whose::Children)?);
        copy(&folder, &url, streams, seconds)?;
        let (wall, theirs) = (begun.elapsed().as_secs_f64(), spent(Whose::Children)? - before);
        println!(
            "ffmpeg:  {theirs:.2} s of processor in {wall:.1} s, {:.3} % of a core a stream; domovoi / ffmpeg = {:.2}",
            theirs / seconds as f64 / streams as f64 * 100.0,
            own / theirs,
        );
    }
    Ok(())
}

async fn record(folder: &Path, url: &str, streams: u64, time: Duration) -> Result<Arc<Seen>, Failure> {
    let seen = Arc::new(Seen::default());
    let told = Arc::clone(&seen);
    let report = move |report| match report {
        Report::Closed { .. } => {
            told.closed.fetch_add(1, Ordering::Relaxed);
        }
        Report::Failed { error, .. } => println!("failed: {error}"),
        Report::Opened { .. } | Report::Synced { .. } => {}
    };
    let desk = Desk { report: Box::new(report), make_room: Box::new(|_| false) };
    let disk = Arc::new(Disk::start(DiskLimits::default(), desk)?);
    let day = DayKey::generate()?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 1..=streams {
        let (address, login) = Address::parse(url)?;
        let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let mut options = Options::new(address, login, Arc::new(wall));
        options.policy = Policy { loopback: Allow::Yes, link_local: Allow::Yes, ..Policy::default() };
        let (feed, mut reader) = feed(WAITING_BYTES);
        let (status, _) = watch::channel(Status::starting());
        tasks.spawn(supervise(options, feed, status, stopped.clone()));
        let (disk, day, folder, seen) = (Arc::clone(&disk), day.clone(), folder.to_owned(), Arc::clone(&seen));
        tasks.spawn(async move {
            let mut recorder = Recorder::new(RecorderRule::default());
            let mut steps = Vec::new();
            recorder.start(&mut steps);
            while let Some(item) = reader.next().await {
                match &item {
                    Item::Frame(frame) => {
                        seen.pictures.fetch_add(u64::from(frame.kind == Kind::Video), Ordering::Relaxed);
                        seen.bytes.fetch_add(frame.data.len() as u64, Ordering::Relaxed);
                    }
                    Item::Gap { .. } => drop(seen.gaps.fetch_add(1, Ordering::Relaxed)),
                    Item::Begins { .. } => drop(seen.runs.fetch_add(1, Ordering::Relaxed)),
                    Item::Placed { .. } => {}
                }
                recorder.item(&item, &mut steps);
                take(&disk, lane, &folder, &day, &mut steps);
            }
            recorder.stop(&mut steps);
            take(&disk, lane, &folder, &day, &mut steps);
        });
    }
    let mut ticks = tokio::time::interval(SYNC_EVERY);
    let until = tokio::time::Instant::now() + time;
    while tokio::time::timeout_at(until, ticks.tick()).await.is_ok() {
        disk.sync_all();
    }
    stop.send(true)?;
    while tasks.join_next().await.is_some() {}
    Ok(seen)
}

fn take(disk: &Disk, lane: u64, folder: &Path, day: &DayKey, steps: &mut Vec<Step>) {
    for step in steps.drain(..) {
        let done = match step {
            Step::Open { media, started_ms, init, .. } => {
                let Ok(segment) = domovoi_vault::random() else { continue };
                let Ok(heading) = Heading::new(media, 1, [lane as u8; 16], segment, started_ms) else { continue };
                let opening = Opening { folder: folder.to_owned(), heading, day: day.clone(), previous: None, init };
                disk.open(lane, opening)
            }
            Step::Append(fragment) => disk.append(lane, fragment),
            Step::Close(reason) => {
                disk.close(lane, reason);
                Ok(())
            }
            Step::LeftOut(error) => {
                println!("left out: {error}");
                Ok(())
            }
        };
        if let Err(behind) = done {
            println!("{lane}: {behind}");
        }
    }
}

/// The peer: one process for each stream, as Frigate and Shinobi do it.
fn copy(folder: &Path, url: &str, streams: u64, seconds: u64) -> Result<(), Failure> {
    let started: Result<Vec<_>, _> = (0..streams)
        .map(|number| {
            Command::new("ffmpeg")
                .args([
                    "-nostdin",
                    "-v",
                    "error",
                    "-y",
                    "-rtsp_transport",
                    "tcp",
                    "-i",
                    url,
                    "-t",
                    &seconds.to_string(),
                ])
                .args(["-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"])
                .arg(folder.join(format!("ffmpeg-{number}.mp4")))
                .stdout(Stdio::null())
                .spawn()
        })
        .collect();
    for mut one in started? {
        one.wait()?;
    }
    Ok(())
}

enum Whose {
    Own,
    Children,
}

/// Seconds of processor, of the user and of the kernel (`proc_pid_stat(5)`, fields 14 to 17).
fn spent(whose: Whose) -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let first = match whose {
        Whose::Own => 11,
        Whose::Children => 13,
    };
    let ticks: u64 =
        fields.get(first..first + 2).ok_or("a short stat")?.iter().flat_map(|field| field.parse::<u64>()).sum();
    // USER_HZ is 100 on every Linux that is of interest.
    Ok(ticks as f64 / 100.0)
}

fn resident_kib(name: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
