//! When the clock begins something: which moments a trigger means on the home's clocks, which of them were missed, and what
//! is made up for. Pure.
//!
//! The nights on which clocks change, as in the calendar: a time that the clocks leave out is as much later as they are put
//! forward (02:30 becomes 03:30), and one that comes twice is the first of the two. So each time of the day is once a day.

use domovoi_model::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::plan::{CatchUp, Trigger, When};
use super::world::{World, falls_on, local};

/// What is this late is on time: the hub may have been busy, its sleep is up to a minute.
const ON_TIME_MILLIS: i64 = 90_000;

/// How far ahead a day is looked for: the 29th of a February that is a Sunday is not.
const DAYS_AHEAD: usize = 800;

/// How many missed moments are made up for at once.
const MOST: usize = 100;

/// A clock that is put back by more begins its day anew; by less it was corrected, and nothing happens twice.
const CORRECTED_MILLIS: i64 = 30 * 60_000;

/// The first moment after `after` that a trigger means; `None`: there is none, or nobody knows.
pub fn next_after(when: &When, after: Timestamp, world: &dyn World) -> Option<Timestamp> {
    let zone = world.zone();
    let days = match when {
        When::Time { days, .. } | When::Every { days, .. } | When::Sun { days, .. } => days,
        _ => return None,
    };
    let mut day = local(after, zone)?.date();
    if matches!(when, When::Sun { .. }) {
        // With an offset it may be on the next day already.
        day = day.yesterday().ok()?;
    }
    for _ in 0..DAYS_AHEAD {
        if falls_on(days, day)
            && let Some(at) = first_on(when, day, after, world, zone)
        {
            return Some(at);
        }
        day = day.tomorrow().ok()?;
    }
    None
}

fn first_on(when: &When, day: Date, after: Timestamp, world: &dyn World, zone: &TimeZone) -> Option<Timestamp> {
    match when {
        When::Time { at, .. } => {
            // In the order of the moments, not of the clock's hands: a time that was left out comes later.
            at.iter().filter_map(|time| moment(DateTime::from_parts(day, *time), zone)).filter(|at| *at > after).min()
        }
        When::Every { seconds, .. } => {
            let begin = moment(DateTime::from_parts(day, Time::midnight()), zone)?;
            let end = moment(DateTime::from_parts(day.tomorrow().ok()?, Time::midnight()), zone)?;
            let step = i64::from(*seconds) * 1000;
            let turns = if after < begin { 0 } else { (after.0 - begin.0) / step + 1 };
            let at = Timestamp(begin.0.checked_add(turns.checked_mul(step)?)?);
            (at < end).then_some(at)
        }
        When::Sun { event, offset_minutes, .. } => {
            let at = world.sun(*event, day)?.plus_millis(i64::from(*offset_minutes) * 60_000);
            (at > after).then_some(at)
        }
        _ => None,
    }
}

/// The moment of a time on the home's clocks.
fn moment(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    // jiff's «compatible» is RFC 5545 3.3.5.
    Some(Timestamp(at.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()))
}

/// What a trigger of the clock comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Followed {
    /// The moments that begin something, in order.
    pub begins: Vec<Timestamp>,
    /// How many are not made up for.
    pub missed: u32,
    /// How far the clock was followed.
    pub to: Timestamp,
    /// When it is next.
    pub next: Option<Timestamp>,
}

/// Follows the clock from where it was followed to.
pub fn follow(trigger: &Trigger, followed: Timestamp, now: Timestamp, world: &dyn World) -> Followed {
    // A clock that ran ahead and was put right: what it did ahead of time happens again at its time.
    let followed = if followed.0 > now.0.saturating_add(CORRECTED_MILLIS) { now } else { followed };
    // What is further back than anything that is made up for is not looked at, however often it was.
    let reach = i64::from(trigger.max_age_s) * 1000 + ON_TIME_MILLIS;
    let mut missed = 0;
    let mut at = followed;
    if now.0.saturating_sub(followed.0) > reach {
        let first = next_after(&trigger.when, followed, world);
        at = Timestamp(now.0.saturating_sub(reach));
        missed += u32::from(first.is_some_and(|first| first <= at));
    }
    let mut moments: Vec<Timestamp> = Vec::new();
    let mut next = next_after(&trigger.when, at, world);
    while let Some(one) = next.filter(|one| *one <= now) {
        if moments.len() >= MOST {
            moments.remove(0);
            missed += 1;
        }
        moments.push(one);
        next = next_after(&trigger.when, one, world);
    }
    let to = moments.last().copied().unwrap_or(followed).max(if missed > 0 { at } else { followed });
    let age = |one: &Timestamp| now.0.saturating_sub(one.0);
    let max_age = i64::from(trigger.max_age_s) * 1000;
    let on_time = |one: &Timestamp| age(one) <= ON_TIME_MILLIS;
    let begins: Vec<Timestamp> = match trigger.catch_up {
        CatchUp::Skip => moments.last().copied().filter(on_time).into_iter().collect(),
        CatchUp::Once => {
            moments.last().copied().filter(|one| on_time(one) || age(one) <= max_age).into_iter().collect()
        }
        CatchUp::All => moments.iter().copied().filter(|one| on_time(one) || age(one) <= max_age).collect(),
    };
    missed += u32::try_from(moments.len() - begins.len()).unwrap_or(u32::MAX);
    Followed { begins, missed, to, next }
}
