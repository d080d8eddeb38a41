//! Adding a camera and changing one: a form, a look at the camera with a test frame and a sentence for whatever is wrong, a
//! certificate that somebody has to look at. What was typed stays in the form; a password does not: it is typed again, or
//! stays with the browser where there is JavaScript.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_model::Id;
use domovoi_video::session::Trouble as CameraTrouble;

use super::camera_form::{Typed, draft_of};
use super::cameras::{Fact, bytes_words, codec_words, named, sound_words};
use super::devices::{room_in, rooms};
use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, page, shown};
use crate::audit::Note;
use crate::cameras::{CamerasError, Checked, Draft, Recordings};
use crate::web::Desk;
use crate::web::api::cameras as api;
use crate::web::camera_words as said;

/// What a look at the camera found.
struct Seen {
    good: bool,
    words: Vec<String>,
    facts: Vec<Fact>,
    /// A picture, as an address of its own bytes.
    frame: Option<String>,
    certificate: Option<api::CertificateAnswer>,
}

/// A camera that was found in the network.
pub struct FoundLine {
    place: String,
    id: String,
    words: String,
}

#[derive(Template)]
#[template(path = "camera-form.html")]
struct FormPage {
    v: View,
    trouble: Trouble,
    /// The camera that is changed.
    id: Option<String>,
    name: String,
    known_address: String,
    t: Typed,
    rooms: Vec<(String, String, bool)>,
    places: Vec<String>,
    found: Vec<FoundLine>,
    searched: bool,
    seen: Option<Seen>,
    usual_quota: String,
    usual_days: u32,
    saved: bool,
}

fn form_page(desk: &Desk, view: View, typed: Typed, id: Option<Id>) -> FormPage {
    let section = &desk.settings.cameras;
    let room = typed.room.parse().ok();
    FormPage {
        trouble: Trouble::default(),
        id: id.map(|id| id.to_string()),
        name: typed.name.clone(),
        known_address: String::new(),
        rooms: rooms(desk, room),
        places: section.places.iter().map(|place| place.name.clone()).collect(),
        found: Vec::new(),
        searched: false,
        seen: None,
        usual_quota: bytes_words(&view, section.quota),
        usual_days: section.keep_days,
        saved: false,
        t: typed,
        v: view,
    }
}

/// An empty form; with `search`, and what was found in the network.
pub async fn new(State(desk): State<Desk>, view: View, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let searches = query.as_deref().is_some_and(|query| query.contains("search"));
    let mut page = form_page(&desk, view, Typed::new(), None);
    if searches {
        "onvif".clone_into(&mut page.t.kind);
        page.searched = true;
        page.found = search(&desk).await?;
    }
    Ok(shown(&page))
}

async fn search(desk: &Desk) -> Result<Vec<FoundLine>, Fault> {
    let found = desk.cameras.discover().await?;
    let line = |one: domovoi_video::onvif::Found| {
        let what = one.hardware.clone().or(one.name.clone()).unwrap_or_default();
        Some(FoundLine {
            place: one.services.first()?.to_string(),
            id: one.endpoint.clone(),
            words: format!("{what} {}", one.from).trim().to_owned(),
        })
    };
    Ok(found.into_iter().filter_map(line).collect())
}

/// The form of a camera.
pub async fn show(
    State(desk): State<Desk>,
    view: View,
    Path(camera): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let id = named(&desk, &camera)?;
    let card = desk.cameras.view(id).await?.card;
    let mut page = form_page(&desk, view, Typed::of(&card), Some(id));
    page.known_address = known_address(&card);
    page.saved = query.as_deref() == Some("saved");
    Ok(shown(&page))
}

fn known_address(card: &domovoi_store::CameraCard) -> String {
    let host = if card.host.contains(':') { format!("[{}]", card.host) } else { card.host.clone() };
    format!("{}://{host}:{}", if card.tls { "rtsps" } else { "rtsp" }, card.port)
}

/// What a form says, made a draft; where it cannot be, the form with what is wrong.
enum Read {
    Draft(Box<Draft>),
    Wrong(Box<FormPage>),
}

async fn read(desk: &Desk, view: &View, form: &Form, id: Option<Id>) -> Result<Read, Fault> {
    let typed = Typed::read(form);
    let before = match id {
        Some(id) => Some(desk.cameras.view(id).await?.card),
        None => None,
    };
    let room = room_in(desk, &typed.room)?;
    let begin = before.as_ref().map_or_else(Draft::default, Draft::of);
    match draft_of(desk, view, &typed, form, begin, room).await {
        Ok(draft) => Ok(Read::Draft(Box::new(draft))),
        Err((field, words)) => {
            let mut page = form_page(desk, view.clone(), typed, id);
            page.known_address = before.as_ref().map(known_address).unwrap_or_default();
            page.trouble = Trouble::at(field, words);
            Ok(Read::Wrong(Box::new(page)))
        }
    }
}

/// The form again, with what was found or what is wrong.
async fn again(desk: &Desk, view: View, form: &Form, id: Option<Id>) -> Result<FormPage, Fault> {
    let mut page = form_page(desk, view, Typed::read(form), id);
    if let Some(id) = id {
        page.known_address = known_address(&desk.cameras.view(id).await?.card);
    }
    Ok(page)
}

fn seen(view: &View, checked: &Checked) -> Seen {
    let report = &checked.report;
    let found = api::found(checked, view.language());
    let mut facts = Vec::new();
    let mut add = |key: &str, value: String| facts.push(Fact { label: view.t(key), value });
    let picture = [
        ("codec", codec_words(report.video.codec)),
        ("profile", report.profile.as_str()),
        ("width", &report.video.width.to_string()),
        ("height", &report.video.height.to_string()),
    ];
    let mut motion = vec![view.say("page-camera-fact-picture", &picture)];
    let decimal = |value: i64, scale: u32| view.number(&rust_decimal::Decimal::new(value, scale));
    if let Some(millihz) = report.millihz {
        motion.push(view.t1("page-camera-fact-rate", "rate", decimal(i64::from(millihz / 100), 1)));
    }
    if let Some(bits) = report.bits_per_second {
        let tenths = i64::try_from(bits / 100_000).unwrap_or(i64::MAX);
        motion.push(view.t1("page-camera-fact-bits", "rate", decimal(tenths, 1)));
    }
    if let Some(ms) = found.group_ms.filter(|ms| *ms > 0) {
        motion.push(view.t1("page-camera-fact-group", "seconds", decimal(ms / 100, 1)));
    }
    add("page-camera-picture", motion.join(", "));
    let sound = report.audio.as_ref().map_or_else(
        || view.t("page-camera-fact-silent"),
        |audio| view.t1("page-camera-fact-sound", "codec", sound_words(audio.codec)),
    );
    add("page-camera-sound", sound);
    let frame = report.picture.as_ref().ok();
    Seen {
        good: true,
        words: found.words,
        facts,
        frame: frame.map(|picture| format!("data:image/jpeg;base64,{}", STANDARD.encode(&picture.jpeg))),
        certificate: None,
    }
}

fn trouble_seen(view: &View, trouble: &CameraTrouble) -> Seen {
    Seen {
        good: false,
        words: vec![said::trouble(trouble, view.language())],
        facts: Vec::new(),
        frame: None,
        certificate: api::certificate_of(trouble),
    }
}

/// At which field a draft is wrong.
fn field_of(field: &'static str) -> &'static str {
    match field {
        "post_roll_secs" => "post",
        "quota_bytes" => "quota",
        "keep_days" => "days",
        "sub_path" => "sub",
        "trust" => "pin",
        other => other,
    }
}

/// Puts what the room of cameras says into the form; what no form can mend is a fault.
fn told(page: &mut FormPage, error: CamerasError) -> Result<(), Fault> {
    match error {
        CamerasError::Wrong(wrong) => {
            let words = said::error(&CamerasError::Wrong(wrong), page.v.language());
            let field = match (field_of(wrong.field), page.t.kind.as_str()) {
                ("address", "ip") => "host",
                ("address", "onvif") => "onvif",
                (field, _) => field,
            };
            page.trouble = Trouble::at(field, words);
        }
        CamerasError::Trouble(trouble) => page.seen = Some(trouble_seen(&page.v, &trouble)),
        error @ (CamerasError::Busy | CamerasError::Full(_)) => {
            page.trouble = Trouble::at("check", said::error(&error, page.v.language()));
        }
        error => return Err(error.into()),
    }
    Ok(())
}

fn again_or_wrong(template: &FormPage) -> Response {
    let is_wrong = template.trouble.any() || template.seen.as_ref().is_some_and(|seen| !seen.good);
    page(if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, template)
}

async fn look(desk: &Desk, view: View, form: &Form, id: Option<Id>) -> Result<Response, Fault> {
    let draft = match read(desk, &view, form, id).await? {
        Read::Wrong(page) => return Ok(again_or_wrong(&page)),
        Read::Draft(draft) => draft,
    };
    let mut page = again(desk, view, form, id).await?;
    match Box::pin(desk.cameras.check(&draft, id)).await {
        Ok(checked) => page.seen = Some(seen(&page.v, &checked)),
        Err(error) => told(&mut page, error)?,
    }
    Ok(again_or_wrong(&page))
}

/// Looks at a camera that is not kept yet.
pub async fn check_new(State(desk): State<Desk>, view: View, form: Form) -> Result<Response, Fault> {
    look(&desk, view, &form, None).await
}

/// Looks at a camera as it is to be.
pub async fn check(
    State(desk): State<Desk>,
    view: View,
    Path(camera): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let id = named(&desk, &camera)?;
    look(&desk, view, &form, Some(id)).await
}

/// Adds a camera. One that nobody has looked at is looked at now, unless that is not wished.
pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let draft = match read(&desk, &view, &form, None).await? {
        Read::Wrong(page) => return Ok(again_or_wrong(&page)),
        Read::Draft(draft) => draft,
    };
    if !form.is("unchecked")
        && let Err(error) = Box::pin(desk.cameras.check(&draft, None)).await
    {
        let mut page = again(&desk, view, &form, None).await?;
        told(&mut page, error)?;
        return Ok(again_or_wrong(&page));
    }
    match desk.cameras.add(&draft).await {
        Ok(card) => {
            note.change("name", None, Some(card.name.clone()));
            note.change("host", None, Some(card.host.clone()));
            Ok(go(&format!("/cameras/{}?new", card.id)))
        }
        Err(error) => {
            let mut page = again(&desk, view, &form, None).await?;
            told(&mut page, error)?;
            Ok(again_or_wrong(&page))
        }
    }
}

pub async fn change(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(camera): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let id = named(&desk, &camera)?;
    let draft = match read(&desk, &view, &form, Some(id)).await? {
        Read::Wrong(page) => return Ok(again_or_wrong(&page)),
        Read::Draft(draft) => draft,
    };
    let before = desk.cameras.view(id).await?.card;
    match desk.cameras.change(id, &draft).await {
        Ok(card) => {
            api::noted(&note, &before, &card);
            Ok(go(&format!("/cameras/{id}/settings?saved")))
        }
        Err(error) => {
            let mut page = again(&desk, view, &form, Some(id)).await?;
            told(&mut page, error)?;
            Ok(again_or_wrong(&page))
        }
    }
}

pub async fn forget(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(camera): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let id = named(&desk, &camera)?;
    let erases = form.text("recordings") == "erase";
    let name = desk.cameras.view(id).await?.card.name;
    desk.cameras.forget(id, if erases { Recordings::Erase } else { Recordings::Keep }).await?;
    note.change("name", Some(name), None);
    note.change("recordings", None, Some(if erases { "erase" } else { "keep" }.to_owned()));
    Ok(go("/cameras"))
}
