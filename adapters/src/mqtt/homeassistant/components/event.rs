//! Moments rather than states: `event`, `device_automation` (triggers), `tag`. A replay of one is no event.

use domovoi_model::Value;

use super::super::availability::same;
use super::super::entity::{Channel, Entity, Extra, Hears, Plan, Reading};
use super::super::options::{Bad, scalar};
use super::super::reading::Sink;
use crate::fault::What;
use crate::template::{Out, Template};
use crate::{Shape, json};

/// An event: its value is the type. The other members of its payload belong to that moment and are not kept.
pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let types = plan.options.list("event_types")?;
    if types.is_empty() {
        return Err(Bad::missing("event_types"));
    }
    plan.property("", Shape::Choice(types), Reading::Choice);
    if !plan.own("state_topic", "value_template", Hears::Event(happened), &[""])? {
        return Err(Bad::missing("state_topic"));
    }
    Ok(())
}

fn happened(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let Ok(document) = json::document(text.as_bytes(), json::MAX_PAYLOAD) else {
        return sink.fault("", text);
    };
    match json::members(&document) {
        Ok(members) if members.list.is_empty() => {}
        Ok(members) => match members.get("event_type").and_then(scalar) {
            Some(word) => sink.say(entity, "", &word),
            None => sink.fault("", text),
        },
        Err(_) => sink.fault("", text),
    }
}

/// A trigger: each is a property of its own, whose value is the type.
pub(super) fn automation(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    if options.text("automation_type").as_deref() != Some("trigger") {
        return Err(Bad::new(What::WrongType, "automation_type", "is not trigger"));
    }
    let kind = options.text("type").ok_or_else(|| Bad::missing("type"))?;
    let subtype = options.text("subtype").ok_or_else(|| Bad::missing("subtype"))?;
    if !options.has("device") && plan.entity.part.is_none() {
        return Err(Bad::missing("device"));
    }
    let topic = options.hears("topic")?.ok_or_else(|| Bad::missing("topic"))?;
    let template = options.template("value_template")?.unwrap_or(Template::Value);
    let property = plan.property("", Shape::Choice(vec![kind.clone()]), Reading::Choice);
    property.info.reported = true;
    property.info.label = Some(format!("{kind} {subtype}").into());
    let mut words: Vec<(Box<str>, Box<str>)> = vec![("type".into(), kind.into())];
    if let Some(payload) = options.text("payload") {
        words.push(("payload".into(), payload.into()));
    }
    plan.entity.extra = Extra::Words(words);
    plan.entity.channels.push(Channel { topic, template, hears: Hears::Event(triggered) });
    Ok(())
}

fn triggered(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Extra::Words(words) = &entity.extra else { return };
    let word = |key: &str| words.iter().find(|(name, _)| &**name == key).map(|(_, word)| &**word);
    let text = match out {
        Out::Text(text) => text.as_ref(),
        Out::Json(raw) => raw,
        Out::Unknown | Out::Nothing => return,
    };
    // Without a payload of its own any will do, but not that of a topic which is cleared.
    if word("payload").map_or(!text.is_empty(), |payload| same(text, payload)) {
        sink.value(entity, "", Value::Text(word("type").unwrap_or_default().to_owned()));
    }
}

/// A tag that was read: its value is the id.
pub(super) fn tag(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let topic = plan.options.hears("topic")?.ok_or_else(|| Bad::missing("topic"))?;
    let template = plan.options.template("value_template")?.unwrap_or(Template::Value);
    plan.property("", Shape::Text, Reading::Text).info.reported = true;
    plan.entity.channels.push(Channel { topic, template, hears: Hears::Event(read) });
    Ok(())
}

fn read(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    if let Some(text) = out.said() {
        sink.say(entity, "", text);
    }
}
