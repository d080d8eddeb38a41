//! The house: opens every room in order, runs them, stops them. Phases: folder lock, keys, store, register, portal,
//! broker; so that nothing acts before what it needs is there.

use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domovoi_adapters::Directory;
use domovoi_broker::Broker;
use domovoi_config::Settings;
use domovoi_store::{FolderLock, LockError, Store};
use domovoi_vault::{Absent, MasterError, Secret};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::Journal;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::courier::Courier;
use crate::doctor::Doctor;
use crate::extract;
use crate::ingest::{ExternalBroker, HubGate, Ingest, run_external};
use crate::metering::{Metering, MeteringError, Rules};
use crate::people::{People, PeopleError};
use crate::portal::{Outbox, Pace, Portal, PortalSettings, Shelf};
use crate::signin::{self, SignIn, SignInError};
use crate::web::{self, Desk};

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

/// The sockets that the house listens on: bound by the caller, so that a test can hand in port 0.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For MQTT.
    pub mqtt: Vec<TcpListener>,
    /// For the command line.
    pub control: Option<UnixListener>,
    /// For the page and the API, on https.
    pub https: Vec<TcpListener>,
    /// For the page that helps to trust the certificate, in clear.
    pub help: Vec<TcpListener>,
    /// For the whole site in clear, on loopback only: the demo's `http://localhost:8080`.
    pub in_clear: Option<TcpListener>,
}

impl Sockets {
    /// Binds what the settings name.
    pub async fn bind(settings: &Settings) -> Result<Self, HouseError> {
        let (mqtt, web) = (&settings.mqtt, &settings.web);
        let of = |enabled: bool, addresses: &'_ [SocketAddr]| if enabled { addresses.to_vec() } else { Vec::new() };
        Ok(Sockets {
            mqtt: bind_all(&of(mqtt.enabled, &mqtt.listen), "mqtt.listen").await?,
            https: bind_all(&of(web.enabled, &web.listen), "web.listen").await?,
            help: bind_all(&of(web.enabled, &web.help_listen), "web.help_listen").await?,
            in_clear: None,
            control: Some(bind_control(&settings.control.socket)?),
        })
    }

    /// The control socket alone, for a caller that brings its own listener for MQTT.
    pub fn bind_control_only(settings: &Settings) -> Result<UnixListener, HouseError> {
        bind_control(&settings.control.socket)
    }
}

async fn bind_all(addresses: &[SocketAddr], key: &str) -> Result<Vec<TcpListener>, HouseError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let failed = |error| HouseError::Bind { what: format!("{address} ({key})"), error };
        listeners.push(TcpListener::bind(address).await.map_err(failed)?);
    }
    Ok(listeners)
}

/// Binds the control socket, private from its first moment. One that a killed daemon left behind is replaced: the
/// caller holds the folder's lock.
fn bind_control(path: &Path) -> Result<UnixListener, HouseError> {
    let failed = |error| HouseError::Bind { what: path.display().to_string(), error };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// The open house. Nothing runs yet.
pub struct House {
    settings: Arc<Settings>,
    store: Store,
    clock: Clock,
    bus: Bus,
    ingest: Arc<Ingest>,
    metering: Metering,
    portal: Option<Portal>,
    outbox: Option<Outbox>,
    broker: Arc<Broker<HubGate>>,
    people: People,
    signin: SignIn,
    _extract: Arc<SignIn>,
    journal: Journal,
    courier: Courier,
    limits: web::Limits,
    feed: web::Feed,
    stop: watch::Sender<bool>,
    _lock: FolderLock,
}

impl House {
    /// Opens every room. `passphrase` is what a person typed, where the settings say that one types it.
    pub async fn open(
        settings: Settings,
        clock: Clock,
        passphrase: Option<Secret<String>>,
    ) -> Result<Self, HouseError> {
        let store_settings = settings.store.to_store();
        let data_dir = store_settings.data_dir.clone();
        let lock = Store::lock(&data_dir)?;
        let vault = settings.vault.to_vault();
        let absent = if Store::exists(&data_dir) { Absent::Refuse } else { Absent::Create };
        let folder = data_dir.clone();
        // Stretching a passphrase takes a second of CPU.
        let master = tokio::task::spawn_blocking(move || vault.obtain(&folder, passphrase.as_ref(), absent))
            .await
            .map_err(|error| HouseError::Setting(format!("the master key could not be made: {error}")))??;
        let store = Store::open(&store_settings, &master).await?;
        drop(master);
        store.boots().begin(clock.boot()).await?;
        // Only the portal's own time proves that a moment has been: a wrong clock of ours must not prove itself.
        for act in store.acts().list(domovoi_store::ActFilter::default()).await? {
            if let domovoi_model::ActState::Received { receipt } = &act.state
                && receipt.issued_at <= act.created_at.plus_millis(LONGEST_WAY_MILLIS)
            {
                clock.certainly_after(receipt.issued_at);
            }
        }
        let bus = Bus::default();
        let feed = web::Feed::new(bus.clone(), &clock);
        let mut directory = Directory::default();
        for (dialect, bases) in settings.dialects.bases() {
            directory
                .set_bases(dialect, &bases)
                .map_err(|error| HouseError::Setting(format!("[dialects]: {error}")))?;
        }
        let ingest = Ingest::new(store.clone(), clock.clone(), directory);
        let submission = &settings.submission;
        let rules = Rules {
            jitter_millis: millis(submission.jitter),
            warn_before_end_millis: millis(submission.warn_before_end),
            warn_by_day: submission.warn_no_later_than_day,
        };
        let suppliers = settings.suppliers.iter().cloned().map(Into::into).collect();
        let metering = Metering::open(store.clone(), clock.clone(), bus.clone(), suppliers, rules).await?;
        let portal = match &settings.portal {
            None => None,
            Some(section) => {
                Some(Portal::open(portal_settings(section)?, Shelf::new(store.clone()), clock.clone()).await?)
            }
        };
        let outbox = portal.as_ref().map(|portal| {
            let pace = Pace {
                first_retry: Pace::default().first_retry.min(submission.retry_every),
                retry_every: submission.retry_every,
                read_back_every: submission.read_back_every,
            };
            Outbox::new(portal.clone(), metering.clone(), store.clone(), bus.clone(), clock.clone(), pace)
        });
        let journal = Journal::new(store.clone(), clock.clone());
        let people =
            People::open(store.clone(), clock.clone(), journal.clone()).await?.in_zone(settings.home.time_zone.clone());
        let courier = Courier::open(&settings, &store, web::secret_name)
            .map_err(|error| HouseError::Setting(error.to_string()))?;
        let policy = sign_in_policy(&settings);
        let (store_of, clock_of) = (store.clone(), clock.clone());
        let signin = SignIn::open(store_of, clock_of, people.clone(), journal.clone(), courier.clone(), policy).await?;
        let signin = signin.speaking(settings.home.language);
        let extract = extract::connect(&people, &signin, &metering);
        let gate = HubGate::new(Arc::clone(&ingest), settings.mqtt.private_peers_only);
        let broker = Arc::new(Broker::new(settings.mqtt.to_broker(), Arc::new(gate)));
        let (stop, _) = watch::channel(false);
        let settings = Arc::new(settings);
        Ok(House {
            settings,
            store,
            clock,
            bus,
            ingest,
            metering,
            portal,
            outbox,
            broker,
            people,
            signin,
            _extract: extract,
            journal,
            courier,
            limits: web::Limits::default(),
            feed,
            stop,
            _lock: lock,
        })
    }

    /// What happens in the house.
    pub fn bus(&self) -> &Bus {
        &self.bus
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
            front: web::Front { origins: Arc::new(sign_in_policy(&self.settings).origins), secure: true },
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
                clock: self.clock.clone(),
                listening,
            },
            linking: web::Linking::default(),
            rotation: web::Rotation::default(),
            limits: self.limits.clone(),
            feed: self.feed.clone(),
            kick: {
                let broker = Arc::clone(&self.broker);
                Arc::new(move |client_id: &str| broker.disconnect(client_id))
            },
        }
    }

    /// Runs until `shutdown` is there, then stops in the reverse order: first the sockets, last the store.
    pub async fn run(self, sockets: Sockets, shutdown: impl Future<Output = ()>) -> Result<(), HouseError> {
        let mut rooms = JoinSet::new();
        self.start_rooms(&mut rooms);
        self.start_external(&mut rooms).await?;
        let (ingest, journal, stop) = (Arc::clone(&self.ingest), self.journal.clone(), self.stop.subscribe());
        rooms.spawn(async move { ingest.tell_refusals(journal, stop).await });
        for listener in sockets.mqtt {
            let broker = Arc::clone(&self.broker);
            let mut stopped = self.stop.subscribe();
            rooms.spawn(async move {
                broker
                    .serve(listener, async move {
                        // An error means that the house is gone, which is a stop too.
                        let _ = stopped.wait_for(|stop| *stop).await;
                    })
                    .await;
            });
        }
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

    /// Runs the rooms that need no socket, for a command that does its work without a daemon.
    pub fn start_rooms(&self, rooms: &mut JoinSet<()>) {
        let (journal, stop) = (self.journal.clone(), self.stop.subscribe());
        rooms.spawn(async move { journal.run(stop).await });
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

/// Opens the house and runs it: the whole daemon.
pub async fn run(
    settings: Settings,
    sockets: Sockets,
    clock: Clock,
    shutdown: impl Future<Output = ()>,
) -> Result<(), HouseError> {
    House::open(settings, clock, None).await?.run(sockets, shutdown).await
}

fn sign_in_policy(settings: &Settings) -> signin::Policy {
    signin::Policy {
        host: settings.web.host.clone(),
        origins: settings.web.origins(),
        home: settings.home.name.clone(),
        idle: settings.sign_in.idle,
        absolute: settings.sign_in.absolute,
    }
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
