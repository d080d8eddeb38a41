//! Tasmota devices and those with Home Assistant's discovery: announced, obeying, reporting, born again, forgotten.

use super::{super::*, Listener, json, open};
use crate::existing_broker::ExistingBroker;

const QUICK: Pace = Pace { answer: Duration::from_millis(2), step: Duration::from_millis(2) };

fn tasmota(broker: &ExistingBroker, settings: TasmotaSettings) -> Simulator {
    let settings =
        TasmotaSettings { credentials: open(settings.credentials.clone()), pace: QUICK, interval: None, ..settings };
    Simulator::tasmota(&broker.addr().to_string(), settings, crate::system_clock()).unwrap()
}

fn announced(broker: &ExistingBroker, settings: AnnouncedSettings) -> Simulator {
    let settings =
        AnnouncedSettings { credentials: open(settings.credentials.clone()), pace: QUICK, interval: None, ..settings };
    Simulator::announced(&broker.addr().to_string(), settings, crate::system_clock()).unwrap()
}

#[tokio::test]
async fn tasmota_says_what_it_is_and_does_as_it_is_told() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let plug = tasmota(&broker, TasmotaSettings::plug());
    let config = json(&listener.until("tasmota/discovery/5CCF7FA1B2D1/config", |_| true).await);
    assert_eq!((&config["mac"], &config["rl"][0]), (&"5CCF7FA1B2D1".into(), &1.into()));
    listener.until("tele/tasmota_A1B2D1/STATE", |payload| json(payload)["POWER"] == "OFF").await;
    listener.order("cmnd/tasmota_A1B2D1/Power1", "toggle").await;
    listener.until("stat/tasmota_A1B2D1/RESULT", |payload| json(payload)["POWER"] == "ON").await;
    listener.order("cmnd/tasmota_A1B2D1/STATUS", "10").await;
    let status = json(&listener.until("stat/tasmota_A1B2D1/STATUS10", |_| true).await);
    assert_eq!(status["StatusSNS"]["ENERGY"]["Power"], 2000);
    assert_eq!(status["StatusSNS"]["ENERGY"]["Total"], 45.12);
    assert!(matches!(plug.truth().thing("Чайник"), Some(Thing::Socket { on: true, .. })));

    let light = tasmota(&broker, TasmotaSettings::light());
    light.wait_until(|truth| truth.link.connected).await;
    listener.order("cmnd/tasmota_A1B2D2/Backlog", "Color #00FF00; Dimmer 50").await;
    let result =
        listener.until("stat/tasmota_A1B2D2/RESULT", |payload| json(payload)["HSBColor"] == "120,100,50").await;
    assert_eq!((&json(&result)["POWER"], &json(&result)["Color"]), (&"ON".into(), &"007F000000".into()));
    let shutter = tasmota(&broker, TasmotaSettings::shutter());
    shutter.wait_until(|truth| truth.link.connected).await;
    listener.order("cmnd/tasmota_A1B2D3/ShutterPosition1", "70").await;
    let moving = |payload: &[u8]| json(payload)["Shutter1"]["Direction"] == 1;
    listener.until("stat/tasmota_A1B2D3/RESULT", moving).await;
    listener.until("stat/tasmota_A1B2D3/SHUTTER1", |payload| payload == b"70").await;

    plug.fault(Fault::WrongClock { offset_s: -3_000_000_000 });
    plug.fault(Fault::Garbage { times: 1 });
    plug.report_now();
    listener.until("tele/tasmota_A1B2D1/STATE", |payload| std::str::from_utf8(payload).is_err()).await;
    let sensor = listener.until("tele/tasmota_A1B2D1/SENSOR", |_| true).await;
    assert!(json(&sensor)["Time"].as_str().unwrap().starts_with("19"));
    plug.retire();
    listener.until("tasmota/discovery/5CCF7FA1B2D1/config", <[u8]>::is_empty).await;
    plug.fault(Fault::GhostDiscovery);
    listener.until("tasmota/discovery/5CCF7FDEAD01/config", |payload| !payload.is_empty()).await;
    for one in [plug, light, shutter] {
        one.stop().await;
    }
}

#[tokio::test]
async fn discovery_in_single_and_in_device_form_leads_to_what_is_said_and_heard() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let single = announced(&broker, AnnouncedSettings::single());
    let config = json(&listener.until("homeassistant/valve/boiler-room/valve/config", |_| true).await);
    assert_eq!((&config["~"], &config["command_topic"]), (&"boiler-room".into(), &"~/valve/valve/set".into()));
    listener.until("boiler-room/valve/valve/state", |payload| payload == b"open").await;
    listener.order("boiler-room/valve/valve/set", "CLOSE").await;
    listener.until("boiler-room/valve/valve/state", |payload| payload == b"closed").await;
    single.touch("gas", Order::On(true));
    listener.until("boiler-room/binary_sensor/gas/state", |payload| payload == b"ON").await;

    let device = announced(&broker, AnnouncedSettings::device());
    let config = json(&listener.until("homeassistant/device/living-room/config", |_| true).await);
    let climate = &config["components"]["heating"];
    assert_eq!(climate["temperature_state_template"], "{{ value_json.heating_setpoint }}");
    assert_eq!(climate["temperature_state_topic"], "living-room/state");
    listener.order(climate["temperature_command_topic"].as_str().unwrap(), "23.5").await;
    listener.until("living-room/state", |payload| json(payload)["heating_setpoint"] == 23.5).await;
    listener.order("living-room/cover/blind/set", "OPEN").await;
    listener.until("living-room/state", |payload| json(payload)["blind_state"] == "opening").await;
    listener.until("living-room/state", |payload| json(payload)["blind_position"] == 100).await;
    device.touch("Кнопка", Order::Press("hold".into()));
    listener.until("living-room/event/button/event", |payload| json(payload)["event_type"] == "hold").await;
    single.stop().await;
    device.stop().await;
}

#[tokio::test]
async fn the_esphome_one_says_all_again_when_a_hub_is_born_and_takes_it_back_when_reset() {
    let broker = ExistingBroker::start().unwrap();
    let mut listener = Listener::join(broker.addr(), None).await;
    let node = announced(&broker, AnnouncedSettings::esphome());
    node.wait_until(|truth| truth.link.connected).await;
    let topic = "homeassistant/light/bathroom-node/lamp/config";
    let config = json(&listener.until(topic, |_| true).await);
    assert_eq!((&config["schema"], &config["dev"]["ids"][0]), (&"json".into(), &"bathroom-node".into()));
    let order = r#"{"state":"ON","brightness":51,"color":{"r":255,"g":0,"b":0}}"#;
    listener.order(config["cmd_t"].as_str().unwrap(), order).await;
    let state = listener.until(config["stat_t"].as_str().unwrap(), |payload| json(payload)["state"] == "ON").await;
    assert_eq!((&json(&state)["brightness"], &json(&state)["color"]["r"]), (&51.into(), &255.into()));
    listener.order("homeassistant/status", "online").await;
    listener.until(topic, |_| true).await;
    node.wait_until(|truth| truth.births_answered == 1).await;
    node.retire();
    listener.until(topic, <[u8]>::is_empty).await;
    listener.until("bathroom-node/status", <[u8]>::is_empty).await;
    node.stop().await;
}
