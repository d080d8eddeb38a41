//! What happens when a scenario is to begin while it runs: each mode, its limits, and that the order is kept.

use serde_json::{Value as Json, json};

use super::super::view::End;
use super::{Home, command, tell};

fn slow(home: &mut Home, mode: Json) -> domovoi_model::Id {
    let mut parts = json!({
        "triggers": [{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"changed": true}}],
        "actions": [
            {"do": "notify", "title": "{{ trigger.value }} begins"},
            {"do": "wait", "seconds": 60},
            {"do": "notify", "title": "{{ trigger.value }} ends"}
        ]
    });
    for (name, value) in mode.as_object().unwrap() {
        parts[name] = value.clone();
    }
    let id = home.put(1, parts);
    home.says("s", "p", json!(0));
    home.arm();
    id
}

#[test]
fn single_leaves_the_run_alone() {
    let mut home = Home::new();
    let id = slow(&mut home, json!({"mode": "single"}));
    home.says("s", "p", json!(1));
    home.says("s", "p", json!(2));
    home.says("s", "p", json!(3));
    home.minutes(5);
    assert_eq!(home.did(), ["!1 begins", "!1 ends"]);
    assert_eq!(home.reasons(id), [(End::Busy, 2)], "and says why, once for both");
    home.says("s", "p", json!(4));
    home.minutes(2);
    assert_eq!(home.did()[2..], ["!4 begins", "!4 ends"]);
}

#[test]
fn restart_stops_the_run_and_begins_one_anew() {
    let mut home = Home::new();
    slow(&mut home, json!({"mode": "restart"}));
    home.says("s", "p", json!(1));
    home.pass(30_000);
    home.says("s", "p", json!(2));
    home.pass(45_000);
    assert_eq!(home.did(), ["!1 begins", "!2 begins"], "the wait of the first is not the second's");
    home.pass(20_000);
    assert_eq!(home.did(), ["!1 begins", "!2 begins", "!2 ends"]);
    assert_eq!(home.ends(), [End::Restarted, End::Done]);
    assert!(home.disk.runs.is_empty());
}

#[test]
fn many_restarts_leave_one_run_and_never_none() {
    let mut home = Home::new();
    let id = slow(&mut home, json!({"mode": "restart"}));
    for n in 1..50 {
        home.says("s", "p", json!(n));
        assert_eq!(home.hall.view(id).unwrap().running, 1, "{n}");
    }
    home.minutes(2);
    assert_eq!(home.did().iter().filter(|said| said.ends_with("ends")).count(), 1);
    assert_eq!(home.did().last().unwrap(), "!49 ends");
}

#[test]
fn queued_keeps_the_order_and_its_limit_also_through_a_power_cut() {
    let mut home = Home::new();
    let id = slow(&mut home, json!({"mode": "queued", "most": 2}));
    for n in 1..=4 {
        home.says("s", "p", json!(n));
    }
    assert_eq!(home.hall.view(id).unwrap().queued, 2);
    assert_eq!(home.reasons(id), [(End::Busy, 1)]);
    home.cut(1000);
    home.arm();
    home.minutes(5);
    assert_eq!(home.did(), ["!1 begins", "!1 ends", "!2 begins", "!2 ends", "!3 begins", "!3 ends"]);
}

#[test]
fn parallel_runs_beside_each_other_up_to_its_limit() {
    let mut home = Home::new();
    let id = slow(&mut home, json!({"mode": "parallel", "most": 2}));
    for n in 1..=3 {
        home.says("s", "p", json!(n));
        home.pass(1000);
    }
    assert_eq!(home.hall.view(id).unwrap().running, 2);
    home.minutes(3);
    assert_eq!(home.did(), ["!1 begins", "!2 begins", "!1 ends", "!2 ends"]);
    assert_eq!(home.reasons(id), [(End::Busy, 1)]);
}

#[test]
fn scenarios_that_cause_each_other_come_to_an_end_and_say_so() {
    let mut home = Home::new();
    // One wants the lamps to be alike, the other one does not.
    for (n, own, other, value) in [(1, "a", "b", "not trigger.value"), (2, "b", "a", "trigger.value")] {
        let device = format!("d:{own}");
        home.put(
            n,
            json!({
                "mode": "parallel", "most": 50,
                "triggers": [{"id": "t", "when": "state", "device": device, "property": "on", "is": {"changed": true}}],
                "actions": [command(other, "on", json!({"expression": value}))]
            }),
        );
    }
    home.says("a", "on", json!(false));
    home.says("b", "on", json!(true));
    home.arm();
    home.says("a", "on", json!(true));
    home.minutes(1);
    assert!((4..=8).contains(&home.done.len()), "{} times", home.done.len());
    let reasons: Vec<End> =
        [1, 2].iter().flat_map(|n| home.reasons(domovoi_model::Id([*n; 16]))).map(|(end, _)| end).collect();
    assert_eq!(reasons, [End::TooDeep]);
}

#[test]
fn a_scenario_that_starts_itself_comes_to_an_end() {
    let mut home = Home::new();
    let own = domovoi_model::Id([1; 16]).to_string();
    let id =
        home.put(1, json!({"mode": "parallel", "most": 50, "actions": [tell("x"), {"do": "start", "scenario": own}]}));
    home.arm();
    home.start(id);
    assert_eq!(home.done.len(), 6, "the first, and five deep");
    assert_eq!(home.reasons(id), [(End::TooDeep, 1)]);
}

#[test]
fn what_begins_too_often_is_held_back_and_the_household_is_told_once() {
    let mut home = Home::new();
    let id = home.put(
        1,
        json!({
            "triggers": [{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"changed": true}}],
            "actions": [{"do": "set", "variable": "x", "value": 1}], "guards": {"runs_per_hour": 10}
        }),
    );
    home.says("s", "p", json!(0));
    home.arm();
    for n in 1..=100 {
        home.hall.stands(
            &domovoi_model::DeviceRef::new("d", "s"),
            "p",
            Some(&domovoi_model::Value::Number(n.into())),
            &home.now,
        );
    }
    let work = home.hall.take_work(false, &home.now);
    assert_eq!(work.troubles.len(), 1);
    home.hall.give_back(work);
    home.settle();
    assert_eq!(home.ends().len(), 10);
    assert_eq!(home.reasons(id), [(End::TooOften, 90)]);
    home.minutes(13);
    home.says("s", "p", json!(0));
    home.says("s", "p", json!(1));
    home.says("s", "p", json!(2));
    assert_eq!(home.ends().len(), 12, "two more, after as many tenths of an hour");
}

#[test]
fn a_run_that_takes_too_long_is_stopped() {
    let mut home = Home::new();
    let id = home.put(
        1,
        json!({"actions": [{"do": "until", "so": {"if": "state", "device": "d:s", "property": "p", "is": {"equals": 1}}}],
               "guards": {"max_run_s": 3600}}),
    );
    home.arm();
    home.start(id);
    home.minutes(59);
    assert!(home.ends().is_empty());
    home.minutes(2);
    assert_eq!(home.ends(), [End::TooLong]);
}

#[test]
fn a_changed_scenario_stops_its_runs_and_another_remark_does_not() {
    let mut home = Home::new();
    let id = slow(&mut home, json!({}));
    home.says("s", "p", json!(1));
    slow_again(&mut home, json!({"note": "only a remark"}));
    assert_eq!(home.hall.view(id).unwrap().running, 1);
    slow_again(&mut home, json!({"actions": [tell("other")]}));
    assert_eq!(home.hall.view(id).unwrap().running, 0);
    assert_eq!(home.ends(), [End::Changed]);
    home.says("s", "p", json!(2));
    assert_eq!(home.did(), ["!1 begins", "!other"]);
}

fn slow_again(home: &mut Home, more: Json) {
    let before = home.plans.values().next().unwrap().clone();
    let mut paper = serde_json::to_value(super::ScenarioPaper::from(&*before)).unwrap();
    for (name, value) in more.as_object().unwrap() {
        paper[name] = value.clone();
    }
    home.put(1, paper);
}
