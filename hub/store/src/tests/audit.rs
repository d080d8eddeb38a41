//! Tests of the journal of deeds: what is written is found, and whatever is done to the raw file is named, whether the
//! one who did it had the keys or not.

use sqlx::Row;

use super::*;
use crate::audit::hash_of;
use crate::db::insert_wrap;
use crate::schema::MIGRATIONS;
use crate::tables::{AUDIT, AUDIT_HEAD};

async fn written(rows: i64) -> (House, Store, PersonId) {
    let house = House::new();
    let store = house.open().await;
    let person = PersonId(id());
    for n in 0..rows {
        store.audit().append(&[deed(100 + n, person)]).await.unwrap();
    }
    (house, store, person)
}

async fn flaws(store: &Store) -> Vec<Flaw> {
    store.audit().verify(|_, _| {}).await.unwrap()
}

async fn run(house: &House, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&mut house.raw().await).await.unwrap();
}

/// What somebody with all the keys does: opens a row, changes it, seals it again.
async fn reseal(house: &House, store: &Store, row: i64, change: impl Fn(&mut [u8])) {
    let mut raw = house.raw().await;
    let sealed: Vec<u8> =
        sqlx::query("SELECT sealed FROM audit WHERE id = ?1").bind(row).fetch_one(&mut raw).await.unwrap().get(0);
    let mut plaintext = AUDIT.open(&store.db.vault, &row.to_be_bytes(), &sealed).unwrap().to_vec();
    change(&mut plaintext);
    put(house, store, row, &plaintext).await;
}

async fn put(house: &House, store: &Store, row: i64, plaintext: &[u8]) {
    let sealed = AUDIT.seal(&store.db.vault, &row.to_be_bytes(), plaintext).unwrap();
    sqlx::query("UPDATE audit SET sealed = ?2 WHERE id = ?1")
        .bind(row)
        .bind(sealed)
        .execute(&mut house.raw().await)
        .await
        .unwrap();
}

async fn plaintext(house: &House, store: &Store, row: i64) -> Vec<u8> {
    let mut raw = house.raw().await;
    let sealed: Vec<u8> =
        sqlx::query("SELECT sealed FROM audit WHERE id = ?1").bind(row).fetch_one(&mut raw).await.unwrap().get(0);
    AUDIT.open(&store.db.vault, &row.to_be_bytes(), &sealed).unwrap().to_vec()
}

/// Of `bytes`, the middle of the body: past hash, number, flags, time and length.
fn edit(bytes: &mut [u8]) {
    bytes[32 + 8 + 1 + 8 + 4 + 10] ^= 1;
}

fn unlink(bytes: &mut [u8]) {
    bytes[0] ^= 1;
}

#[tokio::test]
async fn what_is_written_is_found_newest_first() {
    let (house, store, person) = written(5).await;
    let other = PersonId(id());
    let mut timeless = deed(0, other);
    timeless.at = None;
    timeless.personal.push((person, b"second".to_vec().into()));
    assert_eq!(store.audit().append(&[timeless, deed(900, person)]).await.unwrap(), [6, 7]);
    assert_eq!(store.audit().append(&[]).await.unwrap(), Vec::<u64>::new());
    let rows = |found: Vec<(u64, Result<KeptDeed, StoreError>)>| {
        found.into_iter().map(|(row, deed)| (row, deed.unwrap())).collect::<Vec<_>>()
    };
    let numbers = |found: Vec<(u64, KeptDeed)>| found.into_iter().map(|(row, _)| row).collect::<Vec<_>>();
    let audit = store.audit();
    let all = rows(audit.before(None, None, None, 100).await.unwrap());
    assert_eq!(all.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [7, 6, 5, 4, 3, 2, 1]);
    let texts: Vec<(PersonId, &[u8])> =
        all[1].1.personal.iter().map(|(who, text)| (*who, text.as_ref().unwrap().as_slice())).collect();
    assert_eq!(texts, [(other, "Клавдия Львовна".as_bytes()), (person, b"second".as_slice())]);
    assert_eq!((all[1].1.at, all[0].1.at), (None, Some(Timestamp(900))));
    assert_eq!(all[0].1.body, deed(0, person).body);
    assert_eq!(numbers(rows(audit.before(Some(6), None, None, 2).await.unwrap())), [5, 4]);
    let span = audit.before(None, Some(Timestamp(101)), Some(Timestamp(104)), 9).await.unwrap();
    assert_eq!(numbers(rows(span)), [4, 3, 2]);
    assert_eq!(flaws(&store).await, []);
    let end = audit.end().await.unwrap();
    assert_eq!(end.rows, 7);
    drop(store);
    let store = house.open().await;
    assert_eq!(store.audit().end().await.unwrap(), end);
    assert_eq!(flaws(&store).await, []);
}

#[tokio::test]
async fn a_new_journal_holds_and_so_does_one_that_an_older_home_begins() {
    let (_house, store, _) = written(0).await;
    assert_eq!(flaws(&store).await, []);
    assert_eq!(store.audit().end().await.unwrap(), AuditEnd { rows: 0, hash: [0; 32] });

    let house = House::new();
    std::fs::create_dir(house.path()).unwrap();
    let (_, wraps) = domovoi_vault::Vault::create(&house.master).unwrap();
    let mut raw = house.raw().await;
    sqlx::raw_sql(MIGRATIONS[0]).execute(&mut raw).await.unwrap();
    sqlx::raw_sql("PRAGMA application_id = 1146047823; PRAGMA user_version = 1").execute(&mut raw).await.unwrap();
    for wrapped in &wraps {
        insert_wrap(&mut raw, wrapped, None).await.unwrap();
    }
    drop(raw);
    let store = house.open().await;
    assert_eq!(flaws(&store).await, []);
    store.audit().append(&[deed(1, PersonId(id()))]).await.unwrap();
    assert_eq!(flaws(&store).await, []);
}

#[tokio::test]
async fn the_chain_survives_rotation() {
    let (_house, store, _) = written(7).await;
    let end = store.audit().end().await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.keys().rotate(None, |_, _| {}).await.unwrap().retired.len(), 1);
    }
    assert_eq!((flaws(&store).await, store.audit().end().await.unwrap()), (vec![], end));
    let newest = store.audit().before(None, None, None, 1).await.unwrap().remove(0).1.unwrap();
    assert!(newest.personal[0].1.is_some(), "a person's key is sealed anew with everything else");
}

#[tokio::test]
async fn whoever_has_no_key_is_found_out() {
    let cases: [(&'static str, &[Flaw]); 13] = [
        ("UPDATE audit SET sealed = randomblob(200) WHERE id = 4", &[Flaw::Unreadable(4)]),
        ("UPDATE audit SET sealed = 'text' WHERE id = 4", &[Flaw::Unreadable(4)]),
        ("UPDATE audit SET at = 5 WHERE id = 4", &[Flaw::TimeChanged(4)]),
        ("UPDATE audit SET at = NULL WHERE id = 7", &[Flaw::TimeChanged(7)]),
        ("DELETE FROM audit WHERE id = 4", &[Flaw::Missing(4, 4)]),
        ("DELETE FROM audit WHERE id < 4", &[Flaw::Missing(1, 3)]),
        ("DELETE FROM audit WHERE id > 5", &[Flaw::CutOff(6, 7)]),
        ("DELETE FROM audit", &[Flaw::CutOff(1, 7)]),
        (
            "CREATE TEMP TABLE was AS SELECT 7 - id AS id, at, sealed FROM audit WHERE id IN (2, 5);
             UPDATE audit SET (at, sealed) = (SELECT at, sealed FROM was WHERE was.id = audit.id) WHERE id IN (2, 5)",
            &[Flaw::Moved { row: 2, from: 5 }, Flaw::Moved { row: 5, from: 2 }],
        ),
        ("INSERT INTO audit SELECT 8, at, sealed FROM audit WHERE id = 7", &[Flaw::Inserted(8)]),
        (
            "INSERT INTO audit SELECT 9223372036854775807, at, sealed FROM audit WHERE id = 7;
             INSERT INTO audit SELECT -3, at, sealed FROM audit WHERE id = 7",
            &[Flaw::Inserted(-3), Flaw::Inserted(i64::MAX)],
        ),
        ("DELETE FROM audit_head", &[Flaw::EndMissing]),
        ("DELETE FROM audit; UPDATE audit_head SET sealed = x'0102'", &[Flaw::EndUnreadable]),
    ];
    for (trick, expected) in cases {
        let (house, store, person) = written(7).await;
        run(&house, trick).await;
        assert_eq!(flaws(&store).await, expected, "{trick}");
        for flaw in expected {
            assert!(flaw.to_string().contains(|c: char| c.is_ascii_digit()) || flaw.to_string().contains("record of"));
        }
        // Life goes on, and what was done stays to be seen.
        store.audit().append(&[deed(500, person)]).await.unwrap();
        store.audit().append(&[deed(501, person)]).await.unwrap();
        assert_ne!(flaws(&store).await, [], "{trick}");
    }
}

#[tokio::test]
async fn a_lost_record_of_the_end_is_remembered() {
    let (house, store, person) = written(7).await;
    run(&house, "DELETE FROM audit WHERE id > 5; DELETE FROM audit_head").await;
    store.audit().append(&[deed(500, person)]).await.unwrap();
    assert_eq!(flaws(&store).await, [Flaw::EndWasLost(6)]);
    run(&house, "DELETE FROM audit; DELETE FROM audit_head").await;
    store.audit().append(&[deed(500, person)]).await.unwrap();
    assert_eq!(flaws(&store).await, [Flaw::EndWasLost(1)]);
}

#[tokio::test]
async fn whoever_has_the_keys_is_found_out_too() {
    for row in [1, 4, 7] {
        let (house, store, _) = written(7).await;
        reseal(&house, &store, row, edit).await;
        assert_eq!(flaws(&store).await, [Flaw::Edited(row)], "the body of row {row}");
    }
    let (house, store, _) = written(7).await;
    reseal(&house, &store, 4, unlink).await;
    assert_eq!(flaws(&store).await, [Flaw::Edited(4), Flaw::PerhapsEdited(3)]);

    // Row 3 is edited, and row 4 is given its new hash.
    let (house, store, _) = written(7).await;
    reseal(&house, &store, 3, edit).await;
    let hash = hash_of(&plaintext(&house, &store, 3).await);
    reseal(&house, &store, 4, |bytes| bytes[..32].copy_from_slice(&hash)).await;
    assert_eq!(flaws(&store).await, [Flaw::Edited(4)], "the chain is broken where it was not forged any further");

    // The same up to the end, but for the record of it.
    let (house, store, _) = written(7).await;
    reseal(&house, &store, 3, edit).await;
    for row in 4..=7 {
        let hash = hash_of(&plaintext(&house, &store, row - 1).await);
        reseal(&house, &store, row, |bytes| bytes[..32].copy_from_slice(&hash)).await;
    }
    assert_eq!(flaws(&store).await, [Flaw::Edited(7)]);

    let (house, store, _) = written(7).await;
    reseal(&house, &store, 3, edit).await;
    run(&house, "DELETE FROM audit WHERE id = 5").await;
    assert_eq!(flaws(&store).await, [Flaw::ThisOrNextEdited(3), Flaw::Missing(5, 5)], "row 4 has no witness any more");

    // Two rows change places, sealed again.
    let (house, store, _) = written(7).await;
    let (two, five) = (plaintext(&house, &store, 2).await, plaintext(&house, &store, 5).await);
    put(&house, &store, 2, &five).await;
    put(&house, &store, 5, &two).await;
    let told = flaws(&store).await;
    assert!(
        told.contains(&Flaw::Moved { row: 2, from: 5 }) && told.contains(&Flaw::Moved { row: 5, from: 2 }),
        "{told:?}"
    );

    // A row is taken out, and those behind it are numbered anew.
    let (house, store, _) = written(7).await;
    for row in 4..7 {
        let mut next = plaintext(&house, &store, row + 1).await;
        next[32..40].copy_from_slice(&row.to_be_bytes());
        put(&house, &store, row, &next).await;
    }
    run(&house, "DELETE FROM audit WHERE id = 7; UPDATE audit SET at = at + 1 WHERE id >= 4").await;
    let head = [&6u64.to_be_bytes()[..], &hash_of(&plaintext(&house, &store, 6).await)].concat();
    let sealed = AUDIT_HEAD.seal(&store.db.vault, &1i64.to_be_bytes(), &head).unwrap();
    sqlx::query("UPDATE audit_head SET sealed = ?1").bind(sealed).execute(&mut house.raw().await).await.unwrap();
    let told = flaws(&store).await;
    assert!(told.contains(&Flaw::Edited(5)) && !told.contains(&Flaw::Edited(6)), "{told:?}");

    // The first row is taken out.
    let (house, store, _) = written(3).await;
    for row in 1..3 {
        let mut next = plaintext(&house, &store, row + 1).await;
        next[32..40].copy_from_slice(&row.to_be_bytes());
        if row == 2 {
            let hash = hash_of(&plaintext(&house, &store, 1).await);
            next[..32].copy_from_slice(&hash);
        }
        put(&house, &store, row, &next).await;
    }
    run(&house, "DELETE FROM audit WHERE id = 3; UPDATE audit SET at = at + 1").await;
    assert_eq!(flaws(&store).await, [Flaw::Beginning, Flaw::CutOff(3, 3)]);
}

#[tokio::test]
async fn every_power_cut_leaves_a_journal_that_holds() {
    let (house, store, person) = written(3).await;
    for n in 0..20u64 {
        let audit = store.audit();
        let deeds = [deed(1, person), deed(2, PersonId(id()))];
        let cut = tokio::time::timeout(Duration::from_micros(n * 60), audit.append(&deeds)).await;
        let settings = house.cut(&format!("cut {n}"));
        let survivor = Store::open(&settings, &house.master).await.unwrap();
        assert_eq!(flaws(&survivor).await, [], "{n}");
        if let Ok(rows) = cut {
            assert_eq!(survivor.audit().end().await.unwrap().rows, rows.unwrap()[1], "what was answered is there");
        }
        assert_eq!(survivor.audit().end().await.unwrap().rows % 2, 1, "both or neither");
    }
    assert_eq!(flaws(&store).await, []);
}

#[tokio::test]
async fn a_full_disk_refuses_a_deed_and_breaks_no_chain() {
    let (_house, store, person) = written(3).await;
    store.db.limit_pages(1).await;
    let mut kept = 3;
    let long = Deed { body: vec![b'x'; 9000], ..deed(1, person) };
    let refused = loop {
        match store.audit().append(&[long.clone(), deed(2, PersonId(id()))]).await {
            Ok(rows) => kept = rows[1],
            Err(error) => break error,
        }
        assert!(kept < 500);
    };
    assert_eq!(refused, StoreError::Full);
    assert_eq!((store.audit().end().await.unwrap().rows, flaws(&store).await), (kept, vec![]));
    store.db.limit_pages(1_000_000).await;
    assert_eq!(store.audit().append(&[long]).await.unwrap(), [kept + 1]);
    assert_eq!(flaws(&store).await, []);
    let huge = Deed { body: vec![0; DEED_LIMIT + 1], ..deed(1, person) };
    assert!(matches!(store.audit().append(&[huge]).await, Err(StoreError::TooLarge { .. })));
}

#[tokio::test]
async fn a_damaged_row_is_passed_over_when_it_is_read() {
    let (house, store, _) = written(4).await;
    run(&house, "UPDATE audit SET sealed = randomblob(100) WHERE id = 2").await;
    let found = store.audit().before(None, None, None, 10).await.unwrap();
    assert_eq!(
        found.iter().map(|(row, deed)| (*row, deed.is_ok())).collect::<Vec<_>>(),
        [(4, true), (3, true), (2, false), (1, true)]
    );
}

#[tokio::test]
async fn deeds_written_at_once_follow_one_another() {
    let (_house, store, person) = written(0).await;
    let writers = (0..8).map(|n| {
        let audit = store.audit();
        tokio::spawn(async move {
            for _ in 0..10 {
                audit.append(&[deed(n, person)]).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!((store.audit().end().await.unwrap().rows, flaws(&store).await), (80, vec![]));
}

/// What one deed alone writes to the card, so that docs/reference/journal.md stays true.
#[tokio::test]
async fn a_deed_costs_two_pages_of_the_log() {
    let (house, store, person) = written(30).await;
    store.db.empty_log().await.unwrap();
    for n in 0..100 {
        store.audit().append(&[deed(n, person)]).await.unwrap();
    }
    let log = std::fs::metadata(house.path().join("domovoi.db-wal")).unwrap().len();
    // A frame is a page of 4096 bytes and its head of 24; a new leaf takes two or three more.
    let frames = log / (4096 + 24);
    assert!((200..=240).contains(&frames), "{frames} frames for 100 deeds");
}
