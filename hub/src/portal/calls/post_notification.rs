//! `POST /notifications`: a message of this home to the portal (a leak, a silent meter). Sent only with the owner's
//! consent, of which this file knows nothing.

use domovoi_model::{Id, Timestamp};
use reqwest::Method;

use super::get_notifications::{Notification, NotificationDto, NotificationKind};
use super::wire;
use crate::portal::{CallError, Portal};

/// A message of this home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnNotification {
    /// What it is about.
    pub kind: NotificationKind,
    /// The words, ≤ 4000 characters.
    pub text: String,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// «Лицевой счёт» that it concerns.
    pub account_number: Option<String>,
}

/// `key` is made before the first try and is the same in every try. Gives the message as the portal has it.
pub async fn call(portal: &Portal, key: Id, message: &OwnNotification) -> Result<Notification, CallError> {
    let at = message.at.map(|at| at.to_string());
    let dto = NotificationDto::new(message.kind, message.text.clone(), at, message.account_number.clone());
    let outgoing = wire::idempotency_key(wire::request(portal, Method::POST, &["notifications"]), key)?;
    let answer = portal.send(wire::json_body(outgoing, &dto)?).await?;
    wire::read::<NotificationDto>(&answer)?.notification()
}
