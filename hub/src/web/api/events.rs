//! News as they happen: server-sent events (HTML, 9.2) and the same over WebSocket (RFC 6455). Each piece of news is asked
//! about for each watcher, and a stream ends when its session does or when the watcher's rights have become others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, stream};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::ApiProblem;
use crate::policy::{Decision, Grant, Kind, Now, Object, Role, Scope, Verb, Who, decide};
use crate::web::feed::{About, Batch, Feed, Seat, Start};
use crate::web::origin::{Site, site};
use crate::web::{Caller, Desk, Shown};

/// A sign of life, and a look at the session, so often.
const BEAT: Duration = Duration::from_secs(15);

/// How long a browser waits before it comes back, in milliseconds.
const RETRY_MILLIS: u32 = 3000;

/// The longest name of a happening.
const MAX_LAST: usize = 64;

/// A watcher has nothing to say: what comes is read up to this, and so often.
const MAX_FRAME: usize = 4096;
const MAX_FRAMES: u32 = 256;

/// Whoever takes longer to take a piece of news has gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// As much text is taken from the feed at once. What a slow watcher has not taken stays where all have it, and goes with it.
const AT_ONCE: usize = 256 * 1024;

/// So long an answer of the policy about one thing is remembered: what it depends on are hours and days.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Where to go on.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// The `id` of the last piece of news that was seen, where `Last-Event-ID` cannot be sent.
    after: Option<String>,
    /// Only these kinds of news, with commas between them: `state,command,device` for a page that shows devices. All of
    /// them if nothing is said.
    kinds: Option<String>,
}

/// Every kind of news.
pub const KINDS: [&str; 19] = [
    "sample", "state", "command", "device", "rooms", "reading", "act", "register", "notice", "safety", "danger",
    "camera", "alert", "calendar", "messages", "presence", "scenario", "cloud", "reset",
];

impl EventsQuery {
    fn kinds(&self) -> Result<Option<Vec<String>>, ApiProblem> {
        let Some(text) = &self.kinds else { return Ok(None) };
        let kinds: Vec<String> = text.split(',').take(KINDS.len()).map(|kind| kind.trim().to_owned()).collect();
        match kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            None => Ok(Some(kinds)),
            Some(_) => Err(ApiProblem::invalid(format!("kinds: some of {}", KINDS.join(", ")))),
        }
    }
}

/// What the stream says next.
enum Said {
    /// News of a batch, from one number to another, both included.
    News(Arc<Batch>, u64, u64),
    /// Something was missed: read everything anew. The number to go on from.
    Reset(u64),
    /// Nothing happened, and we are here.
    Beat,
}

/// One who watches.
struct Watcher {
    desk: Desk,
    caller: Caller,
    rights: Rights,
    feed: Feed,
    latest: watch::Receiver<Option<u64>>,
    /// Everything up to this was told, or was not for this watcher.
    seen: u64,
    waiting: VecDeque<Said>,
    verdicts: Verdicts,
    /// The kinds of news that are wanted, if not all are.
    kinds: Option<Vec<String>>,
    next_beat: Instant,
    _seat: Seat,
}

/// What the policy has just said to this watcher about things that are told again and again.
#[derive(Default)]
struct Verdicts {
    asked: Option<(Instant, Who, Now)>,
    said: HashMap<u64, bool>,
}

impl Verdicts {
    /// From now on it is this one who asks; what counts no more is forgotten.
    fn begin(&mut self, who: Who, now: Now) {
        let same = |(at, before, then): &(Instant, Who, Now)| {
            at.elapsed() < REMEMBERED && *before == who && then.minute == now.minute && then.trusted == now.trusted
        };
        if !self.asked.as_ref().is_some_and(same) {
            self.said.clear();
            self.asked = Some((Instant::now(), who, now));
        }
    }

    fn may_see(&mut self, about: &About, desk: &Desk) -> bool {
        let Some((_, who, now)) = &self.asked else { return false };
        let ask = || {
            // A device may have been moved since the news was written: a right for a room is about the room it is in now.
            let device = about.object.id.as_deref().filter(|_| about.object.kind == Kind::Device);
            match device.and_then(|device| desk.devices.room_of(device)) {
                None => decide(who, Verb::See, &about.object, *now) == Decision::Allow,
                Some(room) => {
                    let object = Object { room: Some(room.to_string()), ..about.object.clone() };
                    decide(who, Verb::See, &object, *now) == Decision::Allow
                }
            }
        };
        match about.name {
            Some(name) => *self.said.entry(name).or_insert_with(ask),
            None => ask(),
        }
    }
}

/// What a stream was opened with. With other rights another stream is opened.
#[derive(PartialEq)]
struct Rights {
    role: Option<Role>,
    grants: Vec<Grant>,
    scopes: Option<Vec<Scope>>,
    locked: bool,
}

impl Rights {
    fn of(who: &Who) -> Self {
        Rights { role: who.role, grants: who.grants.clone(), scopes: who.scopes.clone(), locked: who.locked }
    }
}

impl Watcher {
    fn begin(desk: Desk, caller: Caller, last: Option<&str>, query: &EventsQuery) -> Result<Self, ApiProblem> {
        let kinds = query.kinds()?;
        if last.is_some_and(|last| last.len() > MAX_LAST) {
            return Err(ApiProblem::invalid("the id of the last event is none of ours"));
        }
        let feed = desk.feed.clone();
        let seat = feed.seat(&caller.who).ok_or_else(|| {
            ApiProblem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-streams",
                "too many streams are open: close a page, or a program that watches",
            )
        })?;
        // Listen first, look then: what happens in between is seen twice rather than never.
        let latest = feed.watch();
        let (seen, waiting) = match feed.start(last) {
            Start::After(number) => (number, VecDeque::new()),
            Start::Reset(number) => (number, VecDeque::from([Said::Reset(number)])),
        };
        Ok(Watcher {
            rights: Rights::of(&caller.who),
            desk,
            caller,
            feed,
            latest,
            seen,
            waiting,
            verdicts: Verdicts::default(),
            kinds,
            next_beat: Instant::now() + BEAT,
            _seat: seat,
        })
    }

    /// What is said next; `None` ends the stream.
    async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.waiting.pop_front() {
                return Some(said);
            }
            // Looked at before anything is shown: a session that has just ended sees nothing more.
            let latest = *self.latest.borrow_and_update();
            if latest? > self.seen {
                let who = self.still().await?;
                match self.feed.after(self.seen) {
                    None => {
                        let Start::After(number) = self.feed.start(None) else { return None };
                        self.seen = number;
                        self.waiting.push_back(Said::Reset(number));
                    }
                    Some(batches) => {
                        self.verdicts.begin(who, self.desk.now());
                        let mut taken = 0;
                        for batch in batches {
                            if taken > AT_ONCE {
                                break;
                            }
                            taken += batch.bytes();
                            self.sift(batch);
                        }
                    }
                }
                continue;
            }
            tokio::select! {
                changed = self.latest.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.next_beat) => {
                    self.next_beat = Instant::now() + BEAT;
                    self.still().await?;
                    return Some(Said::Beat);
                }
            }
        }
    }

    fn wants(&self, kind: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|wanted| wanted == kind))
    }

    /// Puts what this watcher may see of a batch in line: what lies together stays together.
    fn sift(&mut self, batch: Arc<Batch>) {
        let mut run: Option<(u64, u64)> = None;
        for news in batch.after(self.seen) {
            if self.wants(news.about.kind) && self.verdicts.may_see(news.about, &self.desk) {
                run = Some((run.map_or(news.number, |(from, _)| from), news.number));
            } else if let Some((from, to)) = run.take() {
                self.waiting.push_back(Said::News(Arc::clone(&batch), from, to));
            }
        }
        self.seen = batch.last();
        if let Some((from, to)) = run {
            self.waiting.push_back(Said::News(batch, from, to));
        }
    }

    /// Who the watcher is now; `None` if the session is over, the rights are others, or the home is not theirs to see now.
    async fn still(&self) -> Option<Who> {
        let who = self.caller.again(&self.desk).await?;
        let home = decide(&who, Verb::See, &Object::all(Kind::Home), self.desk.now());
        (Rights::of(&who) == self.rights && home == Decision::Allow).then_some(who)
    }

    fn as_event(&self, said: &Said) -> Bytes {
        match said {
            Said::News(batch, from, to) => batch.events(*from, *to),
            Said::Reset(number) => format!("id: {}\nevent: reset\ndata: {{}}\n\n", self.feed.id(*number)).into(),
            Said::Beat => Bytes::from_static(b": here\n\n"),
        }
    }

    /// The messages of a WebSocket, handed to it one by one and sent together.
    async fn send(&self, socket: &mut WebSocket, said: &Said) -> Result<(), axum::Error> {
        match said {
            Said::News(batch, from, to) => {
                for news in batch.after(from.saturating_sub(1)).take_while(|news| news.number <= *to) {
                    let data = std::str::from_utf8(news.data).unwrap_or("null");
                    let (id, kind) = (self.feed.id(news.number), news.about.kind);
                    let text = format!("{{\"data\":{data},\"id\":\"{id}\",\"type\":\"{kind}\"}}");
                    socket.feed(Message::Text(text.into())).await?;
                }
            }
            Said::Reset(number) => {
                let text = format!("{{\"data\":{{}},\"id\":\"{}\",\"type\":\"reset\"}}", self.feed.id(*number));
                socket.feed(Message::Text(text.into())).await?;
            }
            Said::Beat => socket.feed(Message::Ping(Bytes::new())).await?,
        }
        socket.flush().await
    }
}

/// What happens in the home, as it happens: server-sent events `sample`, `state`, `command`, `device`,
/// `rooms`, `reading`, `act`, `register`, `notice`, `reset`.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsQuery), responses((status = 200, body = String, content_type = "text/event-stream")))]
pub async fn events(
    State(desk): State<Desk>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, ApiProblem> {
    // The browser's own word goes before the page's: it has seen more.
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).or(query.after.as_deref());
    let watcher = Watcher::begin(desk, caller, last, &query)?;
    let first = format!("retry: {RETRY_MILLIS}\n\n");
    let body = stream::unfold((watcher, Some(first)), |(mut watcher, first)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, std::convert::Infallible>(Bytes::from(first)), (watcher, None)));
        }
        let said = watcher.next().await?;
        let text = watcher.as_event(&said);
        Some((Ok(text), (watcher, None)))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The same over WebSocket: each message `{"id":…,"type":…,"data":…}`.
#[utoipa::path(get, path = "/api/v1/live", tag = "events", params(EventsQuery), responses((status = 101, description = "switched to WebSocket")))]
pub async fn live(
    State(desk): State<Desk>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiProblem> {
    // No browser keeps a foreign page from opening a WebSocket with our cookie: with one, our own origin is wanted.
    if matches!(caller.shown, Shown::Cookie(_)) && site(&desk.front, &headers, &uri) != Site::Own {
        let text = crate::words::words(caller.language).say("request-foreign-site", &[]);
        return Err(ApiProblem::new(StatusCode::FORBIDDEN, "foreign-site", text));
    }
    let watcher = Watcher::begin(desk, caller, query.after.as_deref(), &query)?;
    Ok(upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .max_write_buffer_size(1 << 20)
        .on_upgrade(move |socket| converse(socket, watcher)))
}

async fn converse(mut socket: WebSocket, mut watcher: Watcher) {
    let mut heard = 0;
    let reason = loop {
        tokio::select! {
            said = watcher.next() => {
                let Some(said) = said else { break "the session is over, or its rights have changed" };
                match tokio::time::timeout(SEND_TIMEOUT, watcher.send(&mut socket, &said)).await {
                    Ok(Ok(())) => {}
                    _ => return,
                }
            }
            message = socket.recv() => match message {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(Message::Pong(_))) => {}
                Some(Ok(_)) => {
                    heard += 1;
                    if heard > MAX_FRAMES {
                        break "nothing is to be said here";
                    }
                }
            }
        }
    };
    // 1008: a policy was violated, or ended (RFC 6455, 7.4.1).
    let close = Message::Close(Some(CloseFrame { code: 1008, reason: reason.into() }));
    let _ = tokio::time::timeout(SEND_TIMEOUT, socket.send(close)).await;
}
