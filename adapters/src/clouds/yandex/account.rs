//! Answers of the user API as pieces that the dialect reads one by one: one broken device does not lose the others.

use crate::clouds::{self, Listing, Outcome, Piece, Refusal, Scene};
use crate::fault::printable;
use crate::json::{self, Members};
use crate::{DecodeError, Fault, What};

use super::table::{self, Capability};
use super::{CLOUD_NAME, GROUP, MAX_LISTING, MAX_THINGS};

/// Rooms, groups and scenarios of an account.
const MAX_OTHERS: usize = 512;
/// Faults of one answer.
const MAX_FAULTS: usize = 64;

/// `GET /v1.0/user/info`.
pub(super) fn listing(body: &[u8]) -> Result<Listing, DecodeError> {
    let document = json::document(body, MAX_LISTING)?;
    let account = answer(&document)?;
    let mut out = Listing::default();
    let rooms = named(&account, "rooms", &mut out.faults);
    // A list that cannot be read is not an empty one: then everything would be gone.
    let raw = account.get("devices").filter(|raw| raw.trim() != "null").unwrap_or("[]");
    let devices = json::elements(raw, MAX_THINGS).map_err(|what| DecodeError::new(what, "devices", raw))?;
    for raw in devices {
        keep(&mut out, thing(raw, "devices", "", &rooms));
    }
    for raw in array(&account, "groups", MAX_OTHERS, &mut out.faults) {
        keep(&mut out, thing(raw, "groups", GROUP, &rooms));
    }
    for raw in array(&account, "scenarios", MAX_OTHERS, &mut out.faults) {
        match scene(raw) {
            Ok(scene) => out.scenes.push(scene),
            Err(fault) => note(&mut out.faults, fault),
        }
    }
    out.pieces.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(out)
}

/// `GET /v1.0/devices/{id}` or `/v1.0/groups/{id}`: the thing itself, beside `status`.
pub(super) fn one(body: &[u8], room: Option<&str>) -> Result<Piece, DecodeError> {
    let document = json::document(body, json::MAX_PAYLOAD)?;
    let members = answer(&document)?;
    // A group lists whole devices, a device names no others.
    let prefix = if members.get("devices").is_some() { GROUP } else { "" };
    let mut piece = thing(&document, "answer", prefix, &[]).map_err(DecodeError)?;
    if let Some(room) = room {
        piece.room = Some(printable(room));
        piece.payload = payload(piece.room.as_deref(), &document);
    }
    Ok(piece)
}

/// The answer to `POST /v1.0/devices/actions` and its kin.
pub(super) fn outcomes(body: &[u8]) -> Result<Vec<Outcome>, DecodeError> {
    let document = json::document(body, json::MAX_PAYLOAD)?;
    let members = answer(&document)?;
    let mut out = Vec::new();
    for raw in array(&members, "devices", MAX_THINGS, &mut Vec::new()) {
        let Ok(device) = json::members(raw) else { continue };
        let Some(id) = device.text("id").filter(|id| clouds::is_id(id)) else { continue };
        let whole = device.get("action_result").and_then(refusal);
        if device.get("action_result").is_some() {
            out.push(Outcome { id: id.clone(), property: None, refused: whole });
        }
        for raw in array(&device, "capabilities", json::MAX_MEMBERS, &mut Vec::new()) {
            let Ok(capability) = json::members(raw) else { continue };
            let Some(kind) = capability.text("type").and_then(|kind| Capability::of(&kind)) else { continue };
            let Some(state) = capability.get("state").and_then(|raw| json::members(raw).ok()) else { continue };
            let Some(instance) = state.text("instance") else { continue };
            let refused = state.get("action_result").and_then(refusal);
            out.push(Outcome { id: id.clone(), property: Some(kind.property(&instance)), refused });
        }
    }
    Ok(out)
}

/// `{"status":"DONE"}` is none. What is neither that nor an error that can be read is a refusal all the same.
fn refusal(raw: &str) -> Option<Refusal> {
    let Ok(result) = json::members(raw) else {
        return Some(Refusal { code: "UNREADABLE".to_owned(), words: String::new() });
    };
    if result.text("status").as_deref() == Some("DONE") {
        return None;
    }
    let code = result.text("error_code").unwrap_or_else(|| "UNKNOWN_ERROR".to_owned());
    Some(Refusal { code: printable(&code), words: printable(&result.text("error_message").unwrap_or_default()) })
}

/// The members of an answer that says of itself that it is one.
fn answer(document: &str) -> Result<Members<'_>, DecodeError> {
    let members = json::members(document).map_err(|what| DecodeError::new(what, "answer", document))?;
    match members.text("status").as_deref() {
        Some("ok") => Ok(members),
        _ => Err(DecodeError::new(What::Foreign, "status", members.get("status").unwrap_or_default())),
    }
}

fn thing(raw: &str, at: &str, prefix: &str, rooms: &[(String, String)]) -> Result<Piece, Fault> {
    let members = json::members(raw).map_err(|what| Fault::new(what, at, raw))?;
    let id = members.text("id").filter(|id| clouds::is_id(id));
    let id = id.ok_or_else(|| Fault::new(What::BadName, at, members.get("id").unwrap_or_default()))?;
    let room = members.text("room").and_then(|room| rooms.iter().find(|(id, _)| *id == room).cloned());
    let room = room.map(|(_, name)| printable(&name));
    let id = format!("{prefix}{id}");
    // In a list a group names its devices; asked for alone, it shows them whole.
    let member = |raw: &str| json::string(raw).ok().or_else(|| json::members(raw).ok()?.text("id"));
    let within = if prefix.is_empty() { Vec::new() } else { array(&members, "devices", MAX_THINGS, &mut Vec::new()) };
    Ok(Piece {
        topic: clouds::topic(CLOUD_NAME, &id),
        name: printable(&members.text("name").unwrap_or_default()),
        external: members.text("external_id").map(|text| text.chars().take(256).collect()),
        giver: members.text("skill_id").map(|text| printable(&text)),
        members: within.into_iter().filter_map(member).filter(|id| clouds::is_id(id)).collect(),
        payload: payload(room.as_deref(), raw),
        reachable: table::available(members.text("state").as_deref()),
        room,
        id,
    })
}

/// What the dialect reads: the thing as the cloud wrote it, and the name of its room, which the cloud writes elsewhere.
fn payload(room: Option<&str>, raw: &str) -> Vec<u8> {
    let room = room.map_or_else(|| "null".to_owned(), json::quoted);
    format!("{{\"room\":{room},\"thing\":{}}}", raw.trim()).into_bytes()
}

fn scene(raw: &str) -> Result<Scene, Fault> {
    let members = json::members(raw).map_err(|what| Fault::new(what, "scenarios", raw))?;
    let id = members.text("id").filter(|id| clouds::is_id(id));
    let id = id.ok_or_else(|| Fault::new(What::BadName, "scenarios", members.get("id").unwrap_or_default()))?;
    let name = printable(&members.text("name").unwrap_or_default());
    Ok(Scene { id, name, is_on: members.get("is_active").map(str::trim) != Some("false") })
}

/// Ids and names.
fn named(account: &Members<'_>, key: &str, faults: &mut Vec<Fault>) -> Vec<(String, String)> {
    let all = array(account, key, MAX_OTHERS, faults);
    let one = |raw: &str| {
        let members = json::members(raw).ok()?;
        Some((members.text("id")?, members.text("name")?))
    };
    all.into_iter().filter_map(one).collect()
}

/// The elements of an array, none if it is absent; what is no array, or too long, is a fault.
fn array<'a>(members: &Members<'a>, key: &str, most: usize, faults: &mut Vec<Fault>) -> Vec<&'a str> {
    let Some(raw) = members.get(key).filter(|raw| raw.trim() != "null") else { return Vec::new() };
    json::elements(raw, most).unwrap_or_else(|what| {
        note(faults, Fault::new(what, key, raw));
        Vec::new()
    })
}

fn keep(out: &mut Listing, piece: Result<Piece, Fault>) {
    match piece {
        Ok(piece) if out.pieces.iter().any(|other| other.id == piece.id) => {
            note(&mut out.faults, Fault::new(What::SaidTwice, "id", &piece.id));
        }
        Ok(piece) => out.pieces.push(piece),
        Err(fault) => note(&mut out.faults, fault),
    }
}

fn note(faults: &mut Vec<Fault>, fault: Fault) {
    if faults.len() < MAX_FAULTS {
        faults.push(fault);
    }
}
