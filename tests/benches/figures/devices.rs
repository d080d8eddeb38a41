//! What many devices cost: how soon a house of three hundred is usable after its start, the first time and every time, and
//! how much memory the whole process takes with ten thousand entities.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::House;
use crate::figures::{Figures, Target};
use crate::process::Process;
use crate::reflex::{Wire, accepted};

const LAMPS: u64 = 300;

/// A thousand devices with ten entities each.
const DEVICES: u64 = 1_000;
const ENTITIES: u64 = 10;

pub fn devices(figures: &mut Figures) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let times = if figures.brief { 1 } else { 3 };
        let (mut first, mut again) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..times {
            let (found, restarted) = Box::pin(three_hundred(figures)).await;
            (first, again) = (first.min(found), again.min(restarted));
        }
        figures.add("300 devices, a list of 1 MB: found and listed, from the start", first, "s", Target::AtMost(2.0));
        figures.add("300 devices: known, the last one told, from a restart", again, "s", Target::AtMost(2.0));
        Box::pin(ten_thousand(figures)).await;
    });
}

fn id(n: u64) -> String {
    format!("0x{:016x}", 0x0012_4b00_0000_0000_u64 + n)
}

/// A list of lamps with everything that lamps have, more than a megabyte long.
fn list() -> String {
    let feature = |name: &str, extra: Value| {
        let mut feature = json!({"type": "numeric", "name": name, "property": name, "access": 7, "label": name,
            "value_min": 0, "value_max": 254, "description": format!("{name} of this lamp, as its maker describes it")});
        feature.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        feature
    };
    let lamp = |n: u64| {
        json!({"ieee_address": id(n), "type": "Router", "friendly_name": format!("lamp {n}"), "supported": true,
            "disabled": false, "interview_state": "SUCCESSFUL", "network_address": n, "endpoints": {"1": {"bindings": [],
                "clusters": {"input": ["genBasic", "genOnOff"], "output": ["genOta"]}}},
            "definition": {"model": "T-1", "vendor": "Test", "description": "x".repeat(2_000), "exposes": [
                {"type": "light", "features": [
                    {"type": "binary", "name": "state", "property": "state", "access": 7, "value_on": "ON",
                        "value_off": "OFF", "value_toggle": "TOGGLE"},
                    feature("brightness", json!({})), feature("color_temp", json!({"unit": "mired"}))]},
                feature("linkquality", json!({"access": 1, "unit": "lqi"})),
                feature("power_on_delay", json!({})), feature("transition", json!({}))]}})
    };
    let list = Value::from((1..=LAMPS).map(lamp).collect::<Vec<_>>()).to_string();
    assert!(list.len() > 1_000_000, "{}", list.len());
    list
}

/// Seconds from the start until all are listed: when they are heard for the first time, and after a restart.
async fn three_hundred(figures: &Figures) -> (f64, f64) {
    let house = tokio::task::spawn_blocking(|| {
        House::found("", async |store| {
            let cards: Vec<_> = (1..=LAMPS).map(|n| accepted(&id(n))).collect();
            store.devices().put(&cards).await.unwrap();
        })
    });
    let house = house.await.unwrap();
    let list = list();
    figures.note(&format!("a list of {} bytes", list.len()));
    let begun = Instant::now();
    let daemon = house.start();
    let mut bridge = connect(&house, "bridge").await;
    bridge.retain("zigbee2mqtt/bridge/devices", list.as_bytes()).await;
    all_listed(&house).await;
    let first = begun.elapsed().as_secs_f64();
    // What devices say of themselves is written down within seconds; then the house is started again, alone.
    tokio::time::sleep(Duration::from_secs(12)).await;
    drop((bridge, daemon));
    let begun = Instant::now();
    let _daemon = house.start();
    let mut lamp = connect(&house, "lamp").await;
    let topic = format!("zigbee2mqtt/lamp {LAMPS}/set");
    lamp.subscribe(&topic).await;
    all_listed(&house).await;
    let path = format!("/api/v1/devices/zigbee2mqtt%3A{}/commands", id(LAMPS));
    let request = client(&house).post(format!("http://hub{path}")).json(&json!({"property": "state", "value": true}));
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    lamp.hear_publish().await;
    (first, begun.elapsed().as_secs_f64())
}

async fn connect(house: &House, name: &str) -> Wire {
    let login = Some((house.credentials.username.as_str(), house.credentials.password.as_str()));
    Wire::connect(house.port, name, login).await
}

fn client(house: &House) -> reqwest::Client {
    reqwest::Client::builder().unix_socket(house.socket()).build().unwrap()
}

/// All pages of a list of devices; what could not be had is not in it.
async fn asked(client: &reqwest::Client, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let Ok(answer) = client.get(format!("http://hub{path}?limit=500{cursor}")).send().await else { return all };
        let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap_or_default()).unwrap_or(Value::Null);
        all.extend(page["devices"].as_array().into_iter().flatten().cloned());
        let Some(next) = page["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// Until each is listed with what it can do.
async fn all_listed(house: &House) {
    let client = client(house);
    let begun = Instant::now();
    loop {
        let found = asked(&client, "/api/v1/devices").await;
        let is_whole = |one: &&Value| one["properties"].as_array().is_some_and(|all| all.len() >= 4);
        let whole = found.iter().filter(is_whole).count() as u64;
        if whole == LAMPS {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{whole} of {} devices are whole", found.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The whole process with ten thousand entities in the form of Home Assistant's discovery, one message for each.
async fn ten_thousand(figures: &mut Figures) {
    let house = tokio::task::spawn_blocking(|| House::found("", async |_| {})).await.unwrap();
    let daemon = house.start();
    let mut bridge = connect(&house, "bridge").await;
    settled(&daemon).await;
    let before = daemon.memory_mib("VmRSS");
    for device in 0..DEVICES {
        for entity in 0..ENTITIES {
            let topic = format!("homeassistant/sensor/node{device}/entity{entity}/config");
            let config = json!({"name": format!("Entity {entity}"), "uniq_id": format!("node{device}_entity{entity}"),
                "stat_t": format!("nodes/node{device}/state"), "val_tpl": format!("{{{{ value_json.e{entity} }}}}"),
                "unit_of_meas": "W", "dev_cla": "power", "stat_cla": "measurement",
                "dev": {"ids": [format!("node{device}")], "name": format!("Node {device}"), "mf": "Test", "mdl": "N-1",
                    "sw": "1.0"}});
            bridge.retain(&topic, config.to_string().as_bytes()).await;
        }
    }
    let client = client(&house);
    let begun = Instant::now();
    loop {
        let inbox = asked(&client, "/api/v1/inbox").await;
        let properties = |one: &Value| one["properties"].as_array().map_or(0, Vec::len) as u64;
        let known: u64 = inbox.iter().map(properties).sum();
        if known >= DEVICES * ENTITIES {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "{known} entities are known");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    figures.add("10,000 entities: all known, from the first message", begun.elapsed().as_secs_f64(), "s", Target::None);
    settled(&daemon).await;
    figures.add("before: memory of the whole process", before, "MiB", Target::None);
    figures.add(
        "10,000 entities: memory of the whole process",
        daemon.memory_mib("VmRSS"),
        "MiB",
        Target::AtMost(60.0),
    );
    figures.add("10,000 entities: its peak", daemon.memory_mib("VmHWM"), "MiB", Target::None);
}

/// Until the memory of a process has not changed for two seconds, or a minute has passed.
async fn settled(process: &Process) {
    let mut before = f64::NAN;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = process.memory_mib("VmRSS");
        if (now - before).abs() < 0.1 {
            return;
        }
        before = now;
    }
}
