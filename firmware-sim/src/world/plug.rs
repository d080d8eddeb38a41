//! A socket with an energy meter, as Tasmota 14 speaks: discovery, LWT, STATE, SENSOR, POWER. One relay, one phase; no
//! rules, no timers. (The real firmware publishes with QoS 0; this one with QoS 1, so that its truth can say what arrived.)

use std::{sync::Arc, time::Duration};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    advanced,
    device::{Body, Handle, Register},
    faults::{Fault, Faults, spoilt, utc},
    link::{BrokerAddress, Credentials, Link, LinkSettings, LinkTruth, Message},
    state_file::{StateFile, decimal_text},
};
use crate::Clock;

#[derive(Debug, Clone)]
pub struct PlugSettings {
    pub credentials: Credentials,
    /// Tasmota's `%topic%`.
    pub topic: String,
    /// Twelve hex digits, upper case.
    pub mac: String,
    pub name: String,
    pub start_kwh: Decimal,
    /// Added at each tick while the relay is on.
    pub step_kwh: Decimal,
    pub power_w: u32,
    /// `TelePeriod`; `None`: only on demand.
    pub interval: Option<Duration>,
}

impl Default for PlugSettings {
    fn default() -> Self {
        Self {
            credentials: Credentials {
                client_id: "DVES_A1B2C3".into(),
                username: "tasmota_A1B2C3".into(),
                password: String::new(),
            },
            topic: "tasmota_A1B2C3".into(),
            mac: "5CCF7FA1B2C3".into(),
            name: "Розетка".into(),
            start_kwh: Decimal::new(15_694_050, 3),
            step_kwh: Decimal::new(2, 3),
            power_w: 330,
            interval: Some(Duration::from_secs(10)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlugTruth {
    pub on: bool,
    pub total_kwh: String,
    pub last_published_kwh: Option<String>,
    /// Totals with a PUBACK, in order; the newest 10 000.
    pub acknowledged_kwh: Vec<String>,
    /// Commands obeyed.
    pub commands: u64,
    pub link: LinkTruth,
}

pub struct Plug(Handle<Knob, PlugTruth>);

enum Knob {
    Power(bool),
    Total(Decimal),
}

impl Plug {
    pub(crate) fn start(broker: &BrokerAddress, settings: PlugSettings, file: StateFile, clock: Clock) -> Self {
        let topic = settings.topic.clone();
        let config = discovery(&settings);
        let births = vec![
            Message::retained(format!("tele/{topic}/LWT"), "Online"),
            Message::retained(format!("tasmota/discovery/{}/config", settings.mac), config.to_string()),
            Message::retained(
                format!("tasmota/discovery/{}/sensors", settings.mac),
                json!({ "sn": { "ENERGY": { "Total": 0, "Power": 0, "Voltage": 0, "Current": 0 } }, "ver": 1 })
                    .to_string(),
            ),
        ];
        let link = Link::start(LinkSettings {
            broker: broker.clone(),
            credentials: settings.credentials.clone(),
            will: Some(Message::retained(format!("tele/{topic}/LWT"), "Offline")),
            subscriptions: vec![format!("cmnd/{topic}/#")],
            birth: Arc::new(move || births.clone()),
        });
        let saved = file.load::<Saved>().unwrap_or(Saved { total_kwh: settings.start_kwh, on: true });
        let interval = settings.interval;
        let socket = Socket { settings, saved, file, clock, register: Register::new(), commands: 0 };
        Self(Handle::start(socket, interval, link))
    }

    pub fn truth(&self) -> PlugTruth {
        self.0.truth()
    }

    pub async fn wait_until(&self, condition: impl FnMut(&PlugTruth) -> bool) -> PlugTruth {
        self.0.wait_until(condition).await
    }

    /// Somebody presses the button.
    pub fn press(&self, on: bool) {
        self.0.knob(Knob::Power(on));
    }

    pub fn set_total_kwh(&self, value: Decimal) {
        self.0.knob(Knob::Total(value));
    }

    pub fn set_interval(&self, interval: Option<Duration>) {
        self.0.set_interval(interval);
    }

    /// STATE and SENSOR now.
    pub fn telemetry_now(&self) {
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

fn discovery(settings: &PlugSettings) -> Value {
    json!({
        "ip": "192.168.1.40", "dn": settings.name, "fn": [settings.name, null, null, null, null, null, null, null],
        "hn": settings.topic.to_lowercase().replace('_', "-"), "mac": settings.mac, "md": "Athom Plug V2", "ty": 0,
        "if": 0, "cam": 0, "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"],
        "sw": "14.6.0", "t": settings.topic, "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"],
        "rl": [1, 0, 0, 0, 0, 0, 0, 0], "swc": [-1, -1, -1, -1], "swn": [null, null, null, null], "btn": [0, 0, 0, 0],
        "so": { "4": 0, "11": 0, "13": 0, "17": 0, "20": 0, "30": 0, "68": 0, "73": 0, "82": 0, "114": 0, "117": 0 },
        "lk": 0, "lt_st": 0, "bat": 0, "dslp": 0, "sho": [0, 0, 0, 0], "sht": [[0, 0, 0]], "ver": 1,
    })
}

#[derive(Serialize, Deserialize)]
struct Saved {
    #[serde(with = "decimal_text")]
    total_kwh: Decimal,
    on: bool,
}

struct Socket {
    settings: PlugSettings,
    saved: Saved,
    file: StateFile,
    clock: Clock,
    register: Register,
    commands: u64,
}

impl Socket {
    fn power_word(&self) -> &'static str {
        if self.saved.on { "ON" } else { "OFF" }
    }

    fn topic(&self, prefix: &str, what: &str) -> String {
        format!("{prefix}/{}/{what}", self.settings.topic)
    }

    fn say(&mut self, link: &mut Link, what: &str, payload: String) {
        let message = Message::once(self.topic("stat", what), payload);
        self.register.send(link, message, None);
    }

    fn state(&self, clock_offset_s: i64) -> String {
        json!({
            "Time": local(&self.clock, clock_offset_s), "Uptime": "0T00:10:00", "UptimeSec": 600, "Heap": 25, "SleepMode": "Dynamic",
            "POWER": self.power_word(), "Wifi": { "AP": 1, "SSId": "home", "RSSI": 80, "Signal": -60 },
        })
        .to_string()
    }

    /// The total stands in the text exactly as the register spells it.
    fn sensor(&self, clock_offset_s: i64) -> String {
        let (power, current) = if self.saved.on { (self.settings.power_w, "1.435") } else { (0, "0.000") };
        format!(
            "{{\"Time\":\"{}\",\"ENERGY\":{{\"TotalStartTime\":\"2026-01-01T00:00:00\",\"Total\":{},\"Yesterday\":1.234,\
             \"Today\":0.567,\"Period\":0,\"Power\":{power},\"ApparentPower\":{power},\"ReactivePower\":0,\"Factor\":1.00,\
             \"Voltage\":230,\"Current\":{current}}}}}",
            local(&self.clock, clock_offset_s),
            self.saved.total_kwh
        )
    }

    fn switch(&mut self, on: bool, link: &mut Link) {
        self.saved.on = on;
        self.file.save(&self.saved);
        let word = self.power_word();
        self.say(link, "RESULT", json!({ "POWER": word }).to_string());
        self.say(link, "POWER", word.to_owned());
    }
}

/// Tasmota's time has no offset; ours stands in UTC.
fn local(clock: &Clock, clock_offset_s: i64) -> String {
    utc(clock, clock_offset_s).trim_end_matches('Z').to_owned()
}

impl Body for Socket {
    type Knob = Knob;
    type Truth = PlugTruth;

    fn advance(&mut self) {
        if self.saved.on {
            self.saved.total_kwh = advanced(self.saved.total_kwh, self.settings.step_kwh);
            self.file.save(&self.saved);
        }
    }

    fn publish(&mut self, faults: &mut Faults, link: &mut Link) {
        let state = Message::once(self.topic("tele", "STATE"), self.state(faults.clock_offset_s));
        self.register.send(link, state, None);
        let spoil = faults.next_spoil();
        let value = self.saved.total_kwh.to_string();
        let payload = spoilt(spoil, &self.sensor(faults.clock_offset_s), &value);
        let sensor = Message::once(self.topic("tele", "SENSOR"), payload);
        self.register.send(link, sensor, spoil.is_none().then_some(value));
    }

    fn connected(&mut self, faults: &mut Faults, link: &mut Link) {
        let word = self.power_word();
        self.say(link, "RESULT", json!({ "POWER": word }).to_string());
        self.say(link, "POWER", word.to_owned());
        self.publish(faults, link);
    }

    fn turn(&mut self, knob: Knob, _: &mut Faults, link: &mut Link) {
        match knob {
            Knob::Power(on) => self.switch(on, link),
            Knob::Total(value) => {
                self.saved.total_kwh = value;
                self.file.save(&self.saved);
            }
        }
    }

    fn heard(&mut self, topic: &str, payload: &[u8], faults: &mut Faults, link: &mut Link) {
        if faults.silent {
            return;
        }
        let command = topic.rsplit('/').next().unwrap_or_default().to_ascii_uppercase();
        let word = String::from_utf8_lossy(payload).trim().to_ascii_uppercase();
        match command.as_str() {
            "POWER" | "POWER1" => {
                self.commands += 1;
                let on = match word.as_str() {
                    "ON" | "1" | "TRUE" => true,
                    "OFF" | "0" | "FALSE" => false,
                    "TOGGLE" | "2" => !self.saved.on,
                    // Empty or unknown asks.
                    _ => self.saved.on,
                };
                self.switch(on, link);
            }
            "STATE" => {
                let state = self.state(faults.clock_offset_s);
                self.say(link, "RESULT", state);
            }
            "STATUS" if word == "10" || word == "8" => {
                let sensor = self.sensor(faults.clock_offset_s);
                self.say(link, &format!("STATUS{word}"), format!("{{\"StatusSNS\":{sensor}}}"));
            }
            "STATUS" if word == "11" => {
                let state = self.state(faults.clock_offset_s);
                self.say(link, "STATUS11", format!("{{\"StatusSTS\":{state}}}"));
            }
            _ => self.say(link, "RESULT", json!({ "Command": "Unknown" }).to_string()),
        }
    }

    fn acknowledged(&mut self, number: u64) {
        self.register.acknowledged(number);
    }

    fn truth(&self, link: LinkTruth) -> PlugTruth {
        PlugTruth {
            on: self.saved.on,
            total_kwh: self.saved.total_kwh.to_string(),
            last_published_kwh: self.register.last_published.clone(),
            acknowledged_kwh: self.register.acknowledged.clone(),
            commands: self.commands,
            link,
        }
    }
}
