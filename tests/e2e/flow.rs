//! The journey: from an MQTT message to a receipt, checked against the device's own truth, and not twice.

use e2e::{Home, NOON, POINT, WATER_ACCOUNT, WATER_ID, hand_clock, sandbox, settings_text, until, water_world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_travels_from_the_wire_to_the_receipt_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |settings| settings.data_dir = Some(folder.path().join("portal"))).await;
    let text = settings_text(Some(&portal));
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    home.add_water().await;
    home.metering.set_standing_consent(true).await.unwrap();
    home.link(&portal).await;
    let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let world = water_world(home.mqtt, credentials, &clock, None);
    let water = world.water.as_ref().unwrap();
    water.telegram_now();
    let truth = water.wait_until(|truth| !truth.acknowledged_m3.is_empty()).await;
    let said = truth.acknowledged_m3.last().unwrap().clone();

    // What the device was told is safe, the ledger has; what the ledger has, the portal was told, and read back.
    let acts = home.all_received(1).await;
    assert_eq!(home.ledger(POINT).await.last(), Some(&said));
    let held = portal.accepted_acts();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].account_number, WATER_ACCOUNT);
    assert_eq!(held[0].puts, 1);
    assert_eq!(held[0].readings[0].serial, WATER_ID);
    assert_eq!(held[0].readings[0].values, [said.trim_end_matches('0').to_owned()]);
    assert_eq!(held[0].act_id, acts[0].id.to_string());
    let (bytes, signature) = portal.act_bytes(&held[0].act_id).unwrap();
    assert_eq!(acts[0].document.as_deref(), Some(bytes.as_slice()), "the portal holds the very bytes that were signed");
    home.metering.public_key().verify(&bytes, &signature).unwrap();

    // A restart of the hub, with more readings: the month is done, nothing is told twice.
    world.stop().await;
    home.stop().await;
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let world = water_world(home.mqtt, credentials, &clock, None);
    let water = world.water.as_ref().unwrap();
    water.set_m3("124.0".parse().unwrap());
    water.telegram_now();
    until("the new reading is in the ledger", || async {
        (home.ledger(POINT).await.last().map(String::as_str) == Some("124.0")).then_some(())
    })
    .await;
    home.metering.run_once().await.unwrap();
    assert_eq!(home.acts().await.len(), 1);
    assert_eq!(portal.accepted_acts().len(), 1);
    assert_eq!(portal.accepted_acts()[0].puts, 1);
    world.stop().await;
    home.stop().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_without_the_portal_are_sent_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |settings| settings.accounts[0].takes_late = true).await;
    // The supplier's terms do not hold late acts back, and the portal takes them.
    let text = settings_text(Some(&portal)).replace("id = \"vodokanal\"", "id = \"vodokanal\"\nlate = \"send\"");
    let home = Home::start(folder.path(), &text, clock.clone()).await;
    home.add_water().await;
    home.metering.set_standing_consent(true).await.unwrap();
    let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let world = water_world(home.mqtt, credentials, &clock, None);
    let water = world.water.as_ref().unwrap();
    // Not linked yet, which is as good as offline: three windows pass.
    for month in 0..3i64 {
        clock.set(NOON.plus_millis(month * 30 * 86_400_000));
        water.set_m3(format!("{}", 130 + month).parse().unwrap());
        water.telegram_now();
        let wanted = usize::try_from(month).unwrap() + 1;
        until("the month's act is signed", || async {
            home.metering.nudge();
            let acts = home.acts().await;
            (acts.len() == wanted && acts.iter().all(|act| act.state.is_signed())).then_some(())
        })
        .await;
    }
    assert_eq!(portal.accepted_acts().len(), 0);
    home.link(&portal).await;
    let acts = home.all_received(3).await;
    let held = portal.accepted_acts();
    let told: Vec<&str> = held.iter().map(|act| act.act_id.as_str()).collect();
    let signed: Vec<String> = acts.iter().map(|act| act.id.to_string()).collect();
    assert_eq!(told, signed.iter().map(String::as_str).collect::<Vec<_>>(), "in the order of signing");
    assert!(held.iter().all(|act| act.puts == 1));
    world.stop().await;
    home.stop().await;
}

/// The kinds of the notices that are open now.
async fn open_notices(home: &Home) -> Vec<String> {
    home.store.notices().open().await.unwrap().into_iter().map(|open| open.notice.kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_asked_and_warned_in_time_and_left_alone_when_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |_| {}).await;
    let home = Home::start(folder.path(), &settings_text(Some(&portal)), clock.clone()).await;
    home.link(&portal).await;
    let meter = domovoi::metering::NewMeter {
        serial: WATER_ID.into(),
        model: None,
        digits_int: 5,
        digits_frac: 3,
        tariffs: 1,
        multiplier: 1.into(),
        installed: "2024-03-01".parse().unwrap(),
        start: domovoi::metering::parse_values("100", 1).unwrap(),
        verified: None,
        valid_until: None,
    };
    let silent = domovoi::metering::NewPoint {
        supplier: e2e::SUPPLIER.into(),
        account_number: WATER_ACCOUNT.into(),
        els: None,
        resource: domovoi_model::Resource::ColdWater,
        name: POINT.into(),
        binding: None,
        reminder: domovoi_model::Reminder::Monthly,
        meter,
    };
    home.metering.add(silent).await.unwrap();
    home.metering.run_once().await.unwrap();
    let open = open_notices(&home).await;
    assert!(open.contains(&"read_meter".into()), "a meter that cannot speak is asked for: {open:?}");
    assert!(!open.contains(&"not_confirmed".into()), "the 20th is early: {open:?}");

    // The 23rd, and nothing is confirmed.
    clock.set(NOON.plus_millis(3 * 86_400_000));
    home.metering.run_once().await.unwrap();
    let open = open_notices(&home).await;
    assert!(open.contains(&"not_confirmed".into()), "{open:?}");

    // Somebody reads it, and approves; the portal takes it; nothing is left to say.
    let values = domovoi::metering::parse_values("107,5", 1).unwrap();
    let submitted = home.metering.submit(POINT, values, "owner", None, false).await.unwrap();
    assert!(submitted.taken, "{submitted:?}");
    home.metering.run_once().await.unwrap();
    let act = home.acts().await.remove(0);
    assert_eq!(act.state.code(), "checked", "without consent a person approves");
    home.metering.approve(act.id, false).await.unwrap();
    home.all_received(1).await;
    home.metering.run_once().await.unwrap();
    assert_eq!(open_notices(&home).await, Vec::<String>::new());
    assert_eq!(portal.accepted_acts()[0].readings[0].values, ["107.5"]);
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_that_will_not_take_a_late_month_does_not_hold_up_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let clock = hand_clock(NOON);
    let portal = sandbox(&clock, |settings| settings.accounts[0].takes_late = false).await;
    let home = Home::start(folder.path(), &settings_text(Some(&portal)), clock.clone()).await;
    home.add_water().await;
    home.metering.set_standing_consent(true).await.unwrap();
    let credentials = home.credential("wmbusmeters", &["wmbusmeters/#"], &[]).await;
    let world = water_world(home.mqtt, credentials, &clock, None);
    let water = world.water.as_ref().unwrap();
    for (n, value) in ["130", "131"].into_iter().enumerate() {
        clock.set(NOON.plus_millis(n as i64 * 30 * 86_400_000));
        water.set_m3(value.parse().unwrap());
        water.telegram_now();
        until("the month's act is signed", || async {
            home.metering.nudge();
            let acts = home.acts().await;
            (acts.len() == n + 1 && acts.iter().all(|act| act.state.is_signed())).then_some(())
        })
        .await;
    }
    // Linked only in December: November's month is over for this portal.
    home.link(&portal).await;
    let acts = until("December has its receipt", || async {
        let acts = home.acts().await;
        acts.last().is_some_and(|act| act.state.code() == "received").then_some(acts)
    })
    .await;
    assert_eq!(acts[0].state.code(), "refused");
    assert!(open_notices(&home).await.contains(&"act_refused".into()));
    assert_eq!(portal.accepted_acts().len(), 1);
    world.stop().await;
    home.stop().await;
}
