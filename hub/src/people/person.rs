//! A person's record. Plain values.

use domovoi_config::Language;
use domovoi_model::{PersonId, Timestamp};

use crate::policy::{Grant, Role};

/// A person of the household, or a program that was given a name here.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Opaque.
    pub id: PersonId,
    /// What the family calls them. 1 to 100 characters.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// How they are reached; a confirmed one is a login too.
    pub contacts: Vec<Contact>,
    /// Who they are in the family.
    pub profile: Profile,
    /// Rights beside the role's.
    pub grants: Vec<Grant>,
    /// A guest's last moment.
    pub until: Option<Timestamp>,
    /// Their devices are locked: a phone was lost.
    pub locked: bool,
    /// Raised when rights change: what was opened under another epoch is over.
    pub epoch: u32,
    /// When they were added.
    pub added_at: Option<Timestamp>,
}

/// What the family knows of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Their language; `None` is the home's.
    pub language: Option<Language>,
    /// «мама», «дедушка»: at most 40 characters.
    pub relation: Option<String>,
    /// Their colour on the page, 0 to 11.
    pub colour: u8,
    /// Large type.
    pub large_type: bool,
}

/// A phone number, an e-mail address or a login name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Which.
    pub kind: ContactKind,
    /// Normalised: `+79161234567`, `anna@example.org`, `Анна`.
    pub value: String,
    /// When the person proved that it is theirs. A name needs no proof and has none.
    pub confirmed_at: Option<Timestamp>,
    /// A login although nobody proved it: given by whoever holds the machine. Shown as «не подтверждён».
    pub vouched: bool,
}

impl Contact {
    /// Whether the person can sign in with it.
    pub fn is_login(&self) -> bool {
        self.kind == ContactKind::Name || self.vouched || self.confirmed_at.is_some()
    }

    /// Whether one-time codes may go there: a message of ours goes to nobody who has not said that it is their address.
    pub fn is_confirmed(&self) -> bool {
        self.kind != ContactKind::Name && self.confirmed_at.is_some()
    }
}

/// Kinds of contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContactKind {
    /// E.164.
    Phone,
    /// RFC 5321, the domain in lower case and ASCII.
    Email,
    /// A login name: for a home without mail and SMS. Nothing can be sent to it, so it is a login at once.
    Name,
}

impl ContactKind {
    /// All of them.
    pub const ALL: [ContactKind; 3] = [ContactKind::Phone, ContactKind::Email, ContactKind::Name];

    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            ContactKind::Phone => "phone",
            ContactKind::Email => "email",
            ContactKind::Name => "name",
        }
    }

    /// The kind of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A new person.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// What the family calls them.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// Contacts as a person types them; unconfirmed. A text that is no number and no address is a login name.
    pub contacts: Vec<String>,
    /// Who they are in the family.
    pub profile: Profile,
    /// A guest's last moment; a guest without one is refused.
    pub until: Option<Timestamp>,
}

/// What changes; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The name.
    pub name: Option<String>,
    /// The role.
    pub role: Option<Role>,
    /// The profile.
    pub profile: Option<Profile>,
    /// The last moment, or none.
    pub until: Option<Option<Timestamp>>,
    /// Locked or not.
    pub locked: Option<bool>,
}

/// What a person agreed to have sent where (152-ФЗ: a document of its own).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Opaque; made when it is given.
    pub id: String,
    /// What for: `portal.readings`, `portal.messages`, `portal.profile`, `code.mail`, …
    pub purpose: String,
    /// Who receives it.
    pub recipient: String,
    /// Which data, in words.
    pub what: String,
    /// The words that were shown, whole.
    pub text: String,
    /// When it was given.
    pub given_at: Option<Timestamp>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
}
