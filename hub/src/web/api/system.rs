//! Notices, secrets, the doctor.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::paging::{Paging, answer};
use crate::web::{Desk, secret_name};

/// A secret to be sealed.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretForm {
    #[schema(min_length = 1, max_length = 4096)]
    pub value: String,
}

/// How thoroughly.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DoctorQuery {
    /// Open every sealed thing and name what is damaged.
    #[serde(default)]
    verify: bool,
}

/// Something that a person must know or do.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticeView {
    pub key: String,
    /// `read_meter`, `not_linked`, …
    pub kind: String,
    /// What the sentence of this kind needs.
    pub params: BTreeMap<String, String>,
    pub at: Option<String>,
}

/// Open notices.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticesView {
    pub notices: Vec<NoticeView>,
    pub next: Option<String>,
}

/// A notice that is done with.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClearedView {
    pub key: String,
    pub done: bool,
}

/// A secret that was sealed.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptView {
    pub name: String,
    pub kept: bool,
}

/// What the doctor found.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingView {
    /// `well`, `notice`, `broken`
    pub level: &'static str,
    pub what: String,
    pub remedy: String,
}

/// All that the doctor found.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoctorView {
    pub findings: Vec<FindingView>,
}

/// What a person must know or do.
#[utoipa::path(get, path = "/api/v1/notices", tag = "system", params(Paging), responses((status = 200, body = NoticesView)))]
pub async fn notices(State(desk): State<Desk>, Query(paging): Query<Paging>, uri: Uri) -> Result<Response, ApiProblem> {
    let (open, next) = paging.cut(desk.store.notices().open().await?, |open| open.key.clone())?;
    let notices = open
        .into_iter()
        .map(|open| NoticeView {
            key: open.key,
            kind: open.notice.kind,
            params: open.notice.params.into_iter().collect(),
            at: open.notice.at.wall().map(|at| at.to_string()),
        })
        .collect();
    Ok(answer(NoticesView { notices, next: next.clone() }, next.as_deref(), &uri))
}

/// Marks a notice as done.
#[utoipa::path(delete, path = "/api/v1/notices/{key}", tag = "system", responses((status = 200, body = ClearedView)))]
pub async fn clear_notice(State(desk): State<Desk>, Path(key): Path<String>) -> Result<Json<ClearedView>, ApiProblem> {
    if desk.store.notices().clear(&key).await? {
        Ok(Json(ClearedView { key, done: true }))
    } else {
        Err(ApiProblem::not_found("there is no such open notice"))
    }
}

/// Seals a secret under the name that the settings file uses.
#[utoipa::path(put, path = "/api/v1/secrets/{name}", tag = "system", request_body = SecretForm, responses((status = 200, body = KeptView)))]
pub async fn set_secret(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Json(form): Json<SecretForm>,
) -> Result<Json<KeptView>, ApiProblem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(ApiProblem::invalid("a secret's name has 1 to 64 letters, digits, - _ ."));
    }
    if form.value.is_empty() || form.value.len() > 4096 {
        return Err(ApiProblem::invalid("a secret has 1 to 4096 bytes"));
    }
    desk.store.secrets().put(&secret_name(&name), form.value.as_bytes()).await?;
    Ok(Json(KeptView { name, kept: true }))
}

/// What is wrong with this installation, in words.
#[utoipa::path(get, path = "/api/v1/doctor", tag = "system", params(DoctorQuery), responses((status = 200, body = DoctorView)))]
pub async fn doctor(State(desk): State<Desk>, Query(query): Query<DoctorQuery>) -> Json<DoctorView> {
    let findings = desk.doctor.examine(query.verify).await;
    let findings = findings
        .into_iter()
        .map(|finding| FindingView { level: finding.level.code(), what: finding.what, remedy: finding.remedy })
        .collect();
    Json(DoctorView { findings })
}
