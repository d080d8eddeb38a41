//! What scenarios do in a living home: what is unknown is not so, what is waited for comes, what fails says why, and a
//! scenario that only compares writes nothing.

use domovoi_model::{Id, Peril, Severity};
use serde_json::json;

use super::super::dry;
use super::super::happening::Happening;
use super::super::plan::AlertMoment;
use super::super::view::{End, What};
use super::super::world::World;
use super::{ANNA, Home, Outcome, command, tell};
use crate::policy::Refusal;

fn changed() -> serde_json::Value {
    json!([{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"changed": true}}])
}

#[test]
fn what_is_not_known_is_not_so_and_the_trace_says_so() {
    for condition in [
        json!({"if": "state", "device": "d:x", "property": "p", "is": {"below": 5}}),
        json!({"if": "not", "of": {"if": "state", "device": "d:x", "property": "p", "is": {"below": 5}}}),
        json!({"if": "expression", "expression": "not state('d:x', 'p')"}),
        json!({"if": "expression", "expression": "state('d:x', 'p') < 5"}),
        json!({"if": "home", "is": false}),
    ] {
        let mut home = Home::new();
        let id = home.put(1, json!({"triggers": changed(), "conditions": [condition], "actions": [tell("x")]}));
        home.says("s", "p", json!(0));
        home.arm();
        home.says("s", "p", json!(1));
        assert!(home.did().is_empty(), "{condition}");
        let runs = home.hall.runs(Some(id), &home.now);
        let line = &runs.first().unwrap().lines[0];
        assert_eq!((line.what, line.path.as_str()), (What::Unknown, "if.1"), "{condition}");
    }
}

#[test]
fn an_expression_that_is_wrong_says_why() {
    let mut home = Home::new();
    let id = home.put(
        1,
        json!({"triggers": changed(), "conditions": [{"if": "expression", "expression": "1 + 1"}], "actions": [tell("x")]}),
    );
    home.says("s", "p", json!(0));
    home.arm();
    home.says("s", "p", json!(1));
    let runs = home.hall.runs(Some(id), &home.now);
    assert_eq!(runs[0].lines[0].what, What::Wrong);
    assert!(runs[0].lines[0].said.contains("neither true nor false"));
}

#[test]
fn a_scenario_that_only_compares_writes_nothing() {
    let mut home = Home::new();
    home.put(
        1,
        json!({"triggers": [{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"above": 1000}},
                            {"id": "u", "when": "state", "device": "d:s", "property": "p", "is": {"changed": true}}],
               "conditions": [{"if": "state", "device": "d:s", "property": "p", "is": {"equals": 7777}}],
               "actions": [tell("x")]}),
    );
    home.arm();
    home.settle();
    let before = home.disk.writes;
    for n in 0..500 {
        home.says("s", "p", json!(n));
    }
    assert_eq!(home.disk.writes, before);
    assert!(!home.hall.has_work(&home.now));
}

#[test]
fn a_value_that_is_silent_and_says_the_same_again_begins_nothing() {
    let mut home = Home::new();
    home.put(
        1,
        json!({"triggers": [{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"equals": "on"}},
                            {"id": "u", "when": "state", "device": "d:s", "property": "p", "is": {"unknown": true}}],
               "mode": "parallel", "actions": [tell("{{ trigger.id }}")]}),
    );
    home.says("s", "p", json!("ON"));
    home.arm();
    home.says("s", "p", serde_json::Value::Null);
    home.says("s", "p", json!("ON"));
    assert_eq!(home.did(), ["!u"]);
    home.says("s", "p", json!("OFF"));
    home.says("s", "p", json!("ON"));
    assert_eq!(home.did(), ["!u", "!t"]);
}

#[test]
fn nothing_begins_before_states_have_settled_and_what_is_told_meanwhile_is_not_lost() {
    let mut home = Home::new();
    home.put(1, json!({"triggers": changed(), "actions": [tell("changed")]}));
    home.put(2, json!({"triggers": [{"id": "a", "when": "alert", "perils": ["gas"]}], "actions": [tell("gas")]}));
    home.put(3, json!({"triggers": [{"id": "h", "when": "house-start"}], "actions": [tell("start")]}));
    home.says("s", "p", json!(1));
    home.says("s", "p", json!(2));
    let gas = Happening::Alert {
        peril: Peril::Gas,
        severity: Severity::Extreme,
        life: true,
        moment: AlertMoment::Raised,
        title: "gas".into(),
    };
    home.hall.happened(gas, &home.now);
    home.settle();
    assert!(home.did().is_empty());
    home.arm();
    assert_eq!(home.did(), ["!start", "!gas"]);
    home.says("s", "p", json!(3));
    assert_eq!(home.did(), ["!start", "!gas", "!changed"]);
}

#[test]
fn what_is_restored_late_begins_nothing_and_who_is_home_does_not_arrive() {
    let mut home = Home::new();
    home.put(1, json!({"triggers": [{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"equals": "ON"}}], "actions": [tell("on")]}));
    home.put(
        2,
        json!({"triggers": [{"id": "a", "when": "arrives", "person": ANNA.to_string()}], "actions": [tell("Анна")]}),
    );
    home.world.homes.lock().unwrap().insert(ANNA, true);
    home.arm();
    let (device, on) = (domovoi_model::DeviceRef::new("d", "s"), domovoi_model::Value::Text("ON".into()));
    home.hall.learn(&device, "p", &on, &home.now);
    home.hall.person(ANNA, Some(true), Some(true), &home.now);
    home.settle();
    assert!(home.did().is_empty());
    home.says("s", "p", json!("OFF"));
    home.says("s", "p", json!("ON"));
    assert_eq!(home.did(), ["!on"]);
}

#[test]
fn people_come_and_the_last_one_leaves() {
    let mut home = Home::new();
    let boris = domovoi_model::PersonId(Id([0xb; 16]));
    home.put(1, json!({"triggers": [{"id": "l", "when": "leaves"}], "actions": [tell("empty")]}));
    home.put(2, json!({"triggers": [{"id": "a", "when": "arrives", "person": ANNA.to_string()}],
        "conditions": [{"if": "expression", "expression": "is_home('Анна') and anybody_home()"}], "actions": [tell("Анна")]}));
    home.arm();
    let news = |home: &mut Home, person, is: bool, anybody| {
        home.world.homes.lock().unwrap().insert(person, is);
        home.hall.person(person, Some(is), Some(anybody), &home.now);
        home.settle();
    };
    news(&mut home, ANNA, true, true);
    news(&mut home, ANNA, true, true);
    news(&mut home, boris, true, true);
    news(&mut home, ANNA, false, true);
    news(&mut home, boris, false, false);
    assert_eq!(home.did(), ["!Анна", "!empty"]);
}

#[test]
fn what_is_waited_for_comes_or_its_time_is_over() {
    let mut home = Home::new();
    let until = |go_on: bool| {
        json!({"do": "until", "so": {"if": "state", "device": "d:s", "property": "p", "is": {"above": 20}},
               "timeout_s": 600, "then_go_on": go_on})
    };
    let came = home.put(1, json!({"actions": [until(false), tell("warm")]}));
    let event = home.put(2, json!({"actions": [{"do": "until", "happens": {"when": "edge", "device": "d:s", "property": "q", "to": 1}}, tell("edge")]}));
    home.arm();
    home.says("s", "p", json!(19));
    home.says("s", "q", json!(0));
    home.start(came);
    home.start(event);
    home.minutes(5);
    assert!(home.did().is_empty());
    home.says("s", "q", json!(1));
    home.says("s", "p", json!(21));
    assert_eq!(home.did(), ["!edge", "!warm"]);
    home.says("s", "p", json!(19));
    home.start(came);
    home.minutes(11);
    assert_eq!(home.did().len(), 2);
    assert_eq!(home.hall.view(came).unwrap().last.unwrap().end, End::Stopped);
    home.put(1, json!({"actions": [until(true), tell("cold")]}));
    home.start(came);
    home.cut(60_000);
    home.arm();
    home.minutes(10);
    assert_eq!(home.did()[2..], ["!cold"]);
}

#[test]
fn branches_repetitions_and_variables() {
    let mut home = Home::new();
    let id = home.put(
        1,
        json!({"actions": [
            {"do": "set", "variable": "n", "value": 1},
            {"do": "repeat", "while": [{"if": "expression", "expression": "vars.n < 4"}], "steps": [
                {"do": "choose", "branches": [{"if": [{"if": "expression", "expression": "vars.n == 2"}], "then": [tell("two")]}],
                 "else": [tell("turn {{ repeat.turn }}")]},
                {"do": "set", "variable": "n", "value": {"expression": "vars.n + 1"}}]},
            {"do": "repeat", "each": ["a", "b"], "steps": [
                {"do": "repeat", "count": 2, "steps": [tell("{{ repeat.turn }}")]}, tell("{{ repeat.item }}")]},
            {"do": "repeat", "count": 0, "steps": [tell("never")]},
            {"do": "end"}, tell("never")
        ]}),
    );
    home.arm();
    home.start(id);
    assert_eq!(home.did(), ["!turn 1", "!two", "!turn 3", "!1", "!2", "!a", "!1", "!2", "!b"]);
    assert_eq!(home.ends(), [End::Done]);
    let paths: Vec<String> = home.hall.runs(Some(id), &home.now)[0]
        .lines
        .iter()
        .filter(|line| line.what == What::Doing)
        .map(|line| line.path.clone())
        .collect();
    assert_eq!(paths[..3], ["2.turn-1.1.else.1", "2.turn-2.1.then.1", "2.turn-3.1.else.1"]);
}

#[test]
fn a_repetition_without_a_wait_gives_way_and_has_an_end() {
    let mut home = Home::new();
    let id = home.put(
        1,
        json!({"actions": [{"do": "repeat", "while": [{"if": "expression", "expression": "true"}], "steps": [
            {"do": "set", "variable": "x", "value": 1}]}]}),
    );
    let other = home.put(2, json!({"actions": [tell("other")]}));
    home.arm();
    home.hall.begin(id, super::Cause::by("hand"), super::Way::Hand, &home.now);
    home.start(other);
    assert_eq!(home.did(), ["!other"]);
    for _ in 0..200 {
        home.settle();
    }
    let runs = home.hall.runs(Some(id), &home.now);
    assert_eq!(runs[0].end, Some(End::Failed));
    assert!(runs[0].lines.iter().any(|line| line.what == What::TooMany));
}

#[test]
fn a_step_that_fails_ends_the_run_unless_it_was_said_otherwise() {
    let mut home = Home::new();
    let steps = |go_on: bool| {
        let mut first = command("lamp", "on", json!(true));
        first["go_on"] = json!(go_on);
        json!({"actions": [first, tell("after")]})
    };
    let id = home.put(1, steps(false));
    home.arm();
    home.answers = Box::new(|deed| match &deed.what {
        super::DeedWhat::Command(_) => Outcome::Failed("out of reach".into()),
        _ => Outcome::Done(String::new()),
    });
    home.start(id);
    home.put(1, steps(true));
    home.start(id);
    assert_eq!(home.did(), ["lamp.on=true", "lamp.on=true", "!after"]);
    let mut ends = home.ends();
    ends.sort_by_key(|end| end.code());
    assert_eq!(ends, [End::Done, End::Failed]);
    // In a scene what fails keeps none of the others.
    let scene = home.put(
        2,
        json!({"actions": [{"do": "scene", "scene": "night", "commands": [
        {"device": "d:a", "property": "on", "value": false}, {"device": "d:b", "property": "on", "value": false}]}]}),
    );
    home.start(scene);
    assert_eq!(home.did()[3..], ["a.on=false", "b.on=false"]);
}

#[test]
fn an_author_who_may_not_any_more_stops_it_and_the_household_is_told() {
    let mut home = Home::new();
    let id = home.put(1, json!({"actions": [command("lamp", "on", json!(true)), tell("after")]}));
    home.arm();
    home.answers = Box::new(|_| Outcome::Refused(Refusal::Role));
    home.hall.begin(id, super::Cause::by("hand"), super::Way::Hand, &home.now);
    let work = home.hall.take_work(false, &home.now);
    let deed = work.deeds[0].clone();
    home.hall.outcome(id, deed.run, deed.id, Outcome::Refused(Refusal::Role), &home.now);
    let work = home.hall.take_work(false, &home.now);
    assert_eq!(work.troubles.iter().map(|trouble| trouble.end).collect::<Vec<_>>(), [End::NotAllowed]);
}

#[test]
fn one_scenario_stops_another() {
    let mut home = Home::new();
    let long = home.put(1, json!({"actions": [{"do": "wait", "seconds": 600}, tell("never")]}));
    let stops = home.put(2, json!({"actions": [{"do": "stop", "scenario": long.to_string()}, tell("stopped")]}));
    home.arm();
    home.start(long);
    home.start(stops);
    home.minutes(20);
    assert_eq!(home.did(), ["!stopped"]);
}

#[test]
fn a_dry_run_does_nothing_and_says_what_would_be_done() {
    let mut home = Home::new();
    let id = home.put(
        1,
        json!({"conditions": [{"if": "state", "device": "d:s", "property": "p", "is": {"above": 5}}],
               "actions": [command("lamp", "on", json!(true)), {"do": "wait", "seconds": 600}, tell("{{ state('d:s', 'p') }}")]}),
    );
    home.arm();
    home.says("s", "p", json!(3));
    let writes = home.disk.writes;
    let world: std::sync::Arc<dyn World> = home.world.clone();
    let dry = dry::run(&home.plans[&id], None, &world, &home.now);
    assert!(!dry.begins);
    let lines: Vec<(What, &str)> = dry.lines.iter().map(|line| (line.what, line.path.as_str())).collect();
    assert_eq!(
        lines,
        [
            (What::Began, ""),
            (What::NotSo, "if.1"),
            (What::Doing, "1"),
            (What::Waits, "2"),
            (What::Doing, "3"),
            (What::Over, "")
        ]
    );
    assert_eq!(dry.lines[4].said, "3");
    assert!(home.did().is_empty());
    assert_eq!(home.disk.writes, writes);
}

#[test]
fn a_disk_that_refuses_keeps_deeds_back_and_loses_none() {
    let mut home = Home::new();
    let id = home.put(1, json!({"actions": [tell("a"), tell("b")]}));
    home.arm();
    home.hall.begin(id, super::Cause::by("hand"), super::Way::Hand, &home.now);
    for _ in 0..3 {
        let work = home.hall.take_work(false, &home.now);
        assert_eq!(work.deeds.len(), 1);
        home.hall.give_back(work);
    }
    home.settle();
    assert_eq!(home.did(), ["!a", "!b"]);
    assert!(home.disk.runs.is_empty());
    assert_eq!(home.ends(), [End::Done]);
}
