//! The user API: what an account has, one device, one group, actions, scenarios.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::super::Script;
use super::super::served::{happen, json as answer};
use super::{CloudFault, Fault, Shared};

/// A lamp that can be switched and dimmed.
pub fn lamp(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "aliases": [], "type": "devices.types.light", "external_id": format!("ext-{id}"),
        "skill_id": "T", "household_id": "h1", "room": "r1", "groups": [], "state": "online",
        "capabilities": [
            capability("on_off", "on", json!({ "split": false }), json!(false)),
            capability("range", "brightness", json!({ "instance": "brightness", "unit": "unit.percent",
                "random_access": true, "range": { "min": 1, "max": 100, "precision": 1 } }), json!(50)),
        ],
        "properties": [],
    })
}

/// A sensor that is dry.
pub fn leak_sensor(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "aliases": [], "type": "devices.types.sensor.water_leak", "external_id": format!("ext-{id}"),
        "skill_id": "T", "household_id": "h1", "room": "r2", "groups": [], "state": "online", "capabilities": [],
        "properties": [{
            "type": "devices.properties.event", "retrievable": true, "reportable": true,
            "parameters": { "instance": "water_leak", "events": [{ "value": "dry" }, { "value": "leak" }] },
            "state": { "instance": "water_leak", "value": "dry" }, "last_updated": 0.0,
        }],
    })
}

fn capability(kind: &str, instance: &str, parameters: Value, value: Value) -> Value {
    json!({
        "type": format!("devices.capabilities.{kind}"), "retrievable": true, "reportable": true, "parameters": parameters,
        "state": { "instance": instance, "value": value }, "last_updated": 0.0,
    })
}

/// A kitchen with a lamp, a bathroom with a leak sensor, a group, two scenarios.
pub fn default_home() -> Value {
    json!({
        "rooms": [
            { "id": "r1", "name": "Кухня", "household_id": "h1", "devices": ["lamp-0001"] },
            { "id": "r2", "name": "Ванная", "household_id": "h1", "devices": ["leak-0001"] },
        ],
        "groups": [{ "id": "g1", "name": "Весь свет", "type": "devices.types.light", "household_id": "h1",
            "devices": ["lamp-0001"], "capabilities": [capability("on_off", "on", json!({ "split": false }), json!(false))] }],
        "devices": [lamp("lamp-0001", "Лампа"), leak_sensor("leak-0001", "Протечка")],
        "scenarios": [
            { "id": "s1", "name": "Утро", "is_active": true }, { "id": "s2", "name": "Ночь", "is_active": false },
        ],
        "households": [{ "id": "h1", "name": "Дом" }],
    })
}

fn parts(device: &Value) -> impl Iterator<Item = &Value> {
    ["capabilities", "properties"].into_iter().filter_map(|key| device[key].as_array()).flatten()
}

fn find<'h>(home: &'h Value, list: &str, id: &str) -> Option<&'h Value> {
    home[list].as_array()?.iter().find(|one| one["id"] == id)
}

pub(super) fn stands(home: &Value, id: &str, instance: &str) -> Value {
    let device = find(home, "devices", id).or_else(|| find(home, "groups", id));
    let part = device.and_then(|device| parts(device).find(|part| part["state"]["instance"] == instance));
    part.map_or(Value::Null, |part| part["state"]["value"].clone())
}

/// Whether there was such an instance.
pub(super) fn set(home: &mut Value, id: &str, instance: &str, value: Value, at: f64) -> bool {
    for list in ["devices", "groups"] {
        let Some(device) = home[list].as_array_mut().and_then(|all| all.iter_mut().find(|one| one["id"] == id)) else {
            continue;
        };
        for key in ["capabilities", "properties"] {
            let parts = device[key].as_array_mut();
            if let Some(part) = parts.and_then(|all| all.iter_mut().find(|one| one["state"]["instance"] == instance)) {
                part["state"]["value"] = value;
                part["last_updated"] = json!(at);
                return true;
            }
        }
    }
    false
}

/// Who may not come in.
fn stranger(shared: &Shared, headers: &HeaderMap) -> Option<Response> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let known = shown.is_some_and(|token| shared.grants().access.contains_key(token));
    (!known).then(|| answer(401, json!({ "status": "error", "message": "Unauthorized", "request_id": "r" })))
}

/// What of the next fault takes the place of an answer, and what is left of it.
async fn before(faults: &Script<CloudFault>) -> (Option<Response>, Option<CloudFault>) {
    match faults.next() {
        Some(CloudFault::Http(fault)) => (happen(Some(fault)).await, None),
        Some(CloudFault::Says(text)) => {
            (Some(([(header::CONTENT_TYPE, "application/json")], text).into_response()), None)
        }
        fault => (None, fault),
    }
}

fn said(mut thing: Value) -> Value {
    thing["status"] = json!("ok");
    thing["request_id"] = json!("r");
    thing
}

async fn look(
    shared: &Shared,
    headers: &HeaderMap,
    what: String,
    faults: &Script<CloudFault>,
    read: impl FnOnce(&Value) -> Option<Value>,
) -> Response {
    let response = match before(faults).await {
        (Some(response), _) => response,
        (None, _) => match stranger(shared, headers) {
            Some(response) => response,
            None => {
                let found = read(&shared.home());
                found.map_or_else(
                    || answer(404, json!({ "status": "error", "message": "not found" })),
                    |found| answer(200, said(found)),
                )
            }
        },
    };
    shared.note(what, response.status().as_u16(), Value::Null);
    response
}

/// `GET /v1.0/user/info`. Whether a thing can be reached is told only when it is asked for alone.
pub(super) async fn info(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let list = |home: &Value| {
        let mut home = home.clone();
        for device in home["devices"].as_array_mut().into_iter().flatten() {
            if let Some(device) = device.as_object_mut() {
                device.remove("state");
            }
        }
        Some(home)
    };
    look(&shared, &headers, "GET /v1.0/user/info".into(), &shared.list_faults, list).await
}

/// `GET /v1.0/devices/{id}`.
pub(super) async fn device(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let what = format!("GET /v1.0/devices/{id}");
    look(&shared, &headers, what, &shared.show_faults, |home| find(home, "devices", &id).cloned()).await
}

/// `GET /v1.0/groups/{id}`: its devices whole.
pub(super) async fn group(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let whole = |home: &Value| {
        let mut group = find(home, "groups", &id)?.clone();
        let members = group["devices"].as_array().cloned().unwrap_or_default();
        let members = members.iter().filter_map(|id| find(home, "devices", id.as_str()?).cloned());
        group["devices"] = Value::Array(members.collect());
        Some(group)
    };
    look(&shared, &headers, format!("GET /v1.0/groups/{id}"), &shared.show_faults, whole).await
}

/// `POST /v1.0/devices/actions`.
pub(super) async fn act(State(shared): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let devices = body["devices"].as_array().cloned().unwrap_or_default();
    let orders = devices.iter().map(|one| (one["id"].as_str().unwrap_or_default().to_owned(), one["actions"].clone()));
    carry_out(&shared, &headers, "POST /v1.0/devices/actions", body.clone(), orders.collect()).await
}

/// `POST /v1.0/groups/{id}/actions`: the same to each that is in it.
pub(super) async fn act_on_group(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let members = find(&shared.home(), "groups", &id).and_then(|group| group["devices"].as_array().cloned());
    let members: Vec<String> = members.into_iter().flatten().filter_map(|id| Some(id.as_str()?.to_owned())).collect();
    for action in body["actions"].as_array().into_iter().flatten() {
        let (instance, value) =
            (action["state"]["instance"].as_str().unwrap_or_default(), action["state"]["value"].clone());
        let at = shared.now_s();
        set(&mut shared.home(), &id, instance, value, at);
    }
    let orders = members.into_iter().map(|id| (id, body["actions"].clone())).collect();
    carry_out(&shared, &headers, &format!("POST /v1.0/groups/{id}/actions"), body.clone(), orders).await
}

/// `POST /v1.0/scenarios/{id}/actions`.
pub(super) async fn start(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let what = format!("POST /v1.0/scenarios/{id}/actions");
    look(&shared, &headers, what, &shared.act_faults, |home| find(home, "scenarios", &id).map(|_| json!({}))).await
}

async fn carry_out(
    shared: &Shared,
    headers: &HeaderMap,
    what: &str,
    body: Value,
    orders: Vec<(String, Value)>,
) -> Response {
    let (instead, fault) = before(&shared.act_faults).await;
    if let Some(response) = instead.or_else(|| stranger(shared, headers)) {
        shared.note(what, response.status().as_u16(), body);
        return response;
    }
    let refused = match fault {
        Some(CloudFault::Refuse(code)) => Some(code),
        _ => None,
    };
    let mut devices = Vec::new();
    for (id, actions) in orders {
        let mut capabilities = Vec::new();
        for action in actions.as_array().into_iter().flatten() {
            let (instance, value) =
                (action["state"]["instance"].as_str().unwrap_or_default(), action["state"]["value"].clone());
            let at = shared.now_s();
            let error = match refused {
                Some(code) => Some(code),
                None if set(&mut shared.home(), &id, instance, value, at) => None,
                None => Some("DEVICE_NOT_FOUND"),
            };
            let result = error.map_or_else(
                || json!({ "status": "DONE" }),
                |code| json!({ "status": "ERROR", "error_code": code, "error_message": "не вышло" }),
            );
            capabilities
                .push(json!({ "type": action["type"], "state": { "instance": instance, "action_result": result } }));
        }
        devices.push(json!({ "id": id, "capabilities": capabilities }));
    }
    if fault == Some(CloudFault::DoneAndLost) {
        shared.note(what, 0, body);
        return happen(Some(Fault::Cut)).await.unwrap_or_else(|| answer(500, Value::Null));
    }
    shared.note(what, 200, body);
    answer(200, said(json!({ "devices": devices })))
}
