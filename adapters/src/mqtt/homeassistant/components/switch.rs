//! What is switched, pressed or locked: `switch`, `button`, `scene`, `lock`.

use domovoi_model::Value;

use super::super::entity::{Extra, Plan, Reading, Say};
use super::super::options::{Bad, Options};
use super::super::saying::{Form, Own, one_of, publish};
use crate::template::fits;
use crate::{Outgoing, Shape};

use super::super::entity::{Entity, Property};

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    plan.switch("ON", "OFF")?;
    plan.hears("state_topic", "value_template")?;
    let form = Form::Flag { on: options.payload("payload_on", "ON"), off: options.payload("payload_off", "OFF") };
    if !plan.says("command_topic", "command_template", form)? {
        return Err(Bad::missing("command_topic"));
    }
    Ok(())
}

pub(super) fn button(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    press(plan, "press", plan.options.text_or("payload_press", "PRESS"))
}

pub(super) fn scene(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    press(plan, "on", plan.options.text_or("payload_on", "ON"))
}

fn press(plan: &mut Plan<'_, '_>, word: &str, payload: String) -> Result<(), Bad> {
    plan.property("", Shape::Choice(vec![word.to_owned()]), Reading::Text);
    if !plan.says("command_topic", "command_template", Form::Press(payload.into()))? {
        return Err(Bad::missing("command_topic"));
    }
    Ok(())
}

/// The words of a lock's state, and whether it is then locked. On its way it is neither.
const LOCK_STATES: &[(&str, &str, Option<bool>)] = &[
    ("state_locked", "LOCKED", Some(true)),
    ("state_unlocked", "UNLOCKED", Some(false)),
    ("state_locking", "LOCKING", None),
    ("state_unlocking", "UNLOCKING", None),
    ("state_jammed", "JAMMED", None),
    ("state_open", "OPEN", Some(false)),
    ("state_opening", "OPENING", None),
];

/// A lock: yes is locked. `<entity>_state` tells what lies between; the word `open` opens the latch where there is one,
/// and a code may stand behind a word: `unlock 1234`.
pub(super) fn lock(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let word = |key: &str, default: &str| options.text_or(key, default);
    let (locks, unlocks) = (word("payload_lock", "LOCK"), word("payload_unlock", "UNLOCK"));
    let flags = LOCK_STATES
        .iter()
        .filter_map(|(key, default, locked)| Some((word(key, default).into_boxed_str(), Value::Bool((*locked)?))));
    let states = LOCK_STATES.iter().map(|(key, default, _)| {
        let name = key.trim_start_matches("state_").to_owned();
        (word(key, default).into_boxed_str(), Value::Text(name))
    });
    let names = LOCK_STATES.iter().map(|(key, ..)| key.trim_start_matches("state_").to_owned()).collect();
    let shape = Shape::Switch { on: Value::Text(locks.clone()), off: Value::Text(unlocks.clone()) };
    plan.property("", shape, Reading::Words(flags.collect()));
    if !plan.says("command_topic", "command_template", Form::Own(Own(say_lock)))? {
        return Err(Bad::missing("command_topic"));
    }
    plan.property("state", Shape::Choice(names), Reading::Words(states.collect()));
    let hears = super::super::entity::Hears::Own(hear_lock);
    plan.own("state_topic", "value_template", hears, &["", "state"])?;
    plan.entity.extra = Extra::Words(lock_words(options));
    Ok(())
}

fn lock_words(options: &Options<'_>) -> Vec<(Box<str>, Box<str>)> {
    let mut out = vec![
        ("lock".into(), options.text_or("payload_lock", "LOCK").into()),
        ("unlock".into(), options.text_or("payload_unlock", "UNLOCK").into()),
    ];
    if let Some(open) = options.text("payload_open") {
        out.push(("open".into(), open.into()));
    }
    if let Some(code) = options.text("code_format") {
        out.push(("code_format".into(), code.into()));
    }
    out
}

fn say_lock(entity: &Entity, _: &Property, say: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    let Extra::Words(words) = &entity.extra else { return Ok(Vec::new()) };
    let (word, code) = match value {
        Value::Bool(true) => ("lock", None),
        Value::Bool(false) => ("unlock", None),
        Value::Text(text) => text.split_once(' ').map_or((text.as_str(), None), |(word, code)| (word, Some(code))),
        Value::Number(_) => ("", None),
    };
    let found = words.iter().find(|(name, _)| &**name == word && word != "code_format");
    let found = found.or_else(|| words.iter().find(|(_, payload)| &**payload == word));
    let Some((_, payload)) = found else {
        let names: Vec<&str> = words.iter().map(|(name, _)| &**name).filter(|name| *name != "code_format").collect();
        return Err(format!("yes, no or {}", one_of(&names)));
    };
    if let Some((_, format)) = words.iter().find(|(name, _)| &**name == "code_format") {
        // To lock without a code does no harm, and is left to the lock.
        let fits = code.map_or(found.is_some_and(|(name, _)| &**name == "lock"), |code| fits(format, code));
        if !fits {
            return Err(format!("its word with a code behind it that fits {format}"));
        }
    }
    match code {
        Some(code) => {
            let given =
                [("value", crate::template::Given::Text(payload)), ("code", crate::template::Given::Text(code))];
            super::super::saying::with(&say.topic, say.template.as_ref(), payload, &given).map(|out| vec![out])
        }
        None => publish(say, payload, None).map(|out| vec![out]),
    }
}

fn hear_lock(entity: &Entity, out: &crate::template::Out<'_>, sink: &mut super::super::reading::Sink<'_, '_>) {
    let Some(text) = out.said() else { return };
    let Some(state) = entity.place("state").and_then(|place| entity.properties.get(place)) else { return };
    if super::super::reading::value(state, text).is_none() {
        return sink.fault("state", text);
    }
    if let Some(main) = entity.place("").and_then(|place| entity.properties.get(place))
        && let Some(value) = super::super::reading::value(main, text)
    {
        sink.value(entity, "", value);
    }
    sink.say(entity, "state", text);
}
