//! The feeds of warnings: when each was read, what is wrong, whom it is believed; reading one now.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::alerts::{stamp, told};
use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::web::{Caller, Desk};
use crate::words::words;

/// How a feed stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedView {
    pub feed: String,
    pub address: String,
    /// It is about this place only.
    pub local: bool,
    /// Who is believed; empty: whoever has a message in it.
    pub senders: Vec<String>,
    pub every_s: u64,
    pub read_at: Option<String>,
    /// The code of what is wrong.
    pub trouble: Option<&'static str>,
    /// What is wrong, and on what its trust rests, in words.
    pub words: Vec<String>,
    pub failures: u32,
    pub entries: usize,
    /// Alerts of it that stand.
    pub standing: usize,
    /// What was written badly: a code and the words.
    pub notes: Vec<NoteView>,
    pub strangers: Vec<StrangerView>,
}

/// What was written badly.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteView {
    pub code: String,
    pub at: String,
}

/// A sender who is not believed: nothing of it is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct StrangerView {
    pub sender: String,
    pub event: String,
    pub at: Option<String>,
    pub count: u32,
}

/// The feeds of the settings.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedsView {
    pub feeds: Vec<FeedView>,
}

/// The feeds: when each was read, what is wrong, whom it is believed.
#[utoipa::path(get, path = "/api/v1/alerts/feeds", tag = "alerts", responses((status = 200, body = FeedsView)))]
pub async fn feeds(State(desk): State<Desk>, caller: Caller) -> Json<FeedsView> {
    let words = words(caller.language);
    let standing = desk.alerts.standing();
    let feeds = desk.alerts.feeds().into_iter().map(|feed| {
        let mut said = Vec::new();
        if let Some((code, detail)) = &feed.trouble {
            said.push(words.say(&format!("alert-feed-{code}"), &[("detail", detail)]));
        }
        said.push(words.say("alert-feed-unsigned", &[]));
        if feed.senders.is_empty() {
            said.push(words.say("alert-feed-anyone", &[]));
        }
        for stranger in &feed.strangers {
            said.push(words.say("alert-feed-stranger", &[("event", &stranger.event), ("sender", &stranger.sender)]));
        }
        let strangers = feed.strangers.into_iter().map(|one| StrangerView {
            sender: one.sender,
            event: one.event,
            at: stamp(&desk, one.at),
            count: one.count,
        });
        FeedView {
            standing: standing.iter().filter(|alert| alert.feed.as_deref() == Some(feed.name.as_str())).count(),
            address: feed.address,
            local: feed.local,
            senders: feed.senders,
            every_s: feed.every.as_secs(),
            read_at: feed.read_at.and_then(|moment| stamp(&desk, moment)),
            trouble: feed.trouble.as_ref().map(|(code, _)| *code),
            words: said,
            failures: feed.failures,
            entries: feed.entries,
            notes: feed.notes.into_iter().map(|(code, at)| NoteView { code, at }).collect(),
            strangers: strangers.collect(),
            feed: feed.name,
        }
    });
    Json(FeedsView { feeds: feeds.collect() })
}

/// Reads a feed now.
#[utoipa::path(post, path = "/api/v1/alerts/feeds/{feed}/poll", tag = "alerts", responses((status = 200, body = Done)))]
pub async fn poll(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(feed): Path<String>,
) -> Result<Json<Done>, ApiProblem> {
    desk.alerts.poll(&feed).map_err(|error| told(&error, caller.language))?;
    note.change("feed", None, Some(feed));
    Ok(Done::json())
}
