//! The door of the resources: token, its binding (RFC 9449 7), its scope, the consent behind it. It knows nothing of
//! what lies behind the door.

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header, request::Parts},
};

use super::{Portal, jose::sha256_hex, oauth::dpop, problem::Problem, state::Revoked};

pub(crate) fn authorise(portal: &Portal, parts: &Parts, scope: &str) -> Result<(), Problem> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, token) = header.split_once(' ').unwrap_or_default();
    if token.is_empty() {
        return Err(Problem::unauthorized("invalid_request", "the request carries no access token"));
    }
    let hash = sha256_hex(token);
    let now = portal.now_ms();
    let (jkt, scopes, revoked, expired) = portal
        .read(|state| {
            state
                .oauth
                .grant_of_access(&hash)
                .map(|(grant, expires_ms)| (grant.jkt.clone(), grant.scopes.clone(), grant.revoked, expires_ms <= now))
        })
        .ok_or_else(|| Problem::unauthorized("invalid_token", "nobody gave this access token"))?;
    match revoked {
        Some(Revoked::ConsentWithdrawn) => {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "consent-withdrawn",
                "the citizen withdrew the consent; link again",
            ));
        }
        Some(_) => return Err(Problem::unauthorized("invalid_token", "the grant is revoked")),
        None if expired => return Err(Problem::unauthorized("invalid_token", "the access token has expired")),
        None => {}
    }
    if let Some(bound) = jkt {
        if !scheme.eq_ignore_ascii_case("DPoP") {
            return Err(Problem::unauthorized("invalid_token", "the token is bound to a key; say DPoP, not Bearer"));
        }
        let proof = dpop::check(portal, &parts.headers, &parts.method, parts.uri.path(), Some(token))
            .map_err(dpop::Refusal::at_resource)?;
        if proof.is_none_or(|proof| proof.jkt != bound) {
            return Err(Problem::unauthorized("invalid_dpop_proof", "no proof, or one by another key"));
        }
    } else if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Problem::unauthorized("invalid_token", "the token is not bound to a key; say Bearer"));
    }
    if !scopes.iter().any(|held| held == scope) {
        let challenge = format!("DPoP error=\"insufficient_scope\", scope=\"{scope}\"");
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden-scope", format!("the token lacks {scope}"))
            .with(header::WWW_AUTHENTICATE, challenge));
    }
    Ok(())
}

/// The body, whole, or `too-large`.
pub(crate) async fn body(body: Body, cap_bytes: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, cap_bytes).await.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body is over {cap_bytes} bytes or did not arrive whole"),
        )
    })
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::bad(format!("the JSON does not fit the contract: {error}")))
}
