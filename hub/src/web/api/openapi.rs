//! The API's description (OpenAPI 3.1), made from the code: shapes and paths from the handlers, rights and common answers
//! from the doors. It is read by programs; docs/reference/api.md is the same for people.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::problem::ApiProblem;
use super::{
    acts, alert_feeds, alerts, alerts_export, calendar, calendar_elsewhere, calendar_feeds, camera_archive,
    camera_check, camera_export, camera_film, camera_forms, camera_live, cameras, clouds, commands, connect, consents,
    consumption, contacts, devices, events, evidence, factors, history, history_export, history_import, journal, keys,
    mappings, messages, meter_keys, meters, mqtt, pairing, people, portal, presence, rights, rooms, safety,
    scenario_presets, scenarios, sessions, setup, sign_in, system, tariffs, telling, telling_ledger, telling_wishes,
    tokens,
};
use crate::policy::{Kind, Verb};
use crate::web::doors::{Door, Whose};
use crate::web::{CSRF_HEADER, Desk};

#[derive(OpenApi)]
#[openapi(
    info(title = "Domovoi", description = "The home daemon's API."),
    components(schemas(ApiProblem)),
    paths(
        meters::list,
        meters::add,
        meters::replace,
        meters::verify,
        meters::history,
        meters::submit,
        meters::submit_with_photo,
        meters::decide,
        acts::list,
        acts::show,
        acts::approve,
        acts::correct,
        acts::key,
        portal::status,
        portal::link,
        portal::unlink,
        portal::linking,
        portal::cancel,
        portal::accounts,
        portal::consent,
        portal::set_consent,
        devices::list,
        devices::inbox,
        devices::show,
        devices::edit,
        devices::accept,
        devices::forget,
        commands::give,
        commands::of_device,
        commands::show,
        commands::ask_bridge,
        commands::errand,
        connect::catalogue,
        connect::list,
        connect::begin,
        connect::show,
        connect::cancel,
        connect::offered,
        connect::add_preset,
        rooms::list,
        rooms::add,
        rooms::edit,
        rooms::remove,
        alerts::list,
        alerts::show,
        alerts::acknowledge,
        alerts::step,
        alert_feeds::feeds,
        alert_feeds::poll,
        alerts_export::csv,
        alerts_export::json,
        cameras::list,
        cameras::show,
        cameras::add,
        cameras::change,
        cameras::forget,
        cameras::archive,
        camera_check::check,
        camera_forms::search,
        camera_live::live,
        camera_live::picture,
        camera_archive::timeline,
        camera_archive::segments,
        camera_archive::index,
        camera_archive::erase,
        camera_archive::verify,
        camera_film::video,
        camera_film::still,
        camera_film::picture,
        camera_film::kept,
        camera_film::kept_picture,
        camera_export::plan,
        camera_export::export,
        camera_export::seal,
        mappings::list,
        mappings::put_several,
        mappings::show,
        mappings::put_one,
        mappings::remove,
        mappings::topics,
        mappings::trial,
        meter_keys::list,
        meter_keys::set,
        meter_keys::forget,
        consumption::list,
        consumption::show,
        consumption::bill,
        tariffs::list,
        tariffs::show,
        tariffs::add,
        tariffs::change,
        tariffs::remove,
        evidence::list,
        evidence::add,
        evidence::change,
        evidence::remove,
        evidence::show,
        evidence::csv,
        evidence::json,
        calendar::list,
        calendar::add,
        calendar::show,
        calendar::change,
        calendar::remove,
        calendar::change_occurrence,
        calendar::tick,
        calendar_feeds::list,
        calendar_feeds::make,
        calendar_feeds::revoke,
        calendar_elsewhere::list,
        calendar_elsewhere::add,
        calendar_elsewhere::look,
        calendar_elsewhere::remove,
        scenarios::list,
        scenarios::add,
        scenarios::import,
        scenarios::dry_run_of,
        scenario_presets::list,
        scenario_presets::make,
        scenarios::show,
        scenarios::change,
        scenarios::remove,
        scenarios::switch,
        scenarios::export,
        scenarios::runs_of,
        scenarios::start,
        scenarios::dry_run,
        scenarios::runs,
        scenarios::trace,
        scenarios::stop,
        presence::list,
        presence::show,
        presence::say,
        presence::track,
        presence::links,
        presence::make_link,
        presence::revoke_link,
        clouds::list,
        clouds::show,
        clouds::link,
        clouds::copied,
        clouds::cancel,
        clouds::unlink,
        clouds::look,
        clouds::start,
        messages::list,
        messages::show,
        messages::read,
        messages::outgoing,
        messages::send,
        messages::withdraw,
        safety::show,
        safety::add,
        safety::switch,
        safety::remove,
        safety::test,
        safety::test_shown,
        safety::hush,
        telling_wishes::show,
        telling_wishes::set,
        telling::list,
        telling::add,
        telling::switch,
        telling::remove,
        telling::test,
        telling::code,
        telling::channels,
        telling::household,
        telling::set_household,
        telling::house_ways,
        telling::add_house_way,
        telling::switch_house_way,
        telling::remove_house_way,
        telling::test_house_way,
        telling_ledger::inbox,
        telling_ledger::seen,
        telling_ledger::letter_seen,
        telling_ledger::of_person,
        telling_ledger::all,
        telling_ledger::why_of_person,
        telling_ledger::why,
        telling_ledger::answer,
        history::series,
        history::samples,
        history::rollups,
        history::at,
        history::change,
        history::usage,
        history_export::export,
        history_import::import,
        mqtt::list,
        mqtt::status,
        mqtt::add,
        mqtt::remove,
        system::set_secret,
        system::notices,
        system::clear_notice,
        system::doctor,
        keys::status,
        keys::rotation,
        keys::rotate,
        people::list,
        people::add,
        people::show,
        people::edit,
        people::erase,
        people::export,
        people::lock,
        people::unlock,
        people::entry_link,
        contacts::list,
        contacts::add,
        contacts::remove,
        contacts::send_code,
        contacts::confirm,
        rights::list,
        rights::give,
        rights::withdraw,
        rights::delegate,
        rights::delegations,
        rights::take_back,
        consents::list,
        consents::give,
        consents::withdraw,
        factors::list,
        factors::remove,
        factors::set_password,
        factors::judge_password,
        factors::passkey_offer,
        factors::add_passkey,
        factors::totp_offer,
        factors::add_totp,
        factors::recovery_codes,
        factors::set_pin,
        sessions::mine,
        sessions::sign_out,
        sessions::step_up,
        sessions::step_up_challenge,
        sessions::list,
        sessions::end_all,
        sessions::name,
        sessions::end,
        tokens::list,
        tokens::issue,
        tokens::end,
        tokens::certificates,
        tokens::add_certificate,
        tokens::end_certificate,
        tokens::show_authority,
        sign_in::password,
        sign_in::second_factor,
        sign_in::passkey_challenge,
        sign_in::passkey,
        sign_in::send_code,
        sign_in::code,
        sign_in::pin,
        setup::set_up,
        setup::setup_link,
        setup::enter,
        pairing::begin,
        pairing::show,
        pairing::refuse,
        pairing::approve,
        pairing::state,
        journal::search,
        journal::of_person,
        journal::export,
        journal::verify,
        events::events,
        events::live,
        openapi,
    )
)]
struct Described;

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system", responses((status = 200, body = Object)))]
pub async fn openapi(State(desk): State<Desk>) -> Response {
    static ONCE: std::sync::OnceLock<Arc<str>> = std::sync::OnceLock::new();
    let text = ONCE.get_or_init(|| document(super::doors(&desk).list()).to_string().into());
    ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}

/// The whole description of these doors.
pub fn document(doors: &[Door]) -> Value {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    // Relative: the document is read from the hub that it describes.
    document["servers"] = json!([{ "url": "/" }]);
    document["components"]["securitySchemes"] = json!({
        "session": { "type": "apiKey", "in": "cookie", "name": "__Host-domovoi",
            "description": "The session's cookie; with every change also X-CSRF-Token and an own Origin." },
        "token": { "type": "http", "scheme": "bearer", "description": "An API token of a person." },
        "certificate": { "type": "mutualTLS", "description": "A client certificate of the hub's own authority." },
    });
    for door in doors {
        let method = door.method.as_str().to_ascii_lowercase();
        let operation = &mut document["paths"][door.path][&method];
        if let Some(operation) = operation.as_object_mut() {
            let id = format!("{method} {}", door.path.trim_start_matches("/api/v1/"));
            let id: String = id.chars().filter(|c| !matches!(c, '{' | '}')).collect();
            operation.insert("operationId".into(), json!(id.replace([' ', '/', '.'], "-")));
            finish(operation, door);
        }
    }
    document
}

/// What every door has, and what its rule says.
fn finish(operation: &mut Map<String, Value>, door: &Door) {
    let threshold = door.rule.kind == Kind::Threshold;
    let security =
        if threshold { json!([{}]) } else { json!([{ "session": [] }, { "token": [] }, { "certificate": [] }]) };
    operation.insert("security".into(), security);
    operation.insert("x-rule".into(), json!(rule_in_words(door)));
    if let Some(deed) = door.rule.deed {
        operation.insert("x-deed".into(), json!(deed));
    }
    let changes = crate::web::origin::changes(&door.method);
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        for name in names_in(door.path) {
            let known = parameters.iter().any(|one| one["in"] == "path" && one["name"] == name.as_str());
            if !known {
                let kind = if name == "row" { json!({ "type": "integer", "format": "int64" }) } else { text() };
                parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": kind }));
            }
        }
        if changes && !threshold {
            parameters.push(json!({
                "name": CSRF_HEADER, "in": "header", "required": false, "schema": text(),
                "description": "The session's token; wanted where a session's cookie makes the change.",
            }));
        }
        if door.path == "/api/v1/people/{person}" && door.method == axum::http::Method::PATCH {
            parameters.push(json!({
                "name": "if-match", "in": "header", "required": true, "schema": text(),
                "description": "The ETag of what was read.",
            }));
        }
        parameters.sort_by_key(|one| (one["in"] != "path", one["name"].to_string()));
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    let problem = |what: &str| {
        json!({ "description": what, "content": {
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/ApiProblem" } } } })
    };
    for (status, what) in refusals(changes) {
        responses.entry(*status).or_insert_with(|| problem(what));
    }
    responses.entry("304").or_insert_with(|| json!({ "description": "as you have it already (If-None-Match)" }));
    if changes {
        responses.remove("304");
    }
    if door.path == "/api/v1/people/{person}" && door.method == axum::http::Method::PATCH {
        responses.insert("412".into(), problem("somebody has changed it meanwhile"));
        responses.insert("428".into(), problem("If-Match is missing"));
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

/// What each door may answer beside what it is for.
fn refusals(changes: bool) -> &'static [(&'static str, &'static str)] {
    const LOOKS: &[(&str, &str)] = &[
        ("400", "a secret in the address, or a query that cannot be read"),
        ("401", "nobody is signed in, or the token counts for nothing"),
        ("403", "the policy says no, and why"),
        ("404", "there is no such thing"),
        ("409", "not now, or not like this"),
        ("410", "this took too long: begin again"),
        ("422", "what was stated cannot be taken"),
        ("426", "this door speaks WebSocket"),
        ("429", "too many requests; see Retry-After"),
        ("500", "the hub failed; `domovoi doctor` says why"),
        ("502", "the portal, or a channel, did not answer"),
        ("507", "the disk is full"),
    ];
    const CHANGES: &[(&str, &str)] = &[
        ("400", "the body is not JSON, or a secret stands in the address"),
        ("401", "nobody is signed in, the token counts for nothing, or the factor was wrong"),
        ("403", "the policy says no, and why; or another site asked"),
        ("404", "there is no such thing"),
        ("409", "not now, or not like this"),
        ("410", "this took too long: begin again"),
        ("413", "the body is too large"),
        ("415", "the body is not declared as JSON"),
        ("422", "what was stated cannot be taken; unknown fields are named"),
        ("429", "too many requests or tries; see Retry-After"),
        ("500", "the hub failed; `domovoi doctor` says why"),
        ("502", "the portal, or a channel, did not answer"),
        ("507", "the disk is full"),
    ];
    if changes { CHANGES } else { LOOKS }
}

/// The parameters of a path.
pub fn names_in(path: &str) -> Vec<String> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_start_matches('*').to_owned())
        .collect()
}

/// A door's rule as people read it.
pub fn rule_in_words(door: &Door) -> String {
    let verb = match door.rule.verb {
        Verb::See => "see",
        Verb::Command => "command",
        Verb::Edit => "edit",
        Verb::Submit => "submit",
        Verb::Export => "export",
    };
    let whose = match door.rule.whose {
        Whose::Home => String::new(),
        Whose::Mine => ", one's own".to_owned(),
        Whose::Of(name) => format!(" of {{{name}}}"),
    };
    let shown = if door.rule.dangerous { "; a factor shown lately" } else { "" };
    if door.rule.kind == Kind::Threshold {
        return "anybody".to_owned();
    }
    format!("{verb} {}{whose}{shown}", door.rule.kind.code())
}
