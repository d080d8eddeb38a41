//! The list of devices that the household chose to show, and its requests to services.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{JSON_CAP_BYTES, change_home, once};
use crate::portal::{
    Portal,
    guard::{authorise, body, json as parsed},
    problem::Problem,
};

/// A thousand devices with the longest names in Cyrillic.
const DEVICES_CAP_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
struct DeviceList {
    devices: Vec<Device>,
}

#[derive(Deserialize, Serialize)]
struct Device {
    id: String,
    name: String,
    kind: String,
}

pub(crate) async fn put_devices(State(portal): State<Arc<Portal>>, request: Request) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    authorise(&portal, &parts, "devices.write")?;
    let list: DeviceList = parsed(&body(content, DEVICES_CAP_BYTES).await?)?;
    let fits = |device: &Device| {
        device.id.chars().count() <= 128 && device.name.chars().count() <= 200 && device.kind.chars().count() <= 64
    };
    if list.devices.len() > 1000 || !list.devices.iter().all(fits) {
        return Err(Problem::bad("more than 1000 devices, or a field that is too long"));
    }
    change_home(&portal, |home| {
        home.devices = list
            .devices
            .iter()
            .map(|device| json!({ "id": device.id, "name": device.name, "kind": device.kind }))
            .collect();
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

pub(crate) async fn get_requests(State(portal): State<Arc<Portal>>, request: Request) -> Result<Json<Value>, Problem> {
    authorise(&portal, &request.into_parts().0, "requests.read")?;
    let newest_first: Vec<Value> =
        portal.read(|state| state.home.service_requests.iter().rev().take(100).cloned().collect());
    Ok(Json(json!({ "requests": newest_first })))
}

#[derive(Deserialize)]
struct ServiceRequest {
    service: String,
    text: String,
    account_number: Option<String>,
}

pub(crate) async fn post_request(State(portal): State<Arc<Portal>>, request: Request) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    authorise(&portal, &parts, "requests.write")?;
    let bytes = body(content, JSON_CAP_BYTES).await?;
    let given: ServiceRequest = parsed(&bytes)?;
    if given.service.chars().count() > 64 || given.text.chars().count() > 4000 {
        return Err(Problem::bad("service or text is too long"));
    }
    once(&portal, &parts.headers, &bytes, |home| {
        let mut made = json!({
            "id": format!("s{}", home.service_requests.len() + 1),
            "service": given.service,
            "text": given.text,
            "status": "new",
        });
        if let (Some(number), Some(map)) = (given.account_number, made.as_object_mut()) {
            map.insert("account_number".into(), number.into());
        }
        home.service_requests.push(made.clone());
        Ok(made)
    })
}
