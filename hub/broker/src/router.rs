//! Sessions, subscriptions and retained messages behind one mutex, held for moments and never across an await.
//!
//! Connections pull: routing a message only puts it into the queues of sessions and rings their bells. So a client
//! that reads slowly costs its own queue and nobody's time.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytestring::ByteString;
use rmqtt_codec::types::QoS;
use tokio::{sync::Notify, time::Instant};

use crate::{
    counters::{Counters, Tally, add, count},
    gate::{Durable, Ending},
    message::Publish,
    record::{Record, WillRecord},
    retained::Retained,
    session::{Identity, Link, Session, Speaker, Will},
    settings::Settings,
    storage::Storage,
    topic::share,
    tree::{Subscription, Tree, cost_bytes},
};

mod forward;
mod log;
mod replay;
mod shared;
mod snapshot;
mod status;
mod traffic;
mod wills;

use forward::{Contest, Planned};
use log::{Log, patient};

pub(crate) use traffic::{Acknowledgement, Begun, Pulled};

pub(crate) struct Router<A> {
    state: Mutex<State<A>>,
    storage: Arc<dyn Storage>,
    /// Whether the storage keeps anything.
    keeps: bool,
    /// How many sessions are in the log: without any, messages that are not retained need no plan.
    lasting: AtomicUsize,
    pub(crate) tally: Tally,
    pub(crate) settings: Settings,
    /// Rung when a deadline of a session may have moved.
    pub(crate) housekeeping: Notify,
}

struct State<A> {
    /// Boxed: the table keeps nearly as many empty places as full ones.
    sessions: HashMap<u64, Box<Session<A>>>,
    by_client: HashMap<Arc<Identity>, u64>,
    next_session: u64,
    subscriptions: Tree,
    status: status::Status,
    retained: Retained,
    queued_bytes: usize,
    /// When retained messages were last looked through for expired ones.
    purged: Instant,
    wills_due: wills::Due<A>,
    /// Messages that were read and planned and are not forwarded, by their numbers.
    planned: HashMap<u64, Box<Planned>>,
    contests: HashMap<ByteString, Contest>,
    /// The wills that the log has, by their numbers.
    wills: BTreeMap<u64, Box<WillRecord>>,
    log: Log,
}

/// One connection's claim on a session. It goes stale when another connection takes the session over; calls with a
/// stale claim do nothing.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) session: u64,
    pub(crate) link: Arc<Link>,
}

/// What a CONNECT asks of the router.
pub(crate) struct Arrival<A> {
    pub(crate) identity: Identity,
    pub(crate) clean_start: bool,
    pub(crate) expiry: Duration,
    pub(crate) window: u16,
    pub(crate) will: Option<Box<Will<A>>>,
}

pub(crate) struct Attached<A> {
    pub(crate) claim: Claim,
    pub(crate) present: bool,
    /// The will of the connection or session that this arrival ended.
    pub(crate) will_due: Option<Will<A>>,
    /// Filters of the resumed session, for the gate to look at again.
    pub(crate) filters: Vec<ByteString>,
    /// The session outlives its connection and the process.
    pub(crate) logged: bool,
    /// That a session which was in the log is no more: to be waited for before the client hears that it has none, or it
    /// could meet the old one again after a crash.
    pub(crate) ended: Durable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    Send,
    SendIfNew,
    DoNotSend,
}

/// More sessions than allowed.
pub(crate) struct NoRoom;

impl<A> Router<A> {
    pub(crate) fn new(settings: Settings, storage: Arc<dyn Storage>) -> Self {
        let state = State {
            sessions: HashMap::new(),
            by_client: HashMap::new(),
            next_session: 0,
            subscriptions: Tree::default(),
            status: status::Status::new(Instant::now()),
            retained: Retained::new(settings.retained_bytes),
            queued_bytes: 0,
            purged: Instant::now(),
            wills_due: wills::Due::default(),
            planned: HashMap::new(),
            contests: HashMap::new(),
            wills: BTreeMap::new(),
            log: Log::new(storage.clone()),
        };
        Self {
            state: Mutex::new(state),
            keeps: storage.keeps(),
            storage,
            lasting: AtomicUsize::new(0),
            tally: Tally::default(),
            settings,
            housekeeping: Notify::new(),
        }
    }

    /// Whether a message has to be planned before anything of it is acknowledged. It is asked without the lock: who
    /// subscribes at this very moment is found when the message is forwarded.
    pub(crate) fn needs_plan(&self, publish: &Publish) -> bool {
        self.keeps && publish.qos != QoS::AtMostOnce && (publish.retain || self.lasting.load(Ordering::Relaxed) > 0)
    }

    /// Durable once all that the log was told is.
    pub(crate) fn settled(&self) -> Durable {
        patient(&self.storage)
    }

    /// A panic elsewhere must not take the broker down with it: the state is consistent between statements.
    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds a connection to a new or resumed session, and ends the connection that had it.
    pub(crate) fn attach(&self, arrival: Arrival<A>) -> Result<Attached<A>, NoRoom> {
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let link = Arc::new(Link::default());
        let lasts = self.keeps && !arrival.expiry.is_zero();
        let mut will_due = None;
        let mut resumed = None;
        let mut forgotten = false;
        let mut cancelled = 0;
        let identity = Arc::new(arrival.identity);
        if let Some(&id) = state.by_client.get(&identity)
            && let Some(session) = state.sessions.get_mut(&id)
        {
            if let Some(old) = session.link.take() {
                count(&self.tally.takeovers);
                old.close(Ending::TakenOver);
            }
            let resume =
                !arrival.clean_start && !session.expiry.is_zero() && session.expires_at.is_none_or(|at| at > now);
            let resume = resume && !session.forgotten;
            // 3.1.3.2.2: a delay that has not run out is cancelled by the client's return, not by the session's end.
            // Nobody was gone in the eyes of a client that finds the broker restarted and comes back in time.
            let ran_out = session.will_due.is_some_and(|at| at <= now);
            if let Some(will) = session.will.take() {
                match &will.speaker {
                    Speaker::Peer(_) if !resume || ran_out || will.delay.is_zero() => will_due = Some(*will),
                    Speaker::Absent(_) if ran_out => state.wills_due.add(*will, now),
                    _ => cancelled = will.number,
                }
            }
            forgotten = session.logged && !(resume && lasts);
            if forgotten && resume {
                session.logged = false;
                self.lasting.fetch_sub(1, Ordering::Relaxed);
                state.log.write(&Record::Ended { session: id });
            }
            if resume {
                resumed = Some(id);
            } else {
                state.end_session(id, self);
            }
        }
        state.clear_will(cancelled);
        state.client_is_back(&identity);
        // Of connections that a listener let go when it stopped: the log has their wills, and nobody else.
        let due = will_due.iter().chain(state.wills_due.all()).map(|will| will.number).collect::<Vec<_>>();
        let stale = state.wills.values().filter(|will| identity.is_of(&will.client));
        for will in stale.map(|will| will.will).filter(|number| !due.contains(number)).collect::<Vec<_>>() {
            state.clear_will(will);
        }
        let id = match resumed {
            Some(id) => id,
            None if state.sessions.len() >= self.settings.max_sessions => {
                will_due.into_iter().for_each(|will| state.wills_due.add(will, now));
                state.log.flush();
                self.housekeeping.notify_one();
                return Err(NoRoom);
            }
            None => {
                let id = state.next_session;
                state.next_session += 1;
                state.by_client.insert(identity.clone(), id);
                let mut session = Session::new(identity, arrival.window);
                session.logged = lasts;
                self.lasting.fetch_add(lasts.into(), Ordering::Relaxed);
                state.sessions.insert(id, Box::new(session));
                id
            }
        };
        let mut filters = Vec::new();
        let mut logged = false;
        if let Some(session) = state.sessions.get_mut(&id) {
            logged = session.logged;
            session.link = Some(link.clone());
            session.expiry = arrival.expiry;
            session.expires_at = None;
            session.will = arrival.will;
            session.will_due = None;
            session.outbox.reconnect(arrival.window);
            filters.extend(session.subscriptions.keys().cloned());
            if logged {
                state.log.write(&session.record(id, None));
            }
            if let (true, Some(will)) = (self.keeps, &mut session.will) {
                will.number = state.log.number();
                let record = will.record();
                state.log.write(&Record::Will(record.clone()));
                state.wills.insert(will.number, record);
            }
        }
        state.log.flush();
        link.bell.notify_one();
        drop(guard);
        let ended = if forgotten { self.settled() } else { Durable::Now };
        let claim = Claim { session: id, link };
        Ok(Attached { claim, present: resumed.is_some(), will_due, filters, logged, ended })
    }

    /// The connection is gone. Returns its will if it is due at once; a delayed one falls due in [`Router::sweep`].
    pub(crate) fn detach(&self, claim: &Claim, ending: &Ending, expiry: Option<Duration>) -> Option<Will<A>> {
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let session = state.sessions.get_mut(&claim.session).filter(|s| s.is_served_by(&claim.link))?;
        session.link = None;
        session.expiry = if session.forgotten { Duration::ZERO } else { expiry.unwrap_or(session.expiry) };
        let mut will = session.will.take();
        let mut silenced = 0;
        // At a stop the will stays in the log: a client that is not back soon after the restart is gone (3.1.2.5 allows
        // a server that stops to defer it).
        if *ending == Ending::Shutdown {
            will = None;
        } else if let Ending::Disconnected { will: false } = ending
            && let Some(will) = will.take()
        {
            silenced = will.number;
        }
        if session.expiry.is_zero() {
            state.clear_will(silenced);
            state.end_session(claim.session, self);
            state.log.flush();
            return will.map(|will| *will);
        }
        let before = session.outbox.bytes();
        add(&self.tally.queue_dropped, session.outbox.drop_qos0() as u64);
        state.queued_bytes -= before - session.outbox.bytes();
        session.expires_at = now.checked_add(session.expiry);
        if let Some(delayed) = will.take_if(|will| !will.delay.is_zero()) {
            session.will_due = now.checked_add(delayed.delay.min(session.expiry));
            session.will = Some(delayed);
        }
        if session.logged {
            let ends_at = session.expires_at.and_then(|at| state.log.millis_at(at));
            state.log.write(&session.record(claim.session, ends_at));
        }
        state.clear_will(silenced);
        state.log.flush();
        self.housekeeping.notify_one();
        will.map(|will| *will)
    }

    /// For a will that its connection could not see to: the next sweep hands it out.
    pub(crate) fn leave_will(&self, will: Will<A>) {
        self.lock().wills_due.add(will, Instant::now());
        self.housekeeping.notify_one();
    }

    /// Ends sessions whose time is over. Returns the wills that are due and the next deadline.
    pub(crate) fn sweep(&self, now: Instant) -> (Vec<Will<A>>, Option<Instant>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let (mut due, next_will) = state.wills_due.take(now);
        let mut ended = Vec::new();
        for (id, session) in &mut state.sessions {
            let over = session.expires_at.is_some_and(|at| at <= now);
            if over || session.will_due.is_some_and(|at| at <= now) {
                session.will_due = None;
                due.extend(session.will.take().map(|will| *will));
            }
            if over {
                ended.push(*id);
            }
        }
        add(&self.tally.expired_sessions, ended.len() as u64);
        if !ended.is_empty() {
            for id in ended {
                state.end_session(id, self);
            }
            state.log.flush();
        }
        if now.saturating_duration_since(state.purged) >= PURGE_EVERY {
            state.purged = now;
            add(&self.tally.expired_messages, state.retained.purge(now) as u64);
        }
        let lingering = state.log.flush_lingering(now);
        let deadlines = state.sessions.values().filter_map(|session| session.next_deadline());
        (due, deadlines.chain(lingering).chain(next_will).min())
    }

    /// Nothing lingers any more.
    pub(crate) fn flush(&self) {
        self.lock().log.flush();
    }

    pub(crate) fn retained(&self, topic: &str) -> Option<Publish> {
        self.lock().retained.get(topic, Instant::now()).map(|message| message.publish.clone())
    }

    /// False if the session, or all of them together, have all the filters they may have.
    pub(crate) fn subscribe(
        &self,
        claim: &Claim,
        filter: &ByteString,
        subscription: Subscription,
        handling: RetainHandling,
    ) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let all_bytes = state.subscriptions.bytes();
        let Some(session) = state.served(claim) else { return true };
        let known = session.subscriptions.contains_key(filter);
        let settings = &self.settings;
        let bytes = if known { 0 } else { cost_bytes(filter) };
        if !known
            && (session.subscriptions.len() >= settings.max_subscriptions_per_session
                || session.filter_bytes + bytes > settings.filter_bytes_per_session
                || all_bytes + bytes > settings.filter_bytes_total)
        {
            return false;
        }
        session.filter_bytes += bytes;
        session.subscriptions.insert(filter.clone(), subscription);
        // 4.8.2: nothing retained for a shared subscription.
        let retained = share(filter).is_none()
            && (handling == RetainHandling::Send || (handling == RetainHandling::SendIfNew && !known));
        if session.logged {
            let (session, filter) = (claim.session, filter.clone());
            state.log.write(&Record::Subscribed { session, filter, subscription, retained });
        }
        state.subscriptions.insert(filter, claim.session, subscription);
        if status::asks(share(filter).map_or(filter, |share| share.filter)) {
            self.want_status(&mut state.status);
        }
        if retained {
            let cursor = state.retained.cursor(filter.clone(), subscription);
            if let Some(session) = state.sessions.get_mut(&claim.session) {
                session.cursors.retain(|old| old.filter != *filter);
                session.cursors.push_back(cursor);
            }
            claim.link.bell.notify_one();
        }
        state.log.flush();
        true
    }

    /// Whether there was such a subscription.
    pub(crate) fn unsubscribe(&self, claim: &Claim, filter: &str) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(session) = state.served(claim) else { return false };
        session.cursors.retain(|cursor| cursor.filter != *filter);
        let known = session.subscriptions.remove(filter).is_some();
        session.filter_bytes -= if known { cost_bytes(filter) } else { 0 };
        if session.logged && known {
            state.log.write(&Record::Unsubscribed { session: claim.session, filter: filter.into() });
            state.log.flush();
        }
        known && state.subscriptions.remove(filter, claim.session)
    }

    /// Closes the connections of an owner's clients; their sessions stay. Returns how many there were.
    pub(crate) fn close(&self, owner: Option<&str>, ending: Ending) -> usize {
        let state = self.lock();
        let own = state.sessions.values().filter(|session| session.identity.owner.as_deref() == owner);
        own.filter_map(|session| session.link.as_ref()).map(|link| link.close(ending)).count()
    }

    /// Closes an owner's connections and ends the sessions: what was subscribed or waits for it is for nobody, also if
    /// somebody comes by the same name later.
    pub(crate) fn forget(&self, owner: &str, ending: Ending) -> usize {
        let mut state = self.lock();
        let now = Instant::now();
        let mut closed = 0;
        for session in state.sessions.values_mut() {
            if session.identity.owner.as_deref() != Some(owner) {
                continue;
            }
            session.forgotten = true;
            match &session.link {
                Some(link) => {
                    link.close(ending);
                    closed += 1;
                }
                None => session.expires_at = Some(now),
            }
        }
        drop(state);
        self.housekeeping.notify_one();
        closed
    }

    pub(crate) fn counters(&self) -> Counters {
        let state = self.lock();
        Counters {
            connected: state.sessions.values().filter(|session| session.link.is_some()).count() as u64,
            sessions: state.sessions.len() as u64,
            subscriptions: state.subscriptions.len() as u64,
            retained: state.retained.len() as u64,
            retained_bytes: state.retained.bytes() as u64,
            queued_bytes: state.queued_bytes as u64,
            ..self.tally.snapshot()
        }
    }
}

/// Expired retained messages are never delivered; going through all of them only gives their memory back.
const PURGE_EVERY: Duration = Duration::from_secs(60);

impl<A> State<A> {
    fn served(&mut self, claim: &Claim) -> Option<&mut Session<A>> {
        self.sessions.get_mut(&claim.session).map(|session| &mut **session).filter(|s| s.is_served_by(&claim.link))
    }

    fn end_session(&mut self, id: u64, router: &Router<A>) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        self.by_client.remove(&session.identity);
        self.queued_bytes -= session.outbox.bytes();
        for filter in session.subscriptions.keys() {
            self.subscriptions.remove(filter, id);
        }
        if session.logged {
            router.lasting.fetch_sub(1, Ordering::Relaxed);
            self.log.write(&Record::Ended { session: id });
        }
        self.hand_over(session.outbox.take_shared(), router);
        self.bequeath(id, router);
    }
}

#[cfg(test)]
mod tests;
