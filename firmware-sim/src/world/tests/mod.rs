//! The pretend devices against a broker that nobody here wrote.
#![cfg(feature = "existing-broker")]

mod bridge;
mod home;
mod tongues;

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Credentials, Fault, PlugSettings, WaterSettings, World, WorldError, WorldSettings, ZigbeeSettings};
use crate::existing_broker::ExistingBroker;

/// Somebody who hears everything and can order.
struct Listener {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
}

impl Listener {
    async fn join(addr: SocketAddr, login: Option<(&str, &str)>) -> Self {
        let mut options = MqttOptions::new("listener", "127.0.0.1", addr.port());
        options.set_max_packet_size(2 * 1024 * 1024, 2 * 1024 * 1024);
        if let Some((name, password)) = login {
            options.set_credentials(name, password);
        }
        let (client, mut eventloop) = AsyncClient::new(options, 64);
        let (tell, heard) = mpsc::unbounded_channel();
        let (ready, subscribed) = tokio::sync::oneshot::channel();
        client.try_subscribe("#", QoS::AtLeastOnce).unwrap();
        tokio::spawn(async move {
            let mut ready = Some(ready);
            while let Ok(event) = eventloop.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => drop(ready.take().map(|ready| ready.send(()))),
                    Event::Incoming(Packet::Publish(publish))
                        if tell.send((publish.topic.clone(), publish.payload.to_vec())).is_err() =>
                    {
                        break;
                    }
                    _ => {}
                }
            }
        });
        subscribed.await.unwrap();
        Self { client, heard }
    }

    /// The next message on this topic that fits.
    async fn until(&mut self, topic: &str, fits: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let found = async {
            loop {
                let (on, payload) = self.heard.recv().await.expect("the listener is connected");
                if on == topic && fits(&payload) {
                    return payload;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.unwrap_or_else(|_| panic!("nothing fits on {topic}"))
    }

    /// Everything up to a message on this topic.
    async fn all_until(&mut self, topic: &str) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        while all.last().is_none_or(|(on, _)| on != topic) {
            let next = tokio::time::timeout(Duration::from_secs(30), self.heard.recv()).await;
            all.push(next.unwrap_or_else(|_| panic!("nothing on {topic}")).expect("the listener is connected"));
        }
        all
    }

    async fn order(&self, topic: &str, payload: &str) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    }
}

fn open(credentials: Credentials) -> Credentials {
    Credentials { username: String::new(), ..credentials }
}

fn water() -> WaterSettings {
    let usual = WaterSettings::default();
    WaterSettings { credentials: open(usual.credentials.clone()), interval: None, ..usual }
}

fn plug() -> PlugSettings {
    let usual = PlugSettings::default();
    PlugSettings { credentials: open(usual.credentials.clone()), interval: None, ..usual }
}

fn zigbee() -> ZigbeeSettings {
    let usual = ZigbeeSettings::default();
    ZigbeeSettings { credentials: open(usual.credentials.clone()), ..usual }
}

fn settings(addr: SocketAddr) -> WorldSettings {
    WorldSettings {
        broker: addr.to_string(),
        data_dir: None,
        clock: crate::system_clock(),
        water: None,
        plug: None,
        zigbee: None,
    }
}

fn json(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap()
}

#[tokio::test]
async fn water_meter_counts_on_over_restarts_and_knows_what_was_acknowledged() {
    let broker = ExistingBroker::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let start = || {
        let ticking = WaterSettings { interval: Some(Duration::from_millis(5)), ..water() };
        let data_dir = Some(folder.path().to_owned());
        World::start(WorldSettings { data_dir, water: Some(ticking), ..settings(broker.addr()) }).unwrap()
    };
    let world = start();
    let meter = world.water.as_ref().unwrap();
    let truth = meter.wait_until(|truth| truth.acknowledged_m3.len() >= 5).await;
    assert_eq!(truth.acknowledged_m3[..2], ["123.530", "123.531"]);
    assert!(truth.link.published >= truth.link.acknowledged && truth.link.acknowledged >= 5);
    let telegram = listener.until("wmbusmeters/ColdWater", |_| true).await;
    let text = String::from_utf8(telegram).unwrap();
    assert!(text.contains("\"total_m3\":123.530,") && text.contains("\"id\":\"12345699\""), "{text}");
    world.stop().await;

    let world = start();
    let meter = world.water.as_ref().unwrap();
    let again = meter.wait_until(|truth| !truth.acknowledged_m3.is_empty()).await;
    let (last, first): (Decimal, Decimal) =
        (truth.acknowledged_m3.last().unwrap().parse().unwrap(), again.acknowledged_m3[0].parse().unwrap());
    assert!(first > last, "{first} after {last}");
    world.stop().await;
}

#[tokio::test]
async fn faults_spoil_telegrams_and_not_the_truth() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let world = World::start(WorldSettings { water: Some(water()), ..settings(broker.addr()) }).unwrap();
    let meter = world.water.as_ref().unwrap();
    let topic = "wmbusmeters/ColdWater";
    for (fault, mark) in [
        (Fault::NotANumber { times: 1 }, "\"total_m3\":NaN,"),
        (Fault::GlitchToZero { times: 1 }, "\"total_m3\":0,"),
        (Fault::WrongClock { offset_s: -3_000_000_000 }, "\"timestamp\":\"19"),
    ] {
        meter.fault(fault);
        meter.telegram_now();
        listener.until(topic, |payload| String::from_utf8_lossy(payload).contains(mark)).await;
    }
    meter.clear_faults();
    meter.fault(Fault::Garbage { times: 1 });
    meter.telegram_now();
    listener.until(topic, |payload| std::str::from_utf8(payload).is_err()).await;
    meter.fault(Fault::Silence);
    meter.telegram_now();
    meter.clear_faults();
    meter.set_m3(Decimal::new(200, 0));
    meter.fault(Fault::Flood { messages: 50 });
    let truth = meter.wait_until(|truth| truth.acknowledged_m3.iter().filter(|m3| *m3 == "200").count() == 50).await;
    assert_eq!(truth.acknowledged_m3.len(), 51, "the one with a wrong clock, and the flood: {truth:?}");
    assert_eq!(truth.m3, "200");
    world.stop().await;
}

#[tokio::test]
async fn reconnect_storm_ends_and_loses_nothing() {
    let broker = ExistingBroker::start().unwrap();
    let world = World::start(WorldSettings { water: Some(water()), ..settings(broker.addr()) }).unwrap();
    let meter = world.water.as_ref().unwrap();
    meter.wait_until(|truth| truth.link.connected).await;
    meter.fault(Fault::ReconnectStorm { times: 3 });
    for _ in 0..10 {
        meter.telegram_now();
    }
    let truth = meter.wait_until(|truth| truth.acknowledged_m3.len() == 10 && truth.link.connections >= 4).await;
    assert_eq!(truth.link.acknowledged, 10);
    world.stop().await;
}

#[tokio::test]
async fn plug_is_discovered_obeys_and_leaves_a_will() {
    let broker = ExistingBroker::with_users(&[("house", "secret")]).unwrap();
    let mut listener = Listener::join(broker.addr(), Some(("house", "secret"))).await;
    let login = Credentials { client_id: "plug".into(), username: "house".into(), password: "secret".into() };
    let settings =
        WorldSettings { plug: Some(PlugSettings { credentials: login, ..plug() }), ..settings(broker.addr()) };
    let world = World::start(settings).unwrap();
    let plug = world.plug.as_ref().unwrap();
    let config = json(&listener.until("tasmota/discovery/5CCF7FA1B2C3/config", |_| true).await);
    assert_eq!((config["t"].as_str(), config["ft"].as_str()), (Some("tasmota_A1B2C3"), Some("%prefix%/%topic%/")));
    plug.wait_until(|truth| truth.link.connected).await;
    let sensor = listener.until("tele/tasmota_A1B2C3/SENSOR", |_| true).await;
    assert!(String::from_utf8(sensor).unwrap().contains("\"Total\":15694.050,"));

    listener.order("cmnd/tasmota_A1B2C3/POWER", "OFF").await;
    let result = listener.until("stat/tasmota_A1B2C3/RESULT", |payload| json(payload)["POWER"] == "OFF").await;
    assert_eq!(json(&result)["POWER"], "OFF");
    assert_eq!(listener.until("stat/tasmota_A1B2C3/POWER", |_| true).await, b"OFF");
    let truth = plug.wait_until(|truth| truth.commands == 1).await;
    assert!(!truth.on);

    plug.fault(Fault::ReconnectStorm { times: 1 });
    listener.until("tele/tasmota_A1B2C3/LWT", |payload| payload == b"Offline").await;
    listener.until("tele/tasmota_A1B2C3/LWT", |payload| payload == b"Online").await;
    world.stop().await;
}

#[tokio::test]
async fn bridge_tells_leaks_and_moves_lamp_and_valve() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let world = World::start(WorldSettings { zigbee: Some(zigbee()), ..settings(broker.addr()) }).unwrap();
    let bridge = world.zigbee.as_ref().unwrap();
    let devices = json(&listener.until("zigbee2mqtt/bridge/devices", |_| true).await);
    let names: HashMap<_, _> = devices
        .as_array()
        .unwrap()
        .iter()
        .map(|device| (device["friendly_name"].as_str().unwrap(), &device["definition"]["exposes"]))
        .collect();
    assert_eq!(names["Кухня/Протечка"][1]["property"], "water_leak");
    bridge.wait_until(|truth| truth.link.connected).await;

    bridge.leak(true);
    listener.until("zigbee2mqtt/Кухня/Протечка", |payload| json(payload)["water_leak"] == true).await;
    assert!(bridge.truth().leak);

    listener.order("zigbee2mqtt/Ввод/Кран/set", r#"{"state":"OFF"}"#).await;
    listener.until("zigbee2mqtt/Ввод/Кран", |payload| json(payload)["state"] == "OFF").await;
    bridge.valve_stuck(true);
    listener.order("zigbee2mqtt/Ввод/Кран/set/state", "ON").await;
    listener.order("zigbee2mqtt/Лампа/set", r#"{"state":"ON","brightness":120}"#).await;
    listener.until("zigbee2mqtt/Лампа", |payload| json(payload)["brightness"] == 120).await;
    let truth = bridge.wait_until(|truth| truth.orders == 3).await;
    assert_eq!((truth.lamp_on, truth.lamp_brightness, truth.valve_open), (true, 120, false));
    world.stop().await;
}

#[tokio::test]
async fn devices_wait_for_a_broker_that_is_not_there_yet_and_a_wrong_address_is_said() {
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::start(WorldSettings { water: Some(water()), ..settings(addr) }).unwrap();
    let meter = world.water.as_ref().unwrap();
    meter.telegram_now();
    let truth = meter.wait_until(|truth| truth.link.published == 1).await;
    assert_eq!((truth.link.acknowledged, truth.link.connected), (0, false));
    world.stop().await;
    let wrong = WorldSettings { broker: "nowhere".into(), ..settings(addr) };
    assert!(matches!(World::start(wrong), Err(WorldError::Address(_))));
}
