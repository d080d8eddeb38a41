//! Sign-in and security: one's own ways in and the places where one is signed in, on one page. Each form does one thing
//! and comes back here; what is shown once (codes, a token, a secret) is shown in the answer to its form.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::Response;
use domovoi_model::PersonId;
use qrcode::QrCode;
use qrcode::render::svg;

use super::form::Form;
use super::refusal::Fault;
use super::signin::refused;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, words_of, wrong};
use crate::audit::Note;
use crate::policy::{Kind, Object, Scope, Verb};
use crate::signin::{CertificateView, FactorKind, FactorView, SessionView, SignInError, TokenView};
use crate::web::{Caller, Desk, cookies};

/// What a choice of the form stands for.
type Choice = (&'static str, &'static [(Verb, Option<Kind>)]);

/// Scopes that the form offers, as the API spells them; what is finer is made by the API.
const SCOPES: [Choice; 3] = [
    ("see", &[(Verb::See, None)]),
    ("readings", &[(Verb::See, Some(Kind::Meter)), (Verb::Submit, Some(Kind::Meter))]),
    ("all", &[]),
];

struct SessionLine {
    session: SessionView,
    this: bool,
}

struct FactorLine {
    factor: FactorView,
    words: String,
}

/// A TOTP secret to scan, shown this once.
struct Totp {
    pending: String,
    secret: String,
    picture: String,
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    v: View,
    trouble: Trouble,
    sessions: Vec<SessionLine>,
    factors: Vec<FactorLine>,
    tokens: Vec<TokenView>,
    certificates: Vec<CertificateView>,
    tokens_too: bool,
    has_password: bool,
    has_totp: bool,
    recovery_left: Option<usize>,
    has_pin: bool,
    /// There is a portal whose accounts can be tied.
    portal: bool,
    totp: Option<Totp>,
    codes: Vec<String>,
    token: Option<String>,
}

/// A QR code as SVG, black on white: scanners want it so in the dark, too.
pub fn picture(text: &str) -> String {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return String::new() };
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(200, 200).quiet_zone(true).build();
    // Drawn into a page: the XML line in front belongs to a file.
    drawn.split_once("?>").map_or_else(|| drawn.clone(), |(_, svg)| svg.to_owned())
}

fn mine(view: &View) -> Result<PersonId, Fault> {
    view.me.as_ref().map(|me| me.id).ok_or(Fault::NotFound)
}

async fn security_page(desk: &Desk, view: View, caller: &Caller) -> Result<SecurityPage, Fault> {
    let id = mine(&view)?;
    let own = caller.session.as_ref().map(|session| session.id.clone());
    let sessions = desk.signin.sessions(id).await?.into_iter();
    let factors = desk.signin.factors(id).await?;
    let has = |kind: FactorKind| factors.iter().any(|factor| factor.kind == kind);
    let tokens_too = view.may(Verb::See, &Object::of(Kind::Token, id));
    Ok(SecurityPage {
        trouble: Trouble::default(),
        sessions: sessions.map(|session| SessionLine { this: own.as_deref() == Some(&session.id), session }).collect(),
        has_password: has(FactorKind::Password),
        has_totp: has(FactorKind::Totp),
        recovery_left: factors.iter().find_map(|factor| factor.left),
        has_pin: has(FactorKind::Pin),
        portal: desk.portal.is_some(),
        tokens: if tokens_too { desk.signin.tokens(id).await? } else { Vec::new() },
        certificates: if tokens_too { desk.signin.certificates(id).await? } else { Vec::new() },
        tokens_too,
        factors: factors
            .into_iter()
            .map(|factor| FactorLine { words: words_of::factor(&view, factor.kind), factor })
            .collect(),
        totp: None,
        codes: Vec::new(),
        token: None,
        v: view,
    })
}

pub async fn show(State(desk): State<Desk>, caller: Caller, view: View) -> Result<Response, Fault> {
    Ok(shown(&security_page(&desk, view, &caller).await?))
}

/// Back to the page, or the page again with why not.
async fn back<T>(
    desk: &Desk,
    view: View,
    caller: &Caller,
    field: &str,
    outcome: Result<T, SignInError>,
) -> Result<Response, Fault> {
    match outcome {
        Ok(_) => Ok(go("/security")),
        Err(error) => {
            let trouble = refused(&view, error, field, "page-second-wrong")?;
            let mut page = security_page(desk, view, caller).await?;
            page.trouble = trouble;
            Ok(wrong(&page))
        }
    }
}

pub async fn name_session(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(session): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let id = mine(&view)?;
    note.personal(id, "name", None, Some(form.text("name").to_owned()));
    let outcome = desk.signin.name_session(id, &session, form.text("name")).await;
    back(&desk, view, &caller, "sessions", outcome).await
}

pub async fn end_session(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(session): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.signin.end_session(mine(&view)?, &session).await;
    if outcome.is_ok() && caller.session.as_ref().is_some_and(|own| own.id == session && !own.tablet) {
        let mut response = go("/sign-in");
        response.headers_mut().append(header::SET_COOKIE, cookies::cleared(&desk.front));
        return Ok(response);
    }
    back(&desk, view, &caller, "sessions", outcome).await
}

pub async fn end_others(State(desk): State<Desk>, caller: Caller, view: View, _form: Form) -> Result<Response, Fault> {
    let keep = caller.session.as_ref().map(|session| session.id.clone());
    let outcome = desk.signin.end_sessions(mine(&view)?, keep.as_deref()).await;
    back(&desk, view, &caller, "sessions", outcome).await
}

pub async fn set_password(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let keep = caller.session.as_ref().map(|session| session.id.clone());
    let outcome = desk.signin.set_password(mine(&view)?, form.secret("password"), keep.as_deref()).await;
    back(&desk, view, &caller, "password", outcome).await
}

/// Shows a new secret for an app; it counts once a code of it was given.
pub async fn offer_totp(State(desk): State<Desk>, caller: Caller, view: View, _form: Form) -> Result<Response, Fault> {
    let id = mine(&view)?;
    match desk.signin.totp_offer(id).await {
        Ok(offer) => {
            let mut page = security_page(&desk, view, &caller).await?;
            let (secret, picture) = (offer.secret.expose().clone(), picture(offer.uri.expose()));
            page.totp = Some(Totp { pending: offer.pending, secret, picture });
            Ok(shown(&page))
        }
        Err(error) => back::<()>(&desk, view, &caller, "totp", Err(error)).await,
    }
}

pub async fn add_totp(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let outcome = desk.signin.add_totp(mine(&view)?, form.text("pending"), form.text("code")).await;
    back(&desk, view, &caller, "totp", outcome).await
}

/// Ten new codes, shown in this answer and nowhere again.
pub async fn recovery_codes(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    _form: Form,
) -> Result<Response, Fault> {
    match desk.signin.new_recovery_codes(mine(&view)?).await {
        Ok(codes) => {
            let mut page = security_page(&desk, view, &caller).await?;
            page.codes = codes.iter().map(|code| code.expose().clone()).collect();
            Ok(shown(&page))
        }
        Err(error) => back::<()>(&desk, view, &caller, "recovery", Err(error)).await,
    }
}

pub async fn set_pin(State(desk): State<Desk>, caller: Caller, view: View, form: Form) -> Result<Response, Fault> {
    let outcome = desk.signin.set_pin(mine(&view)?, form.secret("pin")).await;
    back(&desk, view, &caller, "pin", outcome).await
}

pub async fn remove_factor(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    Path(factor): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let id = mine(&view)?;
    let kind = desk.signin.factors(id).await?.into_iter().find(|one| one.id == factor).map(|one| one.kind.code());
    note.change("factor", kind.map(str::to_owned), None);
    let outcome = desk.signin.remove_factor(id, &factor).await;
    back(&desk, view, &caller, "factors", outcome).await
}

/// Issues a token, shown in this answer and nowhere again.
pub async fn issue_token(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    caller: Caller,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let id = mine(&view)?;
    let (_, scopes) = SCOPES.iter().find(|(code, _)| *code == form.text("scope")).ok_or(Fault::BadForm)?;
    let scopes: Vec<Scope> = scopes.iter().map(|(verb, kind)| Scope { verb: *verb, kind: *kind }).collect();
    // A number that is none becomes one that the room refuses in words.
    let days = form.text("days").parse().unwrap_or(0);
    match desk.signin.issue_token(id, form.text("name"), scopes, days).await {
        Ok(issued) => {
            note.change("token", None, Some(issued.view.id.clone()));
            note.change("scopes", None, Some(form.text("scope").to_owned()));
            let mut page = security_page(&desk, view, &caller).await?;
            page.token = Some(issued.token.expose().clone());
            Ok(shown(&page))
        }
        Err(error) => back::<()>(&desk, view, &caller, "token-name", Err(error)).await,
    }
}

pub async fn end_token(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(token): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.signin.end_token(mine(&view)?, &token).await;
    back(&desk, view, &caller, "tokens", outcome).await
}

pub async fn end_certificate(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(certificate): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.signin.end_certificate(mine(&view)?, &certificate).await;
    back(&desk, view, &caller, "certificates", outcome).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_drawn_into_the_page_without_scripts() {
        let svg = picture("otpauth://totp/Дом:Анна?secret=JBSWY3DPEHPK3PXP&issuer=<script>");
        assert!(svg.trim_start().starts_with("<svg"), "{}", &svg[..60]);
        assert!(!svg.contains("script") && !svg.contains("<?xml"));
    }
}
