//! Retained messages, ordered by topic so that a subscription reads them through a cursor instead of a copied list.
//!
//! What survives a restart is written down by the router. The store has a bound in bytes; a message past it is not retained, and what its topic held before
//! goes too: no value is better than a stale one that looks current.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
};

use bytestring::ByteString;
use tokio::time::Instant;

use crate::{
    message::Message,
    topic::{literal_prefix, matches},
    tree::Subscription,
};

pub(crate) struct Retained {
    entries: BTreeMap<ByteString, Entry>,
    bytes: usize,
    limit: usize,
    /// Numbers each message retained, so that a cursor can tell what came after its subscription.
    next: u64,
}

struct Entry {
    message: Arc<Message>,
    number: u64,
}

/// A place in the retained messages of one filter. It holds no messages: a thousand subscriptions cost no more than
/// their filters, and the receiver draws at its own speed.
pub(crate) struct Cursor {
    pub(crate) filter: ByteString,
    pub(crate) subscription: Subscription,
    after: Option<ByteString>,
    /// Messages from this number on reach the subscription live, not through the cursor.
    until: u64,
}

impl Cursor {
    pub(crate) fn after(&self) -> Option<&ByteString> {
        self.after.as_ref()
    }

    pub(crate) fn go_to(&mut self, after: Option<ByteString>) {
        self.after = after;
    }

    pub(crate) fn until(&self) -> u64 {
        self.until
    }
}

pub(crate) enum Step {
    Found(Arc<Message>),
    End,
    /// The budget was spent between two matches.
    Paused,
}

impl Retained {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: BTreeMap::new(), bytes: 0, limit, next: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stores, or deletes on an empty payload (3.3.1.3). Returns false if there was no room.
    pub(crate) fn set(&mut self, message: &Arc<Message>) -> bool {
        let topic = &message.publish.topic;
        self.remove(topic);
        if message.publish.payload.is_empty() {
            return true;
        }
        if self.bytes + message.bytes > self.limit {
            return false;
        }
        self.bytes += message.bytes;
        self.entries.insert(topic.clone(), Entry { message: message.clone(), number: self.next });
        self.next += 1;
        true
    }

    fn remove(&mut self, topic: &str) {
        if let Some(old) = self.entries.remove(topic) {
            self.bytes -= old.message.bytes;
        }
    }

    pub(crate) fn get(&self, topic: &str, now: Instant) -> Option<&Arc<Message>> {
        self.entries.get(topic).map(|entry| &entry.message).filter(|message| !message.is_expired(now))
    }

    pub(crate) fn cursor(&self, filter: ByteString, subscription: Subscription) -> Cursor {
        Cursor { filter, subscription, after: None, until: self.next }
    }

    /// A cursor of an earlier run: `place` counts the retained messages before its end, in the order of their numbers.
    pub(crate) fn cursor_at(
        &self,
        filter: ByteString,
        subscription: Subscription,
        after: Option<ByteString>,
        place: u64,
    ) -> Cursor {
        Cursor { filter, subscription, after, until: place.min(self.next) }
    }

    /// Everything with the number that orders it.
    pub(crate) fn all(&self) -> Vec<(u64, Arc<Message>)> {
        self.entries.values().map(|entry| (entry.number, entry.message.clone())).collect()
    }

    /// The next message under the cursor. `budget` bounds the entries looked at, over as many calls as it is kept for.
    pub(crate) fn next(&self, cursor: &mut Cursor, budget: &mut usize, now: Instant) -> Step {
        let prefix = literal_prefix(&cursor.filter).to_owned();
        let from = match &cursor.after {
            Some(after) => Excluded(&**after),
            None => Included(prefix.as_str()),
        };
        let mut last = None;
        for (topic, entry) in self.entries.range::<str, _>((from, Unbounded)) {
            if !topic.starts_with(&prefix) {
                break;
            }
            if *budget == 0 {
                cursor.after = last.or(cursor.after.take());
                return Step::Paused;
            }
            *budget -= 1;
            if entry.number < cursor.until && !entry.message.is_expired(now) && matches(&cursor.filter, topic) {
                cursor.after = Some(topic.clone());
                return Step::Found(entry.message.clone());
            }
            last = Some(topic.clone());
        }
        Step::End
    }

    /// Drops what has expired and returns how many.
    pub(crate) fn purge(&mut self, now: Instant) -> usize {
        let before = self.entries.len();
        let bytes = &mut self.bytes;
        self.entries.retain(|_, entry| {
            let expired = entry.message.is_expired(now);
            if expired {
                *bytes -= entry.message.bytes;
            }
            !expired
        });
        before - self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use rmqtt_codec::types::QoS;

    use super::*;
    use crate::message::Publish;

    const PLAIN: Subscription =
        Subscription { qos: QoS::AtMostOnce, no_local: false, retain_as_published: false, identifier: None };

    fn message(topic: &str, payload: &'static str) -> Arc<Message> {
        Message::new(Publish::new(topic, payload).retained(), None, Instant::now())
    }

    fn read(retained: &Retained, filter: &str) -> Vec<String> {
        let mut cursor = retained.cursor(filter.into(), PLAIN);
        let mut topics = Vec::new();
        loop {
            match retained.next(&mut cursor, &mut 2, Instant::now()) {
                Step::Found(message) => topics.push(message.publish.topic.to_string()),
                Step::Paused => {}
                Step::End => return topics,
            }
        }
    }

    #[test]
    fn a_cursor_finds_what_matches_and_only_once() {
        let mut retained = Retained::new(usize::MAX);
        for topic in ["a", "a/b", "a/b/c", "ab", "a-", "$x", "ю/я", "b/b"] {
            assert!(retained.set(&message(topic, "1")));
        }
        assert_eq!(read(&retained, "a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(read(&retained, "+/b"), ["a/b", "b/b"]);
        assert_eq!(read(&retained, "a/b"), ["a/b"]);
        assert_eq!(read(&retained, "$x"), ["$x"]);
        assert_eq!(read(&retained, "ю/+"), ["ю/я"]);
        assert_eq!(read(&retained, "#").len(), 7);
    }

    #[test]
    fn a_cursor_leaves_later_messages_to_the_live_road() {
        let mut retained = Retained::new(usize::MAX);
        retained.set(&message("a", "1"));
        let mut cursor = retained.cursor("#".into(), PLAIN);
        retained.set(&message("a", "2"));
        retained.set(&message("b", "1"));
        assert!(matches!(retained.next(&mut cursor, &mut 100, Instant::now()), Step::End));
    }

    #[test]
    fn the_bound_holds_and_leaves_nothing_stale() {
        let one = message("a", "1");
        let mut retained = Retained::new(one.bytes);
        assert!(retained.set(&one));
        assert!(!retained.set(&message("b", "1")));
        assert_eq!(retained.len(), 1);
        assert!(!retained.set(&message("a", "longer")));
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
        assert!(retained.set(&one));
        assert!(retained.set(&message("a", "")));
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }
}
