//! The reflex: what is said, heard and known goes in with the time, and what is to be done comes out. Pure: it reads no
//! clock, speaks to nobody and keeps nothing beyond its memory. Whoever performs its deeds is `hand`.
//!
//! What it promises, each with a property test: it never opens what it closed; what it wants is a function of the open
//! dangers, the rules and the home, whatever the order in which they came to be known; it repeats until the device confirms
//! or nothing wants it any more; whoever was not accepted moves nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domovoi_adapters::PropertyInfo;
use domovoi_model::{Command, DeviceRef, Observation, Value};

use super::danger::{Deed, Key, News, Now, Open, Pursuit, Why};
use super::home::{Home, Organ};
use super::pursuing::TOLD_EVERY_MS;
use super::rule::{Danger, Place, Rule};
use super::testing::{TestRun, Tests};

/// Dangers of devices that nobody accepted: more of them are counted and not kept.
const STRANGERS: usize = 128;

/// A stranger's danger is forgotten after so long without another word.
const STRANGERS_FORGOTTEN_MS: i64 = 3_600_000;

/// More dangers at once than a home has sensors, and than one sensor has properties that warn.
pub(super) const MOST_DANGERS: usize = 4096;
const MOST_OF_ONE: usize = 32;

/// A danger that somebody has hushed is another when it is said after so long a pause, or so long after the hush: the word
/// that it was over may have been lost, and the next leak must not be.
const HUSHED_PAUSE_MS: i64 = 1_800_000;
const HUSHED_MOST_MS: i64 = 12 * 3_600_000;

/// Gas, carbon monoxide and smoke are not hushed for longer while they last: what smoked on the stove may burn by now, and
/// many detectors say nothing more until it is over (UL 217 and EN 14604 allow a hush of ten to fifteen minutes).
const HUSHED_GRAVE_MS: i64 = 600_000;

/// Words of sensors that know several, by which none says that there is no danger.
const NO_ANSWERS: [&str; 12] = [
    "",
    "unknown",
    "unavailable",
    "none",
    "null",
    "n/a",
    "test",
    "testing",
    "fault",
    "error",
    "offline",
    "initializing",
];

/// Silence is looked for so often.
const LOOK_EVERY_MS: i64 = 1_000;

/// Whether an observation says that a command was carried out.
pub type Fulfils<'a> = &'a dyn Fn(&Command, &Observation) -> bool;

/// Why something could not be said to a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// It takes commands where nobody has agreed to.
    #[error("it takes commands at «{0}» now, and nobody has agreed to that: accept it again")]
    NotAgreed(String),
    /// Something else.
    #[error("{0}")]
    Cannot(String),
}

/// The reflex's memory.
#[derive(Debug, Default)]
pub struct Reflex {
    pub(super) rules: Vec<Rule>,
    pub(super) home: Arc<Home>,
    pub(super) dangers: BTreeMap<Key, Open>,
    pub(super) pursuits: BTreeMap<Place, Pursuit>,
    pub(super) tests: Tests,
    /// Sirens that are to be silent, though nothing is known of how they came to sound: from before a restart.
    pub(super) quiet_soon: BTreeMap<Place, Danger>,
    /// When something was told to each, within the last second.
    pub(super) told: BTreeMap<Place, i64>,
    /// First words that went at once although something was told within the second, and since when they are counted.
    pub(super) first_words: BTreeMap<Place, (u32, i64)>,
    /// Devices that are known by another id from now on; the home may not say so yet.
    pub(super) renamed: BTreeMap<DeviceRef, DeviceRef>,
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
        // A person has looked at it: what no rule wants any more is not pursued on.
        self.pursuits.values_mut().for_each(|pursuit| pursuit.outlives_until_ms = None);
        self.next_look_ms = now.millis;
        self.settled(Vec::new(), now)
    }

    /// The home is another now.
    pub fn home_is(&mut self, home: Arc<Home>, now: Now) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let home = self.with_new_names(home);
        let forgotten = |device: &DeviceRef| self.home.find(device).is_some() && home.find(device).is_none();
        let gone: Vec<Key> = self.dangers.keys().filter(|key| forgotten(&key.place.device)).cloned().collect();
        // A person has taken it away: nothing is pursued on for it.
        gone.iter().for_each(|key| self.take_away(key, Why::TakenAway, &mut deeds));
        self.home = home;
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
            let accepted = key.test.is_some() || home.accepts(&key.place.device);
            open.accepted = accepted;
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
                    if self.dangers.contains_key(&key) && says_no(&observation.value) {
                        self.end(&key, Why::Said, now, &mut deeds);
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
        self.told.retain(|_, told| now.millis.saturating_sub(*told) < TOLD_EVERY_MS);
        let mut over = Vec::new();
        for (key, open) in &mut self.dangers {
            if open.remembered && super::remembering::is_asked(open, now) {
                deeds.push(Deed::Ask(key.place.device.clone()));
            }
            if open.remembered && open.counts_from_ms <= now.millis {
                (open.remembered, open.last_ms) = (false, now.millis);
                self.moved = true;
            }
            let is_grave = matches!(key.danger, Danger::Gas | Danger::CarbonMonoxide | Danger::Smoke);
            let hushed_ms = now.millis.saturating_sub(open.hushed_ms);
            if open.hushed && is_grave && hushed_ms >= HUSHED_GRAVE_MS && !self.recalled.contains(key) {
                // What was closed and opened by a person meanwhile is still left to people.
                (open.hushed, open.remembered, open.retold) = (false, false, true);
                self.moved = true;
            }
            let still_ms = now.millis.saturating_sub(open.last_ms);
            let falls_back_ms =
                self.home.property(&key.place).and_then(|info| info.off_after_s).map(|s| i64::from(s) * 1000);
            let ended = match key.test {
                Some(test) => !self.tests.is_running(test),
                None => {
                    // What is only remembered has to be answered first.
                    let is_answered = !open.remembered || open.answered;
                    key.danger.is_reported()
                        && (falls_back_ms.is_some_and(|after| is_answered && still_ms >= after)
                            || (!open.accepted && still_ms >= STRANGERS_FORGOTTEN_MS))
                }
            };
            if ended {
                over.push(key.clone());
            }
        }
        over.iter().for_each(|key| self.end(key, Why::RanOut, now, &mut deeds));
        if now.millis >= self.next_look_ms {
            self.next_look_ms = now.millis.saturating_add(LOOK_EVERY_MS);
            self.look_for_silence(now, &mut deeds);
        }
        self.settled(deeds, now)
    }

    /// What was to be said could not be.
    pub fn not_said(&mut self, place: &Place, why: NotTold) -> Vec<Deed> {
        let Some(pursuit) = self.pursuits.get_mut(place) else { return Vec::new() };
        let accept_again = matches!(why, NotTold::NotAgreed(_));
        let why = why.to_string();
        let is_new = pursuit.error.as_ref() != Some(&why);
        (pursuit.error, pursuit.accept_again) = (Some(why), accept_again);
        if is_new { vec![Deed::Tell(News::NotSaid(place.clone(), pursuit.clone()))] } else { Vec::new() }
    }

    /// Sirens fall silent, also those that sound and nobody knows why; and what has confirmed that it is closed is left to
    /// people. What has not is closed all the same.
    pub fn hush(&mut self, now: Now) -> Vec<Deed> {
        let mut hushed = Vec::new();
        for (key, open) in self.dangers.iter_mut().filter(|(_, open)| !open.hushed) {
            (open.hushed, open.left, open.hushed_ms) = (true, true, now.millis);
            hushed.push(key.danger);
        }
        let danger = hushed.first().copied().unwrap_or(Danger::Smoke);
        let sirens = self.home.organs(Organ::Siren, None).map(|(place, _)| (place.clone(), danger));
        self.quiet_soon.extend(sirens);
        self.moved = true;
        self.settled(vec![Deed::Tell(News::Hushed(hushed.len()))], now)
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
        let due = |pursuit: &Pursuit| pursuit.look_ms.map_or(pursuit.next_ms, |look| look.min(pursuit.next_ms));
        let pursuits = self.pursuits.values().filter(|pursuit| !pursuit.let_go).map(due);
        pursuits.min().unwrap_or(i64::MAX).min(self.next_look_ms)
    }

    pub(super) fn begin(&mut self, danger: Danger, place: Place, value: &Value, now: Now, deeds: &mut Vec<Deed>) {
        let key = Key { danger, place, test: None };
        let accepted = self.home.accepts(&key.place.device);
        if let Some(open) = self.dangers.get_mut(&key) {
            let pause = now.millis.saturating_sub(open.last_ms);
            let hushed = now.millis.saturating_sub(open.hushed_ms);
            if open.hushed && (pause >= HUSHED_PAUSE_MS || hushed >= HUSHED_MOST_MS) {
                (open.hushed, open.left, open.answered, open.retold) = (false, false, false, true);
                self.moved = true;
            }
            open.last_ms = now.millis;
            open.value = value.clone();
            self.moved |= open.remembered;
            open.remembered = false;
            open.answered &= open.hushed;
            self.recalled.remove(&key);
            return;
        }
        let strangers = || self.dangers.values().filter(|open| !open.accepted).count();
        let of_one = || self.dangers.keys().filter(|other| other.place.device == key.place.device).count();
        if self.dangers.len() >= MOST_DANGERS || of_one() >= MOST_OF_ONE || (!accepted && strangers() >= STRANGERS) {
            self.strangers_beyond += 1;
            return;
        }
        let mut open = Open::begun(value.clone(), accepted, now);
        open.doing = self.doing(&key, &open);
        if accepted {
            self.say_once_more(&key, &open, now);
        }
        deeds.push(Deed::Tell(News::Began(key.clone(), open.clone())));
        self.dangers.insert(key, open);
        self.moved = true;
    }

    pub(super) fn end(&mut self, key: &Key, why: Why, now: Now, deeds: &mut Vec<Deed>) {
        if let Some(open) = self.dangers.get(key).cloned() {
            self.release(key, &open, now);
        }
        self.take_away(key, why, deeds);
    }

    fn take_away(&mut self, key: &Key, why: Why, deeds: &mut Vec<Deed>) {
        self.recalled.remove(key);
        if let Some(open) = self.dangers.remove(key) {
            self.moved = true;
            if key.test.is_none() {
                deeds.push(Deed::Tell(News::Over(key.clone(), open, why)));
            }
        }
    }
}

/// Whether a word of a sensor that had warned says that it warns no more. «unknown» is not «dry».
pub(super) fn says_no(value: &Value) -> bool {
    match value {
        Value::Bool(warns) => !warns,
        Value::Text(word) => !NO_ANSWERS.iter().any(|none| none.eq_ignore_ascii_case(word.trim())),
        Value::Number(number) => number.is_zero(),
    }
}
