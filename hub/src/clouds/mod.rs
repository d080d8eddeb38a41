//! Makers' clouds over OAuth 2.0: linked by the owner, asked how their things stand, told what those are to do.
//!
//! What a cloud is (its paths, its words, its quirks) is a constant of the adapters (`domovoi_adapters::clouds`), so that
//! everything here is done for every cloud alike, and another one is a file there. A thing of a cloud is a device like any
//! other: it is found, waits in the inbox, is accepted; its states travel the road of every value and its commands have the
//! lives of all others. Deliberately no promise: a maker's cloud is late, is away with the internet, and may end one day.

mod calls;
mod doing;
mod http;
mod link;
mod linking;
mod looking;
mod notices;
mod oauth;
mod pace;
mod shelf;
mod things;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use domovoi_adapters::Outgoing;
use domovoi_adapters::clouds::{CLOUDS, Cloud, Scene};
use domovoi_config::{CloudSection, CloudsSection};
use domovoi_model::{DeviceRef, Timestamp};
use domovoi_store::{Store, StoreError};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use url::Url;

use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::ingest::{Ingest, NotSaid};

pub use calls::CallError;
pub use link::LinkState;
pub use linking::{Progress, Unlinked};
pub use oauth::{ShownCode, TokenError};

use doing::Order;
use link::Held;
use pace::{Budget, For};
use shelf::Shelf;

/// Why something of a cloud cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CloudsError {
    /// There is no such cloud, or nothing of that name in it.
    #[error("there is no {0}")]
    NoSuch(&'static str),
    /// The settings say nothing of it.
    #[error("the settings name no program for it: add [clouds.{0}]")]
    NotSet(&'static str),
    /// What was stated cannot be taken.
    #[error("{0}")]
    Invalid(&'static str),
    /// Not now, or not like this.
    #[error("{0}")]
    Conflict(&'static str),
    /// The cloud did not do it.
    #[error("{0}")]
    Cloud(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<TokenError> for CloudsError {
    fn from(error: TokenError) -> Self {
        CloudsError::Cloud(error.to_string())
    }
}

impl From<CallError> for CloudsError {
    fn from(error: CallError) -> Self {
        CloudsError::Cloud(error.to_string())
    }
}

type About<T> = Box<dyn Fn(&DeviceRef, &Outgoing) -> T + Send + Sync>;
type Refused = Box<dyn Fn(&DeviceRef, &Outgoing, &str) + Send + Sync>;
type Forgotten = Pin<Box<dyn Future<Output = usize> + Send>>;

/// What the room asks others for; told once, by the house.
pub struct Hooks {
    /// Whether the household has a device of this name, of whatever road.
    pub knows: Box<dyn Fn(&DeviceRef) -> bool + Send + Sync>,
    /// Whether a device was accepted.
    pub is_taken: Box<dyn Fn(&DeviceRef) -> bool + Send + Sync>,
    /// Whether a command, said so to a device, still waits for its confirmation.
    pub is_waited_for: About<bool>,
    /// A command, said so to a device, was refused.
    pub refused: Refused,
    /// Forgets devices with their history, and says how many there were.
    pub forget: Box<dyn Fn(Vec<DeviceRef>) -> Forgotten + Send + Sync>,
}

/// The room. Clones are the same room.
#[derive(Clone)]
pub struct Clouds(Arc<Vec<Arc<Inner>>>);

/// One cloud that the settings name.
struct Inner {
    cloud: &'static Cloud,
    section: CloudSection,
    api: Url,
    issuer: Url,
    http: http::Http,
    store: Store,
    shelf: Shelf,
    clock: Clock,
    bus: Bus,
    ingest: Arc<Ingest>,
    secret_name: fn(&str) -> String,
    hooks: OnceLock<Hooks>,
    held: Arc<tokio::sync::Mutex<Held>>,
    state: watch::Sender<LinkState>,
    linking: Mutex<linking::Linking>,
    budget: Mutex<Budget>,
    /// The cloud asked for that.
    left_alone: Mutex<Option<Instant>>,
    things: Mutex<things::Things>,
    scenes: Mutex<Vec<Scene>>,
    looked: Mutex<looking::Looked>,
    /// What was last handed on of each thing, and when.
    handed: Mutex<HashMap<String, (u64, Instant)>>,
    /// The last that was asked for alone.
    asked: Mutex<Option<String>>,
    /// Which notices stand.
    said: Mutex<HashMap<String, bool>>,
    /// Something wants to be looked at now.
    bell: Notify,
    orders: mpsc::Sender<Order>,
    queue: Mutex<Option<mpsc::Receiver<Order>>>,
}

/// A cloud as it is shown.
#[derive(Debug, Clone)]
pub struct CloudView {
    /// Its name.
    pub name: &'static str,
    /// Whether the settings name a program for it.
    pub is_set: bool,
    /// What the owner is asked for.
    pub scopes: &'static [&'static str],
    /// Whether there is a code for another screen, and a code to be copied.
    pub ways: (bool, bool),
    /// Where the link stands.
    pub state: LinkState,
    /// How far a linking is.
    pub progress: Progress,
    /// When it was last heard.
    pub looked_at: Option<Timestamp>,
    /// Why not since.
    pub trouble: Option<String>,
    /// Parts of the last answer that could not be read.
    pub faults: usize,
    /// Times that it was asked for everything since the start.
    pub rounds: u64,
    /// Calls of the last hour, and how many there may be.
    pub calls: (usize, u32),
    /// What is there, or was.
    pub things: Vec<ThingView>,
    /// Scenarios of its own.
    pub scenes: Vec<Scene>,
}

/// A thing of a cloud as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThingView {
    /// As a device of the house.
    pub device: DeviceRef,
    /// What it is called there.
    pub name: String,
    /// In which room it is there.
    pub room: Option<String>,
    /// It came from this very hub, and is not taken.
    pub ours: bool,
    /// Since when it is known.
    pub since: Timestamp,
    /// It is not there any more since then.
    pub gone_at: Option<Timestamp>,
}

/// The room's ear: gone with the room.
pub struct Told(Weak<Vec<Arc<Inner>>>);

impl Told {
    /// Takes what the house says to things of clouds. Never waits.
    pub fn say(&self, outgoing: Vec<Outgoing>, seconds: Option<NonZeroU32>) -> Result<(), NotSaid> {
        Clouds(self.0.upgrade().ok_or(NotSaid::NobodyThere)?).say(outgoing, seconds)
    }
}

impl Inner {
    fn device(&self, id: &str) -> DeviceRef {
        DeviceRef::new(self.cloud.dialect.name, id)
    }

    fn tell(&self) {
        self.bus.tell(Event::Cloud(self.cloud.name.into()));
    }

    fn view(&self) -> CloudView {
        let lock = PoisonError::into_inner;
        let things = {
            let things = self.things.lock().unwrap_or_else(lock);
            let view = |thing: &shelf::Thing| ThingView {
                device: self.device(&thing.id),
                name: thing.name.clone(),
                room: thing.room.clone(),
                ours: thing.ours,
                since: Timestamp(thing.since),
                gone_at: thing.gone_at.map(Timestamp),
            };
            things.known.values().map(view).collect()
        };
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CloudView {
            is_set: true,
            state: self.state.borrow().clone(),
            progress: self.progress(),
            looked_at: looked.at,
            trouble: looked.trouble,
            faults: looked.faults,
            rounds: looked.rounds,
            calls: (self.budget.lock().unwrap_or_else(PoisonError::into_inner).spent(), self.section.per_hour),
            things,
            scenes: self.scenes.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..CloudView::unset(self.cloud)
        }
    }
}

impl CloudView {
    fn unset(cloud: &'static Cloud) -> Self {
        CloudView {
            name: cloud.name,
            is_set: false,
            scopes: cloud.link.scopes,
            ways: (cloud.link.device_authorization.is_some(), cloud.link.authorization.is_some()),
            state: LinkState::Unlinked,
            progress: Progress::Idle,
            looked_at: None,
            trouble: None,
            faults: 0,
            rounds: 0,
            calls: (0, 0),
            things: Vec::new(),
            scenes: Vec::new(),
        }
    }
}

impl Clouds {
    /// Reads what is linked. Sends nothing. `secret_name`: what a person's name of a secret is in the vault.
    pub async fn open(
        store: Store,
        clock: Clock,
        bus: Bus,
        ingest: Arc<Ingest>,
        section: &CloudsSection,
        secret_name: fn(&str) -> String,
    ) -> Result<Self, StoreError> {
        let shelf = Shelf(store.clouds());
        let (mut links, damaged) = shelf.links().await?;
        if damaged > 0 {
            tracing::error!(damaged, "links with makers' clouds cannot be read: link them again");
        }
        let things = shelf.things().await?;
        let mut clouds = Vec::new();
        for section in &section.named {
            let Some(cloud) = domovoi_adapters::clouds::named(section.name) else { continue };
            let base = |own: &Option<Url>, default: &str| own.clone().or_else(|| Url::parse(default).ok());
            let bases = base(&section.api, cloud.api).zip(base(&section.issuer, cloud.link.issuer));
            let (Some((api, issuer)), Ok(http)) = (bases, http::Http::new()) else {
                tracing::error!(cloud = cloud.name, "no HTTP client can be made: this cloud is left out");
                continue;
            };
            let (orders, queue) = mpsc::channel(doing::WAITING);
            let inner = Inner {
                cloud,
                section: section.clone(),
                api,
                issuer,
                http,
                store: store.clone(),
                shelf: shelf.clone(),
                clock: clock.clone(),
                bus: bus.clone(),
                ingest: Arc::clone(&ingest),
                secret_name,
                hooks: OnceLock::new(),
                held: Arc::default(),
                state: watch::Sender::new(LinkState::Unlinked),
                linking: Mutex::default(),
                budget: Mutex::new(Budget::new(section.per_hour)),
                left_alone: Mutex::default(),
                things: Mutex::new(things::Things::of(things.iter().filter(|one| one.cloud == cloud.name).cloned())),
                scenes: Mutex::default(),
                looked: Mutex::default(),
                handed: Mutex::default(),
                asked: Mutex::default(),
                said: Mutex::default(),
                bell: Notify::new(),
                orders,
                queue: Mutex::new(Some(queue)),
            };
            inner.adopt(&mut *inner.held.lock().await, links.remove(cloud.name));
            clouds.push(Arc::new(inner));
        }
        Ok(Clouds(Arc::new(clouds)))
    }

    /// Told once, before it runs. `hooks` makes one for each cloud.
    pub fn connect(&self, hooks: impl Fn() -> Hooks) {
        for inner in self.0.iter() {
            // Told twice, the first counts.
            let _ = inner.hooks.set(hooks());
        }
    }

    /// For whoever tells things of clouds something, and is held by this room.
    pub fn told(&self) -> Told {
        Told(Arc::downgrade(&self.0))
    }

    fn say(&self, outgoing: Vec<Outgoing>, seconds: Option<NonZeroU32>) -> Result<(), NotSaid> {
        for (name, order) in doing::orders(outgoing, seconds)? {
            let inner = self.0.iter().find(|inner| inner.cloud.name == name).ok_or(NotSaid::NobodyThere)?;
            if !inner.state.borrow().works() {
                return Err(NotSaid::NobodyThere);
            }
            inner.orders.try_send(order).map_err(|_| NotSaid::Full)?;
        }
        Ok(())
    }

    /// Looks and does, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut tasks = tokio::task::JoinSet::new();
        for inner in self.0.iter() {
            tasks.spawn(Arc::clone(inner).watch(stop.clone()));
            let queue = inner.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(queue) = queue {
                tasks.spawn(Arc::clone(inner).work(queue, stop.clone()));
            }
        }
        // An error means that the house is gone, which is a stop too.
        let _ = stop.wait_for(|stop| *stop).await;
        tasks.shutdown().await;
    }

    /// Every cloud that there is, whether the settings name it or not.
    pub fn list(&self) -> Vec<CloudView> {
        CLOUDS
            .iter()
            .map(|cloud| self.of(cloud.name).map_or_else(|| CloudView::unset(cloud), |one| one.view()))
            .collect()
    }

    /// One of them.
    pub fn show(&self, name: &str) -> Result<CloudView, CloudsError> {
        self.list().into_iter().find(|view| view.name == name).ok_or(CloudsError::NoSuch("cloud"))
    }

    /// Begins to link by a code for another screen; how far that is, `show` says.
    pub fn link_by_device(&self, name: &str) -> Result<(), CloudsError> {
        self.set(name)?.link_by_device()
    }

    /// Begins to link by a page, whose code is to be copied.
    pub async fn link_by_page(&self, name: &str) -> Result<Url, CloudsError> {
        self.set(name)?.link_by_page().await
    }

    /// Ends that with the code.
    pub async fn copied(&self, name: &str, code: &str) -> Result<LinkState, CloudsError> {
        self.set(name)?.copied(code).await
    }

    /// Ends a linking that is under way.
    pub fn cancel(&self, name: &str) -> Result<(), CloudsError> {
        self.set(name)?.cancel();
        Ok(())
    }

    /// Takes the tokens back and forgets them; `forget`: with everything that came from there.
    pub async fn unlink(&self, name: &str, forget: bool) -> Result<Unlinked, CloudsError> {
        self.set(name)?.unlink(forget).await
    }

    /// Asks for everything now.
    pub fn look(&self, name: &str) -> Result<(), CloudsError> {
        let inner = self.set(name)?;
        if !inner.state.borrow().works() {
            return Err(CloudsError::Conflict("it is not linked"));
        }
        inner.bell.notify_one();
        Ok(())
    }

    /// Starts a scenario of the cloud's own. Said once: of a lost answer nobody knows what came.
    pub async fn start_scene(&self, name: &str, scene: &str) -> Result<(), CloudsError> {
        let inner = self.set(name)?;
        let known = inner.scenes.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one.id == scene);
        let request = (inner.cloud.start)(scene).filter(|_| known).ok_or(CloudsError::NoSuch("scenario"))?;
        inner.call(For::Doing, &request).await?;
        inner.bell.notify_one();
        Ok(())
    }

    fn of(&self, name: &str) -> Option<&Arc<Inner>> {
        self.0.iter().find(|inner| inner.cloud.name == name)
    }

    fn set(&self, name: &str) -> Result<&Arc<Inner>, CloudsError> {
        let cloud = domovoi_adapters::clouds::named(name).ok_or(CloudsError::NoSuch("cloud"))?;
        self.of(name).ok_or(CloudsError::NotSet(cloud.name))
    }
}
