//! One alert, as a letter's link shows it: what happens, why it concerns this home, what to do, who knows. The list of alerts
//! and their history are the API's for now.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::{Alert, AlertStatus, Id, Severity};

use super::refusal::Fault;
use super::view::View;
use super::{go, shown};
use crate::alerts::AlertsError;
use crate::audit::Note;
use crate::policy::{Kind, Object, Verb};
use crate::web::api::alerts::{AlertWhole, sees, whole};
use crate::web::{Caller, Desk};

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    v: View,
    /// As the API says it, and the page with it.
    all: AlertWhole,
    title: String,
    known: Vec<String>,
    stands: bool,
    drill: bool,
    grave: bool,
    answers: bool,
}

impl From<AlertsError> for Fault {
    fn from(error: AlertsError) -> Self {
        match error {
            AlertsError::NoAlert | AlertsError::NoStep | AlertsError::NoFeed => Fault::NotFound,
            AlertsError::Store(error) => error.into(),
            AlertsError::NotKept => Fault::Words(axum::http::StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

async fn find(desk: &Desk, caller: &Caller, id: &str) -> Result<Arc<Alert>, Fault> {
    let id: Id = id.parse().map_err(|_| Fault::NotFound)?;
    let alert = desk.alerts.get(id).await?;
    if sees(desk, caller, &alert) { Ok(alert) } else { Err(Fault::NotFound) }
}

pub async fn show(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(alert): Path<String>,
) -> Result<Response, Fault> {
    let alert = find(&desk, &caller, &alert).await?;
    let all = whole(&desk, &caller, &alert);
    let named = |one: &crate::web::api::alerts::KnownView| view.t1("page-alert-known", "name", &one.name);
    let title = if all.alert.headline.is_empty() { &all.alert.event } else { &all.alert.headline };
    let page = AlertPage {
        title: title.clone(),
        known: all.alert.acknowledged.iter().map(named).collect(),
        stands: alert.stands(),
        drill: alert.status != AlertStatus::Actual,
        grave: alert.life || alert.severity >= Severity::Severe,
        answers: alert.stands()
            && view.may(Verb::Command, &Object::one(Kind::Alert, alert.id.to_string()))
            && caller.who.person().is_some_and(|me| alert.acknowledged.iter().all(|one| one.by != me)),
        all,
        v: view,
    };
    Ok(shown(&page))
}

/// "I know".
pub async fn acknowledge(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(alert): Path<String>,
) -> Result<Response, Fault> {
    let alert = find(&desk, &caller, &alert).await?;
    // Whoever holds the machine is nobody of the household: it says in whose name, by the command line.
    let by = caller.who.person().ok_or(Fault::NotFound)?;
    let headline = alert.text(caller.language.code()).map(|text| text.headline.chars().take(100).collect());
    note.change("alert", None, headline);
    desk.alerts.acknowledge(alert.id, by)?.written().await?;
    Ok(go(&format!("/alerts/{}", alert.id)))
}
