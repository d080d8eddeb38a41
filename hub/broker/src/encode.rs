//! The packets of the hot road, written without a detour: PUBLISH and the four acknowledgements, both versions.
//!
//! Everything else goes through `rmqtt-codec`. A PUBLISH is measured before it is written, because one that the
//! client's Maximum Packet Size forbids must leave nothing behind.

use bytes::{BufMut, BytesMut};
use rmqtt_codec::types::QoS;
use tokio::time::Instant;

use crate::{aliases::Naming, message::PropertySet, outbox::Delivery, wire::TooLarge};

/// PUBACK, PUBREC, PUBREL, PUBCOMP with the first byte of each. MQTT 5 leaves a reason code of 0 out (3.4.2.1), so that
/// the packet is that of 3.1.1.
pub(crate) fn ack(first: u8, id: u16, code: u8, output: &mut BytesMut) {
    let [high, low] = id.to_be_bytes();
    if code == 0 {
        output.extend_from_slice(&[first, 2, high, low]);
    } else {
        output.extend_from_slice(&[first, 3, high, low, code]);
    }
}

/// What a PUBLISH to one client is made of.
pub(crate) struct Sending<'a> {
    pub(crate) delivery: &'a Delivery,
    pub(crate) id: Option<u16>,
    pub(crate) dup: bool,
    /// None for 3.1.1, which has no properties.
    pub(crate) v5: Option<Naming>,
}

impl Sending<'_> {
    pub(crate) fn write(&self, max: usize, output: &mut BytesMut) -> Result<(), TooLarge> {
        let message = &self.delivery.message;
        let publish = &message.publish;
        let topic = match self.v5 {
            Some(Naming::Number(_)) => "",
            _ => &*publish.topic,
        };
        // The clock is asked only for what can expire.
        let expiry = message.expires.and_then(|_| message.remaining_secs(Instant::now())).map(u32::from);
        let properties = match self.v5 {
            Some(naming) => Some(self.property_bytes(naming, expiry).ok_or(TooLarge)?),
            None => None,
        };
        let id = self.id.filter(|_| self.delivery.qos != QoS::AtMostOnce);
        let length = 2
            + topic.len()
            + id.map_or(0, |_| 2)
            + properties.map_or(0, |bytes| bytes + varint_bytes(bytes))
            + publish.payload.len();
        let total = 1 + varint_bytes(length) + length;
        if length > MAX_REMAINING_LENGTH || total > max {
            return Err(TooLarge);
        }
        output.reserve(total);
        let qos = u8::from(self.delivery.qos) << 1;
        output.put_u8(0x30 | u8::from(self.dup) << 3 | qos | u8::from(self.delivery.retain));
        put_varint(length, output);
        put_block(topic.as_bytes(), output);
        if let Some(id) = id {
            output.put_u16(id);
        }
        if let (Some(naming), Some(bytes)) = (self.v5, properties) {
            put_varint(bytes, output);
            if bytes > 0 {
                self.put_properties(naming, expiry, output);
            }
        }
        output.extend_from_slice(&publish.payload);
        Ok(())
    }

    /// None if a string is too long for the protocol, which only the owner could have done.
    fn property_bytes(&self, naming: Naming, expiry: Option<u32>) -> Option<usize> {
        let PropertySet { content_type, response_topic, correlation, user, utf8, .. } =
            &*self.delivery.message.publish.properties;
        let blocks = [
            content_type.as_ref().map(|s| s.len()),
            response_topic.as_ref().map(|s| s.len()),
            correlation.as_ref().map(|bytes| bytes.len()),
        ];
        let strings = user.iter().flat_map(|(key, value)| [key.len(), value.len()]);
        if blocks.into_iter().flatten().chain(strings).any(|bytes| bytes > usize::from(u16::MAX)) {
            return None;
        }
        let bytes = usize::from(*utf8) * 2
            + expiry.map_or(0, |_| 5)
            + blocks.into_iter().flatten().map(|length| 3 + length).sum::<usize>()
            + self.delivery.identifiers.iter().map(|id| 1 + varint_bytes(id.get() as usize)).sum::<usize>()
            + if naming == Naming::Topic { 0 } else { 3 }
            + user.iter().map(|(key, value)| 5 + key.len() + value.len()).sum::<usize>();
        Some(bytes)
    }

    fn put_properties(&self, naming: Naming, expiry: Option<u32>, output: &mut BytesMut) {
        let p = &self.delivery.message.publish.properties;
        if p.utf8 {
            output.extend_from_slice(&[0x01, 1]);
        }
        if let Some(secs) = expiry {
            output.put_u8(0x02);
            output.put_u32(secs);
        }
        let blocks = [
            (0x03, p.content_type.as_ref().map(|s| s.as_bytes())),
            (0x08, p.response_topic.as_ref().map(|s| s.as_bytes())),
            (0x09, p.correlation.as_ref()),
        ];
        for (id, block) in blocks {
            if let Some(block) = block {
                output.put_u8(id);
                put_block(block, output);
            }
        }
        for identifier in &self.delivery.identifiers {
            output.put_u8(0x0B);
            put_varint(identifier.get() as usize, output);
        }
        if let Naming::Both(number) | Naming::Number(number) = naming {
            output.put_u8(0x23);
            output.put_u16(number);
        }
        for (key, value) in &p.user {
            output.put_u8(0x26);
            put_block(key.as_bytes(), output);
            put_block(value.as_bytes(), output);
        }
    }
}

const MAX_REMAINING_LENGTH: usize = 268_435_455;

fn varint_bytes(n: usize) -> usize {
    match n {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

fn put_varint(mut n: usize, output: &mut BytesMut) {
    while n > 0x7F {
        output.put_u8(n as u8 | 0x80);
        n >>= 7;
    }
    output.put_u8(n as u8);
}

/// Whoever made the block has seen that its length fits into two bytes: it came that way, or was checked as a topic.
fn put_block(block: &[u8], output: &mut BytesMut) {
    output.put_u16(block.len() as u16);
    output.extend_from_slice(block);
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use bytes::Bytes;
    use proptest::prelude::*;
    use rmqtt_codec::{v3, v5};
    use tokio_util::codec::Decoder;

    use super::*;
    use crate::message::{Message, Publish};

    fn publish() -> impl Strategy<Value = Publish> {
        let properties = (
            prop::option::of("[a-zю]{0,9}"),
            prop::option::of("[a-z/]{0,9}"),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
            prop::collection::vec(("[a-z]{0,4}", "[a-zю]{0,200}"), 0..4),
            prop::option::of(2u32..1_000_000),
            any::<bool>(),
        );
        let payload = prop_oneof![3 => 0usize..300, 1 => 16_000usize..17_000];
        (("[a-zю/]{1,9}", payload, 0u8..3, any::<bool>()), properties).prop_map(
            |((topic, payload, qos, retain), (content_type, response_topic, correlation, user, expiry, utf8))| {
                let properties = PropertySet {
                    content_type: content_type.map(Into::into),
                    response_topic: response_topic.map(Into::into),
                    correlation: correlation.map(Into::into),
                    user: user.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
                    expiry_secs: expiry.and_then(NonZeroU32::new),
                    utf8,
                };
                let qos = QoS::try_from(qos).expect("a QoS");
                let publish = Publish::new(topic, vec![7; payload]).with_qos(qos);
                Publish { retain, properties: properties.into(), ..publish }
            },
        )
    }

    proptest! {
        /// The codec reads back what was written, in both versions, and a bound is kept to the byte.
        #[test]
        fn what_is_written_is_what_the_codec_reads(
            publish in publish(), id in 1u16.., dup: bool, ids in prop::collection::vec(1u32..0x0FFF_FFFF, 0..4), naming in 0u8..3,
        ) {
            let naming = [Naming::Topic, Naming::Both(5), Naming::Number(5)][usize::from(naming)];
            let identifiers: Vec<_> = ids.iter().copied().filter_map(NonZeroU32::new).collect();
            let message = Message::new(publish.clone(), None, Instant::now());
            let delivery =
                Delivery { qos: publish.qos, retain: publish.retain, identifiers, share: None, number: 0, message };
            let qos0 = publish.qos == QoS::AtMostOnce;
            for v5 in [None, Some(naming)] {
                let sending = Sending { delivery: &delivery, id: (!qos0).then_some(id), dup: dup && !qos0, v5 };
                let mut output = BytesMut::from(&b"before"[..]);
                prop_assert!(sending.write(usize::MAX, &mut output).is_ok());
                let size = output.len() - 6;
                prop_assert!(sending.write(size - 1, &mut output).is_err());
                prop_assert!(sending.write(size, &mut BytesMut::new()).is_ok());
                prop_assert_eq!(output.len() - 6, size, "nothing is left of what was refused");
                let mut input = output.split_off(6);
                let read = match v5 {
                    None => match v3::Codec::new(0).decode(&mut input) {
                        Ok(Some((v3::Packet::Publish(read), _))) => read,
                        other => panic!("{other:?}"),
                    },
                    Some(_) => match v5::Codec::new(0, 0).decode(&mut input) {
                        Ok(Some((v5::Packet::Publish(read), _))) => read,
                        other => panic!("{other:?}"),
                    },
                };
                prop_assert!(input.is_empty());
                let named = v5 != Some(Naming::Number(5));
                prop_assert_eq!(&*read.topic, if named { &*publish.topic } else { "" });
                prop_assert_eq!(&read.payload, &publish.payload);
                prop_assert_eq!(read.packet_id.map(u16::from), (!qos0).then_some(id));
                prop_assert_eq!((read.qos, read.retain, read.dup), (publish.qos, publish.retain, dup && !qos0));
                let Some(naming) = v5 else { continue };
                let p = read.properties.expect("properties");
                let own = &publish.properties;
                prop_assert_eq!(p.topic_alias.map(u16::from), (naming != Naming::Topic).then_some(5));
                prop_assert_eq!(p.is_utf8_payload, own.utf8);
                prop_assert_eq!((&p.content_type, &p.response_topic), (&own.content_type, &own.response_topic));
                prop_assert_eq!((&p.correlation_data, &p.user_properties), (&own.correlation, &own.user));
                prop_assert_eq!(p.message_expiry_interval.is_some(), own.expiry_secs.is_some());
                prop_assert!(p.subscription_ids.iter().map(|id| id.get()).eq(ids.iter().copied()));
            }
        }
    }

    #[test]
    fn acknowledgements_are_as_short_as_they_may_be() {
        let mut output = BytesMut::new();
        ack(0x40, 258, 0, &mut output);
        ack(0x62, 1, 0x92, &mut output);
        assert_eq!(output, &[0x40, 2, 1, 2, 0x62, 3, 0, 1, 0x92][..]);
    }

    #[test]
    fn a_string_too_long_for_the_protocol_is_not_sent() {
        let properties =
            PropertySet { correlation: Some(Bytes::from(vec![0; 65_536])), ..PropertySet::default() }.into();
        let message = Message::new(Publish { properties, ..Publish::new("a", "b") }, None, Instant::now());
        let delivery =
            Delivery { qos: QoS::AtMostOnce, retain: false, identifiers: Vec::new(), share: None, number: 0, message };
        let send =
            |v5| Sending { delivery: &delivery, id: None, dup: false, v5 }.write(usize::MAX, &mut BytesMut::new());
        assert!(send(Some(Naming::Topic)).is_err() && send(None).is_ok());
    }
}
