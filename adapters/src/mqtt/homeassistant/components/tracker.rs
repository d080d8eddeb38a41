//! Where people and pictures are: `device_tracker`, `camera`, `image`. Pictures are no values: a camera is known and not
//! heard here, video has a road of its own; an image that has an address reports it.

use super::super::availability::same;
use super::super::entity::{Entity, Extra, Hears, Plan, Reading};
use super::super::options::Bad;
use super::super::reading::Sink;
use crate::Shape;
use crate::template::Out;

/// `home`, `not_home`, or the name of a place; where only attributes are sent, those.
pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let home = options.text_or("payload_home", "home").into_boxed_str();
    let away = options.text_or("payload_not_home", "not_home").into_boxed_str();
    let reset = options.text_or("payload_reset", "None");
    plan.property("", Shape::Text, Reading::Text);
    plan.entity.extra = Extra::Words(vec![("home".into(), home), ("not_home".into(), away), ("".into(), reset.into())]);
    if !plan.own("state_topic", "value_template", Hears::Own(place), &[""])? && !options.has("json_attributes_topic") {
        return Err(Bad::missing("state_topic"));
    }
    Ok(())
}

/// One of its own words for home and away, or a place by its name; its word for «forget where it was» says nothing.
fn place(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let (Some(text), Extra::Words(words)) = (out.said(), &entity.extra) else { return };
    match words.iter().find(|(_, payload)| same(text, payload)) {
        Some((name, _)) if name.is_empty() => {}
        Some((name, _)) => sink.say(entity, "", name),
        None => sink.say(entity, "", text),
    }
}

pub(super) fn camera(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    if plan.options.hears("topic")?.is_none() {
        return Err(Bad::missing("topic"));
    }
    plan.property("", Shape::Unknown, Reading::Text);
    Ok(())
}

pub(super) fn image(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    plan.property("", Shape::Text, Reading::Text);
    let address = plan.hears("url_topic", "url_template")?;
    if !address && plan.options.hears("image_topic")?.is_none() {
        return Err(Bad::missing("image_topic"));
    }
    Ok(())
}
