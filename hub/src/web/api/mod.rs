//! The API: `/api/v1`, JSON over HTTP. Alone it knows our JSON.

mod acts;
mod keys;
mod meters;
mod mqtt;
mod portal;
mod problem;
mod system;

use axum::http::Method;

use super::{Desk, Doors, rule};
use crate::policy::{Kind, Verb};

pub use keys::RotationView;
pub use portal::LinkingView;
pub use problem::{ApiProblem, no_such_route, status_of};

/// The largest body taken, except for photos.
const MAX_BODY: usize = 256 * 1024;

/// A photo comes as base64 in the same body as its reading: 5 MB and a third.
const MAX_PHOTO_BODY: usize = 8 << 20;

/// Every door of the API. One that is not here does not exist.
pub fn doors(desk: &Desk) -> Doors {
    use Kind::{Act, Credential, Meter, Notice, Portal, Secret, System};
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
        .door(&post, "/api/v1/readings/{row}/decision", rule(Edit, Meter).deed("reading.decided"), meters::decide)
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
        .with_limit(MAX_PHOTO_BODY)
        .door(
            &post,
            "/api/v1/meters/{point}/readings/with-photo",
            rule(Submit, Meter).which("point").deed("reading.submitted"),
            meters::submit,
        )
}
