//! The life of an alert: chains of messages, dangers at home, notices, what people say.

use domovoi_model::{AlertState, AlertStatus, AlertUrgency, Concern, Peril, Severity};
use domovoi_store::Notice;

use super::*;

const WORSE: AlertChange = AlertChange::Updated { worse: true };
const UPDATED: AlertChange = AlertChange::Updated { worse: false };

#[tokio::test]
async fn a_chain_is_one_alert_and_is_told_anew_only_when_it_is_worse() {
    let mut room = Room::new().await;
    let Heard::Raised(id) = room.hear("chain-1-original.cap") else { panic!() };
    assert_eq!(room.hear("chain-1-original.cap"), Heard::Known);
    assert_eq!(room.hear("same-instant-other-spelling.cap"), Heard::Known, "the same instant, spelled otherwise");
    assert_eq!(room.hear("chain-2-update.cap"), Heard::Updated(id));
    assert_eq!(room.hear("chain-3-update-worse.cap"), Heard::Updated(id));
    assert_eq!(room.changes(), [AlertChange::Raised, UPDATED, WORSE]);
    let alert = room.only();
    assert_eq!((alert.id, alert.telling, alert.state, alert.severity), (id, 2, AlertState::Updated, Severity::Severe));
    assert_eq!(room.hear("chain-4-cancel.cap"), Heard::Over(id));
    let news = room.news();
    assert_eq!((news.len(), news[0].0, news[0].1.state), (1, AlertChange::Over, AlertState::Cancelled));
    assert_eq!(room.hear("chain-2-update.cap"), Heard::Known, "what is over does not come back");
    assert_eq!(room.hear("chain-1-original.cap"), Heard::Known);
    assert!(room.alerts.standing().is_empty() && room.changes().is_empty());
    assert!(room.alerts.messages(id).iter().all(|(.., over)| *over));
}

#[tokio::test]
async fn an_end_is_an_end_however_it_is_written() {
    for end in [
        "chain-4-cancel.cap",
        "chain-4-cancel-of-the-first.cap",
        "chain-4-moved-away.cap",
        "chain-4-all-clear.cap",
        "reference-without-time.cap",
    ] {
        let mut room = Room::new().await;
        for file in ["chain-1-original.cap", "chain-2-update.cap", "chain-3-update-worse.cap"] {
            room.hear(file);
        }
        room.news();
        assert!(matches!(room.hear(end), Heard::Over(_)), "{end}");
        assert_eq!(room.changes(), [AlertChange::Over], "{end}");
        assert!(room.alerts.standing().is_empty(), "{end}");
    }
}

#[tokio::test]
async fn what_comes_out_of_order_ends_the_same() {
    let mut room = Room::new().await;
    assert!(matches!(room.hear("chain-3-update-worse.cap"), Heard::Raised(_)), "an update of what is unknown is new");
    assert_eq!(room.hear("chain-1-original.cap"), Heard::Known);
    assert_eq!(room.hear("chain-2-update.cap"), Heard::Known);
    assert_eq!(room.changes(), [AlertChange::Raised]);
    assert_eq!(room.only().severity, Severity::Severe);

    let room = Room::new().await;
    assert_eq!(room.hear("chain-4-cancel-of-the-first.cap"), Heard::Remembered);
    assert_eq!(room.hear("chain-1-original.cap"), Heard::Known, "it was taken back before it came");
    room.write().await;
    let mut again = room.killed().await;
    assert_eq!(again.hear("chain-1-original.cap"), Heard::Known, "that is known after a restart too");
    assert!(again.alerts.standing().is_empty() && again.changes().is_empty());
}

#[tokio::test]
async fn nobody_takes_back_what_another_has_said() {
    let mut room = Room::new().await;
    room.hear("chain-1-original.cap");
    room.news();
    let other = feed("mallory");
    room.alerts.hear_cap(&other, &read("foreign-cancel.cap"));
    assert_eq!(room.alerts.standing().len(), 1);
    assert!(room.changes().is_empty());
    let pinned = FeedRef { senders: vec!["meteo@example.org".into()], ..feed("meteo") };
    let heard = room.alerts.hear_cap(&pinned, &read("foreign-cancel.cap"));
    assert_eq!(heard, Heard::NotTrusted("mallory@example.net".into()));
    assert_eq!(room.alerts.standing().len(), 1);
}

#[tokio::test]
async fn the_same_from_two_feeds_is_told_once_and_ends_with_the_last() {
    let mut room = Room::new().await;
    let Heard::Raised(id) = room.hear("plain.cap") else { panic!() };
    let other = String::from_utf8(read("plain.cap")).unwrap().replace("meteo@example.org", "other@example.org");
    assert_eq!(room.alerts.hear_cap(&feed("second"), other.as_bytes()), Heard::Updated(id));
    assert_eq!(room.changes(), [AlertChange::Raised]);
    let cancel = |sender: &str| {
        format!(
            "<alert><identifier>C{sender}</identifier><sender>{sender}</sender><sent>2026-11-21T21:00:00Z</sent>\
             <status>Actual</status><msgType>Cancel</msgType>\
             <references>{sender},M-1,2026-11-21T20:00:00Z</references></alert>"
        )
    };
    room.alerts.hear_cap(&feed("meteo"), cancel("meteo@example.org").as_bytes());
    assert_eq!(room.alerts.standing().len(), 1, "the other still says so");
    room.alerts.hear_cap(&feed("second"), cancel("other@example.org").as_bytes());
    assert!(room.alerts.standing().is_empty());
}

#[tokio::test]
async fn trials_are_kept_apart_and_no_life_hangs_on_them() {
    let room = Room::new().await;
    for (file, status) in [
        ("extreme-exercise.cap", AlertStatus::Exercise),
        ("test.cap", AlertStatus::Test),
        ("system.cap", AlertStatus::System),
        ("extreme-now.cap", AlertStatus::Actual),
    ] {
        let Heard::Raised(id) = room.hear(file) else { panic!("{file}") };
        let alert = room.alerts.get(id).await.unwrap();
        assert_eq!((alert.status, alert.life), (status, status == AlertStatus::Actual), "{file}");
    }
    assert_eq!(room.hear("draft.cap"), Heard::Ignored("draft"));
    assert!(room.alerts.standing()[0].life, "the gravest first");
}

#[tokio::test]
async fn the_end_is_kept_by_the_hub_s_own_clock() {
    let mut room = Room::new().await;
    room.hear("no-expires.cap");
    let alert = room.only();
    assert!(alert.expires_assumed);
    assert_eq!(alert.expires.unwrap().to_string(), "2026-11-22T20:00:00.000Z", "a day after it was sent");
    room.turn(22 * 60 - 1);
    room.alerts.0.expire();
    assert_eq!(room.alerts.standing().len(), 1);
    room.turn(1);
    room.alerts.0.expire();
    let news = room.news();
    assert_eq!(news.last().unwrap().1.state, AlertState::Expired);
    assert_eq!(room.hear("no-expires.cap"), Heard::Known);
    // A winter night: 18:30 at −04:00 is 22:30 UTC, whatever the wall shows there.
    room.clock.set(NOW);
    let mut other = Room::new().await;
    other.hear("times-dst.cap");
    other.turn(29);
    other.alerts.0.expire();
    assert_eq!(other.alerts.standing().len(), 1);
    other.turn(1);
    other.alerts.0.expire();
    assert_eq!(other.changes(), [AlertChange::Raised, AlertChange::Over]);
}

#[tokio::test]
async fn before_the_clock_is_true_nothing_is_too_late() {
    let room = Room::new().await;
    let clock = Clock::by_hand(Id([8; 16]), Timestamp(5_000));
    let (home, section) = (&room.settings.home, &room.settings.alerts);
    let alerts = Alerts::open(room.store.clone(), clock.clone(), room.bus.clone(), home, section).await;
    assert!(matches!(alerts.hear_cap(&feed("meteo"), &read("expired.cap")), Heard::Raised(_)));
    alerts.0.expire();
    assert_eq!(alerts.standing().len(), 1);
    clock.set(NOW);
    alerts.0.expire();
    assert!(alerts.standing().is_empty());
}

#[tokio::test]
async fn languages_and_phases_become_one_alert() {
    let room = Room::new().await;
    room.hear("two-languages.cap");
    let alert = room.only();
    assert_eq!(alert.text("ru").unwrap().event, "Сильный ветер");
    assert_eq!(alert.text("en").unwrap().event, "Strong wind");
    assert_eq!(alert.text("de").unwrap().language, "ru", "the home's own is the first");
    assert_eq!(alert.areas, ["Московская область"]);
    assert!(matches!(&alert.concerns[..], [Concern::Polygon { area }] if area == "Московская область"));

    let room = Room::new().await;
    room.hear("phases.cap");
    let alert = room.only();
    assert_eq!((alert.severity, alert.peril), (Severity::Severe, Peril::Thunderstorm));
    assert_eq!(alert.expires.unwrap().to_string(), "2026-11-22T02:00:00.000Z");
    assert_eq!(
        alert.texts[0].event, "Град крупный, град",
        "the phase that is over, and the one elsewhere, say nothing"
    );

    let room = Room::new().await;
    room.hear("translation-without-area.cap");
    assert_eq!(room.only().texts.len(), 2);
    let room = Room::new().await;
    room.hear("shape-meteoalarm.cap");
    let alert = room.only();
    let languages: Vec<&str> = alert.texts.iter().map(|text| text.language.as_str()).collect();
    assert_eq!(languages, ["en-gb", "fr-fr"]);
    assert!(matches!(&alert.concerns[0], Concern::Code { name, value, .. } if name == "EMMA_ID" && value == "RU012"));
}

#[tokio::test]
async fn what_was_cut_counts_until_the_whole_is_there() {
    let mut room = Room::new().await;
    let Heard::Raised(id) = room.hear("truncated-in-second-info.cap") else { panic!() };
    assert_eq!(room.hear("truncated-in-second-info.cap"), Heard::Known);
    let whole = String::from_utf8(read("two-languages.cap")).unwrap().replace("L-2", "U-1");
    assert_eq!(room.alerts.hear_cap(&feed("meteo"), whole.as_bytes()), Heard::Updated(id));
    assert_eq!(room.only().texts.len(), 2);
    assert_eq!(room.changes(), [AlertChange::Raised, UPDATED]);
    assert_eq!(room.alerts.hear_cap(&feed("meteo"), whole.as_bytes()), Heard::Known);
}

#[tokio::test]
async fn a_danger_is_told_from_memory_and_ends_with_its_cause() {
    let mut room = Room::new().await;
    room.alerts.rooms_are(|device| (device.id == "sink").then(|| "kitchen".to_owned()));
    let inner = Arc::clone(&room.alerts.0);
    inner.felt(&felt("began", "water-leak", "sink"));
    let alert = room.only();
    assert_eq!((alert.origin, alert.peril, alert.life), (AlertOrigin::Hazard, Peril::WaterLeak, true));
    assert_eq!((alert.room.as_deref(), alert.concerns.as_slice()), (Some("kitchen"), &[Concern::Home][..]));
    assert!(alert.text("ru").unwrap().headline.contains("sink") && alert.text("en").unwrap().headline.contains("LEAK"));
    inner.felt(&felt("began", "water-leak", "sink"));
    assert_eq!(room.changes(), [AlertChange::Raised], "the same once");
    for news in ["said", "confirmed", "unanswered", "hushed"] {
        inner.felt(&felt(news, "water-leak", "sink"));
    }
    assert!(room.changes().is_empty());
    inner.felt(&felt("over", "water-leak", "bath"));
    assert_eq!(room.alerts.standing().len(), 1);
    inner.felt(&felt("over", "water-leak", "sink"));
    assert_eq!(room.changes(), [AlertChange::Over]);

    inner.felt(&SafetyNews { accepted: false, ..felt("began", "gas", "stranger") });
    let stranger = room.only();
    assert_eq!((stranger.life, stranger.severity), (false, Severity::Moderate), "nobody knows what it is");
    inner.felt(&felt("began", "gas", "stranger"));
    assert_eq!(room.changes(), [AlertChange::Raised, WORSE], "accepted, it is told in earnest");
    assert!(room.only().life);
    inner.felt(&felt("over", "gas", "stranger"));
    inner.felt(&SafetyNews { test: true, ..felt("began", "smoke", "hall") });
    let test = room.only();
    assert_eq!((test.status, test.life), (AlertStatus::Test, false));
}

#[tokio::test]
async fn the_room_hears_the_bus_by_itself() {
    let mut room = Room::new().await;
    // Before it runs: a danger at the start of the house must not be missed.
    room.bus.tell(Event::Safety(Arc::new(felt("began", "gas", "stove"))));
    let (stop, stopped) = watch::channel(false);
    let alerts = room.alerts.clone();
    let running = tokio::spawn(async move { alerts.run(stopped).await });
    let raised = loop {
        if let Event::Alert(news) = room.ears.recv().await.unwrap() {
            break news;
        }
    };
    assert_eq!((raised.change, raised.alert.peril), (AlertChange::Raised, Peril::Gas));
    let kept = room.alerts.acknowledge(raised.alert.id, person(1)).unwrap().written().await.unwrap();
    assert_eq!(kept.acknowledged[0].by, person(1));
    stop.send(true).unwrap();
    running.await.unwrap();
    let row = room.store.alerts().get(raised.alert.id).await.unwrap().unwrap();
    assert_eq!(row::alert_of(&row).unwrap().acknowledged.len(), 1, "what the door says is done is on the disk");
}

#[tokio::test]
async fn a_disk_that_does_not_answer_delays_nobody() {
    let mut room = Room::new().await;
    // Nobody writes: the queue stands as if the disk did.
    room.alerts.0.felt(&felt("began", "smoke", "hall"));
    room.hear("extreme-now.cap");
    assert_eq!(room.changes(), [AlertChange::Raised, AlertChange::Raised]);
    let id = room.alerts.standing()[0].id;
    let kept = room.alerts.acknowledge(id, person(1)).unwrap();
    assert_eq!(room.changes(), [AlertChange::Acknowledged], "everybody hears of it at once");
    assert!(room.store.alerts().get(id).await.unwrap().is_none());
    let (written, ()) = tokio::join!(kept.written(), room.write());
    assert_eq!(written.unwrap().acknowledged.len(), 1);
    assert!(room.store.alerts().get(id).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_written_survives_and_what_the_reflex_does_not_have_is_over() {
    let room = Room::new().await;
    room.alerts.0.felt(&felt("began", "gas", "stove"));
    room.alerts.0.felt(&felt("began", "water-leak", "sink"));
    let Heard::Raised(storm) = room.hear("plain.cap") else { panic!() };
    room.alerts.acknowledge(storm, person(1)).unwrap();
    room.alerts.step_done(storm, "stay-in", person(2), true).unwrap();
    room.write().await;
    let before = room.alerts.standing();
    let mut room = room.killed().await;
    assert_eq!(room.alerts.standing(), before);
    assert_eq!(room.hear("plain.cap"), Heard::Known);
    // The reflex remembers the gas, and has forgotten the leak: its valve was opened by hand.
    room.alerts.hazards_are(|| vec![felt("remembered", "gas", "stove")]);
    room.alerts.0.felt(&felt("remembered", "gas", "stove"));
    assert!(room.changes().is_empty(), "it is told already");
    room.alerts.0.end_hazards(Duration::ZERO).await;
    let over = room.news();
    assert_eq!((over.len(), over[0].1.peril, over[0].0), (1, Peril::WaterLeak, AlertChange::Over));
    assert_eq!(room.alerts.standing().len(), 2);
}

#[tokio::test]
async fn notices_stand_as_alerts_while_they_are_open() {
    let mut room = Room::new().await;
    let notices = room.store.notices();
    let notice = |kind: &str| Notice {
        kind: kind.to_owned(),
        params: vec![("camera".into(), "Двор".into()), ("why".into(), "unreachable".into())],
        at: Moment::Wall(NOW),
    };
    notices.raise("camera_offline/1", &notice("camera_offline")).await.unwrap();
    notices.raise("danger-is:gas", &notice("danger_gas")).await.unwrap();
    notices.raise("sign_in", &notice("sign_in_attacked")).await.unwrap();
    room.alerts.0.look_at_notices().await;
    let origins: Vec<AlertOrigin> = room.alerts.standing().iter().map(|alert| alert.origin).collect();
    assert_eq!(origins, [AlertOrigin::Security, AlertOrigin::Camera], "dangers are told by the reflex");
    room.alerts.0.look_at_notices().await;
    assert_eq!(room.changes().len(), 2, "the same once");
    notices.clear("camera_offline/1").await.unwrap();
    room.alerts.0.look_at_notices().await;
    let over = room.news();
    assert_eq!((over.len(), over[0].1.origin, over[0].1.state), (1, AlertOrigin::Camera, AlertState::Cancelled));
}

#[tokio::test]
async fn people_say_that_they_know_and_what_they_did() {
    let mut room = Room::new().await;
    let Heard::Raised(id) = room.hear("severe-now-flood.cap") else { panic!() };
    room.news();
    room.alerts.acknowledge(id, person(1)).unwrap();
    room.alerts.acknowledge(id, person(1)).unwrap();
    room.alerts.acknowledge(id, person(2)).unwrap();
    assert_eq!(room.changes(), [AlertChange::Acknowledged; 2]);
    assert!(matches!(room.alerts.step_done(id, "no-such-step", person(1), true), Err(AlertsError::NoStep)));
    room.alerts.step_done(id, "go-higher", person(1), true).unwrap();
    room.alerts.step_done(id, "take-documents", person(2), true).unwrap();
    room.alerts.step_done(id, "take-documents", person(2), false).unwrap();
    let alert = room.only();
    assert_eq!((alert.acknowledged.len(), alert.steps_done.len()), (2, 1));
    assert!(matches!(room.alerts.acknowledge(Id([9; 16]), person(1)), Err(AlertsError::NoAlert)));
    room.write().await;
    // One that is over, of the past, names a person too.
    room.alerts.over(AlertOrigin::Feed, &alert.key);
    room.write().await;
    room.alerts.0.felt(&felt("began", "gas", "stove"));
    let standing = room.only();
    room.alerts.acknowledge(standing.id, person(1)).unwrap();
    assert_eq!(room.alerts.forget_person(person(1)).await.unwrap(), 2);
    room.write().await;
    let room = room.killed().await;
    let past = room.alerts.get(id).await.unwrap();
    assert_eq!(past.acknowledged.iter().map(|one| one.by).collect::<Vec<_>>(), [person(2)]);
    assert!(past.steps_done.is_empty() && room.only().acknowledged.is_empty());
}

#[tokio::test]
async fn an_alert_of_another_room_lives_by_its_key() {
    let mut room = Room::new().await;
    let own = OwnAlert {
        origin: AlertOrigin::Metering,
        key: "bill".into(),
        status: AlertStatus::Actual,
        severity: Severity::Minor,
        urgency: AlertUrgency::Future,
        certainty: domovoi_model::Certainty::Observed,
        category: domovoi_model::AlertCategory::Infra,
        peril: Peril::Meter,
        life: false,
        texts: vec![domovoi_model::AlertText { language: "ru".into(), event: "Счёт".into(), ..Default::default() }],
        device: None,
        room: None,
        sender: "Водоканал".into(),
        expires: Some(NOW.plus_millis(60_000)),
        at: None,
    };
    let id = room.alerts.raise(own.clone());
    assert_eq!(room.alerts.raise(own.clone()), id);
    assert_eq!(room.alerts.raise(OwnAlert { severity: Severity::Severe, ..own }), id);
    assert_eq!(room.changes(), [AlertChange::Raised, WORSE]);
    assert!(!room.alerts.over(AlertOrigin::House, "bill") && room.alerts.over(AlertOrigin::Metering, "bill"));
    assert_eq!(room.changes(), [AlertChange::Over]);
}
