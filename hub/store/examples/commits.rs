//! What the recorder alone does on this machine: commits and samples a second, bytes written for each sample as the kernel
//! counts them, and how well the write budget's estimate agrees with that. `cargo run --release -p domovoi-store --example
//! commits [folder]`. No broker, no decoding, one sample an offer: the whole road is measured by the benchmarks in `tests`.

use std::collections::VecDeque;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use domovoi_model::{DeviceRef, Moment, Quality, Sample, Timestamp, Unit, Value};
use domovoi_store::{Settings, Store, Urgency};
use domovoi_vault::MasterKey;
use rust_decimal::Decimal;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long each of them runs.
const RUN: Duration = Duration::from_secs(5);

fn sample(n: u64, at: i64) -> Sample {
    Sample {
        device: DeviceRef::new("zigbee2mqtt", format!("0x00158d00010{:05}", n % 100)),
        property: "temperature".into(),
        value: Value::Number(Decimal::new(2150 + (n * 7 % 90) as i64, 2)),
        unit: Unit::Celsius,
        quality: Quality::Good,
        at: Moment::Wall(Timestamp(at)),
        device_time: None,
    }
}

/// Bytes that this process has had written to the disk.
fn written() -> Outcome<u64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no write_bytes")?.trim().parse()?)
}

/// User and system time of this process.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

struct Round<'a> {
    what: &'a str,
    window: usize,
    /// Offers a second; 0 for as many as there can be.
    rate: u64,
    budget: u64,
}

async fn run(round: &Round<'_>, folder: PathBuf) -> Outcome<()> {
    let settings = Settings { write_budget_per_day: round.budget, ..Settings::new(&folder) };
    let store = Store::open(&settings, &MasterKey::generate()?).await?;
    let history = store.history().clone();
    // Every series is known, as in any home after its first minute.
    let all = (0..100).map(|n| sample(n, 1_795_300_000_000)).collect();
    history.record(all, Urgency::Now).await?;
    let (bytes, used, began, usage) = (written()?, cpu()?, Instant::now(), history.usage());
    let mut waiting = VecDeque::new();
    let mut latencies: Vec<Duration> = Vec::new();
    let mut offered = 0u64;
    let length = if round.rate > 0 { RUN * 3 } else { RUN };
    while began.elapsed() < length {
        let due = if round.rate == 0 { u64::MAX } else { (began.elapsed().as_secs_f64() * round.rate as f64) as u64 };
        while waiting.len() < round.window && offered < due {
            let at = 1_795_300_000_000 + began.elapsed().as_millis() as i64;
            waiting.push_back((Instant::now(), history.record(vec![sample(offered * 37, at)], Urgency::Normal)));
            offered += 1;
        }
        let Some((since, kept)) = waiting.front_mut() else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        if round.rate == 0 {
            kept.await?;
        } else if tokio::time::timeout(Duration::from_millis(1), kept).await.map(|kept| kept.map(drop)).is_err() {
            continue;
        }
        latencies.push(since.elapsed());
        waiting.pop_front();
    }
    for (_, kept) in waiting {
        kept.await?;
    }
    let took = began.elapsed().as_secs_f64();
    let bytes = written()? - bytes;
    let now = history.usage();
    let commits = now.commits - usage.commits;
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(latencies.len() * share / 1000).copied().unwrap_or_default();
    println!(
        "{:>28}: {:>8.0} samples/s {:>7.0} commits/s {:>7.1} samples/commit {:>7.1} B/sample (estimate {:>7.1}) \
         {:>5.1} us CPU p50 {:?} p99 {:?}",
        round.what,
        offered as f64 / took,
        commits as f64 / took,
        offered as f64 / commits.max(1) as f64,
        bytes as f64 / offered as f64,
        (now.written_bytes - usage.written_bytes) as f64 / offered as f64,
        (cpu()? - used) * 1e6 / offered as f64,
        at(500),
        at(990),
    );
    store.close().await;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let whole = 500_000_000;
    let rounds = [
        Round { what: "1 in flight", window: 1, rate: 0, budget: whole * 100 },
        Round { what: "200 in flight", window: 200, rate: 0, budget: whole },
        Round { what: "200 in flight, budget spent", window: 200, rate: 0, budget: 1 },
        Round { what: "2000 in flight", window: 2000, rate: 0, budget: whole },
        Round { what: "2000 in flight, budget spent", window: 2000, rate: 0, budget: 1 },
        Round { what: "200/s", window: 10_000, rate: 200, budget: whole },
        Round { what: "50/s, budget spent", window: 10_000, rate: 50, budget: 1 },
    ];
    for (n, round) in rounds.iter().enumerate() {
        run(round, folder.join(format!("domovoi-commits-{}-{n}", std::process::id()))).await?;
    }
    Ok(())
}
