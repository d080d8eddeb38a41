//! What is set to a value: `number`, `select`, `text`, dates and times, `notify`.

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::super::entity::{Entity, Extra, Plan, Property, Reading, Say, measure};
use super::super::options::Bad;
use super::super::saying::{Form, Own, publish};
use crate::fault::What;
use crate::{Outgoing, Shape};

pub(super) fn number(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let (min, max) = (options.number_or("min", 1)?, options.number_or("max", 100)?);
    let step = options.number_or("step", 1)?;
    if min > max {
        return Err(Bad::new(What::OutOfRange, "min", "is greater than max"));
    }
    let shape = Shape::Number { min: Some(min), max: Some(max) };
    let reading = match options.text("payload_reset") {
        Some(word) => Reading::NumberOr(word.into()),
        None => Reading::Number,
    };
    let property = plan.property("", shape, reading);
    measure(&mut property.info, options);
    property.info.step = Some(step.abs());
    property.tolerance = half(step);
    plan.hears("state_topic", "value_template")?;
    if !plan.says("command_topic", "command_template", Form::Number)? {
        return Err(Bad::missing("command_topic"));
    }
    Ok(())
}

/// Half a step: a device that rounds has carried the command out.
pub(super) fn half(step: Decimal) -> Decimal {
    step.abs().checked_div(Decimal::TWO).unwrap_or(Decimal::ZERO)
}

pub(super) fn select(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let words = plan.options.list("options")?;
    if !plan.options.has("options") {
        return Err(Bad::missing("options"));
    }
    plan.property("", Shape::Choice(words), Reading::Choice);
    plan.hears("state_topic", "value_template")?;
    if !plan.says("command_topic", "command_template", Form::Choice)? {
        return Err(Bad::missing("command_topic"));
    }
    Ok(())
}

/// `text`, and `date`, `time`, `datetime`, which are texts of one kind.
pub(super) fn text(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let bound =
        |key, default| -> Result<String, Bad> { Ok(options.number_or(key, default)?.trunc().normalize().to_string()) };
    let mut words = vec![("min".into(), bound("min", 0)?.into()), ("max".into(), bound("max", 255)?.into())];
    if let Some(pattern) = options.text("pattern") {
        words.push(("pattern".into(), pattern.into()));
    }
    plan.entity.extra = Extra::Words(words);
    let is_secret = options.text("mode").as_deref() == Some("password");
    let property = plan.property("", Shape::Text, Reading::Text);
    property.info.unit = Unit::None;
    if is_secret {
        property.info.class = Some("password".into());
    } else {
        plan.hears("state_topic", "value_template")?;
    }
    if !plan.says("command_topic", "command_template", Form::Own(Own(say_text)))? {
        return Err(Bad::missing("command_topic"));
    }
    Ok(())
}

fn say_text(entity: &Entity, _: &Property, say: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(_) => return Err("a text".to_owned()),
    };
    let words = match &entity.extra {
        Extra::Words(words) => words.as_slice(),
        _ => &[],
    };
    let word = |key: &str| words.iter().find(|(name, _)| &**name == key).map(|(_, word)| &**word);
    let length = |key, default| word(key).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (min, max): (usize, usize) = (length("min", 0), length("max", 255));
    if !(min..=max).contains(&text.chars().count()) {
        return Err(format!("a text of {min} to {max} characters"));
    }
    if let Some(pattern) = word("pattern")
        && !crate::template::fits(pattern, &text)
    {
        return Err(format!("a text that fits {pattern}"));
    }
    publish(say, &text, None).map(|out| vec![out])
}

pub(super) fn notify(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    plan.property("", Shape::Text, Reading::Text);
    if !plan.says("command_topic", "command_template", Form::Text)? {
        return Err(Bad::missing("command_topic"));
    }
    Ok(())
}
