//! Tests of history's own work: what it does with late samples where others are gone, with damage, with a clock that
//! nobody trusts, and that nobody waits for it.

use super::*;

const COUNTER: &str = "energy";

/// The midnight before, three hours ahead of UTC.
const MIDNIGHT: i64 = MONDAY - 3 * 3_600_000;

/// A counter of some unit that is no meter's.
fn counted(at: i64, value: i64) -> Sample {
    let mut sample = said(at, Value::Number(Decimal::from(value)));
    (sample.property, sample.unit) = (COUNTER.into(), Unit::None);
    sample
}

async fn counter(store: &Store, level: Level) -> Vec<Bucket> {
    let history = store.history();
    let answer = history.rolled(&thermometer(), COUNTER, level, Timestamp(0), Timestamp(i64::MAX)).await.unwrap();
    assert_eq!(answer.troubles, []);
    answer.buckets
}

fn total(buckets: &[Bucket]) -> Decimal {
    buckets.iter().map(|bucket| bucket.increase).sum()
}

async fn keep_in_order(store: &Store, clock: &AtomicI64) {
    let history = store.history();
    history.compact_once().await.unwrap();
    history.roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
    history.thin_once().await.unwrap();
}

/// Forty days of a counter that rises by one an hour; all but the last ten are thinned out.
async fn thinned_counter(house: &mut House, clock: &AtomicI64) -> Store {
    house.settings.history.raw = Budget { bytes: 1 << 30, days: 10 };
    let store = house.open().await;
    for day in 0..40 {
        let samples = (0..24).map(|n| counted(MIDNIGHT + day * DAY + n * 60 * MINUTE, day * 24 + n)).collect();
        // Each day in a block of its own.
        store.history().import(samples).await.unwrap();
    }
    clock.store(MONDAY + 40 * DAY, Ordering::SeqCst);
    keep_in_order(&store, clock).await;
    store
}

#[tokio::test]
async fn what_comes_late_where_samples_are_gone_is_counted_once() {
    let (mut house, clock) = timed_house();
    let store = thinned_counter(&mut house, &clock).await;
    let mut before = Vec::new();
    for level in [Level::FiveMinutes, Level::Hour, Level::Day] {
        before.push(counter(&store, level).await);
        assert_eq!(total(&before[before.len() - 1]), dec("959"));
    }
    // In an interval of five minutes that has one sample: one other, and two. In one that has none. All between two that
    // are known. At the level of a day none of it is new.
    let day = MIDNIGHT + 5 * DAY;
    let late = vec![
        counted(day + MINUTE, 125),
        counted(day + 61 * MINUTE, 119),
        counted(day + 62 * MINUTE, 122),
        counted(day + 90 * MINUTE, 121),
        counted(day + 91 * MINUTE, 122),
    ];
    for _ in 0..2 {
        store.history().import(late.clone()).await.unwrap();
        keep_in_order(&store, &clock).await;
        for (level, before) in [Level::FiveMinutes, Level::Hour, Level::Day].into_iter().zip(&before) {
            let mut after = counter(&store, level).await;
            assert_eq!(total(&after), dec("959"), "{level:?}");
            let wider = |at: i64, buckets: &[Bucket]| {
                let bucket = buckets.iter().rfind(|bucket| bucket.from.0 <= at).unwrap().clone();
                (bucket.count, bucket.min, bucket.max, bucket.last, bucket.mean)
            };
            if level == Level::FiveMinutes {
                assert_eq!(wider(day, &after), (1, dec("120"), dec("125"), dec("120"), dec("120")));
                assert_eq!(wider(day + 60 * MINUTE, &after), (1, dec("119"), dec("122"), dec("121"), dec("121")));
                let new = wider(day + 90 * MINUTE, &after);
                assert_eq!(new, (2, dec("121"), dec("122"), dec("122"), dec("121.5")));
                after.retain(|bucket| bucket.from.0 != day + 90 * MINUTE);
            }
            assert_eq!(after.len(), before.len());
            assert_eq!(after.iter().map(|bucket| bucket.count).sum::<u64>(), 960);
        }
    }
}

#[tokio::test]
async fn a_past_that_is_brought_in_bit_by_bit_counts_in_full() {
    let (mut house, clock) = timed_house();
    let store = thinned_counter(&mut house, &clock).await;
    // Sixty days before the first sample, in three parts, the middle one last, each thinned out before the next comes.
    for part in [0i64, 2, 1] {
        let hours = (part * 480..(part + 1) * 480).map(|n| counted(MIDNIGHT - 60 * DAY + n * 60 * MINUTE, n - 1440));
        store.history().import(hours.collect()).await.unwrap();
        keep_in_order(&store, &clock).await;
        assert_eq!(range_of_counter(&store, 0, MONDAY).await, 0);
    }
    for level in [Level::FiveMinutes, Level::Hour, Level::Day] {
        let buckets = counter(&store, level).await;
        assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 2400);
        // The middle part was counted as one rise by the part behind it; what began the series counted from itself.
        assert_eq!(total(&buckets), dec("2398"), "{level:?}");
    }
}

async fn range_of_counter(store: &Store, from: i64, to: i64) -> usize {
    let (from, to) = (Timestamp(from), Timestamp(to));
    store.history().range(&thermometer(), COUNTER, from, to, 1_000_000).await.unwrap().points.len()
}

#[tokio::test]
async fn an_increase_counts_from_the_newest_that_is_known() {
    let (mut house, clock) = timed_house();
    let store = thinned_counter(&mut house, &clock).await;
    let since = store.history().range(&thermometer(), COUNTER, Timestamp(0), Timestamp(i64::MAX), 1).await.unwrap();
    let since = since.raw_since.unwrap().0;
    // An old sample stands alone long before the first day that has all of its own; then that day is rolled again.
    store.history().import(vec![counted(MONDAY + 100, 0)]).await.unwrap();
    let first_day = MIDNIGHT + ((since - MIDNIGHT) / DAY + 1) * DAY;
    let known = counter(&store, Level::Day).await.into_iter().find(|bucket| bucket.from.0 == first_day).unwrap();
    assert_eq!(known.increase, dec("24"));
    store.history().import(vec![counted(first_day + 23 * 3_600_000 + 30 * MINUTE, 5)]).await.unwrap();
    store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
    let again = counter(&store, Level::Day).await.into_iter().find(|bucket| bucket.from.0 == first_day).unwrap();
    assert_eq!((again.count, again.increase), (25, dec("24")));
}

#[tokio::test]
async fn the_day_behind_a_late_sample_counts_from_it() {
    let (house, clock) = timed_house();
    let store = house.open().await;
    // One block that spans a week and has nothing in its middle.
    store.history().record(vec![counted(MONDAY, 10), counted(MONDAY + 7 * DAY, 30)], Urgency::Now).await.unwrap();
    store.history().record(vec![number(0, 0)], Urgency::Now).await.unwrap();
    clock.store(MONDAY + 20 * DAY, Ordering::SeqCst);
    keep_in_order(&store, &clock).await;
    store.history().import(vec![counted(MONDAY + 3 * DAY, 25)]).await.unwrap();
    keep_in_order(&store, &clock).await;
    let increases: Vec<Decimal> = counter(&store, Level::Day).await.into_iter().map(|bucket| bucket.increase).collect();
    assert_eq!(increases, [dec("0"), dec("15"), dec("5")]);
}

#[tokio::test]
async fn what_is_rolled_outlives_a_block_that_does_not_open() {
    let (house, clock) = timed_house();
    let store = house.open().await;
    let samples = (0..48).map(|n| counted(MONDAY + n * 60 * MINUTE, n)).collect();
    store.history().record(samples, Urgency::Now).await.unwrap();
    store.history().record(vec![number(0, 0)], Urgency::Now).await.unwrap();
    clock.store(MONDAY + 20 * DAY, Ordering::SeqCst);
    keep_in_order(&store, &clock).await;
    let before = counter(&store, Level::Hour).await;
    let mut raw = house.raw().await;
    sqlx::query("UPDATE block SET sealed = zeroblob(60)").execute(&mut raw).await.unwrap();
    store.history().import(vec![counted(MONDAY + 90 * MINUTE, 40)]).await.unwrap();
    store.history().roll_at(Timestamp(clock.load(Ordering::SeqCst))).await.unwrap();
    let mut widened = before.clone();
    widened[1].max = dec("40");
    let (device, all) = (thermometer(), (Timestamp(0), Timestamp(i64::MAX)));
    let answer = store.history().rolled(&device, COUNTER, Level::Hour, all.0, all.1).await.unwrap();
    assert_eq!(answer.buckets, widened);
    assert_eq!(answer.troubles.len(), 1, "it may be made without what does not open: {answer:?}");
    let aside = store.history().set_aside(10).await.unwrap();
    assert_eq!(aside, [SetAside { table: "block", row: 1 }], "the pass has noted it");
}

#[tokio::test]
async fn a_series_without_its_name_waits_and_holds_up_no_other() {
    let (mut house, clock) = timed_house();
    house.settings.history.raw = Budget { bytes: 1 << 30, days: 10 };
    house.settings.history.five_minutes = Budget { bytes: 1 << 30, days: 20 };
    let store = house.open().await;
    let mut meter = counted(MONDAY, 1);
    meter.unit = Unit::CubicMetre;
    store.history().record(vec![meter.clone(), number(MONDAY, 1)], Urgency::Now).await.unwrap();
    store.history().record(vec![number(MONDAY + 50 * DAY, 2)], Urgency::Now).await.unwrap();
    clock.store(MONDAY + 2 * DAY, Ordering::SeqCst);
    keep_in_order(&store, &clock).await;
    // Another day of both, which is not rolled yet when the name is lost.
    meter.at = Moment::Wall(Timestamp(MONDAY + DAY));
    store.history().import(vec![meter.clone(), number(MONDAY + DAY, 1)]).await.unwrap();
    store.close().await;
    let mut raw = house.raw().await;
    sqlx::query("UPDATE series SET sealed = zeroblob(60) WHERE id = 1").execute(&mut raw).await.unwrap();
    let store = house.open().await;
    clock.store(MONDAY + 60 * DAY, Ordering::SeqCst);
    keep_in_order(&store, &clock).await;
    assert_eq!(
        count(&house, "SELECT count(*) FROM roll_due WHERE series = 1").await,
        1,
        "it is rolled once it has a name"
    );
    assert_eq!(count(&house, "SELECT count(*) FROM block WHERE series = 1").await, 1, "and what waits for that stays");
    assert_eq!(count(&house, "SELECT count(*) FROM block WHERE series = 2 AND to_at < 1795000000000").await, 0);
    assert_eq!(
        count(&house, "SELECT count(*) FROM rollup WHERE series = 1 AND level = 0").await,
        1,
        "it may be a register"
    );
    assert_eq!(count(&house, "SELECT count(*) FROM rollup WHERE series = 2 AND level = 0").await, 0);
    // It is heard of again, and all is made up for.
    meter.at = Moment::Wall(Timestamp(MONDAY + 59 * DAY));
    store.history().record(vec![meter], Urgency::Now).await.unwrap();
    keep_in_order(&store, &clock).await;
    assert_eq!(count(&house, "SELECT count(*) FROM roll_due WHERE series = 1 AND day_at < 1794000000000").await, 0);
    assert_eq!(count(&house, "SELECT count(*) FROM rollup WHERE series = 1 AND level = 0").await, 2);
}

#[tokio::test]
async fn what_a_meter_is_bound_to_is_a_register_without_a_unit_too() {
    let (mut house, clock) = timed_house();
    house.settings.history.five_minutes = Budget { bytes: 4000, days: 20 };
    let store = house.open().await;
    let account = account();
    store.register().save_account(&account).await.unwrap();
    let mut point = point(&account);
    point.binding =
        Some(Binding { device: thermometer(), registers: vec![(Tariff::T1, COUNTER.into())], unit: Some(Unit::Litre) });
    store.register().save_point(&point).await.unwrap();
    for day in 0..40 {
        let at = |n: i64| MONDAY + day * DAY + n * 10 * MINUTE;
        let both = (0..100).flat_map(|n| [counted(at(n), day * 100 + n), number(at(n), n * n % 37)]).collect();
        store.history().import(both).await.unwrap();
    }
    clock.store(MONDAY + 42 * DAY, Ordering::SeqCst);
    keep_in_order(&store, &clock).await;
    assert_eq!(counter(&store, Level::FiveMinutes).await.len(), 4000);
    // What stays whatever it takes leaves the others their room.
    let others = rolled(&store, Level::FiveMinutes, 0, i64::MAX).await.buckets;
    assert!((500..2200).contains(&others.len()), "{}", others.len());
}

#[tokio::test]
async fn what_cannot_go_is_looked_at_once() {
    let (mut house, _clock) = timed_house();
    house.settings.history.compact_over = 100;
    let store = house.open().await;
    let history = store.history();
    let boot = BootId(id());
    store.boots().begin(boot).await.unwrap();
    for n in 0..300 {
        let mut early = number(0, n);
        early.at = Moment::SinceBoot { boot, millis: n };
        history.record(vec![early], Urgency::Now).await.unwrap();
    }
    history.compact_once().await.unwrap();
    assert_eq!(count(&house, "SELECT count(*) FROM journal").await, 300, "nobody knows their time");
    assert!(!history.is_compaction_due().await.unwrap());
    // A commit that is larger than what is due.
    history.record((0..300).map(|n| number(MONDAY + n, n)).collect(), Urgency::Now).await.unwrap();
    history.compact_once().await.unwrap();
    assert!(!history.is_compaction_due().await.unwrap(), "the newest row stays");
    history.record(vec![number(MONDAY, 1)], Urgency::Now).await.unwrap();
    assert!(history.is_compaction_due().await.unwrap());
    history.compact_once().await.unwrap();
    assert!(!history.is_compaction_due().await.unwrap());
    // The tally is lost.
    store.close().await;
    let mut raw = house.raw().await;
    sqlx::query("UPDATE history_mark SET sealed = zeroblob(60) WHERE id = 1").execute(&mut raw).await.unwrap();
    let store = house.open().await;
    store.history().compact_once().await.unwrap();
    assert!(!store.history().is_compaction_due().await.unwrap());
    // Once their time is known they go.
    store.boots().settle(boot, Timestamp(MONDAY)).await.unwrap();
    store.history().compact_once().await.unwrap();
    assert_eq!(count(&house, "SELECT count(*) FROM journal").await, 1);
}

#[tokio::test]
async fn long_texts_are_written_into_blocks_a_few_times_at_most() {
    let (house, _clock) = timed_house();
    let store = house.open().await;
    let mut dice = Dice(9);
    let mut written = 0u64;
    let mut kept = 0;
    for n in 0..24 {
        // No two of them alike, and nothing in them for the packer.
        let text: String = (0..100_000).map(|_| char::from(b' ' + dice.roll(95) as u8)).collect();
        kept += text.len() as u64;
        store.history().record(vec![said(MONDAY + n, Value::Text(text))], Urgency::Now).await.unwrap();
        let done = store.history().compact_once().await.unwrap();
        written += done.bytes;
    }
    assert!(written < 3 * kept, "{written} bytes of blocks for {kept} of texts");
    assert!(blocks(&house).await < 10, "they are merged");
    assert_eq!(range(&store, 0, i64::MAX).await.points.len(), 24);
}

#[tokio::test]
async fn who_reads_for_long_holds_up_nobody_who_commits() {
    let (house, clock) = timed_house();
    let store = house.open().await;
    clock.store(MONDAY + 200 * DAY, Ordering::SeqCst);
    for round in 0..4 {
        store.history().record(vec![number(MONDAY + round * DAY, 1)], Urgency::Now).await.unwrap();
        store.history().record(vec![number(MONDAY + round * DAY + 1, 1)], Urgency::Now).await.unwrap();
        let held = store.history().read_on().await;
        let history = store.history().clone();
        let work = tokio::spawn(async move {
            match round {
                0 => drop(history.compact_once().await.unwrap()),
                1 => {
                    let mut news = counted(MONDAY, 1);
                    news.property = "of a new series".into();
                    history.import(vec![news]).await.map(drop).unwrap();
                }
                2 => drop(history.roll_at(Timestamp(MONDAY + 200 * DAY)).await.unwrap()),
                _ => drop(history.thin_once().await.unwrap()),
            }
        });
        let hour = Duration::from_secs(3600);
        tokio::time::timeout(hour, async {
            while !store.history().readers_are_waited_for() {
                assert!(!work.is_finished(), "round {round}: it had nothing to do");
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        // A series of its own: also its number is to be had.
        let mut hazard = number(MONDAY + round, 1);
        hazard.property = format!("smoke {round}");
        let kept = store.history().record(vec![hazard], Urgency::Now);
        tokio::time::timeout(Duration::from_secs(60), kept).await.expect("it waits for the reader").unwrap();
        drop(held);
        work.await.unwrap();
    }
}

#[tokio::test]
async fn budgets_of_bytes_hold_while_nobody_trusts_the_clock() {
    let mut house = House::new();
    house.settings.history.raw.bytes = 10_000;
    let store = house.open().await;
    let mut dice = Dice(4);
    for day in 0..60 {
        let samples = (0..144).map(|n| number(MONDAY + day * DAY + n * 10 * MINUTE, dice.roll(100) as i64)).collect();
        store.history().import(samples).await.unwrap();
    }
    store.history().look_once().await.unwrap();
    let usage = store.history().usage();
    assert!(usage.block_bytes <= 10_000, "{usage:?}");
    assert!(usage.block_samples > 1000, "{usage:?}");
}

#[tokio::test]
async fn an_import_finds_what_is_there_in_blocks_that_overlap() {
    let (house, _clock) = timed_house();
    let store = house.open().await;
    // Each part spans all the time there is, so that all their blocks lie over one another; some moments have many values.
    let parts: Vec<Vec<Sample>> = (0..20)
        .map(|part| (0..200).map(|n| number(MONDAY + (n / 4) * 20 * MINUTE + part % 7, part * 1000 + n)).collect())
        .collect();
    for part in &parts {
        let imported = store.history().import(part.clone()).await.unwrap();
        assert_eq!(imported, Imported { kept: 200, duplicates: 0 });
    }
    for part in &parts {
        let imported = store.history().import(part.clone()).await.unwrap();
        assert_eq!(imported, Imported { kept: 0, duplicates: 200 });
    }
    assert_eq!(range(&store, 0, i64::MAX).await.points.len(), 4000);
}

#[tokio::test]
async fn what_a_device_said_is_erased_and_stays_so_and_the_others_keep_theirs() {
    let (house, clock) = timed_house();
    let store = house.open().await;
    let history = store.history();
    let other = |at: i64| {
        let mut sample = counted(at, 7);
        sample.device = DeviceRef::new("zigbee2mqtt", "another");
        sample
    };
    for n in 0..20 {
        let at = MIDNIGHT + n * 60 * MINUTE;
        history.record(vec![counted(at, n), other(at)], Urgency::Now).await.unwrap();
    }
    clock.store(MONDAY + 3 * DAY, Ordering::SeqCst);
    keep_in_order(&store, &clock).await;
    // What came since lies in the journal among the samples of others.
    history.record(vec![counted(MONDAY + DAY, 21), other(MONDAY + DAY)], Urgency::Now).await.unwrap();
    let erased = history.erase(&thermometer()).await.unwrap();
    assert!(erased >= 19, "{erased}");
    let all = async |store: &Store, device: &DeviceRef| {
        let found = store.history().range(device, COUNTER, Timestamp(0), Timestamp(i64::MAX), 1000).await.unwrap();
        assert_eq!(found.troubles, []);
        found.points.len()
    };
    let another = DeviceRef::new("zigbee2mqtt", "another");
    assert_eq!((all(&store, &thermometer()).await, all(&store, &another).await), (0, 21));
    assert_eq!(counter(&store, Level::Hour).await, []);
    assert_eq!(history.erase(&thermometer()).await.unwrap(), 0, "there is nothing left of it");
    let names =
        |series: Vec<SeriesInfo>| series.into_iter().map(|one| one.device).collect::<std::collections::HashSet<_>>();
    assert_eq!(names(history.series().await.unwrap()), std::collections::HashSet::from([another.clone()]));

    // A device that speaks again begins anew, and what was erased does not come back with it, nor after a restart.
    history.record(vec![counted(MONDAY + 2 * DAY, 1)], Urgency::Now).await.unwrap();
    assert_eq!(all(&store, &thermometer()).await, 1);
    store.close().await;
    let store = house.open().await;
    let history = store.history();
    history.compact_once().await.unwrap();
    history.look_once().await.unwrap();
    assert_eq!((all(&store, &thermometer()).await, all(&store, &another).await), (1, 21));
    assert_eq!(store.keys().verify(|_, _| {}).await.unwrap().len(), 0, "no row is damaged");
    let left = history.usage().block_samples + history.usage().journal_samples;
    assert!(left <= 22 + 2, "what lay in the journal went when it became blocks: {left}");
}
