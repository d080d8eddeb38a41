//! Devices that speak no dialect of the house, meters that want a key, and what devices want of people, through the whole house:
//! mapped, accepted, commanded, known after a restart; told once and taken back; left out of an act that nobody looks at.

use std::path::Path;

use axum::http::{Method, StatusCode};
use domovoi_model::{ActState, DeviceRef, Moment, Timestamp};
use e2e::{Home, NOON, Speaker, hand_clock, settings_text, until};
use serde_json::{Value, json};

use crate::devices::ask;
use crate::safety::{accept, get};

const GREENHOUSE: &str = "mapping:greenhouse";

async fn starts(folder: &Path) -> Home {
    Home::start(folder, &settings_text(None), hand_clock(NOON)).await
}

async fn speaks(home: &Home, name: &str, topics: &[&str]) -> Speaker {
    let credentials = home.credential(name, topics, topics).await;
    Speaker::connect(home.mqtt, &credentials).await.unwrap()
}

fn greenhouse() -> Value {
    json!({ "id": "greenhouse", "name": "Теплица", "silent_after_s": 3, "rows": [
        { "property": "temperature", "topic": "garden/state", "read": "air.t", "unit": "°C" },
        { "property": "pump", "topic": "garden/state", "read": "pump", "is": "switch", "on": "1", "off": "0",
          "told": { "topic": "garden/pump/set" } },
        { "property": "dry", "topic": "garden/state", "read": "dry", "is": "switch", "on": "1", "off": "0",
          "warning": "fault", "label": "Почва сухая" },
    ]})
}

/// The open notices, as `kind: sentence parameters`.
async fn notices(home: &Home) -> Vec<String> {
    let open = home.store.notices().open().await.unwrap();
    open.iter().map(|one| format!("{}: {:?}", one.notice.kind, one.notice.params)).collect()
}

async fn is_told(home: &Home, kind: &str, words: &str) {
    until(&format!("{kind} is told"), || async {
        notices(home).await.iter().any(|one| one.starts_with(kind) && one.contains(words)).then_some(())
    })
    .await;
}

async fn is_taken_back(home: &Home, kind: &str) {
    until(&format!("{kind} is taken back"), || async {
        notices(home).await.iter().all(|one| !one.starts_with(kind)).then_some(())
    })
    .await;
}

async fn in_inbox(home: &Home, device: &str) {
    until(&format!("{device} waits in the inbox"), || async {
        let inbox = get(home, "/api/v1/inbox").await;
        inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == device).then_some(())
    })
    .await;
}

async fn value(home: &Home, device: &str, property: &str, wanted: &str) {
    until(&format!("{property} of {device} is {wanted}"), || async {
        let view = get(home, &format!("/api/v1/devices/{}", device.replace(':', "%3A"))).await;
        let found = view["properties"].as_array()?.iter().find(|one| one["name"] == property)?.clone();
        (found["value"] == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_of_the_owners_own_is_mapped_accepted_told_something_and_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let credentials = home.credential("garden", &["garden/#"], &["garden/#"]).await;
    let mut garden = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    garden.hear("garden/pump/set").await.unwrap();
    garden.say("garden/state", r#"{"air":{"t":21.5},"pump":0}"#).await.unwrap();
    let topics = get(&home, "/api/v1/overheard-topics").await;
    assert_eq!(
        (&topics["topics"][0]["topic"], &topics["topics"][0]["sender"]),
        (&json!("garden/state"), &json!("garden"))
    );
    let (status, answer) = ask(&home, Method::PUT, "/api/v1/mappings/greenhouse", Some(greenhouse())).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    garden.say("garden/state", r#"{"air":{"t":21.5},"pump":0,"dry":0}"#).await.unwrap();
    in_inbox(&home, GREENHOUSE).await;
    accept(&home, GREENHOUSE).await;
    value(&home, GREENHOUSE, "temperature", "21.5").await;

    // The device's credential is confined as before: another one's word is not its.
    let mut other = speaks(&home, "lamp", &["lamp/#"]).await;
    let _ = other.say("garden/state", r#"{"air":{"t":-273},"pump":0}"#).await;

    let path = format!("/api/v1/devices/{}/commands", GREENHOUSE.replace(':', "%3A"));
    let (status, told) = ask(&home, Method::POST, &path, Some(json!({ "property": "pump", "value": "on" }))).await;
    assert!(status.is_success(), "{told}");
    let (topic, payload) = garden.heard("garden/pump/set").await;
    assert_eq!((topic.as_str(), payload.as_slice()), ("garden/pump/set", b"1".as_slice()));
    garden.say("garden/state", r#"{"air":{"t":22.0},"pump":1,"dry":1}"#).await.unwrap();
    value(&home, GREENHOUSE, "pump", "true").await;
    value(&home, GREENHOUSE, "temperature", "22.0").await;

    // What it warns of is told, and no reflex comes of it.
    is_told(&home, "device_warns_fault", "Почва сухая").await;
    home.stop().await;

    let home = starts(folder.path()).await;
    assert_eq!(get(&home, "/api/v1/mappings").await["mappings"][0]["id"], "greenhouse");
    assert!(
        notices(&home).await.iter().any(|one| one.starts_with("device_warns_fault")),
        "it stands until it is denied"
    );
    let mut garden = Speaker::connect(home.mqtt, &credentials).await.unwrap();
    garden.say("garden/state", r#"{"air":{"t":23.0},"pump":1,"dry":0}"#).await.unwrap();
    value(&home, GREENHOUSE, "temperature", "23.0").await;
    is_taken_back(&home, "device_warns_fault").await;
    // It said that it speaks every three seconds.
    is_told(&home, "device_silent", "Теплица").await;
    garden.say("garden/state", r#"{"air":{"t":23.5},"pump":1,"dry":0}"#).await.unwrap();
    is_taken_back(&home, "device_silent").await;
    let (status, _) = ask(&home, Method::DELETE, "/api/v1/mappings/greenhouse", None).await;
    assert_eq!(status, StatusCode::OK);
    home.stop().await;
}

/// The gas meter of the OMS telegrams: 28504.27 m³ behind mode 5.
const LOCKED: &str =
    "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A";
const KEY: &str = "0102030405060708090A0B0C0D0E0F11";
const OPEN: &str = "1E44AE4C9956341268077A360010002F2F0413181E0000023B00002F2F2F2F";

fn telegram(data: &str) -> String {
    format!(r#"{{"model":"Wireless-MBus","mic":"CRC","rssi":-12.1,"data":"{data}"}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meter_that_encrypts_asks_for_its_key_once_and_no_more_when_it_opens() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    let mut radio = speaks(&home, "radio", &["rtl_433/#"]).await;
    let device = "rtl_433:wmbus-12345678";
    radio.say("rtl_433/events", telegram(LOCKED)).await.unwrap();
    in_inbox(&home, device).await;
    assert!(
        notices(&home).await.iter().all(|one| !one.starts_with("meter_key")),
        "a neighbour's meter is nobody's matter"
    );
    accept(&home, device).await;
    is_told(&home, "meter_key_missing", "12345678").await;
    let put = async |key: &str| {
        let body = Some(json!({ "key": key }));
        ask(&home, Method::PUT, "/api/v1/meter-keys/12345678", body).await.1["check"].clone()
    };
    assert_eq!(put("000102030405060708090A0B0C0D0E0F").await, "shut");
    is_told(&home, "meter_key_wrong", "12345678").await;
    is_taken_back(&home, "meter_key_missing").await;
    assert_eq!(put(KEY).await, "opens");
    is_taken_back(&home, "meter_key").await;
    radio.say("rtl_433/events", telegram(LOCKED)).await.unwrap();
    value(&home, device, "volume", "28504.27").await;
    home.stop().await;
    // Nothing of the key lies in clear in the folder.
    let key: Vec<u8> = (0..32).step_by(2).map(|at| u8::from_str_radix(&KEY[at..at + 2], 16).unwrap()).collect();
    let mut looked = 0;
    for entry in walk(folder.path()) {
        let bytes = std::fs::read(&entry).unwrap_or_default();
        looked += bytes.len();
        assert!(!bytes.windows(16).any(|window| window == key), "{}", entry.display());
        assert!(!bytes.windows(32).any(|window| window.eq_ignore_ascii_case(KEY.as_bytes())), "{}", entry.display());
    }
    assert!(looked > 10_000);
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_only_overheard_goes_into_no_act_that_nobody_looks_at() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    home.add("Кухня", "12345699", "771", "rtl_433:wmbus-12345699", "volume").await;
    home.metering.set_standing_consent(true).await.unwrap();
    let mut radio = speaks(&home, "radio", &["rtl_433/#"]).await;
    radio.say("rtl_433/events", telegram(OPEN)).await.unwrap();
    until("it is in the ledger", || async { (home.ledger("Кухня").await.last()? == "7.704").then_some(()) }).await;
    is_told(&home, "reading_missing", "overheard by radio").await;
    let signed = |act: &domovoi_model::Act| act.state.is_signed();
    assert!(!home.acts().await.iter().any(signed), "nothing was signed unseen");
    // A person looks at the meter: from then on the same value may go.
    home.metering.set_standing_consent(false).await.unwrap();
    until("a person is asked, and sees it in the act", || async {
        let acts = home.acts().await;
        acts.iter().any(|act| act.state == ActState::Checked && act.readings.len() == 1).then_some(())
    })
    .await;
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_billing_day_s_value_is_of_that_day() {
    let folder = tempfile::tempdir().unwrap();
    let home = starts(folder.path()).await;
    home.add("Ванная", "12345699", "771", "wmbusmeters:12345699", "target_m3").await;
    let mut reader = speaks(&home, "reader", &["wmbusmeters/#"]).await;
    let said = r#"{"_":"telegram","media":"water","meter":"x","name":"w","id":"12345699","total_m3":7.9,"target_m3":7.7,
        "target_date":"2026-10-31","status":"LEAKING","timestamp":"2026-11-21T12:00:00Z"}"#;
    reader.say("wmbusmeters/w", said).await.unwrap();
    until("it is in the ledger", || async { (home.ledger("Ванная").await.last()? == "7.7").then_some(()) }).await;
    let rows = home.metering.history("Ванная", 10).await.unwrap();
    let row = rows.iter().find(|row| row.reading.value.to_string() == "7.7").unwrap();
    // 2026-10-31T09:00:00Z
    let day = Timestamp(1_793_437_200_000);
    assert_eq!(row.reading.at, Moment::Wall(day), "the last of October, whenever it came");
    in_inbox(&home, "wmbusmeters:12345699").await;
    accept(&home, "wmbusmeters:12345699").await;
    is_told(&home, "device_warns_leak", "").await;
    let dry = said.replace("LEAKING", "OK");
    reader.say("wmbusmeters/w", dry).await.unwrap();
    is_taken_back(&home, "device_warns_leak").await;
    assert!(DeviceRef::parse("wmbusmeters:12345699").is_some_and(|device| home.desk.devices.is_accepted(&device)));
    home.stop().await;
}
