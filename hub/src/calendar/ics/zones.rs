//! Time zones of iCalendar. A name that the world knows is the world's zone, whatever the calendar says of it: its rules are
//! kept up to date here and not there. Of other names the VTIMEZONE is read as far as it is a rule for every year. Written
//! are the changes of a zone one by one, which no reader can misunderstand.

use std::collections::BTreeMap;

use jiff::tz::{Offset, TimeZone};

use super::lines::{Line, push};
use super::times::{Spelled, spell_local, time};
use super::windows;
use crate::calendar::event::{Zone, offset_of};

/// Zones that one calendar may bring along.
const MAX_ZONES: usize = 64;
/// Changes of each that are looked at.
const MAX_OBSERVANCES: usize = 200;

/// One change of the clocks, as a VTIMEZONE has it.
#[derive(Debug, Clone, Default)]
pub struct Observance {
    pub daylight: bool,
    pub lines: Vec<Line>,
}

/// The zones that a calendar brings along.
#[derive(Debug, Default)]
pub struct Zones {
    brought: BTreeMap<String, Vec<Observance>>,
    /// What was looked up before.
    known: BTreeMap<String, Option<Zone>>,
}

impl Zones {
    pub fn bring(&mut self, name: &str, observances: Vec<Observance>) {
        if self.brought.len() < MAX_ZONES {
            self.brought.insert(name.to_owned(), observances);
        }
    }

    /// The zone of a name; `None`: nobody knows it.
    pub fn find(&mut self, name: &str) -> Option<Zone> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let found = of_the_world(name).or_else(|| self.brought.get(name).and_then(|found| zone_of(found)));
        if self.known.len() < 4 * MAX_ZONES {
            self.known.insert(name.to_owned(), found.clone());
        }
        found
    }
}

fn of_the_world(name: &str) -> Option<Zone> {
    let name = name.trim().trim_matches('"');
    if name.is_empty() || name.len() > 128 {
        return None;
    }
    if matches!(name, "UTC" | "GMT" | "Z" | "Etc/UTC") {
        return Some(Zone::utc());
    }
    let named = |name: &str| {
        let clocks = TimeZone::get(name).ok()?;
        Some(Zone { name: clocks.iana_name().unwrap_or(name).to_owned(), clocks })
    };
    // `/mozilla.org/20050126_1/Europe/Moscow`: the place stands at the end.
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let tails = (1..=3).rev().filter(|tail| *tail <= parts.len()).filter_map(|tail| parts.get(parts.len() - tail..));
    let mut tails = tails.map(|tail| tail.join("/")).filter(|tail| tail.contains('/'));
    tails.find_map(|tail| named(&tail)).or_else(|| windows::place(name).and_then(named))
}

/// The rule of every year that a VTIMEZONE means: its newest standard time and, if it comes every year, its newest
/// daylight time.
fn zone_of(observances: &[Observance]) -> Option<Zone> {
    let newest = |daylight: bool| {
        observances
            .iter()
            .take(MAX_OBSERVANCES)
            .filter(|one| one.daylight == daylight)
            .filter_map(Change::read)
            .max_by_key(|change| change.since)
    };
    let standard = newest(false)?;
    let daylight = newest(true).filter(|change| change.rule.is_some());
    let (Some(from), Some((daylight, to))) =
        (standard.rule.clone(), daylight.and_then(|change| change.rule.clone().map(|rule| (change, rule))))
    else {
        // Clocks that stay as they are.
        let offset = Offset::from_seconds(standard.to).ok()?;
        return Some(Zone { name: spell_offset(standard.to), clocks: TimeZone::fixed(offset) });
    };
    let posix = format!("STD{}DST{},{to},{from}", posix_offset(standard.to), posix_offset(daylight.to));
    Zone::named(&format!("posix:{posix}"))
}

struct Change {
    since: jiff::civil::DateTime,
    to: i32,
    /// `M3.5.0/2`, if it comes every year.
    rule: Option<String>,
}

impl Change {
    fn read(observance: &Observance) -> Option<Change> {
        let line = |name: &str| observance.lines.iter().find(|line| line.name == name).map(|line| line.value.as_str());
        let to = offset_of(line("TZOFFSETTO")?.trim())?;
        let Spelled::Local(since) = time(line("DTSTART")?)? else { return None };
        let rule = line("RRULE").and_then(|rule| yearly(rule, since));
        Some(Change { since, to, rule })
    }
}

/// `FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU` as POSIX spells it. One that has ended is none.
fn yearly(rule: &str, since: jiff::civil::DateTime) -> Option<String> {
    let part = |name: &str| {
        rule.split(';').filter_map(|part| part.split_once('=')).find(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    let value = |name: &str| part(name).map(|(_, value)| value.to_ascii_uppercase());
    if value("FREQ")? != "YEARLY" || value("UNTIL").is_some() || value("COUNT").is_some() {
        return None;
    }
    let month: u8 = value("BYMONTH").map_or(Some(since.month().unsigned_abs()), |month| month.parse().ok())?;
    let days = value("BYDAY")?;
    if !days.is_ascii() || days.len() < 2 {
        return None;
    }
    let (number, day) = days.split_at(days.len() - 2);
    let day = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"].iter().position(|name| *name == day)?;
    let week: i32 = match number {
        // `BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU` is the second Sunday.
        "" => {
            let first: i32 = value("BYMONTHDAY")?.split(',').next()?.parse().ok()?;
            (first - 1) / 7 + 1
        }
        number => number.parse().ok()?,
    };
    let week = match week {
        -1 => 5,
        1..=5 => week,
        _ => return None,
    };
    (1..=12)
        .contains(&month)
        .then(|| format!("M{month}.{week}.{day}/{}:{:02}:{:02}", since.hour(), since.minute(), since.second()))
}

/// POSIX counts westwards.
fn posix_offset(seconds: i32) -> String {
    let sign = if seconds > 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn spell_offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    match seconds % 60 {
        0 => format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60),
        rest => format!("{sign}{:02}:{:02}:{rest:02}", seconds / 3600, seconds / 60 % 60),
    }
}

/// A name that other programs take for a zone of this calendar.
pub fn tzid(zone: &Zone) -> String {
    if zone.name.contains('/') && !zone.name.contains(':') {
        return zone.name.clone();
    }
    let plain: String = zone.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("Domovoi-{plain}")
}

/// Writes the VTIMEZONE of a zone: how its clocks stand at the beginning of a year, and every change until another.
pub fn write(out: &mut String, zone: &Zone, from_year: i16, to_year: i16) {
    let start = |year: i16| {
        let day = jiff::civil::Date::new(year, 1, 1).ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let (Some(from), Some(to)) = (start(from_year), start(to_year)) else { return };
    push(out, "BEGIN:VTIMEZONE");
    push(out, &format!("TZID:{}", tzid(zone)));
    let mut before = zone.clocks.to_offset(from);
    let first = jiff::civil::Date::new(from_year, 1, 1).ok().map(|day| day.to_datetime(jiff::civil::Time::midnight()));
    if let Some(first) = first {
        observance(out, false, first, before, before, None);
    }
    for change in zone.clocks.following(from).take_while(|change| change.timestamp() < to).take(400) {
        let after = change.offset();
        // The time that the clocks showed when they were changed.
        let local = before.to_datetime(change.timestamp());
        observance(out, change.dst().is_dst(), local, before, after, Some(change.abbreviation()));
        before = after;
    }
    push(out, "END:VTIMEZONE");
}

fn observance(
    out: &mut String,
    daylight: bool,
    at: jiff::civil::DateTime,
    before: Offset,
    after: Offset,
    name: Option<&str>,
) {
    let kind = if daylight { "DAYLIGHT" } else { "STANDARD" };
    let offset = |offset: Offset| spell_offset(offset.seconds()).replace(':', "");
    push(out, &format!("BEGIN:{kind}"));
    push(out, &format!("DTSTART:{}", spell_local(at)));
    push(out, &format!("TZOFFSETFROM:{}", offset(before)));
    push(out, &format!("TZOFFSETTO:{}", offset(after)));
    if let Some(name) = name.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        push(out, &format!("TZNAME:{name}"));
    }
    push(out, &format!("END:{kind}"));
}
