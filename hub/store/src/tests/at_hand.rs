//! Credentials in memory: whoever connects waits for no disk, and is let in by what is so. And what does not open, which is
//! counted and kept.

use domovoi_vault::Secret;

use super::*;

/// SQLite gives up its readers: whatever asks the disk fails.
async fn without_a_disk(store: &Store) {
    store.db.close_readers().await;
}

#[tokio::test]
async fn who_connects_is_found_without_the_disk_whatever_was_changed_before() {
    let house = House::new();
    let store = house.open().await;
    let credentials = store.credentials();
    let leak = credentials.issue(&info("leak")).await.unwrap();
    credentials.issue(&info("lamp")).await.unwrap();
    assert_eq!(credentials.read_all().await.unwrap(), (vec![info("lamp"), info("leak")], 0));
    let gas = credentials.issue(&info("gas")).await.unwrap();
    assert!(credentials.revoke("lamp").await.unwrap());
    assert!(matches!(credentials.issue(&info("leak")).await, Err(StoreError::Conflict { .. })));
    without_a_disk(&store).await;
    assert!(credentials.find("leak").await.is_err(), "there is no disk");
    assert!(credentials.at_hand("leak").await.unwrap().unwrap().verify(leak.expose()));
    assert!(credentials.at_hand("gas").await.unwrap().unwrap().verify(gas.expose()));
    assert!(credentials.at_hand("lamp").await.unwrap().is_none());
    assert!(credentials.at_hand("nobody").await.unwrap().is_none());
}

#[tokio::test]
async fn of_a_change_that_was_not_seen_to_its_end_the_disk_is_asked() {
    let house = House::new();
    let store = house.open().await;
    let credentials = store.credentials();
    credentials.issue(&info("leak")).await.unwrap();
    credentials.read_all().await.unwrap();
    {
        let held = store.db.begin().await.unwrap();
        let gone = tokio::time::timeout(Duration::from_millis(20), credentials.revoke("leak")).await;
        assert!(gone.is_err(), "whoever asked has gone away");
        held.give_up().await;
    }
    assert!(credentials.at_hand("leak").await.unwrap().is_some(), "it was not withdrawn");
    // As if the disk had done it after all.
    let id = store.db.vault.keyed_hash("credential.username", &[b"leak"]);
    let mut tx = store.db.begin().await.unwrap();
    sqlx::query("DELETE FROM credential WHERE id = ?1").bind(id.to_vec()).execute(tx.conn()).await.unwrap();
    tx.commit().await.unwrap();
    assert!(credentials.at_hand("leak").await.unwrap().is_none(), "memory is not believed here");
}

#[tokio::test]
async fn a_credential_that_is_issued_anew_opens_with_both_until_one_is_used_or_given_up() {
    let house = House::new();
    let store = house.open().await;
    let credentials = store.credentials();
    credentials.read_all().await.unwrap();
    let old = credentials.issue(&info("leak")).await.unwrap();
    let opens = async |password: &Secret<String>| {
        let credential = credentials.at_hand("leak").await.unwrap().unwrap();
        credential.open(password.expose()).map(|opened| opened.first)
    };
    let lost = credentials.issue_anew(&info("leak")).await.unwrap();
    let new = credentials.issue_anew(&info("leak")).await.unwrap();
    assert_eq!((opens(&old).await, opens(&lost).await, opens(&new).await), (Some(false), None, Some(true)));
    assert!(credentials.give_back("leak").await.unwrap());
    assert!(!credentials.give_back("leak").await.unwrap());
    assert_eq!((opens(&old).await, opens(&new).await), (Some(false), None));
    let new = credentials.issue_anew(&info("leak")).await.unwrap();
    credentials.used("leak").await.unwrap();
    assert_eq!((opens(&old).await, opens(&new).await), (None, Some(false)));
    assert!(!credentials.give_back("leak").await.unwrap());
    // A certificate in the place of a password, and back.
    let tied = CredentialCertificate { fingerprint: [7; 32], ends_at: Timestamp(9) };
    let with = CredentialInfo { certificate: Some(tied), ..info("leak") };
    credentials.issue_anew(&with).await.unwrap();
    let credential = credentials.at_hand("leak").await.unwrap().unwrap();
    assert!(credential.verify(new.expose()), "it has not shown the certificate yet");
    assert_eq!(
        credential.shown(&[7; 32]).map(|opened| (opened.ends_at, opened.first)),
        Some((Some(Timestamp(9)), true))
    );
    assert_eq!(credential.shown(&[8; 32]), None);
    drop(credential);
    store.close().await;
    // A restart in between locks nobody out.
    let credentials = house.open().await.credentials();
    credentials.read_all().await.unwrap();
    assert!(credentials.at_hand("leak").await.unwrap().unwrap().verify(new.expose()));
    credentials.used("leak").await.unwrap();
    assert!(!credentials.at_hand("leak").await.unwrap().unwrap().verify(new.expose()));
}

#[tokio::test]
async fn a_full_disk_takes_nobodys_access_away() {
    let house = House::new();
    let store = house.open().await;
    let credentials = store.credentials();
    let old = credentials.issue(&info("leak")).await.unwrap();
    credentials.read_all().await.unwrap();
    store.db.limit_pages(1).await;
    let mut refused = false;
    for _ in 0..2_000 {
        let many = CredentialInfo { publish: vec!["x".repeat(3_000); 60], ..info("leak") };
        if credentials.issue_anew(&many).await.is_err() {
            refused = true;
            break;
        }
    }
    assert!(refused, "the disk is full");
    assert!(credentials.at_hand("leak").await.unwrap().unwrap().verify(old.expose()));
}

#[tokio::test]
async fn what_does_not_open_is_counted_and_kept_when_something_else_takes_its_place() {
    let house = House::new();
    let store = house.open().await;
    let (credentials, devices) = (store.credentials(), store.devices());
    credentials.issue(&info("leak")).await.unwrap();
    credentials.issue(&info("lamp")).await.unwrap();
    let device = DeviceRef::new("zigbee2mqtt", "0x1");
    let card = DeviceCard::new(device.clone(), "accepted", Moment::Wall(Timestamp(1)));
    devices.put(std::slice::from_ref(&card)).await.unwrap();
    let id = store.db.vault.keyed_hash("credential.username", &[b"leak"]);
    let mut raw = house.raw().await;
    let spoilt = "UPDATE credential SET sealed = x'00112233' WHERE id = ?1";
    sqlx::query(spoilt).bind(id.to_vec()).execute(&mut raw).await.unwrap();
    sqlx::query("UPDATE device SET sealed = x'00112233'").execute(&mut raw).await.unwrap();
    assert_eq!(credentials.read_all().await.unwrap(), (vec![info("lamp")], 1));
    assert!(credentials.at_hand("leak").await.is_err(), "nobody says that the password is wrong");
    assert_eq!(devices.cards().await.unwrap(), (Vec::new(), 1));

    // It speaks, and is found anew; somebody issues it a new access.
    devices.put(std::slice::from_ref(&card)).await.unwrap();
    credentials.revoke("leak").await.unwrap();
    credentials.issue(&info("leak")).await.unwrap();
    assert_eq!(devices.cards().await.unwrap(), (vec![card.clone()], 0));
    assert_eq!(credentials.read_all().await.unwrap(), (vec![info("lamp"), info("leak")], 0));
    assert_eq!(credentials.list().await.unwrap().len(), 2);
    for table in ["credential", "device"] {
        let look = format!("SELECT count(*) FROM {table} WHERE sealed = x'00112233'");
        let kept: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(look)).fetch_one(&mut raw).await.unwrap();
        assert_eq!(kept, 1, "the evidence of {table}");
    }
    // Forgotten, it is gone with what was kept of it.
    let farewell = Farewell { device, topics: Vec::new(), external: false };
    devices.forget(&Forgotten { farewell, words: Vec::new(), credential: None }).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM device").fetch_one(&mut raw).await.unwrap();
    assert_eq!(left, 0);
}
