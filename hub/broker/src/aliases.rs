//! Topic aliases towards a client (MQTT 5, 3.3.2.3.4): the topics that are sent most get a number each.
//!
//! The first topics have the numbers first. When there are more topics than numbers, a topic keeps its number for as
//! long as it is sent more often than the others: each hit earns credit, each miss costs the number at hand some.

use std::collections::HashMap;

use bytestring::ByteString;

const MAX_CREDIT: u8 = 8;

pub(crate) struct Aliases {
    max: u16,
    numbers: HashMap<ByteString, u16>,
    /// By number, from 1.
    slots: Vec<(ByteString, u8)>,
    hand: usize,
}

/// How a topic is to be named in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Topic,
    /// The topic, and the number that it has from now on.
    Both(u16),
    Number(u16),
}

impl Aliases {
    pub(crate) fn new(max: u16) -> Self {
        Self { max, numbers: HashMap::new(), slots: Vec::new(), hand: 0 }
    }

    /// Proposes; nothing new is believed to be known to the client before [`Aliases::sent`].
    pub(crate) fn name(&mut self, topic: &str) -> Naming {
        if self.max == 0 {
            return Naming::Topic;
        }
        if let Some(&number) = self.numbers.get(topic) {
            if let Some((_, credit)) = self.slots.get_mut(usize::from(number) - 1) {
                *credit = (*credit + 1).min(MAX_CREDIT);
            }
            return Naming::Number(number);
        }
        if self.slots.len() < self.max.into() {
            return Naming::Both(self.slots.len() as u16 + 1);
        }
        self.hand = (self.hand + 1) % self.slots.len();
        match self.slots.get_mut(self.hand) {
            Some((_, credit @ 1..)) => {
                *credit -= 1;
                Naming::Topic
            }
            _ => Naming::Both(self.hand as u16 + 1),
        }
    }

    /// A packet with this naming is on its way.
    pub(crate) fn sent(&mut self, topic: &ByteString, naming: Naming) {
        let Naming::Both(number) = naming else { return };
        match self.slots.get_mut(usize::from(number) - 1) {
            Some(slot) => {
                let (old, _) = std::mem::replace(slot, (topic.clone(), 1));
                self.numbers.remove(&old);
            }
            None => self.slots.push((topic.clone(), 1)),
        }
        self.numbers.insert(topic.clone(), number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn send(aliases: &mut Aliases, topic: &str) -> Naming {
        let naming = aliases.name(topic);
        aliases.sent(&topic.into(), naming);
        naming
    }

    #[test]
    fn nothing_without_leave_and_the_first_topics_first() {
        assert_eq!(send(&mut Aliases::new(0), "a"), Naming::Topic);
        let mut aliases = Aliases::new(2);
        assert_eq!(aliases.name("a"), Naming::Both(1));
        assert_eq!(send(&mut aliases, "a"), Naming::Both(1), "what was not sent is not known");
        assert_eq!(send(&mut aliases, "a"), Naming::Number(1));
        assert_eq!(send(&mut aliases, "b"), Naming::Both(2));
        assert_eq!(send(&mut aliases, "b"), Naming::Number(2));
    }

    #[test]
    fn a_busy_topic_keeps_its_number_and_a_quiet_one_loses_it() {
        let mut aliases = Aliases::new(2);
        send(&mut aliases, "quiet");
        for n in 0..20 {
            send(&mut aliases, "busy");
            send(&mut aliases, &format!("passing/{n}"));
        }
        assert!(matches!(send(&mut aliases, "busy"), Naming::Number(_)));
        assert!(!matches!(aliases.name("quiet"), Naming::Number(_)));
    }

    proptest! {
        /// A client that believes what it reads always comes to the right topic.
        #[test]
        fn the_client_knows_what_is_meant(max in 0u16..4, topics in prop::collection::vec("[a-f]", 0..200)) {
            let mut aliases = Aliases::new(max);
            let mut client = HashMap::new();
            for (at, topic) in topics.iter().enumerate() {
                let naming = aliases.name(topic);
                if at % 7 == 0 {
                    continue; // too large for the client: never sent
                }
                aliases.sent(&topic.as_str().into(), naming);
                let meant = match naming {
                    Naming::Topic => topic,
                    Naming::Both(number) => {
                        prop_assert!((1..=max).contains(&number));
                        client.insert(number, topic);
                        topic
                    }
                    Naming::Number(number) => client[&number],
                };
                prop_assert_eq!(meant, topic);
            }
        }
    }
}
