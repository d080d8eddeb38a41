//! Records one camera into a folder for some seconds as the house does, then lays beside the sealed segments what a player
//! gets of them: a film of the whole, or the first picture. For whoever wants to see a camera's recordings judged by
//! another program. The key is forgotten at the end; the folder must be an empty one.
//!
//! `cargo run -p domovoi-video --example record -- rtsp://user:password@camera/stream FOLDER [seconds] [segment seconds]`

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use domovoi_vault::DayKey;
use domovoi_video::Item;
use domovoi_video::address::{Address, Allow, Policy};
use domovoi_video::archive::{
    Closed, Desk, Disk, DiskLimits, Expected, Gaps, Heading, Media, Opening, Recorder, RecorderRule, Report,
    SegmentReader, Source, Step, plan, verify,
};
use domovoi_video::session::{Options, Session};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let (address, login) = Address::parse(&words.next().ok_or("an address is missing")?)?;
    let folder = PathBuf::from(words.next().ok_or("a folder is missing")?);
    let seconds: u64 = words.next().map_or(Ok(20), |word| word.parse())?;
    let turn: u32 = words.next().map_or(Ok(10), |word| word.parse())?;
    let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let mut options = Options::new(address, login, Arc::new(wall));
    options.policy = Policy { loopback: Allow::Yes, link_local: Allow::Yes, ..Policy::default() };

    let day = DayKey::generate()?;
    let closed = Arc::new(Mutex::new(Vec::<Closed>::new()));
    let told = Arc::clone(&closed);
    let report = move |report| match report {
        Report::Closed { closed, .. } => {
            println!(
                "closed {} bytes, {} fragments, {:?}",
                closed.bytes,
                closed.trailer.fragments(),
                closed.trailer.reason
            );
            told.lock().unwrap_or_else(PoisonError::into_inner).push(closed);
        }
        Report::Failed { error, .. } => println!("failed: {error}"),
        Report::Opened { .. } | Report::Synced { .. } => {}
    };
    let disk = Disk::start(DiskLimits::default(), Desk { report: Box::new(report), make_room: Box::new(|_| false) })?;
    let mut recorder = Recorder::new(RecorderRule { segment_ms: turn * 1000, ..RecorderRule::default() });
    let mut steps = Vec::new();
    recorder.start(&mut steps);

    let mut session = Session::open(options).await?;
    let begun = Instant::now();
    loop {
        let left = Duration::from_secs(seconds).saturating_sub(begun.elapsed());
        match tokio::time::timeout(left, session.next()).await {
            Err(_) => break,
            Ok(Err(trouble)) => {
                println!("{:.1} s: {trouble}", begun.elapsed().as_secs_f64());
                break;
            }
            Ok(Ok(item)) => {
                if let Item::Begins { .. } | Item::Gap { .. } = item {
                    println!(
                        "{:.1} s: {}",
                        begun.elapsed().as_secs_f64(),
                        if let Item::Gap { .. } = item { "a gap" } else { "a run" }
                    );
                }
                recorder.item(&item, &mut steps);
            }
        }
        take(&disk, &folder, &day, &mut steps)?;
    }
    session.close().await;
    recorder.stop(&mut steps);
    take(&disk, &folder, &day, &mut steps)?;
    drop(disk);

    let closed = std::mem::take(&mut *closed.lock().unwrap_or_else(PoisonError::into_inner));
    for one in &closed {
        let expected = Expected { bytes: Some(one.bytes), tag: Some(one.tag), ..Expected::default() };
        println!(
            "{}: {:?}",
            one.path.display(),
            verify(&one.path, &day, &expected)? == domovoi_video::archive::Verdict::Sound(one.trailer.clone())
        );
    }
    let sources: Vec<Source> = closed.iter().map(|one| Source::closed(one.path.clone(), day.clone())).collect();
    match closed.first() {
        Some(first) if first.heading.media == Media::Jpeg => {
            let reader = SegmentReader::open(&first.path, &day)?;
            let picture = reader.pictures().first().copied().ok_or("no picture")?;
            std::fs::write(folder.join("first.jpg"), reader.read(picture.record)?)?;
        }
        _ => {
            for (number, part) in plan(&sources, i64::MIN..i64::MAX, Gaps::Closed)?.iter().enumerate() {
                let path = folder.join(format!("film-{number}.mp4"));
                let mut film = Vec::new();
                for chunk in part.chunks() {
                    film.extend_from_slice(&chunk?);
                }
                println!(
                    "{}: {} bytes as promised: {}, {:?}",
                    path.display(),
                    film.len(),
                    film.len() as u64 == part.bytes,
                    part.duration()
                );
                std::fs::write(path, film)?;
            }
        }
    }
    Ok(())
}

fn take(disk: &Disk, folder: &std::path::Path, day: &DayKey, steps: &mut Vec<Step>) -> Result<(), Failure> {
    for step in steps.drain(..) {
        match step {
            Step::Open { media, started_ms, init, .. } => {
                let heading = Heading::new(media, 1, [1; 16], domovoi_vault::random()?, started_ms)?;
                let opening = Opening { folder: folder.to_owned(), heading, day: day.clone(), previous: None, init };
                disk.open(1, opening)?;
            }
            Step::Append(fragment) => disk.append(1, fragment)?,
            Step::Close(reason) => disk.close(1, reason),
            Step::LeftOut(error) => println!("left out: {error}"),
        }
    }
    Ok(())
}
