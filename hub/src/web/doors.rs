//! The only way a route comes into being: a path, a rule, a handler. The rule is asked before the handler runs, and what
//! changes something is written in the journal after it, so that neither can be forgotten. A test walks the list.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use domovoi_config::Language;
use domovoi_model::{Id, PersonId};

use super::{ApiProblem, Caller, Desk, answers, api, refused};
use crate::audit::{Change, Entry, Note, Outcome};
use crate::policy::{Decision, Grant, Kind, Object, Refusal, Verb, decide};

/// What a door asks the policy, and how its use is called in the journal.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The verb.
    pub verb: Verb,
    /// The kind of thing.
    pub kind: Kind,
    /// The path parameter that says which one.
    pub which: Option<&'static str>,
    /// Whose it is.
    pub whose: Whose,
    /// A factor has to have been shown lately.
    pub dangerous: bool,
    /// The deed's code; doors that change nothing have none.
    pub deed: Option<&'static str>,
    /// The room writes the deed itself, because it alone knows what came of it; the door writes refusals only.
    pub told_by_room: bool,
    /// Which capability is meant stands in the request, and the handler asks about it: whoever has a right, or lacks one,
    /// for a single capability is not turned away at the door for the others.
    pub within: bool,
}

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The home's.
    Home,
    /// The caller's own.
    Mine,
    /// The person's in this path parameter; `me` is the caller.
    Of(&'static str),
}

/// A rule about a whole kind.
pub const fn rule(verb: Verb, kind: Kind) -> Rule {
    Rule {
        verb,
        kind,
        which: None,
        whose: Whose::Home,
        dangerous: false,
        deed: None,
        told_by_room: false,
        within: false,
    }
}

impl Rule {
    /// About the one that a path parameter names.
    pub const fn which(self, param: &'static str) -> Self {
        Rule { which: Some(param), ..self }
    }

    /// About the caller's own.
    pub const fn mine(self) -> Self {
        Rule { whose: Whose::Mine, ..self }
    }

    /// About something of the person that a path parameter names.
    pub const fn of(self, param: &'static str) -> Self {
        Rule { whose: Whose::Of(param), ..self }
    }

    /// A factor has to have been shown lately.
    pub const fn dangerous(self) -> Self {
        Rule { dangerous: true, ..self }
    }

    /// Written in the journal under this code.
    pub const fn deed(self, deed: &'static str) -> Self {
        Rule { deed: Some(deed), ..self }
    }

    /// Written in the journal under this code, by the room.
    pub const fn told(self, deed: &'static str) -> Self {
        Rule { deed: Some(deed), told_by_room: true, ..self }
    }

    /// The handler asks about the capability that is meant.
    pub const fn within(self) -> Self {
        Rule { within: true, ..self }
    }

    /// Whether what speaks against may be another for the capability that is meant.
    fn may_be_finer(&self, caller: &Caller, refusal: &Refusal) -> bool {
        let of_one =
            |grant: &Grant| grant.kind == self.kind && grant.verbs.contains(&self.verb) && grant.capability.is_some();
        let by_grant = matches!(refusal, Refusal::Role | Refusal::Denied | Refusal::Hours(_) | Refusal::HomeOnly);
        self.within && by_grant && caller.who.grants.iter().any(of_one)
    }

    /// The object that a caller means, and the person in the path, if there is one like that.
    fn object(
        &self,
        desk: &Desk,
        caller: &Caller,
        param: impl Fn(&str) -> Option<String>,
    ) -> (Object, Option<PersonId>) {
        let id = self.which.and_then(&param);
        let object = Object { id, dangerous: self.dangerous, ..Object::all(self.kind) };
        let (owner, person) = match self.whose {
            Whose::Home => return (object, None),
            Whose::Mine => (caller.who.person(), caller.who.person()),
            Whose::Of(name) => {
                let person = param(name).and_then(|text| person_in(&text, caller));
                let known = person.filter(|id| desk.people.get(*id).is_some());
                // Somebody who is not there is asked about like another person: only who may know that hears «not found».
                (Some(known.unwrap_or(STRANGER)), known)
            }
        };
        let owner_role = owner.and_then(|id| desk.people.get(id)).map(|person| person.role);
        (Object { owner, owner_role, ..object }, person)
    }
}

/// No person has it: ids of people are random.
const STRANGER: PersonId = PersonId(Id([0; 16]));

/// The person that a path names; `me` is the caller.
pub fn person_in(text: &str, caller: &Caller) -> Option<PersonId> {
    if text == "me" { caller.who.person() } else { text.parse().ok() }
}

/// The person whom a door is about: the one in its path, or the caller. The door has looked whether there is one.
#[derive(Debug, Clone, Copy)]
pub struct Of(pub PersonId);

impl<S: Send + Sync> FromRequestParts<S> for Of {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiProblem> {
        let language = parts.extensions.get::<Caller>().map_or(Language::Russian, |caller| caller.language);
        parts.extensions.get::<Of>().copied().ok_or_else(|| refused::no_such_person(language))
    }
}

/// A door, as the tests and the API's description see it.
#[derive(Debug, Clone)]
pub struct Door {
    /// The method.
    pub method: Method,
    /// The path, with its parameters.
    pub path: &'static str,
    /// The rule.
    pub rule: Rule,
}

/// Doors, collected.
pub struct Doors {
    desk: Desk,
    max_body: usize,
    router: Router<Desk>,
    list: Vec<Door>,
}

impl Doors {
    /// None yet. Bodies above `max_body` bytes are refused.
    pub fn new(desk: &Desk, max_body: usize) -> Self {
        Doors { desk: desk.clone(), max_body, router: Router::new(), list: Vec::new() }
    }

    /// The doors that follow take bodies up to this.
    pub fn with_limit(self, max_body: usize) -> Self {
        Doors { max_body, ..self }
    }

    /// Adds a door.
    pub fn door<H, T>(mut self, method: &Method, path: &'static str, rule: Rule, handler: H) -> Self
    where
        H: Handler<T, Desk>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let guarded = on(filter, handler)
            .route_layer(from_fn_with_state((self.desk.clone(), Arc::new(rule)), guard))
            .layer(DefaultBodyLimit::max(self.max_body));
        self.router = self.router.route(path, guarded);
        self.list.push(Door { method: method.clone(), path, rule });
        self
    }

    /// The same doors, with something around them all: the page around what a page's door answers.
    pub fn dressed(self, dress: impl FnOnce(Router<Desk>) -> Router<Desk>) -> Self {
        Doors { router: dress(self.router), ..self }
    }

    /// All of another collection.
    pub fn and(mut self, other: Doors) -> Self {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self
    }

    /// Every door.
    pub fn list(&self) -> &[Door] {
        &self.list
    }

    /// The router.
    pub fn into_router(self) -> Router<Desk> {
        self.router
    }
}

/// The own id of what a path names. A meter answers to its name and its serial number too, a reading to its row, an act
/// to its month; a right is about the thing and not about one of its spellings, or what was taken away under one of them
/// would be there under another. What cannot be found keeps its spelling, and the handler says so.
async fn own_id(desk: &Desk, rule: &Rule, text: String) -> String {
    let found = match (rule.kind, rule.which) {
        (Kind::Meter, Some("row")) => match text.parse() {
            Ok(row) => desk.metering.point_of(row).await.ok().map(|point| point.to_string()),
            Err(_) => None,
        },
        (Kind::Meter, _) => desk.metering.register().find(&text).ok().map(|point| point.id.to_string()),
        (Kind::Device, _) => desk.devices.find(&text).map(|device| device.to_string()),
        (Kind::Room, _) => desk.devices.find_room(&text).map(|room| room.id.to_string()),
        (Kind::Camera | Kind::Recording, _) => desk.cameras.find(&text).map(|camera| camera.to_string()),
        (Kind::Act, _) => api::act_named(desk, &text).await.ok().map(|act| act.id.to_string()),
        _ => None,
    };
    found.unwrap_or(text)
}

/// Asks the policy, runs the handler, writes the journal.
async fn guard(
    State((desk, rule)): State<(Desk, Arc<Rule>)>,
    caller: Caller,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let param = |name: &str| params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    let (mut object, person) = rule.object(&desk, &caller, param);
    if let Some(text) = object.id.take() {
        object.id = Some(own_id(&desk, &rule, text).await);
    }
    if object.kind == Kind::Device {
        object.room = object.id.as_deref().and_then(|id| desk.devices.room_of(id)).map(|room| room.to_string());
    }
    if let (Kind::Camera | Kind::Recording, Some(Ok(id))) = (object.kind, object.id.as_deref().map(str::parse)) {
        object.room = desk.cameras.object(id).room;
    }
    // Whose it is says more than an opaque id; the id stands beside it then.
    let owned = matches!(rule.whose, Whose::Of(_)).then_some(person).flatten();
    let described = (object.kind.code().to_owned(), owned.map(|id| id.to_string()).or_else(|| object.id.clone()));
    let (actor, origin, id) = (caller.actor(), caller.origin.clone(), object.id.clone().filter(|_| owned.is_some()));
    let deed = rule.deed;
    let entry = move |outcome: Outcome, note: &Note| {
        let mut changes = note.take();
        if let Some(id) = &id {
            changes.insert(0, Change { field: "id".to_owned(), before: None, after: Some(id.clone()), of: None });
        }
        Entry {
            actor: actor.clone(),
            origin: origin.clone(),
            deed: deed.unwrap_or("seen").to_owned(),
            object: Some(described.clone()),
            outcome,
            changes,
        }
    };
    let note = Note::default();
    if let Decision::Refuse(refusal) = decide(&caller.who, rule.verb, &object, desk.now())
        && !rule.may_be_finer(&caller, &refusal)
    {
        // A stranger who is sent to the sign-in page has been refused nothing worth remembering.
        if rule.deed.is_some() || caller.who.person().is_some() {
            desk.journal.note(entry(Outcome::Refused(refusal.code().to_owned()), &note)).await;
        }
        let asked = answers::Asked::of(&request, &caller);
        return answers::finished(refused::answer(&refusal, &request, &caller), asked).await;
    }
    if matches!(rule.whose, Whose::Of(_)) && person.is_none() {
        return refused::no_such_person(caller.language).into_response();
    }
    if let Some(person) = person {
        request.extensions_mut().insert(Of(person));
    }
    request.extensions_mut().insert(note.clone());
    let asked = answers::Asked::of(&request, &caller);
    if deed.is_none() {
        return answers::finished(next.run(request).await, asked).await;
    }
    // On a task of its own: whoever hangs up in the middle must not leave a deed that was done and not written down.
    let doing = tokio::spawn(async move {
        let response = next.run(request).await;
        if !rule.told_by_room {
            let status = response.status();
            let outcome = if status.is_success() || status.is_redirection() {
                Outcome::Done
            } else {
                Outcome::Failed(status.as_u16().to_string())
            };
            desk.journal.note(entry(outcome, &note)).await;
        }
        response
    });
    match doing.await {
        Ok(response) => answers::finished(response, asked).await,
        Err(error) => {
            tracing::error!("a request's handler died: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
