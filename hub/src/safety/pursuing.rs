//! What the reflex wants of devices, and how it goes after it: begun at once, repeated, read back, let go. Pure, as the
//! reflex is, of which it is a part.

use std::collections::BTreeMap;

use domovoi_model::{Command, CommandTarget, Observation, Value};

use super::danger::{Deed, Key, News, Now, Open, Pursuit};
use super::reflex::{Fulfils, Reflex};
use super::rule::{Danger, Place, Rule, Target};
use super::testing::Outcome;

/// After each try so long is waited for the device's own report.
const AGAIN_AFTER_MS: [i64; 5] = [1_000, 2_000, 5_000, 10_000, 30_000];

/// At this try people are told that a device does not answer: eight seconds after the first.
const UNANSWERED_AT: u32 = 4;

/// A siren that does not confirm its silence is told so often.
const QUIET_TRIES: u32 = 5;

/// A valve that has not confirmed when its danger is over is told on for so long: a sensor that reports beginnings only is
/// «dry» after seconds, and the radio of a valve may be away for longer.
const OUTLIVES_MS: i64 = 600_000;

/// What cannot confirm anything is told so often after its danger, so that one lost message is not all there was.
const OUTLIVES_TRIES: u32 = 4;

/// So long after it has confirmed a device is asked once more: bridges answer from their memory what a valve then does not
/// do (Zigbee2MQTT with `optimistic`, its default).
const LOOKED_AT_AGAIN_MS: i64 = 5_000;

/// What has confirmed is said again so often while the danger lasts: a valve has a hand wheel that reports nothing.
const SAID_AGAIN_MS: i64 = 3_600_000;

#[derive(Debug, Clone, PartialEq)]
struct Want {
    target: Target,
    danger: Danger,
    /// Only a test wants it.
    test: Option<u64>,
    /// Somebody has heard enough of every danger that wants it.
    hushed: bool,
    rule: String,
}

impl Reflex {
    /// A device's own report, about something that it was told.
    pub(super) fn confirm(
        &mut self,
        place: &Place,
        said: &Observation,
        now: Now,
        fulfils: Fulfils<'_>,
        deeds: &mut Vec<Deed>,
    ) {
        let Some(pursuit) = self.pursuits.get_mut(place).filter(|pursuit| pursuit.tries > 0) else { return };
        let is_so = fulfils(&command(place, &pursuit.value), said);
        if is_so && !pursuit.confirmed {
            pursuit.confirmed = true;
            pursuit.error = None;
            pursuit.let_go = pursuit.hushed;
            pursuit.next_ms = now.millis.saturating_add(SAID_AGAIN_MS);
            pursuit.look_ms = (!pursuit.looked_at).then(|| now.millis.saturating_add(LOOKED_AT_AGAIN_MS));
            pursuit.looked_at = true;
            deeds.push(Deed::Tell(News::Confirmed(place.clone(), pursuit.clone())));
        } else if !is_so && pursuit.confirmed && !pursuit.let_go {
            pursuit.confirmed = false;
            pursuit.next_ms = now.millis.saturating_add(wait_ms(1));
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

    /// What the rules of a danger set.
    pub(super) fn targets_of(&self, key: &Key, open: &Open) -> Vec<Target> {
        self.rules_for(key, open).flat_map(|rule| rule.targets(&self.home)).collect()
    }

    /// What is wanted now. Earnest prevails over tests, what nobody has hushed over what somebody has, the graver danger over
    /// the lesser, the rule that sorts first over the other: no order of arrival is in it.
    fn wanted(&self) -> BTreeMap<Place, Want> {
        let mut wanted: BTreeMap<Place, Want> = BTreeMap::new();
        let acting = self.dangers.iter().filter(|(_, open)| open.accepted && !open.remembered);
        for (key, open) in acting {
            for rule in self.rules_for(key, open) {
                for target in rule.targets(&self.home) {
                    // Whoever hushes a danger wants quiet, and has its water back when he opens the valve again: what was
                    // not closed yet is closed all the same.
                    let is_done = open.answered && !self.pursuits.contains_key(&target.place);
                    if open.hushed && (target.is_siren || is_done) {
                        continue;
                    }
                    let (hushed, rule) = (open.hushed, rule.id.clone());
                    let want = Want { target, danger: key.danger, test: key.test, hushed, rule };
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
            let is_reported = self.home.property(place).is_none_or(|info| info.reported);
            let is_late = match pursuit.outlives_until_ms {
                Some(until) => now.millis >= until || (!is_reported && pursuit.tries >= OUTLIVES_TRIES),
                None => false,
            };
            let is_over = pursuit.quieting || pursuit.outlives_until_ms.is_some();
            if (pursuit.confirmed && is_over) || is_late {
                ended.push(place.clone());
                continue;
            }
            if pursuit.look_ms.is_some_and(|at| now.millis >= at) {
                pursuit.look_ms = None;
                deeds.push(Deed::Ask(place.device.clone()));
            }
            if pursuit.next_ms > now.millis || pursuit.let_go {
                continue;
            }
            if pursuit.confirmed {
                pursuit.next_ms = now.millis.saturating_add(SAID_AGAIN_MS);
                deeds.push(Deed::Say(command(place, &pursuit.value)));
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

    /// A danger is over, or its siren is: what it has closed and nobody has confirmed is pursued on, sirens of before a
    /// restart are told to be silent, too.
    pub(super) fn release(&mut self, key: &Key, open: &Open, now: Now) {
        if key.test.is_some() {
            return;
        }
        for target in self.targets_of(key, open) {
            match self.pursuits.get_mut(&target.place) {
                Some(pursuit) if !target.is_siren && !pursuit.confirmed && pursuit.tries > 0 => {
                    pursuit.outlives_until_ms.get_or_insert(now.millis.saturating_add(OUTLIVES_MS));
                }
                None if target.is_siren && open.carried => {
                    self.quiet_soon.insert(target.place, key.danger);
                }
                _ => {}
            }
        }
    }

    /// A danger that begins says once more what stands already: somebody may have opened it by hand since.
    pub(super) fn say_once_more(&mut self, key: &Key, open: &Open, now: Now) {
        for target in self.targets_of(key, open) {
            if let Some(pursuit) = self.pursuits.get_mut(&target.place).filter(|pursuit| !pursuit.quieting) {
                if pursuit.let_go {
                    (pursuit.confirmed, pursuit.let_go, pursuit.tries) = (false, false, 0);
                }
                if pursuit.value == target.value {
                    pursuit.next_ms = now.millis;
                }
            }
        }
    }

    /// Begins what is wanted and not pursued, leaves what is not wanted any more as it is, silences sirens.
    fn pursue(&mut self, now: Now) {
        let wanted = self.wanted();
        let mut quieted: BTreeMap<Place, Danger> = std::mem::take(&mut self.quiet_soon);
        let home = &self.home;
        self.pursuits.retain(|place, pursuit| {
            if pursuit.quieting || wanted.contains_key(place) {
                return true;
            }
            if pursuit.is_siren && pursuit.tries > 0 {
                quieted.insert(place.clone(), pursuit.danger);
            }
            pursuit.outlives_until_ms.is_some() && home.accepts(&place.device)
        });
        for (place, danger) in quieted.into_iter().filter(|(place, _)| !wanted.contains_key(place)) {
            if let Some(value) = self.home.quiet(&place) {
                let pursuit = Pursuit { quieting: true, is_siren: true, ..Pursuit::begun(value, danger, None, now) };
                self.pursuits.insert(place, pursuit);
            }
        }
        for (place, want) in wanted {
            let begun = Pursuit {
                is_siren: want.target.is_siren,
                hushed: want.hushed,
                ..Pursuit::begun(want.target.value, want.danger, want.test, now)
            };
            match self.pursuits.get_mut(&place) {
                Some(pursuit) if !pursuit.quieting && pursuit.value == begun.value => {
                    (pursuit.danger, pursuit.test, pursuit.hushed) = (begun.danger, begun.test, begun.hushed);
                    pursuit.outlives_until_ms = None;
                    if pursuit.hushed {
                        pursuit.let_go = pursuit.confirmed;
                    } else if pursuit.let_go {
                        // Another danger wants it, and nobody knows how it stands by now.
                        (pursuit.confirmed, pursuit.let_go) = (false, false);
                        (pursuit.tries, pursuit.next_ms) = (0, now.millis);
                    }
                }
                _ => drop(self.pursuits.insert(place, begun)),
            }
        }
    }
}

fn rank(want: &Want) -> (bool, bool, Danger, &str) {
    (want.test.is_some(), want.hushed, want.danger, &want.rule)
}

fn wait_ms(tries: u32) -> i64 {
    let at = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    AGAIN_AFTER_MS.get(at).or(AGAIN_AFTER_MS.last()).copied().unwrap_or(30_000)
}

fn command(place: &Place, value: &Value) -> Command {
    let target = CommandTarget { device: place.device.clone(), property: place.property.clone() };
    Command { target, value: value.clone() }
}
