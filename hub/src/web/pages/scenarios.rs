//! Scenarios: what each did last and will do next; on, off, start; what it does, in words; what happened in a run; a new one
//! from a preset in two steps.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domovoi_model::{Id, Timestamp};

use super::form::Form;
use super::refusal::Fault;
use super::scenario_draft::Draft;
use super::trouble::Trouble;
use super::view::View;
use super::{go, scenario_edit, shown, wrong};
use crate::audit::Note;
use crate::policy::{Kind, Object, Verb};
use crate::scenarios::presets::{self, Ask, PRESETS, Preset};
use crate::scenarios::{RunView, ScenarioPaper, ScenarioView, ScenariosError, toml};
use crate::web::api::scenario_presets::{AnswersForm, asked, choices, made, usual};
use crate::web::api::scenarios::find;
use crate::web::scenario_words::{Speaker, StepLine};
use crate::web::{Caller, Desk, Doors, rule};

/// So many runs a page of a scenario shows.
const RUNS: u32 = 20;

/// The doors of scenarios. The rules are those of the same doors of the API.
pub fn doors(desk: &Desk, most: usize) -> Doors {
    use Verb::{Command, Edit, Export, See};
    let (get, post) = (&Method::GET, &Method::POST);
    let one = |verb| rule(verb, Kind::Scenario).which("scenario");
    let edit = rule(Edit, Kind::Scenario);
    Doors::new(desk, most)
        .door(get, "/scenarios", rule(See, Kind::Scenario), list)
        .door(get, "/scenarios/new", edit, new)
        .door(get, "/scenarios/presets/{preset}", edit, show_preset)
        .door(post, "/scenarios/presets/{preset}", edit, make)
        .door(get, "/scenarios/draft", edit, scenario_edit::resume)
        .door(get, "/scenarios/empty", edit, scenario_edit::new)
        .door(post, "/scenarios/editor", edit, scenario_edit::press)
        .door(post, "/scenarios/saved", edit.deed("scenario.changed"), scenario_edit::save)
        .door(get, "/scenarios/{scenario}", one(See), show)
        .door(get, "/scenarios/{scenario}/edit", one(Edit), scenario_edit::show)
        .door(get, "/scenarios/{scenario}/file", one(Export), file)
        .door(post, "/scenarios/{scenario}/switch", one(Edit).deed("scenario.switched"), switch)
        .door(post, "/scenarios/{scenario}/start", one(Command).deed("scenario.started"), start)
        .door(post, "/scenarios/{scenario}/try", one(See), try_out)
        .door(post, "/scenarios/{scenario}/remove", one(Edit).deed("scenario.removed"), remove)
        .door(get, "/runs/{run}", rule(See, Kind::Scenario), trace)
        .door(post, "/runs/{run}/stop", rule(Command, Kind::Scenario).deed("scenario.stopped"), stop)
}

/// A room's error as a page's.
pub fn fault(error: ScenariosError) -> Fault {
    match error {
        ScenariosError::NoSuch(_) => Fault::NotFound,
        ScenariosError::Store(error) => error.into(),
        ScenariosError::Refused { refusal, .. } => Fault::Refused(refusal),
        ScenariosError::Busy => Fault::Wait(10),
        error @ (ScenariosError::Wrong(_) | ScenariosError::Full(_)) => {
            Fault::Words(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
    }
}

struct ScenarioLine {
    id: String,
    name: String,
    is_on: bool,
    running: bool,
    begins: String,
    last: Option<String>,
    last_at: Option<Timestamp>,
    next_at: Option<Timestamp>,
}

struct RunLine {
    id: String,
    words: String,
    begun_by: String,
    at: Option<Timestamp>,
    is_over: bool,
    times: u32,
}

#[derive(Template)]
#[template(path = "scenarios.html")]
struct ScenariosPage {
    v: View,
    all: Vec<ScenarioLine>,
    commands: bool,
    edits: bool,
}

#[derive(Template)]
#[template(path = "scenario.html")]
struct ScenarioPage {
    v: View,
    line: ScenarioLine,
    note: String,
    author: Option<String>,
    mode: String,
    begins: Vec<String>,
    conditions: Vec<String>,
    steps: Vec<StepLine>,
    runs: Vec<RunLine>,
    made: Vec<String>,
    tried: Option<Vec<String>>,
    commands: bool,
    edits: bool,
    exports: bool,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    v: View,
    scenario: String,
    name: String,
    run: RunLine,
    waits_until: Option<Timestamp>,
    lines: Vec<(Option<Timestamp>, String)>,
    commands: bool,
}

struct PresetLine {
    code: &'static str,
    name: String,
    text: String,
    icon: &'static str,
}

#[derive(Template)]
#[template(path = "scenario-new.html")]
struct NewPage {
    v: View,
    presets: Vec<PresetLine>,
}

struct AskLine {
    key: &'static str,
    kind: &'static str,
    words: String,
    value: String,
    choices: Vec<(String, String, bool)>,
}

#[derive(Template)]
#[template(path = "scenario-preset.html")]
struct PresetPage {
    v: View,
    trouble: Trouble,
    preset: PresetLine,
    asks: Vec<AskLine>,
    name: String,
}

fn line(view: &View, speaker: &Speaker<'_>, one: &ScenarioView) -> ScenarioLine {
    let scenario = &one.scenario;
    let begins: Vec<String> =
        scenario.triggers.iter().filter(|one| one.is_on).map(|trigger| speaker.when(&trigger.when)).collect();
    ScenarioLine {
        id: scenario.id.to_string(),
        name: scenario.name.clone(),
        is_on: scenario.is_on,
        running: one.running > 0,
        begins: if begins.is_empty() { view.t("page-scenario-by-hand-only") } else { begins.join("; ") },
        last: one.last.as_ref().map(|last| speaker.end(last.end)),
        last_at: one.last.as_ref().and_then(|last| last.at.wall()),
        next_at: one.next_at.filter(|_| scenario.is_on),
    }
}

fn run_line(speaker: &Speaker<'_>, scenario: Option<&crate::scenarios::Scenario>, run: &RunView) -> RunLine {
    RunLine {
        id: run.id.to_string(),
        words: run.end.map_or_else(|| speaker.say("page-scenario-under-way", &[]), |end| speaker.end(end)),
        begun_by: speaker.began_by(scenario, run),
        at: run.ended.unwrap_or(run.began).wall(),
        is_over: run.end.is_some(),
        times: run.times,
    }
}

pub async fn list(State(desk): State<Desk>, view: View) -> Response {
    let speaker = Speaker::new(&desk, view.language());
    let all = desk.scenarios.list();
    shown(&ScenariosPage {
        all: all.iter().map(|one| line(&view, &speaker, one)).collect(),
        commands: view.may(Verb::Command, &Object::all(Kind::Scenario)),
        edits: view.may(Verb::Edit, &Object::all(Kind::Scenario)),
        v: view,
    })
}

/// The page of one scenario; with secret addresses that were made just now, or with what would happen.
pub async fn detail(
    desk: &Desk,
    view: View,
    scenario: &str,
    made: Vec<String>,
    tried: Option<Vec<String>>,
) -> Result<Response, Fault> {
    let found = find(desk, scenario).map_err(fault)?;
    let scenario = &found.scenario;
    let speaker = Speaker::new(desk, view.language());
    let runs = desk.scenarios.runs(Some(scenario.id), RUNS).await.map_err(fault)?;
    let object = Object::one(Kind::Scenario, scenario.id.to_string());
    Ok(shown(&ScenarioPage {
        line: line(&view, &speaker, &found),
        note: scenario.note.clone(),
        author: scenario.author.map(|author| speaker.person(author)),
        mode: speaker.mode(scenario.mode),
        begins: scenario.triggers.iter().map(|trigger| speaker.trigger(trigger)).collect(),
        conditions: scenario.conditions.iter().map(|one| speaker.condition(one)).collect(),
        steps: speaker.steps(&scenario.actions),
        runs: runs.iter().map(|run| run_line(&speaker, Some(scenario), run)).collect(),
        made,
        tried,
        commands: view.may(Verb::Command, &object),
        edits: view.may(Verb::Edit, &object),
        exports: view.may(Verb::Export, &object),
        v: view,
    }))
}

pub async fn show(State(desk): State<Desk>, view: View, Path(scenario): Path<String>) -> Result<Response, Fault> {
    detail(&desk, view, &scenario, Vec::new(), None).await
}

/// What would happen if it began now.
pub async fn try_out(
    State(desk): State<Desk>,
    view: View,
    Path(scenario): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let found = find(&desk, &scenario).map_err(fault)?;
    let dry = desk.scenarios.dry_run(&found.scenario, None);
    let speaker = Speaker::new(&desk, view.language());
    let lines = dry.lines.iter().map(|line| speaker.line(Some(&found.scenario), line)).collect();
    detail(&desk, view, &scenario, Vec::new(), Some(lines)).await
}

/// The scenario as a file to take away.
pub async fn file(State(desk): State<Desk>, Path(scenario): Path<String>) -> Result<Response, Fault> {
    let found = find(&desk, &scenario).map_err(fault)?;
    let text = toml::write(&ScenarioPaper::from(&*found.scenario));
    let headers = [
        (header::CONTENT_TYPE, "application/toml; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"scenario.toml\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

pub async fn switch(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(scenario): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let found = find(&desk, &scenario).map_err(fault)?;
    let on = form.text("on") == "yes";
    desk.scenarios.switch(found.scenario.id, on).await.map_err(fault)?;
    note.change("name", None, Some(found.scenario.name.clone()));
    note.change("on", Some(found.scenario.is_on.to_string()), Some(on.to_string()));
    Ok(back(&form, found.scenario.id))
}

/// To the list, or to the page of the scenario.
fn back(form: &Form, id: Id) -> Response {
    if form.text("back") == "list" { go("/scenarios") } else { go(&format!("/scenarios/{id}")) }
}

pub async fn start(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(scenario): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let found = find(&desk, &scenario).map_err(fault)?;
    note.change("name", None, Some(found.scenario.name.clone()));
    let run = desk.scenarios.start(caller.who.person(), found.scenario.id).await.map_err(fault)?;
    match form.text("back") {
        "list" => Ok(go("/scenarios")),
        _ => Ok(go(&format!("/runs/{}", run.id))),
    }
}

pub async fn remove(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(scenario): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let found = find(&desk, &scenario).map_err(fault)?;
    desk.scenarios.delete(found.scenario.id).await.map_err(fault)?;
    note.change("name", Some(found.scenario.name.clone()), None);
    Ok(go("/scenarios"))
}

pub async fn trace(State(desk): State<Desk>, view: View, Path(run): Path<String>) -> Result<Response, Fault> {
    let id: Id = run.parse().map_err(|_| Fault::NotFound)?;
    let run = desk.scenarios.trace(id).await.map_err(fault)?;
    let found = desk.scenarios.get(run.scenario);
    let scenario = found.as_ref().map(|view| &*view.scenario);
    let speaker = Speaker::new(&desk, view.language());
    Ok(shown(&RunPage {
        scenario: run.scenario.to_string(),
        name: speaker.scenario(run.scenario),
        run: run_line(&speaker, scenario, &run),
        waits_until: run.waits_until,
        lines: run.lines.iter().map(|line| (line.at.wall(), speaker.line(scenario, line))).collect(),
        commands: view.may(Verb::Command, &Object::all(Kind::Scenario)),
        v: view,
    }))
}

pub async fn stop(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(run): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let id: Id = run.parse().map_err(|_| Fault::NotFound)?;
    let run = desk.scenarios.trace(id).await.map_err(fault)?;
    desk.scenarios.stop_run(id).await.map_err(fault)?;
    note.change("name", None, Some(Speaker::new(&desk, view.language()).scenario(run.scenario)));
    Ok(go(&format!("/runs/{id}")))
}

fn preset_line(view: &View, preset: &Preset) -> PresetLine {
    PresetLine {
        code: preset.code,
        name: view.t(&format!("scenario-preset-{}", preset.code)),
        text: view.t(&format!("scenario-preset-{}-text", preset.code)),
        icon: preset.icon,
    }
}

/// What to begin with.
pub async fn new(view: View) -> Response {
    shown(&NewPage { presets: PRESETS.iter().map(|preset| preset_line(&view, preset)).collect(), v: view })
}

fn preset_page(desk: &Desk, caller: &Caller, view: View, preset: &Preset, form: Option<&Form>) -> PresetPage {
    let ask = |ask: &Ask| {
        let key = ask.key();
        let chosen: Vec<&str> = form.map(|form| form.all(key).collect()).unwrap_or_default();
        let there = choices(desk, &caller.who, *ask, view.language());
        AskLine {
            key,
            kind: match ask {
                Ask::Switches | Ask::Heaters => "things",
                Ask::Time { .. } => "time",
                Ask::Number { .. } => "number",
                Ask::Tell => "tell",
            },
            words: asked(*ask, view.language()),
            value: form.map_or_else(|| usual(*ask).unwrap_or_default(), |form| form.text(key).to_owned()),
            choices: there.into_iter().map(|(value, name)| (value.clone(), name, chosen.contains(&&*value))).collect(),
        }
    };
    PresetPage {
        trouble: Trouble::default(),
        asks: preset.asks.iter().map(ask).collect(),
        name: form.map(|form| form.text("name").to_owned()).unwrap_or_default(),
        preset: preset_line(&view, preset),
        v: view,
    }
}

/// The questions of a preset.
pub async fn show_preset(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(preset): Path<String>,
) -> Result<Response, Fault> {
    let preset = presets::preset(&preset).ok_or(Fault::NotFound)?;
    Ok(shown(&preset_page(&desk, &caller, view, preset, None)))
}

/// The scenario that comes of the answers, to be looked at and saved.
pub async fn make(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(preset): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let preset = presets::preset(&preset).ok_or(Fault::NotFound)?;
    let of = |wanted: &str| form.all(wanted).filter(|one| !one.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let mut answers = AnswersForm {
        name: Some(form.text("name").to_owned()),
        switches: of("switches"),
        heaters: of("heaters"),
        tell: form.is("tell"),
        ..AnswersForm::default()
    };
    for ask in preset.asks {
        let (key, text) = (ask.key().to_owned(), form.text(ask.key()));
        match ask {
            Ask::Time { .. } => drop(answers.times.insert(key, text.to_owned())),
            // What is no number is out of bounds like a number that is.
            Ask::Number { .. } => drop(answers.numbers.insert(key, text.parse().unwrap_or(u32::MAX))),
            Ask::Switches | Ask::Heaters | Ask::Tell => {}
        }
    }
    match made(&desk, &caller.who, preset, answers, view.language()) {
        Ok(scenario) => {
            let paper = ScenarioPaper { id: None, ..ScenarioPaper::from(&scenario) };
            Ok(scenario_edit::editor(&desk, view, &Draft::of(&paper)))
        }
        Err(not) => {
            let mut page = preset_page(&desk, &caller, view, preset, Some(&form));
            page.trouble = Trouble::at(&not.ask, not.words);
            Ok(wrong(&page))
        }
    }
}
