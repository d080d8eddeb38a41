//! `PUT /acts/{act_id}`: hands in one act. The body is the signed bytes, exactly; the same id with the same bytes is the
//! same act.

use domovoi_model::ActId;
use reqwest::Method;
use reqwest::header::HeaderName;

use super::get_act::{self, ActStatus};
use super::wire;
use crate::portal::{CallError, Portal};

const SIGNATURE: HeaderName = HeaderName::from_static("x-jws-signature");

/// `document` are the stored bytes, `signature` is the detached JWS over them.
pub async fn call(portal: &Portal, act_id: ActId, document: &[u8], signature: &str) -> Result<ActStatus, CallError> {
    let mut outgoing = wire::request(portal, Method::PUT, &["acts", &act_id.to_string()]);
    outgoing.headers.insert(SIGNATURE, wire::header(signature, "signature")?);
    let answer = portal.send(outgoing.body(wire::JSON, document.to_vec())).await?;
    get_act::status(&answer, act_id)
}
