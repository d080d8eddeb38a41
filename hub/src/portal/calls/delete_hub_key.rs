//! `DELETE /hub-keys/{kid}`: the key signs no further acts. Acts already accepted stay valid.

use reqwest::Method;

use super::wire;
use crate::portal::{CallError, Portal};

/// `kid` is the key's RFC 7638 thumbprint. Deleting one that is not there is fine.
pub async fn call(portal: &Portal, kid: &str) -> Result<(), CallError> {
    match portal.send(wire::request(portal, Method::DELETE, &["hub-keys", kid])).await {
        Ok(_) | Err(CallError::NotFound) => Ok(()),
        Err(why) => Err(why),
    }
}
