//! `update`: which firmware a device has and which it could have. Yes means that there is a newer one.

use domovoi_model::Value;

use super::super::entity::{Channel, Entity, Hears, Plan, Reading};
use super::super::options::{Bad, scalar};
use super::super::reading::Sink;
use super::super::saying::Form;
use crate::template::{Out, Template};
use crate::{Shape, json};

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let flag = Shape::Switch { on: Value::Bool(true), off: Value::Bool(false) };
    plan.property("", flag, Reading::Flag { on: "True".into(), off: "False".into() });
    plan.property("installed_version", Shape::Text, Reading::Text);
    plan.property("latest_version", Shape::Text, Reading::Text);
    plan.property("progress", Shape::Number { min: None, max: None }, Reading::Number);
    let reports = ["", "installed_version", "latest_version", "progress"];
    plan.own("state_topic", "value_template", Hears::Own(state), &reports)?;
    if let Some(topic) = options.hears("latest_version_topic")? {
        let template = options.template("latest_version_template")?.unwrap_or(Template::Value);
        plan.entity.channels.push(Channel { topic, template, hears: Hears::Property(2) });
        if let Some(latest) = plan.entity.properties.get_mut(2) {
            latest.info.reported = true;
        }
    }
    if let Some(install) =
        options.text("payload_install").or_else(|| options.text("command_topic").map(|_| "install".to_owned()))
    {
        plan.property("install", Shape::Choice(vec!["install".to_owned()]), Reading::Text);
        if !plan.says("command_topic", "command_template", Form::Press(install.into()))? {
            plan.entity.properties.pop();
        }
    }
    Ok(())
}

/// The version that is installed, or an object with both.
fn state(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let document = json::document(text.as_bytes(), json::MAX_PAYLOAD).ok();
    let Some(members) = document.as_deref().and_then(|document| json::members(document).ok()) else {
        return sink.say(entity, "installed_version", text);
    };
    let word = |key: &str| members.get(key).and_then(scalar);
    sink.member(entity, "installed_version", members.get("installed_version"));
    sink.member(entity, "latest_version", members.get("latest_version"));
    sink.member(entity, "progress", members.get("update_percentage"));
    // Only what names both can be compared; elsewhere the two versions stand for themselves.
    if let (Some(installed), Some(latest)) = (word("installed_version"), word("latest_version")) {
        sink.value(entity, "", Value::Bool(installed != latest));
    }
}
