//! `siren`: by default its command is a JSON object, its state that object or a plain word.

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::super::entity::{Entity, Hears, Plan, Property, Reading, Say};
use super::super::options::{Bad, scalar};
use super::super::reading::Sink;
use super::super::saying::{Form, Own, bounded, one_of, with};
use crate::template::{Given, Out, Template};
use crate::{Outgoing, Shape, json};

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    plan.switch("ON", "OFF")?;
    if !plan.says("command_topic", "command_template", Form::Own(Own(switch)))? {
        return Err(Bad::missing("command_topic"));
    }
    // A template of its own for off; without one, off is said as on is.
    let off = options.template("command_off_template")?;
    let tones = options.list("available_tones")?;
    let optional = |plan: &mut Plan<'_, '_>, suffix, shape, reading, unit| -> Result<(), Bad> {
        plan.property(suffix, shape, reading).info.unit = unit;
        plan.says("command_topic", "command_template", Form::Own(Own(sound)))?;
        Ok(())
    };
    if !tones.is_empty() {
        optional(plan, "tone", Shape::Choice(tones), Reading::Text, Unit::None)?;
    }
    let number = |max: Option<Decimal>| Shape::Number { min: Some(Decimal::ZERO), max };
    if options.flag("support_duration", true)? {
        optional(plan, "duration", number(None), Reading::Number, Unit::Second)?;
    }
    if options.flag("support_volume_set", true)? {
        optional(plan, "volume_level", number(Some(Decimal::ONE)), Reading::Number, Unit::None)?;
    }
    if let Some(off) = off {
        plan.entity.extra = super::super::entity::Extra::Off(Box::new(off));
    }
    plan.own("state_topic", "state_value_template", Hears::Own(state), &["", "tone", "duration", "volume_level"])?;
    Ok(())
}

/// One command with what is asked for beside on or off.
fn say(entity: &Entity, say: &Say, on: bool, beside: Option<(&str, &Value)>) -> Result<Vec<Outgoing>, String> {
    let Some(Shape::Switch { on: yes, off: no }) = entity.properties.first().map(|main| &main.info.shape) else {
        return Ok(Vec::new());
    };
    let word = if on { yes } else { no }.to_string();
    let mut given = vec![("state", Given::Text(&word)), ("value", Given::Text(&word))];
    let text;
    if let Some((name, value)) = beside {
        given.push((
            name,
            match value {
                Value::Number(number) => Given::Number(*number),
                other => {
                    text = other.to_string();
                    Given::Text(&text)
                }
            },
        ));
    }
    let off: Option<&Template> = match &entity.extra {
        super::super::entity::Extra::Off(off) if !on => Some(off),
        _ => None,
    };
    let mut plain = format!("{{\"state\":{}", json::quoted(&word));
    if let Some((name, value)) = beside {
        plain += &format!(",{}:{}", json::quoted(name), json::write(value));
    }
    plain.push('}');
    with(&say.topic, off.or(say.template.as_ref()), &plain, &given).map(|out| vec![out])
}

fn switch(entity: &Entity, _: &Property, how: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    let main = entity.properties.first().map(|main| &main.info.shape);
    let on = match (value, main) {
        (Value::Bool(on), _) => *on,
        (value, Some(Shape::Switch { on, .. })) if value == on => true,
        (value, Some(Shape::Switch { off, .. })) if value == off => false,
        _ => return Err("yes or no".to_owned()),
    };
    say(entity, how, on, None)
}

/// A tone, a duration or a volume: the siren sounds so.
fn sound(entity: &Entity, property: &Property, how: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    match (&property.info.shape, value) {
        (Shape::Choice(words), Value::Text(word)) if words.contains(word) => {}
        (Shape::Choice(words), _) => return Err(one_of(words)),
        (shape, value) => {
            bounded(value, shape)?;
        }
    }
    say(entity, how, true, Some((property.suffix, value)))
}

fn state(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let document = json::document(text.as_bytes(), json::MAX_PAYLOAD).ok();
    let Some(members) = document.as_deref().and_then(|document| json::members(document).ok()) else {
        return sink.say(entity, "", text);
    };
    sink.member(entity, "", members.get("state").filter(|raw| scalar(raw).is_some()));
    for suffix in ["tone", "duration", "volume_level"] {
        sink.member(entity, suffix, members.get(suffix));
    }
}
