//! An ntfy server: takes JSON at its root, refuses what a real one refuses, and shows nothing to anybody.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::served::{Fault, Served, happen, json as answer};
use super::{Record, Script, StartError};

/// A server. It listens until it is dropped.
pub struct NtfyServer {
    served: Served,
    /// The messages, as they came.
    pub messages: Record<Value>,
    pub faults: Script<Fault>,
}

#[derive(Clone)]
struct Shared {
    token: Option<String>,
    messages: Record<Value>,
    faults: Script<Fault>,
}

impl NtfyServer {
    /// `token`: without it nobody may write.
    pub async fn start(at: SocketAddr, token: Option<&str>) -> Result<Self, StartError> {
        let shared = Shared { token: token.map(str::to_owned), messages: Record::default(), faults: Script::default() };
        let (messages, faults) = (shared.messages.clone(), shared.faults.clone());
        let served = Served::start("ntfy server", at, Router::new().route("/", post(take)).with_state(shared)).await?;
        Ok(NtfyServer { served, messages, faults })
    }

    pub fn url(&self) -> String {
        self.served.url("")
    }
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(fault) = happen(shared.faults.next()).await {
        return fault;
    }
    let refuse =
        |status: u16, code: u32, why: &str| answer(status, json!({ "code": code, "http": status, "error": why }));
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if shared.token.as_ref().is_some_and(|token| said != Some(format!("Bearer {token}").as_str())) {
        return refuse(403, 40301, "forbidden");
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return refuse(400, 40024, "request body must be message JSON");
    };
    let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text("topic").is_empty() || text("topic").len() > 64 || !text("topic").chars().all(fits) {
        return refuse(400, 40009, "invalid topic");
    }
    if text("message").len() > 4096 {
        return refuse(413, 41301, "message too large");
    }
    if message.get("priority").is_some_and(|priority| !(1..=5).contains(&priority.as_i64().unwrap_or(0))) {
        return refuse(400, 40007, "invalid priority");
    }
    let actions = message.get("actions").and_then(Value::as_array).map_or(0, Vec::len);
    if actions > 3 {
        return refuse(400, 40018, "too many actions");
    }
    let id = format!("m{:011}", shared.messages.len());
    let taken = json!({ "id": id, "event": "message", "topic": text("topic"), "message": text("message") });
    shared.messages.push(message);
    answer(200, taken)
}
