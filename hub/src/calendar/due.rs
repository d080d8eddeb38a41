//! A reminder that is due, with its words.

use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use jiff::tz::TimeZone;

use super::agenda::Found;
use super::event::{Event, EventKind, Origin, Priority, Text};
use super::moments::{self, Home, Occurrence, Why};
use crate::words::words;

/// So late a reminder is said to be late: the hub was off, or its clock was not set.
const LATE_MILLIS: i64 = 10 * 60_000;

/// How much of the notes goes along.
const NOTES_CHARS: usize = 1500;

/// Why it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueWhy {
    /// So many minutes before it begins.
    Before(u32),
    /// It should have been done.
    Overdue,
}

/// A reminder.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Of which event.
    pub event: Id,
    /// Which of its occurrences.
    pub occurrence: i64,
    /// Which telling of it: grows from reminder to reminder.
    pub telling: u32,
    /// Whose event it is.
    pub origin: Origin,
    /// What it is about.
    pub kind: EventKind,
    /// How much it matters.
    pub priority: Priority,
    /// Somebody has to do it, and can say that it is done.
    pub todo: bool,
    /// Why it is told now.
    pub why: DueWhy,
    /// It should have been told earlier.
    pub late: bool,
    /// So many other occurrences went by untold before it.
    pub missed: u32,
    /// When it was to be told.
    pub at: Timestamp,
    /// When the occurrence begins.
    pub begins: Timestamp,
    /// One line, to be shown as it is.
    pub title: Text,
    /// The rest.
    pub body: Text,
    /// Where on the page more of it stands.
    pub link: Option<String>,
}

pub(super) fn of(found: &Found, now: Timestamp, home: &Home) -> Due {
    let (event, telling) = (&found.event, &found.telling);
    let begins = moments::span(event, &telling.occurrence, home).map_or(telling.at, |(begin, _)| begin);
    let late = now.0.saturating_sub(telling.at.0) > LATE_MILLIS || found.missed > 0;
    let why = match telling.why {
        Why::Before(minutes) => DueWhy::Before(minutes),
        Why::Overdue => DueWhy::Overdue,
    };
    let said = |language| {
        let title = telling.occurrence.title.as_deref().unwrap_or_else(|| event.title.of(language));
        let title = match why {
            DueWhy::Overdue => words(language).say("calendar-overdue", &[("title", title)]),
            DueWhy::Before(_) => title.to_owned(),
        };
        (title, body(event, &telling.occurrence, begins, late, found.missed, home, language))
    };
    let ((title_ru, body_ru), (title_en, body_en)) = (said(Language::Russian), said(Language::English));
    Due {
        event: event.id,
        occurrence: telling.occurrence.key,
        telling: telling.number,
        origin: event.origin.clone(),
        kind: event.kind,
        priority: event.priority,
        todo: event.todo,
        why,
        late,
        missed: found.missed,
        at: telling.at,
        begins,
        title: Text { ru: title_ru, en: title_en },
        body: Text { ru: body_ru, en: body_en },
        link: event.link.clone(),
    }
}

fn body(
    event: &Event,
    occurrence: &Occurrence,
    begins: Timestamp,
    late: bool,
    missed: u32,
    home: &Home,
    language: Language,
) -> String {
    let mut parts = vec![when(event, occurrence, begins, &home.clocks, language)];
    if missed > 0 {
        parts.push(words(language).say("calendar-missed", &[("count", &missed.to_string())]));
    } else if late {
        parts.push(words(language).say("calendar-late", &[]));
    }
    let notes: String = event.notes.of(language).chars().take(NOTES_CHARS).collect();
    if !notes.is_empty() {
        parts.push(notes);
    }
    parts.join("\n")
}

/// When an occurrence is, on the home's clocks.
pub(super) fn when(
    event: &Event,
    occurrence: &Occurrence,
    begins: Timestamp,
    clocks: &TimeZone,
    language: Language,
) -> String {
    let local = if event.when.all_day { Some(occurrence.start) } else { moments::shown(begins, clocks) };
    let Some(local) = local else { return String::new() };
    let date = match language {
        Language::Russian => local.strftime("%d.%m.%Y").to_string(),
        Language::English => local.strftime("%Y-%m-%d").to_string(),
    };
    if event.when.all_day {
        return date;
    }
    words(language).say("calendar-when", &[("date", &date), ("time", &local.strftime("%H:%M").to_string())])
}
