//! Devices that mean ill, each with a connection and a credential of its own at the real broker: whatever they do, the
//! leak of another closes the valve, and what the home knew of the others it knows afterwards.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use axum::http::Method;
use e2e::{Home, NOON, Speaker, hand_clock, issue_as, settings_text, until};
use rumqttc::{AsyncClient, MqttOptions, QoS};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::devices::{ask, list};
use crate::safety::{LEAK, VALVE, accept, closes, get, guarded};

/// A home in which each device has its own credential, for its own topics.
struct Street {
    home: Home,
    bridge: Speaker,
    sensor: Speaker,
    valve: Speaker,
    _folder: TempDir,
}

const EVIL: (&[&str], &[&str]) = (&["zigbee2mqtt/evil", "zigbee2mqtt/evil/#"], &["zigbee2mqtt/evil/#"]);

impl Street {
    async fn new() -> Street {
        let folder = tempfile::tempdir().unwrap();
        // A rate that a flood exceeds on any machine.
        let settings = settings_text(None).replace("[mqtt]\n", "[mqtt]\ndevice_max_messages_per_second = 200\n");
        let home = Home::start(folder.path(), &settings, hand_clock(NOON)).await;
        let as_of = async |name: &str, role: &str, publish: &[&str], subscribe: &[&str]| {
            let credentials = issue_as(&home.store, name, role, publish, subscribe).await;
            Speaker::connect(home.mqtt, &credentials).await.unwrap()
        };
        let mut bridge = as_of("bridge", "bridge", &["zigbee2mqtt/#"], &["zigbee2mqtt/#"]).await;
        let sensor = as_of("sensor", "device", &["zigbee2mqtt/leak"], &["zigbee2mqtt/leak/get"]).await;
        let mut valve = as_of("valve", "device", &["zigbee2mqtt/valve"], &["zigbee2mqtt/valve/#"]).await;
        valve.hear("zigbee2mqtt/valve/set").await.unwrap();
        bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
        until("leak sensor and valve wait in the inbox", || async {
            let inbox = get(&home, "/api/v1/inbox").await;
            let waits = |device| inbox["devices"].as_array().unwrap().iter().any(|one| one["device"] == device);
            (waits(LEAK) && waits(VALVE)).then_some(())
        })
        .await;
        accept(&home, LEAK).await;
        accept(&home, VALVE).await;
        guarded(&home, 1, 1).await;
        Street { home, bridge, sensor, valve, _folder: folder }
    }

    async fn evil(&self) -> Speaker {
        let credentials = issue_as(&self.home.store, "evil", "device", EVIL.0, EVIL.1).await;
        Speaker::connect(self.home.mqtt, &credentials).await.unwrap()
    }

    /// The others are as they were: the leak closes the valve, the valve is read back, the leak is over.
    async fn stands_unharmed(mut self) {
        self.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
        closes(&mut self.valve).await;
        self.valve.say("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#).await.unwrap();
        until("the closing is read back", || async {
            let safety = get(&self.home, "/api/v1/safety").await;
            (safety["setting"][0]["confirmed"] == true).then_some(())
        })
        .await;
        self.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
        until("the leak is over", || async {
            let safety = get(&self.home, "/api/v1/safety").await;
            let open = safety["dangers"].as_array().unwrap();
            open.iter().all(|danger| danger["device"] != LEAK).then_some(())
        })
        .await;
        let devices = get(&self.home, "/api/v1/devices").await;
        let known: Vec<&str> =
            devices["devices"].as_array().unwrap().iter().filter_map(|one| one["device"].as_str()).collect();
        assert!(known.contains(&LEAK) && known.contains(&VALVE), "{devices}");
        self.bridge.say_retained("zigbee2mqtt/bridge/devices", list()).await.unwrap();
        self.home.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_publishes_and_subscribes_outside_its_topics_is_heard_nowhere_and_hears_nothing() {
    let mut street = Street::new().await;
    let mut evil = street.evil().await;
    street.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut street.valve).await;
    // In 3.1.1 there is no word for a refusal: it is acknowledged and goes nowhere.
    for (topic, payload) in [
        ("zigbee2mqtt/leak", r#"{"water_leak":false}"#),
        ("zigbee2mqtt/valve", r#"{"state":"CLOSE"}"#),
        ("zigbee2mqtt/valve/set", r#"{"state":"OPEN"}"#),
        ("zigbee2mqtt/evil/set", r#"{"state":"ON"}"#),
        ("zigbee2mqtt/bridge/devices", "[]"),
        ("zigbee2mqtt/bridge/request/device/remove", r#"{"id":"leak","force":true}"#),
        ("tasmota/discovery/AABBCCDDEEFF/config", "{}"),
        ("homeassistant/switch/x/config", "{}"),
        ("domovoi/anything", "x"),
        ("$SYS/broker/clients/total", "0"),
    ] {
        let _ = evil.say_retained(topic, payload).await;
    }
    for filter in ["#", "+/+", "zigbee2mqtt/#", "zigbee2mqtt/leak", "$SYS/#", "$share/all/zigbee2mqtt/#"] {
        // Refused: the harness takes any answer to it.
        let _ = evil.hear(filter).await;
    }
    street.bridge.say("zigbee2mqtt/bridge/state", r#"{"state":"online"}"#).await.unwrap();
    evil.hear("zigbee2mqtt/evil/#").await.unwrap();
    evil.say("zigbee2mqtt/evil/echo", "mine").await.unwrap();
    let (topic, _) = evil.heard("#").await;
    assert_eq!(topic, "zigbee2mqtt/evil/echo", "nothing of others came before it");
    let safety = get(&street.home, "/api/v1/safety").await;
    assert_eq!(
        (&safety["dangers"][0]["danger"], &safety["setting"][0]["confirmed"]),
        (&json!("water-leak"), &json!(false))
    );
    assert!(street.home.ingest.counters().refused.load(Relaxed) >= 10);
    // What the valve heard since: to close, and nothing else.
    street.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    street.stands_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_to_be_another_takes_neither_its_connection_nor_its_name_nor_its_word() {
    let mut street = Street::new().await;
    // With the client id of the sensor and the password of its own.
    let own = issue_as(&street.home.store, "evil", "device", EVIL.0, EVIL.1).await;
    let posing = firmware_sim::world::Credentials { client_id: "sensor".into(), ..own.clone() };
    let taken = Speaker::connect(street.home.mqtt, &posing).await;
    street.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut street.valve).await;
    drop(taken);
    // A bridge of its own, with the address of the sensor in its list, and one that takes over the sensor's name.
    let credentials = issue_as(
        &street.home.store,
        "bridge2",
        "bridge",
        &["zigbee2mqtt/evil/#", "homeassistant/+/evil/#", "evil/#"],
        &["evil/#"],
    )
    .await;
    let mut evil = Speaker::connect(street.home.mqtt, &credentials).await.unwrap();
    let mut calm: Value = serde_json::from_str(&list()).unwrap();
    calm[2]["friendly_name"] = json!("evil/leak");
    calm[2]["definition"]["exposes"] = json!([]);
    evil.say_retained("zigbee2mqtt/evil/bridge/devices", calm.to_string()).await.unwrap();
    evil.say("zigbee2mqtt/evil/leak", r#"{"water_leak":false}"#).await.unwrap();
    evil.say("zigbee2mqtt/evil", r#"{"ieee_address":"0x00124b0000000002","water_leak":false,"device":{"ieeeAddr":"0x00124b0000000002","friendlyName":"leak"}}"#)
        .await
        .ok();
    let config = json!({ "name": "Leak", "uniq_id": "0x00124b0000000002_water_leak_zigbee2mqtt", "stat_t": "evil/leak",
        "dev_cla": "moisture", "pl_on": true, "pl_off": false, "val_tpl": "{{ value_json.water_leak }}",
        "dev": { "ids": ["zigbee2mqtt_0x00124b0000000002"], "name": "leak" } });
    evil.say_retained("homeassistant/binary_sensor/evil/leak/config", config.to_string()).await.unwrap();
    evil.say("evil/leak", r#"{"water_leak":false}"#).await.unwrap();
    let safety = get(&street.home, "/api/v1/safety").await;
    let open = safety["dangers"].as_array().unwrap();
    assert!(open.iter().any(|danger| danger["device"] == LEAK), "its danger is not over: {safety}");
    street.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    street.stands_unharmed().await;
}

/// A client that says so much as fast as the socket takes it.
async fn floods(broker: SocketAddr, user: &str, password: &str, qos: QoS, topic: fn(u64) -> String) {
    let mut options = MqttOptions::new(user, broker.ip().to_string(), broker.port());
    options.set_credentials(user, password);
    let (client, mut events) = AsyncClient::new(options, 1000);
    let polling = async {
        loop {
            // Sent away, it comes again.
            if events.poll().await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    };
    let saying = async {
        for n in 0u64.. {
            let payload = format!(r#"{{"water_leak":true,"n":{n}}}"#);
            if client.publish(topic(n), qos, n.is_multiple_of(7), payload).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = polling => {}
        () = saying => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_floods_holds_up_nobody() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let street = Street::new().await;
        let own = issue_as(&street.home.store, "evil", "device", EVIL.0, EVIL.1).await;
        let address = street.home.mqtt;
        let flooding = tokio::spawn(async move {
            let topic = |n: u64| {
                if n.is_multiple_of(2) { "zigbee2mqtt/evil".to_owned() } else { format!("zigbee2mqtt/evil/{n}") }
            };
            floods(address, &own.username, &own.password, qos, topic).await;
        });
        let counters = street.home.ingest.counters();
        until("the flood is beyond its rate", || async {
            (counters.over_limit.load(Relaxed) > 0 && counters.claimed.load(Relaxed) > 100).then_some(())
        })
        .await;
        street.stands_unharmed().await;
        flooding.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_sends_a_megabyte_of_braces_harms_nobody() {
    let street = Street::new().await;
    let braces = "{{".repeat(1 << 19);
    // As a device: larger than a device's message may be.
    let mut evil = street.evil().await;
    let _ = evil.say_retained("zigbee2mqtt/evil", braces.clone()).await;
    until("it was too large for a device", || async {
        (street.home.ingest.counters().too_large.load(Relaxed) == 1).then_some(())
    })
    .await;
    // As a program that may say as much: where a list, a state, a template, a name is expected.
    let filters = &["zigbee2mqtt/#", "homeassistant/#", "tasmota/#", "tele/#", "stat/#", "evil/#"];
    let credentials = issue_as(&street.home.store, "program", "service", filters, &[]).await;
    let mut program = Speaker::connect(street.home.mqtt, &credentials).await.unwrap();
    let template = json!({ "name": "x", "uniq_id": "x", "stat_t": "evil/state", "val_tpl": braces,
        "dev": { "ids": ["x"], "name": "x" } });
    let nested = format!("{}{}", "[".repeat(1 << 19), "]".repeat(1 << 19));
    for (topic, payload) in [
        ("zigbee2mqtt/bridge/groups", braces.clone()),
        ("zigbee2mqtt/evil", braces.clone()),
        ("zigbee2mqtt/evil", nested.clone()),
        ("homeassistant/sensor/x/config", braces.clone()),
        ("homeassistant/sensor/x/config", template.to_string()),
        ("homeassistant/device/x/config", nested.clone()),
        ("tasmota/discovery/AABBCCDDEEFF/config", braces.clone()),
        ("tele/x/STATE", nested),
        ("stat/x/RESULT", braces.clone()),
        ("evil/state", braces.clone()),
        ("zigbee2mqtt/bridge/devices", braces),
    ] {
        let said = program.say(topic, payload).await;
        assert!(said.is_ok(), "{topic}: {said:?}");
    }
    street.stands_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_not_accepted_moves_nothing_whatever_it_says() {
    let mut street = Street::new().await;
    let mut evil = street.evil().await;
    for hazard in ["gas", "smoke", "carbon_monoxide", "water_leak"] {
        evil.say("zigbee2mqtt/evil", format!(r#"{{"{hazard}":true}}"#)).await.unwrap();
    }
    until("an alert is raised", || async {
        let safety = get(&street.home, "/api/v1/safety").await;
        let open = safety["dangers"].as_array().unwrap();
        (open.len() >= 4).then_some(())
    })
    .await;
    assert_eq!(get(&street.home, "/api/v1/safety").await["setting"], json!([]));
    // The first that the valve hears is the answer to the real one.
    street.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":true}"#).await.unwrap();
    closes(&mut street.valve).await;
    let path = format!("/api/v1/devices/{}", LEAK.replace(':', "%3A"));
    assert!(ask(&street.home, Method::GET, &path, None).await.0.is_success());
    street.sensor.say("zigbee2mqtt/leak", r#"{"water_leak":false}"#).await.unwrap();
    street.stands_unharmed().await;
}
