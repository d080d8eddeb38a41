//! Safety: what the house does by itself in danger, from memory, before anything is written down. Rules are pure (`rule`,
//! `reflex`), what performs them is a thread of its own (`hand`), what it did is written down by another (`record`). It
//! knows no sockets and no pages, and it opens nothing that it has closed.

mod danger;
mod hand;
mod home;
mod kept;
mod mute;
mod pursuing;
mod record;
mod reflex;
mod remembering;
mod renaming;
mod rule;
mod senses;
mod start;
mod testing;
#[cfg(test)]
mod tests;
mod turns;
mod upkeep;
mod view;
mod watching;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use domovoi_adapters::dialect;
use domovoi_model::{Command, CommandTarget, DeviceRef};
use domovoi_store::{Store, StoreError};
use tokio::sync::{oneshot, watch};

use crate::audit::Journal;
use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::ingest::{Back, Ingest, News};
use crate::policy::{Kind, Sure, Verb};
use danger::Keep;
use hand::{Hand, Order};
use record::{Desk, Record};
use reflex::Reflex;
use senses::Senses;

pub use danger::{Doing, Key, Open, Pursuit};
pub use home::{Home, HomeDevice};
pub use rule::{Answer, Danger, MAX_RULES, Place, Rule, RuleError, Sensors, is_built_in};
pub use start::HandOver;
pub use testing::{Outcome, Step, TestRun};
pub use view::Standing;

/// What devices are is looked at again this soon after something about them changed, and at the latest so often.
const SETTLES_IN: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Why something about the rules could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SafetyError {
    /// There is no such rule.
    #[error("there is no such rule")]
    NoRule,
    /// The rule cannot be.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// There are too many.
    #[error("a home has at most {MAX_RULES} rules: remove one first")]
    Full,
    /// Built-in rules are switched off, not removed.
    #[error("a built-in rule is not removed: switch it off")]
    BuiltIn,
    /// The reflex does not answer: the house stops.
    #[error("the house stops")]
    Stopping,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says what devices there are.
type Devices = Box<dyn Fn() -> Vec<HomeDevice> + Send + Sync>;

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Safety(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    ingest: Arc<Ingest>,
    journal: Journal,
    senses: Arc<Senses<Order>>,
    record: Arc<Record>,
    standing: Arc<RwLock<Arc<Standing>>>,
    keep: watch::Receiver<Option<Keep>>,
    ended: Arc<Mutex<BTreeSet<Key>>>,
    /// What was read at the start of what had been kept.
    had: Mutex<Keep>,
    /// What whoever stood in until now has ended: it is not remembered once more.
    taken: Mutex<BTreeSet<Key>>,
    taken_places: Mutex<BTreeSet<Place>>,
    /// Devices that are known by another id, and whose rules are to be kept under it.
    renamed: Mutex<Vec<(DeviceRef, DeviceRef)>>,
    /// Rules or ids are others: what is mute is looked at anew.
    changed: tokio::sync::Notify,
    /// Until it runs on its thread: a command line without a daemon looks at rules, and has nobody to act for.
    hand: Mutex<Option<Hand>>,
    devices: OnceLock<Devices>,
    editing: tokio::sync::Mutex<()>,
    /// Not all rules that were kept could be read.
    unreadable: bool,
}

impl Safety {
    /// With the rules that were kept. Those that do not open are told, and the built-in ones count all the same.
    pub async fn open(store: Store, clock: Clock, bus: Bus, ingest: Arc<Ingest>, journal: Journal) -> Self {
        let mut rules = rule::built_in();
        let mut unreadable = true;
        match store.safety().rules().await {
            Ok((rows, damaged)) => {
                let read: Vec<Rule> = rows.iter().filter_map(kept::rule_of).collect();
                unreadable = damaged > 0 || read.len() < rows.len();
                if unreadable {
                    tracing::error!("some rules of the reflex cannot be read; the built-in ones count");
                }
                rules.retain(|rule| !read.iter().any(|other| other.id == rule.id));
                rules.extend(read);
            }
            Err(error) => tracing::error!("the rules of the reflex cannot be read, the built-in ones count: {error}"),
        }
        let senses = Arc::new(Senses::default());
        let record = Arc::new(Record::default());
        let standing = Arc::new(RwLock::default());
        let (keep, kept) = watch::channel(None);
        let ended = Arc::new(Mutex::default());
        let hand = Hand {
            reflex: Reflex::new(rules),
            ingest: Arc::clone(&ingest),
            senses: Arc::clone(&senses),
            clock: clock.clone(),
            bus: bus.clone(),
            record: Arc::clone(&record),
            standing: Arc::clone(&standing),
            has_remembered: false,
            keep,
            ended: Arc::clone(&ended),
            turns: hand::Turns::default(),
        };
        hand.show();
        let (felt, feeling) = (Arc::clone(&senses), clock.clone());
        ingest.hooks().felt_by(move |observation, _, news| match news {
            News::Fresh => felt.feel(observation, || feeling.ticking_millis()),
            News::Replayed => felt.recall(observation),
        });
        let returning = Arc::clone(&senses);
        ingest.hooks().back_by(move |who| match who {
            Back::Link => returning.link_is_back(),
            Back::Device(device) => returning.is_back(device),
            Back::Subscribed(filters) => returning.somebody_came(filters),
        });
        Safety(Arc::new(Inner {
            store,
            clock,
            bus,
            ingest,
            journal,
            senses,
            record,
            standing,
            keep: kept,
            ended,
            had: Mutex::default(),
            taken: Mutex::default(),
            taken_places: Mutex::default(),
            renamed: Mutex::default(),
            changed: tokio::sync::Notify::new(),
            hand: Mutex::new(Some(hand)),
            devices: OnceLock::new(),
            editing: tokio::sync::Mutex::default(),
            unreadable,
        }))
    }

    /// Who says what devices there are; told once, before the doors open.
    pub fn devices_are(&self, list: impl Fn() -> Vec<HomeDevice> + Send + Sync + 'static) {
        // Told twice, the first counts.
        let _ = self.0.devices.set(Box::new(list));
        self.look_at_devices();
    }

    /// Looks at the devices anew.
    pub fn look_at_devices(&self) {
        if let Some(list) = self.0.devices.get() {
            let home = Arc::new(Home::new(list()));
            let mut close = home.guarded();
            close.extend(self.standing().rules.iter().flat_map(Rule::named).cloned());
            self.0.ingest.listen_closely(&close);
            if !self.standing().home.is_as(&home) {
                self.give(Order::Home(home));
            }
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.0.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is open in earnest, as it was told when it began.
    pub fn open_dangers(&self) -> Vec<crate::bus::SafetyNews> {
        let standing = self.standing();
        let began = standing.dangers.iter().map(|(key, open, _)| danger::News::Began(key.clone(), open.clone()));
        began.map(|news| view::told(&news, &standing.home)).collect()
    }

    /// Adds a rule, or puts it in the place of the one of its id.
    pub async fn put_rule(&self, rule: Rule) -> Result<Rule, SafetyError> {
        let _editing = self.0.editing.lock().await;
        let standing = self.standing();
        if !is_built_in(&rule.id) {
            rule.check(&standing.home)?;
            self.check_answers(&rule)?;
        }
        let mut rules = standing.rules.clone();
        rules.retain(|other| other.id != rule.id);
        if rules.len() >= MAX_RULES {
            return Err(SafetyError::Full);
        }
        rules.push(rule.clone());
        self.0.store.safety().put_rule(&kept::rule_row(&rule)).await?;
        self.set(rules).await?;
        Ok(rule)
    }

    /// Switches a rule on or off.
    pub async fn switch_rule(&self, id: &str, is_on: bool) -> Result<Rule, SafetyError> {
        // Under the lock: somebody may be changing the same rule.
        let _editing = self.0.editing.lock().await;
        let mut rules = self.standing().rules.clone();
        let place = rules.iter_mut().find(|other| other.id == id).ok_or(SafetyError::NoRule)?;
        place.is_on = is_on;
        let rule = place.clone();
        self.0.store.safety().put_rule(&kept::rule_row(&rule)).await?;
        self.set(rules).await?;
        Ok(rule)
    }

    /// Removes a rule.
    pub async fn remove_rule(&self, id: &str) -> Result<(), SafetyError> {
        if is_built_in(id) {
            return Err(SafetyError::BuiltIn);
        }
        let _editing = self.0.editing.lock().await;
        let mut rules = self.standing().rules.clone();
        let before = rules.len();
        rules.retain(|rule| rule.id != id);
        if rules.len() == before {
            return Err(SafetyError::NoRule);
        }
        self.0.store.safety().remove_rule(id).await?;
        self.set(rules).await
    }

    /// Tries a rule out: tells what it would do or, `in_earnest`, does it and follows what comes of it. In earnest the water
    /// is off and what was cut stays cut: it takes the policy's word that whoever asks may do so with this rule.
    pub async fn test(&self, rule: &str, in_earnest: Option<&Sure>) -> Result<TestRun, SafetyError> {
        let in_earnest = match in_earnest {
            None => false,
            Some(sure) if sure.is_for(Verb::Command, Kind::Safety, rule) => true,
            Some(_) => return Err(SafetyError::NoRule),
        };
        let (answer, answered) = oneshot::channel();
        self.give(Order::Test { rule: rule.to_owned(), in_earnest, answer });
        answered.await.map_err(|_| SafetyError::Stopping)?.ok_or(SafetyError::NoRule)
    }

    /// A test by its number.
    pub fn test_run(&self, id: u64) -> Option<TestRun> {
        self.standing().tests.iter().find(|run| run.id == id).cloned()
    }

    /// Sirens fall silent, and what has confirmed that it is closed is left to people.
    pub async fn hush(&self) -> Result<(), SafetyError> {
        self.give(Order::Hush);
        self.settled().await
    }

    /// Tells the reflex at once that a device is known by another id, whoever calls what this gives. Held weakly: the room of
    /// devices is known to this one already.
    pub fn renames(&self) -> impl Fn(&DeviceRef, &DeviceRef) + Send + Sync + 'static {
        let ours = Arc::downgrade(&self.0);
        move |before, after| {
            let Some(inner) = ours.upgrade() else { return };
            let safety = Safety(inner);
            safety.give(Order::Rename(before.clone(), after.clone()));
            let mut renamed = safety.0.renamed.lock().unwrap_or_else(PoisonError::into_inner);
            renamed.push((before.clone(), after.clone()));
            drop(renamed);
            safety.0.changed.notify_one();
        }
    }

    /// Runs the reflex on its thread, and beside it what keeps its picture of the home and its records, until `stop`.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let hand = self.0.hand.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(hand) = hand else { return };
        let (ended, mut has_ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("reflex".into()).spawn(move || {
            // Dropped at the end, whatever the end is: the house then stops, to be started whole.
            let _ended = ended;
            hand.run();
        });
        let thread = match thread {
            Ok(thread) => thread,
            Err(error) => {
                tracing::error!("the reflex has no thread: {error}");
                return;
            }
        };
        let desk = Desk { store: self.0.store.clone(), journal: self.0.journal.clone(), bus: self.0.bus.clone() };
        let record = self.0.record.run(desk, self.0.keep.clone(), stop.clone());
        let mut ears = self.0.bus.listen();
        let picture = async {
            loop {
                let changed = async {
                    loop {
                        match ears.recv().await {
                            Ok(Event::Device(_) | Event::Rooms) => return,
                            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
                            // Missed: it may have been one of those.
                            Err(_) => return,
                            Ok(_) => {}
                        }
                    }
                };
                let _ = tokio::time::timeout(LOOK_EVERY, changed).await;
                tokio::time::sleep(SETTLES_IN).await;
                self.look_at_devices();
            }
        };
        let upkeep = self.keep_up();
        tokio::select! {
            () = async { tokio::join!(record, picture, upkeep, self.begin()); } => {}
            _ = &mut has_ended => {
                tracing::error!("the reflex has ended before its time");
                return;
            }
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.0.senses.order(Order::Stop);
        let _ = has_ended.await;
        let _ = thread.join();
        // What it did last.
        let desk = Desk { store: self.0.store.clone(), journal: self.0.journal.clone(), bus: self.0.bus.clone() };
        self.0.record.run(desk, self.0.keep.clone(), stop).await;
    }

    /// Whether the devices take what the rule would set.
    fn check_answers(&self, rule: &Rule) -> Result<(), RuleError> {
        let directory = self.0.ingest.directory();
        for answer in &rule.answers {
            let Answer::Set(place, value) = answer else { continue };
            let target = CommandTarget { device: place.device.clone(), property: place.property.clone() };
            let command = Command { target, value: value.clone() };
            let dialect = dialect(&place.device.dialect)
                .ok_or_else(|| RuleError::Answer(format!("nobody speaks {}", place.device.dialect)))?;
            dialect.say(&command, &directory).map_err(|error| RuleError::Answer(error.to_string()))?;
        }
        Ok(())
    }

    async fn set(&self, rules: Vec<Rule>) -> Result<(), SafetyError> {
        self.give(Order::Rules(rules));
        self.settled().await?;
        self.0.changed.notify_one();
        Ok(())
    }

    /// Waits until everything that was ordered is done and shown.
    async fn settled(&self) -> Result<(), SafetyError> {
        let (answer, answered) = oneshot::channel();
        self.give(Order::Settle(answer));
        answered.await.map_err(|_| SafetyError::Stopping)
    }

    fn give(&self, order: Order) {
        let mut hand = self.0.hand.lock().unwrap_or_else(PoisonError::into_inner);
        match hand.as_mut() {
            Some(hand) => {
                hand.obey(order);
                hand.show();
            }
            None => self.0.senses.order(order),
        }
    }
}
