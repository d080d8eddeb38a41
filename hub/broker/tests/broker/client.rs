//! A client that does nothing by itself: it writes the bytes of one packet and reads the next. It shares no code with
//! the broker or its codec, so that a mistake there is not repeated here.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for a loaded machine; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    ConnAck {
        present: bool,
        code: u8,
        props: Props,
    },
    Publish {
        topic: String,
        payload: Vec<u8>,
        qos: u8,
        id: u16,
        retain: bool,
        dup: bool,
        props: Props,
    },
    /// PUBACK, PUBREC, PUBREL, PUBCOMP by packet type.
    Ack {
        kind: u8,
        id: u16,
        code: u8,
    },
    SubAck {
        id: u16,
        codes: Vec<u8>,
    },
    UnsubAck {
        id: u16,
        codes: Vec<u8>,
    },
    Pong,
    Disconnect {
        code: u8,
    },
}

impl Packet {
    pub fn payload(&self) -> &str {
        match self {
            Packet::Publish { payload, .. } => std::str::from_utf8(payload).expect("a text payload"),
            other => panic!("not a publish: {other:?}"),
        }
    }

    pub fn id(&self) -> u16 {
        match self {
            Packet::Publish { id, .. } | Packet::Ack { id, .. } => *id,
            other => panic!("no id: {other:?}"),
        }
    }
}

pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;

/// Property id and raw value, in the order of the packet.
pub type Props = Vec<(u8, Vec<u8>)>;

pub fn prop(props: &Props, id: u8) -> Option<&[u8]> {
    props.iter().find(|(found, _)| *found == id).map(|(_, value)| &**value)
}

pub fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u16).to_be_bytes(), value.as_bytes()].concat()
}

pub fn varint(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (n & 0x7F) as u8;
        n >>= 7;
        out.push(if n > 0 { byte | 0x80 } else { byte });
        if n == 0 {
            return out;
        }
    }
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &varint(body.len()), body].concat()
}

#[derive(Clone)]
pub struct Connect {
    pub v5: bool,
    pub id: String,
    pub clean: bool,
    pub keep_alive: u16,
    pub props: Vec<u8>,
    pub will: Option<Will>,
    pub login: Option<(String, String)>,
}

#[derive(Clone, Default)]
pub struct Will {
    pub topic: String,
    pub payload: String,
    pub qos: u8,
    pub retain: bool,
    pub props: Vec<u8>,
}

pub fn v3(id: &str) -> Connect {
    Connect { v5: false, id: id.into(), clean: true, keep_alive: 0, props: vec![], will: None, login: None }
}

pub fn v5(id: &str) -> Connect {
    Connect { v5: true, ..v3(id) }
}

impl Connect {
    pub fn keep(self) -> Self {
        Self { clean: false, ..self }
    }

    /// MQTT 5 only.
    pub fn expiry(mut self, secs: u32) -> Self {
        self.props.push(0x11);
        self.props.extend(secs.to_be_bytes());
        self
    }

    pub fn prop(mut self, id: u8, value: &[u8]) -> Self {
        self.props.push(id);
        self.props.extend(value);
        self
    }

    pub fn will(self, topic: &str, payload: &str, qos: u8) -> Self {
        let will = Will { topic: topic.into(), payload: payload.into(), qos, ..Will::default() };
        Self { will: Some(will), ..self }
    }

    pub fn will_delay(mut self, secs: u32) -> Self {
        let will = self.will.as_mut().expect("a will");
        will.props.push(0x18);
        will.props.extend(secs.to_be_bytes());
        self
    }

    pub fn login(self, name: &str, password: &str) -> Self {
        Self { login: Some((name.into(), password.into())), ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut body = [text("MQTT"), vec![if self.v5 { 5 } else { 4 }, 0]].concat();
        body.extend(self.keep_alive.to_be_bytes());
        let properties = |props: &[u8]| if self.v5 { [varint(props.len()), props.to_vec()].concat() } else { vec![] };
        body.extend(properties(&self.props));
        body.extend(text(&self.id));
        if let Some(will) = &self.will {
            flags |= 0b100 | (will.qos << 3) | (u8::from(will.retain) << 5);
            body.extend(properties(&will.props));
            body.extend(text(&will.topic));
            body.extend(text(&will.payload));
        }
        if let Some((name, password)) = &self.login {
            flags |= 0b1100_0000;
            body.extend(text(name));
            body.extend(text(password));
        }
        body[7] = flags;
        packet(0x10, &body)
    }
}

/// A PUBLISH in the making.
#[derive(Clone)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub id: u16,
    pub retain: bool,
    pub dup: bool,
    pub props: Vec<u8>,
}

pub fn message(topic: &str, payload: &str) -> Publish {
    let (topic, payload) = (topic.into(), payload.into());
    Publish { topic, payload, qos: 0, id: 0, retain: false, dup: false, props: vec![] }
}

impl Publish {
    pub fn qos(self, qos: u8, id: u16) -> Self {
        Self { qos, id, ..self }
    }

    pub fn retain(self) -> Self {
        Self { retain: true, ..self }
    }

    pub fn dup(self) -> Self {
        Self { dup: true, ..self }
    }

    pub fn prop(mut self, id: u8, value: &[u8]) -> Self {
        self.props.push(id);
        self.props.extend(value);
        self
    }

    pub fn bytes(&self, v5: bool) -> Vec<u8> {
        let mut body = text(&self.topic);
        if self.qos > 0 {
            body.extend(self.id.to_be_bytes());
        }
        if v5 {
            body.extend(varint(self.props.len()));
            body.extend(&self.props);
        }
        body.extend(&self.payload);
        packet(0x30 | (u8::from(self.dup) << 3) | (self.qos << 1) | u8::from(self.retain), &body)
    }
}

pub struct Client {
    pub stream: TcpStream,
    pub v5: bool,
    input: Vec<u8>,
}

impl Client {
    pub async fn open(address: SocketAddr, v5: bool) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker listens");
        Self { stream, v5, input: Vec::new() }
    }

    /// Connects and returns the CONNACK too, whatever it says.
    pub async fn dial(address: SocketAddr, connect: &Connect) -> (Self, Packet) {
        let mut client = Self::open(address, connect.v5).await;
        client.send(&connect.bytes()).await;
        let ack = client.recv().await;
        (client, ack)
    }

    /// Connects and is accepted.
    pub async fn connect(address: SocketAddr, connect: &Connect) -> Self {
        let (client, ack) = Self::dial(address, connect).await;
        assert!(matches!(ack, Packet::ConnAck { code: 0, .. }), "{ack:?}");
        client
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the broker reads").expect("an open socket");
    }

    pub async fn publish(&mut self, publish: &Publish) {
        self.send(&publish.bytes(self.v5)).await;
    }

    pub async fn ack(&mut self, kind: u8, id: u16) {
        let first = kind << 4 | if kind == PUBREL { 2 } else { 0 };
        self.send(&packet(first, &id.to_be_bytes())).await;
    }

    pub async fn ping(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.recv().await, Packet::Pong);
    }

    pub async fn disconnect(mut self) {
        self.send(&[0xE0, 0]).await;
        self.closed().await;
    }

    /// `options` is the whole byte: QoS, and with MQTT 5 No Local and the rest.
    pub fn subscribe_bytes(&self, id: u16, filters: &[(&str, u8)], identifier: Option<u8>) -> Vec<u8> {
        let mut body = id.to_be_bytes().to_vec();
        if self.v5 {
            body.extend(identifier.map_or(vec![0], |identifier| vec![2, 0x0B, identifier]));
        }
        for (filter, options) in filters {
            body.extend(text(filter));
            body.push(*options);
        }
        packet(0x82, &body)
    }

    /// Subscribes and returns the codes of the SUBACK.
    pub async fn try_subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        let bytes = self.subscribe_bytes(900, filters, None);
        self.send(&bytes).await;
        match self.recv().await {
            Packet::SubAck { id: 900, codes } => codes,
            other => panic!("not the SUBACK: {other:?}"),
        }
    }

    pub async fn subscribe(&mut self, filter: &str, options: u8) {
        assert_eq!(self.try_subscribe(&[(filter, options)]).await, [options & 3]);
    }

    pub async fn unsubscribe(&mut self, filters: &[&str]) -> Packet {
        let mut body = 901u16.to_be_bytes().to_vec();
        if self.v5 {
            body.push(0);
        }
        filters.iter().for_each(|filter| body.extend(text(filter)));
        self.send(&packet(0xA2, &body)).await;
        self.recv().await
    }

    /// The next packet; the test fails if the socket closes instead.
    pub async fn recv(&mut self) -> Packet {
        self.next().await.expect("a packet, not the end of the connection")
    }

    /// The next packet, or None when the socket has closed.
    pub async fn next(&mut self) -> Option<Packet> {
        timeout(PATIENCE, async {
            loop {
                if let Some(packet) = self.parse() {
                    return Some(packet);
                }
                let mut chunk = [0; 8192];
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return None,
                    Ok(n) => self.input.extend(&chunk[..n]),
                }
            }
        })
        .await
        .expect("something comes from the broker")
    }

    /// Reads until the broker closes; returns what came before, so that a test can look for a DISCONNECT.
    pub async fn closed(&mut self) -> Vec<Packet> {
        let mut seen = Vec::new();
        while let Some(packet) = self.next().await {
            seen.push(packet);
        }
        seen
    }

    /// Asserts that nothing has come up to now: a ping goes round and its answer is the first thing.
    pub async fn silent(&mut self) {
        self.ping().await;
    }

    fn parse(&mut self) -> Option<Packet> {
        let (length, header) = read_varint(self.input.get(1..)?)?;
        let total = 1 + header + length;
        if self.input.len() < total {
            return None;
        }
        let packet: Vec<u8> = self.input.drain(..total).collect();
        Some(parse(packet[0], &packet[1 + header..], self.v5))
    }
}

fn read_varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        head
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    fn varint(&mut self) -> usize {
        let (value, used) = read_varint(self.0).expect("a length");
        self.take(used);
        value
    }

    fn block(&mut self) -> Vec<u8> {
        let n = self.u16();
        self.take(n.into()).to_vec()
    }

    fn props(&mut self) -> Props {
        let n = self.varint();
        let mut inner = Cursor(self.take(n));
        let mut props = Vec::new();
        while !inner.0.is_empty() {
            let id = inner.u8();
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => inner.take(1).to_vec(),
                0x13 | 0x21 | 0x22 | 0x23 => inner.take(2).to_vec(),
                0x02 | 0x11 | 0x18 | 0x27 => inner.take(4).to_vec(),
                0x0B => varint(inner.varint()),
                0x26 => [inner.block(), vec![b'='], inner.block()].concat(),
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => inner.block(),
                other => panic!("unknown property {other:#x}"),
            };
            props.push((id, value));
        }
        props
    }
}

fn parse(first: u8, body: &[u8], v5: bool) -> Packet {
    let mut c = Cursor(body);
    match first >> 4 {
        2 => {
            let present = c.u8() == 1;
            let code = c.u8();
            Packet::ConnAck { present, code, props: if v5 { c.props() } else { vec![] } }
        }
        3 => {
            let qos = first >> 1 & 3;
            let topic = String::from_utf8(c.block()).expect("UTF-8");
            let id = if qos > 0 { c.u16() } else { 0 };
            let props = if v5 { c.props() } else { vec![] };
            let payload = c.0.to_vec();
            Packet::Publish { topic, payload, qos, id, retain: first & 1 == 1, dup: first & 8 == 8, props }
        }
        kind @ PUBACK..=PUBCOMP => {
            let id = c.u16();
            Packet::Ack { kind, id, code: if c.0.is_empty() { 0 } else { c.u8() } }
        }
        9 | 11 => {
            let id = c.u16();
            if v5 {
                c.props();
            }
            let codes = c.0.to_vec();
            if first >> 4 == 9 { Packet::SubAck { id, codes } } else { Packet::UnsubAck { id, codes } }
        }
        13 => Packet::Pong,
        14 => Packet::Disconnect { code: if c.0.is_empty() { 0 } else { c.u8() } },
        other => panic!("the broker sent packet type {other}"),
    }
}
