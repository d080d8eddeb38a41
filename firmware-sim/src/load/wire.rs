//! Just enough MQTT to load a broker, 3.1.1 and 5: packets are written straight into a buffer and read in place. It
//! believes what the broker sends as far as a broker under load can be believed; whoever sends nonsense is hung up on.

use thiserror::Error;

/// The largest packet that is read: retained lists of devices are below this.
pub(super) const MAX_PACKET: usize = 8 << 20;

/// Which version of the protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

/// What came from the broker. Slices lie in the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'a> {
    Connected {
        session_present: bool,
        code: u8,
        receive_maximum: Option<u16>,
    },
    Publish {
        qos: u8,
        dup: bool,
        packet_id: u16,
        payload: &'a [u8],
    },
    Ack {
        kind: AckKind,
        packet_id: u16,
        refused: bool,
    },
    Subscribed {
        refused: bool,
    },
    Pong,
    /// The broker says goodbye, with its reason (MQTT 5).
    Bye {
        code: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AckKind {
    Ack = 4,
    Rec = 5,
    Rel = 6,
    Comp = 7,
}

/// What a broker must not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum WireError {
    #[error("a packet of {0} bytes is too large")]
    TooLarge(usize),
    #[error("a packet that is none")]
    Malformed,
}

/// The first packet in `bytes` and its length, or `None` while it is not whole.
pub(super) fn read(bytes: &[u8], version: Version) -> Result<Option<(Incoming<'_>, usize)>, WireError> {
    let [first, rest @ ..] = bytes else { return Ok(None) };
    let Some((length, used)) = varint(rest)? else { return Ok(None) };
    if length > MAX_PACKET {
        return Err(WireError::TooLarge(length));
    }
    let Some(body) = rest.get(used..used + length) else { return Ok(None) };
    let packet = match first >> 4 {
        2 => connected(body, version),
        3 => publish(*first, body, version),
        4 => ack(AckKind::Ack, body),
        5 => ack(AckKind::Rec, body),
        6 => ack(AckKind::Rel, body),
        7 => ack(AckKind::Comp, body),
        9 => body.last().map(|code| Incoming::Subscribed { refused: *code >= 0x80 }),
        13 => Some(Incoming::Pong),
        14 => Some(Incoming::Bye { code: body.first().copied().unwrap_or(0) }),
        _ => None,
    };
    Ok(Some((packet.ok_or(WireError::Malformed)?, 1 + used + length)))
}

fn connected(body: &[u8], version: Version) -> Option<Incoming<'_>> {
    let [flags, code, rest @ ..] = body else { return None };
    let receive_maximum = if version == Version::V5 { receive_maximum(rest) } else { None };
    Some(Incoming::Connected { session_present: flags & 1 == 1, code: *code, receive_maximum })
}

/// Receive Maximum (0x21) among the properties of a CONNACK; what cannot be read is taken for not being there.
fn receive_maximum(body: &[u8]) -> Option<u16> {
    let (length, used) = varint(body).ok()??;
    let mut left = body.get(used..used + length)?;
    while let [id, rest @ ..] = left {
        let size = match id {
            0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            0x12 | 0x1A | 0x1C | 0x15 | 0x16 | 0x1F => 2 + usize::from(short(rest)?),
            0x26 => {
                let key = 2 + usize::from(short(rest)?);
                key + 2 + usize::from(short(rest.get(key..)?)?)
            }
            _ => return None,
        };
        if *id == 0x21 {
            return short(rest);
        }
        left = rest.get(size..)?;
    }
    None
}

fn publish(first: u8, body: &[u8], version: Version) -> Option<Incoming<'_>> {
    let qos = (first >> 1) & 3;
    let mut at = 2 + usize::from(short(body)?);
    let mut packet_id = 0;
    if qos > 0 {
        packet_id = short(body.get(at..)?)?;
        at += 2;
    }
    if version == Version::V5 {
        let (length, used) = varint(body.get(at..)?).ok()??;
        at += used + length;
    }
    Some(Incoming::Publish { qos, dup: first & 8 != 0, packet_id, payload: body.get(at..)? })
}

fn ack(kind: AckKind, body: &[u8]) -> Option<Incoming<'static>> {
    Some(Incoming::Ack { kind, packet_id: short(body)?, refused: body.get(2).is_some_and(|code| *code >= 0x80) })
}

fn short(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]))
}

/// A variable byte integer and how many bytes it took (MQTT 5, 1.5.5); `None` while it is not whole.
fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(WireError::Malformed) }
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        out.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return;
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(&bytes[..bytes.len().min(usize::from(u16::MAX))]);
}

/// What a CONNECT says.
pub(super) struct Connect<'a> {
    pub version: Version,
    pub client_id: &'a str,
    pub login: Option<(&'a str, &'a str)>,
    pub keep_alive_s: u16,
    /// Whether the session is to outlive the connection.
    pub persistent: bool,
}

impl Connect<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(64);
        put_bytes(&mut body, b"MQTT");
        body.push(if self.version == Version::V5 { 5 } else { 4 });
        let login = if self.login.is_some() { 0xC0 } else { 0 };
        body.push(login | if self.persistent { 0 } else { 2 });
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        if self.version == Version::V5 {
            // Session Expiry Interval: a day, or none.
            if self.persistent {
                body.extend_from_slice(&[5, 0x11]);
                body.extend_from_slice(&86_400_u32.to_be_bytes());
            } else {
                body.push(0);
            }
        }
        put_bytes(&mut body, self.client_id.as_bytes());
        if let Some((user, password)) = self.login {
            put_bytes(&mut body, user.as_bytes());
            put_bytes(&mut body, password.as_bytes());
        }
        out.push(0x10);
        put_varint(out, body.len());
        out.extend_from_slice(&body);
    }
}

/// A PUBLISH; `packet_id` is left out for QoS 0.
pub(super) struct Publish<'a> {
    pub version: Version,
    pub topic: &'a [u8],
    pub qos: u8,
    pub dup: bool,
    pub retain: bool,
    pub packet_id: u16,
    pub payload: &'a [u8],
}

impl Publish<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        let id = if self.qos > 0 { 2 } else { 0 };
        let properties = usize::from(self.version == Version::V5);
        out.push(0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain));
        put_varint(out, 2 + self.topic.len() + id + properties + self.payload.len());
        put_bytes(out, self.topic);
        if self.qos > 0 {
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        if self.version == Version::V5 {
            out.push(0);
        }
        out.extend_from_slice(self.payload);
    }
}

pub(super) fn put_ack(out: &mut Vec<u8>, kind: AckKind, packet_id: u16) {
    // Bit 1 of PUBREL is set by the standard.
    let flags = if kind == AckKind::Rel { 2 } else { 0 };
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[(kind as u8) << 4 | flags, 2, high, low]);
}

pub(super) fn put_subscribe(out: &mut Vec<u8>, version: Version, filter: &str, qos: u8) {
    let properties = usize::from(version == Version::V5);
    out.push(0x82);
    put_varint(out, 2 + properties + 2 + filter.len() + 1);
    out.extend_from_slice(&[0, 1]);
    if version == Version::V5 {
        out.push(0);
    }
    put_bytes(out, filter.as_bytes());
    out.push(qos);
}

pub(super) const PING: [u8; 2] = [0xC0, 0];
pub(super) const DISCONNECT: [u8; 2] = [0xE0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_that_is_written_is_read_at_every_split() {
        for version in [Version::V311, Version::V5] {
            for qos in 0..=2 {
                let mut bytes = Vec::new();
                let payload = vec![b'x'; 300];
                let packet_id = if qos > 0 { 513 } else { 0 };
                Publish { version, topic: b"a/b", qos, dup: qos > 0, retain: false, packet_id, payload: &payload }
                    .write(&mut bytes);
                for end in 0..bytes.len() {
                    assert_eq!(read(&bytes[..end], version), Ok(None));
                }
                let (packet, used) = read(&bytes, version).unwrap().unwrap();
                assert_eq!(used, bytes.len());
                assert_eq!(packet, Incoming::Publish { qos, dup: qos > 0, packet_id, payload: &payload });
            }
        }
    }

    #[test]
    fn acknowledgements_say_whether_they_refuse() {
        let mut bytes = Vec::new();
        put_ack(&mut bytes, AckKind::Rel, 258);
        assert_eq!(bytes, [0x62, 2, 1, 2]);
        let ack = |kind, refused| Incoming::Ack { kind, packet_id: 258, refused };
        assert_eq!(read(&bytes, Version::V5), Ok(Some((ack(AckKind::Rel, false), 4))));
        assert_eq!(read(&[0x40, 3, 1, 2, 0x97], Version::V5), Ok(Some((ack(AckKind::Ack, true), 5))));
        assert_eq!(read(&[0x40, 4, 1, 2, 0x10, 0], Version::V5), Ok(Some((ack(AckKind::Ack, false), 6))));
    }

    #[test]
    fn the_receive_maximum_is_found_behind_other_properties() {
        let properties = [0x24, 1, 0x12, 0, 1, b'c', 0x26, 0, 1, b'k', 0, 1, b'v', 0x21, 3, 0xE8, 0x25, 1];
        let mut bytes = vec![0x20, 3 + properties.len() as u8, 1, 0, properties.len() as u8];
        bytes.extend_from_slice(&properties);
        let (packet, _) = read(&bytes, Version::V5).unwrap().unwrap();
        assert_eq!(packet, Incoming::Connected { session_present: true, code: 0, receive_maximum: Some(1000) });
    }

    #[test]
    fn whatever_comes_nothing_panics() {
        let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..200_000 {
            let mut bytes = [0; 24];
            for byte in &mut bytes {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (dice >> 33) as u8;
            }
            bytes[1] &= 0x1F;
            for version in [Version::V311, Version::V5] {
                let _ = read(&bytes, version);
            }
        }
        assert_eq!(read(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], Version::V5), Err(WireError::Malformed));
        assert_eq!(read(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], Version::V5), Err(WireError::TooLarge(268_435_455)));
    }
}
