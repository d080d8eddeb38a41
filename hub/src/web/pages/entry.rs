//! A one-time link of somebody who was invited or locked out: they come in and choose a password, or come in and make a
//! passkey on the next page. The token is in the fragment, as with the set-up page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::signin::{opened, password_trouble};
use super::trouble::Trouble;
use super::view::View;
use super::{shown, wrong};
use crate::signin::SignInError;
use crate::web::{Caller, Desk};

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage {
    v: View,
    trouble: Trouble,
    token: String,
}

pub async fn show(view: View) -> Response {
    shown(&EntryPage { v: view, trouble: Trouble::default(), token: String::new() })
}

pub async fn enter(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let token = form.text("token");
    let password = form.is("password").then(|| form.secret("password"));
    let mut trouble = Trouble::default();
    if token.is_empty() {
        trouble.add("token", view.t("page-entry-token-missing"));
    } else {
        match desk.signin.enter(token, password, &caller.origin).await {
            Ok(session) => return Ok(opened(&desk, &session, "/security")),
            Err(SignInError::Weak(unmet)) => trouble = password_trouble(&view, "password", &unmet),
            Err(SignInError::Expired | SignInError::Wrong) => trouble.add("token", view.t("page-entry-token-over")),
            Err(error) => return Err(error.into()),
        }
    }
    let token = token.to_owned();
    Ok(wrong(&EntryPage { v: view, trouble, token }))
}
