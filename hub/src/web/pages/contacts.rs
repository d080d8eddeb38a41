//! A person's contacts: added, proved with a code, removed. A code goes only to where the person asked for one.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use super::form::Form;
use super::person::{again, asked, back, whose};
use super::refusal::Fault;
use super::view::View;
use crate::audit::Note;
use crate::courier::{Message, Tells};
use crate::people::PeopleError;
use crate::web::{Caller, Desk};

pub async fn add(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let outcome = desk.people.add_contact(person.id, form.text("contact")).await;
    if let Ok(contact) = &outcome {
        note.personal(person.id, "contact", None, Some(contact.value.clone()));
    }
    back(&desk, view, person.id, "contact", outcome).await
}

pub async fn remove(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    note.personal(person.id, "contact", Some(form.text("contact").to_owned()), None);
    let outcome = desk.people.remove_contact(person.id, form.text("contact")).await;
    back(&desk, view, person.id, "contacts", outcome).await
}

/// Sends a code to the contact, and shows where to type it.
pub async fn send_code(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let contact = match desk.people.contact(person.id, form.text("contact")) {
        Ok(contact) => contact,
        Err(error) => return back::<()>(&desk, view, person.id, "contacts", Err(error)).await,
    };
    let code = match desk.people.contact_code(person.id, &contact.value).await {
        Ok(code) => code,
        Err(error) => return back::<()>(&desk, view, person.id, "contacts", Err(error)).await,
    };
    let language = person.profile.language.unwrap_or(view.language());
    let variables = [("home", view.home.as_str()), ("code", code.expose().as_str())];
    let message = Message::written(language, Tells::ContactCode, &variables);
    if let Err(error) = desk.courier.deliver(&contact, &message).await {
        tracing::warn!("a contact's code was not delivered: {error}");
        let words = view.t("page-contact-undelivered");
        return again(&desk, view, person.id, "contacts", words).await;
    }
    asked(&desk, view, person, contact.value).await
}

pub async fn confirm(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(person): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let outcome = desk.people.confirm_contact(person.id, form.text("contact"), form.text("code")).await;
    if let Err(PeopleError::WrongCode) = outcome {
        let words = view.t("page-code-wrong");
        return again(&desk, view, person.id, "contacts", words).await;
    }
    back(&desk, view, person.id, "contacts", outcome).await
}
