//! Messages through the router: into the queues, out of them, and acknowledged.

use std::num::{NonZeroU16, NonZeroU32};

use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use super::{
    Claim, Router,
    forward::{message_record, receiver},
    log::Log,
};
use crate::{
    counters::{add, count},
    gate::Ending,
    outbox::{Delivery, Outgoing},
    record::Record,
    retained::{Cursor, Retained, Step},
    session::{Incoming2, Session},
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

/// What became of a QoS 2 packet id that a client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    New,
    Known(Incoming2),
    /// There is no room for another: too many are not released, or the log has a hole and would not know it after a
    /// restart, while what the gate keeps of the message might be there.
    Full,
}

/// Retained entries looked at under one lock.
const CURSOR_BUDGET: usize = 4096;

pub(crate) struct Pulled {
    /// More waits for nothing but room.
    pub(crate) more: bool,
    /// What was drawn may be written once the log is settled.
    pub(crate) wait: bool,
}

impl<A> Router<A> {
    /// Takes what is to be written next, up to about `room` bytes.
    pub(crate) fn pull(&self, claim: &Claim, room: usize, out: &mut Vec<Outgoing>) -> Pulled {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(session) = state.sessions.get_mut(&claim.session).filter(|s| s.is_served_by(&claim.link)) else {
            return Pulled { more: false, wait: false };
        };
        let before = session.outbox.bytes();
        let mut draw = Draw {
            session: claim.session,
            logged: session.logged,
            now: Instant::now(),
            left: room,
            out,
            wait: false,
            expired: Vec::new(),
            log: &mut state.log,
        };
        let more = draw.fill(session, &state.retained);
        let Draw { wait, expired, .. } = draw;
        state.queued_bytes -= before - session.outbox.bytes();
        add(&self.tally.expired_messages, expired.len() as u64);
        if wait {
            state.log.flush();
        } else if state.log.arm() {
            self.housekeeping.notify_one();
        }
        Pulled { more, wait }
    }

    /// Whether the exchange is known.
    pub(crate) fn acknowledge(&self, claim: &Claim, acknowledgement: Acknowledgement) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let session = state.sessions.get_mut(&claim.session).filter(|session| session.is_served_by(&claim.link));
        let ended = session.and_then(|session| {
            let outbox = &mut session.outbox;
            let number = match acknowledgement {
                Acknowledgement::PubAck(id) => outbox.puback(id),
                Acknowledgement::PubRec { id, accepted: true } => outbox.pubrec(id),
                Acknowledgement::PubRec { id, accepted: false } => outbox.pubrec_refused(id),
                Acknowledgement::PubComp(id) => outbox.pubcomp(id),
                Acknowledgement::Abandon(id) => outbox.abandon(id),
            };
            number.map(|number| (number, session.logged && number != 0))
        });
        match (ended, acknowledgement) {
            (Some((message, true)), Acknowledgement::PubRec { id, accepted: true }) => {
                if let Some(id) = NonZeroU16::new(id) {
                    state.log.write(&Record::Releasing { session: claim.session, message, id });
                    state.log.flush();
                }
            }
            (Some((message, true)), _) => {
                state.log.linger(&Record::Done { session: claim.session, message });
                if state.log.arm() {
                    self.housekeeping.notify_one();
                }
            }
            (Some(_), _) | (None, Acknowledgement::Abandon(_)) => {}
            (None, _) => count(&self.tally.unknown_acks),
        }
        ended.is_some()
    }

    /// Notes a QoS 2 packet id as being taken in, unless it is known or there are too many that the client does not
    /// release.
    pub(crate) fn begin_qos2(&self, claim: &Claim, id: u16) -> Begun {
        let mut guard = self.lock();
        let Some(session) = guard.served(claim) else { return Begun::New };
        if let Some(known) = session.incoming.get(&id) {
            return Begun::Known(*known);
        }
        let lost = session.logged && self.storage.is_torn();
        if lost || session.incoming.len() >= self.settings.max_uncommitted_packets.into() {
            return Begun::Full;
        }
        session.incoming.insert(id, Incoming2::Uncommitted);
        Begun::New
    }

    /// The message of a QoS 2 packet id is durable, or will never be. True if the caller's own connection is to send
    /// the PUBREC; if another connection serves the session by now, that one is told.
    pub(crate) fn settle_qos2(&self, claim: &Claim, id: u16, received: bool) -> bool {
        let mut guard = self.lock();
        let Some(session) = guard.sessions.get_mut(&claim.session) else { return false };
        if !received {
            session.incoming.remove(&id);
            let own = session.is_served_by(&claim.link);
            if let (false, Some(other)) = (own, &session.link) {
                // It may have sent the message again, and nothing was done with that: it has to send it once more.
                other.close(Ending::NotKept);
            }
            return own;
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
        let state = &mut *guard;
        let Some(session) = state.served(claim) else { return false };
        let known = session.incoming.get(&id) == Some(&Incoming2::Received) && session.incoming.remove(&id).is_some();
        if let (true, true, Some(id)) = (known, session.logged, NonZeroU16::new(id)) {
            state.log.write(&Record::Released { session: claim.session, id });
            state.log.flush();
        }
        known
    }
}

/// One go at filling the output of a connection.
struct Draw<'a> {
    session: u64,
    logged: bool,
    now: Instant,
    left: usize,
    out: &'a mut Vec<Outgoing>,
    /// Something drawn must be in the log before it is on the wire.
    wait: bool,
    expired: Vec<u64>,
    log: &'a mut Log,
}

impl Draw<'_> {
    /// True if more waits for nothing but room.
    fn fill<A>(&mut self, session: &mut Session<A>, retained: &Retained) -> bool {
        while let Some(id) = session.pubrec_due.pop_front() {
            self.put(Outgoing::PubRec(id));
        }
        for message in session.outbox.drop_late(self.now) {
            if self.logged && message != 0 {
                self.log.linger(&Record::Done { session: self.session, message });
            }
            // Counted below, and not written twice.
            self.expired.push(0);
        }
        while let Some(repeat) = session.outbox.next_repeat() {
            if !self.put(repeat) {
                return true;
            }
        }
        if session.outbox.repeats_left() {
            return false;
        }
        if !session.cursors.is_empty()
            && let Some(more) = self.retained(session, retained)
        {
            return more;
        }
        let mut more = false;
        while let Some(queued) = session.outbox.next_queued(self.now, &mut self.expired) {
            if !self.put_new(queued) {
                more = true;
                break;
            }
        }
        if self.logged {
            for &message in self.expired.iter().filter(|number| **number != 0) {
                self.log.linger(&Record::Done { session: self.session, message });
            }
        }
        more
    }

    /// Draws what is retained. None if there is no more of it, so that the queue's turn has come.
    fn retained<A>(&mut self, session: &mut Session<A>, retained: &Retained) -> Option<bool> {
        let mut budget = CURSOR_BUDGET;
        let mut moved = false;
        let mut answer = None;
        while let Some(cursor) = session.cursors.front_mut() {
            if cursor.subscription.qos != QoS::AtMostOnce && !session.outbox.has_room_in_flight() {
                answer = Some(false);
                break;
            }
            let subscription = cursor.subscription;
            match retained.next(cursor, &mut budget, self.now) {
                Step::Found(message) => {
                    moved = true;
                    if subscription.no_local && message.publisher == Some(self.session) {
                        continue;
                    }
                    let qos = subscription.qos.min(message.publish.qos);
                    let identifiers: Vec<NonZeroU32> = subscription.identifier.into_iter().collect();
                    let number = if self.logged && qos != QoS::AtMostOnce { self.log.number() } else { 0 };
                    let delivery = Delivery { message, qos, retain: true, identifiers, share: None, number };
                    if number != 0 {
                        let to = vec![receiver(self.session, delivery.clone())];
                        let expires = self.log.expiry_of(&delivery.message);
                        let record = message_record(&delivery.message, number, false, to, expires);
                        self.log.write(&Record::Message(Box::new(record)));
                    }
                    if !self.put_new(session.outbox.send(delivery)) {
                        answer = Some(true);
                        break;
                    }
                }
                Step::Paused => {
                    moved = true;
                    answer = Some(true);
                    break;
                }
                Step::End => {
                    moved = false;
                    if let Some(Cursor { filter, .. }) = session.cursors.pop_front()
                        && self.logged
                    {
                        self.log.linger(&Record::CursorDone { session: self.session, filter });
                    }
                }
            }
        }
        if let (true, true, Some(cursor)) = (self.logged, moved, session.cursors.front()) {
            self.log.linger(&Record::Cursor {
                session: self.session,
                filter: cursor.filter.clone(),
                subscription: cursor.subscription,
                after: cursor.after().cloned(),
                until: 0,
            });
        }
        answer
    }

    /// False if there is no more room.
    fn put(&mut self, outgoing: Outgoing) -> bool {
        self.wait |= self.logged
            && match &outgoing {
                Outgoing::Publish { delivery, .. } => delivery.qos == QoS::ExactlyOnce,
                Outgoing::PubRel(_) => true,
                Outgoing::PubRec(_) => false,
            };
        self.left = self.left.saturating_sub(match &outgoing {
            Outgoing::Publish { delivery, .. } => delivery.message.bytes,
            Outgoing::PubRel(_) | Outgoing::PubRec(_) => 4,
        });
        self.out.push(outgoing);
        self.left > 0
    }

    /// The same for what was not sent before. The id of a QoS 2 message is written down first, or a crash would give the
    /// message another and the client would take it twice; that of a QoS 1 message, which the client may take twice,
    /// travels with the next frame.
    fn put_new(&mut self, outgoing: Outgoing) -> bool {
        if let Outgoing::Publish { delivery, id: Some(id), .. } = &outgoing
            && self.logged
            && let Some(id) = NonZeroU16::new(*id)
        {
            let assigned = Record::Assigned { session: self.session, message: delivery.number, id };
            match delivery.qos {
                QoS::ExactlyOnce => self.log.write(&assigned),
                _ => self.log.linger(&assigned),
            }
        }
        self.put(outgoing)
    }
}
