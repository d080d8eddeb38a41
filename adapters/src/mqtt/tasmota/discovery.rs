//! `tasmota/discovery/<MAC>/config` and `…/sensors`: who a device is, where it speaks and listens, what it can do and
//! what it measures. Both are retained and come in any order.

use std::borrow::Cow;

use domovoi_model::{DeviceRef, Value};

use super::facts::{self, Config, Facts, Route};
use super::functions::{Device, texts};
use super::{Announcement, DecodeError, Decoded, Directory, Fault, Shape, What, command, sensors};
use crate::bases::is_base;
use crate::fault::printable;
use crate::json::{self, MAX_MEMBERS, MAX_PAYLOAD, Members};
use crate::{Lore, PropertyInfo, Reach};

/// A tree of sensors is kept as it was heard; the firmware's own buffer (ESP32) ends at 16 KiB or so.
const MAX_TREE: usize = 64 << 10;

/// Twelve hexadecimal digits, upper case.
pub(super) fn mac(text: &str) -> Option<String> {
    let ok = text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| text.to_ascii_uppercase())
}

/// A full-topic pattern with both of its words; the firmware appends a missing `%prefix%` itself (GetTopic_P).
pub(super) fn pattern(base: &str) -> Cow<'_, str> {
    if base.contains("%prefix%") && base.contains("%topic%") && !base.contains("//") && !base.ends_with('/') {
        return Cow::Borrowed(base);
    }
    let mut pattern = base.replace("//", "/").trim_end_matches('/').to_owned();
    for word in ["%prefix%", "%topic%"] {
        if !pattern.contains(word) {
            pattern = if pattern.is_empty() { word.to_owned() } else { format!("{pattern}/{word}") };
        }
    }
    Cow::Owned(pattern)
}

/// Where a device that discovery has not named yet would listen or report. Patterns with more in them than prefix and
/// topic cannot be filled in.
pub(super) fn provisional(bases: &[String], prefix: &str, t: &str) -> Vec<String> {
    let filled = bases.iter().map(|base| pattern(base).replace("%prefix%", prefix).replace("%topic%", t));
    // One pattern is enough: which of several it was is not known, and a command must not go astray.
    filled.filter(|topic| is_base(topic) && !topic.contains('%')).take(1).collect()
}

/// `config`. An empty payload means that the device was removed.
pub(super) fn config(device: &DeviceRef, payload: &[u8], directory: &Directory) -> Result<Decoded, DecodeError> {
    if payload.is_empty() {
        let gone = Announcement { gone: true, ..Announcement::of(device.clone()) };
        return Ok(Decoded { announcements: vec![gone], ..Decoded::default() });
    }
    let document = json::document(payload, MAX_PAYLOAD)?;
    let config = json::members(&document).map_err(|what| DecodeError::new(what, "config", &document))?;
    // A device may publish under its own address only; what it says inside must agree.
    if config.text("mac").and_then(|text| mac(&text)).as_ref() != Some(&device.id) {
        return Err(DecodeError::new(What::BadName, "mac", config.get("mac").unwrap_or_default()));
    }
    let mut faults: Vec<Fault> = config.twice.iter().map(|(key, raw)| Fault::new(What::SaidTwice, key, raw)).collect();
    let known = directory.known(device);
    let mut announcement = Announcement::of(device.clone());
    announcement.holds_topics = true;
    announcement.alias = config.text("t");
    announcement.name = config.text("dn").or_else(|| texts(&config, "fn").into_iter().flatten().next());
    announcement.model = config.text("md").map(|model| printable(&model));
    announcement.sleeps = config.get("dslp").map(str::trim) == Some("1");
    // Who sleeps is out of reach most of the time, and its will says nothing.
    announcement.reaches = if announcement.sleeps { Vec::new() } else { vec![Reach::Latest] };
    let word = |key: &str, usual: &str| Value::Text(config.text(key).unwrap_or_else(|| usual.to_owned()));
    let link = Shape::Switch { on: word("onln", "Online"), off: word("ofln", "Offline") };
    announcement.properties.push(PropertyInfo::new("available", link));
    let mut new = Facts { sensors: facts::of(known).and_then(|facts| facts.sensors.clone()), ..Facts::default() };
    let mut read = functions(&config, &mut announcement, &mut new);
    read.routes = routes(&config, &device.id);
    match read.routes.first() {
        // One that was heard under its other reading is spoken to there.
        Some(first) => {
            let heard = known.and_then(|known| known.listens.first());
            let same = read.routes.iter().find(|route| Some(&route.listens) == heard);
            announcement.listens.push(same.unwrap_or(first).listens.clone());
            for topic in read.routes.iter().flat_map(|route| [&route.stat, &route.tele]) {
                if !announcement.speaks.contains(topic) {
                    announcement.speaks.push(topic.clone());
                }
            }
        }
        None => faults.push(Fault::new(What::BadName, "ft", config.get("ft").unwrap_or_default())),
    }
    new.config = Some(read);
    finish(&mut announcement, new, known);
    let is_new = known.is_none_or(|known| known.listens != announcement.listens);
    let asks = if is_new { command::questions(&announcement) } else { Vec::new() };
    Ok(Decoded { announcements: vec![announcement], faults, asks, ..Decoded::default() })
}

/// `sensors`. An empty payload takes the sensors away and leaves the device.
pub(super) fn tree(device: &DeviceRef, payload: &[u8], directory: &Directory) -> Result<Decoded, DecodeError> {
    let known = directory.known(device);
    let before = facts::of(known).cloned().unwrap_or_default();
    if payload.is_empty() && before.sensors.is_none() {
        return Ok(Decoded::default());
    }
    let mut new = Facts { sensors: None, ..before };
    if !payload.is_empty() {
        let document = json::document(payload, MAX_TREE)?;
        let members = json::members(&document).map_err(|what| DecodeError::new(what, "sensors", &document))?;
        let sn = members.get("sn").map(json::members);
        if !matches!(sn, Some(Ok(_))) {
            return Err(DecodeError::new(What::WrongType, "sn", members.get("sn").unwrap_or_default()));
        }
        new.sensors = Some(document.into_owned());
    }
    // The configuration may come later; what is known of the device without it is kept then.
    let mut announcement = known.cloned().unwrap_or_else(|| Announcement::of(device.clone()));
    let own = own(known, facts::of(known));
    announcement.properties = own;
    finish(&mut announcement, new, known);
    Ok(Decoded { announcements: vec![announcement], ..Decoded::default() })
}

/// What of a device's properties comes from its configuration.
fn own(known: Option<&Announcement>, facts: Option<&Facts>) -> Vec<PropertyInfo> {
    let (Some(known), Some(facts)) = (known, facts) else { return Vec::new() };
    let count = facts.config.as_ref().map_or(0, |config| config.own);
    known.properties.iter().take(count).cloned().collect()
}

/// Adds what the sensors announce, and the lore: the one that is known where nothing has changed.
fn finish(announcement: &mut Announcement, mut facts: Facts, known: Option<&Announcement>) {
    if let Some(config) = facts.config.as_mut() {
        config.own = announcement.properties.len();
    }
    if let Some(tree) = &facts.sensors {
        for info in sensors::properties(tree, facts.config.as_ref()) {
            if announcement.property(&info.name).is_none() && announcement.properties.len() < MAX_MEMBERS {
                announcement.properties.push(info);
            }
        }
    }
    let same = known.and_then(|known| known.lore.as_ref()).filter(|lore| lore.get::<Facts>() == Some(&facts));
    announcement.lore = Some(same.cloned().unwrap_or_else(|| Lore::new(facts)));
}

fn functions(config: &Members<'_>, announcement: &mut Announcement, facts: &mut Facts) -> Config {
    let words = texts(config, "state");
    let word = |i: usize, usual: &str| words.get(i).cloned().flatten().unwrap_or_else(|| usual.to_owned());
    let words = [word(0, "OFF"), word(1, "ON"), word(2, "TOGGLE"), word(3, "HOLD")];
    let device = Device { config, words: &words };
    let (relays, lights) = (device.relays(), device.lights());
    let (shutters, covers) = device.shutters();
    let (switches, inputs) = device.switches();
    let has_colour = lights.iter().any(|(info, _)| info.name == "color");
    let all = relays.into_iter().chain(lights).chain(covers).chain(device.fan());
    for (info, order) in all.chain(device.buttons()).chain(inputs) {
        facts.orders.extend(order.map(|order| (info.name.clone(), order)));
        announcement.properties.push(info);
    }
    Config { switches, shutters, has_colour, words, ..Config::default() }
}

/// Where it listens, answers and reports: FullTopic with its words filled in as the firmware does (GetTopic_P). `%id%`
/// is the whole address without colons; other consumers (hatasmota) read its last six digits there, and topics that were
/// set by hand after them exist.
fn routes(config: &Members<'_>, mac: &str) -> Vec<Route> {
    let Some(t) = config.text("t") else { return Vec::new() };
    let host = config.text("hn").unwrap_or_default();
    let full = config.text("ft").unwrap_or_else(|| "%prefix%/%topic%/".to_owned());
    let pattern = pattern(&full);
    let prefixes = texts(config, "tp");
    let route = |i: usize, usual: &str, id: &str| {
        let prefix = prefixes.get(i).cloned().flatten().unwrap_or_else(|| usual.to_owned());
        let topic = pattern
            .replace("%prefix%", &prefix)
            .replace("%topic%", &t)
            .replace("%hostname%", &host)
            .replace("%id%", id)
            .replace('#', "")
            .replace("//", "/");
        is_base(&topic).then_some(topic)
    };
    let short = mac.get(6..).filter(|_| pattern.contains("%id%"));
    let readings = std::iter::once(mac).chain(short);
    let read = |id: &str| {
        Some(Route { listens: route(0, "cmnd", id)?, stat: route(1, "stat", id)?, tele: route(2, "tele", id)? })
    };
    readings.filter_map(read).collect()
}

/// What is to be said when a device with two readings was heard under one of them: where it listens.
pub(super) fn settled(topic: &str, known: Option<&Announcement>) -> Option<Announcement> {
    let known = known?;
    let routes = &facts::of(Some(known))?.config.as_ref()?.routes;
    let (base, _) = topic.rsplit_once('/')?;
    let route = routes.iter().find(|route| route.stat == base || route.tele == base).filter(|_| routes.len() > 1)?;
    let is_there = known.listens.first() == Some(&route.listens);
    (!is_there).then(|| Announcement { listens: vec![route.listens.clone()], ..known.clone() })
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
