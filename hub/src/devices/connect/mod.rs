//! Connecting a device in three steps: somebody says what it is (a type of the catalogue, or its code), the hub issues it an
//! access that is limited to its own topics (or opens its bridge), and it is ours when it speaks. What was seen of it on the
//! way is told, so that a wrong password looks otherwise than silence.
//!
//! Whether somebody may connect devices is asked before. What is under way is in memory: after a restart it is begun anew,
//! and an access that was already issued counts.

mod code;
mod handover;
mod plan;
mod progress;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use domovoi_adapters::Errand;
use domovoi_config::catalogue::{Catalogue, ConnectBy, Maker};
use domovoi_model::{DeviceRef, Id};
use domovoi_store::{CredentialCertificate, CredentialInfo};
use domovoi_vault::Secret;
use tokio::time::Instant;

use super::card::Standing;
use super::{Devices, DevicesError, Expected, Inner, Wish};

pub use code::{CodeError, DeviceCode};
pub use handover::MakerPage;
pub use plan::{How, Plan};
pub use progress::{ConnectionView, Progress};

/// So long a device is waited for.
const WAITED: Duration = Duration::from_secs(15 * 60);

/// One that is over is shown so long.
const SHOWN: Duration = Duration::from_secs(30 * 60);

/// How many are under way at a time.
const MAX_CONNECTIONS: usize = 32;

/// A bridge permits joining for so long, Zigbee2MQTT's longest.
const JOINING_SECONDS: u16 = 254;

/// What connecting has to know of the house.
pub struct Surroundings {
    pub catalogue: Catalogue,
    /// Base topics, by the word that the catalogue has for them.
    pub bases: Vec<(&'static str, Vec<String>)>,
    /// Names and addresses under which devices find the hub.
    pub hosts: Vec<String>,
    /// Set-up pages may be on this machine.
    pub setup_on_this_machine: bool,
    /// Closes the connections of a credential.
    pub kick: Box<dyn Fn(&str) + Send + Sync>,
}

/// What is under way.
#[derive(Default)]
pub(super) struct Connecting {
    around: OnceLock<Surroundings>,
    plain_port: AtomicU16,
    tls_port: AtomicU16,
    all: Mutex<HashMap<Id, Connection>>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Done(Option<DeviceRef>),
    Expired,
    Cancelled,
}

/// How the handing over of an access goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum HandOver {
    /// A person enters it.
    None,
    Under,
    Done,
    Failed(String),
}

struct Connection {
    plan: Plan,
    wish: Wish,
    username: Option<String>,
    hand_over: HandOver,
    bridge: Option<DeviceRef>,
    /// Who was there before: others have come since.
    before: HashSet<DeviceRef>,
    until: Instant,
    end: Option<(End, Instant)>,
}

/// A connection that was begun.
pub struct Begun {
    /// How it stands.
    pub view: ConnectionView,
    /// Shown this once, where a person enters it.
    pub password: Option<Secret<String>>,
}

impl Connecting {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Connection>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn around(&self) -> Result<&Surroundings, DevicesError> {
        self.around.get().ok_or_else(|| DevicesError::Conflict("the house is still being opened".into()))
    }

    /// A device that was waited for has spoken.
    pub(super) fn fulfilled(&self, username: &str, device: &DeviceRef) {
        for connection in self.all().values_mut() {
            // It may say only later who it is: what it was called before is nobody then.
            let waits = matches!(connection.end, None | Some((End::Done(_), _)));
            if waits && connection.username.as_deref() == Some(username) {
                connection.end = Some((End::Done(Some(device.clone())), Instant::now()));
            }
        }
    }
}

impl Devices {
    /// What connecting has to know; told once, before the doors open.
    pub fn stand_in(&self, around: Surroundings) {
        // Told twice, the first counts.
        let _ = self.0.connecting.around.set(around);
    }

    /// Where the broker listens, in clear and on TLS.
    pub fn broker_is_at(&self, plain_port: Option<u16>, tls_port: Option<u16>) {
        self.0.connecting.plain_port.store(plain_port.unwrap_or(0), Ordering::Relaxed);
        self.0.connecting.tls_port.store(tls_port.unwrap_or(0), Ordering::Relaxed);
    }

    /// The catalogue of types.
    pub fn catalogue(&self) -> Result<&Catalogue, DevicesError> {
        Ok(&self.0.connecting.around()?.catalogue)
    }

    /// What would be done to connect a device; nothing is changed.
    pub fn plan(&self, how: How) -> Result<Plan, DevicesError> {
        plan::plan(self.0.connecting.around()?, how)
    }

    /// Begins. `certificate` stands in the place of a password, where one was made for the plan's user name; the device's
    /// own page takes passwords only.
    pub async fn connect(
        &self,
        plan: Plan,
        wish: Wish,
        certificate: Option<CredentialCertificate>,
    ) -> Result<Begun, DevicesError> {
        if let Some(name) = &wish.name {
            super::card::named("the name", name)?;
        }
        if let Some(room) = wish.room.filter(|room| !self.0.has_room(*room)) {
            return Err(DevicesError::NoRoom(room.to_string()));
        }
        self.0.connecting.around()?;
        let under_way = self.0.connecting.all().values().filter(|one| one.end.is_none()).count();
        if under_way >= MAX_CONNECTIONS {
            return Err(DevicesError::Conflict("too many devices are being connected at once".into()));
        }
        let mut connection = Connection {
            wish: Wish { name: wish.name.or_else(|| plan.name.clone()), ..wish },
            username: None,
            hand_over: HandOver::None,
            bridge: None,
            before: self.0.cards().keys().cloned().collect(),
            until: Instant::now() + WAITED,
            end: None,
            plan,
        };
        let mut shown = None;
        match connection.plan.by {
            ConnectBy::Bridge => connection.bridge = Some(self.open_bridge(&connection.plan)?),
            ConnectBy::Heard => {}
            ConnectBy::Access | ConnectBy::Code => {
                let issued = self.0.issue(&connection, certificate).await?;
                let username = connection.plan.username.clone();
                self.0.ingest.watch_caller(&username);
                if !connection.plan.is_bridge {
                    let wish = connection.wish.clone();
                    self.expect(Expected { username: username.clone(), wish, until: connection.until })?;
                }
                let hands_over = connection.plan.hands_over();
                connection.username = Some(username);
                match issued {
                    Some(password) if hands_over => {
                        connection.hand_over = HandOver::Under;
                        shown = Some((password, true));
                    }
                    Some(password) => shown = Some((password, false)),
                    None => {}
                }
            }
        }
        let id = super::commands::random_id();
        let plan = connection.plan.clone();
        self.0.connecting.all().insert(id, connection);
        let password = match shown {
            None => None,
            Some((password, false)) => Some(password),
            Some((password, true)) => {
                self.hand_over(id, plan, password);
                None
            }
        };
        let view = self.connection(id).ok_or_else(|| DevicesError::Conflict("it is over already".into()))?;
        Ok(Begun { view, password })
    }

    /// How one stands.
    pub fn connection(&self, id: Id) -> Option<ConnectionView> {
        progress::view(&self.0, id)
    }

    /// All that are shown, the latest first.
    pub fn connections(&self) -> Vec<ConnectionView> {
        let ids: Vec<Id> = self.0.connecting.all().keys().copied().collect();
        let mut all: Vec<ConnectionView> = ids.into_iter().filter_map(|id| self.connection(id)).collect();
        all.sort_by_key(|view| std::cmp::Reverse(view.left_s));
        all
    }

    /// The same when it stands otherwise than somebody has seen it, or when so much time has passed.
    pub async fn connection_moves(&self, id: Id, seen: &str, wait: Duration) -> Option<ConnectionView> {
        let mut callers = self.0.ingest.news_of_callers();
        let mut news = self.0.bus.listen();
        let until = Instant::now() + wait;
        loop {
            let view = self.connection(id)?;
            if view.progress.is_over() || view.progress.code() != seen || Instant::now() >= until {
                return Some(view);
            }
            tokio::select! {
                _ = callers.changed() => {}
                _ = news.recv() => {}
                // An access that is handed over tells nobody.
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Gives up on one; the access that was issued for it counts for nothing, unless its device has come.
    pub async fn cancel_connection(&self, id: Id) -> Result<(), DevicesError> {
        let username = {
            let mut all = self.0.connecting.all();
            let one = all.get_mut(&id).ok_or_else(|| DevicesError::Conflict("it is over already".into()))?;
            if one.end.is_some() {
                return Ok(());
            }
            one.end = Some((End::Cancelled, Instant::now()));
            one.username.clone()
        };
        self.0.take_back(username).await
    }

    /// The device of one was accepted by hand: it is over.
    pub fn connection_found(&self, id: Id, device: &DeviceRef) {
        if let Some(one) = self.0.connecting.all().get_mut(&id) {
            one.end = Some((End::Done(Some(device.clone())), Instant::now()));
        }
    }

    fn open_bridge(&self, plan: &Plan) -> Result<DeviceRef, DevicesError> {
        let bridge = plan.bridge.clone().or_else(|| self.bridges(&plan.dialect).into_iter().next());
        let none =
            || DevicesError::Conflict("no bridge was heard yet: connect it first, then the devices behind it".into());
        let bridge = bridge.ok_or_else(none)?;
        let errand = Errand::PermitJoin { via: bridge.clone(), seconds: JOINING_SECONDS };
        self.errand(&errand).map_err(|refused| DevicesError::Conflict(refused.to_string()))?;
        Ok(bridge)
    }

    /// The bridges of a dialect: those through which others speak.
    pub fn bridges(&self, dialect: &str) -> Vec<DeviceRef> {
        let directory = self.0.ingest.directory();
        let cards = self.0.cards();
        let of = cards.keys().filter(|device| device.dialect == dialect);
        let mut bridges: Vec<DeviceRef> =
            of.clone().filter(|device| device.id.starts_with("bridge:")).cloned().collect();
        bridges
            .extend(of.filter_map(|device| directory.known(device)?.via.clone()).filter(|via| cards.contains_key(via)));
        bridges.sort();
        bridges.dedup();
        bridges
    }

    /// Hands the access over on a task of its own: whoever asked sees how it goes.
    fn hand_over(&self, id: Id, plan: Plan, password: Secret<String>) {
        let port = self.0.connecting.plain_port.load(Ordering::Relaxed);
        let here = self.0.connecting.around().is_ok_and(|around| around.setup_on_this_machine);
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let access = handover::Access { username: plan.username.clone(), password, port };
            let outcome = match (&plan.setup, &plan.token, &plan.maker_page) {
                (Some(setup), Some(token), _) => match handover::check_setup(setup, here) {
                    Ok(to) => handover::to_setup(setup, to, token, &access).await,
                    Err(why) => Err(why),
                },
                (_, _, Some(page)) if plan.maker == Some(Maker::Tasmota) => {
                    match handover::check_address(page.address, here) {
                        Ok(()) => handover::to_tasmota(page, &access).await,
                        Err(why) => Err(why),
                    }
                }
                _ => Err("this device takes its access from a person only".into()),
            };
            if let Some(one) = inner.connecting.all().get_mut(&id) {
                one.hand_over = outcome.map_or_else(HandOver::Failed, |()| HandOver::Done);
            }
        });
    }
}

impl Inner {
    /// Issues the credential. A device that is connected once more gets a new one in the place of its own, which counts until
    /// the new one is used; a name that belongs to anything else is left alone.
    async fn issue(
        &self,
        connection: &Connection,
        certificate: Option<CredentialCertificate>,
    ) -> Result<Option<Secret<String>>, DevicesError> {
        let plan = &connection.plan;
        let credentials = self.store.credentials();
        let mut anew = false;
        for other in credentials.list().await? {
            if other.username == plan.username {
                let same = other.publish == plan.publish && other.role == plan.role();
                if !same {
                    let taken = format!("the user name «{}» belongs to something else at the broker", plan.username);
                    return Err(DevicesError::Conflict(taken));
                }
                anew = true;
            } else if other.role == "device" && plan::overlap(&other.publish, &plan.publish) {
                return Err(DevicesError::Conflict(format!(
                    "the topics of this device belong to «{}» already: forget that device first, or look at the number",
                    other.username
                )));
            }
        }
        let info = CredentialInfo {
            username: plan.username.clone(),
            publish: plan.publish.clone(),
            subscribe: plan.subscribe.clone(),
            role: plan.role().to_owned(),
            certificate,
            created_at: self.clock.moment(),
        };
        match plan.token.as_ref().filter(|_| plan.setup.is_none()) {
            // The device tries its number and token by itself.
            Some(token) => {
                match anew {
                    true => credentials.adopt_anew(&info, token).await?,
                    false => credentials.adopt(&info, token).await?,
                }
                Ok(None)
            }
            None => {
                let password = match anew {
                    true => credentials.issue_anew(&info).await?,
                    false => credentials.issue(&info).await?,
                };
                Ok((info.certificate.is_none()).then_some(password))
            }
        }
    }

    async fn take_back(&self, username: Option<String>) -> Result<(), DevicesError> {
        let Some(username) = username else { return Ok(()) };
        self.ingest.leave_caller(&username);
        self.found.expect_no_more(&username);
        // It was connected before, and nobody has come with the new one: it keeps what it had.
        if self.store.credentials().give_back(&username).await? {
            return Ok(());
        }
        // Its device is ours already: it keeps what it has.
        if self.cards().values().any(|card| card.credential.as_deref() == Some(&username)) {
            return Ok(());
        }
        self.store.credentials().revoke(&username).await?;
        if let Ok(around) = self.connecting.around() {
            (around.kick)(&username);
        }
        Ok(())
    }

    /// Ends what was waited for long enough, and forgets what nobody looks at any more.
    pub(super) async fn end_connections(&self) {
        let now = Instant::now();
        let mut over = Vec::new();
        let mut done = Vec::new();
        self.connecting.all().retain(|_, one| {
            if one.end.is_none() && one.plan.is_bridge {
                let seen = one.username.as_deref().and_then(|username| self.ingest.caller(username));
                let old = one.username.as_deref().is_some_and(|username| self.is_old(username));
                if seen.is_some_and(|seen| seen.said > 0) && !old {
                    one.end = Some((End::Done(None), now));
                }
            }
            if one.end.is_none() && one.until <= now {
                one.end = Some((End::Expired, now));
                over.push(one.username.clone());
            }
            if let (Some((End::Done(_), _)), Some(username)) = (&one.end, &one.username) {
                done.push(username.clone());
            }
            one.end.as_ref().is_none_or(|(_, at)| now.saturating_duration_since(*at) < SHOWN)
        });
        done.iter().for_each(|username| self.ingest.leave_caller(username));
        for username in over {
            if let Err(error) = self.take_back(username).await {
                tracing::warn!("an access that nobody has used is not taken back yet: {error}");
            }
        }
    }

    /// Devices that wait and have come since, the likeliest first.
    fn candidates(&self, connection: &Connection) -> Vec<DeviceRef> {
        let directory = self.ingest.directory();
        let model =
            |device: &DeviceRef| directory.known(device).and_then(|known| known.model.clone()).unwrap_or_default();
        let plan = &connection.plan;
        let new = plan.by == ConnectBy::Bridge;
        let mut found: Vec<(bool, DeviceRef)> = self
            .cards()
            .values()
            .filter(|card| card.device.dialect == plan.dialect && Standing::of(card) == Standing::Waiting)
            .filter(|card| !new || !connection.before.contains(&card.device))
            // Neither what it is behind nor a group has joined.
            .filter(|card| !card.device.id.starts_with("bridge:") && !card.device.id.starts_with("group:"))
            .map(|card| (!plan.calls_itself(&model(&card.device)), card.device.clone()))
            .collect();
        found.sort();
        found.truncate(20);
        found.into_iter().map(|(_, device)| device).collect()
    }
}
