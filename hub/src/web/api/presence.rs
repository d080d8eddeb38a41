//! Who is at home: how everybody stands, what somebody says of themselves, by what somebody is seen, secret addresses. Who may
//! know of whom is asked person by person.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{Method, StatusCode};
use domovoi_config::Language;
use domovoi_model::{DeviceRef, Id, PersonId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done, MAX_BODY};
use crate::audit::Note;
use crate::policy::{Kind, Object, Verb, decide};
use crate::presence::{By, Hand, Meaning, PresenceError, PresenceView, Seen, Tracker};
use crate::web::{Caller, Desk, Doors, Of, Rule, rule};
use crate::words::words;

/// The doors of presence.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::{Home, Presence};
    use Verb::{Command, Edit, See};
    const fn of(verb: Verb) -> Rule {
        rule(verb, Presence).of("person")
    }
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        // Whom the caller may not know of is left out.
        .door(get, "/api/v1/presence", rule(See, Home), list)
        .door(get, "/api/v1/people/{person}/presence", of(See), show)
        .door(put, "/api/v1/people/{person}/presence", of(Command).deed("presence.said"), say)
        .door(put, "/api/v1/people/{person}/presence/trackers", of(Edit).deed("presence.trackers-set"), track)
        .door(get, "/api/v1/people/{person}/presence/links", of(Edit), links)
        // Whoever has the address says for the person whether they are at home.
        .door(
            post,
            "/api/v1/people/{person}/presence/links",
            of(Edit).dangerous().deed("presence-link.made"),
            make_link,
        )
        .door(
            delete,
            "/api/v1/people/{person}/presence/links/{link}",
            of(Edit).which("link").deed("presence-link.revoked"),
            revoke_link,
        )
}

/// A problem of presence, in the caller's language.
pub fn told(error: PresenceError, language: Language) -> ApiProblem {
    let text = sentence(&error, language);
    match error {
        PresenceError::NoLink => ApiProblem::not_found(text),
        PresenceError::Invalid(field) => ApiProblem::invalid(format!("{field}: {text}")),
        PresenceError::Full(_) => ApiProblem::refused(text),
        PresenceError::Store(error) => error.into(),
    }
}

/// The same, as a sentence.
pub fn sentence(error: &PresenceError, language: Language) -> String {
    let words = words(language);
    match error {
        PresenceError::NoLink => words.say("presence-no-link", &[]),
        PresenceError::Invalid(field) => words.say(&format!("presence-wrong-{}", field.replace('_', "-")), &[]),
        PresenceError::Full(what) => words.say(&format!("presence-full-{what}"), &[]),
        PresenceError::Store(error) => error.to_string(),
    }
}

/// Everybody of whom the caller may know.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresenceList {
    pub people: Vec<PresenceAnswer>,
    /// Whether anybody is at home; `null`: nobody can say, or the caller may not know of everybody.
    pub anybody: Option<bool>,
}

/// How somebody stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresenceAnswer {
    pub person: String,
    pub name: String,
    /// `null`: nobody can say.
    pub home: Option<bool>,
    pub since: Option<String>,
    /// `nothing`, `tracker`, `hand`, `link`, `silence`
    pub why: &'static str,
    /// It stands as before the last restart; nothing was heard since.
    pub last_known: bool,
    /// What was said by hand still counts.
    pub said: Option<bool>,
    /// After so many seconds it will stand otherwise, unless something is heard.
    pub turning_in_seconds: Option<u64>,
    pub trackers: Vec<TrackerForm>,
    /// The person's own quiet time; `null`: as the settings have it.
    pub quiet_minutes: Option<u32>,
    /// In words.
    pub words: String,
}

impl PresenceAnswer {
    pub fn of(desk: &Desk, view: &PresenceView, language: Language) -> Self {
        let name = desk.people.get(view.person).map(|person| person.name).unwrap_or_default();
        PresenceAnswer {
            person: view.person.to_string(),
            name,
            home: view.home,
            since: view.since.map(|at| at.to_string()),
            why: view.why.code(),
            last_known: view.last_known,
            said: view.hand.map(|hand| hand.home),
            turning_in_seconds: view.turning.map(|(_, left)| left.as_secs()),
            trackers: view.seen.iter().map(TrackerForm::of).collect(),
            quiet_minutes: view.quiet_minutes,
            words: in_words(view, language),
        }
    }
}

/// «Дома: видит телефон».
pub fn in_words(view: &PresenceView, language: Language) -> String {
    let words = words(language);
    let stands = match view.home {
        Some(true) => "presence-home",
        Some(false) => "presence-away",
        None => "presence-unknown",
    };
    let why =
        if view.last_known { "presence-last-known".to_owned() } else { format!("presence-why-{}", view.why.code()) };
    words.say("presence-words", &[("stands", &words.say(stands, &[])), ("why", &words.say(&why, &[]))])
}

/// A property of a device by which somebody is seen. One of `is`, `below`, `above`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackerForm {
    /// `dialect:id`, or a name that only one device has.
    #[schema(min_length = 1, max_length = 256)]
    pub device: String,
    #[schema(min_length = 1, max_length = 256)]
    pub property: String,
    /// Words that mean «home»; any other means «away».
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub is: Vec<String>,
    /// A number below this means «home», like `"150"` metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// A number above this does, like `"-80"` dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
}

impl TrackerForm {
    fn of(seen: &Seen) -> Self {
        let mut form = TrackerForm {
            device: seen.tracker.device.to_string(),
            property: seen.tracker.property.clone(),
            is: Vec::new(),
            below: None,
            above: None,
        };
        match &seen.tracker.home {
            Meaning::Is(words) => form.is.clone_from(words),
            Meaning::Below(most) => form.below = Some(most.to_string()),
            Meaning::Above(least) => form.above = Some(least.to_string()),
        }
        form
    }

    /// As the room takes it. `device`: the one that is meant.
    pub fn tracker(self, device: DeviceRef) -> Result<Tracker, PresenceError> {
        let number = |text: &str| text.trim().replace(',', ".").parse::<Decimal>();
        let home = match (&self.below, &self.above, self.is.is_empty()) {
            (Some(most), None, true) => Meaning::Below(number(most).map_err(|_| PresenceError::Invalid("below"))?),
            (None, Some(least), true) => Meaning::Above(number(least).map_err(|_| PresenceError::Invalid("above"))?),
            (None, None, _) => Meaning::Is(self.is),
            _ => return Err(PresenceError::Invalid("is")),
        };
        Ok(Tracker { device, property: self.property, home })
    }
}

/// By what somebody is to be seen, as a whole.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackersForm {
    #[schema(max_items = 8)]
    pub trackers: Vec<TrackerForm>,
    /// 1 to 720; as the settings have it, if nothing is said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 720)]
    pub quiet_minutes: Option<u32>,
}

/// What somebody says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SayForm {
    /// `null`: what was said counts no longer.
    #[schema(required = true)]
    pub home: Option<bool>,
}

/// A new secret address.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceLinkForm {
    /// What it is for.
    #[schema(min_length = 1, max_length = 64)]
    pub label: String,
}

/// A secret address, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresenceLinkAnswer {
    pub link: String,
    pub label: String,
    pub made_at: Option<String>,
    /// The day on which it was last used.
    pub used_on: Option<String>,
    /// `POST` to it followed by `/home` or `/away`. Told once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Somebody's secret addresses.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresenceLinks {
    pub links: Vec<PresenceLinkAnswer>,
}

/// What the policy is asked about.
pub fn object(desk: &Desk, person: PersonId) -> Object {
    let role = desk.people.get(person).map(|person| person.role);
    Object { owner_role: role, ..Object::of(Kind::Presence, person) }
}

/// Everybody of the household and how they stand, of whom the caller may know.
#[utoipa::path(get, path = "/api/v1/presence", tag = "presence", responses((status = 200, body = PresenceList)))]
pub async fn list(State(desk): State<Desk>, caller: Caller) -> Json<PresenceList> {
    let now = desk.now();
    let may = |person: PersonId| decide(&caller.who, Verb::See, &object(&desk, person), now).is_allowed();
    let all = desk.presence.list();
    let people: Vec<PresenceAnswer> = all
        .iter()
        .filter(|view| may(view.person))
        .map(|view| PresenceAnswer::of(&desk, view, caller.language))
        .collect();
    // That nobody is there tells of everybody.
    let of_all = decide(&caller.who, Verb::See, &Object::all(Kind::Presence), now).is_allowed();
    Json(PresenceList { people, anybody: desk.presence.anybody().filter(|_| of_all) })
}

/// How somebody stands.
#[utoipa::path(get, path = "/api/v1/people/{person}/presence", tag = "presence", responses((status = 200, body = PresenceAnswer)))]
pub async fn show(State(desk): State<Desk>, caller: Caller, Of(person): Of) -> Json<PresenceAnswer> {
    Json(PresenceAnswer::of(&desk, &desk.presence.of(person), caller.language))
}

/// Somebody is at home, or has left, because they say so. It counts until a device that sees them says something else than
/// it said then.
#[utoipa::path(put, path = "/api/v1/people/{person}/presence", tag = "presence", request_body = SayForm, responses((status = 200, body = PresenceAnswer)))]
pub async fn say(
    State(desk): State<Desk>,
    caller: Caller,
    Of(person): Of,
    Extension(note): Extension<Note>,
    Json(form): Json<SayForm>,
) -> Result<Json<PresenceAnswer>, ApiProblem> {
    let by = By::Person(caller.who.person());
    let said = desk.presence.say(person, form.home.map(|home| Hand { home, by })).await;
    let view = said.map_err(|error| told(error, caller.language))?;
    note.change("home", None, form.home.map(|home| home.to_string()));
    Ok(Json(PresenceAnswer::of(&desk, &view, caller.language)))
}

/// By what somebody is seen from now on, and how long «quiet» is for them.
#[utoipa::path(put, path = "/api/v1/people/{person}/presence/trackers", tag = "presence", request_body = TrackersForm, responses((status = 200, body = PresenceAnswer)))]
pub async fn track(
    State(desk): State<Desk>,
    caller: Caller,
    Of(person): Of,
    Extension(note): Extension<Note>,
    Json(form): Json<TrackersForm>,
) -> Result<Json<PresenceAnswer>, ApiProblem> {
    let mut trackers = Vec::new();
    for one in form.trackers {
        trackers.push(tracker_of(&desk, &caller, one)?);
    }
    let count = trackers.len();
    let tracked = desk.presence.track(person, trackers, form.quiet_minutes).await;
    let view = tracked.map_err(|error| told(error, caller.language))?;
    note.change("trackers", None, Some(count.to_string()));
    Ok(Json(PresenceAnswer::of(&desk, &view, caller.language)))
}

/// The tracker that a form means. A device that the caller may not see cannot be made to tell through the back door.
pub fn tracker_of(desk: &Desk, caller: &Caller, form: TrackerForm) -> Result<Tracker, ApiProblem> {
    let nowhere =
        || ApiProblem::invalid(format!("device: {}", words(caller.language).say("presence-wrong-device", &[])));
    let device = desk.devices.find(&form.device).ok_or_else(nowhere)?;
    let object = desk.devices.object(&device, Some(&form.property));
    if !decide(&caller.who, Verb::See, &object, desk.now()).is_allowed() {
        return Err(nowhere());
    }
    form.tracker(device).map_err(|error| told(error, caller.language))
}

/// Somebody's secret addresses, without their secrets.
#[utoipa::path(get, path = "/api/v1/people/{person}/presence/links", tag = "presence", responses((status = 200, body = PresenceLinks)))]
pub async fn links(State(desk): State<Desk>, Of(person): Of) -> Json<PresenceLinks> {
    let links = desk.presence.links(person);
    let links = links.into_iter().map(|link| PresenceLinkAnswer {
        link: link.id.to_string(),
        label: link.label,
        made_at: link.made_at.map(|at| at.to_string()),
        used_on: link.used_on.map(|at| at.to_string()),
        address: None,
    });
    Json(PresenceLinks { links: links.collect() })
}

/// Makes a secret address by which a phone says that its owner came or left.
#[utoipa::path(post, path = "/api/v1/people/{person}/presence/links", tag = "presence", request_body = PresenceLinkForm, responses((status = 201, body = PresenceLinkAnswer)))]
pub async fn make_link(
    State(desk): State<Desk>,
    caller: Caller,
    Of(person): Of,
    Extension(note): Extension<Note>,
    Json(form): Json<PresenceLinkForm>,
) -> Result<(StatusCode, Json<PresenceLinkAnswer>), ApiProblem> {
    let made = desk.presence.make_link(person, &form.label).await;
    let (link, secret) = made.map_err(|error| told(error, caller.language))?;
    note.change("name", None, Some(link.label.clone()));
    let answer = PresenceLinkAnswer {
        link: link.id.to_string(),
        label: link.label,
        made_at: link.made_at.map(|at| at.to_string()),
        used_on: None,
        address: Some(address(&desk, secret.expose())),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Where a phone sends `/home` and `/away`.
pub fn address(desk: &Desk, secret: &str) -> String {
    let origin = desk.front.origins.first().map(String::as_str).unwrap_or_default();
    format!("{origin}/hooks/presence/{secret}")
}

/// Takes a secret address away.
#[utoipa::path(delete, path = "/api/v1/people/{person}/presence/links/{link}", tag = "presence", responses((status = 200, body = Done)))]
pub async fn revoke_link(
    State(desk): State<Desk>,
    caller: Caller,
    Of(person): Of,
    Path((_, link)): Path<(String, String)>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let id: Id = link.parse().map_err(|_| told(PresenceError::NoLink, caller.language))?;
    let gone = desk.presence.revoke_link(person, id).await.map_err(|error| told(error, caller.language))?;
    note.change("name", Some(gone.label), None);
    Ok(Done::json())
}
