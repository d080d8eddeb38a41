//! Peers that nobody here wrote: an OpenID-certified authorization server, the JOSE and JSON Schema libraries of npm,
//! Mosquitto, pebble. What they need is installed by `.ci/run`; a plain `cargo test` leaves these tests out.
//!
//! Here: how such a program is found, started and talked to. A test ends the processes that it started, and no others.

#![expect(clippy::panic, reason = "a test that cannot go on fails, and says where")]

mod authorization;
mod channels;
mod citizen;
mod documents;
mod foreign;
mod icalendar;
mod identity;
mod mosquitto;
mod pebble;
mod schemathesis;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const HOW: &str = "run .ci/run, or: npm install --prefix DIR oidc-provider@9 jose@6 ajv@8 ajv-formats@3 yaml@2 \
                   @seriousme/openapi-schema-validator@2, and set DOMOVOI_PEERS=DIR";

/// The scripts of tests/peers in a folder where Node finds the peers' modules: it looks beside a script, so a copy of the
/// scripts stands beside a link to them.
struct Scripts {
    folder: TempDir,
}

impl Scripts {
    fn new() -> Self {
        let Some(peers) = std::env::var_os("DOMOVOI_PEERS").map(PathBuf::from) else {
            panic!("DOMOVOI_PEERS names no folder: {HOW}");
        };
        let modules = peers.join("node_modules");
        assert!(modules.is_dir(), "there is no {}: {HOW}", modules.display());
        let modules = std::fs::canonicalize(modules).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).unwrap();
        for script in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")).unwrap() {
            let script = script.unwrap();
            std::fs::copy(script.path(), folder.path().join(script.file_name())).unwrap();
        }
        Scripts { folder }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command.arg("--no-warnings").arg(self.folder.path().join(script)).stderr(Stdio::piped());
        command
    }

    /// Runs a script to its end, with this JSON on its standard input.
    async fn run(&self, script: &str, arguments: &[&Path], input: &serde_json::Value) -> Output {
        let mut command = self.command(script);
        command.args(arguments);
        fed(command, input.to_string().as_bytes()).await
    }

    /// The same, for a script that must succeed: what it printed, as JSON.
    async fn answer(&self, script: &str, arguments: &[&Path], input: &serde_json::Value) -> serde_json::Value {
        let output = self.run(script, arguments, input).await;
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Runs a program to its end with this on its standard input.
async fn fed(mut command: Command, input: &[u8]) -> Output {
    let shown = format!("{:?}", command.as_std().get_program());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|why| panic!("{shown} cannot be started ({why}): {HOW}"));
    let mut stdin = child.stdin.take().unwrap();
    // A program may end without having read everything.
    let feeding = async {
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feeding);
    output.unwrap()
}

/// A program that runs beside the test, read line by line; killed when it is dropped.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _stdin: ChildStdin,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let shown = format!("{:?}", command.as_std().get_program());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|why| panic!("{shown} cannot be started ({why}): see .ci/run"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        Running { child, lines, _stdin: stdin }
    }

    /// The next line that is wanted; the others are passed over.
    async fn line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if wanted(&line) {
                    return line;
                }
            }
            panic!("the program ended before {what}");
        };
        let patience = std::time::Duration::from_secs(60);
        tokio::time::timeout(patience, reading).await.unwrap_or_else(|_| panic!("never printed: {what}"))
    }
}
