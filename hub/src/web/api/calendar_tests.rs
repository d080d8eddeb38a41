//! The doors of the calendar and of messages, with a whole house behind them.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::tests::{Answer, Browser, Home, is_problem};
use crate::policy::Role;
use crate::web::Peer;

const EVENTS: &str = "/api/v1/calendar/events";

async fn change(home: &Home, browser: &Browser, method: Method, uri: &str, body: Value) -> Answer {
    home.ask(browser.change(method, uri), Some(body)).await
}

async fn listed(home: &Home, browser: &Browser, query: &str) -> Vec<Value> {
    let answer = home.ask(browser.get(&format!("/api/v1/calendar?{query}")), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_event_is_written_down_changed_ticked_and_removed() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    let form = json!({ "title": "Фильтр", "start": "2026-11-23T08:00", "rule": "FREQ=DAILY;COUNT=3", "todo": true });
    let added = change(&home, &anna, Method::POST, EVENTS, form).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    assert_eq!((&added.body["by"], &added.body["remind"]), (&json!(me), &json!([30])));
    let event = format!("{EVENTS}/{}", added.body["event"].as_str().unwrap());

    let entries = listed(&home, &anna, "sort=priority&kinds=other,task").await;
    assert_eq!(entries.len(), 3);
    assert_eq!((&entries[0]["standing"], &entries[0]["begin"]), (&json!("ahead"), &json!("2026-11-23T05:00:00.000Z")));
    let place = format!("{event}/occurrences/{}", entries[0]["occurrence"]);
    let done = change(&home, &anna, Method::PUT, &format!("{place}/done"), json!({ "done": true })).await;
    assert_eq!(done.body["standing"], "done", "{}", done.body);
    let moved = json!({ "action": "move", "start": "2026-11-30T10:00", "title": "Позже" });
    assert_eq!(change(&home, &anna, Method::PUT, &place, moved).await.status, StatusCode::OK);
    let second = format!("{event}/occurrences/{}", entries[1]["occurrence"]);
    let cancelled = change(&home, &anna, Method::PUT, &second, json!({ "action": "cancel" })).await;
    assert_eq!(cancelled.body["cancelled"], json!([entries[1]["occurrence"]]));
    let titles: Vec<Value> = listed(&home, &anna, "").await.iter().map(|entry| entry["title"].clone()).collect();
    assert_eq!(titles, ["Фильтр", "Позже"]);

    let form = json!({ "title": "Фильтр", "start": "2026-11-24", "minutes": 1440 });
    let changed = change(&home, &anna, Method::PUT, &event, form).await;
    assert_eq!((&changed.body["all_day"], &changed.body["rule"]), (&json!(true), &Value::Null));
    assert_eq!(listed(&home, &anna, "").await[0]["day"], "2026-11-24");
    assert_eq!(home.ask(anna.change(Method::DELETE, &event), None).await.status, StatusCode::OK);
    is_problem(&home.ask(anna.get(&event), None).await, 404, "not-found");
}

#[tokio::test]
async fn what_cannot_be_is_said_in_words() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Adult).await;
    let wrong = |change: Value| {
        let mut form = json!({ "title": "x", "start": "2026-11-23T08:00" });
        form.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        form
    };
    for bad in [
        json!({ "title": " " }),
        json!({ "start": "tomorrow" }),
        json!({ "zone": "Mars/Olympus" }),
        json!({ "rule": "FREQ=SECONDLY" }),
        json!({ "rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }),
        json!({ "remind": [1, 2, 3, 4, 5, 6, 7, 8, 9] }),
        json!({ "minutes": 999_999_999 }),
        json!({ "kind": "feast" }),
        json!({ "priority": "highest" }),
    ] {
        let answer = change(&home, &anna, Method::POST, EVENTS, wrong(bad)).await;
        is_problem(&answer, 422, "invalid");
        assert!(!answer.body["title"].as_str().unwrap().contains("calendar-"), "{}", answer.body);
    }
    for query in [
        "from=yesterday",
        "to=2020-01-01T00:00:00Z",
        "to=2199-01-01T00:00:00Z",
        "kinds=feast",
        "sort=size",
        "limit=0",
        "origin=moon",
    ] {
        let answer = home.ask(anna.get(&format!("/api/v1/calendar?{query}")), None).await;
        is_problem(&answer, 422, "invalid");
    }
    is_problem(&home.ask(anna.get(&format!("{EVENTS}/nonsense")), None).await, 404, "not-found");
    let forbidden = json!({ "label": "x", "address": "https://192.168.1.1/a.ics" });
    let answer = change(&home, &anna, Method::POST, "/api/v1/calendar/elsewhere", forbidden).await;
    is_problem(&answer, 422, "invalid");
    assert!(answer.body["title"].as_str().unwrap().contains("calendar.allow"), "{}", answer.body);
}

#[tokio::test]
async fn who_may_see_the_calendar_and_who_may_change_it() {
    let home = Home::new().await;
    let (_, child) = home.signed_in("ivan", Role::Child).await;
    let (_, guest) = home.signed_in("olga", Role::Guest).await;
    let form = || json!({ "title": "x", "start": "2026-11-23" });
    assert_eq!(home.ask(child.get("/api/v1/calendar"), None).await.status, StatusCode::OK);
    is_problem(&change(&home, &child, Method::POST, EVENTS, form()).await, 403, "role");
    is_problem(&home.ask(guest.get("/api/v1/calendar"), None).await, 403, "role");
    is_problem(&home.ask(child.get("/api/v1/messages"), None).await, 403, "role");
}

/// What the site answers on a secret address.
async fn site(home: &Home, path: &str, tag: Option<&str>) -> (StatusCode, Option<String>, String) {
    let mut request = Request::builder().uri(path).header(header::HOST, "domovoi.local:8443");
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer { address: "192.168.1.20".parse().unwrap(), certificate: None });
    let (parts, body) = crate::web::site(&home.desk).oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let tag = parts.headers.get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
    (parts.status, tag, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_phone_reads_the_calendar_by_a_secret_address_without_signing_in() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    let (_, boris) = home.signed_in("boris", Role::Adult).await;
    let (_, owner) = home.signed_in("olga", Role::Owner).await;
    change(&home, &anna, Method::POST, EVENTS, json!({ "title": "Врач", "start": "2026-11-23T08:00" })).await;
    const FEEDS: &str = "/api/v1/calendar/feeds";
    let made = change(&home, &anna, Method::POST, FEEDS, json!({ "label": "телефон" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let address = made.body["address"].as_str().unwrap();
    let path = address.strip_prefix("https://domovoi.local:8443").unwrap();
    let (status, tag, body) = site(&home, path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("SUMMARY:Врач") && body.contains("TRIGGER:-PT30M"), "{body}");
    assert_eq!(site(&home, path, tag.as_deref()).await, (StatusCode::NOT_MODIFIED, tag, String::new()));

    let listed = home.ask(anna.get(FEEDS), None).await;
    assert_eq!(listed.body["feeds"][0]["person"], json!(me));
    assert!(!listed.body.to_string().contains(&path[10..30]), "the secret is told once");
    assert_eq!(home.ask(boris.get(FEEDS), None).await.body["feeds"], json!([]));
    assert_eq!(home.ask(owner.get(FEEDS), None).await.body["feeds"].as_array().unwrap().len(), 1);
    let feed = format!("{FEEDS}/{}", made.body["feed"].as_str().unwrap());
    is_problem(&home.ask(boris.change(Method::DELETE, &feed), None).await, 404, "not-found");

    let wrong: Vec<_> = [path.replace(".ics", ""), path.replace("/calendar/", "/calendar/A"), "/calendar/x.ics".into()]
        .into_iter()
        .collect();
    let constant = site(&home, &wrong[0], None).await;
    assert_eq!(constant.0, StatusCode::NOT_FOUND);
    for path in &wrong {
        assert_eq!(site(&home, path, None).await, constant, "every wrong one hears the same");
    }
    assert_eq!(home.ask(anna.change(Method::DELETE, &feed), None).await.status, StatusCode::OK);
    assert_eq!(site(&home, path, None).await, constant, "a revoked one too");
}

#[tokio::test]
async fn messages_of_the_home_wait_and_are_taken_back() {
    let home = Home::new().await;
    let (_, owner) = home.signed_in("olga", Role::Owner).await;
    const OUT: &str = "/api/v1/messages/outgoing";
    let sent = change(&home, &owner, Method::POST, OUT, json!({ "text": "Протечка", "kind": "outage" })).await;
    assert_eq!((sent.status, &sent.body["state"]), (StatusCode::CREATED, &json!("waiting")), "{}", sent.body);
    is_problem(&change(&home, &owner, Method::POST, OUT, json!({ "text": "x", "kind": "news" })).await, 422, "invalid");
    is_problem(&change(&home, &owner, Method::POST, OUT, json!({ "text": " " })).await, 422, "invalid");
    let one = format!("{OUT}/{}", sent.body["message"].as_str().unwrap());
    assert_eq!(home.ask(owner.change(Method::DELETE, &one), None).await.status, StatusCode::OK);
    let listed = home.ask(owner.get(OUT), None).await;
    assert_eq!(listed.body["messages"][0]["state"], "withdrawn");
    let inbox = home.ask(owner.get("/api/v1/messages?unread=true"), None).await;
    assert_eq!((&inbox.body["messages"], &inbox.body["unread"]), (&json!([]), &json!(0)));
    is_problem(&home.ask(owner.get("/api/v1/messages/nonsense"), None).await, 404, "not-found");
}
