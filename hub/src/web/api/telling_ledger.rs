//! Inboxes, what was told to whom by which way and how far it came, why somebody was or was not told, and answers.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domovoi_config::Language;
use domovoi_model::{Id, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::telling::{id_in, told};
use super::{ApiProblem, Done};
use crate::audit::{Actor, Entry, Outcome};
use crate::notify::policy::Later;
use crate::notify::record::Line;
use crate::notify::{LedgerFilter, LedgerLetter, Subject, call_code};
use crate::web::{Caller, Desk, Of};

/// So many lines or letters are told if nobody says how many.
const SOME: u32 = 100;

/// A line of an inbox.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineView {
    pub id: String,
    /// `alert:…`, `message:…`, `reminder:…:…`, `test:…`, `digest:…`
    pub subject: String,
    pub topic: &'static str,
    pub severity: &'static str,
    pub life: bool,
    pub drill: bool,
    /// It says that something is over, or known.
    pub over: bool,
    pub title: String,
    pub body: String,
    /// Where on the page more of it stands.
    pub link: Option<String>,
    pub at: String,
    pub seen_at: Option<String>,
}

/// An inbox: its newest lines, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InboxView {
    pub unseen: usize,
    pub lines: Vec<LineView>,
}

/// Which lines were seen.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenForm {
    /// `null`: all of them.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub lines: Option<Vec<String>>,
}

/// How many were not seen before.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeenView {
    pub seen: usize,
}

/// Which letters.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// About this only.
    subject: Option<String>,
    /// To this person only.
    person: Option<String>,
    /// Older than this letter.
    before: Option<String>,
    /// At most so many, 1 to 1000.
    limit: Option<u32>,
}

/// A letter, and how far it came.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    pub letter: String,
    pub subject: String,
    /// `null`: the house itself.
    pub person: Option<String>,
    pub channel: String,
    /// What the owner of the way calls it.
    pub way: Option<String>,
    /// `first`, `again`, `costly`, `all-clear`, `digest`
    pub call: &'static str,
    pub life: bool,
    /// `queued`, `failed`, `dropped`, `sent`, `delivered`, `seen`, `answered`
    pub state: &'static str,
    pub times: Vec<TimeView>,
    /// Why it failed.
    pub why: Option<String>,
    pub tries: u32,
}

/// When a letter came to a state.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimeView {
    pub state: &'static str,
    pub at: String,
}

/// Letters, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveriesView {
    pub deliveries: Vec<DeliveryView>,
    /// For the next page.
    pub next: Option<String>,
}

/// Why somebody was or was not told.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhyQuery {
    subject: String,
    /// Of `/api/v1/deliveries/why` only.
    person: Option<String>,
}

/// One decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedView {
    pub at: String,
    pub call: &'static str,
    /// By these channels at once.
    pub by: Vec<String>,
    /// `after-quiet`, `with-others`: not then.
    pub later: Option<&'static str>,
    /// When quiet hours end.
    pub until: Option<String>,
    pub codes: Vec<&'static str>,
    /// The same in words, in the caller's language.
    pub words: Vec<String>,
}

/// Everything that was decided about somebody and one subject, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyView {
    pub subject: String,
    pub person: String,
    pub decided: Vec<DecidedView>,
    /// So many were left out in the middle.
    pub left_out: u32,
}

/// "I know", by a letter's token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerForm {
    #[schema(max_length = 60)]
    pub token: String,
}

/// What was answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerView {
    /// It is known now.
    pub known: bool,
}

fn line(line: Line) -> LineView {
    LineView {
        id: line.id.to_string(),
        subject: line.subject.to_string(),
        topic: line.topic.code(),
        severity: line.severity.code(),
        life: line.life,
        drill: line.drill,
        over: line.over,
        title: line.title,
        body: line.body,
        link: line.link,
        at: line.at.to_string(),
        seen_at: line.seen.map(|at| at.to_string()),
    }
}

fn delivery(one: LedgerLetter) -> DeliveryView {
    let letter = one.letter;
    DeliveryView {
        letter: letter.id.to_string(),
        subject: letter.subject.to_string(),
        person: letter.person.map(|person| person.to_string()),
        channel: letter.channel,
        way: one.label.filter(|label| !label.is_empty()),
        call: call_code(letter.call),
        life: letter.life,
        state: letter.state.code(),
        times: letter.times.iter().map(|(state, at)| TimeView { state: state.code(), at: at.to_string() }).collect(),
        why: letter.why,
        tries: letter.tries,
    }
}

fn subject_in(text: &str) -> Result<Subject, ApiProblem> {
    text.parse().map_err(|_| ApiProblem::invalid("a subject is like \"alert:00112233-4455-6677-8899-aabbccddeeff\""))
}

async fn letters(
    desk: &Desk,
    query: DeliveriesQuery,
    person: Option<PersonId>,
    language: Language,
) -> Result<Json<DeliveriesView>, ApiProblem> {
    let limit = query.limit.unwrap_or(SOME).clamp(1, 1000);
    let filter = LedgerFilter {
        subject: query.subject.as_deref().map(subject_in).transpose()?,
        person,
        before: query.before.as_deref().map(|text| id_in(text, "letter")).transpose()?,
        limit,
    };
    let found = desk.notify.ledger(&filter).await.map_err(|error| told(error, language))?;
    let next = (found.len() >= limit as usize).then(|| found.last().map(|one| one.letter.id.to_string())).flatten();
    Ok(Json(DeliveriesView { deliveries: found.into_iter().map(delivery).collect(), next }))
}

async fn reasons(
    desk: &Desk,
    subject: &str,
    person: PersonId,
    language: Language,
) -> Result<Json<WhyView>, ApiProblem> {
    let subject = subject_in(subject)?;
    let why = desk.notify.why(&subject, person).await.map_err(|error| told(error, language))?;
    let why = why.ok_or_else(|| ApiProblem::not_found("nothing was decided about this and this person"))?;
    let decided = why
        .decided
        .iter()
        .map(|one| DecidedView {
            at: one.at.to_string(),
            call: call_code(one.call),
            by: one.by.clone(),
            later: one.later.map(|later| match later {
                Later::AfterQuiet(_) => "after-quiet",
                Later::WithOthers => "with-others",
            }),
            until: match one.later {
                Some(Later::AfterQuiet(until)) => Some(until.to_string()),
                _ => None,
            },
            codes: one.why.iter().map(|reason| reason.code()).collect(),
            words: one.why.iter().map(|reason| desk.notify.reason_in_words(reason, language)).collect(),
        })
        .collect();
    Ok(Json(WhyView { subject: subject.to_string(), person: person.to_string(), decided, left_out: why.left_out }))
}

/// A person's inbox.
#[utoipa::path(get, path = "/api/v1/people/{person}/inbox", tag = "telling", responses((status = 200, body = InboxView)))]
pub async fn inbox(State(desk): State<Desk>, of: Of) -> Json<InboxView> {
    let (lines, unseen) = desk.notify.inbox(of.0);
    Json(InboxView { unseen, lines: lines.into_iter().map(line).collect() })
}

/// Lines of an inbox were seen.
#[utoipa::path(post, path = "/api/v1/people/{person}/inbox/seen", tag = "telling", request_body = SeenForm, responses((status = 200, body = SeenView)))]
pub async fn seen(State(desk): State<Desk>, of: Of, Json(form): Json<SeenForm>) -> Result<Json<SeenView>, ApiProblem> {
    let lines: Option<Vec<Id>> = match form.lines {
        None => None,
        Some(lines) if lines.len() > 500 => return Err(ApiProblem::invalid("at most 500 lines at once")),
        Some(lines) => Some(lines.iter().map(|text| id_in(text, "line")).collect::<Result<_, _>>()?),
    };
    Ok(Json(SeenView { seen: desk.notify.seen(of.0, lines.as_deref()) }))
}

/// A person's device shows a letter: what a push message's program reports.
#[utoipa::path(post, path = "/api/v1/people/{person}/deliveries/{letter}/seen", tag = "telling", responses((status = 200, body = Done)))]
pub async fn letter_seen(
    State(desk): State<Desk>,
    of: Of,
    Path((_, letter)): Path<(String, String)>,
) -> Result<Json<Done>, ApiProblem> {
    desk.notify.seen_letter(of.0, id_in(&letter, "letter")?);
    Ok(Done::json())
}

/// What was told to a person.
#[utoipa::path(get, path = "/api/v1/people/{person}/deliveries", tag = "telling", params(DeliveriesQuery), responses((status = 200, body = DeliveriesView)))]
pub async fn of_person(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<DeliveriesView>, ApiProblem> {
    letters(&desk, query, Some(of.0), caller.language).await
}

/// What was told to everybody.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "telling", params(DeliveriesQuery), responses((status = 200, body = DeliveriesView)))]
pub async fn all(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<DeliveriesView>, ApiProblem> {
    let person = query.person.as_deref().map(|text| id_in(text, "person")).transpose()?.map(PersonId);
    letters(&desk, query, person, caller.language).await
}

/// Why a person was or was not told.
#[utoipa::path(get, path = "/api/v1/people/{person}/deliveries/why", tag = "telling", params(WhyQuery), responses((status = 200, body = WhyView)))]
pub async fn why_of_person(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    Query(query): Query<WhyQuery>,
) -> Result<Json<WhyView>, ApiProblem> {
    reasons(&desk, &query.subject, of.0, caller.language).await
}

/// Why somebody was or was not told.
#[utoipa::path(get, path = "/api/v1/deliveries/why", tag = "telling", params(WhyQuery), responses((status = 200, body = WhyView)))]
pub async fn why(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<WhyQuery>,
) -> Result<Json<WhyView>, ApiProblem> {
    let person = query.person.as_deref().ok_or_else(|| ApiProblem::invalid("`person` is missing"))?;
    reasons(&desk, &query.subject, PersonId(id_in(person, "person")?), caller.language).await
}

/// Says "I know" by a letter's token: good for one telling, one subject and one person, until it is over. Saying it twice
/// is harmless.
#[utoipa::path(post, path = "/api/v1/telling/answer", tag = "telling", request_body = AnswerForm, responses((status = 200, body = AnswerView)))]
pub async fn answer(
    State(desk): State<Desk>,
    caller: Caller,
    Json(form): Json<AnswerForm>,
) -> Result<Json<AnswerView>, ApiProblem> {
    if know_by_token(&desk, &caller, &form.token).await {
        return Ok(Json(AnswerView { known: true }));
    }
    let text = crate::words::words(caller.language).say("telling-answer-stale", &[]);
    Err(ApiProblem::new(StatusCode::GONE, "stale", text))
}

/// Whoever has the letter knows; whether the token still counts. Written down either way.
pub async fn know_by_token(desk: &Desk, caller: &Caller, token: &str) -> bool {
    // The threshold knows no caller: who it was says the token.
    let entry = |actor: Actor, object: Option<(String, Option<String>)>, outcome: Outcome| Entry {
        actor,
        origin: caller.origin.clone(),
        deed: "telling.answered".to_owned(),
        object,
        outcome,
        changes: Vec::new(),
    };
    match desk.notify.answer_by_token(token) {
        Ok((subject, person)) => {
            let kind = match subject {
                Subject::Reminder(..) => "calendar",
                Subject::Message(_) => "message",
                _ => "alert",
            };
            let object = Some((kind.to_owned(), Some(subject.id().to_string())));
            desk.journal.note(entry(Actor::Person(person), object, Outcome::Done)).await;
            true
        }
        Err(_) => {
            desk.journal.note(entry(Actor::Nobody, None, Outcome::Refused("scope".to_owned()))).await;
            false
        }
    }
}
