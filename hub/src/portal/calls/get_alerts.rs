//! `GET /alerts`: the Atom feed of emergency alerts. Its XML is read by the alerts room, not here.

use bytes::Bytes;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};

use super::wire;
use crate::portal::{CallError, Portal};

/// The feed, or that it is the one already known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alerts {
    /// Nothing new since the ETag.
    NotModified,
    /// The feed.
    Feed {
        /// To be given back next time.
        etag: Option<String>,
        /// Atom; a stranger's XML.
        document: Bytes,
    },
}

/// `etag` is what the last feed came with.
pub async fn call(portal: &Portal, etag: Option<&str>) -> Result<Alerts, CallError> {
    let mut outgoing = wire::request(portal, Method::GET, &["alerts"]).accept("application/atom+xml");
    if let Some(etag) = etag {
        outgoing.headers.insert(IF_NONE_MATCH, wire::header(etag, "ETag")?);
    }
    let answer = portal.send(outgoing).await?;
    if answer.status == StatusCode::NOT_MODIFIED {
        return Ok(Alerts::NotModified);
    }
    if !matches!(answer.media_type().as_str(), "application/atom+xml" | "application/xml" | "text/xml") {
        return Err(wire::odd("content-type", &answer.media_type(), "application/atom+xml"));
    }
    let etag = answer.headers.get(ETAG).and_then(|value| value.to_str().ok()).filter(|etag| etag.len() <= 256);
    Ok(Alerts::Feed { etag: etag.map(str::to_owned), document: answer.body.clone() })
}
