//! A whole Zigbee2MQTT bridge (2.x): devices of every kind, a group, requests, events, availability, states as they are
//! cached (every message carries the whole state). Devices on batteries sleep: they cannot be asked. No scenes, no OTA, no
//! network map; output is JSON, never one topic per attribute.

mod exposes;
mod requests;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    colour::Colour,
    device::{Body, Handle},
    faults::{Faults, Ghost, spoilt, utc},
    link::{BrokerAddress, Credentials, Link, LinkSettings, LinkTruth, Message},
    parts::{Pace, Parts},
    simulator::{Simulator, Touch, Truth},
    things::{Hazard, Heating, Order, Thing},
};
use crate::Clock;

#[derive(Debug, Clone)]
pub struct BridgeSettings {
    pub credentials: Credentials,
    pub base: String,
    /// Where a hub says that it is born.
    pub birth_topic: String,
    pub devices: Vec<BridgeDevice>,
    pub groups: Vec<Group>,
    pub pace: Pace,
    /// How often the devices report by themselves; `None`: only changes.
    pub interval: Option<Duration>,
}

#[derive(Debug, Clone)]
pub struct BridgeDevice {
    pub ieee: String,
    pub name: String,
    pub thing: Thing,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub number: u16,
    pub name: String,
    /// IEEE addresses.
    pub members: Vec<String>,
}

impl Default for BridgeSettings {
    /// One of each kind.
    fn default() -> Self {
        let lamp = |colour| Thing::Lamp { on: false, brightness_permille: 1000, colour };
        let alarm = |hazard| Thing::Alarm { hazard, on: false };
        let devices = [
            ("0x00158d0001abcd01", "Кухня/Протечка", alarm(Hazard::Leak)),
            ("0xa4c138b2c3d4e502", "Ввод/Кран", Thing::Valve { open: true }),
            ("0xa4c138b2c3d4e503", "Стиральная машина", Thing::Socket { on: true, load_w: 800, energy_wh: 12_340 }),
            ("0x0017880108a1b204", "Лампа", lamp(Colour::White { mired: 370 })),
            ("0x0017880108a1b205", "Торшер", lamp(Colour::HueSaturation { hue_degrees: 30, saturation_percent: 80 })),
            (
                "0x0cae5ffffe1a2b06",
                "Батарея",
                Thing::Thermostat { mode: Heating::Heat, setpoint_tenths_c: 210, room_tenths_c: 205 },
            ),
            ("0xa4c1380d0e0f0007", "Шторы", Thing::Cover { position_percent: 100, target_percent: 100 }),
            ("0x000d6f0011223308", "Замок", Thing::Lock { locked: true }),
            ("0x00158d0001abcd09", "Дым", alarm(Hazard::Smoke)),
            ("0x00158d0001abcd0a", "Газ", alarm(Hazard::Gas)),
            ("0x000b57fffec6a50b", "Кнопка", Thing::Button { presses: 0, last: None }),
            ("0x00158d0001abcd0c", "Спальня/Климат", Thing::Climate { tenths_c: 215, humidity_percent: 45 }),
        ];
        Self {
            credentials: Credentials {
                client_id: "zigbee2mqtt".into(),
                username: "zigbee2mqtt".into(),
                password: String::new(),
            },
            base: "zigbee2mqtt".into(),
            birth_topic: "homeassistant/status".into(),
            devices: devices
                .map(|(ieee, name, thing)| BridgeDevice { ieee: ieee.into(), name: name.into(), thing })
                .into(),
            groups: vec![Group {
                number: 1,
                name: "Весь свет".into(),
                members: vec!["0x0017880108a1b204".into(), "0x0017880108a1b205".into()],
            }],
            pace: Pace::default(),
            interval: None,
        }
    }
}

/// Needs a tokio runtime. Returns at once.
pub(crate) fn start(broker: &BrokerAddress, settings: BridgeSettings, clock: Clock) -> Simulator {
    let base = &settings.base;
    let state = Message::retained(format!("{base}/bridge/state"), online(true));
    let link = Link::start(LinkSettings {
        broker: broker.clone(),
        credentials: settings.credentials.clone(),
        will: Some(Message::retained(format!("{base}/bridge/state"), online(false))),
        // The real one listens to all of its base and passes over what it said itself.
        subscriptions: vec![format!("{base}/#"), settings.birth_topic.clone()],
        birth: Arc::new(move || vec![state.clone()]),
    });
    let names = settings.devices.iter().map(|device| (device.ieee.clone(), device.name.clone())).collect();
    let things = settings.devices.iter().map(|device| (device.ieee.clone(), device.thing.clone())).collect();
    let interval = settings.interval;
    let bridge = Bridge {
        parts: Parts::new(things, settings.pace),
        names,
        groups: settings.groups.clone(),
        unreachable: BTreeSet::new(),
        joining_until: None,
        births_answered: 0,
        clock,
        settings,
    };
    Simulator(Handle::start(bridge, interval, link))
}

fn online(online: bool) -> String {
    json!({ "state": if online { "online" } else { "offline" } }).to_string()
}

struct Bridge {
    settings: BridgeSettings,
    parts: Parts,
    /// Friendly names by address.
    names: BTreeMap<String, String>,
    groups: Vec<Group>,
    unreachable: BTreeSet<String>,
    joining_until: Option<Instant>,
    births_answered: u64,
    clock: Clock,
}

impl Bridge {
    fn topic(&self, rest: &str) -> String {
        format!("{}/{rest}", self.settings.base)
    }

    /// By address or by friendly name.
    fn ieee(&self, id: &str) -> Option<String> {
        if self.names.contains_key(id) {
            return Some(id.to_owned());
        }
        self.names.iter().find(|(_, name)| *name == id).map(|(ieee, _)| ieee.clone())
    }

    fn event(&self, kind: &str, data: Value, link: &mut Link) {
        link.send(Message::once(self.topic("bridge/event"), json!({ "type": kind, "data": data }).to_string()));
    }

    fn say_info(&self, link: &mut Link) {
        let left_ms = self.joining_until.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
        let end = left_ms.and_then(|left| i64::try_from(left).ok()).map(|left| (self.clock)() + left);
        let info = json!({
            "version": "2.6.0", "commit": "6835cbf", "coordinator": { "type": "zStack3x0", "meta": {} },
            "network": { "channel": 11, "pan_id": 6754, "extended_pan_id": "0xdddddddddddddddd" },
            "permit_join": self.joining_until.is_some(), "permit_join_end": end, "restart_required": false,
            "log_level": "info", "config": {}, "config_schema": {},
        });
        link.send(Message::retained(self.topic("bridge/info"), info.to_string()));
    }

    fn say_devices(&self, link: &mut Link) {
        let mut all = vec![exposes::coordinator()];
        let named = self.names.iter().filter_map(|(ieee, name)| Some((ieee, name, self.parts.things.get(ieee)?)));
        all.extend(named.map(|(ieee, name, thing)| exposes::device(ieee, name, thing)));
        link.send(Message::retained(self.topic("bridge/devices"), Value::Array(all).to_string()));
    }

    fn say_groups(&self, link: &mut Link) {
        let members = |group: &Group| -> Vec<Value> {
            group.members.iter().map(|ieee| json!({ "ieee_address": ieee, "endpoint": 1 })).collect()
        };
        let all = self.groups.iter().map(|group| {
            json!({
                "id": group.number, "friendly_name": group.name, "description": null, "scenes": [],
                "members": members(group),
            })
        });
        link.send(Message::retained(self.topic("bridge/groups"), Value::Array(all.collect()).to_string()));
    }

    fn say_reach(&self, ieee: &str, link: &mut Link) {
        if let Some(name) = self.names.get(ieee) {
            let topic = self.topic(&format!("{name}/availability"));
            link.send(Message::retained(topic, online(!self.unreachable.contains(ieee))));
        }
    }

    /// Before a name goes: what is retained under it.
    fn empty(&self, ieee: &str, link: &mut Link) {
        if let Some(name) = self.names.get(ieee) {
            link.send(Message::retained(self.topic(&format!("{name}/availability")), ""));
        }
    }

    fn say_everything(&self, faults: &mut Faults, link: &mut Link) {
        self.say_info(link);
        self.say_devices(link);
        self.say_groups(link);
        for ieee in self.names.keys() {
            self.say_reach(ieee, link);
        }
        self.say_states(faults, link);
    }

    fn say_states(&self, faults: &mut Faults, link: &mut Link) {
        for ieee in self.names.keys() {
            self.report(ieee, None, faults, link);
        }
    }

    /// `action` is a button's moment: it is in this message and in no other.
    fn report(&self, ieee: &str, action: Option<&str>, faults: &mut Faults, link: &mut Link) {
        if self.unreachable.contains(ieee) {
            return;
        }
        let (Some(name), Some(thing)) = (self.names.get(ieee), self.parts.shown(ieee)) else { return };
        let mut state = words::state(thing);
        if let Some(action) = action {
            state.insert("action".into(), action.into());
        }
        state.insert("last_seen".into(), utc(&self.clock, faults.clock_offset_s).into());
        let payload = spoilt(faults.next_spoil(), &Value::Object(state).to_string(), "120");
        link.send(Message::once(self.topic(name), payload));
    }

    fn order(&mut self, name: &str, attribute: Option<&str>, payload: &[u8], faults: &Faults) {
        let orders = words::orders(attribute, payload);
        let grouped = self.groups.iter().find(|group| group.name == name || group.number.to_string() == name);
        let members = match (self.ieee(name), grouped) {
            (Some(ieee), _) => vec![ieee],
            (None, Some(group)) => group.members.clone(),
            (None, None) => return,
        };
        for ieee in members {
            if self.unreachable.contains(&ieee) || self.parts.things.get(&ieee).is_none_or(Thing::sleeps) {
                continue;
            }
            for order in &orders {
                self.parts.order(&ieee, order.clone(), faults);
            }
        }
    }

    /// A group is on while one of its members is; its state is that of the member that changed.
    fn report_groups_of(&self, ieee: &str, link: &mut Link) {
        for group in self.groups.iter().filter(|group| group.members.iter().any(|member| member == ieee)) {
            let Some(mut state) = self.parts.shown(ieee).map(words::state) else { continue };
            let shown = group.members.iter().filter_map(|member| self.parts.shown(member));
            let on = shown
                .into_iter()
                .any(|thing| matches!(thing, Thing::Lamp { on: true, .. } | Thing::Switch { on: true }));
            state.insert("state".into(), if on { "ON" } else { "OFF" }.into());
            state.remove("linkquality");
            link.send(Message::once(self.topic(&group.name), Value::Object(state).to_string()));
        }
    }
}

impl Body for Bridge {
    type Knob = Touch;
    type Truth = Truth;

    fn advance(&mut self) {
        self.parts.advance();
    }

    fn publish(&mut self, faults: &mut Faults, link: &mut Link) {
        self.say_states(faults, link);
    }

    fn connected(&mut self, faults: &mut Faults, link: &mut Link) {
        self.say_everything(faults, link);
    }

    fn turn(&mut self, knob: Touch, faults: &mut Faults, link: &mut Link) {
        match knob {
            Touch::Thing { id, order } => {
                let Some(ieee) = self.ieee(&id) else { return };
                if self.parts.touch(&ieee, &order) && !faults.silent {
                    let action = if let Order::Press(action) = &order { Some(action.as_str()) } else { None };
                    self.report(&ieee, action, faults, link);
                    self.report_groups_of(&ieee, link);
                }
            }
            Touch::Reach { id, reachable } => {
                let Some(ieee) = self.ieee(&id) else { return };
                let changed =
                    if reachable { self.unreachable.remove(&ieee) } else { self.unreachable.insert(ieee.clone()) };
                if changed && !faults.silent {
                    self.say_reach(&ieee, link);
                    self.report(&ieee, None, faults, link);
                }
            }
            Touch::Join { id, thing } => {
                if self.joining_until.is_some() && !self.names.contains_key(&id) {
                    self.event("device_joined", json!({ "ieee_address": id, "friendly_name": id }), link);
                    self.names.insert(id.clone(), id.clone());
                    self.parts.things.insert(id.clone(), thing);
                    self.tell_interview(&id, link);
                    self.say_reach(&id, link);
                    self.report(&id, None, faults, link);
                }
            }
            Touch::Retire => {
                self.names.keys().for_each(|ieee| self.empty(ieee, link));
                for rest in ["bridge/info", "bridge/devices", "bridge/groups", "bridge/state"] {
                    link.send(Message::retained(self.topic(rest), ""));
                }
            }
        }
    }

    fn heard(&mut self, topic: &str, payload: &[u8], faults: &mut Faults, link: &mut Link) {
        if faults.silent {
            return;
        }
        if topic == self.settings.birth_topic {
            // The real one waits half a minute, for the hub's subscriptions; ours are waited for by nobody.
            if payload == b"online" {
                self.births_answered += 1;
                link.send(Message::retained(self.topic("bridge/state"), online(true)));
                self.say_states(faults, link);
            }
            return;
        }
        let Some(path) = topic.strip_prefix(&self.settings.base).and_then(|rest| rest.strip_prefix('/')) else {
            return;
        };
        if let Some(request) = path.strip_prefix("bridge/request/") {
            self.answer(request, payload, faults, link);
        } else if let Some(name) = path.strip_suffix("/get") {
            if let Some(ieee) = self.ieee(name)
                && !self.unreachable.contains(&ieee)
                && self.parts.things.get(&ieee).is_some_and(|thing| !thing.sleeps())
            {
                self.parts.ask(&ieee, faults);
            }
        } else if let Some(name) = path.strip_suffix("/set") {
            self.order(name, None, payload, faults);
        } else if let Some((name, attribute)) = path.rsplit_once("/set/") {
            self.order(name, Some(attribute), payload, faults);
        }
        // All else is what it said itself.
    }

    fn acknowledged(&mut self, _: u64) {}

    fn next_due(&self) -> Option<Instant> {
        self.parts.next_due().into_iter().chain(self.joining_until).min()
    }

    fn due(&mut self, faults: &mut Faults, link: &mut Link) {
        if self.joining_until.is_some_and(|until| until <= Instant::now()) {
            self.joining_until = None;
            self.say_info(link);
        }
        for ieee in self.parts.due() {
            if !faults.silent {
                self.report(&ieee, None, faults, link);
                self.report_groups_of(&ieee, link);
            }
        }
    }

    fn ghosts(&self, ghost: Ghost) -> Vec<Message> {
        match ghost {
            Ghost::Command => {
                let switched = self.parts.things.iter().filter(|(_, thing)| {
                    matches!(
                        thing,
                        Thing::Switch { .. } | Thing::Valve { .. } | Thing::Socket { .. } | Thing::Lamp { .. }
                    )
                });
                let names = switched.filter_map(|(ieee, _)| self.names.get(ieee));
                names.map(|name| Message::retained(self.topic(&format!("{name}/set")), r#"{"state":"ON"}"#)).collect()
            }
            Ghost::Discovery => {
                let gone = Thing::Alarm { hazard: Hazard::Leak, on: false };
                let mut all = vec![exposes::coordinator(), exposes::device("0x00158d00deadbeef", "Призрак", &gone)];
                let named =
                    self.names.iter().filter_map(|(ieee, name)| Some((ieee, name, self.parts.things.get(ieee)?)));
                all.extend(named.map(|(ieee, name, thing)| exposes::device(ieee, name, thing)));
                vec![
                    Message::retained(self.topic("bridge/devices"), Value::Array(all).to_string()),
                    Message::retained(self.topic("Призрак/availability"), online(true)),
                ]
            }
        }
    }

    fn truth(&self, link: LinkTruth) -> Truth {
        Truth {
            things: self.parts.things.clone(),
            names: self.names.clone(),
            unreachable: self.unreachable.clone(),
            orders: self.parts.orders,
            births_answered: self.births_answered,
            joining: self.joining_until.is_some(),
            link,
        }
    }
}
