//! Presets of scenarios: what each asks, and the scenario that comes of the answers. Nothing is kept: what comes out is
//! looked at, and kept like any other.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use domovoi_adapters::Shape;
use domovoi_config::Language;
use domovoi_model::{DeviceRef, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, scenarios};
use crate::devices::{PropertyView, Standing};
use crate::policy::{Verb, Who, decide};
use crate::scenarios::presets::{self, Ask, Choices, PRESETS, Preset, PresetWrong, Switchable, Wording};
use crate::scenarios::{Place, Scenario, ScenarioPaper, ScenariosError};
use crate::web::{Caller, Desk};
use crate::words::words;

/// The presets.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresetsAnswer {
    pub presets: Vec<PresetAnswer>,
}

/// A preset.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresetAnswer {
    /// `all-off`, `night`, `heating-economy`, `night-tariff`, `holiday`
    pub preset: &'static str,
    pub name: String,
    pub text: String,
    pub asks: Vec<AskAnswer>,
}

/// What it asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskAnswer {
    pub key: &'static str,
    /// `switches`, `heaters`, `time`, `number`, `tell`
    pub kind: &'static str,
    pub words: String,
    /// What is usual, where something is.
    pub usual: Option<String>,
    /// What can be chosen: `device|property` and what it is called.
    pub choices: Vec<ChoiceAnswer>,
}

/// Something that can be chosen.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoiceAnswer {
    pub value: String,
    pub name: String,
}

/// The answers.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersForm {
    /// What the scenario is to be called; the preset's name, if nothing is said.
    #[serde(default)]
    #[schema(max_length = 120)]
    pub name: Option<String>,
    /// `device|property` each.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub switches: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 64)]
    pub heaters: Vec<String>,
    /// `"23:00"`, by key.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub times: BTreeMap<String, String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub numbers: BTreeMap<String, u32>,
    #[serde(default)]
    pub tell: bool,
}

/// What a question is about.
fn kind(ask: Ask) -> &'static str {
    match ask {
        Ask::Switches => "switches",
        Ask::Heaters => "heaters",
        Ask::Time { .. } => "time",
        Ask::Number { .. } => "number",
        Ask::Tell => "tell",
    }
}

/// What is usual, as a form has it.
pub fn usual(ask: Ask) -> Option<String> {
    match ask {
        Ask::Time { usual: (hour, minute), .. } => Some(format!("{hour:02}:{minute:02}")),
        Ask::Number { usual, .. } => Some(usual.to_string()),
        Ask::Switches | Ask::Heaters | Ask::Tell => None,
    }
}

/// The words of a question.
pub fn asked(ask: Ask, language: Language) -> String {
    words(language).say(&format!("scenario-ask-{}", ask.key().replace('_', "-")), &[])
}

/// Whether a question can be answered with a property.
fn fits(ask: Ask, property: &PropertyView) -> bool {
    let Some(info) = property.info.as_ref().filter(|info| info.writable) else { return false };
    match (ask, &info.shape) {
        (Ask::Switches, Shape::Switch { .. }) => info.category == domovoi_adapters::Category::Main,
        (Ask::Heaters, Shape::Number { .. }) => {
            let name = property.state.property.to_lowercase();
            info.unit == domovoi_model::Unit::Celsius || name.contains("setpoint") || name.contains("target_temp")
        }
        _ => false,
    }
}

/// What can be chosen, as this person may command it: `device|property` and what it is called.
pub fn choices(desk: &Desk, who: &Who, ask: Ask, language: Language) -> Vec<(String, String)> {
    let speaker = crate::web::scenario_words::Speaker::new(desk, language);
    let mut all = Vec::new();
    for device in desk.devices.list() {
        if Standing::of(&device.card) != Standing::Accepted {
            continue;
        }
        for property in device.properties.iter().filter(|property| fits(ask, property)) {
            let at = Place { device: device.device().clone(), property: property.state.property.clone() };
            let object = desk.devices.object(&at.device, Some(&at.property));
            if decide(who, Verb::Command, &object, desk.now()).is_allowed() {
                all.push((format!("{}|{}", at.device, at.property), speaker.place(&at)));
            }
        }
    }
    all
}

/// The presets, what they ask, and what can be answered.
#[utoipa::path(get, path = "/api/v1/scenarios/presets", tag = "scenarios", responses((status = 200, body = PresetsAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<PresetsAnswer> {
    let said = words(caller.language);
    let ask = |ask: &Ask| AskAnswer {
        key: ask.key(),
        kind: kind(*ask),
        words: asked(*ask, caller.language),
        usual: usual(*ask),
        choices: choices(&desk, &caller.who, *ask, caller.language)
            .into_iter()
            .map(|(value, name)| ChoiceAnswer { value, name })
            .collect(),
    };
    let answer = |preset: &Preset| PresetAnswer {
        preset: preset.code,
        name: said.say(&format!("scenario-preset-{}", preset.code), &[]),
        text: said.say(&format!("scenario-preset-{}-text", preset.code), &[]),
        asks: preset.asks.iter().map(ask).collect(),
    };
    Json(PresetsAnswer { presets: PRESETS.iter().map(answer).collect() })
}

/// Why no scenario comes of it: of which question, and in words.
#[derive(Debug)]
pub struct NotMade {
    pub ask: String,
    pub words: String,
}

/// The scenario that comes of the answers. What the caller may not command, or what is none, cannot be chosen.
pub fn made(
    desk: &Desk,
    who: &Who,
    preset: &Preset,
    form: AnswersForm,
    language: Language,
) -> Result<Scenario, NotMade> {
    let said = words(language);
    let wrong = |ask: &str, code: &str| NotMade {
        ask: ask.to_owned(),
        words: said.say(&format!("scenario-preset-wrong-{code}"), &[]),
    };
    let mut choice = Choices { numbers: form.numbers, tell: form.tell, ..Choices::default() };
    for (ask, chosen) in [(Ask::Switches, form.switches), (Ask::Heaters, form.heaters)] {
        let there = if chosen.is_empty() { Vec::new() } else { choices(desk, who, ask, language) };
        for one in chosen {
            let place = place(&one).filter(|_| there.iter().any(|(value, _)| *value == one));
            let place = place.ok_or_else(|| wrong(ask.key(), "unknown"))?;
            if ask == Ask::Heaters {
                choice.heaters.push(place);
            } else {
                choice.switches.push(switchable(desk, place).ok_or_else(|| wrong(ask.key(), "unknown"))?);
            }
        }
    }
    for (key, text) in form.times {
        let time = jiff::civil::Time::strptime("%H:%M", text.trim()).map_err(|_| wrong(&key, "time"))?;
        choice.times.insert(key, time);
    }
    let name = form.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let wording = Wording {
        name: name.unwrap_or_else(|| said.say(&format!("scenario-preset-{}", preset.code), &[])),
        told: said.say(&format!("scenario-preset-{}-told", preset.code), &[]),
    };
    presets::build(preset, &choice, &wording).map_err(|PresetWrong { ask, code }| wrong(ask, code))
}

fn place(text: &str) -> Option<Place> {
    let (device, property) = text.split_once('|')?;
    Some(Place { device: DeviceRef::parse(device)?, property: property.to_owned() })
}

fn switchable(desk: &Desk, at: Place) -> Option<Switchable> {
    let shown = desk.devices.show(&at.device)?;
    let property = shown.properties.iter().find(|one| one.state.property == at.property)?;
    match &property.info.as_ref()?.shape {
        // Dialects spell yes and no as each device does.
        Shape::Switch { .. } => Some(Switchable { at, on: Value::Bool(true), off: Value::Bool(false) }),
        _ => None,
    }
}

/// The scenario that comes of the answers; it is not kept.
#[utoipa::path(post, path = "/api/v1/scenarios/presets/{preset}", tag = "scenarios", request_body = AnswersForm, responses((status = 200, body = ScenarioPaper)))]
pub async fn make(
    State(desk): State<Desk>,
    caller: Caller,
    Path(preset): Path<String>,
    Json(form): Json<AnswersForm>,
) -> Result<Json<ScenarioPaper>, ApiProblem> {
    let preset = presets::preset(&preset);
    let preset = preset.ok_or_else(|| scenarios::told(&desk, ScenariosError::NoSuch("preset"), caller.language))?;
    let scenario = made(&desk, &caller.who, preset, form, caller.language)
        .map_err(|not| ApiProblem::invalid(format!("{}: {}", not.ask, not.words)))?;
    Ok(Json(ScenarioPaper { id: None, ..ScenarioPaper::from(&scenario) }))
}
