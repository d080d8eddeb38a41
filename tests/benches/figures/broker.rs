//! Our broker beside Mosquitto, the same generator, the same run: acknowledged messages a second, one message to many,
//! memory of connections that only stay open. Each case is measured in turn for each broker, three times, and the median
//! counts: on a shared machine neighbours come and go.

use std::process::{Command, Stdio};
use std::time::Duration;

use firmware_sim::load::{Listening, Pace, Report, Settings, Shape};
use tempfile::TempDir;

use crate::daemon::House;
use crate::figures::{Figures, Target};
use crate::process::{Process, find, folder, free_port, listens};
use crate::{load, seconds};

/// A broker under measurement.
pub struct Peer {
    name: &'static str,
    process: Process,
    pub port: u16,
    _folder: TempDir,
}

impl Peer {
    fn ours(commit: bool) -> Peer {
        let (folder, port) = (folder(), free_port());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--serve-broker").arg(port.to_string()).arg(if commit { "commit" } else { "none" });
        if commit {
            command.arg(folder.path());
        }
        let process = Process(command.stdin(Stdio::null()).spawn().unwrap());
        listens(port);
        Peer { name: if commit { "ours, SQLite and fsync" } else { "ours, no commit" }, process, port, _folder: folder }
    }

    /// Where it is installed.
    pub fn mosquitto() -> Option<Peer> {
        let program = find("mosquitto")?;
        let (folder, port) = (folder(), free_port());
        let file = folder.path().join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn().unwrap());
        listens(port);
        Some(Peer { name: "mosquitto", process, port, _folder: folder })
    }

    /// All there are.
    fn all() -> Vec<Peer> {
        let mut peers = vec![Peer::ours(false), Peer::ours(true)];
        peers.extend(Peer::mosquitto());
        peers
    }

    fn load(&self, settings: Settings) -> Measured {
        let before = self.process.usage();
        let report = load(Settings { connect: format!("127.0.0.1:{}", self.port), ..settings });
        let cpu_us = (self.process.usage().cpu_s - before.cpu_s) * 1e6 / report.acked.max(1) as f64;
        Measured { report, cpu_us }
    }
}

struct Measured {
    report: Report,
    cpu_us: f64,
}

fn settings(duration: Duration) -> Settings {
    Settings { shape: Shape::Bytes(100), topic: "load/{n}".into(), duration: Some(duration), ..Settings::new("") }
}

/// The median of three by `key`, for each peer, measured in turn.
fn in_turn(peers: &[Peer], settings: &Settings, key: fn(&Measured) -> f64) -> Vec<Measured> {
    let mut all: Vec<Vec<Measured>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..3 {
        for (peer, list) in peers.iter().zip(&mut all) {
            list.push(peer.load(settings.clone()));
        }
    }
    let median = |mut list: Vec<Measured>| {
        list.sort_by(|a, b| key(a).total_cmp(&key(b)));
        list.remove(1)
    };
    all.into_iter().map(median).collect()
}

pub fn broker(figures: &mut Figures) {
    let peers = Peer::all();
    let cases = [
        ("1 connection, 1 in flight", 1, 1, [Target::AtLeast(1.0), Target::None]),
        ("1 connection, 200 in flight", 1, 200, [Target::AtLeast(10.0), Target::AtLeast(3.0)]),
        ("50 connections, 10 in flight each", 50, 500, [Target::None, Target::None]),
    ];
    for (what, connections, window, targets) in cases {
        // One QoS 0 listener, as in the trials that the targets come from.
        let listening = Listening { filter: "load/#".into(), subscribers: 1, qos: 0, persistent: false };
        let settings = Settings {
            connections,
            pace: Pace::InFlight(window),
            listening: Some(listening),
            drain: Duration::from_secs(3),
            ..settings(seconds(figures, 3))
        };
        let measured = in_turn(&peers, &settings, |measured| measured.report.acked_per_s);
        for (peer, measured) in peers.iter().zip(&measured) {
            figures.add(format!("{what}: {}", peer.name), measured.report.acked_per_s, "msg/s", Target::None);
            figures.add(format!("{what}: {}, CPU", peer.name), measured.cpu_us, "µs/msg", Target::None);
        }
        if let [none, commit, mosquitto] = measured.as_slice() {
            for (name, ours, target) in [("no commit", none, targets[0]), ("commit", commit, targets[1])] {
                let ratio = ours.report.acked_per_s / mosquitto.report.acked_per_s;
                figures.add(format!("{what}: {name}, times Mosquitto"), ratio, "×", target);
            }
        }
    }
}

/// One publisher, fifty who listen.
pub fn fanout(figures: &mut Figures) {
    let peers: Vec<Peer> = [Some(Peer::ours(false)), Peer::mosquitto()].into_iter().flatten().collect();
    for qos in [0, 1] {
        let listening = Listening { filter: "load/#".into(), subscribers: 50, qos, persistent: false };
        let settings = Settings {
            qos: 1,
            pace: Pace::InFlight(50),
            count: Some(if figures.brief { 4_000 } else { 20_000 }),
            duration: None,
            listening: Some(listening),
            drain: Duration::from_secs(30),
            ..settings(Duration::ZERO)
        };
        let measured = in_turn(&peers, &settings, |measured| measured.report.delivered_per_s);
        for (peer, Measured { report, cpu_us }) in peers.iter().zip(&measured) {
            figures.add(
                format!("1 to 50, QoS {qos}: {}", peer.name),
                report.delivered_per_s,
                "deliveries/s",
                Target::None,
            );
            figures.add(format!("1 to 50, QoS {qos}: {}, CPU", peer.name), cpu_us / 50.0, "µs/delivery", Target::None);
            figures.add(format!("1 to 50, QoS {qos}: {}, missing", peer.name), report.missing as f64, "", Target::None);
        }
        if let [ours, mosquitto] = measured.as_slice() {
            let ratio = ours.report.delivered_per_s / mosquitto.report.delivered_per_s;
            figures.add(format!("1 to 50, QoS {qos}: times Mosquitto"), ratio, "×", Target::None);
        }
    }
}

/// A thousand connections that say nothing.
pub fn idle(figures: &mut Figures) {
    const CONNECTIONS: usize = 1000;
    let settings = |connect: String, logins| Settings {
        connect,
        logins,
        connections: 0,
        idle: CONNECTIONS,
        keep_alive_s: 600,
        ping_every: Duration::from_secs(300),
        ..settings(Duration::from_secs(3))
    };
    let house = House::found("", async |_| {});
    let daemon = house.start();
    let login = vec![(house.credentials.username.clone(), house.credentials.password.clone())];
    let ours = Peer::ours(false);
    let mosquitto = Peer::mosquitto();
    let mut measured = vec![("the daemon", &daemon, house.port, login, Target::AtMost(4.0))];
    measured.push(("our broker alone", &ours.process, ours.port, Vec::new(), Target::AtMost(4.0)));
    if let Some(peer) = &mosquitto {
        measured.push((peer.name, &peer.process, peer.port, Vec::new(), Target::None));
    }
    for (name, process, port, logins, target) in measured {
        std::thread::sleep(Duration::from_secs(1));
        let before = process.memory_mib("VmRSS");
        let run = settings(format!("127.0.0.1:{port}"), logins);
        let (report, with) = std::thread::scope(|scope| {
            let running = scope.spawn(move || load(run));
            // The connections are held for three seconds after the last is open.
            let mut most = before;
            while !running.is_finished() {
                most = most.max(process.memory_mib("VmRSS"));
                std::thread::sleep(Duration::from_millis(100));
            }
            (running.join().unwrap(), most)
        });
        let each = (with - before) * 1024.0 / report.idle_opened.max(1) as f64;
        figures.add(format!("{name}: an idle connection"), each, "KiB", target);
        if report.idle_opened < CONNECTIONS as u64 || report.errors > 0 {
            let why = report.last_error.unwrap_or_default();
            figures.note(&format!("{name}: {} of {CONNECTIONS} came in; {why}", report.idle_opened));
        }
    }
}
