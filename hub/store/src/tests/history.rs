//! Tests of old history: blocks, rollups, thinning, and that no answer depends on where a sample lies.

mod asked;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::Row;

use super::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// 2026-11-02T00:00:00Z.
const MONDAY: i64 = 1_793_577_600_000;

/// A house whose clock is turned by hand, three hours ahead of UTC.
fn timed_house() -> (House, Arc<AtomicI64>) {
    let mut house = House::new();
    let clock = Arc::new(AtomicI64::new(MONDAY));
    let hand = Arc::clone(&clock);
    house.settings.history.home_time =
        HomeTime::new(move || Some(Timestamp(hand.load(Ordering::SeqCst))), |_| 3 * 3600);
    (house, clock)
}

/// Numbers that look random and are the same with every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn thermometer() -> DeviceRef {
    DeviceRef::new("zigbee2mqtt", "0x01")
}

fn said(at: i64, value: Value) -> Sample {
    Sample {
        device: thermometer(),
        property: "temperature".into(),
        value,
        unit: Unit::Celsius,
        quality: Quality::Good,
        at: Moment::Wall(Timestamp(at)),
        device_time: None,
    }
}

fn number(at: i64, tenths: i64) -> Sample {
    said(at, Value::Number(Decimal::new(tenths, 1)))
}

/// All of a span: long texts come in several pages.
async fn range(store: &Store, from: i64, to: i64) -> Stretch {
    let history = store.history();
    let page = async |from| history.range(&thermometer(), "temperature", from, Timestamp(to), 1_000_000).await.unwrap();
    let mut whole = page(Timestamp(from)).await;
    while let Some(next) = whole.next.take() {
        let more = page(next).await;
        whole.points.extend(more.points);
        whole.troubles.extend(more.troubles);
        whole.next = more.next;
    }
    whole
}

async fn rolled(store: &Store, level: Level, from: i64, to: i64) -> Rolled {
    store.history().rolled(&thermometer(), "temperature", level, Timestamp(from), Timestamp(to)).await.unwrap()
}

async fn blocks(house: &House) -> i64 {
    count(house, "SELECT count(*) FROM block").await
}

async fn count(house: &House, query: &'static str) -> i64 {
    let mut raw = house.raw().await;
    sqlx::query(query).fetch_one(&mut raw).await.unwrap().get(0)
}

/// What a simple program would answer that had all numbers in one list.
struct Naive(Vec<(i64, Decimal)>);

impl Naive {
    fn of(samples: &[Sample]) -> Self {
        let mut all: Vec<(i64, Decimal)> =
            samples.iter().map(|sample| (sample.at.wall().unwrap().0, sample.value.number().unwrap())).collect();
        all.sort_by_key(|(at, _)| *at);
        Naive(all)
    }

    fn rolled(&self, level: Level, from: i64, to: i64) -> Vec<Bucket> {
        let step = match level {
            Level::FiveMinutes => 5 * MINUTE,
            Level::Hour => 60 * MINUTE,
            Level::Day => DAY,
        };
        let begin = |at: i64| (at + 3 * 3_600_000).div_euclid(step) * step - 3 * 3_600_000;
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut sum = Decimal::ZERO;
        let mut before: Option<Decimal> = None;
        for (at, value) in &self.0 {
            let rise = before.map_or(Decimal::ZERO, |before| (value - before).max(Decimal::ZERO));
            before = Some(*value);
            match buckets.last_mut() {
                Some(bucket) if bucket.from.0 == begin(*at) => {
                    bucket.count += 1;
                    bucket.min = bucket.min.min(*value);
                    bucket.max = bucket.max.max(*value);
                    bucket.last = *value;
                    bucket.increase += rise;
                    sum += value;
                    bucket.mean = (sum / Decimal::from(bucket.count)).round_dp(4);
                }
                _ => {
                    sum = *value;
                    let (from, value) = (Timestamp(begin(*at)), *value);
                    let increase = rise;
                    buckets.push(Bucket { from, count: 1, min: value, mean: value, max: value, last: value, increase });
                }
            }
        }
        buckets.retain(|bucket| (from..to).contains(&bucket.from.0));
        buckets
    }

    async fn compare(&self, store: &Store, from: i64, to: i64) {
        let inside: Vec<(i64, Decimal)> = self.0.iter().filter(|(at, _)| (from..to).contains(at)).copied().collect();
        let stretch = range(store, from, to).await;
        assert_eq!(stretch.troubles, []);
        let answer: Vec<(i64, Decimal)> =
            stretch.points.iter().map(|point| (point.at.0, point.value.number().unwrap())).collect();
        assert!(answer == inside, "{} and {} samples", answer.len(), inside.len());
        // The same in pages.
        let (mut paged, mut at) = (0, Some(Timestamp(from)));
        while let Some(next) = at {
            let history = store.history();
            let page = history.range(&thermometer(), "temperature", next, Timestamp(to), 97).await.unwrap();
            paged += page.points.len();
            assert!(page.points.iter().all(|point| point.at >= next));
            at = page.next;
        }
        assert_eq!(paged, inside.len());
        for level in [Level::FiveMinutes, Level::Hour, Level::Day] {
            let answer = rolled(store, level, from, to).await;
            assert_eq!(answer.troubles, []);
            let expected = self.rolled(level, from, to);
            let differs = answer.buckets.iter().zip(&expected).find(|(answer, expected)| answer != expected);
            assert_eq!((differs, answer.buckets.len()), (None, expected.len()), "{level:?}");
        }
        let history = store.history();
        let last = |at: i64| self.0.iter().rfind(|(known, _)| *known <= at).copied();
        for at in [from, to, (from + to) / 2] {
            let answer = history.last_at(&thermometer(), "temperature", Timestamp(at)).await.unwrap();
            assert!(answer.exact && answer.troubles.is_empty());
            assert_eq!(answer.point.map(|point| point.at.0), last(at).map(|(at, _)| at));
        }
        let change = history.change(&thermometer(), "temperature", Timestamp(from), Timestamp(to)).await.unwrap();
        let counted: Vec<Decimal> = self
            .0
            .iter()
            .filter(|(at, _)| *at <= to && *at >= last(from).map_or(from + 1, |l| l.0))
            .map(|n| n.1)
            .collect();
        let increase: Decimal = counted.windows(2).map(|pair| (pair[1] - pair[0]).max(Decimal::ZERO)).sum();
        match change {
            Some(change) => {
                assert!(change.exact);
                // Where several samples have the first moment, the last of them is where it begins.
                assert_eq!(change.first.as_ref().map(|first| first.at.0), last(from).map(|(at, _)| at));
                assert_eq!(change.increase, increase);
            }
            None => assert_eq!(last(to), None),
        }
    }
}

#[tokio::test]
async fn no_answer_depends_on_where_a_sample_lies() {
    let (mut house, clock) = timed_house();
    house.settings.commit_every = Duration::ZERO;
    let mut dice = Dice(1);
    let mut store = house.open().await;
    let mut all: Vec<Sample> = Vec::new();
    let mut used = std::collections::HashSet::new();
    let (mut at, mut value) = (MONDAY, 215);
    for round in 0..24 {
        let mut batch = Vec::new();
        for _ in 0..dice.roll(400) + 1 {
            at += dice.roll(20 * MINUTE as u64) as i64;
            value += dice.roll(5) as i64 - 2;
            // Now and then something comes late, up to three days.
            let late = if dice.roll(40) == 0 { dice.roll(3 * DAY as u64) as i64 } else { 0 };
            // Two of one moment would stand in an order that a list does not know.
            if used.insert(at - late) {
                batch.push(number(at - late, value));
            }
        }
        clock.store(at, Ordering::SeqCst);
        for some in batch.chunks(37) {
            store.history().record(some.to_vec(), Urgency::Now).await.unwrap();
        }
        all.extend(batch);
        match round % 6 {
            1 | 3 => {
                store.history().compact_once().await.unwrap();
            }
            4 => {
                store.history().compact_once().await.unwrap();
                store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
            }
            5 => {
                store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
                store.close().await;
                store = house.open().await;
            }
            _ => {}
        }
        let naive = Naive::of(&all);
        naive.compare(&store, MONDAY - 4 * DAY, at + DAY).await;
        let from = at - dice.roll(5 * DAY as u64) as i64;
        naive.compare(&store, from, from + dice.roll(2 * DAY as u64) as i64).await;
    }
    assert!(count(&house, "SELECT count(*) FROM rollup").await > 10);
    assert!(count(&house, "SELECT count(*) FROM journal").await < 60);
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
    let usage = store.history().usage();
    assert_eq!(usage.block_samples, count(&house, "SELECT sum(samples) FROM block").await as u64);
    assert_eq!(usage.block_bytes, count(&house, "SELECT sum(length(sealed) + 60) FROM block").await as u64);
    assert_eq!(usage.rollup_bytes, count(&house, "SELECT sum(length(sealed) + 60) FROM rollup").await as u64);
}

#[tokio::test]
async fn values_of_all_kinds_come_back_as_they_were() {
    let house = House::new();
    let store = house.open().await;
    let mut samples = vec![
        said(5, Value::Text("открыто".into())),
        said(6, Value::Bool(true)),
        said(7, Value::Number(dec("21.50"))),
        said(8, Value::Number(Decimal::MAX)),
        said(9, Value::Bool(false)),
        said(9, Value::Text(String::new())),
    ];
    samples[2].quality = Quality::Suspect("LEAKAGE".into());
    samples[1].device_time = Some(Timestamp(3));
    store.history().record(samples.clone(), Urgency::Now).await.unwrap();
    let before = range(&store, 0, 100).await;
    assert_eq!(before.points.len(), 6);
    store.history().record(vec![sample(1)], Urgency::Now).await.unwrap();
    let done = store.history().compact_once().await.unwrap();
    assert_eq!((done.rows, done.samples, done.blocks), (1, 6, 3));
    let mut after = range(&store, 0, 100).await;
    // Of one moment and of two kinds: they lie in two blocks, and nothing says which was first.
    after.points.sort_by_key(|point| (point.at, matches!(point.value, Value::Text(_))));
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    let series = store.history().series().await.unwrap();
    assert_eq!(series.len(), 2);
}

#[tokio::test]
async fn what_a_reader_has_not_passed_stays_and_so_does_the_newest_row() {
    let mut house = House::new();
    house.settings.history.followers = vec!["ledger".into()];
    let store = house.open().await;
    for n in 0..10 {
        store.history().record(vec![sample(n), sample(n)], Urgency::Now).await.unwrap();
    }
    assert_eq!(store.history().compact_once().await.unwrap(), Compacted::default(), "it has read nothing yet");
    store.ledger().append(&[], Some(("ledger", Seq(9)))).await.unwrap();
    assert_eq!(store.history().compact_once().await.unwrap().rows, 4, "a row that is half read stays");
    let reopened = house.open().await;
    assert_eq!(reopened.history().after(Seq(0), 1).await.unwrap()[0].seq, Seq(9), "it goes on at what is left");
    drop(reopened);
    store.ledger().append(&[], Some(("ledger", Seq(20)))).await.unwrap();
    store.ledger().append(&[], Some(("other", Seq(14)))).await.unwrap();
    assert_eq!(store.history().compact_once().await.unwrap().rows, 3, "the slowest reader counts");
    store.ledger().append(&[], Some(("other", Seq(20)))).await.unwrap();
    assert_eq!(store.history().compact_once().await.unwrap().rows, 2);
    assert_eq!(count(&house, "SELECT count(*) FROM journal").await, 1);
    store.close().await;
    let store = house.open().await;
    assert_eq!(store.history().last_seq(), Seq(20));
    assert_eq!(store.history().record(vec![sample(1)], Urgency::Now).await.unwrap(), Seq(21));
    let mut follower = store.history().follow(Seq(3));
    let seqs: Vec<u64> = follower.next(100).await.unwrap().unwrap().iter().map(|recorded| recorded.seq.0).collect();
    assert_eq!(seqs, [19, 20, 21]);
}

#[tokio::test]
async fn samples_wait_for_the_clock_and_hold_up_nobody() {
    let house = House::new();
    let store = house.open().await;
    let boot = BootId(id());
    store.boots().begin(boot).await.unwrap();
    let mut early = number(0, 200);
    early.at = Moment::SinceBoot { boot, millis: 1500 };
    store.history().record(vec![number(5, 201), early], Urgency::Now).await.unwrap();
    store.history().record(vec![number(6, 202)], Urgency::Now).await.unwrap();
    store.history().record(vec![number(7, 203)], Urgency::Now).await.unwrap();
    assert_eq!(store.history().compact_once().await.unwrap().rows, 1);
    assert_eq!(range(&store, 0, 5000).await.points.len(), 3, "the undated one is nowhere in time");
    store.boots().settle(boot, Timestamp(1000)).await.unwrap();
    assert_eq!(range(&store, 0, 5000).await.points.last().unwrap().at, Timestamp(2500));
    assert_eq!(store.history().compact_once().await.unwrap().rows, 1);
    let times: Vec<i64> = range(&store, 0, 5000).await.points.iter().map(|point| point.at.0).collect();
    assert_eq!(times, [5, 6, 7, 2500]);
}

#[tokio::test]
async fn what_does_not_open_is_set_aside_told_and_stops_nothing() {
    let (house, clock) = timed_house();
    let store = house.open().await;
    for n in 0..6 {
        store.history().record(vec![number(MONDAY + n * DAY, 200 + n)], Urgency::Now).await.unwrap();
    }
    store.close().await;
    let mut raw = house.raw().await;
    sqlx::query("UPDATE journal SET sealed = zeroblob(60) WHERE id = 3").execute(&mut raw).await.unwrap();
    let store = house.open().await;
    let told = |stretch: Stretch| (stretch.points.len(), stretch.troubles.len());
    assert_eq!(told(range(&store, MONDAY, MONDAY + 9 * DAY).await), (5, 1));
    let done = store.history().compact_once().await.unwrap();
    assert_eq!((done.rows, done.set_aside), (4, 1));
    assert_eq!(store.history().compact_once().await.unwrap(), Compacted::default(), "it is not met again");
    let stretch = range(&store, MONDAY, MONDAY + 9 * DAY).await;
    assert!(stretch.troubles[0].what.starts_with("journal row 3"), "{stretch:?}");
    assert_eq!(told(stretch), (5, 1));
    assert_eq!(told(range(&store, MONDAY + 4 * DAY, MONDAY + 9 * DAY).await), (2, 0), "only where it lies");

    sqlx::query("UPDATE block SET sealed = zeroblob(60)").execute(&mut raw).await.unwrap();
    let stretch = range(&store, MONDAY, MONDAY + 9 * DAY).await;
    assert_eq!(stretch.points.len(), 1);
    assert!(stretch.troubles.iter().any(|trouble| trouble.what.starts_with("block row 1")), "{stretch:?}");
    // Blocks that are to be merged with it do without it.
    for n in 0..10 {
        store.history().record(vec![number(MONDAY + 6 * DAY + n, 300)], Urgency::Now).await.unwrap();
        store.history().compact_once().await.unwrap();
    }
    let aside: Vec<SetAside> = [("journal", 3), ("block", 1)].map(|(table, row)| SetAside { table, row }).into();
    assert_eq!(store.history().set_aside(10).await.unwrap(), aside);
    assert!(blocks(&house).await < 10, "they were merged");
    assert_eq!(range(&store, MONDAY + 6 * DAY, MONDAY + 9 * DAY).await.points.len(), 10);
    clock.store(MONDAY + 20 * DAY, Ordering::SeqCst);
    assert!(store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap().days > 0);
    sqlx::query("UPDATE rollup SET sealed = zeroblob(60) WHERE level = 2").execute(&mut raw).await.unwrap();
    let answer = rolled(&store, Level::Day, MONDAY - DAY, MONDAY + 9 * DAY).await;
    assert_eq!(answer.buckets.len(), 1, "the newest day is in the journal still");
    let whats = |answer: &Rolled| -> Vec<String> {
        let words = answer.troubles.iter().map(|trouble| trouble.what.split(' ').take(1).collect::<Vec<_>>().join(" "));
        words.collect()
    };
    // Rollups were made without the row and the block: whoever reads them hears of it.
    assert_eq!(whats(&answer), ["journal", "block", "rollup"], "{answer:?}");
    // The next day of the same chunk makes it anew from what samples are left; what did not open stays to be told.
    store.history().record(vec![number(MONDAY + 8 * DAY, 300)], Urgency::Now).await.unwrap();
    store.history().record(vec![number(MONDAY + 30 * DAY, 300)], Urgency::Now).await.unwrap();
    store.history().compact_once().await.unwrap();
    for _ in 0..2 {
        store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
    }
    let answer = rolled(&store, Level::Day, MONDAY - DAY, MONDAY + 9 * DAY).await;
    // The first five days went with their block and their row of the journal.
    assert_eq!((answer.buckets.len(), whats(&answer).len()), (3, 3), "{answer:?}");
    assert_eq!(store.history().set_aside(10).await.unwrap().len(), 3);
    let damaged = store.keys().verify(|_, _| {}).await.unwrap();
    let tables: Vec<&str> = damaged.iter().map(|damage| damage.table).collect();
    assert_eq!(tables, ["journal", "block", "rollup"]);
}

#[tokio::test]
async fn columns_that_say_something_else_are_noticed() {
    for trick in [
        "UPDATE block SET from_at = from_at - 1",
        "UPDATE block SET to_at = to_at + 1",
        "UPDATE block SET samples = samples + 1",
        "UPDATE block SET series = (SELECT max(id) FROM series)",
        "UPDATE rollup SET from_at = from_at - 30 * 86400000 WHERE level = 1",
        "UPDATE rollup SET series = (SELECT max(id) FROM series)",
    ] {
        let (house, clock) = timed_house();
        let store = house.open().await;
        for n in 0..5 {
            store.history().record(vec![number(MONDAY + n, 200)], Urgency::Now).await.unwrap();
        }
        store.history().record(vec![sample(1)], Urgency::Now).await.unwrap();
        store.history().compact_once().await.unwrap();
        clock.store(MONDAY + 3 * DAY, Ordering::SeqCst);
        store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
        assert_eq!(store.keys().verify(|_, _| {}).await.unwrap(), []);
        let mut raw = house.raw().await;
        sqlx::query(trick).execute(&mut raw).await.unwrap();
        assert!(!store.keys().verify(|_, _| {}).await.unwrap().is_empty(), "{trick}");
    }
}

#[tokio::test]
async fn a_power_cut_leaves_every_sample_once() {
    let house = House::new();
    let store = house.open().await;
    let mut dice = Dice(5);
    for round in 0..12 {
        for n in 0..dice.roll(30) + 2 {
            let at = MONDAY + round * DAY + n as i64;
            store.history().record(vec![number(at, 1), number(at + 50, 2)], Urgency::Now).await.unwrap();
        }
        // Cut at many points of its life, whatever they are on this machine.
        let history = store.history().clone();
        let compaction = tokio::spawn(async move { history.compact_once().await });
        tokio::time::sleep(Duration::from_micros(dice.roll(6000))).await;
        let seqs = store.history().last_seq().0 as usize;
        assert_eq!(range(&store, 0, i64::MAX).await.points.len(), seqs, "also while it goes on");
        let settings = house.cut(&format!("cut {round}"));
        compaction.abort();
        let _ = compaction.await;
        let survivor = Store::open(&settings, &house.master).await.unwrap();
        assert_eq!(range(&survivor, 0, i64::MAX).await.points.len(), seqs);
        assert_eq!(range(&store, 0, i64::MAX).await.points.len(), seqs);
    }
}

#[tokio::test]
async fn an_import_is_taken_once() {
    let (house, _clock) = timed_house();
    let store = house.open().await;
    let recorded: Vec<Sample> = (0..50).map(|n| number(MONDAY + n * MINUTE, n)).collect();
    store.history().record(recorded[..25].to_vec(), Urgency::Now).await.unwrap();
    store.history().record(recorded[25..].to_vec(), Urgency::Now).await.unwrap();
    store.history().compact_once().await.unwrap();
    let mut samples: Vec<Sample> = (-100..100).map(|n| number(MONDAY + n * MINUTE, n)).collect();
    samples.reverse();
    samples.push(samples[0].clone());
    let mut other = samples[0].clone();
    other.property = "battery".into();
    samples.extend([other.clone(), other]);
    // The same number with more zeros is the same.
    samples[120].value = Value::Number(dec("-2.100"));
    let imported = store.history().import(samples.clone()).await.unwrap();
    assert_eq!(imported, Imported { kept: 151, duplicates: 52 });
    assert_eq!(store.history().import(samples).await.unwrap(), Imported { kept: 0, duplicates: 203 });
    assert_eq!(range(&store, 0, i64::MAX).await.points.len(), 200);
    let all: Vec<Sample> = (-100..100).map(|n| number(MONDAY + n * MINUTE, n)).collect();
    Naive::of(&all).compare(&store, MONDAY - DAY, MONDAY + DAY).await;
    let mut undated = number(0, 0);
    undated.at = Moment::SinceBoot { boot: BootId(id()), millis: 5 };
    for bad in [undated, number(-1, 0), number(i64::MAX, 0)] {
        assert!(matches!(store.history().import(vec![bad]).await, Err(StoreError::Conflict { .. })));
    }
    let too_many = vec![number(1, 1); IMPORT_LIMIT + 1];
    assert!(matches!(store.history().import(too_many).await, Err(StoreError::TooLarge { .. })));
    // What is taken away is what was brought in.
    let mut export = store.history().export(None, Timestamp(0), Timestamp(i64::MAX));
    let mut points = 0;
    while let Some(page) = export.next().await.unwrap() {
        points += page.points.len();
    }
    assert_eq!(points, 201);
}

#[tokio::test]
async fn the_oldest_goes_first_and_what_was_rolled_stays() {
    let (mut house, clock) = timed_house();
    house.settings.history.raw = Budget { bytes: 1 << 30, days: 10 };
    house.settings.history.five_minutes = Budget { bytes: 1 << 30, days: 20 };
    let store = house.open().await;
    let mut all = Vec::new();
    let mut counter = Vec::new();
    for day in 0..40 {
        let samples: Vec<Sample> =
            (0..100).map(|n| number(MONDAY + day * DAY + n * 10 * MINUTE, 200 + (day * 7 + n) % 13)).collect();
        let mut registers: Vec<Sample> =
            (0..100).map(|n| number(MONDAY + day * DAY + n * 10 * MINUTE, day * 100 + n)).collect();
        registers.iter_mut().for_each(|sample| (sample.property, sample.unit) = ("total".into(), Unit::CubicMetre));
        store.history().record(samples.clone(), Urgency::Now).await.unwrap();
        store.history().record(registers.clone(), Urgency::Now).await.unwrap();
        all.extend(samples);
        counter.extend(registers);
        store.history().compact_once().await.unwrap();
    }
    let now = MONDAY + 40 * DAY;
    clock.store(now, Ordering::SeqCst);
    assert_eq!(store.history().thin_once().await.unwrap(), Thinned::default(), "nothing is rolled yet");
    store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
    let naive = Naive::of(&all);
    naive.compare(&store, MONDAY - DAY, now).await;
    let thinned = store.history().thin_once().await.unwrap();
    assert!(thinned.blocks > 0 && thinned.rollups > 0, "{thinned:?}");
    let stretch = range(&store, 0, now).await;
    let since = stretch.raw_since.unwrap().0;
    assert!((now - 12 * DAY..now - 9 * DAY).contains(&since) || since < now - 9 * DAY, "{since}");
    assert!(stretch.points.first().unwrap().at.0 >= MONDAY + 10 * DAY);
    for level in [Level::Hour, Level::Day] {
        assert!(rolled(&store, level, 0, now).await.buckets == naive.rolled(level, 0, now));
    }
    let five = rolled(&store, Level::FiveMinutes, 0, now).await.buckets;
    assert!(five[0].from.0 >= now - 21 * DAY && five[0].from.0 < now - 19 * DAY);
    let history = store.history();
    let device = thermometer();
    let of_register = history.rolled(&device, "total", Level::FiveMinutes, Timestamp(0), Timestamp(now));
    assert!(of_register.await.unwrap().buckets == Naive::of(&counter).rolled(Level::FiveMinutes, 0, now));
    let (from, to) = (Timestamp(MONDAY + 5 * DAY), Timestamp(MONDAY + 8 * DAY));
    let change = history.change(&thermometer(), "total", from, to).await.unwrap().unwrap();
    assert!(!change.exact);
    assert_eq!(change.increase, dec("30"), "a sample at the very end is not in what is rolled before it: {change:?}");
    // What comes late for a day that is gone adds what is missing and counts nothing twice.
    let late = vec![number(MONDAY + 2 * DAY + 99 * 10 * MINUTE + 60 * MINUTE, 999), number(MONDAY - 20 * DAY, 5)];
    for _ in 0..2 {
        store.history().import(late.clone()).await.unwrap();
        store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
        let days = rolled(&store, Level::Day, 0, now).await.buckets;
        assert_eq!(days[0].max, dec("0.5"));
        assert_eq!(days.iter().map(|bucket| bucket.count).sum::<u64>(), 4001);
        assert_eq!(days.iter().map(|bucket| bucket.max).max(), Some(dec("99.9")));
        store.history().thin_once().await.unwrap();
    }
}

#[tokio::test]
async fn budgets_in_bytes_are_kept() {
    let (mut house, clock) = timed_house();
    house.settings.history.raw.bytes = 20_000;
    house.settings.history.five_minutes.bytes = 10_000;
    house.settings.history.hours.bytes = 5_000;
    let store = house.open().await;
    let mut dice = Dice(3);
    for day in 0..60 {
        let samples = (0..144).map(|n| number(MONDAY + day * DAY + n * 10 * MINUTE, dice.roll(100) as i64)).collect();
        store.history().record(samples, Urgency::Now).await.unwrap();
        clock.store(MONDAY + (day + 1) * DAY, Ordering::SeqCst);
        store.history().compact_once().await.unwrap();
        store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
        store.history().thin_once().await.unwrap();
        let usage = store.history().usage();
        assert!(usage.block_bytes <= 20_000 && usage.rollup_bytes < 20_000, "{usage:?}");
    }
    assert_eq!(rolled(&store, Level::Day, 0, i64::MAX).await.buckets.len(), 61, "days are kept");
    assert!(store.history().usage().block_samples > 3000);
}

#[tokio::test]
async fn the_keeper_does_it_by_itself() {
    let mut house = House::new();
    house.settings.history.compact_over = 100;
    let store = house.open().await;
    for n in 0..300 {
        store.history().record(vec![number(MONDAY + n, n)], Urgency::Now).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(60), async {
        while store.history().usage().block_samples < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(range(&store, 0, i64::MAX).await.points.len(), 300);
    store.close().await;
}
