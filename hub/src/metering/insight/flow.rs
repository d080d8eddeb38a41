//! Whether water rests: a register that never stands still for long, day and night, is a cistern that leaks, not a family.
//! Between two values it is not known when the register moved, so a rest is as long as it can have been: only what is
//! certain makes a suspicion. Pure.

use domovoi_model::Timestamp;
use rust_decimal::Decimal;

use super::days::HOUR;

/// What a register showed at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: Decimal,
}

/// How water flowed in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// For how long the register was heard: from the first value to the last.
    pub heard_millis: i64,
    /// How long it can have rested at a stretch, at the most.
    pub longest_rest_millis: i64,
    /// What flowed.
    pub used: Decimal,
    /// How many rises were seen.
    pub rises: usize,
}

/// Looks at values in `from <= at <= to`, in the order of time. A value below the last one begins anew.
pub fn flow(shown: &[Shown], from: Timestamp, to: Timestamp) -> Flow {
    let within: Vec<&Shown> = shown.iter().filter(|shown| shown.at >= from && shown.at <= to).collect();
    let mut flow = Flow { heard_millis: 0, longest_rest_millis: 0, used: Decimal::ZERO, rises: 0 };
    let (Some(first), Some(last)) = (within.first(), within.last()) else { return flow };
    flow.heard_millis = last.at.0 - first.at.0;
    // The earliest instant at which the last rise can have been over.
    let mut rested_since = first.at;
    for pair in within.windows(2) {
        let [before, after] = pair else { continue };
        if after.value > before.value {
            flow.longest_rest_millis = flow.longest_rest_millis.max(after.at.0 - rested_since.0);
            rested_since = before.at;
            flow.used += after.value - before.value;
            flow.rises += 1;
        } else if after.value < before.value {
            // Nobody knows what it did meanwhile: it may have rested.
            flow.longest_rest_millis = flow.longest_rest_millis.max(after.at.0 - rested_since.0);
            rested_since = before.at;
        }
    }
    flow.longest_rest_millis = flow.longest_rest_millis.max(last.at.0 - rested_since.0);
    flow
}

/// When water is suspected to leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeakRules {
    /// It is looked at so many hours,
    pub watch_hours: i64,
    /// in which water must rest once for so many minutes.
    pub rest_minutes: i64,
    /// In each of so many nights
    pub nights: usize,
    /// more than this flowed between 01:00 and 05:00, m³.
    pub night_least: Decimal,
    /// Nobody is at home for at least so many hours, and it never rests.
    pub away_hours: i64,
}

impl Default for LeakRules {
    fn default() -> Self {
        LeakRules { watch_hours: 24, rest_minutes: 60, nights: 3, night_least: Decimal::new(2, 2), away_hours: 3 }
    }
}

/// Why a leak is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leak {
    /// It did not rest for a whole watch.
    NeverRests {
        /// For how many hours it was watched.
        hours: i64,
        /// What flowed meanwhile.
        used: Decimal,
    },
    /// It flowed in every one of the last nights.
    Nights {
        /// How many.
        nights: usize,
        /// What flowed in the quietest of them.
        least: Decimal,
    },
    /// Nobody is at home, and it flows on.
    NobodyHome {
        /// For how many hours.
        hours: i64,
        /// What flowed meanwhile.
        used: Decimal,
    },
}

impl Leak {
    /// `never_rests`, `nights`, `nobody_home`.
    pub fn code(&self) -> &'static str {
        match self {
            Leak::NeverRests { .. } => "never_rests",
            Leak::Nights { .. } => "nights",
            Leak::NobodyHome { .. } => "nobody_home",
        }
    }
}

/// What is suspected at `now`. `nights`: begin and end of the last nights, newest first. `away_since`: since when nobody is
/// at home, if that is known.
pub fn leak(
    shown: &[Shown],
    now: Timestamp,
    nights: &[(Timestamp, Timestamp)],
    away_since: Option<Timestamp>,
    rules: &LeakRules,
) -> Option<Leak> {
    let rest = rules.rest_minutes * 60_000;
    let flows_all_of = |from: Timestamp| {
        let seen = flow(shown, from, now);
        // The ends of the watch may be unheard for as long as a rest.
        let heard = seen.heard_millis + rest >= now.0 - from.0;
        (heard && seen.rises >= 2 && seen.longest_rest_millis < rest).then_some(seen.used)
    };
    if let Some(since) = away_since
        && now.0 - since.0 >= rules.away_hours * HOUR
        && let Some(used) = flows_all_of(since)
    {
        return Some(Leak::NobodyHome { hours: (now.0 - since.0) / HOUR, used });
    }
    if let Some(used) = flows_all_of(now.plus_millis(-rules.watch_hours * HOUR)) {
        return Some(Leak::NeverRests { hours: rules.watch_hours, used });
    }
    let last: Vec<Decimal> = nights
        .iter()
        .take(rules.nights)
        .map(|(from, to)| flow(shown, *from, *to))
        // Two rises at least: one pulse may be the tap of the evening.
        .filter(|seen| seen.rises >= 2 && seen.used >= rules.night_least)
        .map(|seen| seen.used)
        .collect();
    let least = last.iter().min().copied().unwrap_or_default();
    (rules.nights > 0 && last.len() == rules.nights).then_some(Leak::Nights { nights: rules.nights, least })
}
