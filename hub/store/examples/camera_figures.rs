//! Figures of the books about recordings: half a million segments of sixteen cameras, and what it takes to begin one, to
//! list a day, to find the oldest, to count. Prints, asserts nothing.
//!
//! `cargo run --release -p domovoi-store --example camera_figures`

use std::time::{Duration, Instant};

use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::{
    ChainTag, Finished, SegmentPlace, SegmentStart, SegmentState, Settings, Store, StoreError, new_segment_id,
};
use domovoi_vault::MasterKey;

const CAMERAS: u8 = 16;
const START: i64 = 1_793_577_600_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

type Failure = Box<dyn std::error::Error>;

fn start(camera: Id, at: i64) -> Result<SegmentStart, StoreError> {
    Ok(SegmentStart {
        id: new_segment_id(Timestamp(at))?,
        camera,
        key: 1,
        day: Date::new(1970, 1, 1).and_then(|day| day.plus_days(at / DAY)).ok_or(StoreError::Full)?,
        started: Timestamp(at),
        place: SegmentPlace::Local,
        store: String::new(),
        run: "h264 1920x1080 aac 16000".into(),
    })
}

fn finished(at: i64, previous: Option<ChainTag>) -> Result<Finished, StoreError> {
    Ok(Finished {
        ended: Timestamp(at + MINUTE),
        bytes: 33_750_000,
        state: SegmentState::Done,
        tag: Some(new_segment_id(Timestamp(at))?.0),
        previous,
        records: 30,
        frames: 900,
        reason: "turn".into(),
        trouble: String::new(),
    })
}

fn tell(what: &str, each: u32, took: Duration) {
    println!("{what:<56} {:>9.3} ms", took.as_secs_f64() * 1000.0 / f64::from(each));
}

/// What this process has sent to the disk so far (proc(5), `write_bytes`).
fn written() -> Result<u64, Failure> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).ok_or("no write_bytes")?;
    Ok(line.parse()?)
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Failure> {
    let rows: i64 = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(500_000);
    let each = rows / i64::from(CAMERAS);
    let folder = tempfile::tempdir_in(std::env::var("FOLDER").unwrap_or_else(|_| "/tmp".into()))?;
    let settings = Settings::new(folder.path());
    let store = Store::open(&settings, &MasterKey::generate()?).await?;
    let segments = store.segments();
    let cameras: Vec<Id> = (0..CAMERAS).map(|n| Id([n + 1; 16])).collect();

    let (begun, mut previous) = (Instant::now(), vec![None; usize::from(CAMERAS)]);
    for n in 0..each {
        for (camera, previous) in cameras.iter().zip(&mut previous) {
            let at = START + n * MINUTE;
            let end = finished(at, *previous)?;
            // In one step each, to fill it in bearable time.
            segments.adopt(&start(*camera, at)?, &end).await?;
            *previous = end.tag;
        }
    }
    let total = u32::try_from(each)? * u32::from(CAMERAS);
    println!("{total} segments, {each} of each camera, {} days", each * MINUTE / DAY);
    tell("begin and finish in one commit, each", total, begun.elapsed());

    let [camera, ..] = cameras[..] else { return Ok(()) };
    let last = START + each * MINUTE;
    let before = written()?;
    let began = Instant::now();
    for n in 0..100 {
        let next = start(camera, last + n * MINUTE)?;
        segments.begin(&next).await?;
        let previous = segments.last_of(camera).await?;
        segments.finish(next.id, &finished(last + n * MINUTE, previous)?).await?;
    }
    tell("begin, then finish: two commits", 100, began.elapsed());
    println!("written to the disk for one segment, log and database: {} bytes", (written()? - before) / 100);

    let began = Instant::now();
    let mut listed = 0;
    for n in 0..10 {
        let from = Timestamp(START + n * DAY);
        listed = segments.list(camera, from, from.plus_millis(DAY), None, 2000).await?.segments.len();
    }
    tell(&format!("list a day of one camera, {listed} segments"), 10, began.elapsed());
    let began = Instant::now();
    for n in 0..100 {
        let from = Timestamp(START + each / 2 * MINUTE + n * DAY / 7);
        segments.list(camera, from, from.plus_millis(10 * MINUTE), None, 100).await?;
    }
    tell("list ten minutes in the middle", 100, began.elapsed());
    let began = Instant::now();
    for _ in 0..100 {
        segments.oldest(camera, None, 20).await?;
    }
    tell("the twenty oldest", 100, began.elapsed());
    let began = Instant::now();
    for _ in 0..100 {
        segments.bytes_of(camera).await?;
    }
    tell("bytes of one camera", 100, began.elapsed());
    let began = Instant::now();
    for _ in 0..100 {
        segments.totals().await?;
    }
    tell("totals of all cameras", 100, began.elapsed());
    let began = Instant::now();
    for _ in 0..100 {
        segments.open_ones().await?;
        segments.garbage(100).await?;
    }
    tell("what is open, and what is garbage", 100, began.elapsed());
    let began = Instant::now();
    for _ in 0..50 {
        let oldest: Vec<Id> = segments.oldest(camera, None, 20).await?.iter().map(|brief| brief.id).collect();
        segments.to_garbage(&oldest).await?;
        segments.gone(&oldest).await?;
    }
    tell("delete twenty: oldest, garbage, gone", 50, began.elapsed());
    let began = Instant::now();
    let broken = segments.broken_links(camera).await?.len();
    tell(&format!("walk along one camera's chain ({broken} broken)"), 1, began.elapsed());
    let began = Instant::now();
    segments.recount(camera).await?;
    tell("count one camera's rows", 1, began.elapsed());
    let day = Date::new(2026, 11, 22).ok_or("no such day")?;
    let began = Instant::now();
    segments.idle_days(camera, day).await?;
    tell("days of which nothing is left", 1, began.elapsed());
    let began = Instant::now();
    store.cameras().day_key(camera, day).await?;
    tell("make the key of a day", 1, began.elapsed());
    let began = Instant::now();
    store.cameras().destroy_day(camera, day).await?;
    tell("destroy it, and empty the log", 1, began.elapsed());
    store.close().await;
    let size = std::fs::metadata(folder.path().join("domovoi.db"))?.len();
    println!("the database: {} MB, {} bytes a segment", size / 1_000_000, size / u64::from(total));
    Ok(())
}
