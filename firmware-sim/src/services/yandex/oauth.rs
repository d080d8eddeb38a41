//! Yandex OAuth: the device code with names of its own (`grant_type=device_code`, `code`), the copied code with PKCE, renewal
//! that changes the refresh token, revocation by `access_token`.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::served::{happen, json as answer};
use super::{CloudFault, Shared};

/// What was granted, and to whom.
#[derive(Default)]
pub(super) struct Grants {
    /// Device code → user code.
    devices: HashMap<String, (String, Option<bool>)>,
    /// Code → PKCE challenge.
    codes: HashMap<String, String>,
    /// Access token → the refresh token that came with it.
    pub access: HashMap<String, String>,
    /// Those that still renew.
    pub refresh: Vec<String>,
    pub life: Duration,
    count: u32,
}

impl Grants {
    fn name(&mut self, kind: &str) -> String {
        self.count += 1;
        let mut random = [0u8; 12];
        // Without randomness the names only have to differ, which the count sees to.
        let _ = getrandom::fill(&mut random);
        format!("{kind}-{}-{}", self.count, B64.encode(random))
    }

    pub fn approve(&mut self, user_code: &str, yes: bool) -> bool {
        let waiting = self.devices.values_mut().find(|(code, said)| code == user_code && said.is_none());
        waiting.map(|(_, said)| *said = Some(yes)).is_some()
    }

    pub fn agree_on(&mut self, page: &str, client_id: &str) -> Option<String> {
        let url = url::Url::parse(page).ok().filter(|url| url.path() == "/authorize")?;
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let is = |name: &str, value: &str| query.get(name).is_some_and(|given| given == value);
        let right = is("response_type", "code") && is("client_id", client_id) && is("code_challenge_method", "S256");
        let challenge = query.get("code_challenge").filter(|challenge| challenge.len() == 43)?;
        if !right || query.get("redirect_uri").is_none_or(|to| !to.ends_with("/verification_code")) {
            return None;
        }
        let code = self.name("code");
        self.codes.insert(code.clone(), challenge.clone());
        Some(code)
    }

    fn grant(&mut self) -> Value {
        let life = if self.life.is_zero() { 31_536_000 } else { self.life.as_secs() };
        let (access, refresh) = (self.name("y0_access"), self.name("refresh"));
        self.access.insert(access.clone(), refresh.clone());
        self.refresh.push(refresh.clone());
        json!({ "access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": life })
    }
}

fn form(body: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn wrong(error: &str, words: &str) -> (u16, Value) {
    (400, json!({ "error": error, "error_description": words }))
}

/// `POST /device/code`.
pub(super) async fn device_code(State(shared): State<Shared>, body: Bytes) -> Response {
    let form = form(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let (status, said) = if field("client_id") != shared.client_id {
        wrong("invalid_client", "Client not found")
    } else if !(6..=50).contains(&field("device_id").len()) {
        wrong("invalid_request", "device_id should be a string from 6 to 50 characters")
    } else if field("scope").split(' ').any(|scope| !matches!(scope, "iot:view" | "iot:control")) {
        wrong("invalid_scope", "unknown scope")
    } else {
        let mut grants = shared.grants();
        let device_code = grants.name("device");
        let user_code = format!("{:08}", 10_000_000 + grants.count);
        grants.devices.insert(device_code.clone(), (user_code.clone(), None));
        let said = json!({
            "device_code": device_code, "user_code": user_code, "verification_url": "https://oauth.yandex.ru/device",
            "interval": 1, "expires_in": 300,
        });
        (200, said)
    };
    shared.note("POST /device/code", status, json!({ "scope": field("scope") }));
    answer(status, said)
}

/// `POST /token`.
pub(super) async fn token(State(shared): State<Shared>, body: Bytes) -> Response {
    let form = form(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let what = format!("POST /token {}", field("grant_type"));
    let fault = shared.token_faults.next();
    let mut lost = false;
    match fault {
        Some(CloudFault::Http(fault)) => {
            if let Some(response) = happen(Some(fault)).await {
                shared.note(what, response.status().as_u16(), Value::Null);
                return response;
            }
        }
        Some(CloudFault::DoneAndLost) => lost = true,
        Some(CloudFault::Says(text)) => {
            shared.note(what, 200, Value::Null);
            return axum::response::IntoResponse::into_response(text);
        }
        Some(CloudFault::Refuse(error)) => {
            shared.note(what, 400, Value::Null);
            return answer(400, json!({ "error": error }));
        }
        None => {}
    }
    let (status, said) = granted(&shared, &form);
    shared.note(what, if lost { 0 } else { status }, Value::Null);
    if lost {
        return happen(Some(super::Fault::Cut)).await.unwrap_or_else(|| answer(500, Value::Null));
    }
    answer(status, said)
}

fn granted(shared: &Shared, form: &HashMap<String, String>) -> (u16, Value) {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != shared.client_id || field("client_secret") != shared.secret {
        return wrong("invalid_client", "Wrong client secret");
    }
    let mut grants = shared.grants();
    match field("grant_type") {
        "device_code" => match grants.devices.get(field("code")).map(|(_, said)| *said) {
            None => wrong("invalid_grant", "Code has expired"),
            Some(None) => wrong("authorization_pending", "User has not yet authorized your application"),
            Some(Some(false)) => wrong("access_denied", "User has denied"),
            Some(Some(true)) => {
                grants.devices.remove(field("code"));
                (200, grants.grant())
            }
        },
        "authorization_code" => {
            let challenge = B64.encode(Sha256::digest(field("code_verifier")));
            match grants.codes.remove(field("code")) {
                Some(wanted) if wanted == challenge => (200, grants.grant()),
                _ => wrong("invalid_grant", "Code is wrong or was used"),
            }
        }
        "refresh_token" => {
            let before = grants.refresh.len();
            grants.refresh.retain(|token| token != field("refresh_token"));
            if grants.refresh.len() == before {
                return wrong("invalid_grant", "expired_token");
            }
            grants.access.retain(|_, refresh| refresh != field("refresh_token"));
            (200, grants.grant())
        }
        _ => wrong("unsupported_grant_type", "Unsupported grant type"),
    }
}

/// `POST /revoke_token`.
pub(super) async fn revoke(State(shared): State<Shared>, body: Bytes) -> Response {
    let form = form(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let (status, said) = if field("client_id") != shared.client_id || field("client_secret") != shared.secret {
        wrong("invalid_client", "Wrong client secret")
    } else {
        let mut grants = shared.grants();
        if let Some(refresh) = grants.access.remove(field("access_token")) {
            grants.refresh.retain(|token| *token != refresh);
        }
        (200, json!({ "status": "ok" }))
    };
    shared.note("POST /revoke_token", status, Value::Null);
    answer(status, said)
}
