//! `[dialects]`: where on the broker each dialect of devices is spoken.

use domovoi_adapters::mqtt::DIALECTS;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::scalar;

/// Which dialects are understood, and below which topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialects {
    /// What wmbusmeters is told as the beginning of its `mqtt_topic`; each meter speaks below it.
    pub wmbusmeters_base: String,
    /// `base_topic` of each Zigbee2MQTT of the home.
    pub zigbee2mqtt_bases: Vec<String>,
    /// Whether `tele/…`, `stat/…` and `tasmota/discovery/…` are Tasmota.
    pub tasmota: bool,
    /// `FullTopic` of the Tasmota devices, without the slash at the end; at least one.
    pub tasmota_full_topics: Vec<String>,
    /// The discovery prefix of those who announce themselves as Home Assistant wants it; without any that is not heard.
    pub homeassistant_prefixes: Vec<String>,
    /// Every other dialect, by its name, with its base topics: its own unless `[dialects.bases]` says otherwise. One without
    /// any is not heard.
    pub others: Vec<(&'static str, Vec<String>)>,
}

/// Dialects with a key of their own; a dialect that is added is found in `[dialects.bases]`.
const NAMED: [&str; 4] = ["wmbusmeters", "zigbee2mqtt", "tasmota", "homeassistant"];

impl Dialects {
    /// The dialects that are spoken in this home, each with its base topics as `domovoi_adapters::Directory::set_bases`
    /// takes them. A dialect that is not among them is switched off.
    pub fn bases(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut spoken = vec![("wmbusmeters", vec![self.wmbusmeters_base.clone()])];
        if !self.zigbee2mqtt_bases.is_empty() {
            spoken.push(("zigbee2mqtt", self.zigbee2mqtt_bases.clone()));
        }
        if self.tasmota {
            spoken.push(("tasmota", self.tasmota_full_topics.clone()));
        }
        if !self.homeassistant_prefixes.is_empty() {
            spoken.push(("homeassistant", self.homeassistant_prefixes.clone()));
        }
        spoken.extend(self.others.iter().filter(|(_, bases)| !bases.is_empty()).cloned());
        spoken
    }
}

const TASMOTA_PREFIXES: [&str; 4] = ["tele", "stat", "cmnd", "tasmota"];

pub(crate) fn read(mut section: Section<'_>) -> Dialects {
    let tasmota = section.take_bool("tasmota").unwrap_or(true);
    let mut taken: Vec<String> = Vec::new();
    let mut base = |text: &str| {
        // Wiren Board's topics begin with a slash.
        let bare = scalar::topic_base(text.strip_prefix('/').unwrap_or(text))?;
        let base = if text.starts_with('/') { format!("/{bare}") } else { bare };
        let first_level = base.split('/').next().unwrap_or_default();
        if tasmota && TASMOTA_PREFIXES.contains(&first_level) {
            return Err(Wrong::new(format!("topics below `{first_level}` are Tasmota's"))
                .hint("choose another base, or write `tasmota = false`"));
        }
        if let Some(other) = taken.iter().find(|other| nested(other, &base)) {
            return Err(Wrong::new(format!(
                "{} and {} lie in one another",
                scalar::quoted(&base),
                scalar::quoted(other)
            ))
            .hint("give each a base of its own, or nobody can say whose a topic is"));
        }
        taken.push(base.clone());
        Ok(base)
    };
    let wmbusmeters_base = section.take_parsed("wmbusmeters_base", &mut base);
    let zigbee2mqtt_bases = section.take_list("zigbee2mqtt_bases", 0..=16, |item| item.parsed(&mut base));
    let homeassistant_prefixes = section.take_list("homeassistant_prefixes", 0..=16, |item| item.parsed(&mut base));
    let tasmota_full_topics = section.take_list("tasmota_full_topics", 1..=16, |item| item.parsed(full_topic));
    let mut table = section.take_section("bases");
    let others = DIALECTS.iter().filter(|dialect| !NAMED.contains(&dialect.name)).map(|dialect| {
        let usual = || dialect.bases.iter().map(|base| (*base).to_owned()).collect();
        let given = table.take_list(dialect.name, 0..=16, |item| item.parsed(&mut base));
        (dialect.name, given.unwrap_or_else(usual))
    });
    let others = others.collect();
    table.finish();
    section.finish();
    Dialects {
        wmbusmeters_base: wmbusmeters_base.unwrap_or_else(|| "wmbusmeters".to_owned()),
        zigbee2mqtt_bases: zigbee2mqtt_bases.unwrap_or_else(|| vec!["zigbee2mqtt".to_owned()]),
        tasmota,
        tasmota_full_topics: tasmota_full_topics.unwrap_or_else(|| vec!["%prefix%/%topic%".to_owned()]),
        homeassistant_prefixes: homeassistant_prefixes.unwrap_or_else(|| vec!["homeassistant".to_owned()]),
        others,
    }
}

/// As Tasmota's own page spells it, that is with a slash at the end. Without `%prefix%` a command could not be told from
/// its answer, and without `%topic%` one device from another.
fn full_topic(text: &str) -> Result<String, Wrong> {
    let pattern = scalar::topic_base(text.strip_suffix('/').unwrap_or(text))?;
    if pattern.contains("%prefix%") && pattern.contains("%topic%") {
        return Ok(pattern);
    }
    Err(Wrong::new("lacks `%prefix%` or `%topic%`").hint("write for example \"%prefix%/%topic%/\""))
}

fn nested(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
