//! Messages both ways, against a portal whose every answer is written here: lost answers, refusals, restarts in between.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::portal::fake::{Asked, Fake, TestShelf, Told, clock, told, told_json, told_problem};
use crate::portal::shelf::StoredLink;

/// What the pretended portal has, and how it fails.
#[derive(Default)]
struct Board {
    /// What suppliers wrote, oldest first.
    notifications: Vec<Value>,
    /// Own messages by idempotency key, in the order of their arrival.
    taken: Vec<(String, Value)>,
    read: Vec<String>,
    charges: Vec<Value>,
    /// Answers that come in place of the right one, each once.
    faults: Vec<Fault>,
    page: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The work is done, and then an error page comes.
    LostAfter,
    /// Nothing is done.
    Error(u16),
    Problem(u16, &'static str),
}

type Shared = Arc<Mutex<Board>>;

fn answer(board: &Shared, asked: &Asked) -> Option<Told> {
    let path = asked.target.strip_prefix("/api/v1/")?;
    let mut board = board.lock().unwrap();
    let fault = (!board.faults.is_empty()).then(|| board.faults.remove(0));
    match fault {
        Some(Fault::Error(status)) => return Some(told(status, "text/html", "<h1>no</h1>")),
        Some(Fault::Problem(status, code)) => return Some(told_problem(status, code)),
        _ => {}
    }
    let done = match (asked.method.as_str(), path.split('?').next()?) {
        ("GET", "notifications") => {
            let start: usize = path.split_once("after=").map_or(0, |(_, cursor)| cursor.parse().unwrap());
            let page = board.page.max(1);
            let items: Vec<Value> = board.notifications.iter().skip(start).take(page).cloned().collect();
            let mut body = json!({ "notifications": items });
            if !items.is_empty() {
                body["next"] = (start + items.len()).to_string().into();
            }
            told_json(200, &body)
        }
        ("POST", "notifications") => {
            let key = asked.header("idempotency-key").unwrap().to_owned();
            let mut body = asked.json();
            match board.taken.iter().find(|(there, _)| *there == key) {
                Some((_, there)) => assert_eq!(there["text"], body["text"], "one id, one message"),
                None => board.taken.push((key, body.clone())),
            }
            body["id"] = format!("h{}", board.taken.len()).into();
            told_json(201, &body)
        }
        ("PUT", path) if path.ends_with("/read") => {
            let id = path.split('/').nth(1)?.to_owned();
            for there in board.notifications.iter_mut().filter(|there| there["id"] == id.as_str()) {
                there["read"] = true.into();
            }
            board.read.push(id);
            told(204, "text/plain", "")
        }
        ("GET", "charges") => told_json(200, &json!({ "charges": board.charges })),
        ("GET", "alerts") => {
            if asked.header("if-none-match") == Some("\"feed-1\"") {
                told(304, "text/plain", "")
            } else {
                let mut feed = told(200, "application/atom+xml", "<feed/>");
                feed.headers_mut().insert("etag", "\"feed-1\"".parse().unwrap());
                feed
            }
        }
        _ => return None,
    };
    Some(if fault == Some(Fault::LostAfter) { told(502, "text/html", "<h1>gateway</h1>") } else { done })
}

fn notification(id: &str, kind: &str, text: &str) -> Value {
    json!({ "id": id, "at": "2027-01-15T00:00:00Z", "kind": kind, "text": text, "read": false })
}

struct Room {
    messages: Messages,
    board: Shared,
    fake: Fake,
    shelf: TestShelf,
    consent: Arc<AtomicBool>,
    new: Arc<Mutex<Vec<PortalMessage>>>,
    read: Arc<Mutex<Vec<Id>>>,
}

fn pace() -> MessagePace {
    MessagePace { every: Duration::ZERO, first_retry: Duration::ZERO, ..MessagePace::default() }
}

impl Room {
    async fn new(granted: &[&str]) -> Self {
        let board: Shared = Arc::default();
        board.lock().unwrap().page = 2;
        let shared = Arc::clone(&board);
        let fake = Fake::start(move |_, asked| answer(&shared, asked)).await;
        let shelf = crate::portal::fake::shelf().await;
        let scopes: Vec<String> = granted.iter().map(|scope| (*scope).to_owned()).collect();
        let link = StoredLink { asked: scopes.clone(), granted: scopes, ..fake.link() };
        shelf.save(&link).await.unwrap();
        Self::on(board, fake, shelf, Arc::new(AtomicBool::new(true))).await
    }

    async fn whole() -> Self {
        Self::new(&["notifications.read", "notifications.write", "charges.read", "alerts.read"]).await
    }

    async fn on(board: Shared, fake: Fake, shelf: TestShelf, consent: Arc<AtomicBool>) -> Self {
        let portal = fake.open(&shelf).await;
        let messages = Messages::open(Some(portal), shelf.store.clone(), clock(), Bus::default(), pace()).await;
        let new: Arc<Mutex<Vec<PortalMessage>>> = Arc::default();
        let read: Arc<Mutex<Vec<Id>>> = Arc::default();
        let (heard, seen, may) = (Arc::clone(&new), Arc::clone(&read), Arc::clone(&consent));
        messages.on_new(move |message| heard.lock().unwrap().push(message));
        messages.on_read(move |id| seen.lock().unwrap().push(id));
        messages.may_send(move || {
            let may = may.load(Ordering::SeqCst);
            Box::pin(async move { may })
        });
        Room { messages, board, fake, shelf, consent, new, read }
    }

    /// The hub was killed and starts again.
    async fn again(self) -> Self {
        Self::on(self.board, self.fake, self.shelf, self.consent).await
    }

    fn fault(&self, fault: Fault) {
        self.board.lock().unwrap().faults.push(fault);
    }

    fn supplier_writes(&self, id: &str, text: &str) {
        self.board.lock().unwrap().notifications.push(notification(id, "outage", text));
    }

    async fn texts(&self) -> Vec<String> {
        self.messages.list(None, 100, false).await.unwrap().into_iter().map(|message| message.text).collect()
    }

    async fn states(&self) -> Vec<&'static str> {
        self.messages.outgoing(None, 100).await.unwrap().iter().map(|own| own.state.code()).collect()
    }

    fn taken(&self) -> usize {
        self.board.lock().unwrap().taken.len()
    }
}

fn own(key: &str) -> OwnMessage {
    OwnMessage {
        key: key.into(), kind: NotificationKind::Meter, text: format!("Принято {key}"), account_number: None
    }
}

#[tokio::test]
async fn messages_come_in_once_whatever_is_asked_twice() {
    let room = Room::whole().await;
    for n in 0..5 {
        room.supplier_writes(&format!("n{n}"), &format!("text {n}"));
    }
    room.messages.run_once().await;
    assert_eq!(room.texts().await.len(), 5, "all pages");
    assert_eq!(room.new.lock().unwrap().len(), 5);
    room.messages.run_once().await;
    let room = room.again().await;
    room.supplier_writes("n5", "a new\u{202e} one\u{1b}[2J");
    room.messages.run_once().await;
    let new: Vec<String> = room.new.lock().unwrap().iter().map(|message| message.text.clone()).collect();
    assert_eq!(new, ["a new one [2J"], "only what is new is told after a restart, and tamed");
    assert_eq!(room.texts().await.len(), 6);
    assert_eq!(room.messages.unread(), 6);
}

#[tokio::test]
async fn an_unknown_kind_is_other_and_does_not_silence_its_page() {
    let room = Room::whole().await;
    room.board.lock().unwrap().notifications.push(notification("n1", "horoscope", "a"));
    room.board.lock().unwrap().notifications[0]["at"] = "the day before yesterday".into();
    room.supplier_writes("n2", "b");
    room.messages.run_once().await;
    let kinds: Vec<_> = room.new.lock().unwrap().iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [NotificationKind::Other, NotificationKind::Outage]);
}

#[tokio::test]
async fn read_here_is_read_there_once_the_portal_hears_it() {
    let room = Room::whole().await;
    room.supplier_writes("n1", "a");
    room.messages.run_once().await;
    let id = room.messages.list(None, 9, true).await.unwrap()[0].id;
    room.messages.read(id, None).await.unwrap();
    room.fault(Fault::Error(500));
    room.messages.run_once().await;
    assert_eq!(room.board.lock().unwrap().read.len(), 0);
    // It is not forgotten by a restart.
    let room = room.again().await;
    room.fault(Fault::LostAfter);
    room.messages.run_once().await;
    room.messages.run_once().await;
    assert_eq!(room.board.lock().unwrap().read, ["n1", "n1"], "told again after a lost answer: that changes nothing");
    room.messages.run_once().await;
    assert_eq!(room.board.lock().unwrap().read.len(), 2);
    assert_eq!(*room.read.lock().unwrap(), [], "nobody is told again of what was read before");
    assert_eq!(room.messages.unread(), 0);
}

#[tokio::test]
async fn read_there_is_read_here() {
    let room = Room::whole().await;
    for n in 0..6 {
        room.supplier_writes(&format!("n{n}"), "x");
    }
    room.messages.run_once().await;
    room.board.lock().unwrap().notifications[1]["read"] = true.into();
    room.messages.run_once().await;
    assert_eq!(room.messages.unread(), 5);
    assert_eq!(room.read.lock().unwrap().len(), 1);
    let read = room.read.lock().unwrap()[0];
    let message = room.messages.get(read).await.unwrap();
    assert!(message.read && message.read_by.is_none() && !message.to_tell);
}

#[tokio::test]
async fn the_homes_own_message_is_told_once_whatever_gets_lost() {
    let room = Room::whole().await;
    let id = room.messages.send(&own("act-1")).await.unwrap();
    assert_eq!(room.messages.send(&own("act-1")).await.unwrap(), id, "the same key is the same message");
    room.fault(Fault::LostAfter);
    room.messages.run_once().await;
    assert_eq!((room.taken(), room.states().await), (1, vec!["tried"]));
    let room = room.again().await;
    room.fault(Fault::Error(502));
    room.messages.run_once().await;
    room.fault(Fault::Problem(429, "too-many-requests"));
    room.messages.run_once().await;
    room.messages.run_once().await;
    assert_eq!((room.taken(), room.states().await), (1, vec!["taken"]));
    let room = room.again().await;
    assert_eq!(room.messages.send(&own("act-1")).await.unwrap(), id);
    room.messages.run_once().await;
    assert_eq!(room.taken(), 1);
}

#[tokio::test]
async fn killed_before_any_answer_it_goes_under_the_same_id() {
    let room = Room::whole().await;
    room.messages.send(&own("a")).await.unwrap();
    room.messages.send(&own("b")).await.unwrap();
    // The call is cut off in the middle: the future is dropped as soon as the portal has been asked.
    let asked = room.fake.asked().len();
    {
        let mut running = Box::pin(room.messages.run_once());
        while room.fake.asked().len() == asked {
            tokio::select! {
                biased;
                _ = &mut running => break,
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let room = room.again().await;
    room.messages.run_once().await;
    assert_eq!((room.taken(), room.states().await), (2, vec!["taken", "taken"]));
}

#[tokio::test]
async fn nothing_leaves_without_consent_permission_or_link() {
    let room = Room::whole().await;
    room.consent.store(false, Ordering::SeqCst);
    room.messages.send(&own("a")).await.unwrap();
    room.messages.run_once().await;
    assert_eq!((room.taken(), room.states().await), (0, vec!["waiting"]));
    room.consent.store(true, Ordering::SeqCst);
    room.messages.nudge();
    room.messages.run_once().await;
    assert_eq!(room.taken(), 1);

    let room = Room::new(&["notifications.read"]).await;
    room.supplier_writes("n1", "a");
    room.messages.send(&own("a")).await.unwrap();
    room.messages.run_once().await;
    let id = room.messages.list(None, 9, true).await.unwrap()[0].id;
    room.messages.read(id, None).await.unwrap();
    room.messages.run_once().await;
    assert_eq!((room.taken(), room.board.lock().unwrap().read.len()), (0, 0));

    let fake = Fake::start(|_, _| None).await;
    let shelf = crate::portal::fake::shelf().await;
    let room = Room::on(Arc::default(), fake, shelf, Arc::new(AtomicBool::new(true))).await;
    room.messages.send(&own("a")).await.unwrap();
    room.messages.run_once().await;
    assert_eq!(room.fake.asked().len(), 0, "unlinked: not a word");
}

#[tokio::test]
async fn what_the_portal_refuses_is_over_and_the_next_one_goes() {
    let room = Room::whole().await;
    room.fault(Fault::Problem(422, "too-long"));
    room.messages.send(&own("a")).await.unwrap();
    room.messages.run_once().await;
    room.messages.send(&own("b")).await.unwrap();
    room.messages.run_once().await;
    let mut states = room.states().await;
    states.sort_unstable();
    assert_eq!(states, ["refused", "taken"]);
    room.fault(Fault::Problem(403, "consent-withdrawn"));
    room.messages.send(&own("c")).await.unwrap();
    room.messages.run_once().await;
    room.messages.run_once().await;
    assert_eq!(room.taken(), 1, "the link is over: it waits");
    assert!(room.states().await.contains(&"tried"));
}

#[tokio::test]
async fn a_message_is_taken_back_only_before_it_left() {
    let room = Room::whole().await;
    room.consent.store(false, Ordering::SeqCst);
    let id = room.messages.send(&own("a")).await.unwrap();
    assert_eq!(room.messages.withdraw(id).await.unwrap().state, OutgoingState::Withdrawn);
    room.consent.store(true, Ordering::SeqCst);
    room.messages.run_once().await;
    assert_eq!(room.taken(), 0);
    let id = room.messages.send(&own("b")).await.unwrap();
    room.messages.run_once().await;
    assert!(matches!(room.messages.withdraw(id).await, Err(MessageError::TooLate)));
    assert!(matches!(room.messages.withdraw(Id([9; 16])).await, Err(MessageError::NoSuch)));
}

#[tokio::test]
async fn a_message_that_is_too_old_is_not_sent_and_one_of_an_unknown_time_is() {
    let room = Room::whole().await;
    let clock = clock();
    let portal = room.fake.open(&room.shelf).await;
    let messages = Messages::open(Some(portal), room.shelf.store.clone(), clock.clone(), Bus::default(), pace()).await;
    messages.send(&own("old")).await.unwrap();
    let now = clock.wall();
    clock.set(Timestamp(5));
    messages.send(&own("unknown")).await.unwrap();
    clock.set(now.plus_millis(8 * 86_400_000));
    messages.may_send(|| Box::pin(async { true }));
    messages.run_once().await;
    assert_eq!(room.taken(), 1);
    let mut states = room.states().await;
    states.sort_unstable();
    assert_eq!(states, ["expired", "taken"]);
}

#[tokio::test]
async fn there_are_bounds() {
    let room = Room::whole().await;
    room.consent.store(false, Ordering::SeqCst);
    let wrong = |text: String| OwnMessage { text, ..own("x") };
    assert!(matches!(room.messages.send(&wrong(" ".into())).await, Err(MessageError::Wrong(_))));
    assert!(matches!(room.messages.send(&wrong("я".repeat(4001))).await, Err(MessageError::Wrong(_))));
    for n in 0..MAX_WAITING {
        room.messages.send(&own(&n.to_string())).await.unwrap();
    }
    assert!(matches!(room.messages.send(&own("one more")).await, Err(MessageError::Full)));
}

#[tokio::test]
async fn bills_and_alerts_are_handed_on_when_they_are_others() {
    let room = Room::whole().await;
    let bills: Arc<Mutex<Vec<usize>>> = Arc::default();
    let feeds: Arc<Mutex<Vec<Bytes>>> = Arc::default();
    let (heard, read) = (Arc::clone(&bills), Arc::clone(&feeds));
    room.messages.on_charges(move |charges| heard.lock().unwrap().push(charges.iter().filter(|one| one.paid).count()));
    room.messages.on_alerts(move |document| read.lock().unwrap().push(document));
    let charge = |paid: bool| {
        json!({ "id": "c1", "account_number": "1", "supplier_id": "s", "period": { "year": 2027, "month": 1 },
                "amount_kopecks": 100, "due": "2027-02-10", "paid": paid })
    };
    room.board.lock().unwrap().charges = vec![charge(false)];
    room.messages.run_once().await;
    room.messages.run_once().await;
    room.board.lock().unwrap().charges = vec![charge(true)];
    room.messages.run_once().await;
    assert_eq!(*bills.lock().unwrap(), [0, 1]);
    assert_eq!(feeds.lock().unwrap().len(), 1, "the second time it was the same");
}

#[tokio::test]
async fn a_list_that_fails_does_not_keep_the_others_away() {
    let room = Room::whole().await;
    let feeds = Arc::new(Mutex::new(0));
    let read = Arc::clone(&feeds);
    room.messages.on_alerts(move |_| *read.lock().unwrap() += 1);
    room.fault(Fault::Problem(403, "forbidden-scope"));
    room.messages.run_once().await;
    assert_eq!(*feeds.lock().unwrap(), 1);
    assert!(room.messages.trouble().is_some());
    room.messages.run_once().await;
    assert_eq!(room.messages.trouble(), None);
}

#[tokio::test]
async fn a_cursor_that_the_portal_forgot_begins_anew_without_doubles() {
    let room = Room::whole().await;
    room.supplier_writes("n1", "a");
    room.messages.run_once().await;
    let id = room.messages.list(None, 9, false).await.unwrap()[0].id;
    room.messages.read(id, None).await.unwrap();
    room.messages.run_once().await;
    room.supplier_writes("n2", "b");
    room.fault(Fault::Problem(400, "bad-request"));
    room.messages.run_once().await;
    assert_eq!(room.texts().await.len(), 2);
    assert_eq!(room.new.lock().unwrap().len(), 2);
}
