//! Windows against a naive walk: day by day over 2024–2030, with nothing but the calendar's own rules.

use proptest::prelude::*;

use super::*;

fn window(start: MonthDay, end: MonthDay, end_next_month: bool) -> Window {
    Window { resources: Vec::new(), start, end, end_next_month }
}

fn month_day() -> impl Strategy<Value = MonthDay> {
    prop_oneof![9 => (1u8..=31).prop_map(MonthDay::Day), 1 => Just(MonthDay::Last)]
}

fn any_window() -> impl Strategy<Value = Window> {
    (month_day(), month_day(), any::<bool>()).prop_map(|(start, end, next)| window(start, end, next))
}

fn days() -> impl Iterator<Item = Date> {
    let end = Date::new(2031, 1, 1);
    std::iter::successors(Date::new(2024, 1, 1), |day| day.plus_days(1)).take_while(move |day| Some(*day) < end)
}

/// Whether the day is the one that is meant, told from its neighbours and not from month lengths.
fn is(day: Date, meant: MonthDay) -> bool {
    let last = day.plus_days(1).unwrap().month() != day.month();
    match meant {
        MonthDay::Day(n) => day.day() == n || (last && day.day() < n),
        MonthDay::Last => last,
    }
}

/// The state of a person with a calendar: on a start day the window of that month opens; it is closed after its end day.
fn walk(window: &Window) -> Vec<(Date, Option<Period>)> {
    let mut open: Option<Period> = None;
    let mut seen = Vec::new();
    for day in days() {
        if is(day, window.start) {
            open = Some(day.period());
        }
        seen.push((day, open));
        let end_month = |period: Period| if window.end_next_month { period.next() } else { period };
        if is(day, window.end) && open.is_some_and(|period| end_month(period) == day.period()) {
            open = None;
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_walk(window in any_window()) {
        prop_assume!(window.backwards().is_none() && !window.meets_itself());
        let first_open = Date::new(2024, 2, 5).unwrap();
        // The walk does not know what was open before it began, so the first weeks do not count.
        for (day, open) in walk(&window).into_iter().filter(|(day, _)| *day > first_open) {
            prop_assert_eq!(window.period_of(day), open, "{:?} on {}", &window, day);
            if let Some(period) = open {
                let (first, last) = window.dates(period);
                prop_assert!(first <= day && day <= last);
            }
        }
    }

    #[test]
    fn overlap_is_what_a_day_by_day_look_finds(a in any_window(), b in any_window()) {
        prop_assume!(a.backwards().is_none() && b.backwards().is_none());
        let naive = days().take(4 * 365).any(|day| a.period_of(day).is_some() && b.period_of(day).is_some());
        prop_assert_eq!(a.overlap(&b).is_some(), naive, "{:?} {:?}", a, b);
        prop_assert_eq!(a.overlap(&b).is_some(), b.overlap(&a).is_some());
        if let Some(day) = a.overlap(&b) {
            prop_assert!(a.period_of(day).is_some() && b.period_of(day).is_some());
        }
    }

    #[test]
    fn meets_itself_is_what_two_months_show(window in any_window()) {
        let naive = periods().any(|period| window.dates(period).1 >= window.dates(period.next()).0);
        prop_assert_eq!(window.meets_itself(), naive && window.end_next_month);
    }

    #[test]
    fn backwards_is_what_the_months_show(window in any_window()) {
        let naive = periods().any(|period| window.dates(period).1 < window.dates(period).0);
        prop_assert_eq!(window.backwards().is_some(), naive);
    }
}

#[test]
fn moscow_water_crosses_the_year() {
    let water = window(MonthDay::Day(15), MonthDay::Day(3), true);
    let december = Period::new(2026, 12).unwrap();
    assert_eq!(water.dates(december), ("2026-12-15".parse().unwrap(), "2027-01-03".parse().unwrap()));
    for (day, period) in [
        ("2026-12-14", None),
        ("2026-12-15", Some(december)),
        ("2027-01-03", Some(december)),
        ("2027-01-04", None),
        ("2027-01-15", Some(december.next())),
    ] {
        assert_eq!(water.period_of(day.parse().unwrap()), period, "{day}");
    }
    assert_eq!(water.shortest_days(), 17);
}

#[test]
fn a_short_month_ends_on_its_last_day() {
    let end_of_month = window(MonthDay::Day(30), MonthDay::Last, false);
    let february = Period::new(2027, 2).unwrap();
    let last = Date::new(2027, 2, 28).unwrap();
    assert_eq!(end_of_month.dates(february), (last, last));
    assert_eq!(end_of_month.shortest_days(), 1);
}

#[test]
fn the_ends_of_the_calendar_are_no_panic() {
    let window = window(MonthDay::Day(15), MonthDay::Day(3), true);
    assert_eq!(window.period_of(Date::new(1, 1, 1).unwrap()).map(|p| p.month), Some(12));
    assert_eq!(window.period_of(Date::new(9999, 12, 31).unwrap()).map(|p| p.year), Some(9999));
}
