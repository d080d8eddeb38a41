//! What only a process can show: `kill -9` at each step of the journey, exit codes, SIGTERM, the control socket, a boot
//! in 1970. The daemon is the hub's own command line with a clock that a file turns; the portal, the devices and the
//! person live in the test and survive it.

mod household;

use std::time::Duration;

use domovoi_model::Timestamp;
use e2e::{Dice, NOON, POINT, Speaker, seed, until};
use firmware_sim::portal::{Endpoint, Misbehaviour, PortalView, Reach};
use firmware_sim::world::Credentials;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::process::Child;

use household::{Household, terminate};

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
    /// So many milliseconds after its acknowledgement: between the journal, the ledger and the act.
    SoonAfter(u64),
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

impl Household {
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
        let before = self.portal.view();
        let mut daemon = self.start().await;
        if step == Step::Drafted {
            self.consent(false).await;
        }
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
                    Step::Acknowledged | Step::SoonAfter(_) => {
                        let shows = shows.to_string();
                        self.water().wait_until(|truth| truth.acknowledged_m3.contains(&shows)).await;
                        if let Step::SoonAfter(millis) = step {
                            tokio::time::sleep(Duration::from_millis(millis)).await;
                        }
                    }
                    Step::LedgerRow => {
                        until("the ledger has the value", || async {
                            let rows = self.get("/api/v1/meters/12345699/readings").await?;
                            rows["readings"]
                                .as_array()?
                                .iter()
                                .find(|row| row["value"] == shows.to_string())
                                .map(|_| ())
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
        self.refreshed = self.portal.requests(Endpoint::Token) > before.requests_to(Endpoint::Token);
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
        if self.link_is_over().await {
            println!("the link was over after {step:?}");
            // Wherever the kill was aimed at, it may have come between the portal's new refresh token and the disk.
            assert!(self.refreshed, "nothing was refreshed, so no token can have been lost");
            assert_eq!(self.portal.view().live_grants, 0, "the portal has ended the link, and not the hub by itself");
            self.link_again().await;
        }
        let act = self.act_is(&["received"]).await;
        self.told_once();
        let id = act["act"].as_str().unwrap();
        let shown = self.get(&format!("/api/v1/acts/{id}")).await.unwrap();
        let held = self.portal.accepted_acts().pop().unwrap();
        assert_eq!(
            (shown["act"].as_str(), shown["sha256"].as_str()),
            (Some(held.act_id.as_str()), Some(&*held.sha256))
        );
        assert_eq!(shown["signature_check"], "holds");
        // What the portal had when the daemon died, the next daemon asked about and did not send again.
        if matches!(step, Step::AnswerLost | Step::ReadBack | Step::Receipt) {
            assert_eq!(held.puts, 1);
        }
        self.nothing_is_missing().await;
        assert_eq!(terminate(&mut daemon).await.code(), Some(0));
        assert!(!self.socket().exists(), "a daemon that was asked to stop takes its socket with it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_nothing_acknowledged_is_lost_and_every_act_is_told_once() {
    let seed = seed();
    println!("DOMOVOI_SEED={seed}");
    let mut dice = Dice(seed);
    let mut steps = STEPS.to_vec();
    let kills = if std::env::var_os("DOMOVOI_FULL").is_some() { 30 } else { STEPS.len() + 4 };
    while steps.len() < kills {
        steps.push(Step::Somewhere(dice.below(250)));
        steps.push(Step::SoonAfter(dice.below(40)));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_has_told_its_heap_to_give_back_at_once_and_kept_its_pid() {
    let mut household = Household::found().await;
    let mut daemon = household.start().await;
    let pid = daemon.id().unwrap();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let given = environment.split(|byte| *byte == 0).any(|one| one == b"MIMALLOC_PURGE_DELAY=0");
    assert!(given, "{}", String::from_utf8_lossy(&environment));
    assert_eq!(terminate(&mut daemon).await.code(), Some(0), "signals reach it as before");
    household.leave_world().await;
}
