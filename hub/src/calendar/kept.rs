//! How the calendar's rows are spelled in the store. What does not read back as it should is left out and counted, like a
//! row that does not open.

use std::collections::BTreeSet;

use domovoi_model::{Id, Timestamp};
use domovoi_store::CalendarPaper;
use jiff::civil::DateTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::event::{Event, EventKind, Moved, Origin, Priority, Text, When, Zone};
use super::rule::Rule;

const SPELLING: &str = "%Y-%m-%dT%H:%M:%S";

pub fn spell(at: DateTime) -> String {
    at.strftime(SPELLING).to_string()
}

pub fn read(text: &str) -> Option<DateTime> {
    text.parse().ok()
}

/// A document of the room.
pub fn paper(id: Id, row: &impl Serialize) -> CalendarPaper {
    CalendarPaper { id, body: Zeroizing::new(serde_json::to_vec(row).unwrap_or_default()) }
}

/// What a document says.
pub fn row<T: DeserializeOwned>(paper: &CalendarPaper) -> Option<T> {
    serde_json::from_slice(&paper.body).ok()
}

#[derive(Serialize, Deserialize)]
pub struct EventRow {
    title: String,
    notes: String,
    kind: String,
    priority: String,
    start: String,
    all_day: bool,
    zone: String,
    minutes: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dates: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cancelled: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    moved: Vec<MovedRow>,
    remind: Vec<u32>,
    todo: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    uid: String,
    sequence: u32,
    changed_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct MovedRow {
    occurrence: i64,
    start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minutes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

impl From<&Event> for EventRow {
    fn from(event: &Event) -> Self {
        let rule = event.rule.as_ref();
        EventRow {
            title: event.title.ru.clone(),
            notes: event.notes.ru.clone(),
            kind: event.kind.code().to_owned(),
            priority: event.priority.code().to_owned(),
            start: spell(event.when.start),
            all_day: event.when.all_day,
            zone: event.when.zone.name.clone(),
            minutes: event.when.minutes,
            rule: rule.map(|rule| rule.parts().to_owned()),
            until: rule.and_then(|rule| rule.until).map(spell),
            dates: event.dates.iter().map(|date| spell(*date)).collect(),
            cancelled: event.cancelled.clone(),
            moved: event
                .moved
                .iter()
                .map(|moved| MovedRow {
                    occurrence: moved.occurrence,
                    start: spell(moved.start),
                    minutes: moved.minutes,
                    title: moved.title.clone(),
                })
                .collect(),
            remind: event.remind.clone(),
            todo: event.todo,
            link: event.link.clone(),
            uid: event.uid.clone(),
            sequence: event.sequence,
            changed_at: event.changed_at.0,
            by: event.by.map(|by| by.to_string()),
        }
    }
}

impl EventRow {
    pub fn event(self, id: Id) -> Option<Event> {
        let until = self.until.as_deref().map(read);
        if until == Some(None) {
            return None;
        }
        let rule = match &self.rule {
            Some(text) => {
                let mut rule = Rule::parse(text, self.all_day, |_| None).ok()?;
                rule.until = until.flatten();
                Some(rule)
            }
            None => None,
        };
        let moved = self.moved.into_iter().map(|moved| {
            Some(Moved {
                occurrence: moved.occurrence,
                start: read(&moved.start)?,
                minutes: moved.minutes,
                title: moved.title,
            })
        });
        Some(Event {
            id,
            origin: Origin::Own,
            title: Text::same(self.title),
            notes: Text::same(self.notes),
            kind: EventKind::from_code(&self.kind)?,
            priority: Priority::from_code(&self.priority)?,
            when: When {
                start: read(&self.start)?,
                all_day: self.all_day,
                zone: Zone::named(&self.zone)?,
                minutes: self.minutes,
            },
            rule,
            dates: self.dates.iter().map(|date| read(date)).collect::<Option<_>>()?,
            cancelled: self.cancelled,
            moved: moved.collect::<Option<_>>()?,
            remind: self.remind,
            todo: self.todo,
            done: false,
            link: self.link,
            uid: self.uid,
            sequence: self.sequence,
            changed_at: Timestamp(self.changed_at),
            by: self.by.and_then(|by| by.parse().ok()),
        })
    }
}

/// How far an event was told, and which of its occurrences are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Everything that was to be told until then was handed over.
    pub told_until: i64,
    /// Keys of occurrences.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub done: BTreeSet<i64>,
}

/// So many occurrences of an event are remembered as done; the oldest are forgotten first.
const MAX_DONE: usize = 400;

impl Mark {
    pub fn new(told_until: Timestamp) -> Self {
        Mark { told_until: told_until.0, done: BTreeSet::new() }
    }

    pub fn tick(&mut self, occurrence: i64, done: bool) {
        if done {
            self.done.insert(occurrence);
            while self.done.len() > MAX_DONE {
                self.done.pop_first();
            }
        } else {
            self.done.remove(&occurrence);
        }
    }
}
