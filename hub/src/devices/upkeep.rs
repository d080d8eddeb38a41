//! What people have to see to so that devices go on being heard: cards and credentials that do not open, and certificates
//! that end. It tells, and mends nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use domovoi_model::Timestamp;
use domovoi_store::{Notice, StoreError};
use tokio::sync::watch;

use super::Inner;
use crate::bus::Event;

/// So often it is looked at; and again after so long where it could not be kept.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(60);

/// A device takes its new certificate from a person: so long before its end that one is told.
const TOLD_BEFORE_MILLIS: i64 = 30 * 86_400_000;

/// Under this and a user name stands the notice about a certificate.
const ENDS: &str = "credential-ends:";

/// What did not open when the house did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Damaged {
    pub cards: usize,
    pub credentials: usize,
}

impl Inner {
    /// Looks and tells until `stop` turns true.
    pub(super) async fn keep_up(&self, mut stop: watch::Receiver<bool>) {
        let mut is_told = false;
        loop {
            let looked = self.look_after(&mut is_told).await;
            if let Err(error) = &looked {
                tracing::warn!("what devices need of people cannot be told yet: {error}");
            }
            tokio::select! {
                () = tokio::time::sleep(if looked.is_ok() { LOOK_EVERY } else { AGAIN }) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn look_after(&self, is_told: &mut bool) -> Result<(), StoreError> {
        if !*is_told {
            self.tell_of_damage(self.damaged).await?;
            *is_told = true;
        }
        self.look_at_certificates().await
    }

    pub(super) async fn tell_of_damage(&self, damaged: Damaged) -> Result<(), StoreError> {
        for (count, kind) in [(damaged.cards, "devices_damaged"), (damaged.credentials, "credentials_damaged")] {
            if count > 0 {
                self.tell_people(kind, kind, &[("count", &count.to_string())]).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn look_at_certificates(&self) -> Result<(), StoreError> {
        // While nobody knows the time nothing ends.
        let Some(now) = self.clock.trusted() else { return Ok(()) };
        let notices = self.store.notices();
        let mut due: BTreeMap<String, (&str, String, String)> = BTreeMap::new();
        for info in self.store.credentials().list().await? {
            if let Some(tied) = info.certificate.filter(|tied| tied.ends_at.0 - now.0 < TOLD_BEFORE_MILLIS) {
                let kind = if tied.ends_at > now { "credential_ending" } else { "credential_ended" };
                due.insert(format!("{ENDS}{}", info.username), (kind, info.username, day(tied.ends_at)));
            }
        }
        for open in notices.open().await? {
            let stale = due.get(&open.key).is_none_or(|(kind, _, until)| {
                open.notice.kind != *kind || !open.notice.params.iter().any(|(_, value)| value == until)
            });
            if open.key.starts_with(ENDS) && stale {
                notices.clear(&open.key).await?;
                self.bus.tell(Event::Notice(open.key.into()));
            }
        }
        for (key, (kind, name, until)) in due {
            self.tell_people(&key, kind, &[("name", &name), ("until", &until)]).await?;
        }
        Ok(())
    }

    async fn tell_people(&self, key: &str, kind: &str, params: &[(&str, &str)]) -> Result<(), StoreError> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let notice = Notice { kind: kind.to_owned(), params, at: self.clock.moment() };
        if self.store.notices().raise(key, &notice).await? {
            self.bus.tell(Event::Notice(key.into()));
        }
        Ok(())
    }
}

/// `2026-11-21`, in UTC: a day more or less is nothing in a month.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
