//! `PUT /notifications/{id}/read`: somebody in the household has seen it.

use reqwest::Method;

use super::wire;
use crate::portal::{CallError, Portal};

/// Repeating it changes nothing.
pub async fn call(portal: &Portal, id: &str) -> Result<(), CallError> {
    portal.send(wire::request(portal, Method::PUT, &["notifications", id, "read"])).await.map(|_| ())
}
