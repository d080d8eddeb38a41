//! The portal: linking, tokens, calls. Alone in the house it knows the portal's JSON.
//!
//! Deliberately without a will of its own: when to send an act, and what a failed call means for it, is decided by its
//! callers. It sends nothing that it was not told to send, and the token goes to `api_base` only.

mod address;
pub mod calls;
mod code_grant;
mod device_grant;
mod discovery;
mod dpop;
pub mod esia;
mod http;
mod identity;
mod link;
mod messages;
mod outbox;
mod problem;
mod scopes;
mod settings;
mod shelf;
mod tokens;
mod unlink;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError};

use reqwest::StatusCode;
use tokio::sync::{Mutex, watch};
use url::Url;

use self::dpop::DpopKey;
use self::http::{Answer, Http, Outgoing};
use self::link::{Held, Inner};
use self::problem::classify;
use self::shelf::{Standing, StoredLink};
use self::tokens::{Binding, Granted, TokenError};
use crate::clock::Clock;

pub use self::address::{AddressError, check as check_address, parse as parse_address};
pub use self::code_grant::REDIRECT_PATH;
pub use self::device_grant::DeviceCode;
pub use self::dpop::thumbprint;
pub use self::http::HttpSetupError;
pub use self::identity::{Identity, IdentityError, PendingSignIn};
pub use self::link::LinkState;
pub use self::messages::{
    MessageError, MessagePace, Messages, Outgoing as OutgoingMessage, OutgoingState, OwnMessage, PortalMessage,
};
pub use self::outbox::{Outbox, Pace};
pub use self::problem::{CallError, Problem};
pub use self::scopes::scopes_in_words;
pub use self::settings::{Dpop, Issuer, PortalSettings, Profile, TlsFloor};
pub use self::shelf::{Shelf, ShelfError};
pub use self::unlink::Unlinked;

/// The portal room cannot open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An address of the settings may not be used.
    #[error("portal settings: {0}")]
    Address(#[from] AddressError),
    /// The HTTP client cannot be made.
    #[error("portal: {0}")]
    Http(#[from] HttpSetupError),
    /// The stored link cannot be read.
    #[error("portal: {0}")]
    Shelf(#[from] ShelfError),
}

/// Why no link came about.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// Somebody is linking already.
    #[error("a linking is under way already: finish or cancel it first")]
    Busy,
    /// There is a working link.
    #[error("the portal is linked already: unlink it first")]
    AlreadyLinked,
    /// The owner said no.
    #[error("the permission was refused at the portal")]
    Denied,
    /// Nobody said yes in time.
    #[error("the time for giving permission is over: start again")]
    Expired,
    /// The portal, or its profile, does not have this way of linking.
    #[error("{0}")]
    NotOffered(String),
    /// No connection; nothing is wrong otherwise.
    #[error("the portal cannot be reached: {0}")]
    Unreachable(String),
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
}

impl From<TokenError> for LinkError {
    fn from(why: TokenError) -> Self {
        match why {
            TokenError::NotSent(detail) | TokenError::Later { detail, .. } => LinkError::Unreachable(detail),
            TokenError::Lost(detail) => {
                LinkError::Failed(format!("the portal's answer was lost ({detail}): start the linking again"))
            }
            TokenError::Refused { code, .. } if code == "access_denied" => LinkError::Denied,
            why => LinkError::Failed(why.to_string()),
        }
    }
}

impl From<CallError> for LinkError {
    fn from(why: CallError) -> Self {
        match why {
            CallError::NotSent { detail } | CallError::RetryLater { detail, .. } => LinkError::Unreachable(detail),
            why => LinkError::Failed(why.to_string()),
        }
    }
}

/// What a linking shows as it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkProgress {
    /// What will be asked for: scope, Russian, English. Comes first, before the portal hears anything of it.
    Permissions(Vec<(String, String, String)>),
    /// The code to be typed in at the portal, and where.
    ShowCode(DeviceCode),
    /// The page to be opened in a browser on this machine.
    OpenBrowser(Url),
    /// The link is made and kept. `LinkState::Linked` of it, with what was not granted.
    Linked(LinkState),
}

/// The portal. Clones are the same portal.
#[derive(Clone)]
pub struct Portal(Arc<Inner>);

impl std::fmt::Debug for Portal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Portal").field(&self.0.settings.issuer.as_str()).field(&self.status()).finish()
    }
}

impl Portal {
    /// Reads the stored link. Sends nothing.
    pub async fn open(settings: PortalSettings, shelf: Shelf, clock: Clock) -> Result<Self, OpenError> {
        settings.check()?;
        let inner = Inner {
            http: Http::new(&settings)?,
            settings,
            nonces: dpop::Nonces::default(),
            discovery: discovery::Discovery::default(),
            keys: identity::KeySet::default(),
            waiting: identity::Waiting::default(),
            clock,
            shelf,
            held: Arc::new(Mutex::new(Held::default())),
            state: watch::Sender::new(LinkState::Unlinked),
            linking: Mutex::new(()),
            trouble: std::sync::Mutex::default(),
        };
        let link = inner.shelf.load().await?;
        inner.adopt(&mut *inner.held.lock().await, link);
        Ok(Portal(Arc::new(inner)))
    }

    /// Where the link stands, as far as the last answer told.
    pub fn status(&self) -> LinkState {
        self.0.state.borrow().clone()
    }

    /// The same, as it changes.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.0.state.subscribe()
    }

    /// What went wrong with the newest call of the outbox, in a sentence; `None` once one went well.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_trouble(&self, error: Option<&CallError>) {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ToString::to_string);
    }

    /// What it was opened with.
    pub fn settings(&self) -> &PortalSettings {
        &self.0.settings
    }

    /// Links with a code that the owner types in at the portal, on any screen. Dropping the future cancels it.
    pub async fn link_device(&self, mut progress: impl FnMut(LinkProgress) + Send) -> Result<LinkState, LinkError> {
        let _turn = self.begin(&mut progress).await?;
        let inner = &self.0;
        let metadata = inner.metadata(|m| m.device_authorization_endpoint.is_some()).await?;
        let (key, binding) = self.binding(&metadata)?;
        let show = |code| progress(LinkProgress::ShowCode(code));
        let granting = device_grant::run(inner, &metadata, key.as_ref(), binding, show, tokio::time::sleep);
        let granted = Box::pin(granting).await?;
        let state = self.finish(&metadata, key, granted).await?;
        progress(LinkProgress::Linked(state.clone()));
        Ok(state)
    }

    /// Links through a browser on this machine. Dropping the future cancels it.
    pub async fn link_browser(&self, mut progress: impl FnMut(LinkProgress) + Send) -> Result<LinkState, LinkError> {
        let _turn = self.begin(&mut progress).await?;
        let inner = &self.0;
        let metadata = inner.metadata(|m| m.authorization_endpoint.is_some()).await?;
        let (key, binding) = self.binding(&metadata)?;
        let open = |url| progress(LinkProgress::OpenBrowser(url));
        let granting = code_grant::run(inner, &metadata, key.as_ref(), binding, open);
        let granted = Box::pin(granting).await?;
        let state = self.finish(&metadata, key, granted).await?;
        progress(LinkProgress::Linked(state.clone()));
        Ok(state)
    }

    /// Ends the link: the portal is told where it can be, the tokens are forgotten in any case.
    pub async fn unlink(&self) -> Result<Unlinked, ShelfError> {
        self.0.unlink().await
    }

    async fn begin(&self, progress: &mut (impl FnMut(LinkProgress) + Send)) -> Result<Turn<'_>, LinkError> {
        let inner = &self.0;
        if inner.settings.profile == Profile::Esia {
            return Err(LinkError::NotOffered(
                "ЕСИА gives client ids to registered organisations only, not to a citizen's own device: link through an \
                 operator's gateway, with the profile `generic`"
                    .to_owned(),
            ));
        }
        let turn = inner.linking.try_lock().map_err(|_| LinkError::Busy)?;
        let before = inner.state_of(&*inner.held.lock().await);
        if !matches!(before, LinkState::Unlinked | LinkState::RelinkNeeded { .. }) {
            return Err(LinkError::AlreadyLinked);
        }
        progress(LinkProgress::Permissions(scopes_in_words(&inner.settings.scopes)));
        inner.state.send_replace(LinkState::Linking);
        Ok(Turn { inner, before, _turn: turn })
    }

    fn binding(&self, metadata: &discovery::Metadata) -> Result<(Option<DpopKey>, Binding), LinkError> {
        match (self.0.settings.dpop, metadata.dpop_es256) {
            (Dpop::Required, false) => Err(LinkError::NotOffered(
                "the settings require tokens bound to a key (DPoP with ES256), which the portal does not offer"
                    .to_owned(),
            )),
            (Dpop::Required, true) => Ok((Some(DpopKey::generate()), Binding::Dpop)),
            (Dpop::IfOffered, true) => Ok((Some(DpopKey::generate()), Binding::DpopOrBearer)),
            (Dpop::IfOffered, false) | (Dpop::Off, _) => Ok((None, Binding::Bearer)),
        }
    }

    async fn finish(
        &self,
        metadata: &discovery::Metadata,
        key: Option<DpopKey>,
        granted: Granted,
    ) -> Result<LinkState, LinkError> {
        let inner = &self.0;
        let mut link = StoredLink {
            version: StoredLink::VERSION,
            issuer: inner.settings.issuer.as_str().to_owned(),
            client_id: inner.settings.client_id.clone(),
            token_endpoint: metadata.token_endpoint.to_string(),
            revocation_endpoint: metadata.revocation_endpoint.as_ref().map(Url::to_string),
            access_token: None,
            refresh_token: None,
            obtained_at: 0,
            expires_at: None,
            dpop_key: key.filter(|_| granted.bound).map(|key| key.to_text()),
            asked: inner.settings.scopes.clone(),
            granted: inner.settings.scopes.clone(),
            subject: None,
            since: inner.clock.wall().0,
            standing: Standing::Good,
        };
        inner.take(&mut link, granted);
        let mut held = inner.held.lock().await;
        inner.keep(&mut held, link).await?;
        Ok(inner.state_of(&held))
    }

    /// One call of the API: token, proof, one refresh after a 401, and what the answer says about the link.
    async fn send(&self, outgoing: Outgoing) -> Result<Answer, CallError> {
        let inner = &self.0;
        let mut access = inner.access(None).await?;
        let mut renewed = false;
        loop {
            let sending = dpop::send(
                &inner.http,
                &inner.nonces,
                &inner.clock,
                access.key.as_ref(),
                Some(&access.token),
                Outgoing {
                    method: outgoing.method.clone(),
                    url: outgoing.url.clone(),
                    headers: outgoing.headers.clone(),
                    body: outgoing.body.clone(),
                    cap: outgoing.cap,
                },
            );
            let answer = Box::pin(sending).await?;
            let error = classify(&answer);
            // Withdrawn consent may come as a 401 too; then a refresh would be one more call for nothing.
            if answer.status == StatusCode::UNAUTHORIZED && !matches!(error, Some(CallError::RelinkNeeded(_))) {
                if renewed {
                    // A fresh token is refused as well: the portal is at odds with itself, and the owner cannot mend it.
                    let detail = format!("{} refuses even a fresh access token", answer.from);
                    return Err(CallError::RetryLater { after: answer.retry_after(), detail });
                }
                renewed = true;
                access = inner.access(Some(access.serial)).await?;
                continue;
            }
            let Some(error) = error else {
                if matches!(self.status(), LinkState::AccountPending | LinkState::AccountBlocked { .. }) {
                    inner.note(access.serial, Standing::Good).await;
                }
                return Ok(answer);
            };
            match &error {
                CallError::RelinkNeeded(why) => inner.note(access.serial, Standing::Relink { why: why.clone() }).await,
                CallError::AccountPending => inner.note(access.serial, Standing::Pending).await,
                CallError::AccountBlocked => {
                    let detail = problem::problem(&answer).map(|p| p.detail).unwrap_or_default();
                    inner.note(access.serial, Standing::Blocked { detail }).await;
                }
                _ => {}
            }
            return Err(error);
        }
    }
}

/// The owner is being asked; when that ends without a link, the state is what it was before.
struct Turn<'a> {
    inner: &'a Inner,
    before: LinkState,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.inner.state.send_if_modified(|state| {
            let unfinished = *state == LinkState::Linking;
            if unfinished {
                *state = self.before.clone();
            }
            unfinished
        });
    }
}
