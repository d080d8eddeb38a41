//! Proving oneself again before something dangerous: a password, a code, a passkey. What was to be done is not repeated
//! by itself: the person comes back to the page that asked.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::signin::{Next, answer, opened, refused};
use super::trouble::Trouble;
use super::view::View;
use super::{next_address, shown, wrong};
use crate::signin::{Answer, FactorKind};
use crate::web::{Caller, Desk};

#[derive(Template)]
#[template(path = "step-up.html")]
struct StepUpPage {
    v: View,
    trouble: Trouble,
    next: String,
    password: bool,
    totp: bool,
    passkey: bool,
    recovery: bool,
}

async fn step_up_page(desk: &Desk, view: View, next: &str) -> Result<StepUpPage, Fault> {
    let factors = match &view.me {
        Some(me) => desk.signin.factors(me.id).await?,
        None => Vec::new(),
    };
    let has = |kind: FactorKind| factors.iter().any(|factor| factor.kind == kind);
    Ok(StepUpPage {
        trouble: Trouble::default(),
        next: next_address(next).to_owned(),
        password: has(FactorKind::Password),
        totp: has(FactorKind::Totp),
        passkey: has(FactorKind::Passkey),
        recovery: has(FactorKind::Recovery),
        v: view,
    })
}

pub async fn show(State(desk): State<Desk>, view: View, Query(query): Query<Next>) -> Result<Response, Fault> {
    Ok(shown(&step_up_page(&desk, view, &query.to).await?))
}

pub async fn prove(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let session = caller.session.as_ref().ok_or(Fault::Expired)?;
    let answer = answer(&form).ok_or(Fault::BadForm)?;
    let field = match answer {
        Answer::Password(_) => "password",
        Answer::Recovery(_) => "recovery",
        _ => "code",
    };
    match desk.signin.step_up(&session.id, answer, &caller.origin).await {
        Ok(session) => Ok(opened(&desk, &session, next_address(form.text("next")))),
        Err(error) => {
            let trouble = refused(&view, error, field, "page-step-up-wrong")?;
            let mut page = step_up_page(&desk, view, form.text("next")).await?;
            page.trouble = trouble;
            Ok(wrong(&page))
        }
    }
}
