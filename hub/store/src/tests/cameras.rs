//! Tests of cameras, of the keys of their days, and of the books about what was recorded.

use std::collections::BTreeMap;

use domovoi_vault::Secret;
use proptest::prelude::*;
use sqlx::Row;

use super::*;

pub(super) fn camera() -> CameraCard {
    CameraCard {
        id: id(),
        name: "Калитка".into(),
        room: Some(id()),
        kind: "onvif".into(),
        tls: true,
        host: "camera.lan".into(),
        port: 322,
        main_path: "/ch1/main?pass=camera-secret".into(),
        sub_path: Some("/ch1/sub".into()),
        login: Some("admin".into()),
        password: Some(Secret::new("camera-secret".into())),
        transport: "tcp".into(),
        trust: StreamTrust::Authority { pem: "-----BEGIN".into(), names_checked: false },
        quirks: vec!["start_times_ignored".into()],
        sound: true,
        recorded: "main".into(),
        place: Some("garage-nas".into()),
        plan: RecordingPlan { mode: "week".into(), spans: vec![PlanSpan { days: 0b110_0000, from: 1320, to: 360 }] },
        starts: vec!["water_leak".into()],
        pre_roll_secs: 10,
        post_roll_secs: 30,
        quota_bytes: Some(50 << 30),
        keep_days: Some(30),
        enabled: true,
        mac: Some([2, 0, 0, 0, 0, 9]),
        host_name: Some("ipc-77".into()),
        onvif: Some("http://camera.lan/onvif/device_service".into()),
        onvif_id: Some("urn:uuid:1".into()),
        made: Some("Maker Model 1.0".into()),
        found_at: Some(Moment::Wall(Timestamp(5))),
        added_at: Moment::Wall(Timestamp(4)),
    }
}

fn day(n: u8) -> Date {
    Date::new(2026, 11, n).unwrap()
}

fn start(camera: Id, key: u64, started: i64) -> SegmentStart {
    SegmentStart {
        id: new_segment_id(Timestamp(started)).unwrap(),
        camera,
        key,
        day: day(22),
        started: Timestamp(started),
        place: SegmentPlace::Local,
        store: "garage-nas".into(),
        run: "h265 2560x1440".into(),
    }
}

fn finished(started: i64, previous: Option<ChainTag>) -> Finished {
    Finished {
        ended: Timestamp(started + 120_000),
        bytes: 1000,
        state: SegmentState::Done,
        tag: Some(id().0),
        previous,
        records: 60,
        frames: 1800,
        reason: "run_ended".into(),
        trouble: String::new(),
    }
}

/// A segment of two minutes, whole.
pub(super) async fn record(store: &Store, camera: Id, started: i64, previous: Option<ChainTag>) -> (Id, ChainTag) {
    let key = store.cameras().day_key(camera, day(22)).await.unwrap();
    let start = start(camera, key.id, started);
    store.segments().begin(&start).await.unwrap();
    let finished = finished(started, previous);
    assert!(store.segments().finish(start.id, &finished).await.unwrap());
    (start.id, finished.tag.unwrap())
}

/// So many in a row, each following the one before it.
async fn film(store: &Store, camera: Id, from: i64, count: i64) -> Vec<Id> {
    let mut ids = Vec::new();
    for n in 0..count {
        let previous = store.segments().last_of(camera).await.unwrap();
        ids.push(record(store, camera, from + n * 120_000, previous).await.0);
    }
    ids
}

#[tokio::test]
async fn a_camera_is_given_back_as_it_came_and_shows_no_password() {
    let house = House::new();
    let store = house.open().await;
    let (one, two) = (camera(), CameraCard { trust: StreamTrust::Pinned([7; 32]), password: None, ..camera() });
    for card in [&one, &two] {
        store.cameras().put(card).await.unwrap();
    }
    let renamed = CameraCard { name: "Ворота".into(), ..one.clone() };
    store.cameras().put(&renamed).await.unwrap();
    drop(store);
    let store = house.open().await;
    let back = store.cameras().card(one.id).await.unwrap().unwrap();
    assert_eq!((back.name.as_str(), &back.main_path, &back.plan), ("Ворота", &one.main_path, &one.plan));
    assert_eq!((back.trust, back.mac, back.quota_bytes), (one.trust.clone(), one.mac, one.quota_bytes));
    assert_eq!(back.password.as_ref().map(Secret::expose).map(String::as_str), Some("camera-secret"));
    assert!(!format!("{one:?}").contains("camera-secret"), "{one:?}");
    assert_eq!(store.cameras().cards().await.unwrap().len(), 2);
    let huge = StreamTrust::Authority { pem: "x".repeat(CAMERA_LIMIT), names_checked: true };
    let huge = store.cameras().put(&CameraCard { trust: huge, ..one.clone() }).await;
    assert!(matches!(huge, Err(StoreError::TooLarge { .. })));
    // One that does not open is not in the way of the other.
    let mut raw = house.raw().await;
    let broken = sqlx::query("UPDATE camera SET sealed = zeroblob(80) WHERE id = ?1").bind(one.id.0.to_vec());
    broken.execute(&mut raw).await.unwrap();
    assert_eq!(store.cameras().cards().await.unwrap().iter().map(|card| card.id).collect::<Vec<_>>(), [two.id]);
}

/// Whether a piece of these bytes is in any file of the folder.
fn traces(folder: &Path, blob: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        blob[5..].chunks_exact(16).any(|piece| bytes.windows(16).any(|window| window == piece))
    })
}

#[tokio::test]
async fn a_destroyed_day_is_gone_from_the_raw_files_and_no_other() {
    let house = House::new();
    let store = house.open().await;
    let cameras = store.cameras();
    let (gate, yard) = (id(), id());
    let mut keys = Vec::new();
    for n in 1..=28 {
        for camera in [gate, yard] {
            let key = cameras.day_key(camera, day(n)).await.unwrap();
            assert_eq!(cameras.day_key(camera, day(n)).await.unwrap().id, key.id, "made once");
            keys.push(key);
        }
    }
    let sealed = |id: u64| {
        let path = house.path().join("domovoi.db");
        async move {
            let row = sqlx::query("SELECT sealed FROM camera_day WHERE id = ?1").bind(id as i64);
            row.fetch_one(&mut raw(path).await).await.unwrap().get::<Vec<u8>, _>(0)
        }
    };
    let (gone, kept) = (sealed(keys[26].id).await, sealed(keys[27].id).await);
    assert_eq!((keys[26].camera, keys[26].day, keys[27].camera), (gate, day(14), yard));
    assert!(traces(house.path(), &gone) && traces(house.path(), &kept), "the search finds what is there");

    assert_eq!(cameras.destroy_day(gate, day(14)).await.unwrap(), 1);
    assert!(!traces(house.path(), &gone), "in the database file or its log");
    assert!(traces(house.path(), &kept));
    assert!(cameras.key(keys[26].id).await.unwrap().is_none());
    let same = |one: &CameraDay, other: &CameraDay| {
        // A key shows itself by what it seals.
        let seal = |day: &CameraDay| {
            let mut sealed = b"frame".to_vec();
            let key = domovoi_vault::RecordKey::derive(&day.key, &[1; 32], b"heading");
            key.seal(0, false, b"", &mut sealed, 0).unwrap();
            sealed
        };
        seal(one) == seal(other)
    };
    for (n, key) in keys.iter().enumerate().filter(|(n, _)| *n != 26) {
        let known = cameras.key(key.id).await.unwrap();
        assert!(same(&known.unwrap(), key), "{n}");
    }
    let anew = cameras.day_key(gate, day(14)).await.unwrap();
    assert!(anew.id != keys[26].id && !same(&anew, &keys[26]), "what is recorded on that day now has another key");

    assert_eq!(cameras.destroy_days(gate, day(20)).await.unwrap(), 19);
    assert_eq!(cameras.destroy_days(gate, day(20)).await.unwrap(), 0);
    let left: Vec<Date> = cameras.days(gate).await.unwrap().into_iter().map(|(day, _)| day).collect();
    assert_eq!(left, (20..=28).map(day).collect::<Vec<_>>());
    assert_eq!(cameras.days(yard).await.unwrap().len(), 28);
    store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert!(same(&cameras.day_key(yard, day(3)).await.unwrap(), &keys[5]), "the same key under a new data key");
}

#[tokio::test]
async fn a_forgotten_camera_leaves_no_password_and_no_key() {
    let house = House::new();
    let store = house.open().await;
    let (gate, yard) = (camera(), camera());
    for card in [&gate, &yard] {
        store.cameras().put(card).await.unwrap();
        film(&store, card.id, 1_795_300_000_000, 5).await;
    }
    let open = start(gate.id, 1, 1_795_300_900_000);
    store.segments().begin(&open).await.unwrap();
    let row = sqlx::query("SELECT sealed FROM camera WHERE id = ?1").bind(gate.id.0.to_vec());
    let sealed: Vec<u8> = row.fetch_one(&mut house.raw().await).await.unwrap().get(0);
    assert!(traces(house.path(), &sealed));
    store.cameras().forget(gate.id).await.unwrap();
    assert!(!traces(house.path(), &sealed));
    assert_eq!(store.cameras().days(gate.id).await.unwrap(), []);
    assert_eq!(store.segments().discard(gate.id, 4).await.unwrap(), 4);
    assert_eq!(store.segments().discard(gate.id, 4).await.unwrap(), 2);
    assert!(!store.segments().finish(open.id, &finished(0, None)).await.unwrap(), "it is to be deleted");
    assert_eq!(store.segments().discard(gate.id, 4).await.unwrap(), 0);
    let garbage = store.segments().garbage(100).await.unwrap().segments;
    assert_eq!(garbage.len(), 6);
    assert_eq!(store.segments().totals().await.unwrap().len(), 1);
    assert_eq!(store.segments().bytes_of(yard.id).await.unwrap().local, Amount { segments: 5, bytes: 5000 });
}

#[tokio::test]
async fn a_segment_lives_by_the_recipe() {
    let house = House::new();
    let store = house.open().await;
    let segments = store.segments();
    let camera = id();
    let first = start(camera, 7, 1000);
    segments.begin(&first).await.unwrap();
    assert!(matches!(segments.begin(&first).await, Err(StoreError::Conflict { .. })));
    segments.grew(first.id, 400).await.unwrap();
    assert_eq!(segments.bytes_of(camera).await.unwrap().local, Amount { segments: 1, bytes: 400 });
    assert_eq!(segments.oldest(camera, None, 9).await.unwrap(), [], "never an open one");
    assert!(!segments.mark(first.id, SegmentState::Missing, "").await.unwrap());

    drop((segments, store));
    let store = house.open().await;
    let segments = store.segments();
    let open = segments.open_ones().await.unwrap().segments;
    assert_eq!((open[0].id, open[0].key, open[0].run.as_str()), (first.id, 7, "h265 2560x1440"));
    let end = finished(1000, None);
    assert!(segments.finish(first.id, &end).await.unwrap());
    assert!(segments.finish(first.id, &end).await.unwrap(), "twice is once");
    let other = segments.finish(first.id, &Finished { tag: None, ..end.clone() }).await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })));
    assert!(!segments.finish(id(), &end).await.unwrap());
    let done = segments.get(first.id).await.unwrap().unwrap();
    assert_eq!((done.frames, done.reason.as_str(), done.bytes), (1800, "run_ended", 1000));
    assert_eq!((done.chained.tag, segments.last_of(camera).await.unwrap()), (end.tag, end.tag));

    assert!(segments.mark(first.id, SegmentState::Damaged, "truncated").await.unwrap());
    assert_eq!(segments.bytes_of(camera).await.unwrap().local.bytes, 1000, "it takes up room all the same");
    assert!(segments.mark(first.id, SegmentState::Missing, "missing").await.unwrap());
    assert_eq!(segments.bytes_of(camera).await.unwrap().local, Amount::default());
    assert!(segments.mark(first.id, SegmentState::Done, "").await.unwrap());
    assert!(segments.mark(first.id, SegmentState::Garbage, "").await.is_err());

    assert!(segments.moved(first.id, SegmentPlace::Spool, "garage-nas").await.unwrap());
    assert_eq!(segments.to_send(9).await.unwrap().segments[0].store, "garage-nas");
    assert!(segments.moved(first.id, SegmentPlace::Remote, "garage-nas").await.unwrap());
    assert_eq!(segments.to_send(9).await.unwrap().segments, []);
    let totals = segments.bytes_of(camera).await.unwrap();
    assert_eq!((totals.here(), totals.bytes()), (0, 1000));
    assert_eq!(segments.oldest(camera, Some(SegmentPlace::Local), 9).await.unwrap(), []);

    assert_eq!(segments.redate(&[first.id], 5_000_000).await.unwrap(), 1);
    let dated = segments.get(first.id).await.unwrap().unwrap();
    assert_eq!((dated.started.0, dated.ended.unwrap().0, dated.day), (5_001_000, 5_121_000, day(22)));

    assert_eq!(segments.gone(&[first.id]).await.unwrap(), 0, "its file is not deleted yet");
    assert_eq!(segments.to_garbage(&[first.id, first.id, id()]).await.unwrap(), 1);
    assert_eq!(segments.garbage(9).await.unwrap().segments[0].id, first.id);
    assert_eq!(segments.bytes_of(camera).await.unwrap().remote, Amount::default());
    assert_eq!(segments.gone(&[first.id]).await.unwrap(), 1);
    assert!(segments.get(first.id).await.unwrap().is_none() && segments.known(&[first.id]).await.unwrap().is_empty());
    let removed = segments.bytes_of(camera).await.unwrap().removed.unwrap();
    assert_eq!((removed.tag, removed.started.0), (end.tag.unwrap(), 5_001_000));

    let found = start(camera, 7, 9_000_000);
    segments.adopt(&found, &finished(9_000_000, end.tag)).await.unwrap();
    assert_eq!(segments.known(&[found.id]).await.unwrap()[0].bytes, 1000);
    assert_eq!(segments.broken_links(camera).await.unwrap(), []);
    let many = vec![found.id; LOOK_LIMIT as usize + 1];
    assert!(matches!(segments.to_garbage(&many).await, Err(StoreError::TooLarge { .. })));
}

#[tokio::test]
async fn a_span_is_listed_with_what_reaches_into_it() {
    let house = House::new();
    let store = house.open().await;
    let (camera, other) = (id(), id());
    let ids = film(&store, camera, 0, 20).await;
    film(&store, other, 0, 3).await;
    let segments = store.segments();
    let list = async |from: i64, to: i64| {
        let looked = segments.list(camera, Timestamp(from), Timestamp(to), None, 100).await.unwrap();
        looked.segments.iter().map(|segment| segment.id).collect::<Vec<_>>()
    };
    assert_eq!(list(0, 2_400_000).await, ids);
    assert_eq!(list(130_000, 240_001).await, ids[1..3], "one that began before, one that has just begun");
    assert_eq!(list(240_000, 360_000).await, ids[2..3], "the one before ended exactly there");
    assert_eq!(list(5_000_000, 9_000_000).await, []);
    segments.to_garbage(&ids[4..6]).await.unwrap();
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let looked = segments.list(camera, Timestamp(0), Timestamp(i64::MAX), after, 7).await.unwrap();
        paged.extend(looked.segments.iter().map(|segment| segment.id));
        after = looked.next;
        if after.is_none() {
            break;
        }
    }
    let left: Vec<Id> = ids.iter().copied().filter(|id| !ids[4..6].contains(id)).collect();
    assert_eq!(paged, left);
    let oldest = segments.oldest(camera, None, 3).await.unwrap();
    assert_eq!(oldest.iter().map(|brief| brief.id).collect::<Vec<_>>(), ids[..3]);
    let newest = segments.newest(camera, 2).await.unwrap().segments;
    assert_eq!(newest.iter().map(|segment| segment.id).collect::<Vec<_>>(), [ids[19], ids[18]]);
    for n in [20, 21, 23] {
        store.cameras().day_key(camera, day(n)).await.unwrap();
    }
    assert_eq!(segments.idle_days(camera, day(23)).await.unwrap(), [day(20), day(21)]);
    segments.to_garbage(&ids).await.unwrap();
    assert_eq!(segments.idle_days(camera, day(23)).await.unwrap(), [day(20), day(21), day(22)]);
}

#[tokio::test]
async fn what_somebody_else_removed_is_missed_and_what_the_house_deleted_is_not() {
    let house = House::new();
    let store = house.open().await;
    let segments = store.segments();
    let camera = id();
    let ids = film(&store, camera, 0, 30).await;
    // Retention from the front, a person in the middle, neighbours in either order, and the newest.
    for ids in [&ids[..3], &ids[10..11], &ids[12..13], &ids[11..12], &ids[28..]] {
        segments.to_garbage(ids).await.unwrap();
        assert_eq!(segments.broken_links(camera).await.unwrap(), []);
        segments.gone(ids).await.unwrap();
        assert_eq!(segments.broken_links(camera).await.unwrap(), []);
    }
    let ids = [&ids[..28], &film(&store, camera, 3_600_000, 3).await].concat();
    assert_eq!(segments.broken_links(camera).await.unwrap(), [], "what follows a newest one that was deleted");

    let mut raw = house.raw().await;
    let delete = "DELETE FROM segment WHERE id = ?1";
    sqlx::query(delete).bind(ids[20].0.to_vec()).execute(&mut raw).await.unwrap();
    let broken = segments.broken_links(camera).await.unwrap();
    assert!(matches!(broken[..], [BrokenLink::Before { segment, .. }] if segment == ids[21]), "{broken:?}");
    sqlx::query(delete).bind(ids[3].0.to_vec()).execute(&mut raw).await.unwrap();
    assert_eq!(segments.broken_links(camera).await.unwrap().len(), 2, "the oldest, which looks like retention");
    sqlx::query(delete).bind(ids[30].0.to_vec()).execute(&mut raw).await.unwrap();
    let broken = segments.broken_links(camera).await.unwrap();
    assert_eq!((broken.len(), broken[2]), (3, BrokenLink::Newest));
    assert!(!segments.bytes_of(camera).await.unwrap().mended);
    assert!(segments.recount(camera).await.unwrap() && !segments.recount(camera).await.unwrap());
    sqlx::query("DELETE FROM camera_mark").execute(&mut raw).await.unwrap();
    let totals = segments.bytes_of(camera).await.unwrap();
    assert!(totals.mended && totals.local.segments == 22, "{totals:?}");
}

#[tokio::test]
async fn a_clock_that_was_set_back_breaks_no_chain() {
    let house = House::new();
    let store = house.open().await;
    let camera = id();
    let late = film(&store, camera, 90_000_000, 70).await;
    film(&store, camera, 0, 70).await;
    assert_eq!(store.segments().broken_links(camera).await.unwrap(), []);
    store.segments().to_garbage(&late[..69]).await.unwrap();
    assert_eq!(store.segments().broken_links(camera).await.unwrap(), []);
}

#[tokio::test]
async fn a_row_that_only_says_it_is_garbage_deletes_nothing() {
    let house = House::new();
    let store = house.open().await;
    let segments = store.segments();
    let camera = id();
    let ids = film(&store, camera, 0, 4).await;
    let mut raw = house.raw().await;
    let forged = "UPDATE segment SET state = 2 WHERE id = ?1";
    sqlx::query(forged).bind(ids[0].0.to_vec()).execute(&mut raw).await.unwrap();
    let garbage = segments.garbage(9).await.unwrap();
    assert_eq!((garbage.segments.len(), garbage.damaged[0].id), (0, ids[0]));
    assert_eq!(segments.gone(&ids[..1]).await.unwrap(), 0);
    // What does not open takes up room, and can be deleted.
    let broken = "UPDATE segment SET sealed = zeroblob(99), state = 1 WHERE id = ?1";
    sqlx::query(broken).bind(ids[1].0.to_vec()).execute(&mut raw).await.unwrap();
    sqlx::query("UPDATE segment SET state = 77 WHERE id = ?1").bind(ids[2].0.to_vec()).execute(&mut raw).await.unwrap();
    let oldest: Vec<Id> = segments.oldest(camera, None, 9).await.unwrap().iter().map(|brief| brief.id).collect();
    assert_eq!(oldest, ids[1..]);
    let looked = segments.list(camera, Timestamp(0), Timestamp(i64::MAX), None, 9).await.unwrap();
    assert_eq!((looked.segments.len(), looked.damaged.len()), (1, 2));
    assert_eq!(segments.to_garbage(&ids).await.unwrap(), 4);
    assert_eq!(segments.gone(&ids).await.unwrap(), 4);
    assert_eq!(segments.oldest(camera, None, 9).await.unwrap(), []);
}

#[derive(Debug, Clone)]
enum Deed {
    Begin(u8),
    Finish(u8, u16, bool),
    Grew(u8, u16),
    Mark(u8, u8),
    Move(u8, u8),
    Throw(u8, u8),
    Gone,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        any::<u8>().prop_map(Deed::Begin),
        any::<(u8, u16, bool)>().prop_map(|(n, bytes, tagged)| Deed::Finish(n, bytes, tagged)),
        any::<(u8, u16)>().prop_map(|(n, bytes)| Deed::Grew(n, bytes)),
        any::<(u8, u8)>().prop_map(|(n, to)| Deed::Mark(n, to)),
        any::<(u8, u8)>().prop_map(|(n, to)| Deed::Move(n, to)),
        any::<(u8, u8)>().prop_map(|(n, count)| Deed::Throw(n, count)),
        Just(Deed::Gone),
    ];
    prop::collection::vec(deed, 1..60)
}

/// Whatever is done in whatever order, the totals are what the rows come to, and no link breaks.
async fn totals_hold(deeds: Vec<Deed>) {
    let house = House::new();
    let store = house.open().await;
    let segments = store.segments();
    let cameras = [id(), id()];
    let mut ids: Vec<(Id, Id)> = Vec::new();
    let pick = |ids: &[(Id, Id)], n: u8| (!ids.is_empty()).then(|| ids[usize::from(n) % ids.len()]);
    for (at, deed) in (0i64..).zip(deeds) {
        match deed {
            Deed::Begin(n) => {
                let camera = cameras[usize::from(n % 2)];
                let start = start(camera, 1, at * 1000);
                segments.begin(&start).await.unwrap();
                ids.push((camera, start.id));
            }
            Deed::Finish(n, bytes, tagged) => {
                let Some((camera, id)) = pick(&ids, n) else { continue };
                let previous = segments.last_of(camera).await.unwrap();
                let end = Finished { bytes: bytes.into(), ..finished(at, previous) };
                let untagged = Finished { tag: None, state: SegmentState::Damaged, ..end.clone() };
                let _ = segments.finish(id, if tagged { &end } else { &untagged }).await;
            }
            Deed::Grew(n, bytes) => {
                let Some((_, id)) = pick(&ids, n) else { continue };
                segments.grew(id, bytes.into()).await.unwrap();
            }
            Deed::Mark(n, to) => {
                let Some((_, id)) = pick(&ids, n) else { continue };
                let state = [SegmentState::Done, SegmentState::Damaged, SegmentState::Missing][usize::from(to) % 3];
                segments.mark(id, state, "x").await.unwrap();
            }
            Deed::Move(n, to) => {
                let Some((_, id)) = pick(&ids, n) else { continue };
                let place = [SegmentPlace::Local, SegmentPlace::Spool, SegmentPlace::Remote][usize::from(to) % 3];
                segments.moved(id, place, "nas").await.unwrap();
            }
            Deed::Throw(n, count) => {
                let from = usize::from(n) % (ids.len() + 1);
                let some: Vec<Id> = ids[from..].iter().take(usize::from(count % 4)).map(|(_, id)| *id).collect();
                segments.to_garbage(&some).await.unwrap();
            }
            Deed::Gone => {
                let garbage = segments.garbage(100).await.unwrap().segments;
                let gone: Vec<Id> = garbage.iter().map(|segment| segment.id).collect();
                assert_eq!(segments.gone(&gone).await.unwrap(), gone.len());
            }
        }
    }
    for camera in cameras {
        let all = segments.list(camera, Timestamp(i64::MIN), Timestamp(i64::MAX), None, 999).await.unwrap().segments;
        let mut sums: BTreeMap<u8, Amount> = BTreeMap::new();
        for segment in all.iter().filter(|segment| segment.state.counts()) {
            let sum = sums.entry(segment.place as u8).or_default();
            *sum = Amount { segments: sum.segments + 1, bytes: sum.bytes + segment.bytes };
        }
        let totals = segments.bytes_of(camera).await.unwrap();
        let of = |place: SegmentPlace| sums.get(&(place as u8)).copied().unwrap_or_default();
        assert_eq!(totals.local, of(SegmentPlace::Local));
        assert_eq!(totals.spool, of(SegmentPlace::Spool));
        assert_eq!(totals.remote, of(SegmentPlace::Remote));
        assert!(!segments.recount(camera).await.unwrap());
        assert_eq!(segments.broken_links(camera).await.unwrap(), [], "{all:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_totals_are_what_the_rows_come_to(deeds in deeds()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(totals_hold(deeds));
    }
}
