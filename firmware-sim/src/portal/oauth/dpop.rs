//! Proofs of possession, RFC 9449 4.3, checked in its order. Only ES256, which is what the metadata offers.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use crate::portal::{
    Portal,
    jose::{EcKey, b64, sha256, unb64},
    problem::Problem,
};

static DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// More proofs than a home sends in their minute; beyond it the oldest are forgotten rather than memory filled.
const PROOFS_REMEMBERED: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Proof {
    /// RFC 7638 thumbprint of the key that signed it.
    pub(crate) jkt: String,
}

#[derive(Debug)]
pub(crate) enum Refusal {
    Invalid(&'static str),
    /// Come again with this nonce.
    UseNonce(String),
}

impl Refusal {
    pub(crate) fn at_resource(self) -> Problem {
        match self {
            Self::Invalid(why) => Problem::unauthorized("invalid_dpop_proof", why),
            Self::UseNonce(nonce) => {
                Problem::unauthorized("use_dpop_nonce", "the proof needs our nonce").with(DPOP_NONCE.clone(), nonce)
            }
        }
    }

    pub(crate) fn at_token_endpoint(self) -> Response {
        match self {
            Self::Invalid(why) => super::refuse("invalid_dpop_proof", why),
            Self::UseNonce(nonce) => nonce_challenge(true, &nonce),
        }
    }
}

/// RFC 9449 8 (authorization server, 400) and 9 (resource server, 401).
pub(crate) fn nonce_challenge(oauth: bool, nonce: &str) -> Response {
    if !oauth {
        return Refusal::UseNonce(nonce.to_owned()).at_resource().into_response();
    }
    let mut response = super::refuse("use_dpop_nonce", "the proof needs our nonce");
    if let Ok(value) = HeaderValue::from_str(nonce) {
        response.headers_mut().insert(DPOP_NONCE.clone(), value);
    }
    response
}

#[derive(Deserialize)]
struct ProofHeader {
    typ: String,
    alg: String,
    jwk: serde_json::Value,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// `Ok(None)` when the request carries no proof at all.
pub(crate) fn check(
    portal: &Portal,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    access_token: Option<&str>,
) -> Result<Option<Proof>, Refusal> {
    let mut given = headers.get_all("dpop").iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Refusal::Invalid("more than one DPoP header"));
    }
    let jwt = value.to_str().map_err(|_| Refusal::Invalid("the proof is not ASCII"))?;
    let (signed, signature) = jwt.rsplit_once('.').ok_or(Refusal::Invalid("the proof is no JWT"))?;
    let (head, claims) = signed.split_once('.').ok_or(Refusal::Invalid("the proof is no JWT"))?;
    let head: ProofHeader = part(head).ok_or(Refusal::Invalid("the proof's header does not parse"))?;
    let claims: Claims = part(claims).ok_or(Refusal::Invalid("the proof's claims do not parse"))?;
    if head.typ != "dpop+jwt" || head.alg != "ES256" {
        return Err(Refusal::Invalid("typ must be dpop+jwt and alg ES256"));
    }
    if head.jwk.get("d").is_some() {
        return Err(Refusal::Invalid("the proof gives away the private key"));
    }
    let key: EcKey = serde_json::from_value(head.jwk).map_err(|_| Refusal::Invalid("jwk is not an EC key"))?;
    if !key.verifies(signed.as_bytes(), signature) {
        return Err(Refusal::Invalid("the proof's signature does not verify"));
    }
    if claims.htm != method.as_str() {
        return Err(Refusal::Invalid("htm is another method"));
    }
    if claims.htu != format!("{}{path}", portal.base_url) {
        return Err(Refusal::Invalid("htu is another address"));
    }
    let (now, window_ms) = (portal.now_ms(), portal.settings.lifetimes.dpop_proof_s * 1000);
    if (claims.iat.saturating_mul(1000)).abs_diff(now) > window_ms.unsigned_abs() + 1000 {
        return Err(Refusal::Invalid("iat is too far from our clock"));
    }
    if let Some(token) = access_token
        && claims.ath.as_deref() != Some(b64(sha256(token)).as_str())
    {
        return Err(Refusal::Invalid("ath is not the hash of the token"));
    }
    if claims.jti.is_empty() || claims.jti.len() > 256 {
        return Err(Refusal::Invalid("jti is empty or too long"));
    }
    let jkt = key.thumbprint();
    portal.update(|state| {
        if !state.nonces.accept(claims.nonce.as_deref(), portal.settings.require_nonce) {
            return Err(Refusal::UseNonce(state.nonces.issue(false)));
        }
        state.proofs.retain(|_, until_ms| *until_ms > now);
        if state.proofs.len() > PROOFS_REMEMBERED {
            state.proofs.clear();
        }
        let until_ms = claims.iat.saturating_mul(1000) + window_ms + 2000;
        match state.proofs.insert(format!("{jkt} {}", claims.jti), until_ms) {
            Some(_) => Err(Refusal::Invalid("this proof was used before")),
            None => Ok(Some(Proof { jkt })),
        }
    })
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&unb64(text)?).ok()
}

/// The key with which the token endpoint binds what it gives; an error is the whole answer.
pub(crate) fn binding(portal: &Arc<Portal>, headers: &HeaderMap) -> Result<Option<String>, Box<Response>> {
    match check(portal, headers, &Method::POST, "/oauth/token", None) {
        Ok(Some(proof)) => Ok(Some(proof.jkt)),
        Ok(None) if portal.settings.require_dpop => {
            Err(Box::new(super::refuse("invalid_dpop_proof", "this server wants a DPoP proof")))
        }
        Ok(None) => Ok(None),
        Err(refusal) => Err(Box::new(refusal.at_token_endpoint())),
    }
}
