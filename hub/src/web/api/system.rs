//! Notices, secrets, the doctor.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiProblem;
use crate::web::{Desk, secret_name};

/// A secret to be sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretForm {
    pub value: String,
}

#[derive(Debug, Deserialize)]
pub struct DoctorQuery {
    #[serde(default)]
    verify: bool,
}

pub async fn notices(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let open: Vec<Value> = desk
        .store
        .notices()
        .open()
        .await?
        .into_iter()
        .map(|open| {
            let params: serde_json::Map<String, Value> =
                open.notice.params.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
            json!({
                "key": open.key,
                "kind": open.notice.kind,
                "params": params,
                "at": open.notice.at.wall().map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "notices": open })))
}

pub async fn clear_notice(State(desk): State<Desk>, Path(key): Path<String>) -> Result<Json<Value>, ApiProblem> {
    if desk.store.notices().clear(&key).await? {
        Ok(Json(json!({ "key": key, "done": true })))
    } else {
        Err(ApiProblem::not_found("there is no such open notice"))
    }
}

pub async fn set_secret(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Json(form): Json<SecretForm>,
) -> Result<Json<Value>, ApiProblem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(ApiProblem::invalid("a secret's name has 1 to 64 letters, digits, - _ ."));
    }
    if form.value.is_empty() || form.value.len() > 4096 {
        return Err(ApiProblem::invalid("a secret has 1 to 4096 bytes"));
    }
    desk.store.secrets().put(&secret_name(&name), form.value.as_bytes()).await?;
    Ok(Json(json!({ "name": name, "kept": true })))
}

pub async fn doctor(State(desk): State<Desk>, Query(query): Query<DoctorQuery>) -> Result<Json<Value>, ApiProblem> {
    let findings = desk.doctor.examine(query.verify).await;
    let findings: Vec<Value> = findings
        .into_iter()
        .map(|finding| json!({ "level": finding.level.code(), "what": finding.what, "remedy": finding.remedy }))
        .collect();
    Ok(Json(json!({ "findings": findings })))
}
