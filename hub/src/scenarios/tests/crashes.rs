//! The power goes at any moment: between any two things that a scenario does, the disk is left as it is and everything
//! else is gone. What was promised holds: nothing that may not be said twice is said twice, nothing that may is lost, and
//! the run comes to its end.

use std::collections::HashMap;

use domovoi_model::Id;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::view::End;
use super::{Home, command, said, tell};

/// The scenario of the issue: it waits for ten minutes between what it does.
fn ten_minutes() -> Json {
    json!({"mode": "queued", "most": 5, "actions": [
        command("lamp", "on", json!(true)),
        tell("begins"),
        {"do": "wait", "seconds": 600},
        {"do": "scene", "scene": "night", "commands": [
            {"device": "d:a", "property": "level", "value": 10},
            {"device": "d:gate", "property": "move", "value": "toggle"}]},
        {"do": "choose", "branches": [{"if": [{"if": "expression", "expression": "1 == 1"}], "then": [tell("branch")]}]},
        {"do": "repeat", "count": 2, "steps": [tell("turn {{ repeat.turn }}")]},
        command("lamp", "on", json!(false))
    ]})
}

/// Cuts the power at the so-manyth moments, and lets time pass until all is over.
fn live(home: &mut Home, id: Id, cuts: &[usize]) -> usize {
    let mut moment = 0;
    let mut cuts: Vec<usize> = cuts.to_vec();
    cuts.sort_unstable();
    home.hall.begin(id, super::Cause::by("hand"), super::Way::Hand, &home.now);
    let mut begun = false;
    for _ in 0..10_000 {
        let mut cut = || {
            let now = cuts.first() == Some(&moment);
            if now {
                cuts.remove(0);
            }
            moment += 1;
            now
        };
        if home.settle_until(&mut cut) {
            home.cut(30_000);
            home.hall.arm(&home.now);
            if !begun && home.disk.runs.is_empty() && home.disk.traces.is_empty() {
                // It was gone before it was anywhere: whoever wanted it sees that it did not begin.
                home.hall.begin(id, super::Cause::by("hand"), super::Way::Hand, &home.now);
            }
            continue;
        }
        begun |= !home.disk.runs.is_empty();
        let view = home.hall.view(id).unwrap();
        if view.running == 0 && view.queued == 0 && !home.hall.has_work(&home.now) {
            return moment;
        }
        let step = home.hall.rest(&home.now).clamp(20, 5_000);
        home.now.millis += step;
        home.now.wall = home.now.wall.map(|at| at.plus_millis(step));
    }
    panic!("it has no end: {:?}", home.hall.runs(Some(id), &home.now));
}

fn is_once(said: &str) -> bool {
    said.ends_with("=toggle")
}

/// What was done beside what would have been done without a power cut.
fn promised(home: &Home, whole: &[String]) -> Result<(), String> {
    let mut times: HashMap<Id, usize> = HashMap::new();
    let mut order: Vec<String> = Vec::new();
    for (_, deed) in &home.done {
        let seen = times.entry(deed.id).or_default();
        *seen += 1;
        let words = said(deed);
        if *seen == 1 {
            order.push(words);
            continue;
        }
        if is_once(&words) {
            return Err(format!("{words} was said twice"));
        }
        if !deed.again {
            return Err(format!("{words} was done again and nobody says so"));
        }
    }
    if let Some(words) = home.in_vain.first() {
        return Err(format!("{words} was said again although the device had reported it"));
    }
    // The same words may come anew under another id only if the whole run began anew, which none does.
    let lost: Vec<&String> = missing(whole, &order);
    if let Some(lost) = lost.iter().find(|words| !is_once(words)) {
        return Err(format!("{lost} was lost: {order:?}"));
    }
    if order.len() + lost.len() != whole.len() {
        return Err(format!("more was done than was wanted: {order:?}"));
    }
    Ok(())
}

/// What of the whole is not in the part, in order.
fn missing<'a>(whole: &'a [String], part: &[String]) -> Vec<&'a String> {
    let mut part = part.iter().peekable();
    whole.iter().filter(|words| if part.peek() == Some(words) { part.next().is_none() } else { true }).collect()
}

#[test]
fn a_scenario_with_a_wait_of_ten_minutes_survives_a_power_cut_at_every_step() {
    let mut home = Home::new();
    let id = home.put(1, ten_minutes());
    home.arm();
    let moments = live(&mut home, id, &[]);
    let whole = home.did();
    assert_eq!(whole.len(), 8);
    assert!(moments > 30, "{moments}");
    for reports in [true, false] {
        for at in 0..moments {
            let mut home = Home::new();
            home.reports = reports;
            let id = home.put(1, ten_minutes());
            home.arm();
            let began = home.now.wall.unwrap().0;
            live(&mut home, id, &[at]);
            promised(&home, &whole).unwrap_or_else(|why| panic!("cut at {at}: {why}"));
            assert_eq!(home.ends(), [End::Done], "cut at {at}");
            let scene = home.done.iter().find(|(_, deed)| said(deed) == "a.level=10").unwrap().0 - began;
            assert!((600_000..=660_000).contains(&scene), "cut at {at}: after {scene} ms");
        }
    }
}

#[test]
fn what_was_written_is_little() {
    let mut home = Home::new();
    let id = home.put(1, ten_minutes());
    home.arm();
    let before = home.disk.writes;
    live(&mut home, id, &[]);
    let writes = home.disk.writes - before;
    assert!(writes <= 10, "{writes} writes for eight deeds and a wait");
}

fn steps(depth: u32) -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        (0u8..4, 0u32..1000).prop_map(|(n, value)| command(&format!("l{n}"), "level", json!(value))),
        (0u8..2).prop_map(|n| command(&format!("g{n}"), "move", json!("toggle"))),
        "[a-z]{3}".prop_map(|title| tell(&title)),
        (1u32..700).prop_map(|seconds| json!({"do": "wait", "seconds": seconds})),
        (0u32..50).prop_map(|value| json!({"do": "set", "variable": "x", "value": value})),
        Just(
            json!({"do": "until", "so": {"if": "expression", "expression": "1 == 2"}, "timeout_s": 90, "then_go_on": true})
        ),
    ];
    leaf.prop_recursive(depth, 16, 3, |inner| {
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..3), any::<bool>()).prop_map(|(steps, so)| {
                let expression = if so { "1 == 1" } else { "1 == 2" };
                json!({"do": "choose", "branches": [{"if": [{"if": "expression", "expression": expression}], "then": steps}],
                       "else": [tell("else")]})
            }),
            (proptest::collection::vec(inner, 0..3), 0u32..3)
                .prop_map(|(steps, count)| json!({"do": "repeat", "count": count, "steps": steps})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("DOMOVOI_FULL").is_some() { 2000 } else { 120 }))]

    #[test]
    fn no_power_cut_breaks_a_promise(
        steps in proptest::collection::vec(steps(2), 1..6),
        cuts in proptest::collection::vec(0usize..120, 0..4),
        reports in any::<bool>(),
    ) {
        let plan = json!({"actions": steps});
        let mut whole = Home::new();
        let id = whole.put(1, plan.clone());
        whole.arm();
        live(&mut whole, id, &[]);
        let mut home = Home::new();
        home.reports = reports;
        let id = home.put(1, plan);
        home.arm();
        live(&mut home, id, &cuts);
        // A device that reports what it was told long before is not asked again: that is no loss, and the whole of it is
        // seen where nothing is reported.
        if !reports {
            prop_assert_eq!(promised(&home, &whole.did()), Ok(()));
        }
        prop_assert_eq!(home.ends(), vec![End::Done]);
        prop_assert!(home.disk.runs.is_empty());
    }
}
