//! Alerts through the API's router, with a whole house behind it: what stands, what to do, saying "I know", rights, files.

use axum::body::{Body, to_bytes};
use axum::http::{Method, StatusCode, header};
use domovoi_model::{
    AlertCategory, AlertOrigin, AlertStatus, AlertText, AlertUrgency, Certainty, Moment, Peril, Severity,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::tests::{Home, NOON, is_problem};
use crate::alerts::{FeedRef, Heard, OwnAlert};
use crate::policy::Role;
use crate::web::Peer;

fn own(origin: AlertOrigin, peril: Peril, headline: &str) -> OwnAlert {
    OwnAlert {
        origin,
        key: headline.to_owned(),
        status: AlertStatus::Actual,
        severity: Severity::Severe,
        urgency: AlertUrgency::Immediate,
        certainty: Certainty::Observed,
        category: AlertCategory::Safety,
        peril,
        life: false,
        texts: vec![
            AlertText {
                language: "ru".into(),
                event: "Событие".into(),
                headline: headline.into(),
                ..AlertText::default()
            },
            AlertText {
                language: "en".into(),
                event: "Event".into(),
                headline: "=cmd|x".into(),
                ..AlertText::default()
            },
        ],
        device: None,
        room: None,
        sender: "дом".into(),
        expires: None,
        at: Some(Moment::Wall(NOON)),
    }
}

/// Lets the room write down, as the house does; stops when dropped.
fn at_work(home: &Home) -> watch::Sender<bool> {
    let (stop, stopped) = watch::channel(false);
    let alerts = home.desk.alerts.clone();
    tokio::spawn(async move { alerts.run(stopped).await });
    stop
}

async fn file(home: &Home, request: axum::http::request::Builder) -> (StatusCode, String) {
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer { address: "192.168.1.20".parse().unwrap(), certificate: None });
    let (parts, body) = home.page.clone().oneshot(request).await.unwrap().into_parts();
    (parts.status, String::from_utf8(to_bytes(body, 8 << 20).await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn an_alert_is_shown_with_why_and_what_to_do_and_somebody_knows() {
    let home = Home::new().await;
    let _stop = at_work(&home);
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    let id = home.desk.alerts.raise(own(AlertOrigin::Hazard, Peril::Gas, "ГАЗ! Кухня"));
    let list = home.ask(anna.get("/api/v1/alerts").header(header::ACCEPT_LANGUAGE, "ru"), None).await;
    assert_eq!(list.body["alerts"][0]["headline"], "ГАЗ! Кухня", "{}", list.body);
    let uri = format!("/api/v1/alerts/{id}");
    let english = home.ask(anna.get(&uri).header(header::ACCEPT_LANGUAGE, "en"), None).await;
    assert_eq!(english.body["headline"], "=cmd|x");
    assert_eq!(english.body["why"][0], "It happens in your home.");
    assert_eq!(english.body["steps"][0]["step"], "no-sparks");
    assert!(english.body["link"].as_str().unwrap().starts_with("https://"));

    let known = home.ask(anna.change(Method::POST, &format!("{uri}/acknowledge")), None).await;
    assert_eq!(known.status, StatusCode::OK, "{}", known.body);
    assert_eq!(known.body["acknowledged"][0]["person"], me);
    assert_eq!(known.body["acknowledged"][0]["name"], "anna");
    let row = home.desk.store.alerts().get(id).await.unwrap().unwrap();
    assert!(String::from_utf8(row.body).unwrap().contains(&me), "what is answered with yes is on the disk");
    let step =
        home.ask(anna.change(Method::POST, &format!("{uri}/steps/close-gas")), Some(json!({ "done": true }))).await;
    let done = step.body["steps"].as_array().unwrap().iter().find(|step| step["step"] == "close-gas").unwrap();
    assert_eq!(done["done"]["name"], "anna");
    let wrong = home.ask(anna.change(Method::POST, &format!("{uri}/steps/fly")), Some(json!({ "done": true }))).await;
    is_problem(&wrong, 404, "not-found");
    let none = home.ask(anna.get("/api/v1/alerts/00000000-0000-0000-0000-00000000000a"), None).await;
    is_problem(&none, 404, "not-found");
    let journal = home.console(Method::GET, "/api/v1/journal?deed=alert", None).await;
    let deeds: Vec<&str> =
        journal.body["entries"].as_array().unwrap().iter().map(|entry| entry["deed"].as_str().unwrap()).collect();
    assert!(deeds.contains(&"alert.acknowledged") && deeds.contains(&"alert.step"), "{deeds:?}");
}

#[tokio::test]
async fn a_guest_hears_of_danger_and_of_nothing_that_notices_say() {
    let home = Home::new().await;
    let _stop = at_work(&home);
    let (_, guest) = home.signed_in("gleb", Role::Guest).await;
    home.desk.alerts.raise(own(AlertOrigin::Hazard, Peril::Gas, "gas"));
    let security = home.desk.alerts.raise(own(AlertOrigin::Security, Peril::Account, "attack"));
    let list = home.ask(guest.get("/api/v1/alerts"), None).await;
    let origins: Vec<&Value> = list.body["alerts"].as_array().unwrap().iter().map(|alert| &alert["origin"]).collect();
    assert_eq!(origins, [&json!("hazard")]);
    is_problem(&home.ask(guest.get(&format!("/api/v1/alerts/{security}")), None).await, 404, "not-found");
    let refused = home.ask(guest.change(Method::POST, &format!("/api/v1/alerts/{security}/acknowledge")), None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(home.ask(guest.get("/api/v1/alerts/export.csv"), None).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_console_speaks_in_the_name_of_the_one_owner() {
    let home = Home::new().await;
    let _stop = at_work(&home);
    let id = home.desk.alerts.raise(own(AlertOrigin::Hazard, Peril::Smoke, "smoke"));
    let uri = format!("/api/v1/alerts/{id}/acknowledge");
    is_problem(&home.console(Method::POST, &uri, None).await, 422, "invalid");
    let (owner, _) = home.signed_in("olga", Role::Owner).await;
    let known = home.console(Method::POST, &uri, None).await;
    assert_eq!(known.body["acknowledged"][0]["person"], owner, "{}", known.body);
    let (other, _) = home.signed_in("anna", Role::Adult).await;
    let known = home.console(Method::POST, &format!("{uri}?person={other}"), None).await;
    assert_eq!(known.body["acknowledged"][1]["name"], "anna");
}

#[tokio::test]
async fn history_is_listed_and_taken_away() {
    let home = Home::new().await;
    let _stop = at_work(&home);
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    for n in 0..450 {
        home.desk.alerts.raise(own(AlertOrigin::House, Peril::Hub, &format!("=1+{n} \"так\", да")));
    }
    home.desk.alerts.over(AlertOrigin::House, "=1+7 \"так\", да");
    home.desk.alerts.settled().await;
    let (mut seen, mut uri) = (0, "/api/v1/alerts?history=true&limit=200".to_owned());
    loop {
        let page = home.ask(anna.get(&uri), None).await;
        seen += page.body["alerts"].as_array().unwrap().len();
        let Some(next) = page.body["next"].as_str() else { break };
        uri = format!("/api/v1/alerts?history=true&limit=200&cursor={next}");
    }
    assert_eq!(seen, 450);
    let (mut seen, mut uri) = (0, "/api/v1/alerts?limit=100".to_owned());
    loop {
        let page = home.ask(anna.get(&uri), None).await;
        seen += page.body["alerts"].as_array().unwrap().len();
        let Some(next) = page.body["next"].as_str() else { break };
        uri = format!("/api/v1/alerts?limit=100&cursor={next}");
    }
    assert_eq!(seen, 449, "what is over does not stand");
    let found = home.ask(anna.get("/api/v1/alerts?history=true&state=cancelled"), None).await;
    assert_eq!(found.body["alerts"].as_array().unwrap().len(), 1);
    for bad in ["origin=moon", "severity=bad", "cursor=%25", "since=yesterday", "limit=0"] {
        is_problem(&home.ask(anna.get(&format!("/api/v1/alerts?{bad}")), None).await, 422, "invalid");
    }

    let (status, csv) =
        file(&home, anna.get("/api/v1/alerts/export.csv?bom=true").header(header::ACCEPT_LANGUAGE, "ru")).await;
    assert_eq!(status, StatusCode::OK);
    let csv = csv.strip_prefix('\u{feff}').unwrap();
    assert!(csv.lines().count() == 451 && csv.contains("\r\n"));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 450);
    assert!(rows.iter().all(|row| row[11].starts_with("'=1+")), "a cell that a table program would run is text");
    let (_, text) = file(&home, anna.get("/api/v1/alerts/export.json")).await;
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 450);
    let (_, none) = file(&home, anna.get("/api/v1/alerts/export.json?peril=tsunami")).await;
    assert_eq!(serde_json::from_str::<Value>(&none).unwrap(), json!([]));
    let (_, none) = file(&home, anna.get("/api/v1/alerts/export.csv?peril=tsunami")).await;
    assert_eq!(none.lines().count(), 1);
}

#[tokio::test]
async fn a_home_without_feeds_says_so_and_hears_what_the_portal_hands_over() {
    let home = Home::new().await;
    let feeds = home.console(Method::GET, "/api/v1/alerts/feeds", None).await;
    assert_eq!(feeds.body["feeds"], json!([]));
    is_problem(&home.console(Method::POST, "/api/v1/alerts/feeds/none/poll", None).await, 404, "not-found");
    let portal = FeedRef { name: "portal".into(), origin: AlertOrigin::Portal, local: true, senders: Vec::new() };
    let message = "<alert><identifier>1</identifier><sender>s</sender><sent>2026-11-21T11:00:00Z</sent>\
                   <status>Actual</status><msgType>Alert</msgType><info><event>Отключение воды</event>\
                   <severity>Minor</severity></info></alert>";
    let heard = home.desk.alerts.hear_feed(&portal, message.as_bytes());
    assert!(matches!(heard[..], [Heard::Raised(_)]), "{heard:?}");
    let list = home.console(Method::GET, "/api/v1/alerts", None).await;
    assert_eq!(
        (&list.body["alerts"][0]["origin"], &list.body["alerts"][0]["peril"]),
        (&json!("portal"), &json!("outage"))
    );
}
