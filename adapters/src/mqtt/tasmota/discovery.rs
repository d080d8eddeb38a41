//! `tasmota/discovery/<MAC>/config`: who a device is, where it speaks and listens, what relays it has.

use domovoi_model::{DeviceRef, Value};

use super::{Announcement, DecodeError, Decoded, Fault, Shape, What};
use crate::PropertyInfo;
use crate::directory::is_base;
use crate::json::{self, MAX_PAYLOAD, Members};

/// Twelve hexadecimal digits, upper case.
pub(super) fn mac(text: &str) -> Option<String> {
    let ok = text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| text.to_ascii_uppercase())
}

/// A full-topic pattern with both of its words; the firmware appends a missing `%prefix%` itself (GetTopic_P).
pub(super) fn pattern(base: &str) -> String {
    let mut pattern = base.replace("//", "/").trim_end_matches('/').to_owned();
    for word in ["%prefix%", "%topic%"] {
        if !pattern.contains(word) {
            pattern = if pattern.is_empty() { word.to_owned() } else { format!("{pattern}/{word}") };
        }
    }
    pattern
}

/// Where a device that discovery has not named yet would listen. Patterns with more in them than prefix and topic
/// cannot be filled in.
pub(super) fn provisional_listens(bases: &[String], t: &str) -> Vec<String> {
    let filled = bases.iter().map(|base| pattern(base).replace("%prefix%", "cmnd").replace("%topic%", t));
    // One pattern is enough: which of several it was is not known, and a command must not go astray.
    filled.filter(|topic| is_base(topic) && !topic.contains('%')).take(1).collect()
}

/// An empty payload means that the device was removed.
pub(super) fn decode(device: &DeviceRef, payload: &[u8]) -> Result<Decoded, DecodeError> {
    let mut announcement = Announcement::of(device.clone());
    if payload.is_empty() {
        announcement.gone = true;
        return Ok(Decoded { announcements: vec![announcement], ..Decoded::default() });
    }
    let document = json::document(payload, MAX_PAYLOAD)?;
    let config = json::members(&document).map_err(|what| DecodeError::new(what, "config", &document))?;
    // A device may publish under its own address only; what it says inside must agree.
    if config.text("mac").and_then(|text| mac(&text)).as_ref() != Some(&device.id) {
        return Err(DecodeError::new(What::BadName, "mac", config.get("mac").unwrap_or_default()));
    }
    let mut faults: Vec<Fault> = config.twice.iter().map(|(key, raw)| Fault::new(What::SaidTwice, key, raw)).collect();
    announcement.alias = config.text("t");
    announcement.name = config.text("dn").or_else(|| texts(&config, "fn").into_iter().flatten().next());
    announcement.model = config.text("md");
    match routes(&config, &device.id) {
        Some([listens, stat, tele]) => {
            announcement.listens.push(listens);
            announcement.speaks = if stat == tele { vec![tele] } else { vec![stat, tele] };
        }
        None => faults.push(Fault::new(What::BadName, "ft", config.get("ft").unwrap_or_default())),
    }
    let word = |key: &str, usual: &str| Value::Text(config.text(key).unwrap_or_else(|| usual.to_owned()));
    let link = Shape::Switch { on: word("onln", "Online"), off: word("ofln", "Offline") };
    announcement.properties.push(PropertyInfo::new("available", link));
    announcement.properties.extend(relays(&config));
    Ok(Decoded { announcements: vec![announcement], faults, ..Decoded::default() })
}

/// Where it listens, answers and reports: FullTopic with its words filled in as the firmware does (GetTopic_P). `%id%`
/// is the whole address without colons.
fn routes(config: &Members<'_>, mac: &str) -> Option<[String; 3]> {
    let t = config.text("t")?;
    let host = config.text("hn").unwrap_or_default();
    let pattern = pattern(&config.text("ft").unwrap_or_else(|| "%prefix%/%topic%/".to_owned()));
    let prefixes = texts(config, "tp");
    let route = |i: usize, usual: &str| {
        let prefix = prefixes.get(i).cloned().flatten().unwrap_or_else(|| usual.to_owned());
        let topic = pattern
            .replace("%prefix%", &prefix)
            .replace("%topic%", &t)
            .replace("%hostname%", &host)
            .replace("%id%", mac)
            .replace('#', "")
            .replace("//", "/");
        is_base(&topic).then_some(topic)
    };
    Some([route(0, "cmnd")?, route(1, "stat")?, route(2, "tele")?])
}

/// `rl`: 0 none, 1 relay, 2 light, 3 shutter. A shutter's relays are not offered: switching them by hand can drive
/// the motor both ways at once. One relay alone is POWER, several are POWER1, POWER2…
fn relays(config: &Members<'_>) -> Vec<PropertyInfo> {
    let kinds = config.get("rl").and_then(|raw| json::elements(raw, 64).ok()).unwrap_or_default();
    let words = texts(config, "state");
    let word = |i: usize, usual: &str| Value::Text(words.get(i).cloned().flatten().unwrap_or_else(|| usual.to_owned()));
    let fitted = kinds.iter().filter(|kind| **kind != "0").count();
    let relays = kinds.iter().enumerate().filter(|(_, kind)| matches!(**kind, "1" | "2"));
    relays
        .map(|(i, _)| {
            let name = if fitted == 1 { "power".to_owned() } else { format!("power{}", i + 1) };
            let shape = Shape::Switch { on: word(1, "ON"), off: word(0, "OFF") };
            PropertyInfo { writable: true, ..PropertyInfo::new(name, shape) }
        })
        .collect()
}

/// An array of texts and nulls.
fn texts(config: &Members<'_>, key: &str) -> Vec<Option<String>> {
    let all = config.get(key).and_then(|raw| json::elements(raw, 64).ok()).unwrap_or_default();
    all.iter().map(|raw| json::string(raw).ok().filter(|text| !text.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_always_has_both_words() {
        assert_eq!(pattern("%prefix%/%topic%/"), "%prefix%/%topic%");
        assert_eq!(pattern("home"), "home/%prefix%/%topic%");
        assert_eq!(pattern("%topic%"), "%topic%/%prefix%");
    }
}
