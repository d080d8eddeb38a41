//! What a connected client can say, in one shape for both protocol versions, and what is refused on the way. A PUBLISH
//! comes from `decode`, everything else from the codec.
//!
//! The codec leaves open what strings may contain (MQTT 5, 1.5.4); that is checked here.

use bytestring::ByteString;
use rmqtt_codec::{error::DecodeError, v3, v5};

use crate::{
    gate::{Ending, Refusal},
    message::{Properties, Publish, detached},
    router::RetainHandling,
    tree::Subscription,
};

/// A peer that broke the rules: the MQTT 5 reason code, and words for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u8,
    pub(crate) what: &'static str,
}

impl Violation {
    pub(crate) const fn new(code: u8, what: &'static str) -> Self {
        Self { code, what }
    }

    pub(crate) const fn protocol(what: &'static str) -> Self {
        Self::new(code::PROTOCOL_ERROR, what)
    }
}

impl From<Violation> for Ending {
    fn from(violation: Violation) -> Self {
        Self::Violation { code: violation.code, what: violation.what }
    }
}

/// The MQTT 5 reason codes used here (2.4).
pub(crate) mod code {
    pub(crate) const MALFORMED: u8 = 0x81;
    pub(crate) const PROTOCOL_ERROR: u8 = 0x82;
    pub(crate) const NOT_AUTHORIZED: u8 = 0x87;
    pub(crate) const SERVER_BUSY: u8 = 0x89;
    pub(crate) const SHUTTING_DOWN: u8 = 0x8B;
    pub(crate) const KEEP_ALIVE: u8 = 0x8D;
    pub(crate) const TAKEN_OVER: u8 = 0x8E;
    pub(crate) const FILTER_INVALID: u8 = 0x8F;
    pub(crate) const TOPIC_INVALID: u8 = 0x90;
    pub(crate) const ID_NOT_FOUND: u8 = 0x92;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 0x93;
    pub(crate) const ALIAS_INVALID: u8 = 0x94;
    pub(crate) const PACKET_TOO_LARGE: u8 = 0x95;
    pub(crate) const QUOTA: u8 = 0x97;
    pub(crate) const ADMINISTRATIVE: u8 = 0x98;
    pub(crate) const PAYLOAD_INVALID: u8 = 0x99;
}

pub(crate) fn refusal_code(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::NotAuthorized => code::NOT_AUTHORIZED,
        Refusal::QuotaExceeded => code::QUOTA,
        Refusal::PayloadInvalid => code::PAYLOAD_INVALID,
    }
}

pub(crate) struct Filter {
    pub(crate) filter: ByteString,
    pub(crate) subscription: Subscription,
    pub(crate) handling: RetainHandling,
}

/// What a connected client can say.
pub(crate) enum Incoming {
    Publish { publish: Publish, id: Option<u16>, alias: Option<u16> },
    PubAck(u16),
    PubRec { id: u16, accepted: bool },
    PubRel(u16),
    PubComp(u16),
    Subscribe { id: u16, filters: Vec<Filter> },
    Unsubscribe { id: u16, filters: Vec<ByteString> },
    Ping,
    Disconnect { will: bool, expiry_secs: Option<u32> },
}

pub(crate) fn malformed(error: DecodeError) -> Violation {
    match error {
        DecodeError::InvalidTopicFilter => Violation::protocol("a packet has an empty filter or list of filters"),
        DecodeError::UnsupportedPacketType => Violation::new(code::MALFORMED, "a packet has an unknown type or flags"),
        DecodeError::Utf8Error => Violation::new(code::MALFORMED, "a string is not UTF-8"),
        DecodeError::InvalidLength => Violation::new(code::MALFORMED, "a packet's parts do not fit its length"),
        _ => Violation::new(code::MALFORMED, "a packet is malformed"),
    }
}

pub(crate) fn from_v3(packet: v3::Packet) -> Result<Incoming, Violation> {
    Ok(match packet {
        v3::Packet::PublishAck { packet_id } => Incoming::PubAck(packet_id.get()),
        v3::Packet::PublishReceived { packet_id } => Incoming::PubRec { id: packet_id.get(), accepted: true },
        v3::Packet::PublishRelease { packet_id } => Incoming::PubRel(packet_id.get()),
        v3::Packet::PublishComplete { packet_id } => Incoming::PubComp(packet_id.get()),
        v3::Packet::Subscribe { packet_id, topic_filters } => Incoming::Subscribe {
            id: packet_id.get(),
            filters: topic_filters
                .into_iter()
                .map(|(filter, qos)| Filter {
                    filter: detached(&filter),
                    subscription: Subscription { qos, no_local: false, retain_as_published: false, identifier: None },
                    handling: RetainHandling::Send,
                })
                .collect(),
        },
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            Incoming::Unsubscribe { id: packet_id.get(), filters: topic_filters }
        }
        v3::Packet::PingRequest => Incoming::Ping,
        v3::Packet::Disconnect => Incoming::Disconnect { will: false, expiry_secs: None },
        v3::Packet::Connect(_) => return Err(Violation::protocol("a second CONNECT")),
        // Read elsewhere.
        v3::Packet::Publish(_) => return Err(Violation::new(code::MALFORMED, "a packet is malformed")),
        v3::Packet::ConnectAck(_)
        | v3::Packet::SubscribeAck { .. }
        | v3::Packet::UnsubscribeAck { .. }
        | v3::Packet::PingResponse => return Err(Violation::protocol("a packet that only a server sends")),
    })
}

pub(crate) fn from_v5(packet: v5::Packet) -> Result<Incoming, Violation> {
    Ok(match packet {
        v5::Packet::PublishAck(ack) => Incoming::PubAck(ack.packet_id.get()),
        v5::Packet::PublishReceived(ack) => {
            Incoming::PubRec { id: ack.packet_id.get(), accepted: u8::from(ack.reason_code) < 0x80 }
        }
        v5::Packet::PublishRelease(ack) => Incoming::PubRel(ack.packet_id.get()),
        v5::Packet::PublishComplete(ack) => Incoming::PubComp(ack.packet_id.get()),
        v5::Packet::Subscribe(subscribe) => {
            let identifier = subscribe.id;
            let filters = subscribe
                .topic_filters
                .into_iter()
                .map(|(filter, options)| Filter {
                    filter: detached(&filter),
                    subscription: Subscription {
                        qos: options.qos,
                        no_local: options.no_local,
                        retain_as_published: options.retain_as_published,
                        identifier,
                    },
                    handling: match options.retain_handling {
                        v5::RetainHandling::AtSubscribe => RetainHandling::Send,
                        v5::RetainHandling::AtSubscribeNew => RetainHandling::SendIfNew,
                        v5::RetainHandling::NoAtSubscribe => RetainHandling::DoNotSend,
                    },
                })
                .collect();
            Incoming::Subscribe { id: subscribe.packet_id.get(), filters }
        }
        v5::Packet::Unsubscribe(unsubscribe) => {
            Incoming::Unsubscribe { id: unsubscribe.packet_id.get(), filters: unsubscribe.topic_filters }
        }
        v5::Packet::PingRequest => Incoming::Ping,
        v5::Packet::Disconnect(disconnect) => Incoming::Disconnect {
            will: disconnect.reason_code != v5::DisconnectReasonCode::NormalDisconnection,
            expiry_secs: disconnect.session_expiry_interval_secs,
        },
        v5::Packet::Connect(_) => return Err(Violation::protocol("a second CONNECT")),
        v5::Packet::Auth(_) => return Err(Violation::protocol("AUTH without an authentication method")),
        v5::Packet::Publish(_) => return Err(Violation::new(code::MALFORMED, "a packet is malformed")),
        v5::Packet::ConnectAck(_)
        | v5::Packet::SubscribeAck(_)
        | v5::Packet::UnsubscribeAck(_)
        | v5::Packet::PingResponse => return Err(Violation::protocol("a packet that only a server sends")),
    })
}

/// What would make a receiver close its connection must not be forwarded to it (1.5.4.2, 3.3.2.3.5).
pub(crate) fn check_properties(p: &Properties, max_user: usize) -> Result<(), Violation> {
    if p.user.len() > max_user {
        return Err(Violation::new(code::QUOTA, "a message has too many user properties"));
    }
    let strings = p.content_type.iter().chain(&p.response_topic).chain(p.user.iter().flat_map(|(k, v)| [k, v]));
    if strings.into_iter().any(|text| text.contains('\0')) {
        return Err(Violation::new(code::MALFORMED, "a string contains NUL"));
    }
    if p.response_topic.as_ref().is_some_and(|topic| topic.contains(['+', '#'])) {
        return Err(Violation::protocol("a response topic contains a wildcard"));
    }
    Ok(())
}
