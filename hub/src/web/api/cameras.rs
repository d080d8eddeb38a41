//! Cameras: which there are, how they stand, adding, changing, forgetting; and the doors of everything about them. Neither a
//! password nor a path, in which some firmware has one, is ever told.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode};
use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use domovoi_video::session::State as Session;
use domovoi_video::{AudioCodec, VideoCodec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::camera_forms::{CameraForm, SpanView, StartView, draft_of, search, spans_of, starts_of};
use super::{ApiProblem, MAX_BODY, camera_archive, camera_check, camera_export, camera_film, camera_live};
use crate::audit::Note;
use crate::cameras::{CameraView, CamerasError, Draft, Recordings, plan_of};
use crate::policy::{Kind, Verb, decide};
use crate::web::camera_words as said;
use crate::web::{Caller, Desk, Doors, rule};

/// Cameras, what they show and what they recorded.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::{Camera, Home, Recording};
    use Verb::{Edit, Export, See};
    let (get, post, patch, delete) = (&Method::GET, &Method::POST, &Method::PATCH, &Method::DELETE);
    let (see, edit) = (rule(See, Camera).which("camera"), rule(Edit, Camera).which("camera"));
    let play = rule(See, Recording).which("camera");
    let take = rule(Export, Recording).which("camera").dangerous();
    let erase = rule(Edit, Recording).which("camera");
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/cameras", rule(See, Home), list)
        .door(post, "/api/v1/cameras", rule(Edit, Camera).dangerous().deed("camera.added"), add)
        // It connects to an address that somebody typed, with a password that may be another camera's.
        .door(post, "/api/v1/cameras/check", rule(Edit, Camera).dangerous(), camera_check::check)
        .door(post, "/api/v1/cameras/search", rule(Edit, Camera), search)
        .door(get, "/api/v1/cameras/archive", rule(See, Recording), archive)
        .door(get, "/api/v1/cameras/{camera}", see, show)
        .door(patch, "/api/v1/cameras/{camera}", edit.dangerous().deed("camera.changed"), change)
        .door(delete, "/api/v1/cameras/{camera}", edit.dangerous().deed("camera.forgotten"), forget)
        .door(get, "/api/v1/cameras/{camera}/live", see, camera_live::live)
        .door(get, "/api/v1/cameras/{camera}/picture", see, camera_live::picture)
        .door(get, "/api/v1/cameras/{camera}/timeline", play, camera_archive::timeline)
        .door(get, "/api/v1/cameras/{camera}/segments", play, camera_archive::segments)
        .door(get, "/api/v1/cameras/{camera}/segments/{segment}", play, camera_archive::index)
        .door(get, "/api/v1/cameras/{camera}/segments/{segment}/video", play, camera_film::video)
        .door(get, "/api/v1/cameras/{camera}/segments/{segment}/picture", play, camera_film::still)
        .door(get, "/api/v1/cameras/{camera}/segments/{segment}/pictures/{number}", play, camera_film::picture)
        .door(get, "/api/v1/cameras/{camera}/pictures", play, camera_film::kept)
        .door(get, "/api/v1/cameras/{camera}/pictures/{picture}", play, camera_film::kept_picture)
        .door(get, "/api/v1/cameras/{camera}/export/plan", play, camera_export::plan)
        .door(get, "/api/v1/cameras/{camera}/export", take.deed("recordings.exported"), camera_export::export)
        .door(post, "/api/v1/cameras/{camera}/export", take.deed("recordings.exported"), camera_export::seal)
        .door(
            delete,
            "/api/v1/cameras/{camera}/recordings",
            erase.dangerous().deed("recordings.erased"),
            camera_archive::erase,
        )
        .door(post, "/api/v1/cameras/{camera}/verification", erase.deed("recordings.verified"), camera_archive::verify)
}

/// What a camera sends.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreamAnswer {
    /// `h264`, `h265`, `jpeg`
    pub codec: &'static str,
    pub width: u16,
    pub height: u16,
    /// The media type for a browser's Media Source; `image/jpeg` for single pictures.
    pub mime: String,
    /// `aac`, `pcma`, `pcmu`; `null`: no sound is kept.
    pub audio: Option<&'static str>,
}

impl StreamAnswer {
    pub fn of(tracks: &domovoi_video::Tracks) -> Self {
        StreamAnswer {
            codec: codec(tracks.video.codec),
            width: tracks.video.width,
            height: tracks.video.height,
            mime: domovoi_video::mp4::mime(tracks),
            audio: tracks.audio.as_ref().map(|audio| sound(audio.codec)),
        }
    }
}

pub(super) fn codec(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "h264",
        VideoCodec::H265 => "h265",
        VideoCodec::Jpeg => "jpeg",
    }
}

pub(super) fn sound(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "aac",
        AudioCodec::Pcma => "pcma",
        AudioCodec::Pcmu => "pcmu",
    }
}

/// A camera.
#[derive(Debug, Serialize, ToSchema)]
pub struct CameraAnswer {
    pub camera: String,
    pub name: String,
    pub room: Option<String>,
    pub room_name: Option<String>,
    /// `ip`, `rtsp`, `onvif`; `former`: it was forgotten, and its recordings stay until they are too old.
    pub kind: String,
    pub enabled: bool,
    /// `starting`, `online`, `offline`, `off`
    pub state: &'static str,
    /// The state in words: of one that is offline, what is wrong and what to do.
    pub words: String,
    /// Since when it is online or offline.
    pub since: Option<String>,
    /// The code of what is wrong.
    pub trouble: Option<&'static str>,
    /// `on`, `event`, or why it is not recorded.
    pub recording: &'static str,
    pub recording_words: String,
    pub sends: Option<StreamAnswer>,
    /// How far its clock is ahead of the hub's.
    pub clock_offset_ms: Option<i64>,
    /// Bytes that are kept of it.
    pub bytes: u64,
    /// How many days will be held, as far as that is known.
    pub days: Option<u64>,
    /// What is only told to who may change it.
    pub settings: Option<CameraSettings>,
}

/// How a camera is connected and recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct CameraSettings {
    /// Without path and login.
    pub address: String,
    pub login: Option<String>,
    /// A password is known.
    pub password: bool,
    /// A path of a small stream is known.
    pub sub: bool,
    /// `tcp`, `udp`
    pub transport: String,
    pub quirks: Vec<String>,
    pub sound: bool,
    /// `main`, `sub`
    pub recorded: String,
    pub place: Option<String>,
    /// `never`, `always`, `week`, `event`
    pub mode: &'static str,
    pub spans: Vec<SpanView>,
    pub starts: Vec<StartView>,
    pub pre_roll_s: u32,
    pub post_roll_s: u32,
    pub quota_bytes: Option<u64>,
    pub keep_days: Option<u32>,
    /// Maker, model and firmware, as it said itself.
    pub made: Option<String>,
    pub added_at: Option<String>,
}

/// The cameras that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub struct CamerasAnswer {
    pub cameras: Vec<CameraAnswer>,
}

/// The archive as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArchiveAnswer {
    /// `there`, `starting`, `absent`, `other`, `failing`
    pub state: &'static str,
    pub folder: String,
    pub bytes: u64,
    pub free: Option<u64>,
    /// So much stays free.
    pub floor: u64,
}

/// How a camera is forgotten.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ForgetQuery {
    /// `keep` (if nothing is said): until they are too old; `erase`: their keys are destroyed now.
    recordings: Option<String>,
}

/// A problem of a camera, in the caller's language.
pub(super) fn told(error: CamerasError, language: Language) -> ApiProblem {
    let text = said::error(&error, language);
    match error {
        CamerasError::NoCamera | CamerasError::NoSegment => ApiProblem::not_found(text),
        CamerasError::Unreadable(_) => ApiProblem::new(StatusCode::GONE, "recording-unreadable", text),
        CamerasError::Wrong(wrong) => ApiProblem::invalid(format!("{}: {text}", wrong.field)),
        CamerasError::Full(_) => ApiProblem::refused(text),
        CamerasError::Busy => ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, "busy", text),
        CamerasError::Trouble(trouble) => ApiProblem::new(StatusCode::BAD_GATEWAY, trouble.code(), text),
        CamerasError::NoPicture(_) => ApiProblem::new(StatusCode::BAD_GATEWAY, "no-picture", text),
        CamerasError::Dark => ApiProblem::new(StatusCode::CONFLICT, "dark", text),
        CamerasError::NoArchive => ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "no-archive", text),
        CamerasError::Disk(_) => ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "archive", text),
        CamerasError::Store(error) => error.into(),
    }
}

/// The camera that a path names.
pub(super) fn camera_named(desk: &Desk, text: &str, language: Language) -> Result<Id, ApiProblem> {
    desk.cameras.find(text).ok_or_else(|| told(CamerasError::NoCamera, language))
}

/// Of a camera, what the caller may see; `None`: nothing.
fn answer(desk: &Desk, caller: &Caller, view: &CameraView) -> Option<CameraAnswer> {
    let (card, language) = (&view.card, caller.language);
    let may = |verb, object| decide(&caller.who, verb, &object, desk.now()).is_allowed();
    let object = desk.cameras.object(card.id);
    if !may(Verb::See, object.clone()) && !may(Verb::See, desk.cameras.recordings_object(card.id)) {
        return None;
    }
    let (state, words) = said::state(&view.status.state, language);
    let (since, trouble) = match &view.status.state {
        Session::Online { since } => (Some(*since), None),
        Session::Offline { since, trouble } => (Some(*since), Some(trouble.code())),
        Session::Starting | Session::Stopped => (None, None),
    };
    let moment = |at: Timestamp| at.to_string();
    let (recording, recording_words) = said::recording(&view.recording, language, moment);
    let room = card.room.and_then(|id| desk.devices.rooms().into_iter().find(|room| room.id == id));
    Some(CameraAnswer {
        camera: card.id.to_string(),
        name: card.name.clone(),
        room: card.room.map(|room| room.to_string()),
        room_name: room.map(|room| room.name),
        kind: card.kind.clone(),
        enabled: card.enabled,
        state,
        words,
        since: since.map(|at| Timestamp(at).to_string()),
        trouble,
        recording,
        recording_words,
        sends: view.sends.as_deref().map(StreamAnswer::of),
        clock_offset_ms: view.status.clock_offset_ms,
        bytes: view.kept.bytes().saturating_add(view.growing_bytes),
        days: view.outlook.and_then(|outlook| outlook.days()),
        // Whether a factor was shown lately does not matter for looking.
        settings: may(Verb::Edit, object).then(|| settings(view)),
    })
}

fn settings(view: &CameraView) -> CameraSettings {
    let card = &view.card;
    let scheme = if card.tls { "rtsps" } else { "rtsp" };
    let host = if card.host.contains(':') { format!("[{}]", card.host) } else { card.host.clone() };
    let plan = plan_of(card);
    CameraSettings {
        address: format!("{scheme}://{host}:{}", card.port),
        login: card.login.clone(),
        password: card.password.as_ref().is_some_and(|password| !password.expose().is_empty()),
        sub: card.sub_path.is_some(),
        transport: card.transport.clone(),
        quirks: card.quirks.clone(),
        sound: card.sound,
        recorded: card.recorded.clone(),
        place: card.place.clone(),
        mode: plan.mode().code(),
        spans: spans_of(&plan),
        starts: starts_of(card),
        pre_roll_s: card.pre_roll_secs,
        post_roll_s: card.post_roll_secs,
        quota_bytes: card.quota_bytes,
        keep_days: card.keep_days,
        made: card.made.clone(),
        added_at: card.added_at.wall().map(|at| at.to_string()),
    }
}

/// The cameras of the home, by name.
#[utoipa::path(get, path = "/api/v1/cameras", tag = "cameras", responses((status = 200, body = CamerasAnswer)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Result<Json<CamerasAnswer>, ApiProblem> {
    let views = desk.cameras.list().await.map_err(|error| told(error, caller.language))?;
    let cameras = views.iter().filter_map(|view| answer(&desk, &caller, view)).collect();
    Ok(Json(CamerasAnswer { cameras }))
}

async fn one(desk: &Desk, caller: &Caller, camera: Id) -> Result<Json<CameraAnswer>, ApiProblem> {
    let view = desk.cameras.view(camera).await.map_err(|error| told(error, caller.language))?;
    answer(desk, caller, &view).map(Json).ok_or_else(|| told(CamerasError::NoCamera, caller.language))
}

/// A camera, by its id or its name.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}", tag = "cameras", responses((status = 200, body = CameraAnswer)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(camera): Path<String>,
) -> Result<Json<CameraAnswer>, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    one(&desk, &caller, camera).await
}

/// The archive as a whole: whether its disk is there, and how full.
#[utoipa::path(get, path = "/api/v1/cameras/archive", tag = "cameras", responses((status = 200, body = ArchiveAnswer)))]
pub async fn archive(State(desk): State<Desk>, caller: Caller) -> Result<Json<ArchiveAnswer>, ApiProblem> {
    let view = desk.cameras.archive_view().await.map_err(|error| told(error, caller.language))?;
    Ok(Json(ArchiveAnswer {
        state: archive_code(&view.state),
        folder: view.folder.display().to_string(),
        bytes: view.bytes,
        free: view.space.map(|space| space.free),
        floor: view.floor,
    }))
}

/// How the archive's disk stands: a code.
pub fn archive_code(state: &crate::cameras::ArchiveState) -> &'static str {
    use crate::cameras::ArchiveState;
    match state {
        ArchiveState::Starting => "starting",
        ArchiveState::There => "there",
        ArchiveState::Absent => "absent",
        ArchiveState::Other => "other",
        ArchiveState::Failing(_) => "failing",
    }
}

/// Adds a camera. Who has not looked at it before does so now: one that cannot be reached is added all the same only with
/// `unchecked`.
#[utoipa::path(post, path = "/api/v1/cameras", tag = "cameras", request_body = CameraForm, responses((status = 201, body = CameraAnswer)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<CameraForm>,
) -> Result<(StatusCode, Json<CameraAnswer>), ApiProblem> {
    let draft = draft_of(&desk, Draft::default(), &form)?;
    if !form.unchecked {
        desk.cameras.check(&draft, None).await.map_err(|error| told(error, caller.language))?;
    }
    let card = desk.cameras.add(&draft).await.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(card.name.clone()));
    note.change("host", None, Some(card.host.clone()));
    Ok((StatusCode::CREATED, one(&desk, &caller, card.id).await?))
}

/// Changes a camera; what is not named stays. A password that is not typed again is kept for the same host, port and login.
#[utoipa::path(patch, path = "/api/v1/cameras/{camera}", tag = "cameras", request_body = CameraForm, responses((status = 200, body = CameraAnswer)))]
pub async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(camera): Path<String>,
    Json(form): Json<CameraForm>,
) -> Result<Json<CameraAnswer>, ApiProblem> {
    let language = caller.language;
    let id = camera_named(&desk, &camera, language)?;
    let before = desk.cameras.view(id).await.map_err(|error| told(error, language))?.card;
    let draft = draft_of(&desk, Draft::of(&before), &form)?;
    let now = desk.cameras.change(id, &draft).await.map_err(|error| told(error, language))?;
    noted(&note, &before, &now);
    one(&desk, &caller, id).await
}

/// Writes down what was changed; of secrets only that they were.
pub fn noted(note: &Note, before: &domovoi_store::CameraCard, now: &domovoi_store::CameraCard) {
    let secret = |card: &domovoi_store::CameraCard| card.password.as_ref().map(|password| password.expose().clone());
    for (field, before, now) in [
        ("name", before.name.clone(), now.name.clone()),
        ("host", before.host.clone(), now.host.clone()),
        ("port", before.port.to_string(), now.port.to_string()),
        ("enabled", before.enabled.to_string(), now.enabled.to_string()),
        ("mode", before.plan.mode.clone(), now.plan.mode.clone()),
    ] {
        if before != now {
            note.change(field, Some(before), Some(now));
        }
    }
    if secret(before) != secret(now) {
        note.change("password", None, Some("***".to_owned()));
    }
    if before.trust != now.trust {
        note.change("certificate", None, Some("***".to_owned()));
    }
}

/// Forgets a camera: its address, its password, its session; and, if that is wished, everything it recorded.
#[utoipa::path(delete, path = "/api/v1/cameras/{camera}", tag = "cameras", params(ForgetQuery), responses((status = 200, body = super::Done)))]
pub async fn forget(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(camera): Path<String>,
    Query(query): Query<ForgetQuery>,
) -> Result<Json<super::Done>, ApiProblem> {
    let id = camera_named(&desk, &camera, caller.language)?;
    let recordings = match query.recordings.as_deref() {
        None | Some("keep") => Recordings::Keep,
        Some("erase") => Recordings::Erase,
        Some(_) => return Err(ApiProblem::invalid("recordings: keep or erase")),
    };
    let name = desk.cameras.view(id).await.map_err(|error| told(error, caller.language))?.card.name;
    desk.cameras.forget(id, recordings).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(name), None);
    let words = if recordings == Recordings::Erase { "erase" } else { "keep" };
    note.change("recordings", None, Some(words.to_owned()));
    Ok(super::Done::json())
}

pub use super::camera_archive::{is_playable, pieces, stretches};
pub use super::camera_check::{CertificateAnswer, certificate_of, found};
pub use super::camera_export::{ExportQuery, download, seal_of};
pub use super::camera_forms::{clock_of, day_names, fingerprint, minutes_of};
