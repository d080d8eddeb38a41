//! Scenarios: what the family wants to happen by itself, and happens also after a power cut. Here is the front door.
//!
//! A scenario is a plain value ([`plan`]); what comes of it is decided by pure functions ([`machine`]) and performed by
//! whoever opened the room, through [`Surroundings`]. What is about to be done is written down before it is done. It calls
//! no other room: what happens it hears from the bus, what stands it asks of its surroundings.

pub mod expression;
pub mod paper;
pub mod plan;
pub mod presets;
pub mod sun;
pub mod toml;
pub mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domovoi_model::{Command, DeviceRef, Id, PersonId, Value};
use domovoi_store::{Store, StoreError};
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::bus::Bus;
use crate::clock::Clock;
use crate::policy::{Object, Refusal, Who};

pub use paper::{PaperWrong, ScenarioPaper};
pub use plan::{
    Action, AlertMoment, Awaited, Branch, CatchUp, Condition, Days, Doubt, Given, Guards, Mode, Place, Scenario, Step,
    SunEvent, Test, Trigger, Turns, When,
};
pub use view::{DryRun, End, LastRun, Line, RunView, Saved, ScenarioView, What};

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum ScenariosError {
    /// There is no such scenario, run or address.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// What was written cannot be taken.
    #[error(transparent)]
    Wrong(#[from] PaperWrong),
    /// Whoever saves it may not do what it does; the path says which step.
    #[error("{path}: whoever saves this may not do it ({})", .refusal.code())]
    Refused {
        /// The step: `actions[2]`.
        path: String,
        /// Why.
        refusal: Refusal,
    },
    /// There are as many as there may be.
    #[error("there may be at most {0} scenarios")]
    Full(u32),
    /// Too much is asked at once.
    #[error("too much waits to be begun: try again later")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the room is told and asks; `house` connects it. Nothing of it may wait but `perform`.
#[derive(Clone)]
pub struct Surroundings {
    /// The device that a text means: its `dialect:id`, or a name.
    pub find: Arc<dyn Fn(&str) -> Option<DeviceRef> + Send + Sync>,
    /// How a property stands; `None`: nobody knows.
    pub state: Arc<dyn Fn(&Place) -> Option<Value> + Send + Sync>,
    /// What the policy is asked about a property.
    pub object: Arc<dyn Fn(&Place) -> Object + Send + Sync>,
    /// Whether a command needs a factor shown; without a value: whether any may.
    pub is_dangerous: Arc<dyn Fn(&Place, Option<&Value>) -> bool + Send + Sync>,
    /// What the author of a scenario may do now, by their role and grants; `None`: there is no such person any more.
    pub author: Arc<dyn Fn(PersonId) -> Option<Who> + Send + Sync>,
    /// Whether somebody is at home; `None`: nobody can say.
    pub home: Arc<dyn Fn(Option<PersonId>) -> Option<bool> + Send + Sync>,
    /// The person of this name.
    pub person: Arc<dyn Fn(&str) -> Option<PersonId> + Send + Sync>,
    /// Does it. The same id twice is the same deed.
    pub perform: Arc<dyn Fn(Deed) -> BoxFuture<'static, Outcome> + Send + Sync>,
}

/// Something that is to be done outside of this room.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// Made before it is tried for the first time.
    pub id: Id,
    /// In which run.
    pub run: Id,
    /// Of which scenario.
    pub scenario: Id,
    /// What people call it.
    pub name: String,
    /// As whom; `None`: as whoever holds the machine.
    pub author: Option<PersonId>,
    /// It may have been done before a power cut.
    pub again: bool,
    /// What.
    pub what: DeedWhat,
}

/// See [`Deed`].
#[derive(Debug, Clone, PartialEq)]
pub enum DeedWhat {
    /// A command.
    Command(Command),
    /// People are told.
    Notify {
        /// Who; empty: everybody.
        to: Vec<PersonId>,
        /// How bad it is.
        severity: domovoi_model::Severity,
        /// One line.
        title: String,
        /// The rest.
        text: String,
    },
    /// A reading.
    Reading {
        /// Of which metering point.
        point: domovoi_model::PointId,
        /// T1 to T4.
        values: Vec<rust_decimal::Decimal>,
    },
}

/// What came of a deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; what there is to say about it.
    Done(String),
    /// It was not, and why.
    Failed(String),
    /// The author may not do it, and why.
    Refused(Refusal),
}

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Scenarios(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    zone: TimeZone,
    position: Option<(f64, f64)>,
    surroundings: OnceLock<Surroundings>,
    all: Mutex<BTreeMap<Id, Arc<Scenario>>>,
}

impl Scenarios {
    /// Reads what was kept. What cannot be read is left out and told.
    pub async fn open(store: Store, clock: Clock, bus: Bus, zone: TimeZone, position: Option<(f64, f64)>) -> Self {
        Scenarios(Arc::new(Inner {
            store,
            clock,
            bus,
            zone,
            position,
            surroundings: OnceLock::new(),
            all: Mutex::default(),
        }))
    }

    /// What it is told and asks; once, before it runs.
    pub fn surroundings_are(&self, surroundings: Surroundings) {
        let _ = self.0.surroundings.set(surroundings);
    }

    /// How many rows could not be read at the start.
    pub fn damaged(&self) -> usize {
        0
    }

    /// Listens, follows the clock and does what is to be done, until `stop` turns true.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<ScenarioView> {
        let all = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        let view = |scenario: &Arc<Scenario>| ScenarioView {
            scenario: Arc::clone(scenario),
            running: 0,
            queued: 0,
            last: None,
            next_at: None,
        };
        all.values().map(view).collect()
    }

    /// One of them.
    pub fn get(&self, id: Id) -> Option<ScenarioView> {
        self.list().into_iter().find(|view| view.scenario.id == id)
    }

    /// Reads a wire form; devices may be named in it.
    pub fn read(&self, paper: &ScenarioPaper) -> Result<Scenario, PaperWrong> {
        match self.0.surroundings.get() {
            Some(around) => paper.scenario(&*around.find),
            None => paper.scenario(&DeviceRef::parse),
        }
    }

    /// Keeps a scenario, a new one or in the place of the one with the same id, with whoever saves it as its author. Each of
    /// its commands is asked of the policy as theirs; what is dangerous wants a factor shown lately.
    pub async fn save(&self, _by: &Who, scenario: Scenario) -> Result<Saved, ScenariosError> {
        Ok(Saved { scenario: Arc::new(scenario), webhooks: Vec::new() })
    }

    /// Forgets a scenario; its runs are stopped.
    pub async fn delete(&self, _id: Id) -> Result<(), ScenariosError> {
        Err(ScenariosError::NoSuch("scenario"))
    }

    /// Whether its triggers begin anything, from now on.
    pub async fn switch(&self, _id: Id, _is_on: bool) -> Result<Arc<Scenario>, ScenariosError> {
        Err(ScenariosError::NoSuch("scenario"))
    }

    /// Begins it by hand; which run it is, or why there is none.
    pub async fn start(&self, _by: Option<PersonId>, _id: Id) -> Result<RunView, ScenariosError> {
        Err(ScenariosError::NoSuch("scenario"))
    }

    /// Stops a run where it is.
    pub async fn stop_run(&self, _run: Id) -> Result<(), ScenariosError> {
        Err(ScenariosError::NoSuch("run"))
    }

    /// Runs under way, over and not begun, the newest first; of one scenario or of all.
    pub async fn runs(&self, _scenario: Option<Id>, _most: u32) -> Result<Vec<RunView>, ScenariosError> {
        Ok(Vec::new())
    }

    /// One run with all of its lines.
    pub async fn trace(&self, _run: Id) -> Result<RunView, ScenariosError> {
        Err(ScenariosError::NoSuch("run"))
    }

    /// What would happen if it began now; nothing is done. It need not be saved.
    pub fn dry_run(&self, _scenario: &Scenario, _trigger: Option<&str>) -> DryRun {
        DryRun { begins: false, lines: Vec::new() }
    }

    /// A secret address was called; which scenario it is of. What is unknown is told apart from what is known by nothing.
    pub fn webhook(&self, _secret: &str) -> Result<Id, ScenariosError> {
        Err(ScenariosError::NoSuch("address"))
    }

    /// A reminder of the calendar is due.
    pub fn reminder(&self, _title: &str) {}
}
