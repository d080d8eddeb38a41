//! The hand of the reflex: a thread of its own that feels, lets the pure part decide, and says to devices what it decided,
//! from memory. It waits for no disk, no network of others and no task of the runtime; what is told to people and written
//! down goes to whoever has the time for it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domovoi_adapters::{Errand, dialect};
use domovoi_model::{Command, DeviceRef, Observation};
use tokio::sync::{oneshot, watch};

use super::danger::{Deed, News, Now, Remembered};
use super::home::Home;
use super::record::Record;
use super::reflex::Reflex;
use super::rule::{Place, Rule};
use super::senses::Senses;
use super::testing::TestRun;
use super::view::Standing;
use crate::bus::{Bus, Event};
use crate::clock::Clock;
use crate::ingest::Ingest;

/// Time is looked at as often even when nothing is due: a clock may be turned.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was said is worth nothing after so long: it is repeated every half minute while it is wanted, and a device that
/// comes back after hours must not find a hundred of it, nor a siren that sounds for a danger of yesterday.
const WORTH: Duration = Duration::from_secs(120);

/// What the reflex is told by the house.
#[derive(Debug)]
pub enum Order {
    /// The home is another now.
    Home(Arc<Home>),
    /// The rules are others now.
    Rules(Vec<Rule>),
    /// What was so before a restart.
    Remember(Vec<Remembered>),
    /// Of these sensors the last word before this run was that there is no danger.
    Calm(Vec<Place>),
    /// Nothing more is repeated.
    Hush,
    /// Try a rule out.
    Test {
        /// Which.
        rule: String,
        /// Do it.
        in_earnest: bool,
        /// What it does; `None` if there is no such rule.
        answer: oneshot::Sender<Option<TestRun>>,
    },
    /// Answer when everything before it is done.
    Settle(oneshot::Sender<()>),
    /// The house stops.
    Stop,
}

/// What the thread works with.
pub struct Hand {
    /// The pure part.
    pub reflex: Reflex,
    /// Whom it speaks through.
    pub ingest: Arc<Ingest>,
    /// What it feels.
    pub senses: Arc<Senses<Order>>,
    /// The time.
    pub clock: Clock,
    /// Whom it tells.
    pub bus: Bus,
    /// Who writes down.
    pub record: Arc<Record>,
    /// What people are shown.
    pub standing: Arc<RwLock<Arc<Standing>>>,
    /// What was open before this run is known: until then nothing is written in its place.
    pub has_remembered: bool,
    /// What is to be remembered over a restart.
    pub keep: watch::Sender<Vec<Remembered>>,
}

impl Hand {
    /// Feels and acts until it is told to stop.
    pub fn run(mut self) {
        self.show();
        loop {
            let due = self.reflex.due_ms().saturating_sub(self.clock.ticking_millis());
            let due = Duration::from_millis(u64::try_from(due).unwrap_or(0));
            let arrived = self.senses.wait(due.min(LOOK_EVERY));
            let mut changed = false;
            for observation in &arrived.observations {
                let ingest = Arc::clone(&self.ingest);
                let fulfils = move |command: &Command, said: &Observation| {
                    dialect(&command.target.device.dialect)
                        .is_some_and(|dialect| (dialect.confirms)(command, said, &ingest.directory()))
                };
                let now = self.now();
                let deeds = self.reflex.felt(observation, now, &fulfils);
                changed |= self.perform(deeds);
            }
            for observation in &arrived.replayed {
                let now = self.now();
                let deeds = self.reflex.replayed(observation, now);
                changed |= self.perform(deeds);
            }
            for order in arrived.orders {
                match order {
                    Order::Stop => return,
                    order => changed |= self.obey(order),
                }
            }
            self.reflex.heard(self.senses.heard());
            let now = self.now();
            let deeds = self.reflex.tick(now);
            changed |= self.perform(deeds);
            if changed {
                self.show();
            }
        }
    }

    fn now(&self) -> Now {
        Now { millis: self.clock.ticking_millis(), moment: self.clock.moment() }
    }

    /// Does what the house says; whether anything changed by it.
    pub fn obey(&mut self, order: Order) -> bool {
        let now = self.now();
        let deeds = match order {
            Order::Home(home) => {
                self.reflex.heard(self.senses.heard());
                let deeds = self.reflex.home_is(home, now);
                self.senses.concern(self.reflex.concerns());
                deeds
            }
            Order::Rules(rules) => {
                let deeds = self.reflex.rules_are(rules, now);
                self.reflex.heard(self.senses.heard());
                self.senses.concern(self.reflex.concerns());
                deeds
            }
            Order::Remember(all) => {
                self.has_remembered = true;
                self.reflex.remember(all, now)
            }
            Order::Calm(places) => self.reflex.calm(places, now),
            Order::Hush => self.reflex.hush(now),
            Order::Test { rule, in_earnest, answer } => {
                let begun = self.reflex.test(&rule, in_earnest, now);
                let (id, deeds) = begun.map_or((0, Vec::new()), |(id, deeds)| (id, deeds));
                self.perform(deeds);
                self.show();
                // Who asked may have gone.
                let _ = answer.send(self.reflex.tests().find(|run| run.id == id).cloned());
                return true;
            }
            Order::Settle(answer) => {
                let _ = answer.send(());
                return false;
            }
            Order::Stop => return false,
        };
        self.perform(deeds);
        true
    }

    /// Does what was decided; whether anything was.
    fn perform(&mut self, deeds: Vec<Deed>) -> bool {
        if deeds.is_empty() {
            return false;
        }
        // What is about to be told to devices is felt from now on: the answer may be quicker than we are.
        self.senses.concern_now(self.reflex.concerns_now());
        // Devices first: telling people may wait for a terminal that nobody reads.
        let mut news = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Say(command) => {
                    if let Err(why) = self.say(&command) {
                        let place = Place::new(command.target.device.clone(), command.target.property.clone());
                        let found = self.reflex.not_said(&place, why);
                        news.extend(
                            found
                                .into_iter()
                                .filter_map(|deed| if let Deed::Tell(one) = deed { Some(one) } else { None }),
                        );
                    }
                }
                Deed::Ask(device) => self.ask(device),
                Deed::Tell(one) => news.push(one),
            }
        }
        news.into_iter().for_each(|one| self.tell(one));
        true
    }

    fn say(&self, command: &Command) -> Result<(), String> {
        let device = &command.target.device;
        // A rule may name what was accepted once, or what never was: it is told nothing.
        if !self.reflex.home().accepts(device) {
            return Err(format!("nobody has accepted {device}"));
        }
        let outgoing = {
            let directory = self.ingest.directory();
            let dialect = dialect(&device.dialect).ok_or_else(|| format!("nobody speaks {}", device.dialect))?;
            dialect.say(command, &directory).map_err(|error| error.to_string())?
        };
        self.ingest.tell_urgently(device, outgoing, WORTH).map_err(|error| error.to_string())
    }

    fn ask(&self, device: DeviceRef) {
        let errand = Errand::Refresh(device.clone());
        let outgoing = {
            let directory = self.ingest.directory();
            let dialect = dialect(&device.dialect);
            dialect.and_then(|dialect| (dialect.errand)(&errand, "safety", &directory).ok())
        };
        // One that cannot be asked speaks when it wakes up.
        if let Some(Err(error)) = outgoing.map(|outgoing| self.ingest.say(self.ingest.road_of(&device), outgoing)) {
            tracing::debug!(%device, "a sensor could not be asked: {error}");
        }
    }

    fn tell(&self, news: News) {
        let home = self.reflex.home();
        let told = super::view::told(&news, home);
        let name = told.name.clone();
        self.bus.tell(Event::Safety(Arc::new(told)));
        self.record.note(news, name, self.clock.moment());
    }

    /// Shows how it stands.
    pub fn show(&self) {
        let standing = Arc::new(Standing::of(&self.reflex, self.senses.beyond()));
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = standing;
        if !self.has_remembered {
            return;
        }
        let keep = self.reflex.to_keep();
        self.keep.send_if_modified(|kept| {
            let differs = *kept != keep;
            if differs {
                *kept = keep;
            }
            differs
        });
    }
}
