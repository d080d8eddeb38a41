//! Quiet hours: spans of the wall clock on days of the week, as stretches of real time. It reads no clock; the moment and
//! the zone are handed in.
//!
//! On the night when clocks go back, an hour is there twice: quiet hours that begin in it begin with the first, and those
//! that end in it end with the second, so that nobody is woken in between. On the night when they go forward, what would
//! begin or end in the hour that is left out begins or ends where it is left out.

use domovoi_model::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// Minutes of a week.
const WEEK_MINUTES: usize = 7 * DAY_MINUTES as usize;

/// Nobody is told nothing for longer: a Sunday with the nights around it.
const LONGEST_MINUTES: usize = 36 * 60;

/// So many stretches that touch one another are followed.
const CHAIN: usize = 16;

/// Hours of some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuietSpan {
    /// On which days it begins: bit 0 is Monday.
    pub days: u8,
    /// Minute of the day at which it begins, 0 to 1439.
    pub from_minute: u16,
    /// Minute at which it ends, 0 to 1439; not after `from_minute`: on the next day.
    pub to_minute: u16,
}

/// Every day.
pub const EVERY_DAY: u8 = 0x7f;

impl QuietSpan {
    /// The same hours every day.
    pub fn daily(from_minute: u16, to_minute: u16) -> Self {
        QuietSpan { days: EVERY_DAY, from_minute, to_minute }
    }

    /// Whether it is one: days that there are, minutes that there are.
    pub fn is_sound(&self) -> bool {
        self.days != 0 && self.days <= EVERY_DAY && self.from_minute < DAY_MINUTES && self.to_minute < DAY_MINUTES
    }

    fn begins_on(&self, date: Date) -> bool {
        let day = date.weekday().to_monday_zero_offset();
        self.days & (1u8 << day.clamp(0, 6)) != 0
    }

    /// The stretch that begins on this date, as instants.
    fn stretch(&self, date: Date, zone: &TimeZone) -> Option<(i64, i64)> {
        let last = if self.to_minute <= self.from_minute { date.tomorrow().ok()? } else { date };
        let from = instant(date.to_datetime(time(self.from_minute)?), zone, Edge::Begins)?;
        let to = instant(last.to_datetime(time(self.to_minute)?), zone, Edge::Ends)?;
        (from < to).then_some((from, to))
    }
}

/// Until when it is quiet, if it is now.
pub fn quiet_until(spans: &[QuietSpan], now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut at = now.0;
    for _ in 0..CHAIN {
        match stretch_around(spans, at, zone) {
            Some(end) if end > at => at = end,
            _ => break,
        }
    }
    (at > now.0).then_some(Timestamp(at))
}

/// The latest end of the stretches that this instant lies in.
fn stretch_around(spans: &[QuietSpan], at: i64, zone: &TimeZone) -> Option<i64> {
    let local = zone.to_datetime(jiff::Timestamp::from_millisecond(at).ok()?);
    let today = local.date();
    // One that lasts a whole day and an hour more may have begun on the day before yesterday.
    let days = [Some(today), today.yesterday().ok(), today.yesterday().and_then(Date::yesterday).ok()];
    let ends = days.into_iter().flatten().flat_map(|date| {
        let begun = spans.iter().filter(move |span| span.begins_on(date));
        begun.filter_map(move |span| span.stretch(date, zone))
    });
    ends.filter(|(from, to)| (*from..*to).contains(&at)).map(|(_, to)| to).max()
}

/// Whether these hours leave something of each day and a half in which people can be told; else for how many minutes on end
/// they do not.
pub fn longest_quiet(spans: &[QuietSpan]) -> Result<(), usize> {
    let mut week = vec![false; WEEK_MINUTES];
    for span in spans.iter().filter(|span| span.is_sound()) {
        let lasts = match (DAY_MINUTES + span.to_minute - span.from_minute) % DAY_MINUTES {
            0 => DAY_MINUTES,
            minutes => minutes,
        };
        for day in (0..7usize).filter(|day| span.days & (1 << day) != 0) {
            let from = day * usize::from(DAY_MINUTES) + usize::from(span.from_minute);
            for minute in from..from + usize::from(lasts) {
                if let Some(quiet) = week.get_mut(minute % WEEK_MINUTES) {
                    *quiet = true;
                }
            }
        }
    }
    let (mut longest, mut run) = (0usize, 0usize);
    // Twice, for a stretch that goes over the week's end.
    for quiet in week.iter().chain(&week) {
        run = if *quiet { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    if longest <= LONGEST_MINUTES { Ok(()) } else { Err(longest) }
}

enum Edge {
    Begins,
    Ends,
}

fn time(minute: u16) -> Option<Time> {
    Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()
}

/// When the wall clock says this, in milliseconds.
fn instant(wall: DateTime, zone: &TimeZone, edge: Edge) -> Option<i64> {
    let with = |offset: Offset| offset.to_timestamp(wall).ok().map(jiff::Timestamp::as_millisecond);
    match zone.to_ambiguous_zoned(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => with(offset),
        AmbiguousOffset::Fold { before, after } => match edge {
            Edge::Begins => with(before),
            Edge::Ends => with(after),
        },
        // The wall clock never says it: where it jumps, it has passed it.
        AmbiguousOffset::Gap { before, after } => jump(zone, with(after)?, with(before)?),
    }
}

/// The first instant of another offset between two that lie around a change.
fn jump(zone: &TimeZone, before: i64, after: i64) -> Option<i64> {
    let offset = |at: i64| Some(zone.to_offset(jiff::Timestamp::from_millisecond(at).ok()?));
    let old = offset(before)?;
    let (mut low, mut high) = (before, after);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(middle)? == old { low = middle } else { high = middle }
    }
    Some(high)
}
