//! Steps that were begun and wait for their answer: in memory only, for minutes, each with an id that goes back with the
//! answer. A restart ends them; whoever was in the middle of one begins again.

use std::collections::HashMap;

use domovoi_model::PersonId;
use domovoi_vault::Secret;

use super::factors::code::SentCode;
use super::factors::passkey::{AnyonesChallenge, PersonsChallenge, Registration};
use super::guard::Account;
use super::session::Shown;

/// How long a step waits.
pub(super) const LIFE_MILLIS: i64 = 5 * 60_000;
/// Wrong answers to one step.
pub(super) const TRIES: u8 = 5;
/// Steps in all, some megabytes; and from one neighbourhood, so that nobody fills it up for the others.
const IN_ALL: usize = 2_048;
const FROM_ONE: usize = 32;

/// What was begun.
pub(super) enum Begun {
    /// A first proof was right, a second is wanted.
    Second { person: PersonId, epoch: u32, shown: Shown, challenge: Option<PersonsChallenge>, wrong: u8 },
    /// Whoever has a passkey.
    Anyone(AnyonesChallenge),
    /// One person's passkeys.
    Person(PersonsChallenge),
    /// A code was sent, or seems to have been.
    Code { account: Account, reached: bool, sent: SentCode },
    /// A passkey is being made.
    Registration(Registration),
    /// An authenticator app is being added.
    Totp { person: PersonId, secret: Secret<String>, wrong: u8 },
}

struct Held {
    begun: Begun,
    ends_run: i64,
    from: [u8; 9],
    number: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Steps {
    held: HashMap<String, Held>,
    next: u64,
}

impl Steps {
    /// Keeps a step. The oldest from the same neighbourhood goes if there are too many; strangers from many addresses
    /// can at worst make somebody begin again.
    pub fn hold(&mut self, id: &str, begun: Begun, from: [u8; 9], now_run: i64, life_millis: i64) {
        self.held.retain(|_, held| held.ends_run > now_run);
        if self.held.values().filter(|held| held.from == from).count() >= FROM_ONE {
            self.drop_oldest(Some(from));
        }
        if self.held.len() >= IN_ALL {
            self.drop_oldest(None);
        }
        self.next += 1;
        let held = Held { begun, ends_run: now_run.saturating_add(life_millis), from, number: self.next };
        self.held.insert(id.to_owned(), held);
    }

    /// Takes a step out. Who wants another answer to it puts it back.
    pub fn take(&mut self, id: &str, now_run: i64) -> Option<(Begun, i64)> {
        let held = self.held.remove(id)?;
        (held.ends_run > now_run).then_some((held.begun, held.ends_run - now_run))
    }

    fn drop_oldest(&mut self, from: Option<[u8; 9]>) {
        let mine = self.held.iter().filter(|(_, held)| from.is_none_or(|from| held.from == from));
        let oldest = mine.min_by_key(|(_, held)| held.number).map(|(id, _)| id.clone());
        if let Some(oldest) = oldest {
            self.held.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Begun {
        Begun::Totp { person: PersonId(domovoi_model::Id([1; 16])), secret: Secret::new(String::new()), wrong: 0 }
    }

    #[test]
    fn a_step_is_taken_once_and_in_time() {
        let mut steps = Steps::default();
        steps.hold("a", step(), [0; 9], 0, 1_000);
        steps.hold("b", step(), [0; 9], 0, 1_000);
        assert!(steps.take("a", 999).is_some_and(|(_, left)| left == 1));
        assert!(steps.take("a", 999).is_none());
        assert!(steps.take("b", 1_000).is_none());
    }

    #[test]
    fn one_neighbour_does_not_push_another_out() {
        let mut steps = Steps::default();
        steps.hold("mine", step(), [1; 9], 0, 1_000);
        for number in 0..5_000 {
            steps.hold(&number.to_string(), step(), [2; 9], 0, 1_000);
        }
        assert_eq!(steps.held.len(), FROM_ONE + 1);
        assert!(steps.take("mine", 1).is_some());
    }
}
