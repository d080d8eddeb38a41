//! The first owner: a token that the daemon prints, good for ten minutes and once, and only while no owner can come in.
//!
//! A power cut in the middle leaves no home that belongs to somebody who cannot sign in: an owner counts once they have
//! a way in, which is written last; until then the token stays good, and a second try finishes the person whom the
//! first one left half-made.

use std::sync::atomic::Ordering;

use domovoi_model::Id;
use domovoi_vault::Secret;
use serde::{Deserialize, Serialize};

use super::factors::{KeptFactor, StoredFactor};
use super::session::Shown;
use super::term::Term;
use super::throttle::Key;
use super::view::Opened;
use super::{Result, SignIn, SignInError, Why, could_be_secret, new_secret};
use crate::audit::{Actor, Origin, Outcome};
use crate::people::{Edit, NewPerson, Person};
use crate::policy::Role;

const LIFE_MILLIS: i64 = 10 * 60_000;
/// Its name among the house's own secrets; a person's are kept apart from these.
const KEPT: &str = "signin.setup";

/// What is kept of the token: sealed, so that a command without a daemon can print one for the next start.
#[derive(Serialize, Deserialize)]
struct Row {
    token: Key,
    term: Term,
    /// A set-up was begun with it: an owner without a way in is its remainder.
    begun: bool,
}

impl SignIn {
    /// A one-time token for `/setup?…` in the fragment, valid for ten minutes; a new one ends the one before.
    pub async fn setup_token(&self) -> Result<Secret<String>> {
        let _turn = self.0.changing.lock().await;
        if !self.needs_owner() {
            return Err(Why::HasOwner.into());
        }
        let token = new_secret()?;
        let begun = self.row().await?.is_some_and(|row| row.begun);
        let term = Term::begin(&self.0.clock, LIFE_MILLIS);
        self.write_row(&Row { token: self.setup_key(token.expose()), term, begun }).await?;
        Ok(token)
    }

    /// Makes the first owner with a password, signed in. The token is used up only when it succeeds.
    pub async fn set_up(
        &self,
        token: &str,
        owner: NewPerson,
        password: Secret<String>,
        from: &Origin,
    ) -> Result<Opened> {
        let turn = self.0.changing.lock().await;
        if !self.needs_owner() {
            return Err(Why::HasOwner.into());
        }
        let fits = |row: &Row| row.term.holds(&self.0.clock) && row.token == self.setup_key(token);
        let Some(row) = self.row().await?.filter(|row| could_be_secret(token) && fits(row)) else {
            self.tell("home.set-up", Actor::Nobody, None, from, Outcome::Refused("expired".to_owned())).await;
            return Err(SignInError::Expired);
        };
        if owner.contacts.iter().all(|contact| contact.trim().is_empty()) {
            return Err(Why::NoLogin.into());
        }
        let about = self.about(&owner.name, &owner.contacts);
        let unmet = super::enrolment::judge(&password, about, true).await;
        if !unmet.is_empty() {
            return Err(SignInError::Weak(unmet));
        }
        let phc = self.0.hasher.hash(&password).await?;
        let remainder = if row.begun { self.half_made().await? } else { None };
        self.write_row(&Row { begun: true, ..row }).await?;
        let person = self.make_owner(remainder, owner).await?;
        let factor = KeptFactor::new("", self.0.clock.trusted(), StoredFactor::Password { phc });
        let factor = KeptFactor { stands_alone: true, ..factor };
        self.keep(person.id, Id(domovoi_vault::random()?), &factor).await?;
        self.0.owned.store(true, Ordering::SeqCst);
        self.0.store.secrets().delete(KEPT).await?;
        drop(turn);
        self.tell("home.set-up", Actor::Person(person.id), Some(person.id), from, Outcome::Done).await;
        // Whoever has the token has read what the machine printed.
        self.open_session(&person, &[Shown::Console, Shown::Password], from).await
    }

    async fn make_owner(&self, remainder: Option<Person>, owner: NewPerson) -> Result<Person> {
        let contacts: Vec<String> = owner.contacts.iter().filter(|text| !text.trim().is_empty()).cloned().collect();
        let person = match remainder {
            None => {
                let new = NewPerson { role: Role::Owner, until: None, contacts: contacts.clone(), ..owner };
                self.0.people.add(new).await?
            }
            Some(person) => {
                let edit = Edit { name: Some(owner.name), profile: Some(owner.profile), ..Edit::default() };
                self.0.people.edit(person.id, edit).await?
            }
        };
        // Nobody is there who could confirm anything: whoever holds the machine says that these are theirs.
        for contact in &contacts {
            self.0.people.vouch(person.id, contact).await?;
        }
        self.person(person.id)
    }

    async fn half_made(&self) -> Result<Option<Person>> {
        for person in self.0.people.list() {
            if person.role == Role::Owner && !self.can_come_in(person.id).await? {
                return Ok(Some(person));
            }
        }
        Ok(None)
    }

    async fn row(&self) -> Result<Option<Row>> {
        let kept = self.0.store.secrets().get(KEPT).await?;
        Ok(kept.and_then(|kept| serde_json::from_slice(kept.expose()).ok()))
    }

    async fn write_row(&self, row: &Row) -> Result<()> {
        let text = serde_json::to_vec(row).map_err(|_| Why::Keep)?;
        Ok(self.0.store.secrets().put(KEPT, &text).await?)
    }

    fn setup_key(&self, token: &str) -> Key {
        self.key("signin.setup", &[token.as_bytes()])
    }
}
