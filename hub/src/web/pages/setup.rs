//! The first page of a new hub: whoever holds the one-time link becomes the owner. The token travels in the fragment of
//! the link, which no server and no log sees; a script puts it into the form, and a person without scripts pastes it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::signin::{opened, password_trouble};
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::people::{NewPerson, PeopleError, Profile};
use crate::policy::Role;
use crate::signin::SignInError;
use crate::web::{Caller, Desk};

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    v: View,
    trouble: Trouble,
    token: String,
    name: String,
    login: String,
}

pub async fn show(State(desk): State<Desk>, view: View) -> Response {
    if !desk.signin.needs_owner() {
        return go("/sign-in");
    }
    shown(&SetupPage {
        v: view,
        trouble: Trouble::default(),
        token: String::new(),
        name: String::new(),
        login: String::new(),
    })
}

pub async fn set_up(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    if !desk.signin.needs_owner() {
        return Ok(go("/sign-in"));
    }
    let (token, name, login) = (form.text("token"), form.text("name"), form.text("login"));
    let mut trouble = Trouble::default();
    for (field, text) in [("token", token), ("name", name), ("login", login), ("password", form.text("password"))] {
        if text.is_empty() {
            trouble.add(field, view.t(&format!("page-setup-{field}-missing")));
        }
    }
    if !trouble.any() {
        let owner = NewPerson {
            name: name.to_owned(),
            role: Role::Owner,
            contacts: vec![login.to_owned()],
            profile: Profile { language: Some(view.language()), ..Profile::default() },
            until: None,
        };
        match desk.signin.set_up(token, owner, form.secret("password"), &caller.origin).await {
            Ok(session) => return Ok(opened(&desk, &session, "/")),
            Err(SignInError::Weak(unmet)) => trouble = password_trouble(&view, "password", &unmet),
            Err(SignInError::Expired | SignInError::Wrong) => trouble.add("token", view.t("page-setup-token-over")),
            Err(SignInError::People(PeopleError::Invalid(words) | PeopleError::Refused(words))) => {
                trouble.add("login", view.t1("page-setup-not-taken", "why", words));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let (token, name, login) = (token.to_owned(), name.to_owned(), login.to_owned());
    Ok(wrong(&SetupPage { v: view, trouble, token, name, login }))
}
