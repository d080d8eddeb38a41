//! Calendars elsewhere: added, looked at now, removed. Their addresses are secrets of whoever keeps them and are never told
//! again; only the host is.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domovoi_config::Language;
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calendar::{id_of, kind_of, told};
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::calendar::{ElsewhereDraft, ElsewhereView};
use crate::web::{Caller, Desk, calendar_words as said};

/// A calendar elsewhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct ElsewhereAnswer {
    pub calendar: String,
    pub label: String,
    /// What it calls itself.
    pub name: Option<String>,
    pub host: String,
    /// Its own reminders are told here.
    pub alarms: bool,
    /// What its events are about where they do not say.
    pub kind: &'static str,
    pub by: Option<String>,
    pub tried_at: Option<String>,
    pub read_at: Option<String>,
    /// How it stands, in words.
    pub words: String,
    /// The code of what went wrong since it was read last.
    pub trouble: Option<String>,
    pub failures: u32,
    pub events: usize,
    /// Events that could not be taken.
    pub left_out: u32,
}

/// Calendars elsewhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct ElsewheresAnswer {
    pub calendars: Vec<ElsewhereAnswer>,
}

/// A calendar elsewhere to be read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ElsewhereForm {
    #[schema(min_length = 1, max_length = 200)]
    pub label: String,
    /// `https://…` or `webcal://…`
    #[schema(min_length = 1, max_length = 2000)]
    pub address: String,
    /// Whether its own reminders are told here.
    #[serde(default)]
    pub alarms: bool,
    /// What its events are about where they do not say: `other`, if nothing is said.
    #[serde(default)]
    pub kind: Option<String>,
}

impl ElsewhereAnswer {
    fn of(view: &ElsewhereView, language: Language) -> Self {
        ElsewhereAnswer {
            calendar: view.id.to_string(),
            label: view.label.clone(),
            name: view.name.clone(),
            host: view.host.clone(),
            alarms: view.alarms,
            kind: view.kind.code(),
            by: view.by.map(|by| by.to_string()),
            tried_at: view.tried_at.map(|at| at.to_string()),
            read_at: view.read_at.map(|at| at.to_string()),
            words: said::standing(view, language),
            trouble: view.failure.as_ref().map(|(code, _)| code.clone()),
            failures: view.failures,
            events: view.events,
            left_out: view.left_out,
        }
    }
}

/// The calendars elsewhere that are read here.
#[utoipa::path(get, path = "/api/v1/calendar/elsewhere", tag = "calendar", responses((status = 200, body = ElsewheresAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<ElsewheresAnswer> {
    let views = desk.calendar.elsewhere();
    Json(ElsewheresAnswer { calendars: views.iter().map(|view| ElsewhereAnswer::of(view, caller.language)).collect() })
}

/// Adds a calendar elsewhere, after it was read once.
#[utoipa::path(post, path = "/api/v1/calendar/elsewhere", tag = "calendar", request_body = ElsewhereForm, responses((status = 201, body = ElsewhereAnswer)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<ElsewhereForm>,
) -> Result<(StatusCode, Json<ElsewhereAnswer>), ApiProblem> {
    let draft = ElsewhereDraft {
        label: form.label,
        address: Secret::new(form.address),
        alarms: form.alarms,
        kind: kind_of(form.kind.as_deref().unwrap_or("other"))?,
    };
    let added = desk.calendar.add_elsewhere(&draft, caller.who.person()).await;
    let view = added.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(view.label.clone()));
    note.change("host", None, Some(view.host.clone()));
    Ok((StatusCode::CREATED, Json(ElsewhereAnswer::of(&view, caller.language))))
}

/// Looks at a calendar elsewhere now.
#[utoipa::path(post, path = "/api/v1/calendar/elsewhere/{calendar}/look", tag = "calendar", responses((status = 200, body = ElsewhereAnswer)))]
pub async fn look(
    State(desk): State<Desk>,
    caller: Caller,
    Path(calendar): Path<String>,
) -> Result<Json<ElsewhereAnswer>, ApiProblem> {
    let id = id_of(&calendar, "calendar elsewhere", caller.language)?;
    let view = desk.calendar.poll_now(id).await.map_err(|error| told(error, caller.language))?;
    Ok(Json(ElsewhereAnswer::of(&view, caller.language)))
}

/// Takes a calendar elsewhere away, with its events.
#[utoipa::path(delete, path = "/api/v1/calendar/elsewhere/{calendar}", tag = "calendar", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    Path(calendar): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let id = id_of(&calendar, "calendar elsewhere", caller.language)?;
    let view = desk.calendar.elsewhere_view(id).map_err(|error| told(error, caller.language))?;
    desk.calendar.remove_elsewhere(id).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(view.label), None);
    Ok(Done::json())
}
