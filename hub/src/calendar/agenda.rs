//! All events at hand, and which of them has to be told next: a list in the order of time, so that nobody looks at five
//! thousand events to find that there is nothing to do. Writes nothing down and tells nobody.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use domovoi_model::{Id, Timestamp};

use super::event::{Event, Origin};
use super::kept::Mark;
use super::moments::{self, Home, Telling, Why};

/// The events.
pub struct Agenda {
    pub home: Home,
    events: HashMap<Id, Arc<Event>>,
    marks: HashMap<Id, Mark>,
    /// Marks that are otherwise than in the store.
    pub unwritten: BTreeSet<Id>,
    /// When each event is to be told next.
    next: HashMap<Id, Timestamp>,
    by_time: BTreeSet<(Timestamp, Id)>,
}

/// What is to be told of an event: the last that was due, and how many occurrences were missed before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub event: Arc<Event>,
    pub telling: Telling,
    pub missed: u32,
}

impl Agenda {
    pub fn new(home: Home) -> Self {
        Agenda {
            home,
            events: HashMap::new(),
            marks: HashMap::new(),
            unwritten: BTreeSet::new(),
            next: HashMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    pub fn event(&self, id: Id) -> Option<&Arc<Event>> {
        self.events.get(&id)
    }

    pub fn events(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.events.values()
    }

    pub fn count(&self, of: impl Fn(&Origin) -> bool) -> usize {
        self.events.values().filter(|event| of(&event.origin)).count()
    }

    pub fn mark(&self, id: Id) -> Option<&Mark> {
        self.marks.get(&id)
    }

    /// What the store had.
    pub fn remember(&mut self, id: Id, mark: Mark) {
        self.marks.insert(id, mark);
    }

    /// Marks of events that nobody has brought for a long time.
    pub fn stray_marks(&self, before: Timestamp) -> Vec<Id> {
        let stray = self.marks.iter().filter(|(id, mark)| !self.events.contains_key(id) && mark.told_until < before.0);
        stray.map(|(id, _)| *id).collect()
    }

    pub fn is_done(&self, id: Id, occurrence: i64) -> bool {
        self.marks.get(&id).is_some_and(|mark| mark.done.contains(&occurrence))
    }

    /// Puts an event in the place of the one of the same id. `known`: what was to be told before that moment was told, or is
    /// nobody's to tell, unless something else is remembered.
    pub fn put(&mut self, event: Arc<Event>, known: Timestamp) {
        let id = event.id;
        self.marks.entry(id).or_insert_with(|| Mark::new(known));
        self.events.insert(id, event);
        self.plan(id);
    }

    /// Takes an event away. Its mark stays if its place is taken by another list's.
    pub fn remove(&mut self, id: Id) -> bool {
        self.forget_plan(id);
        self.marks.remove(&id);
        self.unwritten.remove(&id);
        self.events.remove(&id).is_some()
    }

    /// From that moment everything is told that is due; nothing before.
    pub fn told(&mut self, id: Id, until: Timestamp) {
        let mark = self.marks.entry(id).or_insert_with(|| Mark::new(until));
        mark.told_until = until.0;
        self.unwritten.insert(id);
        self.plan(id);
    }

    pub fn tick(&mut self, id: Id, occurrence: i64, done: bool) {
        if let Some(mark) = self.marks.get_mut(&id) {
            mark.tick(occurrence, done);
            self.unwritten.insert(id);
            self.plan(id);
        }
    }

    /// When the next is due, whichever.
    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The next that is due by now, if there is one. It stays due until [`Agenda::told`] is said.
    pub fn due(&mut self, now: Timestamp) -> Option<Found> {
        while let Some((at, id)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
            let told_until = Timestamp(self.marks.get(&id).map_or(at.0 - 1, |mark| mark.told_until));
            let Some(event) = self.events.get(&id).map(Arc::clone) else {
                self.forget_plan(id);
                continue;
            };
            let done = |key| self.is_done(id, key);
            let mut tellings = moments::tellings(&event, done, &self.home, told_until, now);
            let Some(telling) = tellings.pop() else {
                // More of it was due than is looked at once: the rest is counted from now on.
                self.told(id, now);
                continue;
            };
            let others: BTreeSet<i64> = tellings
                .iter()
                .map(|other| other.occurrence.key)
                .filter(|key| *key != telling.occurrence.key)
                .collect();
            let missed = u32::try_from(others.len()).unwrap_or(u32::MAX);
            return Some(Found { event, telling, missed });
        }
        None
    }

    /// Looks again at every event: a day has passed, and what was too far away may be near.
    pub fn plan_all(&mut self) {
        let ids: Vec<Id> = self.events.keys().copied().collect();
        for id in ids {
            self.plan(id);
        }
    }

    fn plan(&mut self, id: Id) {
        self.forget_plan(id);
        let (Some(event), Some(mark)) = (self.events.get(&id), self.marks.get(&id)) else { return };
        let done = |key| mark.done.contains(&key);
        if let Some(at) = moments::next(event, done, &self.home, Timestamp(mark.told_until)) {
            self.next.insert(id, at);
            self.by_time.insert((at, id));
        }
    }

    fn forget_plan(&mut self, id: Id) {
        if let Some(at) = self.next.remove(&id) {
            self.by_time.remove(&(at, id));
        }
    }

    /// Until when everything of a date that another room gives counts as told when it is new here. What lies ahead is told
    /// even if its first reminders are past, and what is overdue is; what is merely over is nobody's to tell.
    pub fn known_of_given(&self, event: &Event, now: Timestamp) -> Timestamp {
        let Some(occurrence) = moments::occurrence(event, super::event::key_of(event.when.start)) else { return now };
        let Some((begin, _)) = moments::span(event, &occurrence, &self.home) else { return now };
        if begin > now {
            return Timestamp(0);
        }
        let all = moments::tellings(event, |_| false, &self.home, Timestamp(0), now);
        match all.last() {
            Some(last) if last.why == Why::Overdue => last.at.plus_millis(-1),
            _ => now,
        }
    }
}
