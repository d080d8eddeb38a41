//! A property in words: what it is called, what it says, how old that is, with what it is changed. What a device calls
//! itself stays as it is; what the house knows by name is said in the reader's language.

use domovoi_adapters::{Category, Hearsay, PropertyInfo, Shape};
use domovoi_model::{Timestamp, Value};

use super::view::View;
use crate::devices::{DeviceView, PropertyView, can_be_dangerous};
use crate::policy::{Object, Verb};
use crate::web::Desk;

/// With what a property is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    None,
    Switch,
    Number,
    Choice,
    /// It takes a command, and never says anything.
    Button,
    Text,
}

/// A property as it is shown.
pub struct PropertyRow {
    pub name: String,
    /// Unique in the home, for the script that keeps it up to date.
    pub key: String,
    /// Unique on a page, for labels.
    pub field: String,
    pub label: String,
    /// What it says, in words; empty when it has said nothing.
    pub value: String,
    /// The value as a command has it.
    pub raw: String,
    pub unit: &'static str,
    pub is_on: Option<bool>,
    /// For the script that keeps it up to date: words for yes and no.
    pub yes: String,
    pub no: String,
    /// What its button does.
    pub turn_on: String,
    pub turn_off: String,
    pub at: Option<Timestamp>,
    /// That it is old, doubtful, broken.
    pub remarks: Vec<String>,
    /// It warns now.
    pub alarm: bool,
    pub control: Control,
    pub min: String,
    pub max: String,
    pub step: String,
    pub choices: Vec<(String, bool)>,
    /// It floods, opens or silences something: the house asks who it is.
    pub dangerous: bool,
    pub diagnostic: bool,
    pub setting: bool,
}

/// Words for yes and no of a class of properties.
fn yes_and_no(view: &View, info: Option<&PropertyInfo>) -> (String, String) {
    let class = info.and_then(|info| info.class.as_deref()).unwrap_or_default();
    let of = match class {
        "moisture" | "water_leak" => "leak",
        "smoke" | "gas" | "carbon_monoxide" => "alarm",
        "door" | "window" | "opening" | "garage_door" | "garage" | "gate" | "valve" => "open",
        "motion" | "occupancy" | "presence" => "motion",
        "lock" => "lock",
        "battery" => "battery",
        _ if info.is_some_and(|info| info.writable) => "switch",
        _ => "plain",
    };
    match of {
        "leak" => (view.t("page-value-leak"), view.t("page-value-dry")),
        "alarm" => (view.t("page-value-alarm"), view.t("page-value-calm")),
        "open" => (view.t("page-value-open"), view.t("page-value-closed")),
        "motion" => (view.t("page-value-motion"), view.t("page-value-still")),
        "lock" => (view.t("page-value-locked"), view.t("page-value-unlocked")),
        "battery" => (view.t("page-value-low"), view.t("page-value-fine")),
        "switch" => (view.t("page-value-on"), view.t("page-value-off")),
        _ => (view.t("page-value-yes"), view.t("page-value-no")),
    }
}

/// What the button of a switch does.
fn turns(view: &View, info: Option<&PropertyInfo>) -> (String, String) {
    match info.and_then(|info| info.class.as_deref()).unwrap_or_default() {
        "garage_door" | "garage" | "gate" | "valve" | "cover" => {
            (view.t("page-device-open"), view.t("page-device-close"))
        }
        "lock" => (view.t("page-device-lock"), view.t("page-device-unlock")),
        _ => (view.t("page-device-turn-on"), view.t("page-device-turn-off")),
    }
}

/// What a property is called: by the device where it says so, else by the house, else by its name.
pub fn label(view: &View, name: &str, info: Option<&PropertyInfo>) -> String {
    let class = info.and_then(|info| info.class.as_deref()).unwrap_or_default();
    let known = |word: &str| {
        let word = word.to_lowercase().replace('_', "-");
        let said = view.say_or(&format!("property-{word}"), "");
        (!said.is_empty()).then_some(said)
    };
    let spelled = |text: &str| text.to_lowercase().replace('_', " ");
    let own = info.and_then(|info| info.label.as_deref()).filter(|label| !label.trim().is_empty());
    // Zigbee2MQTT labels a property with its very name, spelled with spaces: that says nothing of its own.
    if let Some(label) = own.filter(|label| spelled(label) != spelled(name) || known(name).is_none()) {
        // A part of a thing that a family has named: "Торшер brightness".
        let part = class.split_once('.').map(|(_, part)| part).unwrap_or_default();
        let whose = label.strip_suffix(&part.replace('_', " ")).map(str::trim_end).filter(|whose| !whose.is_empty());
        return match (whose, known(part)) {
            (Some(whose), Some(word)) if !part.is_empty() => format!("{whose}: {}", word.to_lowercase()),
            _ => label.to_owned(),
        };
    }
    known(name).or_else(|| known(class).filter(|_| !class.is_empty())).unwrap_or_else(|| name.replace('_', " "))
}

/// A value in words.
pub fn words(view: &View, value: &Value, info: Option<&PropertyInfo>) -> String {
    match value {
        Value::Number(number) => view.number(number),
        Value::Bool(flag) => {
            let (yes, no) = yes_and_no(view, info);
            if *flag { yes } else { no }
        }
        Value::Text(text) => view.say_or(&format!("value-{}", text.to_lowercase().replace('_', "-")), text),
    }
}

fn control(info: &PropertyInfo) -> Control {
    match &info.shape {
        _ if !info.writable || info.broken.is_some() => Control::None,
        Shape::Switch { .. } => Control::Switch,
        Shape::Number { .. } => Control::Number,
        Shape::Choice(words) if words.is_empty() => Control::None,
        Shape::Choice(_) => Control::Choice,
        Shape::Text => Control::Text,
        Shape::Unknown if !info.reported => Control::Button,
        Shape::Unknown => Control::Switch,
    }
}

/// A property as the one who looks may see and change it; `None` if they may not see it.
pub fn row(desk: &Desk, view: &View, device: &DeviceView, property: &PropertyView) -> Option<PropertyRow> {
    let (device, known) = (device.device(), device.announcement.as_deref());
    let name = &property.state.property;
    let object = desk.devices.object(device, Some(name));
    if !view.may(Verb::See, &object) {
        return None;
    }
    let (info, state) = (property.info.as_ref(), &property.state);
    let dangerous = info.is_some_and(|info| info.writable && can_be_dangerous(known, info));
    let commands = view.may(Verb::Command, &Object { dangerous, ..object });
    let at = state.at.and_then(|at| at.wall());
    let mut remarks = Vec::new();
    if state.value.is_some() && (state.restored || state.expired) {
        remarks.push(match &at {
            Some(at) => view.t1("page-device-last-known", "age", view.age(at)),
            None => view.t("page-device-last-known-undated"),
        });
    }
    if let Some(suspect) = &state.suspect {
        remarks.push(view.t1("page-device-suspect", "why", suspect));
    }
    if let Some(hearsay) = info.and_then(|info| info.hearsay) {
        remarks.push(view.t(match hearsay {
            Hearsay::Estimated => "page-device-estimated",
            Hearsay::Overheard => "page-device-overheard",
            Hearsay::Relayed => "page-device-relayed",
        }));
    }
    if let Some(broken) = info.and_then(|info| info.broken.as_deref()) {
        remarks.push(view.t1("page-device-broken", "why", broken));
    }
    let (yes, no) = yes_and_no(view, info);
    let (turn_on, turn_off) = turns(view, info);
    let is_on = match &state.value {
        Some(Value::Bool(flag)) => Some(*flag),
        _ => None,
    };
    let (min, max) = match info.map(|info| &info.shape) {
        Some(Shape::Number { min, max }) => (*min, *max),
        _ => (None, None),
    };
    let raw = state.value.as_ref().map(ToString::to_string).unwrap_or_default();
    let choices = match info.map(|info| &info.shape) {
        Some(Shape::Choice(words)) => words.iter().map(|word| (word.clone(), *word == raw)).collect(),
        _ => Vec::new(),
    };
    let text = |number: Option<rust_decimal::Decimal>| number.map(|number| number.to_string()).unwrap_or_default();
    let category = info.map_or(Category::Main, |info| info.category);
    Some(PropertyRow {
        field: format!("set-{}", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")),
        label: label(view, name, info),
        value: state.value.as_ref().map(|value| words(view, value, info)).unwrap_or_default(),
        raw,
        unit: if is_on.is_some() { "" } else { view.unit(state.unit) },
        is_on,
        yes,
        no,
        turn_on,
        turn_off,
        key: format!("{device}|{name}"),
        at,
        remarks,
        alarm: info.is_some_and(|info| info.hazard.is_some()) && is_on == Some(true),
        control: info.filter(|_| commands).map_or(Control::None, control),
        min: text(min),
        max: text(max),
        step: info.and_then(|info| info.step).map_or_else(|| "any".to_owned(), |step| step.to_string()),
        choices,
        dangerous,
        diagnostic: category == Category::Diagnostic,
        setting: category == Category::Setting,
        name: name.clone(),
    })
}

impl PropertyRow {
    /// The value of the other position of a switch, as a command has it.
    pub fn other(&self) -> &'static str {
        if self.is_on == Some(true) { "off" } else { "on" }
    }
}
