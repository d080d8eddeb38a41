//! Where people and pictures are: `device_tracker`, `camera`, `image`. Pictures are no values: a camera is known and not
//! heard here, video has a road of its own; an image that has an address reports it.

use domovoi_model::Value;

use super::super::entity::{Plan, Reading};
use super::super::options::Bad;
use crate::Shape;

/// `home`, `not_home`, or the name of a place; where only attributes are sent, those.
pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let home = options.text_or("payload_home", "home").into_boxed_str();
    let away = options.text_or("payload_not_home", "not_home").into_boxed_str();
    let reset = options.text_or("payload_reset", "None");
    let reading = if &*home == "home" && &*away == "not_home" {
        Reading::Text
    } else {
        Reading::Words(vec![
            (home, Value::Text("home".to_owned())),
            (away, Value::Text("not_home".to_owned())),
            (reset.into(), Value::Text("unknown".to_owned())),
        ])
    };
    plan.property("", Shape::Text, reading);
    if !plan.hears("state_topic", "value_template")? && !options.has("json_attributes_topic") {
        return Err(Bad::missing("state_topic"));
    }
    Ok(())
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
