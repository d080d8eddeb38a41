//! Ways to reach people, each in a file of its own. A channel carries a letter to an address and says what became of it; it
//! decides nothing about who should hear what.

mod bot;
mod http;
mod inbox;
mod links;
mod mail;
mod mqtt;
mod ntfy;
mod push;
mod siren;
mod sms;
#[cfg(test)]
mod tests;
mod tools;
mod unified_push;
mod voice;
mod web_push;
mod webhook;
mod wording;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domovoi_config::Language;
use domovoi_model::{Id, Moment, Severity};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

pub use links::Links;
pub use push::application_server_key;
pub use tools::{Publication, Publish, Switch, Tools, all};

use super::{Subject, Topic};

/// Something that an address of a channel consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name on the wire and in the locale files (`field-<name>`).
    pub name: &'static str,
    /// It is not shown again once it is kept.
    pub secret: bool,
    /// There is no address without it.
    pub required: bool,
}

/// Where somebody is reached by a channel: what its [`Channel::fields`] are here. Printed with stars.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address(pub BTreeMap<String, String>);

impl Address {
    /// One of its fields.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(|field| format!("{field}: ***"))).finish()
    }
}

/// How much a letter presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pressing {
    /// When somebody looks.
    Low,
    /// Soon.
    Normal,
    /// It may sound.
    High,
    /// It has to wake somebody.
    Life,
}

/// How a letter is answered with "I know" from outside the page.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Opens the page where it is said; safe to be opened by a mail reader that looks ahead.
    pub page: String,
    /// What a program of ours on the phone, or a bot's button, sends back. Good for this subject and person only; letters,
    /// digits, `-` and `_`, at most 60 of them (a bot's button carries 64 bytes).
    pub token: String,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer(***)")
    }
}

/// What is carried. It holds what a person reads and nothing that the channel has to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Of this attempt's letter; the same in every retry, so that a channel that can tells doubles apart.
    pub id: Id,
    /// What it is about: a later letter of the same subject takes the place of the earlier one where a channel can do that.
    pub subject: Subject,
    /// What people choose by.
    pub topic: Topic,
    /// How bad.
    pub severity: Severity,
    /// How much it presses.
    pub pressing: Pressing,
    /// What language it is in.
    pub language: Language,
    /// One line.
    pub title: String,
    /// The rest.
    pub body: String,
    /// Where more of it stands, whole: `https://domovoi.local:8443/alerts/…`.
    pub link: Option<String>,
    /// How somebody says "I know"; `None`: nobody has to.
    pub answer: Option<Answer>,
    /// What it says is over.
    pub over: bool,
    /// When it happened.
    pub at: Moment,
    /// After so long nobody wants it any more.
    pub good_for: Duration,
}

/// What became of a letter, as far as the channel can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// Somebody took it who is to carry it on.
    Sent,
    /// It arrived at the person's device.
    Delivered,
    /// The person saw it.
    Seen,
}

/// It was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// How far it is.
    pub fate: Fate,
    /// What the carrier calls it, to be asked about later.
    pub receipt: Option<String>,
}

/// It was not. The sentences name neither the address nor the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// Another try may help, after so long if the carrier said so.
    #[error("{why}")]
    Again {
        /// In a sentence.
        why: String,
        /// What the carrier asked for.
        after: Option<Duration>,
    },
    /// There is nobody at this address any more: it is to be taken off.
    #[error("{0}")]
    Gone(String),
    /// No try will help until somebody changes something.
    #[error("{0}")]
    Refused(String),
}

/// What comes of something that a person did at the other end of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was taken.
    Taken,
    /// It is good no more: the code or the token is unknown, used, or too old.
    Stale,
}

/// Who wants to know what comes back by the channels. Clones are the same ears.
#[derive(Clone)]
pub struct Ears {
    /// "I know": the token of a letter's [`Answer`].
    pub answered: Arc<dyn Fn(String) -> BoxFuture<'static, Heard> + Send + Sync>,
    /// Somebody showed a code that the hub made ([`Links`]) by the channel of this name, and is reached there.
    pub linked: Arc<dyn Fn(&'static str, String, Address) -> BoxFuture<'static, Heard> + Send + Sync>,
}

/// A way to reach people.
pub trait Channel: Send + Sync {
    /// Its name on the wire, in settings and in the ledger: `web-push`.
    fn name(&self) -> &'static str;

    /// What an address of it consists of.
    fn fields(&self) -> &'static [Field];

    /// Whether an address can be one; the sentence says what to do. Asked before it is kept, and again before it is used.
    fn check(&self, to: &Address) -> Result<(), String>;

    /// It is the home's and nobody's own: a siren, a loudspeaker, a topic.
    fn is_of_the_house(&self) -> bool {
        false
    }

    /// A message costs money: it goes this way only if it has to.
    fn costs(&self) -> bool {
        false
    }

    /// Carries a letter, or says why not, within its own time (≤ 20 s).
    fn send<'a>(&'a self, to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>>;

    /// What became of a letter that was taken; `None`: this channel never knows more.
    fn ask<'a>(&'a self, _to: &'a Address, _receipt: &'a str) -> BoxFuture<'a, Result<Option<Fate>, Failed>> {
        Box::pin(async { Ok(None) })
    }

    /// The subject is over or known: what stands until then (a retained message, a siren) is taken away.
    fn clear<'a>(&'a self, _to: &'a Address, _subject: &'a Subject) -> BoxFuture<'a, Result<(), Failed>> {
        Box::pin(async { Ok(()) })
    }

    /// Listens for what comes back by it, until told to stop. Most hear nothing and return at once.
    fn listen<'a>(&'a self, _ears: &'a Ears, _stop: watch::Receiver<bool>) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}
