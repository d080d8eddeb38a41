//! «The flat was below 18 °C for N hours»: a log for a recalculation of the heating fee (ПП РФ 354, appendix 1, part VI: the
//! norm, the night from 0:00 to 5:00 in which it may be up to 3 °C colder). What a thermometer said, when it was too cold,
//! and when nothing is known. It is a household's own record, not the act of an inspection. Pure.

use std::fmt::Write as _;

use domovoi_model::{Date, Period, Timestamp};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::days::{Unit, at_hour, day_at, each, start_of};

/// What the temperature is held against. Every number can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Norm {
    /// °C: 18 in a room, 20 in a corner room.
    pub day: Decimal,
    /// By how much it may be colder at night, °C.
    pub night_tolerance: Decimal,
    /// The hours of the night, from the first to before the last.
    pub night: (i8, i8),
    /// How long a value holds until the next one, minutes. Behind that nothing is known.
    pub holds_minutes: i64,
}

impl Norm {
    /// A room.
    pub const ROOM: Norm = Norm {
        day: Decimal::from_parts(18, 0, 0, false, 0),
        night_tolerance: Decimal::from_parts(3, 0, 0, false, 0),
        night: (0, 5),
        holds_minutes: 120,
    };
    /// A corner room.
    pub const CORNER: Norm = Norm { day: Decimal::from_parts(20, 0, 0, false, 0), ..Norm::ROOM };

    /// Whether it can be meant.
    pub fn is_well(&self) -> bool {
        let of = |low: i64, high: i64, value: Decimal| (Decimal::from(low)..=Decimal::from(high)).contains(&value);
        of(5, 30, self.day)
            && of(0, 10, self.night_tolerance)
            && self.day.scale() <= 2
            && self.night_tolerance.scale() <= 2
            && (0..=23).contains(&self.night.0)
            && (self.night.0..=23).contains(&self.night.1)
            && (5..=360).contains(&self.holds_minutes)
    }
}

/// What a thermometer said in an interval of recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its beginning.
    pub from: Timestamp,
    /// How long it is.
    pub millis: i64,
    /// Samples in it.
    pub count: u64,
    /// °C
    pub min: Decimal,
    /// °C
    pub mean: Decimal,
    /// °C
    pub max: Decimal,
}

impl Told {
    /// Air of a home: what a broken thermometer says is no knowledge. That it spoke is counted, what it said is not.
    fn is_air(&self) -> bool {
        let can_be = |degrees: Decimal| (Decimal::from(-60)..=Decimal::from(100)).contains(&degrees);
        can_be(self.min) && can_be(self.mean) && can_be(self.max)
    }
}

/// When it was too cold at a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cold {
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// The lowest that was heard, °C.
    pub lowest: Decimal,
    /// The mean over the time, °C.
    pub mean: Decimal,
}

/// Nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

/// A month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdMonth {
    /// Which.
    pub period: Period,
    /// How long it was too cold.
    pub below_millis: i64,
    /// How long something is known.
    pub known_millis: i64,
    /// How long nothing is.
    pub gap_millis: i64,
    /// Hours times degrees below what is allowed, to the hundredth.
    pub degree_hours: Decimal,
    /// The lowest that was heard, °C.
    pub lowest: Option<Decimal>,
}

/// What can be shown of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Too cold, in the order of time.
    pub cold: Vec<Cold>,
    /// Unknown, likewise.
    pub gaps: Vec<Gap>,
    /// Each month that the span touches.
    pub months: Vec<ColdMonth>,
    /// Samples that it rests on.
    pub samples: u64,
}

/// One value that holds for a while under one limit.
struct Piece {
    from: i64,
    to: i64,
    /// `None`: nothing is known.
    told: Option<(Decimal, Decimal)>,
    limit: Decimal,
    period: Period,
}

/// Judges `from <= t < to`. What was told must be in the order of time.
pub fn evidence(told: &[Told], norm: &Norm, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Evidence {
    let mut result = Evidence { cold: Vec::new(), gaps: Vec::new(), months: Vec::new(), samples: 0 };
    result.samples = told.iter().filter(|one| one.from >= from && one.from < to).map(|one| one.count).sum();
    // Weighted sums of the cold stretch that is open: degrees times milliseconds.
    let mut open: Option<(Cold, Decimal)> = None;
    for piece in pieces(told, norm, zone, from, to) {
        let millis = piece.to - piece.from;
        let length = Decimal::from(millis);
        let month = match result.months.last_mut().filter(|month| month.period == piece.period) {
            Some(month) => month,
            None => {
                result.months.push(ColdMonth {
                    period: piece.period,
                    below_millis: 0,
                    known_millis: 0,
                    gap_millis: 0,
                    degree_hours: Decimal::ZERO,
                    lowest: None,
                });
                let Some(month) = result.months.last_mut() else { continue };
                month
            }
        };
        let (begin, end) = (Timestamp(piece.from), Timestamp(piece.to));
        let Some((mean, lowest)) = piece.told else {
            month.gap_millis += millis;
            close(&mut open, &mut result.cold);
            match result.gaps.last_mut().filter(|gap| gap.to == begin) {
                Some(gap) => gap.to = end,
                None => result.gaps.push(Gap { from: begin, to: end }),
            }
            continue;
        };
        month.known_millis += millis;
        month.lowest = Some(month.lowest.map_or(lowest, |known| known.min(lowest)));
        if mean >= piece.limit {
            close(&mut open, &mut result.cold);
            continue;
        }
        month.below_millis += millis;
        month.degree_hours += (piece.limit - mean) * length / Decimal::from(super::days::HOUR);
        match &mut open {
            Some((cold, sum)) => {
                cold.to = end;
                cold.lowest = cold.lowest.min(lowest);
                *sum += mean * length;
            }
            None => open = Some((Cold { from: begin, to: end, lowest, mean }, mean * length)),
        }
    }
    close(&mut open, &mut result.cold);
    for month in &mut result.months {
        month.degree_hours = month.degree_hours.round_dp(2);
    }
    result
}

fn close(open: &mut Option<(Cold, Decimal)>, cold: &mut Vec<Cold>) {
    if let Some((mut stretch, sum)) = open.take() {
        let millis = Decimal::from((stretch.to.0 - stretch.from.0).max(1));
        stretch.mean = (sum / millis).round_dp(2);
        cold.push(stretch);
    }
}

/// From when until when, and the mean and the lowest value; `None`: nobody knows.
type Span = (i64, i64, Option<(Decimal, Decimal)>);

/// Cuts the span where a value ends and where the limit or the month changes.
fn pieces(told: &[Told], norm: &Norm, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Piece> {
    let holds = norm.holds_minutes.max(0) * 60_000;
    let told: Vec<&Told> = told.iter().filter(|one| one.is_air()).collect();
    let mut values: Vec<Span> = Vec::new();
    let mut known_to = from.0;
    for (place, one) in told.iter().enumerate() {
        let next = told.get(place + 1).map_or(i64::MAX, |next| next.from.0);
        let begin = one.from.0.max(known_to);
        let end = (one.from.0 + one.millis.max(0)).saturating_add(holds).min(next).min(to.0);
        if end <= begin {
            continue;
        }
        if begin > known_to {
            values.push((known_to, begin, None));
        }
        values.push((begin, end, Some((one.mean, one.min))));
        known_to = end;
    }
    if known_to < to.0 {
        values.push((known_to, to.0, None));
    }
    let mut limits: Vec<(i64, Decimal, Period)> = Vec::new();
    let last = Unit::Day.end(day_at(zone, to));
    for day in each(day_at(zone, from), last) {
        let night = norm.day - norm.night_tolerance;
        let (falls, rises) = (at_hour(zone, day, norm.night.0).0, at_hour(zone, day, norm.night.1).0);
        limits.push((start_of(zone, day).0, norm.day, day.period()));
        if rises > falls {
            limits.push((falls, night, day.period()));
            limits.push((rises, norm.day, day.period()));
        }
    }
    let mut pieces = Vec::new();
    let mut place = 0;
    for (begin, end, told) in values {
        let mut at = begin;
        while at < end {
            while limits.get(place + 1).is_some_and(|(next, ..)| *next <= at) {
                place += 1;
            }
            let Some((_, limit, period)) = limits.get(place).copied() else { break };
            let until = limits.get(place + 1).map_or(end, |(next, ..)| (*next).min(end));
            pieces.push(Piece { from: at, to: until, told, limit, period });
            at = until;
        }
    }
    pieces
}

/// What the digest is taken over: one line for each interval of recording, in a spelling that anybody can make again.
pub fn spelled(source: &str, told: &[Told]) -> String {
    let mut text = format!("{source}\n");
    for one in told {
        let (min, mean, max) = (one.min.normalize(), one.mean.normalize(), one.max.normalize());
        let _ = writeln!(text, "{} {} {} {min} {mean} {max}", one.from, one.millis, one.count);
    }
    text
}

/// The first and the last day of a month, for a span that a person names by it.
pub fn month_span(zone: &TimeZone, period: Period) -> (Timestamp, Timestamp) {
    let first: Date = period.day(1);
    (start_of(zone, first), start_of(zone, Unit::Month.end(first)))
}
