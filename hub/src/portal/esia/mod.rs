//! The profile `esia`: the v2 authorisation request and the v3 token requests of ЕСИА, signed by an organisation's key.
//!
//! A citizen's own device cannot get a client id there; this is for an operator's gateway that holds one. It speaks
//! through the room's HTTP client and keeps nothing: the gateway keeps the tokens. Facts: portal.md 1.

mod fault;
mod sign;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use domovoi_model::Timestamp;
use jiff::tz::Offset;
use oauth2::{AccessToken, PkceCodeChallenge, PkceCodeVerifier, RefreshToken};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use super::address::{self, AddressError};
use super::http::{Http, HttpSetupError, Outgoing, SendError};
use super::settings::PortalSettings;
use crate::clock::Clock;
use crate::outside::tame;
use sign::Signed;

pub use self::fault::{EsiaFault, fault};
pub use self::sign::{SIGNATURE_LEN, Signer, SignerError};

const AUTHORIZE: &str = "/aas/oauth2/v2/ac";
const TOKEN: &str = "/aas/oauth2/v3/te";

/// One long consent («согласие»), base64url-coded into `permissions`. The members are in ЕСИА's order.
#[derive(Debug, Clone, Serialize)]
pub struct Permission {
    /// For whom.
    #[serde(rename = "responsibleObject")]
    pub responsible_object: String,
    /// Of which system.
    pub sysname: String,
    /// Minutes; 525 600 is the most.
    pub expire: u32,
    /// What may be done.
    pub actions: Vec<Sysname>,
    /// What for.
    pub purposes: Vec<Sysname>,
    /// With which scopes.
    pub scopes: Vec<Sysname>,
}

/// `{"sysname": "…"}`
#[derive(Debug, Clone, Serialize)]
pub struct Sysname {
    /// The name.
    pub sysname: String,
}

/// Whether a code challenge goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EsiaPkce {
    /// The default: v2 knows it by its errors 007039 and 007040.
    S256,
    /// For a mnemonic that is refused with it.
    LeftOut,
}

/// What an operator's gateway has to be told.
#[derive(Debug, Clone)]
pub struct EsiaSettings {
    /// `https://esia.gosuslugi.ru` or the test host.
    pub host: Url,
    /// `iss` of the tokens, letter for letter: `http://esia.gosuslugi.ru/`, plain http and a slash, whatever the host.
    pub token_issuer: String,
    /// The system's mnemonic.
    pub client_id: String,
    /// Without `oid`.
    pub scopes: Vec<String>,
    /// The registered one.
    pub redirect_uri: Url,
    /// A refresh token is wanted (`access_type=offline`).
    pub offline: bool,
    /// Long consents, if any.
    pub permissions: Vec<Permission>,
    /// Whether a code challenge goes along.
    pub pkce: EsiaPkce,
    /// The offset in which times are written; ЕСИА compares instants.
    pub utc_offset: Offset,
}

/// An authorisation that was begun: what has to be kept until the redirect comes.
pub struct EsiaAttempt {
    /// To be opened in the citizen's browser.
    pub url: Url,
    state: String,
    verifier: Option<PkceCodeVerifier>,
}

impl std::fmt::Debug for EsiaAttempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EsiaAttempt(***)")
    }
}

/// Tokens of ЕСИА; secret ones print as stars.
#[derive(Debug, Clone)]
pub struct EsiaTokens {
    /// For the calls.
    pub access_token: AccessToken,
    /// For the next access token.
    pub refresh_token: Option<RefreshToken>,
    /// Seconds.
    pub expires_in: Option<u64>,
    /// The citizen's id.
    pub oid: Option<u64>,
    /// Scopes that were granted, without `?oid=…`.
    pub granted: Vec<String>,
}

/// Why ЕСИА gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EsiaError {
    /// ЕСИА said why.
    #[error(transparent)]
    Fault(#[from] EsiaFault),
    /// The key could not be used.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// No trusted time, without which ЕСИА refuses (007015).
    #[error("the clock is not trusted yet; ЕСИА refuses requests of another time")]
    ClockUntrusted,
    /// Certainly not delivered.
    #[error("ЕСИА cannot be reached: {0}")]
    NotSent(String),
    /// The answer was lost, or is not what it must be.
    #[error("{0}")]
    Answer(String),
}

/// ЕСИА, as seen by a registered system.
pub struct Esia<S> {
    settings: EsiaSettings,
    signer: S,
    http: Http,
    clock: Clock,
}

#[derive(Deserialize)]
struct TokenDto {
    access_token: String,
    refresh_token: Option<String>,
    state: Option<String>,
    token_type: Option<String>,
    /// A number, or a string with a number.
    expires_in: Option<Value>,
}

#[derive(Deserialize)]
struct ErrorDto {
    error: String,
    #[serde(default)]
    error_description: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    scope: Option<String>,
    /// A number, or a string with a number.
    #[serde(rename = "urn:esia:sbj_id")]
    subject: Option<Value>,
}

impl<S: Signer> Esia<S> {
    /// `transport` is looked at for time limits, TLS and certificate authorities only.
    pub fn new(
        settings: EsiaSettings,
        signer: S,
        transport: &PortalSettings,
        clock: Clock,
    ) -> Result<Self, EsiaSetupError> {
        address::check(&settings.host)?;
        Ok(Esia { http: Http::new(transport)?, settings, signer, clock })
    }

    /// Begins an authorisation: the address to open.
    pub async fn begin(&self) -> Result<EsiaAttempt, EsiaError> {
        let state = Uuid::new_v4().to_string();
        let pkce = (self.settings.pkce == EsiaPkce::S256).then(PkceCodeChallenge::new_random_sha256);
        let url = self.authorization_url(&state, pkce.as_ref().map(|(challenge, _)| challenge)).await?;
        Ok(EsiaAttempt { url, state, verifier: pkce.map(|(_, verifier)| verifier) })
    }

    async fn authorization_url(&self, state: &str, challenge: Option<&PkceCodeChallenge>) -> Result<Url, EsiaError> {
        let settings = &self.settings;
        let (scope, timestamp) = (settings.scopes.join(" "), self.timestamp()?);
        let what = Signed::Redirect { redirect_uri: settings.redirect_uri.as_str() };
        let text = sign::string_to_sign(&settings.client_id, &scope, &timestamp, state, what);
        let secret = sign::client_secret(&self.signer, &text).await?;
        let mut url = self.endpoint(AUTHORIZE);
        let mut pairs = url.query_pairs_mut();
        pairs
            .append_pair("client_id", &settings.client_id)
            .append_pair("client_secret", &secret)
            .append_pair("client_certificate_hash", self.signer.certificate_hash())
            .append_pair("scope", &scope)
            .append_pair("timestamp", &timestamp)
            .append_pair("state", state)
            .append_pair("redirect_uri", settings.redirect_uri.as_str())
            .append_pair("response_type", "code")
            .append_pair("access_type", if settings.offline { "offline" } else { "online" });
        if !settings.permissions.is_empty() {
            pairs.append_pair("permissions", &permissions(&settings.permissions)?);
        }
        if let Some(challenge) = challenge {
            pairs
                .append_pair("code_challenge", challenge.as_str())
                .append_pair("code_challenge_method", challenge.method().as_str());
        }
        drop(pairs);
        Ok(url)
    }

    /// What the redirect brought: the code, if the state is ours.
    pub fn code(&self, attempt: &EsiaAttempt, query: &str) -> Result<String, EsiaError> {
        let get = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
        };
        if get("state").as_deref() != Some(attempt.state.as_str()) {
            return Err(EsiaError::Answer("the redirect is not of this attempt: its state is another one".to_owned()));
        }
        if let Some(error) = get("error") {
            return Err(fault(&tame(&error, 64), &tame(&get("error_description").unwrap_or_default(), 300)).into());
        }
        get("code").ok_or_else(|| EsiaError::Answer("the redirect carries neither a code nor an error".to_owned()))
    }

    /// Exchanges the code.
    pub async fn exchange(&self, attempt: EsiaAttempt, code: &str) -> Result<EsiaTokens, EsiaError> {
        let redirect_uri = self.settings.redirect_uri.as_str();
        let mut own = vec![("code", code), ("grant_type", "authorization_code"), ("redirect_uri", redirect_uri)];
        if let Some(verifier) = &attempt.verifier {
            own.push(("code_verifier", verifier.secret()));
        }
        let scope = self.settings.scopes.join(" ");
        self.token(&attempt.state, &scope, Signed::Code { redirect_uri, code }, &own).await
    }

    /// A new access token for a refresh token, which is used up by this.
    pub async fn refresh(&self, refresh_token: &RefreshToken) -> Result<EsiaTokens, EsiaError> {
        let token = refresh_token.secret().as_str();
        let own = [
            ("refresh_token", token),
            ("grant_type", "refresh_token"),
            ("redirect_uri", self.settings.redirect_uri.as_str()),
        ];
        let scope = self.settings.scopes.join(" ");
        self.token(&Uuid::new_v4().to_string(), &scope, Signed::Refresh { refresh_token: token }, &own).await
    }

    /// A new token under the citizen's standing consents.
    pub async fn by_consent(&self, oid: u64) -> Result<EsiaTokens, EsiaError> {
        let redirect_uri = self.settings.redirect_uri.as_str();
        let own = [("grant_type", "client_credentials"), ("redirect_uri", redirect_uri)];
        let scope = format!("prm_chg?oid={oid}");
        self.token(&Uuid::new_v4().to_string(), &scope, Signed::Redirect { redirect_uri }, &own).await
    }

    async fn token(
        &self,
        state: &str,
        scope: &str,
        what: Signed<'_>,
        own: &[(&str, &str)],
    ) -> Result<EsiaTokens, EsiaError> {
        let timestamp = self.timestamp()?;
        let text = sign::string_to_sign(&self.settings.client_id, scope, &timestamp, state, what);
        let secret = sign::client_secret(&self.signer, &text).await?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.settings.client_id)
            .extend_pairs(own)
            .append_pair("client_secret", &secret)
            .append_pair("client_certificate_hash", self.signer.certificate_hash())
            .append_pair("state", state)
            .append_pair("scope", scope)
            .append_pair("timestamp", &timestamp)
            .append_pair("token_type", "Bearer")
            .finish();
        let outgoing = Outgoing::new(Method::POST, self.endpoint(TOKEN))
            .accept("application/json")
            .body("application/x-www-form-urlencoded", form);
        let answer = self.http.send(&outgoing).await.map_err(|why| match why {
            SendError::NotSent(detail) => EsiaError::NotSent(detail),
            SendError::Unknown { detail, .. } => EsiaError::Answer(detail),
        })?;
        if !answer.status.is_success() {
            let dto: ErrorDto = answer.json().map_err(EsiaError::Answer)?;
            return Err(fault(&tame(&dto.error, 64), &tame(&dto.error_description, 300)).into());
        }
        let dto: TokenDto = answer.json().map_err(EsiaError::Answer)?;
        self.tokens(dto, state)
    }

    fn tokens(&self, dto: TokenDto, state: &str) -> Result<EsiaTokens, EsiaError> {
        let wrong = |words: String| Err(EsiaError::Answer(words));
        if dto.state.as_deref() != Some(state) {
            return wrong("the token response does not carry our state; it was thrown away".to_owned());
        }
        if dto.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return wrong("the token response is not of the type Bearer".to_owned());
        }
        // Signatures are not looked at: the token came from ЕСИА itself over TLS, and the gateway passes it on unread.
        let claims = dto.access_token.split('.').nth(1).and_then(|part| B64.decode(part.trim_end_matches('=')).ok());
        let claims: Option<Claims> = claims.and_then(|json| serde_json::from_slice(&json).ok());
        let Some(claims) = claims else { return wrong("the access token is not a JWT of ЕСИА".to_owned()) };
        if claims.iss != self.settings.token_issuer {
            let (iss, want) = (tame(&claims.iss, 100), &self.settings.token_issuer);
            return wrong(format!("the access token is of the issuer `{iss}`, expected `{want}` to the letter"));
        }
        let scope = claims.scope.unwrap_or_default();
        let granted =
            scope.split(' ').filter(|name| !name.is_empty()).map(|name| tame(scope_name(name), 128)).collect();
        Ok(EsiaTokens {
            access_token: AccessToken::new(dto.access_token),
            refresh_token: dto.refresh_token.map(RefreshToken::new),
            expires_in: dto.expires_in.as_ref().and_then(whole_number),
            oid: claims.subject.as_ref().and_then(whole_number),
            granted,
        })
    }

    fn endpoint(&self, path: &str) -> Url {
        let mut url = self.settings.host.clone();
        url.set_path(path);
        url.set_query(None);
        url
    }

    fn timestamp(&self) -> Result<String, EsiaError> {
        let now: Timestamp = self.clock.trusted().ok_or(EsiaError::ClockUntrusted)?;
        sign::timestamp(now, self.settings.utc_offset).ok_or(EsiaError::ClockUntrusted)
    }
}

/// The profile cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum EsiaSetupError {
    /// The host's address may not be used.
    #[error("ЕСИА: {0}")]
    Address(#[from] AddressError),
    /// The HTTP client cannot be made.
    #[error("ЕСИА: {0}")]
    Http(#[from] HttpSetupError),
}

/// base64url without padding of the JSON array.
fn permissions(permissions: &[Permission]) -> Result<String, EsiaError> {
    let json = serde_json::to_string(permissions)
        .map_err(|why| EsiaError::Answer(format!("the permissions cannot be written as JSON: {why}")))?;
    Ok(B64.encode(json))
}

/// `fullname?oid=1000299681` → `fullname`.
fn scope_name(granted: &str) -> &str {
    granted.split_once("?oid=").map_or(granted, |(name, _)| name)
}

fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}
