//! The gate: what the owner of the broker decides and when. The broker asks; it has no policy of its own.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt_codec::types::QoS;

use crate::message::Publish;

/// The owner's side of the broker.
///
/// `publish`, `overflow`, `subscribe` and `disconnected` run on the task that reads the socket and must not block.
pub trait Gate: Send + Sync + 'static {
    /// What the owner knows about an authenticated client; handed back with every later question.
    type Access: Send + Sync + 'static;

    /// Asked once per CONNECT, within the connect timeout.
    fn connect(&self, request: ConnectRequest) -> impl Future<Output = Result<Self::Access, ConnectRefusal>> + Send;

    /// Whose the client id is. Sessions, takeovers and wills are within one owner: the same id of another is another
    /// client, which can neither take the first one's session nor keep it out. It is also what [`Peer::username`] and
    /// [`Absent::username`] have. What lets a client in otherwise than by its user name must say who it is here: a user
    /// name that nobody checked is anybody's.
    fn owner(&self, _access: &Self::Access, username: Option<&str>) -> Option<String> {
        username.map(str::to_owned)
    }

    /// Called as each PUBLISH is read: authorises, takes the message in, and says what is to become of it. Wills come
    /// here when they fall due. A QoS 2 repetition that the session already holds does not come again; a QoS 1
    /// repetition does, with `dup` set.
    fn publish(&self, peer: &Peer<Self::Access>, publish: &Publish) -> Admission;

    /// Called in place of `publish` when the connection has too much that is not yet durable. The message will be
    /// neither acknowledged nor forwarded; a QoS 1 or 2 sender is disconnected later and sends it again. Here is the
    /// chance to act on what cannot wait.
    fn overflow(&self, _peer: &Peer<Self::Access>, _publish: &Publish) {}

    /// Asked per filter of a SUBSCRIBE, and again for each filter of a session that is resumed. Of a shared subscription
    /// (`$share/name/filter`) only the filter is shown: sharing adds no right.
    fn subscribe(&self, peer: &Peer<Self::Access>, filter: &str) -> bool;

    /// Asked after a restart for a client that was let in before it and has not come back, so that its will can pass
    /// [`Gate::publish`] in its name. `None`: it may no longer speak, and its will is not published.
    fn recall(&self, _absent: &Absent) -> impl Future<Output = Option<Self::Access>> + Send {
        std::future::ready(None)
    }

    /// Asked after a restart for each message that was retained before it: what may no longer be is forgotten.
    fn may_stay_retained(&self, _topic: &str) -> bool {
        true
    }

    /// A client that was connected no longer is.
    fn disconnected(&self, _peer: &Peer<Self::Access>, _ending: &Ending) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1, and 3.1 which differs from it in nothing that matters here.
    V311,
    V5,
}

/// What a CONNECT says of its sender.
#[derive(Clone)]
pub struct ConnectRequest {
    /// Made by the broker if the client left it empty.
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<Bytes>,
    pub peer: SocketAddr,
    pub protocol: Protocol,
    /// How it came: what a password may cross, and which rules hold, is for the owner to say.
    pub road: Road,
    /// The client's certificate (DER), if it showed one that the listener's TLS configuration accepts.
    pub certificate: Option<Bytes>,
    pub will: Option<WillSummary>,
}

/// How a client's bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Road {
    pub tls: bool,
    pub websocket: bool,
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("peer", &self.peer)
            .field("protocol", &self.protocol)
            .field("road", &self.road)
            .field("certificate", &self.certificate.as_ref().map(Bytes::len))
            .field("will", &self.will)
            .finish()
    }
}

/// Enough of a will to authorise it; its payload comes through [`Gate::publish`] if it is ever sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WillSummary {
    pub topic: ByteString,
    pub qos: QoS,
    pub retain: bool,
    pub payload_bytes: usize,
}

/// Why a client is not let in; becomes the CONNACK code of its protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectRefusal {
    /// 3.1.1: 4. MQTT 5: 0x86.
    BadCredentials,
    /// 3.1.1: 5. MQTT 5: 0x87.
    NotAuthorized,
    /// 3.1.1: 3. MQTT 5: 0x88.
    Unavailable,
    /// 3.1.1: 2. MQTT 5: 0x85.
    BadClientId,
}

/// A client of an earlier run of the broker, as its log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    pub client_id: String,
    pub username: Option<String>,
    pub address: SocketAddr,
    pub protocol: Protocol,
}

/// A connected client, as the gate knows it.
#[derive(Debug)]
pub struct Peer<A> {
    pub client_id: String,
    /// See [`Gate::owner`].
    pub username: Option<String>,
    pub address: SocketAddr,
    pub protocol: Protocol,
    pub access: A,
}

/// What is to become of a message.
#[derive(Debug)]
pub struct Admission {
    pub verdict: Verdict,
    pub durable: Durable,
}

impl Admission {
    /// Forward at once: nothing has to survive.
    pub fn forward_now() -> Self {
        Self { verdict: Verdict::Forward, durable: Durable::Now }
    }

    pub fn refuse(refusal: Refusal) -> Self {
        Self { verdict: Verdict::Refuse(refusal), durable: Durable::Now }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge, retain if asked to, and send to subscribers.
    Forward,
    /// The same, but nothing is retained, whatever the client asked for; what was retained before stays.
    ForwardUnretained,
    /// Acknowledge; nobody else hears of it and nothing is retained.
    Keep,
    /// MQTT 5: acknowledge with the reason code. 3.1.1 has none: acknowledge and drop.
    Refuse(Refusal),
    /// Close the connection, to a MQTT 5 client with the reason code.
    Disconnect(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 0x87
    NotAuthorized,
    /// 0x97
    QuotaExceeded,
    /// 0x99
    PayloadInvalid,
}

/// When a message counts as kept. Acknowledgement and forwarding wait for it, in the order of reading.
pub enum Durable {
    Now,
    /// An error means not kept: the message is neither acknowledged nor forwarded, and a QoS 1 or 2 sender is
    /// disconnected so that it sends again.
    When(Kept),
}

/// Resolves once something is durable, or is known never to be.
pub type Kept = Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send>>;

impl Durable {
    pub fn when(kept: impl Future<Output = Result<(), NotKept>> + Send + 'static) -> Self {
        Self::When(Box::pin(kept))
    }

    /// Whether it is known by now that it will not be kept.
    pub(crate) fn is_lost(&mut self) -> bool {
        let Self::When(kept) = self else { return false };
        match kept.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => *self = Self::Now,
            Poll::Ready(Err(NotKept)) => *self = Self::when(std::future::ready(Err(NotKept))),
        }
        matches!(self, Self::When(_))
    }

    /// Kept once both are.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, one) | (one, Self::Now) => one,
            (Self::When(first), Self::When(second)) => Self::when(async move {
                first.await?;
                second.await
            }),
        }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now => "Now",
            Self::When(_) => "When(…)",
        })
    }
}

/// The owner could not make a message durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message could not be made durable")]
pub struct NotKept;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client sent DISCONNECT; `will` if it asked for its will to be published all the same (MQTT 5, 0x04).
    Disconnected {
        will: bool,
    },
    /// The socket closed or failed without a DISCONNECT.
    Lost,
    KeepAlive,
    /// Waiting bytes were not taken for the write timeout.
    WriteTimeout,
    /// Another connection came with the same client id.
    TakenOver,
    /// The peer broke the protocol or one of the limits; the reason code is that of MQTT 5.
    Violation {
        code: u8,
        what: &'static str,
    },
    /// The gate said [`Verdict::Disconnect`].
    Refused(Refusal),
    NotKept,
    /// Too much uncommitted; closed so that the client sends again what was not taken.
    Overflow,
    /// [`crate::Broker::disconnect`]
    Administrative,
    Shutdown,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected { .. } => "the client disconnected",
            Self::Lost => "the connection was lost",
            Self::KeepAlive => "nothing came for one and a half keep-alive intervals",
            Self::WriteTimeout => "the client did not take what was sent to it",
            Self::TakenOver => "another connection uses the same client id",
            Self::Violation { what, .. } => what,
            Self::Refused(_) => "the client sent what it must not send",
            Self::NotKept => "a message could not be made durable",
            Self::Overflow => "too many messages wait to become durable",
            Self::Administrative => "disconnected by the owner",
            Self::Shutdown => "the broker is stopping",
        })
    }
}
