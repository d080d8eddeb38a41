//! How the reflex stands, as it is shown: a copy that people read while it goes on. Values, and no words.

use std::sync::Arc;

use domovoi_model::{DeviceRef, Moment, Value};

use super::danger::{Key, News, Open, Pursuit};
use super::home::Home;
use super::reflex::Reflex;
use super::rule::{Place, Rule};
use super::testing::TestRun;
use crate::bus::SafetyNews;

/// How it stands.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The rules.
    pub rules: Vec<Rule>,
    /// What is open.
    pub dangers: Vec<(Key, Open, String)>,
    /// What is being set, and what stays set.
    pub pursuits: Vec<(Place, Pursuit, String)>,
    /// The latest tests, the newest first.
    pub tests: Vec<TestRun>,
    /// Dangers of unknown devices that were not kept.
    pub strangers_beyond: u64,
    /// The home as the reflex sees it.
    pub home: Arc<Home>,
    /// How many sensors, valves and sirens were accepted.
    pub sensors: usize,
    /// Valves.
    pub valves: usize,
    /// Sirens.
    pub sirens: usize,
}

impl Standing {
    /// As it is now.
    pub fn of(reflex: &Reflex, beyond: u64) -> Self {
        use super::home::Organ;
        let home = Arc::clone(reflex.home());
        let in_earnest = reflex.dangers().iter().filter(|(key, _)| key.test.is_none());
        let mut tests: Vec<TestRun> = reflex.tests().cloned().collect();
        tests.reverse();
        Standing {
            rules: reflex.rules().to_vec(),
            dangers: in_earnest.map(|(key, open)| (key.clone(), open.clone(), home.name(&key.place.device))).collect(),
            pursuits: reflex
                .pursuits()
                .iter()
                .filter(|(_, pursuit)| !pursuit.let_go)
                .map(|(place, pursuit)| (place.clone(), pursuit.clone(), home.name(&place.device)))
                .collect(),
            tests,
            strangers_beyond: reflex.strangers_beyond().saturating_add(beyond),
            sensors: home.devices().iter().filter(|device| device.accepted && device.is_sensor()).count(),
            valves: home.organs(Organ::Valve, None).count(),
            sirens: home.organs(Organ::Siren, None).count(),
            home,
        }
    }
}

/// A piece of news for the bus.
pub fn told(news: &News, home: &Home) -> SafetyNews {
    let about =
        |what, place: &Place, danger: Option<super::rule::Danger>, value: Option<&Value>, tries, at, test| SafetyNews {
            what,
            danger: danger.map(super::rule::Danger::code),
            device: Some(place.device.clone()),
            name: home.name(&place.device),
            property: place.property.clone(),
            value: value.cloned(),
            tries,
            at,
            test,
            accepted: true,
        };
    let of_danger = |what, key: &Key, open: &Open| {
        let told =
            about(what, &key.place, Some(key.danger), Some(&open.value), 0, Some(open.since), key.test.is_some());
        SafetyNews { accepted: open.accepted, ..told }
    };
    let of_deed = |what, place: &Place, pursuit: &Pursuit| {
        about(
            what,
            place,
            Some(pursuit.danger),
            Some(&pursuit.value),
            pursuit.tries,
            Some(pursuit.since),
            pursuit.is_test(),
        )
    };
    match news {
        News::Began(key, open) if open.remembered => of_danger("remembered", key, open),
        News::Began(key, open) => of_danger("began", key, open),
        News::Over(key, open, _) => of_danger("over", key, open),
        News::Said(place, pursuit) => of_deed("said", place, pursuit),
        News::NotSaid(place, pursuit) => of_deed("not-said", place, pursuit),
        News::Confirmed(place, pursuit) => of_deed("confirmed", place, pursuit),
        News::Unanswered(place, pursuit) => of_deed("unanswered", place, pursuit),
        News::Undone(place, pursuit) => of_deed("undone", place, pursuit),
        News::Ended(place, pursuit) => of_deed("ended", place, pursuit),
        News::Hushed(_) => bare("hushed", None, false),
        News::Tested(run) => bare("tested", Some(run.danger.code()), true),
    }
}

fn bare(what: &'static str, danger: Option<&'static str>, test: bool) -> SafetyNews {
    SafetyNews {
        what,
        danger,
        device: None::<DeviceRef>,
        name: String::new(),
        property: String::new(),
        value: None,
        tries: 0,
        at: None::<Moment>,
        test,
        accepted: true,
    }
}
