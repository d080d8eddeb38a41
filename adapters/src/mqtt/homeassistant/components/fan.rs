//! `fan`: on and off, speed in per cent of its range, presets, oscillation, direction.

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::super::entity::{Entity, Plan, Property, Reading, Say};
use super::super::options::Bad;
use super::super::saying::{Form, Own, Scale, publish, share};
use super::value::half;
use crate::fault::What;
use crate::{Outgoing, Shape};

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    plan.switch("ON", "OFF")?;
    plan.hears("state_topic", "state_value_template")?;
    let form = Form::Flag { on: options.payload("payload_on", "ON"), off: options.payload("payload_off", "OFF") };
    if !plan.says("command_topic", "command_template", form)? {
        return Err(Bad::missing("command_topic"));
    }
    speed(plan)?;
    if options.has("preset_mode_command_topic") || options.has("preset_mode_state_topic") {
        plan.property("preset_mode", Shape::Choice(options.list("preset_modes")?), Reading::Choice);
        plan.hears("preset_mode_state_topic", "preset_mode_value_template")?;
        plan.says("preset_mode_command_topic", "preset_mode_command_template", Form::Choice)?;
    }
    if options.has("oscillation_command_topic") || options.has("oscillation_state_topic") {
        let on = options.text_or("payload_oscillation_on", "oscillate_on");
        let off = options.text_or("payload_oscillation_off", "oscillate_off");
        let shape = Shape::Switch { on: Value::Text(on.clone()), off: Value::Text(off.clone()) };
        let (on, off): (Box<str>, Box<str>) = (on.into(), off.into());
        plan.property("oscillation", shape, Reading::Flag { on: on.clone(), off: off.clone() });
        plan.hears("oscillation_state_topic", "oscillation_value_template")?;
        let form = Form::Flag { on: Some(on), off: Some(off) };
        plan.says("oscillation_command_topic", "oscillation_command_template", form)?;
    }
    if options.has("direction_command_topic") || options.has("direction_state_topic") {
        let forward = options.text_or("payload_direction_forward", "forward");
        let reverse = options.text_or("payload_direction_reverse", "reverse");
        plan.property("direction", Shape::Choice(vec![forward, reverse]), Reading::Choice);
        plan.hears("direction_state_topic", "direction_value_template")?;
        plan.says("direction_command_topic", "direction_command_template", Form::Choice)?;
    }
    Ok(())
}

/// A speed of nothing is off, said as off is said: below its range the device has no speed.
fn say_speed(entity: &Entity, property: &Property, say: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    let off = entity.properties.first().and_then(|main| main.say.as_ref());
    if value.number().is_some_and(|share| share.is_zero())
        && let Some(main) = off
        && let Form::Flag { off: Some(off), .. } = &main.form
    {
        return publish(main, off, None).map(|out| vec![out]);
    }
    let Reading::Percent { zero, full } = property.reading else { return Err("nothing".to_owned()) };
    // However little it is, the slowest speed is the least.
    let least = value.number().map(|share| Value::Number(share.max(slowest(zero, full))));
    share(say, &Scale::of(zero, full), &property.info.shape, least.as_ref().unwrap_or(value)).map(|out| vec![out])
}

/// The slowest speed of a fan, in per cent.
pub(in super::super) fn slowest(zero: Decimal, full: Decimal) -> Decimal {
    let steps = full.checked_sub(zero).filter(|steps| *steps > Decimal::ZERO);
    steps.and_then(|steps| Decimal::ONE_HUNDRED.checked_div(steps)).unwrap_or(Decimal::ONE)
}

/// A device with three speeds says 1 to 3, which are thirds of a hundred; off is none of them.
fn speed(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let (min, max) = (options.number_or("speed_range_min", 1)?, options.number_or("speed_range_max", 100)?);
    if min >= max {
        return Err(Bad::new(What::OutOfRange, "speed_range_min", "is not less than speed_range_max"));
    }
    if options.has("percentage_command_topic") || options.has("percentage_state_topic") {
        let zero = min.checked_sub(Decimal::ONE).unwrap_or_default();
        let shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) };
        let property = plan.property("percentage", shape, Reading::Percent { zero, full: max });
        property.info.unit = Unit::Percent;
        property.tolerance = half(slowest(zero, max));
        plan.hears("percentage_state_topic", "percentage_value_template")?;
        plan.says("percentage_command_topic", "percentage_command_template", Form::Own(Own(say_speed)))?;
    }
    // Firmwares of before 2021 have words for their speeds.
    if options.has("speed_command_topic") || options.has("speed_state_topic") {
        plan.property("speed", Shape::Choice(options.list("speeds")?), Reading::Text);
        plan.hears("speed_state_topic", "speed_value_template")?;
        plan.says("speed_command_topic", "speed_command_template", Form::Text)?;
    }
    Ok(())
}
