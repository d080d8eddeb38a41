//! Which messages were heard and which were taken back: the memory by which one that comes again is known, and one that was
//! cancelled before it came is not shown. Bounded; pure.

use std::collections::{BTreeMap, HashMap};

use domovoi_adapters::cap::Reference;
use domovoi_model::{Id, Timestamp};

/// As many messages are remembered.
pub(super) const MAX_MARKS: usize = 10_000;

/// Beyond that so many go at once.
const SLACK: usize = 500;

/// Between the parts of a name: no sender and no identifier has it.
const BAR: char = '\u{1f}';

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// The alert that it became part of.
    pub alert: Option<Id>,
    /// It was replaced or taken back, perhaps before it was heard.
    pub is_over: bool,
    /// It was heard in part only: the whole one counts anew.
    pub is_cut: bool,
    /// The feed that told of it.
    pub feed: String,
    /// It may be forgotten after this.
    pub keep_until: Timestamp,
}

/// The name of a message.
pub(super) fn name(sender: &str, identifier: &str, sent: Option<Timestamp>) -> String {
    format!("{}{}", pair(sender, identifier), sent.map_or(String::new(), |at| at.0.to_string()))
}

fn pair(sender: &str, identifier: &str) -> String {
    format!("{}{BAR}{}{BAR}", sender.trim().to_lowercase(), identifier.trim())
}

/// Sender, identifier and time of a message by its name.
pub(super) fn parts(name: &str) -> Option<(&str, &str, Option<Timestamp>)> {
    let mut parts = name.split(BAR);
    let (sender, identifier, sent) = (parts.next()?, parts.next()?, parts.next()?);
    Some((sender, identifier, sent.parse().ok().map(Timestamp)))
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Marks {
    by_name: BTreeMap<String, Mark>,
    of_alert: HashMap<Id, Vec<String>>,
}

impl Marks {
    pub fn get(&self, name: &str) -> Option<&Mark> {
        self.by_name.get(name)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Puts a mark in the place of the one of its name.
    pub fn put(&mut self, name: String, mark: Mark) {
        let before = self.by_name.get(&name).and_then(|mark| mark.alert);
        if before != mark.alert {
            if let Some(names) = before.and_then(|alert| self.of_alert.get_mut(&alert)) {
                names.retain(|other| *other != name);
            }
            if let Some(alert) = mark.alert {
                self.of_alert.entry(alert).or_default().push(name.clone());
            }
        }
        self.by_name.insert(name, mark);
        if self.by_name.len() > MAX_MARKS + SLACK {
            self.thin();
        }
    }

    /// The marks that a reference means: the message itself; where it is unknown, those of its sender and identifier, for a
    /// time is often written otherwise the second time.
    pub fn referred(&self, reference: &Reference) -> Vec<String> {
        let exact = name(&reference.sender, &reference.identifier, reference.sent);
        if reference.sent.is_some() && self.by_name.contains_key(&exact) {
            return vec![exact];
        }
        let pair = pair(&reference.sender, &reference.identifier);
        self.by_name
            .range(pair.clone()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(&pair))
            .cloned()
            .collect()
    }

    /// Whether somebody referred to this message without its time.
    pub fn is_over_by_pair(&self, sender: &str, identifier: &str) -> bool {
        self.by_name.get(&pair(sender, identifier)).is_some_and(|mark| mark.is_over)
    }

    /// The messages of an alert, by name.
    pub fn of(&self, alert: Id) -> impl Iterator<Item = (&String, &Mark)> {
        let names = self.of_alert.get(&alert).map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(|name| self.by_name.get_key_value(name))
    }

    /// Whether any message of an alert still stands.
    pub fn has_live(&self, alert: Id) -> bool {
        self.of(alert).any(|(_, mark)| !mark.is_over)
    }

    /// Forgets what need not be kept.
    pub fn forget(&mut self, now: Timestamp) {
        self.by_name.retain(|_, mark| mark.keep_until >= now);
        self.tidy();
    }

    fn thin(&mut self) {
        let mut times: Vec<Timestamp> = self.by_name.values().map(|mark| mark.keep_until).collect();
        times.sort_unstable();
        let Some(bound) = times.get(times.len().saturating_sub(MAX_MARKS)).copied() else { return };
        self.by_name.retain(|_, mark| mark.keep_until >= bound);
        // Many of one moment: any of them.
        while self.by_name.len() > MAX_MARKS {
            self.by_name.pop_first();
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        let by_name = &self.by_name;
        self.of_alert.retain(|_, names| {
            names.retain(|name| by_name.contains_key(name));
            !names.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(keep_until: i64) -> Mark {
        Mark { alert: None, is_over: false, is_cut: false, feed: String::new(), keep_until: Timestamp(keep_until) }
    }

    #[test]
    fn a_reference_is_found_by_its_instant_and_else_by_its_identifier() {
        let mut marks = Marks::default();
        for sent in [100, 200] {
            marks.put(name("A@x", "1", Some(Timestamp(sent))), mark(sent));
        }
        marks.put(name("a@x", "10", Some(Timestamp(100))), mark(100));
        let reference = |sent| Reference { sender: "a@X".into(), identifier: "1".into(), sent };
        assert_eq!(marks.referred(&reference(Some(Timestamp(200)))), [name("a@x", "1", Some(Timestamp(200)))]);
        assert_eq!(marks.referred(&reference(None)).len(), 2, "and not 10");
        assert_eq!(marks.referred(&reference(Some(Timestamp(300)))).len(), 2);
        assert_eq!(parts(&name("a@x", "1", Some(Timestamp(7)))), Some(("a@x", "1", Some(Timestamp(7)))));
    }

    #[test]
    fn they_are_bounded_and_the_oldest_go_first() {
        let mut marks = Marks::default();
        for n in 0..30_000 {
            let alert = Some(Id([u8::try_from(n % 200).unwrap(); 16]));
            marks.put(name("s", &n.to_string(), None), Mark { alert, ..mark(n) });
        }
        assert!(marks.len() <= MAX_MARKS + SLACK);
        assert!(marks.get(&name("s", "29999", None)).is_some() && marks.get(&name("s", "1", None)).is_none());
        marks.forget(Timestamp(29_990));
        assert_eq!(marks.len(), 10);
        assert_eq!((0..200).map(|n| marks.of(Id([n; 16])).count()).sum::<usize>(), 10);
    }
}
