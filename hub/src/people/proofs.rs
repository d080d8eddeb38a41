//! Proofs under way that a contact is somebody's: a code of six digits and a link, kept as keyed hashes in memory. They
//! do not outlive a restart: ten minutes are not worth a write. Pure but for the state; time is handed in.

use std::collections::HashMap;

use domovoi_model::{Id, PersonId};

use super::ContactKind;

const VALID_MILLIS: i64 = 10 * 60_000;
const MAX_TRIES: u8 = 5;
/// Messages to one contact, whoever asks for them, within [`VALID_MILLIS`].
const MAX_SENT: usize = 3;
/// Messages that one person asks for within [`HOUR_MILLIS`], whichever contact they go to.
const MAX_SENT_BY: usize = 10;
const HOUR_MILLIS: i64 = 3_600_000;
/// A hundred people with ten contacts each; more only lies there when contacts are added and removed in a loop.
const MAX_KNOWN: usize = 1000;

/// A contact: its kind and the key it is compared by.
pub(super) type Key = (ContactKind, String);

struct Pending {
    code: Id,
    link: Id,
    ends_millis: i64,
    tries: u8,
}

/// The proofs under way.
#[derive(Default)]
pub(super) struct Proofs {
    pending: HashMap<(PersonId, Key), Pending>,
    /// When messages went out.
    sent: HashMap<Key, Vec<i64>>,
    /// When messages went out at a person's wish.
    sent_by: HashMap<PersonId, Vec<i64>>,
}

impl Proofs {
    /// Begins a proof in the place of the one before, or says how many seconds to wait.
    pub fn begin(&mut self, person: PersonId, key: Key, code: Id, link: Id, now_millis: i64) -> Result<(), i64> {
        self.forget_old(now_millis);
        // However many contacts somebody adds and removes: a message costs money and somebody's peace.
        let by_person = self.sent_by.entry(person).or_default();
        if by_person.len() >= MAX_SENT_BY {
            let first = by_person.first().copied().unwrap_or(now_millis);
            return Err(((first + HOUR_MILLIS - now_millis) / 1000).max(1));
        }
        let sent = self.sent.entry(key.clone()).or_default();
        if sent.len() >= MAX_SENT {
            let first = sent.first().copied().unwrap_or(now_millis);
            return Err(((first + VALID_MILLIS - now_millis) / 1000).max(1));
        }
        if self.pending.len() >= MAX_KNOWN {
            return Err(VALID_MILLIS / 1000);
        }
        sent.push(now_millis);
        by_person.push(now_millis);
        let ends_millis = now_millis.saturating_add(VALID_MILLIS);
        self.pending.insert((person, key), Pending { code, link, ends_millis, tries: 0 });
        Ok(())
    }

    /// Whether this is the code; a right one is used up, and after the fifth wrong one no code is right.
    ///
    /// The hashes are keyed, so that the time a comparison takes tells nothing of a code.
    pub fn prove(&mut self, person: PersonId, key: &Key, code: Id, now_millis: i64) -> bool {
        self.forget_old(now_millis);
        let place = (person, key.clone());
        let Some(pending) = self.pending.get_mut(&place) else { return false };
        pending.tries += 1;
        let right = pending.code == code;
        if right || pending.tries >= MAX_TRIES {
            self.pending.remove(&place);
        }
        right
    }

    /// Whose contact a link proves; it is used up.
    pub fn prove_by_link(&mut self, link: Id, now_millis: i64) -> Option<(PersonId, Key)> {
        self.forget_old(now_millis);
        let place = self.pending.iter().find(|(_, pending)| pending.link == link).map(|(place, _)| place.clone())?;
        self.pending.remove(&place);
        Some(place)
    }

    /// Forgets a contact, or all of a person's.
    pub fn forget(&mut self, person: PersonId, key: Option<&Key>) {
        self.pending.retain(|(whose, which), _| *whose != person || key.is_some_and(|key| key != which));
    }

    fn forget_old(&mut self, now_millis: i64) {
        self.pending.retain(|_, pending| pending.ends_millis > now_millis);
        self.sent.retain(|_, sent| {
            sent.retain(|at| at.saturating_add(VALID_MILLIS) > now_millis);
            !sent.is_empty()
        });
        self.sent_by.retain(|_, sent| {
            sent.retain(|at| at.saturating_add(HOUR_MILLIS) > now_millis);
            !sent.is_empty()
        });
    }
}
