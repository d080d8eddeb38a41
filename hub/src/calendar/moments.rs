//! When the occurrences of an event are: which beginnings its rule means, what the clocks of its zone make of them, and
//! when each is to be told. Pure.
//!
//! The nights on which clocks change, decided once (RFC 5545 3.3.5): a time that the clocks leave out is as much later as
//! they are put forward (02:30 becomes 03:30), and one that comes twice is the first of the two.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};

use domovoi_model::Timestamp;

use super::event::{Event, Zone, key_of, start_of};

/// How many beginnings are looked at for one question.
const MOST_LOOKED_AT: usize = 2000;

const MINUTE_MILLIS: i64 = 60_000;
const DAY_MINUTES: u32 = 1440;

/// Where the home is in time.
#[derive(Debug, Clone)]
pub struct Home {
    /// Its clocks.
    pub clocks: TimeZone,
    /// The minute of the day from which reminders of whole-day events are counted.
    pub all_day_minute: u16,
}

/// An occurrence.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// What it is known by: its beginning by the rule, whatever became of it.
    pub key: i64,
    /// When it begins, on the event's clocks.
    pub start: DateTime,
    /// How long it is, in minutes of the clock.
    pub minutes: u32,
    /// It was moved.
    pub moved: bool,
    /// What it is called, if not as the others.
    pub title: Option<String>,
}

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// So many minutes before it begins.
    Before(u32),
    /// It should have been done.
    Overdue,
}

/// Somebody is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// When.
    pub at: Timestamp,
    /// Of what.
    pub occurrence: Occurrence,
    /// Why.
    pub why: Why,
    /// Which telling of this occurrence it is: grows.
    pub number: u32,
}

/// The moment of a civil time, by the rule above. Beyond the calendar's ends there is none.
pub fn moment(at: DateTime, clocks: &TimeZone) -> Option<Timestamp> {
    let zoned = clocks.to_ambiguous_zoned(at).compatible().ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

/// What the clocks show at a moment.
pub fn shown(at: Timestamp, clocks: &TimeZone) -> Option<DateTime> {
    Some(jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(clocks.clone()).datetime())
}

fn later(at: DateTime, minutes: i64) -> Option<DateTime> {
    at.checked_add(SignedDuration::from_mins(minutes)).ok()
}

/// The occurrences that begin at or after `from` and before `to`, on the event's clocks, in order; at most `most`.
pub fn occurrences(event: &Event, from: DateTime, to: DateTime, most: usize) -> Vec<Occurrence> {
    let first = event.when.start;
    let most = most.min(MOST_LOOKED_AT);
    let ordinary = |key: i64| {
        let start = start_of(key)?;
        Some(Occurrence { key, start, minutes: event.when.minutes, moved: false, title: None })
    };
    let mut keys = match &event.rule {
        // One that does not work any more was refused when it came; here it means its first day.
        Some(rule) => {
            // What was cancelled or moved away does not count among those that are asked for.
            let more = most.saturating_add(event.cancelled.len()).saturating_add(event.moved.len());
            rule.starts(first, from, more).unwrap_or_else(|_| vec![key_of(first)])
        }
        None => vec![key_of(first)],
    };
    keys.extend(event.dates.iter().map(|date| key_of(*date)));
    keys.sort_unstable();
    keys.dedup();
    let moved = |key: i64| event.moved.iter().find(|moved| moved.occurrence == key);
    let gone = |key: i64| event.cancelled.contains(&key) || moved(key).is_some();
    let mut found: Vec<Occurrence> = keys.into_iter().filter(|key| !gone(*key)).filter_map(ordinary).collect();
    found.extend(event.moved.iter().filter(|moved| !event.cancelled.contains(&moved.occurrence)).map(|moved| {
        Occurrence {
            key: moved.occurrence,
            start: moved.start,
            minutes: moved.minutes.unwrap_or(event.when.minutes),
            moved: true,
            title: moved.title.clone(),
        }
    }));
    found.retain(|occurrence| occurrence.start >= from && occurrence.start < to);
    found.sort_by_key(|occurrence| (occurrence.start, occurrence.key));
    found.truncate(most);
    found
}

/// Whether the event has such an occurrence, and how it stands; a cancelled one has gone.
pub fn occurrence(event: &Event, key: i64) -> Option<Occurrence> {
    let start = event.moved.iter().find(|moved| moved.occurrence == key).map_or(start_of(key)?, |moved| moved.start);
    let end = later(start, 1)?;
    occurrences(event, start, end, MOST_LOOKED_AT).into_iter().find(|occurrence| occurrence.key == key)
}

/// Begin and end of an occurrence. Of a whole-day one: of the days at home.
pub fn span(event: &Event, occurrence: &Occurrence, home: &Home) -> Option<(Timestamp, Timestamp)> {
    let clocks = if event.when.all_day { &home.clocks } else { &event.when.zone.clocks };
    let begin = moment(occurrence.start, clocks)?;
    let end = if event.when.all_day {
        moment(later(occurrence.start, i64::from(occurrence.minutes))?, clocks)?
    } else {
        // An hour is an hour, also in the night in which the clocks are changed.
        begin.plus_millis(i64::from(occurrence.minutes) * MINUTE_MILLIS)
    };
    Some((begin, end.max(begin)))
}

/// When somebody is told of an occurrence, the first first.
fn tellings_of(event: &Event, occurrence: &Occurrence, home: &Home) -> Vec<Telling> {
    let (base, clocks) = if event.when.all_day {
        (later(occurrence.start, i64::from(home.all_day_minute)), &home.clocks)
    } else {
        (Some(occurrence.start), &event.when.zone.clocks)
    };
    let Some(base) = base else { return Vec::new() };
    let mut offsets = event.remind.clone();
    offsets.sort_unstable_by(|a, b| b.cmp(a));
    offsets.dedup();
    let mut tellings = Vec::with_capacity(offsets.len() + 1);
    for (number, before) in offsets.iter().enumerate() {
        // A day before eight o'clock is eight o'clock, whatever the clocks do in between; an hour is an hour.
        let at = if before.is_multiple_of(DAY_MINUTES) {
            base.checked_sub(i64::from(before / DAY_MINUTES).days()).ok().and_then(|at| moment(at, clocks))
        } else {
            moment(base, clocks).map(|at| at.plus_millis(-i64::from(*before) * MINUTE_MILLIS))
        };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        if let Some(at) = at {
            tellings.push(Telling { at, occurrence: occurrence.clone(), why: Why::Before(*before), number });
        }
    }
    if event.todo
        && let Some(at) = deadline(event, occurrence, home)
    {
        let number = u32::try_from(offsets.len()).unwrap_or(u32::MAX);
        tellings.push(Telling { at, occurrence: occurrence.clone(), why: Why::Overdue, number });
    }
    tellings
}

/// When something to be done is overdue: when its time is over; of a whole day, next morning.
pub fn deadline(event: &Event, occurrence: &Occurrence, home: &Home) -> Option<Timestamp> {
    if event.when.all_day {
        let end = later(occurrence.start, i64::from(occurrence.minutes) + i64::from(home.all_day_minute))?;
        return moment(end, &home.clocks);
    }
    span(event, occurrence, home).map(|(_, end)| end)
}

/// How far before and behind a telling its occurrence can begin, in minutes.
fn reach(event: &Event) -> (i64, i64) {
    let before = event.remind.iter().max().copied().unwrap_or(0);
    let longest = event.moved.iter().filter_map(|moved| moved.minutes).fold(event.when.minutes, u32::max);
    // A whole day is a whole day wherever the home is, and a clock is put forward or back.
    (i64::from(before) + 2 * 1440, i64::from(longest) + 3 * 1440)
}

/// What is to be told after `after` and up to `until`, in order; of what is done, nothing.
pub fn tellings(
    event: &Event,
    done: impl Fn(i64) -> bool,
    home: &Home,
    after: Timestamp,
    until: Timestamp,
) -> Vec<Telling> {
    if event.done || until <= after || (event.remind.is_empty() && !event.todo) {
        return Vec::new();
    }
    let clocks = &event.when.zone.clocks;
    let (before, behind) = reach(event);
    let from = shown(after, clocks).and_then(|at| later(at, -behind)).unwrap_or(DateTime::MIN);
    let to = shown(until, clocks).and_then(|at| later(at, before)).unwrap_or(DateTime::MAX);
    let mut found: Vec<Telling> = occurrences(event, from, to, MOST_LOOKED_AT)
        .into_iter()
        .filter(|occurrence| !done(occurrence.key))
        .flat_map(|occurrence| tellings_of(event, &occurrence, home))
        .filter(|telling| telling.at > after && telling.at <= until)
        .collect();
    found.sort_by_key(|telling| (telling.at, telling.occurrence.key, telling.number));
    found
}

/// When something of it is to be told next after a moment. Nothing within the next few occurrences is nothing: whoever
/// asks looks again in a day.
pub fn next(event: &Event, done: impl Fn(i64) -> bool, home: &Home, after: Timestamp) -> Option<Timestamp> {
    const FEW: usize = 40;
    if event.done || (event.remind.is_empty() && !event.todo) {
        return None;
    }
    let clocks = &event.when.zone.clocks;
    let (_, behind) = reach(event);
    let mut from = shown(after, clocks).and_then(|at| later(at, -behind)).unwrap_or(DateTime::MIN);
    let mut best: Option<Timestamp> = None;
    // What is long or told of early may have many occurrences that are over and told: a few more are looked at.
    for _ in 0..8 {
        let some = occurrences(event, from, DateTime::MAX, FEW);
        for occurrence in some.iter().filter(|occurrence| !done(occurrence.key)) {
            let times = tellings_of(event, occurrence, home).into_iter().map(|telling| telling.at);
            best = times.filter(|at| *at > after).chain(best).min();
        }
        let Some(last) = some.last().filter(|_| some.len() == FEW) else { return best };
        let (before, _) = reach(event);
        let beyond = later(last.start, -before).and_then(|at| moment(at, clocks));
        if best.is_some_and(|best| beyond.is_some_and(|beyond| beyond > best)) {
            return best;
        }
        match last.start.checked_add(1.second()) {
            Ok(next) => from = next,
            Err(_) => return best,
        }
    }
    best
}

/// The occurrences that are overdue: the newest last, at most `most` of them.
pub fn overdue(
    event: &Event,
    done: impl Fn(i64) -> bool,
    home: &Home,
    since: Timestamp,
    now: Timestamp,
    most: usize,
) -> Vec<Occurrence> {
    if !event.todo || event.done {
        return Vec::new();
    }
    let clocks = &event.when.zone.clocks;
    // What does not come again is overdue for as long as nobody does it.
    let from = if event.recurs() { shown(since, clocks).unwrap_or(DateTime::MIN) } else { DateTime::MIN };
    let to = shown(now, clocks).and_then(|at| later(at, 2 * 1440)).unwrap_or(DateTime::MAX);
    let mut found = occurrences(event, from, to, MOST_LOOKED_AT);
    found.retain(|occurrence| {
        !done(occurrence.key) && deadline(event, occurrence, home).is_some_and(|deadline| deadline <= now)
    });
    found.split_off(found.len().saturating_sub(most))
}

/// The clocks that a whole-day event, or another one, is spelled on.
pub fn clocks_of<'a>(event: &'a Event, home: &'a Home) -> &'a TimeZone {
    if event.when.all_day { &home.clocks } else { &event.when.zone.clocks }
}

/// The zone of the home by its name.
pub fn home_zone(home: &Home) -> Zone {
    Zone::of(&home.clocks)
}
