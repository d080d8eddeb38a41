//! What a camera recorded: the line of time with its gaps, segments, what stands where in each, erasing and verifying. Their
//! bytes are `camera_film`'s.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use domovoi_store::{Cursor, SegmentPlace, SegmentState};
use domovoi_video::archive::{Media, ReadError, SegmentReader, Source};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::cameras::{camera_named, told};
use super::paging::{Paging, answer, cursor_of};
use super::{ApiProblem, millis_of};
use crate::audit::Note;
use crate::cameras::{Finding, Piece, SegmentFile};
use crate::web::{Caller, Desk};
use crate::words::words;

/// A line of time is never longer: a day of it is what a page shows.
const LONGEST_MS: i64 = 32 * 86_400_000;

/// What lies closer together than this is one piece of the line: where a segment turned, nothing is missing.
const JOINED_MS: i64 = 1_500;

/// So many records are read and opened at the same time, a megabyte each as a rule.
static READERS: Semaphore = Semaphore::const_new(8);

/// Which span is meant.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpanQuery {
    /// RFC 3339.
    from: String,
    /// Likewise, not included.
    to: String,
}

/// Which segments are meant.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SegmentsQuery {
    /// RFC 3339.
    from: String,
    /// Likewise, not included.
    to: String,
    /// At most so many, 1 to 500; 100 if nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A stretch of time in which everything was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StretchAnswer {
    pub from: String,
    pub to: String,
}

/// What was recorded in a span. Between two stretches nothing was.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineAnswer {
    pub stretches: Vec<StretchAnswer>,
    /// What is wrong with some of it, and where.
    pub troubles: Vec<TroubleAnswer>,
    /// The span was too full: what follows this is not told.
    pub until: Option<String>,
}

/// A segment that is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
pub struct TroubleAnswer {
    pub segment: String,
    pub from: String,
    pub to: String,
    /// `missing`, `damaged`
    pub state: &'static str,
    /// What was found: a code.
    pub trouble: String,
}

/// A segment.
#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentAnswer {
    pub id: String,
    pub started: String,
    pub ended: String,
    pub bytes: u64,
    /// `mp4`, `jpeg`
    pub media: &'static str,
    /// `open`, `done`, `missing`, `damaged`
    pub state: &'static str,
    /// `local`, `spool`, `remote`
    pub place: &'static str,
    /// It can be asked for.
    pub playable: bool,
    /// Why it ended: a code.
    pub reason: String,
    pub trouble: String,
}

/// Segments in the order of their beginning.
#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentsAnswer {
    pub segments: Vec<SegmentAnswer>,
    pub next: Option<String>,
}

/// Where what is in a segment's film.
#[derive(Debug, Serialize, ToSchema)]
pub struct IndexAnswer {
    pub started: String,
    /// The media type for a browser's Media Source; `image/jpeg` for pictures.
    pub mime: String,
    /// The film's length in bytes.
    pub bytes: u64,
    /// The bytes of its initialisation; `fragments` follow it.
    pub head: u64,
    pub fragments: Vec<FragmentAnswer>,
    pub pictures: Vec<PictureAnswer>,
}

/// A fragment of a film.
#[derive(Debug, Serialize, ToSchema)]
pub struct FragmentAnswer {
    pub offset: u64,
    pub bytes: u32,
    /// Since the segment's beginning.
    pub start_ms: u64,
    pub duration_ms: u64,
    /// Playing can begin here.
    pub group: bool,
}

/// A picture of a segment of pictures.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureAnswer {
    pub number: u32,
    pub start_ms: u64,
    pub duration_ms: u64,
    pub bytes: u32,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasedAnswer {
    /// Segments.
    pub erased: usize,
}

/// A span of a query.
pub(super) fn span(from: &str, to: &str) -> Result<(Timestamp, Timestamp), ApiProblem> {
    let moment = |name: &str, text: &str| {
        millis_of(text).ok_or_else(|| ApiProblem::invalid(format!("{name}: a moment like 2026-11-21T22:00:00Z")))
    };
    let (from, to) = (moment("from", from)?, moment("to", to)?);
    if to <= from || to.0.saturating_sub(from.0) > LONGEST_MS {
        return Err(ApiProblem::invalid("from, to: a span of at most 32 days"));
    }
    Ok((from, to))
}

fn state(piece: &Piece) -> &'static str {
    match piece.state {
        SegmentState::Open => "open",
        SegmentState::Done => "done",
        SegmentState::Missing => "missing",
        SegmentState::Damaged => "damaged",
        SegmentState::Garbage => "garbage",
    }
}

fn segment_answer(piece: &Piece) -> SegmentAnswer {
    SegmentAnswer {
        id: piece.id.to_string(),
        started: piece.from.to_string(),
        ended: piece.until.to_string(),
        bytes: piece.bytes,
        media: if piece.run.starts_with("jpeg") { "jpeg" } else { "mp4" },
        state: state(piece),
        place: match piece.place {
            SegmentPlace::Local => "local",
            SegmentPlace::Spool => "spool",
            SegmentPlace::Remote => "remote",
        },
        playable: is_playable(piece),
        reason: piece.reason.clone(),
        trouble: piece.trouble.clone(),
    }
}

/// Whether a segment can be asked for. One that is damaged can: what is whole of it is shown.
pub fn is_playable(piece: &Piece) -> bool {
    piece.until > piece.from && !matches!(piece.state, SegmentState::Missing | SegmentState::Garbage)
}

/// The stretches in which everything was recorded, of pieces in the order of their beginning.
pub fn stretches(pieces: &[Piece]) -> Vec<(Timestamp, Timestamp)> {
    let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
    for piece in pieces.iter().filter(|piece| is_playable(piece)) {
        match joined.last_mut() {
            Some((_, until)) if piece.from.0 <= until.0.saturating_add(JOINED_MS) => *until = (*until).max(piece.until),
            _ => joined.push((piece.from, piece.until)),
        }
    }
    joined
}

/// When a camera recorded, and when it did not.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/timeline", tag = "cameras", params(SpanQuery), responses((status = 200, body = TimelineAnswer)))]
pub async fn timeline(
    State(desk): State<Desk>,
    caller: Caller,
    Path(camera): Path<String>,
    Query(query): Query<SpanQuery>,
) -> Result<Json<TimelineAnswer>, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let (from, to) = span(&query.from, &query.to)?;
    let (pieces, more) = pieces(&desk, camera, from, to, caller.language).await?;
    let stretches =
        stretches(&pieces).into_iter().map(|(from, to)| StretchAnswer { from: from.to_string(), to: to.to_string() });
    let troubles = pieces.iter().filter(|piece| matches!(piece.state, SegmentState::Missing | SegmentState::Damaged));
    let troubles = troubles.map(|piece| TroubleAnswer {
        segment: piece.id.to_string(),
        from: piece.from.to_string(),
        to: piece.until.to_string(),
        state: state(piece),
        trouble: piece.trouble.clone(),
    });
    let until = if more { pieces.last().map(|last| last.until.to_string()) } else { None };
    Ok(Json(TimelineAnswer { stretches: stretches.collect(), troubles: troubles.collect(), until }))
}

/// Everything of a span; true: there would be more than anybody looks at.
pub async fn pieces(
    desk: &Desk,
    camera: Id,
    from: Timestamp,
    to: Timestamp,
    language: Language,
) -> Result<(Vec<Piece>, bool), ApiProblem> {
    /// A month of segments of a minute, and of what ends early.
    const MOST: usize = 60_000;
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = desk.cameras.timeline(camera, from, to, after).await.map_err(|error| told(error, language))?;
        all.extend(page.pieces);
        after = page.next;
        if after.is_none() || all.len() >= MOST {
            return Ok((all, after.is_some()));
        }
    }
}

/// A camera's segments, oldest first.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/segments", tag = "cameras", params(SegmentsQuery), responses((status = 200, body = SegmentsAnswer)))]
pub async fn segments(
    State(desk): State<Desk>,
    caller: Caller,
    Path(camera): Path<String>,
    Query(query): Query<SegmentsQuery>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let (from, to) = span(&query.from, &query.to)?;
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let limit = paging.limit()?;
    let after = paging.after()?.map(|text| cursor(&text)).transpose()?;
    let page = desk.cameras.timeline(camera, from, to, after).await.map_err(|error| told(error, caller.language))?;
    let more = page.pieces.len() > limit || page.next.is_some();
    let segments: Vec<SegmentAnswer> = page.pieces.iter().take(limit).map(segment_answer).collect();
    let last = page.pieces.iter().take(limit).next_back().filter(|_| more);
    let next = last.map(|last| cursor_of(&format!("{} {}", last.from.0, last.id)));
    Ok(answer(SegmentsAnswer { segments, next: next.clone() }, next.as_deref(), &uri))
}

fn cursor(text: &str) -> Result<Cursor, ApiProblem> {
    let parts = text.split_once(' ').and_then(|(started, id)| Some((started.parse().ok()?, id.parse::<Id>().ok()?)));
    let (started, id) = parts.ok_or_else(|| ApiProblem::invalid("cursor: use `next` of the page before as it is"))?;
    Ok(Cursor::behind(Timestamp(started), id))
}

/// A segment's file that a path names.
pub(super) async fn file(
    desk: &Desk,
    camera: &str,
    segment: &str,
    language: Language,
) -> Result<SegmentFile, ApiProblem> {
    let camera = camera_named(desk, camera, language)?;
    let none = || told(crate::cameras::CamerasError::NoSegment, language);
    let segment = segment.parse::<Id>().map_err(|_| none())?;
    desk.cameras.segment(camera, segment).await.map_err(|error| told(error, language))
}

/// What is read on a thread that may wait for a disk, with a bound on how many wait.
pub(super) async fn reading<T: Send + 'static>(
    language: Language,
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ApiProblem> {
    // It is never closed.
    let _place = READERS.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    let broken = |_| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "reading gave way");
    done.map_err(broken)?.map_err(|error| unread(&error, language))
}

/// A recording that cannot be read, in words.
pub(super) fn unread(error: &ReadError, language: Language) -> ApiProblem {
    tracing::warn!("a recording cannot be read: {error}");
    let say = |key: &str, variables: &[(&str, &str)]| words(language).say(key, variables);
    match error {
        ReadError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            ApiProblem::new(StatusCode::GONE, "recording-missing", say("camera-recording-missing", &[]))
        }
        ReadError::Io { source, .. } => {
            let text = say("camera-recording-unread", &[("why", &source.to_string())]);
            ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "archive", text)
        }
        ReadError::NothingThere(_) => ApiProblem::not_found(say("camera-no-recording", &[])),
        ReadError::Damaged { record, .. } => {
            let text = say("camera-recording-damaged", &[("record", &record.to_string())]);
            ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "recording-damaged", text)
        }
        ReadError::Heading { .. } | ReadError::NoTrailer(_) | ReadError::Spliced(_) => {
            let text = say("camera-recording-broken", &[]);
            ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "recording-damaged", text)
        }
    }
}

/// What a segment is read from, one that is being written too.
pub(super) fn source_of(file: SegmentFile) -> Source {
    let growing = file.growing.map(Arc::new);
    Source { growing, elsewhere: file.elsewhere, ..Source::closed(file.path, file.day) }
}

/// Opens it.
pub(super) fn open(file: &SegmentFile) -> Result<SegmentReader, ReadError> {
    source_of(file.clone()).open()
}

/// What stands where in a segment's film, so that a page asks for what it needs and no more.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/segments/{segment}", tag = "cameras", responses((status = 200, body = IndexAnswer)))]
pub async fn index(
    State(desk): State<Desk>,
    caller: Caller,
    Path((camera, segment)): Path<(String, String)>,
) -> Result<Json<IndexAnswer>, ApiProblem> {
    let file = file(&desk, &camera, &segment, caller.language).await?;
    reading(caller.language, move || index_of(&file)).await.map(Json)
}

fn index_of(file: &SegmentFile) -> Result<IndexAnswer, ReadError> {
    let reader = open(file)?;
    let entries = &reader.trailer().entries;
    let ms = |ticks: u64| ticks / 90;
    let duration = |entry: &domovoi_video::archive::Entry| u64::from(entry.duration) / 90;
    let mut index = IndexAnswer {
        started: file.segment.started.to_string(),
        mime: "image/jpeg".to_owned(),
        bytes: 0,
        head: 0,
        fragments: Vec::new(),
        pictures: Vec::new(),
    };
    if reader.heading().media == Media::Jpeg {
        index.pictures = (0..)
            .zip(entries)
            .map(|(number, entry)| PictureAnswer {
                number,
                start_ms: ms(entry.start),
                duration_ms: duration(entry),
                bytes: entry.bytes,
            })
            .collect();
        return Ok(index);
    }
    let content = reader.content()?;
    let fragments = || entries.iter().filter(|entry| !entry.is_init);
    let payload: u64 = fragments().map(|entry| u64::from(entry.bytes)).sum();
    index.mime = mime_of(&file.segment.run);
    index.bytes = content.bytes;
    index.head = content.bytes.saturating_sub(payload);
    let mut offset = index.head;
    for entry in fragments() {
        index.fragments.push(FragmentAnswer {
            offset,
            bytes: entry.bytes,
            start_ms: ms(entry.start),
            duration_ms: duration(entry),
            group: entry.starts_group,
        });
        offset = offset.saturating_add(u64::from(entry.bytes));
    }
    Ok(index)
}

/// The media type of what a row says of its run: `h264 1920x1080 avc1.42C028 aac mp4a.40.2`.
pub fn mime_of(run: &str) -> String {
    let mut parts = run.split(' ').skip(2);
    let (video, audio, sound) = (parts.next(), parts.next(), parts.next());
    let mut codecs = video.filter(|video| *video != "-").unwrap_or_default().to_owned();
    match (audio, sound) {
        (Some("pcma" | "pcmu"), _) => codecs.push_str(",flac"),
        (Some("aac"), Some(sound)) if sound != "-" => codecs = format!("{codecs},{sound}"),
        _ => {}
    }
    format!("video/mp4; codecs=\"{codecs}\"")
}

/// Erases what was recorded in a span: whole segments, also those that reach out of it.
#[utoipa::path(delete, path = "/api/v1/cameras/{camera}/recordings", tag = "cameras", params(SpanQuery), responses((status = 200, body = ErasedAnswer)))]
pub async fn erase(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(camera): Path<String>,
    Query(query): Query<SpanQuery>,
) -> Result<Json<ErasedAnswer>, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let (from, to) = span(&query.from, &query.to)?;
    let erased = desk.cameras.erase(camera, from, to).await.map_err(|error| told(error, caller.language))?;
    note.change("from", None, Some(from.to_string()));
    note.change("to", None, Some(to.to_string()));
    note.change("segments", Some(erased.to_string()), None);
    Ok(Json(ErasedAnswer { erased }))
}

/// What is wrong with a camera's recordings.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerificationAnswer {
    /// Every byte is as it was written, and nothing is missing.
    pub sound: bool,
    pub findings: Vec<FindingAnswer>,
}

/// Something that is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingAnswer {
    /// Of a segment that was removed: the one that followed it; `null`: the newest was.
    pub segment: Option<String>,
    /// `damaged`, `missing`, `no-key`, `row`, `removed`
    pub state: &'static str,
    /// What was found: a code, and which records.
    pub what: Option<String>,
}

impl From<Finding> for FindingAnswer {
    fn from(finding: Finding) -> Self {
        let (segment, state, what) = match finding {
            Finding::Damaged { segment, what } => (Some(segment), "damaged", Some(what)),
            Finding::Missing { segment } => (Some(segment), "missing", None),
            Finding::NoKey { segment } => (Some(segment), "no-key", None),
            Finding::Row { segment } => (Some(segment), "row", None),
            Finding::Removed { before } => (before, "removed", None),
        };
        FindingAnswer { segment: segment.map(|id| id.to_string()), state, what }
    }
}

/// Reads everything that is kept of a camera, and names what is wrong with it. It takes as long as reading it takes.
#[utoipa::path(post, path = "/api/v1/cameras/{camera}/verification", tag = "cameras", responses((status = 200, body = VerificationAnswer)))]
pub async fn verify(
    State(desk): State<Desk>,
    caller: Caller,
    Path(camera): Path<String>,
) -> Result<Json<VerificationAnswer>, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let findings = desk.cameras.verify(camera).await.map_err(|error| told(error, caller.language))?;
    let findings: Vec<FindingAnswer> = findings.into_iter().map(FindingAnswer::from).collect();
    Ok(Json(VerificationAnswer { sound: findings.is_empty(), findings }))
}

#[cfg(test)]
mod tests {
    use domovoi_store::SegmentPlace;

    use super::*;

    fn piece(from: i64, until: i64, state: SegmentState) -> Piece {
        Piece {
            id: Id([1; 16]),
            from: Timestamp(from),
            until: Timestamp(until),
            is_open: false,
            state,
            place: SegmentPlace::Local,
            bytes: 1,
            reason: String::new(),
            trouble: String::new(),
            run: String::new(),
        }
    }

    #[test]
    fn a_turn_is_no_gap_and_what_is_missing_is_one() {
        use SegmentState::{Damaged, Done, Missing, Open};
        let pieces = [
            piece(0, 120_000, Done),
            piece(120_040, 240_000, Done),
            piece(240_100, 360_000, Missing),
            piece(360_000, 480_000, Damaged),
            piece(470_000, 471_000, Done),
            piece(480_900, 500_000, Open),
            piece(600_000, 600_000, Open),
        ];
        let spans: Vec<(i64, i64)> = stretches(&pieces).iter().map(|(from, to)| (from.0, to.0)).collect();
        assert_eq!(spans, [(0, 240_000), (360_000, 500_000)]);
    }

    #[test]
    fn the_media_type_is_made_of_what_a_row_says() {
        for (run, mime) in [
            ("h264 1920x1080 avc1.42C028 aac mp4a.40.2", "video/mp4; codecs=\"avc1.42C028,mp4a.40.2\""),
            ("h265 3840x2160 hvc1.1.6.L93.90 pcma -", "video/mp4; codecs=\"hvc1.1.6.L93.90,flac\""),
            ("h264 64x48 avc1.42C01E - -", "video/mp4; codecs=\"avc1.42C01E\""),
        ] {
            assert_eq!(mime_of(run), mime);
        }
    }
}
