//! Credentials for the embedded broker.

use axum::Json;
use axum::extract::{Path, State};
use domovoi_store::CredentialInfo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiProblem;
use crate::web::Desk;

/// The most topic levels that a filter of a credential has.
const MAX_LEVELS: usize = 128;

/// A credential to be issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialForm {
    pub username: String,
    pub publish: Vec<String>,
    #[serde(default)]
    pub subscribe: Vec<String>,
}

pub async fn list(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let credentials: Vec<Value> = desk
        .store
        .credentials()
        .list()
        .await?
        .into_iter()
        .map(|info| {
            json!({
                "username": info.username,
                "publish": info.publish,
                "subscribe": info.subscribe,
                "created_at": info.created_at.wall().map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "credentials": credentials })))
}

pub async fn add(State(desk): State<Desk>, Json(form): Json<CredentialForm>) -> Result<Json<Value>, ApiProblem> {
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
    let info = CredentialInfo {
        username: username.to_owned(),
        publish: form.publish,
        subscribe: form.subscribe,
        role: "device".into(),
        created_at: desk.clock.moment(),
    };
    let password = desk.store.credentials().issue(&info).await?;
    Ok(Json(json!({ "username": info.username, "password": password.expose() })))
}

pub async fn remove(State(desk): State<Desk>, Path(username): Path<String>) -> Result<Json<Value>, ApiProblem> {
    if !desk.store.credentials().revoke(&username).await? {
        return Err(ApiProblem::not_found(format!("there is no credential «{username}»")));
    }
    let closed = desk.ingest.clients_of(&username).iter().filter(|client| (desk.kick)(client)).count();
    Ok(Json(json!({ "username": username, "connections_closed": closed })))
}
