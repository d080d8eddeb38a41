//! `light`, in its three schemas: `basic` (a topic for each thing), `json` (one object), `template`.
//!
//! Brightness stays on the device's own scale (255, unless it says otherwise). A colour is `<entity>_color`, spelled as
//! everywhere in the house, and said in the first mode that the lamp takes: rgb before hs before xy.

mod say;

use std::sync::Arc;

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::super::entity::{Entity, Extra, Hears, Plan, Reading};
use super::super::options::{Bad, scalar};
use super::super::reading::Sink;
use super::super::saying::{Form, Own};
use crate::Shape;
use crate::colour::Colour;
use crate::fault::What;
use crate::json::{self, Members};
use crate::template::{Out, Template};

/// What a lamp knows besides its properties.
#[derive(Debug, Clone)]
pub(in super::super) struct Lamp {
    schema: Schema,
    first: First,
    command: Arc<str>,
    on: Box<str>,
    off: Box<str>,
    /// Of the schema `basic`: the topic and the template of each feature.
    features: Vec<(&'static str, Arc<str>, Option<Template>)>,
    /// Of the schema `template`.
    templates: Option<Box<(Template, Template)>>,
    /// The greatest brightness.
    scale: Decimal,
    /// In which mode its colour is said.
    mode: &'static str,
}

impl Lamp {
    /// The topics beside those of its properties on which it takes commands.
    pub(in super::super) fn listens(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|(_, topic, _)| topic.as_ref()).chain([self.command.as_ref()])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schema {
    Basic,
    Json,
    Template,
}

/// `on_command_type`: what is sent first when a lamp is to be on and bright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// The brightness, then on.
    Feature,
    /// On, then the brightness.
    On,
    /// The brightness alone: it switches on.
    Brightness,
}

/// A colour mode: its name, its parts in JSON. The first that a lamp takes is the one in which it is told.
const COLOURS: &[(&str, &[&str])] = &[
    ("rgb", &["r", "g", "b"]),
    ("hs", &["h", "s"]),
    ("xy", &["x", "y"]),
    ("rgbw", &["r", "g", "b", "w"]),
    ("rgbww", &["r", "g", "b", "c", "w"]),
];

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let schema = match options.text_or("schema", "basic").as_str() {
        "basic" => Schema::Basic,
        "json" => Schema::Json,
        "template" => Schema::Template,
        _ => return Err(Bad::new(What::WrongType, "schema", "is none of basic, json and template")),
    };
    let first = match options.text_or("on_command_type", "last").as_str() {
        "last" => First::Feature,
        "first" => First::On,
        "brightness" => First::Brightness,
        _ => return Err(Bad::new(What::WrongType, "on_command_type", "is none of last, first and brightness")),
    };
    let command = options.says("command_topic")?.ok_or_else(|| Bad::missing("command_topic"))?;
    let scale = options.number_or("brightness_scale", 255)?;
    if scale < Decimal::ONE {
        return Err(Bad::new(What::OutOfRange, "brightness_scale", "is less than 1"));
    }
    let word = |key, default| options.text_or(key, default).into_boxed_str();
    let (on, off) = match schema {
        Schema::Basic => (word("payload_on", "ON"), word("payload_off", "OFF")),
        Schema::Json => ("ON".into(), "OFF".into()),
        Schema::Template => ("on".into(), "off".into()),
    };
    let lamp = Lamp { schema, first, command, on, off, features: Vec::new(), templates: None, scale, mode: "rgb" };
    let shape = Shape::Switch { on: Value::Text(lamp.on.to_string()), off: Value::Text(lamp.off.to_string()) };
    plan.property("", shape, Reading::Flag { on: lamp.on.clone(), off: lamp.off.clone() });
    plan.says("command_topic", "", Form::Own(Own(say::say)))?;
    plan.entity.extra = Extra::Light(Box::new(lamp));
    match schema {
        Schema::Basic => basic(plan),
        Schema::Json => json_schema(plan),
        Schema::Template => templates(plan),
    }
}

/// The shape of a feature, its reading, its unit, how far a report may be off.
fn feature(plan: &mut Plan<'_, '_>, name: &'static str) -> Result<(), Bad> {
    let options = plan.options;
    let zero = Some(Decimal::ZERO);
    let number = |max| Shape::Number { min: zero, max: Some(max) };
    let (shape, reading, unit, tolerance) = match name {
        "brightness" => (number(options.number_or("brightness_scale", 255)?), Reading::Number, Unit::None, 1),
        "white" => (number(options.number_or("white_scale", 255)?), Reading::Number, Unit::None, 1),
        "color_temp" => {
            let kelvin = options.flag("color_temp_kelvin", false)?;
            let (keys, usual, unit) = if kelvin {
                (["min_kelvin", "max_kelvin"], [2000, 6535], Unit::Kelvin)
            } else {
                (["min_mireds", "max_mireds"], [153, 500], Unit::Mired)
            };
            let shape = Shape::Number {
                min: Some(options.number_or(keys[0], usual[0])?),
                max: Some(options.number_or(keys[1], usual[1])?),
            };
            (shape, Reading::Number, unit, if kelvin { 50 } else { 3 })
        }
        "effect" => match options.list("effect_list")? {
            words if words.is_empty() => (Shape::Text, Reading::Text, Unit::None, 0),
            words => (Shape::Choice(words), Reading::Text, Unit::None, 0),
        },
        _ => (Shape::Text, Reading::Text, Unit::None, 0),
    };
    let property = plan.property(name, shape, reading);
    property.info.unit = unit;
    if matches!(name, "brightness" | "white" | "color_temp") {
        property.info.step = Some(Decimal::ONE);
    }
    property.tolerance = Decimal::from(tolerance);
    Ok(())
}

/// The colour of a lamp that is told in this mode.
fn colour(plan: &mut Plan<'_, '_>, mode: &'static str) {
    plan.property("color", Shape::Text, Reading::Colour(mode)).info.class = Some("color".into());
    if let Extra::Light(lamp) = &mut plan.entity.extra {
        lamp.mode = mode;
    }
}

fn basic(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    if let Some(topic) = options.hears("state_topic")? {
        let template = options.template("state_value_template")?.or(options.template("value_template")?);
        plan.listen(topic, template.unwrap_or(Template::Value), 0);
    }
    let told = |name: &str| options.has(&format!("{name}_command_topic"));
    let named = |name: &str| told(name) || options.has(&format!("{name}_state_topic"));
    let modes = || COLOURS.iter().map(|(mode, _)| *mode);
    let mode = modes().find(|mode| told(mode)).or_else(|| modes().find(|mode| named(mode)));
    let mut features = Vec::new();
    for name in ["brightness", "color_temp", "effect", "white"].into_iter().filter(|name| named(name)).chain(mode) {
        if Some(name) == mode {
            colour(plan, name);
        } else {
            feature(plan, name)?;
        }
        plan.hears(&format!("{name}_state_topic"), &format!("{name}_value_template"))?;
        let command = format!("{name}_command_topic");
        if let Some(topic) = options.says(&command)? {
            let template = options.template(&format!("{name}_command_template"))?;
            features.push((name, topic, template));
            plan.says(&command, "", Form::Own(Own(say::say)))?;
        }
    }
    if options.has("color_mode_state_topic") {
        plan.property("color_mode", Shape::Text, Reading::Text);
        plan.hears("color_mode_state_topic", "color_mode_value_template")?;
    }
    if let Extra::Light(lamp) = &mut plan.entity.extra {
        lamp.features = features;
    }
    Ok(())
}

fn json_schema(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let modes = options.list("supported_color_modes")?;
    let has = |mode: &str| modes.iter().any(|other| other == mode);
    // Before `supported_color_modes` there was a flag for each; producers of that time are still sold.
    let flag = |key: &str| Ok::<_, Bad>(has(key) || (!modes.iter().any(|_| true) && options.flag(key, false)?));
    let dims = options.flag("brightness", false)? || modes.iter().any(|mode| mode != "onoff");
    let mut names = Vec::new();
    if dims {
        names.push("brightness");
    }
    for name in ["color_temp", "white"] {
        if flag(name)? {
            names.push(name);
        }
    }
    let mut mode = None;
    for (name, _) in COLOURS {
        if mode.is_none() && flag(name)? {
            mode = Some(*name);
        }
    }
    if options.flag("effect", false)? || options.has("effect_list") {
        names.push("effect");
    }
    let is_coloured = mode.is_some() || names.contains(&"color_temp");
    let mut reports = vec![""];
    for name in names.into_iter().chain(mode.map(|_| "color")) {
        match mode.filter(|_| name == "color") {
            Some(mode) => colour(plan, mode),
            None => feature(plan, name)?,
        }
        plan.says("command_topic", "", Form::Own(Own(say::say)))?;
        reports.push(name);
    }
    if is_coloured {
        plan.property("color_mode", Shape::Text, Reading::Text);
        reports.push("color_mode");
    }
    plan.own("state_topic", "value_template", Hears::Own(json_state), &reports)?;
    Ok(())
}

/// `{"state":"ON","brightness":180,"color_mode":"rgb","color":{"r":255,"g":0,"b":0},"effect":"…"}`
fn json_state(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let Ok(document) = json::document(text.as_bytes(), json::MAX_PAYLOAD) else {
        return sink.fault("", text);
    };
    let Ok(members) = json::members(&document) else {
        return sink.fault("", text);
    };
    for (suffix, key) in [
        ("", "state"),
        ("brightness", "brightness"),
        ("color_temp", "color_temp"),
        ("effect", "effect"),
        ("color_mode", "color_mode"),
    ] {
        sink.member(entity, suffix, members.get(key));
    }
    let color = members.get("color").and_then(|raw| json::members(raw).ok()).unwrap_or_default();
    let mode = members.get("color_mode").and_then(scalar);
    for (name, parts) in COLOURS {
        // What a colour would be in another mode is not what the lamp was told.
        if mode.as_deref().is_some_and(|mode| mode != *name) {
            continue;
        }
        if let Some(spelled) = joined(&color, parts).and_then(|text| spell(name, &text)) {
            sink.value(entity, "color", Value::Text(spelled));
            break;
        }
    }
    if mode.as_deref() == Some("white") {
        sink.member(entity, "white", members.get("brightness"));
    }
}

/// The parts of a colour in its mode as the house spells it.
pub(in super::super) fn spell(mode: &str, parts: &str) -> Option<String> {
    if parts.len() > 128 {
        return None;
    }
    let numbers: Option<Vec<f64>> = parts.split(',').map(|part| part.trim().parse().ok()).collect();
    let numbers = numbers?;
    let colour = match (mode, numbers.as_slice()) {
        ("hs", [hue, saturation]) => Colour::from_hs(*hue, *saturation),
        ("xy", [x, y]) => Colour::from_xy(*x, *y),
        // The white channels are light, not colour.
        (_, [r, g, b, ..]) if [r, g, b].iter().all(|part| **part >= 0.0) => Colour::of(*r, *g, *b),
        _ => None,
    };
    colour.map(|colour| colour.to_string())
}

fn joined(color: &Members<'_>, parts: &[&str]) -> Option<String> {
    let parts: Option<Vec<String>> = parts.iter().map(|part| color.get(part).and_then(scalar)).collect();
    parts.map(|parts| parts.join(","))
}

fn templates(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let template = |key: &str| options.template(key)?.ok_or_else(|| Bad::missing(key));
    let both = (template("command_on_template")?, template("command_off_template")?);
    let topic = options.hears("state_topic")?;
    let listen = |plan: &mut Plan<'_, '_>, key: &str| -> Result<(), Bad> {
        if let (Some(topic), Some(template)) = (&topic, options.template(key)?) {
            let place = plan.entity.properties.len().saturating_sub(1);
            plan.listen(Arc::clone(topic), template, place);
        }
        Ok(())
    };
    listen(plan, "state_template")?;
    for (name, key) in [("brightness", "brightness_template"), ("color_temp", "color_temp_template")] {
        if options.has(key) {
            feature(plan, name)?;
            listen(plan, key)?;
            plan.says("command_topic", "", Form::Own(Own(say::say)))?;
        }
    }
    if options.has("effect_template") || options.has("effect_list") {
        feature(plan, "effect")?;
        listen(plan, "effect_template")?;
        plan.says("command_topic", "", Form::Own(Own(say::say)))?;
    }
    let parts = ["red_template", "green_template", "blue_template"].map(|key| options.text(key));
    if let [Some(red), Some(green), Some(blue)] = parts {
        colour(plan, "rgb");
        plan.says("command_topic", "", Form::Own(Own(say::say)))?;
        if let Some(topic) = &topic {
            let whole = Template::new(&format!("{red},{green},{blue}"));
            let whole = whole.map_err(|why| Bad::new(What::Template, "red_template", why))?;
            let place = plan.entity.properties.len().saturating_sub(1);
            plan.listen(Arc::clone(topic), whole, place);
        }
    }
    if let Some(topic) = &topic
        && plan.entity.channels.is_empty()
    {
        // Without a template the whole payload is the state.
        plan.listen(Arc::clone(topic), Template::Value, 0);
    }
    if let Extra::Light(lamp) = &mut plan.entity.extra {
        lamp.templates = Some(Box::new(both));
    }
    Ok(())
}
