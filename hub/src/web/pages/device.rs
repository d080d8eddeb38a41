//! One device: everything that it says, what it can be told, what became of what it was told, its name and room, rules that
//! fit it. That it is thought to be out of reach keeps nobody from trying.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use domovoi_adapters::{Contest, Contested, Owner};
use domovoi_model::{Command, CommandTarget, DeviceRef, Timestamp};
use std::time::Duration;

use super::devices::{path_of, room_in, rooms};
use super::form::Form;
use super::refusal::Fault;
use super::safety::sees;
use super::trouble::Trouble;
use super::value::{self, Control, PropertyRow};
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::devices::{Asker, Changes, DeviceView, Forget, Refused, Standing};
use crate::policy::{Decision, Kind, Object, Refusal, Verb, decide};
use crate::safety::Place;
use crate::web::{Caller, Desk, presets};

/// Most devices answer within this; whoever has no scripts then sees it at once.
const QUICK: Duration = Duration::from_millis(1200);

/// How many of the last commands are shown.
const LIVES: usize = 5;

/// A command, and how far it has come.
struct Life {
    words: String,
    state: &'static str,
    state_words: String,
    why: Option<String>,
    at: Option<Timestamp>,
    who_waits: Option<String>,
}

/// A rule that fits it.
struct Offered {
    preset: &'static str,
    words: String,
    others: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "one-device.html")]
struct DevicePage {
    v: View,
    trouble: Trouble,
    path: String,
    device: String,
    name: String,
    own_name: Option<String>,
    room: Option<String>,
    model: Option<String>,
    via: Option<(String, String)>,
    accepted: bool,
    new: bool,
    reachable: Option<bool>,
    sleeps: bool,
    /// What others say of it, which is not believed.
    contested: Vec<String>,
    /// It takes its commands elsewhere since it was accepted: where.
    moved: Option<String>,
    heard: Option<Timestamp>,
    main: Vec<PropertyRow>,
    settings: Vec<PropertyRow>,
    diagnostics: Vec<PropertyRow>,
    lives: Vec<Life>,
    offers: Vec<Offered>,
    rooms: Vec<(String, String, bool)>,
    edits: bool,
}

fn seen(desk: &Desk, view: &View, text: &str) -> Result<DeviceView, Fault> {
    let device = desk.devices.find(text).and_then(|device| desk.devices.show(&device)).ok_or(Fault::NotFound)?;
    let may = |property: Option<&str>| view.may(Verb::See, &desk.devices.object(device.device(), property));
    let any = may(None) || device.properties.iter().any(|property| may(Some(&property.state.property)));
    any.then_some(device).ok_or(Fault::NotFound)
}

async fn device_page(desk: &Desk, view: View, text: &str) -> Result<DevicePage, Fault> {
    let device = seen(desk, &view, text)?;
    let reference = device.device().clone();
    let accepted = Standing::of(&device.card) == Standing::Accepted;
    let rows = device.properties.iter().filter_map(|property| value::row(desk, &view, &device, property));
    let mut rows: Vec<PropertyRow> = rows.collect();
    if !accepted {
        rows.iter_mut().for_each(|row| row.control = Control::None);
    }
    let (mut main, mut settings, mut diagnostics) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match (row.setting, row.diagnostic) {
            (true, _) => settings.push(row),
            (_, true) => diagnostics.push(row),
            _ => main.push(row),
        }
    }
    main.sort_by_key(|row| !row.alarm);
    let edits = view.may(Verb::Edit, &Object { dangerous: false, ..desk.devices.object(&reference, None) });
    let rules = accepted && view.may(Verb::Edit, &Object::all(Kind::Safety));
    let offers = if rules { presets::offers(desk, &reference, |place| sees(desk, &view, place)) } else { Vec::new() };
    let offers = offers
        .into_iter()
        .map(|offer| Offered {
            preset: offer.preset,
            words: preset_words(&view, offer.preset),
            others: offer
                .others
                .into_iter()
                .map(|(place, name)| (format!("{}|{}", place.device, place.property), name))
                .collect(),
        })
        .collect();
    let known = device.announcement.as_ref();
    let via = known.and_then(|known| known.via.as_ref()).map(|via| {
        let name = desk.devices.show(via).map_or_else(|| via.to_string(), |view| view.name);
        (path_of(&via.to_string()), name)
    });
    let room = device.card.room.and_then(|id| desk.devices.rooms().into_iter().find(|room| room.id == id));
    Ok(DevicePage {
        trouble: Trouble::default(),
        path: path_of(&reference.to_string()),
        device: reference.to_string(),
        own_name: known.and_then(|known| known.name.clone().or_else(|| known.alias.clone())),
        room: room.map(|room| room.name),
        model: known.and_then(|known| known.model.clone()),
        via,
        accepted,
        new: false,
        reachable: device.reachable,
        sleeps: known.is_some_and(|known| known.sleeps),
        contested: if edits { contested(&view, &device.contested) } else { Vec::new() },
        moved: None,
        heard: device.heard_at.and_then(|at| at.wall()),
        lives: lives(desk, &view, &reference, &device),
        main,
        settings,
        diagnostics,
        offers,
        rooms: rooms(desk, device.card.room),
        edits,
        name: device.name,
        v: view,
    })
}

/// What others say of it, in words; who may not change it cannot do anything about it either.
fn contested(view: &View, contests: &[Contest]) -> Vec<String> {
    let words = |contest: &Contest| {
        let who = match &contest.by {
            Owner::Nobody => view.t("page-contest-somebody"),
            Owner::Link => view.t("page-contest-link"),
            Owner::Cloud => view.t("page-contest-cloud"),
            Owner::Credential(username) => view.t1("page-contest-access", "name", username),
        };
        let key = match contest.what {
            Contested::Device => return view.t1("page-contest-device", "who", who),
            Contested::Quota => return view.t1("page-contest-quota", "who", who),
            Contested::Topic => "page-contest-topic",
            Contested::NotAllowed => "page-contest-not-allowed",
            Contested::Foreign => "page-contest-foreign",
        };
        view.t2(key, "who", who, "topic", &contest.at)
    };
    contests.iter().map(words).collect()
}

/// Why it was told nothing.
fn refused_words(view: &View, refused: &Refused) -> String {
    match refused {
        Refused::NotAccepted(_) => view.t("page-device-waits"),
        Refused::AcceptAgain(_, topic) => view.t1("page-command-accept-again", "topic", topic),
        Refused::TooMany => view.t("page-command-too-many"),
        Refused::NoDevice(_) | Refused::Cannot(_) => view.t1("page-command-not-given", "why", refused),
    }
}

fn preset_words(view: &View, preset: &str) -> String {
    view.t(match preset {
        "leak-closes" => "page-preset-leak-closes",
        "gas-closes" => "page-preset-gas-closes",
        "smoke-cuts" => "page-preset-smoke-cuts",
        "frost-tells" => "page-preset-frost-tells",
        "closed-by-leaks" => "page-preset-closed-by-leaks",
        _ => "page-preset-cut-by-smoke",
    })
}

fn lives(desk: &Desk, view: &View, device: &DeviceRef, shown: &DeviceView) -> Vec<Life> {
    let all = desk.devices.lives_of(device);
    let may = |property: &str| view.may(Verb::See, &desk.devices.object(device, Some(property)));
    let seen = all.iter().filter(|life| may(&life.command.target.property)).take(LIVES);
    seen.map(|life| {
        let property = &life.command.target.property;
        let info = shown.properties.iter().find(|one| one.state.property == *property);
        let info = info.and_then(|one| one.info.as_ref());
        let value = value::words(view, &life.command.value, info);
        let state = life.state.code();
        Life {
            words: format!("{}: {value}", value::label(view, property, info)),
            state,
            state_words: view.t(match state {
                "sent" => "page-command-sent",
                "confirmed" => "page-command-confirmed",
                "timed-out" => "page-command-timed-out",
                "refused" => "page-command-refused",
                "superseded" => "page-command-superseded",
                _ => "page-command-unconfirmable",
            }),
            why: life.why.clone(),
            at: life.at.wall(),
            who_waits: (state == "sent" && life.sleeps).then(|| view.t("page-device-sleeps")),
        }
    })
    .collect()
}

pub async fn show(
    State(desk): State<Desk>,
    view: View,
    Path(device): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let mut page = device_page(&desk, view, &device).await?;
    page.new = query.as_deref() == Some("new");
    Ok(shown(&page))
}

/// Tells it something. The policy is asked about the very property and the danger of the very value.
pub async fn command(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Path(text): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let device = desk.devices.find(&text).ok_or(Fault::NotFound)?;
    let property = form.text("property").to_owned();
    let value = desk.devices.read_value(&device, &property, form.text("value"));
    let command = Command { target: CommandTarget { device: device.clone(), property: property.clone() }, value };
    let mut object = desk.devices.object(&device, Some(&property));
    object.dangerous = desk.devices.is_dangerous(&command);
    if let Decision::Refuse(refusal) = decide(&caller.who, Verb::Command, &object, desk.now()) {
        desk.journal.note(caller.refused("device.commanded", (Kind::Device, device.to_string()), &refusal)).await;
        return if refusal == Refusal::StepUp { Ok(go("/step-up")) } else { Err(Fault::Refused(refusal)) };
    }
    let asker = Asker { actor: caller.actor(), origin: caller.origin.clone() };
    let back = match form.text("back") {
        "list" => "/devices".to_owned(),
        _ => format!("/devices/{}", path_of(&device.to_string())),
    };
    match desk.devices.command(asker, command) {
        Ok(life) => {
            // Time ran out: the page says that the device's word is still awaited.
            let _ = desk.devices.outcome(life.id, QUICK).await;
            Ok(go(&back))
        }
        Err(refused) => {
            let mut page = device_page(&desk, view, &text).await?;
            let field = format!("set-{}-row", property.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-"));
            page.trouble.add(&field, refused_words(&page.v, &refused));
            if let Refused::AcceptAgain(_, topic) = refused {
                page.moved = Some(topic);
            }
            Ok(wrong(&page))
        }
    }
}

/// Its name and its room.
pub async fn edit(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(text): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let device = desk.devices.find(&text).ok_or(Fault::NotFound)?;
    let changes = Changes {
        name: Some(form.text("name").to_owned()),
        room: Some(room_in(&desk, form.text("room"))?),
        ..Changes::default()
    };
    if desk.devices.is_dangerous_change(&device, &changes)
        && let Some(way) = view.surely(Verb::Edit, &desk.devices.object(&device, None).dangerous())?
    {
        return Ok(way);
    }
    match desk.devices.edit(&device, changes).await {
        Ok((now, before)) => {
            if now.name != before.name {
                note.change("name", before.name, now.name);
            }
            Ok(go(&format!("/devices/{}", path_of(&device.to_string()))))
        }
        Err(crate::devices::DevicesError::Invalid(_)) => {
            let mut page = device_page(&desk, view, &text).await?;
            page.trouble.add("name", page.v.t("page-device-name-wrong"));
            Ok(wrong(&page))
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn forget(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    Path(text): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let device = desk.devices.find(&text).ok_or(Fault::NotFound)?;
    let gone = desk.devices.forget(&device, Forget { history: form.is("erase"), leave: form.is("leave") }).await?;
    note.change("name", gone.card.name, None);
    note.change("credential", gone.credential, None);
    Ok(go("/devices"))
}

/// Adds a rule that fits it.
pub async fn add_preset(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(text): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let device = desk.devices.find(&text).ok_or(Fault::NotFound)?;
    let preset = form.text("preset").to_owned();
    let other = form
        .text("other")
        .rsplit_once('|')
        .and_then(|(device, property)| Some(Place::new(DeviceRef::parse(device)?, property)));
    let name = seen(&desk, &view, &text)?.name;
    let name = format!("{name}: {}", preset_words(&view, &preset));
    match presets::add(&desk, &device, &preset, other.as_ref(), name, |place| sees(&desk, &view, place)).await {
        Ok(_) => {
            note.change("preset", None, Some(preset));
            Ok(go("/safety"))
        }
        Err(why) => {
            let mut page = device_page(&desk, view, &text).await?;
            let words = match why {
                presets::NotAdded::Unfit => page.v.t("page-preset-unfit"),
                presets::NotAdded::Safety(error) => error.to_string(),
            };
            page.trouble.add("presets", words);
            Ok(wrong(&page))
        }
    }
}
