//! What survives a restart, through the eyes of the broker: an ordered log of frames that somebody else keeps.
//!
//! The broker writes down each change of what the standard calls session state, and of retained messages, as one frame;
//! replayed in their order on top of the latest rewrite they make the state again. What a frame means is the broker's
//! own business; where it lies, and under which seal, is the owner's.

use std::{future::Future, pin::Pin};

use crate::gate::Durable;

/// The log's keeper. Frames are numbered from 1 in the order in which they are appended.
pub trait Storage: Send + Sync + 'static {
    /// Appends a frame and returns its number. Called while the broker's state is locked: it must not wait, and the
    /// order of calls is the order of the log.
    fn append(&self, frame: Vec<u8>) -> u64;

    /// Says when everything appended up to now is durable; an error means that the log is torn.
    fn settled(&self) -> Durable;

    /// Puts `frames`, which describe everything up to and with frame number `up_to`, in the place of the frames up to
    /// there; those appended since stay behind them. Until it is done the old frames count, also after a crash in the
    /// middle of it. It mends a torn log, unless a frame behind `up_to` is lost too. It does not count before the fate
    /// of every frame up to `up_to` is known, and fails if one up to and with `whole_to` was lost: what those promised
    /// stands in `frames`, what the others did does not.
    fn rewrite(&self, up_to: u64, whole_to: u64, frames: Vec<Vec<u8>>) -> Rewritten;

    /// The first frame that could not be kept, so that the log has a hole: from it on nothing is durable before the log
    /// was rewritten from the broker's memory. `None` while the log is whole.
    fn first_lost(&self) -> Option<u64>;

    /// Whether the log has a hole.
    fn is_torn(&self) -> bool {
        self.first_lost().is_some()
    }

    /// Whether anything is kept at all. Where nothing is, the broker encodes nothing and waits for nothing.
    fn keeps(&self) -> bool {
        true
    }

    /// Does `work`, in which the gate takes messages in and frames are appended, so that all of it is kept together or
    /// not at all, as far as the owner can see to it. Without that a crash between the two could leave a QoS 2 message
    /// whose id is not known, which its sender repeats, or an id whose message is not there.
    fn together(&self, work: &mut dyn FnMut()) {
        work();
    }

    /// The owner's wall clock in milliseconds since 1970, `None` while it is not to be trusted: sessions and messages
    /// expire across a restart by it, and without it count as if they had begun at the restart.
    fn now_millis(&self) -> Option<i64>;
}

/// Resolves once the log is rewritten, or was not.
pub type Rewritten = Pin<Box<dyn Future<Output = Result<(), Torn>> + Send>>;

/// The log could not be rewritten; the old one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker's log could not be rewritten")]
pub struct Torn;

/// Keeps nothing: sessions and retained messages live as long as the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forgetful;

impl Storage for Forgetful {
    fn append(&self, _frame: Vec<u8>) -> u64 {
        0
    }

    fn settled(&self) -> Durable {
        Durable::Now
    }

    fn rewrite(&self, _up_to: u64, _whole_to: u64, _frames: Vec<Vec<u8>>) -> Rewritten {
        Box::pin(std::future::ready(Ok(())))
    }

    fn first_lost(&self) -> Option<u64> {
        None
    }

    fn now_millis(&self) -> Option<i64> {
        None
    }

    fn keeps(&self) -> bool {
        false
    }
}
