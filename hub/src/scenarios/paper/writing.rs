//! The vocabulary spelled as its wire form. What is spelled here is read back as the same.

use domovoi_model::Value;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::{
    ActionPaper, BranchPaper, ConditionPaper, DoubtPaper, ExpressionPaper, GivenPaper, GuardsPaper, KeptPaper,
    MomentPaper, PlainPaper, ScenarioPaper, ScenePaper, SunPaper, TestPaper, TriggerPaper, WhenPaper,
};
use crate::scenarios::plan::{
    Action, AlertMoment, Awaited, Branch, Condition, Days, Doubt, Given, Mode, Scenario, Step, SunEvent, Test, Trigger,
    Turns, When,
};

impl From<&Scenario> for ScenarioPaper {
    fn from(scenario: &Scenario) -> Self {
        let most = match scenario.mode {
            Mode::Queued { most } | Mode::Parallel { most } => Some(most),
            Mode::Single | Mode::Restart => None,
        };
        ScenarioPaper {
            id: Some(scenario.id.to_string()),
            name: scenario.name.clone(),
            note: scenario.note.clone(),
            icon: scenario.icon.clone(),
            room: scenario.room.map(|room| room.to_string()),
            preset: scenario.preset.clone(),
            is_on: scenario.is_on,
            mode: scenario.mode.code().to_owned(),
            most,
            triggers: scenario.triggers.iter().map(trigger).collect(),
            conditions: conditions(&scenario.conditions),
            actions: steps(&scenario.actions),
            guards: GuardsPaper {
                runs_per_hour: scenario.guards.runs_per_hour,
                max_depth: scenario.guards.max_depth,
                max_run_s: scenario.guards.max_run_s,
            },
        }
    }
}

impl From<&Scenario> for KeptPaper {
    fn from(scenario: &Scenario) -> Self {
        let keys = scenario.triggers.iter().filter_map(|trigger| match trigger.when {
            When::Webhook { key: Some(key) } => Some((trigger.id.clone(), key.to_string())),
            _ => None,
        });
        KeptPaper {
            scenario: scenario.into(),
            author: scenario.author.map(|author| author.to_string()),
            sure: scenario.sure,
            changed_at: scenario.changed_at.0,
            keys: keys.collect(),
        }
    }
}

/// A shape as raw JSON. Shapes of ours always are some.
fn raw(shape: &impl Serialize) -> Json {
    serde_json::to_value(shape).unwrap_or_default()
}

fn both(one: Json, other: Json) -> Json {
    let mut all = Map::new();
    for part in [one, other] {
        if let Json::Object(fields) = part {
            all.extend(fields);
        }
    }
    Json::Object(all)
}

fn trigger(trigger: &Trigger) -> Json {
    let head = TriggerPaper {
        id: trigger.id.clone(),
        is_on: trigger.is_on,
        catch_up: Some(trigger.catch_up.code().to_owned()),
        max_age_s: Some(trigger.max_age_s),
    };
    both(raw(&head), when(&trigger.when))
}

fn when(when: &When) -> Json {
    raw(&match when {
        When::State { at, is, for_s } => WhenPaper::State {
            device: at.device.to_string(),
            property: at.property.clone(),
            is: test(is),
            for_s: *for_s,
        },
        When::Edge { at, from, to } => WhenPaper::Edge {
            device: at.device.to_string(),
            property: at.property.clone(),
            from: from.as_ref().map(plain),
            to: to.as_ref().map(plain),
        },
        When::Time { at, days } => {
            let Days { week, month } = days.clone();
            WhenPaper::Time { at: at.iter().map(|at| clock(*at)).collect(), weekdays: week, monthdays: month }
        }
        When::Every { seconds, days } => {
            let Days { week, month } = days.clone();
            WhenPaper::Every { seconds: *seconds, weekdays: week, monthdays: month }
        }
        When::Sun { event, offset_minutes, days } => {
            let Days { week, month } = days.clone();
            let event = match event {
                SunEvent::Rise => SunPaper::Rise,
                SunEvent::Set => SunPaper::Set,
            };
            WhenPaper::Sun { event, offset_minutes: *offset_minutes, weekdays: week, monthdays: month }
        }
        When::Arrives(person) => WhenPaper::Arrives { person: person.map(|person| person.to_string()) },
        When::Leaves(person) => WhenPaper::Leaves { person: person.map(|person| person.to_string()) },
        When::Webhook { .. } => WhenPaper::Webhook {},
        When::Alert { perils, at_least, life_only, moment } => WhenPaper::Alert {
            perils: perils.iter().map(|peril| peril.code().to_owned()).collect(),
            at_least: at_least.map(|severity| severity.code().to_owned()),
            life_only: *life_only,
            moment: match moment {
                AlertMoment::Raised => MomentPaper::Raised,
                AlertMoment::Over => MomentPaper::Over,
            },
        },
        When::Calendar { title_has } => WhenPaper::Calendar { title_has: title_has.clone() },
        When::HouseStart => WhenPaper::HouseStart {},
    })
}

fn test(test: &Test) -> TestPaper {
    let mut paper = TestPaper::default();
    match test {
        Test::Equals(value) => paper.equals = Some(plain(value)),
        Test::Differs(value) => paper.differs = Some(plain(value)),
        Test::Above(value) => paper.above = Some(plain(value)),
        Test::Below(value) => paper.below = Some(plain(value)),
        Test::Changed => paper.changed = Some(true),
        Test::Unknown => paper.unknown = Some(true),
    }
    paper
}

fn conditions(list: &[Condition]) -> Vec<Json> {
    list.iter().map(condition).collect()
}

fn condition(condition: &Condition) -> Json {
    raw(&match condition {
        Condition::State { at, is } => {
            ConditionPaper::State { device: at.device.to_string(), property: at.property.clone(), is: test(is) }
        }
        Condition::Time { from, to, days } => {
            let Days { week, month } = days.clone();
            ConditionPaper::Time { from: clock(*from), to: clock(*to), weekdays: week, monthdays: month }
        }
        Condition::Home { person, is } => {
            ConditionPaper::Home { person: person.map(|person| person.to_string()), is: *is }
        }
        Condition::SunUp(up) => ConditionPaper::Sun { up: *up },
        Condition::Expression(expression) => ConditionPaper::Expression { expression: expression.clone() },
        Condition::All(list) => ConditionPaper::All { of: conditions(list) },
        Condition::Any(list) => ConditionPaper::Any { of: conditions(list) },
        Condition::Not(inner) => ConditionPaper::Not { of: self::condition(inner) },
    })
}

fn steps(list: &[Step]) -> Vec<Json> {
    list.iter().map(step).collect()
}

fn step(step: &Step) -> Json {
    let mut head = Map::new();
    if !step.name.is_empty() {
        head.insert("name".to_owned(), step.name.clone().into());
    }
    if step.go_on {
        head.insert("go_on".to_owned(), true.into());
    }
    both(Json::Object(head), action(&step.action))
}

fn action(action: &Action) -> Json {
    raw(&match action {
        Action::Command { at, value, doubt } => ActionPaper::Command {
            device: at.device.to_string(),
            property: at.property.clone(),
            value: given(value),
            after_doubt: doubt.map(|doubt| match doubt {
                Doubt::Again => DoubtPaper::Again,
                Doubt::Once => DoubtPaper::Once,
            }),
        },
        Action::Scene { name, commands } => ActionPaper::Scene {
            scene: name.clone(),
            commands: commands
                .iter()
                .map(|(at, value)| ScenePaper {
                    device: at.device.to_string(),
                    property: at.property.clone(),
                    value: given(value),
                })
                .collect(),
        },
        Action::Wait { seconds } => ActionPaper::Wait { seconds: given(seconds) },
        Action::Until { awaited, timeout_s, go_on } => {
            let (so, happens) = match awaited {
                Awaited::So(condition) => (Some(self::condition(condition)), None),
                Awaited::Happens(happens) => (None, Some(when(happens))),
            };
            ActionPaper::Until { so, happens, timeout_s: *timeout_s, then_go_on: *go_on }
        }
        Action::Choose { branches, otherwise } => ActionPaper::Choose {
            branches: branches
                .iter()
                .map(|Branch { conditions: so, steps: then }| BranchPaper {
                    conditions: conditions(so),
                    then: steps(then),
                })
                .collect(),
            otherwise: steps(otherwise),
        },
        Action::Repeat { turns, steps: list } => {
            let (count, so_long, each) = match turns {
                Turns::Count(count) => (Some(*count), None, None),
                Turns::While(list) => (None, Some(conditions(list)), None),
                Turns::Each(items) => (None, None, Some(items.iter().map(given).collect())),
            };
            ActionPaper::Repeat { count, so_long, each, steps: steps(list) }
        }
        Action::Notify { to, severity, title, text } => ActionPaper::Notify {
            to: to.iter().map(ToString::to_string).collect(),
            severity: Some(severity.code().to_owned()),
            title: title.clone(),
            text: text.clone(),
        },
        Action::Reading { point, values } => {
            ActionPaper::Reading { point: point.to_string(), values: values.iter().map(given).collect() }
        }
        Action::Start(scenario) => ActionPaper::Start { scenario: scenario.to_string() },
        Action::Stop(scenario) => ActionPaper::Stop { scenario: scenario.to_string() },
        Action::Set { name, value } => ActionPaper::Set { variable: name.clone(), value: given(value) },
        Action::End => ActionPaper::End {},
    })
}

fn given(given: &Given) -> GivenPaper {
    match given {
        Given::Value(value) => GivenPaper::Plain(plain(value)),
        Given::Expression(expression) => GivenPaper::Expression(ExpressionPaper { expression: expression.clone() }),
    }
}

/// A number that JSON cannot spell exactly goes as a text; it is read back as a number where a number is wanted.
pub(super) fn plain(value: &Value) -> PlainPaper {
    match value {
        Value::Bool(flag) => PlainPaper::Bool(*flag),
        Value::Text(text) => PlainPaper::Text(text.clone()),
        Value::Number(number) => match number.normalize().to_string().parse() {
            Ok(number) => PlainPaper::Number(number),
            Err(_) => PlainPaper::Text(number.to_string()),
        },
    }
}

pub(super) fn clock(at: jiff::civil::Time) -> String {
    if at.second() == 0 { at.strftime("%H:%M").to_string() } else { at.strftime("%H:%M:%S").to_string() }
}
