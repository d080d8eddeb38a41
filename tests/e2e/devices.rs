//! Devices through the real house and its broker: heard, accepted, shown live, commanded, forgotten, known after a restart.

use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use domovoi::web;
use e2e::{Home, NOON, Speaker, hand_clock, settings_text, until};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub const LAMP: &str = "zigbee2mqtt:0x00124b0000000001";

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

/// The lamp, ours, and known to be off.
async fn with_lamp(home: &Home) -> Speaker {
    let mut bridge = bridge(home).await;
    bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
    accepted(home, LAMP).await;
    bridge.say("zigbee2mqtt/lamp", r#"{"state":"OFF"}"#).await.unwrap();
    shown(home, LAMP, "state", "false").await;
    bridge
}

/// Waits until a device is in the inbox, and accepts it.
async fn accepted(home: &Home, device: &str) {
    until("the device is heard", || async {
        let inbox = get(home, "/api/v1/inbox").await;
        inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == device).then_some(())
    })
    .await;
    post(home, &format!("{}/acceptance", path_of(device)), json!({})).await;
}

async fn shown(home: &Home, device: &str, name: &str, value: &str) -> Value {
    until(&format!("{device} shows {name} {value}"), || async {
        let answer = get(home, &path_of(device)).await;
        let property = property(&answer, name).clone();
        (property["value"] == value).then_some(property)
    })
    .await
}

async fn switch(home: &Home, value: &str) -> String {
    let given =
        post(home, &format!("{}/commands", path_of(LAMP)), json!({ "property": "state", "value": value })).await;
    given["id"].as_str().unwrap().to_owned()
}

async fn state_of(home: &Home, command: &str, wait: u64) -> Value {
    get(home, &format!("/api/v1/commands/{command}?wait={wait}")).await["state"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_devices_are_known_and_say_how_old_their_word_is() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let bridge = with_lamp(&home).await;
    until("what was announced is written down", || async {
        let words = home.store.devices().words().await.unwrap();
        words.iter().any(|word| word.topic == "zigbee2mqtt/bridge/devices").then_some(())
    })
    .await;
    drop(bridge);
    home.stop().await;
    let home = starts(folder.path()).await;
    // Nobody has said anything yet.
    let lamp = until("the last state is brought back", || async {
        let lamp = get(&home, &path_of("lamp")).await;
        (!property(&lamp, "state")["value"].is_null()).then_some(lamp)
    })
    .await;
    let state = property(&lamp, "state");
    assert_eq!((&state["value"], &state["restored"]), (&json!("false"), &json!(true)));
    assert!(state["age_s"].is_i64() && state["writable"] == true, "{state}");
    assert_eq!(lamp["standing"], "accepted");
    // It is commanded without having said a word.
    let mut bridge = self::bridge(&home).await;
    let command = switch(&home, "on").await;
    bridge.heard("zigbee2mqtt/lamp/set").await;
    bridge.say("zigbee2mqtt/lamp", r#"{"state":"ON"}"#).await.unwrap();
    assert_eq!(state_of(&home, &command, 30).await, "confirmed");
    let state = shown(&home, LAMP, "state", "true").await;
    assert_eq!(state["restored"], false);
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_command_takes_the_place_of_an_earlier_one_and_both_reach_the_device_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let mut bridge = with_lamp(&home).await;
    let first = switch(&home, "on").await;
    let second = switch(&home, "off").await;
    assert_eq!(state_of(&home, &first, 0).await, "superseded");
    let (_, payload) = bridge.heard("zigbee2mqtt/lamp/set").await;
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["state"], "ON");
    let (_, payload) = bridge.heard("zigbee2mqtt/lamp/set").await;
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["state"], "OFF");
    bridge.say("zigbee2mqtt/lamp", r#"{"state":"OFF"}"#).await.unwrap();
    assert_eq!(state_of(&home, &second, 30).await, "confirmed");
    let given = get(&home, &format!("{}/commands", path_of(LAMP))).await;
    assert_eq!(given["commands"].as_array().unwrap().len(), 2);
    // What the device cannot do is refused with the reason, and never said.
    for (value, status) in [(json!("sideways"), 422), (json!({}), 422), (json!(null), 422)] {
        let body = json!({ "property": "state", "value": value });
        let (answered, why) = ask(&home, Method::POST, &format!("{}/commands", path_of(LAMP)), Some(body)).await;
        assert_eq!(answered.as_u16(), status, "{value}: {why}");
    }
    let (status, _) = ask(&home, Method::GET, "/api/v1/commands/nonsense", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_a_valve_stands_in_the_journal_and_switching_a_lamp_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let mut bridge = with_lamp(&home).await;
    let valve = "zigbee2mqtt:0x00124b0000000003";
    accepted(&home, valve).await;
    switch(&home, "on").await;
    for (value, said) in [("CLOSE", "CLOSE"), ("OPEN", "OPEN")] {
        let body = json!({ "property": "state", "value": value });
        post(&home, &format!("{}/commands", path_of(valve)), body).await;
        let (_, payload) = bridge.heard("zigbee2mqtt/valve/set").await;
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["state"], said);
    }
    let entry = until("the opening is in the journal", || async {
        let found = get(&home, "/api/v1/journal?deed=device.commanded").await;
        found["entries"].as_array().filter(|entries| !entries.is_empty()).cloned()
    })
    .await;
    assert_eq!(entry.len(), 1, "{entry:?}");
    assert!(entry[0].to_string().contains(valve), "{entry:?}");
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_device_leaves_nothing_behind_and_may_be_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let credentials = home.credential("tasmota", &["tasmota/#", "tele/#", "stat/#"], &["cmnd/#"]).await;
    let mut plug = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    let config = json!({"ip": "192.168.1.50", "dn": "Розетка", "fn": ["Розетка"], "hn": "plug", "mac": "AABBCCDDEEFF",
        "md": "Plug", "ty": 0, "if": 0, "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"],
        "sw": "14.0.0", "t": "plug", "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"], "rl": [1],
        "swc": [-1], "swn": [null], "btn": [0], "so": {"4": 0}, "lk": 0, "lt_st": 0, "ver": 1});
    let topic = "tasmota/discovery/AABBCCDDEEFF/config";
    plug.say_retained(topic, config.to_string()).await.unwrap();
    let device = until("the plug is heard", || async {
        let inbox = get(&home, "/api/v1/inbox").await;
        let found = inbox["devices"].as_array().unwrap().iter().find(|one| one["own_name"] == "Розетка").cloned();
        Some(found?["device"].as_str()?.to_owned())
    })
    .await;
    post(&home, &format!("{}/acceptance", path_of(&device)), json!({})).await;
    plug.say("tele/plug/STATE", r#"{"POWER":"ON"}"#).await.unwrap();
    shown(&home, &device, "power", "true").await;
    let (status, gone) = ask(&home, Method::DELETE, &format!("{}?history=erase", path_of(&device)), None).await;
    assert_eq!(status, StatusCode::OK, "{gone}");
    assert!(gone["topics"].as_u64().unwrap() >= 1, "{gone}");
    let (status, _) = ask(&home, Method::GET, &path_of(&device), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // Whoever comes to the broker hears nothing of it any more; what others retain is there.
    plug.say_retained("tasmota/marker", "x").await.unwrap();
    let hears = home.credential("reader", &[], &["tasmota/#"]).await;
    let mut reader = Speaker::connect(home.mqtt, &hears).await.unwrap();
    reader.hear("tasmota/#").await.unwrap();
    let (first, _) = reader.heard("tasmota/#").await;
    assert_eq!(first, "tasmota/marker");
    let span = format!("device={}&property=power&from=0", device.replace(':', "%3A"));
    let samples = get(&home, &format!("/api/v1/history/samples?{span}")).await;
    assert_eq!(samples["samples"].as_array().unwrap().len(), 0, "{samples}");
    home.stop().await;
    let home = starts(folder.path()).await;
    let (status, _) = ask(&home, Method::GET, &path_of(&device), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "nor after a restart");
    let credentials = home.credential("tasmota", &["tasmota/#", "tele/#", "stat/#"], &["cmnd/#"]).await;
    let mut plug = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    plug.say_retained(topic, config.to_string()).await.unwrap();
    until("it is found again when it speaks", || async {
        let inbox = get(&home, "/api/v1/inbox").await;
        inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == device.as_str()).then_some(())
    })
    .await;
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_errand_is_told_to_the_bridge_and_its_answer_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let mut bridge = with_lamp(&home).await;
    bridge.hear("zigbee2mqtt/bridge/request/#").await.unwrap();
    let errand = json!({ "errand": "rename", "device": LAMP, "to": "big lamp" });
    let asked = post(&home, "/api/v1/devices/errands", errand).await;
    let (topic, payload) = bridge.heard("zigbee2mqtt/bridge/request/#").await;
    assert_eq!(topic, "zigbee2mqtt/bridge/request/device/rename");
    let request: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(request["transaction"], asked["id"]);
    let answer =
        json!({ "status": "error", "error": "no such name", "data": {}, "transaction": request["transaction"] });
    bridge.say("zigbee2mqtt/bridge/response/device/rename", answer.to_string()).await.unwrap();
    let path = format!("/api/v1/devices/errands/{}?wait=30", asked["id"].as_str().unwrap());
    let errand = get(&home, &path).await;
    assert_eq!((&errand["state"], &errand["why"]), (&json!("failed"), &json!("no such name")));
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_watch_are_told_of_states_four_times_a_second_and_of_the_last_one() {
    use domovoi::bus::Event;
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let mut bridge = with_lamp(&home).await;
    let mut bus = home.desk.bus.listen();
    let begun = std::time::Instant::now();
    for n in 0..200 {
        bridge.say("zigbee2mqtt/lamp", format!(r#"{{"state":"OFF","brightness":{n}}}"#)).await.unwrap();
    }
    let mut told = 0;
    loop {
        let Event::State(states) = bus.recv().await.unwrap() else { continue };
        let Some(state) = states.iter().find(|state| state.property == "brightness") else { continue };
        told += 1;
        if state.value.as_ref().unwrap().to_string() == "199" {
            break;
        }
    }
    let quarters = begun.elapsed().as_millis() / 250;
    assert!(told <= quarters as usize + 2, "{told} times in {quarters} quarters of a second");
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_forgotten_before_a_kill_is_cleared_at_the_broker_after_it() {
    use domovoi_model::DeviceRef;
    use domovoi_store::{Farewell, Forgotten};
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let mut bridge = bridge(&home).await;
    bridge.say_retained("zigbee2mqtt/gone", r#"{"state":"ON"}"#).await.unwrap();
    bridge.say_retained("zigbee2mqtt/stays", r#"{"state":"ON"}"#).await.unwrap();
    // As a kill leaves it: the store has forgotten, and nobody has told the broker.
    let farewell = Farewell {
        device: DeviceRef::new("zigbee2mqtt", "0x1"),
        topics: vec!["zigbee2mqtt/gone".into()],
        external: false,
    };
    let forgotten = Forgotten { farewell, words: Vec::new(), credential: None };
    home.store.devices().forget(&forgotten).await.unwrap();
    drop(bridge);
    home.stop().await;
    let home = starts(folder.path()).await;
    let hears = home.credential("reader", &[], &["zigbee2mqtt/#"]).await;
    until("only what stays is retained", || async {
        let mut reader = Speaker::connect(home.mqtt, &hears).await.unwrap();
        reader.hear("zigbee2mqtt/+").await.unwrap();
        (reader.heard("zigbee2mqtt/+").await.0 == "zigbee2mqtt/stays").then_some(())
    })
    .await;
    home.stop().await;
}

/// Asks as somebody else than the console.
async fn ask_as(home: &Home, who: domovoi::policy::Who, body: &Value, device: &str) -> (u16, String) {
    let caller = web::Caller { who, ..web::Caller::console(domovoi_config::Language::English) };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/commands", path_of(device)))
        .header("content-type", "application/json");
    request.extensions_mut().unwrap().insert(caller);
    let request = request.body(Body::from(body.to_string())).unwrap();
    let app = web::api::doors(&home.desk).into_router().with_state(home.desk.clone());
    let answer = app.oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    (status, answer["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_command_is_asked_about_the_very_property_its_room_and_its_danger() {
    use domovoi::policy::{Assurance, Effect, Grant, Kind, Network, Role, Subject, Verb, Who};
    use domovoi_model::{Id, PersonId};
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let _bridge = with_lamp(&home).await;
    let valve = "zigbee2mqtt:0x00124b0000000003";
    accepted(&home, valve).await;
    let room = post(&home, "/api/v1/rooms", json!({ "name": "Детская" })).await;
    let form = json!({ "room": "детская" });
    ask(&home, Method::PATCH, &path_of(LAMP), Some(form)).await;
    // What is in no room may be in any: a denial of a room is one of it, too.
    post(&home, "/api/v1/rooms", json!({ "name": "Ванная" })).await;
    ask(&home, Method::PATCH, &path_of(valve), Some(json!({ "room": "ванная" }))).await;
    let who = |role: Role, grants: Vec<Grant>| Who {
        subject: Subject::Person(PersonId(Id([8; 16]))),
        role: Some(role),
        assurance: Assurance::Strong,
        grants,
        ..Who::nobody(Network::Home)
    };
    let grant = |effect: Effect, room: Option<&Value>, capability: Option<&str>| Grant {
        id: "g".into(),
        effect,
        verbs: vec![Verb::Command, Verb::See],
        kind: Kind::Device,
        id_is: None,
        room: room.map(|room| room.as_str().unwrap().to_owned()),
        capability: capability.map(str::to_owned),
        hours: None,
        home_only: false,
        until: None,
        from: None,
    };
    let no_switching = Grant { verbs: vec![Verb::Command], ..grant(Effect::Deny, None, Some("state")) };
    let on = json!({ "property": "state", "value": true });
    let open = json!({ "property": "state", "value": "OPEN" });
    let close = json!({ "property": "state", "value": "CLOSE" });
    let room = Some(&room["room"]);
    for (who, device, body, expected) in [
        (who(Role::Child, vec![]), LAMP, &on, (202, "")),
        (who(Role::Child, vec![no_switching]), LAMP, &on, (403, "denied")),
        // It has nothing else that could be seen.
        (who(Role::Child, vec![grant(Effect::Deny, None, Some("state"))]), LAMP, &on, (404, "not-found")),
        (who(Role::Child, vec![grant(Effect::Deny, None, Some("brightness"))]), LAMP, &on, (202, "")),
        (who(Role::Child, vec![grant(Effect::Deny, room, None)]), LAMP, &on, (403, "denied")),
        (who(Role::Child, vec![grant(Effect::Deny, room, None)]), valve, &close, (202, "")),
        (who(Role::Child, vec![]), valve, &open, (403, "role")),
        (who(Role::Adult, vec![]), valve, &close, (202, "")),
        (who(Role::Adult, vec![]), valve, &open, (403, "step-up")),
        // Nothing is said about the property: the door asks about the device as a whole.
        (who(Role::Child, vec![]), LAMP, &json!({}), (422, "invalid")),
        (Who::nobody(Network::Home), LAMP, &on, (401, "sign-in")),
    ] {
        let spoken = format!("{:?} {:?} {device} {body}", who.role, who.grants);
        let (status, code) = ask_as(&home, who, body, device).await;
        assert_eq!((status, code.as_str()), expected, "{spoken}");
    }
    home.stop().await;
}
