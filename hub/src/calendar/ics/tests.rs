//! A corpus of calendars as different programs write them, all of our own making: each with what has to come of it. What is
//! written here is read by a reader that nobody here wrote.

use std::sync::Arc;

use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::lines::lines;
use super::*;
use crate::calendar::event::{Event, EventKind, Moved, Origin, Priority, Text, When, Zone, key_of};
use crate::calendar::moments::{Home, occurrences, span};
use crate::calendar::rule::Rule;

const NOW: Timestamp = Timestamp(1_795_276_800_000);

fn reading() -> Reading {
    Reading {
        origin: Origin::Elsewhere(Id([9; 16])),
        id_of: Arc::new(|uid: &str| {
            let mut id = [0u8; 16];
            for (at, byte) in uid.bytes().enumerate() {
                id[at % 16] = id[at % 16].wrapping_mul(31).wrapping_add(byte);
            }
            Id(id)
        }),
        home: TimeZone::get("Europe/Moscow").unwrap(),
        all_day_minute: 540,
        alarms: true,
        kind: EventKind::Other,
        most: 1000,
        now: NOW,
    }
}

fn home() -> Home {
    Home { clocks: TimeZone::get("Europe/Moscow").unwrap(), all_day_minute: 540 }
}

/// When the occurrences of all events begin, in UTC, with their titles; sorted; the first `most`.
fn begins(read: &Read, most: usize) -> Vec<String> {
    let mut found: Vec<(Timestamp, String)> = Vec::new();
    for event in &read.events {
        for occurrence in occurrences(event, DateTime::MIN, DateTime::MAX, most) {
            let (begin, _) = span(event, &occurrence, &home()).unwrap();
            let title = occurrence.title.clone().unwrap_or_else(|| event.title.ru.clone());
            found.push((begin, title));
        }
    }
    found.sort();
    let spelled = |(at, title): (Timestamp, String)| {
        let at = jiff::Timestamp::from_millisecond(at.0).unwrap();
        format!("{} {title}", at.strftime("%Y-%m-%dT%H:%MZ"))
    };
    found.into_iter().take(most).map(spelled).collect()
}

fn corpus(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/calendars/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// File, events, left out, unknown zones, the first occurrences.
const CORPUS: &[(&str, usize, u32, u32, &[&str])] = &[
    ("plain.ics", 3, 0, 0, &["2026-11-23T05:00Z Зубной", "2026-11-23T21:00Z Каникулы", "2026-11-25T10:00Z Floating"]),
    (
        "recurring.ics",
        1,
        0,
        0,
        &[
            "2027-03-22T08:00Z Летучка",
            "2027-03-29T07:00Z Летучка",
            "2027-04-06T13:00Z Перенесена",
            "2027-04-12T07:00Z Летучка",
        ],
    ),
    ("outlook.ics", 1, 0, 0, &["2026-11-24T06:00Z Совещание", "2026-12-01T06:00Z Совещание"]),
    ("own-zone.ics", 1, 0, 0, &["2027-03-27T11:00Z Call", "2027-03-28T10:00Z Call"]),
    ("unknown-zone.ics", 1, 0, 1, &["2026-11-24T06:00Z Mystery"]),
    ("cancelled.ics", 1, 0, 0, &["2026-11-24T05:00Z Stays"]),
    ("versions.ics", 1, 0, 0, &["2026-11-25T05:00Z Newer"]),
    ("orphan-change.ics", 1, 0, 0, &["2026-11-24T05:00Z Alone"]),
    ("damaged.ics", 2, 4, 0, &["2026-11-24T05:00Z Good one", "2026-11-25T05:00Z Good two"]),
    ("cut-off.ics", 1, 1, 0, &["2026-11-24T05:00Z Whole"]),
    ("extra-dates.ics", 1, 0, 0, &["2026-11-24T05:00Z Dates", "2026-11-26T05:00Z Dates", "2026-11-29T09:00Z Dates"]),
    ("latin1.ics", 1, 0, 0, &["2026-11-24T05:00Z Caf\u{fffd}"]),
    ("hostile-rules.ics", 1, 6, 0, &["2026-11-24T05:00Z Harmless"]),
    ("nested.ics", 1, 0, 0, &["2026-11-24T05:00Z Deep enough"]),
];

#[test]
fn the_corpus_comes_out_as_it_should() {
    for (name, events, left_out, unknown, first) in CORPUS {
        let read = read(&corpus(name), &reading()).unwrap_or_else(|| panic!("{name} is a calendar"));
        assert_eq!(read.events.len(), *events, "{name}: {:#?}", read.events);
        assert_eq!((read.left_out, read.unknown_zones), (*left_out, *unknown), "{name}");
        assert_eq!(begins(&read, first.len()), *first, "{name}");
    }
    for name in ["page.html", "vcard.vcf", "empty.ics"] {
        assert_eq!(read(&corpus(name), &reading()), None, "{name}");
    }
    let there = std::fs::read_dir(format!("{}/testdata/calendars", env!("CARGO_MANIFEST_DIR"))).unwrap().count();
    assert_eq!(there, CORPUS.len() + 4, "every file has its outcome, and there is one page about them");
}

#[test]
fn what_an_event_says_is_taken() {
    let read = read(&corpus("plain.ics"), &reading()).unwrap();
    assert_eq!(read.name.as_deref(), Some("Семья"));
    let dentist = read.events.iter().find(|event| event.title.ru == "Зубной").unwrap();
    assert_eq!(dentist.notes.ru, "Ленина, 1\nВзять полис;\nне есть");
    assert_eq!((dentist.kind, dentist.priority), (EventKind::Appointment, Priority::High));
    assert_eq!(dentist.remind, [1440, 30], "the alarm at the end and the one with nonsense are none");
    assert_eq!((dentist.when.minutes, dentist.sequence), (45, 3));
    let holidays = read.events.iter().find(|event| event.when.all_day).unwrap();
    assert_eq!((holidays.when.minutes, holidays.kind), (7 * 1440, EventKind::Birthday));
    // Fifteen hours before midnight is nine in the morning of the day before.
    assert_eq!(holidays.remind, [1440]);
    let quiet = Reading { alarms: false, ..reading() };
    assert!(super::read(&corpus("plain.ics"), &quiet).unwrap().events.iter().all(|event| event.remind.is_empty()));
}

#[test]
fn there_are_bounds() {
    let mut text = String::from("BEGIN:VCALENDAR\r\n");
    for n in 0..50 {
        text.push_str(&format!(
            "BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART:20261124T050000Z\r\nSUMMARY:{}\r\n",
            "я".repeat(5000)
        ));
        text.push_str(&format!("EXDATE:{}\r\nEND:VEVENT\r\n", vec!["20261124T050000Z"; 3000].join(",")));
    }
    text.push_str("END:VCALENDAR\r\n");
    let read = read(text.as_bytes(), &Reading { most: 10, ..reading() }).unwrap();
    assert_eq!((read.events.len(), read.left_out), (10, 40));
    assert!(read.events.iter().all(|event| event.title.ru.chars().count() <= 200));
    let deep = format!("BEGIN:VCALENDAR\r\n{}", "BEGIN:VEVENT\r\n".repeat(100_000));
    assert!(super::read(deep.as_bytes(), &reading()).unwrap().events.is_empty());
}

fn event(uid: &str, start: &str, zone: &str) -> Event {
    let all_day = start.len() == 10;
    let start: DateTime = if all_day { format!("{start}T00:00").parse().unwrap() } else { start.parse().unwrap() };
    Event {
        id: Id([1; 16]),
        origin: Origin::Own,
        title: Text::same("Тест; с, запятыми \\ и очень длинной строкой, которая не помещается в семьдесят пять байт"),
        notes: Text::same("раз\nдва"),
        kind: EventKind::Task,
        priority: Priority::Low,
        when: When { start, all_day, zone: Zone::named(zone).unwrap(), minutes: if all_day { 1440 } else { 90 } },
        rule: None,
        dates: Vec::new(),
        cancelled: Vec::new(),
        moved: Vec::new(),
        remind: vec![1440, 30],
        todo: false,
        done: false,
        link: None,
        uid: uid.to_owned(),
        sequence: 2,
        changed_at: NOW,
        by: None,
    }
}

fn ruled(mut event: Event, rule: &str) -> Event {
    event.rule = Some(Rule::parse(rule, event.when.all_day, |text| text.parse().ok()).unwrap());
    event
}

fn written(events: Vec<Event>) -> String {
    let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
    write(&events, &home(), Language::Russian, "Домовой", NOW)
}

#[test]
fn what_is_written_comes_back() {
    let mut weekly = ruled(event("weekly@domovoi", "2027-03-22T09:00:00", "Europe/Berlin"), "FREQ=WEEKLY;COUNT=4");
    weekly.cancelled.push(key_of("2027-03-29T09:00".parse().unwrap()));
    weekly.moved.push(Moved {
        occurrence: key_of("2027-04-05T09:00".parse().unwrap()),
        start: "2027-04-06T15:00".parse().unwrap(),
        minutes: Some(30),
        title: Some("другое".into()),
    });
    let until: DateTime = "2027-03-30T09:00".parse().unwrap();
    let mut daily = ruled(event("daily@domovoi", "2027-03-26T09:00:00", "Europe/Berlin"), "FREQ=DAILY");
    daily.rule.as_mut().unwrap().until = Some(until);
    let all_day = ruled(event("days@domovoi", "2027-01-31", "UTC"), "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3");
    let once = event("once@domovoi", "2027-03-28T02:30:00", "Europe/Berlin");
    let fixed = ruled(event("fixed@domovoi", "2027-03-22T09:00:00", "+05:30"), "FREQ=DAILY;COUNT=2");
    let events = vec![weekly, daily, all_day, once, fixed];
    let text = written(events.clone());
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "folded");
    assert!(text.contains("UNTIL=20270330T070000Z"), "an end is in UTC: {text}");
    let back = read(text.as_bytes(), &reading()).unwrap();
    assert_eq!((back.events.len(), back.left_out, back.unknown_zones), (5, 0, 0));
    for event in &events {
        let again = back.events.iter().find(|again| again.uid == event.uid).unwrap();
        let times = |event: &Event| -> Vec<_> {
            let found = occurrences(event, DateTime::MIN, DateTime::MAX, 50);
            found.iter().map(|one| (span(event, one, &home()), one.title.clone())).collect()
        };
        assert_eq!(times(event), times(again), "{}", event.uid);
        assert_eq!(
            (&event.title, &event.notes, event.kind, event.priority),
            (&again.title, &again.notes, again.kind, again.priority)
        );
        assert_eq!((&event.remind, event.sequence), (&again.remind, again.sequence));
    }
    assert_eq!(text, written(events), "the same events are the same bytes");
}

#[test]
fn a_reader_that_nobody_here_wrote_reads_what_is_written() {
    use icalendar::{Calendar, Component as _};
    let text = written(vec![
        ruled(event("weekly@domovoi", "2027-03-22T09:00:00", "Europe/Berlin"), "FREQ=WEEKLY;BYDAY=MO"),
        event("days@domovoi", "2027-01-31", "UTC"),
    ]);
    let calendar: Calendar = text.parse().unwrap();
    assert_eq!(calendar.get_name(), Some("Домовой"));
    let events: Vec<_> = calendar.events().collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].get_uid(), Some("weekly@domovoi"));
    assert_eq!(events[0].property_value("RRULE"), Some("FREQ=WEEKLY;BYDAY=MO"));
    assert_eq!(events[0].components().len(), 2, "two alarms");
    assert!(events[1].property_value("DTSTART").is_some_and(|start| start == "20270131"));
    let lines: Vec<_> = lines(&text).collect();
    assert_eq!(lines.iter().filter(|line| line.name == "BEGIN" && line.value == "VTIMEZONE").count(), 1);
}

#[test]
fn a_zone_is_written_with_every_change_of_its_clocks() {
    let text = written(vec![ruled(event("x", "2027-03-22T09:00:00", "Europe/Berlin"), "FREQ=DAILY")]);
    let summer = "BEGIN:DAYLIGHT\r\nDTSTART:20270328T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nEND:DAYLIGHT";
    let winter = "BEGIN:STANDARD\r\nDTSTART:20271031T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nEND:STANDARD";
    assert!(text.contains(summer) && text.contains(winter), "{text}");
    assert!(text.contains("DTSTART;TZID=Europe/Berlin:20270322T090000"));
    let moscow = written(vec![ruled(event("x", "2027-03-22T09:00:00", "Europe/Moscow"), "FREQ=DAILY")]);
    assert_eq!(moscow.matches("BEGIN:STANDARD").count(), 1, "clocks that stay");
}

#[test]
fn a_whole_day_reminds_in_the_morning() {
    let text = written(vec![event("x", "2027-01-31", "UTC")]);
    // A day before nine in the morning is fifteen hours before midnight.
    assert!(text.contains("TRIGGER:-PT900M") && text.contains("TRIGGER:PT510M"), "{text}");
    assert!(text.contains("DTSTART;VALUE=DATE:20270131") && text.contains("DTEND;VALUE=DATE:20270201"));
}

const PIECES: &[&str] = &[
    "BEGIN:VCALENDAR",
    "END:VCALENDAR",
    "BEGIN:VEVENT",
    "END:VEVENT",
    "BEGIN:VTIMEZONE",
    "END:VTIMEZONE",
    "BEGIN:STANDARD",
    "END:STANDARD",
    "BEGIN:DAYLIGHT",
    "END:DAYLIGHT",
    "BEGIN:VALARM",
    "END:VALARM",
    "UID:a",
    "UID:b",
    "DTSTART:20261124T080000",
    "DTSTART;VALUE=DATE:20261124",
    "DTSTART;TZID=X:19700101T000000",
    "DTEND:20261123T080000Z",
    "DURATION:-P99999999W",
    "RRULE:FREQ=DAILY;COUNT=5",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
    "RRULE:FREQ=WEEKLY;BYDAY=",
    "EXDATE:20261124T080000,x,20261125",
    "RDATE;VALUE=PERIOD:20261124T080000Z/PT1H",
    "RECURRENCE-ID:20261124T080000",
    "TZID:X",
    "TZOFFSETTO:+0300",
    "TZOFFSETTO:-9959",
    "TZOFFSETFROM:+0200",
    "TRIGGER:-PT1H",
    "TRIGGER;RELATED=END:PT0S",
    "TRIGGER;VALUE=DATE-TIME:20261124T050000Z",
    "STATUS:CANCELLED",
    "SEQUENCE:99999999999",
    "PRIORITY:200",
    "SUMMARY:x\\",
    "DESCRIPTION;ALTREP=\"a;b:c\":\\n\\N\\,",
    " folded",
    "X-WR-CALNAME:\u{202e}",
    ":",
    ";=:",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_put_together_is_read(order in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = order.iter().map(|at| format!("{}\r\n", PIECES[*at])).collect();
        if let Some(read) = read(text.as_bytes(), &reading()) {
            for event in &read.events {
                prop_assert!(occurrences(event, DateTime::MIN, DateTime::MAX, 20).len() <= 20);
                let _ = written(vec![event.clone()]);
            }
        }
    }

    #[test]
    fn a_spoiled_calendar_is_read(at in 0usize..2000, byte in any::<u8>(), name in prop::sample::select(vec!["plain.ics", "recurring.ics", "outlook.ics", "own-zone.ics"])) {
        let mut bytes = corpus(name);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read(&bytes, &reading());
        bytes.truncate(at);
        let _ = read(&bytes, &reading());
    }
}
