//! What only a process can show: `kill -9` at each step of the journey, exit codes, SIGTERM, the control socket, a boot
//! in 1970. The daemon is the hub's own command line with a clock that a file turns; the portal, the devices and the
//! person live in the test and survive it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use domovoi::cli::Client;
use domovoi::clock::Clock;
use domovoi_model::Timestamp;
use e2e::{
    Dice, Home, NOON, POINT, Speaker, WATER_ACCOUNT, hand_clock, sandbox, seed, settings_text, until, water_world,
};
use firmware_sim::portal::{Endpoint, Misbehaviour, PortalView, Reach, SandboxPortal};
use firmware_sim::world::{Credentials, WaterMeter, World};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};

const DAEMON: &str = env!("CARGO_BIN_EXE_domovoi-under-test");
const MONTH_MILLIS: i64 = 30 * 86_400_000;
/// Longer than any wait here: whoever gets this answer is killed before it comes.
const NEVER: Misbehaviour = Misbehaviour::SlowAnswer { millis: 600_000 };

/// Where the daemon is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connected,
    PublishWritten,
    Acknowledged,
    LedgerRow,
    Drafted,
    Signed,
    PutUnderWay,
    AnswerLost,
    ReadBack,
    Receipt,
    Refresh,
    /// The portal has rotated the refresh token, the hub has not got the new one: only the owner can mend that.
    RefreshLost,
    /// So many milliseconds after the telegram.
    Somewhere(u64),
}

const STEPS: [Step; 12] = [
    Step::Connected,
    Step::PublishWritten,
    Step::Acknowledged,
    Step::LedgerRow,
    Step::Drafted,
    Step::Signed,
    Step::PutUnderWay,
    Step::AnswerLost,
    Step::ReadBack,
    Step::Receipt,
    Step::Refresh,
    Step::RefreshLost,
];

/// A household whose daemon comes and goes.
struct Household {
    folder: TempDir,
    /// The portal's clock and the devices'; the daemon reads the same time from a file.
    clock: Clock,
    portal: SandboxPortal,
    port: u16,
    credentials: Credentials,
    world: Option<World>,
    shows: Decimal,
    /// Every value with a PUBACK.
    acknowledged: BTreeSet<Decimal>,
    /// Begun so far.
    months: i64,
}

impl Household {
    /// A meter, consent and a link; no daemon runs yet.
    async fn found() -> Household {
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
        };
        household.turn_clock(NOON);
        household.take_port().await;
        household
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("hub/control.sock")
    }

    /// Replaced whole: half a number would be another time.
    fn turn_clock(&self, to: Timestamp) {
        self.clock.set(to);
        std::fs::write(self.path("clock.part"), to.0.to_string()).unwrap();
        std::fs::rename(self.path("clock.part"), self.path("clock")).unwrap();
    }

    /// A port that was free a moment ago, and the devices that look for the broker there.
    async fn take_port(&mut self) {
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

    async fn leave_world(&mut self) {
        if let Some(world) = self.world.take() {
            self.acknowledged.extend(acknowledged(world.water.as_ref().unwrap()));
            world.stop().await;
        }
    }

    fn water(&self) -> &WaterMeter {
        self.world.as_ref().and_then(|world| world.water.as_ref()).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
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
    async fn start(&mut self) -> Child {
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
    async fn cli(&self, words: &[&str]) -> (i32, Value, String) {
        let mut all = vec!["--json"];
        all.extend_from_slice(words);
        let out = self.command(&all).output().await.unwrap();
        let said = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
        (out.status.code().unwrap_or(-1), said, String::from_utf8_lossy(&out.stderr).into_owned())
    }

    /// The daemon's API; `None` when it is not there (any more).
    async fn get(&self, path: &str) -> Option<Value> {
        Client::over(&self.socket()).ok()?.get(path).await.ok()
    }

    /// Waits until the act of the clock's month is in one of these states.
    async fn act_is(&self, states: &[&str]) -> Value {
        let month = self.clock.wall().to_string()[..7].to_owned();
        until(&format!("the act of {month} is {states:?}"), || async {
            let acts = self.get("/api/v1/acts").await?;
            let act = acts["acts"].as_array()?.iter().find(|act| act["period"] == month.as_str())?.clone();
            states.contains(&act["state"].as_str()?).then_some(act)
        })
        .await
    }

    async fn consent(&self, given: bool) {
        let client = Client::over(&self.socket()).ok().unwrap();
        assert!(client.put("/api/v1/portal/consent", json!({ "given": given })).await.is_ok());
    }

    /// The owner types every code that waits, and asks for one where the link is over.
    async fn link_again(&self) {
        let mut linking = self.command(&["portal", "link", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
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
    fn say(&mut self) {
        self.shows += Decimal::new(1_234, 3);
        self.water().set_m3(self.shows);
        self.water().telegram_now();
    }

    async fn all_acknowledged(&mut self) {
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
    async fn believed(&self) -> BTreeSet<Decimal> {
        let (code, said, words) = self.cli(&["meter", "history", POINT, "--limit", "10000"]).await;
        assert_eq!(code, 0, "{said} {words}");
        let rows = said["readings"].as_array().unwrap();
        let believed = rows.iter().filter(|row| row["verdict"]["is"] == "accepted");
        believed.map(|row| row["value"].as_str().unwrap().parse().unwrap()).collect()
    }

    async fn nothing_is_missing(&mut self) {
        self.acknowledged.extend(acknowledged(self.water()));
        until("all that was acknowledged is in the ledger", || async {
            self.acknowledged.is_subset(&self.believed().await).then_some(())
        })
        .await;
    }

    /// The month's act is with the portal, once, and says what the meter showed.
    fn told_once(&self) {
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

    /// A new month; the faults that keep the daemon where it is to be killed; a daemon; a telegram; the kill.
    async fn die_at(&mut self, step: Step) {
        self.months += 1;
        self.turn_clock(NOON.plus_millis(self.months * MONTH_MILLIS));
        let only = |endpoint, what| self.portal.misbehave_at(Reach::Only(endpoint), what, 1);
        match step {
            // The key is registered before anything is sent: while that takes its time, the act is signed and no more.
            Step::Signed => only(Endpoint::HubKey, NEVER),
            Step::PutUnderWay => only(Endpoint::PutAct, NEVER),
            Step::AnswerLost => {
                only(Endpoint::PutAct, Misbehaviour::AnswerLostAfterCommit);
                only(Endpoint::GetAct, NEVER);
            }
            Step::ReadBack => only(Endpoint::GetAct, NEVER),
            Step::Receipt => only(Endpoint::Receipt, NEVER),
            // After a month the access token has ended by itself.
            Step::Refresh => only(Endpoint::Token, NEVER),
            Step::RefreshLost => {
                only(Endpoint::Token, Misbehaviour::AnswerLostAfterCommit);
                only(Endpoint::Token, NEVER);
            }
            _ => {}
        }
        let mut daemon = self.start().await;
        if step == Step::Drafted {
            self.consent(false).await;
        }
        let before = self.portal.view();
        match step {
            Step::Connected => {
                until("the meter connects", || async { self.water().truth().link.connected.then_some(()) }).await;
                daemon.start_kill().unwrap();
                self.say();
            }
            Step::PublishWritten => {
                self.shows += Decimal::new(1_234, 3);
                self.water().set_m3(self.shows);
                self.speak_and_kill(&mut daemon).await;
            }
            Step::Somewhere(millis) => {
                self.say();
                // No condition: the point is to hit what nobody thought of.
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            _ => {
                self.say();
                let shows = self.shows;
                match step {
                    Step::Acknowledged => {
                        let shows = shows.to_string();
                        self.water().wait_until(|truth| truth.acknowledged_m3.contains(&shows)).await;
                    }
                    Step::LedgerRow => {
                        until("the ledger has the value", || async {
                            let rows = self.get("/api/v1/meters/12345699/readings").await?;
                            rows["readings"].as_array()?.iter().find(|row| row["value"] == shows.to_string()).map(|_| ())
                        })
                        .await;
                    }
                    Step::Drafted => drop(self.act_is(&["checked"]).await),
                    Step::Signed => {
                        self.act_is(&["approved"]).await;
                        self.reaches(Endpoint::HubKey, 1, &before).await;
                    }
                    Step::PutUnderWay => self.reaches(Endpoint::PutAct, 1, &before).await,
                    Step::AnswerLost | Step::ReadBack => self.reaches(Endpoint::GetAct, 1, &before).await,
                    Step::Receipt => self.reaches(Endpoint::Receipt, 1, &before).await,
                    Step::Refresh => self.reaches(Endpoint::Token, 1, &before).await,
                    Step::RefreshLost => self.reaches(Endpoint::Token, 2, &before).await,
                    _ => {}
                }
            }
        }
        daemon.kill().await.unwrap();
        assert!(self.socket().exists(), "nobody tidied up");
        self.portal.clear();
    }

    /// Waits until so many more requests have come than before.
    async fn reaches(&self, endpoint: Endpoint, more: u64, before: &PortalView) {
        let wanted = before.requests_to(endpoint) + more;
        until(&format!("a request to {endpoint:?}"), || async {
            (self.portal.requests(endpoint) >= wanted).then_some(())
        })
        .await;
    }

    /// The telegram's bytes are with the kernel, and that is the last the daemon hears.
    async fn speak_and_kill(&self, daemon: &mut Child) {
        let broker = ([127, 0, 0, 1], self.port).into();
        let credentials = Credentials { client_id: "second".into(), ..self.credentials.clone() };
        let mut speaker = Speaker::connect(broker, &credentials).await.unwrap();
        let telegram = json!({
            "_": "telegram", "media": "water", "meter": "iperl", "name": "ColdWater", "id": "12345699",
            "total_m3": 0, "timestamp": self.clock.wall().to_string(),
        });
        let telegram = telegram.to_string().replace("\"total_m3\":0", &format!("\"total_m3\":{}", self.shows));
        let said = speaker.say("wmbusmeters/ColdWater", telegram);
        tokio::pin!(said);
        // One look hands the packet over; whether an answer comes before the kill is left to chance.
        tokio::select! {
            biased;
            _ = &mut said => {}
            () = tokio::task::yield_now() => {}
        }
        daemon.start_kill().unwrap();
    }

    /// A new daemon brings the month to its end, and stops as it should.
    async fn finish(&mut self, step: Step) {
        let mut daemon = self.start().await;
        // Before the meter repeats itself: that would hide a loss.
        self.nothing_is_missing().await;
        if step == Step::Drafted {
            let before = self.act_is(&["checked"]).await;
            self.consent(true).await;
            assert_eq!(self.act_is(&["received"]).await["act"], before["act"], "the draft survives with its id");
        }
        if step == Step::RefreshLost {
            until("the link is over", || async {
                let portal = self.get("/api/v1/portal").await?;
                (portal["link"]["is"] == "relink_needed").then_some(())
            })
            .await;
            self.link_again().await;
        }
        let said = self.water().truth().link.published;
        self.water().telegram_now();
        self.water().wait_until(|truth| truth.link.published > said).await;
        self.all_acknowledged().await;
        let act = self.act_is(&["received"]).await;
        self.told_once();
        let id = act["act"].as_str().unwrap();
        let shown = self.get(&format!("/api/v1/acts/{id}")).await.unwrap();
        let held = self.portal.accepted_acts().pop().unwrap();
        assert_eq!((shown["act"].as_str(), shown["sha256"].as_str()), (Some(held.act_id.as_str()), Some(&*held.sha256)));
        assert_eq!(shown["signature_check"], "holds");
        self.nothing_is_missing().await;
        assert_eq!(terminate(&mut daemon).await.code(), Some(0));
        assert!(!self.socket().exists(), "a daemon that was asked to stop takes its socket with it");
    }
}

fn acknowledged(water: &WaterMeter) -> BTreeSet<Decimal> {
    water.truth().acknowledged_m3.iter().map(|value| value.parse().unwrap()).collect()
}

/// SIGTERM, by the process's own id.
async fn terminate(daemon: &mut Child) -> ExitStatus {
    let id = daemon.id().expect("the daemon runs");
    let sent = Command::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().await.unwrap();
    assert!(sent.success());
    tokio::time::timeout(Duration::from_secs(60), daemon.wait()).await.expect("the daemon stops").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_nothing_acknowledged_is_lost_and_every_act_is_told_once() {
    let seed = seed();
    println!("DOMOVOI_SEED={seed}");
    let mut dice = Dice(seed);
    let mut steps = STEPS.to_vec();
    let kills = if std::env::var_os("DOMOVOI_FULL").is_some() { 30 } else { STEPS.len() + 2 };
    while steps.len() < kills {
        steps.push(Step::Somewhere(dice.below(250)));
    }
    // In another order each time: what one step leaves behind, another may trip over.
    for at in (1..steps.len()).rev() {
        steps.swap(at, dice.below(at as u64 + 1) as usize);
    }
    println!("{steps:?}");
    let mut household = Household::found().await;
    for step in steps {
        println!("{step:?}");
        household.die_at(step).await;
        household.finish(step).await;
    }
    household.leave_world().await;
    // Without a daemon the command opens the house itself.
    assert!(household.acknowledged.is_subset(&household.believed().await));
    household.portal.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_daemon_per_folder_and_a_stale_socket_is_no_hindrance() {
    let mut household = Household::found().await;
    let stale = std::os::unix::net::UnixListener::bind(household.socket()).unwrap();
    drop(stale);
    assert!(household.socket().exists());
    let mut daemon = household.start().await;
    let (code, said, _) = household.cli(&["run"]).await;
    assert_eq!(code, 6, "{said}");
    let sentence = said["error"].as_str().unwrap();
    assert!(sentence.contains("hub") && sentence.len() > 20, "{sentence}");
    // The first one has not noticed.
    assert!(household.get("/api/v1/portal").await.is_some());
    household.say();
    household.all_acknowledged().await;
    assert_eq!(terminate(&mut daemon).await.code(), Some(0));
    assert!(!household.socket().exists());
    household.leave_world().await;
    assert!(household.acknowledged.is_subset(&household.believed().await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_in_1970_records_and_signs_nothing_until_the_clock_is_set() {
    let mut household = Household::found().await;
    household.months = 1;
    household.turn_clock(Timestamp(5_000));
    let mut daemon = household.start().await;
    household.say();
    household.all_acknowledged().await;
    household.nothing_is_missing().await;
    let newest = async |household: &Household| {
        let (_, said, _) = household.cli(&["meter", "history", POINT]).await;
        said["readings"][0].clone()
    };
    let row = newest(&household).await;
    assert_eq!((&row["value"], &row["at"]), (&json!(household.shows.to_string()), &Value::Null));
    until("the owner is told why nothing is signed", || async {
        let (_, said, _) = household.cli(&["notices"]).await;
        said["notices"].as_array()?.iter().find(|notice| notice["kind"] == "clock_untrusted").map(|_| ())
    })
    .await;
    let acts = household.get("/api/v1/acts").await.unwrap();
    assert!(acts["acts"].as_array().unwrap().iter().all(|act| act["state"] == "draft"), "{acts}");
    household.turn_clock(NOON);
    household.act_is(&["received"]).await;
    household.told_once();
    let row = newest(&household).await;
    assert!(row["at"].as_str().is_some_and(|at| at.starts_with("2026-11-20")), "{row}");
    assert_eq!(terminate(&mut daemon).await.code(), Some(0));
    household.leave_world().await;
}
