//! People: who they are and what they are here. What may be done with whom is asked at the door.

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::{Json, http::StatusCode};
use domovoi_config::Language;
use domovoi_model::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::contacts::ContactView;
use super::paging::{Paging, answer};
use super::{ApiProblem, Done, millis_of};
use crate::audit::Note;
use crate::people::{Edit, NewPerson, Person, Profile};
use crate::policy::{Decision, Kind, Object, Role, Subject, Verb, decide};
use crate::web::{Caller, Desk, Of, answers, problem};

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    pub id: String,
    pub name: String,
    /// `owner`, `adult`, `child`, `guest`, `service`
    pub role: &'static str,
    pub contacts: Vec<ContactView>,
    pub profile: ProfileView,
    /// A guest's last moment.
    pub until: Option<String>,
    /// Their devices are locked: a phone was lost.
    pub locked: bool,
    pub added_at: Option<String>,
}

/// Who a person is in the family.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileView {
    /// `ru` or `en`; without one, the home's.
    #[serde(default)]
    pub language: Option<String>,
    /// «мама», «дедушка».
    #[serde(default)]
    #[schema(max_length = 40)]
    pub relation: Option<String>,
    /// 0 to 11.
    #[serde(default)]
    #[schema(maximum = 11)]
    pub colour: u8,
    #[serde(default)]
    pub large_type: bool,
}

/// People, a page of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeopleView {
    pub people: Vec<PersonView>,
    pub next: Option<String>,
}

/// A new person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPersonForm {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// `owner`, `adult`, `child`, `guest`, `service`
    pub role: String,
    /// Phone numbers and e-mail addresses in any usual spelling.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub contacts: Vec<String>,
    #[serde(default)]
    pub profile: Option<ProfileView>,
    /// RFC 3339. A guest needs one.
    #[serde(default)]
    pub until: Option<String>,
}

/// What changes; what is not there stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditForm {
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    pub role: Option<String>,
    pub profile: Option<ProfileView>,
    /// RFC 3339; `null` takes the end away.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub until: Option<Option<String>>,
}

/// Tells a field that is `null` from one that is not there.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

impl From<&Profile> for ProfileView {
    fn from(profile: &Profile) -> Self {
        ProfileView {
            language: profile.language.map(|language| language.code().to_owned()),
            relation: profile.relation.clone(),
            colour: profile.colour,
            large_type: profile.large_type,
        }
    }
}

impl ProfileView {
    fn read(self) -> Result<Profile, ApiProblem> {
        let language = match self.language.as_deref() {
            None => None,
            Some("ru") => Some(Language::Russian),
            Some("en") => Some(Language::English),
            Some(other) => return Err(ApiProblem::invalid(format!("language «{}»: ru or en", shown(other)))),
        };
        if self.colour > 11 {
            return Err(ApiProblem::invalid("colour: 0 to 11"));
        }
        Ok(Profile { language, relation: self.relation, colour: self.colour, large_type: self.large_type })
    }
}

impl PersonView {
    pub fn of(desk: &Desk, person: &Person) -> Self {
        PersonView {
            id: person.id.to_string(),
            name: person.name.clone(),
            role: person.role.code(),
            contacts: person.contacts.iter().map(|contact| ContactView::of(desk, person.id, contact)).collect(),
            profile: (&person.profile).into(),
            until: person.until.map(|at| at.to_string()),
            locked: person.locked,
            added_at: person.added_at.map(|at| at.to_string()),
        }
    }
}

/// A stranger's word in a sentence of ours: short.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn role_of(text: &str) -> Result<Role, ApiProblem> {
    Role::from_code(text).ok_or_else(|| {
        let known = Role::ALL.map(Role::code).join(", ");
        ApiProblem::invalid(format!("there is no role «{}»: {known}", shown(text)))
    })
}

/// A moment as RFC 3339 spells it.
pub fn moment(what: &str, text: &str) -> Result<Timestamp, ApiProblem> {
    millis_of(text).ok_or_else(|| {
        ApiProblem::invalid(format!("{what} «{}»: expected a moment as 2026-12-31T18:00:00Z", shown(text)))
    })
}

fn one(desk: &Desk, of: Of) -> Result<Person, ApiProblem> {
    desk.people.get(of.0).ok_or_else(|| ApiProblem::not_found("there is no such person"))
}

/// Everybody, owners first.
#[utoipa::path(get, path = "/api/v1/people", tag = "people", params(Paging), responses((status = 200, body = PeopleView)))]
pub async fn list(State(desk): State<Desk>, Query(paging): Query<Paging>, uri: Uri) -> Result<Response, ApiProblem> {
    let (people, next) = paging.cut(desk.people.list(), |person| person.id.to_string())?;
    let people = people.iter().map(|person| PersonView::of(&desk, person)).collect();
    let body = PeopleView { people, next: next.clone() };
    Ok(answer(body, next.as_deref(), &uri))
}

/// Adds a person. They sign in once they were given a link (`entry-link`).
#[utoipa::path(post, path = "/api/v1/people", tag = "people", request_body = NewPersonForm, responses((status = 201, body = PersonView)))]
pub async fn add(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Json(form): Json<NewPersonForm>,
) -> Result<(StatusCode, Json<PersonView>), ApiProblem> {
    if form.contacts.len() > 10 {
        return Err(ApiProblem::invalid("contacts: at most 10"));
    }
    let role = role_of(&form.role)?;
    // A new person has a role, which is a right: who may only edit records may not make an owner.
    rights(&desk, &caller, &Object::all(Kind::Rights))?;
    let person = desk
        .people
        .add(NewPerson {
            name: form.name,
            role,
            contacts: form.contacts,
            profile: form.profile.map(ProfileView::read).transpose()?.unwrap_or_default(),
            until: form.until.as_deref().map(|text| moment("until", text)).transpose()?,
        })
        .await?;
    note.change("person", None, Some(person.id.to_string()));
    note.change("role", None, Some(person.role.code().to_owned()));
    note.personal(person.id, "name", None, Some(person.name.clone()));
    Ok((StatusCode::CREATED, Json(PersonView::of(&desk, &person))))
}

/// One person; `me` is the caller.
#[utoipa::path(get, path = "/api/v1/people/{person}", tag = "people", responses((status = 200, body = PersonView)))]
pub async fn show(State(desk): State<Desk>, of: Of) -> Result<Json<PersonView>, ApiProblem> {
    Ok(Json(PersonView::of(&desk, &one(&desk, of)?)))
}

fn rights(desk: &Desk, caller: &Caller, object: &Object) -> Result<(), ApiProblem> {
    match decide(&caller.who, Verb::Edit, &object.clone().dangerous(), desk.now()) {
        Decision::Allow => Ok(()),
        Decision::Refuse(refusal) => Err(problem(&refusal, caller.language)),
    }
}

/// Changes a person. Needs `If-Match`; a change of role or of a guest's time needs the right to that as well.
#[utoipa::path(patch, path = "/api/v1/people/{person}", tag = "people", request_body = EditForm, responses((status = 200, body = PersonView)))]
pub async fn edit(
    State(desk): State<Desk>,
    caller: Caller,
    of: Of,
    headers: HeaderMap,
    Extension(note): Extension<Note>,
    Json(form): Json<EditForm>,
) -> Result<Json<PersonView>, ApiProblem> {
    let before = one(&desk, of)?;
    let document = serde_json::to_vec(&PersonView::of(&desk, &before)).unwrap_or_default();
    answers::still(&headers, &document)?;
    if form.role.is_some() || form.until.is_some() {
        let owner_role = Some(before.role);
        rights(&desk, &caller, &Object { owner_role, ..Object::of(Kind::Rights, before.id) })?;
    }
    let edit = Edit {
        name: form.name,
        role: form.role.as_deref().map(role_of).transpose()?,
        profile: form.profile.map(ProfileView::read).transpose()?,
        until: match form.until {
            None => None,
            Some(None) => Some(None),
            Some(Some(text)) => Some(Some(moment("until", &text)?)),
        },
        locked: None,
    };
    let after = desk.people.edit(before.id, edit).await?;
    changes(&note, &before, &after);
    Ok(Json(PersonView::of(&desk, &after)))
}

fn changes(note: &Note, before: &Person, after: &Person) {
    if before.name != after.name {
        note.personal(after.id, "name", Some(before.name.clone()), Some(after.name.clone()));
    }
    if before.role != after.role {
        note.change("role", Some(before.role.code().to_owned()), Some(after.role.code().to_owned()));
    }
    if before.until != after.until {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        note.change("until", text(before.until), text(after.until));
    }
    if before.profile != after.profile {
        let text = |profile: &Profile| serde_json::to_string(&ProfileView::from(profile)).ok();
        note.personal(after.id, "profile", text(&before.profile), text(&after.profile));
    }
    if before.locked != after.locked {
        note.change("locked", Some(before.locked.to_string()), Some(after.locked.to_string()));
    }
}

/// Erases a person: record, contacts, factors, sessions, tokens, consents, and what the journal says of them. For good.
#[utoipa::path(delete, path = "/api/v1/people/{person}", tag = "people", responses((status = 200, body = Done)))]
pub async fn erase(State(desk): State<Desk>, caller: Caller, of: Of) -> Result<Json<Done>, ApiProblem> {
    desk.people.erase(of.0, caller.actor()).await?;
    Ok(Done::json())
}

/// Everything that the hub keeps about a person, for the person.
#[utoipa::path(get, path = "/api/v1/people/{person}/export", tag = "people", responses((status = 200, body = Object)))]
pub async fn export(State(desk): State<Desk>, of: Of) -> Result<Json<serde_json::Value>, ApiProblem> {
    Ok(Json(desk.people.export(of.0).await?))
}

/// Locks a person's devices: a phone was lost. Every session and token is worth nothing until it is undone.
#[utoipa::path(put, path = "/api/v1/people/{person}/lock", tag = "people", responses((status = 200, body = PersonView)))]
pub async fn lock(
    State(desk): State<Desk>,
    of: Of,
    Extension(note): Extension<Note>,
) -> Result<Json<PersonView>, ApiProblem> {
    set_lock(&desk, of, &note, true).await
}

/// Takes the lock off. Who was locked signs in anew.
#[utoipa::path(delete, path = "/api/v1/people/{person}/lock", tag = "people", responses((status = 200, body = PersonView)))]
pub async fn unlock(
    State(desk): State<Desk>,
    of: Of,
    Extension(note): Extension<Note>,
) -> Result<Json<PersonView>, ApiProblem> {
    set_lock(&desk, of, &note, false).await
}

async fn set_lock(desk: &Desk, of: Of, note: &Note, locked: bool) -> Result<Json<PersonView>, ApiProblem> {
    let before = one(desk, of)?;
    let after = desk.people.edit(before.id, Edit { locked: Some(locked), ..Edit::default() }).await?;
    changes(note, &before, &after);
    Ok(Json(PersonView::of(desk, &after)))
}

/// A one-time link.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// Opens the page on which the person signs in and chooses factors. The secret stands behind `#` and reaches no log.
    pub link: String,
    /// How long it counts.
    pub minutes: u32,
}

/// A one-time link with which a person chooses factors anew: an invitation (a day), or from the console a recovery (ten
/// minutes).
#[utoipa::path(post, path = "/api/v1/people/{person}/entry-link", tag = "people", responses((status = 200, body = LinkView)))]
pub async fn entry_link(State(desk): State<Desk>, caller: Caller, of: Of) -> Result<Json<LinkView>, ApiProblem> {
    let invited = caller.who.subject != Subject::Console;
    let token = desk.signin.entry_token(of.0, invited).await?;
    let origin = desk.front.origins.first().map(String::as_str).unwrap_or_default();
    let link = format!("{origin}/entry#{}", token.expose());
    Ok(Json(LinkView { link, minutes: if invited { 1440 } else { 10 } }))
}
