//! Calendars elsewhere: looked at from time to time, with what they had last; read as strangers' texts; shown and never
//! changed. Their addresses are secrets: whoever has one reads that calendar.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domovoi_config::CalendarSection;
use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::{CalendarDrawer, CalendarPaper, Store, StoreError};
use domovoi_vault::Secret;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::draft::{text, wrong};
use super::editing::new_id;
use super::event::{EventKind, MAX_TITLE, Origin};
use super::fetch::Guard;
use super::{CLOCK_CHECK, Calendar, CalendarError, State, ics, kept};
use crate::outside::{Fetched, Known, Trouble};

/// After the first failure; doubled after each further one, up to a day.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = Duration::from_secs(24 * 3600);

/// A calendar elsewhere, as somebody wants it.
#[derive(Clone)]
pub struct ElsewhereDraft {
    /// What to call it.
    pub label: String,
    /// Where it is: https or webcal.
    pub address: Secret<String>,
    /// Whether its own reminders are told here.
    pub alarms: bool,
    /// What its events are about where they do not say.
    pub kind: EventKind,
}

/// A calendar elsewhere, as the room has it.
#[derive(Clone)]
pub(super) struct Source {
    pub row: SourceRow,
    /// When it is looked at next.
    due: Instant,
    polling: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SourceRow {
    label: String,
    address: String,
    alarms: bool,
    kind: String,
    by: Option<String>,
    etag: Option<String>,
    added_at: Option<i64>,
    /// When it was asked last, and when it answered last.
    tried_at: Option<i64>,
    read_at: Option<i64>,
    failure: Option<(String, String)>,
    failures: u32,
    /// What of the last document could not be taken.
    left_out: u32,
    name: Option<String>,
}

/// A calendar elsewhere, as people see it: never with its whole address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElsewhereView {
    /// What it is known by here.
    pub id: Id,
    /// What somebody called it.
    pub label: String,
    /// What it calls itself.
    pub name: Option<String>,
    /// Only the host.
    pub host: String,
    /// Whether its reminders are told.
    pub alarms: bool,
    /// What its events are about where they do not say.
    pub kind: EventKind,
    /// Who added it.
    pub by: Option<PersonId>,
    /// When it was asked last.
    pub tried_at: Option<Timestamp>,
    /// When it answered last.
    pub read_at: Option<Timestamp>,
    /// What went wrong since: the sentence's code and the rest.
    pub failure: Option<(String, String)>,
    /// How often in a row.
    pub failures: u32,
    /// How many events it has.
    pub events: usize,
    /// How many could not be taken.
    pub left_out: u32,
}

pub(super) async fn load(
    store: &Store,
    zone: &TimeZone,
    section: &CalendarSection,
    state: &mut State,
) -> Result<(), StoreError> {
    let shelf = store.calendar();
    let (sources, damaged) = shelf.all(CalendarDrawer::Source).await?;
    let (documents, damaged_documents) = shelf.all(CalendarDrawer::Document).await?;
    state.damaged += damaged + damaged_documents;
    for paper in &sources {
        let Some(row) = kept::row::<SourceRow>(paper) else {
            state.damaged += 1;
            continue;
        };
        let known = Timestamp(row.read_at.or(row.added_at).unwrap_or(0));
        if let Some(document) = documents.iter().find(|document| document.id == paper.id) {
            let body = document.body.to_vec();
            let reading = reading_of(paper.id, &row, store, zone, section, known);
            if let Ok(read) = tokio::task::spawn_blocking(move || ics::read(&body, &reading)).await {
                for event in read.map(|read| read.events).unwrap_or_default() {
                    state.agenda.put(Arc::new(event), known);
                }
            }
        }
        state.elsewhere.insert(paper.id, Source { row, due: Instant::now(), polling: false });
    }
    Ok(())
}

fn reading_of(
    id: Id,
    row: &SourceRow,
    store: &Store,
    zone: &TimeZone,
    section: &CalendarSection,
    now: Timestamp,
) -> ics::Reading {
    let shelf = store.calendar();
    ics::Reading {
        origin: Origin::Elsewhere(id),
        id_of: Arc::new(move |uid: &str| shelf.id_of("calendar_elsewhere", &[&id.0, uid.as_bytes()])),
        home: zone.clone(),
        all_day_minute: section.all_day_minute,
        alarms: row.alarms,
        kind: EventKind::from_code(&row.kind).unwrap_or(EventKind::Other),
        most: usize::try_from(section.max_elsewhere_events).unwrap_or(usize::MAX),
        now,
    }
}

impl Calendar {
    /// Adds a calendar elsewhere, after it was read once: one that cannot be read is refused, with the reason.
    pub async fn add_elsewhere(
        &self,
        draft: &ElsewhereDraft,
        by: Option<PersonId>,
    ) -> Result<ElsewhereView, CalendarError> {
        let label = text("label", &draft.label, MAX_TITLE, false)?;
        if label.is_empty() {
            return Err(wrong("label", "blank", "say what to call it").into());
        }
        let guard = Guard::new(&self.0.section.allow);
        let refused = |failed: Trouble| wrong("address", failed.code, failed.detail);
        let url = guard.parse(draft.address.expose()).map_err(refused)?;
        let most = self.0.section.max_elsewhere;
        if self.state().elsewhere.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(CalendarError::Full { what: "calendars elsewhere", most });
        }
        let now = self.0.clock.trusted().ok_or(CalendarError::NoClock)?;
        if self.state().elsewhere.values().any(|source| source.row.address == url.as_str()) {
            return Err(wrong("address", "twice", "this calendar is read already").into());
        }
        let id = new_id()?;
        let row = SourceRow {
            label,
            address: url.to_string(),
            alarms: draft.alarms,
            kind: draft.kind.code().to_owned(),
            by: by.map(|by| by.to_string()),
            etag: None,
            added_at: Some(now.0),
            tried_at: None,
            read_at: None,
            failure: None,
            failures: 0,
            left_out: 0,
            name: None,
        };
        let fetched = guard.read(&url, None).await.map_err(refused)?;
        let Fetched::Document { bytes: body, known: Known { etag, .. } } = fetched else {
            return Err(wrong("address", "status", "304 to a first question").into());
        };
        let reading = reading_of(id, &row, &self.0.store, &self.0.zone, &self.0.section, now);
        let document = body.clone();
        let read = tokio::task::spawn_blocking(move || ics::read(&document, &reading)).await;
        let read = read.ok().flatten().ok_or_else(|| wrong("address", "not-a-calendar", "no iCalendar"))?;
        let row = SourceRow {
            etag,
            tried_at: Some(now.0),
            read_at: Some(now.0),
            left_out: read.left_out,
            name: read.name.clone(),
            ..row
        };
        let _turn = self.0.changing.lock().await;
        let shelf = self.0.store.calendar();
        shelf.put(CalendarDrawer::Document, &[CalendarPaper { id, body: Zeroizing::new(body.to_vec()) }]).await?;
        shelf.put(CalendarDrawer::Source, &[kept::paper(id, &row)]).await?;
        {
            let mut state = self.state();
            for event in read.events {
                state.agenda.put(Arc::new(event), now);
            }
            let due = Instant::now() + jittered(self.0.section.poll_every);
            state.elsewhere.insert(id, Source { row, due, polling: false });
        }
        self.changed();
        self.0.poll.notify_one();
        self.elsewhere_view(id)
    }

    /// The calendars elsewhere, by their labels.
    pub fn elsewhere(&self) -> Vec<ElsewhereView> {
        let ids: Vec<Id> = self.state().elsewhere.keys().copied().collect();
        let mut views: Vec<ElsewhereView> = ids.into_iter().filter_map(|id| self.elsewhere_view(id).ok()).collect();
        views.sort_by(|a, b| (&a.label, a.id).cmp(&(&b.label, b.id)));
        views
    }

    /// One of them.
    pub fn elsewhere_view(&self, id: Id) -> Result<ElsewhereView, CalendarError> {
        let state = self.state();
        let source = state.elsewhere.get(&id).ok_or(CalendarError::NoSuch("calendar elsewhere"))?;
        let row = &source.row;
        Ok(ElsewhereView {
            id,
            label: row.label.clone(),
            name: row.name.clone(),
            host: url::Url::parse(&row.address)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned))
                .unwrap_or_default(),
            alarms: row.alarms,
            kind: EventKind::from_code(&row.kind).unwrap_or(EventKind::Other),
            by: row.by.as_deref().and_then(|by| by.parse().ok()),
            tried_at: row.tried_at.map(Timestamp),
            read_at: row.read_at.map(Timestamp),
            failure: row.failure.clone(),
            failures: row.failures,
            events: state.agenda.count(|origin| *origin == Origin::Elsewhere(id)),
            left_out: row.left_out,
        })
    }

    /// Takes a calendar elsewhere away, with its events.
    pub async fn remove_elsewhere(&self, id: Id) -> Result<(), CalendarError> {
        let _turn = self.0.changing.lock().await;
        if !self.state().elsewhere.contains_key(&id) {
            return Err(CalendarError::NoSuch("calendar elsewhere"));
        }
        let events: Vec<Id> = self.events_of(id);
        let mut gone = vec![(CalendarDrawer::Source, id), (CalendarDrawer::Document, id)];
        gone.extend(events.iter().map(|event| (CalendarDrawer::Mark, *event)));
        self.0.store.calendar().remove(&gone).await?;
        {
            let mut state = self.state();
            state.elsewhere.remove(&id);
            for event in events {
                state.agenda.remove(event);
            }
        }
        self.changed();
        Ok(())
    }

    /// Looks at a calendar elsewhere now, and says how it stands then.
    pub async fn poll_now(&self, id: Id) -> Result<ElsewhereView, CalendarError> {
        self.elsewhere_view(id)?;
        self.poll_one(id).await?;
        self.elsewhere_view(id)
    }

    fn events_of(&self, id: Id) -> Vec<Id> {
        let state = self.state();
        let of = state.agenda.events().filter(|event| event.origin == Origin::Elsewhere(id));
        of.map(|event| event.id).collect()
    }

    pub(super) async fn poll_for_ever(&self) {
        loop {
            if self.0.clock.trusted().is_none() {
                // No certificate can be believed either.
                tokio::time::sleep(CLOCK_CHECK).await;
                continue;
            }
            let now = Instant::now();
            let due = {
                let state = self.state();
                let waiting = state.elsewhere.iter().filter(|(_, source)| !source.polling);
                waiting.map(|(id, source)| (source.due, *id)).min()
            };
            match due {
                Some((at, id)) if at <= now => {
                    if let Err(error) = self.poll_one(id).await {
                        tracing::error!("a calendar elsewhere could not be kept: {error}");
                        let mut state = self.state();
                        if let Some(source) = state.elsewhere.get_mut(&id) {
                            source.due = Instant::now() + jittered(FIRST_RETRY);
                        }
                    }
                }
                Some((at, _)) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.0.poll.notified() => {}
                },
                None => self.0.poll.notified().await,
            }
        }
    }

    async fn poll_one(&self, id: Id) -> Result<(), CalendarError> {
        let now = self.0.clock.trusted().ok_or(CalendarError::NoClock)?;
        let row = {
            let mut state = self.state();
            let Some(source) = state.elsewhere.get_mut(&id) else { return Ok(()) };
            if source.polling {
                return Ok(());
            }
            source.polling = true;
            source.row.clone()
        };
        let polled = self.poll_row(id, row, now).await;
        if let Some(source) = self.state().elsewhere.get_mut(&id) {
            source.polling = false;
        }
        polled
    }

    async fn poll_row(&self, id: Id, mut row: SourceRow, now: Timestamp) -> Result<(), CalendarError> {
        let guard = Guard::new(&self.0.section.allow);
        row.tried_at = Some(now.0);
        let read = match guard.parse(&row.address) {
            Ok(url) => guard.read(&url, row.etag.as_deref()).await,
            Err(failed) => Err(failed),
        };
        let taken = match read {
            Ok(Fetched::Same) => Ok(None),
            Ok(Fetched::Document { bytes: body, known: Known { etag, .. } }) => {
                let reading = reading_of(id, &row, &self.0.store, &self.0.zone, &self.0.section, now);
                let document = body.clone();
                let read = tokio::task::spawn_blocking(move || ics::read(&document, &reading)).await;
                match read.ok().flatten() {
                    Some(read) => Ok(Some((etag, body, read))),
                    None => Err(Trouble::new("not-a-calendar", "")),
                }
            }
            Err(failed) => Err(failed),
        };
        let _turn = self.0.changing.lock().await;
        if !self.state().elsewhere.contains_key(&id) {
            return Ok(());
        }
        let shelf = self.0.store.calendar();
        let wait = match taken {
            Ok(taken) => {
                (row.read_at, row.failure, row.failures) = (Some(now.0), None, 0);
                if let Some((etag, body, read)) = taken {
                    (row.etag, row.left_out, row.name) = (etag, read.left_out, read.name.clone());
                    let document = CalendarPaper { id, body: Zeroizing::new(body.to_vec()) };
                    shelf.put(CalendarDrawer::Document, &[document]).await?;
                    self.take_over(id, read, now).await?;
                }
                jittered(self.0.section.poll_every)
            }
            Err(failed) => {
                tracing::info!(code = failed.code, "a calendar elsewhere was not read: {}", failed.detail);
                let retry = FIRST_RETRY.saturating_mul(1 << row.failures.min(12)).min(LAST_RETRY);
                row.failures = row.failures.saturating_add(1);
                row.failure = Some((failed.code.to_owned(), failed.detail));
                jittered(failed.after.unwrap_or(retry).max(retry))
            }
        };
        // How a look went is kept too: after a restart it is known how old the events are.
        shelf.put(CalendarDrawer::Source, &[kept::paper(id, &row)]).await?;
        if let Some(source) = self.state().elsewhere.get_mut(&id) {
            (source.row, source.due) = (row, Instant::now() + wait);
        }
        self.changed();
        Ok(())
    }

    /// Its events are these now, and no others.
    async fn take_over(&self, id: Id, read: ics::Read, now: Timestamp) -> Result<(), StoreError> {
        let there: BTreeSet<Id> = read.events.iter().map(|event| event.id).collect();
        let gone: Vec<Id> = self.events_of(id).into_iter().filter(|event| !there.contains(event)).collect();
        let marks: Vec<_> = gone.iter().map(|event| (CalendarDrawer::Mark, *event)).collect();
        self.0.store.calendar().remove(&marks).await?;
        let mut state = self.state();
        for event in gone {
            state.agenda.remove(event);
        }
        for event in read.events {
            if state.agenda.event(event.id).is_none_or(|before| **before != event) {
                state.agenda.put(Arc::new(event), now);
            }
        }
        Ok(())
    }
}

/// A tenth more or less, so that not every home asks at the same second.
fn jittered(wait: Duration) -> Duration {
    let mut bytes = [0u8; 2];
    let random = match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    };
    wait.mul_f64(0.9 + 0.2 * random)
}
