//! The outside of every simulator, whatever it speaks: what it really is now, the hands that touch it, its faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    WorldError, address,
    announced::{self, AnnouncedSettings},
    device::Handle,
    faults::Fault,
    link::LinkTruth,
    tasmota::{self, TasmotaSettings},
    things::{Order, Thing, Things},
    zigbee2mqtt::{self, BridgeSettings},
};
use crate::Clock;

/// What is so, whatever was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// By stable id: an IEEE address, or the name of the part.
    pub things: Things,
    /// What people call it, by stable id; by these names a bridge has topics.
    pub names: BTreeMap<String, String>,
    /// Things that are out of reach of their bridge.
    pub unreachable: BTreeSet<String>,
    /// Orders that were heard and could be read, obeyed or not.
    pub orders: u64,
    /// How often it said everything again because a hub was born.
    pub births_answered: u64,
    /// New devices may join (a bridge's).
    pub joining: bool,
    pub link: LinkTruth,
}

impl Truth {
    /// By stable id or by name.
    pub fn thing(&self, id_or_name: &str) -> Option<&Thing> {
        let by_name = || self.names.iter().find(|(_, name)| *name == id_or_name).map(|(id, _)| id.as_str());
        self.things.get(id_or_name).or_else(|| self.things.get(by_name()?))
    }
}

/// What hands do. Ids as in `Truth::thing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touch {
    Thing {
        id: String,
        order: Order,
    },
    /// Its bridge does not reach it any more: it says nothing, hears nothing.
    Reach {
        id: String,
        reachable: bool,
    },
    /// A new device is switched on next to the bridge.
    Join {
        id: String,
        thing: Thing,
    },
    /// Factory reset: it takes back what it left on the broker.
    Retire,
}

/// One pretend device or bridge with its connection.
pub struct Simulator(pub(crate) Handle<Touch, Truth>);

impl Simulator {
    /// A Zigbee2MQTT bridge and its devices. Needs a tokio runtime; returns at once. `broker` is `host:port`.
    pub fn bridge(broker: &str, settings: BridgeSettings, clock: Clock) -> Result<Self, WorldError> {
        Ok(zigbee2mqtt::start(&address(broker)?, settings, clock))
    }

    /// A Tasmota device.
    pub fn tasmota(broker: &str, settings: TasmotaSettings, clock: Clock) -> Result<Self, WorldError> {
        Ok(tasmota::start(&address(broker)?, settings, clock))
    }

    /// A device with Home Assistant's discovery.
    pub fn announced(broker: &str, settings: AnnouncedSettings, clock: Clock) -> Result<Self, WorldError> {
        Ok(announced::start(&address(broker)?, settings, clock))
    }

    pub fn truth(&self) -> Truth {
        self.0.truth()
    }

    /// Resolves when the truth is so, at once if it is already.
    pub async fn wait_until(&self, condition: impl FnMut(&Truth) -> bool) -> Truth {
        self.0.wait_until(condition).await
    }

    /// Somebody does it by hand: spills water, turns the valve, presses the button. Reported at once.
    pub fn touch(&self, id_or_name: &str, order: Order) {
        self.0.knob(Touch::Thing { id: id_or_name.to_owned(), order });
    }

    /// A thing goes out of its bridge's reach, or comes back.
    pub fn reach(&self, id_or_name: &str, reachable: bool) {
        self.0.knob(Touch::Reach { id: id_or_name.to_owned(), reachable });
    }

    /// A new device next to a bridge; it joins if the bridge permits joining, else nothing happens. Its name is its id.
    pub fn join(&self, id: &str, thing: Thing) {
        self.0.knob(Touch::Join { id: id.to_owned(), thing });
    }

    /// Factory reset: the retained topics that it left on the broker are emptied. It stays connected.
    pub fn retire(&self) {
        self.0.knob(Touch::Retire);
    }

    /// How often it reports by itself; `None`: changes only.
    pub fn set_interval(&self, interval: Option<Duration>) {
        self.0.set_interval(interval);
    }

    pub fn report_now(&self) {
        self.0.publish_now();
    }

    pub fn fault(&self, fault: Fault) {
        self.0.fault(fault);
    }

    pub fn clear_faults(&self) {
        self.0.clear_faults();
    }

    /// Power off with a clean goodbye: no will, and what is retained stays.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}
