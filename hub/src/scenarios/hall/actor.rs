//! One scenario at work: its runs, what waits for its turn, what it must not forget. Its mailbox is the order in which the
//! hall hands things over: one after the other, never two at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use domovoi_model::{Id, Moment, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::due::{Due, Now};
use super::super::guards::Bucket;
use super::super::plan::{Action, Awaited, Branch, Condition, Place, Scenario, Step, Turns};
use super::super::run::{At, Cause, Run};
use super::super::view::{End, LastRun, Line, RunView};

/// So many reasons why it did not begin are remembered.
const NOT_BEGUN: usize = 8;

/// Looks at conditions: so many at once, and so many in an hour.
pub const LOOKS: u32 = 50;
pub const LOOKS_PER_HOUR: u32 = 10 * 3600;

/// See above.
pub struct Actor {
    pub plan: Arc<Scenario>,
    pub runs: Vec<Run>,
    pub queue: VecDeque<Cause>,
    /// By trigger, in the order of the plan.
    pub triggers: Vec<TriggerState>,
    pub begun: Bucket,
    pub looks: Bucket,
    pub not_begun: VecDeque<NotBegun>,
    pub last: Option<LastRun>,
    /// The household was told that it begins too often.
    pub told_too_often: bool,
}

/// What is known of a trigger.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TriggerState {
    /// How far the clock was followed.
    pub followed: Option<Timestamp>,
    /// When the clock begins it next; not known while `followed` is not.
    pub next: Option<Timestamp>,
    /// It is never again, as far as can be seen: looked at again then.
    pub again_at: Option<Timestamp>,
    /// Since when it stands as it is to stand for a while.
    pub hold: Hold,
}

/// See [`TriggerState`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It does not stand so.
    #[default]
    Not,
    /// It does, until then it is long enough.
    Until(Due),
    /// It does, and that was told.
    Told,
}

/// Why it did not begin.
#[derive(Debug, Clone)]
pub struct NotBegun {
    pub id: Id,
    pub at: Moment,
    pub end: End,
    pub trigger: String,
    pub said: String,
    pub line: Option<Box<Line>>,
    pub times: u32,
}

impl Actor {
    pub fn new(plan: Arc<Scenario>, now_millis: i64) -> Self {
        let triggers = vec![TriggerState::default(); plan.triggers.len()];
        Actor {
            begun: Bucket::full(plan.guards.runs_per_hour, now_millis),
            looks: Bucket::full(LOOKS, now_millis),
            runs: Vec::new(),
            queue: VecDeque::new(),
            triggers,
            not_begun: VecDeque::new(),
            last: None,
            told_too_often: false,
            plan,
        }
    }

    /// Remembers why it did not begin; the same again and again is one.
    pub fn did_not_begin(&mut self, one: NotBegun) {
        if let Some(last) = self.not_begun.back_mut()
            && last.end == one.end
            && last.trigger == one.trigger
        {
            *last = NotBegun { times: last.times.saturating_add(1), id: last.id, ..one };
            return;
        }
        if self.not_begun.len() >= NOT_BEGUN {
            self.not_begun.pop_front();
        }
        self.not_begun.push_back(one);
    }

    /// What must be kept between its runs; `None`: nothing.
    pub fn mark(&self) -> MarkRow {
        let named = |n: usize| self.plan.triggers.get(n).map(|trigger| trigger.id.clone()).unwrap_or_default();
        let states = || self.triggers.iter().enumerate();
        MarkRow {
            followed: states().filter_map(|(n, state)| Some((named(n), state.followed?.0))).collect(),
            holds: states()
                .filter(|(_, state)| state.hold != Hold::Not)
                .map(|(n, state)| (named(n), state.hold))
                .collect(),
            queue: self.queue.iter().cloned().collect(),
        }
    }

    /// What was kept.
    pub fn remember(&mut self, mark: MarkRow) {
        for (trigger, state) in self.plan.triggers.iter().zip(&mut self.triggers) {
            if trigger.when.is_of_the_clock() {
                state.followed = mark.followed.get(&trigger.id).map(|at| Timestamp(*at));
            }
            state.hold = mark.holds.get(&trigger.id).copied().unwrap_or_default();
        }
        self.queue = mark.queue.into();
    }

    /// As it is shown that it did not begin.
    pub fn reasons(&self) -> Vec<RunView> {
        let shown = |one: &NotBegun| RunView {
            id: one.id,
            scenario: self.plan.id,
            trigger: one.trigger.clone(),
            cause: one.said.clone(),
            began: one.at,
            ended: Some(one.at),
            end: Some(one.end),
            path: String::new(),
            waits_until: None,
            lines: one.line.iter().map(|line| (**line).clone()).collect(),
            times: one.times,
        };
        self.not_begun.iter().map(shown).collect()
    }
}

/// What a scenario must not forget between its runs, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MarkRow {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub followed: BTreeMap<String, i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<String, Hold>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<Cause>,
}

/// A run that is over, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRow {
    pub run: Run,
    pub ended: At,
    pub end: String,
}

impl TraceRow {
    /// As it is shown.
    pub fn view(&self, now: &Now) -> Option<RunView> {
        Some(self.run.view(Some((self.ended.into(), End::from_code(&self.end)?)), now))
    }
}

/// The properties that a scenario looks at beside its triggers, each as often as it does.
pub fn looked_at(plan: &Scenario) -> Vec<Place> {
    let mut places = Vec::new();
    plan.conditions.iter().for_each(|condition| of_condition(condition, &mut places));
    of_steps(&plan.actions, &mut places);
    places.sort_unstable();
    places.dedup();
    places
}

fn of_steps(steps: &[Step], places: &mut Vec<Place>) {
    for step in steps {
        match &step.action {
            Action::Until { awaited: Awaited::So(condition), .. } => of_condition(condition, places),
            Action::Until { awaited: Awaited::Happens(when), .. } => places.extend(when.place().cloned()),
            Action::Choose { branches, otherwise } => {
                for Branch { conditions, steps } in branches {
                    conditions.iter().for_each(|condition| of_condition(condition, places));
                    of_steps(steps, places);
                }
                of_steps(otherwise, places);
            }
            Action::Repeat { turns, steps } => {
                if let Turns::While(conditions) = turns {
                    conditions.iter().for_each(|condition| of_condition(condition, places));
                }
                of_steps(steps, places);
            }
            _ => {}
        }
    }
}

/// The properties that a condition names outside of expressions.
pub fn of_condition(condition: &Condition, places: &mut Vec<Place>) {
    match condition {
        Condition::State { at, .. } => places.push(at.clone()),
        Condition::All(list) | Condition::Any(list) => list.iter().for_each(|one| of_condition(one, places)),
        Condition::Not(inner) => of_condition(inner, places),
        Condition::Time { .. } | Condition::Home { .. } | Condition::SunUp(_) | Condition::Expression(_) => {}
    }
}

/// Whether a condition may change without a property of it that is named.
pub fn is_polled(condition: &Condition) -> bool {
    match condition {
        Condition::State { .. } => false,
        Condition::All(list) | Condition::Any(list) => list.iter().any(is_polled),
        Condition::Not(inner) => is_polled(inner),
        Condition::Time { .. } | Condition::Home { .. } | Condition::SunUp(_) | Condition::Expression(_) => true,
    }
}
