//! The broker's log: frames whose meaning only the broker knows, sealed, in order. They join the group commit of the
//! samples, so that a retained message and the sample that came with it cost one write to the card.

use std::sync::Arc;

use crate::db::Db;
use crate::error::StoreError;
use crate::history::{History, Kept};

/// What a start finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLeft {
    /// Oldest first: the latest whole rewrite, then what was appended behind it.
    pub frames: Vec<Vec<u8>>,
    /// Rows that do not open; they were set aside.
    pub damaged: Vec<String>,
}

/// The room.
#[derive(Clone)]
pub struct BrokerLog {
    _db: Arc<Db>,
    _history: History,
}

// SKELETON: all of it.
impl BrokerLog {
    pub(crate) fn new(db: Arc<Db>, history: History) -> Self {
        BrokerLog { _db: db, _history: history }
    }

    /// Reads everything; before the first append.
    pub async fn load(&self) -> Result<LogLeft, StoreError> {
        Ok(LogLeft::default())
    }

    /// Puts a frame into the next commit and returns its number, counted from 1 in this run of the daemon.
    pub fn append(&self, _frame: Vec<u8>) -> u64 {
        0
    }

    /// Resolves once everything appended so far is durable; `None` if it is already. Urgency as for samples.
    pub fn settled(&self) -> Option<Kept> {
        None
    }

    /// Puts `frames` in the place of everything up to and with number `up_to`. Until it has succeeded the old ones
    /// count, also after a power cut in the middle.
    pub async fn rewrite(&self, _up_to: u64, _frames: Vec<Vec<u8>>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether a frame was lost (full or failing disk): nothing is durable any more before a rewrite.
    pub fn is_torn(&self) -> bool {
        false
    }

    /// Bytes appended since the last rewrite.
    pub fn grown_bytes(&self) -> u64 {
        0
    }
}
