//! Secret addresses of the calendar: made, listed, revoked. The address itself is told once, when it is made. Everybody has
//! their own; the owner of the home sees and revokes all.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domovoi_model::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calendar::{id_of, told};
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::calendar::{CalendarError, FeedView};
use crate::policy::{Role, Subject};
use crate::web::{Caller, Desk};

/// A secret address, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedAnswer {
    /// What it is revoked by. It opens nothing.
    pub feed: String,
    pub label: String,
    /// Whose it is; none: made at the machine, for the home.
    pub person: Option<String>,
    pub made_at: Option<String>,
    /// The day on which it was last read.
    pub read_on: Option<String>,
}

/// Secret addresses.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedsAnswer {
    pub feeds: Vec<FeedAnswer>,
}

/// A new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedForm {
    /// What it is for: «phone».
    #[schema(min_length = 1, max_length = 200)]
    pub label: String,
}

/// A new one, with its secret, which is told here and never again.
#[derive(Serialize, ToSchema)]
pub struct MadeAnswer {
    pub feed: String,
    pub label: String,
    /// Whoever has it reads the calendar.
    pub address: String,
}

impl FeedAnswer {
    fn of(view: &FeedView) -> Self {
        FeedAnswer {
            feed: view.id.to_string(),
            label: view.label.clone(),
            person: view.person.map(|person| person.to_string()),
            made_at: view.made_at.map(|at| at.to_string()),
            read_on: view.read_on.map(|at| at.to_string().chars().take(10).collect()),
        }
    }
}

/// Whose addresses a caller sees: the own ones, or all.
fn whose(caller: &Caller) -> Result<Option<PersonId>, ApiProblem> {
    match (&caller.who.subject, caller.who.role) {
        (Subject::Console, _) | (_, Some(Role::Owner)) => Ok(None),
        (Subject::Person(person), _) => Ok(Some(*person)),
        _ => Err(told(CalendarError::NoSuch("secret address"), caller.language)),
    }
}

/// The secret addresses of the caller; the owner sees everybody's.
#[utoipa::path(get, path = "/api/v1/calendar/feeds", tag = "calendar", responses((status = 200, body = FeedsAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Result<Json<FeedsAnswer>, ApiProblem> {
    let feeds = desk.calendar.feeds(whose(&caller)?);
    Ok(Json(FeedsAnswer { feeds: feeds.iter().map(FeedAnswer::of).collect() }))
}

/// Makes a secret address under which a phone reads the calendar without signing in.
#[utoipa::path(post, path = "/api/v1/calendar/feeds", tag = "calendar", request_body = FeedForm, responses((status = 201, body = MadeAnswer)))]
pub async fn make(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<FeedForm>,
) -> Result<(StatusCode, Json<MadeAnswer>), ApiProblem> {
    whose(&caller)?;
    let made = desk.calendar.make_feed(caller.who.person(), &form.label).await;
    let (view, secret) = made.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(view.label.clone()));
    let origin = desk.front.origins.first().map(String::as_str).unwrap_or_default();
    let address = format!("{origin}/calendar/{}.ics", secret.expose());
    Ok((StatusCode::CREATED, Json(MadeAnswer { feed: view.id.to_string(), label: view.label, address })))
}

/// Revokes a secret address: from then on it answers like one that never was.
#[utoipa::path(delete, path = "/api/v1/calendar/feeds/{feed}", tag = "calendar", responses((status = 200, body = Done)))]
pub async fn revoke(
    State(desk): State<Desk>,
    caller: Caller,
    Path(feed): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let id = id_of(&feed, "secret address", caller.language)?;
    let theirs = desk.calendar.feeds(whose(&caller)?).into_iter().find(|view| view.id == id);
    let Some(view) = theirs else { return Err(told(CalendarError::NoSuch("secret address"), caller.language)) };
    desk.calendar.revoke_feed(id).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(view.label), None);
    Ok(Done::json())
}
