//! A run: where it is in its scenario, what it is about to do, what it waits for, and what happened so far. This is what
//! survives a power cut; every change of it is one small row.

use std::collections::BTreeMap;

use domovoi_adapters::expression::Term;
use domovoi_model::{BootId, Id, Moment, Timestamp, Value};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::due::{Due, Now};
use super::expression::term_of;
use super::plan::Doubt;
use super::spelled;
use super::view::{End, Line, RunView, What};

/// So many lines of a trace are kept; those in the middle go first.
const LINES: usize = 60;
const FIRST: usize = 20;

/// How long what is said in a line may be, in characters.
const SAID: usize = 200;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    #[serde(with = "spelled")]
    pub id: Id,
    #[serde(with = "spelled")]
    pub scenario: Id,
    pub cause: Cause,
    pub began: At,
    /// It is stopped then, however far it has come.
    pub ends: Due,
    /// Where it is: a list of steps within a step of the one before.
    pub frames: Vec<Frame>,
    pub doing: Doing,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Kept>,
    /// How many steps were begun.
    pub steps: u32,
    pub lines: Vec<LineRow>,
    #[serde(default)]
    pub left_out: u32,
}

/// What began it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The trigger's id; `hand`, `scenario`.
    pub trigger: String,
    /// About it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// How deep in a chain of scenarios that cause each other.
    #[serde(default)]
    pub depth: u8,
    /// The value that began it, and the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Kept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Kept>,
    /// So many seconds too late.
    #[serde(default)]
    pub late_s: u32,
}

/// A place in a list of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Which step, from 0.
    pub at: u16,
    /// Which list it is of.
    pub of: ListOf,
}

/// A list of steps within a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOf {
    /// The scenario's own.
    Root,
    /// Of a branch.
    Branch(u16),
    /// When no branch fits.
    Otherwise,
    /// A turn of a repetition, from 0.
    Turn(u32),
    /// The commands of a scene.
    Scene,
}

/// What it is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// The step where it is has not begun.
    Next,
    /// Something that others do: written before it is handed over.
    Deed {
        #[serde(with = "spelled")]
        id: Id,
        what: DeedRow,
        once: bool,
    },
    /// Time passes.
    Wait(Due),
    /// Something is waited for.
    Until(Option<Due>),
}

/// A deed as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeedRow {
    Command { device: String, property: String, value: Kept },
    Notify { to: Vec<String>, severity: String, title: String, text: String },
    Reading { point: String, values: Vec<String> },
}

/// A value in a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Number(#[serde(with = "spelled")] Decimal),
    Bool(bool),
    Text(String),
}

impl From<&Value> for Kept {
    fn from(value: &Value) -> Self {
        match value {
            Value::Number(number) => Kept::Number(*number),
            Value::Bool(flag) => Kept::Bool(*flag),
            Value::Text(text) => Kept::Text(text.clone()),
        }
    }
}

impl From<&Kept> for Value {
    fn from(kept: &Kept) -> Self {
        match kept {
            Kept::Number(number) => Value::Number(*number),
            Kept::Bool(flag) => Value::Bool(*flag),
            Kept::Text(text) => Value::Text(text.clone()),
        }
    }
}

/// A moment in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    Wall(i64),
    Boot {
        #[serde(with = "spelled")]
        boot: BootId,
        millis: i64,
    },
}

impl From<Moment> for At {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Wall(at) => At::Wall(at.0),
            Moment::SinceBoot { boot, millis } => At::Boot { boot, millis },
        }
    }
}

impl From<At> for Moment {
    fn from(at: At) -> Self {
        match at {
            At::Wall(at) => Moment::Wall(Timestamp(at)),
            At::Boot { boot, millis } => Moment::SinceBoot { boot, millis },
        }
    }
}

/// A line of the trace in a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineRow {
    pub at: At,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    pub what: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<(String, String)>,
}

impl From<&LineRow> for Line {
    fn from(row: &LineRow) -> Self {
        Line {
            at: row.at.into(),
            path: row.path.clone(),
            what: What::from_code(&row.what).unwrap_or(What::LeftOut),
            said: row.said.clone(),
            seen: row.seen.clone(),
        }
    }
}

impl Run {
    /// One that is about to begin.
    pub fn new(id: Id, scenario: Id, cause: Cause, max_run_s: u32, now: &Now) -> Self {
        let mut run = Run {
            id,
            scenario,
            cause,
            began: now.moment().into(),
            ends: Due::after(now, i64::from(max_run_s) * 1000),
            frames: vec![Frame { at: 0, of: ListOf::Root }],
            doing: Doing::Next,
            vars: BTreeMap::new(),
            steps: 0,
            lines: Vec::new(),
            left_out: 0,
        };
        let said = run.cause.said.clone();
        run.note(now, String::new(), What::Began, said, Vec::new());
        if run.cause.late_s > 0 {
            let late = run.cause.late_s.to_string();
            run.note(now, String::new(), What::Late, late, Vec::new());
        }
        run
    }

    /// Writes a line of the trace.
    pub fn note(&mut self, now: &Now, path: String, what: What, said: impl Into<String>, seen: Vec<(String, String)>) {
        if self.lines.len() >= LINES {
            self.lines.remove(FIRST);
            self.left_out += 1;
        }
        let said: String = said.into();
        let said = if said.chars().count() > SAID { said.chars().take(SAID).collect() } else { said };
        self.lines.push(LineRow { at: now.moment().into(), path, what: what.code().to_owned(), said, seen });
    }

    /// What it waits for is as if it had come: for whoever only looks ahead.
    pub fn pass(&mut self) {
        self.doing = Doing::Next;
        if let Some(frame) = self.frames.last_mut() {
            frame.at = frame.at.saturating_add(1);
        }
    }

    /// Where it is: `3.then.1`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match frame.of {
                ListOf::Root => {}
                ListOf::Branch(0) => path.push_str(".then."),
                ListOf::Branch(n) => path.push_str(&format!(".then-{}.", n + 1)),
                ListOf::Otherwise => path.push_str(".else."),
                ListOf::Turn(n) => path.push_str(&format!(".turn-{}.", n + 1)),
                ListOf::Scene => path.push('.'),
            }
            path.push_str(&(frame.at + 1).to_string());
        }
        path
    }

    /// What expressions know of it.
    pub fn variables(&self) -> Vec<(&'static str, Term)> {
        let text = |text: &str| Term::Text(text.to_owned());
        let mut trigger = vec![("id", text(&self.cause.trigger)), ("said", text(&self.cause.said))];
        for (name, value) in [("value", &self.cause.value), ("before", &self.cause.from)] {
            if let Some(value) = value {
                trigger.push((name, term_of(&value.into())));
            }
        }
        let mut all = vec![("trigger", Term::Parts(trigger))];
        let innermost = self.frames.iter().enumerate().rev().find_map(|(depth, frame)| match frame.of {
            ListOf::Turn(turn) => Some((depth, turn)),
            _ => None,
        });
        if let Some((depth, turn)) = innermost {
            let mut repeat = vec![("turn", Term::Number((turn + 1).into()))];
            if let Some(item) = self.vars.get(&item(depth)) {
                repeat.push(("item", term_of(&item.into())));
            }
            all.push(("repeat", Term::Parts(repeat)));
        }
        let own = self.vars.iter().filter(|(name, _)| !name.starts_with(ITEM));
        let own: Vec<(String, Term)> = own.map(|(name, value)| (name.clone(), term_of(&value.into()))).collect();
        all.push(("vars", Term::Named(own)));
        all
    }

    /// As it is shown.
    pub fn view(&self, over: Option<(Moment, End)>, now: &Now) -> RunView {
        let mut lines: Vec<Line> = self.lines.iter().map(Line::from).collect();
        if self.left_out > 0 {
            let at = lines.get(FIRST).map_or(self.began.into(), |line| line.at);
            let said = self.left_out.to_string();
            let gap = Line { at, path: String::new(), what: What::LeftOut, said, seen: Vec::new() };
            lines.insert(FIRST.min(lines.len()), gap);
        }
        let waits_until = match (&self.doing, over) {
            (Doing::Wait(due) | Doing::Until(Some(due)), None) => due.wall(now),
            _ => None,
        };
        RunView {
            id: self.id,
            scenario: self.scenario,
            trigger: self.cause.trigger.clone(),
            cause: self.cause.said.clone(),
            began: self.began.into(),
            ended: over.map(|(at, _)| at),
            end: over.map(|(_, end)| end),
            path: self.path(),
            waits_until,
            lines,
            times: 1,
        }
    }
}

/// The variables in which items of repetitions are kept begin so; no scenario can spell it.
const ITEM: &str = "the item ";

/// The variable of a repetition whose frame is the so-manyth.
pub fn item(depth: usize) -> String {
    format!("{ITEM}{depth}")
}

/// Whether a command is said again after a power cut, where nobody said.
pub fn is_once(doubt: Option<Doubt>, value: &Value) -> bool {
    doubt.unwrap_or_else(|| Doubt::of(value)) == Doubt::Once
}
