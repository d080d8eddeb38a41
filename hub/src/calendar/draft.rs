//! What somebody wants an event to be: checked before it is kept. Every bound of a text, a number or a rule stands here.

use jiff::civil::{Date, DateTime, Time};

use domovoi_model::{Id, PersonId, Timestamp};

use super::event::{
    Event, EventKind, MAX_BEFORE, MAX_MINUTES, MAX_NOTES, MAX_REMINDERS, MAX_TITLE, Origin, Priority, Text, When, Zone,
};
use super::moments::{self, Home};
use super::rule::{Rule, RuleError};

/// The years in which an event may begin.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;

const DAY: u32 = 1440;

/// An event as somebody writes it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// One line.
    pub title: String,
    /// The rest.
    pub notes: String,
    /// What it is about.
    pub kind: EventKind,
    /// How much it matters.
    pub priority: Priority,
    /// `2026-11-24` for a whole day, `2026-11-24T08:00` for a time on the clocks of `zone`.
    pub start: String,
    /// Whose clocks; `None`: the home's.
    pub zone: Option<String>,
    /// How long; of whole days their number times 1440.
    pub minutes: u32,
    /// `FREQ=WEEKLY;BYDAY=MO`; `None`: once.
    pub rule: Option<String>,
    /// Minutes before; `None`: as the settings say.
    pub remind: Option<Vec<u32>>,
    /// Somebody has to do it.
    pub todo: bool,
}

/// What is to become of one occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OccurrenceChange {
    /// It does not happen.
    Cancel,
    /// It is at another time.
    Move {
        /// Spelled like [`Draft::start`].
        start: String,
        /// How long it is then; `None`: as long as the others.
        minutes: Option<u32>,
        /// What it is called then; `None`: as the others.
        title: Option<String>,
    },
    /// It is as its rule says again.
    Restore,
}

/// What is wrong with a draft: the field and the sentence's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct DraftWrong {
    /// The field.
    pub field: &'static str,
    /// The key of the sentence for a person, without `calendar-wrong-`.
    pub code: &'static str,
    /// The line for the log.
    pub why: String,
}

pub(super) fn wrong(field: &'static str, code: &'static str, why: impl Into<String>) -> DraftWrong {
    DraftWrong { field, code, why: why.into() }
}

/// Reads `2026-11-24` or `2026-11-24T08:00[:00]`; whether it is a whole day.
pub fn read_start(text: &str) -> Option<(DateTime, bool)> {
    let text = text.trim();
    if text.len() > 19 {
        return None;
    }
    let (at, all_day) = match text.len() {
        10 => (text.parse::<Date>().ok()?.to_datetime(Time::midnight()), true),
        _ => (text.parse::<DateTime>().ok()?, false),
    };
    YEARS.contains(&at.year()).then_some((at, all_day))
}

/// A text of a person: no control characters but the ends of lines, not too long, not blank where it must not be.
pub(super) fn text(field: &'static str, text: &str, most: usize, lines: bool) -> Result<String, DraftWrong> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(wrong(field, "too-long", format!("at most {most} characters")));
    }
    if text.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\t'))) {
        return Err(wrong(field, "controls", "control characters"));
    }
    Ok(text.to_owned())
}

/// The end of a rule on the event's clocks: `20270101`, `20270101T080000` on its clocks, `20270101T050000Z`.
pub fn read_until(text: &str, all_day: bool, clocks: &jiff::tz::TimeZone) -> Option<DateTime> {
    let digits = |part: &str, len: usize| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    if !digits(day, 8) {
        return None;
    }
    let number = |text: &str, at: usize, len: usize| text.get(at..at + len)?.parse::<i16>().ok();
    let (year, month, dom) = (number(day, 0, 4)?, number(day, 4, 2)?, number(day, 6, 2)?);
    let day = Date::new(year, i8::try_from(month).ok()?, i8::try_from(dom).ok()?).ok()?;
    let Some(time) = time else {
        // A date as the end of a rule with times means that whole day.
        let end = if all_day { Time::midnight() } else { Time::constant(23, 59, 59, 0) };
        return Some(day.to_datetime(end));
    };
    let (time, utc) = time.strip_suffix('Z').map_or((time, false), |time| (time, true));
    if !digits(time, 6) {
        return None;
    }
    let part = |at: usize| number(time, at, 2).and_then(|part| i8::try_from(part).ok());
    let at = day.to_datetime(Time::new(part(0)?, part(2)?, part(4)?.min(59), 0).ok()?);
    if all_day {
        return Some(day.to_datetime(Time::midnight()));
    }
    if !utc {
        return Some(at);
    }
    moments::shown(moments::moment(at, &jiff::tz::TimeZone::UTC)?, clocks)
}

fn rule_wrong(error: &RuleError) -> DraftWrong {
    let code = match error {
        RuleError::Unreadable(_) => "rule",
        RuleError::TooMuch(_) => "rule-too-much",
        RuleError::Never => "rule-never",
    };
    wrong("rule", code, error.to_string())
}

impl Draft {
    /// The event, if everything is right.
    pub(super) fn event(
        &self,
        id: Id,
        home: &Home,
        usual: &[u32],
        by: Option<PersonId>,
        now: Timestamp,
    ) -> Result<Event, DraftWrong> {
        let title = text("title", &self.title, MAX_TITLE, false)?;
        if title.is_empty() {
            return Err(wrong("title", "blank", "an event has a title"));
        }
        let notes = text("notes", &self.notes.replace("\r\n", "\n"), MAX_NOTES, true)?;
        let (start, all_day) =
            read_start(&self.start).ok_or_else(|| wrong("start", "start", "2026-11-24 or 2026-11-24T08:00"))?;
        let zone = match &self.zone {
            None => moments::home_zone(home),
            Some(name) => {
                let named = (name.len() <= 64).then(|| jiff::tz::TimeZone::get(name).ok()).flatten();
                let clocks = named.ok_or_else(|| wrong("zone", "zone", "no such zone: Europe/Moscow"))?;
                Zone { name: name.clone(), clocks }
            }
        };
        let minutes = match (all_day, self.minutes) {
            (true, 0) => DAY,
            (true, minutes) if !minutes.is_multiple_of(DAY) => {
                return Err(wrong("minutes", "whole-days", "whole days are multiples of 1440 minutes"));
            }
            (_, minutes) => minutes,
        };
        if minutes > MAX_MINUTES {
            return Err(wrong("minutes", "length", "an event is at most a year long"));
        }
        let rule = match self.rule.as_deref().map(str::trim).filter(|rule| !rule.is_empty()) {
            None => None,
            Some(rule) => {
                let until = |text: &str| read_until(text, all_day, &zone.clocks);
                let rule = Rule::parse(rule, all_day, until).map_err(|error| rule_wrong(&error))?;
                rule.check(start).map_err(|error| rule_wrong(&error))?;
                Some(rule)
            }
        };
        let mut remind = self.remind.clone().unwrap_or_else(|| usual.to_vec());
        remind.sort_unstable_by(|a, b| b.cmp(a));
        remind.dedup();
        if remind.len() > MAX_REMINDERS || remind.iter().any(|before| *before > MAX_BEFORE) {
            return Err(wrong("remind", "reminders", "at most 8 reminders, up to a year before"));
        }
        Ok(Event {
            id,
            origin: Origin::Own,
            title: Text::same(title),
            notes: Text::same(notes),
            kind: self.kind,
            priority: self.priority,
            when: When { start, all_day, zone, minutes },
            rule,
            dates: Vec::new(),
            cancelled: Vec::new(),
            moved: Vec::new(),
            remind,
            todo: self.todo,
            done: false,
            link: None,
            uid: format!("{id}@domovoi"),
            sequence: 0,
            changed_at: now,
            by,
        })
    }
}
