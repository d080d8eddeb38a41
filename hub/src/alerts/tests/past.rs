//! History: searched, paged, thinned.

use domovoi_model::{AlertState, Peril, Severity};

use super::*;

#[tokio::test]
async fn history_is_searched_and_paged() {
    let room = Room::new().await;
    let mut ids = Vec::new();
    for (minutes, file) in [
        (0, "plain.cap"),
        (1, "extreme-now.cap"),
        (1, "severe-now-flood.cap"),
        (1, "severe-now-fog.cap"),
        (1, "koi8-r.cap"),
    ] {
        room.turn(minutes);
        let Heard::Raised(id) = room.hear(file) else { panic!("{file}") };
        ids.push(id);
    }
    room.alerts.acknowledge(ids[2], person(1)).unwrap();
    let flood = room.alerts.get(ids[2]).await.unwrap();
    room.alerts.over(AlertOrigin::Feed, &flood.key);
    room.write().await;
    let all = Filter { limit: 100, ..Filter::default() };
    let alerts = &room.alerts;
    let found = |filter: Filter| async move {
        alerts.find(&filter).await.unwrap().alerts.iter().map(|alert| alert.id).collect::<Vec<_>>()
    };
    let newest: Vec<Id> = ids.iter().rev().copied().collect();
    assert_eq!(found(all.clone()).await, newest);
    let (mut pages, mut filter) = (Vec::new(), Filter { limit: 2, ..Filter::default() });
    loop {
        let page = room.alerts.find(&filter).await.unwrap();
        assert!(page.alerts.len() <= 2);
        pages.extend(page.alerts.iter().map(|alert| alert.id));
        filter.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(pages, newest, "pages join into the whole");
    assert_eq!(found(Filter { peril: Some(Peril::Fog), ..all.clone() }).await, [ids[3]]);
    assert_eq!(found(Filter { severity: Some(Severity::Extreme), ..all.clone() }).await, [ids[1]]);
    assert_eq!(found(Filter { state: Some(AlertState::Cancelled), ..all.clone() }).await, [ids[2]]);
    assert_eq!(found(Filter { acknowledged: Some(true), ..all.clone() }).await, [ids[2]]);
    assert_eq!(found(Filter { text: Some("ГОЛОЛ".into()), ..all.clone() }).await, [ids[4]]);
    assert_eq!(found(Filter { since: Some(NOW.plus_millis(180_000)), ..all.clone() }).await, [ids[4], ids[3]]);
    assert_eq!(found(Filter { until: Some(NOW.plus_millis(60_000)), ..all.clone() }).await, [ids[0]]);
    assert_eq!(found(Filter { origin: Some(AlertOrigin::Hazard), ..all }).await, [] as [Id; 0]);
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_what_stands_is_not() {
    let room = Room::with("[alerts]\nkeep = \"30 d\"\n").await;
    let Heard::Raised(old) = room.hear("plain.cap") else { panic!() };
    room.alerts.0.felt(&felt("began", "gas", "stove"));
    room.turn(24 * 60);
    room.alerts.0.expire();
    room.write().await;
    room.turn(29 * 24 * 60);
    room.alerts.0.thin().await;
    assert!(room.alerts.get(old).await.is_ok());
    room.turn(2 * 24 * 60);
    room.alerts.0.thin().await;
    let room = room.killed().await;
    assert!(matches!(room.alerts.get(old).await, Err(AlertsError::NoAlert)));
    assert_eq!(room.only().peril, Peril::Gas);
}
