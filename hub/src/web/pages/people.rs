//! The people of the home as a list, and the form that adds one.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use domovoi_model::{Date, Timestamp};

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, said, shown, words_of, wrong};
use crate::audit::Note;
use crate::people::{NewPerson, People, PeopleError, Person, Profile};
use crate::policy::{Kind, Object, Refusal, Role, Verb};
use crate::web::Desk;

/// A person as the list shows them.
struct Card {
    id: String,
    name: String,
    initial: String,
    role: String,
    relation: Option<String>,
    until: Option<Timestamp>,
    over: bool,
    locked: bool,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    v: View,
    people: Vec<Card>,
    adds: bool,
}

#[derive(Template)]
#[template(path = "person-new.html")]
struct NewPage {
    v: View,
    trouble: Trouble,
    name: String,
    contact: String,
    relation: String,
    role: String,
    until: String,
    roles: Vec<(&'static str, String)>,
}

/// The first letter of a name, for its circle.
pub fn initial(name: &str) -> String {
    name.chars()
        .find(|letter| letter.is_alphanumeric())
        .map(|letter| letter.to_uppercase().collect())
        .unwrap_or_default()
}

/// Roles to choose from, in words.
pub fn roles(view: &View) -> Vec<(&'static str, String)> {
    Role::ALL.into_iter().map(|role| (role.code(), words_of::role(view, role))).collect()
}

/// The end of a day that a form names; empty is none.
pub fn last_moment(view: &View, typed: &str) -> Result<Option<Timestamp>, ()> {
    if typed.is_empty() {
        return Ok(None);
    }
    let day: Date = typed.parse().map_err(|_| ())?;
    said::end_of_day(day, view.zone()).map(Some).ok_or(())
}

pub async fn list(State(desk): State<Desk>, view: View) -> Response {
    let card = |person: Person| Card {
        id: person.id.to_string(),
        initial: initial(&person.name),
        role: words_of::role(&view, person.role),
        over: People::is_over(&person, view.now),
        name: person.name,
        relation: person.profile.relation,
        until: person.until,
        locked: person.locked,
    };
    let people = desk.people.list().into_iter().map(card).collect();
    let adds = view.may(Verb::Edit, &Object::all(Kind::Person));
    shown(&PeoplePage { v: view, people, adds })
}

pub async fn new(view: View) -> Response {
    let roles = roles(&view);
    let role = Role::Adult.code().to_owned();
    let (name, contact, relation, until) = (String::new(), String::new(), String::new(), String::new());
    shown(&NewPage { v: view, trouble: Trouble::default(), name, contact, relation, role, until, roles })
}

pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let role = Role::from_code(form.text("role")).ok_or(Fault::BadForm)?;
    // A new person has a role, which is a right: who may only edit records may not make an owner.
    if !view.may(Verb::Edit, &Object::all(Kind::Rights)) {
        return Err(Fault::Refused(Refusal::Role));
    }
    let mut trouble = Trouble::default();
    if !form.is("name") {
        trouble.add("name", view.t("page-setup-name-missing"));
    }
    let until = match last_moment(&view, form.text("until")) {
        Ok(None) if role == Role::Guest => {
            trouble.add("until", view.t("page-person-until-missing"));
            None
        }
        // Only a guest's stay ends by itself in this form: a day left over from another choice means nothing.
        Ok(until) => until.filter(|_| role == Role::Guest),
        Err(()) => {
            trouble.add("until", view.t("page-date-wrong"));
            None
        }
    };
    if !trouble.any() {
        let new = NewPerson {
            name: form.text("name").to_owned(),
            role,
            contacts: form.is("contact").then(|| form.text("contact").to_owned()).into_iter().collect(),
            profile: Profile {
                relation: form.is("relation").then(|| form.text("relation").to_owned()),
                ..Profile::default()
            },
            until,
        };
        match desk.people.add(new).await {
            Ok(person) => {
                note.personal(person.id, "name", None, Some(person.name.clone()));
                note.change("role", None, Some(role.code().to_owned()));
                return Ok(go(&format!("/people/{}", person.id)));
            }
            Err(PeopleError::Invalid(words) | PeopleError::Refused(words)) => {
                trouble.add("name", view.t1("page-setup-not-taken", "why", words));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let roles = roles(&view);
    let text = |name: &str| form.text(name).to_owned();
    Ok(wrong(&NewPage {
        trouble,
        name: text("name"),
        contact: text("contact"),
        relation: text("relation"),
        role: text("role"),
        until: text("until"),
        roles,
        v: view,
    }))
}
