//! Where a letter's "I know" leads: one button, for whoever has the letter, signed in or not. Opening the page says nothing:
//! mail readers open what is in a letter by themselves. The token is in the fragment, as with the set-up page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{shown, wrong};
use crate::web::api::telling_ledger::know_by_token;
use crate::web::{Caller, Desk};

#[derive(Template)]
#[template(path = "known.html")]
struct KnownPage {
    v: View,
    trouble: Trouble,
    token: String,
    is_known: bool,
}

pub async fn show(view: View) -> Response {
    shown(&KnownPage { v: view, trouble: Trouble::default(), token: String::new(), is_known: false })
}

pub async fn say(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let token = form.text("token").to_owned();
    if know_by_token(&desk, &caller, &token).await {
        return Ok(shown(&KnownPage { v: view, trouble: Trouble::default(), token: String::new(), is_known: true }));
    }
    let mut trouble = Trouble::default();
    trouble.add("token", view.t("telling-answer-stale"));
    Ok(wrong(&KnownPage { v: view, trouble, token, is_known: false }))
}
