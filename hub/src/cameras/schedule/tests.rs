//! Plans by the clocks of real zones, also in the nights in which they are put forward or back.

use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn span(days: u8, from: &str, to: &str) -> Span {
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':').unwrap();
        hours.parse::<u16>().unwrap() * 60 + minutes.parse::<u16>().unwrap()
    };
    Span { days: Weekdays(days), from: minutes(from), to: minutes(to) }
}

fn week(spans: &[Span]) -> Plan {
    Plan::new(Mode::Week, spans.to_vec()).unwrap()
}

/// Every change within so many hours, as UTC.
fn changes(plan: &Plan, zone: &TimeZone, from: &str, hours: i64) -> Vec<String> {
    let (mut now, end) = (at(from), at(from).plus_millis(hours * 3_600_000));
    let mut changes = Vec::new();
    while let Some(next) = next_change(plan, zone, now).filter(|next| *next < end) {
        let sign = if is_on(plan, zone, next) { '+' } else { '-' };
        changes.push(format!("{sign}{}", &next.to_string()[8..16]));
        now = next;
    }
    changes
}

const SUNDAY: u8 = 1 << 6;
const ALL: u8 = 0x7f;

#[test]
fn a_span_is_on_by_the_clocks_of_the_home() {
    let moscow = zone("Europe/Moscow");
    // Monday to Friday by day, and over midnight from Saturday.
    let plan = week(&[span(0b001_1111, "9:00", "18:00"), span(1 << 5, "22:00", "6:00")]);
    for (when, on) in [
        ("2026-11-20T05:59:59.999Z", false), // Friday 08:59 in Moscow
        ("2026-11-20T06:00:00Z", true),
        ("2026-11-20T14:59:59.999Z", true),
        ("2026-11-20T15:00:00Z", false),
        ("2026-11-21T06:30:00Z", false), // Saturday
        ("2026-11-21T19:00:00Z", true),
        ("2026-11-22T02:59:59.999Z", true), // Sunday 05:59
        ("2026-11-22T03:00:00Z", false),
        ("2026-11-22T19:00:00Z", false), // Sunday 22:00
    ] {
        assert_eq!(is_recording(&plan, &moscow, at(when)), on, "{when}");
    }
    assert_eq!(
        changes(&plan, &moscow, "2026-11-20T00:00:00Z", 96),
        ["+20T06:00", "-20T15:00", "+21T19:00", "-22T03:00", "+23T06:00", "-23T15:00"]
    );
    let (always, never) = (Plan::new(Mode::Always, Vec::new()).unwrap(), Plan::new(Mode::Never, Vec::new()).unwrap());
    assert!(is_recording(&always, &moscow, at("2026-11-20T00:00:00Z")));
    assert!(!is_recording(&never, &moscow, at("2026-11-20T00:00:00Z")));
    assert_eq!(
        (
            next_change(&always, &moscow, at("2026-11-20T00:00:00Z")),
            changes(&never, &moscow, "2026-11-20T00:00:00Z", 999)
        ),
        (None, Vec::new())
    );
}

#[test]
fn spans_that_meet_or_overlap_are_one() {
    let utc = TimeZone::UTC;
    let plan = week(&[span(ALL, "9:00", "12:00"), span(ALL, "12:00", "13:00"), span(ALL, "11:00", "12:30")]);
    assert_eq!(changes(&plan, &utc, "2026-11-20T00:00:00Z", 24), ["+20T09:00", "-20T13:00"]);
    let whole = week(&[span(ALL, "7:00", "7:00")]);
    assert!(is_on(&whole, &utc, at("2026-11-20T06:59:00Z")));
    assert_eq!(next_change(&whole, &utc, at("2026-11-20T00:00:00Z")), None, "from seven to seven, every day");
    let one = week(&[span(SUNDAY, "0:00", "24:00")]);
    assert_eq!(
        changes(&one, &utc, "2026-11-20T00:00:00Z", 24 * 14),
        ["+22T00:00", "-23T00:00", "+29T00:00", "-30T00:00"]
    );
}

#[test]
fn an_hour_that_comes_twice_is_recorded_twice() {
    // Berlin, 25 October 2026: at 03:00 (01:00 UTC) the clocks are put back to 02:00.
    let berlin = zone("Europe/Berlin");
    let plan = week(&[span(SUNDAY, "2:00", "3:00")]);
    assert_eq!(changes(&plan, &berlin, "2026-10-24T12:00:00Z", 30), ["+25T00:00", "-25T02:00"], "two hours in one");
    let half = week(&[span(SUNDAY, "2:15", "2:45")]);
    assert_eq!(
        changes(&half, &berlin, "2026-10-24T12:00:00Z", 30),
        ["+25T00:15", "-25T00:45", "+25T01:15", "-25T01:45"]
    );
    let before = week(&[span(SUNDAY, "1:30", "2:30")]);
    assert_eq!(
        changes(&before, &berlin, "2026-10-24T12:00:00Z", 30),
        ["+24T23:30", "-25T00:30", "+25T01:00", "-25T01:30"]
    );
}

#[test]
fn an_hour_that_never_comes_is_recorded_never() {
    // Berlin, 29 March 2026: at 02:00 (01:00 UTC) the clocks are put forward to 03:00.
    let berlin = zone("Europe/Berlin");
    let plan = week(&[span(SUNDAY, "2:00", "3:00")]);
    assert_eq!(changes(&plan, &berlin, "2026-03-28T12:00:00Z", 30), Vec::<String>::new());
    assert_eq!(
        next_change(&plan, &berlin, at("2026-03-28T12:00:00Z")),
        Some(at("2026-04-05T00:00:00Z")),
        "the next week"
    );
    let across = week(&[span(SUNDAY, "1:30", "3:30")]);
    assert_eq!(changes(&across, &berlin, "2026-03-28T12:00:00Z", 30), ["+29T00:30", "-29T01:30"], "one hour of two");
    let into = week(&[span(SUNDAY, "1:30", "2:30"), span(SUNDAY, "2:45", "3:15")]);
    assert_eq!(changes(&into, &berlin, "2026-03-28T12:00:00Z", 30), ["+29T00:30", "-29T01:15"], "they meet in the gap");
}

#[test]
fn half_an_hour_on_lord_howe_island() {
    // 5 April 2026, 02:00 (+11:00): back to 01:30 (+10:30). 4 October 2026, 02:00 (+10:30): forward to 02:30 (+11:00).
    let island = zone("Australia/Lord_Howe");
    let plan = week(&[span(SUNDAY, "1:30", "2:00")]);
    assert_eq!(changes(&plan, &island, "2026-04-04T00:00:00Z", 30), ["+04T14:30", "-04T15:30"], "twice half an hour");
    let plan = week(&[span(SUNDAY, "1:45", "2:15")]);
    assert_eq!(
        changes(&plan, &island, "2026-04-04T00:00:00Z", 30),
        ["+04T14:45", "-04T15:00", "+04T15:15", "-04T15:45"]
    );
    assert_eq!(changes(&plan, &island, "2026-10-03T00:00:00Z", 30), ["+03T15:15", "-03T15:30"]);
    let gone = week(&[span(SUNDAY, "2:00", "2:30")]);
    assert_eq!(changes(&gone, &island, "2026-10-03T00:00:00Z", 30), Vec::<String>::new());
}

#[test]
fn a_day_that_was_left_out() {
    // Samoa had no 30 December 2011, a Friday.
    let samoa = zone("Pacific/Apia");
    let plan = week(&[span(1 << 4, "0:00", "24:00")]);
    assert_eq!(next_change(&plan, &samoa, at("2011-12-25T00:00:00Z")), Some(at("2012-01-05T10:00:00Z")));
}

#[test]
fn on_event_the_plan_only_says_when_to_look() {
    let plan = Plan::new(Mode::OnEvent, vec![span(ALL, "22:00", "6:00")]).unwrap();
    let night = at("2026-11-20T23:00:00Z");
    assert!(is_on(&plan, &TimeZone::UTC, night) && !is_recording(&plan, &TimeZone::UTC, night));
    assert_eq!(next_change(&plan, &TimeZone::UTC, night), Some(at("2026-11-21T06:00:00Z")));
    let ever = Plan::new(Mode::OnEvent, Vec::new()).unwrap();
    assert!(is_on(&ever, &TimeZone::UTC, night));
    for mode in Mode::ALL {
        assert_eq!(Mode::from_code(mode.code()), Some(mode));
    }
}

#[test]
fn a_plan_that_means_nothing_is_none() {
    let good = span(1, "9:00", "10:00");
    assert_eq!(Plan::new(Mode::Week, Vec::new()), Err(PlanError::Empty));
    assert_eq!(Plan::new(Mode::Always, vec![good]), Err(PlanError::Needless));
    assert_eq!(Plan::new(Mode::Week, vec![good; 65]), Err(PlanError::TooMany));
    for (span, error) in [
        (Span { days: Weekdays(0), ..good }, PlanError::NoDay(1)),
        (Span { days: Weekdays(0x80), ..good }, PlanError::NoDay(1)),
        (Span { from: 1440, ..good }, PlanError::NoTime(1)),
        (Span { to: 1441, ..good }, PlanError::NoTime(1)),
    ] {
        assert_eq!(Plan::new(Mode::Week, vec![good, span]), Err(error));
    }
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let span = (1u8..0x80, 0u16..96, 0u16..=96).prop_map(|(days, from, to)| {
        // Quarters of an hour, so that spans often meet, and meet the clocks' own steps.
        Span { days: Weekdays(days), from: from * 15, to: to * 15 }
    });
    let mode = prop_oneof![Just(Mode::Week), Just(Mode::OnEvent)];
    (mode, prop::collection::vec(span, 1..6)).prop_map(|(mode, spans)| Plan::new(mode, spans).unwrap())
}

const ZONES: [&str; 8] = [
    "Europe/Moscow",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]
    /// It is the first moment at which something else is on: seen minute by minute, because all these zones and spans keep to
    /// whole minutes.
    #[test]
    fn the_next_change_is_the_first(
        plan in any_plan(), name in prop::sample::select(&ZONES[..]), days in 0i64..7300, minute in 0i64..1440,
        millis in 0i64..60_000, near in any::<Option<prop::sample::Index>>(),
    ) {
        let zone = zone(name);
        let mut from = Timestamp(1_262_304_000_000 + days * 86_400_000 + minute * 60_000 + millis);
        // Mostly somewhere near a night in which the clocks were put.
        let transitions: Vec<_> = zone.following(jiff::Timestamp::from_millisecond(1_262_304_000_000).unwrap()).take(30).collect();
        if let (Some(near), false) = (near, transitions.is_empty()) {
            let night = near.get(&transitions).timestamp().as_millisecond();
            from = Timestamp(night - 3 * 3_600_000 + minute % 300 * 60_000 + millis);
        }
        let now = is_on(&plan, &zone, from);
        let next = next_change(&plan, &zone, from);
        let first_minute = from.0.div_euclid(60_000) + 1;
        let seen = (first_minute..first_minute + 3 * 1440)
            .map(|minute| Timestamp(minute * 60_000))
            .find(|at| is_on(&plan, &zone, *at) != now);
        match (next, seen) {
            (next, Some(seen)) => prop_assert_eq!(next, Some(seen)),
            (Some(next), None) => prop_assert!(next > Timestamp((first_minute + 3 * 1440 - 1) * 60_000)),
            (None, None) => {}
        }
        if let Some(next) = next {
            prop_assert!(next > from);
            prop_assert_ne!(is_on(&plan, &zone, next), now);
            prop_assert_eq!(is_on(&plan, &zone, next.plus_millis(-1)), now);
        }
    }

    #[test]
    fn no_moment_is_a_panic(plan in any_plan(), name in prop::sample::select(&ZONES[..]), at in any::<i64>()) {
        let zone = zone(name);
        is_on(&plan, &zone, Timestamp(at));
        next_change(&plan, &zone, Timestamp(at));
    }
}
