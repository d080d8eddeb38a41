//! Whether something can be sent now, and what people are told when not.

use std::time::Duration;

use domovoi_config::Late;
use domovoi_model::Act;
use domovoi_store::StoreError;

use super::Outbox;
use crate::bus::Event;
use crate::portal::calls::{get_accounts, put_hub_key};
use crate::portal::{CallError, LinkState};

impl Outbox {
    /// How long an act must wait although it could be sent: its window has passed, and the supplier's terms say that it
    /// waits for the next one.
    pub(super) fn held_back(&self, act: &Act) -> Option<Duration> {
        let inner = &self.0;
        let register = inner.metering.register();
        let account = register.account(act.account)?;
        let terms = inner.metering.supplier(&account.supplier)?;
        if terms.late == Late::Send {
            return None;
        }
        // Whether a window is open cannot be told without a clock: then it is not.
        let Some(now) = inner.clock.trusted() else { return Some(inner.pace.first_retry) };
        let resources: Vec<_> = act.readings.iter().map(|reading| reading.resource).collect();
        let open = terms.day_at(now).and_then(|today| terms.open_period(today, &resources));
        // Any open window will do: an act of an earlier month goes before that of this one.
        open.is_none().then_some(inner.pace.retry_every)
    }

    /// Whether the act's own window has passed, by a clock that is believed, and its supplier takes nothing late.
    pub(super) fn is_over_for_good(&self, act: &Act) -> bool {
        let register = self.0.metering.register();
        let account = register.account(act.account);
        let Some(terms) = account.and_then(|account| self.0.metering.supplier(&account.supplier)) else { return false };
        if terms.late == Late::Send {
            return false;
        }
        let resources: Vec<_> = act.readings.iter().map(|reading| reading.resource).collect();
        let today = self.0.clock.trusted().and_then(|now| terms.day_at(now));
        let last = terms.days(act.period, &resources).map(|(_, last)| last);
        matches!((today, last), (Some(today), Some(last)) if today > last)
    }

    /// Whether acts can be sent at all; people are told when not. Registers the key for acts where that is due.
    pub(super) async fn link_is_good(&self) -> Result<bool, StoreError> {
        let inner = &self.0;
        let tell = async |kind: &str| -> Result<(), StoreError> {
            let others = ["relink_needed", "not_linked", "account_pending", "account_blocked"];
            for other in others.into_iter().filter(|other| *other != kind) {
                inner.store.notices().clear(&format!("link:{other}")).await?;
            }
            if !kind.is_empty() {
                self.raise(&format!("link:{kind}"), kind, &[]).await?;
            }
            Ok(())
        };
        let since = match inner.portal.status() {
            LinkState::Linked { since, .. } => since,
            LinkState::Linking => return Ok(false),
            LinkState::Unlinked => {
                tell("not_linked").await?;
                return Ok(false);
            }
            LinkState::RelinkNeeded { .. } => {
                tell("relink_needed").await?;
                return Ok(false);
            }
            state @ (LinkState::AccountPending | LinkState::AccountBlocked { .. }) => {
                tell(if state == LinkState::AccountPending { "account_pending" } else { "account_blocked" }).await?;
                // A cheap question tells whether the account is well again; `Portal` notes it.
                if let Err(error) = get_accounts::call(&inner.portal).await {
                    tracing::info!("{error}");
                    return Ok(false);
                }
                return Ok(matches!(inner.portal.status(), LinkState::Linked { .. }));
            }
        };
        tell("").await?;
        let mut registered = inner.registered.lock().await;
        if *registered == Some(since) {
            return Ok(true);
        }
        match put_hub_key::call(&inner.portal, inner.metering.verifying_key()).await {
            Ok(()) => {
                *registered = Some(since);
                for mended in ["key_refused", "scope_missing"] {
                    inner.store.notices().clear(&format!("link:{mended}")).await?;
                }
                Ok(true)
            }
            Err(error) => {
                tracing::warn!("the key for acts could not be registered: {error}");
                inner.portal.note_trouble(Some(&error));
                if let CallError::Refused(problem) = &error {
                    let kind = if problem.code == "forbidden-scope" { "scope_missing" } else { "key_refused" };
                    self.raise(&format!("link:{kind}"), kind, &[("why", &problem.title)]).await?;
                }
                Ok(false)
            }
        }
    }

    pub(super) async fn notice(&self, act: &Act, kind: &str, more: &[(&str, &str)]) -> Result<(), StoreError> {
        let period = act.period.to_string();
        let id = act.id.to_string();
        let mut params = vec![("act", id.as_str()), ("period", period.as_str())];
        params.extend_from_slice(more);
        let key = match more.iter().find(|(name, _)| *name == "serial") {
            Some((_, serial)) => format!("{kind}:{}:{serial}", act.id),
            None => format!("{kind}:{}", act.id),
        };
        self.raise(&key, kind, &params).await
    }

    pub(super) async fn raise(&self, key: &str, kind: &str, params: &[(&str, &str)]) -> Result<(), StoreError> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let notice = domovoi_store::Notice { kind: kind.to_owned(), params, at: self.0.clock.moment() };
        if self.0.store.notices().raise(key, &notice).await? {
            tracing::warn!(kind, "notice raised: see `domovoi notices`");
            self.0.bus.tell(Event::Notice(key.into()));
        }
        Ok(())
    }
}
