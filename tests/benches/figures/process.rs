//! Another process seen from outside, through /proc; and the machine that all of them share.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use firmware_sim::load::Histogram;

use crate::figures::Figures;

/// A child that ends with its owner.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu_s: f64,
    /// Sent to the disk: 0 on a file system that has none.
    pub written_bytes: u64,
}

impl Process {
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).unwrap_or_default()
    }

    pub fn usage(&self) -> Usage {
        let stat = self.read("stat");
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let ticks: f64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        let written = self.read("io").lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
        Usage { cpu_s: ticks / 100.0, written_bytes: written.unwrap_or(0) }
    }

    /// `VmRSS` or `VmHWM`, in MiB.
    pub fn memory_mib(&self, which: &str) -> f64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    }

    /// Lets the peak begin anew.
    pub fn forget_peak(&self) {
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.0.id()), "5");
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens there.
pub fn listens(port: u16) {
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A folder on the disk that the workspace is on: a temporary one may lie in memory.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// How long an fsync of 4 KiB takes in this folder.
pub fn fsyncs(folder: &Path) -> Histogram {
    let mut file = File::create(folder.join("fsync")).unwrap();
    let mut took = Histogram::default();
    for _ in 0..300 {
        file.write_all(&[0; 4096]).unwrap();
        let begun = Instant::now();
        file.sync_data().unwrap();
        took.record(begun.elapsed());
    }
    took
}

pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let sbin = [PathBuf::from("/usr/sbin")];
    std::env::split_paths(&path).chain(sbin).map(|folder| folder.join(program)).find(|file| file.is_file())
}

pub fn describe_machine(figures: &mut Figures) {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let folder = folder();
    let fsync = fsyncs(folder.path());
    let millis = |permille| fsync.at_permille(permille) as f64 / 1e6;
    figures.machine = vec![
        format!("Machine: {cores} cores, {}.", model.unwrap_or("of an unknown kind")),
        format!("Load average before the run: {}.", load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        format!("fsync of 4 KiB: p50 {:.2} ms, p99 {:.2} ms.", millis(500), millis(990)),
    ];
}
