//! What waits to be felt: nothing dangerous is lost in it, whatever the flood.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::safety::senses::Senses;

const HAZARDS: [Hazard; 4] = [Hazard::Gas, Hazard::CarbonMonoxide, Hazard::Smoke, Hazard::WaterLeak];

fn senses(known: &[String]) -> Senses<u8> {
    let senses = Senses::default();
    let properties: BTreeSet<String> = ["alarm".to_owned()].into();
    senses.concern(known.iter().map(|name| (device(name), properties.clone())).collect::<HashMap<_, _>>());
    senses
}

proptest! {
    /// Each danger that came in comes out, once; and the last word of each property comes out after its dangers if it was
    /// none of them.
    #[test]
    fn coalescing_loses_no_danger(story in proptest::collection::vec((0usize..6, proptest::option::of(0usize..4)), 0..200)) {
        let known: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
        let senses = senses(&known);
        let mut expected: BTreeSet<(String, Danger)> = BTreeSet::new();
        let mut last: BTreeMap<String, bool> = BTreeMap::new();
        for (n, hazard) in &story {
            let name = format!("s{n}");
            let observation = match hazard {
                Some(hazard) => alarm(&name, HAZARDS[*hazard]),
                None => calm(&name),
            };
            senses.feel(&observation, || 1);
            last.insert(name.clone(), hazard.is_some());
            if let Some(hazard) = hazard {
                expected.insert((name, Danger::of(HAZARDS[*hazard])));
            }
        }
        let arrived = senses.wait(Duration::ZERO).observations;
        prop_assert!(arrived.len() <= 6 * 5);
        let dangers: Vec<(String, Danger)> = arrived
            .iter()
            .filter_map(|observation| Some((observation.device.id.clone(), Danger::of(observation.hazard?))))
            .collect();
        prop_assert_eq!(dangers.len(), expected.len());
        prop_assert_eq!(dangers.iter().cloned().collect::<BTreeSet<_>>(), expected);
        let order: Vec<Danger> = dangers.iter().map(|(_, danger)| *danger).collect();
        prop_assert!(order.is_sorted(), "the gravest first: {:?}", order);
        for (name, is_danger) in last {
            let word = arrived.iter().rev().find(|observation| observation.device.id == name);
            prop_assert_eq!(word.map(|word| word.hazard.is_some()), Some(is_danger), "{}", name);
        }
    }
}

#[test]
fn invented_devices_keep_no_known_one_out() {
    let known: Vec<String> = (0..2_000).map(|n| format!("known{n}")).collect();
    let senses = senses(&known);
    for n in 0..20_000 {
        senses.feel(&alarm(&format!("invented{n}"), Hazard::WaterLeak), || 1);
    }
    for name in &known {
        senses.feel(&alarm(name, Hazard::WaterLeak), || 1);
    }
    let arrived = senses.wait(Duration::ZERO).observations;
    let of_known = arrived.iter().filter(|observation| observation.device.id.starts_with("known")).count();
    assert_eq!(of_known, 2_000);
    assert!(arrived.len() < 3_000, "{}", arrived.len());
    assert!(senses.beyond() > 17_000);
}

#[test]
fn what_nobody_asked_about_does_not_come_in_and_is_heard_all_the_same() {
    let senses = senses(&["s".to_owned()]);
    senses.feel(&said("s", "battery", Value::Bool(true), None), || 77);
    senses.feel(&said("other", "alarm", Value::Bool(false), None), || 78);
    assert!(senses.wait(Duration::ZERO).observations.is_empty());
    assert_eq!(senses.heard(), [(device("s"), 77)]);
    assert!(senses.heard().is_empty(), "asked once");
    senses.concern_now([place("other", "alarm")].into());
    senses.feel(&said("other", "alarm", Value::Bool(false), None), || 79);
    assert_eq!(senses.wait(Duration::ZERO).observations.len(), 1);
}

#[test]
fn what_is_replayed_waits_by_itself_and_is_nobody_s_sign_of_life() {
    let senses = senses(&["s".to_owned()]);
    senses.recall(&alarm("s", Hazard::WaterLeak));
    senses.recall(&alarm("s", Hazard::WaterLeak));
    senses.recall(&calm("s"));
    (0..10_000).for_each(|n| senses.recall(&alarm(&format!("invented{n}"), Hazard::Gas)));
    let arrived = senses.wait(Duration::ZERO);
    assert_eq!((arrived.replayed.len(), arrived.observations.len()), (1, 0));
    assert!(senses.heard().is_empty());
}
