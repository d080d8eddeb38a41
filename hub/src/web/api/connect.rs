//! Connecting devices: the catalogue, what is under way, what fits a device once it is there. An access is shown in the
//! answer that issues it, and never again.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode};
use domovoi_config::catalogue::DeviceType;
use domovoi_model::{DeviceRef, Id};
use domovoi_store::CredentialCertificate;
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::devices::named;
use super::{ApiProblem, Done, MAX_BODY, safety};
use crate::audit::Note;
use crate::devices::{ConnectionView, DeviceCode, How, MakerPage, Wish};
use crate::policy::{Kind, Verb};
use crate::safety::Place;
use crate::web::{Caller, Desk, Doors, presets, rule};

/// The longest that an answer is kept waiting.
const MAX_WAIT_SECONDS: u64 = 60;

/// Connecting devices. Whoever may change what devices the home has may connect one; its access is limited to its own topics.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::{Device, Home, Safety, System};
    use Verb::{Edit, See};
    let (get, post, delete) = (&Method::GET, &Method::POST, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/catalogue", rule(See, Home), catalogue)
        .door(get, "/api/v1/connections", rule(See, System), list)
        .door(post, "/api/v1/connections", rule(Edit, Device).dangerous().deed("device.connecting"), begin)
        .door(get, "/api/v1/connections/{connection}", rule(See, System), show)
        .door(delete, "/api/v1/connections/{connection}", rule(Edit, Device).deed("device.not-connected"), cancel)
        .door(get, "/api/v1/devices/{device}/presets", rule(See, Safety), offered)
        .door(
            post,
            "/api/v1/devices/{device}/presets",
            rule(Edit, Safety).dangerous().deed("safety-rule.added"),
            add_preset,
        )
}

/// Which types are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CatalogueQuery {
    /// Words of the brand, the model or the name.
    #[serde(default)]
    text: String,
}

/// A type of devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct TypeView {
    #[serde(rename = "type")]
    pub id: String,
    pub brand: String,
    pub model: String,
    /// In the caller's language.
    pub name: String,
    /// `leak`, `valve`, `meter`, `plug`, …
    pub kind: &'static str,
    pub dialect: String,
    /// `bridge`: it joins the network of a bridge; `access`: it is given an access; `code`: it shows a code, or has a serial
    /// number and a token; `heard`: it speaks by itself.
    pub by: &'static str,
    pub measures: Vec<String>,
    /// What is to be done with the device.
    pub hint: String,
    /// What is asked for an access: `mac`, `name`, `none`.
    pub serial: &'static str,
    /// The hub can enter the access in the device's own page, given its name and password.
    pub maker_page: bool,
    pub presets: Vec<String>,
}

/// The catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueView {
    pub types: Vec<TypeView>,
}

/// The page of a maker's firmware.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakerPageForm {
    /// An address of the home, as numbers, with a port if it is not 80.
    pub address: String,
    #[serde(default)]
    pub user: String,
    #[serde(default)]
    pub password: String,
}

/// What is to be connected: a `type`, or a `code`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionForm {
    /// The text of the device's QR code.
    pub code: Option<String>,
    /// A type of the catalogue.
    #[serde(rename = "type")]
    pub device_type: Option<String>,
    /// Its hardware address, name or serial number, as the type asks.
    pub serial: Option<String>,
    /// For a type with a code: what is printed beside the code.
    pub token: Option<String>,
    /// The bridge that it joins; the only one if none is named.
    pub bridge: Option<String>,
    /// Where the hub is to enter the access itself.
    pub maker_page: Option<MakerPageForm>,
    /// What it is to be called; as it calls itself if nothing is said.
    pub name: Option<String>,
    /// Its room, by id or name.
    pub room: Option<String>,
    /// It shows a certificate of so many days instead of a password.
    #[schema(minimum = 1, maximum = 825)]
    pub certificate_days: Option<u32>,
}

/// How a connection stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionAnswer {
    pub connection: String,
    #[serde(rename = "type")]
    pub type_id: String,
    pub by: &'static str,
    pub name: Option<String>,
    pub room: Option<String>,
    pub model: Option<String>,
    /// `waiting`, `handing-over`, `not-handed-over`, `joining`, `listening`, `wrong-password`, `connected` (and silent),
    /// `gone`, `outside` (its topics), `not-understood`, `found` (to be confirmed), `done`, `expired`, `cancelled`
    pub state: &'static str,
    /// The topic, or the reason.
    pub detail: Option<String>,
    /// Devices that may be meant: …/acceptance confirms one.
    pub candidates: Vec<String>,
    /// The device that was connected.
    pub device: Option<String>,
    pub bridge: Option<String>,
    pub username: Option<String>,
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    /// Where the broker is.
    pub hosts: Vec<String>,
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
    /// For how many seconds it is still waited for.
    pub left_s: u64,
}

/// A connection that was begun.
#[derive(Serialize, ToSchema)]
pub struct ConnectionBegun {
    #[serde(flatten)]
    pub connection: ConnectionAnswer,
    /// Shown this once; not there where the device has its own token, or is told by the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Of the certificate: PEM, PKCS #8. The hub keeps no copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What is under way, and what lately was.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectionsAnswer {
    pub connections: Vec<ConnectionAnswer>,
}

/// How long an answer may take.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MovesQuery {
    /// Seconds, up to 60: the answer comes once it stands otherwise than `state`, or then.
    #[serde(default)]
    wait: u64,
    /// How it was seen last.
    #[serde(default)]
    state: String,
}

/// A preset that fits a device.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresetView {
    /// `leak-closes`, `gas-closes`, `smoke-cuts`, `frost-tells`, `closed-by-leaks`, `cut-by-smoke`
    pub preset: &'static str,
    pub property: String,
    /// What it may close or cut; one of them has to be named if there are several.
    pub others: Vec<OtherView>,
}

/// What a preset may close or cut.
#[derive(Debug, Serialize, ToSchema)]
pub struct OtherView {
    pub device: String,
    pub property: String,
    pub name: String,
}

/// Presets that fit a device.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresetsView {
    pub presets: Vec<PresetView>,
}

/// A preset that is wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetForm {
    pub preset: String,
    /// What it closes or cuts.
    pub device: Option<String>,
    #[serde(default)]
    pub property: String,
    /// What the rule is to be called.
    pub name: Option<String>,
}

impl TypeView {
    fn of(one: &DeviceType, language: domovoi_config::Language) -> Self {
        TypeView {
            id: one.id.clone(),
            brand: one.brand.clone(),
            model: one.model.clone(),
            name: one.name.of(language).to_owned(),
            kind: one.kind.code(),
            dialect: one.dialect.clone(),
            by: one.by.code(),
            measures: one.measures.clone(),
            hint: one.hint.of(language).to_owned(),
            serial: one.serial.code(),
            maker_page: one.maker.is_some(),
            presets: one.presets.clone(),
        }
    }
}

impl From<ConnectionView> for ConnectionAnswer {
    fn from(view: ConnectionView) -> Self {
        let text = |device: &DeviceRef| device.to_string();
        ConnectionAnswer {
            connection: view.id.to_string(),
            type_id: view.type_id,
            by: view.by.code(),
            name: view.wish.name,
            room: view.wish.room.map(|room| room.to_string()),
            model: view.model,
            state: view.progress.code(),
            detail: view.progress.detail().map(str::to_owned),
            candidates: view.candidates.iter().map(text).collect(),
            device: view.device.as_ref().map(text),
            bridge: view.bridge.as_ref().map(text),
            username: view.username,
            publish: view.publish,
            subscribe: view.subscribe,
            hosts: view.hosts,
            port: view.port,
            tls_port: view.tls_port,
            left_s: view.left_s,
        }
    }
}

/// The page of a maker's firmware, as it was typed.
pub fn maker_page(address: &str, user: &str, password: Secret<String>) -> Result<MakerPage, ApiProblem> {
    let wrong = || ApiProblem::invalid("the address of the device's page: numbers, like 192.168.1.20");
    let address = address.trim();
    let (address, port) = match address.parse::<std::net::SocketAddr>() {
        Ok(whole) => (whole.ip(), whole.port()),
        Err(_) => (address.parse::<std::net::IpAddr>().map_err(|_| wrong())?, 80),
    };
    let plain = |text: &str| text.len() <= 128 && !text.chars().any(char::is_control);
    if !plain(user) || !plain(password.expose()) {
        return Err(wrong());
    }
    Ok(MakerPage { address, port, user: user.to_owned(), password })
}

fn how(desk: &Desk, form: ConnectionForm) -> Result<How, ApiProblem> {
    match (form.code, form.device_type) {
        (Some(text), None) => {
            Ok(How::Code(DeviceCode::read(&text).map_err(|why| ApiProblem::invalid(why.to_string()))?))
        }
        (None, Some(id)) => {
            let bridge = form.bridge.as_deref().filter(|bridge| !bridge.is_empty());
            let page = form.maker_page.filter(|page| !page.address.is_empty());
            Ok(How::Type {
                id,
                serial: form.serial,
                token: form.token.filter(|token| !token.is_empty()).map(Secret::new),
                bridge: bridge.map(|bridge| named(desk, bridge)).transpose()?,
                maker_page: page
                    .map(|page| maker_page(&page.address, &page.user, Secret::new(page.password)))
                    .transpose()?,
            })
        }
        _ => Err(ApiProblem::invalid("either code, or type")),
    }
}

/// The types of devices that the hub knows by name, what keeps a home safe first.
#[utoipa::path(get, path = "/api/v1/catalogue", tag = "devices", params(CatalogueQuery), responses((status = 200, body = CatalogueView)))]
pub async fn catalogue(
    State(desk): State<Desk>,
    caller: Caller,
    Query(query): Query<CatalogueQuery>,
) -> Result<Json<CatalogueView>, ApiProblem> {
    let catalogue = desk.devices.catalogue()?;
    let types = catalogue.search(&query.text).into_iter().map(|one| TypeView::of(one, caller.language)).collect();
    Ok(Json(CatalogueView { types }))
}

/// Begins to connect a device. Its access is in this answer and in no other.
#[utoipa::path(post, path = "/api/v1/connections", tag = "devices", request_body = ConnectionForm, responses((status = 201, body = ConnectionBegun)))]
pub async fn begin(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Json(form): Json<ConnectionForm>,
) -> Result<(StatusCode, Json<ConnectionBegun>), ApiProblem> {
    let room = form.room.as_deref().filter(|room| !room.is_empty());
    let room = room.map(|text| {
        let room = desk.devices.find_room(text);
        room.map(|room| room.id).ok_or_else(|| ApiProblem::not_found(format!("there is no room «{text}»")))
    });
    let wish = Wish {
        name: form.name.clone().filter(|name| !name.trim().is_empty()),
        room: room.transpose()?,
        presets: Vec::new(),
    };
    let days = form.certificate_days;
    let plan = desk.devices.plan(how(&desk, form)?)?;
    let made = match days {
        Some(days) if !plan.username.is_empty() && !plan.hands_over() => {
            let issued = super::tokens::authority(&desk)?.issue_client(&plan.username, days);
            Some(issued.map_err(|why| ApiProblem::invalid(why.to_string()))?)
        }
        _ => None,
    };
    let tied = made.as_ref().map(|made| CredentialCertificate { fingerprint: made.fingerprint, ends_at: made.until });
    note.change("type", None, Some(plan.type_id.clone()));
    note.change("username", None, Some(plan.username.clone()).filter(|name| !name.is_empty()));
    let begun = desk.devices.connect(plan, wish, tied).await?;
    let mut answer = ConnectionBegun {
        connection: begun.view.into(),
        password: begun.password.map(|password| password.expose().clone()),
        certificate: None,
        key: None,
    };
    if let Some(made) = made {
        (answer.certificate, answer.key) = (Some(made.certificate), Some(made.key.expose().clone()));
    }
    Ok((StatusCode::CREATED, Json(answer)))
}

/// What is being connected, and what lately was.
#[utoipa::path(get, path = "/api/v1/connections", tag = "devices", responses((status = 200, body = ConnectionsAnswer)))]
pub async fn list(State(desk): State<Desk>) -> Json<ConnectionsAnswer> {
    Json(ConnectionsAnswer { connections: desk.devices.connections().into_iter().map(Into::into).collect() })
}

fn unknown(id: &str) -> ApiProblem {
    ApiProblem::not_found(format!("there is no connection «{id}», or none any more"))
}

/// How far one has come.
#[utoipa::path(get, path = "/api/v1/connections/{connection}", tag = "devices", params(MovesQuery), responses((status = 200, body = ConnectionAnswer)))]
pub async fn show(
    State(desk): State<Desk>,
    Path(text): Path<String>,
    Query(query): Query<MovesQuery>,
) -> Result<Json<ConnectionAnswer>, ApiProblem> {
    let id: Id = text.parse().map_err(|_| unknown(&text))?;
    let wait = Duration::from_secs(query.wait.min(MAX_WAIT_SECONDS));
    let view = desk.devices.connection_moves(id, &query.state, wait).await;
    Ok(Json(view.ok_or_else(|| unknown(&text))?.into()))
}

/// Gives one up: the access that was issued for it counts for nothing, unless its device has come.
#[utoipa::path(delete, path = "/api/v1/connections/{connection}", tag = "devices", responses((status = 200, body = Done)))]
pub async fn cancel(State(desk): State<Desk>, Path(text): Path<String>) -> Result<Json<Done>, ApiProblem> {
    let id: Id = text.parse().map_err(|_| unknown(&text))?;
    desk.devices.connection(id).ok_or_else(|| unknown(&text))?;
    desk.devices.cancel_connection(id).await?;
    Ok(Done::json())
}

/// Rules for danger that fit a device.
#[utoipa::path(get, path = "/api/v1/devices/{device}/presets", tag = "devices", responses((status = 200, body = PresetsView)))]
pub async fn offered(
    State(desk): State<Desk>,
    caller: Caller,
    Path(device): Path<String>,
) -> Result<Json<PresetsView>, ApiProblem> {
    let device = named(&desk, &device)?;
    if !super::devices::is_there_for(&desk, &caller, &device) {
        return Err(ApiProblem::not_found(format!("there is no device «{device}»")));
    }
    let view = |offer: presets::Offer| PresetView {
        preset: offer.preset,
        property: offer.place.property,
        others: offer
            .others
            .into_iter()
            .map(|(place, name)| OtherView { device: place.device.to_string(), property: place.property, name })
            .collect(),
    };
    Ok(Json(PresetsView {
        presets: presets::offers(&desk, &device, |place| safety::sees(&desk, &caller, place))
            .into_iter()
            .map(view)
            .collect(),
    }))
}

/// Adds the rule of a preset.
#[utoipa::path(post, path = "/api/v1/devices/{device}/presets", tag = "devices", request_body = PresetForm, responses((status = 201, body = safety::RuleView)))]
pub async fn add_preset(
    State(desk): State<Desk>,
    caller: Caller,
    Extension(note): Extension<Note>,
    Path(device): Path<String>,
    Json(form): Json<PresetForm>,
) -> Result<(StatusCode, Json<safety::RuleView>), ApiProblem> {
    let device = named(&desk, &device)?;
    let other = match form.device.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(Place::new(named(&desk, text)?, form.property)),
    };
    let name = form.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| form.preset.clone());
    let added =
        presets::add(&desk, &device, &form.preset, other.as_ref(), name, |place| safety::sees(&desk, &caller, place))
            .await;
    let rule = added.map_err(|why| match why {
        presets::NotAdded::Unfit => ApiProblem::invalid("this preset does not fit: …/presets says which do, with what"),
        presets::NotAdded::Safety(error) => error.into(),
    })?;
    note.change("preset", None, Some(form.preset));
    Ok((StatusCode::CREATED, Json(safety::rule_view(&rule))))
}
