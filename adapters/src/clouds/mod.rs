//! Makers' clouds: what a cloud answers means in the vocabulary of the house, what is asked of it, and how it is linked.
//!
//! A cloud is a plain constant: a name, how it is linked (OAuth 2.0, and where it leaves the standards), what is asked, how
//! answers are read, and the dialect of its devices. Deliberately no socket, no token and no clock: the hub has those, and
//! does the same for every cloud. One line for each, here and in the list; nothing else in the house names them.

mod yandex;

use crate::{DecodeError, Dialect, Fault};

/// Every cloud.
pub const CLOUDS: &[Cloud] = &[yandex::CLOUD];

/// What a topic of a cloud's device begins with. No client of a broker may publish there (MQTT 3.1.1 section 4.7.2), so that
/// nobody speaks for a device behind a cloud but the cloud.
pub const ROOT: &str = "$cloud/";

/// The longest id that a device of a cloud may have, in bytes.
const MAX_ID: usize = 64;

/// A maker's cloud.
#[derive(Debug)]
pub struct Cloud {
    /// Its name in the settings, in paths and in topics.
    pub name: &'static str,
    /// Where its API is, without a slash at the end.
    pub api: &'static str,
    /// How it is linked.
    pub link: Link,
    /// How often it may be asked.
    pub pace: Pace,
    /// The dialect of its devices.
    pub dialect: Dialect,
    /// Asks for everything that is there, with its states.
    pub list: fn() -> Request,
    /// Asks for one thing, with its states; `None` if it has no such id.
    pub show: fn(&str) -> Option<Request>,
    /// Has one thing do all of these, each as [`Dialect::say`] wrote it.
    pub act: fn(&str, &[&str]) -> Option<Request>,
    /// Starts a scenario of the cloud's own.
    pub start: fn(&str) -> Option<Request>,
    /// What is there.
    pub read_list: fn(&[u8]) -> Result<Listing, DecodeError>,
    /// One thing, as the topic and the payload that the dialect reads. The text is the room in which it was last.
    pub read_one: fn(&[u8], Option<&str>) -> Result<Piece, DecodeError>,
    /// What became of actions.
    pub read_outcomes: fn(&[u8]) -> Result<Vec<Outcome>, DecodeError>,
    /// The codes of refusals after which the same may be tried again: the thing was only busy or away.
    pub passing: &'static [&'static str],
}

/// How a cloud is linked: OAuth 2.0 (RFC 6749), and where it leaves it.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Where its authorization server is, without a slash at the end.
    pub issuer: &'static str,
    /// Where a code for another screen is had (RFC 8628 section 3.1); `None`: it has no such thing.
    pub device_authorization: Option<&'static str>,
    /// How that code becomes a token.
    pub device_grant: DeviceGrant,
    /// The page on which a browser agrees; `None`: it has no such thing.
    pub authorization: Option<&'static str>,
    /// The registered page that shows the code to be copied.
    pub redirect: &'static str,
    /// Where tokens are had.
    pub token: &'static str,
    /// Where they are taken back; `None`: it has no such thing.
    pub revocation: Option<&'static str>,
    /// How they are.
    pub revoke: Revocation,
    /// How a scope is spelled where several are asked for.
    pub scopes: &'static [&'static str],
    /// Those without which it is of no use.
    pub needed: &'static [&'static str],
}

/// How a device code becomes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceGrant {
    /// As RFC 8628 section 3.4 has it.
    #[default]
    Rfc8628,
    /// Yandex OAuth: `grant_type=device_code` and `code`, where the RFC says `urn:ietf:params:oauth:grant-type:device_code` and
    /// `device_code`; it wants to know the device's id and name besides.
    Yandex,
}

/// How a token is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revocation {
    /// As RFC 7009 section 2.1 has it: `token` and `token_type_hint`; the refresh token takes the rest with it.
    #[default]
    Rfc7009,
    /// Yandex OAuth: `access_token`, with the client's id and secret; there is no revoking of a refresh token.
    Yandex,
}

/// How often a cloud may be asked. What the cloud itself says (`Retry-After`) goes before.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often everything is asked for, in seconds.
    pub every_s: u32,
    /// No more calls in an hour, commands among them.
    pub per_hour: u32,
}

/// A call of a cloud's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whether it changes something: then it has a body and is not simply repeated.
    pub changes: bool,
    /// The path, from the slash on.
    pub path: String,
    /// JSON.
    pub body: String,
}

impl Request {
    /// One that only looks.
    pub(crate) fn look(path: impl Into<String>) -> Self {
        Request { changes: false, path: path.into(), body: String::new() }
    }

    /// One that changes something.
    pub(crate) fn change(path: impl Into<String>, body: String) -> Self {
        Request { changes: true, path: path.into(), body }
    }
}

/// What is in a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The things, each once, in the order of their ids.
    pub pieces: Vec<Piece>,
    /// Scenarios of the cloud's own.
    pub scenes: Vec<Scene>,
    /// Parts that could not be read.
    pub faults: Vec<Fault>,
}

/// One thing of a cloud, ready to be read by the dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its id in the cloud; groups have one that begins with `group.`.
    pub id: String,
    /// What people call it there.
    pub name: String,
    /// The room in which it is there.
    pub room: Option<String>,
    /// How it is called by whoever gave it to the cloud.
    pub external: Option<String>,
    /// Who gave it to the cloud.
    pub giver: Option<String>,
    /// Of a group: what is in it.
    pub members: Vec<String>,
    /// Whether it can be reached, where the cloud says so; in a list it may not.
    pub reachable: Option<bool>,
    /// The topic under which the dialect reads it.
    pub topic: String,
    /// What the dialect reads.
    pub payload: Vec<u8>,
}

/// A scenario of a cloud's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it is switched on.
    pub is_on: bool,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Of which thing.
    pub id: String,
    /// Of which of its properties, as the dialect calls it; `None`: of all of them.
    pub property: Option<String>,
    /// Why it was not done; `None` if it was.
    pub refused: Option<Refusal>,
}

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The cloud's code, printable and short.
    pub code: String,
    /// The cloud's own words, likewise; may be empty.
    pub words: String,
}

/// The cloud of this name.
pub fn named(name: &str) -> Option<&'static Cloud> {
    CLOUDS.iter().find(|cloud| cloud.name == name)
}

/// The cloud whose devices speak this dialect.
pub fn speaking(dialect: &str) -> Option<&'static Cloud> {
    CLOUDS.iter().find(|cloud| cloud.dialect.name == dialect)
}

/// Whether a topic is one of a cloud's, and not of a broker.
pub fn is_topic(topic: &str) -> bool {
    topic.starts_with(ROOT)
}

/// The cloud and the id that a topic names.
pub fn of_topic(topic: &str) -> Option<(&'static Cloud, &str)> {
    let (name, id) = topic.strip_prefix(ROOT)?.split_once('/')?;
    Some((named(name)?, id))
}

/// The topic of a thing.
pub(crate) fn topic(cloud: &str, id: &str) -> String {
    format!("{ROOT}{cloud}/{id}")
}

/// Whether an id that a cloud gave can stand in a path and in a topic.
pub(crate) fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(fits) && !id.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_told_apart_and_complete() {
        for (at, cloud) in CLOUDS.iter().enumerate() {
            assert!(CLOUDS.iter().skip(at + 1).all(|other| other.name != cloud.name));
            assert!(crate::mqtt::DIALECTS.iter().all(|dialect| dialect.name != cloud.dialect.name));
            assert!(cloud.api.starts_with("https://") && cloud.link.issuer.starts_with("https://"));
            assert!(!cloud.api.ends_with('/') && !cloud.link.issuer.ends_with('/'));
            assert!(cloud.link.device_authorization.is_some() || cloud.link.authorization.is_some());
            assert!(cloud.link.needed.iter().all(|scope| cloud.link.scopes.contains(scope)));
            assert!(cloud.pace.every_s >= 10 && 3600 / cloud.pace.every_s < cloud.pace.per_hour, "{}", cloud.name);
            assert_eq!(of_topic(&topic(cloud.name, "a")).map(|(of, id)| (of.name, id)), Some((cloud.name, "a")));
            assert!((cloud.show)("../x").is_none() && (cloud.act)("a b", &[]).is_none() && (cloud.start)("").is_none());
        }
    }
}
