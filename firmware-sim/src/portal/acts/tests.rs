//! The pure rules of acts, without HTTP.

use super::{document::is_decimal, window::open};
use crate::portal::settings::{WindowDay, WindowSpec};

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn decimals_are_the_contract_pattern() {
    for good in ["0", "000", "123.529", "999999999999999.9999999"] {
        assert!(is_decimal(good, 15, 7), "{good}");
    }
    for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "NaN", "1.12345678", "1234567890123456", "١"] {
        assert!(!is_decimal(bad, 15, 7), "{bad}");
    }
}

#[test]
fn window_crosses_the_month_in_the_suppliers_zone() {
    let edge = |date, next_month| WindowDay::Date { date, next_month };
    let moscow_water = WindowSpec { start: edge(15, false), end: edge(3, true) };
    let ask = |when| open(moscow_water, "Europe/Moscow", (2026, 11), at(when));
    assert_eq!(ask("2026-11-14T20:59:59Z"), Err("2026-11-14T21:00:00Z".into()));
    assert_eq!(ask("2026-11-14T21:00:00Z"), Ok(()), "midnight in Moscow");
    assert_eq!(ask("2026-12-03T20:59:59Z"), Ok(()));
    assert_eq!(ask("2026-12-03T21:00:00Z"), Err("2026-12-14T21:00:00Z".into()), "the next period's opening");
}

#[test]
fn window_dates_past_the_months_end_mean_its_last_day() {
    let late = WindowSpec {
        start: WindowDay::Date { date: 30, next_month: false },
        end: WindowDay::LastDay { next_month: false },
    };
    assert_eq!(open(late, "UTC", (2027, 2), at("2027-02-28T12:00:00Z")), Ok(()));
    assert!(open(late, "UTC", (2027, 2), at("2027-02-27T12:00:00Z")).is_err());
    assert_eq!(open(WindowSpec::whole_month(), "UTC", (2026, 12), at("2026-12-31T23:59:59Z")), Ok(()));
}
