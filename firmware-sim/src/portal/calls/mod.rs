//! The contract's calls other than acts: accounts, messages both ways, alerts, the device list, service requests.

mod accounts;
mod alerts;
mod home;
mod messages;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde_json::Value;

use super::{Portal, jose::sha256_hex, problem::Problem, state::HomeState};

const JSON_CAP_BYTES: usize = 256 * 1024;
/// Answers remembered by idempotency key.
const ANSWERS_KEPT: usize = 10_000;

pub(crate) fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/api/v1/accounts", get(accounts::get_accounts))
        .route("/api/v1/charges", get(messages::get_charges))
        .route("/api/v1/notifications", get(messages::get_notifications).post(messages::post_notification))
        .route("/api/v1/notifications/{id}/read", put(messages::mark_read))
        .route("/api/v1/alerts", get(alerts::get_feed))
        .route("/api/v1/alerts/{id}", get(alerts::get_alert))
        .route("/api/v1/devices", put(home::put_devices))
        .route("/api/v1/service-requests", get(home::get_requests).post(home::post_request))
}

/// Changes what the household keeps here; on disk before it is true.
fn change_home<R>(portal: &Portal, change: impl FnOnce(&mut HomeState) -> Result<R, Problem>) -> Result<R, Problem> {
    portal.update(|state| {
        let mut home = state.home.clone();
        let result = change(&mut home)?;
        portal.keep("home.json", &home).map_err(|error| Problem::disk(&error))?;
        state.home = home;
        Ok(result)
    })
}

/// The same key with the same body gives the first answer again; with another body it is an error.
fn once(
    portal: &Portal,
    headers: &HeaderMap,
    body: &[u8],
    make: impl FnOnce(&mut HomeState) -> Result<Value, Problem>,
) -> Result<Response, Problem> {
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| uuid::Uuid::try_parse(key).is_ok())
        .ok_or_else(|| Problem::bad("idempotency-key must be a UUID"))?
        .to_ascii_lowercase();
    let hash = sha256_hex(body);
    change_home(portal, |home| {
        let answer = match home.answers.get(&key) {
            Some((held, answer)) if *held == hash => answer.clone(),
            Some(_) => return Err(Problem::bad("this idempotency key came with another body before")),
            None => {
                let answer = make(home)?;
                if home.answers.len() >= ANSWERS_KEPT {
                    home.answers.pop_first();
                }
                home.answers.insert(key, (hash, answer.clone()));
                answer
            }
        };
        Ok((StatusCode::CREATED, Json(answer)).into_response())
    })
}

/// `after` of the query, as a position; a cursor that we did not give is an error.
fn cursor(after: Option<&String>) -> Result<usize, Problem> {
    after.map_or(Ok(0), |text| text.parse().map_err(|_| Problem::bad("after is no cursor of this portal")))
}
