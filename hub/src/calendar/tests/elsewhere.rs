//! Calendars elsewhere, against a server whose every answer is written here.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use domovoi_vault::Secret;
use tokio::net::TcpListener;

use super::*;

const ONE: &str = "BEGIN:VCALENDAR\r\nX-WR-CALNAME:School\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:20261123T080000Z\r\nSUMMARY:Lesson\r\nBEGIN:VALARM\r\nTRIGGER:-PT1H\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

type Answers = Arc<Mutex<Vec<Response<Body>>>>;

/// A server that gives these answers one after the other, and counts who asked with a tag.
async fn server(answers: Vec<Response<Body>>) -> (String, Answers, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let answers: Answers = Arc::new(Mutex::new(answers));
    let tagged = Arc::new(AtomicUsize::new(0));
    let (left, count) = (Arc::clone(&answers), Arc::clone(&tagged));
    let app = axum::Router::new().fallback(move |headers: HeaderMap| {
        let (left, count) = (Arc::clone(&left), Arc::clone(&count));
        async move {
            count.fetch_add(usize::from(headers.contains_key("if-none-match")), Ordering::SeqCst);
            let mut left = left.lock().unwrap();
            if left.is_empty() { status(500) } else { left.remove(0) }
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("{base}/secret-path.ics"), answers, tagged)
}

fn status(code: u16) -> Response<Body> {
    Response::builder().status(code).body(Body::empty()).unwrap()
}

fn calendar(text: &str) -> Response<Body> {
    Response::builder().header("etag", "\"1\"").body(Body::from(text.to_owned())).unwrap()
}

fn wanted(address: &str) -> ElsewhereDraft {
    ElsewhereDraft {
        label: "School".into(),
        address: Secret::new(address.to_owned()),
        alarms: true,
        kind: EventKind::Appointment,
    }
}

fn code(error: &CalendarError) -> &'static str {
    match error {
        CalendarError::Wrong(wrong) => wrong.code,
        _ => "other",
    }
}

#[tokio::test]
async fn a_calendar_elsewhere_is_read_shown_and_told_of() {
    let (address, answers, tagged) = server(vec![calendar(ONE)]).await;
    let room = Room::new().await;
    let view = room.calendar.add_elsewhere(&wanted(&address), None).await.unwrap();
    assert_eq!((view.events, view.name.as_deref(), view.host.as_str()), (1, Some("School"), "127.0.0.1"));
    assert!(!format!("{view:?}").contains("secret-path"));
    let entry = room.calendar.list(&all()).0.remove(0);
    assert_eq!(entry.event.kind, EventKind::Appointment);
    let refused = room.calendar.remove(entry.event.id).await;
    assert!(matches!(refused, Err(CalendarError::ReadOnly(_))));
    assert!(matches!(
        room.calendar.change(entry.event.id, &draft("x", "2026-11-23")).await,
        Err(CalendarError::ReadOnly(_))
    ));

    // Without the network its events are there after a restart, and told.
    let room = room.again().await;
    assert_eq!(room.at("2026-11-23T07:00:00Z").await, [("Lesson".to_owned(), false, 0)]);
    let room = room.again().await;
    assert_eq!(room.look().await, []);

    answers.lock().unwrap().push(status(304));
    let view = room.calendar.poll_now(view.id).await.unwrap();
    assert_eq!((view.events, view.failure, tagged.load(Ordering::SeqCst)), (1, None, 1));

    answers.lock().unwrap().push(status(503));
    let view = room.calendar.poll_now(view.id).await.unwrap();
    assert_eq!((view.events, view.failures), (1, 1), "what was read stays");
    assert_eq!(view.failure, Some(("status".into(), "503".into())));

    answers.lock().unwrap().push(calendar(&ONE.replace("UID:a", "UID:b").replace("Lesson", "Trip")));
    let view = room.calendar.poll_now(view.id).await.unwrap();
    assert_eq!((view.events, view.failure), (1, None));
    let filter = Filter { from: Timestamp(0), ..all() };
    assert_eq!(room.calendar.list(&filter).0[0].event.title.en, "Trip", "what is gone there is gone here");

    let room = room.again().await;
    room.calendar.remove_elsewhere(view.id).await.unwrap();
    let room = room.again().await;
    assert_eq!((room.calendar.list(&filter).0.len(), room.calendar.elsewhere().len()), (0, 0));
}

#[tokio::test]
async fn what_is_no_calendar_is_refused_with_the_reason() {
    let huge = Response::builder().body(Body::from(vec![b'x'; fetch::MAX_BYTES + 1])).unwrap();
    let to_the_home =
        Response::builder().status(302).header("location", "http://10.0.0.1/").body(Body::empty()).unwrap();
    let round = || Response::builder().status(302).header("location", "/again").body(Body::empty()).unwrap();
    let answers =
        vec![calendar("<html>sign in</html>"), status(404), huge, to_the_home, round(), round(), round(), round()];
    let (address, _, _) = server(answers).await;
    let room = Room::new().await;
    for want in ["not-a-calendar", "status", "too-large", "forbidden", "redirects"] {
        let refused = room.calendar.add_elsewhere(&wanted(&address), None).await.unwrap_err();
        assert_eq!(code(&refused), want);
        assert!(!format!("{refused:?} {refused}").contains("secret-path"));
    }
    for (address, want) in
        [("https://192.168.0.1/a.ics", "forbidden"), ("http://calendar.example/", "https"), ("nonsense", "address")]
    {
        assert_eq!(code(&room.calendar.add_elsewhere(&wanted(address), None).await.unwrap_err()), want);
    }
    assert_eq!(room.calendar.elsewhere().len(), 0);
}

#[tokio::test]
async fn a_redirect_is_followed_and_one_calendar_is_read_once() {
    let moved = Response::builder().status(301).header("location", "/new.ics").body(Body::empty()).unwrap();
    let (address, _, _) = server(vec![moved, calendar(ONE)]).await;
    let room = Room::new().await;
    room.calendar.add_elsewhere(&wanted(&address), None).await.unwrap();
    assert_eq!(code(&room.calendar.add_elsewhere(&wanted(&address), None).await.unwrap_err()), "twice");
}

#[tokio::test]
async fn it_is_looked_at_again_by_itself() {
    let (address, answers, _) = server(vec![calendar(ONE)]).await;
    let room = Room::new().await;
    room.calendar.add_elsewhere(&wanted(&address), None).await.unwrap();
    let room = room.again().await;
    answers.lock().unwrap().push(calendar(&ONE.replace("Lesson", "Trip")));
    let (stop, stopped) = watch::channel(false);
    let calendar = room.calendar.clone();
    let running = tokio::spawn(async move { calendar.run(stopped).await });
    while room.calendar.list(&all()).0.iter().all(|entry| entry.event.title.en != "Trip") {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    running.await.unwrap();
}
