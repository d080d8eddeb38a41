//! What a run does next: a pure function of its scenario, where it is, what happened, how things stand and when. It
//! changes the run, says what is to be done, and writes the trace; whoever calls it keeps the run before doing any of it.
//!
//! A deed has its id before it is tried. After a power cut one that may have been done is looked at anew: a command whose
//! wish the device reports is done; one that may be said twice is said again; one that may not is left, and the trace says
//! so. Nothing here waits, and a repetition without a wait gives way after some steps.
//!
//! More than 500 lines: one function for each action, and whoever reads how a run goes on reads all of them.

use std::sync::Arc;

use domovoi_model::{Command, CommandTarget, DeviceRef, Id, PointId, Severity, Value};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::due::{Due, Now};
use super::happening::{Happening, is_meant};
use super::paper::limits;
use super::plan::{Action, Awaited, Condition, Given, Place, Scenario, Step, Turns};
use super::run::{DeedRow, Doing, Frame, Kept, ListOf, Run, is_once, item};
use super::view::{End, What};
use super::world::{Look, Standing, World, clip, is_same};
use super::{DeedWhat, Outcome};

/// What was looked at, and what was seen.
type Seen = Vec<(String, String)>;

/// How many steps a run may take in all, and in one go.
const MAX_STEPS: u32 = 20_000;
const IN_ONE_GO: u32 = 50;

/// How many variables a run may have.
const MAX_VARS: usize = 64;

/// The longest text of a variable, in bytes.
const MAX_TEXT: usize = 1000;

/// What happens to a run.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// It goes on.
    Go,
    /// What came of its deed.
    Outcome(Id, Outcome),
    /// Time has passed.
    Tick,
    /// A property that it may wait for stands otherwise.
    Look,
    /// Something happened.
    Happened(&'a Happening),
    /// The hub was started again.
    Resumed,
}

/// What is to be done, after the run was kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Something outside.
    Do {
        /// Made before it is tried for the first time.
        id: Id,
        /// What.
        what: DeedWhat,
        /// It may have been done before.
        again: bool,
    },
    /// Another scenario begins.
    Start(Id),
    /// The runs of another scenario are stopped.
    Stop(Id),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Stepped {
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// The run is otherwise and has to be kept.
    pub changed: bool,
    /// It gave way and would go on at once.
    pub more: bool,
    /// It is over.
    pub end: Option<End>,
}

/// One step of the machine.
pub fn step(
    run: &mut Run,
    plan: &Scenario,
    event: &Event<'_>,
    world: &Arc<dyn World>,
    now: &Now,
    new_id: &mut dyn FnMut() -> Id,
) -> Stepped {
    let mut machine = Machine { run, plan, world, now, new_id, out: Stepped::default() };
    machine.take(event);
    machine.out
}

struct Machine<'a> {
    run: &'a mut Run,
    plan: &'a Scenario,
    world: &'a Arc<dyn World>,
    now: &'a Now,
    new_id: &'a mut dyn FnMut() -> Id,
    out: Stepped,
}

/// A list of what is done one after the other.
#[derive(Clone, Copy)]
enum List<'p> {
    Steps(&'p [Step]),
    Scene(&'p [(Place, Given)]),
}

/// The list that a run is in; `None`: the scenario is not the one that it began with.
fn list<'p>(plan: &'p Scenario, frames: &[Frame]) -> Option<List<'p>> {
    let mut list = List::Steps(&plan.actions);
    for pair in frames.windows(2) {
        let [outer, inner] = pair else { return None };
        let List::Steps(steps) = list else { return None };
        let action = &steps.get(usize::from(outer.at))?.action;
        list = match (inner.of, action) {
            (ListOf::Branch(n), Action::Choose { branches, .. }) => List::Steps(&branches.get(usize::from(n))?.steps),
            (ListOf::Otherwise, Action::Choose { otherwise, .. }) => List::Steps(otherwise),
            (ListOf::Turn(_), Action::Repeat { steps, .. }) => List::Steps(steps),
            (ListOf::Scene, Action::Scene { commands, .. }) => List::Scene(commands),
            _ => return None,
        };
    }
    Some(list)
}

/// The step that a run is at.
pub fn current<'p>(plan: &'p Scenario, run: &Run) -> Option<&'p Step> {
    match list(plan, &run.frames)? {
        List::Steps(steps) => steps.get(usize::from(run.frames.last()?.at)),
        List::Scene(_) => None,
    }
}

impl Machine<'_> {
    fn take(&mut self, event: &Event<'_>) {
        if matches!(event, Event::Resumed) {
            self.note(What::Resumed, "", Vec::new());
        }
        if self.run.ends.is_over(self.now) {
            return self.end(End::TooLong);
        }
        let doing = self.run.doing.clone();
        match (event, doing) {
            (Event::Go | Event::Resumed, Doing::Next) => self.go(),
            (Event::Outcome(id, outcome), Doing::Deed { id: wanted, .. }) if *id == wanted => self.came_of(outcome),
            (Event::Resumed, Doing::Deed { id, what, once }) => self.in_doubt(id, &what, once),
            (Event::Tick | Event::Resumed, Doing::Wait(due)) if self.settled(due) => {
                self.next();
                self.go();
            }
            (Event::Tick | Event::Look | Event::Resumed, Doing::Until(due)) => self.look(due),
            (Event::Happened(happening), Doing::Until(_)) => self.happened(happening),
            _ => {}
        }
    }

    /// Whether a wait is over; if not, it may be known better from now on when it will be.
    fn settled(&mut self, due: Due) -> bool {
        if due.is_over(self.now) {
            return true;
        }
        let mut better = due;
        if better.settle(self.now) {
            self.out.changed = true;
            match &mut self.run.doing {
                Doing::Wait(due) | Doing::Until(Some(due)) => *due = better,
                _ => {}
            }
        }
        false
    }

    fn go(&mut self) {
        let mut left = IN_ONE_GO;
        loop {
            if self.out.end.is_some() || self.run.doing != Doing::Next {
                return;
            }
            if left == 0 {
                self.out.more = true;
                return;
            }
            left -= 1;
            self.out.changed = true;
            let plan = self.plan;
            let Some(list) = list(plan, &self.run.frames) else { return self.end(End::Changed) };
            let Some(frame) = self.run.frames.last().cloned() else { return self.end(End::Done) };
            let at = usize::from(frame.at);
            if !self.counts() {
                return;
            }
            match list {
                List::Steps(steps) => match steps.get(at) {
                    Some(step) => self.begin(step),
                    None => self.list_is_over(frame.of),
                },
                List::Scene(commands) => match commands.get(at) {
                    Some((place, value)) => self.command(place, value, None),
                    None => self.list_is_over(frame.of),
                },
            }
        }
    }

    fn list_is_over(&mut self, of: ListOf) {
        if of == ListOf::Root {
            return self.end(End::Done);
        }
        self.run.frames.pop();
        match of {
            ListOf::Turn(turn) => self.turn(turn + 1),
            _ => self.next(),
        }
    }

    fn next(&mut self) {
        self.run.doing = Doing::Next;
        self.out.changed = true;
        if let Some(frame) = self.run.frames.last_mut() {
            frame.at = frame.at.saturating_add(1);
        }
    }

    fn enter(&mut self, of: ListOf) {
        self.run.frames.push(Frame { at: 0, of });
    }

    /// Whether there may be one more.
    fn counts(&mut self) -> bool {
        self.run.steps += 1;
        if self.run.steps > MAX_STEPS {
            self.note(What::TooMany, &MAX_STEPS.to_string(), Vec::new());
            self.end(End::Failed);
            return false;
        }
        true
    }

    fn begin(&mut self, step: &Step) {
        match &step.action {
            Action::Command { at, value, doubt } => self.command(at, value, *doubt),
            Action::Scene { name, .. } => {
                self.note(What::Doing, name, Vec::new());
                self.enter(ListOf::Scene);
            }
            Action::Wait { seconds } => self.wait(seconds),
            Action::Until { awaited, timeout_s, .. } => {
                let due = timeout_s.map(|seconds| Due::after(self.now, i64::from(seconds) * 1000));
                self.run.doing = Doing::Until(due);
                if let Awaited::So(condition) = awaited
                    && self.is_so(condition)
                {
                    return;
                }
                self.note(What::Waits, &timeout_s.map(|s| format!("{s} s")).unwrap_or_default(), Vec::new());
            }
            Action::Choose { branches, otherwise } => {
                for (n, branch) in branches.iter().enumerate() {
                    let (standing, seen) = self.stands(&branch.conditions);
                    if standing == Standing::So {
                        self.note(What::Branch, &(n + 1).to_string(), seen);
                        return self.enter(ListOf::Branch(u16::try_from(n).unwrap_or(u16::MAX)));
                    }
                    let what = if standing == Standing::NotSo { What::NotSo } else { What::Unknown };
                    self.note(what, &(n + 1).to_string(), seen);
                }
                if otherwise.is_empty() { self.next() } else { self.enter(ListOf::Otherwise) }
            }
            Action::Repeat { .. } => self.turn(0),
            Action::Notify { to, severity, title, text } => self.notify(to, *severity, title, text),
            Action::Reading { point, values } => self.reading(*point, values),
            Action::Start(scenario) => {
                self.note(What::Did, &scenario.to_string(), Vec::new());
                self.out.effects.push(Effect::Start(*scenario));
                self.next();
            }
            Action::Stop(scenario) => {
                self.note(What::Did, &scenario.to_string(), Vec::new());
                self.out.effects.push(Effect::Stop(*scenario));
                self.next();
            }
            Action::Set { name, value } => self.set(name, value),
            Action::End => self.end(End::Done),
        }
    }

    fn command(&mut self, at: &Place, value: &Given, doubt: Option<super::plan::Doubt>) {
        let (given, seen) = self.given(value);
        let value = match given {
            Ok(Some(value)) => value,
            Ok(None) => return self.failed(What::Unknown, &format!("{}/{}", at.device, at.property), seen),
            Err(why) => return self.failed(What::Wrong, &why, seen),
        };
        let said = format!("{}/{} = {}", at.device, at.property, clip(&value.to_string()));
        let once = is_once(doubt, &value);
        let what = DeedRow::Command {
            device: at.device.to_string(),
            property: at.property.clone(),
            value: Kept::from(&value),
        };
        self.deed(what, once, &said, seen);
    }

    fn notify(&mut self, to: &[domovoi_model::PersonId], severity: Severity, title: &str, text: &str) {
        let mut look = Look::new(self.world, self.now, Some(self.run));
        let both = look.text(title).and_then(|title| Ok((title, look.text(text)?)));
        let seen = look.seen();
        match both {
            Ok((Some(title), Some(text))) => {
                let what = DeedRow::Notify {
                    to: to.iter().map(ToString::to_string).collect(),
                    severity: severity.code().to_owned(),
                    title: title.chars().take(200).collect(),
                    text: text.chars().take(limits::TEXT).collect(),
                };
                let said = clip(&title);
                self.deed(what, false, &said, seen);
            }
            Ok(_) => self.failed(What::Unknown, title, seen),
            Err(why) => self.failed(What::Wrong, &why, seen),
        }
    }

    fn reading(&mut self, point: PointId, values: &[Given]) {
        let mut numbers = Vec::with_capacity(values.len());
        let mut all_seen = Vec::new();
        for value in values {
            let (given, seen) = self.given(value);
            all_seen.extend(seen);
            match given {
                Ok(Some(Value::Number(number))) => numbers.push(number.to_string()),
                Ok(Some(Value::Text(text))) if text.trim().parse::<Decimal>().is_ok() => {
                    numbers.push(text.trim().to_owned());
                }
                Ok(Some(other)) => {
                    return self.failed(What::Wrong, &format!("«{}» is no number", clip(&other.to_string())), all_seen);
                }
                Ok(None) => return self.failed(What::Unknown, "", all_seen),
                Err(why) => return self.failed(What::Wrong, &why, all_seen),
            }
        }
        let said = numbers.join(", ");
        self.deed(DeedRow::Reading { point: point.to_string(), values: numbers }, false, &said, all_seen);
    }

    /// It is written down; whoever keeps the run does it then.
    fn deed(&mut self, what: DeedRow, once: bool, said: &str, seen: Vec<(String, String)>) {
        let id = (self.new_id)();
        self.note(What::Doing, said, seen);
        match deed_of(&what) {
            Some(deed) => {
                self.run.doing = Doing::Deed { id, what, once };
                self.out.effects.push(Effect::Do { id, what: deed, again: false });
            }
            None => self.failed(What::Wrong, said, Vec::new()),
        }
    }

    fn came_of(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done(said) => {
                self.note(What::Did, said, Vec::new());
                self.next();
                self.go();
            }
            Outcome::Failed(why) => {
                self.failed(What::DidNot, why, Vec::new());
                self.go();
            }
            Outcome::Refused(refusal) => {
                self.note(What::DidNot, refusal.code(), Vec::new());
                self.end(End::NotAllowed);
            }
        }
    }

    /// Nobody knows whether this was done before the hub was started again.
    fn in_doubt(&mut self, id: Id, what: &DeedRow, once: bool) {
        let Some(deed) = deed_of(what) else { return self.end(End::Failed) };
        if let DeedWhat::Command(command) = &deed {
            let at = Place { device: command.target.device.clone(), property: command.target.property.clone() };
            if self.world.value(&at).is_some_and(|value| is_same(&value, &command.value)) {
                self.note(
                    What::Did,
                    "",
                    vec![(format!("{}/{}", at.device, at.property), clip(&command.value.to_string()))],
                );
                self.next();
                return self.go();
            }
        }
        if once {
            self.note(What::Doubt, "", Vec::new());
            self.next();
            self.go();
        } else {
            self.note(What::Again, "", Vec::new());
            self.out.changed = true;
            self.out.effects.push(Effect::Do { id, what: deed, again: true });
        }
    }

    /// A step could not be done. In a scene, and where it was said so, it goes on all the same.
    fn failed(&mut self, what: What, said: &str, seen: Vec<(String, String)>) {
        self.note(what, said, seen);
        let in_scene = self.run.frames.last().is_some_and(|frame| frame.of == ListOf::Scene);
        if in_scene || current(self.plan, self.run).is_some_and(|step| step.go_on) {
            self.next();
        } else {
            self.end(End::Failed);
        }
    }

    fn wait(&mut self, seconds: &Given) {
        let (given, seen) = self.given(seconds);
        let millis = match given {
            Ok(Some(Value::Number(seconds))) => seconds
                .checked_mul(Decimal::from(1000))
                .and_then(|millis| millis.to_i64())
                .filter(|millis| (0..=i64::from(limits::SECONDS) * 1000).contains(millis)),
            Ok(Some(_)) => None,
            Ok(None) => return self.failed(What::Unknown, "", seen),
            Err(why) => return self.failed(What::Wrong, &why, seen),
        };
        match millis {
            Some(0) => self.next(),
            Some(millis) => {
                self.note(What::Waits, &format!("{} s", Decimal::new(millis, 3).normalize()), seen);
                self.run.doing = Doing::Wait(Due::after(self.now, millis));
            }
            None => self.failed(What::Wrong, &format!("0 to {} seconds", limits::SECONDS), seen),
        }
    }

    fn look(&mut self, due: Option<Due>) {
        let Some(Action::Until { awaited, go_on, .. }) = current(self.plan, self.run).map(|step| &step.action) else {
            return self.end(End::Changed);
        };
        if let Awaited::So(condition) = awaited
            && self.is_so(condition)
        {
            return self.go();
        }
        if due.is_some_and(|due| self.settled(due)) {
            self.note(What::TimedOut, "", Vec::new());
            if *go_on {
                self.next();
                self.go();
            } else {
                self.end(End::Stopped);
            }
        }
    }

    fn happened(&mut self, happening: &Happening) {
        if let Some(Action::Until { awaited: Awaited::Happens(when), .. }) =
            current(self.plan, self.run).map(|step| &step.action)
            && is_meant(when, happening)
        {
            self.note(What::Came, &happening.said(), Vec::new());
            self.next();
            self.go();
        }
    }

    /// Whether what is waited for is so; then it goes on.
    fn is_so(&mut self, condition: &Condition) -> bool {
        let (standing, seen) = self.stands(std::slice::from_ref(condition));
        if standing == Standing::So {
            self.note(What::Came, "", seen);
            self.next();
        }
        standing == Standing::So
    }

    /// The turn of a repetition that would be next.
    fn turn(&mut self, turn: u32) {
        let Some(Action::Repeat { turns, .. }) = current(self.plan, self.run).map(|step| &step.action) else {
            return self.end(End::Changed);
        };
        let mut seen = Vec::new();
        let goes_on = match turns {
            Turns::Count(count) => turn < *count,
            Turns::While(conditions) => {
                let (standing, looked) = self.stands(conditions);
                seen = looked;
                standing == Standing::So
            }
            Turns::Each(items) => match items.get(usize::try_from(turn).unwrap_or(usize::MAX)) {
                None => false,
                Some(given) => {
                    let (value, looked) = self.given(given);
                    match value {
                        Ok(Some(value)) => {
                            self.run.vars.insert(item(self.run.frames.len()), Kept::from(&value));
                        }
                        Ok(None) => return self.failed(What::Unknown, "", looked),
                        Err(why) => return self.failed(What::Wrong, &why, looked),
                    }
                    seen = looked;
                    true
                }
            },
        };
        if !goes_on {
            self.run.vars.remove(&item(self.run.frames.len()));
            return self.next();
        }
        if turn >= limits::TURNS {
            self.run.vars.remove(&item(self.run.frames.len()));
            return self.failed(What::TooMany, &limits::TURNS.to_string(), seen);
        }
        self.note(What::Turn, &(turn + 1).to_string(), seen);
        self.enter(ListOf::Turn(turn));
    }

    fn set(&mut self, name: &str, value: &Given) {
        let (given, seen) = self.given(value);
        match given {
            Ok(Some(Value::Text(text))) if text.len() > MAX_TEXT => {
                self.failed(What::Wrong, &format!("more than {MAX_TEXT} bytes"), seen);
            }
            Ok(Some(_)) if self.run.vars.len() >= MAX_VARS && !self.run.vars.contains_key(name) => {
                self.failed(What::TooMany, &MAX_VARS.to_string(), seen);
            }
            Ok(Some(value)) => {
                self.note(What::Set, &format!("{name} = {}", clip(&value.to_string())), seen);
                self.run.vars.insert(name.to_owned(), Kept::from(&value));
                self.next();
            }
            Ok(None) => self.failed(What::Unknown, name, seen),
            Err(why) => self.failed(What::Wrong, &why, seen),
        }
    }

    fn stands(&mut self, conditions: &[Condition]) -> (Standing, Vec<(String, String)>) {
        let mut look = Look::new(self.world, self.now, Some(self.run));
        let standing = look.all(conditions);
        let (seen, wrong) = (look.seen(), look.wrong.take());
        if let Some(why) = wrong {
            self.note(What::Wrong, &why, Vec::new());
        }
        (standing, seen)
    }

    fn given(&mut self, given: &Given) -> (Result<Option<Value>, String>, Seen) {
        let mut look = Look::new(self.world, self.now, Some(self.run));
        let value = look.given(given);
        (value, look.seen())
    }

    fn note(&mut self, what: What, said: &str, seen: Vec<(String, String)>) {
        let path = self.run.path();
        self.run.note(self.now, path, what, said, seen);
        self.out.changed = true;
    }

    fn end(&mut self, end: End) {
        self.run.note(self.now, String::new(), What::Over, end.code(), Vec::new());
        self.out.changed = true;
        self.out.more = false;
        self.out.end = Some(end);
    }
}

/// The deed of a row; `None`: it is spelled as nobody spells it.
fn deed_of(row: &DeedRow) -> Option<DeedWhat> {
    Some(match row {
        DeedRow::Command { device, property, value } => DeedWhat::Command(Command {
            target: CommandTarget { device: DeviceRef::parse(device)?, property: property.clone() },
            value: value.into(),
        }),
        DeedRow::Notify { to, severity, title, text } => DeedWhat::Notify {
            to: to.iter().map(|person| person.parse().ok()).collect::<Option<_>>()?,
            severity: Severity::from_code(severity)?,
            title: title.clone(),
            text: text.clone(),
        },
        DeedRow::Reading { point, values } => DeedWhat::Reading {
            point: point.parse().ok()?,
            values: values.iter().map(|value| value.parse().ok()).collect::<Option<_>>()?,
        },
    })
}
