//! The log over power cuts, rewrites, tears and damage.

use std::path::Path;
use std::time::Duration;

use domovoi_vault::MasterKey;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::{NotKept, Settings, Store};

struct House {
    folder: tempfile::TempDir,
    master: MasterKey,
    cuts: std::cell::Cell<u32>,
}

impl House {
    fn new() -> Self {
        House { folder: tempfile::tempdir().unwrap(), master: MasterKey::generate().unwrap(), cuts: 0.into() }
    }

    fn settings(&self) -> Settings {
        Settings { ballast: 0, ..Settings::new(self.folder.path().join("data")) }
    }

    async fn open(&self) -> Store {
        Store::open(&self.settings(), &self.master).await.unwrap()
    }

    /// What a start would find after a power cut right now.
    async fn after_a_cut(&self) -> Vec<u64> {
        self.cuts.set(self.cuts.get() + 1);
        let to = self.folder.path().join(format!("cut{}", self.cuts.get()));
        copy(&self.settings().data_dir, &to);
        let store = Store::open(&Settings { data_dir: to, ..self.settings() }, &self.master).await.unwrap();
        numbers(store.broker_log().load().await.unwrap().frames)
    }

    async fn raw(&self) -> sqlx::SqliteConnection {
        SqliteConnectOptions::new().filename(self.folder.path().join("data/domovoi.db")).connect().await.unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A frame that says its number, and is long enough for a log of some size.
fn frame(number: u64) -> Vec<u8> {
    let mut frame = number.to_be_bytes().to_vec();
    frame.resize(2_000, 7);
    frame
}

fn numbers(frames: Vec<Vec<u8>>) -> Vec<u64> {
    frames.iter().map(|frame| u64::from_be_bytes(*frame.first_chunk().unwrap())).collect()
}

/// The number of the last of them.
fn append(log: &crate::BrokerLog, numbers: std::ops::RangeInclusive<u64>) -> u64 {
    numbers.fold(0, |_, number| log.append(frame(number)))
}

async fn settle(store: &Store) {
    if let Some(kept) = store.broker_log().settled() {
        kept.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_settled_survives_a_cut_in_order() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    assert_eq!(log.load().await.unwrap(), crate::LogLeft::default());
    assert!(log.settled().is_none());
    for number in 1..=40 {
        assert_eq!(log.append(frame(number)), number);
        if number % 7 == 0 {
            settle(&store).await;
            assert!(log.settled().is_none());
            assert_eq!(house.after_a_cut().await, (1..=number).collect::<Vec<_>>());
        }
    }
    store.close().await;
    let store = house.open().await;
    let log = store.broker_log();
    assert_eq!(numbers(log.load().await.unwrap().frames), (1..=40).collect::<Vec<_>>());
    assert_eq!(log.append(frame(41)), 1, "numbers begin with the run");
    settle(&store).await;
    assert_eq!(house.after_a_cut().await, (1..=41).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_asks_during_a_commit_waits_for_that_one() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    for number in 1..=300 {
        log.append(frame(number));
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
        if let Some(kept) = log.settled()
            && number % 10 == 0
        {
            kept.await.unwrap();
            assert!(log.settled().is_none());
        }
    }
    assert!(!log.is_torn());
}

#[tokio::test]
async fn a_rewrite_takes_the_place_of_what_was_before_and_of_nothing_else() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    for round in 0..3u64 {
        let up_to = append(&log, 1..=30);
        // Appended behind the number and before the rewrite, and kept by it.
        log.append(frame(31));
        settle(&store).await;
        let whole: Vec<Vec<u8>> = (0..300).map(|n| frame(1000 * (round + 1) + n)).collect();
        log.rewrite(up_to, up_to, whole).await.unwrap();
        log.append(frame(32));
        settle(&store).await;
        let mut expected: Vec<u64> = (0..300).map(|n| 1000 * (round + 1) + n).collect();
        expected.extend([31, 32]);
        assert_eq!(house.after_a_cut().await, expected);
    }
    assert!(store.keys().verify(|_, _| {}).await.unwrap().is_empty());
    let mut raw = house.raw().await;
    let rows: i64 = crate::schema::number(&mut raw, "SELECT count(*) FROM broker_log").await.unwrap();
    assert!(rows < 15, "{rows} rows are left of three rewrites");
    log.rewrite(log.append(frame(0)), 0, Vec::new()).await.unwrap();
    settle(&store).await;
    assert!(house.after_a_cut().await.is_empty());
}

#[tokio::test]
async fn a_rewrite_that_is_cut_short_changes_nothing() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    let up_to = append(&log, 1..=5);
    settle(&store).await;
    let mut appended = 5;
    for micros in (0..12u64).map(|n| n * 1_500) {
        let whole = (100..400).map(frame).collect();
        let cut = tokio::time::timeout(Duration::from_micros(micros), log.rewrite(up_to, up_to, whole)).await;
        if cut.is_ok() {
            break;
        }
        appended += 1;
        log.append(frame(appended));
        settle(&store).await;
        let found = house.after_a_cut().await;
        let before: Vec<u64> = (1..=appended).collect();
        let after: Vec<u64> = (100..400).chain(6..=appended).collect();
        assert!(found == before || found == after, "{found:?}");
    }
    log.rewrite(up_to, up_to, vec![frame(77)]).await.unwrap();
    let after: Vec<u64> = std::iter::once(77).chain(6..=appended).collect();
    assert_eq!(house.after_a_cut().await, after);
}

#[tokio::test]
async fn frames_join_rewrites_that_run_meanwhile() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    let up_to = append(&log, 1..=5);
    let rewriting = {
        let log = log.clone();
        tokio::spawn(async move { log.rewrite(up_to, up_to, (100..600).map(frame).collect()).await })
    };
    let mut number = 5;
    while !rewriting.is_finished() {
        number += 1;
        log.append(frame(number));
        settle(&store).await;
    }
    rewriting.await.unwrap().unwrap();
    let expected: Vec<u64> = (100..600).chain(6..=number).collect();
    assert_eq!(house.after_a_cut().await, expected);
}

#[tokio::test]
async fn a_lost_frame_tears_the_log_until_it_is_written_anew() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    log.append(frame(1));
    settle(&store).await;
    store.db.limit_pages(1).await;
    let lost = loop {
        let number = log.append(vec![0; 100_000]);
        match log.settled().unwrap().await {
            Ok(_) => {}
            Err(NotKept::Full) => break number,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(log.is_torn());
    store.db.limit_pages(1_000_000).await;
    // Behind a tear nothing is durable, however well the disk does.
    let behind = log.append(frame(3));
    assert!(matches!(log.settled().unwrap().await, Err(NotKept::Full)));
    store.history().record(Vec::new(), crate::Urgency::Now).await.unwrap();
    assert!(!house.after_a_cut().await.contains(&3));
    assert_eq!(log.first_lost(), Some(lost));
    assert!(log.rewrite(lost, lost, vec![frame(9)]).await.is_err(), "it tells as kept what was lost");
    log.rewrite(lost, lost - 1, vec![frame(1), frame(2)]).await.unwrap();
    assert!(!log.is_torn());
    assert_eq!(behind, lost + 1);
    assert_eq!(house.after_a_cut().await, [1, 2, 3]);
    log.append(frame(4));
    settle(&store).await;
    assert_eq!(house.after_a_cut().await, [1, 2, 3, 4]);
}

/// Or a sample would stand in history whose message the log does not know: sent again, it would stand there twice.
#[tokio::test]
async fn what_waits_together_with_lost_frames_is_lost_with_them_unless_it_is_urgent() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    let sample = |n: i64| domovoi_model::Sample {
        device: domovoi_model::DeviceRef::new("test", "a"),
        property: "n".into(),
        value: domovoi_model::Value::Number(n.into()),
        unit: domovoi_model::Unit::None,
        quality: domovoi_model::Quality::Good,
        at: domovoi_model::Moment::Wall(domovoi_model::Timestamp(1_795_262_400_000)),
        device_time: None,
    };
    let history = store.history();
    let waiting = history.record(vec![sample(1)], crate::Urgency::Normal);
    let urgent = history.record(vec![sample(2)], crate::Urgency::Now);
    // No room for it in the queue.
    log.append(vec![0; 33 << 20]);
    assert!(log.is_torn());
    assert!(matches!(waiting.await, Err(NotKept::Failed(_))));
    urgent.await.unwrap();
    history.record(vec![sample(3)], crate::Urgency::Normal).await.unwrap();
    let kept = history.after(crate::Seq(0), 10).await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.item.value.to_string()).collect::<Vec<_>>(), ["2", "3"]);
}

#[tokio::test]
async fn a_start_forgets_what_lies_behind_a_tear() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    log.append(frame(1));
    settle(&store).await;
    store.db.limit_pages(1).await;
    while log.append(vec![0; 100_000]) > 0 && log.settled().unwrap().await.is_ok() {}
    store.db.limit_pages(1_000_000).await;
    log.append(frame(5));
    store.history().record(Vec::new(), crate::Urgency::Now).await.unwrap();
    store.close().await;
    for _ in 0..2 {
        let store = house.open().await;
        let log = store.broker_log();
        let left = log.load().await.unwrap();
        assert_eq!(left.damaged, Vec::<String>::new());
        assert!(!numbers(left.frames).contains(&5));
        assert!(!log.is_torn());
        log.append(frame(6));
        settle(&store).await;
        assert_eq!(house.after_a_cut().await.last(), Some(&6));
        store.close().await;
    }
}

#[tokio::test]
async fn a_damaged_row_is_set_aside_and_told() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.load().await.unwrap();
    for number in 1..=3 {
        log.append(frame(number));
        settle(&store).await;
    }
    store.close().await;
    sqlx::query("UPDATE broker_log SET sealed = zeroblob(60) WHERE id = 2")
        .execute(&mut house.raw().await)
        .await
        .unwrap();
    let store = house.open().await;
    let left = store.broker_log().load().await.unwrap();
    assert_eq!(numbers(left.frames), [1, 3]);
    assert!(left.damaged.len() == 1 && left.damaged[0].contains("broker_log row 2"), "{:?}", left.damaged);
    store.broker_log().append(frame(4));
    settle(&store).await;
    store.close().await;
    let store = house.open().await;
    let left = store.broker_log().load().await.unwrap();
    assert_eq!((numbers(left.frames), left.damaged.len()), (vec![1, 3, 4], 0));
    let damaged = store.keys().verify(|_, _| {}).await.unwrap();
    assert_eq!(damaged.iter().map(|damage| damage.row.as_str()).collect::<Vec<_>>(), ["-2"]);
}

#[tokio::test]
async fn frames_before_the_log_was_read_are_lost() {
    let house = House::new();
    let store = house.open().await;
    let log = store.broker_log();
    log.append(frame(1));
    assert!(log.is_torn());
    assert!(log.settled().unwrap().await.is_err());
}
