//! The things of one simulator with what is under way: an order takes its time, a shutter moves step by step, an impostor
//! says what is not so. What is published is what `shown` says; what is true is in `things`.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    faults::{Answer, Faults},
    things::{Order, Thing, Things},
};

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From an order to the report that it is done.
    pub answer: Duration,
    /// A tenth of a shutter's way.
    pub step: Duration,
}

impl Default for Pace {
    /// A Zigbee lamp through a hop or two; a shutter of five seconds.
    fn default() -> Self {
        Self { answer: Duration::from_millis(150), step: Duration::from_millis(500) }
    }
}

/// More orders under way than any device takes: a flood is not kept.
const AGENDA_CAP: usize = 1000;

pub(crate) struct Parts {
    pub(crate) things: Things,
    pub(crate) pace: Pace,
    /// Orders that were heard and could be read.
    pub(crate) orders: u64,
    lies: BTreeMap<String, Thing>,
    agenda: Vec<(Instant, String, Begun)>,
}

enum Begun {
    /// How honestly was settled when the order was heard.
    Obey(Order, Answer),
    Move,
    Report,
}

impl Parts {
    pub(crate) fn new(things: Things, pace: Pace) -> Self {
        Self { things, pace, orders: 0, lies: BTreeMap::new(), agenda: Vec::new() }
    }

    /// What it says of itself.
    pub(crate) fn shown(&self, id: &str) -> Option<&Thing> {
        self.lies.get(id).or_else(|| self.things.get(id))
    }

    pub(crate) fn order(&mut self, id: &str, order: Order, faults: &Faults) {
        self.orders += 1;
        if faults.answer != Answer::Deaf {
            self.begin(self.pace.answer + faults.slow_by, id, Begun::Obey(order, faults.answer));
        }
    }

    /// What an order brings with it, and is no order of its own.
    pub(crate) fn follow(&mut self, id: &str, order: Order, faults: &Faults) {
        self.order(id, order, faults);
        self.orders -= 1;
    }

    /// It was asked for its state.
    pub(crate) fn ask(&mut self, id: &str, faults: &Faults) {
        if faults.answer != Answer::Deaf {
            self.begin(self.pace.answer + faults.slow_by, id, Begun::Report);
        }
    }

    /// Somebody does it by hand, at once. `false`: the thing has no such handle.
    pub(crate) fn touch(&mut self, id: &str, order: &Order) -> bool {
        self.lies.remove(id);
        let Some(thing) = self.things.get_mut(id) else { return false };
        let did = thing.obey(order);
        if thing.moving() {
            self.begin(self.pace.step, id, Begun::Move);
        }
        did
    }

    pub(crate) fn advance(&mut self) {
        self.things.values_mut().for_each(Thing::advance);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.agenda.iter().map(|(due, ..)| *due).min()
    }

    /// Does what is due; whose state is to be reported.
    pub(crate) fn due(&mut self) -> Vec<String> {
        let now = Instant::now();
        let (mut due, later): (Vec<_>, Vec<_>) = self.agenda.drain(..).partition(|(at, ..)| *at <= now);
        self.agenda = later;
        due.sort_by_key(|(at, ..)| *at);
        let mut report = Vec::new();
        for (_, id, begun) in due {
            let Some(thing) = self.things.get_mut(&id) else { continue };
            match begun {
                Begun::Report => {}
                Begun::Move => thing.step(),
                Begun::Obey(order, answer) => match answer {
                    Answer::Honest => {
                        self.lies.remove(&id);
                        thing.obey(&order);
                    }
                    Answer::Lying => {
                        let lie = self.lies.entry(id.clone()).or_insert_with(|| thing.clone());
                        lie.obey(&order);
                        lie.finish();
                    }
                    Answer::Stuck => {}
                    Answer::Deaf => continue,
                },
            }
            let moves = thing.moving();
            let already = self.agenda.iter().any(|(_, other, begun)| *other == id && matches!(begun, Begun::Move));
            if moves && !already {
                self.begin(self.pace.step, &id, Begun::Move);
            }
            if !report.contains(&id) {
                report.push(id);
            }
        }
        report
    }

    fn begin(&mut self, after: Duration, id: &str, begun: Begun) {
        if self.agenda.len() < AGENDA_CAP {
            self.agenda.push((Instant::now() + after, id.to_owned(), begun));
        }
    }
}
