//! Plain stories of one home.

use rust_decimal::Decimal;

use super::*;
use crate::safety::rule::{Answer, Rule, RuleError, Sensors};
use crate::safety::testing::Outcome;

fn rule(id: &str, danger: Danger) -> Rule {
    Rule {
        id: id.into(),
        name: id.into(),
        is_on: true,
        danger,
        sensors: Sensors::Any,
        below: None,
        silent_after_s: None,
        answers: Vec::new(),
    }
}

fn degrees(name: &str, tenths: i64) -> Observation {
    let value = Value::Number(Decimal::new(tenths, 1));
    Observation { unit: Unit::Celsius, ..said(name, "temperature", value, None) }
}

#[test]
fn a_leak_closes_the_valves_and_says_so_at_1_3_8_18_48_seconds() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    let close = (place("v", "state"), Value::Bool(false));
    assert_eq!(commands(&reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same)), std::slice::from_ref(&close));
    let mut said_at = Vec::new();
    for second in 1..=110 {
        if !commands(&reflex.tick(at(second * 1000))).is_empty() {
            said_at.push(second);
        }
    }
    assert_eq!(said_at, [1, 3, 8, 18, 48, 78, 108]);
    reflex.felt(&state("v", false), at(111_000), &same);
    assert!(reflex.pursuits()[&place("v", "state")].confirmed);
    let deeds = reflex.felt(&calm("leak"), at(112_000), &same);
    assert!(matches!(&deeds[..], [Deed::Tell(News::Over(..))]), "{deeds:?}");
    assert!(reflex.pursuits().is_empty() && reflex.dangers().is_empty());
}

#[test]
fn people_are_told_that_a_valve_does_not_answer_once_for_each_time_that_it_stops_answering() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    let mut deeds = reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    (1..=600).for_each(|second| deeds.extend(reflex.tick(at(second * 1000))));
    assert_eq!(unanswered(&deeds), 1);
    // It closes at last, and somebody opens it.
    closed(&mut reflex, 601_000);
    let mut deeds = reflex.felt(&state("v", true), at(700_000), &same);
    assert!(deeds.iter().any(|deed| matches!(deed, Deed::Tell(News::Undone(..)))), "people are told at once");
    let mut said_at = Vec::new();
    for second in 700..=750 {
        let now = reflex.tick(at(second * 1000));
        said_at.extend(commands(&now).iter().map(|_| second - 700));
        deeds.extend(now);
    }
    assert_eq!(commands(&deeds).len(), 6, "it is told from the beginning again, and not at its thirtieth second");
    assert_eq!(said_at, [1, 3, 8, 18, 48]);
    assert_eq!(unanswered(&deeds), 1, "and people are told again");
}

#[test]
fn a_word_that_is_no_answer_ends_no_danger() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    reflex.felt(&said("leak", "alarm", Value::Text("unknown".into()), None), at(1), &same);
    reflex.felt(&said("leak", "battery", Value::Bool(false), None), at(2), &same);
    assert_eq!(reflex.dangers().len(), 1);
}

#[test]
fn a_sensor_that_only_reports_beginnings_falls_back() {
    let mut leak = sensor("leak", "bath", Hazard::WaterLeak, true);
    leak.properties[0].off_after_s = Some(90);
    let mut reflex = reflex(vec![leak, valve("v", "bath", true)]);
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(60_000), &same);
    reflex.tick(at(149_000));
    assert_eq!(reflex.dangers().len(), 1, "ninety seconds after the last word");
    reflex.tick(at(150_000));
    assert!(reflex.dangers().is_empty());
}

#[test]
fn a_sensor_that_is_accepted_while_it_warns_is_answered() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, false), valve("v", "bath", true)]);
    let deeds = reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    assert_eq!(
        (began(&deeds), commands(&deeds)),
        (vec![Danger::WaterLeak], Vec::new()),
        "an alert, and nothing closed"
    );
    let accepted = vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)];
    let deeds = reflex.home_is(Arc::new(Home::new(accepted)), at(1000));
    assert_eq!(commands(&deeds).len(), 1);
}

#[test]
fn a_valve_that_comes_to_be_known_in_danger_is_closed_and_a_sensor_that_is_forgotten_wants_nothing() {
    let leak = || sensor("leak", "bath", Hazard::WaterLeak, true);
    let mut reflex = reflex(vec![leak()]);
    assert!(commands(&reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same)).is_empty());
    let deeds = reflex.home_is(Arc::new(Home::new(vec![leak(), valve("v", "bath", true)])), at(1000));
    assert_eq!(commands(&deeds).len(), 1);
    reflex.home_is(Arc::new(Home::new(vec![valve("v", "bath", true)])), at(2000));
    assert!(reflex.dangers().is_empty() && reflex.pursuits().is_empty());
}

#[test]
fn the_graver_danger_prevails_and_the_lesser_one_comes_back_after_it() {
    let devices = vec![
        sensor("smoke", "hall", Hazard::Smoke, true),
        sensor("leak", "bath", Hazard::WaterLeak, true),
        plug("heater", "bath"),
    ];
    let heater = place("heater", "state");
    let set = |value| vec![Answer::Set(heater.clone(), Value::Bool(value))];
    let mut reflex = reflex(devices);
    let own = vec![
        Rule { answers: set(true), ..rule("a", Danger::WaterLeak) },
        Rule { answers: set(false), ..rule("b", Danger::Smoke) },
    ];
    reflex.rules_are(own, at(0));
    assert_eq!(
        commands(&reflex.felt(&alarm("leak", Hazard::WaterLeak), at(1), &same)),
        [(heater.clone(), Value::Bool(true))]
    );
    assert_eq!(
        commands(&reflex.felt(&alarm("smoke", Hazard::Smoke), at(2_000), &same)),
        [(heater.clone(), Value::Bool(false))]
    );
    assert_eq!(commands(&reflex.felt(&calm("smoke"), at(3_000), &same)), [(heater, Value::Bool(true))]);
}

#[test]
fn sirens_fall_silent_when_it_is_over_or_somebody_has_heard_them() {
    let devices = || vec![sensor("smoke", "hall", Hazard::Smoke, true), siren("siren", "hall")];
    let (on, off) = ((place("siren", "state"), Value::Bool(true)), (place("siren", "state"), Value::Bool(false)));
    let mut one = reflex(devices());
    assert_eq!(commands(&one.felt(&alarm("smoke", Hazard::Smoke), at(0), &same)), std::slice::from_ref(&on));
    one.felt(&state("siren", true), at(100), &same);
    assert_eq!(commands(&one.felt(&calm("smoke"), at(1000), &same)), std::slice::from_ref(&off));
    let more: Vec<_> = (2..1000).flat_map(|n| commands(&one.tick(at(n * 1000)))).collect();
    assert_eq!(more, vec![off.clone(); 4], "five times at most");
    let mut two = reflex(devices());
    two.felt(&alarm("smoke", Hazard::Smoke), at(0), &same);
    assert_eq!(commands(&two.hush(at(1000))), std::slice::from_ref(&off));
    two.felt(&state("siren", false), at(1100), &same);
    assert!((2..100).all(|n| commands(&two.tick(at(n * 1000))).is_empty()), "hushed");
    two.felt(&alarm("smoke", Hazard::Smoke), at(150_000), &same);
    assert!(commands(&two.felt(&alarm("smoke", Hazard::Smoke), at(200_000), &same)).is_empty(), "the same danger");
    two.felt(&calm("smoke"), at(201_000), &same);
    assert_eq!(commands(&two.felt(&alarm("smoke", Hazard::Smoke), at(202_000), &same)), [on], "a new one");
}

#[test]
fn frost_is_answered_at_its_bound_and_over_a_degree_above_it() {
    let mut reflex = reflex(vec![thermometer("t", "cellar"), plug("heater", "cellar")]);
    let heat = (place("heater", "state"), Value::Bool(true));
    let cold = Rule {
        sensors: Sensors::Room("cellar".into()),
        below: Some(Decimal::new(30, 1)),
        answers: vec![Answer::Set(heat.0.clone(), heat.1.clone())],
        ..rule("cold", Danger::Freezing)
    };
    reflex.rules_are(vec![cold], at(0));
    for broken in [-1270, -3277, 850] {
        assert!(
            reflex.felt(&degrees("t", broken), at(1), &same).is_empty(),
            "{broken}: a broken thermometer is no frost"
        );
    }
    assert!(reflex.felt(&degrees("t", 31), at(2), &same).is_empty());
    assert_eq!(commands(&reflex.felt(&degrees("t", 30), at(3), &same)), [heat]);
    reflex.felt(&degrees("t", 39), at(4), &same);
    assert_eq!(reflex.dangers().len(), 1);
    reflex.felt(&degrees("t", 40), at(5), &same);
    assert!(reflex.dangers().is_empty());
    reflex.felt(&degrees("t", -50), at(6), &same);
    reflex.rules_are(Vec::new(), at(7));
    reflex.tick(at(1_500));
    assert!(reflex.dangers().is_empty(), "a bound that is gone holds nothing");
}

#[test]
fn a_sensor_that_says_nothing_for_a_day_is_told_of_and_over_when_it_speaks() {
    const HOUR: i64 = 3_600_000;
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), thermometer("t", "bath")]);
    assert!(began(&reflex.tick(at(25 * HOUR - 2_000))).is_empty());
    assert_eq!(began(&reflex.tick(at(25 * HOUR))), [Danger::Silence], "and the thermometer warns of nothing");
    reflex.heard([(device("leak"), 25 * HOUR + 5_000)]);
    reflex.tick(at(25 * HOUR + 6_000));
    assert!(reflex.dangers().is_empty());
}

#[test]
fn after_a_start_every_sensor_has_an_hour_to_speak() {
    let mut leak = sensor("leak", "bath", Hazard::WaterLeak, true);
    leak.heard_ms_ago = Some(100 * 3_600_000);
    let mut reflex = reflex(vec![leak]);
    assert!(began(&reflex.tick(at(3_590_000))).is_empty());
    assert_eq!(began(&reflex.tick(at(3_600_000))), [Danger::Silence]);
}

#[test]
fn a_sensor_out_of_reach_for_ten_minutes_is_silent() {
    let with = |reached| {
        let mut leak = sensor("leak", "bath", Hazard::WaterLeak, true);
        leak.reached = reached;
        Arc::new(Home::new(vec![leak]))
    };
    let mut reflex = reflex(Vec::new());
    reflex.home_is(with(Some(false)), at(0));
    assert!(began(&reflex.tick(at(599_000))).is_empty());
    assert_eq!(began(&reflex.tick(at(600_000))), [Danger::Silence]);
    reflex.home_is(with(Some(true)), at(601_000));
    reflex.tick(at(602_000));
    assert!(reflex.dangers().is_empty());
}

#[test]
fn a_test_tells_and_in_earnest_does_and_reads_back() {
    let mut reflex =
        reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true), siren("siren", "hall")]);
    let (id, deeds) = reflex.test("gas", false, at(0)).unwrap();
    assert!(commands(&deeds).is_empty());
    let run = reflex.tests().find(|run| run.id == id).unwrap().clone();
    assert!(run.done && run.steps.len() == 2 && run.steps.iter().all(|step| step.outcome == Outcome::Would));
    let (id, deeds) = reflex.test("gas", true, at(10)).unwrap();
    assert_eq!(commands(&deeds).len(), 2);
    reflex.felt(&state("v", false), at(20), &same);
    reflex.felt(&state("siren", true), at(30), &same);
    let deeds = reflex.tick(at(1_010));
    assert_eq!(commands(&deeds), [(place("siren", "state"), Value::Bool(false))], "the siren is silent again");
    let run = reflex.tests().find(|run| run.id == id).unwrap();
    assert!(run.done && run.steps.iter().all(|step| step.outcome == Outcome::Confirmed), "{run:?}");
    assert!(reflex.dangers().is_empty(), "a test leaves no danger behind");
    let (id, _) = reflex.test("water-leak", true, at(2_000)).unwrap();
    (2..=33).for_each(|second| drop(reflex.tick(at(second * 1000))));
    let run = reflex.tests().find(|run| run.id == id).unwrap();
    assert!(run.done && matches!(run.steps[0].outcome, Outcome::Said { tries: 5 }), "{run:?}");
    assert!(reflex.test("no-such-rule", true, at(40_000)).is_none());
}

#[test]
fn a_danger_in_earnest_goes_on_when_a_test_ends() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    reflex.test("water-leak", true, at(0));
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(5_000), &same);
    let said: Vec<_> = (6..200).flat_map(|n| commands(&reflex.tick(at(n * 1000)))).collect();
    assert!(said.len() >= 6, "{said:?}");
    assert!(!reflex.pursuits()[&place("v", "state")].is_test());
}

#[test]
fn strangers_are_kept_up_to_a_bound_and_forgotten_after_an_hour() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    for n in 0..1000 {
        reflex.felt(&alarm(&format!("x{n}"), Hazard::Gas), at(1), &same);
    }
    assert_eq!((reflex.dangers().len(), reflex.strangers_beyond()), (128, 872));
    assert_eq!(commands(&reflex.felt(&alarm("leak", Hazard::WaterLeak), at(2), &same)).len(), 1);
    reflex.tick(at(3_600_001));
    let left: Vec<&Key> = reflex.dangers().keys().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn rules_that_cannot_be_are_refused_in_words() {
    let home = Home::new(vec![valve("v", "bath", true), plug("heater", "bath")]);
    let good = rule("Подвал", Danger::WaterLeak);
    assert_eq!(good.check(&home), Ok(()));
    let refused = |rule: Rule| rule.check(&home).expect_err("it cannot be");
    assert_eq!(refused(Rule { name: String::new(), ..good.clone() }), RuleError::Name);
    assert_eq!(refused(Rule { name: "a\u{7}".into(), ..good.clone() }), RuleError::Name);
    assert_eq!(refused(Rule { sensors: Sensors::These(Vec::new()), ..good.clone() }), RuleError::NoSensors);
    assert_eq!(refused(Rule { silent_after_s: Some(600), ..good.clone() }), RuleError::Silence);
    assert_eq!(refused(Rule { silent_after_s: Some(10), danger: Danger::Silence, ..good.clone() }), RuleError::Silence);
    assert_eq!(refused(Rule { danger: Danger::Freezing, ..good.clone() }), RuleError::Below);
    let cold = Rule { danger: Danger::Freezing, below: Some(Decimal::new(3, 0)), ..good.clone() };
    assert_eq!(refused(cold), RuleError::Anywhere);
    let opens = vec![Answer::Set(place("v", "state"), Value::Bool(true))];
    assert!(matches!(refused(Rule { answers: opens, ..good.clone() }), RuleError::Opens(_)));
    let many = vec![Answer::Valves(None); 65];
    assert_eq!(refused(Rule { answers: many, ..good }), RuleError::TooMany);
}

fn unanswered(deeds: &[Deed]) -> usize {
    deeds.iter().filter(|deed| matches!(deed, Deed::Tell(News::Unanswered(..)))).count()
}

fn asks(deeds: &[Deed]) -> usize {
    deeds.iter().filter(|deed| matches!(deed, Deed::Ask(_))).count()
}

#[test]
fn what_a_broker_replays_is_told_and_asked_about_and_closes_nothing_by_itself() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    let mut deeds = reflex.replayed(&alarm("leak", Hazard::WaterLeak), at(0));
    deeds.extend(reflex.tick(at(1)));
    assert_eq!((began(&deeds), asks(&deeds)), (vec![Danger::WaterLeak], 1));
    (1..600).for_each(|second| deeds.extend(reflex.tick(at(second * 1000))));
    assert!(commands(&deeds).is_empty(), "nobody knows when it was said");
    assert_eq!(asks(&deeds), 5);
    assert_eq!(reflex.dangers().len(), 1, "that the sensor says nothing is no «no»");
    assert!(reflex.replayed(&alarm("leak", Hazard::WaterLeak), at(700_000)).is_empty(), "again, and nothing new");
    let deeds = reflex.felt(&alarm("leak", Hazard::WaterLeak), at(701_000), &same);
    assert_eq!(commands(&deeds).len(), 1, "now it has said so itself");
    let stranger = reflex.replayed(&alarm("stranger", Hazard::Gas), at(702_000));
    assert!(stranger.is_empty(), "{stranger:?}");
}

#[test]
fn what_is_replayed_counts_where_the_sensor_had_said_no_before_unless_it_says_no_again() {
    let devices = || vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)];
    for (calm_first, denies) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut reflex = reflex(devices());
        if calm_first {
            reflex.felt(&calm("leak"), at(0), &same);
        }
        let mut deeds = reflex.replayed(&alarm("leak", Hazard::WaterLeak), at(1_000));
        if !calm_first {
            // What history knows comes later.
            deeds.extend(reflex.calm([place("leak", "alarm")], at(2_000)));
        }
        if denies {
            reflex.felt(&calm("leak"), at(5_000), &same);
        }
        (2..9).for_each(|second| deeds.extend(reflex.tick(at(second * 1000))));
        assert!(commands(&deeds).is_empty(), "it may still deny it");
        deeds.extend(reflex.tick(at(13_000)));
        assert_eq!(commands(&deeds).len(), usize::from(!denies), "{calm_first} {denies}");
    }
}

#[test]
fn what_is_replayed_does_not_wake_what_was_answered_before_a_restart() {
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    let key = Key { danger: Danger::WaterLeak, place: place("leak", "alarm"), test: None };
    let kept = Remembered { key, since: at(0).moment, value: Value::Bool(true), answered: true, hushed: false };
    reflex.remember(Keep { dangers: vec![kept], ..Keep::default() }, at(0));
    let mut deeds = reflex.replayed(&alarm("leak", Hazard::WaterLeak), at(1_000));
    deeds.extend(reflex.calm([place("leak", "alarm")], at(2_000)));
    (2..100).for_each(|second| deeds.extend(reflex.tick(at(second * 1000))));
    assert!(commands(&deeds).is_empty(), "it was closed once, and perhaps opened by a person since");
}

fn closed(reflex: &mut Reflex, millis: i64) {
    reflex.felt(&state("v", false), at(millis), &same);
}

#[test]
fn a_valve_that_has_not_confirmed_is_told_on_when_its_danger_is_over() {
    for falls_back in [false, true] {
        let mut leak = sensor("leak", "bath", Hazard::WaterLeak, true);
        leak.properties[0].off_after_s = falls_back.then_some(5);
        let mut reflex = reflex(vec![leak, valve("v", "bath", true)]);
        let mut deeds = reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
        if !falls_back {
            // A probe that bounces.
            deeds.extend(reflex.felt(&calm("leak"), at(200), &same));
        }
        (1..=60).for_each(|second| deeds.extend(reflex.tick(at(second * 1000))));
        assert!(reflex.dangers().is_empty());
        assert_eq!(commands(&deeds).len(), 6, "at 0, 1, 3, 8, 18 and 48 seconds");
        assert!(deeds.iter().any(|deed| matches!(deed, Deed::Tell(News::Unanswered(..)))), "people are told");
        closed(&mut reflex, 61_000);
        assert!(reflex.pursuits().is_empty(), "it is so, and nothing wants it any more");
        reflex.felt(&state("v", true), at(62_000), &same);
        assert!((62..200).all(|n| commands(&reflex.tick(at(n * 1000))).is_empty()), "a person opens it again");
    }
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), valve("v", "bath", true)]);
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    reflex.felt(&calm("leak"), at(1), &same);
    (1..=601).for_each(|second| drop(reflex.tick(at(second * 1000))));
    assert!(reflex.pursuits().is_empty(), "ten minutes at most");
}

#[test]
fn what_reports_nothing_is_told_four_times_and_then_left() {
    let mut mute = valve("v", "bath", true);
    mute.properties[0].reported = false;
    let mut reflex = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, true), mute]);
    let mut deeds = reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    deeds.extend(reflex.felt(&calm("leak"), at(1), &same));
    (1..100).for_each(|second| deeds.extend(reflex.tick(at(second * 1000))));
    assert_eq!(commands(&deeds).len(), 4);
    assert!(reflex.pursuits().is_empty());
}

#[test]
fn hushing_silences_sirens_and_closes_all_the_same() {
    let devices = || vec![sensor("gas", "hall", Hazard::Gas, true), valve("v", "bath", true), siren("siren", "hall")];
    let is_valve = |(place, _): &(Place, Value)| place.device == device("v");
    let mut reflex = reflex(devices());
    reflex.felt(&alarm("gas", Hazard::Gas), at(0), &same);
    reflex.hush(at(100));
    let said: Vec<_> = (1..=20).flat_map(|n| commands(&reflex.tick(at(n * 1000)))).collect();
    assert!(said.contains(&(place("siren", "state"), Value::Bool(false))));
    assert_eq!(said.iter().filter(|one| is_valve(one)).count(), 4, "at 1, 3, 8 and 18 seconds: {said:?}");
    closed(&mut reflex, 21_000);
    reflex.felt(&state("v", true), at(30_000), &same);
    let said: Vec<_> = (31..400).flat_map(|n| commands(&reflex.tick(at(n * 1000)))).collect();
    assert!(!said.iter().any(is_valve), "it was closed, somebody has heard enough, and has the gas back");
    // The word that it was over was lost, and weeks later it comes again.
    let deeds = reflex.felt(&alarm("gas", Hazard::Gas), at(900_000_000), &same);
    assert_eq!(began(&deeds), [Danger::Gas]);
    assert_eq!(commands(&deeds).len(), 2, "the valve and the siren: {deeds:?}");
}

#[test]
fn a_hush_and_its_sirens_are_known_after_a_restart() {
    let devices = || vec![sensor("smoke", "hall", Hazard::Smoke, true), siren("siren", "hall")];
    let off = (place("siren", "state"), Value::Bool(false));
    let before = |hush: bool| {
        let mut one = reflex(devices());
        one.felt(&alarm("smoke", Hazard::Smoke), at(0), &same);
        one.felt(&state("siren", true), at(1), &same);
        if hush {
            one.hush(at(2));
            one.felt(&state("siren", false), at(3), &same);
        }
        one.to_keep()
    };
    let kept: Keep = before(true);
    assert!(kept.dangers[0].hushed && kept.dangers[0].answered);
    let mut two = reflex(devices());
    let mut deeds = two.remember(kept, at(0));
    (1..100).for_each(|second| deeds.extend(two.tick(at(second * 1000))));
    deeds.extend(two.felt(&alarm("smoke", Hazard::Smoke), at(100_000), &same));
    assert!(commands(&deeds).is_empty(), "it was hushed: {deeds:?}");
    for hushed_after in [false, true] {
        let mut three = reflex(devices());
        let mut deeds = three.remember(before(false), at(0));
        assert!(commands(&deeds).is_empty(), "it sounds already");
        deeds = if hushed_after { three.hush(at(1_000)) } else { three.felt(&calm("smoke"), at(1_000), &same) };
        assert_eq!(commands(&deeds), std::slice::from_ref(&off), "what sounds from before the restart is silenced");
    }
}

#[test]
fn a_danger_that_begins_says_once_more_what_stands_and_it_is_said_again_every_hour() {
    let mut reflex = reflex(vec![
        sensor("a", "bath", Hazard::WaterLeak, true),
        sensor("b", "bath", Hazard::WaterLeak, true),
        valve("v", "bath", true),
    ]);
    reflex.felt(&alarm("a", Hazard::WaterLeak), at(0), &same);
    closed(&mut reflex, 500);
    let asked: usize = (1..3_000).map(|n| asks(&reflex.tick(at(n * 1000)))).sum();
    assert_eq!(asked, 1, "it is asked once whether it is really so");
    assert_eq!(commands(&reflex.felt(&alarm("b", Hazard::WaterLeak), at(3_000_000), &same)).len(), 1);
    let v = place("v", "state");
    assert!(!reflex.pursuits()[&v].confirmed, "one message may be lost, and it may stand open by now");
    let mut deeds: Vec<Deed> = (3_001..3_010).flat_map(|n| reflex.tick(at(n * 1000))).collect();
    assert_eq!((commands(&deeds).len(), asks(&deeds), unanswered(&deeds)), (3, 1, 1), "its word is waited for");
    closed(&mut reflex, 3_010_000);
    deeds = (3_011..6_620).flat_map(|n| reflex.tick(at(n * 1000))).collect();
    assert_eq!(commands(&deeds).len(), 4, "an hour later at 0, 1, 3 and 8 seconds");
    assert!(!reflex.pursuits()[&v].confirmed);
}

#[test]
fn what_was_open_before_a_restart_is_answered_though_its_sensor_reports_beginnings_only() {
    let mut leak = sensor("leak", "bath", Hazard::WaterLeak, true);
    leak.properties[0].off_after_s = Some(5);
    let mut reflex = reflex(vec![leak, valve("v", "bath", true)]);
    let key = Key { danger: Danger::WaterLeak, place: place("leak", "alarm"), test: None };
    let kept = Remembered { key, since: at(0).moment, value: Value::Bool(true), answered: false, hushed: false };
    let mut deeds = reflex.remember(Keep { dangers: vec![kept], ..Keep::default() }, at(0));
    (1..20).for_each(|second| deeds.extend(reflex.tick(at(second * 1000))));
    assert!(!commands(&deeds).is_empty());
}

#[test]
fn words_end_a_danger_only_where_they_say_that_there_is_none() {
    let mut reflex = reflex(vec![sensor("gas", "hall", Hazard::Gas, true), valve("v", "bath", true)]);
    let word = |word: &str, hazard| said("gas", "alarm", Value::Text(word.into()), hazard);
    reflex.felt(&word("alarm", Some(Hazard::Gas)), at(0), &same);
    for other in ["unknown", "TEST", "fault", ""] {
        reflex.felt(&word(other, None), at(1), &same);
        assert_eq!(reflex.dangers().len(), 1, "{other}");
    }
    reflex.felt(&word("normal", None), at(2), &same);
    assert!(reflex.dangers().is_empty());
}

#[test]
fn one_device_with_a_thousand_dangers_leaves_room_for_others() {
    let mut reflex = reflex(vec![
        sensor("leak", "bath", Hazard::WaterLeak, true),
        sensor("mad", "bath", Hazard::Gas, true),
        valve("v", "bath", true),
    ]);
    for n in 0..5_000 {
        reflex.felt(&said("mad", &format!("p{n}"), Value::Bool(true), Some(Hazard::Smoke)), at(1), &same);
    }
    assert!(reflex.dangers().len() <= 32);
    assert_eq!(commands(&reflex.felt(&alarm("leak", Hazard::WaterLeak), at(2), &same)).len(), 1);
}

#[test]
fn a_rule_neither_opens_a_part_of_a_valve_nor_turns_anything_over() {
    let mut big = valve("v", "bath", true);
    big.properties.push(
        PropertyInfo::new("position", Shape::Number { min: Some(Decimal::ZERO), max: Some(Decimal::ONE_HUNDRED) })
            .with(|one| {
                one.writable = true;
                one.kind = Some("valve".into());
                one.class = Some("valve.position".into());
            }),
    );
    let home = Home::new(vec![big, plug("pump", "cellar")]);
    let refused = |name: &str, property: &str, value: Value| {
        Rule { answers: vec![Answer::Set(place(name, property), value)], ..rule("own", Danger::WaterLeak) }.check(&home)
    };
    assert!(matches!(refused("v", "position", Value::Number(Decimal::ONE)), Err(RuleError::Opens(_))));
    assert_eq!(refused("v", "position", Value::Number(Decimal::ZERO)), Ok(()));
    assert!(matches!(refused("pump", "state", Value::Text("TOGGLE".into())), Err(RuleError::Toggles(_))));
    assert_eq!(refused("pump", "state", Value::Bool(false)), Ok(()));
}
