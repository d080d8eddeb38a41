//! Who says what a device is, and how much of it he may say: the owner of an announcement, his rights and his quota, and
//! what becomes of a claim to what is another's. Deliberately asks nobody: the hub knows who was let in and with what.

use std::fmt;

use crate::Road;

/// What somebody claims to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// To report under it.
    Speak,
    /// To take commands under it.
    Listen,
}

/// What a sender may do with topics.
pub trait Rights {
    /// Whether some topic at or below this one is his.
    fn reaches(&self, right: Right, topic: &str) -> bool;
    /// What of a filter is his to speak on, as filters.
    fn narrowed(&self, filter: &str) -> Vec<String>;
}

/// How much a sender may announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// One thing: a device, with what hangs on it.
    One,
    /// A bridge, or a program that speaks for many.
    Many,
    /// A broker of others, behind which all of a home may be.
    Home,
}

impl Scale {
    /// Devices, properties, and bytes of what was published about them.
    pub(crate) fn quota(self) -> Usage {
        match self {
            Scale::One => Usage { devices: 64, properties: 4096, bytes: 2 << 20 },
            Scale::Many => Usage { devices: 2048, properties: 48 << 10, bytes: 16 << 20 },
            Scale::Home => Usage { devices: 3072, properties: 64 << 10, bytes: 24 << 20 },
        }
    }
}

/// How much is announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) devices: usize,
    pub(crate) properties: usize,
    pub(crate) bytes: usize,
}

impl Usage {
    /// Of all senders together. A Raspberry Pi has a gigabyte, and what is kept of an announcement is some four times what
    /// was published.
    pub(crate) const ALL: Usage = Usage { devices: 4096, properties: 96 << 10, bytes: 32 << 20 };

    pub(crate) fn fits(self, quota: Usage) -> bool {
        self.devices <= quota.devices && self.properties <= quota.properties && self.bytes <= quota.bytes
    }

    pub(crate) fn plus(self, other: Usage) -> Usage {
        Usage {
            devices: self.devices.saturating_add(other.devices),
            properties: self.properties.saturating_add(other.properties),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(crate) fn minus(self, other: Usage) -> Usage {
        Usage {
            devices: self.devices.saturating_sub(other.devices),
            properties: self.properties.saturating_sub(other.properties),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// Whose an announcement is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Owner {
    /// Nobody's: it was learnt before owners were kept, or its credential was withdrawn. Who announces next has it.
    #[default]
    Nobody,
    /// That of whoever a broker of others lets in: there are no names there.
    Link,
    /// That of a maker's cloud: of each dialect there is one.
    Cloud,
    /// A credential's, by its user name.
    Credential(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Nobody => f.write_str("nobody"),
            Owner::Link => f.write_str("the home's broker"),
            Owner::Cloud => f.write_str("the maker's cloud"),
            Owner::Credential(username) => write!(f, "the credential «{username}»"),
        }
    }
}

/// Who announces.
#[derive(Clone, Copy)]
pub struct Announcer<'a> {
    /// By which road.
    pub road: Road,
    /// The credential's user name; empty if nobody knows it any more.
    pub sender: &'a str,
    /// How much he may announce.
    pub scale: Scale,
    /// What he may do with topics; `None`: nobody knows, as on the external road.
    pub rights: Option<&'a dyn Rights>,
    /// The topic on which he says it.
    pub topic: &'a str,
    /// How many bytes of what he published there are about this device.
    pub bytes: usize,
}

impl Announcer<'_> {
    /// The house itself, which may say anything.
    pub(crate) fn house() -> Self {
        Announcer { road: Road::Embedded, sender: "", scale: Scale::Home, rights: None, topic: "", bytes: 0 }
    }

    pub(crate) fn owner(&self) -> Owner {
        match (self.road, self.sender) {
            (Road::External, _) => Owner::Link,
            (Road::Cloud, _) => Owner::Cloud,
            (Road::Embedded, "") => Owner::Nobody,
            (Road::Embedded, username) => Owner::Credential(username.to_owned()),
        }
    }

    pub(crate) fn may(&self, right: Right, topic: &str) -> bool {
        self.rights.is_none_or(|rights| rights.reaches(right, topic))
    }
}

impl fmt::Debug for Announcer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Announcer({} on {})", self.owner(), self.topic)
    }
}

/// What is not believed of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contested {
    /// The device is another's.
    Device,
    /// The topic is another device's.
    Topic,
    /// The sender may not publish there, or may not hear it.
    NotAllowed,
    /// The topic is another dialect's: commands below it would be said to another device with the house's voice.
    Foreign,
    /// There is more of it than such a sender may announce.
    Quota,
}

impl Contested {
    /// A short, stable word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Contested::Device => "device",
            Contested::Topic => "topic",
            Contested::NotAllowed => "not_allowed",
            Contested::Foreign => "foreign",
            Contested::Quota => "quota",
        }
    }
}

/// A claim that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contest {
    /// What of it is contested.
    pub what: Contested,
    /// Who claims it.
    pub by: Owner,
    /// The topic in question; empty where it is the device as a whole.
    pub at: String,
}

impl fmt::Display for Contest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contest { by, at, .. } = self;
        match self.what {
            Contested::Device => {
                write!(f, "{by} announces it too; if it is now that one's, forget the device and it is found again")
            }
            Contested::Topic => {
                write!(f, "{by} claims {at}, which is another device's; give one of them another topic")
            }
            Contested::NotAllowed => write!(f, "{by} claims {at}, which its credential does not name"),
            Contested::Foreign => write!(f, "{by} claims {at} for commands, where other devices take theirs"),
            Contested::Quota => write!(f, "{by} announces more than it may; what is beyond is left out {at}"),
        }
    }
}
