//! The authorization server of a cloud: codes for another screen, codes that are copied, tokens, their end. The `oauth2` crate
//! speaks the protocol over this room's own HTTP client; where a cloud leaves the standards, the request is rewritten here, on
//! its way out, by the policy that the cloud names.
//!
//! Deliberately knows nothing of where a link is kept. The crate's own error is not passed on: its Debug shows the body.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use domovoi_adapters::clouds::{Cloud, DeviceGrant, Revocation};
use domovoi_vault::Secret;
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl,
    DeviceCodeErrorResponse, DeviceCodeErrorResponseType, EndpointNotSet, EndpointSet, ErrorResponse, HttpRequest,
    HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse, TokenResponse as _, TokenUrl, http,
};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::http::{Http, SendError};
use crate::outside::tame;

const LIFE_MAX: Duration = Duration::from_secs(3600);
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(120);
/// After a lost connection the interval doubles up to here.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Why no tokens came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The settings or the cloud's constants do not fit together.
    #[error("{0}")]
    Setting(String),
    /// The server has seen nothing.
    #[error("{0}")]
    NotSent(String),
    /// It may have acted, and what it said is lost.
    #[error("{0}")]
    Lost(String),
    /// It is busy.
    #[error("the authorization server is busy (status {status})")]
    Later {
        /// Its status.
        status: u16,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// The grant is gone: expired, withdrawn, used twice.
    #[error("the cloud no longer honours the grant: {0}")]
    InvalidGrant(String),
    /// The owner said no.
    #[error("the owner refused")]
    Denied,
    /// The code was not used in time.
    #[error("the code has expired")]
    Expired,
    /// Any other error of the protocol: code and the server's words.
    #[error("the cloud refused: {words} ({code})")]
    Refused {
        /// Of RFC 6749 section 5.2.
        code: String,
        /// The server's own.
        words: String,
    },
}

/// What the owner is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCode {
    /// To be typed in there.
    pub user_code: String,
    /// Where.
    pub page: Url,
    /// The same with the code in it, where the cloud has such a page.
    pub page_with_code: Option<Url>,
    /// How long it counts.
    pub expires_in: Duration,
}

/// Tokens, as they were granted.
#[derive(Clone)]
pub(super) struct Granted {
    pub access: String,
    pub refresh: Option<String>,
    pub expires_in: Option<Duration>,
    /// `None`: what was asked for (RFC 6749 section 5.1).
    pub scopes: Option<Vec<String>>,
}

/// A page to agree on, and what its code is exchanged with. Kept in memory only: a restart begins anew.
pub(super) struct Asked {
    pub page: Url,
    pub verifier: PkceCodeVerifier,
}

/// Who asks, and whom.
pub(super) struct OAuth<'a> {
    pub http: &'a Http,
    pub cloud: &'static Cloud,
    pub issuer: Url,
    pub client_id: &'a str,
    pub secret: Option<Secret<String>>,
    /// What this hub is called there, the same after every restart.
    pub device_id: String,
}

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl OAuth<'_> {
    /// Asks for a code, shows it, and polls until somebody has typed it in. Dropping the future cancels it.
    pub async fn by_device(&self, show: impl FnOnce(ShownCode)) -> Result<Granted, TokenError> {
        let endpoint = self.cloud.link.device_authorization;
        let endpoint = endpoint.ok_or_else(|| TokenError::Setting("it offers no code for another screen".into()))?;
        let client = self.client()?.set_device_authorization_url(DeviceAuthorizationUrl::from_url(self.at(endpoint)?));
        let http = Sender { oauth: self };
        let mut request = client.exchange_device_code().add_scopes(self.scopes());
        if self.cloud.link.device_grant == DeviceGrant::Yandex {
            request = request.add_extra_param("device_id", &self.device_id).add_extra_param("device_name", "Domovoi");
        }
        let details: StandardDeviceAuthorizationResponse = request.request_async(&http).await.map_err(basic)?;
        show(shown(&details)?);
        let started = Instant::now();
        let request = client
            .exchange_device_access_token(&details)
            // The crate would read the machine's wall clock, whose steps would end the code early or never.
            .set_time_fn(move || (std::time::UNIX_EPOCH + started.elapsed()).into())
            .set_max_backoff_interval(BACKOFF_MAX);
        let life = details.expires_in().min(LIFE_MAX);
        let wait = |interval: Duration| tokio::time::sleep(interval.max(INTERVAL_MIN));
        match request.request_async(&http, wait, Some(life)).await {
            Ok(answer) => granted(&answer),
            Err(RequestTokenError::ServerResponse(error)) => Err(of_device(&error)),
            Err(why) => Err(other(why)),
        }
    }

    /// The page on which the owner agrees and is shown a code (PKCE, RFC 7636: whoever sees the code alone has nothing).
    pub fn ask(&self) -> Result<Asked, TokenError> {
        let endpoint = self.cloud.link.authorization;
        let endpoint = endpoint.ok_or_else(|| TokenError::Setting("it offers no page to agree on".into()))?;
        let client =
            self.client()?.set_auth_uri(AuthUrl::from_url(self.at(endpoint)?)).set_redirect_uri(self.redirect()?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            // Nothing comes back by a redirect, so the state is nobody's; the verifier ties the code to this asking.
            .authorize_url(|| CsrfToken::new_random_len(32))
            .add_scopes(self.scopes())
            .set_pkce_challenge(challenge);
        if self.cloud.link.device_grant == DeviceGrant::Yandex {
            let id = self.device_id.clone();
            request = request.add_extra_param("device_id", id).add_extra_param("device_name", "Domovoi");
        }
        let (page, _) = request.url();
        Ok(Asked { page, verifier })
    }

    /// Exchanges the code that the owner copied.
    pub async fn by_code(&self, code: String, verifier: PkceCodeVerifier) -> Result<Granted, TokenError> {
        let client = self.client()?.set_redirect_uri(self.redirect()?);
        let request = client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(verifier);
        granted(&request.request_async(&Sender { oauth: self }).await.map_err(basic)?)
    }

    /// New tokens for old.
    pub async fn refresh(&self, token: &str) -> Result<Granted, TokenError> {
        let token = RefreshToken::new(token.to_owned());
        let client = self.client()?;
        let request = client.exchange_refresh_token(&token);
        granted(&request.request_async(&Sender { oauth: self }).await.map_err(basic)?)
    }

    /// Takes tokens back. Written without the crate's revocation, which refuses plain http even to a literal loopback address,
    /// and knows one spelling only.
    pub async fn revoke(&self, access: Option<&str>, refresh: Option<&str>) -> Result<(), TokenError> {
        let endpoint = self.cloud.link.revocation;
        let endpoint =
            self.at(endpoint.ok_or_else(|| TokenError::Setting("it has no way to take a token back".into()))?)?;
        let tokens: Vec<Vec<(&str, &str)>> = match self.cloud.link.revoke {
            // The refresh token first: as long as it lives, it could bring a new access token into the world.
            Revocation::Rfc7009 => {
                let of = |hint, token: Option<_>| token.map(|token| vec![("token", token), ("token_type_hint", hint)]);
                [of("refresh_token", refresh), of("access_token", access)].into_iter().flatten().collect()
            }
            Revocation::Yandex => access.map(|token| vec![("access_token", token)]).into_iter().collect(),
        };
        for token in tokens {
            let form = self.signed(&token);
            let answer = self.http.send(Method::POST, &endpoint, form_headers(), form).await;
            let answer = answer.map_err(not_sent)?;
            if !answer.status.is_success() {
                let (code, words) = (answer.status.as_u16().to_string(), "it does not take the token back".to_owned());
                return Err(TokenError::Refused { code, words });
            }
        }
        Ok(())
    }

    /// A form with who asks.
    fn signed(&self, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs).append_pair("client_id", self.client_id);
        if let Some(secret) = &self.secret {
            form.append_pair("client_secret", secret.expose());
        }
        form.finish().into_bytes()
    }

    fn client(&self) -> Result<Client, TokenError> {
        let mut client = BasicClient::new(ClientId::new(self.client_id.to_owned()));
        if let Some(secret) = &self.secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        let token = TokenUrl::from_url(self.at(self.cloud.link.token)?);
        Ok(client.set_auth_type(oauth2::AuthType::RequestBody).set_token_uri(token))
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.cloud.link.scopes.iter().map(|scope| Scope::new((*scope).to_owned()))
    }

    fn redirect(&self) -> Result<RedirectUrl, TokenError> {
        RedirectUrl::new(self.cloud.link.redirect.to_owned()).map_err(|_| TokenError::Setting("its redirect".into()))
    }

    fn at(&self, path: &str) -> Result<Url, TokenError> {
        self.issuer.join(path).map_err(|_| TokenError::Setting(format!("{path} is no path")))
    }
}

fn form_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers
}

/// The crate's HTTP client: ours.
struct Sender<'a> {
    oauth: &'a OAuth<'a>,
}

impl<'c> AsyncHttpClient<'c> for Sender<'_> {
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, TokenError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Sender<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TokenError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|_| TokenError::Setting("the server's address cannot be read".to_owned()))?;
        let body = spelled(self.oauth.cloud.link.device_grant, body);
        let answer = match self.oauth.http.send(parts.method, &url, parts.headers, body).await {
            Ok(answer) => answer,
            Err(error) => return Err(not_sent(error)),
        };
        let status = answer.status;
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return Err(TokenError::Later { status: status.as_u16(), after: answer.retry_after });
        }
        if status.is_server_error() || status.is_redirection() {
            return Err(TokenError::Lost(format!("the authorization server failed (status {})", status.as_u16())));
        }
        let mut response = http::Response::new(answer.body.to_vec());
        *response.status_mut() = status;
        if let Some(kind) = answer.kind {
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        Ok(response)
    }
}

/// A form as this cloud spells it.
fn spelled(grant: DeviceGrant, body: Vec<u8>) -> Vec<u8> {
    const RFC: &str = "urn:ietf:params:oauth:grant-type:device_code";
    match grant {
        DeviceGrant::Rfc8628 => body,
        DeviceGrant::Yandex => {
            let pairs: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
            if !pairs.iter().any(|(name, value)| name == "grant_type" && value == RFC) {
                return body;
            }
            let spell = |(name, value): &(String, String)| match name.as_str() {
                "grant_type" => ("grant_type".to_owned(), "device_code".to_owned()),
                "device_code" => ("code".to_owned(), value.clone()),
                _ => (name.clone(), value.clone()),
            };
            let pairs = pairs.iter().map(spell);
            form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
        }
    }
}

fn not_sent(error: SendError) -> TokenError {
    match error {
        SendError::NotSent(why) => TokenError::NotSent(why),
        SendError::Lost(why) => TokenError::Lost(why),
    }
}

/// The cloud's answer, checked: it is shown to a person, and its numbers rule our waiting.
fn shown(details: &StandardDeviceAuthorizationResponse) -> Result<ShownCode, TokenError> {
    let wrong = |what: &str| TokenError::Refused { code: "device_code".into(), words: what.to_owned() };
    let user_code = tame(details.user_code().secret(), 64);
    if user_code.trim().is_empty() {
        return Err(wrong("the code is empty"));
    }
    if details.interval() > INTERVAL_MAX {
        return Err(wrong("the polling interval is longer than two minutes"));
    }
    let page = details.verification_uri().url().clone();
    let complete = details.verification_uri_complete().and_then(|text| Url::parse(text.secret()).ok());
    // It is put on a page as a link.
    let is_web = |url: &Url| matches!(url.scheme(), "https" | "http") && url.host().is_some();
    if !is_web(&page) {
        return Err(wrong("the page for the code is no address"));
    }
    let expires_in = details.expires_in().min(LIFE_MAX);
    Ok(ShownCode { user_code, page, page_with_code: complete.filter(is_web), expires_in })
}

fn granted(answer: &BasicTokenResponse) -> Result<Granted, TokenError> {
    let kind = answer.token_type().as_ref();
    if !kind.eq_ignore_ascii_case("bearer") {
        let words = format!("a token of type `{}` came where `bearer` was agreed", tame(kind, 32));
        return Err(TokenError::Refused { code: "token_type".to_owned(), words });
    }
    Ok(Granted {
        access: answer.access_token().secret().clone(),
        refresh: answer.refresh_token().map(|token| token.secret().clone()),
        expires_in: answer.expires_in().filter(|life| !life.is_zero()),
        scopes: answer.scopes().map(|scopes| scopes.iter().map(|scope| tame(scope, 128)).collect()),
    })
}

fn basic(why: RequestTokenError<TokenError, oauth2::basic::BasicErrorResponse>) -> TokenError {
    match why {
        RequestTokenError::ServerResponse(error) => {
            let words = error.error_description().map_or("no reason given", String::as_str);
            refused(error.error().as_ref(), words)
        }
        why => other(why),
    }
}

fn of_device(error: &DeviceCodeErrorResponse) -> TokenError {
    match error.error() {
        DeviceCodeErrorResponseType::AccessDenied => TokenError::Denied,
        DeviceCodeErrorResponseType::ExpiredToken => TokenError::Expired,
        code => refused(code.as_ref(), error.error_description().map_or("no reason given", String::as_str)),
    }
}

fn refused(code: &str, words: &str) -> TokenError {
    let (code, words) = (tame(code, 64), tame(words, 300));
    if code == "invalid_grant" { TokenError::InvalidGrant(words) } else { TokenError::Refused { code, words } }
}

fn other<E: ErrorResponse + 'static>(why: RequestTokenError<TokenError, E>) -> TokenError {
    match why {
        RequestTokenError::Request(why) => why,
        _ => TokenError::Lost("the authorization server's answer does not follow RFC 6749".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_spelled_as_the_cloud_wants_it_and_no_other_is_touched() {
        let rfc = b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=a%26b&client_id=x";
        let spelled = |grant, body: &[u8]| String::from_utf8(spelled(grant, body.to_vec())).unwrap();
        assert_eq!(spelled(DeviceGrant::Yandex, rfc), "grant_type=device_code&code=a%26b&client_id=x");
        assert_eq!(spelled(DeviceGrant::Rfc8628, rfc).as_bytes(), rfc);
        let refresh = "grant_type=refresh_token&refresh_token=a&device_code=b";
        assert_eq!(spelled(DeviceGrant::Yandex, refresh.as_bytes()), refresh);
    }
}
