//! Tests of what is asked of old history where samples were thinned out, do not open, or lie over one another.

use super::*;

const PROPERTY: &str = "temperature";

async fn change(store: &Store, from: i64, to: i64) -> Change {
    store.history().change(&thermometer(), PROPERTY, Timestamp(from), Timestamp(to)).await.unwrap().unwrap()
}

async fn counted(store: &Store, from: i64, to: i64) -> Decimal {
    let change = store.history().change(&thermometer(), PROPERTY, Timestamp(from), Timestamp(to)).await.unwrap();
    change.map_or(Decimal::ZERO, |change| change.increase)
}

async fn last_at(store: &Store, at: i64) -> Latest {
    store.history().last_at(&thermometer(), PROPERTY, Timestamp(at)).await.unwrap()
}

/// Forty days, of which the last have samples and twenty have rollups of five minutes. A counter that is replaced now and then.
async fn thinned_house() -> (House, Store, Vec<Sample>) {
    let (mut house, clock) = timed_house();
    house.settings.history.raw = Budget { bytes: 1 << 30, days: 3 };
    house.settings.history.five_minutes = Budget { bytes: 1 << 30, days: 20 };
    let store = house.open().await;
    let mut all = Vec::new();
    for day in 0..40 {
        let samples: Vec<Sample> =
            (0..100).map(|n| number(MONDAY + day * DAY + n * 10 * MINUTE, 100 + (day * 100 + n) % 730)).collect();
        store.history().record(samples.clone(), Urgency::Now).await.unwrap();
        all.extend(samples);
        store.history().compact_once().await.unwrap();
    }
    clock.store(MONDAY + 40 * DAY, Ordering::SeqCst);
    store.history().roll_at(Timestamp(MONDAY + 40 * DAY)).await.unwrap();
    store.history().thin_once().await.unwrap();
    (house, store, all)
}

fn number_of(point: &Option<Point>) -> Option<Decimal> {
    point.as_ref().and_then(|point| point.value.number())
}

#[tokio::test]
async fn where_samples_are_gone_the_last_value_comes_from_rollups_and_says_so() {
    let (_house, store, all) = thinned_house().await;
    for (at, within) in [
        // Rollups of an hour, of five minutes, and samples.
        (MONDAY + 5 * DAY + 8 * 60 * MINUTE + 30 * MINUTE, 60 * MINUTE),
        (MONDAY + 5 * DAY + 23 * 60 * MINUTE, 60 * MINUTE),
        (MONDAY + 22 * DAY + 8 * 60 * MINUTE + 17 * MINUTE, 5 * MINUTE),
        (MONDAY + 38 * DAY + 8 * 60 * MINUTE + 17 * MINUTE, 0),
    ] {
        let answer = last_at(&store, at).await;
        let point = answer.point.clone().unwrap();
        assert_eq!((answer.exact, answer.troubles.len()), (within == 0, 0), "{answer:?}");
        assert!(point.at.0 <= at, "nothing of afterwards");
        // What stood at the time that is said.
        let stood = all.iter().rfind(|sample| sample.at.wall().unwrap() <= point.at).unwrap();
        assert_eq!(point.value, stood.value);
        let newest = all.iter().rfind(|sample| sample.at.wall().unwrap().0 <= at).unwrap();
        assert!(within == 0 || newest.at.wall().unwrap().0 < point.at.0 + within, "as late as the rollups are fine");
    }
    let before = last_at(&store, MONDAY - DAY).await;
    assert_eq!((before.point, before.exact), (None, false), "nobody knows what was there");
}

#[tokio::test]
async fn a_change_of_years_adds_up_from_days_and_is_as_fine_as_can_be_at_its_ends() {
    let (_house, store, all) = thinned_house().await;
    let numbers: Vec<Decimal> = all.iter().map(|sample| sample.value.number().unwrap()).collect();
    let rises: Decimal = numbers.windows(2).map(|pair| (pair[1] - pair[0]).max(Decimal::ZERO)).sum();
    let falls = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count() as u32;
    let whole = change(&store, 0, MONDAY + 4000 * DAY).await;
    assert_eq!((whole.increase, whole.resets, whole.exact), (rises, falls, false), "{whole:?}");
    assert_eq!(number_of(&whole.last), numbers.last().copied());
    let hour = 60 * MINUTE;
    // Borders of hours, of five minutes, and any; the parts add up to the whole wherever it is cut.
    for (from, to) in
        [(0, 40 * 24 * hour), (2 * DAY + 5 * hour, 25 * DAY + 7 * hour + 12 * MINUTE), (3 * DAY, 3 * DAY + hour)]
    {
        let (from, to) = (MONDAY + from, MONDAY + to);
        let whole = change(&store, from, to).await;
        for cut in [from, from + 1, from + (to - from) / 3, from + (to - from) / 2, to] {
            // Before its first interval nothing is known: that is nothing to add.
            let (left, right) = (counted(&store, from, cut).await, counted(&store, cut, to).await);
            assert_eq!(left + right, whole.increase, "{from} {cut} {to}");
        }
    }
    // At borders that both ends have it is what the samples said.
    let at = |border: i64| numbers[all.iter().rposition(|sample| sample.at.wall().unwrap().0 < border).unwrap()];
    for (from, to) in
        [(MONDAY + 2 * DAY + 5 * hour, MONDAY + 4 * DAY + 7 * hour), (MONDAY + DAY, MONDAY + DAY + 3 * hour)]
    {
        let found = change(&store, from - 1, to - 1).await;
        assert_eq!(number_of(&found.first), Some(at(from)));
        assert_eq!(number_of(&found.last), Some(at(to)));
        let inside = all.iter().zip(&numbers).filter(|(sample, _)| sample.at.wall().unwrap().0 < to);
        let from_first = inside.skip_while(|(sample, _)| sample.at.wall().unwrap().0 < from).map(|(_, number)| *number);
        let counted: Vec<Decimal> = std::iter::once(at(from)).chain(from_first).collect();
        let rises: Decimal = counted.windows(2).map(|pair| (pair[1] - pair[0]).max(Decimal::ZERO)).sum();
        assert_eq!(found.increase, rises);
    }
}

#[tokio::test]
async fn rollups_say_since_when_they_are_kept() {
    let (_house, store, all) = thinned_house().await;
    let (from, to) = (MONDAY - DAY, MONDAY + 41 * DAY);
    let five = rolled(&store, Level::FiveMinutes, from, to).await;
    let since = five.since.unwrap().0;
    assert_eq!(five.buckets[0].from.0 / DAY, since / DAY);
    assert!((MONDAY + 19 * DAY..=MONDAY + 21 * DAY).contains(&since), "{since}");
    assert_eq!(rolled(&store, Level::FiveMinutes, since, to).await.since, None, "nothing is missing behind it");
    for level in [Level::Hour, Level::Day] {
        assert_eq!(rolled(&store, level, from, to).await.since, None);
    }
    assert!(rolled(&store, Level::Hour, from, to).await.buckets == Naive::of(&all).rolled(Level::Hour, from, to));
}

#[tokio::test]
async fn what_does_not_open_is_never_answered_exactly() {
    let house = House::new();
    let store = house.open().await;
    for n in 0..6 {
        store.history().record(vec![number(MONDAY + n * DAY, 200 + n)], Urgency::Now).await.unwrap();
        // A block for each.
        store.history().record(vec![sample(n)], Urgency::Now).await.unwrap();
        store.history().compact_once().await.unwrap();
    }
    let mut raw = house.raw().await;
    let damage = format!("UPDATE block SET sealed = zeroblob(60) WHERE from_at = {}", MONDAY + 3 * DAY);
    sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&mut raw).await.unwrap();
    let hour = 60 * MINUTE;
    let older = last_at(&store, MONDAY + 3 * DAY + hour).await;
    assert_eq!(number_of(&older.point), Some(dec("20.2")));
    assert_eq!((older.exact, older.troubles.len()), (false, 1), "a later one may have been there: {older:?}");
    let beside = last_at(&store, MONDAY + 4 * DAY + hour).await;
    assert_eq!((beside.exact, beside.troubles.len()), (true, 0), "{beside:?}");
    for (from, to, exact) in [
        (MONDAY, MONDAY + 2 * DAY, true),
        (MONDAY, MONDAY + 5 * DAY, false),
        // Where it began is what does not open.
        (MONDAY + 3 * DAY + hour, MONDAY + 5 * DAY, false),
        (MONDAY + 4 * DAY, MONDAY + 5 * DAY, true),
    ] {
        let change = change(&store, from, to).await;
        assert_eq!((change.exact, change.troubles.is_empty()), (exact, exact), "{change:?}");
    }
}

#[tokio::test]
async fn a_new_unit_counts_after_a_restart_too() {
    let house = House::new();
    let of_unit = |at: i64, value: i64, unit: Unit| Sample { unit, ..number(MONDAY + at, value) };
    let store = house.open().await;
    // The unit that came first was changed to and fro: its number says nothing.
    for (at, value, unit) in [
        (0, 10, Unit::Celsius),
        (1, 1000, Unit::Percent),
        (2, 20, Unit::Celsius),
        (3, 40, Unit::Celsius),
        (4, 1, Unit::Celsius),
    ] {
        store.history().record(vec![of_unit(at, value, unit)], Urgency::Now).await.unwrap();
    }
    let before = change(&store, MONDAY, MONDAY + DAY).await;
    assert_eq!(before.increase, dec("3"));
    store.close().await;
    let store = house.open().await;
    assert_eq!(change(&store, MONDAY, MONDAY + DAY).await, before);
    store.history().compact_once().await.unwrap();
    store.close().await;
    assert_eq!(change(&house.open().await, MONDAY, MONDAY + DAY).await, before);
}

#[tokio::test]
async fn pages_join_where_blocks_lie_over_one_another_and_many_samples_are_of_one_moment() {
    let house = House::new();
    let store = house.open().await;
    let mut all = Vec::new();
    for round in 0..30 {
        // Each block reaches over all days.
        let mut samples: Vec<Sample> = (0..100).map(|n| number(MONDAY + n * DAY + round, n)).collect();
        samples.extend((0..5).map(|n| number(MONDAY + 50 * DAY, 1000 + round * 5 + n)));
        store.history().record(samples.clone(), Urgency::Now).await.unwrap();
        store.history().record(vec![sample(round)], Urgency::Now).await.unwrap();
        store.history().compact_once().await.unwrap();
        all.extend(samples);
    }
    assert!(count(&house, "SELECT count(*) FROM block").await > 5);
    for limit in [1, 7, 100, 149, 5000] {
        let (mut seen, mut at) = (Vec::new(), Some(Timestamp(0)));
        while let Some(from) = at {
            let page = store.history().range(&thermometer(), PROPERTY, from, Timestamp(i64::MAX), limit).await.unwrap();
            assert!(page.points.len() <= limit.max(155), "{}", page.points.len());
            seen.extend(page.points.into_iter().map(|point| (point.at.0, point.value.number())));
            at = page.next;
        }
        let mut expected: Vec<_> =
            all.iter().map(|sample| (sample.at.wall().unwrap().0, sample.value.number())).collect();
        assert!(seen.is_sorted_by_key(|(at, _)| *at));
        seen.sort();
        expected.sort();
        assert!(seen == expected, "{} of {}", seen.len(), expected.len());
    }
}

#[tokio::test]
async fn long_texts_make_short_pages() {
    let house = House::new();
    let store = house.open().await;
    let long = "ы".repeat(2048);
    for n in 0..15i64 {
        let texts = (0..100).map(|m| said(MONDAY + n * 100 + m, Value::Text(format!("{long}{n} {m}")))).collect();
        store.history().record(texts, Urgency::Now).await.unwrap();
    }
    store.history().compact_once().await.unwrap();
    let page = async |from| store.history().range(&thermometer(), PROPERTY, from, Timestamp(i64::MAX), 10_000).await;
    let first = page(Timestamp(0)).await.unwrap();
    assert!(first.points.len() <= 1024 && first.next.is_some(), "{}", first.points.len());
    let rest = page(first.next.unwrap()).await.unwrap();
    assert_eq!(first.points.len() + rest.points.len(), 1500);
}
