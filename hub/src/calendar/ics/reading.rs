//! Reads a calendar elsewhere: components, events, their changes and alarms. Everything in it is a stranger's: what cannot be
//! read is left out and counted, what is too much is cut off, and the rest is taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use domovoi_model::{Id, Timestamp};

use super::lines::{Line, lines, tame, unescaped};
use super::times::{Spelled, duration, time};
use super::zones::{Observance, Zones};
use crate::calendar::draft::read_until;
use crate::calendar::event::{
    Event, EventKind, MAX_BEFORE, MAX_CHANGES, MAX_MINUTES, MAX_NOTES, MAX_REMINDERS, MAX_TITLE, Moved, Origin,
    Priority, Text, When, Zone, key_of,
};
use crate::calendar::moments::{moment, shown};
use crate::calendar::rule::Rule;

/// Components within components.
const MAX_DEPTH: usize = 8;
/// Lines that are kept of an event or a zone, and alarms of an event.
const MAX_PROPERTIES: usize = 500;
const MAX_ALARMS: usize = 20;
/// Dates in EXDATE and RDATE that are looked at, of one event.
const MAX_DATES: usize = 2000;
/// All rules of a calendar may take so long to follow, together.
const RULE_BUDGET: Duration = Duration::from_secs(3);

/// What a reader has to know.
#[derive(Clone)]
pub struct Reading {
    /// Whose the events are.
    pub origin: Origin,
    /// The id of an event by its UID.
    pub id_of: Arc<dyn Fn(&str) -> Id + Send + Sync>,
    /// The home's clocks: times without a zone are on them.
    pub home: TimeZone,
    /// From which minute of the day reminders of whole-day events are counted.
    pub all_day_minute: u16,
    /// Whether alarms become reminders.
    pub alarms: bool,
    /// What an event is about that does not say it.
    pub kind: EventKind,
    /// How many events are taken.
    pub most: usize,
    /// When it is read.
    pub now: Timestamp,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// What the calendar calls itself.
    pub name: Option<String>,
    /// Its events.
    pub events: Vec<Event>,
    /// How many could not be taken.
    pub left_out: u32,
    /// Names of zones that nobody knows; their times are taken for the home's.
    pub unknown_zones: u32,
}

#[derive(Debug, Default)]
struct Raw {
    lines: Vec<Line>,
    alarms: Vec<Vec<Line>>,
}

impl Raw {
    fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.name == name)
    }

    fn text(&self, name: &str, most: usize, ends: bool) -> String {
        self.line(name).map(|line| tame(&unescaped(&line.value), most, ends)).unwrap_or_default()
    }
}

/// Reads a calendar; `None`: it is none.
pub fn read(bytes: &[u8], reading: &Reading) -> Option<Read> {
    let text = String::from_utf8_lossy(bytes);
    let mut read = Read::default();
    let mut zones = Zones::default();
    let (raws, is_calendar) = components(&text, reading.most, &mut zones, &mut read);
    if !is_calendar {
        return None;
    }
    let mut reader = Reader { reading, zones, budget: RULE_BUDGET, unknown: Vec::new() };
    let mut masters: BTreeMap<String, Event> = BTreeMap::new();
    let mut changes: Vec<(String, Raw)> = Vec::new();
    let mut cancelled: Vec<String> = Vec::new();
    for raw in raws {
        let uid = reader.uid(&raw);
        if raw.line("RECURRENCE-ID").is_some() {
            changes.push((uid, raw));
            continue;
        }
        if is_cancelled(&raw) {
            cancelled.push(uid);
            continue;
        }
        match reader.event(&raw, &uid) {
            Some(event) => {
                // The newest of those with one UID counts.
                let older = masters.get(&uid).is_some_and(|there| newer(there) > newer(&event));
                if !older {
                    masters.insert(uid, event);
                }
            }
            None => read.left_out += 1,
        }
    }
    for (uid, raw) in changes {
        match masters.get_mut(&uid) {
            Some(master) => read.left_out += u32::from(reader.change(master, &raw).is_none()),
            // A calendar that hands out a single occurrence of an event that is not in it.
            None if !is_cancelled(&raw) && !cancelled.contains(&uid) => {
                let own = raw.line("RECURRENCE-ID").map(|line| format!("{uid}#{}", line.value)).unwrap_or_default();
                match reader.event(&raw, &own) {
                    Some(event) if masters.len() < reading.most => {
                        masters.insert(own, event);
                    }
                    _ => read.left_out += 1,
                }
            }
            None => {}
        }
    }
    read.unknown_zones = u32::try_from(reader.unknown.len()).unwrap_or(u32::MAX);
    read.events = masters.into_values().collect();
    Some(read)
}

fn newer(event: &Event) -> (u32, Timestamp) {
    (event.sequence, event.changed_at)
}

fn is_cancelled(raw: &Raw) -> bool {
    raw.line("STATUS").is_some_and(|line| line.value.trim().eq_ignore_ascii_case("CANCELLED"))
}

/// Takes the text apart: events with their alarms, zones into `zones`; and whether it is a calendar at all.
fn components(text: &str, most: usize, zones: &mut Zones, read: &mut Read) -> (Vec<Raw>, bool) {
    let mut raws = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut is_calendar = false;
    let mut event: Option<Raw> = None;
    let mut zone: Option<(Option<String>, Vec<Observance>)> = None;
    // Deeper than any calendar goes: counted, and nothing of it kept.
    let mut too_deep = 0usize;
    for line in lines(text) {
        let value = || line.value.trim().to_ascii_uppercase();
        match line.name.as_str() {
            "BEGIN" if open.len() >= MAX_DEPTH => too_deep += 1,
            "END" if too_deep > 0 => too_deep -= 1,
            "BEGIN" => {
                let name: String = value().chars().take(32).collect();
                match (name.as_str(), open.last().map(String::as_str)) {
                    ("VCALENDAR", _) => is_calendar = true,
                    ("VEVENT", Some("VCALENDAR")) => event = Some(Raw::default()),
                    ("VALARM", Some("VEVENT")) => {
                        if let Some(event) = event.as_mut().filter(|event| event.alarms.len() < MAX_ALARMS) {
                            event.alarms.push(Vec::new());
                        }
                    }
                    ("VTIMEZONE", Some("VCALENDAR")) => zone = Some((None, Vec::new())),
                    ("STANDARD" | "DAYLIGHT", Some("VTIMEZONE")) => {
                        if let Some((_, observances)) = zone.as_mut().filter(|(_, found)| found.len() < 400) {
                            observances.push(Observance { daylight: name == "DAYLIGHT", lines: Vec::new() });
                        }
                    }
                    _ => {}
                }
                open.push(name);
            }
            "END" => {
                let name = value();
                // What was forgotten to be closed is closed with what it stands in.
                let Some(at) = open.iter().rposition(|there| *there == name) else { continue };
                for closed in open.drain(at..) {
                    match closed.as_str() {
                        "VEVENT" => match event.take() {
                            Some(raw) if raws.len() < most => raws.push(raw),
                            Some(_) => read.left_out = read.left_out.saturating_add(1),
                            None => {}
                        },
                        "VTIMEZONE" => {
                            if let Some((Some(name), observances)) = zone.take() {
                                zones.bring(&name, observances);
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ if too_deep > 0 => {}
            name => match open.last().map(String::as_str) {
                Some("VCALENDAR") if matches!(name, "X-WR-CALNAME" | "NAME") && read.name.is_none() => {
                    let called = tame(&unescaped(&line.value), MAX_TITLE, false);
                    read.name = Some(called).filter(|called| !called.is_empty());
                }
                Some("VEVENT") => {
                    if let Some(event) = event.as_mut().filter(|event| event.lines.len() < MAX_PROPERTIES) {
                        event.lines.push(line);
                    }
                }
                Some("VALARM") => {
                    if let Some(alarm) =
                        event.as_mut().and_then(|event| event.alarms.last_mut()).filter(|alarm| alarm.len() < 20)
                    {
                        alarm.push(line);
                    }
                }
                Some("VTIMEZONE") if name == "TZID" => {
                    if let Some((tzid, _)) = &mut zone {
                        *tzid = Some(line.value.trim().chars().take(128).collect());
                    }
                }
                Some("STANDARD" | "DAYLIGHT") => {
                    if let Some(observance) = zone
                        .as_mut()
                        .and_then(|(_, observances)| observances.last_mut())
                        .filter(|observance| observance.lines.len() < 20)
                    {
                        observance.lines.push(line);
                    }
                }
                _ => {}
            },
        }
    }
    // A calendar that was cut off: its last event is not whole.
    if event.is_some() {
        read.left_out = read.left_out.saturating_add(1);
    }
    (raws, is_calendar)
}

struct Reader<'a> {
    reading: &'a Reading,
    zones: Zones,
    budget: Duration,
    unknown: Vec<String>,
}

impl Reader<'_> {
    /// The UID, or what else tells the event from others.
    fn uid(&self, raw: &Raw) -> String {
        let uid = raw.text("UID", 500, false);
        if !uid.is_empty() {
            return uid;
        }
        let line = |name: &str| raw.line(name).map(|line| line.value.chars().take(200).collect::<String>());
        format!("no-uid:{}:{}", line("DTSTART").unwrap_or_default(), line("SUMMARY").unwrap_or_default())
    }

    /// On which clocks a line's time is.
    fn zone(&mut self, line: &Line) -> Zone {
        let Some(name) = line.parameter("TZID") else { return Zone::of(&self.reading.home) };
        if let Some(zone) = self.zones.find(name) {
            return zone;
        }
        if self.unknown.len() < 100 && !self.unknown.iter().any(|there| there == name) {
            self.unknown.push(name.to_owned());
        }
        Zone::of(&self.reading.home)
    }

    /// A line's time: on which clocks, and whether it is a whole day.
    fn when(&mut self, line: &Line) -> Option<(DateTime, bool, Zone)> {
        Some(match time(&line.value)? {
            Spelled::Day(day) => (day.to_datetime(Time::midnight()), true, Zone::utc()),
            Spelled::Utc(at) => (at, false, Zone::utc()),
            Spelled::Local(at) => (at, false, self.zone(line)),
        })
    }

    /// Times of a line with a list of them, on the clocks of the event.
    fn dates(&mut self, line: &Line, when: &When) -> Vec<DateTime> {
        let zone = self.zone(line);
        let of = |text: &str| {
            // Of a period only its beginning.
            let at = match time(text.split('/').next()?)? {
                Spelled::Day(day) if when.all_day => return Some(day.to_datetime(Time::midnight())),
                // Outlook leaves a whole day out of an event with times.
                Spelled::Day(day) => return Some(day.to_datetime(when.start.time())),
                Spelled::Utc(at) => moment(at, &TimeZone::UTC)?,
                Spelled::Local(at) if zone == when.zone => return Some(at),
                Spelled::Local(at) => moment(at, &zone.clocks)?,
            };
            let at = shown(at, &when.zone.clocks)?;
            Some(if when.all_day { at.date().to_datetime(Time::midnight()) } else { at })
        };
        line.value.split(',').take(MAX_DATES).filter_map(of).collect()
    }

    fn minutes(&mut self, raw: &Raw, start: DateTime, all_day: bool, zone: &Zone) -> u32 {
        let cap = |minutes: i64| u32::try_from(minutes.clamp(0, i64::from(MAX_MINUTES))).unwrap_or(0);
        let whole = |minutes: i64| (minutes.max(1) + 1439) / 1440 * 1440;
        if let Some(line) = raw.line("DTEND")
            && let Some((end, end_all_day, end_zone)) = self.when(line)
            && end_all_day == all_day
        {
            if all_day {
                return cap(whole((key_of(end) - key_of(start)) / 60));
            }
            let (Some(from), Some(to)) = (moment(start, &zone.clocks), moment(end, &end_zone.clocks)) else { return 0 };
            return cap((to.0 - from.0) / 60_000);
        }
        let said = raw.line("DURATION").and_then(|line| duration(&line.value)).unwrap_or(0);
        if all_day { cap(whole(said / 60)) } else { cap(said / 60) }
    }

    fn event(&mut self, raw: &Raw, uid: &str) -> Option<Event> {
        let (start, all_day, zone) = self.when(raw.line("DTSTART")?)?;
        let minutes = self.minutes(raw, start, all_day, &zone);
        let when = When { start, all_day, zone, minutes };
        let rule = match raw.line("RRULE") {
            Some(line) => Some(self.rule(&line.value, &when)?),
            None => None,
        };
        let (mut dates, mut cancelled) = (Vec::new(), Vec::new());
        for line in raw.all("RDATE") {
            dates.extend(self.dates(line, &when));
        }
        for line in raw.all("EXDATE") {
            cancelled.extend(self.dates(line, &when).into_iter().map(key_of));
        }
        if !dates.is_empty() && rule.is_none() {
            dates.push(start);
        }
        dates.sort_unstable();
        dates.dedup();
        dates.truncate(MAX_DATES);
        cancelled.sort_unstable();
        cancelled.dedup();
        cancelled.truncate(MAX_DATES);
        let title = raw.text("SUMMARY", MAX_TITLE, false);
        let notes = self.notes(raw);
        let remind = if self.reading.alarms { self.alarms(raw, &when) } else { Vec::new() };
        let changed = raw.line("LAST-MODIFIED").or_else(|| raw.line("DTSTAMP")).and_then(|line| time(&line.value));
        let changed_at = match changed {
            Some(Spelled::Utc(at)) => moment(at, &TimeZone::UTC),
            _ => None,
        };
        Some(Event {
            id: (self.reading.id_of)(uid),
            origin: self.reading.origin.clone(),
            title: Text::same(if title.is_empty() { "—".to_owned() } else { title }),
            notes: Text::same(notes),
            kind: self.kind(raw),
            priority: priority(raw),
            when,
            rule,
            dates,
            cancelled,
            moved: Vec::new(),
            remind,
            todo: false,
            done: false,
            link: None,
            uid: uid.to_owned(),
            sequence: raw.line("SEQUENCE").and_then(|line| line.value.trim().parse().ok()).unwrap_or(0),
            changed_at: changed_at.unwrap_or(Timestamp(0)),
            by: None,
        })
    }

    /// An event with a rule that cannot be followed is left out: its first day alone would be a lie.
    fn rule(&mut self, text: &str, when: &When) -> Option<Rule> {
        if self.budget.is_zero() {
            return None;
        }
        let began = Instant::now();
        let until = |text: &str| read_until(text, when.all_day, &when.zone.clocks);
        let rule = Rule::parse(text, when.all_day, until).ok().filter(|rule| rule.check(when.start).is_ok());
        self.budget = self.budget.saturating_sub(began.elapsed());
        rule
    }

    fn notes(&self, raw: &Raw) -> String {
        let (place, words) = (raw.text("LOCATION", 200, false), raw.text("DESCRIPTION", MAX_NOTES, true));
        let notes = match (place.is_empty(), words.is_empty()) {
            (false, false) => format!("{place}\n{words}"),
            (false, true) => place,
            _ => words,
        };
        notes.chars().take(MAX_NOTES).collect()
    }

    fn kind(&self, raw: &Raw) -> EventKind {
        let categories = raw.text("CATEGORIES", 300, false).to_lowercase();
        let named = categories.split(',').map(str::trim);
        named
            .filter_map(|name| match name {
                "birthday" | "birthdays" | "день рождения" | "дни рождения" => {
                    Some(EventKind::Birthday)
                }
                name => EventKind::from_code(name),
            })
            .next()
            .unwrap_or(self.reading.kind)
    }

    fn alarms(&self, raw: &Raw, when: &When) -> Vec<u32> {
        let of = |alarm: &Vec<Line>| {
            let trigger = alarm.iter().find(|line| line.name == "TRIGGER")?;
            if trigger.parameter("RELATED").is_some_and(|related| related.eq_ignore_ascii_case("END")) {
                return None;
            }
            let before = match duration(&trigger.value) {
                Some(seconds) => -seconds / 60,
                // At a moment: so long before the first occurrence.
                None => match time(&trigger.value)? {
                    Spelled::Utc(at) => {
                        let begin = moment(when.start, &when.zone.clocks)?;
                        (begin.0 - moment(at, &TimeZone::UTC)?.0) / 60_000
                    }
                    _ => return None,
                },
            };
            // Theirs are counted from midnight, ours from a time at which somebody is awake.
            let before = if when.all_day { before + i64::from(self.reading.all_day_minute) } else { before };
            u32::try_from(before.max(0)).ok().filter(|before| *before <= MAX_BEFORE)
        };
        let mut remind: Vec<u32> = raw.alarms.iter().filter_map(of).collect();
        remind.sort_unstable_by(|a, b| b.cmp(a));
        remind.dedup();
        remind.truncate(MAX_REMINDERS);
        remind
    }

    /// One occurrence of an event that is otherwise than the others.
    fn change(&mut self, master: &mut Event, raw: &Raw) -> Option<()> {
        let line = raw.line("RECURRENCE-ID")?.clone();
        let occurrence = key_of(*self.dates(&line, &master.when).first()?);
        if master.moved.len() >= MAX_CHANGES {
            return None;
        }
        master.moved.retain(|moved| moved.occurrence != occurrence);
        if is_cancelled(raw) {
            master.cancelled.push(occurrence);
            return Some(());
        }
        let (start, all_day, zone) = self.when(raw.line("DTSTART")?)?;
        let minutes = self.minutes(raw, start, all_day, &zone);
        // On the clocks of the event, like all its occurrences.
        let start = match (all_day, master.when.all_day) {
            (true, true) => start,
            (false, false) if zone == master.when.zone => start,
            (false, false) => shown(moment(start, &zone.clocks)?, &master.when.zone.clocks)?,
            // A whole day in place of a time: it begins when the day does.
            (true, false) => shown(moment(start, &self.reading.home)?, &master.when.zone.clocks)?,
            (false, true) => {
                shown(moment(start, &zone.clocks)?, &self.reading.home)?.date().to_datetime(Time::midnight())
            }
        };
        let title = raw.text("SUMMARY", MAX_TITLE, false);
        let title = Some(title).filter(|title| !title.is_empty() && *title != master.title.ru);
        let minutes = if master.when.all_day { minutes.div_ceil(1440).max(1) * 1440 } else { minutes };
        master.moved.push(Moved { occurrence, start, minutes: Some(minutes), title });
        Some(())
    }
}

/// 1 is the highest, 9 the lowest, 0 nothing (3.8.1.9).
fn priority(raw: &Raw) -> Priority {
    match raw.line("PRIORITY").and_then(|line| line.value.trim().parse::<u8>().ok()) {
        Some(1..=4) => Priority::High,
        Some(6..=9) => Priority::Low,
        _ => Priority::Normal,
    }
}
