//! All scenarios at work, as one value without any I/O: what happens goes in, what is to be kept and then done comes out.
//!
//! Each scenario is an actor whose mailbox is this order: what happens is handed over one after the other, and how much
//! of one scenario may be at once is a policy of its queue ([`begin`]). They have no task each: a thousand of them cost
//! what they have to remember. Time comes in with every call; nothing here reads a clock, waits or writes.

mod actor;
mod begin;
mod time;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use domovoi_model::{DeviceRef, Id, PersonId, Value};

pub use actor::{MarkRow, TraceRow};
pub use begin::{Offered, Way};
pub use work::Work;

use super::Outcome;
use super::due::Now;
use super::guards::Chain;
use super::happening::Happening;
use super::machine::{Event, step};
use super::plan::{Awaited, Place, Scenario, When};
use super::run::{Cause, Doing, Run};
use super::values::{Change, Values};
use super::view::{End, RunView};
use super::world::World;
use actor::{Actor, TriggerState, is_polled, looked_at, of_condition};
use work::Changes;

/// What may wait for states to settle.
const MOST_KEPT: usize = 256;

/// How much may be handed on between scenarios in one call.
const MOST_HANDED_ON: usize = 10_000;

/// What is to be handed to a scenario before anything else happens.
#[derive(Debug)]
enum Todo {
    Start { scenario: Id, cause: Cause },
    Stop { scenario: Id },
    Next { scenario: Id },
}

/// What came before it was known how everything stands.
#[derive(Debug)]
enum Early {
    Happened(Happening),
    Begin { scenario: Id, cause: Cause, way: Way },
}

/// See above.
pub struct Hall {
    world: Arc<dyn World>,
    values: Arc<Values>,
    actors: BTreeMap<Id, Actor>,
    /// Triggers that are about something else than a property or the clock.
    others: Vec<(Id, u16)>,
    hooks: HashMap<Id, (Id, u16)>,
    is_armed: bool,
    early: VecDeque<Early>,
    todo: VecDeque<Todo>,
    /// Runs that gave way.
    more: VecDeque<(Id, Id)>,
    /// Runs that wait for something to be so or to happen: by the properties that they name, and all of them.
    awaiting: HashMap<Place, Vec<(Id, Id)>>,
    waiting: BTreeSet<(Id, Id)>,
    polled: HashSet<Id>,
    chain: Chain,
    homes: HashMap<PersonId, bool>,
    changes: Changes,
    /// Runs that ended lately: whoever asks need not wait for the disk.
    recent: VecDeque<TraceRow>,
    new_id: Box<dyn FnMut() -> Id + Send>,
    /// When something may be due, by the time since the start.
    wake_millis: i64,
    clock_was_set: bool,
}

impl Hall {
    /// An empty one.
    pub fn new(world: Arc<dyn World>, values: Arc<Values>, new_id: Box<dyn FnMut() -> Id + Send>) -> Self {
        Hall {
            world,
            values,
            actors: BTreeMap::new(),
            others: Vec::new(),
            hooks: HashMap::new(),
            is_armed: false,
            early: VecDeque::new(),
            todo: VecDeque::new(),
            more: VecDeque::new(),
            awaiting: HashMap::new(),
            waiting: BTreeSet::new(),
            polled: HashSet::new(),
            chain: Chain::default(),
            homes: HashMap::new(),
            changes: Changes::default(),
            recent: VecDeque::new(),
            new_id,
            wake_millis: 0,
            clock_was_set: false,
        }
    }

    /// What was kept: a scenario with its mark and its runs.
    pub fn adopt(&mut self, plan: Arc<Scenario>, mark: Option<MarkRow>, runs: Vec<Run>, now: &Now) {
        let id = plan.id;
        let mut actor = Actor::new(plan, now.millis);
        if let Some(mark) = mark {
            actor.remember(mark);
        }
        actor.runs = runs;
        self.watch(&actor.plan);
        self.index(&actor.plan);
        self.actors.insert(id, actor);
    }

    /// Takes a scenario in, in the place of the one with the same id. Runs that would not find their steps again are over.
    pub fn put(&mut self, plan: Arc<Scenario>, now: &Now) {
        let id = plan.id;
        let before = self.actors.remove(&id);
        let mut actor = Actor::new(Arc::clone(&plan), now.millis);
        // What is watched by both does not become unknown in between.
        self.watch(&plan);
        if let Some(before) = &before {
            self.unindex(&before.plan);
        }
        self.index(&plan);
        if let Some(mut before) = before {
            let was = Arc::clone(&before.plan);
            if was.is_on && plan.is_on {
                for (trigger, state) in plan.triggers.iter().zip(&mut actor.triggers) {
                    let same = was.triggers.iter().position(|old| old.id == trigger.id && old.when == trigger.when);
                    if let Some(old) = same.and_then(|at| before.triggers.get(at)) {
                        *state = TriggerState { next: None, ..old.clone() };
                    }
                }
            }
            (actor.begun, actor.looks) = (before.begun, before.looks);
            (actor.last, actor.not_begun) = (before.last.take(), std::mem::take(&mut before.not_begun));
            actor.runs = std::mem::take(&mut before.runs);
            let stays = was.actions == plan.actions && was.mode == plan.mode && was.author == plan.author;
            if stays {
                actor.queue = std::mem::take(&mut before.queue);
            }
            self.actors.insert(id, actor);
            if !stays {
                self.stop_runs(id, End::Changed, now);
            }
        } else {
            self.actors.insert(id, actor);
        }
        self.changes.marks.insert(id);
        self.changes.news.insert(id);
        self.wake_millis = 0;
        if self.is_armed {
            self.learn_all();
            self.arm_holds(id, now);
        }
        self.settle(now);
    }

    /// Forgets a scenario; the runs of it that were under way.
    pub fn remove(&mut self, id: Id) -> Vec<Id> {
        let Some(actor) = self.actors.remove(&id) else { return Vec::new() };
        self.unindex(&actor.plan);
        let runs: Vec<Id> = actor.runs.iter().map(|run| run.id).collect();
        for run in &runs {
            self.awaits_no_more(id, *run);
        }
        self.changes.forget(id, &runs);
        self.recent.retain(|row| row.run.scenario != id);
        runs
    }

    fn watch(&self, plan: &Scenario) {
        for (n, trigger) in plan.triggers.iter().enumerate() {
            if let Some(place) = trigger.when.place() {
                self.values.watch(place, Some((plan.id, u16::try_from(n).unwrap_or(u16::MAX))));
            }
        }
        for place in looked_at(plan) {
            self.values.watch(&place, None);
        }
    }

    fn index(&mut self, plan: &Scenario) {
        for (n, trigger) in plan.triggers.iter().enumerate() {
            let n = u16::try_from(n).unwrap_or(u16::MAX);
            match &trigger.when {
                When::Webhook { key: Some(key) } => {
                    self.hooks.insert(*key, (plan.id, n));
                }
                when if when.place().is_some() || when.is_of_the_clock() => {}
                _ => self.others.push((plan.id, n)),
            }
        }
    }

    fn unindex(&mut self, plan: &Scenario) {
        for (n, trigger) in plan.triggers.iter().enumerate() {
            let n = u16::try_from(n).unwrap_or(u16::MAX);
            if let Some(place) = trigger.when.place() {
                self.values.leave(place, Some((plan.id, n)));
            }
        }
        for place in looked_at(plan) {
            self.values.leave(&place, None);
        }
        self.others.retain(|(id, _)| *id != plan.id);
        self.hooks.retain(|_, (id, _)| *id != plan.id);
    }

    /// Asks how everything stands that is watched and of which nothing is known here.
    pub fn learn_all(&self) {
        for place in self.values.places() {
            if self.values.is_unknown(&place.device, &place.property)
                && let Some(value) = self.world.value(&place)
            {
                self.values.set(&place.device, &place.property, Some(&value));
            }
        }
    }

    /// A property stood so before the hub was started, and nothing newer is known: that begins nothing.
    pub fn learn(&mut self, device: &DeviceRef, property: &str, value: &Value, now: &Now) {
        let Some(change) = self.values.set(device, property, Some(value)) else { return };
        if self.is_armed {
            change.watchers.iter().for_each(|(scenario, _)| self.arm_holds(*scenario, now));
        }
    }

    /// A property stands so; `None`: nobody knows any more.
    pub fn stands(&mut self, device: &DeviceRef, property: &str, to: Option<&Value>, now: &Now) {
        let Some(change) = self.values.set(device, property, to) else { return };
        if !self.is_armed {
            return;
        }
        let at = Place { device: device.clone(), property: property.to_owned() };
        let Change { from, was_known, watchers } = change;
        let happening = Happening::Value { at: at.clone(), from, was_known, to: to.cloned() };
        if let Some(runs) = self.awaiting.get(&at).cloned() {
            for (scenario, run) in runs {
                self.step(scenario, run, &Event::Look, now);
                self.step(scenario, run, &Event::Happened(&happening), now);
            }
        }
        if !watchers.is_empty() {
            let depth = self.chain.depth_of(&at, now.millis);
            for (scenario, trigger) in watchers.iter().copied() {
                self.triggered(scenario, trigger, &happening, depth, now);
            }
        }
        self.settle(now);
    }

    /// Somebody came home or left; `None`: nobody knows any more.
    pub fn person(&mut self, person: PersonId, home: Option<bool>, anybody: Option<bool>, now: &Now) {
        let Some(home) = home else { return };
        // Who is said to be home again was there all the time.
        if self.homes.insert(person, home) != Some(home) {
            self.happened(Happening::Person { person, home, anybody }, now);
        }
    }

    /// Something else happened.
    pub fn happened(&mut self, happening: Happening, now: &Now) {
        if !self.is_armed {
            // How somebody stands before is only remembered.
            if !matches!(happening, Happening::Person { .. }) {
                self.keep_early(Early::Happened(happening));
            }
            return;
        }
        for (scenario, run) in self.waiting.clone() {
            self.step(scenario, run, &Event::Happened(&happening), now);
        }
        for (scenario, trigger) in self.others.clone() {
            self.triggered(scenario, trigger, &happening, 0, now);
        }
        self.settle(now);
    }

    fn keep_early(&mut self, early: Early) {
        if self.early.len() >= MOST_KEPT {
            self.early.pop_front();
            tracing::warn!("more happens before states have settled than scenarios can remember");
        }
        self.early.push_back(early);
    }

    /// The secret of this keyed hash was called: which scenario it is of.
    pub fn hook(&mut self, key: Id, now: &Now) -> Option<Id> {
        let (scenario, n) = self.hooks.get(&key).copied()?;
        let trigger = self.actors.get(&scenario)?.plan.triggers.get(usize::from(n))?;
        let cause = Cause::by(&trigger.id);
        if trigger.is_on && self.actors.get(&scenario).is_some_and(|actor| actor.plan.is_on) {
            self.begin(scenario, cause, Way::Trigger, now);
        }
        Some(scenario)
    }

    /// Begins a scenario, as somebody wants it; before states have settled it waits for that.
    pub fn begin(&mut self, scenario: Id, cause: Cause, way: Way, now: &Now) -> Option<Offered> {
        if !self.is_armed {
            self.actors.get(&scenario)?;
            self.keep_early(Early::Begin { scenario, cause, way });
            return Some(Offered::Queued);
        }
        let offered = self.offer(scenario, cause, way, now);
        self.settle(now);
        offered
    }

    /// What came of a deed of a run.
    pub fn outcome(&mut self, scenario: Id, run: Id, deed: Id, outcome: Outcome, now: &Now) {
        self.step(scenario, run, &Event::Outcome(deed, outcome), now);
        self.settle(now);
    }

    /// Stops a run where it is; whether there was one.
    pub fn stop(&mut self, run: Id, now: &Now) -> bool {
        let of = self.actors.iter().find(|(_, actor)| actor.runs.iter().any(|one| one.id == run));
        let Some(scenario) = of.map(|(id, _)| *id) else { return false };
        self.finish(scenario, run, End::Stopped, now);
        self.settle(now);
        true
    }

    /// Hands on what scenarios do to each other and lets those go on that gave way, each once.
    pub fn settle(&mut self, now: &Now) {
        let mut left = MOST_HANDED_ON;
        while let Some(todo) = self.todo.pop_front() {
            left -= 1;
            if left == 0 {
                tracing::error!("scenarios hand on to each other without end");
                self.todo.clear();
                break;
            }
            match todo {
                Todo::Start { scenario, cause } => {
                    self.offer(scenario, cause, Way::Scenario, now);
                }
                Todo::Stop { scenario } => self.stop_runs(scenario, End::Stopped, now),
                Todo::Next { scenario } => self.next_in_queue(scenario, now),
            }
        }
    }

    /// Lets runs go on that gave way; whether some still would.
    pub fn go_on(&mut self, now: &Now) -> bool {
        for (scenario, run) in std::mem::take(&mut self.more) {
            self.step(scenario, run, &Event::Go, now);
        }
        self.settle(now);
        !self.more.is_empty()
    }

    fn step(&mut self, scenario: Id, run: Id, event: &Event<'_>, now: &Now) {
        let Some(actor) = self.actors.get_mut(&scenario) else { return };
        let plan = Arc::clone(&actor.plan);
        let Some(one) = actor.runs.iter_mut().find(|one| one.id == run) else { return };
        let stepped = step(one, &plan, event, &self.world, now, &mut *self.new_id);
        self.absorb(scenario, run, &plan, stepped, now);
    }

    /// Notes for what a run waits, so that it is found when that comes.
    fn awaits(&mut self, scenario: Id, run: Id) {
        self.awaits_no_more(scenario, run);
        let Some(actor) = self.actors.get(&scenario) else { return };
        let Some(one) = actor.runs.iter().find(|one| one.id == run) else { return };
        if !matches!(one.doing, Doing::Until(_)) {
            return;
        }
        let step = super::machine::current(&actor.plan, one);
        let Some(super::plan::Action::Until { awaited, .. }) = step.map(|step| &step.action) else { return };
        let mut places = Vec::new();
        match awaited {
            Awaited::So(condition) => {
                of_condition(condition, &mut places);
                if is_polled(condition) {
                    self.polled.insert(run);
                }
            }
            Awaited::Happens(when) => places.extend(when.place().cloned()),
        }
        for place in places {
            self.awaiting.entry(place).or_default().push((scenario, run));
        }
        self.waiting.insert((scenario, run));
    }

    fn awaits_no_more(&mut self, scenario: Id, run: Id) {
        if self.waiting.remove(&(scenario, run)) {
            self.polled.remove(&run);
            self.awaiting.retain(|_, runs| {
                runs.retain(|one| *one != (scenario, run));
                !runs.is_empty()
            });
        }
    }

    /// All scenarios.
    pub fn plans(&self) -> Vec<Arc<Scenario>> {
        self.actors.values().map(|actor| Arc::clone(&actor.plan)).collect()
    }

    /// One of them.
    pub fn plan(&self, id: Id) -> Option<Arc<Scenario>> {
        self.actors.get(&id).map(|actor| Arc::clone(&actor.plan))
    }

    /// How one of them stands.
    pub fn view(&self, id: Id) -> Option<super::view::ScenarioView> {
        let actor = self.actors.get(&id)?;
        Some(super::view::ScenarioView {
            scenario: Arc::clone(&actor.plan),
            running: actor.runs.len(),
            queued: actor.queue.len(),
            last: actor.last.clone(),
            next_at: actor
                .plan
                .triggers
                .iter()
                .zip(&actor.triggers)
                .filter(|(trigger, _)| trigger.is_on && actor.plan.is_on)
                .filter_map(|(_, state)| state.next)
                .min(),
        })
    }

    /// Runs under way and reasons why none began, of one or of all.
    pub fn runs(&self, scenario: Option<Id>, now: &Now) -> Vec<RunView> {
        let of = self.actors.values().filter(|actor| scenario.is_none_or(|id| actor.plan.id == id));
        let at_hand = of.flat_map(|actor| {
            let under_way = actor.runs.iter().map(|run| run.view(None, now));
            under_way.chain(actor.reasons()).collect::<Vec<_>>()
        });
        let recent = self.recent.iter().filter(|row| scenario.is_none_or(|id| row.run.scenario == id));
        at_hand.chain(recent.filter_map(|row| row.view(now))).collect()
    }

    /// What came of beginning one, as it is shown.
    pub fn shown(&self, scenario: Id, cause: Cause, offered: &Offered, now: &Now) -> RunView {
        let found = match offered {
            Offered::Began(run) => self.runs(Some(scenario), now).into_iter().find(|one| one.id == *run),
            Offered::Not(_) => self.actors.get(&scenario).and_then(|actor| actor.reasons().pop()),
            Offered::Queued => None,
        };
        found.unwrap_or_else(|| {
            let waits = Run::new(Id([0; 16]), scenario, cause, 1, now);
            RunView { path: String::new(), lines: Vec::new(), ..waits.view(None, now) }
        })
    }

    /// Remembers how the last run ended, from its trace.
    pub fn remember_last(&mut self, scenario: Id, last: super::view::LastRun) {
        if let Some(actor) = self.actors.get_mut(&scenario)
            && actor.last.is_none()
        {
            actor.last = Some(last);
        }
    }

    /// Whether a property is watched and nobody knows how it stands.
    pub fn is_unknown(&self, device: &DeviceRef, property: &str) -> bool {
        self.values.is_unknown(device, property)
    }

    /// These were not handed over, and will not be before the house is started again: their steps have not begun.
    pub fn undo(&mut self, deeds: &[super::Deed]) {
        for deed in deeds {
            let run = self
                .actors
                .get_mut(&deed.scenario)
                .and_then(|actor| actor.runs.iter_mut().find(|run| run.id == deed.run));
            if let Some(run) = run
                && matches!(&run.doing, Doing::Deed { id, .. } if *id == deed.id)
                && !deed.again
            {
                run.doing = Doing::Next;
                self.changes.runs.insert((deed.scenario, deed.run));
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// Whether states have settled.
    pub fn is_armed(&self) -> bool {
        self.is_armed
    }
}
