//! One HTTP client for everything this room sends: no redirects, no proxy of the environment, no compression, TLS by
//! rustls, answers capped in size and time. It tells "certainly not delivered" from "perhaps delivered", because the
//! outbox acts differently on them.
//!
//! Deliberately ignorant of OAuth and of the portal's JSON. Bodies, queries and tokens never reach a message or a log.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::address;
use super::settings::{PortalSettings, TlsFloor};
use crate::outside::{self, Cut, Terms, cause, tame};

/// Answers in general.
pub(crate) const ANSWER_CAP: usize = 256 * 1024;
/// Receipts are kept as evidence and may hold a hundred readings with the portal's words.
pub(crate) const RECEIPT_CAP: usize = 1024 * 1024;
/// A portal cannot put us off for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// The client could not be made: a fault of the settings or of the machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HttpSetupError(String);

/// No whole answer came.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SendError {
    /// The connection was never made: the portal has certainly seen nothing.
    #[error("{0}")]
    NotSent(String),
    /// The request was (perhaps) written; the portal may have acted on it. With the status, if that much came.
    #[error("{detail}")]
    Unknown { detail: String, status: Option<StatusCode> },
}

pub(crate) struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The most bytes that an answer may have.
    pub cap: usize,
}

impl Outgoing {
    pub fn new(method: Method, url: Url) -> Self {
        Outgoing { method, url, headers: HeaderMap::new(), body: Bytes::new(), cap: ANSWER_CAP }
    }

    pub fn accept(mut self, media_type: &'static str) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static(media_type));
        self
    }

    pub fn body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = body.into();
        self
    }
}

pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// `scheme://host:port`, for messages.
    pub from: String,
}

impl Answer {
    /// The media type without parameters, lower case.
    pub fn media_type(&self) -> String {
        let value = self.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    pub fn is_json(&self) -> bool {
        let media_type = self.media_type();
        media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
    }

    /// What is wrong with an answer that should have been JSON, in words.
    pub fn not_json_words(&self) -> String {
        let (from, status) = (&self.from, self.status.as_u16());
        let media_type = self.media_type();
        if media_type == "text/html" || self.body.trim_ascii_start().starts_with(b"<") {
            format!(
                "{from} answered with a web page (HTML, status {status}) instead of JSON: check `issuer` and `api_base`, \
                 and whether a provider's login page stands in between"
            )
        } else if self.status.is_redirection() {
            format!("{from} answered with a redirect (status {status}); redirects are not followed: check the address")
        } else if media_type.is_empty() {
            format!("{from} answered with status {status} and no content type instead of JSON")
        } else {
            let shown = tame(&media_type, 60);
            format!("{from} answered with `{shown}` (status {status}) instead of JSON")
        }
    }

    /// The body as JSON; the sentence says what is wrong without quoting the body, which may hold a token.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        if !self.is_json() {
            return Err(self.not_json_words());
        }
        serde_json::from_slice(&self.body).map_err(|why| {
            let (line, column) = (why.line(), why.column());
            format!("{} answered with JSON that does not follow the contract (line {line}, column {column})", self.from)
        })
    }

    /// How long the portal wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        outside::retry_after(&self.headers, RETRY_AFTER_MAX)
    }
}

pub(crate) struct Http {
    client: reqwest::Client,
}

impl Http {
    pub fn new(settings: &PortalSettings) -> Result<Self, HttpSetupError> {
        let terms = Terms {
            connect: settings.connect_timeout,
            whole: Some(settings.total_timeout),
            idle: 2,
            guard: None,
            tls: Some(match settings.tls_floor {
                TlsFloor::V1_3 => reqwest::tls::Version::TLS_1_3,
                TlsFloor::V1_2 => reqwest::tls::Version::TLS_1_2,
            }),
            roots: settings.extra_roots.as_deref().map(roots).transpose()?,
        };
        let client = outside::client(terms);
        client.map(|client| Http { client }).map_err(|why| HttpSetupError(format!("no HTTP client can be made: {why}")))
    }

    /// Sends once and reads the whole answer.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Answer, SendError> {
        let from = address::origin(&outgoing.url);
        let request = self
            .client
            .request(outgoing.method.clone(), outgoing.url.clone())
            .headers(outgoing.headers.clone())
            .body(outgoing.body.clone());
        let mut response = request.send().await.map_err(|why| {
            if why.is_connect() || why.is_builder() {
                SendError::NotSent(format!("{from} cannot be reached: {}", cause(&why)))
            } else if why.is_timeout() {
                SendError::Unknown { detail: format!("{from} did not answer in time"), status: None }
            } else {
                let detail = format!("the connection to {from} broke before the answer came: {}", cause(&why));
                SendError::Unknown { detail, status: None }
            }
        })?;
        let status = response.status();
        let headers = response.headers().clone();
        let unknown = |detail: String| SendError::Unknown { detail, status: Some(status) };
        let body = outside::take(&mut response, outgoing.cap).await.map_err(|cut| match cut {
            Cut::TooLong => {
                unknown(format!("the answer of {from} is larger than {} bytes; it was not read", outgoing.cap))
            }
            Cut::Broken(why) => unknown(format!("the answer of {from} was cut: {}", cause(&why))),
        })?;
        Ok(Answer { status, headers, body, from })
    }
}

/// The authorities in a file of the owner's.
fn roots(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, HttpSetupError> {
    let shown = path.display();
    let pem =
        std::fs::read(path).map_err(|why| HttpSetupError(format!("cannot read the certificates in {shown}: {why}")))?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem).ok().filter(|roots| !roots.is_empty());
    roots.ok_or_else(|| HttpSetupError(format!("{shown} holds no certificate in PEM form")))
}
