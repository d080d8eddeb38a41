//! The subscriptions of all sessions as a tree of topic levels, so that a publish walks only what can match it.
//!
//! It trusts its callers to insert well-formed filters only; their cap on levels bounds the recursion here.

use std::{collections::HashMap, num::NonZeroU32, str::Split};

use rmqtt_codec::types::QoS;

/// How a session wants the messages of one filter. Retain handling is spent at SUBSCRIBE and not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) identifier: Option<NonZeroU32>,
}

#[derive(Default)]
pub(crate) struct Tree {
    root: Node,
    len: usize,
}

type Subscribers = Vec<(u64, Subscription)>;

#[derive(Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    /// `+` at this level.
    any: Option<Box<Node>>,
    /// Filters that end at this node.
    here: Subscribers,
    /// Filters that end with `#` below this node.
    rest: Subscribers,
}

impl Tree {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the session already had this filter.
    pub(crate) fn insert(&mut self, filter: &str, session: u64, subscription: Subscription) -> bool {
        let mut node = &mut self.root;
        let mut hash = false;
        for level in filter.split('/') {
            match level {
                "#" => hash = true,
                "+" => node = node.any.get_or_insert_default(),
                literal => node = node.children.entry(literal.into()).or_default(),
            }
        }
        let subscribers = if hash { &mut node.rest } else { &mut node.here };
        if let Some((_, old)) = subscribers.iter_mut().find(|(owner, _)| *owner == session) {
            *old = subscription;
            return true;
        }
        subscribers.push((session, subscription));
        self.len += 1;
        false
    }

    pub(crate) fn remove(&mut self, filter: &str, session: u64) -> bool {
        let removed = self.root.remove(filter.split('/'), session);
        self.len -= usize::from(removed);
        removed
    }

    /// Calls `found` for each subscription that matches; a session comes once per filter of its own that matches.
    pub(crate) fn visit(&self, topic: &str, found: &mut impl FnMut(u64, &Subscription)) {
        self.root.visit(topic.split('/'), topic.starts_with('$'), found);
    }
}

impl Node {
    fn remove(&mut self, mut levels: Split<'_, char>, session: u64) -> bool {
        let subscribers = match levels.next() {
            None => &mut self.here,
            Some("#") => &mut self.rest,
            Some("+") => {
                let Some(child) = &mut self.any else { return false };
                let removed = child.remove(levels, session);
                if child.is_empty() {
                    self.any = None;
                }
                return removed;
            }
            Some(literal) => {
                let Some(child) = self.children.get_mut(literal) else { return false };
                let removed = child.remove(levels, session);
                if child.is_empty() {
                    self.children.remove(literal);
                }
                return removed;
            }
        };
        let before = subscribers.len();
        subscribers.retain(|(owner, _)| *owner != session);
        subscribers.len() < before
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }

    fn visit(&self, mut levels: Split<'_, char>, reserved: bool, found: &mut impl FnMut(u64, &Subscription)) {
        if !reserved {
            for (session, subscription) in &self.rest {
                found(*session, subscription);
            }
        }
        let Some(level) = levels.next() else {
            for (session, subscription) in &self.here {
                found(*session, subscription);
            }
            return;
        };
        if let Some(child) = self.children.get(level) {
            child.visit(levels.clone(), false, found);
        }
        if let (Some(child), false) = (&self.any, reserved) {
            child.visit(levels, false, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topic::{check_filter, check_name, matches};

    const PLAIN: Subscription =
        Subscription { qos: QoS::AtMostOnce, no_local: false, retain_as_published: false, identifier: None };

    /// Straight from the words of 4.7.1, by recursion on both sides; shares nothing with the code under test.
    fn naive(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) => true,
            ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => naive(filter, topic),
            ([f, filter @ ..], [t, topic @ ..]) => f == t && naive(filter, topic),
            _ => false,
        }
    }

    fn naive_matches(filter: &str, topic: &str) -> bool {
        let dollar = topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'));
        !dollar && naive(&filter.split('/').collect::<Vec<_>>(), &topic.split('/').collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn tree_and_matcher_agree_with_the_naive_one(
            filters in prop::collection::vec("[ab+#$ю]{0,2}(/[ab+#ю]{0,1}){0,4}", 1..40),
            topics in prop::collection::vec("[ab$ю]{0,2}(/[abю]{0,1}){0,4}", 1..20),
            drop_every in 2usize..4,
        ) {
            let mut tree = Tree::default();
            let filters: Vec<_> = filters.iter().filter(|f| check_filter(f, 128).is_ok()).collect();
            for (owner, filter) in filters.iter().enumerate() {
                prop_assert!(!tree.insert(filter, owner as u64, PLAIN));
                prop_assert!(tree.insert(filter, owner as u64, PLAIN));
            }
            for (owner, filter) in filters.iter().enumerate().filter(|(owner, _)| owner % drop_every == 0) {
                prop_assert!(tree.remove(filter, owner as u64));
                prop_assert!(!tree.remove(filter, owner as u64));
            }
            for topic in topics.iter().filter(|t| check_name(t, 128).is_ok()) {
                let mut found = Vec::new();
                tree.visit(topic, &mut |owner, _| found.push(owner));
                found.sort_unstable();
                let expected: Vec<u64> = (0..filters.len() as u64)
                    .filter(|owner| !(*owner as usize).is_multiple_of(drop_every))
                    .filter(|owner| naive_matches(filters[*owner as usize], topic))
                    .collect();
                prop_assert_eq!(found, expected, "{}", topic);
                for filter in &filters {
                    prop_assert_eq!(matches(filter, topic), naive_matches(filter, topic), "{} {}", filter, topic);
                }
            }
            for (owner, filter) in filters.iter().enumerate() {
                tree.remove(filter, owner as u64);
            }
            prop_assert_eq!(tree.len(), 0);
            prop_assert!(tree.root.is_empty(), "branches are pruned");
        }
    }
}
