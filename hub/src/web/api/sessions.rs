//! Sessions: the caller's own, a person's, and showing a factor again for what is dangerous.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::factors::{ChallengeView, own_session};
use super::people::PersonView;
use super::sign_in::PasskeyAnswer;
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::signin::{Answer, Opened, SessionView as Session};
use crate::web::{Caller, Desk, Of, cookies};

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Opaque; not the cookie.
    pub id: String,
    pub person: Option<String>,
    pub name: String,
    /// A paired wall tablet.
    pub tablet: bool,
    /// Where it was last used from.
    pub address: Option<String>,
    pub opened_at: String,
    pub used_at: String,
    pub ends_at: String,
    /// The one that asks.
    pub this: bool,
}

/// Sessions, the latest used first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsView {
    pub sessions: Vec<SessionView>,
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct MineView {
    pub person: Option<PersonView>,
    pub session: Option<SessionView>,
    /// Goes into `X-CSRF-Token` with every change.
    pub csrf: Option<String>,
    /// `none`, `pin`, `single`, `strong`
    pub assurance: &'static str,
    /// Whether what is dangerous wants a factor first.
    pub step_up: bool,
}

/// A name for a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameForm {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
}

/// A factor that is shown again: exactly one of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerForm {
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub totp: Option<String>,
    #[serde(default)]
    pub recovery: Option<String>,
    #[serde(default)]
    pub passkey: Option<PasskeyAnswer>,
}

impl AnswerForm {
    pub fn read(self) -> Result<Answer, ApiProblem> {
        match (self.password, self.totp, self.recovery, self.passkey) {
            (Some(password), None, None, None) => Ok(Answer::Password(Secret::new(password))),
            (None, Some(code), None, None) => Ok(Answer::Totp(code)),
            (None, None, Some(code), None) => Ok(Answer::Recovery(Secret::new(code))),
            (None, None, None, Some(passkey)) => Ok(Answer::Passkey(passkey.pending, passkey.response)),
            _ => Err(ApiProblem::invalid("give exactly one of password, totp, recovery, passkey")),
        }
    }
}

impl SessionView {
    pub fn of(session: &Session, caller: &Caller) -> Self {
        SessionView {
            id: session.id.clone(),
            person: session.person.map(|id| id.to_string()),
            name: session.name.clone(),
            tablet: session.tablet,
            address: session.address.map(|address| address.to_string()),
            opened_at: session.opened_at.to_string(),
            used_at: session.used_at.to_string(),
            ends_at: session.ends_at.to_string(),
            this: caller.session.as_ref().is_some_and(|own| own.id == session.id),
        }
    }
}

/// An answer that brings a new session's cookie.
pub fn with_cookie<T: Serialize>(desk: &Desk, opened: &Opened, body: T) -> Response {
    (AppendHeaders([(SET_COOKIE, cookies::session(&desk.front, opened))]), Json(body)).into_response()
}

/// Who I am, and the token that goes with my changes.
#[utoipa::path(get, path = "/api/v1/session", tag = "sign-in", responses((status = 200, body = MineView)))]
pub async fn mine(State(desk): State<Desk>, caller: Caller) -> Json<MineView> {
    use crate::policy::{Assurance, Decision, Kind, Object, Refusal, Verb, decide};
    let person = caller.who.person().and_then(|id| desk.people.get(id));
    // A token that is for the lamps does not tell whose it is.
    let own = |id| decide(&caller.who, Verb::See, &Object::of(Kind::Person, id), desk.now()) == Decision::Allow;
    let person = person.filter(|person| own(person.id));
    let asked = decide(&caller.who, Verb::See, &Object::all(Kind::Home).dangerous(), desk.now());
    Json(MineView {
        person: person.map(|person| PersonView::of(&desk, &person)),
        session: caller.session.as_ref().map(|session| SessionView::of(session, &caller)),
        csrf: caller.session.as_ref().map(|session| session.csrf.expose().clone()),
        assurance: match caller.who.assurance {
            Assurance::None => "none",
            Assurance::Pin => "pin",
            Assurance::Single => "single",
            Assurance::Strong => "strong",
        },
        step_up: asked == Decision::Refuse(Refusal::StepUp),
    })
}

/// Signs out: the session ends here and now.
#[utoipa::path(delete, path = "/api/v1/session", tag = "sign-in", responses((status = 200, body = Done)))]
pub async fn sign_out(State(desk): State<Desk>, caller: Caller) -> Result<Response, ApiProblem> {
    let session = caller.session.as_ref().ok_or_else(|| ApiProblem::not_found("you have no session to end"))?;
    if let Some(person) = session.person {
        desk.signin.end_session(person, &session.id).await?;
    }
    Ok((AppendHeaders([(SET_COOKIE, cookies::cleared(&desk.front))]), Done::json()).into_response())
}

/// Shows a factor again; what is dangerous is open for five minutes. The session gets a new cookie.
#[utoipa::path(post, path = "/api/v1/step-up", tag = "sign-in", request_body = AnswerForm, responses((status = 200, body = super::sign_in::StepView)))]
pub async fn step_up(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<AnswerForm>,
) -> Result<Response, ApiProblem> {
    let session =
        caller.session.as_ref().ok_or_else(|| ApiProblem::refused("only a session can show a factor again"))?;
    let opened = desk.signin.step_up(&session.id, form.read()?, &caller.origin).await?;
    Ok(super::sign_in::done(&desk, &caller, &opened))
}

/// A passkey challenge for showing a factor again.
#[utoipa::path(post, path = "/api/v1/step-up/passkey/challenge", tag = "sign-in", responses((status = 200, body = ChallengeView)))]
pub async fn step_up_challenge(State(desk): State<Desk>, of: Of) -> Result<Json<ChallengeView>, ApiProblem> {
    let (pending, options) = desk.signin.passkey_challenge_for(of.0).await?;
    Ok(Json(ChallengeView { pending, options }))
}

/// Where a person is signed in.
#[utoipa::path(get, path = "/api/v1/people/{person}/sessions", tag = "sessions", responses((status = 200, body = SessionsView)))]
pub async fn list(State(desk): State<Desk>, caller: Caller, of: Of) -> Result<Json<SessionsView>, ApiProblem> {
    let sessions = desk.signin.sessions(of.0).await?;
    Ok(Json(SessionsView { sessions: sessions.iter().map(|session| SessionView::of(session, &caller)).collect() }))
}

/// How many sessions ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndedView {
    pub ended: usize,
}

/// Ends all sessions of a person, but for the caller's own.
#[utoipa::path(delete, path = "/api/v1/people/{person}/sessions", tag = "sessions", responses((status = 200, body = EndedView)))]
pub async fn end_all(State(desk): State<Desk>, caller: Caller, of: Of) -> Result<Json<EndedView>, ApiProblem> {
    let ended = desk.signin.end_sessions(of.0, own_session(&caller, of)).await?;
    Ok(Json(EndedView { ended }))
}

/// Names a session: «Телефон Анны».
#[utoipa::path(patch, path = "/api/v1/people/{person}/sessions/{session}", tag = "sessions", request_body = NameForm, responses((status = 200, body = Done)))]
pub async fn name(
    State(desk): State<Desk>,
    of: Of,
    Path((_, session)): Path<(String, String)>,
    Extension(note): Extension<Note>,
    Json(form): Json<NameForm>,
) -> Result<Json<Done>, ApiProblem> {
    desk.signin.name_session(of.0, &session, &form.name).await?;
    note.personal(of.0, "name", None, Some(form.name));
    Ok(Done::json())
}

/// Ends a session.
#[utoipa::path(delete, path = "/api/v1/people/{person}/sessions/{session}", tag = "sessions", responses((status = 200, body = Done)))]
pub async fn end(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Path((_, session)): Path<(String, String)>,
) -> Result<Response, ApiProblem> {
    desk.signin.end_session(of.0, &session).await?;
    let own = caller.session.as_ref().is_some_and(|own| own.id == session);
    let cleared = if own { cookies::cleared(&desk.front) } else { HeaderValue::from_static("") };
    let mut response = (StatusCode::OK, Done::json()).into_response();
    if own {
        response.headers_mut().append(SET_COOKIE, cleared);
    }
    Ok(response)
}
