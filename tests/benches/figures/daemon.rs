//! The daemon as a process of its own: a fresh folder, free ports, one credential.

use std::path::PathBuf;
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
        let log = std::fs::File::create(self.folder.path().join("daemon.log")).unwrap();
        let child = Command::new(DAEMON)
            .arg("--config")
            .arg(self.folder.path().join("domovoi.toml"))
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let process = Process(child);
        listens(self.port);
        process
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
