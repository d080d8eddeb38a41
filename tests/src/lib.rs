//! The harness: a real hub in a folder of its own, a sandbox portal, pretend devices, all on ports that the system
//! chose. Tests wait for conditions with `until`; nothing here sleeps for its own sake.

#![expect(clippy::expect_used, clippy::panic, reason = "a harness that cannot go on says so and fails the test")]

mod browser;
mod picture;
mod site;
mod speaker;

pub use browser::{Browser, BrowserSettings, screenshots};
pub use picture::png;
pub use site::{HOST, PASSWORD, Site, Visitor};
pub use speaker::Speaker;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domovoi::clock::Clock;
use domovoi::doctor::Doctor;
use domovoi::ingest::Ingest;
use domovoi::metering::{Metering, NewMeter, NewPoint, parse_binding, parse_values};
use domovoi::portal::{LinkProgress, LinkState, Portal};
use domovoi::web::Desk;
use domovoi::{House, Sockets};
use domovoi_config::Settings;
use domovoi_model::{Act, Id, Moment, Reminder, Resource, Timestamp};
use domovoi_store::{ActFilter, CredentialInfo, Store};
use firmware_sim::portal::{
    AccountSpec, MeteringPointSpec, PortalSettings, Resource as SimResource, SandboxPortal, WindowSpec,
};
use firmware_sim::world::{Credentials, WaterSettings, World, WorldSettings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The water meter of most tests.
pub const WATER_ID: &str = "12345699";
/// Its account.
pub const WATER_ACCOUNT: &str = "7712345678";
/// Its supplier.
pub const SUPPLIER: &str = "vodokanal";
/// Its place.
pub const POINT: &str = "Кухня, холодная";

/// How long any condition may take on a loaded machine before the test is called broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-11-20T12:00:00Z, the middle of a window.
pub const NOON: Timestamp = Timestamp(1_795_176_000_000);

/// Installs the provider of cryptography once per process.
pub fn crypto() {
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Waits until `look` finds something; panics with `what` when it never does.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(found) => found,
        Err(_) => panic!("never happened: {what}"),
    }
}

/// A number that differs from run to run, printed by whoever draws it.
pub fn seed() -> u64 {
    std::env::var("DOMOVOI_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let id = uuid::Uuid::new_v4();
        u64::from_le_bytes(id.as_bytes()[..8].try_into().expect("eight bytes"))
    })
}

/// A small generator (splitmix64): the same seed, the same run.
pub struct Dice(pub u64);

impl Dice {
    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "a die has no end, and no use for adapters")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0..n
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// A clock for a run that a test turns by hand.
pub fn hand_clock(at: Timestamp) -> Clock {
    Clock::by_hand(Id(*uuid::Uuid::new_v4().as_bytes()), at)
}

/// A sandbox portal whose clock is the hub's.
pub async fn sandbox(clock: &Clock, change: impl FnOnce(&mut PortalSettings)) -> SandboxPortal {
    crypto();
    let clock = clock.clone();
    let mut settings = PortalSettings {
        accounts: vec![water_account(WindowSpec::whole_month())],
        poll_interval_s: 1,
        clock: Arc::new(move || clock.wall().0),
        ..PortalSettings::default()
    };
    change(&mut settings);
    SandboxPortal::start(settings).await.expect("the sandbox portal starts")
}

/// The account of the water meter.
pub fn water_account(window: WindowSpec) -> AccountSpec {
    AccountSpec {
        supplier_id: SUPPLIER.into(),
        supplier_name: "Водоканал".into(),
        account_number: WATER_ACCOUNT.into(),
        window,
        metering_points: vec![MeteringPointSpec {
            resource: SimResource::ColdWater,
            serial: WATER_ID.into(),
            tariff_count: 1,
            ..MeteringPointSpec::default()
        }],
        ..AccountSpec::default()
    }
}

/// The settings of most tests: one supplier with a whole-month window, everything quick.
pub fn settings_text(portal: Option<&SandboxPortal>) -> String {
    let mut text = String::from(
        r#"
[store]
data_dir = "hub"
commit_every = "1 ms"

[mqtt]
listen = ["127.0.0.1:1"]
listen_tls = ["127.0.0.1:0"]

[web]
listen = ["127.0.0.1:0"]
help_listen = ["127.0.0.1:0"]

[submission]
jitter = "0 s"
retry_every = "1 s"
read_back_every = "1 s"
check_every = "1 s"

[[supplier]]
id = "vodokanal"
name = "Водоканал"
resources = ["cold_water"]
window = [{ start = { day = 1 }, end = { last_day = true } }]
"#,
    );
    if let Some(portal) = portal {
        text.push_str(&format!("\n[portal]\nissuer = \"{}\"\napi_base = \"{}\"\n", portal.issuer(), portal.api_base()));
    }
    text
}

/// A hub that runs in this process.
pub struct Home {
    /// Everything it keeps.
    pub folder: PathBuf,
    /// Where its broker listens, in clear.
    pub mqtt: SocketAddr,
    /// Where its broker listens with TLS.
    pub mqtt_tls: SocketAddr,
    /// Where its page and API are, on https.
    pub https: SocketAddr,
    /// Where the help about its certificate is, in clear.
    pub help: SocketAddr,
    /// What its page and API are made of.
    pub desk: Desk,
    /// Its clock.
    pub clock: Clock,
    /// Its metering.
    pub metering: Metering,
    /// Its store.
    pub store: Store,
    /// Its portal, if the settings name one.
    pub portal: Option<Portal>,
    /// What it has heard, and could not read.
    pub ingest: Arc<Ingest>,
    doctor: Doctor,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), domovoi::HouseError>>,
}

impl Home {
    /// Starts a hub in a folder, with these settings. Port numbers in the settings are not used.
    pub async fn start(folder: &Path, text: &str, clock: Clock) -> Home {
        crypto();
        let mut settings = match Settings::parse(text, "test.toml", folder) {
            Ok(settings) => settings,
            Err(mistakes) => panic!("{mistakes:?}"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mqtt = listener.local_addr().expect("an address");
        let mqtt_tls_listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mqtt_tls = mqtt_tls_listener.local_addr().expect("an address");
        let https_listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let help_listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let https = https_listener.local_addr().expect("an address");
        let help = help_listener.local_addr().expect("an address");
        // The page's origins have its port in them.
        (settings.web.listen, settings.web.help_listen) = (vec![https], vec![help]);
        let house = House::open(settings, clock.clone(), None).await.expect("the house opens");
        let (metering, store, portal) = (house.metering().clone(), house.store().clone(), house.portal().cloned());
        let desk = house.desk(true);
        let (ingest, doctor) = (Arc::clone(&desk.ingest), desk.doctor.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let sockets = Sockets {
            mqtt: vec![listener],
            mqtt_tls: vec![mqtt_tls_listener],
            https: vec![https_listener],
            help: vec![help_listener],
            ..Sockets::default()
        };
        let running = tokio::spawn(house.run(sockets, async move {
            let _ = stopped.await;
        }));
        Home {
            folder: folder.to_owned(),
            mqtt,
            mqtt_tls,
            https,
            help,
            desk,
            clock,
            metering,
            store,
            portal,
            ingest,
            doctor,
            stop: Some(stop),
            running,
        }
    }

    /// Stops it cleanly.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        drop((self.desk, self.metering, self.store, self.portal, self.ingest, self.doctor));
        self.running.await.expect("the house does not panic").expect("the house stops cleanly");
    }

    /// Adds the water meter, bound to the wmbusmeters device of the same number.
    pub async fn add_water(&self) {
        self.add(POINT, WATER_ID, WATER_ACCOUNT, &format!("wmbusmeters:{WATER_ID}"), "total_m3").await;
    }

    /// Adds a cold water meter.
    pub async fn add(&self, name: &str, serial: &str, account: &str, device: &str, property: &str) {
        let point = NewPoint {
            supplier: SUPPLIER.into(),
            account_number: account.into(),
            els: None,
            resource: Resource::ColdWater,
            name: name.into(),
            binding: Some(parse_binding(device, &[format!("t1={property}")], None).expect("a binding")),
            reminder: Reminder::Never,
            meter: NewMeter {
                serial: serial.into(),
                model: None,
                digits_int: 5,
                digits_frac: 3,
                tariffs: 1,
                multiplier: 1.into(),
                installed: "2024-03-01".parse().expect("a day"),
                start: parse_values("0", 1).expect("a value"),
                verified: None,
                valid_until: None,
            },
        };
        self.metering.add(point).await.expect("the point is added");
    }

    /// Issues a credential.
    pub async fn credential(&self, username: &str, publish: &[&str], subscribe: &[&str]) -> Credentials {
        issue(&self.store, username, publish, subscribe).await
    }

    /// Links with the portal; the citizen agrees at once.
    pub async fn link(&self, portal: &SandboxPortal) -> LinkState {
        let hub_side = self.portal.as_ref().expect("the settings name a portal");
        let linking = hub_side.link_device(|step| {
            if let LinkProgress::ShowCode(code) = &step {
                portal.approve(&code.user_code);
            }
        });
        Box::pin(linking).await.expect("the link is made")
    }

    /// What the doctor says now, a line per finding: level, what, and what to do.
    pub async fn doctor(&self) -> Vec<String> {
        let findings = self.doctor.examine(false).await;
        findings.iter().map(|f| format!("{}: {} → {}", f.level.code(), f.what, f.remedy)).collect()
    }

    /// Waits until the doctor says all these words in one line, and gives that line.
    pub async fn doctor_says(&self, words: &[&str]) -> String {
        until(&format!("the doctor says {words:?}"), || async {
            self.doctor().await.into_iter().find(|line| words.iter().all(|word| line.contains(word)))
        })
        .await
    }

    /// Every act.
    pub async fn acts(&self) -> Vec<Act> {
        self.store.acts().list(ActFilter::default()).await.expect("acts are read")
    }

    /// Waits until there are `n` acts and all have their receipts.
    pub async fn all_received(&self, n: usize) -> Vec<Act> {
        until("every act has its receipt", || async {
            let acts = self.acts().await;
            (acts.len() >= n && acts.iter().all(|act| act.state.code() == "received")).then_some(acts)
        })
        .await
    }

    /// The accepted values of a point's T1, oldest first.
    pub async fn ledger(&self, point: &str) -> Vec<String> {
        let rows = self.metering.history(point, 10_000).await.expect("the ledger is read");
        rows.iter()
            .rev()
            .filter(|row| row.reading.verdict.is_accepted())
            .map(|row| row.reading.value.to_string())
            .collect()
    }
}

/// Issues a credential of a service in an open store.
pub async fn issue(store: &Store, username: &str, publish: &[&str], subscribe: &[&str]) -> Credentials {
    issue_as(store, username, "service", publish, subscribe).await
}

/// The same for another role.
pub async fn issue_as(store: &Store, username: &str, role: &str, publish: &[&str], subscribe: &[&str]) -> Credentials {
    let owned = |filters: &[&str]| filters.iter().map(|filter| (*filter).to_owned()).collect();
    let info = CredentialInfo {
        username: username.into(),
        publish: owned(publish),
        subscribe: owned(subscribe),
        role: role.into(),
        certificate: None,
        created_at: Moment::Wall(NOON),
    };
    let _ = store.credentials().revoke(username).await;
    let password = store.credentials().issue(&info).await.expect("a credential is issued");
    Credentials { client_id: username.into(), username: username.into(), password: password.expose().clone() }
}

/// A water meter that speaks when told to.
pub fn water_world(broker: SocketAddr, credentials: Credentials, clock: &Clock, folder: Option<PathBuf>) -> World {
    let clock = clock.clone();
    World::start(WorldSettings {
        broker: broker.to_string(),
        data_dir: folder,
        clock: Arc::new(move || clock.wall().0),
        water: Some(WaterSettings { credentials, id: WATER_ID.into(), interval: None, ..WaterSettings::default() }),
        plug: None,
        zigbee: None,
    })
    .expect("the world starts")
}
