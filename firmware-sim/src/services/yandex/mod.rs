//! A pretended Yandex: its OAuth server and the user API of its smart home on one port, written after its documents and not
//! after whoever asks it. It checks what the real one would, keeps what it was asked, and fails on request.
//!
//! Not here: rate limits of its own (a fault makes them), households, video, the commands of speakers.

mod account;
mod oauth;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use serde_json::Value;

use super::served::{Fault, Served};
use super::{Record, Script, StartError};
use crate::Clock;

pub use account::{default_home, lamp, leak_sensor};
use oauth::Grants;

/// A call that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `GET /v1.0/user/info`, `POST /token refresh_token`.
    pub what: String,
    /// The status that it got; 0: none at all.
    pub status: u16,
    /// What was said; of tokens nothing.
    pub body: Value,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum CloudFault {
    /// As with any HTTP.
    Http(Fault),
    /// It is done, and the answer never comes.
    DoneAndLost,
    /// The action is answered with this code and not done.
    Refuse(&'static str),
    /// This instead of the answer, with status 200.
    Says(String),
}

/// The cloud. It listens until it is dropped.
pub struct YandexCloud {
    served: Served,
    shared: Shared,
    /// Everything that was asked, in order.
    pub calls: Record<Call>,
    /// Of `GET /v1.0/user/info`.
    pub list_faults: Script<CloudFault>,
    /// Of a device or a group that is asked for alone.
    pub show_faults: Script<CloudFault>,
    /// Of actions.
    pub act_faults: Script<CloudFault>,
    /// Of `/token`.
    pub token_faults: Script<CloudFault>,
}

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    clock: Clock,
    client_id: String,
    secret: String,
    grants: Arc<Mutex<Grants>>,
    home: Arc<Mutex<Value>>,
    calls: Record<Call>,
    list_faults: Script<CloudFault>,
    show_faults: Script<CloudFault>,
    act_faults: Script<CloudFault>,
    token_faults: Script<CloudFault>,
}

impl YandexCloud {
    /// With a program that is registered there, and a home of [`default_home`].
    pub async fn start(at: SocketAddr, clock: Clock, client_id: &str, secret: &str) -> Result<Self, StartError> {
        let shared = Shared {
            clock,
            client_id: client_id.to_owned(),
            secret: secret.to_owned(),
            grants: Arc::default(),
            home: Arc::new(Mutex::new(default_home())),
            calls: Record::default(),
            list_faults: Script::default(),
            show_faults: Script::default(),
            act_faults: Script::default(),
            token_faults: Script::default(),
        };
        let router = Router::new()
            .route("/device/code", post(oauth::device_code))
            .route("/token", post(oauth::token))
            .route("/revoke_token", post(oauth::revoke))
            .route("/v1.0/user/info", get(account::info))
            .route("/v1.0/devices/{id}", get(account::device))
            .route("/v1.0/groups/{id}", get(account::group))
            .route("/v1.0/devices/actions", post(account::act))
            .route("/v1.0/groups/{id}/actions", post(account::act_on_group))
            .route("/v1.0/scenarios/{id}/actions", post(account::start))
            .with_state(shared.clone());
        let served = Served::start("Yandex", at, router).await?;
        Ok(YandexCloud {
            served,
            calls: shared.calls.clone(),
            list_faults: shared.list_faults.clone(),
            show_faults: shared.show_faults.clone(),
            act_faults: shared.act_faults.clone(),
            token_faults: shared.token_faults.clone(),
            shared,
        })
    }

    /// Where it listens, without a slash at the end.
    pub fn url(&self) -> String {
        self.served.url("")
    }

    /// The owner types a code in and agrees. Whether there was such a code.
    pub fn approve(&self, user_code: &str) -> bool {
        self.shared.grants().approve(user_code, true)
    }

    /// The same, and says no.
    pub fn refuse(&self, user_code: &str) -> bool {
        self.shared.grants().approve(user_code, false)
    }

    /// The owner opens the page to agree on, agrees, and copies the code that it shows; `None`: the page complains.
    pub fn agree_on(&self, page: &str) -> Option<String> {
        self.shared.grants().agree_on(page, &self.shared.client_id)
    }

    /// Access tokens live so long from now on.
    pub fn tokens_live(&self, life: Duration) {
        self.shared.grants().life = life;
    }

    /// Every access token has ended; what they are renewed with has not.
    pub fn end_access(&self) {
        self.shared.grants().access.clear();
    }

    /// The owner takes everything back on Yandex's own page.
    pub fn take_back(&self) {
        let mut grants = self.shared.grants();
        grants.access.clear();
        grants.refresh.clear();
    }

    /// How many tokens open something.
    pub fn tokens(&self) -> usize {
        self.shared.grants().access.len()
    }

    /// Puts a device in the place of one with the same id.
    pub fn put(&self, device: Value) {
        let mut home = self.shared.home();
        if let Some(devices) = home["devices"].as_array_mut() {
            devices.retain(|one| one["id"] != device["id"]);
            devices.push(device);
        }
    }

    /// Somebody deletes a device there.
    pub fn remove(&self, id: &str) {
        let mut home = self.shared.home();
        if let Some(devices) = home["devices"].as_array_mut() {
            devices.retain(|one| one["id"] != id);
        }
    }

    /// Something happens at a device: an instance has this value now.
    pub fn happens(&self, id: &str, instance: &str, value: Value) {
        let at = self.shared.now_s();
        account::set(&mut self.shared.home(), id, instance, value, at);
    }

    /// How an instance of a device stands.
    pub fn stands(&self, id: &str, instance: &str) -> Value {
        account::stands(&self.shared.home(), id, instance)
    }
}

impl Shared {
    fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn home(&self) -> MutexGuard<'_, Value> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since 1970, with a fraction, as Yandex has them.
    #[allow(clippy::cast_precision_loss)]
    fn now_s(&self) -> f64 {
        (self.clock)() as f64 / 1000.0
    }

    fn note(&self, what: impl Into<String>, status: u16, body: Value) {
        self.calls.push(Call { what: what.into(), status, body });
    }
}
