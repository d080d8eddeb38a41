//! Erasing a person. What they did stays in the journal under a number that means nobody any more; what they were called
//! and how they were reached does not.

use std::sync::{Arc, PoisonError};

use domovoi_model::PersonId;
use domovoi_store::{Drawer, StoreError};
use futures_util::future::BoxFuture;

use super::{PURPOSES, People, PeopleError, Person, finish, paper};
use crate::audit::{Actor, Change, Entry, Origin, Outcome};

/// Removes what a room keeps about one person.
pub(super) type Forgets = Arc<dyn Fn(PersonId) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

impl People {
    /// A room that keeps something about people says here how it forgets one.
    pub fn also_forgets(
        &self,
        forget: impl Fn(PersonId) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync + 'static,
    ) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).forgetters.push(Arc::new(forget));
    }

    /// Erases a person: record, contacts, factors, sessions, tokens, consents, and the key under which the journal
    /// keeps the person's data. The proof stands in the journal.
    ///
    /// Rights that the person handed on go too. Readings that the person handed in stay, with the number of the person
    /// where their name was: an act that was signed and sent cannot be unsaid, and the law (152-ФЗ, article 21 part 4)
    /// lets stay what a contract with a supplier needs.
    pub async fn erase(&self, id: PersonId, by: Actor) -> Result<(), PeopleError> {
        let changes = self.changes().await;
        let person = self.existing(id)?;
        let now = self.at();
        if super::roster::is_active_owner(&person, now) {
            self.seen(|roster| roster.spares(id, now))?;
        }
        let room = self.clone();
        finish(async move {
            for purpose in PURPOSES {
                let theirs = room.who_consents(purpose).await?.iter().any(|(whose, _)| *whose == id);
                if theirs {
                    room.stop_without(purpose, |whose, _| whose == id).await?;
                }
            }
            let delegated: Vec<Person> = room.seen(|roster| {
                let has = |person: &&Person| person.grants.iter().any(|grant| grant.from == Some(id));
                roster.iter().filter(has).cloned().collect()
            });
            let delegates = delegated.len();
            for mut person in delegated {
                person.grants.retain(|grant| grant.from != Some(id));
                room.store.papers().put(Drawer::Person, &paper::of_person(&person)?).await?;
                room.roster.write().unwrap_or_else(PoisonError::into_inner).insert(person);
            }
            // Before the person: whoever is gone could not be forgotten once more if the disk failed in between.
            let forgetters = room.hooks.read().unwrap_or_else(PoisonError::into_inner).forgetters.clone();
            for forget in forgetters {
                forget(id).await?;
            }
            let documents = room.store.papers().erase(id).await?;
            // The one notice that names a person.
            room.store.notices().clear(&format!("signin.attacked.{id}")).await?;
            room.roster.write().unwrap_or_else(PoisonError::into_inner).remove(id);
            room.proofs.lock().unwrap_or_else(PoisonError::into_inner).forget(id, None);
            drop(changes);
            let count = |field: &str, number: usize| Change {
                field: field.into(),
                before: Some(number.to_string()),
                after: Some("0".into()),
                of: None,
            };
            // The proof: what there was, in numbers, and that nothing of it is left. A hash of what was erased would
            // let somebody who guesses it prove the guess.
            room.journal
                .write(Entry {
                    actor: by,
                    origin: Origin::default(),
                    deed: "person.erased".into(),
                    object: Some(("person".into(), Some(id.to_string()))),
                    outcome: Outcome::Done,
                    changes: vec![count("documents", documents), count("delegations", delegates)],
                })
                .await?;
            Ok(())
        })
        .await
    }
}
