//! Numbers that last, names that heal, and the cap.

use domovoi_model::{Moment, Quality, Value};
use domovoi_vault::MasterKey;

use super::*;

async fn db(folder: &tempfile::TempDir, master: &MasterKey) -> Db {
    Db::open(&folder.path().join("data"), 2, master).await.unwrap()
}

fn sample(device: &str, property: &str, unit: Unit) -> Sample {
    Sample {
        device: DeviceRef::new("zigbee2mqtt", device),
        property: property.into(),
        value: Value::Bool(true),
        unit,
        quality: Quality::Good,
        at: Moment::Wall(Timestamp(1)),
        device_time: None,
    }
}

/// Numbers the samples' series in one transaction, which is committed or not.
async fn number(catalogue: &Catalogue, db: &Db, samples: &[Sample], commit: bool) -> Vec<Result<u32, NotKept>> {
    let mut minting = catalogue.mint(db).await.unwrap();
    let numbers = samples.iter().map(|sample| minting.number(db, sample)).collect();
    let mut tx = db.begin().await.unwrap();
    minting.write(tx.conn()).await.unwrap();
    if commit {
        tx.commit().await.unwrap();
        minting.learn();
    }
    numbers
}

#[tokio::test]
async fn a_series_keeps_its_number_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let master = MasterKey::generate().unwrap();
    let samples = [
        sample("a", "temperature", Unit::Celsius),
        sample("a", "humidity", Unit::Percent),
        sample("a", "temperature", Unit::Celsius),
        sample("a", "temperature", Unit::None),
        sample("b", "temperature", Unit::Celsius),
    ];
    let db = db(&folder, &master).await;
    let catalogue = Catalogue::load(&db, 10).await.unwrap();
    let numbers = number(&catalogue, &db, &samples, true).await;
    assert_eq!(numbers, [Ok(1), Ok(2), Ok(1), Ok(3), Ok(4)]);
    assert_eq!(number(&catalogue, &db, &samples, true).await, numbers);
    let units = |catalogue: &Catalogue| {
        let series = catalogue.of_property(&samples[0].device, "temperature");
        series.iter().map(|series| (series.number, series.unit)).collect::<Vec<_>>()
    };
    assert_eq!(units(&catalogue), [(1, Unit::Celsius), (3, Unit::None)]);

    let again = Catalogue::load(&db, 10).await.unwrap();
    assert_eq!(units(&again), units(&catalogue));
    assert_eq!(number(&again, &db, &samples, true).await, numbers);
    assert_eq!(again.all().len(), 4);
    assert_eq!(again.by_number(4).unwrap().device.id, "b");
    assert!(again.by_number(5).is_none());
}

#[tokio::test]
async fn what_was_not_committed_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let db = db(&folder, &MasterKey::generate().unwrap()).await;
    let catalogue = Catalogue::load(&db, 10).await.unwrap();
    let first = [sample("a", "x", Unit::None)];
    assert_eq!(number(&catalogue, &db, &first, false).await, [Ok(1)]);
    assert!(catalogue.all().is_empty());
    let both = [sample("b", "x", Unit::None), sample("a", "x", Unit::None)];
    assert_eq!(number(&catalogue, &db, &both, true).await, [Ok(1), Ok(2)]);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = db(&folder, &MasterKey::generate().unwrap()).await;
    let catalogue = Catalogue::load(&db, 10).await.unwrap();
    let first = [sample("a", "x", Unit::None)];
    let mut minting = catalogue.mint(&db).await.unwrap();
    minting.number(&db, &first[0]).unwrap();
    let mut tx = db.begin().await.unwrap();
    minting.write(tx.conn()).await.unwrap();
    tx.commit().await.unwrap();
    drop(minting);
    let other = [sample("b", "x", Unit::None), first[0].clone()];
    assert_eq!(number(&catalogue, &db, &other, true).await, [Ok(2), Ok(1)]);
}

#[tokio::test]
async fn a_row_that_does_not_open_gets_its_name_back() {
    let folder = tempfile::tempdir().unwrap();
    let db = db(&folder, &MasterKey::generate().unwrap()).await;
    let catalogue = Catalogue::load(&db, 10).await.unwrap();
    let samples = [sample("a", "x", Unit::None), sample("b", "x", Unit::None)];
    number(&catalogue, &db, &samples, true).await;
    let mut tx = db.begin().await.unwrap();
    sqlx::query("UPDATE series SET sealed = zeroblob(40) WHERE id = 1").execute(tx.conn()).await.unwrap();
    tx.commit().await.unwrap();

    let catalogue = Catalogue::load(&db, 10).await.unwrap();
    assert_eq!(catalogue.all().iter().map(|series| series.number).collect::<Vec<_>>(), [2]);
    let three = [samples[1].clone(), sample("c", "x", Unit::None), samples[0].clone()];
    assert_eq!(number(&catalogue, &db, &three, true).await, [Ok(2), Ok(3), Ok(1)]);
    let catalogue = Catalogue::load(&db, 10).await.unwrap();
    assert_eq!(catalogue.by_number(1).unwrap().device.id, "a");
    assert_eq!(catalogue.all().len(), 3);
}

#[tokio::test]
async fn invented_series_end_at_the_cap() {
    let folder = tempfile::tempdir().unwrap();
    let db = db(&folder, &MasterKey::generate().unwrap()).await;
    let catalogue = Catalogue::load(&db, 3).await.unwrap();
    let many: Vec<Sample> = (0..5).map(|n| sample(&format!("{n}"), "x", Unit::None)).collect();
    let numbers = number(&catalogue, &db, &many, true).await;
    assert_eq!(numbers[..3], [Ok(1), Ok(2), Ok(3)]);
    assert!(numbers[3..].iter().all(|number| matches!(number, Err(NotKept::Series(_)))));
    assert_eq!(number(&catalogue, &db, &many[1..2], true).await, [Ok(2)], "the known ones go on");
    let long = sample(&"д".repeat(NAME_LIMIT), "x", Unit::None);
    let catalogue = Catalogue::load(&db, 10).await.unwrap();
    assert!(matches!(number(&catalogue, &db, &[long], true).await[0], Err(NotKept::Series(_))));
}
