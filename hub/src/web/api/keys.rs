//! The keys of the store: how they stand, and rotation with its progress.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::State;
use domovoi_vault::{Replacement, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ApiProblem;
use crate::metering::sign::hex;
use crate::web::Desk;

/// How far a rotation is.
#[derive(Debug, Default)]
pub enum RotationView {
    /// None was asked for since the start.
    #[default]
    Idle,
    /// Under way.
    Running { done: u64, total: u64 },
    /// It came to this.
    Done(Value),
    /// It stopped; asked again, it goes on.
    Failed(String),
}

/// What is to be rotated. Without `Debug`: it may hold a passphrase.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateForm {
    #[serde(default)]
    pub master: bool,
    /// The new passphrase, where a passphrase is the master.
    pub passphrase: Option<String>,
}

/// Which keys seal how much, and where the master key is.
#[utoipa::path(get, path = "/api/v1/keys", tag = "system", responses((status = 200, body = Object)))]
pub async fn status(State(desk): State<Desk>) -> Result<Json<Value>, ApiProblem> {
    let status = desk.store.keys().status().await?;
    let vault = desk.settings.vault.to_vault();
    let data_dir = &desk.settings.store.data_dir;
    let keys: Vec<Value> = status
        .keys
        .iter()
        .map(|key| {
            json!({
                "key": key.key_id,
                "current": key.current,
                "created_at": key.created_at.map(|at| at.to_string()),
                "rows": key.rows,
                "seals": key.seals,
            })
        })
        .collect();
    let warning = vault.key_lies_beside_the_data(data_dir).then_some(
        "the master key lies in the data folder: whoever takes the card opens everything; move vault.key_file to another \
         disk, or use a passphrase",
    );
    Ok(Json(json!({
        "master": hex(&status.master_id),
        "master_is": if matches!(vault.master, domovoi_vault::MasterSource::File(_)) { "file" } else { "passphrase" },
        "master_path": vault.master_path(data_dir).display().to_string(),
        "keys": keys,
        "rotation_due": status.rotation_due,
        "warning": warning,
    })))
}

/// A new data key; everything is sealed anew with it, in the background.
#[utoipa::path(post, path = "/api/v1/keys/rotation", tag = "system", request_body = RotateForm, responses((status = 200, body = Object)))]
pub async fn rotate(State(desk): State<Desk>, Json(form): Json<RotateForm>) -> Result<Json<Value>, ApiProblem> {
    {
        let mut view = desk.rotation.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*view, RotationView::Running { .. }) {
            return Err(ApiProblem::refused("a rotation is under way already"));
        }
        *view = RotationView::Running { done: 0, total: 0 };
    }
    let background = desk.clone();
    tokio::spawn(async move {
        let outcome = perform(&background, form).await;
        let mut view = background.rotation.0.lock().unwrap_or_else(PoisonError::into_inner);
        *view = match outcome {
            Ok(done) => RotationView::Done(done),
            Err(why) => RotationView::Failed(why),
        };
    });
    Ok(Json(json!({ "state": "running" })))
}

async fn perform(desk: &Desk, form: RotateForm) -> Result<Value, String> {
    let mut master = None;
    if form.master {
        let vault = desk.settings.vault.to_vault();
        let path = vault.master_path(&desk.settings.store.data_dir);
        let passphrase = form.passphrase.map(Secret::new);
        let is_file = matches!(vault.master, domovoi_vault::MasterSource::File(_));
        let begun = tokio::task::spawn_blocking(move || match (is_file, passphrase) {
            (true, None) => Replacement::begin_file(&path).map_err(|error| error.to_string()),
            (false, Some(new)) => Replacement::begin_passphrase(&path, new.expose()).map_err(|error| error.to_string()),
            (true, Some(_)) => Err("the master key is a file: no passphrase is wanted".to_owned()),
            (false, None) => Err("the master key is a passphrase: give the new one".to_owned()),
        });
        let replacement = begun.await.map_err(|error| error.to_string())??;
        let id = desk.store.keys().rotate_master(replacement).await.map_err(|error| error.to_string())?;
        master = Some(hex(&id));
    }
    let keys = desk.store.keys();
    let rotation = keys.rotate(desk.clock.trusted(), |done, total| {
        *desk.rotation.0.lock().unwrap_or_else(PoisonError::into_inner) = RotationView::Running { done, total };
    });
    let rotation = rotation.await.map_err(|error| error.to_string())?;
    let damaged: Vec<String> =
        rotation.damaged.iter().map(|damage| format!("{} {}: {}", damage.table, damage.row, damage.why)).collect();
    Ok(json!({
        "current": rotation.current,
        "resealed": rotation.resealed,
        "retired": rotation.retired,
        "damaged": damaged,
        "master": master,
    }))
}

/// How far a rotation is.
#[utoipa::path(get, path = "/api/v1/keys/rotation", tag = "system", responses((status = 200, body = Object)))]
pub async fn rotation(State(desk): State<Desk>) -> Json<Value> {
    let view = desk.rotation.0.lock().unwrap_or_else(PoisonError::into_inner);
    Json(match &*view {
        RotationView::Idle => json!({ "state": "idle" }),
        RotationView::Running { done, total } => json!({ "state": "running", "done": done, "total": total }),
        RotationView::Done(outcome) => json!({ "state": "done", "outcome": outcome }),
        RotationView::Failed(why) => json!({ "state": "failed", "why": why }),
    })
}
