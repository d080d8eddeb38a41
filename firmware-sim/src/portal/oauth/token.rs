//! The token and revocation endpoints. A refresh token serves once: seen again, it takes the whole grant with it
//! (RFC 9700 4.14.2), and so does a device or authorization code.

use std::{collections::HashMap, sync::Arc, time::Duration, time::Instant};

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    DEVICE_GRANT, dpop, form,
    grants::{Decision, Grant, Issued, OauthState},
    identity, refuse, unavailable,
};
use crate::portal::{
    Portal,
    jose::{b64, sha256, sha256_hex},
    misbehave::{Cut, Misbehaviour},
    settings::PortalSettings,
    state::Revoked,
};

type Answer = Result<Issued, (&'static str, &'static str)>;

/// A poll that comes this much early is the network's fault, not the client's.
const POLL_SLACK: Duration = Duration::from_millis(250);

pub(crate) async fn token(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(body).await {
        Ok(form) => form,
        Err(response) => return *response,
    };
    if !form.get("client_id").is_some_and(|id| portal.settings.client_ids.contains(id)) {
        return refuse("invalid_client", "nobody registered this client_id");
    }
    let kind = form.get("grant_type").map(String::as_str).unwrap_or_default();
    if kind == DEVICE_GRANT && portal.take_fault(|what| matches!(what, Misbehaviour::SlowDown)).is_some() {
        slow_down_for_good(&portal, &form);
        return refuse("slow_down", "on request");
    }
    let jkt = match dpop::binding(&portal, &parts.headers) {
        Ok(jkt) => jkt,
        Err(response) => return *response,
    };
    let call = Call { settings: &portal.settings, now: portal.now_ms(), form: &form, jkt };
    let (answer, lose) = match kind {
        DEVICE_GRANT => (portal.update_oauth(|oauth| call.device(oauth)), false),
        "authorization_code" => (portal.update_oauth(|oauth| call.code(oauth)), false),
        "refresh_token" => {
            let lose = portal.take_fault(|what| matches!(what, Misbehaviour::RefreshAnswerLost)).is_some();
            (portal.update_oauth(|oauth| call.refresh(oauth)), lose)
        }
        _ => return refuse("unsupported_grant_type", "only code, refresh token and device code"),
    };
    let mut response = match answer {
        Err(error) => unavailable(&error),
        Ok(Err((error, why))) => refuse(error, why),
        Ok(Ok(issued)) => {
            portal.tell(format!("gave tokens for: {}", issued.scopes.join(" ")));
            granted(&portal, &issued)
        }
    };
    if lose {
        response.extensions_mut().insert(Cut);
    }
    response
}

fn granted(portal: &Portal, issued: &Issued) -> Response {
    let mut body = serde_json::json!({
        "access_token": issued.access,
        "token_type": if issued.bound { "DPoP" } else { "Bearer" },
        "expires_in": portal.settings.lifetimes.access_token_s,
        "scope": issued.scopes.join(" "),
    });
    if let (Some(refresh), Some(map)) = (&issued.refresh, body.as_object_mut()) {
        map.insert("refresh_token".into(), refresh.as_str().into());
    }
    if let (Some((client_id, nonce)), Some(map)) = (&issued.identity, body.as_object_mut()) {
        map.insert("id_token".into(), portal.id_token(client_id, nonce.as_deref(), &issued.access).into());
    }
    Json(body).into_response()
}

/// RFC 8628 3.5: five seconds more, for this and all later polls.
fn slow_down_for_good(portal: &Portal, form: &HashMap<String, String>) {
    let code = sha256_hex(form.get("device_code").map(String::as_str).unwrap_or_default());
    portal.update(|state| {
        for device in state.oauth.devices.iter_mut().filter(|device| device.code_sha256 == code) {
            if device.interval_s > 0 {
                device.interval_s += 5;
            }
        }
    });
}

struct Call<'a> {
    settings: &'a PortalSettings,
    now: i64,
    form: &'a HashMap<String, String>,
    jkt: Option<String>,
}

impl Call<'_> {
    fn given(&self, name: &str) -> &str {
        self.form.get(name).map(String::as_str).unwrap_or_default()
    }

    fn device(&self, oauth: &mut OauthState) -> Answer {
        let code = sha256_hex(self.given("device_code"));
        let client = self.given("client_id");
        let device = oauth
            .devices
            .iter_mut()
            .find(|device| device.code_sha256 == code && device.client_id == client)
            .ok_or(("invalid_grant", "nobody gave this device code"))?;
        if let Some(grant_id) = device.grant_id.clone() {
            oauth.revoke(Some(&grant_id), Revoked::Reuse);
            return Err(("invalid_grant", "the device code was redeemed before; the grant is revoked"));
        }
        if device.expires_ms <= self.now {
            return Err(("expired_token", "the device code has expired"));
        }
        let early =
            device.last_poll.is_some_and(|last| last.elapsed() + POLL_SLACK < Duration::from_secs(device.interval_s));
        device.last_poll = Some(Instant::now());
        if early {
            device.interval_s += 5;
            return Err(("slow_down", "polled faster than the interval"));
        }
        device.polls += 1;
        if self.settings.auto_approve && device.polls >= 2 && device.decision == Decision::Pending {
            device.decision = Decision::Approved;
        }
        match device.decision {
            Decision::Pending => Err(("authorization_pending", "the citizen has not decided yet")),
            Decision::Denied => Err(("access_denied", "the citizen said no")),
            Decision::Approved => {
                let mut grant = Grant::new(client, &device.scopes, self.jkt.clone());
                device.grant_id = Some(grant.id.clone());
                let issued = grant.issue(self.now, &self.settings.lifetimes);
                oauth.grants.push(grant);
                Ok(issued)
            }
        }
    }

    fn code(&self, oauth: &mut OauthState) -> Answer {
        let (hash, client) = (sha256_hex(self.given("code")), self.given("client_id"));
        let entry = oauth
            .codes
            .iter_mut()
            .find(|entry| entry.consented && entry.code_sha256 == hash && entry.client_id == client)
            .ok_or(("invalid_grant", "nobody gave this code"))?;
        if let Some(grant_id) = entry.grant_id.clone() {
            oauth.revoke(Some(&grant_id), Revoked::Reuse);
            return Err(("invalid_grant", "the code was redeemed before; the grant is revoked"));
        }
        if entry.expires_ms <= self.now {
            return Err(("invalid_grant", "the code has expired"));
        }
        if entry.redirect_uri != self.given("redirect_uri") {
            return Err(("invalid_grant", "redirect_uri is not the one of the authorization request"));
        }
        let verifier = self.given("code_verifier");
        let spelt = verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        if !(43..=128).contains(&verifier.len()) || !spelt || b64(sha256(verifier)) != entry.challenge {
            return Err(("invalid_grant", "code_verifier does not fit the challenge"));
        }
        if entry.jkt.is_some() && entry.jkt != self.jkt {
            return Err(("invalid_grant", "the proof is by another key than dpop_jkt"));
        }
        let mut grant = Grant::new(client, &entry.scopes, self.jkt.clone());
        entry.grant_id = Some(grant.id.clone());
        let mut issued = grant.issue(self.now, &self.settings.lifetimes);
        if entry.scopes.iter().any(|scope| scope == identity::SCOPE) {
            issued.identity = Some((client.to_owned(), entry.nonce.clone()));
        }
        oauth.grants.push(grant);
        Ok(issued)
    }

    fn refresh(&self, oauth: &mut OauthState) -> Answer {
        let (hash, client) = (sha256_hex(self.given("refresh_token")), self.given("client_id"));
        let grant = oauth
            .grants
            .iter_mut()
            .find(|grant| {
                grant.client_id == client
                    && (grant.refresh_sha256.as_ref() == Some(&hash) || grant.used_refresh.contains(&hash))
            })
            .ok_or(("invalid_grant", "nobody gave this refresh token"))?;
        if grant.revoked.is_some() {
            return Err(("invalid_grant", "the grant is revoked"));
        }
        if grant.jkt.is_some() && grant.jkt != self.jkt {
            return Err(("invalid_grant", "the refresh token is bound to another key"));
        }
        if grant.used_refresh.contains(&hash) {
            grant.revoked = Some(Revoked::Reuse);
            return Err(("invalid_grant", "the refresh token was used before; the grant is revoked"));
        }
        if grant.refresh_expires_ms <= self.now {
            return Err(("invalid_grant", "the refresh token has expired"));
        }
        if self
            .form
            .get("scope")
            .is_some_and(|wish| wish.split(' ').any(|s| !grant.scopes.iter().any(|held| held == s)))
        {
            return Err(("invalid_scope", "more than was granted"));
        }
        Ok(grant.issue(self.now, &self.settings.lifetimes))
    }
}

/// RFC 7009: a refresh token takes its grant along, an access token only itself; an unknown one is no error.
pub(crate) async fn revoke(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    let form = match form(request.into_body()).await {
        Ok(form) => form,
        Err(response) => return *response,
    };
    if !form.get("client_id").is_some_and(|id| portal.settings.client_ids.contains(id)) {
        return refuse("invalid_client", "nobody registered this client_id");
    }
    let Some(token) = form.get("token") else { return refuse("invalid_request", "token is missing") };
    let hash = sha256_hex(token);
    let kept = portal.update_oauth(|oauth| {
        for grant in &mut oauth.grants {
            if grant.refresh_sha256.as_ref() == Some(&hash) || grant.used_refresh.contains(&hash) {
                grant.revoked.get_or_insert(Revoked::ByClient);
            }
            grant.access.retain(|(held, _)| *held != hash);
        }
    });
    match kept {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => unavailable(&error),
    }
}
