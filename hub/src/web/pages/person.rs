//! One person: who they are, how they are reached, what they may, what they agreed to; and their end in this house. Each
//! form does one thing and comes back to this page.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domovoi_config::Language;
use domovoi_model::{PersonId, Timestamp};

use super::form::Form;
use super::people::{initial, last_moment, roles};
use super::refusal::Fault;
use super::rights::{self, Given, Group};
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, words_of, wrong};
use crate::audit::Note;
use crate::people::{Consent, Contact, ContactKind, Edit, People, PeopleError, Person, Profile};
use crate::policy::{Kind, Object, Role, Verb};
use crate::signin::SignInError;
use crate::web::{Caller, Desk, person_in};

/// What a contact's line says.
struct ContactLine {
    value: String,
    confirmed: bool,
    name: bool,
    reached: bool,
}

struct ConsentLine {
    id: String,
    purpose: String,
    recipient: String,
    what: String,
    text: String,
    given_at: Option<Timestamp>,
    withdrawn_at: Option<Timestamp>,
    stands: bool,
}

/// What the one who looks may do on this page.
struct May {
    edit: bool,
    rights: bool,
    delegate: bool,
    invite: bool,
    lock: bool,
    export: bool,
    consent: bool,
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    v: View,
    trouble: Trouble,
    id: String,
    own: bool,
    person: Person,
    initial: String,
    role: String,
    over: bool,
    contacts: Vec<ContactLine>,
    asked: Option<String>,
    groups: Vec<Group>,
    given: Vec<Given>,
    handed: Vec<Given>,
    others: Vec<(String, String)>,
    kinds: Vec<(&'static str, String)>,
    delegable: Vec<(&'static str, String)>,
    verbs: Vec<(&'static str, String)>,
    roles: Vec<(&'static str, String)>,
    consents: Vec<ConsentLine>,
    may: May,
    until: String,
    link: Option<String>,
}

impl PersonPage {
    fn speaks(&self, code: &str) -> bool {
        self.person.profile.language.is_some_and(|language| language.code() == code)
    }

    fn has_role(&self, code: &str) -> bool {
        self.person.role.code() == code
    }
}

#[derive(Template)]
#[template(path = "person-erase.html")]
struct ErasePage {
    v: View,
    trouble: Trouble,
    id: String,
    name: String,
    own: bool,
}

/// The person that a path names.
pub fn whose(desk: &Desk, caller: &Caller, text: &str) -> Result<Person, Fault> {
    person_in(text, caller).and_then(|id| desk.people.get(id)).ok_or(Fault::NotFound)
}

async fn person_page(desk: &Desk, view: View, person: Person) -> Result<PersonPage, Fault> {
    let id = person.id;
    let about = |kind: Kind| Object { owner_role: Some(person.role), ..Object::of(kind, id) };
    let may = |verb: Verb, kind: Kind| view.may(verb, &about(kind));
    let own = view.me.as_ref().is_some_and(|me| me.id == id);
    let may = May {
        edit: may(Verb::Edit, Kind::Person),
        rights: may(Verb::Edit, Kind::Rights) && !own,
        delegate: own && may(Verb::Submit, Kind::Rights),
        invite: may(Verb::Command, Kind::Factor) && !own,
        lock: may(Verb::Edit, Kind::Session),
        export: may(Verb::Export, Kind::Person),
        consent: may(Verb::Edit, Kind::Consent),
    };
    let consents =
        if view.may(Verb::See, &about(Kind::Consent)) { desk.people.consents(id).await? } else { Vec::new() };
    let others = desk.people.list().into_iter().filter(|other| other.id != id);
    Ok(PersonPage {
        trouble: Trouble::default(),
        id: id.to_string(),
        own,
        initial: initial(&person.name),
        role: words_of::role(&view, person.role),
        over: People::is_over(&person, view.now),
        contacts: person.contacts.iter().map(|contact| contact_line(desk, contact)).collect(),
        asked: None,
        groups: rights::groups(desk, &view, &person),
        given: if view.may(Verb::See, &about(Kind::Rights)) { rights::given(desk, &view, &person) } else { Vec::new() },
        handed: rights::handed(desk, &view, id),
        others: others.map(|other| (other.id.to_string(), other.name)).collect(),
        kinds: rights::kinds(&view),
        delegable: rights::delegable(&view),
        verbs: rights::verbs(&view),
        roles: roles(&view),
        consents: consents.into_iter().map(|consent| consent_line(desk, &view, consent)).collect(),
        may,
        until: person
            .until
            .and_then(|at| super::said::day_of(at, view.zone()))
            .map(|day| day.to_string())
            .unwrap_or_default(),
        link: None,
        person,
        v: view,
    })
}

fn contact_line(desk: &Desk, contact: &Contact) -> ContactLine {
    ContactLine {
        value: contact.value.clone(),
        confirmed: contact.confirmed_at.is_some(),
        name: contact.kind == ContactKind::Name,
        reached: desk.courier.reaches(contact.kind),
    }
}

fn consent_line(desk: &Desk, view: &View, consent: Consent) -> ConsentLine {
    ConsentLine {
        stands: desk.people.stands(&consent),
        purpose: view.say_or(&format!("purpose-{}", consent.purpose.replace('.', "-")), &consent.purpose),
        id: consent.id,
        recipient: consent.recipient,
        what: consent.what,
        text: consent.text,
        given_at: consent.given_at,
        withdrawn_at: consent.withdrawn_at,
    }
}

pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    Ok(shown(&person_page(&desk, view, person).await?))
}

/// Back to the page, or the page again with why not.
pub async fn back<T>(
    desk: &Desk,
    view: View,
    id: PersonId,
    field: &str,
    outcome: Result<T, PeopleError>,
) -> Result<Response, Fault> {
    let words = match outcome {
        Ok(_) => return Ok(go(&format!("/people/{id}"))),
        Err(PeopleError::Invalid(words) | PeopleError::Refused(words)) => view.t1("page-setup-not-taken", "why", words),
        Err(PeopleError::WrongCode) => view.t("page-code-wrong"),
        Err(error) => return Err(error.into()),
    };
    again(desk, view, id, field, words).await
}

/// The page again, with what is wrong with a field.
pub async fn again(desk: &Desk, view: View, id: PersonId, field: &str, words: String) -> Result<Response, Fault> {
    let person = desk.people.get(id).ok_or(Fault::NotFound)?;
    let mut page = person_page(desk, view, person).await?;
    page.trouble = Trouble::at(field, words);
    Ok(wrong(&page))
}

/// Name, relation, language, colour, large type.
pub async fn edit(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let before = whose(&desk, &caller, &person)?;
    if !form.is("name") {
        let words = view.t("page-setup-name-missing");
        return again(&desk, view, before.id, "name", words).await;
    }
    let language = match form.text("language") {
        "ru" => Some(Language::Russian),
        "en" => Some(Language::English),
        _ => None,
    };
    let profile = Profile {
        language,
        relation: form.is("relation").then(|| form.text("relation").to_owned()),
        colour: form.text("colour").parse().unwrap_or(before.profile.colour),
        large_type: form.is("large"),
    };
    let name = form.text("name").to_owned();
    if name != before.name {
        note.personal(before.id, "name", Some(before.name.clone()), Some(name.clone()));
    }
    let edit = Edit { name: Some(name), profile: Some(profile), ..Edit::default() };
    back(&desk, view, before.id, "name", desk.people.edit(before.id, edit).await).await
}

/// Role and last day.
pub async fn set_role(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let before = whose(&desk, &caller, &person)?;
    let role = Role::from_code(form.text("role")).ok_or(Fault::BadForm)?;
    let Ok(until) = last_moment(&view, form.text("until")) else {
        let words = view.t("page-date-wrong");
        return again(&desk, view, before.id, "until", words).await;
    };
    let until = until.filter(|_| role != Role::Owner);
    if role == Role::Guest && until.is_none() {
        let words = view.t("page-person-until-missing");
        return again(&desk, view, before.id, "until", words).await;
    }
    note.change("role", Some(before.role.code().to_owned()), Some(role.code().to_owned()));
    note.change("until", before.until.map(|at| at.to_string()), until.map(|at| at.to_string()));
    let edit = Edit { role: Some(role), until: Some(until), ..Edit::default() };
    back(&desk, view, before.id, "role", desk.people.edit(before.id, edit).await).await
}

async fn set_lock(desk: &Desk, caller: &Caller, view: View, person: &str, locked: bool) -> Result<Response, Fault> {
    let person = whose(desk, caller, person)?;
    let edit = Edit { locked: Some(locked), ..Edit::default() };
    back(desk, view, person.id, "lock", desk.people.edit(person.id, edit).await).await
}

/// A phone was lost: every session ends, and nobody comes in as this person.
pub async fn lock(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    set_lock(&desk, &caller, view, &person, true).await
}

pub async fn unlock(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    set_lock(&desk, &caller, view, &person, false).await
}

/// A one-time link with which the person comes in and chooses new factors. Shown here once, to be handed over.
pub async fn invite(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let id = person.id;
    match desk.signin.entry_token(id, true).await {
        Ok(token) => {
            let origin = desk.front.origins.first().cloned().unwrap_or_default();
            let mut page = person_page(&desk, view, person).await?;
            page.link = Some(format!("{origin}/entry#{}", token.expose()));
            Ok(shown(&page))
        }
        Err(SignInError::Refused(words)) => {
            let words = view.t1("page-setup-not-taken", "why", words);
            again(&desk, view, id, "invite", words).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Everything that the hub keeps about the person, as a file.
pub async fn export(State(desk): State<Desk>, caller: Caller, Path(person): Path<String>) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let everything = desk.people.export(person.id).await?;
    let text = serde_json::to_string_pretty(&everything).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"domovoi-person.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

pub async fn show_erase(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let own = caller.who.person() == Some(person.id);
    let (id, name) = (person.id.to_string(), person.name);
    Ok(shown(&ErasePage { v: view, trouble: Trouble::default(), id, name, own }))
}

/// For good. The name is typed: a slip of the thumb must not take somebody out of the house.
pub async fn erase(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let own = caller.who.person() == Some(person.id);
    let words = if form.text("name").to_lowercase() == person.name.trim().to_lowercase() {
        match desk.people.erase(person.id, caller.actor()).await {
            Ok(()) => return Ok(go(if own { "/sign-in" } else { "/people" })),
            Err(PeopleError::Invalid(words) | PeopleError::Refused(words)) => {
                view.t1("page-setup-not-taken", "why", words)
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        view.t("page-erase-name-wrong")
    };
    let (id, name) = (person.id.to_string(), person.name);
    Ok(wrong(&ErasePage { v: view, trouble: Trouble::at("name", words), id, name, own }))
}

/// The code form of a contact is open on the page that comes back.
pub async fn asked(desk: &Desk, view: View, person: Person, contact: String) -> Result<Response, Fault> {
    let mut page = person_page(desk, view, person).await?;
    page.asked = Some(contact);
    Ok(shown(&page))
}
