//! The dialects spoken over MQTT. One line for each, here and in the list; nothing else in the house names them.

mod ai_on_the_edge;
mod chirpstack;
mod dsmr;
mod esphome;
mod homeassistant;
mod homie;
mod mapping;
mod opendtu;
mod rtl_433;
mod shelly;
mod shelly_gen1;
mod tasmota;
mod wirenboard;
mod wmbusmeters;
mod zigbee2mqtt;

use crate::Dialect;

/// So many are asked before all others, and their bases are theirs alone. The rest read what nobody before them announced.
pub(crate) const GIVES_WAY: usize = 4;

/// Every dialect. The first that claims a publish has it. Mappings of the owner's own stand behind all that know what they
/// read, and who guesses from the shape of a topic is the last.
pub const DIALECTS: &[Dialect] = &[
    zigbee2mqtt::DIALECT,
    tasmota::DIALECT,
    wmbusmeters::DIALECT,
    homeassistant::DIALECT,
    wirenboard::DIALECT,
    shelly::DIALECT,
    shelly_gen1::DIALECT,
    homie::DIALECT,
    chirpstack::DIALECT,
    ai_on_the_edge::DIALECT,
    opendtu::DIALECT,
    dsmr::DIALECT,
    rtl_433::DIALECT,
    mapping::DIALECT,
    esphome::DIALECT,
];

/// Devices that the owner's own mappings name whole.
pub(crate) fn mapped(directory: &crate::Directory) -> Vec<crate::Announcement> {
    mapping::announced(directory)
}
