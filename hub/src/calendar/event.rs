//! An event as the calendar has it: plain values. When it happens is spelled in its own zone and on that zone's clocks, so
//! that an event at eight stays at eight when the clocks change.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use domovoi_config::Language;
use domovoi_model::{Date, Id, PersonId, Timestamp};

use super::rule::Rule;

/// The longest title and the longest note, in characters.
pub const MAX_TITLE: usize = 200;
pub const MAX_NOTES: usize = 4000;
/// How many reminders an event has, occurrences that were moved or cancelled, dates beside its rule.
pub const MAX_REMINDERS: usize = 8;
pub const MAX_CHANGES: usize = 366;
/// The longest event, in minutes: a year and a day.
pub const MAX_MINUTES: u32 = 367 * 1440;
/// The earliest reminder, in minutes before.
pub const MAX_BEFORE: u32 = 366 * 1440;

/// A text in both languages of the house; a person's or a stranger's stands in both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Russian.
    pub ru: String,
    /// English.
    pub en: String,
}

impl Text {
    /// One text in both.
    pub fn same(text: impl Into<String>) -> Self {
        let ru = text.into();
        Text { en: ru.clone(), ru }
    }

    /// The one of a language.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::Russian => &self.ru,
            Language::English => &self.en,
        }
    }
}

/// Whose an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Somebody of the household wrote it down.
    Own,
    /// Another room gives it.
    Given(&'static str),
    /// A calendar elsewhere has it; nobody changes it here.
    Elsewhere(Id),
}

domovoi_model::codes! {
    /// What an event is about.
    EventKind {
        /// A bill and its due date.
        Bill = "bill",
        /// When readings are taken.
        Window = "window",
        /// When a meter has to be verified («поверка»).
        Verification = "verification",
        /// A certificate that ends.
        Certificate = "certificate",
        /// Something to be done.
        Task = "task",
        /// Somebody is somewhere at a time.
        Appointment = "appointment",
        /// A birthday, a feast.
        Birthday = "birthday",
        /// Anything else.
        Other = "other",
    }
}

domovoi_model::codes! {
    /// How much it matters, the most first.
    Priority {
        /// First of all.
        High = "high",
        /// As everything.
        Normal = "normal",
        /// When there is time.
        Low = "low",
    }
}

/// When an event begins, and how long it is.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// On the clocks of its zone; midnight of a whole-day event.
    pub start: DateTime,
    /// It has days and no time: the same day everywhere.
    pub all_day: bool,
    /// Whose clocks. Of a whole-day event it means nothing.
    pub zone: Zone,
    /// How long, in minutes of the clock; of a whole-day event whole days.
    pub minutes: u32,
}

/// A zone and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// `Europe/Moscow`, `UTC`, `+03:00`, or a POSIX rule.
    pub name: String,
    /// Its clocks.
    pub clocks: TimeZone,
}

/// An occurrence that is at another time than its rule says.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Which: see [`key_of`].
    pub occurrence: i64,
    /// When it begins instead.
    pub start: DateTime,
    /// How long it is, if not as long as the others.
    pub minutes: Option<u32>,
    /// What it is called, if not as the others.
    pub title: Option<String>,
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Random, or a keyed hash of where it is from.
    pub id: Id,
    /// Whose it is.
    pub origin: Origin,
    /// One line.
    pub title: Text,
    /// The rest.
    pub notes: Text,
    /// What it is about.
    pub kind: EventKind,
    /// How much it matters.
    pub priority: Priority,
    /// When.
    pub when: When,
    /// How it comes again.
    pub rule: Option<Rule>,
    /// Occurrences beside the rule.
    pub dates: Vec<DateTime>,
    /// Occurrences that do not happen.
    pub cancelled: Vec<i64>,
    /// Occurrences at another time.
    pub moved: Vec<Moved>,
    /// Minutes before, the earliest first.
    pub remind: Vec<u32>,
    /// Somebody has to do it: it is overdue until it is ticked off.
    pub todo: bool,
    /// Whoever gave it says that it is done.
    pub done: bool,
    /// Where on the page more of it stands.
    pub link: Option<String>,
    /// What other calendars know it by.
    pub uid: String,
    /// How often it was changed.
    pub sequence: u32,
    /// When it was changed last.
    pub changed_at: Timestamp,
    /// Who wrote it down.
    pub by: Option<PersonId>,
}

impl Event {
    /// Whether it comes again.
    pub fn recurs(&self) -> bool {
        self.rule.is_some() || !self.dates.is_empty()
    }
}

/// What an occurrence is known by, whatever becomes of it: the seconds of its original beginning, as if its clocks were
/// those of UTC.
pub fn key_of(start: DateTime) -> i64 {
    start.to_zoned(TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second())
}

/// The beginning that a key stands for.
pub fn start_of(key: i64) -> Option<DateTime> {
    let at = jiff::Timestamp::from_second(key).ok()?;
    Some(at.to_zoned(TimeZone::UTC).datetime())
}

/// A day of the vocabulary as a civil one.
pub fn civil_of(day: Date) -> Option<jiff::civil::Date> {
    jiff::civil::Date::new(day.year(), day.month() as i8, day.day() as i8).ok()
}

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Zone { name: "UTC".to_owned(), clocks: TimeZone::UTC }
    }

    /// The home's.
    pub fn of(clocks: &TimeZone) -> Self {
        let name = clocks.iana_name().unwrap_or("UTC").to_owned();
        Zone { name, clocks: clocks.clone() }
    }

    /// The one of a name that this program gave.
    pub fn named(name: &str) -> Option<Self> {
        let clocks = if name == "UTC" {
            TimeZone::UTC
        } else if let Some(rule) = name.strip_prefix("posix:") {
            TimeZone::posix(rule).ok()?
        } else if let Some(offset) = offset_of(name) {
            TimeZone::fixed(jiff::tz::Offset::from_seconds(offset).ok()?)
        } else {
            TimeZone::get(name).ok()?
        };
        Some(Zone { name: name.to_owned(), clocks })
    }
}

/// `+03:00` or `+0300` as seconds.
pub fn offset_of(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
    let (hours, minutes) = (part(0)?, part(2)?);
    let seconds = if digits.len() == 6 { part(4)? } else { 0 };
    (hours < 24 && minutes < 60 && seconds < 60).then_some(sign * (hours * 3600 + minutes * 60 + seconds))
}
