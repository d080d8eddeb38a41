//! Pretend hardware that speaks MQTT as the real thing does: a wM-Bus water meter behind wmbusmeters, a Tasmota plug, a
//! Zigbee2MQTT bridge. Each knows the truth about itself, has knobs, can be told to fail, and carries its registers over a
//! restart. Devices speak 3.1.1 without TLS; they answer what the hub asks of them and nothing else.

mod announced;
mod colour;
mod device;
mod esp;
mod exposes;
mod faults;
mod home;
mod link;
mod parts;
mod plug;
mod simulator;
mod state_file;
mod tasmota;
#[cfg(test)]
mod tests;
mod things;
mod water;
mod zigbee;
mod zigbee2mqtt;

use std::{io, path::PathBuf, time::Duration};

use rust_decimal::Decimal;

use crate::Clock;

pub use announced::{AnnouncedSettings, Form};
pub use colour::Colour;
pub use esp::{Access, Esp, EspError, EspSettings};
pub use faults::Fault;
pub use home::{Home, HomeSettings};
pub use link::{Credentials, LinkTruth};
pub use parts::Pace;
pub use plug::{Plug, PlugSettings, PlugTruth};
pub use simulator::{Simulator, Truth};
pub use tasmota::TasmotaSettings;
pub use things::{Hazard, Heating, Order, Thing, Things};
pub use water::{WaterMeter, WaterSettings, WaterTruth};
pub use zigbee::{ZigbeeBridge, ZigbeeSettings, ZigbeeTruth};
pub use zigbee2mqtt::{BridgeDevice, BridgeSettings, Group};

#[derive(Clone)]
pub struct WorldSettings {
    /// `host:port` of the broker.
    pub broker: String,
    /// Registers go on from here after a restart; without a folder they begin at their start values.
    pub data_dir: Option<PathBuf>,
    /// What telegrams say of the time; their pace is the runtime's.
    pub clock: Clock,
    /// A device that is `None` does not exist.
    pub water: Option<WaterSettings>,
    pub plug: Option<PlugSettings>,
    pub zigbee: Option<ZigbeeSettings>,
}

#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("the broker's address {0:?} is not host:port")]
    Address(String),
    #[error("a device's state in {folder} cannot be used: {source}; mend or empty the folder")]
    State { folder: PathBuf, source: io::Error },
}

pub struct World {
    pub water: Option<WaterMeter>,
    pub plug: Option<Plug>,
    pub zigbee: Option<ZigbeeBridge>,
}

impl World {
    /// Needs a tokio runtime. Returns at once; the devices find the broker when it is there.
    pub fn start(settings: WorldSettings) -> Result<Self, WorldError> {
        let broker = address(&settings.broker)?;
        let clock = &settings.clock;
        let folder = settings.data_dir.clone().unwrap_or_default();
        let unusable = |source| WorldError::State { folder: folder.clone(), source };
        let file = |name: &str| state_file::StateFile::open(settings.data_dir.as_deref(), name).map_err(unusable);
        Ok(Self {
            water: settings
                .water
                .map(|one| Ok(WaterMeter::start(&broker, one, file("water")?, clock.clone())))
                .transpose()?,
            plug: settings.plug.map(|one| Ok(Plug::start(&broker, one, file("plug")?, clock.clone()))).transpose()?,
            zigbee: settings.zigbee.map(|one| Ok(ZigbeeBridge::start(&broker, one, file("zigbee")?))).transpose()?,
        })
    }

    /// Each device says goodbye (a clean DISCONNECT, so no will) and is gone when this returns.
    pub async fn stop(self) {
        if let Some(water) = self.water {
            water.stop().await;
        }
        if let Some(plug) = self.plug {
            plug.stop().await;
        }
        if let Some(zigbee) = self.zigbee {
            zigbee.stop().await;
        }
    }
}

fn address(broker: &str) -> Result<link::BrokerAddress, WorldError> {
    broker
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.trim_matches(['[', ']']).to_owned(), port.parse::<u16>().ok()?)))
        .filter(|(host, _)| !host.is_empty())
        .map(|(host, port)| link::BrokerAddress { host, port })
        .ok_or_else(|| WorldError::Address(broker.to_owned()))
}

/// A register's step is bounded so that a year of ticks cannot leave the decimal's range.
fn advanced(value: Decimal, step: Decimal) -> Decimal {
    value.checked_add(step).unwrap_or(value)
}

/// A timer that can be stopped: nobody publishes by itself when the interval is `None`.
async fn pause(interval: Option<Duration>) {
    match interval {
        Some(interval) => tokio::time::sleep(interval).await,
        None => std::future::pending().await,
    }
}
