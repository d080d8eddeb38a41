//! Feeds, read from a pretended server: tags, what is new, what cannot be had, what is not believed.

use std::collections::HashMap;
use std::sync::Mutex as StdMutex;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::*;

/// What a server has, and what it was asked.
#[derive(Clone, Default)]
struct Server(Arc<StdMutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    documents: HashMap<String, (u16, String)>,
    etag: String,
    asked: Vec<(String, Option<String>)>,
    retry_after: Option<u32>,
}

async fn answer(State(server): State<Server>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let mut shelf = server.0.lock().unwrap();
    let tag = headers.get(header::IF_NONE_MATCH).map(|tag| tag.to_str().unwrap().to_owned());
    shelf.asked.push((name.clone(), tag.clone()));
    let Some((status, body)) = shelf.documents.get(&name).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if name == "feed" && tag.as_deref() == Some(shelf.etag.as_str()) && !shelf.etag.is_empty() {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = (StatusCode::from_u16(status).unwrap(), body.clone()).into_response();
    let headers = response.headers_mut();
    if status == 302 {
        headers.insert(header::LOCATION, body.parse().unwrap());
    }
    if !shelf.etag.is_empty() {
        headers.insert(header::ETAG, shelf.etag.parse().unwrap());
    }
    if let Some(seconds) = shelf.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

impl Server {
    async fn start() -> (Server, String) {
        let server = Server::default();
        let app = axum::Router::new().route("/{name}", axum::routing::get(answer)).with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (server, at)
    }

    fn has(&self, name: &str, status: u16, body: impl Into<String>) {
        self.0.lock().unwrap().documents.insert(name.to_owned(), (status, body.into()));
    }

    fn tag(&self, tag: &str) {
        self.0.lock().unwrap().etag = tag.to_owned();
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

fn atom(entries: &[(&str, &str)]) -> String {
    let entries: String = entries
        .iter()
        .map(|(id, link)| {
            format!(
                "<entry><id>{id}</id><title>{id}</title><updated>2026-11-21T20:0{}:00Z</updated>\
                 <link type=\"application/cap+xml\" href=\"{link}\"/></entry>",
                id.len() % 10
            )
        })
        .collect();
    format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>t</title>{entries}</feed>")
}

fn text(file: &str) -> String {
    String::from_utf8(read(file)).unwrap()
}

async fn room(at: &str, more: &str) -> Room {
    Room::with(&format!("[[alerts.feeds]]\nname = \"meteo\"\naddress = \"{at}/feed\"\n{more}")).await
}

async fn poll(room: &Room) -> Duration {
    let client = fetch::client().unwrap();
    room.alerts.read_once(&room.settings.alerts.feeds[0], &client).await
}

fn standing(room: &Room) -> FeedStanding {
    room.alerts.feeds().remove(0)
}

#[tokio::test]
async fn what_is_new_is_heard_once_and_a_restart_does_not_read_it_anew() {
    let (server, at) = Server::start().await;
    server.tag("\"1\"");
    server.has("feed", 200, atom(&[("bb", "2.xml"), ("a", "1.xml")]));
    server.has("1.xml", 200, text("chain-1-original.cap"));
    server.has("2.xml", 200, text("chain-2-update.cap"));
    let mut room = room(&at, "").await;
    poll(&room).await;
    let chain: Vec<AlertChange> = room.changes();
    assert_eq!(chain, [AlertChange::Raised, AlertChange::Updated { worse: false }], "a chain is told as it grew");
    assert_eq!(server.asked().len(), 3);
    assert_eq!((standing(&room).trouble, standing(&room).entries), (None, 2));
    poll(&room).await;
    assert_eq!(server.asked(), [("feed".to_owned(), Some("\"1\"".to_owned()))], "nothing is new");
    server.tag("\"2\"");
    server.has("feed", 200, atom(&[("ccc", "3.xml"), ("bb", "2.xml"), ("a", "1.xml")]));
    server.has("3.xml", 200, text("chain-3-update-worse.cap"));
    room.write().await;
    let mut room = room.killed().await;
    poll(&room).await;
    let asked: Vec<String> = server.asked().into_iter().map(|(name, _)| name).collect();
    assert_eq!(asked, ["feed", "3.xml"], "only what is new is fetched");
    assert_eq!(room.changes(), [AlertChange::Updated { worse: true }]);
}

#[tokio::test]
async fn what_cannot_be_had_is_tried_again_and_given_up_at_last() {
    let (server, at) = Server::start().await;
    server.tag("\"1\"");
    server.has("feed", 200, atom(&[("a", "1.xml"), ("bb", "2.xml")]));
    server.has("2.xml", 200, text("plain.cap"));
    let mut room = room(&at, "").await;
    poll(&room).await;
    assert_eq!(room.changes(), [AlertChange::Raised], "the others are heard all the same");
    let (code, detail) = standing(&room).trouble.unwrap();
    assert!(code == "some-missing" && detail.contains("404"), "{code} {detail}");
    server.asked();
    server.has("1.xml", 200, text("severe-now-flood.cap"));
    poll(&room).await;
    assert_eq!(server.asked()[0].1, None, "a feed of which something is missing is read whole");
    assert_eq!(room.changes(), [AlertChange::Raised]);
    assert_eq!(standing(&room).trouble, None);
    server.has("feed", 200, atom(&[("dddd", "never.xml")]));
    for _ in 0..5 {
        poll(&room).await;
    }
    server.asked();
    poll(&room).await;
    assert_eq!(server.asked().len(), 1, "given up");
}

#[tokio::test]
async fn only_named_senders_are_told_and_only_named_hosts_are_asked() {
    let (server, at) = Server::start().await;
    let elsewhere = at.replace("127.0.0.1", "127.0.0.2");
    server.has("feed", 200, atom(&[("a", "1.xml"), ("bb", "2.xml"), ("ccc", &format!("{elsewhere}/3.xml"))]));
    server.has("1.xml", 200, text("plain.cap"));
    server.has("2.xml", 200, text("shape-nws.cap"));
    let mut room = room(&at, "senders = [\"meteo@example.org\"]\n").await;
    poll(&room).await;
    assert_eq!(room.changes(), [AlertChange::Raised]);
    let shown = standing(&room);
    assert_eq!(shown.strangers[0].sender, "w-nws.webmaster@noaa.gov");
    assert_eq!(shown.strangers[0].event, "Tornado Warning");
    assert!(shown.notes.iter().any(|(code, at)| code == "other-host" && at.contains("127.0.0.2")), "{:?}", shown.notes);
}

#[tokio::test]
async fn a_feed_that_misbehaves_is_told_and_left_alone_for_a_while() {
    let (server, at) = Server::start().await;
    let room = room(&at, "every = \"30 s\"\n").await;
    let code = |room: &Room| standing(room).trouble.map(|(code, _)| code);
    server.has("feed", 503, "");
    server.0.lock().unwrap().retry_after = Some(900);
    assert!(poll(&room).await >= Duration::from_secs(900), "as the server asks");
    assert_eq!(code(&room), Some("status"));
    server.0.lock().unwrap().retry_after = None;
    for (status, body, wanted) in [
        (200, "x".repeat(5 << 20), "too-large"),
        (200, "<html/>".to_owned(), "unreadable"),
        (200, text("bomb.cap"), "unreadable"),
        (302, "/feed".to_owned(), "redirects"),
        (302, "http://169.254.169.254/latest".to_owned(), "not-https"),
        (302, "https://evil.example/feed".to_owned(), "other-host"),
    ] {
        server.has("feed", status, body);
        poll(&room).await;
        assert_eq!(code(&room), Some(wanted));
    }
    assert_eq!(standing(&room).failures, 7);
    assert!(poll(&room).await >= Duration::from_secs(1800), "ever more seldom");
    server.has("moved", 200, text("plain.cap"));
    server.has("feed", 302, "/moved");
    assert!(poll(&room).await < Duration::from_secs(60));
    assert_eq!((code(&room), room.alerts.standing().len()), (None, 1), "a redirect within its host is followed");
}

#[tokio::test]
async fn a_feed_that_is_silent_for_long_is_an_alert_itself() {
    let (server, at) = Server::start().await;
    let mut room = room(&at, "").await;
    poll(&room).await;
    assert_eq!(standing(&room).trouble.map(|(code, _)| code), Some("status"));
    assert!(room.changes().is_empty(), "a feed may be out of order for a while");
    room.alerts.0.feeds.age("meteo", Duration::from_secs(7 * 3600));
    poll(&room).await;
    poll(&room).await;
    assert_eq!(room.changes(), [AlertChange::Raised]);
    assert!(room.only().texts[0].headline.contains("meteo"));
    server.has("feed", 200, atom(&[]));
    poll(&room).await;
    assert_eq!(room.changes(), [AlertChange::Over]);
}

#[tokio::test]
async fn messages_within_entries_and_entries_that_are_messages_are_heard() {
    let (server, at) = Server::start().await;
    let mut room = room(&at, "").await;
    server.has("feed", 200, text("feed-google-embedded.atom"));
    poll(&room).await;
    assert_eq!(room.changes(), [AlertChange::Raised], "of two, one is about the home");
    server.has("feed", 200, text("feed-nws-inline.atom").replace("https://alerts.example/x?id=1", "/nowhere"));
    poll(&room).await;
    assert_eq!(room.changes(), [AlertChange::Raised], "where the document cannot be had, the entry counts");
    // The document comes later, and is the same alert.
    let before = room.alerts.standing().len();
    server.has("feed", 200, text("feed-truncated.atom").replace("1.xml", "one.xml"));
    server.has("one.xml", 200, text("severe-now-fog.cap"));
    poll(&room).await;
    assert_eq!(standing(&room).trouble.map(|(code, _)| code), Some("cut"));
    assert_eq!(room.alerts.standing().len(), before + 1, "what was whole in a feed that breaks off counts");
}

#[tokio::test]
async fn a_feed_runs_by_itself_and_is_read_at_once_when_somebody_asks() {
    let (server, at) = Server::start().await;
    server.has("feed", 200, atom(&[]));
    let mut room = room(&at, "every = \"1 d\"\n").await;
    let (stop, stopped) = watch::channel(false);
    let alerts = room.alerts.clone();
    let running = tokio::spawn(async move { alerts.run(stopped).await });
    while standing(&room).read_at.is_none() {
        tokio::task::yield_now().await;
    }
    server.has("feed", 200, atom(&[("a", "1.xml")]));
    server.has("1.xml", 200, text("plain.cap"));
    room.alerts.poll("meteo").unwrap();
    assert!(matches!(room.alerts.poll("other"), Err(AlertsError::NoFeed)));
    let news = loop {
        if let Event::Alert(news) = room.ears.recv().await.unwrap() {
            break news;
        }
    };
    assert_eq!(news.alert.feed.as_deref(), Some("meteo"));
    stop.send(true).unwrap();
    running.await.unwrap();
}
