//! The feed as watchers have it: what is told, in which order, to whom, and what is said of what was missed.

use domovoi_model::{DeviceRef, Id, Moment, PersonId, Quality, Timestamp, Unit, Value};
use domovoi_store::{Settings, Store, Urgency};
use domovoi_vault::MasterKey;
use rust_decimal::Decimal;

use super::*;
use crate::policy::Network;

fn feed() -> Feed {
    Feed::new(Bus::default(), None, &Clock::by_hand(Id([1; 16]), Timestamp(0)))
}

fn happen(feed: &Feed, times: usize) {
    let mut writer = Writer::new(&feed.0.boot);
    for _ in 0..times {
        feed.0.tell(&mut writer, &Event::Notice("a".into()));
    }
}

fn samples(first: u64, count: u64) -> Event {
    let sample = |n: u64| Sample {
        device: DeviceRef::new("tasmota", format!("plug \"{}\"", n % 3)),
        property: "power".into(),
        value: Value::Number(Decimal::new(i64::try_from(n).unwrap(), 1)),
        unit: Unit::Watt,
        quality: Quality::Good,
        at: Moment::Wall(Timestamp(1_795_262_400_000)),
        device_time: None,
    };
    Event::Recorded(Arc::new((first..first + count).map(|n| Recorded { seq: Seq(n), item: sample(n) }).collect()))
}

fn numbers(batches: &[Arc<Batch>], after: u64) -> Vec<u64> {
    batches.iter().flat_map(|batch| batch.after(after).map(|news| news.number).collect::<Vec<_>>()).collect()
}

#[test]
fn who_comes_back_goes_on_where_they_were_or_is_told_to_begin_anew() {
    let feed = feed();
    assert_eq!(feed.start(None), Start::After(0));
    happen(&feed, 10);
    assert_eq!(feed.start(None), Start::After(10));
    assert_eq!(feed.start(Some(&feed.id(7))), Start::After(7));
    assert_eq!(numbers(&feed.after(7).unwrap(), 7), [8, 9, 10]);
    assert_eq!(feed.start(Some(&feed.id(11))), Start::Reset(10), "a number from the future");
    for strange in ["", "7", "-7", "00000000-0000-0000-0000-000000000000-7", "x-7", "7-", "x-18446744073709551615"] {
        assert_eq!(feed.start(Some(strange)), Start::Reset(10), "{strange:?}");
    }
    // As much as is kept, and more.
    let mut writer = Writer::new(&feed.0.boot);
    for n in 0..60 {
        feed.0.tell(&mut writer, &samples(1 + n * 1000, 1000));
    }
    let latest = 60_010;
    assert_eq!(feed.start(Some(&feed.id(7))), Start::Reset(latest), "too long ago");
    assert!(feed.after(7).is_none());
    let oldest = feed.0.ring().oldest();
    assert!(oldest > 11 && feed.0.ring().bytes <= KEPT_BYTES);
    assert_eq!(feed.start(Some(&feed.id(oldest - 1))), Start::After(oldest - 1), "the last that is kept joins up");
    assert_eq!(numbers(&feed.after(oldest - 1).unwrap(), oldest - 1), (oldest..=latest).collect::<Vec<_>>());
}

#[test]
fn every_piece_of_a_batch_stands_by_itself_and_in_its_place() {
    let mut writer = Writer::new("boot");
    let batch = writer.write(5, &samples(1, 4)).unwrap();
    assert_eq!((batch.first(), batch.last()), (5, 8));
    let whole = batch.events(5, 8);
    let mut pieces: Vec<u8> = Vec::new();
    (5..=8).for_each(|n| pieces.extend_from_slice(&batch.events(n, n)));
    assert_eq!(whole, pieces);
    assert!(whole.starts_with(b"id: boot-5\nevent: sample\ndata: {"));
    for (n, news) in (5u64..).zip(batch.after(4)) {
        assert_eq!(news.number, n);
        let data: serde_json::Value = serde_json::from_slice(news.data).unwrap();
        let expected = serde_json::json!({
            "device": format!("tasmota:plug \"{}\"", (n - 4) % 3),
            "property": "power",
            "value": format!("0.{}", n - 4),
            "unit": "W",
            "at": "2026-11-21T12:00:00.000Z",
        });
        assert_eq!(data, expected);
    }
    let names: Vec<Option<u64>> = batch.after(4).map(|news| news.about.name).collect();
    assert_eq!((names[0], names[3]), (Some(1), Some(1)), "the same thing has one name");
    assert!(batch.events(9, 9).is_empty() && batch.events(7, 6).is_empty());
    assert!(writer.write(9, &Event::Recorded(Arc::default())).is_none());
}

#[tokio::test]
async fn a_hail_of_samples_reaches_whoever_reads_on() {
    let feed = feed();
    let _seat = feed.seat(&Who::console()).unwrap();
    let mut latest = feed.watch();
    let (mut seen, mut read) = (0, 0u64);
    for n in 0..200u64 {
        feed.0.bus.tell(samples(1 + n * 500, 500));
        assert!(latest.wait_for(|latest| *latest > Some(seen)).await.is_ok());
        let batches = feed.after(seen).expect("nothing was missed");
        read += numbers(&batches, seen).len() as u64;
        seen = batches.last().unwrap().last();
    }
    assert_eq!((seen, read), (100_000, 100_000));
}

#[tokio::test]
async fn what_has_gone_into_blocks_before_it_was_told_is_missed_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { ballast: 0, ..Settings::new(folder.path().join("data")) };
    let master = MasterKey::generate().unwrap();
    let open = || Store::open(&settings, &master);
    let store = open().await.unwrap();
    for n in 1..=10 {
        let Event::Recorded(one) = samples(n, 1) else { unreachable!() };
        store.history().record(vec![one[0].item.clone()], Urgency::Now).await.unwrap();
    }
    let feed_of = |store: &Store| {
        let clock = Clock::by_hand(Id([1; 16]), Timestamp(0));
        let feed = Feed::new(Bus::default(), Some(store.history().clone()), &clock);
        happen(&feed, 1);
        feed
    };
    let feed = feed_of(&store);
    let mut writer = Writer::new(&feed.0.boot);
    catch_up(&feed.0, &mut writer, Seq(2), Seq(9)).await;
    assert_eq!(numbers(&feed.after(1).unwrap(), 1), [2, 3, 4, 5, 6, 7], "all six are there");
    assert_eq!(feed.start(Some(&feed.id(1))), Start::After(1));
    store.history().compact_once().await.unwrap();
    store.close().await;
    // Nothing of it is in memory now, and the newest row alone is in the journal.
    let store = open().await.unwrap();
    for before in [9, 11] {
        let feed = feed_of(&store);
        catch_up(&feed.0, &mut writer, Seq(2), Seq(before)).await;
        assert_eq!(feed.start(Some(&feed.id(1))), Start::Reset(2));
    }
}

#[tokio::test]
async fn seats_are_few_and_are_given_back() {
    let feed = feed();
    let person = |byte| Who { subject: Subject::Person(PersonId(Id([byte; 16]))), ..Who::nobody(Network::Home) };
    let mut taken: Vec<Seat> = (0..STREAMS).map(|_| feed.seat(&person(1)).unwrap()).collect();
    assert!(feed.seat(&person(1)).is_none());
    assert!(feed.seat(&person(2)).is_some(), "another person has their own");
    taken.pop();
    assert!(feed.seat(&person(1)).is_some());
    drop(taken);
    assert!(feed.0.seats.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_bus_is_heard_and_the_end_is_the_end() {
    let feed = feed();
    let _seat = feed.seat(&Who::console()).unwrap();
    let mut latest = feed.watch();
    feed.0.bus.tell(Event::Notice("a".into()));
    assert!(latest.wait_for(|latest| *latest == Some(1)).await.is_ok());
    assert_eq!(feed.after(0).unwrap()[0].after(0).next().unwrap().about.kind, "notice");
    feed.end();
    assert!(latest.wait_for(Option::is_none).await.is_ok());
}
