//! `PUT /hub-keys/{kid}`: registers the public key with which this hub signs acts. Repeating it changes nothing.

use p256::ecdsa::VerifyingKey;
use reqwest::Method;
use serde_json::json;

use super::wire;
use crate::portal::{CallError, Portal, dpop};

/// Registers the key under its RFC 7638 thumbprint, which is the `key_id` of acts.
pub async fn call(portal: &Portal, key: &VerifyingKey) -> Result<(), CallError> {
    let (x, y) = dpop::coordinates(key);
    let body = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256" });
    let outgoing = wire::request(portal, Method::PUT, &["hub-keys", &dpop::thumbprint(key)]);
    portal.send(wire::json_body(outgoing, &body)?).await.map(|_| ())
}
