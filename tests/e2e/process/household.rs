//! A household in a folder: its meter, its portal, and a daemon of another process that comes and goes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use domovoi::cli::Client;
use domovoi::clock::Clock;
use domovoi_model::Timestamp;
use e2e::{Home, NOON, POINT, WATER_ACCOUNT, hand_clock, sandbox, settings_text, until, water_world};
use firmware_sim::portal::SandboxPortal;
use firmware_sim::world::{Credentials, WaterMeter, World};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};

const DAEMON: &str = env!("CARGO_BIN_EXE_domovoi-under-test");

/// A household whose daemon comes and goes.
pub struct Household {
    pub folder: TempDir,
    /// The portal's clock and the devices'; the daemon reads the same time from a file.
    pub clock: Clock,
    pub portal: SandboxPortal,
    pub port: u16,
    pub credentials: Credentials,
    pub world: Option<World>,
    pub shows: Decimal,
    /// Every value with a PUBACK.
    pub acknowledged: BTreeSet<Decimal>,
    /// Begun so far.
    pub months: i64,
    /// The daemon that was killed last had asked for a new token.
    pub refreshed: bool,
}

impl Household {
    /// A meter, consent and a link; no daemon runs yet.
    pub async fn found() -> Household {
        let folder = tempfile::tempdir().unwrap();
        let clock = hand_clock(NOON);
        let portal = sandbox(&clock, |settings| {
            settings.lifetimes.refresh_token_s = 10 * 365 * 86_400;
            settings.accounts[0].takes_late = true;
        })
        .await;
        let text = settings_text(Some(&portal));
        let home = Home::start(folder.path(), &text, clock.clone()).await;
        home.add_water().await;
        home.metering.set_standing_consent(true).await.unwrap();
        home.link(&portal).await;
        let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
        home.stop().await;
        let mut household = Household {
            folder,
            clock,
            portal,
            port: 0,
            credentials,
            world: None,
            shows: Decimal::from(123),
            acknowledged: BTreeSet::new(),
            months: 0,
            refreshed: false,
        };
        household.turn_clock(NOON);
        household.take_port().await;
        household
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("hub/control.sock")
    }

    /// Replaced whole: half a number would be another time.
    pub fn turn_clock(&self, to: Timestamp) {
        self.clock.set(to);
        std::fs::write(self.path("clock.part"), to.0.to_string()).unwrap();
        std::fs::rename(self.path("clock.part"), self.path("clock")).unwrap();
    }

    /// A port that was free a moment ago, and the devices that look for the broker there.
    pub async fn take_port(&mut self) {
        self.leave_world().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = listener.local_addr().unwrap();
        drop(listener);
        self.port = broker.port();
        let text = settings_text(Some(&self.portal))
            .replace("127.0.0.1:1\"", &format!("127.0.0.1:{}\"", self.port))
            .replace("id = \"vodokanal\"", "id = \"vodokanal\"\nlate = \"send\"")
            .replace("retry_every = \"1 s\"", "retry_every = \"50 ms\"")
            .replace("read_back_every = \"1 s\"", "read_back_every = \"50 ms\"")
            .replace("check_every = \"1 s\"", "check_every = \"100 ms\"");
        std::fs::write(self.path("domovoi.toml"), text).unwrap();
        self.world = Some(water_world(broker, self.credentials.clone(), &self.clock, None));
    }

    pub async fn leave_world(&mut self) {
        if let Some(world) = self.world.take() {
            self.acknowledged.extend(acknowledged(world.water.as_ref().unwrap()));
            world.stop().await;
        }
    }

    pub fn water(&self) -> &WaterMeter {
        self.world.as_ref().and_then(|world| world.water.as_ref()).unwrap()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(DAEMON);
        command
            .arg("--config")
            .arg(self.path("domovoi.toml"))
            .args(words)
            .env("DOMOVOI_TEST_CLOCK", self.path("clock"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A daemon that answers on its socket.
    pub async fn start(&mut self) -> Child {
        for _ in 0..5 {
            let log = std::fs::File::create(self.path("daemon.log")).unwrap();
            let mut child = self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
            let socket = self.socket();
            let answers = until("the daemon answers, or gives up", || {
                let over = child.try_wait().unwrap().is_some();
                let socket = socket.clone();
                async move {
                    let answers = UnixStream::connect(&socket).await.is_ok();
                    (answers || over).then_some(!over)
                }
            })
            .await;
            if answers {
                return child;
            }
            let log = std::fs::read_to_string(self.path("daemon.log")).unwrap();
            assert!(log.contains("cannot listen on"), "the daemon does not start: {log}");
            // Somebody else got the port in between.
            self.take_port().await;
        }
        panic!("no port stays free");
    }

    /// One command of the command line: exit code, what it said as JSON, what it said to people.
    pub async fn cli(&self, words: &[&str]) -> (i32, Value, String) {
        let mut all = vec!["--json"];
        all.extend_from_slice(words);
        let out = self.command(&all).output().await.unwrap();
        let said = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
        (out.status.code().unwrap_or(-1), said, String::from_utf8_lossy(&out.stderr).into_owned())
    }

    /// The daemon's API; `None` when it is not there (any more).
    pub async fn get(&self, path: &str) -> Option<Value> {
        Client::over(&self.socket()).ok()?.get(path).await.ok()
    }

    /// Waits until the act of the clock's month is in one of these states.
    pub async fn act_is(&self, states: &[&str]) -> Value {
        let month = self.clock.wall().to_string()[..7].to_owned();
        until(&format!("the act of {month} is {states:?}"), || async {
            let acts = self.get("/api/v1/acts").await?;
            let act = acts["acts"].as_array()?.iter().find(|act| act["period"] == month.as_str())?.clone();
            states.contains(&act["state"].as_str()?).then_some(act)
        })
        .await
    }

    /// Waits until the month's act is with the portal, or the link is over and cannot bring it there.
    pub async fn link_is_over(&self) -> bool {
        let month = self.clock.wall().to_string()[..7].to_owned();
        until(&format!("the act of {month} is received, or the link is over"), || async {
            let portal = self.get("/api/v1/portal").await?;
            if portal["link"]["is"] == "relink_needed" {
                return Some(true);
            }
            let acts = self.get("/api/v1/acts").await?;
            let act = acts["acts"].as_array()?.iter().find(|act| act["period"] == month.as_str())?;
            (act["state"] == "received").then_some(false)
        })
        .await
    }

    pub async fn consent(&self, given: bool) {
        let client = Client::over(&self.socket()).ok().unwrap();
        assert!(client.put("/api/v1/portal/consent", json!({ "given": given })).await.is_ok());
    }

    /// The owner types every code that waits, and asks for one where the link is over.
    pub async fn link_again(&self) {
        let mut linking =
            self.command(&["portal", "link", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = linking.as_mut().unwrap();
        until("the hub is linked again", || {
            for code in self.portal.view().waiting_user_codes {
                self.portal.approve(&code);
            }
            let ended = child.try_wait().unwrap();
            async move { ended.map(|status| assert_eq!(status.code(), Some(0))) }
        })
        .await;
    }

    /// The dial moves on, and the meter says so.
    pub fn say(&mut self) {
        self.shows += Decimal::new(1_234, 3);
        self.water().set_m3(self.shows);
        self.water().telegram_now();
    }

    pub async fn all_acknowledged(&mut self) {
        let shows = self.shows.to_string();
        let water = self.water();
        until("the telegram is acknowledged", || async {
            let truth = water.truth();
            // All of them: one that came a month later would be that month's first value.
            let all = truth.link.acknowledged == truth.link.published;
            (all && truth.acknowledged_m3.contains(&shows)).then_some(())
        })
        .await;
        let heard = acknowledged(self.water());
        self.acknowledged.extend(heard);
    }

    /// What the ledger believes, by the command line, with or without a daemon.
    pub async fn believed(&self) -> BTreeSet<Decimal> {
        let (code, said, words) = self.cli(&["meter", "history", POINT, "--limit", "10000"]).await;
        assert_eq!(code, 0, "{said} {words}");
        let rows = said["readings"].as_array().unwrap();
        let believed = rows.iter().filter(|row| row["verdict"]["is"] == "accepted");
        believed.map(|row| row["value"].as_str().unwrap().parse().unwrap()).collect()
    }

    pub async fn nothing_is_missing(&mut self) {
        self.acknowledged.extend(acknowledged(self.water()));
        until("all that was acknowledged is in the ledger", || async {
            self.acknowledged.is_subset(&self.believed().await).then_some(())
        })
        .await;
    }

    /// The month's act is with the portal, once, and says what the meter showed.
    pub fn told_once(&self) {
        let held = self.portal.accepted_acts();
        assert_eq!(held.len() as i64, self.months, "one act for each month: {held:#?}");
        let ids: BTreeSet<&str> = held.iter().map(|act| act.act_id.as_str()).collect();
        assert_eq!(ids.len(), held.len());
        let periods: BTreeSet<_> = held.iter().map(|act| act.period).collect();
        assert_eq!(periods.len(), held.len());
        assert!(held.iter().all(|act| act.live && act.account_number == WATER_ACCOUNT && act.readings.len() == 1));
        let told: Decimal = held.last().unwrap().readings[0].values[0].parse().unwrap();
        assert_eq!(told, self.shows);
    }
}

pub fn acknowledged(water: &WaterMeter) -> BTreeSet<Decimal> {
    water.truth().acknowledged_m3.iter().map(|value| value.parse().unwrap()).collect()
}

/// SIGTERM, by the process's own id.
pub async fn terminate(daemon: &mut Child) -> ExitStatus {
    let id = daemon.id().expect("the daemon runs");
    let sent = Command::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().await.unwrap();
    assert!(sent.success());
    tokio::time::timeout(Duration::from_secs(60), daemon.wait()).await.expect("the daemon stops").unwrap()
}
