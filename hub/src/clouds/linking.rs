//! How a link comes about and how it ends: by a code that is typed in there, by a code that is copied from there; taken back
//! there and forgotten here. One linking at a time.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use oauth2::PkceCodeVerifier;
use tokio::time::Instant;
use url::Url;

use super::link::LinkState;
use super::oauth::{Granted, ShownCode, TokenError};
use super::{CloudsError, Inner};

/// So long a page to agree on is waited for.
const COPIED_WITHIN: Duration = Duration::from_secs(600);
/// The longest code that is copied, in bytes.
const MAX_CODE: usize = 512;

/// How far a linking is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Progress {
    /// There is none.
    #[default]
    Idle,
    /// It has begun.
    Begun,
    /// The code to be typed in there.
    Code(ShownCode),
    /// The page to agree on; the code that it shows is to be copied here.
    Page(Url),
    /// It ended without a link.
    Failed(String),
    /// The link is made.
    Linked,
}

/// A linking.
#[derive(Default)]
pub(super) struct Linking {
    pub progress: Progress,
    task: Option<tokio::task::AbortHandle>,
    verifier: Option<(PkceCodeVerifier, Instant)>,
    /// Tells a linking from the ones before it.
    turn: u64,
}

/// What became of an unlinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked {
    /// Whether there was a link at all.
    pub was_linked: bool,
    /// Whether the cloud confirmed that the tokens are worthless now.
    pub told_cloud: bool,
    /// Where it did not: why.
    pub detail: Option<String>,
    /// How many devices were forgotten.
    pub forgotten: usize,
}

impl Inner {
    fn linking(&self) -> std::sync::MutexGuard<'_, Linking> {
        self.linking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a linking is.
    pub(super) fn progress(&self) -> Progress {
        let mut linking = self.linking();
        if linking.verifier.as_ref().is_some_and(|(_, until)| Instant::now() >= *until) {
            linking.verifier = None;
            linking.progress = Progress::Failed(TokenError::Expired.to_string());
        }
        linking.progress.clone()
    }

    fn begin(&self) -> Result<u64, CloudsError> {
        if matches!(*self.state.borrow(), LinkState::Linked { .. }) {
            return Err(CloudsError::Conflict("it is linked already: unlink it first"));
        }
        let mut linking = self.linking();
        if linking.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return Err(CloudsError::Conflict("a linking is under way already"));
        }
        (linking.verifier, linking.progress) = (None, Progress::Begun);
        linking.turn += 1;
        Ok(linking.turn)
    }

    fn goes(&self, turn: u64, progress: Progress) {
        let mut linking = self.linking();
        if linking.turn == turn {
            linking.progress = progress;
            drop(linking);
            self.tell();
        }
    }

    /// Begins to link by a code for another screen.
    pub(super) fn link_by_device(self: &Arc<Self>) -> Result<(), CloudsError> {
        if self.cloud.link.device_authorization.is_none() {
            return Err(CloudsError::Conflict("this cloud has no code for another screen: copy one"));
        }
        let turn = self.begin()?;
        let inner = Arc::clone(self);
        let task = tokio::spawn(async move {
            let granting = async {
                let oauth = inner.oauth().await?;
                Box::pin(oauth.by_device(|code| inner.goes(turn, Progress::Code(code)))).await
            };
            let granted = granting.await;
            // Whoever asks how far it is hears why it failed.
            let _ = inner.finish(turn, granted).await;
        });
        self.linking().task = Some(task.abort_handle());
        Ok(())
    }

    /// Begins to link by a page whose code is copied here.
    pub(super) async fn link_by_page(&self) -> Result<Url, CloudsError> {
        let turn = self.begin()?;
        let asked = match self.oauth().await.and_then(|oauth| oauth.ask()) {
            Ok(asked) => asked,
            Err(error) => {
                self.goes(turn, Progress::Failed(error.to_string()));
                return Err(error.into());
            }
        };
        self.linking().verifier = Some((asked.verifier, Instant::now() + COPIED_WITHIN));
        self.goes(turn, Progress::Page(asked.page.clone()));
        Ok(asked.page)
    }

    /// Ends that with the code. A code that is wrong ends it, too: it counts once, with one page.
    pub(super) async fn copied(self: &Arc<Self>, code: &str) -> Result<LinkState, CloudsError> {
        let code = code.trim();
        if code.is_empty() || code.len() > MAX_CODE || code.chars().any(char::is_control) {
            return Err(CloudsError::Invalid("this is no code: copy the whole of what the page shows"));
        }
        self.progress();
        let (turn, verifier) = {
            let mut linking = self.linking();
            (linking.turn, linking.verifier.take())
        };
        let (verifier, _) = verifier.ok_or(CloudsError::Conflict("no page waits for a code: begin again"))?;
        // A task of its own: who asked may go away before the tokens are kept.
        let (inner, code) = (Arc::clone(self), code.to_owned());
        let task = tokio::spawn(async move {
            let granting = async { inner.oauth().await?.by_code(code, verifier).await };
            let granted = granting.await;
            inner.finish(turn, granted).await
        });
        let outcome = task.await.unwrap_or_else(|_| Err("the daemon is stopping".to_owned()));
        outcome.map_err(CloudsError::Cloud)?;
        Ok(self.state.borrow().clone())
    }

    /// Ends a linking that is under way.
    pub(super) fn cancel(&self) {
        let mut linking = self.linking();
        if let Some(task) = linking.task.take() {
            task.abort();
        }
        linking.turn += 1;
        (linking.verifier, linking.progress) = (None, Progress::Idle);
    }

    async fn finish(&self, turn: u64, granted: Result<Granted, TokenError>) -> Result<(), String> {
        let outcome = match granted {
            Ok(granted) => self.keep_new(granted).await,
            Err(error) => Err(error.to_string()),
        };
        match &outcome {
            Ok(()) => self.goes(turn, Progress::Linked),
            Err(why) => {
                tracing::info!(cloud = self.cloud.name, "not linked: {why}");
                self.goes(turn, Progress::Failed(why.clone()));
            }
        }
        outcome
    }

    async fn keep_new(&self, granted: Granted) -> Result<(), String> {
        let link = self.linked(granted);
        let missing: Vec<&str> = self
            .cloud
            .link
            .needed
            .iter()
            .copied()
            .filter(|needed| !link.granted.iter().any(|one| one == needed))
            .collect();
        if !missing.is_empty() {
            let (access, refresh) = (link.access.as_deref(), link.refresh.as_deref());
            if let Ok(oauth) = self.oauth().await {
                let _ = oauth.revoke(access, refresh).await;
            }
            return Err(format!("without the permission {} nothing can be shown: allow it", missing.join(", ")));
        }
        let mut held = self.held.lock().await;
        self.starts_anew();
        self.keep(&mut held, link).await.map_err(|error| error.to_string())
    }

    /// What was said before the link was made says nothing about it.
    fn starts_anew(&self) {
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            *looked = super::looking::Looked { rounds: looked.rounds, ..Default::default() };
        }
        *self.left_alone.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.bell.notify_one();
    }

    /// Takes the tokens back there, and forgets them here in any case; `forget`: with everything that came from there.
    pub(super) async fn unlink(&self, forget: bool) -> Result<Unlinked, CloudsError> {
        self.cancel();
        let mut held = self.held.lock().await;
        let link = held.link.clone();
        let told = match &link {
            None => Ok(()),
            Some(link) => match self.oauth().await {
                Ok(oauth) => oauth.revoke(link.access.as_deref(), link.refresh.as_deref()).await,
                Err(error) => Err(error),
            },
        };
        let ids: Vec<String> = {
            let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            things.known.keys().cloned().collect()
        };
        self.tell_nothing().await;
        let kept = if forget { &ids[..] } else { &[] };
        self.shelf.forget(self.cloud.name, kept.iter().map(String::as_str)).await?;
        self.adopt(&mut held, None);
        drop(held);
        self.starts_anew();
        self.scenes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut forgotten = 0;
        if forget {
            *self.things.lock().unwrap_or_else(PoisonError::into_inner) = super::things::Things::default();
            if let Some(hooks) = self.hooks.get() {
                forgotten = (hooks.forget)(ids.iter().map(|id| self.device(id)).collect()).await;
            }
        }
        self.tell();
        Ok(Unlinked {
            was_linked: link.is_some(),
            told_cloud: link.is_some() && told.is_ok(),
            detail: told.err().map(|error| error.to_string()),
            forgotten,
        })
    }
}
