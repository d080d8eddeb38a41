//! Credentials for the embedded broker.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use domovoi_store::{CredentialCertificate, CredentialInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::paging::{Paging, answer};
use crate::audit::Note;
use crate::policy::MqttRole;
use crate::web::Desk;

/// The most topic levels that a filter of a credential has.
const MAX_LEVELS: usize = 128;

/// A credential to be issued.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialForm {
    pub username: String,
    pub publish: Vec<String>,
    #[serde(default)]
    pub subscribe: Vec<String>,
    /// `device`, `bridge`, `voice`, `display` or `service`, which it is if nothing is said.
    #[serde(default)]
    pub role: Option<String>,
    /// It shows a certificate of so many days instead of a password.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 825)]
    pub certificate_days: Option<u32>,
}

/// A credential, without its password.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialView {
    pub username: String,
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    /// `device`, `bridge`, `voice`, `display` or `service`.
    pub role: String,
    /// When its certificate ends, if it has one instead of a password.
    pub certificate_ends_at: Option<String>,
    pub created_at: Option<String>,
}

/// How the broker stands, and what was counted since the daemon's start.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrokerView {
    pub connected: u64,
    pub sessions: u64,
    pub subscriptions: u64,
    pub retained: u64,
    pub retained_bytes: u64,
    pub queued_bytes: u64,
    pub publishes_read: u64,
    pub delivered: u64,
    /// Publishes that the gate refused.
    pub refused: u64,
    /// Publishes that could not be kept, and were not acknowledged.
    pub not_kept: u64,
    /// Publishes past the bound of uncommitted ones.
    pub overflowed: u64,
    /// Messages dropped because a client is slow or away.
    pub dropped: u64,
    /// Connections closed because the peer broke the protocol or a limit.
    pub violations: u64,
    /// Sessions and retained messages are not durable: the log has a hole.
    pub torn: bool,
    /// Packets of a known dialect, and of none.
    pub claimed: u64,
    pub unclaimed: u64,
    /// Samples handed to the recorder.
    pub samples: u64,
    /// Observations left out by rule, and publishes that came twice.
    pub sifted: u64,
    pub repeated: u64,
    /// Hazards heard in publishes that there was no room to keep.
    pub hazards_unkept: u64,
}

/// Credentials.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialsView {
    pub credentials: Vec<CredentialView>,
    pub next: Option<String>,
}

/// A credential's password or certificate, shown this once.
#[derive(Serialize, ToSchema)]
pub struct CredentialIssued {
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Of the certificate: PEM, PKCS #8. The hub keeps no copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A credential that was withdrawn.
#[derive(Debug, Serialize, ToSchema)]
pub struct WithdrawnView {
    pub username: String,
    pub connections_closed: usize,
}

/// How the embedded broker stands, and what it counted.
#[utoipa::path(get, path = "/api/v1/mqtt/status", tag = "mqtt", responses((status = 200, body = BrokerView)))]
pub async fn status(State(desk): State<Desk>) -> Json<BrokerView> {
    use std::sync::atomic::Ordering::Relaxed;
    let standing = (desk.doctor.broker)();
    let (broker, ingest) = (standing.counters, desk.ingest.counters());
    Json(BrokerView {
        connected: broker.connected,
        sessions: broker.sessions,
        subscriptions: broker.subscriptions,
        retained: broker.retained,
        retained_bytes: broker.retained_bytes,
        queued_bytes: broker.queued_bytes,
        publishes_read: broker.publishes_read,
        delivered: broker.delivered,
        refused: broker.refused_publishes,
        not_kept: broker.not_kept,
        overflowed: broker.overflowed,
        dropped: broker.queue_dropped,
        violations: broker.violations,
        torn: standing.torn,
        claimed: ingest.claimed.load(Relaxed),
        unclaimed: ingest.unclaimed.load(Relaxed),
        samples: ingest.samples.load(Relaxed),
        sifted: ingest.sifted.load(Relaxed),
        repeated: ingest.repeated.load(Relaxed),
        hazards_unkept: ingest.hazards_unkept.load(Relaxed),
    })
}

/// Who may connect to the embedded broker.
#[utoipa::path(get, path = "/api/v1/mqtt/credentials", tag = "mqtt", params(Paging), responses((status = 200, body = CredentialsView)))]
pub async fn list(State(desk): State<Desk>, Query(paging): Query<Paging>, uri: Uri) -> Result<Response, ApiProblem> {
    let (page, next) = paging.cut(desk.store.credentials().list().await?, |info| info.username.clone())?;
    let credentials = page
        .into_iter()
        .map(|info| CredentialView {
            username: info.username,
            publish: info.publish,
            subscribe: info.subscribe,
            role: info.role,
            certificate_ends_at: info.certificate.map(|tied| tied.ends_at.to_string()),
            created_at: info.created_at.wall().map(|at| at.to_string()),
        })
        .collect();
    Ok(answer(CredentialsView { credentials, next: next.clone() }, next.as_deref(), &uri))
}

/// Issues a credential; its password or certificate is shown this once.
#[utoipa::path(post, path = "/api/v1/mqtt/credentials", tag = "mqtt", request_body = CredentialForm, responses((status = 200, body = CredentialIssued)))]
pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Json(form): Json<CredentialForm>,
) -> Result<Json<CredentialIssued>, ApiProblem> {
    let username = form.username.trim();
    if username.is_empty() || username.chars().count() > 64 || username.chars().any(char::is_control) {
        return Err(ApiProblem::invalid("a user name has 1 to 64 characters"));
    }
    if form.publish.len() + form.subscribe.len() > 64 {
        return Err(ApiProblem::invalid("a credential names at most 64 topics"));
    }
    for filter in form.publish.iter().chain(&form.subscribe) {
        domovoi_broker::check_filter(filter, MAX_LEVELS)
            .map_err(|why| ApiProblem::invalid(format!("the topic «{filter}»: {why}")))?;
    }
    let role = match form.role.as_deref() {
        None => MqttRole::Service,
        Some(code) => MqttRole::from_code(code)
            .ok_or_else(|| ApiProblem::invalid("role: device, bridge, voice, display or service"))?,
    };
    let made = match form.certificate_days {
        None => None,
        Some(days) => {
            let issued = super::tokens::authority(&desk)?.issue_client(username, days);
            Some(issued.map_err(|why| ApiProblem::invalid(why.to_string()))?)
        }
    };
    let info = CredentialInfo {
        username: username.to_owned(),
        publish: form.publish,
        subscribe: form.subscribe,
        role: role.code().into(),
        certificate: made
            .as_ref()
            .map(|made| CredentialCertificate { fingerprint: made.fingerprint, ends_at: made.until }),
        created_at: desk.clock.moment(),
    };
    let password = desk.store.credentials().issue(&info).await?;
    note.change("username", None, Some(info.username.clone()));
    note.change("publish", None, Some(info.publish.join(" ")));
    note.change("subscribe", None, Some(info.subscribe.join(" ")));
    note.change("role", None, Some(info.role.clone()));
    let mut issued = CredentialIssued { username: info.username, password: None, certificate: None, key: None };
    match made {
        None => issued.password = Some(password.expose().clone()),
        Some(made) => {
            note.change("certificate", None, Some(made.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()));
            (issued.certificate, issued.key) = (Some(made.certificate), Some(made.key.expose().clone()));
        }
    }
    Ok(Json(issued))
}

/// Withdraws a credential and closes its connections.
#[utoipa::path(delete, path = "/api/v1/mqtt/credentials/{username}", tag = "mqtt", responses((status = 200, body = WithdrawnView)))]
pub async fn remove(State(desk): State<Desk>, Path(username): Path<String>) -> Result<Json<WithdrawnView>, ApiProblem> {
    if !desk.store.credentials().revoke(&username).await? {
        return Err(ApiProblem::not_found(format!("there is no credential «{username}»")));
    }
    desk.ingest.released(&username);
    let connections_closed = (desk.kick)(&username);
    Ok(Json(WithdrawnView { username, connections_closed }))
}
