//! What scenarios look at, and how a condition stands in it: so, not so, or not known. What is not known is not so, and
//! the trace says which. Pure: a world is asked and nothing is done.

use std::sync::{Arc, Mutex, PoisonError};

use domovoi_adapters::expression::{Answers, Come, Term};
use domovoi_model::{DeviceRef, PersonId, Timestamp, Value};
use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::due::Now;
use super::expression;
use super::plan::{Condition, Days, Given, Place, SunEvent, Test};
use super::run::Run;

/// How many values one look remembers for the trace, and how long each may be.
const SEEN: usize = 12;
const SEEN_CHARS: usize = 60;

/// How things stand. Nothing of it waits.
pub trait World: Send + Sync {
    /// How a property stands; `None`: nobody knows.
    fn value(&self, at: &Place) -> Option<Value>;
    /// The device that a text means.
    fn find(&self, text: &str) -> Option<DeviceRef>;
    /// Whether somebody is at home.
    fn home(&self, person: Option<PersonId>) -> Option<bool>;
    /// The person of this name.
    fn person(&self, name: &str) -> Option<PersonId>;
    /// When the sun comes up or goes down on a day; `None`: not at all, or nobody knows where the home is.
    fn sun(&self, event: SunEvent, on: Date) -> Option<Timestamp>;
    /// The home's clocks.
    fn zone(&self) -> &TimeZone;
}

/// How a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is so.
    So,
    /// It is not.
    NotSo,
    /// Something that it needs is not known.
    Unknown,
}

impl Standing {
    fn of(so: bool) -> Self {
        if so { Standing::So } else { Standing::NotSo }
    }
}

/// One look at the world: what was seen is remembered for the trace.
pub struct Look<'a> {
    world: &'a Arc<dyn World>,
    now: &'a Now,
    run: Option<&'a Run>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    /// Why an expression could not be worked out.
    pub wrong: Option<String>,
    /// How many expressions were worked out.
    pub worked_out: u32,
}

impl<'a> Look<'a> {
    /// Without a run there are no variables.
    pub fn new(world: &'a Arc<dyn World>, now: &'a Now, run: Option<&'a Run>) -> Self {
        Look { world, now, run, seen: Arc::default(), wrong: None, worked_out: 0 }
    }

    /// What was seen.
    pub fn seen(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How a property stands towards a test.
    pub fn test(&self, at: &Place, is: &Test) -> Standing {
        let value = self.world.value(at);
        see(&self.seen, format!("{}/{}", at.device, at.property), value.as_ref());
        stands(value.as_ref(), is)
    }

    /// How a condition stands.
    pub fn condition(&mut self, condition: &Condition) -> Standing {
        match condition {
            Condition::State { at, is } => self.test(at, is),
            Condition::Time { from, to, days } => match self.local() {
                Some(local) => {
                    let time = local.time();
                    let over_midnight = to <= from;
                    let within = if over_midnight { time >= *from || time < *to } else { time >= *from && time < *to };
                    let day = if over_midnight && time < *to && from != to {
                        local.date().yesterday().ok()
                    } else {
                        Some(local.date())
                    };
                    Standing::of(within && day.is_some_and(|day| falls_on(days, day)))
                }
                None => Standing::Unknown,
            },
            Condition::Home { person, is } => match self.world.home(*person) {
                Some(home) => Standing::of(home == *is),
                None => Standing::Unknown,
            },
            Condition::SunUp(up) => match self.sun_is_up() {
                Some(is_up) => Standing::of(is_up == *up),
                None => Standing::Unknown,
            },
            Condition::Expression(source) => match self.work_out(source) {
                Ok(Some(Value::Bool(so))) => Standing::of(so),
                Ok(Some(other)) => {
                    self.wrong = Some(format!("«{}» is neither true nor false", clip(&other.to_string())));
                    Standing::Unknown
                }
                Ok(None) => Standing::Unknown,
                Err(why) => {
                    self.wrong = Some(why);
                    Standing::Unknown
                }
            },
            Condition::All(list) => self.all(list),
            Condition::Any(list) => {
                let mut unknown = false;
                for one in list {
                    match self.condition(one) {
                        Standing::So => return Standing::So,
                        Standing::Unknown => unknown = true,
                        Standing::NotSo => {}
                    }
                }
                if unknown { Standing::Unknown } else { Standing::NotSo }
            }
            Condition::Not(inner) => match self.condition(inner) {
                Standing::So => Standing::NotSo,
                Standing::NotSo => Standing::So,
                Standing::Unknown => Standing::Unknown,
            },
        }
    }

    /// All of them: one that is not so settles it, whatever of the others is not known.
    pub fn all(&mut self, list: &[Condition]) -> Standing {
        let mut unknown = false;
        for one in list {
            match self.condition(one) {
                Standing::NotSo => return Standing::NotSo,
                Standing::Unknown => unknown = true,
                Standing::So => {}
            }
        }
        if unknown { Standing::Unknown } else { Standing::So }
    }

    /// A value; `Ok(None)`: something that it needs is not known.
    pub fn given(&mut self, given: &Given) -> Result<Option<Value>, String> {
        match given {
            Given::Value(value) => Ok(Some(value.clone())),
            Given::Expression(source) => self.work_out(source),
        }
    }

    /// A text with what is worked out in it.
    pub fn text(&mut self, source: &str) -> Result<Option<String>, String> {
        self.worked_out += u32::from(source.contains('{'));
        Ok(match expression::work_out_text(source, &self.variables(), &self.answers())? {
            Come::To(text) => Some(text),
            Come::Unknown => None,
        })
    }

    fn work_out(&mut self, source: &str) -> Result<Option<Value>, String> {
        self.worked_out += 1;
        Ok(match expression::work_out(source, &self.variables(), &self.answers())? {
            Come::To(text) => Some(expression::value_of(&text)),
            Come::Unknown => None,
        })
    }

    fn local(&self) -> Option<Zoned> {
        local(self.now.wall?, self.world.zone())
    }

    fn sun_is_up(&self) -> Option<bool> {
        let today = self.local()?.date();
        let (rise, set) = (self.world.sun(SunEvent::Rise, today)?, self.world.sun(SunEvent::Set, today)?);
        let now = self.now.wall?;
        Some(rise <= now && now < set)
    }

    fn variables(&self) -> Vec<(&'static str, Term)> {
        let mut variables = Vec::with_capacity(5);
        if let Some(now) = self.now.wall
            && let Some(local) = local(now, self.world.zone())
        {
            let number = |number: i64| Term::Number(number.into());
            variables.push((
                "clock",
                Term::Parts(vec![
                    ("hour", number(local.hour().into())),
                    ("minute", number(local.minute().into())),
                    ("second", number(local.second().into())),
                    ("weekday", number(local.weekday().to_monday_one_offset().into())),
                    ("day", number(local.day().into())),
                    ("month", number(local.month().into())),
                    ("year", number(local.year().into())),
                    ("timestamp", number(now.0 / 1000)),
                    ("date", Term::Text(local.date().to_string())),
                    ("time", Term::Text(local.strftime("%H:%M").to_string())),
                ]),
            ));
            let mut sun = Vec::new();
            if let Some(up) = self.sun_is_up() {
                sun.push(("up", Term::Bool(up)));
            }
            for (name, event) in [("rise", SunEvent::Rise), ("set", SunEvent::Set)] {
                if let Some(at) = self.world.sun(event, local.date()) {
                    sun.push((name, number(at.0 / 1000)));
                }
            }
            variables.push(("sun", Term::Parts(sun)));
        }
        if let Some(run) = self.run {
            variables.extend(run.variables());
        }
        variables
    }

    fn answers(&self) -> Answers {
        let (world, seen) = (Arc::clone(self.world), Arc::clone(&self.seen));
        Arc::new(move |name, terms| match (name, terms) {
            ("state", [Term::Text(device), Term::Text(property)]) => {
                let value = look_up(&world, device, property)?;
                see(&seen, format!("{device}/{property}"), value.as_ref());
                Ok(value.as_ref().map(expression::term_of))
            }
            ("known", [Term::Text(device), Term::Text(property)]) => {
                Ok(Some(Term::Bool(look_up(&world, device, property)?.is_some())))
            }
            ("is_home", [Term::Text(name)]) => {
                let person = world.person(name).ok_or_else(|| format!("nobody here is called «{}»", clip(name)))?;
                let home = world.home(Some(person));
                see(&seen, format!("is_home {name}"), home.map(Value::Bool).as_ref());
                Ok(home.map(Term::Bool))
            }
            ("anybody_home", []) => {
                let home = world.home(None);
                see(&seen, "anybody_home".to_owned(), home.map(Value::Bool).as_ref());
                Ok(home.map(Term::Bool))
            }
            ("state" | "known", _) => Err(format!("{name}('device', 'property') takes two texts")),
            ("is_home", _) => Err("is_home('name') takes one text".to_owned()),
            _ => Err(format!("{name}() takes nothing")),
        })
    }
}

fn look_up(world: &Arc<dyn World>, device: &str, property: &str) -> Result<Option<Value>, String> {
    let device = world.find(device).ok_or_else(|| format!("there is no device «{}»", clip(device)))?;
    Ok(world.value(&Place { device, property: property.to_owned() }))
}

fn see(seen: &Mutex<Vec<(String, String)>>, name: String, value: Option<&Value>) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < SEEN && seen.iter().all(|(known, _)| *known != name) {
        seen.push((name, value.map_or_else(|| "?".to_owned(), |value| clip(&value.to_string()))));
    }
}

/// What is shown of a value or a name.
pub fn clip(text: &str) -> String {
    text.chars().take(SEEN_CHARS).collect()
}

/// How a value stands towards a test. A change is none of this one's business.
pub fn stands(value: Option<&Value>, is: &Test) -> Standing {
    let Some(value) = value else {
        return if *is == Test::Unknown { Standing::So } else { Standing::Unknown };
    };
    match is {
        Test::Equals(wanted) => Standing::of(is_same(value, wanted)),
        Test::Differs(unwanted) => Standing::of(!is_same(value, unwanted)),
        Test::Above(limit) => order(value, limit, |value, limit| value > limit),
        Test::Below(limit) => order(value, limit, |value, limit| value < limit),
        Test::Unknown | Test::Changed => Standing::NotSo,
    }
}

fn order(
    value: &Value,
    limit: &Value,
    fits: impl Fn(&rust_decimal::Decimal, &rust_decimal::Decimal) -> bool,
) -> Standing {
    match (value, limit) {
        (Value::Number(value), Value::Number(limit)) => Standing::of(fits(value, limit)),
        // A word is neither above nor below: the device says something that nobody expected.
        _ => Standing::Unknown,
    }
}

/// Whether two values are the same, as people mean it: words without regard to case, `ON` is true.
pub fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => one.trim().to_lowercase() == other.trim().to_lowercase(),
        (Value::Bool(flag), Value::Text(word)) | (Value::Text(word), Value::Bool(flag)) => {
            let word = word.trim();
            let yes = ["on", "true", "yes"].iter().any(|yes| word.eq_ignore_ascii_case(yes));
            let no = ["off", "false", "no"].iter().any(|no| word.eq_ignore_ascii_case(no));
            (*flag && yes) || (!*flag && no)
        }
        (Value::Number(number), Value::Text(text)) | (Value::Text(text), Value::Number(number)) => {
            text.trim().parse::<rust_decimal::Decimal>().is_ok_and(|text| text == *number)
        }
        _ => one == other,
    }
}

/// Whether a day is one of these.
pub fn falls_on(days: &Days, day: Date) -> bool {
    let week = u8::try_from(day.weekday().to_monday_one_offset()).unwrap_or(0);
    let month = u8::try_from(day.day()).unwrap_or(0);
    (days.week.is_empty() || days.week.contains(&week)) && (days.month.is_empty() || days.month.contains(&month))
}

/// What the home's clocks show.
pub fn local(at: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    Some(jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone()))
}
