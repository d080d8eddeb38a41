//! The journal of deeds: searched, taken away whole, verified.

use std::fmt::Write as _;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::paging::{Paging, answer, cursor_of};
use super::people::moment;
use crate::audit::{Actor, Change, Outcome, Query as Search, Record};
use crate::web::{Caller, Desk, Of, person_in};

/// The longest text that is looked for.
const MAX_TEXT: usize = 200;

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// Its number, from 1, without gaps.
    pub row: u64,
    /// `null` while the clock was not trusted.
    pub at: Option<String>,
    pub actor: ActorView,
    /// `page`, `api`, `console`, `mqtt`, `house`
    pub road: &'static str,
    pub address: Option<String>,
    pub device: Option<String>,
    /// `person.added`, `reading.submitted`, …
    pub deed: String,
    pub object: Option<ObjectView>,
    /// `done`, `refused`, `failed`
    pub outcome: &'static str,
    /// Why.
    pub reason: Option<String>,
    pub changes: Vec<ChangeView>,
    /// How many like it are counted in this one.
    pub times: u32,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorView {
    /// `nobody`, `house`, `console`, `person`, `credential`
    pub is: &'static str,
    /// A person's id, or an MQTT user name.
    pub id: Option<String>,
    /// A person's name, if they are still here.
    pub name: Option<String>,
}

/// What it was done to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectView {
    pub kind: String,
    pub id: Option<String>,
}

/// What became what.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeView {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Whose personal data the values are; they are gone once the person is erased.
    pub of: Option<String>,
}

/// Entries, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalView {
    pub entries: Vec<EntryView>,
    pub next: Option<String>,
}

/// Whether the chain holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerificationView {
    pub holds: bool,
    /// Every row that was edited, removed or put elsewhere, in words.
    pub complaints: Vec<String>,
}

/// What to look for; everything that is given has to fit.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalQuery {
    /// Only this person's deeds; `me` is the caller.
    person: Option<String>,
    /// Only deeds whose code begins so.
    deed: Option<String>,
    /// `done`, `refused`, `failed`
    outcome: Option<String>,
    /// RFC 3339: only from then on.
    since: Option<String>,
    /// RFC 3339: only before then.
    until: Option<String>,
    /// Only where this occurs in any text, whatever the case.
    text: Option<String>,
    /// At most so many, 1 to 500; 100 if nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl JournalQuery {
    fn read(&self, caller: &Caller) -> Result<Search, ApiProblem> {
        let paging = Paging { limit: self.limit, cursor: self.cursor.clone() };
        let person = match &self.person {
            None => None,
            Some(text) => Some(person_in(text, caller).ok_or_else(|| ApiProblem::invalid("person: an id, or me"))?),
        };
        if self.outcome.as_deref().is_some_and(|code| !matches!(code, "done" | "refused" | "failed")) {
            return Err(ApiProblem::invalid("outcome: done, refused or failed"));
        }
        for (what, text) in [("deed", &self.deed), ("text", &self.text)] {
            if text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
                return Err(ApiProblem::invalid(format!("{what}: at most {MAX_TEXT} characters")));
            }
        }
        let before = match paging.after()? {
            None => None,
            Some(row) => {
                Some(row.parse().map_err(|_| ApiProblem::invalid("cursor: use `next` of the page before as it is"))?)
            }
        };
        Ok(Search {
            person,
            deed: self.deed.clone(),
            outcome: self.outcome.clone(),
            since: self.since.as_deref().map(|text| moment("since", text)).transpose()?,
            until: self.until.as_deref().map(|text| moment("until", text)).transpose()?,
            text: self.text.clone(),
            before,
            limit: paging.limit()?,
        })
    }
}

impl EntryView {
    fn of(desk: &Desk, record: Record) -> Self {
        let entry = record.entry;
        let (outcome, reason) = match entry.outcome {
            Outcome::Done => ("done", None),
            Outcome::Refused(code) => ("refused", Some(code)),
            Outcome::Failed(code) => ("failed", Some(code)),
        };
        EntryView {
            row: record.row,
            at: record.at.map(|at| at.to_string()),
            actor: actor(desk, entry.actor),
            road: entry.origin.road.code(),
            address: entry.origin.address.map(|address| address.to_string()),
            device: entry.origin.device,
            deed: entry.deed,
            object: entry.object.map(|(kind, id)| ObjectView { kind, id }),
            outcome,
            reason,
            changes: entry.changes.into_iter().map(change).collect(),
            times: record.times,
        }
    }
}

fn actor(desk: &Desk, actor: Actor) -> ActorView {
    let plain = |is| ActorView { is, id: None, name: None };
    match actor {
        Actor::Nobody => plain("nobody"),
        Actor::House => plain("house"),
        Actor::Console => plain("console"),
        Actor::Person(id) => {
            ActorView { is: "person", id: Some(id.to_string()), name: desk.people.get(id).map(|person| person.name) }
        }
        Actor::Credential(username) => ActorView { is: "credential", id: Some(username), name: None },
    }
}

fn change(change: Change) -> ChangeView {
    ChangeView {
        field: change.field,
        before: change.before,
        after: change.after,
        of: change.of.map(|id| id.to_string()),
    }
}

async fn page(desk: &Desk, search: &Search) -> Result<(Vec<EntryView>, Option<u64>), ApiProblem> {
    let page = desk.journal.search(search).await?;
    Ok((page.records.into_iter().map(|record| EntryView::of(desk, record)).collect(), page.next))
}

/// Entries, newest first.
#[utoipa::path(get, path = "/api/v1/journal", tag = "journal", params(JournalQuery), responses((status = 200, body = JournalView)))]
pub async fn search(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<JournalQuery>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let (entries, next) = page(&desk, &query.read(&caller)?).await?;
    let next = next.map(|row| cursor_of(&row.to_string()));
    Ok(answer(JournalView { entries, next: next.clone() }, next.as_deref(), &uri))
}

/// A person's own deeds, newest first.
#[utoipa::path(get, path = "/api/v1/people/{person}/journal", tag = "journal", params(Paging), responses((status = 200, body = JournalView)))]
pub async fn of_person(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Query(paging): Query<Paging>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let query = JournalQuery {
        person: Some(of.0.to_string()),
        limit: paging.limit,
        cursor: paging.cursor,
        ..JournalQuery::default()
    };
    let (entries, next) = page(&desk, &query.read(&caller)?).await?;
    let next = next.map(|row| cursor_of(&row.to_string()));
    Ok(answer(JournalView { entries, next: next.clone() }, next.as_deref(), &uri))
}

/// The whole journal, one JSON document per line, newest first.
#[utoipa::path(get, path = "/api/v1/journal/export", tag = "journal", responses((status = 200, body = EntryView, content_type = "application/x-ndjson")))]
pub async fn export(State(desk): State<Desk>) -> Result<Response, ApiProblem> {
    let first = Search { limit: super::paging::MOST, ..Search::default() };
    // Page by page: years of deeds are never in memory at once.
    let lines = stream::try_unfold((desk, Some(first)), |(desk, search)| async move {
        let Some(search) = search else { return Ok::<_, std::io::Error>(None) };
        let (entries, next) = page(&desk, &search).await.map_err(|problem| std::io::Error::other(problem.title))?;
        let mut text = String::new();
        for entry in &entries {
            let line = serde_json::to_string(entry).map_err(std::io::Error::other)?;
            let _ = writeln!(text, "{line}");
        }
        let search = next.map(|row| Search { before: Some(row), ..search });
        Ok(Some((Bytes::from(text), (desk, search))))
    });
    let mut response = Body::from_stream(lines).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"domovoi-journal.ndjson\""),
    );
    Ok(response)
}

/// Checks the chain, row by row.
#[utoipa::path(get, path = "/api/v1/journal/verification", tag = "journal", responses((status = 200, body = VerificationView)))]
pub async fn verify(State(desk): State<Desk>) -> Result<Json<VerificationView>, ApiProblem> {
    let complaints = desk.journal.verify().await?;
    Ok(Json(VerificationView { holds: complaints.is_empty(), complaints }))
}
