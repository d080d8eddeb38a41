//! The cameras of the home with a picture of each, and one of them live. A camera that the reader may not see is not there;
//! what its state is, and why, is said in the same words as everywhere.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::{Id, Timestamp};
use domovoi_video::session::State as Session;

use super::refusal::Fault;
use super::shown;
use super::view::View;
use crate::cameras::{ArchiveState, CameraView, CamerasError};
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;
use crate::web::camera_words as said;

/// A camera as lists show it.
struct CameraLine {
    id: String,
    name: String,
    room: Option<String>,
    state: &'static str,
    words: String,
    since: Option<Timestamp>,
    recording: String,
    records: bool,
    live: bool,
    archive: bool,
    former: bool,
}

#[derive(Template)]
#[template(path = "cameras.html")]
struct CamerasPage {
    v: View,
    cameras: Vec<CameraLine>,
    former: Vec<CameraLine>,
    /// What is wrong with the archive's disk.
    archive: Option<String>,
    edits: bool,
}

/// A figure and what it is.
pub struct Fact {
    pub label: String,
    pub value: String,
}

#[derive(Template)]
#[template(path = "camera.html")]
struct CameraPage {
    v: View,
    camera: CameraLine,
    facts: Vec<Fact>,
    /// Pictures of what happened: id, when.
    pictures: Vec<(String, Timestamp)>,
    notices: Vec<String>,
    edits: bool,
}

impl From<CamerasError> for Fault {
    fn from(error: CamerasError) -> Self {
        use axum::http::StatusCode;
        match error {
            CamerasError::NoCamera | CamerasError::NoSegment => Fault::NotFound,
            CamerasError::Store(error) => error.into(),
            error => Fault::Camera(StatusCode::CONFLICT, std::sync::Arc::new(error)),
        }
    }
}

/// The camera that a path names.
pub fn named(desk: &Desk, text: &str) -> Result<Id, Fault> {
    desk.cameras.find(text).ok_or(Fault::NotFound)
}

fn line(desk: &Desk, view: &View, camera: &CameraView) -> Option<CameraLine> {
    let card = &camera.card;
    let live = view.may(Verb::See, &desk.cameras.object(card.id)) && !camera.is_former;
    let archive = view.may(Verb::See, &desk.cameras.recordings_object(card.id));
    if !live && !archive {
        return None;
    }
    let (state, words) = said::state(&camera.status.state, view.language());
    let since = match camera.status.state {
        Session::Online { since } | Session::Offline { since, .. } => Some(Timestamp(since)),
        Session::Starting | Session::Stopped => None,
    };
    let (_, recording) = said::recording(&camera.recording, view.language(), |at| view.moment(&at));
    let room = card.room.and_then(|id| desk.devices.rooms().into_iter().find(|room| room.id == id));
    Some(CameraLine {
        id: card.id.to_string(),
        name: card.name.clone(),
        room: room.map(|room| room.name),
        state,
        words,
        since,
        recording,
        records: matches!(camera.recording, crate::cameras::Recording::On { .. }),
        live,
        archive,
        former: camera.is_former,
    })
}

/// What is wrong with the archive's disk, in words.
fn archive_words(view: &View, state: &ArchiveState) -> Option<String> {
    match state {
        ArchiveState::There | ArchiveState::Starting => None,
        ArchiveState::Absent => Some(view.t("camera-archive-absent")),
        ArchiveState::Other => Some(view.t("camera-archive-other")),
        ArchiveState::Failing(why) => Some(view.t1("camera-archive-failing", "why", why)),
    }
}

pub async fn list(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    let all = desk.cameras.list().await?;
    let (former, cameras): (Vec<_>, Vec<_>) =
        all.iter().filter_map(|camera| line(&desk, &view, camera)).partition(|camera| camera.former);
    let archive = if cameras.is_empty() { None } else { archive_words(&view, &desk.cameras.archive()) };
    let edits = view.may(Verb::Edit, &Object::all(Kind::Camera));
    Ok(shown(&CamerasPage { cameras, former, archive, edits, v: view }))
}

pub async fn show(State(desk): State<Desk>, view: View, Path(camera): Path<String>) -> Result<Response, Fault> {
    let id = named(&desk, &camera)?;
    let camera = desk.cameras.view(id).await?;
    let line = line(&desk, &view, &camera).ok_or(Fault::NotFound)?;
    let pictures = if line.archive { desk.cameras.pictures(id).await.unwrap_or_default() } else { Vec::new() };
    let pictures = pictures.into_iter().take(12).map(|one| (one.id.to_string(), one.at)).collect();
    Ok(shown(&CameraPage {
        facts: facts(&view, &camera),
        pictures,
        notices: camera.notices.iter().map(|notice| notice_words(&view, notice)).collect(),
        edits: view.may(Verb::Edit, &desk.cameras.object(id)),
        camera: line,
        v: view,
    }))
}

fn notice_words(view: &View, notice: &domovoi_store::OpenNotice) -> String {
    crate::words::words(view.language()).notice(&notice.notice.kind, &notice.notice.params)
}

fn facts(view: &View, camera: &CameraView) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |key: &str, value: String| facts.push(Fact { label: view.t(key), value });
    if let Some(tracks) = &camera.sends {
        let video = &tracks.video;
        add("page-camera-picture", format!("{}, {} × {}", codec_words(video.codec), video.width, video.height));
        let sound = tracks
            .audio
            .as_ref()
            .map_or_else(|| view.t("page-camera-silent"), |audio| sound_words(audio.codec).to_owned());
        add("page-camera-sound", sound);
    }
    if let Some(offset) = camera.status.clock_offset_ms.filter(|ms| ms.abs() > 2_000) {
        add("page-camera-clock", view.t1("page-camera-clock-off", "seconds", offset / 1000));
    }
    let kept = camera.kept.bytes().saturating_add(camera.growing_bytes);
    add("page-camera-kept", bytes_words(view, kept));
    if let Some(outlook) = &camera.outlook {
        let figures = [outlook.days(), outlook.hours].map(|figure| figure.unwrap_or_default().to_string());
        let promised = outlook.promised_days.to_string();
        let [days, hours] = &figures;
        let words = view.say(outlook.message(), &[("days", days), ("hours", hours), ("promised", &promised)]);
        add("page-camera-holds", words);
    }
    facts
}

/// A codec as it is printed on boxes.
pub fn codec_words(codec: domovoi_video::VideoCodec) -> &'static str {
    match codec {
        domovoi_video::VideoCodec::H264 => "H.264",
        domovoi_video::VideoCodec::H265 => "H.265",
        domovoi_video::VideoCodec::Jpeg => "MJPEG",
    }
}

/// The same of sound.
pub fn sound_words(codec: domovoi_video::AudioCodec) -> &'static str {
    match codec {
        domovoi_video::AudioCodec::Aac => "AAC",
        domovoi_video::AudioCodec::Pcma | domovoi_video::AudioCodec::Pcmu => "G.711",
    }
}

/// «12,3 ГБ».
pub fn bytes_words(view: &View, bytes: u64) -> String {
    let (unit, size) = [("page-bytes-tb", 1e12), ("page-bytes-gb", 1e9), ("page-bytes-mb", 1e6)]
        .into_iter()
        .find(|(_, size)| bytes as f64 >= *size)
        .unwrap_or(("page-bytes-mb", 1e6));
    let tenths = (bytes as f64 / size * 10.0).round() as i64;
    view.t1(unit, "number", view.number(&rust_decimal::Decimal::new(tenths, 1)))
}
