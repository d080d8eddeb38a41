//! `[[supplier.window]]`: two days of a month, checked against the calendar and against the supplier's other windows.

use domovoi_model::Resource;

use crate::mistake::Wrong;
use crate::reader::Section;
use crate::sections::supplier::take_resources;
use crate::window::{MonthDay, Window};

const MAX_WINDOWS: usize = 16;

/// A window and where it stands in the file.
pub(crate) struct PlacedWindow {
    pub window: Window,
    pub line: usize,
    /// Whether it can be compared with others: no mistakes of its own.
    pub sound: bool,
}

pub(crate) fn read_windows(supplier: &mut Section<'_>, resources: Option<&[Resource]>) -> Vec<PlacedWindow> {
    if supplier.place_of("window").is_none() {
        supplier.wrong_at(
            None,
            "window",
            Wrong::new("is missing, so no reading would ever be taken")
                .hint("add a `[[supplier.window]]` with `start = { day = 15 }` and `end = { day = 25 }`"),
        );
    }
    let mut windows: Vec<PlacedWindow> = Vec::new();
    for mut section in supplier.take_tables("window", MAX_WINDOWS) {
        let placed = read(&mut section, resources);
        if placed.sound {
            for earlier in windows.iter().filter(|earlier| earlier.sound) {
                report_overlap(&section, earlier, &placed);
            }
        }
        section.finish();
        windows.push(placed);
    }
    windows
}

fn read(section: &mut Section<'_>, all: Option<&[Resource]>) -> PlacedWindow {
    let line = section.line();
    section.must_have("start", "{ day = 15 }");
    section.must_have("end", "{ day = 25 }");
    let (start_at, end_at) = (section.place_of("start"), section.place_of("end"));
    let names_resources = section.place_of("resources").is_some();
    let named = take_resources(section, all);
    let resources = if names_resources { named } else { all.map(<[Resource]>::to_vec) };
    let start = section.take_table("start").and_then(|day| read_day(day, false));
    let end = section.take_table("end").and_then(|day| read_day(day, true));

    let mut sound = resources.is_some() && start.is_some() && end.is_some();
    let (start, _) = start.unwrap_or((MonthDay::Day(1), false));
    let (end, end_next_month) = end.unwrap_or((MonthDay::Last, false));
    let window = Window { resources: resources.unwrap_or_default(), start, end, end_next_month };
    let (start_line, end_line) = (section.line_of(start_at), section.line_of(end_at));
    if sound && let Some(days) = window.backwards() {
        sound = false;
        let wrong = Wrong::new(format!(
            "the end at line {end_line} comes before the start at line {start_line} in a month of {days} days"
        ));
        section.wrong_at(end_at, "end", wrong.hint("if it lies in the month after, write `next_month = true` there"));
    }
    if sound && window.meets_itself() {
        sound = false;
        let wrong = Wrong::new(format!(
            "the window overlaps itself: its end at line {end_line} comes when its next month has begun at line {start_line}"
        ));
        section.wrong_at(end_at, "end", wrong.hint("end it before the day on which it starts"));
    }
    PlacedWindow { window, line, sound }
}

fn read_day(mut section: Section<'_>, may_be_next_month: bool) -> Option<(MonthDay, bool)> {
    let (day_at, last_at, next_at) =
        (section.place_of("day"), section.place_of("last_day"), section.place_of("next_month"));
    let day = section.take_int("day", 1..=31).and_then(|day| u8::try_from(day).ok());
    let last = section.take_bool("last_day");
    let next_month = section.take_bool("next_month");
    let mut meant = match (day, last) {
        (Some(_), Some(true)) => {
            section.wrong_at(last_at, "last_day", Wrong::new("stands beside `day`").hint("remove one of them"));
            None
        }
        (_, Some(true)) => Some(MonthDay::Last),
        (Some(day), _) => Some(MonthDay::Day(day)),
        (None, _) => {
            section.must_have_taken(day_at, "day", "15");
            None
        }
    };
    if next_month == Some(true) && !may_be_next_month {
        let wrong = Wrong::new("a window starts in the month that its readings are of");
        section.wrong_at(next_at, "next_month", wrong.hint("remove it here; it belongs to `end`"));
        meant = None;
    }
    section.finish();
    meant.map(|day| (day, next_month.unwrap_or(false)))
}

fn report_overlap(section: &Section<'_>, earlier: &PlacedWindow, later: &PlacedWindow) {
    let shared: Vec<&str> = Resource::ALL
        .into_iter()
        .filter(|r| earlier.window.resources.contains(r) && later.window.resources.contains(r))
        .map(Resource::code)
        .collect();
    if shared.is_empty() {
        return;
    }
    if let Some(day) = earlier.window.overlap(&later.window) {
        let (first, second) = (earlier.line, later.line);
        section.wrong(
            Wrong::new(format!(
                "the window at line {second} overlaps the one at line {first}: both take {} on {day}, for example",
                shared.join(", ")
            ))
            .hint("make one of them shorter, or give them different `resources`"),
        );
    }
}
