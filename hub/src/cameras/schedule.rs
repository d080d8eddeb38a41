//! When a camera is recorded: a plan of the week by the home's clocks, and windows around events. Pure: the moment, the zone
//! and what happened are handed in.
//!
//! A span of the plan is a span of what the clocks of the home show. Where they are put forward, an hour that they do not
//! show is recorded by no span; where they are put back, an hour that they show twice is recorded twice. What else could be
//! meant by "from two to three" on such a night records less than somebody expects.

use std::collections::BTreeSet;

use domovoi_model::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan};

/// No plan has more spans.
pub const MOST_SPANS: usize = 64;

const MINUTES_A_DAY: u16 = 24 * 60;

/// So far ahead a change is looked for, in days: a span of one day of the week may fall into a gap of the clocks, or that
/// whole day may be left out of the calendar (Samoa, 30 December 2011).
const AHEAD: i64 = 40;

/// When a camera is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Never.
    Never,
    /// Without a pause.
    Always,
    /// Within the spans.
    Week,
    /// When something happens within the spans; without any, whenever something happens.
    OnEvent,
}

/// Days of the week: bit 0 is Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weekdays(pub u8);

/// From a minute of some days to another one of the same or the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The days on which it begins.
    pub days: Weekdays,
    /// Minutes after midnight, below 1440; included.
    pub from: u16,
    /// Likewise, not included; up to 1440. Not after `from`: on the next day.
    pub to: u16,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    mode: Mode,
    spans: Vec<Span>,
}

/// Why a plan is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More than anybody means.
    #[error("a plan has at most {MOST_SPANS} spans")]
    TooMany,
    /// It would never be recorded.
    #[error("a plan of the week needs at least one span")]
    Empty,
    /// The spans would mean nothing.
    #[error("a camera that is recorded always or never has no spans")]
    Needless,
    /// This span begins on no day.
    #[error("span {} is on no day of the week", .0 + 1)]
    NoDay(usize),
    /// This span's times are none of a day.
    #[error("span {} has a time that no day has", .0 + 1)]
    NoTime(usize),
}

impl PlanError {
    /// The sentence for people: `most` and `number` are filled in.
    pub fn message(self) -> &'static str {
        match self {
            PlanError::TooMany => "camera-plan-too-many",
            PlanError::Empty => "camera-plan-empty",
            PlanError::Needless => "camera-plan-needless",
            PlanError::NoDay(_) => "camera-plan-no-day",
            PlanError::NoTime(_) => "camera-plan-no-time",
        }
    }

    /// Which span it is about, from 1.
    pub fn number(self) -> Option<usize> {
        match self {
            PlanError::NoDay(n) | PlanError::NoTime(n) => Some(n + 1),
            _ => None,
        }
    }
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Never, Mode::Always, Mode::Week, Mode::OnEvent];

    /// As it is kept.
    pub fn code(self) -> &'static str {
        match self {
            Mode::Never => "never",
            Mode::Always => "always",
            Mode::Week => "week",
            Mode::OnEvent => "event",
        }
    }

    /// The mode of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Mode::ALL.into_iter().find(|mode| mode.code() == code)
    }
}

impl Weekdays {
    /// Every day.
    pub const ALL: Weekdays = Weekdays(0x7f);

    /// Whether a day is among them.
    pub fn has(self, day: Weekday) -> bool {
        self.0 >> day.to_monday_zero_offset() & 1 == 1
    }
}

impl Span {
    /// How long it is by the clocks, in minutes: a minute to a day.
    fn minutes(self) -> u16 {
        if self.to > self.from { self.to - self.from } else { MINUTES_A_DAY + self.to - self.from }
    }

    /// What the clocks show when it begins and when it ends, if it begins on this day.
    fn on(self, date: Date) -> Option<(DateTime, DateTime)> {
        let day = self.days.has(date.weekday()).then_some(date)?;
        let from = day.to_datetime(jiff::civil::Time::midnight()).checked_add(i64::from(self.from).minutes()).ok()?;
        Some((from, from.checked_add(i64::from(self.minutes()).minutes()).ok()?))
    }
}

/// Without a pause.
impl Default for Plan {
    fn default() -> Self {
        Plan { mode: Mode::Always, spans: Vec::new() }
    }
}

impl Plan {
    /// A plan whose spans are right.
    pub fn new(mode: Mode, spans: Vec<Span>) -> Result<Self, PlanError> {
        if spans.len() > MOST_SPANS {
            return Err(PlanError::TooMany);
        }
        match mode {
            Mode::Week if spans.is_empty() => return Err(PlanError::Empty),
            Mode::Always | Mode::Never if !spans.is_empty() => return Err(PlanError::Needless),
            _ => {}
        }
        for (n, span) in spans.iter().enumerate() {
            if span.days.0 & Weekdays::ALL.0 == 0 || span.days.0 > Weekdays::ALL.0 {
                return Err(PlanError::NoDay(n));
            }
            if span.from >= MINUTES_A_DAY || span.to > MINUTES_A_DAY {
                return Err(PlanError::NoTime(n));
            }
        }
        Ok(Plan { mode, spans })
    }

    /// Its mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Its spans.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether one of the spans is on when the clocks show this.
    fn shows(&self, now: DateTime) -> bool {
        let today = now.date();
        let days = [Some(today), today.yesterday().ok()];
        days.into_iter()
            .flatten()
            .any(|day| self.spans.iter().filter_map(|span| span.on(day)).any(|(from, to)| from <= now && now < to))
    }
}

/// Whether the plan is on at a moment: a camera is recorded then, or, with [`Mode::OnEvent`], recorded if something happens.
pub fn is_on(plan: &Plan, zone: &TimeZone, at: Timestamp) -> bool {
    match plan.mode {
        Mode::Never => false,
        Mode::Always => true,
        Mode::OnEvent if plan.spans.is_empty() => true,
        Mode::Week | Mode::OnEvent => plan.shows(zone.to_datetime(instant(at))),
    }
}

/// Whether a camera is recorded at a moment without anything happening.
pub fn is_recording(plan: &Plan, zone: &TimeZone, at: Timestamp) -> bool {
    plan.mode != Mode::OnEvent && is_on(plan, zone, at)
}

/// The first moment after this one at which [`is_on`] says something else; `None` if there is none in sight.
pub fn next_change(plan: &Plan, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    if plan.spans.is_empty() {
        return None;
    }
    let now = is_on(plan, zone, at);
    let today = zone.to_datetime(instant(at)).date();
    // The clocks show one thing after another but at a transition; so it is there, or where they show an end of a span.
    for week in 0..AHEAD / 8 {
        let mut candidates = BTreeSet::new();
        for n in -2..9 {
            let Ok(day) = today.checked_add((week * 8 + n).days()) else { continue };
            for (from, to) in plan.spans.iter().filter_map(|span| span.on(day)) {
                candidates.extend(moments(zone, from));
                candidates.extend(moments(zone, to));
            }
        }
        let (first, last) = (at.plus_millis(week * 8 * DAY), at.plus_millis((week + 1) * 8 * DAY));
        let transitions = zone.following(instant(Timestamp(first.0.saturating_sub(1))));
        let transitions = transitions.map(|transition| Timestamp(transition.timestamp().as_millisecond()));
        candidates.extend(transitions.take_while(|moment| *moment <= last).take(64));
        let mut candidates = candidates.range((std::ops::Bound::Excluded(at), std::ops::Bound::Included(last)));
        if let Some(change) = candidates.find(|moment| is_on(plan, zone, **moment) != now) {
            return Some(*change);
        }
    }
    None
}

const DAY: i64 = 86_400_000;

/// When the clocks show this: once, twice, or never.
fn moments(zone: &TimeZone, shown: DateTime) -> Vec<Timestamp> {
    let offsets = match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => vec![offset],
        AmbiguousOffset::Fold { before, after } => vec![before, after],
        AmbiguousOffset::Gap { .. } => Vec::new(),
    };
    offsets
        .into_iter()
        .filter_map(|offset| offset.to_timestamp(shown).ok())
        .map(|at| Timestamp(at.as_millisecond()))
        .collect()
}

/// What lies outside of the calendar is its end.
pub(super) fn instant(at: Timestamp) -> jiff::Timestamp {
    let end = SignedDuration::from_hours(48);
    let (least, most) = (jiff::Timestamp::MIN + end, jiff::Timestamp::MAX - end);
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => at.clamp(least, most),
        Err(_) if at.0 < 0 => least,
        Err(_) => most,
    }
}

#[cfg(test)]
mod tests;
