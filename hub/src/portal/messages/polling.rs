//! What the portal has for the household: messages after the cursor, those that nobody has read yet once more, what is to
//! be paid, the feed of alerts. Asked from time to time, each only as far as the owner allowed it.

use std::time::Duration;

use domovoi_model::Timestamp;
use domovoi_store::{MessageBox, StoreError};
use tokio::time::Instant;

use super::{Messages, kept};
use crate::portal::calls::{Alerts, Charge, get_alerts, get_charges, get_notifications};
use crate::portal::{CallError, Portal};

/// Pages of a list that are asked for at once.
const MAX_PAGES: usize = 20;
/// Charges that are handed on.
const MAX_CHARGES: usize = 500;
/// A cursor of more bytes is not kept.
const MAX_CURSOR: usize = 512;
/// So long the portal is asked again about a message that nobody has read.
const UNREAD_MILLIS: i64 = 60 * 86_400_000;

/// Whose messages they are.
pub(super) struct Link {
    /// The portal and the citizen.
    pub whose: String,
    /// When it was made.
    pub since: Timestamp,
}

impl Link {
    /// The name of the mark that says how far messages were read.
    fn mark(&self) -> String {
        format!("notifications {} {}", self.whose, self.since.0)
    }
}

enum Asked {
    /// The store is the trouble.
    Store(StoreError),
    /// The portal is.
    Portal(CallError),
}

impl From<StoreError> for Asked {
    fn from(error: StoreError) -> Self {
        Asked::Store(error)
    }
}

impl From<CallError> for Asked {
    fn from(error: CallError) -> Self {
        Asked::Portal(error)
    }
}

impl Messages {
    /// Asks if it is time; the answer is how long it is until then.
    pub(super) async fn poll(
        &self,
        portal: &Portal,
        link: &Link,
        may: impl Fn(&str) -> bool,
    ) -> Result<Duration, StoreError> {
        if let Some(at) = self.state().poll_at.filter(|at| *at > Instant::now()) {
            return Ok(at - Instant::now());
        }
        let mut failed: Option<CallError> = None;
        // One list that fails does not keep the others away, unless the portal is the trouble as a whole.
        for list in ["notifications.read", "charges.read", "alerts.read"] {
            if !may(list) || failed.as_ref().is_some_and(is_of_the_portal) {
                continue;
            }
            let asked = match list {
                "notifications.read" => self.ask_for_messages(portal, link).await,
                "charges.read" => self.ask_for_charges(portal).await,
                _ => self.ask_for_alerts(portal).await,
            };
            match asked {
                Ok(()) => {}
                Err(Asked::Store(error)) => return Err(error),
                Err(Asked::Portal(error)) => {
                    tracing::info!("{list}: {error}");
                    failed = Some(error);
                }
            }
        }
        let wait = {
            let mut state = self.state();
            let failures = state.poll_failures;
            let wait = match &failed {
                None => {
                    (state.poll_failures, state.trouble) = (0, None);
                    None
                }
                Some(error) => {
                    state.poll_failures = failures.saturating_add(1);
                    state.trouble = Some(error.to_string());
                    let asked = match error {
                        CallError::RetryLater { after, .. } => *after,
                        _ => None,
                    };
                    Some((failures, asked))
                }
            };
            drop(state);
            match wait {
                None => jittered(self.0.pace.every),
                Some((failures, asked)) => jittered(self.backoff(failures, asked)),
            }
        };
        self.state().poll_at = Some(Instant::now() + wait);
        Ok(wait)
    }

    async fn ask_for_messages(&self, portal: &Portal, link: &Link) -> Result<(), Asked> {
        let name = link.mark();
        let mut cursor = self.0.store.messages().mark(&name).await?.filter(|cursor| !cursor.is_empty());
        for cursor in self.unread_cursors(cursor.as_deref()).await? {
            let page = get_notifications::call(portal, cursor.as_deref()).await?;
            self.take_in(link, page.items, cursor.as_deref(), None).await?;
        }
        for _ in 0..MAX_PAGES {
            let page = match get_notifications::call(portal, cursor.as_deref()).await {
                // A cursor that the portal does not know any more: from the beginning; what is known is recognised.
                Err(CallError::Refused(problem))
                    if cursor.is_some() && matches!(problem.status, 400 | 404 | 410 | 422) =>
                {
                    self.0.store.messages().set_mark(&name, "").await?;
                    cursor = None;
                    continue;
                }
                page => page?,
            };
            let next = page.next.filter(|next| next.len() <= MAX_CURSOR && Some(next) != cursor.as_ref());
            let (done, empty) = (next.is_none(), page.items.is_empty());
            let mark = next.as_deref().map(|next| (name.as_str(), next));
            self.take_in(link, page.items, cursor.as_deref(), mark).await?;
            if done || empty {
                return Ok(());
            }
            cursor = next;
        }
        Ok(())
    }

    /// Cursors behind which messages stand that nobody has read, a few of the newest: the citizen may have read them there.
    async fn unread_cursors(&self, newest: Option<&str>) -> Result<Vec<Option<String>>, StoreError> {
        const MOST: usize = 5;
        let now = self.0.clock.at_least();
        let ids: Vec<_> = self.state().unread.iter().copied().collect();
        let mut found: Vec<(Timestamp, Option<String>)> = Vec::new();
        for id in ids {
            let row = self.0.store.messages().get(MessageBox::In, id).await?;
            let Some(message) = row.as_ref().and_then(kept::message) else { continue };
            let old = now.0.saturating_sub(message.at.0) > UNREAD_MILLIS;
            // The page that is asked for anyway is not asked for twice.
            if old || message.portal_id.is_none() || message.after.as_deref() == newest {
                continue;
            }
            found.push((message.at, message.after));
        }
        found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut cursors: Vec<Option<String>> = Vec::new();
        for (_, cursor) in found {
            if cursors.len() < MOST && !cursors.contains(&cursor) {
                cursors.push(cursor);
            }
        }
        Ok(cursors)
    }

    async fn ask_for_charges(&self, portal: &Portal) -> Result<(), Asked> {
        let hook = self.hooks().charges.clone();
        let Some(hook) = hook else { return Ok(()) };
        let (mut all, mut after): (Vec<Charge>, Option<String>) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = get_charges::call(portal, None, after.as_deref()).await?;
            all.extend(page.items);
            after = page.next.filter(|next| next.len() <= MAX_CURSOR && Some(next) != after.as_ref());
            if after.is_none() || all.len() >= MAX_CHARGES {
                break;
            }
        }
        all.truncate(MAX_CHARGES);
        let is_new = self.state().charges.as_ref() != Some(&all);
        if is_new {
            self.state().charges = Some(all.clone());
            hook(all);
        }
        Ok(())
    }

    async fn ask_for_alerts(&self, portal: &Portal) -> Result<(), Asked> {
        let hook = self.hooks().alerts.clone();
        let Some(hook) = hook else { return Ok(()) };
        let tag = self.state().alerts_tag.clone();
        if let Alerts::Feed { etag, document } = get_alerts::call(portal, tag.as_deref()).await? {
            // Handed over first: a feed whose tag is known and that nobody has read would never be read.
            hook(document);
            self.state().alerts_tag = etag;
        }
        Ok(())
    }
}

/// Whether the portal as a whole is the trouble, and not one list of it.
fn is_of_the_portal(error: &CallError) -> bool {
    !matches!(error, CallError::Refused(_) | CallError::NotFound)
}

/// A tenth more or less, so that not every home asks at the same second.
fn jittered(wait: Duration) -> Duration {
    let mut bytes = [0u8; 2];
    let random = match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    };
    wait.mul_f64(0.9 + 0.2 * random)
}
