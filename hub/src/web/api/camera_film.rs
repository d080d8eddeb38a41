//! The bytes of what a camera recorded: a segment's film by range, its pictures. Only the records that a range touches are
//! read and opened, and each is verified before its first byte goes out; one that is damaged is an error, and never half an
//! answer that looks like a whole one. Taking a span away as one file is `camera_export`.

use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_config::Language;
use domovoi_model::Id;
use domovoi_video::archive::{Content, Media, ReadError, SegmentReader};
use domovoi_video::{VideoTrack, mp4};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use super::camera_archive::{file, open, reading};
use super::cameras::{camera_named, told};
use crate::cameras::CamerasError;
use crate::web::{Caller, Desk};
use crate::words::words;

/// A segment's film, open.
type Film = Arc<(SegmentReader, Content)>;

/// The bytes of a segment's film: all of them, or those of a `Range`.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/segments/{segment}/video", tag = "cameras", responses((status = 200, body = Vec<u8>, content_type = "video/mp4"), (status = 206, body = Vec<u8>, content_type = "video/mp4")))]
pub async fn video(
    State(desk): State<Desk>,
    caller: Caller,
    headers: HeaderMap,
    Path((camera, segment)): Path<(String, String)>,
) -> Result<Response, ApiProblem> {
    let language = caller.language;
    let file = file(&desk, &camera, &segment, language).await?;
    let opened = reading(language, move || {
        let reader = open(&file)?;
        if reader.heading().media == Media::Jpeg {
            return Err(ReadError::NothingThere(file.path.clone()));
        }
        let content = reader.content()?;
        Ok((reader, content))
    });
    let film = Arc::new(opened.await?);
    let whole = film.1.bytes;
    let wanted = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let asked = wanted.map_or(Asked::All, |text| range_of(text, whole));
    let (status, range) = match asked {
        Asked::All => (StatusCode::OK, 0..whole),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Outside => {
            let problem = ApiProblem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", "the film ends before that");
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{whole}"))], problem).into_response());
        }
    };
    let said = format!("bytes {}-{}/{whole}", range.start, range.end.saturating_sub(1));
    let length = range.end - range.start;
    // What cannot be opened is said while there is no status yet.
    let first = bytes_at(&film, range.clone(), language).await?;
    let body = stream::unfold((film, range, Some(first)), move |(film, range, first)| async move {
        let bytes = match first {
            Some(first) => Ok(first),
            None => bytes_at(&film, range.clone(), language).await,
        };
        match bytes {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => {
                let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let rest = range.start.saturating_add(read)..range.end;
                Some((Ok(bytes), (film, rest, None)))
            }
            // The length was promised: the answer ends short of it, and its reader knows.
            Err(problem) => Some((Err(std::io::Error::other(problem.title)), (film, 0..0, None))),
        }
    });
    let mut response = (status, Body::from_stream(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::try_from(said)
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

async fn bytes_at(film: &Film, range: Range<u64>, language: Language) -> Result<Bytes, ApiProblem> {
    let film = Arc::clone(film);
    reading(language, move || film.0.bytes_at(&film.1, range)).await
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Everything: what is no range of bytes, or several of them, is answered so (RFC 9110, 14.2).
    All,
    Part(Range<u64>),
    /// The film ends before that.
    Outside,
}

fn range_of(text: &str, whole: u64) -> Asked {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::All;
    };
    let figures = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !figures(first) || !figures(last) {
        return Asked::All;
    }
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(whole),
        (Ok(first), Err(_)) => first..whole,
        // The last so many bytes.
        (Err(_), Ok(last)) => whole.saturating_sub(last)..whole,
        _ => return Asked::All,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Outside }
}

/// A picture of a segment of pictures.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/segments/{segment}/pictures/{number}", tag = "cameras", responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
pub async fn picture(
    State(desk): State<Desk>,
    caller: Caller,
    Path((camera, segment, number)): Path<(String, String, u32)>,
) -> Result<Response, ApiProblem> {
    let file = file(&desk, &camera, &segment, caller.language).await?;
    let read = reading(caller.language, move || {
        let reader = open(&file)?;
        if reader.heading().media != Media::Jpeg {
            return Err(ReadError::NothingThere(file.path.clone()));
        }
        reader.read(number)
    });
    Ok(jpeg(read.await?))
}

/// A JPEG as it is answered.
pub(super) fn jpeg(bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "image/jpeg")], bytes).into_response()
}

/// The first picture of a segment, or the one at a moment of it.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/segments/{segment}/picture", tag = "cameras", params(StillQuery), responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
pub async fn still(
    State(desk): State<Desk>,
    caller: Caller,
    Path((camera, segment)): Path<(String, String)>,
    Query(query): Query<StillQuery>,
) -> Result<Response, ApiProblem> {
    let language = caller.language;
    let file = file(&desk, &camera, &segment, language).await?;
    let ticks = query.at_ms.unwrap_or(0).saturating_mul(90);
    let run = file.segment.run.clone();
    let read = reading(language, move || {
        let reader = open(&file)?;
        let record = reader.records_of(ticks..ticks.saturating_add(1)).start;
        let payload = reader.read(record)?;
        if reader.heading().media == Media::Jpeg {
            return Ok((None, payload));
        }
        Ok((Some(reader.init()?), payload))
    });
    let (init, payload) = read.await?;
    let Some(init) = init else { return Ok(jpeg(payload)) };
    let none = |why: String| {
        let text = words(language).say("camera-no-picture", &[("why", &why)]);
        ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-picture", text)
    };
    let (codec, parameter_sets) = mp4::parameter_sets(&init).map_err(|error| none(error.to_string()))?;
    let frame = mp4::first_frame(&payload).map_err(|error| none(error.to_string()))?;
    let (width, height) = size_of(&run).unwrap_or((0, 0));
    let track = VideoTrack {
        codec,
        width,
        height,
        clock_hz: mp4::TICKS_HZ,
        sample_entry: Bytes::new(),
        rfc6381: String::new(),
        declared_millihz: None,
        parameter_sets,
    };
    let frame = Bytes::copy_from_slice(frame);
    let picture = desk.cameras.darkroom().develop(&track, frame, query.width).await;
    Ok(jpeg(picture.map_err(|error| none(error.to_string()))?.jpeg))
}

/// `1920x1080` of what a row says of its run.
fn size_of(run: &str) -> Option<(u16, u16)> {
    let (width, height) = run.split(' ').nth(1)?.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// Which picture.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StillQuery {
    /// Since the segment's beginning; the key frame before it is shown.
    at_ms: Option<u64>,
    /// Not wider than this.
    width: Option<u16>,
}

/// A picture that was kept when something happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptAnswer {
    pub id: String,
    pub at: String,
}

/// Pictures of events, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptsAnswer {
    pub pictures: Vec<KeptAnswer>,
}

/// The pictures that were kept when something happened.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/pictures", tag = "cameras", responses((status = 200, body = KeptsAnswer)))]
pub async fn kept(
    State(desk): State<Desk>,
    caller: Caller,
    Path(camera): Path<String>,
) -> Result<Json<KeptsAnswer>, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let pictures = desk.cameras.pictures(camera).await.map_err(|error| told(error, caller.language))?;
    let pictures = pictures.into_iter().map(|one| KeptAnswer { id: one.id.to_string(), at: one.at.to_string() });
    Ok(Json(KeptsAnswer { pictures: pictures.collect() }))
}

/// A picture of an event.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/pictures/{picture}", tag = "cameras", responses((status = 200, body = Vec<u8>, content_type = "image/jpeg")))]
pub async fn kept_picture(
    State(desk): State<Desk>,
    caller: Caller,
    Path((camera, picture)): Path<(String, String)>,
) -> Result<Response, ApiProblem> {
    let camera = camera_named(&desk, &camera, caller.language)?;
    let id = picture.parse::<Id>().map_err(|_| told(CamerasError::NoSegment, caller.language))?;
    let bytes = desk.cameras.kept_picture(camera, id).await.map_err(|error| told(error, caller.language))?;
    Ok(jpeg(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_has_them() {
        for (text, asked) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=10-19", Asked::Part(10..20)),
            ("bytes=90-200", Asked::Part(90..100)),
            ("bytes=90-", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=100-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-4", Asked::All),
            ("bytes=0-1,4-5", Asked::All),
            ("bytes=-", Asked::All),
            ("bytes=+1-2", Asked::All),
            ("lines=0-1", Asked::All),
            ("bytes=99999999999999999999-", Asked::All),
        ] {
            assert_eq!(range_of(text, 100), asked, "{text}");
        }
        assert_eq!(range_of("bytes=0-", 0), Asked::Outside);
    }

    #[test]
    fn the_size_is_what_a_row_says() {
        assert_eq!(size_of("h264 1920x1080 a - -"), Some((1920, 1080)));
        assert_eq!(size_of(""), None);
    }
}
