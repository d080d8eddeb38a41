//! The state MQTT calls a session (4.1), and the link to the connection that serves it now, if any.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytestring::ByteString;
use tokio::{sync::Notify, time::Instant};

use crate::{
    gate::{Absent, Ending, Peer},
    message::Publish,
    outbox::Outbox,
    record::{Record, WillRecord},
    retained::Cursor,
    settings::Settings,
    tree::Subscription,
};

/// How the router reaches a connection's task: a bell, and a word that ends it.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) bell: Notify,
    ending: OnceLock<Ending>,
}

impl Link {
    /// The first word stands.
    pub(crate) fn close(&self, ending: Ending) {
        let _ = self.ending.set(ending);
        self.bell.notify_one();
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }
}

/// A will, with the client it speaks for: it passes the gate when it falls due.
pub(crate) struct Will<A> {
    pub(crate) publish: Publish,
    pub(crate) delay: Duration,
    pub(crate) speaker: Speaker<A>,
    /// Its number in the log; 0 if it is not there.
    pub(crate) number: u64,
}

impl<A> Will<A> {
    pub(crate) fn record(&self) -> Box<WillRecord> {
        Box::new(WillRecord {
            will: self.number,
            client: self.speaker.to_absent(),
            publish: self.publish.clone(),
            delay_millis: u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// In whose name a will passes the gate.
pub(crate) enum Speaker<A> {
    Peer(Arc<Peer<A>>),
    /// A client of an earlier run; the gate is asked whether it still knows it.
    Absent(Absent),
}

impl<A> Speaker<A> {
    pub(crate) fn identity(&self) -> Identity {
        let (owner, client_id) = match self {
            Self::Peer(peer) => (&peer.username, &peer.client_id),
            Self::Absent(absent) => (&absent.username, &absent.client_id),
        };
        Identity { owner: owner.clone(), client_id: client_id.as_str().into() }
    }

    /// As the log has it.
    pub(crate) fn to_absent(&self) -> Absent {
        match self {
            Self::Absent(absent) => absent.clone(),
            Self::Peer(peer) => Absent {
                client_id: peer.client_id.clone(),
                username: peer.username.clone(),
                address: peer.address,
                protocol: peer.protocol,
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming2 {
    /// Read, not yet durable.
    Uncommitted,
    /// Durable and forwarded; PUBREC sent or due.
    Received,
}

/// Whose session it is: a client id is one of its owner's, so that nobody can come in under the id of another, take its
/// session or keep it out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) owner: Option<String>,
    pub(crate) client_id: ByteString,
}

impl Identity {
    pub(crate) fn is_of(&self, absent: &Absent) -> bool {
        self.owner == absent.username && self.client_id == *absent.client_id
    }
}

pub(crate) struct Session<A> {
    pub(crate) identity: Arc<Identity>,
    pub(crate) link: Option<Arc<Link>>,
    pub(crate) expiry: Duration,
    /// Its changes go to the log.
    pub(crate) logged: bool,
    /// Its owner is none any more: it ends with its connection, and nobody resumes it.
    pub(crate) forgotten: bool,
    /// Set while no connection serves it.
    pub(crate) expires_at: Option<Instant>,
    /// Boxed: most have none, and it is as large as all the rest.
    pub(crate) will: Option<Box<Will<A>>>,
    pub(crate) will_due: Option<Instant>,
    pub(crate) subscriptions: HashMap<ByteString, Subscription>,
    /// What they cost.
    pub(crate) filter_bytes: usize,
    pub(crate) outbox: Outbox,
    /// Retained messages still to be drawn, one cursor per filter at most.
    pub(crate) cursors: VecDeque<Cursor>,
    /// QoS 2 packet ids of the client that have not been released.
    pub(crate) incoming: HashMap<u16, Incoming2>,
    /// PUBRECs that fell due while another connection served the session.
    pub(crate) pubrec_due: VecDeque<u16>,
}

impl<A> Session<A> {
    pub(crate) fn new(identity: Arc<Identity>, window: u16) -> Self {
        Self {
            identity,
            link: None,
            expiry: Duration::ZERO,
            logged: false,
            forgotten: false,
            expires_at: None,
            will: None,
            will_due: None,
            subscriptions: HashMap::new(),
            filter_bytes: 0,
            outbox: Outbox::new(window),
            cursors: VecDeque::new(),
            incoming: HashMap::new(),
            pubrec_due: VecDeque::new(),
        }
    }

    pub(crate) fn is_served_by(&self, link: &Arc<Link>) -> bool {
        self.link.as_ref().is_some_and(|own| Arc::ptr_eq(own, link))
    }

    /// Its terms, for the log.
    pub(crate) fn record(&self, session: u64, ends_at_millis: Option<i64>) -> Record {
        Record::Session {
            session,
            client_id: self.identity.client_id.clone(),
            username: self.identity.owner.clone(),
            expiry_millis: u64::try_from(self.expiry.as_millis()).unwrap_or(u64::MAX),
            ends_at_millis,
        }
    }

    /// How well this session could take a shared message, 0 best.
    pub(crate) fn rank(&self, settings: &Settings) -> Option<u8> {
        let has_room = self.outbox.queued() < settings.queue_messages_per_session
            && self.outbox.bytes() < settings.queue_bytes_per_session;
        Some(match (&self.link, has_room) {
            (Some(link), true) if link.ending().is_none() => 0,
            (Some(link), false) if link.ending().is_none() => 1,
            (_, true) => 2,
            (_, false) => 3,
        })
    }

    /// When something has to be done about a session that nobody serves.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match (self.expires_at, self.will_due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
