//! A device that gets its real id in the middle of a danger: everything that is known of it goes on under the new one. Pure,
//! as the reflex is, of which it is a part. Whoever keeps rules on the disk keeps them under the new id.

use std::collections::BTreeMap;
use std::sync::Arc;

use domovoi_model::DeviceRef;

use super::danger::{Deed, Key, Now};
use super::home::Home;
use super::reflex::Reflex;
use super::rule::{Answer, Place, Rule, Sensors};

/// So many are remembered until the home says the same.
const MOST: usize = 1024;

/// The rule under the new id; `None` if it does not name the old one.
pub fn renamed(rule: &Rule, before: &DeviceRef, after: &DeviceRef) -> Option<Rule> {
    if !rule.named().any(|device| device == before) {
        return None;
    }
    let moved = |place: &Place| {
        if place.device == *before { Place::new(after.clone(), place.property.clone()) } else { place.clone() }
    };
    let sensors = match &rule.sensors {
        Sensors::These(places) => Sensors::These(places.iter().map(moved).collect()),
        other => other.clone(),
    };
    let answer = |answer: &Answer| match answer {
        Answer::Set(place, value) => Answer::Set(moved(place), value.clone()),
        other => other.clone(),
    };
    Some(Rule { sensors, answers: rule.answers.iter().map(answer).collect(), ..rule.clone() })
}

impl Reflex {
    /// A device is known by another id from now on.
    pub fn is_renamed(&mut self, before: &DeviceRef, after: &DeviceRef, now: Now) -> Vec<Deed> {
        let moved = |place: &Place| Place::new(after.clone(), place.property.clone());
        let is_old = |place: &Place| place.device == *before;
        let keys: Vec<Key> = self.dangers.keys().filter(|key| is_old(&key.place)).cloned().collect();
        for key in keys {
            let new = Key { place: moved(&key.place), ..key.clone() };
            if let Some(open) = self.dangers.remove(&key) {
                // What it has said under its own id already is newer.
                self.dangers.entry(new.clone()).or_insert(open);
            }
            if self.recalled.remove(&key) {
                self.recalled.insert(new);
            }
        }
        let places: Vec<Place> = self.pursuits.keys().filter(|place| is_old(place)).cloned().collect();
        for place in places {
            if let Some(pursuit) = self.pursuits.remove(&place) {
                self.pursuits.entry(moved(&place)).or_insert(pursuit);
            }
        }
        for place in self.calm.iter().filter(|place| is_old(place)).cloned().collect::<Vec<_>>() {
            self.calm.remove(&place);
            self.calm.insert(moved(&place));
        }
        for place in self.quiet_soon.keys().filter(|place| is_old(place)).cloned().collect::<Vec<_>>() {
            if let Some(danger) = self.quiet_soon.remove(&place) {
                self.quiet_soon.insert(moved(&place), danger);
            }
        }
        if let Some(heard) = self.heard.remove(before) {
            let newest = self.heard.get(after).map_or(heard, |other| heard.max(*other));
            self.heard.insert(after.clone(), newest);
        }
        for rule in &mut self.rules {
            if let Some(new) = renamed(rule, before, after) {
                *rule = new;
            }
        }
        if self.renamed.len() < MOST {
            self.renamed.insert(before.clone(), after.clone());
        }
        self.home = self.with_new_names(Arc::clone(&self.home));
        self.moved = true;
        self.settled(Vec::new(), now)
    }

    /// A picture of the home that was made before is read as if it had been made after.
    pub(super) fn with_new_names(&mut self, home: Arc<Home>) -> Arc<Home> {
        let stale: BTreeMap<&DeviceRef, &DeviceRef> = self
            .renamed
            .iter()
            .filter(|(before, after)| home.find(before).is_some() && home.find(after).is_none())
            .collect();
        if stale.is_empty() {
            return home;
        }
        let mut devices = home.devices().to_vec();
        for device in &mut devices {
            if let Some(after) = stale.get(&device.device) {
                device.device = (*after).clone();
            }
        }
        Arc::new(Home::new(devices))
    }
}
