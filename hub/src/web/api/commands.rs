//! Commands to devices and errands to bridges: given, and asked about. Whether the caller may is asked about the very
//! property that is meant, and about the danger of the very value.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_adapters::Errand;
use domovoi_model::{Command, CommandTarget, DeviceRef, Id};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json_;
use utoipa::ToSchema;

use super::ApiProblem;
use super::devices::{is_there_for, may, named};
use crate::audit::Note;
use crate::bus::CommandLife;
use crate::devices::{Asker, ErrandLife};
use crate::policy::{Decision, Kind, Object, Refusal, Verb, decide};
use crate::web::{Caller, Desk, problem};

/// The longest that an answer is kept waiting.
const MAX_WAIT_SECONDS: u64 = 60;

/// A command.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandForm {
    /// Which of the device's properties.
    pub property: Option<String>,
    /// `true`, `21.5`, `"on"`, `"warmest"`
    #[schema(value_type = Object)]
    pub value: Option<Json_>,
}

/// A command, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandAnswer {
    pub id: String,
    pub device: String,
    pub property: String,
    pub value: String,
    pub at: Option<String>,
    /// `sent`, then `confirmed` by the device's own report, `timed-out`, `refused` (nobody could be told), `superseded` by
    /// a later one, or `unconfirmable`: this device never reports it.
    pub state: &'static str,
    pub why: Option<String>,
    /// So long its confirmation is waited for.
    pub within_s: u64,
    /// The device was thought to be out of reach when it was tried.
    pub thought_unreachable: bool,
    /// The device sleeps: it may take as long as it sleeps.
    pub sleeps: bool,
}

/// Commands of a device, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandsAnswer {
    pub commands: Vec<CommandAnswer>,
}

/// How long an answer may take.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Seconds, up to 60: the answer comes once it is over, or then.
    #[serde(default)]
    wait: u64,
}

/// What is asked of a bridge.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrandForm {
    /// `permit-join`, `rename`, `remove`, `interview`, `configure`, `refresh`
    pub errand: String,
    /// The device, or the bridge; by `dialect:id` or name.
    pub device: String,
    /// Of `permit-join`: how long, up to 254; 0 ends it.
    pub seconds: Option<u16>,
    /// Of `rename`: what its topics are to call it.
    pub to: Option<String>,
    /// Of `remove`: also one that does not answer.
    #[serde(default)]
    pub force: bool,
}

/// An errand, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrandAnswer {
    pub id: String,
    pub errand: &'static str,
    pub device: String,
    /// `sent`, `done`, `failed`, `timed-out`, `unconfirmable`
    pub state: &'static str,
    /// The bridge's own words.
    pub why: Option<String>,
}

impl From<&CommandLife> for CommandAnswer {
    fn from(life: &CommandLife) -> Self {
        CommandAnswer {
            id: life.id.to_string(),
            device: life.command.target.device.to_string(),
            property: life.command.target.property.clone(),
            value: life.command.value.to_string(),
            at: life.at.wall().map(|at| at.to_string()),
            state: life.state.code(),
            why: life.why.clone(),
            within_s: life.within_millis.div_ceil(1000),
            thought_unreachable: life.unreachable,
            sleeps: life.sleeps,
        }
    }
}

impl From<ErrandLife> for ErrandAnswer {
    fn from(life: ErrandLife) -> Self {
        ErrandAnswer {
            id: life.id,
            errand: life.errand,
            device: life.device.to_string(),
            state: life.state.code(),
            why: life.why,
        }
    }
}

impl WaitQuery {
    fn duration(&self) -> Result<Duration, ApiProblem> {
        let fits = self.wait <= MAX_WAIT_SECONDS;
        fits.then(|| Duration::from_secs(self.wait))
            .ok_or_else(|| ApiProblem::invalid(format!("wait: at most {MAX_WAIT_SECONDS} seconds")))
    }
}

/// Tells a device to do something. The answer is there at once; what became of it is asked for by its id.
#[utoipa::path(post, path = "/api/v1/devices/{device}/commands", tag = "devices", request_body = CommandForm, responses((status = 202, body = CommandAnswer)))]
pub async fn give(
    State(desk): State<Desk>,
    caller: Caller,
    Path(text): Path<String>,
    Json(form): Json<CommandForm>,
) -> Result<Response, ApiProblem> {
    let device = named(&desk, &text)?;
    let property = form.property.as_deref().filter(|property| !property.is_empty());
    let Some((property, value)) = property.zip(form.value.as_ref()) else {
        allowed(&desk, &caller, desk.devices.object(&device, property), &device, &text).await?;
        return Err(ApiProblem::invalid("property and value: what is to become what"));
    };
    let wanted = match value {
        Json_::Bool(flag) => flag.to_string(),
        Json_::Number(number) => number.to_string(),
        Json_::String(text) => text.clone(),
        _ => return Err(ApiProblem::invalid("value: true or false, a number, or a text")),
    };
    let value = desk.devices.read_value(&device, property, &wanted);
    let target = CommandTarget { device: device.clone(), property: property.to_owned() };
    let command = Command { target, value };
    let mut object = desk.devices.object(&device, Some(property));
    object.dangerous = desk.devices.is_dangerous(&command);
    allowed(&desk, &caller, object, &device, &text).await?;
    let asker = Asker { actor: caller.actor(), origin: caller.origin.clone() };
    let life = desk.devices.command(asker, command)?;
    let mut response = (StatusCode::ACCEPTED, Json(CommandAnswer::from(&*life))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/commands/{}", life.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Asks the policy about the very property, and writes a refusal down as the door would.
async fn allowed(
    desk: &Desk,
    caller: &Caller,
    object: Object,
    device: &DeviceRef,
    named: &str,
) -> Result<(), ApiProblem> {
    let Decision::Refuse(refusal) = decide(&caller.who, Verb::Command, &object, desk.now()) else { return Ok(()) };
    desk.journal.note(caller.refused("device.commanded", (Kind::Device, device.to_string()), &refusal)).await;
    // What may not be seen is not there, as `show` says it.
    if !matches!(refusal, Refusal::StepUp) && !is_there_for(desk, caller, device) {
        return Err(ApiProblem::not_found(format!("there is no device «{named}»")));
    }
    Err(problem(&refusal, caller.language))
}

/// The commands that a device was given lately.
#[utoipa::path(get, path = "/api/v1/devices/{device}/commands", tag = "devices", responses((status = 200, body = CommandsAnswer)))]
pub async fn of_device(
    State(desk): State<Desk>,
    caller: Caller,
    Path(device): Path<String>,
) -> Result<Json<CommandsAnswer>, ApiProblem> {
    let device = named(&desk, &device)?;
    let mut lives = desk.devices.lives_of(&device);
    lives.retain(|life| may(&desk, &caller, Verb::See, &device, Some(&life.command.target.property)).is_allowed());
    lives.truncate(100);
    Ok(Json(CommandsAnswer { commands: lives.iter().map(|life| CommandAnswer::from(&**life)).collect() }))
}

/// How far a command has come. The hub remembers the last thousands of them, until it is restarted.
#[utoipa::path(get, path = "/api/v1/commands/{command}", tag = "devices", params(WaitQuery), responses((status = 200, body = CommandAnswer)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(command): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<CommandAnswer>, ApiProblem> {
    let unknown = || ApiProblem::not_found(format!("there is no command «{command}», or none any more"));
    let id: Id = command.parse().map_err(|_| unknown())?;
    let life = desk.devices.life(id).ok_or_else(unknown)?;
    let target = &life.command.target;
    // Whoever may not see the property hears nothing of its commands.
    if !may(&desk, &caller, Verb::See, &target.device, Some(&target.property)).is_allowed() {
        return Err(unknown());
    }
    let life = desk.devices.outcome(id, query.duration()?).await.ok_or_else(unknown)?;
    Ok(Json(CommandAnswer::from(&*life)))
}

/// Asks a bridge for something: to let devices join, to rename one, to let one go.
#[utoipa::path(post, path = "/api/v1/devices/errands", tag = "devices", request_body = ErrandForm, responses((status = 202, body = ErrandAnswer)))]
pub async fn ask_bridge(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Json(form): Json<ErrandForm>,
) -> Result<Response, ApiProblem> {
    let device = named(&desk, &form.device)?;
    let errand = match form.errand.as_str() {
        "permit-join" => Errand::PermitJoin { via: device, seconds: form.seconds.unwrap_or(180) },
        "rename" => {
            let to = form.to.filter(|to| !to.trim().is_empty());
            Errand::Rename { device, to: to.ok_or_else(|| ApiProblem::invalid("to: the new name"))? }
        }
        "remove" => Errand::Remove { device, force: form.force },
        "interview" => Errand::Interview(device),
        "configure" => Errand::Configure(device),
        "refresh" => Errand::Refresh(device),
        _ => {
            return Err(ApiProblem::invalid("errand: permit-join, rename, remove, interview, configure or refresh"));
        }
    };
    note.change("errand", None, Some(form.errand));
    note.change("device", None, Some(errand.device().to_string()));
    let life = desk.devices.errand(&errand)?;
    let location = HeaderValue::try_from(format!("/api/v1/devices/errands/{}", life.id));
    let mut response = (StatusCode::ACCEPTED, Json(ErrandAnswer::from(life))).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// What came of an errand.
#[utoipa::path(get, path = "/api/v1/devices/errands/{errand}", tag = "devices", params(WaitQuery), responses((status = 200, body = ErrandAnswer)))]
pub async fn errand(
    State(desk): State<Desk>,
    Path(errand): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<ErrandAnswer>, ApiProblem> {
    let life = desk.devices.errand_outcome(&errand, query.duration()?).await;
    let life = life.ok_or_else(|| ApiProblem::not_found(format!("there is no errand «{errand}», or none any more")))?;
    Ok(Json(life.into()))
}
