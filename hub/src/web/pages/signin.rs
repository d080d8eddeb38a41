//! Signing in by password, second factor, one-time code and PIN, and signing out. What is wrong is never said more
//! exactly than the sign-in room says it: a stranger learns nothing about who lives here.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use domovoi_model::PersonId;
use serde::Deserialize;
use serde_json::Value;

use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, next_address, shown, wrong};
use crate::people::PeopleError;
use crate::signin::{Answer, FactorKind, Opened, SignInError, Step, Unmet};
use crate::web::{Caller, Desk, cookies};

/// Where to go on to.
#[derive(Debug, Default, Deserialize)]
pub struct Next {
    #[serde(default)]
    pub to: String,
}

#[derive(Template)]
#[template(path = "sign-in.html")]
pub(super) struct SignInPage {
    v: View,
    trouble: Trouble,
    login: String,
    next: String,
    codes: bool,
    portal: bool,
}

#[derive(Template)]
#[template(path = "second-factor.html")]
struct SecondFactorPage {
    v: View,
    trouble: Trouble,
    pending: String,
    offered: Vec<&'static str>,
    passkey: String,
    next: String,
}

impl SecondFactorPage {
    fn offers(&self, way: &str) -> bool {
        self.offered.contains(&way)
    }
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    v: View,
    trouble: Trouble,
    login: String,
    pending: String,
    next: String,
}

#[derive(Template)]
#[template(path = "pin.html")]
struct PinPage {
    v: View,
    trouble: Trouble,
    people: Vec<(PersonId, String)>,
    chosen: Option<String>,
}

/// A session that was opened: its cookie, and on.
pub fn opened(desk: &Desk, opened: &Opened, next: &str) -> Response {
    let mut response = go(next);
    response.headers_mut().append(header::SET_COOKIE, cookies::session(&desk.front, opened));
    response
}

/// Every rule that a password does not meet, at its field.
pub fn password_trouble(view: &View, field: &str, unmet: &[Unmet]) -> Trouble {
    let mut trouble = Trouble::default();
    for rule in unmet {
        let number = rule.number.unwrap_or_default().to_string();
        trouble.add(field, view.say(&format!("rule-{}", rule.code), &[("number", &number)]));
    }
    trouble
}

/// The first page of signing in, with what was wrong.
pub(super) fn sign_in_page(desk: &Desk, view: View, trouble: Trouble, login: &str, next: &str) -> SignInPage {
    use crate::people::ContactKind;
    let codes = desk.courier.reaches(ContactKind::Phone) || desk.courier.reaches(ContactKind::Email);
    let portal = desk.portal.is_some();
    SignInPage { v: view, trouble, login: login.to_owned(), next: next_address(next).to_owned(), codes, portal }
}

pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    headers: HeaderMap,
    view: View,
    Query(query): Query<Next>,
) -> Result<Response, Fault> {
    if desk.signin.needs_owner() {
        return Ok(go("/setup"));
    }
    if view.me.is_some() {
        return Ok(go(next_address(&query.to)));
    }
    if caller.session.as_ref().is_some_and(|session| session.tablet)
        && let Some(device) = cookies::read(&desk.front, &headers)
    {
        let people = desk.signin.pin_people(&device).await?;
        return Ok(shown(&PinPage { v: view, trouble: Trouble::default(), people, chosen: None }));
    }
    Ok(shown(&sign_in_page(&desk, view, Trouble::default(), "", &query.to)))
}

pub async fn with_password(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let (login, next) = (form.text("login"), next_address(form.text("next")));
    match desk.signin.with_password(login, form.secret("password"), &caller.origin).await {
        Ok(step) => Ok(after(&desk, view, step, next)),
        Err(error) => {
            let trouble = refused(&view, error, "login", "page-sign-in-wrong")?;
            Ok(wrong(&sign_in_page(&desk, view, trouble, login, next)))
        }
    }
}

/// What a wrong answer is called; what is not one stays a fault.
pub fn refused(view: &View, error: SignInError, field: &str, key: &str) -> Result<Trouble, Fault> {
    match error {
        SignInError::Wrong | SignInError::People(PeopleError::WrongCode) => Ok(Trouble::at(field, view.t(key))),
        SignInError::Weak(unmet) => Ok(password_trouble(view, field, &unmet)),
        SignInError::Throttled(_) | SignInError::Expired | SignInError::Refused(_) => {
            Ok(Trouble::at(field, error.say(view.language())))
        }
        error => Err(error.into()),
    }
}

/// A step: in, or the next factor.
pub fn after(desk: &Desk, view: View, step: Step, next: &str) -> Response {
    match step {
        Step::Done(session) => opened(desk, &session, next),
        Step::SecondFactor { pending, offered, passkey } => shown(&SecondFactorPage {
            v: view,
            trouble: Trouble::default(),
            pending,
            offered: offered.into_iter().map(FactorKind::code).collect(),
            passkey: passkey.map(|options| options.to_string()).unwrap_or_default(),
            next: next.to_owned(),
        }),
    }
}

/// The answer that a form gives: six digits, a recovery code, a password.
pub fn answer(form: &Form) -> Option<Answer> {
    let code = form.text("code").to_owned();
    match form.text("factor") {
        "totp" => Some(Answer::Totp(code)),
        "recovery" => Some(Answer::Recovery(form.secret("code"))),
        "password" => Some(Answer::Password(form.secret("password"))),
        "passkey" => {
            let response: Value = serde_json::from_str(form.text("response")).ok()?;
            Some(Answer::Passkey(form.text("challenge").to_owned(), response))
        }
        _ => None,
    }
}

pub async fn second_factor(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let (pending, next) = (form.text("pending"), next_address(form.text("next")));
    let answer = answer(&form).ok_or(Fault::BadForm)?;
    match desk.signin.second_factor(pending, answer, &caller.origin).await {
        Ok(step) => Ok(after(&desk, view, step, next)),
        Err(SignInError::Expired) => {
            let trouble = Trouble::at("login", view.t("page-fault-expired-text"));
            Ok(wrong(&sign_in_page(&desk, view, trouble, "", next)))
        }
        Err(error) => {
            let trouble = refused(&view, error, "code", "page-second-wrong")?;
            let offered = [FactorKind::Totp, FactorKind::Recovery, FactorKind::Passkey, FactorKind::Password];
            let offered = offered.into_iter().map(FactorKind::code);
            let offered = offered.filter(|code| form.all("offered").any(|offered| offered == *code)).collect();
            let (pending, passkey) = (pending.to_owned(), form.text("passkey").to_owned());
            Ok(wrong(&SecondFactorPage { v: view, trouble, pending, offered, passkey, next: next.to_owned() }))
        }
    }
}

pub async fn show_code(view: View, Query(query): Query<Next>) -> Response {
    let next = next_address(&query.to).to_owned();
    let (login, pending) = (String::new(), String::new());
    shown(&CodePage { v: view, trouble: Trouble::default(), login, pending, next })
}

pub async fn send_code(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let (login, next) = (form.text("login").to_owned(), next_address(form.text("next")).to_owned());
    match desk.signin.send_code(&login, &caller.origin).await {
        Ok(pending) => Ok(shown(&CodePage { v: view, trouble: Trouble::default(), login, pending, next })),
        Err(error) => {
            let trouble = refused(&view, error, "login", "page-sign-in-wrong")?;
            Ok(wrong(&CodePage { v: view, trouble, login, pending: String::new(), next }))
        }
    }
}

pub async fn with_code(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let (login, next) = (form.text("login").to_owned(), next_address(form.text("next")).to_owned());
    let pending = form.text("pending").to_owned();
    match desk.signin.with_code(&pending, form.text("code"), &caller.origin).await {
        Ok(step) => Ok(after(&desk, view, step, &next)),
        Err(error) => {
            let over = matches!(error, SignInError::Expired);
            let trouble = refused(&view, error, if over { "login" } else { "code" }, "page-code-wrong")?;
            let pending = if over { String::new() } else { pending };
            Ok(wrong(&CodePage { v: view, trouble, login, pending, next }))
        }
    }
}

pub async fn with_pin(
    State(desk): State<Desk>,
    caller: Caller,
    headers: HeaderMap,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let device = cookies::read(&desk.front, &headers).ok_or(Fault::Expired)?;
    let person: PersonId = form.text("person").parse().map_err(|_| Fault::BadForm)?;
    // A pad sends digit after digit, a keyboard the whole.
    let pin = form.text("pin");
    match desk.signin.with_pin(&device, person, pin, &caller.origin).await {
        Ok(session) => Ok(opened(&desk, &session, "/")),
        Err(error) => {
            let trouble = refused(&view, error, "pin", "page-pin-wrong")?;
            let people = desk.signin.pin_people(&device).await?;
            Ok(wrong(&PinPage { v: view, trouble, people, chosen: Some(person.to_string()) }))
        }
    }
}

/// Ends the session that asks. Whoever typed a PIN leaves the wall tablet, which stays paired: it keeps its cookie.
pub async fn sign_out(State(desk): State<Desk>, caller: Caller, _form: Form) -> Result<Response, Fault> {
    let mut response = go("/sign-in");
    let Some(session) = &caller.session else { return Ok(response) };
    if let Some(person) = session.person {
        match desk.signin.end_session(person, &session.id).await {
            Ok(()) | Err(SignInError::NoSuch(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !session.tablet {
        response.headers_mut().append(header::SET_COOKIE, cookies::cleared(&desk.front));
    }
    // The browser forgets what it kept of the pages.
    response.headers_mut().append("clear-site-data", header::HeaderValue::from_static("\"cache\""));
    Ok(response)
}
