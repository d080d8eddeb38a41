//! Reading a CONNECT: which protocol it speaks, what it asks for, and what is wrong with it. No I/O, no policy.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt_codec::{
    error::DecodeError,
    types::QoS,
    v3, v5,
    version::{ProtocolVersion, VersionCodec},
};
use tokio_util::codec::Decoder;

use crate::{
    gate::{ConnectRefusal, Protocol},
    message::{PropertySet, Publish, detached},
    packet::{Violation, check_properties, code, malformed},
    settings::Settings,
    topic::{check_name, is_reserved},
};

pub(crate) struct Connect {
    /// Made up if the client left it empty.
    pub(crate) client_id: ByteString,
    pub(crate) id_assigned: bool,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_secs: u16,
    /// As asked for; MQTT 3.1.1 asks for everything or nothing.
    pub(crate) expiry: Duration,
    pub(crate) receive_max: u16,
    pub(crate) max_packet_bytes: usize,
    /// Whether the client asked where answers to it are to go.
    pub(crate) wants_response_info: bool,
    /// The client's Topic Alias Maximum.
    pub(crate) topic_aliases: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Bytes>,
    pub(crate) will: Option<(Publish, Duration)>,
}

/// Why a CONNECT gets no session. A code of `None` means closing without a word, as 3.1.1 wants it for malformed
/// packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) v3: Option<u8>,
    pub(crate) v5: u8,
    pub(crate) what: &'static str,
}

impl From<Violation> for Refused {
    fn from(violation: Violation) -> Self {
        Self { v3: None, v5: violation.code, what: violation.what }
    }
}

impl From<ConnectRefusal> for Refused {
    fn from(refusal: ConnectRefusal) -> Self {
        match refusal {
            ConnectRefusal::BadCredentials => Self { v3: Some(4), v5: 0x86, what: "bad user name or password" },
            ConnectRefusal::NotAuthorized => Self { v3: Some(5), v5: 0x87, what: "not authorized" },
            ConnectRefusal::Unavailable => Self { v3: Some(3), v5: 0x88, what: "the broker is not available now" },
            ConnectRefusal::BadClientId => Self { v3: Some(2), v5: 0x85, what: "the client id is not accepted" },
        }
    }
}

/// Longest client id taken; 3.1.3.1 asks for 23 at least.
const MAX_CLIENT_ID_BYTES: usize = 1024;

const FLAG_CLEAN_START: u8 = 0b10;
const FLAG_WILL: u8 = 0b100;
const FLAGS_OF_WILL: u8 = 0b0011_1000;

/// The protocol of a whole CONNECT packet; None if it is one that nobody here speaks.
pub(crate) fn protocol(packet: &mut BytesMut) -> Option<Protocol> {
    match VersionCodec.decode(packet) {
        Ok(Some(ProtocolVersion::MQTT3)) => Some(Protocol::V311),
        Ok(Some(ProtocolVersion::MQTT5)) => Some(Protocol::V5),
        Ok(None) | Err(_) => None,
    }
}

/// Takes the first packet, `total` bytes of a CONNECT, out of the buffer.
pub(crate) fn read(
    protocol: Protocol,
    input: &mut BytesMut,
    total: usize,
    settings: &Settings,
) -> Result<Connect, Refused> {
    let mut packet = input.split_to(total);
    let connect = match protocol {
        Protocol::V311 => read_v3(&mut packet, settings)?,
        Protocol::V5 => read_v5(&mut packet, settings)?,
    };
    if connect.client_id.len() > MAX_CLIENT_ID_BYTES || connect.client_id.chars().any(char::is_control) {
        return Err(ConnectRefusal::BadClientId.into());
    }
    if let Some((will, _)) = &connect.will {
        if check_name(&will.topic, settings.max_topic_levels).is_err() {
            return Err(Violation::new(code::TOPIC_INVALID, "the will has a malformed topic").into());
        }
        if is_reserved(&will.topic) {
            return Err(ConnectRefusal::NotAuthorized.into());
        }
        check_properties(&will.properties, settings.max_user_properties)?;
    }
    Ok(connect)
}

fn read_v3(packet: &mut BytesMut, settings: &Settings) -> Result<Connect, Refused> {
    let connect = match v3::Codec::new(0).decode(packet) {
        Ok(Some((v3::Packet::Connect(connect), _))) => *connect,
        Ok(_) => return Err(Violation::protocol("the first packet is not a CONNECT").into()),
        Err(DecodeError::InvalidClientId) => return Err(ConnectRefusal::BadClientId.into()),
        Err(error) => return Err(malformed(error).into()),
    };
    if connect.username.is_none() && connect.password.is_some() {
        return Err(Violation::protocol("a password without a user name").into());
    }
    let (client_id, id_assigned) = own_id(&connect.client_id);
    Ok(Connect {
        client_id,
        id_assigned,
        clean_start: connect.clean_session,
        keep_alive_secs: connect.keep_alive,
        expiry: if connect.clean_session { Duration::ZERO } else { settings.max_session_expiry },
        receive_max: u16::MAX,
        max_packet_bytes: usize::MAX,
        wants_response_info: false,
        topic_aliases: 0,
        username: connect.username.map(|name| name.to_string()),
        password: connect.password.as_deref().map(Bytes::copy_from_slice),
        will: connect
            .last_will
            .map(|will| (own_will(&will.topic, &will.message, will.qos, will.retain), Duration::ZERO)),
    })
}

fn read_v5(packet: &mut BytesMut, settings: &Settings) -> Result<Connect, Refused> {
    // The codec refuses an empty client id without Clean Start, which 3.1.3.1 of MQTT 5 allows: so it is shown the
    // flag set, and the real one is kept here. The will bits without a will (3.1.2.6) are not checked there either.
    let header = 1 + packet.iter().skip(1).position(|byte| byte & 0x80 == 0).map_or(1, |at| at + 1);
    let Some(flags) = packet.get_mut(header + 7) else {
        return Err(Violation::new(code::MALFORMED, "a CONNECT ends too early").into());
    };
    let clean_start = *flags & FLAG_CLEAN_START != 0;
    if *flags & FLAG_WILL == 0 && *flags & FLAGS_OF_WILL != 0 {
        return Err(Violation::new(code::MALFORMED, "a CONNECT describes a will that it does not have").into());
    }
    *flags |= FLAG_CLEAN_START;
    let connect = match v5::Codec::new(0, 0).decode(packet) {
        Ok(Some((v5::Packet::Connect(connect), _))) => *connect,
        Ok(_) => return Err(Violation::protocol("the first packet is not a CONNECT").into()),
        Err(error) => return Err(malformed(error).into()),
    };
    if connect.auth_method.is_some() || connect.auth_data.is_some() {
        return Err(Refused { v3: None, v5: 0x8C, what: "enhanced authentication is not offered" });
    }
    let (client_id, id_assigned) = own_id(&connect.client_id);
    Ok(Connect {
        client_id,
        id_assigned,
        clean_start,
        keep_alive_secs: connect.keep_alive,
        expiry: match connect.session_expiry_interval_secs {
            u32::MAX => Duration::MAX,
            secs => Duration::from_secs(secs.into()),
        },
        receive_max: connect.receive_max.map_or(u16::MAX, |max| max.get()),
        max_packet_bytes: connect.max_packet_size.map_or(usize::MAX, |max| max.get() as usize),
        wants_response_info: connect.request_response_info,
        topic_aliases: connect.topic_alias_max,
        username: connect.username.map(|name| name.to_string()),
        password: connect.password.as_deref().map(Bytes::copy_from_slice),
        will: connect.last_will.map(|will| {
            let delay = Duration::from_secs(will.will_delay_interval_sec.unwrap_or(0).into());
            let user = will.user_properties.iter().take(settings.max_user_properties + 1);
            let properties = PropertySet {
                content_type: will.content_type.as_ref().map(detached),
                response_topic: will.response_topic.as_ref().map(detached),
                correlation: will.correlation_data.as_deref().map(Bytes::copy_from_slice),
                user: user.map(|(k, v)| (detached(k), detached(v))).collect(),
                expiry_secs: will.message_expiry_interval,
                utf8: will.is_utf8_payload.unwrap_or(false),
            };
            (
                Publish {
                    properties: properties.into(),
                    ..own_will(&will.topic, &will.message, will.qos, will.retain)
                },
                delay,
            )
        }),
    })
}

fn own_will(topic: &ByteString, message: &Bytes, qos: QoS, retain: bool) -> Publish {
    Publish { retain, ..Publish::new(&**topic, Bytes::copy_from_slice(message)).with_qos(qos) }
}

/// The client's id, or one that nobody can guess: who knows an id may try to take its session over.
fn own_id(id: &ByteString) -> (ByteString, bool) {
    if !id.is_empty() {
        return (detached(id), false);
    }
    let random = || RandomState::new().hash_one(0u8);
    (format!("auto-{:016x}{:016x}", random(), random()).into(), true)
}
