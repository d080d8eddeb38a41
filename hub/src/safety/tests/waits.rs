//! How often something is told, what people are told of it, and what of it outlives a restart.

use super::*;
use crate::safety::kept;
use crate::safety::renaming::renamed;
use crate::safety::rule::{Answer, Rule};

fn leak(name: &str) -> HomeDevice {
    sensor(name, "bath", Hazard::WaterLeak, true)
}

fn flat() -> Vec<HomeDevice> {
    vec![leak("leak"), valve("v", "bath", true)]
}

fn v() -> Place {
    place("v", "state")
}

fn told(deeds: &[Deed], is_it: impl Fn(&News) -> bool) -> usize {
    deeds.iter().filter(|deed| matches!(deed, Deed::Tell(news) if is_it(news))).count()
}

fn unanswered(deeds: &[Deed]) -> usize {
    told(deeds, |news| matches!(news, News::Unanswered(..)))
}

/// What people were told last of what is done about a danger.
fn doing(deeds: &[Deed]) -> Vec<Doing> {
    let of = |deed: &Deed| match deed {
        Deed::Tell(News::Began(_, open)) => Some(open.doing),
        _ => None,
    };
    deeds.iter().filter_map(of).collect()
}

fn ticks(reflex: &mut Reflex, seconds: std::ops::Range<i64>) -> Vec<Deed> {
    seconds.flat_map(|second| reflex.tick(at(second * 1000))).collect()
}

#[test]
fn eight_sensors_at_once_burn_no_tries_and_tell_nobody_too_early() {
    let mut devices: Vec<HomeDevice> = (0..8).map(|n| leak(&format!("l{n}"))).collect();
    devices.push(valve("v", "bath", true));
    let mut reflex = reflex(devices);
    let mut deeds = Vec::new();
    for n in 0..8 {
        deeds.extend(reflex.felt(&alarm(&format!("l{n}"), Hazard::WaterLeak), at(n * 100), &same));
    }
    assert_eq!((commands(&deeds).len(), unanswered(&deeds)), (1, 0));
    let mut said_at = Vec::new();
    for second in 1..=30 {
        let now = reflex.tick(at(second * 1000));
        said_at.extend(commands(&now).iter().map(|_| second));
        deeds.extend(now);
        assert_eq!(unanswered(&deeds), usize::from(second >= 8), "after eight seconds");
    }
    assert_eq!(said_at, [1, 2, 4, 9, 19], "a fresh row of waits");
}

#[test]
fn a_danger_that_begins_is_answered_at_once_and_a_probe_that_bounces_for_long_floods_nobody() {
    for answers in [false, true] {
        let mut reflex = reflex(flat());
        let mut deeds = Vec::new();
        let bounce = |reflex: &mut Reflex, n: i64, deeds: &mut Vec<Deed>| {
            let begun = reflex.felt(&alarm("leak", Hazard::WaterLeak), at(n * 100), &same);
            let said = commands(&begun).len();
            deeds.extend(begun);
            if answers {
                deeds.extend(reflex.felt(&state("v", false), at(n * 100 + 20), &same));
            }
            deeds.extend(reflex.felt(&calm("leak"), at(n * 100 + 50), &same));
            said
        };
        for n in 0..1_000 {
            assert_eq!(bounce(&mut reflex, n, &mut deeds), 1, "{answers}: the {n}th time");
        }
        assert_eq!(unanswered(&deeds), usize::from(!answers));
        for n in 1_000..5_000 {
            bounce(&mut reflex, n, &mut deeds);
        }
        deeds.clear();
        for n in 5_000..5_100 {
            bounce(&mut reflex, n, &mut deeds);
        }
        assert!((8..=21).contains(&commands(&deeds).len()), "{answers}: {} in ten seconds", commands(&deeds).len());
    }
}

#[test]
fn a_bridge_that_answers_from_its_memory_is_asked_each_time_and_told_of() {
    let mut reflex = reflex(flat());
    let mut deeds = reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    // It is closed, as far as the bridge knows; asked, the valve says otherwise.
    for round in 0..6 {
        let second = round * 10;
        deeds.extend(reflex.felt(&state("v", false), at(second * 1000 + 500), &same));
        let asked = ticks(&mut reflex, second + 1..second + 7);
        assert!(asked.contains(&Deed::Ask(device("v"))), "round {round}: it is asked again");
        deeds.extend(asked);
        deeds.extend(reflex.felt(&state("v", true), at(second * 1000 + 7_000), &same));
        assert_eq!(unanswered(&deeds), usize::from(round >= 1), "at the second time, and once");
        assert!(!reflex.pursuits()[&v()].confirmed);
        assert!(commands(&deeds).len() > usize::try_from(round).unwrap() + 1, "it is told again at once");
    }
    deeds.clear();
    deeds.extend(reflex.felt(&state("v", false), at(60_000), &same));
    deeds.extend(ticks(&mut reflex, 61..89));
    let steady = |news: &News| matches!(news, News::Confirmed(_, pursuit) if !pursuit.is_unsteady());
    assert_eq!(told(&deeds, steady), 0, "people are not told that all is well by the next word from memory");
    assert_eq!(told(&ticks(&mut reflex, 89..95), steady), 1, "after half a minute");
}

#[test]
fn a_hush_of_gas_monoxide_or_smoke_ends_after_ten_minutes_and_of_a_leak_it_does_not() {
    for (hazard, ends) in
        [(Hazard::Gas, true), (Hazard::CarbonMonoxide, true), (Hazard::Smoke, true), (Hazard::WaterLeak, false)]
    {
        let devices = vec![sensor("s", "hall", hazard, true), valve("v", "bath", true), siren("siren", "hall")];
        let mut reflex = reflex(devices);
        let mut rules = reflex.rules().to_vec();
        let leak = rules.iter_mut().find(|rule| rule.id == "water-leak").unwrap();
        leak.answers.push(Answer::Sirens(None));
        reflex.rules_are(rules, at(0));
        // It reports changes only: it says nothing more.
        reflex.felt(&alarm("s", hazard), at(0), &same);
        reflex.felt(&state("v", false), at(10), &same);
        reflex.hush(at(2_000));
        reflex.felt(&state("siren", false), at(2_100), &same);
        // Somebody wants water all the same.
        reflex.felt(&state("v", true), at(3_000), &same);
        assert!(commands(&ticks(&mut reflex, 4..602)).is_empty(), "{hazard:?}");
        let said = commands(&ticks(&mut reflex, 602..603));
        let on = (place("siren", "state"), Value::Bool(true));
        assert_eq!(said, if ends { vec![on] } else { Vec::new() }, "{hazard:?}: the siren, and not the valve");
    }
}

#[test]
fn an_old_message_of_a_broker_that_was_hushed_sounds_nothing_later() {
    let mut reflex = reflex(vec![sensor("gas", "hall", Hazard::Gas, true), siren("siren", "hall")]);
    reflex.replayed(&alarm("gas", Hazard::Gas), at(0));
    reflex.hush(at(1_000));
    let said = commands(&ticks(&mut reflex, 1..2_000));
    assert!(said.iter().all(|(_, value)| *value == Value::Bool(false)), "{said:?}");
}

#[test]
fn people_are_told_what_is_really_closed_and_that_nobody_closes_anything() {
    let mut alone = reflex(vec![leak("leak")]);
    assert_eq!(doing(&alone.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same)), [Doing::Nothing]);
    assert_eq!(doing(&alone.home_is(Arc::new(Home::new(flat())), at(1))), [Doing::Setting(1)], "now it is there");
    let off: Vec<Rule> = built_in().into_iter().map(|rule| Rule { is_on: false, ..rule }).collect();
    assert_eq!(doing(&alone.rules_are(off, at(2))), [Doing::Nothing], "somebody has switched the rule off");
    let mut stranger = reflex(vec![sensor("leak", "bath", Hazard::WaterLeak, false), valve("v", "bath", true)]);
    assert_eq!(doing(&stranger.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same)), [Doing::Unaccepted]);
    let accepted = Arc::new(Home::new(flat()));
    assert_eq!(doing(&stranger.home_is(accepted, at(1))), [Doing::Setting(1)]);
    for (answered, first, then) in [(true, Doing::DoneBefore, None), (false, Doing::Asking(1), Some(Doing::Setting(1)))]
    {
        let mut after = reflex(flat());
        assert_eq!(doing(&after.remember(kept_leak(answered), at(0))), [first]);
        assert_eq!(doing(&ticks(&mut after, 1..20)), then.into_iter().collect::<Vec<_>>());
    }
    let mut replayed = reflex(flat());
    assert_eq!(doing(&replayed.replayed(&alarm("leak", Hazard::WaterLeak), at(0))), [Doing::Replayed]);
}

fn kept_leak(answered: bool) -> Keep {
    let key = Key { danger: Danger::WaterLeak, place: place("leak", "alarm"), test: None };
    let one = Remembered { key, since: at(0).moment, value: Value::Bool(true), answered, hushed: false };
    Keep { dangers: vec![one], ..Keep::default() }
}

#[test]
fn why_a_danger_is_over_is_told() {
    let why = |deeds: &[Deed]| {
        let of = |deed: &Deed| match deed {
            Deed::Tell(News::Over(_, _, why)) => Some(*why),
            _ => None,
        };
        deeds.iter().find_map(of)
    };
    let mut one = reflex(flat());
    one.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    assert_eq!(why(&one.felt(&calm("leak"), at(1), &same)), Some(Why::Said));
    one.felt(&alarm("leak", Hazard::WaterLeak), at(2), &same);
    assert_eq!(why(&one.home_is(Arc::new(Home::new(vec![valve("v", "bath", true)])), at(3))), Some(Why::TakenAway));
    let mut beginnings = flat();
    beginnings[0].properties[0].off_after_s = Some(5);
    let mut two = reflex(beginnings);
    two.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    assert_eq!(why(&two.tick(at(5_000))), Some(Why::RanOut), "nobody has said so");
}

#[test]
fn a_closing_that_is_owed_after_its_danger_is_over_outlives_a_restart() {
    let mut before = reflex(flat());
    before.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    before.felt(&calm("leak"), at(200), &same);
    let kept = kept::keep_of(&kept::rows_of(&before.to_keep()));
    assert_eq!((kept.dangers.len(), kept.owed.len()), (0, 1));
    let mut after = reflex(flat());
    let mut deeds = after.remember(kept.clone(), at(0));
    deeds.extend(ticks(&mut after, 1..20));
    assert_eq!(commands(&deeds).len(), 5);
    assert_eq!(unanswered(&deeds), 1, "and people are told");
    after.felt(&state("v", false), at(21_000), &same);
    assert_eq!((after.pursuits().len(), after.to_keep()), (0, Keep::default()));
    // Where it was a valve that would be opened, nothing is owed.
    let opened = Keep { owed: vec![Owed { value: Value::Bool(true), ..kept.owed[0].clone() }], ..Keep::default() };
    assert!(commands(&reflex(flat()).remember(opened, at(0))).is_empty());
}

#[test]
fn a_danger_for_which_nothing_could_be_closed_is_not_answered() {
    let mut alone = reflex(vec![leak("leak")]);
    alone.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    let kept = alone.to_keep();
    assert!(!kept.dangers[0].answered);
    // With the valve the restart finds it, though it is described late; and a second power cut finds the same.
    let mut after = reflex(vec![leak("leak")]);
    after.remember(kept, at(0));
    assert!(!after.to_keep().dangers[0].answered, "nothing has been done about it yet");
    let mut deeds = after.home_is(Arc::new(Home::new(flat())), at(1_000));
    deeds.extend(ticks(&mut after, 2..12));
    assert_eq!(commands(&deeds)[0], (v(), Value::Bool(false)));
    // Gas with a siren and a valve that nobody describes: the siren is not the answer.
    let devices = vec![sensor("gas", "hall", Hazard::Gas, true), siren("siren", "hall")];
    let mut gas = reflex(devices);
    gas.felt(&alarm("gas", Hazard::Gas), at(0), &same);
    gas.felt(&state("siren", true), at(1), &same);
    assert!(!gas.to_keep().dangers[0].answered);
}

#[test]
fn a_device_that_gets_its_real_id_takes_danger_closing_and_rules_with_it() {
    let mut reflex = reflex(flat());
    let own = Rule {
        id: "own".into(),
        name: "own".into(),
        is_on: true,
        danger: Danger::WaterLeak,
        sensors: crate::safety::rule::Sensors::These(vec![place("leak", "alarm")]),
        below: None,
        silent_after_s: None,
        answers: vec![Answer::Set(v(), Value::Bool(false))],
    };
    reflex.rules_are(vec![own.clone()], at(0));
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    let (leak_before, v_before) = (device("leak"), device("v"));
    let mut deeds = reflex.is_renamed(&leak_before, &device("0x1"), at(10));
    deeds.extend(reflex.is_renamed(&v_before, &device("0x2"), at(10)));
    let renamed_home = vec![leak("0x1"), valve("0x2", "bath", true)];
    deeds.extend(reflex.home_is(Arc::new(Home::new(renamed_home)), at(20)));
    deeds.extend(ticks(&mut reflex, 1..4));
    assert_eq!(told(&deeds, |news| matches!(news, News::Over(..))), 0);
    assert_eq!(commands(&deeds), vec![(place("0x2", "state"), Value::Bool(false)); 2], "at 1 and 3 seconds");
    let rule = renamed(&own, &leak_before, &device("0x1")).unwrap();
    assert_eq!(renamed(&rule, &v_before, &device("0x2")).as_ref(), reflex.rules().first());
    assert_eq!(renamed(&own, &device("other"), &device("0x3")), None);
    assert_eq!(reflex.to_keep().dangers[0].key.place, place("0x1", "alarm"));
}

#[test]
fn what_comes_back_is_told_at_once_and_what_has_confirmed_is_left() {
    let mut reflex = reflex(flat());
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    ticks(&mut reflex, 1..50);
    assert!(commands(&reflex.is_back(Some(&device("other")), at(50_000))).is_empty());
    assert_eq!(commands(&reflex.is_back(Some(&device("v")), at(50_000))).len(), 1, "and not at 78 seconds");
    assert!(commands(&reflex.is_back(None, at(50_100))).is_empty(), "once a second");
    assert_eq!(commands(&ticks(&mut reflex, 51..52)).len(), 1);
    reflex.felt(&state("v", false), at(52_000), &same);
    assert!(commands(&reflex.is_back(None, at(60_000))).is_empty());
}

#[test]
fn a_siren_that_a_test_left_on_is_silenced_after_a_restart_and_by_a_hush() {
    let devices = || vec![sensor("smoke", "hall", Hazard::Smoke, true), siren("siren", "hall")];
    let off = (place("siren", "state"), Value::Bool(false));
    let mut before = reflex(devices());
    before.test("smoke", true, at(0)).unwrap();
    let kept = kept::keep_of(&kept::rows_of(&before.to_keep()));
    assert_eq!(kept.sounding, [place("siren", "state")]);
    let mut after = reflex(devices());
    assert_eq!(commands(&after.remember(kept, at(0))), std::slice::from_ref(&off));
    let mut knows_nothing = reflex(devices());
    assert_eq!(commands(&knows_nothing.hush(at(0))), std::slice::from_ref(&off));
    knows_nothing.felt(&state("siren", false), at(10), &same);
    assert_eq!(knows_nothing.to_keep(), Keep::default(), "it has confirmed that it is silent");
}

#[test]
fn a_hush_in_the_seconds_after_a_restart_counts() {
    let devices = vec![sensor("gas", "hall", Hazard::Gas, true), valve("v", "bath", true), siren("siren", "hall")];
    let mut reflex = reflex(devices);
    let key = Key { danger: Danger::Gas, place: place("gas", "alarm"), test: None };
    let one = Remembered { key, since: at(0).moment, value: Value::Bool(true), answered: false, hushed: false };
    let mut deeds = reflex.remember(Keep { dangers: vec![one], ..Keep::default() }, at(0));
    deeds.extend(reflex.hush(at(3_000)));
    deeds.extend(ticks(&mut reflex, 4..30));
    let said = commands(&deeds);
    assert!(said.contains(&(v(), Value::Bool(false))), "it is closed all the same: {said:?}");
    assert!(said.iter().all(|one| *one != (place("siren", "state"), Value::Bool(true))), "{said:?}");
}

#[test]
fn people_are_told_when_nobody_goes_on_with_what_they_were_told_to_do_by_hand() {
    let mut reflex = reflex(flat());
    reflex.felt(&alarm("leak", Hazard::WaterLeak), at(0), &same);
    ticks(&mut reflex, 1..20);
    reflex.felt(&calm("leak"), at(20_000), &same);
    let deeds = ticks(&mut reflex, 21..700);
    assert_eq!(told(&deeds, |news| matches!(news, News::Ended(place, _) if *place == v())), 1);
    assert!(reflex.pursuits().is_empty());
}
