//! The user API of Yandex's smart home (<https://yandex.ru/dev/dialogs/smart-home/doc/concepts/platform-user-info.html>):
//! everything that a person's account there has, of whichever maker, with its states.
//!
//! Devices have capabilities (what can be set) and properties (what is measured or happens); a group of devices is set like
//! one of them. What a capability or a property is called here stands in `table`. Deliberately left alone: video, the
//! commands of Yandex's own speakers, and what the account has in other households' names: a room is a room.

mod account;
mod order;
mod read;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domovoi_model::{Command, DeviceRef, Observation};

use super::{Cloud, DeviceGrant, Link, Pace, Revocation};
use crate::{Claim, Dialect, Directory, EncodeError, Envelope, Errand, Outgoing, Road};

/// In the settings and in topics.
const CLOUD_NAME: &str = "yandex";
/// As a dialect.
const NAME: &str = "yandex_smart_home";

/// What the id of a group begins with here. Yandex's ids are UUIDs, so none of a device does.
const GROUP: &str = "group.";

/// Everything about an account in one answer.
const MAX_LISTING: usize = 4 << 20;
/// Devices and groups of an account.
const MAX_THINGS: usize = 1024;

/// The cloud.
pub const CLOUD: Cloud = Cloud {
    name: CLOUD_NAME,
    api: "https://api.iot.yandex.net",
    link: Link {
        issuer: "https://oauth.yandex.ru",
        device_authorization: Some("/device/code"),
        device_grant: DeviceGrant::Yandex,
        authorization: Some("/authorize"),
        redirect: "https://oauth.yandex.ru/verification_code",
        token: "/token",
        revocation: Some("/revoke_token"),
        revoke: Revocation::Yandex,
        scopes: &["iot:view", "iot:control"],
        needed: &["iot:view"],
    },
    // There is no push to whoever pulls, and no number in the documents: once a minute is what people do without being
    // turned away.
    pace: Pace { every_s: 60, per_hour: 360 },
    dialect: DIALECT,
    list: order::list,
    show: order::show,
    act: order::act,
    start: order::start,
    read_list: account::listing,
    read_one: account::one,
    read_outcomes: account::outcomes,
    passing: &["DEVICE_BUSY", "DEVICE_UNREACHABLE", "INTERNAL_ERROR"],
};

const DIALECT: Dialect = Dialect {
    name: NAME,
    bases: &[],
    topics,
    claim,
    decode: read::decode,
    encode: order::encode,
    is_command,
    confirms: order::confirms,
    underway,
    greetings,
    errand,
    retained,
    // To the cloud, from there to the device's maker, to the device, and all the way back.
    confirms_within: Duration::from_secs(30),
};

/// Nothing of it comes over a broker.
fn topics(_: &Directory) -> Vec<String> {
    Vec::new()
}

fn claim(envelope: &Envelope<'_>, _: &Directory) -> Option<Claim> {
    let (cloud, id) = super::of_topic(envelope.topic)?;
    let is_its = envelope.road == Road::Cloud && cloud.name == CLOUD_NAME && super::is_id(id);
    is_its.then(|| Claim { dialect: NAME, device: DeviceRef::new(NAME, id), part: String::new() })
}

fn is_command(topic: &str, _: &Directory) -> bool {
    super::of_topic(topic).is_some_and(|(cloud, _)| cloud.name == CLOUD_NAME)
}

/// Nothing is said of what is about to be done.
fn underway(_: &Command, _: &Observation, _: &Directory) -> bool {
    false
}

fn greetings(_: &Directory) -> Vec<Outgoing> {
    Vec::new()
}

/// Nothing at all, said to a device, asks how it is.
fn errand(errand: &Errand, _: &str, _: &Directory) -> Result<Vec<Outgoing>, EncodeError> {
    match errand {
        Errand::Refresh(device) if super::is_id(&device.id) => {
            Ok(vec![Outgoing::command(super::topic(CLOUD_NAME, &device.id), Vec::new())])
        }
        Errand::Refresh(device) => Err(EncodeError::Unasked(device.clone())),
        other => Err(EncodeError::NoBridge(other.device().clone())),
    }
}

fn retained(_: &DeviceRef, _: &Directory) -> Vec<String> {
    Vec::new()
}
