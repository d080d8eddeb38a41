//! The device grant's front half (RFC 8628 3.1–3.3): codes for the hub, a page for the citizen. Polling is in `token`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    form, granted_scopes,
    grants::{Decision, DeviceCode, new_user_code, shown_user_code},
    pages, parameters, refuse, unavailable,
};
use crate::portal::{Portal, jose::random_token, jose::sha256_hex};

/// Waiting codes beyond this push out the oldest.
const DEVICE_CODES_KEPT: usize = 200;

pub(crate) async fn device_authorization(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    let form = match form(request.into_body()).await {
        Ok(form) => form,
        Err(response) => return *response,
    };
    let Some(client_id) = form.get("client_id").filter(|id| portal.settings.client_ids.contains(id)) else {
        return refuse("invalid_client", "nobody registered this client_id");
    };
    let scopes = match granted_scopes(&portal, form.get("scope")) {
        Ok(scopes) => scopes,
        Err(why) => return refuse("invalid_scope", why),
    };
    let (device_code, user_code) = (random_token(), new_user_code());
    let expires_in = portal.settings.lifetimes.device_code_s;
    let entry = DeviceCode {
        code_sha256: sha256_hex(&device_code),
        user_code: user_code.clone(),
        client_id: client_id.clone(),
        scopes,
        expires_ms: portal.now_ms() + expires_in * 1000,
        interval_s: portal.settings.poll_interval_s,
        decision: Decision::Pending,
        polls: 0,
        grant_id: None,
        last_poll: None,
    };
    let kept = portal.update_oauth(|oauth| {
        oauth.devices.push(entry);
        let excess = oauth.devices.len().saturating_sub(DEVICE_CODES_KEPT);
        oauth.devices.drain(..excess);
    });
    if let Err(error) = kept {
        return unavailable(&error);
    }
    let shown = shown_user_code(&user_code);
    portal.tell(format!("a device asks for a link; its code is {shown}"));
    let page = format!("{}/oauth/device", portal.base_url);
    Json(serde_json::json!({
        "device_code": device_code,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={shown}"),
        "expires_in": expires_in,
        "interval": portal.settings.poll_interval_s,
    }))
    .into_response()
}

pub(crate) async fn page(State(portal): State<Arc<Portal>>, RawQuery(query): RawQuery) -> Response {
    let query = parameters(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let Some(typed) = query.get("user_code") else {
        return pages::ask_for_code("Введите код, который показывает хаб.");
    };
    let now = portal.now_ms();
    let found = portal.update(|state| {
        let device = state.oauth.device_by_user_code(typed)?;
        (device.decision == Decision::Pending && device.expires_ms > now)
            .then(|| (device.client_id.clone(), device.scopes.clone(), shown_user_code(&device.user_code)))
    });
    match found {
        Some((client, scopes, code)) => {
            pages::consent(&client, &scopes, Some(&code), "/oauth/device", ("user_code", &code))
        }
        None => pages::ask_for_code("Такого кода нет, или его время вышло. / No such code, or it has expired."),
    }
}

pub(crate) async fn decide(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    let form = match form(request.into_body()).await {
        Ok(form) => form,
        Err(response) => return *response,
    };
    let (Some(code), Some(decision)) = (form.get("user_code"), form.get("decision")) else {
        return pages::page(StatusCode::BAD_REQUEST, "Не понял", "<p>Нет кода или решения.</p>");
    };
    match portal.decide(code, decision == "allow") {
        Ok(true) if decision == "allow" => {
            pages::page(StatusCode::OK, "Готово", "<p>Доступ разрешён. Вернитесь к устройству. / Allowed.</p>")
        }
        Ok(true) => pages::page(StatusCode::OK, "Готово", "<p>Доступ не разрешён. / Denied.</p>"),
        Ok(false) => pages::ask_for_code("Такого кода нет, или его время вышло. / No such code, or it has expired."),
        Err(error) => pages::page(
            StatusCode::SERVICE_UNAVAILABLE,
            "Не получилось",
            &format!("<p>{}</p>", pages::escaped(&error.to_string())),
        ),
    }
}
