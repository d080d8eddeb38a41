//! Tests of a full disk.

use super::*;

fn long_sample() -> Sample {
    Sample { value: Value::Text("ю".repeat(50_000)), ..sample(1) }
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let house = House::new();
    let store = house.open().await;
    store.secrets().put("before", b"kept").await.unwrap();
    // SQLite never goes below what the file has already.
    store.db.limit_pages(1).await;
    let mut kept = 0;
    for n in 0..100 {
        match store.history().record(vec![long_sample()], Urgency::Now).await {
            Ok(_) => kept += 1,
            Err(NotKept::Full) => break,
            Err(other) => panic!("{n}: {other}"),
        }
    }
    assert!(kept < 100);
    assert_eq!(store.secrets().put("large", &[7; 500_000]).await, Err(StoreError::Full));
    let full_photo = Photo { bytes: vec![1; 1_000_000], ..photo() };
    assert_eq!(store.photos().put(&full_photo).await, Err(StoreError::Full));
    assert_eq!(store.history().record(vec![long_sample()], Urgency::Now).await, Err(NotKept::Full));
    assert_eq!(store.secrets().get("before").await.unwrap().unwrap().expose(), b"kept");

    store.db.limit_pages(1_000_000).await;
    let seqs = store.history().record(vec![long_sample()], Urgency::Now).await.unwrap();
    assert_eq!(seqs, Seq(kept as u64 + 1), "no seq was lost and none was used twice");
    store.secrets().put("large", &[7; 500_000]).await.unwrap();
    store.photos().put(&full_photo).await.unwrap();
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
    drop(store);
    assert_eq!(house.open().await.history().last_seq(), Seq(kept as u64 + 1));
}

#[tokio::test]
async fn an_abandoned_call_leaves_nothing_and_blocks_nobody() {
    let house = House::new();
    let store = house.open().await;
    let mut tx = store.db.begin().await.unwrap();
    sqlx::query("DELETE FROM data_key").execute(tx.conn()).await.unwrap();
    drop(tx);
    // Cut at many points of its life, whatever they are on this machine.
    for n in 0..40u64 {
        let secrets = store.secrets();
        let put = secrets.put("cut", &[1; 10_000]);
        let _ = tokio::time::timeout(Duration::from_micros(n * 40), put).await;
        store.secrets().put("whole", &n.to_be_bytes()).await.unwrap();
    }
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
    drop(store);
    let store = house.open().await;
    assert_eq!(store.secrets().get("whole").await.unwrap().unwrap().expose(), &39u64.to_be_bytes());
}

#[tokio::test]
async fn of_a_nearly_full_disk_telemetry_feels_it_first() {
    let house = House::new();
    let store = house.open().await;
    let history = store.history();
    let mut health = history.health();
    history.pretend_free(house.settings.reserve - 1);
    // It is looked for room before a commit.
    history.record(vec![sample(1)], Urgency::Normal).await.unwrap();
    assert_eq!(*health.borrow_and_update(), Health::TelemetryStopped { free: house.settings.reserve - 1 });
    assert_eq!(history.record(vec![sample(2)], Urgency::Normal).await, Err(NotKept::Full));
    assert_eq!(history.record(vec![sample(3)], Urgency::Now).await, Ok(Seq(2)));
    history.pretend_free(house.settings.reserve + 1);
    history.record(vec![sample(4)], Urgency::Now).await.unwrap();
    assert_eq!(history.record(vec![sample(5)], Urgency::Normal).await, Err(NotKept::Full), "not on and off");
    history.pretend_free(house.settings.reserve * 2);
    history.record(vec![sample(6)], Urgency::Now).await.unwrap();
    assert_eq!(*health.borrow_and_update(), Health::Healthy);
    assert_eq!(history.record(vec![sample(7)], Urgency::Normal).await, Ok(Seq(5)));
}

#[tokio::test]
async fn the_ballast_goes_before_registers_and_health_comes_back_by_itself() {
    let mut house = House::new();
    house.settings.ballast = 1 << 20;
    let store = house.open().await;
    let history = store.history();
    let ballast = house.path().join("domovoi.ballast");
    let laid_by = || std::fs::metadata(&ballast).is_ok_and(|meta| meta.len() == 1 << 20);
    while !laid_by() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.db.limit_pages(1).await;
    while history.record(vec![long_sample()], Urgency::Now).await.is_ok() {}
    let mut health = history.health();
    assert_eq!(*health.borrow_and_update(), Health::RegistersStopped);
    assert!(!ballast.exists() || laid_by(), "given up, and laid by again where there is room");
    assert_eq!(history.record(vec![long_sample()], Urgency::Now).await, Err(NotKept::Full));
    store.db.limit_pages(1_000_000).await;
    // Nobody records anything: it is found out all the same.
    health.wait_for(|health| *health == Health::Healthy).await.unwrap();
    while !laid_by() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_connection_that_failed_is_given_up_and_nothing_else() {
    let house = House::new();
    let store = house.open().await;
    for n in 0..10 {
        store.history().record(vec![sample(n)], Urgency::Now).await.unwrap();
        store.secrets().put("one", &n.to_be_bytes()).await.unwrap();
        store.db.break_writer().await;
    }
    assert_eq!(store.history().last_seq(), Seq(10));
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
    let mut tx = store.db.begin().await.unwrap();
    assert_eq!(schema::number(tx.conn(), "PRAGMA secure_delete").await.unwrap(), 1);
    assert_eq!(schema::number(tx.conn(), "PRAGMA synchronous").await.unwrap(), 2);
    drop(tx);
    let cut = Store::open(&house.cut("cut"), &house.master).await.unwrap();
    assert_eq!(cut.history().after(Seq(0), 100).await.unwrap().len(), 10);
}

#[tokio::test]
async fn careless_transactions_end_with_themselves() {
    let house = House::new();
    let store = house.open().await;
    for _ in 0..3 {
        let mut tx = store.db.begin_careless().await.unwrap();
        assert_eq!(schema::number(tx.conn(), "PRAGMA secure_delete").await.unwrap(), 0);
        drop(tx);
        let mut tx = store.db.begin().await.unwrap();
        assert_eq!(schema::number(tx.conn(), "PRAGMA secure_delete").await.unwrap(), 1);
    }
}
