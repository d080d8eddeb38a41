//! The doors that open by a secret in their path: a phone's automation says that its owner came or left, something outside
//! begins a scenario. They lie on the
//! threshold, because what knocks does not sign in. Whoever has no right secret hears the same whatever was wrong, and
//! nothing but `POST` does anything: what looks at a link in advance only looks.

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{Desk, Doors, rule};
use crate::policy::{Kind, Verb};
use crate::presence::Tapped;
use crate::scenarios::ScenariosError;

/// A phone says nothing but what stands in the path; what it sends along is not read.
const MAX_BODY: usize = 4096;

/// The longest secret that is looked up.
const MAX_SECRET: usize = 128;

/// The doors.
pub fn doors(desk: &Desk) -> Doors {
    let knock = rule(Verb::Submit, Kind::Threshold);
    Doors::new(desk, MAX_BODY).door(&Method::POST, "/hooks/presence/{secret}/{word}", knock, presence).door(
        &Method::POST,
        "/hooks/scenarios/{secret}",
        knock,
        scenario,
    )
}

/// What a wrong secret hears, and a right one with a word that is none.
fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "no such address\n").into_response()
}

/// What one hears that knocks too often.
fn busy(seconds: u64) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
}

async fn presence(State(desk): State<Desk>, Path((secret, word)): Path<(String, String)>) -> Response {
    let home = match word.as_str() {
        "home" => true,
        "away" => false,
        _ => return unknown(),
    };
    match desk.presence.tapped(&secret, home).await {
        Tapped::Unknown => unknown(),
        Tapped::Busy(seconds) => busy(seconds),
        Tapped::Done(_) => (StatusCode::OK, "ok\n").into_response(),
        Tapped::NotKept => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// How many seconds one waits that begins scenarios faster than they can be begun.
const SCENARIO_WAIT: u64 = 10;

async fn scenario(State(desk): State<Desk>, Path(secret): Path<String>) -> Response {
    // What is longer than any secret is not even hashed.
    match desk.scenarios.webhook(secret.get(..MAX_SECRET).unwrap_or(&secret)) {
        Ok(_) => (StatusCode::ACCEPTED, "ok\n").into_response(),
        Err(ScenariosError::Busy) => busy(SCENARIO_WAIT),
        Err(_) => unknown(),
    }
}
