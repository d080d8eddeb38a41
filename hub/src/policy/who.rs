//! Who asks: the subject, what it may do, from where, and how surely it is known. Plain values; how they are found out is
//! the business of the rooms that let people in.

use std::net::IpAddr;

use domovoi_model::{PersonId, Timestamp};

use super::{Kind, Verb};

/// What a person is in this home. The table of what each role may do by itself is in `decide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Answers for the home: may do everything that is not another person's own.
    Owner,
    /// Lives here.
    Adult,
    /// Lives here, and is looked after.
    Child,
    /// Is here for a while.
    Guest,
    /// A program: a bridge, a dashboard, a script.
    Service,
}

impl Role {
    /// All of them, the most trusted first.
    pub const ALL: [Role; 5] = [Role::Owner, Role::Adult, Role::Child, Role::Guest, Role::Service];

    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Adult => "adult",
            Role::Child => "child",
            Role::Guest => "guest",
            Role::Service => "service",
        }
    }

    /// The role of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Somebody who has shown nothing.
    Nobody,
    /// The hub itself.
    House,
    /// Whoever holds the machine: the command line over the control socket.
    Console,
    /// A person who has signed in, or whose token or certificate this is.
    Person(PersonId),
    /// An MQTT credential. It is known by its user name and may touch the topics that it names.
    Credential {
        /// The user name.
        username: String,
        /// Topic filters it may publish to.
        publish: Vec<String>,
        /// Topic filters it may subscribe to.
        subscribe: Vec<String>,
    },
}

/// Where the question comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// The machine itself.
    Console,
    /// A loopback, private or link-local address.
    Home,
    /// Anywhere else.
    Outside,
}

impl Network {
    /// Loopback, private (RFC 1918, RFC 4193) and link-local addresses are the home's. One written as IPv4 in IPv6 is what
    /// it is in IPv4.
    pub fn of(address: IpAddr) -> Self {
        let home = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        };
        if home { Network::Home } else { Network::Outside }
    }
}

/// How surely the subject is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// Not at all.
    None,
    /// A PIN on a paired tablet: enough to look and to switch a lamp.
    Pin,
    /// One factor, or a token.
    Single,
    /// A passkey, or two factors.
    Strong,
}

/// A right given to a person, or taken away, beside those of the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Opaque; names the grant when it is shown or withdrawn.
    pub id: String,
    /// Whether it gives or takes away. What is taken away stays away, whatever else gives it.
    pub effect: Effect,
    /// Which verbs.
    pub verbs: Vec<Verb>,
    /// What kind of thing.
    pub kind: Kind,
    /// One thing of that kind only.
    pub id_is: Option<String>,
    /// Things in this room only.
    pub room: Option<String>,
    /// This capability only.
    pub capability: Option<String>,
    /// Only at these hours of the home's day.
    pub hours: Option<Hours>,
    /// Only at home.
    pub home_only: bool,
    /// Until then.
    pub until: Option<Timestamp>,
    /// Who delegated it: it is worth no more than that person's own right.
    pub from: Option<PersonId>,
}

impl Grant {
    /// For all things of a kind, at any hour, for ever, and not delegated.
    pub fn new(effect: Effect, verbs: Vec<Verb>, kind: Kind) -> Self {
        Grant {
            id: String::new(),
            effect,
            verbs,
            kind,
            id_is: None,
            room: None,
            capability: None,
            hours: None,
            home_only: false,
            until: None,
            from: None,
        }
    }
}

/// What a grant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Gives.
    Allow,
    /// Takes away.
    Deny,
}

/// From a minute of the day until a minute of the day, which may lie past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hours {
    /// 0 to 1439.
    pub from_minute: u16,
    /// 0 to 1439; equal to `from_minute` means the whole day.
    pub to_minute: u16,
}

/// What a token is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The verb.
    pub verb: Verb,
    /// The kind; `None` is every kind.
    pub kind: Option<Kind>,
}

/// The one who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Who it is.
    pub subject: Subject,
    /// The person's role; a credential is a `Service`; nobody has none.
    pub role: Option<Role>,
    /// Rights beside those of the role.
    pub grants: Vec<Grant>,
    /// Where from.
    pub network: Network,
    /// How surely.
    pub assurance: Assurance,
    /// When a factor was last shown; a dangerous verb wants it lately.
    pub proved_at: Option<Timestamp>,
    /// What the token is limited to; `None` is no limit beside the person's own.
    pub scopes: Option<Vec<Scope>>,
    /// A guest's last moment.
    pub until: Option<Timestamp>,
    /// The person's devices are locked (a lost phone).
    pub locked: bool,
}

impl Who {
    /// Somebody who has shown nothing.
    pub fn nobody(network: Network) -> Self {
        Who {
            subject: Subject::Nobody,
            role: None,
            grants: Vec::new(),
            network,
            assurance: Assurance::None,
            proved_at: None,
            scopes: None,
            until: None,
            locked: false,
        }
    }

    /// Whoever holds the machine.
    pub fn console() -> Self {
        Who {
            subject: Subject::Console,
            role: Some(Role::Owner),
            network: Network::Console,
            assurance: Assurance::Strong,
            ..Self::nobody(Network::Console)
        }
    }

    /// The person, if it is one.
    pub fn person(&self) -> Option<PersonId> {
        match self.subject {
            Subject::Person(id) => Some(id),
            _ => None,
        }
    }
}
