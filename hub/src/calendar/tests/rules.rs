//! Which rules and drafts are taken.

use proptest::prelude::*;

use super::super::draft::read_until;
use super::super::rule::{Rule, RuleError};
use super::*;

fn parse(text: &str) -> Result<Rule, RuleError> {
    let clocks = TimeZone::UTC;
    let rule = Rule::parse(text, false, |until| read_until(until, false, &clocks))?;
    rule.check("2026-11-23T10:00".parse().unwrap())?;
    Ok(rule)
}

#[test]
fn rules_that_cannot_be_are_refused() {
    for good in [
        "FREQ=DAILY",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;WKST=SU;",
        "freq=monthly;byday=-1fr",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "FREQ=DAILY;COUNT=10000",
        "FREQ=HOURLY;BYHOUR=9,10",
    ] {
        assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
    }
    for bad in [
        "",
        "DAILY",
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;INTERVAL=60",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=1001",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=10001",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=DAILY;X-NAME=1",
        "FREQ=DAILY\nDTSTART:20200101T000000Z",
        "FREQ=DAILY;BYMONTH=2,",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(parse(&format!("FREQ=DAILY;BYMONTHDAY={}", vec!["1"; 300].join(","))).is_err());
}

#[test]
fn a_rule_that_means_no_day_is_told_so() {
    for never in ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;UNTIL=20200101"] {
        assert!(
            matches!(parse(never), Err(RuleError::Never | RuleError::TooMuch(_) | RuleError::Unreadable(_))),
            "{never}"
        );
    }
}

#[test]
fn a_draft_is_checked() {
    let wrong = |draft: Draft| draft.event(Id([1; 16]), &home("UTC"), &[30], None, Timestamp(NOW)).map_err(|w| w.field);
    assert_eq!(wrong(draft(" ", "2026-11-23")).err(), Some("title"));
    assert_eq!(wrong(draft(&"я".repeat(201), "2026-11-23")).err(), Some("title"));
    assert_eq!(wrong(draft("a\u{7}b", "2026-11-23")).err(), Some("title"));
    for start in
        ["", "tomorrow", "2026-02-30", "1800-01-01", "2026-11-23T25:00", "2026-11-23T10:00+03:00[Europe/Moscow]"]
    {
        assert_eq!(wrong(draft("x", start)).err(), Some("start"), "{start}");
    }
    assert_eq!(
        wrong(Draft { zone: Some("Mars/Olympus".into()), ..draft("x", "2026-11-23T10:00") }).err(),
        Some("zone")
    );
    assert_eq!(wrong(Draft { minutes: 61, ..draft("x", "2026-11-23") }).err(), Some("minutes"));
    assert_eq!(wrong(Draft { remind: Some((0..9).collect()), ..draft("x", "2026-11-23") }).err(), Some("remind"));
    assert_eq!(wrong(ruled("x", "2026-11-23", "FREQ=HOURLY")).err(), Some("rule"));
    let usual = wrong(Draft { remind: None, ..draft("x", "2026-11-23T10:00") }).unwrap();
    assert_eq!(usual.remind, [30]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_the_reader_of_rules(text in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY|HOURLY))?(;(BY(DAY|MONTH|MONTHDAY|SETPOS|WEEKNO|YEARDAY|HOUR)|INTERVAL|COUNT|WKST)=[-+0-9A-Z,]{0,6}){0,3}") {
        let _ = parse(&text);
    }
}
