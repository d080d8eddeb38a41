//! `vacuum` and `lawn_mower`: what they do is a word of their state, what they are told a word of its own; which state
//! fulfils which word stands in one table for each.

use std::sync::Arc;

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::super::entity::{Entity, Extra, Hears, Plan, Property, Reading, Say};
use super::super::options::{Bad, scalar};
use super::super::reading::Sink;
use super::super::saying::{Form, one_of, with};
use crate::template::{Given, Out};
use crate::{Outgoing, Shape, json};

/// A word, the key of its payload, the default, the state that it leads to.
const WORDS: &[(&str, &str, &str, &str)] = &[
    ("start", "payload_start", "start", "cleaning"),
    ("pause", "payload_pause", "pause", "paused"),
    ("stop", "payload_stop", "stop", "idle"),
    ("return_to_base", "payload_return_to_base", "return_to_base", "returning"),
    ("clean_spot", "payload_clean_spot", "clean_spot", "cleaning"),
    ("locate", "payload_locate", "locate", ""),
];

const STATES: &[&str] = &["cleaning", "docked", "paused", "idle", "returning", "error"];

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    // Valetudo lists what its robot can do; who lists nothing is asked for everything.
    let listed = options.list("supported_features")?;
    let can = |word: &str| {
        let feature = if word == "return_to_base" { "return_home" } else { word };
        listed.is_empty() || listed.iter().any(|other| other == feature)
    };
    let known = WORDS.iter().filter(|(word, ..)| can(word));
    let words: Vec<(&'static str, Box<str>)> =
        known.map(|(word, key, default, _)| (*word, options.text_or(key, default).into())).collect();
    plan.property("", Shape::Choice(STATES.iter().map(|word| (*word).to_owned()).collect()), Reading::Choice);
    if !words.is_empty() {
        plan.says("command_topic", "", Form::Words(words))?;
    }
    plan.entity.extra = Extra::Words(WORDS.iter().map(|(word, .., state)| ((*word).into(), (*state).into())).collect());
    if options.has("set_fan_speed_topic") || options.has("fan_speed_list") {
        plan.property("fan_speed", Shape::Choice(options.list("fan_speed_list")?), Reading::Text);
        plan.says("set_fan_speed_topic", "", Form::Text)?;
    }
    let shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) };
    plan.property("battery_level", shape, Reading::Number).info.unit = Unit::Percent;
    plan.own("state_topic", "value_template", Hears::Own(state), &["", "fan_speed", "battery_level"])?;
    if options.has("send_command_topic") {
        plan.property("command", Shape::Text, Reading::Text);
        plan.says("send_command_topic", "", Form::Text)?;
    }
    Ok(())
}

/// `{"battery_level":61,"state":"docked","fan_speed":"off"}`
fn state(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let document = json::document(text.as_bytes(), json::MAX_PAYLOAD).ok();
    let Some(members) = document.as_deref().and_then(|document| json::members(document).ok()) else {
        return sink.say(entity, "", text);
    };
    sink.member(entity, "", members.get("state").filter(|raw| scalar(raw).is_some()));
    sink.member(entity, "fan_speed", members.get("fan_speed"));
    sink.member(entity, "battery_level", members.get("battery_level"));
}

/// A word, the topic that it has for itself, its template, the state that it leads to.
const MOWING: &[(&str, &str, &str, &str)] = &[
    ("start_mowing", "start_mowing_command_topic", "start_mowing_command_template", "mowing"),
    ("pause", "pause_command_topic", "pause_command_template", "paused"),
    ("dock", "dock_command_topic", "dock_command_template", "docked"),
];

pub(super) fn mower(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let states = ["error", "paused", "mowing", "docked", "returning"].map(str::to_owned).to_vec();
    plan.property("", Shape::Choice(states), Reading::Choice);
    plan.hears("activity_state_topic", "activity_value_template")?;
    let mut orders = Vec::new();
    for (word, topic, template, _) in MOWING {
        if let Some(topic) = options.says(topic)? {
            orders.push((*word, topic, options.template(template)?));
        }
    }
    if let Some((_, topic, _)) = orders.first() {
        let form = Form::Own(super::super::saying::Own(order));
        let topic: Arc<str> = Arc::clone(topic);
        if let Some(property) = plan.entity.properties.last_mut() {
            property.say = Some(Box::new(Say { topic, template: None, form }));
            property.info.writable = true;
        }
    }
    plan.entity.extra = Extra::Orders(orders);
    Ok(())
}

fn order(entity: &Entity, _: &Property, _: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    let Extra::Orders(orders) = &entity.extra else { return Ok(Vec::new()) };
    let names: Vec<&str> = orders.iter().map(|(word, ..)| *word).collect();
    let found = match value {
        Value::Text(text) => orders.iter().find(|(word, ..)| word == text),
        _ => None,
    };
    let Some((word, topic, template)) = found else { return Err(one_of(&names)) };
    with(topic, template.as_ref(), word, &[("value", Given::Text(word))]).map(|out| vec![out])
}

/// The state to which an order of a mower leads.
pub(in super::super) fn leads_to(word: &str) -> Option<&'static str> {
    MOWING.iter().find(|(name, ..)| *name == word).map(|(.., state)| *state)
}
