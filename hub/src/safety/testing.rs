//! Test mode: what a rule would do, or did when it was asked to in earnest, and what came of it. Pure, as the reflex is, of
//! which it is a part.

use std::collections::VecDeque;

use domovoi_model::Moment;

use super::danger::Now;
use super::rule::{Danger, Place, Rule, Target};

/// A test in earnest ends at the latest after so long.
const ENDS_AFTER_MS: i64 = 30_000;

/// What cannot confirm anything is waited for so long when everything else has.
const LAST_TESTS: usize = 32;

/// What became of one thing that a rule sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It would be set so.
    Would,
    /// It was said so many times.
    Said {
        /// How often.
        tries: u32,
    },
    /// It could not be said, and why.
    NotSaid(String),
    /// The device's own report says that it is so.
    Confirmed,
}

/// One thing that the rule sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What, and to which value.
    pub target: Target,
    /// What came of it.
    pub outcome: Outcome,
}

/// A test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestRun {
    /// Its number.
    pub id: u64,
    /// Of which rule.
    pub rule: String,
    /// What the rule answers.
    pub danger: Danger,
    /// It was done, and not only told.
    pub in_earnest: bool,
    /// When it began.
    pub at: Moment,
    /// It has ended.
    pub done: bool,
    /// What the rule sets.
    pub steps: Vec<Step>,
    ends_ms: i64,
}

/// The latest tests.
#[derive(Debug, Default)]
pub struct Tests {
    runs: VecDeque<TestRun>,
    last: u64,
}

impl Tests {
    /// A new test. One that only tells has ended when it begins.
    pub fn begin(&mut self, rule: &Rule, targets: Vec<Target>, in_earnest: bool, now: Now) -> u64 {
        self.last += 1;
        let outcome = || if in_earnest { Outcome::Said { tries: 0 } } else { Outcome::Would };
        let steps: Vec<Step> = targets.into_iter().map(|target| Step { target, outcome: outcome() }).collect();
        if self.runs.len() >= LAST_TESTS {
            self.runs.pop_front();
        }
        self.runs.push_back(TestRun {
            id: self.last,
            rule: rule.id.clone(),
            danger: rule.danger,
            in_earnest,
            at: now.moment,
            done: !in_earnest,
            steps,
            ends_ms: now.millis.saturating_add(ENDS_AFTER_MS),
        });
        self.last
    }

    /// The latest, the newest last.
    pub fn runs(&self) -> impl Iterator<Item = &TestRun> {
        self.runs.iter()
    }

    /// Which rule a test tries.
    pub fn rule_of(&self, id: u64) -> Option<&str> {
        self.runs.iter().find(|run| run.id == id).map(|run| run.rule.as_str())
    }

    /// Whether it has not ended.
    pub fn is_running(&self, id: u64) -> bool {
        self.runs.iter().any(|run| run.id == id && !run.done)
    }

    /// Brings what runs up to date, and gives what has ended by it.
    pub fn follow(&mut self, now: Now, outcome: impl Fn(&Place) -> Outcome) -> Vec<TestRun> {
        let mut ended = Vec::new();
        for run in self.runs.iter_mut().filter(|run| !run.done) {
            for step in run.steps.iter_mut().filter(|step| step.outcome != Outcome::Confirmed) {
                step.outcome = outcome(&step.target.place);
            }
            let all = run.steps.iter().all(|step| step.outcome == Outcome::Confirmed);
            if all || now.millis >= run.ends_ms {
                run.done = true;
                ended.push(run.clone());
            }
        }
        ended
    }
}
