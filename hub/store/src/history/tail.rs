//! The newest samples in memory, so that those who follow the journal do not read back from the disk what was written
//! a moment ago. Holds nothing that is not durable.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domovoi_model::Sample;

use super::{Recorded, Seq};

/// How many samples are kept: more than a commit of a busy home, a few hundred kilobytes.
const TAIL_SAMPLES: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<VecDeque<Recorded<Sample>>>);

impl Tail {
    pub fn push(&self, samples: impl IntoIterator<Item = Recorded<Sample>>) {
        let mut tail = self.lock();
        for sample in samples {
            // After a commit whose answer was lost the journal is ahead; a tail with a gap would hide that.
            if tail.back().is_some_and(|last| last.seq.0 + 1 != sample.seq.0) {
                tail.clear();
            }
            if tail.len() == TAIL_SAMPLES {
                tail.pop_front();
            }
            tail.push_back(sample);
        }
    }

    /// What follows `seq`, if the tail reaches back that far.
    pub fn after(&self, seq: Seq, limit: usize) -> Option<Vec<Recorded<Sample>>> {
        let tail = self.lock();
        let first = tail.front()?.seq;
        let skip = usize::try_from((seq.0 + 1).checked_sub(first.0)?).ok()?;
        Some(tail.iter().skip(skip).take(limit).cloned().collect())
    }

    /// The newest that `wanted` picks.
    pub fn newest(&self, wanted: impl Fn(&Sample) -> bool) -> Option<Recorded<Sample>> {
        self.lock().iter().rev().find(|recorded| wanted(&recorded.item)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Recorded<Sample>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
