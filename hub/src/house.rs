//! The house: opens every room in order, runs them, stops them. Phases: folder lock, keys, store, register, portal,
//! broker; so that nothing acts before what it needs is there. A little over 500 lines: the order in which the rooms open is
//! read in one place.

mod picture;
mod sockets;
mod standby;
mod surroundings;
#[cfg(test)]
mod tests;
mod without;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domovoi_adapters::Directory;
use domovoi_broker::{Broker, Door, WebSockets};
use domovoi_config::Settings;
use domovoi_store::{FolderLock, LockError, Store};
use domovoi_vault::{Absent, MasterError, MasterKey, Secret};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::Journal;
use crate::bus::Bus;
use crate::cameras::Cameras;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::courier::Courier;
use crate::devices::{Devices, DevicesError};
use crate::doctor::Doctor;
use crate::extract;
use crate::ingest::{
    BrokerShelf, BrokerStanding, BrokerStands, ExternalBroker, HubGate, Ingest, report_resumed, run_ear, run_external,
};
use crate::metering::{Metering, MeteringError, Rules};
use crate::people::{People, PeopleError};
use crate::portal::{Outbox, Pace, Portal, PortalSettings, Shelf};
use crate::recorder::Recorder;
use crate::safety::Safety;
use crate::signin::{self, SignIn, SignInError};
use crate::web::{self, Desk};

pub use sockets::Sockets;
pub use standby::keep;
use without::Without;

/// Why the house does not open or run.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// Another daemon, or a command, works in the folder.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The master key cannot be had.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] domovoi_store::OpenError),
    /// The store failed while the house was being opened.
    #[error(transparent)]
    Store(#[from] domovoi_store::StoreError),
    /// Metering cannot start.
    #[error(transparent)]
    Metering(#[from] MeteringError),
    /// The people cannot be read.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The devices cannot be read.
    #[error(transparent)]
    Devices(#[from] DevicesError),
    /// The sign-in room cannot be opened.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The portal's settings or link cannot be used.
    #[error(transparent)]
    Portal(#[from] crate::portal::OpenError),
    /// A setting that only shows its fault now.
    #[error("{0}")]
    Setting(String),
    /// A room ended before its time; the log says which.
    #[error("a part of the daemon has died; everything that was acknowledged is safe, start it again")]
    RoomDied,
    /// A listening socket cannot be had.
    #[error("cannot listen on {what}: {error}")]
    Bind {
        /// Which.
        what: String,
        /// What the operating system said.
        error: std::io::Error,
    },
}

/// An act is on its way for months at the most. A receipt from further in the future is a portal's mistake, and must not
/// keep this clock from ever being believed again.
const LONGEST_WAY_MILLIS: i64 = 400 * 86_400_000;

/// The open house. Nothing runs yet.
pub struct House {
    settings: Arc<Settings>,
    store: Store,
    clock: Clock,
    bus: Bus,
    ingest: Arc<Ingest>,
    devices: Devices,
    safety: Safety,
    cameras: Cameras,
    metering: Metering,
    portal: Option<Portal>,
    outbox: Option<Outbox>,
    broker: Arc<Broker<HubGate>>,
    broker_stands: BrokerStands,
    people: People,
    signin: SignIn,
    _extract: Arc<SignIn>,
    journal: Journal,
    courier: Courier,
    limits: web::Limits,
    feed: web::Feed,
    linking: web::Linking,
    rotation: web::Rotation,
    certificates: Option<Certificates>,
    front: web::Front,
    without: Without,
    stop: watch::Sender<bool>,
    /// The standby has none: the folder is held by whoever waits for the store.
    _lock: Option<Arc<FolderLock>>,
    is_standby: bool,
}

impl House {
    /// Opens every room. `passphrase` is what a person typed, where the settings say that one types it.
    pub async fn open(
        settings: Settings,
        clock: Clock,
        passphrase: Option<Secret<String>>,
    ) -> Result<Self, HouseError> {
        Box::pin(Self::open_on(settings, clock, passphrase, Stage::default())).await
    }

    /// The same on a stage: what the demo does otherwise than a home.
    pub async fn open_on(
        settings: Settings,
        clock: Clock,
        passphrase: Option<Secret<String>>,
        stage: Stage,
    ) -> Result<Self, HouseError> {
        let (lock, master) = unlock(&settings, passphrase).await?;
        let store = Store::open(&store_settings(&settings, &clock), &master).await?;
        drop(master);
        Self::furnish(settings, clock, stage, store, Some(Arc::new(lock))).await
    }

    /// Opens every room on a store that is open.
    async fn furnish(
        settings: Settings,
        clock: Clock,
        stage: Stage,
        store: Store,
        lock: Option<Arc<FolderLock>>,
    ) -> Result<Self, HouseError> {
        store.boots().begin(clock.boot()).await?;
        let mut without = Without::default();
        // Only the portal's own time proves that a moment has been: a wrong clock of ours must not prove itself.
        let acts = store.acts().list(domovoi_store::ActFilter::default()).await;
        for act in acts.inspect_err(|error| tracing::error!("no act says what time it is: {error}")).unwrap_or_default()
        {
            if let domovoi_model::ActState::Received { receipt } = &act.state
                && receipt.issued_at <= act.created_at.plus_millis(LONGEST_WAY_MILLIS)
            {
                clock.certainly_after(receipt.issued_at);
            }
        }
        let bus = Bus::default();
        let feed = web::Feed::new(bus.clone(), Some(store.history().clone()), &clock);
        let mut directory = Directory::default();
        let spoken = settings.dialects.bases();
        for dialect in domovoi_adapters::mqtt::DIALECTS {
            if spoken.iter().all(|(name, _)| *name != dialect.name) {
                directory.silence(dialect.name);
            }
        }
        for (dialect, bases) in spoken {
            directory
                .set_bases(dialect, &bases)
                .map_err(|error| HouseError::Setting(format!("[dialects]: {error}")))?;
        }
        let ingest = Ingest::new(store.clone(), clock.clone(), directory, &settings.sift);
        if stage.is_standby {
            ingest.keeps_nothing();
        }
        if settings.external_broker.is_none() {
            ingest.link_is_gone();
        }
        let submission = &settings.submission;
        let rules = Rules {
            jitter_millis: millis(submission.jitter),
            warn_before_end_millis: millis(submission.warn_before_end),
            warn_by_day: submission.warn_no_later_than_day,
        };
        let suppliers: Vec<_> = settings.suppliers.iter().cloned().map(Into::into).collect();
        let opened = Metering::open(store.clone(), clock.clone(), bus.clone(), suppliers.clone(), rules).await;
        let metering = match without.unless("metering", opened) {
            Some(metering) => metering,
            None => Metering::closed(store.clone(), clock.clone(), bus.clone(), suppliers, rules)?,
        };
        let meters = metering.clone();
        ingest.registers_are(move |device, property| meters.register().bound(device, property).is_some());
        let portal = match &settings.portal {
            None => None,
            Some(section) => {
                let opened = open_portal(section, &store, &clock).await;
                without.unless("portal", opened)
            }
        };
        let outbox = portal.as_ref().filter(|_| !metering.is_closed()).map(|portal| {
            let pace = Pace {
                first_retry: Pace::default().first_retry.min(submission.retry_every),
                retry_every: submission.retry_every,
                read_back_every: submission.read_back_every,
            };
            Outbox::new(portal.clone(), metering.clone(), store.clone(), bus.clone(), clock.clone(), pace)
        });
        let journal = Journal::new(store.clone(), clock.clone());
        let devices =
            Devices::open(store.clone(), clock.clone(), bus.clone(), journal.clone(), Arc::clone(&ingest)).await?;
        let safety =
            Safety::open(store.clone(), clock.clone(), bus.clone(), Arc::clone(&ingest), journal.clone()).await;
        let (registry, now) = (devices.clone(), clock.clone());
        safety.devices_are(move || picture::of(&registry, &now));
        devices.renames_are_told(safety.renames());
        let (zone, section) = (settings.home.time_zone.clone(), settings.cameras.clone());
        let cameras = Cameras::open(store.clone(), clock.clone(), bus.clone(), section, zone).await;
        let registry = devices.clone();
        cameras.devices_are_in(move |device| registry.room_of(&device.to_string()));
        let people =
            People::open(store.clone(), clock.clone(), journal.clone()).await?.in_zone(settings.home.time_zone.clone());
        if people.damaged() > 0 {
            without.add("people", &format!("{} do not open: see the log", people.damaged()));
        }
        let courier = without.unless("messages", Courier::open(&settings, &store, web::secret_name));
        let courier = courier.unwrap_or_else(|| Courier::new(Vec::new()));
        let policy = sign_in_policy(&settings, stage.clear_port);
        let front = web::Front { origins: Arc::new(policy.origins.clone()), secure: stage.clear_port.is_none() };
        let (store_of, clock_of) = (store.clone(), clock.clone());
        let signin = SignIn::open(store_of, clock_of, people.clone(), journal.clone(), courier.clone(), policy).await?;
        let signin = signin.speaking(settings.home.language);
        let extract = extract::connect(&people, &signin, &metering);
        let certificates = open_certificates(&settings, &store, &clock, &bus).await;
        let gate = HubGate::new(Arc::clone(&ingest), settings.mqtt.clone());
        let log = store.broker_log();
        let mut left = log.load().await?;
        let shelf = BrokerShelf::new(log.clone(), clock.clone());
        let frames = std::mem::take(&mut left.frames);
        let (broker, resumed) = Broker::resume(settings.mqtt.to_broker(), Arc::new(gate), Arc::new(shelf), frames);
        report_resumed(&left, &resumed);
        let damaged = left.damaged.len() + resumed.unreadable;
        if damaged > 0 {
            Recorder::new(store.clone(), bus.clone(), clock.clone()).log_was_damaged(damaged).await;
        }
        let broker = Arc::new(broker);
        surroundings::tell(&devices, &settings, &broker);
        ingest.speaks_through(Arc::downgrade(&broker));
        let asked = Arc::clone(&broker);
        let broker_stands: BrokerStands =
            Arc::new(move || BrokerStanding { counters: asked.counters(), torn: log.is_torn() });
        let (stop, _) = watch::channel(false);
        let settings = Arc::new(settings);
        Ok(House {
            settings,
            store,
            clock,
            bus,
            ingest,
            devices,
            safety,
            cameras,
            metering,
            portal,
            outbox,
            broker,
            broker_stands,
            people,
            signin,
            _extract: extract,
            journal,
            courier,
            limits: web::Limits::default(),
            feed,
            linking: web::Linking::default(),
            rotation: web::Rotation::default(),
            certificates,
            front,
            without,
            stop,
            _lock: lock,
            is_standby: stage.is_standby,
        })
    }

    /// What happens in the house.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Whether it stands in for the house on the store, and lies in memory.
    pub fn is_standby(&self) -> bool {
        self.is_standby
    }

    /// Metering, for the demo and the tests that look inside.
    pub fn metering(&self) -> &Metering {
        &self.metering
    }

    /// The store, likewise.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The courier: the demo has a channel of its own.
    pub fn courier(&self) -> &Courier {
        &self.courier
    }

    /// The portal, if the settings name one.
    pub fn portal(&self) -> Option<&Portal> {
        self.portal.as_ref()
    }

    /// What the API is made of. `listening`: whether devices can be heard in this process.
    pub fn desk(&self, listening: bool) -> Desk {
        Desk {
            settings: Arc::clone(&self.settings),
            store: self.store.clone(),
            bus: self.bus.clone(),
            people: self.people.clone(),
            signin: self.signin.clone(),
            journal: self.journal.clone(),
            courier: self.courier.clone(),
            front: self.front.clone(),
            certificates: self.certificates.clone(),
            devices: self.devices.clone(),
            safety: self.safety.clone(),
            cameras: self.cameras.clone(),
            metering: self.metering.clone(),
            portal: self.portal.clone(),
            outbox: self.outbox.clone(),
            ingest: Arc::clone(&self.ingest),
            clock: self.clock.clone(),
            doctor: Doctor {
                settings: Arc::clone(&self.settings),
                store: self.store.clone(),
                metering: self.metering.clone(),
                portal: self.portal.clone(),
                ingest: Arc::clone(&self.ingest),
                journal: self.journal.clone(),
                clock: self.clock.clone(),
                certificates: self.certificates.clone(),
                broker: Arc::clone(&self.broker_stands),
                listening,
                is_standby: self.is_standby,
            },
            linking: self.linking.clone(),
            rotation: self.rotation.clone(),
            limits: self.limits.clone(),
            feed: self.feed.clone(),
            kick: {
                let broker = Arc::clone(&self.broker);
                Arc::new(move |username: &str| broker.forget(username))
            },
        }
    }

    /// Runs until `shutdown` is there, then stops in the reverse order: first the sockets, last the store.
    pub async fn run(mut self, sockets: Sockets, shutdown: impl Future<Output = ()>) -> Result<(), HouseError> {
        let mut rooms = JoinSet::new();
        // First: nothing that follows may keep it waiting.
        let (safety, stop) = (self.safety.clone(), self.stop.subscribe());
        rooms.spawn(async move { safety.run(stop).await });
        if let Err(error) = self.start_external(&mut rooms).await {
            self.ingest.external_cannot(&error.to_string());
            self.without.add("external-broker", &error.to_string());
        }
        self.start_rooms(&mut rooms);
        if !self.is_standby {
            self.cameras.hub_listens_at(sockets.addresses());
            let (cameras, stop) = (self.cameras.clone(), self.stop.subscribe());
            rooms.spawn(async move { cameras.run(stop).await });
            let copy = self.store.standby(&self.settings.store.data_dir);
            rooms.spawn(standby::keep_copy(copy, self.bus.clone(), self.stop.subscribe()));
        }
        let (ingest, journal, stop) = (Arc::clone(&self.ingest), self.journal.clone(), self.stop.subscribe());
        rooms.spawn(async move { ingest.tell_refusals(journal, stop).await });
        let port =
            |listeners: &[TcpListener]| listeners.first().and_then(|one| one.local_addr().ok()).map(|at| at.port());
        self.devices.broker_is_at(port(&sockets.mqtt), port(&sockets.mqtt_tls));
        self.start_broker(&mut rooms, sockets.mqtt, sockets.mqtt_tls);
        let (ingest, stop) = (Arc::clone(&self.ingest), self.stop.subscribe());
        rooms.spawn(async move { ingest.speak(stop).await });
        if let Some(listener) = sockets.control {
            let desk = self.desk(true);
            let mut stopped = self.stop.subscribe();
            rooms.spawn(async move {
                web::serve(listener, desk, async move {
                    let _ = stopped.wait_for(|stop| *stop).await;
                })
                .await;
            });
        }
        if !self.is_standby {
            self.start_web(&mut rooms, sockets.https, sockets.help, sockets.in_clear);
        }
        let mut died = false;
        tokio::select! {
            () = shutdown => tracing::info!("stopping"),
            // No room ends by itself: a daemon that takes readings in and forgets them is worse than none.
            ended = rooms.join_next() => {
                died = true;
                tracing::error!("a room has died ({ended:?}); the daemon stops so that it can be started whole");
            }
        }
        self.feed.end();
        self.stop.send_replace(true);
        let grace = tokio::time::timeout(Duration::from_secs(8), async { while rooms.join_next().await.is_some() {} });
        if grace.await.is_err() {
            tracing::warn!("some rooms did not stop in time and are left behind");
            rooms.shutdown().await;
        }
        let _ = std::fs::remove_file(&self.settings.control.socket);
        // What a room did last, after the journal's own room had stopped.
        if let Err(error) = self.journal.flush().await {
            tracing::error!("the journal could not be written: {error}");
        }
        self.store.close().await;
        if died { Err(HouseError::RoomDied) } else { Ok(()) }
    }

    /// The broker's doors: one in clear, one on TLS; WebSockets come through both.
    fn start_broker(&self, rooms: &mut JoinSet<()>, in_clear: Vec<TcpListener>, on_tls: Vec<TcpListener>) {
        let mqtt = &self.settings.mqtt;
        let websockets = WebSockets {
            origins: self.front.origins.iter().chain(&mqtt.websocket_origins).cloned().collect(),
            max_message_bytes: usize::try_from(mqtt.max_packet).ok(),
        };
        let plain = Door { websockets: Some(websockets), ..Door::plain() };
        let tls = self.certificates.as_ref().map(|certificates| certificates.mqtt_tls(mqtt.oldest_tls));
        let tls = match tls {
            Some(Ok(tls)) => {
                Some(Door { plain: false, tls: Some(Arc::new(move || Arc::clone(&tls))), ..plain.clone() })
            }
            Some(Err(error)) => {
                tracing::error!("MQTT is not served on TLS: {error}");
                None
            }
            None => None,
        };
        let on_tls = on_tls.into_iter().filter_map(|listener| Some((listener, tls.clone()?)));
        for (listener, door) in in_clear.into_iter().map(|listener| (listener, plain.clone())).chain(on_tls) {
            let broker = Arc::clone(&self.broker);
            let mut stopped = self.stop.subscribe();
            let stop = async move {
                // An error means that the house is gone, which is a stop too.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            rooms.spawn(async move { Box::pin(broker.serve_door(listener, door, stop)).await });
        }
    }

    /// The page and the API, and what keeps their certificate alive.
    fn start_web(
        &self,
        rooms: &mut JoinSet<()>,
        https: Vec<TcpListener>,
        help: Vec<TcpListener>,
        in_clear: Option<TcpListener>,
    ) {
        let web = &self.settings.web;
        let seats = web::seats(web.max_connections, web.max_connections_per_peer);
        let mut ways: Vec<(TcpListener, web::Way)> =
            in_clear.into_iter().map(|listener| (listener, web::Way::InClear)).collect();
        if let Some(certificates) = &self.certificates {
            rooms.spawn(Box::pin(certificates.clone().run(self.stop.subscribe())));
            ways.extend(https.into_iter().map(|listener| (listener, web::Way::Https(certificates.clone()))));
            ways.extend(help.into_iter().map(|listener| (listener, web::Way::Help)));
        }
        for (listener, way) in ways {
            let (desk, seats, stop) = (self.desk(true), seats.clone(), self.stop.subscribe());
            rooms.spawn(async move { Box::pin(web::listen(listener, way, desk, seats, stop)).await });
        }
    }

    /// Runs the rooms that need no socket, for a command that does its work without a daemon.
    pub fn start_rooms(&self, rooms: &mut JoinSet<()>) {
        let (journal, stop) = (self.journal.clone(), self.stop.subscribe());
        rooms.spawn(async move { journal.run(stop).await });
        let (recorder, stop) =
            (Recorder::new(self.store.clone(), self.bus.clone(), self.clock.clone()), self.stop.subscribe());
        rooms.spawn(async move { recorder.run(stop).await });
        let (devices, stop) = (self.devices.clone(), self.stop.subscribe());
        rooms.spawn(async move { devices.run(stop).await });
        let (without, store, clock, bus) =
            (self.without.clone(), self.store.clone(), self.clock.clone(), self.bus.clone());
        let mut stop = self.stop.subscribe();
        rooms.spawn(async move {
            tokio::select! {
                () = without.tell(&store, &clock, &bus) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // An error means that the house is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        });
        let metering = self.metering.clone();
        let stop = self.stop.subscribe();
        rooms.spawn(async move { metering.run_ledger(stop).await });
        let metering = self.metering.clone();
        let stop = self.stop.subscribe();
        let every = self.settings.submission.check_every;
        rooms.spawn(async move { metering.run_clerk(every, stop).await });
        if let Some(outbox) = &self.outbox {
            let outbox = outbox.clone();
            let stop = self.stop.subscribe();
            rooms.spawn(async move { outbox.run(stop).await });
        }
    }

    async fn start_external(&self, rooms: &mut JoinSet<()>) -> Result<(), HouseError> {
        let Some(section) = &self.settings.external_broker else { return Ok(()) };
        let login = match (&section.username, &section.password_secret) {
            (Some(username), Some(name)) => {
                let secret = self.store.secrets().get(&web::secret_name(name)).await?.ok_or_else(|| {
                    HouseError::Setting(format!(
                        "external_broker.password_secret: no secret «{name}»: set it with `domovoi secret set {name}`"
                    ))
                })?;
                let password = String::from_utf8(secret.expose().clone())
                    .map_err(|_| HouseError::Setting(format!("the secret «{name}» is not text")))?;
                Some((username.clone(), password))
            }
            (Some(username), None) => Some((username.clone(), String::new())),
            _ => None,
        };
        let broker = ExternalBroker {
            host: section.host.clone(),
            port: section.port,
            client_id: section.client_id.clone(),
            login,
            keep_alive: section.keep_alive,
            tls: section.tls.then(|| tls_config(section.ca_file.as_deref())).transpose()?,
        };
        rooms.spawn(run_ear(broker.clone(), Arc::clone(&self.ingest), self.stop.subscribe()));
        rooms.spawn(run_external(broker, Arc::clone(&self.ingest), self.stop.subscribe()));
        Ok(())
    }

    /// Stops what `start_rooms` started, and closes the store.
    pub async fn close(self, mut rooms: JoinSet<()>) {
        self.stop.send_replace(true);
        let grace = tokio::time::timeout(Duration::from_secs(5), async { while rooms.join_next().await.is_some() {} });
        if grace.await.is_err() {
            rooms.shutdown().await;
        }
        // What a room did last, after the journal's own room had stopped.
        if let Err(error) = self.journal.flush().await {
            tracing::error!("the journal could not be written: {error}");
        }
        self.store.close().await;
    }
}

/// Makes this process the only one that works in the data folder, and fetches the master key.
async fn unlock(
    settings: &Settings,
    passphrase: Option<Secret<String>>,
) -> Result<(FolderLock, MasterKey), HouseError> {
    let data_dir = settings.store.data_dir.clone();
    let lock = Store::lock(&data_dir)?;
    let vault = settings.vault.to_vault();
    let absent = if Store::exists(&data_dir) { Absent::Refuse } else { Absent::Create };
    // Stretching a passphrase takes a second of CPU.
    let master = tokio::task::spawn_blocking(move || vault.obtain(&data_dir, passphrase.as_ref(), absent))
        .await
        .map_err(|error| HouseError::Setting(format!("the master key could not be made: {error}")))??;
    Ok((lock, master))
}

fn store_settings(settings: &Settings, clock: &Clock) -> domovoi_store::Settings {
    let mut store = settings.store.to_store();
    store.history = domovoi_store::HistorySettings {
        followers: vec![crate::metering::JOURNAL_READER.to_owned()],
        home_time: home_time(clock, settings.home.time_zone.clone()),
        ..settings.history.to_store()
    };
    store
}

/// Opens the house and runs it: the whole daemon.
pub async fn run(
    settings: Settings,
    sockets: Sockets,
    clock: Clock,
    shutdown: impl Future<Output = ()>,
) -> Result<(), HouseError> {
    House::open(settings, clock, None).await?.run(sockets, shutdown).await
}

/// What the demo, or the standby, does otherwise than a home.
#[derive(Debug, Default)]
pub struct Stage {
    /// The store lies in memory and is gone with the process: nothing is recorded, and nothing acknowledged that would
    /// have to be.
    pub is_standby: bool,
    /// The site is served in clear at `http://localhost` with this port, which browsers take for a safe place as they do
    /// https (W3C Secure Contexts, 3.1).
    pub clear_port: Option<u16>,
}

/// Gas and water must not wait for a page: a certificate that cannot be had is told by the log and the doctor.
async fn open_certificates(settings: &Settings, store: &Store, clock: &Clock, bus: &Bus) -> Option<Certificates> {
    if !settings.web.enabled && (!settings.mqtt.enabled || settings.mqtt.listen_tls.is_empty()) {
        return None;
    }
    let opened = Certificates::open(store.clone(), clock.clone(), bus.clone(), settings.web.clone()).await;
    opened.map_err(|error| tracing::error!("neither the page nor MQTT is served on TLS: {error}")).ok()
}

fn sign_in_policy(settings: &Settings, clear_port: Option<u16>) -> signin::Policy {
    signin::Policy {
        host: clear_port.map_or_else(|| settings.web.host.clone(), |_| "localhost".into()),
        origins: clear_port.map_or_else(|| settings.web.origins(), |port| vec![format!("http://localhost:{port}")]),
        home: settings.home.name.clone(),
        idle: settings.sign_in.idle,
        absolute: settings.sign_in.absolute,
    }
}

async fn open_portal(section: &domovoi_config::Portal, store: &Store, clock: &Clock) -> Result<Portal, HouseError> {
    Ok(Portal::open(portal_settings(section)?, Shelf::new(store.clone()), clock.clone()).await?)
}

fn portal_settings(section: &domovoi_config::Portal) -> Result<PortalSettings, HouseError> {
    use crate::portal::{Dpop, OpenError, Profile};
    let mut settings = PortalSettings::new(&section.issuer, section.api_base.as_str(), &section.client_id)
        .map_err(|error| HouseError::Portal(OpenError::Address(error)))?;
    settings.profile = match section.profile {
        domovoi_config::Profile::Generic => Profile::Generic,
        domovoi_config::Profile::Esia => Profile::Esia,
    };
    settings.dpop = match section.dpop {
        domovoi_config::Dpop::Required => Dpop::Required,
        domovoi_config::Dpop::IfOffered => Dpop::IfOffered,
        domovoi_config::Dpop::Off => Dpop::Off,
    };
    settings.scopes = section.scopes.clone();
    settings.resource = section.resource.clone();
    settings.extra_roots = section.ca_file.clone();
    Ok(settings)
}

/// TLS to a broker of others: 1.3 or 1.2, the system's roots or the one CA that the settings name.
fn tls_config(ca_file: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, HouseError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let setting = |what: String| HouseError::Setting(format!("external_broker: {what}"));
    let mut roots = rustls::RootCertStore::empty();
    let files: Vec<PathBuf> = match ca_file {
        Some(path) => vec![path.to_owned()],
        None => SYSTEM_ROOTS.iter().map(PathBuf::from).filter(|path| path.exists()).take(1).collect(),
    };
    for path in &files {
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|e| setting(format!("{}: {e}", path.display())))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|e| setting(format!("{}: {e}", path.display())))?;
            // One certificate that this library will not take must not keep the others from being trusted.
            let _ = roots.add(certificate);
        }
    }
    if roots.is_empty() {
        return Err(setting("tls = true, but no authority is trusted: name one with ca_file".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| setting(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Where Linux distributions keep the authorities they trust.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What history asks of the clock and of the zone: the day it is, and where a day begins.
fn home_time(clock: &Clock, zone: jiff::tz::TimeZone) -> domovoi_store::HomeTime {
    let clock = clock.clone();
    let offset = move |at: domovoi_model::Timestamp| {
        jiff::Timestamp::from_millisecond(at.0).map_or(0, |at| zone.to_offset(at).seconds())
    };
    domovoi_store::HomeTime::new(move || clock.trusted(), offset)
}
