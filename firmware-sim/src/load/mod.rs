//! A load generator for MQTT brokers, ours and those of others: many pretend devices over raw sockets, at a rate or with
//! a window, with listeners, with connections that only stay open. It counts what was acknowledged, delivered, lost and
//! repeated, and how long that took; after a loss of connection it goes on as the standard has it.
//!
//! It does not judge, starts no broker, and speaks no TLS: it measures brokers, not ciphers.

mod bits;
mod histogram;
mod idle;
mod line;
mod payload;
mod publisher;
mod report;
mod settings;
mod subscriber;
#[cfg(test)]
mod tests;
mod wire;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};

pub use self::bits::Bits;
pub use self::histogram::{Histogram, Percentiles};
pub use self::payload::{Shape, number_of};
use self::publisher::Publisher;
pub use self::report::Report;
use self::report::Tally;
pub use self::settings::{Listening, Pace, Settings};
use self::subscriber::Subscriber;
pub use self::wire::Version;

/// So many idle connections come in at the same time.
const DOORS: usize = 32;
/// How long listeners may take to be there.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);
/// So many moments of sending are remembered; a delivery that is later than so many messages is not measured.
const SENT_KEPT: usize = 1 << 20;
/// Numbers further from the first than this are not ours: a set of them would take the memory.
const MOST: u64 = 1 << 32;

/// Why a run did not begin.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("cannot open the ledger {path}: {error}")]
    Ledger { path: PathBuf, error: std::io::Error },
    #[error("not all listeners could subscribe within {} s: {why}", SUBSCRIBE_TIMEOUT.as_secs())]
    NotSubscribed { why: String },
    #[error("a part of the generator failed: {0}")]
    Failed(#[from] JoinError),
}

/// How far a run is, for whoever watches it.
#[derive(Debug)]
pub struct Progress {
    epoch: Instant,
    /// Nanoseconds since the epoch, by number; empty when nobody asks.
    sent: Box<[AtomicU64]>,
    /// Messages that are the broker's by now (PUBACK, PUBREC).
    pub acknowledged: AtomicU64,
    /// Messages that came to listeners.
    pub delivered: AtomicU64,
    /// Idle connections that came in.
    pub opened: AtomicU64,
    enough: AtomicBool,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            epoch: Instant::now(),
            sent: Box::default(),
            acknowledged: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            enough: AtomicBool::new(false),
        }
    }
}

impl Progress {
    /// One that knows when each message was sent, for whoever sees messages arrive by another road.
    pub fn with_times() -> Self {
        Progress { sent: (0..SENT_KEPT).map(|_| AtomicU64::new(0)).collect(), ..Progress::default() }
    }

    /// Nothing new is published from here on; what is under way is still waited for.
    pub fn stop(&self) {
        self.enough.store(true, Relaxed);
    }

    fn is_enough(&self) -> bool {
        self.enough.load(Relaxed)
    }

    /// How long ago a message was sent.
    pub fn since(&self, id: u64) -> Option<Duration> {
        let now = self.nanos(Instant::now());
        self.was_sent_at(id).map(|ns| Duration::from_nanos(now.saturating_sub(ns)))
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    fn sent_at(&self, id: u64, ns: u64) {
        if let Some(slot) = self.sent.get((id % SENT_KEPT as u64) as usize) {
            slot.store(ns, Relaxed);
        }
    }

    fn was_sent_at(&self, id: u64) -> Option<u64> {
        self.sent.get((id % SENT_KEPT as u64) as usize).map(|slot| slot.load(Relaxed)).filter(|ns| *ns > 0)
    }
}

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    /// In figures.
    pub report: Report,
    /// Numbers, less the first, of the messages that became the broker's.
    pub acknowledged: Bits,
    /// What each listener saw, likewise.
    pub seen: Vec<Bits>,
}

/// What all connections of a run share.
struct Shared {
    settings: Settings,
    progress: Arc<Progress>,
    /// Nothing more is published from here on, and nothing waited for from there on.
    silence: watch::Sender<Option<Instant>>,
    heard_out: watch::Sender<bool>,
    ledger: Option<Mutex<File>>,
}

impl Shared {
    fn nanos(&self, at: Instant) -> u64 {
        self.progress.nanos(at)
    }

    fn is_silent(&self) -> bool {
        self.silence.borrow().is_some_and(|from| from <= Instant::now())
    }

    fn is_given_up(&self) -> bool {
        self.silence.borrow().is_some_and(|from| from + self.settings.drain <= Instant::now())
    }

    fn is_heard_out(&self) -> bool {
        *self.heard_out.borrow()
    }

    /// When a publisher has to look up again.
    fn ends_at(&self) -> Option<Instant> {
        let from = (*self.silence.borrow())?;
        Some(if from > Instant::now() { from } else { from + self.settings.drain })
    }

    fn acknowledged(&self, ids: &[u64]) {
        self.progress.acknowledged.fetch_add(ids.len() as u64, Relaxed);
        let Some(ledger) = &self.ledger else { return };
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        // Straight to the kernel: whoever kills the generator loses nothing that it was told. What cannot be written
        // down is missing from a file that only says what was acknowledged at least.
        if let Err(error) = ledger.write_all(lines.as_bytes()) {
            tracing::warn!(%error, "the ledger cannot be written");
        }
    }

    fn delivered(&self, new: u64) {
        self.progress.delivered.fetch_add(new, Relaxed);
    }

    fn opened(&self) {
        self.progress.opened.fetch_add(1, Relaxed);
    }
}

/// Runs to the end of its duration or count, and then until all is answered and delivered, or `drain` is over.
pub async fn run(settings: Settings) -> Result<Outcome, LoadError> {
    let progress = if settings.listening.is_some() { Progress::with_times() } else { Progress::default() };
    run_watched(settings, Arc::new(progress)).await
}

/// The same, and `progress` says how far it is. Deliveries are measured if it knows the times.
pub async fn run_watched(settings: Settings, progress: Arc<Progress>) -> Result<Outcome, LoadError> {
    let cpu_before = cpu_seconds();
    let ledger = match &settings.ledger {
        Some(path) => {
            let opened = File::options().create(true).append(true).open(path);
            let file = opened.map_err(|error| LoadError::Ledger { path: path.clone(), error })?;
            Some(Mutex::new(file))
        }
        None => None,
    };
    let shared = Arc::new(Shared {
        progress,
        silence: watch::Sender::new(None),
        heard_out: watch::Sender::new(false),
        ledger,
        settings,
    });
    let settings = &shared.settings;
    let opened_at = Instant::now();
    let mut listeners = JoinSet::new();
    if let Some(listening) = &settings.listening {
        let (subscribed, mut waiting) = mpsc::channel(1);
        for index in 0..listening.subscribers {
            let subscriber = Subscriber::new(Arc::clone(&shared), listening.clone(), index, subscribed.clone());
            listeners.spawn(subscriber.run());
        }
        drop(subscribed);
        // Nothing is ever sent: each drops its end when it is subscribed.
        if timeout(SUBSCRIBE_TIMEOUT, waiting.recv()).await.is_err() {
            shared.heard_out.send_replace(true);
            let mut why = String::from("no answer");
            while let Some(subscriber) = listeners.join_next().await {
                why = subscriber?.tally.last_error.unwrap_or(why);
            }
            return Err(LoadError::NotSubscribed { why });
        }
    }
    let doors = Arc::new(Semaphore::new(DOORS));
    let mut idlers = JoinSet::new();
    for index in 0..settings.idle {
        idlers.spawn(idle::run(Arc::clone(&shared), index, Arc::clone(&doors)));
    }
    while settings.idle > 0 && shared.progress.opened.load(Relaxed) < settings.idle as u64 {
        if opened_at.elapsed() > SUBSCRIBE_TIMEOUT {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if settings.idle > 0 {
        tracing::info!(open = shared.progress.opened.load(Relaxed), "idle connections are open");
    }

    let begun = Instant::now();
    if let Some(duration) = settings.duration {
        shared.silence.send_replace(Some(begun + duration));
    }
    let mut total = Tally::default();
    let mut acknowledged = Bits::default();
    let mut publishers = JoinSet::new();
    if settings.duration.is_some() || settings.count.is_some() {
        for index in 0..settings.connections {
            publishers.spawn(Publisher::new(Arc::clone(&shared), index).run());
        }
    }
    let connections = settings.connections.max(1) as u64;
    while let Some(publisher) = publishers.join_next().await {
        let publisher = publisher?;
        let index = publisher.index as u64;
        for turn in publisher.acknowledged.iter() {
            acknowledged.insert(turn * connections + index);
        }
        total.merge(publisher.tally);
    }
    let elapsed = begun.elapsed();
    if settings.connections == 0 {
        hold(settings, begun).await;
    }
    // Each listener that misses nothing has heard as many as were acknowledged, or more.
    let wanted = acknowledged.len() * settings.listening.as_ref().map_or(0, |listening| listening.subscribers as u64);
    let wanted = wanted + settings.expected;
    let waiting = Instant::now();
    while shared.progress.delivered.load(Relaxed) < wanted && waiting.elapsed() < settings.drain {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let elapsed_delivery = begun.elapsed();
    shared.heard_out.send_replace(true);
    let mut seen = Vec::new();
    let mut missing = 0;
    while let Some(subscriber) = listeners.join_next().await {
        let subscriber = subscriber?;
        missing += acknowledged.iter().filter(|number| !subscriber.seen.contains(*number)).count() as u64;
        total.merge(subscriber.tally);
        seen.push(subscriber.seen);
    }
    while let Some(idler) = idlers.join_next().await {
        total.merge(idler?);
    }
    let cpu_s = cpu_seconds() - cpu_before;
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let report = Report {
        elapsed_s: rounded(elapsed.as_secs_f64()),
        sent: total.sent,
        resent: total.resent,
        acked: total.acked,
        acked_per_s: (total.acked as f64 / elapsed.as_secs_f64().max(1e-9)).round(),
        refused: total.refused,
        unacknowledged: total.unacknowledged,
        delivered: total.delivered,
        delivered_per_s: (total.delivered as f64 / elapsed_delivery.as_secs_f64().max(1e-9)).round(),
        missing,
        repeated: total.repeated,
        strays: total.strays,
        errors: total.errors,
        reconnects: total.reconnects,
        sessions_lost: total.sessions_lost,
        last_error: total.last_error,
        idle_opened: shared.progress.opened.load(Relaxed),
        ack_ms: total.ack.percentiles(),
        delivery_ms: total.delivery.percentiles(),
        ping_ms: total.ping.percentiles(),
        cpu_s: rounded(cpu_s),
        cpu_us_per_message: if total.sent > 0 { rounded(cpu_s * 1e6 / total.sent as f64) } else { 0.0 },
    };
    Ok(Outcome { report, acknowledged, seen })
}

/// Nobody publishes: the connections are simply held.
async fn hold(settings: &Settings, begun: Instant) {
    if let Some(duration) = settings.duration {
        tokio::time::sleep_until(begun + duration).await;
    }
}

/// User and system time of this process, from /proc/self/stat; 0 where there is none.
fn cpu_seconds() -> f64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    // Behind the name, which may hold anything, comes field 3; utime and stime are 14 and 15 (proc(5)), in 1/100 s.
    let Some((_, fields)) = text.rsplit_once(") ") else { return 0.0 };
    let ticks: f64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
