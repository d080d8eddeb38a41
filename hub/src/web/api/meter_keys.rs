//! Keys of meters that encrypt what they say by radio. A key is handed in, and never handed out.

use axum::Json;
use axum::extract::{Extension, Path, State};
use domovoi_config::Language;
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::ingest::{KeyRefused, meter_key, meter_number};
use crate::web::{Caller, Desk, mapping_words as said};

/// Meters that encrypt, as far as is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeterKeysAnswer {
    /// The numbers of meters whose keys were given.
    pub keys: Vec<String>,
    /// Meters whose telegrams want, or wanted, a key.
    pub meters: Vec<LockedView>,
}

/// A meter that encrypts.
#[derive(Debug, Serialize, ToSchema)]
pub struct LockedView {
    /// The number on its face.
    pub meter: String,
    /// `dialect:id`
    pub device: String,
    /// What it is called here.
    pub name: Option<String>,
    /// `open`, `no-key`, `wrong-key`, `unknown-cipher`
    pub state: &'static str,
    /// The state in words.
    pub words: String,
    pub heard_at: Option<String>,
}

/// A key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterKeyForm {
    /// 32 hexadecimal digits.
    pub key: String,
}

/// What the key makes of the telegram that was heard last.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeterKeyAnswer {
    pub meter: String,
    /// `opens`, `shut`, `unheard`
    pub check: &'static str,
    pub words: String,
}

fn told(error: KeyRefused, language: Language) -> ApiProblem {
    let text = said::key_refused(&error, language);
    match error {
        KeyRefused::NoMeter | KeyRefused::NoKey => ApiProblem::invalid(text),
        KeyRefused::Store(error) => error.into(),
    }
}

/// The meters that encrypt, and whose keys were given.
#[utoipa::path(get, path = "/api/v1/meter-keys", tag = "mappings", responses((status = 200, body = MeterKeysAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<MeterKeysAnswer> {
    Json(MeterKeysAnswer { keys: desk.ingest.meter_keys(), meters: meters(&desk, caller.language) })
}

/// The meters that encrypt, as far as they were heard.
pub fn meters(desk: &Desk, language: Language) -> Vec<LockedView> {
    let locked = desk.ingest.locked_meters().into_iter().filter(|meter| meter.is_heard);
    let view = |meter: crate::ingest::LockedMeter| {
        let state = said::lock_code(meter.why);
        LockedView {
            meter: meter_number(&meter.device.id).unwrap_or_else(|| meter.device.id.clone()),
            name: desk.devices.show(&meter.device).map(|view| view.name),
            device: meter.device.to_string(),
            state,
            words: crate::words::words(language).say(&format!("meter-lock-{state}"), &[]),
            heard_at: meter.at.wall().map(|at| at.to_string()),
        }
    };
    locked.map(view).collect()
}

/// Keeps the key of a meter, and says whether it opens what was heard of the meter last.
#[utoipa::path(put, path = "/api/v1/meter-keys/{meter}", tag = "mappings", request_body = MeterKeyForm, responses((status = 200, body = MeterKeyAnswer)))]
pub async fn set(
    State(desk): State<Desk>,
    caller: Caller,
    Path(meter): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<MeterKeyForm>,
) -> Result<Json<MeterKeyAnswer>, ApiProblem> {
    let key = meter_key(&Secret::new(form.key)).ok_or_else(|| told(KeyRefused::NoKey, caller.language))?;
    let check = desk.ingest.set_meter_key(&meter, &key).await.map_err(|error| told(error, caller.language))?;
    let number = meter_number(&meter).unwrap_or(meter);
    note.change("name", None, Some(number.clone()));
    note.change("state", None, Some(check.code().to_owned()));
    Ok(Json(MeterKeyAnswer { meter: number, check: check.code(), words: said::checked(check, caller.language) }))
}

/// Forgets the key of a meter.
#[utoipa::path(delete, path = "/api/v1/meter-keys/{meter}", tag = "mappings", responses((status = 200, body = Done)))]
pub async fn forget(
    State(desk): State<Desk>,
    caller: Caller,
    Path(meter): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let was_there = desk.ingest.forget_meter_key(&meter).await.map_err(|error| told(error, caller.language))?;
    if !was_there {
        let text = crate::words::words(caller.language).say("meter-key-none", &[("meter", &meter)]);
        return Err(ApiProblem::not_found(text));
    }
    note.change("name", meter_number(&meter), None);
    Ok(Done::json())
}
