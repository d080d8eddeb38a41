//! What keeps a temperature or a humidity: `climate`, `water_heater`, `humidifier`.

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::super::entity::{Plan, Reading};
use super::super::options::Bad;
use super::super::saying::Form;
use super::value::half;
use crate::Shape;
use crate::fault::What;

const MODES: &[&str] = &["auto", "off", "cool", "heat", "dry", "fan_only"];
const HEATER_MODES: &[&str] = &["off", "eco", "electric", "gas", "heat_pump", "high_demand", "performance"];
const FAN_MODES: &[&str] = &["auto", "low", "medium", "high"];

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    power(plan)?;
    mode(plan, "mode", "modes", MODES)?;
    temperatures(plan, 7, 35)?;
    action(plan)?;
    mode(plan, "fan_mode", "fan_modes", FAN_MODES)?;
    mode(plan, "swing_mode", "swing_modes", &["on", "off"])?;
    mode(plan, "swing_horizontal_mode", "swing_horizontal_modes", &["on", "off"])?;
    preset(plan)?;
    legacy(plan, "aux")?;
    legacy(plan, "away_mode")?;
    mode(plan, "hold", "hold_modes", &["off"])?;
    humidity(plan, "target_humidity", "humidity")?;
    current(plan)
}

/// What old firmwares have for themselves: auxiliary heat and absence, yes or no.
fn legacy(plan: &mut Plan<'_, '_>, name: &'static str) -> Result<(), Bad> {
    let options = plan.options;
    let (state, command) = (format!("{name}_state_topic"), format!("{name}_command_topic"));
    if options.has(&state) || options.has(&command) {
        let (on, off) = (options.text_or("payload_on", "ON"), options.text_or("payload_off", "OFF"));
        let shape = Shape::Switch { on: Value::Text(on.clone()), off: Value::Text(off.clone()) };
        let (on, off): (Box<str>, Box<str>) = (on.into(), off.into());
        plan.property(name, shape, Reading::Flag { on: on.clone(), off: off.clone() });
        plan.hears(&state, &format!("{name}_state_template"))?;
        plan.says(&command, &format!("{name}_command_template"), Form::Flag { on: Some(on), off: Some(off) })?;
    }
    Ok(())
}

pub(super) fn water_heater(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    power(plan)?;
    mode(plan, "mode", "modes", HEATER_MODES)?;
    temperatures(plan, 43, 60)?;
    current(plan)
}

pub(super) fn humidifier(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    plan.switch("ON", "OFF")?;
    plan.hears("state_topic", "state_value_template")?;
    let form = Form::Flag { on: options.payload("payload_on", "ON"), off: options.payload("payload_off", "OFF") };
    if !plan.says("command_topic", "command_template", form)? {
        return Err(Bad::missing("command_topic"));
    }
    humidity(plan, "target_humidity", "humidity")?;
    mode(plan, "mode", "modes", &[])?;
    action(plan)?;
    current(plan)
}

/// On and off, where a device has it apart from its mode.
fn power(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    if options.has("power_command_topic") || options.has("power_state_topic") {
        plan.switch("ON", "OFF")?;
        plan.hears("power_state_topic", "power_state_template")?;
        let form = Form::Flag { on: options.payload("payload_on", "ON"), off: options.payload("payload_off", "OFF") };
        plan.says("power_command_topic", "power_command_template", form)?;
    }
    Ok(())
}

/// One of a list of words, with the topics that begin with its name.
fn mode(plan: &mut Plan<'_, '_>, name: &'static str, list: &str, usual: &[&str]) -> Result<(), Bad> {
    let options = plan.options;
    let (state, command) = (format!("{name}_state_topic"), format!("{name}_command_topic"));
    if !options.has(&state) && !options.has(&command) {
        return Ok(());
    }
    let mut words = options.list(list)?;
    if words.is_empty() {
        words = usual.iter().map(|word| (*word).to_owned()).collect();
    }
    plan.property(name, Shape::Choice(words), Reading::Choice);
    plan.hears(&state, &format!("{name}_state_template"))?;
    plan.says(&command, &format!("{name}_command_template"), Form::Choice)?;
    Ok(())
}

/// A preset; `none` is always one.
fn preset(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    if !options.has("preset_mode_state_topic") && !options.has("preset_mode_command_topic") {
        return Ok(());
    }
    let mut words = options.list("preset_modes")?;
    if words.iter().all(|word| word != "none") {
        words.insert(0, "none".to_owned());
    }
    plan.property("preset_mode", Shape::Choice(words), Reading::Choice);
    let template = if options.has("preset_mode_value_template") {
        "preset_mode_value_template"
    } else {
        "preset_mode_state_template"
    };
    plan.hears("preset_mode_state_topic", template)?;
    plan.says("preset_mode_command_topic", "preset_mode_command_template", Form::Choice)?;
    Ok(())
}

fn temperatures(plan: &mut Plan<'_, '_>, min: i64, max: i64) -> Result<(), Bad> {
    let options = plan.options;
    let fahrenheit = matches!(options.text("temperature_unit").as_deref(), Some("F" | "°F"));
    let unit = if fahrenheit { Unit::Fahrenheit } else { Unit::Celsius };
    let scale = |celsius: i64| if fahrenheit { celsius * 9 / 5 + 32 } else { celsius };
    // Zigbee2MQTT writes these numbers in quotes.
    let (min, max) = (options.number_or("min_temp", scale(min))?, options.number_or("max_temp", scale(max))?);
    if min >= max {
        return Err(Bad::new(What::OutOfRange, "min_temp", "is not less than max_temp"));
    }
    let step = match options.number("temp_step")? {
        Some(step) => step,
        None => Decimal::ONE,
    };
    for name in ["temperature", "temperature_low", "temperature_high"] {
        let (state, command) = (format!("{name}_state_topic"), format!("{name}_command_topic"));
        if !options.has(&state) && !options.has(&command) {
            continue;
        }
        let property = plan.property(name, Shape::Number { min: Some(min), max: Some(max) }, Reading::Number);
        property.info.unit = unit;
        property.info.step = Some(step.abs());
        property.tolerance = half(step);
        plan.hears(&state, &format!("{name}_state_template"))?;
        plan.says(&command, &format!("{name}_command_template"), Form::Number)?;
    }
    if options.has("current_temperature_topic") {
        plan.property("current_temperature", Shape::Number { min: None, max: None }, Reading::Number).info.unit = unit;
        plan.hears("current_temperature_topic", "current_temperature_template")?;
    }
    Ok(())
}

fn humidity(plan: &mut Plan<'_, '_>, key: &str, suffix: &'static str) -> Result<(), Bad> {
    let options = plan.options;
    let (state, command) = (format!("{key}_state_topic"), format!("{key}_command_topic"));
    if !options.has(&state) && !options.has(&command) {
        return Ok(());
    }
    let (min, max) = (options.number_or("min_humidity", 0)?, options.number_or("max_humidity", 100)?);
    let property = plan.property(suffix, Shape::Number { min: Some(min), max: Some(max) }, Reading::Number);
    property.info.unit = Unit::Percent;
    property.tolerance = half(Decimal::ONE);
    plan.hears(&state, &format!("{key}_state_template"))?;
    plan.says(&command, &format!("{key}_command_template"), Form::Number)?;
    Ok(())
}

fn action(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    if plan.options.has("action_topic") {
        plan.property("action", Shape::Text, Reading::Text);
        plan.hears("action_topic", "action_template")?;
    }
    Ok(())
}

fn current(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    if plan.options.has("current_humidity_topic") {
        let shape = Shape::Number { min: None, max: None };
        plan.property("current_humidity", shape, Reading::Number).info.unit = Unit::Percent;
        plan.hears("current_humidity_topic", "current_humidity_template")?;
    }
    Ok(())
}
