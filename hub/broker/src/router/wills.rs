//! Wills that have fallen due, until what they say is kept.
//!
//! A will becomes a message like any other, and nobody is there to send it again: so one that could not be kept waits
//! and is tried again, like a will whose delay has not run out; its client's return ends it. How it is published, and
//! whether it may be, is not known here.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{Router, State};
use crate::{
    counters::count,
    record::Record,
    session::{Identity, Will},
};

/// How long a will rests that could not be kept.
const TRY_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Due<A> {
    waiting: Vec<(Instant, Will<A>)>,
    /// That could not be kept, with the moment of the next attempt.
    resting: Vec<(Instant, Will<A>)>,
    resting_bytes: usize,
    /// Messages by now, by the numbers of the wills.
    on_the_way: HashMap<u64, Will<A>>,
}

impl<A> Default for Due<A> {
    fn default() -> Self {
        Self { waiting: Vec::new(), resting: Vec::new(), resting_bytes: 0, on_the_way: HashMap::new() }
    }
}

impl<A> Due<A> {
    /// Of a session that ended where nobody could publish it.
    pub(super) fn add(&mut self, will: Will<A>, now: Instant) {
        self.waiting.push((now, will));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Will<A>> {
        self.waiting.iter().chain(&self.resting).map(|(_, will)| will).chain(self.on_the_way.values())
    }

    /// Those to be published now, and when to come again.
    pub(super) fn take(&mut self, now: Instant) -> (Vec<Will<A>>, Option<Instant>) {
        let rested = self.resting.extract_if(.., |(at, _)| *at <= now);
        let due: Vec<_> = self.waiting.drain(..).chain(rested).map(|(_, will)| will).collect();
        self.resting_bytes = self.resting.iter().map(|(_, will)| will.publish.bytes()).sum();
        (due, self.resting.iter().map(|(at, _)| *at).min())
    }
}

impl<A> Router<A> {
    /// A will becomes a message. Returns the number by which [`Router::will_arrives`] knows it.
    pub(crate) fn will_departs(&self, mut will: Will<A>) -> u64 {
        let mut state = self.lock();
        if will.number == 0 {
            will.number = state.log.number();
        }
        let number = will.number;
        state.wills_due.on_the_way.insert(number, will);
        number
    }

    /// What a will said is kept, or could not be.
    pub(crate) fn will_arrives(&self, number: u64, kept: bool) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(will) = state.wills_due.on_the_way.remove(&number) else { return };
        if kept {
            return count(&self.tally.wills_published);
        }
        let identity = will.speaker.identity();
        let session = state.by_client.get(&identity).and_then(|id| state.sessions.get(id));
        if session.is_some_and(|session| session.link.is_some()) {
            state.clear_will(number);
            return state.log.flush();
        }
        let due = &mut state.wills_due;
        let bytes = will.publish.bytes();
        if due.resting_bytes + bytes > self.settings.max_orphaned_bytes {
            count(&self.tally.orphans_dropped);
            state.clear_will(number);
            return state.log.flush();
        }
        due.resting_bytes += bytes;
        if self.keeps {
            let record = will.record();
            state.log.write(&Record::Will(record.clone()));
            state.log.flush();
            state.wills.insert(number, record);
        }
        state.wills_due.resting.push((Instant::now() + TRY_AGAIN, will));
        self.housekeeping.notify_one();
    }
}

impl<A> State<A> {
    /// Nobody is gone any more of whom a will that rests would say so.
    pub(super) fn client_is_back(&mut self, identity: &Identity) {
        let due = &mut self.wills_due;
        let silenced: Vec<_> = due
            .resting
            .extract_if(.., |(_, will)| will.speaker.identity() == *identity)
            .map(|(_, will)| will)
            .collect();
        for will in silenced {
            self.wills_due.resting_bytes -= will.publish.bytes();
            self.clear_will(will.number);
        }
    }
}
