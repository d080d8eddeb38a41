//! `/acts` and `/hub-keys` of the contract: verify, keep, answer, in this order. An answer is sent only when the files
//! behind it are synced.

mod document;
pub(crate) mod held;
pub(crate) mod judge;
mod photos;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde::Deserialize;

use self::{
    document::Act,
    held::{Rejection, StoredAct},
};
use super::{
    Portal,
    guard::{authorise, body, json},
    jose::{EcKey, b64, sha256_hex, unb64},
    misbehave::{Misbehaviour, Taken},
    problem::Problem,
    state::RegisteredKey,
};

const ACT_CAP_BYTES: usize = 1024 * 1024;
const KEY_CAP_BYTES: usize = 4 * 1024;

pub(crate) fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/api/v1/hub-keys/{kid}", put(put_key).delete(delete_key))
        .route("/api/v1/acts/{act_id}", put(put_act).get(get_act))
        .route("/api/v1/acts/{act_id}/receipt", get(get_receipt))
        .route("/api/v1/acts/{act_id}/photos/{sha256}", put(photos::put_photo))
}

/// A JWK may have more members (`kid`), as the contract's schema allows.
#[derive(Deserialize)]
struct KeyRegistration {
    kty: String,
    crv: String,
    x: String,
    y: String,
    r#use: String,
    alg: String,
    /// The private part, which must never come here.
    d: Option<serde_json::Value>,
}

async fn put_key(
    State(portal): State<Arc<Portal>>,
    Path(kid): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    authorise(&portal, &parts, "acts.write")?;
    let given: KeyRegistration = json(&body(content, KEY_CAP_BYTES).await?)?;
    if given.d.is_some() {
        return Err(Problem::bad("this is the private key; keep it, and make a new one"));
    }
    if given.r#use != "sig" || given.alg != "ES256" {
        return Err(Problem::bad("use must be sig and alg ES256"));
    }
    let key = EcKey { kty: given.kty, crv: given.crv, x: given.x, y: given.y };
    if key.verifying_key().is_none() {
        return Err(Problem::bad("the key is no point of P-256"));
    }
    if key.thumbprint() != kid {
        return Err(Problem::bad("kid is not the thumbprint of the key"));
    }
    let new = portal.update(|state| {
        let mut keys = state.keys.clone();
        let before = keys.insert(kid, RegisteredKey { key, deleted: false });
        portal.keep("keys.json", &keys).map_err(|error| Problem::disk(&error))?;
        state.keys = keys;
        Ok(before.is_none_or(|before| before.deleted))
    })?;
    if new {
        portal.tell("registered the hub's signing key");
    }
    Ok(if new { StatusCode::CREATED } else { StatusCode::OK }.into_response())
}

async fn delete_key(
    State(portal): State<Arc<Portal>>,
    Path(kid): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    authorise(&portal, &request.into_parts().0, "acts.write")?;
    portal.update(|state| {
        let mut keys = state.keys.clone();
        if let Some(key) = keys.get_mut(&kid) {
            key.deleted = true;
        }
        portal.keep("keys.json", &keys).map_err(|error| Problem::disk(&error))?;
        state.keys = keys;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

async fn put_act(
    State(portal): State<Arc<Portal>>,
    Path(act_id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    // Read before any refusal: a peer that is still sending would see a reset instead of the answer.
    let bytes = body(content, ACT_CAP_BYTES).await?;
    authorise(&portal, &parts, "acts.write")?;
    let fault = parts.extensions.get::<Taken>().map(|taken| taken.0.clone());
    let wrong_hash = fault == Some(Misbehaviour::WrongHashInStatus);
    let sha256 = sha256_hex(&bytes);
    let outcome = portal.update(|state| -> Result<(StatusCode, StoredAct), Problem> {
        if let Some(held) = state.acts.iter().find(|held| held.act_id == act_id) {
            return if held.sha256 == sha256 {
                // No fault of the hub's by the contract; one that asks before it sends again does not do it.
                portal.tell(format!("was handed act {act_id} again"));
                Ok((StatusCode::OK, held.clone()))
            } else {
                Err(Problem::new(StatusCode::CONFLICT, "act-differs", "other bytes are held under this id"))
            };
        }
        let (jws, kid) =
            verify(&parts, &bytes, |kid| state.keys.get(kid).filter(|key| !key.deleted).map(|key| &key.key))?;
        let act = Act::parse(&bytes).map_err(Problem::bad)?;
        if act.act_id != act_id || act.key_id != kid {
            return Err(Problem::bad("act_id is not that of the path, or key_id not that of the signature"));
        }
        let account = judge::admit(state, &act, portal.now_ms())?;
        let mut readings = judge::verdicts(state, account, &act);
        if let Some(Misbehaviour::PartialAcceptance { reject, code }) = &fault {
            for reading in readings.iter_mut().take(*reject) {
                reading.rejected = Some(Rejection { code: code.clone(), detail: "on request".into() });
            }
        }
        let polls_left = match fault {
            Some(Misbehaviour::SlowReadBack { polls }) => polls,
            _ => portal.settings.verdict_after_polls,
        };
        let now = portal.spelt(portal.now_ms());
        let in_chain = judge::chain_holds(state, &act);
        let mut stored = StoredAct {
            ordinal: state.acts.last().map_or(1, |last| last.ordinal + 1),
            act_id: act.act_id,
            period: (act.period.year, act.period.month),
            supplier_id: act.account.supplier_id,
            account_number: act.account.account_number,
            supersedes: act.supersedes,
            key_id: act.key_id,
            sha256,
            body_base64: StoredAct::encoded(&bytes),
            jws,
            received_at: now.clone(),
            polls_left,
            readings,
            receipt: None,
        };
        stored.issue_receipt(now);
        if !in_chain {
            portal.tell(format!("noted a gap in the chain before act {}", stored.act_id));
        }
        keep(&portal, &stored)?;
        state.acts.push(stored.clone());
        Ok((StatusCode::CREATED, stored))
    });
    let (code, act) = outcome.inspect_err(|problem| portal.tell(format!("refused an act: {}", problem.code())))?;
    if code == StatusCode::CREATED {
        let (year, month) = act.period;
        portal.tell(format!("took act {} for {year}-{month:02}: {}", act.act_id, act.shown_status()));
    }
    Ok((code, Json(shown(&act, wrong_hash))).into_response())
}

fn keep(portal: &Portal, act: &StoredAct) -> Result<(), Problem> {
    portal.keep(&format!("acts/{:08}.json", act.ordinal), act).map_err(|error| Problem::disk(&error))
}

fn shown(act: &StoredAct, wrong_hash: bool) -> serde_json::Value {
    let mut status = act.status();
    if wrong_hash && let Some(map) = status.as_object_mut() {
        map.insert("sha256".into(), "0".repeat(64).into());
    }
    status
}

/// RFC 7515 appendix F over the bytes as received. Returns the header's text and its kid.
fn verify<'k>(
    parts: &Parts,
    bytes: &[u8],
    find: impl FnOnce(&str) -> Option<&'k EcKey>,
) -> Result<(String, String), Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct JwsHeader {
        alg: String,
        kid: String,
        typ: String,
    }
    let invalid = |why: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-signature", why);
    let jws = parts
        .headers
        .get("x-jws-signature")
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= 2048)
        .ok_or_else(|| invalid("x-jws-signature is missing, too long or not ASCII"))?;
    let (head, signature) = jws.split_once("..").ok_or_else(|| invalid("the JWS is not detached"))?;
    let parsed: JwsHeader = unb64(head)
        .and_then(|head| serde_json::from_slice(&head).ok())
        .ok_or_else(|| invalid("the JWS header must be alg, kid and typ"))?;
    if parsed.alg != "ES256" || parsed.typ.is_empty() {
        return Err(invalid("alg must be ES256 and typ must be there"));
    }
    let key = find(&parsed.kid).ok_or_else(|| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-key", "the signing key is not registered")
    })?;
    if !key.verifies(format!("{head}.{}", b64(bytes)).as_bytes(), signature) {
        return Err(invalid("the signature does not verify over the bytes received"));
    }
    Ok((jws.to_owned(), parsed.kid))
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "act-unknown", "no act with this id was ever received")
}

async fn get_act(
    State(portal): State<Arc<Portal>>,
    Path(act_id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let parts = request.into_parts().0;
    authorise(&portal, &parts, "acts.read")?;
    let wrong_hash = parts.extensions.get::<Taken>().is_some_and(|taken| taken.0 == Misbehaviour::WrongHashInStatus);
    let now = portal.spelt(portal.now_ms());
    portal.update(|state| {
        let at = state.acts.iter_mut().find(|act| act.act_id == act_id).ok_or_else(unknown)?;
        if at.polls_left > 0 {
            let before = shown(at, wrong_hash);
            let mut after = at.clone();
            after.polls_left -= 1;
            after.issue_receipt(now);
            keep(&portal, &after)?;
            *at = after;
            return Ok(Json(before).into_response());
        }
        Ok(Json(shown(at, wrong_hash)).into_response())
    })
}

async fn get_receipt(
    State(portal): State<Arc<Portal>>,
    Path(act_id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    authorise(&portal, &request.into_parts().0, "acts.read")?;
    let receipt = portal
        .read(|state| state.acts.iter().find(|act| act.act_id == act_id).map(|act| act.receipt.clone()))
        .ok_or_else(unknown)?;
    match receipt {
        Some(receipt) => {
            portal.tell(format!("handed out the receipt of act {act_id}"));
            Ok(([(header::CONTENT_TYPE, "application/json")], receipt).into_response())
        }
        None => Err(Problem::new(
            StatusCode::CONFLICT,
            "not-ready",
            "a verdict is still pending, or every reading was rejected",
        )),
    }
}
