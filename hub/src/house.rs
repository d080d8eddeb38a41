//! The house: opens every room in order, runs them, stops them. Phases: folder lock, keys, store, register, portal,
//! broker; so that nothing acts before what it needs is there.

mod carriers;
mod clouds;
mod correspondence;
mod dialects;
mod diary;
mod doors;
mod picture;
mod portal_alerts;
mod presence;
mod running;
mod scenes;
mod settings;
mod sockets;
mod standby;
mod surroundings;
mod telling;
#[cfg(test)]
mod tests;
mod without;

use std::future::Future;
use std::sync::Arc;

use domovoi_adapters::Directory;
use domovoi_broker::Broker;
use domovoi_config::Settings;
use domovoi_store::{FolderLock, LockError, Store};
use domovoi_vault::{Absent, MasterError, MasterKey, Secret};
use tokio::sync::watch;

use crate::alerts::Alerts;
use crate::audit::Journal;
use crate::bus::Bus;
use crate::calendar::Calendar;
use crate::cameras::Cameras;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::clouds::Clouds;
use crate::courier::Courier;
use crate::devices::{Devices, DevicesError};
use crate::doctor::Doctor;
use crate::extract;
use crate::ingest::{BrokerShelf, BrokerStanding, BrokerStands, HubGate, Ingest, report_resumed};
use crate::metering::insight::Insight;
use crate::metering::{Metering, MeteringError, Rules};
use crate::notify::{Notify, channels};
use crate::people::{People, PeopleError};
use crate::portal::{MessagePace, Messages, Outbox, Pace, Portal};
use crate::presence::Presence;
use crate::recorder::Recorder;
use crate::safety::Safety;
use crate::scenarios::Scenarios;
use crate::signin::{SignIn, SignInError};
use crate::web::{self, Desk};

pub use sockets::Sockets;
pub use standby::keep;

use doors::open_certificates;
use settings::{millis, open_portal, sign_in_policy, store_settings};
use telling::Telling;
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
    alerts: Alerts,
    notify: Notify,
    calendar: Calendar,
    clouds: Clouds,
    messages: Messages,
    presence: Presence,
    scenarios: Scenarios,
    telling: Option<Telling>,
    metering: Metering,
    insight: Insight,
    portal: Option<Portal>,
    outbox: Option<Outbox>,
    broker: Arc<Broker<HubGate>>,
    broker_stands: BrokerStands,
    people: People,
    signin: SignIn,
    _extract: Arc<SignIn>,
    _told_of: Arc<telling::Keepers>,
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
        settings::prove_time(&store, &clock).await;
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
        // Before the devices recall what they said: a mapping says whose words those were.
        if let Err(error) = ingest.load_own().await {
            without.add("mappings", &error.to_string());
        }
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
        dialects::tell_meters(&metering, &ingest);
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
        let cameras = Cameras::open(store.clone(), clock.clone(), bus.clone(), section, zone, web::secret_name).await;
        let registry = devices.clone();
        cameras.devices_are_in(move |device| registry.room_of(&device.to_string()));
        let alerts = Alerts::open(store.clone(), clock.clone(), bus.clone(), &settings.home, &settings.alerts).await;
        let (reflex, registry) = (safety.clone(), devices.clone());
        alerts.hazards_are(move || reflex.open_dangers());
        alerts.rooms_are(move |device| registry.room_of(&device.to_string()).map(|room| room.to_string()));
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
        let page = front.origins.first().cloned();
        let tools = carriers::tools(&settings, &store, &clock, &ingest, &devices, &safety);
        let (carried, missing) = channels::all(&settings, &tools);
        for error in missing {
            without.add("messages", &error.to_string());
        }
        let notify = Notify::open(
            store.clone(),
            clock.clone(),
            bus.clone(),
            people.clone(),
            settings.home.time_zone.clone(),
            settings.home.language,
            settings.notify.clone(),
            carried,
        )
        .await;
        notify.page_is_at(page);
        let zone = settings.home.time_zone.clone();
        let rules = crate::metering::insight::Rules::default();
        let insight =
            Insight::open(store.clone(), clock.clone(), bus.clone(), metering.clone(), zone.clone(), rules).await;
        let calendar = Calendar::open(store.clone(), clock.clone(), bus.clone(), zone, &settings.calendar).await;
        let clouds = clouds::open(&store, &clock, &bus, &settings.clouds, &devices, &ingest).await?;
        let pace = MessagePace::default();
        let messages = Messages::open(portal.clone(), store.clone(), clock.clone(), bus.clone(), pace).await;
        let presence = presence::open(&store, &clock, &bus, &settings, &devices, &people, &notify).await;
        let (zone, position) = (settings.home.time_zone.clone(), settings.home.position);
        let section = &settings.scenarios;
        let scenarios = Scenarios::open(store.clone(), clock.clone(), bus.clone(), zone, position, section).await;
        if scenarios.damaged() > 0 {
            without.add("scenarios", &format!("{} do not open: see the log", scenarios.damaged()));
        }
        let rooms = scenes::Rooms {
            devices: &devices,
            people: &people,
            presence: &presence,
            notify: &notify,
            metering: &metering,
            store: &store,
            clock: &clock,
        };
        scenes::connect(&scenarios, &rooms);
        let told_of = telling::keep_with(&people, &alerts, &notify, &calendar);
        let telling = Some(Telling::connect(&bus, &alerts, &calendar, &notify, &scenarios));
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
            alerts,
            notify,
            calendar,
            clouds,
            messages,
            presence,
            scenarios,
            telling,
            metering,
            insight,
            portal,
            outbox,
            broker,
            broker_stands,
            people,
            signin,
            _extract: extract,
            _told_of: told_of,
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
            alerts: self.alerts.clone(),
            notify: self.notify.clone(),
            calendar: self.calendar.clone(),
            clouds: self.clouds.clone(),
            messages: self.messages.clone(),
            presence: self.presence.clone(),
            scenarios: self.scenarios.clone(),
            metering: self.metering.clone(),
            insight: self.insight.clone(),
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
                cameras: self.cameras.clone(),
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
