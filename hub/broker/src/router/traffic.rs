//! Messages through the router: into the queues, out of them, and acknowledged.

use std::{num::NonZeroU32, sync::Arc};

use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use super::{Claim, Router, State};
use crate::{
    counters::{add, count},
    message::Message,
    outbox::{Delivery, Outgoing, QueueBounds},
    retained::Step,
    session::Incoming2,
};

/// What a client says of a message in flight to it.
#[derive(Clone, Copy)]
pub(crate) enum Acknowledgement {
    PubAck(u16),
    PubRec {
        id: u16,
        accepted: bool,
    },
    PubComp(u16),
    /// Not from the client: the packet could not be sent.
    Abandon(u16),
}

/// Retained entries looked at under one lock.
const CURSOR_BUDGET: usize = 4096;

impl<A> Router<A> {
    /// Stores what is to be retained and queues each message for every session that wants it.
    pub(crate) fn route(&self, messages: impl IntoIterator<Item = Arc<Message>>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut matched = Vec::new();
        for message in messages {
            count(&self.tally.routed);
            if message.publish.retain && !state.retained.set(&message) {
                count(&self.tally.retained_refused);
            }
            state.subscriptions.visit(&message.publish.topic, &mut |session, subscription| {
                if !(subscription.no_local && message.publisher == Some(session)) {
                    matched.push((session, *subscription));
                }
            });
            // One copy per session, at the highest QoS of its matching filters, with all their identifiers (3.3.4).
            matched.sort_unstable_by_key(|(session, _)| *session);
            for group in matched.chunk_by(|(a, _), (b, _)| a == b) {
                let Some((session, _)) = group.first() else { continue };
                let granted = group.iter().map(|(_, s)| s.qos).max().unwrap_or(QoS::AtMostOnce);
                let delivery = Delivery {
                    message: message.clone(),
                    qos: granted.min(message.publish.qos),
                    retain: message.publish.retain && group.iter().any(|(_, s)| s.retain_as_published),
                    identifiers: group.iter().filter_map(|(_, s)| s.identifier).collect(),
                    share: None,
                };
                state.enqueue(*session, delivery, self);
            }
            matched.clear();
            state.route_shared(&message, self);
        }
    }

    /// Takes what is to be written next, up to about `room` bytes. True if more waits for nothing but room.
    pub(crate) fn pull(&self, claim: &Claim, room: usize, out: &mut Vec<Outgoing>) -> bool {
        let now = Instant::now();
        let mut guard = self.lock();
        let State { sessions, retained, queued_bytes, .. } = &mut *guard;
        let Some(session) = sessions.get_mut(&claim.session).filter(|s| s.is_served_by(&claim.link)) else {
            return false;
        };
        let mut left = room;
        let mut put = |outgoing: Outgoing| {
            left = left.saturating_sub(match &outgoing {
                Outgoing::Publish { delivery, .. } => delivery.message.bytes,
                Outgoing::PubRel(_) | Outgoing::PubRec(_) => 4,
            });
            out.push(outgoing);
            left > 0
        };
        while let Some(id) = session.pubrec_due.pop_front() {
            put(Outgoing::PubRec(id));
        }
        while let Some(repeat) = session.outbox.next_repeat() {
            if !put(repeat) {
                return true;
            }
        }
        if session.outbox.repeats_left() {
            return false;
        }
        let mut budget = CURSOR_BUDGET;
        while let Some(cursor) = session.cursors.front_mut() {
            if cursor.subscription.qos != QoS::AtMostOnce && !session.outbox.has_room_in_flight() {
                return false;
            }
            let subscription = cursor.subscription;
            match retained.next(cursor, &mut budget, now) {
                Step::Found(message) if subscription.no_local && message.publisher == Some(claim.session) => {}
                Step::Found(message) => {
                    let qos = subscription.qos.min(message.publish.qos);
                    let identifiers: Vec<NonZeroU32> = subscription.identifier.into_iter().collect();
                    if !put(session.outbox.send(Delivery { message, qos, retain: true, identifiers, share: None })) {
                        return true;
                    }
                }
                Step::Paused => return true,
                Step::End => drop(session.cursors.pop_front()),
            }
        }
        let before = session.outbox.bytes();
        let mut expired = 0;
        let mut more = false;
        while let Some(queued) = session.outbox.next_queued(now, &mut expired) {
            if !put(queued) {
                more = true;
                break;
            }
        }
        *queued_bytes -= before - session.outbox.bytes();
        add(&self.tally.expired_messages, expired as u64);
        more
    }

    pub(crate) fn acknowledge(&self, claim: &Claim, acknowledgement: Acknowledgement) -> bool {
        let known = self.lock().served(claim).is_some_and(|session| match acknowledgement {
            Acknowledgement::PubAck(id) => session.outbox.puback(id),
            Acknowledgement::PubRec { id, accepted } => session.outbox.pubrec(id, accepted),
            Acknowledgement::PubComp(id) => session.outbox.pubcomp(id),
            Acknowledgement::Abandon(id) => {
                session.outbox.abandon(id);
                true
            }
        });
        if !known {
            count(&self.tally.unknown_acks);
        }
        known
    }

    /// Notes a QoS 2 packet id as being taken in. Returns what the session knew of it.
    pub(crate) fn begin_qos2(&self, claim: &Claim, id: u16) -> Option<Incoming2> {
        let mut guard = self.lock();
        let session = guard.served(claim)?;
        let known = session.incoming.get(&id).copied();
        session.incoming.entry(id).or_insert(Incoming2::Uncommitted);
        known
    }

    /// The message of a QoS 2 packet id is durable, or will never be. True if the caller's own connection is to send
    /// the PUBREC; if another connection serves the session by now, that one is told.
    pub(crate) fn settle_qos2(&self, claim: &Claim, id: u16, received: bool) -> bool {
        let mut guard = self.lock();
        let Some(session) = guard.sessions.get_mut(&claim.session) else { return false };
        if !received {
            session.incoming.remove(&id);
            return session.is_served_by(&claim.link);
        }
        session.incoming.insert(id, Incoming2::Received);
        if session.is_served_by(&claim.link) {
            return true;
        }
        if let Some(other) = &session.link {
            session.pubrec_due.push_back(id);
            other.bell.notify_one();
        }
        false
    }

    /// PUBREL. False if the id is not held, or its message is not durable yet and so cannot have been acknowledged.
    pub(crate) fn release_qos2(&self, claim: &Claim, id: u16) -> bool {
        let mut guard = self.lock();
        let Some(session) = guard.served(claim) else { return false };
        session.incoming.get(&id) == Some(&Incoming2::Received) && session.incoming.remove(&id).is_some()
    }
}

impl<A> State<A> {
    pub(super) fn enqueue(&mut self, session: u64, delivery: Delivery, router: &Router<A>) {
        let Some(session) = self.sessions.get_mut(&session) else { return };
        if session.link.is_none() && delivery.qos == QoS::AtMostOnce {
            return;
        }
        let settings = &router.settings;
        let before = session.outbox.bytes();
        let total_left = settings.queue_bytes_total.saturating_sub(self.queued_bytes);
        let bounds = QueueBounds {
            messages: settings.queue_messages_per_session,
            bytes: settings.queue_bytes_per_session.min(before + total_left),
        };
        add(&router.tally.queue_dropped, session.outbox.push(delivery, bounds) as u64);
        self.queued_bytes = self.queued_bytes + session.outbox.bytes() - before;
        if let Some(link) = &session.link {
            link.bell.notify_one();
        }
    }
}
