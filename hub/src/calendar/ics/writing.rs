//! Writes the calendar as phones read it. What comes again is on the clocks of its zone, which goes along as a VTIMEZONE;
//! what comes once is in UTC; what has no time is a date. The same events are the same bytes, so that a tag of them can be
//! compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use domovoi_config::Language;
use domovoi_model::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::lines::{escaped, push};
use super::times::{spell_day, spell_local, spell_minutes};
use super::zones;
use crate::calendar::event::{Event, EventKind, Moved, Priority, Zone, start_of};
use crate::calendar::moments::{Home, moment, shown};

/// How far ahead the changes of clocks are written down.
const YEARS_AHEAD: i16 = 10;

/// The calendar of these events.
pub fn write(events: &[Arc<Event>], home: &Home, language: Language, name: &str, now: Timestamp) -> String {
    let mut out = String::with_capacity(512 + events.len() * 600);
    push(&mut out, "BEGIN:VCALENDAR");
    push(&mut out, "VERSION:2.0");
    push(&mut out, "PRODID:-//Domovoi//Calendar 1//EN");
    push(&mut out, "CALSCALE:GREGORIAN");
    push(&mut out, "METHOD:PUBLISH");
    push(&mut out, &format!("X-WR-CALNAME:{}", escaped(name)));
    push(&mut out, "REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    push(&mut out, "X-PUBLISHED-TTL:PT1H");
    let mut needed: BTreeMap<String, (&Zone, i16)> = BTreeMap::new();
    for event in events.iter().filter(|event| is_on_clocks(event)) {
        let year = event.when.start.year();
        let entry = needed.entry(zones::tzid(&event.when.zone)).or_insert((&event.when.zone, year));
        entry.1 = entry.1.min(year);
    }
    let this_year = shown(now, &TimeZone::UTC).map_or(2026, |now| now.year());
    for (zone, from) in needed.values() {
        zones::write(&mut out, zone, from.saturating_sub(1), this_year.saturating_add(YEARS_AHEAD));
    }
    for event in events {
        let writer = Writer { event, home, language };
        writer.event(&mut out);
        for moved in event.moved.iter().filter(|moved| !event.cancelled.contains(&moved.occurrence)) {
            writer.moved(&mut out, moved);
        }
    }
    push(&mut out, "END:VCALENDAR");
    out
}

/// It comes again at times of day: its zone has to go along.
fn is_on_clocks(event: &Event) -> bool {
    event.recurs() && !event.when.all_day && event.when.zone.name != "UTC"
}

struct Writer<'a> {
    event: &'a Event,
    home: &'a Home,
    language: Language,
}

impl Writer<'_> {
    /// `;VALUE=DATE:20261124`, `;TZID=Europe/Moscow:20261124T080000`, `:20261124T050000Z`
    fn time(&self, at: DateTime) -> String {
        if self.event.when.all_day {
            return format!(";VALUE=DATE:{}", spell_day(at));
        }
        if is_on_clocks(self.event) {
            return format!(";TZID={}:{}", zones::tzid(&self.event.when.zone), spell_local(at));
        }
        format!(":{}", self.utc(at))
    }

    fn utc(&self, at: DateTime) -> String {
        utc(moment(at, &self.event.when.zone.clocks).unwrap_or(Timestamp(0)))
    }

    fn event(&self, out: &mut String) {
        let event = self.event;
        self.head(out);
        push(out, &format!("DTSTART{}", self.time(event.when.start)));
        self.length(out, event.when.start, event.when.minutes);
        if let Some(rule) = &event.rule {
            let until = |end: DateTime| if event.when.all_day { spell_day(end) } else { self.utc(end) };
            push(out, &format!("RRULE:{}", rule.spelled(until)));
        }
        for date in &event.dates {
            push(out, &format!("RDATE{}", self.time(*date)));
        }
        for key in &event.cancelled {
            if let Some(at) = start_of(*key) {
                push(out, &format!("EXDATE{}", self.time(at)));
            }
        }
        self.rest(out, event.title.of(self.language));
    }

    /// An occurrence at another time.
    fn moved(&self, out: &mut String, moved: &Moved) {
        let Some(original) = start_of(moved.occurrence) else { return };
        self.head(out);
        push(out, &format!("RECURRENCE-ID{}", self.time(original)));
        push(out, &format!("DTSTART{}", self.time(moved.start)));
        self.length(out, moved.start, moved.minutes.unwrap_or(self.event.when.minutes));
        self.rest(out, moved.title.as_deref().unwrap_or_else(|| self.event.title.of(self.language)));
    }

    fn head(&self, out: &mut String) {
        push(out, "BEGIN:VEVENT");
        push(out, &format!("UID:{}", escaped(&self.event.uid)));
        let changed = utc(self.event.changed_at);
        push(out, &format!("DTSTAMP:{changed}"));
        push(out, &format!("LAST-MODIFIED:{changed}"));
        push(out, &format!("SEQUENCE:{}", self.event.sequence));
    }

    fn length(&self, out: &mut String, start: DateTime, minutes: u32) {
        if self.event.when.all_day {
            let end = start.checked_add(jiff::SignedDuration::from_mins(i64::from(minutes.max(1440)))).unwrap_or(start);
            push(out, &format!("DTEND;VALUE=DATE:{}", spell_day(end)));
        } else if minutes > 0 {
            // A length and no end: an hour is an hour in the night in which the clocks are changed too.
            push(out, &format!("DURATION:{}", spell_minutes(i64::from(minutes))));
        }
    }

    fn rest(&self, out: &mut String, title: &str) {
        let event = self.event;
        push(out, &format!("SUMMARY:{}", escaped(title)));
        let notes = event.notes.of(self.language);
        if !notes.is_empty() {
            push(out, &format!("DESCRIPTION:{}", escaped(notes)));
        }
        push(out, &format!("CATEGORIES:{}", event.kind.code().to_ascii_uppercase()));
        let priority = match event.priority {
            Priority::High => 1,
            Priority::Normal => 5,
            Priority::Low => 9,
        };
        push(out, &format!("PRIORITY:{priority}"));
        push(out, "CLASS:PRIVATE");
        let busy = event.kind == EventKind::Appointment && !event.when.all_day;
        push(out, if busy { "TRANSP:OPAQUE" } else { "TRANSP:TRANSPARENT" });
        for before in &event.remind {
            let mut trigger = -i64::from(*before);
            if event.when.all_day {
                trigger += i64::from(self.home.all_day_minute);
            }
            push(out, "BEGIN:VALARM");
            push(out, "ACTION:DISPLAY");
            push(out, &format!("DESCRIPTION:{}", escaped(title)));
            push(out, &format!("TRIGGER:{}", spell_minutes(trigger)));
            push(out, "END:VALARM");
        }
        push(out, "END:VEVENT");
    }
}

fn utc(at: Timestamp) -> String {
    let at = shown(at, &TimeZone::UTC).unwrap_or(DateTime::ZERO);
    format!("{}Z", spell_local(at))
}
