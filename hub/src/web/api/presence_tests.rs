//! The doors of presence, with a whole house behind them.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::tests::{Answer, Browser, Home, is_problem};
use crate::policy::Role;
use crate::web::Peer;

const MINE: &str = "/api/v1/people/me/presence";

async fn change(home: &Home, browser: &Browser, method: Method, uri: &str, body: Value) -> Answer {
    home.ask(browser.change(method, uri), Some(body)).await
}

/// What the site answers to a phone that is not signed in.
async fn knock(home: &Home, method: Method, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "domovoi.local:8443");
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer { address: "192.168.1.20".parse().unwrap(), certificate: None });
    crate::web::site(&home.desk).oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn somebody_says_that_they_are_home_and_the_household_knows_but_no_guest() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    let (_, owner) = home.signed_in("olga", Role::Owner).await;
    let (_, guest) = home.signed_in("ivan", Role::Guest).await;
    let (kid, child) = home.signed_in("kolya", Role::Child).await;
    let said = change(&home, &anna, Method::PUT, MINE, json!({ "home": true })).await;
    assert_eq!((said.status, &said.body["home"], &said.body["why"]), (StatusCode::OK, &json!(true), &json!("hand")));
    assert!(said.body["words"].as_str().unwrap().contains(' '), "{}", said.body);
    for browser in [&owner, &child, &anna] {
        let listed = home.ask(browser.get("/api/v1/presence"), None).await;
        assert_eq!((&listed.body["people"][0]["person"], &listed.body["anybody"]), (&json!(me), &json!(true)));
    }
    let listed = home.ask(guest.get("/api/v1/presence"), None).await;
    assert_eq!((&listed.body["people"], &listed.body["anybody"]), (&json!([]), &Value::Null), "a guest learns nothing");
    is_problem(&home.ask(guest.get(&format!("/api/v1/people/{me}/presence")), None).await, 403, "not-yours");
    let own = change(&home, &guest, Method::PUT, MINE, json!({ "home": false })).await;
    assert_eq!(own.status, StatusCode::OK, "a guest says so of themselves: {}", own.body);
    let of_anna = format!("/api/v1/people/{me}/presence");
    is_problem(&change(&home, &child, Method::PUT, &of_anna, json!({ "home": false })).await, 403, "not-yours");
    let of_kid = format!("/api/v1/people/{kid}/presence");
    assert_eq!(change(&home, &owner, Method::PUT, &of_kid, json!({ "home": true })).await.status, StatusCode::OK);
    let back = change(&home, &anna, Method::PUT, MINE, json!({ "home": null })).await;
    assert_eq!(back.body["home"], Value::Null);
    is_problem(&change(&home, &anna, Method::PUT, MINE, json!({ "home": "yes" })).await, 422, "invalid");
}

#[tokio::test]
async fn trackers_are_named_checked_and_of_devices_that_may_be_seen() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Adult).await;
    let uri = format!("{MINE}/trackers");
    for (trackers, quiet) in [
        (json!([{ "device": "nowhere", "property": "presence", "is": ["home"] }]), json!(null)),
        (json!([]), json!(0)),
        (json!([]), json!(721)),
    ] {
        let answer =
            change(&home, &anna, Method::PUT, &uri, json!({ "trackers": trackers, "quiet_minutes": quiet })).await;
        is_problem(&answer, 422, "invalid");
    }
    let set = change(&home, &anna, Method::PUT, &uri, json!({ "trackers": [], "quiet_minutes": 5 })).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);
}

#[tokio::test]
async fn a_phone_speaks_by_a_secret_address_without_signing_in() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    let (_, boris) = home.signed_in("boris", Role::Adult).await;
    let uri = format!("{MINE}/links");
    let made = change(&home, &anna, Method::POST, &uri, json!({ "label": "телефон" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let address = made.body["address"].as_str().unwrap();
    let path = address.strip_prefix("https://domovoi.local:8443").unwrap();
    assert!(path.len() >= "/hooks/presence/".len() + 43, "256 bits: {path}");
    assert_eq!(knock(&home, Method::POST, &format!("{path}/home")).await, StatusCode::OK);
    let shown = home.ask(anna.get(MINE), None).await;
    assert_eq!((&shown.body["home"], &shown.body["why"]), (&json!(true), &json!("link")));
    // Who looks at a link does nothing, and a wrong one learns nothing.
    assert_eq!(knock(&home, Method::GET, &format!("{path}/away")).await, StatusCode::METHOD_NOT_ALLOWED);
    for wrong in [format!("{path}x/away"), format!("{path}/maybe"), "/hooks/presence/x/away".to_owned()] {
        assert_eq!(knock(&home, Method::POST, &wrong).await, StatusCode::NOT_FOUND, "{wrong}");
    }
    assert_eq!(home.ask(anna.get(MINE), None).await.body["home"], json!(true));
    let listed = home.ask(anna.get(&uri), None).await;
    assert!(!listed.body.to_string().contains(&path[20..40]), "the secret is told once");
    let link = made.body["link"].as_str().unwrap();
    is_problem(
        &home.ask(boris.change(Method::DELETE, &format!("/api/v1/people/{me}/presence/links/{link}")), None).await,
        403,
        "not-yours",
    );
    let gone = home.ask(anna.change(Method::DELETE, &format!("{uri}/{link}")), None).await;
    assert_eq!(gone.status, StatusCode::OK);
    assert_eq!(knock(&home, Method::POST, &format!("{path}/away")).await, StatusCode::NOT_FOUND);
    assert_eq!(home.ask(anna.get(MINE), None).await.body["home"], json!(true));
}

#[tokio::test]
async fn what_was_kept_is_told_to_the_person_and_forgotten_with_them() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    change(&home, &anna, Method::PUT, MINE, json!({ "home": true })).await;
    let id = me.parse().unwrap();
    let told = home.desk.people.export(id).await.unwrap();
    assert!(told.to_string().contains("\"presence\""), "{told}");
    home.desk.presence.forget_person(id).await.unwrap();
    assert_eq!(home.desk.presence.is_home(id), None);
}
