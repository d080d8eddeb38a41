//! The topics of a type: filters with places that are filled in when a device of it is connected, so that each has topics of
//! its own. A device that could speak on the topics of others would be believed in their name.

use crate::mistake::Wrong;

/// The longest serial number that is asked for.
const MAX_SERIAL: usize = 64;

/// The most filters that a type may come to.
const MAX_FILTERS: usize = 48;

/// What is asked of the person, so that the topics are the device's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Serial {
    /// Nothing: the bridge of the home, of which there is one for each base.
    #[default]
    None,
    /// Its hardware address, twelve hexadecimal digits.
    Mac,
    /// Its name in the network, or its serial number.
    Name,
}

impl Serial {
    pub(super) const ALL: [(&'static str, Serial); 3] =
        [("none", Serial::None), ("mac", Serial::Mac), ("name", Serial::Name)];

    /// Its code in the files, on the wire and in the locale files.
    pub fn code(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, serial)| *serial == self).map_or("", |(code, _)| code)
    }
}

/// What a person gave for it is no hardware address or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicError(pub String);

impl std::fmt::Display for TopicError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TopicError {}

/// A serial number as it was given, in the spellings that topics have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    mac: Option<String>,
    name: String,
}

impl Named {
    /// Reads what a person gave.
    pub fn read(serial: Serial, text: &str) -> Result<Self, TopicError> {
        let text = text.trim();
        match serial {
            Serial::None => Ok(Named { mac: None, name: String::new() }),
            Serial::Mac => {
                let digits: String = text.chars().filter(|letter| !matches!(letter, ':' | '-' | '.' | ' ')).collect();
                let right = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                let mac = right.then(|| digits.to_ascii_uppercase());
                let wrong = || TopicError("the hardware address (MAC) has twelve digits 0-9 and A-F".into());
                Ok(Named { name: digits.to_ascii_lowercase(), mac: Some(mac.ok_or_else(wrong)?) })
            }
            Serial::Name => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
                if text.is_empty() || text.len() > MAX_SERIAL || !text.bytes().all(plain) {
                    return Err(TopicError(format!(
                        "the name or serial number has 1 to {MAX_SERIAL} letters, digits, hyphens, underscores and points"
                    )));
                }
                Ok(Named { mac: None, name: text.to_owned() })
            }
        }
    }

    /// As it is shown.
    pub fn text(&self) -> &str {
        self.mac.as_deref().unwrap_or(&self.name)
    }

    /// The filters of a type for this device. `bases` gives the base topics of the home for a word: `{prefix}` is each
    /// prefix of Home Assistant's discovery, `{zigbee2mqtt}` and `{wmbusmeters}` the bases of those.
    pub fn fill(&self, filters: &[String], bases: impl Fn(&str) -> Vec<String>) -> Vec<String> {
        let mut filled = Vec::new();
        for filter in filters {
            let mac = self.mac.as_deref().unwrap_or_default();
            let own = filter
                .replace("{mac_lower}", &mac.to_ascii_lowercase())
                .replace("{mac6}", mac.get(6..).unwrap_or_default())
                .replace("{mac}", mac)
                .replace("{name_lower}", &self.name.to_ascii_lowercase())
                .replace("{name}", &self.name);
            let word = BASES.into_iter().find(|word| own.contains(&format!("{{{word}}}")));
            match word {
                None => filled.push(own),
                Some(word) => {
                    filled.extend(bases(word).iter().map(|base| own.replace(&format!("{{{word}}}"), base)));
                }
            }
        }
        filled.truncate(MAX_FILTERS);
        filled
    }
}

const BASES: [&str; 3] = ["prefix", "zigbee2mqtt", "wmbusmeters"];
const OWN_OF_MAC: [&str; 3] = ["mac", "mac_lower", "mac6"];
const OWN_OF_NAME: [&str; 2] = ["name", "name_lower"];

/// Whether a filter of a type can be. One of a single device names it, in a level that no wildcard stands for.
pub(super) fn check(filter: &str, serial: Serial, is_bridge: bool, publishes: bool) -> Result<(), Wrong> {
    let mut rest = filter;
    let mut names_it = false;
    while let Some((_, behind)) = rest.split_once('{') {
        let Some((word, behind)) = behind.split_once('}') else {
            return Err(Wrong::new(format!("«{filter}»: a brace is not closed")));
        };
        let own = match serial {
            Serial::Mac => OWN_OF_MAC.contains(&word),
            Serial::Name => OWN_OF_NAME.contains(&word),
            Serial::None => false,
        };
        names_it |= own;
        if !own && !BASES.contains(&word) {
            let known = BASES.into_iter().chain(OWN_OF_MAC).chain(OWN_OF_NAME);
            return Err(
                Wrong::new(format!("«{filter}»: nothing is put in for {{{word}}} here")).hint_nearest(word, known)
            );
        }
        rest = behind;
    }
    let plain = filter.replace(['{', '}'], "");
    domovoi_broker::check_filter(&plain, 32).map_err(|why| Wrong::new(format!("«{filter}»: {why}")))?;
    let first = filter.split('/').next().unwrap_or_default();
    if first.starts_with(['#', '+', '$']) || first == "domovoi" {
        return Err(Wrong::new(format!("«{filter}» is not the device's own")));
    }
    // What a hub says to all who can be found so, or to a group of them, every device may hear.
    let named = filter.split('/').take_while(|level| !matches!(*level, "#" | "+")).count();
    let for_all = !publishes && named >= 2;
    if !is_bridge && !names_it && !for_all {
        return Err(Wrong::new(format!("«{filter}» is not the device's own"))
            .hint("put {mac}, {mac6} or {name} into a level of it, or write `bridge = true`"));
    }
    Ok(())
}
