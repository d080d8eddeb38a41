//! Connecting a device, step by step: what it is, how it gets its access, whether it has come. An access is on the page that
//! issues it and on no other.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use domovoi_config::catalogue::{DeviceKind, DeviceType};
use domovoi_model::Id;
use domovoi_vault::Secret;

use super::devices::{path_of, room_in, rooms};
use super::form::Form;
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, page, shown, wrong};
use crate::audit::Note;
use crate::devices::{CodeError, ConnectionView, DeviceCode, DevicesError, How, Wish};
use crate::web::Desk;
use crate::web::api::maker_page;

/// A type as the list shows it.
struct TypeLine {
    id: String,
    title: String,
    name: String,
}

struct KindGroup {
    words: String,
    types: Vec<TypeLine>,
}

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectPage {
    v: View,
    trouble: Trouble,
    text: String,
    code: String,
    groups: Vec<KindGroup>,
    waiting: usize,
    under_way: Vec<(String, String, String)>,
    rooms: Vec<(String, String, bool)>,
}

#[derive(Template)]
#[template(path = "connect-type.html")]
struct TypePage {
    v: View,
    trouble: Trouble,
    id: String,
    title: String,
    hint: String,
    by: &'static str,
    serial: &'static str,
    maker: bool,
    bridges: Vec<(String, String)>,
    rooms: Vec<(String, String, bool)>,
    typed_serial: String,
    typed_name: String,
    typed_address: String,
}

/// A device that may be meant.
struct Candidate {
    device: String,
    name: String,
    model: Option<String>,
}

#[derive(Template)]
#[template(path = "connection.html")]
struct ConnectionPage {
    v: View,
    id: String,
    title: String,
    hint: String,
    state: &'static str,
    state_words: String,
    over: bool,
    /// Something is wrong, and the person can do something about it.
    bad: bool,
    access: Option<Access>,
    candidates: Vec<Candidate>,
    device: Option<String>,
    rooms: Vec<(String, String, bool)>,
    name: String,
    bridge: bool,
}

/// What a person enters into the device.
struct Access {
    hosts: Vec<String>,
    port: String,
    tls_port: String,
    username: String,
    password: String,
    publish: Vec<String>,
    subscribe: Vec<String>,
}

fn title(view: &View, one: &DeviceType) -> String {
    let name = one.name.of(view.language());
    let box_words = format!("{} {}", one.brand, one.model);
    let box_words = box_words.trim();
    if box_words.is_empty() { name.to_owned() } else { format!("{name}, {box_words}") }
}

fn kind_words(view: &View, kind: DeviceKind) -> String {
    view.t(match kind {
        DeviceKind::Leak => "page-kind-leak",
        DeviceKind::Smoke => "page-kind-smoke",
        DeviceKind::Gas => "page-kind-gas",
        DeviceKind::Valve => "page-kind-valve",
        DeviceKind::Siren => "page-kind-siren",
        DeviceKind::Plug => "page-kind-plug",
        DeviceKind::Lamp => "page-kind-lamp",
        DeviceKind::Climate => "page-kind-climate",
        DeviceKind::Heating => "page-kind-heating",
        DeviceKind::Contact => "page-kind-contact",
        DeviceKind::Motion => "page-kind-motion",
        DeviceKind::Button => "page-kind-button",
        DeviceKind::Cover => "page-kind-cover",
        DeviceKind::Lock => "page-kind-lock",
        DeviceKind::Meter => "page-kind-meter",
        DeviceKind::Board => "page-kind-board",
        DeviceKind::Bridge => "page-kind-bridge",
    })
}

fn connect_page(desk: &Desk, view: View, text: &str) -> Result<ConnectPage, Fault> {
    use crate::devices::Standing;
    let catalogue = desk.devices.catalogue()?;
    let found = catalogue.search(text);
    let mut groups: Vec<KindGroup> = Vec::new();
    for (_, kind) in DeviceKind::ALL {
        let line = |one: &&DeviceType| TypeLine {
            id: one.id.clone(),
            title: format!("{} {}", one.brand, one.model).trim().to_owned(),
            name: one.name.of(view.language()).to_owned(),
        };
        let types: Vec<TypeLine> = found.iter().filter(|one| one.kind == kind).map(line).collect();
        if !types.is_empty() {
            groups.push(KindGroup { words: kind_words(&view, kind), types });
        }
    }
    let all = desk.devices.list();
    let waiting = all.iter().filter(|device| Standing::of(&device.card) == Standing::Waiting).count();
    let under_way = desk.devices.connections().into_iter().filter(|one| !one.progress.is_over());
    let under_way = under_way
        .map(|one| {
            let named = catalogue.find(&one.type_id).map(|one| title(&view, one)).unwrap_or_default();
            (one.id.to_string(), one.wish.name.clone().unwrap_or(named), progress_words(&view, &one))
        })
        .collect();
    Ok(ConnectPage {
        trouble: Trouble::default(),
        text: text.to_owned(),
        code: String::new(),
        groups,
        waiting,
        under_way,
        rooms: rooms(desk, None),
        v: view,
    })
}

fn progress_words(view: &View, one: &ConnectionView) -> String {
    let detail = one.progress.detail().unwrap_or_default();
    match one.progress.code() {
        "handing-over" => view.t("page-progress-handing-over"),
        "not-handed-over" => view.t1("page-progress-not-handed-over", "why", detail),
        "waiting" => view.t("page-progress-waiting"),
        "joining" => view.t("page-progress-joining"),
        "listening" => view.t("page-progress-listening"),
        "wrong-password" => view.t("page-progress-wrong-password"),
        "connected" => view.t("page-progress-connected"),
        "gone" => view.t("page-progress-gone"),
        "outside" => view.t1("page-progress-outside", "topic", detail),
        "not-understood" => view.t1("page-progress-not-understood", "topic", detail),
        "found" => view.t("page-progress-found"),
        "done" => view.t("page-progress-done"),
        "expired" => view.t("page-progress-expired"),
        _ => view.t("page-progress-cancelled"),
    }
}

/// One field of a query.
fn asked(query: Option<&str>, name: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.chars().take(200).collect()).unwrap_or_default()
}

pub async fn show(State(desk): State<Desk>, view: View, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    Ok(shown(&connect_page(&desk, view, &asked(query.as_deref(), "text"))?))
}

/// Looks for a code in a photo, and shows what it says: nothing is connected yet.
pub async fn picture(State(desk): State<Desk>, view: View, mut form: Form) -> Result<Response, Fault> {
    let found = match form.take_file() {
        None => Err(view.t("page-connect-photo-missing")),
        Some(bytes) => {
            let looked = tokio::task::spawn_blocking(move || DeviceCode::text_in_picture(&bytes)).await;
            looked.ok().and_then(Result::ok).ok_or_else(|| view.t("page-connect-photo-wrong"))
        }
    };
    let mut page = connect_page(&desk, view, "")?;
    match found {
        Ok(code) => {
            page.code = code;
            Ok(shown(&page))
        }
        Err(words) => {
            page.trouble.add("photo", words);
            Ok(wrong(&page))
        }
    }
}

fn type_page(desk: &Desk, view: View, id: &str) -> Result<TypePage, Fault> {
    let one = desk.devices.catalogue()?.find(id).ok_or(Fault::NotFound)?;
    let bridges = desk.devices.bridges(&one.dialect).into_iter().map(|bridge| {
        let name = desk.devices.show(&bridge).map_or_else(|| bridge.to_string(), |view| view.name);
        (bridge.to_string(), name)
    });
    Ok(TypePage {
        trouble: Trouble::default(),
        id: one.id.clone(),
        title: title(&view, one),
        hint: one.hint.of(view.language()).to_owned(),
        by: one.by.code(),
        serial: one.serial.code(),
        maker: one.maker.is_some(),
        bridges: bridges.collect(),
        rooms: rooms(desk, None),
        typed_serial: String::new(),
        typed_name: String::new(),
        typed_address: String::new(),
        v: view,
    })
}

pub async fn show_type(State(desk): State<Desk>, view: View, Path(id): Path<String>) -> Result<Response, Fault> {
    Ok(shown(&type_page(&desk, view, &id)?))
}

fn connection_page(desk: &Desk, view: View, one: ConnectionView, password: Option<Secret<String>>) -> ConnectionPage {
    let known = desk.devices.catalogue().ok().and_then(|catalogue| catalogue.find(&one.type_id));
    let candidate = |device: &domovoi_model::DeviceRef| {
        let view = desk.devices.show(device)?;
        let model = view.announcement.as_ref().and_then(|known| known.model.clone());
        Some(Candidate { device: device.to_string(), name: view.name, model })
    };
    let access = password.map(|password| Access {
        hosts: one.hosts.clone(),
        port: one.port.map(|port| port.to_string()).unwrap_or_default(),
        tls_port: one.tls_port.map(|port| port.to_string()).unwrap_or_default(),
        username: one.username.clone().unwrap_or_default(),
        password: password.expose().clone(),
        publish: one.publish.clone(),
        subscribe: one.subscribe.clone(),
    });
    let state = one.progress.code();
    ConnectionPage {
        id: one.id.to_string(),
        title: known.map(|known| title(&view, known)).unwrap_or_default(),
        hint: known.map(|known| known.hint.of(view.language()).to_owned()).unwrap_or_default(),
        state,
        state_words: progress_words(&view, &one),
        over: one.progress.is_over(),
        bad: matches!(state, "wrong-password" | "outside" | "not-understood" | "not-handed-over" | "expired"),
        access,
        candidates: one.candidates.iter().filter_map(candidate).collect(),
        device: one.device.as_ref().map(|device| path_of(&device.to_string())),
        rooms: rooms(desk, one.wish.room),
        name: one.wish.name.clone().unwrap_or_default(),
        bridge: one.device.is_none(),
        v: view,
    }
}

/// Begins: by a code or by a type.
pub async fn begin(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    form: Form,
) -> Result<Response, Fault> {
    let id = form.text("type").to_owned();
    let field = if id.is_empty() { "code" } else { "serial" };
    let how = if id.is_empty() {
        DeviceCode::read(form.text("code")).map(How::Code).map_err(|why| ("code", code_words(&view, &why)))
    } else {
        let page = match form.text("address") {
            "" => Ok(None),
            address => {
                let read = maker_page(address, form.text("user"), form.secret("maker"));
                read.map(Some).map_err(|_| ("address", view.t("page-connect-address-wrong")))
            }
        };
        page.map(|maker_page| How::Type {
            id: id.clone(),
            serial: Some(form.text("serial").to_owned()),
            token: Some(form.secret("token")).filter(|token| !token.expose().trim().is_empty()),
            bridge: desk.devices.find(form.text("bridge")),
            maker_page,
        })
    };
    let name = Some(form.text("name").to_owned()).filter(|name| !name.is_empty());
    let wish = Wish { name, room: room_in(&desk, form.text("room"))?, presets: Vec::new() };
    let begun = match how {
        Err(wrong) => Err(wrong),
        Ok(how) => match desk.devices.plan(how) {
            Err(error) => Err((field, told(&desk, &view, &id, error)?)),
            Ok(plan) => {
                note.change("type", None, Some(plan.type_id.clone()));
                note.change("username", None, Some(plan.username.clone()).filter(|name| !name.is_empty()));
                match desk.devices.connect(plan, wish, None).await {
                    Err(error) => Err((field, told(&desk, &view, &id, error)?)),
                    Ok(begun) => Ok(begun),
                }
            }
        },
    };
    match begun {
        // What is shown once cannot be behind a redirect.
        Ok(begun) if begun.password.is_some() => {
            let made = connection_page(&desk, view, begun.view, begun.password);
            Ok(page(axum::http::StatusCode::CREATED, &made))
        }
        Ok(begun) => Ok(go(&format!("/connections/{}", begun.view.id))),
        Err((field, words)) if id.is_empty() => {
            let mut page = connect_page(&desk, view, "")?;
            form.text("code").chars().take(3000).collect::<String>().clone_into(&mut page.code);
            page.trouble = Trouble::at(field, words);
            Ok(wrong(&page))
        }
        Err((field, words)) => {
            let mut page = type_page(&desk, view, &id)?;
            form.text("serial").clone_into(&mut page.typed_serial);
            form.text("name").clone_into(&mut page.typed_name);
            form.text("address").clone_into(&mut page.typed_address);
            page.trouble = Trouble::at(field, words);
            Ok(wrong(&page))
        }
    }
}

/// What is wrong with a code.
fn code_words(view: &View, why: &CodeError) -> String {
    match why {
        CodeError::Foreign => view.t("page-connect-code-foreign"),
        CodeError::Version(version) => view.t1("page-connect-code-version", "version", version),
        CodeError::Weak => view.t("page-connect-number-wrong"),
        CodeError::NoPicture | CodeError::NotFound => view.t("page-connect-photo-wrong"),
        CodeError::Damaged(why) => view.t1("page-connect-code-damaged", "why", why),
    }
}

/// What a person can mend, in words; the rest is a fault of the page.
fn told(desk: &Desk, view: &View, id: &str, error: DevicesError) -> Result<String, Fault> {
    let why = match error {
        DevicesError::Invalid(why) => why,
        DevicesError::Conflict(why) => return Ok(view.t1("page-connect-conflict", "why", why)),
        error => return Err(error.into()),
    };
    let known = desk.devices.catalogue()?.find(id).map(|one| (one.by.code(), one.serial.code()));
    Ok(match known {
        None => view.t1("page-connect-code-refused", "why", why),
        Some(("code", _)) => view.t("page-connect-number-wrong"),
        Some((_, "mac")) => view.t("page-connect-mac-wrong"),
        Some((_, "name")) => view.t("page-connect-node-wrong"),
        Some(_) => view.t1("page-connect-conflict", "why", why),
    })
}

fn found(desk: &Desk, id: &str) -> Result<ConnectionView, Fault> {
    let id: Id = id.parse().map_err(|_| Fault::NotFound)?;
    desk.devices.connection(id).ok_or(Fault::NotFound)
}

pub async fn show_connection(State(desk): State<Desk>, view: View, Path(id): Path<String>) -> Result<Response, Fault> {
    let one = found(&desk, &id)?;
    Ok(shown(&connection_page(&desk, view, one, None)))
}

pub async fn cancel(State(desk): State<Desk>, Path(id): Path<String>, _form: Form) -> Result<Response, Fault> {
    let one = found(&desk, &id)?;
    desk.devices.cancel_connection(one.id).await?;
    Ok(go("/connect"))
}

/// Confirms which device is meant, where somebody has to say that.
pub async fn confirm(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let one = found(&desk, &id)?;
    let device =
        one.candidates.iter().find(|device| device.to_string() == form.text("device")).ok_or(Fault::NotFound)?;
    let name = Some(form.text("name").to_owned()).filter(|name| !name.is_empty());
    let wish = Wish { name, room: room_in(&desk, form.text("room"))?, presets: Vec::new() };
    let card = desk.devices.accept(device, wish).await?;
    note.change("device", None, Some(device.to_string()));
    note.change("name", None, card.name);
    desk.devices.connection_found(one.id, device);
    Ok(go(&format!("/devices/{}?new", path_of(&device.to_string()))))
}
