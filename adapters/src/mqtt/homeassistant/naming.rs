//! The names of properties: made of what stays when people rename things, the `unique_id` before all.
//!
//! A name is a pure function of all the entities that a device has, never of the order in which they came: after a restart
//! the same configs come in another order, and a scenario must still find its lamp.

use crate::slug::slug;

/// Characters of a name before a checksum takes the place of the rest.
const MAX_STEM: usize = 64;

/// The stem of an entity's names: its `unique_id` without the id of its device, or what the topic calls it.
pub(super) fn stem(unique_id: Option<&str>, called: &str, ids: &[String]) -> String {
    let full = match unique_id {
        Some(unique_id) => slug(unique_id),
        None => slug(called),
    };
    let mut short = full.as_str();
    for id in ids {
        let id = slug(id);
        let rest = full.strip_prefix(&id).and_then(|rest| rest.strip_prefix('_'));
        let rest = rest.or_else(|| full.strip_suffix(&id).and_then(|rest| rest.strip_suffix('_')));
        if let Some(rest) = rest.filter(|rest| !rest.is_empty() && !id.is_empty() && rest.len() < short.len()) {
            short = rest;
        }
    }
    match short {
        "" => format!("x{:08x}", checksum(unique_id.unwrap_or(called))),
        _ if short.chars().count() > MAX_STEM => {
            let head: String = short.chars().take(MAX_STEM - 9).collect();
            format!("{head}_{:08x}", checksum(short))
        }
        _ => short.to_owned(),
    }
}

/// FNV-1a: the same in every version of the house, which the standard library's hasher does not promise.
pub(super) fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The same in 64 bits, for a whole config.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_is_what_the_device_does_not_say_already() {
        let ids = ["0x00158d0001a2b3c4".to_owned(), "AA:BB:CC:DD:EE:FF".to_owned()];
        for (unique_id, wanted) in [
            ("0x00158d0001a2b3c4_temperature_zigbee2mqtt", "temperature_zigbee2mqtt"),
            ("AA:BB:CC:DD:EE:FF-sensor-Temp", "sensor_temp"),
            ("power_0x00158d0001a2b3c4", "power"),
            ("0x00158d0001a2b3c4", "0x00158d0001a2b3c4"),
            ("Кухня свет", "кухня_свет"),
        ] {
            assert_eq!(stem(Some(unique_id), "x", &ids), wanted);
        }
        assert_eq!(stem(None, "Relay-1", &ids), "relay_1");
        assert_eq!(stem(Some("///"), "x", &ids), format!("x{:08x}", checksum("///")));
        assert_eq!(stem(Some(&"a".repeat(500)), "x", &ids).len(), MAX_STEM);
    }
}
