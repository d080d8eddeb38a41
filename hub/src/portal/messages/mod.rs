//! Messages of the portal and to it. What the portal writes is taken in once, whatever is asked twice; what is read here is
//! said to be read there, and the other way round. The home's own messages are told once: each has an id made before its
//! first try, which the portal knows it by. It decides neither what is worth a message nor who hears of one.
//!
//! Beside them it looks at what is to be paid and at the portal's alerts, and hands both on unread.

mod inbox;
mod kept;
mod outgoing;
mod polling;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::{MessageBox, MessageRow, Store, StoreError};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::calls::{Charge, NotificationKind};
use super::{LinkState, Portal};
use crate::bus::{Bus, Event};
use crate::clock::Clock;

pub use kept::{Outgoing, OutgoingState, PortalMessage};

/// So many of the portal's messages are kept, the newest.
const KEPT: u32 = 2000;

/// So many of the home's own are kept once they are over.
const KEPT_OWN: usize = 500;

/// So many may wait for the portal.
const MAX_WAITING: usize = 200;

/// How often an unlinked, pending or blocked account is looked at again.
const LINK_CHECK: Duration = Duration::from_secs(60);

/// When the portal is asked, and asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePace {
    /// For messages, bills and alerts.
    pub every: Duration,
    /// After the first failure; doubled after each further one.
    pub first_retry: Duration,
    /// The longest wait between tries.
    pub retry_every: Duration,
    /// A message of the home that did not reach the portal within this time is not worth sending any more.
    pub good_for: Duration,
}

impl Default for MessagePace {
    fn default() -> Self {
        MessagePace {
            every: Duration::from_secs(300),
            first_retry: Duration::from_secs(10),
            retry_every: Duration::from_secs(3600),
            good_for: Duration::from_secs(7 * 86_400),
        }
    }
}

/// A message of the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMessage {
    /// What it is about, for ever: the same key is the same message, and goes once.
    pub key: String,
    /// Its kind.
    pub kind: NotificationKind,
    /// ≤ 4,000 characters.
    pub text: String,
    /// «Лицевой счёт» that it concerns.
    pub account_number: Option<String>,
}

/// Why something of messages cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// There is no such message.
    #[error("there is no such message")]
    NoSuch,
    /// It has left, or nobody knows whether it has.
    #[error("the message has left already")]
    TooLate,
    /// Too many wait.
    #[error("at most {MAX_WAITING} messages wait for the portal")]
    Full,
    /// It cannot be sent as it is.
    #[error("{0}")]
    Wrong(&'static str),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Hook<T> = Arc<dyn Fn(T) + Send + Sync>;
type MaySend = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

#[derive(Default)]
struct Hooks {
    new: Option<Hook<PortalMessage>>,
    read: Option<Hook<Id>>,
    charges: Option<Hook<Vec<Charge>>>,
    alerts: Option<Hook<Bytes>>,
    may_send: Option<MaySend>,
}

/// Messages. Clones are the same.
#[derive(Clone)]
pub struct Messages(Arc<Inner>);

struct Inner {
    portal: Option<Portal>,
    store: Store,
    bus: Bus,
    clock: Clock,
    pace: MessagePace,
    hooks: Mutex<Hooks>,
    state: Mutex<State>,
    /// One change of rows after the other.
    changing: tokio::sync::Mutex<()>,
    woken: Notify,
}

#[derive(Default)]
struct State {
    /// Read here; the portal does not know it yet.
    to_tell: BTreeSet<Id>,
    /// Of the portal's, nobody has read these.
    unread: BTreeSet<Id>,
    /// The home's own that are not over.
    waiting: BTreeSet<Id>,
    /// When the portal is asked next; `None`: at once.
    poll_at: Option<Instant>,
    poll_failures: u32,
    send_at: Option<Instant>,
    send_failures: u32,
    /// What the alerts' feed came with.
    alerts_tag: Option<String>,
    /// What was last handed on of what is to be paid.
    charges: Option<Vec<Charge>>,
    /// To which link this belongs.
    link_since: Option<Timestamp>,
    /// What went wrong last, in a sentence.
    trouble: Option<String>,
}

impl Messages {
    /// Reads what waits. Without a portal there are no messages.
    pub async fn open(portal: Option<Portal>, store: Store, clock: Clock, bus: Bus, pace: MessagePace) -> Self {
        let mut state = State::default();
        if let Err(error) = load(&store, &mut state).await {
            tracing::error!("messages cannot be read: {error}");
        }
        Messages(Arc::new(Inner {
            portal,
            store,
            bus,
            clock,
            pace,
            hooks: Mutex::default(),
            state: Mutex::new(state),
            changing: tokio::sync::Mutex::new(()),
            woken: Notify::new(),
        }))
    }

    /// What is to happen when the portal has a new message that nobody has read.
    pub fn on_new(&self, hook: impl Fn(PortalMessage) + Send + Sync + 'static) {
        self.hooks().new = Some(Arc::new(hook));
    }

    /// What is to happen when a message was read, here or there.
    pub fn on_read(&self, hook: impl Fn(Id) + Send + Sync + 'static) {
        self.hooks().read = Some(Arc::new(hook));
    }

    /// Who wants to know what is to be paid: the whole list each time it is another.
    pub fn on_charges(&self, hook: impl Fn(Vec<Charge>) + Send + Sync + 'static) {
        self.hooks().charges = Some(Arc::new(hook));
    }

    /// Who reads the portal's feed of alerts: a document as it came.
    pub fn on_alerts(&self, hook: impl Fn(Bytes) + Send + Sync + 'static) {
        self.hooks().alerts = Some(Arc::new(hook));
    }

    /// Whether messages of the home may go to the portal at all. Without an answer none does.
    pub fn may_send(&self, hook: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static) {
        self.hooks().may_send = Some(Arc::new(hook));
    }

    /// Looks again at once.
    pub fn nudge(&self) {
        {
            let mut state = self.state();
            (state.poll_at, state.send_at) = (None, None);
        }
        self.0.woken.notify_one();
    }

    /// What went wrong with the newest question to the portal, in a sentence.
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// How many of the portal's messages nobody has read.
    pub fn unread(&self) -> usize {
        self.state().unread.len()
    }

    /// Sends and asks until `stop` turns true. A call under way is cut off: what it was about is told or asked again, under
    /// the same id.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let Some(portal) = self.0.portal.clone() else {
            // An error means that the house is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
            return;
        };
        let mut link = portal.watch();
        loop {
            let wait = tokio::select! {
                wait = self.run_once() => wait,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.0.woken.notified() => {}
                changed = link.changed() => {
                    if changed.is_err() { return }
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Does what can be done now; the answer is how long nothing more can be.
    pub async fn run_once(&self) -> Duration {
        let Some(portal) = &self.0.portal else { return LINK_CHECK };
        let LinkState::Linked { granted, since, subject, .. } = portal.status() else {
            self.state().link_since = None;
            return self.look_at_the_link(portal).await;
        };
        {
            let mut state = self.state();
            if state.link_since != Some(since) {
                // Another link may be another citizen's: nothing that was known of the portal counts for it.
                *state = State {
                    to_tell: std::mem::take(&mut state.to_tell),
                    unread: std::mem::take(&mut state.unread),
                    waiting: std::mem::take(&mut state.waiting),
                    link_since: Some(since),
                    ..State::default()
                };
            }
        }
        let may = |scope: &str| granted.iter().any(|there| there == scope);
        let whose = format!("{} {}", portal.settings().issuer.as_str(), subject.unwrap_or_default());
        let link = polling::Link { whose, since };
        let sent = self.send_what_waits(portal, may("notifications.write")).await;
        let polled = self.poll(portal, &link, may).await;
        match (sent, polled) {
            (Ok(sent), Ok(polled)) => sent.min(polled).max(Duration::from_millis(10)),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!("messages wait for the store: {error}");
                self.0.pace.first_retry
            }
        }
    }

    /// A pending or blocked account may be well again: one question tells.
    async fn look_at_the_link(&self, portal: &Portal) -> Duration {
        if matches!(portal.status(), LinkState::AccountPending | LinkState::AccountBlocked { .. }) {
            // The answer is noted by the portal's room; an error leaves things as they are.
            let _ = super::calls::get_notifications::call(portal, None).await;
        }
        LINK_CHECK
    }

    fn hooks(&self) -> std::sync::MutexGuard<'_, Hooks> {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.0.bus.tell(Event::Messages);
    }

    fn backoff(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let ours = self.0.pace.first_retry.saturating_mul(1 << failures.min(16)).min(self.0.pace.retry_every);
        // The portal's word, within reason.
        asked.map_or(ours, |theirs| theirs.max(self.0.pace.first_retry).min(self.0.pace.retry_every))
    }
}

async fn load(store: &Store, state: &mut State) -> Result<(), StoreError> {
    let shelf = store.messages();
    for row in shelf.before(MessageBox::In, None, KEPT).await? {
        let Some(message) = kept::message(&row) else { continue };
        if !message.read {
            state.unread.insert(row.id);
        }
        if message.to_tell {
            state.to_tell.insert(row.id);
        }
    }
    let most = u32::try_from(MAX_WAITING + 2 * KEPT_OWN).unwrap_or(u32::MAX);
    for row in shelf.before(MessageBox::Out, None, most).await? {
        if kept::outgoing(&row).is_some_and(|own| !own.state.is_over()) {
            state.waiting.insert(row.id);
        }
    }
    Ok(())
}

/// The row of a message, and of the home's own.
fn row_of(id: Id, at: Timestamp, body: Vec<u8>) -> MessageRow {
    MessageRow { id, at, body }
}

/// Who read a message: a person of the household.
type Reader = Option<PersonId>;
