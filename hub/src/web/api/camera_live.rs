//! A camera as it is now, over WebSocket (RFC 6455): pieces of fragmented MP4 for a browser's Media Source. The right to see
//! it is asked at the upgrade and every two seconds after it; with the right, or the session, the socket ends.
//!
//! A binary message is 20 bytes of heading and the piece: `u8 kind (0 initialisation, 1 piece) | u8 begins a group | u16 0 |
//! u32 number | u32 length, ms | i64 when its first picture was taken, ms since 1970`, big-endian. Text messages are JSON:
//! `begins` with the media type, `pictures`, `unplayable`, `dropped`, `state`. A viewer that says `{"have": number}` of what
//! it has taken is sent no more than a second ahead of that: buffers on the way would else hide how far behind it is.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domovoi_model::Id;
use domovoi_video::VideoCodec;
use domovoi_video::live::{Viewer, Watched};
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::ApiProblem;
use super::camera_film::jpeg;
use super::cameras::{camera_named, told};
use crate::cameras::CamerasError;
use crate::policy::{Decision, Verb, decide};
use crate::web::camera_words::state_of;
use crate::web::origin::{Site, site};
use crate::web::{Caller, Desk, Shown};

/// So often it is asked whether the viewer may still see.
const BEAT: Duration = Duration::from_secs(2);

/// Every so many beats a sign of life goes out: some browsers close a socket that is silent for a minute.
const PING_BEATS: u32 = 15;

/// A viewer says short things, and not more often than pieces come.
const MAX_FRAME: usize = 1024;
const MAX_SAID_A_BEAT: u32 = 400;

/// Nothing more is sent while what was sent so long ago is not there yet.
const AHEAD: Duration = Duration::from_secs(1);

/// So long a newer picture is waited for.
const PICTURE: Duration = Duration::from_secs(10);

/// Whoever takes longer over one message has gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

const HEADING: usize = 20;

/// The session is over, or the right (RFC 6455, 7.4.1).
const POLICY: u16 = 1008;
/// Too many watch: later, perhaps.
const LATER: u16 = 1013;
/// The camera is shown to nobody any more.
const AWAY: u16 = 1001;

/// What a viewer says.
#[derive(Debug, Deserialize)]
struct Said {
    /// The number of the last message that it has taken.
    #[serde(default)]
    have: Option<u32>,
    /// `no-video`: it cannot show what the camera sends, and wants to hear of its state only.
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// Shows a camera live, over WebSocket.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/live", tag = "cameras", responses((status = 101, description = "switched to WebSocket; binary messages are pieces of fragmented MP4")))]
pub async fn live(
    State(desk): State<Desk>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    Path(camera): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiProblem> {
    // No browser keeps a foreign page from opening a WebSocket with our cookie: with one, our own origin is wanted.
    if matches!(caller.shown, Shown::Cookie(_)) && site(&desk.front, &headers, &uri) != Site::Own {
        let text = crate::words::words(caller.language).say("request-foreign-site", &[]);
        return Err(ApiProblem::new(StatusCode::FORBIDDEN, "foreign-site", text));
    }
    let language = caller.language;
    let camera = camera_named(&desk, &camera, language)?;
    let live = desk.cameras.live(camera).map_err(|error| told(error, language))?;
    // Told in the socket, where a page can hear why.
    let viewer = live.watch();
    let showing = upgrade.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME).max_write_buffer_size(32 << 20);
    Ok(showing.on_upgrade(move |socket| async move {
        match viewer {
            Ok(viewer) => Box::pin(show(socket, Showing::new(desk, caller, camera, viewer))).await,
            Err(full) => close(socket, LATER, &full.to_string()).await,
        }
    }))
}

struct Showing {
    desk: Desk,
    caller: Caller,
    camera: Id,
    /// `None`: this one wants no video.
    viewer: Option<Viewer>,
    number: u32,
    /// What was sent and is not confirmed; empty for a viewer that confirms nothing.
    under_way: VecDeque<(u32, Instant)>,
    confirms: bool,
    told_state: Option<(&'static str, String)>,
}

impl Showing {
    fn new(desk: Desk, caller: Caller, camera: Id, viewer: Viewer) -> Self {
        Showing {
            desk,
            caller,
            camera,
            viewer: Some(viewer),
            number: 0,
            under_way: VecDeque::new(),
            confirms: false,
            told_state: None,
        }
    }

    /// Whether the viewer may see the camera now.
    async fn may(&self) -> bool {
        let Some(who) = self.caller.again(&self.desk).await else { return false };
        decide(&who, Verb::See, &self.desk.cameras.object(self.camera), self.desk.now()) == Decision::Allow
    }

    fn may_send(&self) -> bool {
        !self.confirms || self.under_way.front().is_none_or(|(_, since)| since.elapsed() < AHEAD)
    }

    /// What is to be sent next; waits for ever where nothing is.
    async fn next(&mut self) -> Option<Watched> {
        match &mut self.viewer {
            Some(viewer) => viewer.next().await,
            None => std::future::pending().await,
        }
    }

    fn heard(&mut self, said: &Said) {
        if let Some(have) = said.have {
            self.confirms = true;
            while self.under_way.front().is_some_and(|(number, _)| *number <= have) {
                self.under_way.pop_front();
            }
        }
        if said.kind.as_deref() == Some("no-video") {
            self.viewer = None;
        }
    }

    fn messages(&mut self, watched: Watched) -> Vec<Message> {
        let text = |value: serde_json::Value| Message::Text(value.to_string().into());
        match watched {
            Watched::Begins { init, mime } => {
                let begins = text(serde_json::json!({ "type": "begins", "mime": mime }));
                vec![begins, self.binary(&init, 0, true, 0, 0)]
            }
            Watched::Pictures => vec![text(serde_json::json!({ "type": "pictures" }))],
            Watched::Unplayable(why) => vec![text(serde_json::json!({ "type": "unplayable", "why": why }))],
            Watched::Dropped(pictures) => vec![text(serde_json::json!({ "type": "dropped", "pictures": pictures }))],
            Watched::Piece { bytes, wall_ms, duration_ms, starts_group } => {
                vec![self.binary(&bytes, 1, starts_group, duration_ms, wall_ms)]
            }
        }
    }

    fn binary(&mut self, payload: &Bytes, kind: u8, group: bool, duration_ms: u32, wall_ms: i64) -> Message {
        self.number = self.number.wrapping_add(1);
        let mut message = Vec::with_capacity(HEADING + payload.len());
        message.extend_from_slice(&[kind, u8::from(group), 0, 0]);
        message.extend_from_slice(&self.number.to_be_bytes());
        message.extend_from_slice(&duration_ms.to_be_bytes());
        message.extend_from_slice(&wall_ms.to_be_bytes());
        message.extend_from_slice(payload);
        // Who never confirms is not counted: a second of pieces is a hundred at most.
        if self.confirms || self.under_way.len() < 256 {
            self.under_way.push_back((self.number, Instant::now()));
        }
        Message::Binary(message.into())
    }

    /// How the camera stands, if that is news to this viewer.
    fn state(&mut self) -> Option<Message> {
        let state = state_of(&self.desk, self.camera, self.caller.language);
        if self.told_state.as_ref() == Some(&state) {
            return None;
        }
        let message = serde_json::json!({ "type": "state", "state": state.0, "words": state.1 });
        self.told_state = Some(state);
        Some(Message::Text(message.to_string().into()))
    }
}

async fn show(mut socket: WebSocket, mut showing: Showing) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut beats, mut said) = (0u32, 0u32);
    loop {
        let may_send = showing.may_send();
        let messages = tokio::select! {
            _ = beat.tick() => {
                if !showing.may().await {
                    return close(socket, POLICY, "the session is over, or its rights have changed").await;
                }
                said = 0;
                beats = beats.wrapping_add(1);
                let ping = beats.is_multiple_of(PING_BEATS).then(|| Message::Ping(Bytes::new()));
                showing.state().into_iter().chain(ping).collect()
            }
            message = socket.recv() => match message {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(message)) => {
                    said = said.saturating_add(1);
                    if said > MAX_SAID_A_BEAT {
                        return close(socket, POLICY, "less is to be said here").await;
                    }
                    if let Message::Text(text) = message
                        && let Ok(said) = serde_json::from_str::<Said>(&text)
                    {
                        showing.heard(&said);
                    }
                    continue;
                }
            },
            watched = showing.next(), if may_send => match watched {
                None => return close(socket, AWAY, "the camera is not shown any more").await,
                Some(watched) => showing.messages(watched),
            },
        };
        for message in messages {
            if !matches!(timeout(SEND_TIMEOUT, socket.send(message)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// Which picture.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PictureQuery {
    /// Waits for one after `after`, as long as it takes up to ten seconds: single pictures are watched so.
    #[serde(default)]
    live: bool,
    /// `X-Domovoi-Picture` of the picture before.
    after: Option<u64>,
}

/// What a camera shows now: its newest key frame as a JPEG, of a camera that sends single pictures the newest.
#[utoipa::path(get, path = "/api/v1/cameras/{camera}/picture", tag = "cameras", params(PictureQuery), responses((status = 200, body = Vec<u8>, content_type = "image/jpeg"), (status = 204, description = "no newer one within ten seconds")))]
pub async fn picture(
    State(desk): State<Desk>,
    caller: Caller,
    Path(camera): Path<String>,
    Query(query): Query<PictureQuery>,
) -> Result<Response, ApiProblem> {
    let language = caller.language;
    let camera = camera_named(&desk, &camera, language)?;
    let live = desk.cameras.live(camera).map_err(|error| told(error, language))?;
    let number = if query.live {
        match timeout(PICTURE, live.still_after(query.after.unwrap_or(0))).await {
            Ok(Some(still)) if still.tracks.video.codec == VideoCodec::Jpeg => {
                return Ok(numbered(jpeg(still.data), still.number));
            }
            Ok(Some(still)) => still.number,
            Ok(None) | Err(_) => return Ok(StatusCode::NO_CONTENT.into_response()),
        }
    } else {
        0
    };
    match desk.cameras.snapshot(camera).await {
        Ok(picture) => Ok(numbered(jpeg(picture.jpeg), number)),
        Err(CamerasError::Dark) if query.live => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => Err(told(error, language)),
    }
}

fn numbered(mut response: Response, number: u64) -> Response {
    response.headers_mut().insert("x-domovoi-picture", HeaderValue::from(number));
    response
}

async fn close(mut socket: WebSocket, code: u16, reason: &str) {
    let close = Message::Close(Some(CloseFrame { code, reason: reason.to_owned().into() }));
    let _ = timeout(SEND_TIMEOUT, socket.send(close)).await;
}
