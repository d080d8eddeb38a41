//! A daemon of another process on a disk that can be made slow, full or failing, under load from this process. What was
//! acknowledged is looked for in its store while no daemon runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use domovoi_model::Timestamp;
use domovoi_store::Store;
use domovoi_vault::MasterKey;
use e2e::{issue, settings_text, until};
use firmware_sim::load::{Listening, Outcome, Pace, Progress, Settings, Shape, run_watched};
use firmware_sim::world::Credentials;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

const DAEMON: &str = env!("CARGO_BIN_EXE_domovoi-under-test");
const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/faults/disk_shim.c");

/// A house under siege.
pub struct Siege {
    folder: TempDir,
    port: u16,
    shim: PathBuf,
    credentials: Credentials,
}

/// A load that runs beside.
pub struct Load {
    pub progress: Arc<Progress>,
    running: JoinHandle<Outcome>,
}

impl Load {
    /// Ends the load, heard out to the last acknowledgement and delivery.
    pub async fn ended(self) -> Outcome {
        self.progress.stop();
        self.running.await.unwrap()
    }

    pub fn acknowledged(&self) -> u64 {
        self.progress.acknowledged.load(Relaxed)
    }

    pub async fn reaches(&self, acknowledged: u64) {
        until(&format!("{acknowledged} messages are acknowledged"), || async {
            (self.acknowledged() >= acknowledged).then_some(())
        })
        .await;
    }

    /// Waits until so many looks in a row find nothing new: the disk takes nothing any more.
    pub async fn stalls(&self) {
        let mut before = (self.acknowledged(), 0);
        until("nothing is acknowledged any more", || {
            let now = self.acknowledged();
            before = if now == before.0 { (now, before.1 + 1) } else { (now, 0) };
            let still = before.1 >= 40;
            async move { still.then_some(()) }
        })
        .await;
    }
}

impl Siege {
    /// A folder with a key, a store and a credential; no daemon runs yet.
    pub async fn lay() -> Siege {
        let folder = tempfile::tempdir().unwrap();
        let shim = shim(folder.path());
        let hub = folder.path().join("hub");
        let settings = domovoi_store::Settings::new(&hub);
        std::fs::create_dir(&hub).unwrap();
        std::fs::set_permissions(&hub, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let master = MasterKey::create_file(&hub.join("master.key")).unwrap();
        let store = Store::open(&settings, &master).await.unwrap();
        let credentials = issue(&store, "load", &["zigbee2mqtt/#", "load/#"], &["zigbee2mqtt/#", "load/#"]).await;
        store.close().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let siege = Siege { folder, port, shim, credentials };
        let text = settings_text(None).replace(
            "listen = [\"127.0.0.1:1\"]",
            // A listener that is slow for a while must not be the reason for a loss.
            &format!("listen = [\"127.0.0.1:{port}\"]\nqueue_messages = 100000\nqueue_size = \"64 MiB\""),
        );
        std::fs::write(siege.path("domovoi.toml"), text).unwrap();
        siege.disk("");
        siege
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn broker(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What the disk does from now on; nothing is a sound one. Replaced whole: half a rule would be another.
    pub fn disk(&self, rules: &str) {
        std::fs::write(self.path("rules.part"), rules).unwrap();
        std::fs::rename(self.path("rules.part"), self.path("rules")).unwrap();
    }

    /// A daemon, perhaps not ready yet.
    pub fn begin(&self) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.path("daemon.log")).unwrap();
        Command::new(DAEMON)
            .arg("--config")
            .arg(self.path("domovoi.toml"))
            .arg("run")
            .env("LD_PRELOAD", &self.shim)
            .env("DISK_SHIM_FOLDER", self.path("hub"))
            .env("DISK_SHIM_RULES", self.path("rules"))
            // The machine's clock, unless a test writes another.
            .env("DOMOVOI_TEST_CLOCK", self.path("clock"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// A daemon that takes connections.
    pub async fn start(&self) -> Child {
        let mut child = self.begin();
        let broker = self.broker();
        let listens = until("the daemon listens, or gives up", || {
            let over = child.try_wait().unwrap().is_some();
            let broker = broker.clone();
            async move {
                let listens = TcpStream::connect(&broker).await.is_ok();
                (listens || over).then_some(!over)
            }
        })
        .await;
        assert!(listens, "the daemon does not start:\n{}", self.log());
        child
    }

    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.path("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// 2,000 messages a second from 20 connections, retained, one value in each, with sessions that persist and one
    /// persistent listener.
    pub fn load(&self, qos: u8) -> Load {
        let progress = Arc::new(Progress::default());
        let settings = Settings {
            logins: vec![(self.credentials.username.clone(), self.credentials.password.clone())],
            connections: 20,
            devices: 40,
            qos,
            retain: true,
            persistent: true,
            pace: Pace::PerSecond(2000.0),
            // Until the test has seen enough: how much passes between two kills is the machine's affair.
            count: Some(u64::MAX),
            shape: Shape::Sensor,
            most_in_flight: 200,
            listening: Some(Listening { filter: "zigbee2mqtt/#".into(), subscribers: 1, qos, persistent: true }),
            drain: Duration::from_secs(40),
            ..Settings::new(self.broker())
        };
        let watched = Arc::clone(&progress);
        let running = tokio::spawn(async move { run_watched(settings, watched).await.unwrap() });
        Load { progress, running }
    }

    /// How often each message stands in history, whether it was folded into a block by now or not. No daemon may run.
    pub async fn history(&self) -> BTreeMap<u64, u32> {
        let master = MasterKey::from_file(&self.path("hub/master.key")).unwrap();
        let store = Store::open(&domovoi_store::Settings::new(self.path("hub")), &master).await.unwrap();
        let mut found = BTreeMap::new();
        let mut all = store.history().export(None, Timestamp(i64::MIN), Timestamp(i64::MAX));
        while let Some(page) = all.next().await.unwrap() {
            assert!(page.troubles.is_empty(), "{:?}", page.troubles);
            for point in page.points.iter().filter(|_| page.property == "n") {
                let number = point.value.number().unwrap();
                *found.entry(u64::try_from(number).unwrap()).or_insert(0) += 1;
            }
        }
        store.close().await;
        found
    }

    /// What a run must leave behind, whatever was done to the daemon meanwhile.
    pub async fn nothing_is_lost(&self, qos: u8, outcome: &Outcome) {
        let report = &outcome.report;
        assert_eq!(
            (report.acked, report.unacknowledged, report.refused),
            (report.sent, 0, 0),
            "{report:?}\n{}",
            self.log()
        );
        let history = self.history().await;
        let missing: Vec<u64> =
            outcome.acknowledged.iter().map(|number| number + 1).filter(|id| !history.contains_key(id)).collect();
        assert!(
            missing.is_empty(),
            "{} acknowledged and not in history: {:?}",
            missing.len(),
            &missing[..missing.len().min(20)]
        );
        assert_eq!(report.sessions_lost, 0, "{report:?}");
        assert_eq!(report.missing, 0, "acknowledged and not with the listener: {report:?}");
        if qos == 2 {
            let twice: Vec<_> = history.iter().filter(|(_, times)| **times > 1).collect();
            assert!(twice.is_empty(), "{} stand twice in history: {twice:?}", twice.len());
            assert_eq!(report.repeated, 0, "{report:?}");
        }
    }

    /// Each device's last message is the retained one.
    pub async fn last_words_are_retained(&self, outcome: &Outcome) {
        let mut wanted: BTreeMap<u64, u64> = BTreeMap::new();
        let settings = Settings { connections: 20, devices: 40, ..Settings::new("") };
        for id in outcome.acknowledged.iter().map(|number| number + 1) {
            wanted.insert(settings.device_of(id), id);
        }
        let listening = Listening { filter: "zigbee2mqtt/#".into(), subscribers: 1, qos: 1, persistent: false };
        let asked = Settings {
            logins: vec![(self.credentials.username.clone(), self.credentials.password.clone())],
            client_prefix: "afterwards".into(),
            connections: 0,
            duration: Some(Duration::ZERO),
            listening: Some(listening),
            drain: Duration::from_secs(20),
            // They are there when as many have come as there are devices.
            expected: wanted.len() as u64,
            ..Settings::new(self.broker())
        };
        let seen = run_watched(asked, Arc::default()).await.unwrap().seen;
        let retained: Vec<u64> = seen[0].iter().map(|number| number + 1).collect();
        let mut wanted: Vec<u64> = wanted.into_values().collect();
        wanted.sort_unstable();
        assert_eq!(retained, wanted);
    }
}

/// Built with the C compiler of the machine; each test builds its own, so that none reads a half-written one.
fn shim(folder: &Path) -> PathBuf {
    let built = folder.join("disk_shim.so");
    let done = std::process::Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&built)
        .arg(SHIM)
        .args(["-ldl", "-lpthread"])
        .status()
        .unwrap();
    assert!(done.success(), "the disk shim is not built");
    built
}
