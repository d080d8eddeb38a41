//! A scenario with a wait of ten minutes while the daemon is killed at moments nobody chose: before its first step, in the
//! midst of its commands, during the wait, after it. It comes to its end, the wait is as long as it is by the clock, and
//! what may not be said twice is said once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domovoi::scenarios::ScenarioPaper;
use e2e::{Dice, Home, NOON, Speaker, hand_clock, seed, settings_text, until};
use firmware_sim::world::Credentials;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::siege::Siege;
use super::{kill, kills};
use crate::devices::list;
use crate::safety::{accept, get};

const LAMP: &str = "zigbee2mqtt:0x00124b0000000001";

/// States settle at once: there are none.
const SETTLED: &str = "\n[scenarios]\nsettles_in = \"500 ms\"\nsettles_at_latest = \"2 s\"\n";

fn paper() -> Value {
    let command = |value: &str| json!({"do": "command", "device": LAMP, "property": "state", "value": value});
    json!({"name": "ten minutes", "mode": "single", "actions": [
        command("ON"), {"do": "notify", "title": "begun"}, command("TOGGLE"),
        {"do": "wait", "seconds": 600},
        {"do": "notify", "title": "ten minutes are over"}, command("OFF"), command("TOGGLE"),
        {"do": "notify", "title": "done"}
    ]})
}

/// A siege of a home with an accepted lamp and the scenario; its id.
async fn laid() -> (Siege, String) {
    let siege = Siege::lay().await;
    let written = std::fs::read_to_string(siege.path("domovoi.toml")).unwrap();
    std::fs::write(siege.path("domovoi.toml"), format!("{written}{SETTLED}")).unwrap();
    let home = Home::start(&siege.path(""), &format!("{}{SETTLED}", settings_text(None)), hand_clock(NOON)).await;
    let mut bridge = speaker_at(home.mqtt, &siege, "bridge").await;
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    until("the lamp is found", || async {
        let inbox = get(&home, "/api/v1/inbox").await;
        inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == LAMP).then_some(())
    })
    .await;
    accept(&home, LAMP).await;
    let paper: ScenarioPaper = serde_json::from_value(paper()).unwrap();
    let scenario = home.desk.scenarios.read(&paper).unwrap();
    let saved = home.desk.scenarios.save(&domovoi::policy::Who::console(), scenario).await.unwrap();
    home.stop().await;
    (siege, saved.scenario.id.to_string())
}

async fn speaker_at(address: SocketAddr, siege: &Siege, name: &str) -> Speaker {
    let credentials = Credentials { client_id: name.into(), ..siege.credentials().clone() };
    Speaker::connect(address, &credentials).await.unwrap()
}

/// What the lamp was told, in order of arrival.
#[derive(Default)]
struct Told {
    toggles: AtomicUsize,
    others: AtomicUsize,
}

/// The lamp: hears what it is told as long as the daemon lives.
async fn lamp(siege: &Siege, told: &Arc<Told>) -> JoinHandle<()> {
    let mut lamp = speaker_at(siege.broker().parse().unwrap(), siege, "lamp").await;
    lamp.hear("zigbee2mqtt/lamp/set").await.unwrap();
    let told = Arc::clone(told);
    tokio::spawn(async move {
        loop {
            let (_, payload) = lamp.heard("zigbee2mqtt/lamp/set").await;
            let toggles = String::from_utf8_lossy(&payload).contains("TOGGLE");
            let count = if toggles { &told.toggles } else { &told.others };
            count.fetch_add(1, Ordering::SeqCst);
        }
    })
}

async fn ask(siege: &Siege, method: Method, path: &str) -> Option<(u16, Value)> {
    let client = reqwest::Client::builder().unix_socket(siege.path("hub/control.sock")).build().unwrap();
    let answer = client.request(method, format!("http://localhost{path}")).json(&json!({})).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, serde_json::from_str(&answer.text().await.ok()?).unwrap_or_default()))
}

/// Starts the scenario by hand; its run, once it is known to be one that is under way or over.
async fn started(siege: &Siege, scenario: &str) {
    until("the scenario is started", || async {
        let (status, _) = ask(siege, Method::POST, &format!("/api/v1/scenarios/{scenario}/runs")).await?;
        (status == 201).then_some(())
    })
    .await;
}

/// The newest run of the scenario that began at all.
async fn newest(siege: &Siege, scenario: &str) -> Option<Value> {
    let (status, answer) = ask(siege, Method::GET, &format!("/api/v1/scenarios/{scenario}/runs")).await?;
    assert_eq!(status, 200, "{answer}");
    let runs = answer["runs"].as_array()?.clone();
    runs.into_iter().find(|run| run["end"] != "busy")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_a_scenario_comes_to_its_end_and_says_nothing_twice_that_may_not_be() {
    Box::pin(killed()).await;
}

async fn killed() {
    let seed = seed();
    println!("DOMOVOI_SEED={seed}");
    let mut dice = Dice(seed);
    let (siege, scenario) = laid().await;
    let told = Arc::new(Told::default());
    let mut clock = NOON;
    let turn = |to: domovoi_model::Timestamp| {
        std::fs::write(siege.path("clock.part"), to.0.to_string()).unwrap();
        std::fs::rename(siege.path("clock.part"), siege.path("clock")).unwrap();
    };
    turn(clock);
    for round in 0..kills(3) {
        let before = told.toggles.load(Ordering::SeqCst);
        let mut daemon = siege.start().await;
        let hears = lamp(&siege, &told).await;
        started(&siege, &scenario).await;
        // No condition: the point is to hit what nobody thought of. States settle meanwhile.
        tokio::time::sleep(Duration::from_millis(dice.below(900))).await;
        kill(&mut daemon).await;
        hears.abort();

        let mut daemon = siege.start().await;
        let hears = lamp(&siege, &told).await;
        let run = until("the run waits", || async {
            let run = newest(&siege, &scenario).await.filter(|run| run["end"].is_null());
            match run {
                Some(run) if run["path"] == "4" => Some(run["run"].as_str()?.to_owned()),
                Some(_) => None,
                None => {
                    // It was killed before anything of it was written down: nothing was promised.
                    started(&siege, &scenario).await;
                    None
                }
            }
        })
        .await;
        kill(&mut daemon).await;
        hears.abort();
        let at_wait = told.toggles.load(Ordering::SeqCst) - before;
        assert!(at_wait <= 1, "round {round}: told {at_wait} times before the wait\n{}", siege.log());

        // Nine minutes later it still waits; ten minutes later it goes on, and is killed once more.
        clock = clock.plus_millis(9 * 60_000);
        turn(clock);
        let mut daemon = siege.start().await;
        let path = format!("/api/v1/runs/{run}");
        until("it is known after the kill", || async {
            let (status, answer) = ask(&siege, Method::GET, &path).await?;
            (status == 200 && answer["path"] == "4" && answer["end"].is_null()).then_some(())
        })
        .await;
        kill(&mut daemon).await;
        clock = clock.plus_millis(70_000);
        turn(clock);
        let mut daemon = siege.start().await;
        let hears = lamp(&siege, &told).await;
        tokio::time::sleep(Duration::from_millis(dice.below(900))).await;
        kill(&mut daemon).await;
        hears.abort();

        let mut daemon = siege.start().await;
        let hears = lamp(&siege, &told).await;
        let over = until("the run is over", || async {
            let (_, answer) = ask(&siege, Method::GET, &path).await?;
            (!answer["end"].is_null()).then_some(answer)
        })
        .await;
        assert_eq!(over["end"], "done", "round {round}: {over:#}\n{}", siege.log());
        let twice = told.toggles.load(Ordering::SeqCst) - before;
        println!("round {round}: {twice} toggles, {} others", told.others.load(Ordering::SeqCst));
        assert!(twice <= 2, "round {round}: each of two toggles at most once: {over:#}");
        kill(&mut daemon).await;
        hears.abort();
        clock = clock.plus_millis(3_600_000);
        turn(clock);
    }
    assert!(told.others.load(Ordering::SeqCst) > 0, "the lamp heard something at all");
}
