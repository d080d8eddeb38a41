//! `sensor` and `binary_sensor`.

use domovoi_model::{Unit, Value};

use super::super::entity::{Plan, Reading, hazard, measure};
use super::super::options::Bad;
use crate::Shape;
use crate::fault::What;

/// Classes whose states are words: the rest are numbers.
const WORDS: &[&str] = &["enum", "date", "timestamp"];

/// A sensor: a number where unit, state class or device class say so, else whatever comes.
pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let words = options.list("options")?;
    let class = plan.class().map(str::to_owned);
    let is_words = class.as_deref().is_some_and(|class| WORDS.contains(&class));
    let is_number = options.has("unit_of_measurement") || options.has("state_class") || (class.is_some() && !is_words);
    if options.hears("state_topic")?.is_none() {
        return Err(Bad::missing("state_topic"));
    }
    if let Some(class) = options.text("state_class")
        && !matches!(class.as_str(), "measurement" | "total" | "total_increasing" | "measurement_angle")
    {
        return Err(Bad::new(What::WrongType, "state_class", "is none of Home Assistant's"));
    }
    let (shape, reading) = if !words.is_empty() {
        (Shape::Choice(words), Reading::Choice)
    } else if is_number {
        (Shape::Number { min: None, max: None }, Reading::Number)
    } else if is_words {
        (Shape::Text, Reading::Text)
    } else {
        (Shape::Unknown, Reading::Any)
    };
    measure(&mut plan.property("", shape, reading).info, options);
    plan.hears("state_topic", "value_template")?;
    if options.text("state_class").as_deref() == Some("total") {
        // When a counter last began anew; the ledger of meters wants to know.
        let template = options.template("last_reset_value_template")?;
        if let (Some(template), Some(topic)) = (template, options.hears("state_topic")?) {
            plan.property("last_reset", Shape::Text, Reading::Text);
            plan.listen(topic, template, 1);
        }
    }
    Ok(())
}

/// A sensor of yes and no.
pub(super) fn binary(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    if options.hears("state_topic")?.is_none() {
        return Err(Bad::missing("state_topic"));
    }
    let (on, off) = (options.text_or("payload_on", "ON"), options.text_or("payload_off", "OFF"));
    let hazard = plan.class().and_then(hazard);
    let shape = Shape::Switch { on: Value::Text(on.clone()), off: Value::Text(off.clone()) };
    let off_after_s = options.seconds("off_delay")?.filter(|seconds| *seconds > 0);
    let property = plan.property("", shape, Reading::Flag { on: on.into(), off: off.into() });
    property.info.hazard = hazard;
    property.info.off_after_s = off_after_s;
    property.info.unit = Unit::None;
    plan.hears("state_topic", "value_template")?;
    Ok(())
}
