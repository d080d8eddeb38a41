//! What holds whatever happens: somebody is tried to be reached when life is at stake, nothing that was kept back is lost, no
//! storm is more than the cap.

use std::collections::BTreeMap;

use domovoi_model::{Id, PersonId, Severity, Timestamp};
use domovoi_store::TellingKind;
use proptest::prelude::*;

use super::scene::*;
use crate::notify::channels::Failed;
use crate::notify::policy::{Mute, Place};
use crate::notify::policy::{QuietSpan, TopicWish, WayRule, Wishes, accepts};
use crate::notify::record::Household;
use crate::notify::{News, Subject, Topic};

prop_compose! {
    fn wishes()(
        spans in prop::collection::vec((1u8..128, 0u16..1440, 0u16..1440), 0..3),
        life_by in prop::sample::subsequence(vec!["push", "mail", "sms"], 0..=2),
        by in prop::sample::subsequence(vec!["push", "mail"], 0..=2),
        off in prop::sample::subsequence(Topic::ALL.to_vec(), 0..4),
        muted in prop::option::of(1i64..2_000_000_000),
        rooms in prop::sample::subsequence(vec!["hall"], 0..=1),
        ruled in any::<bool>(),
    ) -> Wishes {
        let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let rule = WayRule {
            topics: Vec::new(), from: Severity::Unknown, place: Place::Any, hours: None, by: names(by),
        };
        Wishes {
            language: None,
            quiet: Some(spans.into_iter().map(|(days, from_minute, to_minute)| {
                QuietSpan { days, from_minute, to_minute }
            }).collect()),
            topics: off.into_iter().map(|topic| (topic, TopicWish { on: false, from: Severity::Extreme })).collect(),
            rules: if ruled { vec![rule] } else { Vec::new() },
            life_by: names(life_by),
            rooms: names(rooms),
            muted: muted.into_iter().map(|ahead| Mute { topic: None, until: Timestamp(1_795_000_000_000 + ahead) }).collect(),
            order: Vec::new(),
        }
    }
}

const PEOPLE: [PersonId; 3] = [ANNA, BORIS, KOLYA];

/// Takes wishes as the room does; whether they were.
fn take(scene: &mut Scene, person: PersonId, wishes: &Wishes) -> bool {
    let adults = [(ANNA, true), (BORIS, true), (KOLYA, false)];
    let before = scene.desk.reachable(&adults, None, None);
    let after = scene.desk.reachable(&adults, Some((person, wishes)), None);
    let taken = wishes.check(|_| true, None).is_ok() && accepts(&before, &after).is_ok();
    if taken {
        scene.desk.set_wishes(person, wishes.clone());
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever wishes are taken, in whatever order, at whatever hour: gas is handed to a way of somebody grown up within the
    /// deadline, even if one of the channels fails.
    #[test]
    fn life_reaches_somebody_within_the_deadline(
        all in prop::collection::vec((0usize..3, wishes()), 0..6),
        hour in 0i64..168,
        failing in prop::option::of(prop::sample::select(vec!["push", "mail"])),
        trusted in any::<bool>(),
        order in prop::sample::subsequence(PEOPLE.to_vec(), 0..=3),
        noise in 0u8..40,
    ) {
        let mut scene = Scene::new("2026-11-23T00:00");
        scene.wall = scene.wall.plus_millis(hour * 3_600_000);
        scene.trusted = trusted;
        scene.desk.set_household(Household { order });
        for (who, wishes) in &all {
            take(&mut scene, PEOPLE[*who], wishes);
        }
        for n in 0..noise {
            scene.tell(news(n, Topic::ALL[usize::from(n) % 11], Severity::ALL[usize::from(n) % 5]));
        }
        if let Some(channel) = failing {
            scene.fails.push((channel, Failed::Refused("no".into())));
        }
        // By a channel that works, somebody has to be left.
        let adults = [(ANNA, true), (BORIS, true)];
        let reachable = scene.desk.reachable(&adults, None, None);
        let works = |one: &crate::notify::policy::Reachable| {
            one.adult && one.channels.iter().any(|channel| Some(channel.as_str()) != failing)
        };
        prop_assert!(reachable.iter().any(works), "each of them has two ways");
        let began = scene.tick;
        scene.tell(News { room: Some("kitchen".into()), ..gas() });
        let deadline = i64::try_from(section().life_deadline.as_millis()).unwrap();
        scene.wait(deadline / 1000);
        let reached = scene.went.iter().any(|one| {
            one.life && matches!(one.to, Some(ANNA | BORIS)) && one.tick - began <= deadline
        });
        prop_assert!(reached, "{:?}", scene.went);
    }

    /// Nothing that was kept back is lost: it comes in a letter, or it is over, or it was said anew.
    #[test]
    fn nothing_that_was_kept_back_is_lost(
        wishes in wishes(),
        told in prop::collection::vec((0u8..20, 0i64..600, any::<bool>(), any::<bool>()), 1..25),
    ) {
        let mut scene = Scene::new("2026-11-23T22:00");
        take(&mut scene, ANNA, &wishes);
        let mut tellings: BTreeMap<u8, u32> = BTreeMap::new();
        for (n, pause, over, severe) in &told {
            let telling = tellings.entry(*n).or_default();
            *telling += 1;
            let severity = if *severe { Severity::Severe } else { Severity::Minor };
            scene.tell(News { telling: *telling, ..news(*n, Topic::Device, severity) });
            scene.wait(*pause);
            if *over {
                scene.over(&Subject::Alert(Id([*n; 16])));
            }
        }
        // Long enough for every night, mute and rate.
        scene.desk.set_wishes(ANNA, Wishes { quiet: Some(Vec::new()), ..Wishes::default() });
        scene.until("2026-11-25T12:00");
        prop_assert_eq!(scene.kept(), 0);
        prop_assert_eq!(scene.open_rows(TellingKind::KeptBack), 0, "in the store as at hand");
        for (n, telling) in tellings {
            let subject = Subject::Alert(Id([n; 16]));
            let decided = scene.desk.why(&subject, ANNA).map(|why| why.decided).unwrap_or_default();
            prop_assert!(!decided.is_empty());
            let over = scene.desk.standing(&subject).is_some_and(|(_, over)| over);
            let last_kept = decided.iter().rposition(|one| one.later.is_some());
            let told_after = |place: usize| decided[place..].iter().any(|one| {
                !one.by.is_empty() || one.why.iter().any(|why| matches!(why.code(), "in-digest" | "worse"))
            });
            prop_assert!(over || last_kept.is_none_or(told_after), "{} of {}: {:?}", n, telling, decided);
        }
    }

    /// No storm is more than the cap, by any way, in any stretch of time; and what life hangs on is named in it.
    #[test]
    fn no_storm_is_more_than_the_cap(
        told in prop::collection::vec((0u8..=255, 0i64..20, 0usize..5, prop::bool::weighted(0.3)), 1..150),
    ) {
        let mut scene = Scene::new("2026-11-24T10:00");
        let mut dangers = Vec::new();
        for (n, pause, severity, life) in &told {
            let subject = Subject::Alert(Id([*n; 16]));
            let one = News { subject: subject.clone(), ..news(*n, Topic::Danger, Severity::ALL[*severity]) };
            if *life && scene.desk.standing(&subject).is_none() {
                dangers.push((subject, scene.tick));
            }
            scene.tell(News { life: *life, ..one });
            scene.wait(*pause);
        }
        scene.wait(1300);
        for n in 0..=255 {
            scene.over(&Subject::Alert(Id([n; 16])));
        }
        let pace = section();
        let window = i64::try_from(pace.rate_time.as_millis()).unwrap();
        let mut by_way: BTreeMap<_, Vec<(i64, bool)>> = BTreeMap::new();
        for one in scene.went.iter().filter(|one| one.to.is_some()) {
            by_way.entry((one.to, one.channel)).or_default().push((one.tick, one.life));
        }
        for (way, went) in by_way {
            for (at, life) in &went {
                let (span, cap) = if *life { (60_000, pace.life_per_minute) } else { (window, pace.rate_letters) };
                let count = went.iter().filter(|(other, of)| of == life && (*at..at + span).contains(other)).count();
                prop_assert!(count <= cap as usize, "{way:?}: {count} within {span} ms");
            }
        }
        for (subject, since) in dangers {
            let decided = scene.desk.why(&subject, ANNA).map(|why| why.decided).unwrap_or_default();
            let reached = decided.iter().find(|one| !one.by.is_empty());
            let since = scene.wall.0 - (scene.tick - since);
            prop_assert!(reached.is_some_and(|one| one.at.0 - since <= 61_000), "{subject:?}: {decided:?}");
        }
    }
}

#[test]
fn a_thousand_in_a_minute_are_one_digest_and_little_memory() {
    let mut scene = Scene::new("2026-11-24T10:00");
    for n in 0..1000u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let mut one = news((n % 256) as u8, Topic::Device, Severity::Minor);
        one.subject = Subject::Alert(Id(id));
        one.body.ru = "а".repeat(4000);
        scene.tell(one);
        scene.wait(i64::from(n % 16 == 0));
    }
    let (cases, letters, kept, lines) = scene.desk.weight();
    assert!(cases <= 501 && letters <= 600 && kept <= 1500 && lines <= 600, "{cases} {letters} {kept} {lines}");
    assert_eq!(scene.to(ANNA).len(), 6);
    scene.wait(1200);
    assert_eq!(scene.to(ANNA).len(), 7, "{:?}", scene.titles(ANNA));
    assert!(scene.titles(ANNA)[6].contains("994"), "{:?}", scene.titles(ANNA)[6]);
    assert_eq!(scene.rows.values().filter(|row| row.kind == TellingKind::News).count(), 1000, "the ledger has all");
    let whys = scene.rows.values().filter(|row| row.kind == TellingKind::Why && row.person == Some(ANNA)).count();
    assert_eq!(whys, 1000);
    assert_eq!(scene.kept(), 0);
}
