//! What the reflex watches: which properties it has to feel; and what no sensor tells by itself, cold below a bound and the
//! silence of a sensor. Pure, like the rest of it.

use std::collections::{BTreeSet, HashMap};

use domovoi_model::{DeviceRef, Observation, Unit, Value};
use rust_decimal::Decimal;

use super::danger::{Deed, Key, Now, Why};
use super::reflex::Reflex;
use super::rule::{Danger, Place, Rule, Sensors};

/// A sensor that its bridge cannot reach so long counts as silent.
const UNREACHED_MS: i64 = 600_000;

/// After a start every sensor is given so long to be heard, or less where its rule is stricter.
const START_GRACE_MS: i64 = 3_600_000;

/// What thermometers say when they mean that they cannot measure: -127 °C (DS18B20), -327.68 °C (ZCL 4.4.2.2.1: 0x8000).
const NO_TEMPERATURE: i64 = -60;

impl Reflex {
    /// What has to be felt of each accepted device: its sensors' properties, thermometers with a bound.
    pub fn concerns(&self) -> HashMap<DeviceRef, BTreeSet<String>> {
        let mut concerns: HashMap<DeviceRef, BTreeSet<String>> = HashMap::new();
        let is_cold_watched = |place: &Place| self.rules.iter().any(|rule| self.bounds_cold(rule, place));
        for device in self.home.devices().iter().filter(|device| device.accepted) {
            let of_device = concerns.entry(device.device.clone()).or_default();
            for property in &device.properties {
                let place = Place::new(device.device.clone(), property.name.clone());
                if property.hazard.is_some() || (is_temperature(property.unit) && is_cold_watched(&place)) {
                    of_device.insert(property.name.clone());
                }
            }
        }
        concerns
    }

    /// The same for a while: what is being set, and who told of dangers.
    pub fn concerns_now(&self) -> BTreeSet<Place> {
        self.dangers.keys().map(|key| &key.place).chain(self.pursuits.keys()).cloned().collect()
    }

    /// Whether a rule has a bound of cold for this property.
    pub(super) fn bounds_cold(&self, rule: &Rule, place: &Place) -> bool {
        let named = |named: &Place| named == place;
        let by_name = matches!(&rule.sensors, Sensors::These(all) if all.iter().any(named));
        let measures = || {
            let info = self.home.property(place);
            info.is_some_and(|info| info.class.as_deref() == Some("temperature") && !info.writable)
        };
        rule.is_on && rule.danger == Danger::Freezing && rule.hears(place, &self.home) && (by_name || measures())
    }

    /// A temperature was said.
    pub(super) fn feel_cold(&mut self, place: &Place, observation: &Observation, now: Now, deeds: &mut Vec<Deed>) {
        let Value::Number(degrees) = &observation.value else { return };
        let Some(degrees) = celsius(*degrees, observation.unit) else { return };
        if degrees <= Decimal::from(NO_TEMPERATURE) {
            return;
        }
        let bound = self.rules.iter().filter(|rule| self.bounds_cold(rule, place)).filter_map(|rule| rule.below).max();
        let key = Key { danger: Danger::Freezing, place: place.clone(), test: None };
        match bound {
            Some(bound) if degrees <= bound => {
                self.begin(Danger::Freezing, place.clone(), &observation.value, now, deeds);
                if let Some(open) = self.dangers.get_mut(&key) {
                    let lowest = open.lowest.map_or(degrees, |lowest| lowest.min(degrees));
                    self.moved |= open.lowest != Some(lowest);
                    open.lowest = Some(lowest);
                }
            }
            // A degree above, so that a heater that is just enough does not make the alert come and go.
            Some(bound) if degrees < bound.saturating_add(Decimal::ONE) => {}
            _ => self.end(&key, Why::Said, now, deeds),
        }
    }

    /// Who has been silent for too long, and who is not any more.
    pub(super) fn look_for_silence(&mut self, now: Now, deeds: &mut Vec<Deed>) {
        let rules: Vec<Rule> =
            self.rules.iter().filter(|rule| rule.is_on && rule.danger == Danger::Silence).cloned().collect();
        let started = self.started_ms.unwrap_or(now.millis);
        let mut silent = BTreeSet::new();
        for device in self.home.devices() {
            let place = Place::new(device.device.clone(), "");
            let named = |rule: &Rule| matches!(rule.sensors, Sensors::These(_));
            let hearing =
                rules.iter().filter(|rule| rule.hears(&place, &self.home) && (named(rule) || device.is_sensor()));
            let Some(after) = hearing.map(Rule::silent_after_ms).min() else { continue };
            let quiet = self.heard.get(&device.device).map_or(0, |heard| now.millis.saturating_sub(*heard));
            let unreached = self.unreached.get(&device.device).map_or(0, |since| now.millis.saturating_sub(*since));
            let is_settled = now.millis.saturating_sub(started) >= after.min(START_GRACE_MS);
            if (quiet >= after && is_settled) || unreached >= UNREACHED_MS {
                silent.insert(place);
            }
        }
        let open = self.dangers.keys().filter(|key| key.danger == Danger::Silence && key.test.is_none());
        let over: Vec<Key> = open.filter(|key| !silent.contains(&key.place)).cloned().collect();
        over.iter().for_each(|key| self.end(key, Why::Said, now, deeds));
        for place in silent {
            let key = Key { danger: Danger::Silence, place, test: None };
            if !self.dangers.contains_key(&key) {
                self.begin(Danger::Silence, key.place, &Value::Bool(true), now, deeds);
            }
        }
        // A bound of cold may have gone with its rule.
        let cold = self.dangers.keys().filter(|key| key.danger == Danger::Freezing && key.test.is_none());
        let is_bound = |key: &&Key| self.rules.iter().any(|rule| self.bounds_cold(rule, &key.place));
        let unbound: Vec<Key> = cold.filter(|key| !is_bound(key)).cloned().collect();
        unbound.iter().for_each(|key| self.end(key, Why::TakenAway, now, deeds));
    }
}

fn is_temperature(unit: Unit) -> bool {
    matches!(unit, Unit::Celsius | Unit::Fahrenheit)
}

fn celsius(degrees: Decimal, unit: Unit) -> Option<Decimal> {
    match unit {
        Unit::Celsius => Some(degrees),
        // °F = °C × 9/5 + 32
        Unit::Fahrenheit => {
            degrees.checked_sub(Decimal::from(32))?.checked_mul(Decimal::from(5))?.checked_div(Decimal::from(9))
        }
        _ => None,
    }
}
