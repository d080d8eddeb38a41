//! When things are: nights on which clocks change, ends of months, leap days, exceptions.

use jiff::civil::DateTime;

use super::super::moments::{self, Why, next, occurrences, span, tellings};
use super::*;

fn civil(text: &str) -> DateTime {
    text.parse().unwrap()
}

/// When the occurrences begin: on the clocks of the zone, and in UTC.
fn begins(draft: &Draft, zone: &str, from: &str, most: usize) -> Vec<(String, String)> {
    let event = event(draft, zone);
    let found = occurrences(&event, civil(from), DateTime::MAX, most);
    let spelled = |occurrence: &moments::Occurrence| {
        let (begin, _) = span(&event, occurrence, &home(zone)).unwrap();
        let utc = jiff::Timestamp::from_millisecond(begin.0).unwrap().to_string();
        (occurrence.start.strftime("%m-%d %H:%M").to_string(), utc)
    };
    found.iter().map(spelled).collect()
}

fn days(draft: &Draft, most: usize) -> Vec<String> {
    let event = event(draft, "Europe/Moscow");
    let found = occurrences(&event, event.when.start, DateTime::MAX, most);
    found.iter().map(|occurrence| occurrence.start.strftime("%Y-%m-%d").to_string()).collect()
}

#[test]
fn eight_stays_eight_when_the_clocks_change() {
    let daily = ruled("pill", "2027-03-27T08:00", "FREQ=DAILY");
    let spring = begins(&daily, "Europe/Berlin", "2027-03-27T00:00", 3);
    let utc: Vec<&str> = spring.iter().map(|(_, utc)| utc.as_str()).collect();
    assert_eq!(utc, ["2027-03-27T07:00:00Z", "2027-03-28T06:00:00Z", "2027-03-29T06:00:00Z"]);
    assert!(spring.iter().all(|(local, _)| local.ends_with("08:00")));
    let autumn = begins(&daily, "Europe/Berlin", "2027-10-30T00:00", 3);
    let utc: Vec<&str> = autumn.iter().map(|(_, utc)| utc.as_str()).collect();
    assert_eq!(utc, ["2027-10-30T06:00:00Z", "2027-10-31T07:00:00Z", "2027-11-01T07:00:00Z"]);
}

#[test]
fn a_time_that_is_left_out_is_later_and_one_that_comes_twice_is_the_first() {
    let daily = ruled("night", "2027-03-27T02:30", "FREQ=DAILY");
    let spring = begins(&daily, "Europe/Berlin", "2027-03-28T00:00", 1);
    // 02:30 becomes 03:30 of summer time.
    assert_eq!(spring[0].1, "2027-03-28T01:30:00Z");
    let autumn = begins(&daily, "Europe/Berlin", "2027-10-31T00:00", 1);
    assert_eq!(autumn[0].1, "2027-10-31T00:30:00Z", "the first of the two is on summer time");
}

#[test]
fn a_reminder_a_day_before_is_at_the_same_hour_and_one_of_hours_is_hours_before() {
    let mut event = event(&draft("x", "2027-03-28T08:00"), "Europe/Berlin");
    event.remind = vec![1440, 600];
    let told = tellings(&event, |_| false, &home("Europe/Berlin"), Timestamp(0), Timestamp(i64::MAX / 4));
    let at: Vec<String> =
        told.iter().map(|telling| jiff::Timestamp::from_millisecond(telling.at.0).unwrap().to_string()).collect();
    // 08:00 the day before is 07:00 UTC; ten hours before 06:00 UTC is 20:00 UTC.
    assert_eq!(at, ["2027-03-27T07:00:00Z", "2027-03-27T20:00:00Z"]);
    assert_eq!(told.iter().map(|telling| telling.number).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn an_hour_is_an_hour_in_the_night_of_the_change_and_a_day_is_23_of_them() {
    let long = Draft { minutes: 120, ..draft("x", "2027-03-28T01:30") };
    let timed = event(&long, "Europe/Berlin");
    let occurrence = occurrences(&timed, timed.when.start, DateTime::MAX, 1).remove(0);
    let (begin, end) = span(&timed, &occurrence, &home("Europe/Berlin")).unwrap();
    assert_eq!(end.0 - begin.0, 2 * HOUR);
    let whole = event(&draft("x", "2027-03-28"), "Europe/Berlin");
    let occurrence = occurrences(&whole, whole.when.start, DateTime::MAX, 1).remove(0);
    let (begin, end) = span(&whole, &occurrence, &home("Europe/Berlin")).unwrap();
    assert_eq!(end.0 - begin.0, 23 * HOUR);
}

#[test]
fn ends_of_months_and_leap_days() {
    let rule = |start: &str, rule: &str, most: usize| days(&ruled("x", start, rule), most);
    assert_eq!(rule("2027-01-31", "FREQ=MONTHLY", 4), ["2027-01-31", "2027-03-31", "2027-05-31", "2027-07-31"]);
    assert_eq!(
        rule("2027-01-31", "FREQ=MONTHLY;BYMONTHDAY=-1", 4),
        ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]
    );
    assert_eq!(rule("2028-02-29", "FREQ=YEARLY", 3), ["2028-02-29", "2032-02-29", "2036-02-29"]);
    assert_eq!(
        rule("2028-02-29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", 3),
        ["2028-02-29", "2029-02-28", "2030-02-28"]
    );
    assert_eq!(
        rule("2026-11-30", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", 3),
        ["2026-11-30", "2026-12-31", "2027-01-29"]
    );
    assert_eq!(rule("2026-12-01", "FREQ=MONTHLY;BYDAY=1TU,-1TU", 3), ["2026-12-01", "2026-12-29", "2027-01-05"]);
    assert_eq!(
        rule("2026-11-23", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=3", 9),
        ["2026-11-23", "2026-11-27", "2026-12-07"]
    );
    assert_eq!(rule("2026-11-23", "FREQ=WEEKLY;UNTIL=20261207", 9), ["2026-11-23", "2026-11-30", "2026-12-07"]);
    assert_eq!(rule("2020-12-31", "FREQ=YEARLY;BYYEARDAY=-1", 2), ["2020-12-31", "2021-12-31"]);
}

#[test]
fn an_end_in_utc_is_an_end_on_the_events_clocks() {
    // 20:59:59 UTC is 23:59:59 in Moscow: the 25th counts, the 26th does not.
    let rule = ruled("x", "2026-11-24T23:00", "FREQ=DAILY;UNTIL=20261125T205959Z");
    assert_eq!(days(&rule, 9), ["2026-11-24", "2026-11-25"]);
    let whole_day = ruled("x", "2026-11-24T23:00", "FREQ=DAILY;UNTIL=20261125");
    assert_eq!(days(&whole_day, 9), ["2026-11-24", "2026-11-25"]);
}

#[test]
fn looking_far_ahead_is_the_same_as_walking_there() {
    for rule in [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=DAILY;BYMONTH=2;BYDAY=MO",
    ] {
        let event = event(&ruled("x", "1999-01-05T10:00", rule), "Europe/Moscow");
        let all = occurrences(&event, event.when.start, civil("1999-12-31T00:00"), 2000);
        let from = civil("1999-06-17T11:30");
        let near = occurrences(&event, from, civil("1999-12-31T00:00"), 2000);
        let walked: Vec<_> = all.into_iter().filter(|occurrence| occurrence.start >= from).collect();
        assert_eq!(near, walked, "{rule}");
        assert_eq!(occurrences(&event, civil("2199-01-01T00:00"), DateTime::MAX, 2).len(), 2, "{rule}");
    }
}

#[test]
fn what_was_cancelled_does_not_happen_and_what_was_moved_is_elsewhere() {
    let mut event = event(&ruled("x", "2026-11-23T10:00", "FREQ=DAILY"), "Europe/Moscow");
    let key = |text: &str| event::key_of(civil(text));
    event.cancelled.push(key("2026-11-24T10:00"));
    event.moved.push(event::Moved {
        occurrence: key("2026-11-25T10:00"),
        start: civil("2026-11-27T18:00"),
        minutes: None,
        title: Some("moved".into()),
    });
    let found = occurrences(&event, event.when.start, DateTime::MAX, 5);
    let shown: Vec<String> = found.iter().map(|one| one.start.strftime("%d %H").to_string()).collect();
    assert_eq!(shown, ["23 10", "26 10", "27 10", "27 18", "28 10"]);
    assert_eq!(found[3].key, key("2026-11-25T10:00"));
    assert!(moments::occurrence(&event, key("2026-11-24T10:00")).is_none());
    assert!(moments::occurrence(&event, key("2026-11-25T10:00")).is_some_and(|one| one.moved));
    assert!(moments::occurrence(&event, key("2026-11-25T10:01")).is_none());
}

#[test]
fn the_next_telling_is_the_first_of_all_that_follow() {
    let zones = ["Europe/Berlin", "Europe/Moscow", "America/New_York"];
    let rules = ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU,WE", "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=HOURLY;INTERVAL=5"];
    for zone in zones {
        for rule in rules {
            let mut event = event(&Draft { todo: true, minutes: 90, ..ruled("x", "2027-03-20T02:30", rule) }, zone);
            event.remind = vec![4320, 1440, 45, 0];
            let (mut after, end) = (Timestamp(1_805_000_000_000), Timestamp(1_808_000_000_000));
            let all = tellings(&event, |_| false, &home(zone), after, end);
            let mut times: Vec<Timestamp> = all.iter().map(|telling| telling.at).collect();
            times.dedup();
            assert!(times.len() > 3 && all.iter().any(|telling| telling.why == Why::Overdue), "{zone} {rule}");
            for at in times {
                assert_eq!(next(&event, |_| false, &home(zone), after), Some(at), "{zone} {rule}");
                after = at;
            }
        }
    }
}
