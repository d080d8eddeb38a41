//! An error as RFC 9457 problem+json, with the codes of `config/portal-api.yaml`. The OAuth endpoints have their own
//! form (RFC 6749 5.2) and do not use this one.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Two codes are not in the contract's list, which has none for them: `invalid-token` (401) and `not-found` (404 of
/// anything that is not an act).
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    opens_at: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), opens_at: None, headers: Vec::new() }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-request", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 401 always says which scheme and why (RFC 6750 3, RFC 9449 7.1).
    pub(crate) fn unauthorized(error: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid-token", detail)
            .with(header::WWW_AUTHENTICATE, format!("DPoP algs=\"ES256\", error=\"{error}\""))
    }

    pub(crate) fn disk(error: &std::io::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server-error", format!("the portal could not keep it: {error}"))
            .with(header::RETRY_AFTER, "5".into())
    }

    pub(crate) fn opens_at(mut self, at: String) -> Self {
        self.opens_at = Some(at);
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

fn title(code: &str) -> &'static str {
    match code {
        "invalid-signature" => "The signature does not fit the act",
        "unknown-key" => "This key is not registered",
        "act-differs" => "Another act has this id",
        "act-unknown" => "No act has this id",
        "reading-exists" => "This reading was accepted before",
        "period-exists" => "The period has an act already",
        "window-closed" => "Readings are not taken now",
        "account-unknown" => "No such account",
        "not-ready" => "Not ready yet",
        "forbidden-scope" => "The household did not allow this",
        "consent-withdrawn" => "The household withdrew its consent",
        "account-pending" => "The account waits for confirmation",
        "account-blocked" => "The account is blocked for remote submission",
        "too-many-requests" => "Too many requests",
        "too-large" => "Too large",
        "server-error" => "The portal failed",
        "invalid-token" => "The token is not good",
        "not-found" => "Nothing here",
        _ => "The request is wrong",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = serde_json::json!({
            "type": format!("https://portal.example/problems/{}", self.code),
            "title": title(self.code),
            "status": self.status.as_u16(),
            "detail": self.detail.chars().take(1000).collect::<String>(),
        });
        if let (Some(at), Some(map)) = (self.opens_at, body.as_object_mut()) {
            map.insert("opens_at".into(), at.into());
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}
