//! Acts: list, show, approve, correct; the public key they are signed with.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_model::{Act, ActId, ActReading, ActState, PortalVerdict};
use domovoi_store::ActFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::paging::{Paging, answer};
use super::{ApiProblem, source_said};
use crate::audit::Note;
use crate::metering::sign::{hex, sha256};
use crate::web::{Caller, Desk};

/// An act in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActLine {
    pub act: String,
    /// `YYYY-MM`
    pub period: String,
    pub supplier: Option<String>,
    pub account: Option<String>,
    /// `draft`, `checked`, `approved`, `sent`, `confirmed`, `received`, `refused`, `superseded`
    pub state: &'static str,
    pub readings: usize,
    pub created_at: String,
    pub supersedes: Option<String>,
}

/// Acts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActsView {
    pub acts: Vec<ActLine>,
    pub next: Option<String>,
}

/// An act that was approved or drawn up.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActStep {
    pub act: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<String>,
    pub state: &'static str,
}

/// The public key that acts are signed with.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    /// RFC 7638.
    pub kid: String,
    /// RFC 7517.
    #[schema(value_type = Object)]
    pub jwk: crate::metering::sign::PublicKey,
}

/// Every act and where it stands.
#[utoipa::path(get, path = "/api/v1/acts", tag = "acts", params(Paging), responses((status = 200, body = ActsView)))]
pub async fn list(State(desk): State<Desk>, Query(paging): Query<Paging>, uri: Uri) -> Result<Response, ApiProblem> {
    let register = desk.metering.register();
    let all = desk.store.acts().list(ActFilter::default()).await?;
    let (page, next) = paging.cut(all, |act| act.id.to_string())?;
    let acts = page
        .iter()
        .map(|act| {
            let account = register.account(act.account);
            ActLine {
                act: act.id.to_string(),
                period: act.period.to_string(),
                supplier: account.map(|a| a.supplier.clone()),
                account: account.map(|a| a.number.clone()),
                state: act.state.code(),
                readings: act.readings.len(),
                created_at: act.created_at.to_string(),
                supersedes: act.supersedes.map(|id| id.to_string()),
            }
        })
        .collect();
    Ok(answer(ActsView { acts, next: next.clone() }, next.as_deref(), &uri))
}

/// One act: its readings, its state, its signed bytes, what the portal said. By id, or by month where one answers to it.
#[utoipa::path(get, path = "/api/v1/acts/{act}", tag = "acts", responses((status = 200, body = Object)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(act): Path<String>,
) -> Result<Json<Value>, ApiProblem> {
    let mut act = act_named(&desk, &act).await?;
    for reading in &mut act.readings {
        desk.people.name_reader(&mut reading.source, caller.language);
    }
    let verified = match (&act.document, &act.signature) {
        (Some(document), Some(signature)) => Some(match desk.metering.public_key().verify(document, signature) {
            Ok(()) => "holds".to_owned(),
            Err(error) => error.to_string(),
        }),
        _ => None,
    };
    Ok(Json(json!({
        "act": act.id.to_string(),
        "period": act.period.to_string(),
        "created_at": act.created_at.to_string(),
        "supersedes": act.supersedes.map(|id| id.to_string()),
        "state": state_json(&act.state),
        "readings": act.readings.iter().map(|reading| reading_json(&desk, &caller, reading)).collect::<Vec<_>>(),
        "sha256": act.document.as_deref().map(|document| hex(&sha256(document))),
        "document": act.document.as_deref().map(|document| STANDARD.encode(document)),
        "signature": act.signature,
        "signature_check": verified,
        "key": desk.metering.public_key(),
    })))
}

/// How an act is approved.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalForm {
    /// Sign a draft with the readings that it has.
    #[serde(default)]
    pub incomplete: bool,
}

/// Approves a checked act: it is signed and sent.
#[utoipa::path(post, path = "/api/v1/acts/{act}/approval", tag = "acts", request_body = ApprovalForm, responses((status = 200, body = ActStep)))]
pub async fn approve(
    State(desk): State<Desk>,
    Path(act): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<ApprovalForm>,
) -> Result<Json<ActStep>, ApiProblem> {
    let act = act_named(&desk, &act).await?;
    let before = act.state.code();
    let act = desk.metering.approve(act.id, form.incomplete).await?;
    note.change("state", Some(before.to_owned()), Some(act.state.code().to_owned()));
    Ok(Json(ActStep { act: act.id.to_string(), supersedes: None, state: act.state.code() }))
}

/// Draws up a correction of an act from what is believed now.
#[utoipa::path(post, path = "/api/v1/acts/{act}/correction", tag = "acts", responses((status = 200, body = ActStep)))]
pub async fn correct(State(desk): State<Desk>, Path(act): Path<String>) -> Result<Json<ActStep>, ApiProblem> {
    let act = act_named(&desk, &act).await?;
    let act = desk.metering.correct(act.id).await?;
    Ok(Json(ActStep {
        act: act.id.to_string(),
        supersedes: act.supersedes.map(|id| id.to_string()),
        state: act.state.code(),
    }))
}

/// The public key that acts are signed with.
#[utoipa::path(get, path = "/api/v1/act-key", tag = "acts", responses((status = 200, body = KeyView)))]
pub async fn key(State(desk): State<Desk>) -> Json<KeyView> {
    let key = desk.metering.public_key();
    Json(KeyView { kid: key.thumbprint(), jwk: key.clone() })
}

/// By id, or by period where only one act answers to it.
pub async fn act_named(desk: &Desk, text: &str) -> Result<Act, ApiProblem> {
    if let Ok(id) = text.parse::<ActId>() {
        return Ok(desk.metering.act(id).await?);
    }
    let period = text
        .parse()
        .map_err(|_| ApiProblem::invalid(format!("«{text}» is neither an act's id nor a month YYYY-MM")))?;
    let acts = desk.store.acts().list(ActFilter { period: Some(period), ..ActFilter::default() }).await?;
    let mut live = acts.into_iter().filter(|act| !matches!(act.state, ActState::Superseded { .. }));
    match (live.next(), live.next()) {
        (Some(act), None) => Ok(act),
        (None, _) => Err(ApiProblem::not_found(format!("there is no act of {period}"))),
        (Some(_), Some(_)) => Err(ApiProblem::invalid(format!("there are several acts of {period}: use the id"))),
    }
}

fn reading_json(desk: &Desk, caller: &Caller, reading: &ActReading) -> Value {
    let registers = |values: &domovoi_model::RegisterValues| -> Value {
        values.iter().map(|(tariff, value)| (tariff.code().to_owned(), Value::String(value.to_string()))).collect()
    };
    let verdict = match &reading.portal_verdict {
        PortalVerdict::Pending => json!({ "is": "pending" }),
        PortalVerdict::Accepted { portal_number } => json!({ "is": "accepted", "number": portal_number }),
        PortalVerdict::Rejected { code, detail } => json!({ "is": "rejected", "code": code, "detail": detail }),
    };
    json!({
        "reading_id": reading.id.to_string(),
        "serial": reading.serial,
        "resource": reading.resource.code(),
        "unit": reading.resource.unit().symbol(),
        "values": registers(&reading.values),
        "consumption": registers(&reading.consumption),
        "previous": reading.previous.as_ref().map(|p| json!({ "values": registers(&p.values), "date": p.date.to_string() })),
        "taken_at": reading.taken_at.to_string(),
        "date_value": reading.date_value.to_string(),
        "source": source_said(desk, caller, &reading.source),
        "photo": reading.photo.as_ref().map(|photo| hex(&photo.sha256)),
        "portal": verdict,
    })
}

fn state_json(state: &ActState) -> Value {
    let detail = match state {
        ActState::Draft { problems } => json!({ "problems": problems }),
        ActState::Sent { tries, first_at } => json!({ "tries": tries, "first_at": first_at.to_string() }),
        ActState::Confirmed { at } => json!({ "at": at.to_string() }),
        ActState::Received { receipt } => json!({
            "receipt": receipt.id,
            "issued_at": receipt.issued_at.to_string(),
            "document": STANDARD.encode(&receipt.document),
        }),
        ActState::Refused { code, detail, at } => json!({ "code": code, "detail": detail, "at": at.to_string() }),
        ActState::Superseded { by } => json!({ "by": by.to_string() }),
        ActState::Checked | ActState::Approved => json!({}),
    };
    json!({ "is": state.code(), "detail": detail })
}
