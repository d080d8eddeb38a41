//! What the hub sends, in the eyes of libraries of others: the act's signature by npm `jose`, every request by npm `ajv`
//! against the contract in config/portal-api.yaml, and the contract itself by the published schema of OpenAPI 3.1.

use std::path::Path;

use domovoi::metering::{parse_values, photo};
use domovoi::portal::Dpop;
use domovoi::portal::calls::{
    NewServiceRequest, NotificationKind, OwnNotification, ShownDevice, delete_hub_key, get_accounts, get_act,
    get_alerts, get_charges, get_notifications, get_receipt, get_service_requests, mark_notification_read,
    post_notification, post_service_request, put_act, put_devices, put_hub_key, put_photo,
};
use domovoi_model::{Act, Id, Timestamp};
use e2e::{Home, NOON, POINT, hand_clock, sandbox, settings_text, until, water_world};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Scripts;
use super::authorization::{Hub, Server};

/// One grey pixel.
const PNG: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00, 0x00, 0x00, 0x0a, 0x49,
    0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0x00, 0x00, 0x00, 0x82, 0x00, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0x00, 0x00,
    0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// A home with three signed acts: of a device, of the month after it, and a person's correction of that with a photo.
async fn with_acts() -> (TempDir, Home, Vec<Act>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |_| {}).await;
    let home = Home::start(folder.path(), &settings_text(Some(&portal)), clock.clone()).await;
    home.add_water().await;
    home.metering.set_standing_consent(true).await.unwrap();
    home.link(&portal).await;
    let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let world = water_world(home.mqtt, credentials, &clock, None);
    let water = world.water.as_ref().unwrap();
    // 25 days: another month, and within the life of the link.
    for month in 0..2i64 {
        clock.set(NOON.plus_millis(month * 25 * 86_400_000));
        water.set_m3(format!("{}", 130 + month).parse().unwrap());
        water.telegram_now();
        home.metering.nudge();
        home.all_received(usize::try_from(month).unwrap() + 1).await;
    }
    world.stop().await;
    let photo = photo::clean(&PNG).unwrap();
    home.metering.submit(POINT, parse_values("131.5", 1).unwrap(), "Анна", Some(photo), true).await.unwrap();
    let wrong = home.acts().await.pop().unwrap();
    let right = home.metering.correct(wrong.id).await.unwrap();
    until("the portal has the correction", || async {
        portal.accepted_acts().iter().any(|act| act.act_id == right.id.to_string()).then_some(())
    })
    .await;
    let acts = home.acts().await;
    assert_eq!(acts.len(), 3);
    for act in &acts {
        let (bytes, signature) = portal.act_bytes(&act.id.to_string()).expect("the portal has every act");
        assert_eq!((act.document.as_ref(), act.signature.as_ref()), (Some(&bytes), Some(&signature)));
    }
    portal.stop().await;
    (folder, home, acts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm jose (DOMOVOI_PEERS)"]
async fn npm_jose_verifies_an_acts_signature_and_not_that_of_a_changed_act() {
    let scripts = Scripts::new();
    let (_folder, home, acts) = with_acts().await;
    let key = home.metering.public_key();
    let jwk = json!({ "kty": key.kty, "crv": key.crv, "x": key.x, "y": key.y, "use": key.usage, "alg": key.alg });
    for act in &acts {
        let (document, signature) = (act.document.clone().unwrap(), act.signature.clone().unwrap());
        let input =
            |document: &[u8], signature: &str| json!({ "document": document, "signature": signature, "jwk": jwk });
        let told = scripts.answer("verify_act.mjs", &[], &input(&document, &signature)).await;
        let says: Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(told["header"]["alg"], "ES256");
        assert_eq!(told["header"]["kid"], told["thumbprint"], "RFC 7638, by the library's own reckoning");
        assert_eq!(says["key_id"], told["thumbprint"]);

        for at in [0, document.len() / 2, document.len() - 1] {
            let mut changed = document.clone();
            changed[at] ^= 1;
            refused(&scripts, &input(&changed, &signature)).await;
        }
        let longer = [document.as_slice(), b"\n"].concat();
        refused(&scripts, &input(&longer, &signature)).await;
        let mut of_another = input(&document, &signature);
        of_another["signature"] = json!(acts.iter().find(|other| other.id != act.id).unwrap().signature);
        refused(&scripts, &of_another).await;
    }
    home.stop().await;
}

async fn refused(scripts: &Scripts, input: &Value) {
    let output = scripts.run("verify_act.mjs", &[], input).await;
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && why.contains("signature verification failed"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm oidc-provider, ajv, yaml, @seriousme/openapi-schema-validator (DOMOVOI_PEERS)"]
async fn every_request_fits_the_contract_and_the_contract_is_openapi_3_1() {
    let server = Server::start(json!({ "interval_s": 1 })).await;
    let (_folder, home, acts) = with_acts().await;
    let hub = Hub::open(&server, "hub-dpop", Dpop::Required).await;
    hub.link(true).await.unwrap();
    let portal = &hub.portal;
    let key = home.metering.verifying_key();
    put_hub_key::call(portal, key).await.unwrap();
    get_accounts::call(portal).await.unwrap();
    for act in &acts {
        let (document, signature) = (act.document.as_deref().unwrap(), act.signature.as_deref().unwrap());
        put_act::call(portal, act.id, document, signature).await.unwrap();
    }
    let photo = photo::clean(&PNG).unwrap();
    let corrected: Value = serde_json::from_slice(acts[2].document.as_deref().unwrap()).unwrap();
    let named = corrected["readings"][0]["photo"]["sha256"]
        .as_str()
        .unwrap_or_else(|| panic!("the correction names no photo: {corrected}"));
    let hash: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&named[2 * i..2 * i + 2], 16).unwrap()).collect();
    put_photo::call(portal, acts[2].id, &hash.try_into().unwrap(), photo.media_type, photo.bytes).await.unwrap();
    let message = OwnNotification {
        kind: NotificationKind::Meter,
        text: "Счётчик молчит".into(),
        at: Some(NOON),
        account_number: Some("7712345678".into()),
    };
    post_notification::call(portal, id(), &message).await.unwrap();
    mark_notification_read::call(portal, "m/1").await.unwrap();
    let shown = ShownDevice { id: "a".into(), name: "Кран".into(), kind: "valve".into() };
    put_devices::call(portal, &[shown]).await.unwrap();
    let wanted = NewServiceRequest {
        service: "plumber".into(),
        text: "Поверка".into(),
        account_number: None,
        deadline: Some(Timestamp(NOON.0 + 1)),
    };
    post_service_request::call(portal, id(), &wanted).await.unwrap();
    delete_hub_key::call(portal, &home.metering.public_key().thumbprint()).await.unwrap();
    // The API behind the server has nothing to tell here; what counts is how it is asked.
    let _ = get_act::call(portal, acts[0].id).await;
    let _ = get_receipt::call(portal, acts[0].id).await;
    let _ = get_charges::call(portal, Some("7712345678"), Some("c1")).await;
    let _ = get_notifications::call(portal, Some("c1")).await;
    let _ = get_service_requests::call(portal).await;
    let _ = get_alerts::call(portal, None).await;

    let calls = server.seen().await["calls"].take();
    let scripts = Scripts::new();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/portal-api.yaml");
    let told = scripts.answer("check_contract.mjs", &[&contract], &calls).await;
    assert_eq!(told["faults"], json!([]));
    let mut operations: Vec<&str> = told["operations"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!(
        operations,
        [
            "deleteHubKey",
            "getAccounts",
            "getAct",
            "getAlerts",
            "getCharges",
            "getNotifications",
            "getReceipt",
            "getServiceRequests",
            "markNotificationRead",
            "postNotification",
            "postServiceRequest",
            "putAct",
            "putDevices",
            "putHubKey",
            "putPhoto",
        ]
    );

    // The check sees what is wrong with an act.
    let good =
        calls.as_array().unwrap().iter().find(|call| call["path"].as_str().unwrap().starts_with("/acts/")).unwrap();
    let bent: Vec<Value> = [
        ("/act_id", json!({ "name": "Анна" })),
        ("/act_id", json!("17")),
        ("/readings/0/values/t1", json!("-1")),
        ("/readings/0/meter/resource", json!("beer")),
        ("/readings/0/source", json!({})),
        ("/readings", json!([])),
    ]
    .into_iter()
    .map(|(place, value)| {
        let mut act: Value =
            serde_json::from_slice(&serde_json::from_value::<Vec<u8>>(good["body"].clone()).unwrap()).unwrap();
        match value {
            Value::Object(more) if place == "/act_id" => act.as_object_mut().unwrap().extend(more),
            value => *act.pointer_mut(place).unwrap() = value,
        }
        let mut call = good.clone();
        call["body"] = json!(serde_json::to_vec(&act).unwrap());
        call
    })
    .collect();
    let told = scripts.answer("check_contract.mjs", &[&contract], &json!(bent)).await;
    assert_eq!(told["faults"].as_array().unwrap().len(), bent.len(), "{told}");
    home.stop().await;
}

fn id() -> Id {
    Id(*uuid::Uuid::new_v4().as_bytes())
}
