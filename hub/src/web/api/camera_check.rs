//! A look at a camera before it is kept or changed: what it sends, a picture of it, and what is to be done where something
//! is wrong, in sentences.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domovoi_config::Language;
use domovoi_model::Timestamp;
use domovoi_video::check::{Group, Missing, Playable, Report};
use domovoi_video::session::Trouble;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiProblem;
use super::camera_forms::{CameraForm, draft_of};
use super::cameras::{camera_named, codec, sound, told};
use crate::cameras::{CamerasError, Checked, Draft};
use crate::web::camera_words as said;
use crate::web::{Caller, Desk};
use crate::words::words;

/// What a look at a camera found.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CheckAnswer {
    /// It can be added like this.
    pub ok: bool,
    /// What was found, sentence by sentence: what is wrong and what to do first.
    pub words: Vec<String>,
    /// The code of what is wrong.
    pub trouble: Option<&'static str>,
    /// A certificate that somebody has to look at.
    pub certificate: Option<CertificateAnswer>,
    pub codec: Option<&'static str>,
    pub profile: Option<String>,
    pub width: Option<u16>,
    pub height: Option<u16>,
    /// Thousandths of a frame a second, measured.
    pub millihz: Option<u32>,
    pub bits_per_second: Option<u64>,
    /// The longest time between two key frames that was seen.
    pub group_ms: Option<i64>,
    pub audio: Option<&'static str>,
    /// `everywhere`, `with-decoder`, `as-pictures`, `nowhere`
    pub playable: Option<&'static str>,
    pub clock_offset_ms: Option<i64>,
    /// A JPEG of what it sees, base64.
    pub picture: Option<String>,
    pub took_ms: u64,
}

/// A certificate, as it says itself.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct CertificateAnswer {
    /// SHA-256.
    pub fingerprint: String,
    pub subject: String,
    pub issuer: String,
    pub valid_until: Option<String>,
    /// The one that was pinned before, if it is another.
    pub pinned: Option<String>,
}

/// Looks at a camera within ten seconds, with a picture of what it sees. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/cameras/check", tag = "cameras", request_body = CameraForm, responses((status = 200, body = CheckAnswer)))]
pub async fn check(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<CameraForm>,
) -> Result<Json<CheckAnswer>, ApiProblem> {
    let language = caller.language;
    let of = form.camera.as_deref().map(|text| camera_named(&desk, text, language)).transpose()?;
    let begin = match of {
        None => Draft::default(),
        Some(id) => Draft::of(&desk.cameras.view(id).await.map_err(|error| told(error, language))?.card),
    };
    let draft = draft_of(&desk, begin, &form)?;
    match desk.cameras.check(&draft, of).await {
        Ok(checked) => Ok(Json(found(&checked, language))),
        Err(CamerasError::Trouble(trouble)) => Ok(Json(CheckAnswer {
            words: vec![said::trouble(&trouble, language)],
            trouble: Some(trouble.code()),
            certificate: certificate_of(&trouble),
            ..CheckAnswer::default()
        })),
        Err(error) => Err(told(error, language)),
    }
}

/// The certificate that a trouble is about.
pub fn certificate_of(trouble: &Trouble) -> Option<CertificateAnswer> {
    let (found, pinned) = match trouble {
        Trouble::CertificateUnknown { found } => (found, None),
        Trouble::CertificateChanged { pinned, found } => (found, Some(pinned.to_string())),
        _ => return None,
    };
    Some(CertificateAnswer {
        fingerprint: found.fingerprint.to_string(),
        subject: found.subject.clone(),
        issuer: found.issuer.clone(),
        valid_until: found.valid_until.map(|at| Timestamp(at).to_string()),
        pinned,
    })
}

/// What was found, for programs and for the page.
pub fn found(checked: &Checked, language: Language) -> CheckAnswer {
    let report = &checked.report;
    let group = match report.group {
        Group::Seen(ms) | Group::LongerThan(ms) => ms,
    };
    CheckAnswer {
        ok: true,
        words: remarks(report, language),
        trouble: report.trouble.as_ref().map(Trouble::code),
        certificate: None,
        codec: Some(codec(report.video.codec)),
        profile: Some(report.profile.clone()).filter(|profile| !profile.is_empty()),
        width: Some(report.video.width),
        height: Some(report.video.height),
        millihz: report.millihz,
        bits_per_second: report.bits_per_second,
        group_ms: Some(group),
        audio: report.audio.as_ref().map(|audio| sound(audio.codec)),
        playable: Some(playable(report.playable)),
        clock_offset_ms: report.clock_offset_ms,
        picture: report.picture.as_ref().ok().map(|picture| STANDARD.encode(&picture.jpeg)),
        took_ms: u64::try_from(checked.took.as_millis()).unwrap_or(u64::MAX),
    }
}

fn playable(playable: Playable) -> &'static str {
    match playable {
        Playable::Everywhere => "everywhere",
        Playable::WithDecoder => "with-decoder",
        Playable::AsPictures => "as-pictures",
        Playable::Nowhere => "nowhere",
    }
}

/// What is worth saying beside the figures.
fn remarks(report: &Report, language: Language) -> Vec<String> {
    let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
    let mut said = vec![say(&format!("camera-plays-{}", playable(report.playable)), &[])];
    if let Some(trouble) = &report.trouble {
        said.push(say("camera-check-broke-off", &[("why", &said::trouble(trouble, language))]));
    }
    if report.group.is_long() {
        let (Group::Seen(ms) | Group::LongerThan(ms)) = report.group;
        said.push(say("camera-check-long-group", &[("seconds", &(ms / 1000).to_string())]));
    }
    if !report.left_out.is_empty() {
        said.push(say("camera-check-left-out", &[("what", &report.left_out.join(", "))]));
    }
    if let Some(offset) = report.clock_offset_ms.filter(|ms| ms.abs() > 2_000) {
        said.push(say("camera-check-clock", &[("seconds", &(offset / 1000).to_string())]));
    }
    if let Err(error) = &report.picture {
        said.push(say("camera-check-no-picture", &[("why", &error.to_string())]));
    }
    if report.missing.contains(&Missing::FrameRate) {
        said.push(say("camera-check-short", &[]));
    }
    said
}
