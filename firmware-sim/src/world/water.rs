//! A wM-Bus water meter as wmbusmeters publishes it (driver `iperl`): one JSON per telegram. It cannot be commanded.

use std::{sync::Arc, time::Duration};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    advanced,
    device::{Body, Handle, Register},
    faults::{Fault, Faults, number, spoilt, utc},
    link::{BrokerAddress, Credentials, Link, LinkSettings, LinkTruth, Message},
    state_file::{StateFile, decimal_text},
};
use crate::Clock;

#[derive(Debug, Clone)]
pub struct WaterSettings {
    pub credentials: Credentials,
    /// The operator's name for the meter; the last level of the topic.
    pub name: String,
    /// Eight digits; the serial number on the dial.
    pub id: String,
    /// `water` or `warm water`.
    pub media: String,
    pub start_m3: Decimal,
    /// Added at each tick.
    pub step_m3: Decimal,
    /// `None`: telegrams only on demand.
    pub interval: Option<Duration>,
}

impl Default for WaterSettings {
    fn default() -> Self {
        Self {
            credentials: Credentials {
                client_id: "wmbusmeters".into(),
                username: "wmbusmeters".into(),
                password: String::new(),
            },
            name: "ColdWater".into(),
            id: "12345699".into(),
            media: "water".into(),
            start_m3: Decimal::new(123_529, 3),
            step_m3: Decimal::new(1, 3),
            interval: Some(Duration::from_secs(16)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaterTruth {
    pub id: String,
    /// The dial, now.
    pub m3: String,
    /// Of the last telegram that was not spoilt by a fault.
    pub last_published_m3: Option<String>,
    /// Values with a PUBACK, in order; the newest 10 000.
    pub acknowledged_m3: Vec<String>,
    pub link: LinkTruth,
}

#[derive(Serialize, Deserialize)]
struct Dial {
    #[serde(with = "decimal_text")]
    m3: Decimal,
}

pub struct WaterMeter(Handle<Decimal, WaterTruth>);

impl WaterMeter {
    pub(crate) fn start(broker: &BrokerAddress, settings: WaterSettings, file: StateFile, clock: Clock) -> Self {
        let link = Link::start(LinkSettings {
            broker: broker.clone(),
            credentials: settings.credentials.clone(),
            will: None,
            subscriptions: Vec::new(),
            birth: Arc::new(Vec::new),
        });
        let m3 = file.load::<Dial>().map_or(settings.start_m3, |dial| dial.m3);
        let interval = settings.interval;
        Self(Handle::start(Meter { settings, m3, file, clock, register: Register::new() }, interval, link))
    }

    pub fn truth(&self) -> WaterTruth {
        self.0.truth()
    }

    pub async fn wait_until(&self, condition: impl FnMut(&WaterTruth) -> bool) -> WaterTruth {
        self.0.wait_until(condition).await
    }

    /// Turns the dial, backwards too (a swapped meter). No telegram by itself.
    pub fn set_m3(&self, value: Decimal) {
        self.0.knob(value);
    }

    pub fn set_interval(&self, interval: Option<Duration>) {
        self.0.set_interval(interval);
    }

    /// A telegram now, without a step of the dial.
    pub fn telegram_now(&self) {
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

struct Meter {
    settings: WaterSettings,
    m3: Decimal,
    file: StateFile,
    clock: Clock,
    register: Register,
}

#[derive(Serialize)]
struct Telegram<'a> {
    #[serde(rename = "_")]
    kind: &'a str,
    media: &'a str,
    meter: &'a str,
    name: &'a str,
    id: &'a str,
    total_m3: Box<serde_json::value::RawValue>,
    max_flow_m3h: u8,
    status: &'a str,
    timestamp: String,
}

impl Body for Meter {
    type Knob = Decimal;
    type Truth = WaterTruth;

    fn advance(&mut self) {
        self.m3 = advanced(self.m3, self.settings.step_m3);
        self.file.save(&Dial { m3: self.m3 });
    }

    fn publish(&mut self, faults: &mut Faults, link: &mut Link) {
        let telegram = serde_json::to_string(&Telegram {
            kind: "telegram",
            media: &self.settings.media,
            meter: "iperl",
            name: &self.settings.name,
            id: &self.settings.id,
            total_m3: number(self.m3),
            max_flow_m3h: 0,
            status: "OK",
            timestamp: utc(&self.clock, faults.clock_offset_s),
        })
        .unwrap_or_default();
        let spoil = faults.next_spoil();
        let value = self.m3.to_string();
        let payload = spoilt(spoil, &telegram, &value);
        let message = Message::once(format!("wmbusmeters/{}", self.settings.name), payload);
        self.register.send(link, message, spoil.is_none().then_some(value));
    }

    fn connected(&mut self, _: &mut Faults, _: &mut Link) {}

    fn turn(&mut self, m3: Decimal, _: &mut Faults, _: &mut Link) {
        self.m3 = m3;
        self.file.save(&Dial { m3 });
    }

    fn heard(&mut self, _: &str, _: &[u8], _: &mut Faults, _: &mut Link) {}

    fn acknowledged(&mut self, number: u64) {
        self.register.acknowledged(number);
    }

    fn truth(&self, link: LinkTruth) -> WaterTruth {
        WaterTruth {
            id: self.settings.id.clone(),
            m3: self.m3.to_string(),
            last_published_m3: self.register.last_published.clone(),
            acknowledged_m3: self.register.acknowledged.clone(),
            link,
        }
    }
}
