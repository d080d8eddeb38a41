//! Devices through the real house and its broker: heard, accepted, shown live, commanded, forgotten, known after a restart.

use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use domovoi::web;
use e2e::{Home, NOON, Speaker, hand_clock, settings_text, until};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const LAMP: &str = "zigbee2mqtt:0x00124b0000000001";

/// A bridge's list: itself, a lamp, a water sensor, a valve.
pub fn list() -> String {
    let state = |on: &str, off: &str, component: &str| {
        json!({"type": component, "features": [{"type": "binary", "name": "state", "property": "state", "access": 7,
            "value_on": on, "value_off": off, "value_toggle": "TOGGLE"}]})
    };
    let device = |ieee: &str, name: &str, exposes: Value| {
        json!({"ieee_address": ieee, "type": "Router", "friendly_name": name, "supported": true, "disabled": false,
            "interview_state": "SUCCESSFUL",
            "definition": {"model": "T-1", "vendor": "Test", "description": name, "exposes": exposes}})
    };
    json!([
        {"ieee_address": "0x00124b0000000000", "type": "Coordinator", "friendly_name": "Coordinator", "supported": true,
            "disabled": false, "interview_state": "SUCCESSFUL", "definition": null},
        device("0x00124b0000000001", "lamp", json!([state("ON", "OFF", "light")])),
        device("0x00124b0000000002", "leak", json!([{"type": "binary", "name": "water_leak", "property": "water_leak",
            "access": 1, "value_on": true, "value_off": false}])),
        device("0x00124b0000000003", "valve", json!([state("OPEN", "CLOSE", "switch")])),
    ])
    .to_string()
}

/// Asks the API as the console does.
pub async fn ask(home: &Home, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap();
    let answer = web::router(home.desk.clone()).oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), 16 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn get(home: &Home, path: &str) -> Value {
    let (status, answer) = ask(home, Method::GET, path, None).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

async fn post(home: &Home, path: &str, body: Value) -> Value {
    let (status, answer) = ask(home, Method::POST, path, Some(body)).await;
    assert!(status.is_success(), "{path}: {status} {answer}");
    answer
}

async fn bridge(home: &Home) -> Speaker {
    let credentials = home.credential("bridge", &["zigbee2mqtt/#"], &["zigbee2mqtt/#"]).await;
    let mut bridge = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    bridge.hear("zigbee2mqtt/+/set").await.unwrap();
    bridge.hear("zigbee2mqtt/+/get").await.unwrap();
    bridge
}

fn path_of(device: &str) -> String {
    format!("/api/v1/devices/{}", device.replace(':', "%3A"))
}

fn property<'v>(device: &'v Value, name: &str) -> &'v Value {
    device["properties"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

async fn starts(folder: &Path) -> Home {
    Home::start(folder, &settings_text(None), hand_clock(NOON)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lamp_is_found_accepted_shown_switched_and_says_so_itself() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let mut bridge = bridge(&home).await;
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    until("the lamp waits in the inbox", || async {
        let inbox = get(&home, "/api/v1/inbox").await;
        inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == LAMP).then_some(())
    })
    .await;
    assert!(get(&home, "/api/v1/devices").await["devices"].as_array().unwrap().is_empty(), "nobody has accepted it");
    // Before that it is told nothing.
    let command = json!({ "property": "state", "value": "on" });
    let commands = format!("{}/commands", path_of(LAMP));
    let (status, refused) = ask(&home, Method::POST, &commands, Some(command.clone())).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");

    let room = post(&home, "/api/v1/rooms", json!({ "name": "Кухня" })).await;
    let form = json!({ "name": "Лампа", "room": "кухня" });
    let lamp = post(&home, &format!("{}/acceptance", path_of(LAMP)), form).await;
    assert_eq!((&lamp["name"], &lamp["room"]), (&json!("Лампа"), &room["room"]));
    // A device that just became ours is asked how it is.
    let (topic, _) = bridge.heard("zigbee2mqtt/+/get").await;
    assert_eq!(topic, "zigbee2mqtt/lamp/get");

    bridge.say("zigbee2mqtt/lamp", r#"{"state":"OFF"}"#).await.unwrap();
    until("the lamp is shown off", || async {
        let lamp = get(&home, &path_of("Лампа")).await;
        (property(&lamp, "state")["value"] == "false").then_some(())
    })
    .await;
    let given = post(&home, &commands, command).await;
    assert_eq!(given["state"], "sent");
    let (topic, payload) = bridge.heard("zigbee2mqtt/+/set").await;
    assert_eq!(topic, "zigbee2mqtt/lamp/set");
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), json!({ "state": "ON" }));
    // What it was before is no confirmation.
    bridge.say("zigbee2mqtt/lamp", r#"{"state":"OFF"}"#).await.unwrap();
    let life = get(&home, &format!("/api/v1/commands/{}", given["id"].as_str().unwrap())).await;
    assert_eq!(life["state"], "sent");
    bridge.say("zigbee2mqtt/lamp", r#"{"state":"ON"}"#).await.unwrap();
    let life = get(&home, &format!("/api/v1/commands/{}?wait=30", given["id"].as_str().unwrap())).await;
    assert_eq!(life["state"], "confirmed");
    until("the lamp is shown on", || async {
        let lamp = get(&home, &path_of(LAMP)).await;
        (property(&lamp, "state")["value"] == "true").then_some(())
    })
    .await;
    home.stop().await;
}
