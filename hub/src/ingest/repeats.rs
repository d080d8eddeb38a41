//! Messages that came before. A sender that did not hear our acknowledgement sends the same again and says so (DUP); what
//! was recorded the first time is not recorded twice, and the second is acknowledged with the first.
//!
//! Only what is certainly the same is left out. With the device's own time in it a message is itself; without, it may be
//! another that says the same: then it is left out only if it says what was recorded last from there, and says no words (a
//! button that was pressed twice sends «single» twice). The broker's packet ids would say more; they do not come this far.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::Arrival;
use super::commit::{Offered, standing};

/// As many messages are remembered, twice over: seconds of the worst hail, hours of a home.
const KEPT: usize = 4096;

/// What was recorded lately. Names and contents are remembered as keyed hashes: nobody who does not know the key of this
/// run can make two that are alike.
#[derive(Debug, Default)]
pub struct Repeats {
    keys: RandomState,
    young: HashMap<u64, (u64, Offered)>,
    old: HashMap<u64, (u64, Offered)>,
}

/// A message as it is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    place: u64,
    content: u64,
}

impl Repeats {
    /// The mark of a message.
    pub fn mark(&self, arrival: &Arrival<'_>) -> Mark {
        let place = self.keys.hash_one((arrival.sender, arrival.topic));
        Mark { place, content: self.keys.hash_one(arrival.payload) }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// What the same message offered before, if that is certain and was not lost. `timed`: it has the device's own time;
    /// `words`: it says words.
    pub fn before(&self, mark: Mark, timed: bool, words: bool) -> Option<Offered> {
        if !timed && words {
            return None;
        }
        let key = mark.key(timed);
        let (content, offered) = self.young.get(&key).or_else(|| self.old.get(&key))?;
        // What was not kept is offered anew.
        (*content == mark.content && !matches!(standing(offered), Some(Err(_)))).then(|| offered.clone())
    }

    /// Remembers what a message offered.
    pub fn remember(&mut self, mark: Mark, timed: bool, offered: Offered) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark.key(timed), (mark.content, offered));
    }
}

impl Mark {
    /// A message with a time of its own stands for itself, another for the last of its sender and topic.
    fn key(self, timed: bool) -> u64 {
        if timed { self.place ^ self.content.rotate_left(1) } else { self.place }
    }
}
