//! The wire form read into the vocabulary: shapes, caps, and what only makes sense together. Says what is wrong and in which
//! field; knows neither which devices there are (whoever asks finds them) nor who may do what.
//!
//! More than 500 lines: the whole vocabulary, word for word, as `paper/mod.rs` spells it.

use std::collections::BTreeSet;
use std::str::FromStr;

use domovoi_model::{DeviceRef, Id, Peril, PersonId, PointId, Severity, Timestamp, Value};
use jiff::civil::Time;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::{
    ActionPaper, BranchPaper, ConditionPaper, DoubtPaper, GivenPaper, KeptPaper, MomentPaper, PaperWrong, PlainPaper,
    ScenarioPaper, ScenePaper, SunPaper, TestPaper, TriggerPaper, WhenPaper,
};
use crate::scenarios::expression;
use crate::scenarios::plan::{
    Action, AlertMoment, Awaited, Branch, CatchUp, Condition, Days, Doubt, Given, Guards, Mode, Place, Scenario, Step,
    SunEvent, Test, Trigger, Turns, When,
};

/// What a scenario may have at the most.
pub mod limits {
    /// Characters of a name.
    pub const NAME: usize = 120;
    /// Characters of a remark.
    pub const NOTE: usize = 2000;
    /// Characters of a text for people, and bytes of an expression.
    pub const TEXT: usize = 4000;
    /// Triggers.
    pub const TRIGGERS: usize = 32;
    /// Conditions, all together.
    pub const CONDITIONS: usize = 100;
    /// Steps, all together.
    pub const STEPS: usize = 200;
    /// Branches and repetitions within each other, and conditions likewise.
    pub const DEPTH: usize = 8;
    /// Commands of a scene, items of a list.
    pub const LIST: usize = 64;
    /// Turns of a repetition.
    pub const TURNS: u32 = 1000;
    /// Runs that wait or run beside each other.
    pub const MOST: u16 = 50;
    /// The longest wait, in seconds: a month.
    pub const SECONDS: u32 = 31 * 86_400;
}

/// Finds the device that a text means: its `dialect:id`, or a name.
pub type Finder<'a> = &'a dyn Fn(&str) -> Option<DeviceRef>;

type Read<T> = Result<T, PaperWrong>;

fn wrong<T>(path: &str, why: impl Into<String>) -> Read<T> {
    Err(PaperWrong { path: path.to_owned(), why: why.into() })
}

/// What is counted over the whole of a scenario.
struct Reader<'a> {
    find: Finder<'a>,
    conditions: usize,
    steps: usize,
}

impl ScenarioPaper {
    /// The scenario that this means. `find` finds devices; whose it is and when it was saved is for whoever saves it.
    pub fn scenario(&self, find: Finder<'_>) -> Read<Scenario> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > limits::NAME {
            return wrong("name", format!("1 to {} characters", limits::NAME));
        }
        if self.note.chars().count() > limits::NOTE {
            return wrong("note", format!("at most {} characters", limits::NOTE));
        }
        for (path, hint) in [("icon", &self.icon), ("preset", &self.preset)] {
            if hint.as_ref().is_some_and(|hint| hint.len() > 64) {
                return wrong(path, "at most 64 bytes");
            }
        }
        let id = match &self.id {
            Some(id) => parsed("id", id, "an id")?,
            None => Id([0; 16]),
        };
        let room = self.room.as_ref().map(|room| parsed("room", room, "the id of a room")).transpose()?;
        let mode = self.mode()?;
        let mut reader = Reader { find, conditions: 0, steps: 0 };
        capped("triggers", self.triggers.len(), limits::TRIGGERS)?;
        let mut triggers = Vec::with_capacity(self.triggers.len());
        let mut ids = BTreeSet::new();
        for (at, raw) in self.triggers.iter().enumerate() {
            let path = format!("triggers[{at}]");
            let trigger = reader.trigger(&path, raw)?;
            if !ids.insert(trigger.id.clone()) {
                return wrong(&format!("{path}.id"), "another trigger has this id already");
            }
            triggers.push(trigger);
        }
        let conditions = reader.conditions("conditions", &self.conditions, 0)?;
        let actions = reader.steps("actions", &self.actions, 0)?;
        let guards = &self.guards;
        between("guards.runs_per_hour", guards.runs_per_hour, 1, 3600)?;
        between("guards.max_depth", u32::from(guards.max_depth), 1, 10)?;
        between("guards.max_run_s", guards.max_run_s, 1, limits::SECONDS)?;
        Ok(Scenario {
            id,
            name: name.to_owned(),
            note: self.note.clone(),
            icon: self.icon.clone(),
            room,
            preset: self.preset.clone(),
            is_on: self.is_on,
            author: None,
            sure: false,
            mode,
            triggers,
            conditions,
            actions,
            guards: Guards {
                runs_per_hour: guards.runs_per_hour,
                max_depth: guards.max_depth,
                max_run_s: guards.max_run_s,
            },
            changed_at: Timestamp(0),
        })
    }

    fn mode(&self) -> Read<Mode> {
        let most = self.most.unwrap_or(10);
        if !(1..=limits::MOST).contains(&most) {
            return wrong("most", format!("1 to {}", limits::MOST));
        }
        match self.mode.as_str() {
            "single" => Ok(Mode::Single),
            "restart" => Ok(Mode::Restart),
            "queued" => Ok(Mode::Queued { most }),
            "parallel" => Ok(Mode::Parallel { most }),
            _ => wrong("mode", "one of single, restart, queued, parallel"),
        }
    }
}

impl KeptPaper {
    /// The scenario of a row.
    pub fn scenario(&self) -> Read<Scenario> {
        let mut scenario = self.scenario.scenario(&DeviceRef::parse)?;
        scenario.author = self.author.as_ref().map(|author| parsed("author", author, "a person's id")).transpose()?;
        scenario.sure = self.sure;
        scenario.changed_at = Timestamp(self.changed_at);
        for trigger in &mut scenario.triggers {
            if let When::Webhook { key } = &mut trigger.when {
                *key = self.keys.get(&trigger.id).and_then(|key| key.parse().ok());
            }
        }
        Ok(scenario)
    }
}

/// The shape of a raw part. serde's sentence names the field of it.
fn shape<T: DeserializeOwned>(path: &str, raw: &Json) -> Read<T> {
    T::deserialize(raw).map_err(|error| PaperWrong { path: path.to_owned(), why: error.to_string() })
}

fn parsed<T: FromStr>(path: &str, text: &str, what: &str) -> Read<T> {
    text.parse().map_err(|_| PaperWrong { path: path.to_owned(), why: format!("«{}» is not {what}", clip(text)) })
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

fn capped(path: &str, count: usize, most: usize) -> Read<()> {
    if count > most { wrong(path, format!("{count} are too many: at most {most}")) } else { Ok(()) }
}

fn between(path: &str, number: u32, least: u32, most: u32) -> Read<()> {
    if (least..=most).contains(&number) { Ok(()) } else { wrong(path, format!("{least} to {most}, not {number}")) }
}

fn text(path: &str, text: &str) -> Read<String> {
    if text.len() > limits::TEXT {
        return wrong(path, format!("at most {} bytes", limits::TEXT));
    }
    Ok(text.to_owned())
}

/// An object without some of its fields, which are read apart.
fn split(raw: &Json, fields: &[&str]) -> (Json, Json) {
    let Json::Object(all) = raw else { return (Json::Object(Map::new()), raw.clone()) };
    let (mut some, mut rest) = (Map::new(), Map::new());
    for (name, value) in all {
        let part = if fields.contains(&name.as_str()) { &mut some } else { &mut rest };
        part.insert(name.clone(), value.clone());
    }
    (Json::Object(some), Json::Object(rest))
}

impl Reader<'_> {
    fn place(&self, path: &str, device: &str, property: &str) -> Read<Place> {
        if property.is_empty() || property.len() > 128 {
            return wrong(&format!("{path}.property"), "1 to 128 bytes");
        }
        match (self.find)(device) {
            Some(device) => Ok(Place { device, property: property.to_owned() }),
            None => wrong(&format!("{path}.device"), format!("there is no device «{}»", clip(device))),
        }
    }

    fn trigger(&self, path: &str, raw: &Json) -> Read<Trigger> {
        let (head, rest) = split(raw, &["id", "is_on", "catch_up", "max_age_s"]);
        let head: TriggerPaper = shape(path, &head)?;
        if head.id.is_empty() || head.id.len() > 32 {
            return wrong(&format!("{path}.id"), "1 to 32 bytes");
        }
        let catch_up = match &head.catch_up {
            None => CatchUp::Once,
            Some(code) => match CatchUp::from_code(code) {
                Some(catch_up) => catch_up,
                None => return wrong(&format!("{path}.catch_up"), "one of skip, once, all"),
            },
        };
        let max_age_s = head.max_age_s.unwrap_or(15 * 60);
        between(&format!("{path}.max_age_s"), max_age_s, 0, limits::SECONDS)?;
        let when = self.when(path, &rest)?;
        Ok(Trigger { id: head.id, is_on: head.is_on, when, catch_up, max_age_s })
    }

    fn when(&self, path: &str, raw: &Json) -> Read<When> {
        let at = |field: &str| format!("{path}.{field}");
        Ok(match shape::<WhenPaper>(path, raw)? {
            WhenPaper::State { device, property, is, for_s } => {
                if let Some(for_s) = for_s {
                    between(&at("for_s"), for_s, 1, limits::SECONDS)?;
                }
                let is = test(&at("is"), &is)?;
                if is == Test::Changed && for_s.is_some() {
                    return wrong(&at("for_s"), "a change has no duration: name the value that is to stand so long");
                }
                When::State { at: self.place(path, &device, &property)?, is, for_s }
            }
            WhenPaper::Edge { device, property, from, to } => When::Edge {
                at: self.place(path, &device, &property)?,
                from: from.as_ref().map(|from| plain(&at("from"), from)).transpose()?,
                to: to.as_ref().map(|to| plain(&at("to"), to)).transpose()?,
            },
            WhenPaper::Time { at: times, weekdays, monthdays } => {
                capped(&at("at"), times.len(), limits::LIST)?;
                if times.is_empty() {
                    return wrong(&at("at"), "at least one time of the day, as \"07:30\"");
                }
                let mut list = Vec::with_capacity(times.len());
                for (n, one) in times.iter().enumerate() {
                    list.push(clock(&format!("{path}.at[{n}]"), one)?);
                }
                list.sort_unstable();
                list.dedup();
                When::Time { at: list, days: days(path, weekdays, monthdays)? }
            }
            WhenPaper::Every { seconds, weekdays, monthdays } => {
                between(&at("seconds"), seconds, 5, 86_400)?;
                When::Every { seconds, days: days(path, weekdays, monthdays)? }
            }
            WhenPaper::Sun { event, offset_minutes, weekdays, monthdays } => {
                between(&at("offset_minutes"), u32::from(offset_minutes.unsigned_abs()), 0, 720)?;
                let event = match event {
                    SunPaper::Rise => SunEvent::Rise,
                    SunPaper::Set => SunEvent::Set,
                };
                When::Sun { event, offset_minutes, days: days(path, weekdays, monthdays)? }
            }
            WhenPaper::Arrives { person } => When::Arrives(person_of(&at("person"), person.as_deref())?),
            WhenPaper::Leaves { person } => When::Leaves(person_of(&at("person"), person.as_deref())?),
            WhenPaper::Webhook {} => When::Webhook { key: None },
            WhenPaper::Alert { perils, at_least, life_only, moment } => {
                capped(&at("perils"), perils.len(), limits::LIST)?;
                let mut list = Vec::with_capacity(perils.len());
                for (n, code) in perils.iter().enumerate() {
                    match Peril::from_code(code) {
                        Some(peril) => list.push(peril),
                        None => {
                            return wrong(&format!("{path}.perils[{n}]"), format!("«{}» is no peril", clip(code)));
                        }
                    }
                }
                let at_least = at_least.as_deref().map(|code| severity(&at("at_least"), code)).transpose()?;
                let moment = match moment {
                    MomentPaper::Raised => AlertMoment::Raised,
                    MomentPaper::Over => AlertMoment::Over,
                };
                When::Alert { perils: list, at_least, life_only, moment }
            }
            WhenPaper::Calendar { title_has } => {
                if title_has.chars().count() > limits::NAME {
                    return wrong(&at("title_has"), format!("at most {} characters", limits::NAME));
                }
                When::Calendar { title_has }
            }
            WhenPaper::HouseStart {} => When::HouseStart,
        })
    }

    fn conditions(&mut self, path: &str, raw: &[Json], depth: usize) -> Read<Vec<Condition>> {
        raw.iter().enumerate().map(|(at, raw)| self.condition(&format!("{path}[{at}]"), raw, depth)).collect()
    }

    fn condition(&mut self, path: &str, raw: &Json, depth: usize) -> Read<Condition> {
        self.conditions += 1;
        capped(path, self.conditions, limits::CONDITIONS)?;
        if depth >= limits::DEPTH {
            return wrong(path, format!("more than {} conditions within each other", limits::DEPTH));
        }
        let at = |field: &str| format!("{path}.{field}");
        Ok(match shape::<ConditionPaper>(path, raw)? {
            ConditionPaper::State { device, property, is } => {
                let is = test(&at("is"), &is)?;
                if is == Test::Changed {
                    return wrong(&at("is"), "a condition is so or not: only a trigger can be about a change");
                }
                Condition::State { at: self.place(path, &device, &property)?, is }
            }
            ConditionPaper::Time { from, to, weekdays, monthdays } => Condition::Time {
                from: clock(&at("from"), &from)?,
                to: clock(&at("to"), &to)?,
                days: days(path, weekdays, monthdays)?,
            },
            ConditionPaper::Home { person, is } => {
                Condition::Home { person: person_of(&at("person"), person.as_deref())?, is }
            }
            ConditionPaper::Sun { up } => Condition::SunUp(up),
            ConditionPaper::Expression { expression: source } => {
                Condition::Expression(expression_of(&at("expression"), &source)?)
            }
            ConditionPaper::All { of } => Condition::All(self.conditions(&at("of"), &of, depth + 1)?),
            ConditionPaper::Any { of } => Condition::Any(self.conditions(&at("of"), &of, depth + 1)?),
            ConditionPaper::Not { of } => Condition::Not(Box::new(self.condition(&at("of"), &of, depth + 1)?)),
        })
    }

    fn steps(&mut self, path: &str, raw: &[Json], depth: usize) -> Read<Vec<Step>> {
        raw.iter().enumerate().map(|(at, raw)| self.step(&format!("{path}[{at}]"), raw, depth)).collect()
    }

    fn step(&mut self, path: &str, raw: &Json, depth: usize) -> Read<Step> {
        self.steps += 1;
        capped(path, self.steps, limits::STEPS)?;
        if depth >= limits::DEPTH {
            return wrong(path, format!("more than {} steps within each other", limits::DEPTH));
        }
        let (head, rest) = split(raw, &["name", "go_on"]);
        let (name, go_on) = match (head.get("name"), head.get("go_on")) {
            (None | Some(Json::String(_)), None | Some(Json::Bool(_))) => (
                head.get("name").and_then(Json::as_str).unwrap_or_default().to_owned(),
                head.get("go_on").and_then(Json::as_bool).unwrap_or_default(),
            ),
            _ => return wrong(path, "`name` is a text and `go_on` is true or false"),
        };
        if name.chars().count() > limits::NAME {
            return wrong(&format!("{path}.name"), format!("at most {} characters", limits::NAME));
        }
        Ok(Step { name, action: self.action(path, &rest, depth)?, go_on })
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each action, in the order of the vocabulary")]
    fn action(&mut self, path: &str, raw: &Json, depth: usize) -> Read<Action> {
        let at = |field: &str| format!("{path}.{field}");
        Ok(match shape::<ActionPaper>(path, raw)? {
            ActionPaper::Command { device, property, value, after_doubt } => Action::Command {
                at: self.place(path, &device, &property)?,
                value: given(&at("value"), &value)?,
                doubt: after_doubt.map(|doubt| match doubt {
                    DoubtPaper::Again => Doubt::Again,
                    DoubtPaper::Once => Doubt::Once,
                }),
            },
            ActionPaper::Scene { scene, commands } => {
                capped(&at("commands"), commands.len(), limits::LIST)?;
                if scene.chars().count() > limits::NAME {
                    return wrong(&at("scene"), format!("at most {} characters", limits::NAME));
                }
                let mut list = Vec::with_capacity(commands.len());
                for (n, ScenePaper { device, property, value }) in commands.iter().enumerate() {
                    let path = format!("{path}.commands[{n}]");
                    list.push((self.place(&path, device, property)?, given(&format!("{path}.value"), value)?));
                }
                Action::Scene { name: scene, commands: list }
            }
            ActionPaper::Wait { seconds } => {
                let seconds = given(&at("seconds"), &seconds)?;
                if let Given::Value(value) = &seconds {
                    let most = Decimal::from(limits::SECONDS);
                    if value.number().is_none_or(|number| number < Decimal::ZERO || number > most) {
                        return wrong(&at("seconds"), format!("0 to {}", limits::SECONDS));
                    }
                }
                Action::Wait { seconds }
            }
            ActionPaper::Until { so, happens, timeout_s, then_go_on } => {
                if let Some(timeout_s) = timeout_s {
                    between(&at("timeout_s"), timeout_s, 1, limits::SECONDS)?;
                }
                let awaited = match (so, happens) {
                    (Some(so), None) => Awaited::So(self.condition(&at("so"), &so, depth)?),
                    (None, Some(happens)) => {
                        let when = self.when(&at("happens"), &happens)?;
                        let fits = matches!(
                            when,
                            When::State { for_s: None, .. }
                                | When::Edge { .. }
                                | When::Arrives(_)
                                | When::Leaves(_)
                                | When::Alert { .. }
                                | When::Calendar { .. }
                        );
                        if !fits {
                            return wrong(
                                &at("happens"),
                                "one of state (without for_s), edge, arrives, leaves, alert, calendar",
                            );
                        }
                        Awaited::Happens(when)
                    }
                    _ => return wrong(path, "exactly one of `so` and `happens`"),
                };
                Action::Until { awaited, timeout_s, go_on: then_go_on }
            }
            ActionPaper::Choose { branches, otherwise } => {
                capped(&at("branches"), branches.len(), limits::LIST)?;
                let mut list = Vec::with_capacity(branches.len());
                for (n, BranchPaper { conditions, then }) in branches.iter().enumerate() {
                    list.push(Branch {
                        conditions: self.conditions(&format!("{path}.branches[{n}].if"), conditions, 0)?,
                        steps: self.steps(&format!("{path}.branches[{n}].then"), then, depth + 1)?,
                    });
                }
                Action::Choose { branches: list, otherwise: self.steps(&at("else"), &otherwise, depth + 1)? }
            }
            ActionPaper::Repeat { count, so_long, each, steps } => {
                let turns = match (count, so_long, each) {
                    (Some(count), None, None) => {
                        between(&at("count"), count, 0, limits::TURNS)?;
                        Turns::Count(count)
                    }
                    (None, Some(list), None) => Turns::While(self.conditions(&at("while"), &list, 0)?),
                    (None, None, Some(list)) => {
                        capped(&at("each"), list.len(), limits::LIST)?;
                        let items = list.iter().enumerate().map(|(n, item)| given(&format!("{path}.each[{n}]"), item));
                        Turns::Each(items.collect::<Read<_>>()?)
                    }
                    _ => return wrong(path, "exactly one of `count`, `while` and `each`"),
                };
                Action::Repeat { turns, steps: self.steps(&at("steps"), &steps, depth + 1)? }
            }
            ActionPaper::Notify { to, severity: how, title, text: body } => {
                capped(&at("to"), to.len(), limits::LIST)?;
                if title.trim().is_empty() {
                    return wrong(&at("title"), "it must not be empty");
                }
                let people = to
                    .iter()
                    .enumerate()
                    .map(|(n, person)| parsed(&format!("{path}.to[{n}]"), person, "a person's id"));
                Action::Notify {
                    to: people.collect::<Read<_>>()?,
                    severity: how.as_deref().map_or(Ok(Severity::Minor), |code| severity(&at("severity"), code))?,
                    title: template_of(&at("title"), &title)?,
                    text: template_of(&at("text"), &body)?,
                }
            }
            ActionPaper::Reading { point, values } => {
                between(&at("values"), u32::try_from(values.len()).unwrap_or(u32::MAX), 1, 4)?;
                let values = values.iter().enumerate().map(|(n, value)| given(&format!("{path}.values[{n}]"), value));
                Action::Reading {
                    point: parsed::<PointId>(&at("point"), &point, "the id of a metering point")?,
                    values: values.collect::<Read<_>>()?,
                }
            }
            ActionPaper::Start { scenario } => Action::Start(parsed(&at("scenario"), &scenario, "a scenario's id")?),
            ActionPaper::Stop { scenario } => Action::Stop(parsed(&at("scenario"), &scenario, "a scenario's id")?),
            ActionPaper::Set { variable, value } => {
                let is_name = variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                    && variable.starts_with(|c: char| c.is_ascii_alphabetic())
                    && variable.len() <= 32;
                if !is_name {
                    return wrong(&at("variable"), "letters, digits and _, beginning with a letter, at most 32");
                }
                Action::Set { name: variable, value: given(&at("value"), &value)? }
            }
            ActionPaper::End {} => Action::End,
        })
    }
}

fn test(path: &str, paper: &TestPaper) -> Read<Test> {
    let number = |field: &str, value: &PlainPaper| {
        let path = format!("{path}.{field}");
        match plain(&path, value)? {
            Value::Text(text) => Ok(Value::Number(parsed(&path, text.trim(), "a number")?)),
            Value::Number(number) => Ok(Value::Number(number)),
            Value::Bool(_) => wrong(&path, "a number"),
        }
    };
    let found: Vec<Read<Test>> = [
        paper.equals.as_ref().map(|value| plain(&format!("{path}.equals"), value).map(Test::Equals)),
        paper.differs.as_ref().map(|value| plain(&format!("{path}.differs"), value).map(Test::Differs)),
        paper.above.as_ref().map(|value| number("above", value).map(Test::Above)),
        paper.below.as_ref().map(|value| number("below", value).map(Test::Below)),
        paper.changed.filter(|so| *so).map(|_| Ok(Test::Changed)),
        paper.unknown.filter(|so| *so).map(|_| Ok(Test::Unknown)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(test), None) => test,
        _ => wrong(path, "exactly one of equals, differs, above, below, changed, unknown"),
    }
}

fn given(path: &str, paper: &GivenPaper) -> Read<Given> {
    match paper {
        GivenPaper::Expression(expression) => {
            Ok(Given::Expression(expression_of(&format!("{path}.expression"), &expression.expression)?))
        }
        GivenPaper::Plain(value) => Ok(Given::Value(plain(path, value)?)),
    }
}

fn plain(path: &str, paper: &PlainPaper) -> Read<Value> {
    match paper {
        PlainPaper::Bool(flag) => Ok(Value::Bool(*flag)),
        PlainPaper::Text(value) => Ok(Value::Text(text(path, value)?)),
        PlainPaper::Number(number) => {
            let spelled = number.to_string();
            let read = Decimal::from_str(&spelled).or_else(|_| Decimal::from_scientific(&spelled));
            read.map(|number| Value::Number(number.normalize())).map_err(|_| PaperWrong {
                path: path.to_owned(),
                why: format!("«{spelled}» is too large or too exact"),
            })
        }
    }
}

fn expression_of(path: &str, source: &str) -> Read<String> {
    let source = text(path, source.trim())?;
    expression::check(&source).map_err(|why| PaperWrong { path: path.to_owned(), why })?;
    Ok(source)
}

fn template_of(path: &str, source: &str) -> Read<String> {
    let source = text(path, source)?;
    expression::check_text(&source).map_err(|why| PaperWrong { path: path.to_owned(), why })?;
    Ok(source)
}

fn person_of(path: &str, person: Option<&str>) -> Read<Option<PersonId>> {
    person.map(|person| parsed(path, person, "a person's id")).transpose()
}

fn severity(path: &str, code: &str) -> Read<Severity> {
    match Severity::from_code(code) {
        Some(severity) => Ok(severity),
        None => wrong(path, "one of minor, moderate, severe, extreme"),
    }
}

fn days(path: &str, mut week: Vec<u8>, mut month: Vec<u8>) -> Read<Days> {
    for (field, list, most) in [("weekdays", &mut week, 7), ("monthdays", &mut month, 31)] {
        list.sort_unstable();
        list.dedup();
        if list.iter().any(|day| !(1..=most).contains(day)) {
            return wrong(&format!("{path}.{field}"), format!("numbers from 1 to {most}"));
        }
    }
    Ok(Days { week, month })
}

/// `07:30` or `07:30:15`.
fn clock(path: &str, text: &str) -> Read<Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |at: usize| parts.get(at).and_then(|part| part.parse::<i8>().ok());
    let digits = parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()));
    let time = match (digits, parts.len()) {
        (true, 2 | 3) => number(0)
            .zip(number(1))
            .and_then(|(hour, minute)| Time::new(hour, minute, if parts.len() == 3 { number(2)? } else { 0 }, 0).ok()),
        _ => None,
    };
    match time {
        Some(time) => Ok(time),
        None => wrong(path, format!("«{}» is no time of day: write \"07:30\"", clip(text))),
    }
}
