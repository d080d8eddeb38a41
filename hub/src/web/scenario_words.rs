//! Scenarios in words: what begins one, what must be so, what it does, what happened in a run, in the reader's language and
//! with the names that the family gave. It decides nothing and leaves nothing out.

use domovoi_config::Language;
use domovoi_model::{Id, PersonId, Value};
use rust_decimal::Decimal;

use crate::scenarios::{
    Action, AlertMoment, Awaited, Condition, Days, End, Given, Line, Mode, Place, RunView, Scenario, ScenariosError,
    Step, SunEvent, Test, Trigger, Turns, What, When,
};
use crate::web::Desk;
use crate::web::refused::sentence;
use crate::words::words;

/// Somebody who speaks the reader's language and knows the home's names.
pub struct Speaker<'a> {
    desk: &'a Desk,
    language: Language,
}

/// A step in words, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLine {
    /// Its path in the wire form: `actions[2].branches[0].then[0]`.
    pub path: String,
    /// How deep.
    pub depth: usize,
    /// What it does.
    pub words: String,
    /// It is a step, which can be moved and taken away; otherwise a heading of a branch.
    pub is_step: bool,
}

impl<'a> Speaker<'a> {
    pub fn new(desk: &'a Desk, language: Language) -> Self {
        Speaker { desk, language }
    }

    pub fn say(&self, key: &str, variables: &[(&str, &str)]) -> String {
        words(self.language).say(key, variables)
    }

    /// «Лампа: яркость».
    pub fn place(&self, at: &Place) -> String {
        let name = self.desk.devices.show(&at.device).map_or_else(|| at.device.to_string(), |shown| shown.name);
        let key = format!("property-{}", at.property.to_lowercase().replace('_', "-"));
        let property = self.say(&key, &[]);
        let property = if property == key { at.property.replace('_', " ") } else { property };
        self.say("scenario-place", &[("device", &name), ("property", &property)])
    }

    pub fn value(&self, value: &Value) -> String {
        match value {
            Value::Bool(true) => self.say("scenario-yes", &[]),
            Value::Bool(false) => self.say("scenario-no", &[]),
            Value::Text(text) if text.eq_ignore_ascii_case("on") => self.say("scenario-on", &[]),
            Value::Text(text) if text.eq_ignore_ascii_case("off") => self.say("scenario-off", &[]),
            Value::Number(number) => self.number(*number),
            Value::Text(text) => text.clone(),
        }
    }

    fn number(&self, number: Decimal) -> String {
        let spelled = number.normalize().to_string();
        if self.language == Language::Russian { spelled.replace('.', ",") } else { spelled }
    }

    fn given(&self, given: &Given) -> String {
        match given {
            Given::Value(value) => self.value(value),
            Given::Expression(source) => format!("{{{{ {source} }}}}"),
        }
    }

    /// «10 мин», «1 ч 30 мин», «45 с».
    pub fn span(&self, seconds: u64) -> String {
        let parts = [
            ("scenario-hours", seconds / 3600),
            ("scenario-minutes", seconds / 60 % 60),
            ("scenario-seconds", seconds % 60),
        ];
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(key, count)| self.say(key, &[("count", &count.to_string())]))
            .collect();
        if said.is_empty() { self.say("scenario-seconds", &[("count", "0")]) } else { said.join(" ") }
    }

    pub fn person(&self, person: PersonId) -> String {
        self.desk.people.get(person).map_or_else(|| self.say("scenario-somebody-gone", &[]), |person| person.name)
    }

    pub fn scenario(&self, id: Id) -> String {
        self.desk.scenarios.get(id).map_or_else(|| self.say("scenario-gone", &[]), |view| view.scenario.name.clone())
    }

    fn days(&self, days: &Days) -> String {
        let names = super::api::cameras::day_names(self.language);
        let mut said = Vec::new();
        if !days.week.is_empty() && days.week.len() < 7 {
            let week = days.week.iter().filter_map(|day| names.get(usize::from(*day).wrapping_sub(1)).copied());
            said.push(week.collect::<Vec<_>>().join(", "));
        }
        if !days.month.is_empty() {
            let month = days.month.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            said.push(self.say("scenario-monthdays", &[("days", &month)]));
        }
        if said.is_empty() { String::new() } else { format!(" ({})", said.join("; ")) }
    }

    fn test(&self, is: &Test) -> String {
        let of = |key: &str, value: &Value| self.say(key, &[("value", &self.value(value))]);
        match is {
            Test::Equals(value) => of("scenario-test-equals", value),
            Test::Differs(value) => of("scenario-test-differs", value),
            Test::Above(value) => of("scenario-test-above", value),
            Test::Below(value) => of("scenario-test-below", value),
            Test::Changed => self.say("scenario-test-changed", &[]),
            Test::Unknown => self.say("scenario-test-unknown", &[]),
        }
    }

    pub fn trigger(&self, trigger: &Trigger) -> String {
        let said = self.when(&trigger.when);
        if trigger.is_on { said } else { self.say("scenario-trigger-off", &[("when", &said)]) }
    }

    pub fn when(&self, when: &When) -> String {
        match when {
            When::State { at, is, for_s } => {
                let (place, test) = (self.place(at), self.test(is));
                match for_s {
                    None => self.say("scenario-says-state", &[("place", &place), ("test", &test)]),
                    Some(seconds) => {
                        let span = self.span(u64::from(*seconds));
                        self.say("scenario-says-state-for", &[("place", &place), ("test", &test), ("span", &span)])
                    }
                }
            }
            When::Edge { at, from, to } => {
                let any = self.say("scenario-any", &[]);
                let spelled = |value: &Option<Value>| value.as_ref().map_or_else(|| any.clone(), |one| self.value(one));
                let (from, to) = (spelled(from), spelled(to));
                self.say("scenario-says-edge", &[("place", &self.place(at)), ("from", &from), ("to", &to)])
            }
            When::Time { at, days } => {
                let times = at.iter().map(|at| at.strftime("%H:%M").to_string()).collect::<Vec<_>>().join(", ");
                self.say("scenario-says-time", &[("times", &times), ("days", &self.days(days))])
            }
            When::Every { seconds, days } => {
                let span = self.span(u64::from(*seconds));
                self.say("scenario-says-every", &[("span", &span), ("days", &self.days(days))])
            }
            When::Sun { event, offset_minutes, days } => {
                let event = match event {
                    SunEvent::Rise => "scenario-sunrise",
                    SunEvent::Set => "scenario-sunset",
                };
                let key = match offset_minutes.signum() {
                    0 => "scenario-says-sun",
                    1 => "scenario-says-sun-after",
                    _ => "scenario-says-sun-before",
                };
                let span = self.span(u64::from(offset_minutes.unsigned_abs()) * 60);
                self.say(key, &[("event", &self.say(event, &[])), ("span", &span), ("days", &self.days(days))])
            }
            When::Arrives(None) => self.say("scenario-says-arrives", &[]),
            When::Arrives(Some(person)) => self.say("scenario-says-arrives-who", &[("name", &self.person(*person))]),
            When::Leaves(None) => self.say("scenario-says-leaves", &[]),
            When::Leaves(Some(person)) => self.say("scenario-says-leaves-who", &[("name", &self.person(*person))]),
            When::Webhook { .. } => self.say("scenario-says-webhook", &[]),
            When::Alert { perils, at_least, life_only, moment } => {
                let mut what: Vec<String> = perils.iter().map(|peril| self.peril(peril.code())).collect();
                what.extend(at_least.map(|severity| self.severity(severity.code())));
                if *life_only {
                    what.push(self.say("scenario-life-only", &[]));
                }
                let what = if what.is_empty() { String::new() } else { format!(" ({})", what.join(", ")) };
                let key = match moment {
                    AlertMoment::Raised => "scenario-says-alert",
                    AlertMoment::Over => "scenario-says-alert-over",
                };
                self.say(key, &[("what", &what)])
            }
            When::Calendar { title_has } if title_has.is_empty() => self.say("scenario-says-calendar", &[]),
            When::Calendar { title_has } => self.say("scenario-says-calendar-with", &[("title", title_has)]),
            When::HouseStart => self.say("scenario-says-house-start", &[]),
        }
    }

    pub fn peril(&self, code: &str) -> String {
        self.say(&format!("alert-peril-{code}"), &[])
    }

    pub fn severity(&self, code: &str) -> String {
        self.say(&format!("alert-severity-{code}"), &[])
    }

    pub fn condition(&self, condition: &Condition) -> String {
        let list = |list: &[Condition], with: &str| {
            let said: Vec<String> = list.iter().map(|one| self.condition(one)).collect();
            if said.len() > 1 { format!("({})", said.join(&self.say(with, &[]))) } else { said.join("") }
        };
        match condition {
            Condition::State { at, is } => {
                self.say("scenario-says-state", &[("place", &self.place(at)), ("test", &self.test(is))])
            }
            Condition::Time { from, to, days } => {
                let (from, to) = (from.strftime("%H:%M").to_string(), to.strftime("%H:%M").to_string());
                self.say("scenario-so-time", &[("from", &from), ("to", &to), ("days", &self.days(days))])
            }
            Condition::Home { person: None, is: true } => self.say("scenario-so-anybody", &[]),
            Condition::Home { person: None, is: false } => self.say("scenario-so-nobody", &[]),
            Condition::Home { person: Some(person), is } => {
                let key = if *is { "scenario-so-home" } else { "scenario-so-away" };
                self.say(key, &[("name", &self.person(*person))])
            }
            Condition::SunUp(true) => self.say("scenario-so-sun-up", &[]),
            Condition::SunUp(false) => self.say("scenario-so-sun-down", &[]),
            Condition::Expression(source) => format!("{{{{ {source} }}}}"),
            Condition::All(all) => list(all, "scenario-and"),
            Condition::Any(all) => list(all, "scenario-or"),
            Condition::Not(inner) => self.say("scenario-so-not", &[("what", &self.condition(inner))]),
        }
    }

    pub fn conditions(&self, all: &[Condition]) -> String {
        let said: Vec<String> = all.iter().map(|one| self.condition(one)).collect();
        if said.is_empty() { self.say("scenario-always", &[]) } else { said.join(&self.say("scenario-and", &[])) }
    }

    pub fn action(&self, action: &Action) -> String {
        let set = |at: &Place, value: &Given| {
            self.say("scenario-does-command", &[("place", &self.place(at)), ("value", &self.given(value))])
        };
        match action {
            Action::Command { at, value, .. } => set(at, value),
            Action::Scene { name, commands } => {
                let said: Vec<String> = commands.iter().map(|(at, value)| set(at, value)).collect();
                self.say("scenario-does-scene", &[("name", name), ("commands", &said.join("; "))])
            }
            Action::Wait { seconds: Given::Value(Value::Number(seconds)) } => {
                let whole = u64::try_from(seconds.trunc().mantissa()).unwrap_or(0);
                self.say("scenario-does-wait", &[("span", &self.span(whole))])
            }
            Action::Wait { seconds } => self.say("scenario-does-wait", &[("span", &self.given(seconds))]),
            Action::Until { awaited, timeout_s, .. } => {
                let what = match awaited {
                    Awaited::So(condition) => self.condition(condition),
                    Awaited::Happens(when) => self.when(when),
                };
                match timeout_s {
                    None => self.say("scenario-does-until", &[("what", &what)]),
                    Some(most) => {
                        let span = self.span(u64::from(*most));
                        self.say("scenario-does-until-most", &[("what", &what), ("span", &span)])
                    }
                }
            }
            Action::Choose { .. } => self.say("scenario-does-choose", &[]),
            Action::Repeat { turns: Turns::Count(count), .. } => {
                self.say("scenario-does-repeat", &[("count", &count.to_string())])
            }
            Action::Repeat { turns: Turns::While(so), .. } => {
                self.say("scenario-does-while", &[("what", &self.conditions(so))])
            }
            Action::Repeat { turns: Turns::Each(items), .. } => {
                let items: Vec<String> = items.iter().map(|item| self.given(item)).collect();
                self.say("scenario-does-each", &[("items", &items.join(", "))])
            }
            Action::Notify { to, title, .. } => {
                let names: Vec<String> = to.iter().map(|person| self.person(*person)).collect();
                let whom = if names.is_empty() { self.say("scenario-everybody", &[]) } else { names.join(", ") };
                self.say("scenario-does-notify", &[("whom", &whom), ("title", title)])
            }
            Action::Reading { values, .. } => {
                let values: Vec<String> = values.iter().map(|value| self.given(value)).collect();
                self.say("scenario-does-reading", &[("values", &values.join(", "))])
            }
            Action::Start(id) => self.say("scenario-does-start", &[("name", &self.scenario(*id))]),
            Action::Stop(id) => self.say("scenario-does-stop", &[("name", &self.scenario(*id))]),
            Action::Set { name, value } => {
                self.say("scenario-does-set", &[("name", name), ("value", &self.given(value))])
            }
            Action::End => self.say("scenario-does-end", &[]),
        }
    }

    /// All steps, those within others below them.
    pub fn steps(&self, steps: &[Step]) -> Vec<StepLine> {
        let mut lines = Vec::new();
        self.steps_of(steps, "actions", 0, &mut lines);
        lines
    }

    fn steps_of(&self, steps: &[Step], path: &str, depth: usize, lines: &mut Vec<StepLine>) {
        for (n, step) in steps.iter().enumerate() {
            let here = format!("{path}[{n}]");
            let said = self.action(&step.action);
            let said = if step.name.is_empty() { said } else { format!("{}: {said}", step.name) };
            lines.push(StepLine { path: here.clone(), depth, words: said, is_step: true });
            let mut heading = |path: String, words: String| {
                lines.push(StepLine { path, depth: depth + 1, words, is_step: false });
            };
            match &step.action {
                Action::Choose { branches, otherwise } => {
                    for (n, branch) in branches.iter().enumerate() {
                        let so = self.conditions(&branch.conditions);
                        let path = format!("{here}.branches[{n}]");
                        lines.push(StepLine {
                            path: path.clone(),
                            depth: depth + 1,
                            words: self.say("scenario-branch-if", &[("what", &so)]),
                            is_step: false,
                        });
                        self.steps_of(&branch.steps, &format!("{path}.then"), depth + 2, lines);
                    }
                    if !otherwise.is_empty() {
                        let path = format!("{here}.else");
                        lines.push(StepLine {
                            path: path.clone(),
                            depth: depth + 1,
                            words: self.say("scenario-branch-else", &[]),
                            is_step: false,
                        });
                        self.steps_of(otherwise, &path, depth + 2, lines);
                    }
                }
                Action::Repeat { steps, .. } => {
                    if steps.is_empty() {
                        heading(format!("{here}.steps"), self.say("scenario-branch-empty", &[]));
                    }
                    self.steps_of(steps, &format!("{here}.steps"), depth + 1, lines);
                }
                _ => {}
            }
        }
    }

    pub fn mode(&self, mode: Mode) -> String {
        self.say(&format!("scenario-mode-{}", mode.code()), &[])
    }

    pub fn end(&self, end: End) -> String {
        self.say(&format!("scenario-end-{}", end.code()), &[])
    }

    /// What began a run.
    pub fn began_by(&self, scenario: Option<&Scenario>, run: &RunView) -> String {
        let trigger = scenario.and_then(|one| one.triggers.iter().find(|trigger| trigger.id == run.trigger));
        match (trigger, run.trigger.as_str()) {
            (Some(trigger), _) => self.when(&trigger.when),
            (None, "hand") => self.say("scenario-by-hand", &[]),
            (None, "scenario") => self.say("scenario-by-scenario", &[]),
            (None, "webhook") => self.say("scenario-says-webhook", &[]),
            (None, other) => other.to_owned(),
        }
    }

    /// What a line of a trace says: what it was about, and what came of it.
    pub fn line(&self, scenario: Option<&Scenario>, line: &Line) -> String {
        let about = scenario.and_then(|scenario| self.about(scenario, &line.path));
        let about = about.unwrap_or_else(|| line.path.clone());
        let said = match line.what {
            What::Began => line.said.parse().map_or_else(|_| line.said.clone(), |id| self.person(PersonId(id))),
            What::Did => match line.said.as_str() {
                "sent" | "confirmed" => self.say(&format!("scenario-did-{}", line.said), &[]),
                other => other.to_owned(),
            },
            What::DidNot => self.refusal(&line.said),
            What::Over => End::from_code(&line.said).map_or_else(|| line.said.clone(), |end| self.end(end)),
            _ => line.said.clone(),
        };
        // Of a branch it keeps nothing from beginning.
        let key = match line.what {
            What::NotSo if !line.path.starts_with("if") => "scenario-line-not-so-there".to_owned(),
            what => format!("scenario-line-{}", what.code()),
        };
        let words = self.say(&key, &[("about", &about), ("said", &said)]);
        // What nothing is said about leaves a colon behind.
        let mut words = words.trim().trim_end_matches([':', ' ']).to_owned();
        if !line.seen.is_empty() {
            let seen: Vec<String> = line.seen.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            words = self.say("scenario-line-seen", &[("words", &words), ("seen", &seen.join(", "))]);
        }
        words
    }

    /// A refusal's code in words, where it is one.
    fn refusal(&self, said: &str) -> String {
        let known = crate::policy::Refusal::ALL.iter().find(|refusal| refusal.code() == said);
        known.map_or_else(|| said.to_owned(), |refusal| sentence(refusal, self.language))
    }

    /// The condition or the step at a path of a trace: `if.2`, `3.then.1`.
    fn about(&self, scenario: &Scenario, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
        if let ["if", number, ..] = parts.as_slice() {
            let at = number.parse::<usize>().ok()?.checked_sub(1)?;
            return scenario.conditions.get(at).map(|one| self.condition(one));
        }
        Some(self.action(&find(&scenario.actions, &parts)?.action))
    }

    /// Why something was not done.
    pub fn error(&self, error: &ScenariosError) -> String {
        match error {
            ScenariosError::NoSuch(what) => self.say(&format!("scenario-no-{what}"), &[]),
            ScenariosError::Wrong(wrong) => self.wrong(&wrong.path, &wrong.why),
            ScenariosError::Refused { path, refusal } => {
                let why = sentence(refusal, self.language);
                self.say("scenario-refused", &[("field", &self.field(path)), ("why", &why)])
            }
            ScenariosError::Full(most) => self.say("scenario-full", &[("most", &most.to_string())]),
            ScenariosError::Busy => self.say("scenario-busy", &[]),
            ScenariosError::Store(error) => error.to_string(),
        }
    }

    /// What is wrong in a field, with what people call the part.
    pub fn wrong(&self, path: &str, why: &str) -> String {
        self.say("scenario-wrong", &[("field", &self.field(path)), ("why", why)])
    }

    /// «действие 3», «условие 1»: where a path of the wire form points.
    pub fn field(&self, path: &str) -> String {
        let numbered = |prefix: &str| {
            let rest = path.strip_prefix(prefix)?.strip_prefix('[')?;
            let (number, inner) = rest.split_once(']')?;
            let number = number.parse::<usize>().ok()? + 1;
            Some((number.to_string(), inner.trim_start_matches('.').to_owned()))
        };
        for (prefix, key) in [
            ("triggers", "scenario-field-trigger"),
            ("conditions", "scenario-field-condition"),
            ("actions", "scenario-field-action"),
        ] {
            if let Some((number, inner)) = numbered(prefix) {
                let said = self.say(key, &[("number", &number)]);
                return if inner.is_empty() { said } else { format!("{said}, {inner}") };
            }
        }
        path.to_owned()
    }
}

/// The step at a path of a trace: numbers count from 1, words say in which list.
fn find<'s>(steps: &'s [Step], parts: &[&str]) -> Option<&'s Step> {
    let (first, rest) = parts.split_first()?;
    let step = steps.get(first.parse::<usize>().ok()?.checked_sub(1)?)?;
    let inner: &[Step] = match (&step.action, rest) {
        (_, []) => return Some(step),
        (Action::Choose { branches, .. }, ["then", ..]) => &branches.first()?.steps,
        (Action::Choose { otherwise, .. }, ["else", ..]) => otherwise,
        (Action::Choose { branches, .. }, [branch, ..]) => {
            let number: String = branch.chars().filter(char::is_ascii_digit).collect();
            let at = number.parse::<usize>().ok()?.checked_sub(1)?;
            &branches.get(at)?.steps
        }
        (Action::Repeat { steps, .. }, _) => steps,
        // A command of a scene is spoken of as the scene.
        _ => return Some(step),
    };
    // The word that says in which list, and a turn's number, stand between two steps.
    let at =
        rest.iter().enumerate().skip(1).find(|(_, part)| part.chars().all(|c| c.is_ascii_digit())).map(|(at, _)| at);
    match at {
        Some(at) => find(inner, rest.get(at..)?).or(Some(step)),
        None => Some(step),
    }
}
