//! `PUT /devices`: replaces the list of devices that the household chose to show.

use reqwest::Method;
use serde::Serialize;

use super::wire;
use crate::portal::{CallError, Portal};

/// A device, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownDevice {
    /// Any stable id, ≤ 128 characters.
    pub id: String,
    /// What the household calls it.
    pub name: String,
    /// What it is.
    pub kind: String,
}

#[derive(Serialize)]
struct ListDto<'a> {
    devices: &'a [ShownDevice],
}

/// The whole list; an empty one shows nothing.
pub async fn call(portal: &Portal, devices: &[ShownDevice]) -> Result<(), CallError> {
    let outgoing = wire::request(portal, Method::PUT, &["devices"]);
    portal.send(wire::json_body(outgoing, &ListDto { devices })?).await.map(|_| ())
}
