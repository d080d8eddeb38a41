//! Devices: which there are, how they stand, what the household decides about them. Of each property it is asked whether
//! the caller may see it; what may not be seen is not there.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use domovoi_adapters::{Announcement, Category, PropertyInfo, Shape};
use domovoi_model::{DeviceRef, Id};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::paging::{Paging, answer};
use crate::audit::Note;
use crate::devices::{Changes, DeviceView, Forget, PropertyView, Standing, Wish};
use crate::policy::{Decision, Object, Verb, decide};
use crate::web::{Caller, Desk, problem};

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceAnswer {
    /// `dialect:id`
    pub device: String,
    /// What it is called.
    pub name: String,
    /// What it calls itself.
    pub own_name: Option<String>,
    /// The id of its room.
    pub room: Option<String>,
    pub room_name: Option<String>,
    /// `waiting`, `accepted`, `ignored`
    pub standing: String,
    pub hidden: bool,
    pub presets: Vec<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    /// The room in which it says that it is.
    pub area: Option<String>,
    /// The bridge through which it speaks.
    pub via: Option<String>,
    /// It sleeps to spare its battery: a command may wait long.
    pub sleeps: bool,
    /// Whether it can be reached, as far as it says; `null`: it has not said. Advice: a command may be tried all the same.
    pub reachable: Option<bool>,
    /// When anything came from it.
    pub heard_at: Option<String>,
    pub found_at: Option<String>,
    /// `embedded`: the hub's own broker; `external`: one that the home already had.
    pub road: &'static str,
    /// What others claimed of it, or it of others, and what is not believed: in words.
    pub contested: Vec<String>,
    pub properties: Vec<PropertyAnswer>,
}

/// A property, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PropertyAnswer {
    pub name: String,
    pub label: Option<String>,
    /// `temperature`, `moisture`, `valve`, `light`, …
    pub class: Option<String>,
    /// `main`, `setting`, `diagnostic`
    pub category: &'static str,
    /// `unknown`, `number`, `switch`, `choice`, `text`
    pub shape: &'static str,
    pub min: Option<String>,
    pub max: Option<String>,
    pub step: Option<String>,
    /// Of a `choice`.
    pub choices: Vec<String>,
    /// Values with a name of their own; a command may use the name.
    pub presets: Vec<String>,
    /// Whether it takes commands.
    pub writable: bool,
    /// Whether a command needs a factor that was shown lately: opening a valve, unlocking. `null`: it takes none.
    pub dangerous: Option<bool>,
    /// The danger that it reports when it is true.
    pub hazard: Option<&'static str>,
    /// What it warns of when it is true: `battery`, `tamper`, `fault`, `overload`, `leak`, `backflow`, `burst`, `frost`.
    pub warning: Option<&'static str>,
    /// Why its value is not the word of the thing itself: `estimated` by another program, `overheard` by radio, `relayed` by a maker's cloud. No reading is
    /// submitted from it unseen.
    pub hearsay: Option<&'static str>,
    /// The property that names the day of this one's value: a meter tells what it showed on its billing day.
    pub dated_by: Option<String>,
    pub hidden: bool,
    /// Why it does not work.
    pub broken: Option<String>,
    /// What it said last, exactly; `null`: nothing yet.
    pub value: Option<String>,
    pub unit: &'static str,
    /// What the device itself held against the value.
    pub suspect: Option<String>,
    pub at: Option<String>,
    /// How old the value is, in seconds, where the clock is right.
    pub age_s: Option<i64>,
    /// It is from before the hub's restart, and nothing came since.
    pub restored: bool,
    /// Nothing came for longer than the device says that its word counts.
    pub expired: bool,
    pub reachable: Option<bool>,
}

/// Devices that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct DevicesAnswer {
    pub devices: Vec<DeviceAnswer>,
    pub next: Option<String>,
}

/// Which devices are wanted.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DevicesQuery {
    /// Only those in this room, by its id or name; `none`: in no room.
    room: Option<String>,
    /// `waiting`, `accepted` (if nothing is said), `ignored`, `all`
    standing: Option<String>,
    /// Also those that lists leave out.
    #[serde(default)]
    hidden: bool,
    /// At most so many, 1 to 500; 100 if nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What is wanted of a device that is accepted.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptForm {
    /// What it is to be called; as it calls itself if nothing is said.
    pub name: Option<String>,
    /// Its room, by id or name.
    pub room: Option<String>,
    #[serde(default)]
    pub presets: Vec<String>,
}

/// What becomes another; what is not named stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceForm {
    /// An empty one gives it its own name back.
    pub name: Option<String>,
    /// By id or name; empty: none.
    pub room: Option<String>,
    pub hidden: Option<bool>,
    pub hidden_properties: Option<Vec<String>>,
    pub presets: Option<Vec<String>>,
    /// `ignored`, or `waiting`
    pub standing: Option<String>,
}

/// How a device is forgotten.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ForgetQuery {
    /// `keep` (if nothing is said) or `erase`: what it said goes, too.
    history: Option<String>,
    /// Its bridge is asked to let it go first.
    #[serde(default)]
    leave: bool,
}

/// A device that was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForgottenAnswer {
    pub device: String,
    /// How many topics were cleared at the broker.
    pub topics: usize,
    /// The credential that was its own, and is none any more.
    pub credential: Option<String>,
    /// How many samples of it were erased; `null`: they could not be.
    pub samples: Option<u64>,
    /// Why not.
    pub why: Option<String>,
}

fn category(view: &PropertyView) -> &'static str {
    match view.category() {
        Category::Main => "main",
        Category::Setting => "setting",
        Category::Diagnostic => "diagnostic",
    }
}

fn shape(info: Option<&PropertyInfo>) -> &'static str {
    match info.map(|info| &info.shape) {
        None | Some(Shape::Unknown) => "unknown",
        Some(Shape::Number { .. }) => "number",
        Some(Shape::Switch { .. }) => "switch",
        Some(Shape::Choice(_)) => "choice",
        Some(Shape::Text) => "text",
    }
}

impl PropertyAnswer {
    fn of(desk: &Desk, known: Option<&Announcement>, view: &PropertyView) -> Self {
        let (info, state) = (view.info.as_ref(), &view.state);
        let (min, max) = match info.map(|info| &info.shape) {
            Some(Shape::Number { min, max }) => (min.map(|min| min.to_string()), max.map(|max| max.to_string())),
            _ => (None, None),
        };
        let choices = match info.map(|info| &info.shape) {
            Some(Shape::Choice(words)) => words.clone(),
            _ => Vec::new(),
        };
        let at = state.at.and_then(|at| at.wall());
        let text = |text: Option<&Arc<str>>| text.map(ToString::to_string);
        PropertyAnswer {
            name: state.property.clone(),
            label: text(info.and_then(|info| info.label.as_ref())),
            class: text(info.and_then(|info| info.class.as_ref())),
            category: category(view),
            shape: shape(info),
            min,
            max,
            step: info.and_then(|info| info.step).map(|step| step.to_string()),
            choices,
            presets: info.map(|info| info.presets.iter().map(|one| one.name.clone()).collect()).unwrap_or_default(),
            writable: info.is_some_and(|info| info.writable),
            dangerous: info.filter(|info| info.writable).map(|info| crate::devices::can_be_dangerous(known, info)),
            hazard: info.and_then(|info| info.hazard).map(crate::devices::hazard_code),
            warning: info.and_then(|info| info.warning).map(domovoi_adapters::Warning::code),
            hearsay: info.and_then(|info| info.hearsay).map(domovoi_adapters::Hearsay::code),
            dated_by: text(info.and_then(|info| info.dated_by.as_ref())),
            hidden: view.hidden,
            broken: text(info.and_then(|info| info.broken.as_ref())),
            value: state.value.as_ref().map(ToString::to_string),
            unit: state.unit.symbol(),
            suspect: state.suspect.clone(),
            at: at.map(|at| at.to_string()),
            age_s: at.zip(desk.clock.trusted()).map(|(at, now)| now.0.saturating_sub(at.0).max(0) / 1000),
            restored: state.restored,
            expired: state.expired,
            reachable: state.reachable,
        }
    }
}

/// Whether the caller may do this with the property.
pub(super) fn may(desk: &Desk, caller: &Caller, verb: Verb, device: &DeviceRef, property: Option<&str>) -> Decision {
    decide(&caller.who, verb, &desk.devices.object(device, property), desk.now())
}

/// Asks the policy about what only shows within that it is dangerous.
pub(super) fn surely(desk: &Desk, caller: &Caller, verb: Verb, object: &Object) -> Result<(), ApiProblem> {
    match decide(&caller.who, verb, object, desk.now()) {
        Decision::Refuse(refusal) => Err(problem(&refusal, caller.language)),
        _ => Ok(()),
    }
}

/// Whether the caller may see anything of a device: what may not be seen is not there.
pub(super) fn is_there_for(desk: &Desk, caller: &Caller, device: &DeviceRef) -> bool {
    desk.devices.show(device).is_some_and(|view| seen(desk, caller, &view).is_some())
}

/// A device with the properties that the caller may see; `None` if there is nothing of it to be seen.
fn seen(desk: &Desk, caller: &Caller, view: &DeviceView) -> Option<DeviceAnswer> {
    let device = view.device();
    let whole = may(desk, caller, Verb::See, device, None).is_allowed();
    let properties: Vec<PropertyAnswer> = view
        .properties
        .iter()
        .filter(|one| may(desk, caller, Verb::See, device, Some(&one.state.property)).is_allowed())
        .map(|one| PropertyAnswer::of(desk, view.announcement.as_deref(), one))
        .collect();
    if !whole && properties.is_empty() {
        return None;
    }
    let known = view.announcement.as_ref();
    let card = &view.card;
    let room = card.room.and_then(|id| desk.devices.rooms().into_iter().find(|room| room.id == id));
    Some(DeviceAnswer {
        device: device.to_string(),
        name: view.name.clone(),
        own_name: known.and_then(|known| known.name.clone().or_else(|| known.alias.clone())),
        room: card.room.map(|room| room.to_string()),
        room_name: room.map(|room| room.name),
        standing: card.standing.clone(),
        hidden: card.hidden,
        presets: card.presets.clone(),
        model: known.and_then(|known| known.model.clone()),
        serial: known.and_then(|known| known.serial.clone()),
        area: known.and_then(|known| known.area.clone()),
        via: known.and_then(|known| known.via.as_ref()).map(ToString::to_string),
        sleeps: known.is_some_and(|known| known.sleeps),
        reachable: view.reachable,
        heard_at: view.heard_at.and_then(|at| at.wall()).map(|at| at.to_string()),
        found_at: card.found_at.wall().map(|at| at.to_string()),
        road: if card.external { "external" } else { "embedded" },
        contested: view.contested.iter().map(ToString::to_string).collect(),
        properties,
    })
}

/// The device that a path names.
pub(super) fn named(desk: &Desk, text: &str) -> Result<DeviceRef, ApiProblem> {
    desk.devices.find(text).ok_or_else(|| ApiProblem::not_found(format!("there is no device «{text}»")))
}

fn room_of(desk: &Desk, text: &str) -> Result<Id, ApiProblem> {
    let room = desk.devices.find_room(text);
    room.map(|room| room.id).ok_or_else(|| ApiProblem::not_found(format!("there is no room «{text}»")))
}

/// The devices of the home, by name.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", params(DevicesQuery), responses((status = 200, body = DevicesAnswer)))]
pub async fn list(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<DevicesQuery>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let standing = match query.standing.as_deref() {
        None => Some(Standing::Accepted),
        Some("all") => None,
        Some(code) => Some(
            Standing::from_code(code)
                .ok_or_else(|| ApiProblem::invalid("standing: waiting, accepted, ignored or all"))?,
        ),
    };
    let room = match query.room.as_deref() {
        None => None,
        Some("none") => Some(None),
        Some(text) => Some(Some(room_of(&desk, text)?)),
    };
    let devices = desk.devices.in_order(|card| {
        standing.is_none_or(|standing| Standing::of(card) == standing)
            && room.is_none_or(|room| card.room == room)
            && (query.hidden || !card.hidden)
    });
    page(&desk, &caller, devices, Paging { limit: query.limit, cursor: query.cursor }, &uri)
}

/// Devices that were heard and that nobody has accepted yet.
#[utoipa::path(get, path = "/api/v1/inbox", tag = "devices", params(Paging), responses((status = 200, body = DevicesAnswer)))]
pub async fn inbox(
    State(desk): State<Desk>,
    caller: Caller,
    Query(paging): Query<Paging>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let devices = desk.devices.in_order(|card| Standing::of(card) == Standing::Waiting);
    page(&desk, &caller, devices, paging, &uri)
}

fn page(
    desk: &Desk,
    caller: &Caller,
    devices: Vec<DeviceRef>,
    paging: Paging,
    uri: &Uri,
) -> Result<Response, ApiProblem> {
    let made = |device: DeviceRef| desk.devices.show(&device).and_then(|view| seen(desk, caller, &view));
    let (devices, next) = paging.walk(devices, ToString::to_string, made)?;
    Ok(answer(DevicesAnswer { devices, next: next.clone() }, next.as_deref(), uri))
}

/// A device, by `dialect:id` or by its name.
#[utoipa::path(get, path = "/api/v1/devices/{device}", tag = "devices", responses((status = 200, body = DeviceAnswer)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(device): Path<String>,
) -> Result<Json<DeviceAnswer>, ApiProblem> {
    let found = named(&desk, &device)?;
    // Said as it was asked: the id of what may not be seen is not told either.
    answer_of(&desk, &caller, &found).map_err(|_| ApiProblem::not_found(format!("there is no device «{device}»")))
}

fn answer_of(desk: &Desk, caller: &Caller, device: &DeviceRef) -> Result<Json<DeviceAnswer>, ApiProblem> {
    let view = desk.devices.show(device).and_then(|view| seen(desk, caller, &view));
    view.map(Json).ok_or_else(|| ApiProblem::not_found(format!("there is no device «{device}»")))
}

/// Accepts a device: from now on it is ours, and may be told something.
#[utoipa::path(post, path = "/api/v1/devices/{device}/acceptance", tag = "devices", request_body = AcceptForm, responses((status = 200, body = DeviceAnswer)))]
pub async fn accept(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(device): Path<String>,
    Json(form): Json<AcceptForm>,
) -> Result<Json<DeviceAnswer>, ApiProblem> {
    let device = named(&desk, &device)?;
    let room = form.room.as_deref().filter(|room| !room.is_empty()).map(|room| room_of(&desk, room)).transpose()?;
    let card = desk.devices.accept(&device, Wish { name: form.name, room, presets: form.presets }).await?;
    note.change("name", None, card.name);
    note.change("room", None, card.room.map(|room| room.to_string()));
    answer_of(&desk, &caller, &device)
}

/// Names a device, puts it into a room, leaves it out of lists, or ignores it.
///
/// Taking back that it was accepted, or moving one that safety hangs on, needs a factor shown lately.
#[utoipa::path(patch, path = "/api/v1/devices/{device}", tag = "devices", request_body = DeviceForm, responses((status = 200, body = DeviceAnswer)))]
pub async fn edit(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(device): Path<String>,
    Json(form): Json<DeviceForm>,
) -> Result<Json<DeviceAnswer>, ApiProblem> {
    let device = named(&desk, &device)?;
    let object = desk.devices.object(&device, None);
    let room = match form.room.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(text) => Some(Some(room_of(&desk, text)?)),
    };
    let standing = match form.standing.as_deref() {
        None => None,
        Some(code) => Some(
            Standing::from_code(code)
                .filter(|standing| *standing != Standing::Accepted)
                .ok_or_else(|| ApiProblem::invalid("standing: waiting or ignored; …/acceptance accepts"))?,
        ),
    };
    let changes = Changes {
        name: form.name,
        room,
        hidden: form.hidden,
        hidden_properties: form.hidden_properties,
        presets: form.presets,
        standing,
    };
    if desk.devices.is_dangerous_change(&device, &changes) {
        surely(&desk, &caller, Verb::Edit, &object.dangerous())?;
    }
    let (now, before) = desk.devices.edit(&device, changes).await?;
    for (field, before, now) in [
        ("name", before.name, now.name),
        ("room", before.room.map(|room| room.to_string()), now.room.map(|room| room.to_string())),
        ("hidden", Some(before.hidden.to_string()), Some(now.hidden.to_string())),
        ("standing", Some(before.standing), Some(now.standing)),
    ] {
        if before != now {
            note.change(field, before, now);
        }
    }
    answer_of(&desk, &caller, &device)
}

/// Forgets a device: what was decided, what the broker retains, its credential, and what it said if that is wished.
#[utoipa::path(delete, path = "/api/v1/devices/{device}", tag = "devices", params(ForgetQuery), responses((status = 200, body = ForgottenAnswer)))]
pub async fn forget(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(device): Path<String>,
    Query(query): Query<ForgetQuery>,
) -> Result<Json<ForgottenAnswer>, ApiProblem> {
    let device = named(&desk, &device)?;
    let history = match query.history.as_deref() {
        None | Some("keep") => false,
        Some("erase") => true,
        Some(_) => return Err(ApiProblem::invalid("history: keep or erase")),
    };
    let gone = desk.devices.forget(&device, Forget { history, leave: query.leave }).await?;
    note.change("name", gone.card.name.clone(), None);
    note.change("history", None, Some(if history { "erase" } else { "keep" }.into()));
    note.change("credential", gone.credential.clone(), None);
    Ok(Json(ForgottenAnswer {
        device: device.to_string(),
        topics: gone.topics,
        credential: gone.credential,
        samples: gone.samples,
        why: gone.why,
    }))
}
