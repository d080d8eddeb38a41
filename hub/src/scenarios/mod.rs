//! Scenarios: what the family wants to happen by itself, and happens also after a power cut. Here is the front door.
//!
//! A scenario is a plain value ([`plan`]); what comes of it is decided by pure functions ([`machine`]) and performed by
//! whoever opened the room, through [`Surroundings`]. What is about to be done is written down before it is done. It calls
//! no other room: what happens it hears from the bus, what stands it asks of its surroundings.

mod clockwork;
mod deed;
mod dry;
mod due;
mod engine;
pub mod expression;
mod guards;
mod hall;
mod happening;
mod live;
mod machine;
pub mod paper;
pub mod plan;
pub mod presets;
mod rights;
mod run;
mod saving;
mod spelled;
pub mod sun;
#[cfg(test)]
mod tests;
pub mod toml;
mod values;
pub mod view;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use domovoi_config::ScenariosSection;
use domovoi_model::{DeviceRef, Id, PersonId, Timestamp, Value};
use domovoi_store::{ScenarioBatch, ScenarioDrawer, ScenarioTrace, Store, StoreError};
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use tokio::sync::Notify;

use crate::bus::{Bus, Ears};
use crate::clock::Clock;
use crate::policy::{self, Object, Refusal, Who};
use hall::{Hall, TraceRow, Way};
use happening::Happening;
use live::Live;
use run::Cause;
use values::Values;
use world::World;

pub use deed::{Deed, DeedWhat, Outcome};
pub use hall::Offered;
pub use paper::{PaperWrong, ScenarioPaper};
pub use plan::{
    Action, AlertMoment, Awaited, Branch, CatchUp, Condition, Days, Doubt, Given, Guards, Mode, Place, Scenario, Step,
    SunEvent, Test, Trigger, Turns, When,
};
pub use view::{DryRun, End, LastRun, Line, RunView, Saved, ScenarioView, What};

/// So many traces say at the start how runs ended last.
const LAST_RUNS: u32 = 500;

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

/// A question of the room about one thing.
type Ask<A, R> = Arc<dyn Fn(&A) -> R + Send + Sync>;

/// Whether what is set to a property, to whatever or to this value, wants a factor shown.
type AskDanger = Arc<dyn Fn(&Place, Option<&Value>) -> bool + Send + Sync>;

/// A question of the room about a name.
type AskName<R> = Arc<dyn Fn(&str) -> Option<R> + Send + Sync>;

/// What the room is told and asks; `house` connects it. Nothing of it may wait but `perform`.
#[derive(Clone)]
pub struct Surroundings {
    /// The device that a text means: its `dialect:id`, or a name.
    pub find: AskName<DeviceRef>,
    /// How a property stands; `None`: nobody knows.
    pub state: Ask<Place, Option<Value>>,
    /// What the policy is asked about a property.
    pub object: Ask<Place, Object>,
    /// Whether a command needs a factor shown; without a value: whether any may.
    pub is_dangerous: AskDanger,
    /// What the author of a scenario may do now, by their role and grants; `None`: there is no such person any more.
    pub author: Arc<dyn Fn(PersonId) -> Option<Who> + Send + Sync>,
    /// Whether somebody is at home; `None`: nobody can say.
    pub home: Arc<dyn Fn(Option<PersonId>) -> Option<bool> + Send + Sync>,
    /// The person of this name.
    pub person: AskName<PersonId>,
    /// Does it. The same id twice is the same deed.
    pub perform: Arc<dyn Fn(Deed) -> BoxFuture<'static, Outcome> + Send + Sync>,
}

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Scenarios(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    section: ScenariosSection,
    zone: TimeZone,
    around: Arc<OnceLock<Surroundings>>,
    values: Arc<Values>,
    world: Arc<dyn World>,
    hall: Mutex<Hall>,
    /// What happens before the room runs is not missed.
    ears: Mutex<Option<Ears>>,
    bell: Notify,
    /// One change of what is kept at a time.
    changing: tokio::sync::Mutex<()>,
    is_running: AtomicBool,
    damaged: AtomicUsize,
}

impl Scenarios {
    /// Reads what was kept. What cannot be read is left out and told.
    pub async fn open(
        store: Store,
        clock: Clock,
        bus: Bus,
        zone: TimeZone,
        position: Option<(f64, f64)>,
        section: &ScenariosSection,
    ) -> Self {
        let (around, values) = (Arc::new(OnceLock::new()), Arc::new(Values::default()));
        let live = Live::new(Arc::clone(&values), Arc::clone(&around), zone.clone(), position, sun_of);
        let world: Arc<dyn World> = Arc::new(live);
        let hall = Hall::new(Arc::clone(&world), Arc::clone(&values), Box::new(random_id));
        let ears = Mutex::new(Some(bus.listen_to_all()));
        let room = Scenarios(Arc::new(Inner {
            store,
            clock,
            bus,
            section: section.clone(),
            zone,
            around,
            values,
            world,
            hall: Mutex::new(hall),
            ears,
            bell: Notify::new(),
            changing: tokio::sync::Mutex::default(),
            is_running: AtomicBool::new(false),
            damaged: AtomicUsize::new(0),
        }));
        if let Err(error) = room.0.load().await {
            tracing::error!("scenarios cannot be read: {error}");
            room.0.damaged.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    /// What it is told and asks; once, before it runs.
    pub fn surroundings_are(&self, surroundings: Surroundings) {
        // Told twice, the first counts.
        let _ = self.0.around.set(surroundings);
    }

    /// How many rows could not be read at the start.
    pub fn damaged(&self) -> usize {
        self.0.damaged.load(Ordering::Relaxed)
    }

    /// Looks again at once: the clock was turned, a test goes on.
    pub fn nudge(&self) {
        self.0.bell.notify_one();
    }

    /// Whether states have settled since the start and triggers begin something.
    pub fn is_armed(&self) -> bool {
        self.0.hall().is_armed()
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<ScenarioView> {
        let hall = self.0.hall();
        let mut all: Vec<ScenarioView> = hall.plans().iter().filter_map(|plan| hall.view(plan.id)).collect();
        drop(hall);
        all.sort_by_cached_key(|view| (view.scenario.name.to_lowercase(), view.scenario.id));
        all
    }

    /// One of them.
    pub fn get(&self, id: Id) -> Option<ScenarioView> {
        self.0.hall().view(id)
    }

    /// Reads a wire form; devices may be named in it.
    pub fn read(&self, paper: &ScenarioPaper) -> Result<Scenario, PaperWrong> {
        match self.0.around.get() {
            Some(around) => paper.scenario(&*around.find),
            None => paper.scenario(&DeviceRef::parse),
        }
    }

    /// Begins it by hand, whatever its conditions are; the run as it stands now, or why there is none.
    pub async fn start(&self, by: Option<PersonId>, id: Id) -> Result<RunView, ScenariosError> {
        if !self.0.is_running.load(Ordering::SeqCst) {
            return Err(ScenariosError::Busy);
        }
        let said = by.map(|by| by.to_string()).unwrap_or_default();
        let cause = Cause { said, ..Cause::by("hand") };
        let now = self.0.now();
        let mut hall = self.0.hall();
        let offered = hall.begin(id, cause.clone(), Way::Hand, &now);
        let offered = offered.ok_or(ScenariosError::NoSuch("scenario"))?;
        let view = hall.shown(id, cause, &offered, &now);
        drop(hall);
        self.nudge();
        Ok(view)
    }

    /// Stops a run where it is.
    pub async fn stop_run(&self, run: Id) -> Result<(), ScenariosError> {
        let now = self.0.now();
        let stopped = self.0.hall().stop(run, &now);
        self.nudge();
        if stopped { Ok(()) } else { Err(ScenariosError::NoSuch("run")) }
    }

    /// Runs under way, over and not begun, the newest first; of one scenario or of all.
    pub async fn runs(&self, scenario: Option<Id>, most: u32) -> Result<Vec<RunView>, ScenariosError> {
        let now = self.0.now();
        let mut all = self.0.hall().runs(scenario, &now);
        let known: BTreeSet<Id> = all.iter().map(|run| run.id).collect();
        let traces = self.0.store.scenarios().traces(scenario, most).await?;
        let over = traces.iter().filter_map(|trace| self.0.over(trace, &now)).filter(|run| !known.contains(&run.id));
        all.extend(over);
        all.sort_by_key(|run| {
            let at = run.ended.unwrap_or(run.began);
            std::cmp::Reverse((run.ended.is_none(), at.wall(), run.id))
        });
        all.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(all)
    }

    /// One run with all of its lines.
    pub async fn trace(&self, run: Id) -> Result<RunView, ScenariosError> {
        let now = self.0.now();
        let at_hand = self.0.hall().runs(None, &now).into_iter().find(|one| one.id == run);
        if let Some(found) = at_hand {
            return Ok(found);
        }
        let trace = self.0.store.scenarios().trace(run).await?;
        trace.and_then(|trace| self.0.over(&trace, &now)).ok_or(ScenariosError::NoSuch("run"))
    }

    /// What would happen if it began now; nothing is done. It need not be saved.
    pub fn dry_run(&self, scenario: &Scenario, trigger: Option<&str>) -> DryRun {
        dry::run(scenario, trigger, &self.0.world, &self.0.now())
    }

    /// A secret address was called; which scenario it is of.
    pub fn webhook(&self, secret: &str) -> Result<Id, ScenariosError> {
        let key = self.0.store.scenarios().id_of(secret);
        let now = self.0.now();
        let found = self.0.hall().hook(key, &now);
        self.nudge();
        found.ok_or(ScenariosError::NoSuch("address"))
    }

    /// A reminder of the calendar is due.
    pub fn reminder(&self, title: &str) {
        let now = self.0.now();
        self.0.hall().happened(Happening::Reminder { title: title.chars().take(200).collect() }, &now);
        self.nudge();
    }
}

impl Inner {
    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> due::Now {
        due::Now { wall: self.clock.trusted(), boot: self.clock.boot(), millis: self.clock.since_boot_millis() }
    }

    fn policy_now(&self) -> policy::Now {
        let (trusted, at) = (self.clock.trusted(), self.clock.at_least());
        let minute = world::local(at, &self.zone)
            .map_or(0, |local| u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs()));
        policy::Now { at, minute, trusted: trusted.is_some() }
    }

    fn over(&self, trace: &ScenarioTrace, now: &due::Now) -> Option<RunView> {
        serde_json::from_slice::<TraceRow>(&trace.body).ok()?.view(now)
    }

    async fn load(&self) -> Result<(), StoreError> {
        let shelf = self.store.scenarios();
        let now = self.now();
        let (marks, damaged_marks) = shelf.all(ScenarioDrawer::Mark).await?;
        let mut marks: BTreeMap<Id, hall::MarkRow> =
            marks.iter().filter_map(|(id, body)| Some((*id, serde_json::from_slice(body).ok()?))).collect();
        let (rows, damaged_runs) = shelf.all(ScenarioDrawer::Run).await?;
        let mut runs: BTreeMap<Id, Vec<run::Run>> = BTreeMap::new();
        for (id, body) in &rows {
            match serde_json::from_slice::<run::Run>(body) {
                Ok(run) if run.id == *id => runs.entry(run.scenario).or_default().push(run),
                _ => tracing::error!(%id, "a run of a scenario is not what this program writes"),
            }
        }
        let (papers, mut damaged) = shelf.all(ScenarioDrawer::Scenario).await?;
        damaged += damaged_marks + damaged_runs;
        for (id, body) in &papers {
            let paper: Option<paper::KeptPaper> = serde_json::from_slice(body).ok();
            match paper.map(|paper| paper.scenario()) {
                Some(Ok(scenario)) if scenario.id == *id => {
                    let (mark, runs) = (marks.remove(id), runs.remove(id).unwrap_or_default());
                    self.hall().adopt(Arc::new(scenario), mark, runs, &now);
                }
                Some(Err(error)) => {
                    tracing::error!(%id, "a scenario is not what this program writes: {error}");
                    damaged += 1;
                }
                _ => {
                    tracing::error!(%id, "a scenario is not what this program writes");
                    damaged += 1;
                }
            }
        }
        // What belongs to a scenario that is gone: it was deleted while a run of it was being written down. What belongs to
        // one that cannot be read stays for whoever mends it.
        if damaged == 0 {
            let runs = runs.into_values().flatten().map(|run| (ScenarioDrawer::Run, run.id));
            let marks = marks.into_keys().map(|id| (ScenarioDrawer::Mark, id));
            let gone = ScenarioBatch { remove: runs.chain(marks).collect(), ..ScenarioBatch::default() };
            shelf.commit(&gone).await?;
        }
        for trace in shelf.traces(None, LAST_RUNS).await? {
            if let Some(view) = self.over(&trace, &now)
                && let (Some(at), Some(end)) = (view.ended, view.end)
            {
                self.hall().remember_last(trace.scenario, LastRun { run: trace.id, at, end });
            }
        }
        self.damaged.store(damaged, Ordering::Relaxed);
        Ok(())
    }
}

fn sun_of(event: SunEvent, latitude: f64, longitude: f64, on: jiff::civil::Date) -> Option<Timestamp> {
    let at = match event {
        SunEvent::Rise => sun::rise(latitude, longitude, on),
        SunEvent::Set => sun::set(latitude, longitude, on),
    };
    at.map(|at| Timestamp(at.as_millisecond()))
}

/// 128 random bits.
fn random_id() -> Id {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // The system without randomness has said so at its start: ids then only have to differ.
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        bytes[8..].copy_from_slice(&(NEXT.fetch_add(1, Ordering::Relaxed) as u64).to_be_bytes());
    }
    Id(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
}
