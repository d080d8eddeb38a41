//! The hand of the reflex: a thread of its own that feels, lets the pure part decide, and says to devices what it decided,
//! from memory. It waits for no disk, no network of others and no task of the runtime; what is told to people and written
//! down goes to whoever has the time for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use domovoi_adapters::{Errand, dialect};
use domovoi_model::{Command, DeviceRef, Observation};
use tokio::sync::{oneshot, watch};

use super::danger::{Deed, Keep, Key, News, Now, Why};
use super::home::Home;
use super::record::Record;
use super::reflex::{NotTold, Reflex};
use super::rule::{Place, Rule};
use super::senses::{Back, Senses};
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

/// More places than anything is ever told at once.
const MOST_TURNS: usize = 4096;

/// So many dangers that are over are known to whoever takes over.
const MOST_ENDED: usize = 4096;

/// What the reflex is told by the house.
#[derive(Debug)]
pub enum Order {
    /// The home is another now.
    Home(Arc<Home>),
    /// The rules are others now.
    Rules(Vec<Rule>),
    /// What was so before a restart.
    Remember(Keep),
    /// What is open where another stood in until now. What was open before it is still to be read.
    TakeOver(Keep),
    /// A device is known by another id from now on.
    Rename(DeviceRef, DeviceRef),
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
    pub keep: watch::Sender<Option<Keep>>,
    /// Dangers that began and ended in this run: whoever takes over from it may read older.
    pub ended: Arc<Mutex<BTreeSet<Key>>>,
    /// By which of two links each was told last.
    pub turns: Turns,
}

/// Which of two links is next, for each place by itself: of two that are told in step each would else have the same always.
#[derive(Debug, Default)]
pub struct Turns(BTreeMap<Place, bool>);

impl Turns {
    fn next(&mut self, place: Place) -> bool {
        if self.0.len() >= MOST_TURNS {
            self.0.clear();
        }
        let turn = self.0.entry(place).or_insert(true);
        *turn = !*turn;
        *turn
    }
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
            changed |= self.welcome(&arrived.back);
            for order in arrived.orders {
                match order {
                    Order::Stop => return self.show(),
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

    /// What was not confirmed by who was away is said now.
    fn welcome(&mut self, back: &Back) -> bool {
        if *back == Back::default() {
            return false;
        }
        let now = self.now();
        let pursued: BTreeSet<DeviceRef> = self.reflex.pursuits().keys().map(|place| place.device.clone()).collect();
        let mut deeds = if back.all { self.reflex.is_back(None, now) } else { Vec::new() };
        for device in pursued.iter().filter(|_| !back.all) {
            if back.devices.contains(device) || self.ingest.listens_to(device, &back.filters) {
                deeds.extend(self.reflex.is_back(Some(device), now));
            }
        }
        self.perform(deeds)
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
            Order::TakeOver(open) => self.reflex.remember(open, now),
            Order::Rename(before, after) => {
                let deeds = self.reflex.is_renamed(&before, &after, now);
                self.reflex.heard(self.senses.heard());
                self.senses.concern(self.reflex.concerns());
                deeds
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
    pub(super) fn perform(&mut self, deeds: Vec<Deed>) -> bool {
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

    fn say(&mut self, command: &Command) -> Result<(), NotTold> {
        let device = &command.target.device;
        let cannot = |why: String| NotTold::Cannot(why);
        // A rule may name what was accepted once, or what never was: it is told nothing.
        let home = Arc::clone(self.reflex.home());
        let Some(ours) = home.find(device).filter(|device| device.accepted) else {
            return Err(cannot(format!("nobody has accepted {device}")));
        };
        let directory = self.ingest.directory();
        let dialect = dialect(&device.dialect).ok_or_else(|| cannot(format!("nobody speaks {}", device.dialect)))?;
        let outgoing = dialect.say(command, &directory).map_err(|error| cannot(error.to_string()))?;
        // What opens a lock of the neighbour's says that it closes a valve of ours.
        if let Some(topic) = ours.not_agreed(&outgoing, &directory) {
            return Err(NotTold::NotAgreed(topic.to_owned()));
        }
        drop(directory);
        let place = Place::new(device.clone(), command.target.property.clone());
        self.ingest
            .tell_urgently(device, outgoing, WORTH, self.turns.next(place))
            .map_err(|error| cannot(error.to_string()))
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
        match &news {
            News::Over(key, open, Why::Said | Why::RanOut) if key.danger.is_reported() && open.accepted => {
                let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
                if ended.len() < MOST_ENDED {
                    ended.insert(key.clone());
                }
            }
            News::Began(key, _) => {
                self.ended.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            }
            _ => {}
        }
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
            let differs = kept.as_ref() != Some(&keep);
            if differs {
                *kept = Some(keep);
            }
            differs
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_are_told_in_step_are_told_by_either_link() {
        let place = |name: &str| Place::new(DeviceRef::new("tasmota", name), "state");
        let mut turns = Turns::default();
        let told: Vec<(bool, bool)> =
            (0..4).map(|_| (turns.next(place("valve")), turns.next(place("siren")))).collect();
        assert_eq!(told, [(false, false), (true, true), (false, false), (true, true)]);
    }
}
