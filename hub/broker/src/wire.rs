//! Bytes to packets and back for one connection, with the size limits of both sides: the packets of the hot road by
//! [`decode`] and [`encode`], everything else through `rmqtt-codec`.
//!
//! Framing is checked here before the codec sees a byte, because the codec reserves memory for whatever length a
//! header announces.

use std::num::NonZeroU16;

use bytes::{Buf, BytesMut};
use rmqtt_codec::{types::QoS, v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    aliases::Aliases,
    decode::{self, Bounds},
    encode::{self, Sending},
    gate::{Protocol, Refusal},
    outbox::Delivery,
    packet::{Incoming, Violation, code, from_v3, from_v5, malformed, refusal_code},
    settings::Settings,
};

enum Codec {
    V3(v3::Codec),
    V5(v5::Codec),
}

/// One connection's codec with its limits.
pub(crate) struct Wire {
    codec: Codec,
    max_in: usize,
    max_control_in: usize,
    bounds: Bounds,
    /// The client's Maximum Packet Size.
    max_out: usize,
    aliases: Aliases,
}

/// The receiver does not take packets of this size.
pub(crate) struct TooLarge;

/// The length of the first packet, once its fixed header is there. Refuses what exceeds the limits from the header.
pub(crate) fn frame(input: &[u8], max: usize, max_control: usize) -> Result<Option<usize>, Violation> {
    let Some((first, rest)) = input.split_first() else { return Ok(None) };
    let mut length = 0usize;
    for (at, byte) in rest.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            let total = length + at + 2;
            let max = if first >> 4 == 3 { max } else { max.min(max_control) };
            if total > max {
                return Err(Violation::new(code::PACKET_TOO_LARGE, "a packet is larger than allowed"));
            }
            return Ok(Some(total));
        }
    }
    if rest.len() >= 4 {
        return Err(Violation::new(code::MALFORMED, "a packet's length has more than four bytes"));
    }
    Ok(None)
}

impl Wire {
    pub(crate) fn new(protocol: Protocol, settings: &Settings, max_out: usize, aliases: u16) -> Self {
        // The sizes are checked here, on both roads: the codec counts them in its own way.
        let codec = match protocol {
            Protocol::V311 => Codec::V3(v3::Codec::new(0)),
            Protocol::V5 => Codec::V5(v5::Codec::new(0, 0)),
        };
        Self {
            codec,
            max_in: settings.max_packet_bytes,
            max_control_in: settings.max_control_packet_bytes,
            bounds: Bounds {
                property_bytes: settings.max_control_packet_bytes,
                user_properties: settings.max_user_properties,
            },
            max_out,
            aliases: Aliases::new(aliases.min(settings.max_topic_aliases)),
        }
    }

    pub(crate) fn is_v5(&self) -> bool {
        matches!(self.codec, Codec::V5(_))
    }

    /// Whether a whole packet (or a refusable header) waits in the buffer.
    pub(crate) fn is_ready(&self, input: &[u8]) -> bool {
        match frame(input, self.max_in, self.max_control_in) {
            Ok(Some(total)) => total <= input.len(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Incoming>, Violation> {
        let Some(total) = frame(input, self.max_in, self.max_control_in)? else { return Ok(None) };
        let Some(packet) = input.get(..total) else { return Ok(None) };
        if packet.first().is_some_and(|first| first >> 4 == 3) {
            let publish = decode::publish(packet, self.is_v5(), self.bounds)?;
            input.advance(total);
            return Ok(Some(publish));
        }
        match &mut self.codec {
            Codec::V3(_) if packet.first() == Some(&0x82) && !decode::subscribes_plainly(packet) => {
                Err(Violation::new(code::MALFORMED, "a SUBSCRIBE uses bits that 3.1.1 reserves"))
            }
            Codec::V3(codec) => match codec.decode(input).map_err(malformed)? {
                Some((packet, _)) => from_v3(packet).map(Some),
                None => Err(Violation::new(code::MALFORMED, "a packet ends too early")),
            },
            Codec::V5(codec) => match codec.decode(input).map_err(malformed)? {
                Some((packet, _)) => from_v5(packet).map(Some),
                None => Err(Violation::new(code::MALFORMED, "a packet ends too early")),
            },
        }
    }

    fn put(&mut self, v3: Option<v3::Packet>, v5: Option<v5::Packet>, output: &mut BytesMut) -> Result<(), TooLarge> {
        let before = output.len();
        let done = match (&mut self.codec, v3, v5) {
            (Codec::V3(codec), Some(packet), _) => codec.encode(packet, output),
            (Codec::V5(codec), _, Some(packet)) => codec.encode(packet, output),
            _ => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "a packet could not be encoded and is not sent");
            output.truncate(before);
            return Err(TooLarge);
        }
        if output.len() - before > self.max_out {
            output.truncate(before);
            return Err(TooLarge);
        }
        Ok(())
    }

    /// A control packet that the client's Maximum Packet Size forbids is not sent (3.1.2.11.4); nothing else can be
    /// done about a client that refuses even acknowledgements.
    fn control(&mut self, v3: Option<v3::Packet>, v5: Option<v5::Packet>, output: &mut BytesMut) {
        let _ = self.put(v3, v5, output);
    }

    pub(crate) fn publish(
        &mut self,
        delivery: &Delivery,
        id: Option<u16>,
        dup: bool,
        output: &mut BytesMut,
    ) -> Result<(), TooLarge> {
        let topic = &delivery.message.publish.topic;
        let v5 = self.is_v5().then(|| self.aliases.name(topic));
        Sending { delivery, id, dup, v5 }.write(self.max_out, output)?;
        if let Some(naming) = v5 {
            self.aliases.sent(topic, naming);
        }
        Ok(())
    }

    pub(crate) fn puback(&mut self, id: u16, refusal: Option<Refusal>, output: &mut BytesMut) {
        self.ack(0x40, id, refusal.map_or(0, refusal_code), output);
    }

    pub(crate) fn pubrec(&mut self, id: u16, refusal: Option<Refusal>, output: &mut BytesMut) {
        self.ack(0x50, id, refusal.map_or(0, refusal_code), output);
    }

    pub(crate) fn pubrel(&mut self, id: u16, known: bool, output: &mut BytesMut) {
        self.ack(0x62, id, if known { 0 } else { code::ID_NOT_FOUND }, output);
    }

    pub(crate) fn pubcomp(&mut self, id: u16, known: bool, output: &mut BytesMut) {
        self.ack(0x70, id, if known { 0 } else { code::ID_NOT_FOUND }, output);
    }

    fn ack(&mut self, first: u8, id: u16, code: u8, output: &mut BytesMut) {
        let code = if self.is_v5() { code } else { 0 };
        // What is said of `control` holds here too.
        if self.max_out >= if code == 0 { 4 } else { 5 } {
            encode::ack(first, id, code, output);
        }
    }

    /// `granted` holds a QoS, or the MQTT 5 reason code of a refusal.
    pub(crate) fn suback(&mut self, id: u16, granted: &[Result<QoS, u8>], output: &mut BytesMut) {
        let Some(packet_id) = NonZeroU16::new(id) else { return };
        if self.is_v5() {
            let status = granted
                .iter()
                .map(|one| {
                    let code = one.map_or_else(|code| code, u8::from);
                    v5::SubscribeAckReason::try_from(code).unwrap_or(v5::SubscribeAckReason::UnspecifiedError)
                })
                .collect();
            let ack = v5::SubscribeAck { packet_id, properties: Vec::new(), reason_string: None, status };
            return self.control(None, Some(v5::Packet::SubscribeAck(ack)), output);
        }
        let status = granted
            .iter()
            .map(|one| one.map_or(v3::SubscribeReturnCode::Failure, v3::SubscribeReturnCode::Success))
            .collect();
        self.control(Some(v3::Packet::SubscribeAck { packet_id, status }), None, output);
    }

    /// One verdict per filter: whether it existed, or that it is malformed.
    pub(crate) fn unsuback(&mut self, id: u16, verdicts: Vec<v5::UnsubscribeAckReason>, output: &mut BytesMut) {
        let Some(packet_id) = NonZeroU16::new(id) else { return };
        let ack = v5::UnsubscribeAck { packet_id, properties: Vec::new(), reason_string: None, status: verdicts };
        let v3 = v3::Packet::UnsubscribeAck { packet_id };
        self.control(Some(v3), Some(v5::Packet::UnsubscribeAck(ack)), output);
    }

    pub(crate) fn pingresp(&mut self, output: &mut BytesMut) {
        self.control(Some(v3::Packet::PingResponse), Some(v5::Packet::PingResponse), output);
    }

    pub(crate) fn connack_v5(&mut self, ack: v5::ConnectAck, output: &mut BytesMut) {
        self.control(None, Some(v5::Packet::ConnectAck(Box::new(ack))), output);
    }

    pub(crate) fn connack_v3(&mut self, ack: v3::ConnectAck, output: &mut BytesMut) {
        self.control(Some(v3::Packet::ConnectAck(ack)), None, output);
    }

    /// MQTT 3.1.1 has no DISCONNECT from the server; closing says it all.
    pub(crate) fn disconnect(&mut self, code: u8, output: &mut BytesMut) {
        let code = v5::DisconnectReasonCode::try_from(code).unwrap_or(v5::DisconnectReasonCode::UnspecifiedError);
        self.control(None, Some(v5::Packet::Disconnect(v5::Disconnect::new(code))), output);
    }
}
