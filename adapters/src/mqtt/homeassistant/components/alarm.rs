//! `alarm_control_panel`: its value is the word of its state; a command is the state that is wanted.

use domovoi_model::Value;

use super::super::entity::{Entity, Extra, Plan, Property, Reading, Say};
use super::super::options::Bad;
use super::super::saying::{Form, Own, one_of, with};
use crate::template::Given;
use crate::{Outgoing, Shape};

/// A state that can be asked for: the key of its payload, the default, the feature that it needs.
const ACTIONS: &[(&str, &str, &str, &str)] = &[
    ("disarmed", "payload_disarm", "DISARM", ""),
    ("armed_home", "payload_arm_home", "ARM_HOME", "arm_home"),
    ("armed_away", "payload_arm_away", "ARM_AWAY", "arm_away"),
    ("armed_night", "payload_arm_night", "ARM_NIGHT", "arm_night"),
    ("armed_vacation", "payload_arm_vacation", "ARM_VACATION", "arm_vacation"),
    ("armed_custom_bypass", "payload_arm_custom_bypass", "ARM_CUSTOM_BYPASS", "arm_custom_bypass"),
    ("triggered", "payload_trigger", "TRIGGER", "trigger"),
];

/// States that only the panel enters by itself.
const PASSING: &[&str] = &["arming", "pending", "disarming"];

pub(super) fn build(plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
    let options = plan.options;
    let features = options.list("supported_features")?;
    let can = |feature: &str| {
        feature.is_empty() || !options.has("supported_features") || features.iter().any(|f| f == feature)
    };
    let names = ACTIONS.iter().map(|(state, ..)| *state).chain(PASSING.iter().copied()).map(str::to_owned).collect();
    plan.property("", Shape::Choice(names), Reading::Choice);
    plan.hears("state_topic", "value_template")?;
    if !plan.says("command_topic", "command_template", Form::Own(Own(say)))? {
        return Err(Bad::missing("command_topic"));
    }
    let mut words: Vec<(Box<str>, Box<str>)> = ACTIONS
        .iter()
        .filter(|(.., feature)| can(feature))
        .map(|(state, key, default, _)| ((*state).into(), options.text_or(key, default).into()))
        .collect();
    let needs =
        |key: &str, of: &str| Ok::<_, Bad>(options.flag(key, true)?.then(|| (format!("{of}?").into(), "".into())));
    words.extend(needs("code_arm_required", "armed")?);
    words.extend(needs("code_disarm_required", "disarmed")?);
    words.extend(needs("code_trigger_required", "triggered")?);
    if let Some(code) = options.text("code") {
        words.push(("code".into(), code.into()));
    }
    plan.entity.extra = Extra::Words(words);
    Ok(())
}

/// `armed_away`, or with a code behind it: `disarmed 1234`. A code that the config itself has is compared here, as Home
/// Assistant does; `REMOTE_CODE` is for the panel to judge and goes out through the template.
fn say(entity: &Entity, _: &Property, say: &Say, value: &Value) -> Result<Vec<Outgoing>, String> {
    let Extra::Words(words) = &entity.extra else { return Ok(Vec::new()) };
    let word = |key: &str| words.iter().find(|(name, _)| &**name == key).map(|(_, word)| &**word);
    let names: Vec<&str> = ACTIONS.iter().map(|(state, ..)| *state).filter(|state| word(state).is_some()).collect();
    let Value::Text(text) = value else { return Err(one_of(&names)) };
    let (state, code) = text.split_once(' ').map_or((text.as_str(), None), |(state, code)| (state, Some(code)));
    let Some(payload) = word(state).filter(|_| names.contains(&state)) else { return Err(one_of(&names)) };
    let group = if state.starts_with("armed") { "armed" } else { state };
    if let Some(wanted) = word("code")
        && word(&format!("{group}?")).is_some()
    {
        let remote = matches!(wanted, "REMOTE_CODE" | "REMOTE_CODE_TEXT");
        if if remote { code.is_none() } else { code != Some(wanted) } {
            return Err(format!("«{state}» with its code behind it"));
        }
    }
    let given = [
        ("action", Given::Text(payload)),
        ("value", Given::Text(payload)),
        ("code", code.map_or(Given::None, Given::Text)),
    ];
    with(&say.topic, say.template.as_ref(), payload, &given).map(|out| vec![out])
}
