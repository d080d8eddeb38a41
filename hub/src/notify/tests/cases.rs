//! The table of named cases: a household, a clock turned by hand, and who is told what by which way.

use domovoi_model::Severity;
use domovoi_store::TellingKind;

use super::scene::*;
use crate::notify::channels::Failed;
use crate::notify::policy::{EVERY_DAY, Mute, Place, QuietSpan, TopicWish, WayRule, Wishes};
use crate::notify::record::{Household, Off};
use crate::notify::{Audience, News, Subject, Topic};

const NOON: &str = "2026-11-24T12:00";
const NIGHT: &str = "2026-11-24T02:00";

fn wish(scene: &mut Scene, wishes: Wishes) {
    wishes.check(|_| true, Some(scene.wall)).unwrap();
    scene.desk.set_wishes(ANNA, wishes);
}

fn rule(by: &[&str]) -> WayRule {
    WayRule {
        topics: Vec::new(),
        from: Severity::Unknown,
        place: Place::Any,
        hours: None,
        by: by.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn quiet(spans: &[(u8, u16, u16)]) -> Wishes {
    let span = |(days, from_minute, to_minute): &(u8, u16, u16)| QuietSpan {
        days: *days,
        from_minute: *from_minute,
        to_minute: *to_minute,
    };
    Wishes { quiet: Some(spans.iter().map(span).collect()), ..Wishes::default() }
}

/// Told a bill at this wall time: whether at once.
fn told_at(scene: &mut Scene, at: &str) -> bool {
    scene.until(at);
    let before = scene.to(ANNA).len();
    let n = scene.rows.len() as u8;
    scene.tell(news(n.wrapping_add(100), Topic::Money, Severity::Moderate));
    scene.to(ANNA).len() > before
}

const CASES: &[(&str, fn())] = &[
    ("a bill by day comes by the first way", || {
        let mut s = Scene::new(NOON);
        s.tell(bill());
        assert_eq!((s.to(ANNA), s.to(BORIS)), (vec!["push"], vec!["push"]));
        assert!(s.was(&bill().subject, ANNA, "first-way"));
        assert_eq!(s.unseen(ANNA), 1);
    }),
    ("a bill at night waits for the morning and comes then", || {
        let mut s = Scene::new(NIGHT);
        s.tell(bill());
        assert!(s.to(ANNA).is_empty() && s.kept() == 3);
        assert!(s.was(&bill().subject, ANNA, "quiet"));
        s.until("2026-11-24T07:29");
        assert!(s.to(ANNA).is_empty());
        s.until("2026-11-24T07:31");
        assert_eq!(s.titles(ANNA), ["Новость 33"]);
        assert_eq!((s.kept(), s.open_rows(TellingKind::KeptBack)), (0, 0));
    }),
    ("several at night are one digest", || {
        let mut s = Scene::new(NIGHT);
        for n in 0..4 {
            s.tell(news(n, Topic::Device, Severity::Minor));
        }
        s.until("2026-11-24T07:31");
        assert_eq!(s.to(ANNA), ["push"]);
        assert!(s.titles(ANNA)[0].contains('4'), "{:?}", s.titles(ANNA));
        assert!(s.was(&Subject::Alert(domovoi_model::Id([0; 16])), ANNA, "in-digest"));
    }),
    ("gas at night wakes everybody by every way", || {
        let mut s = Scene::new(NIGHT);
        s.way(Some(ANNA), "sms", 13);
        s.tell(gas());
        assert_eq!(s.to(ANNA), ["push", "mail", "sms"]);
        assert_eq!((s.to(BORIS).len(), s.to(KOLYA).len()), (2, 1));
        assert!(s.was(&gas().subject, ANNA, "life"));
    }),
    ("gas passes a mute, a threshold, a topic that is off, a room that is not followed", || {
        let mut s = Scene::new(NOON);
        let until = s.wall.plus_millis(3_600_000);
        let off = TopicWish { on: false, from: Severity::Extreme };
        wish(
            &mut s,
            Wishes {
                muted: vec![Mute { topic: None, until }],
                topics: [(Topic::Danger, off)].into(),
                rooms: vec!["hall".into()],
                rules: vec![rule(&[])],
                ..Wishes::default()
            },
        );
        s.tell(News { room: Some("kitchen".into()), ..gas() });
        assert_eq!(s.to(ANNA), ["push", "mail"]);
    }),
    ("gas comes by the channels that were wished for it", || {
        let mut s = Scene::new(NIGHT);
        wish(&mut s, Wishes { life_by: vec!["mail".into()], ..Wishes::default() });
        s.tell(gas());
        assert_eq!(s.to(ANNA), ["mail"]);
    }),
    ("gas comes by what there is, if what was wished is gone", || {
        let mut s = Scene::new(NIGHT);
        wish(&mut s, Wishes { life_by: vec!["sms".into()], ..Wishes::default() });
        s.tell(gas());
        assert_eq!(s.to(ANNA), ["push", "mail"]);
    }),
    ("gas is told again every minute and then every five", || {
        let mut s = Scene::new(NOON);
        s.tell(gas());
        s.wait(600);
        let first = s.to(KOLYA).len();
        assert!((10..=11).contains(&first), "{first}");
        s.wait(600);
        assert!((1..=3).contains(&(s.to(KOLYA).len() - first)), "{}", s.to(KOLYA).len());
    }),
    ("gas: after five minutes without an answer the house speaks", || {
        let mut s = Scene::new(NIGHT);
        s.way(None, "siren", 41);
        s.tell(gas());
        s.wait(290);
        assert!(s.by_house().is_empty());
        s.wait(30);
        assert_eq!(s.by_house(), ["siren"]);
    }),
    ("gas that somebody knows is not told again, and the siren is silent", || {
        let mut s = Scene::new(NIGHT);
        s.way(None, "siren", 41);
        s.tell(gas());
        s.wait(310);
        let before = s.went.len();
        assert!(s.answer(&gas().subject, BORIS));
        s.wait(3600);
        assert_eq!(s.went.len(), before);
        assert!(s.cleared.iter().any(|(channel, _)| *channel == "siren"));
    }),
    ("whoever was told hears quietly who knows", || {
        let mut s = Scene::new(NOON);
        s.tell(gas());
        s.answer(&gas().subject, BORIS);
        let line = s.desk.inbox(ANNA).0.remove(0);
        assert!(line.over && line.title.contains("Борис"), "{line:?}");
        assert!(s.was(&gas().subject, ANNA, "answered"));
        assert_eq!(s.unseen(BORIS), 1, "he knows that he knows");
    }),
    ("a second answer changes nothing", || {
        let mut s = Scene::new(NOON);
        s.tell(gas());
        assert!(s.answer(&gas().subject, BORIS));
        assert!(!s.answer(&gas().subject, ANNA));
        assert_eq!(s.desk.standing(&gas().subject), Some((Some(BORIS), false)));
    }),
    ("gas that is over is told by the same ways, at night too", || {
        let mut s = Scene::new(NIGHT);
        s.tell(gas());
        s.went.clear();
        s.over(&gas().subject);
        assert_eq!(s.to(ANNA), ["push", "mail"]);
        assert!(s.went.iter().all(|one| one.over && one.title.starts_with("Отбой")));
    }),
    ("gas that nobody answers is given up after a day", || {
        let mut s = Scene::new(NOON);
        s.tell(gas());
        s.wait(86_400 + 60);
        let before = s.went.len();
        s.wait(7200);
        assert_eq!(s.went.len(), before);
    }),
    ("a storm comes by all ways that cost nothing", || {
        let mut s = Scene::new(NOON);
        s.way(Some(ANNA), "sms", 13);
        s.tell(storm());
        assert_eq!(s.to(ANNA), ["push", "mail"]);
        assert!(s.was(&storm().subject, ANNA, "all-ways"));
    }),
    ("a storm without an answer is told again after ten minutes", || {
        let mut s = Scene::new(NOON);
        s.tell(storm());
        s.wait(590);
        assert_eq!(s.to(ANNA).len(), 2);
        s.wait(30);
        assert_eq!(s.to(ANNA).len(), 4);
        assert!(s.was(&storm().subject, ANNA, "again"));
    }),
    ("a storm without an answer costs money after ten minutes, and not before", || {
        let mut s = Scene::new(NOON);
        s.way(Some(ANNA), "sms", 13);
        s.tell(storm());
        s.wait(590);
        assert!(!s.to(ANNA).contains(&"sms"));
        s.wait(30);
        assert_eq!(s.to(ANNA).iter().filter(|channel| **channel == "sms").count(), 1);
    }),
    ("a storm that somebody knows costs nothing", || {
        let mut s = Scene::new(NOON);
        s.way(Some(ANNA), "sms", 13);
        s.tell(storm());
        s.wait(300);
        s.answer(&storm().subject, KOLYA);
        s.wait(7200);
        assert!(!s.to(ANNA).contains(&"sms"));
    }),
    ("the order: the first is asked, the others see it in the inbox", || {
        let mut s = Scene::new(NOON);
        s.desk.set_household(Household { order: vec![BORIS, ANNA] });
        s.tell(storm());
        assert_eq!((s.to(BORIS).len(), s.to(ANNA).len(), s.to(KOLYA).len()), (2, 0, 0));
        assert!(s.was(&storm().subject, ANNA, "others-first"));
        assert_eq!((s.unseen(ANNA), s.unseen(KOLYA)), (1, 1));
    }),
    ("the order: without an answer the next, then everybody, then the house", || {
        let mut s = Scene::new(NOON);
        s.way(None, "siren", 41);
        s.desk.set_household(Household { order: vec![BORIS, ANNA] });
        s.tell(storm());
        s.wait(310);
        assert!(!s.to(ANNA).is_empty() && s.to(KOLYA).is_empty());
        assert!(s.was(&storm().subject, ANNA, "your-turn"));
        s.wait(300);
        assert!(!s.to(KOLYA).is_empty() && s.by_house().is_empty());
        assert!(s.was(&storm().subject, KOLYA, "everybody"));
        s.wait(300);
        assert_eq!(s.by_house(), ["siren"]);
    }),
    ("the order: an answer of the first ends it", || {
        let mut s = Scene::new(NOON);
        s.desk.set_household(Household { order: vec![BORIS, ANNA] });
        s.tell(storm());
        s.wait(200);
        s.answer(&storm().subject, BORIS);
        s.wait(7200);
        assert!(s.to(ANNA).is_empty() && s.to(KOLYA).is_empty());
    }),
    ("the order: an answer in the middle ends it for whoever comes after", || {
        let mut s = Scene::new(NOON);
        s.desk.set_household(Household { order: vec![BORIS, ANNA] });
        s.tell(storm());
        s.wait(400);
        s.answer(&storm().subject, ANNA);
        s.wait(7200);
        assert!(s.to(KOLYA).is_empty());
    }),
    ("the order: whoever sleeps is not waited for", || {
        let mut s = Scene::new(NOON);
        s.desk.set_household(Household { order: vec![ANNA, BORIS] });
        wish(&mut s, quiet(&[(EVERY_DAY, 600, 900)]));
        s.tell(storm());
        assert!(s.to(ANNA).is_empty());
        assert_eq!(s.to(BORIS).len(), 2);
    }),
    ("the order does not count for gas", || {
        let mut s = Scene::new(NOON);
        s.desk.set_household(Household { order: vec![BORIS] });
        s.tell(gas());
        assert!(!s.to(ANNA).is_empty() && !s.to(KOLYA).is_empty());
    }),
    ("worse after it was answered is told anew", || {
        let mut s = Scene::new(NOON);
        s.tell(storm());
        s.answer(&storm().subject, ANNA);
        s.went.clear();
        s.tell(News { telling: 2, severity: Severity::Extreme, ..storm() });
        assert_eq!(s.to(ANNA).len(), 2);
        assert!(s.was(&storm().subject, ANNA, "worse"));
        assert_eq!(s.desk.standing(&storm().subject), Some((None, false)));
        s.wait(630);
        assert_eq!(s.to(ANNA).len(), 4, "and repeated again");
    }),
    ("the same telling twice is told once", || {
        let mut s = Scene::new(NOON);
        s.tell(storm());
        s.tell(storm());
        assert_eq!(s.to(ANNA).len(), 2);
        s.over(&storm().subject);
        let after = s.went.len();
        s.tell(storm());
        assert_eq!(s.went.len(), after, "nor after it is over");
    }),
    ("over before the digest: nobody hears of it", || {
        let mut s = Scene::new(NIGHT);
        s.tell(bill());
        s.over(&bill().subject);
        s.until("2026-11-24T08:00");
        assert!(s.went.is_empty() && s.kept() == 0 && s.open_rows(TellingKind::KeptBack) == 0);
    }),
    ("worse before the digest: the later one is in it, once", || {
        let mut s = Scene::new(NIGHT);
        s.tell(bill());
        s.tell(News {
            telling: 2,
            title: crate::notify::Bilingual { ru: "Хуже".into(), en: "Worse".into() },
            ..bill()
        });
        s.until("2026-11-24T08:00");
        assert_eq!(s.titles(ANNA), ["Хуже"]);
    }),
    ("an exercise at night wakes nobody and says what it is in the morning", || {
        let mut s = Scene::new(NIGHT);
        s.tell(News { drill: true, ..gas() });
        assert!(s.went.is_empty());
        s.until("2026-11-24T08:00");
        assert_eq!(s.titles(ANNA), ["Учение: Новость 77"]);
    }),
    ("an exercise by day comes once, and the house is silent", || {
        let mut s = Scene::new(NOON);
        s.way(None, "siren", 41);
        s.way(None, "voice", 42);
        s.tell(News { drill: true, ..gas() });
        s.wait(7200);
        assert_eq!(s.to(KOLYA).len(), 1);
        assert!(s.by_house().is_empty());
    }),
    ("an exercise that is over is told in the inbox only", || {
        let mut s = Scene::new(NOON);
        s.tell(News { drill: true, ..gas() });
        let before = s.went.len();
        s.over(&gas().subject);
        assert_eq!(s.went.len(), before);
        assert_eq!(s.unseen(ANNA), 2);
    }),
    ("the clock is not trusted: quiet hours do not count", || {
        let mut s = Scene::new(NIGHT);
        s.trusted = false;
        s.tell(bill());
        assert_eq!(s.to(ANNA), ["push"]);
    }),
    ("the clock is not trusted: an exercise stays in the inbox", || {
        let mut s = Scene::new(NIGHT);
        s.trusted = false;
        s.tell(News { drill: true, ..gas() });
        assert!(s.went.is_empty());
        assert!(s.was(&gas().subject, ANNA, "clock-unknown"));
        assert_eq!(s.unseen(ANNA), 1);
    }),
    ("a topic that is off is not even in the inbox", || {
        let mut s = Scene::new(NOON);
        let off = TopicWish { on: false, from: Severity::Unknown };
        wish(&mut s, Wishes { topics: [(Topic::Money, off)].into(), ..Wishes::default() });
        s.tell(bill());
        assert!(s.to(ANNA).is_empty() && s.unseen(ANNA) == 0);
        assert!(s.was(&bill().subject, ANNA, "not-wanted"));
        assert_eq!(s.to(BORIS), ["push"]);
    }),
    ("what is less severe than wished is in the inbox", || {
        let mut s = Scene::new(NOON);
        let severe = TopicWish { on: true, from: Severity::Severe };
        wish(&mut s, Wishes { topics: [(Topic::Money, severe)].into(), ..Wishes::default() });
        s.tell(bill());
        assert!(s.to(ANNA).is_empty() && s.unseen(ANNA) == 1);
        assert!(s.was(&bill().subject, ANNA, "not-bad-enough"));
    }),
    ("a muted topic is in the inbox until the mute is over", || {
        let mut s = Scene::new(NOON);
        let until = s.wall.plus_millis(3_600_000);
        wish(&mut s, Wishes { muted: vec![Mute { topic: Some(Topic::Money), until }], ..Wishes::default() });
        s.tell(bill());
        assert!(s.to(ANNA).is_empty() && s.was(&bill().subject, ANNA, "muted"));
        s.tell(news(34, Topic::Meter, Severity::Minor));
        assert_eq!(s.to(ANNA).len(), 1, "others are told");
        s.wait(3700);
        s.tell(news(35, Topic::Money, Severity::Minor));
        assert_eq!(s.to(ANNA).len(), 2);
    }),
    ("another room than those that are followed", || {
        let mut s = Scene::new(NOON);
        wish(&mut s, Wishes { rooms: vec!["hall".into()], ..Wishes::default() });
        s.tell(News { room: Some("kitchen".into()), ..bill() });
        assert!(s.to(ANNA).is_empty() && s.was(&bill().subject, ANNA, "other-room"));
        s.tell(News { room: Some("hall".into()), ..news(34, Topic::Device, Severity::Minor) });
        s.tell(news(35, Topic::Device, Severity::Minor));
        assert_eq!(s.to(ANNA).len(), 2, "a room that is followed, and what has none");
    }),
    ("a rule: by mail while away, by push at home", || {
        let mut s = Scene::new(NOON);
        let away = WayRule { place: Place::Away, ..rule(&["mail"]) };
        let home = WayRule { place: Place::Home, ..rule(&["push"]) };
        wish(&mut s, Wishes { rules: vec![away, home], ..Wishes::default() });
        s.family.0[0].at_home = Some(false);
        s.tell(bill());
        s.family.0[0].at_home = Some(true);
        s.tell(news(34, Topic::Money, Severity::Minor));
        assert_eq!(s.to(ANNA), ["mail", "push"]);
        assert!(s.was(&bill().subject, ANNA, "by-rule"));
    }),
    ("a rule for some topics and severities leaves the rest as usual", || {
        let mut s = Scene::new(NOON);
        let only = WayRule { topics: vec![Topic::Money], from: Severity::Moderate, ..rule(&["mail"]) };
        wish(&mut s, Wishes { rules: vec![only], ..Wishes::default() });
        s.tell(bill());
        s.tell(news(34, Topic::Money, Severity::Moderate));
        assert_eq!(s.to(ANNA), ["push", "mail"]);
    }),
    ("a rule for the inbox only", || {
        let mut s = Scene::new(NOON);
        wish(&mut s, Wishes { rules: vec![rule(&[])], ..Wishes::default() });
        s.tell(bill());
        assert!(s.to(ANNA).is_empty() && s.unseen(ANNA) == 1);
    }),
    ("a rule of hours", || {
        let mut s = Scene::new(NOON);
        let work = QuietSpan { days: 0b1_1111, from_minute: 540, to_minute: 1080 };
        wish(&mut s, Wishes { rules: vec![WayRule { hours: Some(work), ..rule(&["mail"]) }], ..Wishes::default() });
        s.tell(bill());
        s.until("2026-11-24T19:00");
        s.tell(news(34, Topic::Money, Severity::Minor));
        assert_eq!(s.to(ANNA), ["mail", "push"]);
    }),
    ("the order of ways is the person's", || {
        let mut s = Scene::new(NOON);
        wish(&mut s, Wishes { order: vec![domovoi_model::Id([12; 16])], ..Wishes::default() });
        s.tell(bill());
        assert_eq!(s.to(ANNA), ["mail"]);
    }),
    ("whoever has no way finds it in the inbox", || {
        let mut s = Scene::new(NOON);
        s.desk.remove_route(domovoi_model::Id([31; 16]));
        s.tell(storm());
        assert!(s.to(KOLYA).is_empty() && s.was(&storm().subject, KOLYA, "no-way") && s.unseen(KOLYA) == 1);
    }),
    ("whoever has only ways that cost money finds what can wait in the inbox", || {
        let mut s = Scene::new(NOON);
        s.desk.remove_route(domovoi_model::Id([31; 16]));
        s.way(Some(KOLYA), "sms", 32);
        s.tell(bill());
        assert!(s.to(KOLYA).is_empty() && s.was(&bill().subject, KOLYA, "only-costs"));
        s.tell(gas());
        assert_eq!(s.to(KOLYA), ["sms"]);
    }),
    ("a guest hears of danger, in the own language, and of no bills", || {
        let mut s = Scene::new(NOON);
        s.family.0.push(member(GUEST, "Guest", false));
        s.way(Some(GUEST), "push", 51);
        s.tell(bill());
        assert!(s.to(GUEST).is_empty() && s.was(&bill().subject, GUEST, "may-not-see"));
        s.tell(gas());
        assert_eq!(s.titles(GUEST), ["News 77"]);
    }),
    ("whoever is locked out hears nothing, and what was kept waits", || {
        let mut s = Scene::new(NIGHT);
        s.tell(bill());
        s.family.0[0].let_in = false;
        s.until("2026-11-24T08:00");
        assert!(s.to(ANNA).is_empty() && s.kept() == 1);
        s.family.0[0].let_in = true;
        s.step();
        assert_eq!(s.to(ANNA), ["push"]);
    }),
    ("meant for one: the others hear nothing, and the house says nothing", || {
        let mut s = Scene::new(NOON);
        s.way(None, "voice", 42);
        s.tell(News { audience: Audience::People(vec![ANNA]), ..bill() });
        assert_eq!((s.to(ANNA).len(), s.to(BORIS).len(), s.by_house().len()), (1, 0, 0));
        assert!(s.was(&bill().subject, BORIS, "meant-for-others"));
        assert_eq!(s.unseen(BORIS), 0);
    }),
    ("the house speaks by day and not at night; a topic is silent and always told", || {
        for (at, spoken) in [(NOON, vec!["mqtt", "voice"]), (NIGHT, vec!["mqtt"])] {
            let mut s = Scene::new(at);
            s.way(None, "mqtt", 40);
            s.way(None, "voice", 42);
            s.tell(bill());
            assert_eq!(s.by_house(), spoken, "{at}");
        }
    }),
    ("nobody is left at the address: the way is off and another is taken", || {
        let mut s = Scene::new(NOON);
        s.fails.push(("push", Failed::Gone("gone".into())));
        s.tell(bill());
        assert_eq!(s.to(ANNA), ["mail"]);
        assert!(s.was(&bill().subject, ANNA, "other-way"));
        let route = s.desk.way(domovoi_model::Id([11; 16])).unwrap();
        assert_eq!(route.off, Some(Off::Gone));
    }),
    ("a refusal: another way is taken, and the way is kept", || {
        let mut s = Scene::new(NOON);
        s.fails.push(("push", Failed::Refused("no".into())));
        s.tell(bill());
        assert_eq!(s.to(ANNA), ["mail"]);
        assert_eq!(s.desk.way(domovoi_model::Id([11; 16])).unwrap().off, None);
    }),
    ("what fails for now is tried again with longer waits, and by another way meanwhile", || {
        let mut s = Scene::new(NOON);
        s.fails.push(("push", Failed::Again { why: "busy".into(), after: None }));
        s.tell(bill());
        assert!(s.to(ANNA).is_empty());
        s.wait(20);
        assert_eq!(s.to(ANNA), ["mail"], "after two tries");
        s.fails.clear();
        s.wait(60);
        assert_eq!(s.to(ANNA), ["mail", "push"]);
    }),
    ("what fails for now is given up when nobody wants it any more", || {
        let mut s = Scene::new(NOON);
        s.desk.remove_route(domovoi_model::Id([12; 16]));
        s.fails.push(("push", Failed::Again { why: "busy".into(), after: None }));
        s.tell(bill());
        s.wait(25 * 3600);
        s.fails.clear();
        s.wait(3600);
        assert!(s.to(ANNA).is_empty());
        assert_eq!(s.open_rows(TellingKind::Letter), 0);
    }),
    ("a dozen at once: six letters and one digest", || {
        let mut s = Scene::new(NOON);
        for n in 0..12 {
            s.tell(news(n, Topic::Device, Severity::Minor));
        }
        assert_eq!(s.to(ANNA).len(), 6);
        assert!(s.was(&Subject::Alert(domovoi_model::Id([11; 16])), ANNA, "too-many"));
        s.wait(700);
        assert_eq!(s.to(ANNA).len(), 7);
        assert!(s.titles(ANNA)[6].contains('6'), "{:?}", s.titles(ANNA));
    }),
    ("thirty dangers at once: ten letters, and the rest in one within a minute", || {
        let mut s = Scene::new(NOON);
        for n in 0..30 {
            let one = gas();
            s.tell(News { subject: Subject::Alert(domovoi_model::Id([n; 16])), ..one });
        }
        assert_eq!(s.to(KOLYA).len(), 10);
        s.wait(61);
        let more = s.went.iter().find(|one| one.to == Some(KOLYA) && one.title.contains("20"));
        assert!(more.is_some_and(|one| one.life), "{:?}", s.titles(KOLYA));
    }),
    ("wishes count at once", || {
        let mut s = Scene::new(NIGHT);
        s.tell(bill());
        assert_eq!(s.kept(), 3);
        wish(&mut s, Wishes { quiet: Some(Vec::new()), ..Wishes::default() });
        s.step();
        assert_eq!(s.to(ANNA), ["push"]);
        assert!(s.to(BORIS).is_empty());
    }),
    ("DST, Berlin, spring: quiet until 2:30 ends where the clock jumps over it", || {
        let mut s = Scene::in_zone("2026-03-28T23:00", "Europe/Berlin");
        wish(&mut s, quiet(&[(EVERY_DAY, 1350, 150)]));
        assert!(!told_at(&mut s, "2026-03-29T01:59"));
        let jump = s.moment("2026-03-29T03:00");
        s.until_instant(jump.plus_millis(-1000));
        assert!(s.to(ANNA).is_empty());
        s.until_instant(jump.plus_millis(1000));
        assert_eq!(s.to(ANNA).len(), 1);
    }),
    ("DST, Berlin, autumn: quiet until 2:30 ends with the second 2:30", || {
        let mut s = Scene::in_zone("2026-10-24T23:00", "Europe/Berlin");
        wish(&mut s, quiet(&[(EVERY_DAY, 1350, 150)]));
        assert!(!told_at(&mut s, "2026-10-25T01:00"));
        let first = s.moment("2026-10-25T02:30");
        s.until_instant(first.plus_millis(3_599_000));
        assert!(s.to(ANNA).is_empty(), "nobody is woken in between");
        s.until_instant(first.plus_millis(3_601_000));
        assert_eq!(s.to(ANNA).len(), 1);
    }),
    ("DST, Berlin, autumn: quiet from 2:30 begins with the first 2:30", || {
        let mut s = Scene::in_zone("2026-10-24T23:00", "Europe/Berlin");
        wish(&mut s, quiet(&[(EVERY_DAY, 150, 420)]));
        assert!(told_at(&mut s, "2026-10-25T02:29"));
        assert!(!told_at(&mut s, "2026-10-25T02:31"));
        let second = s.moment("2026-10-25T02:31").plus_millis(1_800_000);
        s.until_instant(second);
        assert_eq!(s.to(ANNA).len(), 1);
    }),
    ("DST, Berlin: the night is an hour shorter, and the morning is where the clock says", || {
        let mut s = Scene::in_zone("2026-03-28T23:30", "Europe/Berlin");
        s.tell(bill());
        s.until("2026-03-29T07:29");
        assert!(s.to(ANNA).is_empty());
        s.until("2026-03-29T07:31");
        assert_eq!(s.to(ANNA), ["push"]);
    }),
    ("Moscow has no such nights", || {
        let mut s = Scene::new("2026-03-29T01:00");
        s.tell(bill());
        let told = s.moment("2026-03-29T07:30");
        assert_eq!(told.0 - s.wall.0, (6 * 60 + 30) * 60_000);
        s.until_instant(told.plus_millis(1000));
        assert_eq!(s.to(ANNA), ["push"]);
    }),
    ("quiet hours over the end of a month and of a year", || {
        for at in ["2026-02-28T23:30", "2028-02-29T23:30", "2026-12-31T23:30", "2026-11-30T23:30"] {
            let mut s = Scene::new(at);
            s.tell(bill());
            assert!(s.to(ANNA).is_empty(), "{at}");
            s.wait(8 * 3600 + 60);
            assert_eq!(s.to(ANNA), ["push"], "{at}");
        }
    }),
    ("several spans, and days of the week", || {
        // 2026-11-24 is a Tuesday.
        let mut s = Scene::new("2026-11-24T12:00");
        wish(&mut s, quiet(&[(0b000_0010, 780, 840), (0b110_0000, 0, 600)]));
        assert!(told_at(&mut s, "2026-11-24T12:30"));
        assert!(!told_at(&mut s, "2026-11-24T13:30"));
        assert!(told_at(&mut s, "2026-11-25T13:30"), "not on Wednesday");
        assert!(!told_at(&mut s, "2026-11-28T09:00"), "on Saturday morning");
        assert!(told_at(&mut s, "2026-11-30T09:00"), "not on Monday");
    }),
    ("spans that touch are one night", || {
        let mut s = Scene::new("2026-11-24T22:00");
        wish(&mut s, quiet(&[(EVERY_DAY, 1320, 0), (EVERY_DAY, 0, 360)]));
        s.tell(bill());
        s.until("2026-11-25T05:59");
        assert!(s.to(ANNA).is_empty());
        s.until("2026-11-25T06:01");
        assert_eq!(s.to(ANNA), ["push"]);
    }),
    ("a whole quiet Sunday ends on Monday morning", || {
        let mut s = Scene::new("2026-11-29T10:00");
        wish(&mut s, quiet(&[(0b100_0000, 0, 0), (EVERY_DAY, 1350, 450)]));
        s.tell(bill());
        s.until("2026-11-30T07:29");
        assert!(s.to(ANNA).is_empty());
        s.until("2026-11-30T07:31");
        assert_eq!(s.to(ANNA), ["push"]);
    }),
    ("what was told by day and is over at night is told in the inbox only", || {
        let mut s = Scene::new("2026-11-24T22:00");
        s.tell(storm());
        s.went.clear();
        s.until("2026-11-24T22:40");
        s.went.clear();
        s.over(&storm().subject);
        assert!(s.went.is_empty());
        assert_eq!(s.desk.inbox(ANNA).0[0].title, "Отбой: Новость 55");
    }),
    ("whoever was not told hears no all-clear", || {
        let mut s = Scene::new(NOON);
        s.desk.set_household(Household { order: vec![BORIS] });
        s.tell(storm());
        s.over(&storm().subject);
        assert!(s.to(ANNA).is_empty());
        assert!(s.desk.inbox(ANNA).0.iter().all(|line| !line.over));
    }),
    ("a letter of an old telling answers nothing any more", || {
        let mut s = Scene::new(NOON);
        s.tell(storm());
        let (case, person) = (s.rows.values().find(|row| row.kind == TellingKind::News).unwrap().id, ANNA);
        let token = |telling: u8| std::array::from_fn(|n| if n == 0 { telling } else { case.0[n] ^ person.0.0[n] });
        assert_eq!(s.desk.whose(&token(1)), Some((storm().subject, ANNA)));
        s.tell(News { telling: 2, ..storm() });
        assert_eq!(s.desk.whose(&token(1)), None);
        assert_eq!(s.desk.whose(&token(2)), Some((storm().subject, ANNA)));
        s.over(&storm().subject);
        assert_eq!(s.desk.whose(&token(2)), None);
    }),
];

#[test]
fn every_named_case() {
    assert!(CASES.len() >= 45, "{}", CASES.len());
    let mut failed = Vec::new();
    for (name, case) in CASES {
        if std::panic::catch_unwind(case).is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), CASES.len());
}
