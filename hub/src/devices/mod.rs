//! The devices of the home: which there are, what the household decided about them, how they stand, what they are told.
//!
//! A device that is heard for the first time waits in the inbox until somebody accepts it; before that it may be asked how
//! it is, and is told to do nothing.
//! What a device says is read and recorded by `ingest`; here it is only known. Who may see or command what is asked by
//! whoever opens the door. Nothing here decides about hazards: that is the reflex's business, which waits for nobody.

mod agreed;
mod card;
mod commands;
mod connect;
mod danger;
mod deeds;
mod errands;
mod farewell;
mod found;
mod live;
mod reach;
mod restored;
mod rooms;
mod spelling;
#[cfg(test)]
mod tests;
mod tidings;
mod upkeep;
mod view;
mod watch;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use domovoi_adapters::Road;
use domovoi_model::{DeviceRef, Id};
use domovoi_store::{DeviceCard, RoomCard, Store, StoreError};
use tokio::sync::watch as stop_watch;

use crate::audit::Journal;
use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::ingest::Ingest;
use crate::policy::{Kind, Object};

pub use card::{Changes, Standing, Wish};
pub use commands::{Asker, Refused};
pub use connect::{Begun, CodeError, ConnectionView, DeviceCode, How, MakerPage, Plan, Progress, Surroundings};
pub use danger::can_be_dangerous;
pub use errands::{ErrandLife, ErrandState};
pub use farewell::{Forget, Gone};
pub use found::Expected;
pub use view::{DeviceView, PropertyView};

/// More than any home has; the directory of the dialects has as many.
const MAX_DEVICES: usize = 4096;

/// How many devices may wait in the inbox: a neighbour's meters and a hostile publisher cannot fill it without end.
const MAX_WAITING: usize = 1024;

/// Why something of the registry is not done.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// There is no such device.
    #[error("there is no device «{0}»")]
    NoDevice(String),
    /// There is no such room.
    #[error("there is no room «{0}»")]
    NoRoom(String),
    /// What was stated cannot be taken.
    #[error("{0}")]
    Invalid(String),
    /// Not now, or not like this.
    #[error("{0}")]
    Conflict(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The room. Clones are the same room.
#[derive(Clone)]
pub struct Devices(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    journal: Journal,
    ingest: Arc<Ingest>,
    cards: RwLock<HashMap<DeviceRef, DeviceCard>>,
    rooms: RwLock<Vec<RoomCard>>,
    /// One change of the registry at a time.
    turn: tokio::sync::Mutex<()>,
    live: live::Live,
    found: found::FoundDevices,
    words: words::Words,
    commands: commands::Commands,
    connecting: connect::Connecting,
    deeds: deeds::Deeds,
    errands: errands::Errands,
    farewells: farewell::Farewells,
    damaged: upkeep::Damaged,
    renames: OnceLock<Renamed>,
    tidings: tidings::Tidings,
}

/// Told the old id and the new one.
type Renamed = Box<dyn Fn(&DeviceRef, &DeviceRef) + Send + Sync>;

impl Devices {
    /// Reads what was decided and what devices last said about themselves, and listens from now on.
    pub async fn open(
        store: Store,
        clock: Clock,
        bus: Bus,
        journal: Journal,
        ingest: Arc<Ingest>,
    ) -> Result<Self, DevicesError> {
        let shelf = store.devices();
        let (cards, damaged_cards) = shelf.cards().await?;
        let cards: HashMap<DeviceRef, DeviceCard> = cards.into_iter().map(|card| (card.device.clone(), card)).collect();
        let rooms = rooms::in_order(shelf.rooms().await?);
        let (credentials, damaged_credentials) = store.credentials().read_all().await?;
        let words = words::Words::recalled(&ingest, shelf.words().await?, &credentials);
        for card in cards.values().filter(|card| card.external) {
            ingest.spoke_by(&card.device, Road::External);
        }
        let farewells = farewell::Farewells::of(shelf.farewells().await?);
        let devices = Devices(Arc::new(Inner {
            store,
            clock,
            bus,
            journal,
            ingest,
            cards: RwLock::new(cards),
            rooms: RwLock::new(rooms),
            turn: tokio::sync::Mutex::default(),
            live: live::Live::default(),
            found: found::FoundDevices::default(),
            words,
            commands: commands::Commands::default(),
            connecting: connect::Connecting::default(),
            deeds: deeds::Deeds::default(),
            errands: errands::Errands::default(),
            farewells,
            damaged: upkeep::Damaged { cards: damaged_cards, credentials: damaged_credentials },
            renames: OnceLock::new(),
            tidings: tidings::Tidings::default(),
        }));
        devices.0.agree_with_those_of_before().await?;
        devices.listen();
        Ok(devices)
    }

    /// What is heard on the task that reads the socket: nothing here waits or publishes.
    fn listen(&self) {
        let ours = Arc::downgrade(&self.0);
        self.0.live.ours_are(move |device| ours.upgrade().is_some_and(|devices| devices.knows(device)));
        let hooks = self.0.ingest.hooks();
        // Ingest lives in this room, so the hooks hold it weakly: a house that is dropped is gone.
        let devices = Arc::downgrade(&self.0);
        hooks.said_to(move |observations, telling| {
            let Some(devices) = devices.upgrade() else { return };
            devices.find_said(observations, telling);
            devices.live.touch(observations, telling);
            devices.tidings.heard(observations);
            devices.confirm(observations, telling);
        });
        let devices = Arc::downgrade(&self.0);
        hooks.told_to(move |announcements, telling| {
            let Some(devices) = devices.upgrade() else { return };
            devices.find_told(announcements, telling);
            devices.take_over(announcements);
            devices.words.offer(announcements, telling);
        });
        let devices = Arc::downgrade(&self.0);
        hooks.reached_by(move |reached, _| {
            if let Some(devices) = devices.upgrade() {
                devices.live.reached(reached);
            }
        });
        let devices = Arc::downgrade(&self.0);
        hooks.locks_told_to(move || {
            if let Some(devices) = devices.upgrade() {
                devices.tidings.ring();
            }
        });
        let devices = Arc::downgrade(&self.0);
        hooks.replied_to(move |replies| {
            if let Some(devices) = devices.upgrade() {
                devices.errands.replied(replies);
            }
        });
    }

    /// Who is told that a device is known by another id from now on; told once, before the doors open. Must not wait.
    pub fn renames_are_told(&self, tell: impl Fn(&DeviceRef, &DeviceRef) + Send + Sync + 'static) {
        // Told twice, the first counts.
        let _ = self.0.renames.set(Box::new(tell));
    }

    /// Keeps states, the inbox, words and commands going until `stop` turns true.
    pub async fn run(self, stop: stop_watch::Receiver<bool>) {
        let keeping = self.0.keep_registry(stop.clone());
        let watching = self.0.watch_states(stop.clone());
        let commanding = self.0.end_commands(stop.clone());
        let restoring = self.0.restore_states(stop.clone());
        let keeping_up = self.0.keep_up(stop.clone());
        let telling = self.0.tell_tidings(stop.clone());
        let writing = self.0.deeds.run(&self.0.journal, stop);
        tokio::join!(keeping, watching, commanding, restoring, keeping_up, telling, writing);
    }

    /// Whether a device was accepted: only then is it told anything, and only then does what it senses close a valve.
    pub fn is_accepted(&self, device: &DeviceRef) -> bool {
        self.0.is_accepted(device)
    }

    /// What was decided about a device; `None`: nobody has heard of it, or it was forgotten.
    pub fn standing_of(&self, device: &DeviceRef) -> Option<Standing> {
        self.0.cards().get(device).map(Standing::of)
    }

    /// Whether it is in the registry, accepted or not.
    pub fn knows(&self, device: &DeviceRef) -> bool {
        self.0.knows(device)
    }

    /// The devices that were accepted.
    pub fn accepted(&self) -> Vec<DeviceRef> {
        let cards = self.0.cards();
        let accepted = cards.values().filter(|card| Standing::of(card) == Standing::Accepted);
        accepted.map(|card| card.device.clone()).collect()
    }

    /// The device that a text means: its `dialect:id`, or a name that only one has. A name that people gave counts before
    /// those that devices give themselves, and of those only accepted ones' do: a stranger must not be able to make a
    /// name of the home ambiguous by calling itself the same.
    pub fn find(&self, text: &str) -> Option<DeviceRef> {
        if let Some(device) = DeviceRef::parse(text).filter(|device| self.0.knows(device)) {
            return Some(device);
        }
        let wanted = text.trim().to_lowercase();
        let cards = self.0.cards();
        let directory = self.0.ingest.directory();
        let called = |card: &&DeviceCard| view::name_of(card, &directory).to_lowercase() == wanted;
        let accepted = |card: &&DeviceCard| Standing::of(card) == Standing::Accepted;
        let named: Vec<&DeviceCard> = cards.values().filter(|card| card.name.is_some()).filter(called).collect();
        let ours: Vec<&DeviceCard> = named.iter().copied().filter(|card| accepted(card)).collect();
        let all: Vec<&DeviceCard> = cards.values().filter(accepted).filter(called).collect();
        let first = [ours, all, named].into_iter().find(|found| !found.is_empty())?;
        match first.as_slice() {
            [only] => Some(only.device.clone()),
            _ => None,
        }
    }

    /// What the policy is asked about: a device or one of its properties, in its room.
    pub fn object(&self, device: &DeviceRef, property: Option<&str>) -> Object {
        let room = self.0.cards().get(device).and_then(|card| card.room).map(|room| room.to_string());
        Object { room, capability: property.map(str::to_owned), ..Object::one(Kind::Device, device.to_string()) }
    }

    /// A value as somebody wrote it, for this property.
    pub fn read_value(&self, device: &DeviceRef, property: &str, text: &str) -> domovoi_model::Value {
        spelling::read(self.0.ingest.directory().property(device, property), text)
    }

    /// The room in which the device of this id is, for whoever asks the policy about it.
    pub fn room_of(&self, device: &str) -> Option<Id> {
        let device = DeviceRef::parse(device)?;
        self.0.cards().get(&device).and_then(|card| card.room)
    }
}

/// A hazard's code on the wire and in the locale files.
pub fn hazard_code(hazard: domovoi_model::Hazard) -> &'static str {
    match hazard {
        domovoi_model::Hazard::WaterLeak => "water-leak",
        domovoi_model::Hazard::Gas => "gas",
        domovoi_model::Hazard::Smoke => "smoke",
        domovoi_model::Hazard::CarbonMonoxide => "carbon-monoxide",
    }
}

impl Inner {
    fn cards(&self) -> std::sync::RwLockReadGuard<'_, HashMap<DeviceRef, DeviceCard>> {
        self.cards.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn cards_mut(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<DeviceRef, DeviceCard>> {
        self.cards.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, device: &DeviceRef) -> bool {
        self.cards().contains_key(device)
    }

    fn is_accepted(&self, device: &DeviceRef) -> bool {
        self.cards().get(device).is_some_and(|card| Standing::of(card) == Standing::Accepted)
    }

    fn tell(&self, device: &DeviceRef) {
        self.tidings.ring();
        self.bus.tell(Event::Device(Arc::new(device.clone())));
    }
}
