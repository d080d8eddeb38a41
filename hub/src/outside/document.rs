//! Reads a document again and again: what the server said of it the last time goes along, redirects are followed by hand
//! and each is looked at like an address, size and time are capped. It does not read what it fetches.

use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use url::Url;

use super::{Cut, Guard, cause, retry_after, take, tame};

const MAX_REDIRECTS: usize = 3;

/// A tag of a server that is longer is not kept.
const MAX_TAG: usize = 1024;

/// Why nothing came: a code that has a sentence in the locale files, and the particulars: no address, no text of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// `status`, `redirects`, `too-large`, `timeout`, `unreachable`, `broken`, `forbidden`, or the asking room's own.
    pub code: &'static str,
    /// What else is known.
    pub detail: String,
    /// The server wants to be left alone so long.
    pub after: Option<Duration>,
}

impl Trouble {
    /// With particulars, which may be a stranger's words.
    pub fn new(code: &'static str, detail: impl AsRef<str>) -> Self {
        Trouble { code, detail: tame(detail.as_ref(), 200), after: None }
    }
}

/// What the server said of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Where.
    pub url: &'a Url,
    /// The media types that can be read.
    pub accept: &'static str,
    /// What was said of it the last time.
    pub known: &'a Known,
    /// The largest document, in bytes.
    pub most: usize,
    /// The longest time that a server may put us off for.
    pub patience: Duration,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The same as the last time.
    Same,
    /// A document.
    Document {
        /// As it came.
        bytes: Bytes,
        /// To be given back the next time.
        known: Known,
    },
}

/// Asks once. `allowed` looks at the address and at each that it leads to.
pub async fn document(
    client: &reqwest::Client,
    ask: &Ask<'_>,
    allowed: impl Fn(&Url) -> Result<(), Trouble>,
) -> Result<Fetched, Trouble> {
    let mut url = ask.url.clone();
    for _ in 0..=MAX_REDIRECTS {
        allowed(&url)?;
        let mut request = client.get(url.clone()).header(ACCEPT, ask.accept);
        for (name, value) in [(IF_NONE_MATCH, &ask.known.etag), (IF_MODIFIED_SINCE, &ask.known.modified)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let mut response = request.send().await.map_err(|error| unsent(&error))?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::Same);
        }
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| url.join(to).ok());
            url = to.ok_or_else(|| Trouble::new("status", status.as_str()))?;
            continue;
        }
        if !status.is_success() {
            let after = retry_after(response.headers(), ask.patience);
            return Err(Trouble { after, ..Trouble::new("status", status.as_str()) });
        }
        let known = Known { etag: tag(response.headers(), ETAG), modified: tag(response.headers(), LAST_MODIFIED) };
        return match take(&mut response, ask.most).await {
            Ok(bytes) => Ok(Fetched::Document { bytes, known }),
            Err(Cut::TooLong) => Err(Trouble::new("too-large", ask.most.to_string())),
            Err(Cut::Broken(error)) => Err(unsent(&error)),
        };
    }
    Err(Trouble::new("redirects", MAX_REDIRECTS.to_string()))
}

fn tag(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= MAX_TAG).then(|| value.to_owned())
}

fn unsent(error: &reqwest::Error) -> Trouble {
    let code = if Guard::barred(error) {
        "forbidden"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "broken"
    };
    Trouble::new(code, cause(error))
}
