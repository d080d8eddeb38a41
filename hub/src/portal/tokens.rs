//! The token endpoint: the `oauth2` crate speaks the protocol over this room's own HTTP client, with DPoP underneath.
//!
//! Deliberately knows nothing of links and of storage: it turns a grant into tokens or into an error on which a caller
//! can act. The crate's own error is not passed on, because its Debug shows the answer's body.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AccessToken, AsyncHttpClient, Client, DeviceCodeErrorResponse, EndpointNotSet, EndpointSet, ErrorResponse,
    ExtraTokenFields, HttpRequest, HttpResponse, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl, http,
};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use url::Url;

use super::dpop::{self, DpopKey, Nonces};
use super::http::{ANSWER_CAP, Http, Outgoing, SendError};
use crate::clock::Clock;
use crate::outside::tame;

/// Beside the standard members of a token response.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Extra {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl ExtraTokenFields for Extra {}

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Extra(***)")
    }
}

pub(crate) type TokenAnswer = StandardTokenResponse<Extra, BasicTokenType>;

/// The crate's client with the token endpoint set.
pub(crate) type OauthClient = Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

pub(crate) fn oauth_client(client_id: &str, token_endpoint: &Url) -> OauthClient {
    Client::new(oauth2::ClientId::new(client_id.to_owned()))
        .set_auth_type(oauth2::AuthType::RequestBody)
        .set_token_uri(TokenUrl::from_url(token_endpoint.clone()))
}

pub(crate) fn scopes(names: &[String]) -> impl Iterator<Item = Scope> + '_ {
    names.iter().cloned().map(Scope::new)
}

/// Tokens, as they were granted.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub access_token: AccessToken,
    pub refresh_token: Option<RefreshToken>,
    pub expires_in: Option<Duration>,
    /// `None`: what was asked for (RFC 6749 section 5.1).
    pub scopes: Option<Vec<String>>,
    /// `sub` of the id token, where one came.
    pub subject: Option<String>,
    /// The access token is bound to the key that was offered.
    pub bound: bool,
}

/// Why no tokens came.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TokenError {
    /// The token endpoint has seen nothing.
    #[error("{0}")]
    NotSent(String),
    /// It may have acted, and what it said is lost.
    #[error("{0}")]
    Lost(String),
    /// 429 or 503.
    #[error("{detail}")]
    Later { after: Option<Duration>, detail: String },
    /// The grant is gone: expired, withdrawn, used twice.
    #[error("the portal no longer honours the grant: {0}")]
    InvalidGrant(String),
    /// Any other error of the protocol: code and the portal's words.
    #[error("the portal refused: {words} ({code})")]
    Refused { code: String, words: String },
}

/// The crate's HTTP client: ours, with a proof where there is a key.
pub(crate) struct TokenHttp<'a> {
    pub http: &'a Http,
    pub nonces: &'a Nonces,
    pub clock: &'a Clock,
    pub key: Option<&'a DpopKey>,
}

impl<'c> AsyncHttpClient<'c> for TokenHttp<'_> {
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, TokenError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl TokenHttp<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TokenError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|_| TokenError::NotSent("the endpoint's address cannot be read".to_owned()))?;
        let mut outgoing = Outgoing::new(parts.method, url);
        outgoing.headers = parts.headers;
        outgoing.body = body.into();
        outgoing.cap = ANSWER_CAP;
        let answer = match dpop::send(self.http, self.nonces, self.clock, self.key, None, outgoing).await {
            Ok(answer) => answer,
            Err(SendError::NotSent(detail)) => return Err(TokenError::NotSent(detail)),
            // The tokens were granted and the answer with them is lost. For the crate this is an answer without a body:
            // a device code must not be polled again after success (its replay revokes the whole grant).
            Err(SendError::Unknown { status: Some(status), .. }) if status.is_success() => {
                return Ok(http::Response::new(Vec::new()));
            }
            Err(SendError::Unknown { detail, .. }) => return Err(TokenError::Lost(detail)),
        };
        if matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let detail = format!("{} is busy (status {})", answer.from, answer.status.as_u16());
            return Err(TokenError::Later { after: answer.retry_after(), detail });
        }
        if answer.status.is_server_error() {
            return Err(TokenError::Lost(format!("{} failed (status {})", answer.from, answer.status.as_u16())));
        }
        if !answer.is_json() {
            return Err(TokenError::Lost(answer.not_json_words()));
        }
        let mut response = http::Response::new(answer.body.to_vec());
        *response.status_mut() = answer.status;
        if let Some(value) = answer.headers.get(CONTENT_TYPE) {
            response.headers_mut().insert(CONTENT_TYPE, value.clone());
        }
        Ok(response)
    }
}

/// How the tokens are to be bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// No key was offered.
    Bearer,
    /// The tokens must be bound to the key.
    Dpop,
    /// The key was offered; a server that ignores it gives a bearer token.
    DpopOrBearer,
}

/// The crate's answer, checked against how the tokens were to be bound.
pub(crate) fn granted(answer: TokenAnswer, binding: Binding) -> Result<Granted, TokenError> {
    let kind = answer.token_type().as_ref().to_ascii_lowercase();
    let bound = match (kind.as_str(), binding) {
        ("dpop", Binding::Dpop | Binding::DpopOrBearer) => true,
        ("bearer", Binding::Bearer | Binding::DpopOrBearer) => false,
        _ => {
            let wanted = if binding == Binding::Bearer { "Bearer" } else { "DPoP" };
            let words = format!("a token of type `{}` came where `{wanted}` was agreed", tame(&kind, 32));
            return Err(TokenError::Refused { code: "token_type".to_owned(), words });
        }
    };
    let subject = id_token(&answer).and_then(subject);
    Ok(Granted {
        access_token: answer.access_token().clone(),
        refresh_token: answer.refresh_token().cloned(),
        expires_in: answer.expires_in(),
        scopes: answer.scopes().map(|scopes| scopes.iter().map(|scope| tame(scope, 128)).collect()),
        subject,
        bound,
    })
}

/// The id token of an answer, as it came.
pub(crate) fn id_token(answer: &TokenAnswer) -> Option<&str> {
    answer.extra_fields().id_token.as_deref()
}

/// `sub` of an id token. Its signature is not looked at: it came from the token endpoint itself over TLS (OpenID
/// Connect Core 3.1.3.7 item 6), and nothing is decided by it.
fn subject(id_token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = B64.decode(id_token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| tame(&claims.sub, 128))
}

/// The two shapes of error answers that the crate has.
pub(crate) trait OauthErrorWords: ErrorResponse + 'static {
    fn code(&self) -> String;
    fn words(&self) -> String;
}

impl OauthErrorWords for BasicErrorResponse {
    fn code(&self) -> String {
        let error: &BasicErrorResponseType = self.error();
        error.as_ref().to_owned()
    }
    fn words(&self) -> String {
        self.error_description().cloned().unwrap_or_default()
    }
}

impl OauthErrorWords for DeviceCodeErrorResponse {
    fn code(&self) -> String {
        self.error().to_string()
    }
    fn words(&self) -> String {
        self.error_description().cloned().unwrap_or_default()
    }
}

/// The crate's error without the bodies that it carries.
pub(crate) fn token_error<E: OauthErrorWords>(why: RequestTokenError<TokenError, E>) -> TokenError {
    match why {
        RequestTokenError::Request(why) => why,
        RequestTokenError::ServerResponse(error) => {
            let (code, mut words) = (tame(&error.code(), 64), tame(&error.words(), 300));
            if words.is_empty() {
                words = "no reason given".to_owned();
            }
            if code == "invalid_grant" { TokenError::InvalidGrant(words) } else { TokenError::Refused { code, words } }
        }
        RequestTokenError::Parse(..) => {
            TokenError::Lost("the token endpoint's answer does not follow RFC 6749".to_owned())
        }
        RequestTokenError::Other(_) => TokenError::Lost("the token endpoint's answer came without a body".to_owned()),
    }
}
