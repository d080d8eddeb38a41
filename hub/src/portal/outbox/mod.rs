//! The outbox: acts on their way, and what the portal has said of each. It tells the portal once.
//!
//! Before the first byte leaves, the act stands as `sent` in the store; after any doubt the portal is asked what it
//! holds under the id, and only "never received" leads to the same bytes again. Per account one act at a time, in the
//! order of signing. What a reading is worth is not decided here (metering), nor what people are told about it (notify).

mod readiness;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domovoi_model::{AccountId, Act, ActId, ActState, PhotoId, PortalVerdict, Timestamp};
use domovoi_store::{ActFilter, Store, StoreError};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::calls::get_act::{ActProgress, ActStatus};
use super::calls::{get_act, get_receipt, put_act, put_photo};
use super::{CallError, Portal};
use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::metering::Metering;
use crate::metering::sign::sha256;

/// After so many unclear answers a photo is given up.
const PHOTO_TRIES: u32 = 8;

/// How often an unlinked, pending or blocked account is looked at again.
const LINK_CHECK: Duration = Duration::from_secs(60);

/// When the outbox tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// After the first failure; doubled after each further one.
    pub first_retry: Duration,
    /// The longest wait between tries.
    pub retry_every: Duration,
    /// How long after a pending answer the portal is asked again.
    pub read_back_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            first_retry: Duration::from_secs(5),
            retry_every: Duration::from_secs(3600),
            read_back_every: Duration::from_secs(600),
        }
    }
}

/// What a step came to.
enum Outcome {
    /// The act has moved on; look at it again at once.
    Moved,
    /// It is over for this act: confirmed with its receipt, or refused.
    Over,
    /// Nothing to do before then; `known` acts do not hold up the ones behind them.
    Wait { after: Duration, confirmed: bool },
    /// The link itself is the trouble: no act can be sent now.
    LinkTrouble,
}

#[derive(Default)]
struct Attempt {
    failures: u32,
    not_before: Option<Instant>,
    /// Handed in since the start; a photo that arrives twice does no harm, but has 5 MB.
    photos: Vec<PhotoId>,
    photo_failures: u32,
}

/// The outbox. Clones are the same one.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    portal: Portal,
    metering: Metering,
    store: Store,
    bus: Bus,
    clock: Clock,
    pace: Pace,
    attempts: Mutex<HashMap<ActId, Attempt>>,
    /// The link (by its beginning) at which the key for acts is known to be registered.
    registered: Mutex<Option<Timestamp>>,
}

impl Outbox {
    /// With nothing tried yet: after a start every act on its way is looked at once.
    pub fn new(portal: Portal, metering: Metering, store: Store, bus: Bus, clock: Clock, pace: Pace) -> Self {
        Outbox(Arc::new(Inner {
            portal,
            metering,
            store,
            bus,
            clock,
            pace,
            attempts: Mutex::default(),
            registered: Mutex::default(),
        }))
    }

    /// Sends what is due until `stop` turns true. A call under way is cut off: the act stands as `sent`, and is asked
    /// about at the next start.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut events = self.0.bus.listen();
        let mut link = self.0.portal.watch();
        loop {
            let wait = tokio::select! {
                wait = self.run_once() => wait,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let until = Instant::now() + wait;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => break,
                    changed = link.changed() => {
                        if changed.is_err() { return }
                        break;
                    }
                    event = events.recv() => match event {
                        Ok(Event::Act(act)) if act.state == ActState::Approved => break,
                        Ok(_) => {}
                        Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => break,
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                    },
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }

    /// Does what can be done now; the answer is how long nothing more can be.
    pub async fn run_once(&self) -> Duration {
        match self.try_once().await {
            Ok(wait) => wait.max(Duration::from_millis(10)),
            Err(error) => {
                tracing::error!("the outbox waits for the store: {error}");
                self.0.pace.first_retry
            }
        }
    }

    async fn try_once(&self) -> Result<Duration, StoreError> {
        let inner = &self.0;
        let filter = ActFilter { on_its_way: Some(true), ..ActFilter::default() };
        let acts = inner.store.acts().list(filter).await?;
        if acts.is_empty() {
            inner.attempts.lock().await.clear();
            return Ok(inner.pace.retry_every);
        }
        if !self.link_is_good().await? {
            return Ok(LINK_CHECK.min(inner.pace.retry_every));
        }
        // The store lists them in the order of signing, which is the order of the chain.
        let mut by_account: BTreeMap<AccountId, Vec<Act>> = BTreeMap::new();
        for act in acts {
            by_account.entry(act.account).or_default().push(act);
        }
        let mut wait = inner.pace.retry_every;
        for acts in by_account.into_values() {
            for act in acts {
                let (waits, known) = match self.carry(act).await? {
                    Outcome::LinkTrouble => return Ok(inner.pace.first_retry),
                    Outcome::Wait { after, confirmed } => (after, confirmed),
                    Outcome::Moved | Outcome::Over => (inner.pace.retry_every, true),
                };
                wait = wait.min(waits);
                // The next act of this account names this one in its chain: it waits.
                if !known {
                    break;
                }
            }
        }
        Ok(wait)
    }

    /// Carries one act as far as it goes now.
    async fn carry(&self, mut act: Act) -> Result<Outcome, StoreError> {
        if let Some(not_before) = self.0.attempts.lock().await.entry(act.id).or_default().not_before
            && not_before > Instant::now()
        {
            return Ok(Outcome::Wait { after: not_before - Instant::now(), confirmed: act.state.is_confirmed() });
        }
        loop {
            let (next, outcome) = self.step(act).await?;
            act = next;
            match outcome {
                Outcome::Moved => continue,
                Outcome::Wait { after, .. } => {
                    self.0.attempts.lock().await.entry(act.id).or_default().not_before = Some(Instant::now() + after);
                }
                Outcome::Over => {
                    self.0.attempts.lock().await.remove(&act.id);
                }
                Outcome::LinkTrouble => {}
            }
            return Ok(outcome);
        }
    }

    async fn step(&self, act: Act) -> Result<(Act, Outcome), StoreError> {
        match &act.state {
            ActState::Approved => {
                if let Some(after) = self.held_back(&act) {
                    return Ok((act, Outcome::Wait { after, confirmed: false }));
                }
                let first_at = self.0.clock.wall();
                let act = self.keep(Act { state: ActState::Sent { tries: 1, first_at }, ..act }).await?;
                self.put(act).await
            }
            ActState::Sent { .. } => self.ask(act).await,
            ActState::Confirmed { .. } => self.fetch_receipt(act).await,
            _ => Ok((act, Outcome::Over)),
        }
    }

    /// Hands the act in, then reads it back: the answer to the sending is not believed.
    async fn put(&self, act: Act) -> Result<(Act, Outcome), StoreError> {
        let (Some(document), Some(signature)) = (&act.document, &act.signature) else {
            let detail = "the act stands as approved but has no signed bytes: the store is damaged".to_owned();
            return self.refuse(act, "unsigned", detail).await;
        };
        if let Err(error) = put_act::call(&self.0.portal, act.id, document, signature).await {
            return self.failed(act, error, true).await;
        }
        match get_act::call(&self.0.portal, act.id).await {
            Ok(status) => self.hear(act, status).await,
            // It said it took the act, and now does not know it: asked again later, not believed either way.
            Err(error) => self.failed(act, error, false).await,
        }
    }

    /// Asks what the portal holds; only "never received" leads to another sending.
    async fn ask(&self, act: Act) -> Result<(Act, Outcome), StoreError> {
        match get_act::call(&self.0.portal, act.id).await {
            Ok(status) => self.hear(act, status).await,
            Err(CallError::NotFound) => {
                if let Some(after) = self.held_back(&act) {
                    return Ok((act, Outcome::Wait { after, confirmed: false }));
                }
                let state = match act.state {
                    ActState::Sent { tries, first_at } => ActState::Sent { tries: tries.saturating_add(1), first_at },
                    other => other,
                };
                let act = self.keep(Act { state, ..act }).await?;
                self.put(act).await
            }
            Err(error) => self.failed(act, error, false).await,
        }
    }

    /// Takes in what the portal says it holds.
    async fn hear(&self, mut act: Act, status: ActStatus) -> Result<(Act, Outcome), StoreError> {
        let ours = act.document.as_deref().map(sha256);
        if ours != Some(status.sha256) {
            // A portal that holds other bytes under our id has not received this act, whatever else it says.
            self.notice(&act, "portal_differs", &[]).await?;
            return Ok((act, Outcome::Wait { after: self.0.pace.retry_every, confirmed: false }));
        }
        for reading in &mut act.readings {
            if let Some(said) = status.readings.iter().find(|said| said.reading_id == reading.id) {
                reading.portal_verdict = said.verdict.clone();
            }
        }
        self.reset(act.id).await;
        self.0.portal.note_trouble(None);
        let pending = act.readings.iter().any(|reading| reading.portal_verdict == PortalVerdict::Pending);
        if pending || status.status == ActProgress::Processing {
            let act = self.keep(act).await?;
            return Ok((act, Outcome::Wait { after: self.0.pace.read_back_every, confirmed: false }));
        }
        let rejected: Vec<(String, String)> = act
            .readings
            .iter()
            .filter_map(|reading| match &reading.portal_verdict {
                PortalVerdict::Rejected { code, detail } => Some((reading.serial.clone(), format!("{code}: {detail}"))),
                _ => None,
            })
            .collect();
        if rejected.len() == act.readings.len() {
            let detail =
                rejected.into_iter().map(|(serial, why)| format!("{serial}: {why}")).collect::<Vec<_>>().join("; ");
            return self.refuse(act, "all-rejected", detail).await;
        }
        for (serial, why) in rejected {
            self.notice(&act, "reading_rejected", &[("serial", &serial), ("why", &why)]).await?;
        }
        let at = self.0.clock.wall();
        let act = self.keep(Act { state: ActState::Confirmed { at }, ..act }).await?;
        Ok((act, Outcome::Moved))
    }

    /// Hands in the photos that the act names, then fetches the receipt and keeps its bytes.
    async fn fetch_receipt(&self, act: Act) -> Result<(Act, Outcome), StoreError> {
        for photo in act.readings.iter().filter_map(|reading| reading.photo.as_ref()) {
            let Some(kept) = self.0.store.photos().get(photo.id).await? else { continue };
            let (sent, failures) = {
                let mut attempts = self.0.attempts.lock().await;
                let attempt = attempts.entry(act.id).or_default();
                (attempt.photos.contains(&photo.id), attempt.photo_failures)
            };
            if sent {
                continue;
            }
            if failures >= PHOTO_TRIES {
                // The readings stand without it, and the receipt must not wait for ever.
                self.notice(&act, "photo_refused", &[("why", "no clear answer after many tries")]).await?;
                break;
            }
            if let Err(error) =
                put_photo::call(&self.0.portal, act.id, &photo.sha256, &photo.media_type, kept.bytes).await
            {
                if let CallError::Refused(problem) = &error {
                    // The readings stand without it; the household should know all the same.
                    self.notice(&act, "photo_refused", &[("why", &problem.title)]).await?;
                    continue;
                }
                self.0.attempts.lock().await.entry(act.id).or_default().photo_failures += 1;
                return self.failed(act, error, false).await;
            }
            self.0.attempts.lock().await.entry(act.id).or_default().photos.push(photo.id);
        }
        match get_receipt::call(&self.0.portal, act.id).await {
            Ok(receipt) => {
                if act.document.as_deref().map(sha256) != Some(receipt.act_sha256) {
                    self.notice(&act, "portal_differs", &[]).await?;
                    return Ok((act, Outcome::Wait { after: self.0.pace.retry_every, confirmed: true }));
                }
                let act = self.keep(Act { state: ActState::Received { receipt }, ..act }).await?;
                tracing::info!(act = %act.id, "the portal's receipt is here");
                self.0.portal.note_trouble(None);
                self.0.metering.nudge();
                Ok((act, Outcome::Over))
            }
            Err(CallError::NotFound) => {
                let after = self.backoff(act.id).await;
                Ok((act, Outcome::Wait { after, confirmed: true }))
            }
            Err(error) => self.failed(act, error, false).await,
        }
    }

    /// What a failed call means for the act. Nothing here guesses: an unclear answer leaves it `sent`, to be asked about.
    async fn failed(&self, act: Act, error: CallError, sending: bool) -> Result<(Act, Outcome), StoreError> {
        let confirmed = act.state.is_confirmed();
        tracing::info!(act = %act.id, "{error}");
        self.0.portal.note_trouble(Some(&error));
        match error {
            CallError::RelinkNeeded(_) => Ok((act, Outcome::LinkTrouble)),
            // Said of this act's account; the others may be well. The link's own state is looked at before the next try.
            CallError::AccountPending | CallError::AccountBlocked => {
                let after = self.backoff(act.id).await;
                Ok((act, Outcome::Wait { after, confirmed }))
            }
            // Nothing is wrong with the act: the owner did not allow the hub to hand it in.
            CallError::Refused(problem) if problem.code == "forbidden-scope" => {
                self.raise("link:scope_missing", "scope_missing", &[]).await?;
                let after = self.backoff(act.id).await;
                Ok((act, Outcome::Wait { after, confirmed }))
            }
            CallError::RetryLater { after, .. } => {
                let ours = self.backoff(act.id).await;
                // The portal's word, within reason: it cannot put us off past every window.
                let after =
                    after.map_or(ours, |theirs| theirs.max(self.0.pace.first_retry).min(self.0.pace.retry_every));
                Ok((act, Outcome::Wait { after, confirmed }))
            }
            // The portal judges by the month, and that one is over: no waiting will open it again. A supplier that is
            // said to take late readings may mean something else by it, and is asked on.
            CallError::Refused(problem)
                if problem.code == "window-closed"
                    && problem.opens_at.is_none_or(|opens| opens <= self.0.clock.wall())
                    && self.is_over_for_good(&act) =>
            {
                self.refuse(act, &problem.code, format!("{} {}", problem.title, problem.detail)).await
            }
            CallError::Refused(problem) if problem.code == "window-closed" => {
                let spelled = problem.opens_at.map(|at| at.to_string()).unwrap_or_default();
                self.notice(&act, "window_closed", &[("opens", &spelled)]).await?;
                let ours = self.backoff(act.id).await;
                let opens = problem.opens_at.and_then(|opens| u64::try_from(opens.0 - self.0.clock.wall().0).ok());
                let after = opens.map_or(ours, |millis| ours.max(Duration::from_millis(millis)));
                Ok((act, Outcome::Wait { after: after.min(self.0.pace.retry_every), confirmed }))
            }
            CallError::Refused(problem) if problem.code == "unknown-key" => {
                // The portal has forgotten our key, or never got it: it is registered again before the next try.
                *self.0.registered.lock().await = None;
                let after = self.backoff(act.id).await;
                Ok((act, Outcome::Wait { after, confirmed }))
            }
            CallError::Refused(problem) if sending => {
                self.refuse(act, &problem.code, format!("{} {}", problem.title, problem.detail)).await
            }
            CallError::Refused(_) | CallError::NotFound | CallError::NotSent { .. } | CallError::Unknown { .. } => {
                let after = self.backoff(act.id).await;
                Ok((act, Outcome::Wait { after, confirmed }))
            }
        }
    }

    async fn refuse(&self, act: Act, code: &str, detail: String) -> Result<(Act, Outcome), StoreError> {
        self.notice(&act, "act_refused", &[("code", code), ("detail", &detail)]).await?;
        let at = self.0.clock.wall();
        let state = ActState::Refused { code: code.to_owned(), detail: detail.trim().to_owned(), at };
        let act = self.keep(Act { state, ..act }).await?;
        Ok((act, Outcome::Over))
    }

    async fn keep(&self, act: Act) -> Result<Act, StoreError> {
        self.0.store.acts().update(&act).await?;
        if act.state.is_confirmed() {
            // What stood in the way is over.
            for kind in ["window_closed", "portal_differs"] {
                self.0.store.notices().clear(&format!("{kind}:{}", act.id)).await?;
            }
        }
        self.0.bus.tell(Event::Act(Arc::new(act.clone())));
        Ok(act)
    }

    async fn backoff(&self, act: ActId) -> Duration {
        let mut attempts = self.0.attempts.lock().await;
        let attempt = attempts.entry(act).or_default();
        let factor = 1u32 << attempt.failures.min(16);
        attempt.failures = attempt.failures.saturating_add(1);
        self.0.pace.first_retry.saturating_mul(factor).min(self.0.pace.retry_every)
    }

    async fn reset(&self, act: ActId) {
        self.0.attempts.lock().await.entry(act).or_default().failures = 0;
    }
}
