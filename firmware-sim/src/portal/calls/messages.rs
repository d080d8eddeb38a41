//! Charges and notifications. Cursors are positions in lists that only grow.

use std::{collections::HashMap, io, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{JSON_CAP_BYTES, change_home, cursor, once};
use crate::portal::{
    Portal,
    guard::{authorise, body, json},
    problem::Problem,
    settings::AccountSpec,
    state::HomeState,
};

const PAGE: usize = 100;
const KINDS: [&str; 6] = ["outage", "planned_work", "meter", "charge", "security", "other"];

type Parameters = Query<HashMap<String, String>>;

pub(crate) async fn get_charges(
    State(portal): State<Arc<Portal>>,
    Query(query): Parameters,
    request: Request,
) -> Result<Json<Value>, Problem> {
    authorise(&portal, &request.into_parts().0, "charges.read")?;
    let start = cursor(query.get("after"))?;
    let account = query.get("account");
    let newest_first: Vec<Value> = portal.read(|state| {
        let ours = |charge: &&Value| account.is_none_or(|account| charge["account_number"] == account.as_str());
        state.home.charges.iter().rev().filter(ours).skip(start).take(PAGE + 1).cloned().collect()
    });
    Ok(Json(page("charges", newest_first, start)))
}

pub(crate) async fn get_notifications(
    State(portal): State<Arc<Portal>>,
    Query(query): Parameters,
    request: Request,
) -> Result<Json<Value>, Problem> {
    authorise(&portal, &request.into_parts().0, "notifications.read")?;
    let start = cursor(query.get("after"))?;
    let oldest_first: Vec<Value> =
        portal.read(|state| state.home.notifications.iter().skip(start).take(PAGE).cloned().collect());
    // The cursor comes with every page that has something: the hub keeps it and asks from there next time.
    let next = (!oldest_first.is_empty()).then(|| (start + oldest_first.len()).to_string());
    let mut shown = json!({ "notifications": oldest_first });
    if let (Some(next), Some(map)) = (next, shown.as_object_mut()) {
        map.insert("next".into(), next.into());
    }
    Ok(Json(shown))
}

/// One item more than a page says that there is a next one.
fn page(name: &str, mut items: Vec<Value>, start: usize) -> Value {
    let more = items.len() > PAGE;
    items.truncate(PAGE);
    let mut shown = json!({ name: items });
    if let (true, Some(map)) = (more, shown.as_object_mut()) {
        map.insert("next".into(), (start + PAGE).to_string().into());
    }
    shown
}

#[derive(Deserialize, Serialize)]
struct Notification {
    kind: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_number: Option<String>,
}

pub(crate) async fn post_notification(
    State(portal): State<Arc<Portal>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    authorise(&portal, &parts, "notifications.write")?;
    let bytes = body(content, JSON_CAP_BYTES).await?;
    let mut given: Notification = json(&bytes)?;
    if !KINDS.contains(&given.kind.as_str()) || given.text.chars().count() > 4000 {
        return Err(Problem::bad("kind is unknown, or text is over 4000 characters"));
    }
    given.at.get_or_insert_with(|| portal.spelt(portal.now_ms()));
    let kind = given.kind.clone();
    let response = once(&portal, &parts.headers, &bytes, |home| {
        let answer = with_id(&given, format!("h{}", home.from_hub.len() + 1))?;
        home.from_hub.push(answer.clone());
        Ok(answer)
    })?;
    portal.tell(format!("the hub reports: {kind}"));
    Ok(response)
}

fn with_id(given: &Notification, id: String) -> Result<Value, Problem> {
    let mut shown = serde_json::to_value(given).map_err(|error| Problem::bad(error.to_string()))?;
    if let Some(map) = shown.as_object_mut() {
        map.insert("id".into(), id.into());
        map.insert("read".into(), false.into());
    }
    Ok(shown)
}

pub(crate) async fn mark_read(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    authorise(&portal, &request.into_parts().0, "notifications.write")?;
    change_home(&portal, |home| {
        let found = home.notifications.iter_mut().find(|held| held["id"] == id.as_str());
        let map =
            found.and_then(Value::as_object_mut).ok_or_else(|| Problem::not_found("no notification has this id"))?;
        map.insert("read".into(), true.into());
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

impl Portal {
    pub(crate) fn post_to_household(&self, kind: &str, text: &str, account_number: Option<&str>) -> io::Result<()> {
        let given = Notification {
            kind: kind.to_owned(),
            text: text.to_owned(),
            at: Some(self.spelt(self.now_ms())),
            account_number: account_number.map(str::to_owned),
        };
        self.change(|home| home.push_notification(&given))
    }

    pub(crate) fn charge(
        &self,
        account: &AccountSpec,
        period: (i16, i8),
        amount_kopecks: i64,
        due: &str,
    ) -> io::Result<()> {
        self.change(|home| {
            home.charges.push(json!({
                "id": format!("c{}", home.charges.len() + 1),
                "account_number": account.account_number,
                "supplier_id": account.supplier_id,
                "period": { "year": period.0, "month": period.1 },
                "amount_kopecks": amount_kopecks,
                "due": due,
            }));
        })
    }

    /// The citizen reads a notification on the portal's own page. `false`: there is none of this id.
    pub(crate) fn read_there(&self, id: &str) -> io::Result<bool> {
        self.mark(|home| &mut home.notifications, id, "read")
    }

    /// The citizen pays a charge. `false`: there is none of this id.
    pub(crate) fn pay(&self, id: &str) -> io::Result<bool> {
        self.mark(|home| &mut home.charges, id, "paid")
    }

    fn mark(&self, list: fn(&mut HomeState) -> &mut Vec<Value>, id: &str, what: &str) -> io::Result<bool> {
        self.update(|state| {
            let found = list(&mut state.home).iter_mut().find(|held| held["id"] == id).and_then(Value::as_object_mut);
            let there = found.map(|held| held.insert(what.into(), true.into())).is_some();
            self.keep("home.json", &state.home)?;
            Ok(there)
        })
    }

    fn change(&self, change: impl FnOnce(&mut HomeState)) -> io::Result<()> {
        self.update(|state| {
            change(&mut state.home);
            self.keep("home.json", &state.home)
        })
    }
}

impl HomeState {
    fn push_notification(&mut self, given: &Notification) {
        if let Ok(shown) = with_id(given, format!("n{}", self.notifications.len() + 1)) {
            self.notifications.push(shown);
        }
    }
}
