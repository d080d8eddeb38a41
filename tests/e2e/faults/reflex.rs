//! The reflex while the disk is stalled or full, after a kill between the leak and its closing, and with rules that cannot
//! be read: what it does is on the wire before anything is on the disk, and is written down when the disk is there.

use std::net::SocketAddr;

use domovoi_store::{SafetyRow, Store};
use domovoi_vault::MasterKey;
use e2e::{Home, NOON, Speaker, hand_clock, settings_text, until};
use firmware_sim::world::Credentials;
use serde_json::{Value, json};

use super::kill;
use super::siege::Siege;
use crate::devices::{ask, list};
use crate::safety::{LEAK, VALVE, accept, get, guarded};

/// A siege of a home with an accepted leak sensor and an accepted valve.
async fn armed() -> Siege {
    let siege = Siege::lay().await;
    let home = Home::start(&siege.path(""), &settings_text(None), hand_clock(NOON)).await;
    let mut bridge = Speaker::connect(home.mqtt, &named(&siege, "bridge")).await.unwrap();
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    accepts_both(&home).await;
    home.stop().await;
    siege
}

/// The same, where the devices speak at the broker that the home has already.
async fn armed_at(broker: SocketAddr) -> Siege {
    let siege = Siege::lay().await;
    let home = Home::start(&siege.path(""), &crate::foreign::joins(broker), hand_clock(NOON)).await;
    let mut bridge = crate::foreign::speaker(broker, "bridge").await;
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    accepts_both(&home).await;
    home.stop().await;
    siege
}

async fn accepts_both(home: &Home) {
    until("both are found", || async {
        let inbox = get(home, "/api/v1/inbox").await;
        let waits = |device| inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == device);
        (waits(LEAK) && waits(VALVE)).then_some(())
    })
    .await;
    accept(home, LEAK).await;
    accept(home, VALVE).await;
    guarded(home, 1, 1).await;
}

fn named(siege: &Siege, name: &str) -> Credentials {
    Credentials { client_id: name.into(), ..siege.credentials().clone() }
}

async fn speaker(siege: &Siege, name: &str) -> Speaker {
    let address: SocketAddr = siege.broker().parse().unwrap();
    Speaker::connect(address, &named(siege, name)).await.unwrap()
}

async fn valve(siege: &Siege) -> Speaker {
    let mut valve = speaker(siege, "valve").await;
    valve.hear("zigbee2mqtt/valve/set").await.unwrap();
    valve
}

async fn closes(valve: &mut Speaker) {
    let (_, payload) = valve.heard("zigbee2mqtt/valve/set").await;
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), json!({ "state": "CLOSE" }));
}

/// What the daemon says of itself over its socket.
async fn stands(siege: &Siege) -> Value {
    let client = reqwest::Client::builder().unix_socket(siege.path("hub/control.sock")).build().unwrap();
    let answer = client.get("http://localhost/api/v1/safety").send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// The leak is said, and its acknowledgement waited for by a task of its own.
fn leaks(mut sensor: Speaker) -> tokio::task::JoinHandle<Speaker> {
    tokio::spawn(async move {
        // On a stalled disk the harness gives up before the disk comes back; that it was said is enough.
        let _ = sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await;
        sensor
    })
}

async fn the_story_is_written(siege: &Siege) {
    let home = Home::start(&siege.path(""), &settings_text(None), hand_clock(NOON)).await;
    let (_, journal) = ask(&home, axum::http::Method::GET, "/api/v1/journal?limit=100", None).await;
    let entries = journal["entries"].as_array().unwrap();
    for deed in ["danger.began", "reflex.said", "reflex.confirmed"] {
        assert!(entries.iter().any(|entry| entry["deed"] == deed), "{deed} is not in the journal: {journal}");
    }
    home.stop().await;
}

/// The disk takes nothing; the leak closes the valve, the closing is read back, and only then the disk is there again.
async fn on_a_disk_that_is(rules: &str) {
    let siege = armed().await;
    let mut daemon = siege.start().await;
    let mut valve = valve(&siege).await;
    let sensor = speaker(&siege, "sensor").await;
    let other = speaker(&siege, "other").await;
    siege.disk(rules);
    let leaking = leaks(sensor);
    closes(&mut valve).await;
    assert!(!leaking.is_finished(), "the leak was acknowledged: the disk was there");
    let mut reporting = other;
    let reported = tokio::spawn(async move {
        let _ = reporting.say("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#).await;
    });
    until("the closing is read back", || async {
        (stands(&siege).await["setting"][0]["confirmed"] == true).then_some(())
    })
    .await;
    assert!(!reported.is_finished(), "the report was acknowledged: the disk was there");
    siege.disk("");
    let _ = leaking.await;
    until("what the reflex did is in the log of the daemon, and it still runs", || async {
        siege.log().contains("confirmed").then_some(())
    })
    .await;
    // Stopped in order: what was done last is written before the store is closed.
    let pid = daemon.id().unwrap().to_string();
    std::process::Command::new("kill").arg("-TERM").arg(pid).status().unwrap();
    daemon.wait().await.unwrap();
    the_story_is_written(&siege).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stalls_for_thirty_seconds_holds_up_no_closing() {
    Box::pin(on_a_disk_that_is("delay_ms 30000")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_holds_up_no_closing() {
    Box::pin(on_a_disk_that_is("room 0")).await;
}

/// Acknowledged, told to a valve that is away, and killed: the valve that comes back is closed although the sensor says
/// nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_leak_and_its_closing_the_valve_is_closed_after_the_start() {
    let siege = armed().await;
    let mut daemon = siege.start().await;
    let mut sensor = speaker(&siege, "sensor").await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    kill(&mut daemon).await;
    let mut daemon = siege.start().await;
    let mut valve = valve(&siege).await;
    closes(&mut valve).await;
    kill(&mut daemon).await;
}

/// Never acknowledged and killed: the sensor says it again, as QoS 1 has it, and is heard as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_leak_was_acknowledged_it_is_said_again_and_answered() {
    let siege = armed().await;
    let mut daemon = siege.start().await;
    let mut valve = valve(&siege).await;
    siege.disk("delay_ms 30000");
    let leaking = leaks(speaker(&siege, "sensor").await);
    closes(&mut valve).await;
    kill(&mut daemon).await;
    leaking.abort();
    siege.disk("");
    let mut daemon = siege.start().await;
    let mut valve = self::valve(&siege).await;
    let mut sensor = speaker(&siege, "sensor").await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    kill(&mut daemon).await;
}

/// Rules that cannot be read leave the built-in ones, and people are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_be_read_leave_those_that_are_built_in() {
    let siege = armed().await;
    let master = MasterKey::from_file(&siege.path("hub/master.key")).unwrap();
    let store = Store::open(&domovoi_store::Settings::new(siege.path("hub")), &master).await.unwrap();
    for id in ["water-leak", "ffff"] {
        store.safety().put_rule(&SafetyRow { id: id.into(), body: b"from another time".to_vec() }).await.unwrap();
    }
    store.close().await;
    let mut daemon = siege.start().await;
    let mut valve = valve(&siege).await;
    let mut sensor = speaker(&siege, "sensor").await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    until("people are told", || async {
        let client = reqwest::Client::builder().unix_socket(siege.path("hub/control.sock")).build().unwrap();
        let notices = client.get("http://localhost/api/v1/notices").send().await.unwrap().text().await.unwrap();
        notices.contains("safety_rules_unreadable").then_some(())
    })
    .await;
    kill(&mut daemon).await;
}

async fn is_in_log(siege: &Siege, what: &str) {
    until(&format!("the log says «{what}»"), || async { siege.log().contains(what).then_some(()) }).await;
}

/// The store's file is broken when the daemon starts: a standby made of its copy, in memory, closes the valve, says what it
/// is, and acknowledges nothing that it cannot keep; when a sound store is back, the house takes over, and the leak that the
/// sensor says again is written down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_open_leaves_the_reflex_armed_until_the_house_takes_over() {
    let siege = armed().await;
    let database = siege.path("hub/domovoi.db");
    let sound = std::fs::read(&database).unwrap();
    std::fs::write(&database, vec![0x5A; 1 << 16]).unwrap();
    for log in ["hub/domovoi.db-wal", "hub/domovoi.db-shm"] {
        let _ = std::fs::remove_file(siege.path(log));
    }
    let mut daemon = siege.start().await;
    let mut valve = valve(&siege).await;
    let leaking = leaks(speaker(&siege, "sensor").await);
    closes(&mut valve).await;
    assert!(!leaking.is_finished(), "it was acknowledged, and there is nothing to keep it in");
    let client = reqwest::Client::builder().unix_socket(siege.path("hub/control.sock")).build().unwrap();
    let said = client.get("http://localhost/api/v1/doctor").send().await.unwrap().text().await.unwrap();
    assert!(said.contains("a standby in memory"), "{said}");
    assert_eq!(std::fs::read(&database).unwrap(), vec![0x5A; 1 << 16], "what is broken is evidence, and left alone");
    std::fs::write(siege.path("hub/part"), sound).unwrap();
    std::fs::rename(siege.path("hub/part"), &database).unwrap();
    is_in_log(&siege, "takes over from the standby").await;
    let _ = leaking.await;
    let mut valve = self::valve(&siege).await;
    let mut sensor = speaker(&siege, "sensor").await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    sensor.say("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#).await.unwrap();
    until("the closing is read back", || async {
        (stands(&siege).await["setting"][0]["confirmed"] == true).then_some(())
    })
    .await;
    let pid = daemon.id().unwrap().to_string();
    std::process::Command::new("kill").arg("-TERM").arg(pid).status().unwrap();
    assert!(daemon.wait().await.unwrap().success());
    let home = Home::start(&siege.path(""), &settings_text(None), hand_clock(NOON)).await;
    let (_, journal) = ask(&home, axum::http::Method::GET, "/api/v1/journal?limit=100", None).await;
    assert!(journal.to_string().contains("reflex.confirmed"), "{journal}");
    home.stop().await;
}

/// Armed before storage is ready: the disk takes half a minute for each fsync from before the start on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_its_time_to_open_holds_up_no_closing() {
    let siege = armed().await;
    siege.disk("delay_ms 30000");
    let mut daemon = siege.start().await;
    let mut valve = valve(&siege).await;
    let leaking = leaks(speaker(&siege, "sensor").await);
    closes(&mut valve).await;
    siege.disk("");
    is_in_log(&siege, "takes over from the standby").await;
    leaking.abort();
    // What was open in the standby is remembered by the house.
    until("the leak is known to the house", || async {
        let safety = stands(&siege).await;
        (safety["dangers"][0]["device"] == LEAK).then_some(())
    })
    .await;
    kill(&mut daemon).await;
}

/// A copy that is not there, or of another home, stands in for nothing: the daemon says why it does not start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_copy_a_store_that_does_not_open_is_said_and_the_daemon_ends() {
    let siege = armed().await;
    std::fs::write(siege.path("hub/domovoi.db"), vec![0x5A; 1 << 16]).unwrap();
    for broken in [None, Some(b"not a copy".as_slice())] {
        let _ = std::fs::remove_file(siege.path("hub/standby.db"));
        if let Some(bytes) = broken {
            std::fs::write(siege.path("hub/standby.db"), bytes).unwrap();
        }
        let mut daemon = siege.begin();
        let status = tokio::time::timeout(std::time::Duration::from_secs(60), daemon.wait()).await;
        assert_eq!(status.expect("it ends").unwrap().code(), Some(1), "{}", siege.log());
        assert!(siege.log().contains("is not a store of this program"), "{}", siege.log());
    }
}

/// At a broker that the home already has: telemetry that waits for the stalled disk fills that broker's window of what is
/// not acknowledged; the leak comes by the reflex's own link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_homes_own_broker_a_stalled_disk_holds_up_no_closing() {
    e2e::crypto();
    let broker =
        firmware_sim::existing_broker::ExistingBroker::with_users(&[("domovoi", ""), ("device", "d")]).unwrap();
    Box::pin(stalled_at(broker.addr())).await;
}

pub async fn stalled_at(broker: SocketAddr) {
    let siege = armed_at(broker).await;
    std::fs::write(siege.path("domovoi.toml"), crate::foreign::joins(broker)).unwrap();
    let mut daemon = siege.begin();
    until("the daemon has joined", || async { (siege.log().contains("joined the home's broker")).then_some(()) }).await;
    let mut valve = crate::foreign::speaker(broker, "valve").await;
    valve.hear("zigbee2mqtt/valve/set").await.unwrap();
    until("the reflex has a link of its own", || async {
        let text = std::fs::read_to_string(siege.path("daemon.log")).unwrap_or_default();
        text.contains("the reflex has joined").then_some(())
    })
    .await;
    siege.disk("delay_ms 30000");
    let mut telemetry = crate::foreign::speaker(broker, "telemetry").await;
    for n in 0..300 {
        telemetry.say("zigbee2mqtt/lamp", format!(r#"{{"state":"ON","brightness":{}}}"#, n % 255)).await.unwrap();
    }
    let mut sensor = crate::foreign::speaker(broker, "sensor").await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    siege.disk("");
    kill(&mut daemon).await;
}
