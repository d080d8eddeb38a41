//! A leak is told by two ways while the daemon is killed at moments nobody chose: between the packet and the alert, the alert
//! and the letter, the letter and its row. No alert is lost, no way carries a letter more than twice, what is known stays
//! known, and what is over is over.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::{Dice, Home, NOON, Speaker, hand_clock, seed, settings_text, until};
use firmware_sim::services::webhook::WebhookSink;
use firmware_sim::world::Credentials;
use serde_json::{Value, json};

use super::siege::Siege;
use super::{kill, kills};
use crate::devices::list;
use crate::safety::{LEAK, accept, get, guarded};
use crate::telling::{HERE, way};

/// A siege of a home with an accepted leak sensor and an owner with two ways.
async fn armed(sinks: &[WebhookSink]) -> Siege {
    let siege = Siege::lay().await;
    let written = std::fs::read_to_string(siege.path("domovoi.toml")).unwrap();
    std::fs::write(siege.path("domovoi.toml"), format!("{written}{HERE}")).unwrap();
    let home = Home::start(&siege.path(""), &format!("{}{HERE}", settings_text(None)), hand_clock(NOON)).await;
    let mut bridge = Speaker::connect(home.mqtt, &named(&siege, "bridge")).await.unwrap();
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    until("the sensor is found", || async {
        let inbox = get(&home, "/api/v1/inbox").await;
        inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == LEAK).then_some(())
    })
    .await;
    accept(&home, LEAK).await;
    guarded(&home, 1, 0).await;
    let owner = domovoi::people::NewPerson {
        name: "Анна".into(),
        role: domovoi::policy::Role::Owner,
        contacts: vec!["anna".into()],
        profile: domovoi::people::Profile::default(),
        until: None,
    };
    let owner = home.desk.people.add(owner).await.unwrap();
    for sink in sinks {
        let to = way("webhook", &[("url", &sink.url()), ("secret", sink.secret())]);
        home.desk.notify.add_route(Some(owner.id), to).await.unwrap();
    }
    home.stop().await;
    siege
}

fn named(siege: &Siege, name: &str) -> Credentials {
    Credentials { client_id: name.into(), ..siege.credentials().clone() }
}

async fn speaker(siege: &Siege, name: &str) -> Speaker {
    let address: SocketAddr = siege.broker().parse().unwrap();
    Speaker::connect(address, &named(siege, name)).await.unwrap()
}

async fn ask(siege: &Siege, method: reqwest::Method, path: &str) -> Option<(u16, Value)> {
    let client = reqwest::Client::builder().unix_socket(siege.path("hub/control.sock")).build().unwrap();
    let answer = client.request(method, format!("http://localhost{path}")).json(&json!({})).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, serde_json::from_str(&answer.text().await.ok()?).unwrap_or_default()))
}

/// The leak that stands, by its id, and whether somebody knows.
async fn leak(siege: &Siege) -> Option<(String, bool)> {
    let (_, all) = ask(siege, reqwest::Method::GET, "/api/v1/alerts").await?;
    let all = all["alerts"].as_array()?.clone();
    let leaks: Vec<&Value> = all.iter().filter(|alert| alert["peril"] == "water-leak").collect();
    assert!(leaks.len() <= 1, "one leak is one alert: {leaks:?}");
    let leak = leaks.first()?;
    Some((leak["alert"].as_str()?.to_owned(), !leak["acknowledged"].as_array()?.is_empty()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_any_two_steps_of_a_delivery_nothing_is_lost_and_nothing_is_told_more_than_twice() {
    Box::pin(killed()).await;
}

async fn killed() {
    let seed = seed();
    println!("DOMOVOI_SEED={seed}");
    let mut dice = Dice(seed);
    let mut sinks = Vec::new();
    for _ in 0..2 {
        sinks.push(WebhookSink::start(([127, 0, 0, 1], 0).into()).await.unwrap());
    }
    let siege = armed(&sinks).await;
    for round in 0..kills(4) {
        let before: Vec<usize> = sinks.iter().map(|sink| sink.hooked.len()).collect();
        let told = |over: bool| -> Vec<usize> {
            let since = sinks.iter().zip(&before);
            since
                .map(|(sink, before)| {
                    sink.hooked.all()[*before..]
                        .iter()
                        .filter(|one| (one.body["over"] == true) == over && one.body["topic"] == "danger")
                        .count()
                })
                .collect()
        };
        let mut daemon = siege.start().await;
        let mut sensor = speaker(&siege, "sensor").await;
        sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
        // No condition: the point is to hit what nobody thought of.
        tokio::time::sleep(Duration::from_millis(dice.below(80))).await;
        kill(&mut daemon).await;

        let mut daemon = siege.start().await;
        let (id, _) = until("the leak stands after the kill", || leak(&siege)).await;
        until("both ways have carried it", || async { told(false).iter().all(|count| *count >= 1).then_some(()) })
            .await;
        let (status, answer) =
            ask(&siege, reqwest::Method::POST, &format!("/api/v1/alerts/{id}/acknowledge")).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        kill(&mut daemon).await;

        let mut daemon = siege.start().await;
        let (again, known) = until("the leak stands", || leak(&siege)).await;
        assert_eq!((again, known), (id, true), "what was known stays known");
        let began = told(false);
        let mut sensor = speaker(&siege, "sensor").await;
        sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
        tokio::time::sleep(Duration::from_millis(dice.below(80))).await;
        kill(&mut daemon).await;

        let mut daemon = siege.start().await;
        // The sensor reports from time to time; what it said last may have been killed on its way to the reflex.
        let mut sensor = speaker(&siege, "sensor").await;
        sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
        until("the leak is over", || async { leak(&siege).await.is_none().then_some(()) }).await;
        until("both ways have said that it is over", || async { told(true).iter().all(|n| *n >= 1).then_some(()) })
            .await;
        let (first, last) = (told(false), told(true));
        println!("round {round}: told {first:?}, over {last:?}");
        let letters: Vec<Vec<Value>> = sinks
            .iter()
            .zip(&before)
            .map(|(sink, before)| sink.hooked.all()[*before..].iter().map(|one| one.body.clone()).collect())
            .collect();
        assert!(began.iter().all(|count| *count <= 2), "told more than twice: {letters:#?}");
        for letter in letters.iter().flatten() {
            let same = |one: &&Value| one["subject"] == letter["subject"] && one["over"] == letter["over"];
            let most = letters.iter().map(|of_sink| of_sink.iter().filter(same).count()).max();
            // A matter is doubled once at the most; a trial of the ways, which nobody waits for, at each of the three kills.
            let kills = if letter["kind"] == "test" { 3 } else { 1 };
            assert!(most <= Some(1 + kills), "one matter too often: {letters:#?}");
        }
        // Killed before the reflex had forgotten the danger, it remembers it, and people hear of it once more.
        let once_more = first.iter().zip(&began).all(|(all, began)| *all <= began + 1);
        assert!(
            once_more && last.iter().zip(&first).all(|(over, told)| *over <= told + 1),
            "over too often: {letters:#?}"
        );
        // Stopped in order: what this round leaves behind is not the next one's.
        let pid = daemon.id().unwrap().to_string();
        std::process::Command::new("kill").arg("-TERM").arg(pid).status().unwrap();
        daemon.wait().await.unwrap();
    }
}
