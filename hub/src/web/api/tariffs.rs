//! Tariffs over the API: what a unit of a resource costs, from when on. The list is what a household takes with it, and each
//! of its parts is taken back as it is.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{Method, StatusCode};
use domovoi_config::Language;
use domovoi_model::Id;
use serde::Serialize;
use utoipa::ToSchema;

use super::consumption::told;
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::metering::insight::tariff::Tariffs;
use crate::metering::insight::{InsightError, TariffPaper};
use crate::policy::{Kind, Verb};
use crate::web::{Caller, Desk, Doors, rule};

pub(super) fn doors(desk: &Desk) -> Doors {
    use Kind::Meter;
    use Verb::{Edit, See};
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    let one = rule(Edit, Meter).which("tariff");
    Doors::new(desk, super::MAX_BODY)
        .door(get, "/api/v1/tariffs", rule(See, Meter), list)
        .door(post, "/api/v1/tariffs", rule(Edit, Meter).deed("tariff.added"), add)
        .door(get, "/api/v1/tariffs/{tariff}", rule(See, Meter).which("tariff"), show)
        .door(put, "/api/v1/tariffs/{tariff}", one.deed("tariff.changed"), change)
        .door(delete, "/api/v1/tariffs/{tariff}", one.deed("tariff.removed"), remove)
}

/// A tariff that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct TariffView {
    /// Its id.
    pub tariff: String,
    #[serde(flatten)]
    pub paper: TariffPaper,
}

impl TariffView {
    fn of(id: Id, tariffs: &Tariffs) -> Self {
        TariffView { tariff: id.to_string(), paper: tariffs.into() }
    }
}

/// Every tariff.
#[derive(Debug, Serialize, ToSchema)]
pub struct TariffList {
    pub tariffs: Vec<TariffView>,
}

/// An id of a path; another text is nobody's.
fn id_of(text: &str, language: Language) -> Result<Id, ApiProblem> {
    text.parse().map_err(|_| told(InsightError::NoSuch("tariff"), language))
}

/// Every tariff of the household.
#[utoipa::path(get, path = "/api/v1/tariffs", tag = "consumption", responses((status = 200, body = TariffList)))]
pub async fn list(State(desk): State<Desk>) -> Json<TariffList> {
    let all = desk.insight.tariffs();
    Json(TariffList { tariffs: all.iter().map(|(id, tariffs)| TariffView::of(*id, tariffs)).collect() })
}

/// One of them.
#[utoipa::path(get, path = "/api/v1/tariffs/{tariff}", tag = "consumption", responses((status = 200, body = TariffView)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(tariff): Path<String>,
) -> Result<Json<TariffView>, ApiProblem> {
    let id = id_of(&tariff, caller.language)?;
    let tariffs = desk.insight.tariff(id).map_err(|error| told(error, caller.language))?;
    Ok(Json(TariffView::of(id, &tariffs)))
}

/// Writes a tariff down.
#[utoipa::path(post, path = "/api/v1/tariffs", tag = "consumption", request_body = TariffPaper, responses((status = 201, body = TariffView)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<TariffPaper>,
) -> Result<(StatusCode, Json<TariffView>), ApiProblem> {
    let kept = desk.insight.keep_tariff(None, &form).await;
    let (id, tariffs) = kept.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(tariffs.name.clone()));
    Ok((StatusCode::CREATED, Json(TariffView::of(id, &tariffs))))
}

/// Changes a tariff as a whole.
#[utoipa::path(put, path = "/api/v1/tariffs/{tariff}", tag = "consumption", request_body = TariffPaper, responses((status = 200, body = TariffView)))]
pub async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    Path(tariff): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<TariffPaper>,
) -> Result<Json<TariffView>, ApiProblem> {
    let id = id_of(&tariff, caller.language)?;
    let before = desk.insight.tariff(id).map_err(|error| told(error, caller.language))?;
    let kept = desk.insight.keep_tariff(Some(id), &form).await;
    let (id, tariffs) = kept.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(before.name), Some(tariffs.name.clone()));
    Ok(Json(TariffView::of(id, &tariffs)))
}

/// Forgets a tariff.
#[utoipa::path(delete, path = "/api/v1/tariffs/{tariff}", tag = "consumption", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    Path(tariff): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let id = id_of(&tariff, caller.language)?;
    let removed = desk.insight.remove_tariff(id).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(removed.name), None);
    Ok(Done::json())
}
