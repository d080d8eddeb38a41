//! The editor of a scenario: its parts as a list in words, one of them open as a form, and the same document as text for those
//! who know it. Each button sends the whole page; nothing is kept before it is saved.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::form::Form;
use super::refusal::Fault;
use super::scenario_draft::{self as drafts, Draft};
use super::scenario_fields::{Family, Field, Fields};
use super::scenarios::{detail, fault};
use super::trouble::Trouble;
use super::view::View;
use super::{go, page, shown};
use crate::audit::Note;
use crate::policy::Refusal;
use crate::scenarios::{PaperWrong, Scenario, ScenarioPaper, ScenariosError, toml};
use crate::web::api::scenarios::{address, find};
use crate::web::scenario_words::Speaker;
use crate::web::{Caller, Desk};

/// Where somebody comes back to who had to prove themselves.
const BACK: &str = "/step-up?to=%2Fscenarios%2Fdraft";

/// Deeper than this nothing is moved further in on the page.
const DEEPEST: usize = 6;

/// A line of the editor.
struct Row {
    /// `item`, `part` (an item that cannot be moved), `head`, `add`
    kind: &'static str,
    path: String,
    depth: usize,
    words: String,
    bad: bool,
    first: bool,
    last: bool,
    /// It is the open one.
    fields: Vec<Field>,
    is_open: bool,
    /// A choice: a branch can be added.
    branches: bool,
    /// Of `add`: kinds and their words.
    kinds: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "scenario-edit.html")]
struct EditPage {
    v: View,
    trouble: Trouble,
    draft: String,
    name: String,
    note: String,
    modes: Vec<(&'static str, String, bool)>,
    most: String,
    open: String,
    triggers: Vec<Row>,
    conditions: Vec<Row>,
    actions: Vec<Row>,
    /// The document as text, where that is asked for.
    text: Option<String>,
    /// What would happen, where that is asked for.
    tried: Option<Vec<String>>,
    back: String,
}

struct Rows<'a> {
    desk: &'a Desk,
    view: &'a View,
    open: &'a str,
    rows: Vec<Row>,
}

impl Rows<'_> {
    /// What a part says, and whether it is unfinished. Its own parts have lines of their own.
    fn words(&self, item: &Json) -> (String, bool) {
        let family = Family::of(item);
        let kind = item[family.tag()].as_str().unwrap_or_default();
        let title = self.view.t(&family.key(if family.kinds().contains(&kind) { kind } else { "unknown" }));
        if matches!((family, kind), (Family::Condition, "all" | "any" | "not") | (Family::Action, "choose" | "until")) {
            return (title, false);
        }
        let mut bare = item.clone();
        if kind == "repeat" {
            bare["steps"] = json!([]);
        }
        let list = match family {
            Family::Trigger => "triggers",
            Family::Condition => "conditions",
            Family::Action => "actions",
        };
        if family == Family::Trigger && bare.get("id").is_none() {
            bare["id"] = json!("x");
        }
        let speaker = Speaker::new(self.desk, self.view.language());
        let read = serde_json::from_value::<ScenarioPaper>(json!({ "name": "x", list: [bare] }))
            .map_err(|error| error.to_string())
            .and_then(|paper| self.desk.scenarios.read(&paper).map_err(|wrong| wrong.why));
        match read {
            Err(why) => (format!("{title}: {why}"), true),
            Ok(scenario) => {
                let said = match family {
                    Family::Trigger => scenario.triggers.first().map(|one| speaker.trigger(one)),
                    Family::Condition => scenario.conditions.first().map(|one| speaker.condition(one)),
                    Family::Action => scenario.actions.first().map(|one| speaker.action(&one.action)),
                };
                (said.unwrap_or(title), false)
            }
        }
    }

    fn push(&mut self, kind: &'static str, path: String, depth: usize, words: String) -> &mut Row {
        let depth = depth.min(DEEPEST);
        let row = Row {
            kind,
            path,
            depth,
            words,
            bad: false,
            first: true,
            last: true,
            fields: Vec::new(),
            is_open: false,
            branches: false,
            kinds: Vec::new(),
        };
        let at = self.rows.len();
        self.rows.push(row);
        // It was pushed just now.
        &mut self.rows[at]
    }

    fn head(&mut self, depth: usize, key: &str) {
        let words = self.view.t(key);
        self.push("head", String::new(), depth, words);
    }

    fn item(&mut self, kind: &'static str, path: &str, depth: usize, item: &Json, at: Option<(usize, usize)>) {
        let (words, bad) = self.words(item);
        let is_open = self.open == path;
        let fields = if is_open { Fields { desk: self.desk, view: self.view }.of(item) } else { Vec::new() };
        let branches = item["do"] == "choose";
        let row = self.push(kind, path.to_owned(), depth, words);
        (row.bad, row.is_open, row.fields, row.branches) = (bad, is_open, fields, branches);
        if let Some((n, count)) = at {
            (row.first, row.last) = (n == 0, n + 1 == count);
        }
        self.inner(path, depth + 1, item);
    }

    fn add(&mut self, path: &str, depth: usize, family: Family) {
        let kinds = family.kinds().iter().map(|kind| (*kind, self.view.t(&family.key(kind)))).collect();
        let words = self.view.t(match family {
            Family::Trigger => "page-scenario-add-trigger",
            Family::Condition => "page-scenario-add-condition",
            Family::Action => "page-scenario-add-action",
        });
        self.push("add", path.to_owned(), depth, words).kinds = kinds;
    }

    fn list(&mut self, path: &str, depth: usize, list: &Json, family: Family) {
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        for (n, item) in list.iter().enumerate() {
            self.item("item", &format!("{path}[{n}]"), depth, item, Some((n, list.len())));
        }
        self.add(path, depth, family);
    }

    fn inner(&mut self, path: &str, depth: usize, item: &Json) {
        match (item["if"].as_str(), item["do"].as_str()) {
            (Some("all" | "any"), _) => self.list(&format!("{path}.of"), depth, &item["of"], Family::Condition),
            (Some("not"), _) => self.item("part", &format!("{path}.of"), depth, &item["of"], None),
            (_, Some("until")) => {
                for part in ["so", "happens"] {
                    if item.get(part).is_some() {
                        self.item("part", &format!("{path}.{part}"), depth, &item[part], None);
                    }
                }
            }
            (_, Some("choose")) => {
                for (n, branch) in item["branches"].as_array().into_iter().flatten().enumerate() {
                    let path = format!("{path}.branches[{n}]");
                    let words = self.view.t("page-scenario-if");
                    self.push("branch", path.clone(), depth, words);
                    self.list(&format!("{path}.if"), depth + 1, &branch["if"], Family::Condition);
                    self.head(depth, "page-scenario-then");
                    self.list(&format!("{path}.then"), depth + 1, &branch["then"], Family::Action);
                }
                self.head(depth, "page-scenario-else");
                self.list(&format!("{path}.else"), depth + 1, &item["else"], Family::Action);
            }
            (_, Some("repeat")) => {
                if item.get("while").is_some() {
                    self.list(&format!("{path}.while"), depth, &item["while"], Family::Condition);
                }
                self.list(&format!("{path}.steps"), depth, &item["steps"], Family::Action);
            }
            _ => {}
        }
    }
}

fn edit_page(desk: &Desk, view: View, draft: &Draft, open: &str) -> EditPage {
    let rows = |name: &str, family| {
        let mut rows = Rows { desk, view: &view, open, rows: Vec::new() };
        rows.list(name, 0, &draft.0[name], family);
        rows.rows
    };
    let chosen = draft.0["mode"].as_str().unwrap_or("single");
    let mode = |code: &'static str| (code, view.t(&format!("page-scenario-mode-{code}")), code == chosen);
    let back = draft.0["id"].as_str().map_or_else(|| "/scenarios".to_owned(), |id| format!("/scenarios/{id}"));
    EditPage {
        trouble: Trouble::default(),
        draft: draft.spelled(),
        name: draft.0["name"].as_str().unwrap_or_default().to_owned(),
        note: draft.0["note"].as_str().unwrap_or_default().to_owned(),
        modes: ["single", "restart", "queued", "parallel"].map(mode).to_vec(),
        most: draft.0["most"].as_u64().map(|most| most.to_string()).unwrap_or_default(),
        open: open.to_owned(),
        triggers: rows("triggers", Family::Trigger),
        conditions: rows("conditions", Family::Condition),
        actions: rows("actions", Family::Action),
        text: None,
        tried: None,
        back,
        v: view,
    }
}

/// The editor with something in it that nobody has saved.
pub fn editor(desk: &Desk, view: View, draft: &Draft) -> Response {
    shown(&edit_page(desk, view, draft, ""))
}

pub async fn new(State(desk): State<Desk>, view: View) -> Response {
    editor(&desk, view, &Draft::empty())
}

/// Comes back to what was edited before proving oneself.
pub async fn resume(State(desk): State<Desk>, view: View) -> Response {
    match view.me.as_ref().and_then(|me| drafts::kept(me.id)) {
        Some(draft) => editor(&desk, view, &draft),
        None => go("/scenarios"),
    }
}

pub async fn show(State(desk): State<Desk>, view: View, Path(scenario): Path<String>) -> Result<Response, Fault> {
    let found = find(&desk, &scenario).map_err(fault)?;
    Ok(editor(&desk, view, &Draft::of(&ScenarioPaper::from(&*found.scenario))))
}

/// The form as it was sent: what is edited, and which part is open. Of text: what is wrong with it, and where.
fn sent(desk: &Desk, view: &View, form: &Form) -> Result<(Draft, Result<(), String>), Fault> {
    let mut draft = Draft::from_form(form).ok_or(Fault::BadForm)?;
    if form.all("toml").next().is_some() {
        // A browser sends lines with CR LF; in TOML either is one.
        let read = toml::read(form.text("toml")).and_then(|read| match desk.scenarios.read(&read.paper) {
            Ok(_) => Ok(read.paper),
            Err(wrong) => Err(read.locate(wrong)),
        });
        return Ok(match read {
            Err(wrong) => (draft, Err(wrong.to_string())),
            Ok(paper) => {
                let id = draft.0.get("id").cloned();
                draft = Draft::of(&paper);
                // The text is about this scenario, whatever it calls itself.
                draft.0["id"] = id.unwrap_or(Json::Null);
                (draft, Ok(()))
            }
        });
    }
    draft.take_head(form);
    draft.take_open(&Fields { desk, view }, form, form.text("open"));
    Ok((draft, Ok(())))
}

/// The text again, with what is wrong in it.
fn text_again(desk: &Desk, view: View, form: &Form, draft: &Draft, why: String) -> Response {
    let mut again = edit_page(desk, view, draft, "");
    again.text = Some(form.text("toml").to_owned());
    again.trouble = Trouble::at("toml", why);
    page(StatusCode::UNPROCESSABLE_ENTITY, &again)
}

/// What is edited as a scenario, or what is wrong and which part is to be opened.
fn read(desk: &Desk, draft: &Draft) -> Result<Scenario, PaperWrong> {
    let paper = draft.paper().map_err(|why| PaperWrong { path: String::new(), why })?;
    desk.scenarios.read(&paper)
}

/// The part that a path of a mistake is in: the innermost that has a form of its own.
fn part_of(draft: &mut Draft, path: &str) -> String {
    let mut path = path;
    loop {
        let is_part = draft.at(path).is_some_and(|part| {
            part.is_object() && ["when", "if", "do"].iter().any(|tag| part.get(*tag).is_some_and(Json::is_string))
        });
        if is_part {
            return path.to_owned();
        }
        match path.rfind(['.', '[']) {
            Some(end) => path = path.get(..end).unwrap_or_default(),
            None => return String::new(),
        }
    }
}

/// The editor again, with what was wrong.
fn again(desk: &Desk, view: View, mut draft: Draft, wrong: &PaperWrong) -> Response {
    let open = part_of(&mut draft, &wrong.path);
    let said = Speaker::new(desk, view.language()).wrong(&wrong.path, &wrong.why);
    let mut again = edit_page(desk, view, &draft, &open);
    let field = if wrong.path == "name" || open.is_empty() { "name" } else { "open-part" };
    again.trouble = Trouble::at(field, said);
    page(StatusCode::UNPROCESSABLE_ENTITY, &again)
}

/// A button of the editor that saves nothing.
pub async fn press(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let (mut draft, as_text) = sent(&desk, &view, &form)?;
    if let Err(why) = as_text {
        return Ok(text_again(&desk, view, &form, &draft, why));
    }
    match form.text("op") {
        "text" => match draft.paper() {
            Ok(paper) => {
                let mut edit = edit_page(&desk, view, &draft, "");
                edit.text = Some(toml::write(&paper));
                Ok(shown(&edit))
            }
            Err(why) => Ok(again(&desk, view, draft, &PaperWrong { path: String::new(), why })),
        },
        "try" => match read(&desk, &draft) {
            Ok(mut scenario) => {
                scenario.author = caller.who.person();
                let dry = desk.scenarios.dry_run(&scenario, None);
                let speaker = Speaker::new(&desk, view.language());
                let lines = dry.lines.iter().map(|line| speaker.line(Some(&scenario), line)).collect();
                let mut edit = edit_page(&desk, view, &draft, "");
                edit.tried = Some(lines);
                Ok(shown(&edit))
            }
            Err(wrong) => Ok(again(&desk, view, draft, &wrong)),
        },
        op => {
            let open = draft.press(op, &form, form.text("open")).unwrap_or_default();
            Ok(shown(&edit_page(&desk, view, &draft, &open)))
        }
    }
}

/// Keeps what was edited.
pub async fn save(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let (draft, as_text) = sent(&desk, &view, &form)?;
    if let Err(why) = as_text {
        return Ok(text_again(&desk, view, &form, &draft, why));
    }
    let scenario = match read(&desk, &draft) {
        Ok(scenario) => scenario,
        Err(wrong) => return Ok(again(&desk, view, draft, &wrong)),
    };
    let before = desk.scenarios.get(scenario.id).map(|view| view.scenario.name.clone());
    match desk.scenarios.save(&caller.who, scenario).await {
        Ok(saved) => {
            note.change("name", before, Some(saved.scenario.name.clone()));
            if saved.webhooks.is_empty() {
                return Ok(go(&format!("/scenarios/{}", saved.scenario.id)));
            }
            let made = saved.webhooks.iter().map(|(_, secret)| address(&desk, secret.expose())).collect();
            detail(&desk, view, &saved.scenario.id.to_string(), made, None).await
        }
        Err(ScenariosError::Refused { refusal: Refusal::StepUp, .. }) => {
            if let Some(me) = &view.me {
                drafts::keep(me.id, &draft);
            }
            Ok(go(BACK))
        }
        Err(ScenariosError::Wrong(wrong)) => Ok(again(&desk, view, draft, &wrong)),
        Err(ScenariosError::Refused { path, refusal }) => {
            let why = crate::web::sentence(&refusal, view.language());
            Ok(again(&desk, view, draft, &PaperWrong { path, why }))
        }
        Err(error) => Err(fault(error)),
    }
}
