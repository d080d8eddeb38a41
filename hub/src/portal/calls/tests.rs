//! Each call: the request as it goes over the wire, and a recorded answer of the contract read back.

use domovoi_model::{ActId, Date, Id, Period, PortalVerdict, Resource, Timestamp};
use p256::ecdsa::SigningKey;
use rust_decimal::Decimal;
use serde_json::json;

use super::*;
use crate::portal::fake::{Asked, Fake, Told, told, told_json, told_problem};
use crate::portal::{CallError, Portal, thumbprint};

const ACT: &str = "0192f0c1-0000-7000-8000-00000000000a";
const READING: &str = "0192f0c1-0000-7000-8000-00000000000b";

fn act_id() -> ActId {
    ACT.parse().unwrap()
}

/// A linked portal that expects one kind of request.
async fn portal(method: &'static str, target: &'static str, answer: fn(&Asked) -> Told) -> (Portal, Fake) {
    let fake = Fake::start(move |_, asked| asked.is(method, target).then(|| answer(asked))).await;
    let (portal, _) = fake.linked().await;
    (portal, fake)
}

fn only(fake: &Fake) -> Asked {
    let asked = fake.asked();
    assert_eq!(asked.len(), 1, "one request");
    assert_eq!(asked[0].header("authorization"), Some("Bearer at-1"));
    assert!(asked[0].header("user-agent").unwrap().starts_with("domovoi/"));
    assert!(asked[0].header("accept").is_some());
    assert_eq!(asked[0].header("accept-encoding"), None, "no compression");
    asked[0].clone()
}

#[tokio::test]
async fn accounts() {
    let (portal, fake) = portal("GET", "/api/v1/accounts", |_| {
        told_json(
            200,
            &json!({ "accounts": [{
                "supplier_id": "mosvodokanal", "supplier_name": "Мосводоканал", "account_number": "0012345",
                "els": "75да533315", "status": "active", "time_zone": "Europe/Moscow", "colour": "blue",
                "window": { "start": { "date": 15 }, "end": { "date": 3, "is_next_month": true } },
                "metering_points": [{
                    "resource": "cold_water", "serial": "18-123456", "tariff_count": 1, "digits_int": 5, "digits_frac": 3,
                    "verification_valid_until": "2030-05-01",
                    "last_accepted": { "t1": "104.250" }, "last_accepted_on": "2026-10-20",
                }],
            }] }),
        )
    })
    .await;
    let accounts = get_accounts::call(&portal).await.unwrap();
    only(&fake);
    let account = &accounts[0];
    assert_eq!((account.status, account.takes_t4), (AccountStatus::Active, false));
    assert_eq!(account.window.end, WindowDay { day: Some(3), next_month: true });
    let point = &account.metering_points[0];
    assert_eq!((point.resource, point.serial.as_str()), (Resource::ColdWater, "18-123456"));
    let (values, on) = point.last_accepted.unwrap();
    assert_eq!((values.0[0], on), (Some(Decimal::new(104_250, 3)), Date::new(2026, 10, 20)));
}

#[tokio::test]
async fn an_unknown_word_is_refused_in_words() {
    let (portal, _) = portal("GET", "/api/v1/accounts", |_| {
        told_json(
            200,
            &json!({ "accounts": [{
                "supplier_id": "s", "supplier_name": "S", "account_number": "1", "status": "dormant",
                "window": { "start": { "date": 1 }, "end": { "last_day": true } }, "metering_points": [],
            }] }),
        )
    })
    .await;
    let Err(CallError::Unknown { detail }) = get_accounts::call(&portal).await else { panic!() };
    assert!(detail.contains("`status` is `dormant`") && detail.contains("active, pending or blocked"), "{detail}");
}

#[tokio::test]
async fn hub_key() {
    let key = SigningKey::from_slice(&[9; 32]).unwrap();
    let kid = thumbprint(key.verifying_key());
    let fake = Fake::start(|_, asked| {
        asked.target.starts_with("/api/v1/hub-keys/").then(|| match asked.method.as_str() {
            "PUT" => told(201, "text/plain", ""),
            _ => told(204, "text/plain", ""),
        })
    })
    .await;
    let (portal, _) = fake.linked().await;
    put_hub_key::call(&portal, key.verifying_key()).await.unwrap();
    delete_hub_key::call(&portal, &kid).await.unwrap();
    let asked = fake.asked();
    assert_eq!(asked[0].target, format!("/api/v1/hub-keys/{kid}"));
    let body = asked[0].json();
    assert_eq!(
        (body["kty"].as_str(), body["crv"].as_str(), body["alg"].as_str()),
        (Some("EC"), Some("P-256"), Some("ES256"))
    );
    assert_eq!((asked[1].method.as_str(), asked[1].target.as_str()), ("DELETE", asked[0].target.as_str()));
}

fn status_document() -> serde_json::Value {
    json!({
        "act_id": ACT, "status": "partially_accepted", "sha256": "ab".repeat(32), "received_at": "2026-11-16T10:00:00+03:00",
        "readings": [
            { "reading_id": READING, "verdict": "accepted", "unique_number": "U-77" },
            { "reading_id": "0192f0c1-0000-7000-8000-00000000000c", "verdict": "rejected", "code": "too-low", "detail": "ниже" },
            { "reading_id": "0192f0c1-0000-7000-8000-00000000000d", "verdict": "pending" },
        ],
    })
}

fn check_status(status: &ActStatus) {
    assert_eq!(status.act_id, act_id());
    assert_eq!((status.status, status.sha256), (ActProgress::PartiallyAccepted, [0xab; 32]));
    assert_eq!(status.received_at, Timestamp(1_794_812_400_000));
    assert_eq!(status.readings[0].reading_id.to_string(), READING);
    assert_eq!(status.readings[0].verdict, PortalVerdict::Accepted { portal_number: Some("U-77".to_owned()) });
    let rejected = PortalVerdict::Rejected { code: "too-low".to_owned(), detail: "ниже".to_owned() };
    assert_eq!(status.readings[1].verdict, rejected);
    assert_eq!(status.readings[2].verdict, PortalVerdict::Pending);
}

#[tokio::test]
async fn act_goes_out_byte_for_byte() {
    let (portal, fake) =
        portal("PUT", "/api/v1/acts/0192f0c1-0000-7000-8000-00000000000a", |_| told_json(201, &status_document()))
            .await;
    let document = b"{ \"type\":\"domovoi.meter-act\",  \"spaces\": [ 1 ] }\n";
    check_status(&put_act::call(&portal, act_id(), document, "aGVhZA..c2ln").await.unwrap());
    let asked = only(&fake);
    assert_eq!(&asked.body[..], document);
    assert_eq!(asked.header("x-jws-signature"), Some("aGVhZA..c2ln"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn act_is_read_back() {
    let (portal, fake) =
        portal("GET", "/api/v1/acts/0192f0c1-0000-7000-8000-00000000000a", |_| told_json(200, &status_document()))
            .await;
    check_status(&get_act::call(&portal, act_id()).await.unwrap());
    only(&fake);
    let other: ActId = ActId(Id([3; 16]));
    assert!(
        matches!(get_act::call(&portal, other).await, Err(CallError::Refused(_))),
        "404 of another kind is not definite"
    );
}

#[tokio::test]
async fn never_received_is_definite_and_another_act_is_none() {
    let path = "/api/v1/acts/0192f0c1-0000-7000-8000-00000000000a";
    let (unknown, _) = portal("GET", path, |_| told_problem(404, "act-unknown")).await;
    assert_eq!(get_act::call(&unknown, act_id()).await, Err(CallError::NotFound));
    let (mixed_up, _) = portal("GET", path, |_| {
        let mut document = status_document();
        document["act_id"] = READING.into();
        told_json(200, &document)
    })
    .await;
    assert!(matches!(get_act::call(&mixed_up, act_id()).await, Err(CallError::Unknown { .. })));
}

#[tokio::test]
async fn receipt_keeps_its_bytes() {
    const RECEIPT: &str = "{\"receipt_id\":\"R-1\", \"act_id\":\"0192F0C1-0000-7000-8000-00000000000A\",\n\"act_sha256\":\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\",\"issued_at\":\"2026-11-16T07:00:00Z\",\"readings\":[{}]}";
    let path = "/api/v1/acts/0192f0c1-0000-7000-8000-00000000000a/receipt";
    let (ready, fake) = portal("GET", path, |_| told(200, "application/json", RECEIPT)).await;
    let receipt = get_receipt::call(&ready, act_id()).await.unwrap();
    only(&fake);
    assert_eq!((receipt.id.as_str(), receipt.act_sha256), ("R-1", [0xcd; 32]));
    assert_eq!(receipt.document, RECEIPT.as_bytes());
    let (not_ready, _) = portal("GET", path, |_| told_problem(409, "not-ready")).await;
    assert!(matches!(get_receipt::call(&not_ready, act_id()).await, Err(CallError::RetryLater { .. })));
}

#[tokio::test]
async fn photo() {
    let fake = Fake::start(|_, asked| (asked.method == "PUT").then(|| told(201, "text/plain", ""))).await;
    let (portal, _) = fake.linked().await;
    put_photo::call(&portal, act_id(), &[0x0f; 32], "image/jpeg", &b"\xff\xd8\xff"[..]).await.unwrap();
    let asked = only(&fake);
    assert_eq!(asked.target, format!("/api/v1/acts/{ACT}/photos/{}", "0f".repeat(32)));
    assert_eq!((asked.header("content-type"), &asked.body[..]), (Some("image/jpeg"), &b"\xff\xd8\xff"[..]));
    let gif = put_photo::call(&portal, act_id(), &[0; 32], "image/gif", &b"GIF"[..]).await;
    assert!(matches!(gif, Err(CallError::NotSent { .. })));
    let large = put_photo::call(&portal, act_id(), &[0; 32], "image/png", vec![0; 5 * 1024 * 1024 + 1]).await;
    assert!(matches!(large, Err(CallError::NotSent { .. })));
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn charges() {
    let (portal, fake) = portal("GET", "/api/v1/charges?account=00+1%262&after=c%3D", |_| {
        told_json(
            200,
            &json!({ "charges": [{ "id": "c1", "account_number": "001", "supplier_id": "s", "amount_kopecks": -15075,
                "period": { "year": 2026, "month": 10 }, "due": "2026-11-10", "payment_qr": "ST00012|Name=X" }], "next": "n2" }),
        )
    })
    .await;
    let page = get_charges::call(&portal, Some("00 1&2"), Some("c=")).await.unwrap();
    only(&fake);
    assert_eq!(page.next.as_deref(), Some("n2"));
    assert_eq!((page.items[0].amount_kopecks, Some(page.items[0].period)), (-15_075, Period::new(2026, 10)));
}

#[tokio::test]
async fn notifications_both_ways() {
    let key = Id([5; 16]);
    let fake = Fake::start(|_, asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("GET", "/api/v1/notifications") => Some(told_json(
            200,
            &json!({ "notifications": [{ "id": "n1", "at": "2026-11-01T00:00:00Z", "kind": "planned_work", "text": "Отключение\u{202e}", "read": true }] }),
        )),
        ("POST", "/api/v1/notifications") => {
            let mut body = asked.json();
            body["id"] = "n2".into();
            Some(told_json(201, &body))
        }
        ("PUT", "/api/v1/notifications/a%2Fb/read") => Some(told(204, "text/plain", "")),
        _ => None,
    })
    .await;
    let (portal, _) = fake.linked().await;
    let page = get_notifications::call(&portal, None).await.unwrap();
    assert_eq!(
        (page.items[0].kind, page.items[0].text.as_str(), page.items[0].read),
        (NotificationKind::PlannedWork, "Отключение", true)
    );
    let own = OwnNotification {
        kind: NotificationKind::Meter,
        text: "Протечка".to_owned(),
        at: Some(Timestamp(0)),
        account_number: None,
    };
    let back = post_notification::call(&portal, key, &own).await.unwrap();
    assert_eq!((back.id.as_deref(), back.at), (Some("n2"), Some(Timestamp(0))));
    assert_eq!(fake.asked()[1].header("idempotency-key"), Some(key.to_string().as_str()));
    assert_eq!(
        fake.asked()[1].json(),
        json!({ "kind": "meter", "text": "Протечка", "at": "1970-01-01T00:00:00.000Z" })
    );
    mark_notification_read::call(&portal, "a/b").await.unwrap();
}

#[tokio::test]
async fn devices() {
    let (portal, fake) = portal("PUT", "/api/v1/devices", |_| told(204, "text/plain", "")).await;
    let lamp = ShownDevice { id: "d1".to_owned(), name: "Лампа".to_owned(), kind: "light".to_owned() };
    put_devices::call(&portal, &[lamp]).await.unwrap();
    assert_eq!(only(&fake).json(), json!({ "devices": [{ "id": "d1", "name": "Лампа", "kind": "light" }] }));
}

#[tokio::test]
async fn service_requests() {
    let fake = Fake::start(|_, asked| match asked.method.as_str() {
        "GET" => Some(told_json(
            200,
            &json!({ "requests": [{ "id": "q1", "service": "plumber", "text": "t", "status": "accepted", "deadline": "2026-11-20T12:00:00+03:00" }] }),
        )),
        _ => {
            let mut body = asked.json();
            body["id"] = "q2".into();
            body["status"] = "new".into();
            Some(told_json(201, &body))
        }
    })
    .await;
    let (portal, _) = fake.linked().await;
    let list = get_service_requests::call(&portal).await.unwrap();
    assert_eq!(list[0].status, Some(RequestStatus::Accepted));
    let new = NewServiceRequest {
        service: "plumber".to_owned(),
        text: "Течёт".to_owned(),
        account_number: None,
        deadline: None,
    };
    let made = post_service_request::call(&portal, Id([6; 16]), &new).await.unwrap();
    assert_eq!((made.id.as_deref(), made.status), (Some("q2"), Some(RequestStatus::New)));
    assert_eq!(fake.asked()[1].json(), json!({ "service": "plumber", "text": "Течёт" }));
    assert!(fake.asked()[1].header("idempotency-key").is_some());
}

#[tokio::test]
async fn alerts() {
    let fake = Fake::start(|_, asked| match (asked.target.as_str(), asked.header("if-none-match")) {
        ("/api/v1/alerts", Some("\"e1\"")) => Some(told(304, "text/plain", "")),
        ("/api/v1/alerts", None) => {
            let mut feed = told(200, "application/atom+xml; charset=utf-8", "<feed/>");
            feed.headers_mut().insert("etag", "\"e1\"".parse().unwrap());
            Some(feed)
        }
        ("/api/v1/alerts/urn:oid%2F1", None) => Some(told(200, "application/cap+xml", "<alert/>")),
        ("/api/v1/alerts/page", None) => Some(told(200, "text/html", "<html>")),
        _ => None,
    })
    .await;
    let (portal, _) = fake.linked().await;
    let Alerts::Feed { etag, document } = get_alerts::call(&portal, None).await.unwrap() else { panic!() };
    assert_eq!((etag.as_deref(), &document[..]), (Some("\"e1\""), &b"<feed/>"[..]));
    assert_eq!(get_alerts::call(&portal, etag.as_deref()).await, Ok(Alerts::NotModified));
    assert_eq!(&get_alert::call(&portal, "urn:oid/1").await.unwrap()[..], b"<alert/>");
    assert!(matches!(get_alert::call(&portal, "page").await, Err(CallError::Unknown { .. })));
}

#[tokio::test]
async fn a_page_and_a_flood_are_errors_with_a_sentence() {
    let (page, _) =
        portal("GET", "/api/v1/accounts", |_| told(200, "text/html", "<html>secret-in-a-page</html>")).await;
    let Err(CallError::Unknown { detail }) = get_accounts::call(&page).await else { panic!() };
    assert!(detail.contains("web page (HTML") && !detail.contains("secret-in-a-page"), "{detail}");
    let (flood, _) = portal("GET", "/api/v1/accounts", |_| told(200, "application/json", "x".repeat(300_000))).await;
    let Err(CallError::Unknown { detail }) = get_accounts::call(&flood).await else { panic!() };
    assert!(detail.contains("larger than"), "{detail}");
    let (stream, _) = portal("GET", "/api/v1/accounts", |_| {
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 4096]));
        told(200, "application/json", axum::body::Body::from_stream(endless))
    })
    .await;
    let Err(CallError::Unknown { detail }) = get_accounts::call(&stream).await else { panic!() };
    assert!(detail.contains("larger than"), "{detail}");
}
