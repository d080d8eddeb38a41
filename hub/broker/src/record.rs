//! What the broker writes down of its state, in bytes: a frame is a version and the records of changes that belong
//! together, so that they survive together or not at all.
//!
//! Numbers are LEB128, texts and bytes carry their length, times are the owner's wall clock in milliseconds. Reading
//! trusts nothing: a frame that is not whole and not understood to its end is none. What records mean when they are
//! replayed is not known here. As long as it is because writing and reading of each record stand side by side.

use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
};

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt_codec::types::QoS;

use crate::{
    gate::{Absent, Protocol},
    message::{PropertySet, Publish},
    tree::Subscription,
};

const VERSION: u8 = 1;

/// One change. Sessions, messages and wills go by numbers that are never given out twice while a record names them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// A session began, or goes on with other terms.
    Session {
        session: u64,
        client_id: ByteString,
        username: Option<String>,
        expiry_millis: u64,
        /// When it ends if nobody comes; none while it is served, or while the clock cannot be trusted.
        ends_at_millis: Option<i64>,
    },
    Ended {
        session: u64,
    },
    Subscribed {
        session: u64,
        filter: ByteString,
        subscription: Subscription,
        /// Whether what is retained is to be sent.
        retained: bool,
    },
    Unsubscribed {
        session: u64,
        filter: ByteString,
    },
    /// A message taken in: for the queues of sessions, to be retained, or both.
    Message(Box<MessageRecord>),
    /// A QoS 2 message got its packet id.
    Assigned {
        session: u64,
        message: u64,
        id: NonZeroU16,
    },
    /// The client has a QoS 2 message; what is left is to release its id.
    Releasing {
        session: u64,
        message: u64,
        id: NonZeroU16,
    },
    /// A session is done with a message: acknowledged, dropped, expired.
    Done {
        session: u64,
        message: u64,
    },
    /// A message was not kept after all; nothing that names it has happened.
    Cancelled {
        message: u64,
    },
    /// A client's QoS 2 packet id was received, with the message of that number.
    Taken {
        message: u64,
        session: u64,
        id: NonZeroU16,
    },
    Released {
        session: u64,
        id: NonZeroU16,
    },
    Will(Box<WillRecord>),
    WillCleared {
        will: u64,
    },
    /// How far a subscription has got with the retained messages.
    Cursor {
        session: u64,
        filter: ByteString,
        subscription: Subscription,
        after: Option<ByteString>,
        /// How many retained messages stood before its end.
        until: u64,
    },
    CursorDone {
        session: u64,
        filter: ByteString,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MessageRecord {
    /// 0 for one that is retained and nothing else.
    pub(crate) message: u64,
    pub(crate) publish: Publish,
    pub(crate) expires_at_millis: Option<i64>,
    pub(crate) publisher: Option<u64>,
    /// Replaces what its topic retains, or deletes it if empty. Not the flag of the publish: that stays with it.
    pub(crate) retained: bool,
    pub(crate) receivers: Vec<Receiver>,
}

/// How one session is to get a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Receiver {
    pub(crate) session: u64,
    /// By which number the session has it: that of the message, or its own, because a session gets a message once more
    /// for each group in which its turn has come. 0 while the log has nothing of it.
    pub(crate) number: u64,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) identifiers: Vec<NonZeroU32>,
    pub(crate) share: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WillRecord {
    pub(crate) will: u64,
    pub(crate) client: Absent,
    pub(crate) publish: Publish,
    pub(crate) delay_millis: u64,
}

/// Begins a frame.
pub(crate) fn begin(frame: &mut Vec<u8>) {
    frame.push(VERSION);
}

/// The records of a frame; None if it is not one.
pub(crate) fn read(frame: &[u8]) -> Option<Vec<Record>> {
    let mut reader = Reader(frame);
    if reader.byte()? != VERSION {
        return None;
    }
    let mut records = Vec::new();
    while !reader.0.is_empty() {
        records.push(reader.record()?);
    }
    Some(records)
}

impl Record {
    pub(crate) fn write(&self, frame: &mut Vec<u8>) {
        let mut out = Writer(frame);
        match self {
            Self::Session { session, client_id, username, expiry_millis, ends_at_millis } => {
                out.head(1, *session);
                out.text(client_id);
                out.option(username.as_deref(), Writer::text);
                out.number(*expiry_millis);
                out.option(*ends_at_millis, Writer::time);
            }
            Self::Ended { session } => out.head(2, *session),
            Self::Subscribed { session, filter, subscription, retained } => {
                out.head(3, *session);
                out.text(filter);
                out.subscription(subscription);
                out.0.push((*retained).into());
            }
            Self::Unsubscribed { session, filter } => {
                out.head(4, *session);
                out.text(filter);
            }
            Self::Message(message) => out.message(message),
            Self::Assigned { session, message, id } => out.exchange(6, *session, *message, *id),
            Self::Releasing { session, message, id } => out.exchange(7, *session, *message, *id),
            Self::Done { session, message } => {
                out.head(8, *session);
                out.number(*message);
            }
            Self::Cancelled { message } => out.head(9, *message),
            Self::Taken { message, session, id } => out.exchange(10, *session, *message, *id),
            Self::Released { session, id } => {
                out.head(11, *session);
                out.number(id.get().into());
            }
            Self::Will(will) => out.will(will),
            Self::WillCleared { will } => out.head(13, *will),
            Self::Cursor { session, filter, subscription, after, until } => {
                out.head(14, *session);
                out.text(filter);
                out.subscription(subscription);
                out.option(after.as_deref(), Writer::text);
                out.number(*until);
            }
            Self::CursorDone { session, filter } => {
                out.head(15, *session);
                out.text(filter);
            }
        }
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn head(&mut self, kind: u8, number: u64) {
        self.0.push(kind);
        self.number(number);
    }

    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn time(&mut self, millis: i64) {
        self.0.extend(millis.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn subscription(&mut self, s: &Subscription) {
        self.0.push(u8::from(s.qos) | u8::from(s.no_local) << 2 | u8::from(s.retain_as_published) << 3);
        self.number(s.identifier.map_or(0, |id| id.get().into()));
    }

    fn exchange(&mut self, kind: u8, session: u64, message: u64, id: NonZeroU16) {
        self.head(kind, session);
        self.number(message);
        self.number(id.get().into());
    }

    fn publish(&mut self, publish: &Publish) {
        let p = &publish.properties;
        self.0.push(u8::from(publish.qos) | u8::from(publish.retain) << 2 | u8::from(p.utf8) << 3);
        self.text(&publish.topic);
        self.bytes(&publish.payload);
        self.option(p.content_type.as_deref(), Writer::text);
        self.option(p.response_topic.as_deref(), Writer::text);
        self.option(p.correlation.as_deref(), Writer::bytes);
        self.number(p.expiry_secs.map_or(0, |secs| secs.get().into()));
        self.number(p.user.len() as u64);
        for (key, value) in &p.user {
            self.text(key);
            self.text(value);
        }
    }

    fn message(&mut self, record: &MessageRecord) {
        self.head(5, record.message);
        self.0.push(record.retained.into());
        self.publish(&record.publish);
        self.option(record.expires_at_millis, Writer::time);
        self.option(record.publisher, Writer::number);
        self.number(record.receivers.len() as u64);
        for receiver in &record.receivers {
            self.number(receiver.session);
            let own = receiver.number != record.message;
            self.0.push(u8::from(receiver.qos) | u8::from(receiver.retain) << 2 | u8::from(own) << 3);
            if own {
                self.number(receiver.number);
            }
            self.number(receiver.identifiers.len() as u64);
            for identifier in &receiver.identifiers {
                self.number(identifier.get().into());
            }
            self.option(receiver.share.as_deref(), Writer::text);
        }
    }

    fn will(&mut self, record: &WillRecord) {
        self.head(12, record.will);
        self.text(&record.client.client_id);
        self.option(record.client.username.as_deref(), Writer::text);
        match record.client.address.ip() {
            IpAddr::V4(ip) => self.bytes(&ip.octets()),
            IpAddr::V6(ip) => self.bytes(&ip.octets()),
        }
        self.number(record.client.address.port().into());
        self.0.push((record.client.protocol == Protocol::V5).into());
        self.number(record.delay_millis);
        self.publish(&record.publish);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A byte that has only the bits of `mask`.
    fn flags(&mut self, mask: u8) -> Option<u8> {
        self.byte().filter(|byte| byte & !mask == 0)
    }

    fn yes(&mut self) -> Option<bool> {
        self.flags(1).map(|byte| byte == 1)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    fn id(&mut self) -> Option<NonZeroU16> {
        NonZeroU16::new(self.small()?)
    }

    fn time(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.small()?;
        self.take(n)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn own(&mut self) -> Option<ByteString> {
        self.text().map(ByteString::from)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        Some(if self.yes()? { Some(read(self)?) } else { None })
    }

    /// A list, in whose bytes there is at least one for each item: a length cannot make us reserve more than we have.
    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n: usize = self.small()?;
        if n > self.0.len() {
            return None;
        }
        (0..n).map(|_| read(self)).collect()
    }

    fn subscription(&mut self) -> Option<Subscription> {
        let flags = self.flags(0b1111)?;
        Some(Subscription {
            qos: qos(flags)?,
            no_local: flags & 4 != 0,
            retain_as_published: flags & 8 != 0,
            identifier: NonZeroU32::new(self.small()?),
        })
    }

    fn publish(&mut self) -> Option<Publish> {
        let flags = self.flags(0b1111)?;
        Some(Publish {
            qos: qos(flags)?,
            retain: flags & 4 != 0,
            dup: false,
            topic: self.own()?,
            payload: Bytes::copy_from_slice(self.bytes()?),
            properties: PropertySet {
                utf8: flags & 8 != 0,
                content_type: self.option(Self::own)?,
                response_topic: self.option(Self::own)?,
                correlation: self.option(Self::bytes)?.map(Bytes::copy_from_slice),
                expiry_secs: NonZeroU32::new(self.small()?),
                user: self.list(|reader| Some((reader.own()?, reader.own()?)))?,
            }
            .into(),
        })
    }

    fn message(&mut self) -> Option<MessageRecord> {
        let message = self.number()?;
        Some(MessageRecord {
            message,
            retained: self.yes()?,
            publish: self.publish()?,
            expires_at_millis: self.option(Self::time)?,
            publisher: self.option(Self::number)?,
            receivers: self.list(|reader| {
                let session = reader.number()?;
                let flags = reader.flags(0b1111)?;
                Some(Receiver {
                    session,
                    number: if flags & 8 == 0 { message } else { reader.number()? },
                    qos: qos(flags)?,
                    retain: flags & 4 != 0,
                    identifiers: reader.list(|reader| NonZeroU32::new(reader.small()?))?,
                    share: reader.option(Self::text)?.map(Arc::from),
                })
            })?,
        })
    }

    fn will(&mut self) -> Option<WillRecord> {
        let will = self.number()?;
        let client_id = self.text()?.to_owned();
        let username = self.option(Self::text)?.map(str::to_owned);
        let ip = self.bytes()?;
        let ip = match <[u8; 4]>::try_from(ip) {
            Ok(octets) => IpAddr::from(octets),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        };
        let address = SocketAddr::new(ip, self.small()?);
        let protocol = if self.yes()? { Protocol::V5 } else { Protocol::V311 };
        let client = Absent { client_id, username, address, protocol };
        Some(WillRecord { will, client, delay_millis: self.number()?, publish: self.publish()? })
    }

    fn record(&mut self) -> Option<Record> {
        let kind = self.byte()?;
        if kind == 5 {
            return self.message().map(|message| Record::Message(Box::new(message)));
        }
        if kind == 12 {
            return self.will().map(|will| Record::Will(Box::new(will)));
        }
        let first = self.number()?;
        let session = first;
        Some(match kind {
            1 => Record::Session {
                session,
                client_id: self.own()?,
                username: self.option(Self::text)?.map(str::to_owned),
                expiry_millis: self.number()?,
                ends_at_millis: self.option(Self::time)?,
            },
            2 => Record::Ended { session },
            3 => Record::Subscribed {
                session,
                filter: self.own()?,
                subscription: self.subscription()?,
                retained: self.yes()?,
            },
            4 => Record::Unsubscribed { session, filter: self.own()? },
            6 => Record::Assigned { session, message: self.number()?, id: self.id()? },
            7 => Record::Releasing { session, message: self.number()?, id: self.id()? },
            8 => Record::Done { session, message: self.number()? },
            9 => Record::Cancelled { message: first },
            10 => Record::Taken { session, message: self.number()?, id: self.id()? },
            11 => Record::Released { session, id: self.id()? },
            13 => Record::WillCleared { will: first },
            14 => Record::Cursor {
                session,
                filter: self.own()?,
                subscription: self.subscription()?,
                after: self.option(Self::own)?,
                until: self.number()?,
            },
            15 => Record::CursorDone { session, filter: self.own()? },
            _ => return None,
        })
    }
}

fn qos(flags: u8) -> Option<QoS> {
    QoS::try_from(flags & 3).ok()
}

#[cfg(test)]
mod tests;
