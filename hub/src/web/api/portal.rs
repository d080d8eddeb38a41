//! The link to the portal: linking as it goes, status, consent, the portal's accounts.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domovoi_store::ActFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiProblem;
use crate::portal::calls::get_accounts;
use crate::portal::{CallError, LinkProgress, LinkState, Portal, scopes_in_words};
use crate::web::Desk;

/// A linking as the command line follows it.
#[derive(Debug, Default)]
pub struct LinkingView {
    task: Option<tokio::task::AbortHandle>,
    code: Option<Value>,
    browser: Option<String>,
    failed: Option<String>,
    linked: bool,
}

/// How to link.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkForm {
    #[serde(default)]
    pub browser: bool,
}

/// Standing consent, given or withdrawn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentForm {
    pub given: bool,
}

fn portal(desk: &Desk) -> Result<&Portal, ApiProblem> {
    desk.portal
        .as_ref()
        .ok_or_else(|| ApiProblem::refused("no portal is named in the settings: add a [portal] section"))
}

pub async fn status(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let portal = portal(&desk)?;
    let acts = desk.store.acts().list(ActFilter::default()).await?;
    let count = |code: &str| acts.iter().filter(|act| act.state.code() == code).count();
    let sent: Value = ["draft", "checked", "approved", "sent", "confirmed", "received", "refused", "superseded"]
        .into_iter()
        .map(|code| (code.to_owned(), json!(count(code))))
        .collect();
    let settings = portal.settings();
    Ok(Json(json!({
        "issuer": settings.issuer.as_str(),
        "api_base": settings.api_base.as_str(),
        "link": state_json(&portal.status()),
        "asks_for": scopes_json(&settings.scopes),
        "standing_consent": desk.metering.standing_consent().await?,
        "acts": sent,
    })))
}

pub async fn link(State(desk): State<Desk>, Json(form): Json<LinkForm>) -> Result<Json<Value>, ApiProblem> {
    let portal = portal(&desk)?.clone();
    match portal.status() {
        LinkState::Unlinked | LinkState::RelinkNeeded { .. } => {}
        LinkState::Linking => return Err(ApiProblem::refused("a linking is under way already")),
        _ => return Err(ApiProblem::refused("the portal is linked already: unlink it first")),
    }
    let mut view = desk.linking.0.lock().unwrap_or_else(PoisonError::into_inner);
    *view = LinkingView::default();
    let shared = desk.linking.clone();
    let task = tokio::spawn(async move {
        let told = shared.clone();
        let progress = move |step: LinkProgress| {
            let mut view = told.0.lock().unwrap_or_else(PoisonError::into_inner);
            match step {
                LinkProgress::ShowCode(code) => {
                    view.code = Some(json!({
                        "user_code": code.user_code,
                        "verification_uri": code.verification_uri.as_str(),
                        "verification_uri_complete": code.verification_uri_complete.as_ref().map(|uri| uri.as_str()),
                        "expires_in_s": code.expires_in.as_secs(),
                    }));
                }
                LinkProgress::OpenBrowser(url) => view.browser = Some(url.to_string()),
                LinkProgress::Permissions(_) | LinkProgress::Linked(_) => {}
            }
        };
        let outcome =
            if form.browser { portal.link_browser(progress).await } else { portal.link_device(progress).await };
        let mut view = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => view.linked = true,
            Err(error) => view.failed = Some(error.to_string()),
        }
    });
    view.task = Some(task.abort_handle());
    Ok(Json(json!({ "state": "linking" })))
}

pub async fn linking(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let link = state_json(&portal(&desk)?.status());
    let view = desk.linking.0.lock().unwrap_or_else(PoisonError::into_inner);
    let state = match (&view.failed, view.linked, &view.task) {
        (Some(_), ..) => "failed",
        (None, true, _) => "linked",
        (None, false, Some(_)) => "linking",
        (None, false, None) => "idle",
    };
    Ok(Json(json!({ "state": state, "code": view.code, "browser": view.browser, "why": view.failed, "link": link })))
}

pub async fn cancel(State(desk): State<Desk>) -> Json<Value> {
    let mut view = desk.linking.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(task) = view.task.take() {
        task.abort();
    }
    *view = LinkingView::default();
    Json(json!({ "state": "idle" }))
}

pub async fn unlink(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let outcome = portal(&desk)?.unlink().await;
    let outcome =
        outcome.map_err(|error| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "store", error.to_string()))?;
    Ok(Json(json!({ "was_linked": outcome.was_linked, "told_portal": outcome.told_portal, "detail": outcome.detail })))
}

pub async fn accounts(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let portal = portal(&desk)?;
    if matches!(portal.status(), LinkState::Unlinked | LinkState::Linking) {
        return Err(ApiProblem::refused("the portal is not linked: run `domovoi portal link`"));
    }
    let accounts = get_accounts::call(portal).await;
    let accounts = accounts.map_err(|error| match error {
        CallError::RelinkNeeded(_) | CallError::AccountPending | CallError::AccountBlocked => {
            ApiProblem::refused(error.to_string())
        }
        _ => ApiProblem::new(StatusCode::BAD_GATEWAY, "portal", error.to_string()),
    })?;
    let accounts: Vec<Value> = accounts
        .into_iter()
        .map(|account| {
            let points: Vec<Value> = account
                .metering_points
                .iter()
                .map(|point| {
                    json!({
                        "resource": point.resource.code(),
                        "serial": point.serial,
                        "tariffs": point.tariff_count,
                        "valid_until": point.verification_valid_until.map(|date| date.to_string()),
                    })
                })
                .collect();
            json!({
                "supplier": account.supplier_id,
                "supplier_name": account.supplier_name,
                "account": account.account_number,
                "els": account.els,
                "points": points,
            })
        })
        .collect();
    Ok(Json(json!({ "accounts": accounts })))
}

pub async fn consent(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    Ok(Json(json!({ "standing_consent": desk.metering.standing_consent().await? })))
}

pub async fn set_consent(State(desk): State<Desk>, Json(form): Json<ConsentForm>) -> Result<Json<Value>, ApiProblem> {
    desk.metering.set_standing_consent(form.given).await?;
    Ok(Json(json!({ "standing_consent": form.given })))
}

fn scopes_json(scopes: &[String]) -> Vec<Value> {
    scopes_in_words(scopes).into_iter().map(|(scope, ru, en)| json!({ "scope": scope, "ru": ru, "en": en })).collect()
}

fn state_json(state: &LinkState) -> Value {
    match state {
        LinkState::Unlinked => json!({ "is": "unlinked" }),
        LinkState::Linking => json!({ "is": "linking" }),
        LinkState::Linked { granted, missing, subject, since } => json!({
            "is": "linked",
            "granted": scopes_json(granted),
            "missing": scopes_json(missing),
            "subject": subject,
            "since": since.to_string(),
        }),
        LinkState::RelinkNeeded { why } => json!({ "is": "relink_needed", "why": why }),
        LinkState::AccountPending => json!({ "is": "account_pending" }),
        LinkState::AccountBlocked { detail } => json!({ "is": "account_blocked", "detail": detail }),
    }
}
