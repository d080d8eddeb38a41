//! Tests of each room's rows.

use super::*;

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Conflict { what }) => what,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[tokio::test]
async fn the_register_gives_back_what_it_got() {
    let house = House::new();
    let store = house.open().await;
    let register = store.register();
    let mut account = account();
    register.save_account(&account).await.unwrap();
    account.label = "Дача".into();
    register.save_account(&account).await.unwrap();
    let twin = Account { id: AccountId(id()), ..account.clone() };
    assert!(conflict(register.save_account(&twin).await).contains("entered already"));

    let mut p = point(&account);
    register.save_point(&p).await.unwrap();
    let stray = MeteringPoint { account: AccountId(id()), ..point(&account) };
    assert!(matches!(register.save_point(&stray).await, Err(StoreError::NotFound { .. })));
    p.binding = None;
    register.save_point(&p).await.unwrap();

    let m = meter(&p);
    register.save_meter(&m).await.unwrap();
    let second = Meter { id: MeterId(id()), ..m.clone() };
    assert!(conflict(register.save_meter(&second).await).contains("another meter hangs"));

    drop(store);
    let register = house.open().await.register();
    assert_eq!(register.account(account.id).await.unwrap().as_ref(), Some(&account));
    assert_eq!(register.accounts().await.unwrap(), [account]);
    assert_eq!(register.point(p.id).await.unwrap().as_ref(), Some(&p));
    assert_eq!(register.points().await.unwrap(), [p]);
    assert_eq!(register.meter(m.id).await.unwrap().as_ref(), Some(&m));
    assert_eq!(register.meters().await.unwrap(), [m]);
    assert_eq!(register.meter(MeterId(id())).await.unwrap(), None);
}

#[tokio::test]
async fn a_swap_is_all_or_nothing() {
    let house = House::new();
    let store = house.open().await;
    let (_, meters) = furnish(&store).await;
    let mut old = meters[0].clone();
    let mut new = Meter { id: MeterId(id()), serial: "SN-NEW".into(), ..old.clone() };
    let swapped = |meter: &Meter, value: &str| LedgerEntry {
        reading: RegisterReading {
            source: Source::Installation,
            ..reading(meter, value, 500, Verdict::Accepted(Some(Finding::Swapped)))
        },
        seq: None,
    };
    assert!(matches!(store.register().swap_meter(&old, &new, &[]).await, Err(StoreError::Conflict { .. })));
    old.removed = Some((Date::new(2026, 11, 2).unwrap(), RegisterValues::single(dec("99.9"))));

    let mut stray = swapped(&new, "0");
    stray.reading.point = PointId(id());
    let failed = store.register().swap_meter(&old, &new, &[swapped(&old, "99.9"), stray]).await;
    assert!(matches!(failed, Err(StoreError::NotFound { .. })), "{failed:?}");
    assert_eq!(store.register().meter(old.id).await.unwrap().unwrap().removed, None);
    assert_eq!(store.register().meter(new.id).await.unwrap(), None);

    let rows = store.register().swap_meter(&old, &new, &[swapped(&old, "99.9"), swapped(&new, "0")]).await.unwrap();
    assert_eq!(rows, [Appended::Row(3), Appended::Row(4)], "two readings of one moment on two meters");
    assert_eq!(store.register().meter(old.id).await.unwrap().unwrap(), old);
    new.serial = "SN-NEWER".into();
    store.register().save_meter(&new).await.unwrap();
    assert_eq!(store.register().meter(new.id).await.unwrap().unwrap(), new);
}

#[tokio::test]
async fn the_ledger_keeps_every_reading_once() {
    let house = House::new();
    let store = house.open().await;
    let (_, meters) = furnish(&store).await;
    let (ledger, m) = (store.ledger(), &meters[0]);
    let at = |value: &str, at: i64, verdict: Verdict| reading(m, value, at, verdict);
    let accepted = Verdict::Accepted(None);
    let entries = [
        entry(at("2.000", 200, accepted.clone()), 10),
        entry(at("0", 300, Verdict::Held(Finding::GlitchToZero)), 11),
        entry(at("3", 400, Verdict::Accepted(Some(Finding::Gap { hours: 5 }))), 12),
        entry(at("-1", 450, Verdict::Ignored(Finding::DeviceComplaint("LEAKAGE".into()))), 13),
    ];
    let rows = ledger.append(&entries, Some(("metering", Seq(13)))).await.unwrap();
    assert_eq!(rows, [3, 4, 5, 6].map(Appended::Row));
    let again = ledger.append(&entries, Some(("metering", Seq(14)))).await.unwrap();
    assert_eq!(again, [Appended::Duplicate; 4]);
    assert_eq!(ledger.cursor("metering").await.unwrap(), Seq(14));
    assert_eq!(ledger.cursor("nobody").await.unwrap(), Seq(0));

    let person = RegisterReading { source: Source::Person("Мария".into()), ..at("4", 500, accepted.clone()) };
    let told = LedgerEntry { reading: person.clone(), seq: None };
    assert_eq!(ledger.append(std::slice::from_ref(&told), None).await.unwrap(), [Appended::Row(7)]);
    assert_eq!(ledger.append(&[told], None).await.unwrap(), [Appended::Duplicate]);
    let other = RegisterReading { source: Source::Person("Пётр".into()), ..person };
    assert_eq!(ledger.append(&[LedgerEntry { reading: other, seq: None }], None).await.unwrap(), [Appended::Row(8)]);

    let ids = |rows: Vec<LedgerRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let all = |accept: bool, limit: u32| ledger.readings(m.point, Timestamp(100), Timestamp(500), limit, accept);
    assert_eq!(ids(all(true, 100).await.unwrap()), [1, 3, 4, 5, 6]);
    assert_eq!(ids(all(false, 100).await.unwrap()), [1, 3, 5]);
    assert_eq!(ids(all(false, 2).await.unwrap()), [1, 3]);
    assert_eq!(ledger.last_accepted(m.point, Tariff::T1).await.unwrap().unwrap().id, 8);
    assert_eq!(ledger.last_accepted(m.point, Tariff::T2).await.unwrap(), None);
    let before = |at: i64| ledger.last_accepted_before(m.point, Tariff::T1, Timestamp(at));
    assert_eq!(before(400).await.unwrap().unwrap().id, 3);
    assert_eq!(before(401).await.unwrap().unwrap().id, 5);
    assert_eq!(before(100).await.unwrap(), None);

    let row = ledger.row(3).await.unwrap().unwrap();
    assert_eq!(row.reading, entries[0].reading);
    assert_eq!(row.reading.value.to_string(), "2.000", "the digits as they were told");
    assert_eq!(row.seq, Some(Seq(10)));
}

#[tokio::test]
async fn a_person_decides_once_and_what_was_thought_before_is_kept() {
    let house = House::new();
    let store = house.open().await;
    let (_, meters) = furnish(&store).await;
    let ledger = store.ledger();
    let held = Verdict::Held(Finding::ImplausibleJump);
    let m = &meters[0];
    let entries = [entry(reading(m, "900", 200, held.clone()), 10), entry(reading(m, "901", 201, held.clone()), 11)];
    ledger.append(&entries, None).await.unwrap();
    assert_eq!(ledger.held(m.point).await.unwrap().len(), 2);
    assert_eq!(ledger.held(meters[1].point).await.unwrap(), []);

    let confirmed = Verdict::Accepted(Some(Finding::ConfirmedByPerson));
    let row = ledger.decide(3, confirmed.clone()).await.unwrap();
    assert_eq!((row.reading.verdict.clone(), row.earlier.clone()), (confirmed.clone(), vec![held.clone()]));
    assert_eq!(ledger.row(3).await.unwrap(), Some(row));
    ledger.decide(4, Verdict::Ignored(Finding::ImplausibleJump)).await.unwrap();
    assert_eq!(ledger.held(m.point).await.unwrap(), []);
    assert_eq!(ledger.last_accepted(m.point, Tariff::T1).await.unwrap().unwrap().id, 3);

    conflict(ledger.decide(3, confirmed.clone()).await);
    assert!(matches!(ledger.decide(99, confirmed).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn an_act_is_one_per_period_and_never_changes_once_signed() {
    let house = House::new();
    let store = house.open().await;
    let (accounts, meters) = furnish(&store).await;
    let acts = store.acts();
    let (account, m) = (&accounts[0], &meters[0]);
    let first = acts.list(ActFilter { account: Some(account.id), ..Default::default() }).await.unwrap().remove(0);
    let mut draft = act(account, m, 12);
    acts.insert(&draft).await.unwrap();
    assert!(conflict(acts.insert(&act(account, m, 12)).await).contains("2026-12"));
    assert_eq!(acts.get(draft.id).await.unwrap(), Some(draft.clone()));
    assert_eq!(acts.last_signed(account.id).await.unwrap(), first.document.map(|document| (first.id, document)));

    draft.state = ActState::Checked;
    draft.readings[0].values = RegisterValues([Some(dec("1")), None, Some(dec("2.50")), Some(dec("3"))]);
    acts.update(&draft).await.unwrap();
    let mut unsigned = draft.clone();
    unsigned.state = ActState::Approved;
    conflict(acts.update(&unsigned).await);
    let mut done = signed(draft);
    acts.update(&done).await.unwrap();
    assert_eq!(acts.last_signed(account.id).await.unwrap(), Some((done.id, done.document.clone().unwrap())));

    for spoil in [
        (|act| act.document = Some(b"{}".to_vec())) as fn(&mut Act),
        |act| act.document = None,
        |act| act.signature = Some("other".into()),
        |act| act.readings[0].id = ReadingId(id()),
        |act| act.readings[0].values = RegisterValues::single(dec("1")),
        |act| act.readings.clear(),
        |act| act.state = ActState::Checked,
        |act| act.period = Period::new(2027, 1).unwrap(),
        |act| act.created_at = Timestamp(0),
    ] {
        let mut spoilt = done.clone();
        spoil(&mut spoilt);
        conflict(acts.update(&spoilt).await);
    }
    let states = [
        ActState::Sent { tries: 2, first_at: Timestamp(3) },
        ActState::Refused { code: "E7".into(), detail: "закрыто".into(), at: Timestamp(9) },
        ActState::Confirmed { at: Timestamp(4) },
        ActState::Received {
            receipt: Receipt {
                id: "R-1".into(),
                issued_at: Timestamp(5),
                act_sha256: [8; 32],
                document: b"receipt".to_vec(),
            },
        },
    ];
    for state in states {
        done.state = state;
        done.readings[0].portal_verdict = PortalVerdict::Accepted { portal_number: Some("U-9".into()) };
        acts.update(&done).await.unwrap();
        assert_eq!(acts.get(done.id).await.unwrap().as_ref(), Some(&done));
    }

    let filter = ActFilter { account: Some(account.id), period: Some(done.period), on_its_way: None };
    assert_eq!(acts.list(filter).await.unwrap(), [done]);
    let on_its_way = ActFilter { on_its_way: Some(true), ..Default::default() };
    assert_eq!(acts.list(on_its_way).await.unwrap().len(), 2);
    assert_eq!(acts.list(ActFilter::default()).await.unwrap().len(), 3);
    let missing = act(account, m, 1);
    assert!(matches!(acts.update(&missing).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_correction_takes_the_place_of_one_act_once() {
    let house = House::new();
    let store = house.open().await;
    let (accounts, meters) = furnish(&store).await;
    let acts = store.acts();
    let mut old = acts.list(ActFilter { account: Some(accounts[0].id), ..Default::default() }).await.unwrap().remove(0);
    let mut new = act(&accounts[0], &meters[0], 11);
    new.supersedes = Some(old.id);
    conflict(acts.supersede(&old, &new).await);
    old.state = ActState::Superseded { by: new.id };
    let mut elsewhere = new.clone();
    elsewhere.period = Period::new(2026, 10).unwrap();
    conflict(acts.supersede(&old, &elsewhere).await);
    acts.supersede(&old, &new).await.unwrap();
    assert_eq!(acts.get(old.id).await.unwrap(), Some(old.clone()));

    let mut rival = act(&accounts[0], &meters[0], 11);
    rival.supersedes = Some(old.id);
    let mut again = old.clone();
    again.state = ActState::Superseded { by: rival.id };
    conflict(acts.supersede(&again, &rival).await);
    assert_eq!(acts.get(old.id).await.unwrap(), Some(old), "nothing of the failed call stays");

    let new = signed(new);
    acts.update(&new).await.unwrap();
    assert_eq!(acts.last_signed(accounts[0].id).await.unwrap().unwrap().0, new.id);
    assert_ne!(acts.last_signed(accounts[1].id).await.unwrap().unwrap().0, new.id);
}

#[tokio::test]
async fn photos_secrets_credentials_and_notices() {
    let house = House::new();
    let store = house.open().await;
    let photo = photo();
    store.photos().put(&photo).await.unwrap();
    conflict(store.photos().put(&photo).await);
    assert_eq!(store.photos().get(photo.id).await.unwrap(), Some(photo.clone()));
    assert_eq!(store.photos().get(PhotoId(id())).await.unwrap(), None);
    let huge = Photo { bytes: vec![0; PHOTO_LIMIT + 1], ..photo };
    assert!(matches!(store.photos().put(&huge).await, Err(StoreError::TooLarge { .. })));

    let secrets = store.secrets();
    assert!(secrets.get("act key").await.unwrap().is_none());
    assert!(secrets.put_if_absent("act key", b"one").await.unwrap());
    assert!(!secrets.put_if_absent("act key", b"two").await.unwrap());
    assert_eq!(secrets.get("act key").await.unwrap().unwrap().expose(), b"one");
    secrets.put("act key", b"").await.unwrap();
    let empty = house.open().await.secrets().get("act key").await.unwrap().unwrap();
    assert_eq!((empty.expose().len(), format!("{empty:?}")), (0, "***".to_owned()));
    assert!(secrets.delete("act key").await.unwrap());
    assert!(!secrets.delete("act key").await.unwrap());
    assert!(secrets.get("act key").await.unwrap().is_none());

    let credentials = store.credentials();
    let password = credentials.issue(&info("plug")).await.unwrap();
    assert_eq!(password.expose().len(), 32);
    assert!(conflict(credentials.issue(&info("plug")).await).contains("revoke it first"));
    credentials.issue(&info("lamp")).await.unwrap();
    let plug = credentials.find("plug").await.unwrap().unwrap();
    assert!(plug.verify(password.expose()) && !plug.verify("") && !plug.verify(&password.expose()[1..]));
    assert_eq!(plug.info, info("plug"));
    assert!(!credentials.find("lamp").await.unwrap().unwrap().verify(password.expose()));
    assert_eq!(credentials.list().await.unwrap(), [info("lamp"), info("plug")]);
    assert!(credentials.revoke("plug").await.unwrap());
    assert!(credentials.find("plug").await.unwrap().is_none());
    assert!(!credentials.revoke("plug").await.unwrap());

    let notices = store.notices();
    assert!(notices.raise("window 11", &notice()).await.unwrap());
    let louder = Notice { kind: "other".into(), ..notice() };
    assert!(!notices.raise("window 11", &louder).await.unwrap());
    assert!(notices.raise("disk", &louder).await.unwrap());
    let open = notices.open().await.unwrap();
    assert_eq!(open[0], OpenNotice { key: "window 11".into(), notice: notice() });
    assert_eq!((open.len(), open[1].key.as_str()), (2, "disk"));
    assert!(notices.clear("window 11").await.unwrap());
    assert!(!notices.clear("window 11").await.unwrap());
    assert_eq!(notices.open().await.unwrap().len(), 1);
}

/// The hub calls these from tasks that move between threads. Checked by the compiler; nothing runs.
#[expect(dead_code, reason = "only has to compile")]
fn every_call_can_be_spawned(house: &'static House, store: &'static Store, act: &'static Act, m: &'static Meter) {
    fn spawnable(_: impl Future + Send + 'static) {}
    spawnable(Store::open(&house.settings, &house.master));
    spawnable(store.history().after(Seq(0), 1));
    spawnable(async { store.history().newest_of(&sample(0).device, "", 1).await });
    spawnable(async { store.history().follow(Seq(0)).next(1).await });
    spawnable(async { store.boots().settle(BootId(id()), Timestamp(0)).await });
    spawnable(async { store.register().swap_meter(m, m, &[]).await });
    spawnable(async { store.register().save_account(&account()).await });
    spawnable(async { store.ledger().append(&[], Some(("x", Seq(1)))).await });
    spawnable(async { store.ledger().decide(1, Verdict::Accepted(None)).await });
    spawnable(async { store.acts().supersede(act, act).await });
    spawnable(async { store.acts().list(ActFilter::default()).await });
    spawnable(async { store.photos().put(&photo()).await });
    spawnable(async { store.secrets().put_if_absent("x", b"y").await });
    spawnable(async { store.credentials().issue(&info("x")).await });
    spawnable(async { store.notices().open().await });
    spawnable(async { store.papers().erase(PersonId(id())).await });
    spawnable(async { store.audit().append(&[]).await });
    spawnable(async { store.audit().before(None, None, None, 1).await });
    spawnable(async { store.audit().verify(|_, _| {}).await });
    spawnable(async { store.keys().rotate(None, |_, _| {}).await });
    spawnable(async { store.keys().verify(|_, _| {}).await });
    spawnable(async { store.keys().status().await });
    spawnable(store.clone().close());
}

#[tokio::test]
async fn tariffs_and_watched_rooms_are_given_back() {
    let house = House::new();
    let store = house.open().await;
    let shelf = store.insight();
    let paper = |n: u8, body: &[u8]| InsightPaper { id: Id([n; 16]), body: zeroize::Zeroizing::new(body.to_vec()) };
    for drawer in InsightDrawer::ALL {
        shelf.put(drawer, &paper(1, b"one")).await.unwrap();
        shelf.put(drawer, &paper(2, b"two")).await.unwrap();
        shelf.put(drawer, &paper(2, b"other")).await.unwrap();
        shelf.remove(drawer, Id([1; 16])).await.unwrap();
        shelf.remove(drawer, Id([9; 16])).await.unwrap();
        assert_eq!(shelf.all(drawer).await.unwrap(), (vec![paper(2, b"other")], 0));
        let long = paper(3, &vec![0; TARIFF_LIMIT + 1]);
        assert!(matches!(shelf.put(drawer, &long).await, Err(StoreError::TooLarge { .. })));
    }
    let mut raw = house.raw().await;
    sqlx::query("UPDATE tariff SET sealed = randomblob(80)").execute(&mut raw).await.unwrap();
    assert_eq!(shelf.all(InsightDrawer::Tariff).await.unwrap(), (vec![], 1), "told and passed over");
}

#[tokio::test]
async fn the_calendar_gives_back_what_it_got() {
    let house = House::new();
    let store = house.open().await;
    let paper = |n: u8| CalendarPaper { id: Id([n; 16]), body: zeroize::Zeroizing::new(vec![n; 10]) };
    let shelf = store.calendar();
    for drawer in CalendarDrawer::ALL {
        shelf.put(drawer, &[paper(1), paper(2)]).await.unwrap();
        shelf
            .put(drawer, &[CalendarPaper { body: zeroize::Zeroizing::new(b"new".to_vec()), ..paper(2) }])
            .await
            .unwrap();
        shelf.remove(&[(drawer, Id([1; 16])), (drawer, Id([9; 16]))]).await.unwrap();
        let (all, damaged) = shelf.all(drawer).await.unwrap();
        assert_eq!((all.len(), damaged), (1, 0));
        assert_eq!(all[0].body.as_slice(), b"new");
    }
    let long = CalendarPaper { body: zeroize::Zeroizing::new(vec![0; EVENT_LIMIT + 1]), ..paper(3) };
    assert!(matches!(
        shelf.put(CalendarDrawer::Event, std::slice::from_ref(&long)).await,
        Err(StoreError::TooLarge { .. })
    ));
    shelf.put(CalendarDrawer::Document, &[long]).await.unwrap();
    let mut raw = house.raw().await;
    sqlx::query("UPDATE calendar_event SET sealed = randomblob(80)").execute(&mut raw).await.unwrap();
    assert_eq!(shelf.all(CalendarDrawer::Event).await.unwrap(), (vec![], 1), "told and passed over");
}

#[tokio::test]
async fn makers_clouds_give_back_what_they_got() {
    let house = House::new();
    let store = house.open().await;
    let shelf = store.clouds();
    let paper = |n: u8, body: &[u8]| CloudPaper { id: Id([n; 16]), body: zeroize::Zeroizing::new(body.to_vec()) };
    for drawer in CloudDrawer::ALL {
        shelf.put(drawer, &[paper(1, b"one"), paper(2, b"two")]).await.unwrap();
        shelf.put(drawer, &[paper(2, b"new")]).await.unwrap();
        shelf.remove(&[(drawer, Id([1; 16])), (drawer, Id([9; 16]))]).await.unwrap();
        assert_eq!(shelf.all(drawer).await.unwrap(), (vec![paper(2, b"new")], 0));
        assert!(!format!("{:?}", paper(2, b"secret")).contains("115, 101"), "no token is printed");
    }
    let long = paper(3, &vec![0; CLOUD_LIMIT + 1]);
    assert!(matches!(shelf.put(CloudDrawer::Link, &[long]).await, Err(StoreError::TooLarge { .. })));
    let mut raw = house.raw().await;
    sqlx::query("UPDATE cloud_link SET sealed = randomblob(80)").execute(&mut raw).await.unwrap();
    assert_eq!(shelf.all(CloudDrawer::Link).await.unwrap(), (vec![], 1), "told and passed over");
}

#[tokio::test]
async fn mappings_and_keys_of_meters_are_given_back_and_forgotten() {
    let house = House::new();
    let store = house.open().await;
    let shelf = store.mappings();
    let body = |text: &str| zeroize::Zeroizing::new(text.as_bytes().to_vec());
    for drawer in MappingDrawer::ALL {
        shelf.put(drawer, &[("a", body("one")), ("b", body("two"))]).await.unwrap();
        shelf.put(drawer, &[("b", body("new"))]).await.unwrap();
        assert!(shelf.remove(drawer, "a").await.unwrap() && !shelf.remove(drawer, "a").await.unwrap());
        let (all, damaged) = shelf.all(drawer).await.unwrap();
        assert_eq!((all.len(), damaged, all[0].as_slice()), (1, 0, b"new".as_slice()));
        let long = zeroize::Zeroizing::new(vec![0; MAPPING_LIMIT + 1]);
        let refused = shelf.put(drawer, &[("c", body("c")), ("d", long)]).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
        assert_eq!(shelf.all(drawer).await.unwrap().0.len(), 1, "all of them or none");
    }
    let mut raw = house.raw().await;
    sqlx::query("UPDATE meter_key SET sealed = randomblob(80)").execute(&mut raw).await.unwrap();
    assert_eq!(shelf.all(MappingDrawer::MeterKey).await.unwrap().1, 1, "told and passed over");
    assert_eq!(shelf.all(MappingDrawer::Mapping).await.unwrap().1, 0);
}

#[tokio::test]
async fn messages_are_listed_newest_first_and_thinned() {
    let house = House::new();
    let store = house.open().await;
    let shelf = store.messages();
    let row = |n: u8| MessageRow { id: Id([n; 16]), at: Timestamp(i64::from(n / 2)), body: vec![n] };
    let rows: Vec<MessageRow> = (0..10).map(row).collect();
    shelf.put(MessageBox::In, &rows, Some(("cursor", "10"))).await.unwrap();
    assert_eq!(shelf.mark("cursor").await.unwrap().as_deref(), Some("10"));
    assert_eq!(shelf.mark("other").await.unwrap(), None);
    let first = shelf.before(MessageBox::In, None, 3).await.unwrap();
    assert_eq!(first, [row(9), row(8), row(7)]);
    let next = shelf.before(MessageBox::In, Some((first[2].at, first[2].id)), 2).await.unwrap();
    assert_eq!(next, [row(6), row(5)]);
    assert_eq!(shelf.thin(4).await.unwrap(), 6);
    assert_eq!(shelf.before(MessageBox::In, None, 100).await.unwrap().len(), 4);
    assert_eq!(shelf.get(MessageBox::In, Id([9; 16])).await.unwrap(), Some(row(9)));
    assert_eq!(shelf.get(MessageBox::Out, Id([9; 16])).await.unwrap(), None);
    shelf.remove(MessageBox::In, Id([9; 16])).await.unwrap();
    assert_eq!(shelf.get(MessageBox::In, Id([9; 16])).await.unwrap(), None);
}

#[tokio::test]
async fn presence_gives_back_what_it_got() {
    let house = House::new();
    let store = house.open().await;
    let shelf = store.presence();
    let paper = |n: u8, body: &[u8]| PresencePaper { id: Id([n; 16]), body: zeroize::Zeroizing::new(body.to_vec()) };
    for drawer in PresenceDrawer::ALL {
        for n in [1, 2] {
            shelf.put(drawer, &paper(n, b"old")).await.unwrap();
        }
        shelf.put(drawer, &paper(2, b"new")).await.unwrap();
        shelf.remove(&[(drawer, Id([1; 16])), (drawer, Id([9; 16]))]).await.unwrap();
        assert_eq!(shelf.all(drawer).await.unwrap(), (vec![paper(2, b"new")], 0));
    }
    let long = paper(3, &vec![0; PRESENCE_LIMIT + 1]);
    assert!(matches!(shelf.put(PresenceDrawer::Person, &long).await, Err(StoreError::TooLarge { .. })));
    let mut raw = house.raw().await;
    sqlx::query("UPDATE presence SET sealed = randomblob(80)").execute(&mut raw).await.unwrap();
    assert_eq!(shelf.all(PresenceDrawer::Person).await.unwrap(), (vec![], 1), "told and passed over");
    assert_ne!(shelf.id_of(b"a"), shelf.id_of(b"b"));
}

#[tokio::test]
async fn scenarios_give_back_what_they_got_in_one_step() {
    let house = House::new();
    let store = house.open().await;
    let body = |text: &str| zeroize::Zeroizing::new(text.as_bytes().to_vec());
    let shelf = store.scenarios();
    let (one, two) = (Id([1; 16]), Id([2; 16]));
    let trace =
        |n: u8, scenario, at| ScenarioTrace { id: Id([n; 16]), scenario, at: Timestamp(at), body: body("trace") };
    let batch = ScenarioBatch {
        put: vec![
            (ScenarioDrawer::Scenario, one, body("a scenario")),
            (ScenarioDrawer::Mark, one, body("a mark")),
            (ScenarioDrawer::Run, two, body("a run")),
        ],
        remove: vec![],
        traces: (10..20).map(|n| trace(n, one, i64::from(n))).chain([trace(30, two, 5)]).collect(),
    };
    shelf.commit(&batch).await.unwrap();
    shelf.commit(&ScenarioBatch::default()).await.unwrap();
    let over = ScenarioBatch {
        put: vec![(ScenarioDrawer::Mark, one, body("another mark"))],
        remove: vec![(ScenarioDrawer::Run, two)],
        traces: vec![],
    };
    shelf.commit(&over).await.unwrap();
    assert_eq!(shelf.all(ScenarioDrawer::Run).await.unwrap(), (vec![], 0));
    assert_eq!(shelf.all(ScenarioDrawer::Mark).await.unwrap(), (vec![(one, body("another mark"))], 0));
    let newest: Vec<i64> = shelf.traces(Some(one), 3).await.unwrap().iter().map(|trace| trace.at.0).collect();
    assert_eq!(newest, [19, 18, 17]);
    assert_eq!(shelf.traces(None, 100).await.unwrap().len(), 11);
    assert_eq!(shelf.trace(Id([30; 16])).await.unwrap(), Some(trace(30, two, 5)));
    assert_eq!(shelf.thin(Timestamp(12), 4).await.unwrap(), 7, "older than this, and all but four of each");
    assert_eq!(shelf.traces(None, 100).await.unwrap().len(), 4);
    let mut raw = house.raw().await;
    sqlx::query("UPDATE scenario_trace SET scenario = zeroblob(16) WHERE at = 19").execute(&mut raw).await.unwrap();
    assert_eq!(shelf.traces(None, 100).await.unwrap().len(), 3, "one that is passed off as another's does not open");
    let long = ScenarioBatch {
        put: vec![(ScenarioDrawer::Run, two, zeroize::Zeroizing::new(vec![0; SCENARIO_LIMIT + 1]))],
        ..ScenarioBatch::default()
    };
    assert!(matches!(shelf.commit(&long).await, Err(StoreError::TooLarge { .. })));
    assert_ne!(shelf.id_of("a"), shelf.id_of("b"));
    shelf.forget(one, &[two]).await.unwrap();
    assert_eq!(shelf.all(ScenarioDrawer::Scenario).await.unwrap(), (vec![], 0));
    assert!(shelf.traces(None, 100).await.unwrap().is_empty());
}
