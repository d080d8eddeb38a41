//! The dialects spoken over MQTT. One line for each, here and in the list; nothing else in the house names them.

mod homeassistant;
mod tasmota;
mod wmbusmeters;
mod zigbee2mqtt;

use crate::Dialect;

/// Every dialect. The first that claims a publish has it.
pub const DIALECTS: &[Dialect] =
    &[zigbee2mqtt::DIALECT, tasmota::DIALECT, wmbusmeters::DIALECT, homeassistant::DIALECT];
