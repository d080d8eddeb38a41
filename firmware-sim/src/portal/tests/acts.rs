//! Acts: taken once, judged, receipted, kept.

use serde_json::{Value, json};

use super::client::{Hub, code, reading, settings, sha_hex};
use crate::portal::{
    AccountSpec, AccountState, Endpoint, Misbehaviour, PortalSettings, Reach, SandboxPortal, WindowDay, WindowSpec,
};

#[tokio::test]
async fn act_is_taken_once_read_back_and_receipted() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    assert_eq!(hub.register_key().await, 200, "registering again changes nothing");
    let act = hub.act(11, "123.529", None);
    let id = act["act_id"].as_str().unwrap();
    assert_eq!(code(&hub.get(&format!("/acts/{id}")).await.1), "act-unknown");

    let (status, held) = hub.put(&act).await;
    assert_eq!((status, held["status"].as_str()), (201, Some("accepted")), "{held}");
    assert_eq!(held["sha256"], sha_hex(act.to_string().as_bytes()));
    let (again, same) = hub.put(&act).await;
    assert_eq!((again, &same), (200, &held));
    assert_eq!(hub.get(&format!("/acts/{id}")).await.1, held);
    let (status, receipt) = hub.get(&format!("/acts/{id}/receipt")).await;
    assert_eq!((status, &receipt["act_sha256"]), (200, &held["sha256"]));

    let mut other = act.clone();
    other["created_at"] = "2026-11-20T15:00:01+03:00".into();
    assert_eq!(code(&hub.put(&other).await.1), "act-differs");
    let view = portal.view();
    assert_eq!((view.acts.len(), view.acts[0].puts, view.live_acts("1234567890", (2026, 11))), (1, 3, 1));
    assert_eq!(view.acts[0].readings[0].values, ["123.529"]);
    assert_eq!(portal.requests(Endpoint::PutAct), 3);
    let (_, accounts) = hub.get("/accounts").await;
    assert_eq!(accounts["accounts"][0]["metering_points"][0]["last_accepted"]["t1"], "123.529");
}

#[tokio::test]
async fn signature_key_and_document_are_checked() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let act = hub.act(11, "123.529", None);
    let id = act["act_id"].as_str().unwrap();
    let tampered = hub
        .call("PUT", &format!("/acts/{id}"))
        .header("x-jws-signature", hub.jws(b"{}"))
        .body(act.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(code(&tampered.json().await.unwrap()), "invalid-signature");

    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut act = hub.act(11, "123.529", None);
        change(&mut act);
        act
    };
    let bad = [
        wrong(&|act| act["extra"] = 1.into()),
        wrong(&|act| act["readings"][0]["meter"]["extra"] = 1.into()),
        wrong(&|act| act["readings"][0]["values"]["t1"] = 123.5.into()),
        wrong(&|act| act["readings"][0]["values"]["t1"] = "-1".into()),
        wrong(&|act| act["readings"][0]["values"]["t1"] = "1e3".into()),
        wrong(&|act| act["readings"][0]["values"]["t1"] = "123456".into()),
        wrong(&|act| act["readings"][0]["values"]["t1"] = "1.2345".into()),
        wrong(&|act| act["readings"][0]["values"]["t2"] = "1".into()),
        wrong(&|act| act["readings"][0]["meter"]["unit_okei"] = "245".into()),
        wrong(&|act| act["readings"][0]["meter"]["model"] = Value::Null),
        wrong(&|act| act["readings"] = json!([])),
        wrong(&|act| act["period"]["month"] = 13.into()),
        wrong(&|act| act["previous_act_sha256"] = "b".repeat(63).into()),
        wrong(&|act| drop(act.as_object_mut().unwrap().remove("supersedes"))),
        wrong(&|act| {
            let twin = act["readings"][0].clone();
            act["readings"].as_array_mut().unwrap().push(twin);
        }),
    ];
    for act in bad {
        let (status, problem) = hub.put(&act).await;
        assert_eq!((status, code(&problem)), (422, "bad-request"), "{act}");
    }
    let mut elsewhere = hub.act(11, "123.529", None);
    elsewhere["account"]["account_number"] = "9".into();
    assert_eq!(code(&hub.put(&elsewhere).await.1), "account-unknown");
    let big = hub.try_put(id, &vec![b' '; 1024 * 1024 + 1]).await.unwrap();
    assert_eq!(big.status(), 413);

    let deleted = hub.call("DELETE", &format!("/hub-keys/{}", hub.kid())).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(code(&hub.put(&act).await.1), "unknown-key");
    assert!(portal.accepted_acts().is_empty() && portal.registered_keys().is_empty());
}

#[tokio::test]
async fn period_has_one_live_act_and_a_correction_names_it() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let first = hub.act(11, "123.529", None);
    assert_eq!(hub.put(&first).await.0, 201);
    let mut second = hub.act(11, "120", Some(&first));
    assert_eq!(code(&hub.put(&second).await.1), "period-exists");
    second["supersedes"] = first["act_id"].clone();
    let mut reused = second.clone();
    reused["readings"][0]["reading_id"] = first["readings"][0]["reading_id"].clone();
    assert_eq!(code(&hub.put(&reused).await.1), "reading-exists");
    let (status, held) = hub.put(&second).await;
    assert_eq!((status, held["status"].as_str()), (201, Some("accepted")), "lower than the one it corrects is fine");
    assert_eq!(portal.live_acts("1234567890", (2026, 11)), 1);
    assert_eq!(portal.accepted_acts().iter().filter(|act| act.live).count(), 1);
}

#[tokio::test]
async fn readings_are_judged_one_by_one() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let mut act = hub.act(11, "99.999", None);
    let readings = act["readings"].as_array_mut().unwrap();
    readings.push(reading("E-1", "electricity", "245", 4, json!({ "t1": "1", "t2": "2", "t3": "3", "t4": "4" })));
    readings.push(reading("E-1", "electricity", "245", 4, json!({ "t1": "1", "t2": "2", "t3": "3" })));
    readings.push(reading("unknown", "gas", "113", 1, json!({ "t1": "1" })));
    let (_, held) = hub.put(&act).await;
    assert_eq!(held["status"], "partially_accepted");
    let codes: Vec<_> = (0..4).map(|at| held["readings"][at]["code"].as_str().unwrap_or("accepted")).collect();
    assert_eq!(codes, ["decreasing", "t4-not-taken", "accepted", "meter-unknown"]);

    let rejected = hub.act(12, "1", Some(&act));
    assert_eq!(code(&hub.put(&rejected).await.1), "window-closed", "December is not open in November");
}

#[tokio::test]
async fn wholly_rejected_act_has_no_receipt_and_does_not_hold_the_period() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let low = hub.act(11, "1", None);
    assert_eq!(hub.put(&low).await.1["status"], "rejected");
    let receipt = hub.get(&format!("/acts/{}/receipt", low["act_id"].as_str().unwrap())).await;
    assert_eq!((receipt.0, code(&receipt.1)), (409, "not-ready"));
    assert_eq!(portal.live_acts("1234567890", (2026, 11)), 0);
    assert_eq!(hub.put(&hub.act(11, "101", Some(&low))).await.0, 201);
}

#[tokio::test]
async fn window_account_state_and_opening_time_are_told() {
    let edge = |date, next_month| WindowDay::Date { date, next_month };
    let account = AccountSpec {
        window: WindowSpec { start: edge(25, false), end: edge(3, true) },
        ..settings().accounts.remove(0)
    };
    let portal = SandboxPortal::start(PortalSettings { accounts: vec![account], ..settings() }).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let (status, problem) = hub.put(&hub.act(11, "101", None)).await;
    assert_eq!((status, code(&problem)), (422, "window-closed"));
    assert_eq!(problem["opens_at"], "2026-11-24T21:00:00Z", "the 25th in Moscow");
    portal.set_account_state("1234567890", AccountState::Blocked);
    assert_eq!(code(&hub.put(&hub.act(11, "101", None)).await.1), "account-blocked");
    portal.set_account_state("1234567890", AccountState::Pending);
    assert_eq!(code(&hub.put(&hub.act(11, "101", None)).await.1), "account-pending");
}

#[tokio::test]
async fn photo_belongs_to_an_act_and_has_its_hash() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    let photo = [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3];
    let mut act = hub.act(11, "101", None);
    act["readings"][0]["photo"] = json!({ "sha256": sha_hex(&photo), "media_type": "image/jpeg" });
    let path = format!("/acts/{}/photos/{}", act["act_id"].as_str().unwrap(), sha_hex(&photo));
    let send = async |bytes: &[u8]| {
        let request = hub.call("PUT", &path).header("content-type", "image/jpeg").body(bytes.to_vec());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(&photo).await, 404, "before the act");
    assert_eq!(hub.put(&act).await.0, 201);
    assert_eq!(send(&[0xFF, 0xD8, 0xFF]).await, 422);
    assert_eq!(send(&photo).await, 201);
    assert_eq!(send(&photo).await, 200);
}

#[tokio::test]
async fn everything_accepted_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let durable = || PortalSettings { data_dir: Some(folder.path().to_owned()), ..settings() };
    let portal = SandboxPortal::start(durable()).await.unwrap();
    let mut hub = Hub::linked(&portal).await;
    let act = hub.act(11, "123.529", None);
    assert_eq!(hub.put(&act).await.0, 201);
    let path = format!("/acts/{}", act["act_id"].as_str().unwrap());
    let before = (hub.get(&path).await, hub.get(&format!("{path}/receipt")).await);
    let note = json!({ "kind": "meter", "text": "молчит" });
    let key = uuid::Uuid::new_v4().to_string();
    let post = async |hub: &Hub| {
        let request = hub.call("POST", "/notifications").header("idempotency-key", &key).json(&note);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let first = post(&hub).await;
    portal.stop().await;

    let portal = SandboxPortal::start(durable()).await.unwrap();
    hub.base = portal.base_url().to_owned();
    assert_eq!((hub.get(&path).await, hub.get(&format!("{path}/receipt")).await), before);
    assert_eq!(hub.put(&act).await.0, 200, "the same act is the same act");
    assert_eq!(post(&hub).await, first, "the first answer again");
    assert_eq!(portal.view().notifications_from_hub.len(), 1);
    assert_eq!(portal.live_acts("1234567890", (2026, 11)), 1);
    let files: Vec<String> = walk(folder.path());
    assert!(files.iter().all(|text| !text.contains(&hub.access) && !text.contains(&hub.refresh)), "hashes only");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { texts.extend(walk(&path)) } else { texts.push(std::fs::read_to_string(path).unwrap()) }
    }
    texts
}

#[tokio::test]
async fn messages_alerts_devices_and_requests_travel() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let hub = Hub::linked(&portal).await;
    portal.notify_household("outage", "Завтра без воды", Some("1234567890")).unwrap();
    let (_, page) = hub.get("/notifications").await;
    assert_eq!(page["notifications"][0]["text"], "Завтра без воды");
    let next = page["next"].as_str().unwrap();
    assert_eq!(hub.get(&format!("/notifications?after={next}")).await.1["notifications"], json!([]));
    assert_eq!(hub.call("PUT", "/notifications/n1/read").send().await.unwrap().status(), 204);
    assert_eq!(hub.get("/notifications").await.1["notifications"][0]["read"], true);

    portal.notify_household("a_kind_of_tomorrow", "Новости", None).unwrap();
    assert!(portal.read_on_the_portal("n2").unwrap() && !portal.read_on_the_portal("n9").unwrap());
    assert_eq!(hub.get("/notifications?after=1").await.1["notifications"][0]["read"], true);
    assert_eq!(portal.view().notifications.len(), 2);

    portal.add_charge(&AccountSpec::default(), (2026, 10), 12_345, "2026-11-10").unwrap();
    assert!(portal.pay_charge("c1").unwrap());
    assert_eq!(hub.get("/charges").await.1["charges"][0]["paid"], true);
    assert_eq!(hub.get("/charges?account=1234567890").await.1["charges"][0]["amount_kopecks"], 12345);

    portal.publish_alert("storm-1", "<alert/>");
    let feed = hub.call("GET", "/alerts").send().await.unwrap();
    let etag = feed.headers()["etag"].clone();
    assert!(feed.text().await.unwrap().contains("/alerts/storm-1"));
    assert_eq!(hub.call("GET", "/alerts").header("if-none-match", etag).send().await.unwrap().status(), 304);
    assert_eq!(hub.call("GET", "/alerts/storm-1").send().await.unwrap().text().await.unwrap(), "<alert/>");

    let list = json!({ "devices": [{ "id": "d1", "name": "Лампа", "kind": "light" }] });
    assert_eq!(hub.call("PUT", "/devices").json(&list).send().await.unwrap().status(), 204);
    let wish = json!({ "service": "plumber", "text": "Течёт кран" });
    let key = uuid::Uuid::new_v4().to_string();
    for _ in 0..2 {
        let sent = hub.call("POST", "/service-requests").header("idempotency-key", &key).json(&wish).send().await;
        assert_eq!(sent.unwrap().status(), 201);
    }
    assert_eq!(hub.get("/service-requests").await.1["requests"].as_array().unwrap().len(), 1);
    assert_eq!(portal.view().devices.len(), 1);
    assert_eq!(portal.view().acts.len(), 0);
}

#[tokio::test]
async fn request_that_outlives_the_stop_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let durable = || PortalSettings { data_dir: Some(folder.path().to_owned()), ..settings() };
    let portal = SandboxPortal::start(durable()).await.unwrap();
    let mut hub = Hub::linked(&portal).await;
    let act = hub.act(11, "123.529", None);
    portal.misbehave_at(Reach::Only(Endpoint::PutAct), Misbehaviour::SlowAnswer { millis: 3_600_000 }, 1);
    let (id, bytes) = (act["act_id"].as_str().unwrap(), act.to_string().into_bytes());
    let stopping = async {
        portal.wait_for(|view| view.requests_to(Endpoint::PutAct) == 1).await;
        portal.stop().await;
    };
    tokio::select! {
        _ = hub.try_put(id, &bytes) => panic!("an answer came in spite of the wait"),
        () = stopping => {}
    }
    let next = SandboxPortal::start(durable()).await.unwrap();
    hub.base = next.base_url().to_owned();
    assert_eq!(hub.get(&format!("/acts/{id}")).await.0, 404);
    assert_eq!(hub.put(&act).await.0, 201);
}

#[tokio::test]
async fn private_keys_and_foreign_thumbprints_are_refused() {
    let portal = SandboxPortal::start(settings()).await.unwrap();
    let mut hub = Hub::new(&portal);
    hub.link("acts.write acts.read").await;
    let mut key = hub.public_key();
    let send = async |kid: &str, key: &Value| {
        hub.call("PUT", &format!("/hub-keys/{kid}")).json(key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(&"A".repeat(43), &key).await, 422, "the thumbprint of another key");
    key["d"] = "c2VjcmV0".into();
    assert_eq!(send(&hub.kid(), &key).await, 422);
    key.as_object_mut().unwrap().remove("d");
    key["kid"] = hub.kid().into();
    assert_eq!(send(&hub.kid(), &key).await, 201, "a JWK may name its kid");
}
