//! Tokens bound to a key (RFC 9449): the key, its thumbprint, a proof per request, the newest nonce per origin, and one
//! more try when a server asks for its nonce.
//!
//! The key belongs to the link and is kept with it: a refresh token of a public client is worthless under another key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use domovoi_model::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

use super::address;
use super::http::{Answer, Http, Outgoing, SendError};
use crate::clock::Clock;

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// More origins than issuer and API need; a portal that names new ones without end does not fill the memory.
const ORIGINS_MAX: usize = 16;
const NONCE_LEN_MAX: usize = 1024;

/// The coordinates of a P-256 public key, base64url.
pub(crate) fn coordinates(key: &VerifyingKey) -> (String, String) {
    let point = key.to_sec1_point(false);
    let bytes = point.as_bytes();
    // Uncompressed SEC1: 0x04, 32 bytes of x, 32 bytes of y.
    let (x, y) = bytes.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
    (B64.encode(x), B64.encode(y))
}

/// RFC 7638: SHA-256 over the required members in lexicographic order, base64url.
pub fn thumbprint(key: &VerifyingKey) -> String {
    let (x, y) = coordinates(key);
    thumbprint_of(&[("crv", "P-256"), ("kty", "EC"), ("x", &x), ("y", &y)])
}

fn thumbprint_of(members: &[(&str, &str)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    B64.encode(Sha256::digest(format!("{{{}}}", members.join(","))))
}

/// The key of a link.
#[derive(Clone)]
pub(crate) struct DpopKey(SigningKey);

impl std::fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DpopKey({})", thumbprint(self.0.verifying_key()))
    }
}

impl DpopKey {
    pub fn generate() -> Self {
        DpopKey(SigningKey::generate())
    }

    /// Reads what `to_text` gave.
    pub fn from_text(text: &str) -> Option<Self> {
        SigningKey::from_slice(&B64.decode(text).ok()?).ok().map(DpopKey)
    }

    /// The secret scalar, base64url; for the sealed store only.
    pub fn to_text(&self) -> String {
        B64.encode(self.0.to_bytes())
    }

    /// A proof for one request.
    pub fn proof(
        &self,
        method: &Method,
        url: &Url,
        at: Timestamp,
        access_token: Option<&str>,
        nonce: Option<&str>,
    ) -> String {
        let (x, y) = coordinates(self.0.verifying_key());
        let header = json!({
            "typ": "dpop+jwt",
            "alg": "ES256",
            "jwk": { "kty": "EC", "crv": "P-256", "x": x, "y": y },
        });
        let mut target = url.clone();
        target.set_query(None);
        target.set_fragment(None);
        let mut claims = json!({
            "jti": Uuid::new_v4().to_string(),
            "htm": method.as_str(),
            "htu": target.as_str(),
            "iat": at.0.div_euclid(1000),
        });
        if let Some(members) = claims.as_object_mut() {
            if let Some(token) = access_token {
                members.insert("ath".to_owned(), B64.encode(Sha256::digest(token)).into());
            }
            if let Some(nonce) = nonce {
                members.insert("nonce".to_owned(), nonce.into());
            }
        }
        let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let signature: Signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", B64.encode(signature.to_bytes()))
    }
}

/// The newest nonce of each origin.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<HashMap<String, String>>);

impl Nonces {
    fn newest(&self, origin: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(origin).cloned()
    }

    fn remember(&self, answer: &Answer) -> bool {
        let Some(nonce) = answer.headers.get(DPOP_NONCE).and_then(|v| v.to_str().ok()) else { return false };
        if nonce.len() > NONCE_LEN_MAX {
            return false;
        }
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= ORIGINS_MAX && !nonces.contains_key(&answer.from) {
            nonces.clear();
        }
        nonces.insert(answer.from.clone(), nonce.to_owned());
        true
    }
}

/// Sends with the token, and with a proof where there is a key. A server that asks for its nonce is asked once more.
pub(crate) async fn send(
    http: &Http,
    nonces: &Nonces,
    clock: &Clock,
    key: Option<&DpopKey>,
    token: Option<&str>,
    mut outgoing: Outgoing,
) -> Result<Answer, SendError> {
    if let Some(token) = token {
        let scheme = if key.is_some() { "DPoP" } else { "Bearer" };
        let Ok(mut value) = HeaderValue::from_str(&format!("{scheme} {token}")) else {
            return Err(SendError::NotSent("the access token cannot stand in a header; link again".to_owned()));
        };
        value.set_sensitive(true);
        outgoing.headers.insert(AUTHORIZATION, value);
    }
    let Some(key) = key else { return http.send(&outgoing).await };
    let origin = address::origin(&outgoing.url);
    let mut asked_before = false;
    loop {
        let nonce = nonces.newest(&origin);
        // The wall clock, trusted or not: a server with nonces accepts the proof by them, another one will say no.
        let proof = key.proof(&outgoing.method, &outgoing.url, clock.wall(), token, nonce.as_deref());
        let Ok(mut value) = HeaderValue::from_str(&proof) else {
            return Err(SendError::NotSent("no DPoP proof could be made".to_owned()));
        };
        value.set_sensitive(true);
        outgoing.headers.insert(DPOP, value);
        let answer = http.send(&outgoing).await?;
        let new_nonce = nonces.remember(&answer);
        if asked_before || !new_nonce || !asks_for_nonce(&answer) {
            return Ok(answer);
        }
        asked_before = true;
    }
}

/// RFC 9449 section 8 (token endpoint: 400 with an error) and section 9 (resource: 401 with a challenge).
fn asks_for_nonce(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct ErrorDto {
        error: String,
    }
    match answer.status {
        StatusCode::BAD_REQUEST => {
            serde_json::from_slice(&answer.body).is_ok_and(|ErrorDto { error }| error == "use_dpop_nonce")
        }
        StatusCode::UNAUTHORIZED => answer
            .headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .any(|value| value.to_str().is_ok_and(|text| text.contains("use_dpop_nonce"))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier as _;
    use serde_json::Value;

    use super::*;

    #[test]
    fn rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(
            thumbprint_of(&[("e", "AQAB"), ("kty", "RSA"), ("n", n)]),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_proof_is_verified_with_the_key_in_its_header() {
        let key = DpopKey::generate();
        let url = Url::parse("https://portal.example/api/charges?account=42").unwrap();
        let proof = key.proof(&Method::GET, &url, Timestamp(1_800_000_000_999), Some("token"), Some("n-1"));
        let parts: Vec<&str> = proof.split('.').collect();
        let decoded: Vec<Vec<u8>> = parts.iter().map(|part| B64.decode(part).unwrap()).collect();
        let header: Value = serde_json::from_slice(&decoded[0]).unwrap();
        assert_eq!(header["typ"], "dpop+jwt");
        assert_eq!(header["jwk"].as_object().unwrap().len(), 4, "the public members only");
        let mut point = vec![4u8];
        point.extend(B64.decode(header["jwk"]["x"].as_str().unwrap()).unwrap());
        point.extend(B64.decode(header["jwk"]["y"].as_str().unwrap()).unwrap());
        let public = VerifyingKey::from_sec1_bytes(&point).unwrap();
        let signature = Signature::from_slice(&decoded[2]).unwrap();
        public.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature).unwrap();
        let claims: Value = serde_json::from_slice(&decoded[1]).unwrap();
        assert_eq!(claims["htm"], "GET");
        assert_eq!(claims["htu"], "https://portal.example/api/charges");
        assert_eq!(claims["iat"], 1_800_000_000);
        assert_eq!(claims["nonce"], "n-1");
        assert_eq!(claims["ath"], B64.encode(Sha256::digest("token")));
        assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
    }

    #[test]
    fn the_key_survives_storage_and_hides_in_debug() {
        let key = DpopKey::generate();
        let text = key.to_text();
        let back = DpopKey::from_text(&text).unwrap();
        assert_eq!(thumbprint(back.0.verifying_key()), thumbprint(key.0.verifying_key()));
        assert!(!format!("{key:?}").contains(&text));
        assert!(DpopKey::from_text("AAAA").is_none());
    }
}
