//! What an entry of the journal says. Plain values.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use domovoi_model::{PersonId, Timestamp};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Somebody who was not known.
    Nobody,
    /// The hub itself.
    House,
    /// Whoever held the machine.
    Console,
    /// A person.
    Person(PersonId),
    /// An MQTT credential, by user name.
    Credential(String),
}

/// By which way it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Road {
    /// The page.
    Page,
    /// The API with a token or a certificate.
    Api,
    /// The command line.
    Console,
    /// The broker.
    Mqtt,
    /// Nobody asked; the hub did it by itself.
    #[default]
    House,
}

impl Outcome {
    /// `done`, `refused` or `failed`.
    pub fn code(&self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused(_) => "refused",
            Outcome::Failed(_) => "failed",
        }
    }

    /// The code that says why it was not done.
    pub fn why(&self) -> Option<&str> {
        match self {
            Outcome::Done => None,
            Outcome::Refused(why) | Outcome::Failed(why) => Some(why),
        }
    }
}

impl Road {
    /// Its code on the wire and in the store.
    pub fn code(self) -> &'static str {
        match self {
            Road::Page => "page",
            Road::Api => "api",
            Road::Console => "console",
            Road::Mqtt => "mqtt",
            Road::House => "house",
        }
    }

    /// The road of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Road::Page, Road::Api, Road::Console, Road::Mqtt, Road::House].into_iter().find(|road| road.code() == code)
    }
}

/// From where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// By which way.
    pub road: Road,
    /// The peer's address.
    pub address: Option<IpAddr>,
    /// What the peer says it is: browser and system, at most 200 characters, no control characters.
    pub device: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused; the code says why.
    Refused(String),
    /// It was tried and failed; the code says why.
    Failed(String),
}

/// One thing that became another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub field: String,
    /// What it was.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
    /// Whose personal data the two values are: they are sealed under that person's own key and go with the person.
    pub of: Option<PersonId>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// What, as a code: `session.opened`, `person.added`, `meter.submitted`; the locale files name it `deed-…`.
    pub deed: String,
    /// To what: a kind's code and an id, such as `meter`, `Кухня`.
    pub object: Option<(String, Option<String>)>,
    /// How it ended.
    pub outcome: Outcome,
    /// What became what.
    pub changes: Vec<Change>,
}

/// What a handler adds to the entry that is written for it. Clones are the same note.
#[derive(Debug, Clone, Default)]
pub struct Note(Arc<Mutex<Vec<Change>>>);

impl Note {
    /// Adds a change that is nobody's personal data.
    pub fn change(&self, field: &str, before: Option<String>, after: Option<String>) {
        self.add(Change { field: field.to_owned(), before, after, of: None });
    }

    /// Adds a change of a person's own data.
    pub fn personal(&self, of: PersonId, field: &str, before: Option<String>, after: Option<String>) {
        self.add(Change { field: field.to_owned(), before, after, of: Some(of) });
    }

    fn add(&self, change: Change) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    /// What was added.
    pub fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What to look for. Everything that is given has to fit.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only what this person did, and what somebody unknown, the hub or its console did to them.
    pub person: Option<PersonId>,
    /// Only deeds whose code begins so.
    pub deed: Option<String>,
    /// Only with this outcome: `done`, `refused`, `failed`.
    pub outcome: Option<String>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only before then.
    pub until: Option<Timestamp>,
    /// Only where this occurs in any text, whatever the case.
    pub text: Option<String>,
    /// Only rows before this one: `Page::next` of the page before.
    pub before: Option<u64>,
    /// At most so many, 1 to 500.
    pub limit: usize,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1, without gaps.
    pub row: u64,
    /// When, the last time; `None` while the clock was not trusted.
    pub at: Option<Timestamp>,
    /// When, the first time: the same as `at` unless it stands for several.
    pub since: Option<Timestamp>,
    /// What. Values of erased persons are gone: `before` and `after` are `None` and `of` names who they were.
    pub entry: Entry,
    /// How many like it are counted in this one.
    pub times: u32,
}

/// A page of the journal.
#[derive(Debug, Clone)]
pub struct Page {
    /// Newest first. There can be fewer than were asked for, or none, and a next page all the same: one search opens a
    /// bounded number of rows.
    pub records: Vec<Record>,
    /// The `before` of the next page, if there is one.
    pub next: Option<u64>,
}
