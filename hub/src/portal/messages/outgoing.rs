//! The home's own messages on their way to the portal, and what was read here. A message stands in the store before its
//! first try and keeps its id through all of them: the portal that took it already answers the same again. Nothing leaves
//! without the owner's consent and the portal's permission.

use std::time::Duration;

use domovoi_model::{Id, Timestamp};
use domovoi_store::{MessageBox, StoreError};
use tokio::time::Instant;

use super::kept::{self, Outgoing, OutgoingState};
use super::{KEPT_OWN, MAX_WAITING, MessageError, Messages, OwnMessage};
use crate::outside::tame;
use crate::portal::calls::{OwnNotification, mark_notification_read, post_notification};
use crate::portal::{CallError, Portal};

const MAX_TEXT: usize = 4000;
const MAX_KEY: usize = 300;

/// When a message was written while nobody knew the time.
const UNKNOWN: Timestamp = Timestamp(0);

/// What a try came to.
enum Step {
    /// The next one may go.
    Next,
    /// Nothing can go before then.
    Wait(Duration),
}

impl Messages {
    /// Puts a message on its way. The same key twice is the same message, even after a restart; `Ok` means that it is kept.
    pub async fn send(&self, own: &OwnMessage) -> Result<Id, MessageError> {
        let text = tame(&own.text.replace('\n', " "), MAX_TEXT + 1).trim().to_owned();
        if text.is_empty() || text.chars().count() > MAX_TEXT {
            return Err(MessageError::Wrong("a message has 1 to 4000 characters"));
        }
        if own.key.is_empty() || own.key.len() > MAX_KEY {
            return Err(MessageError::Wrong("a message's key has 1 to 300 bytes"));
        }
        // Without a portal nobody else makes room.
        self.expire().await?;
        let _turn = self.0.changing.lock().await;
        let shelf = self.0.store.messages();
        let id = as_uuid(shelf.id_of(&format!("own {}", own.key)));
        if shelf.get(MessageBox::Out, id).await?.is_some() {
            return Ok(id);
        }
        if self.state().waiting.len() >= MAX_WAITING {
            return Err(MessageError::Full);
        }
        let message = Outgoing {
            id,
            at: self.0.clock.trusted().unwrap_or(UNKNOWN),
            kind: own.kind,
            text,
            account_number: own.account_number.as_deref().map(|number| tame(number, 30)),
            state: OutgoingState::Waiting,
        };
        shelf.put(MessageBox::Out, &[kept::row_of_outgoing(&message)], None).await?;
        self.state().waiting.insert(id);
        self.0.woken.notify_one();
        self.changed();
        Ok(id)
    }

    /// The newest of the home's own before a place, newest first.
    pub async fn outgoing(&self, before: Option<(Timestamp, Id)>, limit: u32) -> Result<Vec<Outgoing>, MessageError> {
        let rows = self.0.store.messages().before(MessageBox::Out, before, limit.clamp(1, 200)).await?;
        Ok(rows.iter().filter_map(kept::outgoing).collect())
    }

    /// One of the home's own.
    pub async fn outgoing_one(&self, id: Id) -> Result<Outgoing, MessageError> {
        let row = self.0.store.messages().get(MessageBox::Out, id).await?;
        row.as_ref().and_then(kept::outgoing).ok_or(MessageError::NoSuch)
    }

    /// Takes a message back that has not left.
    pub async fn withdraw(&self, id: Id) -> Result<Outgoing, MessageError> {
        let _turn = self.0.changing.lock().await;
        let row = self.0.store.messages().get(MessageBox::Out, id).await?;
        let own = row.as_ref().and_then(kept::outgoing).ok_or(MessageError::NoSuch)?;
        match own.state {
            OutgoingState::Waiting => Ok(self.keep(own, OutgoingState::Withdrawn).await?),
            OutgoingState::Withdrawn => Ok(own),
            _ => Err(MessageError::TooLate),
        }
    }

    /// Sends what waits; the answer is how long nothing more can go.
    pub(super) async fn send_what_waits(&self, portal: &Portal, may_write: bool) -> Result<Duration, StoreError> {
        self.expire().await?;
        let rest = self.0.pace.retry_every;
        let idle = {
            let state = self.state();
            state.waiting.is_empty() && state.to_tell.is_empty()
        };
        if idle || !may_write {
            return Ok(rest);
        }
        if let Some(at) = self.state().send_at.filter(|at| *at > Instant::now()) {
            return Ok(at - Instant::now());
        }
        let step = match self.send_own(portal).await? {
            Step::Next => self.tell_readings(portal).await?,
            wait => wait,
        };
        Ok(match step {
            Step::Next => {
                self.state().send_failures = 0;
                rest
            }
            Step::Wait(wait) => {
                self.state().send_at = Some(Instant::now() + wait);
                wait
            }
        })
    }

    async fn send_own(&self, portal: &Portal) -> Result<Step, StoreError> {
        let mut waiting = Vec::new();
        let ids: Vec<Id> = self.state().waiting.iter().copied().collect();
        for id in ids {
            let row = self.0.store.messages().get(MessageBox::Out, id).await?;
            match row.as_ref().and_then(kept::outgoing) {
                Some(own) if !own.state.is_over() => waiting.push(own),
                _ => {
                    self.state().waiting.remove(&id);
                }
            }
        }
        waiting.sort_by_key(|own| (own.at, own.id));
        for own in waiting {
            // Asked before each: a consent that is withdrawn counts at once.
            if !self.consented().await {
                return Ok(Step::Next);
            }
            match self.try_one(portal, own).await? {
                Step::Next => {}
                wait => return Ok(wait),
            }
        }
        Ok(Step::Next)
    }

    async fn consented(&self) -> bool {
        let hook = self.hooks().may_send.clone();
        match hook {
            Some(may_send) => may_send().await,
            None => false,
        }
    }

    async fn try_one(&self, portal: &Portal, own: Outgoing) -> Result<Step, StoreError> {
        let tries = match own.state {
            OutgoingState::Tried(tries) => tries.saturating_add(1),
            _ => 1,
        };
        let own = {
            let _turn = self.0.changing.lock().await;
            // Somebody may have taken it back just now.
            let there = self.0.store.messages().get(MessageBox::Out, own.id).await?;
            if there.as_ref().and_then(kept::outgoing).is_none_or(|there| there.state.is_over()) {
                return Ok(Step::Next);
            }
            self.keep(own, OutgoingState::Tried(tries)).await?
        };
        let notification = OwnNotification {
            kind: own.kind,
            text: own.text.clone(),
            at: Some(own.at).filter(|at| *at != UNKNOWN),
            account_number: own.account_number.clone(),
        };
        let state = match post_notification::call(portal, own.id, &notification).await {
            Ok(answer) => OutgoingState::Taken(answer.id),
            Err(CallError::Refused(problem)) if problem.code == "forbidden-scope" => {
                // Nothing is wrong with the message: the owner did not allow the hub to send any.
                return Ok(self.failed(None, "the portal does not let this hub send messages"));
            }
            Err(CallError::Refused(problem)) if problem.status != 401 => {
                OutgoingState::Refused(tame(&format!("{} {}", problem.title, problem.detail), 300).trim().to_owned())
            }
            Err(error) => return Ok(self.failed(Some(&error), "")),
        };
        let _turn = self.0.changing.lock().await;
        self.keep(own, state).await?;
        self.tidy().await?;
        let mut state = self.state();
        (state.send_failures, state.trouble) = (0, None);
        Ok(Step::Next)
    }

    async fn tell_readings(&self, portal: &Portal) -> Result<Step, StoreError> {
        let ids: Vec<Id> = self.state().to_tell.iter().copied().collect();
        for id in ids {
            let row = self.0.store.messages().get(MessageBox::In, id).await?;
            let message = row.as_ref().and_then(kept::message).filter(|message| message.to_tell);
            let Some(portal_id) = message.and_then(|message| message.portal_id) else {
                self.state().to_tell.remove(&id);
                continue;
            };
            match mark_notification_read::call(portal, &portal_id).await {
                // One that is not there any more is nobody's to read, and one that cannot be marked stays as it is there.
                Ok(()) | Err(CallError::NotFound) => self.told_of_reading(id).await?,
                Err(CallError::Refused(problem)) if problem.code == "forbidden-scope" => {
                    return Ok(self.failed(None, "the portal does not let this hub mark messages as read"));
                }
                Err(CallError::Refused(_)) => self.told_of_reading(id).await?,
                Err(error) => return Ok(self.failed(Some(&error), "")),
            }
        }
        Ok(Step::Next)
    }

    fn failed(&self, error: Option<&CallError>, why: &str) -> Step {
        let asked = match error {
            Some(CallError::RetryLater { after, .. }) => *after,
            _ => None,
        };
        let mut state = self.state();
        let failures = state.send_failures;
        state.send_failures = failures.saturating_add(1);
        let why = error.map_or_else(|| why.to_owned(), ToString::to_string);
        tracing::info!("messages wait: {why}");
        state.trouble = Some(why);
        drop(state);
        Step::Wait(self.backoff(failures, asked))
    }

    /// A message that is too old says something that is not so any more. One that was tried may be there: it ends all the
    /// same, and is not sent again.
    async fn expire(&self) -> Result<(), StoreError> {
        let Some(now) = self.0.clock.trusted() else { return Ok(()) };
        let good_for = i64::try_from(self.0.pace.good_for.as_millis()).unwrap_or(i64::MAX);
        let ids: Vec<Id> = self.state().waiting.iter().copied().collect();
        for id in ids {
            let _turn = self.0.changing.lock().await;
            let row = self.0.store.messages().get(MessageBox::Out, id).await?;
            if let Some(own) = row.as_ref().and_then(kept::outgoing)
                && !own.state.is_over()
            {
                if own.at == UNKNOWN && own.state == OutgoingState::Waiting {
                    // It is as old as the knowledge of what time it is. One that was tried stays as it was told.
                    let own = Outgoing { at: now, ..own };
                    self.keep(own, OutgoingState::Waiting).await?;
                } else if own.at != UNKNOWN && now.0.saturating_sub(own.at.0) > good_for {
                    self.keep(own, OutgoingState::Expired).await?;
                }
            }
        }
        Ok(())
    }

    async fn keep(&self, own: Outgoing, state: OutgoingState) -> Result<Outgoing, StoreError> {
        let own = Outgoing { state, ..own };
        self.0.store.messages().put(MessageBox::Out, &[kept::row_of_outgoing(&own)], None).await?;
        if own.state.is_over() {
            self.state().waiting.remove(&own.id);
        }
        self.changed();
        Ok(own)
    }

    /// Forgets the oldest of those that are over.
    async fn tidy(&self) -> Result<(), StoreError> {
        let most = u32::try_from(KEPT_OWN + MAX_WAITING).unwrap_or(u32::MAX);
        let shelf = self.0.store.messages();
        let rows = shelf.before(MessageBox::Out, None, most.saturating_add(64)).await?;
        let over = rows.iter().filter(|row| kept::outgoing(row).is_none_or(|own| own.state.is_over()));
        for row in over.skip(KEPT_OWN) {
            shelf.remove(MessageBox::Out, row.id).await?;
        }
        Ok(())
    }
}

/// The portal wants a UUID; this is one of our own making (RFC 9562 5.8).
fn as_uuid(id: Id) -> Id {
    Id(uuid::Builder::from_custom_bytes(id.0).into_uuid().into_bytes())
}
