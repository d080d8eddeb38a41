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

/// A phone number or an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Which.
    pub kind: ContactKind,
    /// Normalised: `+79161234567`, `anna@example.org`.
    pub value: String,
    /// When the person proved that it is theirs.
    pub confirmed_at: Option<Timestamp>,
}

/// Kinds of contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContactKind {
    /// E.164.
    Phone,
    /// RFC 5321, the domain in lower case.
    Email,
}

/// A new person.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// What the family calls them.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// Contacts as a person types them; unconfirmed.
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
    /// What for: `portal.readings`, `portal.profile`, `code.mail`, …
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
