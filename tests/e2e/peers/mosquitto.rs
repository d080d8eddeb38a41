//! Mosquitto, in both directions: the hub joins one that the home already has and loses nothing that waited there; and
//! Mosquitto's own clients speak to the hub's broker, in both versions of MQTT.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;

use domovoi::web::secret_name;
use e2e::{Home, NOON, POINT, WATER_ID, hand_clock, settings_text, until};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::Command;

use super::{Running, fed};

/// The topic on which a wmbusmeters in the home tells of the water meter.
const TOPIC: &str = "wmbusmeters/kitchen";
/// The hub's name and password at a broker of others.
const LOGIN: (&str, &str) = ("domovoi", "of-the-hub");

fn telegram(litres: u32) -> String {
    format!(
        "{{\"_\":\"telegram\",\"media\":\"water\",\"meter\":\"iperl\",\"name\":\"kitchen\",\"id\":\"{WATER_ID}\",\
         \"total_m3\":{},\"status\":\"OK\",\"timestamp\":\"2026-11-20T12:00:00Z\"}}",
        cubic_metres(litres)
    )
}

fn cubic_metres(litres: u32) -> String {
    format!("{}.{:03}", litres / 1000, litres % 1000)
}

/// Debian keeps the broker where only root looks. `stdbuf` has it print each line at once, into a pipe too; it is the
/// program itself that is then waited for and ended, for `stdbuf` becomes it.
fn program(name: &str) -> Command {
    let there = Path::new("/usr/sbin").join(name);
    let mut command = Command::new("stdbuf");
    command.arg("-oL").arg(if there.exists() { there.as_path() } else { Path::new(name) });
    command.kill_on_drop(true);
    command
}

/// A client of Mosquitto's, for a broker on this machine.
struct Client {
    port: u16,
    login: Option<(String, String)>,
    version: &'static str,
}

impl Client {
    fn command(&self, name: &str, more: &[&str]) -> Command {
        let mut command = program(name);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-V", self.version]);
        if let Some((user, password)) = &self.login {
            command.args(["-u", user, "-P", password]);
        }
        command.args(more);
        command
    }

    async fn publish(&self, more: &[&str]) -> Output {
        fed(self.command("mosquitto_pub", more), b"").await
    }

    /// Publishes; the broker must take it.
    async fn tell(&self, more: &[&str]) {
        let output = self.publish(more).await;
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && why.is_empty(), "mosquitto_pub {more:?}: {why}");
    }

    /// Subscribes; when this returns, the broker has acknowledged it.
    async fn listen(&self, more: &[&str]) -> Running {
        let mut command = self.command("mosquitto_sub", &["-d", "-q", "1", "-F", "heard|%t|%q|%r|%p"]);
        command.args(more);
        let mut running = Running::start(command);
        running.line("that it is subscribed", |line| line.starts_with("Subscribed")).await;
        running
    }
}

async fn heard(listener: &mut Running) -> String {
    let line = listener.line("a message", |line| line.starts_with("heard|")).await;
    line.trim_start_matches("heard|").to_owned()
}

/// The broker that the home already has.
struct Mosquitto {
    client: Client,
    _running: Running,
    _folder: TempDir,
}

impl Mosquitto {
    async fn start() -> Mosquitto {
        let folder = tempfile::tempdir().unwrap();
        let passwords = folder.path().join("passwords");
        for (n, (user, password)) in [LOGIN, ("wmbusmeters", "of-the-receiver")].into_iter().enumerate() {
            let mut command = program("mosquitto_passwd");
            if n == 0 {
                command.arg("-c");
            }
            command.arg("-b").arg(&passwords).args([user, password]);
            let output = fed(command, b"").await;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let access = folder.path().join("access");
        std::fs::write(&access, "user domovoi\ntopic read #\n\nuser wmbusmeters\ntopic write wmbusmeters/#\n").unwrap();
        // Mosquitto cannot choose a port itself, and between our choice and its binding another may take it.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let settings = folder.path().join("mosquitto.conf");
            // `user` counts only for a broker that root starts: it then goes on reading its files as root.
            let text = format!(
                "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\nacl_file {}\nuser root\n",
                passwords.display(),
                access.display(),
            );
            std::fs::write(&settings, text).unwrap();
            let mut command = program("mosquitto");
            command.arg("-c").arg(&settings);
            let mut running = Running::start(command);
            let login = Some(("wmbusmeters".to_owned(), "of-the-receiver".to_owned()));
            let client = Client { port, login, version: "311" };
            // Its passwords are known to nobody else: whoever lets us in is the broker that was started here.
            while running.child.try_wait().unwrap().is_none() {
                if client.publish(&["-q", "1", "-t", "wmbusmeters/ready", "-n"]).await.status.success() {
                    return Mosquitto { client, _running: running, _folder: folder };
                }
            }
        }
        panic!("Mosquitto does not start: apt-get install mosquitto mosquitto-clients");
    }

    fn settings(&self) -> String {
        let text = settings_text(None).replace("[mqtt]\n", "[mqtt]\nenabled = false\n");
        format!(
            "{text}\n[external_broker]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\npassword_secret = \"home\"\n",
            self.client.port, LOGIN.0
        )
    }

    /// One telegram for each value, in one connection, at QoS 1.
    async fn telegrams(&self, litres: std::ops::Range<u32>) {
        let lines: String = litres.map(|litres| telegram(litres) + "\n").collect();
        let command = self.client.command("mosquitto_pub", &["-q", "1", "-t", TOPIC, "-l"]);
        let output = fed(command, lines.as_bytes()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A hub whose store has the broker's password and the water meter, and which has joined the broker once.
async fn joined(folder: &Path, mosquitto: &Mosquitto) -> Home {
    let clock = hand_clock(NOON);
    let text = mosquitto.settings().replace("[external_broker]", "[[ignored]]");
    let alone = text.split("[[ignored]]").next().unwrap();
    let home = Home::start(folder, alone, clock.clone()).await;
    home.store.secrets().put(&secret_name("home"), LOGIN.1.as_bytes()).await.unwrap();
    home.add_water().await;
    home.stop().await;
    let home = Home::start(folder, &mosquitto.settings(), clock).await;
    // Before its first subscription the broker keeps nothing for the hub, so the first telegram may have to be repeated.
    until("the hub has joined", || async {
        mosquitto.telegrams(1000..1001).await;
        home.ledger(POINT).await.contains(&cubic_metres(1000)).then_some(())
    })
    .await;
    home
}

/// Waits until the ledger's last value is this one; gives the values since the joining, repetitions left out.
async fn ledger_up_to(home: &Home, last: u32) -> Vec<String> {
    until("the last telegram is in the ledger", || async {
        let mut values = home.ledger(POINT).await;
        values.dedup();
        let since = values.iter().position(|value| *value == cubic_metres(1000)).unwrap();
        (values.last() == Some(&cubic_metres(last))).then(|| values.split_off(since))
    })
    .await
}

fn values(litres: std::ops::RangeInclusive<u32>) -> Vec<String> {
    litres.map(cubic_metres).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto and mosquitto-clients"]
async fn what_waited_at_mosquitto_while_the_hub_was_stopped_is_delivered_afterwards() {
    let mosquitto = Mosquitto::start().await;
    let folder = tempfile::tempdir().unwrap();
    let home = joined(folder.path(), &mosquitto).await;
    home.stop().await;
    mosquitto.telegrams(1001..1041).await;
    let home = Home::start(folder.path(), &mosquitto.settings(), hand_clock(NOON)).await;
    assert_eq!(ledger_up_to(&home, 1040).await, values(1000..=1040));
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto and mosquitto-clients"]
async fn a_hub_killed_in_the_middle_of_a_queue_finds_the_rest_of_it_at_mosquitto() {
    let mosquitto = Mosquitto::start().await;
    let folder = tempfile::tempdir().unwrap();
    joined(folder.path(), &mosquitto).await.stop().await;
    let (settings, clock) = (folder.path().join("test.toml"), folder.path().join("clock"));
    std::fs::write(&settings, mosquitto.settings()).unwrap();
    std::fs::write(&clock, NOON.0.to_string()).unwrap();
    let hub = |words: &[&str]| {
        let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_domovoi-under-test")));
        command.arg("--config").arg(&settings).args(words).env("DOMOVOI_TEST_CLOCK", &clock).kill_on_drop(true);
        command
    };
    let mut litres = 1001;
    for _ in 0..3 {
        mosquitto.telegrams(litres..litres + 30).await;
        let mut daemon = hub(&["run"]);
        daemon.current_dir(folder.path()).stdin(std::process::Stdio::null());
        daemon.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut daemon = daemon.spawn().unwrap();
        // A command that finds no daemon does its work itself, and would keep the daemon out of the folder meanwhile.
        let socket = folder.path().join("hub/control.sock");
        until("the daemon answers", || async { UnixStream::connect(&socket).await.ok() }).await;
        until("the daemon has read something of the queue", || async {
            let told = fed(hub(&["meter", "history", POINT, "--limit", "1", "--json"]), b"").await;
            let told: Value = serde_json::from_slice(&told.stdout).ok()?;
            // All have the same number of digits.
            (told["readings"][0]["value"].as_str()? >= cubic_metres(litres).as_str()).then_some(())
        })
        .await;
        // While this is being published, and read by the hub.
        tokio::join!(mosquitto.telegrams(litres + 30..litres + 60), async {
            tokio::task::yield_now().await;
            daemon.kill().await.unwrap();
        });
        litres += 60;
    }
    let home = Home::start(folder.path(), &mosquitto.settings(), hand_clock(NOON)).await;
    assert_eq!(ledger_up_to(&home, litres - 1).await, values(1000..=litres - 1));
    home.stop().await;
}

/// A hub with its own broker, and a client of Mosquitto's with a login there.
async fn own_broker(version: &'static str) -> (TempDir, Home, Client) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    home.add_water().await;
    let issued = home.credential("peer", &["wmbusmeters/#", "home/#"], &["home/#"]).await;
    let client = Client { port: home.mqtt.port(), login: Some((issued.username, issued.password)), version };
    (folder, home, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto-clients"]
async fn mosquittos_clients_publish_subscribe_retain_and_leave_wills_at_the_hubs_broker() {
    for version in ["311", "5"] {
        let (_folder, home, client) = own_broker(version).await;
        client.tell(&["-q", "1", "-t", TOPIC, "-m", &telegram(1234)]).await;
        // The acknowledgement that mosquitto_pub has waited for says that the sample is durable.
        until("the ledger follows", || async { home.ledger(POINT).await.contains(&cubic_metres(1234)).then_some(()) })
            .await;

        let mut listener = client.listen(&["-t", "home/#"]).await;
        for qos in ["0", "1", "2"] {
            client.tell(&["-q", qos, "-t", "home/живой", "-m", qos]).await;
            assert_eq!(heard(&mut listener).await, format!("home/живой|{}|0|{qos}", if qos == "0" { 0 } else { 1 }));
        }
        client.tell(&["-q", "1", "-r", "-t", "home/kept", "-m", "yes"]).await;
        assert_eq!(heard(&mut listener).await, "home/kept|1|0|yes");
        let mut late = client.listen(&["-t", "home/#"]).await;
        assert_eq!(heard(&mut late).await, "home/kept|1|1|yes");
        client.tell(&["-q", "1", "-r", "-t", "home/kept", "-n"]).await;
        assert_eq!(heard(&mut listener).await, "home/kept|1|0|");
        let mut later = client.listen(&["-t", "home/#"]).await;
        client.tell(&["-q", "1", "-t", "home/end", "-m", ""]).await;
        assert_eq!(heard(&mut later).await, "home/end|1|0|", "what was cleared is not kept");
        assert_eq!(heard(&mut listener).await, "home/end|1|0|");

        let will = ["--will-topic", "home/will", "--will-payload", "gone", "--will-qos", "1", "--will-retain"];
        let mut mortal = client.listen(&[&["-t", "home/none"], &will[..]].concat()).await;
        mortal.child.kill().await.unwrap();
        assert_eq!(heard(&mut listener).await, "home/will|1|0|gone");
        home.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto-clients"]
async fn the_hubs_broker_keeps_a_mosquitto_clients_session_and_its_queue() {
    for (version, expiry) in [("311", &[][..]), ("5", &["-x", "600"][..])] {
        let (_folder, home, client) = own_broker(version).await;
        let session = |more: &[&'static str]| {
            [&["-c", "-i", "keeper", "-q", "1", "-t", "home/#", "-F", "heard|%t|%q|%r|%p"], expiry, more].concat()
        };
        let subscribed = fed(client.command("mosquitto_sub", &session(&["-E"])), b"").await;
        assert!(subscribed.status.success(), "{}", String::from_utf8_lossy(&subscribed.stderr));
        for n in ["1", "2", "3"] {
            client.tell(&["-q", "1", "-t", "home/queue", "-m", n]).await;
        }
        let told = fed(client.command("mosquitto_sub", &session(&["-C", "3"])), b"").await;
        let told = String::from_utf8(told.stdout).unwrap();
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            ["heard|home/queue|1|0|1", "heard|home/queue|1|0|2", "heard|home/queue|1|0|3"]
        );
        home.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs mosquitto-clients"]
async fn the_hubs_broker_turns_a_mosquitto_client_away_that_has_no_business_there() {
    for version in ["311", "5"] {
        let (_folder, home, client) = own_broker(version).await;
        let wrong = Some(("peer".to_owned(), "guess".to_owned()));
        for login in [None, wrong] {
            let stranger = Client { login, ..Client { port: client.port, login: None, version } };
            let output = stranger.publish(&["-q", "1", "-t", TOPIC, "-m", &telegram(5000)]).await;
            assert!(!output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
        }
        // A topic that is not its own: nobody hears it.
        let all = home.credential("all", &["other/#"], &["#"]).await;
        let all = Client { port: client.port, login: Some((all.username, all.password)), version };
        let mut listener = all.listen(&["-t", "#"]).await;
        client.publish(&["-q", "1", "-t", "other/topic", "-m", "forbidden"]).await;
        all.tell(&["-q", "1", "-t", "other/topic", "-m", "allowed"]).await;
        assert_eq!(heard(&mut listener).await, "other/topic|1|0|allowed");
        assert!(home.ledger(POINT).await.iter().all(|value| *value != cubic_metres(5000)));
        home.stop().await;
    }
}
