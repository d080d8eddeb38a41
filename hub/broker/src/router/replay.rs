//! The log's frames back into sessions, queues and retained messages.
//!
//! What a frame says of a session that is not there is passed over without a word: a rewrite leaves out what ended
//! while its frames were on their way. Bounds on queues are not applied again: what was taken in was promised.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytestring::ByteString;
use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use super::{Router, State, forward::delivery};
use crate::{
    broker::Resumed,
    message::{Message, Publish},
    outbox::Delivery,
    record::{self, MessageRecord, Record, WillRecord},
    session::{Identity, Incoming2, Session, Speaker, Will},
    settings::Settings,
    storage::Storage,
    topic::{check_filter, check_name},
    tree::cost_bytes,
};

/// A QoS 2 exchange: packet id, number, and the message unless the client has it.
type Exchange = (u16, u64, Option<Delivery>);

struct Replay<A> {
    state: State<A>,
    settings: Settings,
    now: Instant,
    wall_millis: Option<i64>,
    /// Messages that were not kept: nothing the log says of them counts.
    cancelled: HashSet<u64>,
    /// By the number of the message, which is the order in which they were read.
    queues: HashMap<u64, BTreeMap<u64, Delivery>>,
    exchanges: HashMap<u64, Vec<Exchange>>,
    ends_at_millis: HashMap<u64, i64>,
}

impl<A> Router<A> {
    /// A router that goes on where the log ends.
    pub(crate) fn resume(settings: Settings, storage: Arc<dyn Storage>, frames: &[Vec<u8>]) -> (Self, Resumed) {
        let mut router = Self::new(settings, storage);
        let mut found = Resumed::default();
        if !router.keeps {
            return (router, found);
        }
        let empty = Self::new(router.settings.clone(), router.storage.clone());
        let state = std::mem::replace(&mut router.state, empty.state).into_inner();
        let mut replay = Replay {
            state: state.unwrap_or_else(std::sync::PoisonError::into_inner),
            settings: router.settings.clone(),
            now: Instant::now(),
            wall_millis: router.storage.now_millis(),
            cancelled: HashSet::new(),
            queues: HashMap::new(),
            exchanges: HashMap::new(),
            ends_at_millis: HashMap::new(),
        };
        for records in frames.iter().filter_map(|frame| record::read(frame)) {
            replay.cancelled.extend(records.iter().filter_map(|record| match record {
                Record::Cancelled { message } => Some(*message),
                _ => None,
            }));
        }
        for frame in frames {
            replay.state.log.grown_bytes += frame.len();
            let whole = record::read(frame).map(|records| records.into_iter().all(|record| replay.apply(record)));
            found.unreadable += usize::from(whole != Some(true));
        }
        let state = replay.finish(&mut found);
        router.lasting.store(found.sessions, Ordering::Relaxed);
        router.state = state.into();
        (router, found)
    }
}

impl<A> Router<A> {
    /// Forgets what may no longer be retained; returns how much that was.
    pub(crate) fn retain(&self, may_stay: impl Fn(&str) -> bool) -> usize {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut forgotten = 0;
        for (_, message) in state.retained.all() {
            let topic = &message.publish.topic;
            if !may_stay(topic) {
                let nothing = Message::new(Publish::new(topic.clone(), "").retained(), None, Instant::now());
                state.retained.set(&nothing);
                state.write_message(&nothing, 0, true, Vec::new());
                forgotten += 1;
            }
        }
        state.log.flush();
        forgotten
    }
}

impl<A> Replay<A> {
    /// False if the record says what the broker never writes.
    fn apply(&mut self, record: Record) -> bool {
        let state = &mut self.state;
        match record {
            Record::Session { session: id, client_id, username, expiry_millis, ends_at_millis } => {
                state.next_session = state.next_session.max(id.saturating_add(1));
                let identity = Arc::new(Identity { owner: username, client_id });
                if let Some(old) = state.by_client.insert(identity.clone(), id)
                    && old != id
                {
                    self.end(old);
                }
                let session = self.state.sessions.entry(id).or_insert_with(|| {
                    let mut session = Session::new(identity, self.settings.max_inflight);
                    session.logged = true;
                    Box::new(session)
                });
                session.expiry = Duration::from_millis(expiry_millis).min(self.settings.max_session_expiry);
                match ends_at_millis {
                    Some(at) => self.ends_at_millis.insert(id, at),
                    None => self.ends_at_millis.remove(&id),
                };
            }
            Record::Ended { session } => self.end(session),
            Record::Subscribed { session: id, filter, subscription, retained } => {
                if check_filter(&filter, self.settings.max_topic_levels).is_err() {
                    return false;
                }
                if let Some(session) = state.sessions.get_mut(&id) {
                    if session.subscriptions.insert(filter.clone(), subscription).is_none() {
                        session.filter_bytes += cost_bytes(&filter);
                    }
                    state.subscriptions.insert(&filter, id, subscription);
                    if retained {
                        session.cursors.retain(|cursor| cursor.filter != filter);
                        session.cursors.push_back(state.retained.cursor(filter, subscription));
                    }
                }
            }
            Record::Unsubscribed { session: id, filter } => {
                if let Some(session) = state.sessions.get_mut(&id)
                    && session.subscriptions.remove(&filter).is_some()
                {
                    session.filter_bytes -= cost_bytes(&filter);
                    session.cursors.retain(|cursor| cursor.filter != filter);
                    state.subscriptions.remove(&filter, id);
                }
            }
            Record::Message(message) => return self.message(*message),
            Record::Assigned { session, message, id } => {
                state.log.pass(message);
                if let Some(delivery) = self.queues.get_mut(&session).and_then(|queue| queue.remove(&message)) {
                    self.exchanges.entry(session).or_default().push((id.get(), message, Some(delivery)));
                }
            }
            Record::Releasing { session, message, id } => {
                // After a rewrite this may be all that still names the message: given out again, its number would let a
                // late end of the old exchange take the new message away.
                state.log.pass(message);
                if state.sessions.contains_key(&session) {
                    let exchanges = self.exchanges.entry(session).or_default();
                    match exchanges.iter_mut().find(|(packet, number, _)| *number == message && *packet == id.get()) {
                        Some((_, _, delivery)) => *delivery = None,
                        None => exchanges.push((id.get(), message, None)),
                    }
                }
            }
            Record::Done { session, message } => {
                state.log.pass(message);
                if let Some(queue) = self.queues.get_mut(&session) {
                    queue.remove(&message);
                }
                if let Some(exchanges) = self.exchanges.get_mut(&session) {
                    exchanges.retain(|(_, number, _)| *number != message);
                }
            }
            Record::Cancelled { message } => state.log.pass(message),
            Record::Taken { message, session, id } => {
                state.log.pass(message);
                if !self.cancelled.contains(&message)
                    && let Some(session) = state.sessions.get_mut(&session)
                {
                    session.incoming.insert(id.get(), Incoming2::Received);
                }
            }
            Record::Released { session, id } => {
                if let Some(session) = state.sessions.get_mut(&session) {
                    session.incoming.remove(&id.get());
                }
            }
            Record::Will(will) => {
                if check_name(&will.publish.topic, self.settings.max_topic_levels).is_err() {
                    return false;
                }
                state.log.pass(will.will);
                state.wills.insert(will.will, will);
            }
            Record::WillCleared { will } => drop(state.wills.remove(&will)),
            Record::Cursor { session, filter, subscription, after, until } => {
                if let Some(session) = state.sessions.get_mut(&session) {
                    match session.cursors.iter_mut().find(|cursor| cursor.filter == filter) {
                        Some(cursor) => cursor.go_to(after),
                        None => {
                            session.cursors.push_back(state.retained.cursor_at(filter, subscription, after, until));
                        }
                    }
                }
            }
            Record::CursorDone { session, filter } => {
                if let Some(session) = state.sessions.get_mut(&session) {
                    session.cursors.retain(|cursor| cursor.filter != filter);
                }
            }
        }
        true
    }

    fn end(&mut self, id: u64) {
        self.queues.remove(&id);
        self.exchanges.remove(&id);
        let Some(session) = self.state.sessions.remove(&id) else { return };
        if self.state.by_client.get(&session.identity) == Some(&id) {
            self.state.by_client.remove(&session.identity);
        }
        for filter in session.subscriptions.keys() {
            self.state.subscriptions.remove(filter, id);
        }
    }

    fn message(&mut self, record: MessageRecord) -> bool {
        let MessageRecord { message: number, publish, expires_at_millis, publisher, retained, receivers } = record;
        if check_name(&publish.topic, self.settings.max_topic_levels).is_err() {
            return false;
        }
        self.state.log.pass(number);
        if self.cancelled.contains(&number) {
            return true;
        }
        // By the wall clock if it was trusted then and is now; otherwise its time begins anew.
        let left = match (expires_at_millis, self.wall_millis) {
            (Some(at), Some(now)) => Some(Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or(0))),
            _ => publish.properties.expiry_secs.map(|secs| Duration::from_secs(secs.get().into())),
        };
        let expires = left.and_then(|left| self.now.checked_add(left));
        let bytes = publish.bytes();
        let message = Arc::new(Message { publish, publisher, expires, bytes });
        if retained {
            self.state.retained.set(&message);
        }
        for receiver in receivers {
            self.state.log.pass(receiver.number);
            if receiver.qos != QoS::AtMostOnce && self.state.sessions.contains_key(&receiver.session) {
                let (session, number) = (receiver.session, receiver.number);
                self.queues.entry(session).or_default().insert(number, delivery(&message, receiver));
            }
        }
        true
    }

    fn finish(mut self, found: &mut Resumed) -> State<A> {
        let state = &mut self.state;
        found.sessions = state.sessions.len();
        found.retained = state.retained.len();
        for (id, session) in &mut state.sessions {
            let left = match (self.ends_at_millis.get(id), self.wall_millis) {
                (Some(at), Some(now)) => Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or(0)),
                _ => session.expiry,
            };
            session.expires_at = self.now.checked_add(left.min(session.expiry));
            for (id, number, delivery) in self.exchanges.remove(id).unwrap_or_default() {
                found.queued += usize::from(delivery.is_some());
                session.outbox.restore_exchange(id, number, delivery);
            }
            for delivery in self.queues.remove(id).unwrap_or_default().into_values() {
                found.queued += 1;
                session.outbox.restore(delivery);
            }
            state.queued_bytes += session.outbox.bytes();
        }
        let wills: Vec<WillRecord> = state.wills.values().map(|will| (**will).clone()).collect();
        found.wills = wills.len();
        for will in wills {
            self.will(will);
        }
        self.state
    }

    /// Its client was cut off by the end of the last run: if it is not back soon, it is gone.
    fn will(&mut self, record: WillRecord) {
        let WillRecord { will: number, client, publish, delay_millis } = record;
        let delay = Duration::from_millis(delay_millis);
        let due = self.now.checked_add(delay.max(self.settings.will_grace));
        let client_id = ByteString::from(client.client_id.as_str());
        let identity = Arc::new(Identity { owner: client.username.clone(), client_id });
        let will = Will { publish, delay, speaker: Speaker::Absent(client), number };
        let state = &mut self.state;
        let next = state.next_session;
        let id = *state.by_client.entry(identity.clone()).or_insert(next);
        let session = state.sessions.entry(id).or_insert_with(|| {
            // Stands for a client whose session ended with its connection.
            let mut session = Session::new(identity, 1);
            session.expires_at = due;
            Box::new(session)
        });
        state.next_session = next.max(id.saturating_add(1));
        session.will_due = due;
        if let Some(older) = session.will.replace(Box::new(will)) {
            state.wills_due.add(*older, self.now);
        }
    }
}
