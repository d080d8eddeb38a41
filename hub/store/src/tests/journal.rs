//! Tests of the journal: group commits, order, what survives.

use sqlx::Row;

use super::*;

async fn journal_rows(house: &House) -> i64 {
    let mut raw = house.raw().await;
    sqlx::query("SELECT count(*) FROM journal").fetch_one(&mut raw).await.unwrap().get(0)
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let house = House::new();
    let store = house.open().await;
    let answers: Vec<_> = (0..100).map(|n| store.history().record(vec![sample(n)], Urgency::Normal)).collect();
    let mut seqs = Vec::new();
    for answer in answers {
        seqs.push(answer.await.unwrap());
    }
    assert_eq!(seqs, (1..=100).map(Seq).collect::<Vec<_>>());
    assert!(journal_rows(&house).await <= 3);
    let all = store.history().after(Seq(0), 1000).await.unwrap();
    assert!(all.iter().enumerate().all(|(n, recorded)| recorded.item == sample(n as i64)));
}

#[tokio::test]
async fn urgency_waits_for_nobody_and_takes_the_others_along() {
    let mut house = House::new();
    house.settings.commit_every = HOUR;
    let store = house.open().await;
    let slow = store.history().record(vec![sample(1), sample(2)], Urgency::Normal);
    let fast = store.history().record(vec![sample(3)], Urgency::Now);
    assert_eq!(fast.await.unwrap(), Seq(3));
    assert_eq!(slow.await.unwrap(), Seq(1));
    assert_eq!(journal_rows(&house).await, 1);
}

#[tokio::test]
async fn acknowledged_means_there() {
    let house = House::new();
    let store = house.open().await;
    for n in 0..50 {
        store.history().record(vec![sample(n), sample(n)], Urgency::Now).await.unwrap();
        if n % 10 == 3 {
            let cut = Store::open(&house.cut(&format!("cut{n}")), &house.master).await.unwrap();
            let seqs: Vec<u64> = cut.history().after(Seq(0), 1000).await.unwrap().iter().map(|r| r.seq.0).collect();
            assert_eq!(seqs, (1..=2 * n as u64 + 2).collect::<Vec<_>>());
        }
    }
    drop(store);
    let store = house.open().await;
    assert_eq!(store.history().last_seq(), Seq(100));
    assert_eq!(store.history().record(vec![sample(1)], Urgency::Now).await.unwrap(), Seq(101));
}

#[tokio::test]
async fn history_is_read_in_pieces_from_memory_and_from_disk() {
    let house = House::new();
    let store = house.open().await;
    let mut n = 0;
    for size in (1..40).cycle().take(120) {
        let samples: Vec<Sample> = (n..n + size).map(sample).collect();
        n += size;
        store.history().record(samples, Urgency::Now).await.unwrap();
    }
    for _ in 0..2 {
        let store = house.open().await;
        for limit in [1, 7, 100, 100_000] {
            let mut at = Seq((n as u64).saturating_sub(300));
            loop {
                let found = store.history().after(at, limit).await.unwrap();
                let Some(last) = found.last() else { break };
                assert!(found.len() <= limit);
                for (expected, recorded) in (at.0 + 1..).zip(&found) {
                    assert_eq!(recorded.seq.0, expected);
                    assert_eq!(recorded.item, sample(expected as i64 - 1));
                }
                at = last.seq;
            }
            assert_eq!(at.0, n as u64);
        }
    }
    assert_eq!(store.history().after(Seq(0), 10_000).await.unwrap().len(), n as usize);
}

#[tokio::test]
async fn a_follower_misses_nothing() {
    let house = House::new();
    let store = house.open().await;
    store.history().record(vec![sample(0)], Urgency::Now).await.unwrap();
    let mut follower = store.history().follow(Seq(0));
    let history = store.history().clone();
    let writer = tokio::spawn(async move {
        for n in 1..6000 {
            let answer = history.record(vec![sample(n)], Urgency::Normal);
            if n % 100 == 0 {
                answer.await.unwrap();
            }
        }
        drop(history);
    });
    let mut seen = 0;
    while seen < 6000 {
        for recorded in follower.next(64).await.unwrap().unwrap() {
            assert_eq!(recorded.item, sample(seen));
            seen += 1;
        }
    }
    writer.await.unwrap();
    store.close().await;
    assert_eq!(follower.next(64).await.unwrap(), None);
    assert_eq!(follower.at(), Seq(6000));
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let mut house = House::new();
    house.settings.commit_every = HOUR;
    house.settings.queue_samples = 10;
    house.settings.queue_bytes = 100_000;
    let store = house.open().await;
    let history = store.history();
    let too_many = history.record((0..11).map(sample).collect(), Urgency::Normal);
    assert_eq!(too_many.await, Err(NotKept::Overloaded));
    let mut long = sample(0);
    long.value = Value::Text("x".repeat(200_000));
    assert_eq!(history.record(vec![long], Urgency::Normal).await, Err(NotKept::Overloaded));
    let kept = history.record((0..10).map(sample).collect(), Urgency::Normal);
    assert_eq!(history.record(vec![sample(11)], Urgency::Normal).await, Err(NotKept::Overloaded));

    let history = history.clone();
    store.close().await;
    assert_eq!(kept.await.unwrap(), Seq(1), "what was taken is committed on closing");
    assert_eq!(history.record(vec![sample(1)], Urgency::Now).await, Err(NotKept::Closed));
}

#[tokio::test]
async fn moments_of_a_settled_run_are_wall_times() {
    let house = House::new();
    let store = house.open().await;
    let boot = BootId(id());
    store.boots().begin(boot).await.unwrap();
    let mut early = sample(1);
    early.at = Moment::SinceBoot { boot, millis: 1500 };
    store.history().record(vec![early.clone()], Urgency::Now).await.unwrap();
    assert_eq!(store.history().after(Seq(0), 1).await.unwrap()[0].item.at, early.at);

    let account = account();
    store.register().save_account(&account).await.unwrap();
    let point = point(&account);
    store.register().save_point(&point).await.unwrap();
    let meter = meter(&point);
    let mut waiting = reading(&meter, "7", 0, Verdict::Accepted(None));
    waiting.at = early.at;
    store.ledger().append(&[entry(waiting.clone(), 1)], None).await.unwrap();
    let span = |store: Store| async move {
        let rows = store.ledger().readings(point.id, Timestamp(0), Timestamp(i64::MAX), 10, true).await.unwrap();
        rows.into_iter().map(|row| row.reading.at).collect::<Vec<_>>()
    };
    assert_eq!(span(store.clone()).await, []);

    assert_eq!(store.boots().settle(boot, Timestamp(1_000_000)).await.unwrap(), 1);
    assert_eq!(store.boots().settle(boot, Timestamp(5)).await.unwrap(), 0, "the first answer stands");
    let wall = Moment::Wall(Timestamp(1_001_500));
    assert_eq!(store.history().after(Seq(0), 1).await.unwrap()[0].item.at, wall);
    assert_eq!(span(store.clone()).await, [wall]);
    // A reading that was on its way while the run was settled.
    store.ledger().append(&[entry(waiting, 2)], None).await.unwrap();
    assert_eq!(span(store.clone()).await, [wall, wall]);
    drop(store);

    let store = house.open().await;
    assert_eq!(store.boots().started_at(boot), Some(Timestamp(1_000_000)));
    assert_eq!(store.history().after(Seq(0), 1).await.unwrap()[0].item.at, wall);
    let newest = store.history().newest_of(&early.device, "total_m3", 10).await.unwrap().unwrap();
    assert_eq!((newest.seq, newest.item.at), (Seq(1), wall));
    assert_eq!(store.history().newest_of(&early.device, "other", 10).await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_row_is_named_and_can_be_passed() {
    let house = House::new();
    let store = house.open().await;
    for n in 0..5 {
        store.history().record(vec![sample(n), sample(n)], Urgency::Now).await.unwrap();
    }
    store.close().await;
    let mut raw = house.raw().await;
    sqlx::query("UPDATE journal SET sealed = zeroblob(60) WHERE id = 5").execute(&mut raw).await.unwrap();
    let store = house.open().await;
    let found = store.history().after(Seq(1), 100).await.unwrap();
    assert_eq!(found.iter().map(|recorded| recorded.seq.0).collect::<Vec<_>>(), [2, 3, 4]);
    let error = store.history().after(Seq(4), 100).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { what } if what.starts_with("journal row 5:")), "{error}");
    assert_eq!(store.history().behind_damage(Seq(4)).await.unwrap(), Some(Seq(6)));
    assert_eq!(store.history().after(Seq(6), 100).await.unwrap().len(), 4);
    assert_eq!(store.history().behind_damage(Seq(10)).await.unwrap(), None);
}

#[tokio::test]
async fn rows_of_the_first_format_are_read_for_ever() {
    let house = House::new();
    let store = house.open().await;
    let old: Vec<Sample> = (0..5).map(sample).collect();
    let plain = crate::history::encode_named(old.iter());
    let sealed = tables::JOURNAL.seal(&store.db.vault, &1i64.to_be_bytes(), &plain).unwrap();
    let mut tx = store.db.begin().await.unwrap();
    sqlx::query("INSERT INTO journal (id, last_seq, newest_at, sealed) VALUES (1, 5, 1795300000004, ?1)")
        .bind(sealed)
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    let store = house.open().await;
    assert_eq!(store.history().record(vec![sample(5)], Urgency::Now).await.unwrap(), Seq(6));
    let all = store.history().after(Seq(0), 100).await.unwrap();
    assert_eq!(
        all.into_iter().map(|recorded| recorded.item).collect::<Vec<_>>(),
        (0..6).map(sample).collect::<Vec<_>>()
    );
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
}

#[tokio::test]
async fn a_series_that_is_not_taken_takes_no_others_along() {
    let mut house = House::new();
    house.settings.commit_every = HOUR;
    let store = house.open().await;
    let mut endless = sample(1);
    endless.device.id = "x".repeat(2_000);
    let first = store.history().record(vec![sample(0), sample(1)], Urgency::Normal);
    let refused = store.history().record(vec![sample(2), endless], Urgency::Normal);
    let last = store.history().record(vec![sample(3)], Urgency::Now);
    assert_eq!(first.await, Ok(Seq(1)));
    assert!(matches!(refused.await, Err(NotKept::Series(_))));
    assert_eq!(last.await, Ok(Seq(3)));
    assert_eq!(store.history().after(Seq(0), 9).await.unwrap().len(), 3);
    assert_eq!(journal_rows(&house).await, 1);
}

#[tokio::test]
async fn the_write_budget_is_remembered() {
    let mut house = House::new();
    house.settings.write_budget_per_day = 1_000_000;
    let store = house.open().await;
    assert_eq!(store.history().usage().budget_left, 1_000_000);
    for n in 0..10 {
        store.history().record(vec![sample(n)], Urgency::Now).await.unwrap();
    }
    let usage = store.history().usage();
    assert_eq!(usage.commits, 10);
    assert!(usage.written_bytes > 80_000 && usage.budget_left < 950_000, "{usage:?}");
    store.close().await;
    let store = house.open().await;
    assert!(store.history().usage().budget_left < 950_000);
}
