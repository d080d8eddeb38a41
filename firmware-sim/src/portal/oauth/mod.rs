//! The portal's authorization server: metadata (RFC 8414), device grant (RFC 8628), authorization code with PKCE
//! (RFC 7636), refresh with rotation, DPoP (RFC 9449), revocation (RFC 7009), and an id_token that says who the citizen is.
//! Public clients only: no client secrets, no introspection, no accounts of people (whoever opens a page is the citizen).

pub(crate) mod authorize;
pub(crate) mod device;
pub(crate) mod dpop;
pub(crate) mod grants;
pub(crate) mod identity;
pub(crate) mod pages;
pub(crate) mod token;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{Portal, settings::ALL_SCOPES};

const FORM_CAP_BYTES: usize = 16 * 1024;
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(crate) fn routes() -> Router<Arc<Portal>> {
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/oauth/device_authorization", post(device::device_authorization))
        .route("/oauth/device", get(device::page).post(device::decide))
        .route("/oauth/authorize", get(authorize::authorize).post(authorize::decide))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(token::revoke))
        .route("/oauth/jwks", get(identity::jwks))
}

async fn metadata(State(portal): State<Arc<Portal>>) -> Response {
    let at = |path: &str| format!("{}{path}", portal.base_url);
    let scopes: Vec<&str> =
        portal.settings.scopes.iter().map(String::as_str).chain(std::iter::once(identity::SCOPE)).collect();
    Json(serde_json::json!({
        "issuer": portal.base_url,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "device_authorization_endpoint": at("/oauth/device_authorization"),
        "revocation_endpoint": at("/oauth/revoke"),
        "jwks_uri": at("/oauth/jwks"),
        "scopes_supported": scopes,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", DEVICE_GRANT],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
    }))
    .into_response()
}

/// RFC 6749 5.2.
pub(crate) fn refuse(error: &str, description: impl AsRef<str>) -> Response {
    let body = serde_json::json!({ "error": error, "error_description": description.as_ref() });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// The storage failed: RFC 6749 has no such error for the token endpoint, so a plain 503.
pub(crate) fn unavailable(error: &std::io::Error) -> Response {
    let body = serde_json::json!({ "error": "temporarily_unavailable", "error_description": error.to_string() });
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], Json(body)).into_response()
}

/// A form, each parameter at most once (RFC 6749 3.2).
pub(crate) async fn form(body: Body) -> Result<HashMap<String, String>, Box<Response>> {
    let Ok(bytes) = axum::body::to_bytes(body, FORM_CAP_BYTES).await else {
        return Err(Box::new(refuse("invalid_request", "the form is too large or did not arrive whole")));
    };
    parameters(&bytes).map_err(|error| Box::new(refuse("invalid_request", error)))
}

pub(crate) fn parameters(encoded: &[u8]) -> Result<HashMap<String, String>, String> {
    let mut found = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(encoded) {
        if found.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    Ok(found)
}

/// What of the wish is granted: unknown scopes are an error, known ones that this portal does not offer fall away.
pub(crate) fn granted_scopes(portal: &Portal, wish: Option<&String>) -> Result<Vec<String>, &'static str> {
    let wish = wish.map(String::as_str).unwrap_or_default();
    let mut granted: Vec<String> = Vec::new();
    for scope in wish.split(' ').filter(|scope| !scope.is_empty()) {
        if scope == identity::SCOPE {
            granted.retain(|held| held != scope);
            granted.push(scope.to_owned());
            continue;
        }
        if !ALL_SCOPES.contains(&scope) {
            return Err("the request names a scope that nobody knows");
        }
        if portal.settings.scopes.iter().any(|offered| offered == scope) && !granted.iter().any(|held| held == scope) {
            granted.push(scope.to_owned());
        }
    }
    if granted.is_empty() { Err("the request names no scope that this portal offers") } else { Ok(granted) }
}
