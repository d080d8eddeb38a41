//! Pairing, both ends: the new device shows a QR code and waits; somebody who is signed in looks at what it says it is,
//! and says yes or no. Without scripts the new device asks by a button.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use domovoi_model::Timestamp;
use serde::Deserialize;

use super::form::Form;
use super::refusal::Fault;
use super::security::picture;
use super::signin::{opened, refused};
use super::trouble::Trouble;
use super::view::View;
use super::{go, said, shown, wrong};
use crate::audit::Note;
use crate::policy::{Decision, Kind, Object, Verb, decide};
use crate::signin::{Pairing, PairingKind, PairingState, SignInError};
use crate::web::{Caller, Desk};

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    v: View,
    trouble: Trouble,
    code: String,
    secret: String,
    address: String,
    picture: String,
    ends_at: Option<Timestamp>,
    waiting: bool,
}

#[derive(Template)]
#[template(path = "pair.html")]
struct PairPage {
    v: View,
    trouble: Trouble,
    code: String,
}

#[derive(Template)]
#[template(path = "pair-code.html")]
struct ApprovalPage {
    v: View,
    trouble: Trouble,
    code: String,
    device: String,
    address: Option<String>,
    tablet: bool,
    done: bool,
    name: String,
}

/// The code that somebody typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    #[serde(default)]
    code: String,
}

pub async fn show_device(view: View) -> Response {
    shown(&DevicePage {
        v: view,
        trouble: Trouble::default(),
        code: String::new(),
        secret: String::new(),
        address: String::new(),
        picture: String::new(),
        ends_at: None,
        waiting: false,
    })
}

fn device_page(desk: &Desk, view: View, code: &str, secret: &str, ends_at: Option<Timestamp>) -> DevicePage {
    let origin = desk.front.origins.first().cloned().unwrap_or_default();
    let address = format!("{origin}/pair/{code}");
    DevicePage {
        v: view,
        trouble: Trouble::default(),
        code: code.to_owned(),
        secret: secret.to_owned(),
        picture: picture(&address),
        address: format!("{origin}/pair"),
        ends_at,
        waiting: true,
    }
}

/// Begins on the new device.
pub async fn begin(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let kind = if form.text("kind") == "tablet" { PairingKind::Tablet } else { PairingKind::Phone };
    let pairing = desk.signin.pair(kind, &caller.origin).await?;
    let (code, secret) = (pairing.code.as_str(), pairing.secret.expose().as_str());
    Ok(shown(&device_page(&desk, view, code, secret, Some(pairing.ends_at))))
}

/// Whether it was approved: asked by a button where there are no scripts.
pub async fn state(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let (code, secret) = (form.text("code"), form.text("secret"));
    // The code is written back into the page: nothing but a code is.
    if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Fault::BadForm);
    }
    match desk.signin.pairing_state(secret, &caller.origin).await {
        Ok(PairingState::Approved(session)) => Ok(opened(&desk, &session, "/")),
        Ok(PairingState::Waiting) => Ok(shown(&device_page(&desk, view, code, secret, None))),
        Ok(PairingState::Over) | Err(SignInError::NoSuch(_)) => Ok(go("/sign-in/device")),
        Err(error) => Err(error.into()),
    }
}

/// Where a code is typed by hand.
pub async fn show_pair(view: View, Query(typed): Query<Typed>) -> Response {
    let code: String = typed.code.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    if code.is_empty() {
        return shown(&PairPage { v: view, trouble: Trouble::default(), code });
    }
    go(&format!("/pair/{code}"))
}

fn approval_page(view: View, pairing: Pairing) -> ApprovalPage {
    let tablet = pairing.kind == PairingKind::Tablet;
    let name = match &view.me {
        Some(me) if !tablet => view.t1("page-pair-name-phone", "name", &me.name),
        _ => view.t("page-pair-name-tablet"),
    };
    ApprovalPage {
        v: view,
        trouble: Trouble::default(),
        code: pairing.code,
        device: said::device(&pairing.device),
        address: pairing.address.map(|address| address.to_string()),
        tablet,
        done: false,
        name,
    }
}

pub async fn show_approval(State(desk): State<Desk>, view: View, Path(code): Path<String>) -> Result<Response, Fault> {
    match desk.signin.pairing(&code).await {
        Ok(pairing) => Ok(shown(&approval_page(view, pairing))),
        Err(SignInError::NoSuch(_) | SignInError::Expired) => {
            let trouble = Trouble::at("code", view.t("page-pair-over"));
            Ok(wrong(&PairPage { v: view, trouble, code: String::new() }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Yes. A tablet on the wall is the home's: only those who look after the home's devices let one in.
pub async fn approve(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(code): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let person = caller.who.person().ok_or(Fault::Expired)?;
    let pairing = desk.signin.pairing(&code).await?;
    if pairing.kind == PairingKind::Tablet
        && let Decision::Refuse(refusal) = decide(&caller.who, Verb::Edit, &Object::all(Kind::Session), desk.now())
    {
        return Err(Fault::Refused(refusal));
    }
    let name = form.text("name").to_owned();
    match desk.signin.approve_pairing(&code, person, &name).await {
        Ok(()) => {
            note.personal(person, "device", None, Some(name));
            let mut page = approval_page(view, pairing);
            page.done = true;
            Ok(shown(&page))
        }
        Err(error) => {
            let trouble = refused(&view, error, "name", "page-pair-over")?;
            let mut page = approval_page(view, pairing);
            page.trouble = trouble;
            Ok(wrong(&page))
        }
    }
}

/// No.
pub async fn refuse(State(desk): State<Desk>, Path(code): Path<String>, _form: Form) -> Result<Response, Fault> {
    desk.signin.refuse_pairing(&code).await?;
    Ok(go("/security"))
}
