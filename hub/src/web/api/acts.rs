//! Acts: list, show, approve, correct; the public key they are signed with.

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_model::{Act, ActId, ActReading, ActState, PortalVerdict};
use domovoi_store::ActFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiProblem;
use crate::metering::sign::{hex, sha256};
use crate::metering::source_in_words;
use crate::web::{Caller, Desk};

pub async fn list(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let register = desk.metering.register();
    let acts = desk.store.acts().list(ActFilter::default()).await?;
    let acts: Vec<Value> = acts
        .iter()
        .map(|act| {
            let account = register.account(act.account);
            json!({
                "act": act.id.to_string(),
                "period": act.period.to_string(),
                "supplier": account.map(|a| a.supplier.clone()),
                "account": account.map(|a| a.number.clone()),
                "state": act.state.code(),
                "readings": act.readings.len(),
                "created_at": act.created_at.to_string(),
                "supersedes": act.supersedes.map(|id| id.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "acts": acts })))
}

pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(act): Path<String>,
) -> Result<Json<Value>, ApiProblem> {
    let mut act = find(&desk, &act).await?;
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
        "readings": act.readings.iter().map(reading_json).collect::<Vec<_>>(),
        "sha256": act.document.as_deref().map(|document| hex(&sha256(document))),
        "document": act.document.as_deref().map(|document| STANDARD.encode(document)),
        "signature": act.signature,
        "signature_check": verified,
        "key": desk.metering.public_key(),
    })))
}

/// How an act is approved.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalForm {
    /// Sign a draft with the readings that it has.
    #[serde(default)]
    pub incomplete: bool,
}

pub async fn approve(
    State(desk): State<Desk>,
    Path(act): Path<String>,
    Json(form): Json<ApprovalForm>,
) -> Result<Json<Value>, ApiProblem> {
    let act = find(&desk, &act).await?;
    let act = desk.metering.approve(act.id, form.incomplete).await?;
    Ok(Json(json!({ "act": act.id.to_string(), "state": act.state.code() })))
}

pub async fn correct(State(desk): State<Desk>, Path(act): Path<String>) -> Result<Json<Value>, ApiProblem> {
    let act = find(&desk, &act).await?;
    let act = desk.metering.correct(act.id).await?;
    Ok(Json(json!({
        "act": act.id.to_string(),
        "supersedes": act.supersedes.map(|id| id.to_string()),
        "state": act.state.code(),
    })))
}

pub async fn key(State(desk): State<Desk>) -> Json<Value> {
    let key = desk.metering.public_key();
    Json(json!({ "kid": key.thumbprint(), "jwk": key }))
}

/// By id, or by period where only one act answers to it.
async fn find(desk: &Desk, text: &str) -> Result<Act, ApiProblem> {
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

fn reading_json(reading: &ActReading) -> Value {
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
        "source": source_in_words(&reading.source),
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
