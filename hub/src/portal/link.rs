//! The life of a link: where it stands, its tokens, their refreshing.
//!
//! One refresh at a time, whoever asks; the new refresh token is durable before the new access token is used; an answer
//! that got lost is asked for once more and no oftener; `invalid_grant` ends the link until the owner links again.
//! How a link comes about is in `device_grant` and `code_grant`, how it ends in `unlink`.

use std::sync::Arc;
use std::time::Duration;

use domovoi_model::Timestamp;
use oauth2::RefreshToken;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::Instant;
use url::Url;

use super::discovery::{Discovery, Metadata};
use super::dpop::{DpopKey, Nonces};
use super::http::Http;
use super::identity::{KeySet, Waiting};
use super::problem::CallError;
use super::scopes;
use super::settings::{Dpop, PortalSettings};
use super::shelf::{Shelf, Standing, StoredLink};
use super::tokens::{Binding, Granted, TokenError, TokenHttp, granted, oauth_client, token_error};
use crate::clock::Clock;

/// A token is renewed this long before its end, or a quarter of its life before, whichever is shorter.
const MARGIN_MAX: Duration = Duration::from_secs(60);

/// Where the link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// There is none.
    Unlinked,
    /// The owner is being asked.
    Linking,
    /// It works, as far as is known.
    Linked {
        /// What the owner allowed.
        granted: Vec<String>,
        /// What was asked for and not allowed.
        missing: Vec<String>,
        /// Whose it is, by the portal's own id, if the portal said.
        subject: Option<String>,
        /// When it was made.
        since: Timestamp,
    },
    /// It is over until the owner links again.
    RelinkNeeded {
        /// In words.
        why: String,
    },
    /// The citizen's account awaits confirmation at the portal.
    AccountPending,
    /// The citizen's account is blocked at the portal.
    AccountBlocked {
        /// The portal's words.
        detail: String,
    },
}

/// An access token and what it takes to use it.
#[derive(Clone)]
pub(crate) struct Access {
    pub token: String,
    pub key: Option<DpopKey>,
    /// Tells this token from its successors.
    pub serial: u64,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("serial", &self.serial).finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(crate) struct Held {
    pub link: Option<StoredLink>,
    key: Option<DpopKey>,
    /// Where monotonic time says the token ends: a step of the wall clock does not move it.
    deadline: Option<Instant>,
    margin: Duration,
    serial: u64,
    /// Tokens that came and could not be stored yet: kept, not used, stored first of all next time.
    unsaved: Option<StoredLink>,
    /// The last refresh failed then; those who waited for it share its fate.
    failure: Option<(Instant, CallError)>,
}

impl Held {
    /// `left` is what the access token has still to live, where that is known.
    pub fn install(&mut self, link: Option<StoredLink>, left: Option<Duration>) {
        let life = link.as_ref().and_then(StoredLink::life);
        self.key = link.as_ref().and_then(|link| link.dpop_key.as_deref()).and_then(DpopKey::from_text);
        self.link = link;
        // Ten years stand for "no end"; an instant far beyond overflows.
        self.deadline = left.and_then(|left| Instant::now().checked_add(left.min(Duration::from_secs(315_360_000))));
        self.margin = life.map_or(Duration::ZERO, |life| (life / 4).min(MARGIN_MAX));
        self.serial += 1;
        self.unsaved = None;
        self.failure = None;
    }

    fn ended(&self, margin: Duration, clock: &Clock) -> bool {
        let by_monotonic = self.deadline.is_some_and(|deadline| Instant::now() + margin >= deadline);
        // The wall clock is asked too: a suspended machine's monotonic clock stands still.
        let by_wall = match (clock.trusted(), self.link.as_ref().and_then(|link| link.expires_at)) {
            (Some(now), Some(end)) => now.plus_millis(millis(margin)).0 >= end,
            _ => false,
        };
        by_monotonic || by_wall
    }

    fn access(&self) -> Option<Access> {
        let token = self.link.as_ref()?.access_token.clone()?;
        Some(Access { token, key: self.key.clone(), serial: self.serial })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What all clones of a `Portal` share.
pub(crate) struct Inner {
    pub settings: PortalSettings,
    pub http: Http,
    pub nonces: Nonces,
    pub discovery: Discovery,
    /// With which the portal signs who somebody is.
    pub keys: KeySet,
    /// Browsers that are there to sign in.
    pub waiting: Waiting,
    pub clock: Clock,
    pub shelf: Shelf,
    pub held: Arc<Mutex<Held>>,
    pub state: watch::Sender<LinkState>,
    /// Held while the owner is being asked.
    pub linking: Mutex<()>,
    /// What went wrong with the newest call of the outbox; none once one went well.
    pub trouble: std::sync::Mutex<Option<String>>,
}

impl Inner {
    pub async fn metadata(&self, needs: impl Fn(&Metadata) -> bool) -> Result<Metadata, CallError> {
        self.discovery.metadata(&self.http, &self.settings.issuer, needs).await
    }

    pub fn token_http<'a>(&'a self, key: Option<&'a DpopKey>) -> TokenHttp<'a> {
        TokenHttp { http: &self.http, nonces: &self.nonces, clock: &self.clock, key }
    }

    /// What the store knew at the start.
    pub fn adopt(&self, held: &mut Held, link: Option<StoredLink>) {
        let left = link.as_ref().and_then(|link| {
            let (now, end) = (self.clock.trusted()?, link.expires_at?);
            // Before the moment it was obtained the clock says nothing about the token; the portal will (401).
            (now.0 >= link.obtained_at)
                .then(|| Duration::from_millis(u64::try_from(end.saturating_sub(now.0)).unwrap_or(0)))
        });
        held.install(link, left);
        self.publish(held);
    }

    /// Why the settings make a stored link unusable, if they do.
    fn mismatch(&self, link: &StoredLink) -> Option<String> {
        if link.issuer != self.settings.issuer.as_str() || link.client_id != self.settings.client_id {
            return Some("the settings name another portal or client than the one that was linked".to_owned());
        }
        (self.settings.dpop == Dpop::Required && link.dpop_key.is_none())
            .then(|| "the settings require tokens bound to a key (DPoP), the link has none".to_owned())
    }

    pub fn state_of(&self, held: &Held) -> LinkState {
        let Some(link) = &held.link else { return LinkState::Unlinked };
        if let Some(why) = self.mismatch(link) {
            return LinkState::RelinkNeeded { why };
        }
        match &link.standing {
            Standing::Good => LinkState::Linked {
                granted: link.granted.clone(),
                missing: scopes::missing(
                    &link.asked,
                    &link.granted,
                    link.refresh_token.is_some(),
                    link.subject.is_some(),
                ),
                subject: link.subject.clone(),
                since: Timestamp(link.since),
            },
            Standing::Relink { why } => LinkState::RelinkNeeded { why: why.clone() },
            Standing::Pending => LinkState::AccountPending,
            Standing::Blocked { detail } => LinkState::AccountBlocked { detail: detail.clone() },
        }
    }

    pub fn publish(&self, held: &Held) {
        self.state.send_replace(self.state_of(held));
    }

    /// A token that can be used now. `refused` names the one that the API has just answered with 401.
    pub async fn access(self: &Arc<Self>, refused: Option<u64>) -> Result<Access, CallError> {
        let asked_at = Instant::now();
        let held = Arc::clone(&self.held).lock_owned().await;
        if let Some(ready) = self.ready(&held, refused, asked_at) {
            return ready;
        }
        // A task of its own: a caller that goes away in the middle must not take the only copy of the new refresh
        // token with it.
        let inner = Arc::clone(self);
        let task = tokio::spawn(async move { inner.renew(held, refused).await });
        task.await.unwrap_or_else(|_| Err(CallError::NotSent { detail: "the daemon is stopping".to_owned() }))
    }

    fn ready(&self, held: &Held, refused: Option<u64>, asked_at: Instant) -> Option<Result<Access, CallError>> {
        match self.state_of(held) {
            LinkState::Unlinked => {
                let detail = "the portal is not linked; link it first".to_owned();
                return Some(Err(CallError::NotSent { detail }));
            }
            LinkState::RelinkNeeded { why } => return Some(Err(CallError::RelinkNeeded(why))),
            _ => {}
        }
        if held.unsaved.is_some() {
            return None;
        }
        if let Some((at, failure)) = &held.failure
            && *at > asked_at
        {
            return Some(Err(failure.clone()));
        }
        let usable = refused != Some(held.serial) && !held.ended(held.margin, &self.clock);
        usable.then(|| held.access()).flatten().map(Ok)
    }

    async fn renew(&self, mut held: OwnedMutexGuard<Held>, refused: Option<u64>) -> Result<Access, CallError> {
        let done = self.refresh(&mut held).await;
        match done {
            Ok(()) => {
                let none = CallError::NotSent { detail: "the portal gave no access token".to_owned() };
                held.access().ok_or(none)
            }
            Err(why) => {
                held.failure = Some((Instant::now(), why.clone()));
                // Renewing early failed: until its real end the old token is as good as before.
                let still_good = refused != Some(held.serial)
                    && !matches!(why, CallError::RelinkNeeded(_))
                    && held.unsaved.is_none()
                    && !held.ended(Duration::ZERO, &self.clock);
                if still_good { held.access().ok_or(why) } else { Err(why) }
            }
        }
    }

    async fn refresh(&self, held: &mut Held) -> Result<(), CallError> {
        if let Some(link) = held.unsaved.clone() {
            return self.keep(held, link).await;
        }
        let Some(link) = held.link.clone() else { return Ok(()) };
        let Some(refresh_token) = link.refresh_token.clone() else {
            return self.end(held, "the access token has ended, and the portal gave no refresh token").await;
        };
        // The endpoint may have moved since the linking. A portal whose metadata cannot be read now keeps the old one.
        let endpoint = match self.metadata(|_| true).await {
            Ok(metadata) => metadata.token_endpoint.to_string(),
            Err(why) => {
                tracing::debug!(%why, "metadata not readable; the endpoint of the linking is used");
                link.token_endpoint.clone()
            }
        };
        let mut answer = self.ask(&endpoint, &refresh_token, held.key.as_ref()).await;
        if let Err(TokenError::Lost(why)) = &answer {
            // Perhaps it was rotated and the answer lost: then the old one says invalid_grant now, and that is final.
            tracing::warn!(%why, "the answer to a token refresh was lost; asking once more");
            answer = self.ask(&endpoint, &refresh_token, held.key.as_ref()).await;
        }
        match answer {
            Ok(granted) => {
                let mut next = link;
                next.token_endpoint = endpoint;
                self.take(&mut next, granted);
                self.keep(held, next).await
            }
            Err(TokenError::InvalidGrant(why)) => {
                self.end(held, &format!("the portal no longer honours the link ({why})")).await
            }
            Err(TokenError::Later { after, detail }) => Err(CallError::RetryLater { after, detail }),
            Err(why) => Err(CallError::NotSent { detail: format!("no access token: {why}") }),
        }
    }

    async fn ask(&self, endpoint: &str, refresh_token: &str, key: Option<&DpopKey>) -> Result<Granted, TokenError> {
        let endpoint = Url::parse(endpoint)
            .map_err(|_| TokenError::NotSent("the token endpoint's address cannot be read".to_owned()))?;
        let client = oauth_client(&self.settings.client_id, &endpoint);
        let refresh_token = RefreshToken::new(refresh_token.to_owned());
        let mut request = client.exchange_refresh_token(&refresh_token);
        if let Some(resource) = &self.settings.resource {
            request = request.add_extra_param("resource", resource.as_str());
        }
        let answer = request.request_async(&self.token_http(key)).await.map_err(token_error)?;
        granted(answer, if key.is_some() { Binding::Dpop } else { Binding::Bearer })
    }

    /// Writes granted tokens into a link.
    pub fn take(&self, link: &mut StoredLink, granted: Granted) {
        let now = self.clock.wall();
        link.access_token = Some(granted.access_token.into_secret());
        // Without a new one the old one stays good (RFC 6749 section 6).
        if let Some(refresh_token) = granted.refresh_token {
            link.refresh_token = Some(refresh_token.into_secret());
        }
        link.obtained_at = now.0;
        link.expires_at = granted.expires_in.map(|left| now.plus_millis(millis(left)).0);
        if let Some(scopes) = granted.scopes {
            link.granted = scopes;
        }
        if granted.subject.is_some() {
            link.subject = granted.subject;
        }
    }

    /// Durable first, used afterwards.
    pub async fn keep(&self, held: &mut Held, link: StoredLink) -> Result<(), CallError> {
        if let Err(why) = self.shelf.save(&link).await {
            held.unsaved = Some(link);
            let detail = format!("new tokens came and cannot be stored, so they are not used: {why}");
            tracing::error!(%detail);
            return Err(CallError::NotSent { detail });
        }
        let life = link.life();
        held.install(Some(link), life);
        self.publish(held);
        Ok(())
    }

    /// The link is over; its tokens are forgotten, what it was is kept for showing.
    async fn end(&self, held: &mut Held, why: &str) -> Result<(), CallError> {
        if let Some(mut link) = held.link.clone() {
            tracing::warn!(%why, "the portal must be linked again");
            link.access_token = None;
            link.refresh_token = None;
            link.dpop_key = None;
            link.expires_at = None;
            link.standing = Standing::Relink { why: why.to_owned() };
            if let Err(error) = self.shelf.save(&link).await {
                tracing::error!(%error, "that the link is over cannot be stored");
            }
            held.install(Some(link), None);
            self.publish(held);
        }
        Err(CallError::RelinkNeeded(why.to_owned()))
    }

    /// What an answer to a call with this token said about the link.
    pub async fn note(&self, serial: u64, standing: Standing) {
        let mut held = self.held.lock().await;
        // The link has been renewed meanwhile: the remark was about another one.
        if held.serial != serial {
            return;
        }
        let Some(link) = held.link.as_mut() else { return };
        if link.standing == standing {
            return;
        }
        if let Standing::Relink { why } = standing {
            let _ = self.end(&mut held, &why).await;
            return;
        }
        link.standing = standing;
        let link = link.clone();
        if let Err(error) = self.shelf.save(&link).await {
            tracing::error!(%error, "how the account stands cannot be stored");
        }
        self.publish(&held);
    }
}
