//! Messages of the portal and to it: listed, read, sent by hand, taken back before they leave.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Paging, answer, cursor_of};
use super::{ApiProblem, Done, MAX_BODY};
use crate::audit::Note;
use crate::policy::{Kind, Verb};
use crate::portal::calls::NotificationKind;
use crate::portal::{MessageError, OutgoingMessage, OutgoingState, OwnMessage, PortalMessage};
use crate::web::{Caller, Desk, Doors, rule};
use crate::words::words;

/// The doors of messages.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::Message;
    use Verb::{Command, See, Submit};
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/messages", rule(See, Message), list)
        .door(get, "/api/v1/messages/outgoing", rule(See, Message), outgoing)
        // It goes to the portal in the name of the account that the owner linked.
        .door(post, "/api/v1/messages/outgoing", rule(Submit, Message).dangerous().deed("message.sent"), send)
        .door(
            delete,
            "/api/v1/messages/outgoing/{message}",
            rule(Submit, Message).which("message").deed("message.withdrawn"),
            withdraw,
        )
        .door(get, "/api/v1/messages/{message}", rule(See, Message).which("message"), show)
        .door(
            put,
            "/api/v1/messages/{message}/read",
            rule(Command, Message).which("message").deed("message.read"),
            read,
        )
}

fn told(error: MessageError, language: Language) -> ApiProblem {
    let say = |key: &str| words(language).say(key, &[]);
    match error {
        MessageError::NoSuch => ApiProblem::not_found(say("portal-message-no-such")),
        MessageError::TooLate => ApiProblem::refused(say("portal-message-too-late")),
        MessageError::Full => ApiProblem::refused(say("portal-message-full")),
        MessageError::Wrong(_) => ApiProblem::invalid(say("portal-message-wrong")),
        MessageError::Store(error) => error.into(),
    }
}

/// Which messages.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// At most so many, 1 to 200; 100 if nothing is said.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only those that nobody has read.
    unread: Option<bool>,
}

/// A message of the portal. Its text is a stranger's.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageAnswer {
    pub message: String,
    pub at: String,
    /// `outage`, `planned_work`, `meter`, `charge`, `security`, `other`
    pub kind: &'static str,
    pub text: String,
    pub account_number: Option<String>,
    pub read: bool,
    /// Who read it, if it was here.
    pub read_by: Option<String>,
    /// The portal knows that it was read.
    pub synced: bool,
}

/// Messages of the portal, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessagesAnswer {
    pub messages: Vec<MessageAnswer>,
    /// How many nobody has read.
    pub unread: usize,
    /// What went wrong when the portal was last asked, in a sentence.
    pub trouble: Option<String>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// A message of the home.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutgoingAnswer {
    pub message: String,
    pub at: String,
    pub kind: &'static str,
    pub text: String,
    pub account_number: Option<String>,
    /// `waiting`, `tried`, `taken`, `refused`, `expired`, `withdrawn`
    pub state: &'static str,
    /// The state in words.
    pub words: String,
}

/// Messages of the home, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutgoingsAnswer {
    pub messages: Vec<OutgoingAnswer>,
    pub trouble: Option<String>,
    pub next: Option<String>,
}

/// A message to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendForm {
    /// `outage`, `planned_work`, `meter`, `charge`, `security`, `other`
    #[serde(default)]
    pub kind: Option<String>,
    #[schema(min_length = 1, max_length = 4000)]
    pub text: String,
    #[serde(default)]
    #[schema(max_length = 30)]
    pub account_number: Option<String>,
}

impl MessageAnswer {
    fn of(message: PortalMessage) -> Self {
        MessageAnswer {
            message: message.id.to_string(),
            at: message.at.to_string(),
            kind: message.kind.word(),
            text: message.text,
            account_number: message.account_number,
            read: message.read,
            read_by: message.read_by.map(|by| by.to_string()),
            synced: !message.to_tell,
        }
    }
}

impl OutgoingAnswer {
    fn of(own: OutgoingMessage, language: Language) -> Self {
        let code = own.state.code();
        let detail = match &own.state {
            OutgoingState::Tried(tries) => tries.to_string(),
            OutgoingState::Refused(why) => why.clone(),
            _ => String::new(),
        };
        OutgoingAnswer {
            message: own.id.to_string(),
            at: own.at.to_string(),
            kind: own.kind.word(),
            text: own.text,
            account_number: own.account_number,
            state: code,
            words: words(language).say(&format!("portal-message-{code}"), &[("detail", &detail)]),
        }
    }
}

impl MessagesQuery {
    fn limit(&self) -> Result<u32, ApiProblem> {
        let limit = self.limit.unwrap_or(100);
        let wanted = u32::try_from(limit).ok().filter(|limit| (1..=200).contains(limit));
        wanted.ok_or_else(|| ApiProblem::invalid("limit: 1 to 200"))
    }

    fn before(&self) -> Result<Option<(Timestamp, Id)>, ApiProblem> {
        let paging = Paging { limit: None, cursor: self.cursor.clone() };
        let Some(text) = paging.after()? else { return Ok(None) };
        let read = || {
            let (at, id) = text.split_once(' ')?;
            Some((Timestamp(at.parse().ok()?), id.parse().ok()?))
        };
        read().map(Some).ok_or_else(|| ApiProblem::invalid("cursor: use `next` of the page before as it is"))
    }
}

/// The cursor behind a page that is full.
fn next<T>(page: &[T], limit: u32, place: impl Fn(&T) -> (Timestamp, Id)) -> Option<String> {
    let last = page.last().filter(|_| page.len() == usize::try_from(limit).unwrap_or(usize::MAX))?;
    let (at, id) = place(last);
    Some(cursor_of(&format!("{} {id}", at.0)))
}

fn message_named(text: &str, language: Language) -> Result<Id, ApiProblem> {
    text.parse().map_err(|_| told(MessageError::NoSuch, language))
}

/// Messages of the portal, newest first.
#[utoipa::path(get, path = "/api/v1/messages", tag = "messages", params(MessagesQuery), responses((status = 200, body = MessagesAnswer)))]
pub async fn list(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<MessagesQuery>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let limit = query.limit()?;
    let listed = desk.messages.list(query.before()?, limit, query.unread.unwrap_or(false)).await;
    let page = listed.map_err(|error| told(error, caller.language))?;
    let next = next(&page, limit, |message| (message.at, message.id));
    let messages = page.into_iter().map(MessageAnswer::of).collect();
    let (unread, trouble) = (desk.messages.unread(), desk.messages.trouble());
    Ok(answer(MessagesAnswer { messages, unread, trouble, next: next.clone() }, next.as_deref(), &uri))
}

/// One message of the portal.
#[utoipa::path(get, path = "/api/v1/messages/{message}", tag = "messages", responses((status = 200, body = MessageAnswer)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(message): Path<String>,
) -> Result<Json<MessageAnswer>, ApiProblem> {
    let id = message_named(&message, caller.language)?;
    let message = desk.messages.get(id).await.map_err(|error| told(error, caller.language))?;
    Ok(Json(MessageAnswer::of(message)))
}

/// Somebody has read it; the portal is told as soon as that can be.
#[utoipa::path(put, path = "/api/v1/messages/{message}/read", tag = "messages", responses((status = 200, body = MessageAnswer)))]
pub async fn read(
    State(desk): State<Desk>,
    caller: Caller,
    Path(message): Path<String>,
) -> Result<Json<MessageAnswer>, ApiProblem> {
    let id = message_named(&message, caller.language)?;
    let message = desk.messages.read(id, caller.who.person()).await.map_err(|error| told(error, caller.language))?;
    Ok(Json(MessageAnswer::of(message)))
}

/// Messages of the home to the portal, newest first, and how far each has come.
#[utoipa::path(get, path = "/api/v1/messages/outgoing", tag = "messages", params(MessagesQuery), responses((status = 200, body = OutgoingsAnswer)))]
pub async fn outgoing(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<MessagesQuery>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let limit = query.limit()?;
    let page = desk.messages.outgoing(query.before()?, limit).await.map_err(|error| told(error, caller.language))?;
    let next = next(&page, limit, |own| (own.at, own.id));
    let messages = page.into_iter().map(|own| OutgoingAnswer::of(own, caller.language)).collect();
    let trouble = desk.messages.trouble();
    Ok(answer(OutgoingsAnswer { messages, trouble, next: next.clone() }, next.as_deref(), &uri))
}

/// Puts a message on its way to the portal. It waits for the consent that such messages go there at all.
#[utoipa::path(post, path = "/api/v1/messages/outgoing", tag = "messages", request_body = SendForm, responses((status = 201, body = OutgoingAnswer)))]
pub async fn send(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<SendForm>,
) -> Result<(StatusCode, Json<OutgoingAnswer>), ApiProblem> {
    let kind = form.kind.as_deref().unwrap_or("other");
    let known = NotificationKind::from_word(kind);
    if known.word() != kind {
        return Err(ApiProblem::invalid("kind: outage, planned_work, meter, charge, security, other"));
    }
    if form.account_number.as_ref().is_some_and(|number| number.chars().count() > 30) {
        return Err(ApiProblem::invalid("account_number: at most 30 characters"));
    }
    let own = OwnMessage {
        key: format!("hand {}", uuid::Uuid::new_v4()),
        kind: known,
        text: form.text,
        account_number: form.account_number,
    };
    let id = desk.messages.send(&own).await.map_err(|error| told(error, caller.language))?;
    let there = desk.messages.outgoing_one(id).await.map_err(|error| told(error, caller.language))?;
    note.change("kind", None, Some(kind.to_owned()));
    Ok((StatusCode::CREATED, Json(OutgoingAnswer::of(there, caller.language))))
}

/// Takes a message back that has not left.
#[utoipa::path(delete, path = "/api/v1/messages/outgoing/{message}", tag = "messages", responses((status = 200, body = Done)))]
pub async fn withdraw(
    State(desk): State<Desk>,
    caller: Caller,
    Path(message): Path<String>,
) -> Result<Json<Done>, ApiProblem> {
    let id = message_named(&message, caller.language)?;
    desk.messages.withdraw(id).await.map_err(|error| told(error, caller.language))?;
    Ok(Done::json())
}
