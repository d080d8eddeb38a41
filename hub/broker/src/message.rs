//! One application message: the shape the owner sees and, around it, what the router needs to forward it.
//!
//! Bytes are copied out of the read buffer when a message is made: a slice would keep the whole buffer alive for as
//! long as a ten-byte payload is retained or queued.

use std::{
    fmt,
    num::NonZeroU32,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt_codec::types::QoS;
use tokio::time::Instant;

/// A PUBLISH, without what belongs to one connection (packet id, topic alias, subscription identifiers).
#[derive(Clone, PartialEq, Eq)]
pub struct Publish {
    pub topic: ByteString,
    pub payload: Bytes,
    pub qos: QoS,
    /// As the publisher set it: replaces the retained message of the topic, or deletes it if the payload is empty.
    pub retain: bool,
    /// The sender says that it has tried before.
    pub dup: bool,
    pub properties: Properties,
}

/// The properties of an MQTT 5 PUBLISH that travel with the message. Most messages have none, and then they take no room.
#[derive(Debug, Clone, Default)]
pub struct Properties(Option<Box<PropertySet>>);

static NONE: PropertySet = PropertySet {
    content_type: None,
    response_topic: None,
    correlation: None,
    user: Vec::new(),
    expiry_secs: None,
    utf8: false,
};

impl Deref for Properties {
    type Target = PropertySet;

    fn deref(&self) -> &PropertySet {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Properties {
    fn deref_mut(&mut self) -> &mut PropertySet {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Properties {}

impl From<PropertySet> for Properties {
    fn from(set: PropertySet) -> Self {
        Properties((set != NONE).then(|| Box::new(set)))
    }
}

/// What the properties of a message are; empty for 3.1.1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertySet {
    pub content_type: Option<ByteString>,
    pub response_topic: Option<ByteString>,
    pub correlation: Option<Bytes>,
    pub user: Vec<(ByteString, ByteString)>,
    /// Seconds the message is worth delivering, counted from its arrival.
    pub expiry_secs: Option<NonZeroU32>,
    /// Payload Format Indicator: the payload is said to be UTF-8. Not checked.
    pub utf8: bool,
}

impl Publish {
    /// QoS 0, not retained, no properties.
    pub fn new(topic: impl Into<ByteString>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: Properties::default(),
        }
    }

    pub fn with_qos(self, qos: QoS) -> Self {
        Self { qos, ..self }
    }

    pub fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    pub(crate) fn bytes(&self) -> usize {
        let p = &self.properties;
        let text = |s: &Option<ByteString>| s.as_ref().map_or(0, |s| s.len());
        let user: usize = p.user.iter().map(|(key, value)| key.len() + value.len() + OVERHEAD_PER_PROPERTY).sum();
        self.topic.len()
            + self.payload.len()
            + text(&p.content_type)
            + text(&p.response_topic)
            + p.correlation.as_ref().map_or(0, Bytes::len)
            + user
            + OVERHEAD
    }
}

impl fmt::Debug for Publish {
    /// Without the payload: it may be anything, and logs outlive it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("dup", &self.dup)
            .finish_non_exhaustive()
    }
}

/// What a message costs beyond its own bytes: the structs here, the allocator, a queue entry.
const OVERHEAD: usize = 400;
const OVERHEAD_PER_PROPERTY: usize = 160;

/// A message on its way through the router, shared by everything that holds it.
pub(crate) struct Message {
    pub(crate) publish: Publish,
    /// The session that sent it, for No Local; none if the owner did.
    pub(crate) publisher: Option<u64>,
    pub(crate) expires: Option<Instant>,
    pub(crate) bytes: usize,
}

impl Message {
    pub(crate) fn new(publish: Publish, publisher: Option<u64>, arrived: Instant) -> Arc<Self> {
        let expires =
            publish.properties.expiry_secs.and_then(|s| arrived.checked_add(Duration::from_secs(s.get().into())));
        let bytes = publish.bytes();
        Arc::new(Self { publish, publisher, expires, bytes })
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// What is left of the expiry interval (MQTT 5, 3.3.2.3.3), at least one second.
    pub(crate) fn remaining_secs(&self, now: Instant) -> Option<NonZeroU32> {
        let left = self.expires?.saturating_duration_since(now);
        let secs = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        Some(NonZeroU32::new(secs).unwrap_or(NonZeroU32::MIN))
    }
}

/// A copy that does not share the buffer `text` was sliced from.
pub(crate) fn detached(text: &ByteString) -> ByteString {
    ByteString::from(&**text)
}
