//! One HTTP client for everything that is sent to makers' clouds: no redirects, no proxy of the environment, answers capped in
//! size and time. It tells "certainly not delivered" from "perhaps delivered", because a command is not said twice.
//!
//! Deliberately ignorant of OAuth and of any cloud's JSON. Bodies, queries and tokens never reach a message or a log.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use url::Url;

/// The largest answer; a home of a thousand devices is less.
const LARGEST: usize = 4 << 20;
/// A cloud cannot put us off for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(20);

/// No whole answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// The connection was never made: the cloud has certainly seen nothing.
    #[error("{0}")]
    NotSent(String),
    /// The request was (perhaps) written; the cloud may have acted on it.
    #[error("{0}")]
    Lost(String),
}

/// A whole answer.
pub(super) struct Answer {
    pub status: StatusCode,
    pub kind: Option<HeaderValue>,
    pub body: Bytes,
    /// `Retry-After` in seconds. The date form is rare and would need a trusted clock; it counts as absent.
    pub retry_after: Option<Duration>,
}

/// The client.
pub(super) struct Http(reqwest::Client);

impl Http {
    /// On a machine without authorities nobody is trusted; one of its own is still reached.
    pub fn new() -> Option<Self> {
        // The process's provider; another room may have installed it already, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("domovoi/", env!("CARGO_PKG_VERSION")))
                // A redirect would carry tokens to an address that nobody checked.
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT)
                .timeout(WHOLE)
                .pool_max_idle_per_host(2)
                .pool_idle_timeout(Duration::from_secs(30))
        };
        builder().build().or_else(|_| builder().tls_certs_only([]).build()).ok().map(Http)
    }

    /// Sends a form, or JSON with a token, once, and reads the whole answer.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, SendError> {
        let from = origin(url);
        let request = self.0.request(method, url.clone()).headers(headers).body(body);
        let mut response = request.send().await.map_err(|why| {
            if why.is_connect() || why.is_builder() {
                SendError::NotSent(format!("{from} cannot be reached: {}", cause(&why)))
            } else if why.is_timeout() {
                SendError::Lost(format!("{from} did not answer in time"))
            } else {
                SendError::Lost(format!("the connection to {from} broke: {}", cause(&why)))
            }
        })?;
        let too_large = || SendError::Lost(format!("the answer of {from} is larger than {LARGEST} bytes"));
        if response.content_length().is_some_and(|length| length > LARGEST as u64) {
            return Err(too_large());
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(why) => return Err(SendError::Lost(format!("the answer of {from} was cut: {}", cause(&why)))),
            }
        }
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Answer {
            status,
            kind: headers.get(CONTENT_TYPE).cloned(),
            body: body.freeze(),
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
        })
    }

    /// A call of an API: JSON, with a token.
    pub async fn call(&self, changes: bool, url: &Url, token: &str, body: &str) -> Result<Answer, SendError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|_| SendError::NotSent("the token cannot stand in a header".to_owned()))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        if !changes {
            return self.send(Method::GET, url, headers, Vec::new()).await;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(Method::POST, url, headers, body.as_bytes().to_vec()).await
    }
}

/// `scheme://host:port`, for messages.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The innermost cause, without the address, whose query is not for logs.
fn cause(why: &reqwest::Error) -> String {
    let mut words = "no cause given".to_owned();
    let mut source = why.source();
    while let Some(one) = source {
        words = tame(&one.to_string(), 200);
        source = one.source();
    }
    words
}

/// A stranger's words as they may stand in a log or on a page.
pub(super) fn tame(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
