//! What the owner must know of a cloud: that it has to be linked again, that it has been away for long, that something of it
//! has vanished. Each is taken back when it is over.

use std::sync::PoisonError;
use std::time::Duration;

use domovoi_store::{Notice, StoreError};

use super::Inner;
use super::link::LinkState;
use crate::bus::Event;

/// Shorter absences are the internet's daily bread.
const AWAY: Duration = Duration::from_secs(3600);

impl Inner {
    /// Says what is so now, and takes back what is so no more.
    pub(super) async fn tell_standing(&self) {
        let name = self.cloud.name;
        let state = self.state.borrow().clone();
        let relink = match &state {
            LinkState::RelinkNeeded { why } | LinkState::Ending { why, .. } => Some(why.clone()),
            _ => None,
        };
        let away = {
            let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            let since = looked.failing_since.filter(|since| since.elapsed() >= AWAY && state.works());
            since.and(looked.trouble.clone())
        };
        let told = async {
            self.say("cloud_relink", &format!("cloud-relink:{name}"), relink.as_deref()).await?;
            self.say("cloud_away", &format!("cloud-away:{name}"), away.as_deref()).await
        };
        if let Err(error) = told.await {
            tracing::warn!("notices of a maker's cloud wait for the store: {error}");
        }
    }

    /// The store is asked only when this is another than before: it is looked once a minute.
    async fn say(&self, kind: &str, key: &str, why: Option<&str>) -> Result<(), StoreError> {
        let before = self.said.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
        if before == Some(why.is_some()) {
            return Ok(());
        }
        match why {
            Some(why) => self.raise(kind, key, "why", why).await?,
            None => self.clear(key).await?,
        }
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), why.is_some());
        Ok(())
    }

    /// A thing that the household took is not there any more, or is there again.
    pub(super) async fn tell_vanished(&self, id: &str, is_gone: bool) {
        let device = self.device(id);
        let key = format!("cloud-vanished:{device}");
        let name = {
            let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            things.known.get(id).map_or_else(String::new, |thing| thing.name.clone())
        };
        let is_taken = self.hooks.get().is_some_and(|hooks| (hooks.is_taken)(&device));
        let told = match (is_gone, is_taken) {
            (true, true) => self.raise("cloud_vanished", &key, "name", &name).await,
            (true, false) => Ok(()),
            (false, _) => self.clear(&key).await,
        };
        if let Err(error) = told {
            tracing::warn!("a notice of a maker's cloud waits for the store: {error}");
        }
    }

    /// Nothing of this cloud is anybody's concern any more.
    pub(super) async fn tell_nothing(&self) {
        let ids: Vec<String> = {
            let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            things.known.keys().cloned().collect()
        };
        let name = self.cloud.name;
        let vanished = ids.iter().map(|id| format!("cloud-vanished:{}", self.device(id)));
        for key in [format!("cloud-relink:{name}"), format!("cloud-away:{name}")].into_iter().chain(vanished) {
            if let Err(error) = self.clear(&key).await {
                tracing::warn!("a notice of a maker's cloud is not taken back: {error}");
            }
        }
    }

    async fn raise(&self, kind: &str, key: &str, name: &str, value: &str) -> Result<(), StoreError> {
        let value: String = value.chars().take(300).collect();
        let params = vec![("cloud".to_owned(), self.cloud.name.to_owned()), (name.to_owned(), value)];
        let notice = Notice { kind: kind.to_owned(), params, at: self.clock.moment() };
        if self.store.notices().raise(key, &notice).await? {
            tracing::warn!(kind, "notice raised: see `domovoi notices`");
            self.bus.tell(Event::Notice(key.into()));
        }
        Ok(())
    }

    async fn clear(&self, key: &str) -> Result<(), StoreError> {
        if self.store.notices().clear(key).await? {
            self.bus.tell(Event::Notice(key.into()));
        }
        Ok(())
    }
}
