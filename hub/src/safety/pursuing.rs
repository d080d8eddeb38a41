//! What the reflex wants of devices, and how it goes after it: begun at once, repeated, read back, let go. Pure, as the
//! reflex is, of which it is a part.

use std::collections::BTreeMap;

use domovoi_model::{Command, CommandTarget, DeviceRef, Observation, Value};

use super::danger::{Deed, Doing, Key, News, Now, Open, Pursuit};
use super::reflex::{Fulfils, Reflex};
use super::rule::{Danger, Place, Rule, Target};
use super::testing::Outcome;

/// After each try so long is waited for the device's own report.
const AGAIN_AFTER_MS: [i64; 5] = [1_000, 2_000, 5_000, 10_000, 30_000];

/// What was told already is told again at most so often, whatever is said meanwhile: the commands of eight detectors at once
/// would keep a slow radio from hearing one of them.
pub(super) const TOLD_EVERY_MS: i64 = 1_000;

/// The first word of a danger where none was goes at once, so long as there were not this many more of them than seconds:
/// nobody who is in danger waits because another danger ended a moment ago, and a probe that bounces for minutes is told of
/// once a second in the end.
const FIRST_WORDS: u32 = 3_600;

/// So long after the first word that it has not confirmed people are told that a device does not answer.
const UNANSWERED_AFTER_MS: i64 = 8_000;

/// At the second time that it has confirmed and says otherwise people are told the same: its bridge answers from memory, or
/// somebody holds it open. What then stands still for so long has done it.
const UNDONE_AT: u32 = 2;
const STEADY_AFTER_MS: i64 = 30_000;

/// One that had confirmed before is asked so soon after it was told again: many report changes only.
const ASKED_AGAIN_MS: i64 = 2_000;

/// A siren that does not confirm its silence is told so often.
const QUIET_TRIES: u32 = 5;

/// A valve that has not confirmed when its danger is over is told on for so long: a sensor that reports beginnings only is
/// «dry» after seconds, and the radio of a valve may be away for longer.
pub(super) const OUTLIVES_MS: i64 = 600_000;

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
        let Some(pursuit) = self.pursuits.get_mut(place).filter(|pursuit| pursuit.was_said) else { return };
        let is_so = fulfils(&command(place, &pursuit.value), said);
        if is_so && !pursuit.confirmed {
            (pursuit.confirmed, pursuit.confirmed_ms) = (true, now.millis);
            (pursuit.error, pursuit.accept_again) = (None, false);
            pursuit.let_go = pursuit.hushed;
            pursuit.next_ms = now.millis.saturating_add(SAID_AGAIN_MS);
            pursuit.look_ms = (!pursuit.looked_at).then(|| now.millis.saturating_add(LOOKED_AT_AGAIN_MS));
            pursuit.looked_at = true;
            pursuit.unconfirmed_ms = None;
            pursuit.unanswered &= pursuit.is_unsteady();
            deeds.push(Deed::Tell(News::Confirmed(place.clone(), pursuit.clone())));
        } else if !is_so && pursuit.confirmed && !pursuit.let_go {
            pursuit.undone = pursuit.undone.saturating_add(1);
            pursuit.begins_anew(now);
            deeds.push(Deed::Tell(News::Undone(place.clone(), pursuit.clone())));
            if pursuit.is_unsteady() && !pursuit.unanswered {
                pursuit.unanswered = true;
                deeds.push(Deed::Tell(News::Unanswered(place.clone(), pursuit.clone())));
            }
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
                    if (open.hushed && target.is_siren) || (open.left && is_done) {
                        continue;
                    }
                    let (hushed, rule) = (open.left, rule.id.clone());
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
            self.pursue(now, &mut deeds);
        }
        // Tests end before anything is told: what one of them wanted is not said in the moment in which nobody wants it.
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
        if std::mem::take(&mut self.moved) {
            self.pursue(now, &mut deeds);
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
            let is_overdue = |since: i64| now.millis.saturating_sub(since) >= UNANSWERED_AFTER_MS;
            let is_waited_for = is_reported && !pursuit.quieting && !pursuit.confirmed && !pursuit.unanswered;
            if is_waited_for && pursuit.unconfirmed_ms.is_some_and(is_overdue) {
                pursuit.unanswered = true;
                deeds.push(Deed::Tell(News::Unanswered(place.clone(), pursuit.clone())));
            }
            let stands_ms = now.millis.saturating_sub(pursuit.confirmed_ms);
            if pursuit.confirmed && pursuit.undone > 0 && stands_ms >= STEADY_AFTER_MS {
                let was_unsteady = pursuit.is_unsteady();
                (pursuit.undone, pursuit.unanswered) = (0, false);
                if was_unsteady {
                    deeds.push(Deed::Tell(News::Confirmed(place.clone(), pursuit.clone())));
                }
            }
            if pursuit.next_ms > now.millis || pursuit.let_go {
                continue;
            }
            let free_ms = self.told.get(place).map_or(i64::MIN, |told| told.saturating_add(TOLD_EVERY_MS));
            let is_first = std::mem::take(&mut pursuit.is_first);
            if now.millis < free_ms && !(is_first && may_be_first(&mut self.first_words, place, now)) {
                pursuit.next_ms = free_ms;
                continue;
            }
            if pursuit.confirmed {
                pursuit.begins_anew(now);
            }
            if pursuit.quieting && pursuit.tries >= QUIET_TRIES {
                ended.push(place.clone());
                continue;
            }
            pursuit.tries = pursuit.tries.saturating_add(1);
            pursuit.next_ms = now.millis.saturating_add(wait_ms(pursuit.tries));
            pursuit.unconfirmed_ms.get_or_insert(now.millis);
            pursuit.was_said = true;
            self.told.insert(place.clone(), now.millis);
            deeds.push(Deed::Say(command(place, &pursuit.value)));
            deeds.push(Deed::Tell(News::Said(place.clone(), pursuit.clone())));
        }
        for place in ended {
            let left = self.pursuits.remove(&place).filter(Pursuit::has_a_notice);
            deeds.extend(left.map(|pursuit| Deed::Tell(News::Ended(place, pursuit))));
        }
        deeds
    }

    /// A danger is over, or its siren is: what it has closed and nobody has confirmed is pursued on, sirens of before a
    /// restart are told to be silent, too.
    pub(super) fn release(&mut self, key: &Key, open: &Open, now: Now) {
        if key.test.is_some() {
            return;
        }
        for target in self.targets_of(key, open) {
            match self.pursuits.get_mut(&target.place) {
                Some(pursuit) if !target.is_siren && !pursuit.confirmed && pursuit.was_said => {
                    pursuit.outlives_until_ms.get_or_insert(now.millis.saturating_add(OUTLIVES_MS));
                }
                None if target.is_siren && open.carried => {
                    self.quiet_soon.insert(target.place, key.danger);
                }
                _ => {}
            }
        }
    }

    /// A danger that begins says once more what stands already, and waits for the device's word anew: somebody may have
    /// opened it by its hand wheel since it confirmed.
    pub(super) fn say_once_more(&mut self, key: &Key, open: &Open, now: Now) {
        for target in self.targets_of(key, open) {
            let Some(pursuit) = self.pursuits.get_mut(&target.place).filter(|pursuit| !pursuit.quieting) else {
                continue;
            };
            if pursuit.let_go || (pursuit.confirmed && pursuit.value == target.value) {
                pursuit.begins_anew(now);
            } else if pursuit.value == target.value {
                (pursuit.tries, pursuit.next_ms) = (0, now.millis);
            }
        }
    }

    /// A device that was away is there again, or (`None`) the way to all of them: what it has not confirmed is said now.
    pub fn is_back(&mut self, device: Option<&DeviceRef>, now: Now) -> Vec<Deed> {
        for (place, pursuit) in &mut self.pursuits {
            if !pursuit.confirmed && device.is_none_or(|device| place.device == *device) {
                pursuit.next_ms = pursuit.next_ms.min(now.millis);
            }
        }
        self.settled(Vec::new(), now)
    }

    /// Begins what is wanted and not pursued, leaves what is not wanted any more as it is, silences sirens; tells people
    /// where something else is done about a danger than they were told.
    fn pursue(&mut self, now: Now, deeds: &mut Vec<Deed>) {
        self.tell_what_is_done(deeds);
        let wanted = self.wanted();
        let mut quieted: BTreeMap<Place, Danger> = std::mem::take(&mut self.quiet_soon);
        let home = &self.home;
        self.pursuits.retain(|place, pursuit| {
            if pursuit.quieting || wanted.contains_key(place) {
                return true;
            }
            if pursuit.is_siren && pursuit.was_said {
                quieted.insert(place.clone(), pursuit.danger);
            }
            // What was a plug may be a valve by now.
            let is_pursued_on = pursuit.outlives_until_ms.is_some()
                && home.accepts(&place.device)
                && !home.opens(place, &pursuit.value);
            if !is_pursued_on && pursuit.has_a_notice() {
                deeds.push(Deed::Tell(News::Ended(place.clone(), pursuit.clone())));
            }
            is_pursued_on
        });
        for (place, danger) in quieted.into_iter().filter(|(place, _)| !wanted.contains_key(place)) {
            match self.home.quiet(&place) {
                Some(value) => {
                    let was_said = self.told.contains_key(&place);
                    let begun = Pursuit::begun(value, danger, None, now);
                    let pursuit = Pursuit { quieting: true, is_siren: true, was_said, is_first: false, ..begun };
                    self.pursuits.insert(place, pursuit);
                }
                // Its bridge describes it later.
                None if self.home.accepts(&place.device) && self.home.property(&place).is_none() => {
                    self.quiet_soon.insert(place, danger);
                }
                None => {}
            }
        }
        for (place, want) in wanted {
            let before = self.pursuits.get(&place).is_some_and(|before| before.was_said);
            let begun = Pursuit {
                is_siren: want.target.is_siren,
                hushed: want.hushed,
                was_said: before || self.told.contains_key(&place),
                ..Pursuit::begun(want.target.value, want.danger, want.test, now)
            };
            match self.pursuits.get_mut(&place) {
                Some(pursuit) if !pursuit.quieting && pursuit.value == begun.value => {
                    if pursuit.is_test() && begun.test.is_none() {
                        // Nobody was told of what a test could not do.
                        (pursuit.unanswered, pursuit.error) = (false, None);
                    }
                    (pursuit.danger, pursuit.test, pursuit.hushed) = (begun.danger, begun.test, begun.hushed);
                    pursuit.is_siren = begun.is_siren;
                    if pursuit.outlives_until_ms.take().is_some() && !pursuit.confirmed {
                        (pursuit.is_first, pursuit.next_ms) = (true, now.millis);
                    }
                    if pursuit.hushed {
                        pursuit.let_go = pursuit.confirmed;
                    } else if pursuit.let_go {
                        // Another danger wants it, and nobody knows how it stands by now.
                        pursuit.begins_anew(now);
                    }
                }
                _ => drop(self.pursuits.insert(place, begun)),
            }
        }
    }

    /// What is done about a danger, besides sirens.
    pub(super) fn doing(&self, key: &Key, open: &Open) -> Doing {
        let closed = self.targets_of(key, open).iter().filter(|target| !target.is_siren).count();
        match open.remembered {
            _ if !open.accepted => Doing::Unaccepted,
            true if open.counts_from_ms == i64::MAX && self.recalled.contains(key) => Doing::Replayed,
            true if open.counts_from_ms == i64::MAX => Doing::DoneBefore,
            _ if closed == 0 => Doing::Nothing,
            true => Doing::Asking(closed),
            false => Doing::Setting(closed),
        }
    }

    fn tell_what_is_done(&mut self, deeds: &mut Vec<Deed>) {
        let earnest = self.dangers.iter().filter(|(key, _)| key.test.is_none());
        let done: Vec<(Key, Doing)> = earnest.map(|(key, open)| (key.clone(), self.doing(key, open))).collect();
        for (key, doing) in done {
            let Some(open) = self.dangers.get_mut(&key) else { continue };
            let is_another = std::mem::discriminant(&open.doing) != std::mem::discriminant(&doing);
            open.doing = doing;
            if std::mem::take(&mut open.retold) || is_another {
                deeds.push(Deed::Tell(News::Began(key, open.clone())));
            }
        }
    }
}

impl Pursuit {
    /// It is told from the beginning again, and its word is waited for.
    fn begins_anew(&mut self, now: Now) {
        (self.confirmed, self.let_go, self.looked_at) = (false, false, false);
        (self.tries, self.next_ms, self.unconfirmed_ms) = (0, now.millis, None);
        self.unanswered &= self.is_unsteady();
        self.look_ms = Some(now.millis.saturating_add(ASKED_AGAIN_MS));
    }

    /// It confirms and undoes it again and again. A siren stops by itself.
    pub(super) fn is_unsteady(&self) -> bool {
        self.undone >= UNDONE_AT && !self.is_siren
    }

    /// Whether people were told something about it that nobody has taken back.
    fn has_a_notice(&self) -> bool {
        !self.is_test()
            && !self.quieting
            && (self.unanswered || self.error.is_some() || (self.undone > 0 && !self.confirmed))
    }
}

/// Whether there are first words left for a place; if so it is one less.
fn may_be_first(spent: &mut BTreeMap<Place, (u32, i64)>, place: &Place, now: Now) -> bool {
    let (words, since_ms) = spent.entry(place.clone()).or_insert((0, now.millis));
    let seconds = now.millis.saturating_sub(*since_ms).max(0) / TOLD_EVERY_MS;
    *words = words.saturating_sub(u32::try_from(seconds).unwrap_or(u32::MAX));
    *since_ms = since_ms.saturating_add(seconds.saturating_mul(TOLD_EVERY_MS));
    let is_left = *words < FIRST_WORDS;
    *words += u32::from(is_left);
    is_left
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
