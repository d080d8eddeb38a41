//! Signing in with the account at the portal (OpenID Connect Core 1.0, code flow): who the citizen is, in the portal's
//! words, and nothing else. The tokens that come along are thrown away: this is no link, it allows the hub nothing.
//!
//! Only the profile `generic`: ЕСИА gives client ids to registered organisations, so a home signs in through an
//! operator's gateway that speaks OpenID Connect. Whose session is opened for an identity is decided by the sign-in
//! room; a pending sign-in is given back for the browser that began it, and for no other (login CSRF).

mod claims;
mod jws;
mod keys;
#[cfg(test)]
mod tests;
mod waiting;

use std::borrow::Cow;

use oauth2::{AuthUrl, AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use tokio::time::Instant;
use url::Url;

pub(super) use self::keys::KeySet;
pub(super) use self::waiting::Waiting;
use super::code_grant::{Redirect, Verdict, judge};
use super::discovery::Metadata;
use super::dpop::DpopKey;
use super::problem::CallError;
use super::settings::Profile;
use super::tokens::{Binding, TokenError, granted, id_token, oauth_client, token_error};
use super::{LinkError, Portal};

/// A redirect with a code and the `iss` of a portal with a long name.
const QUERY_MAX: usize = 8 * 1024;

/// Who the portal says it is. Only both together name a person: a subject is unique within its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The portal's issuer identifier, to the letter.
    pub issuer: String,
    /// The portal's own id of the account.
    pub subject: String,
}

/// Why nobody was identified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The portal, or its profile, does not have this way of signing in.
    #[error("{0}")]
    NotOffered(String),
    /// The citizen said no.
    #[error("the sign-in was refused at the portal")]
    Denied,
    /// Begun too long ago.
    #[error("this took too long: begin again")]
    Expired,
    /// The redirect is not the answer to this sign-in.
    #[error("this answer is not of this sign-in: begin again")]
    Stranger,
    /// No connection, or the portal asks to try later.
    #[error("the portal cannot be reached: {0}")]
    Unreachable(String),
    /// An id_token ends at a time, and what time it is is not known.
    #[error("the clock is not set yet, so the portal's word cannot be checked: sign in another way")]
    ClockNotSet,
    /// The portal's answer does not prove who it is; the words are for the log.
    #[error("the portal's word was not accepted: {0}")]
    Refused(String),
}

impl From<CallError> for IdentityError {
    fn from(why: CallError) -> Self {
        match why {
            CallError::NotSent { detail } | CallError::RetryLater { detail, .. } => IdentityError::Unreachable(detail),
            why => IdentityError::Refused(why.to_string()),
        }
    }
}

impl From<TokenError> for IdentityError {
    fn from(why: TokenError) -> Self {
        match why {
            TokenError::NotSent(detail) | TokenError::Later { detail, .. } => IdentityError::Unreachable(detail),
            why => IdentityError::Refused(why.to_string()),
        }
    }
}

/// A sign-in that waits for the citizen to come back from the portal. One use, in memory only.
pub struct PendingSignIn {
    state: CsrfToken,
    nonce: CsrfToken,
    verifier: PkceCodeVerifier,
    redirect: RedirectUrl,
    key: Option<DpopKey>,
    binding: Binding,
    began: Instant,
}

impl std::fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingSignIn(***)")
    }
}

impl Portal {
    /// Where the browser is to go. `redirect` is where the portal sends it back, `<front origin>/sign-in/portal/return`;
    /// the portal must have it registered for this client.
    pub async fn begin_sign_in(&self, redirect: Url) -> Result<(PendingSignIn, Url), IdentityError> {
        let inner = &self.0;
        if inner.settings.profile == Profile::Esia {
            return Err(IdentityError::NotOffered(
                "ЕСИА gives client ids to registered organisations only, not to a citizen's own device: sign in through \
                 an operator's gateway, with the profile `generic`"
                    .to_owned(),
            ));
        }
        let metadata = self.metadata_for_sign_in().await?;
        let endpoint = authorization_endpoint(&metadata)?;
        let (key, binding) = self.binding(&metadata).map_err(|why| IdentityError::NotOffered(why.to_string()))?;
        let redirect = RedirectUrl::from_url(redirect);
        let client = oauth_client(&inner.settings.client_id, &metadata.token_endpoint)
            .set_auth_uri(AuthUrl::from_url(endpoint.clone()))
            .set_redirect_uri(redirect.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = CsrfToken::new_random_len(32);
        let (url, state) = client
            .authorize_url(|| CsrfToken::new_random_len(32))
            .add_scope(Scope::new("openid".to_owned()))
            .set_pkce_challenge(challenge)
            .add_extra_param("nonce", nonce.secret())
            .url();
        let pending = PendingSignIn { state, nonce, verifier, redirect, key, binding, began: Instant::now() };
        Ok((pending, url))
    }

    /// Who came back. `query` is the redirect's, without the question mark.
    pub async fn finish_sign_in(&self, pending: PendingSignIn, query: &str) -> Result<Identity, IdentityError> {
        let inner = &self.0;
        if pending.began.elapsed() > inner.settings.browser_timeout {
            return Err(IdentityError::Expired);
        }
        let metadata = self.metadata_for_sign_in().await?;
        let issuer = inner.settings.issuer.as_str();
        let redirect = Some(query).filter(|query| query.len() <= QUERY_MAX).and_then(Redirect::from_query);
        let code = match redirect.map(|redirect| judge(redirect, pending.state.secret(), issuer, metadata.sends_iss)) {
            Some(Verdict::Code(code)) => code,
            Some(Verdict::Ended(LinkError::Denied)) => return Err(IdentityError::Denied),
            Some(Verdict::Ended(why)) => return Err(IdentityError::Refused(why.to_string())),
            Some(Verdict::Stranger) | None => return Err(IdentityError::Stranger),
        };
        let client = oauth_client(&inner.settings.client_id, &metadata.token_endpoint);
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(pending.verifier)
            .set_redirect_uri(Cow::Borrowed(&pending.redirect));
        let answer = request.request_async(&inner.token_http(pending.key.as_ref())).await.map_err(token_error)?;
        let token = id_token(&answer).map(str::to_owned);
        let tokens = granted(answer, pending.binding)?;
        let Some(token) = token else {
            return Err(IdentityError::Refused(
                "no id_token came: does the client have the scope `openid`?".to_owned(),
            ));
        };
        let expected = claims::Expected {
            issuer,
            client_id: &inner.settings.client_id,
            nonce: pending.nonce.secret(),
            access_token: tokens.access_token.secret(),
            now: inner.clock.trusted().ok_or(IdentityError::ClockNotSet)?,
        };
        let identified = self.identify(&metadata, &token, &expected).await;
        if let Err(why) = &identified {
            tracing::warn!(%why, "an account of the portal was not let in");
        }
        identified
    }

    async fn metadata_for_sign_in(&self) -> Result<Metadata, IdentityError> {
        let metadata = self.0.metadata(|m| m.authorization_endpoint.is_some() && m.jwks_uri.is_some()).await?;
        if metadata.jwks_uri.is_none() {
            return Err(IdentityError::NotOffered("the portal's metadata name no keys (`jwks_uri`)".to_owned()));
        }
        if metadata.pkce_s256 == Some(false) {
            return Err(IdentityError::NotOffered("the portal does not take PKCE with S256".to_owned()));
        }
        Ok(metadata)
    }

    /// The signature first, and what is signed only then.
    async fn identify(
        &self,
        metadata: &Metadata,
        token: &str,
        expected: &claims::Expected<'_>,
    ) -> Result<Identity, IdentityError> {
        let refused = |why: jws::TokenFault| IdentityError::Refused(format!("id_token: {why}"));
        let Some(address) = &metadata.jwks_uri else {
            return Err(IdentityError::NotOffered("the portal's metadata name no `jwks_uri`".to_owned()));
        };
        let token = jws::Compact::parse(token).map_err(refused)?;
        let key = match self.0.keys.find(&self.0.http, address, &token.header).await? {
            Ok(key) => key,
            Err(why) => return Err(refused(why)),
        };
        let claims = token.verify(&key).map_err(refused)?;
        let subject = claims::check(&claims, token.header.alg, expected).map_err(refused)?;
        Ok(Identity { issuer: expected.issuer.to_owned(), subject })
    }
}

fn authorization_endpoint(metadata: &Metadata) -> Result<&Url, IdentityError> {
    let no_page = || IdentityError::NotOffered("the portal offers no page to sign in on".to_owned());
    metadata.authorization_endpoint.as_ref().ok_or_else(no_page)
}
