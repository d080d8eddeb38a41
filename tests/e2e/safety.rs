//! The reflex through the real house and its broker: a leak closes the valve, is read back, told and written down; who was
//! not accepted closes nothing; rules and their test by the API; restarts; a dead portal and a flood beside it.

use axum::http::{Method, StatusCode};
use domovoi_model::Timestamp;
use e2e::{Home, NOON, Speaker, hand_clock, sandbox, settings_text, until};
use firmware_sim::existing_broker::ExistingBroker;
use firmware_sim::world::Credentials;
use rumqttc::{AsyncClient, MqttOptions, QoS};
use serde_json::{Value, json};

use crate::devices::{ask, list};

pub const LEAK: &str = "zigbee2mqtt:0x00124b0000000002";
pub const VALVE: &str = "zigbee2mqtt:0x00124b0000000003";
const SAFETY: &str = "/api/v1/safety";

pub async fn get(home: &Home, path: &str) -> Value {
    let (status, answer) = ask(home, Method::GET, path, None).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

async fn post(home: &Home, path: &str, body: Value) -> Value {
    let (status, answer) = ask(home, Method::POST, path, Some(body)).await;
    assert!(status.is_success(), "{path}: {status} {answer}");
    answer
}

/// Everybody has a connection of their own: one that waits for its acknowledgement throws away what it hears.
async fn speaker(home: &Home, name: &str) -> Speaker {
    let credentials = home.credential(name, &["zigbee2mqtt/#"], &["zigbee2mqtt/#"]).await;
    Speaker::connect(home.mqtt, &credentials).await.unwrap()
}

async fn valve(home: &Home) -> Speaker {
    let mut valve = speaker(home, "valve").await;
    valve.hear("zigbee2mqtt/valve/set").await.unwrap();
    valve
}

async fn announce(sensor: &mut Speaker, home: &Home) {
    sensor.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    until("leak sensor and valve wait in the inbox", || async {
        let inbox = get(home, "/api/v1/inbox").await;
        let waits = |device| inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == device);
        (waits(LEAK) && waits(VALVE)).then_some(())
    })
    .await;
}

pub async fn accept(home: &Home, device: &str) {
    let (status, answer) =
        ask(home, Method::POST, &format!("/api/v1/devices/{}/acceptance", device.replace(':', "%3A")), Some(json!({})))
            .await;
    assert!(status.is_success(), "{status} {answer}");
}

/// Waits until the reflex knows of so many accepted sensors and valves.
pub async fn guarded(home: &Home, sensors: u64, valves: u64) {
    until("the reflex knows what was accepted", || async {
        let safety = get(home, SAFETY).await;
        (safety["sensors"] == sensors && safety["valves"] == valves).then_some(())
    })
    .await;
}

/// With both accepted.
pub async fn armed(home: &Home) -> Speaker {
    let mut sensor = speaker(home, "sensor").await;
    announce(&mut sensor, home).await;
    accept(home, LEAK).await;
    accept(home, VALVE).await;
    guarded(home, 1, 1).await;
    sensor
}

pub async fn closes(valve: &mut Speaker) {
    let (topic, payload) = valve.heard("zigbee2mqtt/valve/set").await;
    assert_eq!(topic, "zigbee2mqtt/valve/set");
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), json!({ "state": "CLOSE" }));
}

async fn notices(home: &Home) -> Vec<String> {
    let open = get(home, "/api/v1/notices").await;
    open["notices"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
}

async fn notice(home: &Home, kind: &str) {
    until(&format!("the notice {kind}"), || async {
        notices(home).await.iter().any(|open| open == kind).then_some(())
    })
    .await;
}

async fn pursuit(home: &Home) -> Value {
    get(home, SAFETY).await["setting"].as_array().unwrap().first().cloned().unwrap_or_default()
}

async fn confirmed(home: &Home) {
    until("the valve's closing is read back", || async { (pursuit(home).await["confirmed"] == true).then_some(()) })
        .await;
}

async fn over(home: &Home) {
    until("no danger is open", || async {
        let safety = get(home, SAFETY).await;
        safety["dangers"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

async fn deeds(home: &Home) -> Vec<String> {
    let journal = get(home, "/api/v1/journal?limit=100").await;
    let entries = journal["entries"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| entry["deed"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_closes_the_valve_is_read_back_told_and_written_down_and_opens_nothing_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    // A portal that is gone by the time it matters.
    let portal = sandbox(&clock, |_| {}).await;
    let home = Home::start(folder.path(), &settings_text(Some(&portal)), clock.clone()).await;
    home.link(&portal).await;
    drop(portal);
    let mut sensor = armed(&home).await;
    let mut valve = valve(&home).await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    let safety = get(&home, SAFETY).await;
    assert_eq!(safety["dangers"][0]["danger"], "water-leak");
    assert_eq!((&safety["dangers"][0]["device"], &safety["dangers"][0]["accepted"]), (&json!(LEAK), &json!(true)));
    assert_eq!((&safety["setting"][0]["device"], &safety["setting"][0]["confirmed"]), (&json!(VALVE), &json!(false)));
    notice(&home, "danger_water_leak").await;
    // It says that it is open: no confirmation, and it is told again.
    sensor.say("zigbee2mqtt/valve", r#"{"state":"OPEN"}"#).await.unwrap();
    closes(&mut valve).await;
    assert_eq!(pursuit(&home).await["confirmed"], false);
    sensor.say("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#).await.unwrap();
    confirmed(&home).await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    over(&home).await;
    notice(&home, "danger_over").await;
    until("the danger's notice is taken back", || async {
        (!notices(&home).await.contains(&"danger_water_leak".to_owned())).then_some(())
    })
    .await;
    until("the journal has the whole story", || async {
        let deeds = deeds(&home).await;
        let all = ["danger.began", "reflex.said", "reflex.confirmed", "danger.over"];
        all.iter().all(|deed| deeds.iter().any(|written| written == deed)).then_some(())
    })
    .await;
    // Whatever was said to the valve in all of this, it was to close: the next thing that it hears is what a person says.
    let path = format!("/api/v1/devices/{}/commands", VALVE.replace(':', "%3A"));
    post(&home, &path, json!({ "property": "state", "value": "on" })).await;
    let opened = async {
        loop {
            let (_, payload) = valve.heard("zigbee2mqtt/valve/set").await;
            let payload: Value = serde_json::from_slice(&payload).unwrap();
            if payload != json!({ "state": "CLOSE" }) {
                return payload;
            }
        }
    };
    assert_eq!(opened.await, json!({ "state": "OPEN" }));
    let lives = get(&home, &path).await;
    assert_eq!(
        lives["commands"].as_array().map(Vec::len),
        Some(1),
        "the only one that opened it was a person's: {lives}"
    );
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_that_nobody_accepted_raises_an_alert_and_closes_nothing_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let mut sensor = speaker(&home, "sensor").await;
    announce(&mut sensor, &home).await;
    accept(&home, VALVE).await;
    guarded(&home, 0, 1).await;
    let mut valve = valve(&home).await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    notice(&home, "danger_unaccepted").await;
    let safety = get(&home, SAFETY).await;
    assert_eq!(safety["dangers"][0]["accepted"], false);
    assert_eq!(safety["setting"], json!([]));
    accept(&home, LEAK).await;
    closes(&mut valve).await;
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_tried_out_in_words_and_in_earnest() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings_text(None), hand_clock(NOON)).await;
    let mut sensor = armed(&home).await;
    let mut valve = valve(&home).await;
    let tests = "/api/v1/safety/rules/water-leak/tests";
    let told = post(&home, tests, json!({})).await;
    assert_eq!((&told["done"], &told["steps"][0]["outcome"]), (&json!(true), &json!("would")), "{told}");
    assert_eq!(told["steps"][0]["device"], VALVE);
    let begun = post(&home, tests, json!({ "in_earnest": true })).await;
    assert_eq!(begun["done"], false, "{begun}");
    closes(&mut valve).await;
    sensor.say("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#).await.unwrap();
    let path = format!("/api/v1/safety/tests/{}", begun["id"]);
    until("the test ends", || async {
        let run = get(&home, &path).await;
        (run["done"] == true && run["steps"][0]["outcome"] == "confirmed").then_some(())
    })
    .await;
    assert!(notices(&home).await.iter().all(|kind| !kind.starts_with("danger")), "a test alarms nobody");
    let (status, _) = ask(&home, Method::POST, "/api/v1/safety/rules/nothing/tests", Some(json!({}))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_added_switched_and_kept_and_none_opens_a_valve() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let home = Home::start(folder.path(), &settings_text(None), clock.clone()).await;
    let first = armed(&home).await;
    accept(&home, "zigbee2mqtt:0x00124b0000000001").await;
    let rules = "/api/v1/safety/rules";
    let set = |device: &str, value: &str| json!([{ "set": { "device": device, "property": "state" }, "value": value }]);
    let opens = json!({ "name": "Открыть", "danger": "water-leak", "answers": set(VALVE, "on") });
    let (status, refused) = ask(&home, Method::POST, rules, Some(opens)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    for wrong in [
        json!({ "name": "x", "danger": "flood", "answers": [] }),
        json!({ "name": "", "danger": "smoke", "answers": [] }),
        json!({ "name": "x", "danger": "smoke", "answers": set("нет такого", "on") }),
        json!({ "name": "x", "danger": "smoke", "answers": [{ "close_valves": "нет такой комнаты" }] }),
        json!({ "name": "x", "danger": "smoke", "answers": set(LEAK, "on") }),
        json!({ "name": "x", "danger": "freezing", "below": "3", "answers": [] }),
        json!({ "name": "x", "danger": "smoke", "room": "кухня", "sensors": [{ "device": LEAK }], "answers": [] }),
    ] {
        let (status, answer) = ask(&home, Method::POST, rules, Some(wrong.clone())).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {answer}");
    }
    let lamp = json!({ "name": "Свет", "danger": "water-leak", "sensors": [{ "device": LEAK }], "answers": set("lamp", "on") });
    let rule = post(&home, rules, lamp).await;
    let (status, _) = ask(&home, Method::PUT, &format!("{rules}/water-leak"), Some(json!({ "on": false }))).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = ask(&home, Method::DELETE, &format!("{rules}/water-leak"), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "a built-in rule is switched off, not removed");
    home.stop().await;

    drop(first);
    let home = Home::start(folder.path(), &settings_text(None), clock).await;
    let safety = get(&home, SAFETY).await;
    let on = |id: &str| {
        safety["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == *id).map(|rule| rule["on"] == true)
    };
    let id = rule["id"].as_str().unwrap().to_owned();
    assert_eq!((on("water-leak"), on(&id), on("gas")), (Some(false), Some(true), Some(true)));
    let mut sensor = speaker(&home, "sensor").await;
    let mut things = speaker(&home, "things").await;
    things.hear("zigbee2mqtt/+/set").await.unwrap();
    guarded(&home, 1, 1).await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    let (topic, payload) = things.heard("zigbee2mqtt/+/set").await;
    assert_eq!((topic.as_str(), &payload[..]), ("zigbee2mqtt/lamp/set", &br#"{"state":"ON"}"#[..]));
    let setting = get(&home, SAFETY).await["setting"].clone();
    assert_eq!(setting.as_array().map(Vec::len), Some(1), "the valve's rule is off: {setting}");
    let (status, _) = ask(&home, Method::DELETE, &format!("{rules}/{id}"), None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(get(&home, SAFETY).await["setting"], json!([]));
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_an_unanswered_danger_is_ended_and_an_answered_one_waits_for_its_sensor() {
    for answered in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let clock = hand_clock(NOON);
        let home = Home::start(folder.path(), &settings_text(None), clock.clone()).await;
        let mut sensor = armed(&home).await;
        sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
        until("the valve was told", || async { (pursuit(&home).await["tries"].as_u64() > Some(0)).then_some(()) })
            .await;
        if answered {
            sensor.say("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#).await.unwrap();
            confirmed(&home).await;
        }
        home.stop().await;

        let home = Home::start(folder.path(), &settings_text(None), clock.clone()).await;
        guarded(&home, 1, 1).await;
        let mut valve = valve(&home).await;
        let danger = until("the danger is remembered", || async {
            let safety = get(&home, SAFETY).await;
            safety["dangers"].as_array().unwrap().first().cloned()
        })
        .await;
        assert_eq!(danger["remembered"], true, "{danger}");
        clock.set(Timestamp(NOON.0 + 11_000));
        if answered {
            // Three turns of the clock later nothing has been said; the sensor says so again, and something is.
            for turn in 2..5 {
                clock.set(Timestamp(NOON.0 + turn * 11_000));
                let safety = get(&home, SAFETY).await;
                assert_eq!(safety["setting"], json!([]), "it is not assumed");
            }
            let mut sensor = speaker(&home, "sensor").await;
            sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
        }
        closes(&mut valve).await;
        home.stop().await;
    }
}

/// A sensor that can be asked is asked after a restart, and its «no» ends what was remembered before anything is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_sensor_itself_is_asked_and_its_no_counts() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let home = Home::start(folder.path(), &settings_text(None), clock.clone()).await;
    let mut sensor = armed(&home).await;
    let mut devices: Value = serde_json::from_str(&list()).unwrap();
    devices[2]["definition"]["exposes"][0]["access"] = json!(5);
    sensor.say_retained("zigbee2mqtt/bridge/devices", devices.to_string()).await.unwrap();
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    until("the valve was told", || async { (pursuit(&home).await["tries"].as_u64() > Some(0)).then_some(()) }).await;
    home.stop().await;

    let home = Home::start(folder.path(), &settings_text(None), clock.clone()).await;
    guarded(&home, 1, 1).await;
    let mut sensor = speaker(&home, "sensor").await;
    sensor.hear("zigbee2mqtt/leak/get").await.unwrap();
    let mut valve = valve(&home).await;
    // The first question was asked before anybody was there; the next one is due.
    until("the danger is remembered", || async {
        let safety = get(&home, SAFETY).await;
        (safety["dangers"][0]["remembered"] == true).then_some(())
    })
    .await;
    clock.set(Timestamp(NOON.0 + 2_500));
    assert_eq!(sensor.heard("zigbee2mqtt/leak/get").await.0, "zigbee2mqtt/leak/get");
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    over(&home).await;
    for turn in 1..4 {
        clock.set(Timestamp(NOON.0 + turn * 11_000));
        assert_eq!(get(&home, SAFETY).await["setting"], json!([]));
    }
    // The next that the valve hears is the answer to a new leak.
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_telemetry_and_of_invented_alarms_holds_up_no_closing() {
    let folder = tempfile::tempdir().unwrap();
    let text = settings_text(None).replace("[mqtt]\n", "[mqtt]\nmax_messages_per_second = 1000000\n");
    let home = Home::start(folder.path(), &text, hand_clock(NOON)).await;
    let mut sensor = armed(&home).await;
    let mut valve = valve(&home).await;
    let credentials = home.credential("flood", &["zigbee2mqtt/#"], &[]).await;
    let mut options = MqttOptions::new("flood", home.mqtt.ip().to_string(), home.mqtt.port());
    options.set_credentials(&credentials.username, &credentials.password);
    let (client, mut events) = AsyncClient::new(options, 1000);
    let polling = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let flooding = tokio::spawn(async move {
        for n in 0u64.. {
            let (topic, payload) = match n % 3 {
                0 => ("zigbee2mqtt/lamp".to_owned(), format!(r#"{{"state":"ON","brightness":{}}}"#, n % 255)),
                1 => (format!("zigbee2mqtt/invented{}", n % 100_000), r#"{"water_leak":true}"#.to_owned()),
                _ => (format!("zigbee2mqtt/invented{}", n % 100_000), r#"{"gas":true}"#.to_owned()),
            };
            if client.publish(topic, QoS::AtMostOnce, false, payload).await.is_err() {
                return;
            }
        }
    });
    until("the flood is in the house", || async {
        (home.ingest.counters().samples.load(std::sync::atomic::Ordering::Relaxed) > 5_000).then_some(())
    })
    .await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    let safety = get(&home, SAFETY).await;
    assert!(safety["dangers"].as_array().unwrap().len() <= 130, "strangers are bounded");
    flooding.abort();
    polling.abort();
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_at_the_homes_own_broker_closes_the_valve_there() {
    e2e::crypto();
    let folder = tempfile::tempdir().unwrap();
    let broker = ExistingBroker::with_users(&[("domovoi", ""), ("device", "d")]).expect("a broker");
    let own = "[mqtt]\nlisten = [\"127.0.0.1:1\"]\nlisten_tls = [\"127.0.0.1:0\"]\n";
    let joined = format!(
        "[mqtt]\nenabled = false\n\n[external_broker]\nhost = \"{}\"\nport = {}\nusername = \"domovoi\"\n",
        broker.addr().ip(),
        broker.addr().port()
    );
    let text = settings_text(None).replace(own, &joined);
    let home = Home::start(folder.path(), &text, hand_clock(NOON)).await;
    let device = |name: &str| Credentials { client_id: name.into(), username: "device".into(), password: "d".into() };
    let mut sensor = Speaker::connect(broker.addr(), &device("sensor")).await.unwrap();
    let mut valve = Speaker::connect(broker.addr(), &device("valve")).await.unwrap();
    valve.hear("zigbee2mqtt/valve/set").await.unwrap();
    home.doctor_says(&["the home's broker at 127.0.0.1", "is joined"]).await;
    announce(&mut sensor, &home).await;
    accept(&home, LEAK).await;
    accept(&home, VALVE).await;
    guarded(&home, 1, 1).await;
    sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut valve).await;
    sensor.say("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#).await.unwrap();
    confirmed(&home).await;
    home.stop().await;
}
