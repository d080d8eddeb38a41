//! Safety: the rules of the reflex, what is open, what is being set; trying a rule out; hushing. What was closed is opened
//! by a person, as a command to the device.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::devices::may;
use super::{ApiProblem, Done, MAX_BODY};
use crate::audit::Note;
use crate::policy::{Kind, Verb};
use crate::safety::{Answer, Danger, Outcome, Place, Rule, SafetyError, Sensors, TestRun, is_built_in};
use crate::web::trial::{NotTried, try_out};
use crate::web::{Caller, Desk, Doors, problem, rule};

/// What the house does by itself in danger.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::Safety;
    use Verb::{Command, Edit, See};
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/safety", rule(See, Safety), show)
        .door(post, "/api/v1/safety/rules", rule(Edit, Safety).dangerous().deed("safety-rule.added"), add)
        .door(
            put,
            "/api/v1/safety/rules/{rule}",
            rule(Edit, Safety).which("rule").dangerous().deed("safety-rule.switched"),
            switch,
        )
        .door(
            delete,
            "/api/v1/safety/rules/{rule}",
            rule(Edit, Safety).which("rule").dangerous().deed("safety-rule.removed"),
            remove,
        )
        .door(
            post,
            "/api/v1/safety/rules/{rule}/tests",
            rule(Command, Safety).which("rule").deed("safety-rule.tested"),
            test,
        )
        .door(get, "/api/v1/safety/tests/{test}", rule(See, Safety), test_shown)
        // Without a proof: a siren that sounds at night is silenced by whoever stands under it.
        .door(post, "/api/v1/safety/hush", rule(Command, Safety).deed("safety.hushed"), hush)
}

/// A property of a device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceView {
    /// `dialect:id`, or a name that only one device has.
    pub device: String,
    /// In a list of sensors: nothing is all of the device.
    #[serde(default)]
    pub property: String,
}

/// What a rule does; exactly one of these.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerView {
    /// Closes every accepted valve: `home`, or a room by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_valves: Option<String>,
    /// Sounds every accepted siren: `home`, or a room by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound_sirens: Option<String>,
    /// Sets this property to `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<PlaceView>,
    /// A value as a person writes it: `on`, `21.5`, `OPEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A new rule.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// `gas`, `carbon-monoxide`, `smoke`, `water-leak`, `freezing`, `silence`
    pub danger: String,
    /// Only these sensors.
    #[serde(default)]
    pub sensors: Vec<PlaceView>,
    /// Only the sensors of this room, by id or name. Without it and without `sensors`: every accepted one.
    #[serde(default)]
    pub room: Option<String>,
    /// For `freezing`: at and below so many °C.
    #[serde(default)]
    pub below: Option<String>,
    /// For `silence`: after so many seconds; 25 hours if nothing is said.
    #[serde(default)]
    #[schema(minimum = 300, maximum = 2678400)]
    pub silent_after_s: Option<u32>,
    /// What it does, besides raising the alert.
    #[serde(default)]
    pub answers: Vec<AnswerView>,
}

/// A rule is switched.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchForm {
    pub on: bool,
}

/// A test.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestForm {
    /// Do it: close, cut, sound. Without it, it is only told.
    #[serde(default)]
    pub in_earnest: bool,
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    pub id: String,
    /// Empty for a built-in one.
    pub name: String,
    pub built_in: bool,
    pub on: bool,
    pub danger: &'static str,
    pub sensors: Vec<PlaceView>,
    pub room: Option<String>,
    pub below: Option<String>,
    pub silent_after_s: Option<u32>,
    pub answers: Vec<AnswerView>,
}

/// A danger that is not over.
#[derive(Debug, Serialize, ToSchema)]
pub struct DangerView {
    pub danger: &'static str,
    pub device: String,
    /// What the device is called.
    pub name: String,
    pub property: String,
    pub value: String,
    pub since: Option<String>,
    /// Whether somebody accepted the sensor; if nobody did, nothing is closed.
    pub accepted: bool,
    /// It is from before the hub's restart, and the sensor has not spoken since.
    pub remembered: bool,
    pub hushed: bool,
}

/// Something that the reflex sets, and holds set while the danger lasts.
#[derive(Debug, Serialize, ToSchema)]
pub struct PursuitView {
    pub device: String,
    pub name: String,
    pub property: String,
    pub value: String,
    pub danger: &'static str,
    pub tries: u32,
    /// The device's own report says that it is so.
    pub confirmed: bool,
    /// Why it could not be said the last time.
    pub error: Option<String>,
    /// Only a test wants it.
    pub test: bool,
    pub since: Option<String>,
}

/// A test.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestView {
    pub id: u64,
    pub rule: String,
    pub danger: &'static str,
    pub in_earnest: bool,
    pub at: Option<String>,
    /// It has ended: everything was confirmed, or half a minute has passed.
    pub done: bool,
    pub steps: Vec<TestStepView>,
}

/// One thing that a test sets.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestStepView {
    pub device: String,
    pub name: String,
    pub property: String,
    pub value: String,
    /// `would`, `said`, `not-said`, `confirmed`
    pub outcome: &'static str,
    pub tries: u32,
    /// Why it could not be said.
    pub why: Option<String>,
}

/// How the reflex stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct SafetyView {
    /// Accepted sensors, valves and sirens.
    pub sensors: usize,
    pub valves: usize,
    pub sirens: usize,
    pub rules: Vec<RuleView>,
    pub dangers: Vec<DangerView>,
    pub setting: Vec<PursuitView>,
    pub tests: Vec<TestView>,
    /// Dangers of unknown devices, of which there were too many to keep.
    pub strangers_beyond: u64,
}

impl From<SafetyError> for ApiProblem {
    fn from(error: SafetyError) -> Self {
        let text = error.to_string();
        match error {
            SafetyError::NoRule => ApiProblem::not_found(text),
            SafetyError::Rule(_) => ApiProblem::invalid(text),
            SafetyError::Full | SafetyError::BuiltIn => ApiProblem::refused(text),
            SafetyError::Stopping => ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", text),
            SafetyError::Store(error) => error.into(),
        }
    }
}

fn place_view(place: &Place) -> PlaceView {
    PlaceView { device: place.device.to_string(), property: place.property.clone() }
}

pub(super) fn rule_view(rule: &Rule) -> RuleView {
    let room = |room: &Option<String>| Some(room.clone().unwrap_or_else(|| WHOLE_HOME.to_owned()));
    let answer = |answer: &Answer| match answer {
        Answer::Valves(of) => AnswerView { close_valves: room(of), ..AnswerView::default() },
        Answer::Sirens(of) => AnswerView { sound_sirens: room(of), ..AnswerView::default() },
        Answer::Set(place, value) => {
            AnswerView { set: Some(place_view(place)), value: Some(value.to_string()), ..AnswerView::default() }
        }
    };
    let (sensors, room) = match &rule.sensors {
        Sensors::Any => (Vec::new(), None),
        Sensors::Room(room) => (Vec::new(), Some(room.clone())),
        Sensors::These(places) => (places.iter().map(place_view).collect(), None),
    };
    RuleView {
        id: rule.id.clone(),
        name: rule.name.clone(),
        built_in: is_built_in(&rule.id),
        on: rule.is_on,
        danger: rule.danger.code(),
        sensors,
        room,
        below: rule.below.map(|below| below.to_string()),
        silent_after_s: rule.silent_after_s,
        answers: rule.answers.iter().map(answer).collect(),
    }
}

/// Whether the caller may see a property of a device: a list of dangers shows no more of the home than a list of devices.
pub(super) fn sees(desk: &Desk, caller: &Caller, place: &Place) -> bool {
    let property = Some(place.property.as_str()).filter(|property| !property.is_empty());
    may(desk, caller, Verb::See, &place.device, property).is_allowed()
}

/// Whether the caller may see everything that a rule names.
fn sees_rule(desk: &Desk, caller: &Caller, rule: &Rule) -> bool {
    rule.places().all(|place| sees(desk, caller, place))
}

fn test_view(desk: &Desk, caller: &Caller, run: &TestRun) -> TestView {
    let home = &desk.safety.standing().home;
    let steps = run.steps.iter().filter(|step| sees(desk, caller, &step.target.place)).map(|step| {
        let (outcome, tries, why) = match &step.outcome {
            Outcome::Would => ("would", 0, None),
            Outcome::Said { tries } => ("said", *tries, None),
            Outcome::NotSaid(why) => ("not-said", 0, Some(why.clone())),
            Outcome::Confirmed => ("confirmed", 0, None),
        };
        let place = &step.target.place;
        TestStepView {
            device: place.device.to_string(),
            name: home.name(&place.device),
            property: place.property.clone(),
            value: step.target.value.to_string(),
            outcome,
            tries,
            why,
        }
    });
    TestView {
        id: run.id,
        rule: run.rule.clone(),
        danger: run.danger.code(),
        in_earnest: run.in_earnest,
        at: run.at.wall().map(|at| at.to_string()),
        done: run.done,
        steps: steps.collect(),
    }
}

/// What stands for the whole home where a room can be named.
const WHOLE_HOME: &str = "home";

fn room_of(desk: &Desk, text: &str) -> Result<String, ApiProblem> {
    let room = desk.devices.find_room(text).ok_or_else(|| ApiProblem::invalid(format!("there is no room «{text}»")))?;
    Ok(room.id.to_string())
}

fn whole_or_room(desk: &Desk, text: &str) -> Result<Option<String>, ApiProblem> {
    if text == WHOLE_HOME { Ok(None) } else { room_of(desk, text).map(Some) }
}

fn place_of(desk: &Desk, view: &PlaceView) -> Result<Place, ApiProblem> {
    let unknown = || ApiProblem::invalid(format!("there is no device «{}», or several are called so", view.device));
    let device = desk.devices.find(&view.device).ok_or_else(unknown)?;
    let is_known = view.property.is_empty() || desk.ingest.directory().property(&device, &view.property).is_some();
    if !is_known {
        return Err(ApiProblem::invalid(format!("«{}» has no property «{}»", view.device, view.property)));
    }
    Ok(Place::new(device, view.property.clone()))
}

fn answer_of(desk: &Desk, view: &AnswerView) -> Result<Answer, ApiProblem> {
    match view {
        AnswerView { close_valves: Some(room), sound_sirens: None, set: None, value: None } => {
            Ok(Answer::Valves(whole_or_room(desk, room)?))
        }
        AnswerView { close_valves: None, sound_sirens: Some(room), set: None, value: None } => {
            Ok(Answer::Sirens(whole_or_room(desk, room)?))
        }
        AnswerView { close_valves: None, sound_sirens: None, set: Some(place), value: Some(value) } => {
            let place = place_of(desk, place)?;
            let value = desk.devices.read_value(&place.device, &place.property, value);
            Ok(Answer::Set(place, value))
        }
        _ => Err(ApiProblem::invalid("an answer is `close_valves`, `sound_sirens`, or `set` with a `value`")),
    }
}

fn rule_of(desk: &Desk, form: &RuleForm) -> Result<Rule, ApiProblem> {
    let codes: Vec<&str> = Danger::ALL.into_iter().map(Danger::code).collect();
    let danger = Danger::from_code(&form.danger)
        .ok_or_else(|| ApiProblem::invalid(format!("danger: one of {}", codes.join(", "))))?;
    let sensors = match (&form.room, form.sensors.is_empty()) {
        (None, true) => Sensors::Any,
        (Some(room), true) => Sensors::Room(room_of(desk, room)?),
        (None, false) => {
            Sensors::These(form.sensors.iter().map(|view| place_of(desk, view)).collect::<Result<_, _>>()?)
        }
        (Some(_), false) => return Err(ApiProblem::invalid("name sensors or a room, not both")),
    };
    let below = match &form.below {
        None => None,
        Some(text) => Some(text.trim().parse().map_err(|_| ApiProblem::invalid("below: a temperature in °C"))?),
    };
    let mut id = [0u8; 8];
    getrandom::fill(&mut id)
        .map_err(|error| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-randomness", error.to_string()))?;
    Ok(Rule {
        id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
        name: form.name.trim().to_owned(),
        is_on: true,
        danger,
        sensors,
        below,
        silent_after_s: form.silent_after_s,
        answers: form.answers.iter().map(|answer| answer_of(desk, answer)).collect::<Result<_, _>>()?,
    })
}

/// How the reflex stands: rules, dangers, what is being set, tests. Of devices that the caller may not see nothing is told.
#[utoipa::path(get, path = "/api/v1/safety", tag = "safety", responses((status = 200, body = SafetyView)))]
pub async fn show(State(desk): State<Desk>, caller: Caller) -> Json<SafetyView> {
    let standing = desk.safety.standing();
    let sees = |place: &Place| sees(&desk, &caller, place);
    let stamp = |at: domovoi_model::Moment| at.wall().map(|at| at.to_string());
    let dangers = standing.dangers.iter().filter(|(key, _, _)| sees(&key.place)).map(|(key, open, name)| DangerView {
        danger: key.danger.code(),
        device: key.place.device.to_string(),
        name: name.clone(),
        property: key.place.property.clone(),
        value: open.value.to_string(),
        since: stamp(open.since),
        accepted: open.accepted,
        remembered: open.remembered,
        hushed: open.hushed,
    });
    let setting =
        standing.pursuits.iter().filter(|(place, _, _)| sees(place)).map(|(place, pursuit, name)| PursuitView {
            device: place.device.to_string(),
            name: name.clone(),
            property: place.property.clone(),
            value: pursuit.value.to_string(),
            danger: pursuit.danger.code(),
            tries: pursuit.tries,
            confirmed: pursuit.confirmed,
            error: pursuit.error.clone(),
            test: pursuit.is_test(),
            since: stamp(pursuit.since),
        });
    Json(SafetyView {
        sensors: standing.sensors,
        valves: standing.valves,
        sirens: standing.sirens,
        rules: standing.rules.iter().filter(|rule| sees_rule(&desk, &caller, rule)).map(rule_view).collect(),
        dangers: dangers.collect(),
        setting: setting.collect(),
        tests: standing.tests.iter().map(|run| test_view(&desk, &caller, run)).collect(),
        strangers_beyond: standing.strangers_beyond,
    })
}

/// Adds a rule.
#[utoipa::path(post, path = "/api/v1/safety/rules", tag = "safety", request_body = RuleForm, responses((status = 201, body = RuleView)))]
pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Json(form): Json<RuleForm>,
) -> Result<(StatusCode, Json<RuleView>), ApiProblem> {
    let rule = desk.safety.put_rule(rule_of(&desk, &form)?).await?;
    note.change("name", None, Some(rule.name.clone()));
    note.change("danger", None, Some(rule.danger.code().to_owned()));
    note.change("answers", None, serde_json::to_string(&rule_view(&rule).answers).ok());
    Ok((StatusCode::CREATED, Json(rule_view(&rule))))
}

/// Switches a rule on or off.
#[utoipa::path(put, path = "/api/v1/safety/rules/{rule}", tag = "safety", request_body = SwitchForm, responses((status = 200, body = RuleView)))]
pub async fn switch(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<SwitchForm>,
) -> Result<Json<RuleView>, ApiProblem> {
    let before = desk.safety.standing().rules.iter().find(|rule| rule.id == id).map(|rule| rule.is_on);
    let rule = desk.safety.switch_rule(&id, form.on).await?;
    note.change("on", before.map(|before| before.to_string()), Some(form.on.to_string()));
    Ok(Json(rule_view(&rule)))
}

/// Removes a rule of the household. A built-in one is switched off instead.
#[utoipa::path(delete, path = "/api/v1/safety/rules/{rule}", tag = "safety", responses((status = 200, body = Done)))]
pub async fn remove(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Done>, ApiProblem> {
    desk.safety.remove_rule(&id).await?;
    Ok(Done::json())
}

/// Tries a rule out: tells what it would do or, in earnest, does it. What was closed stays closed.
#[utoipa::path(post, path = "/api/v1/safety/rules/{rule}/tests", tag = "safety", request_body = TestForm, responses((status = 201, body = TestView)))]
pub async fn test(
    State(desk): State<Desk>,
    caller: Caller,
    Path(id): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<TestForm>,
) -> Result<(StatusCode, Json<TestView>), ApiProblem> {
    let run = try_out(&desk, &caller, &id, form.in_earnest).await.map_err(|why| match why {
        NotTried::Refused(refusal) => problem(&refusal, caller.language),
        NotTried::Safety(error) => error.into(),
    })?;
    note.change("in-earnest", None, Some(form.in_earnest.to_string()));
    Ok((StatusCode::CREATED, Json(test_view(&desk, &caller, &run))))
}

/// A test, and what came of it so far.
#[utoipa::path(get, path = "/api/v1/safety/tests/{test}", tag = "safety", responses((status = 200, body = TestView)))]
pub async fn test_shown(
    State(desk): State<Desk>,
    caller: Caller,
    Path(id): Path<u64>,
) -> Result<Json<TestView>, ApiProblem> {
    let run = desk.safety.test_run(id).ok_or_else(|| ApiProblem::not_found("there is no such test"))?;
    Ok(Json(test_view(&desk, &caller, &run)))
}

/// Sirens fall silent. What has confirmed that it is closed is not closed again when somebody opens it; what has not
/// confirmed is told to close until it does.
#[utoipa::path(post, path = "/api/v1/safety/hush", tag = "safety", responses((status = 200, body = Done)))]
pub async fn hush(State(desk): State<Desk>) -> Result<Json<Done>, ApiProblem> {
    desk.safety.hush().await?;
    Ok(Done::json())
}
