//! What the room does beside the reflex, when nothing is dangerous: it tells people of what has gone mute before it is needed,
//! and keeps rules under the ids that devices have now.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use domovoi_adapters::dialect;
use domovoi_model::{Command, CommandTarget, DeviceRef};
use domovoi_store::Notice;

use super::home::{Home, Organ};
use super::record::device_key;
use super::rule::Answer;
use super::{LOOK_EVERY, Safety, Standing, kept, mute};
use crate::bus::Event;

/// Devices that a bridge describes anew come in within so long after a start; what is missing then is missing.
const DESCRIBED_IN: Duration = Duration::from_secs(120);

impl Safety {
    /// Tells people of rules and devices that have gone mute, and takes it back when they are there again.
    pub(super) async fn keep_up(&self) {
        let mut guards: BTreeSet<DeviceRef> = BTreeSet::new();
        let mut told: Option<mute::Mute> = None;
        let began = std::time::Instant::now();
        loop {
            let standing = self.standing();
            let home = &standing.home;
            guards.extend(mute::guards(home).cloned());
            guards.retain(|device| home.find(device).is_some());
            if began.elapsed() >= DESCRIBED_IN {
                let moved = self.moved(&standing);
                let now = mute::mute(&standing.rules, home, &guards, &moved);
                if self.tell_what_is_mute(told.as_ref(), &now, &standing).await {
                    told = Some(now);
                }
            }
            // Whatever wakes it, the next look is the same.
            let _ = tokio::time::timeout(LOOK_EVERY, self.0.changed.notified()).await;
            self.keep_under_new_ids().await;
        }
    }

    /// Whether all of it could be kept.
    async fn tell_what_is_mute(&self, told: Option<&mute::Mute>, now: &mute::Mute, standing: &Standing) -> bool {
        let mut all_well = true;
        let before = match told {
            Some(told) => told.keys().cloned().collect(),
            None => match self.told_before(standing).await {
                Ok(before) => before,
                Err(error) => {
                    tracing::warn!("the notices of before cannot be read: {error}");
                    return false;
                }
            },
        };
        for key in before.iter().filter(|key| !now.contains_key(*key)) {
            all_well &= self.notice(key, None).await;
        }
        for (key, (kind, name)) in now {
            if told.is_none_or(|told| !told.contains_key(key)) {
                all_well &= self.notice(key, Some((kind, name))).await;
            }
        }
        all_well
    }

    /// What was told before a restart: of what is mute, and of devices that do not answer and that nobody pursues now.
    async fn told_before(&self, standing: &Standing) -> Result<Vec<String>, domovoi_store::StoreError> {
        let pursued: BTreeSet<String> =
            standing.pursuits.iter().map(|(place, ..)| device_key("unanswered", place)).collect();
        let open = self.0.store.notices().open().await?;
        let is_ours = |key: &String| {
            mute::PREFIXES.iter().any(|prefix| key.starts_with(prefix))
                || (key.starts_with("unanswered:") && !pursued.contains(key))
        };
        Ok(open.into_iter().map(|one| one.key).filter(is_ours).collect())
    }

    /// What would be told something in danger where nobody has agreed to.
    fn moved(&self, standing: &Standing) -> Vec<DeviceRef> {
        let home: &Home = &standing.home;
        let organs = [Organ::Valve, Organ::Siren].into_iter().flat_map(|organ| home.organs(organ, None));
        let named = standing.rules.iter().filter(|rule| rule.is_on).flat_map(|rule| &rule.answers);
        let named = named.filter_map(|answer| match answer {
            Answer::Set(place, value) => Some((place, value)),
            _ => None,
        });
        let directory = self.0.ingest.directory();
        let is_moved = |(place, value): &(&super::Place, &domovoi_model::Value)| {
            let target = CommandTarget { device: place.device.clone(), property: place.property.clone() };
            let command = Command { target, value: (*value).clone() };
            let said = dialect(&place.device.dialect).and_then(|dialect| dialect.say(&command, &directory).ok());
            let ours = home.find(&place.device).filter(|device| device.accepted);
            said.zip(ours).is_some_and(|(said, ours)| ours.not_agreed(&said, &directory).is_some())
        };
        let moved: BTreeSet<DeviceRef> =
            organs.chain(named).filter(is_moved).map(|(place, _)| place.device.clone()).collect();
        moved.into_iter().collect()
    }

    /// The reflex has renamed them already.
    async fn keep_under_new_ids(&self) {
        let renamed = std::mem::take(&mut *self.0.renamed.lock().unwrap_or_else(PoisonError::into_inner));
        if renamed.is_empty() {
            return;
        }
        let _editing = self.0.editing.lock().await;
        let is_named = |device: &DeviceRef| renamed.iter().any(|(_, after)| after == device);
        let rules = self.standing().rules.clone();
        for rule in rules.iter().filter(|rule| rule.named().any(is_named)) {
            if let Err(error) = self.0.store.safety().put_rule(&kept::rule_row(rule)).await {
                tracing::warn!("a rule cannot be kept under a device's new id: {error}");
                self.0.renamed.lock().unwrap_or_else(PoisonError::into_inner).extend(renamed);
                return;
            }
        }
    }

    /// Raises a notice about something with a name, or takes it back; whether that could be kept.
    async fn notice(&self, key: &str, told: Option<(&str, &str)>) -> bool {
        let outcome = match told {
            Some((kind, name)) => {
                let params = vec![("name".to_owned(), name.to_owned())];
                let notice = Notice { kind: kind.to_owned(), params, at: self.0.clock.moment() };
                self.0.store.notices().raise(key, &notice).await
            }
            None => self.0.store.notices().clear(key).await,
        };
        match &outcome {
            Ok(true) => self.0.bus.tell(Event::Notice(key.into())),
            Ok(false) => {}
            Err(error) => tracing::warn!("a notice of the reflex cannot be kept: {error}"),
        }
        outcome.is_ok()
    }
}
