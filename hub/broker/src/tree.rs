//! The subscriptions of all sessions as a tree of topic levels, so that a publish walks only what can match it.
//!
//! A shared subscription stands where its filter does, in a [`Group`] of those who share it (MQTT 5, 4.8.2). The tree
//! says who could have a message; whether a member is there to take it is the router's knowledge.
//!
//! It trusts its callers to insert well-formed filters only; their cap on levels bounds the recursion here.

use std::{cell::Cell, collections::HashMap, num::NonZeroU32, str::Split, sync::Arc};

use rmqtt_codec::types::QoS;

use crate::topic::share;

/// How a session wants the messages of one filter. Retain handling is spent at SUBSCRIBE and not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) identifier: Option<NonZeroU32>,
}

/// About what a filter costs in memory, wherever it stands: its text three times at most, a place for each of its levels.
pub(crate) fn cost_bytes(filter: &str) -> usize {
    const OVERHEAD: usize = 300;
    const PER_LEVEL: usize = 700;
    OVERHEAD + 3 * filter.len() + PER_LEVEL * filter.split('/').count()
}

#[derive(Default)]
pub(crate) struct Tree {
    root: Node,
    len: usize,
    /// What they cost.
    bytes: usize,
    /// How many of them are shared.
    shared: usize,
}

/// The sessions that share one filter under one name: each message goes to one of them.
pub(crate) struct Group {
    /// All of it: `$share/name/filter`.
    pub(crate) filter: Arc<str>,
    members: Vec<(u64, Subscription)>,
    /// Where the next search for a member begins.
    turn: Cell<usize>,
}

#[derive(Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    /// `+` at this level.
    any: Option<Box<Node>>,
    /// Filters that end at this node.
    here: Ends,
    /// Filters that end with `#` below this node.
    rest: Ends,
}

/// The subscriptions whose filter is the same.
#[derive(Default)]
struct Ends {
    own: Vec<(u64, Subscription)>,
    groups: Vec<Group>,
}

impl Tree {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn has_groups(&self) -> bool {
        self.shared > 0
    }

    /// Returns whether the session already had this filter.
    pub(crate) fn insert(&mut self, filter: &str, session: u64, subscription: Subscription) -> bool {
        let shared = share(filter);
        let mut node = &mut self.root;
        let mut hash = false;
        for level in shared.map_or(filter, |share| share.filter).split('/') {
            match level {
                "#" => hash = true,
                "+" => node = node.any.get_or_insert_default(),
                literal => node = node.children.entry(literal.into()).or_default(),
            }
        }
        let ends = if hash { &mut node.rest } else { &mut node.here };
        let known = match shared {
            None => put(&mut ends.own, session, subscription),
            Some(_) => put(&mut ends.group(filter).members, session, subscription),
        };
        self.len += usize::from(!known);
        self.bytes += if known { 0 } else { cost_bytes(filter) };
        self.shared += usize::from(!known && shared.is_some());
        known
    }

    pub(crate) fn remove(&mut self, filter: &str, session: u64) -> bool {
        let shared = share(filter);
        let levels = shared.map_or(filter, |share| share.filter).split('/');
        let removed = self.root.remove(levels, &mut |ends| match shared {
            None => take(&mut ends.own, session),
            Some(_) => ends.leave_group(filter, session),
        });
        self.len -= usize::from(removed);
        self.bytes -= if removed { cost_bytes(filter) } else { 0 };
        self.shared -= usize::from(removed && shared.is_some());
        removed
    }

    /// Calls `found` for each subscription that matches and is not shared; a session comes once per filter of its own
    /// that matches.
    pub(crate) fn visit(&self, topic: &str, found: &mut impl FnMut(u64, &Subscription)) {
        self.root.visit(topic.split('/'), topic.starts_with('$'), &mut |ends| {
            for (session, subscription) in &ends.own {
                found(*session, subscription);
            }
        });
    }

    /// Calls `found` for each group whose filter matches.
    pub(crate) fn visit_groups(&self, topic: &str, found: &mut impl FnMut(&Group)) {
        if self.shared > 0 {
            self.root
                .visit(topic.split('/'), topic.starts_with('$'), &mut |ends| ends.groups.iter().for_each(&mut *found));
        }
    }

    /// Whether a filter begins with this very level.
    pub(crate) fn begins(&self, level: &str) -> bool {
        self.root.children.contains_key(level)
    }

    /// The group of a shared filter.
    pub(crate) fn group(&self, filter: &str) -> Option<&Group> {
        let mut node = &self.root;
        let mut hash = false;
        for level in share(filter)?.filter.split('/') {
            match level {
                "#" => hash = true,
                "+" => node = node.any.as_ref()?,
                literal => node = node.children.get(literal)?,
            }
        }
        let ends = if hash { &node.rest } else { &node.here };
        ends.groups.iter().find(|group| &*group.filter == filter)
    }
}

impl Group {
    /// The member whose turn it is among those that `rank` ranks lowest; those it says nothing of are passed over.
    pub(crate) fn choose(&self, rank: impl Fn(u64) -> Option<u8>) -> Option<(u64, Subscription)> {
        let count = self.members.len();
        let turn = self.turn.get();
        let mut best: Option<(u8, usize)> = None;
        for at in (0..count).map(|step| (turn + step) % count) {
            let Some(rank) = self.members.get(at).and_then(|(session, _)| rank(*session)) else { continue };
            if best.is_none_or(|(lowest, _)| rank < lowest) {
                best = Some((rank, at));
                if rank == 0 {
                    break;
                }
            }
        }
        let (_, at) = best?;
        self.turn.set(at + 1);
        self.members.get(at).copied()
    }
}

/// Returns whether the session was there before.
fn put(list: &mut Vec<(u64, Subscription)>, session: u64, subscription: Subscription) -> bool {
    if let Some((_, old)) = list.iter_mut().find(|(owner, _)| *owner == session) {
        *old = subscription;
        return true;
    }
    if list.is_empty() {
        // Most filters are one session's alone, and there are as many as there are sessions.
        list.reserve_exact(1);
    }
    list.push((session, subscription));
    false
}

fn take(list: &mut Vec<(u64, Subscription)>, session: u64) -> bool {
    let before = list.len();
    list.retain(|(owner, _)| *owner != session);
    list.len() < before
}

impl Ends {
    fn is_empty(&self) -> bool {
        self.own.is_empty() && self.groups.is_empty()
    }

    fn group(&mut self, filter: &str) -> &mut Group {
        let at = self.groups.iter().position(|group| &*group.filter == filter).unwrap_or_else(|| {
            self.groups.push(Group { filter: filter.into(), members: Vec::new(), turn: Cell::new(0) });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }

    fn leave_group(&mut self, filter: &str, session: u64) -> bool {
        let Some(at) = self.groups.iter().position(|group| &*group.filter == filter) else { return false };
        let Some(group) = self.groups.get_mut(at) else { return false };
        let removed = take(&mut group.members, session);
        if group.members.is_empty() {
            self.groups.swap_remove(at);
        }
        removed
    }
}

impl Node {
    fn remove(&mut self, mut levels: Split<'_, char>, take: &mut impl FnMut(&mut Ends) -> bool) -> bool {
        match levels.next() {
            None => take(&mut self.here),
            Some("#") => take(&mut self.rest),
            Some("+") => {
                let Some(child) = &mut self.any else { return false };
                let removed = child.remove(levels, take);
                if child.is_empty() {
                    self.any = None;
                }
                removed
            }
            Some(literal) => {
                let Some(child) = self.children.get_mut(literal) else { return false };
                let removed = child.remove(levels, take);
                if child.is_empty() {
                    self.children.remove(literal);
                }
                removed
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }

    /// Calls `found` where filters that match end.
    fn visit(&self, mut levels: Split<'_, char>, reserved: bool, found: &mut impl FnMut(&Ends)) {
        if !reserved && !self.rest.is_empty() {
            found(&self.rest);
        }
        let Some(level) = levels.next() else {
            if !self.here.is_empty() {
                found(&self.here);
            }
            return;
        };
        if !self.children.is_empty()
            && let Some(child) = self.children.get(level)
        {
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

    #[test]
    fn a_group_takes_turns_and_passes_over_those_who_are_not_there() {
        let mut tree = Tree::default();
        for session in 1..=3 {
            assert!(!tree.insert("$share/g/a/+", session, PLAIN));
        }
        assert!(tree.insert("$share/g/a/+", 2, PLAIN));
        assert!(!tree.insert("$share/h/a/#", 2, PLAIN));
        assert!(!tree.insert("a/b", 2, PLAIN));
        assert_eq!(tree.len(), 5);
        let turn = |tree: &Tree, rank: &dyn Fn(u64) -> Option<u8>| {
            let mut chosen = Vec::new();
            tree.visit_groups("a/b", &mut |group| chosen.extend(group.choose(rank).map(|(session, _)| session)));
            chosen.sort_unstable();
            chosen
        };
        assert_eq!((0..4).map(|_| turn(&tree, &|_| Some(0))).collect::<Vec<_>>(), [[1, 2], [2, 2], [2, 3], [1, 2]]);
        // One is away: the others take its turns; all away: turns again.
        for _ in 0..4 {
            assert!(!turn(&tree, &|session| Some(u8::from(session == 1))).contains(&1));
        }
        assert_eq!((0..3).map(|_| turn(&tree, &|_| Some(1))).collect::<Vec<_>>(), [[1, 2], [2, 2], [2, 3]]);
        assert!(turn(&tree, &|_| None).is_empty());
        let mut own = Vec::new();
        tree.visit("a/b", &mut |session, _| own.push(session));
        assert_eq!(own, [2]);
        assert!(tree.group("$share/g/a/+").is_some() && tree.group("$share/x/a/+").is_none());
        for session in 1..=3 {
            assert!(tree.remove("$share/g/a/+", session));
        }
        assert!(!tree.remove("$share/g/a/+", 1));
        assert!(tree.remove("$share/h/a/#", 2) && tree.remove("a/b", 2));
        assert!(tree.root.is_empty() && !tree.has_groups() && tree.len() == 0 && tree.bytes() == 0);
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
            prop_assert_eq!((tree.len(), tree.bytes()), (0, 0));
            prop_assert!(tree.root.is_empty(), "branches are pruned");
        }
    }
}
