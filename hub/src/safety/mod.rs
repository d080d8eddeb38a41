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
mod rule;
mod senses;
mod testing;
#[cfg(test)]
mod tests;
mod view;
mod watching;

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use domovoi_adapters::dialect;
use domovoi_model::{Command, CommandTarget, Sample, Timestamp, Value};
use domovoi_store::{Notice, Store, StoreError};
use tokio::sync::{oneshot, watch};

use crate::audit::Journal;
use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::ingest::{Ingest, News};
use crate::policy::{Kind, Sure, Verb};
use hand::{Hand, Order};
use record::{Desk, Record};
use reflex::Reflex;
use senses::Senses;

pub use danger::{Key, Open, Pursuit, Remembered};
pub use home::{Home, HomeDevice};
pub use rule::{Answer, Danger, MAX_RULES, Place, Rule, RuleError, Sensors, is_built_in};
pub use testing::{Outcome, Step, TestRun};
pub use view::Standing;

/// What devices are is looked at again this soon after something about them changed, and at the latest so often.
const SETTLES_IN: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Devices that a bridge describes anew come in within so long after a start; what is missing then is missing.
const DESCRIBED_IN: Duration = Duration::from_secs(120);

/// How far back the last words of sensors are looked for after a restart: a danger that was said and not yet answered when
/// the power went.
const LOOKED_BACK: u64 = 20_000;
const LOOKED_BACK_MILLIS: i64 = 3_600_000;

/// The last word is meant, whenever it was: the year 2200.
const ALL_TIME: Timestamp = Timestamp(7_258_118_400_000);

/// Samples read at once.
const AT_ONCE: usize = 2_000;

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
    keep: watch::Receiver<Vec<Remembered>>,
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
        let (keep, kept) = watch::channel(Vec::new());
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
        };
        hand.show();
        let (felt, feeling) = (Arc::clone(&senses), clock.clone());
        ingest.hooks().felt_by(move |observation, _, news| match news {
            News::Fresh => felt.feel(observation, || feeling.ticking_millis()),
            News::Replayed => felt.recall(observation),
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
        let found = self.standing().rules.iter().find(|rule| rule.id == id).cloned().ok_or(SafetyError::NoRule)?;
        let rule = Rule { is_on, ..found };
        let _editing = self.0.editing.lock().await;
        let mut rules = self.standing().rules.clone();
        let place = rules.iter_mut().find(|other| other.id == id).ok_or(SafetyError::NoRule)?;
        *place = rule.clone();
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

    /// What was open before a restart, or said and perhaps not answered: its sensors are asked. For the start, when the
    /// devices are known.
    pub async fn remember(&self) {
        let kept: Vec<Remembered> = match self.0.store.safety().dangers().await {
            Ok((rows, _)) => rows.iter().filter_map(kept::danger_of).collect(),
            Err(error) => {
                tracing::error!("the dangers that were open cannot be read; their sensors say so again: {error}");
                Vec::new()
            }
        };
        // At once, also if there are none: from now on what is open may be written in their place.
        self.give(Order::Remember(kept));
        match self.said_last().await {
            // What is known to be open already stays as it is.
            Ok(said) if !said.is_empty() => self.give(Order::Remember(said)),
            Ok(_) => {}
            Err(error) => tracing::warn!("the last words of sensors cannot be read: {error}"),
        }
    }

    /// What is open, as it is remembered over a restart.
    pub fn open_dangers(&self) -> Vec<Remembered> {
        self.0.keep.borrow().clone()
    }

    /// What was open where another stood in until now: its sensors are asked, as after a restart.
    pub fn take_over(&self, open: Vec<Remembered>) {
        if !open.is_empty() {
            self.give(Order::Remember(open));
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
        let mute = self.tell_what_is_mute();
        tokio::select! {
            () = async { tokio::join!(record, picture, mute, self.begin()); } => {}
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

    /// Tells people of rules and devices that have gone mute, and takes it back when they are there again.
    async fn tell_what_is_mute(&self) {
        let mut guards = std::collections::BTreeSet::new();
        let mut told: Option<mute::Mute> = None;
        let began = std::time::Instant::now();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let standing = self.standing();
            let home = &standing.home;
            guards.extend(home.devices().iter().filter(|one| mute::is_guard(one, home)).map(|one| one.device.clone()));
            guards.retain(|device| home.find(device).is_some());
            if began.elapsed() < DESCRIBED_IN {
                continue;
            }
            let now = mute::mute(&standing.rules, home, &guards);
            let rules = standing.rules.iter().map(|rule| format!("rule-mute:{}", rule.id));
            // What was told before a restart is taken back at the first look.
            let before: Vec<String> =
                told.as_ref().map_or_else(|| rules.collect(), |told| told.keys().cloned().collect());
            let mut all_well = true;
            for key in before.iter().filter(|key| !now.contains_key(*key)) {
                all_well &= self.notice(key, None).await;
            }
            for (key, (kind, name)) in &now {
                if told.as_ref().is_none_or(|told| !told.contains_key(key)) {
                    all_well &= self.notice(key, Some((kind, name))).await;
                }
            }
            if all_well {
                told = Some(now);
            }
        }
    }

    /// Raises a notice about something with a name, or takes it back; whether that could be kept.
    async fn notice(&self, key: &str, told: Option<(&str, &str)>) -> bool {
        let outcome = match told {
            Some((kind, name)) => {
                let params = vec![("name".to_owned(), name.to_owned())];
                let notice = Notice { kind: kind.to_owned(), params, at: self.0.clock.moment() };
                self.0.store.notices().raise(key, &notice).await
            }
            None => self.0.store.notices().clear(key).await,
        };
        match &outcome {
            Ok(true) => self.0.bus.tell(Event::Notice(key.into())),
            Ok(false) => {}
            Err(error) => tracing::warn!("a notice of the reflex cannot be kept: {error}"),
        }
        outcome.is_ok()
    }

    async fn begin(&self) {
        self.remember().await;
        self.give(Order::Calm(self.said_no().await));
        const KIND: &str = "safety_rules_unreadable";
        if self.0.unreadable {
            let notice = Notice { kind: KIND.to_owned(), params: Vec::new(), at: self.0.clock.moment() };
            match self.0.store.notices().raise(KIND, &notice).await {
                Ok(true) => self.0.bus.tell(Event::Notice(KIND.into())),
                Ok(false) => {}
                Err(error) => tracing::error!("the notice of unreadable rules cannot be kept: {error}"),
            }
        }
    }

    /// The last words of accepted sensors among the latest samples, where they were words of danger and not of long ago.
    async fn said_last(&self) -> Result<Vec<Remembered>, StoreError> {
        let standing = self.standing();
        let history = self.0.store.history();
        let last = history.last_seq();
        let mut at = domovoi_store::Seq(last.0.saturating_sub(LOOKED_BACK));
        let mut words: std::collections::HashMap<Place, Sample> = std::collections::HashMap::new();
        loop {
            let found = history.after(at, AT_ONCE).await?;
            let Some(newest) = found.last().map(|recorded| recorded.seq) else { break };
            for recorded in found {
                let place = Place::new(recorded.item.device.clone(), recorded.item.property.clone());
                let is_sensor = standing.home.accepts(&place.device)
                    && standing.home.property(&place).is_some_and(|info| info.hazard.is_some());
                if is_sensor {
                    words.insert(place, recorded.item);
                }
            }
            if newest <= at {
                break;
            }
            at = newest;
        }
        let remembered = |(place, sample): (Place, Sample)| {
            // Without a clock nobody knows how long ago it was: its last word is its last word.
            let age = self.0.clock.trusted().zip(sample.at.wall()).map(|(now, at)| now.0.saturating_sub(at.0));
            if age.is_some_and(|age| age > LOOKED_BACK_MILLIS) {
                return None;
            }
            let danger = standing.home.property(&place)?.hazard.map(Danger::of)?;
            let key = Key { danger, place, test: None };
            let is_danger = match &sample.value {
                Value::Bool(warns) => *warns,
                Value::Text(word) => word.eq_ignore_ascii_case("alarm"),
                Value::Number(_) => false,
            };
            is_danger.then_some(Remembered {
                key,
                since: sample.at,
                value: sample.value,
                answered: false,
                hushed: false,
            })
        };
        Ok(words.into_iter().filter_map(remembered).collect())
    }

    /// The accepted sensors whose last word in history was that there is no danger, whenever that was.
    async fn said_no(&self) -> Vec<Place> {
        let history = self.0.store.history();
        let standing = self.standing();
        let mut calm = Vec::new();
        for device in standing.home.devices().iter().filter(|device| device.accepted) {
            for property in device.properties.iter().filter(|property| property.hazard.is_some()) {
                match history.last_at(&device.device, &property.name, ALL_TIME).await {
                    Ok(last) if last.point.as_ref().is_some_and(|point| point.value == Value::Bool(false)) => {
                        calm.push(Place::new(device.device.clone(), property.name.clone()));
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(device = %device.device, "its last word cannot be read: {error}"),
                }
            }
        }
        calm
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
        self.settled().await
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
