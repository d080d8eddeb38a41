//! The page: HTML made here, styles and scripts beside it, all embedded; works without JavaScript. It calls the rooms as
//! the API does and knows no rule of its own.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{Caller, Desk, Doors, sentence};
use crate::policy::Refusal;

/// The largest form taken: a reading with its photo.
const MAX_FORM: usize = 8 << 20;

/// Every door of the page.
pub fn doors(desk: &Desk) -> Doors {
    // SKELETON: to be filled.
    Doors::new(desk, MAX_FORM)
}

/// The page that says why not.
pub fn refusal(caller: &Caller, refusal: &Refusal) -> Response {
    // SKELETON: a page.
    let text = sentence(refusal, caller.language);
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
