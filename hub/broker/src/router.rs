//! Sessions, subscriptions and retained messages behind one mutex, held for moments and never across an await.
//!
//! Connections pull: routing a message only puts it into the queues of sessions and rings their bells. So a client
//! that reads slowly costs its own queue and nobody's time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytestring::ByteString;
use tokio::{sync::Notify, time::Instant};

use crate::{
    counters::{Counters, Tally, add, count},
    gate::Ending,
    message::Publish,
    retained::Retained,
    session::{Link, Session, Will},
    settings::Settings,
    topic::share,
    tree::{Subscription, Tree},
};

mod shared;
mod status;
mod traffic;

pub(crate) use traffic::Acknowledgement;

pub(crate) struct Router<A> {
    state: Mutex<State<A>>,
    pub(crate) tally: Tally,
    pub(crate) settings: Settings,
    /// Rung when a deadline of a session may have moved.
    pub(crate) housekeeping: Notify,
}

struct State<A> {
    /// Boxed: the table keeps nearly as many empty places as full ones.
    sessions: HashMap<u64, Box<Session<A>>>,
    by_client: HashMap<ByteString, u64>,
    next_session: u64,
    subscriptions: Tree,
    status: status::Status,
    retained: Retained,
    queued_bytes: usize,
    /// When retained messages were last looked through for expired ones.
    purged: Instant,
    /// Wills of sessions that ended where nobody could publish them.
    overdue: Vec<Will<A>>,
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
    pub(crate) client_id: ByteString,
    pub(crate) username: Option<String>,
    pub(crate) clean_start: bool,
    pub(crate) expiry: Duration,
    pub(crate) window: u16,
    pub(crate) will: Option<Will<A>>,
}

pub(crate) struct Attached<A> {
    pub(crate) claim: Claim,
    pub(crate) present: bool,
    /// The will of the connection or session that this arrival ended.
    pub(crate) will_due: Option<Will<A>>,
    /// Filters of the resumed session, for the gate to look at again.
    pub(crate) filters: Vec<ByteString>,
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
    pub(crate) fn new(settings: Settings) -> Self {
        let state = State {
            sessions: HashMap::new(),
            by_client: HashMap::new(),
            next_session: 0,
            subscriptions: Tree::default(),
            status: status::Status::new(Instant::now()),
            retained: Retained::new(settings.retained_bytes),
            queued_bytes: 0,
            purged: Instant::now(),
            overdue: Vec::new(),
        };
        Self { state: Mutex::new(state), tally: Tally::default(), settings, housekeeping: Notify::new() }
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
        let mut will_due = None;
        let mut resumed = None;
        if let Some(&id) = state.by_client.get(&arrival.client_id)
            && let Some(session) = state.sessions.get_mut(&id)
        {
            if let Some(old) = session.link.take() {
                count(&self.tally.takeovers);
                old.close(Ending::TakenOver);
            }
            // A session whose client signed in as somebody else is not handed on, whatever the gate allowed.
            let resume = !arrival.clean_start
                && !session.expiry.is_zero()
                && session.expires_at.is_none_or(|at| at > now)
                && session.username == arrival.username;
            // 3.1.3.2.2: a delay that has not run out is cancelled by the client's return, not by the session's end.
            let ran_out = session.will_due.is_some_and(|at| at <= now);
            will_due = session.will.take().filter(|will| !resume || ran_out || will.delay.is_zero());
            if resume {
                resumed = Some(id);
            } else {
                state.end_session(id, self);
            }
        }
        let id = match resumed {
            Some(id) => id,
            None if state.sessions.len() >= self.settings.max_sessions => {
                state.overdue.extend(will_due);
                self.housekeeping.notify_one();
                return Err(NoRoom);
            }
            None => {
                let id = state.next_session;
                state.next_session += 1;
                state.by_client.insert(arrival.client_id.clone(), id);
                let session = Session::new(arrival.client_id, arrival.username, arrival.window);
                state.sessions.insert(id, Box::new(session));
                id
            }
        };
        let mut filters = Vec::new();
        if let Some(session) = state.sessions.get_mut(&id) {
            session.link = Some(link.clone());
            session.expiry = arrival.expiry;
            session.expires_at = None;
            session.will = arrival.will;
            session.will_due = None;
            session.outbox.reconnect(arrival.window);
            filters.extend(session.subscriptions.keys().cloned());
        }
        link.bell.notify_one();
        Ok(Attached { claim: Claim { session: id, link }, present: resumed.is_some(), will_due, filters })
    }

    /// The connection is gone. Returns its will if it is due at once; a delayed one falls due in [`Router::sweep`].
    pub(crate) fn detach(&self, claim: &Claim, ending: &Ending, expiry: Option<Duration>) -> Option<Will<A>> {
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let session = state.sessions.get_mut(&claim.session).filter(|s| s.is_served_by(&claim.link))?;
        session.link = None;
        session.expiry = expiry.unwrap_or(session.expiry);
        let mut will = session.will.take();
        if matches!(ending, Ending::Disconnected { will: false } | Ending::Shutdown) {
            will = None;
        }
        if session.expiry.is_zero() {
            state.end_session(claim.session, self);
            return will;
        }
        let before = session.outbox.bytes();
        add(&self.tally.queue_dropped, session.outbox.drop_qos0() as u64);
        state.queued_bytes -= before - session.outbox.bytes();
        session.expires_at = now.checked_add(session.expiry);
        if let Some(delayed) = will.take_if(|will| !will.delay.is_zero()) {
            session.will_due = now.checked_add(delayed.delay.min(session.expiry));
            session.will = Some(delayed);
        }
        self.housekeeping.notify_one();
        will
    }

    /// For a will that its connection could not see to: the next sweep hands it out.
    pub(crate) fn leave_will(&self, will: Will<A>) {
        self.lock().overdue.push(will);
        self.housekeeping.notify_one();
    }

    /// Ends sessions whose time is over. Returns the wills that are due and the next deadline.
    pub(crate) fn sweep(&self, now: Instant) -> (Vec<Will<A>>, Option<Instant>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut due = std::mem::take(&mut state.overdue);
        let mut ended = Vec::new();
        for (id, session) in &mut state.sessions {
            let over = session.expires_at.is_some_and(|at| at <= now);
            if over || session.will_due.is_some_and(|at| at <= now) {
                session.will_due = None;
                due.extend(session.will.take());
            }
            if over {
                ended.push(*id);
            }
        }
        add(&self.tally.expired_sessions, ended.len() as u64);
        for id in ended {
            state.end_session(id, self);
        }
        if now.saturating_duration_since(state.purged) >= PURGE_EVERY {
            state.purged = now;
            add(&self.tally.expired_messages, state.retained.purge(now) as u64);
        }
        (due, state.sessions.values().filter_map(|session| session.next_deadline()).min())
    }

    pub(crate) fn retained(&self, topic: &str) -> Option<Publish> {
        self.lock().retained.get(topic, Instant::now()).map(|message| message.publish.clone())
    }

    /// False if the session has all the filters it may have.
    pub(crate) fn subscribe(
        &self,
        claim: &Claim,
        filter: &ByteString,
        subscription: Subscription,
        handling: RetainHandling,
    ) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(session) = state.served(claim) else { return true };
        let known = session.subscriptions.contains_key(filter);
        if !known && session.subscriptions.len() >= self.settings.max_subscriptions_per_session {
            return false;
        }
        session.subscriptions.insert(filter.clone(), subscription);
        state.subscriptions.insert(filter, claim.session, subscription);
        if status::asks(share(filter).map_or(filter, |share| share.filter)) {
            self.want_status(&mut state.status);
        }
        // 4.8.2: nothing retained for a shared subscription.
        if share(filter).is_some() {
            return true;
        }
        if handling == RetainHandling::Send || (handling == RetainHandling::SendIfNew && !known) {
            let cursor = state.retained.cursor(filter.clone(), subscription);
            if let Some(session) = state.sessions.get_mut(&claim.session) {
                session.cursors.retain(|old| old.filter != *filter);
                session.cursors.push_back(cursor);
            }
            claim.link.bell.notify_one();
        }
        true
    }

    /// Whether there was such a subscription.
    pub(crate) fn unsubscribe(&self, claim: &Claim, filter: &str) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(session) = state.served(claim) else { return false };
        session.cursors.retain(|cursor| cursor.filter != *filter);
        session.subscriptions.remove(filter).is_some() && state.subscriptions.remove(filter, claim.session)
    }

    /// Closes the connection of a client; its session stays.
    pub(crate) fn close(&self, client_id: &str, ending: Ending) -> bool {
        let state = self.lock();
        let session = state.by_client.get(client_id).and_then(|id| state.sessions.get(id));
        let Some(link) = session.and_then(|session| session.link.as_ref()) else { return false };
        link.close(ending);
        true
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
        self.by_client.remove(&session.client_id);
        self.queued_bytes -= session.outbox.bytes();
        for filter in session.subscriptions.keys() {
            self.subscriptions.remove(filter, id);
        }
        self.hand_over(session.outbox.take_shared(), router);
    }
}
