//! Errors as the API says them (RFC 9457), and the one place where a room's error becomes an HTTP status.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domovoi_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::metering::MeteringError;

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiProblem {
    /// `https://domovoi.local/problems/<code>`
    #[serde(rename = "type")]
    pub kind: String,
    /// The status, again.
    pub status: u16,
    /// The sentence for the person.
    pub title: String,
}

impl ApiProblem {
    /// With a code of our own.
    pub fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        ApiProblem {
            kind: format!("https://domovoi.local/problems/{code}"),
            status: status.as_u16(),
            title: title.into(),
        }
    }

    /// What a person stated cannot be taken.
    pub fn invalid(title: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title)
    }

    /// There is no such thing.
    pub fn not_found(title: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", title)
    }

    /// Not now, or not like this.
    pub fn refused(title: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "refused", title)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // The document is three plain strings: writing it cannot fail.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

/// The status of a store's error.
pub fn status_of(error: &StoreError) -> StatusCode {
    match error {
        StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
        StoreError::Conflict { .. } => StatusCode::CONFLICT,
        StoreError::NotFound { .. } => StatusCode::NOT_FOUND,
        StoreError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        StoreError::Damaged { .. } | StoreError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        ApiProblem::new(status_of(&error), "store", error.to_string())
    }
}

impl From<MeteringError> for ApiProblem {
    fn from(error: MeteringError) -> Self {
        let text = error.to_string();
        match error {
            MeteringError::Store(error) => error.into(),
            MeteringError::NoSuch(_) => ApiProblem::not_found(text),
            MeteringError::Invalid(_) | MeteringError::NoSupplier(_) => ApiProblem::invalid(text),
            MeteringError::NotChecked(_)
            | MeteringError::NotCorrectable { .. }
            | MeteringError::LaterMonthStated { .. }
            | MeteringError::NothingToSay(_)
            | MeteringError::ClockNotTrusted => ApiProblem::refused(text),
            MeteringError::Key(_) | MeteringError::Document(_) | MeteringError::Random(_) => {
                ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
            }
        }
    }
}

/// The answer where there is no route.
pub async fn no_such_route() -> ApiProblem {
    ApiProblem::not_found("there is no such resource in this version of the API")
}
