//! A person's record and a consent as they are kept: JSON in a sealed document. It is the only place that knows the
//! spelling; a record that this program does not know whole is refused rather than cut down at the next change.

use domovoi_config::Language;
use domovoi_model::{PersonId, Timestamp};
use domovoi_store::{Paper, StoreError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Consent, Contact, ContactKind, Person, Profile};
use crate::policy::{Effect, Grant, Hours, Kind, Role, Verb};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonRow {
    name: String,
    role: String,
    contacts: Vec<ContactRow>,
    profile: ProfileRow,
    grants: Vec<GrantRow>,
    until: Option<i64>,
    locked: bool,
    epoch: u32,
    added_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactRow {
    kind: String,
    value: String,
    confirmed_at: Option<i64>,
    vouched: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileRow {
    language: Option<String>,
    relation: Option<String>,
    colour: u8,
    large_type: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantRow {
    id: String,
    deny: bool,
    verbs: Vec<String>,
    kind: String,
    id_is: Option<String>,
    room: Option<String>,
    capability: Option<String>,
    hours: Option<(u16, u16)>,
    home_only: bool,
    until: Option<i64>,
    from: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentRow {
    purpose: String,
    recipient: String,
    what: String,
    text: String,
    given_at: Option<i64>,
    until: Option<i64>,
    withdrawn_at: Option<i64>,
}

pub(super) fn of_person(person: &Person) -> Result<Paper, StoreError> {
    let row = PersonRow {
        name: person.name.clone(),
        role: person.role.code().to_owned(),
        contacts: person.contacts.iter().map(contact_row).collect(),
        profile: ProfileRow {
            language: person.profile.language.map(|language| language.code().to_owned()),
            relation: person.profile.relation.clone(),
            colour: person.profile.colour,
            large_type: person.profile.large_type,
        },
        grants: person.grants.iter().map(grant_row).collect(),
        until: millis(person.until),
        locked: person.locked,
        epoch: person.epoch,
        added_at: millis(person.added_at),
    };
    Ok(Paper { id: person.id.0, person: Some(person.id), body: body(&row)? })
}

pub(super) fn to_person(paper: &Paper) -> Result<Person, StoreError> {
    let what = || damaged("person", paper);
    let row: PersonRow = serde_json::from_slice(&paper.body).map_err(|_| what())?;
    let contacts: Option<Vec<Contact>> = row.contacts.into_iter().map(contact).collect();
    let grants: Option<Vec<Grant>> = row.grants.into_iter().map(grant).collect();
    let language = match row.profile.language {
        Some(code) => Some(language(&code).ok_or_else(what)?),
        None => None,
    };
    Ok(Person {
        id: PersonId(paper.id),
        name: row.name,
        role: Role::from_code(&row.role).ok_or_else(what)?,
        contacts: contacts.ok_or_else(what)?,
        profile: Profile {
            language,
            relation: row.profile.relation,
            colour: row.profile.colour,
            large_type: row.profile.large_type,
        },
        grants: grants.ok_or_else(what)?,
        until: row.until.map(Timestamp),
        locked: row.locked,
        epoch: row.epoch,
        added_at: row.added_at.map(Timestamp),
    })
}

pub(super) fn of_consent(person: PersonId, consent: &Consent) -> Result<Paper, StoreError> {
    let id = consent.id.parse().map_err(|_| StoreError::NotFound { what: "consent with this id".into() })?;
    let row = ConsentRow {
        purpose: consent.purpose.clone(),
        recipient: consent.recipient.clone(),
        what: consent.what.clone(),
        text: consent.text.clone(),
        given_at: millis(consent.given_at),
        until: millis(consent.until),
        withdrawn_at: millis(consent.withdrawn_at),
    };
    Ok(Paper { id, person: Some(person), body: body(&row)? })
}

pub(super) fn to_consent(paper: &Paper) -> Result<Consent, StoreError> {
    let row: ConsentRow = serde_json::from_slice(&paper.body).map_err(|_| damaged("consent", paper))?;
    Ok(Consent {
        id: paper.id.to_string(),
        purpose: row.purpose,
        recipient: row.recipient,
        what: row.what,
        text: row.text,
        given_at: row.given_at.map(Timestamp),
        until: row.until.map(Timestamp),
        withdrawn_at: row.withdrawn_at.map(Timestamp),
    })
}

/// Codes of languages are the config's; its own reader is for files.
fn language(code: &str) -> Option<Language> {
    [Language::Russian, Language::English].into_iter().find(|language| language.code() == code)
}

fn body<T: Serialize>(row: &T) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    serde_json::to_vec(row).map(Zeroizing::new).map_err(|error| StoreError::Io(error.to_string()))
}

fn damaged(kind: &str, paper: &Paper) -> StoreError {
    StoreError::Damaged { what: format!("{kind} {}: its content is not what this program writes", paper.id) }
}

fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.0)
}

fn contact_row(contact: &Contact) -> ContactRow {
    ContactRow {
        kind: contact.kind.code().to_owned(),
        value: contact.value.clone(),
        confirmed_at: millis(contact.confirmed_at),
        vouched: contact.vouched,
    }
}

fn contact(row: ContactRow) -> Option<Contact> {
    Some(Contact {
        kind: ContactKind::from_code(&row.kind)?,
        value: row.value,
        confirmed_at: row.confirmed_at.map(Timestamp),
        vouched: row.vouched,
    })
}

fn grant_row(grant: &Grant) -> GrantRow {
    GrantRow {
        id: grant.id.clone(),
        deny: grant.effect == Effect::Deny,
        verbs: grant.verbs.iter().map(|verb| verb.code().to_owned()).collect(),
        kind: grant.kind.code().to_owned(),
        id_is: grant.id_is.clone(),
        room: grant.room.clone(),
        capability: grant.capability.clone(),
        hours: grant.hours.map(|hours| (hours.from_minute, hours.to_minute)),
        home_only: grant.home_only,
        until: millis(grant.until),
        from: grant.from.map(|from| from.to_string()),
    }
}

fn grant(row: GrantRow) -> Option<Grant> {
    let verbs: Option<Vec<Verb>> = row.verbs.iter().map(|verb| Verb::from_code(verb)).collect();
    let from = match row.from {
        Some(id) => Some(id.parse().ok()?),
        None => None,
    };
    Some(Grant {
        id: row.id,
        effect: if row.deny { Effect::Deny } else { Effect::Allow },
        verbs: verbs?,
        kind: Kind::from_code(&row.kind)?,
        id_is: row.id_is,
        room: row.room,
        capability: row.capability,
        hours: row.hours.map(|(from_minute, to_minute)| Hours { from_minute, to_minute }),
        home_only: row.home_only,
        until: row.until.map(Timestamp),
        from,
    })
}
