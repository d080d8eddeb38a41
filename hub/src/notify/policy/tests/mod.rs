//! Tests of the policy by itself: every reason has words and is read back, hours that leave nothing are refused, decisions are
//! total.

use domovoi_config::Language;
use domovoi_model::{Id, PersonId, Severity, Timestamp};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::notify::Topic;
use crate::words::words;

#[test]
fn every_reason_has_words_in_both_languages_and_is_read_back() {
    for reason in Reason::examples() {
        assert_eq!(Reason::read(reason.code(), reason.detail().as_deref()), Some(reason.clone()));
        let variables = reason.variables(&TimeZone::UTC);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for language in [Language::Russian, Language::English] {
            let key = format!("why-{}", reason.code());
            assert_ne!(words(language).say(&key, &variables), key);
        }
    }
    assert_eq!(Reason::read("no-such", None), None);
    assert_eq!(Reason::read("quiet", None), None);
}

#[test]
fn every_refusal_of_a_wish_has_words() {
    let refusals = [
        WishRefusal::NobodyForLife,
        WishRefusal::BadHours,
        WishRefusal::QuietTooLong(3000),
        WishRefusal::TooMany("rules", 24),
        WishRefusal::NoSuchChannel("pager".into()),
        WishRefusal::BadMute,
    ];
    for refusal in refusals {
        let variables = refusal.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for language in [Language::Russian, Language::English] {
            let key = format!("wish-{}", refusal.code());
            assert_ne!(words(language).say(&key, &variables), key);
        }
    }
}

#[test]
fn hours_that_leave_nothing_and_channels_that_are_not_there_are_refused() {
    let check = |wishes: Wishes| wishes.check(|name| name == "mail", Some(Timestamp(1_795_300_000_000)));
    let quiet = |spans: &[(u8, u16, u16)]| Wishes {
        quiet: Some(
            spans
                .iter()
                .map(|(days, from, to)| QuietSpan { days: *days, from_minute: *from, to_minute: *to })
                .collect(),
        ),
        ..Wishes::default()
    };
    assert_eq!(check(Wishes::default()), Ok(()));
    assert_eq!(check(quiet(&[(EVERY_DAY, 1350, 450)])), Ok(()));
    assert_eq!(check(quiet(&[(0b100_0000, 0, 0), (EVERY_DAY, 1350, 450)])), Ok(()), "a whole Sunday");
    assert!(matches!(check(quiet(&[(EVERY_DAY, 0, 0)])), Err(WishRefusal::QuietTooLong(_))));
    assert!(matches!(check(quiet(&[(EVERY_DAY, 0, 720), (EVERY_DAY, 700, 5)])), Err(WishRefusal::QuietTooLong(_))));
    for bad in [(0, 0, 60), (255, 0, 60), (EVERY_DAY, 1440, 60), (EVERY_DAY, 0, 1440)] {
        assert_eq!(check(quiet(&[bad])), Err(WishRefusal::BadHours), "{bad:?}");
    }
    assert!(matches!(check(quiet(&[(EVERY_DAY, 0, 5); 15])), Err(WishRefusal::TooMany("quiet", _))));
    let by = |name: &str| Wishes { life_by: vec![name.into()], ..Wishes::default() };
    assert_eq!(check(by("mail")), Ok(()));
    assert_eq!(check(by("pager")), Err(WishRefusal::NoSuchChannel("pager".into())));
    for until in [1_795_300_000_000, 1_795_300_000_000 + 32 * 86_400_000, i64::MIN] {
        let mute = Wishes { muted: vec![Mute { topic: None, until: Timestamp(until) }], ..Wishes::default() };
        assert_eq!(check(mute), Err(WishRefusal::BadMute));
    }
}

#[test]
fn the_last_who_can_be_reached_cannot_be_taken_away() {
    let one = |n: u8, adult: bool, life_by: &[&str], channels: &[&str]| Reachable {
        person: PersonId(Id([n; 16])),
        adult,
        life_by: life_by.iter().map(|name| (*name).to_owned()).collect(),
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
    };
    let reached = [one(1, true, &[], &["mail"]), one(2, false, &[], &["push"])];
    let unreached = [one(1, true, &["push"], &["mail"]), one(2, false, &[], &["push"])];
    assert_eq!(accepts(&reached, &unreached), Err(WishRefusal::NobodyForLife), "a child is nobody to rely on");
    assert_eq!(accepts(&unreached, &unreached), Ok(false), "it was so before: the home is warned");
    assert_eq!(accepts(&unreached, &reached), Ok(true));
    let another = [unreached[0].clone(), one(3, true, &["mail"], &["sms", "mail"])];
    assert_eq!(accepts(&reached, &another), Ok(true), "somebody else grown up is reached");
}

prop_compose! {
    fn spans()(list in prop::collection::vec((0u8..=255, 0u16..1500, 0u16..1500), 0..4)) -> Vec<QuietSpan> {
        list.into_iter().map(|(days, from_minute, to_minute)| QuietSpan { days, from_minute, to_minute }).collect()
    }
}

prop_compose! {
    fn any_wishes()(
        quiet in prop::option::of(spans()),
        topic in 0usize..11,
        on in any::<bool>(),
        from in 0usize..5,
        life_by in prop::sample::subsequence(vec!["push", "mail", "sms"], 0..=3),
        by in prop::sample::subsequence(vec!["push", "mail", "sms"], 0..=3),
        rooms in prop::sample::subsequence(vec!["hall", "kitchen"], 0..=2),
        rules in 0usize..3,
        muted in prop::option::of(-1_000_000i64..100_000_000),
    ) -> Wishes {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rule = WayRule {
            topics: vec![Topic::ALL[topic]], from: Severity::ALL[from], place: Place::Any,
            hours: quiet.as_ref().and_then(|spans| spans.first().copied()), by: names(&by),
        };
        Wishes {
            language: None,
            quiet,
            topics: [(Topic::ALL[topic], TopicWish { on, from: Severity::ALL[from] })].into(),
            rules: vec![rule; rules],
            life_by: names(&life_by),
            rooms: names(&rooms),
            muted: muted.into_iter().map(|ahead| Mute { topic: None, until: Timestamp(1_795_300_000_000 + ahead) }).collect(),
            order: Vec::new(),
        }
    }
}

proptest! {
    /// Whatever is handed in is decided, never without a reason, never both now and later; and life goes by every way that
    /// is there and has room.
    #[test]
    fn decisions_are_total_and_explained(
        wishes in any_wishes(),
        at in 1_700_000_000_000i64..1_900_000_000_000,
        zone in prop::sample::select(vec!["Europe/Berlin", "Europe/Moscow", "Australia/Lord_Howe", "UTC"]),
        topic in 0usize..11,
        severity in 0usize..5,
        (life, drill, trusted) in any::<(bool, bool, bool)>(),
        call in 0usize..5,
        ways in prop::collection::vec((0u8..9, any::<bool>(), any::<bool>(), 0u32..9, 0u32..12), 0..5),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let ways: Vec<Way<'_>> = ways
            .iter()
            .map(|(id, costs, off, lately, life_lately)| Way {
                id: Id([*id; 16]),
                channel: ["push", "mail", "sms"][usize::from(*id) % 3],
                costs: *costs, off: *off, lately: *lately, life_lately: *life_lately,
            })
            .collect();
        let listener = Listener { wishes: &wishes, ways: &ways, at_home: None };
        let matter = Matter { topic: Topic::ALL[topic], severity: Severity::ALL[severity], life, drill, room: Some("hall") };
        let call = [Call::First, Call::Again, Call::Costly, Call::AllClear, Call::Digest][call];
        let night = [QuietSpan::daily(1350, 450)];
        let habits = Habits { quiet: &night, rate: 6, life_rate: 10 };
        let now = Now { at: Timestamp(at), zone: &zone, trusted };
        let decision = decide(&listener, matter, call, &habits, now);
        prop_assert!(!decision.why.is_empty());
        prop_assert!(decision.now.is_empty() || decision.later.is_none());
        if let Some(Later::AfterQuiet(until)) = decision.later {
            prop_assert!(until.0 > at && !matter.is_life() && trusted);
        }
        let usable: Vec<_> = ways.iter().filter(|way| !way.off).collect();
        if matter.is_life() && !usable.is_empty() {
            prop_assert!(!decision.now.is_empty() || decision.later == Some(Later::WithOthers));
        }
        for id in &decision.now {
            prop_assert!(usable.iter().any(|way| way.id == *id));
        }
        prop_assert_eq!(decision, decide(&listener, matter, call, &habits, now), "the same again");
    }

    /// Quiet hours that may be wished end within a day and a half, whatever the zone and the night.
    #[test]
    fn quiet_hours_end(
        spans in spans(),
        at in 1_700_000_000_000i64..1_900_000_000_000,
        zone in prop::sample::select(vec!["Europe/Berlin", "Europe/Moscow", "Australia/Lord_Howe", "America/Santiago"]),
    ) {
        let wishes = Wishes { quiet: Some(spans.clone()), ..Wishes::default() };
        prop_assume!(wishes.check(|_| true, None).is_ok());
        let zone = TimeZone::get(zone).unwrap();
        if let Some(until) = quiet_until(&spans, Timestamp(at), &zone) {
            // An hour more for the night when the clocks go back.
            prop_assert!(until.0 > at && until.0 - at <= 37 * 3_600_000, "{} h", (until.0 - at) / 3_600_000);
            prop_assert_eq!(quiet_until(&spans, until, &zone), None, "and then it is not quiet");
        }
    }
}
