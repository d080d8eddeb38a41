//! The rooms of the home: their names, their order, how much is in them.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::devices::DevicesError;
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;
use crate::web::api::room_keeps_safe;

struct RoomLine {
    id: String,
    name: String,
    place: usize,
    devices: usize,
}

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage {
    v: View,
    trouble: Trouble,
    rooms: Vec<RoomLine>,
    name: String,
    edits: bool,
}

fn page(desk: &Desk, view: View) -> RoomsPage {
    let accepted = desk.devices.accepted();
    let rooms = desk.devices.rooms();
    let line = |(place, room): (usize, domovoi_store::RoomCard)| RoomLine {
        devices: accepted.iter().filter(|one| desk.devices.room_of(&one.to_string()) == Some(room.id)).count(),
        id: room.id.to_string(),
        name: room.name,
        place,
    };
    RoomsPage {
        rooms: rooms.into_iter().enumerate().map(line).collect(),
        trouble: Trouble::default(),
        name: String::new(),
        edits: view.may(Verb::Edit, &Object::all(Kind::Room)),
        v: view,
    }
}

fn again(desk: &Desk, view: View, field: &str, name: &str, error: DevicesError) -> Result<Response, Fault> {
    let key = match error {
        DevicesError::Invalid(_) => "page-room-name-wrong",
        DevicesError::Conflict(_) => "page-room-name-taken",
        error => return Err(error.into()),
    };
    let mut page = page(desk, view);
    name.clone_into(&mut page.name);
    page.trouble = Trouble::at(field, page.v.t(key));
    Ok(wrong(&page))
}

pub async fn list(State(desk): State<Desk>, view: View) -> Response {
    shown(&page(&desk, view))
}

pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    match desk.devices.add_room(form.text("name")).await {
        Ok(room) => {
            note.change("name", None, Some(room.name));
            Ok(go("/rooms"))
        }
        Err(error) => again(&desk, view, "name", form.text("name"), error),
    }
}

/// Another name, or a place further up or down.
pub async fn edit(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(room): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let room = desk.devices.find_room(&room).ok_or(Fault::NotFound)?;
    let at = desk.devices.rooms().iter().position(|one| one.id == room.id).unwrap_or_default();
    let place = match form.text("move") {
        "up" => Some(at.saturating_sub(1)),
        "down" => Some(at + 1),
        _ => None,
    };
    let name = form.text("name");
    let name = (place.is_none() && name != room.name).then_some(name);
    match desk.devices.edit_room(room.id, name, place).await {
        Ok(before) => {
            if let Some(name) = name {
                note.change("name", Some(before.name), Some(name.to_owned()));
            }
            Ok(go("/rooms"))
        }
        Err(error) => again(&desk, view, &format!("name-{}", room.id), "", error),
    }
}

pub async fn remove(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(room): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let room = desk.devices.find_room(&room).ok_or(Fault::NotFound)?;
    if room_keeps_safe(&desk, &room)
        && let Some(way) = view.surely(Verb::Edit, &Object::one(Kind::Room, room.id.to_string()).dangerous())?
    {
        return Ok(way);
    }
    let gone = desk.devices.remove_room(room.id).await?;
    note.change("name", Some(gone.name), None);
    Ok(go("/rooms"))
}
