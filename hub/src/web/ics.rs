//! The door of the calendar's secret addresses: `/calendar/<secret>.ics`. It lies on the threshold, because a phone does not
//! sign in; who has no right secret learns nothing, and hears the same whatever was wrong.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{Desk, Doors, rule};
use crate::calendar::Served;
use crate::policy::{Kind, Verb};

/// No body is taken.
const MAX_BODY: usize = 0;

/// The longest name of a file that is looked up.
const MAX_NAME: usize = 128;

/// The door.
pub fn doors(desk: &Desk) -> Doors {
    Doors::new(desk, MAX_BODY).door(&Method::GET, "/calendar/{file}", rule(Verb::See, Kind::Threshold), calendar)
}

async fn calendar(State(desk): State<Desk>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    // A name that cannot be one is asked about like any other.
    let secret = file.strip_suffix(".ics").filter(|secret| secret.len() <= MAX_NAME).unwrap_or_default();
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let tagged = |etag: &str, mut response: Response| {
        if let Ok(value) = HeaderValue::from_str(etag) {
            response.headers_mut().insert(header::ETAG, value);
        }
        // A phone asks again whether it has changed; nobody in between keeps it.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    };
    match desk.calendar.serve(secret, known, desk.settings.home.language).await {
        Served::Unknown => (StatusCode::NOT_FOUND, "no such calendar\n").into_response(),
        Served::Busy(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Served::NotModified { etag } => tagged(&etag, StatusCode::NOT_MODIFIED.into_response()),
        Served::Calendar { etag, body } => {
            let kind = [(header::CONTENT_TYPE, "text/calendar; charset=utf-8")];
            tagged(&etag, (kind, body).into_response())
        }
    }
}
