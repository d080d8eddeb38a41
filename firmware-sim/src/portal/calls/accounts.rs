//! `GET /accounts`: what the citizen pays for and what was accepted last.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use serde_json::{Map, Value, json};

use crate::portal::{
    Portal,
    acts::judge::last_accepted,
    guard::authorise,
    problem::Problem,
    settings::{AccountSpec, AccountState, MeteringPointSpec, WindowDay},
    state::State as Known,
};

pub(crate) async fn get_accounts(State(portal): State<Arc<Portal>>, request: Request) -> Result<Json<Value>, Problem> {
    authorise(&portal, &request.into_parts().0, "accounts.read")?;
    Ok(Json(
        portal.read(
            |state| json!({ "accounts": state.accounts.iter().map(|one| account(state, one)).collect::<Vec<_>>() }),
        ),
    ))
}

fn account(state: &Known, spec: &AccountSpec) -> Value {
    let points: Vec<Value> = spec.metering_points.iter().map(|one| point(state, spec, one)).collect();
    let mut shown = json!({
        "supplier_id": spec.supplier_id,
        "supplier_name": spec.supplier_name,
        "account_number": spec.account_number,
        "status": match spec.status {
            AccountState::Active => "active",
            AccountState::Pending => "pending",
            AccountState::Blocked => "blocked",
        },
        "time_zone": spec.time_zone,
        "takes_t4": spec.takes_t4,
        "window": { "start": day(spec.window.start), "end": day(spec.window.end) },
        "metering_points": points,
    });
    if let Some(map) = shown.as_object_mut() {
        put(map, "els", &spec.els);
        put(map, "jku_id", &spec.jku_id);
    }
    shown
}

fn point(state: &Known, account: &AccountSpec, spec: &MeteringPointSpec) -> Value {
    let (values, date) = last_accepted(state, account, spec, None);
    let mut shown = json!({
        "resource": spec.resource.as_str(), "serial": spec.serial, "tariff_count": spec.tariff_count,
    });
    if let Some(map) = shown.as_object_mut() {
        put(map, "digits_int", &spec.digits_int);
        put(map, "digits_frac", &spec.digits_frac);
        put(map, "verification_valid_until", &spec.verification_valid_until);
        if !values.is_empty() {
            let registers: Map<String, Value> =
                (1..).zip(values).map(|(number, value)| (format!("t{number}"), value.into())).collect();
            map.insert("last_accepted".into(), registers.into());
            put(map, "last_accepted_on", &date);
        }
    }
    shown
}

/// Optional members are left out, not null.
fn put<T: Clone + Into<Value>>(map: &mut Map<String, Value>, name: &str, value: &Option<T>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.clone().into());
    }
}

fn day(edge: WindowDay) -> Value {
    match edge {
        WindowDay::Date { date, next_month } => json!({ "date": date, "is_next_month": next_month }),
        WindowDay::LastDay { next_month } => json!({ "last_day": true, "is_next_month": next_month }),
    }
}
