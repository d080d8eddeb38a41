//! Publishes that were taken in and are not yet known to be durable, in the order in which they were read.
//!
//! Acknowledging and forwarding happen in that order too (MQTT 4.6), so only the first one is ever waited for.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    gate::{Durable, Refusal},
    message::Message,
};

/// What is due to the sender once the message is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    None,
    PubAck { id: u16, refusal: Option<Refusal> },
    PubRec { id: u16, refusal: Option<Refusal> },
}

pub(crate) struct Entry {
    pub(crate) receipt: Receipt,
    /// None if nobody else is to hear of it.
    pub(crate) forward: Option<Arc<Message>>,
    pub(crate) durable: Durable,
    pub(crate) bytes: usize,
}

pub(crate) struct Settled {
    pub(crate) receipt: Receipt,
    pub(crate) forward: Option<Arc<Message>>,
    pub(crate) kept: bool,
}

impl From<Entry> for Settled {
    /// Of an entry that is durable already.
    fn from(entry: Entry) -> Self {
        Self { receipt: entry.receipt, forward: entry.forward, kept: true }
    }
}

#[derive(Default)]
pub(crate) struct Pending {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
    }

    /// The first entry, if its fate is known.
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Option<Settled>> {
        let Some(first) = self.entries.front_mut() else { return Poll::Ready(None) };
        let kept = match &mut first.durable {
            Durable::Now => true,
            Durable::When(kept) => match kept.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => answer.is_ok(),
            },
        };
        let Some(entry) = self.entries.pop_front() else { return Poll::Ready(None) };
        self.bytes -= entry.bytes;
        if self.entries.is_empty() {
            // An idle connection should not keep the room of its busiest moment.
            self.entries = VecDeque::new();
        }
        Poll::Ready(Some(Settled { receipt: entry.receipt, forward: entry.forward, kept }))
    }

    /// None at once if nothing is pending. Cancel-safe: an entry leaves the queue only by being returned.
    pub(crate) async fn settled(&mut self) -> Option<Settled> {
        poll_fn(|cx| self.poll_settled(cx)).await
    }

    /// Gives up waiting: what would have been due, in order.
    pub(crate) fn into_receipts(self) -> impl Iterator<Item = Receipt> {
        self.entries.into_iter().map(|entry| entry.receipt)
    }

    /// Like [`Pending::settled`], but never waits.
    pub(crate) fn try_settled(&mut self) -> Option<Settled> {
        match self.poll_settled(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(settled) => settled,
            Poll::Pending => None,
        }
    }
}
