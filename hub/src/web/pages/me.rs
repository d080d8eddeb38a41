//! «Вы»: where one's own things are; and the page of help and of what this is.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::people::initial;
use super::refusal::Fault;
use super::view::View;
use super::{shown, words_of};
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;

#[derive(Template)]
#[template(path = "me.html")]
struct MePage {
    v: View,
    name: String,
    initial: String,
    role: String,
    portal: bool,
    journal: bool,
    tablet: bool,
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    v: View,
    version: &'static str,
}

pub async fn show(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    let me = view.me.clone().ok_or(Fault::NotFound)?;
    let role = desk.people.get(me.id).map(|person| words_of::role(&view, person.role)).unwrap_or_default();
    let portal = desk.portal.is_some() && view.may(Verb::See, &Object::all(Kind::Portal));
    // Everybody may read of their own deeds, few of all.
    let journal = view.may(Verb::See, &Object::of(Kind::Journal, me.id));
    let (name, initial) = (me.name.clone(), initial(&me.name));
    Ok(shown(&MePage { name, initial, role, portal, journal, tablet: me.tablet, v: view }))
}

pub async fn help(view: View) -> Response {
    shown(&HelpPage { v: view, version: env!("CARGO_PKG_VERSION") })
}
