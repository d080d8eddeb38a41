//! How a call fails, as far as callers act differently, and the portal's problem documents (RFC 9457).

use std::time::Duration;

use domovoi_model::Timestamp;
use reqwest::StatusCode;
use serde::Deserialize;

use super::http::{Answer, SendError};
use crate::outside::tame;

/// What the portal said when it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The last part of the problem's `type`; `http-<status>` where it names none.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The portal's headline.
    pub title: String,
    /// The portal's words; may be empty.
    pub detail: String,
    /// With `window-closed`: when it opens.
    pub opens_at: Option<Timestamp>,
}

/// Why a call did not give its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The portal has certainly not received it: no connection, or no token to send it with.
    #[error("not sent: {detail}")]
    NotSent {
        /// In words.
        detail: String,
    },
    /// The portal may have received it and acted on it: ask, do not guess.
    #[error("no clear answer: {detail}")]
    Unknown {
        /// In words.
        detail: String,
    },
    /// The portal asks to come back later (429, 503).
    #[error("the portal asks to try later: {detail}")]
    RetryLater {
        /// How much later, if it said.
        after: Option<Duration>,
        /// In words.
        detail: String,
    },
    /// The portal has understood and refused; the same call again will be refused again.
    #[error("the portal refused it: {} ({}, {})", .0.title, .0.code, .0.detail)]
    Refused(Problem),
    /// The owner has to link the portal again.
    #[error("the portal must be linked again: {0}")]
    RelinkNeeded(String),
    /// The citizen's account awaits confirmation at the portal.
    #[error("the account at the portal awaits confirmation there")]
    AccountPending,
    /// The citizen's account is blocked at the portal; `status()` has its words.
    #[error("the account is blocked at the portal")]
    AccountBlocked,
    /// The portal definitely holds nothing under this id.
    #[error("the portal holds nothing under this id")]
    NotFound,
}

impl From<SendError> for CallError {
    fn from(why: SendError) -> Self {
        match why {
            SendError::NotSent(detail) => CallError::NotSent { detail },
            SendError::Unknown { detail, .. } => CallError::Unknown { detail },
        }
    }
}

#[derive(Deserialize)]
struct ProblemDto {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    opens_at: Option<String>,
}

/// The problem document of an answer, if it is one.
pub(crate) fn problem(answer: &Answer) -> Option<Problem> {
    if !answer.is_json() {
        return None;
    }
    let dto: ProblemDto = serde_json::from_slice(&answer.body).ok()?;
    let status = answer.status.as_u16();
    let code = dto.kind.rsplit(['/', ':', '#']).next().unwrap_or_default();
    let code = if code.is_empty() || dto.kind == "about:blank" { format!("http-{status}") } else { tame(code, 64) };
    let title = if dto.title.is_empty() { code.clone() } else { tame(&dto.title, 200) };
    let opens_at = dto.opens_at.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Some(Problem {
        code,
        status,
        title,
        detail: tame(&dto.detail.unwrap_or_default(), 1000),
        opens_at: opens_at.map(|at| Timestamp(at.as_millisecond())),
    })
}

/// What an answer that is no success means. `None` for 2xx and 304; 401 is looked at by the caller first.
pub(crate) fn classify(answer: &Answer) -> Option<CallError> {
    let status = answer.status;
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return None;
    }
    let problem = problem(answer);
    let words = |problem: &Option<Problem>| match problem {
        Some(p) if p.detail.is_empty() => format!("{} ({})", p.title, p.code),
        Some(p) => format!("{}: {} ({})", p.title, p.detail, p.code),
        None => answer.not_json_words(),
    };
    // 429 and 503 often come from a gateway, as HTML; their header says enough.
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return Some(CallError::RetryLater { after: answer.retry_after(), detail: words(&problem) });
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Some(CallError::Unknown { detail: words(&problem) });
    }
    // Not in the portal's words (a page, a redirect, a bare 404): some gateway spoke, and what it did before is unknown.
    let Some(problem) = problem else { return Some(CallError::Unknown { detail: answer.not_json_words() }) };
    Some(match problem.code.as_str() {
        "consent-withdrawn" => CallError::RelinkNeeded(words(&Some(problem))),
        "account-pending" => CallError::AccountPending,
        "account-blocked" => CallError::AccountBlocked,
        "not-ready" | "too-many-requests" => {
            CallError::RetryLater { after: answer.retry_after(), detail: words(&Some(problem)) }
        }
        "server-error" => CallError::Unknown { detail: words(&Some(problem)) },
        "act-unknown" | "alert-unknown" | "notification-unknown" | "not-found" if status == StatusCode::NOT_FOUND => {
            CallError::NotFound
        }
        _ => CallError::Refused(problem),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};

    use super::*;

    fn answer(status: u16, media_type: &'static str, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::from_static(body.as_bytes()),
            from: "https://portal.example:443".to_owned(),
        }
    }

    #[test]
    fn each_status_has_its_consequence() {
        const PROBLEM: &str = "application/problem+json";
        let closed = r#"{"type":"https://portal.example/problems/window-closed","title":"Closed","status":422,"opens_at":"2026-11-15T00:00:00+03:00","extra":1}"#;
        let Some(CallError::Refused(problem)) = classify(&answer(422, PROBLEM, closed)) else { panic!() };
        assert_eq!((problem.code.as_str(), problem.opens_at), ("window-closed", Some(Timestamp(1_794_690_000_000))));

        let unknown = r#"{"type":"https://portal.example/problems/act-unknown","title":"Unknown","status":404}"#;
        assert_eq!(classify(&answer(404, PROBLEM, unknown)), Some(CallError::NotFound));
        let bare = classify(&answer(404, "text/html; charset=utf-8", "<h1>Not found</h1>"));
        assert!(matches!(bare, Some(CallError::Unknown { detail }) if detail.contains("web page")), "not definite");

        let later = classify(&answer(503, "text/html", "<h1>Maintenance</h1>"));
        assert!(matches!(later, Some(CallError::RetryLater { after: Some(after), .. }) if after.as_secs() == 7));
        let error = r#"{"type":"https://portal.example/problems/server-error","title":"Oops","status":500}"#;
        assert!(matches!(classify(&answer(500, PROBLEM, error)), Some(CallError::Unknown { .. })));
        let consent = r#"{"type":"/problems/consent-withdrawn","title":"Withdrawn","status":403}"#;
        assert!(matches!(classify(&answer(403, PROBLEM, consent)), Some(CallError::RelinkNeeded(_))));
        assert!(matches!(classify(&answer(302, "text/html", "")), Some(CallError::Unknown { .. })));
        assert_eq!(classify(&answer(201, "text/html", "")), None);
    }

    #[test]
    fn a_strangers_text_cannot_break_a_log_line() {
        assert_eq!(tame("a\nb\u{1b}[31m\u{202e}c", 80), "a b [31mc");
        assert_eq!(tame("абвгд", 3), "абв");
    }
}
