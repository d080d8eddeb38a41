//! The whole Zigbee2MQTT bridge: what it announces, obeys, answers, and how it misbehaves.

use std::time::Duration;

use super::{super::*, Listener, json, open};
use crate::existing_broker::ExistingBroker;

const LAMP: &str = "0x0017880108a1b204";
const QUICK: Pace = Pace { answer: Duration::from_millis(2), step: Duration::from_millis(2) };

fn start(broker: &ExistingBroker) -> Simulator {
    let usual = BridgeSettings::default();
    let settings = BridgeSettings { credentials: open(usual.credentials.clone()), pace: QUICK, ..usual };
    Simulator::bridge(&broker.addr().to_string(), settings, crate::system_clock()).unwrap()
}

#[tokio::test]
async fn each_kind_announces_itself_obeys_and_reports() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let bridge = start(&broker);
    let devices = json(&listener.until("zigbee2mqtt/bridge/devices", |_| true).await);
    assert_eq!(devices.as_array().unwrap().len(), 13);
    listener.until("zigbee2mqtt/Спальня/Климат", |payload| json(payload)["temperature"] == 21.5).await;

    listener.order("zigbee2mqtt/Лампа/set", r#"{"state":"ON","brightness":127,"color":{"r":0,"g":0,"b":255}}"#).await;
    let lamp = listener.until("zigbee2mqtt/Лампа", |payload| json(payload)["color"]["hue"] == 240).await;
    assert_eq!((&json(&lamp)["state"], &json(&lamp)["brightness"]), (&"ON".into(), &127.into()));
    listener.order(&format!("zigbee2mqtt/{LAMP}/set/color_temp"), "300").await;
    listener.until("zigbee2mqtt/Лампа", |payload| json(payload)["color_temp"] == 300).await;

    listener.order("zigbee2mqtt/Батарея/set", r#"{"occupied_heating_setpoint":"19.5","system_mode":"off"}"#).await;
    bridge
        .wait_until(|truth| {
            truth.thing("Батарея")
                == Some(&Thing::Thermostat { mode: Heating::Off, setpoint_tenths_c: 195, room_tenths_c: 205 })
        })
        .await;
    listener.order("zigbee2mqtt/Замок/set", "UNLOCK").await;
    listener.until("zigbee2mqtt/Замок", |payload| json(payload)["lock_state"] == "unlocked").await;
    listener.order("zigbee2mqtt/Шторы/set", r#"{"position":35}"#).await;
    listener.until("zigbee2mqtt/Шторы", |payload| json(payload)["moving"] == "DOWN").await;
    let there = listener.until("zigbee2mqtt/Шторы", |payload| json(payload)["moving"] == "STOP").await;
    assert_eq!(json(&there)["position"], 35);

    bridge.touch("Кнопка", Order::Press("double".into()));
    listener.until("zigbee2mqtt/Кнопка", |payload| json(payload)["action"] == "double").await;
    bridge.report_now();
    listener.until("zigbee2mqtt/Кнопка", |payload| json(payload).get("action").is_none()).await;
    bridge.touch("Кухня/Протечка", Order::On(true));
    listener.until("zigbee2mqtt/Кухня/Протечка", |payload| json(payload)["water_leak"] == true).await;

    // A group's order is its members'; one that sleeps takes none.
    listener.order("zigbee2mqtt/Весь свет/set", r#"{"state":"OFF"}"#).await;
    listener.until("zigbee2mqtt/Весь свет", |payload| json(payload)["state"] == "OFF").await;
    listener.order("zigbee2mqtt/Кухня/Протечка/set", r#"{"state":"OFF"}"#).await;
    listener.order("zigbee2mqtt/Торшер/get", r#"{"state":""}"#).await;
    listener.until("zigbee2mqtt/Торшер", |payload| json(payload)["state"] == "OFF").await;
    assert_eq!(bridge.truth().thing("Кухня/Протечка"), Some(&Thing::Alarm { hazard: Hazard::Leak, on: true }));
    bridge.stop().await;
}

#[tokio::test]
async fn requests_are_answered_with_their_transaction() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let bridge = start(&broker);
    bridge.wait_until(|truth| truth.link.connected).await;
    let leak = || Thing::Alarm { hazard: Hazard::Leak, on: false };
    bridge.join("0x1", leak());
    listener.order("zigbee2mqtt/bridge/request/permit_join", r#"{"time":120,"transaction":"a"}"#).await;
    let answer = json(&listener.until("zigbee2mqtt/bridge/response/permit_join", |_| true).await);
    assert_eq!((&answer["transaction"], &answer["data"]["time"]), (&"a".into(), &120.into()));
    assert!(bridge.truth().thing("0x1").is_none(), "nobody joins uninvited");
    bridge.wait_until(|truth| truth.joining).await;
    bridge.join("0x1", leak());
    listener.until("zigbee2mqtt/bridge/event", |payload| json(payload)["data"]["status"] == "successful").await;

    listener.order("zigbee2mqtt/bridge/request/device/rename", r#"{"from":"0x1","to":"Ванна","transaction":7}"#).await;
    listener.until("zigbee2mqtt/Ванна", |payload| json(payload)["water_leak"] == false).await;
    let answer = json(&listener.until("zigbee2mqtt/bridge/response/device/rename", |_| true).await);
    assert_eq!((&answer["status"], &answer["transaction"]), (&"ok".into(), &7.into()));
    for (request, asked, status) in [
        ("device/rename", r#"{"from":"Ванна","to":"Лампа"}"#, "error"),
        ("device/interview", r#"{"id":"Ванна"}"#, "ok"),
        ("device/remove", r#"{"id":"Ванна"}"#, "ok"),
        ("device/remove", r#"{"id":"Ванна"}"#, "error"),
        ("permit_join", r#"{"time":255}"#, "error"),
        ("group/add", r#"{"friendly_name":"Кухня"}"#, "ok"),
        ("group/members/add", r#"{"group":"Кухня","device":"Лампа"}"#, "ok"),
        ("nonsense", "{{{", "error"),
    ] {
        listener.order(&format!("zigbee2mqtt/bridge/request/{request}"), asked).await;
        let answer = json(&listener.until(&format!("zigbee2mqtt/bridge/response/{request}"), |_| true).await);
        assert_eq!(answer["status"], status, "{request} {asked}: {answer}");
    }
    assert!(bridge.truth().thing("0x1").is_none());
    bridge.stop().await;
}

#[tokio::test]
async fn answers_lie_fail_and_come_late() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let bridge = start(&broker);
    bridge.wait_until(|truth| truth.link.connected).await;
    let on = |bridge: &Simulator| matches!(bridge.truth().thing("Лампа"), Some(Thing::Lamp { on: true, .. }));

    bridge.fault(Fault::LyingAnswer);
    listener.order("zigbee2mqtt/Лампа/set", r#"{"state":"ON"}"#).await;
    listener.until("zigbee2mqtt/Лампа", |payload| json(payload)["state"] == "ON").await;
    assert!(!on(&bridge), "it said so and did nothing");
    bridge.clear_faults();
    bridge.fault(Fault::Deaf);
    listener.order("zigbee2mqtt/Лампа/set", r#"{"state":"ON"}"#).await;
    bridge.wait_until(|truth| truth.orders == 2).await;
    bridge.clear_faults();
    bridge.fault(Fault::Stuck);
    bridge.touch("Лампа", Order::On(false));
    listener.order("zigbee2mqtt/Лампа/set", r#"{"state":"ON"}"#).await;
    bridge.wait_until(|truth| truth.orders == 3).await;
    listener.until("zigbee2mqtt/Лампа", |payload| json(payload)["state"] == "OFF").await;
    bridge.clear_faults();
    bridge.fault(Fault::SlowAnswer { by: Duration::from_secs(3600) });
    listener.order("zigbee2mqtt/Лампа/set", r#"{"state":"ON"}"#).await;
    bridge.wait_until(|truth| truth.orders == 4).await;
    assert!(!on(&bridge));
    bridge.clear_faults();
    listener.order("zigbee2mqtt/Лампа/set", r#"{"state":"TOGGLE"}"#).await;
    listener.until("zigbee2mqtt/Лампа", |payload| json(payload)["state"] == "ON").await;
    assert!(on(&bridge));
    bridge.stop().await;
}

#[tokio::test]
async fn it_trespasses_haunts_and_hides_its_death() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let bridge = start(&broker);
    bridge.wait_until(|truth| truth.link.connected).await;
    bridge.fault(Fault::Outside { topic: "domovoi/theirs".into(), payload: b"{{".repeat(1000), retain: false });
    assert_eq!(listener.until("domovoi/theirs", |_| true).await.len(), 2000);
    bridge.fault(Fault::Eavesdrop { filter: "private/#".into() });
    // The first may be said before it listens.
    for _ in 0..200 {
        listener.order("private/letter", "x").await;
        if bridge.truth().link.overheard > 0 {
            break;
        }
        listener.until("private/letter", |_| true).await;
    }
    bridge.wait_until(|truth| truth.link.overheard > 0).await;

    bridge.fault(Fault::GhostDiscovery);
    listener.until("zigbee2mqtt/bridge/devices", |payload| String::from_utf8_lossy(payload).contains("Призрак")).await;
    bridge.touch("Ввод/Кран", Order::On(false));
    bridge.fault(Fault::GhostCommand);
    bridge.wait_until(|truth| truth.thing("Ввод/Кран") == Some(&Thing::Valve { open: true })).await;
    bridge.touch("Ввод/Кран", Order::On(false));
    bridge.wait_until(|truth| truth.thing("Ввод/Кран") == Some(&Thing::Valve { open: false })).await;
    bridge.fault(Fault::ReconnectStorm { times: 1 });
    bridge.wait_until(|truth| truth.thing("Ввод/Кран") == Some(&Thing::Valve { open: true })).await;
    listener.until("zigbee2mqtt/bridge/state", |payload| json(payload)["state"] == "offline").await;

    let before = bridge.truth().link.connections;
    bridge.fault(Fault::MissingWill);
    bridge.wait_until(|truth| truth.link.connections > before).await;
    listener.until("zigbee2mqtt/bridge/state", |payload| json(payload)["state"] == "online").await;
    let again = Simulator::truth(&bridge).link.connections;
    bridge.fault(Fault::ReconnectStorm { times: 1 });
    bridge.wait_until(|truth| truth.link.connections > again).await;
    bridge.fault(Fault::Outside { topic: "end".into(), payload: Vec::new(), retain: false });
    let heard = listener.all_until("end").await;
    let offline = |(topic, payload): &&(String, Vec<u8>)| {
        topic == "zigbee2mqtt/bridge/state" && String::from_utf8_lossy(payload).contains("offline")
    };
    // The connection that was dropped to get rid of the will still had one.
    assert!(heard.iter().filter(offline).count() <= 1, "a connection without a will said goodbye");
    bridge.stop().await;
}
