//! The calendar: what is to be remembered, once or again and again. Events of the household, dates that other rooms give,
//! calendars elsewhere; reminders at their time, and what is overdue. It tells nobody itself: whoever is to hear of a
//! reminder, and how, is another room's business, and is told through [`Calendar::on_due`].

mod agenda;
mod draft;
mod due;
mod editing;
mod elsewhere;
mod event;
mod feeds;
mod fetch;
mod given;
pub mod ics;
mod kept;
mod moments;
mod rule;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domovoi_config::CalendarSection;
use domovoi_model::{Id, Timestamp};
use domovoi_store::{CalendarDrawer, Store, StoreError};
use jiff::tz::TimeZone;
use tokio::sync::{Notify, watch};

use crate::bus::{Bus, Event as BusEvent};
use crate::clock::Clock;
use agenda::Agenda;
use feeds::FeedCard;
use kept::{EventRow, Mark};
use moments::Home;

pub use draft::{Draft, DraftWrong, OccurrenceChange};
pub use due::{Due, DueWhy};
pub use elsewhere::{ElsewhereDraft, ElsewhereView};
pub use event::{Event, EventKind, Origin, Priority, Text};
pub use feeds::{FeedView, Served};
pub use fetch::Guard;
pub use given::{Given, GivenWhen};
pub use view::{Entry, Filter, Sort, Standing};

/// While the clock is not trusted it is looked at so often.
const CLOCK_CHECK: Duration = Duration::from_secs(15);

/// The wall clock may be stepped while nobody looks.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// After a failure of the store.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// So many reminders are handed over before it is written down that they were.
const BATCH: usize = 32;

/// After so long it is not remembered any more how far an event was told that nobody brings.
const STRAY_MILLIS: i64 = 400 * 86_400_000;

/// So often every event is looked at again.
const PLAN_EVERY_MILLIS: i64 = 20 * 3_600_000;

/// Why something of the calendar cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// There is no such event, occurrence, address or calendar.
    #[error("the calendar has no such {0}")]
    NoSuch(&'static str),
    /// It is not the household's to change.
    #[error("this event is not written down here: {0}")]
    ReadOnly(&'static str),
    /// The draft cannot be kept.
    #[error("{0}")]
    Wrong(#[from] DraftWrong),
    /// There are as many as there may be.
    #[error("there may be at most {most} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many.
        most: u32,
    },
    /// The clock is not trusted yet, so nobody knows when an event is.
    #[error("the clock is not set yet: the calendar waits for it")]
    NoClock,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type DueHook = Arc<dyn Fn(Due) + Send + Sync>;

/// The calendar. Clones are the same.
#[derive(Clone)]
pub struct Calendar(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bus: Bus,
    section: CalendarSection,
    zone: TimeZone,
    state: Mutex<State>,
    /// One change after the other.
    changing: tokio::sync::Mutex<()>,
    on_due: Mutex<Option<DueHook>>,
    /// Something is otherwise: what is next may be another.
    woken: Notify,
    /// A calendar elsewhere is to be looked at now.
    poll: Notify,
}

struct State {
    agenda: Agenda,
    elsewhere: BTreeMap<Id, elsewhere::Source>,
    feeds: BTreeMap<Id, FeedCard>,
    taps: feeds::Taps,
    /// When every event was looked at last.
    planned_at: Timestamp,
    /// Rows that could not be read.
    damaged: usize,
}

impl Calendar {
    /// Reads what was kept. A calendar that cannot be read is empty, and says so.
    pub async fn open(store: Store, clock: Clock, bus: Bus, zone: TimeZone, section: &CalendarSection) -> Self {
        let home = Home { clocks: zone.clone(), all_day_minute: section.all_day_minute };
        let mut state = State {
            agenda: Agenda::new(home),
            elsewhere: BTreeMap::new(),
            feeds: BTreeMap::new(),
            taps: feeds::Taps::default(),
            planned_at: Timestamp(0),
            damaged: 0,
        };
        if let Err(error) = load(&store, &zone, section, &mut state).await {
            tracing::error!("the calendar cannot be read: {error}");
            state.damaged += 1;
        }
        Calendar(Arc::new(Inner {
            store,
            clock,
            bus,
            section: section.clone(),
            zone,
            state: Mutex::new(state),
            changing: tokio::sync::Mutex::new(()),
            on_due: Mutex::new(None),
            woken: Notify::new(),
            poll: Notify::new(),
        }))
    }

    /// What is to happen when a reminder is due. It must not wait; what it returns from is told for good.
    pub fn on_due(&self, hook: impl Fn(Due) + Send + Sync + 'static) {
        *self.0.on_due.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
        self.nudge();
    }

    /// Looks again at once: the clock was turned, a test goes on.
    pub fn nudge(&self) {
        self.0.woken.notify_one();
    }

    /// How many rows could not be read at the start.
    pub fn damaged(&self) -> usize {
        self.state().damaged
    }

    /// Tells what is due and looks at calendars elsewhere until `stop` turns true.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.tell_for_ever() => {}
            () = self.poll_for_ever() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        if let Err(error) = self.write_marks().await {
            tracing::error!("what was told of the calendar could not be written down: {error}");
        }
    }

    async fn tell_for_ever(&self) {
        loop {
            let wait = self.run_once().await;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.0.woken.notified() => {}
            }
        }
    }

    /// Tells what is due now; the answer is how long nothing will be.
    pub async fn run_once(&self) -> Duration {
        let Some(now) = self.0.clock.trusted() else { return CLOCK_CHECK };
        let Some(hook) = self.0.on_due.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return LONGEST_SLEEP;
        };
        let mut told = false;
        loop {
            // A power cut in between tells a batch twice rather than never: handed over first, written down then.
            let mut some = false;
            for _ in 0..BATCH {
                let due = {
                    let mut state = self.state();
                    let found = state.agenda.due(now);
                    found.map(|found| due::of(&found, now, &state.agenda.home))
                };
                let Some(due) = due else { break };
                let id = due.event;
                hook(due);
                self.state().agenda.told(id, now);
                some = true;
            }
            if !some {
                break;
            }
            told = true;
            if let Err(error) = self.write_marks().await {
                tracing::error!("what was told of the calendar cannot be written down yet: {error}");
                return STORE_RETRY;
            }
        }
        if told {
            self.0.bus.tell(BusEvent::Calendar);
        }
        if let Err(error) = self.write_marks().await {
            tracing::error!("what was told of the calendar cannot be written down yet: {error}");
            return STORE_RETRY;
        }
        let mut state = self.state();
        if now.0 - state.planned_at.0 > PLAN_EVERY_MILLIS || now < state.planned_at {
            state.planned_at = now;
            state.agenda.plan_all();
            let stray = state.agenda.stray_marks(now.plus_millis(-STRAY_MILLIS));
            if !stray.is_empty() {
                self.forget_marks(stray);
            }
        }
        let next = state.agenda.next().map_or(i64::MAX, |next| next.0.saturating_sub(now.0));
        Duration::from_millis(u64::try_from(next).unwrap_or(0)).clamp(Duration::from_millis(10), LONGEST_SLEEP)
    }

    async fn write_marks(&self) -> Result<(), StoreError> {
        let (papers, ids) = {
            let state = self.state();
            let unwritten = state.agenda.unwritten.iter();
            let rows: Vec<_> = unwritten.filter_map(|id| Some((*id, state.agenda.mark(*id)?.clone()))).collect();
            let papers: Vec<_> = rows.iter().map(|(id, mark)| kept::paper(*id, mark)).collect();
            (papers, rows)
        };
        if papers.is_empty() {
            return Ok(());
        }
        self.0.store.calendar().put(CalendarDrawer::Mark, &papers).await?;
        let mut state = self.state();
        for (id, written) in ids {
            // It may have gone on meanwhile.
            if state.agenda.mark(id).is_none_or(|mark| *mark == written) {
                state.agenda.unwritten.remove(&id);
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.0.bus.tell(BusEvent::Calendar);
        self.0.woken.notify_one();
    }
}

async fn load(store: &Store, zone: &TimeZone, section: &CalendarSection, state: &mut State) -> Result<(), StoreError> {
    let shelf = store.calendar();
    let (marks, damaged) = shelf.all(CalendarDrawer::Mark).await?;
    state.damaged += damaged;
    for paper in &marks {
        match kept::row::<Mark>(paper) {
            Some(mark) => state.agenda.remember(paper.id, mark),
            None => state.damaged += 1,
        }
    }
    let (events, damaged) = shelf.all(CalendarDrawer::Event).await?;
    state.damaged += damaged;
    for paper in &events {
        match kept::row::<EventRow>(paper).and_then(|row| row.event(paper.id)) {
            Some(event) => {
                let known = event.changed_at;
                state.agenda.put(Arc::new(event), known);
            }
            None => {
                tracing::error!("an event of the calendar cannot be read");
                state.damaged += 1;
            }
        }
    }
    feeds::load(&shelf, state).await?;
    elsewhere::load(store, zone, section, state).await
}
