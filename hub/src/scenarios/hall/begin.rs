//! How a scenario begins, or why it does not: depth, conditions, mode, rate, in this order. The modes are policies of its
//! queue: what is under way is stopped, waited for, or left alone.

use std::sync::Arc;

use domovoi_model::{Command, Id};

use super::super::due::{Due, Now};
use super::super::happening::{Happening, is_meant};
use super::super::machine::{Effect, Event, Stepped};
use super::super::plan::{Mode, Place, Scenario, When};
use super::super::run::{Cause, Doing, Kept, Run};
use super::super::view::{End, LastRun, Line, What};
use super::super::world::{Look, Standing, stands};
use super::super::{Deed, DeedWhat};
use super::actor::{Hold, LOOKS, LOOKS_PER_HOUR, NotBegun};
use super::{Hall, Todo};

/// So many runs that are over are remembered.
const RECENT: usize = 32;

/// How much that was missed may wait for its turn, whatever the mode is.
const MOST_MADE_UP: usize = 100;

/// How it comes to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By one of its triggers.
    Trigger,
    /// By one of many moments that were missed: each of them has its turn.
    MadeUp,
    /// Somebody wants it, whatever its conditions are.
    Hand,
    /// Another scenario does.
    Scenario,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// It began, as this run; it may be over by now.
    Began(Id),
    /// It waits for its turn.
    Queued,
    /// It did not begin, and why.
    Not(End),
}

impl Cause {
    /// Of nothing but this.
    pub fn by(trigger: &str) -> Self {
        Cause { trigger: trigger.to_owned(), said: String::new(), depth: 0, value: None, from: None, late_s: 0 }
    }
}

impl Hall {
    /// Something happened that a trigger may be about.
    pub(super) fn triggered(&mut self, scenario: Id, n: u16, happening: &Happening, depth: u8, now: &Now) {
        let Some(actor) = self.actors.get_mut(&scenario) else { return };
        let n = usize::from(n);
        let (Some(trigger), Some(state)) = (actor.plan.triggers.get(n), actor.triggers.get_mut(n)) else { return };
        if !actor.plan.is_on || !trigger.is_on {
            return;
        }
        if let (When::State { is, for_s: Some(for_s), .. }, Happening::Value { to, .. }) = (&trigger.when, happening) {
            let before = state.hold;
            state.hold = held(before, stands(to.as_ref(), is), *for_s, now);
            if state.hold != before {
                if let Hold::Until(due) = state.hold {
                    self.wake_millis = self.wake_millis.min(now.millis.saturating_add(due.left(now)));
                }
                self.changes.later(scenario, now);
            }
            return;
        }
        if !is_meant(&trigger.when, happening) {
            return;
        }
        let mut cause = Cause { said: happening.said(), depth, ..Cause::by(&trigger.id) };
        if let Happening::Value { from, to, .. } = happening {
            (cause.value, cause.from) = (to.as_ref().map(Kept::from), from.as_ref().map(Kept::from));
        }
        self.offer(scenario, cause, Way::Trigger, now);
    }

    /// It is to begin.
    pub(super) fn offer(&mut self, scenario: Id, cause: Cause, way: Way, now: &Now) -> Option<Offered> {
        let actor = self.actors.get_mut(&scenario)?;
        let plan = Arc::clone(&actor.plan);
        if cause.depth > plan.guards.max_depth {
            return Some(self.not(scenario, cause, End::TooDeep, None, now));
        }
        let asks = matches!(way, Way::Trigger | Way::MadeUp) && !plan.conditions.is_empty();
        if asks {
            if !actor.looks.take(LOOKS, LOOKS_PER_HOUR, now.millis) {
                return Some(self.not(scenario, cause, End::TooOften, None, now));
            }
            // Conditions may be about what began it: they are asked as the run would.
            let run = Run::new(Id([0; 16]), scenario, cause.clone(), 1, now);
            let mut look = Look::new(&self.world, now, Some(&run));
            for (n, condition) in plan.conditions.iter().enumerate() {
                let standing = look.condition(condition);
                if standing == Standing::So {
                    continue;
                }
                let (what, said) = match (standing, look.wrong.take()) {
                    (_, Some(why)) => (What::Wrong, why),
                    (Standing::NotSo, None) => (What::NotSo, String::new()),
                    _ => (What::Unknown, String::new()),
                };
                let path = format!("if.{}", n + 1);
                let line = Line { at: now.moment(), path, what, said, seen: look.seen() };
                return Some(self.not(scenario, cause, End::NotSo, Some(line), now));
            }
        }
        let actor = self.actors.get_mut(&scenario)?;
        let running = actor.runs.len();
        let waits = match plan.mode {
            Mode::Single if running > 0 && way == Way::MadeUp => MOST_MADE_UP,
            Mode::Single if running > 0 => return Some(self.not(scenario, cause, End::Busy, None, now)),
            Mode::Restart if running > 0 && way == Way::MadeUp => MOST_MADE_UP,
            Mode::Queued { most } if running > 0 || !actor.queue.is_empty() => usize::from(most),
            Mode::Parallel { most } if running >= usize::from(most) && way == Way::MadeUp => MOST_MADE_UP,
            Mode::Parallel { most } if running >= usize::from(most) => {
                return Some(self.not(scenario, cause, End::Busy, None, now));
            }
            _ => 0,
        };
        if waits > 0 {
            if actor.queue.len() >= waits {
                return Some(self.not(scenario, cause, End::Busy, None, now));
            }
            actor.queue.push_back(cause);
            self.changes.marks.insert(scenario);
            self.changes.news.insert(scenario);
            return Some(Offered::Queued);
        }
        let guards = plan.guards;
        if way != Way::Hand && !actor.begun.take(guards.runs_per_hour, guards.runs_per_hour, now.millis) {
            if !actor.told_too_often {
                actor.told_too_often = true;
                self.changes.trouble(scenario, &plan.name, End::TooOften);
            }
            return Some(self.not(scenario, cause, End::TooOften, None, now));
        }
        actor.told_too_often = false;
        if plan.mode == Mode::Restart {
            self.stop_runs(scenario, End::Restarted, now);
        }
        Some(Offered::Began(self.run(scenario, &plan, cause, now)))
    }

    fn run(&mut self, scenario: Id, plan: &Scenario, cause: Cause, now: &Now) -> Id {
        let id = (self.new_id)();
        let run = Run::new(id, scenario, cause, plan.guards.max_run_s, now);
        if let Some(actor) = self.actors.get_mut(&scenario) {
            actor.runs.push(run);
        }
        // What the clock or a hold begins is followed so far: written along with the run.
        self.changes.marks.insert(scenario);
        self.changes.news.insert(scenario);
        self.step(scenario, id, &Event::Go, now);
        id
    }

    fn not(&mut self, scenario: Id, cause: Cause, end: End, line: Option<Line>, now: &Now) -> Offered {
        let id = (self.new_id)();
        if let Some(actor) = self.actors.get_mut(&scenario) {
            let (trigger, said) = (cause.trigger, cause.said);
            let line = line.map(Box::new);
            actor.did_not_begin(NotBegun { id, at: now.moment(), end, trigger, said, line, times: 1 });
        }
        Offered::Not(end)
    }

    /// A run is over, and what waited has its turn.
    pub(super) fn next_in_queue(&mut self, scenario: Id, now: &Now) {
        let Some(actor) = self.actors.get_mut(&scenario) else { return };
        let most = match actor.plan.mode {
            Mode::Parallel { most } => usize::from(most),
            _ => 1,
        };
        if actor.runs.len() >= most {
            return;
        }
        let Some(cause) = actor.queue.pop_front() else { return };
        let plan = Arc::clone(&actor.plan);
        let (waits, guards) = (!actor.queue.is_empty(), plan.guards);
        let begins = actor.begun.take(guards.runs_per_hour, guards.runs_per_hour, now.millis);
        self.changes.marks.insert(scenario);
        if begins {
            self.run(scenario, &plan, cause, now);
        } else {
            self.not(scenario, cause, End::TooOften, None, now);
        }
        if waits {
            self.todo.push_back(Todo::Next { scenario });
        }
    }

    pub(super) fn stop_runs(&mut self, scenario: Id, end: End, now: &Now) {
        let Some(actor) = self.actors.get_mut(&scenario) else { return };
        let runs: Vec<Id> = actor.runs.iter().map(|run| run.id).collect();
        if end != End::Restarted && !actor.queue.is_empty() {
            actor.queue.clear();
            self.changes.marks.insert(scenario);
        }
        for run in runs {
            self.finish(scenario, run, end, now);
        }
    }

    /// What came of a step of a run.
    pub(super) fn absorb(&mut self, scenario: Id, id: Id, plan: &Scenario, stepped: Stepped, now: &Now) {
        let Some(actor) = self.actors.get(&scenario) else { return };
        let Some(run) = actor.runs.iter().find(|run| run.id == id) else { return };
        let depth = run.cause.depth;
        if stepped.changed {
            self.changes.runs.insert((scenario, id));
            self.changes.news.insert(scenario);
            let left = match &run.doing {
                Doing::Wait(due) | Doing::Until(Some(due)) => due.left(now).min(run.ends.left(now)),
                _ => run.ends.left(now),
            };
            self.wake_millis = self.wake_millis.min(now.millis.saturating_add(left));
            self.awaits(scenario, id);
        }
        for effect in stepped.effects {
            match effect {
                Effect::Do { id: deed, what, again } => {
                    if let DeedWhat::Command(Command { target, .. }) = &what {
                        let at = Place { device: target.device.clone(), property: target.property.clone() };
                        self.chain.sets(at, depth, now.millis);
                    }
                    self.changes.deeds.push(Deed {
                        id: deed,
                        run: id,
                        scenario,
                        name: plan.name.clone(),
                        author: plan.author,
                        sure: plan.sure,
                        again,
                        what,
                    });
                }
                Effect::Start(other) => {
                    let cause =
                        Cause { said: plan.name.clone(), depth: depth.saturating_add(1), ..Cause::by("scenario") };
                    self.todo.push_back(Todo::Start { scenario: other, cause });
                }
                Effect::Stop(other) => self.todo.push_back(Todo::Stop { scenario: other }),
            }
        }
        if stepped.more {
            self.more.push_back((scenario, id));
        }
        if let Some(end) = stepped.end {
            self.finish(scenario, id, end, now);
        }
    }

    /// A run is over.
    pub(super) fn finish(&mut self, scenario: Id, id: Id, end: End, now: &Now) {
        self.awaits_no_more(scenario, id);
        let Some(actor) = self.actors.get_mut(&scenario) else { return };
        let Some(at) = actor.runs.iter().position(|run| run.id == id) else { return };
        let mut run = actor.runs.remove(at);
        if matches!(end, End::Stopped | End::Restarted | End::Changed) {
            run.note(now, run.path(), What::Over, end.code(), Vec::new());
        }
        actor.last = Some(LastRun { run: id, at: now.moment(), end });
        if end == End::NotAllowed {
            let name = actor.plan.name.clone();
            self.changes.trouble(scenario, &name, end);
        }
        let row = self.changes.over(run, end, now);
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(row);
        self.changes.news.insert(scenario);
        self.todo.push_back(Todo::Next { scenario });
    }
}

/// How long something stands so, after it stands like this.
pub(super) fn held(hold: Hold, standing: Standing, for_s: u32, now: &Now) -> Hold {
    match (hold, standing) {
        (Hold::Not, Standing::So) => Hold::Until(Due::after(now, i64::from(for_s) * 1000)),
        // What was told is told again only after it was known to be otherwise.
        (Hold::Told, Standing::Unknown) => Hold::Told,
        (hold, Standing::So) => hold,
        _ => Hold::Not,
    }
}
