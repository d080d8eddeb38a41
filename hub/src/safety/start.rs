//! What the reflex is told when the house begins: what was open before, what sensors said last; and what one house hands to
//! the next where a standby had stood in.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use domovoi_adapters::PropertyInfo;
use domovoi_model::{Observation, Sample, Timestamp};
use domovoi_store::{Notice, StoreError};

use super::Safety;
use super::danger::{Keep, Key, Remembered};
use super::hand::Order;
use super::kept;
use super::reflex::says_no;
use super::rule::{Danger, Place};
use crate::bus::Event;

/// How far back the last words of sensors are looked for after a restart: a danger that was said and not yet answered when
/// the power went.
const LOOKED_BACK: u64 = 20_000;
const LOOKED_BACK_MILLIS: i64 = 3_600_000;

/// The last word is meant, whenever it was: the year 2200.
const ALL_TIME: Timestamp = Timestamp(7_258_118_400_000);

/// Samples read at once.
const AT_ONCE: usize = 2_000;

/// What whoever stood in leaves to the house on the store.
#[derive(Debug, Default)]
pub struct HandOver {
    open: Keep,
    /// It was open in the meantime, and is over; older rows may say otherwise.
    ended: BTreeSet<Key>,
    ended_places: BTreeSet<Place>,
    /// It came when nobody felt any more.
    unfelt: Vec<Observation>,
}

impl Safety {
    /// What was open before a restart, or said and perhaps not answered: its sensors are asked. For the start, when the
    /// devices are known.
    pub async fn remember(&self) {
        let mut kept = match self.0.store.safety().dangers().await {
            Ok((rows, _)) => kept::keep_of(&rows),
            Err(error) => {
                tracing::error!("the dangers that were open cannot be read; their sensors say so again: {error}");
                Keep::default()
            }
        };
        self.0.had.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&kept);
        let ended = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let places = self.0.taken_places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.dangers.retain(|one| !ended.contains(&one.key));
        kept.owed.retain(|owed| !places.contains(&owed.place));
        kept.sounding.retain(|place| !places.contains(place));
        // At once, also if there are none: from now on what is open may be written in their place.
        self.give(Order::Remember(kept));
        match self.said_last().await {
            // What is known to be open already stays as it is.
            Ok(mut said) => {
                said.retain(|one| !ended.contains(&one.key));
                if !said.is_empty() {
                    self.give(Order::Remember(Keep { dangers: said, ..Keep::default() }));
                }
            }
            Err(error) => tracing::warn!("the last words of sensors cannot be read: {error}"),
        }
    }

    /// What is left to the house that takes over. For when this one has stopped.
    pub fn hand_over(&self) -> HandOver {
        let open = self.0.keep.borrow().clone().unwrap_or_default();
        let had = self.0.had.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ended.retain(|key| open.dangers.iter().all(|one| one.key != *key));
        let had_places = had.owed.into_iter().map(|owed| owed.place).chain(had.sounding);
        let is_over =
            |place: &Place| open.owed.iter().all(|owed| owed.place != *place) && !open.sounding.contains(place);
        let ended_places = had_places.filter(is_over).collect();
        let unfelt = self.0.senses.wait(std::time::Duration::ZERO).observations;
        HandOver { open, ended, ended_places, unfelt }
    }

    /// What was open where another stood in until now: its sensors are asked, as after a restart. What the store remembers
    /// is still to be read.
    pub fn take_over(&self, from: HandOver) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = from.ended;
        *self.0.taken_places.lock().unwrap_or_else(PoisonError::into_inner) = from.ended_places;
        self.give(Order::TakeOver(from.open));
        for observation in &from.unfelt {
            self.0.senses.feel(observation, || self.0.clock.ticking_millis());
        }
    }

    pub(super) async fn begin(&self) {
        self.remember().await;
        self.give(Order::Calm(self.said_no().await));
        const KIND: &str = "safety_rules_unreadable";
        if self.0.unreadable {
            let notice = Notice { kind: KIND.to_owned(), params: Vec::new(), at: self.0.clock.moment() };
            match self.0.store.notices().raise(KIND, &notice).await {
                Ok(true) => self.0.bus.tell(Event::Notice(KIND.into())),
                Ok(false) => {}
                Err(error) => tracing::error!("the notice of unreadable rules cannot be kept: {error}"),
            }
        }
    }

    /// The last words of accepted sensors among the latest samples, where they were words of danger and not of long ago.
    pub(super) async fn said_last(&self) -> Result<Vec<Remembered>, StoreError> {
        let standing = self.standing();
        let history = self.0.store.history();
        let last = history.last_seq();
        let mut at = domovoi_store::Seq(last.0.saturating_sub(LOOKED_BACK));
        let mut words: std::collections::HashMap<Place, Sample> = std::collections::HashMap::new();
        loop {
            let found = history.after(at, AT_ONCE).await?;
            let Some(newest) = found.last().map(|recorded| recorded.seq) else { break };
            for recorded in found {
                let place = Place::new(recorded.item.device.clone(), recorded.item.property.clone());
                let is_sensor = standing.home.accepts(&place.device)
                    && standing.home.property(&place).is_some_and(|info| info.hazard.is_some());
                if is_sensor {
                    words.insert(place, recorded.item);
                }
            }
            if newest <= at {
                break;
            }
            at = newest;
        }
        let remembered = |(place, sample): (Place, Sample)| {
            // Without a clock nobody knows how long ago it was: its last word is its last word.
            let age = self.0.clock.trusted().zip(sample.at.wall()).map(|(now, at)| now.0.saturating_sub(at.0));
            if age.is_some_and(|age| age > LOOKED_BACK_MILLIS) {
                return None;
            }
            let info = standing.home.property(&place)?;
            let (danger, warns) = (Danger::of(info.hazard?), info.warns(&sample.value));
            let key = Key { danger, place, test: None };
            warns.then_some(Remembered { key, since: sample.at, value: sample.value, answered: false, hushed: false })
        };
        Ok(words.into_iter().filter_map(remembered).collect())
    }

    /// The accepted sensors whose last word in history was that there is no danger, whenever that was.
    pub(super) async fn said_no(&self) -> Vec<Place> {
        let history = self.0.store.history();
        let standing = self.standing();
        let mut calm = Vec::new();
        for device in standing.home.devices().iter().filter(|device| device.accepted) {
            // What falls back by itself the house has believed to be over, and written down so: no sensor has said it.
            let says_so = |info: &&PropertyInfo| info.hazard.is_some() && info.off_after_s.is_none();
            for property in device.properties.iter().filter(says_so) {
                match history.last_at(&device.device, &property.name, ALL_TIME).await {
                    Ok(last)
                        if last
                            .point
                            .as_ref()
                            .is_some_and(|point| says_no(&point.value) && !property.warns(&point.value)) =>
                    {
                        calm.push(Place::new(device.device.clone(), property.name.clone()));
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(device = %device.device, "its last word cannot be read: {error}"),
                }
            }
        }
        calm
    }
}
