//! The authorization endpoint (RFC 6749 4.1, RFC 7636, RFC 9207): PKCE S256 only, loopback redirects only. A wrong client
//! or redirect gets a page and no redirect, as RFC 6749 4.1.2.1 asks.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{RawQuery, Request, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{form, granted_scopes, grants::AuthorizationCode, pages, parameters, unavailable};
use crate::portal::{
    Portal,
    jose::{random_token, sha256_hex},
};

/// Time to read the consent page.
const PAGE_LIFETIME_S: i64 = 600;
const CODES_KEPT: usize = 200;

pub(crate) async fn authorize(State(portal): State<Arc<Portal>>, RawQuery(query): RawQuery) -> Response {
    let wrong = |why: &str| pages::page(StatusCode::BAD_REQUEST, "Неверная ссылка", &format!("<p>{why}</p>"));
    let Ok(query) = parameters(query.unwrap_or_default().as_bytes()) else {
        return wrong("a parameter is given twice");
    };
    let Some(client_id) = query.get("client_id").filter(|id| portal.settings.client_ids.contains(id)) else {
        return wrong("client_id is unknown");
    };
    let Some(redirect) = query.get("redirect_uri").filter(|uri| is_registered(&portal, uri)) else {
        return wrong("redirect_uri is not registered (a literal loopback address, any port)");
    };
    match check(&portal, &query) {
        Err((error, why)) => {
            back(&portal, redirect, &query.get("state").cloned(), &[("error", error), ("error_description", why)])
        }
        Ok((scopes, challenge)) => {
            let request_id = random_token();
            let pending = AuthorizationCode {
                code_sha256: sha256_hex(&request_id),
                consented: false,
                client_id: client_id.clone(),
                redirect_uri: redirect.clone(),
                state: query.get("state").cloned(),
                challenge,
                scopes: scopes.clone(),
                jkt: query.get("dpop_jkt").cloned(),
                nonce: query.get("nonce").filter(|nonce| nonce.len() <= 256).cloned(),
                expires_ms: portal.now_ms() + PAGE_LIFETIME_S * 1000,
                grant_id: None,
            };
            let kept = portal.update_oauth(|oauth| {
                oauth.codes.push(pending);
                let excess = oauth.codes.len().saturating_sub(CODES_KEPT);
                oauth.codes.drain(..excess);
            });
            if let Err(error) = kept {
                return unavailable(&error);
            }
            if portal.settings.auto_approve {
                return conclude(&portal, &request_id, true);
            }
            pages::consent(client_id, &scopes, None, "/oauth/authorize", ("request_id", &request_id))
        }
    }
}

fn check(
    portal: &Portal,
    query: &HashMap<String, String>,
) -> Result<(Vec<String>, String), (&'static str, &'static str)> {
    if query.get("response_type").map(String::as_str) != Some("code") {
        return Err(("unsupported_response_type", "response_type must be code"));
    }
    let scopes = granted_scopes(portal, query.get("scope")).map_err(|why| ("invalid_scope", why))?;
    let challenge = query.get("code_challenge").filter(|challenge| challenge.len() == 43);
    let s256 = query.get("code_challenge_method").is_some_and(|method| method == "S256");
    match challenge {
        Some(challenge) if s256 => Ok((scopes, challenge.clone())),
        _ => Err(("invalid_request", "PKCE is mandatory: code_challenge, and code_challenge_method=S256")),
    }
}

/// RFC 8252 7.3 and RFC 9700 2.1: everything but the port is compared exactly, and only for literal loopback addresses.
/// `localhost` counts where it is registered as such: a page at home is opened under that name.
fn is_registered(portal: &Portal, given: &str) -> bool {
    let Ok(given) = Url::parse(given) else { return false };
    let loopback = match given.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    loopback
        && given.scheme() == "http"
        && given.fragment().is_none()
        && given.username().is_empty()
        && portal.settings.redirect_uris.iter().filter_map(|uri| Url::parse(uri).ok()).any(|registered| {
            registered.host() == given.host()
                && registered.path() == given.path()
                && registered.query() == given.query()
        })
}

pub(crate) async fn decide(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    match form(request.into_body()).await {
        Ok(form) => {
            let request_id = form.get("request_id").cloned().unwrap_or_default();
            conclude(&portal, &request_id, form.get("decision").is_some_and(|decision| decision == "allow"))
        }
        Err(response) => *response,
    }
}

/// The citizen's word: a code, or `access_denied`.
fn conclude(portal: &Portal, request_id: &str, allow: bool) -> Response {
    let (page, code, now) = (sha256_hex(request_id), random_token(), portal.now_ms());
    let concluded = portal.update_oauth(|oauth| {
        let at = oauth.codes.iter().position(|entry| {
            entry.code_sha256 == page && !entry.consented && entry.grant_id.is_none() && entry.expires_ms > now
        })?;
        if !allow {
            let entry = oauth.codes.remove(at);
            return Some((entry.redirect_uri, entry.state));
        }
        let entry = oauth.codes.get_mut(at)?;
        entry.code_sha256 = sha256_hex(&code);
        entry.consented = true;
        entry.expires_ms = now + portal.settings.lifetimes.authorization_code_s * 1000;
        Some((entry.redirect_uri.clone(), entry.state.clone()))
    });
    match concluded {
        Err(error) => unavailable(&error),
        Ok(None) => pages::page(StatusCode::BAD_REQUEST, "Поздно", "<p>Эта страница уже не действует.</p>"),
        Ok(Some((redirect, state))) if allow => {
            portal.tell("the citizen allowed the link in the browser");
            back(portal, &redirect, &state, &[("code", &code)])
        }
        Ok(Some((redirect, state))) => back(portal, &redirect, &state, &[("error", "access_denied")]),
    }
}

fn back(portal: &Portal, redirect: &str, state: &Option<String>, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(redirect) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(parameters);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &portal.base_url);
    }
    // 303: the consent was a POST, the redirect is a GET (RFC 9700 4.12).
    Redirect::to(url.as_str()).into_response()
}
