//! Small sealed documents, by drawer: people, factors, sessions, tokens, consents. What a document says is known to the
//! room that wrote it; here it has an id, perhaps a person whose it is, and goes when that person goes.

use std::sync::Arc;

use domovoi_model::{Id, PersonId};
use zeroize::Zeroizing;

use crate::db::Db;
use crate::error::StoreError;

/// A drawer: a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drawer {
    /// People.
    Person,
    /// What a person signs in with.
    Factor,
    /// Where a person is signed in.
    Session,
    /// API tokens and client certificates.
    Token,
    /// What a person agreed to.
    Consent,
}

/// A document.
#[derive(Debug, Clone)]
pub struct Paper {
    /// Opaque: random, or a keyed hash.
    pub id: Id,
    /// Whose it is.
    pub person: Option<PersonId>,
    /// At most 64 KiB.
    pub body: Zeroizing<Vec<u8>>,
}

/// The documents.
#[derive(Clone)]
pub struct Papers {
    db: Arc<Db>,
}

// SKELETON
impl Papers {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Papers { db }
    }

    /// An id that only this store can compute from these parts: finds a session by its cookie.
    pub fn id_of(&self, what: &str, parts: &[&[u8]]) -> Id {
        let hash = self.db.vault.keyed_hash(what, parts);
        Id(std::array::from_fn(|i| hash[i]))
    }

    /// Keeps a document, in the place of the one with the same id. Durable when this returns.
    pub async fn put(&self, drawer: Drawer, paper: &Paper) -> Result<(), StoreError> {
        let _ = (drawer, paper);
        Ok(())
    }

    /// One document.
    pub async fn get(&self, drawer: Drawer, id: Id) -> Result<Option<Paper>, StoreError> {
        let _ = (drawer, id);
        Ok(None)
    }

    /// All of a drawer.
    pub async fn all(&self, drawer: Drawer) -> Result<Vec<Paper>, StoreError> {
        let _ = drawer;
        Ok(Vec::new())
    }

    /// A person's.
    pub async fn of(&self, drawer: Drawer, person: PersonId) -> Result<Vec<Paper>, StoreError> {
        let _ = (drawer, person);
        Ok(Vec::new())
    }

    /// Forgets a document, and says whether there was one.
    pub async fn delete(&self, drawer: Drawer, id: Id) -> Result<bool, StoreError> {
        let _ = (drawer, id);
        Ok(false)
    }

    /// Forgets everything of a person in one step: all drawers, and the key under which the journal of deeds keeps the
    /// person's data. The bytes are overwritten in the database file and its log.
    pub async fn erase(&self, person: PersonId) -> Result<usize, StoreError> {
        let _ = person;
        Ok(0)
    }
}
