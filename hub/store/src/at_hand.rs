//! All credentials in memory, for the gate of the broker: who connects because it is wet waits for no disk. What is being
//! changed is not believed from here until the change has come to its end: of that name the disk is asked.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::credentials::Credential;

type Id = [u8; 32];

/// The memory.
#[derive(Default)]
pub(crate) struct AtHand {
    known: RwLock<Known>,
    /// One change after another.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// Before it was read nothing is known.
    read: bool,
    all: HashMap<Id, Arc<Credential>>,
    /// A change was begun and not seen to its end, or the row does not open.
    unsure: HashSet<Id>,
}

/// What is known of a name.
pub(crate) enum Look {
    /// This is how it stands.
    Sure(Option<Arc<Credential>>),
    /// Only the disk knows.
    Unsure,
}

/// A change of one credential. Dropped without `ends`, as by a caller who went away or a disk that failed, it leaves the
/// disk to be asked.
pub(crate) struct Changing<'a> {
    memory: &'a AtHand,
    id: Id,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl AtHand {
    pub fn look(&self, id: &Id) -> Look {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.read && !known.unsure.contains(id) { Look::Sure(known.all.get(id).cloned()) } else { Look::Unsure }
    }

    /// Waits for the change before it; from now on the disk is asked about this one.
    pub async fn changes(&self, id: Id) -> Changing<'_> {
        let turn = self.turn.lock().await;
        self.known.write().unwrap_or_else(PoisonError::into_inner).unsure.insert(id);
        Changing { memory: self, id, _turn: turn }
    }

    /// Nothing changes while the guard is held.
    pub async fn still(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// All of them, as they were just read; and the ids of rows that do not open.
    pub fn is(&self, all: HashMap<Id, Arc<Credential>>, damaged: HashSet<Id>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { read: true, all, unsure: damaged };
    }
}

impl Changing<'_> {
    /// It is durable: so it stands now.
    pub fn ends(self, credential: Option<Arc<Credential>>) {
        let mut known = self.memory.known.write().unwrap_or_else(PoisonError::into_inner);
        known.unsure.remove(&self.id);
        match credential {
            Some(credential) => known.all.insert(self.id, credential),
            None => known.all.remove(&self.id),
        };
    }

    /// For certain nothing was changed, and the row is one that opens.
    pub fn changed_nothing(self) {
        self.memory.known.write().unwrap_or_else(PoisonError::into_inner).unsure.remove(&self.id);
    }
}
