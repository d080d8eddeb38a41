//! What the authorization server remembers: device codes, authorization codes, grants. Every secret is kept as its
//! SHA-256 only, so that the files of a sandbox are no tokens either. Rules of time get `now_ms` from the caller.

use serde::{Deserialize, Serialize};

use crate::portal::{
    jose::{random, random_token, sha256_hex},
    settings::Lifetimes,
    state::Revoked,
};

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct OauthState {
    pub(crate) devices: Vec<DeviceCode>,
    pub(crate) codes: Vec<AuthorizationCode>,
    pub(crate) grants: Vec<Grant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Pending,
    Approved,
    Denied,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeviceCode {
    pub(crate) code_sha256: String,
    /// Letters only, upper case; shown as XXXX-XXXX.
    pub(crate) user_code: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_ms: i64,
    pub(crate) interval_s: u64,
    pub(crate) decision: Decision,
    pub(crate) polls: u32,
    /// Set once it was redeemed.
    pub(crate) grant_id: Option<String>,
    /// Pace is measured by the monotonic clock: a test's wall clock stands still.
    #[serde(skip)]
    pub(crate) last_poll: Option<std::time::Instant>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AuthorizationCode {
    /// Before consent this is the hash of the page's request id, after it the hash of the code.
    pub(crate) code_sha256: String,
    pub(crate) consented: bool,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) challenge: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) jkt: Option<String>,
    /// For the id_token.
    #[serde(default)]
    pub(crate) nonce: Option<String>,
    pub(crate) expires_ms: i64,
    pub(crate) grant_id: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) jkt: Option<String>,
    pub(crate) revoked: Option<Revoked>,
    pub(crate) refresh_sha256: Option<String>,
    pub(crate) refresh_expires_ms: i64,
    /// Rotated away. One of them seen again kills the grant.
    pub(crate) used_refresh: Vec<String>,
    /// Hash and end of each access token.
    pub(crate) access: Vec<(String, i64)>,
}

/// The tokens themselves; they exist only on their way into an answer.
pub(crate) struct Issued {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) bound: bool,
    /// With the scope `openid`: who is told about the citizen, and with which nonce.
    pub(crate) identity: Option<(String, Option<String>)>,
}

impl Grant {
    pub(crate) fn new(client_id: &str, scopes: &[String], jkt: Option<String>) -> Self {
        Self {
            id: random_token(),
            client_id: client_id.to_owned(),
            scopes: scopes.to_vec(),
            jkt,
            revoked: None,
            refresh_sha256: None,
            refresh_expires_ms: 0,
            used_refresh: Vec::new(),
            access: Vec::new(),
        }
    }

    /// A new access token, and a new refresh token in place of the old one.
    pub(crate) fn issue(&mut self, now_ms: i64, lifetimes: &Lifetimes) -> Issued {
        let access = random_token();
        self.access.retain(|(_, expires_ms)| expires_ms.saturating_add(86_400_000) > now_ms);
        self.access.push((sha256_hex(&access), now_ms + lifetimes.access_token_s * 1000));
        let refresh = self.scopes.iter().any(|scope| scope == "offline_access").then(random_token);
        if let Some(refresh) = &refresh {
            self.used_refresh.extend(self.refresh_sha256.replace(sha256_hex(refresh)));
            self.refresh_expires_ms = now_ms + lifetimes.refresh_token_s * 1000;
        }
        Issued { access, refresh, scopes: self.scopes.clone(), bound: self.jkt.is_some(), identity: None }
    }
}

impl OauthState {
    pub(crate) fn grant_of_access(&self, token_sha256: &str) -> Option<(&Grant, i64)> {
        self.grants.iter().find_map(|grant| {
            grant.access.iter().find(|(hash, _)| hash == token_sha256).map(|(_, expires_ms)| (grant, *expires_ms))
        })
    }

    pub(crate) fn expire_access_tokens(&mut self) {
        for (_, expires_ms) in self.grants.iter_mut().flat_map(|grant| &mut grant.access) {
            *expires_ms = 0;
        }
    }

    pub(crate) fn revoke_all(&mut self, why: Revoked) {
        for grant in &mut self.grants {
            grant.revoked.get_or_insert(why);
        }
    }

    pub(crate) fn revoke(&mut self, grant_id: Option<&str>, why: Revoked) {
        for grant in self.grants.iter_mut().filter(|grant| Some(grant.id.as_str()) == grant_id) {
            grant.revoked.get_or_insert(why);
        }
    }

    pub(crate) fn live_grants(&self) -> usize {
        self.grants.iter().filter(|grant| grant.revoked.is_none()).count()
    }

    pub(crate) fn waiting_user_codes(&self) -> Vec<String> {
        self.devices
            .iter()
            .filter(|device| device.decision == Decision::Pending)
            .map(|device| shown_user_code(&device.user_code))
            .collect()
    }

    /// The newest device code with this user code, spelt as people spell.
    pub(crate) fn device_by_user_code(&mut self, typed: &str) -> Option<&mut DeviceCode> {
        let plain = plain_user_code(typed);
        self.devices.iter_mut().rev().find(|device| device.user_code == plain)
    }
}

/// Base 20 without vowels (RFC 8628 6.1): no words come out, and no letter is taken for a digit.
pub(crate) fn new_user_code() -> String {
    const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
    let pick = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().map_or('B', char::from);
    random(8).into_iter().map(pick).collect()
}

pub(crate) fn shown_user_code(plain: &str) -> String {
    let (head, tail) = plain.split_at_checked(4).unwrap_or((plain, ""));
    format!("{head}-{tail}")
}

pub(crate) fn plain_user_code(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).take(16).map(|c| c.to_ascii_uppercase()).collect()
}
