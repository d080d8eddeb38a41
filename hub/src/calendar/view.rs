//! What is in the calendar between two moments, chosen and sorted. Pure but for the lock.

use std::sync::Arc;

use domovoi_model::{Id, Timestamp};

use super::event::{Event, EventKind, Origin};
use super::moments::{self, Home, Occurrence};
use super::{Calendar, CalendarError};

/// The longest list.
pub const MAX_ENTRIES: usize = 2000;

/// How many overdue occurrences of an event that comes again are shown, and how far back they are looked for.
const OVERDUE_EACH: usize = 10;
const OVERDUE_MILLIS: i64 = 60 * 86_400_000;

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// By beginning.
    #[default]
    Date,
    /// By kind, then by beginning.
    Kind,
    /// The most important first, then by beginning.
    Priority,
}

/// How an occurrence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It lies ahead.
    Ahead,
    /// It goes on.
    Now,
    /// It is over.
    Over,
    /// It is done.
    Done,
    /// It should have been done.
    Overdue,
}

impl Standing {
    /// Its code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Standing::Ahead => "ahead",
            Standing::Now => "now",
            Standing::Over => "over",
            Standing::Done => "done",
            Standing::Overdue => "overdue",
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What ends after it.
    pub from: Timestamp,
    /// What begins before it.
    pub to: Timestamp,
    /// Only these kinds; none: all.
    pub kinds: Vec<EventKind>,
    /// Only the household's own, what other rooms give, or calendars elsewhere: `own`, `given`, `elsewhere`.
    pub origin: Option<String>,
    /// With this in its title or notes, whatever the case.
    pub text: Option<String>,
    /// What is overdue is listed wherever it lies; with `true` nothing else is.
    pub overdue_only: bool,
    /// In which order.
    pub sort: Sort,
    /// At most so many.
    pub limit: usize,
}

/// An occurrence in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its event.
    pub event: Arc<Event>,
    /// Which.
    pub occurrence: Occurrence,
    /// Its begin; of whole days at home.
    pub begin: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// How it stands.
    pub standing: Standing,
}

impl Entry {
    /// What it is called.
    pub fn title(&self, language: domovoi_config::Language) -> &str {
        self.occurrence.title.as_deref().unwrap_or_else(|| self.event.title.of(language))
    }
}

/// The code of where an event is from.
pub fn origin_code(origin: &Origin) -> &'static str {
    match origin {
        Origin::Own => "own",
        Origin::Given(_) => "given",
        Origin::Elsewhere(_) => "elsewhere",
    }
}

impl Calendar {
    /// What is in the calendar, and whether there is more than the list takes.
    pub fn list(&self, filter: &Filter) -> (Vec<Entry>, bool) {
        let now = self.0.clock.at_least();
        let (events, home) = {
            let state = self.state();
            let text = filter.text.as_deref().map(str::to_lowercase);
            let fits = |event: &&Arc<Event>| {
                (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
                    && filter.origin.as_deref().is_none_or(|origin| origin == origin_code(&event.origin))
                    && text.as_deref().is_none_or(|text| mentions(event, text))
            };
            let with_done = |event: &Arc<Event>| {
                let done = state.agenda.mark(event.id).map(|mark| mark.done.clone()).unwrap_or_default();
                (Arc::clone(event), done)
            };
            (state.agenda.events().filter(fits).map(with_done).collect::<Vec<_>>(), state.agenda.home.clone())
        };
        let limit = filter.limit.clamp(1, MAX_ENTRIES);
        let mut entries = Vec::new();
        for (event, done) in events {
            let is_done = |key: i64| event.done || done.contains(&key);
            let since = now.plus_millis(-OVERDUE_MILLIS);
            let overdue = moments::overdue(&event, is_done, &home, since, now, OVERDUE_EACH);
            let late: Vec<i64> = overdue.iter().map(|occurrence| occurrence.key).collect();
            if !filter.overdue_only {
                for occurrence in between(&event, filter, &home, limit + 1) {
                    if !late.contains(&occurrence.key) {
                        entries.extend(entry(&event, occurrence, &home, now, is_done, false));
                    }
                }
            }
            entries.extend(
                overdue.into_iter().filter_map(|occurrence| entry(&event, occurrence, &home, now, is_done, true)),
            );
        }
        entries.sort_by(|a, b| {
            let by_date = || (a.begin, a.event.id, a.occurrence.key).cmp(&(b.begin, b.event.id, b.occurrence.key));
            match filter.sort {
                Sort::Date => by_date(),
                Sort::Kind => a.event.kind.cmp(&b.event.kind).then_with(by_date),
                Sort::Priority => a.event.priority.cmp(&b.event.priority).then_with(by_date),
            }
        });
        let more = entries.len() > limit;
        entries.truncate(limit);
        (entries, more)
    }

    /// One event.
    pub fn event(&self, id: Id) -> Result<Arc<Event>, CalendarError> {
        self.state().agenda.event(id).cloned().ok_or(CalendarError::NoSuch("event"))
    }

    /// One occurrence of an event, as it stands.
    pub fn entry(&self, id: Id, occurrence: i64) -> Result<Entry, CalendarError> {
        let now = self.0.clock.at_least();
        let state = self.state();
        let event = state.agenda.event(id).ok_or(CalendarError::NoSuch("event"))?;
        let found = moments::occurrence(event, occurrence).ok_or(CalendarError::NoSuch("occurrence"))?;
        let is_done = |key: i64| event.done || state.agenda.is_done(id, key);
        let home = &state.agenda.home;
        let late = event.todo
            && !is_done(occurrence)
            && moments::deadline(event, &found, home).is_some_and(|deadline| deadline <= now);
        entry(event, found, home, now, is_done, late).ok_or(CalendarError::NoSuch("occurrence"))
    }
}

fn mentions(event: &Event, text: &str) -> bool {
    [&event.title.ru, &event.title.en, &event.notes.ru, &event.notes.en]
        .iter()
        .any(|words| words.to_lowercase().contains(text))
}

fn between(event: &Event, filter: &Filter, home: &Home, most: usize) -> Vec<Occurrence> {
    let clocks = moments::clocks_of(event, home);
    let longest = event.moved.iter().filter_map(|moved| moved.minutes).fold(event.when.minutes, u32::max);
    let back = filter.from.plus_millis(-i64::from(longest) * 60_000 - 86_400_000);
    let (Some(from), Some(to)) = (moments::shown(back, clocks), moments::shown(filter.to, clocks)) else {
        return Vec::new();
    };
    let mut found = moments::occurrences(event, from, to, most);
    found.retain(|occurrence| {
        moments::span(event, occurrence, home)
            .is_some_and(|(begin, end)| begin < filter.to && (end > filter.from || begin >= filter.from))
    });
    found
}

fn entry(
    event: &Arc<Event>,
    occurrence: Occurrence,
    home: &Home,
    now: Timestamp,
    is_done: impl Fn(i64) -> bool,
    overdue: bool,
) -> Option<Entry> {
    let (begin, end) = moments::span(event, &occurrence, home)?;
    let standing = if is_done(occurrence.key) && (event.todo || event.done) {
        Standing::Done
    } else if overdue {
        Standing::Overdue
    } else if now < begin {
        Standing::Ahead
    } else if now < end {
        Standing::Now
    } else {
        Standing::Over
    };
    Some(Entry { event: Arc::clone(event), occurrence, begin, end, standing })
}
