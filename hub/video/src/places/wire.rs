//! The HTTP under the store's client: our own reqwest with rustls and ring, no redirects, no proxies, times and sizes. What
//! a store says no to becomes a [`Reply`] here, before the crate above can take a body of any size for its message.
//! Deliberately no retries: what is tried again, and when, the spool decides.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::header::RANGE;
use reqwest::{Response, Url};

use super::Trouble;
use crate::onvif::first_text;
use crate::session::clean;

const CONNECT: Duration = Duration::from_secs(10);
/// Between two parts of an answer, and from a request's beginning to the first: 5 MiB at 0.35 Mbit/s.
const READ: Duration = Duration::from_secs(120);
/// Of a listing: a thousand objects take a third of it.
const LARGEST_ANSWER: usize = 4 << 20;
/// Of an answer that says no.
const LARGEST_REFUSAL: usize = 16 << 10;

/// What a store answered that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The store's own word for it (`NoSuchKey`); empty where there is none.
    pub(super) code: String,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store answers {} {}", self.status, self.code)
    }
}

impl StdError for Reply {}

#[derive(Clone)]
pub(super) struct Wire(reqwest::Client);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// With the authorities of a PEM file instead of the usual ones.
    pub(super) fn new(authority: Option<&[u8]>) -> Result<Wire, Trouble> {
        // reqwest takes the process's provider; another room may have installed it already, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .retry(reqwest::retry::never())
                .http1_only()
                .connect_timeout(CONNECT)
                .read_timeout(READ)
                .pool_max_idle_per_host(2)
        };
        let wrong = |why: &dyn fmt::Display| Trouble::Setup { why: clean(&why.to_string(), &[]) };
        let Some(pem) = authority else {
            // A bare machine has no authorities: a store at home without TLS is reached all the same.
            let usual = builder().build().or_else(|_| builder().tls_certs_only([]).build());
            return usual.map(Wire).map_err(|why| wrong(&why));
        };
        let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|why| wrong(&why))?;
        if roots.is_empty() {
            return Err(wrong(&"there is no certificate in PEM (-----BEGIN CERTIFICATE-----) in it"));
        }
        builder().tls_certs_only(roots).build().map(Wire).map_err(|why| wrong(&why))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let most = parts.headers.get(RANGE).and_then(|range| range.to_str().ok()).and_then(ranged);
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let response = self.0.execute(request).await.map_err(broken)?;
        let status = response.status();
        if !status.is_success() {
            let reply = Reply { status: status.as_u16(), code: refusal(response).await };
            return Err(HttpError::new(HttpErrorKind::Unknown, reply));
        }
        let (parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
        let body = Limited::new(body, most.unwrap_or(LARGEST_ANSWER))
            .map_err(|error| HttpError::new_boxed(HttpErrorKind::Unknown, error));
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

impl HttpService for Wire {
    fn call<'life0, 'async_trait>(
        &'life0 self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.send(request))
    }
}

impl HttpConnector for Wire {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// How much `bytes=FIRST-LAST` asks for.
fn ranged(range: &str) -> Option<usize> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    usize::try_from(last.checked_sub(first)?.checked_add(1)?).ok()
}

/// The address, whose query is nobody's business, is left out.
fn broken(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error.without_url())
}

/// `<Error><Code>NoSuchBucket</Code>…`.
async fn refusal(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LARGEST_REFUSAL.saturating_sub(bytes.len()).min(chunk.len());
        bytes.extend_from_slice(chunk.get(..room).unwrap_or_default());
        if bytes.len() >= LARGEST_REFUSAL {
            break;
        }
    }
    let code = first_text(&bytes, "Code").unwrap_or_default();
    code.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}
