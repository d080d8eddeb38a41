//! Reading a PUBLISH of either version: the one packet that comes thousands of times a second, and the one whose
//! parsed form could be many times its bytes. Nothing is allocated before the bounds of its properties have been seen.
//!
//! What a topic may be is not asked here: an empty one may stand for an alias.

use std::num::NonZeroU32;

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt_codec::types::QoS;

use crate::{
    message::{Properties, Publish},
    packet::{Incoming, Violation, check_properties, code},
};

/// The bounds of what is read.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) property_bytes: usize,
    pub(crate) user_properties: usize,
}

const SHORT: Violation = Violation::new(code::MALFORMED, "a packet's parts do not fit its length");

/// `packet` is a whole one, from its first byte on.
pub(crate) fn publish(packet: &[u8], v5: bool, bounds: Bounds) -> Result<Incoming, Violation> {
    let (first, rest) = packet.split_first().ok_or(SHORT)?;
    let header = rest.iter().position(|byte| byte & 0x80 == 0).ok_or(SHORT)? + 1;
    let mut body = Body(rest.get(header..).ok_or(SHORT)?);
    let topic = body.text()?;
    if topic.is_empty() && !v5 {
        return Err(Violation::new(code::TOPIC_INVALID, "a message has an empty topic"));
    }
    let qos = QoS::try_from(first >> 1 & 0b11)
        .map_err(|_| Violation::new(code::MALFORMED, "a message has a QoS that is none"))?;
    let dup = first & 0b1000 != 0;
    let id = match qos {
        QoS::AtMostOnce if dup => {
            return Err(Violation::new(code::MALFORMED, "a QoS 0 message says that it is a repetition"));
        }
        QoS::AtMostOnce => None,
        _ => match body.number::<2>()? {
            [0, 0] => return Err(Violation::new(code::MALFORMED, "a message has the packet id 0")),
            id => Some(u16::from_be_bytes(id)),
        },
    };
    let (properties, alias) = if v5 { properties(&mut body, bounds)? } else { (Properties::default(), None) };
    let publish = Publish {
        topic: topic.into(),
        payload: Bytes::copy_from_slice(body.0),
        qos,
        retain: first & 1 != 0,
        dup,
        properties,
    };
    Ok(Incoming::Publish { publish, id, alias })
}

fn properties(body: &mut Body<'_>, bounds: Bounds) -> Result<(Properties, Option<u16>), Violation> {
    let mut p = Properties::default();
    let length = body.varint()?;
    if length > bounds.property_bytes {
        return Err(Violation::new(code::QUOTA, "a message has too many properties"));
    }
    if length == 0 {
        return Ok((p, None));
    }
    let mut body = Body(body.take(length)?);
    let (mut utf8, mut expiry_secs, mut alias) = (None, None, None);
    while let Ok([property]) = body.number() {
        match property {
            0x01 => once(&mut utf8, body.number::<1>()?)?,
            0x02 => once(&mut expiry_secs, u32::from_be_bytes(body.number()?))?,
            0x03 => once(&mut p.content_type, body.text()?.into())?,
            0x08 => once(&mut p.response_topic, body.text()?.into())?,
            0x09 => once(&mut p.correlation, Bytes::copy_from_slice(body.block()?))?,
            0x0B => return Err(Violation::protocol("a PUBLISH with a subscription identifier")),
            0x23 => once(&mut alias, u16::from_be_bytes(body.number()?))?,
            0x26 => {
                if p.user.len() >= bounds.user_properties {
                    return Err(Violation::new(code::QUOTA, "a message has too many user properties"));
                }
                p.user.push((ByteString::from(body.text()?), ByteString::from(body.text()?)));
            }
            _ => return Err(Violation::new(code::MALFORMED, "a message has a property that it cannot have")),
        }
    }
    p.utf8 = match utf8 {
        None | Some([0]) => false,
        Some([1]) => true,
        Some(_) => return Err(Violation::protocol("a payload format that is none")),
    };
    // 3.3.2.3.3 does not forbid an interval of 0. Whoever is there is to have such a message, and nobody later.
    p.expiry_secs = expiry_secs.map(|secs| NonZeroU32::new(secs).unwrap_or(NonZeroU32::MIN));
    if alias == Some(0) {
        return Err(Violation::new(code::ALIAS_INVALID, "a topic alias of 0"));
    }
    check_properties(&p, bounds.user_properties)?;
    Ok((p, alias))
}

/// Whether the requested QoS bytes of a 3.1.1 SUBSCRIBE hold nothing else, which the codec does not ask (3.8.3.1 there).
/// True for what is too short: the codec sees that.
pub(crate) fn subscribes_plainly(packet: &[u8]) -> bool {
    let header = packet.iter().skip(1).position(|byte| byte & 0x80 == 0).map_or(2, |at| at + 2);
    let mut body = Body(packet.get(header + 2..).unwrap_or_default());
    while body.block().is_ok() {
        if let Ok([options]) = body.number()
            && options & !0b11 != 0
        {
            return false;
        }
    }
    true
}

/// 2.2.2.2: a property that may be there once.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Violation> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Violation::protocol("a message has a property twice")),
    }
}

struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn block(&mut self) -> Result<&'a [u8], Violation> {
        let length = u16::from_be_bytes(self.number()?);
        self.take(length.into())
    }

    fn text(&mut self) -> Result<&'a str, Violation> {
        std::str::from_utf8(self.block()?).map_err(|_| Violation::new(code::MALFORMED, "a string is not UTF-8"))
    }

    fn varint(&mut self) -> Result<usize, Violation> {
        let mut value = 0;
        for at in 0..4 {
            let [byte] = self.number()?;
            value |= usize::from(byte & 0x7F) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(SHORT)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use rmqtt_codec::{types::Publish as CodecPublish, v3, v5};
    use tokio_util::codec::Decoder;

    use super::*;

    const WIDE: Bounds = Bounds { property_bytes: 1000, user_properties: 100 };

    fn by_codec(packet: &[u8], version_5: bool) -> Option<Box<CodecPublish>> {
        let mut input = BytesMut::from(packet);
        if version_5 {
            match v5::Codec::new(0, 0).decode(&mut input) {
                Ok(Some((v5::Packet::Publish(publish), _))) => Some(publish),
                _ => None,
            }
        } else {
            match v3::Codec::new(0).decode(&mut input) {
                Ok(Some((v3::Packet::Publish(publish), _))) => Some(publish),
                _ => None,
            }
        }
    }

    /// Bodies with a bias towards what is nearly right.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let text = |s: &str| [&(s.len() as u16).to_be_bytes()[..], s.as_bytes()].concat();
        let property = prop_oneof![
            (0u8..3).prop_map(|n| vec![0x01, n]),
            (0u8..3).prop_map(|n| vec![0x02, 0, 0, 0, n]),
            "[aю]{0,3}".prop_map(move |s| [vec![0x03], text(&s)].concat()),
            "[a/]{0,3}".prop_map(move |s| [vec![0x08], text(&s)].concat()),
            "[aю]{0,3}".prop_map(move |s| [vec![0x09], text(&s)].concat()),
            (0u8..3).prop_map(|n| vec![0x23, 0, n]),
            ("[a]{0,2}", "[b]{0,2}").prop_map(move |(k, v)| [vec![0x26], text(&k), text(&v)].concat()),
            prop::collection::vec(any::<u8>(), 0..3),
        ];
        let built =
            ("[aю]{0,3}", 0u16..3, prop::collection::vec(property, 0..5), prop::collection::vec(any::<u8>(), 0..9))
                .prop_map(move |(topic, id, properties, payload)| {
                    let properties = properties.concat();
                    [text(&topic), id.to_be_bytes().to_vec(), vec![properties.len() as u8], properties, payload]
                        .concat()
                });
        let noise = prop::collection::vec(prop_oneof![Just(0u8), 0u8..4, any::<u8>()], 0..20);
        prop_oneof![3 => built, 1 => noise]
    }

    proptest! {
        /// Another reader of the same packets comes to the same, but for what is stricter or milder here on purpose.
        #[test]
        fn the_codec_agrees(flags in 0u8..16, body in body(), version_5: bool) {
            let packet = [vec![0x30 | flags, body.len() as u8], body].concat();
            prop_assume!(packet[1] < 0x80);
            match (publish(&packet, version_5, WIDE), by_codec(&packet, version_5)) {
                (Ok(Incoming::Publish { publish, id, alias }), Some(read)) => {
                    prop_assert_eq!((&publish.topic, &publish.payload), (&read.topic, &read.payload));
                    prop_assert_eq!((publish.qos, publish.retain, publish.dup), (read.qos, read.retain, read.dup));
                    prop_assert_eq!(id, read.packet_id.map(u16::from));
                    let p = read.properties.unwrap_or_default();
                    let own = crate::PropertySet::clone(&publish.properties);
                    prop_assert_eq!(alias, p.topic_alias.map(u16::from));
                    prop_assert_eq!((own.content_type, own.response_topic), (p.content_type, p.response_topic));
                    prop_assert_eq!((own.correlation, own.user), (p.correlation_data, p.user_properties));
                    prop_assert_eq!((own.expiry_secs, own.utf8), (p.message_expiry_interval, p.is_utf8_payload));
                }
                // The codec refuses an expiry of 0.
                (Ok(Incoming::Publish { publish, .. }), None) => {
                    prop_assert_eq!(publish.properties.expiry_secs, Some(NonZeroU32::MIN));
                }
                // Here more is asked: no repetition at QoS 0, no identifier, strings without NUL, no wildcard to answer to.
                (Err(violation), Some(read)) => {
                    let p = read.properties.unwrap_or_default();
                    let nul = p.content_type.iter().chain(p.user_properties.iter().flat_map(|(k, v)| [k, v]));
                    prop_assert!(
                        (read.dup && read.qos == QoS::AtMostOnce)
                            || !p.subscription_ids.is_empty()
                            || nul.into_iter().any(|text| text.contains('\0'))
                            || p.response_topic.is_some_and(|topic| topic.contains(['+', '#', '\0'])),
                        "{violation:?}"
                    );
                }
                (Err(_), None) => {}
                _ => prop_assert!(false, "not a publish"),
            }
        }

        #[test]
        fn any_bytes_are_borne(packet in prop::collection::vec(any::<u8>(), 0..100), version_5: bool) {
            let _ = publish(&packet, version_5, Bounds { property_bytes: 20, user_properties: 2 });
        }
    }

    #[test]
    fn what_is_wrong_has_its_code() {
        let code = |properties: &[u8]| {
            let packet =
                [&[0x30, 4 + properties.len() as u8, 0, 1, b'a', properties.len() as u8][..], properties].concat();
            publish(&packet, true, Bounds { property_bytes: 30, user_properties: 2 })
                .err()
                .map(|violation| violation.code)
        };
        let user = [0x26, 0, 1, b'k', 0, 1, b'v'];
        assert_eq!(code(&user.repeat(2)), None);
        assert_eq!(code(&user.repeat(3)), Some(code::QUOTA));
        assert_eq!(code(&[0x09, 0, 28].iter().copied().chain([0; 28]).collect::<Vec<_>>()), Some(code::QUOTA));
        assert_eq!(code(&[0x01, 2]), Some(code::PROTOCOL_ERROR));
        assert_eq!(code(&[0x01, 1, 0x01, 1]), Some(code::PROTOCOL_ERROR));
        assert_eq!(code(&[0x0B, 1]), Some(code::PROTOCOL_ERROR));
        assert_eq!(code(&[0x23, 0, 0]), Some(code::ALIAS_INVALID));
        assert_eq!(code(&[0x11, 0, 0, 0, 1]), Some(code::MALFORMED));
        assert_eq!(code(&[0x02, 0, 0]), Some(code::MALFORMED));
        assert_eq!(code(&[0x02, 0, 0, 0, 0]), None);
    }
}
