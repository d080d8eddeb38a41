//! What every answer of the API has: an entity tag, a problem document in the place of a framework's plain sentence, and
//! no copy in a cache. It looks at answers, never at what they say.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domovoi_config::Language;

use super::{ApiProblem, Caller};
use crate::metering::sign::sha256;

/// Answers above this get no tag: who asks for so much does not ask again every minute.
const MAX_TAGGED: usize = 4 << 20;

/// A framework's sentence is never longer.
const MAX_SENTENCE: usize = 8 << 10;

/// What a request said that its answer needs.
#[derive(Debug)]
pub struct Asked {
    /// A tag is worth something: the request looks.
    looks: bool,
    if_none_match: Option<HeaderValue>,
    language: Language,
}

impl Asked {
    /// Of a request to the API; pages are not touched.
    pub fn of(request: &Request, caller: &Caller) -> Option<Self> {
        request.uri().path().starts_with("/api/").then(|| Asked {
            looks: matches!(*request.method(), Method::GET | Method::HEAD),
            if_none_match: request.headers().get(header::IF_NONE_MATCH).cloned(),
            language: caller.language,
        })
    }
}

/// Finishes an answer.
pub async fn finished(mut response: Response, asked: Option<Asked>) -> Response {
    let Some(asked) = asked else { return response };
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        // A browser's cache is a copy of the home on another disk, unsealed.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        return as_problem(response, asked.language).await;
    }
    if !asked.looks || status != StatusCode::OK || !is(response.headers(), "application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match sized(body).await {
        Ok(bytes) => bytes,
        Err(body) => return Response::from_parts(parts, body),
    };
    let tag = tag_of(&bytes);
    let known = asked.if_none_match.as_ref().is_some_and(|wanted| names(wanted, &tag));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    if known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// The entity tag of a document: strong, so that `If-Match` can use it.
pub fn tag_of(bytes: &[u8]) -> String {
    let hash = sha256(bytes);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16]))
}

/// Whether a change was asked for what stands there now (RFC 9110, 13.1.1). Without `If-Match` two people who edit at
/// once would undo each other unseen, so it is demanded (RFC 6585, 428).
pub fn still(headers: &HeaderMap, now: &[u8]) -> Result<(), ApiProblem> {
    let Some(wanted) = headers.get(header::IF_MATCH) else {
        return Err(ApiProblem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if-match",
            "say which version is changed: repeat the ETag of what you have read in If-Match",
        ));
    };
    if wanted.as_bytes() == b"*" || strong(wanted, &tag_of(now)) {
        return Ok(());
    }
    Err(ApiProblem::new(
        StatusCode::PRECONDITION_FAILED,
        "changed-meanwhile",
        "somebody has changed this meanwhile: read it again, then repeat the change",
    ))
}

fn names(wanted: &HeaderValue, tag: &str) -> bool {
    let Ok(text) = wanted.to_str() else { return false };
    text.split(',').any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    })
}

fn strong(wanted: &HeaderValue, tag: &str) -> bool {
    wanted.to_str().is_ok_and(|text| text.split(',').any(|one| one.trim() == tag))
}

fn is(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|text| text.starts_with(kind))
}

/// The bytes of a body of a known and modest size; another one is given back as it was.
async fn sized(body: Body) -> Result<Bytes, Body> {
    use axum::body::HttpBody as _;
    match body.size_hint().exact() {
        Some(size) if size <= MAX_TAGGED as u64 => to_bytes(body, MAX_TAGGED).await.map_err(|_| Body::empty()),
        _ => Err(body),
    }
}

/// A framework refuses in a plain sentence; programs are promised RFC 9457.
async fn as_problem(mut response: Response, language: Language) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<ApiProblem>() {
        return match problem.in_words(language) {
            Some(said) => {
                let (parts, _) = response.into_parts();
                let (_, body) = said.into_response().into_parts();
                let mut parts = parts;
                parts.headers.remove(header::CONTENT_LENGTH);
                Response::from_parts(parts, body)
            }
            None => response,
        };
    }
    if is(response.headers(), "application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_SENTENCE).await.unwrap_or_default();
    let text: String = String::from_utf8_lossy(&text).chars().filter(|c| !c.is_control()).take(500).collect();
    let code = match parts.status {
        StatusCode::BAD_REQUEST => "unreadable",
        StatusCode::METHOD_NOT_ALLOWED => "no-such-method",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "not-json",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid",
        StatusCode::UPGRADE_REQUIRED => "not-a-websocket",
        _ => "failed",
    };
    let title = if text.is_empty() { parts.status.canonical_reason().unwrap_or("failed").to_owned() } else { text };
    let problem = ApiProblem::new(parts.status, code, title).into_response();
    let (of_problem, body) = problem.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(of_problem.headers);
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(if_none_match: Option<&str>) -> Option<Asked> {
        let mut request = axum::http::Request::builder().uri("/api/v1/x");
        if let Some(tag) = if_none_match {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        Asked::of(&request.body(Body::empty()).unwrap(), &Caller::nobody())
    }

    #[tokio::test]
    async fn what_was_read_already_is_not_sent_again() {
        let document = || axum::Json(serde_json::json!({ "a": 1 })).into_response();
        let first = finished(document(), asked(None)).await;
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-store");
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for wanted in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let second = finished(document(), asked(Some(&wanted))).await;
            assert_eq!(second.status(), StatusCode::NOT_MODIFIED, "{wanted}");
            assert!(to_bytes(second.into_body(), 100).await.unwrap().is_empty());
        }
        assert_eq!(finished(document(), asked(Some("\"other\""))).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_plain_sentence_becomes_a_problem_without_control_characters() {
        let plain = (StatusCode::UNPROCESSABLE_ENTITY, "unknown field `x`\n").into_response();
        let response = finished(plain, asked(None)).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        let problem: ApiProblem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.status, problem.title.as_str()), (422, "unknown field `x`"));
    }

    #[test]
    fn a_change_names_the_version_it_is_made_to() {
        let mut headers = HeaderMap::new();
        assert_eq!(still(&headers, b"a").unwrap_err().status, 428);
        headers.insert(header::IF_MATCH, tag_of(b"b").parse().unwrap());
        assert_eq!(still(&headers, b"a").unwrap_err().status, 412);
        assert!(still(&headers, b"b").is_ok());
        headers.insert(header::IF_MATCH, format!("W/{}", tag_of(b"b")).parse().unwrap());
        assert_eq!(still(&headers, b"b").unwrap_err().status, 412, "a weak tag is not enough");
    }
}
