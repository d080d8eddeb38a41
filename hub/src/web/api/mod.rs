//! The API: `/api/v1`, JSON over HTTP. Alone it knows our JSON.

mod acts;
mod alert_feeds;
pub(super) mod alerts;
mod alerts_export;
#[cfg(test)]
mod alerts_tests;
mod calendar;
mod calendar_elsewhere;
mod calendar_feeds;
#[cfg(test)]
mod calendar_tests;
mod camera_archive;
mod camera_check;
mod camera_export;
mod camera_film;
mod camera_forms;
mod camera_live;
#[cfg(test)]
mod camera_tests;
pub mod cameras;
mod clouds;
mod commands;
mod connect;
mod consents;
mod consumption;
#[cfg(test)]
mod consumption_tests;
mod contacts;
mod devices;
mod events;
pub(super) mod evidence;
mod factors;
mod history;
mod history_cells;
mod history_export;
mod history_import;
#[cfg(test)]
mod history_tests;
mod journal;
mod keys;
mod mappings;
#[cfg(test)]
mod mappings_tests;
mod messages;
mod meter_keys;
mod meters;
mod mqtt;
mod openapi;
mod paging;
mod pairing;
mod people;
mod portal;
pub(super) mod presence;
#[cfg(test)]
mod presence_tests;
mod problem;
mod rights;
mod rooms;
mod safety;
pub(super) mod scenario_presets;
pub(super) mod scenarios;
#[cfg(test)]
mod scenarios_tests;
mod sessions;
mod setup;
mod sign_in;
mod system;
mod tariffs;
mod telling;
pub(super) mod telling_ledger;
#[cfg(test)]
mod telling_tests;
mod telling_wishes;
#[cfg(test)]
mod tests;
mod tokens;
mod ways_in;

use axum::Json;
use axum::http::Method;
use domovoi_model::{Source, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, Desk, Doors, Rule, rule};
use crate::metering::source_in_words;
use crate::policy::{Kind, Verb};

pub use acts::act_named;
pub use connect::maker_page;
pub use keys::RotationView;
pub use meter_keys::{LockedView, meters as locked_meters};
pub use portal::LinkingView;
pub use problem::{ApiProblem, UnmetView, no_such_method, no_such_route, status_of};
pub use rooms::keeps_safe as room_keeps_safe;

/// The largest body taken, except for photos.
const MAX_BODY: usize = 256 * 1024;

/// What a stranger may send. A passkey's answer is the largest of it.
const MAX_SIGN_IN_BODY: usize = 32 * 1024;

/// A photo comes as base64 in the same body as its reading: 5 MB and a third.
const MAX_PHOTO_BODY: usize = 8 << 20;

/// It was done, and there is nothing to say.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    pub done: bool,
}

impl Done {
    fn json() -> Json<Self> {
        Json(Done { done: true })
    }
}

/// The milliseconds of a moment as RFC 3339 spells it, within the years that a home lives in.
fn millis_of(text: &str) -> Option<Timestamp> {
    let at = text.parse::<jiff::Timestamp>().ok().filter(|_| text.len() <= 40)?;
    let millis = at.as_millisecond();
    (0..=MOST_MILLIS).contains(&millis).then_some(Timestamp(millis))
}

/// The year 2200.
const MOST_MILLIS: i64 = 7_258_118_400_000;

/// Who says so, in words: a person by the name they have now.
fn source_said(desk: &Desk, caller: &Caller, source: &Source) -> String {
    let named = |reader: &str| desk.people.called(reader, caller.language);
    let source = match source {
        Source::Person(reader) => Source::Person(named(reader)),
        Source::Photo { person, photo } => Source::Photo { person: named(person), photo: *photo },
        other => other.clone(),
    };
    source_in_words(&source)
}

/// Every door of the API. One that is not here does not exist.
pub fn doors(desk: &Desk) -> Doors {
    house_doors(desk)
        .and(device_doors(desk))
        .and(connect::doors(desk))
        .and(mappings::doors(desk))
        .and(cameras::doors(desk))
        .and(calendar::doors(desk))
        .and(clouds::doors(desk))
        .and(consumption::doors(desk))
        .and(messages::doors(desk))
        .and(presence::doors(desk))
        .and(scenarios::doors(desk))
        .and(safety::doors(desk))
        .and(alerts::doors(desk))
        .and(telling::doors(desk))
        .and(history_doors(desk))
        .and(people_doors(desk))
        .and(ways_in::of_people(desk))
        .and(ways_in::of_strangers(desk))
}

/// Devices, rooms and commands. Lists leave out what the caller may not see; of a device that is named, the handler asks
/// about each of its properties.
fn device_doors(desk: &Desk) -> Doors {
    use Kind::{Device, Home, Room};
    use Verb::{Command, Edit, See};
    const fn of(verb: Verb) -> Rule {
        rule(verb, Device).which("device")
    }
    let (get, post, patch, delete) = (&Method::GET, &Method::POST, &Method::PATCH, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/devices", rule(See, Home), devices::list)
        .door(get, "/api/v1/inbox", rule(See, Device), devices::inbox)
        .door(
            post,
            "/api/v1/devices/errands",
            rule(Edit, Device).dangerous().deed("device.errand"),
            commands::ask_bridge,
        )
        .door(get, "/api/v1/devices/errands/{errand}", rule(See, Device), commands::errand)
        .door(get, "/api/v1/devices/{device}", of(See).within(), devices::show)
        .door(patch, "/api/v1/devices/{device}", of(Edit).deed("device.edited"), devices::edit)
        .door(delete, "/api/v1/devices/{device}", of(Edit).dangerous().deed("device.forgotten"), devices::forget)
        .door(
            post,
            "/api/v1/devices/{device}/acceptance",
            of(Edit).dangerous().deed("device.accepted"),
            devices::accept,
        )
        .door(get, "/api/v1/devices/{device}/commands", of(See).within(), commands::of_device)
        .door(post, "/api/v1/devices/{device}/commands", of(Command).within().told("device.commanded"), commands::give)
        .door(get, "/api/v1/commands/{command}", rule(See, Home), commands::show)
        .door(get, "/api/v1/rooms", rule(See, Room), rooms::list)
        .door(post, "/api/v1/rooms", rule(Edit, Room).deed("room.added"), rooms::add)
        .door(patch, "/api/v1/rooms/{room}", rule(Edit, Room).which("room").deed("room.edited"), rooms::edit)
        .door(delete, "/api/v1/rooms/{room}", rule(Edit, Room).which("room").deed("room.removed"), rooms::remove)
}

/// What devices said. Who may see which of them is asked within, property by property, as the stream of events asks: what
/// was taken away from somebody is one thing, and not the sight of all others.
fn history_doors(desk: &Desk) -> Doors {
    use Kind::{Device, Home, System};
    use Verb::{See, Submit};
    let (get, post) = (&Method::GET, &Method::POST);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/history/series", rule(See, Home), history::series)
        .door(get, "/api/v1/history/samples", rule(See, Home), history::samples)
        .door(get, "/api/v1/history/rollups", rule(See, Home), history::rollups)
        .door(get, "/api/v1/history/at", rule(See, Home), history::at)
        .door(get, "/api/v1/history/change", rule(See, Home), history::change)
        .door(get, "/api/v1/history/usage", rule(See, System), history::usage)
        .door(
            get,
            "/api/v1/history/export",
            rule(See, Home).dangerous().deed("history.exported"),
            history_export::export,
        )
        // Reads its body as it comes, and bounds it itself.
        .door(
            post,
            "/api/v1/history/import",
            rule(Submit, Device).dangerous().deed("history.imported"),
            history_import::import,
        )
}

/// People: who they are, what they may, what they agreed to; the journal.
fn people_doors(desk: &Desk) -> Doors {
    use Kind::{Consent, Factor, Journal, Person, Rights, Session};
    use Verb::{Command, Edit, Export, See, Submit};
    const PERSON: &str = "person";
    const fn of(verb: Verb, kind: Kind) -> Rule {
        rule(verb, kind).of(PERSON)
    }
    let (get, post, put, patch, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::PATCH, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/people", rule(See, Person), people::list)
        .door(post, "/api/v1/people", rule(Edit, Person).dangerous().deed("person.added"), people::add)
        .door(get, "/api/v1/people/{person}", of(See, Person), people::show)
        .door(patch, "/api/v1/people/{person}", of(Edit, Person).deed("person.edited"), people::edit)
        .door(delete, "/api/v1/people/{person}", of(Edit, Person).dangerous().told("person.erased"), people::erase)
        .door(
            get,
            "/api/v1/people/{person}/export",
            of(Export, Person).dangerous().deed("person.exported"),
            people::export,
        )
        .door(get, "/api/v1/people/{person}/contacts", of(See, Person), contacts::list)
        .door(
            post,
            "/api/v1/people/{person}/contacts",
            of(Edit, Person).dangerous().deed("contact.added"),
            contacts::add,
        )
        .door(
            delete,
            "/api/v1/people/{person}/contacts/{contact}",
            of(Edit, Person).dangerous().deed("contact.removed"),
            contacts::remove,
        )
        .door(
            post,
            "/api/v1/people/{person}/contacts/{contact}/code",
            of(Edit, Person).deed("contact.code-sent"),
            contacts::send_code,
        )
        .door(
            post,
            "/api/v1/people/{person}/contacts/{contact}/confirmation",
            of(Submit, Person).told("contact.confirmed"),
            contacts::confirm,
        )
        .door(get, "/api/v1/people/{person}/grants", of(See, Rights), rights::list)
        .door(post, "/api/v1/people/{person}/grants", of(Edit, Rights).dangerous().deed("grant.given"), rights::give)
        .door(
            delete,
            "/api/v1/people/{person}/grants/{grant}",
            of(Edit, Rights).which("grant").dangerous().deed("grant.withdrawn"),
            rights::withdraw,
        )
        .door(get, "/api/v1/people/{person}/delegations", of(See, Rights), rights::delegations)
        .door(
            post,
            "/api/v1/people/{person}/delegations",
            of(Submit, Rights).dangerous().deed("delegation.given"),
            rights::delegate,
        )
        .door(
            delete,
            "/api/v1/people/{person}/delegations/{grant}",
            of(Submit, Rights).which("grant").deed("delegation.withdrawn"),
            rights::take_back,
        )
        .door(get, "/api/v1/people/{person}/consents", of(See, Consent), consents::list)
        .door(post, "/api/v1/people/{person}/consents", of(Edit, Consent).deed("consent.given"), consents::give)
        .door(
            delete,
            "/api/v1/people/{person}/consents/{consent}",
            of(Edit, Consent).which("consent").deed("consent.withdrawn"),
            consents::withdraw,
        )
        // Locking a lost phone must be quick and needs no proof; opening it again does.
        .door(put, "/api/v1/people/{person}/lock", of(Edit, Session).deed("person.locked"), people::lock)
        .door(
            delete,
            "/api/v1/people/{person}/lock",
            of(Edit, Rights).dangerous().deed("person.unlocked"),
            people::unlock,
        )
        .door(
            post,
            "/api/v1/people/{person}/entry-link",
            of(Command, Factor).dangerous().deed("entry-link.made"),
            people::entry_link,
        )
        .door(get, "/api/v1/people/{person}/journal", of(See, Journal), journal::of_person)
        .door(get, "/api/v1/journal", rule(See, Journal), journal::search)
        .door(
            get,
            "/api/v1/journal/export",
            rule(Export, Journal).dangerous().deed("journal.exported"),
            journal::export,
        )
        .door(get, "/api/v1/journal/verification", rule(See, Journal), journal::verify)
}

/// The home: meters, acts, the portal, credentials, keys, notices.
fn house_doors(desk: &Desk) -> Doors {
    use Kind::{Act, Credential, Home, Meter, Notice, Portal, Secret, System};
    use Verb::{Edit, See, Submit};
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(&get, "/api/v1/meters", rule(See, Meter), meters::list)
        .door(&post, "/api/v1/meters", rule(Edit, Meter).deed("meter.added"), meters::add)
        .door(
            &post,
            "/api/v1/meters/{point}/replacement",
            rule(Edit, Meter).which("point").deed("meter.replaced"),
            meters::replace,
        )
        .door(
            &put,
            "/api/v1/meters/{point}/verification",
            rule(Edit, Meter).which("point").deed("meter.verified"),
            meters::verify,
        )
        .door(&get, "/api/v1/meters/{point}/readings", rule(See, Meter).which("point"), meters::history)
        .door(
            &post,
            "/api/v1/meters/{point}/readings",
            rule(Submit, Meter).which("point").deed("reading.submitted"),
            meters::submit,
        )
        .door(
            &post,
            "/api/v1/readings/{row}/decision",
            rule(Edit, Meter).which("row").which("row").deed("reading.decided"),
            meters::decide,
        )
        .door(&get, "/api/v1/acts", rule(See, Act), acts::list)
        .door(&get, "/api/v1/acts/{act}", rule(See, Act).which("act"), acts::show)
        .door(
            &post,
            "/api/v1/acts/{act}/approval",
            rule(Submit, Act).which("act").dangerous().deed("act.approved"),
            acts::approve,
        )
        .door(
            &post,
            "/api/v1/acts/{act}/correction",
            rule(Submit, Act).which("act").dangerous().deed("act.corrected"),
            acts::correct,
        )
        .door(&get, "/api/v1/act-key", rule(See, Act), acts::key)
        .door(&get, "/api/v1/portal", rule(See, Portal), portal::status)
        .door(&post, "/api/v1/portal/link", rule(Edit, Portal).dangerous().deed("portal.linked"), portal::link)
        .door(&delete, "/api/v1/portal/link", rule(Edit, Portal).dangerous().deed("portal.unlinked"), portal::unlink)
        .door(&get, "/api/v1/portal/linking", rule(See, Portal), portal::linking)
        .door(&delete, "/api/v1/portal/linking", rule(Edit, Portal).deed("portal.linking-cancelled"), portal::cancel)
        .door(&get, "/api/v1/portal/accounts", rule(See, Portal), portal::accounts)
        .door(&get, "/api/v1/portal/consent", rule(See, Portal), portal::consent)
        .door(
            &put,
            "/api/v1/portal/consent",
            rule(Edit, Portal).dangerous().deed("portal.consent"),
            portal::set_consent,
        )
        .door(&get, "/api/v1/mqtt/status", rule(See, System), mqtt::status)
        .door(&get, "/api/v1/mqtt/credentials", rule(See, Credential), mqtt::list)
        .door(
            &post,
            "/api/v1/mqtt/credentials",
            rule(Edit, Credential).dangerous().deed("credential.issued"),
            mqtt::add,
        )
        .door(
            &delete,
            "/api/v1/mqtt/credentials/{username}",
            rule(Edit, Credential).which("username").dangerous().deed("credential.revoked"),
            mqtt::remove,
        )
        .door(
            &put,
            "/api/v1/secrets/{name}",
            rule(Edit, Secret).which("name").dangerous().deed("secret.set"),
            system::set_secret,
        )
        .door(&get, "/api/v1/keys", rule(See, Secret), keys::status)
        .door(&get, "/api/v1/keys/rotation", rule(See, Secret), keys::rotation)
        .door(&post, "/api/v1/keys/rotation", rule(Edit, Secret).dangerous().deed("key.rotated"), keys::rotate)
        .door(&get, "/api/v1/notices", rule(See, Notice), system::notices)
        .door(
            &delete,
            "/api/v1/notices/{key}",
            rule(Edit, Notice).which("key").deed("notice.cleared"),
            system::clear_notice,
        )
        .door(&get, "/api/v1/doctor", rule(See, System), system::doctor)
        .door(&get, "/api/v1/authority", rule(See, System), tokens::show_authority)
        .door(&get, "/api/v1/events", rule(See, Home), events::events)
        .door(&get, "/api/v1/live", rule(See, Home), events::live)
        .door(&get, "/api/v1/openapi.json", rule(See, Home), openapi::openapi)
        .with_limit(MAX_PHOTO_BODY)
        .door(
            &post,
            "/api/v1/meters/{point}/readings/with-photo",
            rule(Submit, Meter).which("point").deed("reading.submitted"),
            meters::submit_with_photo,
        )
}
