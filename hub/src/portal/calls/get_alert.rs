//! `GET /alerts/{id}`: one CAP 1.2 document. Its XML is read by the alerts room, not here.

use bytes::Bytes;
use reqwest::Method;

use super::wire;
use crate::portal::{CallError, Portal};

/// The document's bytes; a stranger's XML.
pub async fn call(portal: &Portal, id: &str) -> Result<Bytes, CallError> {
    let outgoing = wire::request(portal, Method::GET, &["alerts", id]).accept("application/cap+xml");
    let answer = portal.send(outgoing).await?;
    if !matches!(answer.media_type().as_str(), "application/cap+xml" | "application/xml" | "text/xml") {
        return Err(wire::odd("content-type", &answer.media_type(), "application/cap+xml"));
    }
    Ok(answer.body)
}
