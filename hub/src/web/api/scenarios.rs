//! Scenarios: what there is, how each stands and what it did; kept, switched, started, tried out; their files. What one may
//! do is asked by the room, step by step, as whoever saves it.
//!
//! A little over 500 lines because the shapes of forms and answers stand beside the calls that take and give them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_config::Language;
use domovoi_model::{Id, Moment};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done, MAX_BODY, scenario_presets};
use crate::audit::Note;
use crate::policy::{Kind, Refusal, Verb};
use crate::scenarios::toml::{self, TomlWrong};
use crate::scenarios::{DryRun, Line, RunView, Saved, Scenario, ScenarioPaper, ScenarioView, ScenariosError};
use crate::web::scenario_words::Speaker;
use crate::web::{Caller, Desk, Doors, rule};

/// How many runs are listed where nobody says.
const USUAL_RUNS: u32 = 50;
const MOST_RUNS: u32 = 500;

/// The doors of scenarios.
pub fn doors(desk: &Desk) -> Doors {
    use Verb::{Command, Edit, Export, See};
    const KIND: Kind = Kind::Scenario;
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    let one = |verb| rule(verb, KIND).which("scenario");
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/scenarios", rule(See, KIND), list)
        .door(post, "/api/v1/scenarios", rule(Edit, KIND).deed("scenario.added"), add)
        .door(post, "/api/v1/scenarios/import", rule(Edit, KIND).deed("scenario.imported"), import)
        .door(post, "/api/v1/scenarios/dry-run", rule(Edit, KIND), dry_run_of)
        .door(get, "/api/v1/scenarios/presets", rule(Edit, KIND), scenario_presets::list)
        .door(post, "/api/v1/scenarios/presets/{preset}", rule(Edit, KIND), scenario_presets::make)
        .door(get, "/api/v1/scenarios/{scenario}", one(See), show)
        .door(put, "/api/v1/scenarios/{scenario}", one(Edit).deed("scenario.changed"), change)
        .door(delete, "/api/v1/scenarios/{scenario}", one(Edit).deed("scenario.removed"), remove)
        .door(put, "/api/v1/scenarios/{scenario}/on", one(Edit).deed("scenario.switched"), switch)
        .door(get, "/api/v1/scenarios/{scenario}/export", one(Export), export)
        .door(get, "/api/v1/scenarios/{scenario}/runs", one(See), runs_of)
        .door(post, "/api/v1/scenarios/{scenario}/runs", one(Command).deed("scenario.started"), start)
        .door(post, "/api/v1/scenarios/{scenario}/dry-run", one(See), dry_run)
        .door(get, "/api/v1/runs", rule(See, KIND), runs)
        .door(get, "/api/v1/runs/{run}", rule(See, KIND), trace)
        .door(delete, "/api/v1/runs/{run}", rule(Command, KIND).deed("scenario.stopped"), stop)
}

/// A problem of scenarios, in the caller's language.
pub fn told(desk: &Desk, error: ScenariosError, language: Language) -> ApiProblem {
    let text = Speaker::new(desk, language).error(&error);
    match error {
        ScenariosError::NoSuch(_) => ApiProblem::not_found(text),
        ScenariosError::Wrong(_) => ApiProblem::invalid(text),
        ScenariosError::Refused { refusal: Refusal::StepUp, .. } => {
            ApiProblem::new(StatusCode::FORBIDDEN, "step-up", text)
        }
        ScenariosError::Refused { refusal, .. } => ApiProblem::new(StatusCode::FORBIDDEN, refusal.code(), text),
        ScenariosError::Full(_) => ApiProblem::refused(text),
        ScenariosError::Busy => ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, "busy", text),
        ScenariosError::Store(error) => error.into(),
    }
}

/// What is wrong in a file: the line stands before the field.
fn told_of_file(wrong: &TomlWrong) -> ApiProblem {
    ApiProblem::invalid(wrong.to_string())
}

/// The scenario that a path names: by its id, or by a name that only one has.
pub fn find(desk: &Desk, text: &str) -> Result<ScenarioView, ScenariosError> {
    if let Some(view) = text.parse::<Id>().ok().and_then(|id| desk.scenarios.get(id)) {
        return Ok(view);
    }
    let wanted = text.trim().to_lowercase();
    let mut named = desk.scenarios.list().into_iter().filter(|view| view.scenario.name.to_lowercase() == wanted);
    match (named.next(), named.next()) {
        (Some(view), None) => Ok(view),
        _ => Err(ScenariosError::NoSuch("scenario")),
    }
}

fn run_id(text: &str) -> Result<Id, ScenariosError> {
    text.parse().map_err(|_| ScenariosError::NoSuch("run"))
}

fn spelled(moment: Moment) -> Option<String> {
    moment.wall().map(|at| at.to_string())
}

/// All scenarios, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScenariosAnswer {
    pub scenarios: Vec<ScenarioAnswer>,
}

/// A scenario and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScenarioAnswer {
    pub id: String,
    pub name: String,
    pub is_on: bool,
    /// Whoever saved it last, and as whom it acts.
    pub author: Option<String>,
    pub author_name: Option<String>,
    pub changed_at: String,
    /// How many runs are under way, and how many wait for their turn.
    pub running: usize,
    pub queued: usize,
    pub last: Option<LastAnswer>,
    /// When the clock begins it next.
    pub next_at: Option<String>,
    /// What begins it, in words.
    pub begins: Vec<String>,
}

/// How its last run ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastAnswer {
    pub run: String,
    pub at: Option<String>,
    /// `done`, `failed`, `stopped`, `restarted`, `too-long`, `changed`, `not-so`, `busy`, `too-often`, `too-deep`, `missed`,
    /// `not-allowed`
    pub end: &'static str,
    pub words: String,
}

impl ScenarioAnswer {
    fn of(desk: &Desk, view: &ScenarioView, language: Language) -> Self {
        let (scenario, speaker) = (&view.scenario, Speaker::new(desk, language));
        ScenarioAnswer {
            id: scenario.id.to_string(),
            name: scenario.name.clone(),
            is_on: scenario.is_on,
            author: scenario.author.map(|author| author.to_string()),
            author_name: scenario.author.map(|author| speaker.person(author)),
            changed_at: scenario.changed_at.to_string(),
            running: view.running,
            queued: view.queued,
            last: view.last.as_ref().map(|last| LastAnswer {
                run: last.run.to_string(),
                at: spelled(last.at),
                end: last.end.code(),
                words: speaker.end(last.end),
            }),
            next_at: view.next_at.map(|at| at.to_string()),
            begins: scenario.triggers.iter().map(|trigger| speaker.trigger(trigger)).collect(),
        }
    }
}

/// A scenario, whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScenarioWhole {
    #[serde(flatten)]
    pub standing: ScenarioAnswer,
    /// As it is written down: what `PUT` takes.
    pub scenario: ScenarioPaper,
    /// What must be so, in words.
    pub conditions: Vec<String>,
    /// What it does, in words.
    pub steps: Vec<StepAnswer>,
}

/// A step in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepAnswer {
    /// Where it stands: `actions[2].branches[0].then[0]`.
    pub path: String,
    pub depth: usize,
    pub words: String,
}

impl ScenarioWhole {
    fn of(desk: &Desk, view: &ScenarioView, language: Language) -> Self {
        let (scenario, speaker) = (&view.scenario, Speaker::new(desk, language));
        let steps = speaker.steps(&scenario.actions);
        ScenarioWhole {
            standing: ScenarioAnswer::of(desk, view, language),
            scenario: ScenarioPaper::from(&**scenario),
            conditions: scenario.conditions.iter().map(|one| speaker.condition(one)).collect(),
            steps: steps
                .into_iter()
                .map(|step| StepAnswer { path: step.path, depth: step.depth, words: step.words })
                .collect(),
        }
    }
}

/// What was kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedAnswer {
    pub id: String,
    pub scenario: ScenarioPaper,
    /// Secret addresses that were made for it: told now and never again. `POST` to one begins it.
    pub addresses: Vec<AddressAnswer>,
}

/// A secret address.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressAnswer {
    /// The trigger's id.
    pub trigger: String,
    pub address: String,
}

/// Where a secret address is called.
pub fn address(desk: &Desk, secret: &str) -> String {
    let origin = desk.front.origins.first().map(String::as_str).unwrap_or_default();
    format!("{origin}/hooks/scenarios/{secret}")
}

impl SavedAnswer {
    fn of(desk: &Desk, saved: &Saved) -> Self {
        let of = |(trigger, secret): &(String, domovoi_vault::Secret<String>)| AddressAnswer {
            trigger: trigger.clone(),
            address: address(desk, secret.expose()),
        };
        SavedAnswer {
            id: saved.scenario.id.to_string(),
            scenario: ScenarioPaper::from(&*saved.scenario),
            addresses: saved.webhooks.iter().map(of).collect(),
        }
    }
}

/// Whether it is on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnForm {
    pub on: bool,
}

/// Runs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunsAnswer {
    pub runs: Vec<RunAnswer>,
}

/// A run: under way, over, or one that did not begin.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunAnswer {
    pub run: String,
    pub scenario: String,
    pub name: String,
    /// The trigger's id; `hand`, `scenario` or `webhook` where there is none.
    pub trigger: String,
    /// What began it, in words.
    pub begun_by: String,
    pub cause: String,
    pub began: Option<String>,
    pub ended: Option<String>,
    /// `null` while it is under way.
    pub end: Option<&'static str>,
    pub words: Option<String>,
    /// Where it is: `3.then.1`.
    pub path: String,
    pub waits_until: Option<String>,
    /// So many in a row ended like this one.
    pub times: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineAnswer>,
}

/// A line of a trace.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineAnswer {
    pub at: Option<String>,
    /// Of which step; `if.2` for conditions.
    pub path: String,
    /// `began`, `so`, `not-so`, `unknown`, `doing`, `did`, `did-not`, `waits`, …
    pub what: &'static str,
    pub said: String,
    /// In words.
    pub words: String,
}

pub fn line_answer(speaker: &Speaker<'_>, scenario: Option<&Scenario>, line: &Line) -> LineAnswer {
    LineAnswer {
        at: spelled(line.at),
        path: line.path.clone(),
        what: line.what.code(),
        said: line.said.clone(),
        words: speaker.line(scenario, line),
    }
}

impl RunAnswer {
    fn of(desk: &Desk, run: &RunView, language: Language) -> Self {
        let speaker = Speaker::new(desk, language);
        let view = desk.scenarios.get(run.scenario);
        let scenario = view.as_ref().map(|view| &*view.scenario);
        RunAnswer {
            run: run.id.to_string(),
            scenario: run.scenario.to_string(),
            name: speaker.scenario(run.scenario),
            trigger: run.trigger.clone(),
            begun_by: speaker.began_by(scenario, run),
            cause: run.cause.clone(),
            began: spelled(run.began),
            ended: run.ended.and_then(spelled),
            end: run.end.map(crate::scenarios::End::code),
            words: run.end.map(|end| speaker.end(end)),
            path: run.path.clone(),
            waits_until: run.waits_until.map(|at| at.to_string()),
            times: run.times,
            lines: run.lines.iter().map(|line| line_answer(&speaker, scenario, line)).collect(),
        }
    }
}

/// What would happen if it began now.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunAnswer {
    pub begins: bool,
    pub lines: Vec<LineAnswer>,
}

/// By which trigger.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRunForm {
    /// As if it had begun by this trigger; by hand, if nothing is said.
    #[serde(default)]
    pub trigger: Option<String>,
}

/// Something that need not be saved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRunOfForm {
    pub scenario: ScenarioPaper,
    #[serde(default)]
    pub trigger: Option<String>,
}

fn dried(desk: &Desk, scenario: &Scenario, dry: &DryRun, language: Language) -> DryRunAnswer {
    let speaker = Speaker::new(desk, language);
    let lines = dry.lines.iter().map(|line| line_answer(&speaker, Some(scenario), line));
    DryRunAnswer { begins: dry.begins, lines: lines.collect() }
}

/// How many runs.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunsQuery {
    /// At most so many, 1 to 500; 50 if nothing is said.
    limit: Option<u32>,
}

impl RunsQuery {
    fn most(&self) -> Result<u32, ApiProblem> {
        let limit = self.limit.unwrap_or(USUAL_RUNS);
        if (1..=MOST_RUNS).contains(&limit) { Ok(limit) } else { Err(ApiProblem::invalid("limit: 1 to 500")) }
    }
}

/// All scenarios, by name.
#[utoipa::path(get, path = "/api/v1/scenarios", tag = "scenarios", responses((status = 200, body = ScenariosAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<ScenariosAnswer> {
    let all = desk.scenarios.list();
    let scenarios = all.iter().map(|view| ScenarioAnswer::of(&desk, view, caller.language)).collect();
    Json(ScenariosAnswer { scenarios })
}

/// One scenario, whole; by its id, or by a name that only one has.
#[utoipa::path(get, path = "/api/v1/scenarios/{scenario}", tag = "scenarios", responses((status = 200, body = ScenarioWhole)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
) -> Result<Json<ScenarioWhole>, ApiProblem> {
    let view = find(&desk, &scenario).map_err(|error| told(&desk, error, caller.language))?;
    Ok(Json(ScenarioWhole::of(&desk, &view, caller.language)))
}

async fn save(desk: &Desk, caller: &Caller, note: &Note, scenario: Scenario) -> Result<SavedAnswer, ApiProblem> {
    let before = desk.scenarios.get(scenario.id).map(|view| view.scenario.name.clone());
    let saved = desk.scenarios.save(&caller.who, scenario).await;
    let saved = saved.map_err(|error| told(desk, error, caller.language))?;
    note.change("name", before, Some(saved.scenario.name.clone()));
    Ok(SavedAnswer::of(desk, &saved))
}

/// Keeps a new scenario, with the caller as its author. Each step is asked of the policy as theirs; what is dangerous wants
/// a factor shown lately.
#[utoipa::path(post, path = "/api/v1/scenarios", tag = "scenarios", request_body = ScenarioPaper, responses((status = 201, body = SavedAnswer)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(paper): Json<ScenarioPaper>,
) -> Result<(StatusCode, Json<SavedAnswer>), ApiProblem> {
    let paper = ScenarioPaper { id: None, ..paper };
    let scenario = desk.scenarios.read(&paper);
    let scenario = scenario.map_err(|wrong| told(&desk, wrong.into(), caller.language))?;
    Ok((StatusCode::CREATED, Json(save(&desk, &caller, &note, scenario).await?)))
}

/// Keeps a scenario in the place of the one with this id. Runs that are under way end.
#[utoipa::path(put, path = "/api/v1/scenarios/{scenario}", tag = "scenarios", request_body = ScenarioPaper, responses((status = 200, body = SavedAnswer)))]
pub async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
    Extension(note): Extension<Note>,
    Json(paper): Json<ScenarioPaper>,
) -> Result<Json<SavedAnswer>, ApiProblem> {
    let wrong = |error| told(&desk, error, caller.language);
    let before = find(&desk, &scenario).map_err(wrong)?;
    let paper = ScenarioPaper { id: Some(before.scenario.id.to_string()), ..paper };
    let scenario = desk.scenarios.read(&paper).map_err(|error| wrong(error.into()))?;
    Ok(Json(save(&desk, &caller, &note, scenario).await?))
}

/// Forgets a scenario; its runs are stopped.
#[utoipa::path(delete, path = "/api/v1/scenarios/{scenario}", tag = "scenarios", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let wrong = |error| told(&desk, error, caller.language);
    let before = find(&desk, &scenario).map_err(wrong)?;
    desk.scenarios.delete(before.scenario.id).await.map_err(wrong)?;
    note.change("name", Some(before.scenario.name.clone()), None);
    Ok(Done::json())
}

/// Whether its triggers begin anything, from now on.
#[utoipa::path(put, path = "/api/v1/scenarios/{scenario}/on", tag = "scenarios", request_body = OnForm, responses((status = 200, body = ScenarioAnswer)))]
pub async fn switch(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<OnForm>,
) -> Result<Json<ScenarioAnswer>, ApiProblem> {
    let wrong = |error| told(&desk, error, caller.language);
    let before = find(&desk, &scenario).map_err(wrong)?;
    desk.scenarios.switch(before.scenario.id, form.on).await.map_err(wrong)?;
    note.change("name", None, Some(before.scenario.name.clone()));
    note.change("on", Some(before.scenario.is_on.to_string()), Some(form.on.to_string()));
    let view = find(&desk, &before.scenario.id.to_string()).map_err(wrong)?;
    Ok(Json(ScenarioAnswer::of(&desk, &view, caller.language)))
}

/// A scenario as a TOML file, which `import` takes back.
#[utoipa::path(get, path = "/api/v1/scenarios/{scenario}/export", tag = "scenarios", responses((status = 200, content_type = "application/toml", body = String)))]
pub async fn export(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
) -> Result<Response, ApiProblem> {
    let view = find(&desk, &scenario).map_err(|error| told(&desk, error, caller.language))?;
    let text = toml::write(&ScenarioPaper::from(&*view.scenario));
    Ok(([(header::CONTENT_TYPE, "application/toml; charset=utf-8")], text).into_response())
}

/// Keeps the scenario of a TOML file: in the place of the one with its id, or as a new one.
#[utoipa::path(post, path = "/api/v1/scenarios/import", tag = "scenarios", request_body(content = String, content_type = "application/toml"), responses((status = 201, body = SavedAnswer)))]
pub async fn import(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    body: Bytes,
) -> Result<(StatusCode, Json<SavedAnswer>), ApiProblem> {
    let text = std::str::from_utf8(&body).map_err(|_| ApiProblem::invalid("the file is not UTF-8"))?;
    let read = toml::read(text).map_err(|wrong| told_of_file(&wrong))?;
    let scenario = desk.scenarios.read(&read.paper).map_err(|wrong| told_of_file(&read.locate(wrong)))?;
    Ok((StatusCode::CREATED, Json(save(&desk, &caller, &note, scenario).await?)))
}

/// Runs of one scenario, the newest first, without their lines.
#[utoipa::path(get, path = "/api/v1/scenarios/{scenario}/runs", tag = "scenarios", params(RunsQuery), responses((status = 200, body = RunsAnswer)))]
pub async fn runs_of(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
    Query(query): Query<RunsQuery>,
) -> Result<Json<RunsAnswer>, ApiProblem> {
    let view = find(&desk, &scenario).map_err(|error| told(&desk, error, caller.language))?;
    listed(&desk, &caller, Some(view.scenario.id), &query).await
}

/// Runs of all scenarios, the newest first, without their lines.
#[utoipa::path(get, path = "/api/v1/runs", tag = "scenarios", params(RunsQuery), responses((status = 200, body = RunsAnswer)))]
pub async fn runs(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<RunsQuery>,
) -> Result<Json<RunsAnswer>, ApiProblem> {
    listed(&desk, &caller, None, &query).await
}

async fn listed(
    desk: &Desk,
    caller: &Caller,
    scenario: Option<Id>,
    query: &RunsQuery,
) -> Result<Json<RunsAnswer>, ApiProblem> {
    let runs = desk.scenarios.runs(scenario, query.most()?).await;
    let runs = runs.map_err(|error| told(desk, error, caller.language))?;
    let brief = |run: &RunView| RunAnswer { lines: Vec::new(), ..RunAnswer::of(desk, run, caller.language) };
    Ok(Json(RunsAnswer { runs: runs.iter().map(brief).collect() }))
}

/// Begins a scenario by hand, whether it is on or off.
#[utoipa::path(post, path = "/api/v1/scenarios/{scenario}/runs", tag = "scenarios", responses((status = 201, body = RunAnswer)))]
pub async fn start(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<(StatusCode, Json<RunAnswer>), ApiProblem> {
    let wrong = |error| told(&desk, error, caller.language);
    let view = find(&desk, &scenario).map_err(wrong)?;
    note.change("name", None, Some(view.scenario.name.clone()));
    let run = desk.scenarios.start(caller.who.person(), view.scenario.id).await.map_err(wrong)?;
    Ok((StatusCode::CREATED, Json(RunAnswer::of(&desk, &run, caller.language))))
}

/// What would happen if it began now. Nothing is done.
#[utoipa::path(post, path = "/api/v1/scenarios/{scenario}/dry-run", tag = "scenarios", request_body = DryRunForm, responses((status = 200, body = DryRunAnswer)))]
pub async fn dry_run(
    State(desk): State<Desk>,
    caller: Caller,
    Path(scenario): Path<String>,
    Json(form): Json<DryRunForm>,
) -> Result<Json<DryRunAnswer>, ApiProblem> {
    let view = find(&desk, &scenario).map_err(|error| told(&desk, error, caller.language))?;
    let dry = desk.scenarios.dry_run(&view.scenario, form.trigger.as_deref());
    Ok(Json(dried(&desk, &view.scenario, &dry, caller.language)))
}

/// The same of a scenario that need not be saved.
#[utoipa::path(post, path = "/api/v1/scenarios/dry-run", tag = "scenarios", request_body = DryRunOfForm, responses((status = 200, body = DryRunAnswer)))]
pub async fn dry_run_of(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<DryRunOfForm>,
) -> Result<Json<DryRunAnswer>, ApiProblem> {
    let mut scenario =
        desk.scenarios.read(&form.scenario).map_err(|wrong| told(&desk, wrong.into(), caller.language))?;
    scenario.author = caller.who.person();
    let dry = desk.scenarios.dry_run(&scenario, form.trigger.as_deref());
    Ok(Json(dried(&desk, &scenario, &dry, caller.language)))
}

/// One run with all of its lines.
#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "scenarios", responses((status = 200, body = RunAnswer)))]
pub async fn trace(
    State(desk): State<Desk>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<RunAnswer>, ApiProblem> {
    let wrong = |error| told(&desk, error, caller.language);
    let run = desk.scenarios.trace(run_id(&run).map_err(wrong)?).await.map_err(wrong)?;
    Ok(Json(RunAnswer::of(&desk, &run, caller.language)))
}

/// Stops a run where it is.
#[utoipa::path(delete, path = "/api/v1/runs/{run}", tag = "scenarios", responses((status = 200, body = Done)))]
pub async fn stop(
    State(desk): State<Desk>,
    caller: Caller,
    Path(run): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let wrong = |error| told(&desk, error, caller.language);
    let id = run_id(&run).map_err(wrong)?;
    let run = desk.scenarios.trace(id).await.map_err(wrong)?;
    desk.scenarios.stop_run(id).await.map_err(wrong)?;
    note.change("name", None, Some(Speaker::new(&desk, caller.language).scenario(run.scenario)));
    Ok(Done::json())
}
