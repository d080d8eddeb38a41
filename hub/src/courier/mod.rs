//! Carries a short message to a contact: one-time codes, news about one's own account. Pluggable channels, tried in the
//! order of the settings. It decides nothing about who should hear what; that is for the rooms that send.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::people::{Contact, ContactKind};

/// What is carried.
#[derive(Debug, Clone)]
pub struct Message {
    /// A subject, where the channel has one.
    pub subject: String,
    /// The text. It may hold a code: it is never logged.
    pub text: String,
}

/// It could not be carried; the sentence says why, without the contact and the text.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Undelivered(pub String);

/// A way to reach people.
pub trait Channel: Send + Sync {
    /// Its name in settings and in the journal.
    fn name(&self) -> &'static str;
    /// Whether it reaches contacts of this kind.
    fn reaches(&self, kind: ContactKind) -> bool;
    /// Carries a message, or says why not, within ten seconds.
    fn deliver<'a>(&'a self, to: &'a Contact, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>>;
}

/// The courier. Clones are the same courier.
#[derive(Clone, Default)]
pub struct Courier(Arc<Vec<Box<dyn Channel>>>);

impl Courier {
    /// With these channels.
    pub fn new(channels: Vec<Box<dyn Channel>>) -> Self {
        Courier(Arc::new(channels))
    }

    /// Whether anything reaches contacts of this kind.
    pub fn reaches(&self, kind: ContactKind) -> bool {
        self.0.iter().any(|channel| channel.reaches(kind))
    }

    /// Carries a message by the first channel that can.
    pub async fn deliver(&self, to: &Contact, message: &Message) -> Result<(), Undelivered> {
        let mut why = Undelivered("no channel reaches this contact".into());
        for channel in self.0.iter().filter(|channel| channel.reaches(to.kind)) {
            match channel.deliver(to, message).await {
                Ok(()) => return Ok(()),
                Err(error) => why = error,
            }
        }
        Err(why)
    }
}
