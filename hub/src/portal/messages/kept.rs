//! How messages are spelled in the store, and as others see them.

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::MessageRow;
use serde::{Deserialize, Serialize};

use crate::portal::calls::NotificationKind;

/// A message of the portal. Its text is a stranger's, tamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalMessage {
    /// The hub's own.
    pub id: Id,
    /// When it was written, as far as the portal said; else when it came.
    pub at: Timestamp,
    /// What it is about.
    pub kind: NotificationKind,
    /// The words.
    pub text: String,
    /// «Лицевой счёт» that it concerns.
    pub account_number: Option<String>,
    /// Somebody has seen it, here or there.
    pub read: bool,
    /// Who, if it was here.
    pub read_by: Option<PersonId>,
    /// It was read here, and the portal does not know it yet.
    pub to_tell: bool,
    /// What the portal calls it; without it, it cannot be told that it was read.
    pub(super) portal_id: Option<String>,
    /// Behind which cursor it was found: there it is looked for again while nobody has read it.
    pub(super) after: Option<String>,
}

/// How far a message of the home has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutgoingState {
    /// It waits: for the link, the permission, the consent, its turn.
    Waiting,
    /// It has been tried so often, and what came of it is not known.
    Tried(u32),
    /// The portal has it, under this id.
    Taken(Option<String>),
    /// The portal does not want it.
    Refused(String),
    /// It became too old.
    Expired,
    /// Somebody took it back before it left.
    Withdrawn,
}

impl OutgoingState {
    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        !matches!(self, OutgoingState::Waiting | OutgoingState::Tried(_))
    }

    /// Its code on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            OutgoingState::Waiting => "waiting",
            OutgoingState::Tried(_) => "tried",
            OutgoingState::Taken(_) => "taken",
            OutgoingState::Refused(_) => "refused",
            OutgoingState::Expired => "expired",
            OutgoingState::Withdrawn => "withdrawn",
        }
    }
}

/// A message of the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What the portal knows it by before it answers: made before the first try.
    pub id: Id,
    /// When it was written.
    pub at: Timestamp,
    /// What it is about.
    pub kind: NotificationKind,
    /// The words.
    pub text: String,
    /// «Лицевой счёт» that it concerns.
    pub account_number: Option<String>,
    /// How far it has come.
    pub state: OutgoingState,
}

#[derive(Serialize, Deserialize)]
struct InRow {
    kind: String,
    text: String,
    account: Option<String>,
    read: bool,
    read_by: Option<String>,
    to_tell: bool,
    portal_id: Option<String>,
    after: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct OutRow {
    kind: String,
    text: String,
    account: Option<String>,
    state: String,
    tries: u32,
    word: Option<String>,
}

pub fn message(row: &MessageRow) -> Option<PortalMessage> {
    let body: InRow = serde_json::from_slice(&row.body).ok()?;
    Some(PortalMessage {
        id: row.id,
        at: row.at,
        kind: NotificationKind::from_word(&body.kind),
        text: body.text,
        account_number: body.account,
        read: body.read,
        read_by: body.read_by.and_then(|by| by.parse().ok()),
        to_tell: body.to_tell,
        portal_id: body.portal_id,
        after: body.after,
    })
}

pub fn row_of_message(message: &PortalMessage) -> MessageRow {
    let body = InRow {
        kind: message.kind.word().to_owned(),
        text: message.text.clone(),
        account: message.account_number.clone(),
        read: message.read,
        read_by: message.read_by.map(|by| by.to_string()),
        to_tell: message.to_tell,
        portal_id: message.portal_id.clone(),
        after: message.after.clone(),
    };
    super::row_of(message.id, message.at, serde_json::to_vec(&body).unwrap_or_default())
}

pub fn outgoing(row: &MessageRow) -> Option<Outgoing> {
    let body: OutRow = serde_json::from_slice(&row.body).ok()?;
    let state = match body.state.as_str() {
        "waiting" => OutgoingState::Waiting,
        "tried" => OutgoingState::Tried(body.tries),
        "taken" => OutgoingState::Taken(body.word),
        "refused" => OutgoingState::Refused(body.word.unwrap_or_default()),
        "expired" => OutgoingState::Expired,
        "withdrawn" => OutgoingState::Withdrawn,
        _ => return None,
    };
    Some(Outgoing {
        id: row.id,
        at: row.at,
        kind: NotificationKind::from_word(&body.kind),
        text: body.text,
        account_number: body.account,
        state,
    })
}

pub fn row_of_outgoing(own: &Outgoing) -> MessageRow {
    let (tries, word) = match &own.state {
        OutgoingState::Tried(tries) => (*tries, None),
        OutgoingState::Taken(word) => (0, word.clone()),
        OutgoingState::Refused(word) => (0, Some(word.clone())),
        _ => (0, None),
    };
    let body = OutRow {
        kind: own.kind.word().to_owned(),
        text: own.text.clone(),
        account: own.account_number.clone(),
        state: own.state.code().to_owned(),
        tries,
        word,
    };
    super::row_of(own.id, own.at, serde_json::to_vec(&body).unwrap_or_default())
}
