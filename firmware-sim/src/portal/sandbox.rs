//! `/_sandbox/…`: the portal's strings, for whoever drives it from outside the process (a test that kills processes, a
//! person with curl). Open only when the settings say so, and to loopback peers only.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;

use super::{
    Portal,
    guard::{body, json},
    line::Line,
    misbehave::{Misbehaviour, Reach},
    problem::Problem,
    state::PortalView,
};

const CAP_BYTES: usize = 16 * 1024;

pub(crate) fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/_sandbox/misbehave", post(misbehave).delete(clear))
        .route("/_sandbox/decide", post(decide))
        .route("/_sandbox/view", get(view))
}

fn local(line: &Line) -> Result<(), Problem> {
    let forbidden = || Problem::new(StatusCode::FORBIDDEN, "forbidden-scope", "loopback peers only");
    line.peer.ip().is_loopback().then_some(()).ok_or_else(forbidden)
}

/// `{"what": "server_error500", "reach": "resources", "times": 2}`; or `{"what": {"too_many_requests":
/// {"retry_after_s": 3}}}`, or `"reach": {"only": "put_act"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    what: Misbehaviour,
    reach: Option<Reach>,
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

async fn misbehave(
    State(portal): State<Arc<Portal>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Result<Response, Problem> {
    local(&line)?;
    let wish: Wish = json(&body(request.into_body(), CAP_BYTES).await?)?;
    portal.queue(wish.reach.unwrap_or_else(|| wish.what.usual_reach()), wish.what, wish.times);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn clear(State(portal): State<Arc<Portal>>, ConnectInfo(line): ConnectInfo<Line>) -> Result<Response, Problem> {
    local(&line)?;
    portal.update(|state| state.faults.0.clear());
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decide {
    user_code: String,
    allow: bool,
}

async fn decide(
    State(portal): State<Arc<Portal>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Result<Response, Problem> {
    local(&line)?;
    let wish: Decide = json(&body(request.into_body(), CAP_BYTES).await?)?;
    match portal.decide(&wish.user_code, wish.allow).map_err(|error| Problem::disk(&error))? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::not_found("no such code waits")),
    }
}

async fn view(
    State(portal): State<Arc<Portal>>,
    ConnectInfo(line): ConnectInfo<Line>,
) -> Result<Json<PortalView>, Problem> {
    local(&line)?;
    Ok(Json(portal.read(|state| state.view())))
}
