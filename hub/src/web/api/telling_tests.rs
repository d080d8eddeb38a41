//! Telling through the API's router, with a whole house behind it: wishes, ways, inboxes, reasons, answers, and whose they are.

use axum::http::{Method, StatusCode, header};
use domovoi_model::{Id, Moment, Severity};
use serde_json::json;

use super::tests::{Home, NOON, is_problem};
use crate::notify::{Audience, Bilingual, News, Subject, Topic};
use crate::policy::Role;

const ORIGIN: &str = "https://domovoi.local:8443";

fn storm(n: u8) -> News {
    News {
        subject: Subject::Alert(Id([n; 16])),
        telling: 1,
        topic: Topic::Emergency,
        severity: Severity::Severe,
        life: false,
        drill: false,
        wants_answer: true,
        title: Bilingual { ru: "Шторм".into(), en: "A storm".into() },
        body: Bilingual::default(),
        link: Some("/alerts/1".into()),
        room: None,
        audience: Audience::Household,
        at: Moment::Wall(NOON),
    }
}

#[tokio::test]
async fn somebodys_wishes_are_their_own() {
    let home = Home::new().await;
    let (owner, anna) = home.signed_in("anna", Role::Owner).await;
    let (adult, olga) = home.signed_in("olga", Role::Adult).await;
    let (child, _) = home.signed_in("kolya", Role::Child).await;
    let of = |person: &str| format!("/api/v1/people/{person}/wishes");
    let wishes =
        json!({ "quiet": [{ "days": [1, 2, 3, 4, 5, 6, 7], "from": "21:00", "to": "8:00" }], "language": "en" });
    let set = home.ask(olga.change(Method::PUT, &of("me")), Some(wishes.clone())).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);
    assert!(set.body["warning"].as_str().is_some_and(|text| text.contains(' ')), "nobody has a way yet: {}", set.body);
    let shown = home.ask(olga.get(&of(&adult)), None).await;
    assert_eq!(shown.body["wishes"]["quiet"][0]["to"], "08:00");
    assert_eq!(home.ask(anna.get(&of(&adult)), None).await.status, StatusCode::OK, "the owner sees");
    is_problem(&home.ask(anna.change(Method::PUT, &of(&adult)), Some(wishes.clone())).await, 403, "not-yours");
    assert_eq!(home.ask(anna.change(Method::PUT, &of(&child)), Some(wishes)).await.status, StatusCode::OK, "a ward");
    is_problem(&home.ask(olga.get(&of(&owner)), None).await, 403, "not-yours");
    let too_long = json!({ "quiet": [{ "days": [1, 2, 3, 4, 5, 6, 7], "from": "0:00", "to": "0:00" }] });
    is_problem(&home.ask(olga.change(Method::PUT, &of("me")), Some(too_long)).await, 422, "quiet-too-long");
    let strange = json!({ "life_by": ["pager"] });
    is_problem(&home.ask(olga.change(Method::PUT, &of("me")), Some(strange)).await, 422, "no-such-channel");
}

#[tokio::test]
async fn ways_are_added_shown_without_secrets_and_not_taken_away_last() {
    let home = Home::new().await;
    let (_, anna) = home.signed_in("anna", Role::Owner).await;
    let (_, olga) = home.signed_in("olga", Role::Child).await;
    let channels = home.ask(anna.get("/api/v1/telling/channels"), None).await;
    let list = channels.body["channels"].as_array().unwrap();
    let webhook = list.iter().find(|one| one["name"] == "webhook").unwrap_or_else(|| panic!("{}", channels.body));
    assert!(channels.body["push_key"].as_str().is_some_and(|key| key.len() == 87), "{}", channels.body);
    let mut address = serde_json::Map::new();
    for field in webhook["fields"].as_array().unwrap().iter().filter(|field| field["required"] == true) {
        let name = field["name"].as_str().unwrap();
        let value = if name == "url" || name == "address" {
            "https://hooks.example.org/secret-path"
        } else {
            "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
        };
        address.insert(name.to_owned(), json!(value));
    }
    let form = json!({ "channel": "webhook", "label": "my server", "address": address });
    let uri = "/api/v1/people/me/ways";
    let added = home.ask(anna.change(Method::POST, uri), Some(form.clone())).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let way = added.body["way"].as_str().unwrap().to_owned();
    let ways = home.ask(anna.get(uri), None).await;
    assert_eq!(ways.body["ways"][0]["label"], "my server");
    assert_eq!(ways.body["warning"], json!(null), "an owner is reached");
    for field in webhook["fields"].as_array().unwrap().iter().filter(|field| field["secret"] == true) {
        assert!(ways.body["ways"][0]["address"].get(field["name"].as_str().unwrap()).is_none());
    }
    let gone = home.ask(anna.change(Method::DELETE, &format!("{uri}/{way}")), None).await;
    is_problem(&gone, 409, "nobody-for-life");
    is_problem(&home.ask(olga.change(Method::DELETE, &format!("{uri}/{way}")), None).await, 404, "not-found");
    is_problem(&home.ask(anna.change(Method::POST, uri), Some(json!({ "channel": "pager" }))).await, 404, "not-found");
    is_problem(&home.ask(anna.change(Method::POST, uri), Some(json!({ "channel": "webhook" }))).await, 422, "invalid");
    let code = home.ask(anna.change(Method::POST, &format!("{uri}/code")), None).await;
    assert_eq!(code.body["code"].as_str().map(str::len), Some(26));
    let house = home.ask(olga.get("/api/v1/telling/ways"), None).await;
    assert!(house.body["ways"].as_array().unwrap().iter().all(|way| way["used"].is_string()), "{}", house.body);
    is_problem(
        &home.ask(olga.change(Method::PUT, "/api/v1/telling/household"), Some(json!({ "order": [] }))).await,
        403,
        "role",
    );
}

#[tokio::test]
async fn inboxes_reasons_and_the_order() {
    let home = Home::new().await;
    let (owner, anna) = home.signed_in("anna", Role::Owner).await;
    let (adult, olga) = home.signed_in("olga", Role::Adult).await;
    home.desk.notify.tell(storm(1));
    let inbox = home.ask(olga.get("/api/v1/people/me/inbox"), None).await;
    assert_eq!((&inbox.body["unseen"], &inbox.body["lines"][0]["title"]), (&json!(1), &json!("Шторм")));
    let line = inbox.body["lines"][0]["id"].as_str().unwrap();
    let seen =
        home.ask(olga.change(Method::POST, "/api/v1/people/me/inbox/seen"), Some(json!({ "lines": [line] }))).await;
    assert_eq!(seen.body["seen"], 1);
    is_problem(&home.ask(olga.get(&format!("/api/v1/people/{owner}/inbox")), None).await, 403, "not-yours");
    let subject = storm(1).subject.to_string();
    let own = home.ask(olga.get(&format!("/api/v1/people/me/deliveries/why?subject={subject}")), None).await;
    assert!(own.body["decided"][0]["codes"].as_array().unwrap().contains(&json!("no-way")), "{}", own.body);
    assert!(own.body["decided"][0]["words"][0].as_str().unwrap().contains(' '));
    let all = format!("/api/v1/deliveries/why?subject={subject}&person={adult}");
    assert_eq!(home.ask(anna.get(&all), None).await.status, StatusCode::OK);
    is_problem(&home.ask(olga.get(&all), None).await, 403, "role");
    is_problem(
        &home.ask(anna.get(&format!("/api/v1/deliveries/why?subject=x&person={adult}")), None).await,
        422,
        "invalid",
    );
    assert!(home.ask(anna.get("/api/v1/deliveries"), None).await.body["deliveries"].is_array());
    let order =
        home.ask(anna.change(Method::PUT, "/api/v1/telling/household"), Some(json!({ "order": [adult, owner] }))).await;
    assert_eq!(order.body["order"], json!([adult, owner]));
    assert_eq!(home.console(Method::GET, "/api/v1/telling/household", None).await.body["order"], json!([adult, owner]));
}

#[tokio::test]
async fn a_letters_token_answers_without_a_session_and_nothing_else_does() {
    let home = Home::new().await;
    let ask = async |token: &str| {
        let request = axum::http::Request::builder()
            .method(Method::POST)
            .uri("/api/v1/telling/answer")
            .header(header::ORIGIN, ORIGIN);
        home.ask(request, Some(json!({ "token": token }))).await
    };
    for bad in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "ААААААААААААААААААААААА"]
    {
        is_problem(&ask(bad).await, 410, "stale");
    }
    let get = axum::http::Request::builder().uri("/api/v1/telling/answer");
    is_problem(&home.ask(get, None).await, 405, "no-such-method");
}
