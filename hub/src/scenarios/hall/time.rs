//! What time brings: states have settled, waits are over, something has stood so for long enough, the clock strikes.

use std::sync::Arc;

use domovoi_model::{Id, PersonId};

use super::super::clockwork::{Followed, follow, next_after};
use super::super::due::Now;
use super::super::machine::Event;
use super::super::plan::{CatchUp, When};
use super::super::run::{Cause, Doing};
use super::super::view::End;
use super::super::world::{Standing, stands};
use super::actor::{Hold, NotBegun};
use super::begin::held;
use super::{Early, Hall, Way};

/// What is this late was on time: the hub was busy.
const ON_TIME_MILLIS: i64 = 90_000;

/// What is looked at again and again is looked at so often.
const POLL_MILLIS: i64 = 1000;

/// Somebody may put the wall clock forward while nobody looks.
const LONGEST_MILLIS: i64 = 5_000;

/// A day on which the sun comes up may be seen again after so long.
const AGAIN_MILLIS: i64 = 3_600_000;

/// What is due within this is due now: many small waits are one.
const TOGETHER_MILLIS: i64 = 20;

impl Hall {
    /// States have settled: from now on what happens begins something. Runs of before go on.
    pub fn arm(&mut self, now: &Now) {
        self.learn_all();
        let ids: Vec<Id> = self.actors.keys().copied().collect();
        ids.iter().for_each(|id| self.arm_holds(*id, now));
        self.know_who_is_home();
        self.is_armed = true;
        for id in &ids {
            let runs: Vec<Id> =
                self.actors.get(id).map(|actor| actor.runs.iter().map(|run| run.id).collect()).unwrap_or_default();
            for run in runs {
                // It may wait for something that is there already.
                self.awaits(*id, run);
                self.step(*id, run, &Event::Resumed, now);
            }
            self.todo.push_back(super::Todo::Next { scenario: *id });
        }
        self.settle(now);
        for id in ids {
            let Some(actor) = self.actors.get(&id) else { continue };
            let plan = Arc::clone(&actor.plan);
            for trigger in plan.triggers.iter().filter(|trigger| trigger.is_on && plan.is_on) {
                if trigger.when == When::HouseStart {
                    self.offer(id, Cause::by(&trigger.id), Way::Trigger, now);
                }
            }
        }
        self.settle(now);
        for early in std::mem::take(&mut self.early) {
            match early {
                Early::Happened(happening) => self.happened(happening, now),
                Early::Begin { scenario, cause, way } => {
                    self.begin(scenario, cause, way, now);
                }
            }
        }
        self.wake_millis = now.millis;
    }

    /// Who is at home already does not arrive, however late somebody says so.
    fn know_who_is_home(&mut self) {
        let triggers = self.actors.values().flat_map(|actor| &actor.plan.triggers);
        let people: Vec<PersonId> = triggers
            .filter_map(|trigger| match trigger.when {
                When::Arrives(who) | When::Leaves(who) => who,
                _ => None,
            })
            .collect();
        for person in people {
            if let Some(home) = self.world.home(Some(person)) {
                self.homes.entry(person).or_insert(home);
            }
        }
    }

    /// What stands so already and is to stand so for a while: since then as it was kept, or else since now.
    pub(super) fn arm_holds(&mut self, id: Id, now: &Now) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        let mut changed = false;
        for (trigger, state) in actor.plan.triggers.iter().zip(&mut actor.triggers) {
            if let When::State { at, is, for_s: Some(for_s) } = &trigger.when {
                let value = self.values.get(at).flatten();
                let standing = stands(value.as_ref(), is);
                let hold = match (state.hold, standing) {
                    // Whoever was silent for all the while the hub was off is not known to have changed.
                    (hold @ Hold::Until(_), Standing::Unknown) if !self.is_armed => hold,
                    (hold, standing) => held(hold, standing, *for_s, now),
                };
                changed |= hold != state.hold;
                state.hold = hold;
            }
        }
        if changed {
            self.changes.later(id, now);
        }
        self.wake_millis = self.wake_millis.min(now.millis);
    }

    /// When something may be due, in milliseconds from now.
    pub fn rest(&self, now: &Now) -> i64 {
        self.wake_millis.saturating_sub(now.millis).clamp(0, LONGEST_MILLIS)
    }

    /// Looks at what may be due, if anything may.
    pub fn tick(&mut self, now: &Now) {
        if !self.is_armed || now.millis < self.wake_millis {
            return;
        }
        let clock_is_new = now.wall.is_some() && !self.clock_was_set;
        self.clock_was_set |= now.wall.is_some();
        let ids: Vec<Id> = self.actors.keys().copied().collect();
        for id in &ids {
            self.tick_runs(*id, clock_is_new, now);
            self.tick_triggers(*id, clock_is_new, now);
        }
        self.settle(now);
        self.wake_millis = self.next_wake(now).max(now.millis.saturating_add(TOGETHER_MILLIS));
    }

    fn tick_runs(&mut self, id: Id, clock_is_new: bool, now: &Now) {
        let Some(actor) = self.actors.get(&id) else { return };
        let mut due = Vec::new();
        for run in &actor.runs {
            let is_due = match &run.doing {
                Doing::Wait(due) => due.is_over(now),
                Doing::Until(due) => due.is_some_and(|due| due.is_over(now)) || self.polled.contains(&run.id),
                Doing::Next | Doing::Deed { .. } => false,
            };
            let waits = matches!(run.doing, Doing::Wait(_) | Doing::Until(_));
            if is_due || run.ends.is_over(now) || (clock_is_new && waits) {
                due.push(run.id);
            }
        }
        for run in due {
            self.step(id, run, &Event::Tick, now);
        }
    }

    fn tick_triggers(&mut self, id: Id, clock_is_new: bool, now: &Now) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        if !actor.plan.is_on {
            return;
        }
        let plan = Arc::clone(&actor.plan);
        for (n, trigger) in plan.triggers.iter().enumerate().filter(|(_, trigger)| trigger.is_on) {
            let Some(state) = self.actors.get_mut(&id).and_then(|actor| actor.triggers.get_mut(n)) else { return };
            if let Hold::Until(mut due) = state.hold {
                if clock_is_new && due.settle(now) {
                    state.hold = Hold::Until(due);
                    self.changes.later(id, now);
                }
                if due.is_over(now) {
                    state.hold = Hold::Told;
                    self.changes.later(id, now);
                    let late = due.late(now);
                    let max_age =
                        if trigger.catch_up == CatchUp::Skip { 0 } else { i64::from(trigger.max_age_s) * 1000 };
                    let late_s = if late > ON_TIME_MILLIS { u32::try_from(late / 1000).unwrap_or(u32::MAX) } else { 0 };
                    let cause = Cause { said: said_of(&trigger.when), late_s, ..Cause::by(&trigger.id) };
                    if late <= max_age.max(ON_TIME_MILLIS) {
                        self.offer(id, cause, Way::Trigger, now);
                    } else {
                        self.missed(id, cause, now);
                    }
                }
            } else if trigger.when.is_of_the_clock()
                && let Some(wall) = now.wall
            {
                self.follow_clock(id, n, wall, now);
            }
        }
    }

    fn follow_clock(&mut self, id: Id, n: usize, wall: domovoi_model::Timestamp, now: &Now) {
        let world = Arc::clone(&self.world);
        let Some(actor) = self.actors.get_mut(&id) else { return };
        let plan = Arc::clone(&actor.plan);
        let (Some(trigger), Some(state)) = (plan.triggers.get(n), actor.triggers.get_mut(n)) else { return };
        let Some(followed) = state.followed else {
            // From now on; what was before is nobody's.
            state.followed = Some(wall);
            state.next = next_after(&trigger.when, wall, &*world);
            self.changes.later(id, now);
            return;
        };
        let is_ahead = followed > wall;
        let rests = state.next.or(state.again_at).is_some_and(|next| next > wall);
        if rests && !is_ahead {
            return;
        }
        let Followed { begins, missed, to, next } = follow(trigger, followed, wall, &*world);
        state.next = next;
        state.again_at = next.is_none().then(|| wall.plus_millis(AGAIN_MILLIS));
        if to != followed {
            state.followed = Some(to);
            self.changes.later(id, now);
        }
        if missed > 0 && begins.is_empty() {
            self.missed(id, Cause { said: missed.to_string(), ..Cause::by(&trigger.id) }, now);
        }
        let many = begins.len() > 1;
        for at in begins {
            let late = wall.0.saturating_sub(at.0);
            let late_s = if late > ON_TIME_MILLIS { u32::try_from(late / 1000).unwrap_or(u32::MAX) } else { 0 };
            let said = super::super::world::local(at, world.zone()).map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
            let cause = Cause { said: said.unwrap_or_default(), late_s, ..Cause::by(&trigger.id) };
            self.offer(id, cause, if many { Way::MadeUp } else { Way::Trigger }, now);
        }
    }

    fn missed(&mut self, id: Id, cause: Cause, now: &Now) {
        let new_id = (self.new_id)();
        if let Some(actor) = self.actors.get_mut(&id) {
            let (trigger, said) = (cause.trigger, cause.said);
            actor.did_not_begin(NotBegun {
                id: new_id,
                at: now.moment(),
                end: End::Missed,
                trigger,
                said,
                line: None,
                times: 1,
            });
        }
    }

    fn next_wake(&self, now: &Now) -> i64 {
        let mut left = LONGEST_MILLIS;
        if !self.polled.is_empty() {
            left = left.min(POLL_MILLIS);
        }
        for actor in self.actors.values() {
            for run in &actor.runs {
                left = left.min(run.ends.left(now));
                if let Doing::Wait(due) | Doing::Until(Some(due)) = &run.doing {
                    left = left.min(due.left(now));
                }
            }
            for state in &actor.triggers {
                if let Hold::Until(due) = state.hold {
                    left = left.min(due.left(now));
                }
                if let (Some(next), Some(wall)) = (state.next, now.wall) {
                    left = left.min(next.0.saturating_sub(wall.0));
                }
            }
        }
        now.millis.saturating_add(left.max(0))
    }
}

fn said_of(when: &When) -> String {
    match when {
        When::State { at, for_s, .. } => format!("{}/{} {} s", at.device, at.property, for_s.unwrap_or_default()),
        _ => String::new(),
    }
}
