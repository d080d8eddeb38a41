//! The dialects spoken over MQTT: one line for each; nothing else in the house names them.

use crate::Dialect;

/// Each line is a file beside this one, and its place among those that are asked.
macro_rules! dialects {
    ($($name:ident,)*) => {
        $(mod $name;)*

        /// Every dialect. The first that claims a publish has it. Mappings of the owner's own stand behind all that know what
        /// they read, and who guesses from the shape of a topic is the last.
        pub const DIALECTS: &[Dialect] = &[$($name::DIALECT,)*];
    };
}

dialects! {
    zigbee2mqtt,
    tasmota,
    wmbusmeters,
    homeassistant,
    wirenboard,
    shelly,
    shelly_gen1,
    homie,
    chirpstack,
    ai_on_the_edge,
    opendtu,
    dsmr,
    rtl_433,
    theengs,
    venus,
    mapping,
    esphome,
}

/// So many are asked before all others, and their bases are theirs alone. The rest read what nobody before them announced.
pub(crate) const GIVES_WAY: usize = 4;

/// Devices that the owner's own mappings name whole.
pub(crate) fn mapped(directory: &crate::Directory) -> Vec<crate::Announcement> {
    mapping::announced(directory)
}
