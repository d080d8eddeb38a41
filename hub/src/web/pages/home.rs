//! The front page: who is greeted, what needs a person now, and the latest of the meters. What needs nobody is not here.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::Timestamp;

use super::acts::{self, ActCard};
use super::form::Form;
use super::meters::{self, PointCard};
use super::refusal::Fault;
use super::view::View;
use super::{go, shown};
use crate::policy::{Kind, Object, Verb};
use crate::web::Desk;
use crate::words::words;

struct Notice {
    key: String,
    text: String,
    at: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    v: View,
    greeting: &'static str,
    notices: Vec<Notice>,
    clears: bool,
    waiting: Vec<ActCard>,
    points: Vec<PointCard>,
    no_second_factor: bool,
    /// All is well, as far as the house knows and the reader may know.
    calm: bool,
    /// There is no danger: said to those who may not see the notices.
    safe: bool,
}

pub async fn show(State(desk): State<Desk>, view: View) -> Result<Response, Fault> {
    let sees_notices = view.may(Verb::See, &Object::all(Kind::Notice));
    let notices = if sees_notices { notices(&desk, &view).await? } else { Vec::new() };
    let waiting =
        if view.may(Verb::Submit, &Object::all(Kind::Act)) { acts::waiting(&desk, &view).await? } else { Vec::new() };
    let points =
        if view.may(Verb::See, &Object::all(Kind::Meter)) { meters::cards(&desk, &view).await? } else { Vec::new() };
    let no_second_factor = match &view.me {
        Some(me) if !me.tablet => {
            let factors = desk.signin.factors(me.id).await?;
            use crate::signin::FactorKind::{Passkey, Totp};
            !factors.iter().any(|factor| matches!(factor.kind, Passkey | Totp))
        }
        _ => false,
    };
    let greeting = match desk.now().minute / 60 {
        5..12 => "page-home-morning",
        12..18 => "page-home-day",
        18..23 => "page-home-evening",
        _ => "page-home-night",
    };
    let clears = view.may(Verb::Edit, &Object::all(Kind::Notice));
    let no_danger = view.alarms.as_ref().is_some_and(|alarms| alarms.calm);
    let calm = no_danger && sees_notices && notices.is_empty() && waiting.is_empty();
    let safe = no_danger && !sees_notices && desk.safety.standing().sensors > 0;
    Ok(shown(&HomePage { v: view, greeting, notices, clears, waiting, points, no_second_factor, calm, safe }))
}

async fn notices(desk: &Desk, view: &View) -> Result<Vec<Notice>, Fault> {
    let open = desk.store.notices().open().await?;
    Ok(open
        .into_iter()
        .map(|open| Notice {
            text: words(view.language()).notice(&open.notice.kind, &open.notice.params),
            at: open.notice.at.wall(),
            key: open.key,
        })
        .collect())
}

/// A notice was read.
pub async fn clear_notice(State(desk): State<Desk>, Path(key): Path<String>, _form: Form) -> Result<Response, Fault> {
    desk.store.notices().clear(&key).await?;
    Ok(go("/"))
}
