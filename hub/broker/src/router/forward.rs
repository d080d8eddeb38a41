//! A message's way into the queues, in two steps: planned when it is read, forwarded when it is kept.
//!
//! Whoever acknowledges a message promises it to the sessions that outlive their connection and to those who will ask
//! for what is retained. So what the message will change there is written down as it is read, and travels to the disk
//! together with what the owner keeps of it; everybody else is found when the message is forwarded. What the plan and
//! that moment disagree about (a session that subscribed, or has no more room) is put right in the log then. What was
//! promised to a session for a group is promised to another of the group by the frame that ends the session.

use std::{num::NonZeroU16, sync::Arc};

use bytestring::ByteString;
use futures_util::FutureExt;
use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use super::{Router, State, log::Log};
use crate::{
    counters::{add, count},
    gate::Durable,
    message::Message,
    outbox::{Delivery, QueueBounds},
    pending::{Entry, Plan, Receipt},
    record::{MessageRecord, Receiver, Record},
    tree::Subscription,
};

/// What was written down for a message that is not yet forwarded.
pub(super) struct Planned {
    pub(super) message: Option<Arc<Message>>,
    /// Those to whom it is promised by subscriptions of their own.
    receivers: Vec<Receiver>,
    /// Those who take it for a group, promised or not.
    shared: Vec<Receiver>,
    pub(super) taken: Option<(u64, u16)>,
    /// The frame in which it was written down, if it was.
    pub(super) frame: Option<u64>,
}

impl Planned {
    /// What the log has of those who get it.
    pub(super) fn promised(&self) -> impl Iterator<Item = &Receiver> {
        self.receivers.iter().chain(self.shared.iter().filter(|receiver| receiver.number != 0))
    }
}

/// Messages to be retained under one topic that are planned and not forwarded. The one read last stays, in memory as
/// in the log, whichever is kept first.
pub(super) struct Contest {
    outstanding: usize,
    newest: u64,
}

impl Contest {
    /// The number of the one that is retained now.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }
}

/// What the log has to learn of a message when it is forwarded: one record, however many receivers it has.
#[derive(Default)]
pub(super) struct Late {
    number: u64,
    receivers: Vec<Receiver>,
}

impl Late {
    /// The number for another receiver. Those who take it for groups get one each.
    fn number(&mut self, shared: bool, log: &mut Log) -> u64 {
        if self.number != 0 && !shared {
            return self.number;
        }
        let number = log.number();
        if self.number == 0 {
            self.number = number;
        }
        number
    }
}

impl<A> Router<A> {
    /// Writes down what messages that were just read will change, in their order, and lets each wait for that.
    pub(crate) fn plan<'a>(&self, entries: impl Iterator<Item = &'a mut Entry>) {
        let mut waiting = Vec::new();
        let mut written = Vec::new();
        let mut guard = self.lock();
        for entry in entries {
            let Plan::Wanted { taken } = std::mem::replace(&mut entry.plan, Plan::Number(0)) else { continue };
            if !entry.durable.is_lost() {
                let (number, wait) = guard.plan(entry.forward.as_ref(), taken, self);
                entry.plan = Plan::Number(number);
                if wait {
                    written.push(number);
                    waiting.push(&mut entry.durable);
                }
                if let Receipt::Will(will) = entry.receipt {
                    guard.clear_will(will);
                }
            }
        }
        let frame = guard.log.last_frame();
        for number in written {
            if let Some(planned) = guard.planned.get_mut(&number) {
                planned.frame = Some(frame);
            }
        }
        if waiting.is_empty() {
            return;
        }
        // Asked under the lock: a rewrite that leaves the plan out, because its frame is lost, must not come between.
        let settled = self.storage.settled();
        drop(guard);
        if let Durable::When(settled) = settled {
            let settled = settled.shared();
            for durable in waiting {
                let own = std::mem::replace(durable, Durable::Now);
                *durable = own.and(Durable::When(settled.clone().boxed()));
            }
        }
    }

    /// A plan is over that has nothing to forward.
    pub(crate) fn forget_plan(&self, number: u64) {
        self.lock().planned.remove(&number);
    }

    /// A will that nobody will hear.
    pub(crate) fn drop_will(&self, number: u64) {
        let mut state = self.lock();
        state.clear_will(number);
        state.log.flush();
    }

    /// Takes back the plan of a message that was not kept.
    pub(crate) fn cancel(&self, number: u64) {
        if number == 0 {
            return;
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(planned) = state.planned.remove(&number) else { return };
        state.release(&planned);
        if let Some(message) = planned.message.filter(|message| message.publish.retain) {
            state.leave_contest(&message.publish.topic);
        }
        if planned.frame.is_some() {
            state.log.write(&Record::Cancelled { message: number });
            state.log.flush();
        }
        drop(guard);
        // The storage has probably failed: the sooner it is looked after, the better.
        self.housekeeping.notify_one();
    }

    /// Stores what is to be retained and queues each message for every session that wants it. A number other than 0
    /// is that of the plan.
    pub(crate) fn route(&self, messages: impl IntoIterator<Item = (Arc<Message>, u64)>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut matched = Vec::new();
        for (message, number) in messages {
            count(&self.tally.routed);
            state.forward(&message, number, &mut matched, self);
        }
        state.log.flush();
    }
}

impl<A> State<A> {
    /// The number of the plan, 0 if there is nothing to remember, and whether the log has to be waited for.
    fn plan(&mut self, message: Option<&Arc<Message>>, taken: Option<(u64, u16)>, router: &Router<A>) -> (u64, bool) {
        let mut planned =
            Planned { message: message.cloned(), receivers: Vec::new(), shared: Vec::new(), taken, frame: None };
        let mut retained = false;
        if let Some(message) = message {
            retained = message.publish.retain;
            let mut matched = Vec::new();
            self.matched(message, &mut matched);
            for group in matched.chunk_by(|(a, _), (b, _)| a == b) {
                let Some((session, _)) = group.first() else { continue };
                let receiver = receiver(*session, delivery_of(message, group));
                if self.promise(&receiver, message, router) {
                    planned.receivers.push(receiver);
                }
            }
            planned.shared = self.choose_shared(message, router);
        }
        if !retained && planned.receivers.is_empty() && planned.shared.is_empty() && taken.is_none() {
            return (0, false);
        }
        let number = self.log.number();
        let mut wait = retained;
        planned.receivers.iter_mut().for_each(|receiver| receiver.number = number);
        if let Some(message) = message {
            for receiver in &mut planned.shared {
                if self.promise(receiver, message, router) {
                    receiver.number = self.log.number();
                }
            }
            let promised: Vec<Receiver> = planned.promised().cloned().collect();
            wait |= !promised.is_empty();
            if wait {
                self.write_message(message, number, retained, promised);
            }
            if retained {
                let topic = message.publish.topic.clone();
                self.contests.entry(topic).or_insert(Contest { outstanding: 0, newest: 0 }).outstanding += 1;
            }
        }
        if let Some((session, id)) = taken
            && let Some(id) = NonZeroU16::new(id)
        {
            self.log.write(&Record::Taken { message: number, session, id });
        }
        self.planned.insert(number, Box::new(planned));
        (number, wait || taken.is_some())
    }

    /// Whether an acknowledgement of the message promises it to this receiver. A promise takes room in the queue until
    /// the message is there, or what is read in one commit could promise, and write down, any number of times what fits.
    fn promise(&mut self, receiver: &Receiver, message: &Message, router: &Router<A>) -> bool {
        let Some(queued_bytes) = self.sessions.get(&receiver.session).map(|session| session.outbox.bytes()) else {
            return false;
        };
        let bounds = self.bounds(queued_bytes, router);
        let Some(session) = self.sessions.get_mut(&receiver.session) else { return false };
        session.logged && receiver.qos != QoS::AtMostOnce && session.outbox.promise(message, bounds)
    }

    /// The promises of a plan are met now, or never.
    fn release(&mut self, planned: &Planned) {
        let Some(message) = &planned.message else { return };
        for receiver in planned.promised() {
            if let Some(session) = self.sessions.get_mut(&receiver.session) {
                session.outbox.release(message);
            }
        }
    }

    /// What was promised to a session for groups, and is not forwarded yet, is another's now: in the frame that ends the
    /// session, so that there is no moment in which it is nobody's.
    pub(super) fn bequeath(&mut self, ended: u64, router: &Router<A>) {
        let is_left = |receiver: &Receiver| receiver.session == ended && receiver.number != 0;
        let left = self.planned.iter().filter(|(_, planned)| planned.shared.iter().any(is_left));
        let mut left: Vec<u64> = left.map(|(number, _)| *number).collect();
        left.sort_unstable();
        for number in left {
            let Some(mut planned) = self.planned.remove(&number) else { continue };
            if let Some(message) = &planned.message {
                let mut heirs = Vec::new();
                for receiver in planned.shared.iter_mut().filter(|receiver| is_left(receiver)) {
                    receiver.number = 0;
                    let Some(mut heir) = self.heir(receiver.share.as_ref(), message, router) else { continue };
                    if self.promise(&heir, message, router) {
                        heir.number = self.log.number();
                        heirs.push(heir.clone());
                    }
                    *receiver = heir;
                }
                if !heirs.is_empty() {
                    // Under the number of the message: if that is cancelled, this is.
                    self.write_message(message, number, false, heirs);
                }
            }
            self.planned.insert(number, planned);
        }
    }

    fn bounds(&self, queued_bytes: usize, router: &Router<A>) -> QueueBounds {
        let settings = &router.settings;
        let total_left = settings.queue_bytes_total.saturating_sub(self.queued_bytes);
        QueueBounds {
            messages: settings.queue_messages_per_session,
            bytes: settings.queue_bytes_per_session.min(queued_bytes + total_left),
        }
    }

    /// The subscriptions that are not shared, those of one session together.
    fn matched(&self, message: &Arc<Message>, matched: &mut Vec<(u64, Subscription)>) {
        self.subscriptions.visit(&message.publish.topic, &mut |session, subscription| {
            if !(subscription.no_local && message.publisher == Some(session)) {
                matched.push((session, *subscription));
            }
        });
        matched.sort_unstable_by_key(|(session, _)| *session);
    }

    fn forward(
        &mut self,
        message: &Arc<Message>,
        number: u64,
        matched: &mut Vec<(u64, Subscription)>,
        router: &Router<A>,
    ) {
        let planned = if number == 0 { None } else { self.planned.remove(&number) };
        let written = planned.as_ref().is_some_and(|planned| planned.frame.is_some());
        let (mut promised, shared) = match planned {
            Some(planned) => {
                self.release(&planned);
                (planned.receivers, Some(planned.shared))
            }
            None => (Vec::new(), None),
        };
        if message.publish.retain {
            let number = if written { number } else { self.log.number() };
            if self.win(&message.publish.topic, number, written) && !self.retained.set(message) {
                count(&router.tally.retained_refused);
            }
        }
        let mut late = Late::default();
        self.matched(message, matched);
        for group in matched.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((session, _)) = group.first() else { continue };
            let delivery = match promised.iter().position(|receiver| receiver.session == *session) {
                // As it was promised, whatever the subscription has become since.
                Some(at) => delivery(message, promised.swap_remove(at)),
                None => delivery_of(message, group),
            };
            self.enqueue(*session, delivery, router, &mut late);
        }
        matched.clear();
        for receiver in promised {
            // It has unsubscribed since; of a session that has ended the log knows already.
            if self.sessions.contains_key(&receiver.session) {
                self.log.write(&Record::Done { session: receiver.session, message: number });
            }
        }
        for receiver in shared.unwrap_or_else(|| self.choose_shared(message, router)) {
            let receiver = match self.sessions.contains_key(&receiver.session) {
                true => Some(receiver),
                false => self.heir(receiver.share.as_ref(), message, router),
            };
            if let Some(receiver) = receiver {
                self.enqueue(receiver.session, delivery(message, receiver), router, &mut late);
            }
        }
        self.write_late(message, late, message.publish.retain && !written);
    }

    /// The will has become a message, or never will.
    pub(super) fn clear_will(&mut self, will: u64) {
        if self.wills.remove(&will).is_some() {
            self.log.write(&Record::WillCleared { will });
        }
    }

    /// Whether a message becomes the retained one of its topic, now that its fate is known.
    fn win(&mut self, topic: &ByteString, number: u64, planned: bool) -> bool {
        let Some(contest) = self.contests.get_mut(topic) else { return true };
        let wins = number > contest.newest;
        contest.newest = contest.newest.max(number);
        if planned {
            self.leave_contest(topic);
        }
        wins
    }

    fn leave_contest(&mut self, topic: &ByteString) {
        if let Some(contest) = self.contests.get_mut(topic) {
            contest.outstanding -= 1;
            if contest.outstanding == 0 {
                self.contests.remove(topic);
            }
        }
    }

    pub(super) fn enqueue(&mut self, id: u64, mut delivery: Delivery, router: &Router<A>, late: &mut Late) {
        let Some(before) = self.sessions.get(&id).map(|session| session.outbox.bytes()) else { return };
        let bounds = self.bounds(before, router);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.link.is_none() && delivery.qos == QoS::AtMostOnce {
            return;
        }
        if session.link.is_none() {
            let gone = session.outbox.drop_expired(Instant::now());
            add(&router.tally.expired_messages, gone.len() as u64);
            for message in gone.into_iter().filter(|number| session.logged && *number != 0) {
                self.log.write(&Record::Done { session: id, message });
            }
        }
        let promised = session.logged && delivery.number != 0;
        let mut as_receiver = None;
        if session.logged && !promised && delivery.qos != QoS::AtMostOnce {
            delivery.number = late.number(delivery.share.is_some(), &mut self.log);
            as_receiver = Some(receiver(id, delivery.clone()));
        }
        let number = delivery.number;
        let pushed = session.outbox.push(delivery, bounds);
        add(&router.tally.queue_dropped, pushed.lost as u64);
        self.queued_bytes = self.queued_bytes + session.outbox.bytes() - before;
        if let Some(link) = &session.link {
            link.bell.notify_one();
        }
        if pushed.taken {
            late.receivers.extend(as_receiver);
        } else if promised {
            self.log.write(&Record::Done { session: id, message: number });
        }
    }

    pub(super) fn write_late(&mut self, message: &Message, late: Late, retained: bool) {
        if self.log.keeps && (retained || !late.receivers.is_empty()) {
            self.write_message(message, late.number, retained, late.receivers);
        }
    }

    pub(super) fn write_message(&mut self, message: &Message, number: u64, retained: bool, receivers: Vec<Receiver>) {
        let record = message_record(message, number, retained, receivers, self.log.expiry_of(message));
        self.log.write(&Record::Message(Box::new(record)));
    }
}

pub(super) fn message_record(
    message: &Message,
    number: u64,
    retained: bool,
    receivers: Vec<Receiver>,
    expires_at_millis: Option<i64>,
) -> MessageRecord {
    let (publish, publisher) = (message.publish.clone(), message.publisher);
    MessageRecord { message: number, publish, expires_at_millis, publisher, retained, receivers }
}

pub(super) fn receiver(session: u64, delivery: Delivery) -> Receiver {
    let Delivery { qos, retain, identifiers, share, number, .. } = delivery;
    Receiver { session, number, qos, retain, identifiers, share }
}

pub(super) fn delivery(message: &Arc<Message>, receiver: Receiver) -> Delivery {
    let Receiver { number, qos, retain, identifiers, share, .. } = receiver;
    Delivery { message: message.clone(), qos, retain, identifiers, share, number }
}

/// One copy per session, at the highest QoS of its matching filters, with all their identifiers (3.3.4).
fn delivery_of(message: &Arc<Message>, group: &[(u64, Subscription)]) -> Delivery {
    let granted = group.iter().map(|(_, s)| s.qos).max().unwrap_or(QoS::AtMostOnce);
    Delivery {
        message: message.clone(),
        qos: granted.min(message.publish.qos),
        retain: message.publish.retain && group.iter().any(|(_, s)| s.retain_as_published),
        identifiers: group.iter().filter_map(|(_, s)| s.identifier).collect(),
        share: None,
        number: 0,
    }
}
