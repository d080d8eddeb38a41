//! Who is at home: everybody of whom the reader may know, two large buttons for oneself; and on a page of each person by
//! what the person is seen, how long «quiet» is, and secret addresses for the phone.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use domovoi_model::{Id, PersonId, Timestamp};

use super::form::Form;
use super::picks::{self, PickGroup};
use super::refusal::Fault;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::policy::{Kind, Verb};
use crate::presence::{By, Hand, Meaning, PresenceError, PresenceView};
use crate::web::api::presence::{self as api, TrackerForm};
use crate::web::{Caller, Desk, Doors, Of, rule};

/// The doors of presence. The rules are those of the same doors of the API.
pub fn doors(desk: &Desk, most: usize) -> Doors {
    use axum::http::Method;
    let (get, post) = (&Method::GET, &Method::POST);
    let of = |verb| rule(verb, Kind::Presence).of("person");
    let edit = of(Verb::Edit).deed("presence.trackers-set");
    Doors::new(desk, most)
        .door(get, "/presence", rule(Verb::See, Kind::Home), list)
        .door(get, "/presence/{person}", of(Verb::See), show)
        .door(post, "/presence/{person}/say", of(Verb::Command).deed("presence.said"), say)
        .door(post, "/presence/{person}/trackers", edit, add_tracker)
        .door(post, "/presence/{person}/trackers/remove", edit, remove_tracker)
        .door(post, "/presence/{person}/quiet", edit, set_quiet)
        .door(post, "/presence/{person}/links", of(Verb::Edit).dangerous().deed("presence-link.made"), make_link)
        .door(
            post,
            "/presence/{person}/links/{link}/revoke",
            of(Verb::Edit).which("link").deed("presence-link.revoked"),
            revoke_link,
        )
}

struct Line {
    id: String,
    name: String,
    words: String,
    home: Option<bool>,
    since: Option<Timestamp>,
    turning_minutes: Option<u64>,
}

#[derive(Template)]
#[template(path = "presence.html")]
struct PresencePage {
    v: View,
    people: Vec<Line>,
    /// The one who looks, where that person may say something.
    me: Option<Line>,
    said: bool,
}

struct TrackerLine {
    device: String,
    property: String,
    means: String,
}

struct LinkLine {
    id: String,
    label: String,
    used: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "presence-person.html")]
struct PersonPage {
    v: View,
    trouble: Trouble,
    line: Line,
    said: bool,
    says: bool,
    edits: bool,
    trackers: Vec<TrackerLine>,
    picks: Vec<PickGroup>,
    quiet: String,
    usual: u64,
    links: Vec<LinkLine>,
    made: Option<String>,
}

fn line(desk: &Desk, view: &View, one: &PresenceView) -> Line {
    Line {
        id: one.person.to_string(),
        name: desk.people.get(one.person).map(|person| person.name).unwrap_or_default(),
        words: api::in_words(one, view.language()),
        home: one.home,
        since: one.since,
        turning_minutes: one.turning.map(|(_, left)| left.as_secs().div_ceil(60)),
    }
}

pub async fn list(State(desk): State<Desk>, view: View) -> Response {
    let mine = view.me.as_ref().map(|me| me.id).filter(|id| view.may(Verb::Command, &api::object(&desk, *id)));
    let me = mine.map(|id| desk.presence.of(id));
    let all = desk.presence.list();
    let people = all.iter().filter(|one| view.may(Verb::See, &api::object(&desk, one.person)));
    shown(&PresencePage {
        people: people.map(|one| line(&desk, &view, one)).collect(),
        said: me.as_ref().is_some_and(|me| me.hand.is_some()),
        me: me.as_ref().map(|one| line(&desk, &view, one)),
        v: view,
    })
}

fn person_page(desk: &Desk, view: View, person: PersonId) -> PersonPage {
    let one = desk.presence.of(person);
    let object = api::object(desk, person);
    let edits = view.may(Verb::Edit, &object);
    let name = |device: &domovoi_model::DeviceRef| {
        desk.devices.show(device).map_or_else(|| device.to_string(), |shown| shown.name)
    };
    let means = |home: &Meaning| match home {
        Meaning::Is(words) => words.join(", "),
        Meaning::Below(most) => format!("< {}", view.number(most)),
        Meaning::Above(least) => format!("> {}", view.number(least)),
    };
    let tracker = |seen: &crate::presence::Seen| TrackerLine {
        device: name(&seen.tracker.device),
        property: seen.tracker.property.clone(),
        means: means(&seen.tracker.home),
    };
    let link =
        |link: crate::presence::LinkView| LinkLine { id: link.id.to_string(), label: link.label, used: link.used_on };
    PersonPage {
        trouble: Trouble::default(),
        line: line(desk, &view, &one),
        said: one.hand.is_some(),
        says: view.may(Verb::Command, &object),
        edits,
        trackers: if edits { one.seen.iter().map(tracker).collect() } else { Vec::new() },
        picks: if edits { picks::properties(desk, &view, false, "") } else { Vec::new() },
        quiet: one.quiet_minutes.map(|minutes| minutes.to_string()).unwrap_or_default(),
        usual: desk.settings.presence.quiet.as_secs() / 60,
        links: if edits { desk.presence.links(person).into_iter().map(link).collect() } else { Vec::new() },
        made: None,
        v: view,
    }
}

pub async fn show(State(desk): State<Desk>, view: View, Of(person): Of) -> Response {
    shown(&person_page(&desk, view, person))
}

/// The page again, with what was wrong.
fn again(desk: &Desk, view: View, person: PersonId, field: &str, error: &PresenceError) -> Response {
    let mut page = person_page(desk, view, person);
    page.trouble = Trouble::at(field, api::sentence(error, page.v.language()));
    wrong(&page)
}

fn faulty(desk: &Desk, view: View, person: PersonId, field: &str, error: PresenceError) -> Result<Response, Fault> {
    match error {
        PresenceError::Store(error) => Err(error.into()),
        PresenceError::NoLink => Err(Fault::NotFound),
        error => Ok(again(desk, view, person, field, &error)),
    }
}

pub async fn say(
    State(desk): State<Desk>,
    caller: Caller,
    Of(person): Of,
    Extension(note): Extension<Note>,
    form: Form,
) -> Result<Response, Fault> {
    let home = match form.text("word") {
        "home" => Some(true),
        "away" => Some(false),
        "devices" => None,
        _ => return Err(Fault::BadForm),
    };
    let hand = home.map(|home| Hand { home, by: By::Person(caller.who.person()) });
    if let Err(PresenceError::Store(error)) = desk.presence.say(person, hand).await {
        return Err(error.into());
    }
    note.change("home", None, home.map(|home| home.to_string()));
    Ok(go(if form.text("back") == "list" { "/presence".to_owned() } else { format!("/presence/{person}") }.as_str()))
}

pub async fn add_tracker(
    State(desk): State<Desk>,
    caller: Caller,
    view: View,
    Of(person): Of,
    Extension(note): Extension<Note>,
    form: Form,
) -> Result<Response, Fault> {
    let Some((device, property)) = picks::chosen(form.text("tracker")) else {
        return Ok(again(&desk, view, person, "tracker", &PresenceError::Invalid("device")));
    };
    let value = form.text("value").to_owned();
    let mut wish = TrackerForm { device: device.to_string(), property, is: Vec::new(), below: None, above: None };
    match form.text("means") {
        "below" => wish.below = Some(value),
        "above" => wish.above = Some(value),
        _ => {
            let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
            wish.is = words.map(str::to_owned).collect();
        }
    }
    let new = match api::tracker_of(&desk, &caller, wish) {
        Ok(tracker) => tracker,
        Err(problem) => {
            let mut page = person_page(&desk, view, person);
            page.trouble = Trouble::at("value", problem.title);
            return Ok(wrong(&page));
        }
    };
    let before = desk.presence.of(person);
    let mut trackers: Vec<_> = before.seen.into_iter().map(|seen| seen.tracker).collect();
    trackers.push(new);
    match desk.presence.track(person, trackers, before.quiet_minutes).await {
        Ok(now) => {
            note.change("trackers", None, Some(now.seen.len().to_string()));
            Ok(go(&format!("/presence/{person}")))
        }
        Err(error) => faulty(&desk, view, person, "value", error),
    }
}

pub async fn remove_tracker(
    State(desk): State<Desk>,
    view: View,
    Of(person): Of,
    Extension(note): Extension<Note>,
    form: Form,
) -> Result<Response, Fault> {
    let before = desk.presence.of(person);
    let at: usize = form.text("at").parse().map_err(|_| Fault::BadForm)?;
    let mut trackers: Vec<_> = before.seen.into_iter().map(|seen| seen.tracker).collect();
    if at >= trackers.len() {
        return Err(Fault::NotFound);
    }
    trackers.remove(at);
    match desk.presence.track(person, trackers, before.quiet_minutes).await {
        Ok(now) => {
            note.change("trackers", None, Some(now.seen.len().to_string()));
            Ok(go(&format!("/presence/{person}")))
        }
        Err(error) => faulty(&desk, view, person, "tracker", error),
    }
}

pub async fn set_quiet(
    State(desk): State<Desk>,
    view: View,
    Of(person): Of,
    Extension(note): Extension<Note>,
    form: Form,
) -> Result<Response, Fault> {
    let text = form.text("quiet");
    // What is no number is out of range like a number that is.
    let minutes = if text.is_empty() { None } else { Some(text.parse().unwrap_or(0)) };
    let before = desk.presence.of(person);
    let trackers = before.seen.into_iter().map(|seen| seen.tracker).collect();
    match desk.presence.track(person, trackers, minutes).await {
        Ok(_) => {
            note.change("quiet", None, minutes.map(|minutes| minutes.to_string()));
            Ok(go(&format!("/presence/{person}")))
        }
        Err(error) => faulty(&desk, view, person, "quiet", error),
    }
}

pub async fn make_link(
    State(desk): State<Desk>,
    view: View,
    Of(person): Of,
    Extension(note): Extension<Note>,
    form: Form,
) -> Result<Response, Fault> {
    match desk.presence.make_link(person, form.text("label")).await {
        Ok((link, secret)) => {
            note.change("name", None, Some(link.label));
            let mut page = person_page(&desk, view, person);
            page.made = Some(api::address(&desk, secret.expose()));
            Ok(shown(&page))
        }
        Err(error) => faulty(&desk, view, person, "label", error),
    }
}

pub async fn revoke_link(
    State(desk): State<Desk>,
    view: View,
    Of(person): Of,
    Path((_, link)): Path<(String, String)>,
    Extension(note): Extension<Note>,
    _form: Form,
) -> Result<Response, Fault> {
    let id: Id = link.parse().map_err(|_| Fault::NotFound)?;
    match desk.presence.revoke_link(person, id).await {
        Ok(gone) => {
            note.change("name", Some(gone.label), None);
            Ok(go(&format!("/presence/{person}")))
        }
        Err(error) => faulty(&desk, view, person, "label", error),
    }
}
