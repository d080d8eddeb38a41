//! What a publish says: from its bytes, through the dialects that read it, to whoever hears of it. No lock is held while it is
//! read. Deliberately records nothing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use domovoi_adapters::{Announcer, Decoded, Envelope, Reading, Rights, Road, Scale};
use domovoi_model::{Moment, Observation};

use super::{Arrival, Back, Ingest, News, Telling, TopicRights};

impl Ingest {
    /// What a publish says, as its dialects read it. `None` if no dialect claims it or it cannot be read.
    pub(super) fn read(
        &self,
        arrival: &Arrival<'_>,
        rights: Option<&TopicRights>,
        received_at: Moment,
    ) -> Option<Vec<Observation>> {
        let &Arrival { road, sender, topic, payload, .. } = arrival;
        // On our own broker nothing is replayed to us: what is to be retained there is as fresh as anything else.
        let retained = arrival.news() == News::Replayed;
        let envelope = Envelope { road, sender, topic, payload, retained, received_at };
        let readings = domovoi_adapters::readings(&envelope, &self.directory());
        if readings.is_empty() {
            self.counters.unclaimed.fetch_add(1, Ordering::Relaxed);
            self.overheard.note(arrival, received_at, false);
            return None;
        }
        self.counters.claimed.fetch_add(1, Ordering::Relaxed);
        let mut all: Option<Vec<Observation>> = None;
        for reading in &readings {
            match (self.read_as(reading, arrival, &envelope, rights), &mut all) {
                (Some(said), Some(all)) => all.extend(said),
                (said, all) => *all = all.take().or(said),
            }
        }
        all
    }

    /// What a publish says, as one dialect reads it. No lock is held meanwhile.
    fn read_as(
        &self,
        reading: &Reading,
        arrival: &Arrival<'_>,
        envelope: &Envelope<'_>,
        rights: Option<&TopicRights>,
    ) -> Option<Vec<Observation>> {
        let &Arrival { road, sender, topic, payload, .. } = arrival;
        let (dialect, received_at, news) = (reading.dialect, envelope.received_at, arrival.news());
        let directory = self.directory();
        let mut decoded = match (dialect.decode)(&reading.claim, envelope, &directory) {
            Ok(decoded) => decoded,
            Err(_) if reading.only_hazards => return None,
            Err(error) => {
                self.misread(envelope, &error.0);
                return None;
            }
        };
        if reading.only_hazards {
            decoded.observations.retain(|observation| observation.hazard.is_some());
            decoded = Decoded { observations: decoded.observations, ..Decoded::default() };
        }
        super::dated::date(&mut decoded, &directory);
        if dialect.name == "mapping" {
            self.overheard.note(arrival, received_at, true);
        }
        if let Some(felt) = self.hooks.felt.get() {
            // What was said weeks ago has a way of its own.
            let counts = |one: &&Observation| {
                road != Road::External || news == News::Replayed || self.twice.counts(arrival, one)
            };
            decoded.observations.iter().filter(counts).for_each(|observation| felt(observation, received_at, news));
        }
        let (mut believed, mut changed) = (Vec::new(), Vec::new());
        if decoded.announcements.is_empty() {
            drop(directory);
        } else {
            let _turn = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.directory();
            // Something was learnt meanwhile, perhaps of the same device: what is announced now must not undo it.
            if !Arc::ptr_eq(&now, &directory) {
                let claim = (dialect.claim)(envelope, &now)?;
                decoded = (dialect.decode)(&claim, envelope, &now).ok()?;
                super::dated::date(&mut decoded, &now);
            }
            drop((now, directory));
            let share = payload.len().checked_div(decoded.announcements.len()).unwrap_or_default();
            let by = Announcer {
                road,
                sender,
                scale: rights
                    .map_or(if road == Road::External { Scale::Home } else { Scale::Many }, TopicRights::scale),
                rights: rights.map(|rights| rights as &dyn Rights),
                topic,
                bytes: share,
            };
            (believed, changed) = self.learn(std::mem::take(&mut decoded.announcements), &by, Some(envelope));
        }
        if self.locks.note(&decoded, envelope) {
            self.hooks.lock_is_news();
        }
        for fault in &decoded.faults {
            self.misread(envelope, fault);
        }
        let telling =
            Telling { dialect: dialect.name, road, sender, topic, payload, at: received_at, news, changed: &changed };
        if let (false, Some(reached)) = (decoded.reached.is_empty(), self.hooks.reached.get()) {
            reached(&decoded.reached, received_at);
        }
        if let (News::Fresh, Some(back)) = (news, self.hooks.back.get()) {
            let there = decoded.reached.iter().filter(|word| word.available);
            there.for_each(|word| back(Back::Device(&word.device)));
        }
        if let (false, Some(told)) = (believed.is_empty(), self.hooks.told.get()) {
            told(&believed, &telling);
        }
        if let (false, Some(replied)) = (decoded.replies.is_empty(), self.hooks.replied.get()) {
            replied(decoded.replies);
        }
        if !decoded.asks.is_empty() {
            self.say_later(road, dialect.askable(decoded.asks, &self.directory()));
        }
        if let (false, Some(said)) = (decoded.observations.is_empty(), self.hooks.said.get()) {
            said(&decoded.observations, &telling);
        }
        Some(decoded.observations)
    }
}
