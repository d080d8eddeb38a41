//! The daemon as a process of its own: a fresh folder, free ports, one credential.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use domovoi_store::Store;
use domovoi_vault::MasterKey;
use e2e::issue;
use firmware_sim::load::{Settings, Shape};
use firmware_sim::world::Credentials;
use tempfile::TempDir;

use crate::process::{Process, folder, free_port, listens};

const DAEMON: &str = env!("CARGO_BIN_EXE_domovoi-under-test");

/// A folder with a store in it.
pub struct House {
    pub folder: TempDir,
    pub credentials: Credentials,
    pub port: u16,
}

impl House {
    /// `store`: more lines of `[store]`; `fill`: puts something into the store before any daemon runs.
    pub fn found(store: &str, fill: impl AsyncFnOnce(&Store)) -> House {
        let folder = folder();
        let hub = folder.path().join("hub");
        std::fs::create_dir(&hub).unwrap();
        std::fs::set_permissions(&hub, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let credentials = runtime.block_on(async {
            let master = MasterKey::create_file(&hub.join("master.key")).unwrap();
            let opened = Store::open(&domovoi_store::Settings::new(&hub), &master).await.unwrap();
            let credentials = issue(&opened, "bench", &["#"], &["#"]).await;
            fill(&opened).await;
            opened.close().await;
            credentials
        });
        let port = free_port();
        let text = format!(
            "[store]\ndata_dir = \"hub\"\n{store}\n[mqtt]\nlisten = [\"127.0.0.1:{port}\"]\nlisten_tls = [\"127.0.0.1:0\"]\nmax_connections = 2000\n\
             max_messages_per_second = 0\nmax_bytes_per_second = \"0 B\"\n\
             queue_messages = 100000\nqueue_size = \"64 MiB\"\n[web]\nlisten = [\"127.0.0.1:0\"]\nhelp_listen = []\n"
        );
        std::fs::write(folder.path().join("domovoi.toml"), text).unwrap();
        House { folder, credentials, port }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("hub/control.sock")
    }

    /// A daemon that listens.
    pub fn start(&self) -> Process {
        let process = self.begin(None);
        listens(self.port);
        process
    }

    /// The same on a disk that does what [`House::disk`] says: nothing wrong at first.
    pub fn start_on_disk(&self) -> Process {
        let shim = self.folder.path().join("disk_shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/faults/disk_shim.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&shim).arg(source).args(["-ldl", "-lpthread"]);
        assert!(compiler.status().unwrap().success(), "the disk shim is not built");
        self.disk("");
        let process = self.begin(Some(&shim));
        listens(self.port);
        process
    }

    /// What the disk does from now on. Replaced whole: half a rule would be another.
    pub fn disk(&self, rules: &str) {
        let path = |name: &str| self.folder.path().join(name);
        std::fs::write(path("rules.part"), rules).unwrap();
        std::fs::rename(path("rules.part"), path("rules")).unwrap();
    }

    /// A daemon that does not listen yet.
    pub fn begin(&self, shim: Option<&Path>) -> Process {
        let log = std::fs::File::create(self.folder.path().join("daemon.log")).unwrap();
        let mut command = Command::new(DAEMON);
        if let Some(shim) = shim {
            command
                .env("LD_PRELOAD", shim)
                .env("DISK_SHIM_FOLDER", self.folder.path().join("hub"))
                .env("DISK_SHIM_RULES", self.folder.path().join("rules"));
        }
        let child = command
            .arg("--config")
            .arg(self.folder.path().join("domovoi.toml"))
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(child)
    }

    /// A load of a hundred sensors with one value each.
    pub fn load(&self, duration: Duration) -> Settings {
        Settings {
            logins: vec![(self.credentials.username.clone(), self.credentials.password.clone())],
            shape: Shape::Sensor,
            duration: Some(duration),
            ..Settings::new(format!("127.0.0.1:{}", self.port))
        }
    }
}
