//! Dates that other rooms give: submission windows, verification, bills, certificates. Each room says its whole list each
//! time; what is not in it any more is gone. They are not kept here, only how far they were told and what was ticked off.

use std::collections::BTreeSet;
use std::sync::Arc;

use domovoi_model::{Date, Id, Timestamp};
use domovoi_store::CalendarDrawer;

use super::event::{
    Event, EventKind, MAX_BEFORE, MAX_MINUTES, MAX_NOTES, MAX_REMINDERS, MAX_TITLE, Origin, Priority, Text, When, Zone,
    civil_of,
};
use super::{Calendar, moments};

/// So many dates are taken of a room.
const MAX_GIVEN: usize = 2000;

const DAY: u32 = 1440;

/// When a date of another room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenWhen {
    /// A whole day.
    Day(Date),
    /// From one day to another, both whole.
    Days(Date, Date),
    /// A moment.
    At(Timestamp),
}

/// A date of another room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// What the room knows it by; the same as long as it means the same.
    pub key: String,
    /// One line.
    pub title: Text,
    /// The rest.
    pub notes: Text,
    /// What it is about.
    pub kind: EventKind,
    /// How much it matters.
    pub priority: Priority,
    /// When.
    pub when: GivenWhen,
    /// Minutes before; `None`: as its kind usually has it.
    pub remind: Option<Vec<u32>>,
    /// Somebody has to do it: it is overdue until the room says `done`, or somebody ticks it off.
    pub todo: bool,
    /// The room says that it is done: paid, handed in, renewed.
    pub done: bool,
    /// Where on the page more of it stands.
    pub link: Option<String>,
}

/// How long before a date of a kind somebody is reminded, in minutes.
pub fn usual_reminders(kind: EventKind) -> Vec<u32> {
    match kind {
        EventKind::Bill => vec![3 * DAY, DAY],
        EventKind::Window => vec![0],
        EventKind::Verification => vec![60 * DAY, 30 * DAY, 7 * DAY],
        EventKind::Certificate => vec![30 * DAY, 7 * DAY, DAY],
        EventKind::Birthday => vec![0],
        EventKind::Task | EventKind::Appointment | EventKind::Other => vec![DAY],
    }
}

impl Calendar {
    /// These are the dates of a room now, and no others. Keys that were there before are the same dates: what was told of
    /// them is not told again.
    pub fn feed(&self, source: &'static str, dates: Vec<Given>) {
        if dates.len() > MAX_GIVEN {
            tracing::warn!("{source} gives {} dates; the calendar takes the first {MAX_GIVEN}", dates.len());
        }
        let shelf = self.0.store.calendar();
        // Nobody knows what is past while the clock is not set: then all of it counts as ahead, and waits.
        let now = self.0.clock.at_least();
        let mut state = self.state();
        let mut there = BTreeSet::new();
        let mut changed = false;
        for given in dates.into_iter().take(MAX_GIVEN) {
            let id = shelf.id_of("calendar_given", &[source.as_bytes(), given.key.as_bytes()]);
            let Some(event) = event_of(id, source, given) else { continue };
            there.insert(id);
            if state.agenda.event(id).is_some_and(|before| **before == event) {
                continue;
            }
            let known = state.agenda.known_of_given(&event, now);
            state.agenda.put(Arc::new(event), known);
            changed = true;
        }
        let gone: Vec<Id> = state
            .agenda
            .events()
            .filter(|event| event.origin == Origin::Given(source) && !there.contains(&event.id))
            .map(|event| event.id)
            .collect();
        for id in &gone {
            state.agenda.remove(*id);
        }
        drop(state);
        if !gone.is_empty() {
            self.forget_marks(gone.clone());
        }
        if changed || !gone.is_empty() {
            self.changed();
        }
    }

    /// Takes marks away whose events are gone, on a task of its own: who gives dates does not wait for the disk. A mark that
    /// stays because the disk is not there does no harm.
    pub(super) fn forget_marks(&self, gone: Vec<Id>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let calendar = self.clone();
        runtime.spawn(async move {
            let _turn = calendar.0.changing.lock().await;
            // What came back meanwhile keeps its mark.
            let gone: Vec<_> = {
                let state = calendar.state();
                let is_gone = |id: &Id| state.agenda.event(*id).is_none();
                gone.into_iter().filter(is_gone).map(|id| (CalendarDrawer::Mark, id)).collect()
            };
            if let Err(error) = calendar.0.store.calendar().remove(&gone).await {
                tracing::warn!("marks of the calendar could not be taken away: {error}");
            }
        });
    }
}

fn event_of(id: Id, source: &'static str, given: Given) -> Option<Event> {
    let capped = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let both = |text: Text, most: usize| Text { ru: capped(&text.ru, most), en: capped(&text.en, most) };
    let when = match given.when {
        GivenWhen::Day(day) => whole_days(day, day)?,
        GivenWhen::Days(first, last) => whole_days(first, last)?,
        GivenWhen::At(at) => {
            let zone = Zone::utc();
            When { start: moments::shown(at, &zone.clocks)?, all_day: false, zone, minutes: 0 }
        }
    };
    let mut remind = given.remind.unwrap_or_else(|| usual_reminders(given.kind));
    remind.retain(|before| *before <= MAX_BEFORE);
    remind.truncate(MAX_REMINDERS);
    Some(Event {
        id,
        origin: Origin::Given(source),
        title: both(given.title, MAX_TITLE),
        notes: both(given.notes, MAX_NOTES),
        kind: given.kind,
        priority: given.priority,
        when,
        rule: None,
        dates: Vec::new(),
        cancelled: Vec::new(),
        moved: Vec::new(),
        remind,
        todo: given.todo,
        done: given.done,
        link: given.link.map(|link| capped(&link, 300)),
        uid: format!("{id}@domovoi"),
        sequence: 0,
        changed_at: Timestamp(0),
        by: None,
    })
}

fn whole_days(first: Date, last: Date) -> Option<When> {
    let days = last.days_since_epoch().saturating_sub(first.days_since_epoch()).max(0) + 1;
    let minutes = u32::try_from(days).unwrap_or(u32::MAX).saturating_mul(DAY).min(MAX_MINUTES);
    let start = civil_of(first)?.to_datetime(jiff::civil::Time::midnight());
    Some(When { start, all_day: true, zone: Zone::utc(), minutes })
}
