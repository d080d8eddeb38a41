//! The page: HTML made here, styles and scripts beside it, all embedded; works without JavaScript. It calls the rooms as
//! the API does and knows no rule of its own.

mod acts;
mod alarms;
mod alert;
mod assets;
mod camera_archive;
mod camera_edit;
mod camera_form;
mod cameras;
mod clouds;
mod connect;
mod consumption;
mod contacts;
mod device;
mod devices;
mod entry;
mod form;
mod home;
mod journal;
mod known;
mod look;
mod mappings;
mod me;
mod meter_keys;
mod meters;
mod multipart;
mod pairing;
mod people;
mod person;
mod picks;
mod portal;
mod portal_account;
mod presence;
mod refusal;
mod rights;
mod rooms;
mod safety;
mod said;
mod scenario_draft;
mod scenario_edit;
mod scenario_fields;
mod scenarios;
mod security;
mod setup;
mod signin;
mod stepup;
mod tariffs;
#[cfg(test)]
mod tests;
mod trouble;
mod trust;
mod value;
mod view;
mod warmth;
mod words_of;

use askama::Template;
use axum::http::{Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};

use super::origin::own_path;
use super::{Desk, Doors, Rule, rule};
use crate::policy::{Kind, Verb};

pub use assets::serve as asset;
pub use refusal::{no_such_page, refusal};
pub use trust::show as trust;
pub use view::View;

/// The largest form taken, except for photos.
const MAX_FORM: usize = 128 * 1024;

/// A reading with its photo.
const MAX_PHOTO_FORM: usize = 6 << 20;

/// Every door of the page.
pub fn doors(desk: &Desk) -> Doors {
    let inside = threshold(desk)
        .and(readings(desk))
        .and(insight(desk))
        .and(things(desk))
        .and(watching(desk))
        .and(connecting(desk))
        .and(own_devices(desk))
        .and(household(desk))
        .and(own(desk))
        .and(presence::doors(desk, MAX_FORM))
        .and(scenarios::doors(desk, MAX_FORM));
    inside.dressed(|router| router.layer(from_fn_with_state(desk.clone(), refusal::dress)))
}

/// What stands before signing in. It guards itself, by a password or a one-time secret, and the sign-in room writes what
/// came of it.
fn threshold(desk: &Desk) -> Doors {
    use Kind::{Session, Threshold};
    use Verb::{Command, Edit, See, Submit};
    let (get, post) = (&Method::GET, &Method::POST);
    Doors::new(desk, MAX_FORM)
        .door(get, "/assets/{file}", rule(See, Threshold), assets::serve)
        .door(get, "/help", rule(See, Threshold), me::help)
        .door(get, "/setup", rule(See, Threshold), setup::show)
        .door(post, "/setup", rule(Submit, Threshold), setup::set_up)
        .door(get, "/entry", rule(See, Threshold), entry::show)
        .door(post, "/entry", rule(Submit, Threshold), entry::enter)
        .door(get, "/known", rule(See, Threshold), known::show)
        .door(post, "/known", rule(Submit, Threshold), known::say)
        .door(get, "/sign-in", rule(See, Threshold), signin::show)
        .door(post, "/sign-in", rule(Submit, Threshold), signin::with_password)
        .door(post, "/sign-in/second", rule(Submit, Threshold), signin::second_factor)
        .door(get, "/sign-in/code", rule(See, Threshold), signin::show_code)
        .door(post, "/sign-in/code/sent", rule(Submit, Threshold), signin::send_code)
        .door(post, "/sign-in/code", rule(Submit, Threshold), signin::with_code)
        .door(get, "/sign-in/portal", rule(See, Threshold), portal_account::leave)
        .door(get, "/sign-in/portal/return", rule(See, Threshold), portal_account::come_back)
        .door(post, "/sign-in/pin", rule(Submit, Threshold), signin::with_pin)
        .door(get, "/sign-in/device", rule(See, Threshold), pairing::show_device)
        .door(post, "/sign-in/device", rule(Submit, Threshold), pairing::begin)
        .door(post, "/sign-in/device/state", rule(Submit, Threshold), pairing::state)
        .door(post, "/look", rule(Submit, Threshold), look::choose)
        .door(post, "/sign-out", rule(Command, Session).mine().deed("signed-out"), signin::sign_out)
        .door(get, "/step-up", rule(Edit, Session).mine(), stepup::show)
        .door(post, "/step-up", rule(Edit, Session).mine(), stepup::prove)
}

/// The people of the home, and the journal. The rules are those of the same doors of the API.
fn household(desk: &Desk) -> Doors {
    use Kind::{Consent, Factor, Journal, Person, Rights, Session};
    use Verb::{Command, Edit, Export, See, Submit};
    const fn of(verb: Verb, kind: Kind) -> Rule {
        rule(verb, kind).of("person")
    }
    let (get, post) = (&Method::GET, &Method::POST);
    let edit = of(Edit, Person);
    let grants = of(Edit, Rights).dangerous();
    let delegations = of(Submit, Rights);
    let consent = of(Edit, Consent).which("consent").deed("consent.withdrawn");
    Doors::new(desk, MAX_FORM)
        .door(get, "/people", rule(See, Person), people::list)
        .door(get, "/people/new", rule(Edit, Person).dangerous(), people::new)
        .door(post, "/people", rule(Edit, Person).dangerous().deed("person.added"), people::add)
        .door(get, "/people/{person}", of(See, Person), person::show)
        .door(post, "/people/{person}", edit.deed("person.edited"), person::edit)
        .door(post, "/people/{person}/role", grants.deed("person.edited"), person::set_role)
        .door(post, "/people/{person}/lock", of(Edit, Session).deed("person.locked"), person::lock)
        .door(post, "/people/{person}/unlock", grants.deed("person.unlocked"), person::unlock)
        .door(
            post,
            "/people/{person}/invitation",
            of(Command, Factor).dangerous().deed("entry-link.made"),
            person::invite,
        )
        .door(get, "/people/{person}/export", of(Export, Person).dangerous().deed("person.exported"), person::export)
        .door(get, "/people/{person}/erase", edit.dangerous(), person::show_erase)
        .door(post, "/people/{person}/erase", edit.dangerous().told("person.erased"), person::erase)
        .door(post, "/people/{person}/contacts", edit.dangerous().deed("contact.added"), contacts::add)
        .door(post, "/people/{person}/contacts/remove", edit.dangerous().deed("contact.removed"), contacts::remove)
        .door(post, "/people/{person}/contacts/code", edit.deed("contact.code-sent"), contacts::send_code)
        .door(
            post,
            "/people/{person}/contacts/confirm",
            of(Submit, Person).told("contact.confirmed"),
            contacts::confirm,
        )
        .door(post, "/people/{person}/grants", grants.deed("grant.given"), rights::give)
        .door(
            post,
            "/people/{person}/grants/{grant}/withdraw",
            grants.which("grant").deed("grant.withdrawn"),
            rights::withdraw,
        )
        .door(post, "/people/{person}/delegations", delegations.dangerous().deed("delegation.given"), rights::delegate)
        .door(
            post,
            "/people/{person}/delegations/{grant}/withdraw",
            delegations.which("grant").deed("delegation.withdrawn"),
            rights::take_back,
        )
        .door(post, "/people/{person}/consents/{consent}/withdraw", consent, portal::withdraw_one)
        .door(get, "/journal", rule(See, Journal).mine(), journal::show)
        .door(get, "/journal/verification", rule(See, Journal), journal::verify)
        .door(get, "/journal/export", rule(Export, Journal).dangerous().deed("journal.exported"), journal::export)
}

/// One's own: ways in, sessions, devices; and the link with the portal.
fn own(desk: &Desk) -> Doors {
    use Kind::{Factor, Home, Portal, Session, Token};
    use Verb::{Edit, See};
    const fn mine(verb: Verb, kind: Kind) -> Rule {
        rule(verb, kind).mine()
    }
    let (get, post) = (&Method::GET, &Method::POST);
    let factor = mine(Edit, Factor).dangerous();
    let token = mine(Edit, Token).dangerous();
    let session = mine(Edit, Session);
    Doors::new(desk, MAX_FORM)
        .door(get, "/me", rule(See, Home), me::show)
        .door(get, "/security", mine(See, Factor), security::show)
        .door(
            post,
            "/security/sessions/{session}/name",
            session.which("session").deed("session.named"),
            security::name_session,
        )
        .door(
            post,
            "/security/sessions/{session}/end",
            session.which("session").deed("session.ended"),
            security::end_session,
        )
        .door(post, "/security/sessions/end-others", session.deed("sessions.ended"), security::end_others)
        .door(post, "/security/password", factor.deed("password.set"), security::set_password)
        .door(post, "/security/totp/offer", factor, security::offer_totp)
        .door(post, "/security/totp", factor.deed("totp.added"), security::add_totp)
        .door(post, "/security/recovery-codes", factor.deed("recovery-codes.made"), security::recovery_codes)
        .door(post, "/security/portal-account", factor.told("portal-account.added"), portal_account::leave_to_tie)
        .door(post, "/security/pin", factor.deed("pin.set"), security::set_pin)
        .door(
            post,
            "/security/factors/{factor}/remove",
            factor.which("factor").deed("factor.removed"),
            security::remove_factor,
        )
        .door(post, "/security/tokens", token.deed("token.issued"), security::issue_token)
        .door(post, "/security/tokens/{token}/end", token.which("token").deed("token.ended"), security::end_token)
        .door(
            post,
            "/security/certificates/{certificate}/end",
            token.which("certificate").deed("certificate.ended"),
            security::end_certificate,
        )
        .door(get, "/pair", mine(See, Session), pairing::show_pair)
        .door(get, "/pair/{code}", mine(See, Session), pairing::show_approval)
        .door(post, "/pair/{code}/approval", session.dangerous().deed("pairing.approved"), pairing::approve)
        .door(post, "/pair/{code}/refusal", session.deed("pairing.refused"), pairing::refuse)
        .door(get, "/portal/consent", rule(See, Portal), portal::show)
        .door(post, "/portal/consent", rule(Edit, Portal).dangerous().deed("consent.given"), portal::give)
        .door(post, "/portal/consent/withdrawal", rule(Edit, Portal).deed("consent.withdrawn"), portal::withdraw)
}

/// The front page, and the way of a reading.
fn readings(desk: &Desk) -> Doors {
    use Kind::{Act, Home, Meter, Notice};
    use Verb::{Edit, See, Submit};
    let (get, post) = (Method::GET, Method::POST);
    let clear = rule(Edit, Notice).which("key").deed("notice.cleared");
    let submit = rule(Submit, Meter).which("point").deed("reading.submitted");
    let approve = rule(Submit, Act).which("act").dangerous().deed("act.approved");
    let correct = rule(Submit, Act).which("act").dangerous().deed("act.corrected");
    Doors::new(desk, MAX_FORM)
        .door(&get, "/", rule(See, Home), home::show)
        .door(&post, "/notices/{key}/clear", clear, home::clear_notice)
        .door(&get, "/meters", rule(See, Meter), meters::list)
        .door(&get, "/meters/{point}", rule(See, Meter).which("point"), meters::show)
        .door(&post, "/readings/{row}/decision", rule(Edit, Meter).which("row").deed("reading.decided"), meters::decide)
        .door(&get, "/acts", rule(See, Act), acts::list)
        .door(&get, "/acts/{act}", rule(See, Act).which("act"), acts::show)
        .door(&post, "/acts/{act}/approval", approve, acts::approve)
        .door(&post, "/acts/{act}/correction", correct, acts::correct)
        .with_limit(MAX_PHOTO_FORM)
        .door(&post, "/meters/{point}/readings", submit, meters::submit)
}

/// What was used, what it costs, how warm it was. The rules are those of the same doors of the API.
fn insight(desk: &Desk) -> Doors {
    use Kind::{Device, Home, Meter};
    use Verb::{Edit, See};
    let (get, post) = (&Method::GET, &Method::POST);
    let tariff = rule(Edit, Meter).which("tariff");
    let place = rule(Edit, Device).which("place");
    Doors::new(desk, MAX_FORM)
        .door(get, "/consumption", rule(See, Meter), consumption::list)
        .door(get, "/consumption/{point}", rule(See, Meter).which("point"), consumption::show)
        .door(get, "/tariffs", rule(See, Meter), tariffs::list)
        .door(get, "/tariffs/new", rule(Edit, Meter), tariffs::new)
        .door(post, "/tariffs", rule(Edit, Meter).deed("tariff.added"), tariffs::add)
        .door(get, "/tariffs/{tariff}", tariff, tariffs::show)
        .door(post, "/tariffs/{tariff}", tariff.deed("tariff.changed"), tariffs::change)
        .door(post, "/tariffs/{tariff}/remove", tariff.deed("tariff.removed"), tariffs::remove)
        .door(get, "/warmth", rule(See, Home), warmth::list)
        .door(post, "/warmth", rule(Edit, Device).deed("evidence-place.added"), warmth::add)
        .door(get, "/warmth/{place}", rule(See, Home), warmth::show)
        .door(get, "/warmth/{place}/print", rule(See, Home).deed("evidence.exported"), warmth::print)
        .door(post, "/warmth/{place}/remove", place.deed("evidence-place.removed"), warmth::remove)
}

/// Devices, rooms, and what the house does in danger. The rules are those of the same doors of the API.
fn things(desk: &Desk) -> Doors {
    use Kind::{Cloud, Device, Home, Room, Safety};
    use Verb::{Command, Edit, See};
    const fn of(verb: Verb) -> Rule {
        rule(verb, Device).which("device")
    }
    const fn cloud(verb: Verb) -> Rule {
        rule(verb, Cloud).which("cloud")
    }
    let (get, post) = (&Method::GET, &Method::POST);
    let room = rule(Edit, Room).which("room");
    let edit_rule = rule(Edit, Safety).which("rule").dangerous();
    Doors::new(desk, MAX_FORM)
        .door(get, "/devices", rule(See, Home), devices::list)
        .door(get, "/inbox", rule(See, Device), devices::inbox)
        .door(get, "/devices/{device}", of(See).within(), device::show)
        .door(post, "/devices/{device}", of(Edit).deed("device.edited"), device::edit)
        .door(post, "/devices/{device}/acceptance", of(Edit).dangerous().deed("device.accepted"), devices::accept)
        .door(post, "/devices/{device}/standing", of(Edit).deed("device.edited"), devices::set_standing)
        .door(post, "/devices/{device}/commands", of(Command).within().told("device.commanded"), device::command)
        .door(post, "/devices/{device}/forget", of(Edit).dangerous().deed("device.forgotten"), device::forget)
        .door(
            post,
            "/devices/{device}/presets",
            rule(Edit, Safety).dangerous().deed("safety-rule.added"),
            device::add_preset,
        )
        .door(get, "/clouds", rule(See, Cloud), clouds::show)
        .door(post, "/clouds/{cloud}/link", cloud(Edit).dangerous().deed("cloud.linking"), clouds::link)
        .door(post, "/clouds/{cloud}/code", cloud(Edit).dangerous().deed("cloud.linked"), clouds::copied)
        .door(post, "/clouds/{cloud}/cancel", cloud(Edit), clouds::cancel)
        .door(post, "/clouds/{cloud}/unlink", cloud(Edit).dangerous().deed("cloud.unlinked"), clouds::unlink)
        .door(post, "/clouds/{cloud}/look", cloud(Command), clouds::look)
        .door(
            post,
            "/clouds/{cloud}/scenarios/{scenario}",
            cloud(Command).deed("cloud.scenario-started"),
            clouds::start,
        )
        .door(get, "/rooms", rule(See, Room), rooms::list)
        .door(post, "/rooms", rule(Edit, Room).deed("room.added"), rooms::add)
        .door(post, "/rooms/{room}", room.deed("room.edited"), rooms::edit)
        .door(post, "/rooms/{room}/remove", room.deed("room.removed"), rooms::remove)
        .door(get, "/safety", rule(See, Safety), safety::show)
        .door(
            post,
            "/safety/rules/{rule}/tests",
            rule(Command, Safety).which("rule").deed("safety-rule.tested"),
            safety::test,
        )
        .door(post, "/safety/rules/{rule}/switch", edit_rule.deed("safety-rule.switched"), safety::switch)
        .door(post, "/safety/rules/{rule}/remove", edit_rule.deed("safety-rule.removed"), safety::remove)
        .door(post, "/safety/hush", rule(Command, Safety).deed("safety.hushed"), safety::hush)
}

/// Cameras, what they show and what they recorded. The rules are those of the same doors of the API.
fn watching(desk: &Desk) -> Doors {
    use Kind::{Alert, Camera, Home, Recording};
    use Verb::{Command, Edit, Export, See};
    let (get, post) = (&Method::GET, &Method::POST);
    let edit = rule(Edit, Camera).which("camera");
    let play = rule(See, Recording).which("camera");
    let (take, erase) = (rule(Export, Recording).which("camera"), rule(Edit, Recording).which("camera"));
    Doors::new(desk, MAX_FORM)
        .door(get, "/alerts/{alert}", rule(See, Alert).which("alert"), alert::show)
        .door(
            post,
            "/alerts/{alert}/acknowledge",
            rule(Command, Alert).which("alert").deed("alert.acknowledged"),
            alert::acknowledge,
        )
        .door(get, "/cameras", rule(See, Home), cameras::list)
        .door(get, "/cameras/new", rule(Edit, Camera).dangerous(), camera_edit::new)
        .door(post, "/cameras", rule(Edit, Camera).dangerous().deed("camera.added"), camera_edit::add)
        .door(post, "/cameras/check", rule(Edit, Camera).dangerous(), camera_edit::check_new)
        .door(get, "/cameras/{camera}", rule(See, Camera).which("camera"), cameras::show)
        .door(get, "/cameras/{camera}/settings", edit.dangerous(), camera_edit::show)
        .door(post, "/cameras/{camera}/settings", edit.dangerous().deed("camera.changed"), camera_edit::change)
        .door(post, "/cameras/{camera}/check", edit.dangerous(), camera_edit::check)
        .door(post, "/cameras/{camera}/forget", edit.dangerous().deed("camera.forgotten"), camera_edit::forget)
        .door(get, "/cameras/{camera}/archive", play, camera_archive::show)
        .door(
            post,
            "/cameras/{camera}/download",
            take.dangerous().deed("recordings.exported"),
            camera_archive::download,
        )
        .door(post, "/cameras/{camera}/erase", erase.dangerous().deed("recordings.erased"), camera_archive::erase)
}

/// Connecting a device.
fn connecting(desk: &Desk) -> Doors {
    let (get, post) = (&Method::GET, &Method::POST);
    let edit = rule(Verb::Edit, Kind::Device);
    Doors::new(desk, MAX_FORM)
        .door(get, "/connect", edit, connect::show)
        .door(get, "/connect/{type}", edit, connect::show_type)
        .door(post, "/connect", edit.dangerous().deed("device.connecting"), connect::begin)
        .door(get, "/connections/{connection}", edit, connect::show_connection)
        .door(post, "/connections/{connection}/cancel", edit.deed("device.not-connected"), connect::cancel)
        .door(post, "/connections/{connection}/confirm", edit.dangerous().deed("device.accepted"), connect::confirm)
        .with_limit(MAX_PHOTO_FORM)
        .door(post, "/connect/photo", edit, connect::picture)
}

/// Devices that speak no dialect of the house, and meters that encrypt. The rules are those of the same doors of the API.
fn own_devices(desk: &Desk) -> Doors {
    let (get, post) = (&Method::GET, &Method::POST);
    let edit = rule(Verb::Edit, Kind::Device);
    let keys = rule(Verb::Edit, Kind::Secret).dangerous();
    Doors::new(desk, MAX_FORM)
        .door(get, "/mappings", edit, mappings::list)
        .door(get, "/mappings/new", edit, mappings::new)
        .door(post, "/mappings/trial", edit, mappings::trial)
        .door(post, "/mappings", edit.dangerous().deed("mapping.written"), mappings::add)
        .door(get, "/mappings/{mapping}", edit, mappings::show)
        .door(post, "/mappings/{mapping}", edit.dangerous().deed("mapping.written"), mappings::edit)
        .door(post, "/mappings/{mapping}/remove", edit.dangerous().deed("mapping.removed"), mappings::remove)
        .door(get, "/meter-keys", rule(Verb::See, Kind::Secret), meter_keys::show)
        .door(post, "/meter-keys", keys.deed("meter-key.set"), meter_keys::set)
        .door(post, "/meter-keys/forget", keys.deed("meter-key.forgotten"), meter_keys::forget)
}

/// A page of a template.
fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        // Nothing that a page shows may lie in a cache: it is a household's, and the next reader may be another.
        Ok(html) => {
            let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (status, headers, html).into_response()
        }
        Err(error) => {
            tracing::error!("a template failed: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that is as it should be.
fn shown(template: &impl Template) -> Response {
    page(StatusCode::OK, template)
}

/// The form again, with what was wrong in it.
fn wrong(template: &impl Template) -> Response {
    page(StatusCode::UNPROCESSABLE_ENTITY, template)
}

/// On to another page of ours, after a form.
fn go(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// The address that a sign-in goes on to: a path of ours, or the front page.
fn next_address(text: &str) -> &str {
    own_path(text).unwrap_or("/")
}
