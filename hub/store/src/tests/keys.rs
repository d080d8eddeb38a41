//! Tests of rotation, interrupted and resumed, and of verification.

use domovoi_vault::{Replacement, key_id_of};
use sqlx::Row;

use super::*;
use crate::db::insert_wrap;

const DAY_MILLIS: i64 = 86_400_000;

async fn busy_house() -> (House, Store) {
    let house = House::new();
    let store = house.open().await;
    let (_, meters) = furnish(&store).await;
    for n in 0..60 {
        store.history().record(vec![sample(n)], Urgency::Now).await.unwrap();
    }
    let entries: Vec<LedgerEntry> =
        (0..250).map(|n| entry(reading(&meters[0], "5", 1000 + n, Verdict::Accepted(None)), 1000 + n as u64)).collect();
    store.ledger().append(&entries, None).await.unwrap();
    (house, store)
}

async fn assert_whole(store: &Store) {
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
    assert_eq!(store.history().after(Seq(0), 1000).await.unwrap().len(), 62);
    let device = DeviceRef::new("wmbusmeters", "SERIAL-1");
    let (from, to) = (Timestamp(0), Timestamp(DAY_MILLIS));
    let stretch = store.history().range(&device, "total_m3", from, to, 10).await.unwrap();
    assert_eq!((stretch.points.len(), stretch.troubles), (1, vec![]), "in a block");
    let rolled = store.history().rolled(&device, "total_m3", Level::Hour, from, to).await.unwrap();
    assert_eq!((rolled.buckets.len(), rolled.troubles), (1, vec![]));
    let accounts = store.register().accounts().await.unwrap();
    assert_eq!(accounts.len(), 2);
    let meters = store.register().meters().await.unwrap();
    let rows = store.ledger().readings(meters[0].point, Timestamp(0), Timestamp(9999), 1000, false).await.unwrap();
    assert_eq!(rows.len(), 251);
    assert_eq!(store.secrets().get("portal token 1").await.unwrap().unwrap().expose(), b"TOKEN-abc123");
    assert!(store.credentials().find("kitchen-plug-1").await.unwrap().is_some());
}

#[tokio::test]
async fn rotation_seals_everything_anew_and_forgets_the_old_key() {
    let (house, store) = busy_house().await;
    let before = store.keys().status().await.unwrap();
    let rows: u64 = before.keys.iter().map(|key| key.rows).sum();
    assert_eq!(before.keys.len(), 1);
    assert_eq!(before.master_id, house.master.id());
    let mut told = Vec::new();
    let rotation = store.keys().rotate(Some(Timestamp(77)), |done, total| told.push((done, total))).await.unwrap();
    assert_eq!((rotation.current, rotation.resealed, rotation.retired), (2, rows, vec![1]));
    assert_eq!(told.first(), Some(&(0, rows)));
    assert_eq!(told.last(), Some(&(rows, rows)));
    let after = store.keys().status().await.unwrap();
    assert_eq!(after.keys.len(), 1);
    assert_eq!((after.keys[0].key_id, after.keys[0].rows), (2, rows));
    assert_eq!(after.keys[0].created_at, Some(Timestamp(77)));
    assert!(!after.rotation_unfinished && !after.rotation_due);
    assert_whole(&store).await;
    drop(store);
    let store = house.open().await;
    assert_whole(&store).await;
    let wraps: i64 = {
        let mut raw = house.raw().await;
        sqlx::query("SELECT count(*) FROM data_key").fetch_one(&mut raw).await.unwrap().get(0)
    };
    assert_eq!(wraps, 2, "the index key and the new data key");
}

#[tokio::test]
async fn a_rotation_that_is_cut_short_at_any_batch_goes_on() {
    let (house, store) = busy_house().await;
    drop(store);
    for cuts in 0.. {
        let settings = house.cut(&format!("before {cuts}"));
        let store = Store::open(&settings, &house.master).await.unwrap();
        let keys = store.keys();
        let mut calls = 0;
        let rotation = tokio::spawn(async move {
            keys.rotate(None, |_, _| {
                calls += 1;
                assert!(calls <= cuts, "the power goes");
            })
            .await
        });
        let finished = rotation.await.is_ok();
        assert!(finished || store.keys().status().await.unwrap().rotation_unfinished);
        store.secrets().put("in between", b"the store works on").await.unwrap();

        let settings = cut(&settings, &house.folder.path().join(format!("after {cuts}")));
        let survivor = Store::open(&settings, &house.master).await.unwrap();
        assert_whole(&survivor).await;
        if finished {
            assert!(cuts >= 15, "every table and the second batches: {cuts}");
            return;
        }
        let rotation = survivor.keys().rotate(None, |_, _| {}).await.unwrap();
        assert_eq!((rotation.current, rotation.retired), (2, vec![1]), "it goes on and begins no other");
        assert_whole(&survivor).await;
        assert!(!survivor.keys().status().await.unwrap().rotation_unfinished);
    }
}

#[tokio::test]
async fn a_key_that_was_written_and_not_taken_into_use_is_taken_up() {
    let (house, store) = busy_house().await;
    let pending = store.db.vault.prepare_rotation(&house.master).unwrap();
    let mut tx = store.db.begin().await.unwrap();
    insert_wrap(tx.conn(), pending.wrapped(), None).await.unwrap();
    tx.commit().await.unwrap();
    drop(pending);
    let rotation = store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert_eq!((rotation.current, rotation.retired), (2, vec![1]));
    drop(store);
    assert_whole(&house.open().await).await;
}

#[tokio::test]
async fn rotation_and_life_go_on_together() {
    let (_house, store) = busy_house().await;
    let history = store.history().clone();
    let life = tokio::spawn(async move {
        for n in 0..200 {
            history.record(vec![sample(n)], Urgency::Now).await.unwrap();
            history.newest_of(&DeviceRef::new("a", "b"), "c", 40).await.unwrap();
        }
    });
    for _ in 0..5 {
        let rotation = store.keys().rotate(None, |_, _| {}).await.unwrap();
        assert_eq!((rotation.damaged, rotation.retired.len()), (vec![], 1));
    }
    life.await.unwrap();
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
    assert_eq!(store.keys().status().await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn an_abandoned_rotation_harms_nothing() {
    let (_house, store) = busy_house().await;
    for n in 0..25 {
        let keys = store.keys();
        let _ = tokio::time::timeout(Duration::from_micros(n * 700), keys.rotate(None, |_, _| {})).await;
    }
    assert_whole(&store).await;
    store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert_eq!(store.keys().status().await.unwrap().keys.len(), 1);
    assert_whole(&store).await;
}

#[tokio::test]
async fn a_damaged_row_is_named_and_stops_nothing() {
    let (house, store) = busy_house().await;
    let mut raw = house.raw().await;
    sqlx::query(
        "UPDATE ledger SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) || x'00' AS BLOB) WHERE id = 17",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    let damaged = store.keys().verify(|_, _| {}).await.unwrap();
    let [damage] = &damaged[..] else { panic!("{damaged:?}") };
    assert_eq!((damage.table, damage.row.as_str()), ("ledger", "17"));

    let rotation = store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert_eq!((rotation.damaged.len(), rotation.retired.len()), (1, 0), "the key that the row names is kept");
    let status = store.keys().status().await.unwrap();
    assert_eq!(status.keys.iter().map(|key| (key.key_id, key.rows == 1)).collect::<Vec<_>>(), [(1, true), (2, false)]);
    assert!(!status.rotation_unfinished);
    let rotation = store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert_eq!((rotation.current, rotation.retired), (3, vec![2]), "the next rotation is a new one");
}

/// A store whose master lies in a file beside it.
async fn keyed_house() -> (House, PathBuf) {
    let mut house = House::new();
    std::fs::create_dir(house.path()).unwrap();
    let path = house.path().join("master.key");
    house.master = MasterKey::create_file(&path).unwrap();
    furnish(&house.open().await).await;
    (house, path)
}

async fn opens(settings: &Settings) -> bool {
    let master = MasterKey::from_file(&settings.data_dir.join("master.key")).unwrap();
    let Ok(store) = Store::open(settings, &master).await else { return false };
    store.keys().verify(|_, _| {}).await.unwrap().is_empty() && store.register().accounts().await.unwrap().len() == 2
}

#[tokio::test]
async fn the_master_is_replaced_and_the_old_one_opens_nothing() {
    let (house, path) = keyed_house().await;
    let store = house.open().await;
    let created = store.keys().rotate(Some(Timestamp(5)), |_, _| {}).await.unwrap().current;
    let id = store.keys().rotate_master(Replacement::begin_file(&path).unwrap()).await.unwrap();
    assert_eq!(MasterKey::from_file(&path).unwrap().id(), id);
    let status = store.keys().status().await.unwrap();
    assert_eq!((status.master_id, status.keys[0].created_at), (id, Some(Timestamp(5))));
    // The new master wraps what is made from now on.
    assert_eq!(store.keys().rotate(None, |_, _| {}).await.unwrap().current, created + 1);
    drop(store);
    assert!(Store::open(&house.settings, &house.master).await.is_err());
    assert!(opens(&house.settings).await);
}

#[tokio::test]
async fn a_replacement_of_the_master_that_is_cut_short_leaves_a_store_that_opens() {
    let (house, path) = keyed_house().await;
    let store = house.open().await;
    let next = house.path().join("master.key.next");

    let replacement = Replacement::begin_file(&path).unwrap();
    assert!(next.exists() && opens(&house.cut("after 1")).await);
    store.keys().add_wraps(&replacement).await.unwrap();
    let after_2 = house.cut("after 2");
    assert!(opens(&after_2).await);
    assert!(matches!(store.keys().rotate(None, |_, _| {}).await, Err(StoreError::Conflict { .. })));
    replacement.finish().unwrap();
    let after_3 = house.cut("after 3");
    assert!(opens(&after_3).await);
    assert!(Store::open(&after_3, &house.master).await.is_err(), "the first start deletes the old wraps");

    // Cut after 2 and tried again.
    let path = after_2.data_dir.join("master.key");
    let store = Store::open(&after_2, &MasterKey::from_file(&path).unwrap()).await.unwrap();
    store.keys().rotate_master(Replacement::begin_file(&path).unwrap()).await.unwrap();
    drop(store);
    assert!(opens(&after_2).await);
}

#[tokio::test]
async fn no_start_forgets_how_often_a_key_sealed() {
    let house = House::new();
    let mut seals = 0;
    for _ in 0..4 {
        let store = house.open().await;
        let before = store.db.vault.seals(1);
        assert!(before == 0 || before > seals, "at least as many as were made");
        store.secrets().put("x", b"y").await.unwrap();
        seals = store.db.vault.seals(1);
    }
}

#[tokio::test]
async fn a_key_that_has_sealed_much_is_due_even_after_a_restart() {
    let house = House::new();
    let store = house.open().await;
    store.db.vault.note_seals(1, domovoi_vault::SEALS_WARNING);
    store.secrets().put("x", b"y").await.unwrap();
    assert!(store.keys().status().await.unwrap().rotation_due);
    drop(store);
    let store = house.open().await;
    assert!(store.keys().status().await.unwrap().rotation_due);
    store.keys().rotate(None, |_, _| {}).await.unwrap();
    assert!(!store.keys().status().await.unwrap().rotation_due);
    store.secrets().put("x", b"z").await.unwrap();
    let mut raw = house.raw().await;
    let sealed: Vec<u8> = sqlx::query("SELECT sealed FROM secret").fetch_one(&mut raw).await.unwrap().get(0);
    assert_eq!(key_id_of(&sealed), Some(2));
}
