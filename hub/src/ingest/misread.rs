//! What could not be read: counted, said once, the latest kept for `doctor`.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use domovoi_adapters::{Envelope, Fault};
use domovoi_model::Timestamp;
use tokio::time::Instant;

use super::once::Once;
use super::{Ingest, printable};

/// How many are remembered.
pub(super) const KEPT: usize = 100;

/// A packet, or a part of it, that could not be read.
#[derive(Debug, Clone)]
pub struct Misread {
    /// When.
    pub at: Timestamp,
    /// Who sent it.
    pub sender: String,
    /// On which topic.
    pub topic: String,
    /// What was wrong, in a sentence.
    pub what: String,
}

/// The latest, and which of them were said.
#[derive(Default)]
pub(super) struct Faults {
    lately: Mutex<VecDeque<Misread>>,
    said: Mutex<Once>,
}

impl Ingest {
    /// What could not be read lately, newest first.
    pub fn misread_lately(&self) -> Vec<Misread> {
        self.misread.lately.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// The same fault in the same place is written into the log once, whatever the values are in which it was found.
    pub(super) fn misread(&self, envelope: &Envelope<'_>, fault: &Fault) {
        self.complain(envelope, (fault.what.code(), &fault.at), &fault.to_string());
    }

    /// The same for anything that is wrong with a message, by what it is and where.
    pub(super) fn complain(&self, envelope: &Envelope<'_>, which: (&str, &str), words: &str) {
        self.counters.misread.fetch_add(1, Ordering::Relaxed);
        let (sender, topic) = (printable(envelope.sender), printable(envelope.topic));
        let what = printable(words);
        let is_news = {
            let mut said = self.misread.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.is_news((&topic, which), Instant::now())
        };
        if is_news {
            tracing::warn!(%sender, %topic, "{what}");
        }
        let mut lately = self.misread.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = lately.iter().position(|before| before.topic == topic && before.what == what) {
            lately.remove(before);
        } else if lately.len() == KEPT {
            lately.pop_front();
        }
        lately.push_back(Misread { at: self.clock.wall(), sender, topic, what });
    }
}
