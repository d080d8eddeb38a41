//! Rooms: their names and their order. What is in a room stands at the devices.

use axum::Json;
use axum::extract::{Extension, Path, State};
use domovoi_store::RoomCard;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use crate::audit::Note;
use crate::web::Desk;

/// A room.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoomAnswer {
    pub room: String,
    pub name: String,
    /// How many accepted devices are in it.
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

fn view(desk: &Desk, room: &RoomCard) -> RoomAnswer {
    let accepted = desk.devices.accepted();
    let devices = accepted.iter().filter(|device| desk.devices.room_of(&device.to_string()) == Some(room.id)).count();
    RoomAnswer { room: room.id.to_string(), name: room.name.clone(), devices }
}

fn named(desk: &Desk, text: &str) -> Result<RoomCard, ApiProblem> {
    desk.devices.find_room(text).ok_or_else(|| ApiProblem::not_found(format!("there is no room «{text}»")))
}

/// The rooms, in order.
#[utoipa::path(get, path = "/api/v1/rooms", tag = "devices", responses((status = 200, body = RoomsAnswer)))]
pub async fn list(State(desk): State<Desk>) -> Json<RoomsAnswer> {
    Json(RoomsAnswer { rooms: desk.devices.rooms().iter().map(|room| view(&desk, room)).collect() })
}

/// A new room, the last of them.
#[utoipa::path(post, path = "/api/v1/rooms", tag = "devices", request_body = NewRoomForm, responses((status = 200, body = RoomAnswer)))]
pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Json(form): Json<NewRoomForm>,
) -> Result<Json<RoomAnswer>, ApiProblem> {
    let room = desk.devices.add_room(&form.name).await?;
    note.change("name", None, Some(room.name.clone()));
    Ok(Json(view(&desk, &room)))
}

/// Names a room otherwise, or puts it elsewhere among the others.
#[utoipa::path(patch, path = "/api/v1/rooms/{room}", tag = "devices", request_body = RoomForm, responses((status = 200, body = RoomAnswer)))]
pub async fn edit(
    State(desk): State<Desk>,
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
    Ok(Json(view(&desk, &now)))
}

/// Removes a room; what was in it is in none.
#[utoipa::path(delete, path = "/api/v1/rooms/{room}", tag = "devices", responses((status = 200, body = RoomAnswer)))]
pub async fn remove(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(room): Path<String>,
) -> Result<Json<RoomAnswer>, ApiProblem> {
    let room = named(&desk, &room)?;
    let gone = desk.devices.remove_room(room.id).await?;
    note.change("name", Some(gone.name.clone()), None);
    Ok(Json(RoomAnswer { room: gone.id.to_string(), name: gone.name, devices: 0 }))
}
