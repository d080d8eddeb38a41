//! Pairing a phone or a wall tablet: the new device shows a code, somebody who is signed in approves it.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sessions::with_cookie;
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::policy::{Decision, Kind, Object, Verb, decide};
use crate::signin::{Pairing, PairingKind, PairingState};
use crate::web::{Caller, Desk, problem};

/// What is paired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PairForm {
    /// `phone` or `tablet`
    pub kind: String,
}

/// A pairing under way.
#[derive(Serialize, ToSchema)]
pub struct PairingView {
    /// In the QR code's address, and for typing.
    pub code: String,
    /// What the new device proves itself with; only in its own answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// `phone` or `tablet`
    pub kind: &'static str,
    /// What the new device says it is.
    pub device: String,
    pub address: Option<String>,
    pub ends_at: String,
}

/// What a paired device is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PairingApproval {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
}

/// The new device's own secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StateForm {
    #[schema(max_length = 256)]
    pub secret: String,
}

/// How a pairing stands. With `approved` the answer sets the session's cookie.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateView {
    /// `waiting`, `approved`, `over`
    pub state: &'static str,
}

impl PairingView {
    fn of(pairing: &Pairing, with_secret: bool) -> Self {
        PairingView {
            code: pairing.code.clone(),
            secret: with_secret.then(|| pairing.secret.expose().clone()),
            kind: if pairing.kind == PairingKind::Phone { "phone" } else { "tablet" },
            device: pairing.device.clone(),
            address: pairing.address.map(|address| address.to_string()),
            ends_at: pairing.ends_at.to_string(),
        }
    }
}

/// Begins a pairing, on the new device.
#[utoipa::path(post, path = "/api/v1/pairings", tag = "pairing", request_body = PairForm, responses((status = 201, body = PairingView)))]
pub async fn begin(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<PairForm>,
) -> Result<(StatusCode, Json<PairingView>), ApiProblem> {
    let kind = match form.kind.as_str() {
        "phone" => PairingKind::Phone,
        "tablet" => PairingKind::Tablet,
        _ => return Err(ApiProblem::invalid("kind: phone or tablet")),
    };
    let pairing = desk.signin.pair(kind, &caller.origin).await?;
    Ok((StatusCode::CREATED, Json(PairingView::of(&pairing, true))))
}

/// What is to be approved, for the person who scanned the code.
#[utoipa::path(get, path = "/api/v1/pairings/{code}", tag = "pairing", responses((status = 200, body = PairingView)))]
pub async fn show(State(desk): State<Desk>, Path(code): Path<String>) -> Result<Json<PairingView>, ApiProblem> {
    Ok(Json(PairingView::of(&desk.signin.pairing(&code).await?, false)))
}

/// Says no.
#[utoipa::path(delete, path = "/api/v1/pairings/{code}", tag = "pairing", responses((status = 200, body = Done)))]
pub async fn refuse(State(desk): State<Desk>, Path(code): Path<String>) -> Result<Json<Done>, ApiProblem> {
    desk.signin.refuse_pairing(&code).await?;
    Ok(Done::json())
}

/// Approves, and names the device. A phone is the caller's then; a tablet is the home's, which wants the right to that.
#[utoipa::path(post, path = "/api/v1/pairings/{code}/approval", tag = "pairing", request_body = PairingApproval, responses((status = 200, body = Done)))]
pub async fn approve(
    State(desk): State<Desk>,
    caller: Caller,
    Path(code): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<PairingApproval>,
) -> Result<Json<Done>, ApiProblem> {
    let person = caller.who.person().ok_or_else(|| ApiProblem::refused("only a person can approve a device"))?;
    let pairing = desk.signin.pairing(&code).await?;
    if pairing.kind == PairingKind::Tablet
        && let Decision::Refuse(refusal) = decide(&caller.who, Verb::Edit, &Object::all(Kind::Session), desk.now())
    {
        return Err(problem(&refusal, caller.language));
    }
    desk.signin.approve_pairing(&code, person, &form.name).await?;
    note.personal(person, "device", None, Some(form.name));
    Ok(Done::json())
}

/// The new device asks whether it was approved.
#[utoipa::path(post, path = "/api/v1/pairings/state", tag = "pairing", request_body = StateForm, responses((status = 200, body = StateView)))]
pub async fn state(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<StateForm>,
) -> Result<Response, ApiProblem> {
    Ok(match desk.signin.pairing_state(&form.secret, &caller.origin).await? {
        PairingState::Waiting => Json(StateView { state: "waiting" }).into_response(),
        PairingState::Over => Json(StateView { state: "over" }).into_response(),
        PairingState::Approved(opened) => with_cookie(&desk, &opened, StateView { state: "approved" }),
    })
}
