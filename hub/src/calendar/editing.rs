//! Events of the household: written down, changed, taken away; one occurrence moved or cancelled; what is done ticked off.
//! Kept first, then true.

use std::sync::Arc;

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::CalendarDrawer;

use super::draft::{read_start, text, wrong};
use super::event::{Event, MAX_CHANGES, MAX_MINUTES, MAX_TITLE, Moved, Origin};
use super::kept::{self, EventRow, Mark};
use super::{Calendar, CalendarError, Draft, OccurrenceChange, moments};

/// A new random id.
pub(super) fn new_id() -> Result<Id, CalendarError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| CalendarError::Store(domovoi_store::StoreError::Io(format!("no random numbers: {error}"))))?;
    Ok(Id(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()))
}

impl Calendar {
    /// Writes an event down.
    pub async fn add(&self, draft: &Draft, by: Option<PersonId>) -> Result<Arc<Event>, CalendarError> {
        let now = self.now()?;
        let _turn = self.0.changing.lock().await;
        let most = self.0.section.max_events;
        if self.state().agenda.count(|origin| *origin == Origin::Own) >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(CalendarError::Full { what: "events", most });
        }
        let event = self.checked(draft, new_id()?, by, now).await?;
        self.keep(event, now, true).await
    }

    /// Changes an event as a whole. Occurrences that were moved or cancelled are so no longer if it begins at another time or
    /// comes again otherwise; what was ticked off stays ticked off.
    pub async fn change(&self, id: Id, draft: &Draft) -> Result<Arc<Event>, CalendarError> {
        let now = self.now()?;
        let _turn = self.0.changing.lock().await;
        let before = self.own(id)?;
        let mut event = self.checked(draft, id, before.by, now).await?;
        event.uid.clone_from(&before.uid);
        event.sequence = before.sequence.saturating_add(1);
        let same = event.when.start == before.when.start
            && event.when.all_day == before.when.all_day
            && event.when.zone == before.when.zone
            && event.rule == before.rule;
        if same {
            event.cancelled.clone_from(&before.cancelled);
            event.moved.clone_from(&before.moved);
        }
        // Another time is told anew; what was said of the same time is not said again.
        let anew = !same || event.remind != before.remind || event.todo != before.todo;
        self.keep(event, now, anew).await
    }

    /// Moves or cancels one occurrence, or lets it be as the others again.
    pub async fn change_occurrence(
        &self,
        id: Id,
        occurrence: i64,
        change: &OccurrenceChange,
    ) -> Result<Arc<Event>, CalendarError> {
        let now = self.now()?;
        let _turn = self.0.changing.lock().await;
        let before = self.own(id)?;
        let mut event = (*before).clone();
        event.cancelled.retain(|key| *key != occurrence);
        event.moved.retain(|moved| moved.occurrence != occurrence);
        if moments::occurrence(&event, occurrence).is_none() {
            return Err(CalendarError::NoSuch("occurrence"));
        }
        match change {
            OccurrenceChange::Restore => {}
            OccurrenceChange::Cancel => event.cancelled.push(occurrence),
            OccurrenceChange::Move { start, minutes, title } => {
                let (start, all_day) =
                    read_start(start).ok_or_else(|| wrong("start", "start", "2026-11-24 or 2026-11-24T08:00"))?;
                if all_day != event.when.all_day {
                    return Err(wrong("start", "start-kind", "whole days stay whole days").into());
                }
                if minutes.is_some_and(|minutes| minutes > MAX_MINUTES || all_day && !minutes.is_multiple_of(1440)) {
                    return Err(wrong("minutes", "length", "an event is at most a year long").into());
                }
                let title = title.as_deref().map(|title| text("title", title, MAX_TITLE, false)).transpose()?;
                let title = title.filter(|title| !title.is_empty());
                event.moved.push(Moved { occurrence, start, minutes: *minutes, title });
            }
        }
        if event.cancelled.len() + event.moved.len() > MAX_CHANGES {
            let most = u32::try_from(MAX_CHANGES).unwrap_or(u32::MAX);
            return Err(CalendarError::Full { what: "changed occurrences of an event", most });
        }
        event.sequence = event.sequence.saturating_add(1);
        event.changed_at = now;
        let anew = matches!(change, OccurrenceChange::Move { .. });
        self.keep(event, now, anew).await
    }

    /// Takes an event away.
    pub async fn remove(&self, id: Id) -> Result<(), CalendarError> {
        let _turn = self.0.changing.lock().await;
        self.own(id)?;
        self.0.store.calendar().remove(&[(CalendarDrawer::Event, id), (CalendarDrawer::Mark, id)]).await?;
        self.state().agenda.remove(id);
        self.changed();
        Ok(())
    }

    /// Says that an occurrence is done, or that it is not. Dates of other rooms can be ticked off too.
    pub async fn tick(&self, id: Id, occurrence: i64, done: bool) -> Result<(), CalendarError> {
        let _turn = self.0.changing.lock().await;
        let (event, mut mark) = {
            let state = self.state();
            let event = state.agenda.event(id).cloned().ok_or(CalendarError::NoSuch("event"))?;
            let mark = state.agenda.mark(id).cloned().unwrap_or_else(|| Mark::new(Timestamp(0)));
            (event, mark)
        };
        if !event.todo {
            return Err(wrong("occurrence", "no-task", "there is nothing to do about this event").into());
        }
        if moments::occurrence(&event, occurrence).is_none() {
            return Err(CalendarError::NoSuch("occurrence"));
        }
        mark.tick(occurrence, done);
        self.0.store.calendar().put(CalendarDrawer::Mark, &[kept::paper(id, &mark)]).await?;
        self.state().agenda.tick(id, occurrence, done);
        self.changed();
        Ok(())
    }

    /// What was done about a reminder elsewhere: of something to be done, that it is done. Anything else is no mistake.
    pub async fn answered(&self, id: Id, occurrence: i64) -> Result<(), CalendarError> {
        let todo = self.state().agenda.event(id).is_some_and(|event| event.todo);
        if todo { self.tick(id, occurrence, true).await } else { Ok(()) }
    }

    fn now(&self) -> Result<Timestamp, CalendarError> {
        self.0.clock.trusted().ok_or(CalendarError::NoClock)
    }

    pub(super) fn own(&self, id: Id) -> Result<Arc<Event>, CalendarError> {
        let event = self.state().agenda.event(id).cloned().ok_or(CalendarError::NoSuch("event"))?;
        match event.origin {
            Origin::Own => Ok(event),
            Origin::Given(_) => Err(CalendarError::ReadOnly("another part of the home gives it")),
            Origin::Elsewhere(_) => Err(CalendarError::ReadOnly("it is read from a calendar elsewhere")),
        }
    }

    /// Following a person's rule may take a while; the others are not kept waiting.
    async fn checked(
        &self,
        draft: &Draft,
        id: Id,
        by: Option<PersonId>,
        now: Timestamp,
    ) -> Result<Event, CalendarError> {
        let minutes = |span: &std::time::Duration| u32::try_from(span.as_secs() / 60).unwrap_or(u32::MAX);
        let usual: Vec<u32> = self.0.section.reminders.iter().map(minutes).collect();
        let (draft, home) = (draft.clone(), self.state().agenda.home.clone());
        let checked = tokio::task::spawn_blocking(move || draft.event(id, &home, &usual, by, now)).await;
        match checked {
            Ok(event) => Ok(event?),
            Err(_) => Err(wrong("rule", "rule-too-much", "the rule cannot be followed").into()),
        }
    }

    async fn keep(&self, event: Event, now: Timestamp, anew: bool) -> Result<Arc<Event>, CalendarError> {
        let shelf = self.0.store.calendar();
        shelf.put(CalendarDrawer::Event, &[kept::paper(event.id, &EventRow::from(&event))]).await?;
        let event = Arc::new(event);
        {
            let mut state = self.state();
            state.agenda.put(Arc::clone(&event), now);
            if anew {
                state.agenda.told(event.id, now);
            }
        }
        self.changed();
        Ok(event)
    }
}
