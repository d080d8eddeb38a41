//! A thousand warnings in a minute: memory is bounded, history has all.

use domovoi_model::Severity;

use super::*;

fn message(n: usize) -> Vec<u8> {
    let severity = if n.is_multiple_of(100) { "Extreme" } else { "Minor" };
    format!(
        "<alert><identifier>S-{n}</identifier><sender>s@example.org</sender><sent>2026-11-21T21:{:02}:00Z</sent>\
         <status>Actual</status><msgType>Alert</msgType><info><language>ru</language><category>Met</category>\
         <event>Событие {n}</event><urgency>Future</urgency><severity>{severity}</severity><certainty>Likely</certainty>\
         <expires>2026-11-22T12:00:00Z</expires><description>{}</description>\
         <area><areaDesc>Москва</areaDesc></area></info></alert>",
        n % 60,
        "слово ".repeat(50),
    )
    .into_bytes()
}

#[tokio::test]
async fn a_thousand_in_a_minute_leave_memory_flat_and_history_whole() {
    let mut room = Room::new().await;
    let mut told = 0;
    for n in 0..1000 {
        assert!(matches!(room.alerts.hear_cap(&feed("storm"), &message(n)), Heard::Raised(_)), "{n}");
        told += room.changes().len();
    }
    assert_eq!(told, 1000, "each is told");
    let standing = room.alerts.standing();
    assert_eq!(standing.len(), board::MAX_STANDING);
    let extreme = standing.iter().filter(|alert| alert.severity == Severity::Extreme).count();
    assert_eq!(extreme, 10, "the gravest stay in memory");
    assert_eq!(room.alerts.unwritten(), 0);
    room.write().await;
    let mut filter = Filter { limit: 300, ..Filter::default() };
    let mut found = 0;
    loop {
        let page = room.alerts.find(&filter).await.unwrap();
        found += page.alerts.len();
        filter.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(found, 1000, "history has all");
    for n in 0..1000 {
        assert_eq!(room.alerts.hear_cap(&feed("storm"), &message(n)), Heard::Known, "{n}");
    }
    // What has no place in memory ends all the same.
    room.turn(14 * 60);
    room.alerts.0.expire();
    room.alerts.0.expire();
    room.write().await;
    let (settling, ()) = tokio::join!(room.alerts.0.settle_spilled(), async {});
    let () = settling;
    room.write().await;
    assert!(room.alerts.standing().is_empty());
    assert!(room.store.alerts().standing(9).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn a_queue_that_nobody_empties_is_bounded() {
    let room = Room::new().await;
    room.alerts.0.felt(&felt("began", "gas", "stove"));
    for n in 0..4000 {
        room.alerts.hear_cap(&feed("storm"), &message(n));
    }
    assert!(room.alerts.unwritten() > 0 && room.alerts.0.board().marks.len() < 11_000);
    room.write().await;
    let (standing, _) = room.store.alerts().standing(9999).await.unwrap();
    let alerts: Vec<Alert> = standing.iter().filter_map(row::alert_of).collect();
    assert!(alerts.iter().any(|alert| alert.life), "what life hangs on was not the one to go");
    assert_eq!(alerts.iter().filter(|alert| alert.severity == Severity::Extreme).count(), 41);
}
