//! How an event comes again: a rule of RFC 5545 3.3.10 without UNTIL, which stands beside it on the event's own clocks. The
//! days are found by the crate `rrule`, which is only ever told civil times, as if they were UTC: what the clocks of a
//! zone make of them is decided in `moments`.
//!
//! The crate is not trusted with a stranger's rule: one that it takes long over, or panics on, is refused.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use rrule::RRuleSet;

use super::event::{key_of, start_of};

/// The longest rule, in bytes.
const MAX_RULE: usize = 512;
const MAX_INTERVAL: u32 = 1000;
const MAX_COUNT: u32 = 10_000;
/// How many values a part of a rule has.
const MAX_VALUES: usize = 62;
/// A rule over whose first day the crate takes longer has none.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Why a rule cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It is not spelled as one.
    #[error("the rule cannot be read: {0}")]
    Unreadable(String),
    /// It asks for too much.
    #[error("{0}")]
    TooMuch(&'static str),
    /// There is no day that it means.
    #[error("the rule means no day at all")]
    Never,
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `FREQ=WEEKLY;BYDAY=MO`, without UNTIL.
    parts: String,
    frequency: Frequency,
    interval: u32,
    counted: bool,
    /// The last beginning that counts, on the event's own clocks.
    pub until: Option<DateTime>,
}

impl Rule {
    /// Reads a rule. What its UNTIL is on the event's clocks is said by `until`, which gets its spelling.
    pub fn parse(text: &str, all_day: bool, until: impl FnOnce(&str) -> Option<DateTime>) -> Result<Self, RuleError> {
        let unreadable = |why: &str| RuleError::Unreadable(why.to_owned());
        let text = text.trim();
        let text = text.strip_prefix("RRULE:").unwrap_or(text).trim_end_matches(';');
        if text.len() > MAX_RULE {
            return Err(RuleError::TooMuch("a rule has at most 512 characters"));
        }
        let mut rule = Rule {
            parts: String::with_capacity(text.len()),
            frequency: Frequency::Daily,
            interval: 1,
            counted: false,
            until: None,
        };
        let (mut seen, mut until) = (Vec::new(), Some(until));
        for part in text.split(';') {
            let (name, value) = part.split_once('=').ok_or_else(|| unreadable("a part is NAME=VALUE"))?;
            let (name, value) = (name.trim().to_ascii_uppercase(), value.trim().to_ascii_uppercase());
            if seen.contains(&name) {
                return Err(RuleError::Unreadable(format!("{name} stands twice")));
            }
            if value.split(',').count() > MAX_VALUES {
                return Err(RuleError::TooMuch("a part of a rule has at most 62 values"));
            }
            let number = |most: u32, why: &'static str| match value.parse::<u32>() {
                Ok(0) | Err(_) => Err(RuleError::Unreadable(format!("{name} is a number above zero"))),
                Ok(number) if number > most => Err(RuleError::TooMuch(why)),
                Ok(number) => Ok(number),
            };
            match name.as_str() {
                "FREQ" => rule.frequency = frequency(&value)?,
                "INTERVAL" => rule.interval = number(MAX_INTERVAL, "an interval is at most 1000")?,
                "COUNT" => {
                    number(MAX_COUNT, "a rule counts to 10000 at most")?;
                    rule.counted = true;
                }
                "UNTIL" => {
                    let read = until.take().and_then(|until| until(&value));
                    rule.until = Some(read.ok_or_else(|| unreadable("UNTIL is no date"))?);
                }
                "BYHOUR" | "BYMINUTE" | "BYSECOND" if all_day => {
                    return Err(unreadable("a whole-day event has no hours"));
                }
                "BYHOUR" | "BYMINUTE" | "BYSECOND" | "BYDAY" | "BYMONTH" | "BYMONTHDAY" | "BYYEARDAY" | "BYWEEKNO"
                | "BYSETPOS" | "WKST" => {
                    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'-' | b'+');
                    if value.is_empty() || !value.bytes().all(fits) {
                        return Err(RuleError::Unreadable(format!("{name} is no list of numbers or days")));
                    }
                }
                _ => {
                    return Err(RuleError::Unreadable(format!(
                        "{} is no part of a rule",
                        name.get(..20).unwrap_or(&name)
                    )));
                }
            }
            if name != "UNTIL" {
                let _ = write!(rule.parts, "{}{name}={value}", if rule.parts.is_empty() { "" } else { ";" });
            }
            seen.push(name);
        }
        if !seen.iter().any(|name| name == "FREQ") {
            return Err(unreadable("FREQ is missing: DAILY, WEEKLY, MONTHLY or YEARLY"));
        }
        if rule.counted && rule.until.is_some() {
            return Err(unreadable("a rule has COUNT or UNTIL, not both"));
        }
        if all_day && rule.frequency == Frequency::Hourly {
            return Err(unreadable("a whole-day event does not come hourly"));
        }
        Ok(rule)
    }

    /// Looks whether it means any day for an event that begins then, and whether the crate finds it soon.
    pub fn check(&self, first: DateTime) -> Result<(), RuleError> {
        let began = Instant::now();
        let found = self.starts(first, first, 1)?;
        if began.elapsed() > PATIENCE {
            return Err(RuleError::TooMuch("the rule takes too long to follow"));
        }
        if found.is_empty() { Err(RuleError::Never) } else { Ok(()) }
    }

    /// Its parts, without UNTIL.
    pub fn parts(&self) -> &str {
        &self.parts
    }

    /// The keys of the first `most` beginnings that are not before `from`, in order.
    pub fn starts(&self, first: DateTime, from: DateTime, most: usize) -> Result<Vec<i64>, RuleError> {
        let near = self.nearer(first, from);
        let text = format!("DTSTART:{}Z\nRRULE:{}", near.strftime("%Y%m%dT%H%M%S"), self.parts);
        let (from, until) = (key_of(from), self.until.map_or(i64::MAX, key_of));
        let find = || -> Result<Vec<i64>, RuleError> {
            let set: RRuleSet = text.parse().map_err(|error: rrule::RRuleError| {
                RuleError::Unreadable(error.to_string().chars().take(200).collect())
            })?;
            let set = set.limit();
            let keys = set.into_iter().map(|at| at.timestamp()).take_while(|key| *key <= until);
            Ok(keys.filter(|key| *key >= from).take(most).collect())
        };
        catch_unwind(AssertUnwindSafe(find)).unwrap_or(Err(RuleError::TooMuch("the rule cannot be followed")))
    }

    /// A beginning before `from` from which the rule goes on in the same step. An event that began thirty years ago and
    /// comes every hour is not counted from there.
    fn nearer(&self, first: DateTime, from: DateTime) -> DateTime {
        let step = match self.frequency {
            Frequency::Hourly => 3600,
            Frequency::Daily => 86_400,
            Frequency::Weekly => 7 * 86_400,
            Frequency::Monthly | Frequency::Yearly => return first,
        } * i64::from(self.interval);
        if self.counted {
            return first;
        }
        let behind = key_of(from).saturating_sub(key_of(first));
        let steps = (behind / step).saturating_sub(1).max(0);
        start_of(key_of(first).saturating_add(steps.saturating_mul(step))).unwrap_or(first)
    }

    /// The rule as other calendars read it; `until` spells its end.
    pub fn spelled(&self, until: impl FnOnce(DateTime) -> String) -> String {
        match self.until {
            Some(end) => format!("{};UNTIL={}", self.parts, until(end)),
            None => self.parts.clone(),
        }
    }
}

fn frequency(text: &str) -> Result<Frequency, RuleError> {
    match text {
        "HOURLY" => Ok(Frequency::Hourly),
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "MINUTELY" | "SECONDLY" => Err(RuleError::TooMuch("an event comes again every hour at the oftenest")),
        _ => Err(RuleError::Unreadable("FREQ is DAILY, WEEKLY, MONTHLY, YEARLY or HOURLY".to_owned())),
    }
}
