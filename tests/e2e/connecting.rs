//! Connecting a device through the real house: firmware that is paired by its code and takes its access at its set-up page
//! or tries its own token, a device whose access a person enters, a bridge that lets in; and what is told of those who do
//! it wrong.

use axum::http::{Method, StatusCode};
use e2e::{Home, NOON, Speaker, hand_clock, settings_text, until};
use firmware_sim::world::{Credentials, Esp, EspSettings, Thing};
use serde_json::{Value, json};

use crate::devices::ask;

/// A home whose settings let pretend devices have their set-up page on this machine.
pub fn settings() -> String {
    format!("{}\n[devices]\nsetup_on_this_machine = true\n", settings_text(None))
}

async fn begin(home: &Home, form: Value) -> Value {
    let (status, answer) = ask(home, Method::POST, "/api/v1/connections", Some(form)).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    answer
}

async fn refused(home: &Home, form: Value) -> (StatusCode, String) {
    let (status, answer) = ask(home, Method::POST, "/api/v1/connections", Some(form)).await;
    assert!(!status.is_success(), "{answer}");
    (status, answer["title"].as_str().unwrap_or_default().to_owned())
}

async fn state(home: &Home, begun: &Value) -> Value {
    let path = format!("/api/v1/connections/{}", begun["connection"].as_str().unwrap());
    let (status, answer) = ask(home, Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn comes_to(home: &Home, begun: &Value, wanted: &str) -> Value {
    until(&format!("the connection is {wanted}"), || async {
        let now = state(home, begun).await;
        (now["state"] == wanted).then_some(now)
    })
    .await
}

fn clock() -> firmware_sim::Clock {
    std::sync::Arc::new(|| NOON.0)
}

fn is_on(truth: &firmware_sim::world::Truth) -> bool {
    matches!(truth.thing("lamp"), Some(Thing::Lamp { on: true, .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lamp_is_paired_by_its_code_and_switched_and_touches_its_own_topics_only() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings(), hand_clock(NOON)).await;
    let setup = Some("127.0.0.1:0".parse().unwrap());
    let esp = Esp::start(EspSettings { setup, ..EspSettings::default() }, clock()).await.unwrap();
    let (status, room) = ask(&home, Method::POST, "/api/v1/rooms", Some(json!({ "name": "Кухня" }))).await;
    assert!(status.is_success(), "{room}");
    let begun = begin(&home, json!({ "code": esp.qr_text(), "room": "Кухня" })).await;
    assert!(begun["password"].is_null(), "the device alone is told: {begun}");
    let lamp = esp.connected().await;
    let done = comes_to(&home, &begun, "done").await;
    let device = done["device"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/devices/{}", device.replace(':', "%3A"));
    let shown = until("the lamp is ours, with its parts", || async {
        let (_, shown) = ask(&home, Method::GET, &path, None).await;
        let writable = shown["properties"].as_array()?.iter().any(|one| one["writable"] == true);
        (writable && shown["standing"] == "accepted").then_some(shown)
    })
    .await;
    assert_eq!((&shown["name"], &shown["room_name"]), (&json!("Лампа на кухне"), &json!("Кухня")));
    let light =
        shown["properties"].as_array().unwrap().iter().find(|one| one["writable"] == true && one["shape"] == "switch");
    let property = light.unwrap_or_else(|| panic!("{shown}"))["name"].clone();
    let command = json!({ "property": property, "value": "on" });
    let (status, given) = ask(&home, Method::POST, &format!("{path}/commands"), Some(command)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{given}");
    lamp.wait_until(is_on).await;
    let (_, life) =
        ask(&home, Method::GET, &format!("/api/v1/commands/{}?wait=30", given["id"].as_str().unwrap()), None).await;
    assert_eq!(life["state"], "confirmed", "{life}");
    drop(lamp);
    // A second scan replaces the access, as after a change of password; the device stays the same, and ours.
    let again = begin(&home, json!({ "code": esp.qr_text() })).await;
    assert_eq!(comes_to(&home, &again, "done").await["device"], device.as_str());
    // Its sensor can close a valve, once there is one.
    let (_, presets) = ask(&home, Method::GET, &format!("{path}/presets"), None).await;
    let codes: Vec<&str> =
        presets["presets"].as_array().unwrap().iter().filter_map(|one| one["preset"].as_str()).collect();
    assert!(codes.contains(&"frost-tells") && !codes.contains(&"leak-closes"), "{presets}");
    esp.stop().await;
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_tries_its_own_token_is_let_in_by_number_and_token() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings(), hand_clock(NOON)).await;
    let settings = EspSettings { broker: Some(home.mqtt.to_string()), ..EspSettings::default() };
    let (serial, token) = (settings.serial.clone(), settings.token.clone());
    let esp = Esp::start(settings, clock()).await.unwrap();
    let form = json!({ "type": "domovoi-code", "serial": serial, "token": token, "name": "Свет" });
    let begun = begin(&home, form).await;
    assert!(begun["password"].is_null());
    let done = comes_to(&home, &begun, "done").await;
    let device = done["device"].as_str().unwrap();
    let (_, shown) = ask(&home, Method::GET, &format!("/api/v1/devices/{}", device.replace(':', "%3A")), None).await;
    assert_eq!((&shown["name"], &shown["standing"]), (&json!("Свет"), &json!("accepted")));
    esp.stop().await;
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wishes_for_more_than_its_own_is_refused_and_what_goes_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings(), hand_clock(NOON)).await;
    let greedy = Esp::start(EspSettings { greedy: true, ..EspSettings::default() }, clock()).await.unwrap();
    let (status, why) = refused(&home, json!({ "code": greedy.qr_text() })).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && why.contains('#'), "{status} {why}");
    greedy.stop().await;
    for form in [
        json!({}),
        json!({ "code": "https://example.org" }),
        json!({ "type": "no-such-type" }),
        json!({ "type": "tasmota-plug", "serial": "kitchen" }),
        json!({ "type": "domovoi-code", "serial": "ESP-7C9EBD4A5B6C", "token": "1234" }),
        json!({ "type": "aqara-leak" }),
    ] {
        refused(&home, form).await;
    }
    let begun = begin(&home, json!({ "type": "tasmota-plug", "serial": "5C:CF:7F:A1:B2:D1", "name": "Розетка" })).await;
    let credentials = Credentials {
        client_id: "plug".into(),
        username: begun["username"].as_str().unwrap().into(),
        password: begun["password"].as_str().unwrap().into(),
    };
    assert_eq!(state(&home, &begun).await["state"], "waiting");
    let wrong = Credentials { password: "not the right one".into(), ..credentials.clone() };
    assert!(Speaker::connect(home.mqtt, &wrong).await.is_err());
    comes_to(&home, &begun, "wrong-password").await;
    let mut plug = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    comes_to(&home, &begun, "connected").await;
    // A publish of MQTT 3.1.1 that is refused is acknowledged or ends the connection, as the settings have it.
    let _ = plug.say("tele/tasmota_000001/STATE", r#"{"POWER":"ON"}"#).await;
    assert_eq!(comes_to(&home, &begun, "outside").await["detail"], "tele/tasmota_000001/STATE");
    let mut plug = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    plug.say("tele/tasmota_A1B2D1/nonsense", "?").await.unwrap();
    comes_to(&home, &begun, "not-understood").await;
    plug.say("tele/tasmota_A1B2D1/STATE", r#"{"POWER":"ON"}"#).await.unwrap();
    let done = comes_to(&home, &begun, "done").await;
    assert_eq!(done["device"], "tasmota:topic:tasmota_A1B2D1");
    // Another with the same topics is refused while this one has them.
    let (status, _) = refused(&home, json!({ "type": "sonoff-basic", "serial": "5CCF7FA1B2D1" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    // What is given up on is none any more.
    let other = begin(&home, json!({ "type": "esphome", "serial": "bath" })).await;
    let path = format!("/api/v1/connections/{}", other["connection"].as_str().unwrap());
    let (status, _) = ask(&home, Method::DELETE, &path, None).await;
    assert!(status.is_success());
    let gone = Credentials {
        client_id: "bath".into(),
        username: other["username"].as_str().unwrap().into(),
        password: other["password"].as_str().unwrap().into(),
    };
    assert!(Speaker::connect(home.mqtt, &gone).await.is_err());
    assert_eq!(state(&home, &other).await["state"], "cancelled");
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_joins_through_its_bridge_is_confirmed_and_closes_the_chosen_valve() {
    use firmware_sim::world::{BridgeSettings, Hazard, Simulator};
    let folder = tempfile::tempdir().unwrap();
    let home = Home::start(folder.path(), &settings(), hand_clock(NOON)).await;
    let begun = begin(&home, json!({ "type": "zigbee2mqtt" })).await;
    let credentials = Credentials {
        client_id: "z2m".into(),
        username: begun["username"].as_str().unwrap().into(),
        password: begun["password"].as_str().unwrap().into(),
    };
    let bridge = Simulator::bridge(
        &home.mqtt.to_string(),
        BridgeSettings { credentials, interval: None, ..BridgeSettings::default() },
        clock(),
    )
    .unwrap();
    comes_to(&home, &begun, "done").await;
    until("the bridge and what is behind it are known", || async {
        let (_, inbox) = ask(&home, Method::GET, "/api/v1/inbox?limit=100", None).await;
        let known = |id: &str| {
            let device = format!("zigbee2mqtt:{id}");
            inbox["devices"].as_array().is_some_and(|all| all.iter().any(|one| one["device"] == device.as_str()))
        };
        (known("group:1") && bridge.truth().things.keys().all(|id| known(id))).then_some(())
    })
    .await;
    let joining = begin(&home, json!({ "type": "zigbee-leak", "name": "Под раковиной" })).await;
    bridge.wait_until(|truth| truth.joining).await;
    let ieee = "0x00158d00deadbee1";
    bridge.join(ieee, Thing::Alarm { hazard: Hazard::Leak, on: false });
    let found = until("it is found", || async {
        let now = state(&home, &joining).await;
        let wanted = json!(format!("zigbee2mqtt:{ieee}"));
        (now["state"] == "found" && now["candidates"].as_array()?.contains(&wanted)).then_some(now)
    })
    .await;
    assert_eq!(found["candidates"].as_array().map(Vec::len), Some(1), "those from before are not meant: {found}");
    let path = format!("/api/v1/devices/zigbee2mqtt%3A{ieee}");
    let (status, answer) =
        ask(&home, Method::POST, &format!("{path}/acceptance"), Some(json!({ "name": "Под раковиной" }))).await;
    assert!(status.is_success(), "{answer}");
    let (_, lamp) = ask(&home, Method::GET, "/api/v1/inbox?limit=100", None).await;
    let valve = lamp["devices"].as_array().unwrap().iter().find(|one| {
        one["properties"].as_array().unwrap().iter().any(|one| one["class"] == "valve" && one["writable"] == true)
    });
    let valve = valve.unwrap_or_else(|| panic!("{lamp}"))["device"].as_str().unwrap().to_owned();
    let (status, answer) =
        ask(&home, Method::POST, &format!("/api/v1/devices/{}/acceptance", valve.replace(':', "%3A")), Some(json!({})))
            .await;
    assert!(status.is_success(), "{answer}");
    let offered = until("the valve is offered", || async {
        let (_, presets) = ask(&home, Method::GET, &format!("{path}/presets"), None).await;
        let one = presets["presets"].as_array()?.iter().find(|one| one["preset"] == "leak-closes").cloned()?;
        one["others"].as_array()?.iter().any(|other| other["device"] == valve.as_str()).then_some(one)
    })
    .await;
    let form = json!({ "preset": "leak-closes", "device": valve, "property": offered["others"][0]["property"],
        "name": "Раковина" });
    let added = until("the rule is added", || async {
        // The reflex has its own picture of the home, a tenth of a second later.
        let (status, rule) = ask(&home, Method::POST, &format!("{path}/presets"), Some(form.clone())).await;
        (status == StatusCode::CREATED).then_some(rule)
    })
    .await;
    assert_eq!((&added["danger"], &added["name"]), (&json!("water-leak"), &json!("Раковина")));
    bridge.stop().await;
    home.stop().await;
}
