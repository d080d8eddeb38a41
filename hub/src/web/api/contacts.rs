//! A person's phone numbers and e-mail addresses: added, confirmed with a code that is sent to them, removed. In paths a
//! contact is named by an opaque id: an address has no place in a log.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domovoi_model::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiProblem, Done};
use crate::audit::Note;
use crate::courier::{Message, Tells};
use crate::people::Contact;
use crate::web::{Desk, Of};

/// A contact.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactView {
    /// Opaque.
    pub id: String,
    /// `phone`, `email`, or `name`: a login name
    pub kind: &'static str,
    pub value: String,
    /// When the person proved that it is theirs; a confirmed one is a login.
    pub confirmed_at: Option<String>,
    /// Whether the person can sign in with it.
    pub login: bool,
}

impl ContactView {
    pub fn of(desk: &Desk, person: PersonId, contact: &Contact) -> Self {
        ContactView {
            id: desk.people.contact_id(person, contact),
            kind: contact.kind.code(),
            value: contact.value.clone(),
            confirmed_at: contact.confirmed_at.map(|at| at.to_string()),
            login: contact.is_login(),
        }
    }
}

/// A person's contacts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactsView {
    pub contacts: Vec<ContactView>,
}

/// A new contact.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactForm {
    /// A phone number or an e-mail address in any usual spelling.
    #[schema(min_length = 3, max_length = 254)]
    pub value: String,
}

/// The code that was sent to a contact.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactCode {
    #[schema(max_length = 32)]
    pub code: String,
}

fn find(desk: &Desk, person: PersonId, id: &str) -> Result<Contact, ApiProblem> {
    let contacts = desk.people.get(person).map(|person| person.contacts).unwrap_or_default();
    let found = contacts.into_iter().find(|contact| desk.people.contact_id(person, contact) == id);
    found.ok_or_else(|| ApiProblem::not_found("there is no such contact"))
}

/// A person's contacts.
#[utoipa::path(get, path = "/api/v1/people/{person}/contacts", tag = "people", responses((status = 200, body = ContactsView)))]
pub async fn list(State(desk): State<Desk>, of: Of) -> Json<ContactsView> {
    let contacts = desk.people.get(of.0).map(|person| person.contacts).unwrap_or_default();
    Json(ContactsView { contacts: contacts.iter().map(|contact| ContactView::of(&desk, of.0, contact)).collect() })
}

/// Adds a contact, unconfirmed.
#[utoipa::path(post, path = "/api/v1/people/{person}/contacts", tag = "people", request_body = ContactForm, responses((status = 201, body = ContactView)))]
pub async fn add(
    State(desk): State<Desk>,
    of: Of,
    Extension(note): Extension<Note>,
    Json(form): Json<ContactForm>,
) -> Result<(StatusCode, Json<ContactView>), ApiProblem> {
    let contact = desk.people.add_contact(of.0, &form.value).await?;
    note.personal(of.0, "contact", None, Some(contact.value.clone()));
    Ok((StatusCode::CREATED, Json(ContactView::of(&desk, of.0, &contact))))
}

/// Removes a contact; it is no login any more.
#[utoipa::path(delete, path = "/api/v1/people/{person}/contacts/{contact}", tag = "people", responses((status = 200, body = Done)))]
pub async fn remove(
    State(desk): State<Desk>,
    of: Of,
    Path((_, contact)): Path<(String, String)>,
    Extension(note): Extension<Note>,
) -> Result<Json<Done>, ApiProblem> {
    let contact = find(&desk, of.0, &contact)?;
    desk.people.remove_contact(of.0, &contact.value).await?;
    note.personal(of.0, "contact", Some(contact.value), None);
    Ok(Done::json())
}

/// Sends a code to a contact; it counts for ten minutes and five tries.
#[utoipa::path(post, path = "/api/v1/people/{person}/contacts/{contact}/code", tag = "people", responses((status = 200, body = Done)))]
pub async fn send_code(
    State(desk): State<Desk>,
    of: Of,
    Path((_, contact)): Path<(String, String)>,
) -> Result<Json<Done>, ApiProblem> {
    let contact = find(&desk, of.0, &contact)?;
    if !desk.courier.reaches(contact.kind) {
        return Err(ApiProblem::refused(
            "no channel reaches this kind of contact: add [mail] or [sms] to the settings, or choose another contact",
        ));
    }
    let code = desk.people.contact_code(of.0, &contact.value).await?;
    let language = desk.people.get(of.0).and_then(|person| person.profile.language);
    let variables = [("home", desk.settings.home.name.as_str()), ("code", code.expose())];
    let language = language.unwrap_or(desk.settings.home.language);
    let message = Message::written(language, Tells::ContactCode, &variables);
    let sent = desk.courier.deliver(&contact, &message).await;
    sent.map_err(|why| ApiProblem::new(StatusCode::BAD_GATEWAY, "undelivered", why.to_string()))?;
    Ok(Done::json())
}

/// Confirms a contact with the code that was sent to it.
#[utoipa::path(post, path = "/api/v1/people/{person}/contacts/{contact}/confirmation", tag = "people", request_body = ContactCode, responses((status = 200, body = ContactView)))]
pub async fn confirm(
    State(desk): State<Desk>,
    of: Of,
    Path((_, id)): Path<(String, String)>,
    Json(form): Json<ContactCode>,
) -> Result<Json<ContactView>, ApiProblem> {
    let contact = find(&desk, of.0, &id)?;
    desk.people.confirm_contact(of.0, &contact.value, &form.code).await?;
    Ok(Json(ContactView::of(&desk, of.0, &find(&desk, of.0, &id)?)))
}
