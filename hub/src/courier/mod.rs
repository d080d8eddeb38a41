//! Carries a short message to a contact: one-time codes, news about one's own account. Pluggable channels, tried in the
//! order of the settings. It decides nothing about who should hear what; that is for the rooms that send.

mod gateway;
mod mail;
mod post;
mod sms;
mod terminal;
#[cfg(test)]
mod tests;
mod written;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use domovoi_config::Settings;
use domovoi_store::Store;
use domovoi_vault::Secret;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::people::{Contact, ContactKind};

pub use gateway::{Gateway, GatewayError, Standing};
pub use mail::Mail;
pub use post::{Post, PostError};
pub use sms::Sms;
pub use terminal::Terminal;
pub use written::Tells;

/// Whoever waits for a code waits no longer for the news that none comes.
const LONGEST: Duration = Duration::from_secs(10);
/// Messages under way at a time, whoever sends them.
const AT_A_TIME: usize = 8;

/// What is carried.
#[derive(Clone)]
pub struct Message {
    /// A subject, where the channel has one.
    pub subject: String,
    /// The text. It may hold a code: it is never logged.
    pub text: String,
}

/// Without the text, which may hold a code.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").finish_non_exhaustive()
    }
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

/// A setting of a channel that only shows its fault now; the sentence names the key.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ChannelError(pub String);

/// The courier. Clones are the same courier.
#[derive(Clone)]
pub struct Courier {
    channels: Arc<RwLock<Vec<Arc<dyn Channel>>>>,
    under_way: Arc<Semaphore>,
}

impl Default for Courier {
    fn default() -> Self {
        Courier::new(Vec::new())
    }
}

impl Courier {
    /// With these channels.
    pub fn new(channels: Vec<Box<dyn Channel>>) -> Self {
        let channels: Vec<Arc<dyn Channel>> = channels.into_iter().map(Arc::from).collect();
        Courier { channels: Arc::new(RwLock::new(channels)), under_way: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// With the channels of the settings. `vault_name` makes of a secret's name in the settings its name in the vault.
    pub fn open(settings: &Settings, store: &Store, vault_name: fn(&str) -> String) -> Result<Self, ChannelError> {
        let key =
            |name: &Option<String>, key: &'static str| name.as_ref().map(|name| Key::new(store, name, vault_name, key));
        let mut channels: Vec<Box<dyn Channel>> = Vec::new();
        if let Some(section) = &settings.mail {
            let password = key(&section.password_secret, "mail.password_secret");
            channels.push(Box::new(Mail::open(Post::open(section, &settings.home.name, password)?)));
        }
        if let Some(section) = &settings.sms {
            channels.push(Box::new(Sms::open(Gateway::open(section, key(&section.key_secret, "sms.key_secret"))?)));
        }
        Ok(Courier::new(channels))
    }

    /// One channel more, after the others.
    pub fn add(&self, channel: impl Channel + 'static) {
        self.channels.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(channel));
    }

    /// Whether anything reaches contacts of this kind.
    pub fn reaches(&self, kind: ContactKind) -> bool {
        !self.for_kind(kind).is_empty()
    }

    /// Carries a message by the first channel that can.
    pub async fn deliver(&self, to: &Contact, message: &Message) -> Result<(), Undelivered> {
        let Ok(_place) = self.under_way.try_acquire() else {
            return Err(Undelivered("too many messages are under way: try again in a moment".into()));
        };
        let mut why = Undelivered("no channel reaches this contact".into());
        for channel in self.for_kind(to.kind) {
            match tokio::time::timeout(LONGEST, channel.deliver(to, message)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => why = error,
                Err(_) => why = Undelivered(format!("the channel «{}» did not answer in time", channel.name())),
            }
            tracing::warn!(channel = channel.name(), "a message was not carried: {why}");
        }
        Err(why)
    }

    fn for_kind(&self, kind: ContactKind) -> Vec<Arc<dyn Channel>> {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        channels.iter().filter(|channel| channel.reaches(kind)).cloned().collect()
    }
}

/// A secret that a channel needs. It is looked up for each message, so that it can be set while the daemon runs; what was read
/// last is used when the store does not answer, because somebody may have to be told that the disk is gone. Clones share it.
#[derive(Clone)]
pub struct Key {
    store: Store,
    name: String,
    kept_as: String,
    /// The key in the settings file.
    key: &'static str,
    last: Arc<Mutex<Option<Secret<String>>>>,
}

/// A store that works answers in a thousandth of this.
const STORE_PATIENCE: Duration = Duration::from_millis(500);

impl Key {
    /// Of the name that the settings give under `key`.
    pub fn new(store: &Store, name: &str, vault_name: fn(&str) -> String, key: &'static str) -> Self {
        Key { store: store.clone(), name: name.to_owned(), kept_as: vault_name(name), key, last: Arc::default() }
    }

    /// Looks it up.
    pub async fn read(&self) -> Result<Secret<String>, Undelivered> {
        let (key, name) = (self.key, &self.name);
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let secrets = self.store.secrets();
        let found = match tokio::time::timeout(STORE_PATIENCE, secrets.get(&self.kept_as)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return last().ok_or_else(|| Undelivered(error.to_string())),
            Err(_) => return last().ok_or_else(|| Undelivered(format!("{key}: the store does not answer"))),
        };
        let found = found.ok_or_else(|| {
            Undelivered(format!("{key}: no secret «{name}»: set it with `domovoi secret set {name}`"))
        })?;
        let text = String::from_utf8(found.expose().clone());
        let secret =
            text.map(Secret::new).map_err(|_| Undelivered(format!("{key}: the secret «{name}» is not text")))?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret.clone());
        Ok(secret)
    }
}

/// One line that nothing can break out of.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The innermost cause of an error: what wraps it repeats addresses.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    one_line(&cause.to_string()).chars().take(200).collect()
}
