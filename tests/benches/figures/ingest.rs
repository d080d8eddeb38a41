//! From a publish to a durable sample and a live event: how many, how fast, at what price in CPU, memory and bytes on the
//! disk. QoS 1 throughout: what is counted was durable before it was acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firmware_sim::load::{Histogram, Pace, Progress, Report, Settings, Shape};

use crate::daemon::House;
use crate::figures::{Figures, Target};
use crate::process::{Process, fsyncs};
use crate::{load, load_watched, seconds};

pub fn ingest(figures: &mut Figures) {
    let house = House::found("", async |_| {});
    let daemon = house.start();
    load(Settings { pace: Pace::InFlight(200), ..house.load(Duration::from_secs(1)) });
    let at_rest = daemon.memory_mib("VmRSS");
    figures.add("memory after the first second of load", at_rest, "MiB", Target::None);
    let cases = [
        ("1 connection, 1 in flight", 1, 1, Shape::Sensor, Target::None, Target::None),
        ("1 connection, 200 in flight", 1, 200, Shape::Sensor, Target::AtLeast(30_000.0), Target::AtMost(40.0)),
        ("20 connections, 200 in flight", 20, 200, Shape::Sensor, Target::AtLeast(30_000.0), Target::AtMost(40.0)),
        ("20 connections, 2,000 in flight", 20, 2000, Shape::Sensor, Target::None, Target::None),
        ("20 connections, 200 in flight, 5 values each", 20, 200, Shape::Zigbee, Target::None, Target::None),
    ];
    for (what, connections, window, shape, rate, cpu) in cases {
        daemon.forget_peak();
        let before = daemon.usage();
        let settings =
            Settings { connections, shape, pace: Pace::InFlight(window), ..house.load(seconds(figures, 10)) };
        let report = load(settings);
        let used = daemon.usage().cpu_s - before.cpu_s;
        figures.add(what, report.acked_per_s, "msg/s", rate);
        figures.add(format!("{what}: CPU"), used * 1e6 / report.acked.max(1) as f64, "µs/msg", cpu);
        figures.add(format!("{what}: PUBACK p99"), report.ack_ms.p99, "ms", Target::None);
        figures.add(format!("{what}: peak memory"), daemon.memory_mib("VmHWM"), "MiB", Target::AtMost(80.0));
        complain(figures, &report);
    }
    live(figures);
    let (first, last) = flat(figures, &house, &daemon);
    figures.add("memory: growth over the second half of a long load", last - first, "MiB", Target::AtMost(4.0));
}

/// 200 a second, and when each is on the stream of events.
fn live(figures: &mut Figures) {
    // A house of its own: what the loads before it wrote would be off its budget.
    let house = House::found("", async |_| {});
    let daemon = house.start();
    let fsync_p99 = fsyncs(house.folder.path()).at_permille(990) as f64 / 1e6;
    let progress = Arc::new(Progress::with_times());
    let watch = Watch::begin(&house, Arc::clone(&progress));
    let settings =
        Settings { connections: 4, pace: Pace::PerSecond(200.0), first: 1 << 30, ..house.load(seconds(figures, 20)) };
    let before = daemon.usage();
    let report = load_watched(settings, progress);
    let seen = watch.end(report.acked);
    let said = seen.took.percentiles();
    figures.add("200/s: publish to live event, p50", said.p50, "ms", Target::None);
    figures.add("200/s: publish to live event, p99", said.p99, "ms", Target::AtMost(20.0 + 2.0 * fsync_p99));
    figures.add(
        "200/s: acknowledged and not on the stream",
        report.acked.saturating_sub(said.count) as f64,
        "",
        Target::AtMost(0.0),
    );
    figures.add(
        "200/s: CPU",
        (daemon.usage().cpu_s - before.cpu_s) * 1e6 / report.acked.max(1) as f64,
        "µs/msg",
        Target::None,
    );
    if seen.resets > 0 {
        figures.note(&format!("the stream was told to begin anew {} times", seen.resets));
    }
    complain(figures, &report);
}

/// Memory at the middle and at the end of a load.
fn flat(figures: &Figures, house: &House, daemon: &Process) -> (f64, f64) {
    let half = |first| {
        let half = Settings { connections: 20, pace: Pace::InFlight(200), first, ..house.load(seconds(figures, 30)) };
        load(half);
        daemon.memory_mib("VmRSS")
    };
    (half(1 << 31), half(1 << 32))
}

/// Bytes that reach the disk for each sample.
pub fn disk(figures: &mut Figures) {
    // What a day's budget leaves when it is spent; without the setting, commits do not stretch.
    let spent = if e2e_has_budget() { "write_budget_per_day = \"1 MB\"\n" } else { "" };
    if spent.is_empty() {
        figures.note("this daemon has no write budget: the first figure is without one");
    }
    let (one, five) = (Shape::Sensor, Shape::Zigbee);
    let cases = [
        ("50/s, budget spent", spent, 4, Pace::PerSecond(50.0), 120, one, Target::AtMost(300.0)),
        ("50/s, 20 ms", "", 4, Pace::PerSecond(50.0), 20, one, Target::None),
        ("200 in flight", "", 20, Pace::InFlight(200), 10, one, Target::AtMost(150.0)),
        ("2,000 in flight", "", 20, Pace::InFlight(2000), 10, one, Target::AtMost(40.0)),
        ("50/s, budget spent, 5 values each", spent, 4, Pace::PerSecond(50.0), 60, five, Target::None),
        ("200 in flight, 5 values each", "", 20, Pace::InFlight(200), 10, five, Target::None),
        ("2,000 in flight, 5 values each", "", 20, Pace::InFlight(2000), 10, five, Target::None),
    ];
    for (what, store, connections, pace, duration, shape, target) in cases {
        let house = House::found(store, async |_| {});
        let daemon = house.start();
        if !store.is_empty() {
            load(Settings { pace: Pace::InFlight(50), ..house.load(Duration::from_secs(2)) });
            // What spending it left behind (the log that is folded in with the next commit, samples that are folded into
            // blocks) is not what fifty a second cost.
            load(Settings { connections, pace, shape, first: 1 << 29, ..house.load(seconds(figures, 30)) });
        }
        let before = daemon.usage();
        let settings = Settings { connections, pace, shape, first: 1 << 30, ..house.load(seconds(figures, duration)) };
        let report = load(settings);
        let written = daemon.usage().written_bytes - before.written_bytes;
        let samples = report.acked.max(1) * if shape == five { 5 } else { 1 };
        figures.add(what, written as f64 / samples as f64, "bytes/sample", target);
        figures.add(format!("{what}: PUBACK p50"), report.ack_ms.p50, "ms", Target::None);
        complain(figures, &report);
    }
}

/// Asks the daemon's own reading of settings whether it knows the key.
fn e2e_has_budget() -> bool {
    let text = "[store]\nwrite_budget_per_day = \"1 MB\"\n";
    domovoi_config::Settings::parse(text, "bench.toml", std::path::Path::new(".")).is_ok()
}

fn complain(figures: &Figures, report: &Report) {
    if report.errors + report.refused + report.unacknowledged > 0 {
        figures.note(&format!(
            "{} errors ({}), {} refused, {} unacknowledged",
            report.errors,
            report.last_error.as_deref().unwrap_or("-"),
            report.refused,
            report.unacknowledged
        ));
    }
}

/// What came over the stream of events.
#[derive(Default)]
pub struct Seen {
    took: Histogram,
    resets: u64,
}

/// One who watches the stream, on a thread of its own.
struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Watch {
    fn begin(house: &House, progress: Arc<Progress>) -> Watch {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, begun) = std::sync::mpsc::channel();
        let (socket, noted, ended) = (house.socket(), Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = reqwest::Client::builder().unix_socket(socket).build().unwrap();
                let mut stream = client.get("http://hub/api/v1/events").send().await.unwrap();
                assert!(stream.status().is_success(), "{}", stream.status());
                ready.send(()).unwrap();
                let mut text = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let chunk = tokio::time::timeout(Duration::from_millis(100), stream.chunk()).await;
                    let Ok(chunk) = chunk else { continue };
                    let Some(chunk) = chunk.unwrap() else { break };
                    text.extend_from_slice(&chunk);
                    while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                        let event: Vec<u8> = text.drain(..end + 2).collect();
                        note(&String::from_utf8_lossy(&event), &progress, &mut noted.lock().unwrap());
                    }
                }
            });
        });
        begun.recv().unwrap();
        Watch { seen, stop, thread }
    }

    /// Waits until as many have come as were acknowledged, at most two seconds.
    fn end(self, wanted: u64) -> Seen {
        for _ in 0..200 {
            if self.seen.lock().unwrap().took.percentiles().count >= wanted {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn note(event: &str, progress: &Progress, seen: &mut Seen) {
    if event.contains("event: reset") {
        seen.resets += 1;
    }
    let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else { return };
    let Ok(data) = serde_json::from_str::<serde_json::Value>(data) else { return };
    let number = data["value"].as_str().filter(|_| data["property"] == "n").and_then(|value| value.parse().ok());
    if let Some(took) = number.and_then(|number| progress.since(number)) {
        seen.took.record(took);
    }
}
