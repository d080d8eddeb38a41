//! Secret addresses.

use domovoi_config::Language;
use domovoi_model::PersonId;

use super::*;

const ANNA: PersonId = PersonId(Id([3; 16]));
const BORIS: PersonId = PersonId(Id([4; 16]));

#[tokio::test]
async fn an_address_opens_the_calendar_until_it_is_revoked() {
    let room = Room::new().await;
    room.add(draft("dentist", "2026-11-23T08:00")).await;
    let (view, secret) = room.calendar.make_feed(Some(ANNA), "phone").await.unwrap();
    let secret = secret.expose().clone();
    assert!(secret.len() >= 43, "256 bits");
    let Served::Calendar { etag, body } = room.calendar.serve(&secret, None, Language::English).await else { panic!() };
    assert!(body.contains("SUMMARY:dentist") && body.contains("DTSTART:20261123T050000Z"), "{body}");
    let room = room.again().await;
    let again = room.calendar.serve(&secret, Some(&etag), Language::English).await;
    assert_eq!(again, Served::NotModified { etag: etag.clone() }, "the same events are the same bytes after a restart");
    room.add(draft("other", "2026-11-23T09:00")).await;
    assert!(matches!(room.calendar.serve(&secret, Some(&etag), Language::English).await, Served::Calendar { .. }));
    for wrong in ["", "x", &secret[1..], &format!("{secret}x")] {
        assert_eq!(room.calendar.serve(wrong, None, Language::English).await, Served::Unknown);
    }
    assert!(room.calendar.feeds(Some(ANNA))[0].read_on.is_some());
    room.calendar.revoke_feed(view.id).await.unwrap();
    assert_eq!(room.calendar.serve(&secret, None, Language::English).await, Served::Unknown);
    let room = room.again().await;
    assert_eq!(room.calendar.serve(&secret, None, Language::English).await, Served::Unknown);
    assert!(matches!(room.calendar.revoke_feed(view.id).await, Err(CalendarError::NoSuch(_))));
}

#[tokio::test]
async fn everybody_has_some_and_who_goes_takes_them_along() {
    let room = Room::new().await;
    for n in 0..16 {
        room.calendar.make_feed(Some(ANNA), &format!("phone {n}")).await.unwrap();
    }
    assert!(matches!(room.calendar.make_feed(Some(ANNA), "one more").await, Err(CalendarError::Full { .. })));
    assert!(matches!(room.calendar.make_feed(Some(BORIS), " ").await, Err(CalendarError::Wrong(_))));
    let (_, secret) = room.calendar.make_feed(Some(BORIS), "tablet").await.unwrap();
    room.calendar.forget_person(ANNA).await.unwrap();
    assert_eq!(room.calendar.feeds(None).len(), 1);
    assert!(matches!(room.calendar.serve(secret.expose(), None, Language::Russian).await, Served::Calendar { .. }));
}

#[tokio::test]
async fn an_address_that_is_read_without_end_waits() {
    let room = Room::new().await;
    let (_, secret) = room.calendar.make_feed(Some(ANNA), "phone").await.unwrap();
    let mut busy = 0;
    for _ in 0..25 {
        busy +=
            u32::from(matches!(room.calendar.serve(secret.expose(), None, Language::Russian).await, Served::Busy(_)));
    }
    assert!(busy >= 4, "{busy}");
}
