//! Dangers that nobody says just now: those from before a restart, and those that a broker of others replays. Their sensors are
//! asked and not assumed. Pure, as the reflex is, of which it is a part.

use domovoi_model::Observation;

use super::danger::{Deed, Keep, Key, News, Now, Open, Owed, Pursuit, Remembered};
use super::pursuing::OUTLIVES_MS;
use super::reflex::{MOST_DANGERS, Reflex};
use super::rule::{Answer, Danger, Place, Rule};

/// After a restart a sensor is asked and given so long to take back what it had said, before what had been begun is ended.
const DENIED_WITHIN_MS: i64 = 10_000;

/// Waits between the questions to it: at the first nobody has connected again yet, and a sensor on a battery sleeps.
const ASKED_AFTER_MS: [i64; 4] = [2_000, 3_000, 4_000, 30_000];
const ASKED_TIMES: u32 = 5;

/// Whether its sensor is to be asked now; then it has been.
pub fn is_asked(open: &mut Open, now: Now) -> bool {
    if now.millis < open.ask_at_ms || open.asked >= ASKED_TIMES {
        return false;
    }
    let wait = usize::try_from(open.asked).ok().and_then(|asked| ASKED_AFTER_MS.get(asked)).copied();
    open.asked += 1;
    open.ask_at_ms = now.millis.saturating_add(wait.unwrap_or(i64::MAX));
    true
}

impl Reflex {
    /// What was so before a restart: it is asked about, and not assumed. What was to be closed in a danger that is over is
    /// closed; sirens that nothing here wants are told to be silent.
    pub fn remember(&mut self, kept: Keep, now: Now) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for one in kept.dangers.into_iter().filter(|one| one.key.test.is_none()) {
            if self.dangers.contains_key(&one.key) || self.dangers.len() >= MOST_DANGERS {
                continue;
            }
            let wait = if one.answered { i64::MAX } else { now.millis.saturating_add(DENIED_WITHIN_MS) };
            let accepted = self.home.accepts(&one.key.place.device);
            let mut open = Open {
                since: one.since,
                hushed: one.hushed,
                left: one.hushed,
                answered: one.answered,
                carried: true,
                remembered: true,
                counts_from_ms: wait,
                ..Open::begun(one.value, accepted, now)
            };
            open.doing = self.doing(&one.key, &open);
            deeds.push(Deed::Tell(News::Began(one.key.clone(), open.clone())));
            self.dangers.insert(one.key, open);
        }
        for owed in kept.owed {
            let until = now.millis.saturating_add(OUTLIVES_MS);
            let pursuit = || Pursuit {
                outlives_until_ms: Some(until),
                ..Pursuit::begun(owed.value.clone(), owed.danger, None, now)
            };
            self.pursuits.entry(owed.place).or_insert_with(pursuit);
        }
        let is_wanted = |place: &Place| {
            let mut loud = self.dangers.iter().filter(|(key, open)| key.test.is_none() && !open.hushed);
            loud.any(|(key, open)| self.targets_of(key, open).iter().any(|target| target.place == *place))
        };
        let left: Vec<Place> = kept.sounding.into_iter().filter(|place| !is_wanted(place)).collect();
        self.quiet_soon.extend(left.into_iter().map(|place| (place, Danger::Smoke)));
        self.moved = true;
        self.settled(deeds, now)
    }

    /// A broker of others replays a danger that somebody retained there, perhaps weeks ago: people are told and the sensor is
    /// asked. It counts where the sensor's word before it was another: then it was said while nobody listened.
    pub fn replayed(&mut self, observation: &Observation, now: Now) -> Vec<Deed> {
        let Some(hazard) = observation.hazard else { return Vec::new() };
        let place = Place::new(observation.device.clone(), observation.property.clone());
        let counts = self.calm.contains(&place);
        let key = Key { danger: Danger::of(hazard), place, test: None };
        if !self.home.accepts(&key.place.device) {
            return Vec::new();
        }
        if let Some(open) = self.dangers.get_mut(&key) {
            // It is known. After a connection that broke its sensor is worth another question.
            open.ask_at_ms = open.ask_at_ms.min(now.millis);
            return self.settled(Vec::new(), now);
        }
        let one =
            Remembered { key, since: now.moment, value: observation.value.clone(), answered: !counts, hushed: false };
        self.recalled.insert(one.key.clone());
        self.remember(Keep { dangers: vec![one], ..Keep::default() }, now)
    }

    /// What sensors said last before this run was that there is no danger.
    pub fn calm(&mut self, places: impl IntoIterator<Item = Place>, now: Now) -> Vec<Deed> {
        for place in places {
            for (key, open) in self.dangers.iter_mut().filter(|(key, _)| key.place == place) {
                if open.remembered && self.recalled.contains(key) {
                    open.counts_from_ms = open.counts_from_ms.min(now.millis.saturating_add(DENIED_WITHIN_MS));
                    open.answered = false;
                    self.moved = true;
                }
            }
            let is_open = self.dangers.keys().any(|key| key.place == place && key.test.is_none());
            if !is_open {
                self.calm.insert(place);
            }
        }
        self.settled(Vec::new(), now)
    }

    /// What is to be kept over a restart.
    pub fn to_keep(&self) -> Keep {
        let kept =
            self.dangers.iter().filter(|(key, open)| key.test.is_none() && key.danger.is_reported() && open.accepted);
        let remembered = |(key, open): (&Key, &Open)| Remembered {
            key: key.clone(),
            since: open.since,
            value: open.value.clone(),
            // Before its sensor has spoken nothing is done about it, and nothing has answered it either.
            answered: open.answered || (!open.remembered && self.is_answered(key, open)),
            hushed: open.hushed,
        };
        let is_owed = |pursuit: &Pursuit| {
            pursuit.outlives_until_ms.is_some() && !(pursuit.confirmed || pursuit.is_test() || pursuit.is_siren)
        };
        let owed = self.pursuits.iter().filter(|(_, pursuit)| is_owed(pursuit)).map(|(place, pursuit)| Owed {
            place: place.clone(),
            value: pursuit.value.clone(),
            danger: pursuit.danger,
        });
        let sounds = |pursuit: &Pursuit| pursuit.is_siren && (pursuit.was_said || pursuit.quieting);
        let sounding = self.pursuits.iter().filter(|(_, pursuit)| sounds(pursuit)).map(|(place, _)| place.clone());
        Keep { dangers: kept.map(remembered).collect(), owed: owed.collect(), sounding: sounding.collect() }
    }

    fn is_answered(&self, key: &Key, open: &Open) -> bool {
        let targets = self.targets_of(key, open);
        let closes = |rule: &Rule| rule.answers.iter().any(|answer| !matches!(answer, Answer::Sirens(_)));
        // What is to be closed may not be described yet, or not accepted: then nothing is answered.
        let is_to_close = self.rules_for(key, open).any(closes);
        if targets.is_empty() || (is_to_close && targets.iter().all(|target| target.is_siren)) {
            return false;
        }
        // A siren that was hushed is no pursuit any more.
        let mut targets = targets.into_iter().filter(|target| !(open.hushed && target.is_siren));
        targets.all(|target| self.pursuits.get(&target.place).is_some_and(|pursuit| pursuit.confirmed))
    }
}
