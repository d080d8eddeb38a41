//! What the house does by itself in danger: what is open now, what is being set, the rules and a test of each. What was
//! closed is opened by a person, at the device.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::Timestamp;

use super::devices::path_of;
use super::form::Form;
use super::refusal::Fault;
use super::view::View;
use super::{alarms, go, shown};
use crate::audit::Note;
use crate::policy::{Kind, Object, Refusal, Verb};
use crate::safety::{Answer, Danger, Outcome, Place, Rule, SafetyError, Sensors, is_built_in};
use crate::web::trial::{NotTried, try_out};
use crate::web::{Caller, Desk};

struct DangerLine {
    words: String,
    name: String,
    path: String,
    since: Option<Timestamp>,
    accepted: bool,
    remembered: bool,
    hushed: bool,
}

struct SettingLine {
    words: String,
    path: String,
    confirmed: bool,
    tries: u32,
    error: Option<String>,
    test: bool,
}

struct RuleLine {
    id: String,
    name: String,
    words: Vec<String>,
    is_on: bool,
    built_in: bool,
}

struct TestLine {
    rule: String,
    at: Option<Timestamp>,
    in_earnest: bool,
    done: bool,
    steps: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "safety.html")]
struct SafetyPage {
    v: View,
    sensors: usize,
    valves: usize,
    sirens: usize,
    dangers: Vec<DangerLine>,
    setting: Vec<SettingLine>,
    rules: Vec<RuleLine>,
    tests: Vec<TestLine>,
    /// The house knows of nothing: no danger is open, everything that was told has confirmed, and somebody would say so.
    calm: bool,
    commands: bool,
    edits: bool,
}

impl From<SafetyError> for Fault {
    fn from(error: SafetyError) -> Self {
        match error {
            SafetyError::NoRule => Fault::NotFound,
            SafetyError::Store(error) => error.into(),
            error => Fault::Words(axum::http::StatusCode::CONFLICT, error.to_string()),
        }
    }
}

pub fn danger_words(view: &View, danger: Danger) -> String {
    view.t(match danger {
        Danger::Gas => "page-danger-gas",
        Danger::CarbonMonoxide => "page-danger-carbon-monoxide",
        Danger::Smoke => "page-danger-smoke",
        Danger::WaterLeak => "page-danger-water-leak",
        Danger::Freezing => "page-danger-freezing",
        Danger::Silence => "page-danger-silence",
    })
}

/// What is set to what, in words.
fn set_words(desk: &Desk, view: &View, place: &Place, value: &domovoi_model::Value) -> String {
    let home = &desk.safety.standing().home;
    let said = super::value::words(view, value, home.property(place));
    view.t2("page-safety-set", "device", home.name(&place.device), "value", said)
}

fn room_words(desk: &Desk, view: &View, room: Option<&str>) -> String {
    match room {
        None => view.t("page-safety-whole-home"),
        Some(id) => desk.devices.find_room(id).map_or_else(|| view.t("page-somebody-gone"), |room| room.name),
    }
}

/// Whether the reader may see a property of a device: of what is dangerous no more is shown of the home than elsewhere.
pub fn sees(desk: &Desk, view: &View, place: &Place) -> bool {
    let property = Some(place.property.as_str()).filter(|property| !property.is_empty());
    view.may(Verb::See, &desk.devices.object(&place.device, property))
}

fn rule_line(desk: &Desk, view: &View, rule: &Rule) -> RuleLine {
    let home = &desk.safety.standing().home;
    let mut words = Vec::new();
    match &rule.sensors {
        Sensors::Any => {}
        Sensors::Room(room) => words.push(view.t1("page-safety-in-room", "room", room_words(desk, view, Some(room)))),
        Sensors::These(places) => {
            let names: Vec<String> = places.iter().take(8).map(|place| home.name(&place.device)).collect();
            words.push(view.t1("page-safety-by", "names", names.join(", ")));
        }
    }
    if let Some(below) = &rule.below {
        words.push(view.t1("page-safety-below", "degrees", view.number(below)));
    }
    for answer in &rule.answers {
        words.push(match answer {
            Answer::Valves(room) => view.t1("page-safety-valves", "room", room_words(desk, view, room.as_deref())),
            Answer::Sirens(room) => view.t1("page-safety-sirens", "room", room_words(desk, view, room.as_deref())),
            Answer::Set(place, value) => set_words(desk, view, place, value),
        });
    }
    words.push(view.t("page-safety-tells"));
    let danger = danger_words(view, rule.danger);
    RuleLine {
        id: rule.id.clone(),
        name: if rule.name.is_empty() { danger } else { format!("{danger}: {}", rule.name) },
        words,
        is_on: rule.is_on,
        built_in: is_built_in(&rule.id),
    }
}

pub async fn show(State(desk): State<Desk>, view: View) -> Response {
    let standing = desk.safety.standing();
    let sees = |place: &Place| sees(&desk, &view, place);
    let dangers = standing.dangers.iter().filter(|(key, ..)| sees(&key.place)).map(|(key, open, name)| DangerLine {
        words: danger_words(&view, key.danger),
        name: name.clone(),
        path: path_of(&key.place.device.to_string()),
        since: open.since.wall(),
        accepted: open.accepted,
        remembered: open.remembered,
        hushed: open.hushed,
    });
    let setting = standing.pursuits.iter().filter(|(place, ..)| sees(place)).map(|(place, pursuit, _)| SettingLine {
        words: set_words(&desk, &view, place, &pursuit.value),
        path: path_of(&place.device.to_string()),
        confirmed: pursuit.confirmed,
        tries: pursuit.tries,
        error: pursuit.error.clone(),
        test: pursuit.is_test(),
    });
    let rules = || standing.rules.iter().filter(|rule| rule.places().all(sees));
    let name_of = |id: &str| {
        let rule = rules().find(|rule| rule.id == id);
        rule.map_or_else(|| view.t("page-somebody-gone"), |rule| rule_line(&desk, &view, rule).name)
    };
    let tests = standing.tests.iter().take(3).map(|run| TestLine {
        rule: name_of(&run.rule),
        at: run.at.wall(),
        in_earnest: run.in_earnest,
        done: run.done,
        steps: run
            .steps
            .iter()
            .filter(|step| sees(&step.target.place))
            .map(|step| {
                let outcome = match &step.outcome {
                    Outcome::Would => view.t("page-test-would"),
                    Outcome::Said { tries } => view.t1("page-test-said", "tries", tries),
                    Outcome::NotSaid(why) => view.t1("page-test-not-said", "why", why),
                    Outcome::Confirmed => view.t("page-test-confirmed"),
                };
                (set_words(&desk, &view, &step.target.place, &step.target.value), outcome)
            })
            .collect(),
    });
    let is_calm = alarms::is_calm(&standing);
    shown(&SafetyPage {
        sensors: standing.sensors,
        valves: standing.valves,
        sirens: standing.sirens,
        dangers: dangers.collect(),
        setting: setting.collect(),
        rules: rules().map(|rule| rule_line(&desk, &view, rule)).collect(),
        tests: tests.collect(),
        calm: is_calm && standing.sensors > 0,
        commands: view.may(Verb::Command, &Object::all(Kind::Safety)),
        edits: view.may(Verb::Edit, &Object::all(Kind::Safety)),
        v: view,
    })
}

pub async fn test(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    Path(rule): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let in_earnest = form.is("earnest");
    match try_out(&desk, &caller, &rule, in_earnest).await {
        Ok(_) => {
            note.change("in-earnest", None, Some(in_earnest.to_string()));
            Ok(go("/safety#tests"))
        }
        Err(NotTried::Refused(Refusal::StepUp)) => Ok(go("/step-up")),
        Err(NotTried::Refused(refusal)) => Err(Fault::Refused(refusal)),
        Err(NotTried::Safety(error)) => Err(error.into()),
    }
}

pub async fn switch(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(rule): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let on = form.text("on") == "yes";
    let before = desk.safety.standing().rules.iter().find(|other| other.id == rule).map(|rule| rule.is_on);
    desk.safety.switch_rule(&rule, on).await?;
    note.change("on", before.map(|before| before.to_string()), Some(on.to_string()));
    Ok(go("/safety"))
}

pub async fn remove(State(desk): State<Desk>, Path(rule): Path<String>, _form: Form) -> Result<Response, Fault> {
    desk.safety.remove_rule(&rule).await?;
    Ok(go("/safety"))
}

pub async fn hush(State(desk): State<Desk>, _form: Form) -> Result<Response, Fault> {
    desk.safety.hush().await?;
    Ok(go("/safety"))
}
