//! The life of a link: its tokens and their renewing.
//!
//! One renewal at a time, whoever asks; the new refresh token is durable before the new access token is used; an answer that got
//! lost is asked for once more and no oftener. That a renewal has begun is durable, too: when the power went before its answer
//! was, and the cloud has changed the token, the owner is told so. Where the cloud no longer renews, what there is is used to
//! its end, and the owner is told at once.

use std::sync::Arc;
use std::time::Duration;

use domovoi_model::Timestamp;
use domovoi_vault::Secret;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::Inner;
use super::oauth::{Granted, OAuth, TokenError};
use super::shelf::{Standing, StoredLink};

/// A token is renewed when a quarter of its life is left, and no earlier than this before its end.
const MARGIN_MAX: Duration = Duration::from_secs(30 * 86_400);
/// A renewal that failed before its time is not tried again sooner.
const TRIED_EVERY: Duration = Duration::from_secs(600);
/// Ten years stand for "no end"; an instant far beyond overflows.
const NO_END: Duration = Duration::from_secs(315_360_000);

/// Where a link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// There is none.
    Unlinked,
    /// It works, as far as is known.
    Linked {
        /// What the owner allowed.
        granted: Vec<String>,
        /// When it was made.
        since: Timestamp,
    },
    /// It works and cannot be renewed: it has to be made again before it ends.
    Ending {
        /// In the cloud's words.
        why: String,
        /// When, if the cloud said.
        until: Option<Timestamp>,
    },
    /// It is over until the owner links again.
    RelinkNeeded {
        /// In words.
        why: String,
    },
}

impl LinkState {
    /// A short, stable word for machines, and the end of its sentence's key.
    pub fn code(&self) -> &'static str {
        match self {
            LinkState::Unlinked => "unlinked",
            LinkState::Linked { .. } => "linked",
            LinkState::Ending { .. } => "ending",
            LinkState::RelinkNeeded { .. } => "relink",
        }
    }

    /// Whether the cloud can be asked.
    pub fn works(&self) -> bool {
        matches!(self, LinkState::Linked { .. } | LinkState::Ending { .. })
    }
}

/// An access token.
#[derive(Clone)]
pub(super) struct Access {
    pub token: String,
    /// Tells this token from its successors.
    pub serial: u64,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAccess {
    /// The owner has to link.
    #[error("{0}")]
    NoLink(String),
    /// Not now.
    #[error("{0}")]
    Later(String, Option<Duration>),
}

#[derive(Default)]
pub(super) struct Held {
    pub link: Option<StoredLink>,
    /// Where monotonic time says the token ends: a step of the wall clock does not move it.
    deadline: Option<Instant>,
    margin: Duration,
    serial: u64,
    /// Tokens that came and could not be stored yet: kept, not used, stored first of all next time.
    unsaved: Option<StoredLink>,
    /// The last renewal failed then, and why; those who waited for it share its fate.
    failure: Option<(Instant, NoAccess)>,
}

impl Held {
    fn ended(&self, margin: Duration, now: Option<Timestamp>) -> bool {
        let by_monotonic = self.deadline.is_some_and(|deadline| Instant::now() + margin >= deadline);
        // The wall clock is asked too: a suspended machine's monotonic clock stands still.
        let by_wall = match (now, self.link.as_ref().and_then(|link| link.expires_at)) {
            (Some(now), Some(end)) => now.plus_millis(millis(margin)).0 >= end,
            _ => false,
        };
        by_monotonic || by_wall
    }

    fn access(&self) -> Option<Access> {
        Some(Access { token: self.link.as_ref()?.access.clone()?, serial: self.serial })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Inner {
    /// What the store knew at the start, or what was made now.
    pub(super) fn adopt(&self, held: &mut Held, link: Option<StoredLink>) {
        let span = |from: i64, to: i64| Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0));
        let left = link.as_ref().and_then(|link| {
            let (now, end) = (self.clock.trusted()?, link.expires_at?);
            // Before the moment it was obtained the clock says nothing about the token; the cloud will (401).
            (now.0 >= link.obtained_at).then(|| span(now.0, end))
        });
        let life = link.as_ref().and_then(|link| Some(span(link.obtained_at, link.expires_at?)));
        held.deadline = left.and_then(|left| Instant::now().checked_add(left.min(NO_END)));
        held.margin = life.map_or(Duration::ZERO, |life| (life / 4).min(MARGIN_MAX));
        held.link = link;
        held.serial += 1;
        held.unsaved = None;
        held.failure = None;
        self.publish(held);
    }

    fn publish(&self, held: &Held) {
        let now = self.state_of(held);
        let changed = self.state.send_if_modified(|state| {
            let changed = *state != now;
            *state = now;
            changed
        });
        if changed {
            self.bell.notify_one();
            self.tell();
        }
    }

    fn state_of(&self, held: &Held) -> LinkState {
        let Some(link) = &held.link else { return LinkState::Unlinked };
        if link.client_id != self.section.client_id {
            let why = "the settings name another program than the one that was linked".to_owned();
            return LinkState::RelinkNeeded { why };
        }
        match &link.standing {
            Standing::Good => LinkState::Linked { granted: link.granted.clone(), since: Timestamp(link.since) },
            Standing::Ending { why } => LinkState::Ending { why: why.clone(), until: link.expires_at.map(Timestamp) },
            Standing::Relink { why } => LinkState::RelinkNeeded { why: why.clone() },
        }
    }

    /// A token that can be used now. `refused` names the one that the cloud has just answered with 401.
    pub(super) async fn access(self: &Arc<Self>, refused: Option<u64>) -> Result<Access, NoAccess> {
        let asked_at = Instant::now();
        let held = Arc::clone(&self.held).lock_owned().await;
        if let Some(ready) = self.ready(&held, refused, asked_at) {
            return ready;
        }
        // A task of its own: a caller that goes away in the middle must not take the only copy of the new refresh token with
        // it.
        let inner = Arc::clone(self);
        let task = tokio::spawn(async move { inner.renew(held, refused).await });
        task.await.unwrap_or_else(|_| Err(NoAccess::Later("the daemon is stopping".to_owned(), None)))
    }

    fn ready(&self, held: &Held, refused: Option<u64>, asked_at: Instant) -> Option<Result<Access, NoAccess>> {
        let state = self.state_of(held);
        match &state {
            LinkState::Unlinked => return Some(Err(NoAccess::NoLink("it is not linked".to_owned()))),
            LinkState::RelinkNeeded { why } => return Some(Err(NoAccess::NoLink(why.clone()))),
            LinkState::Linked { .. } | LinkState::Ending { .. } => {}
        }
        if held.unsaved.is_some() {
            return None;
        }
        if let Some((at, failure)) = &held.failure
            && *at > asked_at
        {
            return Some(Err(failure.clone()));
        }
        let now = self.clock.trusted();
        let is_refused = refused == Some(held.serial);
        let tried = held.failure.as_ref().is_some_and(|(at, _)| at.elapsed() < TRIED_EVERY);
        // What cannot be renewed, or could not be just now, counts to its end.
        let waits = tried || matches!(state, LinkState::Ending { .. });
        let margin = if waits { Duration::ZERO } else { held.margin };
        let usable = !is_refused && !held.ended(margin, now);
        usable.then(|| held.access()).flatten().map(Ok)
    }

    async fn renew(&self, mut held: OwnedMutexGuard<Held>, refused: Option<u64>) -> Result<Access, NoAccess> {
        let is_good = refused != Some(held.serial) && !held.ended(Duration::ZERO, self.clock.trusted());
        match self.refresh(&mut held, is_good).await {
            Ok(()) => held.access().ok_or_else(|| NoAccess::Later("the cloud gave no access token".to_owned(), None)),
            Err(why) => {
                held.failure = Some((Instant::now(), why.clone()));
                if is_good && held.unsaved.is_none() { held.access().ok_or(why) } else { Err(why) }
            }
        }
    }

    async fn refresh(&self, held: &mut Held, is_good: bool) -> Result<(), NoAccess> {
        if let Some(link) = held.unsaved.clone() {
            return self.keep(held, link).await;
        }
        let Some(mut link) = held.link.clone() else { return Ok(()) };
        let Some(refresh) = link.refresh.clone().filter(|_| link.standing == Standing::Good) else {
            return self.end(held, "the access token has ended, and there is nothing to renew it with").await;
        };
        let was_cut_short = link.renewing;
        if !was_cut_short {
            link.renewing = true;
            let later = |why| NoAccess::Later(format!("that a renewal begins cannot be kept: {why}"), None);
            self.shelf.save(&link).await.map_err(later)?;
            held.link = Some(link.clone());
        }
        let oauth = self.oauth().await.map_err(|why| NoAccess::Later(why.to_string(), None))?;
        let mut answer = oauth.refresh(&refresh).await;
        let mut was_lost = was_cut_short;
        if let Err(TokenError::Lost(why)) = &answer {
            // Perhaps it was rotated and the answer lost: then the old one says invalid_grant now, and that is final.
            tracing::warn!(cloud = self.cloud.name, %why, "the answer to a renewal was lost; asking once more");
            was_lost = true;
            answer = oauth.refresh(&refresh).await;
        }
        match answer {
            Ok(granted) => {
                self.take(&mut link, granted);
                self.keep(held, link).await
            }
            Err(TokenError::InvalidGrant(why)) => {
                let lost = if was_lost { "; an earlier answer was lost on the way here" } else { "" };
                let why = format!("the cloud no longer renews the link ({why}){lost}");
                if !is_good {
                    return self.end(held, &why).await;
                }
                tracing::warn!(cloud = self.cloud.name, %why, "the link must be made again before it ends");
                (link.standing, link.refresh, link.renewing) = (Standing::Ending { why: why.clone() }, None, false);
                if let Err(error) = self.shelf.save(&link).await {
                    tracing::error!(%error, "that the link is ending cannot be stored");
                }
                held.link = Some(link);
                self.publish(held);
                Err(NoAccess::Later(why, None))
            }
            Err(TokenError::Later { status, after }) => {
                Err(NoAccess::Later(format!("the authorization server is busy (status {status})"), after))
            }
            Err(why) => Err(NoAccess::Later(format!("no access token: {why}"), None)),
        }
    }

    /// Who asks the authorization server.
    pub(super) async fn oauth(&self) -> Result<OAuth<'_>, TokenError> {
        let secret = match &self.section.app_secret {
            None => None,
            Some(name) => {
                let kept = self.store.secrets().get(&(self.secret_name)(name)).await;
                let kept = kept.map_err(|error| TokenError::Setting(error.to_string()))?;
                let text = kept.and_then(|bytes| String::from_utf8(bytes.expose().clone()).ok());
                let missing =
                    || TokenError::Setting(format!("the secret «{name}» is not there: domovoi secret set {name}"));
                Some(Secret::new(text.map(|text| text.trim().to_owned()).ok_or_else(missing)?))
            }
        };
        Ok(OAuth {
            http: &self.http,
            cloud: self.cloud,
            issuer: self.issuer.clone(),
            client_id: &self.section.client_id,
            secret,
            device_id: self.shelf.device_id(self.cloud.name),
        })
    }

    /// A link of tokens that were just granted.
    pub(super) fn linked(&self, granted: Granted) -> StoredLink {
        let asked = self.cloud.link.scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let mut link = StoredLink {
            version: StoredLink::VERSION,
            cloud: self.cloud.name.to_owned(),
            client_id: self.section.client_id.clone(),
            access: None,
            refresh: None,
            obtained_at: 0,
            expires_at: None,
            granted: asked,
            since: self.clock.wall().0,
            renewing: false,
            standing: Standing::Good,
        };
        self.take(&mut link, granted);
        link
    }

    fn take(&self, link: &mut StoredLink, granted: Granted) {
        let now = self.clock.wall();
        link.access = Some(granted.access);
        // Without a new one the old one stays good (RFC 6749 section 6).
        link.refresh = granted.refresh.or(link.refresh.take());
        link.obtained_at = now.0;
        link.expires_at = granted.expires_in.map(|left| now.plus_millis(millis(left.min(NO_END))).0);
        link.granted = granted.scopes.unwrap_or_else(|| std::mem::take(&mut link.granted));
        link.renewing = false;
    }

    /// Durable first, used afterwards.
    pub(super) async fn keep(&self, held: &mut Held, link: StoredLink) -> Result<(), NoAccess> {
        if let Err(why) = self.shelf.save(&link).await {
            held.unsaved = Some(link);
            let detail = format!("new tokens came and cannot be stored, so they are not used: {why}");
            tracing::error!(cloud = self.cloud.name, "{detail}");
            return Err(NoAccess::Later(detail, None));
        }
        self.adopt(held, Some(link));
        Ok(())
    }

    /// The link is over; its tokens are forgotten, that it was is kept for showing.
    async fn end(&self, held: &mut Held, why: &str) -> Result<(), NoAccess> {
        if let Some(mut link) = held.link.clone() {
            tracing::warn!(cloud = self.cloud.name, %why, "the cloud must be linked again");
            (link.access, link.refresh, link.expires_at, link.renewing) = (None, None, None, false);
            link.standing = Standing::Relink { why: why.to_owned() };
            if let Err(error) = self.shelf.save(&link).await {
                tracing::error!(%error, "that the link is over cannot be stored");
            }
            self.adopt(held, Some(link));
        }
        Err(NoAccess::NoLink(why.to_owned()))
    }
}
