//! Everybody, in memory, and the rules that hold for all of them together: how many, one login one person, never without
//! an owner. Pure; what is durable and when is decided elsewhere.

use std::collections::BTreeMap;

use domovoi_model::{PersonId, Timestamp};
use unicode_normalization::UnicodeNormalization as _;

use super::{Contact, PeopleError, Person, Profile, login};
use crate::policy::Role;

/// A household, with its guests and programs.
pub(super) const MAX_PEOPLE: usize = 100;
/// Contacts of one person.
pub(super) const MAX_CONTACTS: usize = 10;
const MAX_NAME: usize = 100;
const MAX_RELATION: usize = 40;
const MAX_COLOUR: u8 = 11;
/// Nobody is a guest for longer; who stays is given another role.
const LONGEST_STAY_MILLIS: i64 = 366 * 86_400_000;

/// Everybody.
#[derive(Debug, Default)]
pub(super) struct Roster(BTreeMap<PersonId, Person>);

impl Roster {
    pub fn new(people: impl IntoIterator<Item = Person>) -> Self {
        Roster(people.into_iter().map(|person| (person.id, person)).collect())
    }

    /// Owners first, then by name.
    pub fn list(&self) -> Vec<Person> {
        let mut people: Vec<Person> = self.0.values().cloned().collect();
        people.sort_by_cached_key(|person| (person.role != Role::Owner, person.name.to_lowercase(), person.id));
        people
    }

    pub fn get(&self, id: PersonId) -> Option<&Person> {
        self.0.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        self.0.values()
    }

    pub fn insert(&mut self, person: Person) {
        self.0.insert(person.id, person);
    }

    pub fn remove(&mut self, id: PersonId) {
        self.0.remove(&id);
    }

    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_PEOPLE
    }

    /// Whose login this is.
    pub fn by_login(&self, wanted: &login::Login) -> Option<(&Person, &Contact)> {
        let key = login::key(wanted.kind, &wanted.value);
        self.0.values().find_map(|person| {
            let contact = person.contacts.iter().find(|contact| {
                contact.is_login() && contact.kind == wanted.kind && login::key(contact.kind, &contact.value) == key
            })?;
            Some((person, contact))
        })
    }

    /// Whether what `person` becomes can stand beside the others.
    pub fn admits(&self, person: &Person, now: Timestamp) -> Result<(), PeopleError> {
        for contact in person.contacts.iter().filter(|contact| contact.is_login()) {
            let login = login::Login { kind: contact.kind, value: contact.value.clone() };
            if self.by_login(&login).is_some_and(|(other, _)| other.id != person.id) {
                return Err(PeopleError::Refused("another person signs in with this: take another".into()));
            }
        }
        let was_active = self.get(person.id).is_some_and(|before| is_active_owner(before, now));
        if was_active && !is_active_owner(person, now) {
            self.spares(person.id, now)?;
        }
        Ok(())
    }

    /// Refuses if nobody else would own the home.
    pub fn spares(&self, id: PersonId, now: Timestamp) -> Result<(), PeopleError> {
        if self.0.values().any(|person| person.id != id && is_active_owner(person, now)) {
            return Ok(());
        }
        Err(PeopleError::Refused(
            "this is the home's last owner: make somebody else an owner first; a lost phone is signed out under sessions"
                .into(),
        ))
    }
}

/// Somebody who can put everything else right.
pub(super) fn is_active_owner(person: &Person, now: Timestamp) -> bool {
    person.role == Role::Owner && !person.locked && person.until.is_none_or(|until| until > now)
}

/// What the family calls a person: NFC, trimmed.
pub(super) fn name(text: &str) -> Result<String, PeopleError> {
    line(text, MAX_NAME).ok_or_else(|| {
        PeopleError::Invalid("a name has 1 to 100 characters, on one line, without invisible direction marks".into())
    })
}

pub(super) fn profile(profile: Profile) -> Result<Profile, PeopleError> {
    let relation = match profile.relation.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(line(text, MAX_RELATION).ok_or_else(|| {
            PeopleError::Invalid("who somebody is in the family has at most 40 characters, on one line".into())
        })?),
    };
    if profile.colour > MAX_COLOUR {
        return Err(PeopleError::Invalid("colours are numbered 0 to 11".into()));
    }
    Ok(Profile { relation, ..profile })
}

/// One line of text, NFC. Marks that turn the direction of writing are refused: a name with one turns the sentence round
/// that it stands in. Joiners stay, emoji and several scripts need them.
pub(super) fn line(text: &str, max: usize) -> Option<String> {
    // Before anything is composed: nobody may make this work long.
    if text.len() > max.saturating_mul(16) {
        return None;
    }
    let line: String = text.trim().nfc().collect();
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let blank = line.chars().all(|c| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'));
    let fits = !blank && line.chars().count() <= max && !line.chars().any(|c| c.is_control() || turns(c));
    fits.then_some(line)
}

/// Whether a role and a last moment go together.
pub(super) fn goes_with(role: Role, until: Option<Timestamp>) -> Result<(), PeopleError> {
    match (role, until) {
        (Role::Guest, None) => Err(PeopleError::Invalid("a guest needs a last day: say until when".into())),
        (Role::Owner, Some(_)) => Err(PeopleError::Invalid("an owner has no last day: leave it out".into())),
        _ => Ok(()),
    }
}

/// Whether a new last moment can be set. `now` is `None` while nobody knows the time.
pub(super) fn ends_rightly(until: Option<Timestamp>, now: Option<Timestamp>) -> Result<(), PeopleError> {
    let invalid = |why: &str| Err(PeopleError::Invalid(why.into()));
    match (until, now) {
        (None, _) => Ok(()),
        (Some(_), None) => {
            invalid("the hub does not know the time yet, so it cannot tell when this ends: try again later")
        }
        (Some(until), Some(now)) if until <= now => invalid("the last day lies in the past"),
        (Some(until), Some(now)) if until.0.saturating_sub(now.0) > LONGEST_STAY_MILLIS => {
            invalid("the last day is more than a year away")
        }
        _ => Ok(()),
    }
}
