//! Tests of the alerts' shelf.

use super::*;

/// Rows in each of the room's tables.
pub(super) async fn furnish(store: &Store, n: u8) {
    let at = Timestamp(1_795_300_000_000 + i64::from(n));
    let alert =
        |ended_at| AlertRow { id: id(), raised_at: at, ended_at, body: b"{\"event\":\"storm-warning\"}".to_vec() };
    let batch = AlertBatch {
        alerts: vec![alert(None), alert(Some(at.plus_millis(5)))],
        marks: vec![AlertMark { key: format!("web@mecom,{n}"), keep_until: at, body: b"{}".to_vec() }],
        feeds: vec![AlertFeedRow { name: format!("feeds.example {n}"), body: b"{\"etag\":\"1\"}".to_vec() }],
    };
    store.alerts().put(&batch).await.unwrap();
}

fn row(n: u8, raised_at: i64, ended_at: Option<i64>) -> AlertRow {
    AlertRow {
        id: Id([n; 16]),
        raised_at: Timestamp(raised_at),
        ended_at: ended_at.map(Timestamp),
        body: format!("{{\"n\":{n}}}").into_bytes(),
    }
}

#[tokio::test]
async fn alerts_are_given_back_by_time_and_by_whether_they_stand() {
    let house = House::new();
    let store = house.open().await;
    let shelf = store.alerts();
    let alerts: Vec<AlertRow> =
        (0..10).map(|n| row(n, 1000 + i64::from(n / 2), (n % 3 == 0).then_some(2000 + i64::from(n)))).collect();
    shelf.put(&AlertBatch { alerts: alerts.clone(), ..AlertBatch::default() }).await.unwrap();
    let (standing, damaged) = shelf.standing(3).await.unwrap();
    assert_eq!((standing.len(), damaged), (3, 0));
    assert!(standing.iter().all(|row| row.ended_at.is_none()) && standing[0].raised_at.0 == 1004);
    assert_eq!(shelf.get(Id([4; 16])).await.unwrap().as_ref(), Some(&alerts[4]));
    assert_eq!(shelf.get(Id([44; 16])).await.unwrap(), None);

    let (mut seen, mut span) = (Vec::new(), AlertSpan { from: Some(Timestamp(1001)), ..AlertSpan::default() });
    loop {
        let (page, _) = shelf.page(&span, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        span.before = Some((last.raised_at, last.id));
        seen.extend(page);
    }
    let mut wanted: Vec<AlertRow> = alerts.iter().filter(|row| row.raised_at.0 >= 1001).cloned().collect();
    wanted.reverse();
    assert_eq!(seen, wanted, "pages join, and two of the same moment are not lost between them");
    let until = AlertSpan { until: Some(Timestamp(1001)), ..AlertSpan::default() };
    assert_eq!(shelf.page(&until, 9).await.unwrap().0.len(), 2);

    let ended = row(4, 1002, Some(3000));
    shelf.put(&AlertBatch { alerts: vec![ended.clone()], ..AlertBatch::default() }).await.unwrap();
    assert_eq!(shelf.get(ended.id).await.unwrap(), Some(ended), "in the place of what was there");
    assert_eq!(shelf.thin(Timestamp(2004), Timestamp(0), 9).await.unwrap(), 2, "0 and 3 ended before");
    assert_eq!(shelf.page(&AlertSpan::default(), 99).await.unwrap().0.len(), 8);
}

#[tokio::test]
async fn marks_are_bounded_by_time_and_number_and_feeds_have_one_row_each() {
    let house = House::new();
    let store = house.open().await;
    let shelf = store.alerts();
    let marks = (0..20)
        .map(|n| AlertMark { key: format!("message {n}"), keep_until: Timestamp(100 + n), body: b"{}".to_vec() })
        .collect();
    let feed = |body: &str| AlertFeedRow { name: "meteo".into(), body: body.as_bytes().to_vec() };
    shelf.put(&AlertBatch { marks, feeds: vec![feed("1")], ..AlertBatch::default() }).await.unwrap();
    shelf.put(&AlertBatch { feeds: vec![feed("2")], ..AlertBatch::default() }).await.unwrap();
    assert_eq!(shelf.feeds().await.unwrap(), (vec![feed("2")], 0));
    assert_eq!(shelf.thin(Timestamp(0), Timestamp(105), 10).await.unwrap(), 10, "five are too old, five too many");
    let (left, _) = shelf.marks(99).await.unwrap();
    assert_eq!(left.len(), 10);
    assert!(left.iter().all(|mark| mark.keep_until.0 >= 110));
    assert_eq!(shelf.marks(2).await.unwrap().0[0].key, "message 19");
}
