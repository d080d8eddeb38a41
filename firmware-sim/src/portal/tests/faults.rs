//! Each misbehaviour, once, as a hub meets it.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Hub, code, settings};
use crate::portal::{Endpoint, Misbehaviour, PortalSettings, Reach, SandboxPortal};

async fn linked() -> (SandboxPortal, Hub) {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    (portal, hub)
}

#[tokio::test]
async fn lost_answers_differ_in_what_is_held() {
    let (portal, hub) = linked().await;
    let act = hub.act(11, "101", None);
    let (id, bytes) = (act["act_id"].as_str().unwrap(), act.to_string().into_bytes());
    portal.misbehave(Misbehaviour::AnswerLostBeforeCommit);
    assert!(hub.try_put(id, &bytes).await.is_err());
    assert_eq!(hub.get(&format!("/acts/{id}")).await.0, 404);

    portal.misbehave_at(Reach::Only(Endpoint::PutAct), Misbehaviour::AnswerLostAfterCommit, 1);
    assert_eq!(hub.get("/accounts").await.0, 200, "others are not concerned");
    assert!(hub.try_put(id, &bytes).await.is_err());
    assert_eq!(hub.get(&format!("/acts/{id}")).await.1["status"], "accepted");
    assert_eq!(hub.put(&act).await.0, 200);
    assert_eq!(portal.accepted_acts()[0].puts, 3);
}

#[tokio::test]
async fn answers_that_replace_the_work() {
    let (portal, hub) = linked().await;
    let act = hub.act(11, "101", None);
    let cases = [
        (Misbehaviour::ServerError500, 500, "server-error"),
        (Misbehaviour::TooManyRequests { retry_after_s: 7 }, 429, "too-many-requests"),
        (Misbehaviour::WindowClosed { opens_at: "2026-12-15T00:00:00+03:00".into() }, 422, "window-closed"),
        (Misbehaviour::AccountPending, 403, "account-pending"),
        (Misbehaviour::AccountBlocked, 403, "account-blocked"),
    ];
    for (what, status, name) in cases {
        portal.misbehave(what);
        let (got, problem) = hub.put(&act).await;
        assert_eq!((got, code(&problem)), (status, name));
    }
    portal.misbehave(Misbehaviour::TooManyRequests { retry_after_s: 7 });
    let limited = hub.call("GET", "/accounts").send().await.unwrap();
    assert_eq!(limited.headers()["retry-after"], "7");
    for (what, status) in [(Misbehaviour::BadGateway502Html, 502), (Misbehaviour::Html200, 200)] {
        portal.misbehave(what);
        let page = hub.try_put(act["act_id"].as_str().unwrap(), act.to_string().as_bytes()).await.unwrap();
        assert_eq!(page.status(), status);
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    }
    assert!(portal.accepted_acts().is_empty());
    assert_eq!(hub.put(&act).await.0, 201);
}

#[tokio::test]
async fn answers_that_are_wrong_huge_or_late() {
    let (portal, hub) = linked().await;
    let act = hub.act(11, "101", None);
    portal.misbehave(Misbehaviour::WrongHashInStatus);
    assert_eq!(hub.put(&act).await.1["sha256"], "0".repeat(64));
    assert_ne!(hub.put(&act).await.1["sha256"], "0".repeat(64));
    portal.misbehave(Misbehaviour::HugeAnswer);
    let huge = hub.call("GET", "/accounts").send().await.unwrap();
    assert_eq!(huge.content_length(), Some(32 * 1024 * 1024));
    drop(huge);
    portal.misbehave(Misbehaviour::SlowAnswer { millis: 60_000 });
    let late = tokio::time::timeout(Duration::from_millis(200), hub.call("GET", "/accounts").send()).await;
    assert!(late.is_err());
    assert_eq!(hub.get("/accounts").await.0, 200);
}

#[tokio::test]
async fn verdicts_can_be_slow_and_partial() {
    let (portal, hub) = linked().await;
    portal.misbehave(Misbehaviour::SlowReadBack { polls: 2 });
    let act = hub.act(11, "101", None);
    let path = format!("/acts/{}", act["act_id"].as_str().unwrap());
    assert_eq!(hub.put(&act).await.1["status"], "processing");
    assert_eq!(hub.get(&format!("{path}/receipt")).await.0, 409);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(hub.get(&path).await.1["readings"][0]["verdict"].clone());
    }
    assert_eq!(seen, ["pending", "pending", "accepted"]);
    assert_eq!(hub.get(&format!("{path}/receipt")).await.0, 200);

    let mut correction = hub.act(11, "102", Some(&act));
    correction["supersedes"] = act["act_id"].clone();
    let electricity =
        super::client::reading("E-1", "electricity", "245", 4, json!({ "t1": "1", "t2": "2", "t3": "3" }));
    correction["readings"].as_array_mut().unwrap().push(electricity);
    portal.misbehave(Misbehaviour::PartialAcceptance { reject: 1, code: "implausible".into() });
    let (_, held) = hub.put(&correction).await;
    assert_eq!(held["status"], "partially_accepted");
    assert_eq!(held["readings"][0]["code"], "implausible");
}

#[tokio::test]
async fn tokens_expire_and_consent_is_withdrawn() {
    let (portal, mut hub) = linked().await;
    portal.misbehave(Misbehaviour::ExpireAccessTokens);
    assert_eq!(hub.get("/accounts").await.0, 401);
    let tokens: Value = hub.refresh(&hub.refresh).await.unwrap().json().await.unwrap();
    hub.take(&tokens);
    assert_eq!(hub.get("/accounts").await.0, 200);
    portal.misbehave(Misbehaviour::WithdrawConsent);
    let (status, problem) = hub.get("/accounts").await;
    assert_eq!((status, code(&problem)), (403, "consent-withdrawn"));
    let refused: Value = hub.refresh(&hub.refresh).await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"], "invalid_grant");
}

#[tokio::test]
async fn strings_can_be_pulled_over_http_and_only_when_allowed() {
    let (portal, hub) = linked().await;
    let url = format!("{}/_sandbox/misbehave", portal.base_url());
    let wish = json!({ "what": { "too_many_requests": { "retry_after_s": 1 } }, "reach": { "only": "accounts" } });
    assert_eq!(hub.http.post(&url).json(&wish).send().await.unwrap().status(), 204);
    assert_eq!(hub.get("/accounts").await.0, 429);
    hub.http.post(&url).json(&json!({ "what": "server_error500", "times": 3 })).send().await.unwrap();
    assert_eq!(portal.view().faults_left, 1);
    assert_eq!(hub.http.delete(&url).send().await.unwrap().status(), 204);
    assert_eq!(hub.get("/accounts").await.0, 200);
    let view: Value =
        hub.http.get(format!("{}/_sandbox/view", portal.base_url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(view["live_grants"], 1);

    let closed = SandboxPortal::start(PortalSettings { sandbox_calls: false, ..settings() }).await.unwrap();
    let url = format!("{}/_sandbox/misbehave", closed.base_url());
    assert_eq!(hub.http.post(url).json(&wish).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn waiting_needs_no_sleep_and_events_tell_the_story() {
    let (portal, hub) = linked().await;
    let mut events = portal.events();
    let act = hub.act(11, "101", None);
    let (view, (status, _)) = tokio::join!(portal.wait_for(|view| !view.acts.is_empty()), hub.put(&act));
    assert_eq!((view.acts.len(), status), (1, 201));
    assert!(events.recv().await.unwrap().line.contains("took act"));
}
