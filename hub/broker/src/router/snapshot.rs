//! The whole state as frames, so that the log can be written anew: when it has grown past what it tells, and when it
//! has a hole.
//!
//! Under the lock only handles are collected; encoding happens outside, a frame at a time.

use std::{collections::BTreeMap, sync::Arc};

use bytestring::ByteString;

use super::{
    Router, State,
    forward::{Planned, message_record, receiver},
    log::Log,
};
use crate::{
    message::Message,
    outbox::Held,
    record::{self, Receiver, Record},
    session::Incoming2,
    storage::Torn,
    tree::Subscription,
};

/// Growth below which nobody thinks about a rewrite.
const SMALL_BYTES: usize = 1 << 20;
/// Where a frame of a rewrite ends and the next begins.
const FRAME_BYTES: usize = 64 << 10;

#[derive(Default)]
struct Snapshot {
    up_to: u64,
    /// Up to here the log had no hole.
    whole_to: u64,
    grown_bytes: usize,
    /// What stands before messages: sessions and subscriptions.
    sessions: Vec<Record>,
    retained: Vec<(u64, Arc<Message>)>,
    cursors: Vec<(u64, ByteString, Subscription, Option<ByteString>, u64)>,
    messages: BTreeMap<u64, (Arc<Message>, bool, Vec<Receiver>)>,
    /// What refers to messages, and wills.
    rest: Vec<Record>,
}

impl Log {
    /// Whether the log is worth a rewrite, or needs one.
    fn is_due(&self) -> bool {
        self.keeps
            && !self.rewriting
            && (self.storage.is_torn() || self.grown_bytes > SMALL_BYTES.max(self.live_bytes.saturating_mul(2)))
    }
}

impl<A> Router<A> {
    /// What is taken in and planned within `work` is kept together.
    pub(crate) fn together(&self, work: &mut dyn FnMut()) {
        self.storage.together(work);
    }

    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether a rewrite is due. One who is told so makes it: nobody else is told until it is done.
    pub(crate) fn claims_rewrite(&self) -> bool {
        let mut state = self.lock();
        let due = state.log.is_due();
        state.log.rewriting |= due;
        due
    }

    /// Writes the log anew from memory.
    pub(crate) async fn rewrite(&self) -> Result<(), Torn> {
        let _claim = Rewriting(self);
        let snapshot = self.lock().snapshot();
        let (up_to, whole_to, grown_bytes) = (snapshot.up_to, snapshot.whole_to, snapshot.grown_bytes);
        let frames = self.encode(snapshot).await;
        let live_bytes = frames.iter().map(Vec::len).sum();
        self.storage.rewrite(up_to, whole_to, frames).await?;
        let mut state = self.lock();
        state.log.live_bytes = live_bytes;
        state.log.grown_bytes = state.log.grown_bytes.saturating_sub(grown_bytes);
        Ok(())
    }

    async fn encode(&self, mut snapshot: Snapshot) -> Vec<Vec<u8>> {
        let mut frames = Frames::default();
        for record in snapshot.sessions {
            frames.put(&record).await;
        }
        snapshot.retained.sort_unstable_by_key(|(number, _)| *number);
        for (_, message) in &snapshot.retained {
            frames.put(&self.message(message, 0, true, Vec::new())).await;
        }
        for (session, filter, subscription, after, until) in snapshot.cursors {
            let until = snapshot.retained.partition_point(|(number, _)| *number < until) as u64;
            frames.put(&Record::Cursor { session, filter, subscription, after, until }).await;
        }
        for (number, (message, retained, receivers)) in snapshot.messages {
            frames.put(&self.message(&message, number, retained, receivers)).await;
        }
        for record in snapshot.rest {
            frames.put(&record).await;
        }
        frames.done.into_iter().chain(Some(frames.frame).filter(|frame| !frame.is_empty())).collect()
    }

    fn message(&self, message: &Message, number: u64, retained: bool, receivers: Vec<Receiver>) -> Record {
        let expires = message.expires.and_then(|at| super::log::millis_at(&*self.storage, at));
        Record::Message(Box::new(message_record(message, number, retained, receivers, expires)))
    }
}

/// Lets go of the claim however the rewrite ends, cut off included.
struct Rewriting<'a, A>(&'a Router<A>);

impl<A> Drop for Rewriting<'_, A> {
    fn drop(&mut self) {
        self.0.lock().log.rewriting = false;
    }
}

#[derive(Default)]
struct Frames {
    done: Vec<Vec<u8>>,
    frame: Vec<u8>,
}

impl Frames {
    async fn put(&mut self, record: &Record) {
        if self.frame.is_empty() {
            record::begin(&mut self.frame);
        }
        record.write(&mut self.frame);
        if self.frame.len() >= FRAME_BYTES {
            self.done.push(std::mem::take(&mut self.frame));
            tokio::task::yield_now().await;
        }
    }
}

impl<A> State<A> {
    fn snapshot(&mut self) -> Snapshot {
        let up_to = self.log.last_frame();
        let whole_to = self.log.storage.first_lost().map_or(up_to, |lost| lost.saturating_sub(1).min(up_to));
        let mut snapshot = Snapshot { up_to, whole_to, grown_bytes: self.log.grown_bytes, ..Snapshot::default() };
        for (&id, session) in self.sessions.iter().filter(|(_, session)| session.logged) {
            let ends_at = session.expires_at.and_then(|at| self.log.millis_at(at));
            snapshot.sessions.push(session.record(id, ends_at));
            for (filter, &subscription) in &session.subscriptions {
                let filter = filter.clone();
                snapshot.sessions.push(Record::Subscribed { session: id, filter, subscription, retained: false });
            }
            for cursor in &session.cursors {
                let filter = cursor.filter.clone();
                snapshot.cursors.push((id, filter, cursor.subscription, cursor.after().cloned(), cursor.until()));
            }
            for held in session.outbox.held() {
                let (delivery, exchange) = match held {
                    Held::Queued(delivery) => (delivery, None),
                    Held::InFlight { id, delivery } => (delivery, Some(id)),
                    Held::Releasing { id: packet, number } => {
                        if let Ok(packet) = packet.try_into() {
                            snapshot.rest.push(Record::Releasing { session: id, message: number, id: packet });
                        }
                        continue;
                    }
                };
                if delivery.number == 0 {
                    continue;
                }
                let (_, _, receivers) = snapshot
                    .messages
                    .entry(delivery.number)
                    .or_insert_with(|| (delivery.message.clone(), false, Vec::new()));
                receivers.push(receiver(id, delivery.clone()));
                if let Some(packet) = exchange.and_then(|packet| packet.try_into().ok()) {
                    snapshot.rest.push(Record::Assigned { session: id, message: delivery.number, id: packet });
                }
            }
            for (&packet, state) in &session.incoming {
                if let (Incoming2::Received, Ok(packet)) = (state, packet.try_into()) {
                    snapshot.rest.push(Record::Taken { session: id, message: 0, id: packet });
                }
            }
        }
        snapshot.retained = self.retained.all();
        // What is planned and not settled yet will be kept, if all that was appended is: the storage sees to it that the
        // rewrite does not count before that is known. Behind a hole none of it will be, and written here it would
        // outlive that: an id would count as taken whose message nobody has. Before the hole it may be kept, and its
        // connection not know it yet: it must not be missing here when it is acknowledged.
        let before_a_hole = |planned: &Planned| planned.frame.is_some_and(|frame| frame <= whole_to);
        for (&number, planned) in self.planned.iter().filter(|(_, planned)| before_a_hole(planned)) {
            if let Some(message) = &planned.message {
                let topic = &message.publish.topic;
                let retained = message.publish.retain && self.contests.get(topic).is_none_or(|c| number > c.newest());
                let promised = planned.promised().cloned().collect();
                snapshot.messages.insert(number, (message.clone(), retained, promised));
            }
            if let Some((session, packet)) = planned.taken
                && let Ok(id) = packet.try_into()
            {
                snapshot.rest.push(Record::Taken { message: number, session, id });
            }
        }
        snapshot.rest.extend(self.wills.values().cloned().map(Record::Will));
        snapshot
    }
}
