//! Rooms: their names and their order. What is in a room stands at the devices.

use axum::Json;
use axum::extract::{Extension, Path, State};
use domovoi_store::RoomCard;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::devices::{may, surely};
use crate::audit::Note;
use crate::policy::{Kind, Object, Verb, decide};
use crate::safety::{Answer, Rule, Sensors};
use crate::web::{Caller, Desk};

/// A room.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoomAnswer {
    pub room: String,
    pub name: String,
    /// How many accepted devices are in it that the caller may see.
    pub devices: usize,
}

/// The rooms, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoomsAnswer {
    pub rooms: Vec<RoomAnswer>,
}

/// A new room.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRoomForm {
    pub name: String,
}

/// What becomes another; what is not named stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomForm {
    pub name: Option<String>,
    /// Its place among the rooms, from 0.
    pub position: Option<usize>,
}

fn view(desk: &Desk, caller: &Caller, room: &RoomCard) -> RoomAnswer {
    let mut accepted = desk.devices.accepted();
    accepted.retain(|device| desk.devices.room_of(&device.to_string()) == Some(room.id));
    let devices = accepted.iter().filter(|device| may(desk, caller, Verb::See, device, None).is_allowed()).count();
    RoomAnswer { room: room.id.to_string(), name: room.name.clone(), devices }
}

fn named(desk: &Desk, text: &str) -> Result<RoomCard, ApiProblem> {
    desk.devices.find_room(text).ok_or_else(|| ApiProblem::not_found(format!("there is no room «{text}»")))
}

/// The rooms, in order.
#[utoipa::path(get, path = "/api/v1/rooms", tag = "devices", responses((status = 200, body = RoomsAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<RoomsAnswer> {
    let mut rooms = desk.devices.rooms();
    rooms.retain(|room| decide(&caller.who, Verb::See, &object(room), desk.now()).is_allowed());
    Json(RoomsAnswer { rooms: rooms.iter().map(|room| view(&desk, &caller, room)).collect() })
}

fn object(room: &RoomCard) -> Object {
    Object { room: Some(room.id.to_string()), ..Object::one(Kind::Room, room.id.to_string()) }
}

/// Whether safety hangs on a room: a rule names it, or what senses dangers or is closed in one is in it.
pub fn keeps_safe(desk: &Desk, room: &RoomCard) -> bool {
    let id = room.id.to_string();
    let names = |rule: &Rule| {
        matches!(&rule.sensors, Sensors::Room(room) if *room == id)
            || rule.answers.iter().any(|answer| match answer {
                Answer::Valves(room) | Answer::Sirens(room) => room.as_ref() == Some(&id),
                Answer::Set(..) => false,
            })
    };
    let is_in = |device: &domovoi_model::DeviceRef| desk.devices.room_of(&device.to_string()) == Some(room.id);
    desk.safety.standing().rules.iter().any(names)
        || desk.devices.accepted().iter().any(|device| is_in(device) && desk.devices.keeps_safe(device))
}

/// A new room, the last of them.
#[utoipa::path(post, path = "/api/v1/rooms", tag = "devices", request_body = NewRoomForm, responses((status = 200, body = RoomAnswer)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<NewRoomForm>,
) -> Result<Json<RoomAnswer>, ApiProblem> {
    let room = desk.devices.add_room(&form.name).await?;
    note.change("name", None, Some(room.name.clone()));
    Ok(Json(view(&desk, &caller, &room)))
}

/// Names a room otherwise, or puts it elsewhere among the others.
#[utoipa::path(patch, path = "/api/v1/rooms/{room}", tag = "devices", request_body = RoomForm, responses((status = 200, body = RoomAnswer)))]
pub async fn edit(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(room): Path<String>,
    Json(form): Json<RoomForm>,
) -> Result<Json<RoomAnswer>, ApiProblem> {
    let room = named(&desk, &room)?;
    let before = desk.devices.edit_room(room.id, form.name.as_deref(), form.position).await?;
    let now = named(&desk, &room.id.to_string())?;
    if before.name != now.name {
        note.change("name", Some(before.name), Some(now.name.clone()));
    }
    Ok(Json(view(&desk, &caller, &now)))
}

/// Removes a room; what was in it is in none.
///
/// Needs a factor shown lately where safety hangs on it: a rule names it, or a sensor of dangers or a valve is in it.
#[utoipa::path(delete, path = "/api/v1/rooms/{room}", tag = "devices", responses((status = 200, body = RoomAnswer)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(room): Path<String>,
) -> Result<Json<RoomAnswer>, ApiProblem> {
    let room = named(&desk, &room)?;
    if keeps_safe(&desk, &room) {
        surely(&desk, &caller, Verb::Edit, &object(&room).dangerous())?;
    }
    let gone = desk.devices.remove_room(room.id).await?;
    note.change("name", Some(gone.name.clone()), None);
    Ok(Json(RoomAnswer { room: gone.id.to_string(), name: gone.name, devices: 0 }))
}
