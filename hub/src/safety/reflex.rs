//! The reflex: what is said, heard and known goes in with the time, and what is to be done comes out. Pure: it reads no
//! clock, speaks to nobody and keeps nothing beyond its memory. Whoever performs its deeds is `hand`.
//!
//! What it promises, each with a property test: it never opens what it closed; what it wants is a function of the open
//! dangers, the rules and the home, whatever the order in which they came to be known; it repeats until the device confirms
//! or nothing wants it any more; whoever was not accepted moves nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domovoi_adapters::PropertyInfo;
use domovoi_model::{Command, CommandTarget, DeviceRef, Observation, Value};

use super::danger::{Deed, Key, News, Now, Open, Pursuit};
use super::home::Home;
use super::rule::{Danger, Place, Rule, Target};
use super::testing::{Outcome, TestRun, Tests};

/// After each try so long is waited for the device's own report.
const AGAIN_AFTER_MS: [i64; 5] = [1_000, 2_000, 5_000, 10_000, 30_000];

/// At this try people are told that a device does not answer: eight seconds after the first.
const UNANSWERED_AT: u32 = 4;

/// A siren that does not confirm its silence is told so often.
const QUIET_TRIES: u32 = 5;

/// Dangers of devices that nobody accepted: more of them are counted and not kept.
const STRANGERS: usize = 128;

/// A stranger's danger is forgotten after so long without another word.
const STRANGERS_FORGOTTEN_MS: i64 = 3_600_000;

/// More dangers at once than a home has sensors.
pub(super) const MOST_DANGERS: usize = 4096;

/// Silence is looked for so often.
const LOOK_EVERY_MS: i64 = 1_000;

/// Whether an observation says that a command was carried out.
pub type Fulfils<'a> = &'a dyn Fn(&Command, &Observation) -> bool;

#[derive(Debug, Clone, PartialEq)]
struct Want {
    target: Target,
    danger: Danger,
    /// Only a test wants it.
    test: Option<u64>,
    rule: String,
}

/// The reflex's memory.
#[derive(Debug, Default)]
pub struct Reflex {
    pub(super) rules: Vec<Rule>,
    pub(super) home: Arc<Home>,
    pub(super) dangers: BTreeMap<Key, Open>,
    pub(super) pursuits: BTreeMap<Place, Pursuit>,
    tests: Tests,
    pub(super) heard: HashMap<DeviceRef, i64>,
    /// Nothing was heard of them, and nobody has said when something was.
    presumed: HashSet<DeviceRef>,
    pub(super) unreached: HashMap<DeviceRef, i64>,
    /// Sensors whose last word, so far as it is known when it was said, was that there is no danger.
    pub(super) calm: HashSet<Place>,
    /// Dangers that are open because they were replayed.
    pub(super) recalled: HashSet<Key>,
    pub(super) started_ms: Option<i64>,
    next_look_ms: i64,
    strangers_beyond: u64,
    /// What is wanted has to be found anew.
    pub(super) moved: bool,
}

impl Reflex {
    /// With these rules; nothing is known of the home yet.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut reflex = Reflex { moved: true, ..Reflex::default() };
        reflex.set_rules(rules);
        reflex
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The home as it is known.
    pub fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// The dangers that are not over.
    pub fn dangers(&self) -> &BTreeMap<Key, Open> {
        &self.dangers
    }

    /// What is being set.
    pub fn pursuits(&self) -> &BTreeMap<Place, Pursuit> {
        &self.pursuits
    }

    /// Tests, the newest last.
    pub fn tests(&self) -> impl Iterator<Item = &TestRun> {
        self.tests.runs()
    }

    /// How many dangers of strangers were not kept.
    pub fn strangers_beyond(&self) -> u64 {
        self.strangers_beyond
    }

    fn set_rules(&mut self, mut rules: Vec<Rule>) {
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        self.rules = rules;
        self.moved = true;
    }

    /// The rules are others now.
    pub fn rules_are(&mut self, rules: Vec<Rule>, now: Now) -> Vec<Deed> {
        self.set_rules(rules);
        self.next_look_ms = now.millis;
        self.settled(Vec::new(), now)
    }

    /// The home is another now.
    pub fn home_is(&mut self, home: Arc<Home>, now: Now) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let forgotten = |device: &DeviceRef| self.home.find(device).is_some() && home.find(device).is_none();
        let gone: Vec<Key> = self.dangers.keys().filter(|key| forgotten(&key.place.device)).cloned().collect();
        self.home = home;
        gone.iter().for_each(|key| self.end(key, &mut deeds));
        for device in self.home.devices() {
            let heard = device.heard_ms_ago.map(|ago| now.millis.saturating_sub(ago.max(0)));
            if !self.heard.contains_key(&device.device) {
                self.heard.insert(device.device.clone(), heard.unwrap_or(now.millis));
                self.presumed.insert(device.device.clone());
            } else if let Some(heard) = heard.filter(|_| self.presumed.remove(&device.device)) {
                // What was recorded before a restart came to be known.
                self.heard.insert(device.device.clone(), heard);
            }
            if device.reached == Some(false) {
                self.unreached.entry(device.device.clone()).or_insert(now.millis);
            } else {
                self.unreached.remove(&device.device);
            }
        }
        let home = &self.home;
        self.heard.retain(|device, _| home.find(device).is_some());
        self.presumed.retain(|device| home.find(device).is_some());
        self.unreached.retain(|device, _| home.find(device).is_some());
        self.calm.retain(|place| home.find(&place.device).is_some());
        for (key, open) in &mut self.dangers {
            open.accepted = key.test.is_some() || home.accepts(&key.place.device);
        }
        self.moved = true;
        self.next_look_ms = now.millis;
        self.settled(deeds, now)
    }

    /// A device said something.
    pub fn felt(&mut self, observation: &Observation, now: Now, fulfils: Fulfils<'_>) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let place = Place::new(observation.device.clone(), observation.property.clone());
        if let Some(heard) = self.heard.get_mut(&observation.device) {
            *heard = now.millis.max(*heard);
            self.presumed.remove(&observation.device);
        }
        match observation.hazard {
            Some(hazard) => {
                self.calm.remove(&place);
                self.begin(Danger::of(hazard), place.clone(), &observation.value, now, &mut deeds);
            }
            None => {
                let warns = |info: &PropertyInfo| info.hazard.is_some();
                if observation.value == Value::Bool(false) && self.home.property(&place).is_some_and(warns) {
                    self.calm.insert(place.clone());
                }
                for danger in Danger::ALL.into_iter().filter(|danger| danger.is_reported()) {
                    let key = Key { danger, place: place.clone(), test: None };
                    // «unknown» is not «dry».
                    let says_no =
                        |open: &Open| observation.value == Value::Bool(false) || !matches!(open.value, Value::Bool(_));
                    if self.dangers.get(&key).is_some_and(says_no) {
                        self.end(&key, &mut deeds);
                    }
                }
            }
        }
        self.feel_cold(&place, observation, now, &mut deeds);
        self.confirm(&place, observation, now, fulfils, &mut deeds);
        self.settled(deeds, now)
    }

    /// Devices were heard, whatever they said.
    pub fn heard(&mut self, devices: impl IntoIterator<Item = (DeviceRef, i64)>) {
        for (device, at) in devices {
            if let Some(heard) = self.heard.get_mut(&device) {
                *heard = at.max(*heard);
                self.presumed.remove(&device);
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Vec<Deed> {
        let mut deeds = Vec::new();
        self.started_ms.get_or_insert(now.millis);
        let mut over = Vec::new();
        for (key, open) in &mut self.dangers {
            if open.remembered && super::remembering::is_asked(open, now) {
                deeds.push(Deed::Ask(key.place.device.clone()));
            }
            if open.remembered && open.counts_from_ms <= now.millis {
                open.remembered = false;
                self.moved = true;
            }
            let still_ms = now.millis.saturating_sub(open.last_ms);
            let falls_back_ms =
                self.home.property(&key.place).and_then(|info| info.off_after_s).map(|s| i64::from(s) * 1000);
            let ended = match key.test {
                Some(test) => !self.tests.is_running(test),
                None => {
                    key.danger.is_reported()
                        && (falls_back_ms.is_some_and(|after| still_ms >= after)
                            || (!open.accepted && still_ms >= STRANGERS_FORGOTTEN_MS))
                }
            };
            if ended {
                over.push(key.clone());
            }
        }
        over.iter().for_each(|key| self.end(key, &mut deeds));
        if now.millis >= self.next_look_ms {
            self.next_look_ms = now.millis.saturating_add(LOOK_EVERY_MS);
            self.look_for_silence(now, &mut deeds);
        }
        self.settled(deeds, now)
    }

    /// What was to be said could not be.
    pub fn not_said(&mut self, place: &Place, why: String) -> Vec<Deed> {
        let Some(pursuit) = self.pursuits.get_mut(place) else { return Vec::new() };
        let is_new = pursuit.error.as_ref() != Some(&why);
        pursuit.error = Some(why);
        if is_new { vec![Deed::Tell(News::NotSaid(place.clone(), pursuit.clone()))] } else { Vec::new() }
    }

    /// Nothing more is repeated for the dangers that are open now, and sirens fall silent. What was closed stays closed.
    pub fn hush(&mut self, now: Now) -> Vec<Deed> {
        let mut hushed = 0;
        for open in self.dangers.values_mut().filter(|open| !open.hushed) {
            open.hushed = true;
            hushed += 1;
        }
        self.moved = true;
        self.settled(vec![Deed::Tell(News::Hushed(hushed))], now)
    }

    /// Tries a rule out: only tells what it would do or, `in_earnest`, does it. `None` if there is no such rule.
    pub fn test(&mut self, rule: &str, in_earnest: bool, now: Now) -> Option<(u64, Vec<Deed>)> {
        let rule = self.rules.iter().find(|other| other.id == rule)?.clone();
        let id = self.tests.begin(&rule, rule.targets(&self.home), in_earnest, now);
        let mut deeds = Vec::new();
        if in_earnest {
            let device = DeviceRef::new("test", id.to_string());
            let key = Key { danger: rule.danger, place: Place::new(device, ""), test: Some(id) };
            let open = Open::begun(Value::Bool(true), true, now);
            self.dangers.insert(key, open);
            self.moved = true;
        }
        deeds = self.settled(deeds, now);
        Some((id, deeds))
    }

    /// When something is due at the latest.
    pub fn due_ms(&self) -> i64 {
        let pursuits = self.pursuits.values().filter(|pursuit| !pursuit.confirmed).map(|pursuit| pursuit.next_ms);
        pursuits.min().unwrap_or(i64::MAX).min(self.next_look_ms)
    }

    pub(super) fn begin(&mut self, danger: Danger, place: Place, value: &Value, now: Now, deeds: &mut Vec<Deed>) {
        let key = Key { danger, place, test: None };
        let accepted = self.home.accepts(&key.place.device);
        if let Some(open) = self.dangers.get_mut(&key) {
            open.last_ms = now.millis;
            open.value = value.clone();
            self.moved |= open.remembered;
            open.remembered = false;
            self.recalled.remove(&key);
            return;
        }
        let strangers = || self.dangers.values().filter(|open| !open.accepted).count();
        if self.dangers.len() >= MOST_DANGERS || (!accepted && strangers() >= STRANGERS) {
            self.strangers_beyond += 1;
            return;
        }
        let open = Open::begun(value.clone(), accepted, now);
        deeds.push(Deed::Tell(News::Began(key.clone(), open.clone())));
        self.dangers.insert(key, open);
        self.moved = true;
    }

    pub(super) fn end(&mut self, key: &Key, deeds: &mut Vec<Deed>) {
        self.recalled.remove(key);
        if let Some(open) = self.dangers.remove(key) {
            self.moved = true;
            if key.test.is_none() {
                deeds.push(Deed::Tell(News::Over(key.clone(), open)));
            }
        }
    }

    fn confirm(&mut self, place: &Place, said: &Observation, now: Now, fulfils: Fulfils<'_>, deeds: &mut Vec<Deed>) {
        let Some(pursuit) = self.pursuits.get_mut(place).filter(|pursuit| pursuit.tries > 0) else { return };
        let is_so = fulfils(&command(place, &pursuit.value), said);
        if is_so && !pursuit.confirmed {
            pursuit.confirmed = true;
            pursuit.error = None;
            deeds.push(Deed::Tell(News::Confirmed(place.clone(), pursuit.clone())));
        } else if !is_so && pursuit.confirmed {
            pursuit.confirmed = false;
            pursuit.next_ms = pursuit.next_ms.min(now.millis.saturating_add(wait_ms(1)));
            deeds.push(Deed::Tell(News::Undone(place.clone(), pursuit.clone())));
        }
    }

    /// The rules that answer a danger.
    pub(super) fn rules_for<'a>(&'a self, key: &'a Key, open: &'a Open) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| match key.test {
            Some(test) => self.tests.rule_of(test) == Some(rule.id.as_str()),
            None => {
                let cold_enough = match (rule.below, open.lowest) {
                    (Some(below), Some(lowest)) => lowest <= below,
                    (Some(_), None) => false,
                    (None, _) => true,
                };
                rule.is_on && rule.danger == key.danger && cold_enough && rule.hears(&key.place, &self.home)
            }
        })
    }

    /// What is wanted now. Earnest prevails over tests, the graver danger over the lesser, the rule that sorts first over
    /// the other: no order of arrival is in it.
    fn wanted(&self) -> BTreeMap<Place, Want> {
        let mut wanted: BTreeMap<Place, Want> = BTreeMap::new();
        let acting = self.dangers.iter().filter(|(_, open)| open.accepted && !open.hushed && !open.remembered);
        for (key, open) in acting {
            for rule in self.rules_for(key, open) {
                for target in rule.targets(&self.home) {
                    let want = Want { target, danger: key.danger, test: key.test, rule: rule.id.clone() };
                    match wanted.get_mut(&want.target.place) {
                        Some(other) if rank(other) <= rank(&want) => {}
                        Some(other) => *other = want,
                        None => {
                            wanted.insert(want.target.place.clone(), want);
                        }
                    }
                }
            }
        }
        wanted
    }

    /// What follows from all that is known.
    pub(super) fn settled(&mut self, mut deeds: Vec<Deed>, now: Now) -> Vec<Deed> {
        if std::mem::take(&mut self.moved) {
            self.pursue(now);
        }
        let mut ended = Vec::new();
        for (place, pursuit) in &mut self.pursuits {
            if pursuit.confirmed && pursuit.quieting {
                ended.push(place.clone());
                continue;
            }
            if pursuit.confirmed || pursuit.next_ms > now.millis {
                continue;
            }
            if pursuit.quieting && pursuit.tries >= QUIET_TRIES {
                ended.push(place.clone());
                continue;
            }
            pursuit.tries = pursuit.tries.saturating_add(1);
            pursuit.next_ms = now.millis.saturating_add(wait_ms(pursuit.tries));
            deeds.push(Deed::Say(command(place, &pursuit.value)));
            deeds.push(Deed::Tell(News::Said(place.clone(), pursuit.clone())));
            let is_reported = self.home.property(place).is_none_or(|info| info.reported);
            if pursuit.tries == UNANSWERED_AT && is_reported && !pursuit.quieting {
                deeds.push(Deed::Tell(News::Unanswered(place.clone(), pursuit.clone())));
            }
        }
        ended.iter().for_each(|place| drop(self.pursuits.remove(place)));
        let outcome = |place: &Place| match self.pursuits.get(place) {
            Some(pursuit) if pursuit.confirmed => Outcome::Confirmed,
            Some(Pursuit { error: Some(why), .. }) => Outcome::NotSaid(why.clone()),
            Some(pursuit) => Outcome::Said { tries: pursuit.tries },
            None => Outcome::Said { tries: 0 },
        };
        for run in self.tests.follow(now, outcome) {
            let of_run = |key: &Key| key.test == Some(run.id);
            self.dangers.retain(|key, _| !of_run(key));
            self.moved = true;
            deeds.push(Deed::Tell(News::Tested(run)));
        }
        if self.moved { self.settled(deeds, now) } else { deeds }
    }

    /// Begins what is wanted and not pursued, leaves what is not wanted any more as it is, silences sirens.
    fn pursue(&mut self, now: Now) {
        let wanted = self.wanted();
        let mut quieted = Vec::new();
        self.pursuits.retain(|place, pursuit| {
            if pursuit.quieting || wanted.contains_key(place) {
                return true;
            }
            if pursuit.is_siren && pursuit.tries > 0 {
                quieted.push((place.clone(), pursuit.danger));
            }
            false
        });
        for (place, danger) in quieted {
            if let Some(value) = self.home.quiet(&place) {
                let pursuit = Pursuit { quieting: true, is_siren: true, ..Pursuit::begun(value, danger, None, now) };
                self.pursuits.insert(place, pursuit);
            }
        }
        for (place, want) in wanted {
            let begun = Pursuit {
                is_siren: want.target.is_siren,
                ..Pursuit::begun(want.target.value, want.danger, want.test, now)
            };
            match self.pursuits.get_mut(&place) {
                Some(pursuit) if !pursuit.quieting && pursuit.value == begun.value => {
                    (pursuit.danger, pursuit.test) = (begun.danger, begun.test);
                }
                _ => drop(self.pursuits.insert(place, begun)),
            }
        }
    }
}

fn rank(want: &Want) -> (bool, Danger, &str) {
    (want.test.is_some(), want.danger, &want.rule)
}

fn wait_ms(tries: u32) -> i64 {
    let at = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    AGAIN_AFTER_MS.get(at).or(AGAIN_AFTER_MS.last()).copied().unwrap_or(30_000)
}

fn command(place: &Place, value: &Value) -> Command {
    let target = CommandTarget { device: place.device.clone(), property: place.property.clone() };
    Command { target, value: value.clone() }
}
