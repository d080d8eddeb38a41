//! The doors of mappings and of the keys of meters, with a whole house behind them.

use axum::http::{Method, StatusCode};
use domovoi_adapters::Road;
use serde_json::{Value, json};

use super::tests::{Answer, Browser, Home, is_problem};
use crate::ingest::Arrival;
use crate::policy::Role;

const MAPPINGS: &str = "/api/v1/mappings";

async fn change(home: &Home, browser: &Browser, method: Method, uri: &str, body: Value) -> Answer {
    home.ask(browser.change(method, uri), Some(body)).await
}

fn say(home: &Home, topic: &str, payload: &str) {
    let arrival = Arrival {
        road: Road::Embedded,
        sender: "garden",
        topic,
        payload: payload.as_bytes(),
        retained: false,
        again: false,
    };
    drop(home.desk.ingest.take(arrival));
}

fn greenhouse() -> Value {
    json!({ "id": "greenhouse", "name": "Теплица", "rows": [
        { "property": "temperature", "topic": "garden/state", "read": "air.t", "unit": "°C" },
        { "property": "pump", "topic": "garden/state", "read": "pump", "is": "switch", "on": "1", "off": "0",
          "told": { "topic": "garden/pump/set" } },
    ]})
}

#[tokio::test]
async fn what_nobody_understands_is_heard_mapped_tried_and_read() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    say(&home, "garden/state", r#"{"air":{"t":"21.50"},"pump":0}"#);
    say(&home, "domovoi/secret", "x");
    let topics = home.ask(anna.get("/api/v1/overheard-topics"), None).await;
    assert_eq!(topics.body["topics"].as_array().unwrap().len(), 1, "{}", topics.body);
    let topic = &topics.body["topics"][0];
    assert_eq!(
        (&topic["topic"], &topic["sender"], &topic["times"]),
        (&json!("garden/state"), &json!("garden"), &json!(1))
    );
    assert_eq!(topic["places"][0], json!({ "read": "air.t", "value": "21.50" }));

    let trial = json!({ "mapping": greenhouse(), "topic": "garden/state" });
    let tried = change(&home, &anna, Method::POST, "/api/v1/mapping-trials", trial).await;
    let reading = &tried.body["readings"][0];
    assert_eq!(reading["device"], "greenhouse", "{}", tried.body);
    assert_eq!(
        reading["values"][0],
        json!({ "property": "temperature", "value": "21.50", "unit": "°C", "danger": false, "warns": false })
    );
    assert_eq!(reading["values"][1]["value"], "false");
    let trial = json!({ "mapping": greenhouse(), "topic": "garden/state", "payload": r#"{"air":{"t":"warm"}}"# });
    let tried = change(&home, &anna, Method::POST, "/api/v1/mapping-trials", trial).await;
    assert!(tried.body["readings"][0]["faults"][0].as_str().unwrap().contains("temperature"), "{}", tried.body);
    assert!(home.desk.ingest.mappings().is_empty(), "a trial keeps nothing");

    let one = format!("{MAPPINGS}/greenhouse");
    let put = change(&home, &anna, Method::PUT, &one, greenhouse()).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.body);
    assert_eq!(home.ask(anna.get(&one), None).await.body, greenhouse_written());
    say(&home, "garden/state", r#"{"air":{"t":"22.00"},"pump":1}"#);
    let heard = home.desk.ingest.heard();
    let (device, heard) = heard.first().unwrap();
    assert_eq!(
        (device.to_string().as_str(), heard.properties["temperature"].as_str()),
        ("mapping:greenhouse", "22.00 °C")
    );
    let mapped = home.ask(anna.get("/api/v1/overheard-topics?mapped=true"), None).await;
    assert_eq!((&mapped.body["topics"][0]["mapped"], &mapped.body["topics"][0]["times"]), (&json!(true), &json!(2)));
    assert_eq!(home.ask(anna.get("/api/v1/overheard-topics"), None).await.body["topics"], json!([]));

    assert_eq!(home.ask(anna.change(Method::DELETE, &one), None).await.status, StatusCode::OK);
    is_problem(&home.ask(anna.get(&one), None).await, 404, "not-found");
    is_problem(&home.ask(anna.change(Method::DELETE, &one), None).await, 404, "not-found");
}

fn greenhouse_written() -> Value {
    let mut written = greenhouse();
    written["rows"][0]["is"] = json!("number");
    written
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_row_and_nothing_of_it_counts() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let put = async |body: Value| change(&home, &anna, Method::PUT, MAPPINGS, json!({ "mappings": body })).await;
    assert_eq!(put(json!([greenhouse()])).await.status, StatusCode::OK);
    let with = |row: Value| json!([{ "id": "x", "rows": [{ "property": "a", "topic": "t/a" }, row] }]);
    for (body, words) in [
        (with(json!({ "property": "a", "topic": "t/b" })), "строка 2"),
        (with(json!({ "property": "b", "topic": "t/#" })), "строка 2"),
        (with(json!({ "property": "b", "topic": "t/b", "unit": "сажень" })), "сажень"),
        (with(json!({ "property": "b", "topic": "t/b", "read": "{{ value_json. }}" })), "строка 2"),
        (with(json!({ "property": "password", "topic": "t/b" })), "строка 2"),
        (with(json!({ "property": "b", "topic": "t/b", "told": { "topic": "a/+/b" } })), "строка 2"),
        (json!([{ "id": "a:b", "rows": [{ "property": "a", "topic": "t" }] }]), "a:b"),
        (json!([{ "id": "x", "rows": [] }]), "«x»"),
        (json!([{ "id": "x-{1}", "rows": [{ "property": "a", "topic": "t" }] }]), "строка 1"),
        (json!([greenhouse(), greenhouse()]), "greenhouse"),
    ] {
        let answer = put(body.clone()).await;
        is_problem(&answer, 422, "invalid");
        let title = answer.body["title"].as_str().unwrap();
        assert!(title.contains(words) && !title.contains("mapping-"), "{body}: {title}");
    }
    let unknown = put(json!([{ "id": "x", "rows": [], "surprise": 1 }])).await;
    assert!(unknown.status.is_client_error());
    assert_eq!(home.desk.ingest.mappings().len(), 1);
    let other = change(&home, &anna, Method::PUT, &format!("{MAPPINGS}/other"), greenhouse()).await;
    is_problem(&other, 422, "invalid");
}

#[tokio::test]
async fn only_who_may_change_devices_sees_what_strangers_say() {
    let home = Home::new().await;
    say(&home, "garden/state", "42");
    let (_, child) = home.signed_in("ivan", Role::Child).await;
    let (_, guest) = home.signed_in("olga", Role::Guest).await;
    for browser in [&child, &guest] {
        is_problem(&home.ask(browser.get("/api/v1/overheard-topics"), None).await, 403, "role");
        is_problem(&home.ask(browser.get(MAPPINGS), None).await, 403, "role");
        is_problem(&home.ask(browser.get("/api/v1/meter-keys"), None).await, 403, "role");
    }
    let (_, adult) = home.signed_in("boris", Role::Adult).await;
    assert_eq!(home.ask(adult.get("/api/v1/overheard-topics"), None).await.status, StatusCode::OK);
    is_problem(&home.ask(adult.get("/api/v1/meter-keys"), None).await, 403, "role");
}

/// The gas meter of meters.md 5.5: 28504.27 m³ behind mode 5.
const LOCKED: &str =
    "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A";
const KEY: &str = "0102030405060708090A0B0C0D0E0F11";

fn telegram() -> String {
    format!(r#"{{"time":"2026-11-21T12:00:00Z","model":"Wireless-MBus","id":12345678,"mic":"CRC","data":"{LOCKED}"}}"#)
}

#[tokio::test]
async fn a_key_is_checked_kept_sealed_and_never_shown() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let at = "/api/v1/meter-keys/12345678";
    let give = async |key: &str| change(&home, &anna, Method::PUT, at, json!({ "key": key })).await;
    is_problem(&give("short").await, 422, "invalid");
    let wrong = change(&home, &anna, Method::PUT, "/api/v1/meter-keys/12", json!({ "key": KEY })).await;
    is_problem(&wrong, 422, "invalid");
    say(&home, "rtl_433/roof/events", &telegram());
    let listed = home.ask(anna.get("/api/v1/meter-keys"), None).await;
    assert_eq!(
        (&listed.body["meters"][0]["meter"], &listed.body["meters"][0]["state"]),
        (&json!("12345678"), &json!("no-key"))
    );
    let shut = give("000102030405060708090A0B0C0D0E0F").await;
    assert_eq!(shut.body["check"], "shut", "{}", shut.body);
    assert!(shut.body["words"].as_str().unwrap().contains("не подходит"), "{}", shut.body);
    let opens = give(KEY).await;
    assert_eq!(opens.body["check"], "opens", "{}", opens.body);
    say(&home, "rtl_433/roof/events", &telegram());
    let heard = home.desk.ingest.heard();
    assert!(
        heard.iter().any(|(_, heard)| heard.properties.values().any(|said| said.starts_with("28504.27"))),
        "{heard:?}"
    );
    let listed = home.ask(anna.get("/api/v1/meter-keys"), None).await;
    assert_eq!((&listed.body["keys"], &listed.body["meters"][0]["state"]), (&json!(["12345678"]), &json!("open")));
    assert!(!listed.body.to_string().to_uppercase().contains(KEY));
    assert_eq!(home.ask(anna.change(Method::DELETE, at), None).await.status, StatusCode::OK);
    is_problem(&home.ask(anna.change(Method::DELETE, at), None).await, 404, "not-found");
    say(&home, "rtl_433/roof/events", &telegram());
    let listed = home.ask(anna.get("/api/v1/meter-keys"), None).await;
    assert_eq!(listed.body["meters"][0]["state"], "no-key");
}
