//! What opens and closes: `cover` and `valve`. The main value is yes for open, which is everything that is not closed:
//! what begins to open is open. `_state` tells what lies between, `_position` and `_tilt` are per cent, whatever the
//! device's own scale is, 100 being open.
//!
//! What stopped on its way, or is closing, says nothing of the main value: it stays what it was, and where a position is
//! told that one decides. Home Assistant takes a cover without a position that stopped while it was closing for closed; a
//! garage door that hangs half way is not.

use domovoi_model::{Unit, Value};
use rust_decimal::Decimal;

use super::super::entity::{Entity, Extra, Hears, Plan, Property, Reading, Say};
use super::super::options::{Bad, Options, scalar};
use super::super::reading::{Sink, value};
use super::super::saying::{Form, Own, Scale, one_of, publish};
use super::value::half;
use crate::fault::What;
use crate::template::Out;
use crate::{Outgoing, Shape, json};

/// The words of a state: the key, its default, what it is called here, whether it is then open.
type States = [(&'static str, &'static str, &'static str, Option<bool>)];

const STATES: &States = &[
    ("state_open", "open", "open", Some(true)),
    ("state_closed", "closed", "closed", Some(false)),
    ("state_opening", "opening", "opening", Some(true)),
    ("state_closing", "closing", "closing", None),
    ("state_stopped", "stopped", "stopped", None),
];

pub(super) fn cover(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let (open, closed) = (options.number_or("position_open", 100)?, options.number_or("position_closed", 0)?);
    if open == closed {
        return Err(Bad::new(What::OutOfRange, "position_open", "is the same as position_closed"));
    }
    main(plan, true)?;
    states(plan)?;
    let has_position = options.has("position_topic") || options.has("set_position_topic");
    if has_position {
        let property = percent(plan, "position", closed, open);
        property.tolerance = Decimal::from(2);
        let form = Form::Percent(scale(options, "position", closed, open)?);
        plan.says("set_position_topic", "set_position_template", form)?;
        plan.own("position_topic", "position_template", Hears::Own(at_position), &["", "position"])?;
    }
    tilt(plan)?;
    if !plan.entity.properties.iter().any(|property| property.info.reported || property.info.writable) {
        return Err(Bad::missing("command_topic"));
    }
    Ok(())
}

pub(super) fn valve(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let (open, closed) = (options.number_or("position_open", 100)?, options.number_or("position_closed", 0)?);
    if !options.flag("reports_position", false)? {
        main(plan, true)?;
        return states(plan);
    }
    if open == closed {
        return Err(Bad::new(What::OutOfRange, "position_open", "is the same as position_closed"));
    }
    // Here the command is the position itself, so that words for open and closed contradict it.
    for key in ["payload_open", "payload_close"] {
        if options.has(key) {
            return Err(Bad::new(What::WrongType, key, "has no meaning where reports_position is true"));
        }
    }
    main(plan, false)?;
    let scale = Form::Percent(scale(options, "position", closed, open)?);
    plan.says("command_topic", "command_template", Form::Own(Own(say_valve)))?;
    states(plan)?;
    percent(plan, "position", closed, open).tolerance = Decimal::from(2);
    plan.says("command_topic", "command_template", scale)?;
    if plan.own("state_topic", "value_template", Hears::Own(valve_state), &["", "state", "position"])? {
        // `states` hears the same topic for words alone; here they may stand beside a position.
        plan.entity.channels.retain(
            |channel| matches!(channel.hears, Hears::Own(own) if !std::ptr::fn_addr_eq(own, hear_state as Heard)),
        );
    }
    Ok(())
}

type Heard = fn(&Entity, &Out<'_>, &mut Sink<'_, '_>);

/// The main value; yes is open. A payload that is null is an action that there is not.
fn main(plan: &mut Plan<'_, '_>, words: bool) -> Result<(), Bad> {
    let options = plan.options;
    let on = options.payload("payload_open", "OPEN");
    let off = options.payload("payload_close", "CLOSE");
    let stop = options.payload("payload_stop", "STOP");
    let text = |word: &Option<Box<str>>, default: &str| Value::Text(word.as_deref().unwrap_or(default).to_owned());
    let shape = Shape::Switch { on: text(&on, "OPEN"), off: text(&off, "CLOSE") };
    let flags = STATES.iter().filter_map(|(key, default, _, open)| {
        Some((options.text_or(key, default).into_boxed_str(), Value::Bool((*open)?)))
    });
    plan.property("", shape, Reading::Words(flags.collect()));
    let mut list: Vec<(Box<str>, Box<str>)> = Vec::new();
    if words {
        list.extend(on.map(|payload| ("open".into(), payload)));
        list.extend(off.map(|payload| ("close".into(), payload)));
    } else {
        list.push(("open".into(), options.number_or("position_open", 100)?.normalize().to_string().into()));
        list.push(("close".into(), options.number_or("position_closed", 0)?.normalize().to_string().into()));
    }
    list.extend(stop.map(|payload| ("stop".into(), payload)));
    plan.entity.extra = Extra::Words(list);
    if words {
        plan.says("command_topic", "command_template", Form::Own(Own(say_valve)))?;
    }
    Ok(())
}

/// `<entity>_state`, where a topic tells it.
fn states(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    if plan.options.hears("state_topic")?.is_none() {
        return Ok(());
    }
    let word = |options: &Options<'_>, key: &str, default: &str| options.text_or(key, default).into_boxed_str();
    let options = plan.options;
    let words =
        STATES.iter().map(|(key, default, name, _)| (word(options, key, default), Value::Text((*name).to_owned())));
    let names = STATES.iter().map(|(.., name, _)| (*name).to_owned()).collect();
    plan.property("state", Shape::Choice(names), Reading::Words(words.collect()));
    plan.own("state_topic", "value_template", Hears::Own(hear_state), &["", "state"])?;
    Ok(())
}

fn percent<'p>(plan: &'p mut Plan<'_, '_>, suffix: &'static str, zero: Decimal, full: Decimal) -> &'p mut Property {
    let shape = Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) };
    let property = plan.property(suffix, shape, Reading::Percent { zero, full });
    property.info.unit = Unit::Percent;
    property.tolerance = half(Decimal::TWO);
    property
}

fn tilt(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    if !options.has("tilt_command_topic") && !options.has("tilt_status_topic") {
        return Ok(());
    }
    let (min, max) = (options.number_or("tilt_min", 0)?, options.number_or("tilt_max", 100)?);
    percent(plan, "tilt", min, max).tolerance = Decimal::from(2);
    plan.hears("tilt_status_topic", "tilt_status_template")?;
    let form = Form::Percent(scale(options, "tilt_position", min, max)?);
    plan.says("tilt_command_topic", "tilt_command_template", form)?;
    Ok(())
}

/// What the template of a position knows: the share as `position` or `tilt_position`, the number on the device's scale as
/// `value`, and the ends of both scales.
fn scale(options: &Options<'_>, share: &'static str, zero: Decimal, full: Decimal) -> Result<Scale, Bad> {
    let ends = [("position_open", 100), ("position_closed", 0), ("tilt_min", 0), ("tilt_max", 100)];
    let constants: Result<Vec<_>, Bad> =
        ends.iter().map(|(name, usual)| Ok((*name, options.number_or(name, *usual)?))).collect();
    Ok(Scale { zero, full, share, constants: constants? })
}

fn say_valve(entity: &Entity, _: &Property, say: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    let Extra::Words(words) = &entity.extra else { return Ok(Vec::new()) };
    let word = match value {
        Value::Bool(true) => "open",
        Value::Bool(false) => "close",
        Value::Text(text) => text.as_str(),
        Value::Number(_) => "",
    };
    let found = words.iter().find(|(name, payload)| &**name == word || &**payload == word);
    let Some((name, payload)) = found else {
        let names: Vec<&str> = words.iter().map(|(name, _)| &**name).collect();
        return Err(format!("yes, no or {}", one_of(&names)));
    };
    let number = if &**name == "stop" { None } else { super::super::reading::decimal(payload) };
    publish(say, payload, number).map(|out| vec![out])
}

/// A word of the state: the main value where it says open or closed.
fn hear_state(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    word(entity, text, sink);
}

fn word(entity: &Entity, text: &str, sink: &mut Sink<'_, '_>) {
    let property = |suffix: &str| entity.place(suffix).and_then(|place| entity.properties.get(place));
    let Some(state) = property("state").and_then(|state| value(state, text)) else {
        return sink.fault("state", text);
    };
    if let Some(main) = property("").and_then(|main| value(main, text)) {
        sink.value(entity, "", main);
    }
    sink.value(entity, "state", state);
}

/// A position: anything but closed is open. An object has the slats beside it.
fn at_position(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let document = json::document(text.as_bytes(), json::MAX_PAYLOAD).ok();
    let members = document.as_deref().and_then(|document| json::members(document).ok());
    let Some(members) = members else {
        sink.say(entity, "position", text);
        return open_at(entity, text, sink);
    };
    if let Some(position) = members.get("position").and_then(scalar) {
        sink.say(entity, "position", &position);
        open_at(entity, &position, sink);
    }
    sink.member(entity, "tilt", members.get("tilt_position"));
}

fn open_at(entity: &Entity, text: &str, sink: &mut Sink<'_, '_>) {
    let position = entity.place("position").and_then(|place| entity.properties.get(place));
    if let Some(Value::Number(share)) = position.and_then(|position| value(position, text)) {
        sink.value(entity, "", Value::Bool(!share.is_zero()));
    }
}

/// A valve that reports its position: a number, a word, or an object with both.
fn valve_state(entity: &Entity, out: &Out<'_>, sink: &mut Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let document = json::document(text.as_bytes(), json::MAX_PAYLOAD).ok();
    let members = document.as_deref().and_then(|document| json::members(document).ok());
    let (state, position) = match &members {
        Some(members) => (members.get("state").and_then(scalar), members.get("position").and_then(scalar)),
        None if super::super::reading::decimal(text).is_some() => (None, Some(text.to_owned())),
        None => (Some(text.to_owned()), None),
    };
    if let Some(position) = &position {
        open_at(entity, position, sink);
        sink.say(entity, "position", position);
    }
    match state {
        // With a position beside it the word says only which way it goes.
        Some(state) if position.is_some() => sink.say(entity, "state", &state),
        Some(state) => word(entity, &state, sink),
        None => {}
    }
}
