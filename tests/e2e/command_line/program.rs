//! The real binary in a folder of its own, its clock stopped at `NOON`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use e2e::{NOON, until};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Its answer as JSON, which stands on one line.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.trim_end().lines().count(), 1, "not one line: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The program and its folder.
pub(crate) struct Program {
    folder: PathBuf,
}

impl Program {
    /// With this settings file.
    pub fn new(folder: &Path, settings: &str) -> Self {
        std::fs::write(folder.join("domovoi.toml"), settings).unwrap();
        std::fs::write(folder.join("clock"), NOON.0.to_string()).unwrap();
        Program { folder: folder.to_owned() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The data folder of `settings_text`.
    pub fn data(&self) -> PathBuf {
        self.folder.join("hub")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_domovoi-under-test"));
        command.args(args).current_dir(&self.folder).env("DOMOVOI_TEST_CLOCK", self.folder.join("clock"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub async fn say(&self, args: &[&str]) -> Said {
        self.say_in(args, b"").await
    }

    /// The same, with something on standard input.
    pub async fn say_in(&self, args: &[&str], input: &[u8]) -> Said {
        let mut child = self.command(args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may be gone by now.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        said(child).await
    }

    /// As text; it has to end well.
    pub async fn well(&self, args: &[&str]) -> String {
        let said = self.say(args).await;
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    /// As JSON; it has to end well.
    pub async fn json(&self, args: &[&str]) -> Value {
        let said = self.say(&[args, &["--json"]].concat()).await;
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.json()
    }

    /// As text, and it has to end with this code: what it said to the person.
    pub async fn fails(&self, args: &[&str], code: i32) -> String {
        let said = self.say(args).await;
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        assert_eq!(said.out, "", "{args:?}: a failure has no answer");
        assert!(!said.err.trim().is_empty() && !said.err.contains("panicked"), "{args:?}: {said:?}");
        said.err
    }

    /// As JSON, and it has to end with this code.
    pub async fn fails_json(&self, args: &[&str], code: i32) -> Value {
        let said = self.say(&[args, &["--json"]].concat()).await;
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        let json = said.json();
        assert_eq!(json["code"], code, "{args:?}: {json}");
        json
    }

    /// Starts a command that goes on, and lets each line of its standard error be looked at as it comes.
    pub async fn follow(&self, args: &[&str], mut line: impl FnMut(&str) + Send + 'static) -> Said {
        let mut child = self.command(args).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        while let Some(text) = lines.next_line().await.unwrap() {
            line(&text);
        }
        said(child).await
    }

    /// Starts the daemon and waits until it can be spoken to.
    pub async fn daemon(&self) -> Daemon {
        let mut child = self.command(&["run"]).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let shared = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut log = shared.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let socket = self.data().join("control.sock");
        until("the daemon answers", || {
            assert!(child_lives(&mut child), "the daemon ended:\n{}", log.lock().unwrap());
            async { tokio::net::UnixStream::connect(&socket).await.ok() }
        })
        .await;
        Daemon { child, log }
    }
}

fn child_lives(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

async fn said(child: Child) -> Said {
    let done = tokio::time::timeout(std::time::Duration::from_secs(120), child.wait_with_output());
    let output = done.await.expect("the command ends").unwrap();
    Said {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A daemon that runs.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Daemon {
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Where its broker listens, as its log says.
    pub async fn mqtt(&self) -> SocketAddr {
        until("the log names the port", || async {
            let log = self.log();
            let (_, rest) = log.split_once("MQTT on ")?;
            rest.split_whitespace().next()?.parse().ok()
        })
        .await
    }

    /// SIGTERM, and a clean end.
    pub async fn stop(mut self) {
        kill(self.child.id().unwrap()).await;
        let status = self.child.wait().await.unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

/// Asks a process of ours to end.
async fn kill(pid: u32) {
    assert!(Command::new("kill").arg(pid.to_string()).status().await.unwrap().success());
}
