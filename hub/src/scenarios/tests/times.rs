//! The clock: times of the day, nights on which clocks change, what was missed, a clock that jumps, and 1970.

use domovoi_model::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::super::view::End;
use super::{Home, MONDAY, tell};

fn at(zone: &str, text: &str) -> Timestamp {
    let local: jiff::civil::DateTime = text.parse().unwrap();
    let zoned = local.to_zoned(TimeZone::get(zone).unwrap()).unwrap();
    Timestamp(zoned.timestamp().as_millisecond())
}

fn by(home: &mut Home, trigger: Json) -> domovoi_model::Id {
    let mut trigger = trigger;
    trigger["id"] = json!("t");
    let id = home.put(1, json!({"triggers": [trigger], "actions": [tell("{{ trigger.said }}")]}));
    home.arm();
    id
}

#[test]
fn times_of_the_day_on_days_of_the_week() {
    let mut home = Home::new();
    by(&mut home, json!({"when": "time", "at": ["07:00", "22:30"], "weekdays": [1, 3]}));
    home.minutes(3 * 24 * 60);
    assert_eq!(home.did(), ["!2026-11-23 07:00", "!2026-11-23 22:30", "!2026-11-25 07:00", "!2026-11-25 22:30"]);
}

#[test]
fn every_so_often_is_counted_from_midnight() {
    let mut home = Home::new();
    home.now.wall = Some(MONDAY.plus_millis(7 * 60_000));
    by(&mut home, json!({"when": "every", "seconds": 900}));
    home.minutes(40);
    assert_eq!(home.did(), ["!2026-11-23 06:15", "!2026-11-23 06:30", "!2026-11-23 06:45"]);
}

#[test]
fn the_sun_with_an_offset() {
    let mut home = Home::new();
    by(&mut home, json!({"when": "sun", "event": "set", "offset_minutes": -30}));
    home.minutes(36 * 60);
    assert_eq!(home.did(), ["!2026-11-23 15:30", "!2026-11-24 15:30"]);
}

#[test]
fn a_time_that_does_not_exist_and_one_that_comes_twice_are_once_each() {
    let zone = "Europe/Berlin";
    // On 2027-03-28 the clocks go from 02:00 to 03:00, on 2027-10-31 from 03:00 to 02:00.
    for (eve, told) in [
        ("2027-03-27T12:00", ["!2027-03-28 03:30", "!2027-03-29 02:30"]),
        ("2027-10-30T12:00", ["!2027-10-31 02:30", "!2027-11-01 02:30"]),
    ] {
        let mut home = Home::in_zone(zone);
        home.now.wall = Some(at(zone, eve));
        by(&mut home, json!({"when": "time", "at": ["02:30"]}));
        home.minutes(48 * 60);
        assert_eq!(home.did(), told);
    }
    // The first of the two: an hour before the clocks show it again.
    let mut home = Home::in_zone(zone);
    home.now.wall = Some(at(zone, "2027-10-31T01:00"));
    by(&mut home, json!({"when": "time", "at": ["02:30"]}));
    home.minutes(91);
    assert_eq!(home.done.len(), 1);
    home.minutes(120);
    assert_eq!(home.done.len(), 1);
}

#[test]
fn a_night_with_a_change_of_clocks_and_a_restart_in_it_is_one_night() {
    let zone = "Europe/Berlin";
    for eve in ["2027-03-27T23:00", "2027-10-30T23:00"] {
        let mut home = Home::in_zone(zone);
        home.now.wall = Some(at(zone, eve));
        by(&mut home, json!({"when": "time", "at": ["02:30"], "catch_up": "all", "max_age_s": 36000}));
        for _ in 0..20 {
            home.minutes(20);
            home.cut(60_000);
            home.arm();
        }
        assert_eq!(home.done.len(), 1, "{eve}: {:?}", home.did());
    }
}

#[test]
fn what_was_missed_is_made_up_for_as_it_was_said() {
    // Off from 06:30 to 11:10: three times are missed, four hours and ten minutes, two and ten, ten minutes ago.
    let missed = |catch_up: &str, max_age_s: u32| {
        let mut home = Home::new();
        let trigger =
            json!({"when": "time", "at": ["07:00", "09:00", "11:00"], "catch_up": catch_up, "max_age_s": max_age_s});
        let id = by(&mut home, trigger);
        home.minutes(30);
        home.cut(4 * 3_600_000 + 40 * 60_000);
        home.arm();
        home.minutes(5);
        let reasons: Vec<End> = home.reasons(id).into_iter().map(|(end, _)| end).collect();
        (home.did(), reasons)
    };
    let said = |hours: &[&str]| hours.iter().map(|hour| format!("!2026-11-23 {hour}")).collect::<Vec<_>>();
    assert_eq!(missed("skip", 86_400), (vec![], vec![End::Missed]));
    assert_eq!(missed("once", 900), (said(&["11:00"]), vec![]));
    assert_eq!(missed("once", 300), (vec![], vec![End::Missed]));
    assert_eq!(missed("all", 86_400), (said(&["07:00", "09:00", "11:00"]), vec![]));
    assert_eq!(missed("all", 3 * 3600), (said(&["09:00", "11:00"]), vec![]));
}

#[test]
fn what_was_done_before_the_power_cut_is_not_made_up_for() {
    let mut home = Home::new();
    by(&mut home, json!({"when": "time", "at": ["07:00"], "catch_up": "all", "max_age_s": 86_400}));
    home.minutes(61);
    home.cut(60_000);
    home.arm();
    home.minutes(60);
    assert_eq!(home.did(), ["!2026-11-23 07:00"]);
}

#[test]
fn a_clock_that_is_put_forward_is_a_time_that_was_missed() {
    let mut home = Home::new();
    by(&mut home, json!({"when": "time", "at": ["07:00"], "catch_up": "once", "max_age_s": 3600}));
    home.minutes(10);
    home.set_clock(Some(MONDAY.plus_millis(90 * 60_000)));
    assert_eq!(home.did(), ["!2026-11-23 07:00"], "half an hour late");
}

#[test]
fn a_clock_that_is_put_back_a_little_does_nothing_twice_and_a_wrong_one_does_it_at_its_time() {
    let mut home = Home::new();
    by(&mut home, json!({"when": "time", "at": ["07:00"]}));
    home.minutes(61);
    home.set_clock(Some(MONDAY.plus_millis(55 * 60_000)));
    home.minutes(30);
    assert_eq!(home.done.len(), 1, "a correction");
    let mut home = Home::new();
    by(&mut home, json!({"when": "time", "at": ["07:00"]}));
    // It was two days ahead, and nobody knew.
    home.set_clock(Some(MONDAY.plus_millis(48 * 3_600_000 + 59 * 60_000)));
    home.minutes(2);
    assert_eq!(home.done.len(), 1);
    home.set_clock(Some(MONDAY));
    home.minutes(62);
    assert_eq!(home.done.len(), 2, "the real seven o'clock");
}

#[test]
fn in_1970_the_clock_begins_nothing_and_waits_go_on() {
    let mut home = Home::new();
    home.now.wall = None;
    by(&mut home, json!({"when": "time", "at": ["06:30"]}));
    let waits = home.put(2, json!({"actions": [{"do": "wait", "seconds": 600}, tell("ten minutes")]}));
    home.put(3, json!({"triggers": [{"id": "t", "when": "state", "device": "d:s", "property": "p", "is": {"equals": 1}, "for_s": 300}], "actions": [tell("five")]}));
    home.start(waits);
    home.says("s", "p", json!(1));
    home.minutes(9);
    assert_eq!(home.did(), ["!five"]);
    home.minutes(2);
    assert_eq!(home.did(), ["!five", "!ten minutes"]);
    home.set_clock(Some(MONDAY));
    home.minutes(31);
    assert_eq!(home.did()[2..], ["!2026-11-23 06:30"], "the clock is set, and its time comes");
}

#[test]
fn a_wait_of_1970_whose_clock_is_set_meanwhile_survives_a_power_cut() {
    let mut home = Home::new();
    home.now.wall = None;
    home.arm();
    let waits = home.put(1, json!({"actions": [{"do": "wait", "seconds": 600}, tell("done")]}));
    home.start(waits);
    home.minutes(4);
    home.set_clock(Some(MONDAY));
    home.cut(5 * 60_000);
    home.arm();
    assert!(home.did().is_empty());
    home.minutes(1);
    assert_eq!(home.did(), ["!done"]);
}

#[test]
fn in_1970_after_a_power_cut_the_whole_wait_passes_again() {
    let mut home = Home::new();
    home.arm();
    let waits = home.put(1, json!({"actions": [{"do": "wait", "seconds": 600}, tell("done")]}));
    home.start(waits);
    home.minutes(4);
    home.cut(0);
    home.now.wall = None;
    home.arm();
    home.minutes(9);
    assert!(home.did().is_empty());
    home.minutes(2);
    assert_eq!(home.did(), ["!done"]);
}

#[test]
fn a_wait_is_as_long_as_it_is_whatever_the_wall_clock_does() {
    let mut home = Home::new();
    home.arm();
    let waits = home.put(1, json!({"actions": [{"do": "wait", "seconds": 600}, tell("done")]}));
    home.start(waits);
    home.set_clock(Some(MONDAY.plus_millis(86_400_000)));
    home.set_clock(Some(MONDAY));
    home.minutes(9);
    assert!(home.did().is_empty());
    home.minutes(1);
    assert_eq!(home.did(), ["!done"]);
}

#[test]
fn what_holds_for_a_while_is_told_once_and_survives_a_power_cut() {
    let mut home = Home::new();
    let trigger =
        json!({"when": "state", "device": "d:door", "property": "open", "is": {"equals": true}, "for_s": 600});
    by(&mut home, trigger);
    home.says("door", "open", json!(true));
    home.minutes(5);
    home.says("door", "open", json!(false));
    home.says("door", "open", json!(true));
    home.minutes(9);
    assert!(home.did().is_empty(), "it began anew");
    home.minutes(2);
    assert_eq!(home.done.len(), 1);
    home.minutes(60);
    assert_eq!(home.done.len(), 1, "once");
    home.says("door", "open", json!(false));
    home.says("door", "open", json!(true));
    home.minutes(3);
    home.world.others.lock().unwrap().insert(
        super::Place { device: domovoi_model::DeviceRef::new("d", "door"), property: "open".into() },
        domovoi_model::Value::Bool(true),
    );
    home.cut(4 * 60_000);
    home.arm();
    home.minutes(2);
    assert_eq!(home.done.len(), 1);
    home.minutes(2);
    assert_eq!(home.done.len(), 2, "ten minutes after it was opened, three of them without power");
    home.cut(60_000);
    home.arm();
    home.minutes(30);
    assert_eq!(home.done.len(), 2, "and it is known that this was told");
}
