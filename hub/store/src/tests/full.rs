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
