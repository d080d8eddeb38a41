//! The people of the home: who they are, how they are reached, what they agreed to, what was delegated. It knows no
//! password and lets nobody in; what a person may do is judged by the policy from what this room says.
//!
//! Everybody is in memory; a change is durable before it is seen, and changes follow one another.

mod consents;
mod contacts;
mod erase;
mod export;
mod grants;
mod login;
mod mark;
mod paper;
mod person;
mod proofs;
mod roster;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::{Drawer, Store, StoreError};
use jiff::tz::TimeZone;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::audit::Journal;
use crate::clock::Clock;
use crate::policy::Now;

pub use consents::{MESSAGES, PURPOSES, READINGS};
pub use contacts::Proof;
pub use export::Told;
pub use mark::mark;
pub use person::{Consent, Contact, ContactKind, Edit, NewPerson, Person, Profile};

use roster::Roster;

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
    zone: TimeZone,
    roster: Arc<RwLock<Roster>>,
    /// How many people's papers do not open.
    damaged: usize,
    /// Held while a change is made, from the look at what is there until it is seen.
    changes: Arc<AsyncMutex<()>>,
    proofs: Arc<Mutex<proofs::Proofs>>,
    hooks: Arc<RwLock<Hooks>>,
}

/// What other rooms do for this one: it may not know them.
#[derive(Default)]
struct Hooks {
    /// Rooms that keep things about people, by the name of their part in the export.
    keepers: Vec<(&'static str, Told)>,
    /// Stops what the last standing consent of a purpose allowed.
    stop: Option<consents::Stop>,
    /// Rooms that forget whoever is erased.
    forgetters: Vec<erase::Forgets>,
}

impl People {
    /// Reads everybody. Whose paper does not open may do nothing; the others live on.
    pub async fn open(store: Store, clock: Clock, journal: Journal) -> Result<Self, PeopleError> {
        let (papers, mut damaged) = store.papers().readable(Drawer::Person).await?;
        let mut people = Vec::with_capacity(papers.len());
        for paper in &papers {
            match paper::to_person(paper) {
                Ok(person) => people.push(person),
                Err(error) => {
                    tracing::error!("a person's paper cannot be read: {error}");
                    damaged += 1;
                }
            }
        }
        Ok(People {
            damaged,
            store,
            clock,
            journal,
            zone: TimeZone::UTC,
            roster: Arc::new(RwLock::new(Roster::new(people))),
            changes: Arc::default(),
            proofs: Arc::default(),
            hooks: Arc::default(),
        })
    }

    /// The same people in a home of this time zone: the hours of a right are counted in it.
    pub fn in_zone(self, zone: TimeZone) -> Self {
        People { zone, ..self }
    }

    /// How many people's papers do not open.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Everybody, owners first, then by name.
    pub fn list(&self) -> Vec<Person> {
        self.seen(Roster::list)
    }

    /// One person.
    pub fn get(&self, id: PersonId) -> Option<Person> {
        self.seen(|roster| roster.get(id).cloned())
    }

    /// The person whose login this is: a confirmed or vouched contact in any usual spelling of a phone number or an
    /// e-mail address, or a login name. Hand on whatever the person typed.
    pub fn by_login(&self, login: &str) -> Option<Person> {
        let login = login::read(login).ok()?;
        self.seen(|roster| roster.by_login(&login).map(|(person, _)| person.clone()))
    }

    /// Likewise with the contact itself, if one-time codes may go there: a vouched one was proved by nobody.
    pub fn reached_by(&self, login: &str) -> Option<(Person, Contact)> {
        let login = login::read(login).ok()?;
        let found =
            self.seen(|roster| roster.by_login(&login).map(|(person, contact)| (person.clone(), contact.clone())));
        found.filter(|(_, contact)| contact.is_confirmed())
    }

    /// Adds a person.
    pub async fn add(&self, new: NewPerson) -> Result<Person, PeopleError> {
        let changes = self.changes().await;
        if self.seen(Roster::is_full) {
            return Err(PeopleError::Refused(format!("a home has at most {} people", roster::MAX_PEOPLE)));
        }
        roster::goes_with(new.role, new.until)?;
        roster::ends_rightly(new.until, self.clock.trusted())?;
        let mut person = Person {
            id: PersonId(new_id()?),
            name: roster::name(&new.name)?,
            role: new.role,
            contacts: Vec::new(),
            profile: roster::profile(new.profile)?,
            grants: Vec::new(),
            until: new.until,
            locked: false,
            epoch: 0,
            added_at: self.clock.trusted(),
        };
        for typed in &new.contacts {
            contacts::put(&mut person, typed)?;
        }
        self.keep(changes, vec![person.clone()]).await?;
        Ok(person)
    }

    /// Changes a person. A change of role, rights, lock or expiry raises `epoch`, which ends the person's sessions.
    pub async fn edit(&self, id: PersonId, edit: Edit) -> Result<Person, PeopleError> {
        let changes = self.changes().await;
        let before = self.existing(id)?;
        let mut person = before.clone();
        if let Some(name) = edit.name {
            person.name = roster::name(&name)?;
        }
        if let Some(profile) = edit.profile {
            person.profile = roster::profile(profile)?;
        }
        person.role = edit.role.unwrap_or(person.role);
        person.until = edit.until.unwrap_or(person.until);
        person.locked = edit.locked.unwrap_or(person.locked);
        roster::goes_with(person.role, person.until)?;
        if person.until != before.until {
            roster::ends_rightly(person.until, self.clock.trusted())?;
        }
        if (person.role, person.until, person.locked) != (before.role, before.until, before.locked) {
            person.epoch = person.epoch.wrapping_add(1);
        }
        if person != before {
            self.keep(changes, vec![person.clone()]).await?;
        }
        Ok(person)
    }

    /// Whether this person's time is over.
    pub fn is_over(person: &Person, now: Timestamp) -> bool {
        person.until.is_some_and(|until| until <= now)
    }

    fn seen<T>(&self, look: impl FnOnce(&Roster) -> T) -> T {
        look(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn existing(&self, id: PersonId) -> Result<Person, PeopleError> {
        self.get(id).ok_or(PeopleError::NoSuch("person"))
    }

    async fn changes(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.changes).lock_owned().await
    }

    /// The moment that ends things. While nobody knows the time, the clock's own opinion.
    fn at(&self) -> Timestamp {
        self.clock.trusted().unwrap_or_else(|| self.clock.wall())
    }

    fn now(&self) -> Now {
        let at = self.at();
        let minute = jiff::Timestamp::from_millisecond(at.0).map_or(0, |at| {
            let local = at.to_zoned(self.zone.clone());
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
        });
        Now { at, minute, trusted: self.clock.trusted().is_some() }
    }

    /// Makes people durable and lets them be seen. On a task of its own: a caller that hangs up in between must not
    /// leave the memory and the disk in disagreement.
    async fn keep(&self, changes: OwnedMutexGuard<()>, people: Vec<Person>) -> Result<(), PeopleError> {
        let now = self.at();
        for person in &people {
            self.seen(|roster| roster.admits(person, now))?;
        }
        let room = self.clone();
        finish(async move {
            for person in people {
                room.store.papers().put(Drawer::Person, &paper::of_person(&person)?).await?;
                room.roster.write().unwrap_or_else(PoisonError::into_inner).insert(person);
            }
            drop(changes);
            Ok(())
        })
        .await
    }
}

/// Runs to the end whether or not the caller waits.
async fn finish<T: Send + 'static>(
    work: impl Future<Output = Result<T, PeopleError>> + Send + 'static,
) -> Result<T, PeopleError> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(StoreError::Io(format!("the change was not finished: {error}")).into()),
    }
}

fn new_id() -> Result<Id, PeopleError> {
    Ok(Id(uuid::Builder::from_random_bytes(random()?).into_uuid().into_bytes()))
}

fn random<const N: usize>() -> Result<[u8; N], PeopleError> {
    domovoi_vault::random().map_err(|error| StoreError::Io(error.to_string()).into())
}
