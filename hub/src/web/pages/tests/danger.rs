//! Danger on the pages: it is at the head of every one of them for everybody who is let in, nobody is told that all is well
//! while it lasts, and nobody closes the water for a test without a factor.

use axum::http::StatusCode;
use domovoi_model::DeviceRef;
use tokio::sync::watch;

use super::things::{LEAK, VALVE, device, path, signed_in};
use super::visitor::{Home, NOON, ORIGIN, Visitor, home};
use crate::devices::Wish;
use crate::policy::{Effect, Grant, Kind, Role, Verb};
use crate::safety::{Answer, Danger, Place, Rule, Sensors};

/// Said of a home in which a sensor warns of nothing.
const WELL: &str = "Всё спокойно";
const NO_DANGER: &str = "Ни один датчик не сообщает об опасности";

/// A home with a leak sensor and a valve that were accepted, and the reflex at work.
async fn guarded() -> (Home, watch::Sender<bool>) {
    let mut home = home().await;
    home.has_devices("T").await;
    for (which, name) in [(LEAK, "Датчик под ванной"), (VALVE, "Главный кран")] {
        let wish = Wish { name: Some(name.into()), ..Wish::default() };
        home.desk.devices.accept(&device(which), wish).await.unwrap();
    }
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(home.desk.safety.clone().run(stopping));
    home.desk.safety.look_at_devices();
    home.until("the sensor is known", |desk| (desk.safety.standing().sensors == 1).then_some(())).await;
    (home, stop)
}

async fn leaks(home: &Home, yes: bool) {
    home.hears("bridge", "zigbee2mqtt/T leak", if yes { r#"{"water_leak":true}"# } else { r#"{"water_leak":false}"# });
    home.until("it is felt", |desk| (desk.safety.standing().dangers.is_empty() != yes).then_some(())).await;
}

fn deny(verb: Verb, kind: Kind) -> Grant {
    Grant::new(Effect::Deny, vec![verb], kind)
}

#[tokio::test]
async fn a_danger_is_at_the_head_of_every_page_for_everybody_and_nobody_is_told_that_all_is_well() {
    let (home, _stop) = guarded().await;
    let mut anna = home.owner("Анна").await;
    let mut petya = signed_in(&home, "Петя", Role::Child).await;
    let mut guest = signed_in(&home, "Гость", Role::Guest).await;
    // A child from whom the sensor is hidden learns that there is water, and not where.
    let mut blind = signed_in(&home, "Лёша", Role::Adult).await;
    let id = home.desk.people.list().iter().find(|person| person.name == "Лёша").unwrap().id;
    home.desk.people.grant(id, deny(Verb::See, Kind::Device)).await.unwrap();
    again(&mut blind).await;
    anna.get("/").await;
    assert!(anna.page.contains(WELL) && !anna.page.contains("data-danger"), "{}", anna.page);
    guest.get("/").await;
    assert!(!guest.page.contains(WELL) && guest.page.contains(NO_DANGER), "{}", guest.page);

    leaks(&home, true).await;
    // What the disk could not keep, or somebody has cleared, is no notice; the danger is there all the same.
    crate::tests::until_async("it is noted", async || {
        let open = home.desk.store.notices().open().await.unwrap();
        open.iter().any(|open| open.key.starts_with("danger-")).then_some(())
    })
    .await;
    for open in home.desk.store.notices().open().await.unwrap() {
        home.desk.store.notices().clear(&open.key).await.unwrap();
    }
    for place in ["/", "/devices", "/me", "/security", "/safety", "/help", "/no-such-page"] {
        for who in [&mut anna, &mut petya, &mut guest] {
            who.get(place).await;
            let said = who.page.contains("data-danger") && who.page.contains("Датчик под ванной");
            assert!(said, "{place} {}: {}", who.path, who.page);
            assert!(!who.page.contains(WELL) && !who.page.contains(NO_DANGER), "{place}: {}", who.page);
            assert!(who.page.contains("data-live=\"safety danger\"") && who.page.contains("/live."), "{}", who.page);
            assert_eq!(who.complaints(), Vec::<String>::new(), "{place}: {}", who.page);
        }
        blind.get(place).await;
        assert!(blind.page.contains("data-danger") && blind.page.contains("Протечка"), "{place}: {}", blind.page);
        assert!(!blind.page.contains("Датчик под ванной"), "{place}: {}", blind.page);
    }
    // Whoever has not come in learns nothing.
    let mut stranger = home.visitor();
    stranger.get("/help").await;
    assert!(!stranger.page.contains("data-danger"), "{}", stranger.page);

    anna.get("/safety").await;
    anna.send("/safety/hush", &[]).await;
    assert!(anna.page.contains("звук выключен"), "{}", anna.page);
    leaks(&home, false).await;
    for who in [&mut anna, &mut guest] {
        who.get("/").await;
        assert!(!who.page.contains("data-danger"), "{}", who.page);
    }
}

#[tokio::test]
async fn a_valve_that_has_not_confirmed_is_told_of_after_the_danger_and_all_is_not_well() {
    let (home, _stop) = guarded().await;
    let id = "0000000000000001".to_owned();
    let rule = Rule {
        id,
        name: "Кран".into(),
        is_on: true,
        danger: Danger::WaterLeak,
        sensors: Sensors::Any,
        below: None,
        silent_after_s: None,
        answers: vec![Answer::Set(Place::new(device(VALVE), "state"), domovoi_model::Value::Bool(false))],
    };
    home.desk.safety.put_rule(rule).await.unwrap();
    let mut anna = home.owner("Анна").await;
    leaks(&home, true).await;
    leaks(&home, false).await;
    for open in home.desk.store.notices().open().await.unwrap() {
        home.desk.store.notices().clear(&open.key).await.unwrap();
    }
    let waits = home.desk.safety.standing().pursuits.iter().any(|(_, pursuit, _)| !pursuit.confirmed);
    assert!(waits, "nobody has said that the valve is closed");
    for place in ["/", "/safety", "/devices"] {
        anna.get(place).await;
        assert!(anna.page.contains("Ещё не подтверждено") && anna.page.contains("Главный кран"), "{}", anna.page);
        assert!(!anna.page.contains(WELL) && !anna.page.contains(NO_DANGER), "{place}: {}", anna.page);
    }
}

/// With other rights an adult signs in once more.
async fn again(who: &mut Visitor) {
    who.get("/sign-in").await;
    let fields = [("login", "login-adult"), ("password", super::visitor::PASSWORD), ("next", "/")];
    who.send("/sign-in", &fields).await;
}

async fn tries_in_earnest(who: &mut Visitor) {
    who.get("/safety").await;
    let csrf = who.csrf();
    let fields = [("csrf", csrf.as_str()), ("earnest", "yes")];
    who.post("/safety/rules/water-leak/tests", &fields, Some(ORIGIN)).await;
}

#[tokio::test]
async fn a_rule_is_tried_out_in_earnest_with_a_factor_shown_lately_and_a_refusal_is_written_down() {
    let (home, _stop) = guarded().await;
    let mut anna = home.owner("Анна").await;
    let mut petya = signed_in(&home, "Петя", Role::Child).await;
    let mut ivan = signed_in(&home, "Иван", Role::Adult).await;
    tries_in_earnest(&mut petya).await;
    assert!(petya.status == StatusCode::FORBIDDEN || petya.path.starts_with("/step-up"), "{}", petya.path);
    assert!(home.desk.safety.standing().tests.is_empty(), "a child closes no water");
    home.clock.set(NOON.plus_millis(6 * 60_000));
    tries_in_earnest(&mut ivan).await;
    assert!(ivan.path.starts_with("/step-up"), "{}: {}", ivan.path, ivan.page);
    assert!(home.desk.safety.standing().tests.is_empty(), "nor does whoever was signed in on a tablet");
    home.desk.journal.flush().await.unwrap();
    anna.get("/journal?outcome=refused").await;
    assert!(anna.page.matches("class=\"badge warn\"").count() >= 2, "{}", anna.page);
    // In words it wants none; with a factor it is done.
    ivan.get("/safety").await;
    ivan.send("/safety/rules/water-leak/tests", &[]).await;
    assert_eq!(home.desk.safety.standing().tests.len(), 1, "{}", ivan.page);
    ivan.get("/step-up?to=/safety").await;
    ivan.send("/step-up", &[("factor", "password"), ("password", super::visitor::PASSWORD), ("next", "/safety")]).await;
    tries_in_earnest(&mut ivan).await;
    assert!(home.desk.safety.standing().tests.iter().any(|run| run.in_earnest), "{}: {}", ivan.path, ivan.page);
}

#[tokio::test]
async fn the_page_of_safety_and_the_presets_show_what_the_reader_may_see_and_no_more() {
    let (home, _stop) = guarded().await;
    let _anna = home.owner("Анна").await;
    let mut petya = signed_in(&home, "Петя", Role::Adult).await;
    let id = home.desk.people.list().iter().find(|person| person.name == "Петя").unwrap().id;
    let mut hidden = deny(Verb::See, Kind::Device);
    hidden.id_is = Some(VALVE.into());
    home.desk.people.grant(id, hidden.clone()).await.unwrap();
    again(&mut petya).await;
    let rule = Rule {
        id: "0000000000000002".into(),
        name: "о кране".into(),
        is_on: true,
        danger: Danger::WaterLeak,
        sensors: Sensors::These(vec![Place::new(device(LEAK), "water_leak")]),
        below: None,
        silent_after_s: None,
        answers: vec![Answer::Set(Place::new(device(VALVE), "state"), domovoi_model::Value::Bool(false))],
    };
    home.desk.safety.put_rule(rule).await.unwrap();
    home.desk.safety.test("0000000000000002", None).await.unwrap();
    leaks(&home, true).await;
    petya.get("/safety").await;
    assert!(petya.page.contains("Датчик под ванной"), "{}", petya.page);
    assert!(!petya.page.contains("Главный кран") && !petya.page.contains("о кране"), "{}", petya.page);
    hidden.id_is = Some(LEAK.into());
    home.desk.people.grant(id, hidden).await.unwrap();
    again(&mut petya).await;
    petya.get("/safety").await;
    assert!(!petya.page.contains("Датчик под ванной") && petya.page.contains("Протечка"), "{}", petya.page);
    assert!(!petya.page.contains(NO_DANGER), "{}", petya.page);
    // Presets name nothing either.
    let seen = |place: &Place| place.device != device(VALVE);
    let all = crate::web::presets::offers(&home.desk, &device(LEAK), |_| true);
    assert!(all.iter().any(|offer| offer.preset == "leak-closes"), "{all:?}");
    let few = crate::web::presets::offers(&home.desk, &device(LEAK), seen);
    let names =
        |offer: &crate::web::presets::Offer| offer.others.iter().any(|(place, _)| place.device == device(VALVE));
    assert!(all.iter().any(names) && !few.iter().any(names), "{few:?}");
    let own: DeviceRef = device(VALVE);
    assert!(crate::web::presets::offers(&home.desk, &own, seen).is_empty());
    petya.get(&path(VALVE)).await;
    assert_ne!(petya.status, StatusCode::OK, "{}", petya.page);
}

#[tokio::test]
async fn the_journal_says_how_a_rule_stood_before_it_was_switched() {
    let (home, _stop) = guarded().await;
    let mut anna = home.owner("Анна").await;
    anna.get("/safety").await;
    // It is on already: nothing changes by it, and nothing is said to have.
    anna.send("/safety/rules/smoke/switch", &[("on", "yes")]).await;
    anna.get("/safety").await;
    anna.send("/safety/rules/gas/switch", &[("on", "no")]).await;
    home.desk.journal.flush().await.unwrap();
    let page = home.desk.journal.search(&crate::audit::Query::default()).await.unwrap();
    let switched = page.records.into_iter().filter(|record| record.entry.deed == "safety-rule.switched");
    let told: Vec<(Option<String>, Option<String>)> =
        switched.flat_map(|record| record.entry.changes).map(|change| (change.before, change.after)).collect();
    let yes = || Some("true".to_owned());
    // What was on and is on has not changed.
    assert_eq!(told, [(yes(), Some("false".into()))]);
}
