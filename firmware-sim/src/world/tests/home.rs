//! The firmware that is paired by QR, and the whole home under a person's hands.

use std::collections::BTreeMap;

use super::{super::*, Listener, json};
use crate::existing_broker::ExistingBroker;

fn access(broker: &ExistingBroker, password: &str) -> Access {
    let credentials = Credentials { client_id: "given".into(), username: "lamp".into(), password: password.into() };
    Access { broker: broker.addr().to_string(), credentials }
}

#[tokio::test]
async fn it_shows_a_code_takes_what_it_is_given_reports_and_obeys() {
    let broker = ExistingBroker::with_users(&[("lamp", "secret"), ("house", "secret")]).unwrap();
    let mut listener = Listener::join(broker.addr(), Some(("house", "secret"))).await;
    let esp = Esp::start(EspSettings::default(), crate::system_clock()).await.unwrap();
    let code = url::Url::parse(&esp.qr_text()).unwrap();
    assert_eq!((code.scheme(), code.host_str()), ("domovoi", Some("device")));
    let said: Vec<(String, String)> = code.query_pairs().into_owned().collect();
    let first = |key: &str| said.iter().find(|(name, _)| name == key).unwrap().1.clone();
    assert_eq!((first("name").as_str(), first("publish").as_str()), ("Лампа на кухне", "esp/esp-7c9ebd4a5b6c/#"));
    assert!(matches!(esp.give("guessed", access(&broker, "secret")), Err(EspError::Token)));
    assert!(esp.device().is_none());

    esp.give(&first("token"), access(&broker, "secret")).unwrap();
    let device = esp.connected().await;
    let config = json(&listener.until("homeassistant/device/esp-7c9ebd4a5b6c/config", |_| true).await);
    let lamp = &config["components"]["lamp"];
    listener.order(lamp["command_topic"].as_str().unwrap(), r#"{"state":"ON"}"#).await;
    listener.until(lamp["state_topic"].as_str().unwrap(), |payload| json(payload)["state"] == "ON").await;
    assert!(matches!(device.truth().thing("lamp"), Some(Thing::Lamp { on: true, .. })));
    drop(device);
    esp.stop().await;
}

#[tokio::test]
async fn it_tries_its_token_and_has_a_setup_page() {
    let settings = EspSettings::default();
    let broker = ExistingBroker::with_users(&[(&settings.serial, &settings.token), ("lamp", "new")]).unwrap();
    let addr = Some(([127, 0, 0, 1], 0).into());
    let settings = EspSettings { broker: Some(broker.addr().to_string()), setup: addr, ..settings };
    let token = settings.token.clone();
    let esp = Esp::start(settings, crate::system_clock()).await.unwrap();
    drop(esp.connected().await);
    let page = format!("http://{}/setup", esp.setup_addr().unwrap());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let given = |token: &str| {
        serde_json::json!({
            "token": token, "broker": broker.addr().to_string(), "client_id": "lamp", "username": "lamp", "password": "new",
        })
    };
    assert_eq!(client.post(&page).json(&given("guessed")).send().await.unwrap().status(), 403);
    let before = esp.device().unwrap();
    assert_eq!(client.post(&page).json(&given(&token)).send().await.unwrap().status(), 204);
    let now = esp.connected().await;
    assert!(!std::sync::Arc::ptr_eq(&before, &now));
    drop((before, now));
    esp.stop().await;
}

#[tokio::test]
async fn a_whole_home_is_in_a_persons_hands() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let home = Home::start(HomeSettings {
        broker: broker.addr().to_string(),
        clock: crate::system_clock(),
        logins: BTreeMap::new(),
        login: Default::default(),
        only: Vec::new(),
        base: "zigbee2mqtt".into(),
        prefix: "homeassistant".into(),
        interval: None,
        answer: Some(Duration::from_millis(2)),
        setup: ([127, 0, 0, 1], 0).into(),
        esp_tries_token: true,
    })
    .await
    .unwrap();
    for name in Home::DEVICES.into_iter().filter(|name| *name != "esp") {
        home.device(name).unwrap().wait_until(|truth| truth.link.connected).await;
    }
    home.esp().unwrap().connected().await;
    home.hand("on zigbee Кухня/Протечка").unwrap();
    listener.until("zigbee2mqtt/Кухня/Протечка", |payload| json(payload)["water_leak"] == true).await;
    home.hand("press zigbee hold Кнопка").unwrap();
    listener.until("zigbee2mqtt/Кнопка", |payload| json(payload)["action"] == "hold").await;
    home.hand("on plug").unwrap();
    listener.until("stat/tasmota_A1B2D1/POWER", |payload| payload == b"ON").await;
    home.hand("on esp leak").unwrap();
    listener.until("esp/esp-7c9ebd4a5b6c/state", |payload| json(payload)["leak_state"] == "ON").await;
    home.hand("fault esphome outside domovoi/x").unwrap();
    listener.until("domovoi/x", |payload| payload == b"not mine").await;
    home.hand("lost zigbee Лампа").unwrap();
    listener.until("zigbee2mqtt/Лампа/availability", |payload| json(payload)["state"] == "offline").await;
    let truth = home.hand("truth").unwrap();
    assert!(truth.contains("Кухня/Протечка (0x00158d0001abcd01): Alarm { hazard: Leak, on: true }"), "{truth}");
    for wrong in [
        "on",
        "on nowhere x",
        "on zigbee nothing",
        "fault plug",
        "fault plug eavesdrop",
        "position shutter 101",
        "dance plug",
        "room esp warm air",
        "\u{0}  \u{7f}",
    ] {
        assert!(home.hand(wrong).is_err(), "{wrong:?}");
    }
    assert!(home.hand("").unwrap().contains("fault DEVICE"));
    home.stop().await;
}
