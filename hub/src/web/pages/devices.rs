//! The devices of the home, room by room, as they stand now; and the inbox of those that nobody has accepted yet. Of each it
//! is asked whether the reader may see it: what may not be seen is not there.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::Timestamp;

use super::form::Form;
use super::refusal::Fault;
use super::value::{self, Control, PropertyRow};
use super::view::View;
use super::{go, shown};
use crate::audit::Note;
use crate::devices::{Changes, DeviceView, DevicesError, Standing, Wish};
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;

/// How many of its properties a card shows.
const SHOWN: usize = 4;

/// A device as lists show it.
pub struct DeviceCardView {
    /// Encoded for a path.
    pub path: String,
    pub device: String,
    pub name: String,
    pub room: Option<String>,
    pub model: Option<String>,
    pub reachable: Option<bool>,
    pub heard: Option<Timestamp>,
    pub alarm: bool,
    pub rows: Vec<PropertyRow>,
    /// What it is mainly there for: a switch that is pressed at once.
    pub switch: Option<usize>,
    pub rooms: Vec<(String, String, bool)>,
}

/// A room with its devices.
pub struct RoomGroup {
    pub name: String,
    pub devices: Vec<DeviceCardView>,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    v: View,
    groups: Vec<RoomGroup>,
    waiting: usize,
    edits: bool,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    v: View,
    devices: Vec<DeviceCardView>,
    edits: bool,
}

impl From<DevicesError> for Fault {
    fn from(error: DevicesError) -> Self {
        use axum::http::StatusCode;
        match error {
            DevicesError::NoDevice(_) | DevicesError::NoRoom(_) => Fault::NotFound,
            DevicesError::Store(error) => error.into(),
            error => Fault::Words(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        }
    }
}

/// An id as a part of a path.
pub fn path_of(device: &str) -> String {
    url::form_urlencoded::byte_serialize(device.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The rooms to choose from, with the one that is chosen.
pub fn rooms(desk: &Desk, chosen: Option<domovoi_model::Id>) -> Vec<(String, String, bool)> {
    let rooms = desk.devices.rooms();
    rooms.into_iter().map(|room| (room.id.to_string(), room.name, chosen == Some(room.id))).collect()
}

/// A device as the reader may see it; `None` if there is nothing of it to be seen.
pub fn card(desk: &Desk, view: &View, device: &DeviceView) -> Option<DeviceCardView> {
    let mut rows: Vec<PropertyRow> = device
        .properties
        .iter()
        .filter(|property| !property.hidden)
        .filter_map(|property| value::row(desk, view, device, property))
        .collect();
    let whole = view.may(Verb::See, &desk.devices.object(device.device(), None));
    if rows.is_empty() && !whole {
        return None;
    }
    let alarm = rows.iter().any(|row| row.alarm);
    rows.retain(|row| !row.diagnostic && !row.setting && (!row.value.is_empty() || row.control == Control::Switch));
    // What warns, then what can be switched.
    rows.sort_by_key(|row| (!row.alarm, row.control != Control::Switch));
    rows.truncate(SHOWN);
    let known = device.announcement.as_ref();
    let card = &device.card;
    Some(DeviceCardView {
        path: path_of(&device.device().to_string()),
        device: device.device().to_string(),
        name: device.name.clone(),
        room: known.and_then(|known| known.area.clone()),
        model: known.and_then(|known| known.model.clone()),
        reachable: device.reachable,
        heard: device.heard_at.and_then(|at| at.wall()),
        alarm,
        switch: rows.iter().position(|row| row.control == Control::Switch && !row.dangerous),
        rows,
        rooms: rooms(desk, card.room),
    })
}

pub async fn list(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    let all = desk.devices.list();
    let standing = |device: &DeviceView, wanted| Standing::of(&device.card) == wanted;
    let mut groups = Vec::new();
    let names = desk.devices.rooms().into_iter().map(|room| (Some(room.id), room.name));
    for (room, name) in names.chain([(None, view.t("page-devices-no-room"))]) {
        let here = all
            .iter()
            .filter(|device| standing(device, Standing::Accepted) && !device.card.hidden && device.card.room == room);
        let devices: Vec<DeviceCardView> = here.filter_map(|device| card(&desk, &view, device)).collect();
        if !devices.is_empty() {
            groups.push(RoomGroup { name, devices });
        }
    }
    let edits = view.may(Verb::Edit, &Object::all(Kind::Device));
    let waiting = if edits { all.iter().filter(|device| standing(device, Standing::Waiting)).count() } else { 0 };
    Ok(shown(&DevicesPage { v: view, groups, waiting, edits }))
}

pub async fn inbox(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    let all = desk.devices.list();
    let waiting = all.iter().filter(|device| Standing::of(&device.card) == Standing::Waiting);
    let devices = waiting.filter_map(|device| card(&desk, &view, device)).collect();
    let edits = view.may(Verb::Edit, &Object::all(Kind::Device));
    Ok(shown(&InboxPage { v: view, devices, edits }))
}

/// The room that a form names, if it names one.
pub fn room_in(desk: &Desk, text: &str) -> Result<Option<domovoi_model::Id>, Fault> {
    match text {
        "" => Ok(None),
        text => desk.devices.find_room(text).map(|room| Some(room.id)).ok_or(Fault::BadForm),
    }
}

pub async fn accept(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(device): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let device = desk.devices.find(&device).ok_or(Fault::NotFound)?;
    let name = Some(form.text("name").to_owned()).filter(|name| !name.is_empty());
    let wish = Wish { name, room: room_in(&desk, form.text("room"))?, presets: Vec::new() };
    let card = desk.devices.accept(&device, wish).await?;
    note.change("name", None, card.name);
    Ok(go(&format!("/devices/{}?new", path_of(&device.to_string()))))
}

/// It is a neighbour's; or it waits once more.
pub async fn set_standing(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(device): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let device = desk.devices.find(&device).ok_or(Fault::NotFound)?;
    let standing = match form.text("standing") {
        "ignored" => Standing::Ignored,
        "waiting" => Standing::Waiting,
        _ => return Err(Fault::BadForm),
    };
    let changes = Changes { standing: Some(standing), ..Changes::default() };
    if desk.devices.is_dangerous_change(&device, &changes)
        && let Some(way) = view.surely(Verb::Edit, &desk.devices.object(&device, None).dangerous())?
    {
        return Ok(way);
    }
    let (now, before) = desk.devices.edit(&device, changes).await?;
    note.change("standing", Some(before.standing), Some(now.standing));
    Ok(go("/inbox"))
}
