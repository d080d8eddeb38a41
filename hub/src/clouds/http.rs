//! One HTTP client for everything that is sent to makers' clouds: no redirects, no proxy of the environment, answers capped in
//! size and time. It tells "certainly not delivered" from "perhaps delivered", because a command is not said twice.
//!
//! Deliberately ignorant of OAuth and of any cloud's JSON. Bodies, queries and tokens never reach a message or a log.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::outside::{self, Cut, Guard, Reach, Terms, cause};

/// The largest answer; a home of a thousand devices is less.
const LARGEST: usize = 4 << 20;
/// A cloud cannot put us off for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

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
    /// Names lead to hosts of the internet only; that a literal address is this machine's own, the settings have seen to.
    pub fn new() -> Result<Self, String> {
        let terms = Terms {
            connect: Duration::from_secs(10),
            whole: Some(Duration::from_secs(20)),
            idle: 2,
            guard: Some(Arc::new(Guard::new(Reach::Internet, &[], &[]))),
            ..Terms::default()
        };
        outside::client(terms).map(Http)
    }

    /// Sends once, and reads the whole answer.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, SendError> {
        let from = url.origin().ascii_serialization();
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
        let body = outside::take(&mut response, LARGEST).await.map_err(|cut| match cut {
            Cut::TooLong => SendError::Lost(format!("the answer of {from} is larger than {LARGEST} bytes")),
            Cut::Broken(why) => SendError::Lost(format!("the answer of {from} was cut: {}", cause(&why))),
        })?;
        let headers = response.headers();
        Ok(Answer {
            status: response.status(),
            kind: headers.get(CONTENT_TYPE).cloned(),
            retry_after: outside::retry_after(headers, RETRY_AFTER_MAX),
            body,
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
