//! Signing in, step by step. What is right and how often one may try is known to the sign-in room; a stranger learns
//! nothing here of who lives in this home.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ApiProblem;
use super::factors::ChallengeView;
use super::sessions::{AnswerForm, SessionView, with_cookie};
use crate::signin::{Answer, Opened, Step};
use crate::web::{Caller, Desk, cookies};

/// How far signing in has come. With `done` the answer sets the session's cookie.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepView {
    pub done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView>,
    /// Goes into `X-CSRF-Token` with every change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<SecondFactorView>,
}

/// One more factor is wanted.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecondFactorView {
    /// Goes back with the answer; it counts for five minutes.
    pub pending: String,
    /// Any of these.
    pub offered: Vec<&'static str>,
    /// WebAuthn options, where a passkey is offered.
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<Value>,
}

/// Login and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInPassword {
    /// A phone number, an e-mail address or a login name, in any usual spelling.
    #[schema(max_length = 254)]
    pub login: String,
    #[schema(max_length = 1024)]
    pub password: String,
}

/// A second factor: exactly one of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorForm {
    pub pending: String,
    #[serde(default)]
    pub totp: Option<String>,
    #[serde(default)]
    pub recovery: Option<String>,
    /// What `navigator.credentials.get` gave.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<Value>,
}

/// A passkey's answer to a challenge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    pub pending: String,
    /// What `navigator.credentials.get` gave.
    #[schema(value_type = Object)]
    pub response: Value,
}

/// To whom a code is sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginForm {
    #[schema(max_length = 254)]
    pub login: String,
}

/// A code may have been sent. The answer is the same where there is nobody like that.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingView {
    pub pending: String,
}

/// The code that was sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInCode {
    pub pending: String,
    #[schema(max_length = 32)]
    pub code: String,
}

/// A PIN on a paired wall tablet.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInPin {
    /// A person's id.
    pub person: String,
    #[schema(max_length = 8)]
    pub pin: String,
}

/// The answer to a finished step.
pub fn done(desk: &Desk, caller: &Caller, opened: &Opened) -> Response {
    let mut session = SessionView::of(&opened.session, caller);
    session.this = true;
    let csrf = Some(opened.session.csrf.expose().clone());
    with_cookie(desk, opened, StepView { done: true, session: Some(session), csrf, second_factor: None })
}

fn said(desk: &Desk, caller: &Caller, step: Step) -> Response {
    match step {
        Step::Done(opened) => done(desk, caller, &opened),
        Step::SecondFactor { pending, offered, passkey } => {
            let offered = offered.iter().map(|kind| kind.code()).collect();
            let second_factor = Some(SecondFactorView { pending, offered, passkey });
            Json(StepView { done: false, session: None, csrf: None, second_factor }).into_response()
        }
    }
}

/// Login and password.
#[utoipa::path(post, path = "/api/v1/sign-in/password", tag = "sign-in", request_body = SignInPassword, responses((status = 200, body = StepView)))]
pub async fn password(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<SignInPassword>,
) -> Result<Response, ApiProblem> {
    let step = desk.signin.with_password(&form.login, Secret::new(form.password), &caller.origin).await?;
    Ok(said(&desk, &caller, step))
}

/// The second factor that was asked for.
#[utoipa::path(post, path = "/api/v1/sign-in/second-factor", tag = "sign-in", request_body = SecondFactorForm, responses((status = 200, body = StepView)))]
pub async fn second_factor(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<SecondFactorForm>,
) -> Result<Response, ApiProblem> {
    let answer = match form.passkey {
        Some(response) if form.totp.is_none() && form.recovery.is_none() => {
            Answer::Passkey(form.pending.clone(), response)
        }
        Some(_) => return Err(ApiProblem::invalid("give exactly one of totp, recovery, passkey")),
        None => AnswerForm { password: None, totp: form.totp, recovery: form.recovery, passkey: None }.read()?,
    };
    let step = desk.signin.second_factor(&form.pending, answer, &caller.origin).await?;
    Ok(said(&desk, &caller, step))
}

/// Options for `navigator.credentials.get`, without a login.
#[utoipa::path(post, path = "/api/v1/sign-in/passkey/challenge", tag = "sign-in", responses((status = 200, body = ChallengeView)))]
pub async fn passkey_challenge(State(desk): State<Desk>, caller: Caller) -> Result<Json<ChallengeView>, ApiProblem> {
    let (pending, options) = desk.signin.passkey_challenge(&caller.origin).await?;
    Ok(Json(ChallengeView { pending, options }))
}

/// A passkey's answer.
#[utoipa::path(post, path = "/api/v1/sign-in/passkey", tag = "sign-in", request_body = PasskeyAnswer, responses((status = 200, body = StepView)))]
pub async fn passkey(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<PasskeyAnswer>,
) -> Result<Response, ApiProblem> {
    let step = desk.signin.with_passkey(&form.pending, form.response, &caller.origin).await?;
    Ok(said(&desk, &caller, step))
}

/// Sends a one-time code to a login, if it is a confirmed contact.
#[utoipa::path(post, path = "/api/v1/sign-in/code/send", tag = "sign-in", request_body = LoginForm, responses((status = 200, body = PendingView)))]
pub async fn send_code(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<LoginForm>,
) -> Result<Json<PendingView>, ApiProblem> {
    Ok(Json(PendingView { pending: desk.signin.send_code(&form.login, &caller.origin).await? }))
}

/// The code that was sent.
#[utoipa::path(post, path = "/api/v1/sign-in/code", tag = "sign-in", request_body = SignInCode, responses((status = 200, body = StepView)))]
pub async fn code(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<SignInCode>,
) -> Result<Response, ApiProblem> {
    let step = desk.signin.with_code(&form.pending, &form.code, &caller.origin).await?;
    Ok(said(&desk, &caller, step))
}

/// A PIN on a paired wall tablet, known by its own cookie.
#[utoipa::path(post, path = "/api/v1/sign-in/pin", tag = "sign-in", request_body = SignInPin, responses((status = 200, body = StepView)))]
pub async fn pin(
    State(desk): State<Desk>,
    caller: Caller,
    headers: HeaderMap,
    Json(form): Json<SignInPin>,
) -> Result<Response, ApiProblem> {
    let wrong = || ApiProblem::from(crate::signin::SignInError::Wrong);
    let device = cookies::read(&desk.front, &headers).ok_or_else(wrong)?;
    let person = form.person.parse().map_err(|_| wrong())?;
    let opened = desk.signin.with_pin(&device, person, &form.pin, &caller.origin).await?;
    Ok(done(&desk, &caller, &opened))
}
