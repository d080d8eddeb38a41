//! Tasmota devices (14.x): a socket with an energy meter, a lamp of five channels, a shutter. Discovery, LWT, STATE, SENSOR,
//! RESULT, STATUS 0, 8, 10, 11, Backlog. One relay each; no rules, no timers. (The real firmware publishes with QoS 0; this
//! one with QoS 1, so that its truth can say what arrived. `world::Plug` is the one with an exact register.)

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
    things::{Order, Thing},
};
use crate::Clock;
use words::Asked;

/// The one thing of a device, in `Truth::things`.
const PART: &str = "1";

#[derive(Debug, Clone)]
pub struct TasmotaSettings {
    pub credentials: Credentials,
    /// `%topic%`.
    pub topic: String,
    /// Twelve hex digits, upper case.
    pub mac: String,
    pub name: String,
    /// A socket, a lamp or a shutter; anything else has no words of its own.
    pub thing: Thing,
    pub pace: Pace,
    /// `TelePeriod`; `None`: only on demand.
    pub interval: Option<Duration>,
}

impl TasmotaSettings {
    fn of(tail: &str, name: &str, thing: Thing) -> Self {
        Self {
            credentials: Credentials {
                client_id: format!("DVES_{tail}"),
                username: format!("tasmota_{tail}"),
                password: String::new(),
            },
            topic: format!("tasmota_{tail}"),
            mac: format!("5CCF7F{tail}"),
            name: name.into(),
            thing,
            pace: Pace { answer: Duration::from_millis(40), ..Pace::default() },
            interval: Some(Duration::from_secs(10)),
        }
    }

    pub fn plug() -> Self {
        Self::of("A1B2D1", "Чайник", Thing::Socket { on: false, load_w: 2000, energy_wh: 45_120 })
    }

    pub fn light() -> Self {
        let colour = Colour::White { mired: 250 };
        Self::of("A1B2D2", "Подсветка", Thing::Lamp { on: false, brightness_permille: 800, colour })
    }

    pub fn shutter() -> Self {
        Self::of("A1B2D3", "Рольставни", Thing::Cover { position_percent: 0, target_percent: 0 })
    }
}

pub(crate) fn start(broker: &BrokerAddress, settings: TasmotaSettings, clock: Clock) -> Simulator {
    let topic = settings.topic.clone();
    let lwt = Message::retained(format!("tele/{topic}/LWT"), "Online");
    let link = Link::start(LinkSettings {
        broker: broker.clone(),
        credentials: settings.credentials.clone(),
        will: Some(Message::retained(format!("tele/{topic}/LWT"), "Offline")),
        subscriptions: vec![
            format!("cmnd/{topic}/#"),
            "cmnd/tasmotas/#".into(),
            format!("cmnd/DVES_{}_fb/#", tail(&settings.mac)),
        ],
        birth: Arc::new(move || vec![lwt.clone()]),
    });
    let things = BTreeMap::from([(PART.to_owned(), settings.thing.clone())]);
    let (interval, parts) = (settings.interval, Parts::new(things, settings.pace));
    Simulator(Handle::start(Tasmota { parts, settings, clock }, interval, link))
}

fn tail(mac: &str) -> &str {
    mac.get(6..).unwrap_or(mac)
}

struct Tasmota {
    settings: TasmotaSettings,
    parts: Parts,
    clock: Clock,
}

impl Tasmota {
    fn topic(&self, prefix: &str, what: &str) -> String {
        format!("{prefix}/{}/{what}", self.settings.topic)
    }

    fn shown(&self) -> &Thing {
        self.parts.shown(PART).unwrap_or(&self.settings.thing)
    }

    fn discovery(&self, mac: &str, topic: &str, name: &str) -> Vec<Message> {
        let (relay, light) = match self.settings.thing {
            Thing::Lamp { .. } => ([2, 0, 0, 0, 0, 0, 0, 0], 5),
            Thing::Cover { .. } => ([3, 3, 0, 0, 0, 0, 0, 0], 0),
            _ => ([1, 0, 0, 0, 0, 0, 0, 0], 0),
        };
        let config = json!({
            "ip": "192.168.1.40", "dn": name, "fn": [name, null, null, null, null, null, null, null],
            "hn": topic.to_lowercase().replace('_', "-"), "mac": mac, "md": "Generic", "ty": 0,
            "if": 0, "cam": 0, "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"],
            "sw": "14.6.0", "t": topic, "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"],
            "rl": relay, "swc": [-1, -1, -1, -1], "swn": [null, null, null, null], "btn": [0, 0, 0, 0],
            "so": {
                "4": 0, "11": 0, "13": 0, "17": 0, "20": 0, "30": 0, "68": 0, "73": 0, "80": u8::from(relay[0] == 3),
                "82": 0, "114": 0, "117": 0,
            },
            "lk": 1, "lt_st": light, "bat": 0, "dslp": 0, "sho": [0, 0, 0, 0], "sht": [[0, 0, 0], [0, 0, 0]], "ver": 1,
        });
        let sensors = json!({ "sn": self.timed(words::sensor(self.shown()), 0), "ver": 1 });
        vec![
            Message::retained(format!("tasmota/discovery/{mac}/config"), config.to_string()),
            Message::retained(format!("tasmota/discovery/{mac}/sensors"), sensors.to_string()),
        ]
    }

    /// Tasmota's time has no offset; ours stands in UTC.
    fn timed(&self, mut said: Value, clock_offset_s: i64) -> Value {
        said["Time"] = utc(&self.clock, clock_offset_s).trim_end_matches('Z').into();
        said
    }

    fn state(&self, faults: &Faults) -> Value {
        let mut state = self.timed(words::result(self.shown()), faults.clock_offset_s);
        state["Uptime"] = "0T00:10:00".into();
        state["UptimeSec"] = 600.into();
        state["Wifi"] = json!({ "AP": 1, "SSId": "home", "RSSI": 80, "Signal": -60 });
        if let Thing::Cover { .. } = self.shown() {
            state["POWER1"] = "OFF".into();
            state["POWER2"] = "OFF".into();
        }
        state
    }

    fn sensor(&self, faults: &Faults) -> Value {
        self.timed(words::sensor(self.shown()), faults.clock_offset_s)
    }

    fn stat(&self, what: &str, payload: String, faults: &mut Faults, link: &mut Link) {
        let payload = spoilt(faults.next_spoil(), &payload, "120");
        link.send(Message::once(self.topic("stat", what), payload));
    }

    /// What it says after each change.
    fn result(&self, faults: &mut Faults, link: &mut Link) {
        let thing = self.shown();
        self.stat("RESULT", words::result(thing).to_string(), faults, link);
        match thing {
            Thing::Cover { position_percent, .. } => {
                self.stat("SHUTTER1", position_percent.to_string(), faults, link);
            }
            Thing::Lamp { on, .. } | Thing::Socket { on, .. } | Thing::Switch { on } => {
                self.stat("POWER", words::power(*on).to_owned(), faults, link);
            }
            _ => {}
        }
    }

    fn command(&mut self, command: &str, payload: &str, faults: &mut Faults, link: &mut Link) {
        match words::asked(command, payload) {
            Asked::Order(order) => {
                // A dimmer at nothing is off; any other order of a lamp's light switches it on (SetOption20 is off).
                let lights = matches!(order, Order::BrightnessPermille(_) | Order::Colour(_));
                self.parts.order(PART, order, faults);
                if lights
                    && !command.eq_ignore_ascii_case("DIMMER")
                    && matches!(self.settings.thing, Thing::Lamp { .. })
                {
                    self.parts.follow(PART, Order::On(true), faults);
                }
            }
            Asked::State => {
                let state = self.state(faults).to_string();
                self.stat("RESULT", state, faults, link);
            }
            Asked::Status(number) => self.status(number, faults, link),
            Asked::Unknown => self.stat("RESULT", json!({ "Command": "Unknown" }).to_string(), faults, link),
        }
    }

    fn status(&self, number: u32, faults: &mut Faults, link: &mut Link) {
        let (what, said) = match number {
            8 | 10 => (format!("STATUS{number}"), json!({ "StatusSNS": self.sensor(faults) })),
            11 => ("STATUS11".to_owned(), json!({ "StatusSTS": self.state(faults) })),
            0 => {
                self.status(10, faults, link);
                return self.status(11, faults, link);
            }
            _ => ("RESULT".to_owned(), json!({ "Command": "Error" })),
        };
        self.stat(&what, said.to_string(), faults, link);
    }
}

/// As many as the real one keeps.
const BACKLOG: usize = 30;

impl Body for Tasmota {
    type Knob = Touch;
    type Truth = Truth;

    fn advance(&mut self) {
        self.parts.advance();
    }

    fn publish(&mut self, faults: &mut Faults, link: &mut Link) {
        let state = spoilt(faults.next_spoil(), &self.state(faults).to_string(), "600");
        link.send(Message::once(self.topic("tele", "STATE"), state));
        if words::sensor(self.shown()).as_object().is_some_and(|sensor| !sensor.is_empty()) {
            let sensor = spoilt(faults.next_spoil(), &self.sensor(faults).to_string(), "230");
            link.send(Message::once(self.topic("tele", "SENSOR"), sensor));
        }
    }

    fn connected(&mut self, faults: &mut Faults, link: &mut Link) {
        let TasmotaSettings { mac, topic, name, .. } = &self.settings;
        for message in self.discovery(mac, topic, name) {
            link.send(message);
        }
        self.result(faults, link);
        self.publish(faults, link);
    }

    fn turn(&mut self, knob: Touch, faults: &mut Faults, link: &mut Link) {
        match knob {
            Touch::Thing { order, .. } => {
                if self.parts.touch(PART, &order) && !faults.silent {
                    self.result(faults, link);
                }
            }
            Touch::Retire => {
                let mac = &self.settings.mac;
                for topic in [
                    format!("tasmota/discovery/{mac}/config"),
                    format!("tasmota/discovery/{mac}/sensors"),
                    self.topic("tele", "LWT"),
                ] {
                    link.send(Message::retained(topic, ""));
                }
            }
            // It has no bridge.
            Touch::Reach { .. } | Touch::Join { .. } => {}
        }
    }

    fn heard(&mut self, topic: &str, payload: &[u8], faults: &mut Faults, link: &mut Link) {
        if faults.silent {
            return;
        }
        let command = topic.rsplit('/').next().unwrap_or_default();
        let payload = String::from_utf8_lossy(payload);
        if command.eq_ignore_ascii_case("backlog") {
            for one in payload.split(';').take(BACKLOG) {
                let (command, rest) = one.trim().split_once(' ').unwrap_or((one.trim(), ""));
                self.command(command, rest, faults, link);
            }
        } else {
            self.command(command, &payload, faults, link);
        }
    }

    fn acknowledged(&mut self, _: u64) {}

    fn next_due(&self) -> Option<Instant> {
        self.parts.next_due()
    }

    fn due(&mut self, faults: &mut Faults, link: &mut Link) {
        if !self.parts.due().is_empty() && !faults.silent {
            self.result(faults, link);
        }
    }

    fn ghosts(&self, ghost: Ghost) -> Vec<Message> {
        match ghost {
            Ghost::Command => vec![match self.settings.thing {
                Thing::Cover { .. } => Message::retained(self.topic("cmnd", "ShutterOpen"), ""),
                _ => Message::retained(self.topic("cmnd", "POWER"), "ON"),
            }],
            Ghost::Discovery => self.discovery("5CCF7FDEAD01", "tasmota_DEAD01", "Призрак"),
        }
    }

    fn truth(&self, link: LinkTruth) -> Truth {
        Truth {
            things: self.parts.things.clone(),
            names: BTreeMap::from([(PART.to_owned(), self.settings.name.clone())]),
            unreachable: BTreeSet::new(),
            orders: self.parts.orders,
            births_answered: 0,
            joining: false,
            link,
        }
    }
}
