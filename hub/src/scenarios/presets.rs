//! Scenarios that most homes want, made from a few answers. What comes out is a scenario like any other: it can be looked at,
//! changed and exported. Pure; which devices there are and what their values are called is said by whoever asks.

use std::collections::BTreeMap;

use domovoi_model::{Id, Severity, Timestamp, Value};
use jiff::civil::Time;
use rust_decimal::Decimal;

use super::plan::{
    Action, Branch, CatchUp, Condition, Days, Given, Guards, Mode, Place, Scenario, Step, SunEvent, Trigger, When,
};

/// A preset, and what it asks.
#[derive(Debug)]
pub struct Preset {
    /// Its code on the wire and in the locale files (`scenario-preset-<code>`, `…-text`).
    pub code: &'static str,
    /// The name of its picture.
    pub icon: &'static str,
    /// What it asks, in order.
    pub asks: &'static [Ask],
}

/// What a preset asks. Each has words of its own: `scenario-ask-<key>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Things that are switched, one or more.
    Switches,
    /// Things that are set to a temperature, one or more.
    Heaters,
    /// A time of the day.
    Time {
        /// Its name.
        key: &'static str,
        /// What is usual: hour and minute.
        usual: (i8, i8),
    },
    /// A whole number.
    Number {
        /// Its name.
        key: &'static str,
        /// What is usual.
        usual: u32,
        /// At least.
        least: u32,
        /// At most.
        most: u32,
    },
    /// Whether people are told.
    Tell,
}

impl Ask {
    /// Its name on the wire, in forms and in the locale files.
    pub fn key(self) -> &'static str {
        match self {
            Ask::Switches => "switches",
            Ask::Heaters => "heaters",
            Ask::Time { key, .. } | Ask::Number { key, .. } => key,
            Ask::Tell => "tell",
        }
    }
}

const MINUTES: Ask = Ask::Number { key: "minutes", usual: 5, least: 0, most: 240 };
const COMFORT: Ask = Ask::Number { key: "comfort", usual: 21, least: 5, most: 30 };
const ECONOMY: Ask = Ask::Number { key: "economy", usual: 17, least: 5, most: 30 };

/// All of them.
pub const PRESETS: &[Preset] = &[
    Preset { code: "all-off", icon: "home", asks: &[Ask::Switches, MINUTES, Ask::Tell] },
    Preset { code: "night", icon: "lock", asks: &[Ask::Switches, Ask::Time { key: "at", usual: (23, 0) }, Ask::Tell] },
    Preset {
        code: "heating-economy",
        icon: "heat",
        asks: &[Ask::Heaters, COMFORT, ECONOMY, Ask::Number { key: "minutes", usual: 30, least: 0, most: 240 }],
    },
    Preset {
        code: "night-tariff",
        icon: "meter",
        asks: &[Ask::Switches, Ask::Time { key: "from", usual: (23, 0) }, Ask::Time { key: "to", usual: (7, 0) }],
    },
    Preset {
        code: "holiday",
        icon: "people",
        asks: &[
            Ask::Switches,
            Ask::Number { key: "apart", usual: 20, least: 0, most: 120 },
            Ask::Time { key: "off_at", usual: (23, 30) },
        ],
    },
];

/// The preset of a code.
pub fn preset(code: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.code == code)
}

/// Something that is switched, and what its values are called.
#[derive(Debug, Clone, PartialEq)]
pub struct Switchable {
    /// Which.
    pub at: Place,
    /// On.
    pub on: Value,
    /// Off.
    pub off: Value,
}

/// The answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choices {
    /// What is switched.
    pub switches: Vec<Switchable>,
    /// What is set to a temperature.
    pub heaters: Vec<Place>,
    /// Times of the day, by key.
    pub times: BTreeMap<String, Time>,
    /// Numbers, by key.
    pub numbers: BTreeMap<String, u32>,
    /// Whether people are told.
    pub tell: bool,
}

/// What people read of it, in the language of the home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wording {
    /// What the scenario is called.
    pub name: String,
    /// What whoever is told reads.
    pub told: String,
}

/// What is wrong with the answers: of which question, and its code (`scenario-preset-wrong-<code>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ask}: {code}")]
pub struct PresetWrong {
    /// The question's key.
    pub ask: &'static str,
    /// `none`, `too-many`, `out-of-range`, `not-warmer`.
    pub code: &'static str,
}

/// So many things fit a scene.
const MOST_THINGS: usize = super::paper::limits::LIST;

/// Makes the scenario. It has no id and nobody has saved it.
pub fn build(preset: &Preset, choices: &Choices, wording: &Wording) -> Result<Scenario, PresetWrong> {
    let answers = Answers { preset, choices };
    answers.check()?;
    let scenario = |mode, triggers, conditions, actions| Scenario {
        id: Id([0; 16]),
        name: wording.name.clone(),
        note: String::new(),
        icon: Some(preset.icon.to_owned()),
        room: None,
        preset: Some(preset.code.to_owned()),
        is_on: true,
        author: None,
        sure: false,
        mode,
        triggers,
        conditions,
        actions,
        guards: Guards::default(),
        changed_at: Timestamp(0),
    };
    let tell = || -> Vec<Step> {
        let told = Action::Notify {
            to: Vec::new(),
            severity: Severity::Minor,
            title: wording.told.clone(),
            text: String::new(),
        };
        if choices.tell { vec![step(told)] } else { Vec::new() }
    };
    Ok(match preset.code {
        "all-off" => {
            let mut then = vec![scene(&wording.name, answers.switched(false))];
            then.extend(tell());
            let actions = vec![wait(answers.number("minutes")), when_so(vec![home(false)], then, Vec::new())];
            // Whoever comes back within the time stops nothing: it is looked again whether anybody is there.
            scenario(Mode::Restart, vec![trigger("left", When::Leaves(None))], Vec::new(), actions)
        }
        "night" => {
            let mut actions = vec![scene(&wording.name, answers.switched(false))];
            actions.extend(tell());
            let at = When::Time { at: vec![answers.time("at")], days: Days::default() };
            scenario(Mode::Single, vec![trigger("night", at)], Vec::new(), actions)
        }
        "heating-economy" => {
            let warm = |key| scene(&wording.name, answers.heated(answers.number(key)));
            let away =
                vec![wait(answers.number("minutes")), when_so(vec![home(false)], vec![warm("economy")], Vec::new())];
            let actions = vec![when_so(vec![home(true)], vec![warm("comfort")], away)];
            // Who comes home while it waits begins it anew, and it is warm.
            let triggers = vec![trigger("left", When::Leaves(None)), trigger("came", When::Arrives(None))];
            scenario(Mode::Restart, triggers, Vec::new(), actions)
        }
        "night-tariff" => {
            let (from, to) = (answers.time("from"), answers.time("to"));
            let cheap = Condition::Time { from, to, days: Days::default() };
            let actions = vec![when_so(
                vec![cheap],
                vec![scene(&wording.name, answers.switched(true))],
                vec![scene(&wording.name, answers.switched(false))],
            )];
            let mut turns = trigger("turn", When::Time { at: sorted(from, to), days: Days::default() });
            // After a power cut it is looked anew what the hour wants, however long it was.
            turns.max_age_s = 12 * 3600;
            scenario(Mode::Restart, vec![turns, trigger("start", When::HouseStart)], Vec::new(), actions)
        }
        _ => {
            let off_at = answers.time("off_at");
            let late = Condition::Time { from: off_at, to: Time::constant(12, 0, 0, 0), days: Days::default() };
            let apart = answers.number("apart");
            let mut evening = Vec::new();
            for (n, thing) in choices.switches.iter().enumerate() {
                if n > 0 {
                    evening.push(wait(apart));
                }
                evening.push(step(Action::Command {
                    at: thing.at.clone(),
                    value: Given::Value(thing.on.clone()),
                    doubt: None,
                }));
            }
            let actions = vec![when_so(vec![late], vec![scene(&wording.name, answers.switched(false))], evening)];
            let dusk = When::Sun { event: SunEvent::Set, offset_minutes: 0, days: Days::default() };
            let off = When::Time { at: vec![off_at], days: Days::default() };
            scenario(Mode::Restart, vec![trigger("dusk", dusk), trigger("off", off)], vec![home(false)], actions)
        }
    })
}

struct Answers<'a> {
    preset: &'a Preset,
    choices: &'a Choices,
}

impl Answers<'_> {
    fn check(&self) -> Result<(), PresetWrong> {
        for ask in self.preset.asks {
            let wrong = |code| Err(PresetWrong { ask: ask.key(), code });
            let count = match ask {
                Ask::Switches => self.choices.switches.len(),
                Ask::Heaters => self.choices.heaters.len(),
                Ask::Number { key, least, most, .. } => {
                    if !(*least..=*most).contains(&self.number(key)) {
                        return wrong("out-of-range");
                    }
                    continue;
                }
                Ask::Time { .. } | Ask::Tell => continue,
            };
            match count {
                0 => return wrong("none"),
                count if count > MOST_THINGS => return wrong("too-many"),
                _ => {}
            }
        }
        let warms = self.preset.asks.contains(&COMFORT);
        if warms && self.number("economy") >= self.number("comfort") {
            return Err(PresetWrong { ask: "economy", code: "not-warmer" });
        }
        Ok(())
    }

    fn number(&self, key: &str) -> u32 {
        let usual = self.preset.asks.iter().find_map(|ask| match ask {
            Ask::Number { key: one, usual, .. } if *one == key => Some(*usual),
            _ => None,
        });
        self.choices.numbers.get(key).copied().or(usual).unwrap_or_default()
    }

    fn time(&self, key: &str) -> Time {
        let usual = self.preset.asks.iter().find_map(|ask| match ask {
            Ask::Time { key: one, usual: (hour, minute) } if *one == key => Time::new(*hour, *minute, 0, 0).ok(),
            _ => None,
        });
        self.choices.times.get(key).copied().or(usual).unwrap_or_default()
    }

    fn switched(&self, on: bool) -> Vec<(Place, Given)> {
        let given = |thing: &Switchable| {
            let value = if on { &thing.on } else { &thing.off };
            (thing.at.clone(), Given::Value(value.clone()))
        };
        self.choices.switches.iter().map(given).collect()
    }

    fn heated(&self, degrees: u32) -> Vec<(Place, Given)> {
        let value = Given::Value(Value::Number(Decimal::from(degrees)));
        self.choices.heaters.iter().map(|at| (at.clone(), value.clone())).collect()
    }
}

fn sorted(one: Time, other: Time) -> Vec<Time> {
    let mut both = vec![one, other];
    both.sort_unstable();
    both.dedup();
    both
}

fn trigger(id: &str, when: When) -> Trigger {
    Trigger { id: id.to_owned(), is_on: true, when, catch_up: CatchUp::Once, max_age_s: 15 * 60 }
}

fn step(action: Action) -> Step {
    Step { name: String::new(), action, go_on: true }
}

fn scene(name: &str, commands: Vec<(Place, Given)>) -> Step {
    step(Action::Scene { name: name.to_owned(), commands })
}

fn wait(minutes: u32) -> Step {
    step(Action::Wait { seconds: Given::Value(Value::Number(Decimal::from(u64::from(minutes) * 60))) })
}

fn home(is: bool) -> Condition {
    Condition::Home { person: None, is }
}

fn when_so(conditions: Vec<Condition>, steps: Vec<Step>, otherwise: Vec<Step>) -> Step {
    step(Action::Choose { branches: vec![Branch { conditions, steps }], otherwise })
}

#[cfg(test)]
mod tests {
    use domovoi_model::DeviceRef;

    use super::super::{ScenarioPaper, toml};
    use super::*;

    fn place(name: &str, property: &str) -> Place {
        Place { device: DeviceRef::new("zigbee2mqtt", name), property: property.into() }
    }

    fn all() -> Choices {
        let lamp = |name: &str| Switchable {
            at: place(name, "state"),
            on: Value::Text("ON".into()),
            off: Value::Text("OFF".into()),
        };
        Choices {
            switches: vec![lamp("0x1"), lamp("0x2")],
            heaters: vec![place("0x3", "occupied_heating_setpoint")],
            tell: true,
            ..Choices::default()
        }
    }

    fn wording() -> Wording {
        Wording { name: "Имя".into(), told: "Всё выключено".into() }
    }

    #[test]
    fn each_preset_is_a_scenario_that_can_be_saved_and_exported() {
        for preset in PRESETS {
            let scenario = build(preset, &all(), &wording()).unwrap();
            let paper = ScenarioPaper::from(&scenario);
            assert_eq!(paper.scenario(&DeviceRef::parse).as_ref(), Ok(&scenario), "{}", preset.code);
            let text = toml::write(&paper);
            let back = toml::read(&text).unwrap().paper.scenario(&DeviceRef::parse);
            assert_eq!(back.as_ref(), Ok(&scenario), "{text}");
            assert!(!scenario.triggers.is_empty() && !scenario.actions.is_empty());
        }
    }

    #[test]
    fn what_was_answered_is_what_is_done() {
        let mut choices = all();
        choices.numbers.insert("comfort".into(), 22);
        choices.times.insert("from".into(), Time::constant(22, 30, 0, 0));
        let warm = build(preset("heating-economy").unwrap(), &choices, &wording()).unwrap();
        let spelled = toml::write(&ScenarioPaper::from(&warm));
        assert!(spelled.contains("value = 22") && spelled.contains("value = 17"), "{spelled}");
        let cheap = build(preset("night-tariff").unwrap(), &choices, &wording()).unwrap();
        let spelled = toml::write(&ScenarioPaper::from(&cheap));
        assert!(spelled.contains("at = [\"07:00\", \"22:30\"]") && spelled.contains("\"ON\""), "{spelled}");
        choices.tell = false;
        let quiet = build(preset("all-off").unwrap(), &choices, &wording()).unwrap();
        assert!(!toml::write(&ScenarioPaper::from(&quiet)).contains("notify"));
    }

    #[test]
    fn answers_that_make_no_sense_are_refused_by_their_question() {
        let wrong = |code: &str, choices: &Choices| build(preset(code).unwrap(), choices, &wording()).unwrap_err();
        assert_eq!(wrong("all-off", &Choices::default()), PresetWrong { ask: "switches", code: "none" });
        assert_eq!(wrong("heating-economy", &Choices::default()).ask, "heaters");
        let mut choices = all();
        choices.numbers.insert("economy".into(), 21);
        assert_eq!(wrong("heating-economy", &choices), PresetWrong { ask: "economy", code: "not-warmer" });
        choices.numbers.insert("minutes".into(), 241);
        assert_eq!(wrong("all-off", &choices), PresetWrong { ask: "minutes", code: "out-of-range" });
        choices.switches = vec![choices.switches[0].clone(); 65];
        assert_eq!(wrong("night", &choices).code, "too-many");
        assert!(preset("party").is_none());
    }
}
