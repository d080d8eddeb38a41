//! Figures of history: bytes per sample, times of reading, and a year of a home with 200 devices. Prints, asserts nothing.
//!
//! `cargo run --release -p domovoi-store --example history_figures` takes a tenth of the year (36 days);
//! `DOMOVOI_FULL=1` all of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use domovoi_model::{DeviceRef, Moment, Quality, Sample, Timestamp, Unit, Value};
use domovoi_store::{HomeTime, Level, Settings, Store, StoreError, Urgency};
use domovoi_vault::MasterKey;
use rust_decimal::Decimal;

const START: i64 = 1_793_577_600_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

type Failure = Box<dyn std::error::Error>;

/// Numbers that look random and are the same with every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides) as i64
    }
}

/// A device with four properties that wander as such things do.
struct Device {
    name: DeviceRef,
    every: i64,
    next: i64,
    values: [i64; 4],
    register: bool,
}

impl Device {
    fn new(n: usize, dice: &mut Dice) -> Self {
        // A third is idle and says something once an hour.
        let every = if n % 3 == 2 { 60 * MINUTE } else { 10 * MINUTE };
        Device {
            name: DeviceRef::new("zigbee2mqtt", format!("0x00158d000100{n:04x}")),
            every,
            next: START + dice.roll(every as u64),
            values: [2100 + dice.roll(400), 450 + dice.roll(100), 87, 100],
            register: n.is_multiple_of(20),
        }
    }

    fn speak(&mut self, at: i64, dice: &mut Dice, into: &mut Vec<Sample>) {
        self.values[0] += dice.roll(21) - 10;
        self.values[1] += dice.roll(7) - 3;
        if dice.roll(500) == 0 {
            self.values[2] -= 1;
        }
        self.values[3] = if self.register { self.values[3] + dice.roll(40) } else { 80 + dice.roll(60) };
        let fourth = if self.register { ("energy", 2, Unit::KilowattHour) } else { ("linkquality", 0, Unit::None) };
        let properties =
            [("temperature", 2, Unit::Celsius), ("humidity", 1, Unit::Percent), ("battery", 0, Unit::Percent), fourth];
        for ((property, scale, unit), value) in properties.into_iter().zip(self.values) {
            into.push(Sample {
                device: self.name.clone(),
                property: property.into(),
                value: Value::Number(Decimal::new(value, scale).normalize()),
                unit,
                quality: Quality::Good,
                at: Moment::Wall(Timestamp(at)),
                device_time: None,
            });
        }
        self.next = at + self.every + dice.roll(4000) - 2000;
    }
}

async fn open(folder: &Path, master: &MasterKey, clock: &Arc<AtomicI64>, over: u64) -> Result<Store, Failure> {
    let mut settings = Settings::new(folder);
    let hand = Arc::clone(clock);
    settings.history.home_time = HomeTime::new(move || Some(Timestamp(hand.load(Ordering::SeqCst))), |_| 3 * 3600);
    settings.history.compact_over = over;
    settings.commit_every = Duration::ZERO;
    Ok(Store::open(&settings, master).await?)
}

fn file_bytes(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("domovoi.db")).map_or(0, |meta| meta.len())
}

/// Lets the devices speak until `to`; a commit has what was said in `step`. Returns how many samples there were.
async fn live(
    store: &Store,
    home: &mut [Device],
    (from, to, step): (i64, i64, i64),
    dice: &mut Dice,
) -> Result<u64, StoreError> {
    let mut samples = 0;
    let mut at = from;
    while at < to {
        let mut batch = Vec::new();
        for device in &mut *home {
            while device.next < at + step {
                device.speak(device.next, dice, &mut batch);
            }
        }
        samples += batch.len() as u64;
        if !batch.is_empty() {
            let kept = store.history().record(batch, Urgency::Now).await;
            kept.map_err(|refused| StoreError::Io(refused.to_string()))?;
        }
        at += step;
    }
    Ok(samples)
}

async fn keep_in_order(store: &Store, now: Timestamp) -> Result<Duration, StoreError> {
    let begun = Instant::now();
    store.history().compact_once().await?;
    store.history().roll_at(now).await?;
    store.history().thin_once().await?;
    Ok(begun.elapsed())
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

/// A million samples stored, 50,000 of them in the journal.
async fn million() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (master, clock) = (MasterKey::generate()?, Arc::new(AtomicI64::new(START)));
    let store = open(folder.path(), &master, &clock, u64::MAX).await?;
    let mut dice = Dice(1);
    let mut home: Vec<Device> = (0..50).map(|n| Device::new(n, &mut dice)).collect();
    let empty = file_bytes(folder.path());
    let (mut samples, mut at, mut spent) = (0, START, Duration::ZERO);
    while samples < 950_000 {
        samples += live(&store, &mut home, (at, at + 2 * DAY, MINUTE), &mut dice).await?;
        at += 2 * DAY;
        clock.store(at, Ordering::SeqCst);
        spent += keep_in_order(&store, Timestamp(at)).await?;
    }
    let usage = store.history().usage();
    let (stored, bytes) = (usage.block_samples as f64, usage.block_bytes as f64);
    println!("compacted, rolled and thinned: {:.2} µs a sample", spent.as_secs_f64() * 1e6 / samples as f64);
    println!("blocks: {stored} samples, {:.2} bytes each, sealed, with what a row adds", bytes / stored);
    println!("rollups: {:.1} bytes a sample", usage.rollup_bytes as f64 / stored);
    let begun = Instant::now();
    let mut recent = 0;
    while recent < 50_000 {
        recent += live(&store, &mut home, (at, at + DAY / 4, MINUTE), &mut dice).await?;
        at += DAY / 4;
    }
    println!("{recent} samples more in the journal, {:.1} s", begun.elapsed().as_secs_f64());
    clock.store(at, Ordering::SeqCst);
    store.close().await;
    println!("file: {:.2} bytes a sample, all tables", (file_bytes(folder.path()) - empty) as f64 / samples as f64);
    let begun = Instant::now();
    let store = open(folder.path(), &master, &clock, u64::MAX).await?;
    println!("opened in {:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let history = store.history();
    let (mut old, mut new, mut rolled, mut last) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..200 {
        let device = &home[n % home.len()].name;
        let old_day = START + dice.roll(((at - START) / DAY) as u64 - 2) * DAY;
        for (from, times) in [(old_day, &mut old), (at - DAY, &mut new)] {
            let begun = Instant::now();
            let range = history.range(device, "temperature", Timestamp(from), Timestamp(from + DAY), 10_000).await?;
            times.push(begun.elapsed());
            assert!(!range.points.is_empty() && range.troubles.is_empty());
        }
        let begun = Instant::now();
        let year = history.rolled(device, "temperature", Level::Day, Timestamp(at - 366 * DAY), Timestamp(at)).await?;
        rolled.push(begun.elapsed());
        assert!(year.buckets.len() > 30 && year.troubles.is_empty());
        let begun = Instant::now();
        history.last_at(device, "battery", Timestamp(old_day)).await?;
        last.push(begun.elapsed());
    }
    for (what, times) in [
        ("a day's range from blocks", old),
        ("the last day's range, most of it in the journal", new),
        ("a year's daily rollup", rolled),
        ("the value at a time", last),
    ] {
        let (median, most) = median(times);
        println!("{what}: median {median:?}, most {most:?}");
    }
    store.close().await;
    Ok(())
}

async fn year(days: i64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (master, clock) = (MasterKey::generate()?, Arc::new(AtomicI64::new(START)));
    let store = open(folder.path(), &master, &clock, u64::MAX).await?;
    let mut dice = Dice(2);
    let mut home: Vec<Device> = (0..200).map(|n| Device::new(n, &mut dice)).collect();
    let (mut samples, mut most) = (0, 0);
    for quarter in 0..days * 4 {
        let at = START + quarter * DAY / 4;
        samples += live(&store, &mut home, (at, at + DAY / 4, 10 * MINUTE), &mut dice).await?;
        clock.store(at + DAY / 4, Ordering::SeqCst);
        keep_in_order(&store, Timestamp(at + DAY / 4)).await?;
        most = most.max(file_bytes(folder.path()));
        if quarter % 120 == 119 {
            println!("day {}: {} bytes, {:?}", (quarter + 1) / 4, file_bytes(folder.path()), store.history().usage());
        }
    }
    let usage = store.history().usage();
    store.close().await;
    let file = file_bytes(folder.path()).max(most);
    println!("{days} days of 200 devices: {samples} samples, {file} bytes at most");
    println!("{usage:?}");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let full = std::env::var_os("DOMOVOI_FULL").is_some();
    if std::env::args().nth(1).as_deref() != Some("year") {
        million().await?;
    }
    year(if full { 365 } else { 36 }).await
}
