//! `definition.exposes` of a device: the generic types (binary, numeric, enum, text, composite, list) and the specific
//! ones (light, switch, fan, cover, lock, climate), which are bundles of generic features.
//!
//! A composite is one object on the wire. Its parts are properties that are only read (`color_x`); what can be set is
//! the whole, as one text: a colour as `#rrggbb`, anything else as the JSON object itself.

use domovoi_model::{Unit, Value};

use super::dangers::{can_warn, hazard, name_the_alarm};
use super::facts::{Composite, Facts, Get};
use super::{PropertyInfo, Shape};
use crate::fault::printable;
use crate::json::{self, Json, MAX_MEMBERS, Members};
use crate::{Category, Preset, number};

/// The bits of `access`: in the state, with /set, with /get.
const STATE: u8 = 1;
const SET: u8 = 2;
const GET: u8 = 4;

/// Composites in composites in composites; deeper ones are read by nobody.
const MAX_NESTED: usize = 3;

/// What a group of such devices can be commanded, as the bridge itself offers it to others.
const GROUPED: &[&str] = &["light", "switch", "fan", "cover", "lock"];

/// Codes of locks (`pin_code`) and of networks (`wifi_config`): they can be set, and are neither shown nor kept.
const SECRETS: &[&str] = &["pin_code", "password", "pin"];

/// Spellings of units that converters have besides the usual ones.
const UNITS: &[(&str, Unit)] = &[
    ("volt", Unit::Volt),
    ("watt", Unit::Watt),
    ("ºC", Unit::Celsius),
    ("Sec", Unit::Second),
    ("sec.", Unit::Second),
    ("Seconds", Unit::Second),
    ("min.", Unit::Minute),
    ("Minutes", Unit::Minute),
    ("Hr", Unit::Hour),
    ("H", Unit::Hour),
    ("Hours", Unit::Hour),
    ("Day", Unit::Day),
    ("Volt", Unit::Volt),
    ("L/h", Unit::LitrePerHour),
];

/// Whether a value of this name is nobody's business.
pub(super) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Classes by name.
const CLASSES: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("local_temperature", "temperature"),
    ("device_temperature", "temperature"),
    ("soil_temperature", "temperature"),
    ("external_temperature", "temperature"),
    ("humidity", "humidity"),
    ("soil_moisture", "moisture"),
    ("battery", "battery"),
    ("battery_low", "battery"),
    ("voltage", "voltage"),
    ("current", "current"),
    ("power", "power"),
    ("power_apparent", "apparent_power"),
    ("power_reactive", "reactive_power"),
    ("power_factor", "power_factor"),
    ("ac_frequency", "frequency"),
    ("energy", "energy"),
    ("produced_energy", "energy"),
    ("illuminance", "illuminance"),
    ("illuminance_lux", "illuminance"),
    ("pressure", "pressure"),
    ("co2", "carbon_dioxide"),
    ("pm25", "pm25"),
    ("pm10", "pm10"),
    ("voc", "volatile_organic_compounds"),
    ("occupancy", "occupancy"),
    ("presence", "presence"),
    ("vibration", "vibration"),
    ("moving", "moving"),
    ("tamper", "tamper"),
    ("water_leak", "moisture"),
    ("gas", "gas"),
    ("smoke", "smoke"),
    ("carbon_monoxide", "carbon_monoxide"),
    ("action", "event"),
    ("system_mode", "climate"),
    ("warning", "siren"),
    ("alarm", "siren"),
];

/// How the device itself fares, for converters that name no category.
const DIAGNOSTIC: &[&str] = &["linkquality", "battery", "battery_low", "device_temperature"];

/// What a device exposes.
#[derive(Debug, Default)]
pub(super) struct Exposed {
    /// Every property, each name once.
    pub(super) properties: Vec<PropertyInfo>,
    /// What of them only the dialect understands.
    pub(super) facts: Facts,
}

/// Where in the list an expose stands.
#[derive(Debug, Clone, Copy, Default)]
struct Place<'a> {
    /// The specific type around it.
    component: Option<&'a str>,
    /// The name of the composite around it.
    composite: Option<&'a str>,
    nested: usize,
    thing: Thing,
}

/// What a device is by its definition's own words, where its list only says `switch`: Tuya's and Sonoff's valves (TS0601,
/// SWV) are switches with ON and OFF, and garage doors are a button beside a contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Thing {
    /// What the list says.
    #[default]
    Listed,
    /// It lets water or gas through when it is on.
    Valve,
    /// It opens the house.
    Garage,
    /// It heats: its valve lets heat through.
    Heater,
}

/// Words for what lets water or gas through.
const VALVES: &[&str] = &["valve", "faucet", "shut-off", "shutoff", "irrigation", "sprinkler", "watering"];

impl Thing {
    fn of(words: &str, list: &str) -> Self {
        let words = words.to_lowercase();
        let has = |all: &[&str]| all.iter().any(|word| words.contains(word));
        if has(&["radiator", "thermostat"]) || list.contains("\"climate\"") {
            Thing::Heater
        } else if has(VALVES) {
            Thing::Valve
        } else if has(&["garage"]) {
            Thing::Garage
        } else {
            Thing::Listed
        }
    }
}

/// Reads the list of what the definition calls so.
pub(super) fn read(raw: &str, words: &str) -> Exposed {
    let mut out = Exposed::default();
    out.walk(raw, Place { thing: Thing::of(words, raw), ..Place::default() });
    name_the_alarm(&mut out.properties, words);
    out
}

impl Exposed {
    /// The depth of the document is capped, so the recursion is.
    fn walk(&mut self, raw: &str, place: Place<'_>) {
        for raw in json::elements(raw, MAX_MEMBERS).unwrap_or_default() {
            let Ok(expose) = json::members(raw) else { continue };
            let kind = expose.text("type").unwrap_or_default();
            // The features of a composite may lack a property of their own; the name is the same then.
            let property = expose.text("property").or_else(|| place.composite.and_then(|_| expose.text("name")));
            match (expose.get("features"), property) {
                (Some(features), Some(property)) => self.composite(&expose, features, &property, place),
                (Some(features), None) => self.walk(features, Place { component: Some(&kind), ..place }),
                (None, Some(property)) => self.generic(&expose, &property, place),
                (None, None) => {}
            }
        }
    }

    fn composite(&mut self, expose: &Members<'_>, features: &str, property: &str, place: Place<'_>) {
        if place.nested >= MAX_NESTED {
            return;
        }
        let name = place.name(property);
        let members = members(features);
        let has_secret = members.iter().any(|member| is_secret(&member.name));
        let within = members.iter().fold(0, |all, member| {
            all | if member.reported { STATE } else { 0 } | if member.writable { SET } else { 0 }
        });
        // Some converters (Schneider's R7067) leave it to the members to say what can be done with the whole.
        let access = match access(expose) {
            0 => within,
            access => access,
        };
        // A composite inside another one is set with it, and its parts only read.
        if access & SET != 0 && place.composite.is_none() {
            match self.facts.composites.iter_mut().find(|composite| composite.property == name) {
                // color_xy and color_hs are two spellings of the one property `color`.
                Some(known) => known.members.extend(members),
                None => self.facts.composites.push(Composite { property: name.clone(), members }),
            }
            let is_colour = self.facts.composite(&name).is_some_and(Composite::is_colour);
            let mut info = described(PropertyInfo::new(name.clone(), Shape::Text), expose, place);
            if is_colour {
                info.class = Some("color".into());
            }
            info.writable = true;
            info.reported = access & STATE != 0 && !has_secret;
            self.push(info, expose, property, place);
        } else if access & GET != 0 && place.composite.is_none() {
            self.ask(&name, question(features), expose);
        }
        if (access | within) & STATE != 0 {
            self.walk(features, Place { composite: Some(&name), nested: place.nested + 1, ..place });
        }
    }

    fn generic(&mut self, expose: &Members<'_>, property: &str, place: Place<'_>) {
        let kind = expose.text("type").unwrap_or_default();
        let name = place.name(property);
        let shape = if kind == "list" { Some(Shape::Text) } else { shape(expose) };
        let Some(shape) = shape else { return };
        let mut info = described(PropertyInfo::new(name.clone(), shape), expose, place);
        if place.composite.is_some() {
            if !info.reported || is_secret(property) {
                return;
            }
            info.writable = false;
        }
        match kind.as_str() {
            "list" => self.facts.lists.push(name.clone()),
            "enum" if has_number(expose) => self.facts.numbered.push(name.clone()),
            _ => {}
        }
        if let Some(toggle) = expose.get("value_toggle").and_then(|raw| json::scalar(raw).ok().flatten()) {
            self.facts.toggles.push((name, toggle));
        }
        self.push(info, expose, property, place);
    }

    fn push(&mut self, mut info: PropertyInfo, expose: &Members<'_>, property: &str, place: Place<'_>) {
        let is_new = !self.properties.iter().any(|other| other.name == info.name);
        if !is_new || !json::is_name(&info.name) || self.properties.len() >= MAX_MEMBERS {
            return;
        }
        info.share();
        if access(expose) & GET != 0 && place.composite.is_none() {
            let question = expose.get("features").map_or_else(|| "\"\"".to_owned(), question);
            self.ask(&info.name, question, expose);
        }
        if place.composite.is_none() && place.component.is_some_and(|component| GROUPED.contains(&component)) {
            let suffix = expose.text("endpoint").map(|endpoint| format!("_{endpoint}"));
            let bare = suffix.and_then(|suffix| property.strip_suffix(suffix.as_str())).unwrap_or(property);
            if info.writable && !self.facts.features.iter().any(|other| other.name == bare) {
                self.facts.features.push(info.named(bare));
            }
        }
        self.properties.push(info);
    }

    fn ask(&mut self, property: &str, question: String, expose: &Members<'_>) {
        let is_main = category(expose, property) == Category::Main;
        if json::is_name(property) && !self.facts.gets.iter().any(|get| get.property == property) {
            self.facts.gets.push(Get { property: property.to_owned(), question, is_main });
        }
    }
}

impl Place<'_> {
    fn name(&self, property: &str) -> String {
        self.composite.map_or_else(|| property.to_owned(), |composite| format!("{composite}_{property}"))
    }
}

/// The members of a composite, as a command may have them.
fn members(features: &str) -> Vec<PropertyInfo> {
    let all = json::elements(features, MAX_MEMBERS).unwrap_or_default();
    let member = |raw: &&str| {
        let expose = json::members(raw).ok()?;
        let name = expose.text("property").or_else(|| expose.text("name"))?;
        let shape = shape(&expose).unwrap_or(Shape::Unknown);
        Some(described(PropertyInfo::new(name, shape), &expose, Place::default()))
    };
    all.iter().filter_map(member).collect()
}

/// What `/get` has for a composite: `{"x":"","y":""}`.
fn question(features: &str) -> String {
    let names: Vec<String> =
        members(features).iter().map(|member| format!("{}:\"\"", json::quoted(&member.name))).collect();
    format!("{{{}}}", names.join(","))
}

/// Unknown access (converters before 1.18 wrote none) is taken for "in the state".
fn access(expose: &Members<'_>) -> u8 {
    expose.get("access").map_or(STATE, |raw| raw.trim().parse().unwrap_or(0))
}

fn shape(expose: &Members<'_>) -> Option<Shape> {
    let bound = |key: &str| decimal(expose.get(key)?);
    let value = |key: &str| json::scalar(expose.get(key)?).ok().flatten();
    Some(match expose.text("type")?.as_str() {
        "numeric" => Shape::Number { min: bound("value_min"), max: bound("value_max") },
        "binary" => Shape::Switch {
            on: value("value_on").unwrap_or(Value::Bool(true)),
            off: value("value_off").unwrap_or(Value::Bool(false)),
        },
        "enum" => {
            let words = expose.get("values").and_then(|raw| json::elements(raw, MAX_MEMBERS).ok()).unwrap_or_default();
            let word = |raw: &&str| json::scalar(raw).ok().flatten().map(|word| word.to_string());
            Shape::Choice(words.iter().filter_map(word).collect())
        }
        "text" => Shape::Text,
        _ => return None,
    })
}

fn has_number(expose: &Members<'_>) -> bool {
    let words = expose.get("values").and_then(|raw| json::elements(raw, MAX_MEMBERS).ok()).unwrap_or_default();
    words.iter().any(|raw| matches!(Json::of(raw), Json::Number(_)))
}

/// Everything about a property but its name and shape.
fn described(mut info: PropertyInfo, expose: &Members<'_>, place: Place<'_>) -> PropertyInfo {
    let access = access(expose);
    let name = expose.text("name").unwrap_or_else(|| info.name.clone());
    info.writable = access & SET != 0;
    info.reported = access & STATE != 0;
    info.step = expose.get("value_step").and_then(decimal).filter(|step| step.is_sign_positive() && !step.is_zero());
    info.presets = presets(expose);
    info.label = expose.text("label").filter(|label| !label.is_empty()).map(|label| printable(&label).into());
    // The quality of a link has no unit, whatever it is called.
    if let Some(spelling) = expose.text("unit").filter(|spelling| spelling != "lqi") {
        info.measured_in(unit(&spelling), &spelling);
    }
    info.category = category(expose, &info.name);
    let class = class(&name, &info, place, &expose.text("description").unwrap_or_default());
    let is_main = matches!(class, Some("valve" | CHILD_LOCK));
    info.kind = class.filter(|_| is_main).or(place.component).map(Into::into);
    if opens_partly(&name, &info, place) {
        info.kind = Some("valve".into());
    }
    info.class = class.map(Into::into);
    let is_whole = place.composite.is_none();
    let opens_the_house = place.thing == Thing::Garage && is_whole && info.writable && info.category == Category::Main;
    info.kind_class = opens_the_house.then(|| "garage".into());
    info.hazard = hazard(&name).filter(|_| can_warn(&info.shape));
    info
}

fn unit(text: &str) -> Option<Unit> {
    Unit::parse(text).or_else(|| UNITS.iter().find(|(spelling, _)| *spelling == text.trim()).map(|(_, unit)| *unit))
}

/// `presets` is an array; an expose that was cloned (herdsman-converters 23) has an object with the indices as keys.
fn presets(expose: &Members<'_>) -> Vec<Preset> {
    let Some(raw) = expose.get("presets") else { return Vec::new() };
    let all: Vec<&str> = match json::members(raw) {
        Ok(members) => members.list.iter().map(|(_, raw)| *raw).collect(),
        Err(_) => json::elements(raw, MAX_MEMBERS).unwrap_or_default(),
    };
    let preset = |raw: &str| {
        let preset = json::members(raw).ok()?;
        let value = json::scalar(preset.get("value")?).ok()??;
        Some(Preset { name: preset.text("name").filter(|name| json::is_name(name))?, value })
    };
    all.into_iter().filter_map(preset).collect()
}

fn category(expose: &Members<'_>, property: &str) -> Category {
    match expose.text("category").as_deref() {
        Some("config") => Category::Setting,
        Some("diagnostic") => Category::Diagnostic,
        _ if DIAGNOSTIC.contains(&property) => Category::Diagnostic,
        _ => Category::Main,
    }
}

/// The lock that keeps children from its buttons; it opens no door.
const CHILD_LOCK: &str = "child_lock";

fn class<'a>(name: &str, info: &PropertyInfo, place: Place<'a>, description: &str) -> Option<&'a str> {
    // Tuya's and others' valves are switches that say OPEN and CLOSE.
    let opens = match &info.shape {
        Shape::Switch { on: Value::Text(on), .. } => on == "OPEN",
        Shape::Choice(words) => place.thing == Thing::Valve && words.iter().any(|word| word == "OPEN"),
        _ => false,
    };
    let is_switch = matches!(info.shape, Shape::Switch { .. });
    match (name, place.component) {
        // Whether the first slot of a timer is in use (PSBZS A1) opens nothing.
        ("state", None) if place.composite.is_some() => None,
        _ if is_valve(name, info, place, description) => Some("valve"),
        ("state", Some("switch") | None) if opens || (place.thing == Thing::Valve && is_switch) => Some("valve"),
        ("state", Some("lock")) if info.name.starts_with(CHILD_LOCK) => Some(CHILD_LOCK),
        ("state", Some(component)) => Some(component),
        ("state", None) if is_switch => Some("switch"),
        _ => CLASSES.iter().find(|(other, _)| *other == name).map(|(_, class)| *class),
    }
}

/// Whether a name has this word: `gas_valve_state`, `valve_1`.
fn names_valve(name: &str) -> bool {
    name.split('_').any(|word| word == "valve")
}

/// Whether a switch works a valve by its own words, whatever its device is: SiHAS GCM-300Z, GIEX GX03, and the outputs of leak
/// protections (Neptun Smart, Ensystec), one of which may be a relay besides.
fn is_valve(name: &str, info: &PropertyInfo, place: Place<'_>, description: &str) -> bool {
    let turns = matches!(&info.shape, Shape::Switch { on: Value::Text(on), .. } if on == "ON" || on == "OPEN");
    let says = names_valve(&info.name) || (name == "state" && description.to_lowercase().contains("valve"));
    let is_output = info.writable && info.category == Category::Main && place.composite.is_none();
    turns && says && is_output && place.thing != Thing::Heater
}

/// Whether a number says how far a valve is open: QOTO QT-05M, FrankEver FK-BV05, ShinaSystem's VA4200WZ.
fn opens_partly(name: &str, info: &PropertyInfo, place: Place<'_>) -> bool {
    let is_number = matches!(info.shape, Shape::Number { .. });
    let says = names_valve(name) || (place.thing == Thing::Valve && matches!(name, "position" | "threshold"));
    is_number && says && info.writable && place.composite.is_none() && place.thing != Thing::Heater
}

fn decimal(raw: &str) -> Option<rust_decimal::Decimal> {
    match Json::of(raw) {
        Json::Number(text) => number::decimal(text),
        _ => None,
    }
}
