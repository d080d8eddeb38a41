//! Everything the hub keeps about a person, for the person (152-ФЗ, article 14): JSON that is read without the hub. Other
//! rooms add their part; secrets are in none of them.

use std::sync::{Arc, PoisonError};

use domovoi_model::{PersonId, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{Consent, Contact, People, PeopleError, Person};
use crate::audit::{Actor, Change, Outcome, Query, Record};
use crate::policy::{Effect, Grant};

/// A room's part of the export.
pub type Told = Arc<dyn Fn(PersonId) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// Entries of the journal that go into an export: years of a normal home.
const MAX_ENTRIES: usize = 20_000;

impl People {
    /// A room that keeps something about people says here how it is told to them.
    pub fn also_keeps(&self, part: &'static str, told: Told) {
        let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
        hooks.keepers.retain(|(there, _)| *there != part);
        hooks.keepers.push((part, told));
    }

    /// Everything the hub keeps about a person, for the person: JSON, readable without the hub.
    pub async fn export(&self, id: PersonId) -> Result<Value, PeopleError> {
        let person = self.existing(id)?;
        let consents: Vec<Value> = self.consents(id).await?.iter().map(consent_json).collect();
        let delegated: Vec<Value> = self
            .delegated_by(id)
            .iter()
            .map(|(to, grant)| json!({ "to": to.to_string(), "grant": grant_json(grant) }))
            .collect();
        let mut parts = Map::new();
        let keepers = self.hooks.read().unwrap_or_else(PoisonError::into_inner).keepers.clone();
        for (part, told) in keepers {
            let told = told(id).await.map_err(domovoi_store::StoreError::Io)?;
            parts.insert(part.to_owned(), told);
        }
        let (journal, whole) = self.entries(id).await?;
        let mut export = json!({
            "read_me": {
                "ru": "Всё, что этот дом хранит о человеке. Время указано по UTC. Пароли, коды, ключи и токены хранятся \
                       только в виде отпечатков или под шифром и сюда не входят. Номера людей и вещей (id) понятны \
                       только этому дому.",
                "en": "Everything that this home keeps about a person. Times are UTC. Passwords, codes, keys and tokens \
                       are kept only as hashes or sealed, and are not in here. Ids of people and things mean something \
                       to this home only.",
            },
            "made_at": at(self.clock.trusted()),
            "person": person_json(&person),
            "delegated": delegated,
            "consents": consents,
            "journal": journal,
            "journal_is_whole": whole,
        });
        if let Some(export) = export.as_object_mut() {
            export.append(&mut parts);
        }
        Ok(export)
    }

    /// What the journal says by and about a person, newest first, and whether that is all of it.
    async fn entries(&self, id: PersonId) -> Result<(Vec<Value>, bool), PeopleError> {
        let mut records: Vec<Record> = Vec::new();
        let mut whole = true;
        let by = Query { person: Some(id), limit: 500, ..Query::default() };
        let about = Query { text: Some(id.to_string()), limit: 500, ..Query::default() };
        for mut query in [by, about] {
            let mut taken = 0;
            loop {
                let page = self.journal.search(&query).await?;
                taken += page.records.len();
                records.extend(page.records.into_iter().filter(|record| concerns(record, id)));
                match page.next {
                    None => break,
                    Some(_) if taken >= MAX_ENTRIES => {
                        whole = false;
                        break;
                    }
                    next => query.before = next,
                }
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.row));
        records.dedup_by_key(|record| record.row);
        Ok((records.iter().map(|record| record_json(record, id)).collect(), whole))
    }
}

fn concerns(record: &Record, id: PersonId) -> bool {
    let entry = &record.entry;
    entry.actor == Actor::Person(id)
        || entry.object.as_ref().is_some_and(|(_, which)| which.as_deref() == Some(&id.to_string()))
        || entry.changes.iter().any(|change| change.of == Some(id))
}

fn record_json(record: &Record, id: PersonId) -> Value {
    let entry = &record.entry;
    let by_me = entry.actor == Actor::Person(id);
    let outcome = match &entry.outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(why) => format!("refused: {why}"),
        Outcome::Failed(why) => format!("failed: {why}"),
    };
    // What others' data became is theirs to be told; likewise from where somebody else did something.
    let mine = |change: &&Change| change.of.is_none_or(|of| of == id);
    let changes: Vec<Value> = entry
        .changes
        .iter()
        .filter(mine)
        .map(|change| json!({ "field": change.field, "before": change.before, "after": change.after }))
        .collect();
    json!({
        "number": record.row,
        "at": at(record.at),
        "times": record.times,
        "by": if by_me { "me" } else { "another" },
        "deed": entry.deed,
        "object": entry.object.as_ref().map(|(kind, which)| json!({ "kind": kind, "id": which })),
        "outcome": outcome,
        "road": entry.origin.road.code(),
        "address": entry.origin.address.filter(|_| by_me).map(|address| address.to_string()),
        "device": entry.origin.device.as_ref().filter(|_| by_me),
        "changes": changes,
    })
}

fn person_json(person: &Person) -> Value {
    let contacts: Vec<Value> = person.contacts.iter().map(contact_json).collect();
    let grants: Vec<Value> = person.grants.iter().map(grant_json).collect();
    json!({
        "id": person.id.to_string(),
        "name": person.name,
        "role": person.role.code(),
        "contacts": contacts,
        "profile": {
            "language": person.profile.language.map(|language| language.code()),
            "relation": person.profile.relation,
            "colour": person.profile.colour,
            "large_type": person.profile.large_type,
        },
        "grants": grants,
        "until": at(person.until),
        "locked": person.locked,
        "added_at": at(person.added_at),
    })
}

fn contact_json(contact: &Contact) -> Value {
    json!({
        "kind": contact.kind.code(),
        "value": contact.value,
        "confirmed_at": at(contact.confirmed_at),
        "vouched": contact.vouched,
    })
}

fn grant_json(grant: &Grant) -> Value {
    let verbs: Vec<&str> = grant.verbs.iter().map(|verb| verb.code()).collect();
    json!({
        "id": grant.id,
        "effect": if grant.effect == Effect::Allow { "allow" } else { "deny" },
        "verbs": verbs,
        "kind": grant.kind.code(),
        "id_is": grant.id_is,
        "room": grant.room,
        "capability": grant.capability,
        "hours": grant.hours.map(|hours| json!({ "from_minute": hours.from_minute, "to_minute": hours.to_minute })),
        "home_only": grant.home_only,
        "until": at(grant.until),
        "from": grant.from.map(|from| from.to_string()),
    })
}

fn consent_json(consent: &Consent) -> Value {
    json!({
        "id": consent.id,
        "purpose": consent.purpose,
        "recipient": consent.recipient,
        "what": consent.what,
        "text": consent.text,
        "given_at": at(consent.given_at),
        "until": at(consent.until),
        "withdrawn_at": at(consent.withdrawn_at),
    })
}

fn at(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
