//! The router's pen: changes of durable state become records, those made under one lock one frame.
//!
//! A record that nobody waits for may linger and travel with the next frame; the sweep sends it on within a second.
//! What lingers and is lost in a crash costs a repetition, never a message.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    gate::Durable,
    message::Message,
    record::{self, Record},
    storage::Storage,
};

/// Bytes at which a frame is sent on though nobody waits for it.
const LINGER_BYTES: usize = 16 << 10;
/// How long a frame may linger.
const LINGER: Duration = Duration::from_secs(1);
/// How often a storage is asked again that could not keep what somebody waits for.
const ASK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Log {
    pub(crate) storage: Arc<dyn Storage>,
    /// Whether anything is to be written. Asked before a record is even made.
    pub(crate) keeps: bool,
    frame: Vec<u8>,
    /// When the frame began to linger, if the housekeeper was told.
    armed: Option<Instant>,
    next_number: u64,
    last_frame: u64,
    /// Appended since the state was last written as a whole.
    pub(crate) grown_bytes: usize,
    /// Of the last rewrite; 0 before the first.
    pub(crate) live_bytes: usize,
    /// A rewrite is being made.
    pub(crate) rewriting: bool,
}

impl Log {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            keeps: storage.keeps(),
            storage,
            frame: Vec::new(),
            armed: None,
            next_number: 1,
            last_frame: 0,
            grown_bytes: 0,
            live_bytes: 0,
            rewriting: false,
        }
    }

    /// A number for a message or a will. 0 is never given out: it stands for "not in the log".
    pub(crate) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// A number that the log mentions is never given out again.
    pub(crate) fn pass(&mut self, number: u64) {
        self.next_number = self.next_number.max(number.saturating_add(1));
    }

    /// Writes a record into the frame that is being made.
    pub(crate) fn write(&mut self, record: &Record) {
        if !self.keeps {
            return;
        }
        if self.frame.is_empty() {
            record::begin(&mut self.frame);
        }
        record.write(&mut self.frame);
    }

    /// The same, for a record that nobody waits for.
    pub(crate) fn linger(&mut self, record: &Record) {
        self.write(record);
        if self.frame.len() >= LINGER_BYTES {
            self.flush();
        }
    }

    /// Whether somebody has to be told that a frame lingers, who was not told yet.
    pub(crate) fn arm(&mut self) -> bool {
        let news = !self.frame.is_empty() && self.armed.is_none();
        if news {
            self.armed = Some(Instant::now());
        }
        news
    }

    /// Sends on what has lingered long enough. Returns when to come again.
    pub(crate) fn flush_lingering(&mut self, now: Instant) -> Option<Instant> {
        let due = self.armed? + LINGER;
        if due > now {
            return Some(due);
        }
        self.flush();
        None
    }

    /// Sends the frame on. To be called before the lock is let go by whoever wrote what must not linger.
    pub(crate) fn flush(&mut self) {
        if !self.frame.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            self.armed = None;
            self.grown_bytes += frame.len();
            self.last_frame = self.storage.append(frame);
        }
    }

    /// Number of the last frame, with nothing lingering.
    pub(crate) fn last_frame(&mut self) -> u64 {
        self.flush();
        self.last_frame
    }

    pub(crate) fn millis_at(&self, at: Instant) -> Option<i64> {
        millis_at(&*self.storage, at)
    }

    pub(crate) fn expiry_of(&self, message: &Message) -> Option<i64> {
        message.expires.and_then(|at| self.millis_at(at))
    }
}

/// Durable once the storage has it, however often it has to be asked: for what a client can only wait for, while its
/// connection goes on.
pub(crate) fn patient(storage: &Arc<dyn Storage>) -> Durable {
    let Durable::When(mut kept) = storage.settled() else { return Durable::Now };
    let storage = storage.clone();
    Durable::when(async move {
        while kept.await.is_err() {
            tokio::time::sleep(ASK_AGAIN).await;
            match storage.settled() {
                Durable::Now => break,
                Durable::When(again) => kept = again,
            }
        }
        Ok(())
    })
}

/// The wall time of a moment; None while the clock cannot be trusted.
pub(crate) fn millis_at(storage: &dyn Storage, at: Instant) -> Option<i64> {
    let now = Instant::now();
    let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    let wall = storage.now_millis()?;
    Some(if at >= now { wall.saturating_add(millis(at - now)) } else { wall.saturating_sub(millis(now - at)) })
}
