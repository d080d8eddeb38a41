//! What the channels are made with, and the list of them. What a channel needs from another room is a closure that the house
//! hands over.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use domovoi_config::Settings;
use domovoi_store::Store;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::Channel;
use super::bot::Bot;
use super::http::Http;
use super::inbox::Inbox;
use super::mail::Mail;
use super::mqtt::Mqtt;
use super::ntfy::Ntfy;
use super::push::Push;
use super::siren::Siren;
use super::sms::Sms;
use super::unified_push::UnifiedPush;
use super::voice::Voice;
use super::web_push::WebPush;
use super::webhook::Webhook;
use crate::clock::Clock;
use crate::courier::{ChannelError, Gateway, Key, Post};

/// Something to be said at the hub's broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub topic: String,
    /// What; empty and retained: what was there is taken away.
    pub payload: Vec<u8>,
    /// For whoever subscribes later, too.
    pub retain: bool,
}

/// Says something at the hub's broker, at once and from memory; the sentence says why it could not.
pub type Publish = Arc<dyn Fn(Publication) -> Result<(), String> + Send + Sync>;

/// Switches a device (`dialect:id`) that makes noise on or off; the sentence says why it could not. It answers as soon as the
/// command is on its way.
pub type Switch = Arc<dyn Fn(String, bool) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What channels are made with.
#[derive(Clone)]
pub struct Tools {
    /// Where secrets are kept.
    pub store: Store,
    /// Signatures and letters carry the time.
    pub clock: Clock,
    /// A secret's name in the vault, from its name in the settings.
    pub vault_name: fn(&str) -> String,
    /// Where the hub itself listens: nobody's address leads there.
    pub own: Vec<SocketAddr>,
    /// The hub's broker.
    pub publish: Publish,
    /// The home's devices.
    pub switch: Switch,
}

/// Every channel that the settings allow, in the order in which they are shown; and why one of them is not there. A mistake in
/// one takes none of the others away.
pub fn all(settings: &Settings, tools: &Tools) -> (Vec<Arc<dyn Channel>>, Vec<ChannelError>) {
    let mut open = Open { channels: vec![Arc::new(Inbox)], missing: Vec::new() };
    let section = &settings.channels;
    let home = &settings.home;
    let keys = RefCell::new(Vec::new());
    let key = |name: &str, key: &'static str| {
        let key = Key::new(&tools.store, name, tools.vault_name, key);
        keys.borrow_mut().push(key.clone());
        key
    };
    let mut pushes = None;
    if let Some(http) = open.had(Http::new(Some((&section.allow, &tools.own)))) {
        // Where anybody said so.
        let contact = section.push_contact.clone().or_else(|| settings.mail.as_ref().map(|mail| mail.from.clone()));
        let push = Push::open(http.clone(), &tools.store, &tools.clock, contact);
        pushes = Some(push.clone());
        open.add(WebPush::open(push.clone()));
        open.add(UnifiedPush::open(push));
        open.add(Webhook::open(http, tools.clock.clone()));
    }
    open.add(Mqtt::open(tools.publish.clone()));
    if let Some(mail) = &settings.mail {
        let password = mail.password_secret.as_deref().map(|name| key(name, "mail.password_secret"));
        if let Some(post) = open.had(Post::open(mail, &home.name, password)) {
            open.add(Mail::open(post, &home.name, tools.clock.clone()));
        }
    }
    if let Some(sms) = &settings.sms {
        let secret = sms.key_secret.as_deref().map(|name| key(name, "sms.key_secret"));
        if let Some(gateway) = open.had(Gateway::open(sms, secret)) {
            open.add(Sms::open(gateway));
        }
    }
    // Where the owner's file says.
    let wanted = section.ntfy.is_some() || section.bot.is_some();
    let http = if wanted { open.had(Http::new(None)) } else { None };
    if let (Some(ntfy), Some(http)) = (&section.ntfy, &http) {
        let token = ntfy.token_secret.as_deref().map(|name| key(name, "channels.ntfy.token_secret"));
        open.add(Ntfy::open(http.clone(), ntfy.address.clone(), token));
    }
    if let (Some(bot), Some(http)) = (&section.bot, &http) {
        let token = key(&bot.token_secret, "channels.bot.token_secret");
        open.add(Bot::open(http.clone(), bot.address.clone(), token, home.language));
    }
    if let Some(voice) = &section.voice {
        open.add(Voice::open(voice.sites.clone(), tools.publish.clone()));
    }
    if let Some(siren) = &section.siren {
        open.add(Siren::open(siren.devices.clone(), siren.longest, tools.switch.clone()));
    }
    read_ahead(keys.into_inner(), pushes);
    (open.channels, open.missing)
}

/// Secrets are in memory before they are needed: what is to be told may be that the disk does not answer.
fn read_ahead(keys: Vec<Key>, pushes: Option<Push>) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        for key in keys {
            // One that is missing is told when it is needed.
            let _ = key.read().await;
        }
        if let Some(push) = pushes {
            push.read_ahead().await;
        }
    });
}

/// What could be opened so far, and why something could not.
struct Open {
    channels: Vec<Arc<dyn Channel>>,
    missing: Vec<ChannelError>,
}

impl Open {
    fn add(&mut self, channel: impl Channel + 'static) {
        self.channels.push(Arc::new(channel));
    }

    fn had<T>(&mut self, opened: Result<T, ChannelError>) -> Option<T> {
        opened.map_err(|error| self.missing.push(error)).ok()
    }
}
