//! The doors of scenarios, with a whole house behind them.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use domovoi_config::Language;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::tests::{Answer, Browser, Home, answered, is_problem};
use crate::policy::Role;
use crate::scenarios::presets::PRESETS;
use crate::scenarios::{CatchUp, End, What};
use crate::web::Peer;
use crate::words::words;

const ALL: &str = "/api/v1/scenarios";

async fn change(home: &Home, browser: &Browser, method: Method, uri: &str, body: Value) -> Answer {
    home.ask(browser.change(method, uri), Some(body)).await
}

fn morning() -> Value {
    json!({
        "name": "Утро",
        "triggers": [{ "id": "a", "when": "time", "at": ["07:30"], "weekdays": [1, 2, 3, 4, 5] }, { "id": "b", "when": "webhook" }],
        "conditions": [{ "if": "home", "is": true }],
        "actions": [
            { "do": "choose", "branches": [{ "if": [{ "if": "sun", "up": false }], "then": [{ "do": "wait", "seconds": 60 }] }] },
            { "do": "set", "variable": "x", "value": 1 },
        ],
    })
}

async fn knock(home: &Home, method: Method, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "domovoi.local:8443");
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer { address: "192.168.1.20".parse().unwrap(), certificate: None });
    crate::web::site(&home.desk).oneshot(request).await.unwrap().status()
}

async fn file(home: &Home, browser: &Browser, text: &str) -> Answer {
    let request = browser.change(Method::POST, &format!("{ALL}/import"));
    let request = request.header(header::CONTENT_TYPE, "application/toml").body(Body::from(text.to_owned())).unwrap();
    answered(&home.page, request).await
}

#[tokio::test]
async fn a_scenario_is_kept_shown_in_words_switched_started_and_removed() {
    let home = Home::new().await;
    let (me, anna) = home.signed_in("anna", Role::Adult).await;
    let added = change(&home, &anna, Method::POST, ALL, morning()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let id = added.body["id"].as_str().unwrap().to_owned();
    let one = format!("{ALL}/{id}");
    let shown = home.ask(anna.get(&one), None).await;
    assert_eq!((&shown.body["name"], &shown.body["author"]), (&json!("Утро"), &json!(me)), "{}", shown.body);
    assert_eq!(shown.body["scenario"]["actions"], added.body["scenario"]["actions"]);
    for list in ["begins", "conditions"] {
        let said = shown.body[list][0].as_str().unwrap();
        assert!(!said.contains("scenario-") && !said.is_empty(), "{said}");
    }
    assert_eq!(shown.body["steps"].as_array().unwrap().len(), 4, "with the heading of the branch: {}", shown.body);
    let by_name = home.ask(anna.get(&format!("{ALL}/%D0%A3%D1%82%D1%80%D0%BE")), None).await;
    assert_eq!(by_name.body["id"], json!(id));

    let off = change(&home, &anna, Method::PUT, &format!("{one}/on"), json!({ "on": false })).await;
    assert_eq!(off.body["is_on"], json!(false), "{}", off.body);
    let mut changed = morning();
    changed["name"] = json!("Другое утро");
    let put = change(&home, &anna, Method::PUT, &one, changed).await;
    assert_eq!((put.status, &put.body["id"]), (StatusCode::OK, &json!(id)), "{}", put.body);
    assert_eq!(put.body["addresses"], json!([]), "an address that is there stays as it is, and secret");
    let dry = change(&home, &anna, Method::POST, &format!("{one}/dry-run"), json!({})).await;
    assert_eq!((dry.status, dry.body["lines"].is_array()), (StatusCode::OK, true), "{}", dry.body);
    let dry = change(&home, &anna, Method::POST, &format!("{ALL}/dry-run"), json!({ "scenario": morning() })).await;
    assert_eq!(dry.status, StatusCode::OK, "{}", dry.body);
    let runs = home.ask(anna.get(&format!("{one}/runs")), None).await;
    assert_eq!(runs.status, StatusCode::OK, "{}", runs.body);
    is_problem(&home.ask(anna.get("/api/v1/runs?limit=501"), None).await, 422, "invalid");

    assert_eq!(home.ask(anna.change(Method::DELETE, &one), None).await.status, StatusCode::OK);
    is_problem(&home.ask(anna.get(&one), None).await, 404, "not-found");
    is_problem(&home.ask(anna.get("/api/v1/runs/nonsense"), None).await, 404, "not-found");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Adult).await;
    for (at, value, field) in [
        ("/name", json!(" "), "name"),
        ("/triggers/0/at/0", json!("25:00"), "triggers"),
        ("/actions/1/variable", json!("1x"), "actions"),
    ] {
        let mut form = morning();
        *form.pointer_mut(at).unwrap() = value;
        let answer = change(&home, &anna, Method::POST, ALL, form).await;
        is_problem(&answer, 422, "invalid");
        let title = answer.body["title"].as_str().unwrap();
        assert!(!title.contains("scenario-"), "{field}: {title}");
    }
    let mut form = morning();
    form["actions"] = json!([{ "do": "command", "device": "nowhere", "property": "state", "value": true }]);
    is_problem(&change(&home, &anna, Method::POST, ALL, form).await, 422, "invalid");
}

#[tokio::test]
async fn what_is_exported_is_imported_and_a_mistake_is_told_with_its_line() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Adult).await;
    let added = change(&home, &anna, Method::POST, ALL, morning()).await;
    let id = added.body["id"].as_str().unwrap().to_owned();
    let request = anna.get(&format!("{ALL}/{id}/export")).body(Body::empty()).unwrap();
    let mut request = request;
    request.extensions_mut().insert(Peer { address: "192.168.1.20".parse().unwrap(), certificate: None });
    let response = home.page.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/toml; charset=utf-8");
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let back = file(&home, &anna, &text).await;
    assert_eq!((back.status, &back.body["scenario"]), (StatusCode::CREATED, &added.body["scenario"]), "{}", back.body);
    let broken = text.replace("variable = \"x\"", "variable = \"1 x\"");
    let line = 1 + broken.lines().position(|line| line.contains("1 x")).unwrap();
    let answer = file(&home, &anna, &broken).await;
    is_problem(&answer, 422, "invalid");
    let title = answer.body["title"].as_str().unwrap();
    assert!(title.starts_with(&format!("line {line}: actions[1].variable: ")), "{title}");
    is_problem(&file(&home, &anna, "name = ").await, 422, "invalid");
}

#[tokio::test]
async fn a_secret_address_begins_a_scenario_and_no_other_does() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Adult).await;
    let added = change(&home, &anna, Method::POST, ALL, morning()).await;
    let address = added.body["addresses"][0]["address"].as_str().unwrap_or_else(|| panic!("{}", added.body));
    assert_eq!(added.body["addresses"][0]["trigger"], "b");
    let path = address.strip_prefix("https://domovoi.local:8443").unwrap();
    assert!(path.len() >= "/hooks/scenarios/".len() + 22, "128 bits at least: {path}");
    assert_eq!(knock(&home, Method::POST, path).await, StatusCode::ACCEPTED);
    assert_eq!(knock(&home, Method::GET, path).await, StatusCode::METHOD_NOT_ALLOWED);
    for wrong in [format!("{path}x"), "/hooks/scenarios/x".to_owned(), format!("/hooks/scenarios/{}", "x".repeat(4000))]
    {
        assert_eq!(knock(&home, Method::POST, &wrong).await, StatusCode::NOT_FOUND);
    }
    let shown = home.ask(anna.get(&format!("{ALL}/{}", added.body["id"].as_str().unwrap())), None).await;
    assert!(!shown.body.to_string().contains(&path[20..]), "the secret is told once");
}

#[tokio::test]
async fn who_may_see_start_and_change_scenarios() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Adult).await;
    let (_, child) = home.signed_in("kolya", Role::Child).await;
    let (_, guest) = home.signed_in("ivan", Role::Guest).await;
    let added = change(&home, &anna, Method::POST, ALL, morning()).await;
    let one = format!("{ALL}/{}", added.body["id"].as_str().unwrap());
    assert_eq!(home.ask(child.get(ALL), None).await.status, StatusCode::OK);
    is_problem(&change(&home, &child, Method::POST, &format!("{one}/runs"), json!({})).await, 403, "role");
    is_problem(&change(&home, &child, Method::POST, ALL, morning()).await, 403, "role");
    is_problem(&home.ask(child.get(&format!("{one}/export")), None).await, 403, "role");
    for uri in [ALL, &one, "/api/v1/runs"] {
        is_problem(&home.ask(guest.get(uri), None).await, 403, "role");
    }
}

#[tokio::test]
async fn presets_ask_and_what_cannot_be_chosen_is_refused() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Adult).await;
    let listed = home.ask(anna.get(&format!("{ALL}/presets")), None).await;
    assert_eq!(listed.body["presets"].as_array().unwrap().len(), PRESETS.len(), "{}", listed.body);
    for preset in PRESETS {
        let uri = format!("{ALL}/presets/{}", preset.code);
        is_problem(&change(&home, &anna, Method::POST, &uri, json!({})).await, 422, "invalid");
        let strange = json!({ "switches": ["a:b|state"], "heaters": ["a:b|t"] });
        is_problem(&change(&home, &anna, Method::POST, &uri, strange).await, 422, "invalid");
    }
    is_problem(&change(&home, &anna, Method::POST, &format!("{ALL}/presets/party"), json!({})).await, 404, "not-found");
}

#[test]
fn every_code_has_words_in_both_languages() {
    for language in [Language::Russian, Language::English] {
        let has = |key: String| assert_ne!(words(language).say(&key, &[("about", "a"), ("said", "b")]), key, "{key}");
        End::ALL.iter().for_each(|end| has(format!("scenario-end-{}", end.code())));
        What::ALL.iter().for_each(|what| has(format!("scenario-line-{}", what.code())));
        CatchUp::ALL.iter().for_each(|one| has(format!("scenario-catch-up-{}", one.code())));
        for preset in PRESETS {
            for part in ["", "-text", "-told"] {
                has(format!("scenario-preset-{}{part}", preset.code));
            }
            preset.asks.iter().for_each(|ask| has(format!("scenario-ask-{}", ask.key().replace('_', "-"))));
        }
    }
}
