//! Alerts: what stands and what has stood, why it concerns the home, what to do about it; saying "I know", ticking steps off. Whoever may see alerts sees warnings and dangers; what notices say is for who may see notices.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use domovoi_config::Language;
use domovoi_model::{
    Acknowledged, Alert, AlertOrigin, AlertState, AlertStatus, Concern, Id, Moment, Peril, PersonId, Severity,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Paging, answer, cursor_of};
use super::people::moment;
use super::{ApiProblem, MAX_BODY};
use super::{alert_feeds, alerts_export};
use crate::alerts::{AlertsError, Filter, Kept, link, steps};
use crate::audit::Note;
use crate::policy::{Kind, Object, Role, Subject, Verb, decide};
use crate::web::{Caller, Desk, Doors, rule};
use crate::words::words;

/// The longest text that is looked for.
const MAX_TEXT: usize = 200;

/// Alerts and their feeds.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::Alert;
    use Verb::{Command, Export, See};
    let (get, post) = (&Method::GET, &Method::POST);
    let one = |verb| rule(verb, Alert).which("alert");
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/alerts", rule(See, Alert), list)
        .door(get, "/api/v1/alerts/feeds", rule(See, Alert), alert_feeds::feeds)
        .door(
            post,
            "/api/v1/alerts/feeds/{feed}/poll",
            rule(Command, Alert).deed("alert-feed.polled"),
            alert_feeds::poll,
        )
        .door(get, "/api/v1/alerts/export.csv", rule(Export, Alert).deed("alerts.exported"), alerts_export::csv)
        .door(get, "/api/v1/alerts/export.json", rule(Export, Alert).deed("alerts.exported"), alerts_export::json)
        .door(get, "/api/v1/alerts/{alert}", one(See), show)
        // Without a proof: whoever stands before a siren says so.
        .door(post, "/api/v1/alerts/{alert}/acknowledge", one(Command).deed("alert.acknowledged"), acknowledge)
        .door(post, "/api/v1/alerts/{alert}/steps/{step}", one(Command).deed("alert.step"), step)
}

/// An alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertView {
    pub alert: String,
    /// `feed`, `portal`, `hazard`, `device`, `camera`, `metering`, `submission`, `security`, `house`
    pub origin: &'static str,
    /// `actual`, `exercise`, `system`, `test`
    pub status: &'static str,
    /// `raised`, `updated`, `cancelled`, `expired`
    pub state: &'static str,
    /// `unknown`, `minor`, `moderate`, `severe`, `extreme`
    pub severity: &'static str,
    /// `unknown`, `past`, `future`, `expected`, `immediate`
    pub urgency: &'static str,
    /// `unknown`, `unlikely`, `possible`, `likely`, `observed`
    pub certainty: &'static str,
    pub categories: Vec<&'static str>,
    /// What it is: `flood`, `gas`, `camera`, …
    pub peril: &'static str,
    /// Somebody may die of not hearing it now.
    pub life: bool,
    /// In the language that the caller reads, if it says anything in it.
    pub language: String,
    pub event: String,
    pub headline: String,
    pub description: String,
    /// What to do, in the sender's words.
    pub instruction: String,
    /// Peril, severity and state in words.
    pub words: String,
    pub areas: Vec<String>,
    pub sender: String,
    pub web: Option<String>,
    pub feed: Option<String>,
    pub device: Option<String>,
    pub room: Option<String>,
    pub raised_at: Option<String>,
    pub changed_at: Option<String>,
    pub sent: Option<String>,
    pub onset: Option<String>,
    pub expires: Option<String>,
    /// The sender gave no end: it is the hub's.
    pub expires_assumed: bool,
    pub ended_at: Option<String>,
    pub acknowledged: Vec<KnownView>,
    /// Grows when it becomes worse.
    pub telling: u32,
}

/// Who said "I know", or did a step.
#[derive(Debug, Serialize, ToSchema)]
pub struct KnownView {
    pub person: String,
    /// As people call them now.
    pub name: String,
    pub at: Option<String>,
}

/// A recommended step.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepView {
    pub step: &'static str,
    pub sentence: String,
    /// Who has done it.
    pub done: Option<KnownView>,
}

/// A message of the chain that an alert was made of.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    pub sender: String,
    pub identifier: String,
    pub sent: Option<String>,
    /// It was replaced or taken back.
    pub over: bool,
}

/// An alert with all there is to say about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertWhole {
    #[serde(flatten)]
    pub alert: AlertView,
    /// Why it concerns the home, in words.
    pub why: Vec<String>,
    pub steps: Vec<StepView>,
    /// The official page about such perils.
    pub link: Option<&'static str>,
    pub messages: Vec<MessageView>,
}

/// Alerts: those that stand, the gravest first; or of history, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsView {
    pub alerts: Vec<AlertView>,
    pub next: Option<String>,
    /// Rows of history that could not be read.
    pub damaged: usize,
}

/// What to look for; everything that is given has to fit.
#[derive(Debug, Default, Clone, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// `true`: history too. Otherwise only what stands, the gravest first; that is told from memory, whatever the disk does.
    #[serde(default)]
    pub history: bool,
    /// RFC 3339: raised then or later.
    pub since: Option<String>,
    /// RFC 3339: raised before then.
    pub until: Option<String>,
    /// `feed`, `portal`, `hazard`, …
    pub origin: Option<String>,
    /// `flood`, `gas`, …
    pub peril: Option<String>,
    /// At least so bad: `minor`, `moderate`, `severe`, `extreme`
    pub severity: Option<String>,
    /// `raised`, `updated`, `cancelled`, `expired`
    pub state: Option<String>,
    /// `actual`, `exercise`, `system`, `test`
    pub status: Option<String>,
    /// Whether somebody has said "I know".
    pub acknowledged: Option<bool>,
    /// Where this occurs in any text, whatever the case.
    pub text: Option<String>,
    /// At most so many, 1 to 500; 100 if nothing is said.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl AlertsQuery {
    pub(super) fn filter(&self) -> Result<Filter, ApiProblem> {
        fn code<T>(what: &str, text: Option<&String>, read: fn(&str) -> Option<T>) -> Result<Option<T>, ApiProblem> {
            let Some(text) = text else { return Ok(None) };
            read(text).map(Some).ok_or_else(|| ApiProblem::invalid(format!("{what}: there is none of this code")))
        }
        if self.text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
            return Err(ApiProblem::invalid(format!("text: at most {MAX_TEXT} characters")));
        }
        let paging = Paging { limit: self.limit, cursor: self.cursor.clone() };
        let before = match paging.after()? {
            None => None,
            Some(place) => Some(
                place_of(&place)
                    .ok_or_else(|| ApiProblem::invalid("cursor: use `next` of the page before as it is"))?,
            ),
        };
        Ok(Filter {
            since: self.since.as_deref().map(|text| moment("since", text)).transpose()?,
            until: self.until.as_deref().map(|text| moment("until", text)).transpose()?,
            origin: code("origin", self.origin.as_ref(), AlertOrigin::from_code)?,
            peril: code("peril", self.peril.as_ref(), Peril::from_code)?,
            severity: code("severity", self.severity.as_ref(), Severity::from_code)?,
            state: code("state", self.state.as_ref(), AlertState::from_code)?,
            status: code("status", self.status.as_ref(), AlertStatus::from_code)?,
            acknowledged: self.acknowledged,
            text: self.text.clone().filter(|text| !text.is_empty()),
            before,
            limit: paging.limit()?,
        })
    }
}

fn place_of(text: &str) -> Option<(Timestamp, Id)> {
    let (at, id) = text.split_once('/')?;
    Some((Timestamp(at.parse().ok()?), id.parse().ok()?))
}

fn spelled((at, id): (Timestamp, Id)) -> String {
    cursor_of(&format!("{}/{id}", at.0))
}

pub(super) fn told(error: &AlertsError, language: Language) -> ApiProblem {
    let say = |key: &str| words(language).say(key, &[]);
    match error {
        AlertsError::NoAlert => ApiProblem::not_found(say("alert-none")),
        AlertsError::NoStep => ApiProblem::not_found(say("alert-no-step")),
        AlertsError::NoFeed => ApiProblem::not_found(say("alert-no-feed")),
        AlertsError::NotKept => ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "not-kept", say("alert-not-kept")),
        AlertsError::Store(error) => ApiProblem::new(super::status_of(error), "store", error.to_string()),
    }
}

/// Whether the caller may see an alert: what notices say is for who may see notices.
pub fn sees(desk: &Desk, caller: &Caller, alert: &Alert) -> bool {
    let is_for_all = matches!(alert.origin, AlertOrigin::Feed | AlertOrigin::Portal | AlertOrigin::Hazard);
    is_for_all || decide(&caller.who, Verb::See, &Object::all(Kind::Notice), desk.now()).is_allowed()
}

fn known(desk: &Desk, caller: &Caller, one: &Acknowledged) -> KnownView {
    KnownView {
        person: one.by.to_string(),
        name: desk.people.called(&crate::people::mark(one.by), caller.language),
        at: stamp(desk, one.at),
    }
}

pub(super) fn stamp(desk: &Desk, moment: Moment) -> Option<String> {
    desk.alerts.wall(moment).map(|at| at.to_string())
}

pub(super) fn view(desk: &Desk, caller: &Caller, alert: &Alert) -> AlertView {
    let words = words(caller.language);
    let text = alert.text(caller.language.code()).cloned().unwrap_or_default();
    let word = |what: &str, code: &str| words.say(&format!("alert-{what}-{code}"), &[]);
    let mut said = vec![
        word("peril", alert.peril.code()),
        word("severity", alert.severity.code()),
        word("state", alert.state.code()),
    ];
    if alert.status != AlertStatus::Actual {
        said.insert(0, word("status", alert.status.code()));
    }
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
    AlertView {
        alert: alert.id.to_string(),
        origin: alert.origin.code(),
        status: alert.status.code(),
        state: alert.state.code(),
        severity: alert.severity.code(),
        urgency: alert.urgency.code(),
        certainty: alert.certainty.code(),
        categories: alert.categories.iter().map(|category| category.code()).collect(),
        peril: alert.peril.code(),
        life: alert.life,
        language: text.language,
        event: text.event,
        headline: text.headline,
        description: text.description,
        instruction: text.instruction,
        words: said.join(", "),
        areas: alert.areas.clone(),
        sender: alert.sender.clone(),
        web: alert.web.clone(),
        feed: alert.feed.clone(),
        device: alert.device.as_ref().map(ToString::to_string),
        room: alert.room.clone(),
        raised_at: stamp(desk, alert.raised_at),
        changed_at: stamp(desk, alert.changed_at),
        sent: at(alert.sent),
        onset: at(alert.onset),
        expires: at(alert.expires),
        expires_assumed: alert.expires_assumed,
        ended_at: alert.ended_at.and_then(|moment| stamp(desk, moment)),
        acknowledged: alert.acknowledged.iter().map(|one| known(desk, caller, one)).collect(),
        telling: alert.telling,
    }
}

fn why(concern: &Concern, language: Language) -> String {
    let say = |key: &str, named: &[(&str, &str)]| words(language).say(&format!("alert-why-{key}"), named);
    match concern {
        Concern::Home => say("home", &[]),
        Concern::Polygon { area } => say("polygon", &[("area", area)]),
        Concern::Circle { area } => say("circle", &[("area", area)]),
        Concern::Code { area, name, value } => say("code", &[("area", area), ("name", name), ("value", value)]),
        Concern::Region { area, region } => say("region", &[("area", area), ("region", region)]),
        Concern::LocalFeed => say("local-feed", &[]),
    }
}

/// All there is to say about it, for this caller.
pub fn whole(desk: &Desk, caller: &Caller, alert: &Alert) -> AlertWhole {
    let done =
        |key: &str| alert.steps_done.iter().find(|(step, _)| step == key).map(|(_, one)| known(desk, caller, one));
    let step = |step: crate::alerts::Step| StepView { step: step.key, done: done(step.key), sentence: step.sentence };
    let messages = desk.alerts.messages(alert.id).into_iter().map(|(sender, identifier, sent, over)| MessageView {
        sender,
        identifier,
        sent: sent.map(|at| at.to_string()),
        over,
    });
    AlertWhole {
        alert: view(desk, caller, alert),
        why: alert.concerns.iter().map(|concern| why(concern, caller.language)).collect(),
        steps: steps(alert.peril, caller.language).into_iter().map(step).collect(),
        link: link(alert.peril, caller.language),
        messages: messages.collect(),
    }
}

/// What stands, the gravest first; with `history`, what has stood too, the newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertsQuery), responses((status = 200, body = AlertsView)))]
pub async fn list(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<AlertsQuery>,
    uri: Uri,
) -> Result<Response, ApiProblem> {
    let filter = query.filter()?;
    let shown = |alert: &Arc<Alert>| sees(&desk, &caller, alert);
    if !query.history {
        let between = |alert: &Alert| {
            let at = desk.alerts.raised_at(alert);
            at.is_none_or(|at| {
                filter.since.is_none_or(|since| at >= since) && filter.until.is_none_or(|until| at < until)
            })
        };
        let all: Vec<Arc<Alert>> = desk
            .alerts
            .standing()
            .into_iter()
            .filter(|alert| filter.fits(alert) && between(alert) && shown(alert))
            .collect();
        let paging = Paging { limit: query.limit, cursor: query.cursor.clone() };
        let (page, next) = match filter.before {
            // A cursor names the last that was shown.
            Some((_, id)) => {
                let start = all.iter().position(|alert| alert.id == id).map_or(0, |place| place + 1);
                Paging { limit: query.limit, cursor: None }
                    .cut(all.into_iter().skip(start).collect(), |alert| alert.id.to_string())?
            }
            None => paging.cut(all, |alert| alert.id.to_string())?,
        };
        let next = next.and_then(|_| page.last().map(|last| spelled((Timestamp(0), last.id))));
        let alerts = page.iter().map(|alert| view(&desk, &caller, alert)).collect();
        return Ok(answer(AlertsView { alerts, next: next.clone(), damaged: 0 }, next.as_deref(), &uri));
    }
    let found = desk.alerts.find(&filter).await.map_err(|error| told(&error, caller.language))?;
    let next = found.next.map(spelled);
    let alerts = found.alerts.iter().filter(|alert| shown(alert)).map(|alert| view(&desk, &caller, alert)).collect();
    Ok(answer(AlertsView { alerts, next: next.clone(), damaged: found.damaged }, next.as_deref(), &uri))
}

async fn find(desk: &Desk, caller: &Caller, text: &str) -> Result<Arc<Alert>, ApiProblem> {
    let none = || told(&AlertsError::NoAlert, caller.language);
    let id = text.parse().map_err(|_| none())?;
    let alert = desk.alerts.get(id).await.map_err(|error| told(&error, caller.language))?;
    if sees(desk, caller, &alert) { Ok(alert) } else { Err(none()) }
}

/// An alert: why it concerns the home, what to do about it, who knows of it.
#[utoipa::path(get, path = "/api/v1/alerts/{alert}", tag = "alerts", responses((status = 200, body = AlertWhole)))]
pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    Path(alert): Path<String>,
) -> Result<Json<AlertWhole>, ApiProblem> {
    let alert = find(&desk, &caller, &alert).await?;
    Ok(Json(whole(&desk, &caller, &alert)))
}

/// In whose name somebody without a person of their own says something.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KnowQuery {
    /// At the console only: a person's id. Without it, the owner, if there is one only.
    person: Option<String>,
}

/// Who says so. Whoever holds the machine is nobody of the household by itself.
fn by(desk: &Desk, caller: &Caller, query: &KnowQuery) -> Result<PersonId, ApiProblem> {
    if let Some(person) = caller.who.person() {
        return Ok(person);
    }
    let unsaid = || ApiProblem::invalid("person: say in whose name, by a person's id");
    if !matches!(caller.who.subject, Subject::Console) {
        return Err(unsaid());
    }
    if let Some(text) = &query.person {
        let person = text.parse().ok().filter(|id| desk.people.get(*id).is_some());
        return person.ok_or_else(unsaid);
    }
    let people = desk.people.list();
    let owners: Vec<PersonId> =
        people.iter().filter(|person| person.role == Role::Owner).map(|person| person.id).collect();
    match owners.as_slice() {
        [one] => Ok(*one),
        _ => Err(unsaid()),
    }
}

async fn kept(desk: &Desk, caller: &Caller, kept: Result<Kept, AlertsError>) -> Result<Json<AlertWhole>, ApiProblem> {
    let outcome = match kept {
        Ok(kept) => kept.written().await,
        Err(error) => Err(error),
    };
    let alert = outcome.map_err(|error| told(&error, caller.language))?;
    Ok(Json(whole(desk, caller, &alert)))
}

/// Says "I know". Answered once it is on the disk; everybody hears of it before.
#[utoipa::path(post, path = "/api/v1/alerts/{alert}/acknowledge", tag = "alerts", params(KnowQuery), responses((status = 200, body = AlertWhole)))]
pub async fn acknowledge(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(alert): Path<String>,
    Query(query): Query<KnowQuery>,
) -> Result<Json<AlertWhole>, ApiProblem> {
    let alert = find(&desk, &caller, &alert).await?;
    let by = by(&desk, &caller, &query)?;
    note.change("alert", None, Some(title(&alert, caller.language)));
    kept(&desk, &caller, desk.alerts.acknowledge(alert.id, by)).await
}

fn title(alert: &Alert, language: Language) -> String {
    let text = alert.text(language.code());
    let title = text.map(|text| if text.headline.is_empty() { &text.event } else { &text.headline });
    title.map(|title| title.chars().take(100).collect()).unwrap_or_default()
}

/// Whether a step was done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepForm {
    /// `false` takes it back.
    pub done: bool,
}

/// Ticks a recommended step off.
#[utoipa::path(post, path = "/api/v1/alerts/{alert}/steps/{step}", tag = "alerts", params(KnowQuery), request_body = StepForm, responses((status = 200, body = AlertWhole)))]
pub async fn step(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path((alert, step)): Path<(String, String)>,
    Query(query): Query<KnowQuery>,
    Json(form): Json<StepForm>,
) -> Result<Json<AlertWhole>, ApiProblem> {
    let alert = find(&desk, &caller, &alert).await?;
    let by = by(&desk, &caller, &query)?;
    let outcome = desk.alerts.step_done(alert.id, &step, by, form.done);
    if outcome.is_ok() {
        note.change("step", None, Some(format!("{step}: {}", form.done)));
    }
    kept(&desk, &caller, outcome).await
}
