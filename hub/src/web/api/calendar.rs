//! The calendar: what is in it between two moments, events of the household, one occurrence of them, what is done. Dates of
//! other rooms and of calendars elsewhere are shown and ticked off, never changed here.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode};
use domovoi_config::Language;
use domovoi_model::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done, MAX_BODY, calendar_elsewhere, calendar_feeds, millis_of};
use crate::audit::Note;
use crate::calendar::{
    CalendarError, Draft, Entry, Event, EventKind, Filter, OccurrenceChange, Origin, Priority, Sort,
};
use crate::policy::{Kind, Verb};
use crate::web::{Caller, Desk, Doors, calendar_words as said, rule};

/// As far ahead as is shown where nobody says how far.
const USUAL_MILLIS: i64 = 31 * 86_400_000;
/// The longest span that is listed.
const MOST_MILLIS: i64 = 1100 * 86_400_000;
const MAX_WORDS: usize = 200;

/// The calendar's doors.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::Calendar;
    use Verb::{Edit, See};
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    let one = rule(Edit, Calendar).which("event");
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/calendar", rule(See, Calendar), list)
        .door(post, "/api/v1/calendar/events", rule(Edit, Calendar).deed("event.added"), add)
        .door(get, "/api/v1/calendar/events/{event}", rule(See, Calendar).which("event"), show)
        .door(put, "/api/v1/calendar/events/{event}", one.deed("event.changed"), change)
        .door(delete, "/api/v1/calendar/events/{event}", one.deed("event.removed"), remove)
        .door(
            put,
            "/api/v1/calendar/events/{event}/occurrences/{occurrence}",
            one.deed("event.occurrence-changed"),
            change_occurrence,
        )
        .door(put, "/api/v1/calendar/events/{event}/occurrences/{occurrence}/done", one.deed("event.ticked"), tick)
        .door(get, "/api/v1/calendar/feeds", rule(See, Calendar), calendar_feeds::list)
        // Whoever has the address reads the calendar without signing in.
        .door(
            post,
            "/api/v1/calendar/feeds",
            rule(Edit, Calendar).dangerous().deed("calendar-address.made"),
            calendar_feeds::make,
        )
        .door(
            delete,
            "/api/v1/calendar/feeds/{feed}",
            rule(Edit, Calendar).which("feed").deed("calendar-address.revoked"),
            calendar_feeds::revoke,
        )
        .door(get, "/api/v1/calendar/elsewhere", rule(See, Calendar), calendar_elsewhere::list)
        // It connects to an address that somebody typed.
        .door(
            post,
            "/api/v1/calendar/elsewhere",
            rule(Edit, Calendar).dangerous().deed("calendar-elsewhere.added"),
            calendar_elsewhere::add,
        )
        .door(
            delete,
            "/api/v1/calendar/elsewhere/{calendar}",
            rule(Edit, Calendar).which("calendar").deed("calendar-elsewhere.removed"),
            calendar_elsewhere::remove,
        )
        .door(
            post,
            "/api/v1/calendar/elsewhere/{calendar}/look",
            rule(Edit, Calendar).which("calendar").deed("calendar-elsewhere.looked-at"),
            calendar_elsewhere::look,
        )
}

/// A problem of the calendar, in the caller's language.
pub(super) fn told(error: CalendarError, language: Language) -> ApiProblem {
    let text = said::error(&error, language);
    match error {
        CalendarError::NoSuch(_) => ApiProblem::not_found(text),
        CalendarError::Wrong(wrong) => ApiProblem::invalid(format!("{}: {text}", wrong.field)),
        CalendarError::ReadOnly(_) | CalendarError::Full { .. } => ApiProblem::refused(text),
        CalendarError::NoClock => ApiProblem::new(StatusCode::CONFLICT, "no-clock", text),
        CalendarError::Store(error) => error.into(),
    }
}

/// An id of a path; another text is nobody's.
pub(super) fn id_of(text: &str, what: &'static str, language: Language) -> Result<Id, ApiProblem> {
    text.parse().map_err(|_| told(CalendarError::NoSuch(what), language))
}

/// What is looked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarQuery {
    /// RFC 3339; now, if nothing is said.
    from: Option<String>,
    /// RFC 3339; 31 days later, if nothing is said.
    to: Option<String>,
    /// Some of `bill`, `window`, `verification`, `certificate`, `task`, `appointment`, `birthday`, `other`, with commas.
    kinds: Option<String>,
    /// `own`, `given`, `elsewhere`
    origin: Option<String>,
    /// In the title or the notes.
    text: Option<String>,
    /// Only what is overdue. It is listed wherever it lies in any case.
    overdue: Option<bool>,
    /// `date`, `kind`, `priority`
    sort: Option<String>,
    /// At most so many, 1 to 2000; 500 if nothing is said.
    limit: Option<usize>,
}

/// What is in the calendar.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarAnswer {
    pub entries: Vec<EntryAnswer>,
    /// There is more than was asked for.
    pub more: bool,
}

/// An occurrence.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryAnswer {
    pub event: String,
    /// Names the occurrence within its event.
    pub occurrence: i64,
    pub title: String,
    pub notes: String,
    pub kind: &'static str,
    pub priority: &'static str,
    /// `own`, `given`, `elsewhere`
    pub origin: &'static str,
    /// Which part of the home gives it, or which calendar elsewhere has it.
    pub source: Option<String>,
    pub begin: String,
    pub end: String,
    /// Of whole days the first one.
    pub day: Option<String>,
    pub recurs: bool,
    pub moved: bool,
    pub todo: bool,
    /// `ahead`, `now`, `over`, `done`, `overdue`
    pub standing: &'static str,
    pub link: Option<String>,
}

impl EntryAnswer {
    fn of(entry: &Entry, language: Language) -> Self {
        let event = &entry.event;
        EntryAnswer {
            event: event.id.to_string(),
            occurrence: entry.occurrence.key,
            title: entry.title(language).to_owned(),
            notes: event.notes.of(language).to_owned(),
            kind: event.kind.code(),
            priority: event.priority.code(),
            origin: origin_code(&event.origin),
            source: source_of(&event.origin),
            begin: entry.begin.to_string(),
            end: entry.end.to_string(),
            day: event.when.all_day.then(|| entry.occurrence.start.date().to_string()),
            recurs: event.recurs(),
            moved: entry.occurrence.moved,
            todo: event.todo,
            standing: entry.standing.code(),
            link: event.link.clone(),
        }
    }
}

fn origin_code(origin: &Origin) -> &'static str {
    match origin {
        Origin::Own => "own",
        Origin::Given(_) => "given",
        Origin::Elsewhere(_) => "elsewhere",
    }
}

fn source_of(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Own => None,
        Origin::Given(source) => Some((*source).to_owned()),
        Origin::Elsewhere(id) => Some(id.to_string()),
    }
}

/// An event as it is to be, or as it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventForm {
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub notes: String,
    /// `bill`, `window`, `verification`, `certificate`, `task`, `appointment`, `birthday`, `other`
    #[serde(default)]
    pub kind: Option<String>,
    /// `high`, `normal`, `low`
    #[serde(default)]
    pub priority: Option<String>,
    /// `2026-11-24` for a whole day, `2026-11-24T08:00` for a time on the clocks of `zone`.
    #[schema(min_length = 10, max_length = 19)]
    pub start: String,
    /// `Europe/Moscow`; the home's, if nothing is said.
    #[serde(default)]
    pub zone: Option<String>,
    /// How long; of whole days their number times 1440.
    #[serde(default)]
    pub minutes: u32,
    /// `FREQ=WEEKLY;BYDAY=MO` (RFC 5545); once, if nothing is said.
    #[serde(default)]
    pub rule: Option<String>,
    /// Minutes before, at most 8; as the settings have it, if nothing is said.
    #[serde(default)]
    pub remind: Option<Vec<u32>>,
    /// Somebody has to do it: it is overdue until it is ticked off.
    #[serde(default)]
    pub todo: bool,
}

impl EventForm {
    fn draft(self) -> Result<Draft, ApiProblem> {
        Ok(Draft {
            title: self.title,
            notes: self.notes,
            kind: kind_of(self.kind.as_deref().unwrap_or("other"))?,
            priority: priority_of(self.priority.as_deref().unwrap_or("normal"))?,
            start: self.start,
            zone: self.zone,
            minutes: self.minutes,
            rule: self.rule,
            remind: self.remind,
            todo: self.todo,
        })
    }
}

/// An event, whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventAnswer {
    pub event: String,
    pub origin: &'static str,
    pub source: Option<String>,
    pub title: String,
    pub notes: String,
    pub kind: &'static str,
    pub priority: &'static str,
    pub start: String,
    /// Whole days.
    pub all_day: bool,
    pub zone: String,
    pub minutes: u32,
    pub rule: Option<String>,
    pub remind: Vec<u32>,
    pub todo: bool,
    /// Occurrences that do not happen, and those at another time.
    pub cancelled: Vec<i64>,
    pub moved: Vec<i64>,
    /// Who wrote it down.
    pub by: Option<String>,
    pub link: Option<String>,
}

impl EventAnswer {
    fn of(event: &Event, language: Language) -> Self {
        let when = &event.when;
        let spelled = |at: jiff::civil::DateTime| at.strftime("%Y%m%dT%H%M%S").to_string();
        EventAnswer {
            event: event.id.to_string(),
            origin: origin_code(&event.origin),
            source: source_of(&event.origin),
            title: event.title.of(language).to_owned(),
            notes: event.notes.of(language).to_owned(),
            kind: event.kind.code(),
            priority: event.priority.code(),
            start: if when.all_day { when.start.date().to_string() } else { when.start.to_string() },
            all_day: when.all_day,
            zone: when.zone.name.clone(),
            minutes: when.minutes,
            rule: event.rule.as_ref().map(|rule| rule.spelled(spelled)),
            remind: event.remind.clone(),
            todo: event.todo,
            cancelled: event.cancelled.clone(),
            moved: event.moved.iter().map(|moved| moved.occurrence).collect(),
            by: event.by.map(|by| by.to_string()),
            link: event.link.clone(),
        }
    }
}

/// What is to become of one occurrence.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OccurrenceForm {
    /// `cancel`, `move`, `restore`
    pub action: String,
    /// Of one that is moved: spelled like an event's.
    #[serde(default)]
    pub start: Option<String>,
    #[serde(default)]
    pub minutes: Option<u32>,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub title: Option<String>,
}

/// Whether it is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TickForm {
    pub done: bool,
}

pub(super) fn kind_of(code: &str) -> Result<EventKind, ApiProblem> {
    let codes = || EventKind::ALL.iter().map(|kind| kind.code()).collect::<Vec<_>>().join(", ");
    EventKind::from_code(code).ok_or_else(|| ApiProblem::invalid(format!("kind: {}", codes())))
}

fn priority_of(code: &str) -> Result<Priority, ApiProblem> {
    Priority::from_code(code).ok_or_else(|| ApiProblem::invalid("priority: high, normal, low"))
}

impl CalendarQuery {
    fn filter(&self, now: Timestamp) -> Result<Filter, ApiProblem> {
        let at = |name: &str, text: &Option<String>, usual: Timestamp| match text {
            None => Ok(usual),
            Some(text) => millis_of(text)
                .ok_or_else(|| ApiProblem::invalid(format!("{name}: RFC 3339, like 2026-11-24T00:00:00Z"))),
        };
        let from = at("from", &self.from, now)?;
        let to = at("to", &self.to, from.plus_millis(USUAL_MILLIS))?;
        if to <= from || to.0 - from.0 > MOST_MILLIS {
            return Err(ApiProblem::invalid("to: after `from`, and at most three years after it"));
        }
        let kinds = self.kinds.as_deref().unwrap_or_default();
        let kinds = kinds.split(',').map(str::trim).filter(|kind| !kind.is_empty()).map(kind_of);
        let origin = self.origin.clone().filter(|origin| !origin.is_empty());
        if origin.as_deref().is_some_and(|origin| !matches!(origin, "own" | "given" | "elsewhere")) {
            return Err(ApiProblem::invalid("origin: own, given, elsewhere"));
        }
        let sort = match self.sort.as_deref().unwrap_or("date") {
            "date" => Sort::Date,
            "kind" => Sort::Kind,
            "priority" => Sort::Priority,
            _ => return Err(ApiProblem::invalid("sort: date, kind, priority")),
        };
        let text = self.text.clone().filter(|text| !text.trim().is_empty());
        if text.as_ref().is_some_and(|text| text.chars().count() > MAX_WORDS) {
            return Err(ApiProblem::invalid(format!("text: at most {MAX_WORDS} characters")));
        }
        let limit = self.limit.unwrap_or(500);
        if !(1..=2000).contains(&limit) {
            return Err(ApiProblem::invalid("limit: 1 to 2000"));
        }
        Ok(Filter {
            from,
            to,
            kinds: kinds.collect::<Result<_, _>>()?,
            origin,
            text,
            overdue_only: self.overdue.unwrap_or(false),
            sort,
            limit,
        })
    }
}

/// What is in the calendar between two moments; what is overdue stands in it wherever it lies.
#[utoipa::path(get, path = "/api/v1/calendar", tag = "calendar", params(CalendarQuery), responses((status = 200, body = CalendarAnswer)))]
pub async fn list(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<CalendarQuery>,
) -> Result<Json<CalendarAnswer>, ApiProblem> {
    let filter = query.filter(desk.clock.at_least())?;
    let calendar = desk.calendar.clone();
    // A thousand rules are followed for it: not on a thread that others wait for.
    let listed = tokio::task::spawn_blocking(move || calendar.list(&filter)).await;
    let (entries, more) =
        listed.map_err(|_| ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "calendar", "the calendar failed"))?;
    let entries = entries.iter().map(|entry| EntryAnswer::of(entry, caller.language)).collect();
    Ok(Json(CalendarAnswer { entries, more }))
}

/// Writes an event down.
#[utoipa::path(post, path = "/api/v1/calendar/events", tag = "calendar", request_body = EventForm, responses((status = 201, body = EventAnswer)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<EventForm>,
) -> Result<(StatusCode, Json<EventAnswer>), ApiProblem> {
    let added = desk.calendar.add(&form.draft()?, caller.who.person()).await;
    let event = added.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(event.title.ru.clone()));
    Ok((StatusCode::CREATED, Json(EventAnswer::of(&event, caller.language))))
}

/// One event.
#[utoipa::path(get, path = "/api/v1/calendar/events/{event}", tag = "calendar", responses((status = 200, body = EventAnswer)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(event): Path<String>,
) -> Result<Json<EventAnswer>, ApiProblem> {
    let id = id_of(&event, "event", caller.language)?;
    let event = desk.calendar.event(id).map_err(|error| told(error, caller.language))?;
    Ok(Json(EventAnswer::of(&event, caller.language)))
}

/// Changes an event of the household as a whole. Occurrences that were moved or cancelled are so no longer if it begins at
/// another time or comes again otherwise.
#[utoipa::path(put, path = "/api/v1/calendar/events/{event}", tag = "calendar", request_body = EventForm, responses((status = 200, body = EventAnswer)))]
pub async fn change(
    State(desk): State<Desk>,
    caller: Caller,
    Path(event): Path<String>,
    Extension(note): Extension<Note>,
    Json(form): Json<EventForm>,
) -> Result<Json<EventAnswer>, ApiProblem> {
    let id = id_of(&event, "event", caller.language)?;
    let before = desk.calendar.event(id).map_err(|error| told(error, caller.language))?;
    let changed = desk.calendar.change(id, &form.draft()?).await;
    let event = changed.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(before.title.ru.clone()), Some(event.title.ru.clone()));
    Ok(Json(EventAnswer::of(&event, caller.language)))
}

/// Takes an event of the household away.
#[utoipa::path(delete, path = "/api/v1/calendar/events/{event}", tag = "calendar", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    caller: Caller,
    Path(event): Path<String>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let id = id_of(&event, "event", caller.language)?;
    let before = desk.calendar.event(id).map_err(|error| told(error, caller.language))?;
    desk.calendar.remove(id).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(before.title.ru.clone()), None);
    Ok(Done::json())
}

/// Moves or cancels one occurrence of an event, or lets it be as the others again.
#[utoipa::path(put, path = "/api/v1/calendar/events/{event}/occurrences/{occurrence}", tag = "calendar", request_body = OccurrenceForm, responses((status = 200, body = EventAnswer)))]
pub async fn change_occurrence(
    State(desk): State<Desk>,
    caller: Caller,
    Path((event, occurrence)): Path<(String, String)>,
    Extension(note): Extension<Note>,
    Json(form): Json<OccurrenceForm>,
) -> Result<Json<EventAnswer>, ApiProblem> {
    let (id, key) = place_of(&event, &occurrence, caller.language)?;
    let change = match (form.action.as_str(), form.start) {
        ("cancel", None) => OccurrenceChange::Cancel,
        ("restore", None) => OccurrenceChange::Restore,
        ("move", Some(start)) => OccurrenceChange::Move { start, minutes: form.minutes, title: form.title },
        _ => return Err(ApiProblem::invalid("action: cancel, restore, or move with `start`")),
    };
    let changed = desk.calendar.change_occurrence(id, key, &change).await;
    let event = changed.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(event.title.ru.clone()));
    note.change("state", None, Some(form.action));
    Ok(Json(EventAnswer::of(&event, caller.language)))
}

/// Says that an occurrence of something to be done is done, or that it is not.
#[utoipa::path(put, path = "/api/v1/calendar/events/{event}/occurrences/{occurrence}/done", tag = "calendar", request_body = TickForm, responses((status = 200, body = EntryAnswer)))]
pub async fn tick(
    State(desk): State<Desk>,
    caller: Caller,
    Path((event, occurrence)): Path<(String, String)>,
    Extension(note): Extension<Note>,
    Json(form): Json<TickForm>,
) -> Result<Json<EntryAnswer>, ApiProblem> {
    let (id, key) = place_of(&event, &occurrence, caller.language)?;
    desk.calendar.tick(id, key, form.done).await.map_err(|error| told(error, caller.language))?;
    let entry = desk.calendar.entry(id, key).map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(entry.event.title.ru.clone()));
    note.change("state", None, Some(entry.standing.code().to_owned()));
    Ok(Json(EntryAnswer::of(&entry, caller.language)))
}

fn place_of(event: &str, occurrence: &str, language: Language) -> Result<(Id, i64), ApiProblem> {
    let key = occurrence.parse().map_err(|_| told(CalendarError::NoSuch("occurrence"), language))?;
    Ok((id_of(event, "event", language)?, key))
}
