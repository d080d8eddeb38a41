//! An embedded MQTT broker (3.1.1 and 5 on one port) that acknowledges only what its owner has committed.
//!
//! The owner implements [`Gate`]: who may come in, what may be published and subscribed, and when a message is
//! durable. The broker owns sessions, subscriptions, retained messages and acknowledgements; the bytes on the wire are
//! the business of `rmqtt-codec`. It knows bytes and topics and nothing of what they mean.
//!
//! Connections come by TCP, TLS or WebSocket (see [`Door`]).
//!
//! What a restart must not forget it writes into a log that the owner keeps ([`Storage`]); with [`Forgetful`] sessions
//! and retained messages live as long as the process.
//!
//! Deliberately absent: files and databases, enhanced authentication, bridging.

mod aliases;
mod broker;
mod carrier;
mod connect;
mod connection;
mod counters;
mod decode;
mod dispatch;
mod door;
mod encode;
mod gate;
mod handshake;
mod housekeeping;
mod intake;
mod message;
mod outbox;
mod packet;
mod pending;
mod places;
mod record;
mod retained;
mod router;
mod session;
mod settings;
mod storage;
mod stream;
mod topic;
mod tree;
mod websocket;
mod wire;

pub use broker::{Broker, Resumed};
pub use bytestring::ByteString;
pub use counters::Counters;
pub use door::{Door, TlsSource};
pub use gate::{
    Absent, Admission, ConnectRefusal, ConnectRequest, Durable, Ending, Gate, Kept, NotKept, Peer, Protocol, Refusal,
    Road, Verdict, WillSummary,
};
pub use message::{Properties, PropertySet, Publish};
pub use places::{OwnMachine, Place, Places};
pub use rmqtt_codec::types::QoS;
pub use settings::Settings;
pub use storage::{Forgetful, Rewritten, Storage, Torn};
pub use topic::{Share, TopicError, check_filter, check_name, matches, share};
pub use websocket::WebSockets;
