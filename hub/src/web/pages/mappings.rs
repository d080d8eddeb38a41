//! Devices that speak no dialect of the house: what the owner said of them, topics that nobody understands, and a way from
//! such a topic to a value with a name, step by step and without a script. What a row reads is shown on what was really
//! heard before anything is kept.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;

use super::devices::path_of;
use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::ingest::{MappingFile, MappingPaper, MappingRefused, Overheard, RowPaper, ToldPaper, ValueIs, places};
use crate::policy::{Kind, Object, Verb};
use crate::web::{Desk, mapping_words as said};

/// What a value may measure or do, of what the house knows how to show.
const CLASSES: [&str; 14] = [
    "temperature",
    "humidity",
    "pressure",
    "power",
    "energy",
    "voltage",
    "current",
    "water",
    "gas",
    "battery",
    "moisture",
    "motion",
    "switch",
    "valve",
];

/// What a value may report: a danger, or a warning.
const MEANINGS: [&str; 12] = [
    "danger:water-leak",
    "danger:gas",
    "danger:smoke",
    "danger:carbon-monoxide",
    "warning:battery",
    "warning:tamper",
    "warning:fault",
    "warning:overload",
    "warning:leak",
    "warning:backflow",
    "warning:burst",
    "warning:frost",
];

struct MappingLine {
    id: String,
    path: String,
    name: String,
    rows: usize,
    topics: String,
}

struct TopicLine {
    topic: String,
    path: String,
    sender: String,
    last: String,
}

#[derive(Template)]
#[template(path = "mappings.html")]
struct MappingsPage {
    v: View,
    mappings: Vec<MappingLine>,
    topics: Vec<TopicLine>,
    keys: bool,
}

struct PlaceLine {
    path: String,
    value: String,
    chosen: bool,
}

struct TrialLine {
    payload: String,
    said: Vec<(String, String)>,
    faults: Vec<String>,
    claimed_by: Option<&'static str>,
}

/// What was typed, so that it stands there again.
#[derive(Default)]
struct Typed {
    topic: String,
    to: String,
    id: String,
    name: String,
    template: String,
    property: String,
    label: String,
    is: String,
    on: String,
    off: String,
    words: String,
    unit: String,
    class: String,
    means: String,
    factor: String,
    offset: String,
    told_topic: String,
    told_payload: String,
}

#[derive(Template)]
#[template(path = "mapping-new.html")]
struct WizardPage {
    v: View,
    trouble: Trouble,
    typed: Typed,
    payloads: Vec<String>,
    places: Vec<PlaceLine>,
    others: Vec<(String, String)>,
    trials: Vec<TrialLine>,
    tried: bool,
    kinds: [&'static str; 4],
    classes: [&'static str; 14],
    meanings: [&'static str; 12],
}

struct RowLine {
    at: usize,
    property: String,
    label: String,
    topic: String,
    read: String,
    unit: String,
    told: String,
}

#[derive(Template)]
#[template(path = "mapping.html")]
struct MappingPage {
    v: View,
    trouble: Trouble,
    id: String,
    path: String,
    name: String,
    rows: Vec<RowLine>,
    topic: String,
    text: String,
}

fn query(raw: Option<&str>, name: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn shortened(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    let mut short: String = text.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(160).is_some() {
        short.push('…');
    }
    short
}

/// A word for an id or a property out of a topic or a path.
fn slug(text: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    text.chars().map(word).collect::<String>().trim_matches('_').to_owned()
}

pub async fn list(State(desk): State<Desk>, view: View) -> Response {
    let mapping = |paper: MappingPaper| {
        let mut topics: Vec<String> = paper.rows.iter().map(|row| row.topic.clone()).collect();
        topics.dedup();
        MappingLine {
            path: path_of(&paper.id),
            name: paper.name.clone().unwrap_or_else(|| paper.id.clone()),
            rows: paper.rows.len(),
            topics: topics.join(", "),
            id: paper.id,
        }
    };
    let topic = |one: Overheard| TopicLine {
        path: path_of(&one.topic),
        last: one.payloads.front().map(|payload| shortened(payload)).unwrap_or_default(),
        topic: one.topic,
        sender: one.sender,
    };
    shown(&MappingsPage {
        mappings: desk.ingest.mappings().into_iter().map(mapping).collect(),
        topics: desk.ingest.overheard().into_iter().filter(|one| !one.mapped).map(topic).collect(),
        keys: view.may(Verb::See, &Object::all(Kind::Secret)),
        v: view,
    })
}

fn wizard(desk: &Desk, view: View, typed: Typed, read: &str) -> WizardPage {
    let heard = desk.ingest.overheard_on(&typed.topic);
    let payloads: Vec<Vec<u8>> = heard.map(|one| one.payloads.into()).unwrap_or_default();
    let newest = payloads.first().map(Vec::as_slice).unwrap_or_default();
    let place = |one: crate::ingest::Place| PlaceLine { chosen: one.path == read, path: one.path, value: one.value };
    let mut places: Vec<PlaceLine> = places(newest).into_iter().map(place).collect();
    if places.iter().all(|one| !one.chosen)
        && let Some(first) = places.first_mut()
    {
        first.chosen = true;
    }
    let others = desk.ingest.mappings().into_iter();
    WizardPage {
        payloads: payloads.iter().map(|payload| shortened(payload)).collect(),
        places,
        others: others.map(|paper| (paper.id.clone(), paper.name.unwrap_or(paper.id))).collect(),
        trials: Vec::new(),
        tried: false,
        trouble: Trouble::default(),
        typed,
        kinds: ["number", "switch", "choice", "text"],
        classes: CLASSES,
        meanings: MEANINGS,
        v: view,
    }
}

pub async fn new(State(desk): State<Desk>, view: View, RawQuery(raw): RawQuery) -> Response {
    let topic = query(raw.as_deref(), "topic");
    let last = topic.rsplit('/').find(|level| !level.is_empty()).unwrap_or_default();
    let typed = Typed {
        to: query(raw.as_deref(), "to"),
        id: slug(&topic),
        property: slug(last),
        is: "number".to_owned(),
        topic,
        ..Typed::default()
    };
    shown(&wizard(&desk, view, typed, ""))
}

fn typed(form: &Form) -> Typed {
    let text = |name: &str| form.text(name).to_owned();
    Typed {
        topic: text("topic"),
        to: text("to"),
        id: text("id"),
        name: text("name"),
        template: text("template"),
        property: text("property"),
        label: text("label"),
        is: text("is"),
        on: text("on"),
        off: text("off"),
        words: text("words"),
        unit: text("unit"),
        class: text("class"),
        means: text("means"),
        factor: text("factor"),
        offset: text("offset"),
        told_topic: text("told-topic"),
        told_payload: text("told-payload"),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The mapping that comes of what was typed: a new one, or the chosen one with a row more.
fn paper(desk: &Desk, typed: &Typed, read: &str) -> MappingPaper {
    let (hazard, warning) = match typed.means.split_once(':') {
        Some(("danger", code)) => (some(code), None),
        Some(("warning", code)) => (None, some(code)),
        _ => (None, None),
    };
    let row = RowPaper {
        property: typed.property.clone(),
        label: some(&typed.label),
        topic: typed.topic.clone(),
        read: if typed.template.is_empty() { read.to_owned() } else { typed.template.clone() },
        is: match typed.is.as_str() {
            "switch" => ValueIs::Switch,
            "choice" => ValueIs::Choice,
            "text" => ValueIs::Text,
            _ => ValueIs::Number,
        },
        on: some(&typed.on),
        off: some(&typed.off),
        words: typed.words.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        unit: some(&typed.unit),
        class: some(&typed.class),
        factor: some(&typed.factor),
        offset: some(&typed.offset),
        hazard,
        warning,
        told: some(&typed.told_topic).map(|topic| ToldPaper { topic, payload: typed.told_payload.clone() }),
        ..RowPaper::default()
    };
    let known = desk.ingest.mappings().into_iter().find(|paper| paper.id == typed.to && !typed.to.is_empty());
    let mut paper = known.unwrap_or_else(|| MappingPaper {
        id: typed.id.clone(),
        name: some(&typed.name),
        ..MappingPaper::default()
    });
    paper.rows.push(row);
    paper
}

/// The field in which a mistake is put right.
fn field_of(error: &MappingRefused) -> &'static str {
    let MappingRefused::Wrong(wrong) = error else { return "topic-line" };
    match wrong.code {
        "bad-unit" | "not-a-number" => "unit",
        "bad-number" => "factor",
        "no-words" => "on",
        "template" | "too-long" => "template",
        "bad-target" => "told-topic",
        "bad-id" | "same-id" => "id",
        "bad-hazard" | "bad-warning" | "number-warns" => "means",
        "bad-property" | "same-property" => "property",
        _ => "topic-line",
    }
}

/// Shows what a row would read out of what was heard; nothing is kept.
pub async fn trial(State(desk): State<Desk>, view: View, form: Form) -> Response {
    let (typed, read) = (typed(&form), form.text("read").to_owned());
    let paper = paper(&desk, &typed, &read);
    let topic = typed.topic.clone();
    let mut page = wizard(&desk, view, typed, &read);
    let language = page.v.language();
    let payloads: Vec<Vec<u8>> = desk.ingest.overheard_on(&topic).map(|one| one.payloads.into()).unwrap_or_default();
    page.tried = true;
    if let Err(error) = desk.ingest.try_mapping(&paper, &topic, b"") {
        page.trouble = Trouble::at(field_of(&error), said::refused(&error, language));
        return wrong(&page);
    }
    for payload in payloads {
        let Ok(tried) = desk.ingest.try_mapping(&paper, &topic, &payload) else { continue };
        let values = tried.said.iter().map(|one| (one.property.clone(), format!("{} {}", one.value, one.unit)));
        page.trials.push(TrialLine {
            payload: shortened(&payload),
            said: values.map(|(name, value)| (name, value.trim_end().to_owned())).collect(),
            faults: tried.faults.iter().map(|fault| said::fault(fault, language)).collect(),
            claimed_by: tried.claimed_by,
        });
    }
    shown(&page)
}

/// Keeps a row.
pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let (typed, read) = (typed(&form), form.text("read").to_owned());
    let paper = paper(&desk, &typed, &read);
    let is_taken = typed.to.is_empty() && desk.ingest.mappings().iter().any(|other| other.id == paper.id);
    let id = paper.id.clone();
    let kept = match is_taken {
        true => {
            let (row, code, detail) = (None, "same-id", id.clone());
            Err(MappingRefused::Wrong(crate::ingest::MappingWrong { id: id.clone(), row, code, detail }))
        }
        false => desk.ingest.put_mappings(vec![paper]).await,
    };
    match kept {
        Ok(()) => {
            note.change("name", None, Some(id.clone()));
            Ok(go(&format!("/mappings/{}", path_of(&id))))
        }
        Err(MappingRefused::Store(error)) => Err(error.into()),
        Err(error) => {
            let mut page = wizard(&desk, view, typed, &read);
            page.trouble = Trouble::at(field_of(&error), said::refused(&error, page.v.language()));
            Ok(wrong(&page))
        }
    }
}

fn one(desk: &Desk, view: View, id: &str) -> Result<MappingPage, Fault> {
    let paper = desk.ingest.mappings().into_iter().find(|paper| paper.id == id).ok_or(Fault::NotFound)?;
    let row = |(at, row): (usize, &RowPaper)| RowLine {
        at,
        property: row.property.clone(),
        label: row.label.clone().unwrap_or_else(|| row.property.clone()),
        topic: row.topic.clone(),
        read: row.read.clone(),
        unit: row.unit.clone().unwrap_or_default(),
        told: row.told.as_ref().map(|told| told.topic.clone()).unwrap_or_default(),
    };
    Ok(MappingPage {
        path: path_of(&paper.id),
        name: paper.name.clone().unwrap_or_else(|| paper.id.clone()),
        rows: paper.rows.iter().enumerate().map(row).collect(),
        topic: paper.rows.first().map(|row| path_of(&row.topic)).unwrap_or_default(),
        id: paper.id.clone(),
        // It was read from JSON: writing it as TOML cannot fail for a reason that a person could mend.
        text: toml::to_string(&MappingFile { mapping: vec![paper] }).unwrap_or_default(),
        trouble: Trouble::default(),
        v: view,
    })
}

pub async fn show(State(desk): State<Desk>, view: View, Path(id): Path<String>) -> Result<Response, Fault> {
    Ok(shown(&one(&desk, view, &id)?))
}

/// Keeps a mapping as it was typed, as a whole; or without one of its rows.
pub async fn edit(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let mut page = one(&desk, view, &id)?;
    let gone: Option<usize> = form.text("without").parse().ok();
    let read: Result<Vec<MappingPaper>, String> = match gone {
        Some(gone) => {
            let mut paper = desk.ingest.mappings().into_iter().find(|paper| paper.id == id).ok_or(Fault::NotFound)?;
            if gone < paper.rows.len() {
                paper.rows.remove(gone);
            }
            Ok(vec![paper])
        }
        None => {
            toml::from_str::<MappingFile>(form.text("text")).map(|file| file.mapping).map_err(|error| error.to_string())
        }
    };
    let language = page.v.language();
    let wrong_text = match read {
        Ok(papers) if papers.len() == 1 && papers.first().is_some_and(|paper| paper.id == id) => {
            match desk.ingest.put_mappings(papers).await {
                Ok(()) => {
                    note.change("name", None, Some(id.clone()));
                    return Ok(go(&format!("/mappings/{}", path_of(&id))));
                }
                Err(MappingRefused::Store(error)) => return Err(error.into()),
                Err(error) => said::refused(&error, language),
            }
        }
        Ok(_) => page.v.t("mapping-one-here"),
        Err(why) => page.v.t1("mapping-not-toml", "why", why),
    };
    if gone.is_none() {
        form.text("text").clone_into(&mut page.text);
    }
    page.trouble = Trouble::at("text", wrong_text);
    Ok(wrong(&page))
}

pub async fn remove(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(id): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    match desk.ingest.remove_mapping(&id).await {
        Ok(gone) => {
            note.change("name", Some(gone.id), None);
            Ok(go("/mappings"))
        }
        Err(MappingRefused::Store(error)) => Err(error.into()),
        Err(_) => Err(Fault::NotFound),
    }
}
