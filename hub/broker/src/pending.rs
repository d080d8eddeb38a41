//! Publishes that were taken in and are not yet known to be durable, in the order in which they were read.
//!
//! Acknowledging and forwarding happen in that order too (MQTT 4.6), so only the first one is ever waited for.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use rmqtt_codec::{types::QoS, v5::UnsubscribeAckReason};

use crate::{
    gate::{Durable, Refusal},
    message::Message,
};

/// What is due to the sender once the message is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    None,
    /// Of a will, by its number: whether it has to be told again.
    Will(u64),
    PubAck {
        id: u16,
        refusal: Option<Refusal>,
    },
    PubRec {
        id: u16,
        refusal: Option<Refusal>,
    },
}

/// What of a message is to be in the log before it counts as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// To be planned at the end of the batch: `taken` is the session and QoS 2 id that it came under.
    Wanted { taken: Option<(u64, u16)> },
    /// Its number; 0 if the log has nothing of it.
    Number(u64),
}

pub(crate) struct Entry {
    pub(crate) receipt: Receipt,
    /// None if nobody else is to hear of it.
    pub(crate) forward: Option<Arc<Message>>,
    pub(crate) durable: Durable,
    pub(crate) plan: Plan,
    pub(crate) bytes: usize,
}

impl Entry {
    fn number(&self) -> u64 {
        match self.plan {
            Plan::Number(number) => number,
            Plan::Wanted { .. } => 0,
        }
    }
}

pub(crate) struct Settled {
    pub(crate) receipt: Receipt,
    pub(crate) forward: Option<Arc<Message>>,
    /// Of the plan.
    pub(crate) number: u64,
    pub(crate) kept: bool,
}

impl From<Entry> for Settled {
    /// Of an entry that is durable already.
    fn from(entry: Entry) -> Self {
        let number = entry.number();
        Self { receipt: entry.receipt, forward: entry.forward, number, kept: true }
    }
}

#[derive(Default)]
pub(crate) struct Pending {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many of the last ones the plan has not been made for.
    unplanned: usize,
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
        if self.unplanned > 0 || matches!(entry.plan, Plan::Wanted { .. }) {
            self.unplanned += 1;
        }
        self.entries.push_back(entry);
    }

    /// Those that wait for their plan, which they are to get before anything is settled.
    pub(crate) fn take_unplanned(&mut self) -> Option<impl Iterator<Item = &mut Entry>> {
        let count = std::mem::take(&mut self.unplanned);
        (count > 0).then(|| self.entries.range_mut(self.entries.len().saturating_sub(count)..))
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
        let number = entry.number();
        Poll::Ready(Some(Settled { receipt: entry.receipt, forward: entry.forward, number, kept }))
    }

    /// None at once if nothing is pending. Cancel-safe: an entry leaves the queue only by being returned.
    pub(crate) async fn settled(&mut self) -> Option<Settled> {
        poll_fn(|cx| self.poll_settled(cx)).await
    }

    /// Gives up waiting: what would have been due and the number of the plan, in order.
    pub(crate) fn into_receipts(self) -> impl Iterator<Item = (Receipt, u64)> {
        self.entries.into_iter().map(|entry| (entry.receipt, entry.number()))
    }

    /// Like [`Pending::settled`], but never waits.
    pub(crate) fn try_settled(&mut self) -> Option<Settled> {
        match self.poll_settled(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(settled) => settled,
            Poll::Pending => None,
        }
    }
}

/// What is due to a client of a lasting session once the log is settled.
pub(crate) enum Answer {
    PubRel { id: u16, known: bool },
    PubComp { id: u16, known: bool },
    SubAck { id: u16, granted: Vec<Result<QoS, u8>> },
    UnsubAck { id: u16, verdicts: Vec<UnsubscribeAckReason> },
}

/// What is due once the log is settled, in order. Nothing in it is ever given up while the connection lives: its
/// futures are the patient ones of the router, which ask again until the disk is back.
pub(crate) struct Line<T> {
    entries: VecDeque<(T, Durable)>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<T> Line<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn push(&mut self, item: T, durable: Durable) {
        self.entries.push_back((item, durable));
    }

    /// None at once if nothing waits. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| {
            let Some((_, durable)) = self.entries.front_mut() else { return Poll::Ready(None) };
            if let Durable::When(kept) = durable
                && kept.as_mut().poll(cx).is_pending()
            {
                return Poll::Pending;
            }
            let first = self.entries.pop_front();
            if self.entries.is_empty() {
                self.entries = VecDeque::new();
            }
            Poll::Ready(first.map(|(item, _)| item))
        })
        .await
    }
}
