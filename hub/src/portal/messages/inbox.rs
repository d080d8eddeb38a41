//! Messages of the portal as they are kept here: listed, read, and taken in from a page of the portal.

use domovoi_model::{Id, Timestamp};
use domovoi_store::{MessageBox, StoreError};

use super::kept::{self, PortalMessage};
use super::{KEPT, MessageError, Messages, Reader, polling};
use crate::portal::calls::Notification;

/// A message from the future is one of now: a portal's clock must not pin it to the top for ever.
const AHEAD_MILLIS: i64 = 86_400_000;

impl Messages {
    /// The newest before a place, newest first.
    pub async fn list(
        &self,
        before: Option<(Timestamp, Id)>,
        limit: u32,
        unread_only: bool,
    ) -> Result<Vec<PortalMessage>, MessageError> {
        let limit = limit.clamp(1, 200);
        let shelf = self.0.store.messages();
        if !unread_only {
            let rows = shelf.before(MessageBox::In, before, limit).await?;
            return Ok(rows.iter().filter_map(kept::message).collect());
        }
        let mut found: Vec<PortalMessage> = Vec::new();
        let unread: Vec<Id> = self.state().unread.iter().copied().collect();
        for id in unread {
            if let Some(row) = shelf.get(MessageBox::In, id).await? {
                found.extend(kept::message(&row));
            }
        }
        found.retain(|message| before.is_none_or(|place| (message.at, message.id) < place));
        found.sort_by_key(|message| std::cmp::Reverse((message.at, message.id)));
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// One message.
    pub async fn get(&self, id: Id) -> Result<PortalMessage, MessageError> {
        let row = self.0.store.messages().get(MessageBox::In, id).await?;
        row.as_ref().and_then(kept::message).ok_or(MessageError::NoSuch)
    }

    /// Somebody has read it. The portal is told as soon as that can be.
    pub async fn read(&self, id: Id, by: Reader) -> Result<PortalMessage, MessageError> {
        let _turn = self.0.changing.lock().await;
        let mut message = self.get(id).await?;
        if message.read {
            return Ok(message);
        }
        (message.read, message.read_by) = (true, by);
        message.to_tell = message.portal_id.is_some();
        self.0.store.messages().put(MessageBox::In, &[kept::row_of_message(&message)], None).await?;
        {
            let mut state = self.state();
            state.unread.remove(&id);
            if message.to_tell {
                state.to_tell.insert(id);
                state.send_at = None;
            }
        }
        self.0.woken.notify_one();
        self.was_read(id);
        self.changed();
        Ok(message)
    }

    fn was_read(&self, id: Id) {
        let hook = self.hooks().read.clone();
        if let Some(hook) = hook {
            hook(id);
        }
    }

    /// The portal knows that a message was read, or does not know the message any more.
    pub(super) async fn told_of_reading(&self, id: Id) -> Result<(), StoreError> {
        let _turn = self.0.changing.lock().await;
        let shelf = self.0.store.messages();
        if let Some(mut message) = shelf.get(MessageBox::In, id).await?.as_ref().and_then(kept::message) {
            message.to_tell = false;
            shelf.put(MessageBox::In, &[kept::row_of_message(&message)], None).await?;
        }
        self.state().to_tell.remove(&id);
        Ok(())
    }

    /// Takes a page in, and how far the portal was read with it, in one step. `after`: the cursor that the page was asked with.
    pub(super) async fn take_in(
        &self,
        link: &polling::Link,
        page: Vec<Notification>,
        after: Option<&str>,
        mark: Option<(&str, &str)>,
    ) -> Result<(), StoreError> {
        let _turn = self.0.changing.lock().await;
        let shelf = self.0.store.messages();
        let now = self.0.clock.at_least();
        let (mut rows, mut new, mut read_there) = (Vec::new(), Vec::new(), Vec::new());
        for told in page {
            let at = told.at.filter(|at| at.0 <= now.0.saturating_add(AHEAD_MILLIS)).unwrap_or(now);
            let name = told.id.clone().unwrap_or_else(|| format!("{} {}", at.0, told.text));
            let id = shelf.id_of(&format!("{} {name}", link.whose));
            if let Some(mut known) = shelf.get(MessageBox::In, id).await?.as_ref().and_then(kept::message) {
                // The portal says of one that was read here that it was: nothing is left to tell it.
                if told.read && (!known.read || known.to_tell) {
                    if !known.read {
                        read_there.push(id);
                    }
                    (known.read, known.to_tell) = (true, false);
                    rows.push(kept::row_of_message(&known));
                }
                continue;
            }
            let message = PortalMessage {
                id,
                at,
                kind: told.kind,
                text: told.text,
                account_number: told.account_number,
                read: told.read,
                read_by: None,
                to_tell: false,
                portal_id: told.id,
                after: after.map(str::to_owned),
            };
            rows.push(kept::row_of_message(&message));
            new.push(message);
        }
        if rows.is_empty() && mark.is_none() {
            return Ok(());
        }
        shelf.put(MessageBox::In, &rows, mark).await?;
        {
            let mut state = self.state();
            for id in rows.iter().map(|row| row.id) {
                state.to_tell.remove(&id);
            }
            for id in &read_there {
                state.unread.remove(id);
            }
            state.unread.extend(new.iter().filter(|message| !message.read).map(|message| message.id));
        }
        if !new.is_empty() && shelf.thin(KEPT).await? > 0 {
            self.forget_the_thinned().await?;
        }
        for id in read_there {
            self.was_read(id);
        }
        let hook = self.hooks().new.clone();
        let changed = !rows.is_empty();
        if let Some(hook) = hook {
            for message in new.into_iter().filter(|message| !message.read) {
                hook(message);
            }
        }
        if changed {
            self.changed();
        }
        Ok(())
    }

    async fn forget_the_thinned(&self) -> Result<(), StoreError> {
        let rows = self.0.store.messages().before(MessageBox::In, None, KEPT).await?;
        let there: std::collections::BTreeSet<Id> = rows.into_iter().map(|row| row.id).collect();
        let mut state = self.state();
        state.unread.retain(|id| there.contains(id));
        state.to_tell.retain(|id| there.contains(id));
        Ok(())
    }
}
