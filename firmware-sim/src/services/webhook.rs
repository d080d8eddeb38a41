//! Somebody's own receiver of webhooks, which checks their signature as Standard Webhooks says.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::Value;

use super::served::{Fault, Served, happen};
use super::{Record, Script, StartError};

/// What arrived with a right signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Hooked {
    pub id: String,
    pub at_seconds: i64,
    pub body: Value,
}

/// A receiver. It listens until it is dropped.
pub struct WebhookSink {
    served: Served,
    secret: String,
    pub hooked: Record<Hooked>,
    /// How many came without a right signature.
    pub forged: Record<String>,
    pub faults: Script<Fault>,
}

#[derive(Clone)]
struct Shared {
    key: hmac::Key,
    hooked: Record<Hooked>,
    forged: Record<String>,
    faults: Script<Fault>,
}

impl WebhookSink {
    pub async fn start(at: SocketAddr) -> Result<Self, StartError> {
        let bytes = crate::portal::random_bytes(32);
        let shared = Shared {
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            hooked: Record::default(),
            forged: Record::default(),
            faults: Script::default(),
        };
        let (hooked, forged, faults) = (shared.hooked.clone(), shared.forged.clone(), shared.faults.clone());
        let served = Served::start("webhook", at, Router::new().route("/hook", post(take)).with_state(shared)).await?;
        Ok(WebhookSink { served, secret: format!("whsec_{}", STANDARD.encode(bytes)), hooked, forged, faults })
    }

    pub fn url(&self) -> String {
        self.served.url("/hook")
    }

    pub fn secret(&self) -> &str {
        &self.secret
    }
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(fault) = happen(shared.faults.next()).await {
        return fault;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, at, signatures) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", &body].concat();
    let right = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let genuine = right.into_iter().any(|tag| hmac::verify(&shared.key, &signed, &tag).is_ok());
    let (Ok(at_seconds), Ok(body), true) = (at.parse(), serde_json::from_slice(&body), genuine) else {
        shared.forged.push(id);
        return (StatusCode::UNAUTHORIZED, "not signed by who may").into_response();
    };
    shared.hooked.push(Hooked { id, at_seconds, body });
    StatusCode::NO_CONTENT.into_response()
}
