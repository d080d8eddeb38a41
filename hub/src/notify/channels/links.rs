//! Codes by which somebody shows where they are reached: the hub makes one for a person, the person shows it to the bot, and
//! the bot's chat is theirs. In memory only: a code is for now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domovoi_model::PersonId;
use domovoi_vault::RandomError;
use tokio::time::Instant;

/// Nobody takes longer to press a button.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);
/// Codes that wait at a time; the oldest goes first.
const MOST: usize = 64;

/// The codes that wait. Clones are the same codes.
#[derive(Clone, Default)]
pub struct Links(Arc<Mutex<HashMap<String, (PersonId, Instant)>>>);

impl Links {
    /// A new code for a person, 26 letters and digits; the one before it is good no more.
    pub fn offer(&self, person: PersonId) -> Result<String, RandomError> {
        let code = spell(&domovoi_vault::random::<16>()?);
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, (whose, made)| *whose != person && made.elapsed() < GOOD_FOR);
        if codes.len() >= MOST
            && let Some(oldest) = codes.iter().min_by_key(|(_, (_, made))| *made).map(|(code, _)| code.clone())
        {
            codes.remove(&oldest);
        }
        codes.insert(code.clone(), (person, Instant::now()));
        Ok(code)
    }

    /// Whose code it is, once.
    pub fn take(&self, code: &str) -> Option<PersonId> {
        self.take_at(code, Instant::now())
    }

    fn take_at(&self, code: &str, now: Instant) -> Option<PersonId> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.remove(code).filter(|(_, made)| now.duration_since(*made) < GOOD_FOR).map(|(person, _)| person)
    }

    /// Nobody is linked by a code of somebody who is here no more.
    pub fn forget(&self, person: PersonId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (whose, _)| *whose != person);
    }
}

/// Five bits a letter; a bot's `/start` takes letters, digits, `_` and `-`.
fn spell(bytes: &[u8; 16]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bits = u128::from_be_bytes(*bytes);
    (0..26)
        .map(|at| {
            let five = usize::try_from(bits >> (5 * at) & 31).unwrap_or(0);
            LETTERS.get(five).copied().map_or('a', char::from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use domovoi_model::Id;

    use super::*;

    fn person(number: u8) -> PersonId {
        PersonId(Id([number; 16]))
    }

    #[test]
    fn a_code_is_good_once_and_not_for_long() {
        let links = Links::default();
        let first = links.offer(person(1)).unwrap();
        let second = links.offer(person(1)).unwrap();
        assert_eq!((first.len(), links.take(&first)), (26, None));
        assert_eq!((links.take(&second), links.take(&second)), (Some(person(1)), None));
        let late = links.offer(person(2)).unwrap();
        assert_eq!(links.take_at(&late, Instant::now() + GOOD_FOR), None);
    }

    #[test]
    fn there_are_never_too_many_and_those_of_who_is_gone_go_too() {
        let links = Links::default();
        let codes: Vec<_> = (0..100).map(|number| links.offer(person(number)).unwrap()).collect();
        assert_eq!(codes.iter().filter(|code| links.take(code).is_some()).count(), MOST);
        let code = links.offer(person(1)).unwrap();
        links.forget(person(1));
        assert_eq!(links.take(&code), None);
    }
}
