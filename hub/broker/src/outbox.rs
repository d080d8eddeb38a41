//! What is on its way to one client: the queue, and the QoS 1 and 2 messages in flight. Pure state, no I/O.
//!
//! The order of the queue is the order of sending, QoS 0 included: a QoS 0 message waits behind a QoS 1 message that
//! waits for the window, so that one topic's values never overtake one another.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc};

use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use crate::message::Message;

/// A message as one subscriber is to get it.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) identifiers: Vec<NonZeroU32>,
    /// The shared filter that it came by: if this receiver never takes it, another of the group may.
    pub(crate) share: Option<Arc<str>>,
    /// Its number in the log; 0 if the log does not know of it.
    pub(crate) number: u64,
}

/// What to write to the client next.
pub(crate) enum Outgoing {
    Publish { delivery: Delivery, id: Option<u16>, dup: bool },
    PubRel(u16),
    PubRec(u16),
}

/// What became of a message that was to be queued.
pub(crate) struct Pushed {
    /// Messages lost by it, the newcomer included.
    pub(crate) lost: usize,
    pub(crate) taken: bool,
}

/// One end of what is kept for a session: what an exchange or a place in the queue looks like from outside.
pub(crate) enum Held<'a> {
    Queued(&'a Delivery),
    InFlight { id: u16, delivery: &'a Delivery },
    Releasing { id: u16, number: u64 },
}

struct InFlight {
    id: u16,
    number: u64,
    /// None once PUBREC has come: only the id is still needed.
    delivery: Option<Delivery>,
    qos2: bool,
    sent_on_this_connection: bool,
    sent_before: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct QueueBounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Outbox {
    queue: VecDeque<Delivery>,
    bytes: usize,
    qos0: usize,
    /// Room in the queue that is promised to messages on their way: how many, and their bytes.
    promised: usize,
    promised_bytes: usize,
    flight: VecDeque<InFlight>,
    /// In flight from an earlier connection and not yet repeated on this one.
    to_repeat: usize,
    last_id: u16,
    window: usize,
}

impl Outbox {
    pub(crate) fn new(window: u16) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            qos0: 0,
            promised: 0,
            promised_bytes: 0,
            flight: VecDeque::new(),
            to_repeat: 0,
            last_id: 0,
            window: window.max(1).into(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// A new connection took over: everything in flight is to be sent again, in its order (4.4).
    pub(crate) fn reconnect(&mut self, window: u16) {
        self.window = window.max(1).into();
        for entry in &mut self.flight {
            entry.sent_before |= entry.sent_on_this_connection;
            entry.sent_on_this_connection = false;
        }
        self.to_repeat = self.flight.len();
    }

    /// Sets room aside for a message on its way, if [`Outbox::push`] would find it without taking it from others.
    pub(crate) fn promise(&mut self, message: &Message, bounds: QueueBounds) -> bool {
        let before = self.queue.len() + self.promised;
        let bytes = self.bytes.saturating_add(self.promised_bytes).saturating_add(message.bytes);
        let has_room = before == 0 || (before < bounds.messages && bytes <= bounds.bytes);
        if has_room {
            self.promised += 1;
            self.promised_bytes += message.bytes;
        }
        has_room
    }

    /// The message is there, or will never be.
    pub(crate) fn release(&mut self, message: &Message) {
        self.promised = self.promised.saturating_sub(1);
        self.promised_bytes = self.promised_bytes.saturating_sub(message.bytes);
    }

    /// Queues within the bounds. The oldest QoS 0 messages make room first,
    /// then the newcomer is refused. An empty queue takes one message of any size, or it could never be delivered.
    pub(crate) fn push(&mut self, delivery: Delivery, bounds: QueueBounds) -> Pushed {
        let mut lost = 0;
        let size = delivery.message.bytes;
        while !self.queue.is_empty() && (self.queue.len() >= bounds.messages || self.bytes + size > bounds.bytes) {
            let at = if self.qos0 == 0 || size > bounds.bytes {
                None
            } else {
                self.queue.iter().position(|queued| queued.qos == QoS::AtMostOnce)
            };
            let Some(at) = at else { return Pushed { lost: lost + 1, taken: false } };
            if let Some(old) = self.queue.remove(at) {
                self.left(&old);
            }
            lost += 1;
        }
        self.bytes += size;
        self.qos0 += usize::from(delivery.qos == QoS::AtMostOnce);
        self.queue.push_back(delivery);
        Pushed { lost, taken: true }
    }

    fn left(&mut self, delivery: &Delivery) {
        self.bytes -= delivery.message.bytes;
        self.qos0 -= usize::from(delivery.qos == QoS::AtMostOnce);
    }

    /// Forgets the QoS 0 messages of a client that has gone; they were never promised to it.
    pub(crate) fn drop_qos0(&mut self) -> usize {
        let before = self.queue.len();
        self.queue.retain(|delivery| delivery.qos != QoS::AtMostOnce);
        self.qos0 = 0;
        self.bytes = self.queue.iter().map(|delivery| delivery.message.bytes).sum();
        before - self.queue.len()
    }

    pub(crate) fn has_room_in_flight(&self) -> bool {
        self.flight.len() < self.window
    }

    /// The next repetition of what an earlier connection left in flight.
    pub(crate) fn next_repeat(&mut self) -> Option<Outgoing> {
        if self.to_repeat == 0 {
            return None;
        }
        let on_wire = self.flight.iter().filter(|entry| entry.sent_on_this_connection).count();
        if on_wire >= self.window {
            return None;
        }
        let entry = self.flight.iter_mut().find(|entry| !entry.sent_on_this_connection)?;
        entry.sent_on_this_connection = true;
        self.to_repeat -= 1;
        Some(match &entry.delivery {
            Some(delivery) => {
                Outgoing::Publish { delivery: delivery.clone(), id: Some(entry.id), dup: entry.sent_before }
            }
            None => Outgoing::PubRel(entry.id),
        })
    }

    /// Drops what is worth nothing any more, as far as it stands first in the queue: a client that is away for days must
    /// not find each repetition of a command. Returns the numbers of what went.
    pub(crate) fn drop_expired(&mut self, now: Instant) -> Vec<u64> {
        let mut gone = Vec::new();
        while let Some(head) = self.queue.pop_front_if(|head| head.message.is_expired(now)) {
            self.left(&head);
            gone.push(head.number);
        }
        gone
    }

    /// Ends exchanges of an earlier connection whose message the owner itself has limited in time. MQTT 4.4 would have
    /// them repeated whenever the client is back; a valve whose Wi-Fi had died with the command on its way would open
    /// days later. Nobody misses them: at QoS 1 the receiver keeps nothing of an exchange.
    pub(crate) fn drop_late(&mut self, now: Instant) -> Vec<u64> {
        let mut gone = Vec::new();
        if self.to_repeat == 0 {
            return gone;
        }
        let is_late = |entry: &InFlight| {
            let delivery = entry.delivery.as_ref().filter(|_| !entry.qos2 && !entry.sent_on_this_connection);
            delivery.is_some_and(|one| one.message.publisher.is_none() && one.message.is_expired(now))
        };
        while let Some(number) = self.take(is_late) {
            gone.push(number);
        }
        gone
    }

    pub(crate) fn repeats_left(&self) -> bool {
        self.to_repeat > 0
    }

    /// The next message of the queue, if the window lets it out; the numbers of expired ones, which are
    /// skipped, go into `expired`.
    pub(crate) fn next_queued(&mut self, now: Instant, expired: &mut Vec<u64>) -> Option<Outgoing> {
        loop {
            let head = self.queue.front()?;
            let is_expired = head.message.is_expired(now);
            if !is_expired && head.qos != QoS::AtMostOnce && !self.has_room_in_flight() {
                return None;
            }
            let delivery = self.queue.pop_front()?;
            self.left(&delivery);
            if is_expired {
                expired.push(delivery.number);
                continue;
            }
            return Some(self.send(delivery));
        }
    }

    /// Puts a message on the wire past the queue; for QoS 1 and 2 the caller has seen that there is room in flight.
    pub(crate) fn send(&mut self, delivery: Delivery) -> Outgoing {
        if delivery.qos == QoS::AtMostOnce {
            return Outgoing::Publish { delivery, id: None, dup: false };
        }
        let id = self.free_id();
        self.flight.push_back(InFlight {
            id,
            number: delivery.number,
            delivery: Some(delivery.clone()),
            qos2: delivery.qos == QoS::ExactlyOnce,
            sent_on_this_connection: true,
            sent_before: false,
        });
        Outgoing::Publish { delivery, id: Some(id), dup: false }
    }

    fn free_id(&mut self) -> u16 {
        // The window is at most 65535 and one of its places is free, so the search ends.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.flight.iter().any(|entry| entry.id == self.last_id) {
                return self.last_id;
            }
        }
    }

    fn take(&mut self, wanted: impl Fn(&InFlight) -> bool) -> Option<u64> {
        let at = self.flight.iter().position(wanted)?;
        let entry = self.flight.remove(at)?;
        if !entry.sent_on_this_connection {
            self.to_repeat -= 1;
        }
        Some(entry.number)
    }

    /// This and its siblings return the number of the message if the exchange is known.
    pub(crate) fn puback(&mut self, id: u16) -> Option<u64> {
        self.take(|entry| entry.id == id && !entry.qos2)
    }

    pub(crate) fn pubcomp(&mut self, id: u16) -> Option<u64> {
        self.take(|entry| entry.id == id && entry.qos2 && entry.delivery.is_none())
    }

    /// PUBREC that ends the exchange with an error (4.3.3).
    pub(crate) fn pubrec_refused(&mut self, id: u16) -> Option<u64> {
        self.take(|entry| entry.id == id && entry.qos2)
    }

    /// PUBREC: the payload is no longer needed.
    pub(crate) fn pubrec(&mut self, id: u16) -> Option<u64> {
        let entry = self.flight.iter_mut().find(|entry| entry.id == id && entry.qos2)?;
        entry.delivery = None;
        if !entry.sent_on_this_connection {
            entry.sent_on_this_connection = true;
            self.to_repeat -= 1;
        }
        Some(entry.number)
    }

    /// Takes out what came by shared subscriptions and could still be somebody else's: all that was not sent, and what
    /// was sent at QoS 1. A QoS 2 exchange that has begun is this receiver's or nobody's (4.8.2-5).
    pub(crate) fn take_shared(&mut self) -> Vec<Delivery> {
        let begun = self.flight.iter_mut().filter(|entry| !entry.qos2).filter_map(|entry| entry.delivery.take());
        let queued = self.queue.iter().cloned();
        begun.chain(queued).filter(|delivery| delivery.share.is_some()).collect()
    }

    /// Ends an exchange that cannot take place: the packet is larger than the client allows.
    pub(crate) fn abandon(&mut self, id: u16) -> Option<u64> {
        self.take(|entry| entry.id == id)
    }

    /// All that is kept, exchanges first, each part in its order.
    pub(crate) fn held(&self) -> impl Iterator<Item = Held<'_>> {
        let flight = self.flight.iter().map(|entry| match &entry.delivery {
            Some(delivery) => Held::InFlight { id: entry.id, delivery },
            None => Held::Releasing { id: entry.id, number: entry.number },
        });
        flight.chain(self.queue.iter().map(Held::Queued))
    }

    /// Takes back an exchange of an earlier run; without a delivery the client has the message.
    pub(crate) fn restore_exchange(&mut self, id: u16, number: u64, delivery: Option<Delivery>) {
        self.flight.retain(|entry| entry.id != id);
        let sent_before = true;
        let qos2 = delivery.as_ref().is_none_or(|delivery| delivery.qos == QoS::ExactlyOnce);
        self.flight.push_back(InFlight { id, number, delivery, qos2, sent_on_this_connection: false, sent_before });
    }

    /// Takes back a message of an earlier run, past all bounds: it was promised.
    pub(crate) fn restore(&mut self, delivery: Delivery) {
        self.bytes += delivery.message.bytes;
        self.queue.push_back(delivery);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Publish;

    const BOUNDS: QueueBounds = QueueBounds { messages: 3, bytes: 1 << 20 };

    fn delivery(name: &str, qos: QoS) -> Delivery {
        let message = Message::new(Publish::new(name, "x").with_qos(qos), None, Instant::now());
        Delivery { message, qos, retain: false, identifiers: Vec::new(), share: None, number: 0 }
    }

    fn drain(outbox: &mut Outbox) -> Vec<(String, Option<u16>)> {
        std::iter::from_fn(|| outbox.next_queued(Instant::now(), &mut Vec::new()))
            .map(|out| match out {
                Outgoing::Publish { delivery, id, .. } => (delivery.message.publish.topic.to_string(), id),
                _ => unreachable!(),
            })
            .collect()
    }

    #[test]
    fn a_full_queue_gives_up_old_qos_0_first_and_then_the_newcomer() {
        let mut outbox = Outbox::new(10);
        assert_eq!(outbox.push(delivery("a", QoS::AtLeastOnce), BOUNDS).lost, 0);
        assert_eq!(outbox.push(delivery("b", QoS::AtMostOnce), BOUNDS).lost, 0);
        assert_eq!(outbox.push(delivery("c", QoS::AtLeastOnce), BOUNDS).lost, 0);
        assert_eq!(outbox.push(delivery("d", QoS::AtLeastOnce), BOUNDS).lost, 1);
        assert_eq!(outbox.push(delivery("e", QoS::AtLeastOnce), BOUNDS).lost, 1);
        let names: Vec<_> = drain(&mut outbox).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "c", "d"]);
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn what_the_owner_said_for_a_time_only_is_neither_kept_nor_repeated_after_it() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(11);
        let limited = |name: &str, publisher: Option<u64>| {
            let mut publish = Publish::new(name, "x").with_qos(QoS::AtLeastOnce);
            publish.properties.expiry_secs = NonZeroU32::new(10);
            Delivery { message: Message::new(publish, publisher, now), ..delivery(name, QoS::AtLeastOnce) }
        };
        let mut outbox = Outbox::new(2);
        for one in [limited("a", None), limited("b", Some(1)), limited("c", None), delivery("d", QoS::AtLeastOnce)] {
            outbox.push(one, QueueBounds { messages: 9, bytes: 1 << 20 });
        }
        assert_eq!(drain(&mut outbox).len(), 2);
        outbox.reconnect(2);
        assert!(outbox.drop_late(now).is_empty() && outbox.drop_expired(now).is_empty());
        assert_eq!(outbox.drop_late(later).len(), 1, "a client's own message is repeated as MQTT 4.4 has it");
        assert!(matches!(outbox.next_repeat(), Some(Outgoing::Publish { id: Some(2), dup: true, .. })));
        assert!(outbox.next_repeat().is_none() && !outbox.repeats_left());
        assert_eq!((outbox.drop_expired(later).len(), outbox.queued()), (1, 1), "what does not expire stays");
    }

    #[test]
    fn an_empty_queue_takes_a_message_larger_than_its_bound() {
        let mut outbox = Outbox::new(10);
        let tiny = QueueBounds { messages: 3, bytes: 1 };
        assert_eq!(outbox.push(delivery("a", QoS::AtMostOnce), tiny).lost, 0);
        assert_eq!(outbox.push(delivery("b", QoS::AtMostOnce), tiny).lost, 1);
    }

    #[test]
    fn the_window_holds_and_repetitions_respect_it() {
        let mut outbox = Outbox::new(2);
        for name in ["a", "b", "c"] {
            outbox.push(delivery(name, QoS::AtLeastOnce), BOUNDS);
        }
        assert_eq!(drain(&mut outbox), [("a".into(), Some(1)), ("b".into(), Some(2))]);
        outbox.reconnect(1);
        assert!(matches!(outbox.next_repeat(), Some(Outgoing::Publish { id: Some(1), dup: true, .. })));
        assert!(outbox.next_repeat().is_none());
        assert!(outbox.puback(1).is_some());
        assert!(outbox.puback(1).is_none());
        assert!(matches!(outbox.next_repeat(), Some(Outgoing::Publish { id: Some(2), dup: true, .. })));
        assert!(drain(&mut outbox).is_empty());
        assert!(outbox.puback(2).is_some());
        assert_eq!(drain(&mut outbox), [("c".into(), Some(3))]);
    }

    #[test]
    fn qos_2_goes_through_its_states_and_survives_a_reconnect() {
        let mut outbox = Outbox::new(5);
        outbox.push(delivery("a", QoS::ExactlyOnce), BOUNDS);
        assert_eq!(drain(&mut outbox).len(), 1);
        assert!(outbox.puback(1).is_none(), "PUBACK does not end QoS 2");
        assert!(outbox.pubcomp(1).is_none(), "PUBCOMP before PUBREC");
        assert!(outbox.pubrec(1).is_some());
        outbox.reconnect(5);
        assert!(matches!(outbox.next_repeat(), Some(Outgoing::PubRel(1))));
        assert!(outbox.pubcomp(1).is_some());
        assert!(!outbox.repeats_left());
    }

    #[test]
    fn packet_ids_in_flight_are_not_given_out_again() {
        let mut outbox = Outbox::new(10);
        outbox.last_id = u16::MAX - 1;
        for name in ["a", "b", "c"] {
            outbox.push(delivery(name, QoS::AtLeastOnce), BOUNDS);
        }
        let ids: Vec<_> = drain(&mut outbox).into_iter().filter_map(|(_, id)| id).collect();
        assert_eq!(ids, [u16::MAX, 1, 2]);
        outbox.last_id = u16::MAX;
        outbox.push(delivery("d", QoS::AtLeastOnce), BOUNDS);
        assert_eq!(drain(&mut outbox), [("d".into(), Some(3))]);
    }
}
