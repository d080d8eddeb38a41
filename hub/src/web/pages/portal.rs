//! The link with the portal as people see it, and the consent to hand readings in without asking each time: a document
//! of its own (152-ФЗ), shown whole before it is given, withdrawn when the person likes.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use super::form::Form;
use super::person::{back, whose};
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::people::{Consent, READINGS};
use crate::policy::{Kind, Object, Verb};
use crate::portal::{LinkState, scopes_in_words};
use crate::web::{Caller, Desk};

#[derive(Template)]
#[template(path = "portal.html")]
struct PortalPage {
    v: View,
    trouble: Trouble,
    recipient: String,
    state: String,
    linked: bool,
    permissions: Vec<String>,
    what: String,
    text: String,
    standing: bool,
    gives: bool,
    given_by: Vec<(String, String)>,
    own: Option<String>,
    me: String,
}

async fn portal_page(desk: &Desk, view: View) -> Result<PortalPage, Fault> {
    let portal = desk.portal.as_ref().ok_or(Fault::NotFound)?;
    let recipient = portal.settings().issuer.as_str().to_owned();
    let words = |scopes: &[String]| {
        let russian = view.lang() == "ru";
        scopes_in_words(scopes).into_iter().map(|(_, ru, en)| if russian { ru } else { en }).collect::<Vec<_>>()
    };
    let (state, permissions) = match portal.status() {
        LinkState::Unlinked => (view.t("page-portal-unlinked"), Vec::new()),
        LinkState::Linking => (view.t("page-portal-linking"), Vec::new()),
        LinkState::Linked { granted, since, .. } => {
            (view.t1("page-portal-linked", "at", view.moment(&since)), words(&granted))
        }
        LinkState::RelinkNeeded { .. } => (view.t("page-portal-relink"), Vec::new()),
        LinkState::AccountPending => (view.t("page-portal-pending"), Vec::new()),
        LinkState::AccountBlocked { .. } => (view.t("page-portal-blocked"), Vec::new()),
    };
    let me = view.me.clone().ok_or(Fault::NotFound)?;
    let what = view.say("consent-readings-what", &[]);
    let variables = [
        ("name", me.name.as_str()),
        ("home", view.home.as_str()),
        ("recipient", recipient.as_str()),
        ("what", what.as_str()),
    ];
    let text = view.say("consent-readings-text", &variables);
    let given = desk.people.who_consents(READINGS).await?;
    let own = given.iter().find(|(person, _)| *person == me.id).map(|(_, consent)| consent.id.clone());
    let name = |id| desk.people.get(id).map_or_else(|| view.t("page-somebody-gone"), |person| person.name);
    let at = |consent: &Consent| view.moment_or_never(&consent.given_at);
    let given_by = given.iter().map(|(id, consent)| (name(*id), at(consent))).collect();
    Ok(PortalPage {
        trouble: Trouble::default(),
        linked: matches!(portal.status(), LinkState::Linked { .. }),
        standing: desk.metering.standing_consent().await?,
        gives: view.may(Verb::Edit, &Object::all(Kind::Portal)),
        me: me.id.to_string(),
        recipient,
        state,
        permissions,
        what,
        text,
        given_by,
        own,
        v: view,
    })
}

pub async fn show(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    Ok(shown(&portal_page(&desk, view).await?))
}

/// Given: the record first, then what it allows. A power cut in between leaves too little allowed.
pub async fn give(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let me = view.me.clone().ok_or(Fault::NotFound)?;
    let mut page = portal_page(&desk, view).await?;
    if !form.is("agree") {
        page.trouble.add("agree", page.v.t("page-consent-agree-missing"));
        return Ok(wrong(&page));
    }
    let consent = Consent {
        id: String::new(),
        purpose: READINGS.to_owned(),
        recipient: page.recipient.clone(),
        what: page.what.clone(),
        text: page.text.clone(),
        given_at: None,
        until: None,
        withdrawn_at: None,
    };
    let consent = desk.people.give_consent(me.id, consent).await?;
    desk.metering.set_standing_consent(true).await?;
    note.change("consent", None, Some(format!("{} → {}", consent.purpose, consent.recipient)));
    Ok(go("/portal/consent"))
}

/// Withdrawn. Where nobody else's consent stands, nothing is approved without asking from this moment on.
pub async fn withdraw(State(desk): State<Desk>, view: View, _form: Form) -> Result<Response, Fault> {
    let me = view.me.clone().ok_or(Fault::NotFound)?;
    for (person, consent) in desk.people.who_consents(READINGS).await? {
        if person == me.id {
            desk.people.withdraw_consent(me.id, &consent.id).await?;
        }
    }
    if desk.people.who_consents(READINGS).await?.is_empty() {
        desk.metering.set_standing_consent(false).await?;
    }
    Ok(go("/portal/consent"))
}

/// A consent on a person's page.
pub async fn withdraw_one(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path((person, consent)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Fault> {
    let person = whose(&desk, &caller, &person)?;
    let outcome = desk.people.withdraw_consent(person.id, &consent).await;
    if desk.people.who_consents(READINGS).await?.is_empty() {
        desk.metering.set_standing_consent(false).await?;
    }
    back(&desk, view, person.id, "consents", outcome).await
}
