//! The people against a real store.

mod contacts;
mod papers;
mod rights;
mod roster;

use domovoi_model::{Id, PersonId, Timestamp};
use domovoi_store::{Settings, Store};
use domovoi_vault::{MasterKey, Secret};

use super::*;
use crate::audit::Actor;
use crate::policy::Role;

/// 2026-12-01T09:00:00Z, noon in Moscow.
const NOW: Timestamp = Timestamp(1_796_115_600_000);
const DAY: i64 = 86_400_000;

/// A data folder with people in it.
struct Home {
    folder: tempfile::TempDir,
    master: MasterKey,
    clock: Clock,
}

impl Home {
    fn new() -> Self {
        let clock = Clock::by_hand(Id([1; 16]), NOW);
        Home { folder: tempfile::tempdir().unwrap(), master: MasterKey::generate().unwrap(), clock }
    }

    async fn store(&self) -> Store {
        Store::open(&Settings::new(self.folder.path().join("data")), &self.master).await.unwrap()
    }

    /// Opens the room anew, as after a restart.
    async fn people(&self) -> People {
        let store = self.store().await;
        let journal = Journal::new(store.clone(), self.clock.clone());
        let people = People::open(store, self.clock.clone(), journal).await.unwrap();
        people.in_zone(TimeZone::get("Europe/Moscow").unwrap())
    }

    fn later(&self, millis: i64) {
        self.clock.set(self.clock.wall().plus_millis(millis));
    }
}

fn new(name: &str, role: Role) -> NewPerson {
    let until = (role == Role::Guest).then(|| NOW.plus_millis(7 * DAY));
    NewPerson { name: name.into(), role, contacts: Vec::new(), profile: Profile::default(), until }
}

async fn add(people: &People, name: &str, role: Role) -> PersonId {
    people.add(new(name, role)).await.unwrap().id
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, PeopleError>) -> String {
    match outcome {
        Err(PeopleError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn invalid<T: std::fmt::Debug>(outcome: Result<T, PeopleError>) -> String {
    match outcome {
        Err(PeopleError::Invalid(why)) => why,
        other => panic!("taken: {other:?}"),
    }
}
