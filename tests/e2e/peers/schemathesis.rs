//! schemathesis, which nobody here wrote, reads the API's own description and asks for everything in it, well-formed and
//! not: no answer is a server's failure.

use std::path::PathBuf;

use domovoi::policy::Role;
use e2e::{NOON, Site, hand_clock, settings_text};
use tokio::io::{AsyncWriteExt as _, copy, sink};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::process::Command;

/// Text is sent as it is made up, whatever it is called.
const HOOKS: &str = r#"
import schemathesis

@schemathesis.serializer("application/toml")
def as_it_is(ctx, value):
    return str(value).encode()
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs schemathesis"]
async fn nothing_that_can_be_asked_of_the_api_is_a_failure_of_the_server() {
    let peers = std::env::var("DOMOVOI_PEERS").expect("DOMOVOI_PEERS names no folder: run .ci/run");
    let program = std::path::Path::new(&peers).join("python/bin/schemathesis");
    let folder = tempfile::tempdir().unwrap();
    let site = Site::in_clear(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    site.owner().await;
    site.person("Петя", "petya", Role::Child).await;
    // As the console: no limit on how often it may ask, no right that it lacks, so that the handlers are reached.
    let socket = folder.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let served = tokio::spawn(domovoi::web::serve(listener, site.desk.clone(), std::future::pending()));
    let api = in_between(socket).await;
    let examples = if std::env::var_os("DOMOVOI_FULL").is_some() { "100" } else { "12" };
    std::fs::write(folder.path().join("hooks.py"), HOOKS).unwrap();
    let mut command = Command::new(&program);
    command
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", folder.path())
        .arg("run")
        .arg(format!("{api}/api/v1/openapi.json"))
        .args(["--checks", "not_a_server_error", "--max-examples", examples, "--workers", "2", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--suppress-health-check", "all"])
        .args(["--exclude-path-regex", "/(events|live)$"])
        // One connection a request: a server hangs up after a body that it did not read.
        .args(["--header", "Connection: close"])
        .current_dir(folder.path())
        .kill_on_drop(true);
    let done = command.output().await.unwrap_or_else(|error| panic!("{}: {error}: run .ci/run", program.display()));
    let said = String::from_utf8_lossy(&done.stdout);
    let tail: String =
        said.lines().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
    assert!(done.status.success(), "{tail}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("Tested:") || said.contains("tested"), "nothing was tried:\n{tail}");
    served.abort();
    let _ = served.await;
    site.stop().await;
}

/// A port that leads to a socket.
async fn in_between(socket: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let inside = UnixStream::connect(&socket).await.unwrap();
            let (mut asks, mut hears) = outside.into_split();
            let (mut answers, mut takes) = inside.into_split();
            // A server may answer and hang up before it has read the whole body: the answer still has to arrive, so the
            // two ways end each by itself, and what nobody takes any more is read and thrown away.
            tokio::spawn(async move {
                let _ = copy(&mut asks, &mut takes).await;
                let _ = takes.shutdown().await;
                let _ = copy(&mut asks, &mut sink()).await;
            });
            tokio::spawn(async move {
                let _ = copy(&mut answers, &mut hears).await;
                let _ = hears.shutdown().await;
            });
        }
    });
    origin
}
