//! What an acknowledgement waits for. Several may wait for the same samples: a message that came twice, and one that says
//! nothing new, wait for the one that said it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use domovoi_store::{Kept, NotKept, Seq};
use futures_util::FutureExt as _;
use futures_util::future::Shared;

/// Samples that were handed to the journal, and what becomes of them.
pub type Offered = Shared<Kept>;

/// Resolves once everything that a message stands on is durable, or once it is known that a part of it is not kept.
#[derive(Debug)]
pub struct Commit {
    offered: Option<Offered>,
    /// Empty but for messages that say a part of what was said before.
    others: Vec<Offered>,
    seq: Seq,
    /// Nothing is kept here: it is never durable.
    never: bool,
}

impl Commit {
    /// Of these samples.
    pub(super) fn of(offered: Offered) -> Self {
        Commit { offered: Some(offered), others: Vec::new(), seq: Seq(0), never: false }
    }

    /// Of what is kept nowhere: whoever waits for it waits until the connection ends.
    pub(super) fn never() -> Self {
        Commit { offered: None, others: Vec::new(), seq: Seq(0), never: true }
    }

    /// Of all of these; `None` if there are none.
    pub(super) fn of_all(offered: Option<Offered>, others: Vec<Offered>) -> Option<Self> {
        (offered.is_some() || !others.is_empty()).then_some(Commit { offered, others, seq: Seq(0), never: false })
    }
}

impl Future for Commit {
    type Output = Result<Seq, NotKept>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.never {
            return Poll::Pending;
        }
        loop {
            if this.offered.is_none() {
                this.offered = this.others.pop();
            }
            let Some(offered) = &mut this.offered else { return Poll::Ready(Ok(this.seq)) };
            match Pin::new(offered).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(seq)) => {
                    this.seq = this.seq.max(seq);
                    this.offered = None;
                }
            }
        }
    }
}

/// How samples that were offered stand now, if that is known. Asks without waiting.
pub(super) fn standing(offered: &Offered) -> Option<Result<Seq, NotKept>> {
    offered.clone().now_or_never()
}
