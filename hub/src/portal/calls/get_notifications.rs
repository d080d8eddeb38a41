//! `GET /notifications`: messages of suppliers and the portal to the household, oldest first after a cursor.

use domovoi_model::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{Page, wire};
use crate::outside::tame;
use crate::portal::{CallError, Portal};

/// One message. Its text is a stranger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The portal's id.
    pub id: Option<String>,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// What it is about.
    pub kind: NotificationKind,
    /// The words.
    pub text: String,
    /// «Лицевой счёт» that it concerns.
    pub account_number: Option<String>,
    /// Somebody in the household has seen it.
    pub read: bool,
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// Something is off.
    Outage,
    /// Something will be off.
    PlannedWork,
    /// About a meter.
    Meter,
    /// About money.
    Charge,
    /// About the safety of the account or the home.
    Security,
    /// Anything else.
    Other,
}

impl NotificationKind {
    const WORDS: [(NotificationKind, &str); 6] = [
        (NotificationKind::Outage, "outage"),
        (NotificationKind::PlannedWork, "planned_work"),
        (NotificationKind::Meter, "meter"),
        (NotificationKind::Charge, "charge"),
        (NotificationKind::Security, "security"),
        (NotificationKind::Other, "other"),
    ];

    /// Its word in the contract.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, _)| *kind == self).map_or("other", |(_, word)| word)
    }

    /// The kind of a word. One that this program does not know is read as `Other`: a portal that learns a new kind must not
    /// silence all the others on its page.
    pub fn from_word(word: &str) -> Self {
        Self::WORDS.iter().find(|(_, known)| *known == word).map_or(NotificationKind::Other, |(kind, _)| *kind)
    }
}

#[derive(Deserialize)]
struct ListDto {
    notifications: Vec<NotificationDto>,
    next: Option<String>,
}

/// Both directions have it in common.
#[derive(Serialize, Deserialize)]
pub(super) struct NotificationDto {
    #[serde(skip_serializing)]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    pub kind: String,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_number: Option<String>,
    #[serde(skip_serializing)]
    read: Option<bool>,
}

impl NotificationDto {
    pub fn new(kind: NotificationKind, text: String, at: Option<String>, account_number: Option<String>) -> Self {
        NotificationDto { id: None, at, kind: kind.word().to_owned(), text, account_number, read: None }
    }

    pub fn notification(self) -> Result<Notification, CallError> {
        Ok(Notification {
            id: self.id.map(|text| tame(&text, 64)),
            // A time that cannot be read is none: it must not silence the others on its page.
            at: self.at.as_deref().and_then(|text| wire::time("at", text).ok()),
            kind: NotificationKind::from_word(&self.kind),
            text: tame(&self.text, 4000),
            account_number: self.account_number.map(|text| tame(&text, 30)),
            read: self.read.unwrap_or(false),
        })
    }
}

/// Up to a hundred, from the beginning or after a cursor.
pub async fn call(portal: &Portal, after: Option<&str>) -> Result<Page<Notification>, CallError> {
    let outgoing = wire::query(wire::request(portal, Method::GET, &["notifications"]), "after", after);
    let list: ListDto = wire::read(&portal.send(outgoing).await?)?;
    let items = list.notifications.into_iter().map(NotificationDto::notification).collect::<Result<_, _>>()?;
    Ok(Page { items, next: list.next })
}
