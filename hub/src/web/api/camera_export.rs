//! Taking recordings away: any span as one film, or, sealed in the format of age, for somebody who has the key or the
//! passphrase. Nothing is made ready on a disk: it is read, opened, put together and sealed as it is sent, and its length is
//! known before its first byte.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use domovoi_vault::{Parcel, ParcelError, Recipient, Secret};
use domovoi_video::archive::{self, ExportError, Gaps, Part, Source};
use domovoi_video::mp4;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use utoipa::ToSchema;

use super::ApiProblem;
use super::camera_archive::{is_playable, pieces, source_of, span, unread};
use super::cameras::{camera_named, told};
use crate::audit::Note;
use crate::cameras::CamerasError;
use crate::web::{Caller, Desk};
use crate::words::words;

/// So many downloads at once: each has a thread while it lasts.
static DOWNLOADS: std::sync::LazyLock<Arc<Semaphore>> = std::sync::LazyLock::new(|| Arc::new(Semaphore::new(4)));

/// Segments of one download: a week of two minutes each.
const MOST_SEGMENTS: usize = 5_040;

/// What is to be taken away.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// RFC 3339.
    pub from: String,
    /// Likewise, not included.
    pub to: String,
    /// Which part, from 1, where there are several: see the plan.
    #[serde(default)]
    pub part: Option<usize>,
    /// `closed` (if nothing is said): the film goes on at once; `kept`: the last picture stands as long as the gap was.
    #[serde(default)]
    pub gaps: Option<String>,
    /// Public keys of age, `age1…`, with commas between them: it is sealed for each. A passphrase has no place in an address:
    /// see the same with POST.
    #[serde(default)]
    pub recipients: Option<String>,
}

/// The same, sealed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealForm {
    /// RFC 3339.
    pub from: String,
    /// Likewise, not included.
    pub to: String,
    #[serde(default)]
    pub part: Option<usize>,
    /// `closed`, `kept`
    #[serde(default)]
    pub gaps: Option<String>,
    /// Public keys of age, `age1…`; each of them opens it.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// In their place: at least 12 characters.
    #[serde(default)]
    pub passphrase: Option<String>,
}

impl std::fmt::Debug for SealForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealForm").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

/// What a download would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanAnswer {
    /// Where what the camera sent changed in the middle, there are several.
    pub parts: Vec<PartAnswer>,
}

/// A file of a download.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartAnswer {
    /// From 1.
    pub part: usize,
    pub from: String,
    pub to: String,
    pub bytes: u64,
    pub duration_ms: u64,
    /// Where in the film what time is: it has no gaps.
    pub jumps: Vec<JumpAnswer>,
}

/// From here on the film shows this time.
#[derive(Debug, Serialize, ToSchema)]
pub struct JumpAnswer {
    pub at_ms: u64,
    pub shows: String,
}

/// For whom a download is sealed.
pub enum Seal {
    Open,
    Recipients(Vec<Recipient>),
    Passphrase(Secret<String>),
}

impl PartAnswer {
    fn of(film: &Part, part: usize) -> PartAnswer {
        let jumps = film.jumps.iter().map(|jump| JumpAnswer {
            at_ms: u64::try_from(mp4::duration(jump.ticks).as_millis()).unwrap_or(u64::MAX),
            shows: Timestamp(jump.wall_ms).to_string(),
        });
        PartAnswer {
            part,
            from: Timestamp(film.wall_ms.start).to_string(),
            to: Timestamp(film.wall_ms.end).to_string(),
            bytes: film.bytes,
            duration_ms: u64::try_from(film.duration().as_millis()).unwrap_or(u64::MAX),
            jumps: jumps.collect(),
        }
    }
}

/// The files of a span, in order.
fn parts_of(sources: &[(Source, bool)], from: Timestamp, to: Timestamp, gaps: Gaps) -> Result<Vec<Part>, ExportError> {
    let mut parts = Vec::new();
    for run in sources.chunk_by(|(_, one), (_, other)| one == other) {
        let is_pictures = run.first().is_some_and(|(_, is_pictures)| *is_pictures);
        let run: Vec<Source> = run.iter().map(|(source, _)| source.clone()).collect();
        if is_pictures {
            parts.extend(archive::plan_pictures(&run, from.0..to.0, gaps)?);
        } else {
            parts.extend(archive::plan(&run, from.0..to.0, gaps)?);
        }
    }
    Ok(parts)
}

fn gaps(text: Option<&str>) -> Result<Gaps, ApiProblem> {
    match text {
        None | Some("closed") => Ok(Gaps::Closed),
        Some("kept") => Ok(Gaps::Kept),
        Some(_) => Err(ApiProblem::invalid("gaps: closed or kept")),
    }
}

fn failed(error: &ExportError, language: Language) -> ApiProblem {
    match error {
        ExportError::Read(error) => unread(error, language),
        ExportError::TooLong => ApiProblem::invalid(words(language).say("camera-export-long", &[])),
        ExportError::Mp4 { .. } | ExportError::Pictures(_) => {
            tracing::error!("an export failed: {error}");
            let text = words(language).say("camera-recording-broken", &[]);
            ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "recording-damaged", text)
        }
    }
}

/// What there is of a span, put into files.
async fn planned(
    desk: &Desk,
    camera: Id,
    (from, to): (Timestamp, Timestamp),
    gaps: Gaps,
    language: Language,
) -> Result<Vec<Part>, ApiProblem> {
    let (all, more) = pieces(desk, camera, from, to, language).await?;
    if more || all.len() > MOST_SEGMENTS {
        return Err(failed(&ExportError::TooLong, language));
    }
    let mut sources = Vec::new();
    for piece in all.iter().filter(|piece| is_playable(piece)) {
        match desk.cameras.segment(camera, piece.id).await {
            Ok(file) => {
                let is_pictures = file.segment.run.starts_with("jpeg");
                sources.push((source_of(file), is_pictures));
            }
            // Retention took it meanwhile.
            Err(CamerasError::NoSegment) => {}
            Err(error) => return Err(told(error, language)),
        }
    }
    let made = tokio::task::spawn_blocking(move || parts_of(&sources, from, to, gaps)).await;
    let broken = |_| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "reading gave way");
    let parts = made.map_err(broken)?.map_err(|error| failed(&error, language))?;
    if parts.is_empty() {
        return Err(ApiProblem::not_found(words(language).say("camera-export-nothing", &[])));
    }
    Ok(parts)
}

/// What a download of a span would be: its files, their lengths, and which time is where in them.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/export/plan", tag = "cameras", params(ExportQuery), responses((status = 200, body = PlanAnswer)))]
pub async fn plan(
    State(desk): State<Desk>,
    caller: Caller,
    Path(camera): Path<String>,
    Query(query): Query<ExportQuery>,
) -> Result<Json<PlanAnswer>, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let wanted = span(&query.from, &query.to)?;
    let parts = planned(&desk, camera, wanted, gaps(query.gaps.as_deref())?, caller.language).await?;
    let answers = (1..).zip(&parts).map(|(number, part)| PartAnswer::of(part, number)).collect();
    Ok(Json(PlanAnswer { parts: answers }))
}

/// A span as one film, without a gap.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/export", tag = "cameras", params(ExportQuery), responses((status = 200, body = Vec<u8>, content_type = "video/mp4")))]
pub async fn export(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(camera): Path<String>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let recipients = query.recipients.as_deref().unwrap_or_default().split(',').filter(|text| !text.is_empty());
    let recipients: Vec<String> = recipients.map(str::to_owned).collect();
    let seal = seal_of(&recipients, None, caller.language)?;
    download(&desk, camera, &query, seal, &note, caller.language).await
}

/// The same, sealed for recipients of age or with a passphrase.
#[utoipa::path(post, path = "/api/v1/cameras/{camera}/export", tag = "cameras", request_body = SealForm, responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
pub async fn seal(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(camera): Path<String>,
    Json(form): Json<SealForm>,
) -> Result<Response, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let passphrase = form.passphrase.filter(|text| !text.is_empty()).map(Secret::new);
    let seal = seal_of(&form.recipients, passphrase, caller.language)?;
    if matches!(seal, Seal::Open) {
        return Err(ApiProblem::invalid("recipients or passphrase: one of them"));
    }
    let query = ExportQuery { from: form.from, to: form.to, part: form.part, gaps: form.gaps, recipients: None };
    download(&desk, camera, &query, seal, &note, caller.language).await
}

/// For whom, of what somebody typed.
pub fn seal_of(
    recipients: &[String],
    passphrase: Option<Secret<String>>,
    language: Language,
) -> Result<Seal, ApiProblem> {
    match (recipients.is_empty(), passphrase) {
        (true, None) => Ok(Seal::Open),
        (true, Some(passphrase)) => Ok(Seal::Passphrase(passphrase)),
        (false, Some(_)) => Err(ApiProblem::invalid(words(language).say("camera-seal-both", &[]))),
        (false, None) => {
            let read: Result<Vec<Recipient>, ParcelError> =
                recipients.iter().take(32).map(|text| Recipient::parse(text)).collect();
            read.map(Seal::Recipients).map_err(|error| unsealed(error, language))
        }
    }
}

fn unsealed(error: ParcelError, language: Language) -> ApiProblem {
    let key = match error {
        ParcelError::NoRecipient | ParcelError::Unusable => "camera-seal-recipient",
        ParcelError::Mistyped => "camera-seal-mistyped",
        ParcelError::Recipients => "camera-seal-recipients",
        ParcelError::WeakPassphrase => "camera-seal-passphrase",
        ParcelError::Random => {
            return ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "no-randomness", error.to_string());
        }
    };
    ApiProblem::invalid(words(language).say(key, &[]))
}

/// The answer of a download, for programs and for the page.
pub async fn download(
    desk: &Desk,
    camera: Id,
    query: &ExportQuery,
    seal: Seal,
    note: &Note,
    language: Language,
) -> Result<Response, ApiProblem> {
    let busy = |_| {
        let text = words(language).say("camera-export-busy", &[]);
        ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, "busy", text)
    };
    let place = Arc::clone(&DOWNLOADS).try_acquire_owned().map_err(busy)?;
    let wanted = span(&query.from, &query.to)?;
    let mut parts = planned(desk, camera, wanted, gaps(query.gaps.as_deref())?, language).await?;
    let number = match (query.part, parts.len()) {
        (None, 1) => 1,
        (Some(part), count) if (1..=count).contains(&part) => part,
        (None, count) => {
            let text = words(language).say("camera-export-parts", &[("count", &count.to_string())]);
            return Err(ApiProblem::new(StatusCode::CONFLICT, "several-parts", text));
        }
        (Some(_), count) => return Err(ApiProblem::invalid(format!("part: 1 to {count}"))),
    };
    let part = parts.swap_remove(number - 1);
    note.change("from", None, Some(wanted.0.to_string()));
    note.change("to", None, Some(wanted.1.to_string()));
    let is_sealed = !matches!(seal, Seal::Open);
    note.change("sealed", None, Some(is_sealed.to_string()));
    let name = file_name(desk, &part, number, is_sealed);
    let kind = if is_sealed { "application/octet-stream" } else { "video/mp4" };
    let (length, chunks) = sending(part, seal, place, language).await?;
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// `domovoi-20261121-223000.mp4`: the beginning in the home's zone.
fn file_name(desk: &Desk, part: &Part, number: usize, is_sealed: bool) -> String {
    let at = jiff::Timestamp::from_millisecond(part.wall_ms.start).unwrap_or_default();
    let at = at.to_zoned(desk.settings.home.time_zone.clone());
    let stamp = at.strftime("%Y%m%d-%H%M%S").to_string();
    let part_number = if number > 1 { format!("-{number}") } else { String::new() };
    format!("domovoi-{stamp}{part_number}.mp4{}", if is_sealed { ".age" } else { "" })
}

type Sent = Result<Bytes, std::io::Error>;

/// Begins to send: a thread reads, opens and seals, a piece ahead of who takes it. What fails at once is a problem.
async fn sending(
    part: Part,
    seal: Seal,
    place: OwnedSemaphorePermit,
    language: Language,
) -> Result<(u64, impl futures_util::Stream<Item = Sent> + use<>), ApiProblem> {
    let (to, mut from) = mpsc::channel::<Result<Bytes, ApiProblem>>(2);
    let plain = part.bytes;
    let (tell_length, length) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let parcel = match &seal {
            Seal::Open => None,
            Seal::Recipients(recipients) => Some(Parcel::to(recipients)),
            Seal::Passphrase(passphrase) => Some(Parcel::with_passphrase(passphrase)),
        };
        let mut parcel = match parcel.transpose() {
            Ok(parcel) => parcel.map(|(parcel, begin)| (Some(parcel), begin)),
            Err(error) => return drop(to.blocking_send(Err(unsealed(error, language)))),
        };
        let sealed = |begin: &Vec<u8>| Parcel::sealed_len(plain).saturating_add(begin.len() as u64);
        let _ = tell_length.send(parcel.as_ref().map_or(plain, |(_, begin)| sealed(begin)));
        let broken = |error: ParcelError| unsealed(error, language);
        let mut whole = true;
        for chunk in part.chunks() {
            let chunk = chunk.map_err(|error| failed(&error, language));
            let chunk = match (&mut parcel, chunk) {
                (Some((Some(parcel), begin)), Ok(plain)) => {
                    let mut out = std::mem::take(begin);
                    parcel.push(&plain, &mut out).map_err(broken).map(|()| Bytes::from(out))
                }
                (_, chunk) => chunk,
            };
            whole &= chunk.is_ok();
            let is_empty = chunk.as_ref().is_ok_and(Bytes::is_empty);
            if !(is_empty || to.blocking_send(chunk).is_ok()) || !whole {
                whole = false;
                break;
            }
        }
        if let Some((Some(parcel), mut out)) = parcel.filter(|_| whole) {
            let end = parcel.finish(&mut out).map_err(broken).map(|()| Bytes::from(out));
            let _ = to.blocking_send(end);
        }
    });
    let first = match from.recv().await {
        Some(first) => first?,
        None => Bytes::new(),
    };
    let length = length.await.unwrap_or(plain);
    let rest = stream::unfold((Some(first), from), |(first, mut from)| async move {
        let next = match first {
            Some(first) => Some(Ok(first)),
            None => from.recv().await,
        };
        // The length was promised: an answer that ends short of it is known to be cut.
        next.map(|next| (next.map_err(|problem| std::io::Error::other(problem.title)), (None, from)))
    });
    Ok((length, rest))
}
