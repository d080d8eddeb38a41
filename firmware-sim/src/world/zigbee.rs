//! A Zigbee2MQTT bridge with a lamp, a leak sensor (its name has a slash and Cyrillic letters, as homes have) and a valve.
//! Availability is on, `cache_state` too: every message carries the whole state. No groups, no scenes, no pairing.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    device::{Body, Handle},
    exposes::devices,
    faults::{Fault, Faults, spoilt},
    link::{BrokerAddress, Credentials, Link, LinkSettings, LinkTruth, Message},
    state_file::StateFile,
};

#[derive(Debug, Clone)]
pub struct ZigbeeSettings {
    pub credentials: Credentials,
    pub base: String,
    pub lamp_name: String,
    pub lamp_ieee: String,
    pub leak_name: String,
    pub leak_ieee: String,
    pub valve_name: String,
    pub valve_ieee: String,
    /// How often the devices report by themselves; `None`: only changes.
    pub interval: Option<Duration>,
}

impl Default for ZigbeeSettings {
    fn default() -> Self {
        Self {
            credentials: Credentials {
                client_id: "zigbee2mqtt".into(),
                username: "zigbee2mqtt".into(),
                password: String::new(),
            },
            base: "zigbee2mqtt".into(),
            lamp_name: "Лампа".into(),
            lamp_ieee: "0x000b57fffec6a5b2".into(),
            leak_name: "Кухня/Протечка".into(),
            leak_ieee: "0x00158d0001abcdef".into(),
            valve_name: "Ввод/Кран".into(),
            valve_ieee: "0xa4c138b2c3d4e5f6".into(),
            interval: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZigbeeTruth {
    pub lamp_on: bool,
    pub lamp_brightness: u8,
    pub leak: bool,
    pub valve_open: bool,
    /// Orders under `/set` that a device obeyed.
    pub orders: u64,
    pub link: LinkTruth,
}

pub struct ZigbeeBridge(Handle<Knob, ZigbeeTruth>);

enum Knob {
    Leak(bool),
    ValveStuck(bool),
    Unavailable(bool),
}

impl ZigbeeBridge {
    pub(crate) fn start(broker: &BrokerAddress, settings: ZigbeeSettings, file: StateFile) -> Self {
        let base = settings.base.clone();
        let word = |online: bool| json!({ "state": if online { "online" } else { "offline" } }).to_string();
        let mut births = vec![
            Message::retained(format!("{base}/bridge/state"), word(true)),
            Message::retained(
                format!("{base}/bridge/info"),
                json!({
                    "version": "2.6.0", "commit": "6835cbf", "coordinator": { "type": "zStack3x0" },
                    "network": { "channel": 11, "pan_id": 6754 }, "permit_join": false, "restart_required": false,
                    "log_level": "info",
                })
                .to_string(),
            ),
            Message::retained(format!("{base}/bridge/devices"), devices(&settings).to_string()),
            Message::retained(format!("{base}/bridge/groups"), "[]"),
        ];
        for name in [&settings.lamp_name, &settings.leak_name, &settings.valve_name] {
            births.push(Message::retained(format!("{base}/{name}/availability"), word(true)));
        }
        let link = Link::start(LinkSettings {
            broker: broker.clone(),
            credentials: settings.credentials.clone(),
            will: Some(Message::retained(format!("{base}/bridge/state"), word(false))),
            // The real one listens to all of its base and passes over what it said itself.
            subscriptions: vec![format!("{base}/#")],
            birth: Arc::new(move || births.clone()),
        });
        let home = file.load().unwrap_or(Home { lamp_on: false, lamp_brightness: 254, leak: false, valve_open: true });
        let interval = settings.interval;
        let bridge = Bridge { settings, home, file, valve_stuck: false, orders: 0 };
        Self(Handle::start(bridge, interval, link))
    }

    pub fn truth(&self) -> ZigbeeTruth {
        self.0.truth()
    }

    pub async fn wait_until(&self, condition: impl FnMut(&ZigbeeTruth) -> bool) -> ZigbeeTruth {
        self.0.wait_until(condition).await
    }

    /// Water on the floor, or wiped up. Published at once.
    pub fn leak(&self, wet: bool) {
        self.0.knob(Knob::Leak(wet));
    }

    /// The valve hears orders and does not move.
    pub fn valve_stuck(&self, stuck: bool) {
        self.0.knob(Knob::ValveStuck(stuck));
    }

    /// The leak sensor's availability turns to offline and back.
    pub fn leak_sensor_unavailable(&self, gone: bool) {
        self.0.knob(Knob::Unavailable(gone));
    }

    pub fn set_interval(&self, interval: Option<Duration>) {
        self.0.set_interval(interval);
    }

    /// The state of every device now.
    pub fn report_now(&self) {
        self.0.publish_now();
    }

    pub fn fault(&self, fault: Fault) {
        self.0.fault(fault);
    }

    pub fn clear_faults(&self) {
        self.0.clear_faults();
    }

    pub async fn stop(self) {
        self.0.stop().await;
    }
}

#[derive(Serialize, Deserialize)]
struct Home {
    lamp_on: bool,
    lamp_brightness: u8,
    leak: bool,
    valve_open: bool,
}

struct Bridge {
    settings: ZigbeeSettings,
    home: Home,
    file: StateFile,
    valve_stuck: bool,
    orders: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Lamp,
    Leak,
    Valve,
}

impl Bridge {
    fn name(&self, which: Which) -> &str {
        match which {
            Which::Lamp => &self.settings.lamp_name,
            Which::Leak => &self.settings.leak_name,
            Which::Valve => &self.settings.valve_name,
        }
    }

    /// By friendly name or by address.
    fn which(&self, name: &str) -> Option<Which> {
        let settings = &self.settings;
        [
            (Which::Lamp, &settings.lamp_name, &settings.lamp_ieee),
            (Which::Leak, &settings.leak_name, &settings.leak_ieee),
            (Which::Valve, &settings.valve_name, &settings.valve_ieee),
        ]
        .into_iter()
        .find_map(|(which, friendly, ieee)| (friendly == name || ieee == name).then_some(which))
    }

    fn report(&self, which: Which, faults: &mut Faults, link: &mut Link) {
        let on_off = |on| if on { "ON" } else { "OFF" };
        let state = match which {
            Which::Lamp => json!({
                "state": on_off(self.home.lamp_on), "brightness": self.home.lamp_brightness, "linkquality": 120,
            }),
            Which::Leak => json!({
                "water_leak": self.home.leak, "battery": 97, "battery_low": false, "linkquality": 120,
            }),
            Which::Valve => json!({ "state": on_off(self.home.valve_open), "linkquality": 120 }),
        };
        let payload = spoilt(faults.next_spoil(), &state.to_string(), "120");
        link.send(Message::once(format!("{}/{}", self.settings.base, self.name(which)), payload));
    }

    fn obey(&mut self, which: Which, attribute: &str, value: &Value) {
        let on = |now: bool| match value.as_str().map(str::to_ascii_uppercase).as_deref() {
            Some("ON" | "OPEN") => Some(true),
            Some("OFF" | "CLOSE") => Some(false),
            Some("TOGGLE") => Some(!now),
            _ => None,
        };
        match (which, attribute) {
            (Which::Lamp, "state") => self.home.lamp_on = on(self.home.lamp_on).unwrap_or(self.home.lamp_on),
            (Which::Lamp, "brightness") => {
                let wanted = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                if let Some(level) = wanted.and_then(|level| u8::try_from(level.min(254)).ok()) {
                    self.home.lamp_brightness = level;
                    self.home.lamp_on = level > 0;
                }
            }
            (Which::Valve, "state") if !self.valve_stuck => {
                self.home.valve_open = on(self.home.valve_open).unwrap_or(self.home.valve_open);
            }
            _ => {}
        }
    }

    /// `/set` with JSON or a bare word, `/set/<attribute>` with a value.
    fn order(&mut self, which: Which, attribute: Option<&str>, payload: &[u8]) {
        self.orders += 1;
        let parsed = serde_json::from_slice::<Value>(payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).trim().to_owned()));
        match (attribute, &parsed) {
            (Some(attribute), value) => self.obey(which, attribute, value),
            (None, Value::Object(map)) => {
                for (attribute, value) in map {
                    self.obey(which, attribute, value);
                }
            }
            (None, word) => self.obey(which, "state", word),
        }
        self.file.save(&self.home);
    }

    fn answer(&self, request: &str, payload: &[u8], link: &mut Link) {
        let asked = serde_json::from_slice::<Value>(payload).unwrap_or_default();
        let mut answer = match request {
            "health_check" => json!({ "status": "ok", "data": { "healthy": true } }),
            "permit_join" => json!({ "status": "ok", "data": { "time": asked["time"] } }),
            _ => json!({ "status": "error", "data": {}, "error": "not in this pretend bridge" }),
        };
        if let (Some(transaction), Some(map)) = (asked.get("transaction"), answer.as_object_mut()) {
            map.insert("transaction".into(), transaction.clone());
        }
        link.send(Message::once(format!("{}/bridge/response/{request}", self.settings.base), answer.to_string()));
    }
}

impl Body for Bridge {
    type Knob = Knob;
    type Truth = ZigbeeTruth;

    fn advance(&mut self) {}

    fn publish(&mut self, faults: &mut Faults, link: &mut Link) {
        for which in [Which::Lamp, Which::Leak, Which::Valve] {
            self.report(which, faults, link);
        }
    }

    fn connected(&mut self, faults: &mut Faults, link: &mut Link) {
        // Cached states are sent again at the bridge's start.
        self.publish(faults, link);
    }

    fn turn(&mut self, knob: Knob, faults: &mut Faults, link: &mut Link) {
        match knob {
            Knob::Leak(wet) => {
                self.home.leak = wet;
                self.file.save(&self.home);
                if !faults.silent {
                    self.report(Which::Leak, faults, link);
                }
            }
            Knob::ValveStuck(stuck) => self.valve_stuck = stuck,
            Knob::Unavailable(gone) => {
                let topic = format!("{}/{}/availability", self.settings.base, self.settings.leak_name);
                let state = json!({ "state": if gone { "offline" } else { "online" } });
                link.send(Message::retained(topic, state.to_string()));
            }
        }
    }

    fn heard(&mut self, topic: &str, payload: &[u8], faults: &mut Faults, link: &mut Link) {
        let Some(path) = topic.strip_prefix(&self.settings.base).and_then(|rest| rest.strip_prefix('/')) else {
            return;
        };
        if faults.silent {
            return;
        }
        if let Some(request) = path.strip_prefix("bridge/request/") {
            return self.answer(request, payload, link);
        }
        let (name, attribute, orders) = if let Some(name) = path.strip_suffix("/get") {
            (name, None, false)
        } else if let Some(name) = path.strip_suffix("/set") {
            (name, None, true)
        } else if let Some((name, attribute)) = path.rsplit_once("/set/") {
            (name, Some(attribute), true)
        } else {
            // What we published ourselves comes back too.
            return;
        };
        let Some(which) = self.which(name) else { return };
        if orders && which != Which::Leak {
            self.order(which, attribute, payload);
        }
        self.report(which, faults, link);
    }

    fn acknowledged(&mut self, _: u64) {}

    fn truth(&self, link: LinkTruth) -> ZigbeeTruth {
        ZigbeeTruth {
            lamp_on: self.home.lamp_on,
            lamp_brightness: self.home.lamp_brightness,
            leak: self.home.leak,
            valve_open: self.home.valve_open,
            orders: self.orders,
            link,
        }
    }
}
