//! The journal of deeds as people read it: searched, page by page, taken away as a file, verified.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domovoi_model::{Date, PersonId, Timestamp};
use serde::Deserialize;

use super::refusal::Fault;
use super::view::View;
use super::{said, shown};
use crate::audit::{Actor, Outcome, Query as Search, Record};
use crate::policy::{Kind, Object, Verb};
use crate::web::{Caller, Desk};

/// Entries on a page.
const ROWS: usize = 50;

/// Entries in one file: a journal of years is taken by the API, page by page.
const MOST_EXPORTED: usize = 10_000;

/// The longest text that is looked for.
const LONGEST_TEXT: usize = 200;

/// What the form asks.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct Asked {
    #[serde(default)]
    text: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    before: String,
}

struct Line {
    row: u64,
    at: Option<Timestamp>,
    who: String,
    what: String,
    object: Option<String>,
    from: String,
    outcome: &'static str,
    outcome_words: String,
    changes: Vec<String>,
    times: u32,
}

#[derive(Template)]
#[template(path = "journal.html")]
struct JournalPage {
    v: View,
    asked: Asked,
    people: Vec<(String, String)>,
    lines: Vec<Line>,
    next: Option<String>,
    exports: bool,
    whole: bool,
    verified: Option<Vec<String>>,
}

fn search(view: &View, asked: &Asked, own: Option<PersonId>, limit: usize) -> Search {
    let day = |text: &str| text.parse::<Date>().ok();
    Search {
        person: own.or_else(|| asked.person.parse().ok()),
        deed: None,
        outcome: ["done", "refused", "failed"].contains(&asked.outcome.as_str()).then(|| asked.outcome.clone()),
        since: day(&asked.since).and_then(|day| said::start_of_day(day, view.zone())),
        until: day(&asked.until).and_then(|day| said::end_of_day(day, view.zone())).map(|end| end.plus_millis(1)),
        text: Some(asked.text.trim().chars().take(LONGEST_TEXT).collect()).filter(|text: &String| !text.is_empty()),
        before: asked.before.parse().ok(),
        limit,
    }
}

/// Whose deeds are shown: everybody's to those who may see the journal, else one's own.
fn own(view: &View, caller: &Caller) -> Option<PersonId> {
    if view.may(Verb::See, &Object::all(Kind::Journal)) { None } else { caller.who.person() }
}

async fn page(desk: &Desk, view: View, caller: &Caller, asked: Asked) -> Result<JournalPage, Fault> {
    let own = own(&view, caller);
    let found = desk.journal.search(&search(&view, &asked, own, ROWS)).await?;
    let lines = found.records.iter().map(|record| line(desk, &view, record)).collect();
    let next = found.next.map(|before| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("text", &asked.text),
            ("person", &asked.person),
            ("outcome", &asked.outcome),
            ("since", &asked.since),
            ("until", &asked.until),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("before", &before.to_string()).finish()
    });
    let people = desk.people.list().into_iter().map(|person| (person.id.to_string(), person.name));
    Ok(JournalPage {
        people: if own.is_none() { people.collect() } else { Vec::new() },
        exports: view.may(Verb::Export, &Object::all(Kind::Journal)),
        whole: own.is_none(),
        asked,
        lines,
        next,
        verified: None,
        v: view,
    })
}

fn line(desk: &Desk, view: &View, record: &Record) -> Line {
    let entry = &record.entry;
    let name = |id: PersonId| desk.people.get(id).map_or_else(|| view.t("page-somebody-gone"), |person| person.name);
    let who = match &entry.actor {
        Actor::Nobody => view.t("page-journal-nobody"),
        Actor::House => view.t("page-journal-house"),
        Actor::Console => view.t("page-journal-console"),
        Actor::Person(id) => name(*id),
        Actor::Credential(username) => view.t1("page-journal-credential", "name", username),
    };
    let object = entry.object.as_ref().and_then(|(kind, id)| object(desk, view, &entry.actor, kind, id.as_deref()?));
    let road = view.t(&format!("page-road-{}", entry.origin.road.code()));
    // The status of an answer says nothing to a reader; a code in words does.
    let failed = |why: &str| {
        let plain = why.bytes().all(|byte| byte.is_ascii_digit());
        if plain { view.t("page-journal-outcome-failed") } else { view.t1("page-journal-failed", "why", why) }
    };
    let refused = |why: &str| {
        // The first sentence says why; the rest says what to do, and the reader does not have to.
        let said = view.say_or(&format!("refusal-{why}"), why);
        view.t1("page-journal-refused", "why", said.split(". ").next().unwrap_or(why))
    };
    let (outcome, outcome_words) = match &entry.outcome {
        Outcome::Done => ("done", view.t("page-journal-done")),
        Outcome::Refused(why) => ("refused", refused(why)),
        Outcome::Failed(why) => ("failed", failed(why)),
    };
    let gone = || view.t("page-journal-erased");
    let changes = entry.changes.iter().map(|change| {
        let field = view.say_or(&format!("page-field-{}", change.field.replace(['.', '_'], "-")), &change.field);
        match (&change.before, &change.after) {
            (None, None) if change.of.is_some() => format!("{field}: {}", gone()),
            (None, None) => field,
            (None, Some(after)) => format!("{field}: {after}"),
            (Some(before), None) => format!("{field}: {before} → –"),
            (Some(before), Some(after)) => format!("{field}: {before} → {after}"),
        }
    });
    Line {
        row: record.row,
        at: record.at,
        who,
        what: view.say_or(&format!("deed-{}", entry.deed.replace('.', "-")), &entry.deed),
        object,
        from: entry.origin.address.map_or(road.clone(), |address| format!("{road}, {address}")),
        outcome,
        outcome_words,
        changes: changes.collect(),
        times: record.times,
    }
}

/// What it was done to, as people call it: a person or a meter by name, a thing without a name by its kind. Whoever did
/// something about themselves is named once.
fn object(desk: &Desk, view: &View, actor: &Actor, kind: &str, id: &str) -> Option<String> {
    let person = id.parse::<PersonId>().ok().and_then(|id| desk.people.get(id));
    if let (Some(person), Actor::Person(actor)) = (&person, actor)
        && person.id == *actor
    {
        return None;
    }
    let words = view.say_or(&format!("kind-{kind}"), kind);
    let point = desk.metering.register().find(id).ok().map(|point| point.name.clone());
    Some(match person.map(|person| person.name).or(point) {
        Some(name) => format!("{words}: {name}"),
        None if id.parse::<PersonId>().is_ok() => words,
        None => format!("{words}: {id}"),
    })
}

pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    Ok(shown(&page(&desk, view, &caller, asked).await?))
}

/// Follows the whole chain: seconds of work on a small machine, so it is asked for.
pub async fn verify(State(desk): State<Desk>, caller: Caller, view: View) -> Result<Response, Fault> {
    let mut page = page(&desk, view, &caller, Asked::default()).await?;
    page.verified = Some(desk.journal.verify().await?);
    Ok(shown(&page))
}

/// What the form found, as a table for a spreadsheet.
pub async fn export(State(desk): State<Desk>, view: View, Query(asked): Query<Asked>) -> Result<Response, Fault> {
    let mut text = String::from("\u{feff}row;at;who;what;object;from;outcome;changes;times\r\n");
    let mut query = search(&view, &asked, None, 500);
    let mut count = 0;
    loop {
        let found = desk.journal.search(&query).await?;
        for record in &found.records {
            let line = line(&desk, &view, record);
            let at = line.at.map(|at| at.to_string()).unwrap_or_default();
            let (row, times) = (line.row.to_string(), line.times.to_string());
            let changes = line.changes.join(" | ");
            let object = line.object.unwrap_or_default();
            let cells = [&row, &at, &line.who, &line.what, &object, &line.from, &line.outcome_words, &changes, &times];
            text.push_str(&cells.map(|cell| cell_of(cell)).join(";"));
            text.push_str("\r\n");
        }
        count += found.records.len();
        match found.next {
            Some(before) if count < MOST_EXPORTED => query.before = Some(before),
            _ => break,
        }
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"domovoi-journal.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

/// A cell of a table. One that a spreadsheet would take for a formula gets a sign in front: what a stranger called
/// themselves must not compute.
fn cell_of(text: &str) -> String {
    // Some programs look behind what is not seen, and take full-width signs for the others.
    let first = text.chars().find(|c| !c.is_whitespace() && !c.is_control()).unwrap_or_default();
    let computes = text.starts_with(['\t', '\r', '\n'])
        || matches!(first, '=' | '+' | '-' | '@' | '\u{FF1D}' | '\u{FF0B}' | '\u{FF0D}' | '\u{FF20}');
    let guard = if computes { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_computes_nothing_and_stays_a_cell() {
        assert_eq!(cell_of("Анна"), "\"Анна\"");
        assert_eq!(cell_of("=1+1"), "\"'=1+1\"");
        assert_eq!(cell_of(" \n=1+1"), "\"' \n=1+1\"");
        assert_eq!(cell_of("＝1"), "\"'＝1\"");
        assert_eq!(cell_of("a\";\"b\r\nc"), "\"a\"\";\"\"b\r\nc\"");
    }
}
