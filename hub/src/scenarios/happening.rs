//! What happens that scenarios begin by or wait for, and whether it is what they mean. Pure.

use domovoi_model::{Peril, PersonId, Severity, Value};

use super::plan::{AlertMoment, Place, Test, When};
use super::world::{Standing, is_same, stands};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A property stands otherwise than before.
    Value {
        /// Which.
        at: Place,
        /// The last that was known of it before, however long ago.
        from: Option<Value>,
        /// Whether it was known right before.
        was_known: bool,
        /// How it stands; `None`: nobody knows any more.
        to: Option<Value>,
    },
    /// Somebody came home or left.
    Person {
        /// Who.
        person: PersonId,
        /// Came.
        home: bool,
        /// Whether anybody is at home after it.
        anybody: Option<bool>,
    },
    /// An alert.
    Alert {
        /// What it is.
        peril: Peril,
        /// How bad.
        severity: Severity,
        /// Lives hang on it.
        life: bool,
        /// Which moment.
        moment: AlertMoment,
        /// In words.
        title: String,
    },
    /// A reminder of the calendar is due.
    Reminder {
        /// Its title.
        title: String,
    },
}

impl Happening {
    /// In a word, for the trace.
    pub fn said(&self) -> String {
        match self {
            Happening::Value { at, to, .. } => {
                let to = to.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
                format!("{}/{} = {to}", at.device, at.property)
            }
            Happening::Person { person, home, .. } => format!("{person} {}", if *home { "+" } else { "−" }),
            Happening::Alert { title, .. } | Happening::Reminder { title } => title.clone(),
        }
    }
}

/// Whether this is what is meant. What must hold for a while is not settled here.
pub fn is_meant(when: &When, happening: &Happening) -> bool {
    match (when, happening) {
        (When::State { at, is, .. }, Happening::Value { at: there, from, was_known, to }) if at == there => match is {
            Test::Unknown => *was_known && to.is_none(),
            Test::Changed => match (from, to) {
                (Some(from), Some(to)) => from != to,
                _ => false,
            },
            // Who was silent for a while and says the same again has not changed.
            _ => stands(to.as_ref(), is) == Standing::So && stands(from.as_ref(), is) != Standing::So,
        },
        (When::Edge { at, from, to }, Happening::Value { at: there, from: before, to: after, .. }) if at == there => {
            match (before, after) {
                (Some(before), Some(after)) => {
                    before != after
                        && from.as_ref().is_none_or(|from| is_same(from, before))
                        && to.as_ref().is_none_or(|to| is_same(to, after))
                        && !from.as_ref().is_some_and(|from| is_same(from, after))
                }
                _ => false,
            }
        }
        (When::Arrives(who), Happening::Person { person, home: true, .. }) => who.is_none_or(|who| who == *person),
        (When::Leaves(Some(who)), Happening::Person { person, home: false, .. }) => who == person,
        (When::Leaves(None), Happening::Person { home: false, anybody, .. }) => *anybody == Some(false),
        (
            When::Alert { perils, at_least, life_only, moment },
            Happening::Alert { peril, severity, life, moment: now, .. },
        ) => {
            moment == now
                && (perils.is_empty() || perils.contains(peril))
                && at_least.is_none_or(|least| *severity >= least)
                && (*life || !life_only)
        }
        (When::Calendar { title_has }, Happening::Reminder { title }) => {
            title.to_lowercase().contains(&title_has.to_lowercase())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use domovoi_model::DeviceRef;
    use rust_decimal::Decimal;

    use super::*;

    fn place() -> Place {
        Place { device: DeviceRef::new("d", "1"), property: "p".into() }
    }

    fn value(from: Option<i64>, to: Option<i64>) -> Happening {
        let number = |value: i64| Value::Number(Decimal::from(value));
        Happening::Value { at: place(), from: from.map(number), was_known: true, to: to.map(number) }
    }

    #[test]
    fn a_state_is_meant_when_it_begins_and_not_when_it_is_said_again() {
        let above = When::State { at: place(), is: Test::Above(Value::Number(20.into())), for_s: None };
        assert!(is_meant(&above, &value(Some(19), Some(21))));
        assert!(is_meant(&above, &value(None, Some(21))), "what was never known begins");
        assert!(!is_meant(&above, &value(Some(21), Some(22))));
        assert!(!is_meant(&above, &value(Some(21), None)));
        let unknown = When::State { at: place(), is: Test::Unknown, for_s: None };
        assert!(is_meant(&unknown, &value(Some(21), None)));
        assert!(!is_meant(&unknown, &value(None, Some(21))));
    }

    #[test]
    fn an_edge_goes_from_one_known_value_to_another() {
        let edge = |from: Option<i64>, to: Option<i64>| {
            let number = |value: i64| Value::Number(Decimal::from(value));
            When::Edge { at: place(), from: from.map(number), to: to.map(number) }
        };
        assert!(is_meant(&edge(Some(0), Some(1)), &value(Some(0), Some(1))));
        assert!(!is_meant(&edge(Some(0), Some(1)), &value(Some(2), Some(1))));
        assert!(is_meant(&edge(None, Some(1)), &value(Some(2), Some(1))));
        assert!(!is_meant(&edge(None, Some(1)), &value(Some(1), Some(1))));
        assert!(!is_meant(&edge(None, Some(1)), &value(None, Some(1))));
    }

    #[test]
    fn the_last_who_leaves_is_the_last() {
        let person = PersonId(domovoi_model::Id([1; 16]));
        let left = |anybody| Happening::Person { person, home: false, anybody };
        assert!(is_meant(&When::Leaves(None), &left(Some(false))));
        assert!(!is_meant(&When::Leaves(None), &left(Some(true))));
        assert!(!is_meant(&When::Leaves(None), &left(None)), "nobody knows whether somebody is there");
        assert!(is_meant(&When::Leaves(Some(person)), &left(None)));
    }
}
