//! What need not be recorded: by the owner's rules, values that are as good as the one before. Off unless a rule of the
//! settings speaks of a property, and never for a register or a hazard.
//!
//! What is left out stands on what was recorded: it is acknowledged once that is durable, and recorded after all if that
//! was not kept. Nothing here decides what a value means.

use std::time::Duration;

use domovoi_config::SiftRule;
use domovoi_model::{DeviceRef, Observation, Quality, Unit, Value};
use rust_decimal::Decimal;
use tokio::time::Instant;

use super::commit::{Offered, standing};

/// Properties that are hazards, and are written whatever a rule says: when a leak sensor last said that all is dry is worth
/// knowing.
const HAZARDS: [&str; 4] = ["water_leak", "gas", "smoke", "carbon_monoxide"];

/// A rule as it is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    deadband: Option<Decimal>,
    change_only: bool,
    at_least_every: Duration,
}

/// All rules; the first that fits counts.
#[derive(Debug, Default)]
pub struct Sieve(Vec<(Pattern, Pattern, Rule)>);

impl Sieve {
    /// From the settings.
    pub fn new(rules: &[SiftRule]) -> Self {
        let rule = |rule: &SiftRule| {
            let applied =
                Rule { deadband: rule.deadband, change_only: rule.change_only, at_least_every: rule.at_least_every };
            (Pattern(rule.device.clone()), Pattern(rule.property.clone()), applied)
        };
        Sieve(rules.iter().map(rule).collect())
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule that speaks of a property. Asked once for each.
    pub fn rule_for(&self, device: &DeviceRef, property: &str) -> Option<Rule> {
        if self.0.is_empty() || HAZARDS.contains(&property) {
            return None;
        }
        let device = device.to_string();
        let fits = |(of, named, _): &&(Pattern, Pattern, Rule)| of.fits(&device) && named.fits(property);
        self.0.iter().find(fits).map(|(_, _, rule)| *rule)
    }
}

/// A text in which `*` stands for anything.
#[derive(Debug)]
struct Pattern(String);

impl Pattern {
    fn fits(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        true
    }
}

/// What is remembered of a property of which a rule speaks.
#[derive(Debug)]
pub struct Sifted {
    rule: Rule,
    last: Option<Last>,
}

/// What was recorded last.
#[derive(Debug)]
struct Last {
    value: Value,
    unit: Unit,
    quality: Quality,
    at: Instant,
    offered: Offered,
}

impl Sifted {
    /// Nothing was recorded yet.
    pub fn new(rule: Rule) -> Self {
        Sifted { rule, last: None }
    }

    /// What an observation stands on, if it need not be recorded. Registers are not asked about here.
    pub fn stands_on(&self, observation: &Observation, now: Instant) -> Option<Offered> {
        let last = self.last.as_ref()?;
        let due = now.saturating_duration_since(last.at) >= self.rule.at_least_every;
        let another = last.unit != observation.unit || last.quality != observation.quality;
        if observation.hazard.is_some() || due || another || !self.rule.is_as_good(&last.value, &observation.value) {
            return None;
        }
        // What was not kept carries nothing.
        (!matches!(standing(&last.offered), Some(Err(_)))).then(|| last.offered.clone())
    }

    /// Nothing was recorded that counts any more.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Takes note of what is recorded.
    pub fn recorded(&mut self, observation: &Observation, now: Instant, offered: &Offered) {
        let Observation { value, unit, quality, .. } = observation;
        let (value, quality, offered) = (value.clone(), quality.clone(), offered.clone());
        self.last = Some(Last { value, unit: *unit, quality, at: now, offered });
    }
}

impl Rule {
    fn is_as_good(&self, last: &Value, now: &Value) -> bool {
        match (last, now, self.deadband) {
            (Value::Number(last), Value::Number(now), Some(deadband)) => {
                // Too far apart for a decimal is far apart.
                now.checked_sub(*last).is_some_and(|step| step.abs() < deadband || (self.change_only && step.is_zero()))
            }
            _ => self.change_only && last == now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(deadband: Option<i64>, change_only: bool) -> Rule {
        let deadband = deadband.map(|tenths| Decimal::new(tenths, 1));
        Rule { deadband, change_only, at_least_every: Duration::from_secs(3600) }
    }

    #[test]
    fn a_pattern_fits_what_it_names() {
        for (pattern, text, fits) in [
            ("tasmota:plug", "tasmota:plug", true),
            ("tasmota:plug", "tasmota:plug2", false),
            ("tasmota:*", "tasmota:plug", true),
            ("*", "", true),
            ("*_power", "tv_power", true),
            ("*_power", "power", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(Pattern(pattern.into()).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_step_below_the_band_is_as_good_as_none() {
        let number = |tenths: i64| Value::Number(Decimal::new(tenths, 1));
        for (rule, last, now, same) in [
            (rule(Some(5), false), number(200), number(204), true),
            (rule(Some(5), false), number(200), number(195), false),
            (rule(Some(5), false), Value::Bool(true), Value::Bool(true), false),
            (rule(Some(5), true), Value::Bool(true), Value::Bool(true), true),
            (rule(None, true), number(200), number(200), true),
            (rule(None, true), number(200), number(201), false),
            (rule(None, true), Value::Text("a".into()), Value::Text("a".into()), true),
            (rule(None, true), Value::Text("1".into()), number(10), false),
            (rule(Some(0), false), number(1), number(1), false),
            (rule(Some(5), false), Value::Number(Decimal::MAX), Value::Number(Decimal::MIN), false),
        ] {
            assert_eq!(rule.is_as_good(&last, &now), same, "{rule:?} {last} {now}");
        }
    }

    #[test]
    fn hazards_are_beyond_every_rule() {
        let all = SiftRule {
            device: "*".into(),
            property: "*".into(),
            deadband: None,
            change_only: true,
            at_least_every: Duration::from_secs(60),
        };
        let sieve = Sieve::new(&[all]);
        let device = DeviceRef::new("zigbee2mqtt", "0x1");
        assert!(sieve.rule_for(&device, "power").is_some());
        assert!(sieve.rule_for(&device, "water_leak").is_none());
        assert!(Sieve::default().rule_for(&device, "power").is_none());
    }
}
